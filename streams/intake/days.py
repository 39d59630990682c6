"""Days of a contract: what was used on each, by reporter, and what of that is to be judged."""

from collections.abc import Sequence
from typing import Final

from circulation.calendar import CHINA_OFFSET, DAY, SECOND
from circulation.daily import EDGE_SECONDS_MAX, NEVER, Side, Used, UsedDay, day_number, end_of, key_of, of_key, side_of
from circulation.events.names import CONTRACTS
from circulation.rules import Uses
from streams.facts import used_days as summaries
from streams.intake.batch import Arrival, Batch
from streams.intake.cancellable import SIDES, Detail
from streams.intake.desk import Desk
from streams.store import queue, schema

_EDGE_MAX: Final = EDGE_SECONDS_MAX * SECOND
# Days of one contract whose uses its desk remembers, the newest: what came on others is a row each.
OPEN_MAX: Final = 2


def add_run(
    batch: Batch,
    desk: Desk,
    run: Sequence[Arrival],
    uses: Uses,
    *,
    states_bytes: bool,
    states_rows: bool,
    reports_none: bool,
) -> Sequence[int]:
    """Add a run of uses; sums of bytes and rows count where any of them states some. `reports_none` tells that any is
    of 0.

    Return the codes of the sides on which they were counted (`cancellable.SIDES`); nothing where all are 0.
    """
    first, last = uses.first, uses.last
    if first < desk.first_use and not reports_none:
        _begin_earlier(batch, desk, run[0], first)
    day, past = divmod(first + CHINA_OFFSET, DAY)
    past_last = past + last - first
    if (
        reports_none
        or len(uses.totals) > 1
        or past_last >= DAY
        or ((past <= _EDGE_MAX or past_last >= DAY - _EDGE_MAX) and _is_near(batch, first, last))
    ):
        return [add(batch, desk, arrival) for arrival in run]
    ((reporter, (count, bytes_, rows)),) = uses.totals.items()
    stated_bytes, stated_rows = bytes_ if states_bytes else None, rows if states_rows else None
    used = desk.days.get(day << 2 | reporter)
    if used is None or desk.watched or first < used.first_use or used.uses <= 0:
        _add(batch, desk, run[0], reporter, None, first, last, count, stated_bytes, stated_rows)
    else:
        used.add(count, stated_bytes, stated_rows, first, last)
    if past <= _EDGE_MAX or past_last >= DAY - _EDGE_MAX:
        return [_code(arrival.event.time, None) for arrival in run]
    return ()


def add(batch: Batch, desk: Desk, arrival: Arrival) -> int:
    """Add one use; return the code of the side on which it was counted."""
    event, data = arrival.event, arrival.event.data
    time = event.time
    # A report of no uses, bytes and rows is no use.
    if time < desk.first_use and (data.uses or data.bytes or data.rows):
        _begin_earlier(batch, desk, arrival, time)
    side = _side(batch, time)
    _add(batch, desk, arrival, event.reporter, side, time, time, data.uses, data.bytes, data.rows)
    return _code(time, side)


def give_back(batch: Batch, desk: Desk, arrival: Arrival, cancelled: Detail) -> None:
    """Take cancelled uses off their day."""
    day = day_number(cancelled.time)
    used = desk.days.setdefault(key_of(day, cancelled.reporter), Used())
    (side,) = cancelled.side or (_side(batch, cancelled.time),)
    given_back = (-cancelled.given_back, -cancelled.bytes or None, -cancelled.rows or None, NEVER, -NEVER)
    if side is None:
        used.add(*given_back)
    else:
        used.add_near(side, *given_back)
    if day <= desk.served_day and used.uses <= 0:
        _serve(batch, desk, arrival, NEVER)
    if desk.watched:
        _changed(batch, desk, arrival, day, news=False)
    _close_oldest(batch, desk, arrival.event.subject)


def since(batch: Batch, desk: Desk, contract: str, first: int) -> list[UsedDay]:
    """The uses from a day on, by reporter, in the order of days: of this fetch those that came before this."""
    totals: dict[tuple[int, int], Used] = {}
    closed = ((day, by, used) for (name, day, by), used in batch.days.items() if name == contract)
    remembered = ((*of_key(key), used) for key, used in desk.days.items())
    for day, reporter, used in (*summaries.rows_since(batch.db, contract, first), *closed, *remembered):
        if day >= first:
            whole = totals.setdefault((day, reporter), Used())
            whole.merge(used)
    return [UsedDay(*key, used) for key, used in sorted(totals.items(), key=lambda item: item[0])]


def watch(batch: Batch, desk: Desk, arrival: Arrival) -> None:
    """Have days last from these terms on, as long as there is the contract: also those that were before."""
    batch.db.run("update used_days set taken = null where contract = ?", arrival.event.subject)
    desk.watched = True
    for day in sorted({key >> 2 for key in desk.days}):
        _changed(batch, desk, arrival, day, news=True)


def report(batch: Batch, desk: Desk, arrival: Arrival, reporter: int) -> None:
    """Note who reports of a contract. As soon as they are several, all days are judged on which the first one did."""
    alone = not desk.several
    desk.reports(reporter)
    if alone and desk.several:
        contract = arrival.event.subject
        stored = batch.db.rows("select distinct day from used_days where contract = ?", contract)
        closed = {day for name, day, _ in batch.days if name == contract}
        for day in sorted({row[0] for row in stored} | closed | {key >> 2 for key in desk.days}):
            _changed(batch, desk, arrival, day, news=True)


def write(batch: Batch) -> None:
    """Add closed days to the rows that are there."""
    if not batch.days:
        return
    contracts = sorted({contract for contract, _, _ in batch.days})
    days = sorted({day for _, day, _ in batch.days})
    for contract, stored in summaries.used_rows(batch.db, contracts, days).items():
        for day, reporter, used in stored:
            closed = batch.days.get((contract, day, reporter))
            if closed is not None:
                closed.merge(used)
    rows = []
    for (contract, day, reporter), used in batch.days.items():
        kept = batch.desks[(CONTRACTS, contract)].daily
        rows.append(summaries.row_of(contract, day, reporter, used, None if kept else batch.now))
    batch.db.many(schema.used_days, rows, "upsert")


def _side(batch: Batch, time: int) -> Side | None:
    """The midnight that a use is so near to that it is told apart, by the pack of its time."""
    if batch.shapes.edge is None or _is_far(time):
        return None
    return side_of(time, batch.shapes.edge_of(batch.packs.in_force(time)))


def _is_far(time: int) -> bool:
    """Whether a use is so far from the midnights of its day that no pack tells it apart."""
    return _EDGE_MAX < (time + CHINA_OFFSET) % DAY < DAY - _EDGE_MAX


def _code(time: int, side: Side | None) -> int:
    return 0 if _is_far(time) else SIDES[side]


def _is_near(batch: Batch, first: int, last: int) -> bool:
    """Whether any use from one instant to another of its day may be told apart from the others of the day: one of the
    two is no farther than `_EDGE_MAX` from a midnight."""
    near = _side(batch, first) is not None or _side(batch, last) is not None
    return near or not batch.packs.unchanged(first, last)


def _begin_earlier(batch: Batch, desk: Desk, arrival: Arrival, time: int) -> None:
    """Note an earlier use than any before: rules that ask for it are judged where it can matter to them."""
    contract = arrival.event.subject
    desk.first_use = time
    batch.first_uses[contract] = time
    if desk.begins_earlier(time):
        for rule in batch.shapes.of_uses:
            batch.queue(queue.sum_(rule, contract), queue.LIVE, arrival.order)


def _serve(batch: Batch, desk: Desk, arrival: Arrival, served_day: int) -> None:
    """Note the first day of which uses are left, as far as that is known, and have judged what was paid for them."""
    desk.served_day = served_day
    if desk.paid:
        for rule in batch.shapes.of_served:
            batch.queue(queue.sum_(rule, arrival.event.subject), queue.LIVE, arrival.order)


def _add(
    batch: Batch,
    desk: Desk,
    arrival: Arrival,
    reporter: int,
    side: Side | None,
    first: int,
    last: int,
    uses: int,
    bytes_: int | None,
    rows: int | None,
) -> None:
    """Add uses that one reporter reported of one day, from `first` to `last`, all near one midnight, or near none."""
    day = (first + CHINA_OFFSET) // DAY
    used = desk.days.get(day << 2 | reporter)
    if desk.serves_earlier(day, used, uses, first):
        _serve(batch, desk, arrival, day if uses > 0 else desk.served_day)
    if used is None:
        desk.days[day << 2 | reporter] = counted = Used()
        report(batch, desk, arrival, reporter)
        news = True
    else:
        counted = used
        news = first < used.first
    if side is None:
        counted.add(uses, bytes_, rows, first, last)
    else:
        counted.add_near(side, uses, bytes_, rows, first, last)
    if desk.watched:
        _changed(batch, desk, arrival, day, news=news)
    if used is None:
        _close_oldest(batch, desk, arrival.event.subject)


def _close_oldest(batch: Batch, desk: Desk, contract: str) -> None:
    """Make rows of the oldest day where a desk remembers too many."""
    oldest = min(desk.days)
    if len(desk.days) <= OPEN_MAX or len({key >> 2 for key in desk.days}) <= OPEN_MAX:
        return
    for key in [key for key in desk.days if key >> 2 == oldest >> 2]:
        used = desk.days.pop(key)
        closed = batch.days.setdefault((contract, *of_key(key)), Used())
        closed.merge(used)


def _changed(batch: Batch, desk: Desk, arrival: Arrival, day: int, *, news: bool) -> None:
    """Have a day judged: at its end, and at once where it has ended or something was used earlier than was known.

    A later use on a day that has not ended changes nothing that stands: the deadline reads it. Whether it has ended is
    told by the horizon, which the lock keeps where it is until this is there for the judges to see.
    """
    if batch.horizon is None:
        (batch.horizon,) = batch.db.one("select instant from horizon for share") or (0,)
    end = end_of(day)
    ended = end < batch.horizon
    if not news and not ended:
        return
    subject = queue.contract_day(arrival.event.subject, day)
    if desk.daily:
        thing = queue.fact("uses", subject)
        batch.queue(thing, queue.LIVE, arrival.order)
        if not ended:
            batch.deadlines.append((thing, end))
    if desk.several:
        batch.queue(queue.fact("reports", subject), queue.LIVE, arrival.order)
