"""`start`: how long a worker takes to its first event, and how much memory, with a million contracts in the store."""

import time
from typing import Final

from benchmarks.bulk import multiply, template
from benchmarks.lab import START_SECONDS_MAX, Lab, kinds, working
from benchmarks.load import Message, entities, limits, signings, use
from benchmarks.report import Report
from circulation.calendar import format_instant
from circulation.events.names import CONTRACTS
from streams.store.store import Store

CONTRACTS_IN, CONTRACTS_QUICK = 1_000_000, 100_000
NAME: Final = "contract-000000"
SECONDS_MAX: Final = 5.0
MEMORY_MB_MAX: Final = 1_024.0
LOOK_SECONDS: Final = 0.01


def run(report: Report, *, quick: bool) -> None:
    """Each store by itself."""
    count = CONTRACTS_QUICK if quick else CONTRACTS_IN
    report.title(
        "start",
        f"{count:,} contracts in the store, with all that the engine writes for one; from the start of the worker's"
        " process until the first use of one of them is committed, and its most memory by then",
    )
    sample = template(entities(), signings(limits(1, 1)))
    for kind in kinds():
        for contracts in (1, count):
            with Lab() as lab:
                url = lab.store(kind)
                _fill(url, sample, contracts)
                seconds, cpu, peak = _first(lab, url, kind, contracts)
            if contracts == 1:
                report.line(f"to the first event on {kind}, one contract", f"{seconds:.1f} s", f"CPU {cpu:.1f} s")
                continue
            report.line(f"to the first event on {kind}", f"{seconds:.1f} s", f"CPU {cpu:.1f} s")
            report.at_most(f"to the first event on {kind}", seconds, SECONDS_MAX, "s")
            if peak is not None:
                report.at_most(f"memory by then on {kind}", peak / 2**20, MEMORY_MB_MAX, "MiB")


def _fill(url: str, sample: Store, contracts: int) -> None:
    store = Store(url)
    store.migrate()
    multiply(store, sample, NAME, contracts)
    with store.writing() as db:
        db.run("analyze")
    store.close()


def _first(lab: Lab, url: str, kind: str, contracts: int) -> tuple[float, float, int | None]:
    """Wall and CPU seconds of a new worker until a use of one contract is committed, and its most memory by then."""
    contract = f"{NAME}-{1_000_000 + contracts // 2}"
    value = use(0, 1, 1, format_instant(time.time_ns() // 1000), 2).replace(NAME.encode(), contract.encode())
    lab.send([Message(CONTRACTS, contract.encode(), value)])
    begun = time.perf_counter()
    with working(lab, url, kind) as (worker, books):
        worker.wait(lambda: sum(books.progress().values()) > 0, "a use is taken in", START_SECONDS_MAX, LOOK_SECONDS)
        seconds = time.perf_counter() - begun
        return seconds, worker.cpu_seconds() or 0.0, worker.memory_peak_bytes()
