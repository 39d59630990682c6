"""What was used on each day, in the store: rows, but for the newest days of a contract, which its desk remembers."""

from collections.abc import Collection

import msgspec

from circulation.calendar import day_of
from circulation.daily import Used, UsedDay, of_key
from streams.book import SEPARATOR
from streams.loading import CONTRACTS
from streams.store import Db


class _Days(msgspec.Struct, array_like=True):
    """The beginning of what a desk remembers: the rest is left."""

    days: dict[int, Used]


_days = msgspec.msgpack.Decoder(_Days).decode


def used_rows(db: Db, contracts: Collection[str], days: Collection[int]) -> dict[str, list[UsedDay]]:
    """What was used on these days of contracts, without what desks remember."""
    found: dict[str, list[UsedDay]] = {}
    query = (
        'select contract, day, reporter, uses, bytes, "rows", "first", "last" from used_days'
        " where contract = any(?) and day = any(?)"
    )
    for contract, day, reporter, *numbers in db.rows(query, list(contracts), list(days)):
        found.setdefault(contract, []).append(UsedDay(day, reporter, Used(*numbers)))
    return found


def used_days(db: Db, contracts: Collection[str]) -> dict[str, list[UsedDay]]:
    """What was used on each day of each contract, by reporter, in the order of days: rows and what desks remember.

    One statement, for a day must not be missed, or counted twice, that becomes a row in between.
    """
    found: dict[str, dict[tuple[int, int], Used]] = {contract: {} for contract in contracts}
    query = (
        'select contract, day, reporter, uses, bytes, "rows", "first", "last", null from used_days'
        " where contract = any(?)"
        " union all select subject, 0, 0, 0, 0, 0, 0, 0, state from desks where topic = ? and subject = any(?)"
    )
    ids = list(found)
    for contract, day, reporter, *numbers, state in db.rows(query, ids, CONTRACTS, ids) if ids else ():
        if state is None:
            some = {(day, reporter): Used(*numbers)}
        else:
            remembered = _days(bytes(state)).days
            some = {of_key(key): used for key, used in remembered.items()}
        for key, used in some.items():
            whole = found[contract].setdefault(key, Used())
            whole.add(used.uses, used.bytes, used.rows, used.first, used.last)
    return {
        contract: [UsedDay(*key, used) for key, used in sorted(some.items(), key=lambda one: one[0])]
        for contract, some in found.items()
    }


def forget(db: Db, before: int, rules: Collection[str]) -> None:
    """Forgets the days that were written before an instant (wall clock).

    Kept are days of contracts of which a finding of one of these rules stands, which look at single days: judged again
    it must be found again.
    """
    db.run(
        "delete from used_days where taken < ? and not exists (select 1 from findings f where f.about_kind = 'contract'"
        " and f.about = used_days.contract and f.detector = any(?) and f.standing)",
        before,
        list(rules),
    )
    for rule in rules:
        db.run(
            "delete from scopes where rule = ? and scope < ? and thing like ? and not exists"
            " (select 1 from findings f where f.thing = ? || scopes.scope and f.standing)",
            rule,
            day_of(before).isoformat(),
            SEPARATOR.join(("uses", "%")),
            SEPARATOR.join(("sum", rule, "")),
        )
