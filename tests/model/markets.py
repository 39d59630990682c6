"""Small random markets: few parties, assets, contracts and instants, so that ties and boundaries happen often."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    derived,
    entry,
    event,
    exported,
    granted,
    listed,
    pack,
    party,
    retracted,
    signed,
    terminated,
    used,
)
from tests.model.events import moment

# The end of a validity from both sides and twice in other words, a deadline, the turn of a year.
TIMES = (
    "2025-01-01T00:00:00+08:00",
    "2025-01-02T00:00:00+08:00",
    "2025-02-28T23:59:59.999999+08:00",
    "2025-03-01T00:00:00+08:00",
    "2025-02-28T16:00:00Z",
    "2025-03-16T00:00:00+08:00",
    "2025-12-31T23:59:59.999999+08:00",
    "2025-12-31T16:00:00Z",
)
# Just more than twelve months after the first.
LATEST = "2026-01-01T00:00:00.000001+08:00"
UNTIL = ("2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00.000001+08:00", "2026-02-01T00:00:00+08:00")
PARTIES = (SELLER, BUYER, THIRD)
ASSETS = ("a0", "a1", "a2", "ns/a3")
CONTRACTS = ("c0", "c1")
REPORTERS = (None, None, "provider", "consumer")
COUNTED, PLAIN = "//counted.example", "//exchange.example"
VOLUMES = ("bytes_max", "rows_max", "persons_max")

# The first looks like what an entry names, with a Cyrillic letter; the others are it, in other forms.
LOOKING = (["ph\u043ene_number"], ["\uff30\uff28\uff2f\uff2e\uff25", "road"], [" pho\u200dne"])
ENTRIES = (
    entry("secret"),
    entry("core", match={"level": ["core"]}, sticky=True),
    entry("crowd", match={"persons_min": 1000, "fields": ["PHONE*"]}, actions=["list", "trade", "export"]),
    entry("personal", match={"personal": ["personal"]}, disposition="restrict", unless=["consent"]),
    entry("software", match={"industry": "I65", "category": ["traffic"]}, actions=["deliver"], disposition="restrict"),
    entry("named", match={"assets": ["a1"]}, disposition="restrict", unless=["consent", "certification"]),
    entry("shunned", match={"parties": [THIRD]}, valid_from="2025-01-02", valid_to="2025-03-01"),
)

# The same entries as another version has them: what differs brings a screening, but for the title.
CHANGED = tuple(
    entry(one["id"], **{name: value for name, value in one.items() if name != "id"} | changes)
    for one, changes in (
        (ENTRIES[0], {"disposition": "restrict", "unless": ["consent"]}),
        (ENTRIES[0], {"valid_from": "2025-03-16"}),
        (ENTRIES[0], {"valid_from": "2025-01-02", "valid_to": "2025-03-16"}),
        (ENTRIES[1], {"sticky": False}),
        (ENTRIES[1], {"title": "another"}),
        (ENTRIES[2], {"actions": ["list"]}),
        (ENTRIES[3], {"unless": ["certification"]}),
        (ENTRIES[5], {"match": {"assets": ["a0", "a1"]}}),
        (ENTRIES[6], {"valid_from": "2025-03-01", "valid_to": "2025-12-31"}),
    )
)

some = st.sampled_from


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or nothing."""
    return st.none() | strategy


def subset(*values: Any) -> st.SearchStrategy[list[Any]]:
    """Some of the values, in their order."""
    return st.sets(some(range(len(values)))).map(lambda kept: [values[at] for at in sorted(kept)])


def said(strategy: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Members that are None are left out."""
    return strategy.map(lambda data: {name: value for name, value in data.items() if value is not None})


def without(data: Json, *names: str) -> Json:
    """The other members."""
    return {name: value for name, value in data.items() if name not in names}


times = some(TIMES)
attributes = st.fixed_dictionaries({"source": some([PLAIN, PLAIN, COUNTED])})
reported = st.fixed_dictionaries({"source": some([PLAIN, PLAIN, COUNTED]), "reporter": some(REPORTERS)})


def given(**parameters: Sequence[Any]) -> st.SearchStrategy[Json]:
    """Some parameters of a detector; the others keep their defaults."""
    return said(st.fixed_dictionaries({name: optional(some(values)) for name, values in parameters.items()}))


packs = st.builds(
    lambda entries, changed, home, detectors, **members: pack(
        *{one["id"]: one for one in (*entries, *changed)}.values(), home=home, detectors=detectors, **members
    ),
    subset(*ENTRIES),
    subset(*CHANGED),
    some(["CN", "CN", "CN", "DE"]),
    st.fixed_dictionaries(
        {
            "export-assessment-missing": st.just({"persons": 100, "sensitive_persons": 10}),
            "purpose-drift": said(st.fixed_dictionaries({"mode": some(["enforce", "off", "shadow"])})),
            "raw-public-data": said(st.fixed_dictionaries({"modes": optional(st.just(["file"]))})),
            "related-party-trade": said(
                st.fixed_dictionaries({"months": optional(some([1, 12])), "repeated": optional(some([2]))})
            ),
            # Some days after one of the instants comes another, for both deadlines.
            "paper-trade": said(st.fixed_dictionaries({"days": optional(some([0, 15]))})),
            "feed-silence": said(st.fixed_dictionaries({"seconds": optional(some([86_400, 365 * 86_400]))})),
            "unknown-contract": said(st.fixed_dictionaries({"mode": some(["enforce", "enforce", "off"])})),
            "negative-list": said(st.fixed_dictionaries({"mode": some(["enforce", "enforce", "warn", "off"])})),
            # Hours and reports are few here, so few are enough.
            "bulk-extraction": st.fixed_dictionaries(
                {"n": some([0, 1, 2, 3]), "k": some([0, 1, 1.5])}, optional={"hours_min": some([0, 2])}
            ),
            "usage-limit": given(warning_percent=[50, 80], late_warning_percent=[90], red_percent=[150]),
            "export-contract-missing": given(persons=[60], assessment_persons=[100], assessment_sensitive_persons=[10]),
            "export-splitting": given(
                contract_persons=[60], contract_sensitive_persons=[2, 9], assessment_persons=[100]
            ),
            # Days and hours between two of the instants, and one less.
            "undeclared-export": st.fixed_dictionaries(
                {},
                optional={
                    "hours": some([24, 23, 360, 359]),
                    "days_before": some([1, 0, 15, 58, 59]),
                    "mode": some(["shadow", "off"]),
                },
            ),
            "grading-overdue": given(days=[15, 14, 58, 59]),
            "incident-late": given(ciio_hours=[24, 23], state_hours=[360], other_hours=[0]),
            "person-volume": given(personal_persons=[999, 1998], sensitive_persons=[999], ciio_persons=[998, 2998]),
            "reciprocal-trade": given(days=[15, 14, 59], percent=[10, 100]),
            "ring-trade": given(days=[15, 59], percent=[50, 100]),
            "payment-irregular": given(factor=[1, 2]),
            "duplicate-registration": given(jaccard=[0.5, 0.6]),
            "dominance": given(contracts=[1, 2, 3], shares=[["1/2", "2/3", "3/4"], ["1/3"]], least_share=["1/4"]),
            "concentration": given(moderate=[5000], high=[5000], change=[1000]),
            "differential-price": given(factor=[2, 1.99], buyers=[2, 3]),
            "abnormal-price": given(factor=[2, 1.99]),
            "exclusive-dealing": given(share=["1/2", "1/3", "1"], refusals=[1, 2], months=[1]),
            "quality": given(completeness=[0.5, 0.9], update_factor=[1, 1.5]),
            "reconciliation": given(percent=[50, 20], silent_days=[1, 2]),
            "black-market": given(
                first_categories=[["traffic"]],
                first_items=[1000, 1998],
                other_items=[999],
                proceeds=[100, 1000],
                in_service_tags=[["Other"]],
            ),
            "credit-clock": given(
                objection_working_days=[0, 1, 11],
                repair_working_days=[42],
                holidays=[["2025-01-02", "2025-03-03"]],
                workdays=[["2025-03-15"]],
            ),
        }
    ),
)
published = st.builds(
    lambda members, version, time, since, until, approvers: event(
        "rulepack.published",
        "beijing",
        time,
        **members
        | {"version": version, "valid_from": since, "approved_by": approvers}
        | {"valid_to": until if until and until > since else None},
    ),
    packs,
    some(["2", "3"]),
    times,
    some(["2025-01-02", "2025-03-01", "2025-03-01", "2026-01-01"]),
    optional(some(["2025-03-16", "2025-12-31"])),
    some([["one", "two"], ["one", "two"], ["one"]]),
)

windows = st.lists(
    st.fixed_dictionaries({"uses_max": some([0, 5, 10]), "seconds": some([86_400, 86_400 * 59])}), max_size=2
)
contract_terms = said(
    st.fixed_dictionaries(
        {
            "valid_from": some(["2025-01-01", "2025-01-02"]),
            "valid_to": optional(some(["2025-03-01"])),
            "uses_max": optional(some([0, 10, 20])),
            "bytes_max": optional(some([10, 20])),
            "rows_max": optional(some([10])),
            "persons_max": optional(some([10])),
            "windows": optional(windows),
            "purposes": optional(subset("credit", "research")),
            "countries": optional(subset("CN", "DE")),
            "regions": optional(subset("110000", "310115")),
            "recipients": optional(subset(BUYER, THIRD)),
            "environments": optional(subset("enclave")),
            "delivery": optional(subset("api", "file")),
            "delete_within_days": optional(some([0, 15, 306])),
        }
    )
)


def _contract(contract: str, time: str, amended: bool, asset_: str, held: Json, more: Json) -> Json:
    # Terms that end before they were stated say nothing of when the contract ended.
    until = next((one for one in ("2025-03-01", "2025-12-31") if moment(one) > moment(time)), None)
    held = {name: value for name, value in held.items() if name != "valid_to"} | (
        {"valid_to": until} if until and "valid_to" in held else {}
    )
    return signed(contract, time, amended=amended, asset=asset_, terms=held, **more)


contracts = st.builds(
    _contract, some(CONTRACTS), times, some([False, False, True]), some(ASSETS), contract_terms, reported
)
# What is delivered under them is counted against no limit.
unlimited = contracts.map(
    lambda one: one | {"data": one["data"] | {"terms": without(one["data"]["terms"], *VOLUMES)}},
)
# Trades between all parties, also with themselves, of which the first and the last are just twelve months apart.
amounts = some(["0", "49.99", "50.00", "99.99", "100", "100.01", "110", "200", "300.00"])
currencies = some([None, None, None, "CNY", "USD"])
trades = st.builds(
    lambda contract, time, data, more, paid_in, since, stated, amended: signed(
        contract,
        time,
        amended=amended,
        **data,
        **({} if paid_in is None else {"currency": paid_in}),
        signed=since or time,
        terms={"valid_from": "2025-01-01", **stated},
        **more,
    ),
    some([f"c{at}" for at in range(6)]),
    some((TIMES[0], *TIMES, LATEST)),
    st.fixed_dictionaries(
        {
            "asset": some(ASSETS),
            "seller": some(PARTIES),
            "buyer": some(PARTIES),
            "amount": amounts,
            "channel": some(["on-exchange", "on-exchange", "filed", "off-exchange"]),
            "product": some(["p0", "p0", "p1", None]),
            "exchange": some([None, None, OWNER]),
        }
    ),
    reported,
    currencies,
    optional(some(["2025-01-01", "2025-01-02"])),
    said(
        st.fixed_dictionaries(
            {
                "valid_to": optional(some(["2026-12-31"])),
                "uses_max": some([None, 0, 1, 1, 1]),
                "persons_max": optional(some([0, 999])),
                "purposes": optional(subset("credit", "research")),
                "countries": optional(subset("CN", "DE")),
                "recipients": optional(subset(BUYER, THIRD)),
                "delivery": optional(subset("api", "model")),
                "resale": optional(st.booleans()),
                "derivation": optional(st.booleans()),
                "exclusive": optional(st.booleans()),
                "pay_within_days": optional(some([0, 1, 14, 15, 59])),
                "quota_group": optional(st.just("group")),
            }
        )
    ),
    some([False, False, False, True]),
)
places = {"country": optional(some(["CN", "DE"])), "region": optional(some(["110108", "310115", "310000"]))}
counts = some([0, 1, 2, 3, 5, 8, 10])
uses = st.builds(
    lambda contract, time, count, data, more: used(contract, time, count, **data, **more),
    some(CONTRACTS),
    times,
    counts,
    st.fixed_dictionaries(
        {
            "id": some([f"u{one}" for one in range(8)]),
            "purpose": some(["credit", "credit/scoring", "creditors"]),
            "bytes": optional(counts),
            "rows": optional(counts),
            "actor": optional(some([BUYER, SELLER])),
            "environment": optional(some(["enclave", "laptop"])),
            **places,
        }
    ),
    reported,
)
deliveries = st.builds(
    lambda contract, time, data, more: delivered(contract, time, **data, **more),
    some(CONTRACTS),
    times,
    st.fixed_dictionaries(
        {
            "delivery": some(["d0", "d1", "d2"]),
            "mode": some(["api", "file", "report"]),
            "bytes": counts,
            "rows": optional(counts),
            "persons": optional(counts),
            "sensitive_persons": optional(counts),
            "recipient": some([BUYER, THIRD]),
            "watermark": some([None, "w0", "w0", "w1"]),
            **places,
        }
    ),
    reported,
)
cancelled = st.builds(
    lambda contract, time, usage, count, more: event(
        "usage.cancelled", contract, time, usage=usage, uses=count, **more
    ),
    some(CONTRACTS),
    times,
    some([f"u{one}" for one in range(8)]),
    counts,
    attributes,
)
# Hours that follow each other, and those that begin a day later: as late as uses are counted, and later.
hours = st.builds(
    lambda hour, minute: f"2025-01-{1 + hour // 24:02}T{hour % 24:02}:{minute}+08:00",
    some([0, 0, 1, 1, 2, 3, 24, 25, 26]),
    some(["00:00", "59:59.999999"]),
)
hourly = st.builds(
    lambda time, count, id_, more: used("c0", time, count, id=id_, **more),
    hours,
    counts,
    some([f"u{one}" for one in range(8)]),
    reported,
)
given_back = st.builds(
    lambda time, usage, count, more: event("usage.cancelled", "c0", time, usage=usage, uses=count, **more),
    hours,
    some([f"u{one}" for one in range(8)]),
    counts,
    attributes,
)
settlements = st.builds(
    lambda contract, time, data, more: event("settlement.paid", contract, time, **data, **more),
    some([f"c{at}" for at in range(4)]),
    times,
    st.fixed_dictionaries(
        {
            "settlement": some(["s0", "s1", "s2"]),
            "amount": amounts,
            "currency": currencies,
            "payer": some((*PARTIES, OWNER)),
            "payee": some((*PARTIES, OWNER)),
        }
    ),
    reported,
)
heartbeats = st.builds(
    lambda source, time: event("source.heartbeat", source, time, source=source), some([PLAIN, COUNTED]), times
)
endings = st.builds(
    lambda contract, time, proof, more: (
        event("deletion.proved", contract, time, evidence="document", **more)
        if proof
        else terminated(contract, time, **more)
    ),
    some(CONTRACTS),
    times,
    st.booleans(),
    reported,
)
assets = st.builds(
    lambda asset_, time, data, more: asset(asset_, time, **data, **more),
    some((*ASSETS, "ns/a5")),
    times,
    st.fixed_dictionaries(
        {
            "owner": some([OWNER, THIRD, SELLER]),
            "rights": some([["operating"], ["holding", "processing"]]),
            "public": optional(st.booleans()),
            "industry": optional(some(["I65", "C36", "I6510", "I"])),
            "category": some(["traffic", "traffic", "\uff34raffic ", "health"]),
            "level": some(["general", "important", "core", "ungraded"]),
            "personal": some(["none", "personal", "sensitive", "minor"]),
            "certificate": some([None, "x", "x", "y"]),
            "element": some([None, "e", "e", "f"]),
            "source_unit": some([None, "bureau", "office"]),
            "digest": some([None, None, "d", "e"]),
            "update_days": some([None, 0, 1, 7, 15, 29]),
            "tags": optional(subset("secret", "other") | some([["\uff33ecret"], ["se\u00adcret "]])),
            "fields": optional(some([["phone_number", "road"], ["road"], ["road", "speed", "phone"], [], *LOOKING])),
            "persons": optional(some([999, 1000])),
        }
    ),
    reported,
)
gradings = st.builds(
    lambda asset_, time, data, more: event("asset.graded", asset_, time, reason="review", **data, **more),
    some(ASSETS),
    times,
    st.fixed_dictionaries(
        {
            "level": some(["general", "important", "core", "ungraded"]),
            "personal": some(["none", "personal", "sensitive", "minor"]),
            "approved_by": some([None, "office", "office"]),
        }
    ),
    attributes,
)
assessments = st.builds(
    lambda asset_, time, data, more: event("asset.assessed", asset_, time, assessor="bureau", **data, **more),
    some(ASSETS),
    times,
    st.fixed_dictionaries(
        {
            "assessment": some(["as0", "as1", "as2"]),
            "kind": some(["value", "value", "quality", "compliance", "security"]),
            "result": some(["pass", "pass", "fail"]),
            "completeness": some([None, 0.49, 0.5, 0.89, 0.9, 0.949, 0.95, 1]),
            "value": some([None, "50", "100", "100.00", "300"]),
            "valid_to": optional(some(["2025-03-01", "2025-12-31"])),
        }
    ),
    reported,
)
derivations = st.builds(
    lambda output, time, inputs, process, data: derived(output, time, *inputs, process=process, **data),
    some(ASSETS),
    times,
    st.lists(some(ASSETS), min_size=1, max_size=2, unique=True),
    some(["join", "model", "anonymise"]),
    st.fixed_dictionaries({"irreversible": some([None, True, True]), "evidence": some([None, "d", "d"])}),
)
runs = st.builds(
    lambda run, time, kind, inputs, outputs: {
        "eventType": "FAIL" if run == "failed" and kind == "COMPLETE" else kind,
        "eventTime": time,
        "run": {"runId": run},
        "job": {"namespace": "ns", "name": "job"},
        "producer": "//lineage.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "inputs": [{"namespace": "ns", "name": name} for name in inputs],
        "outputs": [{"namespace": "ns", "name": name} for name in outputs],
    },
    some(["run", "failed"]),
    times,
    some(["START", "RUNNING", "COMPLETE"]),
    subset("a3", "a4"),
    subset("a3", "a5"),
)
listings = st.builds(
    lambda asset_, time, data, more: listed(asset_, time, **data, **more),
    some((*ASSETS, "ns/a5")),
    times,
    st.fixed_dictionaries(
        {
            "seller": some([SELLER, THIRD]),
            "product": some(["p0", "p1"]),
            "purposes": optional(subset("credit")),
            "delivery": some([["api"], ["api", "model"]]),
            "price": optional(
                said(
                    st.fixed_dictionaries(
                        {
                            "mode": some(["guided", "preset"]),
                            "amount": amounts,
                            "ceiling": optional(some(["100", "99.99"])),
                            "per": some([None, None, "use", "contract"]),
                        }
                    )
                )
            ),
        }
    ),
    reported,
)
delistings = st.builds(
    lambda asset_, time, product, more: (
        event("product.delisted", asset_, time, product=product, reason="sold out", **more)
        if product
        else event("asset.withdrawn", asset_, time, reason="withdrawn", **more)
    ),
    some(ASSETS),
    times,
    some(["p0", "p1", None]),
    reported,
)
parties = st.builds(
    lambda party_, time, data, more: party(party_, time, **data, **more),
    some((*PARTIES, OWNER)),
    times,
    st.fixed_dictionaries(
        {
            "industry": optional(some(["I65", "C36"])),
            "controller": optional(some((*PARTIES, OWNER))),
            "ciio": optional(st.booleans()),
            "ftz": optional(st.just("beijing")),
            "employees": optional(some([50, 60])),
        }
    ),
    reported,
)
refusals = st.builds(
    lambda asset_, time, seller, buyer, more: event(
        "request.refused", asset_, time, seller=seller, buyer=buyer, reason="no", **more
    ),
    some(ASSETS),
    times,
    some(PARTIES),
    some(PARTIES),
    reported,
)
sightings = st.builds(
    lambda asset_, time, mark, holder, more: event(
        "watermark.sighted", asset_, time, watermark=mark, holder=holder, place="a forum", **more
    ),
    some(ASSETS),
    times,
    some(["w0", "w0", "w1"]),
    some((*PARTIES, OWNER)),
    reported,
)
incidents = st.builds(
    lambda party_, time, incident, operator, more: (
        event("incident.discovered", party_, time, incident=incident, kind="leak", operator=operator, **more)
        if operator
        else event("incident.reported", party_, time, incident=incident, **more)
    ),
    some(PARTIES),
    times,
    some(["i0", "i1"]),
    some([None, None, "ciio", "state", "other"]),
    reported,
)
records = st.builds(
    lambda party_, time, data, more: (
        event("credit.determined", party_, time, act="fraud", decided_by="office", **data) | more
    ),
    some(PARTIES),
    times,
    st.fixed_dictionaries(
        {
            "record": some(["r0", "r1"]),
            "tier": some(["serious", "serious", "general", "minor"]),
            "document_date": some(["2024-11-30", "2024-12-31", "2025-01-31", "2025-03-01"]),
        }
    ),
    some([{}, {}, {"reporter": "provider"}]),
)
answers = st.builds(
    lambda party_, time, of, id_, record, outcome, tier, more: {
        "objection.filed": event("objection.filed", party_, time, objection=id_, record=record, grounds="no", **more),
        "objection.decided": event(
            "objection.decided",
            party_,
            time,
            objection=id_,
            outcome=outcome,
            tier=tier if outcome == "corrected" else None,
            decided_by="office",
            **more,
        ),
        "repair.applied": event("repair.applied", party_, time, repair=id_, record=record, evidence=["d"], **more),
        "repair.decided": event(
            "repair.decided",
            party_,
            time,
            repair=id_,
            outcome="refused" if outcome == "rejected" else "granted",
            decided_by="office",
            **more,
        ),
        "merit.recorded": event(
            "merit.recorded", party_, time, merit=id_, act="standard", points=len(outcome), decided_by="office", **more
        ),
    }[of],
    some(PARTIES),
    times,
    some(["objection.filed", "objection.decided", "repair.applied", "repair.decided", "merit.recorded"]),
    some(["x0", "x1"]),
    some(["r0", "r1"]),
    some(["upheld", "corrected", "rejected"]),
    some(["minor", "general", "serious"]),
    reported,
)
grants = st.builds(
    lambda party_, time, kind, data, more: granted(party_, time, kind, **data, **more),
    some(PARTIES),
    times,
    some(
        [
            "consent",
            "guardian-consent",
            "security-assessment",
            "standard-contract",
            "certification",
            "operating-right",
            "operating-right",
            "processing-right",
            "public-operation",
            "risk-assessment",
            "impact-assessment",
            "algorithm-review",
        ]
    ),
    st.fixed_dictionaries(
        {
            "valid_from": some(["2025-01-01", "2025-03-01"]),
            "valid_to": optional(some(["2025-03-16"])),
            "assets": optional(subset("a0", "a1")),
            "purposes": optional(st.just(["credit"])),
            "countries": optional(subset("CN", "DE")),
            "recipients": optional(subset(ABROAD, BUYER)),
            "persons_max": optional(some([0, 79, 80])),
            "sensitive_persons_max": optional(some([0, 9])),
        }
    ),
    reported,
)
exports = st.builds(
    lambda party_, time, data, more: exported(party_, time, **data, **more),
    some(PARTIES),
    times,
    st.fixed_dictionaries(
        {
            "export": some(["e0", "e1", "e2", "e3"]),
            "persons": some([0, 1, 15, 60, 79, 80, 99, 100_000, 799_999, 150_000]),
            "sensitive_persons": some([0, 0, 1, 8, 9, 10, 1_500, 8_000]),
            "country": some(["DE", "CN"]),
            "recipient": some([ABROAD, THIRD]),
            "level": some(["general", "important", "core"]),
            "asset": optional(some(ASSETS)),
            "contract": optional(some(CONTRACTS)),
            "delivery": optional(some(["d0", "d1", "d2"])),
            "exemption": some([None, None, None, "contract", "hr", "ftz", "no-personal"]),
            "grant": some([None, None, "g0", "g1", "missing"]),
        }
    ),
    reported,
)

# What must come together to be found at all: deliveries and their declarations, one product on equal terms, sisters,
# money that goes round.
sold_abroad = st.builds(
    lambda contract, asset_, seller: signed(contract, TIMES[0], asset=asset_, seller=seller),
    some(CONTRACTS),
    some(ASSETS[:2]),
    some(PARTIES[:2]),
)
sent_abroad = st.builds(
    lambda contract, time, data, more: delivered(contract, time, **data, **more),
    some(CONTRACTS),
    times,
    st.fixed_dictionaries(
        {
            "delivery": some(["d0", "d1", "d2"]),
            "persons": optional(some([0, 40, 50])),
            "sensitive_persons": optional(some([0, 0, 8])),
            "recipient": some([ABROAD, ABROAD, BUYER]),
            "country": some([None, "CN", "DE", "DE", "DE"]),
        }
    ),
    reported,
)
declared = st.builds(
    lambda party_, time, number, data, more: exported(party_, time, export=f"e{number}", **data, **more),
    some(PARTIES[:2]),
    times,
    st.integers(0, 9),
    st.fixed_dictionaries(
        {
            "persons": some([0, 40, 50, 90, 1000]),
            "sensitive_persons": some([0, 8, 999]),
            "level": some(["ungraded", "general", "important", "core"]),
            "asset": optional(some(ASSETS[:2])),
            "contract": optional(some(CONTRACTS)),
            "delivery": optional(some(["d0", "d1", "d2"])),
            "recipient": some([ABROAD, ABROAD, BUYER]),
        }
    ),
    reported,
)
BUYERS = (BUYER, THIRD, OWNER, "x:d", "x:e", "x:f")
EQUAL = {"valid_from": "2025-01-01", "uses_max": 1}
sales = st.builds(
    lambda contract, time, buyer, amount, held, more: signed(
        contract, time, asset="a0", product="p0", seller=SELLER, buyer=buyer, amount=amount, terms=EQUAL | held, **more
    ),
    some([f"c{at}" for at in range(9)]),
    some((*TIMES[:2], *TIMES[:2], "2025-01-31T23:59:59.999999+08:00", "2025-02-01T00:00:00+08:00")),
    some(BUYERS),
    some(["100", "100.00", "120.00", "120.01", "200"]),
    some([{}, {}, {"recipients": [BUYER]}, {"valid_from": "2025-01-02"}, {"resale": True}]),
    reported,
)
answered = st.builds(
    lambda contract, time, pair, amount, amended: signed(
        contract, time, amended=amended, asset="a0", seller=pair[0], buyer=pair[1], amount=amount
    ),
    some([f"c{at}" for at in range(7)]),
    some((TIMES[0], TIMES[1], TIMES[3], TIMES[5], "2025-03-30T23:59:59.999999+08:00", "2025-03-31T00:00:00+08:00")),
    some([(SELLER, BUYER), (BUYER, SELLER), (BUYER, THIRD), (THIRD, SELLER), (THIRD, OWNER), (OWNER, SELLER)]),
    some(["90", "89.99", "100", "110.00", "110.01"]),
    some([False, False, False, True]),
)
sisters = st.builds(
    lambda party_, time, controller: party(party_, time, controller=controller),
    some(PARTIES),
    times,
    some([OWNER, OWNER, OWNER, None]),
)
small_exports = st.builds(
    lambda party_, time, persons, sensitive, number: exported(
        party_, time, persons=persons, sensitive_persons=sensitive, export=f"e{number}"
    ),
    some(PARTIES),
    times,
    some([0, 30, 40, 49, 50, 59]),
    some([0, 0, 1, 8]),
    st.integers(0, 9),
)
goods = st.builds(lambda asset_: asset(asset_, TIMES[0], public=True), some(ASSETS[:2]))
payments = st.builds(
    lambda contract, time, payer, payee, amount, number: event(
        "settlement.paid", contract, time, settlement=f"s{number}", payer=payer, payee=payee, amount=amount
    ),
    some([f"c{at}" for at in range(4)]),
    some((*TIMES, "2025-03-02T00:00:00+08:00", "2025-03-02T00:00:00.000001+08:00")),
    some((BUYER, BUYER, SELLER, THIRD, OWNER)),
    some((SELLER, SELLER, BUYER, THIRD, OWNER)),
    some(["79.99", "80", "100", "100"]),
    st.integers(0, 9),
)
sold = st.builds(
    lambda contract, asset_, seller, exclusive, exchange, amended: signed(
        contract,
        TIMES[4] if amended else TIMES[0],
        amended=amended,
        asset=asset_,
        seller=seller,
        buyer=BUYER,
        exchange=exchange,
        terms={"valid_from": "2025-01-01", "exclusive": exclusive},
    ),
    some([f"c{at}" for at in range(4)]),
    some(ASSETS[:2]),
    some(PARTIES),
    st.booleans(),
    some([None, None, OWNER]),
    some([False, False, False, True]),
)

COUNTING = (contracts, contracts, uses, uses, uses, uses, cancelled, deliveries, deliveries, endings)
CIRCULATING = (assets, assets, gradings, derivations, derivations, runs, listings, contracts, deliveries, grants)
SCREENING = (assets, gradings, derivations, listings, listings, delistings, contracts, contracts, endings, grants)
EXPORTING = (parties, grants, exports, exports, exports, assets, contracts)
SENDING = (
    assets,
    gradings,
    sold_abroad,
    sold_abroad,
    sent_abroad,
    sent_abroad,
    sent_abroad,
    declared,
    declared,
    grants,
    parties,
)
TRADING = (parties, parties, trades, trades, trades)
SPREADING = (assets, gradings, contracts, contracts, uses, uses, uses, uses, cancelled, cancelled)
SERVING = (contracts, uses, uses, deliveries, settlements, settlements, endings, heartbeats)
GRADING = (assets, assets, gradings, gradings, derivations, derivations, runs)
OWNING = (assets, assets, assets, gradings, parties, listings, listings, delistings, assessments)
SELLING = (assets, grants, grants, trades, trades, listings, assessments, deliveries, deliveries, parties)
HAVING = (assets, assets, parties, grants, grants, trades, trades, listings, listings, delistings, derivations, endings)
PAYING = (assets, parties, trades, trades, settlements, settlements, settlements)
MARKING = (assets, trades, trades, deliveries, deliveries, sightings, sightings)
REFUSING = (assets, parties, trades, settlements, settlements, refusals, refusals, records)
ANSWERING = (parties, records, records, answers, answers, answers, answers, trades, listings, incidents, incidents)
grouped = st.builds(
    lambda contract, time, uses_max, since, held: signed(
        contract,
        time,
        signed=since,
        terms={"valid_from": "2025-01-01", "quota_group": "g"}
        | ({} if uses_max is None else {"uses_max": uses_max})
        | held,
    ),
    some(CONTRACTS),
    some(TIMES[:3]),
    some([10, 10, 20, None]),
    some(["2025-01-01", "2025-01-02"]),
    some([{}, {}, {"report_within_days": 15}, {"quota_group": "h"}]),
)
reporting = st.builds(
    lambda contract, time, amended, until, days: signed(
        contract,
        time,
        amended=amended,
        terms={"valid_from": "2025-01-01"}
        | ({} if days is None else {"report_within_days": days})
        | ({} if until is None or moment(until) <= moment(time) else {"valid_to": until}),
    ),
    some(CONTRACTS),
    times,
    some([False, False, True]),
    some([None, None, "2025-03-16", "2025-12-31"]),
    some([None, 0, 1, 14, 15, 15, 59]),
)
agreed = st.builds(
    lambda contract, time, amended, amount, data, stated: signed(
        contract, time, amended=amended, asset="a0", amount=amount, **data, terms={"valid_from": "2025-01-01"} | stated
    ),
    some([f"c{at}" for at in range(3)]),
    some(TIMES[:6]),
    some([False, False, True]),
    some(["66.50", "79.99", "80", "159.99", "160"]),
    st.fixed_dictionaries(
        {
            "seller": some([SELLER, SELLER, THIRD]),
            "buyer": some([BUYER, BUYER, BUYER, OWNER, SELLER]),
            "exchange": some([None, OWNER, OWNER, SELLER]),
            "signed": some(["2025-01-01", "2025-01-02", "2025-03-01"]),
            "product": some([None, "p0"]),
        }
    ),
    said(
        st.fixed_dictionaries(
            {
                "pay_within_days": optional(some([0, 1, 14, 15])),
                "valid_to": optional(some(["2025-03-16", "2026-12-31"])),
            }
        )
    ),
)
priced = st.builds(
    lambda time, seller, mode: listed("a0", time, seller=seller, product="p0", price={"mode": mode, "amount": "1"}),
    some(TIMES[:6]),
    some([SELLER, SELLER, THIRD]),
    some(["per-use", "per-use", "preset"]),
)
PRICING = (sales,)
RETURNING = (answered, answered, answered, sisters)
DIVIDING = (sisters, small_exports, small_exports, small_exports)
CIRCLING = (payments, payments, payments, payments, payments, payments, sisters)
SHARING = (goods, sisters, sold, sold, payments, payments, payments, payments)
DEALING = (goods, sisters, sold, sold, payments, payments, refusals, refusals, trades)
SETTLING = (goods, priced, sisters, agreed, agreed, endings, payments, payments, payments, payments, payments)
SHARED = (grouped, grouped, uses, uses, uses, cancelled, endings)
REPORTING = (reporting, reporting, uses, uses, cancelled, endings)
COMPARING = (contracts, uses, uses, uses, deliveries, deliveries, cancelled)
ALL = (*SERVING, *COUNTING, *CIRCULATING, *SCREENING, *EXPORTING, *TRADING, *PAYING, *MARKING, *REFUSING, *ANSWERING)
HURRYING = (*([hourly] * 5), given_back, contracts)
# A pack may come at any time here. Contract §4 has it before the uses from its `valid_from` on. That is read as: before
# all that tallies count (uses, deliveries, what takes them back) and before amended limits, for a band that was raised
# is not judged anew. So nothing is used here, and no volume is limited where there are deliveries.
NOTHING_COUNTED = (
    SCREENING,
    tuple(unlimited if one is contracts else one for one in CIRCULATING),
    OWNING,
    EXPORTING,
    SHARING,
    PAYING,
)
THEMES = (
    COUNTING,
    COUNTING,
    HURRYING,
    SERVING,
    CIRCULATING,
    SCREENING,
    EXPORTING,
    EXPORTING,
    SENDING,
    SENDING,
    SPREADING,
    TRADING,
    GRADING,
    OWNING,
    SELLING,
    HAVING,
    HAVING,
    PAYING,
    MARKING,
    REFUSING,
    ANSWERING,
    PRICING,
    RETURNING,
    DIVIDING,
    CIRCLING,
    SHARING,
    DEALING,
    SETTLING,
    SHARED,
    REPORTING,
    COMPARING,
    ALL,
)


@st.composite
def markets(
    draw: st.DrawFn, *, length: int = 30, packs_first: bool = False, themes: Sequence[Any] = THEMES
) -> list[Json]:
    """The lines of a small file: with duplicates, retractions, revocations, numbers and packs that come at any time."""
    theme = draw(some(themes))
    lines: list[Json] = draw(st.lists(st.one_of(*theme), min_size=draw(st.integers(1, length)), max_size=length))
    lines = _renamed(lines)
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), draw(published))
    held = [one for one in lines if one.get("type") == "circulation.grant.issued"]
    if held and draw(st.booleans()):
        grant = draw(some(held))
        revoked = event("grant.revoked", grant["subject"], draw(times), grant=grant["data"]["grant"], reason="fraud")
        lines.insert(draw(st.integers(0, len(lines))), revoked)
    # Of a source's heartbeats only the newest is kept: what is taken back leaves no other one.
    never = {"circulation.usage.reported", "circulation.usage.cancelled", "circulation.source.heartbeat", None}
    retractable = [one for one in lines if one.get("type") not in never]
    for one in draw(st.lists(some(retractable), max_size=2)) if retractable else []:
        lines.insert(draw(st.integers(0, len(lines))), retracted(one, draw(times)))
    if packs_first:
        lines.sort(key=lambda one: "rulepack" not in str(one.get("type")) and "beijing" != one.get("subject"))
    return _numbered(lines, draw(some([(0,), (0, 0, 0, 1), (0, 0, 1, -1, -2)])), draw(st.integers(0, 999)))


def _renamed(lines: list[Json]) -> list[Json]:
    """Grants have few ids, which exports name, and no id is used twice by a source that counts."""
    for at, one in enumerate(lines):
        if one.get("type") == "circulation.grant.issued":
            one["data"]["grant"] = f"g{at % 4}"
        if one.get("source") == COUNTED and one["type"] != "circulation.usage.reported":
            one["id"] = f"n{at}"
    used_ids: set[tuple[str, str]] = set()
    for at, one in enumerate(lines):
        if one.get("type") == "circulation.usage.reported" and one["source"] == COUNTED:
            if (one["subject"], one["id"]) in used_ids:
                one["id"] = f"n{at}"
            used_ids.add((one["subject"], one["id"]))
    return lines


def _numbered(lines: list[Json], steps: tuple[int, ...], seed: int) -> list[Json]:
    """Numbers what the counting source says of each subject: mostly one after the other, some left out or repeated;
    where they are, now and then under another epoch than the one before."""
    numbers: dict[tuple[str, int], int] = {}
    epochs: dict[str, int] = {}
    chosen = random.Random(seed)
    for one in lines:
        if one.get("source") == COUNTED:
            epoch = epochs.get(one["subject"], 0)
            if any(steps):
                epoch = max(0, epoch + chosen.choice((0,) * 12 + (-1, 1, 1, 2)))
                epochs[one["subject"]] = max(epoch, epochs.get(one["subject"], 0))
            key = (one["subject"], epoch)
            number = max(1, numbers.get(key, 0) + 1 + chosen.choice(steps))
            numbers[key] = max(number, numbers.get(key, 0))
            one |= {"sequence": str(number), "sequencetype": "Integer"}
            if epoch:
                one["sequenceepoch"] = str(epoch)
    return lines


def interleaved(lines: list[Json], seed: int, *, packs_first: bool = True) -> list[Json]:
    """Another order that keeps the order of each key, packs first or at any time."""
    keys: dict[str, list[Json]] = {}
    for one in lines:
        keys.setdefault(one["run"]["runId"] if "run" in one else one["subject"], []).append(one)
    first = keys.pop("beijing", []) if packs_first else []
    drawn = [key for key, each in keys.items() for _ in each]
    random.Random(seed).shuffle(drawn)
    return first + [keys[key].pop(0) for key in drawn]
