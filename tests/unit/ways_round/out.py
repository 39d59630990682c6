"""Ways round what leaves and what credit says, each closed: findings that reach nobody, objections without an end."""

from collections.abc import Sequence

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import BUYER, OWNER, SELLER, Json, asset, event, listed, pack, party, retracted, signed
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.store import Store

SECTORS = {"J": ["bank office"], "I65": ["network office"], "I": ["information office"]}


class Run:
    """A replay: what left, and the statements."""

    def __init__(self, events: Sequence[Json], rules: Json, until: str | None = None) -> None:
        self.left: list[Json] = []
        replay = Replay(
            offline(Store("sqlite://"), parse_pack(rules, published=False)),
            Admission(),
            findings=lambda line: self.left.append(orjson.loads(line)),
            until=None if until is None else parse_instant(until),
        )
        replay.run(orjson.dumps(one) for one in events)
        self.statements = {one["party"]: one for one in map(orjson.loads, replay.statements())}

    def told(self, detector: str) -> list[Json]:
        """The data of what left of one detector."""
        return [one["data"] for one in self.left if one["data"].get("detector") == detector]


# Who is told.


@pytest.mark.parametrize(
    ("of_asset", "of_owner", "of_seller", "receivers"),
    [
        ("J66", "I65", "I65", ["bank office"]),
        (None, "J66", "I65", ["bank office"]),
        (None, None, "I6510", ["network office"]),
        (None, None, "I63", ["information office"]),
        (None, None, None, []),
    ],
)
def test_a_finding_about_an_asset_without_industry_reaches_the_office_of_who_answers(
    of_asset: str | None, of_owner: str | None, of_seller: str | None, receivers: list[str]
) -> None:
    events = [
        party(OWNER, industry=of_owner),
        party(SELLER, industry=of_seller),
        asset("a", owner=OWNER, industry=of_asset),
        listed("a", "2025-02-01", seller=SELLER),
    ]
    (one,) = Run(events, pack(sectors=SECTORS)).told("right-missing")
    assert receivers == one["sectors"]


def test_a_finding_about_no_asset_reaches_the_office_of_the_party() -> None:
    incident = {"incident": "i", "kind": "leak", "operator": "other"}
    events = [party(SELLER, industry="J66"), event("incident.discovered", SELLER, "2025-02-01", **incident)]
    (one,) = Run(events, pack(sectors=SECTORS), "2025-03-01").told("incident-late")
    assert ["bank office"] == one["sectors"]


def test_a_ring_is_told_to_the_office_of_the_asset_and_not_only_to_that_of_who_was_paid() -> None:
    ring = [SELLER, BUYER, "x:1"]
    pairs = zip(ring, [*ring[1:], SELLER], strict=True)
    paid = [
        event("settlement.paid", "c", f"2025-02-0{at}", settlement=f"s{at}", payer=one, payee=other, amount="1")
        for at, (one, other) in enumerate(pairs, start=2)
    ]
    events = [party(SELLER, industry="I65"), asset("a", industry="J66"), signed("c", "2025-02-01", asset="a"), *paid]
    assert [["bank office"]] == [one["sectors"] for one in Run(events, pack(sectors=SECTORS)).told("ring-trade")]


def test_a_finding_about_an_asset_that_nobody_registered_reaches_the_office_of_the_seller() -> None:
    events = [party(SELLER, industry="J66"), listed("nowhere", "2025-02-01", seller=SELLER)]
    assert [["bank office"]] == [one["sectors"] for one in Run(events, pack(sectors=SECTORS)).told("broken-provenance")]


def test_what_is_cleared_says_what_it_was_and_to_whom_it_was_said() -> None:
    sale = signed("c", "2025-02-01", asset="a", seller=SELLER, buyer=SELLER)
    events = [party(SELLER, industry="J66"), asset("a"), sale, retracted(sale, "2025-02-02")]
    raised, cleared = Run(events, pack(sectors=SECTORS)).told("related-party-trade")
    assert ("retracted", 1) == (cleared["reason"], cleared["revision"])
    members = ("finding", "detector", "severity", "mode", "about", "party", "sectors")
    assert {name: raised[name] for name in members} == {name: cleared[name] for name in members}


# Objections.

RECORD = event(
    "credit.determined",
    SELLER,
    "2025-02-01",
    record="r",
    act="late",
    tier="serious",
    document_date="2025-02-01",
    decided_by="an office",
)


def objected(number: int, time: str, **data: str) -> Json:
    about = data or {"record": "r"}
    return event("objection.filed", SELLER, time, objection=f"o{number}", grounds="no", **about)


def decided(number: int, time: str, outcome: str = "rejected", **data: str) -> Json:
    answer = {"outcome": outcome, "decided_by": "an office"}
    return event("objection.decided", SELLER, time, objection=f"o{number}", **answer, **data)


def barred(events: Sequence[Json], time: str) -> bool:
    """Whether the party's record bars it from signing at an instant, and takes its points then, which is the same."""
    sale = signed("c", time, asset="a", seller=SELLER, buyer=BUYER)
    run = Run([RECORD, *events, sale], pack(), until=sale["time"])
    (record,) = run.statements[SELLER]["records"]
    found = bool(run.told("barred-party"))
    assert found == (record["points"] > 0)
    return found


def test_an_objection_that_nobody_decides_suspends_no_longer_than_the_days_for_it() -> None:
    # Seven working days after Monday, 3 March, end on 12 March.
    assert not barred([objected(1, "2025-03-03")], "2025-03-12T23:59:59.999999")
    assert barred([objected(1, "2025-03-03")], "2025-03-13")


def test_objections_one_after_the_other_suspend_once() -> None:
    chain = [objected(1, "2025-03-03"), decided(1, "2025-03-05"), objected(2, "2025-03-06")]
    assert not barred(chain[:1], "2025-03-04")
    assert barred(chain, "2025-03-07")


def test_objections_that_overlap_suspend_no_longer_than_the_first() -> None:
    both = [objected(1, "2025-03-03"), objected(2, "2025-03-11")]
    assert not barred(both, "2025-03-12")
    assert barred(both, "2025-03-13")


def test_an_earlier_objection_that_comes_late_is_the_first() -> None:
    late = [objected(2, "2025-03-11"), objected(1, "2025-03-03")]
    assert barred(late, "2025-03-13")


def test_only_a_correction_lets_an_objection_suspend_anew() -> None:
    corrected = [objected(1, "2025-03-03"), decided(1, "2025-03-05", "corrected", tier="serious")]
    assert barred(corrected, "2025-03-06")
    assert not barred([*corrected, objected(2, "2025-03-07")], "2025-03-10")
    assert barred(
        [*corrected, objected(2, "2025-03-07"), decided(2, "2025-03-10"), objected(3, "2025-03-11")], "2025-03-12"
    )


def test_a_correction_that_another_objection_brought_leaves_the_first_one_open() -> None:
    correction = decided(2, "2025-03-05", "corrected", tier="serious")
    chain = [objected(1, "2025-03-03"), objected(2, "2025-03-04"), correction]
    assert not barred(chain, "2025-03-12")
    assert barred(chain, "2025-03-13")
    assert barred([*chain, decided(1, "2025-03-06")], "2025-03-07")
    # What was filed before the correction, and not first, suspends neither before nor after it.
    assert barred([*chain, decided(1, "2025-03-06"), objected(3, "2025-03-04T12:00")], "2025-03-07")
    # Filed after it, one suspends anew, until its own days are over.
    assert not barred([*chain, objected(3, "2025-03-07")], "2025-03-18T23:59:59.999999")
    assert barred([*chain, objected(3, "2025-03-07")], "2025-03-19")


def test_an_office_that_never_decides_is_told_of_at_the_end_of_its_days() -> None:
    (one,) = Run([objected(1, "2025-03-03")], pack(), "2025-03-14").told("credit-clock")
    assert parse_instant("2025-03-13") == parse_instant(one["occurred"])
    assert not {"cause", "party"} & one.keys()
