"""Watches the partitions of one worker: which cannot be read on, which stand still, which topics were given more."""

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

from streams.engine import Engine
from streams.feeds import feeds
from streams.feeds.homing import Homing
from streams.feeds.retention import Retention
from streams.health.clock import Clock
from streams.health.readiness import MADE_ANEW, NOT_THERE
from streams.topics import TOPICS_IN
from streams.wire.broker import Broker
from streams.wire.reader import TP, Reader
from streams.worker.assignment import Assignment
from streams.worker.faults import Faults
from streams.worker.gauges import Gauges
from streams.worker.pulling import Pulling
from streams.worker.registry import Metrics

log = logging.getLogger("circulation")


class Look(NamedTuple):
    """One look at the partitions, handed on to all that goes by it.

    `counts` are the partitions of each topic that is there. `reasons` says of this assignment what is read no more, and
    why; `stopped` the same with what is not there at all; `ends` has the ends of those of them that are there.
    """

    counts: Mapping[str, int]
    reasons: dict[TP, str]
    stopped: Mapping[TP, str]
    ends: Mapping[TP, int]


class PartitionWatch:
    """Looks at the partitions again and again. `absent` are those of topics that are not there, `open` those of which
    nothing is read, since a transaction is open there."""

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        broker: Broker,
        homing: Homing,
        clock: Clock,
        *,
        assignment: Assignment,
        pulling: Pulling,
        retention: Retention,
        gauges: Gauges,
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self.absent: dict[TP, str] = {}
        self.open: list[TP] = []
        self._store = engine.store
        self._reader = reader
        self._broker = broker
        self._homing = homing
        self._clock = clock
        self._assignment = assignment
        self._pulling = pulling
        self._retention = retention
        self._gauges = gauges
        self._metrics = metrics
        self._faults = faults

    @property
    def unread(self) -> dict[TP, str]:
        """The partitions that are not read, and why."""
        return {**self.absent, **self._reader.stopped}

    def look(self) -> Look:
        """Stops what is another topic now, and has the reader begin anew where it stands still.

        Ends are asked for once, of what is read and of what is stopped. Raises `KafkaException` and `StoreAway`.
        """
        reads = bool(self._assignment.positions)
        ids, counts = self._broker.topics(TOPICS_IN)
        self._reader.broker_up = True
        with self._store.reading() as db:
            known = feeds.positions(db)
        self._see_absent(known, ids, counts)
        if reads:
            self._stop(known, ids)
        # Of this assignment: the next one has a mapping of its own.
        reasons = self._reader.stopped
        stopped = self.absent | reasons
        existing = set(self._broker.partitions(TOPICS_IN)) if stopped else set()
        present = [tp for tp in stopped if tp in existing]
        read = list(self._assignment.positions) if reads else []
        ends = self._broker.ends({*read, *present})
        if reads:
            self._see_read({tp: ends[tp] for tp in read})
        return Look(counts, reasons, stopped, {tp: ends[tp] for tp in present})

    def _see_absent(
        self, known: Mapping[TP, tuple[int, str]], ids: Mapping[str, str], counts: Mapping[str, int]
    ) -> None:
        """The group hands out no partitions of these, and nobody would miss them."""
        absent = dict.fromkeys((tp for tp in known if tp[0] not in ids), NOT_THERE)
        absent |= {(topic, 0): NOT_THERE for topic in TOPICS_IN if topic not in ids and (topic, 0) not in absent}
        beyond = [tp for tp in known if tp[0] in ids and tp[1] >= counts[tp[0]]]
        gone = feeds.feeds(known, ids, counts, {}, {}, beyond)
        absent |= {(feed.topic, feed.partition): feed.why for feed in gone if feed.state is feeds.State.GONE}
        self.absent = absent

    def _stop(self, known: Mapping[TP, tuple[int, str]], ids: Mapping[str, str]) -> None:
        """Reads topics no more that are not there, or are others."""
        positions = self._assignment.positions
        read = {topic for topic, _ in positions}
        # Of one topic some partitions may go on in the new one while others do not yet.
        remade = {tp[0] for tp in positions if tp in known and known[tp][1] != ids.get(tp[0])}
        absent = {topic: NOT_THERE for topic in read if topic not in ids}
        self._assignment.stop(dict.fromkeys(remade, MADE_ANEW) | absent)

    def _see_read(self, ends: dict[TP, int]) -> None:
        self._gauges.ends = ends
        if self._retention.look(self._assignment.positions, ends):
            for topic, used in self._retention.used.items():
                self._metrics.retention_used.labels(topic).set(used)
        if self._stands_still(ends):
            self._pulling.renew()

    def _stands_still(self, ends: Mapping[TP, int]) -> bool:
        """Whether the reader has stopped to read something, though it is asked for more.

        Behind a transaction that is open nobody gets anything, not even what was sent without one: that is told of.
        """
        stuck = self._reader.stuck(ends, time.monotonic())
        stable = self._broker.ends(stuck, stable=True)
        self.open = [tp for tp in stuck if self._reader.position(tp) >= stable.get(tp, 0)]
        stuck = [tp for tp in stuck if tp not in self.open]
        # While the last fetch waits for the store nobody asks for more.
        if not stuck or "taking in" in self._faults.now():
            return False
        log.warning(
            "%s is not read though there is more: the reader begins anew", ", ".join(f"{t}[{p}]" for t, p in stuck)
        )
        return True

    def see_grown(self, counts: Mapping[str, int]) -> None:
        """Takes note of partitions that topics were given, once the older ones are read; assigns anew after that."""
        with self._store.reading() as db:
            changed, due = self._homing.look(db, counts, self._broker.ends)
        if due:
            with self._store.writing() as db:
                self._homing.note(db, due, self._clock.now())
        if changed or due:
            self._assignment.doubt()
