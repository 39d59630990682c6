"""OpenLineage: how far a run is, what its facets say, and what they cannot do to an event."""

from typing import Any

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.admission.sources import Sources
from circulation.events.event import Event
from circulation.examples import Json, asset, derived, entry, listed, pack
from circulation.openlineage.runs import Run, Step, runs_of
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.store import Store

NOW = 2**60
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"


def dataset(name: str, **facets: Any) -> Json:
    return {"namespace": "db", "name": name, "facets": facets}


def run_event(id_: str, state: str, second: int, inputs: list[Json], outputs: list[Json], **more: Any) -> Json:
    return {
        "eventType": state,
        "eventTime": f"2025-01-01T00:00:{second:02}Z",
        "run": {"runId": id_},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": inputs,
        "outputs": outputs,
        "producer": "urn:p",
        "schemaURL": f"{SCHEMA}RunEvent",
        **more,
    }


def admitted(one: Json, admission: Admission | None = None, **how: Any) -> Event:
    found = (admission or Admission()).admit(
        orjson.dumps(one), **{"topic": None, "key": ANY, "headers": (), "now": NOW} | how
    )
    assert isinstance(found, Event), found
    return found


def only(*events: Json) -> Run:
    (run,) = runs_of(map(admitted, events))
    return run


def derives(*events: Json) -> set[tuple[str, str]]:
    return {step[:2] for one in runs_of(map(admitted, events)) for step in one.steps()}


A, B = dataset("a"), dataset("b")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["START"], "running"),
        (["START", "RUNNING"], "running"),
        (["START", "COMPLETE"], "completed"),
        (["COMPLETE", "START"], "completed"),
        (["START", "FAIL"], "failed"),
        (["START", "ABORT"], "aborted"),
        (["START", "RUNNING", "FAIL"], "interrupted"),
        (["START", "RUNNING", "ABORT"], "interrupted"),
        (["START", "FAIL", "START", "COMPLETE"], "completed"),
        (["START", "OTHER"], "running"),
    ],
)
def test_a_run_is_as_far_as_its_events_say(states: list[str], expected: str) -> None:
    ran = only(*(run_event("r", state, at, [A], [B]) for at, state in enumerate(states))).ran()
    assert expected == ran.state
    assert (frozenset() if {"COMPLETE", "RUNNING"} & {*states} else {"db/a"}) == ran.attempted


RENAMED = {
    "lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "old"}}
}
LINKED = {"symlinks": {"identifiers": [{"namespace": "hive", "name": "new", "type": "TABLE"}]}}


def test_a_symlink_is_the_same_both_ways_from_when_it_was_said() -> None:
    run = only(
        run_event("r", "START", 1, [dataset("in")], [dataset("new", **LINKED)]),
        run_event("r", "COMPLETE", 2, [], []),
    )
    early, late = (admitted(run_event("r", "START", at, [], [])).time for at in (1, 2))
    assert {
        Step("db/new", "db/in", late),
        Step("db/new", "hive/new", early, True),
        Step("hive/new", "db/new", early, True),
    } == {*run.steps()}


ODD: list[Any] = [
    {"symlinks": {"identifiers": [{"namespace": "hive"}, 3, None, {"namespace": 1, "name": "x"}]}},
    {"symlinks": 3, "lifecycleStateChange": [], "ownership": {"owners": "x"}},
    {"schema": {"fields": [None, {"name": 1}]}, "columnLineage": 1, "lineage": []},
    {"lifecycleStateChange": {"lifecycleStateChange": "ALTER", "previousIdentifier": {"namespace": "db", "name": "x"}}},
    {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": {"name": "x"}}},
    {"lifecycleStateChange": {"lifecycleStateChange": ["RENAME"]}},
    {"ownership": {"owners": [{"name": "a\0b"}]}, "columnLineage": {"fields": 3}},
    "no object",
]


@pytest.mark.parametrize("facets", ODD)
def test_a_facet_that_is_not_as_the_standard_has_it_is_passed_over(facets: Any) -> None:
    event = admitted(
        run_event("r", "COMPLETE", 1, [dataset("in")], [{"namespace": "db", "name": "new", "facets": facets}])
    )
    said = event.data
    kept = [said.aliases, said.renamed, said.owners, said.fields, said.columns, said.listed, said.whole, said.changes]
    assert [{}] * 8 == kept
    run, job = {"runId": "r", "facets": facets}, {"namespace": "jobs", "name": "job", "facets": facets}
    assert {("db/new", "db/in")} == derives(
        run_event("r", "COMPLETE", 1, [dataset("in")], [dataset("new")], run=run, job=job)
    )


@pytest.mark.parametrize(
    "written",
    [b"NaN", b"Infinity", b"-Infinity", b'"\\ud800"', b"1" * 5_000, b'{"a": [NaN, {"b": Infinity}]}'],
    ids=["NaN", "Infinity", "-Infinity", "half a character", "a long number", "deeper"],
)
@pytest.mark.parametrize("padding", [0, 2 << 20], ids=["small", "large"])
def test_what_json_has_no_word_for_is_null_in_a_facet(written: bytes, padding: int) -> None:
    event = run_event("r", "COMPLETE", 1, [A], [dataset("b", quality={"mean": "@", "more": "x" * padding})])
    record = orjson.dumps(event).replace(b'"@"', written)
    found = Admission().admit(record, topic=None, key=ANY, headers=(), now=NOW)
    assert isinstance(found, Event), found
    assert {("db/b", "db/a")} == {step[:2] for one in runs_of([found]) for step in one.steps()}


def test_nan_in_anything_else_is_no_json() -> None:
    found = Admission().admit(b'{"specversion": "1.0", "x": NaN}', topic=None, key=ANY, headers=(), now=NOW)
    assert isinstance(found, Rejection)
    assert "not-json" == found.reason


def test_facets_that_are_not_used_are_not_kept() -> None:
    bare = admitted(run_event("r", "COMPLETE", 1, [A], [B]))
    more = dataset("b", dataQualityMetrics={"rowCount": 1}, documentation={"description": "words"})
    assert bare.raw_data == admitted(run_event("r", "COMPLETE", 1, [A], [more])).raw_data


def columns(**of: Json) -> Json:
    fields = {column: {"inputFields": [{**one, "field": "f"}]} for column, one in of.items()}
    return {"columnLineage": {"fields": fields}}


@pytest.mark.parametrize(
    ("fields", "whole", "expected"),
    [
        (None, [], {"a", "loose"}),
        (["c"], [], {"a", "loose"}),
        (["c", "more"], [], {"a", "b", "loose", "other"}),
        (["c"], [dataset("other")], {"a", "loose", "other"}),
    ],
    ids=["no schema", "every field", "a field is missing", "of the whole dataset, too"],
)
def test_columns_tell_what_an_output_is_made_of(
    fields: list[str] | None, whole: list[Json], expected: set[str]
) -> None:
    facets = columns(c=A)
    facets["columnLineage"]["dataset"] = whole
    if fields is not None:
        facets["schema"] = {"fields": [{"name": one} for one in fields]}
    event = run_event(
        "r",
        "COMPLETE",
        1,
        [A, B, dataset("loose")],
        [dataset("x", **facets), dataset("y", **columns(c=B, d=dataset("other")))],
    )
    assert expected == {input_.removeprefix("db/") for output, input_ in derives(event) if output == "db/x"}


def test_columns_and_schema_may_come_in_different_events() -> None:
    first = run_event("r", "RUNNING", 1, [A, B], [dataset("x", **columns(c=A)), dataset("y", **columns(c=B))])
    more = run_event("r", "COMPLETE", 2, [], [dataset("x", schema={"fields": [{"name": "c"}, {"name": "d"}]})])
    last = run_event("r", "OTHER", 3, [], [dataset("x", **columns(d=A))])
    assert {("db/x", "db/a"), ("db/y", "db/b")} == derives(first)
    assert {("db/x", "db/a"), ("db/x", "db/b"), ("db/y", "db/b")} == derives(first, more)
    assert {("db/x", "db/a"), ("db/y", "db/b")} == derives(first, more, last)


@pytest.mark.parametrize("member", ["entries", "lineage"])
def test_the_lineage_of_a_job_lists_what_each_output_is_made_of(member: str) -> None:
    source = {"namespace": "db", "name": "b", "type": "DATASET"}
    generator = {"namespace": "jobs", "name": "job", "type": "JOB"}
    entries = [
        {"namespace": "db", "name": "x", "type": "DATASET", "inputs": [source, generator]},
        {"namespace": "db", "name": "z", "type": "DATASET", "fields": {"c": {"inputs": [source]}}},
        {"namespace": "db", "name": "nothing", "type": "DATASET", "inputs": []},
        {"type": "JOB", "inputs": [source]},
    ]
    job = {"namespace": "jobs", "name": "job", "facets": {"lineage": {member: entries}}}
    event = run_event("r", "COMPLETE", 1, [A], [dataset("x"), dataset("y"), dataset("nothing")], job=job)
    assert {("db/x", "db/b"), ("db/z", "db/b"), ("db/y", "db/a"), ("db/y", "db/b")} == derives(event)


def test_the_source_is_the_header_s_then_whose_program_it_is_then_the_producer() -> None:
    sources = Sources.parse(
        b"""
        exchange: {types: [openlineage.run], producers: ["https://spark/*"], namespaces: [jobs]}
        lake: {types: [openlineage.run]}
        "urn:p": {types: [openlineage.run]}
        """
    )
    event = run_event("r", "COMPLETE", 1, [A], [B], job={"namespace": "free", "name": "job"})
    headers = (("content-type", b"application/openlineage+json"), ("ce_source", b"lake"))
    admission = Admission(sources)
    assert "urn:p" == admitted(event, admission).source
    assert "lake" == admitted(event, admission, headers=headers).source
    assert "lake" == admitted(event, admission, headers=headers[1:]).source
    assert "exchange" == admitted(event | {"producer": "https://spark/3"}, admission).source
    for theirs in ({"producer": "https://spark/3"}, {"job": {"namespace": "jobs", "name": "job"}}):
        found = admission.admit(orjson.dumps(event | theirs), topic=None, key=ANY, headers=headers, now=NOW)
        assert isinstance(found, Rejection)
        assert "not-authorised" == found.reason


def standing(*events: Json, rules: Json) -> list[Json]:
    store = Store("sqlite://")
    tally = Replay(offline(store, parse_pack(rules, published=True)), Admission()).run(
        orjson.dumps(one) for one in events
    )
    assert 0 == tally.rejected
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]


def test_what_is_registered_under_one_of_its_names_has_a_known_source() -> None:
    linked = run_event("r", "COMPLETE", 1, [dataset("in")], [dataset("new", **LINKED)])
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
