"""Looks at what waits and at what the store holds, for the gauges and for /ready."""

import time
from typing import Final

from sqlalchemy import select

from streams.engine import Engine
from streams.health.clock import Clock
from streams.health.endings import Endings
from streams.store import schema
from streams.store.ask import Question
from streams.wire.reader import TP
from streams.worker.assignment import Assignment
from streams.worker.counts import Cadence, Delay, Oldest, count
from streams.worker.faults import Faults
from streams.worker.meter import Meter

_OUTBOX: Final = schema.outbox.c
_OLDEST: Final = Question(select(_OUTBOX.id, _OUTBOX.since).order_by(_OUTBOX.id).limit(1))


class Gauges:
    """One worker's gauges. `look` is called again and again; the store is counted when it is time.

    `ends` are of the partitions that are read, as the last watch of them saw. `delay` and `outbox_waits` are seconds;
    `live_since` is when the oldest of what is to be judged first was queued (µs), None where nothing waits;
    `unsent` counts messages that were refused for good, `aside` items that are not judged.
    """

    def __init__(
        self,
        engine: Engine,
        assignment: Assignment,
        clock: Clock,
        faults: Faults,
        meter: Meter,
        *,
        pause_seconds: float,
    ) -> None:
        self.ends: dict[TP, int] = {}
        self.delay = 0.0
        self.outbox_waits = 0.0
        self.live_since: int | None = None
        self.unsent = 0
        self.aside = 0
        self._engine = engine
        self._store = engine.store
        self._assignment = assignment
        self._clock = clock
        self._faults = faults
        self._meter = meter
        self._delay = Delay()
        self._oldest = Oldest()
        self._counting = Cadence(pause_seconds)
        self._endings = Endings()

    @property
    def lag(self) -> int:
        """How many records the worker is behind, over all that it reads."""
        return sum(self._assignment.behind(self.ends).values())

    def look(self) -> None:
        """Sets all gauges. Raises `StoreAway` where the store does not answer."""
        metrics = self._meter.metrics
        positions = self._assignment.positions
        ends = {tp: end for tp, end in self.ends.items() if tp in positions}
        metrics.lags(self._assignment.behind(ends))
        self.delay = self._delay.look({tp: (positions.get(tp, end), end) for tp, end in ends.items()}, time.monotonic())
        metrics.delay.set(self.delay)
        self._meter.hold()
        with self._store.reading() as db:
            # A worker that has nothing to do learns of packs here.
            self._engine.rulebook.refresh(db)
            oldest = _OLDEST.one(db)
        self.outbox_waits = self._oldest.look(oldest, time.monotonic())
        begun = time.monotonic()
        if self._counting.due(begun):
            self._count(begun)
        self._faults.store_up = not self._faults.store_waited_for
        pack = self._engine.rulebook().in_force(self._clock.now())
        metrics.in_force(pack.pack, pack.version, pack.digest)
        ending = self._endings.look(self._engine.rulebook(), self._clock.now())
        metrics.pack_ends.set(ending.seconds)
        metrics.entries_ending.set(ending.entries)

    def _count(self, begun: float) -> None:
        clock = self._clock()
        with self._store.reading() as db:
            counts = count(db, clock)
        self._counting.took(begun, time.monotonic())
        self.live_since, self.unsent = counts.live_since, counts.unsent
        self.aside = sum(counts.set_aside.values())
        self._meter.metrics.counted(counts, self._clock.now(), clock)
