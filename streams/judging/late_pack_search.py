"""Finds what a pack touches that came late, or went.

All acts from its start on, what stands from then on and names the pack that was in force, every statement of credit;
and of what may be said after its acts, which is most of a store, the sums of those rules that the pack sets otherwise.
That may be millions, so it is found a slice at a time, few of them in one transaction: nobody waits long to write.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from circulation.rules import Rule
from streams.store import queue
from streams.store.db import Db

# Rows of a slice.
SLICE_MAX: Final = 2_000
CREDIT: Final = "credit"
# Findings of sums and screens are looked for: acts, which have findings as well, are found by themselves.
_JUDGED_AGAIN: Final = frozenset({queue.Kind.SUM, queue.Kind.SCREEN})


class Slice(NamedTuple):
    """A slice of the search: what is to be judged, by thing or by (rule, scope), and the place where the next slice
    begins, if any does.

    A place is a text, and `kind` what was looked through.
    """

    kind: str
    things: list[str]
    scopes: list[tuple[str, str]]
    then: str | None


class _Rows(NamedTuple):
    """The things of a slice, and the key of the last row that was looked at, where there may be more."""

    things: list[str]
    scopes: list[tuple[str, str]]
    last: list[Any] | None


class Anew:
    """Looks through one kind of what is kept after the other; acts are of these `types`."""

    def __init__(self, rules: Mapping[str, Rule], types: Iterable[str]) -> None:
        sums = {id_: rule.sum for id_, rule in rules.items() if rule.sum is not None}
        # A finding of a sum may come after all its acts: a deadline has an instant of its own.
        self._later = {id_ for id_, shape in sums.items() if shape.due}
        # Of a contract that has uses and no acts, nothing else tells.
        self._using = [id_ for id_, shape in sums.items() if shape.needs & {"uses", "abroad"}]
        # Of a source that owes events and sends no heartbeats, neither.
        self._hearing = [id_ for id_, shape in sums.items() if "heard" in shape.needs]
        self._types = list(types)
        # Of these an act may be judged by a pack that comes later.
        self._coming = sorted(frozenset[str]().union(*(shape.acts for shape in sums.values() if shape.coming)))

    def first(self, since: int, rules: Collection[str]) -> str:
        """The place where it begins for a pack that is in force from `since` on (µs) and sets these rules otherwise."""
        later = sorted(self._later.intersection(rules))
        kinds = [
            # Standing findings are first, before there are more of them.
            ("findings", ""),
            (CREDIT, ""),
            *(("acts", type_) for type_ in self._types),
            *([("scopes", ",".join(later))] if later else []),
            *(("uses", rule) for rule in self._using if rule in rules),
            *(("sources", rule) for rule in self._hearing if rule in rules),
            ("gaps", ""),
        ]
        return _place(kinds, since, [])

    def coming(self, since: int) -> str | None:
        """The place where it begins for acts that look at a pack from its publication (µs) on; None without such."""
        return _place([("acts", type_) for type_ in self._coming], since, []) if self._coming else None

    @staticmethod
    def find(db: Db, place: str) -> Slice:
        """Search one slice from a place on."""
        kinds, since, key = orjson.loads(place)
        kind, of = kinds[0]
        rows = _FIND[kind](db, since, of, key)
        if rows.last is None:
            kinds = kinds[1:]
        return Slice(kind, rows.things, rows.scopes, _place(kinds, since, rows.last or []) if kinds else None)


def _place(kinds: Sequence[Sequence[str]], since: int, key: list[Any]) -> str:
    return orjson.dumps([kinds, since, key]).decode()


def _statements(db: Db, _: int, __: str, key: list[Any]) -> _Rows:
    query = "select party from statements where party > ? order by party limit ?"
    rows = db.rows(query, *(key or [""]), SLICE_MAX)
    return _Rows([queue.credit(row[0]) for row in rows], [], _last(rows, 1))


def _acts(db: Db, since: int, type_: str, key: list[Any]) -> _Rows:
    query = "select time, id, thing from events where type = ? and (time, id) > (?, ?) order by time, id limit ?"
    rows = db.rows(query, type_, *(key or [since, -1]), SLICE_MAX)
    return _Rows([row[2] for row in rows], [], _last(rows, 2))


def _scopes(db: Db, _: int, rules: str, key: list[Any]) -> _Rows:
    query = (
        "select distinct scope, rule, place from (select scope, rule, key(scope) as place from scopes"
        " where (key(scope), rule) > (key(?), ?) order by key(scope), rule limit ?) s order by place, rule"
    )
    rows = db.rows(query, *(key or ["", ""]), SLICE_MAX)
    wanted = set(rules.split(","))
    # One scope of many things is one row here, so that only none at all are the end.
    return _Rows([], [(rule, scope) for scope, rule, _ in rows if rule in wanted], list(rows[-1][:2]) if rows else None)


def _uses(db: Db, since: int, rule: str, key: list[Any]) -> _Rows:
    query = (
        # an `exists` may be answered by going through all scopes of the rule
        "select contract, time >= ?"
        " and (select 1 from scopes s where s.rule = ? and s.scope = u.contract limit 1) is null"
        " from (select contract, time from first_uses where contract > ? order by contract limit ?) u order by contract"
    )
    rows = db.rows(query, since, rule, *(key or [""]), SLICE_MAX)
    return _Rows([queue.sum_(rule, row[0]) for row in rows if row[1]], [], _last(rows, 1))


def _sources(db: Db, _: int, rule: str, key: list[Any]) -> _Rows:
    after = key[0] if key else ""
    sources = sorted(source for source in db.voices().owed if source > after)[:SLICE_MAX]
    return _Rows([queue.sum_(rule, source) for source in sources], [], _last([(source,) for source in sources], 1))


def _gaps(db: Db, since: int, _: str, key: list[Any]) -> _Rows:
    query = "select time, thing from gaps where (time, thing) > (?, ?) order by time, thing limit ?"
    rows = db.rows(query, *(key or [since, ""]), SLICE_MAX)
    return _Rows([row[1] for row in rows], [], _last(rows, 2))


def _findings(db: Db, since: int, _: str, key: list[Any]) -> _Rows:
    query = (
        "select thing, finding, standing, occurred from findings where (key(thing), finding) > (key(?), ?)"
        " order by key(thing), finding limit ?"
    )
    rows = db.rows(query, *(key or ["", ""]), SLICE_MAX)
    things = [
        thing
        for thing, _, standing, occurred in rows
        if standing and occurred >= since and queue.kind_of(thing) in _JUDGED_AGAIN
    ]
    return _Rows(things, [], _last(rows, 2))


def _last(rows: list[tuple[Any, ...]], columns: int) -> list[Any] | None:
    return list(rows[-1][:columns]) if len(rows) == SLICE_MAX else None


_FIND: Final[Mapping[str, Callable[[Db, int, str, list[Any]], _Rows]]] = {
    CREDIT: _statements,
    "acts": _acts,
    "scopes": _scopes,
    "uses": _uses,
    "sources": _sources,
    "gaps": _gaps,
    "findings": _findings,
}
