"""`peers`: one worker with all rules in force, beside Kafka Streams exactly-once without any rule, round by round."""

import collections
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.lab import (
    PARTITIONS,
    POLL_SECONDS,
    POSTGRESQL,
    SQLITE,
    Lab,
    Stuck,
    cpu_seconds,
    kinds,
    memory_peak_bytes,
    server_seconds,
)
from benchmarks.load import Uses, limits
from benchmarks.report import Report, median
from benchmarks.usage import CONTRACT_COUNT, EVENTS, EVENTS_QUICK, RUN_SECONDS_MAX, Prepared, Taken, ceiling, measure
from benchmarks.usage import prepare as fill
from circulation.events.names import CONTRACTS
from deploy import processes

PROJECT: Final = Path(__file__).resolve().parent
ROUNDS, ROUNDS_QUICK = 5, 2
THREADS: Final = 2
COMMIT_MILLISECONDS: Final = 1_000
# Shares of Kafka Streams' rate that a worker should reach.
TARGETS: Final = {SQLITE: 1.5, POSTGRESQL: 1.5}
READ_SECONDS_MAX: Final = 120.0
STREAMS: Final = "Kafka Streams"


class Peer:
    """The Java process of `UsageSums`, from the offsets of `begin`; its group and topics are its own."""

    def __init__(self, lab: Lab, name: str, begin: dict[int, int]) -> None:
        self.group, self.sums = f"peer-{name}", f"peer-sums-{name}"
        self._lab, self._begin = lab, begin
        self._log = lab.folder / f"{self.group}.log"
        self.admin = AdminClient({"bootstrap.servers": lab.bootstrap})

    def __enter__(self) -> "Peer":
        self.admin.create_topics([NewTopic(self.sums, PARTITIONS, 1)])[self.sums].result()
        offsets = [TopicPartition(CONTRACTS, partition, offset) for partition, offset in self._begin.items()]
        group = ConsumerGroupTopicPartitions(self.group, offsets)
        self.admin.alter_consumer_group_offsets([group])[self.group].result()
        state = self._lab.folder / f"{self.group}-state"
        jars = os.pathsep.join((str(PROJECT / "target" / "classes"), str(PROJECT / "target" / "libs" / "*")))
        command = [
            "java",
            "-Xmx1g",
            "-cp",
            jars,
            "circulation.peers.UsageSums",
            self._lab.bootstrap,
            self.group,
            CONTRACTS,
        ]
        command += [self.sums, str(state), str(THREADS), str(COMMIT_MILLISECONDS)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._lab.folder / f"{self.group}-state", ignore_errors=True)

    def position(self) -> int:
        """The sum of the offsets that it has committed. Raises `Stuck` where the process has ended."""
        if (code := self._process.poll()) is not None:
            raise Stuck(f"Kafka Streams ended with {code}: {processes.tail(self._log, 20)}")
        asked = ConsumerGroupTopicPartitions(self.group)
        with contextlib.suppress(KafkaException):
            answer = self.admin.list_consumer_group_offsets([asked])[self.group].result()
            committed = {
                place.partition: place.offset for place in answer.topic_partitions or () if place.topic == CONTRACTS
            }
            return sum(max(offset, self._begin[partition]) for partition, offset in committed.items())
        return 0

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far; 0 where there is no /proc."""
        return cpu_seconds([self._process.pid]) or 0.0

    def memory_peak_bytes(self) -> int | None:
        """The most memory that it ever had; None where there is no /proc."""
        return memory_peak_bytes([self._process.pid])


def run(report: Report, *, quick: bool) -> None:
    """Fills one topic, then in each round the ceiling, Kafka Streams, and the worker on each store."""
    if missing := _build():
        print(f"\npeers: skipped: {missing}", flush=True)
        return
    events, rounds = (EVENTS_QUICK, ROUNDS_QUICK) if quick else (EVENTS, ROUNDS)
    with Lab() as lab:
        stores = kinds()
        prepared = fill(lab, {kind: lab.store(kind) for kind in stores}, events)
        sums = _sums(events)
        report.title(
            "peers",
            f"{events:,} uses of {CONTRACT_COUNT:,} contracts in one topic of {PARTITIONS} partitions; {rounds} rounds,"
            f" each of the ceiling (librdkafka + orjson.loads), Kafka Streams (exactly-once v2, {THREADS} threads, a"
            f" commit each {COMMIT_MILLISECONDS} ms; the sum of each contract's uses and no rule), and one worker with"
            " all rules of the shipped pack on a fresh copy of each store. Rate: from the first commit of uses to the"
            " last; CPU: of the process, and of PostgreSQL's server",
        )
        taken: dict[str, list[Taken]] = collections.defaultdict(list)
        for number in range(rounds):
            taken["ceiling"].append(ceiling(lab, prepared))
            taken[STREAMS].append(_streams(lab, f"{number}", prepared, sums, report))
            for kind in stores:
                url = lab.copy(kind, f"round{number}")
                before = server_seconds(lab.folder)
                result = measure(lab, kind, url, prepared, report)
                server = (server_seconds(lab.folder) - before) / prepared.events * 1e6 if kind == POSTGRESQL else 0.0
                taken[kind].append(result._replace(cpu_micro=(result.cpu_micro or 0.0) + server))
            report.line(f"round {number + 1}", *(f"{name} {runs[-1].rate:,.0f}/s" for name, runs in taken.items()))
    streams = taken[STREAMS]
    for name, runs in taken.items():
        ratios = [run.rate / peer.rate for run, peer in zip(runs, streams, strict=True)]
        report.line(
            name,
            f"{median([run.rate for run in runs]):,.0f} events/s",
            f"{median([run.cpu_micro or 0.0 for run in runs]):.2f} µs CPU each",
            f"{max(run.memory_peak_bytes or 0 for run in runs) / 1e6:,.0f} MB at most",
            f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) × Streams",
        )
    for kind in stores:
        ratios = [run.rate / peer.rate for run, peer in zip(taken[kind], streams, strict=True)]
        report.ratio(f"one worker on {kind} / {STREAMS}", median(ratios), TARGETS[kind])


def _build() -> str | None:
    """Compiles the Maven project; answers with what is missing for it, or None."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"{program} is not here (apt-get install default-jdk-headless maven)"
    built = subprocess.run(
        ["mvn", "-B", "-q", "-C", "-f", str(PROJECT / "pom.xml"), "package"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if built.returncode == 0 else f"Maven could not build {PROJECT.name}: {built.stdout[-2000:]}"


def _sums(events: int) -> int:
    """All uses that the topic's events report."""
    loaded = Uses(events, limits(CONTRACT_COUNT, events), until=time.time_ns() // 1000)
    marker = b'"uses":'
    return sum(int(message.value.split(marker, 1)[1].split(b",", 1)[0]) for message in loaded)


def _streams(lab: Lab, name: str, prepared: Prepared, expected: int, report: Report) -> Taken:
    """Lets Kafka Streams take in all uses; its sums by contract have to be those of the events."""
    begin, end = sum(prepared.begin.values()), sum(prepared.end.values())
    first = 0.0
    at_first = 0
    cpu = 0.0
    with Peer(lab, name, prepared.begin) as peer:
        until = time.monotonic() + RUN_SECONDS_MAX
        while (position := peer.position()) < end:
            if not at_first and position > begin:
                at_first, first, cpu = position, time.perf_counter(), peer.cpu_seconds()
            if time.monotonic() > until:
                raise Stuck(f"after {RUN_SECONDS_MAX:.0f} s Kafka Streams is at {position - begin} of {end - begin}")
            time.sleep(POLL_SECONDS)
        last, after, peak = time.perf_counter(), peer.cpu_seconds(), peer.memory_peak_bytes()
        report.same("sum of uses by Kafka Streams", expected, sum(_last_sums(lab, peer.sums).values()))
    counted = end - at_first
    return Taken(counted / (last - first), (after - cpu) / counted * 1e6, peak)


def _last_sums(lab: Lab, topic: str) -> dict[bytes, int]:
    """The last sum of each contract that was committed."""
    sums: dict[bytes, int] = {}
    for key, value in _committed(lab, topic):
        sums[key] = int.from_bytes(value, "big")
    return sums


def _committed(lab: Lab, topic: str) -> Iterator[tuple[bytes, bytes]]:
    """All committed records of a topic, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": lab.bootstrap,
            "group.id": "not-joined",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        open_partitions = set(range(PARTITIONS))
        until = time.monotonic() + READ_SECONDS_MAX
        while open_partitions:
            if time.monotonic() > until:
                raise Stuck(f"{topic} was not read within {READ_SECONDS_MAX:.0f} s")
            for record in consumer.consume(10_000, 0.5):
                if record.error() is None:
                    yield record.key() or b"", record.value() or b""
                else:
                    open_partitions.discard(record.partition())
    finally:
        consumer.close()
