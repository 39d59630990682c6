"""The input topics as Parquet: what came in, byte for byte, for as long as the files are kept.

Kafka forgets after its retention, and an archive does not: what was judged can be judged again (`circulation replay`
reads an archive), and any tool that reads Parquet can count it. A file holds one span of one partition,

    OUT/topic=circulation.contracts/partition=3/BEGIN-END.parquet

from offset BEGIN to before END; the next begins where it ends. It is written under another name, brought to the disk
and renamed, so a run that is killed leaves no half file; the next run goes on where the last whole file ends. Each
file bears the number and a digest of its records and the digest of the file before it, so that `verify` finds what was
changed, cut, lost or exchanged.

One partition is read at a time, and one row group is held: memory does not grow with the topics.
"""

import contextlib
import fcntl
import hashlib
import heapq
import itertools
import logging
import os
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.reader import FETCH_WAIT_MS, LOST, TP
from streams.replay import Record
from streams.topics import ASSETS, CONTRACTS, ORDERS, PARTIES, RULES, TOPICS_IN

log = logging.getLogger(__name__)

# Of records of the same millisecond, packs come first, and facts before acts.
RANKS: Final = {topic: rank for rank, topic in enumerate((RULES, PARTIES, ASSETS, CONTRACTS, ORDERS))}

SCHEMA: Final = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.timestamp("ms", "UTC")),
        pa.field("key", pa.binary()),
        pa.field("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())])), nullable=False),
        pa.field("value", pa.binary()),
    ]
)
COLUMNS: Final = tuple(SCHEMA.names)

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
# What is held while it is written, and of each partition while it is read.
GROUP_BYTES_MAX: Final = 4 * 1024 * 1024
GROUP_RECORDS_MAX: Final = 65_536
READ_RECORDS: Final = 1_024
QUEUE_KBYTES: Final = 16 * 1024
# So long a broker may say nothing.
SILENCE_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.5

_PARTITION: Final = re.compile(r"partition=(0|[1-9][0-9]{0,8})")
_SPAN: Final = re.compile(r"([0-9]{20})-([0-9]{20})\.parquet")
_PARTIAL: Final = ".partial"
_FIXED: Final = struct.Struct("<qqiiI")
_NO_TIMESTAMP: Final = -1


class ArchiveError(Exception):
    """Archiving cannot go on; the message says why. What was archived before stays."""


class Span(NamedTuple):
    """One file: offsets from `begin` to before `end`. `previous` is the digest of the file before it."""

    path: Path
    topic: str
    partition: int
    begin: int
    end: int
    records: int
    digest: str
    previous: str


class Archived(NamedTuple):
    """What a run did. `lost` says of which records Kafka had forgotten some before they were archived."""

    files: int
    records: int
    lost: list[str]


class Verified(NamedTuple):
    """What an archive holds, and all that is wrong with it."""

    files: int
    records: int
    problems: list[str]


# Writing.


def archive(
    out: Path,
    bootstrap: str,
    *,
    advance: Callable[[int], None] | None = None,
    file_bytes_max: int = FILE_BYTES_MAX,
) -> Archived:
    """Archives all that the input topics hold now and the archive does not.

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
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            "receive.message.max.bytes": 256 * 1024 * 1024,
        },
        logger=log,
    )
    files = records = 0
    lost: list[str] = []
    try:
        with _alone(out):
            for topic, partition in _partitions(consumer, bootstrap):
                folder = out / f"topic={topic}" / f"partition={partition}"
                done = _paths(folder)
                last = span_of(done[-1]) if done else None
                lowest, highest = _watermarks(consumer, (topic, partition))
                begin = lowest if last is None else last.end
                if begin > highest:
                    raise ArchiveError(
                        f"{topic}[{partition}] ends at {highest}, but the archive has it to {begin}: the topic was made"
                        " anew; archive it to another folder"
                    )
                if begin < lowest:
                    lost.append(f"{topic}[{partition}]: Kafka no longer has the offsets {begin} to {lowest - 1}")
                    begin = lowest
                previous = "" if last is None else last.digest
                for span in _spans(
                    consumer, folder, (topic, partition), (begin, highest), previous, file_bytes_max, advance
                ):
                    files += 1
                    records += span.records
    finally:
        consumer.close()
    return Archived(files, records, lost)


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
        there = consumer.list_topics(timeout=SILENCE_SECONDS_MAX).topics
    except KafkaException as error:
        raise ArchiveError(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    if missing := [topic for topic in TOPICS_IN if topic not in there]:
        raise ArchiveError(f"Kafka at {bootstrap} has no topic {', '.join(missing)} (circulation topics create)")
    return [(topic, partition) for topic in TOPICS_IN for partition in sorted(there[topic].partitions)]


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


def _spans(
    consumer: Consumer,
    folder: Path,
    tp: TP,
    wanted: tuple[int, int],
    previous: str,
    file_bytes_max: int,
    advance: Callable[[int], None] | None,
) -> Iterator[Span]:
    """Writes the offsets that are wanted as one file after the other. Where there is no record, no file is written."""
    at, end = wanted
    if at >= end:
        return
    consumer.assign([TopicPartition(*tp, at)])
    heard = time.monotonic()
    while at < end:
        with _Writer(folder, tp, at, previous) as writer:
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
            span = writer.finish(at)
        if span is not None:
            previous = span.digest
            yield span
    consumer.unassign()


class _Writer:
    """One file that comes to be. It has its name only once all of it is on the disk."""

    def __init__(self, folder: Path, tp: TP, begin: int, previous: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{_PARTIAL}"):
            left.unlink()  # by a run that was killed: the lock says that it runs no more
        self.bytes = 0
        self._folder = folder
        self._tp = tp
        self._begin = begin
        self._previous = previous
        self._records = 0
        self._digest = hashlib.sha256()
        self._rows: list[tuple[Any, ...]] = []
        self._group_bytes = 0
        self._path = folder / f"{begin:020}{_PARTIAL}"
        self._file = self._path.open("wb")
        self._parquet = pq.ParquetWriter(self._file, SCHEMA, compression="zstd", write_page_checksum=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, pa.ArrowException):
            self._parquet.close()  # what is not finished is thrown away, so nobody asks how its end went
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, record: Any) -> int:
        """Takes one record of Kafka in, and answers with its offset."""
        kind, timestamp = record.timestamp()
        key, value, headers = record.key(), record.value(), record.headers() or ()
        offset: int = record.offset()
        row = (offset, timestamp if kind else _NO_TIMESTAMP, key, headers, value)
        _digest(self._digest, row)
        self._rows.append(row)
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        self.bytes += size
        self._group_bytes += size
        if self._group_bytes >= GROUP_BYTES_MAX or len(self._rows) >= GROUP_RECORDS_MAX:
            self._flush()
        return offset

    def _flush(self) -> None:
        if not self._rows:
            return
        offsets, timestamps, keys, headers, values = zip(*self._rows, strict=True)
        columns = [
            pa.array(offsets, pa.int64()),
            pa.array([None if one == _NO_TIMESTAMP else one for one in timestamps], pa.int64()).cast(SCHEMA.types[1]),
            pa.array(keys, pa.binary()),
            pa.array([[{"name": name, "value": text} for name, text in one] for one in headers], SCHEMA.types[3]),
            pa.array(values, pa.binary()),
        ]
        self._parquet.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
        self._records += len(self._rows)
        self._rows.clear()
        self._group_bytes = 0

    def finish(self, end: int) -> Span | None:
        """Brings the file to the disk, under its name."""
        self._flush()
        if not self._records:
            self._parquet.close()
            return None
        path = self._folder / f"{self._begin:020}-{end:020}.parquet"
        span = Span(path, *self._tp, self._begin, end, self._records, self._digest.hexdigest(), self._previous)
        said = {name: str(member) for name, member in span._asdict().items() if name != "path"}
        self._parquet.add_key_value_metadata({f"circulation.{name}": text for name, text in said.items()})
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)
        # A name is on the disk once its folder is.
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            _sync(folder)
        return span


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(digest: Any, row: Sequence[Any]) -> None:
    """Adds one record: every length before its bytes, so that no two different records look the same."""
    offset, timestamp, key, headers, value = row
    lengths = (-1 if one is None else len(one) for one in (key, value))
    digest.update(_FIXED.pack(offset, timestamp, *lengths, len(headers)))
    digest.update(key or b"")
    digest.update(value or b"")
    for name, text in headers:
        encoded = name.encode()
        digest.update(struct.pack("<ii", len(encoded), -1 if text is None else len(text)))
        digest.update(encoded)
        digest.update(text or b"")


# Reading.


def span_of(path: Path) -> Span:
    """What a file says of itself. Raises OSError where it cannot be read, or is no file of an archive."""
    with _reading(path) as parquet:
        said = {
            name.removeprefix(b"circulation.").decode(): text.decode()
            for name, text in (parquet.metadata.metadata or {}).items()
            if name.startswith(b"circulation.")
        }
    try:
        return Span(
            path,
            said["topic"],
            int(said["partition"]),
            int(said["begin"]),
            int(said["end"]),
            int(said["records"]),
            said["digest"],
            said["previous"],
        )
    except (KeyError, ValueError):
        raise OSError(f"{path}: no file of an archive") from None


def spans(path: Path) -> list[Span]:
    """The files of an archive, or the one file: by topic, partition and offset. Raises OSError as `span_of` does."""
    if not path.is_dir():
        return [span_of(path)]
    found = [span_of(one) for folder in _folders(path) for one in _paths(folder)]
    if not found:
        raise OSError(f"{path}: no file of an archive is in it")
    return sorted(found, key=lambda span: (span.topic, span.partition, span.begin))


def _folders(out: Path) -> list[Path]:
    return sorted(one for one in out.glob("topic=*/partition=*") if _PARTITION.fullmatch(one.name))


def _paths(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob("*.parquet") if _SPAN.fullmatch(one.name))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """A Parquet file. What is wrong with it is an OSError that names it."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield parquet
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise OSError(f"{path}: {error}") from error


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    with _reading(path) as parquet:
        if not parquet.schema_arrow.equals(SCHEMA):
            raise OSError(f"{path}: not the columns of an archive")
        for group in range(parquet.num_row_groups):
            # Group by group, for a batch of several holds all of them.
            for batch in parquet.iter_batches(READ_RECORDS, [group], list(COLUMNS), use_threads=False):
                offsets, timestamps, keys, headers, values = batch.columns
                yield from zip(
                    offsets.to_pylist(),
                    timestamps.cast(pa.int64()).fill_null(_NO_TIMESTAMP).to_pylist(),
                    keys.to_pylist(),
                    ([(one["name"], one["value"]) for one in some] for some in headers.to_pylist()),
                    values.to_pylist(),
                    strict=True,
                )


def records(found: Sequence[Span]) -> Iterator[Record]:
    """The records of spans: each partition in its order, and the partitions by Kafka's timestamps.

    So a key keeps its order, and a pack comes before what was sent after it. That is all that findings ask for
    (contract §4): other records may change places. Raises OSError where a file cannot be read.
    """
    partitions = itertools.groupby(found, key=lambda span: (span.topic, span.partition))
    yield from (
        record
        for *_, record in heapq.merge(
            *(_stamped(number, list(some)) for number, (_, some) in enumerate(partitions)),
        )
    )


def _stamped(number: int, chain: Sequence[Span]) -> Iterator[tuple[int, int, int, Record]]:
    """The records of one partition, each behind what it is sorted by; `number` tells the partitions apart."""
    for span in chain:
        rank = RANKS.get(span.topic, len(RANKS))
        for offset, timestamp, key, headers, value in _rows(span.path):
            place = (span.topic, span.partition, offset)
            yield timestamp, rank, number, Record(value, span.topic, key, headers, place)


# Verifying.


def breaks(found: Sequence[Span]) -> list[str]:
    """What does not fit together, by what the files say of themselves: offsets that are missing or there twice."""
    problems = []
    for before, span in itertools.pairwise(found):
        if (before.topic, before.partition) != (span.topic, span.partition):
            continue
        where = f"{span.topic}[{span.partition}]"
        if before.end < span.begin:
            problems.append(f"{where}: the offsets {before.end} to {span.begin - 1} are missing")
        elif before.end > span.begin:
            problems.append(f"{where}: the offsets {span.begin} to {before.end - 1} are there twice")
    return problems


def verify(out: Path) -> Verified:
    """Reads a whole archive and says all that is wrong: offsets, numbers of records, digests, names.

    Raises OSError where there is no archive.
    """
    problems: list[str] = []
    found: list[Span] = []
    files = counted = 0
    for folder in _folders(out):
        chain: list[Span] = []
        for path in _paths(folder):
            files += 1
            try:
                span = span_of(path)
                chain.append(span)
                counted += span.records
                problems += _damage(span)
            except OSError as error:
                problems.append(str(error))
        if chain and chain[0].previous:
            problems.append(f"{chain[0].path}: the file before it is missing")
        for before, span in itertools.pairwise(chain):
            if span.previous != before.digest:
                problems.append(f"{span.path}: it was written after another file than {before.path.name}")
        found += chain
    if not files:
        raise OSError(f"{out}: no file of an archive is in it")
    return Verified(files, counted, problems + breaks(found))


def _damage(span: Span) -> Iterator[str]:
    """What is wrong within one file."""
    place = Path(f"topic={span.topic}", f"partition={span.partition}", f"{span.begin:020}-{span.end:020}.parquet")
    if Path(*span.path.parts[-3:]) != place:
        yield f"{span.path}: it says of itself that it is {place}"
    digest = hashlib.sha256()
    count, next_ = 0, span.begin
    for row in _rows(span.path):
        if not next_ <= row[0] < span.end:
            yield f"{span.path}: the offset {row[0]} is out of its order"
            return
        next_ = row[0] + 1
        count += 1
        _digest(digest, row)
    if count != span.records:
        yield f"{span.path}: {span.records} records were written, and {count} are there"
    elif digest.hexdigest() != span.digest:
        yield f"{span.path}: the records are not those that were written"
