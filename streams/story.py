"""The story of the demo: half a year among made-up parties, in which seven things go wrong, and some do not.

All names and codes are synthetic (the codes' check characters are right). Everything lies in the past, for events of
the future are not admitted, and bears sequence numbers, as a careful exchange would send it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson

from circulation.calendar import DAY, HOUR, format_instant, parse_instant
from circulation.cases import event
from circulation.events import TYPES
from circulation.identifiers import uscc_check_character

EXCHANGE: Final = "//exchange.example/events"
LAB: Final = "//lab.example/pipelines"
HUB: Final = "//sensors.example/hub"


def _code(first17: str) -> str:
    return first17 + uscc_check_character(first17)


CITY: Final = _code("11110000000000101")
TRAFFIC: Final = _code("91110108MA0DEM011")
NAVIGATION: Final = _code("91110105MA0DEM022")
HOSPITAL: Final = _code("12110000400000303")
INSURER: Final = _code("91110102MA0DEM044")
TRAVEL: Final = _code("91310115MA0DEM055")
CAREFUL: Final = _code("91440300MA0DEM066")
ABROAD: Final = "lei:529900T8BM49AURSDO55"

# What must be found: detector, severity, what it is about. Whatever runs the story finds these, and nothing else.
FOUND: Final = (
    ("usage-limit", "blue", "contract-traffic"),
    ("usage-limit", "yellow", "contract-traffic"),
    ("usage-limit", "orange", "contract-traffic"),
    ("usage-limit", "red", "contract-traffic"),
    ("negative-list", "red", "insurance-risk-scores"),
    ("purpose-drift", "orange", "contract-research"),
    ("outside-terms", "orange", "contract-research"),
    ("negative-list", "yellow", "street-sensors"),
    ("export-assessment-missing", "blue", TRAVEL),
    ("export-assessment-missing", "yellow", TRAVEL),
    ("export-assessment-missing", "red", TRAVEL),
    ("deletion-overdue", "orange", "contract-expired"),
    ("export-contract-missing", "orange", TRAVEL),
    ("grade-laundering", "red", "lab/variant-table"),
    ("grading-overdue", "yellow", "street-sensors"),
    ("feed-gap", "yellow", HUB),
    ("feed-silence", "yellow", HUB),
)
DUPLICATES: Final = 1
REJECTED: Final = 1


class _Teller:
    """Numbers the events of each (topic, source, subject), as the extension `sequence` asks."""

    def __init__(self) -> None:
        self._last: Counter[tuple[str | None, str, str]] = Counter()

    def __call__(
        self, type_: str, subject: str, time: str | int, /, *, source: str = EXCHANGE, lost: int = 0, **data: Any
    ) -> dict[str, Any]:
        """One event; `lost` are the numbers before it that never arrive."""
        key = (TYPES[f"circulation.{type_}"][0], source, subject)
        self._last[key] += 1 + lost
        text = format_instant(time) if isinstance(time, int) else time
        return event(type_, subject, text, source=source, sequence=self._last[key], **data)


def events() -> Iterator[dict[str, Any]]:
    """The events in the order of time. One is sent twice, one has a wrong credit code, one is an OpenLineage run's."""
    told = sorted(_chapters(), key=lambda one: parse_instant(str(one.get("time") or one.get("eventTime"))))
    yield from told


def lines() -> Iterator[bytes]:
    """The events as lines of a file."""
    for one in events():
        yield orjson.dumps(one)


def _chapters() -> Iterator[dict[str, Any]]:
    tell = _Teller()
    yield from _parties(tell)
    yield from _a_licence_that_is_overrun(tell)
    yield from _a_source_that_may_not_be_sold(tell)
    yield from _a_use_for_another_purpose(tell)
    yield from _exports_that_add_up(tell)
    yield from _data_that_should_be_gone(tell)
    yield from _a_feed_with_a_hole(tell)
    # The clock of the demo is that of the events: this one moves it past every deadline.
    yield tell("source.heartbeat", EXCHANGE, "2025-06-30T18:00:00")


def _parties(tell: _Teller) -> Iterator[dict[str, Any]]:
    for code, name, roles, industry in (
        (CITY, "Example City Data Office", ["holder", "public-operator"], "S92"),
        (TRAFFIC, "Example Traffic Data Co.", ["operator", "dealer"], "I65"),
        (NAVIGATION, "Example Navigation Co.", ["buyer"], "I64"),
        (HOSPITAL, "Example Hospital", ["holder"], "Q84"),
        (INSURER, "Example Insurance Co.", ["dealer", "buyer"], "J68"),
        (TRAVEL, "Example Travel Co.", ["holder", "buyer"], "L72"),
        (CAREFUL, "Example Careful Co.", ["holder"], "I65"),
    ):
        yield tell("party.registered", code, "2025-01-02T09:00:00", name=name, roles=roles, industry=industry)
    wrong = CITY[:-1] + ("A" if CITY[-1] != "A" else "B")
    yield event("party.registered", wrong, "2025-01-02T10:00:00", source=EXCHANGE, name="Mistyped", roles=["buyer"])


def _asset(tell: _Teller, asset: str, owner: str, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "title": asset.replace("-", " ").capitalize(),
        "owner": owner,
        "rights": ["holding", "processing", "operating"],
        "certificate": f"certificate-{asset}",
        "category": "traffic",
        "level": "general",
        "personal": "none",
        "fields": ["place", "time", f"{asset} value"],
        "persons": 0,
    }
    return tell("asset.registered", asset, "2025-01-06T09:00:00", **(facts | changes))


def _contract(
    tell: _Teller, contract: str, asset: str, seller: str, buyer: str, amount: str, **terms: Any
) -> dict[str, Any]:
    return tell(
        "contract.signed",
        contract,
        "2025-01-10T10:00:00",
        asset=asset,
        seller=seller,
        buyer=buyer,
        channel="on-exchange",
        amount=amount,
        signed="2025-01-10T10:00:00+08:00",
        terms={"valid_from": "2025-01-11", **terms},
    )


def _a_licence_that_is_overrun(tell: _Teller) -> Iterator[dict[str, Any]]:
    """10,000 uses were bought; 250 a day are reported for 50 days: 12,500."""
    yield _asset(tell, "city-traffic-speeds", TRAFFIC)
    yield tell(
        "product.listed",
        "city-traffic-speeds",
        "2025-01-08T09:00:00",
        product="product-traffic",
        seller=TRAFFIC,
        delivery=["api"],
    )
    yield _contract(
        tell,
        "contract-traffic",
        "city-traffic-speeds",
        TRAFFIC,
        NAVIGATION,
        "120000",
        uses_max=10_000,
        purposes=["navigation"],
    )
    first = parse_instant("2025-01-11T20:00:00+08:00")
    for day in range(50):
        used = tell("usage.reported", "contract-traffic", first + day * DAY, uses=250, purpose="navigation/routing")
        yield used
        if day == 3:
            yield used  # sent twice: the same number again is a duplicate, and counted once


def _a_source_that_may_not_be_sold(tell: _Teller) -> Iterator[dict[str, Any]]:
    """Genome data, copied, run through a pipeline, and made into a model: three derivations later, for sale."""
    yield _asset(
        tell,
        "genome-archive",
        HOSPITAL,
        category="health",
        personal="sensitive",
        tags=["人类遗传资源"],
        fields=["sample", "sequence"],
        persons=52_000,
    )
    for asset in ("lab/variant-table", "lab/risk-features", "insurance-risk-scores"):
        yield _asset(tell, asset, INSURER, category="insurance", fields=[f"{asset} score"])
    yield tell(
        "asset.derived",
        "lab/variant-table",
        "2025-02-03T02:00:00",
        inputs=[{"asset": "genome-archive"}],
        process="copy",
    )
    dataset = {"namespace": "lab"}
    run = {"runId": "0194cb2f-7c00-7000-8000-00000000da7a"}
    job = {"namespace": "lab", "name": "features"}
    for kind, time in (("START", "2025-02-04T02:00:00+08:00"), ("COMPLETE", "2025-02-04T02:20:00+08:00")):
        yield {
            "eventType": kind,
            "eventTime": time,
            "run": run,
            "job": job,
            "inputs": [{**dataset, "name": "variant-table"}],
            "outputs": [{**dataset, "name": "risk-features"}] if kind == "COMPLETE" else [],
            "producer": LAB,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }
    yield tell(
        "asset.derived",
        "insurance-risk-scores",
        "2025-02-05T02:00:00",
        inputs=[{"asset": "lab/risk-features"}],
        process="model",
        irreversible=True,
        evidence="report-17",
    )
    yield tell(
        "product.listed",
        "insurance-risk-scores",
        "2025-02-10T09:00:00",
        product="product-scores",
        seller=INSURER,
        delivery=["model"],
    )


def _a_use_for_another_purpose(tell: _Teller) -> Iterator[dict[str, Any]]:
    """Air quality, sold for research inside the country: used for that, then for advertising, then from abroad."""
    yield _asset(tell, "air-quality", CITY, category="environment")
    yield _contract(
        tell, "contract-research", "air-quality", CITY, NAVIGATION, "8000", purposes=["research"], countries=["CN"]
    )
    first = parse_instant("2025-02-17T08:00:00+08:00")
    for hour, (purpose, country) in enumerate(
        (("research", "CN"), ("research/health", "CN"), ("advertising", "CN"), ("research", "SG"), ("research", "CN"))
    ):
        yield tell(
            "usage.reported", "contract-research", first + hour * HOUR, uses=10, purpose=purpose, country=country
        )


def _exports_that_add_up(tell: _Teller) -> Iterator[dict[str, Any]]:
    """Four exports within a year that together concern 1,020,000 persons; another party had itself assessed."""
    yield tell(
        "grant.issued",
        CAREFUL,
        "2025-01-20T09:00:00",
        grant="assessment-1",
        kind="security-assessment",
        valid_from="2025-01-20",
        valid_to="2028-01-20",
    )
    for party in (TRAVEL, CAREFUL):
        for month, persons in ((2, 700_000), (3, 120_000), (4, 140_000), (5, 60_000)):
            yield tell(
                "export.performed",
                party,
                f"2025-{month:02}-15T12:00:00",
                export=f"export-{month}",
                recipient=ABROAD,
                country="DE",
                persons=persons,
                sensitive_persons=0,
                level="general",
            )


def _data_that_should_be_gone(tell: _Teller) -> Iterator[dict[str, Any]]:
    """Two contracts end on 1 March; what was delivered is to be deleted within 30 days, and one buyer proves it."""
    yield _asset(tell, "parking-history", CITY)
    for contract, buyer in (("contract-expired", NAVIGATION), ("contract-deleted", TRAVEL)):
        yield _contract(tell, contract, "parking-history", CITY, buyer, "5000", delete_within_days=30)
        yield tell("contract.terminated", contract, "2025-03-01T00:00:00", reason="by agreement")
    yield tell("deletion.proved", "contract-deleted", "2025-03-20T10:00:00", evidence="certificate-of-deletion-9")


def _a_feed_with_a_hole(tell: _Teller) -> Iterator[dict[str, Any]]:
    """An asset that nobody has graded is listed; and of its source's events the second never arrives."""
    yield _asset(tell, "street-sensors", CITY, level="ungraded", category="sensors")
    yield tell(
        "product.listed",
        "street-sensors",
        "2025-04-02T09:00:00",
        product="product-sensors",
        seller=CITY,
        delivery=["api"],
    )
    yield tell("source.heartbeat", HUB, "2025-04-01T00:00:00", source=HUB)
    yield tell("source.heartbeat", HUB, "2025-04-01T00:10:00", source=HUB, lost=1)
