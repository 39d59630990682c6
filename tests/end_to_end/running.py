"""Workers as processes of their own, what lies in their store, and what they sent: for tests on a real Kafka."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import orjson
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

import detectors
from circulation.admission.admission import Admission
from circulation.examples import SOURCE
from circulation.voices import OFFICIALS
from deploy.processes import free_port
from streams.engine import Engine
from streams.facts.rulebook import shipped
from streams.offline.archive_files import Span
from streams.offline.replay import Replay, offline
from streams.store.errors import StoreAway
from streams.store.store import Store
from streams.topics import FINDINGS, RULES, TOPICS_IN
from streams.wire.emit import place

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 90.0
POLL_SECONDS = 0.1
# No test sends more than this many different things wrong at once; the rest of a difference is only counted.
SHOWN_MAX = 8


def wait(
    what: str,
    met: Callable[[], Any],
    seconds: float = DEADLINE_SECONDS,
    *,
    every: float = POLL_SECONDS,
    instead: Callable[[], Any] | None = None,
) -> Any:
    """Waits until a condition is met, and answers with what it answered with; `instead` tells how it is where not."""
    deadline = time.monotonic() + seconds
    while not (found := met()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}" + ("" if instead is None else f": {instead()}"))
        time.sleep(every)
    return found


class Worker:
    """One worker process. Started by `with` or `start`; whoever leaves ends it."""

    def __init__(self, kafka: str, store: str, folder: Path, name: str = "worker", **settings: str) -> None:
        self.web = f"127.0.0.1:{free_port()}"
        self.log = folder / f"{name}.log"
        # What else its environment holds; a test may set it before the start.
        self.environ: dict[str, str] = {}
        self.settings = {
            "CIRCULATION_KAFKA": kafka,
            "CIRCULATION_STORE": store,
            "CIRCULATION_CLOCK": "events",
            # In these tests an exchange says what officials do, too.
            "CIRCULATION_OFFICIAL_SOURCES": f"{OFFICIALS},{SOURCE}",
            "CIRCULATION_WEB": self.web,
            **{f"CIRCULATION_{key.upper()}": value for key, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts the process; it may take seconds until it reads."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CIRCULATION_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "worker"],
                env={**environ, **self.environ, **self.settings},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL if kind else signal.SIGTERM)
        if kind:
            print(f"--- {self.log.name}", self.said(), sep="\n")

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def said(self, characters: int = 6_000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:]

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal that ends the process, and answers with its exit code."""
        assert self._process is not None
        assert self._process.poll() is None, f"it had ended with {self._process.returncode}:\n{self.said()}"
        self._process.send_signal(number)
        try:
            return self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{number.name} does not end it:\n{self.said()}") from None

    def ended(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Waits until it ends by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def answer(self, page: str) -> tuple[int, bytes]:
        """Status and body of one of its pages; status 0 while nobody answers."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended with {self._process.returncode}:\n{self.said()}"
        try:
            with urllib.request.urlopen(f"http://{self.web}{page}", timeout=5) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def ready(self) -> tuple[int, dict[str, Any]]:
        """What `/ready` says."""
        status, body = self.answer("/ready")
        return status, json.loads(body) if body else {}

    def wait_ready(self) -> dict[str, Any]:
        """Waits until it says that it is ready."""
        return wait(
            f"{self.log.name} is ready", lambda: (found := self.ready())[0] == 200 and found[1], instead=self.ready
        )

    def wait_unready(self, told: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Waits until `/ready` answers 503 and tells why."""
        return wait(
            f"{self.log.name} says why",
            lambda: (found := self.ready())[0] == 503 and told(found[1]) and found[1],
            instead=self.ready,
        )

    def metric(self, name: str) -> list[str]:
        """The lines of one metric."""
        return [
            line
            for line in self.answer("/metrics")[1].decode().splitlines()
            if line.startswith((f"{name}{{", f"{name} "))
        ]


# Sending and receiving.


class Sender:
    """Sends lines, each to its topic under its key, and knows what Kafka has taken."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "max.in.flight.requests.per.connection": 1,  # why, says streams/wire/relay.py
                "message.max.bytes": 17_000_000,
                "queue.buffering.max.messages": 1_000_000,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        self._refused: list[str] = []

    def send(self, lines: Iterable[bytes]) -> int:
        """Sends events; returns when Kafka has them."""
        count = 0
        for line in lines:
            count += self.put(line)
        self.flush()
        return count

    def put(self, line: bytes) -> bool:
        """Sends one event without waiting; empty lines are passed over."""
        if not line.strip():
            return False
        placed = place(line)
        self.raw(placed.topic, line, placed.key, placed.headers)
        return True

    def raw(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        landed: Callable[[Any, Any], None] | None = None,
    ) -> None:
        """Sends one record as it is; `landed(error, record)` is told where it went. Without it Kafka must."""
        self._producer.produce(topic, value, key=key, headers=list(headers), on_delivery=landed or self._landed)

    def flush(self) -> None:
        """Waits until Kafka has all that was sent."""
        assert self._producer.flush(60) == 0
        assert [] == self._refused

    def _landed(self, error: Any, record: Any) -> None:
        if error is not None:
            self._refused.append(f"{record.topic()} did not take {record.key()}: {error}")


def bytes_around(size: int, key: bytes | None, headers: Sequence[tuple[str, str]] = ()) -> int:
    """What a batch of one record takes beside a value of about this size (Kafka's format 2, not compressed)."""

    def number(value: int) -> int:
        return max(1, (2 * value).bit_length() + 6) // 7

    record = 3 + number(0 if key is None else len(key)) + len(key or b"") + number(size) + number(len(headers))
    for name, text in headers:
        record += number(len(name)) + len(name.encode()) + number(len(text.encode())) + len(text.encode())
    return 61 + number(size) + record


def of_topic(span: Span, topic_id: str | None) -> None:
    """Has a file of an archive say that it is of another topic, or nothing of that, as older ones do."""
    said = dict(pq.read_metadata(span.path).metadata)
    if topic_id is None:
        said.pop(b"circulation.topic_id", None)
    else:
        said[b"circulation.topic_id"] = topic_id.encode()
    pq.write_table(pq.read_table(span.path).replace_schema_metadata(said), span.path)


def ends(bootstrap: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """The end of each partition. Of a topic that was just made anew the broker may not have a leader yet."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    there = admin.list_topics(timeout=20).topics
    asked = {TopicPartition(topic, part): OffsetSpec.latest() for topic in topics for part in there[topic].partitions}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = admin.list_offsets(asked, request_timeout=20)
        try:
            return {(tp.topic, tp.partition): future.result().offset for tp, future in found.items()}
        except KafkaException as error:
            without_leader = (
                KafkaError.NOT_LEADER_FOR_PARTITION,
                KafkaError._NOENT,
                KafkaError.LEADER_NOT_AVAILABLE,
                KafkaError.UNKNOWN_LEADER_EPOCH,
            )
            if error.args[0].code() not in without_leader or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def received(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic: of each partition in its order."""
    last = {tp: end for tp, end in ends(bootstrap, [topic]).items() if end}
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "looks-on", "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.assign([TopicPartition(*tp, 0) for tp in last])
    records: list[Any] = []
    left = set(last)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while left:
        assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
        for record in consumer.consume(10_000, timeout=0.5):
            assert record.error() is None, record.error()
            records.append(record)
            tp = (record.topic(), record.partition())
            if record.offset() + 1 >= last[tp]:
                left.discard(tp)
    consumer.close()
    return records


def members(bootstrap: str) -> dict[str, frozenset[tuple[str, int]]]:
    """The members of the workers' consumer groups, and the partitions of each."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    there = admin.list_consumer_groups(request_timeout=20).result().valid
    groups = [one.group_id for one in there if one.group_id.startswith("circulation")]
    return {
        member.member_id: frozenset((tp.topic, tp.partition) for tp in member.assignment.topic_partitions)
        for future in (admin.describe_consumer_groups(groups, request_timeout=20) if groups else {}).values()
        for member in future.result().members
    }


def alter(bootstrap: str, topic: str, **settings: str) -> None:
    """Alters settings of a topic; in their names `_` stands for a dot."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.incremental_alter_configs([resource], request_timeout=20).values():
        future.result()


# What lies in a store.


class Truth(NamedTuple):
    """All that must be the same however it came to be."""

    findings: dict[str, Any]
    desks: dict[Any, Any]
    windows: dict[Any, Any]
    days: dict[Any, Any]
    events: dict[Any, Any]
    seen: dict[Any, Any]
    derivations: dict[Any, Any]


class Drain(NamedTuple):
    """How far a store is."""

    positions: dict[tuple[str, int], int]
    queue: int
    outbox: int
    due: int
    # The first and the last number of each of the two.
    numbers: tuple[int | None, ...]


def truth(url_or_store: str | Store) -> Truth:
    """Reads a store that rests."""
    store = Store(url_or_store) if isinstance(url_or_store, str) else url_or_store
    probe = Engine(Store("sqlite://"), shipped(detectors.RULES)).intake
    with store.reading() as db:
        findings = {}
        for finding, data in db.rows("select finding, data from findings where standing"):
            members = orjson.loads(data)
            findings[finding] = {name: members[name] for name in members if name not in ("revision", "sectors")}
        desks = {
            (topic, subject): msgspec.to_builtins(probe.desks.decode_state(bytes(state)))
            for topic, subject, state in db.rows("select topic, subject, state from desks")
        }
        windows = {
            (contract, name): msgspec.msgpack.decode(bytes(state), strict=False)
            for contract, name, state in db.rows("select contract, name, state from parts")
        }
        days = {
            row[:3]: row[3:] for row in db.rows('select contract, day, reporter, uses, bytes, "rows" from used_days')
        }
        query = "select topic, subject, type, source, event, reporter, retracted is null, count(*) from events"
        events = {row[:-2]: (bool(row[-2]), row[-1]) for row in db.rows(f"{query} group by 1, 2, 3, 4, 5, 6, 7")}
        seen = dict.fromkeys((row[0] for row in db.rows("select digest from seen")), 1)
        query = "select output, input, time, stops, count(*) from derivations group by 1, 2, 3, 4"
        derivations = {row[:3]: (bool(row[3]), row[4]) for row in db.rows(query)}
    if isinstance(url_or_store, str):
        store.close()
    return Truth(findings, desks, windows, days, events, seen, derivations)


def _drain(store: Store) -> Drain | None:
    """None while the store does not answer."""
    try:
        with store.reading() as db:
            positions = {
                (topic, part): at for topic, part, at in db.rows("select topic, partition, next from progress")
            }
            counts = db.one(
                "select (select count(*) from queue), (select count(*) from outbox), (select count(*) from deadlines"
                " where due < (select max(time_max) from progress where topic <> ?))",
                RULES,
            )
            numbers = db.one(
                "select (select min(id) from queue), (select max(id) from queue),"
                " (select min(id) from outbox), (select max(id) from outbox)"
            )
    except StoreAway:
        return None
    except Exception as error:  # before the first worker has made the tables
        if "progress" in str(error) or "does not exist" in str(error) or "no such" in str(error):
            return None
        raise
    return None if counts is None or numbers is None else Drain(positions, *counts, numbers)


def progressed(store: Store) -> int:
    """How many records the store has taken in."""
    found = _drain(store)
    return 0 if found is None else sum(found.positions.values())


def wait_drained(bootstrap: str, url: str, topics: Sequence[str] = TOPICS_IN, still: float = DEADLINE_SECONDS) -> None:
    """Waits until all that Kafka has was taken in, judged and sent, and every deadline that is past was seen.

    However long that takes: it gives up only where nothing has moved for `still` seconds. What is taken in and what is
    taken off the queue and the outbox moves, also where as much comes as goes: their rows have new numbers.
    """
    last = {tp: end for tp, end in ends(bootstrap, topics).items() if end}
    store = Store(url)
    state: Drain | None = None
    moved, before = time.monotonic(), None
    try:
        while True:
            state = _drain(store)
            behind = {tp: (state and state.positions.get(tp), end) for tp, end in last.items()}
            behind = {tp: pair for tp, pair in behind.items() if (pair[0] or 0) < pair[1]}
            if state is not None and not (behind or state.queue or state.outbox or state.due):
                return
            if state != before:
                moved, before = time.monotonic(), state
            standing_still = time.monotonic() - moved
            assert standing_still < still, f"nothing moved for {still:.0f} s: {state and state[1:]}, behind {behind}"
            time.sleep(POLL_SECONDS)
    finally:
        store.close()


class Replayed(NamedTuple):
    """A replay of the same events: what is true, and what was rejected."""

    truth: Truth
    rejected: list[dict[str, Any]]


def replayed(lines: Iterable[bytes]) -> Replayed:
    """The same desks and detectors over the lines, in their order."""
    store = Store("sqlite://")
    rejected: list[bytes] = []
    Replay(offline(store, None), Admission(), rejected=rejected.append).run(lines)
    return Replayed(truth(store), [orjson.loads(one) for one in rejected])


def differences(expected: Truth, found: Truth) -> list[str]:
    """What differs, shortly."""
    told = []
    for name in Truth._fields:
        left, right = getattr(expected, name), getattr(found, name)
        missing, extra = sorted(left.keys() - right.keys()), sorted(right.keys() - left.keys())
        other = sorted(key for key in left.keys() & right.keys() if left[key] != right[key])
        for word, keys in (("missing", missing), ("extra", extra), ("other", other)):
            if keys:
                told.append(f"{len(keys)} of {len(left)} {name} {word}")
                told += [f"  {key}: {left.get(key)} | {right.get(key)}"[:1_500] for key in keys[:SHOWN_MAX]]
    return told


def unordered(records: Iterable[Any]) -> list[str]:
    """Findings whose events do not leave in order: raised 1, perhaps cleared 1, raised 2 …, twins of a crash aside."""
    seen: set[tuple[str, str]] = set()
    stands: dict[str, tuple[int, bool]] = {}
    wrong = []
    for record in records:
        said = orjson.loads(record.value())
        if (identity := (said["source"], said["id"])) in seen:
            continue
        seen.add(identity)
        finding, revision = said["data"]["finding"], said["data"]["revision"]
        raised = said["type"] == "circulation.finding.raised"
        before, stood = stands.get(finding, (0, False))
        good = revision == before + 1 if raised else (revision == before and stood)
        if not good:
            wrong.append(f"{finding}: {said['type']} {revision} after {before} ({'raised' if stood else 'cleared'})")
        stands[finding] = (revision, raised)
    return wrong


def sent_findings(bootstrap: str) -> tuple[dict[str, Any], list[str]]:
    """The findings that stand by what was sent, without revision and sectors, and what left in a wrong order."""
    records = received(bootstrap, FINDINGS)
    standing: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    for record in records:
        said = orjson.loads(record.value())
        if (identity := (said["source"], said["id"])) in seen:
            continue
        seen.add(identity)
        data = said["data"]
        if said["type"] == "circulation.finding.raised":
            standing[data["finding"]] = {name: data[name] for name in data if name not in ("revision", "sectors")}
        else:
            standing.pop(data["finding"], None)
    return standing, unordered(records)


def assert_as_replayed(bootstrap: str, url: str, expected: Replayed) -> None:
    """Waits until all is judged and sent; then the store and what was sent hold what a replay of the same finds."""
    wait_drained(bootstrap, url)
    different = differences(expected.truth, truth(url))
    assert not different, "\n".join(different)
    standing, wrong = sent_findings(bootstrap)
    assert [] == wrong
    assert expected.truth.findings == standing
