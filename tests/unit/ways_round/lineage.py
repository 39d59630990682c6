"""Ways round the lineage that OpenLineage tells: each is closed, and so are two near it."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from alembic import command
from sqlalchemy import create_engine

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import Json, asset, derived, entry, event, listed, pack
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from streams.answers import impact, trace
from streams.answers.lineage_cache import Held
from streams.answers.lineages import AsKnown, Stored
from streams.offline.replay import Replay, offline
from streams.store import queue, schema
from streams.store.migrations import config
from streams.store.store import Store

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
RULES = pack(entry("core", match={"level": ["core"]}))
EVER = 2**62


def dataset(id_: str, **facets: Any) -> Json:
    namespace, _, name = id_.rpartition("/")
    return {"namespace": namespace, "name": name, **({"facets": facets} if facets else {})}


def said(
    kind: str, time: str, inputs: Sequence[str | Json] = (), outputs: Sequence[str | Json] = (), **more: Any
) -> Json:
    """A RunEvent of run `r`, unless `more` says otherwise; datasets by `namespace/name` where they have no facets."""
    sides = {
        side: [dataset(one) if isinstance(one, str) else one for one in some]
        for side, some in (("inputs", inputs), ("outputs", outputs))
    }
    return {
        "eventType": kind,
        "eventTime": time if "T" in time else f"{time}T00:00:00Z",
        "run": {"runId": "r"},
        "job": {"namespace": "jobs", "name": "job"},
        "producer": "urn:p",
        "schemaURL": f"{SCHEMA}RunEvent",
        **sides,
        **more,
    }


def replayed(store: Store, *events: Json) -> None:
    tally = Replay(offline(store, parse_pack(RULES, published=False)), Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected


def standing(*events: Json, orders: bool = True) -> list[Json]:
    """The standing findings, which are the same in the other order."""
    found = []
    for lines in (events, events[::-1]) if orders else (events,):
        store = Store("sqlite://")
        replayed(store, *lines)
        with store.reading() as db:
            found.append(
                [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]
            )
    assert [(one["finding"], one["evidence"]) for one in found[0]] == [
        (one["finding"], one["evidence"]) for one in found[-1]
    ]
    return found[0]


def of(found: list[Json], detector: str) -> list[tuple[str, str]]:
    return [(one["about"]["id"], one["severity"]) for one in found if one["detector"] == detector]


def registered(*ids: str) -> list[Json]:
    """A core asset and others that are not, all with a certificate and an owner."""
    return [asset("wh/secret", level="core"), *(asset(one) for one in ids)]


KNOWN = registered("wh/clean", "out/x", "out/y")
LISTED = listed("out/x", "2025-03-01")
CAUGHT = [("out/x", "red")]


# Who a run is.


def test_a_producer_that_was_upgraded_goes_on_with_its_run() -> None:
    start = said("START", "2025-02-01", ["wh/secret"], producer="https://x/tree/1.22.0")
    end = said("COMPLETE", "2025-02-02", [], ["out/x"], producer="https://x/tree/1.23.0")
    assert CAUGHT == of(standing(*KNOWN, start, end, LISTED), "negative-list")


def test_another_job_of_the_same_run_id_is_another_run() -> None:
    start = said("START", "2025-02-01", ["wh/secret"])
    for job in ({"namespace": "jobs", "name": "other"}, {"namespace": "other", "name": "job"}):
        end = said("COMPLETE", "2025-02-02", ["wh/clean"], ["out/x"], job=job)
        assert [] == of(standing(*KNOWN, start, end, LISTED), "negative-list")


def test_two_events_of_one_type_and_millisecond_both_count() -> None:
    events = [said("RUNNING", "2025-02-01", [one]) for one in ("wh/clean", "wh/secret")]
    end = said("COMPLETE", "2025-02-02", [], ["out/x"])
    assert CAUGHT == of(standing(*KNOWN, *events, end, LISTED), "negative-list")


def test_the_same_event_again_is_a_duplicate_whoever_sends_it() -> None:
    one = said("COMPLETE", "2025-02-01", ["wh/secret"], ["out/x"])
    store = Store("sqlite://")
    engine = offline(store, parse_pack(RULES, published=False))
    tally = Replay(engine, Admission()).run(map(orjson.dumps, [one, one | {"producer": "urn:p/2"}]))
    assert 1 == tally.duplicates


# When a run derives.


@pytest.mark.parametrize(("time", "fires"), [("2025-02-01T23:59:59.999999Z", []), ("2025-02-02T00:00:00Z", CAUGHT)])
def test_a_stream_that_never_completes_derives_from_its_first_running(time: str, fires: list[Any]) -> None:
    start = said("START", "2025-02-01", ["wh/secret"], ["out/x"])
    running = [said("RUNNING", f"2025-02-{day:02}", ["wh/secret"], ["out/x"]) for day in (2, 3)]
    assert fires == of(standing(*KNOWN, start, *running, listed("out/x", time)), "negative-list")


def test_a_streaming_job_derives_from_any_event() -> None:
    job = {"namespace": "jobs", "name": "job", "facets": {"jobType": {"processingType": "STREAMING"}}}
    start = said("START", "2025-02-01", ["wh/secret"], ["out/x"], job=job)
    batch = {"namespace": "jobs", "name": "job", "facets": {"jobType": {"processingType": "BATCH"}}}
    assert CAUGHT == of(standing(*KNOWN, start, LISTED), "negative-list")
    assert [] == of(standing(*KNOWN, start | {"job": batch}, LISTED), "negative-list")


def test_what_another_event_adds_counts_from_its_time_on() -> None:
    end = said("COMPLETE", "2025-02-01", ["wh/clean"], ["out/x"])
    more = said("OTHER", "2025-02-10", ["wh/secret"])
    acts = [listed("out/x", time, product=time) for time in ("2025-02-10T07:59:59.999999", "2025-02-10T08:00")]
    assert 1 == len(of(standing(*KNOWN, end, more, *acts), "negative-list"))


def test_failing_takes_nothing_back() -> None:
    running = said("RUNNING", "2025-02-01", ["wh/secret"], ["out/x"])
    for end in ("FAIL", "ABORT"):
        found = standing(*KNOWN, running, said(end, "2025-02-02"), LISTED)
        assert CAUGHT == of(found, "negative-list")
        assert [] == of(found, "broken-provenance")


# What was left unfinished.


@pytest.mark.parametrize("end", ["FAIL", "ABORT"])
def test_an_output_of_a_run_that_failed_has_no_known_source(end: str) -> None:
    run = [said("START", "2025-02-01", ["wh/secret"], ["out/x"]), said(end, "2025-02-02")]
    assert [("out/x", "yellow")] == of(standing(*KNOWN, *run, LISTED), "broken-provenance")
    again = {"run": {"runId": "again"}}
    mended = said("COMPLETE", "2025-02-02", ["wh/clean"], ["out/x"], **again)
    assert [] == of(standing(*KNOWN, *run, mended, LISTED), "broken-provenance")
    before = said("COMPLETE", "2025-02-01T23:59:59.999999Z", ["wh/clean"], ["out/x"], **again)
    assert [("out/x", "yellow")] == of(standing(*KNOWN, *run, before, LISTED), "broken-provenance")


@pytest.mark.parametrize(
    ("time", "fires"), [("2025-02-01T23:59:59.999999Z", []), ("2025-02-02T00:00:00Z", [("out/x", "yellow")])]
)
def test_a_run_that_is_not_heard_of_for_a_day_leaves_its_outputs_unfinished(time: str, fires: list[Any]) -> None:
    start = said("START", "2025-02-01", ["wh/clean"], ["out/x"])
    assert fires == of(standing(*KNOWN, start, listed("out/x", time)), "broken-provenance")
    late = said("COMPLETE", "2025-02-03")
    assert fires == of(standing(*KNOWN, start, late, listed("out/x", time)), "broken-provenance")


@pytest.mark.parametrize("listed_as", ["out/x", "out/alias"])
def test_a_run_that_is_heard_of_late_was_not_silent(listed_as: str) -> None:
    """Of what looks at its output only what was judged from the silence on is judged again."""
    link = {"symlinks": {"identifiers": [{"namespace": "out", "name": "alias", "type": "TABLE"}]}}
    start = said("START", "2025-02-01", ["wh/clean"], [dataset("out/x", **link)])
    other = said("OTHER", "2025-02-01T12:00:00Z")
    early, sold = (listed(listed_as, f"2025-02-0{day}T06:00:00Z", product=f"p{day}") for day in (2, 3))
    known = (*KNOWN, *registered(listed_as))
    for found in (standing(*known, start, early, other), standing(*known, start, other, early)):
        assert [] == of(found, "broken-provenance")
    found = standing(*known, start, early, sold, other)
    assert [(listed_as, "yellow")] == of(found, "broken-provenance")


def test_an_event_of_a_run_that_is_taken_back_is_not_what_later_ones_add_to() -> None:
    wrong = said("RUNNING", "2025-02-01T00:01:00Z", ["wh/secret"], ["out/x"])
    admitted = Admission().admit(orjson.dumps(wrong), topic=None, key=ANY, headers=(), now=EVER)
    assert isinstance(admitted, Event)
    members = {"event": admitted.id, "type": admitted.type, "reason": "sent in error"}
    undone = event("event.retracted", "r", "2025-02-01T00:03:00Z", source="urn:p", **members)
    beats = [said("RUNNING", f"2025-02-01T00:0{minute}:00Z", ["wh/clean"], ["out/x"]) for minute in (0, 2, 4)]
    store = Store("sqlite://")
    for one in (beats[0], wrong, beats[1], undone, beats[2]):
        replayed(store, one)
    with store.reading() as db:
        assert [("out/x", "wh/clean")] == db.rows("select output, input from derivations")


def test_the_trace_of_an_interrupted_run_says_so_and_tells_what_was_attempted_apart(store: Store) -> None:
    attempt = said("START", "2025-02-01", ["wh/secret"], ["out/y"], run={"runId": "attempt"})
    replayed(
        store,
        *KNOWN,
        said("RUNNING", "2025-02-01", ["wh/clean"], ["out/x"]),
        said("FAIL", "2025-02-02"),
        attempt,
        attempt | {"eventType": "FAIL"},
        listed("out/y", "2025-03-01"),
        child("c", "r", "2025-02-03", "s3a://b//k"),
    )
    with store.reading() as db:
        runs = [trace.look_through(db, one, EVER).runs[0] for one in ("out/x", "out/y")]
        ancestors = [
            [each.asset for each in trace.look_through(db, one, EVER).ancestors or ()] for one in ("out/x", "out/y")
        ]
    assert [("interrupted", []), ("failed", ["wh/secret"])] == [(one.state, one.attempted) for one in runs]
    assert [["s3://b/k", "wh/clean"], []] == [sorted(one) for one in ancestors]
    with store.reading() as db:
        said_of = db.rows("select about, severity from findings where standing and detector = 'broken-provenance'")
    assert [("out/y", "yellow")] == said_of


# Jobs, datasets, parents.


def test_the_lineage_of_a_job_that_never_runs_counts() -> None:
    view = said("", "2025-02-01", ["wh/secret"], ["out/x"], schemaURL=f"{SCHEMA}JobEvent")
    del view["run"], view["eventType"]
    assert CAUGHT == of(standing(*KNOWN, view, LISTED), "negative-list")
    assert [] == of(standing(*KNOWN, view | {"inputs": []}, LISTED), "negative-list")


@pytest.mark.parametrize(
    "facet",
    [
        {"inputs": [dataset("wh/secret") | {"type": "DATASET"}]},
        {"fields": {"c": {"inputs": [dataset("wh/secret") | {"type": "DATASET", "field": "f"}]}}},
    ],
)
def test_the_lineage_of_a_dataset_that_is_only_stated_counts(facet: Json) -> None:
    stated = {
        "eventTime": "2025-02-01T00:00:00Z",
        "producer": "urn:p",
        "schemaURL": f"{SCHEMA}DatasetEvent",
        "dataset": dataset("out/x", lineage=facet),
    }
    assert CAUGHT == of(standing(*KNOWN, stated, LISTED), "negative-list")


def child(run: str, parent: str, time: str, *inputs: str, outputs: Sequence[str] = ()) -> Json:
    facets = {"parent": {"run": {"runId": parent}, "job": {"namespace": "af", "name": "dag"}}}
    return said("COMPLETE", time, inputs, outputs, run={"runId": run, "facets": facets})


def test_what_a_child_reads_its_parent_writes() -> None:
    parent = said("COMPLETE", "2025-02-02", [], ["out/x"])
    near = child("c", "r", "2025-02-01", "wh/secret")
    far = [child("c", "r", "2025-02-01"), child("g", "c", "2025-02-03", "wh/secret")]
    assert CAUGHT == of(standing(*KNOWN, parent, near, LISTED), "negative-list")
    assert CAUGHT == of(standing(*KNOWN, parent, *far, LISTED), "negative-list")
    early = listed("out/x", "2025-02-02T23:59:59.999999Z")
    assert [] == of(standing(*KNOWN, parent, *far, early), "negative-list")


def test_a_child_with_outputs_gives_nothing_to_its_parent() -> None:
    parent = said("COMPLETE", "2025-02-02", [], ["out/x"])
    writes = child("c", "r", "2025-02-01", "wh/secret", outputs=["out/y"])
    assert [] == of(standing(*KNOWN, parent, writes, LISTED), "negative-list")
    later = child("c", "r", "2025-02-04", outputs=["out/y"])
    assert [] == of(
        standing(*KNOWN, parent, child("c", "r", "2025-02-01", "wh/secret"), later, LISTED), "negative-list"
    )


# What from what.


def columns(*sources: str) -> Json:
    fields = {f"c{at}": {"inputFields": [dataset(one) | {"field": "f"}]} for at, one in enumerate(sources)}
    return {"columnLineage": {"fields": fields}}


def test_column_lineage_names_what_inputs_do_not() -> None:
    end = said("COMPLETE", "2025-02-01", [], [dataset("out/x", **columns("wh/secret"))])
    assert CAUGHT == of(standing(*KNOWN, end, LISTED), "negative-list")
    whole = {"columnLineage": {"fields": {}, "dataset": [dataset("wh/secret") | {"field": "f"}]}}
    end = said("COMPLETE", "2025-02-01", [], [dataset("out/x", **whole)])
    assert CAUGHT == of(standing(*KNOWN, end, LISTED), "negative-list")


def test_column_lineage_tells_outputs_apart_and_hides_no_field() -> None:
    other = dataset("out/y", **columns("wh/secret"))

    def found(**facets: Any) -> list[Any]:
        end = said("COMPLETE", "2025-02-01", ["wh/clean", "wh/secret"], [dataset("out/x", **facets), other])
        return of(standing(*KNOWN, end, LISTED), "negative-list")

    assert [] == found(**columns("wh/clean"))
    assert CAUGHT == found(**columns("wh/clean"), schema={"fields": [{"name": "c0"}, {"name": "hidden"}]})
    assert CAUGHT == found()


# Names.


@pytest.mark.parametrize(
    ("written", "read", "known"),
    [
        (("s3a://b", "/wh/t/"), ("s3n://B", "wh//t"), "s3://b/wh/t"),
        (("snowflake://acc", '"DB"."S"."T"'), ("snowflake://acc", "db.s.t"), "snowflake://acc/DB.S.T"),
        (("postgres://H:5432", "d.s.T"), ("postgres://h", '"d"."s"."t"'), "postgres://h/d.s.t"),
        (("hdfs://n:8020", "/t/dt=1"), ("hdfs://n", "/t/dt=2/h=3"), "hdfs://n/t"),
    ],
)
def test_another_spelling_of_a_name_is_no_way_out(written: tuple[str, str], read: tuple[str, str], known: str) -> None:
    write, back = ({"namespace": namespace, "name": name} for namespace, name in (written, read))
    first = said("COMPLETE", "2025-02-01", ["wh/secret"], [write])
    second = said("COMPLETE", "2025-02-02", [back], ["out/x"], run={"runId": "second"})
    (path,) = [
        one["evidence"]["path"]
        for one in standing(*KNOWN, asset(known), first, second, LISTED)
        if one["detector"] == "negative-list"
    ]
    assert ["wh/secret", known, "out/x"] == path


@pytest.mark.parametrize("spelling", ["s3a://b/wh/t", "s3://b//wh/t/", "s3://B/wh/t", "s3://b/wh/t/dt=1"])
def test_an_asset_that_is_registered_in_another_spelling_is_the_same_both_ways(spelling: str) -> None:
    write = said("COMPLETE", "2025-02-01", ["wh/secret"], ["s3://b/wh/t"])
    found = standing(*registered("s3://b/wh/t", spelling), write, listed(spelling, "2025-03-01"))
    assert [(spelling, "red")] == of(found, "negative-list")
    high = asset(spelling, level="core")
    made = derived("out/x", "2025-02-01", "s3://b/wh/t")
    found = standing(*KNOWN, asset("s3://b/wh/t"), high, made, LISTED)
    assert CAUGHT == of(found, "negative-list")
    # Nobody has to register both.
    found = standing(*KNOWN, asset(spelling), derived("out/x", "2025-02-01", spelling), LISTED)
    assert [] == of(found, "broken-provenance")


# New names, and what ends nothing.


def renamed(old: str, new: str, time: str, run: str = "renames") -> Json:
    change = {"lifecycleStateChange": "RENAME", "previousIdentifier": dataset(old)}
    return said("COMPLETE", time, [], [dataset(new, lifecycleStateChange=change)], run={"runId": run})


def test_a_new_name_is_made_of_the_old_one_as_it_was_then() -> None:
    made = said("COMPLETE", "2025-02-01", ["wh/secret"], ["out/y"])
    assert CAUGHT == of(standing(*KNOWN, made, renamed("out/y", "out/x", "2025-02-02"), LISTED), "negative-list")
    core = [asset("wh/was", level="core"), renamed("wh/was", "out/x", "2025-02-02")]
    assert CAUGHT == of(standing(*KNOWN, *core, LISTED), "negative-list")
    lower = event("asset.graded", "wh/was", "2025-02-10", level="general", personal="none", reason="r", approved_by="o")
    assert CAUGHT == of(standing(*KNOWN, *core, lower, LISTED), "negative-list")


def test_what_comes_into_the_old_name_later_is_not_in_the_new_one() -> None:
    move = renamed("out/y", "out/x", "2025-02-02")
    later = said("COMPLETE", "2025-02-02T00:00:00.000001Z", ["wh/secret"], ["out/y"])
    assert [] == of(standing(*KNOWN, move, later, LISTED), "negative-list")
    at_once = said("COMPLETE", "2025-02-02", ["wh/secret"], ["out/y"])
    assert CAUGHT == of(standing(*KNOWN, move, at_once, LISTED), "negative-list")
    regraded = event("asset.graded", "out/y", "2025-02-03", level="core", personal="none", reason="r")
    assert [] == of(standing(*KNOWN, move, regraded, LISTED), "negative-list")
    # Another way to the old name is a way to all of it.
    both = [
        said("COMPLETE", "2025-02-05", ["out/y"], ["wh/clean"], run={"runId": "1"}),
        derived("out/x", "2025-02-06", "wh/clean"),
    ]
    assert CAUGHT == of(standing(*KNOWN, move, later, *both, LISTED), "negative-list")


def graded(asset_: str, time: str, level: str, **more: str) -> Json:
    return event("asset.graded", asset_, time, level=level, personal="none", reason="r", **more)


def test_another_table_under_the_old_name_does_not_put_the_new_one_below_its_grade() -> None:
    move, again = renamed("out/y", "out/x", "2025-02-02"), asset("out/x", "2025-02-20", title="again")
    assert [] == of(standing(*KNOWN, move, graded("out/y", "2025-02-10", "core"), again), "grade-laundering")
    at_once = graded("out/y", "2025-02-02T08:00", "core")
    assert CAUGHT == of(standing(*KNOWN, move, at_once, again), "grade-laundering")
    # Nor does a grading of that table set the new name free.
    lower = graded("out/y", "2025-02-10", "general", approved_by="an office")
    core = [*registered("out/x"), asset("out/y", level="core")]
    assert CAUGHT == of(standing(*core, move, lower, again), "grade-laundering")
    # What is made of the old name once more is made of all of it.
    made = derived("out/x", "2025-02-15", "out/y")
    assert CAUGHT == of(standing(*KNOWN, move, graded("out/y", "2025-02-10", "core"), made), "grade-laundering")


def test_the_way_to_what_came_into_the_old_name_later_leads_past_the_new_one() -> None:
    move = renamed("out/y", "out/x", "2025-02-02")
    later = said("COMPLETE", "2025-02-03", ["wh/secret"], ["out/y"])
    both = [
        said("COMPLETE", "2025-02-05", ["out/y"], ["wh/clean"], run={"runId": "1"}),
        derived("out/x", "2025-02-06", "wh/clean"),
    ]
    (found,) = [one for one in standing(*KNOWN, move, later, *both, LISTED) if one["detector"] == "negative-list"]
    assert (3, ["wh/secret", "out/y", "wh/clean", "out/x"]) == (found["evidence"]["steps"], found["evidence"]["path"])


@pytest.mark.parametrize("known_at", [None, EVER])
def test_a_look_through_a_new_name_sees_the_old_one_as_it_was_and_all_that_came_of_the_new_one(
    store: Store, known_at: int | None
) -> None:
    events = [
        *KNOWN,
        said("COMPLETE", "2025-02-01", ["wh/clean"], ["out/y"]),
        renamed("out/y", "out/x", "2025-02-02"),
        said("COMPLETE", "2025-02-05", ["wh/secret"], ["out/y"], run={"runId": "later"}),
        asset("wh/made"),
        derived("wh/made", "2025-02-07", "out/x"),
    ]
    replayed(store, *events)
    at = parse_instant("2025-06-01")
    rules = Packs(parse_pack(RULES, published=False))
    with store.reading() as db:
        looks = [Stored(db) if known_at is None else AsKnown(db, known_at), Held(db)]
        for lineage in looks[: 2 if known_at is None else 1]:
            of_each = {
                one: trace.look_through(db, one, at, known_at=known_at, lineage=lineage, packs=rules)
                for one in ("out/x", "wh/made", "wh/secret", "wh/clean", "out/y")
            }
            for one, above in (("out/x", ["out/y", "wh/clean"]), ("wh/made", ["out/x", "out/y", "wh/clean"])):
                assert (above, []) == ([each.asset for each in of_each[one].ancestors or ()], of_each[one].matches)
            for one, below in (
                ("wh/secret", ["out/y"]),
                ("wh/clean", ["out/y", "out/x", "wh/made"]),
                ("out/y", ["out/x", "wh/made"]),
            ):
                assert below == [each.asset for each in of_each[one].descendants or ()]
        reached = impact.of_asset(db, "wh/clean", at).assets
        assert [["wh/clean", "out/y", "out/x", "wh/made"]] == [one.path for one in reached if one.asset == "wh/made"]
        assert {"wh/secret", "out/y"} == {one.asset for one in impact.of_asset(db, "wh/secret", at).assets}


def test_tables_that_swap_their_names_keep_what_they_are() -> None:
    moves = [
        renamed("out/x", "wh/old", "2025-02-02", "1"),
        renamed("out/y", "out/x", "2025-02-02T00:00:01Z", "2"),
        renamed("wh/old", "out/y", "2025-02-02T00:00:02Z", "3"),
    ]
    made = said("COMPLETE", "2025-02-01", ["wh/secret"], ["out/y"])
    swapped = [*registered("out/x", "out/y", "wh/old"), made, *moves]
    assert CAUGHT == of(standing(*swapped, LISTED), "negative-list")


def test_a_word_that_a_table_was_dropped_washes_nothing_and_is_told() -> None:
    def changed(change: str, time: str, *inputs: str) -> Json:
        facet = {"lifecycleStateChange": change}
        return said("COMPLETE", time, inputs, [dataset("out/x", lifecycleStateChange=facet)], run={"runId": change})

    made = said("COMPLETE", "2025-02-01", ["wh/secret"], ["out/x"])
    story = [made, changed("DROP", "2025-02-02"), changed("CREATE", "2025-02-03", "wh/clean")]
    late = changed("TRUNCATE", "2025-03-02")
    (found,) = [one for one in standing(*KNOWN, *story, late, LISTED) if one["detector"] == "negative-list"]
    assert ["wh/secret", "out/x"] == found["evidence"]["path"]
    assert [("out/x", "DROP"), ("out/x", "CREATE")] == [
        (one["asset"], one["change"]) for one in found["evidence"]["changes"]
    ]


# A store of before.


def before(id_: str, number: int, data: Json, time: int = 1) -> tuple[Any, ...]:
    type_ = "openlineage.run"
    return (
        number,
        "circulation.assets",
        id_,
        type_,
        queue.act(type_, id_),
        time,
        "urn:p",
        f"e{number}",
        0,
        orjson.dumps(data),
        0,
    )


def test_runs_of_a_store_of_before_are_derived_again_by_today_s_rules(store: Store) -> None:
    """An older version kept names as they came and facets as they were, and never derived what did not complete."""
    if store.postgres:
        with store.reading() as db:
            db.run("drop schema public cascade")
            db.run("create schema public")
    else:
        store = Store(f"{store._url.render_as_string(hide_password=False)}.old")
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    engine = create_engine(url)
    with engine.begin() as connection:
        made = config()
        made.attributes["connection"] = connection
        command.upgrade(made, "0016")
    engine.dispose()
    run: Json = {
        "run": "r",
        "job": "jobs/job",
        "event_type": "RUNNING",
        "inputs": ["s3a://b//in"],
        "outputs": ["out/x"],
    }
    facets = {"columns": {"out/y": {"fields": {"c": {"inputFields": [dataset("wh/secret") | {"field": "f"}]}}}}}
    rows = [
        before("r", 101, run),
        before("s", 102, run | {"run": "s", "inputs": [], "outputs": ["out/y"]} | facets),
    ]
    columns_ = "id, topic, subject, type, thing, time, source, event, reporter, data, taken"
    with store.writing() as db:
        for row in rows:
            db.run(f"insert into events ({columns_}) values ({', '.join('?' * len(row))})", *row)
        for ref in ("s3a://b//in", "out/x"):
            db.run("insert into refs (kind, ref, event) values (?, ?, 101)", "input" if "in" in ref else "output", ref)
    store.migrate()
    replayed(store, event("source.heartbeat", "urn:x", "2025-01-01", source="urn:x"))
    with store.reading() as db:
        assert [("out/x", "s3://b/in"), ("out/y", "wh/secret")] == sorted(
            db.rows(f"select output, input from {schema.STEPS} d")
        )
        assert [("s3://b/in",)] == db.rows("select ref from refs where kind = 'input'")
