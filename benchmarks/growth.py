"""`growth`: what an act costs where many of its kind are there already, for each kind of act, offline.

On SQLite in memory, where one process writes and may cache what it read; on PostgreSQL with the caches that a worker
has beside others, and there with the time of its server process and the rows that it reads.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from benchmarks.lab import POSTGRESQL, SQLITE, Stores
from benchmarks.report import Report
from circulation import examples
from circulation.admission.admission import Admission
from circulation.calendar import days, format_instant, parse_instant
from circulation.docket import docket_id
from circulation.examples import ABROAD, BUYER, OWNER, SELLER, Json
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
SECOND: Final = 1_000_000
_BEGIN: Final = parse_instant("2025-03-01T00:00:00+08:00")
# Events of the future are not taken in, and days of one contract are many years.
_LONG_AGO: Final = parse_instant("1930-01-01T12:00:00+08:00")
STORES: Final = {name.lower(): name for name in (SQLITE, POSTGRESQL)}
_FIELDS: Final = [f"field_{at}" for at in range(20)]

Make = Callable[[int], Json | Sequence[Json]]


class Kind(NamedTuple):
    """Acts of one kind: what is there before, and the events of the i-th act.

    `anew` says what each of them has to say anew that is more with every one, so that it may cost more.
    """

    name: str
    make: Make
    before: Sequence[Json] = ()
    anew: str = ""


def _at(i: float, step: float = 60.0) -> str:
    return format_instant(_BEGIN + int(i * step * SECOND))


def _party(i: int) -> str:
    return f"scheme:party-{i}"


def _export(party: str, i: int, **data: Any) -> Json:
    return examples.exported(party, _at(i), persons=1, export=f"export-{i}", **data)


def _signed(contract: str, i: int, **data: Any) -> Json:
    return examples.signed(contract, _at(i), **({"asset": f"asset-{i}", "buyer": _party(i)} | data))


def _again(i: float, **data: Any) -> Json:
    return examples.asset("asset", _at(i), title=f"Title {i}", **data)


_RECORD = {"act": "forged", "document_date": "2025-02-01", "decided_by": "an office"}


def _record(i: int, party: str = SELLER, tier: str = "minor") -> Json:
    return examples.event("credit.determined", party, _at(i), record=f"record-{i}", tier=tier, **_RECORD)


def _objected(i: int) -> list[Json]:
    objection = {"objection": f"objection-{i}"}
    return [
        _record(i),
        examples.event(
            "objection.filed", SELLER, _at(i + 0.2), record=f"record-{i}", grounds="it was not us", **objection
        ),
        examples.event(
            "objection.decided", SELLER, _at(i + 0.4), outcome="upheld", decided_by="an office", **objection
        ),
    ]


def _repaired(i: int) -> list[Json]:
    repair = {"repair": f"repair-{i}"}
    return [
        _record(i),
        examples.event("repair.applied", SELLER, _at(i + 0.2), record=f"record-{i}", evidence=["paid"], **repair),
        examples.event("repair.decided", SELLER, _at(i + 0.4), outcome="granted", decided_by="an office", **repair),
    ]


def _retracted(i: int) -> list[Json]:
    export = _export(SELLER, i)
    return [export, examples.retracted(export, _at(i + 0.5))]


def _settled(i: int, contract: str = "contract") -> Json:
    paid = {"payer": BUYER, "payee": SELLER, "amount": "1.00"}
    return examples.event("settlement.paid", contract, _at(i), settlement=f"settlement-{i}", **paid)


def _graded(i: int, **data: Any) -> Json:
    level = ("general", "important")[i % 2]
    return examples.event("asset.graded", "asset", _at(i), level=level, personal="none", reason=f"review {i}", **data)


def _assessed(i: int) -> Json:
    return examples.event(
        "asset.assessed",
        "asset",
        _at(i),
        assessment=f"assessment-{i}",
        kind="quality",
        result="pass",
        completeness=0.99,
        assessor="an office",
    )


def _sighted(i: int) -> Json:
    return examples.event(
        "watermark.sighted", "asset", _at(i), watermark=f"mark-{i % 7}", holder=_party(i), place="a forum"
    )


def _listed(i: int) -> Json:
    return examples.listed("asset", _at(i + 0.5), product="product")


def _refused(i: int) -> Json:
    return examples.event("request.refused", "asset", _at(i), buyer=_party(i), seller=SELLER, reason="no")


def _member(i: int, **data: Any) -> Json:
    return examples.party(_party(i), _at(i), controller="scheme:top", **data)


def _ordered(i: int, asset: str = "asset") -> Json:
    case = f"{docket_id('certificate-invalid', 'asset', asset)}-1"
    return examples.event("case.ordered", case, _at(i), by="an officer", note=f"note {i}", due=_at(i + 1_000))


def _running(i: int, *, read: str, written: str) -> Json:
    """Events of an OpenLineage run that never ends."""
    return {
        "eventTime": _at(i),
        "eventType": "RUNNING",
        "run": {"runId": "run"},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [{"namespace": "lake", "name": read}],
        "outputs": [{"namespace": "lake", "name": written}],
        "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _fields(i: int) -> list[str]:
    """Fields of which many assets have some, and no two have many in common."""
    return [f"field_{(i * 7 + at * at * 3) % 500}" for at in range(20)]


_ASSET = examples.asset("asset", "2025-01-02")
_CONTRACT = examples.signed("contract", "2025-01-03")
_PAYING = examples.signed("contract", "2025-01-03", amount="100000000", terms=examples.terms(pay_within_days=300))
_TOP = examples.party("scheme:top", "2025-01-01")

KINDS: Final = (
    Kind("exports of one party", lambda i: _export(SELLER, i), [examples.party(SELLER)]),
    Kind(
        "exports under one grant, each beyond it",
        lambda i: _export(SELLER, i, grant="grant-security-assessment"),
        [examples.party(SELLER), examples.granted(SELLER, "2025-01-05", "security-assessment", persons_max=10)],
    ),
    Kind("exports, each by a new member of one group", lambda i: [_member(i), _export(_party(i), i)], [_TOP]),
    Kind("exports retracted", _retracted, [examples.party(SELLER)]),
    Kind(
        "exports that come late by an hour",
        lambda i: _export(SELLER, i + (120 if i % 2 else 60)),
        [examples.party(SELLER)],
    ),
    Kind("parties under one controller", _member, [_TOP]),
    Kind(
        "a controller registered again, a member and its export between",
        lambda i: [_member(i), _export(_party(i), i), examples.party("scheme:top", _at(i), name=f"Top {i}")],
        [_TOP],
    ),
    Kind("a party registered again", lambda i: examples.party(SELLER, _at(i), name=f"Name {i}")),
    Kind(
        "a party registered again, an export between",
        lambda i: [_export(SELLER, i), examples.party(SELLER, _at(i), name=f"Name {i}")],
    ),
    Kind(
        "grants of one holder, an export between",
        lambda i: [
            _export(SELLER, i),
            examples.granted(SELLER, _at(i), "standard-contract", grant=f"grant-{i}", assets=[f"asset-{i}"]),
        ],
        [examples.party(SELLER)],
    ),
    Kind(
        "assets of one owner with the same fields",
        lambda i: examples.asset(f"asset-{i}", _at(i), fields=_FIELDS, persons=1, personal="personal"),
    ),
    Kind("assets of one owner with other fields", lambda i: examples.asset(f"asset-{i}", _at(i), fields=_fields(i))),
    Kind("assets with the same digest", lambda i: examples.asset(f"asset-{i}", _at(i), owner=_party(i), digest="d")),
    Kind("an asset registered again", _again),
    Kind("an asset registered again with other fields", lambda i: _again(i, fields=_fields(i))),
    Kind("gradings of one asset", _graded, [_ASSET]),
    Kind(
        "approved gradings of one asset",
        lambda i: _graded(i, approved_by="an office"),
        [_ASSET, examples.derived("asset", "2025-01-04", "input")],
    ),
    Kind(
        "certificates of one asset, a listing between",
        lambda i: [
            _again(i, certificate=f"C{i}"),
            examples.listed("asset", _at(i + 0.5), product="product"),
        ],
    ),
    Kind("assessments of one asset", _assessed, [_ASSET]),
    Kind(
        "assets of one catalogue element",
        lambda i: examples.asset(f"asset-{i}", _at(i), owner=_party(i), element="E", source_unit=f"unit-{i % 2}"),
    ),
    Kind(
        "listings with one certificate",
        lambda i: [
            examples.asset(f"asset-{i}", _at(i), owner=_party(i), certificate="C"),
            examples.listed(f"asset-{i}", _at(i + 0.5), seller=_party(i)),
        ],
    ),
    Kind("derivations into one output", lambda i: examples.derived("asset", _at(i), f"input-{i}"), [_ASSET]),
    Kind(
        "derivations into one output, each from an input that is graded above it",
        lambda i: [
            examples.asset(f"input-{i}", _at(i - 0.5), owner=_party(i), level="important"),
            examples.derived("asset", _at(i), f"input-{i}"),
        ],
        [_ASSET],
    ),
    Kind(
        "derivations into one output, an input of it graded between",
        lambda i: [
            examples.event(
                "asset.graded",
                "input",
                _at(i - 0.5),
                level=("general", "important")[i % 2],
                personal="none",
                reason="review",
            ),
            examples.derived("asset", _at(i), f"input-{i}"),
        ],
        [_ASSET, examples.asset("input", "2025-01-02"), examples.derived("asset", "2025-01-03", "input")],
    ),
    Kind(
        "derivations into one output, it is registered between",
        lambda i: [examples.derived("asset", _at(i), f"input-{i}"), _again(i + 0.5)],
        [_ASSET],
    ),
    Kind(
        "derivations into one output, approved gradings of it between",
        lambda i: [examples.derived("asset", _at(i), f"input-{i}"), _graded(i, approved_by="an office")],
        [_ASSET],
    ),
    Kind(
        "derivations, each from the output before",
        lambda i: examples.derived(f"asset-{i + 1}", _at(i), f"asset-{i}"),
    ),
    Kind("derivations from one input", lambda i: examples.derived(f"output-{i}", _at(i), "asset"), [_ASSET]),
    Kind("a run that reads one more each time", lambda i: _running(i, read=f"input-{i}", written="output")),
    Kind("a run that writes one more each time", lambda i: _running(i, read="input", written=f"output-{i}")),
    Kind(
        "a run that reads and writes one more each time",
        lambda i: _running(i, read=f"input-{i}", written=f"output-{i}"),
        anew="all outputs are made of all inputs, so that one more input has all of them judged again",
    ),
    Kind("listings of one asset", lambda i: examples.listed("asset", _at(i), product=f"product-{i}"), [_ASSET]),
    Kind("listings of one product", lambda i: examples.listed("asset", _at(i), product="product"), [_ASSET]),
    Kind(
        "contracts of one product, a listing between",
        lambda i: [_signed(f"contract-{i}", i, asset="asset", product="product"), _listed(i)],
        [_ASSET],
    ),
    Kind(
        "listings of one seller",
        lambda i: [examples.asset(f"asset-{i}", _at(i), owner=_party(i)), examples.listed(f"asset-{i}", _at(i + 0.5))],
    ),
    Kind("refusals of one asset", _refused, [_ASSET]),
    Kind("watermarks sighted of one asset", _sighted, [_ASSET, _CONTRACT]),
    Kind(
        "deliveries of one contract, each marked",
        lambda i: examples.delivered("contract", _at(i), delivery=f"d-{i}", watermark=f"mark-{i}", recipient=BUYER),
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "deliveries of one contract",
        lambda i: examples.delivered("contract", _at(i), delivery=f"d-{i}"),
        [_ASSET, _CONTRACT],
    ),
    Kind("settlements of one contract", _settled, [_ASSET, _PAYING]),
    Kind(
        "settlements and deliveries of one contract",
        lambda i: [_settled(i), examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}")],
        [_ASSET, _PAYING],
    ),
    Kind(
        "amendments of one contract",
        lambda i: examples.signed("contract", _at(i), amended=True, amount=f"{i + 1}"),
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, to seven buyers by turns",
        lambda i: examples.signed("contract", _at(i), amended=True, buyer=_party(i % 7)),
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another buyer",
        lambda i: examples.signed("contract", _at(i), amended=True, buyer=_party(i)),
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another buyer, a delivery between",
        lambda i: [
            examples.signed("contract", _at(i), amended=True, buyer=_party(i)),
            examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}"),
        ],
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, to seven sellers by turns, a delivery between",
        lambda i: [
            examples.signed("contract", _at(i), amended=True, seller=_party(i % 7)),
            examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}"),
        ],
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each a hundredth over another asset, a delivery between",
        lambda i: [
            examples.signed("contract", _at(i), amended=True, asset=f"asset-{i // 100}"),
            examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}"),
        ],
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each over another asset, a marked delivery between",
        lambda i: [
            examples.asset(f"asset-{i}", _at(i), fields=[f"field-{i}"]),
            examples.signed("contract", _at(i), amended=True, asset=f"asset-{i}", channel="filed"),
            examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}", watermark=f"mark-{i}", recipient=BUYER),
        ],
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another seller, a delivery between",
        lambda i: [
            examples.signed("contract", _at(i), amended=True, seller=_party(i)),
            examples.delivered("contract", _at(i + 0.5), delivery=f"d-{i}"),
        ],
        [_ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract that is to be paid, each to another seller, a settlement between",
        lambda i: [
            examples.signed(
                "contract", _at(i), amended=True, seller=_party(i), terms=examples.terms(pay_within_days=300)
            ),
            _settled(i),
        ],
        [_ASSET, _PAYING],
    ),
    Kind(
        "amendments of one contract that allows resale, each to another buyer",
        lambda i: examples.signed("contract", _at(i), amended=True, buyer=_party(i), terms=examples.terms(resale=True)),
        [_ASSET, examples.signed("contract", "2025-01-03", terms=examples.terms(resale=True))],
    ),
    Kind("contracts of one seller", lambda i: _signed(f"contract-{i}", i), [examples.party(SELLER)]),
    Kind(
        "contracts of one seller, a serious record between",
        lambda i: (
            [_signed(f"contract-{i}", i), _record(i, tier="serious")] if i % 100 == 99 else _signed(f"contract-{i}", i)
        ),
        [examples.party(SELLER)],
        "of each contract a finding lists all records that are public then, up to 1,000",
    ),
    Kind(
        "contracts of members of one group",
        lambda i: [_member(i), _signed(f"contract-{i}", i, seller=_party(i), buyer=ABROAD)],
        [_TOP],
    ),
    Kind("records of one party", _record, [examples.party(SELLER)]),
    Kind("objections of one party", _objected, [examples.party(SELLER)]),
    Kind("repairs of one party", _repaired, [examples.party(SELLER)]),
    Kind(
        "merits of one party",
        lambda i: examples.event(
            "merit.recorded", SELLER, _at(i), merit=f"m-{i}", act="help", points=1, decided_by="an office"
        ),
    ),
    Kind(
        "orders of one case",
        _ordered,
        [examples.asset("asset", "2025-01-02", certificate=None), examples.listed("asset", "2025-01-05")],
    ),
    Kind("orders of a case that is not there", lambda i: _ordered(i, "another")),
    Kind("heartbeats of one source", lambda i: examples.event("source.heartbeat", examples.SOURCE, _at(i))),
    Kind(
        "gaps of one feed",
        lambda i: examples.party(SELLER, _at(i), name=f"Name {i}", sequence=2 * i + 2),
    ),
    Kind(
        "uses of one contract",
        lambda i: examples.used("contract", _at(i), id=f"use-{i}"),
        [_ASSET, examples.signed("contract", "2025-01-03", terms=examples.terms(uses_max=1_000_000))],
    ),
    Kind(
        "uses of one contract that is to report, each on another day",
        lambda i: examples.used("contract", format_instant(_LONG_AGO + days(i)), id=f"use-{i}"),
        [
            _ASSET,
            examples.signed(
                "contract", "1929-12-01", terms=examples.terms(valid_from="1929-12-01", report_within_days=30)
            ),
        ],
    ),
    Kind(
        "uses of one contract, each reported too late",
        lambda i: examples.used("contract", format_instant(_LONG_AGO + days(2 * i)), id=f"use-{i}"),
        [
            _ASSET,
            examples.signed(
                "contract", "1929-12-01", terms=examples.terms(valid_from="1929-12-01", report_within_days=1)
            ),
        ],
    ),
    Kind(
        "incidents of one party",
        lambda i: examples.event(
            "incident.discovered", OWNER, _at(i), incident=f"incident-{i}", kind="leak", operator="other"
        ),
    ),
)


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
