"""What a pack touches that comes late: no more than it may change, and all of that, in slices of any size."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    Json,
    asset,
    delivered,
    entry,
    event,
    instant,
    listed,
    pack,
    party,
    retracted,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from streams.facts import circulations as screening
from streams.judging import late_pack_search as anew
from streams.offline.replay import Replay, findings_of, offline
from streams.store.store import Store
from tests.model import markets
from tests.property.test_order import standing

PAID, DAYS = "2025-02-01", 30
WHEN, UNTIL = "2025-02-15", "2025-12-01"
LIMITED = terms(bytes_max=100)
# A payment for nothing: its deadline comes long after the pack.
TRADED = [party(OWNER), asset("asset", tags=["secret"]), listed("asset", "2025-01-15"), signed("c", "2025-01-20")]
TRADED += [event("settlement.paid", "c", PAID, settlement="s", payer=BUYER, payee=SELLER, amount="100.00")]


def version(number: int, since: str, *entries: Json, **detectors: Json) -> Json:
    said = pack(
        *entries, version=str(number), detectors={name.replace("_", "-"): one for name, one in detectors.items()}
    )
    said |= {"valid_from": since}
    return event("rulepack.published", "beijing", f"2025-01-01T00:00:{number:02}", **said)


def again(published: Json) -> Json:
    """The same pack, published once more and later."""
    return published | {"id": "again", "time": instant("2025-01-01T00:01:00")}


def judged(stated: Sequence[Json], *late: Json) -> Counter[str]:
    """How often each rule is asked because of what comes late, when all else has been judged."""
    engine = offline(Store("sqlite://"), parse_pack(pack(version="0"), published=False))
    replay = Replay(engine, Admission(), until=parse_instant(UNTIL))
    replay.run(orjson.dumps(one) for one in stated)
    looks: Counter[str] = Counter()
    round_ = engine.judge.round

    def counting(*given: Any, **more: Any) -> Any:
        made = round_(*given, **more)
        looks.update(made.looks)
        return made

    with mock.patch.object(engine.judge, "round", counting):
        Replay(engine, Admission(), until=parse_instant(UNTIL)).run(orjson.dumps(one) for one in late)
    return looks


def due(found: Sequence[Json]) -> list[tuple[str, str]]:
    """When what stands occurred, and by which version it was said."""
    return sorted(
        (one["occurred"][:10], one["rulepack"]["version"]) for one in found if one["detector"] == "paper-trade"
    )


def test_a_pack_that_differs_by_an_entry_looks_at_what_the_entry_may_match_and_at_no_sum() -> None:
    served = [*TRADED, delivered("c", "2025-02-03")]
    assert {"negative-list"} == judged(served, version(1, WHEN, entry("new", match={"tags": ["secret"]}))).keys()
    assert set() == judged(served, version(1, WHEN, entry("new", match={"tags": ["another"]}))).keys()
    # What stands is said by the pack that is in force now.
    assert {"paper-trade"} == judged(TRADED, version(1, WHEN, entry("new", match={"tags": ["another"]}))).keys()


def test_a_pack_that_sets_a_rule_otherwise_looks_at_its_sums() -> None:
    served = [*TRADED, delivered("c", "2025-02-03")]
    assert {"paper-trade"} == judged(served, version(1, WHEN, paper_trade={"days": 40})).keys()
    # The same number, said or not.
    assert set() == judged(served, version(1, WHEN, paper_trade={"days": DAYS, "mode": "enforce"})).keys()


@pytest.mark.slow
@pytest.mark.parametrize("slice_max", [1, 2, 2_000])
@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ([], [("2025-03-03", "0")]),
        ([version(1, WHEN)], [("2025-03-03", "1")]),
        ([version(1, WHEN, paper_trade={"days": 40})], [("2025-03-03", "1")]),
        ([version(1, PAID, paper_trade={"days": 40})], [("2025-03-13", "1")]),
        ([version(1, PAID, paper_trade={"mode": "off"})], []),
        (
            [version(2, PAID, paper_trade={"days": 40}), version(1, "2025-01-10", paper_trade={"days": 40})],
            [("2025-03-13", "2")],
        ),
        ([version(1, PAID, paper_trade={"days": 40}), version(2, PAID)], [("2025-03-03", "2")]),
        (
            [one := version(1, PAID, paper_trade={"days": 40}), version(2, PAID), retracted(one, "2025-06-01")],
            [("2025-03-03", "2")],
        ),
        (
            [version(1, PAID, paper_trade={"days": 40}), one := version(2, PAID), retracted(one, "2025-06-01")],
            [("2025-03-13", "1")],
        ),
        (
            [one := version(1, WHEN), version(2, WHEN, paper_trade={"mode": "off"}), again(one)],
            [("2025-03-03", "1")],
        ),
    ],
    ids=[
        "none",
        "in force later",
        "other days later",
        "other days from then on",
        "off",
        # taken in together; the earlier one changes nothing beside the later
        "two, of which either would do",
        "and back",
        "and back, and what came first is taken back",
        "and back, and that is taken back",
        "off, and the same pack published again",
    ],
)
def test_it_is_the_same_when_the_packs_come_first_and_when_they_come_last(
    versions: list[Json], found: list[tuple[str, str]], slice_max: int
) -> None:
    with mock.patch.object(anew, "SLICE_MAX", slice_max):
        assert found == due(findings_of([*TRADED, *versions], pack=pack(version="0"), until=UNTIL))
        # One after the other, when all before it has been judged to the end.
        engine = offline(Store("sqlite://"), parse_pack(pack(version="0"), published=False))
        for some in (TRADED, *([one] for one in versions)):
            Replay(engine, Admission(), until=parse_instant(UNTIL)).run(orjson.dumps(one) for one in some)
        with engine.store.reading() as db:
            stood = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
        assert found == due(stood)
    assert found == due(findings_of([*versions, *TRADED], pack=pack(version="0"), until=UNTIL))


@settings(max_examples=40)
@given(
    lines=markets.markets(themes=[markets.SCREENING, markets.CIRCULATING]),
    default=markets.packs,
    until=st.sampled_from(markets.UNTIL),
    slice_max=st.sampled_from([1, 2, 5]),
)
def test_slices_of_any_size_find_the_same(lines: list[Json], default: Json, until: str, slice_max: int) -> None:
    with mock.patch.object(anew, "SLICE_MAX", slice_max), mock.patch.object(screening, "SLICE_MAX", slice_max):
        sliced = standing(lines, default, until)
    assert sliced == standing(lines, default, until)


@pytest.mark.parametrize("what", ["use", "delivery", "amendment"])
def test_what_was_counted_when_a_pack_comes_late_was_counted_by_the_one_before(what: str) -> None:
    sent = delivered("c", "2025-02-20", bytes=60)
    counted = {
        "use": [used("c", "2025-02-20", 1, bytes=60)],
        "delivery": [sent],
        "amendment": [sent | {"time": instant("2025-02-01")}, signed("c", "2025-02-20", amended=True, terms=LIMITED)],
    }[what]
    agreed = signed("c", "2025-01-20", terms=terms() if what == "amendment" else LIMITED)
    stricter = version(1, WHEN, usage_limit={"warning_percent": 50})

    def bands(*lines: Json) -> list[tuple[int, str]]:
        found = findings_of(lines, pack=pack(version="0"), until=UNTIL)
        return [
            (one["evidence"]["band"], one["rulepack"]["version"]) for one in found if one["detector"] == "usage-limit"
        ]

    assert bands(agreed, stricter, *counted) == [(50, "1")]
    assert bands(agreed, *counted, stricter) == []
    # What is counted from then on is counted by it, and so is what there was.
    assert bands(agreed, *counted, stricter, delivered("c", "2025-02-21", delivery="e", bytes=1)) == [(50, "1")]
