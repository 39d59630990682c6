"""The events of the demo's story: its cast, and a chapter for each act. `story` says what must come of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant, parse_instant
from circulation.events.types import TYPES
from circulation.examples import event
from circulation.findings import About, Cause, finding_id
from circulation.identifiers import uscc_check_character
from circulation.voices import OFFICIALS, takes_official

EXCHANGE: Final = "//exchange.example/events"
LAB: Final = "//lab.example/pipelines"
HUB: Final = "//sensors.example/hub"


def code(first17: str) -> str:
    """A unified social credit code of its first 17 characters."""
    return first17 + uscc_check_character(first17)


CITY: Final = code("11110000000000101")
TRAFFIC: Final = code("91110108MA0DEM011")
NAVIGATION: Final = code("91110105MA0DEM022")
HOSPITAL: Final = code("12110000400000303")
INSURER: Final = code("91110102MA0DEM044")
TRAVEL: Final = code("91310115MA0DEM055")
CAREFUL: Final = code("91440300MA0DEM066")
# Where the clock is at the end.
END: Final = "2025-05-17T18:00:00+08:00"
ABROAD: Final = "lei:529900T8BM49AURSDO55"
NAMES: Final = {
    CITY: "Example City Data Office",
    TRAFFIC: "Example Traffic Data Co.",
    NAVIGATION: "Example Navigation Co.",
    HOSPITAL: "Example Hospital",
    INSURER: "Example Insurance Co.",
    TRAVEL: "Example Travel Co.",
    CAREFUL: "Example Careful Co.",
}

# Uses a day that are reported under the licence that is overrun, and the day at which they pass 120 % of it.
DAILY_USES: Final = 250
DAYS: Final = 50
RED_DAY: Final = 48


class Teller:
    """Numbers the events of each (topic, source, subject), as the extension `sequence` asks."""

    def __init__(self, source: str = EXCHANGE) -> None:
        self._source = source
        self._last: Counter[tuple[str | None, str, str]] = Counter()

    def __call__(
        self, type_: str, subject: str, time: str | int, /, *, source: str | None = None, lost: int = 0, **data: Any
    ) -> dict[str, Any]:
        """One event; `lost` are the numbers before it that never arrive."""
        source = source or (OFFICIALS if takes_official(f"circulation.{type_}", data) else self._source)
        key = (TYPES[f"circulation.{type_}"][0], source, subject)
        self._last[key] += 1 + lost
        text = format_instant(time) if isinstance(time, int) else time
        return event(type_, subject, text, source=source, sequence=self._last[key], **data)


def parties(tell: Teller) -> Iterator[dict[str, Any]]:
    for party, roles, industry in (
        (CITY, ["holder", "public-operator"], "S92"),
        (TRAFFIC, ["operator", "dealer"], "I65"),
        (NAVIGATION, ["buyer"], "I64"),
        (HOSPITAL, ["holder"], "Q84"),
        (INSURER, ["dealer", "buyer"], "J68"),
        (TRAVEL, ["holder", "buyer"], "L72"),
        (CAREFUL, ["holder"], "I65"),
    ):
        yield tell("party.registered", party, "2025-01-02T09:00:00", name=NAMES[party], roles=roles, industry=industry)
    wrong = CITY[:-1] + ("A" if CITY[-1] != "A" else "B")
    yield event("party.registered", wrong, "2025-01-02T10:00:00", source=EXCHANGE, name="Mistyped", roles=["buyer"])


def _asset(
    tell: Teller, asset: str, owner: str, time: str = "2025-01-06T09:00:00", /, **changes: Any
) -> dict[str, Any]:
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
    return tell("asset.registered", asset, time, **(facts | changes))


def _contract(
    tell: Teller, contract: str, asset: str, seller: str, buyer: str, amount: str, **terms: Any
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


def a_licence_that_is_overrun(tell: Teller) -> Iterator[dict[str, Any]]:
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
    for day in range(DAYS):
        used = _daily(tell, day)
        yield used
        if day == 3:
            yield used  # sent twice: the same number again is a duplicate, and counted once


def _daily(tell: Teller, day: int) -> dict[str, Any]:
    first = parse_instant("2025-01-11T20:00:00+08:00")
    return tell("usage.reported", "contract-traffic", first + day * DAY, uses=DAILY_USES, purpose="navigation/routing")


def a_source_that_may_not_be_sold(tell: Teller) -> Iterator[dict[str, Any]]:
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


def a_use_for_another_purpose(tell: Teller) -> Iterator[dict[str, Any]]:
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


def exports_that_add_up(tell: Teller) -> Iterator[dict[str, Any]]:
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


def data_that_should_be_gone(tell: Teller) -> Iterator[dict[str, Any]]:
    """Two contracts end on 1 March; what was delivered is to be deleted within 30 days, and one buyer proves it."""
    yield _asset(tell, "parking-history", CITY)
    for contract, buyer in (("contract-expired", NAVIGATION), ("contract-deleted", TRAVEL)):
        yield _contract(tell, contract, "parking-history", CITY, buyer, "5000", delete_within_days=30)
        yield tell("contract.terminated", contract, "2025-03-01T00:00:00", reason="by agreement")
    yield tell("deletion.proved", "contract-deleted", "2025-03-20T10:00:00", evidence="certificate-of-deletion-9")
    # With April the clock is past the days in which the other was to be deleted.
    yield _asset(tell, "street-sensors", CITY, "2025-04-01T00:00:00", level="ungraded", category="sensors")


def a_feed_with_a_hole(tell: Teller) -> Iterator[dict[str, Any]]:
    """An asset that nobody has graded is listed; and of its source's events the second never arrives."""
    yield tell(
        "product.listed",
        "street-sensors",
        "2025-04-02T09:00:00",
        product="product-sensors",
        seller=CITY,
        delivery=["api"],
    )
    yield tell("source.heartbeat", HUB, "2025-04-01T08:00:00", source=HUB)
    yield tell("source.heartbeat", HUB, "2025-04-01T08:10:00", source=HUB, lost=1)


def _objected() -> str:
    """The id of the finding that is objected to. It follows from its cause, so that the story needs no answer."""
    tell = Teller()
    red = [_daily(tell, 0)]  # after the signing, which has the first number
    for day in range(RED_DAY + 1):
        red.append(_daily(tell, day))
    cause = Cause(EXCHANGE, str(red[-1]["id"]))
    return finding_id("usage-limit", About("contract", "contract-traffic"), cause, ("uses", "120"))


def an_objection(tell: Teller) -> Iterator[dict[str, Any]]:
    """The buyer objects to the red finding; it suspends its points from the day on."""
    yield tell(
        "objection.filed",
        NAVIGATION,
        "2025-05-16T10:00:00",
        objection="objection-1",
        finding=_objected(),
        grounds="2,500 of these uses were a load test of the seller's own",
    )


def a_decision(tell: Teller) -> Iterator[dict[str, Any]]:
    """The objection is upheld: it is as if the finding had never been."""
    yield tell(
        "objection.decided",
        NAVIGATION,
        "2025-05-17T16:00:00",
        objection="objection-1",
        outcome="upheld",
        decided_by="Example Data Bureau",
    )
    yield tell("source.heartbeat", EXCHANGE, END)


Chapter = Callable[[Teller], Iterator[dict[str, Any]]]
