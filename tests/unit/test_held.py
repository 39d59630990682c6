"""Lineage held in memory answers as the store does, whatever came since it was loaded."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.examples import Json, derived, event, retracted
from circulation.lineage import Edge
from streams.answers import lineage_cache as held
from streams.answers import trace
from streams.answers.lineage_cache import Held
from streams.answers.lineages import AsKnown, Stored, Way
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.db import Db
from streams.store.store import Store

NAMES = "abcdef"
EVER = 2**62


@st.composite
def graphs(draw: st.DrawFn) -> list[Edge]:
    name = st.sampled_from(NAMES)
    share = st.none() | st.sampled_from([0.0, 0.5, 1.0])
    edge = st.builds(Edge, name, name, st.integers(0, 3), st.booleans(), share, st.booleans(), st.none())
    return [one for one in draw(st.lists(edge, max_size=14)) if one.output != one.input]


def write(db: Db, edges: list[Edge], first: int = 0) -> None:
    rows = [(e.output, e.input, f"event:{n}", e.time, e.stops, e.share, e.same) for n, e in enumerate(edges, first)]
    db.many(schema.derivations, rows)


def same(db: Db, lineage: Held, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> None:
    expected = Stored(db).reached(asset, at, way, assets_max, derivations_max)
    found = lineage.reached(asset, at, way, assets_max, derivations_max)
    if not expected.cut and not found.cut:
        assert sorted(expected.assets) == sorted(found.assets)
        assert {one: sorted(some, key=repr) for one, some in expected.edges.items()} == {
            one: sorted(some, key=repr) for one, some in found.edges.items()
        }
    # Of several at one distance any may be left out, and so may the derivations of any.
    assert "assets_max" not in {*expected.cut} ^ {*found.cut}
    assert len(expected.assets) == len(found.assets)
    distances = lineage.distances(asset, at, way)
    assert sorted(distances[one] for one in expected.assets) == [distances[one] for one in found.assets]


@settings(max_examples=80)
@given(graphs(), st.sampled_from(NAMES), st.integers(-1, 3), st.sampled_from(["up", "down"]), st.integers(0, 6))
def test_what_is_held_answers_as_the_store_does(edges: list[Edge], asset: str, at: int, way: Way, limit: int) -> None:
    store = Store("sqlite://")
    with store.writing() as db:
        write(db, edges)
        same(db, Held(db), asset, at, way, 100, 1000)
        same(db, Held(db), asset, at, way, limit, 1000)
        same(db, Held(db), asset, at, way, 100, limit)


@st.composite
def histories(draw: st.DrawFn) -> list[Json]:
    """Derivations, some of which are taken back, and runs."""
    name = st.sampled_from(NAMES)
    events: list[Json] = []
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["derived", "retracted", "run", "run retracted"]))
        if kind == "retracted" and any(one.get("type") == "circulation.asset.derived" for one in events):
            mine = [one for one in events if one.get("type") == "circulation.asset.derived"]
            events.append(retracted(draw(st.sampled_from(mine)), "2025-03-01"))
        elif kind == "run":
            state = draw(st.sampled_from(["START", "COMPLETE"]))
            other = {"namespace": "d", "name": draw(name)}
            facets: Json = draw(
                st.sampled_from(
                    [
                        {},
                        {"symlinks": {"identifiers": [other]}},
                        {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": other}},
                    ]
                )
            )
            some = st.lists(name, min_size=1, max_size=3, unique=True)
            events.append(run(draw(st.sampled_from("xy")), state, draw(some), draw(some), number, facets))
        elif kind == "run retracted" and any("run" in one for one in events):
            one = draw(st.sampled_from([one for one in events if "run" in one]))
            id_ = f"{one['eventType']}@{one['eventTime']}"
            members = {"event": id_, "type": "openlineage.run", "reason": "in error"}
            events.append(event("event.retracted", one["run"]["runId"], "2025-03-01", source="urn:p", **members))
        else:
            events.append(derived(draw(name), f"2025-02-{number + 1:02}", draw(name)))
    return events


def run(run_: str, state: str, inputs: list[str], outputs: list[str], number: int, facets: Json) -> Json:
    return {
        "eventType": state,
        "eventTime": f"2025-01-01T00:00:{number:02}Z",
        "run": {"runId": run_},
        "job": {"namespace": "j", "name": "j"},
        "inputs": [{"namespace": "d", "name": one} for one in inputs],
        "outputs": [{"namespace": "d", "name": one, "facets": facets} for one in outputs],
        "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


@settings(max_examples=60)
@given(histories(), histories())
def test_what_came_since_is_patched_in(before: list[Json], after: list[Json]) -> None:
    store = Store("sqlite://")
    replay = Replay(offline(store, None), Admission())
    replay.run(map(orjson.dumps, before))
    with store.reading() as db:
        lineage = Held(db)
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, after))
    with store.reading() as db:
        lineage.refresh(db)
        fresh = Held(db)
        assert len(fresh) == len(lineage)
        for name in (*NAMES, *(f"d/{one}" for one in NAMES)):
            for way in ("up", "down"):
                same(db, lineage, name, EVER, way, 100, 1000)


@settings(max_examples=60)
@given(histories(), histories())
def test_what_was_known_then_is_what_the_store_said_then(before: list[Json], after: list[Json]) -> None:
    store = Store("sqlite://")
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, before))
    with store.reading() as db:
        (known_at,) = db.one("select max(taken) from events") or (None,)
        asked = [(name, way) for name in (*NAMES, *(f"d/{one}" for one in NAMES)) for way in ("up", "down")]
        expected = [Stored(db).reached(name, EVER, way, 100, 1000) for name, way in asked]
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, after))
    with store.reading() as db:
        found = [AsKnown(db, known_at or 0).reached(name, EVER, way, 100, 1000) for name, way in asked]
    for then, now in zip(expected, found, strict=True):
        assert sorted(then.assets) == sorted(now.assets)
        inputs = {(edge.input, output) for output, some in then.edges.items() for edge in some}
        known = {(edge.input, output) for output, some in now.edges.items() for edge in some}
        # Above the asset nothing that stands beside the way is asked for; below it, what each was made of is.
        assert {one for one in inputs if {*one} <= {*then.assets}} == {one for one in known if {*one} <= {*now.assets}}


def test_more_changes_than_are_patched_load_all_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "PATCHED_MAX", 1)
    with store.reading() as db:
        lineage = Held(db)
    Replay(offline(store, None), Admission()).run(
        orjson.dumps(derived(one, "2025-02-01", "source")) for one in ("x", "y", "z")
    )
    with store.reading() as db:
        assert 3 == lineage.refresh(db)
        assert ["source", "x", "y", "z"] == sorted(lineage.reached("source", EVER, "down", 9, 9).assets)


def test_pages_of_the_store_are_all_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "PAGE_ROWS", 2)
    edges = [Edge("x", one, 0, False) for one in "abc"] + [Edge("y", "x", 0, False), Edge("a", "z", 0, False)]
    with store.writing() as db:
        write(db, edges)
        assert 5 == len(Held(db))
        same(db, Held(db), "y", EVER, "up", 10, 10)


def test_a_trace_is_the_same_by_either(store: Store) -> None:
    events = [derived("p", "2025-02-01", "a", "b"), derived("q", "2025-02-02", "p"), derived("a", "2025-01-01", "s")]
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, events))
    with store.reading() as db:
        assert trace.look_through(db, "p", EVER // 2**12) == trace.look_through(
            db, "p", EVER // 2**12, lineage=Held(db)
        )
