"""Where it is measured: a broker, stores and workers of its own in a temporary folder, and the clocks to read."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Producer

from benchmarks.load import Message
from circulation.events.names import CONTRACTS
from deploy import processes
from deploy.kafka import Kafka
from deploy.postgres import Postgres
from streams import topics
from streams.store.store import Store

PARTITIONS: Final = 8
POLL_SECONDS: Final = 0.05
START_SECONDS_MAX: Final = 60.0
SETTLE_SECONDS_MAX: Final = 300.0
STOP_SECONDS_MAX: Final = 30.0
METRIC: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


class Stuck(Exception):
    """A condition did not come true in time."""


def kinds() -> list[str]:
    """The kinds of store that this machine has."""
    if (lacking := Postgres.available()) is None:
        return [SQLITE, POSTGRESQL]
    print(f"  without PostgreSQL: {lacking}", flush=True)
    return [SQLITE]


def _quietly(_: str) -> None:
    """The servers' output at their start is of no use between figures."""


class Stores:
    """A folder for stores; all of it is gone in the end."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="circulation-bench-")))
        # The server of PostgreSQL runs as a user of its own where we are root.
        self.folder.chmod(0o755)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def store(self, kind: str) -> str:
        """The address of a fresh store of this kind."""
        if kind == SQLITE:
            return f"sqlite:///{self.folder}/store.db"
        postgres = self._postgres = Postgres(self.folder / "postgres", tell=_quietly)
        self._stack.callback(postgres.stop)
        postgres.start()
        postgres.drop_database("bench")
        return postgres.create_database("bench")

    def copy(self, kind: str, name: str) -> str:
        """The address of a copy of the store of this kind, which nobody has open; one of this name before is gone."""
        if kind == SQLITE:
            for left in self.folder.glob(f"{name}.db*"):
                left.unlink()
            shutil.copyfile(self.folder / "store.db", self.folder / f"{name}.db")
            return f"sqlite:///{self.folder}/{name}.db"
        self._postgres.drop_database(name)
        return self._postgres.create_database(name, template="bench")


def server_seconds(folder: Path) -> float:
    """The processor time of PostgreSQL's processes over this folder's data so far; 0 where there is none."""
    pid = next((file.read_text().split()[0] for file in folder.glob("postgres/**/postmaster.pid")), None)
    if pid is None:
        return 0.0
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: the state, the parent, ..., user and system time.
            fields = stat.read_text().rpartition(")")[2].split()
            if pid in (fields[1], stat.parent.name):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float | None:
    """CPU time so far of these processes, of all their threads; None where there is no /proc."""
    try:
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    except OSError:
        return None
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def memory_peak_bytes(pids: Iterable[int]) -> int | None:
    """The most memory that these processes ever had, each by itself; None where there is no /proc."""
    try:
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    except OSError:
        return None
    return sum(int(match[1]) * 1024 for status in statuses if (match := re.search(r"VmHWM:\s+(\d+) kB", status)))


class Lab(Stores):
    """Stores, and a broker with topics that are empty."""

    def __enter__(self) -> Self:
        super().__enter__()
        kafka = Kafka(self.folder / "kafka", tell=_quietly)
        self._stack.callback(kafka.stop)
        self.bootstrap = kafka.start(0)
        topics.create(self.bootstrap, PARTITIONS)
        return self

    def send(self, messages: Iterable[Message]) -> int:
        """Sends messages as a producer of any language would (murmur2, lz4); returns when Kafka has them."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "enable.idempotence": True,
                "max.in.flight.requests.per.connection": 1,  # why, says streams/wire/relay.py
                "log_level": 3,
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 200_000,
            }
        )
        count = 0
        for message in messages:
            while True:
                try:
                    producer.produce(message.topic, message.value, message.key)
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
            if count % 1000 == 0:
                producer.poll(0)
        producer.flush()
        return count


class Books:
    """Queries of a store, only by reading."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)

    def progress(self) -> dict[int, int]:
        """The next offset of each partition of the contracts' topic."""
        with self._store.reading() as db:
            return dict(db.rows("select partition, next from progress where topic = ?", CONTRACTS))

    def waiting(self) -> int:
        """How much is still to be judged and to be sent."""
        with self._store.reading() as db:
            row = db.one("select (select count(*) from queue) + (select count(*) from outbox)")
        return int(row[0]) if row else 0

    def standing(self) -> Counter[str]:
        """Standing findings by severity."""
        with self._store.reading() as db:
            return Counter(dict(db.rows("select severity, count(*) from findings where standing group by severity")))

    def standing_by_severity(self, detector: str) -> Counter[str]:
        """Standing findings of a detector by severity."""
        query = "select severity, count(*) from findings where standing and detector = ? group by severity"
        with self._store.reading() as db:
            return Counter(dict(db.rows(query, detector)))

    def raised_since(self, instant: int, detectors: Sequence[str]) -> list[tuple[str, str, int, int]]:
        """(finding, detector, when it occurred, when it was raised) of what these raised from an instant on, µs."""
        with self._store.reading() as db:
            query = "select finding, detector, occurred, raised from findings where raised >= ? and detector = any(?)"
            return [
                (str(row[0]), str(row[1]), int(row[2]), int(row[3])) for row in db.rows(query, instant, list(detectors))
            ]

    def queued(self, priority: int) -> int:
        """How much of a priority is to be judged."""
        with self._store.reading() as db:
            row = db.one("select count(*) from queue where priority = ?", priority)
        return int(row[0]) if row else 0

    def standing_of(self, detector: str) -> int:
        """How many findings of a detector stand."""
        with self._store.reading() as db:
            row = db.one("select count(*) from findings where standing = true and detector = ?", detector)
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Lets go of the store."""
        self._store.close()


class Worker:
    """One `circulation worker`, a process of its own, on a store."""

    def __init__(self, lab: Lab, url: str, name: str, **settings: Any) -> None:
        self._log = lab.folder / f"worker-{name}.log"
        self._web = f"127.0.0.1:{processes.free_port()}"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CIRCULATION_")}
        self._environment = {
            **environ,
            "CIRCULATION_KAFKA": lab.bootstrap,
            "CIRCULATION_STORE": url,
            "CIRCULATION_WEB": self._web,
            **{f"CIRCULATION_{key.upper()}": str(value) for key, value in settings.items()},
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "from streams.cli.main import main; main()", "worker"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if error is not None:
            print(processes.tail(self._log, 30), file=sys.stderr, flush=True)

    def wait(
        self, is_done: Callable[[], bool], expected: str, seconds_max: float, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Waits until something is so. Raises `Stuck` where the worker ends, or it takes too long."""
        until = time.monotonic() + seconds_max
        while not is_done():
            if (code := self._process.poll()) is not None:
                raise Stuck(f"the worker ended with {code} before {expected}")
            if time.monotonic() > until:
                raise Stuck(f"after {seconds_max:.0f} s still not: {expected}")
            time.sleep(poll_seconds)

    def ready(self) -> bool:
        """Whether it says that it has partitions, store and broker."""
        try:
            with urllib.request.urlopen(f"http://{self._web}/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def metrics(self) -> dict[tuple[str, str], float]:
        """All series by (name, labels as they are written)."""
        with urllib.request.urlopen(f"http://{self._web}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return {(name, labels): float(value) for name, labels, value in METRIC.findall(text)}

    def cpu_seconds(self) -> float | None:
        """CPU time so far, of all threads and of the process that judges; None where there is no /proc."""
        return cpu_seconds(self._pids())

    def memory_bytes(self) -> int:
        """The memory that it and the process that judges have now; 0 where there is no /proc."""
        try:
            statuses = [Path(f"/proc/{pid}/status").read_text() for pid in self._pids()]
        except OSError:
            return 0
        return sum(int(match[1]) * 1024 for status in statuses if (match := re.search(r"VmRSS:\s+(\d+) kB", status)))

    def memory_peak_bytes(self) -> int | None:
        """The most memory that it and the process that judges ever had; None where there is no /proc."""
        return memory_peak_bytes(self._pids())

    def _pids(self) -> list[int]:
        """The process, and those that it started."""
        pid = self._process.pid
        pids = [pid]
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread that has ended meanwhile
                pids += map(int, children.read_text().split())
        return pids

    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process, for who wants to look into it."""
        return self._process.pid


@contextlib.contextmanager
def working(lab: Lab, url: str, name: str, **settings: Any) -> Iterator[tuple[Worker, Books]]:
    """A worker that has begun, and the books of its store."""
    with Worker(lab, url, name, **settings) as worker:
        worker.wait(worker.ready, "it is ready", START_SECONDS_MAX, 0.2)
        books = Books(url)
        try:
            yield worker, books
        finally:
            books.close()


def total(metrics: Mapping[tuple[str, str], float], name: str, *labels: str) -> float:
    """The sum of the series of this name that have all these labels (`outcome="taken"`)."""
    return sum(
        value for (metric, text), value in metrics.items() if metric == name and all(part in text for part in labels)
    )
