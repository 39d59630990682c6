"""Reads facts from the store in bulk: what several judgements need, in a handful of queries.

`Known` reads the same and keeps it, for who judges again and again.
"""

import contextlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from circulation.calendar import days
from circulation.credit import APPLIED, DECIDED, DETERMINED, FILED, REPAIRED
from circulation.events import Event, decode_data
from circulation.facts import CONTROLLERS_MAX, LISTED, AssetFacts, ContractFacts, PartyFacts
from circulation.lineage import Edge
from streams.store import Db

PARTIES, ASSETS, CONTRACTS = "circulation.parties", "circulation.assets", "circulation.contracts"
RULES = "circulation.rules"

# What the records of a party are folded from.
RECORDS = (DETERMINED, FILED, DECIDED, APPLIED, REPAIRED)
# How far payments are followed: rules that look at more of them find less.
PAYMENT_STEPS_MAX, PAYMENT_DAYS_MAX = 5, 60
# What facts are folded from; everything else that is kept of an entity is an act only.
STATEMENTS: Mapping[str, tuple[str, ...]] = {
    PARTIES: ("circulation.party.registered", "circulation.grant.issued", "circulation.grant.revoked", *RECORDS),
    ASSETS: ("circulation.asset.registered", "circulation.asset.graded", "circulation.asset.assessed", LISTED),
    CONTRACTS: (
        "circulation.contract.signed",
        "circulation.contract.amended",
        "circulation.contract.terminated",
    ),
}

COLUMNS = "id, topic, subject, type, thing, time, source, event, reporter, data, retracted"


def event_of(row: tuple[Any, ...]) -> Event:
    """A kept event as it was admitted."""
    _, topic, subject, type_, _, time, source, id_, reporter, data, _ = row
    return Event(
        topic=topic,
        type=type_,
        subject=subject,
        source=source,
        id=id_,
        time=time,
        sequence=None,
        reporter=reporter,
        data=decode_data(type_, bytes(data)),
    )


def standing(known_at: int | None, table: str = "events") -> tuple[str, list[int]]:
    """The condition of SQL that an event of `table` was not taken back, and its values.

    By what is known now, or (`known_at`, µs of the clocks that took events in) by what was known then.
    """
    if known_at is None:
        return f"{table}.retracted is null", []
    undone = f"exists (select 1 from events undo where undo.id = {table}.retracted and undo.taken > ?)"  # noqa: S608
    return f"({table}.taken <= ? and ({table}.retracted is null or {undone}))", [known_at, known_at]


def statements(
    db: Db,
    topic: str,
    subjects: Collection[str],
    known_at: int | None = None,
    read: Callable[[tuple[Any, ...]], Event] = event_of,
) -> dict[str, list[Event]]:
    """What was stated about each entity and not taken back, in the order in which it came."""
    found: dict[str, list[Event]] = {subject: [] for subject in subjects}
    if found:
        for row in stated(db, topic, list(found), STATEMENTS[topic], known_at):
            found[row[2]].append(read(row))
    return found


def stated(
    db: Db, topic: str, subjects: Sequence[str], types: Collection[str], known_at: int | None = None
) -> list[tuple[Any, ...]]:
    """The same as rows (`COLUMNS`), of all of them together."""
    stood, values = standing(known_at)
    rows = db.rows(
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?) and {stood}",  # noqa: S608
        topic,
        list(subjects),
        list(types),
        *values,
    )
    # sorted here: a planner would rather go through all events in their order than sort a few
    return sorted(rows)


def assets(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, AssetFacts]:
    """Facts of assets, also of those that are not registered."""
    return {id_: AssetFacts(id_, some) for id_, some in statements(db, ASSETS, ids, known_at).items()}


def parties(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties, also of those that are not registered."""
    return {id_: PartyFacts(id_, some) for id_, some in statements(db, PARTIES, ids, known_at).items()}


def controlled(db: Db, ids: Collection[str]) -> list[str]:
    """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
    return Known().controlled(db, ids)


def with_controllers(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
    return Known(known_at=known_at).with_controllers(db, ids)


def with_groups(db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
    return Known().with_groups(db, ids)


def payments(db: Db, of: Collection[tuple[str, int]], *, back: bool) -> list[str]:
    """The settlements, by thing, from which money may have come to a party at an instant (on which it may have gone).

    Over as many steps and as far back (ahead) as rules look; void ones among them.
    """
    if not of:
        return []
    since = min(time for _, time in of) - (days(PAYMENT_DAYS_MAX) if back else 0)
    until = max(time for _, time in of) + (0 if back else days(PAYMENT_DAYS_MAX))
    here, there = ("payee", "payer") if back else ("payer", "payee")
    things: dict[str, None] = {}
    met: set[str] = set()
    layer = sorted({party for party, _ in of})
    for _ in range(PAYMENT_STEPS_MAX):
        met.update(layer)
        rows = db.rows(
            f"select {', '.join('e.' + name for name in COLUMNS.split(', '))} from refs r"  # noqa: S608
            " join events e on e.id = r.event where r.kind = ? and r.ref = any(?) and e.time between ? and ?",
            here,
            layer,
            since,
            until,
        )
        things.update((row[4], None) for row in sorted(rows))
        layer = sorted({getattr(event_of(row).data, there) for row in rows} - met)
        if not layer:
            break
    return sorted(things)


def contracts(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, ContractFacts]:
    """Facts of contracts, also of those that are not signed."""
    return {id_: ContractFacts(id_, some) for id_, some in statements(db, CONTRACTS, ids, known_at).items()}


def first_uses(db: Db, ids: Collection[str]) -> dict[str, int]:
    """The earliest time of a use of each contract that has one."""
    return dict(db.rows("select contract, time from first_uses where contract = any(?)", list(ids)))


def edges_above(db: Db, ids: Collection[str]) -> dict[str, list[Edge]]:
    """All derivations upstream of these assets, by output. Cycles are harmless: `union` keeps each node once."""
    if not ids:
        return {}
    rows = db.rows(
        "with recursive above(node) as ("
        " select output from derivations where output = any(?)"
        " union select d.input from derivations d join above on d.output = above.node)"
        " select d.output, d.input, d.time, d.stops, d.share, d.same"
        " from derivations d join above on d.output = above.node",
        list(ids),
    )
    found: dict[str, list[Edge]] = {}
    for output, input_, time, stops, share, same in rows:
        found.setdefault(output, []).append(Edge(output, input_, time, bool(stops), share, bool(same)))
    return found


def nodes_above(ids: Iterable[str], edges: Mapping[str, Collection[Edge]]) -> set[str]:
    """The assets and all their ancestors."""
    found = set(ids)
    for some in edges.values():
        found.update(edge.output for edge in some)
        found.update(edge.input for edge in some)
    return found


def below(db: Db, assets: Collection[str]) -> list[str]:
    """The assets and all that is derived from them."""
    rows = db.rows(
        "with recursive below(node) as (select output from derivations where input = any(?)"
        " union select d.output from derivations d join below on d.input = below.node) select node from below",
        list(assets),
    )
    return sorted({*assets, *(row[0] for row in rows)})


# Of each kind of what is kept, so many at most.
FACTS_KEPT_MAX: Final = 30_000
EVENTS_KEPT_MAX: Final = 50_000
MEMBERS_KEPT_MAX: Final = 200_000

_K = TypeVar("_K")
_V = TypeVar("_V")


def _bounded(kept: dict[_K, _V], most: int) -> None:
    """Forgets the older half of what is too much."""
    if len(kept) > most:
        for key in list(kept)[: most // 2]:
            kept.pop(key, None)


class Known:
    """What was read of the store and still holds. Used within writing transactions only.

    What an event said never changes. Facts change, so they are kept only where no other process writes the store
    (`alone`); who writes says what to forget, and all of it is forgotten where a transaction was undone. With
    `known_at` it is what was known then.
    """

    def __init__(self, *, alone: bool = False, known_at: int | None = None) -> None:
        self.alone = alone
        self._known_at = known_at
        # What is asked for at every transaction: the horizon, the next number of an event (None: not known), and
        # whether packs came or went.
        self.horizon: int | None = None
        self.number: int | None = None
        self.packs_changed = True
        self._events: dict[int, Event] = {}
        self._assets: dict[str, AssetFacts] = {}
        self._parties: dict[str, PartyFacts] = {}
        self._contracts: dict[str, ContractFacts] = {}
        self._edges: dict[str, list[Edge]] = {}
        self._controlled: dict[str, set[str]] = {}
        self._reported: dict[str, Any] = {}
        self._members: dict[tuple[str, str], list[str]] = {}
        self._members_count = 0
        # Whether facts are kept: always where nobody else writes, else for one round of judging. What others state
        # meanwhile brings an item of its own, whose judge finds what was judged without it.
        self._keeps = alone

    @contextlib.contextmanager
    def round(self) -> Iterator[None]:
        """A round of judging, one at a time: facts are read once in it."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = self.alone
            if not self.alone:
                for one in self._facts():
                    one.clear()

    def _facts(self) -> tuple[dict[Any, Any], ...]:
        return (self._assets, self._parties, self._contracts, self._edges, self._controlled, self._reported)

    # What is written.

    def came(self, number: int, event: Event, thing: str) -> None:
        """An event is kept under this number, and is a report of this thing."""
        _bounded(self._events, EVENTS_KEPT_MAX)
        self._events[number] = event
        self._reported.pop(thing, None)
        if event.type in STATEMENTS.get(event.topic, ()):
            self._forget(event)
        elif event.topic == RULES:
            self.packs_changed = True

    def taken_back(self, event: Event, thing: str) -> None:
        """An event does not count any longer, or is not kept."""
        self._reported.pop(thing, None)
        self._forget(event)

    def entered(self, rule: str, scope: str, thing: str) -> None:
        """A thing belongs to a scope now."""
        if (kept := self._members.get((rule, scope))) is None:
            return
        at = bisect_left(kept, thing)
        if at == len(kept) or kept[at] != thing:
            kept.insert(at, thing)
            self._members_count += 1

    def left(self, rule: str, scope: str) -> None:
        """A thing does not belong to a scope any longer."""
        self._members_count -= len(self._members.pop((rule, scope), ()))

    def _forget(self, event: Event) -> None:
        subject = event.subject
        if event.topic == CONTRACTS:
            self._contracts.pop(subject, None)
        elif event.topic == ASSETS:
            self._assets.pop(subject, None)
        elif event.topic == PARTIES:
            self._parties.pop(subject, None)
            self._controlled.pop(getattr(event.data, "controller", None) or "", None)

    def forget_edges(self, outputs: Iterable[str]) -> None:
        """What these were derived from is no longer what it was."""
        for output in outputs:
            self._edges.pop(output, None)

    def clear(self) -> None:
        """All of it: what was read may have been undone."""
        for one in (*self._facts(), self._events, self._members):
            one.clear()
        self._keeps = self.alone
        self._members_count = 0
        self.horizon = self.number = None
        self.packs_changed = True

    # What is read.

    def event(self, row: tuple[Any, ...]) -> Event:
        """As `event_of`."""
        found = self._events.get(row[0])
        if found is None:
            _bounded(self._events, EVENTS_KEPT_MAX)
            found = self._events[row[0]] = event_of(row)
        return found

    def reported(
        self, db: Db, things: Collection[str], make: Callable[[str, list[tuple[Event, bool]]], _V]
    ) -> dict[str, _V]:
        """What `make` makes of all reports of a thing, in the order in which they came: (event, whether it counts)."""
        kept: dict[str, _V] = self._reported
        found = {one: some for one in things if (some := kept.get(one)) is not None}
        if missing := [one for one in things if one not in found]:
            rows: dict[str, list[tuple[Event, bool]]] = {one: [] for one in missing}
            query = f"select {COLUMNS} from events where thing = any(?)"  # noqa: S608
            for row in sorted(db.rows(query, missing)):
                rows[row[4]].append((self.event(row), row[10] is None))
            new = {one: make(one, some) for one, some in rows.items()}
            found |= new
            if self._keeps:
                _bounded(kept, EVENTS_KEPT_MAX)
                kept |= new
        return found

    def members(self, db: Db, scopes: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """The things that belong to each scope (rule, scope), in their order."""
        kept = self._members
        found = {one: some for one in scopes if (some := kept.get(one)) is not None}
        if missing := [one for one in scopes if one not in found]:
            new: dict[tuple[str, str], list[str]] = {one: [] for one in missing}
            query = "select rule, scope, thing from scopes where rule = any(?) and scope = any(?)"
            wanted = (sorted({one[at] for one in missing}) for at in (0, 1))
            for rule, scope, thing in sorted(db.rows(query, *wanted)):
                if (rule, scope) in new:
                    new[rule, scope].append(thing)
            found |= new
            if self.alone:
                if self._members_count > MEMBERS_KEPT_MAX:
                    kept.clear()
                    self._members_count = 0
                kept |= new
                self._members_count += sum(map(len, new.values()))
        return found

    def _of(
        self, db: Db, topic: str, ids: Collection[str], kept: dict[str, _V], make: Callable[[str, list[Event]], _V]
    ) -> dict[str, _V]:
        found = {id_: facts for id_ in ids if (facts := kept.get(id_)) is not None}
        if len(found) < len(ids):
            missing = [id_ for id_ in ids if id_ not in found]
            new = {
                id_: make(id_, some) for id_, some in statements(db, topic, missing, self._known_at, self.event).items()
            }
            found |= new
            if self._keeps:
                _bounded(kept, FACTS_KEPT_MAX)
                kept |= new
        return found

    def assets(self, db: Db, ids: Collection[str]) -> dict[str, AssetFacts]:
        """Facts of assets, also of those that are not registered."""
        return self._of(db, ASSETS, ids, self._assets, AssetFacts)

    def parties(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties, also of those that are not registered."""
        return self._of(db, PARTIES, ids, self._parties, PartyFacts)

    def contracts(self, db: Db, ids: Collection[str]) -> dict[str, ContractFacts]:
        """Facts of contracts, also of those that are not signed."""
        return self._of(db, CONTRACTS, ids, self._contracts, ContractFacts)

    def controlled(self, db: Db, ids: Collection[str]) -> list[str]:
        """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
        found = set(ids)
        layer = sorted(found)
        kept = self._controlled
        for _ in range(CONTROLLERS_MAX):
            if not layer:
                break
            below_: dict[str, set[str]] = {one: set() for one in layer if one not in kept}
            if below_:
                rows = db.rows(
                    "select r.ref, e.subject from refs r join events e on e.id = r.event"
                    " where r.kind = 'controller' and r.ref = any(?)",
                    list(below_),
                )
                for controller, subject in rows:
                    below_[controller].add(subject)
            here = [below_[one] if one in below_ else kept[one] for one in layer]
            layer = sorted(set[str]().union(*here) - found)
            found.update(layer)
            if self._keeps:
                _bounded(kept, FACTS_KEPT_MAX)
                kept |= below_
        return sorted(found)

    def with_controllers(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
        found: dict[str, PartyFacts] = {}
        layer = set(ids)
        for _ in range(CONTROLLERS_MAX):
            if not layer:
                break
            some = self.parties(db, layer)
            found.update(some)
            layer = {one for facts in some.values() for one in facts.controllers()} - found.keys()
        return found

    def with_groups(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
        above = self.with_controllers(db, ids)
        group = self.controlled(db, list(above))
        return above if len(group) == len(above) else self.with_controllers(db, group)

    def edges_above(self, db: Db, ids: Collection[str]) -> dict[str, list[Edge]]:
        """All derivations upstream of these assets, by output."""
        if not self._keeps:
            return edges_above(db, ids)
        kept = self._edges
        if missing := [one for one in nodes_above(ids, _reached(ids, kept)) if one not in kept]:
            new = edges_above(db, missing)
            kept |= {one: new.get(one, []) for one in nodes_above(missing, new)}
        found = _reached(ids, kept)
        _bounded(kept, FACTS_KEPT_MAX)
        return found


def _reached(ids: Iterable[str], edges: Mapping[str, list[Edge]]) -> dict[str, list[Edge]]:
    """Of the derivations, by output, those upstream of these assets."""
    found: dict[str, list[Edge]] = {}
    layer = list(ids)
    while layer:
        some = {one: edges[one] for one in layer if one in edges and one not in found}
        found |= some
        layer = [edge.input for each in some.values() for edge in each]
    return found
