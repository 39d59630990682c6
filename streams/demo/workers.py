"""The worker processes of a demo: started, asked how they are, and ended, also those of an earlier demo."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

import streams
from deploy import processes

MODULE: Final = "streams.cli.main"
READY_SECONDS_MAX: Final = 90.0
STOP_SECONDS_MAX: Final = 20.0
POLL_SECONDS: Final = 0.25


class DemoError(Exception):
    """The demo cannot go on; the message says why and where to look."""


class Worker(NamedTuple):
    """A process, the address of its pages, and the file of what it says."""

    process: subprocess.Popen[bytes]
    web: str
    log: Path
    number: int


class Workers:
    """The workers of the demo in a folder; `running` are those that were started and not killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory = folder / "workers.json"
        self.running: list[Worker] = []

    def start(self, bootstrap: str, url: str, count: int) -> None:
        """Starts so many workers and waits until all are ready."""
        for number in range(1, count + 1):
            self.launch(bootstrap, url, number)
        self._await_ready()

    def launch(self, bootstrap: str, url: str, number: int) -> None:
        """Starts one worker."""
        web = f"127.0.0.1:{processes.free_port(*(int(worker.web.rpartition(':')[2]) for worker in self.running))}"
        log = self.folder / f"worker-{number}.log"
        with log.open("wb") as out:
            # A session of its own: an interrupt at the terminal is for us, and we stop the workers in order.
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, "worker"],
                env=_environment(bootstrap, url, web),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.running.append(Worker(process, web, log, number))
        self._remember()

    def kill(self, worker: Worker) -> None:
        """Ends a worker by SIGKILL, in the middle of its work."""
        self.running.remove(worker)
        worker.process.kill()
        worker.process.wait()
        self._remember()

    def _remember(self) -> None:
        self._memory.write_text(json.dumps([worker.process.pid for worker in self.running]))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not all(state(worker).get("ready") for worker in self.running):
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"the workers are not ready after {READY_SECONDS_MAX:.0f} s: {self.logs()}")
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raises `DemoError` where a worker ended by itself."""
        for worker in self.running:
            if worker.process.poll() is not None:
                raise DemoError(f"a worker ended; the end of {worker.log}:\n{processes.tail(worker.log)}")

    def logs(self) -> str:
        """Where to look for what they said."""
        return "see " + ", ".join(str(worker.log) for worker in self.running)

    def sweep(self) -> bool:
        """Ends all workers of this folder, also those of an earlier demo; answers whether there was any."""
        ran = bool(self.running)
        for worker in self.running:
            _end(worker.process)
        self.running.clear()
        with contextlib.suppress(OSError, ValueError):
            for pid in json.loads(self._memory.read_text()):
                ran |= processes.is_alive(int(pid), MODULE)
                if not processes.end(int(pid), MODULE, signal.SIGTERM, STOP_SECONDS_MAX):
                    processes.end(int(pid), MODULE, signal.SIGKILL, STOP_SECONDS_MAX)
        self._memory.unlink(missing_ok=True)
        return ran


def _environment(bootstrap: str, url: str, web: str) -> dict[str, str]:
    """This process's environment, without settings that are meant for other workers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIRCULATION_")}
    # From a checkout that is not installed, too.
    roots = [str(Path(streams.__file__).resolve().parent.parent), kept.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, roots)),
        "CIRCULATION_KAFKA": bootstrap,
        "CIRCULATION_STORE": url,
        "CIRCULATION_WEB": web,
        "CIRCULATION_CLOCK": "events",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def state(worker: Worker) -> dict[str, Any]:
    """The answer of a worker to /ready; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{worker.web}/ready", timeout=5) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (urllib.error.URLError, OSError):
        return {}
    try:
        document: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document
