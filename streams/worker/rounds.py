"""Judges round after round: what just came before what else waits, and one by one where a round fails."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from streams.budget import OverBudget
from streams.engine import Engine
from streams.health.clock import Clock
from streams.judging import Judged
from streams.judging.pace import Pace
from streams.settings import Settings
from streams.store.queue import AGAIN, LIVE, STATING
from streams.worker.retry import forever, passing

log = logging.getLogger("circulation")

# A judge looks by itself this often: another worker's intake may have queued something.
LOOK_SECONDS: Final = 0.05
# After a round that judged all that just came, it rests half as long as that took, but no longer than this.
REST_SECONDS_MAX: Final = 0.02
# How often it tells that it lives.
LIVES_SECONDS: Final = 1.0
# Every second round of judging begins with what else waits, however much just came. Of so many rounds one states
# credit: that of who answers for thousands of findings takes longer than any other round.
TURNS_COUNT: Final = 32
TURNS: Final = dict.fromkeys(range(0, TURNS_COUNT, 2), AGAIN) | {TURNS_COUNT - 2: STATING}

# Of what a round did, and of how long it took, seconds; of what failed, and why.
Tell = Callable[[Judged, float], None]
Failed = Callable[[str, Exception], None]
# That the judge lives, and does what it is for.
Lives = Callable[[], None]


class Judging(Protocol):
    """The judge of a worker: in a thread of its own (`Rounds`), or in a process (`judge_process`)."""

    # Whether it was started and has said nothing yet.
    starting: bool

    def run(self, stop: threading.Event) -> None:
        """Judges until it is to stop."""

    def came(self) -> None:
        """Something may wait now."""

    def kill(self) -> None:
        """Ends what hangs, where it can be ended and begun again."""

    def end(self) -> None:
        """Called after it was told to stop: it waits for nothing any more."""


class Rounds:
    """Judges with an engine, in the thread that calls `run`; tells of each round."""

    def __init__(
        self, engine: Engine, settings: Settings, clock: Clock, tell: Tell, failed: Failed, lives: Lives
    ) -> None:
        self._engine = engine
        self._batch = settings.judge_batch
        self._clock = clock
        self._pace = Pace(settings.judge_batch)
        self._tell = tell
        self._failed = failed
        self._lives = lives
        self._told_lives = float("-inf")
        self._work = threading.Event()
        self._turn = 0
        self._taken_up = self._more = self.starting = False

    def came(self) -> None:
        """Something may wait now."""
        self._work.set()

    end = came

    def kill(self) -> None:
        """Nothing: a thread cannot be ended by another."""

    def run(self, stop: threading.Event) -> None:
        """Judges until it is to stop."""

        def step() -> float:
            pause = self._step()
            if time.monotonic() - self._told_lives >= LIVES_SECONDS:
                self._told_lives = time.monotonic()
                self._lives()
            return pause

        forever(step, stop, lambda error: self._failed("judging", error))

    def _step(self) -> float:
        if not self._taken_up:
            self._engine.take_up(self._clock())
            self._taken_up = True
        self._turn += 1
        # After a round that found something there is mostly more.
        if not self._more and not self._engine.waiting():
            self._work.wait(LOOK_SECONDS)
            self._work.clear()
            return 0.0
        now = self._clock()
        begun = time.perf_counter()
        first = TURNS.get(self._turn % TURNS_COUNT, LIVE)
        try:
            judged = self._engine.judge_round(now, self._batch, pace=self._pace, first=first)
        except OverBudget as error:
            self._more = True
            if thing := self._engine.over(now, error):
                self._failed(f"judging {thing!r}, which is set aside until the next start", error)
            return 0.0
        except Exception as error:
            if passing(error):
                raise
            # Not a rule (those are caught), but the engine: find the item by itself, and let the others go on.
            log.exception("a round of judging failed; its items are judged one by one")
            self._one_by_one(now)
            return 0.0
        self._more = judged.items > 0
        if not judged.items:
            return 0.0
        seconds = time.perf_counter() - begun
        self._tell(judged, seconds)
        if judged.kind:
            self._pace.learn(judged.kind, judged.things, seconds)
            return 0.0
        # A round of few things costs nearly what one of many does: what comes meanwhile is judged together.
        return 0.0 if judged.items >= self._batch else min(seconds / 2, REST_SECONDS_MAX)

    def _one_by_one(self, now: int) -> None:
        self._more = True
        for _ in range(self._batch):
            begun = time.perf_counter()
            try:
                judged = self._engine.judge_round(now, 1)
            except Exception as error:
                if passing(error):
                    raise
                thing = self._engine.set_aside(now, error)
                self._failed(f"judging {thing!r}, which is set aside until the next start", error)
                continue
            if not judged.items:
                break
            self._tell(judged, time.perf_counter() - begun)
