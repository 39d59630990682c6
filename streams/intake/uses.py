"""Uses of a contract under its terms: what each counts, and what is remembered so that it may be cancelled."""

from collections.abc import Sequence

import xxhash

from circulation.events.event import Event
from circulation.events.names import CONTRACTS
from circulation.licences import Licence, Licences
from circulation.rules import Counted, Uses
from streams.intake import waiting
from streams.intake.batch import Arrival, Batch
from streams.intake.cancellable import CODES, DETAIL, VOLUME, Detail, Pending, digest_of, seed_of
from streams.intake.desk import Desk


def sum_up(
    run: Sequence[Arrival], licences: Licences, pending: Pending, late_after: int
) -> tuple[Uses, Licence | None, bool, bool, bool, int]:
    """Sum up a run of one source, and remember each of its uses.

    Return the sums, the licence of all uses (None where there is not one), whether any states bytes, whether any
    states rows, and whether any reports no uses; and of those that bear a stamp how many arrived later than
    `late_after` (µs) after they happened.
    """
    totals: dict[int, list[int]] = {}
    states_bytes = states_rows = reports_none = False
    kinds: set[tuple[str, str | None, str | None, str | None, str | None]] = set()
    opening = run[0].event
    first = latest = opening.time
    digests, details, volumes = pending.digests, pending.details, pending.volumes
    seed = seed_of(opening.subject, opening.source)
    only = licences.only
    licence = licences.at(first) if only is None else only
    index = licence.index if licence else -1
    digest, pack_detail, pack_volume, codes = xxhash.xxh3_128_digest, DETAIL.pack, VOLUME.pack, CODES
    # Its place among the details.
    at = len(details) // DETAIL.size
    late = 0
    reporter = opening.reporter
    used = bytes_ = rows_ = 0
    for arrival in run:
        event = arrival.event
        data = event.data
        time = event.time
        if time < first:
            first = time
        elif time > latest:
            latest = time
        if arrival.stamp - time > late_after:
            late += 1
        if event.reporter != reporter:
            _add_up(totals, reporter, used, bytes_, rows_)
            reporter = event.reporter
            used = bytes_ = rows_ = 0
        uses, size, rows, country = data.uses, data.bytes, data.rows, data.country
        if not uses:
            reports_none = True
        used += uses
        if size is not None:
            bytes_ += size
            states_bytes = True
        if rows is not None:
            rows_ += rows
            states_rows = True
        if size or rows:
            volumes += pack_volume(at, size or 0, rows or 0)
        at += 1
        kinds.add((data.purpose, country, data.region, data.environment, data.actor))
        digests += digest(event.id.encode(), seed)
        details += pack_detail(time, uses, index | codes[country], reporter)
    if totals:
        _add_up(totals, reporter, used, bytes_, rows_)
    else:
        totals[reporter] = [used, bytes_, rows_]
    if only is None and (licence is not licences.at(first) or licence is not licences.at(latest)):
        licence = None
    summed = Uses(
        totals=totals,
        kinds=kinds,
        first=first,
        last=latest,
        count=len(run),
        each=lambda: (arrival.event for arrival in run),
    )
    return summed, licence, states_bytes, states_rows, reports_none, late


def _add_up(totals: dict[int, list[int]], reporter: int, uses: int, bytes_: int, rows: int) -> None:
    total = totals.get(reporter)
    if total is None:
        totals[reporter] = [uses, bytes_, rows]
    else:
        total[0] += uses
        total[1] += bytes_
        total[2] += rows


def note_sides(run: Sequence[Arrival], sides: Sequence[int], pending: Pending) -> None:
    """Remember on which side of its day each use of a run that was just summed up was counted."""
    details = pending.details
    at = len(details) - DETAIL.size * len(run)
    for arrival, side in zip(run, sides, strict=True):
        at += DETAIL.size
        details[at - 1] = arrival.event.reporter | side


def one_by_one(run: Sequence[Arrival], licences: Licences, pending: Pending) -> list[tuple[Arrival, Counted, Licence]]:
    """Return what each use of a run that was just summed up counts; each is remembered under its own licence."""
    details = pending.details
    at = len(details) - DETAIL.size * len(run)
    counted = []
    for number, arrival in enumerate(run):
        event = arrival.event
        licence = licences.at(event.time)
        if licence is None:
            raise AssertionError("a run has terms")
        position = at + number * DETAIL.size
        end = position + DETAIL.size
        coded = details[end - 1]  # as `note_sides` left it
        placed = licence.index | CODES[event.data.country]
        details[position:end] = DETAIL.pack(event.time, event.data.uses, placed, coded)
        uses = Counted(event, event.data.uses, event.data.bytes or 0, event.data.rows or 0)
        counted.append((arrival, uses, licence))
    return counted


def count(desk: Desk, event: Event, pending: Pending, side: int) -> tuple[Counted, Licence]:
    """Remember one use, counted on a `side` of its day (a code); return what it counts, and the licence that it is
    under."""
    licence = desk.licences.at(event.time)
    if licence is None:
        raise AssertionError("a use is counted under terms")
    data = event.data
    if data.bytes or data.rows:
        pending.volumes += VOLUME.pack(len(pending.details) // DETAIL.size, data.bytes or 0, data.rows or 0)
    pending.digests += digest_of(event.subject, event.source, event.id)
    placed = licence.index | CODES[event.data.country]
    pending.details += DETAIL.pack(event.time, event.data.uses, placed, event.reporter | side)
    return Counted(event, event.data.uses, event.data.bytes or 0, event.data.rows or 0), licence


def cancel(batch: Batch, desk: Desk, event: Event, pending: Pending) -> tuple[Detail, Licence | None] | None:
    """Take a cancelled use off what is remembered; None where no such use is. Where it was counted its licence, too."""
    if (waited := waiting.cancel(batch, desk, event)) is not None:
        return waited, None
    digest = digest_of(event.subject, event.source, event.data.usage)
    earlier = batch.earlier(CONTRACTS, event.subject)
    recall, uses = batch.cancellable.recall, event.data.uses
    detail = recall(batch.db, pending.partition, digest, uses, alone=not earlier)
    for partition in earlier:
        detail = detail or recall(batch.db, (pending.partition[0], partition), digest, uses, alone=False)
    return None if detail is None else (detail, desk.licences.past(detail.licence))
