"""Numbers of feeds: which events came before, and which numbers are missing."""

from collections.abc import Sequence as AbstractSequence
from typing import Final

import msgspec
import xxhash

from circulation.admission.reasons import Reason
from circulation.events.event import Event
from circulation.events.names import OPENLINEAGE_RUN
from circulation.findings import finding_id
from circulation.keys import join_key
from circulation.sequences import Gap, Repeated, Sequence, Taken, of_epoch, put_away, take, take_older
from streams.facts.feeds import REFUSED_MAX, refused
from streams.findings.book import REFUTED
from streams.findings.engine_findings import gap_of
from streams.intake import quality
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.store import queue, schema

encode: Final = msgspec.msgpack.Encoder().encode


def load_seen(batch: Batch, arrivals: AbstractSequence[Arrival]) -> None:
    """Find which of the events without a number came before."""
    batch.identities = {
        arrival.order: _identity(arrival.event) for arrival in arrivals if arrival.event.sequence is None
    }
    if batch.identities:
        rows = batch.db.rows("select digest from seen where digest = any(?)", list(batch.identities.values()))
        batch.seen.update(row[0] for row in rows)


def fresh(batch: Batch, desk: Desk, arrival: Arrival) -> Taken | Repeated | None:
    """Return what the event's number does, None where it has none; or why it is not taken in. Nothing changes yet."""
    event = arrival.event
    if event.sequence is None:
        return Repeated.DUPLICATE if batch.identities[arrival.order] in batch.seen else None
    known = desk.sequences.get(event.source) or Sequence()
    effect = take(known, event.sequence, event.id, event.time, event.epoch)
    if isinstance(effect, Repeated):
        sequence = of_epoch(known, event.epoch)
        if sequence is not None and sequence.older and (older := _older_gap(batch, event)) is not None:
            return take_older(known, older, event.sequence, event.time) or effect
    return effect


def refuse_reused(batch: Batch, desk: Desk, arrival: Arrival, repeated: Repeated) -> None:
    """Reject an event whose source began to count anew without saying so."""
    event = arrival.event
    if repeated is Repeated.OVER:
        newest = desk.sequences[event.source].epoch
        detail = f"$.sequenceepoch: {event.epoch} is over since {newest} began, and did not have this number"
    else:
        detail = (
            f"$.sequence: {event.sequence} came before, and this event is later than all that came: a source that lost"
            " its counters counts under a higher sequenceepoch"
        )
    batch.refuse(arrival, detail, Reason.SEQUENCE_REUSED)


def advance(batch: Batch, desk: Desk, arrival: Arrival, effect: Taken | None) -> None:
    """Note that an event came, and raise or clear the gap that its number opened or closed."""
    event = arrival.event
    # Events of a run come on any key, so their desk may be open on two workers: it remembers nothing.
    desk.dirty = desk.dirty or event.type != OPENLINEAGE_RUN
    batch.type_counts[event.type] = batch.type_counts.get(event.type, 0) + 1
    before = desk.sequences.get(event.source)
    quality.add(batch, arrival, effect, before)
    if effect is None:
        identity = batch.identities[arrival.order]
        batch.seen.add(identity)
        batch.seen_new.append((identity, batch.now))
        return
    desk.sequences[event.source], older = put_away(effect.sequence)
    if effect.ended is not None and before is not None and before.before is not None:
        # An epoch that is kept no more: what it lacks stays missing.
        older = [*older, *before.before.gaps]
    for gap in older:
        batch.older_gaps[_feed(event, gap.epoch), gap.begin] = gap
    if effect.older is not None:
        batch.older_gaps[_feed(event, event.epoch), effect.older.begin] = effect.older if effect.older.missing else None
    for opened in (effect.ended, effect.opened):
        if opened is not None:
            _open(batch, arrival, opened)
    if effect.closed is not None:
        gap_ = gap_of(event, effect.closed)
        batch.gaps[gap_.thing] = None
        statement = gap_.said()
        finding = finding_id("feed-gap", statement.about, statement.cause, statement.apart)
        batch.close(arrival, finding, REFUTED)
        # A judge that enters it again for a late pack may just have seen it open.
        batch.queue(gap_.thing, queue.LIVE, arrival.order)
    elif event.sequence is not None and _is_below(effect.sequence, event) and _may_be_refused(batch, event):
        # It is rejected no more, and its gap is open still.
        thing = queue.gap(event.topic, event.subject, event.source, event.sequence, event.epoch)
        batch.queue(thing, queue.LIVE, arrival.order)


def _open(batch: Batch, arrival: Arrival, gap: Gap) -> None:
    event = arrival.event
    opened = gap_of(event, gap)
    batch.gaps[opened.thing] = (gap.time, encode(opened), _feed(event, gap.epoch), gap.begin, gap.last)
    batch.say(arrival, "feed-gap", opened.said(_refused(batch, arrival, gap)), opened.thing)
    if not batch.known.alone:
        # A search for things that a late pack touches may not have seen it yet, nor may whoever rejects one of its
        # numbers just now.
        batch.queue(opened.thing, queue.LIVE, arrival.order)


def _refused(batch: Batch, arrival: Arrival, gap: Gap) -> list[tuple[int, str]]:
    """The numbers of a gap that came before this arrival and were rejected, each with its code."""
    feed = _feed(arrival.event, gap.epoch)
    rejected_numbers = {*refused(batch.db, feed, gap)}
    rejected_numbers |= {
        (number, reason)
        for order, number, reason in batch.refused_numbers.get(feed, ())
        if order < arrival.order and gap.begin <= number <= gap.last
    }
    return sorted(rejected_numbers)[:REFUSED_MAX]


def _is_below(sequence: Sequence, event: Event) -> bool:
    """Whether an event bears a number that was missing."""
    epoch_numbers = of_epoch(sequence, event.epoch)
    return epoch_numbers is not None and event.sequence is not None and event.sequence < epoch_numbers.highest


def _may_be_refused(batch: Batch, event: Event) -> bool:
    """Whether an event with the number of this one was rejected, or may just be."""
    feed = _feed(event, event.epoch)
    if not batch.known.alone or any(entry[1] == event.sequence for entry in batch.refused_numbers.get(feed, ())):
        return True
    query = "select 1 from refused_numbers where feed = ? and number = ? limit 1"
    return batch.db.one(query, feed, event.sequence) is not None


def write_refused(batch: Batch) -> None:
    """Write the numbers of what was rejected."""
    rows = [
        (join_key(feed, str(number), reason), feed, number, reason, batch.now)
        for feed, numbers in batch.refused_numbers.items()
        for _, number, reason in numbers
    ]
    batch.db.many(schema.refused_numbers, rows, "ignore")


def write_gaps(batch: Batch) -> None:
    """Write the gaps that were opened, and delete those that were closed."""
    opened = [(thing, *gap) for thing, gap in batch.gaps.items() if gap is not None]
    batch.db.many(schema.gaps, opened, "upsert")
    if len(opened) < len(batch.gaps):
        closed = [thing for thing, gap in batch.gaps.items() if gap is None]
        batch.db.run("delete from gaps where thing = any(?)", closed)
    _write_older_gaps(batch)


def _older_gap(batch: Batch, event: Event) -> Gap | None:
    """Return the gap that may lack an event's number, of those that its desk does not remember."""
    _write_older_gaps(batch)
    query = "select gap from older_gaps where feed = ? and begin <= ? order by begin desc limit 1"
    row = batch.db.one(query, _feed(event, event.epoch), event.sequence)
    return None if row is None else msgspec.msgpack.decode(row[0], type=Gap)


def _write_older_gaps(batch: Batch) -> None:
    rows = [(*key, msgspec.msgpack.encode(gap)) for key, gap in batch.older_gaps.items() if gap is not None]
    batch.db.many(schema.older_gaps, rows, "upsert")
    for key, gap in batch.older_gaps.items():
        if gap is None:
            batch.db.run("delete from older_gaps where feed = ? and begin = ?", *key)
    batch.older_gaps = {}


def _feed(event: Event, epoch: int) -> str:
    return queue.feed(event.topic, event.subject, event.source, epoch)


def _identity(event: Event) -> str:
    text = join_key(event.topic, event.subject, event.source, event.id)
    if event.type == OPENLINEAGE_RUN:
        # Its id is no identity: what it says is, whichever version of a program says it, at the instant.
        return xxhash.xxh3_128_hexdigest(
            join_key(event.topic, event.subject, str(event.time)).encode() + event.raw_data
        )
    return xxhash.xxh3_128_hexdigest(text.encode())
