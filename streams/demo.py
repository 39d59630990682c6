"""`circulation demo`: the whole thing on one machine, with a story, and with nothing pretended.

    folder ─ kafka/        a broker of its own, on free ports
           ─ postgres/     where the machine has PostgreSQL, else circulation.db
           ─ worker-N.log  what the workers said
           ─ story.jsonl   what was sent; findings.jsonl what came out

What is shown is read from Kafka and from the store, and held against a replay of the same file.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import click
import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

import streams
from circulation.admission import Admission
from deploy import kafka as brokers
from deploy import postgres as servers
from deploy import processes
from streams import console, story
from streams import topics as kafka_topics
from streams.emit import EmitError, emit, lines_of_files
from streams.replay import Replay, lines_of, offline
from streams.store import Db, Store
from streams.topics import FINDINGS, REJECTED, TOPICS_IN

MARK: Final = ".circulation-demo"
MODULE: Final = "streams.cli"
WORKERS: Final = 2
READY_SECONDS_MAX: Final = 90.0
JUDGED_SECONDS_MAX: Final = 90.0
STOP_SECONDS_MAX: Final = 20.0
READ_SECONDS_MAX: Final = 15.0
POLL_SECONDS: Final = 0.25
# Two looks that find nothing left to do, since a worker may be between two transactions at the first.
CALM_LOOKS: Final = 2
REAL_DATA: Final = "CIRCULATION_TEST_DATA"


class DemoError(Exception):
    """The demo cannot go on; the message says why and where to look."""


class FolderTaken(Exception):
    """The folder is not the demo's to use."""


class Seen(NamedTuple):
    """A record of an output topic, as far as it matters here."""

    value: bytes
    headers: Mapping[str, bytes]


def default_folder() -> Path:
    """Where the demo lives unless it is told otherwise, after the XDG base directories."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "circulation" / "demo"


def run(folder: Path | None = None, *, keep: bool = False) -> int:
    """The demo from beginning to end; the exit code: 0, or 1 where it failed, or 2 where the folder is another's."""
    place = (folder or default_folder()).expanduser().resolve()
    try:
        with _held(place), _terminable():
            return _Demo(place).run(keep=keep)
    except FolderTaken as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    except (DemoError, EmitError, brokers.KafkaError, servers.PostgresError, kafka_topics.TopicsError) as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except KafkaException as error:
        click.echo(f"Error: Kafka: {error}", err=True)
        return 1


def stop(folder: Path | None = None) -> int:
    """Stops what `--keep` left running."""
    place = (folder or default_folder()).expanduser().resolve()
    if not (place / MARK).is_file():
        click.echo(f"no demo in {place}")
        return 0
    try:
        with _held(place):
            _Demo(place).sweep()
    except FolderTaken as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    click.echo("stopped")
    return 0


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder for this demo alone. One that holds something else is left alone: the demo deletes what it made."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise FolderTaken(f"{folder} holds something that is not of the demo: name an empty folder with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderTaken(f"another demo runs in {folder}: name another folder with --folder") from error
        yield


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: in order."""

    def leave(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    click.echo(text)


def _quiet(text: str) -> None:
    """For servers whose progress the demo tells in its own words."""


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    web: str
    log: Path


class _Demo:
    """One demo in its folder, which is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = brokers.Kafka(folder / "kafka", brokers.say)
        self.postgres = servers.Postgres(folder / "postgres", _quiet)
        self._memory = folder / "workers.json"
        self._workers: list[_Worker] = []

    def run(self, *, keep: bool) -> int:
        began = time.monotonic()
        self.sweep()
        kept = False
        try:
            bootstrap = self._broker()
            url, count = self._store()
            store = Store(url)
            try:
                self._start(bootstrap, url, count)
                sent = self._send(bootstrap)
                self._wait_until_judged(bootstrap, store)
                good = self._tell(bootstrap, store, sent)
            finally:
                store.close()
            _say(f"\nAll of this took {time.monotonic() - began:.0f} s.")
            kept = keep
            self._how_to_go_on(bootstrap, url, kept=keep)
        finally:
            if not kept:
                self.sweep()
        return 0 if good else 1

    def sweep(self) -> None:
        """Ends every process of this demo, also those of an earlier one, and deletes their data, but not their logs."""
        for one in self._workers:
            _end(one.process)
        self._workers.clear()
        with contextlib.suppress(OSError, ValueError):
            for pid in json.loads(self._memory.read_text()):
                if not processes.end(int(pid), MODULE, signal.SIGTERM, STOP_SECONDS_MAX):
                    processes.end(int(pid), MODULE, signal.SIGKILL, STOP_SECONDS_MAX)
        self._memory.unlink(missing_ok=True)
        self.postgres.remove()
        self.kafka.stop()
        shutil.rmtree(self.kafka.folder / "data", ignore_errors=True)
        for left in (*self.folder.glob("circulation.db*"), self.folder / "env"):
            left.unlink(missing_ok=True)

    def _broker(self) -> str:
        _say("Starting a Kafka of its own on loopback ...")
        bootstrap = self.kafka.start(0)
        kafka_topics.create(bootstrap)
        _say(f"  Kafka {brokers.version()} at {bootstrap}, topics {', '.join(TOPICS_IN)} and those that go out")
        return bootstrap

    def _store(self) -> tuple[str, int]:
        if reason := servers.Postgres.available():
            _say(f"The store is SQLite, which serves one worker ({reason}).")
            return f"sqlite:///{self.folder / 'circulation.db'}", 1
        self.postgres.start()
        _say("The store is a PostgreSQL of its own, which serves any number of workers.")
        return self.postgres.create_database("circulation"), WORKERS

    def _start(self, bootstrap: str, url: str, count: int) -> None:
        _say(f"Starting {count} worker{'s' if count > 1 else ''} ...")
        ports: list[int] = []
        for number in range(1, count + 1):
            ports.append(processes.free_port(*ports))
            web = f"127.0.0.1:{ports[-1]}"
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
            self._workers.append(_Worker(process, web, log))
            self._memory.write_text(json.dumps([one.process.pid for one in self._workers]))
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not all(_ready(one) for one in self._workers):
            self._check()
            if time.monotonic() > deadline:
                raise DemoError(f"the workers are not ready after {READY_SECONDS_MAX:.0f} s: {self._logs()}")
            time.sleep(POLL_SECONDS)
        for one in self._workers:
            _say(f"  process {one.process.pid}, http://{one.web}/metrics")

    def _check(self) -> None:
        for one in self._workers:
            if one.process.poll() is not None:
                raise DemoError(f"a worker ended; the end of {one.log}:\n{processes.tail(one.log)}")

    def _logs(self) -> str:
        return "see " + ", ".join(str(one.log) for one in self._workers)

    def _send(self, bootstrap: str) -> Path:
        path = self.folder / "story.jsonl"
        real = _real_files()
        with path.open("wb") as out:
            for line in (*story.lines(), *lines_of_files(real)):
                out.write(line + b"\n")
        _say("Sending a story: half a year of licences, derivations and exports among made-up parties ...")
        if real:
            _say(f"  and the OpenLineage events of {len(real)} real files")
        sent = emit(lines_of(path), bootstrap)
        _say(f"  {sent.in_words()}")
        return path

    def _wait_until_judged(self, bootstrap: str, store: Store) -> None:
        deadline = time.monotonic() + JUDGED_SECONDS_MAX
        ends = _ends(bootstrap, TOPICS_IN)
        calm = 0
        while calm < CALM_LOOKS:
            self._check()
            with store.reading() as db:
                left = _left(db, ends)
            calm = 0 if left else calm + 1
            if time.monotonic() > deadline:
                raise DemoError(f"after {JUDGED_SECONDS_MAX:.0f} s there is still left: {left}; {self._logs()}")
            time.sleep(POLL_SECONDS)

    def _tell(self, bootstrap: str, store: Store, sent: Path) -> bool:
        records = _read(bootstrap, FINDINGS)
        with (self.folder / "findings.jsonl").open("wb") as out:
            out.writelines(one.value + b"\n" for one in records)
        sent_out = _standing_of(records)
        with store.reading() as db:
            rows = db.rows("select data from findings where standing order by occurred, finding")
            derivations = db.one("select count(*), count(distinct origin) from derivations where origin like 'run:%'")
        kept = [orjson.loads(row[0]) for row in rows]
        counts = _counts(self._workers)
        _say(
            f"\nTaken in: {counts['taken']} events; {counts['duplicate']} came twice and counted once; "
            f"{_rejections(bootstrap)}."
        )
        if _real_files() and derivations:
            _say(f"From OpenLineage: {derivations[0]} derivations, of {derivations[1]} runs.")
        _say(f"Found, and sent to {FINDINGS}: {len(sent_out)} findings.\n")
        console.findings_table(sorted(sent_out.values(), key=lambda one: (one["occurred"], one["finding"])))
        _say("")
        good = True
        expected = _replayed(sent)
        for where, found in (("the topic", sent_out.values()), ("the store", kept)):
            same = {one["finding"]: _essence(one) for one in found} == expected
            _say(f"{where.capitalize()} holds the findings of a replay of the same file: {'yes' if same else 'NO'}")
            good = good and same
        return good

    def _how_to_go_on(self, bootstrap: str, url: str, *, kept: bool) -> None:
        file, program = shlex.quote(str(self.folder / "story.jsonl")), _program()
        _say("\nTo go on:")
        _say(f"  {program} replay {file}      the same without Kafka, in a second")
        _say(f"  {program} rules show      the rules that were in force")
        if not kept:
            _say(f"  {program} demo --keep      the same, and everything stays up")
            return
        env = self.folder / "env"
        env.touch(mode=0o600)  # it holds the store's password
        settings = {"CIRCULATION_KAFKA": bootstrap, "CIRCULATION_STORE": url, "CIRCULATION_CLOCK": "events"}
        env.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))
        _say("Everything stays up:")
        for one in self._workers:
            _say(f"  http://{one.web}/metrics      and /ready, of process {one.process.pid}; its log: {one.log}")
        _say(f"  . {shlex.quote(str(env))}      then {program} findings, emit, rules publish ... work on this demo")
        where = "" if self.folder == default_folder().resolve() else f" --folder {shlex.quote(str(self.folder))}"
        _say(f"  {program} demo --stop{where}      ends it")


def _program() -> str:
    return "circulation" if shutil.which("circulation") else f"{shlex.quote(sys.executable)} -m {MODULE}"


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


def _get(one: _Worker, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{one.web}{path}", timeout=5) as answer:
        body: bytes = answer.read()
        return body


def _ready(one: _Worker) -> bool:
    try:
        _get(one, "/ready")
    except (urllib.error.URLError, OSError):
        return False
    return True


def _counts(workers: Sequence[_Worker]) -> dict[str, int]:
    """Events by outcome, over all workers, from what they expose."""
    found = {"taken": 0, "duplicate": 0}
    for one in workers:
        for family in text_string_to_metric_families(_get(one, "/metrics").decode()):
            for sample in family.samples:
                if sample.name == "circulation_events_total":
                    found[sample.labels["outcome"]] += int(sample.value)
    return found


def _real_files() -> list[Path]:
    folder = os.environ.get(REAL_DATA)
    return sorted(Path(folder, "openlineage").glob("*_events.json")) if folder else []


@contextlib.contextmanager
def _consumer(bootstrap: str) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "circulation-demo", "enable.auto.commit": False})
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(bootstrap: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """Where each partition ends now."""
    with _consumer(bootstrap) as consumer:
        return _ends_by(consumer, topics)


def _ends_by(consumer: Consumer, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for topic in topics:
        for number in consumer.list_topics(topic, timeout=READ_SECONDS_MAX).topics[topic].partitions:
            partition = TopicPartition(topic, number)
            found[topic, number] = consumer.get_watermark_offsets(partition, timeout=READ_SECONDS_MAX)[1]
    return found


def _read(bootstrap: str, topic: str) -> list[Seen]:
    """All records of a topic, each partition in its order."""
    found: list[Seen] = []
    with _consumer(bootstrap) as consumer:
        ends = _ends_by(consumer, [topic])
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for _, number in ends])
        left = sum(ends.values())  # the topic is as old as this demo, so that nothing is gone from its beginning
        deadline = time.monotonic() + READ_SECONDS_MAX
        while len(found) < left:
            if time.monotonic() > deadline:
                raise DemoError(f"{topic} could not be read to its end")
            for record in consumer.consume(1_000, timeout=0.5):
                if record.error() is None:
                    found.append(Seen(record.value() or b"", _headers(record)))
    return found


def _headers(record: Message) -> dict[str, bytes]:
    pairs: Any = record.headers() or ()  # the library's type allows more than it gives
    return {name: value or b"" for name, value in pairs}


def _left(db: Db, ends: Mapping[tuple[str, int], int]) -> str:
    """What the workers have still to do, in words; empty where nothing."""
    next_ = {(topic, number): at for topic, number, at in db.rows("select topic, partition, next from progress")}
    unread = sum(max(0, end - next_.get(one, 0)) for one, end in ends.items())
    (queued,) = db.one("select count(*) from queue") or (0,)
    (unsent,) = db.one("select count(*) from outbox") or (0,)
    (clock,) = db.one("select max(time_max) from progress") or (None,)
    (due,) = db.one("select count(*) from deadlines where due < ?", clock or 0) or (0,)
    counts = {"records to read": unread, "items to judge": queued, "messages to send": unsent, "deadlines": due}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _standing_of(records: Sequence[Seen]) -> dict[str, dict[str, Any]]:
    """The findings that stand after all that was sent, by id. The same event twice is one."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        event = orjson.loads(record.value)
        data = event["data"]
        if event["type"] == "circulation.finding.raised":
            found[data["finding"]] = data
        else:
            found.pop(data["finding"], None)
    return found


def _rejections(bootstrap: str) -> str:
    records = _read(bootstrap, REJECTED)
    if not records:
        return "none rejected"
    first = records[0].headers
    reason, detail = (first.get(name, b"").decode(errors="replace") for name in ("reason", "detail"))
    return f"{len(records)} rejected ({reason}: {detail})" + (" and others" if len(records) > 1 else "")


def _essence(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding without what may differ between runs (contract §4)."""
    return {name: value for name, value in finding.items() if name not in ("revision", "sectors")}


def _replayed(path: Path) -> dict[str, dict[str, Any]]:
    """The standing findings of a replay, by id."""
    store = Store("sqlite://")
    try:
        Replay(offline(store, None), Admission()).run(lines_of(path))
        with store.reading() as db:
            rows = db.rows("select data from findings where standing")
    finally:
        store.close()
    return {one["finding"]: _essence(one) for one in (orjson.loads(row[0]) for row in rows)}
