"""Notes of days of contracts that were compared whether the reporters agree, for the quality of their sources.

A day is noted as it was judged last, with the rows that it counts in: whoever judges it again takes that back first. It
is judged under the lock of its sum, so a day is counted once.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from circulation.daily import end_of
from circulation.facts.contracts import ContractFacts
from circulation.quality import month_of
from circulation.sequences import NEVER
from streams.facts.feeds import OTHERS
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
    """What is kept of a day: the names of the rows that it counts in, and whether the reporters differed."""

    rows: tuple[str, ...] = ()
    differs: bool = False


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Noted).decode
_NOTHING: Final = Noted()


class Agreements:
    """What a round found of days; `write` counts it."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, int], list[int]] = {}

    def note(self, db: Db, looked: Mapping[Day, Looked], contracts: Mapping[str, ContractFacts]) -> None:
        """Note days, and what that changes in the counts of their sources."""
        ids, days = sorted({one for one, _ in looked}), sorted({day for _, day in looked})
        query = "select contract, day, noted from compared where contract = any(?) and day = any(?)"
        before = {(contract, day): _decode(bytes(raw)) for contract, day, raw in db.rows(query, ids, days)}
        sources = _sources(db, looked, contracts)
        rows = []
        for key, one in looked.items():
            now = Noted(tuple(sorted(sources[key])), one.differs) if one.compared else _NOTHING
            was = before.get(key, _NOTHING)
            if now == was:
                continue
            rows.append((*key, _encode(now)))
            for noted, sign in ((was, -1), (now, 1)):
                for name in noted.rows:
                    change = self._changes.setdefault((name, month_of(end_of(key[1]) - 1)), [0, 0])
                    change[0] += sign
                    change[1] += 0 if noted.differs else sign
        db.many(schema.compared, rows, "upsert")

    def write(self, db: Db) -> None:
        """Add it to the rows that are there: the last thing that a round writes, in the order of the rows."""
        nothing = [0] * 8
        rows = [(*key, *nothing, *change, NEVER) for key, change in sorted(self._changes.items()) if any(change)]
        db.many(schema.quality, rows, "add")


def _sources(
    db: Db, looked: Mapping[Day, Looked], contracts: Mapping[str, ContractFacts]
) -> dict[Day, Collection[str]]:
    """Return the names of the rows in which each day counts: of all sources that reported of it."""
    found: dict[Day, set[str]] = {}
    for (contract, day), one in looked.items():
        home = contracts[contract].home.source if contract in contracts and EXCHANGE in one.reporters else None
        found[contract, day] = {*one.sources, *(() if home is None else (home,))}
    ids, days = sorted({one for one, _ in looked}), sorted({day for _, day in looked})
    query = "select contract, day, reported_by from reported_days where contract = any(?) and day = any(?)"
    for contract, day, source in db.rows(query, ids, days):
        if (contract, day) in found:
            found[contract, day].add(source)
    names = sorted(set().union(*found.values()))
    months = sorted({month_of(end_of(day) - 1) for _, day in looked})
    query = "select reported_by, month from quality where reported_by = any(?) and month = any(?)"
    there = set(db.rows(query, names, months))
    named = db.voices().named or frozenset()

    def row(source: str, day: int) -> str:
        return source if source in named or (source, month_of(end_of(day) - 1)) in there else OTHERS

    return {key: {row(source, key[1]) for source in sources} for key, sources in found.items()}
