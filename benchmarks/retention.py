"""`retention`: what a row of each table takes in a store, and for how long a slice of pruning holds the writer."""

import random
from typing import Any, Final

from benchmarks.lab import Stores, kinds
from benchmarks.report import Report
from circulation.admission.admission import Admission
from circulation.calendar import DAY
from circulation.events.names import CONTRACTS
from streams.offline.replay import Replay, offline
from streams.settings import Settings
from streams.simulate.market import Market
from streams.store import schema
from streams.store.store import Store
from streams.worker.pruning import PASS_SECONDS, Pruning

EVENTS, EVENTS_QUICK = 200_000, 30_000
OLD, OLD_QUICK = 300_000, 60_000
# The digests that a fetch of 10,000 uses leaves to cancel them by, and the number of such rows.
USES_OF_A_FETCH: Final = 10_000
FETCHES: Final = 100
NOW: Final = 1_767_225_600_000_000


def run(report: Report, *, quick: bool) -> None:
    """A market that was replayed into a store of each kind; then rows that are all too old."""
    events, old = (EVENTS_QUICK, OLD_QUICK) if quick else (EVENTS, OLD)
    lines = list(Market(events=events, violations=0.001, seed=1).lines())
    for kind in kinds():
        with Stores() as stores:
            store = Store(stores.store(kind))
            store.migrate()
            engine = offline(store, None)
            Replay(engine, Admission()).run(lines)
            report.title("retention", f"bytes a row on {kind}, indexes included, of a market of {events:,} events")
            for table, (rows, size) in sorted(_sizes(store).items()):
                if rows >= 100:
                    report.line(table, f"{rows:,} rows", f"{size / rows:,.0f} bytes a row")
            slices: list[float] = []
            worked: list[float] = []

            def observe(held: float, processor: float, slices: list[float] = slices, worked: Any = worked) -> None:
                slices.append(held)
                worked.append(processor)

            pruning = Pruning(store, Settings.read({}), engine.rules, engine.known, observe=observe)
            _fill(store, old)
            while pruning.step(NOW) < PASS_SECONDS:
                pass
            slices.sort()
            worked.sort()
            report.title(
                "retention", f"slices of pruning on {kind}: {old:,} ids and {FETCHES} fetches that are too old"
            )
            report.line("slices", f"{len(slices):,}")
            for share in (0.5, 0.99, 1.0):
                at = min(int(share * len(slices)), len(slices) - 1)
                figures = f"{1000 * slices[at]:.1f} ms", f"{1000 * worked[at]:.1f} ms of processor"
                report.line(f"held the writer, {share:.0%} of them at most", *figures)
            # On a machine that is busy with other things it is held as well while nobody works for it.
            report.at_most("processor time, 99% of them", 1000 * worked[int(0.99 * len(worked))], 10, "ms")
            with store.reading() as db:
                (left,) = db.one("select count(*) from seen where taken < ?", NOW - 7 * DAY) or (0,)
            report.same("what is too old and still there", 0, left)
            store.close()


def _fill(store: Store, count: int) -> None:
    """Ids in no order, as digests are, and fetches, all of them taken in a year ago."""
    random_ = random.Random(1)
    taken_at = NOW - 365 * DAY
    with store.writing() as db:
        for _ in range(0, count, 10_000):
            db.many(schema.seen, [(f"{random_.getrandbits(128):032x}", taken_at) for _ in range(10_000)])
        for _ in range(FETCHES):
            digests, details = random_.randbytes(16 * USES_OF_A_FETCH), random_.randbytes(21 * USES_OF_A_FETCH)
            db.many(schema.remembered, [(CONTRACTS, 0, taken_at, digests, details, None)])


def _sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Rows and bytes of each table."""
    sizes = {}
    with store.reading() as db:
        for name in schema.metadata.tables:
            (rows,) = db.one(f'select count(*) from "{name}"') or (0,)
            query = "select pg_total_relation_size(?::regclass)"
            if not store.postgres:
                query = (
                    "select sum(s.pgsize) from sqlite_master m join dbstat s on s.name = m.name where m.tbl_name = ?"
                )
            (size,) = db.one(query, name) or (0,)
            sizes[name] = (int(rows), int(size or 0))
    return sizes
