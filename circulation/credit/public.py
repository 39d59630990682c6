"""The records of a party that were public at an instant."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from circulation.credit.settings import Settings
from circulation.credit.statement import (
    KINDS,
    NEVER,
    OBJECTION,
    RECORD,
    UPHELD,
    Line,
    around,
    claim,
    record_line,
    states_of,
)
from circulation.events.event import Event


class _Public(NamedTuple):
    """The line of a record, which holds from one instant to before another, and whether it was ever withdrawn."""

    line: Line
    since: int
    until: int
    withdrawn: bool
    settings: Settings


class Records:
    """The records of a party, for repeated questions about those public at an instant.

    A record's line is cached until something more is said of it, and until the instant at which it changes.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[Event]] = {}
        # By record the objections and repairs that ever named it, and by tier the records that ever were of it.
        self._about: dict[str, set[tuple[str, str]]] = {}
        self._of_tier: dict[str, set[str]] = {}
        # When anything was said of objections, with their ids.
        self._objected: list[tuple[int, str]] = []
        self._kept: dict[str, _Public] = {}

    def add(self, event: Event) -> None:
        """Adds what was said."""
        kind = KINDS[event.type]
        key = (kind, getattr(event.data, kind))
        events = self._events.setdefault(key, [])
        events.append(event)
        if kind == RECORD:
            self._kept.pop(key[1], None)
            self._of_tier.setdefault(event.data.tier, set()).add(key[1])
            return
        if kind == OBJECTION:
            insort(self._objected, (event.time, key[1]))
        tiers = {getattr(report.data, "tier", None) for report in events}
        for record in self._named(events):
            self._kept.pop(record, None)
            self._about.setdefault(record, set()).add(key)
            for tier in filter(None, tiers):
                self._of_tier.setdefault(tier, set()).add(record)

    @staticmethod
    def _named(events: Iterable[Event]) -> set[str]:
        named = {getattr(event.data, "record", None) for event in events}
        return {record for record in named if record is not None}

    def published(self, tier: str, instant: int, settings: Settings) -> list[str]:
        """The records of a tier that are public at the instant, in their order, without those ever withdrawn."""
        public: list[tuple[str, str]] = []
        for record in self._of_tier.get(tier, ()):
            known = self._kept.get(record)
            if known is None or known.settings is not settings or not known.since <= instant < known.until:
                known = self._kept[record] = self._public(record, instant, settings)
            row = known.line.row
            if row is not None and row["tier"] == tier and row["status"] == "published" and not known.withdrawn:
                public.append((known.line.place, record))
        return [record for _, record in sorted(public)]

    def _public(self, record: str, instant: int, settings: Settings) -> _Public:
        about = [(kind, self._events[kind, id_]) for kind, id_ in self._about.get(record, ())]
        then, ever = (
            states_of(
                known_claim for kind, events in about if (known_claim := claim(kind, events, as_of)) is not None
            ).get((RECORD, record), {})
            for as_of in (instant, NEVER)
        )
        line = record_line(self._events.get((RECORD, record), ()), then, instant, settings)
        instants = [*line.instants, *(event.time for _, events in about for event in events)]
        return _Public(line, *around(instants, instant), UPHELD in ever, settings)

    def since(self, instant: int) -> int:
        """From when on what is public may be other than it was, if what was said came from an instant on.

        A record that is withdrawn was never public, and neither was one whose withdrawal is decided otherwise.
        """
        later = {objection for _, objection in self._objected[bisect_left(self._objected, (instant, "")) :]}
        by_objection = (self._events[OBJECTION, objection] for objection in later)
        records = {
            record
            for events in by_objection
            if any(getattr(event.data, "outcome", None) == UPHELD for event in events)
            for record in self._named(events)
        }
        times = (event.time for record in records for event in self._events.get((RECORD, record), ()))
        return min([instant, *times])
