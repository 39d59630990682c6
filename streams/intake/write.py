"""Write what a fetch changed to the store."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table

from streams.findings.book import Book, note
from streams.findings.entry import Entry
from streams.intake import abroad, days, quality, sequences, waiting
from streams.intake.batch import Batch, rejected
from streams.store import schema
from streams.store.db import Db, How
from streams.store.outbox import post


def write(batch: Batch, book: Book) -> None:
    """Write all that is still in the batch, in the open transaction.

    1. Desks and their parts, first uses, days, and the deadlines of days; uses abroad.
    2. Events that are kept, and those that wait.
    3. Identities, so that an event is known when it comes again, the numbers that are missing, and those that were
       rejected.
    4. Uses that may be cancelled.
    5. The queue: what is to be judged, in the order of arrival; and what of the credit of parties is.
    6. Orders of officials; rejections and notes, in the order of arrival.
    7. Findings that tallies and sequences raised and cleared.
    8. The counts of each source.
    """
    db = batch.db
    write_states(batch)
    _many(db, schema.parts, batch.parts, "upsert")
    _many(db, schema.first_uses, list(batch.first_uses.items()), "upsert")
    if batch.days:
        days.write(batch)
    if batch.abroad:
        abroad.write(batch)
    if batch.deadlines:
        _many(db, schema.deadlines, sorted(set(batch.deadlines)), "ignore")
    if batch.rows:
        batch.write_rows()
    if batch.waiting:
        waiting.write(batch)
    _many(db, schema.seen, batch.seen_new, "ignore")
    if batch.gaps or batch.older_gaps:
        sequences.write_gaps(batch)
    if batch.refused_numbers:
        sequences.write_refused(batch)
    if batch.plain:
        quality.add_up(batch)
    if batch.voices.owed:
        quality.hear(batch)
    batch.cancellable.write(db, batch.now, more_than=batch.cancellable.pending_max)
    if batch.queued:
        queued = sorted(batch.queued.items(), key=lambda item: item[1])
        db.many(schema.queue_begun, [(*key, batch.now, batch.begins[key]) for key, _ in queued])
    _many(db, schema.credit_touched, list(batch.credit))
    if batch.orders:
        note(db, batch.orders)
    out = [(refusal.order, rejected(refusal)) for refusal in batch.refused] + batch.journal
    if out:
        post(db, [message for _, message in sorted(out, key=lambda item: item[0])])
    if batch.entries or batch.closed:
        _enter(batch, book)
    quality.write(batch)


def write_states(batch: Batch) -> None:
    """Write the desks that changed so far."""
    batch.states.sort()  # neighbours in the store one after the other
    _many(batch.db, schema.desks, batch.states, "upsert")
    batch.states = []


def _many(db: Db, table: Table, rows: Sequence[Sequence[Any]], how: How = "insert") -> None:
    if rows:
        db.many(table, rows, how)


def _enter(batch: Batch, book: Book) -> None:
    """Clear and raise in the order of arrival; what is raised in a row goes in one statement."""
    steps: list[tuple[int, Entry | tuple[int, str, str]]] = [(closing[0], closing[1:]) for closing in batch.closed]
    steps += batch.entries
    steps.sort(key=lambda item: item[0])
    raised: list[Entry] = []
    for _, step in steps:
        if isinstance(step, Entry):
            raised.append(step)
            continue
        batch.changes += book.enter(batch.db, raised)
        raised = []
        clock, finding, reason = step
        batch.changes += book.clear(batch.db, finding, clock, reason)
    if raised:
        batch.changes += book.enter(batch.db, raised)
