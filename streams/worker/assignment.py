"""The partitions that a worker reads: from where, which are stopped, and the fence that each fetch has to pass.

The truth is the store's row of each partition (`progress`). A partition in doubt is assigned anew from there.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from circulation.events.names import CONTRACTS, RULES
from streams.engine import Engine
from streams.feeds import feeds, resuming
from streams.feeds.homing import Homing
from streams.findings.entry import Change
from streams.health.clock import Clock
from streams.health.readiness import MADE_ANEW, NOT_THERE, PUT_BACK
from streams.store import schema
from streams.store.db import Db
from streams.store.errors import StoreAway
from streams.topics import TOPICS_IN
from streams.wire.broker import Broker
from streams.wire.reader import TP, Fetch, Part, Reader

log = logging.getLogger("circulation")


class Stale(Exception):
    """The fetch does not go on from where the store is: it is read anew."""


@dataclass
class _Rows:
    """The rows of the store for the partitions that are to be read.

    `read` has of each the last record that was read and when it was written, ms; `unmarked` position and topic id of
    those of which that is not known; `changes` are of findings on partitions that began late.
    """

    positions: dict[TP, int] = field(default_factory=dict)
    stopped: dict[TP, str] = field(default_factory=dict)
    read: dict[TP, tuple[int, int]] = field(default_factory=dict)
    unmarked: dict[TP, tuple[int, str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


class Assignment:
    """The partitions of one worker. `requested` are those that its group gave it, `positions` where reading goes on of
    those that are read, as far as it is committed.

    `begun_late` are partitions whose first records were gone when this store began to read them. `changed` is told of
    findings that an assignment raised.
    """

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        broker: Broker,
        homing: Homing,
        clock: Clock,
        changed: Callable[[list[Change]], None],
    ) -> None:
        self.requested: set[TP] = set()
        self.positions: dict[TP, int] = {}
        self.begun_late: dict[TP, int] = {}
        self._engine = engine
        self._store = engine.store
        self._reader = reader
        self._broker = broker
        self._homing = homing
        self._clock = clock
        self._changed = changed
        self._doubt = threading.Event()
        self._barrier: dict[TP, int] = {}

    def doubt(self) -> None:
        """Something is in doubt: the worker assigns anew before it reads on."""
        self._doubt.set()

    @property
    def doubted(self) -> bool:
        """Whether it is to be assigned anew."""
        return self._doubt.is_set()

    def assign(self, requested: set[TP]) -> dict[TP, int]:
        """Reads on, of these partitions, from the positions that the store has; answers with them.

        1. Look each up in the store; one that it does not know begins at the first record that Kafka has.
        2. Stop those of which Kafka has other records than were read.
        3. Note the last record before each position where none is noted yet.
        4. Drop what was cached under the former assignment, and hold back uses until the packs are read.

        Raises:
            StoreAway, KafkaException: store or Kafka does not answer; nothing was assigned.
        """
        self._doubt.clear()
        wanted = {tp for tp in requested if tp[0] in TOPICS_IN}
        self._homing.held = {}
        rows = self._look_up(wanted) if wanted else _Rows()
        # Nobody waits for Kafka's records with the store locked.
        for tp in self._broker.written_anew(rows.read):
            rows.stopped[tp] = PUT_BACK
            del rows.positions[tp]
        # Those that no record was read of since such a mark is kept, or since a person had them go on.
        marks = self._broker.last_before({tp: next_ for tp, (next_, _) in rows.unmarked.items()})
        if marks:
            with self._store.writing() as db:
                feeds.mark(db, marks, rows.unmarked)
        for tp, why in rows.stopped.items():
            if tp not in self._reader.stopped:
                log.error("%s[%s] is not read: %s", *tp, why)
        self._engine.intake.forget()
        self.positions = dict(rows.positions)
        held = [tp for tp in rows.positions if tp[0] == CONTRACTS]
        self._reader.assign(rows.positions, stopped=rows.stopped, held=held)
        self.requested = requested
        return rows.positions

    def _look_up(self, wanted: set[TP]) -> _Rows:
        rows = _Rows()
        # The packs hold back this worker's uses, whoever reads them.
        ids, counts = self._broker.topics({RULES, *(topic for topic, _ in wanted)})
        with self._store.writing() as db:
            self._homing.assign(db, wanted, ids, counts, self._clock.now())
            for tp in sorted(wanted - self._homing.held.keys()):
                self._look_up_one(db, tp, ids.get(tp[0]), rows)
        if rows.changes:
            self._changed(rows.changes)
        self._barrier = self._broker.ends([(RULES, 0)]) if RULES in ids else {}
        return rows

    def _look_up_one(self, db: Db, tp: TP, id_: str | None, rows: _Rows) -> None:
        row = db.one("select next, topic_id, last, written from progress where topic = ? and partition = ?", *tp)
        if id_ is None:
            rows.stopped[tp] = NOT_THERE
        elif row is None and tp in self._homing.beyond:
            return
        elif row is None:
            rows.positions[tp] = self._begin(db, tp, id_, rows)
        elif row[1] != id_:
            rows.stopped[tp] = MADE_ANEW
        else:
            rows.positions[tp] = row[0]
            if row[3] is not None:
                rows.read[tp] = (row[2], row[3])
            else:
                rows.unmarked[tp] = (row[0], row[1])

    def _begin(self, db: Db, tp: TP, id_: str, rows: _Rows) -> int:
        """Begins to read a partition that the store does not know; answers with its first offset."""
        topic, partition = tp
        low = self._broker.begin_of_new(tp)
        homes = self._homing.homes[topic]
        if low and homes.added(partition):
            self._engine.rulebook.refresh(db)
            rows.changes += resuming.began_late(db, self._engine, topic, partition, id_, low, self._clock.now())
        elif low:
            self.begun_late[tp] = low
        db.run(
            "insert into progress (topic, partition, next, topic_id, partitions) values (?, ?, ?, ?, ?)",
            topic,
            partition,
            low,
            id_,
            homes.partitions,
        )
        return low

    def pass_barrier(self) -> None:
        """Reads uses only when all packs that were published by the time of the assignment have been taken in."""
        try:
            with self._store.reading() as db:
                where = positions_of(db)
        except StoreAway:
            return
        if reached(where, self._barrier):
            self._reader.release()

    def stop(self, topics: Mapping[str, str]) -> None:
        """Reads these topics no more; of each why."""
        for topic, why in topics.items():
            self._reader.stop(topic, why)
        for tp in self._reader.stopped:
            self.positions.pop(tp, None)

    def fence(self, db: Db, fetch: Fetch) -> None:
        """Moves the store's positions on to the end of a fetch, in the open transaction.

        Raises:
            Stale: it is not ours to take.
        """
        for partition, part in fetch.parts.items():
            if self.positions.get((fetch.topic, partition)) != part.begin:
                raise Stale(f"{fetch.topic}[{partition}]@{part.begin}")
        query = (
            "select topic, partition, next, topic_id, time_max, partitions, sent_on, last, written from progress"
            " where topic = ? and partition = any(?) order by partition for update"
        )
        rows = db.rows(query, fetch.topic, list(fetch.parts))
        positions = {partition: next_ for _, partition, next_, *_ in rows}
        for partition, part in fetch.parts.items():
            if positions.get(partition) != part.begin:
                raise Stale(f"{fetch.topic}[{partition}]@{part.begin}: another worker was here")
        partitions = self._homing.homes[fetch.topic].partitions
        if any(row[5] != partitions for row in rows):
            raise Stale(f"{fetch.topic} has another number of partitions than {partitions} now")
        moved = [
            (topic, partition, (part := fetch.parts[partition]).end, *rest, *_last(part, last, written))
            for topic, partition, _, *rest, last, written in rows
        ]
        db.many(schema.progress, moved, "upsert")

    def committed(self, fetch: Fetch) -> None:
        """Moves the positions behind a fetch whose transaction is committed."""
        for partition, part in fetch.parts.items():
            self.positions[fetch.topic, partition] = part.end

    def behind(self, ends: Mapping[TP, int]) -> dict[TP, int]:
        """How many records each partition is behind its end; 0 where it is not read."""
        return {tp: max(0, end - self.positions.get(tp, end)) for tp, end in ends.items()}


def positions_of(db: Db) -> dict[TP, int]:
    """Where reading goes on of each partition that the store knows."""
    return {(topic, part): next_ for topic, part, next_ in db.rows("select topic, partition, next from progress")}


def reached(where: Mapping[TP, int], ends: Mapping[TP, int]) -> bool:
    """Whether positions have come to these ends."""
    return all(where.get(tp, 0) >= end for tp, end in ends.items())


def _last(part: Part, last: int | None, written: int | None) -> tuple[int | None, int | None]:
    """The last record that was read of a partition, and when it was written, ms; `last` and `written` before."""
    if not part.records:
        return last, written
    kind, at = part.records[-1].timestamp()
    return part.records[-1].offset(), at if kind else None
