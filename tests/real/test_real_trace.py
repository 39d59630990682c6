"""Looking through real lineage: each dataset of the OpenLineage files, held against a search over the same edges."""

from pathlib import Path

from real_input import dataset, derivations, files_of_runs, played, runs_apart, wire

from streams.answers import trace

EVER = 2**62


def reached(edges: set[tuple[str, str]], start: str) -> set[str]:
    found, todo = {start}, [start]
    while todo:
        here = todo.pop()
        ahead = {there for one, there in edges if one == here} - found
        found |= ahead
        todo += ahead
    return found - {start}


def test_each_dataset_is_looked_through_to_all_that_a_search_reaches(test_data: Path) -> None:
    store = played(wire(one for file in files_of_runs(test_data) for one in runs_apart(file))).store
    up = {(output, input_) for output, input_, _ in derivations(store)}
    down = {(input_, output) for output, input_ in up}
    datasets = sorted({name for edge in up for name in edge})
    assert len(datasets) > 10
    with store.reading() as db:
        for dataset in datasets:
            seen = trace.look_through(db, dataset, EVER)
            assert reached(up, dataset) == {one.asset for one in seen.ancestors or ()}
            assert reached(down, dataset) == {one.asset for one in seen.descendants or ()}
            # Nobody registered them, and no run says which share of its output came from where.
            assert not any(one.registered for one in (seen.asset, *(seen.ancestors or ())))
            assert all(one.assumed for one in seen.ancestors or ())


def test_columns_and_the_runs_above_are_told_as_the_files_have_them(test_data: Path) -> None:
    events = [one for file in files_of_runs(test_data) for one in runs_apart(file)]
    store = played(wire(events)).store
    told: set[tuple[str, str, str, str]] = set()
    parents: set[tuple[str, str]] = set()
    with store.reading() as db:
        for name in sorted({dataset(each) for one in events for each in one.get("outputs") or ()}):
            seen = trace.look_through(db, name, EVER)
            told |= {(one.output, one.column, one.input, one.input_column) for one in seen.columns}
            parents |= {(one.run, one.parent_job) for one in seen.runs if one.parent_job is not None}
    stated = {
        (dataset(each), column, dataset(source), source["field"])
        for one in events
        for each in one.get("outputs") or ()
        for column, said in each.get("facets", {}).get("columnLineage", {}).get("fields", {}).items()
        for source in said["inputFields"]
    }
    above = {
        (one["run"]["runId"], "/".join(one["run"]["facets"]["parent"]["job"][name] for name in ("namespace", "name")))
        for one in events
        if "parent" in one["run"].get("facets", {}) and one.get("outputs")
    }
    assert stated == told
    assert len(told) > 0
    assert above == parents


def test_every_run_that_writes_is_told_with_how_far_it_got(test_data: Path) -> None:
    states = {"COMPLETE": "completed", "FAIL": "failed", "ABORT": "aborted"}
    events = [one for file in files_of_runs(test_data) for one in runs_apart(file)]
    expected = {}
    for one in events:
        run = one["run"]["runId"]
        if any(other.get("outputs") for other in events if other["run"]["runId"] == run):
            mine = [other.get("eventType") for other in events if other["run"]["runId"] == run]
            ended = [states[type_] for type_ in states if type_ in mine]
            expected[run] = ended[0] if ended else "running"
    with played(wire(events)).store.reading() as db:
        outputs = sorted({dataset(each) for one in events for each in one.get("outputs") or ()})
        found = {run.run: run.state for name in outputs for run in trace.look_through(db, name, EVER).runs}
    assert expected == found
    assert {"completed", "failed"} <= {*found.values()}
