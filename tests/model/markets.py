"""Small random markets: few parties, assets, contracts and instants, so that ties and boundaries happen often."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from circulation.cases import (
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
from tests.model.slow import moment

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


times = some(TIMES)
attributes = st.fixed_dictionaries({"source": some([PLAIN, PLAIN, COUNTED])})
reported = st.fixed_dictionaries({"source": some([PLAIN, PLAIN, COUNTED]), "reporter": some(REPORTERS)})

packs = st.builds(
    lambda entries, changed, detectors, **members: pack(
        *{one["id"]: one for one in (*entries, *changed)}.values(), detectors=detectors, **members
    ),
    subset(*ENTRIES),
    subset(*CHANGED),
    st.fixed_dictionaries(
        {
            "export-assessment-missing": st.just({"persons": 100, "sensitive_persons": 10}),
            "purpose-drift": said(st.fixed_dictionaries({"mode": some(["enforce", "off", "shadow"])})),
            "raw-public-data": said(st.fixed_dictionaries({"modes": optional(st.just(["file"]))})),
            "related-party-trade": said(
                st.fixed_dictionaries({"months": optional(some([1, 12])), "repeated": optional(some([2]))})
            ),
            "negative-list": said(st.fixed_dictionaries({"mode": some(["enforce", "enforce", "warn", "off"])})),
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
# Trades between all parties, also with themselves, of which the first and the last are just twelve months apart.
trades = st.builds(
    lambda contract, time, data, more: signed(contract, time, **data, **more),
    some([f"c{at}" for at in range(6)]),
    some((TIMES[0], *TIMES, LATEST)),
    st.fixed_dictionaries({"asset": some(ASSETS), "seller": some(PARTIES), "buyer": some(PARTIES)}),
    reported,
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
            "recipient": some([BUYER, THIRD]),
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
    some(ASSETS),
    times,
    st.fixed_dictionaries(
        {
            "owner": some([OWNER, THIRD]),
            "rights": some([["operating"], ["holding", "processing"]]),
            "public": optional(st.booleans()),
            "industry": optional(some(["I65", "C36"])),
            "level": some(["general", "core", "ungraded"]),
            "personal": some(["none", "personal"]),
            "tags": optional(subset("secret", "other")),
            "fields": optional(some([["phone_number", "road"], ["road"]])),
            "persons": optional(some([999, 1000])),
        }
    ),
    attributes,
)
gradings = st.builds(
    lambda asset_, time, level, personal: event(
        "asset.graded", asset_, time, level=level, personal=personal, reason="review"
    ),
    some(ASSETS),
    times,
    some(["general", "core", "ungraded"]),
    some(["none", "personal"]),
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
        {"seller": some([SELLER, THIRD]), "product": some(["p0", "p1"]), "purposes": optional(subset("credit"))}
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
    attributes,
)
grants = st.builds(
    lambda party_, time, kind, data, more: granted(party_, time, kind, **data, **more),
    some(PARTIES),
    times,
    some(["consent", "security-assessment", "certification", "operating-right"]),
    st.fixed_dictionaries(
        {
            "valid_from": some(["2025-01-01", "2025-03-01"]),
            "valid_to": optional(some(["2025-03-16"])),
            "assets": optional(subset("a0", "a1")),
            "purposes": optional(st.just(["credit"])),
            "countries": optional(subset("CN", "DE")),
            "recipients": optional(subset(ABROAD, BUYER)),
        }
    ),
    attributes,
)
exports = st.builds(
    lambda party_, time, data, more: exported(party_, time, **data, **more),
    some(PARTIES),
    times,
    st.fixed_dictionaries(
        {
            "export": some(["e0", "e1", "e2", "e3"]),
            "persons": some([0, 1, 15, 60, 79, 80, 99]),
            "sensitive_persons": some([0, 0, 1, 8, 9, 10]),
            "country": some(["DE", "CN"]),
            "recipient": some([ABROAD, THIRD]),
            "level": some(["general", "important", "core"]),
            "asset": optional(some(ASSETS)),
            "contract": optional(some(CONTRACTS)),
            "exemption": some([None, None, None, "contract", "hr", "ftz", "no-personal"]),
        }
    ),
    reported,
)

COUNTING = (contracts, contracts, uses, uses, uses, uses, cancelled, deliveries, deliveries, endings)
CIRCULATING = (assets, assets, gradings, derivations, derivations, runs, listings, contracts, deliveries, grants)
SCREENING = (assets, gradings, derivations, listings, listings, delistings, contracts, contracts, endings, grants)
EXPORTING = (parties, grants, exports, exports, exports, assets, contracts)
TRADING = (parties, parties, trades, trades, trades)
ALL = (*COUNTING, *CIRCULATING, *SCREENING, *EXPORTING, *TRADING)
THEMES = (COUNTING, COUNTING, CIRCULATING, SCREENING, EXPORTING, TRADING, ALL)


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
    never = {"circulation.usage.reported", "circulation.usage.cancelled", None}
    retractable = [one for one in lines if one.get("type") not in never]
    for one in draw(st.lists(some(retractable), max_size=2)) if retractable else []:
        lines.insert(draw(st.integers(0, len(lines))), retracted(one, draw(times)))
    if packs_first:
        lines.sort(key=lambda one: "rulepack" not in str(one.get("type")) and "beijing" != one.get("subject"))
    return _numbered(lines, draw(some([(0,), (0, 0, 0, 1), (0, 0, 1, -1, -2)])), draw(st.integers(0, 999)))


def _renamed(lines: list[Json]) -> list[Json]:
    """Each grant has an id of its own, and no id is used twice by a source that counts."""
    for at, one in enumerate(lines):
        if one.get("type") == "circulation.grant.issued":
            one["data"]["grant"] = f"g{at}"
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
    """Numbers what the counting source says of each subject: mostly one after the other, some left out or repeated."""
    numbers: dict[str, int] = {}
    chosen = random.Random(seed)
    for one in lines:
        if one.get("source") == COUNTED:
            number = max(1, numbers.get(one["subject"], 0) + 1 + chosen.choice(steps))
            numbers[one["subject"]] = max(number, numbers.get(one["subject"], 0))
            one |= {"sequence": str(number), "sequencetype": "Integer"}
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
