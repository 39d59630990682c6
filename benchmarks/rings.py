"""`rings`: what a settlement costs where everybody pays everybody, and where no ring is short."""

import itertools
import random
import time
from collections.abc import Iterator
from typing import Final

import orjson

from benchmarks.report import Report
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import DAY, LATEST, format_instant, parse_instant
from circulation.events.event import Event
from circulation.examples import Json, event
from streams.intake import Arrival
from streams.offline.replay import offline
from streams.store.store import Store

SETTLEMENTS, SETTLEMENTS_QUICK = 100_000, 5_000
PARTIES, DAYS = 100, 60
# Of the last settlements so many are timed, one by one: they look back on all others. As many before them are judged
# first, and read what a worker keeps from then on.
TIMED, TIMED_QUICK = 500, 100
MS_MAX: Final = 50.0
TAKEN_AT_ONCE: Final = 1_000
BEGIN: Final = parse_instant("2025-01-01T00:00:00+08:00")
# Money goes from each layer of parties to the next, so that no ring is shorter than there are layers.
LAYERS: Final = 6


def run(report: Report, *, quick: bool) -> None:
    """A market at random, and one in layers: all but the last settlements at once, these one at a time."""
    count, timed = (SETTLEMENTS_QUICK, TIMED_QUICK) if quick else (SETTLEMENTS, TIMED)
    report.title(
        "rings",
        f"{count:,} settlements among {PARTIES} parties within {DAYS} days, amounts within a factor of 3, on SQLite in"
        f" memory with all rules; of the last {timed:,} each by itself, taken in and judged, by processor time",
    )
    for name, layers in (("at random", 1), (f"in {LAYERS} layers", LAYERS)):
        times = list(_timed(_market(count, layers), count - 2 * timed))
        milliseconds, first = sorted(times[timed:]), sum(times[:timed]) / timed
        median, p99 = milliseconds[len(milliseconds) // 2], milliseconds[len(milliseconds) * 99 // 100]
        mean = sum(milliseconds) / len(milliseconds)
        report.line(name, f"median {median:,.2f} ms", f"p99 {p99:,.2f} ms", f"mean {mean:,.2f} ms of processor")
        report.line(f"{name}, the first after a start", f"mean {first:,.2f} ms")
        report.at_most(f"a settlement {name}", mean, MS_MAX, "ms")


def _market(count: int, layers: int) -> Iterator[Json]:
    draw = random.Random(1)
    size = PARTIES // layers
    for at in range(count):
        payer = draw.randrange(size * layers)
        payee = (payer // size + 1) % layers * size + draw.randrange(size)
        time_ = format_instant(BEGIN + at * DAYS * DAY // count)
        paid = {"settlement": f"{at}", "payer": f"x:{payer}", "payee": f"x:{payee}"}
        yield event("settlement.paid", "c", time_, id=f"{at}", amount=f"{100 * 3 ** draw.random():.2f}", **paid)


def _timed(lines: Iterator[Json], untimed: int) -> Iterator[float]:
    """Milliseconds of processor of each of the last lines. The others are taken in before, and not judged."""
    engine = offline(Store("sqlite://"), None)
    arrivals = map(_arrival, itertools.count(), lines)
    while part := list(itertools.islice(arrivals, min(untimed, TAKEN_AT_ONCE))):
        engine.take(part, [], part[-1].event.time)
        untimed -= len(part)
    with engine.store.writing(engine.known.clear) as db:
        db.run("delete from queue")
    for arrival in arrivals:
        before = time.process_time()
        engine.take([arrival], [], arrival.event.time)
        engine.settle_apart(arrival.event.time)
        yield (time.process_time() - before) * 1000


def _arrival(number: int, line: Json) -> Arrival:
    raw = orjson.dumps(line)
    event_ = Admission().admit(raw, topic=None, key=ANY, headers=(), now=LATEST)
    assert isinstance(event_, Event)
    return Arrival(number, event_.time, event_, raw, ("file", 0, number))
