"""`usage`: how fast one worker takes in uses with all rules in force, against librdkafka and orjson alone."""

import time
from collections import Counter
from typing import Final, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition

from benchmarks.lab import PARTITIONS, POSTGRESQL, SETTLE_SECONDS_MAX, SQLITE, Books, Lab, Worker, kinds, total, working
from benchmarks.load import Uses, entities, limits, signings
from benchmarks.report import Report, median
from circulation.events.names import CONTRACTS, USAGE_REPORTED

EVENTS, EVENTS_QUICK = 1_200_000, 200_000
CONTRACT_COUNT = 20_000
TARGETS: Final = {SQLITE: 0.15, POSTGRESQL: 0.12}
RUN_SECONDS_MAX: Final = 900.0
CONSUME_MAX: Final = 10_000


class Prepared(NamedTuple):
    """A topic that was filled, and what has to come of it; `begin` and `end` are offsets by partition."""

    begin: dict[int, int]
    end: dict[int, int]
    events: int
    expected: Counter[str]


class Taken(NamedTuple):
    """The result of a worker: events a second, CPU and memory."""

    rate: float
    cpu_micro: float | None
    memory_peak_bytes: int | None


def run(report: Report, *, quick: bool) -> None:
    """Fills the topic, then measures in turn: ceiling, SQLite, ceiling, PostgreSQL, ceiling."""
    events = EVENTS_QUICK if quick else EVENTS
    with Lab() as lab:
        stores = {kind: lab.store(kind) for kind in kinds()}
        prepared = prepare(lab, stores, events)
        report.title(
            "usage",
            f"{events:,} uses of {CONTRACT_COUNT:,} contracts in random order, all with `sequence`, ~{_size()} bytes"
            f" each, lz4, {PARTITIONS} partitions, in the topic before anything is measured; one worker with its"
            " settings as shipped and all rules of the shipped pack, facts and findings durable. The contracts were"
            " taken in and judged before. Rate: from the first commit of uses to the last, without those of the"
            " first; CPU: of the worker's process in that time",
        )
        ceilings = [ceiling(lab, prepared)]
        rates = {}
        for name, url in stores.items():
            rates[name] = measure(lab, name, url, prepared, report)
            ceilings.append(ceiling(lab, prepared))
        top = median([ceiling.rate for ceiling in ceilings])
        listed = "  ".join(f"{ceiling.rate:,.0f}" for ceiling in ceilings)
        cpu = median([ceiling.cpu_micro or 0.0 for ceiling in ceilings])
        report.line("librdkafka + orjson.loads, nothing kept", f"{top:,.0f} events/s", f"{cpu:.2f} µs CPU each")
        report.line("  (the middle one of)", listed)
        for name, measured in rates.items():
            figures = [f"{measured.rate:,.0f} events/s"]
            if measured.cpu_micro is not None and measured.memory_peak_bytes is not None:
                figures.append(f"{measured.cpu_micro:.2f} µs CPU each")
                figures.append(f"{measured.memory_peak_bytes / 1e6:,.0f} MB at most")
            report.line(f"one worker on {name}", *figures)
        for name, measured in rates.items():
            report.ratio(f"one worker on {name} / ceiling", measured.rate / top, TARGETS[name])


def _size() -> int:
    sample = next(iter(Uses(1, [1], until=time.time_ns() // 1000)))
    return len(sample.value)


def prepare(lab: Lab, stores: dict[str, str], events: int) -> Prepared:
    """Lets each store take in parties, assets and contracts to the last judgement; then fills the topic with uses."""
    terms = limits(CONTRACT_COUNT, events)
    lab.send(entities())
    lab.send(signings(terms))
    begin = ends(lab)
    for name, url in stores.items():
        with working(lab, url, f"{name}-before") as (worker, books):
            settle(worker, books, begin)
    uses = Uses(events, terms, until=time.time_ns() // 1000)
    lab.send(uses)
    return Prepared(begin, ends(lab), events, uses.expected)


def settle(worker: Worker, books: Books, end: dict[int, int]) -> None:
    """Waits until all of the contracts' topic is taken in, judged and sent."""
    worker.wait(lambda: books.progress() == end, "everything is taken in", SETTLE_SECONDS_MAX)
    worker.wait(lambda: books.waiting() == 0, "everything is judged and sent", SETTLE_SECONDS_MAX)


def ends(lab: Lab) -> dict[int, int]:
    """Where the contracts' topic ends."""
    consumer = Consumer({"bootstrap.servers": lab.bootstrap, "group.id": "not-joined"})
    try:
        offsets = {}
        for partition in range(PARTITIONS):
            offsets[partition] = consumer.get_watermark_offsets(TopicPartition(CONTRACTS, partition), timeout=10)[1]
        return offsets
    finally:
        consumer.close()


def ceiling(lab: Lab, prepared: Prepared, at_once: int = CONSUME_MAX) -> Taken:
    """Reads and decodes all uses and keeps nothing: what Python can do at best with this broker."""
    consumer = Consumer(
        {
            "bootstrap.servers": lab.bootstrap,
            "group.id": "not-joined",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        consumer.assign([TopicPartition(CONTRACTS, partition, at) for partition, at in prepared.begin.items()])
        loads = orjson.loads
        left = prepared.events
        first = 0
        begun = cpu = 0.0
        while left:
            records = consumer.consume(min(at_once, left), 0.5)
            for record in records:
                loads(record.value() or b"")
            left -= len(records)
            if records and not first:
                first = len(records)
                begun, cpu = time.perf_counter(), time.process_time()
        counted = prepared.events - first
        seconds = time.perf_counter() - begun
        return Taken(counted / seconds, (time.process_time() - cpu) / counted * 1e6, None)
    finally:
        consumer.close()


def measure(lab: Lab, name: str, url: str, prepared: Prepared, report: Report, **settings: int) -> Taken:
    """Lets one worker take in all uses, and asks whether all of them, and nothing else, came of it."""
    left_at_first = 0
    begun = seconds = 0.0
    cpu: float | None = None
    end = sum(prepared.end.values())

    with working(lab, url, name, **settings) as (worker, books):

        def done() -> bool:
            nonlocal left_at_first, begun, cpu, seconds
            at = sum(books.progress().values())
            now = time.perf_counter()
            if not begun:
                if at > sum(prepared.begin.values()):
                    left_at_first, begun, cpu = end - at, now, worker.cpu_seconds()
            elif at == end:
                seconds = now - begun
                return True
            return False

        worker.wait(done, f"all uses are taken in on {name}", RUN_SECONDS_MAX)
        after = worker.cpu_seconds()
        settle(worker, books, prepared.end)
        metrics = worker.metrics()
        peak = worker.memory_peak_bytes()
        count = total(metrics, "circulation_events_total", f'type="{USAGE_REPORTED}"', 'outcome="taken"')
        report.same(f"uses taken in on {name}", prepared.events, int(count))
        report.same(f"duplicates on {name}", 0, int(total(metrics, "circulation_events_total", 'outcome="duplicate"')))
        report.same(f"rejected on {name}", 0, int(total(metrics, "circulation_rejected_total")))
        report.same(f"read to on {name}", prepared.end, books.progress())
        report.same(f"standing findings on {name}", dict(prepared.expected), dict(books.standing()))
    micro = None if cpu is None or after is None else (after - cpu) / left_at_first * 1e6
    return Taken(left_at_first / seconds, micro, peak)
