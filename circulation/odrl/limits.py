"""The terms of a policy as its constraints add up."""

from typing import Any, Final

from circulation.calendar import LATEST, add_months, day_of, format_instant, parse_instant, start_of_day
from circulation.identifiers import Problems

Json = dict[str, Any]
TEXTS_LENGTH_MAX: Final = 1_048_576


class Limits:
    """The terms as they add up."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._counts: dict[str, int] = {}
        self._lists: dict[str, list[str]] = {}
        self._from: int | None = None
        self._ends: list[tuple[str, int]] = []
        self._spans: list[tuple[str, tuple[int, int]]] = []

    def at_most(self, term: str, maximum: int) -> None:
        """A count; of several the smallest holds."""
        self._counts[term] = min(maximum, self._counts.get(term, maximum))

    def not_before(self, instant: int) -> None:
        """The beginning; of several the latest holds."""
        self._from = instant if self._from is None else max(instant, self._from)

    def before(self, path: str, instant: int) -> None:
        """The end; of several the earliest holds."""
        self._ends.append((path, instant))

    def within(self, path: str, span: tuple[int, int]) -> None:
        """The end as a span after the beginning, which may come later in the policy."""
        self._spans.append((path, span))

    def one_of(self, path: str, term: str, values: list[str]) -> None:
        """Add the allowed values of a kind."""
        if term in self._lists:
            self._problems.add(path, f"`{term}` is limited by another constraint already: name what both allow in one")
        if sum(map(len, values)) > TEXTS_LENGTH_MAX:
            self._problems.add(path, f"`{term}` of at most {TEXTS_LENGTH_MAX} characters")
        self._lists[term] = values

    def terms(self, signed: Any) -> Json | None:
        """The terms; without a beginning of their own they hold from the day of signature."""
        try:
            began = parse_instant(signed) if self._from is None else self._from
        except (TypeError, ValueError, AttributeError):
            return None  # that `signed` is wrong is said where it stands
        terms: Json = self._counts | self._lists | {"valid_from": format_instant(began)}
        for path, span in self._spans:
            end = _after(began, span)
            if end is None:
                self._problems.add(path, "ends after the year 9999")
            else:
                self._ends.append((path, end))
        if self._ends:
            path, end = min(self._ends, key=lambda pair: pair[1])
            if end <= began:
                self._problems.add(path, f"ends at {format_instant(end)}, but begins at {format_instant(began)}")
            terms["valid_to"] = format_instant(end)
        return terms


def _after(began: int, span: tuple[int, int]) -> int | None:
    """The instant a span of (calendar months, microseconds) later; None where no such instant has a day."""
    months, exact = span
    day = day_of(began)
    if day.year * 12 + day.month - 1 + months >= 10_000 * 12:
        return None
    end = began - start_of_day(day) + start_of_day(add_months(day, months)) + exact
    return end if end <= LATEST else None
