"""The terms that a use is held against: the statements of terms on one contract's key, in the order in which they came.

Uses are counted and not kept, so they are judged once, by the terms that came before them on the key (contract §3).
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from circulation.events.event import Event
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED
from circulation.terms import Terms, Window
from circulation.voices import EVERYBODY, Home, Voices

LIMITS = ("uses", "bytes", "rows", "persons")
TERMS_TYPES = (CONTRACT_SIGNED, CONTRACT_AMENDED)

S = TypeVar("S", bound="Event | Licence")


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of terms as it stood when it came.

    `index` counts the statements of the key from 0. `origins` names, for each limit of `LIMITS` and for each window
    (`window_name`), the statement that first gave it its present value: what was counted and raised goes on while it
    is the same.
    `terminated` is when the contract was terminated, as far as that came before on the key.
    """

    index: int
    type: str
    source: str
    id: str
    time: int
    reporter: int
    asset: str
    seller: str
    buyer: str
    terms: Terms
    origins: dict[str, str]
    terminated: int | None = None


def ranked(statements: Iterable[S]) -> list[S]:
    """Those that count: of one type only what the best reporter says (exchange, else provider, else consumer)."""
    kept = list(statements)
    if len(kept) < 2:
        return kept
    best: dict[str, int] = {}
    for statement in kept:
        best[statement.type] = min(best.get(statement.type, statement.reporter), statement.reporter)
    return [statement for statement in kept if statement.reporter == best[statement.type]]


def in_force(statements: Sequence[S], instant: int) -> S | None:
    """Of statements in the order of (time, source, id) the latest that is not after the instant, else the earliest."""
    if not statements:
        return None
    if len(statements) == 1:
        return statements[0]
    return statements[max(0, bisect_right(statements, instant, key=_time) - 1)]


def _time(timed: Event | Licence) -> int:
    return timed.time


def _only(licences: Sequence[Licence]) -> Licence | None:
    return licences[0] if len(licences) == 1 else None


def _order(timed: Event | Licence) -> tuple[int, str, str]:
    return (timed.time, timed.source, timed.id)


def window_name(window: Window) -> str:
    """The key of a window among those of its terms, in `Licence.origins`."""
    return f"{window.seconds}:{window.uses_max}"


def _limits(terms: Terms) -> dict[str, object]:
    """By name the value of each limit. In a quota group a contract has no limit of uses by itself. Windows are aligned
    to `valid_from`: moving it aligns them anew, which is a new limit."""
    uses_max = None if terms.quota_group else terms.uses_max
    values = (uses_max, terms.bytes_max, terms.rows_max, terms.persons_max)
    windows = {window_name(window): terms.valid_from for window in terms.windows or ()}
    return {**dict(zip(LIMITS, values, strict=True)), **windows}


class Licences:
    """The licences of one contract that are visible at this point of its key.

    `current` are those that count, in their order; `only` is the licence of all instants, where there is only one.
    `windowed` tells whether any of them limits the uses of a window; `daily` whether any ever made what is used on a
    day matter for as long as there is the contract: it shares a limit with others, or asks for reports.
    """

    __slots__ = (
        "_best",
        "_home",
        "_licences",
        "_terminations",
        "_visible",
        "current",
        "daily",
        "only",
        "sellers",
        "windowed",
    )

    def __init__(self, voices: Voices = EVERYBODY) -> None:
        # Statements of others than the home do not count, and are remembered, for the home may change.
        self._home = Home(voices)
        self._licences: list[Licence] = []
        self._visible: list[Licence] = []
        self.current: list[Licence] = []
        self.only: Licence | None = None
        # Who reported best, by type.
        self._best: dict[str, int] = {}
        self._terminations: list[Event] = []
        self.windowed = False
        self.daily = False
        # All that were ever stated.
        self.sellers: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.current)

    def add(self, event: Event) -> Licence:
        """Takes in a `contract.signed` or `.amended` at the point where it came."""
        data = event.data
        before = self.at(event.time)
        limits = _limits(data.terms)
        origins = dict.fromkeys(limits, str(len(self._licences)))
        if before is not None and before.time <= event.time:
            old = _limits(before.terms)
            origins |= {name: before.origins[name] for name in limits if name in old and old[name] == limits[name]}
        licence = Licence(
            index=len(self._licences),
            type=event.type,
            source=event.source,
            id=event.id,
            time=event.time,
            reporter=event.reporter,
            asset=data.asset,
            seller=data.seller,
            buyer=data.buyer,
            terms=data.terms,
            origins=origins,
            terminated=self.terminated,
        )
        self._licences.append(licence)
        self.sellers.add(data.seller)
        self.daily = self.daily or data.terms.quota_group is not None or data.terms.report_within_days is not None
        self._visible.append(licence)
        if event.type == CONTRACT_SIGNED and self._home.take(event.source, event.reporter):
            self._terminate()
        elif self._home.has(licence.source):
            best = self._best.setdefault(licence.type, licence.reporter)
            if licence.reporter < best:
                self._settle()
            elif licence.reporter == best:
                insort(self.current, licence, key=_order)
                self.only = _only(self.current)
                self.windowed = self.windowed or bool(licence.terms.windows)
        return self._licences[-1]

    def terminate(self, event: Event) -> None:
        """Takes in a `contract.terminated` at the point where it came."""
        self._terminations.append(event)
        self._terminate()

    def resume(self, source: str, id_: str) -> None:
        """A termination that was taken back ends here on the key."""
        self._terminations = [
            termination for termination in self._terminations if (termination.source, termination.id) != (source, id_)
        ]
        self._terminate()

    @property
    def terminated(self) -> int | None:
        """When the contract was terminated by its home, as far as that came on the key."""
        if not self._terminations:
            return None
        counting = [termination for termination in self._terminations if self._home.has(termination.source)]
        return min((termination.time for termination in ranked(counting)), default=None)

    def _terminate(self) -> None:
        instant = self.terminated
        if any(licence.terminated != instant for licence in self._licences):
            ended = {licence.index for licence in self._licences} - {licence.index for licence in self._visible}
            self._licences = [msgspec.structs.replace(licence, terminated=instant) for licence in self._licences]
            self._visible = [licence for licence in self._licences if licence.index not in ended]
        self._settle()

    def end(self, type_: str, source: str, id_: str) -> None:
        """Terms that were taken back end here on the key."""
        self._visible = [
            licence for licence in self._visible if (licence.type, licence.source, licence.id) != (type_, source, id_)
        ]
        self._settle()

    def _settle(self) -> None:
        self.current = sorted(
            ranked(licence for licence in self._visible if self._home.has(licence.source)), key=_order
        )
        self.only = _only(self.current)
        self._best = {licence.type: licence.reporter for licence in self.current}
        self.windowed = any(licence.terms.windows for licence in self.current)

    def at(self, instant: int) -> Licence | None:
        """The licence for a use at this instant; None before the first terms."""
        return in_force(self.current, instant)

    def last(self) -> Licence | None:
        """The one that came last, also where it was ended: what was counted can be given back after all terms ended."""
        return self._licences[-1] if self._licences else None

    @property
    def signed(self) -> int:
        """The earliest signing that counts, µs; later than any instant where none came."""
        return next((licence.time for licence in self.current if licence.type == TERMS_TYPES[0]), 2**62)

    def past(self, index: int) -> Licence:
        """The licence of this index, also one that was ended."""
        return self._licences[index]
