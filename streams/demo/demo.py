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
import functools
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import click
import orjson
from confluent_kafka import KafkaException

from circulation.calendar import parse_instant
from circulation.events.names import FINDINGS
from circulation.words import many
from deploy import kafka as brokers
from deploy import postgres as servers
from streams import console
from streams import topics as kafka_topics
from streams.demo import chapters, story
from streams.demo import proof as demo_proof
from streams.demo.ear import Ear
from streams.demo.emission import Emission
from streams.demo.folder import MARK, FolderTaken, default_folder, held
from streams.demo.story import Act
from streams.demo.telling import finding, how_to_go_on, name_of, say
from streams.demo.workers import POLL_SECONDS, DemoError, Workers, state
from streams.simulate.market import Market
from streams.store.errors import StoreAway
from streams.store.store import Store
from streams.topics import TOPICS_IN
from streams.wire.emit import EmitError, emit, lines_of_files

WORKERS: Final = 2
# Longer than Kafka takes to see that a worker is gone, and for what came meanwhile.
ACT_SECONDS_MAX: Final = 120.0
JUDGED_SECONDS_MAX: Final = 180.0
EVENTS_DEFAULT: Final = 100_000
# The pace at which a market lasts as long as a person reads the story; a small one, until a worker was killed.
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


def run(folder: Path | None = None, *, keep: bool = False, events: int = EVENTS_DEFAULT) -> int:
    """The demo from beginning to end, with a market of so many events.

    The exit code is 0, 1 where it failed or something was missed, 2 where the folder is another's, 130 after Ctrl-C.
    """
    place = (folder or default_folder()).expanduser().resolve()
    try:
        with held(place), _terminable():
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
        with held(place):
            ran = _Demo(place).sweep()
    except FolderTaken as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    click.echo("stopped" if ran else f"no demo runs in {place}")
    return 0


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


def _quiet(text: str) -> None:
    """For servers whose progress the demo tells in its own words."""


class _Demo:
    """One demo in its folder, which is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = brokers.Kafka(folder / "kafka", brokers.say)
        self.postgres = servers.Postgres(folder / "postgres", _quiet)
        self._workers = Workers(folder)
        self._emission: Emission | None = None
        self._events = 0
        self._sent = 0
        self._shown = time.monotonic()

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
            say(f"\nAll of this took {time.monotonic() - began:.0f} s.")
            kept = keep
            how_to_go_on(self.folder, bootstrap, url, self._workers.running if kept else None)
        finally:
            if self._emission is not None:
                self._emission.end()
            if not kept:
                self.sweep()
        return 0 if good else 1

    def sweep(self) -> bool:
        """Ends every process of this demo, also those of an earlier one, and deletes their data, but not their logs.

        Answers whether any of them ran.
        """
        ran = [self._workers.sweep(), self.postgres.stop(), self.kafka.stop()]
        self.postgres.remove()
        shutil.rmtree(self.kafka.folder / "data", ignore_errors=True)
        for left in (*self.folder.glob("circulation.db*"), self.folder / "env"):
            left.unlink(missing_ok=True)
        return any(ran)

    def _market(self, events: int) -> Market:
        say(f"Making a market of {many(events, 'event')}, in which a few things go wrong ...")
        # The story moves the clock on beyond the market's end.
        market = Market(events=events, until=parse_instant(chapters.END))
        with (self.folder / "market.jsonl").open("wb") as out:
            out.writelines(line + b"\n" for line in market.lines())
        listed = [planted.members() for planted in market.expected()]
        with (self.folder / "market-found.jsonl").open("wb") as out:
            out.writelines(orjson.dumps(finding) + b"\n" for finding in listed)
        say(f"  what must be found in it, {many(len(listed), 'finding')}, is listed beforehand")
        return market

    def _broker(self) -> str:
        say("Starting a Kafka of its own on loopback ...")
        bootstrap = self.kafka.start(0)
        kafka_topics.create(bootstrap)
        say(f"  Kafka {brokers.version()} at {bootstrap}, topics {', '.join(TOPICS_IN)} and those that go out")
        return bootstrap

    def _store(self) -> tuple[str, int]:
        if reason := servers.Postgres.available():
            say(f"The store is SQLite, which serves one worker ({reason}).")
            return f"sqlite:///{self.folder / 'circulation.db'}", 1
        self.postgres.start()
        say("The store is a PostgreSQL of its own, which serves any number of workers.")
        return self.postgres.create_database("circulation"), WORKERS

    def _start(self, bootstrap: str, url: str, count: int) -> None:
        say(f"Starting {count} worker{'s' if count > 1 else ''} ...")
        self._workers.start(bootstrap, url, count)
        for worker in self._workers.running:
            say(f"  worker {worker.number}: process {worker.process.pid}, http://{worker.web}/metrics")

    def _check(self) -> None:
        self._workers.check()
        if self._emission is not None and self._emission.error is not None:
            raise DemoError(f"the market could not be sent: {self._emission.error}")

    def _play(self, bootstrap: str, url: str, store: Store, ear: Ear, market: Market) -> demo_proof.Expected:
        """The story with the market beside it, until everything is judged; answers with what had to come of it."""
        acts = list(story.acts())
        path = self.folder / "story.jsonl"
        path.write_bytes(b"")
        self._events = market.events
        rate = min(EVENTS_A_SECOND, self._events / MARKET_SECONDS_MIN)
        self._emission = Emission(self.folder / "market.jsonl", bootstrap, rate)
        self._emission.start()
        say(
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
        lines = [orjson.dumps(event) for event in act.events]
        with path.open("ab") as out:
            out.writelines(line + b"\n" for line in lines)
        say(f"\n{number + 1}. {act.title}")
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
        if act.raised or act.cleared:
            say(f"   after {seconds:.1f} s:")
        for expected in act.raised:
            finding(ear.standing_of(expected))
        for expected in act.cleared:
            say(f"   cleared  {expected.detector}, {expected.severity}, about {expected.about}")
        if act.party is not None:
            say(f"   credit   {demo_proof.statement_in_words(ear.statements[act.party], name_of(act.party))}")

    def _kill(self, bootstrap: str, url: str, store: Store, ear: Ear) -> None:
        """SIGKILL to the newest worker. SQLite serves one: there another is started in its place."""
        gone = self._workers.running[-1]
        share, whole = state(gone).get("assigned", 0), self._partitions(bootstrap)
        self._workers.kill(gone)
        began = time.monotonic()
        say(
            f"\n!  Worker {gone.number} (process {gone.process.pid}) is killed with SIGKILL in the middle of its work: "
            f"{share} of the {whole} partitions\n   have nobody who reads them, until Kafka has noticed."
        )
        if not self._workers.running:
            self._workers.launch(bootstrap, url, gone.number + 1)
            say(f"   SQLite serves one worker: worker {gone.number + 1} is started in its place")
        self._until(
            lambda: sum(state(worker).get("assigned", 0) for worker in self._workers.running) == whole,
            store,
            ear,
            seconds_max=ACT_SECONDS_MAX,
            why=lambda: "nobody has taken over from the worker that was killed",
        )
        worker = self._workers.running[0]
        say(
            f"   after {time.monotonic() - began:.1f} s worker {worker.number} (process {worker.process.pid}) reads "
            f"all {whole} partitions, from where the store says that reading had come"
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
        say(f"\nAnd the {many(sent.records, 'OpenLineage event')} of {many(len(real), 'real file')}.")

    def _until(
        self,
        condition: Callable[[], bool],
        store: Store,
        ear: Ear,
        *,
        seconds_max: float = JUDGED_SECONDS_MAX,
        why: Callable[[], str] | None = None,
    ) -> None:
        """Waits, and meanwhile listens, watches the workers, and says how far it is. `why` says what is waited for."""
        # A step at the market's pace may take as long as the market.
        deadline = time.monotonic() + seconds_max + MARKET_SECONDS_MIN + self._events / EVENTS_A_SECOND
        while True:
            ear.listen(POLL_SECONDS)
            if condition():
                break
            self._check()
            if time.monotonic() > deadline:
                waited = "" if why is None else f": {why()}"
                raise DemoError(f"this did not come in time{waited}; {self._workers.logs()}")
            self._how_far(store)
        console.status("")

    def _how_far(self, store: Store) -> None:
        """One line that a terminal shows in place; elsewhere a plain line now and then."""
        now = time.monotonic()
        plain = not console.is_terminal(sys.stdout)
        if plain and now - self._shown < TOLD_SECONDS:
            return
        self._shown = now
        try:
            with store.reading() as db:
                taken_in, findings, waiting = demo_proof.so_far(db)
        except StoreAway:
            return
        delay = max((state(worker).get("delay_seconds", 0.0) for worker in self._workers.running), default=0.0)
        sent = self._sent + (self._emission.sent if self._emission is not None else 0)
        text = (
            f"{taken_in:,} of {many(sent, 'event')} taken in, {many(findings, 'finding stands', 'findings stand')},"
            f" {waiting:,} to judge, {delay:.1f} s behind, {many(len(self._workers.running), 'worker')}"
        )
        if plain:
            say(f"   ... {text}")
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
            lowest = demo_proof.lowest_credit(db, PARTIES_SHOWN)
            derivations, runs = demo_proof.derived_by_runs(db)
        say("\nWhat stands at the end, by detector:\n")
        console.table(*demo_proof.by_detector(seen.findings.values()), colour="")
        say("\nThe lowest credit:\n")
        for party, data in lowest:
            say(f"  {demo_proof.statement_in_words(orjson.loads(data), name_of(party))}")
        if _real_files():
            say(f"\nFrom OpenLineage: {many(derivations, 'derivation')}, of {many(runs, 'run')}.")
        say("\nWas anything lost, or counted twice, when the worker was killed?\n")
        good = True
        for text, right in demo_proof.verdicts(expected, seen, ear):
            say(f"  {'✓' if right else '✗ WRONG:'} {text}")
            good = good and right
        return good


def _real_files() -> list[Path]:
    folder = os.environ.get(REAL_DATA)
    return sorted(Path(folder, "openlineage").glob("*_events.json")) if folder else []
