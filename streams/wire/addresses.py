"""Addresses of messages: the partition of a key, as Kafka's own clients compute it and as workers count partitions."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from circulation.events.names import RULES
from streams.store.db import Db
from streams.topics import TOPICS_IN

SEED: Final = 0x9747B28C
MIX: Final = 0x5BD1E995
WORD: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The hash of a key as Kafka's own clients compute it, 32 bits: MurmurHash2 with a seed of Kafka's.

    No library that is here has it in C; this takes a third of what kafka-python's does, once each time that a desk is
    loaded.
    """
    length = len(key)
    mixed = SEED ^ length
    for word in struct.unpack_from(f"<{length >> 2}I", key):
        word = word * MIX & WORD
        mixed = mixed * MIX & WORD ^ (word ^ word >> 24) * MIX & WORD
    if length & 3:
        mixed = (mixed ^ int.from_bytes(key[length & ~3 :], "little")) * MIX & WORD
    mixed = (mixed ^ mixed >> 13) * MIX & WORD
    return mixed ^ mixed >> 15


def home_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's own clients put a key in."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class Addresses:
    """For who sends: the partition of what goes to a topic of events, by the number that the workers go by.

    The producer's own partitioner goes by the number that it last heard of, which may be minutes old: what it put
    elsewhere would only be sent on again.
    """

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._heard: dict[str, int] = {}

    def of(self, db: Db, rows: Iterable[tuple[Any, ...]]) -> Mapping[str, int]:
        """The numbers of partitions of those topics of events that these rows of the outbox go to."""
        topics = {row[1] for row in rows} & (set(TOPICS_IN) - {RULES})
        if not topics:
            return {}
        query = "select topic, max(partitions) from progress where topic = any(?) group by topic"
        counts = {topic: count for topic, count in db.rows(query, sorted(topics)) if count}
        for topic, count in counts.items():
            if self._heard.get(topic, 0) < count:
                # what it answers with is also what the producer goes by from now on
                metadata = self._producer.list_topics(topic, timeout=10)
                self._heard[topic] = len(metadata.topics[topic].partitions)
        return counts


def address(counts: Mapping[str, int], topic: str, key: bytes | None) -> int:
    """The partition of one message; -1 leaves it to the partitioner."""
    count = counts.get(topic)
    return -1 if count is None or key is None else home_of(key, count)
