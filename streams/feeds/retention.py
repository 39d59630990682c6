"""Whether what was not taken in yet is still there tomorrow: how topics are set, and how near the next record is to its
end.

Kafka deletes by age and by size, whether somebody has read or not. A worker that is behind says how much of a topic's
retention its oldest unread record has used up, so that somebody is called while it can still be read.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaException
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError as ClientError

from streams.store.db import wall
from streams.topics import TOPICS_IN
from streams.wire import topic_settings
from streams.wire.broker import admin_client
from streams.wire.offsets import EARLIEST, offsets, written_at
from streams.wire.reader import TP
from streams.wire.topic_settings import UNLIMITED, Topic

log = logging.getLogger("circulation")

# Retention is counted in days: a look a minute is often enough, and costs a record of each partition that is behind.
LOOK_SECONDS: Final = 60.0


class Retention:
    """A worker's copy of the topic settings. `look` is called in a loop, and reads them when it is time.

    How old a record is goes by `clock`, µs.
    """

    def __init__(self, bootstrap: str, *, retention_days: int, clock: Callable[[], int] = wall) -> None:
        self.warnings: list[str] = []
        self.used: dict[str, float] = dict.fromkeys(TOPICS_IN, 0.0)
        self._bootstrap = bootstrap
        self._retention_days = retention_days
        self._clock = clock
        self._admin = admin_client(bootstrap)
        self._next = 0.0
        self._ends: Mapping[TP, int] = {}

    def look(self, positions: Mapping[TP, int], ends: Mapping[TP, int]) -> bool:
        """Looks, where it is time; answers whether it did. Where Kafka does not answer that is a warning."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOOK_SECONDS
        try:
            topics, brokers = topic_settings.topics(self._admin)
            warnings = [
                difference.in_words()
                for difference in topic_settings.differences(topics, brokers, retention_days=self._retention_days)
            ]
            # A partition that has come to where its end was a look ago keeps up; at the first look nobody knows.
            before = self._ends or ends
            behind = {tp: at for tp, at in positions.items() if at < before.get(tp, -1)}
            self._ends = dict(ends)
            self.used = dict.fromkeys(TOPICS_IN, 0.0) | self._used(topics, behind, ends)
        except (KafkaException, ClientError) as error:
            # One that asked while no broker led may wait for good: the next look asks by another.
            self._admin = admin_client(self._bootstrap)
            reason = topic_settings.text_of(error) if isinstance(error, KafkaException) else repr(error)
            warnings = [f"how topics are set cannot be read: {reason}"]
        if warnings != self.warnings and warnings:
            log.warning("topics: %s", "; ".join(warnings))
        self.warnings = warnings
        return True

    def _used(self, topics: Mapping[str, Topic], behind: Mapping[TP, int], ends: Mapping[TP, int]) -> dict[str, float]:
        """Of each topic how much of its retention is used up: 1 is where Kafka may delete what is next to be read."""
        used: dict[str, float] = {}
        limits = {topic: topics[topic] for topic in {tp[0] for tp in behind} if topic in topics}
        aged = {tp: at for tp, at in behind.items() if _limit(limits.get(tp[0]), "retention.ms")}
        for tp, written in written_at(self._bootstrap, aged).items():
            limit = _limit(limits[tp[0]], "retention.ms")
            if limit:
                used[tp[0]] = max(used.get(tp[0], 0.0), (self._clock() / 1000 - written) / limit)
        sized = {tp: at for tp, at in behind.items() if _limit(limits.get(tp[0]), "retention.bytes")}
        if sized:
            for tp, unread in self._unread_bytes(sized, ends).items():
                limit = _limit(limits[tp[0]], "retention.bytes")
                if limit:
                    used[tp[0]] = max(used.get(tp[0], 0.0), unread / limit)
        return used

    def _unread_bytes(self, positions: Mapping[TP, int], ends: Mapping[TP, int]) -> dict[TP, float]:
        """About how many bytes of each partition are unread: of its size as much as of its offsets."""
        sizes: dict[TP, int] = {}
        with KafkaAdminClient(bootstrap_servers=self._bootstrap.split(",")) as admin:
            for broker in admin.describe_log_dirs():
                for folder in broker["log_dirs"]:
                    for topic in folder["topics"]:
                        for partition in topic["partitions"]:
                            tp = (topic["name"], partition["partition_index"])
                            sizes[tp] = max(sizes.get(tp, 0), partition["partition_size"])
        unread = {}
        for tp, at in positions.items():
            low = self._low(tp)
            if tp in ends and ends[tp] > low:
                unread[tp] = sizes.get(tp, 0) * (ends[tp] - max(at, low)) / (ends[tp] - low)
        return unread

    def _low(self, tp: TP) -> int:
        return offsets(self._admin, [tp], EARLIEST, timeout_seconds=topic_settings.TIMEOUT_SECONDS)[tp]


def _limit(topic: Topic | None, setting: str) -> int | None:
    """A limit of a topic, None where it has none."""
    number = None if topic is None else topic.number(setting)
    return None if number is None or number == UNLIMITED else number
