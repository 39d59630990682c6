"""Events that take back others: what they take back is as if it had never been said."""

from typing import Final

import msgspec

from circulation.docket import Step, docket_of, order_of
from circulation.events.event import Event
from circulation.events.names import (
    ASSET_DERIVED,
    CONTRACT_TERMINATED,
    DELIVERY_COMPLETED,
    ORDERS,
    RULEPACK_PUBLISHED,
    SETTLEMENT_PAID,
)
from circulation.keys import join_key
from circulation.licences import TERMS_TYPES
from streams.intake import abroad, acts, deliveries, tallies, waiting
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.store import queue
from streams.store.kept_events import COLUMNS, event_of

# Types that are kept and wait for the terms of their contract.
MAY_WAIT: Final = (DELIVERY_COMPLETED, SETTLEMENT_PAID)
# The event of an id (event, subject, topic, type, source), unless it was taken back. A planner without statistics would
# take topic, subject and type for the better index, and go through all events of a subject.
EVENT_OF_ID: Final = (
    f"select {COLUMNS} from events where event = ? and subject = ?"  # noqa: S608
    " and topic || '' = ? and type || '' = ? and source = ? and retracted is null"
)


def take_back(batch: Batch, desk: Desk, arrival: Arrival, number: int) -> None:
    """Take back the event that a kept one names: what it counted is given back, what it touched is judged again."""
    event, data = arrival.event, arrival.event.data
    if acts.LOOKED_UP not in desk.retracted:
        desk.retracted = [*desk.retracted, acts.LOOKED_UP]
    retracted = join_key(event.topic, event.subject, data.type, event.source, data.event)
    batch.retracted.add(retracted)
    batch.refs.append(("retracted", retracted, number, None))
    batch.write_rows()
    for row in batch.db.rows(EVENT_OF_ID, data.event, event.subject, event.topic, data.type, event.source):
        target = event_of(row)
        waits = target.type in MAY_WAIT and waiting.take_out(batch, desk, row[0], target.subject)
        if target.type == DELIVERY_COMPLETED and not waits:
            counting = deliveries.take_off(batch, desk, row[0], target, row[4], event)
            if counting is not None:
                tallies.step(batch, desk, arrival, *counting)
        batch.db.run("update events set retracted = ? where id = ?", number, row[0])
        batch.known.taken_back(target, row[4])
        batch.by_thing.pop(row[4], None)
        if target.type in TERMS_TYPES:
            desk.licences.end(target.type, target.source, target.id)
            abroad.judge_again(batch, arrival)
        elif target.type == CONTRACT_TERMINATED:
            desk.licences.resume(target.source, target.id)
            tallies.resume(batch, arrival, target)
        elif target.type == ASSET_DERIVED:
            batch.db.run("delete from derivations where origin = ?", f"event:{row[0]}")
            batch.known.forget_edges([target.subject])
        elif target.topic == ORDERS:
            _take_back_order(batch, target)
        elif target.type == RULEPACK_PUBLISHED:
            batch.queue(queue.pack(-(2**62)), queue.LIVE, arrival.order)
        acts.touch(batch, target, row[4], arrival.order)


def _take_back_order(batch: Batch, target: Event) -> None:
    """Have an order take no effect, where it has taken none yet; later only another order undoes it."""
    order, docket = order_of(target), docket_of(target.subject)
    batch.orders = [pair for pair in batch.orders if pair[1] != order]
    query = "select id, step from docket where docket = ? and (waits is null or waits = ?)"
    for number, step in batch.db.rows(query, docket, target.subject):
        if msgspec.msgpack.decode(step, type=Step) == order:
            batch.db.run("delete from docket where id = ?", number)
