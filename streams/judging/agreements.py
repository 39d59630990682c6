"""Notes of days of contracts that were compared whether the reporters agree, for the quality of their sources.

A day is noted as it was judged last, with the rows that it counts in: whoever judges it again takes that back first. It
is judged under the lock of its sum, so a day is counted once.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from circulation.daily import end_of
from circulation.facts.contracts import ContractFacts
from circulation.quality import month_of
from circulation.sequences import NEVER
from streams.facts.quality import OTHER_SOURCES, Key, look
from streams.store import schema
from streams.store.db import Db

# The rank of an exchange's report: it is said to come from the home of the contract.
EXCHANGE: Final = 0

# (contract, number of the day).
Day = tuple[str, int]


class Looked(NamedTuple):
    """A day that was looked at: who reported of it, by rank; the sources of its deliveries; and whether they differ."""

    reporters: frozenset[int]
    sources: frozenset[str]
    differs: bool

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare: two reports, or one where another was due."""
        return self.differs or len(self.reporters) > 1


class Noted(msgspec.Struct, array_like=True, frozen=True):
    """The note on a day: the names of the rows that it counts in, and whether the reporters differed."""

    rows: tuple[str, ...] = ()
    differs: bool = False


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Noted).decode
_EMPTY: Final = Noted()
# Zeros for the columns that intake adds to.
_OF_INTAKE: Final = (0,) * 8


class Agreements:
    """The days that a round looked at, and the homes of their contracts. Nothing is counted before the round ends."""

    def __init__(self) -> None:
        self._looked: dict[Day, Looked] = {}
        self._homes: dict[str, str | None] = {}

    def note(self, looked: Mapping[Day, Looked], contracts: Mapping[str, ContractFacts]) -> None:
        """Note days as they were looked at."""
        self._looked.update(looked)
        for contract, _ in looked:
            self._homes[contract] = contracts[contract].home.source if contract in contracts else None

    def write(self, db: Db) -> None:
        """Count them: the last thing that a round writes, in the order of the rows."""
        if not self._looked:
            return
        query = "select contract, day, noted from compared where contract = any(?) and day = any(?)"
        before = {(contract, day): _decode(bytes(raw)) for contract, day, raw in db.rows(query, *self._ids())}
        names = self._names(db)
        rows = []
        changes: dict[Key, list[int]] = {}
        for day, looked in sorted(self._looked.items()):
            now = Noted(tuple(sorted(names[day])), looked.differs) if looked.compared else _EMPTY
            was = before.get(day, _EMPTY)
            if now == was:
                continue
            rows.append((*day, _encode(now)))
            for noted, sign in ((was, -1), (now, 1)):
                for name in noted.rows:
                    change = changes.setdefault((name, _month(day)), [0, 0])
                    change[0] += sign
                    change[1] += 0 if noted.differs else sign
        db.many(schema.compared, rows, "upsert")
        added = [(*key, *_OF_INTAKE, *change, NEVER) for key, change in sorted(changes.items()) if any(change)]
        db.many(schema.quality, added, "add")

    def _ids(self) -> tuple[list[str], list[int]]:
        return sorted({contract for contract, _ in self._looked}), sorted({day for _, day in self._looked})

    def _names(self, db: Db) -> dict[Day, set[str]]:
        """Return the names of the rows in which each day counts: those of all sources that reported of it."""
        sources: dict[Day, set[str]] = {day: set() for day, looked in self._looked.items() if looked.compared}
        for day in sources:
            looked, home = self._looked[day], self._homes[day[0]]
            sources[day] |= looked.sources
            if home is not None and EXCHANGE in looked.reporters:
                sources[day].add(home)
        query = "select contract, day, reported_by from reported_days where contract = any(?) and day = any(?)"
        for contract, number, source in db.rows(query, *self._ids()):
            if (contract, number) in sources:
                sources[contract, number].add(source)
        named = db.voices().named or frozenset()
        aside = look(db, {(name, _month(day)) for day, names in sources.items() for name in names - named}).aside
        return {
            day: {OTHER_SOURCES if (name, _month(day)) in aside else name for name in names}
            for day, names in sources.items()
        }


def _month(day: Day) -> int:
    return month_of(end_of(day[1]) - 1)
