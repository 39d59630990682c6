"""Looking through an asset: held against a search written apart, and a story told in events."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import format_instant, parse_instant
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    event,
    exported,
    party,
    retracted,
    signed,
    terminated,
)
from circulation.lineage import Edge
from circulation.shares import parts
from streams.answers import trace
from streams.answers.trace import Limits, Trace
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.store import Store

NAMES = "abcdef"
LATER = parse_instant("2026-01-01")


def derived(
    output: str, time: str, /, *, process: str = "join", more: Json | None = None, **inputs: float | None
) -> Json:
    """A derivation with the shares of its inputs."""
    named: list[Json] = [{"asset": one} | ({} if share is None else {"share": share}) for one, share in inputs.items()]
    return event("asset.derived", output, time, inputs=named, process=process, **(more or {}))


def filled(store: Store, events: Iterable[Json]) -> Store:
    tally = Replay(offline(store, None), Admission()).run(orjson.dumps(one) for one in events)
    assert 0 == tally.rejected
    return store


def looked(store: Store, asset_: str, at: int = LATER, **options: Any) -> Trace:
    with store.reading() as db:
        return trace.look_through(db, asset_, at, **options)


def drawn(edges: list[Edge]) -> Store:
    """A store that holds nothing but these derivations."""
    store = Store("sqlite://")
    with store.writing() as db:
        rows = [
            (e.output, e.input, f"event:{number}", e.time, e.stops, e.share, e.same) for number, e in enumerate(edges)
        ]
        db.many(schema.derivations, rows)
    return store


@st.composite
def graphs(draw: st.DrawFn) -> list[Edge]:
    name = st.sampled_from(NAMES)
    share = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])
    edges = draw(
        st.lists(st.builds(Edge, name, name, st.integers(0, 3), st.booleans(), share, then=st.none()), max_size=14)
    )
    return [edge for edge in edges if edge.output != edge.input]


def paths(edges: list[Edge], start: str, *, up: bool) -> list[list[str]]:
    """Every path without a repeated asset that begins at `start`."""
    steps = {(edge.output, edge.input) if up else (edge.input, edge.output) for edge in edges}
    found, todo = [], [[start]]
    while todo:
        path = todo.pop()
        found.append(path)
        todo += [[*path, to] for of, to in steps if of == path[-1] and to not in path]
    return found


def distances(edges: list[Edge], start: str, *, up: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths(edges, start, up=up):
        found[path[-1]] = min(len(path) - 1, found.get(path[-1], len(path)))
    return {one: distance for one, distance in found.items() if one != start}


@settings(max_examples=80)
@given(graphs(), st.sampled_from(NAMES), st.integers(-1, 3))
def test_what_is_reached_is_what_a_search_finds(edges: list[Edge], start: str, at: int) -> None:
    seen = looked(drawn(edges), start, at)
    made = [edge for edge in edges if edge.time <= at]
    going_on = [edge for edge in made if not edge.stops]
    for up, found in ((True, seen.ancestors), (False, seen.descendants)):
        assert found is not None
        assert distances(made, start, up=up) == {one.asset: one.distance for one in found}
        assert sorted(found, key=lambda one: (one.distance, one.asset)) == found
        assert distances(going_on, start, up=up).keys() == {one.asset for one in found if not one.stopped}
    assert not seen.cut_off


@settings(max_examples=80)
@given(graphs(), st.sampled_from(NAMES))
def test_shares_multiply_along_paths_and_add_up_over_them(edges: list[Edge], start: str) -> None:
    part = {name: parts(edge for edge in edges if edge.output == name) for name in NAMES}
    expected: dict[str, float] = {}
    for path in paths(edges, start, up=True)[1:]:
        share = 1.0
        for output, source in pairwise(path):
            share *= part[output][source].share
        # Another name is the whole of it, beside what it was made of: no sum is more than the whole.
        expected[path[-1]] = min(1.0, expected.get(path[-1], 0.0) + share)
    seen = looked(drawn(edges), start)
    assert expected == pytest.approx({one.asset: one.share for one in seen.ancestors or ()}, abs=2e-6)


@settings(max_examples=60)
@given(graphs(), st.sampled_from(NAMES), st.integers(0, 6))
def test_a_limit_keeps_the_nearest_and_says_that_it_cut_off(edges: list[Edge], start: str, count_max: int) -> None:
    store = drawn(edges)
    whole, cut = looked(store, start), looked(store, start, limits=Limits(assets_max=count_max))
    for way, full, kept in (
        ("ancestors", whole.ancestors, cut.ancestors),
        ("descendants", whole.descendants, cut.descendants),
    ):
        assert full is not None
        assert kept is not None
        assert min(len(full), count_max) == len(kept)
        farthest = max((one.distance for one in kept), default=0)
        assert {one.asset for one in full if one.distance < farthest} <= {one.asset for one in kept}
        assert (len(full) > count_max) == (way in {one.of for one in cut.cut_off})
    shares = {one.asset: one.share for one in whole.ancestors or ()}
    assert all(one.share == shares[one.asset] or one.at_least for one in cut.ancestors or ())
    assert all((one.share or 0) <= (shares[one.asset] or 0) + 2e-6 for one in cut.ancestors or ())


def test_a_limit_of_derivations_cuts_whole_outputs_off() -> None:
    edges = [Edge("x", one, 0, False) for one in "ab"] + [Edge("a", one, 0, False) for one in "cd"]
    seen = looked(drawn(edges), "x", limits=Limits(derivations_max=3))
    assert ["derivations_max"] == [one.name for one in seen.cut_off if one.of == "ancestors"]
    assert all(one.at_least for one in seen.ancestors or ())


STORY = [
    party("uscc:group", name="The group"),
    party(OWNER, name="Owner", controller="uscc:group"),
    party(SELLER, name="Seller", controller=OWNER),
    party(BUYER, name="Buyer"),
    asset("raw", owner=OWNER, title="Raw data", personal="sensitive", level="important"),
    asset("joined", owner=SELLER, title="Joined"),
    asset("product", owner=SELLER, title="Product"),
    derived("joined", "2025-01-10", raw=0.75, unknown=None),
    derived("product", "2025-01-20", joined=0.5, raw=0.5),
    derived("model", "2025-02-10", process="model", product=None, more={"irreversible": True, "evidence": "doc-1"}),
    signed("in-force", "2025-02-01", asset="product", seller=SELLER, buyer=BUYER),
    signed("ended", "2025-02-01", asset="product", seller=SELLER, buyer=THIRD),
    terminated("ended", "2025-02-20"),
    delivered("in-force", "2025-02-05", recipient=BUYER, country="SG", delivery="d-1"),
    delivered("in-force", "2025-02-04", recipient=BUYER, country="SG", delivery="d-1", reporter="consumer"),
    exported(SELLER, "2025-03-01", recipient=ABROAD, country="DE", asset="joined"),
    exported(SELLER, "2025-03-02", recipient=ABROAD, country="DE", contract="ended", export="e-2"),
    event("asset.withdrawn", "raw", "2025-03-05", reason="the source asked for it"),
]


def test_a_product_is_looked_through_to_its_sources_and_onward(store: Store) -> None:
    seen = looked(filled(store, STORY), "product")
    assert seen.ancestors is not None
    assert seen.descendants is not None
    assert [("joined", 1, 0.5, False), ("raw", 1, 0.875, False), ("unknown", 2, 0.125, True)] == [
        (one.asset, one.distance, one.share, one.assumed) for one in seen.ancestors
    ]
    joined, raw, unknown = seen.ancestors
    assert (True, "important", "sensitive", OWNER) == (raw.registered, raw.level, raw.personal, raw.owner)
    assert "2025-03-05T00:00:00+08:00" == raw.withdrawn
    assert (False, None, None) == (unknown.registered, unknown.title, unknown.owner)
    assert (None, "unstated", "unregistered") == (joined.end, raw.end, unknown.end)
    assert [("model", True)] == [(one.asset, one.stopped) for one in seen.descendants]
    assert [
        ("joined", "raw", 0.75, False, False),
        ("joined", "unknown", 0.25, True, False),
        ("model", "product", 1.0, True, True),
        ("product", "joined", 0.5, False, False),
        ("product", "raw", 0.5, False, False),
    ] == [(one.output, one.input, one.share, one.assumed, one.stops) for one in seen.derivations]


def test_holders_are_owners_and_buyers_of_contracts_in_force_with_those_who_control_them(store: Store) -> None:
    filled(store, STORY)
    seen = looked(store, "product")
    assert [
        (OWNER, "Owner", "owner", ["raw"], [], ["uscc:group"]),
        (SELLER, "Seller", "owner", ["joined", "product"], [], [OWNER, "uscc:group"]),
        (BUYER, "Buyer", "buyer", ["product"], ["in-force"], []),
    ] == sorted(
        ((one.party, one.name, one.holds, one.assets, one.contracts, one.controllers) for one in seen.holders),
        key=lambda one: [OWNER, SELLER, BUYER].index(one[0]),
    )


@pytest.mark.parametrize(
    ("time", "buyers"),
    [
        ("2025-01-31T23:59:59.999999+08:00", []),
        ("2025-02-01", ["ended", "in-force"]),
        ("2025-02-19T23:59:59+08:00", ["ended", "in-force"]),
        ("2025-02-20", ["in-force"]),
    ],
)
def test_a_contract_holds_from_its_signature_to_its_end(time: str, buyers: list[str]) -> None:
    seen = looked(filled(Store("sqlite://"), STORY), "product", parse_instant(time))
    assert buyers == sorted(name for one in seen.holders for name in one.contracts)


def test_countries_are_those_of_exports_and_deliveries_each_act_once(store: Store) -> None:
    seen = looked(filled(store, STORY), "product")
    assert [
        ("DE", 2, 0, "2025-03-01T00:00:00+08:00", "2025-03-02T00:00:00+08:00", ["joined", "product"]),
        ("SG", 0, 1, "2025-02-05T00:00:00+08:00", "2025-02-05T00:00:00+08:00", ["product"]),
    ] == [(one.country, one.exports, one.deliveries, one.first, one.last, one.assets) for one in seen.countries]


@pytest.mark.parametrize(
    ("time", "up", "down", "countries"),
    [
        ("2025-01-19T23:59:59.999999+08:00", 0, 0, []),
        ("2025-01-20T00:00:00+08:00", 3, 0, []),
        ("2025-02-10T00:00:00+08:00", 3, 1, ["SG"]),
    ],
)
def test_everything_is_as_of_the_instant(time: str, up: int, down: int, countries: list[str]) -> None:
    seen = looked(filled(Store("sqlite://"), STORY), "product", parse_instant(time))
    assert (up, down) == (len(seen.ancestors or ()), len(seen.descendants or ()))
    assert countries == [one.country for one in seen.countries]
    assert format_instant(parse_instant(time)) == seen.as_of


def test_what_was_taken_back_was_never_there() -> None:
    wrong = derived("product", "2025-01-21", other=1.0)
    sold = signed("wrong", "2025-02-01", asset="product", seller=SELLER, buyer=THIRD)
    back = [retracted(one, "2025-04-01") for one in (wrong, sold)]
    store = filled(Store("sqlite://"), [*STORY, wrong, sold, *back])
    assert looked(filled(Store("sqlite://"), STORY), "product") == looked(store, "product")


def test_only_one_way_is_looked_where_only_one_is_asked_for() -> None:
    store = filled(Store("sqlite://"), STORY)
    assert None is looked(store, "product", down=False).descendants
    assert None is looked(store, "product", up=False).ancestors
    assert ["product"] == sorted({one for each in looked(store, "product", up=False).holders for one in each.assets})


def test_limits_of_contracts_and_acts_are_said() -> None:
    store = filled(Store("sqlite://"), STORY)
    limits = Limits(contracts_max=1, acts_max=1)
    assert [("contracts_max", "holders"), ("acts_max", "countries")] == [
        (one.name, one.of) for one in looked(store, "product", limits=limits).cut_off
    ]
    limits = Limits(contracts_max=2, acts_max=4)
    assert [] == looked(store, "product", limits=limits).cut_off


def test_what_is_written_is_what_the_schema_describes() -> None:
    seen = looked(filled(Store("sqlite://"), STORY), "product")
    written = orjson.loads(orjson.dumps(msgspec.to_builtins(seen)))
    assert seen == msgspec.convert(written, Trace)
    described = trace.schema()["$defs"]["Trace"]["properties"]
    assert written.keys() <= described.keys()


@pytest.mark.parametrize(("name", "known"), [("product", True), ("unknown", True), ("model", True), ("produkt", False)])
def test_an_asset_is_known_if_anything_names_it(name: str, known: bool) -> None:
    with filled(Store("sqlite://"), STORY).reading() as db:
        assert known == trace.is_known(db, name)
        assert ["product"] == trace.known_assets(db, "prod%", 10)
