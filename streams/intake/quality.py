"""How good what each source says is, by month: counted as it comes, once for each fetch, source and month.

What each part counts is in `docs/quality.md`. A source that nobody named may call itself as it likes, so only so many
of them have a row of their own in a month; the others share one.
"""

from collections.abc import Sequence
from typing import Final

from circulation.admission.reasons import Reason
from circulation.calendar import MINUTE, SECOND
from circulation.daily import day_number
from circulation.events.event import Event
from circulation.identifiers import check_source
from circulation.rules import Uses
from circulation.sequences import NEVER, Gap, Taken, of_epoch
from circulation.sequences import Sequence as Numbers
from streams.facts import feeds
from streams.facts.quality import OTHERS, Key, look
from streams.intake.batch import Arrival, Batch, Refused
from streams.store import queue, schema

# So many rows are remembered to be there, from fetch to fetch.
ROWS_KNOWN_MAX: Final = 100_000
REPORTED_KNOWN_MAX: Final = 200_000
# What one gap counts for at most: a number may be anything, and the sum of all gaps must be one that a store can hold.
MISSING_MAX: Final = 1_000_000_000
# As far ahead of the wall clock an event may be (contract §1).
AHEAD: Final = 10 * MINUTE
# Where what is counted of a source and month stands, in the order of the columns.
ADMITTED, REJECTED, TIMED, ON_TIME, LINKABLE, LINKED, NUMBERED, MISSING, LAST = (*range(8), 10)
_NOTHING: Final = (*[0] * 10, NEVER)


def add(batch: Batch, arrival: Arrival, taken: Taken | None, before: Numbers | None) -> None:
    """Count an event that was taken in, and what its number reveals or fills; `before` is what its desk knew of it."""
    event = arrival.event
    row = _row(batch, event.source, event.time)
    row[ADMITTED] += 1
    if event.time > row[LAST]:
        row[LAST] = event.time
    if arrival.stamp:
        row[TIMED] += 1
        row[ON_TIME] += arrival.stamp - event.time <= batch.voices.late
    if taken is None or event.sequence is None:
        return
    row[NUMBERED] += 1
    if taken.opened is not None:
        row[MISSING] += min(sum(last - first + 1 for first, last in taken.opened.missing), MISSING_MAX)
    elif (gap := _filled(event.sequence, event.epoch, taken, before)) is not None:
        _row(batch, event.source, gap.time)[MISSING] -= 1


def add_run(batch: Batch, run: Sequence[Arrival], uses: Uses) -> None:
    """Count a run of uses of one source that are linked and numbered."""
    first, last = uses.first, uses.last
    if any(uses.totals):
        for arrival in run:
            if arrival.event.reporter:
                report(batch, arrival.event)
    source, months = run[0].event.source, batch.sources.months
    month = months.month if months.begin <= first < months.end else months.of(first)
    if last >= months.end:
        for arrival in run:
            _add_uses(batch, [arrival], months.of(arrival.event.time), arrival.event.time, source)
        return
    _add_uses(batch, run, month, last, source)


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
        key = (OTHERS if (source, month) in aside else source, month)
        total = totals.get(key)
        if total is None:
            totals[key] = counts
        else:
            total[:LAST] = [one + more for one, more in zip(total[:LAST], counts[:LAST], strict=True)]
            total[LAST] = max(total[LAST], counts[LAST])
    batch.db.many(schema.quality, [(*key, *counts) for key, counts in sorted(totals.items())], "add")


def _aside(batch: Batch, unknown: Sequence[Key]) -> frozenset[Key]:
    """Return those that get no row, and remember which have one."""
    known = batch.sources
    found = look(batch.db, unknown, known.full)
    if len(known.rows) > ROWS_KNOWN_MAX:
        known.rows.clear()
    known.rows |= found.there
    known.full = found.full
    return found.aside


def _add_uses(batch: Batch, run: Sequence[Arrival], month: int, last: int, source: str) -> None:
    key = (source, month)
    row = batch.quality.get(key)
    if row is None:
        row = batch.quality[key] = [*_NOTHING]
    count = len(run)
    row[ADMITTED] += count
    row[LINKABLE] += count
    row[LINKED] += count
    row[NUMBERED] += count
    if last > row[LAST]:
        row[LAST] = last
    if run[0].stamp:
        late = batch.voices.late
        row[TIMED] += count
        row[ON_TIME] += sum([one.stamp - one.event.time <= late for one in run])


def _row(batch: Batch, source: str, instant: int) -> list[int]:
    months = batch.sources.months
    key = (source, months.month if months.begin <= instant < months.end else months.of(instant))
    row = batch.quality.get(key)
    if row is None:
        row = batch.quality[key] = [*_NOTHING]
    return row


def _filled(number: int, epoch: int, taken: Taken, before: Numbers | None) -> Gap | None:
    """Return the gap that a number was missing from."""
    if taken.older is not None:
        return taken.older
    own = None if before is None else of_epoch(before, epoch)
    if own is None or number > own.highest:
        return None
    return next((gap for gap in own.gaps if any(first <= number <= last for first, last in gap.missing)), None)


def _reject(batch: Batch, refused: Refused) -> None:
    """Count a rejected record for the source that it names; what is not authorised says nothing about that."""
    rejection = refused.rejection
    claim = rejection.claim
    if rejection.reason == Reason.NOT_AUTHORISED or claim.source is None or check_source(claim.source) is not None:
        return
    instant = claim.time
    # Whoever claims to be of the future has its month from when it came.
    if instant is None or instant > batch.now + AHEAD:
        instant = refused.came
    if instant is not None:
        _row(batch, claim.source, instant)[REJECTED] += 1
