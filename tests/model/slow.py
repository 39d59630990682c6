"""What must be found, by plain loops over all events: the families of rules together, and findings in their form."""

from collections.abc import Callable, Mapping, Sequence

from tests.model import clocks, conduct, credit, days, exports, licences, lists, sources
from tests.model.events import Found, Json, chosen, moment
from tests.model.world import World

FAMILIES = (lists, sources, licences, exports, clocks, days, conduct, credit)


def _of(*names: str) -> Callable[[Json], Json]:
    return lambda evidence: {name: evidence[name] for name in names if name in evidence}


# What of the evidence is compared, by detector: all detectors that the model has.
MEMBERS: dict[str, Callable[[Json], Json]] = {
    "negative-list": _of("action", "verdict", "entry", "origin", "path", "entries"),
    "broken-provenance": _of("missing"),
    "grade-laundering": lambda e: {"lower": sorted((one["input"], one["member"]) for one in e["lower"])},
    "grading-overdue": _of(),
    "person-volume": _of("measure", "persons"),
    "export-assessment-missing": _of("band", "measure", "sum"),
    "export-contract-missing": _of("persons", "sensitive_persons"),
    "export-important-data": _of("level"),
    "export-beyond-approval": _of("grant"),
    "export-splitting": _of("band", "persons"),
    "export-exemption-misuse": _of("exemption"),
    "export-ftz-ineligible": _of(),
    "raw-public-data": _of("mode"),
    "authorisation-scope": _of(),
    "guided-price": _of(),
    "one-source": _of("element", "source_unit"),
    "certificate-invalid": _of("certificate"),
    "right-missing": _of("owner"),
    "usage-limit": lambda e: (
        {k: e[k] for k in ("limit", "maximum", "used", "band", "seconds") if k in e}
        | ({"window": moment(e["window"]).isoformat()} if "window" in e else {})
    ),
    "purpose-drift": _of("given", "allowed"),
    "outside-terms": lambda e: {"term": e["term"], "given": None if e["term"] == "time" else e["given"]},
    "onward-transfer": _of("holder"),
    "use-after-end": lambda e: {"kind": e["kind"], "terminated": moment(e["terminated"]).isoformat()},
    "unknown-contract": _of("kind"),
    "deletion-overdue": lambda e: {"end": moment(e["end"]).isoformat()},
    "payment-overdue": _of("amount"),
    "consent-missing": _of("personal"),
    "related-party-trade": _of("controller", "trades"),
    "reciprocal-trade": _of("contracts"),
    "ring-trade": _of(),
    "paper-trade": _of("settlement"),
    "duplicate-registration": lambda e: {"alike": e["by"]},
    "dominance": lambda e: {"controllers": e["controllers"], "share": e["share"], "members": sorted(e["members"])},
    "concentration": _of("hhi", "before"),
    "differential-price": _of(),
    "abnormal-price": lambda e: {"value": e["value"]},
    "exclusive-dealing": _of("kind", "share"),
    "unverified-trade": lambda e: {"unverified": sorted(e["unverified"].items())},
    "review-missing": _of("missing"),
    "incident-late": _of("incident"),
    "black-market": _of("sum"),
    "credit-clock": _of("objection", "repair"),
    "barred-party": lambda e: {"of": sorted({one["of"] for one in e["barred"]})},
    "quality": lambda e: {"completeness": e.get("completeness")},
    "off-exchange-public": _of(),
    "report-overdue": lambda e: {"since": moment(e["since"]).isoformat()},
    "reconciliation": lambda e: {"measures": sorted(e["tallies"]), "deliveries": sorted(e["deliveries"].items())},
    "bulk-extraction": lambda e: _of("used", "hours", "events")(e) | {"hour": moment(e["hour"]).isoformat()},
    "feed-gap": _of("topic", "subject", "missing"),
    "feed-silence": lambda e: {"newest": moment(e["newest"]).isoformat()},
}


def seen(data: Json) -> Found:
    """A finding of the engine in the form of the model."""
    evidence = MEMBERS[data["detector"]](data["evidence"])
    if data["detector"] == "outside-terms":
        evidence["kind"] = "delivery" if "delivery" in data["summary"].split(" ")[1] else "use"
    cause = data.get("cause")
    return Found(
        data["detector"],
        data["severity"],
        (data["about"]["kind"], data["about"]["id"]),
        data.get("party"),
        None if cause is None else (cause["source"], cause["id"]),
        moment(data["occurred"]),
        data["mode"],
        chosen(**evidence),
    )


def judged(lines: Sequence[Json], default: Json, until: str | None) -> World:
    """The world after these events, under this pack, at the end of the clock; `found` is what must stand."""
    world = World(lines, default, until)
    for family in FAMILIES:
        for rule in family.RULES:
            rule(world)
    return world


def findings(lines: Sequence[Json], default: Json, until: str | None) -> set[Found]:
    """What must stand after these events, under this pack, at the end of the clock."""
    return judged(lines, default, until).found


def statement(world: World, party: str, standing: Mapping[str, Found]) -> Json:
    """What the statement of a party must say, where these findings stand by their ids."""
    return credit.statement(world, party, standing)


def stated(data: Json) -> Json:
    """A statement of the engine in the form of the model."""
    kept = {name: data[name] for name in ("party", "score", "grade", "records")}
    by_id = {name: sorted(data[name], key=lambda one: one[name.removesuffix("s")]) for name in ("findings", "merits")}
    return kept | by_id


def upheld(world: World) -> set[str]:
    """The ids of findings to which an objection was upheld."""
    return credit.upheld(world)
