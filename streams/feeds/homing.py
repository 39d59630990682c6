"""Homes of keys: in which partition a key belongs, what becomes of a record in another one, and who is told of it.

A desk is cached by the worker that owns its partition, so one key must come from one partition: its home, which is
Kafka's own murmur2 of the key over the number of partitions that the topic has now. A worker that reads a record of
another key's home does not take it in: it goes through the outbox, in the transaction of the fetch, to its home, where
whoever owns that takes it in like any other. A crash may send it twice; (source, id) or the number in its source's
sequence makes the second one a duplicate.

How many partitions a topic has, and from which offsets on, is in the store (`placements`). Every transaction that takes
something in compares the number that its worker goes by with the one beside the positions (`progress.partitions`), and
is stale where they differ: from then on no worker goes by the old one, and what was cached by it has been dropped.
Partitions that Kafka has and the store does not know of are not read yet: first the older ones are read to the ends
that they had when the new ones were noticed, so that what was written before is taken in before.

1. `Homing.assign`: which number counts, and which partitions wait.
2. `Intake.take` finds what is not at home: each desk knows its home, and a record is compared with its desk's.
   `Homing.send_on`: what of that is sent on, and who is told, in the same transaction.
3. `Homing.look`: whether the number has changed, and whether partitions need wait no longer.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.admission.reasons import Reason, Rejection
from circulation.admission.records import STRUCTURED, elements_of
from circulation.calendar import MINUTE
from circulation.words import many
from detectors import misplaced_key
from streams.engine import Engine
from streams.findings.entry import Change, Entry
from streams.health.readiness import READ_FIRST
from streams.intake import Arrival, Outcome, Refused, rejected
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.outbox import Message, post
from streams.topics import TOPICS_IN
from streams.wire.addresses import home_of
from streams.wire.reader import Fetch

TP = tuple[str, int]


# How often a record may be sent on. Each time but the first its topic has been given more partitions on the way; what
# claims more has been made by somebody else.
HOPS_MAX: Final = 8
# For so long after a topic was given more partitions no source is told of records where they belonged before: clients
# ask for the number every five minutes (metadata.max.age.ms), and then empty their buffers.
GROWN: Final = 15 * MINUTE
# How long new partitions wait for the older ones to be read; after that what is left is sent on to its home, which is
# right as well, but out of order.
DRAIN_SECONDS_MAX: Final = 600.0
# Sources that were told of, and are remembered not to be told again; the store knows all of them.
TOLD_MAX: Final = 65_536

# Headers of what was sent on: how often, and where it was read first (`partition@offset`, of a batch with `#index`).
HOPS_HEADER: Final = "sent-on"
FROM_HEADER: Final = "sent-on-from"


class Placement(NamedTuple):
    """So many partitions a topic had, of each from this offset on; `since` when that was noted (µs)."""

    partitions: int
    since: int
    begins: Mapping[int, int]


def placements(db: Db, topic: str, topic_id: str) -> list[Placement]:
    """The numbers of partitions that a topic had, oldest first; none where nobody has read it yet."""
    query = "select partitions, since, partition, begin from placements where topic = ? and topic_id = ?"
    by_count: dict[int, tuple[int, dict[int, int]]] = {}
    for partitions, since, partition, begin in db.rows(query, topic, topic_id):
        by_count.setdefault(partitions, (since, {}))[1][partition] = begin
    return [Placement(partitions, *rest) for partitions, rest in sorted(by_count.items())]


def place(db: Db, topic: str, topic_id: str, partitions: int, begins: Mapping[int, int], now: int) -> bool:
    """Notes that a topic has so many partitions from these offsets on (0 where none is given); whoever takes in by
    another number is stale from the commit on. False where the store knows of as many."""
    db.lock([f"placements of {topic}"])
    known = placements(db, topic, topic_id)
    if known and known[-1].partitions >= partitions:
        return False
    rows = [(topic, topic_id, partitions, part, begins.get(part, 0), now) for part in range(partitions)]
    db.many(schema.placements, rows)
    # in the order in which fetches lock them
    db.rows("select partition from progress where topic = ? order by partition for update", topic)
    db.run("update progress set partitions = ? where topic = ?", partitions, topic)
    return True


class Homes:
    """Where the keys of one topic are at home."""

    def __init__(self, topic: str, placements: Sequence[Placement], former: Iterable[int] = ()) -> None:
        """`others` are the numbers of partitions of topics of this name that there were before this one."""
        self.topic = topic
        self.placements = tuple(placements)
        self._former = tuple(former)
        self._before = (*(placement.partitions for placement in reversed(placements[:-1])), *self._former)
        self.partitions = placements[-1].partitions

    def of(self, key: bytes) -> int:
        """The home of a key."""
        return home_of(key, self.partitions)

    def added(self, partition: int) -> bool:
        """Whether the store read this topic, or another of its name, before there was such a partition."""
        return bool(self._former) or partition >= self.placements[0].partitions

    def earlier(self, key: bytes) -> list[int]:
        """Where the key was at home when there were other numbers of partitions; its home of now is not among them."""
        homes = [home_of(key, partitions) for partitions in self._before]
        return [home for home in dict.fromkeys(homes) if home != self.of(key)]

    def well_put(self, key: bytes, partition: int, offset: int, instant: int) -> bool:
        """Whether a source put a record where it belonged when it wrote it, as far as it could know.

        `instant` is the record's own timestamp: it is nobody's clock, and pardons a source at most.
        """
        homes = [home_of(key, placement.partitions) == partition for placement in self.placements]
        at = max(n for n, one in enumerate(self.placements) if n == 0 or offset >= one.begins.get(partition, 0))
        if any(homes[at:]):
            return True  # a client knows of new partitions before they are noted here
        later = (self.placements[n + 1].since for n in range(at) if homes[n])
        return any(instant < since + GROWN for since in later)


class Leaving:
    """The records of a fetch that are not at home: those sent on, those sent on too often, and their sources.

    Of a batch each event goes as a record of its own, and what of it is rejected is rejected where it was read: so
    nothing is rejected twice, and nothing outgrows its topic on the way.
    """

    def __init__(self, homes: Homes) -> None:
        self.homes = homes
        self.messages: list[Message] = []
        self.sent: Counter[int] = Counter()
        self.refused: list[Refused] = []
        # By source, the first event that it put elsewhere, and where that was.
        self.misplaced: dict[str, misplaced_key.Misplaced] = {}

    def add(self, arrival: Arrival, record: Any) -> None:
        """Sends an event on: the same key, value and headers, but for headers that are no text, which nobody reads."""
        key, headers = record.key(), record.headers() or ()
        _, partition, offset = arrival.place
        hops = _hops(headers)
        value = arrival.record if arrival.index is None else elements_of(arrival.record)[arrival.index]
        if hops >= HOPS_MAX:
            detail = f"header {HOPS_HEADER}: sent on {HOPS_MAX} times, and still not in the partition of its key"
            rejection = Rejection(Reason.INVALID_DATA, detail, value, arrival.index)
            self.refused.append(Refused(arrival.order, rejection, arrival.place))
            return
        if not hops and not self.homes.well_put(key, partition, offset, record.timestamp()[1] * 1_000):
            seen = (arrival.event, partition, offset, self.homes.of(key), self.homes.partitions)
            self.misplaced.setdefault(arrival.event.source, misplaced_key.Misplaced(self.homes.topic, *seen))
        pairs = [(name, text) for name, raw in headers if (text := _text(raw)) is not None and name != HOPS_HEADER]
        if arrival.index is not None:
            pairs = [("content-type", STRUCTURED), *(pair for pair in pairs if pair[0].lower() != "content-type")]
        if not any(name == FROM_HEADER for name, _ in pairs):
            at = f"{partition}@{offset}" + ("" if arrival.index is None else f"#{arrival.index}")
            pairs.append((FROM_HEADER, at))
        pairs.append((HOPS_HEADER, str(hops + 1)))
        self.messages.append(Message(self.homes.topic, key, tuple(pairs), value))
        self.sent[partition] += 1


def _hops(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """How often a record has been sent on; what is no such number counts as too often."""
    for name, raw in headers:
        if name == HOPS_HEADER:
            text = raw or b""
            return int(text) if text.isdigit() and len(text) <= 3 else HOPS_MAX
    return 0


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def _findings(db: Db, ids: Iterable[str]) -> set[str]:
    wanted = list(ids)
    return (
        {row[0] for row in db.rows("select finding from findings where finding = any(?)", wanted)} if wanted else set()
    )


class _Target(NamedTuple):
    """New partitions that were noticed, and the ends that the older ones had then."""

    partitions: int
    ends: Mapping[TP, int]
    until: float


class Homing:
    """The homes of the topics that one worker reads. `held` are partitions that are not read yet, and why."""

    def __init__(self) -> None:
        self.homes: dict[str, Homes] = {}
        self.held: dict[TP, str] = {}
        self.beyond: set[TP] = set()
        self._ids: dict[str, str] = {}
        self._targets: dict[str, _Target] = {}
        self._reported: set[tuple[str, str, str]] = set()
        self._telling: set[tuple[str, str, str]] = set()

    def assign(
        self, db: Db, wanted: Collection[TP], ids: Mapping[str, str], counts: Mapping[str, int], now: int
    ) -> None:
        """Goes by the numbers of partitions that the store knows, in the open transaction; a topic that it does not
        know has had as many as now from its beginning.

        What is wanted beyond both numbers is in `beyond`: a topic that was made anew has fewer than Kafka's group has
        heard of yet, or one was just given more than Kafka tells yet.
        """
        homes, self.held, self.beyond = {}, {}, set()
        for topic in sorted({topic for topic, _ in wanted} & ids.keys()):
            count = counts[topic]
            # The lock is held to the commit: nobody notes another number between this look and our new positions.
            db.lock([f"placements of {topic}"])
            known = placements(db, topic, ids[topic])
            if not known:
                place(db, topic, ids[topic], count, {}, now)
                known = placements(db, topic, ids[topic])
            query = "select partitions from placements where topic = ? and topic_id <> ? group by partitions"
            homes[topic] = Homes(topic, known, [row[0] for row in db.rows(query, topic, ids[topic])])
            # of rows that others wrote, who do not know of this
            query = "update progress set partitions = ? where topic = ? and coalesce(partitions, 0) <> ?"
            db.run(query, known[-1].partitions, topic, known[-1].partitions)
            for tp in wanted:
                if tp[0] == topic and tp[1] >= max(count, known[-1].partitions):
                    self.beyond.add(tp)
                elif tp[0] == topic and tp[1] >= known[-1].partitions:
                    why = f"the topic has {many(count, 'partition')}, {known[-1].partitions} before: {READ_FIRST}"
                    self.held[tp] = why
        self.homes, self._ids = homes, dict(ids)

    def home(self, topic: str, subject: str) -> int:
        """The partition in which a subject of a topic that is read is at home."""
        return self.homes[topic].of(subject.encode())

    def earlier(self, topic: str, subject: str) -> list[int]:
        """Other partitions where a subject was at home before its topic had as many as now."""
        homes = self.homes.get(topic)
        return [] if homes is None else homes.earlier(subject.encode())

    def send_on(self, db: Db, engine: Engine, fetch: Fetch, outcome: Outcome, now: int) -> None:
        """Puts what of a fetch is not at home into the outbox and tells of its sources, in the open transaction; `now`
        is the clock. What it changes is added to the outcome."""
        self._telling = set()
        leaving = Leaving(self.homes[fetch.topic])
        partitions = {arrival.place[1] for arrival in outcome.away}
        records = {(part, record.offset()): record for part in partitions for record in fetch.parts[part].records}
        for arrival in outcome.away:
            leaving.add(arrival, records[arrival.place[1:]])
        post(db, [*leaving.messages, *map(rejected, leaving.refused)])
        outcome.rejections.extend(leaving.refused)
        for refusal in leaving.refused:
            outcome.rejected[refusal.rejection.reason] = outcome.rejected.get(refusal.rejection.reason, 0) + 1
        for partition, count in sorted(leaving.sent.items()):
            query = "update progress set sent_on = sent_on + ? where topic = ? and partition = ?"
            db.run(query, count, fetch.topic, partition)
        outcome.changes.extend(self._tell(db, engine, leaving, now))

    def _tell(self, db: Db, engine: Engine, leaving: Leaving, now: int) -> list[Change]:
        entries: dict[str, Entry] = {}
        for source, seen in sorted(leaving.misplaced.items()):
            pack = engine.rulebook().in_force(seen.event.time)
            reported = (pack.digest, seen.topic, source)
            if reported in self._reported or pack.setting(misplaced_key.RULE.id).mode == "off":
                continue
            self._telling.add(reported)
            thing = queue.misplaced(seen.topic, source)
            entry = Entry(thing, engine.rules[misplaced_key.RULE.id], pack, misplaced_key.said(seen), now)
            entries[entry.finding] = entry
        known = _findings(db, entries)
        new = [finding for finding in sorted(entries) if finding not in known]
        if new:
            db.lock(new)  # another worker may just be telling of the same source
            known = _findings(db, new)
        return engine.book.enter(db, [entries[finding] for finding in new if finding not in known])

    def committed(self) -> None:
        """Remembers of whom was told in a transaction that is committed."""
        if len(self._reported) + len(self._telling) > TOLD_MAX:
            self._reported.clear()
        self._reported |= self._telling
        self._telling = set()

    def look(
        self,
        db: Db,
        counts: Mapping[str, int],
        ends_of: Callable[[list[TP]], Mapping[TP, int]],
    ) -> tuple[bool, list[tuple[str, int, dict[int, int]]]]:
        """Whether another number is in force than this worker goes by, and which numbers are now to be noted: of each
        topic the number and from which offsets on. A read-only look; who notes them calls `note`."""
        due = []
        query = "select topic, topic_id, max(partitions) from placements group by topic, topic_id"
        stored = {(topic, topic_id): count for topic, topic_id, count in db.rows(query)}
        changed = False
        where = {(topic, part): at for topic, part, at in db.rows("select topic, partition, next from progress")}
        for topic, homes in self.homes.items():
            if stored.get((topic, self._ids[topic])) != homes.partitions:
                changed = True
            count = counts.get(topic, 0)
            if changed or count <= homes.partitions:
                self._targets.pop(topic, None)
                continue
            target = self._targets.get(topic)
            if target is None or target.partitions != count:
                ends = ends_of([(topic, part) for part in range(homes.partitions)])
                target = self._targets[topic] = _Target(count, ends, time.monotonic() + DRAIN_SECONDS_MAX)
            read = all(where.get(tp, 0) >= end for tp, end in target.ends.items())
            if read or time.monotonic() > target.until:
                due.append((topic, count, {part: end for (_, part), end in target.ends.items()}))
        return changed, due

    def note(self, db: Db, due: Iterable[tuple[str, int, dict[int, int]]], now: int) -> None:
        """Notes numbers of partitions in the open transaction."""
        for topic, partitions, begins in due:
            place(db, topic, self._ids[topic], partitions, begins, now)


class Trail:
    """Whether what was sent on has been read at its home: before that no deadline may be taken for missed.

    The sum of `progress.sent_on` tells whether anything was sent on since the last time that all had arrived.
    """

    def __init__(self) -> None:
        self._arrived = 0
        self._pending: tuple[int, int] | None = None
        self._ends: Mapping[TP, int] | None = None

    def arrived(self, db: Db, where: Mapping[TP, int], ends_of: Callable[[], Mapping[TP, int]]) -> bool:
        """Whether all that had been sent on by the first of these calls is read; asked again until it is.

        `where` are the positions, `ends_of` answers with the ends of all partitions as they are.
        """
        (sent,) = db.one("select coalesce(sum(sent_on), 0) from progress") or (0,)
        if self._pending is None:
            if sent == self._arrived:
                return True
            (last,) = db.one("select coalesce(max(id), 0) from outbox") or (0,)
            self._pending, self._ends = (sent, last), None
        sent, last = self._pending
        if self._ends is None:
            query = "select 1 from outbox where id <= ? and topic = any(?) limit 1"
            if db.one(query, last, list(TOPICS_IN)) is not None:
                return False
            self._ends = ends_of()
        if any(where.get(tp, 0) < end for tp, end in self._ends.items()):
            return False
        self._arrived, self._pending = sent, None
        return True
