"""Where partitions begin and end, and when records were written, asked of Kafka."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as Spec  # type: ignore[attr-defined]  # missing in its __all__

from streams.wire.reader import FETCH_WAIT_MS, TP

EARLIEST: Final[Any] = Spec.earliest()  # type: ignore[no-untyped-call]
LATEST: Final[Any] = Spec.latest()  # type: ignore[no-untyped-call]
TIMEOUT_SECONDS: Final = 10.0
# So long at most single records are waited for.
RECORD_SECONDS: Final = 3.0
# How far back the last record before an offset is looked for, step by step: what lies between are markers of
# transactions, or records of aborted ones.
BACK: Final = (1, 8, 64)


def offsets(
    admin: AdminClient,
    partitions: Iterable[TP],
    spec: Any,
    *,
    stable: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> dict[TP, int]:
    """The first offset or the end of each partition; `stable` ends lie before the first transaction that is open.

    Raises:
        KafkaException: Kafka does not answer, or a partition has no leader now.
    """
    request = {Partition(*tp): spec for tp in partitions}
    if not request:
        return {}
    level = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
    futures = admin.list_offsets(request, request_timeout=timeout_seconds, isolation_level=level)
    return checked({(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()})


def written_anew(admin: AdminClient, bootstrap: str, read: Mapping[TP, tuple[int, int]]) -> list[TP]:
    """The partitions of which Kafka has another record than the last that was read.

    `read` has of each its offset, and when it was written, ms. A Kafka that was put back to an earlier state, and goes
    on from there, gives the same offsets again, later: where something at that offset or before was written later, the
    record itself is looked at. Where Kafka no longer has it, nothing can be told.

    Raises:
        KafkaException: as `offsets` does, or a record did not come in time.
    """
    if not read:
        return []
    request = {Partition(*tp): Spec.for_timestamp(at + 1) for tp, (_, at) in read.items()}
    futures = admin.list_offsets(request, request_timeout=TIMEOUT_SECONDS)
    first = {(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()}
    # Where nothing was written since, that is told as the end.
    later = checked({tp: offset for tp, offset in first.items() if offset != OFFSET_END})
    seen = [tp for tp, offset in later.items() if offset <= read[tp][0]]
    low = offsets(admin, seen, EARLIEST)
    seen = [tp for tp in seen if low[tp] <= read[tp][0]]
    written = written_at(bootstrap, {tp: read[tp][0] for tp in seen})
    if silent := [f"{topic}[{part}]" for topic, part in seen if (topic, part) not in written]:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no record of {', '.join(silent)} came in time"))
    return [tp for tp in seen if written[tp] != read[tp][1]]


def written_at(bootstrap: str, positions: Mapping[TP, int]) -> dict[TP, int]:
    """When the records at these offsets, or the next ones there, were written, ms; those that do not come in time are
    left out."""
    written: dict[TP, int] = {}

    def take(tp: TP, record: Any) -> bool:
        kind, stamp = record.timestamp()
        if kind:
            written[tp] = stamp
        return True

    _read(bootstrap, positions, take)
    return written


def last_before(admin: AdminClient, bootstrap: str, positions: Mapping[TP, int]) -> dict[TP, tuple[int, int]]:
    """The last record before each of these positions, and when it was written, ms; without those of which Kafka has
    none, as far back as markers of transactions may lie between, or of which none came in time.

    Raises:
        KafkaException: as `offsets` does.
    """
    wanted = {tp: at for tp, at in positions.items() if at > 0}
    low = offsets(admin, wanted, EARLIEST)
    end = offsets(admin, wanted, LATEST)
    left = {tp: at for tp, at in wanted.items() if low[tp] < at <= end[tp]}
    last: dict[TP, tuple[int, int]] = {}

    def take(tp: TP, record: Any) -> bool:
        at, (kind, stamp) = record.offset(), record.timestamp()
        if at < left[tp] and kind:
            last[tp] = at, stamp
        return bool(at >= left[tp] - 1)

    for back in BACK:
        begins = {tp: max(low[tp], at - back) for tp, at in left.items()}
        _read(bootstrap, begins, take)
        left = {tp: at for tp, at in left.items() if tp not in last and begins[tp] > low[tp]}
    return last


def _read(bootstrap: str, begins: Mapping[TP, int], take: Callable[[TP, Any], bool]) -> None:
    """Reads partitions from these offsets on, until `take` says that it is enough of one, or it ends, or time is up."""
    if not begins:
        return
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "not-joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "fetch.message.max.bytes": 16 * 1024,
            "queued.min.messages": 1,
            "log_level": 0,
        }
    )
    left = set(begins)
    until = time.monotonic() + RECORD_SECONDS
    try:
        consumer.assign([Partition(*tp, at) for tp, at in begins.items()])
        while left and time.monotonic() < until:
            record = consumer.poll(0.2)
            if record is None:
                continue
            tp: Any = (record.topic(), record.partition())
            if tp not in left:
                continue
            error = record.error()
            if take(tp, record) if error is None else error.code() == KafkaError._PARTITION_EOF:
                left.discard(tp)
                consumer.pause([Partition(*tp)])
    finally:
        consumer.close()


def checked(by_partition: dict[TP, int]) -> dict[TP, int]:
    """Offsets as librdkafka told them. While a partition has no leader it may tell one that is none, and no error.

    Raises:
        KafkaException: one is none.
    """
    for (topic, partition), offset in by_partition.items():
        if offset < 0:
            reason = f"{topic}[{partition}] has no leader that tells its offsets"
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, reason))
    return by_partition
