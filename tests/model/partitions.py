"""A topic as a broker keeps it, in memory, and workers that read it a few records at a time: for any interleaving.

The workers are the real ones, from the assignment to the fence; what they ask of Kafka is answered from here, and their
threads do not run: the test says who does what next.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from unittest import mock

import orjson

from circulation.calendar import parse_instant
from streams.settings import Settings
from streams.store.outbox import Message
from streams.store.store import Store
from streams.topics import CONTRACTS
from streams.wire.addresses import address
from streams.wire.reader import TP, Fetch, Part
from streams.worker import worker as workers
from streams.worker.assignment import Stale
from streams.worker.worker import Worker

NOBODY = "127.0.0.1:1"
TOPIC_ID = "a topic"


class Record:
    """What librdkafka hands over."""

    def __init__(
        self, partition: int, offset: int, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self._values = (partition, offset, key, value, list(headers))
        self.written = parse_instant("2026-01-01") // 1_000

    def topic(self) -> str:
        return CONTRACTS

    def partition(self) -> int:
        return self._values[0]

    def offset(self) -> int:
        return self._values[1]

    def key(self) -> bytes | None:
        return self._values[2]

    def value(self) -> bytes:
        return self._values[3]

    def headers(self) -> list[tuple[str, bytes]]:
        return self._values[4]

    def timestamp(self) -> tuple[int, int]:
        return (1, self.written)


class Chain:
    """The part of a reader that tells one assignment from another."""

    held, broker_up = False, True

    def __init__(self, bootstrap: str, **_: object) -> None:
        self.generation = 0
        self.stopped: dict[TP, str] = {}

    def assign(self, positions: object, *, stopped: dict[TP, str], held: object) -> None:
        self.generation += 1
        self.stopped = dict(stopped)

    def close(self) -> None:
        pass


class Topic:
    """The records of each partition."""

    def __init__(self, partitions: int) -> None:
        self.id = TOPIC_ID
        self.partitions: list[list[Record]] = [[] for _ in range(partitions)]

    def put(self, partition: int, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        records = self.partitions[partition]
        records.append(Record(partition, len(records), key, value, headers))

    def grow(self, partitions: int) -> None:
        self.partitions += [[] for _ in range(partitions - len(self.partitions))]


class Asked:
    """What a worker asks of Kafka, answered by a topic in memory."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def topics(self, topics: Iterable[str]) -> tuple[dict[str, str], dict[str, int]]:
        return {CONTRACTS: self._topic.id}, {CONTRACTS: len(self._topic.partitions)}

    def begin_of_new(self, tp: TP) -> int:
        return 0

    def ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return {tp: len(self._topic.partitions[tp[1]]) for tp in partitions}

    def written_anew(self, read: object) -> list[TP]:
        return []

    def last_before(self, positions: object) -> dict[TP, tuple[int, int]]:
        return {}


class Reading(Worker):
    """A worker that is told by a topic in memory what it asks of Kafka. `taken` has what was taken in, in order."""

    def __init__(self, store: Store, topic: Topic, taken: list[bytes]) -> None:
        environ = {
            "CIRCULATION_KAFKA": NOBODY,
            "CIRCULATION_STORE": "sqlite:///unused.db",
            "CIRCULATION_CLOCK": "events",
        }
        with mock.patch.multiple(workers, Reader=Chain, Broker=lambda bootstrap: Asked(topic)):
            super().__init__(Settings.read(environ), store)
        self.kafka = topic
        self._take_in = self.engine.intake.take
        self.engine.intake.take = self._and_note  # type: ignore[method-assign]
        self._taken = taken

    def _and_note(self, db: Any, arrivals: Any, *values: Any, **named: Any) -> Any:
        outcome = self._take_in(db, arrivals, *values, **named)
        away = {one.order for one in outcome.away}
        self._taken += [one.record for one in arrivals if one.order not in away]
        return outcome

    def own(self, partitions: Iterable[int]) -> None:
        """Is assigned these partitions, as by a rebalance."""
        self._assigned = {(CONTRACTS, partition) for partition in partitions}
        self.assignment.assign(self._assigned)

    def again(self) -> None:
        """Does what it has put off, as with its next poll."""
        if self.assignment.doubted:
            self.assignment.assign(self._assigned)

    def see_grown(self) -> None:
        """Looks for new partitions, as it does every two seconds."""
        _, counts = self.broker.topics([CONTRACTS])
        self.partitions.see_grown(counts)
        self.again()

    def read(self, choose: random.Random, records_max: int) -> bool:
        """Takes in a fetch of some of its partitions; answers whether there was anything."""
        self.again()
        parts = {}
        for (_, partition), at in sorted(self.positions().items()):
            records = self.kafka.partitions[partition][at : at + choose.randrange(records_max + 1)]
            if records:
                parts[partition] = Part(at, at + len(records), records)
        if parts:
            try:
                self.taking.take(Fetch(CONTRACTS, parts, self.reader.generation))
            except Stale:
                self.assignment.doubt()
        return bool(parts)


def outbox(store: Store) -> list[Message]:
    """What waits to be sent to the topic of contracts."""
    query = "select topic, key, headers, value from outbox where topic = ? order by id"
    with store.reading() as db:
        rows = db.rows(query, CONTRACTS)
    return [
        Message(topic, bytes(key), tuple(map(tuple, orjson.loads(raw))), bytes(value))
        for topic, key, raw, value in rows
    ]


def relay(store: Store, topic: Topic, twice: Callable[[], bool] = lambda: False) -> None:
    """Sends what waits for the topic, as the relay does: some of it `twice`, as after a crash."""
    with store.reading() as db:
        counts = dict(db.rows("select topic, max(partitions) from progress group by topic"))
    messages = outbox(store)
    for some in (messages, messages if twice() else []):
        for one in some:
            assert one.key is not None
            headers = [(name, value.encode()) for name, value in one.headers]
            topic.put(address(counts, CONTRACTS, one.key), one.key, one.value, headers)
    with store.writing() as db:
        db.run("delete from outbox where topic = ?", CONTRACTS)
