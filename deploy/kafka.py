"""A real Apache Kafka on loopback: one node in KRaft mode, from Maven coordinates, with a folder of its own.

    with Kafka(Path("state/kafka")) as kafka:
        kafka.bootstrap        # "127.0.0.1:9092"

The jars (about 45 MB) are fetched once and shared by all folders. Not for production: one node holds everything.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy import processes

PORT_DEFAULT = 9092
# The limit of topics out (streams/limits.py): records of 16 MiB (contract §1) with all that is around them.
RECORD_BYTES_MAX = 18 * 1024 * 1024
HEAP = "-Xmx512m"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
INSTALL_SECONDS_MAX = 900.0
START_TRIES_MAX = 3
JAVA_MIN = 17


class KafkaError(Exception):
    """The broker cannot be installed, started or reached; the message says what to do."""


@dataclass(frozen=True)
class Status:
    """How a broker stands: `bootstrap` is where it answers, or would answer again after a start."""

    running: bool
    bootstrap: str | None
    pid: int | None
    version: str
    folder: Path
    log: Path


def say(text: str) -> None:
    """Progress, for a person who waits: on stderr, so that what commands print stays clean."""
    print(text, file=sys.stderr, flush=True)


def missing_tools() -> str | None:
    """The program that the broker lacks on this machine and the command that installs it, or None."""
    packages = [
        package for tool, package in (("java", "default-jre-headless"), ("mvn", "maven")) if not shutil.which(tool)
    ]
    if not packages:
        return None
    return (
        f"Kafka needs Java {JAVA_MIN} or newer and Maven. Install what is missing: apt-get install {' '.join(packages)}"
    )


def version() -> str:
    """The version of Kafka that the pom names."""
    pom = ElementTree.fromstring(_resource("pom.xml"))  # noqa: S314 (our own file, out of the distribution)
    text = pom.findtext("{*}properties/{*}kafka.version")
    if not text:
        raise KafkaError("deploy/broker/pom.xml does not name kafka.version")
    return text


def cache_folder() -> Path:
    """Where the jars of this version are kept: one place for all folders, after the XDG base directories."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "circulation" / f"kafka-{version()}"


def install(tell: Callable[[str], None] = say) -> Path:
    """Fetch the broker's jars unless they are there, and answer with their folder.

    Two that install at once do no harm: one waits for the other, and the folder appears complete or not at all.
    """
    libs = cache_folder()
    if libs.is_dir():
        return libs
    if lacking := missing_tools():
        raise KafkaError(lacking)
    with processes.locked(libs.parent / f".{libs.name}.lock"):
        if libs.is_dir():
            return libs
        tell(f"fetching Kafka {version()} with Maven (once, about 45 MB) ...")
        with tempfile.TemporaryDirectory(prefix=f".{libs.name}.", dir=libs.parent) as scratch:
            pom, jars = Path(scratch, "pom.xml"), Path(scratch, "jars")
            pom.write_bytes(_resource("pom.xml"))
            # -C: a jar whose checksum is wrong is an error, not a warning.
            command = [
                "mvn",
                "-B",
                "-q",
                "-C",
                "-f",
                str(pom),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={jars}",
            ]
            try:
                maven = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=INSTALL_SECONDS_MAX,
                    stdin=subprocess.DEVNULL,
                )
            except subprocess.TimeoutExpired as error:
                raise KafkaError(f"Maven did not fetch Kafka {version()} within {INSTALL_SECONDS_MAX:.0f} s") from error
            if maven.returncode or not jars.is_dir():
                output = (maven.stdout + maven.stderr).strip()[-2000:]
                raise KafkaError(
                    f"Maven could not fetch Kafka {version()} (is a Maven repository in reach?):\n{output}"
                )
            jars.rename(libs)
    return libs


class Kafka:
    """The broker of one folder. Objects come and go; the broker is found again by the folder's `kafka.json`.

    `start` may be called at any time: it starts the broker, finds it running, or brings it back on the same port
    with the same data after `stop` or `kill`.
    """

    def __init__(self, folder: Path | str, tell: Callable[[str], None] = say) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.log = self.folder / "kafka.log"
        self._properties = self.folder / "server.properties"
        self._memory = self.folder / "kafka.json"
        self._tell = tell
        # Kept so that a broker that ended is reaped, when it was started by this very process.
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients.

        Raises:
            KafkaError: if the folder's broker was never started.
        """
        if not (known := self._known()):
            raise KafkaError(f"no Kafka was ever started in {self.folder}: run `circulation kafka start`")
        return f"127.0.0.1:{known['port']}"

    def install(self) -> Path:
        """Fetch the jars unless they are there; see `install` of this module."""
        return install(self._tell)

    def start(self, port: int | None = None) -> str:
        """Start the broker unless it runs, wait until it answers, and say where: `127.0.0.1:9092`.

        Args:
            port: None takes the port it had before, else 9092, else, when that is taken, any free one; 0 the port
                it had before, else any free one; another number is meant, and an error if it is taken.

        Raises:
            KafkaError: with what to do: a tool is missing, the port is taken, the broker ends or stays silent.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with processes.locked(self.folder / ".lock"):
            if self.status().running:
                if port and port != self._known()["port"]:
                    raise KafkaError(f"Kafka already runs at {self.bootstrap}, not at port {port}: stop it first")
                self._tell(f"Kafka already runs at {self.bootstrap}")
                self._wait()
                return self.bootstrap
            if lacking := missing_tools():
                raise KafkaError(lacking)
            libs = self.install()
            for attempt in range(1, START_TRIES_MAX + 1):
                self._choose_ports(port)
                self._format(libs)
                log_begin = processes.size(self.log)
                self._launch(libs)
                try:
                    self._wait()
                except KafkaError:
                    # Somebody took the port between our look and the broker's: look again, unless it was asked for.
                    if port or attempt == START_TRIES_MAX or "in use" not in processes.tail(self.log, 200, log_begin):
                        raise
                    continue
                break
            return self.bootstrap

    def stop(self) -> bool:
        """End the broker in order; False if it was not running. One that takes too long is killed: its data survive."""
        if not (pid := self._pid()):
            return False
        if not self._end(pid, signal.SIGTERM, STOP_SECONDS_MAX):
            self.kill()
        return True

    def kill(self) -> bool:
        """SIGKILL, as a crash would; False if it was not running. `start` brings it back on the same port."""
        if not (pid := self._pid()):
            return False
        return self._end(pid, signal.SIGKILL, STOP_SECONDS_MAX)

    def status(self) -> Status:
        """Whether it runs, where, and where its log is; asks the operating system only."""
        known, pid = self._known(), self._pid()
        return Status(
            running=pid is not None,
            bootstrap=f"127.0.0.1:{known['port']}" if known else None,
            pid=pid,
            version=version(),
            folder=self.folder,
            log=self.log,
        )

    def _known(self) -> dict[str, int]:
        try:
            memory = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        keys = ("pid", "port", "controller_port")
        good = isinstance(memory, dict) and all(isinstance(memory.get(key), int) for key in keys)
        return {key: memory[key] for key in keys} if good else {}

    def _remember(self, known: dict[str, int]) -> None:
        fresh = self._memory.with_suffix(".new")
        fresh.write_text(json.dumps(known))
        fresh.replace(self._memory)

    def _pid(self) -> int | None:
        if self._child:
            self._child.poll()
        pid = self._known().get("pid", 0)
        return pid if pid and processes.is_alive(pid, str(self._properties)) else None

    def _end(self, pid: int, number: signal.Signals, wait_seconds: float) -> bool:
        gone = processes.end(pid, str(self._properties), number, wait_seconds)
        if gone and self._child:
            self._child.wait()
            self._child = None
        return gone

    def _choose_ports(self, wanted: int | None) -> None:
        known = self._known()
        port = wanted or known.get("port") or (PORT_DEFAULT if wanted is None else processes.free_port())
        if not processes.is_free(port):
            if wanted:
                raise KafkaError(f"port {port} is taken by another program: name another one, or stop that program")
            self._tell(f"port {port} is taken by another program; Kafka gets another one")
            port = processes.free_port()
        controller = known.get("controller_port", 0)
        if not controller or controller == port or not processes.is_free(controller):
            controller = processes.free_port(port)
        self._remember({"pid": 0, "port": port, "controller_port": controller})
        text = _resource("server.properties").decode()
        self._properties.write_text(
            text.format(
                port=port, controller_port=controller, data=self.folder / "data", record_bytes_max=RECORD_BYTES_MAX
            )
        )
        (self.folder / "log4j2.properties").write_bytes(_resource("log4j2.properties"))

    def _java(self, libs: Path, *arguments: str) -> list[str]:
        log4j = [f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}", f"-Dcirculation.log={self.log}"]
        return ["java", HEAP, *log4j, "-cp", f"{libs}/*", *arguments]

    def _format(self, libs: Path) -> None:
        """Give the data folder its cluster id, once."""
        if (self.folder / "data" / "meta.properties").is_file():
            return
        # Kafka's own ids are URL-safe base64; one that began with a dash would read as an option.
        cluster = "c" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        command = self._java(libs, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties))
        ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if ran.returncode:
            raise KafkaError(
                f"Kafka cannot prepare {self.folder / 'data'} (needs Java {JAVA_MIN} or newer):\n"
                + (ran.stdout + ran.stderr).strip()[-2000:]
            )

    def _launch(self, libs: Path) -> None:
        command = self._java(libs, "kafka.Kafka", str(self._properties))
        with self.log.open("ab") as log:
            # A session of its own: an interrupt at the terminal is for us, and we stop the broker in order.
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._remember({**self._known(), "pid": self._child.pid})

    def _wait(self) -> None:
        """Wait until the broker answers a client.

        A fresh client each time: one that met a closed port backs off for longer than the broker needs.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._pid() is None:
                raise KafkaError(f"Kafka ended while starting; the end of {self.log}:\n{processes.tail(self.log)}")
            if not processes.is_free(self._known()["port"]):
                try:
                    metadata = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=2)
                    if metadata.brokers:
                        return
                except KafkaException:
                    pass
            time.sleep(0.1)
        raise KafkaError(
            f"Kafka does not answer after {START_SECONDS_MAX:.0f} s; the end of {self.log}:\n{processes.tail(self.log)}"
        )


def _resource(name: str) -> bytes:
    return resources.files("deploy").joinpath("broker", name).read_bytes()
