"""A worker: takes in fetches, judges, relays, moves the horizon on. Threads around one engine; the store is the truth.

Nothing that an event holds can stop it, a store or a broker that is away only makes it wait, and whatever is in doubt
is read anew from the store's positions. It makes its rooms, hands each what it needs of the others, and runs them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

import detectors
from circulation.admission.admission import Admission
from circulation.admission.reasons import Reason
from circulation.admission.sources import Sources
from streams.breaker import Breaker, Limits
from streams.engine import Engine
from streams.facts.rulebook import start
from streams.feeds.homing import Homing
from streams.feeds.retention import Retention
from streams.findings.entry import Change
from streams.health import store_clock
from streams.health.clock import BROKER, DATABASE, Asking, Clock
from streams.health.workers import Differs, Heart, Replaced
from streams.judging.mark import Mark
from streams.settings import Settings
from streams.store import schema_version
from streams.store.errors import StoreAway
from streams.store.schema_version import StoreNewer
from streams.store.store import Store
from streams.wire.broker import Broker
from streams.wire.reader import TP, Fetch, Reader
from streams.worker.assignment import Assignment, Stale
from streams.worker.condition import Condition
from streams.worker.faults import Faults
from streams.worker.gauges import Gauges
from streams.worker.horizon import Horizon
from streams.worker.judge import WorkersJudge
from streams.worker.life import Life
from streams.worker.losses import Losses
from streams.worker.membership import Membership
from streams.worker.meter import Meter
from streams.worker.partitions import PartitionWatch
from streams.worker.pruning import Pruning
from streams.worker.pulling import Pulling
from streams.worker.pulse import pulse_of_kafka, pulse_of_store
from streams.worker.registry import Metrics
from streams.worker.retry import backoff, passing
from streams.worker.sending import Sending
from streams.worker.taking import Taking
from streams.worker.watch import WATCH_SECONDS, Watch

log = logging.getLogger("circulation")

T = TypeVar("T")


class Worker:
    """One worker. `take`, `pull`, `assigned` and `positions` are Faust's side; the rest are its threads and pages."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        rules = detectors.RULES
        default, name = start(settings, rules)
        # On PostgreSQL the judge is a process of its own, with its own mark.
        beside = store.beside(".judging")
        mark = None if beside is None else Mark.at(beside)
        self.engine = Engine(store, default, name=name, desks_max=settings.cache_contracts_max, mark=mark)
        sources = None if settings.sources is None else Sources.parse(Path(settings.sources).read_bytes())
        voices = settings.voices()
        self.reader = Reader(settings.kafka, records_max=settings.fetch_records_max)
        self.broker = Broker(settings.kafka)
        self.homing = Homing()
        self.engine.intake.home, self.engine.intake.earlier = self.homing.home, self.homing.earlier
        self.clock = Clock(settings, store, (BROKER, DATABASE) if store.postgres else (BROKER,))
        store.clock, store.voices = self.clock.now, voices
        self.faults = Faults()
        self.life = Life(self.faults)
        metrics = Metrics(CollectorRegistry(), detectors=rules, reasons=Reason)
        limits = Limits(settings.breaker_percent, settings.breaker_looks_min, settings.breaker_seconds)
        self.meter = Meter(metrics, Breaker(limits), self.clock, rules.values())
        self.sending = Sending(store, settings.kafka, self.life, metrics)
        self.judge = WorkersJudge(settings, self.engine, self.clock, self.life, self.faults, self.meter, self.sending)
        self.assignment = Assignment(self.engine, self.reader, self.broker, self.homing, self.clock, self._changed)
        self.pulling = Pulling(self.reader, self.assignment)
        self.taking = Taking(
            self.engine,
            Admission(sources, voices),
            self.clock,
            self.assignment,
            self.homing,
            self.meter,
            self.sending.wake,
        )
        self.horizon = Horizon(
            self.engine, self.broker, self.clock, self.judge, skew_max=settings.clock_skew_seconds * 1_000_000
        )
        self.gauges = Gauges(
            self.engine, self.assignment, self.clock, self.faults, self.meter, pause_seconds=WATCH_SECONDS
        )
        self.membership = Membership(store, self.broker)
        retention = Retention(settings.kafka, retention_days=settings.topic_retention_days, clock=self.clock.now)
        self.partitions = PartitionWatch(
            self.engine,
            self.reader,
            self.broker,
            self.homing,
            self.clock,
            assignment=self.assignment,
            pulling=self.pulling,
            retention=retention,
            gauges=self.gauges,
            metrics=metrics,
            faults=self.faults,
        )
        self.watch = Watch(
            store=store,
            reader=self.reader,
            broker=self.broker,
            life=self.life,
            faults=self.faults,
            judge=self.judge,
            sending=self.sending,
            membership=self.membership,
            partitions=self.partitions,
            losses=Losses(self.engine, self.broker, self.clock, self.assignment, self._changed),
            gauges=self.gauges,
        )
        self.pruning = Pruning(store, settings, rules, self.engine.known)
        self.store_pulse, self.kafka_pulse = pulse_of_store(store), pulse_of_kafka(Broker(settings.kafka))
        self.condition = Condition(
            settings=settings,
            engine=self.engine,
            reader=self.reader,
            homing=self.homing,
            clock=self.clock,
            life=self.life,
            faults=self.faults,
            meter=self.meter,
            sending=self.sending,
            judge=self.judge,
            assignment=self.assignment,
            pulling=self.pulling,
            membership=self.membership,
            retention=retention,
            gauges=self.gauges,
            partitions=self.partitions,
            watch=self.watch,
            store_pulse=self.store_pulse,
            kafka_pulse=self.kafka_pulse,
        )
        self.heart = Heart(
            store, self.engine.rulebook, pack=name, shipped=default.digest, says=self.condition.sentences
        )
        # One thread each: a connection of the store belongs to a thread.
        self._take_thread = ThreadPoolExecutor(1, "take")
        self._pull_thread = ThreadPoolExecutor(1, "pull")

    def _changed(self, changes: Iterable[Change]) -> None:
        """Counts findings that were raised or cleared beside a fetch, and has them sent."""
        self.meter.changed(changes)
        self.sending.wake()

    # Faust's side.

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, call: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, call, *values)

    async def pull(self) -> list[Fetch]:
        """The next fetches, one a topic; assigns anew first where something is in doubt."""
        if self.assignment.doubted:
            await self.assigned(self.assignment.requested)
        return await self._in(self._pull_thread, self.pulling.pull)

    async def assigned(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Reads the store's positions of these partitions and assigns the reader there. Waits for the store."""
        wanted = set(partitions)
        attempt = 0
        while True:
            try:
                positions = await self._in(self._take_thread, self.assignment.assign, wanted)
            except Exception as error:
                self.faults.store_up = not isinstance(error, StoreAway)
                if isinstance(error, KafkaException):
                    self.broker.renew()
                self.faults.say("assigning", error)
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                if self.life.stop.is_set():
                    return {}
                continue
            if wanted:
                self.faults.store_up = True
            self.faults.done("assigning")
            return positions

    def positions(self) -> Mapping[TP, int]:
        """Where reading goes on, as far as it is committed."""
        return dict(self.assignment.positions)

    async def take(self, fetch: Fetch) -> None:
        """Takes in a fetch. Never raises: waits for the store, and reads anew whatever is in doubt."""
        attempt = 0
        while not self.life.stop.is_set():
            if fetch.generation != self.reader.generation:
                self.assignment.doubt()
                return
            try:
                outcome = await self._in(self._take_thread, self.taking.take, fetch)
            except Stale:
                self.assignment.doubt()
                return
            except Exception as error:
                if not passing(error) and not await self._in(self._take_thread, self._moved_on):
                    if self.faults.say("taking in", error):
                        log.exception("a fetch of %s failed; its records are taken one by one", fetch.topic)
                    try:
                        await self._in(self._take_thread, self.taking.one_by_one, fetch)
                        self.faults.store_waited_for = False
                        self.faults.done("taking in")
                        self.judge.came()
                        self.sending.wake()
                        return
                    except Stale:
                        self.assignment.doubt()
                        return
                    except Exception as again:
                        error = again
                # Nothing that came is at fault: it waits, as long as it takes.
                self.faults.store_waited_for = isinstance(error, StoreAway)
                self.faults.failed("taking in", error)
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                continue
            self.faults.store_waited_for = False
            self.faults.store_up = True
            self.faults.done("taking in")
            if outcome.queued or outcome.changes:
                self.judge.came()
            if outcome.changes or outcome.rejections:
                self.sending.wake()
            return

    def _moved_on(self) -> bool:
        """Whether the schema is a newer one by now: what failed failed for that, and waits for the end."""
        try:
            with self.store.reading() as db:
                schema_version.check(db, self.store.place)
        except StoreNewer as newer:
            self.life.refuse(str(newer))
            return True
        except StoreAway:
            return True
        return False

    # Its threads.

    def start(self) -> None:
        """Starts judging, relaying and watching."""
        forever = self.life.forever
        for name, body in (
            ("judge", self.judge.run),
            ("relay", self.sending.run),
            ("horizon", lambda: forever(self.horizon.step, "moving the horizon on")),
            ("watch", lambda: forever(self.watch.step, "watching")),
            ("clock", self._ask_clocks),
            ("heart", lambda: forever(self._beat, "saying that it lives")),
            ("prune", lambda: forever(self._prune, "forgetting what is old")),
            ("store pulse", lambda: self.store_pulse.run(self.life.stop)),
            ("kafka pulse", lambda: self.kafka_pulse.run(self.life.stop)),
        ):
            self.life.start(name, body)

    def end(self) -> None:
        """Has everything come to its end, and waits for nothing: what is begun is done, and nothing more is taken."""
        self.life.stop.set()
        self.judge.end()
        self.sending.wake()

    def stop(self) -> None:
        """Lets the threads end what they are at."""
        self.end()
        self.life.join()
        self.heart.end()
        self.close()

    def close(self) -> None:
        """Leaves the broker; for who took in by this worker without starting it."""
        self._take_thread.shutdown()
        self._pull_thread.shutdown()
        self.reader.close()

    def _beat(self) -> float:
        """Says that this worker lives; ends it where it may not go on beside the others."""
        try:
            return self.heart.beat()
        except (Differs, Replaced, StoreNewer) as refused:
            self.life.refuse(str(refused))
            self.life.stop.wait()
            return 0.0

    def _ask_clocks(self) -> None:
        asking = Asking(self.clock, self.store, self.settings.kafka, self.settings.web)
        self.life.forever(asking.step, "asking what time it is")

    def _prune(self) -> float:
        # Retention goes by the clock alone.
        return self.pruning.step(self.clock.now()) if self.clock.trusted else WATCH_SECONDS

    def keep_clock(self) -> None:
        """Has the store know which clock it runs on. Raises `Differs` where others run on another."""
        with self.store.writing() as db:
            store_clock.keep(db, self.settings.clock, self.heart.worker)
