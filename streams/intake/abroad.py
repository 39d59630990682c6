"""Uses in other countries, by contract, country and day: what is asked of them is since when there are any."""

from typing import Final

from circulation.daily import TOTAL_MAX, day_number
from streams.intake.batch import Arrival, Batch
from streams.intake.cancellable import Detail
from streams.intake.desk import Desk
from streams.store import queue, schema

# Days of one contract and country that a desk remembers to have uses; with more it forgets all of them.
KNOWN_MAX: Final = 1_000


def add(batch: Batch, desk: Desk, arrival: Arrival) -> None:
    """Add a use, if it was abroad for any pack."""
    event, data = arrival.event, arrival.event.data
    if data.country is None or not data.uses or not batch.is_abroad(data.country):
        return
    day = day_number(event.time)
    _count(batch, arrival, (event.subject, data.country, day, event.reporter), data.uses)
    if len(desk.abroad) >= KNOWN_MAX:
        desk.abroad.clear()
    desk.abroad.add((data.country, day))


def give_back(batch: Batch, desk: Desk, arrival: Arrival, cancelled: Detail) -> None:
    """Take cancelled uses off their country and day."""
    country = cancelled.country
    if country is not None and batch.is_abroad(country):
        day = day_number(cancelled.time)
        _count(batch, arrival, (arrival.event.subject, country, day, cancelled.reporter), -cancelled.given_back)
        desk.abroad.discard((country, day))


def judge_again(batch: Batch, arrival: Arrival) -> None:
    """Have what was used abroad judged by the terms that came, or went: of a contract that is all there is."""
    for rule in batch.shapes.of_abroad:
        batch.queue(queue.sum_(rule, arrival.event.subject), queue.LIVE, arrival.order)


def write(batch: Batch) -> None:
    """Write what was counted, and have the contracts judged of which a day has uses now, or has none any more."""
    keys = list(batch.abroad)
    query = (
        "select contract, country, day, reporter, uses from used_abroad where contract = any(?) and country = any(?)"
        " and day = any(?)"
    )
    wanted = (sorted({key[at] for key in keys}) for at in range(3))
    stored = {row[:4]: row[4] for row in batch.db.rows(query, *wanted)}
    rows = []
    for key, (order, more) in batch.abroad.items():
        before = stored.get(key, 0)
        after = min(max(before + more, 0), TOTAL_MAX)
        rows.append((*key, after))
        if (before > 0) != (after > 0):
            for rule in batch.shapes.of_abroad:
                batch.queue(queue.sum_(rule, key[0]), queue.LIVE, order)
    batch.db.many(schema.used_abroad, rows, "upsert")


def _count(batch: Batch, arrival: Arrival, key: tuple[str, str, int, int], uses: int) -> None:
    counts = batch.abroad.setdefault(key, [arrival.order, 0])
    counts[1] += uses
