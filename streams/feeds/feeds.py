"""The partitions that are read: where each is, what Kafka still has of it, and why one is not read any more."""

import enum
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from circulation.calendar import format_instant
from circulation.words import many
from streams.health.readiness import FEWER, MADE_ANEW, NOT_THERE, PUT_BACK
from streams.store.db import Db
from streams.topics import TOPICS_IN
from streams.wire.broker import Broker
from streams.wire.reader import TP


class State(enum.StrEnum):
    """How a partition is."""

    READ = "read"
    NEW = "not begun"
    EXPIRED = "records expired"
    MADE_ANEW = "topic made anew"
    CUT = "ends before its position"
    PUT_BACK = "put back and written anew"
    GONE = "partition is no more"
    ABSENT = "not there"


STOPPED: Final = frozenset({State.EXPIRED, State.MADE_ANEW, State.CUT, State.PUT_BACK, State.GONE, State.ABSENT})


class Feed(NamedTuple):
    """One partition: `position` and `topic_id` as the store has them, `low`, `end` and `kafka_id` as Kafka has.

    `partitions` is how many its topic has in Kafka, `known` how many of it the store read; `anew` tells that
    Kafka has other records than were read. What is not known is None: the store's where nobody read it yet,
    Kafka's where it is not there.
    """

    topic: str
    partition: int
    position: int | None
    topic_id: str | None
    low: int | None
    end: int | None
    kafka_id: str | None
    partitions: int | None = None
    known: int | None = None
    anew: bool = False

    @property
    def name(self) -> str:
        """As findings and people call it."""
        return f"{self.topic}[{self.partition}]"

    @property
    def state(self) -> State:
        """How it is, by what store and Kafka say of it."""
        # Kafka takes no partition from a topic: one with fewer is another topic.
        if self.position is not None and self.beyond and self.topic_id != self.kafka_id:
            return State.GONE
        if self.kafka_id is None or self.low is None or self.end is None:
            return State.ABSENT
        if self.position is None:
            return State.NEW
        if self.topic_id != self.kafka_id:
            return State.MADE_ANEW
        if self.position < self.low:
            return State.EXPIRED
        if self.position > self.end:
            return State.CUT
        return State.PUT_BACK if self.anew else State.READ

    @property
    def beyond(self) -> bool:
        """Whether its topic is there and has no such partition, as far as Kafka told."""
        return self.kafka_id is not None and self.partitions is not None and self.partition >= self.partitions

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever read of a topic that is not there, or is another one now: as far as anybody can
        tell, nothing is lost with it."""
        return self.position == 0 and self.state in (State.ABSENT, State.MADE_ANEW, State.GONE)

    @property
    def why(self) -> str:
        """Why it is not read, for people; empty where it is."""
        match self.state:
            case State.EXPIRED:
                return f"Kafka no longer has the offsets {self.position} to {(self.low or 0) - 1}"
            case State.MADE_ANEW:
                return MADE_ANEW
            case State.CUT:
                return f"it ends at {self.end}: Kafka lost records that were taken in"
            case State.PUT_BACK:
                return PUT_BACK
            case State.GONE:
                return f"the topic has {many(self.partitions or 0, 'partition')}{FEWER}{self.known}"
            case State.ABSENT:
                return NOT_THERE
        return ""

    @property
    def in_words(self) -> str:
        """State and why, for people; what both say is said once."""
        if self.state is State.ABSENT or not self.why:
            return str(self.state)
        why = self.why.removeprefix("the topic was made anew: ") if self.state is State.MADE_ANEW else self.why
        return f"{self.state}: {why}"


def feeds(
    rows: Mapping[TP, tuple[int, str]],
    ids: Mapping[str, str],
    counts: Mapping[str, int],
    low: Mapping[TP, int],
    end: Mapping[TP, int],
    partitions: Iterable[TP],
    anew: Collection[TP] = (),
) -> list[Feed]:
    """Puts together what the store (`rows`: position and topic id) and Kafka say of partitions, in their order.

    `ids` and `counts` are of the topics that are there: their ids, and their numbers of partitions.
    """
    known: dict[str, int] = {}
    for topic, partition in rows:
        known[topic] = max(known.get(topic, 0), partition + 1)
    listed = []
    for tp in sorted(partitions):
        position, topic_id = rows.get(tp, (None, None))
        topic = tp[0]
        kafka_id, count = ids.get(topic), counts.get(topic)
        span = low.get(tp), end.get(tp)
        listed.append(Feed(*tp, position, topic_id, *span, kafka_id, count, known.get(topic), tp in anew))
    return listed


def positions(db: Db) -> dict[TP, tuple[int, str]]:
    """Where reading goes on, and in which topic (its id)."""
    rows = db.rows("select topic, partition, next, topic_id from progress")
    return {(topic, partition): (next_, topic_id) for topic, partition, next_, topic_id in rows}


def read_last(db: Db) -> dict[TP, tuple[int, int]]:
    """Of partitions the last record that was read, and when it was written, ms."""
    rows = db.rows("select topic, partition, last, written from progress where written is not null")
    return {(topic, partition): (last, written) for topic, partition, last, written in rows}


def mark(db: Db, lasts: Mapping[TP, tuple[int, int]], rows: Mapping[TP, tuple[int, str]]) -> None:
    """Notes of partitions the last record before their positions, where none is noted, in the open transaction.

    `rows` are the positions and topic ids for which Kafka was asked: of what was moved meanwhile nothing is noted.
    """
    for (topic, partition), (last, written) in sorted(lasts.items()):
        db.run(
            "update progress set last = ?, written = ? where topic = ? and partition = ? and next = ? and topic_id = ?"
            " and written is null",
            last,
            written,
            topic,
            partition,
            *rows[topic, partition],
        )


def look(db: Db, broker: Broker) -> list[Feed]:
    """All partitions of the input topics, as store and Kafka have them now."""
    rows, read = positions(db), read_last(db)
    existing = broker.partitions(TOPICS_IN)
    low, end = broker.begins(existing), broker.ends(existing)
    ids, counts = broker.topics(TOPICS_IN)
    anew = broker.written_anew({tp: read[tp] for tp in existing if tp in read and rows[tp][1] == ids.get(tp[0])})
    # Of a topic that was never there a partition is missing all the same.
    missing = {(topic, 0) for topic in TOPICS_IN if topic not in ids}
    return feeds(rows, ids, counts, low, end, {*rows, *existing, *missing}, anew)


def elsewhere(listed: Iterable[Feed]) -> bool:
    """Whether every topic that the store read is another one now, or not there: it may have been another Kafka."""
    read = [feed for feed in listed if feed.position is not None]
    remade = {feed.topic for feed in read if feed.topic_id != feed.kafka_id}
    return remade == {feed.topic for feed in read} and any(feed.kafka_id is not None for feed in read)


def stamp(feed: Feed, at: int) -> dict[str, Any]:
    """The document of a partition in `feed list --json`; `at` is when it was read, µs."""
    members = feed._asdict() | {"anew": None} | {"state": feed.state, "why": feed.why, "looked": format_instant(at)}
    return {name: value for name, value in members.items() if value not in (None, "")}
