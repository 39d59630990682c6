"""How good what each source says is, by month: counted as it comes, once for each fetch, source and month.

The parts are described in `docs/quality.md`. A source that nobody named may call itself as it likes, so only so many of
them have a row of their own in a month; the others share one.
"""

from collections.abc import Sequence
from typing import Final

from circulation.admission.reasons import Reason
from circulation.calendar import MINUTE, SECOND
from circulation.daily import day_number
from circulation.events.event import Event
from circulation.events.names import USAGE_REPORTED
from circulation.identifiers import check_source
from circulation.rules import Uses
from circulation.sequences import NEVER, Gap, Taken, of_epoch
from circulation.sequences import Sequence as Numbers
from streams.facts import feeds
from streams.facts.quality import OTHER_SOURCES, Key, look
from streams.intake.batch import Arrival, Batch, Refused
from streams.store import queue, schema

# So many rows are remembered to be there, from fetch to fetch.
ROWS_KNOWN_MAX: Final = 100_000
REPORTED_KNOWN_MAX: Final = 200_000
# The most that one gap counts for: a number may be anything, and the sum of all gaps must be one that a store can hold.
MISSING_MAX: Final = 1_000_000_000
# As far ahead of the wall clock an event may be (contract §1).
AHEAD: Final = 10 * MINUTE
# Where what is counted of a source and month stands, in the order of the columns.
ADMITTED, REJECTED, TIMED, ON_TIME, LINKABLE, LINKED, NUMBERED, MISSING, LAST = (*range(8), 10)
_NO_COUNTS: Final = (*[0] * 10, NEVER)
# Of uses that came in runs all are admitted, linked and numbered: how many, how many with a stamp, how many on time;
# and the latest instant.
PLAIN: Final = (0, 0, 0, NEVER)


def add(batch: Batch, arrival: Arrival, effect: Taken | None, before: Numbers | None) -> None:
    """Count an event that was taken in, and what its number reveals or fills; `before` is what its desk knew of it."""
    event = arrival.event
    row = _row(batch, event.source, event.time)
    row[ADMITTED] += 1
    if event.time > row[LAST]:
        row[LAST] = event.time
    if arrival.stamp:
        row[TIMED] += 1
        row[ON_TIME] += arrival.stamp - event.time <= batch.voices.late
    if effect is None or event.sequence is None:
        return
    row[NUMBERED] += 1
    if effect.opened is not None:
        row[MISSING] += min(sum(last - first + 1 for first, last in effect.opened.missing), MISSING_MAX)
    elif (gap := _filled(event.sequence, event.epoch, effect, before)) is not None:
        _row(batch, event.source, gap.time)[MISSING] -= 1


def add_run(batch: Batch, run: Sequence[Arrival], uses: Uses, late: int) -> None:
    """Count a run of uses of one source that are linked and numbered, so many of them late."""
    if any(uses.totals):
        for arrival in run:
            if arrival.event.reporter:
                report(batch, arrival.event)
    opening, months = run[0], batch.sources.months
    source, last = opening.event.source, uses.last
    if not months.begin <= uses.first <= last < months.end:
        months.of(uses.first)
        if last >= months.end:
            _add_apart(batch, run)
            return
    key = (source, months.month)
    row = batch.plain.get(key)
    if row is None:
        row = _plain(batch, key)
    row[0] += uses.count
    if opening.stamp:
        row[1] += uses.count
        row[2] += uses.count - late
    if last > row[3]:
        row[3] = last


def add_up(batch: Batch) -> None:
    """Add what came in runs to what else is counted, and to what was taken in."""
    for key, (count, timed, on_time, last) in batch.plain.items():
        row = batch.quality[key]
        batch.type_counts[USAGE_REPORTED] = batch.type_counts.get(USAGE_REPORTED, 0) + count
        for at in (ADMITTED, LINKABLE, LINKED, NUMBERED):
            row[at] += count
        row[TIMED] += timed
        row[ON_TIME] += on_time
        row[LAST] = max(row[LAST], last)
    batch.plain = {}


def link(batch: Batch, event: Event, *, linked: bool) -> None:
    """Count an event that is about a contract: whether its terms were there."""
    row = _row(batch, event.source, event.time)
    row[LINKABLE] += 1
    row[LINKED] += linked


def link_waiting(batch: Batch, event: Event) -> None:
    """Count that there are terms for an event that has waited for them."""
    _row(batch, event.source, event.time)[LINKED] += 1


def report(batch: Batch, event: Event) -> None:
    """Note that a source reports of a day of a contract as its provider or consumer."""
    batch.reported.add((event.subject, day_number(event.time), event.source))


def hear(batch: Batch) -> None:
    """Note when sources that owe events were heard; have judged those that are heard first, or were silent.

    Nobody can have said of one that it is silent whose time was not over by the horizon, which is locked until this is
    there to be seen. Its deadline stays as it is: when it is over, what was heard since makes another one.
    """
    owed = batch.voices.owed
    newest: dict[str, int] = {}
    for (source, _), row in batch.quality.items():
        if source in owed and row[ADMITTED]:
            newest[source] = max(row[LAST], newest.get(source, NEVER))
    if not newest:
        return
    if batch.horizon is None:
        (batch.horizon,) = batch.db.one("select instant from horizon for share") or (0,)
    before = feeds.newest(batch.db, newest)
    for source, instant in newest.items():
        heard = before.get(source)
        batch.sources.heard[source] = instant if heard is None else max(instant, heard)
        if heard is None or heard + owed[source] * SECOND < batch.horizon:
            for rule in batch.shapes.of_heard:
                batch.queue(queue.sum_(rule, source), queue.LIVE, 0)


def write(batch: Batch) -> None:
    """Add what was counted to the rows that are there: the last thing that a fetch writes, in the order of the rows,
    so that nobody who adds to the same ones waits for longer than a commit."""
    reported = batch.sources.reported
    if batch.reported:
        if len(reported) > REPORTED_KNOWN_MAX:
            reported.clear()
        batch.db.many(schema.reported_days, sorted(batch.reported - reported), "ignore")
        reported |= batch.reported
    for refused in batch.refused:
        _reject(batch, refused)
    if not batch.quality:
        return
    named = batch.voices.named or frozenset()
    unknown = [key for key in batch.quality if key[0] not in named and key not in batch.sources.rows]
    aside = _aside(batch, unknown) if unknown else frozenset()
    totals: dict[tuple[str, int], list[int]] = {}
    for (source, month), counts in batch.quality.items():
        key = (OTHER_SOURCES if (source, month) in aside else source, month)
        total = totals.get(key)
        if total is None:
            totals[key] = counts
        else:
            total[:LAST] = [count + more for count, more in zip(total[:LAST], counts[:LAST], strict=True)]
            total[LAST] = max(total[LAST], counts[LAST])
    batch.db.many(schema.quality, [(*key, *counts) for key, counts in sorted(totals.items())], "add")


def _aside(batch: Batch, unknown: Sequence[Key]) -> frozenset[Key]:
    """Return those that get no row, and remember which have one."""
    known = batch.sources
    rows = look(batch.db, unknown, known.full)
    if len(known.rows) > ROWS_KNOWN_MAX:
        known.rows.clear()
    known.rows |= rows.existing
    known.full = rows.full
    return rows.aside


def _add_apart(batch: Batch, run: Sequence[Arrival]) -> None:
    """Count uses of a run that are of several months."""
    for arrival in run:
        event = arrival.event
        key = (event.source, batch.sources.months.of(event.time))
        row = batch.plain.get(key) or _plain(batch, key)
        row[0] += 1
        if arrival.stamp:
            row[1] += 1
            row[2] += arrival.stamp - event.time <= batch.voices.late
        row[3] = max(row[3], event.time)


def _plain(batch: Batch, key: Key) -> list[int]:
    """Begin to count the runs of a source and month, whose row has its place from now on."""
    batch.quality.setdefault(key, [*_NO_COUNTS])
    row = batch.plain[key] = [*PLAIN]
    return row


def _row(batch: Batch, source: str, instant: int) -> list[int]:
    months = batch.sources.months
    key = (source, months.month if months.begin <= instant < months.end else months.of(instant))
    row = batch.quality.get(key)
    if row is None:
        row = batch.quality[key] = [*_NO_COUNTS]
    return row


def _filled(number: int, epoch: int, effect: Taken, before: Numbers | None) -> Gap | None:
    """Return the gap that a number was missing from."""
    if effect.older is not None:
        return effect.older
    epoch_numbers = None if before is None else of_epoch(before, epoch)
    if epoch_numbers is None or number > epoch_numbers.highest:
        return None
    return next(
        (gap for gap in epoch_numbers.gaps if any(first <= number <= last for first, last in gap.missing)), None
    )


def _reject(batch: Batch, refused: Refused) -> None:
    """Count a rejected record for the source that it names; what is not authorised says nothing about that."""
    rejection = refused.rejection
    claim = rejection.claim
    if rejection.reason == Reason.NOT_AUTHORISED or claim.source is None or check_source(claim.source) is not None:
        return
    instant = claim.time
    # A record that claims to be of the future has its month from when it came.
    if instant is None or instant > batch.now + AHEAD:
        instant = refused.came
    if instant is not None:
        _row(batch, claim.source, instant)[REJECTED] += 1
