"""The judge of a worker, in a thread or in a process, and since when it has been silent."""

import logging
import time
from typing import Final

from streams.engine import Engine
from streams.health.clock import Clock
from streams.judging import Judged
from streams.settings import Settings
from streams.worker.faults import Faults
from streams.worker.judge_process import JudgeProcess
from streams.worker.life import Life
from streams.worker.meter import Meter
from streams.worker.rounds import Judging, Rounds
from streams.worker.sending import Sending

log = logging.getLogger("circulation")

# A judge says its first word after it has read the code: seconds on a busy machine.
JUDGE_START_SECONDS_MAX: Final = 60.0


class WorkersJudge:
    """The judge of a worker: on PostgreSQL a process of its own, on SQLite a thread of this one."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        clock: Clock,
        life: Life,
        faults: Faults,
        meter: Meter,
        sending: Sending,
    ) -> None:
        self._life = life
        self._faults = faults
        self._meter = meter
        self._sending = sending
        self._stall_seconds = settings.stall_seconds
        self._beside = engine.store.postgres
        self._beat = time.monotonic()
        self._judging: Judging = (
            JudgeProcess(settings, self._judged, faults.failed, self._lives)
            if self._beside
            else Rounds(engine, settings, clock, self._judged, faults.failed, self._lives)
        )

    def run(self) -> None:
        """Judges until the worker is to stop."""
        self._judging.run(self._life.stop)

    def came(self) -> None:
        """Something may wait to be judged now."""
        self._judging.came()

    def end(self) -> None:
        """Called after the worker was told to stop: it waits for nothing any more."""
        self._judging.end()

    @property
    def silent(self) -> float:
        """Since when it has said nothing, seconds."""
        return time.monotonic() - self._beat

    @property
    def hangs(self) -> bool:
        """Whether it has said nothing for so long that only a restart of this process helps."""
        return not self._beside and self.silent > self._silent_max()

    def restart_if_silent(self) -> None:
        """Ends one that has said nothing for too long, where it can be ended: then it is started again."""
        if self.silent > self._silent_max():
            log.error("the judge has said nothing for %.0f s; it is started again", self.silent)
            self._beat = time.monotonic()
            self._judging.kill()

    def _silent_max(self) -> float:
        """How long it may say nothing, seconds. One that begins on a busy machine is not killed before it could."""
        stall = self._stall_seconds
        return max(stall, JUDGE_START_SECONDS_MAX) if self._judging.starting else stall

    def _lives(self) -> None:
        self._beat = time.monotonic()
        self._faults.done("judging")

    def _judged(self, judged: Judged, seconds: float) -> None:
        self._meter.judged(judged, seconds)
        if judged.changes or judged.case_events:
            self._sending.wake()
