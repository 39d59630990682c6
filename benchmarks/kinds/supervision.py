"""Kinds of acts of supervision: records of credit, cases, and the feeds that all is read of."""

from typing import Final

from benchmarks.kinds.events import at, record
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.docket import docket_id
from circulation.examples import SELLER, Json


def _objected(i: int) -> list[Json]:
    objection = {"objection": f"objection-{i}"}
    return [
        record(i),
        examples.event(
            "objection.filed", SELLER, at(i + 0.2), record=f"record-{i}", grounds="it was not us", **objection
        ),
        examples.event("objection.decided", SELLER, at(i + 0.4), outcome="upheld", decided_by="an office", **objection),
    ]


def _repaired(i: int) -> list[Json]:
    repair = {"repair": f"repair-{i}"}
    return [
        record(i),
        examples.event("repair.applied", SELLER, at(i + 0.2), record=f"record-{i}", evidence=["paid"], **repair),
        examples.event("repair.decided", SELLER, at(i + 0.4), outcome="granted", decided_by="an office", **repair),
    ]


def _ordered(i: int, asset: str = "asset") -> Json:
    case = f"{docket_id('certificate-invalid', 'asset', asset)}-1"
    return examples.event("case.ordered", case, at(i), by="an officer", note=f"note {i}", due=at(i + 1_000))


KINDS: Final = (
    Kind("records of one party", record, [examples.party(SELLER)]),
    Kind("objections of one party", _objected, [examples.party(SELLER)]),
    Kind("repairs of one party", _repaired, [examples.party(SELLER)]),
    Kind(
        "merits of one party",
        lambda i: examples.event(
            "merit.recorded", SELLER, at(i), merit=f"m-{i}", act="help", points=1, decided_by="an office"
        ),
    ),
    Kind(
        "orders of one case",
        _ordered,
        [examples.asset("asset", "2025-01-02", certificate=None), examples.listed("asset", "2025-01-05")],
    ),
    Kind("orders of a case that is not there", lambda i: _ordered(i, "another")),
    Kind("heartbeats of one source", lambda i: examples.event("source.heartbeat", examples.SOURCE, at(i))),
    Kind(
        "gaps of one feed",
        lambda i: examples.party(SELLER, at(i), name=f"Name {i}", sequence=2 * i + 2),
    ),
)
