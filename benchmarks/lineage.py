"""`lineage`: looking through assets among a million, from the store and from memory; derivations taken in."""

import itertools
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

import detectors
from benchmarks.lab import Stores, kinds, server_seconds
from benchmarks.report import Report, median
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.events.names import ASSET_REGISTERED
from circulation.events.names import ASSETS as TOPIC
from circulation.examples import derived
from circulation.packs.in_force import Packs
from streams.answers import trace
from streams.answers.lineage_cache import Held
from streams.answers.lineages import Lineage, Stored, Way
from streams.facts.rulebook import shipped
from streams.intake import Arrival
from streams.offline.replay import offline
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.store import Store

ASSETS, ASSETS_QUICK = 1_000_000, 50_000
DERIVATIONS_EACH: Final = 3
STEPS_MAX: Final = 50
# Assets of one owner are made of each other, and of what many use.
FAMILY: Final = 200
OFTEN_USED_SHARE: Final = 0.15
# One product is made of so many, over as many steps as the deepest.
DEEP: Final = 100_000
QUERIES, QUERIES_QUICK = 1_000, 200
TAKEN_EVENTS, TAKEN_EVENTS_QUICK = 20_000, 4_000
AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 20_000
SEED: Final = 20260101
BEGUN: Final = parse_instant("2025-01-01")
LATER: Final = parse_instant("2026-01-01")
TARGET_P50_MS, TARGET_P99_MS, TARGET_DEEP_MS, TARGET_TAKEN, TARGET_COMMAND_S = 5.0, 50.0, 150.0, 5_000.0, 2.0
WAYS: Final[tuple[Way, Way]] = ("up", "down")


def run(report: Report, *, quick: bool) -> None:
    """Fills a store of each kind and asks it; every figure is processor time of this process but where it says else."""
    assets, queries = (ASSETS_QUICK, QUERIES_QUICK) if quick else (ASSETS, QUERIES)
    deep = min(DEEP, assets // 5)
    report.title(
        "lineage",
        f"{assets:,} registered assets and {assets * DERIVATIONS_EACH:,} derivations, most of few inputs and some of"
        f" hundreds, to {STEPS_MAX} steps deep, one product made of {deep:,}; {queries:,} assets by chance, up and"
        " down; processor time of this process (of what is taken in and judged, PostgreSQL's processes as well), but"
        " where a line says otherwise",
    )
    for kind in kinds():
        with Stores() as stores:
            url = stores.store(kind)
            store = Store(url)
            store.migrate()
            begun = time.perf_counter()
            count = _fill(store, assets, deep)
            report.line(f"{kind}: filled", f"{count:,} derivations", f"{time.perf_counter() - begun:.0f} s by the wall")
            _ask(report, kind, url, store, assets, queries, deep)
            store.close()
        with Stores() as stores:
            _take(report, kind, stores.store(kind), stores.folder, TAKEN_EVENTS_QUICK if quick else TAKEN_EVENTS)


def name(number: int) -> str:
    """An asset's id."""
    return f"asset-{number:07d}"


def derivations(assets: int, deep: int) -> Iterator[tuple[int, int]]:
    """(output, input): families of assets that are made of each other and of a few that many use; then one product.

    Inputs are many of few and few of many: how many an asset has is Pareto distributed, and so is how often one that
    many use is used.
    """
    random_ = random.Random(SEED)
    steps = bytearray(assets)
    seen: set[int] = set()
    wanted = assets * DERIVATIONS_EACH - 2 * deep
    # The last ones are left for the product.
    whole = assets - deep - 1
    often = max(1, whole // 100)
    while True:
        for output in range(often, whole):
            inputs = min(400, int(random_.paretovariate(1.3)) + 1)
            family = output - output % FAMILY
            for _ in range(inputs):
                if random_.random() < OFTEN_USED_SHARE or output == family:
                    input_ = min(often - 1, int(often * (random_.paretovariate(1.1) - 1) / 50))
                else:
                    input_ = random_.randrange(max(often, family), output) if output > often else 0
                edge = output * assets + input_
                if input_ < output and steps[input_] < STEPS_MAX and edge not in seen:
                    steps[output] = max(steps[output], steps[input_] + 1)
                    seen.add(edge)
                    yield output, input_
                if len(seen) >= wanted:
                    return


def product(assets: int, deep: int) -> Iterator[tuple[int, int]]:
    """The product of everything that was left: in layers, each asset of a layer made of two of the next."""
    first = assets - deep - 1
    layer = deep // STEPS_MAX
    for place in range(layer):
        yield first, first + 1 + place
    for at in range(1, STEPS_MAX):
        begin, before = first + 1 + at * layer, first + 1 + (at - 1) * layer
        for place in range(layer):
            yield before + place, begin + place
            yield before + place, begin + (place * 7 + 3) % layer


def _fill(store: Store, assets: int, deep: int) -> int:
    data = {"owner": "scheme:owner", "rights": ["holding"], "category": "c", "level": "general", "personal": "none"}
    numbers = itertools.count(1)
    for at in range(0, assets, ROWS_AT_ONCE):
        rows = []
        for number in range(at, min(at + ROWS_AT_ONCE, assets)):
            id_ = name(number)
            raw = orjson.dumps(data | {"title": f"Asset {number}"})
            thing = queue.act(ASSET_REGISTERED, id_)
            rows.append((next(numbers), TOPIC, id_, ASSET_REGISTERED, thing, BEGUN, "s", id_, 0, raw, None, BEGUN))
        with store.writing() as db:
            db.many(schema.events, rows)
    count = 0
    pairs = itertools.chain(derivations(assets, deep), product(assets, deep))
    while some_pairs := list(itertools.islice(pairs, ROWS_AT_ONCE)):
        edges = [(name(output), name(input_), "event:1", BEGUN, False, None, False) for output, input_ in some_pairs]
        count += len(edges)
        with store.writing() as db:
            db.many(schema.derivations, edges)
    if store.postgres:
        with store.writing() as db:
            db.run("analyze")
    return count


def _ask(report: Report, kind: str, url: str, store: Store, assets: int, queries: int, deep: int) -> None:
    random_ = random.Random(SEED + 1)
    assets_asked = [name(random_.randrange(assets - deep - 1)) for _ in range(queries)]
    packs = Packs.always(shipped(detectors.RULES))
    with store.reading() as db:
        before = _resident_mib()
        begun = time.process_time()
        held = Held(db)
        report.line(
            f"{kind}: loaded into memory",
            f"{time.process_time() - begun:.1f} s",
            f"{_resident_mib() - before:,.0f} MiB",
        )
        reached = [len(held.distances(asset, LATER, way)) - 1 for asset in assets_asked for way in WAYS]
        report.line(
            "  reached from one: p50, p99, most", *(f"{_at(reached, share):,.0f}" for share in (0.5, 0.99, 1.0))
        )
        _timed(report, f"{kind}: lineage from memory", assets_asked, lambda asset, way: _reach(held, asset, way))
        _timed(
            report,
            f"{kind}: lineage by SQL",
            assets_asked[: queries // 4],
            lambda asset, way: _reach(Stored(db), asset, way),
            True,
        )
        _timed(
            report, f"{kind}: whole trace, warm", assets_asked, lambda asset, way: _look(db, held, asset, way, packs)
        )
        worst = []
        for _ in range(5):
            begun = time.process_time()
            distances = held.distances(name(assets - deep - 1), LATER, "up")
            worst.append((time.process_time() - begun) * 1000)
        report.same("ancestors of the deep product", deep // STEPS_MAX * STEPS_MAX, len(distances) - 1)
        report.at_most(f"{kind}: {len(distances) - 1:,} ancestors", median(worst), TARGET_DEEP_MS, "ms")
        begun = time.process_time()
        held.refresh(db)
        report.line(f"{kind}: looking for changes", f"{(time.process_time() - begun) * 1000:.1f} ms")
    environment = os.environ | {"CIRCULATION_STORE": url}
    command = [sys.executable, "-m", "streams.cli.main", "trace", assets_asked[0], "--json"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    report.at_most(
        f"{kind}: the command, its processor time",
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used,
        TARGET_COMMAND_S,
        "s",
    )


def _reach(lineage: Lineage, asset: str, way: Way) -> None:
    lineage.reached(asset, LATER, way, 10_000, 100_000)


def _look(db: Db, held: Held, asset: str, way: Way, packs: Packs) -> None:
    trace.look_through(db, asset, LATER, up=way == "up", down=way == "down", lineage=held, packs=packs)


def _timed(
    report: Report, title: str, assets: list[str], ask: Callable[[str, Way], Any], only_told: bool = False
) -> None:
    for way in WAYS:
        times = []
        for asset in assets:
            begun = time.perf_counter() if only_told else time.process_time()
            ask(asset, way)
            times.append(((time.perf_counter() if only_told else time.process_time()) - begun) * 1000)
        if only_told:
            report.line(
                f"{title}, {way}, by the wall", f"p50 {_at(times, 0.5):.2f} ms", f"p99 {_at(times, 0.99):.1f} ms"
            )
            continue
        report.at_most(f"{title}, {way}, p50", _at(times, 0.5), TARGET_P50_MS, "ms")
        report.at_most(f"{title}, {way}, p99", _at(times, 0.99), TARGET_P99_MS, "ms")


def _at(values: list[Any], share: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * share))])


def _resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 a file of the kernel
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def _take(report: Report, kind: str, url: str, folder: Path, count: int) -> None:
    """Derivations, each of two inputs, admitted and taken in; judged with all rules afterwards."""
    store = Store(url)
    store.migrate()
    engine = offline(store, None)
    now = time.time_ns() // 1000
    lines = [orjson.dumps(derived(f"a{n}", "2025-02-01", f"a{n // 2}", f"b{n % 997}")) for n in range(1, count + 1)]
    admit = Admission().admit
    begun, served = time.process_time(), server_seconds(folder)
    for at in range(0, count, AT_ONCE):
        admitted = [admit(line, topic=None, key=ANY, headers=(), now=now) for line in lines[at : at + AT_ONCE]]
        arrivals = [
            Arrival(n, now, event, b"", ("file", 0, 0)) for n, event in enumerate(admitted) if isinstance(event, Event)
        ]
        engine.take(arrivals, [], now)
    taking, serving = time.process_time() - begun, server_seconds(folder) - served
    with store.reading() as db:
        (kept,) = db.one("select count(distinct output) from derivations") or (0,)
    report.same("derived assets kept", count, kept)
    rate = count / (taking + serving)
    report.line(f"{kind}: derivations taken in", f"{rate:,.0f}/s", f"{count / taking:,.0f}/s without the server")
    report.ratio(f"{kind}: taken in / {TARGET_TAKEN:,.0f} a second", rate / TARGET_TAKEN, 1.0)
    begun, served = time.process_time(), server_seconds(folder)
    while engine.judge_round(now, AT_ONCE).items:
        pass
    judging = time.process_time() - begun + server_seconds(folder) - served
    report.line(f"{kind}: and judged by {len(detectors.RULES)} rules", f"{count / judging:,.0f}/s")
    store.close()
