"""Moves the horizon on: no deadline is taken for missed before all that was sent by then has been read."""

import logging
from typing import Final

from sqlalchemy import func, select

from streams.engine import Engine
from streams.feeds.homing import Trail
from streams.health.clock import Clock
from streams.store import schema
from streams.store.ask import Question
from streams.topics import TOPICS_IN
from streams.wire.broker import Broker
from streams.wire.reader import TP
from streams.worker.assignment import positions_of, reached
from streams.worker.judge import WorkersJudge

log = logging.getLogger("circulation")

HORIZON_SECONDS: Final = 0.5

_FIRST_DUE: Final = Question(select(func.min(schema.deadlines.c.due)))


class Horizon:
    """Releases deadlines. `skew_max` is how wrong a clock may be, µs."""

    def __init__(self, engine: Engine, broker: Broker, clock: Clock, judge: WorkersJudge, *, skew_max: int) -> None:
        self._engine = engine
        self._store = engine.store
        self._broker = broker
        self._clock = clock
        self._judge = judge
        self._skew_max = skew_max
        self._trail = Trail()
        # An instant with a deadline before it, and the ends that all partitions had then.
        self._target: tuple[int, dict[TP, int]] | None = None

    def step(self) -> float:
        """Moves it on where that can be; answers with the seconds until the next time."""
        if not self._clock.by_events:
            if not self._clock.trusted:
                self._target = None
                return HORIZON_SECONDS
            # Where one clock moved it on that is more wrong than it may be.
            now = self._clock.now()
            if self._engine.horizon() > now + self._skew_max:
                log.warning("deadlines were moved on by a clock that was ahead; what it raised is judged again")
                self._engine.back(now)
                self._judge.came()
        if self._target is None:
            with self._store.reading() as db:
                (due,) = _FIRST_DUE.one(db) or (None,)
            now = self._clock()
            if due is None or due >= now:
                return HORIZON_SECONDS
            self._target = (now, self._ends())
        now, ends = self._target
        with self._store.reading() as db:
            where = positions_of(db)
            arrived = reached(where, ends) and self._trail.arrived(db, where, self._ends)
        if arrived:
            self._target = None
            if self._engine.release(now, self._clock.now()):
                self._judge.came()
                return 0.0
        return HORIZON_SECONDS

    def _ends(self) -> dict[TP, int]:
        return self._broker.ends(self._broker.partitions(TOPICS_IN))
