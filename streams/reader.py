"""Reads Kafka with librdkafka: assigned by hand, from the store's positions, in an unbroken chain of fetches.

Every fetch of a partition begins where the one before ended, whatever offsets lie between (markers, compaction). A
fetch that is dropped breaks the chain, and then the reader is assigned anew from the store: nothing is skipped.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

log = logging.getLogger(__name__)

TP = tuple[str, int]

# The broker gathers up to 64 KiB for so long before it answers.
FETCH_WAIT_MS = 10

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
    """What a fetch brought of one partition: records from `begin` on; the next fetch begins at `end`."""

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
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "not-joined",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 5,  # by default it mostly waits
                "queued.max.messages.kbytes": memory_kbytes,
                "queued.min.messages": records_max,
                # a broker that answers with every few records is busy with nothing else
                "fetch.min.bytes": 64 * 1024,
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "fetch.message.max.bytes": 4 * 1024 * 1024,
                "receive.message.max.bytes": 256 * 1024 * 1024,
                "check.crcs": True,
                "error_cb": self._on_error,
            },
            logger=log,
        )
        self._records_max = records_max
        self._lock = threading.Lock()
        self._next: dict[TP, int] = {}
        self._held: set[TP] = set()
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
            if first is None:
                return []
            records = [first, *self._consumer.consume(self._records_max, 0)]
            by_topic: dict[str, dict[int, list[Any]]] = {}
            for record in records:
                error = record.error()
                if error is not None:
                    self._failed(record, error)
                    continue
                self.broker_up = True
                topic, partition = record.topic(), record.partition()
                if topic is not None and partition is not None:
                    by_topic.setdefault(topic, {}).setdefault(partition, []).append(record)
            fetches = []
            for topic, parts in by_topic.items():
                chained: dict[int, Part] = {}
                for partition, some in parts.items():
                    begin = self._next.get((topic, partition))
                    if begin is None:
                        continue  # it was stopped while this lay in the queue
                    end = self._next[(topic, partition)] = some[-1].offset() + 1
                    chained[partition] = Part(begin, end, some)
                if chained:
                    fetches.append(Fetch(topic, chained, self.generation))
            return fetches

    def _failed(self, record: Any, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            return
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
