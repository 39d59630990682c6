"""OpenLineage runs: what their events derive together, held against a search written apart."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation import runs
from circulation.admission import ANY, Admission
from circulation.cases import Json, asset, derived, entry, listed, pack
from circulation.events import Event
from circulation.runs import Step
from streams.replay import Replay, offline
from streams.store import Store

NOW = 2**60
DATASETS = ["a", "b", "c", "d"]


def run_event(
    run: str, state: str, time: int, inputs: list[str], outputs: list[str], producer: str = "urn:p", **facets: Json
) -> Json:
    def dataset(name: str) -> Json:
        return {"namespace": "db", "name": name, "facets": facets.get(name, {})}

    return {
        "eventType": state,
        "eventTime": f"2025-01-01T00:00:{time:02}Z",
        "run": {"runId": run},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [dataset(one) for one in inputs],
        "outputs": [dataset(one) for one in outputs],
        "producer": producer,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def admitted(one: Json) -> Event:
    found = Admission().admit(orjson.dumps(one), topic=None, key=ANY, headers=(), now=NOW)
    assert isinstance(found, Event), found
    return found


@st.composite
def some_events(draw: st.DrawFn) -> list[Json]:
    names = st.lists(st.sampled_from(DATASETS), max_size=2, unique=True)
    state = st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"])
    one = st.builds(run_event, st.sampled_from("xy"), state, st.integers(0, 59), names, names, st.sampled_from("pq"))
    return draw(st.lists(one, max_size=8))


def searched(events: list[Json]) -> dict[tuple[str, str], str]:
    """The contract's sentence in plain loops: (output, input) to the time of the earliest COMPLETE."""
    found: dict[tuple[str, str], str] = {}
    for one in events:
        mine = [other for other in events if (one["run"], one["producer"]) == (other["run"], other["producer"])]
        if one["eventType"] == "COMPLETE":
            for output in {each["name"] for other in mine for each in other["outputs"]}:
                for input_ in {each["name"] for other in mine for each in other["inputs"]} - {output}:
                    edge = (f"db/{output}", f"db/{input_}")
                    found[edge] = min(found.get(edge, "9"), one["eventTime"])
    return found


@settings(max_examples=150)
@given(some_events(), st.randoms(use_true_random=False))
def test_what_runs_derive_is_what_a_search_over_their_json_finds(events: list[Json], random: st.DataObject) -> None:
    shuffled = [admitted(one) for one in events]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    times = {admitted(one).time: one["eventTime"] for one in events}
    assert searched(events) == {step[:2]: times[time] for step, time in runs.derived(shuffled).items()}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["START"], "running"),
        (["START", "COMPLETE"], "completed"),
        (["COMPLETE", "START"], "completed"),
        (["START", "FAIL"], "failed"),
        (["START", "ABORT"], "aborted"),
        (["START", "FAIL", "START", "COMPLETE"], "completed"),
        (["START", "RUNNING", "OTHER"], "running"),
    ],
)
def test_a_run_is_as_far_as_its_events_say(states: list[str], expected: str) -> None:
    events = [admitted(run_event("r", state, at, ["a"], ["b"])) for at, state in enumerate(states)]
    assert [expected] == [one.state for one in runs.ran(events)]


OLD = {"namespace": "db", "name": "old"}
RENAMED = {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": OLD}}
LINKED = {"symlinks": {"identifiers": [{"namespace": "hive", "name": "new", "type": "TABLE"}]}}


def test_a_renamed_dataset_is_what_it_was_and_a_symlink_is_the_same_both_ways() -> None:
    renamed = [admitted(run_event("r", "COMPLETE", 1, [], ["new"], new=RENAMED))]
    assert [Step("db/new", "db/old", True)] == [*runs.derived(renamed)]
    linked = [admitted(run_event("r", "COMPLETE", 1, ["in"], ["new"], new=LINKED))]
    assert {
        Step("db/new", "db/in"),
        Step("db/new", "hive/new", True),
        Step("hive/new", "db/new", True),
    } == {*runs.derived(linked)}


@pytest.mark.parametrize(
    "facets",
    [
        {"symlinks": {"identifiers": [{"namespace": "hive"}, 3, None, {"namespace": "n" * 2_000, "name": "x"}]}},
        {"symlinks": 3, "lifecycleStateChange": [], "ownership": {"owners": "x"}},
        {"schema": {"fields": [None, {"name": 1}]}},
        {"lifecycleStateChange": {"lifecycleStateChange": "DROP", "previousIdentifier": OLD}},
        {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": {"name": "x"}}},
        {"ownership": {"owners": [{"name": "a\0b"}]}},
    ],
)
def test_a_facet_that_is_not_as_the_standard_has_it_is_passed_over(facets: Json) -> None:
    event = admitted(run_event("r", "COMPLETE", 1, ["in"], ["new"], new=facets))
    assert ({}, {}, {}, {}) == (event.data.aliases, event.data.renamed, event.data.owners, event.data.fields)
    assert [Step("db/new", "db/in")] == [*runs.derived([event])]


def standing(*events: Json, rules: Json) -> list[Json]:
    store = Store("sqlite://")
    replay = Replay(offline(store, _pack(rules)), Admission())
    tally = replay.run(orjson.dumps(one) for one in events)
    assert 0 == tally.rejected
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]


def _pack(members: Json):  # type: ignore[no-untyped-def]
    from circulation.rulepack import parse_pack

    return parse_pack(members, published=True)


def test_what_is_registered_under_one_of_its_names_has_a_known_source() -> None:
    linked = run_event("r", "COMPLETE", 1, ["in"], ["new"], new=LINKED)
    known = [asset("db/in"), asset("hive/new"), derived("product", "2025-02-01", "hive/new"), asset("product")]
    rules = pack(entry("none", match={"assets": ["nothing"]}))
    found = standing(*known, linked, listed("product", "2025-03-01"), rules=rules)
    assert [] == [one for one in found if one["detector"] == "broken-provenance"]
    (broken,) = [
        one
        for one in standing(known[0], *known[2:], linked, listed("product", "2025-03-01"), rules=rules)
        if one["detector"] == "broken-provenance"
    ]
    assert ["db/new", "hive/new"] == broken["evidence"]["missing"]
