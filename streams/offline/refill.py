"""Takes in from an archive what Kafka no longer has: the same intake, at the same positions, once.

A record of an archive bears the offset that it had. The fence holds as it does for a fetch: each step takes in the
records from the store's position on and moves it behind them, so a run that is killed goes on where it was, and what a
worker took in meanwhile is not taken in twice. A record whose key is at home in another partition by now is sent on,
as when a worker reads it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from streams.feeds.feeds import Feed
from streams.feeds.resuming import Kept, ResumeRefused
from streams.offline import archive_files, archive_records
from streams.offline.archive_files import Span
from streams.store.errors import StoreAway
from streams.wire.files import Record
from streams.wire.reader import TP, Fetch, Part
from streams.worker.assignment import Stale
from streams.worker.worker import Worker

RECORDS_MAX: Final = 5_000
BYTES_MAX: Final = 16 * 1024 * 1024


class _Archived:
    """A record of an archive, with the methods of one that comes from Kafka."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def value(self) -> bytes | None:
        """Its bytes."""
        return self._record.value

    def key(self) -> bytes | None:
        """Its key."""
        return self._record.key

    def headers(self) -> Any:
        """Its headers."""
        return self._record.headers

    def topic(self) -> str:
        """Where it was."""
        return self._record.place[0]

    def partition(self) -> int:
        """Where it was."""
        return self._record.place[1]

    def offset(self) -> int:
        """Where it was."""
        return self._record.place[2]

    def timestamp(self) -> tuple[int, int]:
        """When Kafka was given it: by that it was on time or late, however long it was kept."""
        return (1, self._record.stamp // 1_000)


def spans_of(folder: Path, tp: TP) -> list[Span]:
    """The files of an archive that hold this partition, in their order. Raises OSError where there is no archive."""
    return [span for span in archive_files.spans(folder) if (span.topic, span.partition) == tp]


def covered(spans: Sequence[Span], begin: int, end: int) -> int:
    """To before which offset the spans hold everything from `begin` on, at most to `end`; `begin` where they do not."""
    at = begin
    for span in spans:
        if span.begin <= at < span.end:
            at = min(end, span.end)
    return at


def refill(worker: Worker, feed: Feed, folder: Path, end: int, *, partitions: int) -> Kept:
    """Takes in, from the archive, what lies from the partition's position to before `end`, as far as it is there.

    `partitions` is how many the topic has: where the store does not know of any number yet, it has always had so many.

    Raises:
        ResumeRefused: the archive does not hold the record that comes next, or holds another topic of that name.
        OSError: the archive cannot be read.
        StoreAway: the store does not answer; what was taken in stays, and the next call goes on.
    """
    assert feed.position is not None and feed.topic_id is not None  # noqa: S101 only what was read has a position
    tp = (feed.topic, feed.partition)
    spans = spans_of(folder, tp)
    for span in spans:
        if span.topic_id not in ("", feed.topic_id):
            raise ResumeRefused(
                f"{folder} holds another topic of the name {feed.topic}, with the id {span.topic_id}: {feed.name} was"
                f" read from the one with the id {feed.topic_id}; name the archive of that one"
            )
    last = covered(spans, feed.position, end)
    if last == feed.position:
        kept = ", ".join(f"{span.begin} to {span.end - 1}" for span in spans) or "none of this partition"
        raise ResumeRefused(f"{folder} does not hold offset {feed.position} of {feed.name}: its offsets are {kept}")
    with worker.store.writing() as db:
        worker.homing.assign(db, [tp], {feed.topic: feed.topic_id}, {feed.topic: partitions}, worker.clock.now())
    worker.assignment.positions[tp] = feed.position
    at, count = feed.position, 0
    for records in _steps(spans, feed.position, last):
        step_end = records[-1].place[2] + 1
        _take(worker, tp, at, step_end, records)
        at, count = step_end, count + len(records)
        worker.heart.beat()
    return Kept(feed.position, last, count)


def _steps(spans: Sequence[Span], begin: int, end: int) -> Iterator[list[Record]]:
    """The records from `begin` to before `end`, so many at once."""
    step: list[Record] = []
    size = 0
    for record in archive_records.records(spans):
        if not begin <= record.place[2] < end:
            continue
        step.append(record)
        size += len(record.value or b"")
        if len(step) >= RECORDS_MAX or size >= BYTES_MAX:
            yield step
            step, size = [], 0
    if step:
        yield step


def _take(worker: Worker, tp: TP, begin: int, end: int, records: Sequence[Record]) -> None:
    topic, partition = tp
    fetch = Fetch(topic, {partition: Part(begin, end, [_Archived(record) for record in records])}, 0)
    try:
        worker.taking.take(fetch)
    except Stale as error:
        raise ResumeRefused(f"{topic}[{partition}] was moved on by somebody else meanwhile: look again") from error
    except StoreAway:
        raise
    except Exception:
        # As a worker does: one record that fails must not keep the others out.
        worker.taking.one_by_one(fetch)
