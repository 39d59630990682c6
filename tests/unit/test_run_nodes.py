"""A run of many inputs and outputs is a node between them: less to keep, and the same answers."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.examples import Json, asset, derived, entry, event, listed, pack
from circulation.lineage import Edge, ancestry, is_run, run_node, steps
from circulation.packs.reading import parse_pack
from streams.answers import impact, trace
from streams.answers.lineage_cache import Held
from streams.answers.lineages import Stored
from streams.facts import loading
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.db import Db
from streams.store.store import Store

NAMES = "abcdef"
EVER = 2**62


class Through(NamedTuple):
    """A run as its node has it."""

    run: str
    source: str
    time: int
    inputs: frozenset[str]
    outputs: frozenset[str]

    def halves(self) -> Iterable[Edge]:
        node = run_node(self.run, self.source)
        yield from (Edge(one, node, self.time, False) for one in self.outputs)
        yield from (Edge(node, one, self.time, False) for one in self.inputs)

    def whole(self) -> Iterable[Edge]:
        pairs = ((output, input_) for output in self.outputs for input_ in self.inputs)
        yield from (Edge(output, input_, self.time, False) for output, input_ in pairs if output != input_)


# Of a single input or output no node is made.
names = st.frozensets(st.sampled_from(NAMES), min_size=2, max_size=4)
throughs = st.builds(Through, st.sampled_from("xyz"), st.just("s"), st.integers(0, 3), names, names)
edges_ = st.builds(
    Edge, st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 3), st.booleans(), then=st.none()
)
graphs = st.tuples(
    st.lists(edges_.filter(lambda one: one.output != one.input), max_size=6),
    st.lists(throughs, max_size=3, unique_by=lambda one: one.run),
)


def by_output(edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.output, []).append(edge)
    return found


@settings(max_examples=300, deadline=None)
@given(graphs, st.sampled_from(NAMES), st.integers(-1, 3), st.booleans())
def test_through_a_run_it_is_one_step(
    graph: tuple[list[Edge], list[Through]], asset_: str, at: int, through_stops: bool
) -> None:
    direct, runs = graph
    compact = by_output([*direct, *(half for one in runs for half in one.halves())])
    whole = by_output([*direct, *(edge for one in runs for edge in one.whole())])
    expected, found = (ancestry(edges, asset_, at, through_stops) for edges in (whole, compact))
    assert (expected.distances, expected.onward) == (found.distances, found.onward)
    assert sorted(whole.get(asset_, ()), key=repr) == sorted(steps(compact, asset_), key=repr)


def drawn(edges: Iterable[Edge]) -> Store:
    store = Store("sqlite://")
    with store.writing() as db:
        rows = [(e.output, e.input, f"run:{n}", e.time, e.stops, e.share, e.same) for n, e in enumerate(edges)]
        db.many(schema.derivations, rows)
    return store


def seen(db: Db, asset_: str, at: int, limit: int) -> list[Any]:
    """All that people are told of an asset, from the store, from memory, and downwards as an impact."""
    shown = [trace.look_through(db, asset_, at), trace.look_through(db, asset_, at, lineage=Held(db))]
    limits = trace.Limits(assets_max=limit)
    # Of several at one distance any may be left out.
    held = Held(db)
    far = [
        [held.distances(asset_, at, way)[one] for one in Stored(db).reached(asset_, at, way, limit, 1000).assets]
        for way in ("up", "down")
    ]
    cut = trace.look_through(db, asset_, at, limits=limits).cut_off
    below = impact.of_asset(db, asset_, at, impact.Regrade(level="core"))
    query = f"select output, input, time, stops from {schema.STEPS} d order by 1, 2, 3, 4"
    views = [
        db.rows("select distinct source, target, detail__since from lineage_edges order by 1, 2"),
        db.rows("select id from lineage_nodes order by 1"),
        loading.below(db, [asset_]),
        trace.known_assets(db, "%", 100) == [] or sorted(trace.known_assets(db, "%", 100)),
    ]
    return [*shown, far, cut, below, set(db.rows(query)), *views]


@settings(max_examples=60, deadline=None)
@given(graphs, st.sampled_from(NAMES), st.integers(-1, 3), st.integers(0, 5))
def test_people_see_the_steps_and_no_run(
    graph: tuple[list[Edge], list[Through]], asset_: str, at: int, limit: int
) -> None:
    direct, runs = graph
    compact = drawn([*direct, *(half for one in runs for half in one.halves())])
    whole = drawn([*direct, *(edge for one in runs for edge in one.whole())])
    with compact.reading() as one, whole.reading() as other:
        assert seen(other, asset_, at, limit) == seen(one, asset_, at, limit)


def run(name: str, inputs: Iterable[str], outputs: Iterable[str], time: str = "2025-01-10", **more: Any) -> Json:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"{time}T00:00:00Z",
        "run": {"runId": name},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [{"namespace": "d", "name": one} for one in inputs],
        "outputs": [{"namespace": "d", "name": one, **more} for one in outputs],
        "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def replayed(store: Store, events: Iterable[Json]) -> None:
    rules = pack(entry("genomes", sticky=True, match={"category": ["genome"]}), entry("b", match={"assets": ["d/b"]}))
    engine = offline(store, parse_pack(rules, published=False))
    tally = Replay(engine, Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected


def standing(store: Store) -> list[Any]:
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Json], list[Json]]:
    """Events with runs of several inputs and outputs, and the same with a run for each output."""
    name = st.sampled_from([f"d/{one}" for one in NAMES])
    runs: list[tuple[Json, list[Json]]] = []
    for number in range(draw(st.integers(1, 3))):
        inputs, outputs = sorted(draw(names)), sorted(draw(names))
        time = f"2025-01-{draw(st.integers(10, 12))}"
        apart = [run(f"{number}-{one}", inputs, [one], time) for one in outputs]
        runs.append((run(str(number), inputs, outputs, time), apart))
    level, category = st.sampled_from(["general", "important"]), st.sampled_from(["genome", "sales"])
    stated = [
        *draw(st.lists(st.builds(lambda a, g, c: asset(a, level=g, category=c), name, level, category), max_size=4)),
        *draw(st.lists(st.builds(lambda a, b: derived(a, "2025-01-11", b), name, name), max_size=2)),
        *draw(st.lists(st.builds(lambda a, d: listed(a, f"2025-01-{d:02}"), name, st.integers(9, 13)), max_size=3)),
    ]
    whole, apart = [], []
    for place in draw(st.permutations([*range(len(stated)), *range(-len(runs), 0)])):
        if place >= 0:
            whole.append(stated[place])
            apart.append(stated[place])
        else:
            whole.append(runs[place][0])
            apart += runs[place][1]
    return whole, apart


@settings(max_examples=60, deadline=None)
@given(stories())
def test_a_run_finds_what_a_run_for_each_of_its_outputs_finds(story: tuple[list[Json], list[Json]]) -> None:
    whole, apart = Store("sqlite://"), Store("sqlite://")
    replayed(whole, story[0])
    replayed(apart, story[1])
    assert standing(apart) == standing(whole)


def counted(store: Store) -> int:
    with store.reading() as db:
        (count,) = db.one("select count(*) from derivations") or (0,)
        return int(count)


def test_a_run_of_a_thousand_inputs_and_outputs_is_two_thousand_edges(store: Store) -> None:
    inputs, outputs = [f"in-{n}" for n in range(1000)], [f"out-{n}" for n in range(1000)]
    replayed(store, [asset("d/in-7", category="genome"), run("r", inputs, outputs), listed("d/out-3", "2025-01-11")])
    assert 2000 == counted(store)
    (hit,) = [one for one in standing(store) if one["detector"] == "negative-list"]
    assert ["d/in-7", "d/out-3"] == hit["evidence"]["path"]
    with store.reading() as db:
        assert (1_000_000,) == db.one(f"select count(*) from {schema.STEPS} d")


@pytest.mark.parametrize(("inputs", "outputs", "through"), [(1, 9, False), (9, 1, False), (2, 2, False), (2, 3, True)])
def test_a_run_is_a_node_only_where_that_is_less(inputs: int, outputs: int, through: bool) -> None:
    store = Store("sqlite://")
    replayed(store, [run("r", [f"i{n}" for n in range(inputs)], [f"o{n}" for n in range(outputs)])])
    with store.reading() as db:
        assert through == any(is_run(row[0]) for row in db.rows("select input from derivations"))
    assert min(inputs * outputs, inputs + outputs) == counted(store)


def _older(db: Db) -> None:
    """Writes the rows as they were before runs had nodes."""
    rows = db.rows(f"select output, input, origin, time, stops, share, same from {schema.STEPS} d")
    db.run("delete from derivations")
    db.many(schema.derivations, rows)


def test_edges_of_before_are_read_and_are_replaced_when_the_run_goes_on(store: Store) -> None:
    events = [asset("d/i1", category="genome"), run("r", ["i1", "i2", "i3"], ["o1", "o2", "o3"])]
    replayed(store, events)
    with store.writing() as db:
        _older(db)
    assert 9 == counted(store)
    replayed(store, [listed("d/o2", "2025-01-11")])
    (hit,) = [one for one in standing(store) if one["detector"] == "negative-list"]
    assert ["d/i1", "d/o2"] == hit["evidence"]["path"]
    replayed(store, [run("r", ["i4"], ["o4"], "2025-01-09")])
    assert 8 == counted(store)
    with store.reading() as db:
        since = dict(db.rows(f"select time, count(*) from {schema.STEPS} d group by time"))
    # What the earlier event names of both is derived from then on; the rest from the later one on.
    assert [1, 15] == [since[time] for time in sorted(since)]
    assert [hit] == [one for one in standing(store) if one["detector"] == "negative-list"]


def origins(store: Store) -> list[str]:
    """Where each match of the negative list begins."""
    found = [one["evidence"] for one in standing(store) if one["detector"] == "negative-list"]
    return [one["path"][0] for one in found if one.get("path")]


def test_a_run_that_is_taken_back_derives_nothing_through_its_node() -> None:
    store = Store("sqlite://")
    one = run("r", ["i1", "i2"], ["o1", "o2", "o3"])
    replayed(store, [asset("d/i1", category="genome"), one, listed("d/o2", "2025-01-11")])
    assert ["d/i1"] == origins(store)
    with store.reading() as db:
        ((source, id_),) = db.rows("select source, event from events where type = 'openlineage.run'")
    members = {"event": id_, "type": "openlineage.run", "reason": "in error"}
    replayed(store, [event("event.retracted", "r", "2025-01-12", source=source, **members)])
    assert 0 == counted(store)
    assert [] == origins(store)


def test_another_name_and_a_derivation_of_one_run_are_one_step(store: Store) -> None:
    alias = {"symlinks": {"identifiers": [{"namespace": "d", "name": "i1", "type": "TABLE"}]}}
    replayed(store, [run("r", ["i1", "i2", "i3"], ["o1", "o2", "o3"], facets=alias)])
    with store.reading() as db:
        assert [("another name",)] == db.rows(
            "select secondarystat from lineage_edges where source = 'd/i1' and target = 'd/o1'"
        )
        shown = trace.look_through(db, "d/o1", EVER, down=False)
        (same,) = [one for one in shown.derivations if (one.input, one.output) == ("d/i1", "d/o1")]
        assert same.same
