"""Keep facts that were read of the store, for those who judge again and again: a cache above `loading`."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from circulation.events.event import Event
from circulation.events.names import (
    ASSETS,
    CONTRACT_SIGNED,
    CONTRACTS,
    PARTIES,
    PARTY_REGISTERED,
    RULES,
    SETTLEMENT_PAID,
)
from circulation.facts.assets import AssetFacts
from circulation.facts.contracts import STATING, ContractFacts
from circulation.facts.parties import CONTROLLERS_MAX, PartyFacts
from circulation.facts.statements import STATEMENTS
from circulation.lineage import Edge
from circulation.voices import Home
from streams.facts.lasting import Folded, Lasting, Read
from streams.facts.loading import (
    asset_statements,
    contract_statements,
    edges_above,
    nodes_above,
    statements,
    undone,
)
from streams.facts.members import members
from streams.facts.payments import Kept
from streams.facts.recorded import RECORDED_MAX, RECORDED_MAX_OF_ROUND, Recorded
from streams.facts.running_sums import Sums
from streams.facts.stated import Stated
from streams.store import queue
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of
from streams.store.schema import OF_RECORDS


def controlled(db: Db, ids: Collection[str]) -> list[str]:
    """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
    return Known().controlled(db, ids)


def with_controllers(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
    return Known(known_at=known_at).with_controllers(db, ids)


def with_groups(db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
    return Known().with_groups(db, ids)


def recorded(db: Db, parties_max: int) -> list[str]:
    """The parties of which there are records; so many of them, where there are more.

    A round on PostgreSQL asks for one after the other, so that a party with ten thousand records is one step; on SQLite
    they are read once.
    """
    if not db.postgres:
        query = f"select distinct subject from events where {OF_RECORDS} limit ?"  # noqa: S608
        return [row[0] for row in db.rows(query, parties_max)]
    least = f"select min(key(subject)) from events where {OF_RECORDS}"  # noqa: S608
    query = (
        f"with recursive named(place) as ({least} union all"  # noqa: S608
        f" select ({least} and key(subject) > place) from named where place is not null)"
        f" select (select subject from events where {OF_RECORDS} and key(subject) = place limit 1)"
        " from named where place is not null limit ?"
    )
    return [row[0] for row in db.rows(query, parties_max)]


# Of each kind of what is kept, so many at most.
FACTS_KEPT_MAX: Final = 30_000
EVENTS_KEPT_MAX: Final = 50_000
MEMBERS_KEPT_MAX: Final = 200_000

# The things that belong to a scope, each since when; None where that is not known.
Members = dict[str, int | None]

_K = TypeVar("_K")
_V = TypeVar("_V")
_F = TypeVar("_F", bound=Folded)


def _count(db: Db, count: int) -> None:
    """Counts what was kept as what is read: what an item costs does not depend on what was judged before it."""
    if db.meter is not None:
        db.meter.known(count)


def _bounded(kept: dict[_K, _V], most: int) -> None:
    """Forgets the older half of what is too much."""
    if len(kept) > most:
        for key in list(kept)[: most // 2]:
            kept.pop(key, None)


class Periods:
    """Scopes of periods to come, all of which have their deadlines: the next act of one has none to write.

    A deadline of a period goes when the horizon has passed it, and not before. In a store that others write a judge may
    hold an older horizon than the one that took the deadline, so there nothing is noted.
    """

    def __init__(self) -> None:
        # By (rule, scope) the end of the first of the periods that an act of it touches.
        self._ends: dict[tuple[str, str], int] = {}

    def are_ahead(self, rule: str, scope: str, horizon: int) -> bool:
        """Whether all periods that an act of a scope touches are to come, and have their deadlines."""
        ends = self._ends.get((rule, scope))
        return ends is not None and ends >= horizon

    def note(self, ends: Mapping[tuple[str, str], int], horizon: int) -> None:
        """Deadlines were written of all periods to come that these touch, by (rule, scope) the first of their ends."""
        _bounded(self._ends, FACTS_KEPT_MAX)
        self._ends.update((scope, first) for scope, first in ends.items() if first >= horizon)

    def clear(self) -> None:
        """Forgets all of it."""
        self._ends.clear()


class Known:
    """A cache of facts and events read from the store. Used within writing transactions only.

    An event never changes. Facts change, so they are kept only where no other process writes the store (`alone`); who
    writes says what to forget, and all of it is forgotten where a transaction was undone. With `known_at` it is what
    was known then.
    """

    def __init__(self, *, alone: bool = False, known_at: int | None = None) -> None:
        self.alone = alone
        self._known_at = known_at
        # Every transaction asks for these: the horizon, the next number of an event (None: not known), and whether
        # packs came or went.
        self.horizon: int | None = None
        self.number: int | None = None
        self.packs_changed = True
        # Sellers whose sandboxes count uses, and whether any run left anything unfinished: as a rule there are none.
        self._counted: frozenset[str] | None = None
        self._unfinished: bool | None = None
        self._events: dict[int, Event] = {}
        self._assets: dict[str, AssetFacts] = {}
        self._parties: dict[str, PartyFacts] = {}
        self._contracts: dict[str, ContractFacts] = {}
        self._edges: dict[str, list[Edge]] = {}
        self._controlled: dict[str, set[str]] = {}
        self._reported: dict[str, Any] = {}
        self._members: dict[tuple[str, str], Members] = {}
        self._members_count = 0
        self.sums = Sums()
        self.recorded = Recorded()
        self.stated = Stated()
        self._lasting = Lasting()
        self.payments = Kept()
        self.periods = Periods()
        # Whether facts are kept: always where nobody else writes, else for one round of judging. A statement that comes
        # meanwhile brings an item of its own, whose judge finds the acts judged without it.
        self._keeps = alone

    @contextlib.contextmanager
    def round(self) -> Iterator[None]:
        """A round of judging, one at a time: facts are read once in it."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = self.alone
            self.doubt()

    def doubt(self) -> None:
        """Has facts read again that may have changed since they were, in the midst of a round: where others write."""
        if not self.alone:
            for cache in self._facts():
                cache.clear()
            self.recorded.clear()
            self.payments.clear()

    def _facts(self) -> tuple[dict[Any, Any], ...]:
        return (self._assets, self._parties, self._contracts, self._edges, self._controlled, self._reported)

    # Changes by writers.

    def came(self, number: int, event: Event, thing: str, *, void: bool = False) -> None:
        """An event is kept under this number, and is a report of this thing; of one that is `void` nothing is known."""
        _bounded(self._events, EVENTS_KEPT_MAX)
        self._events[number] = event
        self._reported.pop(thing, None)
        self._note_payment(event, thing)
        if event.type == CONTRACT_SIGNED:
            # The home may be another one now, by whose word the others count.
            for type_ in STATING:
                self._reported.pop(queue.act(type_, event.subject), None)
        if event.type in STATEMENTS.get(event.topic, ()):
            if not void:
                self._learn(event)
            elif event.topic == ASSETS:
                # Its statement of a level may stand all the same.
                self._forget(event)
        elif event.topic == RULES:
            self.packs_changed = True

    def taken_back(self, event: Event, thing: str) -> None:
        """An event does not count any longer, or is not kept."""
        self._reported.pop(thing, None)
        self._note_payment(event, thing)
        self._forget(event)
        self.recorded.changed(event)

    def _note_payment(self, event: Event, thing: str) -> None:
        if event.type == SETTLEMENT_PAID:
            self.payments.changed(thing)
        elif event.type == PARTY_REGISTERED:
            self.payments.moved()

    def _learn(self, event: Event) -> None:
        """Add a statement to the facts of its entity: of one that is stated again and again little is new."""
        subject = event.subject
        if event.topic == CONTRACTS:
            if (contract := self._contracts.get(subject)) is not None:
                contract.add(event)
        elif event.topic == ASSETS:
            if (asset := self._assets.get(subject)) is not None:
                asset.add(event)
        else:
            if (party := self._parties.get(subject)) is not None:
                party.add(event)
            controller = getattr(event.data, "controller", None)
            if controller is not None and (below_ := self._controlled.get(controller)) is not None:
                below_.add(subject)
            self.recorded.changed(event)

    def entered(self, rule: str, scope: str, thing: str, since: int | None = None) -> None:
        """A thing belongs to a scope now, since an instant, where one is known."""
        if (kept := self._members.get((rule, scope))) is not None:
            self._members_count += thing not in kept
            kept[thing] = since

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
        """Forget the derivations of these outputs: they have changed."""
        for output in outputs:
            self._edges.pop(output, None)

    def clear(self) -> None:
        """All of it: what was read may have been undone."""
        for cache in (*self._facts(), self._events, self._members):
            cache.clear()
        self.sums.clear()
        self.recorded.clear()
        self.stated.clear()
        self._lasting.clear()
        self.payments.clear()
        self.periods.clear()
        self._keeps = self.alone
        self._members_count = 0
        self.horizon = self.number = None
        self._counted = self._unfinished = None
        self.packs_changed = True

    def changed_counted(self) -> None:
        """Other sellers have sandboxes that count uses."""
        self._counted = None

    def left_unfinished(self) -> None:
        """A run left something unfinished."""
        self._unfinished = None

    # Reading.

    def counted(self, db: Db) -> frozenset[str]:
        """The sellers whose sandboxes count uses. A writer that adds one waits for every reader that asked, and a
        reader for it."""
        if self._counted is not None and self.alone:
            return self._counted
        if db.postgres:
            db.run("select party from counted where party = '' for share")
        self._counted = frozenset(row[0] for row in db.rows("select party from counted where party <> ''"))
        return self._counted

    def has_unfinished(self, db: Db) -> bool:
        """Whether any run may have left anything unfinished."""
        if not self.alone:
            return True
        if self._unfinished is None:
            self._unfinished = db.one("select 1 from unfinished limit 1") is not None
        return self._unfinished

    def event(self, row: tuple[Any, ...]) -> Event:
        """As `event_of`."""
        event = self._events.get(row[0])
        if event is None:
            _bounded(self._events, EVENTS_KEPT_MAX)
            event = self._events[row[0]] = event_of(row)
        return event

    def reported(
        self, db: Db, things: Collection[str], make: Callable[[str, list[tuple[Event, bool]]], _V]
    ) -> dict[str, _V]:
        """All reports of each thing as `make` makes them up; it gets them in order: (event, whether it counts)."""
        kept: dict[str, _V] = self._reported
        by_thing = {thing: cached for thing in things if (cached := kept.get(thing)) is not None}
        _count(db, len(by_thing))
        if missing := [thing for thing in things if thing not in by_thing]:
            rows: dict[str, list[tuple[Event, bool]]] = {thing: [] for thing in missing}
            query = f"select {COLUMNS} from events where thing = any(?)"  # noqa: S608
            for row in sorted(db.rows(query, missing)):
                rows[row[4]].append((self.event(row), row[10] is None))
            new = {thing: make(thing, reports) for thing, reports in rows.items()}
            by_thing |= new
            if self._keeps:
                _bounded(kept, EVENTS_KEPT_MAX)
                kept |= new
        return by_thing

    def cached_reports(self, thing: str) -> Any | None:
        """The reports of a thing as `reported` made them up, if they are kept."""
        return self._reported.get(thing)

    def members(self, db: Db, scopes: Collection[tuple[str, str]]) -> dict[tuple[str, str], Members]:
        """The things that belong to each scope (rule, scope)."""
        kept = self._members
        by_scope = {key: cached for key in scopes if (cached := kept.get(key)) is not None}
        _count(db, sum(map(len, by_scope.values())))
        if missing := [key for key in scopes if key not in by_scope]:
            new: dict[tuple[str, str], Members] = {key: {} for key in missing}
            for rule, scope, thing, since in members(db, missing):
                new[rule, scope][thing] = since
            by_scope |= new
            if self.alone:
                if self._members_count > MEMBERS_KEPT_MAX:
                    kept.clear()
                    self._members_count = 0
                kept |= new
                self._members_count += sum(map(len, new.values()))
        return by_scope

    def _of(
        self, db: Db, ids: Collection[str], kept: dict[str, _V], read: Callable[[list[str]], dict[str, _V]]
    ) -> dict[str, _V]:
        by_id = {id_: facts for id_ in ids if (facts := kept.get(id_)) is not None}
        if db.meter is not None:
            db.meter.known(len(by_id))
        if len(by_id) < len(ids):
            new = read([id_ for id_ in ids if id_ not in by_id])
            by_id |= new
            if self._keeps:
                _bounded(kept, FACTS_KEPT_MAX)
                kept |= new
        return by_id

    def assets(self, db: Db, ids: Collection[str]) -> dict[str, AssetFacts]:
        """Facts of assets, also of those that are not registered."""
        return self._of(db, ids, self._assets, partial(self._read_assets, db))

    def _read_assets(self, db: Db, missing: list[str]) -> dict[str, AssetFacts]:
        voices = db.voices()
        if self._keeps and not self.alone:

            def make(id_: str, reads: list[Read]) -> AssetFacts:
                gone = [] if all(read.stands for read in reads) else undone(db, [id_])[id_]
                return AssetFacts(id_, _standing(reads), voices, gone)

            return self._lasting.facts(db, ASSETS, missing, make, self.event)
        by_id, gone = asset_statements(db, missing, self._known_at, self.event)
        return {id_: AssetFacts(id_, events, voices, gone[id_]) for id_, events in by_id.items()}

    def parties(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties, also of those that are not registered."""
        return self._of(db, ids, self._parties, lambda missing: self._made(db, PARTIES, missing, PartyFacts))

    def _made(self, db: Db, topic: str, ids: Collection[str], make: Callable[[str, list[Event]], _F]) -> dict[str, _F]:
        if self._keeps and not self.alone:
            return self._lasting.facts(db, topic, ids, lambda id_, reads: make(id_, _standing(reads)), self.event)
        return {
            id_: make(id_, events) for id_, events in statements(db, topic, ids, self._known_at, self.event).items()
        }

    def contracts(self, db: Db, ids: Collection[str]) -> dict[str, ContractFacts]:
        """Facts of contracts, also of those that are not signed."""
        return self._of(db, ids, self._contracts, partial(self._read_contracts, db))

    def _read_contracts(self, db: Db, missing: list[str]) -> dict[str, ContractFacts]:
        voices = db.voices()

        def make(id_: str, reads: list[Read]) -> ContractFacts:
            home = Home(voices)
            for read in reads:
                if read.event.type == CONTRACT_SIGNED and read.stood:
                    home.take(read.event.source, read.event.reporter)
            return ContractFacts(id_, _standing(reads), home)

        if self._keeps and not self.alone:
            return self._lasting.facts(db, CONTRACTS, missing, make, self.event)
        by_id, homes = contract_statements(db, missing, self._known_at, self.event)
        return {id_: ContractFacts(id_, events, homes[id_]) for id_, events in by_id.items()}

    def controlled(self, db: Db, ids: Collection[str]) -> list[str]:
        """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
        group = set(ids)
        layer = sorted(group)
        kept = self._controlled
        for _ in range(CONTROLLERS_MAX):
            if not layer:
                break
            below_: dict[str, set[str]] = {party: set() for party in layer if party not in kept}
            if below_:
                rows = db.rows(
                    "select r.ref, e.subject from refs r join events e on e.id = r.event"
                    " where r.kind = 'controller' and r.ref = any(?)",
                    list(below_),
                )
                for controller, subject in rows:
                    below_[controller].add(subject)
            subsidiaries = [below_[party] if party in below_ else kept[party] for party in layer]
            layer = sorted(set[str]().union(*subsidiaries) - group)
            group.update(layer)
            if self._keeps:
                _bounded(kept, FACTS_KEPT_MAX)
                kept |= below_
        return sorted(group)

    def with_controllers(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
        by_party: dict[str, PartyFacts] = {}
        layer = set(ids)
        for _ in range(CONTROLLERS_MAX):
            if not layer:
                break
            layer_facts = self.parties(db, layer)
            by_party.update(layer_facts)
            layer = {
                controller for facts in layer_facts.values() for controller in facts.controllers()
            } - by_party.keys()
        return by_party

    def with_groups(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
        above = self.with_controllers(db, ids)
        group = self.controlled(db, list(above))
        return above if len(group) == len(above) else self.with_controllers(db, group)

    def with_recorded(self, db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
        """The same, but of those who had a controller in common only the ones of which there are records: few have."""
        above = self.with_controllers(db, ids)
        most = RECORDED_MAX if self.alone else RECORDED_MAX_OF_ROUND if self._keeps else 0

        def load() -> list[str]:
            recorded_parties = recorded(db, most + 1)
            if len(recorded_parties) <= most:
                self.with_controllers(db, recorded_parties)  # in few queries, where they are asked for one by one below
            return recorded_parties

        below = self.recorded.below(above, most, load, lambda party: self.with_controllers(db, [party]))
        return self.with_groups(db, ids) if below is None else above | self.with_controllers(db, below - above.keys())

    def edges_above(self, db: Db, ids: Collection[str]) -> dict[str, list[Edge]]:
        """All derivations upstream of these assets, by output."""
        if not self._keeps:
            return edges_above(db, ids)
        kept = self._edges
        # Most assets were derived from nothing.
        if all(kept.get(node) == [] for node in ids):
            return {node: [] for node in ids}
        read = 0
        if missing := [node for node in nodes_above(ids, _reached(ids, kept)) if node not in kept]:
            new = edges_above(db, missing)
            read = sum(map(len, new.values()))
            kept |= {node: new.get(node, []) for node in nodes_above(missing, new)}
        by_output = _reached(ids, kept)
        _count(db, max(0, sum(map(len, by_output.values())) - read))
        _bounded(kept, FACTS_KEPT_MAX)
        return by_output


def _standing(reads: Iterable[Read]) -> list[Event]:
    return [read.event for read in reads if read.stands]


def _reached(ids: Iterable[str], edges: Mapping[str, list[Edge]]) -> dict[str, list[Edge]]:
    """Of the derivations, by output, those upstream of these assets."""
    by_output: dict[str, list[Edge]] = {}
    layer = list(ids)
    while layer:
        layer_edges = {node: edges[node] for node in layer if node in edges and node not in by_output}
        by_output |= layer_edges
        layer = [edge.input for node_edges in layer_edges.values() for edge in node_edges]
    return by_output
