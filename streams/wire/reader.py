"""Reads Kafka with librdkafka: assigned by hand, from the store's positions, in an unbroken chain of fetches.

Every fetch of a partition begins where the one before ended, whatever offsets lie between (markers, compaction). A
fetch that is dropped breaks the chain, and then the reader is assigned anew from the store: nothing is skipped.

The last offset of a partition may be a marker that ends a transaction, or a record of an aborted one: nobody ever gets
it. So a fetch ends where librdkafka says that the partition ends, and one without records only moves on.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams import limits

log = logging.getLogger(__name__)

TP = tuple[str, int]

# The broker gathers up to 64 KiB for so long before it answers.
FETCH_WAIT_MS = 10

# A partition that has more, and of which nothing comes for so long, is not read any more by librdkafka.
STUCK_SECONDS_MAX = 30.0

# The broker no longer has what comes next, or the topic is not there: no retry mends that.
LOST = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


class Part(NamedTuple):
    """The records of one partition in a fetch: records from `begin` on, maybe none; the next fetch begins at `end`."""

    begin: int
    end: int
    records: Sequence[Any]


class Fetch(NamedTuple):
    """Everything of one topic that one poll brought, under one assignment."""

    topic: str
    parts: Mapping[int, Part]
    generation: int


class Reader:
    """One consumer that joins no group. `pull` and `assign` never run at the same time."""

    def __init__(self, bootstrap: str, *, records_max: int, memory_kbytes: int = 65536) -> None:
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": "not-joined",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,  # by default it mostly waits
            "queued.max.messages.kbytes": memory_kbytes,
            "queued.min.messages": records_max,
            # a broker that answers with every few records is busy with nothing else
            "fetch.min.bytes": 64 * 1024,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "fetch.message.max.bytes": limits.FETCH_PARTITION_BYTES,
            "receive.message.max.bytes": limits.RECEIVE_BYTES_MAX,
            "check.crcs": True,
            "error_cb": self._on_error,
        }
        self._consumer = Consumer(self._config, logger=log)
        self._records_max = records_max
        self._lock = threading.Lock()
        self._next: dict[TP, int] = {}
        self._held: set[TP] = set()
        self._still: dict[TP, tuple[int, float]] = {}
        # When all that librdkafka had fetched was pulled.
        self._drained = float("-inf")
        self.generation = 0
        self.stopped: dict[TP, str] = {}
        self.broker_up = True

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.broker_up = False

    def assign(self, positions: Mapping[TP, int], *, stopped: Mapping[TP, str], held: Iterable[TP]) -> None:
        """Reads on from these positions; what is `stopped` is not read, what is `held` not yet."""
        with self._lock:
            self.generation += 1
            self._next = dict(positions)
            self._held = set(held)
            self.stopped = dict(stopped)
            self._consumer.assign([TopicPartition(topic, part, at) for (topic, part), at in positions.items()])
            if self._held:
                self._consumer.pause([TopicPartition(*tp) for tp in self._held])

    def position(self, tp: TP) -> int:
        """Where reading goes on in a partition; 0 where it is not read."""
        return self._next.get(tp, 0)

    def stuck(self, ends: Mapping[TP, int], now: float) -> list[TP]:
        """The partitions that hold more than was read, and of which nothing was read for `STUCK_SECONDS_MAX`.

        `now` is the monotonic clock, seconds; it is looked at again and again. What librdkafka has fetched of others
        may take longer than that to be taken in: a partition is stuck only where all of it was pulled in the second
        half of that time, and nothing of this one was among it.
        """
        # Without the lock, which a pull that hangs would keep.
        held = self._held
        behind = {tp: at for tp, at in dict(self._next).items() if tp not in held and at < ends.get(tp, 0)}
        self._still = {
            tp: mark if (mark := self._still.get(tp)) is not None and mark[0] == at else (at, now)
            for tp, at in behind.items()
        }
        return sorted(
            tp
            for tp, (_, since) in self._still.items()
            if now - since > STUCK_SECONDS_MAX and self._drained - since > STUCK_SECONDS_MAX / 2
        )

    def renew(self) -> None:
        """Begin with a consumer of its own anew; nothing is read until partitions are assigned to it.

        After a broker that lost its leadership for a moment librdkafka was seen to poll a partition no more, without
        any error: for hours, if nobody assigned it again.
        """
        with self._lock:
            old, self._consumer = self._consumer, Consumer(self._config, logger=log)
            self._next, self._held, self._still = {}, set(), {}
            self.generation += 1
        threading.Thread(target=old.close, name="close", daemon=True).start()

    def release(self) -> None:
        """Reads what was held."""
        with self._lock:
            if self._held:
                self._consumer.resume([TopicPartition(*tp) for tp in self._held])
                self._held = set()

    @property
    def held(self) -> bool:
        """Whether some partitions wait for the packs to be read."""
        return bool(self._held)

    def stop(self, topic: str, why: str) -> None:
        """Reads a topic no more, and says so."""
        with self._lock:
            gone = [tp for tp in self._next if tp[0] == topic]
            for tp in gone:
                del self._next[tp]
                self.stopped[tp] = why
            self._held -= set(gone)
            if gone:
                self._consumer.incremental_unassign([TopicPartition(*tp) for tp in gone])
                self.generation += 1  # what was pulled of it is not taken in any more
                log.error("%s is not read any more: %s", topic, why)

    def pull(self, timeout_seconds: float) -> list[Fetch]:
        """Everything that is there, as soon as something is there."""
        with self._lock:
            if not self._next:
                return []
            first = self._consumer.poll(timeout_seconds)
            records = [] if first is None else [first, *self._consumer.consume(self._records_max, 0)]
            if len(records) < self._records_max:
                self._drained = time.monotonic()
            came: dict[TP, list[Any]] = {}
            ends: dict[TP, int] = {}
            for record in records:
                error = record.error()
                tp: Any = (record.topic(), record.partition())
                if error is None:
                    part_records = came.get(tp)
                    if part_records is None:
                        came[tp] = [record]
                    else:
                        part_records.append(record)
                elif error.code() == KafkaError._PARTITION_EOF:
                    came.setdefault(tp, [])
                    ends[tp] = record.offset() or 0
                else:
                    self._failed(record, error)
            self.broker_up = self.broker_up or bool(came)
            by_topic: dict[str, dict[int, Part]] = {}
            for tp, part_records in came.items():
                begin, end = self._next.get(tp), ends.get(tp, 0)
                if part_records:
                    end = max(end, part_records[-1].offset() + 1)
                if begin is None or end <= begin:
                    continue  # it was stopped while this lay in the queue, or nothing came since the last end
                self._next[tp] = end
                by_topic.setdefault(tp[0], {})[tp[1]] = Part(begin, end, part_records)
            return [Fetch(topic, parts, self.generation) for topic, parts in by_topic.items()]

    def _failed(self, record: Any, error: KafkaError) -> None:
        tp = (record.topic(), record.partition())
        if error.code() in LOST and tp[0] is not None:
            self._next.pop(tp, None)
            if tp not in self.stopped:
                self.stopped[tp] = str(error.str())
                log.error("%s[%s] is not read any more: %s", *tp, error.str())
            return
        log.warning("reading: %s", error.str())

    def close(self) -> None:
        """Leaves the broker."""
        with self._lock:
            self._consumer.close()
