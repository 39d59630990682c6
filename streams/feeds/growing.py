"""Gives the topics of events more partitions, without a key being counted by two.

1. Wait until workers have taken in all that the topics hold now, so that what was written by the old number is judged
   where it lies.
2. Have Kafka make the partitions. Workers that see them do not read them yet.
3. Wait once more for what came meanwhile, and note the new number and the offsets from which it holds.

Where 3 does not end in time nothing is lost: workers note the number themselves.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import NewPartitions as More  # type: ignore[attr-defined]  # missing in its __all__

from circulation.events.names import ASSETS, CONTRACTS, ORDERS, PARTIES
from circulation.words import many
from streams.feeds.homing import place, placements
from streams.health.workers import now
from streams.store.store import Store
from streams.wire.broker import admin_client
from streams.wire.offsets import EARLIEST, LATEST, offsets

TP = tuple[str, int]

# Packs have one order, so circulation.rules keeps its one partition; who reads what goes out reads by key, and of a
# compacted topic the statements in the old partitions would stay for good.
GROWING: Final = (PARTIES, ASSETS, CONTRACTS, ORDERS)
ASK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.2
# Kafka answers before every broker knows of a new partition.
LEADERS_SECONDS_MAX: Final = 30.0

Advance = Callable[[int], None] | None


class GrowError(Exception):
    """The topics could not be given more partitions; the message says why."""


class TooFew(GrowError):
    """A topic has more partitions than it was to have: Kafka takes none away."""


class NotDrained(GrowError):
    """Workers did not take in in time what was to be taken in before."""


class Grown(NamedTuple):
    """The result for one topic; it had as many partitions already where `before` is the same."""

    name: str
    before: int
    partitions: int


class _Kafka:
    """Requests to Kafka."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = admin_client(bootstrap)

    def topics(self) -> dict[str, tuple[str, int]]:
        """Id and number of partitions of each topic."""
        futures = self._admin.describe_topics(TopicCollection(list(GROWING)), request_timeout=ASK_SECONDS)
        described = {}
        for name, future in futures.items():
            try:
                topic = future.result()
            except KafkaException as error:
                raise GrowError(f"Kafka at {self._bootstrap} does not tell of {name}: {_said(error)}") from error
            described[name] = (str(topic.topic_id), len(topic.partitions))
        return described

    def offsets(self, partitions: Collection[TP], spec: Any) -> dict[TP, int]:
        # A record in an open transaction is not published yet, and no worker gets it.
        try:
            return offsets(self._admin, partitions, spec, stable=True, timeout_seconds=ASK_SECONDS)
        except KafkaException as error:
            raise GrowError(f"Kafka at {self._bootstrap} does not tell its offsets: {_said(error)}") from error

    def grow(self, partitions: Mapping[str, int]) -> None:
        """Makes partitions, and returns when all of them have leaders."""
        futures = self._admin.create_partitions([More(name, count) for name, count in partitions.items()])
        for name, future in futures.items():
            try:
                future.result()
            except KafkaException as error:
                raise GrowError(
                    f"Kafka at {self._bootstrap} gives {name} no more partitions: {_said(error)}"
                ) from error
        until = time.monotonic() + LEADERS_SECONDS_MAX
        while True:
            # This is also what the client goes by from now on; by itself it knows of new partitions much later.
            topics = self._admin.list_topics(timeout=ASK_SECONDS).topics
            led = {name: sum(part.leader >= 0 for part in topics[name].partitions.values()) for name in partitions}
            if led == dict(partitions):
                return
            if time.monotonic() > until:
                raise GrowError(f"Kafka at {self._bootstrap} has no leaders for all partitions: {led}")
            time.sleep(LOOK_SECONDS)


def grow(bootstrap: str, store: Store, partitions: int, *, seconds_max: float, advance: Advance = None) -> list[Grown]:
    """Gives each topic of events but circulation.rules so many partitions.

    Raises:
        TooFew: if one has more already; nothing was changed.
        NotDrained: if workers did not take in within `seconds_max` what was written before. Before partitions were
            made nothing was changed; after that workers go on with it themselves.
        GrowError: if Kafka cannot be reached or refuses.
    """
    kafka = _Kafka(bootstrap)
    before = kafka.topics()
    if more := [f"{name} has {count}" for name, (_, count) in before.items() if count > partitions]:
        raise TooFew(f"partitions cannot become fewer: {', '.join(more)}, asked for {partitions}")
    until = time.monotonic() + seconds_max
    with store.writing() as db:
        for name, (topic_id, count) in before.items():
            if not placements(db, name, topic_id):
                place(db, name, topic_id, count, {}, now(db))
        known = {name: placements(db, name, topic_id)[-1].partitions for name, (topic_id, _) in before.items()}
    growing = {name: partitions for name, (_, count) in before.items() if count < partitions}
    older = [(name, partition) for name, count in known.items() for partition in range(count) if count < partitions]
    if growing:
        _drain(kafka, store, [tp for tp in older if tp[0] in growing], until, advance)
        kafka.grow(growing)
    if older:
        try:
            ends = _drain(kafka, store, older, until, advance)
        except NotDrained as error:
            raise NotDrained(f"the partitions are made, and workers note them later by themselves; {error}") from None
        with store.writing() as db:
            for name in sorted({name for name, _ in older}):
                begins = {partition: end for (topic, partition), end in ends.items() if topic == name}
                for count in (before[name][1], partitions):  # where other tools had made some already
                    place(db, name, before[name][0], count, begins, now(db))
    return [Grown(name, count, partitions) for name, (_, count) in before.items()]


def _drain(kafka: _Kafka, store: Store, partitions: Collection[TP], until: float, advance: Advance) -> dict[TP, int]:
    """Waits until these partitions are taken in to the ends that they have now, and answers with those."""
    ends, lows = kafka.offsets(partitions, LATEST), kafka.offsets(partitions, EARLIEST)
    reported = 0
    first: int | None = None
    while True:
        with store.reading() as db:
            where = {(topic, part): at for topic, part, at in db.rows("select topic, partition, next from progress")}
        left = {tp: end - max(where.get(tp, 0), lows[tp]) for tp, end in ends.items()}
        behind = {tp: count for tp, count in left.items() if count > 0}
        total = sum(behind.values())
        first = total if first is None else first
        if advance is not None and first - total > reported:
            advance(first - total - reported)
            reported = first - total
        if not behind:
            return ends
        if time.monotonic() > until:
            (topic, partition), count = max(behind.items(), key=lambda item: item[1])
            raise NotDrained(
                f"{many(total, 'record was', 'records were')} not taken in in time, {count:,} of them in"
                f" {topic}[{partition}]: see whether workers run and keep up (circulation_lag_records), or give them"
                " more time (--timeout)"
            )
        time.sleep(LOOK_SECONDS)


def _said(error: KafkaException) -> str:
    return str(error.args[0].str()) if error.args else str(error)
