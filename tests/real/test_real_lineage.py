"""OpenLineage events that dbt and Marquez wrote: what is derived from what, and what a negative list says of it."""

from pathlib import Path

import orjson
import pytest
from real_input import dataset, derivations, edges, files_of_runs, played, runs_apart, runs_of, wire

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.events.event import Event
from circulation.examples import Json, entry, listed, pack

# The events of the five files of dbt, by the README beside them; Marquez has three.
DBT_EVENTS, MARQUEZ_EVENTS = 126, 3
AFTER_ALL = "2026-07-01"
NOW = 2**60


@pytest.fixture(scope="module")
def apart(test_data: Path) -> list[Json]:
    """Every run event, each of a run of its own."""
    return [one for file in files_of_runs(test_data) for one in runs_apart(file)]


@pytest.fixture(scope="module")
def inputs_of(apart: list[Json]) -> dict[str, set[str]]:
    """Each dataset's inputs."""
    found: dict[str, set[str]] = {}
    for output, one, _ in edges(apart):
        found.setdefault(output, set()).add(one)
        found.setdefault(one, set())
    return found


def paths_up(inputs_of: dict[str, set[str]], asset: str) -> dict[str, tuple[str, ...]]:
    """Each ancestor's way to an asset: of the shortest the smallest sequence of ids."""
    ways: dict[str, tuple[str, ...]] = {asset: (asset,)}
    last = {asset}
    while last:
        longer: dict[str, tuple[str, ...]] = {}
        for below in last:
            for one in inputs_of.get(below, set()) - ways.keys():
                way = (one, *ways[below])
                longer[one] = min(longer.get(one, way), way)
        ways |= longer
        last = set(longer)
    return ways


def admitted(one: Json) -> Event:
    found = Admission().admit(orjson.dumps(one), topic="circulation.assets", key=b"any", headers=(), now=NOW)
    assert isinstance(found, Event), found
    return found


def test_every_event_of_every_file_is_admitted_as_what_it_says(test_data: Path) -> None:
    events = [one for file in files_of_runs(test_data) for one in runs_of(file)]
    for one in events:
        found = admitted(one)
        named = [list(map(dataset, one.get(side) or ())) for side in ("inputs", "outputs")]
        expected = (one["run"]["runId"], one.get("eventType"), set(named[0]), set(named[1]))
        assert expected == (found.subject, found.data.event_type, {*found.data.inputs}, {*found.data.outputs})

    assert DBT_EVENTS + MARQUEZ_EVENTS == len(events)


def test_an_event_without_its_schema_or_a_header_is_told_by_its_shape(test_data: Path) -> None:
    text = (test_data / "openlineage" / "marquez_event_without_schema_url.json").read_bytes()
    found = Admission().admit(text, topic=None, key=ANY, headers=(), now=NOW)

    assert isinstance(found, Event)
    assert "openlineage.run" == found.type


def test_column_lineage_is_kept_by_its_columns(apart: list[Json]) -> None:
    kept = 0
    for one in apart:
        facets = {dataset(each): each.get("facets", {}).get("columnLineage") for each in one.get("outputs") or ()}
        expected = {
            name: {
                column: [(dataset(source), source["field"]) for source in said["inputFields"]]
                for column, said in facet["fields"].items()
            }
            for name, facet in facets.items()
            if facet is not None
        }
        found = admitted(one).data.columns
        assert expected == {
            name: {column: [(each.input, each.field) for each in some] for column, some in columns.items()}
            for name, columns in found.items()
        }
        kept += len(expected)

    assert kept > 0


def test_each_file_derives_what_a_search_over_its_json_finds(test_data: Path) -> None:
    for file in files_of_runs(test_data):
        for events in (runs_of(file), runs_apart(file)):
            found = played(wire(events))
            assert (len(events), 0) == (found.tally.admitted, found.tally.rejected)
            assert edges(events) == derivations(found.store), file.name


def test_all_files_together_derive_the_same_in_any_order(test_data: Path, apart: list[Json]) -> None:
    events = [one for file in files_of_runs(test_data) for one in runs_of(file)]
    expected = edges(apart)

    assert edges(events) == derivations(played(wire(events)).store)
    assert expected == derivations(played(wire(apart)).store)
    assert expected == derivations(played(wire(reversed(apart))).store)
    assert len(expected) > 10


def test_a_run_that_failed_derives_nothing(test_data: Path) -> None:
    events = runs_apart(test_data / "openlineage" / "postgres_run_results_failed_run_ol_events.json")
    failed = [one for one in events if one["eventType"] == "FAIL"]
    touched = {dataset(one) for event in failed for one in event["outputs"]}

    assert touched
    assert not touched & {output for output, _, _ in derivations(played(wire(events)).store)}


def test_what_is_listed_is_found_out_by_every_dataset_it_comes_from(apart: list[Json], inputs_of) -> None:
    names = {f"entry-{place}": one for place, one in enumerate(sorted(inputs_of))}
    entries = [entry(id_, match={"assets": [one]}) for id_, one in names.items()]
    listings = [listed(one, AFTER_ALL, product="table", id=one) for one in sorted(inputs_of)]
    found = played(wire([*apart, *listings]), pack=pack(*entries))

    # A dataset that nobody registered is still the one that an entry names; no other fact is asked for.
    expected = {
        (below, id_, names[id_], way)
        for below in inputs_of
        for one, way in paths_up(inputs_of, below).items()
        for id_ in names
        if names[id_] == one
    }
    said = [one for one in found.standing() if one["detector"] == "negative-list"]
    seen = {
        (one["about"]["id"], one["evidence"]["entry"], one["evidence"]["origin"], tuple(one["evidence"]["path"]))
        for one in said
    }
    assert expected == seen
    assert len(expected) == len(said)
    assert {"red"} == {one["severity"] for one in said}
    assert max(len(way) for *_, way in expected) > 2
    assert all(one["cause"]["id"] == one["about"]["id"] for one in said)


def test_of_several_upstream_datasets_the_nearest_is_the_origin(apart: list[Json], inputs_of) -> None:
    sources = sorted(one for one, inputs in inputs_of.items() if not inputs)
    below = sorted(inputs_of.keys() - set(sources))
    listings = [listed(one, AFTER_ALL, product="table") for one in below]
    found = played(wire([*apart, *listings]), pack=pack(entry("sources", match={"assets": sources})))

    expected = {}
    for one in below:
        ways = paths_up(inputs_of, one)
        expected[one] = list(
            min((ways[source] for source in sources if source in ways), key=lambda way: (len(way), way))
        )
    said = [one for one in found.standing() if one["detector"] == "negative-list"]
    assert expected == {one["about"]["id"]: one["evidence"]["path"] for one in said}
    assert {way[0] for way in expected.values()} == {one["evidence"]["origin"] for one in said}


def test_what_was_listed_before_the_run_completed_was_not_derived_yet(apart: list[Json]) -> None:
    (output, upstream, _), *_ = sorted(edges(apart))
    early = listed(output, "2020-12-01", product="table")

    found = played(wire([*apart, early]), pack=pack(entry("source", match={"assets": [upstream]})))
    assert [] == [one for one in found.standing() if one["detector"] == "negative-list"]
