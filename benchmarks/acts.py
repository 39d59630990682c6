"""`acts`: how fast contracts, deliveries and payments are taken in and judged by all rules, live and offline."""

import itertools
import resource
import time
from typing import Final

from benchmarks.lab import POSTGRESQL, SETTLE_SECONDS_MAX, SQLITE, Lab, kinds, total, working
from benchmarks.load import Acts, entities
from benchmarks.report import Report
from benchmarks.usage import Prepared, ceiling, ends, settle
from circulation.admission.admission import Admission
from streams.offline.replay import Replay, offline
from streams.store.store import Store

ACTS, ACTS_QUICK = 40_000, 8_000
TARGETS: Final = {SQLITE: 3_000.0, POSTGRESQL: 1_000.0}
REPLAYED: Final = 3
LOOK_SECONDS: Final = 0.01
# The ceiling reads in portions of this: of the first one the time is not known.
CONSUMED: Final = 1_000


def run(report: Report, *, quick: bool) -> None:
    """Each store by itself on a broker of its own, then a file; each beside the ceiling."""
    acts = Acts(ACTS_QUICK if quick else ACTS, until=time.time_ns() // 1000)
    report.title(
        "acts",
        f"{acts.acts:,} acts (signings, two deliveries and a payment of {acts.contracts:,} contracts) with all rules of"
        " the shipped pack, in the topic before anything is measured; the parties and assets were judged before. Rate:"
        " from the first commit of acts until nothing waits to be judged or sent; CPU: of the worker's process in that"
        " time. Offline every act is judged before the next one is read",
    )
    for kind in kinds():
        with Lab() as lab:
            _live(lab, kind, acts, report)
    _offline(acts, report)


def _live(lab: Lab, name: str, acts: Acts, report: Report) -> None:
    url = lab.store(name)
    stated = lab.send(entities())
    begin = ends(lab)
    with working(lab, url, f"{name}-before") as (worker, books):

        def known() -> bool:
            return total(worker.metrics(), "circulation_events_total", 'outcome="taken"') == stated

        worker.wait(known, "parties and assets are taken in", SETTLE_SECONDS_MAX)
        settle(worker, books, begin)
    lab.send(acts)
    prepared = Prepared(begin, ends(lab), acts.acts, acts.expected)
    top = ceiling(lab, prepared, CONSUMED)
    until = sum(prepared.end.values())
    with working(lab, url, name) as (worker, books):
        worker.wait(
            lambda: sum(books.progress().values()) > sum(begin.values()), "acts", SETTLE_SECONDS_MAX, LOOK_SECONDS
        )
        left, begun, before = (
            until - sum(books.progress().values()) + books.waiting(),
            time.perf_counter(),
            worker.cpu_seconds(),
        )
        settle(worker, books, prepared.end)
        seconds, after = time.perf_counter() - begun, worker.cpu_seconds()
        report.same(f"standing findings on {name}", dict(acts.expected), dict(books.standing()))
    rate = min(left, acts.acts) / seconds
    cpu = "" if before is None or after is None else f"{(after - before) / acts.acts * 1e6:,.0f} µs CPU each"
    report.line("librdkafka + orjson.loads, nothing kept", f"{top.rate:,.0f} acts/s")
    report.line(f"one worker on {name}", f"{rate:,.0f} acts/s", cpu, f"{rate / top.rate:.4f} of it")
    report.at_least(f"one worker on {name}", rate, TARGETS[name], "acts/s")


def _offline(acts: Acts, report: Report) -> None:
    """A replay in memory, by CPU time: nothing else is asked of the machine."""
    store = Store("sqlite://")
    replay = Replay(offline(store, None), Admission())
    replay.run(message.value for message in entities())
    lines = [message.value for message in itertools.islice(acts, acts.acts // REPLAYED)]
    before = resource.getrusage(resource.RUSAGE_SELF)
    replay.run(lines)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    report.line(
        "circulation replay", f"{len(lines) / seconds:,.0f} acts/s", f"{seconds / len(lines) * 1e6:,.0f} µs CPU each"
    )
