"""Uses of each day, in the store: rows, but for the newest days of a contract, which its desk remembers."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from circulation.daily import NEVER, Edge, Used, UsedAbroad, UsedDay, day_number, of_key
from circulation.events.names import CONTRACTS
from streams.store.db import Db

# No day that an instant may be in is farther from 1970.
DAYS_MAX: Final = 2**31 - 1


class _Days(msgspec.Struct, array_like=True):
    """The beginning of what a desk remembers: the rest is left."""

    days: dict[int, Used]


class _Edges(msgspec.Struct, array_like=True):
    """The uses near the midnights of a day, and those in between; and when more than 0 was used, as in `Used`."""

    head: Edge | None
    tail: Edge | None
    middle: int
    span: tuple[int, int] | None = None


_days = msgspec.msgpack.Decoder(_Days).decode
_edges = msgspec.msgpack.Decoder(_Edges).decode
_encode = msgspec.msgpack.Encoder().encode


def used_rows(db: Db, contracts: Collection[str], days: Collection[int]) -> dict[str, list[UsedDay]]:
    """The uses of these days of contracts, without those that desks remember."""
    by_contract: dict[str, list[UsedDay]] = {}
    query = (
        'select contract, day, reporter, uses, bytes, "rows", "first", "last", edges from used_days'
        " where contract = any(?) and day = any(?)"
    )
    for contract, day, reporter, *numbers in db.rows(query, list(contracts), list(days)):
        by_contract.setdefault(contract, []).append(UsedDay(day, reporter, _used(*numbers)))
    return by_contract


def row_of(contract: str, day: int, reporter: int, used: Used, taken_at: int | None) -> tuple[Any, ...]:
    """The row of a day."""
    edges = None
    if used.head is not None or used.tail is not None or used.span is not None:
        edges = _encode(_Edges(used.head, used.tail, used.middle, used.span))
    return (contract, day, reporter, used.uses, used.bytes, used.rows, used.first, used.last, taken_at, edges)


def _used(uses: int, bytes_: int | None, rows: int | None, first: int, last: int, edges: bytes | None) -> Used:
    if edges is None:
        return Used(uses, bytes_, rows, first, last)
    more = _edges(bytes(edges))
    return Used(uses, bytes_, rows, first, last, more.head, more.tail, more.middle, more.span)


_WHOLE: Final = 'select contract, day, reporter, uses, bytes, "rows", "first", "last", edges, null from used_days'
_REMEMBERED: Final = "select subject, 0, 0, 0, 0, 0, 0, 0, null, state from desks where topic = ? and subject = any(?)"


def used_days(db: Db, contracts: Collection[str]) -> dict[str, list[UsedDay]]:
    """The uses of each day of each contract, by reporter, in the order of days: rows, and days that desks remember.

    One statement, for a day must not be missed, or counted twice, that becomes a row in between.
    """
    ids = list(dict.fromkeys(contracts))
    query = f"{_WHOLE} where contract = any(?) union all {_REMEMBERED}"
    return _added(ids, db.rows(query, ids, CONTRACTS, ids) if ids else ())


def used_on(db: Db, days: Mapping[str, Collection[int]]) -> dict[str, list[UsedDay]]:
    """The same of some days only; others may be among them."""
    ids = sorted(days)
    day_numbers = sorted({day for contract_days in days.values() for day in contract_days})
    query = f"{_WHOLE} where contract = any(?) and day = any(?) union all {_REMEMBERED}"
    return _added(ids, db.rows(query, ids, day_numbers, CONTRACTS, ids) if day_numbers else ())


def rows_since(db: Db, contract: str, first: int) -> list[UsedDay]:
    """The uses of a contract from a day on, without those that its desk remembers."""
    query = f"{_WHOLE} where contract = ? and day >= ?"
    return [UsedDay(day, by, _used(*numbers)) for _, day, by, *numbers, _ in db.rows(query, contract, first)]


def used_since(db: Db, contract: str, instant: int) -> tuple[list[UsedDay], int | None]:
    """The same of one contract, from the last day on with a report before the day of an instant, and when the first
    report of that day was made; None where there is no such day, and it is all that there is.
    """
    day = day_number(instant)
    query = (
        f"{_WHOLE} where contract = ? and day >= coalesce((select day from used_days where contract = ? and day < ?"  # noqa: S608
        f' and "first" < ? order by day desc limit 1), ?) union all {_REMEMBERED}'
    )
    rows = db.rows(query, contract, contract, day, NEVER, -DAYS_MAX, CONTRACTS, [contract])
    used = _added([contract], rows)[contract]
    reported = [used_day for used_day in used if used_day.day < day and used_day.used.first < NEVER]
    if not reported:
        return used, None
    last = reported[-1].day
    first = min(used_day.used.first for used_day in reported if used_day.day == last)
    return [used_day for used_day in used if used_day.day >= last], first


# A desk remembers two days of three reporters: of seven rows there is one of which it remembers nothing.
_REMEMBERED_MAX: Final = 6


def first_served(db: Db, contracts: Collection[str]) -> dict[str, int]:
    """When the first report of more than 0 was made of the first day of each contract of which uses are left; without
    the contracts that have no such day. Days that were forgotten are among them.
    """
    first_uses: dict[str, int] = {}
    query = (
        f"{_WHOLE} where contract = ? and day <= coalesce((select day from used_days where contract = ? and uses > 0"  # noqa: S608
        f" order by day, reporter limit 1 offset {_REMEMBERED_MAX}), ?) union all {_REMEMBERED}"
        # In one statement, for a day must not be missed that is forgotten in between.
        " union all select contract, null, 0, 0, 0, 0, time, 0, null, null from served where contract = ?"
    )
    for contract in sorted(contracts):
        rows = db.rows(query, contract, contract, DAYS_MAX, CONTRACTS, [contract], contract)
        days = _added([contract], (row for row in rows if row[1] is not None))[contract]
        left = [used_day for used_day in days if used_day.used.uses > 0]
        times = [used_day.used.first_use for used_day in left if used_day.day == left[0].day]
        times += [row[6] for row in rows if row[1] is None]
        if times:
            first_uses[contract] = min(times)
    return first_uses


def served_by(db: Db, rows: Collection[tuple[str, int, int]], before: int) -> list[tuple[str, int]]:
    """When each contract was served first by those of these rows (contract, day, reporter) that were written before an
    instant, where that is earlier than what is kept of it: (contract, time).
    """
    wanted = {(contract, day, reporter) for contract, day, reporter in rows}
    contracts = sorted({row[0] for row in wanted})
    known = dict(db.rows("select contract, time from served where contract = any(?)", contracts))
    query = (
        'select contract, day, reporter, uses, bytes, "rows", "first", "last", edges from used_days'
        " where contract = any(?) and day = any(?) and uses > 0 and taken < ?"
    )
    earliest: dict[str, int] = {}
    for contract, day, reporter, *numbers in db.rows(query, contracts, sorted({row[1] for row in wanted}), before):
        if (contract, day, reporter) in wanted:
            first_use = _used(*numbers).first_use
            earliest[contract] = min(first_use, earliest.get(contract, first_use))
    return sorted((contract, first) for contract, first in earliest.items() if first < known.get(contract, NEVER))


def used_abroad(db: Db, contracts: Collection[str]) -> dict[str, list[UsedAbroad]]:
    """The days on which each contract was used in other countries, in the order of days, as far as uses are left;
    without the contracts that were not."""
    by_contract: dict[str, list[UsedAbroad]] = {}
    query = (
        "select contract, day, country, max(uses) from used_abroad where contract = any(?) and uses > 0"
        " group by contract, day, country"
    )
    for contract, *used in sorted(db.rows(query, sorted(contracts)) if contracts else ()):
        by_contract.setdefault(contract, []).append(UsedAbroad(*used))
    return by_contract


def _added(contracts: Collection[str], rows: Iterable[tuple[Any, ...]]) -> dict[str, list[UsedDay]]:
    """Add up the rows and the memory of desks, day by day."""
    by_contract: dict[str, dict[tuple[int, int], Used]] = {contract: {} for contract in contracts}
    for contract, day, reporter, *numbers, state in rows:
        if state is None:
            by_day = {(day, reporter): _used(*numbers)}
        else:
            remembered = _days(bytes(state)).days
            by_day = {of_key(key): used for key, used in remembered.items()}
        for key, used in by_day.items():
            whole = by_contract[contract].setdefault(key, Used())
            whole.merge(used)
    return {
        contract: [UsedDay(*key, used) for key, used in sorted(by_day.items(), key=lambda item: item[0])]
        for contract, by_day in by_contract.items()
    }
