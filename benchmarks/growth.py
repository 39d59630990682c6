"""`growth`: what an act costs where many of its kind are there already, for each kind of act, offline.

On SQLite in memory, where one process writes and may cache what it read; on PostgreSQL with the caches that a worker
has beside others, and there with the time of its server process and the rows that it reads.
"""

import argparse
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from benchmarks.kinds import assets, contracts, lineage, parties, supervision, uses
from benchmarks.kinds.kind import Kind
from benchmarks.lab import POSTGRESQL, SQLITE, Stores
from benchmarks.report import Report
from circulation.admission.admission import Admission
from streams.offline.replay import Replay, offline
from streams.store.store import Store

SIZES, SIZES_QUICK = (1_000, 4_000, 16_000), (250, 1_000, 4_000)
EXPONENT_MAX: Final = 1.1
# Nothing of a kind may take longer where there are so many of it.
ACT_MS_MAX: Final = 50.0
# A kind that takes longer than this is given up: what was measured by then shows how it grows.
SECONDS_MAX, SECONDS_MAX_QUICK = 120.0, 20.0
# The slowest acts are those of this part: a single one may have met the collector of garbage.
SLOWEST_PART: Final = 0.01
# Tables of fewer rows are not worth another look.
ANALYZED_MIN: Final = 250
STORES: Final = {name.lower(): name for name in (SQLITE, POSTGRESQL)}
KINDS: Final = (*parties.KINDS, *assets.KINDS, *lineage.KINDS, *contracts.KINDS, *supervision.KINDS, *uses.KINDS)


class Grown(NamedTuple):
    """How a kind grew: (how many acts there were, CPU seconds for all of them, rows that the server read for them), and
    ms of the slowest. On SQLite nobody counts rows: 0."""

    sizes: list[tuple[int, float, int]]
    slowest_ms: float
    given_up: bool

    @property
    def exponent(self) -> float:
        """The slope of the logarithms between the last two sizes: 1 where each act costs the same."""
        (size_before, cheap, _), (size_after, dear, _) = self.sizes[-2:]
        return math.log(dear / cheap) / math.log(size_after / size_before)

    @property
    def rows_per_act(self) -> float:
        """The rows that the server read for an act between the last two sizes."""
        (size_before, _, before), (size_after, _, after) = self.sizes[-2:]
        return (after - before) / (size_after - size_before)


class Costs:
    """The cost of a store so far: the CPU seconds of this process and of the one that serves its connection, and rows.

    A server has to be on this machine, under Linux.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._server: Path | None = None
        if store.postgres:
            with store.reading() as db:
                ((pid,),) = db.rows("select pg_backend_pid()")
            self._server = Path(f"/proc/{pid}/schedstat")

    def seconds(self) -> float:
        """Processor time: the server's is the first number of `schedstat`, ns."""
        served = 0 if self._server is None else int(self._server.read_text().split()[0])
        return time.process_time() + served / 1_000_000_000

    def rows(self) -> int:
        """The rows that were read of tables, and the entries of indexes; none of the server's own catalogue, of which
        it reads many when it cleans up by itself."""
        if self._server is None:
            return 0
        with self._store.reading() as db:
            db.rows("select pg_stat_force_next_flush()")
            query = (
                "select coalesce((select sum(seq_tup_read) from pg_stat_user_tables), 0)"
                " + coalesce((select sum(idx_tup_read) from pg_stat_user_indexes), 0)"
            )
            ((rows,),) = db.rows(query)
        return int(rows)


def measure(kind: Kind, sizes: Sequence[int], seconds_max: float, store: Store) -> Grown:
    """Takes in acts of one kind, one after the other, and judges each before the next."""
    replay = Replay(offline(store, None), Admission())
    replay.run(map(orjson.dumps, kind.before))
    costs = Costs(store)
    begin = costs.rows()
    measured: list[tuple[int, float, int]] = []
    seconds_each: list[float] = []
    spent, count = 0.0, 0
    given_up = False

    def lines(until: int) -> Iterator[bytes]:
        nonlocal count, spent, given_up
        for i in range(count, until):
            members = kind.make(i)
            raw = [orjson.dumps(event) for event in ([members] if isinstance(members, dict) else members)]
            begun = costs.seconds()
            yield from raw
            took = costs.seconds() - begun
            seconds_each.append(took)
            spent += took
            count = i + 1
            if spent > seconds_max:
                given_up = True
                return

    for size in sizes:
        # A worker has the server look anew at tables that have doubled, and so is it done here, at no cost of an act.
        while count < size and not given_up:
            replay.run(lines(min(size, max(2 * count, ANALYZED_MIN))))
            store.analyze()
        measured.append((count, spent, costs.rows() - begin))
        if given_up:
            break
    if len(measured) == 1:
        half = len(seconds_each) // 2
        measured.insert(0, (half, sum(seconds_each[:half]), 0))
    last = sorted(seconds_each[-max(100, len(seconds_each) // 4) :])
    slowest = last[int(len(last) * (1 - SLOWEST_PART)) :]
    return Grown(measured, sum(slowest) / len(slowest) * 1000, given_up)


def run(report: Report, *, quick: bool, names: Iterable[str] = (), kind_of_store: str = SQLITE) -> None:
    """Each kind on a store of its own."""
    sizes = SIZES_QUICK if quick else SIZES
    of = "this process" if kind_of_store == SQLITE else "this process and its server process"
    report.title(
        "growth",
        f"acts of one kind, about one thing, one after the other, on {kind_of_store}: CPU of {of} for all of the first"
        f" {', '.join(f'{size:,}' for size in sizes)}; the exponent of that between the last two, at most"
        f" {EXPONENT_MAX} where an act costs the same however many there are; and the slowest of a hundred at the end",
    )
    wanted = [kind for kind in KINDS if not names or any(name in kind.name for name in names)]
    with Stores() as stores:
        for kind in wanted:
            store = Store("sqlite://" if kind_of_store == SQLITE else stores.store(kind_of_store))
            store.migrate()
            grown = measure(kind, sizes, SECONDS_MAX_QUICK if quick else SECONDS_MAX, store)
            store.close()
            _report(report, kind, grown, rows=kind_of_store == POSTGRESQL)


def _report(report: Report, kind: Kind, grown: Grown, *, rows: bool) -> None:
    figures = [f"{seconds:,.2f} s" for _, seconds, _ in grown.sizes]
    figures += [f"(given up at {grown.sizes[-1][0]:,})"] * grown.given_up
    figures += [f"n^{grown.exponent:.2f}", f"{grown.slowest_ms:.1f} ms"]
    figures += [f"{grown.rows_per_act:,.0f} rows an act"] * rows
    report.line(kind.name, *figures)
    if kind.anew:
        report.line(f"  ({kind.anew})")
    elif grown.exponent > EXPONENT_MAX:
        report.slow.append(f"growth: {kind.name} is n^{grown.exponent:.2f}, should be at most n^{EXPONENT_MAX}")
    if grown.slowest_ms > ACT_MS_MAX:
        report.slow.append(f"growth: {kind.name} takes {grown.slowest_ms:.0f} ms, should be below {ACT_MS_MAX:.0f}")


def main() -> None:
    """Some kinds alone, or on PostgreSQL."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the acts")
    parser.add_argument("--store", choices=STORES, default=SQLITE.lower())
    parser.add_argument("names", nargs="*", metavar="PART OF A KIND'S NAME", help="without, all kinds")
    options = parser.parse_args()
    run(Report(), quick=options.quick, names=options.names, kind_of_store=STORES[options.store])


if __name__ == "__main__":
    main()
