"""`circulation demo`: the whole thing on one machine, with a story, a market beside it, and nothing pretended.

    folder ─ kafka/               a broker of its own, on free ports
           ─ postgres/            where the machine has PostgreSQL, else circulation.db
           ─ worker-N.log         what the workers said
           ─ story.jsonl          what was sent; market.jsonl: what was sent beside it
           ─ market-found.jsonl   what must be found in the market; findings.jsonl: what came out

The story is told act by act: each act is sent, and the next one waits until what must come of it has come out of Kafka.
One of the workers is killed on the way. At the end the store is held against what was sent and what had to be found.
"""

import contextlib
import fcntl
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import click
import orjson
from confluent_kafka import KafkaException

import streams
from circulation.calendar import parse_instant
from deploy import kafka as brokers
from deploy import postgres as servers
from deploy import processes
from streams import console, demo_proof, story
from streams import topics as kafka_topics
from streams.demo_ear import Ear
from streams.emit import EmitError, emit, lines_of_files
from streams.replay import lines_of
from streams.simulate.market import Market
from streams.store import Store, StoreAway
from streams.story import Act
from streams.topics import FINDINGS, TOPICS_IN

MARK: Final = ".circulation-demo"
MODULE: Final = "streams.cli"
WORKERS: Final = 2
READY_SECONDS_MAX: Final = 90.0
# Longer than Kafka takes to see that a worker is gone, and for what came meanwhile.
ACT_SECONDS_MAX: Final = 120.0
JUDGED_SECONDS_MAX: Final = 180.0
STOP_SECONDS_MAX: Final = 20.0
POLL_SECONDS: Final = 0.25
EVENTS_DEFAULT: Final = 100_000
# What makes the market last as long as a person reads the story; and a small one until after a worker is killed.
EVENTS_A_SECOND: Final = 2_200
MARKET_SECONDS_MIN: Final = 12.0
# The act after which a worker is killed.
KILLED_AFTER: Final = 3
# Lines about how far it is, where nobody looks at a terminal.
TOLD_SECONDS: Final = 10.0
PARTIES_SHOWN: Final = 5
# Two looks that find nothing left to do, since a worker may be between two transactions at the first.
CALM_LOOKS: Final = 2
REAL_DATA: Final = "CIRCULATION_TEST_DATA"


class DemoError(Exception):
    """The demo cannot go on; the message says why and where to look."""


class FolderTaken(Exception):
    """The folder is not the demo's to use."""


def default_folder() -> Path:
    """Where the demo lives unless it is told otherwise, after the XDG base directories."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "circulation" / "demo"


def run(folder: Path | None = None, *, keep: bool = False, events: int = EVENTS_DEFAULT) -> int:
    """The demo from beginning to end, with a market of so many events.

    The exit code is 0, 1 where it failed or something was missed, 2 where the folder is another's, 130 after Ctrl-C.
    """
    place = (folder or default_folder()).expanduser().resolve()
    try:
        with _held(place), _terminable():
            return _Demo(place).run(keep=keep, events=events)
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
    """SIGTERM and Ctrl-C end the demo in order, also where a shell has its children ignore interrupts."""

    def leave(number: int, _: object) -> NoReturn:
        for again in before:
            signal.signal(again, signal.SIG_IGN)  # what is being cleaned up is not left half done
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    click.echo(text)


def _quiet(text: str) -> None:
    """For servers whose progress the demo tells in its own words."""


def _name(party: str) -> str:
    return story.NAMES.get(party, party)


def _finding(finding: Mapping[str, Any]) -> None:
    """One finding, as it came out of Kafka: what, why, by which law, and who is told."""
    evidence = console.in_words(finding["evidence"])
    law = ", ".join(finding["legal_basis"])
    told = ", ".join(finding["sectors"])
    console.marked(finding["severity"], f"{finding['detector']} about {finding['about']['id']}", finding["summary"])
    for heading, text in (("evidence", evidence), ("by", law), ("told", told)):
        if text:
            console.note(f"{heading}: {text}")


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    web: str
    log: Path
    number: int


class _Emission(threading.Thread):
    """Sends a file beside everything else, at a steady pace; `sent` says how far it is."""

    def __init__(self, path: Path, bootstrap: str, rate: float) -> None:
        super().__init__(daemon=True)
        self._file, self._kafka, self._rate = path, bootstrap, rate
        self._over = threading.Event()
        self.sent = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """The thread's work: an error is kept for who waits."""
        try:
            emit(self._lines(), self._kafka, rate=self._rate)
        except Exception as error:
            self.error = error

    def _lines(self) -> Iterator[bytes]:
        for line in lines_of(self._file):
            if self._over.is_set():
                return
            yield line
            self.sent += 1

    def end(self) -> None:
        """Stops sending, and waits until what was read is sent."""
        self._over.set()
        if self.is_alive():
            self.join(STOP_SECONDS_MAX)


class _Demo:
    """One demo in its folder, which is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = brokers.Kafka(folder / "kafka", brokers.say)
        self.postgres = servers.Postgres(folder / "postgres", _quiet)
        self._memory = folder / "workers.json"
        self._workers: list[_Worker] = []
        self._emission: _Emission | None = None
        self._events = 0
        self._sent = 0
        self._told = time.monotonic()

    def run(self, *, keep: bool, events: int) -> int:
        began = time.monotonic()
        self.sweep()
        kept = False
        try:
            market = self._market(events)
            bootstrap = self._broker()
            url, count = self._store()
            store = Store(url)
            try:
                self._start(bootstrap, url, count)
                with Ear(bootstrap) as ear:
                    proof = self._play(bootstrap, url, store, ear, market)
                good = self._tell(store, ear, proof)
            finally:
                store.close()
            _say(f"\nAll of this took {time.monotonic() - began:.0f} s.")
            kept = keep
            self._how_to_go_on(bootstrap, url, kept=keep)
        finally:
            if self._emission is not None:
                self._emission.end()
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

    def _market(self, events: int) -> Market:
        _say(f"Making a market of {events:,} events, in which a few things go wrong ...")
        # The story moves the clock on beyond the market's end.
        market = Market(events=events, until=parse_instant(story.END))
        with (self.folder / "market.jsonl").open("wb") as out:
            out.writelines(line + b"\n" for line in market.lines())
        listed = [one.members() for one in market.expected()]
        with (self.folder / "market-found.jsonl").open("wb") as out:
            out.writelines(orjson.dumps(one) + b"\n" for one in listed)
        _say(f"  what must be found in it, {len(listed)} findings, is listed beforehand")
        return market

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
        for number in range(1, count + 1):
            self._launch(bootstrap, url, number)
        self._await_ready()
        for one in self._workers:
            _say(f"  worker {one.number}: process {one.process.pid}, http://{one.web}/metrics")

    def _launch(self, bootstrap: str, url: str, number: int) -> None:
        web = f"127.0.0.1:{processes.free_port(*(int(one.web.rpartition(':')[2]) for one in self._workers))}"
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
        self._workers.append(_Worker(process, web, log, number))
        self._memory.write_text(json.dumps([one.process.pid for one in self._workers]))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not all(_state(one).get("ready") for one in self._workers):
            self._check()
            if time.monotonic() > deadline:
                raise DemoError(f"the workers are not ready after {READY_SECONDS_MAX:.0f} s: {self._logs()}")
            time.sleep(POLL_SECONDS)

    def _check(self) -> None:
        for one in self._workers:
            if one.process.poll() is not None:
                raise DemoError(f"a worker ended; the end of {one.log}:\n{processes.tail(one.log)}")
        if self._emission is not None and self._emission.error is not None:
            raise DemoError(f"the market could not be sent: {self._emission.error}")

    def _logs(self) -> str:
        return "see " + ", ".join(str(one.log) for one in self._workers)

    def _play(self, bootstrap: str, url: str, store: Store, ear: Ear, market: Market) -> demo_proof.Expected:
        """The story with the market beside it, until everything is judged; answers with what had to come of it."""
        acts = list(story.acts())
        path = self.folder / "story.jsonl"
        path.write_bytes(b"")
        self._events = market.events
        rate = min(EVENTS_A_SECOND, self._events / MARKET_SECONDS_MIN)
        self._emission = _Emission(self.folder / "market.jsonl", bootstrap, rate)
        self._emission.start()
        _say(
            f"\nThe market is sent beside the story, {rate:,.0f} events a second at most.\n"
            f"Each act goes on when what must come of it has come out of Kafka, on {FINDINGS}."
        )
        for number, act in enumerate(acts):
            # The acts are spread over the time that the market takes.
            self._until(functools.partial(self._shared, number / len(acts)), store, ear)
            self._act(number, act, bootstrap, path, store, ear)
            if number == KILLED_AFTER:
                self._kill(bootstrap, url, store, ear)
        self._pipelines(bootstrap, path)
        self._until(lambda: not self._sending(), store, ear)
        self._until_judged(bootstrap, store, ear)
        return demo_proof.expected(path, market)

    def _sending(self) -> bool:
        return self._emission is not None and self._emission.is_alive()

    def _shared(self, share: float) -> bool:
        return self._emission is None or self._emission.sent >= share * self._events or not self._sending()

    def _act(self, number: int, act: Act, bootstrap: str, path: Path, store: Store, ear: Ear) -> None:
        lines = [orjson.dumps(one) for one in act.events]
        with path.open("ab") as out:
            out.writelines(line + b"\n" for line in lines)
        _say(f"\n{number + 1}. {act.title}")
        console.paragraph(act.prose)
        emit(lines, bootstrap)
        self._sent += len(lines)
        began = time.monotonic()
        self._until(
            lambda: not ear.lacks(act),
            store,
            ear,
            seconds_max=ACT_SECONDS_MAX,
            why=lambda: f"act {number + 1} lacks {', '.join(ear.lacks(act))}",
        )
        seconds = time.monotonic() - began
        if act.found or act.cleared:
            _say(f"   after {seconds:.1f} s:")
        for one in act.found:
            _finding(ear.standing_of(one))
        for one in act.cleared:
            _say(f"   cleared  {one.detector}, {one.severity}, about {one.about}")
        if act.party is not None:
            _say(f"   credit   {demo_proof.statement_in_words(ear.statements[act.party], _name(act.party))}")

    def _kill(self, bootstrap: str, url: str, store: Store, ear: Ear) -> None:
        """SIGKILL to the newest worker. SQLite serves one: there another is started in its place."""
        gone = self._workers.pop()
        share, whole = _state(gone).get("assigned", 0), self._partitions(bootstrap)
        gone.process.kill()
        gone.process.wait()
        began = time.monotonic()
        _say(
            f"\n!  Worker {gone.number} (process {gone.process.pid}) is killed with SIGKILL in the middle of its work: "
            f"{share} of the {whole} partitions\n   have nobody who reads them, until Kafka has noticed."
        )
        if not self._workers:
            self._launch(bootstrap, url, gone.number + 1)
            _say(f"   SQLite serves one worker: worker {gone.number + 1} is started in its place")
        self._memory.write_text(json.dumps([one.process.pid for one in self._workers]))
        self._until(
            lambda: sum(_state(one).get("assigned", 0) for one in self._workers) == whole,
            store,
            ear,
            seconds_max=ACT_SECONDS_MAX,
            why=lambda: "nobody has taken over from the worker that was killed",
        )
        one = self._workers[0]
        _say(
            f"   after {time.monotonic() - began:.1f} s worker {one.number} (process {one.process.pid}) reads all "
            f"{whole} partitions, from where the store says that reading had come"
        )

    @staticmethod
    def _partitions(bootstrap: str) -> int:
        return len(demo_proof.ends(bootstrap, TOPICS_IN))

    def _pipelines(self, bootstrap: str, path: Path) -> None:
        """Events of pipelines that really ran, where a folder has them."""
        if not (real := _real_files()):
            return
        lines = list(lines_of_files(real))
        with path.open("ab") as out:
            out.writelines(line + b"\n" for line in lines)
        sent = emit(lines, bootstrap)
        self._sent += sent.records
        _say(f"\nAnd the {sent.records} OpenLineage events of {len(real)} real files.")

    def _until(
        self,
        met: Callable[[], bool],
        store: Store,
        ear: Ear,
        *,
        seconds_max: float = JUDGED_SECONDS_MAX,
        why: Callable[[], str] | None = None,
    ) -> None:
        """Waits, and meanwhile listens, watches the workers, and says how far it is. `why` says what is waited for."""
        # What goes with the market's pace may take as long as the market.
        deadline = time.monotonic() + seconds_max + MARKET_SECONDS_MIN + self._events / EVENTS_A_SECOND
        while True:
            ear.listen(POLL_SECONDS)
            if met():
                break
            self._check()
            if time.monotonic() > deadline:
                waited = "" if why is None else f": {why()}"
                raise DemoError(f"this did not come in time{waited}; {self._logs()}")
            self._how_far(store)
        console.status("")

    def _how_far(self, store: Store) -> None:
        """One line that a terminal shows in place; elsewhere a plain line now and then."""
        now = time.monotonic()
        plain = not console.is_terminal(sys.stdout)
        if plain and now - self._told < TOLD_SECONDS:
            return
        self._told = now
        try:
            with store.reading() as db:
                taken, findings, waiting = demo_proof.so_far(db)
        except StoreAway:
            return
        delay = max((_state(one).get("delay_seconds", 0.0) for one in self._workers), default=0.0)
        sent = self._sent + (self._emission.sent if self._emission is not None else 0)
        text = (
            f"{taken:,} of {sent:,} events taken in, {findings:,} findings stand, {waiting:,} to judge, "
            f"{delay:.1f} s behind, {len(self._workers)} worker{'s' if len(self._workers) != 1 else ''}"
        )
        if plain:
            _say(f"   ... {text}")
        else:
            console.status(text)

    def _until_judged(self, bootstrap: str, store: Store, ear: Ear) -> None:
        ends = demo_proof.ends(bootstrap, TOPICS_IN)
        left, calm = "", 0

        def still() -> bool:
            nonlocal left, calm
            with store.reading() as db:
                left = demo_proof.left(db, ends)
            calm = 0 if left else calm + 1
            return calm >= CALM_LOOKS

        self._until(still, store, ear, why=lambda: f"there is still left: {left}")
        ear.listen_to_the_end()

    def _tell(self, store: Store, ear: Ear, expected: demo_proof.Expected) -> bool:
        with (self.folder / "findings.jsonl").open("wb") as out:
            out.writelines(value + b"\n" for value in ear.values)
        with store.reading() as db:
            seen = demo_proof.seen(db)
            lowest = db.rows("select party, data from statements order by score, party limit ?", PARTIES_SHOWN)
            derivations = db.one("select count(*), count(distinct origin) from derivations where origin like 'run:%'")
        _say("\nWhat stands at the end, by detector:\n")
        console.table(*demo_proof.by_detector(seen.findings.values()), colour="")
        _say("\nThe lowest credit:\n")
        for party, data in lowest:
            _say(f"  {demo_proof.statement_in_words(orjson.loads(data), _name(party))}")
        if _real_files() and derivations:
            _say(f"\nFrom OpenLineage: {derivations[0]} derivations, of {derivations[1]} runs.")
        _say("\nWas anything lost, or counted twice, when the worker was killed?\n")
        good = True
        for text, right in demo_proof.verdicts(expected, seen, ear):
            _say(f"  {'✓' if right else '✗ WRONG:'} {text}")
            good = good and right
        return good

    def _how_to_go_on(self, bootstrap: str, url: str, *, kept: bool) -> None:
        program = _program()
        lines = [
            (f"{program} replay {self._quoted('story.jsonl')}", "the story again, without Kafka, in a second"),
            (f"{program} replay {self._quoted('market.jsonl')} --until {story.END}", "the market, in some seconds"),
            (f"less {self._quoted('market-found.jsonl')}", "what had to be found in it"),
            (f"less {self._quoted('findings.jsonl')}", f"what came out of {FINDINGS}"),
            (f"{program} rules show", "the rules that were in force"),
        ]
        _say("\nTo go on:")
        if not kept:
            lines.append((f"{program} demo --keep", "the same, and everything stays up (make demo KEEP=1)"))
            _listed(lines)
            return
        env = self.folder / "env"
        env.touch(mode=0o600)  # it holds the store's password
        settings = {"CIRCULATION_KAFKA": bootstrap, "CIRCULATION_STORE": url, "CIRCULATION_CLOCK": "events"}
        env.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))
        _listed(lines)
        _say("Everything stays up:")
        _listed(
            [
                (f"http://{one.web}/metrics", f"and /ready, of process {one.process.pid}; its log: {one.log}")
                for one in self._workers
            ]
        )
        where = "" if self.folder == default_folder().resolve() else f" --folder {shlex.quote(str(self.folder))}"
        _listed(
            [
                (f". {self._quoted('env')}", "first: broker and store of this demo, for what follows"),
                (f"{program} findings --severity red", "what stands; with the beginning of an id: why, by which law"),
                (f"{program} trace insurance-risk-scores", "the way from the scores to the genome archive"),
                (f"{program} credit {story.NAVIGATION} --as-of {story.END}", "the score, and all that made it"),
                (f"{program} cases --state open", "what officials have to look at"),
                (f"{program} worker", "one more worker; set CIRCULATION_WEB to a free port"),
                (f"{program} demo --stop{where}", "ends it"),
            ]
        )

    def _quoted(self, name: str) -> str:
        return shlex.quote(str(self.folder / name))


def _listed(lines: Sequence[tuple[str, str]]) -> None:
    """Commands, each with what it is for below it, so that they can be taken with the mouse."""
    for command, what in lines:
        _say(f"  {command}\n      {what}")


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


def _state(one: _Worker) -> dict[str, Any]:
    """What a worker answers to /ready; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{one.web}/ready", timeout=5) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (urllib.error.URLError, OSError):
        return {}
    try:
        found: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found


def _real_files() -> list[Path]:
    folder = os.environ.get(REAL_DATA)
    return sorted(Path(folder, "openlineage").glob("*_events.json")) if folder else []
