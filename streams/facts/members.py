"""The things that belong to the scopes of sums, as the store has them.

PostgreSQL is asked for one scope after the other. Where it gets a list of rules, one of scopes and one of things, it
may look for the scope alone, or for the thing alone: one contract that is amended again and again belongs to as many
scopes as it had assets, and one scope of a contract has as many things as it had payments.
"""

from collections.abc import Collection, Mapping
from operator import itemgetter
from typing import Any, Final

from circulation.facts.acts import NEVER
from streams.store.db import Db

# A rule and a scope of its sum.
Scope = tuple[str, str]

_WANTED: Final = "from unnest(?::text[], ?::text[]) as asked(a_rule, a_scope) cross join lateral"
_IN_SCOPE: Final = "from scopes where scope = a_scope and rule = a_rule"
_ORDER: Final = itemgetter(0, 1, 2)
_COLUMNS: Final = "thing, rule, scope, time, since"


def members(db: Db, scopes: Collection[Scope]) -> list[tuple[str, str, str, int | None]]:
    """All that belongs to these scopes: (rule, scope, thing, since), in the order of the first three."""
    wanted = {*scopes}
    if not db.postgres:
        query = "select rule, scope, thing, since from scopes where rule = any(?) and scope = any(?)"
        return sorted((row for row in db.rows(query, *_lists(wanted)) if row[:2] in wanted), key=_ORDER)
    query = f"select s.* {_WANTED} (select rule, scope, thing, since {_IN_SCOPE} offset 0) s"
    return sorted(db.rows(query, *_columns(sorted(wanted), 2)), key=_ORDER)


def members_since(db: Db, scopes: Mapping[Scope, int]) -> dict[Scope, dict[str, int | None]]:
    """The things that belong to each scope and have a report from an instant on (µs), in order, each since when."""
    by_scope: dict[Scope, dict[str, int | None]] = {scope: {} for scope in scopes}
    if not scopes:
        return by_scope
    if db.postgres:
        query = (
            "select s.* from unnest(?::text[], ?::text[], ?::bigint[]) as asked(a_rule, a_scope, a_since)"  # noqa: S608
            f" cross join lateral (select rule, scope, thing, time, since {_IN_SCOPE} and time >= a_since offset 0) s"
        )
        rows = db.rows(query, *_columns(scopes, 2), list(scopes.values()))
    else:
        query = (
            "select rule, scope, thing, time, since from scopes where rule = any(?) and scope = any(?) and time >= ?"
        )
        rows = db.rows(query, *_lists(scopes), min(scopes.values()))
    for rule, scope, thing, time, since in sorted(rows, key=_ORDER):
        if time >= scopes.get((rule, scope), NEVER):
            by_scope[rule, scope][thing] = since
    return by_scope


def belonging(db: Db, wanted: Collection[tuple[str, str, str]]) -> list[tuple[Any, ...]]:
    """Of these (thing, rule, scope) those where the thing belongs to the scope: (thing, rule, scope, time, since)."""
    if not db.postgres:
        query = f"select {_COLUMNS} from scopes where rule = any(?) and scope = any(?) and thing = any(?)"  # noqa: S608
        lists = (sorted({member[at] for member in wanted}) for at in (1, 2, 0))
        return [row for row in db.rows(query, *lists) if row[:3] in wanted]
    query = (
        "select s.* from unnest(?::text[], ?::text[], ?::text[]) as asked(a_thing, a_rule, a_scope)"  # noqa: S608
        f" cross join lateral (select {_COLUMNS} {_IN_SCOPE} and thing = a_thing offset 0) s"
    )
    return db.rows(query, *_columns(sorted(wanted), 3))


def entered(db: Db, scopes: Collection[Scope]) -> set[Scope]:
    """Those of these scopes that anything belongs to."""
    if not db.postgres:
        query = "select distinct rule, scope from scopes where rule = any(?) and scope = any(?)"
        return {(row[0], row[1]) for row in db.rows(query, *_lists(scopes))}.intersection(scopes)
    query = f"select s.* {_WANTED} (select rule, scope {_IN_SCOPE} limit 1) s"
    return {(row[0], row[1]) for row in db.rows(query, *_columns(sorted({*scopes}), 2))}


def _lists(scopes: Collection[Scope]) -> tuple[list[str], list[str]]:
    return sorted({rule for rule, _ in scopes}), sorted({scope for _, scope in scopes})


def _columns(rows: Collection[tuple[str, ...]], count: int) -> list[list[str]]:
    return [[row[at] for row in rows] for at in range(count)]
