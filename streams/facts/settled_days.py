"""Settled days of contracts, in the store: the days after them, and months, go on from these."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from circulation.sides import Settled
from streams.store import schema
from streams.store.db import Db

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Settled).decode
_COLUMNS: Final = "select contract, day, state, forgotten from settled_days"


class Days(NamedTuple):
    """The settled state of each day, by contract and day; and the days whose uses were forgotten."""

    settled: dict[str, dict[int, Settled]]
    forgotten: set[tuple[str, int]]


def load(db: Db, days: Mapping[str, Iterable[int]], spans: Iterable[tuple[str, int, int]]) -> Days:
    """Load the settled state of these days of contracts, each with the last one before it; and of the days from the
    first to the last of `spans` (contract, first, last)."""
    loaded = Days({contract: {} for contract in days}, set())

    def read(where: str, *values: object) -> None:
        for contract, day, state, forgotten in db.rows(f"{_COLUMNS} where {where}", *values):
            loaded.settled.setdefault(contract, {})[day] = _decode(bytes(state))
            if forgotten:
                loaded.forgotten.add((contract, day))

    wanted = {(contract, number) for contract, numbers in days.items() for number in numbers}
    if wanted:
        near = sorted({number - back for _, number in wanted for back in (0, 1)})
        read("contract = any(?) and day = any(?)", sorted(days), near)
    # Most contracts have something on each day; of the others the last one before is somewhere.
    lacking: dict[int, list[str]] = {}
    for contract, day in sorted(wanted):
        if day - 1 not in loaded.settled[contract]:
            lacking.setdefault(day, []).append(contract)
    before = {
        row
        for day, contracts in lacking.items()
        for row in db.rows(
            "select contract, max(day) from settled_days where contract = any(?) and day < ? group by contract",
            contracts,
            day,
        )
    }
    if before:
        read("contract = any(?) and day = any(?)", *(sorted({row[at] for row in before}) for at in (0, 1)))
    by_span: dict[tuple[int, int], list[str]] = {}
    for contract, first, last in spans:
        by_span.setdefault((first, last), []).append(contract)
    for (first, last), contracts in by_span.items():
        read("contract = any(?) and day between ? and ?", sorted(contracts), first, last)
    return loaded


def following(db: Db, contracts: Mapping[int, list[str]]) -> set[tuple[str, int]]:
    """The next day after each of these of which anything is settled, (contract, day)."""
    query = "select contract, min(day) from settled_days where contract = any(?) and day > ? group by contract"
    return {row for day, ids in contracts.items() for row in db.rows(query, sorted(ids), day)}


def write(db: Db, settled: Mapping[tuple[str, int], Settled]) -> None:
    """Keep what is settled of days."""
    rows = [(*key, _encode(state), False) for key, state in sorted(settled.items())]
    db.many(schema.settled_days, rows, "upsert")
