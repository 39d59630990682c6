"""A worker: takes in fetches, judges, relays, moves the horizon on. Threads around one engine; the store is the truth.

Nothing that an event holds can stop it, a store or a broker that is away only makes it wait, and whatever is in doubt
is read anew from the store's positions.
"""

import asyncio
import logging
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import TopicCollection
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as Offsets  # type: ignore[attr-defined]  # missing in its __all__
from prometheus_client import CollectorRegistry

import detectors
from circulation.admission import Admission, Reason, Rejection, Sources
from detectors import feed_lost
from streams import looks, schema, summaries
from streams.book import Change, Entry
from streams.breaker import ACTED_UPON, Breaker, Limits
from streams.clock import Clock, wall
from streams.counts import Cadence, Delay, count
from streams.desks import Arrival, Outcome, Place, Refused, joined
from streams.engine import Engine
from streams.judge_process import JudgeProcess
from streams.judging import Judged
from streams.metrics import Metrics
from streams.patience import backoff, forever
from streams.process import begin, collect_rarely
from streams.reader import TP, Fetch, Part, Reader
from streams.relay import BATCH, NotConfirmed, Relay
from streams.rounds import Judging, Rounds
from streams.rulebook import RULES, start
from streams.settings import Settings
from streams.store import Db, Store, StoreAway, StoreTaken
from streams.topics import TOPICS_IN

log = logging.getLogger("circulation")

PULL_SECONDS = 0.25
WATCH_SECONDS = 2.0
HORIZON_SECONDS = 0.5
# What comes meanwhile is sent together: each round of sending keeps those waiting who take in and judge.
RELAY_SECONDS = 0.02
DAY = 86_400_000_000
PRUNE_SECONDS = 600.0
# A worker that is further behind than this says that it is not keeping up.
DELAY_SECONDS_MAX = 60.0

_EARLIEST: Any = Offsets.earliest()  # type: ignore[no-untyped-call]
_LATEST: Any = Offsets.latest()  # type: ignore[no-untyped-call]

_NOTHING: Mapping[str, int] = {}

T = TypeVar("T")


class Stale(Exception):
    """The fetch does not go on from where the store is: it is read anew."""


class Worker:
    """One worker. `take`, `pull`, `assigned` and `positions` are Faust's side; the rest are its threads."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        rules = detectors.RULES
        default, name = start(settings, rules)
        self.engine = Engine(store, default, name=name, desks_max=settings.cache_contracts_max)
        sources = None if settings.sources is None else Sources.parse(Path(settings.sources).read_bytes())
        self.admission = Admission(sources)
        self.metrics = Metrics(CollectorRegistry(), detectors=detectors.RULES, reasons=Reason)
        self.reader = Reader(settings.kafka, records_max=settings.fetch_records_max)
        self.admin = AdminClient({"bootstrap.servers": settings.kafka})
        self._positions: dict[TP, int] = {}
        self._assigned: set[TP] = set()
        self._reassign = threading.Event()
        self._stop = threading.Event()
        self._mail = threading.Event()
        self._barrier: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        self._delay = Delay()
        self._delay_seconds = 0.0
        self._counting = Cadence(WATCH_SECONDS)
        self._clock = Clock(settings, store)
        self._store_up = True
        self._relay_error = ""
        self._failing = ""
        limits = Limits(settings.breaker_percent, settings.breaker_looks_min, settings.breaker_seconds)
        self.breaker = Breaker(limits)
        self._held: dict[str, str] = {}
        self._judging: Judging = (
            JudgeProcess(settings, self._judged, self._failed)
            if store.postgres
            else Rounds(self.engine, settings, self._judged, self._failed)
        )
        self._threads: list[threading.Thread] = []
        # One thread each: a connection of the store belongs to a thread.
        self._taking = ThreadPoolExecutor(1, "take")
        self._pulling = ThreadPoolExecutor(1, "pull")

    # Faust's side.

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, call: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, call, *values)

    async def pull(self) -> list[Fetch]:
        """The next fetches, one a topic; assigns anew first where something is in doubt."""
        if self._reassign.is_set():
            await self.assigned(self._assigned)
        return await self._in(self._pulling, self._pull)

    def _pull(self) -> list[Fetch]:
        if self.reader.held:
            self._pass_barrier()
        fetches = self.reader.pull(PULL_SECONDS)
        if not fetches and not self._positions:
            time.sleep(PULL_SECONDS)
        return fetches

    async def assigned(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Reads the store's positions of these partitions and assigns the reader there. Waits for the store."""
        wanted = {tp for tp in partitions if tp[0] in TOPICS_IN}
        self._assigned = wanted
        attempt = 0
        while True:
            try:
                positions = await self._in(self._taking, self._assign, wanted)
            except Exception as error:
                self._store_up = not isinstance(error, StoreAway)
                self._say_failing("assigning", error)
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                if self._stop.is_set():
                    return {}
                continue
            self._failing = ""
            return positions

    def _assign(self, wanted: set[TP]) -> dict[TP, int]:
        self._reassign.clear()
        stopped: dict[TP, str] = {}
        positions: dict[TP, int] = {}
        if wanted:
            # The packs hold back this worker's uses, whoever reads them.
            ids = self._topic_ids({RULES, *(topic for topic, _ in wanted)})
            with self.store.writing() as db:
                for topic, partition in sorted(wanted):
                    row = db.one(
                        "select next, topic_id from progress where topic = ? and partition = ?", topic, partition
                    )
                    if topic not in ids:
                        stopped[(topic, partition)] = "the topic is not there"
                    elif row is None:
                        low = self._low((topic, partition))
                        db.run(
                            "insert into progress (topic, partition, next, topic_id) values (?, ?, ?, ?)",
                            topic,
                            partition,
                            low,
                            ids[topic],
                        )
                        positions[(topic, partition)] = low
                    elif row[1] != ids[topic]:
                        stopped[(topic, partition)] = "the topic was made anew: its records are others"
                    else:
                        positions[(topic, partition)] = row[0]
            self._barrier = self._ends_of([(RULES, 0)]) if RULES in ids else {}
            self._store_up = True
        for tp, why in stopped.items():
            if tp not in self.reader.stopped:
                log.error("%s[%s] is not read: %s", *tp, why)
        self.engine.intake.forget()
        self._positions = dict(positions)
        held = [tp for tp in positions if tp[0] == "circulation.contracts"]
        self.reader.assign(positions, stopped=stopped, held=held)
        return positions

    def positions(self) -> Mapping[TP, int]:
        """Where reading goes on, as far as it is committed."""
        return dict(self._positions)

    def _topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        futures = self.admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=10)
        found = {}
        for topic, future in futures.items():
            try:
                found[topic] = str(future.result().topic_id)
            except Exception as error:
                if getattr(error.args[0] if error.args else None, "name", lambda: "")() != "UNKNOWN_TOPIC_OR_PART":
                    raise
        return found

    def _offsets(self, partitions: Iterable[TP], spec: Any) -> dict[TP, int]:
        request = {Partition(*tp): spec for tp in partitions}
        futures = self.admin.list_offsets(request, request_timeout=10) if request else {}
        return {(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()}

    def _low(self, tp: TP) -> int:
        return self._offsets([tp], _EARLIEST)[tp]

    def _ends_of(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return self._offsets(partitions, _LATEST)

    def _pass_barrier(self) -> None:
        """Uses are read only when all packs that were published by then have been taken in."""
        try:
            with self.store.reading() as db:
                where = dict(_progress(db))
        except StoreAway:
            return
        if all(where.get(tp, 0) >= end for tp, end in self._barrier.items()):
            self.reader.release()

    async def take(self, fetch: Fetch) -> None:
        """Takes in a fetch. Never raises: waits for the store, and reads anew whatever is in doubt."""
        attempt = 0
        while not self._stop.is_set():
            if fetch.generation != self.reader.generation:
                self._doubt()
                return
            try:
                outcome = await self._in(self._taking, self._take, fetch)
            except Stale:
                self._doubt()
                return
            except StoreAway as error:
                self._store_up = False
                self._say_failing("taking in", error)
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                continue
            except Exception as error:
                self._say_failing("taking in", error)
                log.exception("a fetch of %s failed; its records are taken one by one", fetch.topic)
                try:
                    await self._in(self._taking, self._one_by_one, fetch)
                except Exception as again:
                    self._say_failing("taking in one by one", again)
                    await asyncio.sleep(backoff(attempt))
                    self._doubt()
                return
            self._store_up, self._failing = True, ""
            if outcome.queued or outcome.changes:
                self._judging.came()
            if outcome.changes or outcome.rejections:
                self._mail.set()
            return

    def _doubt(self) -> None:
        self._reassign.set()

    def _take(self, fetch: Fetch) -> Outcome:
        begun = time.perf_counter()
        now = wall()
        arrivals: list[Arrival] = []
        refused: list[Refused] = []
        admit, topic = self.admission.admit, fetch.topic
        by_events = self._clock.by_events
        clock = self._clock() if by_events else now
        before = clock
        order = 0
        stamps: list[int] = []
        for partition, part in fetch.parts.items():
            for record in part.records:
                raw = record.value() or b""
                answer = admit(raw, topic=topic, key=record.key(), headers=record.headers() or (), now=now)
                batch = isinstance(answer, list)
                for index, one in enumerate(answer if isinstance(answer, list) else (answer,)):
                    order += 1
                    if isinstance(one, Rejection):
                        refused.append(Refused(order, one, _place(record)))
                        continue
                    if by_events and one.time > clock and topic != RULES:
                        clock = one.time
                    place = (topic, partition, record.offset())
                    arrivals.append(Arrival(order, clock, one, raw, place, index if batch else None))
            stamps.append(part.records[0].timestamp()[1])
        admitted = time.perf_counter()
        outcome = self.engine.take(
            arrivals,
            refused,
            now,
            clock=before if by_events else None,
            fence=lambda db: self._fence(db, fetch),
            after=(lambda db, outcome: self._clocked(db, fetch, arrivals, outcome)) if by_events else None,
        )
        for partition, part in fetch.parts.items():
            self._positions[(topic, partition)] = part.end
        self._count(fetch, outcome, admitted - begun, time.perf_counter() - admitted, stamps)
        return outcome

    def _fence(self, db: Db, fetch: Fetch) -> None:
        for partition, part in fetch.parts.items():
            if self._positions.get((fetch.topic, partition)) != part.begin:
                raise Stale(f"{fetch.topic}[{partition}]@{part.begin}")
        query = (
            "select topic, partition, next, topic_id, time_max from progress where topic = ? and partition = any(?)"
            " order by partition for update"
        )
        rows = db.rows(query, fetch.topic, list(fetch.parts))
        there = {partition: next_ for _, partition, next_, _, _ in rows}
        for partition, part in fetch.parts.items():
            if there.get(partition) != part.begin:
                raise Stale(f"{fetch.topic}[{partition}]@{part.begin}: another worker was here")
        moved = [(topic, partition, fetch.parts[partition].end, *rest) for topic, partition, _, *rest in rows]
        db.many(schema.progress, moved, "upsert")

    @staticmethod
    def _clocked(db: Db, fetch: Fetch, arrivals: list[Arrival], outcome: Outcome) -> None:
        """Keeps the highest admitted time of each partition, where that is the clock."""
        highest: dict[int, int] = {}
        for one in arrivals:
            if one.order not in outcome.ignored and fetch.topic != RULES:
                partition = one.place[1]
                highest[partition] = max(highest.get(partition, one.event.time), one.event.time)
        for partition, instant in sorted(highest.items()):
            db.run(
                "update progress set time_max = ? where topic = ? and partition = ?"
                " and (time_max is null or time_max < ?)",
                instant,
                fetch.topic,
                partition,
                instant,
            )

    def _one_by_one(self, fetch: Fetch) -> None:
        """After a failure that is not the store's: each record by itself; one that fails again is rejected."""
        for partition, part in fetch.parts.items():
            begin = part.begin
            for record in part.records:
                single = Part(begin, record.offset() + 1, [record])
                alone = Fetch(fetch.topic, {partition: single}, fetch.generation)
                begin = single.end
                if self._positions.get((fetch.topic, partition), 0) >= single.end:
                    continue
                try:
                    self._take(alone)
                except (StoreAway, Stale):
                    raise
                except Exception as error:
                    log.exception("a record failed: %s[%s]@%s", fetch.topic, partition, record.offset())
                    detail = f"$: the monitor failed on it ({type(error).__name__}); it is kept for inspection"
                    refusal = Rejection(
                        reason=Reason.INVALID_DATA, detail=detail, record=record.value() or b"", index=None
                    )
                    self.engine.take(
                        [],
                        [Refused(1, refusal, _place(record))],
                        wall(),
                        fence=lambda db, one=alone: self._fence(db, one),  # type: ignore[misc]
                    )
                    self._positions[(fetch.topic, partition)] = single.end

    def _count(self, fetch: Fetch, outcome: Outcome, admit: float, take: float, stamps: list[int]) -> None:
        metrics = self.metrics
        metrics.fetch.observe(sum(len(part.records) for part in fetch.parts.values()))
        metrics.stage.labels("admit").observe(admit)
        metrics.stage.labels("take").observe(take)
        metrics.took(fetch.topic, outcome.taken, outcome.duplicates)
        metrics.rejected(outcome.rejected)
        metrics.event_to_commit.observe(max(0.0, time.time() - min(stamps) / 1000))
        if outcome.changes:
            metrics.event_to_finding.observe(max(0.0, time.time() - min(stamps) / 1000))
        tallies = [(rule.id, rule.tally.events) for rule in self.engine.rules.values() if rule.tally is not None]
        looks = {id_: sum(outcome.taken.get(type_, 0) for type_ in types) for id_, types in tallies}
        self._changed(outcome.changes, outcome.errors, looks)

    def _changed(self, changes: Iterable[Change], errors: Iterable[str], looks: Mapping[str, int] = _NOTHING) -> None:
        new: Counter[str] = Counter()
        for change in changes:
            self.metrics.changed(change.detector, change.severity, change.mode, raised=change.raised)
            if change.raised and change.first and change.mode in ACTED_UPON:
                new[change.detector] += 1
        for rule in errors:
            self.metrics.detector_errors.labels(rule).inc()
        self.metrics.looked_at(looks, new)
        self.breaker.count(looks, new, time.monotonic())

    # Its threads.

    def start(self) -> None:
        """Starts judging, relaying and watching."""
        for name, body in (
            ("judge", self._judge),
            ("relay", self._relay),
            ("horizon", self._horizon),
            ("watch", self._watch),
        ):
            thread = threading.Thread(target=body, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Lets the threads end what they are at."""
        self._stop.set()
        self._judging.end()
        self._mail.set()
        for thread in self._threads:
            thread.join(timeout=20)
        self._taking.shutdown()
        self._pulling.shutdown()
        self.reader.close()

    def _failed(self, doing: str, error: Exception) -> None:
        self._store_up = self._store_up and not isinstance(error, StoreAway)
        self._say_failing(doing, error)

    def _forever(self, step: Callable[[], float], name: str) -> None:
        forever(step, self._stop, lambda error: self._failed(name, error))

    def _judge(self) -> None:
        self._judging.run(self._stop)

    def _judged(self, judged: Judged, seconds: float) -> None:
        """Counts what a round of judging did."""
        self.metrics.stage.labels("judge").observe(seconds)
        self._changed(judged.changes, judged.errors, judged.looks)
        if judged.changes:
            self.metrics.event_to_finding.observe(max(0, wall() - judged.since) / 1e6)
        if judged.changes or judged.told:
            self._mail.set()

    def _relay(self) -> None:
        relay = Relay(self.store, self.settings.kafka)

        def step() -> float:
            try:
                begun = time.perf_counter()
                sent = relay.round()
                self._relay_error = ""
            except NotConfirmed as error:
                self._relay_error = str(error)
                raise
            if sent:
                self.metrics.stage.labels("relay").observe(time.perf_counter() - begun)
                return RELAY_SECONDS if sent < BATCH else 0.0
            self._mail.wait(0.1)
            self._mail.clear()
            return 0.0

        self._forever(step, "relaying")

    def _horizon(self) -> None:
        target: tuple[int, dict[TP, int]] | None = None

        def step() -> float:
            nonlocal target
            if target is None:
                with self.store.reading() as db:
                    (due,) = db.one("select min(due) from deadlines") or (None,)
                now = self._clock()
                if due is None or due >= now:
                    return HORIZON_SECONDS
                target = (now, self._ends_of(self._all_partitions()))
            now, ends = target
            with self.store.reading() as db:
                where = dict(_progress(db))
            if all(where.get(tp, 0) >= end for tp, end in ends.items()):
                target = None
                if self.engine.release(now, wall()):
                    self._judging.came()
                    return 0.0
            return HORIZON_SECONDS

        self._forever(step, "moving the horizon on")

    def _all_partitions(self) -> list[TP]:
        metadata = self.admin.list_topics(timeout=10)
        return [
            (topic, partition)
            for topic in TOPICS_IN
            if topic in metadata.topics
            for partition in metadata.topics[topic].partitions
        ]

    def _watch(self) -> None:
        last_prune = 0.0

        def step() -> float:
            nonlocal last_prune
            read = {topic for topic, _ in self._positions}
            if read:
                ids = self._topic_ids(read)
                self.reader.broker_up = True
                with self.store.reading() as db:
                    known = dict(db.rows("select distinct topic, topic_id from progress"))
                for topic in read:
                    if topic not in ids:
                        self.reader.stop(topic, "the topic is not there")
                    elif known.get(topic) not in (None, ids[topic]):
                        self.reader.stop(topic, "the topic was made anew: its records are others")
                for tp in self.reader.stopped:
                    self._positions.pop(tp, None)
                self._ends = self._ends_of(list(self._positions))
            self._lost()
            self._looks()
            self.store.analyze()
            self._gauges()
            if time.monotonic() - last_prune > PRUNE_SECONDS:
                last_prune = time.monotonic()
                self._prune()
            return WATCH_SECONDS

        def guarded() -> float:
            try:
                return step()
            except StoreAway:
                raise
            except Exception:
                self.reader.broker_up = False
                self._gauges()
                raise

        self._forever(guarded, "watching")

    def _lost(self) -> None:
        """Raises what is lost with a partition that is read no more: once, whichever worker sees it and how often."""
        stopped = dict(self.reader.stopped)
        now = wall()
        pack = self.engine.rulebook().in_force(now)
        if not stopped or pack.setting("feed-lost").mode == "off":
            return
        with self.store.reading() as db:
            where = dict(_progress(db))
        there = set(self._all_partitions())
        low = self._offsets([tp for tp in stopped if tp in there], _EARLIEST)
        losses = []
        for tp in sorted(stopped.keys() & where.keys()):
            said = feed_lost.said(*tp, where[tp], low.get(tp), stopped[tp], now)
            thing = joined("lost", tp[0], str(tp[1]))
            losses.append(Entry(thing, self.engine.rules["feed-lost"], pack, said, now))
        query = "select finding from findings where finding = any(?)"
        ids = [one.finding for one in losses]
        with self.store.reading() as db:
            if len(ids) == len(db.rows(query, ids)):
                return
        with self.store.writing() as db:
            db.lock(ids)
            known = {row[0] for row in db.rows(query, ids)}
            changes = self.engine.book.enter(db, [one for one in losses if one.finding not in known])
        self._changed(changes, ())
        self._mail.set()

    def _looks(self) -> None:
        """Sends what people looked at to the journal. There is mostly nothing: then nobody is kept from writing."""
        with self.store.reading() as db:
            if db.one("select 1 from looks limit 1") is None:
                return
        with self.store.writing() as db:
            sent = looks.journal(db)
        if sent:
            self._mail.set()

    def _prune(self) -> None:
        now = wall()
        with self.store.writing() as db:
            db.run("delete from seen where taken < ?", now - self.settings.seen_days * DAY)
            db.run("delete from remembered where taken < ?", now - self.settings.usage_days * DAY)
            each_day = [one.id for one in self.engine.rules.values() if one.sum is not None and one.sum.each_day]
            summaries.forget(db, now - self.settings.tally_days * DAY, each_day)
            self.engine.known.clear()

    def _gauges(self) -> None:
        metrics = self.metrics
        ends = {tp: end for tp, end in self._ends.items() if tp in self._positions}
        metrics.lags({tp: self._behind(tp, end) for tp, end in ends.items()})
        self._delay_seconds = self._delay.look(
            {tp: (self._positions.get(tp, end), end) for tp, end in ends.items()}, time.monotonic()
        )
        metrics.delay.set(self._delay_seconds)
        self._hold()
        with self.store.reading() as db:
            # A worker that has nothing to do learns of packs here.
            self.engine.rulebook.refresh(db)
        begun = time.monotonic()
        if self._counting.due(begun):
            clock = self._clock()
            with self.store.reading() as db:
                counts = count(db, clock)
            self._counting.took(begun, time.monotonic())
            metrics.counted(counts, wall(), clock)
        self._store_up = True
        pack = self.engine.rulebook().in_force(wall())
        metrics.in_force(pack.pack, pack.version, pack.digest)

    def _hold(self) -> None:
        """Says which rules fire on too much, once when it begins and once when it ends."""
        held = {rule: self.breaker.in_words(rule, fires) for rule, fires in self.breaker.held(time.monotonic()).items()}
        for rule in held.keys() - self._held.keys():
            log.warning("%s", held[rule])
        for rule in self._held.keys() - held.keys():
            log.warning("%s is no longer held", rule)
        self._held = held
        self.metrics.held(held)

    def _behind(self, tp: TP, end: int) -> int:
        return max(0, end - self._positions.get(tp, end))

    def exposition(self) -> tuple[bytes, str]:
        """What /metrics answers with."""
        state = self.readiness()
        metrics = self.metrics
        metrics.store_up.set(state["store"])
        metrics.broker_up.set(state["broker"])
        metrics.ready.set(state["ready"])
        stopped = [topic for topic, _ in self.reader.stopped]
        for topic in TOPICS_IN:
            metrics.stopped.labels(topic).set(stopped.count(topic))
        return metrics.exposition()

    def readiness(self) -> dict[str, Any]:
        """What /ready answers with: ready when it has partitions, none of them stopped, the store and the broker are
        there, and it keeps up."""
        stopped = [{"topic": t, "partition": p, "why": why} for (t, p), why in sorted(self.reader.stopped.items())]
        lag = sum(self._behind(tp, end) for tp, end in self._ends.items())
        warnings = []
        if self.settings.sources is None:
            warnings.append("CIRCULATION_SOURCES is not set: any source may say anything")
        warnings += self._held.values()
        assigned = len(self._positions)
        keeps_up = self._delay_seconds <= DELAY_SECONDS_MAX
        ready = bool(assigned and self._store_up and self.reader.broker_up and not stopped and keeps_up)
        return {
            "ready": ready,
            "assigned": assigned,
            "store": self._store_up,
            "broker": self.reader.broker_up and not self._relay_error,
            "lag": lag,
            "delay_seconds": round(self._delay_seconds, 1),
            "keeps_up": keeps_up,
            "stopped": stopped,
            "failing": self._failing,
            "warnings": warnings,
            "pack": self.engine.rulebook().in_force(wall()).digest,
        }

    def _say_failing(self, doing: str, error: BaseException) -> None:
        text = f"{doing}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        if text != self._failing:
            log.warning("%s", text)
        self._failing = text


def _progress(db: Db) -> list[tuple[TP, int]]:
    return [((topic, part), next_) for topic, part, next_ in db.rows("select topic, partition, next from progress")]


def _place(record: Any) -> Place:
    return (record.topic(), record.partition(), record.offset())


def main(settings: Settings) -> int:
    """Runs a worker to its end; 2 where it may not start."""
    begin(settings)
    store = Store(settings.store)
    try:
        store.claim()
    except StoreTaken as taken:
        sys.stderr.write(f"circulation: {taken}\n")
        return 2
    for attempt in range(1_000_000):
        try:
            store.migrate()
            break
        except StoreAway as error:
            log.warning("the store does not answer yet: %s", error)
            time.sleep(backoff(attempt))
    import faust

    from streams.app import make_app

    worker = Worker(settings, store)

    class Process(faust.Worker):
        """Faust's life cycle without its command line."""

        async def on_execute(self) -> None:
            """Says where the worker is."""
            log.info("worker on %s, store %s, http://%s", settings.kafka, store.place, settings.web)

    collect_rarely()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    app = make_app(worker, settings)
    worker.start()
    process = Process(app, loop=loop, loglevel="ERROR", quiet=True, redirect_stdouts=False, override_logging=False)
    try:
        process.execute_from_commandline()
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        worker.stop()
        store.close()
