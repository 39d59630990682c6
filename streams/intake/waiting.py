"""Uses, deliveries and settlements that wait for the first terms of their contract."""

from collections.abc import Iterator
from typing import Final

import msgspec

from circulation.events.event import Event
from circulation.events.names import USAGE_REPORTED
from circulation.events.reading import decode_data
from streams.intake.batch import Batch
from streams.intake.cancellable import Detail, side_of_code
from streams.intake.desk import Desk
from streams.store import schema

# Uses of one contract that may wait for its first terms (contract §3).
WAITING_MAX: Final = 10_000


def wait(batch: Batch, desk: Desk, event: Event, number: int = 0) -> None:
    """Have an event wait; `number` is its own where it is kept, of a use the code of its side, below 0."""
    desk.waiting += 1
    batch.waiting.append((event.subject, desk.waiting, _packed(event, number)))


def release(batch: Batch, desk: Desk, contract: str) -> Iterator[tuple[Event, int]]:
    """Return all that waits, with numbers, in the order in which it came; it waits no longer."""
    write(batch)
    rows = batch.db.rows("select event from waiting where contract = ? order by position", contract)
    batch.db.run("delete from waiting where contract = ?", contract)
    desk.waiting = desk.waiting_uses = 0
    return (_unpacked(raw) for (raw,) in rows)


def cancel(batch: Batch, desk: Desk, cancelling: Event) -> Detail | None:
    """Take a cancelled use off the one that waits: what it gives back, under no licence yet. None where none waits."""
    if not desk.waiting:
        return None
    write(batch)
    query = "select position, event from waiting where contract = ? order by position desc"
    for position, raw in batch.db.rows(query, cancelling.subject):
        event, number = _unpacked(raw)
        if event.type == USAGE_REPORTED and (event.source, event.id) == (cancelling.source, cancelling.data.usage):
            given_back = min(cancelling.data.uses, event.data.uses)
            fewer = msgspec.structs.replace(event.data, uses=event.data.uses - given_back)
            emptied = not fewer.uses
            if emptied:
                fewer = msgspec.structs.replace(fewer, bytes=None, rows=None)
            left = msgspec.structs.replace(event, data=fewer, raw_data=b"")
            batch.db.many(schema.waiting, [(event.subject, position, _packed(left, number))], "upsert")
            bytes_, rows = (event.data.bytes or 0, event.data.rows or 0) if emptied else (0, 0)
            country, side = event.data.country, side_of_code(-number)
            return Detail(event.time, given_back, -1, event.reporter, country, emptied, bytes_, rows, side)
    return None


def take_out(batch: Batch, desk: Desk, number: int, contract: str) -> bool:
    """Take a delivery or a settlement out of those that wait; answer whether it was among them."""
    if not desk.waiting:
        return False
    write(batch)
    for position, raw in batch.db.rows("select position, event from waiting where contract = ?", contract):
        if _unpacked(raw)[1] == number:
            batch.db.run("delete from waiting where contract = ? and position = ?", contract, position)
            return True
    return False


def write(batch: Batch) -> None:
    """Write what has come to wait."""
    batch.db.many(schema.waiting, batch.waiting, "upsert")
    batch.waiting = []


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
