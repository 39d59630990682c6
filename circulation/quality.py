"""How good a source's reports of a month are: five shares, and a score of them.

A month is that of UTC+08:00 in which an event happened, by its `time`: a number, as 202610.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from circulation.calendar import CHINA, CHINA_OFFSET, DAY, LATEST

# Earlier events are counted in this month: a source cannot make more of them than there are since.
FIRST_MONTH: Final = 200001

Part = Literal["on_time", "admitted", "linked", "complete", "agreeing"]
PARTS: Final[tuple[Part, ...]] = ("on_time", "admitted", "linked", "complete", "agreeing")

_LAST_MONTH: Final = 999912
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Share(NamedTuple):
    """So many of so many; of none nothing can be said."""

    good: int
    all: int

    @property
    def ratio(self) -> float | None:
        """How much of it is good, 0 … 1."""
        return self.good / self.all if self.all > 0 else None


def score(shares: Mapping[Part, Share]) -> float | None:
    """The mean of the parts of which anything is counted, each as heavy as the others, in percent; None without any."""
    known = [share.ratio for share in shares.values() if share.ratio is not None]
    return round(100 * sum(known) / len(known), 1) if known else None


def month_of(instant: int) -> int:
    """The month that an instant (µs) is in."""
    date = _EPOCH + dt.timedelta(days=(instant + CHINA_OFFSET) // DAY)
    return max(date.year * 100 + date.month, FIRST_MONTH)


def bounds(month: int) -> tuple[int, int]:
    """The first instant of a month, and the first of the next (µs)."""
    year, number = divmod(month, 100)
    if month == _LAST_MONTH:
        return _start(year, number), LATEST + 1
    return _start(year, number), _start(year + number // 12, number % 12 + 1)


def _start(year: int, month: int) -> int:
    return int((dt.datetime(year, month, 1, tzinfo=CHINA) - _EPOCH).total_seconds()) * 1_000_000


def parse_month(text: str) -> int:
    """Read a month as people write it, 2026-10. ValueError says what is wrong."""
    match = _MONTH.fullmatch(text)
    if match is None or (month := int(match[1] + match[2])) < FIRST_MONTH:
        raise ValueError(f"expected a month as 2026-10, from {format_month(FIRST_MONTH)} on, got {text!r}")
    return month


def format_month(month: int) -> str:
    """Write a month as people do."""
    return f"{month // 100:04}-{month % 100:02}"


class Months:
    """Months of instants, most of which are in the one before: that is not looked up again."""

    def __init__(self) -> None:
        # The month of the one before: from `begin` to before `end`.
        self.begin = self.end = self.month = 0

    def of(self, instant: int) -> int:
        """The month that an instant is in."""
        if not self.begin <= instant < self.end:
            self.month = month_of(instant)
            self.begin, self.end = bounds(self.month)
            if self.month == FIRST_MONTH:
                self.begin = min(self.begin, instant)
        return self.month
