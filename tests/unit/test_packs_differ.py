"""Packs are data: the same events are judged differently under each, and each difference has its reason in a pack."""

from collections.abc import Sequence
from typing import Any

import pytest

import packs
from circulation.examples import BUYER, OWNER, SELLER, Json, asset, event, exported, granted, listed, party, signed
from circulation.packs.yaml import load_yaml
from streams.offline import replay

DATA = {name: load_yaml(packs.shipped(name)) for name in packs.NAMES}
UNTIL = "2026-12-31"

Found = set[tuple[str, str, str | None]]


def found(events: Sequence[Json], name: str) -> Found:
    """(detector, severity, entry) of what stands."""
    return {
        (one["detector"], one["severity"], one["evidence"].get("entry"))
        for one in replay.findings_of(list(events), pack=DATA[name], until=UNTIL)
    }


def known(*more: Json) -> list[Json]:
    return [party(one) for one in (OWNER, SELLER, BUYER)] + list(more)


def sent(asset_: str, **facts: Any) -> list[Json]:
    """An asset of the seller's that is sent abroad under an assessment that covers nothing else."""
    persons = facts.get("persons", 0)
    return known(
        asset(asset_, "2026-02-01", owner=SELLER, **facts),
        granted(SELLER, "2026-02-01", "standard-contract"),
        exported(SELLER, "2026-03-01", asset=asset_, persons=persons),
    )


def objection(decided: str) -> list[Json]:
    """An objection that was filed on a Monday."""
    record = {"record": "r", "act": "breach", "tier": "general", "document_date": "2026-03-01", "decided_by": "office"}
    return known(
        event("credit.determined", SELLER, "2026-03-02", **record),
        event("objection.filed", SELLER, "2026-03-02T09:00", objection="o", record="r", grounds="not us"),
        event("objection.decided", SELLER, decided, objection="o", outcome="rejected", decided_by="office"),
    )


CLOCK = ("credit-clock", "orange", None)
ASSESSMENT, CONTRACT = ("export-assessment-missing", "red", None), ("export-contract-missing", "orange", None)


def listing(entry: str, severity: str) -> tuple[str, str, str | None]:
    return ("negative-list", severity, entry)


STORIES: list[tuple[str, list[Json], dict[str, Found]]] = [
    (
        "three working days are Shenzhen's, seven are Beijing's: on the third day",
        objection("2026-03-05T17:00"),
        {"beijing": set(), "shenzhen": set()},
    ),
    (
        "three working days are Shenzhen's, seven are Beijing's: on the fourth day",
        objection("2026-03-06T17:00"),
        {"beijing": set(), "shenzhen": {CLOCK}},
    ),
    (
        "three working days are Shenzhen's, seven are Beijing's: after both",
        objection("2026-03-12T17:00"),
        {"beijing": {CLOCK}, "shenzhen": {CLOCK}},
    ),
    (
        "article 67 of Shenzhen's regulations asks for an authorisation of any personal data",
        known(asset("a", "2026-02-01", personal="personal", owner=SELLER), listed("a", "2026-03-01")),
        {"beijing": set(), "shenzhen": {listing("NL-06", "orange")}},
    ),
    (
        "article 67 of Shenzhen's regulations, with the authorisation",
        known(
            asset("a", "2026-02-01", personal="personal", owner=SELLER),
            granted(SELLER, "2026-02-01", "consent"),
            listed("a", "2026-03-01"),
        ),
        {"beijing": set(), "shenzhen": set()},
    ),
    (
        "article 55 of Shanghai's regulations is an entry of Beijing's",
        known(asset("a", "2026-02-01", tags=["未经权利人同意"], owner=SELLER), listed("a", "2026-03-01")),
        {"beijing": {listing("NL-05", "orange")}, "shenzhen": set()},
    ),
    (
        "only Beijing's opinion asks that public data be traded on exchanges",
        known(
            asset("a", "2026-02-01", public=True, owner=SELLER),
            granted(SELLER, "2026-02-01", "public-operation"),
            signed("c", "2026-03-01", asset="a", channel="off-exchange"),
        ),
        {"beijing": {("off-exchange-public", "yellow", None)}, "shenzhen": set()},
    ),
    (
        "a million persons with sensitive data are important data in Beijing's zone alone",
        known(asset("a", "2026-02-01", personal="sensitive", persons=1_000_001, owner=SELLER)),
        {"beijing": {("person-volume", "orange", None)}, "shenzhen": set()},
    ),
    (
        "what Beijing's zone lists of groups of patients",
        sent("a", industry="Q84", tags=["群体诊疗"]),
        {"beijing": {listing("NL-47", "orange")}, "shenzhen": set(), "beijing-ftz": {listing("NL-47", "orange")}},
    ),
    (
        "a million persons abroad need an assessment, and a contract from the zone",
        sent("a", personal="personal", persons=1_000_000, tags=["会员管理"]),
        {"beijing": {ASSESSMENT}, "shenzhen": {ASSESSMENT}, "beijing-ftz": set()},
    ),
    (
        "a million persons abroad without a contract",
        known(exported(SELLER, "2026-03-01", persons=1_000_000)),
        {"beijing": {ASSESSMENT}, "shenzhen": {ASSESSMENT}, "beijing-ftz": {CONTRACT}},
    ),
    (
        "five million persons abroad need an assessment from the zone, too",
        known(exported(SELLER, "2026-03-01", persons=5_000_000)),
        {"beijing": {ASSESSMENT}, "shenzhen": {ASSESSMENT}, "beijing-ftz": {ASSESSMENT}},
    ),
    (
        "sensitive data of 9,999 persons need a contract, and nothing from the zone",
        known(exported(SELLER, "2026-03-01", sensitive_persons=9_999)),
        {
            "beijing": {CONTRACT, ("export-assessment-missing", "yellow", None)},
            "shenzhen": {CONTRACT, ("export-assessment-missing", "yellow", None)},
            "beijing-ftz": set(),
        },
    ),
    (
        "the zone's relief does not reach important data",
        sent("a", level="important"),
        {
            name: {listing("NL-32", "orange"), ("export-important-data", "red", None)}
            for name in ("beijing", "shenzhen", "beijing-ftz")
        },
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("events", "expected"), [pytest.param(*one[1:], id=one[0]) for one in STORIES])
def test_the_same_events_are_judged_by_each_pack_in_its_own_way(events: list[Json], expected: dict[str, Found]) -> None:
    # What both say alike of how the example is built is none of the example.
    told = {detector for one in expected.values() for detector, _, _ in one}
    told |= {"negative-list", "credit-clock"} | packs_name()
    assert expected == {name: {one for one in found(events, name) if one[0] in told} for name in expected}


def packs_name() -> set[str]:
    """The detectors that the packs beside the default name."""
    return {id_ for name in packs.NAMES if name != packs.DEFAULT for id_ in DATA[name]["detectors"]}
