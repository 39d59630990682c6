"""The topics as Parquet: what came in and what went out, byte for byte, for as long as the files are kept.

Kafka forgets after its retention, and an archive does not: what was judged can be judged again (`circulation replay`
reads the input topics of an archive), what was found, rejected and written into the journal can be shown, and any tool
that reads Parquet can count it. `archive_files` tells how a file looks.

A run goes on where the last whole file ends. Each file bears the digest of the file before it, so that `verify`
(`archive_checks`) finds what was changed, cut, lost or exchanged. It bears Kafka's id of its topic as well: one that
was made anew under the same name has the same offsets for other records, and goes to another folder. So does a
partition of a Kafka that was put back to an earlier state, which gives the same offsets again under the same id: a run
goes on only behind the very record that the archive ends with, where Kafka still has it.

One partition is read at a time, and one row group is held: memory does not grow with the topics.
"""

import contextlib
import fcntl
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams import limits
from streams.address import silent
from streams.offline.archive_files import Row, Span, Writer, folder_of, folders, last_row, paths_in, row_of, span_of
from streams.topics import TOPICS
from streams.wire import topic_settings
from streams.wire.broker import Broker, admin_client
from streams.wire.reader import FETCH_WAIT_MS, LOST, TP

log = logging.getLogger(__name__)

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
QUEUE_KBYTES: Final = 16 * 1024
# So long a broker may say nothing.
SILENCE_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.5


class ArchiveError(Exception):
    """Archiving cannot go on; the message says why. Files archived before stay."""


class Archived(NamedTuple):
    """The result of a run. `lost` says of which records Kafka had forgotten some before they were archived; `refused`,
    which partitions it did not go on with, as Kafka has other records of them than the archive."""

    files: int
    records: int
    lost: list[str]
    refused: list[str]


def archive(
    out: Path,
    bootstrap: str,
    *,
    advance: Callable[[int], None] | None = None,
    file_bytes_max: int = FILE_BYTES_MAX,
) -> Archived:
    """Archives all that the topics hold now and the archive does not.

    Args:
        out: the folder; it is made where it is not there.
        bootstrap: Kafka, host:port, separated by commas.
        advance: is told of records as they are taken.
        file_bytes_max: about how much of keys and values a file holds.

    Raises:
        ArchiveError: if Kafka does not answer or lacks a topic, if another run writes to this archive, or if it is of
            other topics than these (they were made anew).
        OSError: if a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "not-joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "check.crcs": True,
            # A request that waits at the end of one partition holds up the first one of the next.
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": QUEUE_KBYTES,
            "fetch.message.max.bytes": limits.FETCH_PARTITION_BYTES,
            "receive.message.max.bytes": limits.RECEIVE_BYTES_MAX,
            # The raised error says why.
            "log_level": 0,
        }
    )
    broker = Broker(bootstrap)
    files = records = 0
    lost: list[str] = []
    refused: list[str] = []
    try:
        with _alone(out):
            partitions = _partitions(consumer, bootstrap)
            ids = _ids(broker, bootstrap, TOPICS)
            lasts = _lasts(out)
            for span in lasts.values():
                if span.topic in ids and span.topic_id not in ("", ids[span.topic]):
                    raise ArchiveError(
                        f"{span.topic} was made anew: its id is {ids[span.topic]}, and {out} has the topic with the id"
                        f" {span.topic_id}; archive it to another folder"
                    )
            for topic, partition in partitions:
                folder = folder_of(out, (topic, partition))
                last = lasts.get((topic, partition))
                lowest, highest = _watermarks(consumer, (topic, partition))
                begin = lowest if last is None else last.end
                if last is not None and (why := _other(consumer, bootstrap, (topic, partition), last, lowest, highest)):
                    refused.append(
                        f"{topic}[{partition}] {why}: Kafka was put back to an earlier state and written anew, or lost"
                        f" records; {out} keeps what was there before, archive what is there now to another folder"
                    )
                    continue
                if begin < lowest:
                    lost.append(f"{topic}[{partition}]: Kafka no longer has the offsets {begin} to {lowest - 1}")
                    begin = lowest
                previous = "" if last is None else last.digest
                wanted = (begin, highest)
                id_ = functools.partial(_still, broker, bootstrap, topic, ids[topic])
                for span in _spans(
                    consumer, folder, (topic, partition), wanted, previous, id_, file_bytes_max, advance
                ):
                    files += 1
                    records += span.records
    finally:
        consumer.close()
    return Archived(files, records, lost, refused)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """No other run writes to the archive meanwhile; the lock ends with the process, however that ends."""
    with (out / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveError(f"another run writes to {out}") from None
        yield


def _partitions(consumer: Consumer, bootstrap: str) -> list[TP]:
    try:
        topics = consumer.list_topics(timeout=SILENCE_SECONDS_MAX).topics
    except KafkaException as error:
        raise ArchiveError(silent(bootstrap, error.args[0].str())) from error
    if missing := [topic for topic in TOPICS if topic not in topics]:
        raise ArchiveError(f"Kafka at {bootstrap} has no topic {', '.join(missing)} (circulation topics create)")
    return [(topic, partition) for topic in TOPICS for partition in sorted(topics[topic].partitions)]


def _ids(broker: Broker, bootstrap: str, topics: Sequence[str]) -> dict[str, str]:
    """Kafka's ids of those of the topics that are there."""
    try:
        return broker.topics(topics)[0]
    except KafkaException as error:
        raise ArchiveError(silent(bootstrap, error.args[0].str())) from error


def _still(broker: Broker, bootstrap: str, topic: str, id_: str) -> str:
    """The id that a topic had when the run began; raises `ArchiveError` where it has another by now."""
    if _ids(broker, bootstrap, [topic]).get(topic) != id_:
        raise ArchiveError(f"{topic} was made anew while it was archived: archive it to another folder")
    return id_


def _lasts(out: Path) -> dict[TP, Span]:
    """The last file of each partition of an archive."""
    spans = [span_of(paths[-1]) for folder in folders(out) if (paths := paths_in(folder))]
    return {(span.topic, span.partition): span for span in spans}


def _watermarks(consumer: Consumer, tp: TP) -> tuple[int, int]:
    """The first offset and the end of a partition; one that was just made may lack its leader yet."""
    deadline = time.monotonic() + SILENCE_SECONDS_MAX
    while True:
        try:
            lowest, highest = consumer.get_watermark_offsets(TopicPartition(*tp), timeout=SILENCE_SECONDS_MAX)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise ArchiveError(f"{tp[0]}[{tp[1]}] does not answer: {error.args[0].str()}") from error
            time.sleep(POLL_SECONDS)
        else:
            return lowest, highest


def _other(consumer: Consumer, bootstrap: str, tp: TP, last: Span, lowest: int, highest: int) -> str:
    """Why what Kafka has of a partition is not what the archive goes on from; empty where it is, or where Kafka no
    longer has the record that the archive ends with."""
    if last.end > highest:
        return f"ends at {highest}, but the archive has it to {last.end}"
    row = last_row(last.path)
    if row[0] < lowest:
        return ""
    current = _first_row(consumer, tp, row[0])
    if current == row:
        return ""
    if current is not None and current[0] == row[0]:
        return f"has another record at offset {row[0]} than the archive"
    # Of a key that has a newer record compaction may take the older one.
    topics, _ = topic_settings.topics(admin_client(bootstrap))
    if "compact" in topics[tp[0]].configs["cleanup.policy"]:
        return ""
    return f"has no record at offset {row[0]}, where the archive has one"


def _first_row(consumer: Consumer, tp: TP, offset: int) -> Row | None:
    """The first record at this offset or behind it; None where none follows."""
    consumer.assign([TopicPartition(*tp, offset)])
    heard = time.monotonic()
    try:
        while time.monotonic() - heard < SILENCE_SECONDS_MAX:
            record = consumer.poll(POLL_SECONDS)
            if record is None:
                continue
            error = record.error()
            if error is None:
                return row_of(record)
            if error.code() == KafkaError._PARTITION_EOF:
                return None
            if error.code() in LOST:
                raise ArchiveError(f"{tp[0]}[{tp[1]}] cannot be read from offset {offset} on: {error.str()}")
            log.warning("reading: %s", error.str())
    finally:
        consumer.unassign()
    raise ArchiveError(f"{tp[0]}[{tp[1]}] says nothing from offset {offset} on")


def _spans(
    consumer: Consumer,
    folder: Path,
    tp: TP,
    wanted: tuple[int, int],
    previous: str,
    id_: Callable[[], str],
    file_bytes_max: int,
    advance: Callable[[int], None] | None,
) -> Iterator[Span]:
    """Writes the offsets that are wanted as one file after the other. Where there is no record, no file is written.

    `id_` answers with the topic's id, and raises `ArchiveError` where it is another by now: what was read may be of it.
    """
    at, end = wanted
    if at >= end:
        return
    consumer.assign([TopicPartition(*tp, at)])
    heard = time.monotonic()
    while at < end:
        with Writer(folder, tp, at, previous) as writer:
            while at < end and writer.bytes < file_bytes_max:
                record = consumer.poll(POLL_SECONDS)
                if record is None:
                    if time.monotonic() - heard > SILENCE_SECONDS_MAX:
                        raise ArchiveError(f"{tp[0]}[{tp[1]}] says nothing from offset {at} on")
                    continue
                error = record.error()
                if error is None:
                    at = writer.add(record) + 1
                    if advance is not None:
                        advance(1)
                elif error.code() == KafkaError._PARTITION_EOF:
                    at = max(at, record.offset() or 0)  # what lies between is no record: the marks of transactions
                elif error.code() in LOST:
                    raise ArchiveError(f"{tp[0]}[{tp[1]}] cannot be read from offset {at} on: {error.str()}")
                else:
                    log.warning("reading: %s", error.str())
                    continue
                heard = time.monotonic()
            span = writer.finish(at, id_)
        if span is not None:
            previous = span.digest
            yield span
    consumer.unassign()
