"""A worker's judging in a process of its own: on PostgreSQL, where many may write at once.

A round of judging is some forty short statements. In the process that takes events in, each of them waits for the
interpreter's lock after its answer has come: together longer than the statements themselves. SQLite has one writer at
a time, and what it keeps of facts is of one process: there it is a thread (`Rounds`).

Worker and judge share the store alone. Through its standard input the judge is told that something may wait, and that
it is to end where it closes, which the system does for a worker that was killed. On its standard output it tells of
each round, for the metrics.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

import detectors
from streams.budget import ITEM
from streams.engine import Engine
from streams.facts.rulebook import start
from streams.health.clock import ASK_SECONDS, Clock, ask_database
from streams.judging import Judged
from streams.judging.mark import Mark
from streams.process import begin, collect_rarely
from streams.settings import Settings
from streams.store.errors import StoreAway
from streams.store.store import Store
from streams.worker.retry import forever
from streams.worker.rounds import Failed, Lives, Rounds, Tell

log = logging.getLogger("circulation")

# A round ends sooner than this, unless the store does not answer.
END_SECONDS_MAX: Final = 15.0


class JudgeFailed(Exception):
    """The judge failed at something, or ended though nobody told it to."""


class Word(NamedTuple):
    """A message of a judge: a round and its seconds, a failure, why, and whether the store is away, or, where it
    is empty, that it lives."""

    judged: Judged | None = None
    seconds: float = 0.0
    failing: str = ""
    why: str = ""
    away: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Word).decode


class JudgeProcess:
    """The judge as the worker has it: starts it, listens to it, and starts it again where it ends by itself.

    `starting` tells that the one that runs has said nothing yet: it reads the code and the packs.
    """

    def __init__(self, settings: Settings, tell: Tell, failed: Failed, lives: Lives) -> None:
        # It imports what the worker does, and nothing from where that happened to be started.
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._environ = {**os.environ, **settings.environ(), "PYTHONPATH": path}
        self._tell = tell
        self._failed = failed
        self._lives = lives
        self._process: subprocess.Popen[bytes] | None = None
        self.starting = False
        # The items that a judge had in hand when it died are read by the next one.
        self._mark = tempfile.TemporaryFile()  # noqa: SIM115 it is open as long as there may be a judge
        # The number of a closed pipe may be another file's at once: nobody closes it while another writes.
        self._lock = threading.Lock()

    def came(self) -> None:
        """Something may wait now. Where it has been told so often that its pipe is full, it knows."""
        with self._lock:
            if (process := self._process) is not None and process.stdin is not None and not process.stdin.closed:
                with contextlib.suppress(OSError):
                    os.write(process.stdin.fileno(), b"\n")

    def kill(self) -> None:
        """Ends one that hangs; `run` starts it again."""
        if (process := self._process) is not None:
            process.kill()

    def end(self) -> None:
        """Tells it to end."""
        with self._lock:
            if (process := self._process) is not None and process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()

    def run(self, stop: threading.Event) -> None:
        """Has it judge until it is to stop."""

        def once() -> float:
            code = self._once(stop)
            if not stop.is_set():
                raise JudgeFailed(f"the judge ended with {code}; it is started again")
            return 0.0

        forever(once, stop, lambda error: self._failed("judging", error))

    def _once(self, stop: threading.Event) -> int:
        mark = self._mark.fileno()
        command = [sys.executable, "-P", "-m", "streams.worker.judge_process", str(mark)]
        process = subprocess.Popen(
            command, env=self._environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[mark]
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 pipes were asked for
        log.info("judging in process %d", process.pid)
        try:
            os.set_blocking(process.stdin.fileno(), False)
            self._process, self.starting = process, True
            if stop.is_set():
                self.end()
            for line in process.stdout:
                self.starting = False
                self._hear(_decode(line))
        finally:
            self.end()
            self._process, self.starting = None, False
            try:
                code = process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            process.stdout.close()
        return code

    def _hear(self, word: Word) -> None:
        if word.judged is not None:
            self._tell(word.judged, word.seconds)
        elif not word.failing:
            self._lives()
        else:
            self._failed(word.failing, StoreAway(word.why) if word.away else JudgeFailed(word.why))


def main() -> int:
    """The judge itself."""
    # A signal from a terminal goes to the whole process group: the worker says when to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # All output goes where the log goes.
    telling = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    settings = Settings.read(os.environ)
    begin(settings)
    collect_rarely()
    stop = threading.Event()

    def say(word: Word) -> None:
        try:
            telling.write(_encode(word) + b"\n")
            telling.flush()
        except OSError:  # the worker is gone
            stop.set()

    def failed(doing: str, error: Exception) -> None:
        why = str(error) or type(error).__name__
        say(Word(failing=doing, why=why, away=isinstance(error, StoreAway)))

    store = Store(settings.store, statement_seconds=ITEM.seconds)
    default, name = start(settings, detectors.RULES)
    clock = Clock(settings, store)
    store.clock, store.voices = clock.now, settings.voices()
    engine = Engine(store, default, name=name, mark=Mark(int(sys.argv[1])))
    rounds = Rounds(
        engine,
        settings,
        clock,
        lambda judged, seconds: say(Word(judged, seconds)),
        failed,
        lambda: say(Word()),
    )

    def listen() -> None:
        while os.read(0, 65_536):
            rounds.came()
        stop.set()
        rounds.end()
        time.sleep(END_SECONDS_MAX)
        os._exit(1)  # the store does not answer, and undoes what was begun

    def ask() -> float:
        ask_database(clock, store)
        return ASK_SECONDS

    threading.Thread(target=listen, name="listen", daemon=True).start()
    # The first round does not stamp by a clock that is wrong.
    with contextlib.suppress(StoreAway):
        ask()
    asking = threading.Thread(target=forever, args=(ask, stop, lambda error: None), name="clock", daemon=True)
    asking.start()
    say(Word())
    rounds.run(stop)
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
