"""What must be found, by plain loops over all events: the families of rules together, and findings in their form."""

from collections.abc import Callable, Mapping, Sequence

from tests.model import clocks, conduct, credit, days, exports, licences, lists, money, rights, sources
from tests.model.events import Found, Json, chosen, moment
from tests.model.world import World

FAMILIES = (lists, sources, licences, rights, exports, clocks, money, days, conduct, credit)


def _of(*names: str) -> Callable[[Json], Json]:
    return lambda evidence: {name: evidence[name] for name in names if name in evidence}


# What of the evidence is compared, by detector: all detectors that the model has.
MEMBERS: dict[str, Callable[[Json], Json]] = {
    "negative-list": _of("action", "verdict", "entry", "origin", "path", "entries", "listed", "through"),
    "broken-provenance": _of("missing"),
    "grade-laundering": lambda e: (
        {"stated": tuple(e["stated"].values())}
        if "stated" in e
        else {"lower": sorted((one["input"], one["member"]) for one in e["lower"])}
    ),
    "relabelled": lambda e: {"entry": e.get("entry"), "changed": sorted(e["changed"])},
    "grading-overdue": _of(),
    "person-volume": _of("measure", "persons"),
    "export-assessment-missing": _of("band", "measure", "sum"),
    "export-contract-missing": _of("persons", "sensitive_persons"),
    "undeclared-export": _of("contract", "persons", "sensitive_persons"),
    "export-important-data": _of("level"),
    "export-beyond-approval": _of("grant"),
    "export-splitting": _of("band", "persons"),
    "export-exemption-misuse": _of("exemption"),
    "export-ftz-ineligible": _of(),
    "raw-public-data": _of("mode"),
    "authorisation-scope": _of(),
    "guided-price": _of("product"),
    "one-source": _of("element", "source_unit"),
    "certificate-invalid": _of("certificate"),
    "right-missing": _of("owner", "products"),
    "resale-forbidden": _of("seller"),
    "derivation-forbidden": _of("input", "contract"),
    "withdrawn-trade": lambda e: {"why": sorted(e)},
    "usage-limit": lambda e: (
        {k: e[k] for k in ("limit", "maximum", "used", "band", "seconds") if k in e}
        | ({"window": moment(e["window"]).isoformat()} if "window" in e else {})
    ),
    "purpose-drift": _of("given", "allowed"),
    "outside-terms": lambda e: {"term": e["term"], "given": None if e["term"] == "time" else e["given"]},
    "onward-transfer": _of("holder"),
    "terms-conflict": _of("home", "given"),
    "use-abroad": _of("country", "uses"),
    "use-after-end": lambda e: _of("kind", "uses")(e) | {"terminated": moment(e["terminated"]).isoformat()},
    "unknown-contract": _of("kind"),
    "deletion-overdue": lambda e: {"end": moment(e["end"]).isoformat()},
    "payment-overdue": _of("amount"),
    "consent-missing": _of("personal"),
    "related-party-trade": _of("controller", "trades"),
    "reciprocal-trade": _of("contracts"),
    "ring-trade": _of("parties", "contracts"),
    "paper-trade": _of("settlement"),
    "payment-irregular": _of("payer", "payee", "amount"),
    "duplicate-registration": lambda e: {"alike": e["by"]},
    "dominance": lambda e: {"controllers": e["controllers"], "share": e["share"], "members": sorted(e["members"])},
    "concentration": _of("hhi", "before"),
    "differential-price": _of(),
    "abnormal-price": lambda e: {"value": e["value"]},
    "exclusive-dealing": _of("kind", "share"),
    "unverified-trade": lambda e: {"unverified": sorted(e["unverified"].items())},
    "review-missing": _of("missing"),
    "incident-late": _of("incident"),
    "black-market": _of("sum", "proceeds_sum"),
    "credit-clock": _of("objection", "repair"),
    "barred-party": lambda e: {"of": sorted({one["of"] for one in e["barred"]})},
    "quality": lambda e: {"completeness": e.get("completeness")},
    "off-exchange-public": _of(),
    "report-overdue": lambda e: {"since": moment(e["since"]).isoformat()},
    "reconciliation": lambda e: (
        {"tallies": days.by_name(e["tallies"]), "deliveries": sorted(e.get("deliveries", {}).items())}
        | {name: e[name] for name in ("day", "month") if name in e}
    ),
    "bulk-extraction": lambda e: _of("used", "hours", "events")(e) | {"hour": moment(e["hour"]).isoformat()},
    "feed-gap": lambda e: (
        _of("topic", "subject")(e)
        | {"epoch": e.get("sequenceepoch", 0)}
        | (
            {"before": (e["before"]["sequenceepoch"], e["before"]["last"])}
            if "before" in e
            else {
                "missing": e["missing"],
                "rejected": [(one["number"], sorted(one["reasons"])) for one in e.get("rejected", [])],
            }
        )
    ),
    "feed-silence": lambda e: {"newest": moment(e["newest"]).isoformat()},
}


def missing(detector: str) -> str:
    """What is to be done so that the model has a detector."""
    return (
        f"tests/model/slow.py: MEMBERS has no {detector}: name there what of its evidence is compared (`_of(...)`), and"
        " write what must be found, from the law and not from the rule, in the file of tests/model/ that it is nearest"
        " to (lists, sources, licences, rights, exports, clocks, days, conduct, money, credit): a function of the world"
        " that calls `world.say` and stands in the RULES of that file"
    )


def seen(data: Json) -> Found:
    """A finding of the engine in the form of the model."""
    if data["detector"] not in MEMBERS:
        raise LookupError(missing(data["detector"]))
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
