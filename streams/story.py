"""The story of the demo, act by act: made-up parties, seven things that go wrong, and one that is put right again.

All names and codes are synthetic (the codes' check characters are right). Everything lies in the past, for events of
the future are not admitted, and bears sequence numbers, as a careful exchange would send it. The acts move the clock,
which is the highest time among the events: each begins where no deadline of the one before is still open.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from circulation.calendar import DAY, HOUR, format_instant, parse_instant
from circulation.cases import event
from circulation.events import TYPES
from circulation.findings import About, Cause, finding_id
from circulation.identifiers import uscc_check_character

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


class Found(NamedTuple):
    """What is found: detector, severity, and the id of what it is about."""

    detector: str
    severity: str
    about: str


class Act(NamedTuple):
    """What is done and what must come of it. `score` is that of the party whose credit the act shows, at its end."""

    title: str
    prose: str
    events: tuple[dict[str, Any], ...]
    found: tuple[Found, ...] = ()
    cleared: tuple[Found, ...] = ()
    party: str | None = None
    score: int | None = None


DUPLICATES: Final = 1
REJECTED: Final = 1


class Teller:
    """Numbers the events of each (topic, source, subject), as the extension `sequence` asks."""

    def __init__(self, source: str = EXCHANGE) -> None:
        self._source = source
        self._last: Counter[tuple[str | None, str, str]] = Counter()

    def __call__(
        self, type_: str, subject: str, time: str | int, /, *, source: str | None = None, lost: int = 0, **data: Any
    ) -> dict[str, Any]:
        """One event; `lost` are the numbers before it that never arrive."""
        source = source or self._source
        key = (TYPES[f"circulation.{type_}"][0], source, subject)
        self._last[key] += 1 + lost
        text = format_instant(time) if isinstance(time, int) else time
        return event(type_, subject, text, source=source, sequence=self._last[key], **data)


def acts() -> Iterator[Act]:
    """The acts in their order."""
    tell = Teller()
    for title, prose, chapter, rest in _ACTS:
        told = sorted(chapter(tell), key=lambda one: parse_instant(str(one.get("time") or one.get("eventTime"))))
        yield Act(title, prose, tuple(told), **rest)


def events() -> Iterator[dict[str, Any]]:
    """The events, act by act. One is sent twice, one has a wrong credit code, one is an OpenLineage run's."""
    for act in acts():
        yield from act.events


def lines() -> Iterator[bytes]:
    """The events as lines of a file."""
    for one in events():
        yield orjson.dumps(one)


def _parties(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _a_licence_that_is_overrun(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _a_source_that_may_not_be_sold(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _a_use_for_another_purpose(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _exports_that_add_up(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _data_that_should_be_gone(tell: Teller) -> Iterator[dict[str, Any]]:
    """Two contracts end on 1 March; what was delivered is to be deleted within 30 days, and one buyer proves it."""
    yield _asset(tell, "parking-history", CITY)
    for contract, buyer in (("contract-expired", NAVIGATION), ("contract-deleted", TRAVEL)):
        yield _contract(tell, contract, "parking-history", CITY, buyer, "5000", delete_within_days=30)
        yield tell("contract.terminated", contract, "2025-03-01T00:00:00", reason="by agreement")
    yield tell("deletion.proved", "contract-deleted", "2025-03-20T10:00:00", evidence="certificate-of-deletion-9")
    # With April the clock is past the days in which the other was to be deleted.
    yield _asset(tell, "street-sensors", CITY, "2025-04-01T00:00:00", level="ungraded", category="sensors")


def _a_feed_with_a_hole(tell: Teller) -> Iterator[dict[str, Any]]:
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


def _an_objection(tell: Teller) -> Iterator[dict[str, Any]]:
    """The buyer objects to the red finding; it suspends its points from the day on."""
    yield tell(
        "objection.filed",
        NAVIGATION,
        "2025-05-16T10:00:00",
        objection="objection-1",
        finding=_objected(),
        grounds="2,500 of these uses were a load test of the seller's own",
    )


def _a_decision(tell: Teller) -> Iterator[dict[str, Any]]:
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
_OVERRUN_RED: Final = Found("usage-limit", "red", "contract-traffic")
_ACTS: Final[tuple[tuple[str, str, Chapter, dict[str, Any]], ...]] = (
    (
        "The cast",
        "Seven parties are registered by an exchange. An eighth registration bears a credit code whose check character "
        "is wrong: it is not admitted, and kept byte for byte in circulation.rejected, where its sender finds it.",
        _parties,
        {},
    ),
    (
        "A licence is overrun",
        f"{NAMES[NAVIGATION]} bought 10,000 uses of city traffic speeds. {DAILY_USES} a day are reported for {DAYS} "
        "days, one report twice, which counts once. The rule warns at 80 % and 95 %, and says what is more than was "
        "bought, and more than 120 % of it.",
        _a_licence_that_is_overrun,
        {
            "found": (
                Found("usage-limit", "blue", "contract-traffic"),
                Found("usage-limit", "yellow", "contract-traffic"),
                Found("usage-limit", "orange", "contract-traffic"),
                _OVERRUN_RED,
            ),
            "party": NAVIGATION,
            "score": 65,
        },
    ),
    (
        "A use for another purpose",
        f"{NAMES[NAVIGATION]} bought air quality data for research inside the country. Five uses are reported: one is "
        "for advertising, and one is from abroad. A sub-purpose (research/health) is allowed.",
        _a_use_for_another_purpose,
        {
            "found": (
                Found("purpose-drift", "orange", "contract-research"),
                Found("outside-terms", "orange", "contract-research"),
            ),
            "party": NAVIGATION,
            "score": 57,
        },
    ),
    (
        "A source that may not be sold",
        f"{NAMES[INSURER]} lists risk scores. They are a model of features of a table that was copied from the genome "
        f"archive of {NAMES[HOSPITAL]}: three derivations, one of them an OpenLineage run's. The negative list "
        "prohibits the source, and what is prohibited is inherited over any number of steps. And the first copy was "
        "registered without the persons that are in it.",
        _a_source_that_may_not_be_sold,
        {
            "found": (
                Found("grade-laundering", "red", "lab/variant-table"),
                Found("negative-list", "red", "insurance-risk-scores"),
            )
        },
    ),
    (
        "Data that should be gone",
        "Two contracts end on 1 March; the buyers have 30 days to delete what they got. One proves it. Of the other "
        "nothing is heard: that is found when the clock is past the deadline, though no event says so.",
        _data_that_should_be_gone,
        {"found": (Found("deletion-overdue", "orange", "contract-expired"),), "party": NAVIGATION, "score": 53},
    ),
    (
        "A feed with a hole",
        f"{NAMES[CITY]} lists a product of street sensors that nobody has graded, so that the list cannot be applied. "
        "And the sensors' hub numbers its events: number 2 never comes, and then the hub falls silent.",
        _a_feed_with_a_hole,
        {
            "found": (
                Found("negative-list", "yellow", "street-sensors"),
                Found("feed-gap", "yellow", HUB),
                Found("feed-silence", "yellow", HUB),
            )
        },
    ),
    (
        "Exports that add up",
        f"{NAMES[TRAVEL]} and {NAMES[CAREFUL]} each export four times, 1,020,000 persons in all: no single export "
        "needs a security assessment, their sum does. The second party has one, and nothing is said of it. By now the "
        "street sensors have been without a grade for more than 30 days.",
        _exports_that_add_up,
        {
            "found": (
                Found("export-assessment-missing", "blue", TRAVEL),
                Found("export-assessment-missing", "yellow", TRAVEL),
                Found("export-assessment-missing", "red", TRAVEL),
                Found("export-contract-missing", "orange", TRAVEL),
                Found("grading-overdue", "yellow", "street-sensors"),
            )
        },
    ),
    (
        "An objection is filed",
        f"{NAMES[NAVIGATION]} objects to the red finding of its licence: part of the uses were the seller's own load "
        "test. While the objection is open, the finding takes no points.",
        _an_objection,
        {"party": NAVIGATION, "score": 63},
    ),
    (
        "The objection is upheld",
        "The bureau agrees. The finding is cleared, and the score is what it would be had the finding never been; the "
        "others stand.",
        _a_decision,
        {"cleared": (_OVERRUN_RED,), "party": NAVIGATION, "score": 63},
    ),
)

# What must be found. Whatever runs the story raises these, and nothing else; those cleared do not stand at the end.
FOUND: Final = tuple(found for *_, rest in _ACTS for found in rest.get("found", ()))
CLEARED: Final = tuple(found for *_, rest in _ACTS for found in rest.get("cleared", ()))
STANDING: Final = tuple(one for one in FOUND if one not in CLEARED)
