"""`replay`: how fast a file is judged offline, against a bare loop of `json.loads` over the same file."""

import itertools
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.load import Uses, entities, limits, signings
from benchmarks.report import Report, median
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.events.event import Event
from streams.intake import Arrival
from streams.offline.replay import RUN_MAX, Replay, offline
from streams.store.store import Store
from streams.wire.files import lines_of

EVENTS, EVENTS_QUICK = 300_000, 60_000
CONTRACTS = 1_000
ROUNDS = 3
TARGET = 0.25


def run(report: Report, *, quick: bool) -> None:
    """Replays the file whole, three times in turn with the bare loop, and takes the stages apart."""
    events = EVENTS_QUICK if quick else EVENTS
    with tempfile.TemporaryDirectory(prefix="circulation-bench-") as folder:
        path = Path(folder) / "uses.jsonl"
        terms = limits(CONTRACTS, events)
        uses = Uses(events, terms, until=time.time_ns() // 1000)
        with path.open("wb") as file:
            stated = 0
            for message in (*entities(), *signings(terms)):
                file.write(message.value + b"\n")
                stated += 1
            for message in uses:
                file.write(message.value + b"\n")
        size = path.stat().st_size / (stated + events)
        report.title(
            "replay",
            f"a file of {events:,} uses of {CONTRACTS:,} contracts ({size:.0f} bytes each) after {stated:,} statements;"
            f" all of it by the code of `circulation replay`, in memory, against `json.loads` of every line; {ROUNDS}"
            " rounds in turn, the middle one counts",
        )
        bare, whole, stating = [], [], []
        for _ in range(ROUNDS):
            bare.append(_timed(lambda: _bare(path)))
            whole.append(_timed(lambda: _whole(path, stated + events, uses.expected, report)))
            stating.append(_timed(lambda: _stating(path, stated)))
        lines = stated + events
        report.line("json.loads, nothing kept", f"{lines / median(bare):,.0f} lines/s", _micro(median(bare), lines))
        report.line("circulation replay, whole", f"{lines / median(whole):,.0f} lines/s", _micro(median(whole), lines))
        only = median(whole) - median(stating)
        report.line("  the uses of it", f"{events / only:,.0f} uses/s", _micro(only, events))
        report.line("  the statements of it", f"{stated / median(stating):,.0f}/s", _micro(median(stating), stated))
        report.ratio("replay / json.loads", median(bare) / median(whole), TARGET)
        _stages(path, stated, events, report)


def _micro(seconds: float, count: int) -> str:
    return f"{seconds / count * 1e6:.2f} µs each"


def _timed(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _bare(path: Path) -> None:
    loads = json.loads
    with path.open("rb") as file:
        for line in file:
            loads(line)


def _whole(path: Path, lines: int, expected: Counter[str], report: Report) -> None:
    store = Store("sqlite://")
    tally = Replay(offline(store, None), Admission()).run(lines_of(path))
    report.same("lines taken in", (lines, lines, 0, 0), tally[:4])
    with store.reading() as db:
        standing = dict(db.rows("select severity, count(*) from findings where standing group by severity"))
    report.same("standing findings", dict(expected), standing)


def _stating(path: Path, stated: int) -> None:
    with path.open("rb") as file:
        Replay(offline(Store("sqlite://"), None), Admission()).run(itertools.islice(file, stated))


def _stages(path: Path, stated: int, events: int, report: Report) -> None:
    """Admission and intake of the uses, each by itself, in the portions in which a replay takes them."""
    engine = offline(Store("sqlite://"), None)
    now = time.time_ns() // 1000
    admit = Admission().admit
    with path.open("rb") as file:
        Replay(engine, Admission()).run(itertools.islice(file, stated))
        lines = [line.rstrip(b"\n") for line in file]
    admitting = taking = 0.0
    place = ("file", 0, 0)
    count = 0
    for at in range(0, len(lines), RUN_MAX):
        portion = lines[at : at + RUN_MAX]
        begun = time.perf_counter()
        admitted = [admit(line, topic=None, key=ANY, headers=(), now=now) for line in portion]
        admitting += time.perf_counter() - begun
        arrivals = [Arrival(n, now, event, b"", place) for n, event in enumerate(admitted) if isinstance(event, Event)]
        begun = time.perf_counter()
        outcome = engine.take(arrivals, [], now)
        taking += time.perf_counter() - begun
        count += sum(outcome.type_counts.values())
    report.same("uses taken in, by stage", events, count)
    report.line("stage: admit", f"{events / admitting:,.0f} uses/s", _micro(admitting, events))
    report.line(f"stage: take ({RUN_MAX:,} at once)", f"{events / taking:,.0f} uses/s", _micro(taking, events))
