"""`latency`: how long after an event its finding is committed, while 10,000 uses a second come in."""

import argparse
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Message, Producer

from benchmarks.lab import Books, Lab, Worker, kinds, working
from benchmarks.load import AMPLE, contract_id, entities, signings, use
from benchmarks.report import Report
from benchmarks.usage import ends, settle
from circulation.calendar import format_instant
from streams.topics import CONTRACTS

RATE: Final = 10_000
CROSSINGS: Final = 20
SECONDS, SECONDS_QUICK = 20, 8
# The first seconds load the contracts and let the JVM of the broker compile itself; they are sent at the same rate and
# not counted.
WARM_SECONDS: Final = 20
AMPLE_CONTRACTS: Final = 20_000
# How often the store is asked; a delay comes out longer by up to as much, never shorter.
LOOK_SECONDS: Final = 0.002
TICK_SECONDS: Final = 0.002
TARGET_MS: Final = 100.0
# A producer that is further behind its own timetable than this measures itself.
BEHIND_MS_MAX: Final = 50.0
PRODUCER_SECONDS_MAX: Final = 90.0
# Each request of librdkafka's producer is of one partition: with less than this the requests alone keep a broker busy
# that shares two cores with all the others.
LINGER_MS: Final = 10


def run(report: Report, *, quick: bool) -> None:
    """Measures each store by itself, on a broker of its own."""
    seconds = SECONDS_QUICK if quick else SECONDS
    report.title(
        "latency",
        f"{RATE:,} uses a second of {AMPLE_CONTRACTS:,} contracts for {seconds} s (after {WARM_SECONDS} s that are not"
        f" counted) from a process of its own (linger {LINGER_MS} ms), {CROSSINGS} of them a second the first of a"
        " contract and beyond its limit; from the event's `time`, set as it is handed to the producer, until another"
        f" connection sees the committed finding in the store, asked every {LOOK_SECONDS * 1000:.0f} ms",
    )
    for kind in kinds():
        with Lab() as lab:
            _measure(lab, kind, lab.store(kind), seconds, report)


def _measure(lab: Lab, name: str, url: str, seconds: int, report: Report) -> None:
    crossing = CROSSINGS * (seconds + WARM_SECONDS)
    lab.send(entities())
    lab.send(signings([1] * crossing + [AMPLE] * AMPLE_CONTRACTS))
    with working(lab, url, name) as (worker, books):
        settle(worker, books, ends(lab))
        command = [sys.executable, "-m", "benchmarks.latency", lab.bootstrap, str(seconds + WARM_SECONDS)]
        producing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        busy, begun = worker.cpu_seconds(), time.perf_counter()
        try:
            delays = _watch(worker, books, producing, crossing)
            said, _ = producing.communicate(timeout=PRODUCER_SECONDS_MAX)
        finally:
            producing.kill()
        after, lasted = worker.cpu_seconds(), time.perf_counter() - begun
        sent = json.loads(said)
        settle(worker, books, ends(lab))
        report.same(f"uses sent on {name}", RATE * (seconds + WARM_SECONDS), sent["sent"])
        report.same(f"standing findings on {name}", {"red": crossing}, dict(books.standing()))
    since = sent["began"] + WARM_SECONDS * 1_000_000
    counted = sorted(delay / 1000 for occurred, delay in delays if occurred >= since)
    if busy is not None and after is not None:
        report.line(f"the worker on {name}", f"{(after - busy) / lasted:.0%} of a core")
    report.line(
        f"event to committed finding, {name}",
        f"p50 {_quantile(counted, 0.5):.1f} ms",
        f"p99 {_quantile(counted, 0.99):.1f} ms",
        f"max {counted[-1]:.1f} ms",
        f"{len(counted):,} findings",
    )
    report.line("  of which event to the broker's acknowledgement", "", f"p99 {sent['acknowledged_ms_p99']:.1f} ms")
    if sent["behind_ms_max"] > BEHIND_MS_MAX:
        report.line(f"  the producer itself was late on {name}", f"up to {sent['behind_ms_max']:.0f} ms")
    report.at_most(f"p99 on {name}", _quantile(counted, 0.99), TARGET_MS, "ms")


def _watch(worker: Worker, books: Books, producing: "subprocess.Popen[str]", count: int) -> list[tuple[int, int]]:
    """(when the event was, µs until its finding was seen) of each finding, as it appears."""
    delays: dict[str, tuple[int, int]] = {}
    newest = 0
    until: float | None = None
    while len(delays) < count:
        for finding, occurred, raised in books.raised_since(newest):
            if finding not in delays:
                delays[finding] = (occurred, time.time_ns() // 1000 - occurred)
            newest = max(newest, raised)
        if producing.poll() is not None:
            until = until or time.monotonic() + 60.0
            if time.monotonic() > until:
                break  # the count of standing findings tells that some are missing
        if not worker.alive():
            break
        time.sleep(LOOK_SECONDS)
    return list(delays.values())


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _uses(seconds: int) -> Iterator[tuple[int, int, int]]:
    """(contract, its how-manieth event, uses) in the order in which they are sent."""
    crossing = CROSSINGS * seconds
    every = RATE // CROSSINGS
    below = random.Random(11).random
    for number in range(RATE * seconds):
        if number % every == every // 2:
            yield number // every, 2, 2  # one use is licensed: two are 200 %
        else:
            yield crossing + int(below() * AMPLE_CONTRACTS), 0, 1


def produce(bootstrap: str, seconds: int) -> None:
    """Sends by the clock and never in bursts; prints what it did and how late it ever was."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "queue.buffering.max.messages": 200_000,
            "log_level": 3,
        }
    )
    producer.list_topics(CONTRACTS, timeout=10)
    sequences: dict[int, int] = {}
    acknowledged: list[float] = []

    def note(error: object, message: Message) -> None:
        acknowledged.append((message.latency() or 0.0) * 1000)

    uses = _uses(seconds)
    sent = 0
    behind = 0.0
    began = time.time_ns() // 1000
    begun = time.perf_counter()
    while sent < RATE * seconds:
        due = int((time.perf_counter() - begun) * RATE) + 1
        behind = max(behind, (due - sent) / RATE * 1000)
        for contract, sequence, count in itertools.islice(uses, max(0, due - sent)):
            crossing = sequence == 2
            if not sequence:
                sequence = sequences[contract] = sequences.get(contract, 1) + 1
            time_text = format_instant(time.time_ns() // 1000)
            value = use(contract, sent, count, time_text, sequence)
            key = contract_id(contract).encode()
            if crossing:
                producer.produce(CONTRACTS, value, key, on_delivery=note)
            else:
                producer.produce(CONTRACTS, value, key)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    producer.flush()
    counted = sorted(acknowledged[WARM_SECONDS * CROSSINGS :])
    said = {"sent": sent, "began": began, "behind_ms_max": behind, "acknowledged_ms_p99": _quantile(counted, 0.99)}
    print(json.dumps(said))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=produce.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("seconds", type=int)
    given = parser.parse_args()
    produce(given.bootstrap, given.seconds)
