"""Looking through derivations: distances, origins and paths, held against a brute force."""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.lineage import Ancestry, Edge, ancestry, descent, nearest, shortest_path, stops

NAMES = "abcdef"


def edges_of(*pairs: str) -> list[Edge]:
    """`"b<a"` says that b was derived from a."""
    return [Edge(*pair.split("<"), time=0, stops=False) for pair in pairs]


@st.composite
def graphs(draw: st.DrawFn) -> list[Edge]:
    name = st.sampled_from(NAMES)
    return draw(st.lists(st.builds(Edge, name, name, st.integers(0, 3), st.booleans(), then=st.none()), max_size=20))


@st.composite
def renaming(draw: st.DrawFn) -> list[Edge]:
    """Derivations of which some are new names of what something was at the instant, or before it."""
    name, time = st.sampled_from(NAMES), st.integers(0, 3)
    then = st.one_of(st.none(), time)
    edge = st.builds(Edge, name, name, time, st.booleans(), then=then)
    return draw(st.lists(edge, max_size=9))


def all_paths(edges: list[Edge], asset: str, at: int, through_stops: bool) -> dict[str, list[list[str]]]:
    """Every path without a repeated asset from any ancestor to the asset, by origin."""
    allowed = {(e.output, e.input) for e in edges if e.time <= at and (through_stops or not e.stops)}
    found: dict[str, list[list[str]]] = {asset: [[asset]]}
    todo = [[asset]]
    while todo:
        path = todo.pop()
        for output, source in allowed:
            if output == path[0] and source not in path:
                found.setdefault(source, []).append([source, *path])
                todo.append([source, *path])
    return found


@settings(max_examples=300, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.integers(-1, 3), st.booleans())
def test_distances_and_paths_are_those_of_a_brute_force(
    edges: list[Edge], asset: str, at: int, through_stops: bool
) -> None:
    expected = all_paths(edges, asset, at, through_stops)
    reached = ancestry(edges, asset, at, through_stops)
    assert dict(reached.distances) == {origin: min(map(len, paths)) - 1 for origin, paths in expected.items()}
    for origin, paths in expected.items():
        shortest = min(map(len, paths))
        assert shortest_path(reached, origin) == min(path for path in paths if len(path) == shortest)


def ways(
    edges: list[Edge], asset: str, at: int, through_stops: bool, *, up: bool
) -> dict[str, list[tuple[list[str], int]]]:
    """Every way from an asset that is at no place twice within one bound: up, what came in by then; down, from when on
    it is there. By where it leads, with the bound there.
    """
    allowed = [e for e in edges if e.time <= at and (through_stops or not e.stops)]
    found: dict[str, list[tuple[list[str], int]]] = {}
    todo = [([(asset, at if up else -1)])]
    while todo:
        way = todo.pop()
        place, bound = way[-1]
        found.setdefault(place, []).append(([one for one, _ in reversed(way)], bound))
        for edge in allowed:
            if up and edge.output == place and edge.time <= bound:
                ahead = (edge.input, at if edge.then is None else min(at, edge.then))
            elif not up and edge.input == place and (edge.then is None or bound <= edge.then):
                ahead = (edge.output, edge.time)
            else:
                continue
            if ahead not in way:
                todo.append([*way, ahead])
    return found


@settings(max_examples=300, deadline=None)
@given(renaming(), st.sampled_from(NAMES), st.integers(-1, 3), st.booleans())
def test_what_had_another_name_counts_as_it_was_then_by_every_way_up_and_down(
    edges: list[Edge], asset: str, at: int, through_stops: bool
) -> None:
    turned: dict[str, list[Edge]] = {}
    for edge in edges:
        turned.setdefault(edge.input, []).append(edge._replace(output=edge.input, input=edge.output))
    for up, reached in (
        (True, ancestry(edges, asset, at, through_stops)),
        (False, descent(turned, asset, at, through_stops)),
    ):
        expected = ways(edges, asset, at, through_stops, up=up)
        assert {one: min(len(way) for way, _ in some) - 1 for one, some in expected.items()} == dict(reached.distances)
        for one, some in expected.items():
            assert shortest_path(reached, one) in [way for way, _ in some if len(way) - 1 == reached.distances[one]]
        if up:
            bounds = {one: max(bound for _, bound in some) for one, some in expected.items()}
            assert {one: bound for one, bound in bounds.items() if bound < at} == dict(reached.then)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.frozensets(st.sampled_from(NAMES + "xyz")))
def test_the_origin_is_the_nearest_match_and_of_equal_ones_the_smallest(
    edges: list[Edge], asset: str, matching: frozenset[str]
) -> None:
    reached = ancestry(edges, asset, 3, True)
    expected = min(((reached.distances[m], m) for m in matching if m in reached.distances), default=(0, None))[1]
    assert nearest(reached, matching) == expected
    assert nearest(reached, matching.__contains__) == expected


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_order_of_the_derivations_does_not_matter(edges: list[Edge], asset: str, random: object) -> None:
    shuffled = list(edges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = ancestry(edges, asset, 3, True), ancestry(shuffled, asset, 3, True)
    assert dict(one.distances) == dict(other.distances)
    assert dict(one.onward) == dict(other.onward)


@settings(max_examples=100, deadline=None)
@given(graphs(), st.sampled_from(NAMES), st.integers(-1, 3), st.booleans())
def test_edges_by_output_say_the_same_as_a_list(edges: list[Edge], asset: str, at: int, through_stops: bool) -> None:
    by_output = {name: [edge for edge in edges if edge.output == name] for name in NAMES}
    assert ancestry(by_output, asset, at, through_stops) == ancestry(edges, asset, at, through_stops)


def test_an_asset_is_at_distance_0_of_itself() -> None:
    assert ancestry([], "a", 0, True) == Ancestry("a", {"a": 0}, {})
    assert shortest_path(ancestry([], "a", 0, True), "a") == ["a"]
    assert nearest(ancestry([], "a", 0, True), {"a"}) == "a"
    assert list(ancestry(edges_of("a<b", "b<a"), "a", 0, True).ancestors()) == ["b"]


def test_a_cycle_is_harmless() -> None:
    reached = ancestry(edges_of("a<b", "b<c", "c<a", "c<c"), "a", 0, True)
    assert dict(reached.distances) == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize(("at", "expected"), [(9, set()), (10, {"a"}), (11, {"a"})])
def test_a_derivation_counts_from_its_time_on(at: int, expected: set[str]) -> None:
    assert set(ancestry([Edge("b", "a", 10, False)], "b", at, True).ancestors()) == expected


def test_a_second_derivation_that_does_not_stop_goes_round_one_that_does() -> None:
    edges = [Edge("c", "a", 0, True), Edge("c", "b", 0, False), Edge("b", "a", 0, False)]
    assert ancestry(edges, "c", 0, False).distances["a"] == 2
    assert ancestry(edges, "c", 0, True).distances["a"] == 1


def test_only_an_irreversible_process_with_evidence_stops() -> None:
    processes = ("copy", "join", "aggregate", "model", "deidentify", "anonymise", "other")
    stopping = {case for case in product(processes, (True, False, None), ("doc", "", None)) if stops(*case)}
    assert stopping == {(process, True, "doc") for process in ("aggregate", "model", "anonymise")}


@pytest.mark.slow
def test_a_chain_of_100_000_assets_is_walked_without_recursion() -> None:
    names = [f"{number:06}" for number in range(100_000)]
    edges = [Edge(output, source, 0, False) for output, source in pairwise(names)]
    reached = ancestry(edges, names[0], 0, False)
    assert shortest_path(reached, names[-1]) == names[::-1]
    assert nearest(reached, {names[-1], names[-2]}) == names[-2]
    assert nearest(reached, lambda one: one == names[-1]) == names[-1]


def test_an_origin_that_is_no_ancestor_has_no_path() -> None:
    with pytest.raises(KeyError):
        shortest_path(ancestry([], "a", 0, True), "b")
