"""The negative list: look-through on any graph, grants, and that it costs nothing where there is nothing to ask."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import NOW, admitted, packs, said
from world import facts as facts_of

from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    Json,
    asset,
    delivered,
    derived,
    entry,
    listed,
    pack,
    party,
    signed,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Loaded
from circulation.findings import Cause
from circulation.packs.in_force import Packs
from detectors.negative_list import NEEDS, RULE, check, conduct, judge
from detectors.negative_list import Conduct as Doing
from tests.steps import steps

WHEN = "2025-03-01"


def act_of(stated: Json) -> Act:
    one = admitted(stated)
    return Act(
        thing=one.id,
        type=one.type,
        subject=one.subject,
        source=one.source,
        id=one.id,
        time=one.time,
        reporter=one.reporter,
        data=one.data,
    )


def test_an_empty_list_asks_for_no_facts() -> None:
    nothing_loaded = Loaded(packs=packs(pack())).bound(RULE.id, frozenset(), RULE.settings)
    assert [] == check(act_of(listed("asset", WHEN)), nothing_loaded)


def test_a_delivery_is_judged_by_the_contract_of_its_time() -> None:
    stated = [
        party(OWNER),
        asset("plain"),
        asset("asset", tags=["secret"]),
        signed("c", "2025-01-01", asset="plain"),
        signed("c", "2025-02-01", asset="asset", amended=True),
        delivered("c", "2025-01-15"),
        delivered("c", "2025-02-15", id="late"),
    ]
    found = said(RULE, stated, pack(entry("secret", actions=["deliver"])))
    assert [("asset", "late")] == [(one.about.id, one.cause and one.cause.id) for one in found]


def test_the_summary_is_one_sentence_with_the_numbers() -> None:
    stated = [
        party(OWNER),
        asset("raw", tags=["secret"]),
        asset("asset"),
        asset("mid"),
        derived("mid", "2025-02-01", "raw"),
        derived("asset", "2025-02-01", "mid"),
        listed("asset", WHEN),
    ]
    (one,) = said(RULE, stated, pack(entry("secret", title="State secrets")))
    assert (
        "asset, derived in 2 steps from raw, was listed, which entry secret (State secrets) prohibits." == one.summary
    )
    assert ["Example Act, article of secret"] == one.evidence["legal_basis"]


def test_a_conduct_without_cause_is_judged_like_an_act() -> None:
    instant = NOW
    doing = Doing("list", "asset", SELLER, frozenset({SELLER}))
    named = pack(entry("named", match={"parties": [SELLER]}))
    act = act_of(listed("asset", WHEN))
    assert doing == conduct(act, Loaded(packs=packs(named)).bound(RULE.id, frozenset(), RULE.settings))
    facts = facts_of([], RULE, NEEDS, packs(named))
    (screened,) = judge(doing, instant, facts, None, ("list", str(instant)))
    assert (None, ("named", "list", str(instant))) == (screened.cause, screened.apart)
    (listed_,) = judge(doing, instant, facts, Cause("s", "i"), ("asset",))
    assert screened.evidence == listed_.evidence


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()), max_size=14)


def upstream(edges: list[tuple[int, int, bool]], sticky: bool) -> dict[int, int]:
    """Distances from node 0, by brute force: relax until nothing changes."""
    distances = {0: 0}
    changed = True
    while changed:
        changed = False
        for output, source, stops in edges:
            if output in distances and (sticky or not stops):
                distance = distances[output] + 1
                if distance < distances.get(source, 99):
                    distances[source] = distance
                    changed = True
    return distances


@given(edges=EDGES, tagged=st.sets(st.integers(0, 7)), sticky=st.booleans())
def test_any_ancestor_that_matches_is_found_and_nothing_else(
    edges: list[tuple[int, int, bool]], tagged: set[int], sticky: bool
) -> None:
    stopping = {"process": "model", "irreversible": True, "evidence": "e"}
    stated = [
        party(OWNER),
        *(asset(f"a{one}", tags=["secret"] if one in tagged else []) for one in range(8)),
        *(
            derived(f"a{output}", "2025-02-01", f"a{source}", **(stopping if stops else {}))
            for output, source, stops in edges
        ),
        listed("a0", WHEN),
    ]
    found = said(RULE, stated, pack(entry("secret", sticky=sticky)))
    distances = upstream(edges, sticky)
    matching = sorted((distances[one], one) for one in tagged if one in distances)
    if not matching:
        assert [] == found
        return
    (one,) = found
    distance, origin = matching[0]
    path = one.evidence["path"]
    assert (f"a{origin}", f"a{origin}", "a0", distance + 1) == (one.evidence["origin"], path[0], path[-1], len(path))
    steps = {(f"a{source}", f"a{output}") for output, source, stops in edges if sticky or not stops}
    assert all(step in steps for step in pairwise(path))


def naming_ids(count: int) -> Packs:
    return packs(pack(*(entry(f"e{one}", match={"assets": [f"asset-{one}"]}) for one in range(count))))


@pytest.fixture(scope="module")
def large() -> Packs:
    return naming_ids(100_000)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["list", "trade", "deliver", "export"])
def test_a_hundred_thousand_entries_that_name_ids_cost_a_look_up(action: str, large: Packs) -> None:
    doing = Doing(action, "asset", SELLER, frozenset({SELLER, BUYER}))

    def judged(in_force: Packs) -> int:
        facts = facts_of([admitted(one) for one in (party(OWNER), asset("asset"))], RULE, NEEDS, in_force)
        # The first time a list is compiled.
        assert [] == judge(doing, NOW, facts, None, ())
        return steps(lambda: judge(doing, NOW, facts, None, ()))

    assert judged(naming_ids(1)) == judged(large)
