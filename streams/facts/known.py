"""Keep facts that were read of the store, for those who judge again and again: a cache above `loading`."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

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
from streams.facts.kept import EVENTS_KEPT_MAX, FACTS_KEPT_MAX, KeptMembers, Periods, bound, count_kept
from streams.facts.lasting import Folded, Lasting, Read
from streams.facts.loading import (
    asset_statements,
    contract_statements,
    edges_above,
    nodes_above,
    statements,
    undone,
)
from streams.facts.payments import Kept
from streams.facts.recorded import RECORDED_MAX, RECORDED_MAX_OF_ROUND, Recorded, parties_with_records
from streams.facts.running_sums import Sums
from streams.facts.stated import Stated
from streams.store import queue
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of

_V = TypeVar("_V")
_F = TypeVar("_F", bound=Folded)


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
        self.members = KeptMembers(alone=alone)
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
        bound(self._events, EVENTS_KEPT_MAX)
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
        for cache in (*self._facts(), self._events):
            cache.clear()
        self.members.clear()
        self.sums.clear()
        self.recorded.clear()
        self.stated.clear()
        self._lasting.clear()
        self.payments.clear()
        self.periods.clear()
        self._keeps = self.alone
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
            bound(self._events, EVENTS_KEPT_MAX)
            event = self._events[row[0]] = event_of(row)
        return event

    def reported(
        self, db: Db, things: Collection[str], make: Callable[[str, list[tuple[Event, bool]]], _V]
    ) -> dict[str, _V]:
        """All reports of each thing as `make` makes them up; it gets them in order: (event, whether it counts)."""
        kept: dict[str, _V] = self._reported
        by_thing = {thing: cached for thing in things if (cached := kept.get(thing)) is not None}
        count_kept(db, len(by_thing))
        if missing := [thing for thing in things if thing not in by_thing]:
            rows: dict[str, list[tuple[Event, bool]]] = {thing: [] for thing in missing}
            query = f"select {COLUMNS} from events where thing = any(?)"  # noqa: S608
            for row in sorted(db.rows(query, missing)):
                rows[row[4]].append((self.event(row), row[10] is None))
            new = {thing: make(thing, reports) for thing, reports in rows.items()}
            by_thing |= new
            if self._keeps:
                bound(kept, EVENTS_KEPT_MAX)
                kept |= new
        return by_thing

    def cached_reports(self, thing: str) -> Any | None:
        """The reports of a thing as `reported` made them up, if they are kept."""
        return self._reported.get(thing)

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
                bound(kept, FACTS_KEPT_MAX)
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
                bound(kept, FACTS_KEPT_MAX)
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
            recorded_parties = parties_with_records(db, most + 1)
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
        count_kept(db, max(0, sum(map(len, by_output.values())) - read))
        bound(kept, FACTS_KEPT_MAX)
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
