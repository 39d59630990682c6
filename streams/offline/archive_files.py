"""One file of an archive: how it is named, what it says of itself, and its records, written and read.

A file holds one span of one partition,

    OUT/topic=circulation.contracts/partition=3/BEGIN-END.parquet

from offset BEGIN to before END; the next begins where it ends. It is written under another name, brought to the disk
and renamed, so a run that is killed leaves no half file. Each file bears the number and a digest of its records, the
digest of the file before it, and Kafka's id of its topic.
"""

import collections
import contextlib
import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from streams.offline.disk import sync
from streams.wire.reader import TP

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
# The buffer while a file is written, and of each partition while it is read.
GROUP_BYTES_MAX: Final = 4 * 1024 * 1024
GROUP_RECORDS_MAX: Final = 65_536
READ_RECORDS: Final = 1_024

_PARTITION: Final = re.compile(r"partition=(0|[1-9][0-9]{0,8})")
_SPAN: Final = re.compile(r"([0-9]{20})-([0-9]{20})\.parquet")
_PARTIAL: Final = ".partial"
_FIXED: Final = struct.Struct("<qqiiI")
_NO_TIMESTAMP: Final = -1

# Offset, timestamp, key, headers and value.
Row = tuple[Any, ...]


class Span(NamedTuple):
    """One file: offsets from `begin` to before `end`. `previous` is the digest of the file before it.

    `topic_id` is Kafka's id of the topic; empty where an older version wrote the file, which did not keep it.
    """

    path: Path
    topic: str
    partition: int
    begin: int
    end: int
    records: int
    digest: str
    previous: str
    topic_id: str = ""


def folder_of(out: Path, tp: TP) -> Path:
    """Where the files of a partition lie."""
    return out / f"topic={tp[0]}" / f"partition={tp[1]}"


def row_of(record: Any) -> Row:
    """A record of Kafka as a row of a file."""
    kind, timestamp = record.timestamp()
    headers = record.headers() or []
    return (record.offset(), timestamp if kind else _NO_TIMESTAMP, record.key(), headers, record.value())


class Writer:
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
        self._rows: list[Row] = []
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
            self._parquet.close()  # an unfinished file is thrown away, so nobody asks how its end went
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, record: Any) -> int:
        """Takes one record of Kafka in, and answers with its offset."""
        row = row_of(record)
        offset, _, key, headers, value = row
        add_to_digest(self._digest, row)
        self._rows.append(row)
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        self.bytes += size
        self._group_bytes += size
        if self._group_bytes >= GROUP_BYTES_MAX or len(self._rows) >= GROUP_RECORDS_MAX:
            self._flush()
        return int(offset)

    def _flush(self) -> None:
        if not self._rows:
            return
        offsets, timestamps, keys, headers, values = zip(*self._rows, strict=True)
        columns = [
            pa.array(offsets, pa.int64()),
            pa.array([None if timestamp == _NO_TIMESTAMP else timestamp for timestamp in timestamps], pa.int64()).cast(
                SCHEMA.types[1]
            ),
            pa.array(keys, pa.binary()),
            pa.array([[{"name": name, "value": text} for name, text in pairs] for pairs in headers], SCHEMA.types[3]),
            pa.array(values, pa.binary()),
        ]
        self._parquet.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
        self._records += len(self._rows)
        self._rows.clear()
        self._group_bytes = 0

    def finish(self, end: int, id_: Callable[[], str]) -> Span | None:
        """Brings the file to the disk, under its name. `id_` answers with the id of the topic."""
        self._flush()
        if not self._records:
            self._parquet.close()
            return None
        path = self._folder / f"{self._begin:020}-{end:020}.parquet"
        span = Span(path, *self._tp, self._begin, end, self._records, self._digest.hexdigest(), self._previous, id_())
        members = {name: str(member) for name, member in span._asdict().items() if name != "path"}
        self._parquet.add_key_value_metadata({f"circulation.{name}": text for name, text in members.items()})
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)
        # A name is on the disk once its folder is.
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            sync(folder)
        return span


def add_to_digest(digest: Any, row: Sequence[Any]) -> None:
    """Adds one record: every length before its bytes, so that no two different records look the same."""
    offset, timestamp, key, headers, value = row
    lengths = (-1 if part is None else len(part) for part in (key, value))
    digest.update(_FIXED.pack(offset, timestamp, *lengths, len(headers)))
    digest.update(key or b"")
    digest.update(value or b"")
    for name, text in headers:
        encoded = name.encode()
        digest.update(struct.pack("<ii", len(encoded), -1 if text is None else len(text)))
        digest.update(encoded)
        digest.update(text or b"")


def span_of(path: Path) -> Span:
    """The span in a file's metadata. Raises OSError where it cannot be read, or is no file of an archive."""
    with _reading(path) as parquet:
        members = {
            name.removeprefix(b"circulation.").decode(): text.decode()
            for name, text in (parquet.metadata.metadata or {}).items()
            if name.startswith(b"circulation.")
        }
    try:
        return Span(
            path,
            members["topic"],
            int(members["partition"]),
            int(members["begin"]),
            int(members["end"]),
            int(members["records"]),
            members["digest"],
            members["previous"],
            members.get("topic_id", ""),
        )
    except (KeyError, ValueError):
        raise OSError(f"{path}: no file of an archive") from None


def spans(path: Path) -> list[Span]:
    """The files of an archive, or the one file: by topic, partition and offset. Raises OSError as `span_of` does."""
    if not path.is_dir():
        return [span_of(path)]
    listed = [span_of(file) for folder in folders(path) for file in paths_in(folder)]
    if not listed:
        raise OSError(f"{path}: no file of an archive is in it")
    return sorted(listed, key=lambda span: (span.topic, span.partition, span.begin))


def folders(out: Path) -> list[Path]:
    """The folders of the partitions of an archive."""
    return sorted(folder for folder in out.glob("topic=*/partition=*") if _PARTITION.fullmatch(folder.name))


def paths_in(folder: Path) -> list[Path]:
    """The files of one partition, by offset."""
    return sorted(path for path in folder.glob("*.parquet") if _SPAN.fullmatch(path.name))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """A Parquet file; its errors are an OSError that names it."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield parquet
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise OSError(f"{path}: {error}") from error


def last_row(path: Path) -> Row:
    """The last record of a file. Raises OSError where it has none."""
    last = collections.deque(rows(path, last_group=True), maxlen=1)
    if not last:
        raise OSError(f"{path}: it holds no record")
    return last[0]


def rows(path: Path, *, last_group: bool = False) -> Iterator[Row]:
    """The records of a file. Raises OSError where it cannot be read, or is no file of an archive."""
    with _reading(path) as parquet:
        if not parquet.schema_arrow.equals(SCHEMA):
            raise OSError(f"{path}: not the columns of an archive")
        groups = range(parquet.num_row_groups)
        for group in groups[-1:] if last_group else groups:
            # Group by group, for a batch of several holds all of them.
            for batch in parquet.iter_batches(READ_RECORDS, [group], list(COLUMNS), use_threads=False):
                offsets, timestamps, keys, headers, values = batch.columns
                yield from zip(
                    offsets.to_pylist(),
                    timestamps.cast(pa.int64()).fill_null(_NO_TIMESTAMP).to_pylist(),
                    keys.to_pylist(),
                    ([(header["name"], header["value"]) for header in pairs] for pairs in headers.to_pylist()),
                    values.to_pylist(),
                    strict=True,
                )
