"""Shares of origin, held against a walk over every path."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.lineage import Edge
from circulation.shares import Origin, Part, origins, parts, stated

NAMES = "abcdef"


@st.composite
def graphs(draw: st.DrawFn) -> list[Edge]:
    name = st.sampled_from(NAMES)
    share = st.none() | st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])
    return draw(
        st.lists(st.builds(Edge, name, name, st.integers(0, 3), st.just(False), share, then=st.none()), max_size=18)
    )


def by_output(edges: list[Edge]) -> dict[str, list[Edge]]:
    return {name: [edge for edge in edges if edge.output == name] for name in NAMES}


def walked(edges: list[Edge], asset: str, at: int) -> dict[str, tuple[float, bool]]:
    """Every path without a repeated asset: the products of its shares added up, and whether any was assumed."""
    found: dict[str, tuple[float, bool]] = {}

    def walk(output: str, share: float, assumed: bool, path: tuple[str, ...]) -> None:
        mine = [edge for edge in edges if edge.output == output != edge.input and edge.time <= at]
        for source, part in parts(mine).items():
            if source not in path:
                before, doubtful = found.get(source, (0.0, False))
                found[source] = (before + share * part.share, doubtful or assumed or part.assumed)
                walk(source, share * part.share, assumed or part.assumed, (*path, source))

    walk(asset, 1.0, False, (asset,))
    return found


@settings(max_examples=300, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.integers(-1, 3))
def test_shares_are_those_of_a_walk_over_every_path(edges: list[Edge], asset: str, at: int) -> None:
    expected = walked(edges, asset, at)
    found = origins(by_output(edges), asset, at)
    assert expected.keys() == found.keys()
    for origin, (share, assumed) in expected.items():
        # Another name is the whole of it, beside what it was made of: no sum is more than the whole.
        assert math.isclose(min(1.0, share), found[origin].share, abs_tol=1e-9)
        assert (assumed, False) == found[origin][1:]


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.integers(0, 30))
def test_a_limit_makes_shares_smaller_never_greater_and_says_so(edges: list[Edge], asset: str, steps_max: int) -> None:
    whole = origins(by_output(edges), asset, 3)
    cut = origins(by_output(edges), asset, 3, steps_max)
    assert whole.keys() == cut.keys()
    for origin, flow in cut.items():
        assert flow.share <= whole[origin].share + 1e-9
        assert flow.at_least or math.isclose(flow.share, whole[origin].share, abs_tol=1e-9)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_order_of_the_derivations_does_not_matter(edges: list[Edge], asset: str, random: object) -> None:
    shuffled = list(edges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert origins(by_output(edges), asset, 3) == origins(by_output(shuffled), asset, 3)


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_the_parts_of_an_output_are_never_more_than_the_whole(edges: list[Edge]) -> None:
    for some in by_output(edges).values():
        same = {edge.input for edge in some if edge.same}
        found = parts(some)
        assert math.fsum(part.share for asset, part in found.items() if asset not in same) <= 1 + 1e-5
        # Another name is the whole of it.
        assert all(Part(1.0, False) == found[asset] for asset in same)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 0.6, "b": 0.4}, {"a": (0.6, False), "b": (0.4, False)}),
        ({"a": 0.6, "b": None}, {"a": (0.6, False), "b": (0.4, True)}),
        ({"a": 0.6, "b": None, "c": None}, {"a": (0.6, False), "b": (0.2, True), "c": (0.2, True)}),
        ({"a": None, "b": None}, {"a": (0.5, True), "b": (0.5, True)}),
        ({"a": 1.0, "b": None}, {"a": (1.0, False), "b": (0.0, True)}),
        ({"a": 0.3}, {"a": (0.3, False)}),
        ({"a": 1.0, "b": 1.0}, {"a": (0.5, True), "b": (0.5, True)}),
        ({"a": 0.7, "b": 0.3000001}, {"a": (0.7, False), "b": (0.3000001, False)}),
    ],
)
def test_what_nobody_stated_is_assumed(given: dict[str, float | None], expected: dict[str, tuple[float, bool]]) -> None:
    found = parts([Edge("x", asset, 0, False, share) for asset, share in given.items()])
    assert expected.keys() == found.keys()
    for asset, (share, assumed) in expected.items():
        assert math.isclose(share, found[asset].share, abs_tol=1e-9)
        assert assumed == found[asset].assumed


def test_the_latest_share_of_an_input_counts_and_one_that_is_stated_beats_one_that_is_not() -> None:
    edges = [Edge("x", "a", 2, False, None), Edge("x", "a", 1, False, 0.4), Edge("x", "a", 0, False, 0.9)]
    assert {"a": Part(0.4, False)} == parts(edges)


def test_an_input_named_twice_in_one_statement_has_the_sum_of_its_shares() -> None:
    assert {"a": 0.5, "b": None, "c": 1.0, "d": 0.3} == stated(
        [("a", 0.25), ("b", None), ("a", 0.25), ("c", 0.8), ("c", 0.8), ("d", None), ("d", 0.3)]
    )


def test_an_asset_made_of_itself_alone_has_no_origin() -> None:
    assert {} == origins({"a": [Edge("a", "a", 0, False, 1.0)]}, "a", 0)


def test_what_had_another_name_has_the_shares_of_then_beside_those_of_now() -> None:
    old = [Edge("old", "clean", 1, False), Edge("old", "secret", 3, False)]
    new, both = (
        [Edge("new", "old", 2, False, None, True, 2)],
        [Edge("both", "new", 4, False), Edge("both", "old", 4, False)],
    )
    assert {"old": 1.0, "clean": 1.0} == {
        one: flow.share for one, flow in origins({"old": old, "new": new}, "new", 5).items()
    }
    assert {"new": 0.5, "old": 1.0, "clean": 0.75, "secret": 0.25} == {
        one: flow.share for one, flow in origins({"old": old, "new": new, "both": both}, "both", 5).items()
    }


def test_two_ways_from_one_source_add_up() -> None:
    edges = [
        Edge("x", "left", 0, False, 0.5),
        Edge("x", "right", 0, False, 0.5),
        Edge("left", "source", 0, False, 0.5),
        Edge("right", "source", 0, False, 1.0),
    ]
    found = origins({name: [e for e in edges if e.output == name] for name in ("x", "left", "right")}, "x", 0)
    assert Origin(0.75, False, False) == found["source"]


@pytest.mark.parametrize(("steps_max", "cut"), [(2, True), (3, False), (4, False)])
def test_a_ring_of_four_is_walked_in_three_steps(steps_max: int, cut: bool) -> None:
    ring = {one: [Edge(one, other, 0, False, 1.0)] for one, other in zip("abcd", "bcda", strict=True)}
    found = origins(ring, "a", 0, steps_max)
    assert {cut} == {flow.at_least for flow in found.values()}


def test_a_clique_that_nobody_can_walk_is_cut_off_and_what_lies_behind_it_too() -> None:
    names = [f"n{number:02}" for number in range(30)]
    clique = {one: [Edge(one, other, 0, False) for other in names if other != one] for one in names}
    clique["n29"].append(Edge("n29", "behind", 0, False, 0.5))
    found = origins(clique, "n00", 0, 10_000)
    assert found["behind"].at_least
    assert {*names[1:], "behind"} == found.keys()


@pytest.mark.slow
def test_a_chain_of_50_000_assets_is_walked_without_recursion() -> None:
    chain = {str(number): [Edge(str(number), str(number + 1), 0, False, 1.0)] for number in range(50_000)}
    assert Origin(1.0, False, False) == origins(chain, "0", 0)["50000"]
