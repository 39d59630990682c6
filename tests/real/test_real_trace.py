"""Looking through real lineage: each dataset of the OpenLineage files, held against a search over the same edges."""

from pathlib import Path

from real_input import derivations, files_of_runs, played, runs_apart, wire

from streams import trace

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
