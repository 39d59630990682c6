"""One fetch and its changes, on their way through intake."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from circulation import sequences
from circulation.admission.reasons import Claim, Reason, Rejection
from circulation.admission.records import elements_of
from circulation.daily import NEVER, Used
from circulation.docket import Order
from circulation.events.event import Event
from circulation.events.names import REJECTED
from circulation.findings import Said
from circulation.identifiers import check_source
from circulation.packs.in_force import Packs
from circulation.voices import Voices
from streams.facts.known import Known
from streams.findings.entry import Change, Entry
from streams.intake.cancellable import Cancellable
from streams.intake.desk import Desk
from streams.intake.shapes import Plan, Shapes
from streams.intake.sources import Sources
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.outbox import Message

# Numbers of events that are asked for at a time, where others ask, too.
NUMBERS: Final = 250

# Such a record says nothing about the numbers of the source that it claims, or bears none that is missing.
_NOT_NOTED: Final = frozenset({Reason.NOT_AUTHORISED, Reason.SEQUENCE_REUSED})

# Where a record stood: topic, partition, offset; of a file, the line in place of the offset.
Place = tuple[str, int, int]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An admitted event, the clock when it came, its record and its place; `order` rises in the order of arrival.

    Of a batch of CloudEvents, `record` is the whole of it and `index` the element. `stamp` is when Kafka was given the
    record, µs; 0 where that is not known, as of a line of a file.
    """

    order: int
    clock: int
    event: Event
    record: bytes
    place: Place
    index: int | None = None
    stamp: int = 0


class Refused(NamedTuple):
    """A rejection, where its record stood, and when it came (µs): by Kafka; of a file by the clock, once it goes."""

    order: int
    rejection: Rejection
    place: Place
    came: int | None = None


class Outcome(NamedTuple):
    """The results of a fetch. `ignored` are the arrivals that were duplicates, refused, or not at home: they did not
    move the clock. `away` are those that are at home in another partition: nothing was done with them. `unknown` counts
    the members that nobody knows, by the type of the events that bore them."""

    type_counts: dict[str, int]
    unknown: dict[str, int]
    duplicates: int
    rejected: dict[str, int]
    changes: list[Change]
    queued: int
    rejections: list[Refused]
    errors: list[str]
    ignored: set[int]
    clock: int
    away: list[Arrival]


class Batch(msgspec.Struct):
    """One fetch: its transaction, what all rooms share, and all that is still to be written. Instants are µs.

    `earlier` tells in which other partitions a subject (topic, subject) was at home when its topic had fewer.
    """

    db: Db
    now: int

    shapes: Shapes
    packs: Packs
    known: Known
    cancellable: Cancellable
    earlier: Callable[[str, str], Sequence[int]]
    sources: Sources
    voices: Voices

    # Loaded for all events at once: the desks by (topic, subject); identities that came before, and those of events
    # without numbers by their order; the sellers whose sandboxes count uses; and reports of deliveries by act, with
    # their numbers.
    desks: dict[tuple[str, str], Desk] = msgspec.field(default_factory=dict)
    seen: set[str] = msgspec.field(default_factory=set)
    identities: dict[int, str] = msgspec.field(default_factory=dict)
    sellers: frozenset[str] = frozenset()
    delivered: dict[str, list[tuple[int, Event]]] = msgspec.field(default_factory=dict)
    # The tallies that count plain uses, from one instant to before another.
    plan: Sequence[Plan] = ()
    plan_begin: int = 0
    plan_end: int = 0
    # Up to when deadlines have fired, as soon as anybody has asked.
    horizon: int | None = None
    # Numbers of events that were asked for and not yet given.
    numbers: list[int] = msgspec.field(default_factory=list)

    # Rows of events and of what belongs to them. By act what this fetch brought, as far as it is not written yet.
    rows: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    refs: list[tuple[str, str, int, int | None]] = msgspec.field(default_factory=list)
    edges: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    # Assets whose other form was looked for.
    forms: set[str] = msgspec.field(default_factory=set)
    by_thing: dict[str, list[tuple[int, Event]]] = msgspec.field(default_factory=dict)
    # Events that were taken back, as `refs` call them.
    retracted: set[str] = msgspec.field(default_factory=set)
    orders: list[tuple[str, Order]] = msgspec.field(default_factory=list)
    # The parts of a party's credit that are to be folded again: (party, kind, id).
    credit: dict[tuple[str, str, str], None] = msgspec.field(default_factory=dict)

    # Of desks.
    states: list[tuple[str, str, bytes]] = msgspec.field(default_factory=list)
    parts: list[tuple[str, str, bytes]] = msgspec.field(default_factory=list)
    waiting: list[tuple[str, int, bytes]] = msgspec.field(default_factory=list)
    first_uses: dict[str, int] = msgspec.field(default_factory=dict)
    days: dict[tuple[str, int, int], Used] = msgspec.field(default_factory=dict)
    # Uses in other countries: by contract, country, day and reporter so many more, with the order of the first of them.
    abroad: dict[tuple[str, str, int, int], list[int]] = msgspec.field(default_factory=dict)
    deadlines: list[tuple[str, int]] = msgspec.field(default_factory=list)
    seen_new: list[tuple[str, int]] = msgspec.field(default_factory=list)
    # By thing; None where it is closed. And by feed and first number those that no desk remembers: what is missing.
    gaps: dict[str, tuple[int, bytes, str, int, int] | None] = msgspec.field(default_factory=dict)
    older_gaps: dict[tuple[str, int], sequences.Gap | None] = msgspec.field(default_factory=dict)
    # By feed the numbers of what was rejected: (order, number, code).
    refused_numbers: dict[str, list[tuple[int, int, str]]] = msgspec.field(default_factory=dict)

    # Things that are to be judged, by priority and thing: the order of the first arrival that asked; and from which
    # instant on, where that is not the first.
    queued: dict[tuple[int, str], int] = msgspec.field(default_factory=dict)
    begins: dict[tuple[int, str], int | None] = msgspec.field(default_factory=dict)
    # By source and month what came, in the order of the columns of the store; and what of it came in runs of uses, not
    # yet added to that (`quality.PLAIN`).
    quality: dict[tuple[str, int], list[int]] = msgspec.field(default_factory=dict)
    plain: dict[tuple[str, int], list[int]] = msgspec.field(default_factory=dict)
    # (contract, day, source) of uses that a provider or consumer reports.
    reported: set[tuple[str, int, str]] = msgspec.field(default_factory=set)
    # Output with the order of the arrival: findings raised, findings cleared (order, clock, finding, reason), records.
    entries: list[tuple[int, Entry]] = msgspec.field(default_factory=list)
    closed: list[tuple[int, int, str, str]] = msgspec.field(default_factory=list)
    journal: list[tuple[int, Message]] = msgspec.field(default_factory=list)
    refused: list[Refused] = msgspec.field(default_factory=list)

    # For the outcome.
    type_counts: dict[str, int] = msgspec.field(default_factory=dict)
    duplicates: int = 0
    changes: list[Change] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    ignored: set[int] = msgspec.field(default_factory=set)
    away: list[Arrival] = msgspec.field(default_factory=list)

    def is_abroad(self, country: str) -> bool:
        """Whether a country is another than that of any pack."""
        return country != self.packs.home

    def use_plan(self, first: int, last: int) -> Sequence[Plan] | None:
        """Return the tallies that count plain uses from one instant to another; None where the pack changes between."""
        if not self.plan_begin <= first <= last < self.plan_end:
            span = self.packs.span(first)
            self.plan_begin = -NEVER if span.start is None else span.start
            self.plan_end = NEVER if span.end is None else span.end
            self.plan = self.shapes.use_plan(span.pack)
            if last >= self.plan_end:
                return None
        return self.plan

    def queue(self, thing: str, priority: int, order: int, begins: int | None = None) -> None:
        """Queue a thing to be judged once, from the earliest instant that anybody asks for; None is all of it."""
        key = (priority, thing)
        if key not in self.queued:
            self.queued[key] = order
            self.begins[key] = begins
        elif begins is None or (before := self.begins[key]) is None:
            self.begins[key] = None
        else:
            self.begins[key] = min(begins, before)

    def say(self, arrival: Arrival, rule: str, statement: Said, thing: str) -> None:
        """Raise what a rule says, where the pack of that instant has it on."""
        pack = self.packs.in_force(statement.occurred)
        if pack.setting(rule).mode != "off":
            self.entries.append((arrival.order, Entry(thing, self.shapes.rules[rule], pack, statement, arrival.clock)))

    def close(self, arrival: Arrival, finding: str, reason: str) -> None:
        """Clear a finding that was raised."""
        self.closed.append((arrival.order, arrival.clock, finding, reason))

    def refuse(self, arrival: Arrival, detail: str, reason: Reason = Reason.INVALID_DATA) -> None:
        """Reject an event that admission took for good."""
        record = arrival.record if arrival.index is None else elements_of(arrival.record)[arrival.index]
        event = arrival.event
        claim = Claim(
            event.topic, event.source, event.type, event.subject, event.id, event.sequence, event.epoch, event.time
        )
        rejection = Rejection(reason=reason, detail=detail, record=record, index=arrival.index, claim=claim)
        self.reject(Refused(arrival.order, rejection, arrival.place, arrival.stamp or arrival.clock))
        self.ignored.add(arrival.order)

    def reject(self, refused: Refused) -> None:
        """Keep what was rejected, and note its number: it stays missing until a good event bears it, and its gap tells
        why. A record that is not authorised says nothing about the source that it claims."""
        self.refused.append(refused)
        claim, reason = refused.rejection.claim, refused.rejection.reason
        number, topic, subject, source = claim.sequence, claim.topic, claim.subject, claim.source
        if number is None or reason in _NOT_NOTED or topic is None or subject is None or source is None:
            return
        if check_source(subject) is not None or check_source(source) is not None:
            return
        feed = queue.feed(topic, subject, source, claim.epoch)
        self.refused_numbers.setdefault(feed, []).append((refused.order, number, str(reason)))
        # The gap that it is in may be open, or be revealed by somebody else just now.
        self.queue(queue.gap(topic, subject, source, number, claim.epoch), queue.LIVE, refused.order)

    def duplicate(self, arrival: Arrival) -> None:
        """Count an event that came before; nothing else is done with it."""
        self.duplicates += 1
        self.ignored.add(arrival.order)

    def number(self) -> int:
        """Return the number of the next event that is kept."""
        known = self.known
        if known.alone:
            number = self.db.numbers(1)[0] if known.number is None else known.number
            known.number = number + 1
            return number
        if not self.numbers:
            self.numbers = self.db.numbers(NUMBERS)
        return self.numbers.pop(0)

    def write_rows(self) -> None:
        """Write the events kept so far, so that queries see them."""
        self.db.many(schema.events, self.rows)
        self.db.many(schema.refs, self.refs, "ignore")
        self.db.many(schema.derivations, self.edges, "upsert")
        self.rows, self.refs, self.edges = [], [], []
        self.by_thing.clear()
        self.delivered.clear()


def rejected(refused: Refused) -> Message:
    """Return the record that tells of a rejection; its key is the source that the rejected one names."""
    rejection = refused.rejection
    claim = rejection.claim
    headers: list[tuple[str, str]] = [("reason", str(rejection.reason)), ("detail", rejection.detail)]
    members = (("source", claim.source), ("type", claim.type), ("subject", claim.subject), ("id", claim.id))
    headers += [(name, text) for name, text in members if text is not None]
    headers += zip(("topic", "partition", "offset"), map(str, refused.place), strict=True)
    if rejection.index is not None:
        headers.append(("index", str(rejection.index)))
    key = None if claim.source is None else claim.source.encode()
    return Message(REJECTED, key, tuple(headers), rejection.record)
