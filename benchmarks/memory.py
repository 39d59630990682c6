"""`memory`: the most memory that a worker takes when it is far behind, by the setting that bounds it."""

from typing import Final

from benchmarks.lab import SQLITE, Lab
from benchmarks.report import Report
from benchmarks.usage import CONTRACT_COUNT, EVENTS, EVENTS_QUICK, measure, prepare

FETCHES: Final = (2_000, 10_000, 40_000)


def run(report: Report, *, quick: bool) -> None:
    """The load of `usage` on SQLite, once for each size of a fetch, each on a broker and a store of its own."""
    events = (EVENTS_QUICK if quick else EVENTS) // 2
    report.title(
        "memory",
        f"the most resident memory of one worker on SQLite that finds {events:,} uses of {CONTRACT_COUNT:,} contracts"
        " waiting, by CIRCULATION_FETCH_RECORDS_MAX",
    )
    for records in FETCHES:
        with Lab() as lab:
            stores = {SQLITE: lab.store(SQLITE)}
            prepared = prepare(lab, stores, events)
            measured = measure(lab, SQLITE, stores[SQLITE], prepared, report, fetch_records_max=records)
        if measured.memory_peak_bytes is None:
            report.line(f"fetches of {records:,} records at most", "this system does not say")
            continue
        report.line(
            f"fetches of {records:,} records at most",
            f"{measured.memory_peak_bytes / 1e6:,.0f} MB at most",
            f"{measured.rate:,.0f} events/s",
        )
