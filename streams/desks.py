"""The desks: take in the events of a fetch, fold them, step the tallies, and say what is now to be judged.

One call of `Intake.take` is one transaction's worth. The events of each key are taken in the order of the key; what
goes out is sorted by arrival afterwards, so nothing depends on how the work was grouped. Plain uses (the firehose)
go through the tallies a run at a time; everything else is taken one by one.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import xxhash

from circulation import sequences
from circulation.admission import Reason, Rejection, elements_of
from circulation.calendar import CHINA_OFFSET, DAY
from circulation.credit import TYPES as CREDIT_TYPES
from circulation.daily import NEVER, Used, day_number, end_of, key_of, of_key
from circulation.docket import Order, Step, docket_of, order_of
from circulation.events import ORDERS, TYPES, Event, decode_data
from circulation.facts import LISTED
from circulation.findings import About, Cause, Kind, Said, finding_id
from circulation.licences import TERMINATED, TERMS_TYPES, Licence, Licences
from circulation.lineage import stops
from circulation.rulepack import Pack, PackInvalid, Packs, parse_pack
from circulation.rules import Counted, Rule, Tally, Uses
from circulation.shares import stated
from detectors import feed_gap
from streams import schema, summaries
from streams.book import (
    JOURNAL,
    LIVE,
    REJECTED,
    STATING,
    Book,
    Change,
    Entry,
    Message,
    cloudevent,
    note,
    post,
)
from streams.loading import COLUMNS, RECORDS, Known, event_of
from streams.screening import CIRCULATING
from streams.store import Db

CONTRACTS, RULES = "circulation.contracts", "circulation.rules"
USAGE, CANCELLED = "circulation.usage.reported", "circulation.usage.cancelled"
DELIVERY, RETRACTED = "circulation.delivery.completed", "circulation.event.retracted"
SETTLED = "circulation.settlement.paid"
DERIVED, RUN, PACK = "circulation.asset.derived", "openlineage.run", "circulation.rulepack.published"
HEARTBEAT = "circulation.source.heartbeat"

# Uses of one contract that may wait for its first terms (contract §3).
WAITING_MAX = 10_000
# Windows of one contract that are held in memory between fetches; the store has them all.
PARTS_CACHED_MAX = 64
# Desks that are sent to PostgreSQL together.
STATES_AT_ONCE = 100
# Numbers of events that are asked for at a time, where others ask, too.
NUMBERS = 250
# Days of one contract whose uses its desk remembers, the newest: what came on others is a row each.
DAYS_OPEN_MAX = 2

SEPARATOR = "\x1f"

# The member of `data` that is an act's business id, by type.
BUSINESS = {
    DELIVERY: "delivery",
    "circulation.settlement.paid": "settlement",
    "circulation.export.performed": "export",
    "circulation.incident.discovered": "incident",
    "circulation.incident.reported": "incident",
    "circulation.product.listed": "product",
    "circulation.product.delisted": "product",
    "circulation.asset.assessed": "assessment",
    "circulation.watermark.sighted": "watermark",
    "circulation.request.refused": "buyer",
    "circulation.objection.filed": "objection",
    "circulation.objection.decided": "objection",
    "circulation.repair.applied": "repair",
    "circulation.repair.decided": "repair",
}

# The kind of entity whose facts change when such an event comes.
FACT_OF = {
    "circulation.party.registered": "party",
    "circulation.grant.issued": "party",
    "circulation.grant.revoked": "party",
    **dict.fromkeys(RECORDS, "group"),
    "circulation.asset.registered": "asset",
    "circulation.asset.graded": "asset",
    "circulation.asset.assessed": "asset",
    DERIVED: "asset",
    "circulation.contract.signed": "contract",
    "circulation.contract.amended": "contract",
    TERMINATED: "contract",
}

# What lands on a topic is about such an entity.
KINDS: Mapping[str, Kind] = {"circulation.parties": "party", "circulation.assets": "asset", CONTRACTS: "contract"}

# What an event names besides its subject: (member of `data`, kind of entity).
NAMED = (
    ("asset", "asset"),
    ("contract", "contract"),
    ("owner", "party"),
    ("seller", "party"),
    ("buyer", "party"),
    ("recipient", "party"),
    ("controller", "controller"),
    ("product", "product"),
    ("payer", "payer"),
    ("payee", "payee"),
)

# Priorities of the judge queue: what just came (`LIVE`), what is judged again in bulk, what is stated of credit
# (`STATING`), what the engine failed on.
AGAIN, ASIDE = 1, 9


def joined(*parts: str) -> str:
    """One text of several; the separator is not printable, so no id holds it."""
    return SEPARATOR.join(parts)


def thing_of(event: Event) -> str:
    """What reports of one act have in common: subject, kind and business id (contract §2, "Acts and reporters")."""
    member = BUSINESS.get(event.type)
    return joined("act", event.type, event.subject, str(getattr(event.data, member)) if member else "")


# Where a record stood: topic, partition, offset; of a file, the line in place of the offset.
Place = tuple[str, int, int]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An admitted event, the clock when it came, its record and its place; `order` rises in the order of arrival.

    Of a batch, `record` is the whole of it and `index` the element.
    """

    order: int
    clock: int
    event: Event
    record: bytes
    place: Place
    index: int | None = None


class Refused(NamedTuple):
    """A rejection and where its record stood."""

    order: int
    rejection: Rejection
    place: Place


class Outcome(NamedTuple):
    """What a fetch did. `ignored` are the arrivals that were duplicates or refused: they did not move the clock."""

    taken: dict[str, int]
    duplicates: int
    rejected: dict[str, int]
    changes: list[Change]
    queued: int
    rejections: list[Refused]
    errors: list[str]
    ignored: set[int]
    clock: int


class Desk:
    """One key: what is remembered of it between events.

    Between fetches it is folded: most of it is then `state`, as the store has it. One piece of memory is quicker to
    come by, and smaller, than some fifty that lie scattered.
    """

    __slots__ = (
        "counted",
        "days",
        "dirty",
        "first_use",
        "folded",
        "licences",
        "memories",
        "paid",
        "parts",
        "parts_dirty",
        "reporters",
        "retracted",
        "sequences",
        "state",
        "waiting",
        "waiting_uses",
        "watched",
    )

    def __init__(self, tallies: int) -> None:
        self.state = b""
        self.folded = False
        self.sequences: dict[str, sequences.Sequence] = {}
        # The newest position of those that wait, and how many uses have come to wait.
        self.waiting = 0
        self.waiting_uses = 0
        self.retracted: list[tuple[str, str, str]] = []
        # By tally, in the order of the rules; None where there is nothing to remember.
        self.memories: list[Any] = [None] * tallies
        self.licences = Licences()
        self.parts: dict[str, Any] = {}
        self.parts_dirty: set[str] = set()
        self.dirty = False
        # The earliest `time` of a use, and whether a settlement came.
        self.first_use = NEVER
        self.paid = False
        # What was used on the newest days, by reporter, and all reporters of uses and deliveries, a bit each.
        self.days: dict[int, Used] = {}
        self.reporters = 0
        # Whether rules look at its days: they last, or more than one reporter says something of them.
        self.watched = False
        # Whether its uses count towards a sandbox of its seller.
        self.counted = False

    def fold(self) -> None:
        """Lets go of what `state` has."""
        if self.state:
            self.folded = True
            del self.days, self.sequences, self.retracted, self.memories

    def reports(self, reporter: int) -> None:
        """Takes note of a reporter."""
        self.reporters |= 1 << reporter
        self.watched = self.daily or self.several

    @property
    def daily(self) -> bool:
        """Whether its days matter for as long as there is the contract."""
        return self.counted or self.licences.daily

    @property
    def several(self) -> bool:
        """Whether more than one reporter reports, so that what they say of a day can differ."""
        return self.reporters & (self.reporters - 1) != 0


class _Plan(NamedTuple):
    """A tally that a pack runs, with its parameters."""

    at: int
    rule: Rule
    tally: Tally
    parameters: Mapping[str, Any]
    # what is remembered before anything was
    nothing: Any


_NO_PARTS: Mapping[str, Any] = {}

DETAIL = struct.Struct("<qqiB")  # time, uses left, index of the licence, reporter


class _Remembered:
    """Uses that may be cancelled, of one partition: digests of 16 bytes, and a detail each."""

    __slots__ = ("details", "digests")

    def __init__(self) -> None:
        self.digests = bytearray()
        self.details = bytearray()


def _position(digests: bytes | bytearray, digest: bytes) -> int | None:
    at = digests.rfind(digest)
    while at >= 0:
        if at % 16 == 0:
            return at // 16
        at = digests.rfind(digest, 0, at + 15)
    return None


class _Batch:
    """What one `take` gathers before it is written."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.desks: dict[tuple[str, str], Desk] = {}
        self.states: list[tuple[str, str, bytes]] = []
        self.parts: list[tuple[str, str, bytes]] = []
        self.rows: list[tuple[Any, ...]] = []
        # By act, what this fetch brought, and of deliveries what the store has.
        self.by_thing: dict[str, list[tuple[int, Event]]] = {}
        self.delivered: dict[str, list[tuple[int, Event]]] = {}
        self.refs: list[tuple[str, str, int]] = []
        self.edges: list[tuple[Any, ...]] = []
        self.queue: dict[tuple[int, str], int] = {}
        self.entries: list[tuple[int, Entry]] = []
        self.orders: list[tuple[str, Order]] = []
        self.closed: list[tuple[int, int, str]] = []
        self.gaps: dict[str, tuple[int, bytes] | None] = {}
        self.refused: list[Refused] = []
        self.journal: list[tuple[int, Message]] = []
        self.waiting: list[tuple[str, int, bytes]] = []
        self.first_uses: dict[str, int] = {}
        self.days: dict[tuple[str, int, int], Used] = {}
        self.deadlines: list[tuple[str, int]] = []
        self.horizon: int | None = None
        self.sellers: frozenset[str] = frozenset()
        self.seen: set[str] = set()
        self.seen_new: list[tuple[str, int]] = []
        self.taken: dict[str, int] = {}
        self.duplicates = 0
        self.changes: list[Change] = []
        self.errors: list[str] = []
        self.ignored: set[int] = set()
        self.numbers: list[int] = []


class Intake:
    """Takes in fetches. Pure of Kafka: `streams.agents` and `streams.replay` both call it."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        book: Book,
        packs: Callable[[], Packs],
        *,
        known_detectors: Mapping[str, Any],
        known: Known,
        desks_max: int = 200_000,
        remember_chunk: int = 0,
    ) -> None:
        self._rules = rules
        self._book = book
        self._packs = packs
        self._parameters = known_detectors
        self._known = known
        self._desks_max = desks_max
        self._remember_chunk = remember_chunk
        self._tallies = [rule for rule in rules.values() if rule.tally is not None]
        self._state = msgspec.defstruct(
            "State",
            [
                # `streams.summaries` reads the days alone
                ("days", dict[int, Used], msgspec.field(default_factory=dict)),
                ("sequences", dict[str, sequences.Sequence], msgspec.field(default_factory=dict)),
                ("waiting", int, 0),
                ("waiting_uses", int, 0),
                ("first_use", int, NEVER),
                ("paid", bool, False),
                ("reporters", int, 0),
                ("retracted", list[tuple[str, str, str]], msgspec.field(default_factory=list)),
                *((r.id.replace("-", "_"), r.tally.memory | None, None) for r in self._tallies if r.tally),
            ],
            array_like=True,
        )
        self._decode_state = msgspec.msgpack.Decoder(self._state).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._part_types = {r.id: r.tally.part for r in self._tallies if r.tally and r.tally.part is not None}
        self._judged = {
            type_
            for rule in rules.values()
            for shape in (rule.check, rule.sum)
            if shape is not None
            for type_ in shape.acts
        } | ({*CIRCULATING} if any(rule.screen for rule in rules.values()) else set())
        self._asking = [rule.id for rule in rules.values() if rule.sum is not None and "uses" in rule.sum.needs]
        self._cache: dict[tuple[str, str], Desk] = {}
        self._remembered: dict[tuple[str, int], _Remembered] = {}
        self._plans: dict[str, list[_Plan]] = {}
        self._use_plans: dict[str, list[_Plan]] = {}

    def asked(self, event: Event, clock: int) -> bool:
        """Whether a use, coming next, may bring something to be judged: where that is not known, it may."""
        desk = self._cache.get((event.topic, event.subject))
        if desk is not None and desk.folded:
            self._unfold(desk)
        return desk is None or _asked(desk, event.time) or _news(desk, event, clock)

    def forget(self) -> None:
        """Drops what is cached: after a failed transaction, and when partitions change hands."""
        self._cache.clear()
        self._remembered.clear()

    def take(
        self,
        db: Db,
        arrivals: Sequence[Arrival],
        refused: Sequence[Refused],
        now: int,
        *,
        clock: int | None = None,
    ) -> Outcome:
        """Takes in what came, in order; all that follows from it is written to the open transaction.

        `clock` is the clock before the first of them, where events move it; else it is the wall's.
        """
        batch = _Batch(now)
        batch.refused.extend(refused)
        groups: dict[tuple[str, str], list[Arrival]] = {}
        for arrival in arrivals:
            event = arrival.event
            key = (event.topic, event.subject)
            group = groups.get(key)
            if group is None:
                groups[key] = [arrival]
            else:
                group.append(arrival)
        self._load_desks(db, batch, groups)
        self._load_counted(db, batch, groups)
        self._load_seen(db, batch, arrivals)
        self._load_parts(db, batch, groups)
        self._load_delivered(db, batch, arrivals)
        for key, group in groups.items():
            desk = batch.desks[key]
            if desk.folded:
                self._unfold(desk)
            partition = group[0].place[:2]
            if key[0] == CONTRACTS:
                self._take_contract(db, batch, desk, group, partition)
            else:
                for arrival in group:
                    self._take_other(db, batch, desk, arrival, partition)
            self._fold(batch, key, desk)
            if db.postgres and len(batch.states) >= STATES_AT_ONCE:
                # it writes them while the next ones are folded
                self._write_states(db, batch)
        if clock is None:
            clock = now
        elif batch.ignored:
            clock = self._clocked(batch, arrivals, clock)
        elif arrivals:
            clock = max(clock, arrivals[-1].clock)
        self._write(db, batch)
        return Outcome(
            batch.taken,
            batch.duplicates,
            _counted(batch.refused),
            batch.changes,
            len(batch.queue),
            sorted(batch.refused, key=lambda one: one.order),
            batch.errors,
            batch.ignored,
            clock,
        )

    @staticmethod
    def _clocked(batch: _Batch, arrivals: Sequence[Arrival], clock: int) -> int:
        """Sets what was entered to the clock as it is without what was ignored; answers with the clock at the end."""
        clocks: dict[int, int] = {}
        for arrival in arrivals:
            if arrival.order not in batch.ignored and arrival.event.topic != RULES:
                clock = max(clock, arrival.event.time)
            clocks[arrival.order] = clock
        batch.entries = [(order, entry._replace(now=clocks[order])) for order, entry in batch.entries]
        batch.closed = [(order, clocks[order], finding) for order, _, finding in batch.closed]
        return clock

    # What is loaded in bulk.

    def _load_desks(self, db: Db, batch: _Batch, groups: Mapping[tuple[str, str], Any]) -> None:
        if len(self._cache) > self._desks_max:
            self._cache.clear()
        missing: dict[str, list[str]] = {}
        for key in groups:
            desk = self._cache.get(key)
            if desk is None:
                missing.setdefault(key[0], []).append(key[1])
                desk = self._cache[key] = Desk(len(self._tallies))
            batch.desks[key] = desk
        for topic, subjects in missing.items():
            query = "select subject, state from desks where topic = ? and subject = any(?)"
            for subject, raw in db.rows(query, topic, subjects):
                desk = batch.desks[(topic, subject)]
                desk.state = bytes(raw)
                self._unfold(desk)
            if topic == CONTRACTS:
                self._load_licences(db, batch, subjects)
                for subject in subjects:
                    desk = batch.desks[(topic, subject)]
                    desk.watched = desk.daily or desk.several

    def _unfold(self, desk: Desk) -> None:
        (
            desk.days,
            desk.sequences,
            desk.waiting,
            desk.waiting_uses,
            desk.first_use,
            desk.paid,
            desk.reporters,
            desk.retracted,
            *desk.memories,
        ) = msgspec.structs.astuple(self._decode_state(desk.state))
        desk.folded = False

    def _load_counted(self, db: Db, batch: _Batch, groups: Mapping[tuple[str, str], Any]) -> None:
        """Which contracts have uses that count towards a sandbox of the seller."""
        contracts = [key for key in groups if key[0] == CONTRACTS]
        if not contracts:
            return
        db.run("select party from counted where party = '' for share")
        batch.sellers = frozenset(row[0] for row in db.rows("select party from counted where party <> ''"))
        if batch.sellers:
            for key in contracts:
                self._count(batch, batch.desks[key])

    @staticmethod
    def _count(batch: _Batch, desk: Desk) -> None:
        if not batch.sellers.isdisjoint(desk.licences.sellers):
            desk.counted = desk.watched = True

    @staticmethod
    def _load_licences(db: Db, batch: _Batch, contracts: Sequence[str]) -> None:
        # The licences as they grew: statements in the order in which they came, each ended where it was taken back.
        types = [*TERMS_TYPES, TERMINATED, RETRACTED]
        query = f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        for row in sorted(db.rows(query, CONTRACTS, list(contracts), types)):
            event = event_of(row)
            licences = batch.desks[(CONTRACTS, event.subject)].licences
            if event.type == RETRACTED:
                if event.data.type == TERMINATED:
                    licences.resume(event.source, event.data.event)
                else:
                    licences.end(event.data.type, event.source, event.data.event)
            elif row[10] is None or row[10] > row[0]:
                if event.type == TERMINATED:
                    licences.terminate(event)
                else:
                    licences.add(event)

    def _load_seen(self, db: Db, batch: _Batch, arrivals: Sequence[Arrival]) -> None:
        digests = [_identity(one.event) for one in arrivals if one.event.sequence is None]
        if digests:
            rows = db.rows("select digest from seen where digest = any(?)", digests)
            batch.seen.update(row[0] for row in rows)

    def _load_parts(self, db: Db, batch: _Batch, groups: Mapping[tuple[str, str], list[Arrival]]) -> None:
        wanted: list[tuple[str, Desk, str]] = []
        for (topic, subject), group in groups.items():
            desk = batch.desks[(topic, subject)]
            if topic != CONTRACTS or not desk.licences.windowed:
                continue
            if len(desk.parts) > PARTS_CACHED_MAX:
                desk.parts.clear()
            names: dict[str, None] = {}
            for arrival in group:
                licence = desk.licences.at(arrival.event.time)
                if licence is not None and licence.terms.windows:
                    for name in self._names(arrival.event.time, licence):
                        names[name] = None
            wanted.extend((subject, desk, name) for name in names if name not in desk.parts)
        self._fetch_parts(db, wanted)

    @staticmethod
    def _load_delivered(db: Db, batch: _Batch, arrivals: Sequence[Arrival]) -> None:
        things = [thing_of(one.event) for one in arrivals if one.event.type == DELIVERY]
        if things:
            batch.delivered = {one: [] for one in things}
            query = f"select {COLUMNS} from events where thing = any(?) and retracted is null"  # noqa: S608
            for row in db.rows(query, list(batch.delivered)):
                batch.delivered[row[4]].append((row[0], event_of(row)))

    def _names(self, instant: int, licence: Licence) -> Iterable[str]:
        for rule in self._tallies:
            tally = rule.tally
            if tally is not None and tally.names is not None:
                for name in tally.names(instant, licence):
                    yield f"{rule.id}/{name}"

    def _fetch_parts(self, db: Db, wanted: Sequence[tuple[str, Desk, str]]) -> None:
        if not wanted:
            return
        by_contract = {(subject, name): desk for subject, desk, name in wanted}
        query = "select contract, name, state from parts where contract = any(?) and name = any(?)"
        contracts = sorted({subject for subject, _, _ in wanted})
        for contract, name, raw in db.rows(query, contracts, sorted({name for _, _, name in wanted})):
            desk = by_contract.get((contract, name))
            if desk is not None:
                desk.parts[name] = msgspec.msgpack.decode(raw, type=self._part_types[name.split("/", 1)[0]])
        for _, desk, name in wanted:
            desk.parts.setdefault(name, None)

    # Duplicates, gaps.

    def _fresh(self, batch: _Batch, desk: Desk, arrival: Arrival) -> sequences.Taken | bool:
        """False for a duplicate; else what the event's number does (True where it has none)."""
        event = arrival.event
        if event.sequence is None:
            return _identity(event) not in batch.seen
        known = desk.sequences.get(event.source)
        taken = sequences.take(known or sequences.Sequence(), event.sequence, event.id, event.time)
        return False if taken is None else taken

    def _advance(self, batch: _Batch, desk: Desk, arrival: Arrival, fresh: sequences.Taken | bool) -> None:
        event = arrival.event
        # Events of a run come on any key, so their desk may be open on two workers: it remembers nothing.
        desk.dirty = desk.dirty or event.type != RUN
        batch.taken[event.type] = batch.taken.get(event.type, 0) + 1
        if isinstance(fresh, bool):
            identity = _identity(event)
            batch.seen.add(identity)
            batch.seen_new.append((identity, batch.now))
            return
        desk.sequences[event.source] = fresh.sequence
        if fresh.opened is not None:
            gap = fresh.opened
            thing = gap_thing(event, gap)
            batch.gaps[thing] = (gap.time, packed_gap(event, gap))
            self._say(batch, arrival, "feed-gap", gap_said(event.topic, event.subject, event.source, gap), thing)
        if fresh.closed is not None:
            gap = fresh.closed
            thing = gap_thing(event, gap)
            batch.gaps[thing] = None
            said = gap_said(event.topic, event.subject, event.source, gap)
            finding = finding_id("feed-gap", said.about, said.cause, said.apart)
            batch.closed.append((arrival.order, arrival.clock, finding))
            # A judge that enters it anew for a late pack may just have seen it open.
            self._queue(batch, thing, LIVE, arrival.order)

    def _say(self, batch: _Batch, arrival: Arrival, rule: str, said: Said, thing: str) -> None:
        pack = self._packs().in_force(said.occurred)
        if pack.setting(rule).mode != "off":
            batch.entries.append((arrival.order, Entry(thing, self._rules[rule], pack, said, arrival.clock)))

    def _refuse(self, batch: _Batch, arrival: Arrival, detail: str) -> None:
        record = arrival.record if arrival.index is None else elements_of(arrival.record)[arrival.index]
        rejection = Rejection(reason=Reason.INVALID_DATA, detail=detail, record=record, index=arrival.index)
        batch.refused.append(Refused(arrival.order, rejection, arrival.place))
        batch.ignored.add(arrival.order)

    # Parties, assets, rules, orders.

    def _take_other(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, partition: tuple[str, int]) -> None:
        fresh = self._fresh(batch, desk, arrival)
        if fresh is False:
            batch.duplicates += 1
            batch.ignored.add(arrival.order)
            return
        event = arrival.event
        if event.type == PACK:
            try:
                pack = parse_pack(event.data, published=True, known=self._parameters)
                if pack.pack != event.subject:
                    raise PackInvalid([f"$.data.pack: {pack.pack!r} is not the subject"])
            except PackInvalid as invalid:
                self._refuse(batch, arrival, "; ".join(invalid.problems)[:2000])
                return
            self._queue(batch, joined("pack", str(pack.valid_from), pack.digest), LIVE, arrival.order)
            data = {"pack": pack.pack, "version": pack.version, "digest": pack.digest}
            message = cloudevent(
                JOURNAL,
                pack.pack,
                type_="circulation.rulepack.accepted",
                source="/circulation/rules",
                id_=f"{pack.digest}.{event.time}",
                time=arrival.clock,
                data=data,
            )
            batch.journal.append((arrival.order, message))
        self._advance(batch, desk, arrival, fresh)
        if event.type == HEARTBEAT and (_void(desk, event) or not self._newest(db, batch, event)):
            return
        self._keep(db, batch, desk, arrival)

    def _newest(self, db: Db, batch: _Batch, event: Event) -> bool:
        """Whether a heartbeat is the newest of its source; then the one that was is not kept any longer."""
        self._flush_rows(db, batch)
        query = "topic = ? and subject = ? and type = ?"
        values = (event.topic, event.subject, HEARTBEAT)
        if db.one(f"select 1 from events where {query} and retracted is null and time >= ?", *values, event.time):  # noqa: S608
            return False
        db.run(f"delete from events where {query}", *values)  # noqa: S608
        self._known.taken_back(event, thing_of(event))
        return True

    # Contracts.

    def _take_contract(
        self, db: Db, batch: _Batch, desk: Desk, group: Sequence[Arrival], partition: tuple[str, int]
    ) -> None:
        run: list[Arrival] = []
        source, expected = "", 0
        sequence: sequences.Sequence | None = None
        for arrival in group:
            event = arrival.event
            if event.type == USAGE:
                if run and event.sequence == expected and event.source == source:
                    run.append(arrival)
                    expected += 1
                    continue
                if run:
                    self._end_run(db, batch, desk, run, sequence, partition)
                    run = []
                if event.sequence is not None and desk.licences:
                    sequence = desk.sequences.get(event.source)
                    if event.sequence == (sequence.highest + 1 if sequence else 1):
                        source, expected = event.source, event.sequence + 1
                        run.append(arrival)
                        continue
            elif run:
                self._end_run(db, batch, desk, run, sequence, partition)
                run = []
            self._take_one(db, batch, desk, arrival, partition)
        if run:
            self._end_run(db, batch, desk, run, sequence, partition)

    def _end_run(
        self,
        db: Db,
        batch: _Batch,
        desk: Desk,
        run: list[Arrival],
        sequence: sequences.Sequence | None,
        partition: tuple[str, int],
    ) -> None:
        """A run of uses of one source, with numbers that follow each other, on a contract that has terms."""
        last = run[-1].event
        gaps = sequence.gaps if sequence else []
        desk.sequences[last.source] = sequences.Sequence(last.sequence or 0, gaps)
        desk.dirty = True
        batch.taken[USAGE] = batch.taken.get(USAGE, 0) + len(run)
        totals: dict[int, list[int]] = {}
        stated = [False, False]
        kinds: set[tuple[str, str | None, str | None, str | None, str | None]] = set()
        first = latest = run[0].event.time
        remembered = self._remembered.get(partition)
        if remembered is None:
            remembered = self._remembered[partition] = _Remembered()
        digests, details = remembered.digests, remembered.details
        seed = _use_seed(last.subject, last.source)
        licences = desk.licences
        only = licences.only
        single = licences.at(first) if only is None else only
        index = single.index if single else -1
        digest_of, pack_detail = xxhash.xxh3_128_digest, DETAIL.pack
        for arrival in run:
            event = arrival.event
            data = event.data
            time = event.time
            reporter = event.reporter
            uses = data.uses
            if time < first:
                first = time
            elif time > latest:
                latest = time
            total = totals.get(reporter)
            if total is None:
                total = totals[reporter] = [0, 0, 0]
            total[0] += uses
            if data.bytes is not None:
                total[1] += data.bytes
                stated[0] = True
            if data.rows is not None:
                total[2] += data.rows
                stated[1] = True
            kinds.add((data.purpose, data.country, data.region, data.environment, data.actor))
            digests += digest_of(event.id.encode(), seed)
            details += pack_detail(time, uses, index, reporter)
        if first < desk.first_use:
            self._used_first(batch, desk, run[0], first)
        day = (first + CHINA_OFFSET) // DAY
        if len(totals) == 1 and latest < end_of(day):
            ((reporter, (uses, size, rows)),) = totals.items()
            stated_size, stated_rows = size if stated[0] else None, rows if stated[1] else None
            used = desk.days.get(day << 2 | reporter)
            if used is None or desk.watched:
                self._used(db, batch, desk, run[0], reporter, first, latest, uses, stated_size, stated_rows)
            else:
                used.add(uses, stated_size, stated_rows, first, latest)
        else:
            for arrival in run:
                self._used_once(db, batch, desk, arrival, arrival.event)
        if single is not None and (only or (single is licences.at(first) and single is licences.at(latest))):
            summary = Uses(
                totals=totals,
                kinds=kinds,
                first=first,
                last=latest,
                count=len(run),
                each=lambda: (one.event for one in run),
            )
            packs = self._packs()
            if packs.unchanged(first, latest) and self._run_quietly(desk, summary, single, packs.in_force(first)):
                return
        at = len(details) - DETAIL.size * len(run)
        for number, arrival in enumerate(run):
            event = arrival.event
            licence = licences.at(event.time)
            if licence is None:
                raise AssertionError("a run has terms")
            position = at + number * DETAIL.size
            details[position : position + DETAIL.size] = DETAIL.pack(
                event.time, event.data.uses, licence.index, event.reporter
            )
            counted = Counted(event, event.data.uses, event.data.bytes or 0, event.data.rows or 0)
            self._step(db, batch, desk, arrival, counted, licence)

    def _used_first(self, batch: _Batch, desk: Desk, arrival: Arrival, time: int) -> None:
        """An earlier use than any before: rules that ask for it are judged where it can matter to them."""
        contract = arrival.event.subject
        asked = _asked(desk, time)
        desk.first_use = time
        batch.first_uses[contract] = time
        if asked:
            for rule in self._asking:
                self._queue(batch, joined("sum", rule, contract), LIVE, arrival.order)

    def _used_once(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, event: Event) -> None:
        time, data = event.time, event.data
        self._used(db, batch, desk, arrival, event.reporter, time, time, data.uses, data.bytes, data.rows)

    def _used(
        self,
        db: Db,
        batch: _Batch,
        desk: Desk,
        arrival: Arrival,
        reporter: int,
        first: int,
        last: int,
        uses: int,
        bytes_: int | None,
        rows: int | None,
    ) -> None:
        """Adds uses that one reporter reported of one day, from `first` to `last`."""
        day = (first + CHINA_OFFSET) // DAY
        used = desk.days.get(day << 2 | reporter)
        if used is None:
            desk.days[key_of(day, reporter)] = Used(uses, bytes_, rows, first, last)
            desk.reports(reporter)
            news = True
        else:
            news = first < used.first
            used.add(uses, bytes_, rows, first, last)
        if desk.watched:
            self._day_changed(db, batch, desk, arrival, day, news=news)
        if used is None:
            self._close_days(batch, desk, arrival.event.subject)

    def _given_back(
        self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, reporter: int, time: int, uses: int
    ) -> None:
        """Takes cancelled uses off their day."""
        day = day_number(time)
        desk.days.setdefault(key_of(day, reporter), Used()).add(-uses, None, None, NEVER, -NEVER)
        if desk.watched:
            self._day_changed(db, batch, desk, arrival, day, news=False)
        self._close_days(batch, desk, arrival.event.subject)

    @staticmethod
    def _close_days(batch: _Batch, desk: Desk, contract: str) -> None:
        """Where a desk remembers too many days, the oldest becomes rows."""
        oldest = min(desk.days)
        if len(desk.days) <= DAYS_OPEN_MAX or len({key >> 2 for key in desk.days}) <= DAYS_OPEN_MAX:
            return
        for key in [one for one in desk.days if one >> 2 == oldest >> 2]:
            used = desk.days.pop(key)
            closed = batch.days.setdefault((contract, *of_key(key)), Used())
            closed.add(used.uses, used.bytes, used.rows, used.first, used.last)

    def _day_changed(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, day: int, *, news: bool) -> None:
        """Has a day judged: at its end, and at once where it has ended or something was used earlier than was known.

        What comes later on a day that has not ended changes nothing that stands: the deadline reads it. Whether it
        has ended is told by the horizon, which the lock keeps where it is until this is there for the judges to see.
        """
        if batch.horizon is None:
            (batch.horizon,) = db.one("select instant from horizon for share") or (0,)
        end = end_of(day)
        ended = end < batch.horizon
        if not news and not ended:
            return
        subject = joined(arrival.event.subject, str(day))
        if desk.daily:
            thing = joined("fact", "uses", subject)
            self._queue(batch, thing, LIVE, arrival.order)
            if not ended:
                batch.deadlines.append((thing, end))
        if desk.several:
            self._queue(batch, joined("fact", "reports", subject), LIVE, arrival.order)

    def _plan(self, pack: Pack) -> list[_Plan]:
        plan = self._plans.get(pack.digest)
        if plan is None:
            # One that is off counts, too: what it counts when it is on again is all that there was (contract §3).
            plan = self._plans[pack.digest] = [
                _Plan(at, rule, rule.tally, rule.settings(pack.setting(rule.id).parameters), rule.tally.memory())
                for at, rule in enumerate(self._tallies)
                if rule.tally is not None
            ]
            self._use_plans[pack.digest] = [one for one in plan if USAGE in one.tally.events]
        return plan

    def _run_quietly(self, desk: Desk, uses: Uses, licence: Licence, pack: Pack) -> bool:
        """Counts a run that says nothing; where one may say something, nothing of it is counted."""
        plan = self._use_plans.get(pack.digest)
        if plan is None:
            self._plan(pack)
            plan = self._use_plans[pack.digest]
        stepped = []
        memories, parts = desk.memories, _NO_PARTS
        windowed = licence.terms.windows
        for at, rule, tally, parameters, nothing in plan:
            if windowed and tally.names is not None:
                names = tally.names(uses.first, licence)
                if any(f"{rule.id}/{name}" not in desk.parts for name in names):
                    return False
                parts = {name: desk.parts[f"{rule.id}/{name}"] for name in names}
            memory = memories[at] or nothing
            try:
                answer = tally.quiet(memory, parts, uses, licence, parameters)
            except Exception:
                return False  # stepping through the run finds the event that it fails on
            if answer is None:
                return False
            if answer.memory is not memory or answer.parts:
                stepped.append((at, rule, answer))
        for at, rule, answer in stepped:
            memories[at] = answer.memory
            for name, part in answer.parts.items():
                desk.parts[f"{rule.id}/{name}"] = part
                desk.parts_dirty.add(f"{rule.id}/{name}")
        return True

    def _step(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, counted: Counted, licence: Licence) -> None:
        """Steps every tally over one counted event; a tally that raises is itself a finding."""
        event = counted.event
        pack = self._packs().in_force(event.time)
        desk.dirty = True
        for at, rule, tally, parameters, nothing in self._plan(pack):
            if event.type not in tally.events:
                continue
            names = [] if tally.names is None else [f"{rule.id}/{name}" for name in tally.names(event.time, licence)]
            self._fetch_parts(db, [(event.subject, desk, name) for name in names if name not in desk.parts])
            parts = {name.split("/", 1)[1]: desk.parts[name] for name in names}
            memory = desk.memories[at] or nothing
            thing = joined("tally", event.subject)
            try:
                answer = tally.step(memory, parts, counted, licence, parameters)
            except Exception as error:
                batch.errors.append(rule.id)
                self._say(batch, arrival, "detector-error", error_said(rule.id, error, event, licence.seller), thing)
                continue
            desk.memories[at] = answer.memory if answer.memory != nothing else None
            for name, part in answer.parts.items():
                desk.parts[f"{rule.id}/{name}"] = part
                desk.parts_dirty.add(f"{rule.id}/{name}")
            if pack.setting(rule.id).mode == "off":
                continue
            for said in answer.said:
                batch.entries.append((arrival.order, Entry(thing, rule, pack, said, arrival.clock)))

    def _take_one(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, partition: tuple[str, int]) -> None:
        """Any event of a contract that is not part of a run."""
        fresh = self._fresh(batch, desk, arrival)
        if fresh is False:
            batch.duplicates += 1
            batch.ignored.add(arrival.order)
            return
        event = arrival.event
        if event.type == USAGE:
            if not desk.licences:
                if desk.waiting_uses >= WAITING_MAX:
                    self._refuse(batch, arrival, f"$.subject: {WAITING_MAX} uses wait for the terms of this contract")
                    return
                self._advance(batch, desk, arrival, fresh)
                if event.time < desk.first_use:
                    self._used_first(batch, desk, arrival, event.time)
                self._used_once(db, batch, desk, arrival, event)
                desk.waiting_uses += 1
                self._wait(batch, desk, event)
                return
            self._advance(batch, desk, arrival, fresh)
            if event.time < desk.first_use:
                self._used_first(batch, desk, arrival, event.time)
            self._used_once(db, batch, desk, arrival, event)
            self._use(db, batch, desk, arrival, event, partition)
        elif event.type == CANCELLED:
            if not self._cancel(db, batch, desk, arrival, partition):
                detail = f"$.data.usage: no use {event.data.usage!r} of this source is remembered on this contract"
                self._refuse(batch, arrival, detail)
                return
            self._advance(batch, desk, arrival, fresh)
        else:
            self._advance(batch, desk, arrival, fresh)
            number, retracted = self._keep(db, batch, desk, arrival)
            if retracted:
                return
            if event.type in TERMS_TYPES:
                first, daily = not desk.licences, desk.daily
                desk.licences.add(event)
                self._count(batch, desk)
                if desk.daily and not daily:
                    self._daily(db, batch, desk, arrival)
                if first and desk.waiting:
                    self._release(db, batch, desk, arrival, partition)
            elif event.type == TERMINATED:
                desk.licences.terminate(event)
            elif event.type == SETTLED:
                desk.paid = True
            elif event.type == DELIVERY:
                desk.reports(event.reporter)
                if desk.licences:
                    self._deliver(db, batch, desk, arrival, number, event)
                else:
                    self._wait(batch, desk, event, number)

    def _use(
        self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, event: Event, partition: tuple[str, int]
    ) -> None:
        licence = desk.licences.at(event.time)
        if licence is None:
            raise AssertionError("a use is counted under terms")
        remembered = self._remembered.setdefault(partition, _Remembered())
        remembered.digests += _use_digest(event.subject, event.source, event.id)
        remembered.details += DETAIL.pack(event.time, event.data.uses, licence.index, event.reporter)
        counted = Counted(event, event.data.uses, event.data.bytes or 0, event.data.rows or 0)
        self._step(db, batch, desk, arrival, counted, licence)

    def _daily(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival) -> None:
        """From these terms on days matter for as long as there is the contract: also those that were before."""
        db.run("update used_days set taken = null where contract = ?", arrival.event.subject)
        desk.watched = True
        for day in sorted({key >> 2 for key in desk.days}):
            self._day_changed(db, batch, desk, arrival, day, news=True)

    def _wait(self, batch: _Batch, desk: Desk, event: Event, number: int = 0) -> None:
        desk.waiting += 1
        batch.waiting.append((event.subject, desk.waiting, _packed(event, number)))

    def _release(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, partition: tuple[str, int]) -> None:
        contract = arrival.event.subject
        self._flush_waiting(db, batch)
        rows = db.rows("select event from waiting where contract = ? order by position", contract)
        db.run("delete from waiting where contract = ?", contract)
        desk.waiting = desk.waiting_uses = 0
        for (raw,) in rows:
            event, number = _unpacked(raw)
            if event.type == DELIVERY:
                self._deliver(db, batch, desk, arrival, number, event)
            else:
                self._use(db, batch, desk, arrival, event, partition)

    @staticmethod
    def _flush_waiting(db: Db, batch: _Batch) -> None:
        db.many(schema.waiting, batch.waiting, "upsert")
        batch.waiting = []

    def _cancel(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, partition: tuple[str, int]) -> bool:
        event = arrival.event
        if desk.waiting:
            self._flush_waiting(db, batch)
            query = "select position, event from waiting where contract = ? order by position desc"
            for position, raw in db.rows(query, event.subject):
                waited, number = _unpacked(raw)
                if waited.type == USAGE and (waited.source, waited.id) == (event.source, event.data.usage):
                    waited_uses = waited.data.uses
                    left = max(0, waited_uses - event.data.uses)
                    fewer = msgspec.structs.replace(waited.data, uses=left)
                    waited = msgspec.structs.replace(waited, data=fewer, raw_data=b"")
                    row = (event.subject, position, _packed(waited, number))
                    db.many(schema.waiting, [row], "upsert")
                    given_back = min(event.data.uses, waited_uses)
                    self._given_back(db, batch, desk, arrival, waited.reporter, waited.time, given_back)
                    return True
        found = self._recall(db, partition, _use_digest(event.subject, event.source, event.data.usage), event.data.uses)
        if found is None:
            return False
        time, given_back, index, reporter = found
        licence = desk.licences.past(index)
        if given_back:
            given = msgspec.structs.replace(event, time=time, reporter=reporter)
            self._given_back(db, batch, desk, arrival, reporter, time, given_back)
            self._step(db, batch, desk, arrival, Counted(given, uses=-given_back), licence)
        return True

    def _recall(self, db: Db, partition: tuple[str, int], digest: bytes, uses: int) -> tuple[int, int, int, int] | None:
        """Takes uses off a remembered use: its time, the uses given back, its licence and reporter."""
        pending = self._remembered.get(partition)
        if pending is not None:
            at = _position(pending.digests, digest)
            if at is not None:
                return _take_off(pending.details, at, uses)
        query = (
            "select id, digests, details from remembered where topic = ? and partition = ? and id < ?"
            " order by id desc limit 64"
        )
        before = 2**62
        while True:
            rows = db.rows(query, *partition, before)
            for number, digests, details in rows:
                at = _position(bytes(digests), digest)
                if at is not None:
                    changed = bytearray(details)
                    answer = _take_off(changed, at, uses)
                    db.run("update remembered set details = ? where id = ?", bytes(changed), number)
                    return answer
            if len(rows) < 64:
                return None
            before = rows[-1][0]

    def _reports(self, db: Db, batch: _Batch, event: Event, before: int) -> list[tuple[int, Event]]:
        """Reports of one delivery by one reporter that came before and stand."""
        thing = thing_of(event)
        found = batch.delivered.get(thing)
        if found is None:
            query = f"select {COLUMNS} from events where thing = ? and retracted is null"  # noqa: S608
            found = [(row[0], event_of(row)) for row in db.rows(query, thing)]
        some = [*found, *batch.by_thing.get(thing, ())]
        return [(number, one) for number, one in some if number < before and one.reporter == event.reporter]

    def _deliver(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, number: int, event: Event) -> None:
        """Counts a delivery once a reporter: of several reports the earliest by (time, source, id)."""
        others = [one for _, one in self._reports(db, batch, event, number)]
        before = min(others, key=_order, default=None)
        after = min([*others, event], key=_order)
        if after is event:
            self._volumes(db, batch, desk, arrival, event, before)

    def _volumes(
        self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, event: Event | None, instead_of: Event | None
    ) -> None:
        """Counts a delivery in the place of another one, or of none; or takes it off, where none comes instead."""
        counting = event or instead_of
        if counting is None:
            return
        licence = desk.licences.at(counting.time) or desk.licences.last()
        if licence is None:
            return
        new, old = None if event is None else event.data, None if instead_of is None else instead_of.data
        amounts = {}
        for measure in ("bytes", "rows", "persons"):
            amounts[measure] = (getattr(new, measure, None) or 0) - (getattr(old, measure, None) or 0)
        self._step(db, batch, desk, arrival, Counted(counting, **amounts), licence)

    # What is kept.

    def _keep(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival) -> tuple[int, bool]:
        """Keeps an event as a row and queues what has to be judged; answers with its number, and if it is void."""
        event = arrival.event
        number = self._number(db, batch)
        void = _void(desk, event)
        thing = thing_of(event)
        batch.rows.append(_row(number, event, thing, 0 if void else None, batch.now))
        self._known.came(number, event, thing)
        for member, kind in NAMED:
            named = getattr(event.data, member, None)
            if isinstance(named, str):
                batch.refs.append((kind, named, number))
        if event.type == RUN:
            batch.refs += [("input", one, number) for one in event.data.inputs]
            batch.refs += [("output", one, number) for one in event.data.outputs]
            names = {*event.data.renamed.values(), *(name for some in event.data.aliases.values() for name in some)}
            batch.refs += [("input", one, number) for one in sorted(names)]
        elif event.type == DERIVED:
            batch.refs += [("input", one.asset, number) for one in event.data.inputs]
        if event.type == RETRACTED:
            self._retract(db, batch, desk, arrival, number)
            return number, False
        if void:
            return number, True
        batch.by_thing.setdefault(thing, []).append((number, event))
        if event.type == DERIVED:
            data = event.data
            stopping = stops(data.process, data.irreversible, data.evidence)
            self._known.forget_edges([event.subject])
            for source, share in stated((one.asset, one.share) for one in data.inputs).items():
                if source != event.subject:
                    batch.edges.append((event.subject, source, f"event:{number}", event.time, stopping, share, False))
        self._touch(batch, event, thing, arrival.order)
        order, docket = order_of(event), docket_of(event.subject)
        if order is not None and docket is not None:
            batch.orders.append((docket, order))
            self._queue(batch, joined("case", docket), LIVE, arrival.order)
        return number, False

    def _touch(self, batch: _Batch, event: Event, thing: str, order: int) -> None:
        if event.type in self._judged:
            self._queue(batch, thing, LIVE, order)
        kind = FACT_OF.get(event.type)
        if kind is not None:
            self._queue(batch, joined("fact", kind, event.subject), LIVE, order)
        if event.type == SETTLED:
            self._queue(batch, joined("fact", "payment", thing), LIVE, order)
        if event.type == LISTED:
            self._queue(batch, joined("fact", "product", event.data.product), LIVE, order)
        if event.type == RUN:
            self._queue(batch, joined("run", event.subject), LIVE, order)
        if event.type in CREDIT_TYPES:
            self._queue(batch, joined("credit", event.subject), LIVE, order)
        elif event.type == "circulation.party.registered":
            self._queue(batch, joined("credit", event.subject), STATING, order)

    @staticmethod
    def _queue(batch: _Batch, thing: str, priority: int, order: int) -> None:
        batch.queue.setdefault((priority, thing), order)

    def _number(self, db: Db, batch: _Batch) -> int:
        known = self._known
        if known.alone:
            number = db.numbers(1)[0] if known.number is None else known.number
            known.number = number + 1
            return number
        if not batch.numbers:
            batch.numbers = db.numbers(NUMBERS)
        return batch.numbers.pop(0)

    def _retract(self, db: Db, batch: _Batch, desk: Desk, arrival: Arrival, number: int) -> None:
        """The act or statement is as if it had never been made; what it counted is given back."""
        event, data = arrival.event, arrival.event.data
        desk.retracted = [*desk.retracted, (event.source, data.event, data.type)]
        self._flush_rows(db, batch)
        query = (
            f"select {COLUMNS} from events where topic = ? and subject = ? and type = ? and source = ? and event = ?"  # noqa: S608
            " and retracted is null"
        )
        found = db.rows(query, event.topic, event.subject, data.type, event.source, data.event)
        for row in found:
            target = event_of(row)
            waited = target.type == DELIVERY and self._unwait(db, batch, desk, row[0], target)
            if target.type == DELIVERY and not waited:
                others = [one for each, one in self._reports(db, batch, target, 2**62) if each != row[0]]
                if target is min([*others, target], key=_order):
                    instead = min(others, key=_order, default=None)
                    self._volumes(db, batch, desk, arrival, instead, target)
            db.run("update events set retracted = ? where id = ?", number, row[0])
            self._known.taken_back(target, row[4])
            batch.by_thing.pop(row[4], None)
            if target.type in TERMS_TYPES:
                desk.licences.end(target.type, target.source, target.id)
            elif target.type == TERMINATED:
                desk.licences.resume(target.source, target.id)
            elif target.type == DERIVED:
                db.run("delete from derivations where origin = ?", f"event:{row[0]}")
                self._known.forget_edges([target.subject])
            elif target.topic == ORDERS:
                self._unorder(db, batch, target)
            elif target.type == PACK:
                self._queue(batch, joined("pack", str(-(2**62))), LIVE, arrival.order)
            self._touch(batch, target, row[4], arrival.order)

    @staticmethod
    def _unorder(db: Db, batch: _Batch, target: Event) -> None:
        """An order that was taken back before it took effect takes none; later only another order undoes it."""
        order, docket = order_of(target), docket_of(target.subject)
        batch.orders = [one for one in batch.orders if one[1] != order]
        for number, step in db.rows("select id, step from docket where docket = ?", docket):
            if msgspec.msgpack.decode(step, type=Step) == order:
                db.run("delete from docket where id = ?", number)

    def _unwait(self, db: Db, batch: _Batch, desk: Desk, number: int, target: Event) -> bool:
        """Takes a delivery out of those that wait for terms; answers whether it was among them."""
        if not desk.waiting:
            return False
        self._flush_waiting(db, batch)
        for position, raw in db.rows("select position, event from waiting where contract = ?", target.subject):
            if _unpacked(raw)[1] == number:
                db.run("delete from waiting where contract = ? and position = ?", target.subject, position)
                return True
        return False

    @staticmethod
    def _flush_rows(db: Db, batch: _Batch) -> None:
        db.many(schema.events, batch.rows)
        db.many(schema.refs, batch.refs, "ignore")
        db.many(schema.derivations, batch.edges, "upsert")
        batch.rows, batch.refs, batch.edges = [], [], []
        batch.by_thing.clear()
        batch.delivered.clear()

    def _fold(self, batch: _Batch, key: tuple[str, str], desk: Desk) -> None:
        """Makes rows of what changed at a desk."""
        if desk.dirty:
            # written as the array that the state is read from
            desk.state = self._encode(
                [
                    desk.days,
                    desk.sequences,
                    desk.waiting,
                    desk.waiting_uses,
                    desk.first_use,
                    desk.paid,
                    desk.reporters,
                    desk.retracted,
                    *desk.memories,
                ]
            )
            batch.states.append((*key, desk.state))
            desk.dirty = False
        if desk.parts_dirty:
            batch.parts += ((key[1], name, self._encode(desk.parts[name])) for name in sorted(desk.parts_dirty))
            desk.parts_dirty.clear()
        desk.fold()

    def _write(self, db: Db, batch: _Batch) -> None:
        self._write_states(db, batch)
        db.many(schema.parts, batch.parts, "upsert")
        db.many(schema.first_uses, list(batch.first_uses.items()), "upsert")
        self._write_days(db, batch)
        db.many(schema.deadlines, sorted(set(batch.deadlines)), "ignore")
        self._flush_rows(db, batch)
        self._flush_waiting(db, batch)
        db.many(schema.seen, batch.seen_new, "ignore")
        opened = [(thing, *gap) for thing, gap in batch.gaps.items() if gap is not None]
        db.many(schema.gaps, opened, "upsert")
        if len(opened) < len(batch.gaps):
            db.run("delete from gaps where thing = any(?)", [thing for thing, gap in batch.gaps.items() if gap is None])
        self.remember(db, batch.now, more_than=self._remember_chunk)
        queued = sorted(batch.queue.items(), key=lambda one: one[1])
        db.many(schema.queue, [(priority, thing, batch.now) for (priority, thing), _ in queued])
        note(db, batch.orders)
        out = [(one.order, _rejected(one)) for one in batch.refused] + batch.journal
        post(db, [message for _, message in sorted(out, key=lambda one: one[0])])
        self._enter(db, batch)

    @staticmethod
    def _write_states(db: Db, batch: _Batch) -> None:
        batch.states.sort()  # neighbours in the store one after the other
        db.many(schema.desks, batch.states, "upsert")
        batch.states = []

    def remember(self, db: Db, now: int, *, more_than: int = 0) -> None:
        """Writes the uses of each partition that may be cancelled, where there are more than so many."""
        rows = []
        for (topic, partition), remembered in self._remembered.items():
            if len(remembered.digests) > 16 * more_than:
                rows.append((topic, partition, now, bytes(remembered.digests), bytes(remembered.details)))
                remembered.digests, remembered.details = bytearray(), bytearray()
        db.many(schema.remembered, rows)

    @staticmethod
    def _write_days(db: Db, batch: _Batch) -> None:
        """Adds closed days to the rows that are there."""
        if not batch.days:
            return
        contracts = sorted({contract for contract, _, _ in batch.days})
        for contract, some in summaries.used_rows(db, contracts, sorted({day for _, day, _ in batch.days})).items():
            for day, reporter, used in some:
                closed = batch.days.get((contract, day, reporter))
                if closed is not None:
                    closed.add(used.uses, used.bytes, used.rows, used.first, used.last)
        rows = []
        for (contract, day, reporter), used in batch.days.items():
            kept = batch.desks[(CONTRACTS, contract)].daily
            numbers = (used.uses, used.bytes, used.rows, used.first, used.last)
            rows.append((contract, day, reporter, *numbers, None if kept else batch.now))
        db.many(schema.used_days, rows, "upsert")

    def _enter(self, db: Db, batch: _Batch) -> None:
        """Raises and clears in the order of arrival; what is raised in a row goes in one statement."""
        steps: list[tuple[int, int, Entry | str]] = [(order, entry.now, entry) for order, entry in batch.entries]
        steps += batch.closed
        steps.sort(key=lambda one: one[0])
        raised: list[Entry] = []
        for _, clock, one in steps:
            if isinstance(one, Entry):
                raised.append(one)
                continue
            batch.changes += self._book.enter(db, raised)
            raised = []
            batch.changes += self._book.clear(db, one, clock)
        batch.changes += self._book.enter(db, raised)


def gap_thing(event: Event, gap: sequences.Gap) -> str:
    """What a gap is called: the feed and its first missing number."""
    return joined("gap", event.topic, event.subject, event.source, str(gap.revealed[0][0]))


def packed_gap(event: Event, gap: sequences.Gap) -> bytes:
    """A gap as the store keeps it while it is open."""
    return msgspec.msgpack.encode((event.topic, event.subject, event.source, gap))


def unpacked_gap(raw: bytes) -> Said:
    """What an open gap says."""
    topic, subject, source, gap = msgspec.msgpack.decode(raw, type=tuple[str, str, str, sequences.Gap])
    return gap_said(topic, subject, source, gap)


def gap_said(topic: str, subject: str, source: str, gap: sequences.Gap) -> Said:
    """What a gap says, with all numbers that its event revealed as missing."""
    return feed_gap.said(topic, subject, Cause(source, gap.id), gap.time, gap.revealed)


def error_said(rule: str, error: Exception, event: Any, party: str | None) -> Said:
    """The finding that a rule failed on an act, for which `party` is responsible; the other rules go on."""
    kind, subject = about_of(event)
    text = f"{type(error).__name__}: {error}"[:500]
    return Said(
        severity="yellow",
        about=About(kind, subject),
        party=party,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        apart=(rule,),
        summary=f"The rule {rule} failed on this act: {text}.",
        evidence={"rule": rule, "error": text},
    )


def about_of(event: Any) -> tuple[Kind, str]:
    """What a finding about an act itself is about: the entity that the act lands on."""
    if event.type == HEARTBEAT:
        return "source", event.subject
    return KINDS[TYPES[event.type][0] or CONTRACTS], event.subject


def _asked(desk: Desk, time: int) -> bool:
    """Whether a rule may say something else for a use at this instant: uses are asked for by the earliest of them.

    It matters to what was paid, and to what was signed only later.
    """
    return time < desk.first_use and (desk.paid or time < desk.licences.signed)


def _news(desk: Desk, event: Event, clock: int) -> bool:
    """Whether a use changes what may be judged of its day before the day ends, or comes after its end."""
    if not desk.watched and desk.reporters in (0, 1 << event.reporter):
        return False
    day = day_number(event.time)
    used = desk.days.get(key_of(day, event.reporter))
    return used is None or event.time < used.first or end_of(day) < clock


def _void(desk: Desk, event: Event) -> bool:
    """Whether an event was taken back before it came."""
    return (event.source, event.id, event.type) in desk.retracted


def _order(event: Event) -> tuple[int, str, str]:
    return (event.time, event.source, event.id)


def _identity(event: Event) -> str:
    text = joined(event.topic, event.subject, event.source, event.id)
    return xxhash.xxh3_128_hexdigest(text.encode())


def _use_seed(contract: str, source: str) -> int:
    return xxhash.xxh3_64_intdigest(joined(contract, source).encode())


def _use_digest(contract: str, source: str, id_: str) -> bytes:
    return xxhash.xxh3_128_digest(id_.encode(), _use_seed(contract, source))


def _take_off(details: bytearray, at: int, uses: int) -> tuple[int, int, int, int]:
    time, left, index, reporter = DETAIL.unpack_from(details, at * DETAIL.size)
    given_back = min(uses, left)
    DETAIL.pack_into(details, at * DETAIL.size, time, left - given_back, index, reporter)
    return time, given_back, index, reporter


def _row(number: int, event: Event, thing: str, retracted: int | None, taken: int) -> tuple[Any, ...]:
    return (
        number,
        event.topic,
        event.subject,
        event.type,
        thing,
        event.time,
        event.source,
        event.id,
        event.reporter,
        event.raw_data,
        retracted,
        taken,
    )


def _packed(event: Event, number: int) -> bytes:
    raw = event.raw_data or msgspec.json.encode(event.data)
    head = (number, event.topic, event.type, event.subject, event.source, event.id, event.time, event.reporter, raw)
    return msgspec.msgpack.encode(head)


def _unpacked(packed: bytes) -> tuple[Event, int]:
    number, topic, type_, subject, source, id_, time, reporter, raw = msgspec.msgpack.decode(packed)
    event = Event(
        topic=topic,
        type=type_,
        subject=subject,
        source=source,
        id=id_,
        time=time,
        sequence=None,
        reporter=reporter,
        data=decode_data(type_, raw),
        raw_data=raw,
    )
    return event, number


def _counted(refused: Iterable[Refused]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in refused:
        found[one.rejection.reason] = found.get(one.rejection.reason, 0) + 1
    return found


def _rejected(one: Refused) -> Message:
    rejection = one.rejection
    headers: list[tuple[str, str]] = [("reason", str(rejection.reason)), ("detail", rejection.detail)]
    headers += zip(("topic", "partition", "offset"), map(str, one.place), strict=True)
    if rejection.index is not None:
        headers.append(("index", str(rejection.index)))
    return Message(REJECTED, None, tuple(headers), rejection.record)
