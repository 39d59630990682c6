"""`latency`: how long after an event its finding is committed, while 10,000 uses and 500 acts a second come in."""

import argparse
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import Message as Sending
from confluent_kafka import Producer

from benchmarks.lab import Books, Lab, Worker, kinds, working
from benchmarks.load import AMPLE, Message, contract_id, delivery, entities, signings, use
from benchmarks.report import Report
from benchmarks.usage import ends, settle
from circulation.calendar import format_instant
from circulation.events.names import CONTRACTS

RATE: Final = 10_000
ACTS: Final = 500
# Of the uses, and of the acts, so many a second are found.
CROSSINGS: Final = 20
SECONDS, SECONDS_QUICK = 20, 8
# The first seconds load the contracts and let the JVM of the broker compile itself; they are sent at the same rate and
# not counted.
WARM_SECONDS: Final = 20
AMPLE_CONTRACTS: Final = 20_000
# How often the store is asked; a delay comes out longer by up to as much, never shorter.
LOOK_SECONDS: Final = 0.01
TICK_SECONDS: Final = 0.002
# Few transactions take longer: what they raise is seen when all findings are looked at.
COMMITTED_SECONDS_MAX: Final = 2
ALL_SECONDS: Final = 5.0
TARGET_MS: Final = 200.0
USE, ACT = "usage-limit", "outside-terms"
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
        f"{RATE:,} uses and {ACTS:,} deliveries a second of {AMPLE_CONTRACTS:,} contracts for {seconds} s (after"
        f" {WARM_SECONDS} s that are not counted) from a process of its own (linger {LINGER_MS} ms), {CROSSINGS} of"
        " either a second to be found: uses that are the first of a contract and beyond its limit, deliveries to"
        " another country; from the event's `time`, set as it is handed to the producer, until another connection sees"
        f" the committed finding in the store, asked every {LOOK_SECONDS * 1000:.0f} ms",
    )
    for kind in kinds():
        with Lab() as lab:
            _measure(lab, kind, lab.store(kind), seconds, report)


def _measure(lab: Lab, name: str, url: str, seconds: int, report: Report) -> None:
    lasts = seconds + WARM_SECONDS
    lab.send(entities())
    lab.send(licensed(lasts))
    with working(lab, url, name) as (worker, books):
        settle(worker, books, ends(lab))
        with Producing(lab, lasts, uses=RATE, acts=ACTS) as producing:
            delays = producing.watch(worker, books)
        settle(worker, books, ends(lab))
        report.same(f"sent on {name}", (RATE + ACTS) * lasts, producing.figures["sent"])
        expected = CROSSINGS * lasts
        report.same(f"standing findings on {name}", {"red": expected, "orange": expected}, dict(books.standing()))
    if producing.busy is not None:
        report.line(f"the worker on {name}, while events came", f"{producing.busy:.0%} of a core")
    tell(report, name, producing, delays)


class Delay(NamedTuple):
    """A finding that was seen: of which detector, when it occurred, and how much later (µs)."""

    detector: str
    occurred: int
    delay: int


def licensed(seconds: int) -> Iterator[Message]:
    """Signings of the contracts whose uses are found, and of those that have no limit in reach."""
    return signings([1] * (CROSSINGS * seconds) + [AMPLE] * AMPLE_CONTRACTS)


class Producing:
    """A producer in a process of its own.

    After `watch`, `figures` are its report, and `busy` the share of a core that the worker took meanwhile.
    """

    def __init__(self, lab: Lab, seconds: int, *, uses: int, acts: int) -> None:
        self._command = [sys.executable, "-m", "benchmarks.latency", lab.bootstrap, *map(str, (seconds, uses, acts))]
        self._count = CROSSINGS * seconds * 2
        self.figures: dict[str, Any] = {}
        self.busy: float | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def watch(self, worker: Worker, books: Books) -> list[Delay]:
        """Looks for each finding until all have come, or none comes any more."""
        delays: dict[str, Delay] = {}
        newest = 0
        again = time.monotonic() + ALL_SECONDS
        until: float | None = None
        begun, before = time.perf_counter(), worker.cpu_seconds()
        while len(delays) < self._count or until is None:
            for finding, detector, occurred, raised in books.raised_since(newest, (USE, ACT)):
                if finding not in delays:
                    delays[finding] = Delay(detector, occurred, time.time_ns() // 1000 - occurred)
                # what began earlier may be committed later
                newest = max(newest, raised - COMMITTED_SECONDS_MAX * 1_000_000)
            if time.monotonic() >= again:
                # what took longer than that to commit is late by so much more, and not missing
                newest, again = 0, time.monotonic() + ALL_SECONDS
            if self._process.poll() is not None:
                if until is None:
                    until, after = time.monotonic() + 60.0, worker.cpu_seconds()
                    if before is not None and after is not None:
                        self.busy = (after - before) / (time.perf_counter() - begun)
                if time.monotonic() > until:
                    break  # the count of standing findings tells that some are missing
            if not worker.alive():
                break
            time.sleep(LOOK_SECONDS)
        output, _ = self._process.communicate(timeout=PRODUCER_SECONDS_MAX)
        self.figures = json.loads(output)
        return list(delays.values())


def tell(
    report: Report, name: str, producing: Producing, delays: list[Delay], span: tuple[int, int] | None = None
) -> None:
    """Report the delays of uses and of acts: in a span of time (µs), or without the first seconds."""
    figures = producing.figures
    since, until = (figures["began"] + WARM_SECONDS * 1_000_000, 2**62) if span is None else span
    for kind, detector in (("use", USE), ("act", ACT)):
        counted = sorted(
            sample.delay / 1000 for sample in delays if sample.detector == detector and since <= sample.occurred < until
        )
        if not counted:
            continue
        report.line(
            f"{kind} to committed finding, {name}",
            f"p50 {_quantile(counted, 0.5):.1f} ms",
            f"p99 {_quantile(counted, 0.99):.1f} ms",
            f"max {counted[-1]:.1f} ms",
            f"{len(counted):,} findings",
        )
        report.at_most(f"p99 of {kind}s on {name}", _quantile(counted, 0.99), TARGET_MS, "ms")
    report.line("  of which event to the broker's acknowledgement", "", f"p99 {figures['acknowledged_ms_p99']:.1f} ms")
    if figures["behind_ms_max"] > BEHIND_MS_MAX:
        report.line(f"  the producer itself was late on {name}", f"up to {figures['behind_ms_max']:.0f} ms")


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Sent(NamedTuple):
    """One event to be sent: of which contract, whether it is to be found, and whether it is a use or a delivery."""

    contract: int
    fires: bool
    use: bool


def _sent(seconds: int, uses: int, acts: int) -> Iterator[Sent]:
    """The events to send, in order: acts are spread among the uses, and those that raise a finding among either."""
    crossing = CROSSINGS * seconds
    below = random.Random(11).random
    rate = uses + acts
    use_number = act_number = 0
    for number in range(rate * seconds):
        is_use = (number + 1) * acts // rate == number * acts // rate
        ample = crossing + int(below() * AMPLE_CONTRACTS)
        if is_use:
            step = uses // CROSSINGS
            fires = use_number % step == step // 2
            yield Sent(use_number // step if fires else ample, fires, True)
            use_number += 1
        else:
            step = acts // CROSSINGS
            yield Sent(ample, act_number % step == step // 2, False)
            act_number += 1


def produce(bootstrap: str, seconds: int, uses: int, acts: int) -> None:
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

    def note(error: object, message: Sending) -> None:
        acknowledged.append((message.latency() or 0.0) * 1000)

    coming = _sent(seconds, uses, acts)
    rate = uses + acts
    sent = 0
    behind = 0.0
    began = time.time_ns() // 1000
    begun = time.perf_counter()
    while sent < rate * seconds:
        due = int((time.perf_counter() - begun) * rate) + 1
        behind = max(behind, (due - sent) / rate * 1000)
        for event in itertools.islice(coming, max(0, due - sent)):
            # A use that is found is the first of its contract; one use is licensed, and two are 200 %.
            sequence = sequences[event.contract] = sequences.get(event.contract, 1) + 1
            time_text = format_instant(time.time_ns() // 1000)
            if event.use:
                value = use(event.contract, sent, 2 if event.fires else 1, time_text, sequence)
            else:
                value = delivery(event.contract, sent, "DE" if event.fires else "CN", time_text, sequence)
            key = contract_id(event.contract).encode()
            if event.fires:
                producer.produce(CONTRACTS, value, key, on_delivery=note)
            else:
                producer.produce(CONTRACTS, value, key)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    producer.flush()
    counted = sorted(acknowledged[WARM_SECONDS * CROSSINGS * 2 :])
    figures = {"sent": sent, "began": began, "behind_ms_max": behind, "acknowledged_ms_p99": _quantile(counted, 0.99)}
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=produce.__doc__)
    parser.add_argument("bootstrap")
    for name in ("seconds", "uses", "acts"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    produce(options.bootstrap, options.seconds, options.uses, options.acts)
