"""OpenLineage: what is derived is a function of what was said, in whatever order, and what the slow model derives."""

import datetime as dt
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Json, pack
from circulation.openlineage.runs import unfinished_at
from circulation.packs.reading import parse_pack
from streams.facts import derivations
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.store import Store
from tests.model import lineage

RULES = parse_pack(pack(), published=False)
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
RUNS = ["r1", "r2", "r3"]
# Hours of the first days of a year: around the 24 that a run may be silent.
HOURS = [0, 1, 2, 3, 24, 25, 26, 27, 50]

hours = st.sampled_from(HOURS)
sources = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4, unique=True)
targets = st.lists(st.sampled_from(["d", "x", "y", "z"]), max_size=4, unique=True)


def time(hour: int) -> str:
    return (dt.datetime(2025, 1, 1) + dt.timedelta(hours=hour)).isoformat() + "Z"


def dataset(name: str, **facets: Any) -> Json:
    return {"namespace": "n", "name": name, **({"facets": facets} if facets else {})}


def column_lineage(names: list[str], whole: list[str], *, complete: bool, schema_: bool) -> Json:
    fields = {f"c{place}": {"inputFields": [{**dataset(one), "field": "f"}]} for place, one in enumerate(names)}
    facets: Json = {"columnLineage": {"fields": fields, "dataset": [{**dataset(one), "field": "f"} for one in whole]}}
    if schema_:
        missing = [] if complete else ["more"]
        facets["schema"] = {"fields": [{"name": name} for name in [*fields, *missing]]}
    return facets


of_columns = st.builds(
    column_lineage,
    sources.map(lambda one: one[:2]),
    sources.map(lambda one: one[:1]),
    complete=st.booleans(),
    schema_=st.booleans(),
)
of_lineage = st.builds(
    lambda names: {"lineage": {"inputs": [{**dataset(one), "type": "DATASET"} for one in names]}},
    sources.map(lambda one: one[:2]),
)
facets_ = st.one_of(st.just({}), st.just({}), of_columns, of_lineage)


@st.composite
def datasets(draw: st.DrawFn) -> list[Json]:
    return [dataset(one, **draw(facets_)) for one in draw(targets)]


@st.composite
def run_events(draw: st.DrawFn) -> Json:
    run = draw(st.sampled_from(RUNS))
    parent = draw(st.sampled_from([None, None, *RUNS]))
    streaming = draw(st.sampled_from([False, False, False, True]))
    job: Json = {"namespace": "jobs", "name": draw(st.sampled_from(["j", "j", "k"]))}
    if streaming:
        job["facets"] = {"jobType": {"processingType": "STREAMING", "integration": "FLINK"}}
    run_: Json = {"runId": run}
    if parent is not None:
        run_["facets"] = {"parent": {"run": {"runId": parent}, "job": {"namespace": "other", "name": "o"}}}
    return {
        "eventType": draw(st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"])),
        "eventTime": time(draw(hours)),
        "run": run_,
        "job": job,
        "inputs": [dataset(one) for one in draw(sources)],
        "outputs": draw(datasets()),
        "producer": draw(st.sampled_from(["urn:p/1", "urn:p/2"])),
        "schemaURL": f"{SCHEMA}RunEvent",
    }


@st.composite
def other_events(draw: st.DrawFn) -> Json:
    event: Json = {"eventTime": time(draw(hours)), "producer": "urn:p"}
    if draw(st.booleans()):
        event |= {
            "schemaURL": f"{SCHEMA}DatasetEvent",
            "dataset": dataset(draw(st.sampled_from("xyz")), **draw(facets_)),
        }
        event["dataset"].get("facets", {}).pop("columnLineage", None)
        return event
    inputs, outputs = [dataset(one) for one in draw(sources)], draw(datasets())
    job = {"namespace": "jobs", "name": "view"}
    return event | {"schemaURL": f"{SCHEMA}JobEvent", "job": job, "inputs": inputs, "outputs": outputs}


stories = st.lists(st.one_of(run_events(), run_events(), run_events(), other_events()), max_size=7)


def taken(lines: list[Json]) -> Store:
    store = Store("sqlite://")
    tally = Replay(offline(store, RULES), Admission()).run(orjson.dumps(one) for one in lines)
    assert 0 == tally.rejected
    return store


def taken_one_by_one(lines: list[Json]) -> Store:
    store = Store("sqlite://")
    replay = Replay(offline(store, RULES), Admission())
    for one in lines:
        replay.run([orjson.dumps(one)])
    return store


def derived(store: Store) -> dict[tuple[str, str], int]:
    with store.reading() as db:
        found: dict[tuple[str, str], int] = {}
        for output, input_, since in db.rows(f"select output, input, time from {schema.STEPS} d where not same"):
            found[output, input_] = min(since, found.get((output, input_), since))
        return found


@settings(max_examples=400, deadline=None)
@given(stories)
def test_what_is_derived_is_what_the_slow_model_derives(lines: list[Json]) -> None:
    expected = {edge: parse_instant(since.isoformat()) for edge, since in lineage.derivations(lines).items()}
    assert expected == derived(taken(lines))


@settings(max_examples=150, deadline=None)
@given(stories, st.randoms(use_true_random=False))
def test_any_order_of_events_derives_the_same_and_leaves_the_same_unfinished(lines: list[Json], random: Any) -> None:
    shuffled = [*lines, *lines]
    random.shuffle(shuffled)
    in_order = sorted(lines, key=lambda one: str(one["eventTime"]))
    kept = []
    for store in (taken(lines), taken(shuffled), taken_one_by_one(in_order), taken_one_by_one(shuffled)):
        with store.reading() as db:
            kept.append(
                [
                    sorted(db.rows("select output, input, origin, time, same from derivations")),
                    sorted(db.rows("select output, run, begin, until, since, state, job from unfinished")),
                    sorted(db.rows("select parent, child, input, time from given")),
                ]
            )
    assert all(kept[0] == one for one in kept[1:])


@st.composite
def plain_events(draw: st.DrawFn) -> Json:
    """What one run says without facets, mostly more and more names; now and then it ends, or has a parent."""
    kinds = ["RUNNING"] * 8 + ["START", "OTHER", "COMPLETE", "FAIL"]
    run: Json = {"runId": "r1"}
    if draw(st.integers(0, 9)) == 0:
        run["facets"] = {"parent": {"run": {"runId": "r2"}, "job": {"namespace": "other", "name": "o"}}}
    names = st.lists(st.sampled_from(["a", "b", "d", "x", "y"]), max_size=2, unique=True)
    return {
        "eventType": draw(st.sampled_from(kinds)),
        "eventTime": time(draw(st.integers(0, 60))),
        "run": run,
        "job": {"namespace": "jobs", "name": "j"},
        "inputs": [dataset(one) for one in draw(names)],
        "outputs": [dataset(one) for one in draw(names)],
        "producer": "urn:p/1",
        "schemaURL": f"{SCHEMA}RunEvent",
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(plain_events(), min_size=3, max_size=14), st.lists(run_events(), max_size=1))
def test_a_run_that_names_more_and_more_derives_what_it_does_when_all_is_known(
    lines: list[Json], others: list[Json]
) -> None:
    in_order = sorted([*lines, *others], key=lambda one: str(one["eventTime"]))
    kept = []
    for store in (taken(in_order), taken_one_by_one(in_order), taken_one_by_one(in_order[::-1])):
        with store.reading() as db:
            kept.append(
                [
                    sorted(db.rows("select output, input, origin, time, same from derivations")),
                    sorted(db.rows("select output, run, begin, until, since, state, job from unfinished")),
                    sorted(db.rows("select parent, child, input, time from given")),
                ]
            )
    assert all(kept[0] == one for one in kept[1:])


def apart(one: Json) -> Json:
    """The same event of a run that reads nothing that it writes."""
    return one | {"inputs": [each for each in one.get("inputs", []) if each["name"] != "d"]}


@settings(max_examples=250, deadline=None)
@given(st.lists(run_events().map(apart), max_size=6), st.sampled_from(HOURS), st.sampled_from([-1, 0, 1]))
def test_what_is_unfinished_is_what_the_slow_model_says(lines: list[Json], hour: int, more: int) -> None:
    instant = parse_instant(time(hour)) + more
    moment = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour, microseconds=more)
    store = taken(lines)
    with store.reading() as db:
        for name in ("n/x", "n/y", "n/z"):
            some = derivations.unfinished(db, [name]).get(name, [])
            runs = derivations.derived_by_runs(db, [name]).get(name, [])
            found = unfinished_at(some, runs, instant)
            assert lineage.unfinished(lines, name, moment) == bool(found)


@st.composite
def repeated(draw: st.DrawFn) -> list[Json]:
    """What one run says, a few things again and again, some of it in one instant."""
    sayings = [one | {"run": {"runId": "r1"}} for one in draw(st.lists(run_events(), min_size=1, max_size=3))]
    places = st.tuples(st.sampled_from(range(len(sayings))), st.integers(0, 40))
    return [
        sayings[which] | {"eventTime": time(hour), "producer": f"urn:p/{number % 3}"}
        for number, (which, hour) in enumerate(draw(st.lists(places, min_size=3, max_size=14)))
    ]


@settings(max_examples=150, deadline=None)
@given(repeated(), st.randoms(use_true_random=False))
def test_a_run_that_says_a_few_things_again_and_again_derives_what_it_does_when_all_is_known(
    lines: list[Json], random: Any
) -> None:
    in_order = sorted(lines, key=lambda one: str(one["eventTime"]))
    shuffled = [*lines]
    random.shuffle(shuffled)
    kept = []
    for store in (taken(in_order), taken_one_by_one(in_order), taken_one_by_one(shuffled)):
        with store.reading() as db:
            kept.append(
                [
                    sorted(db.rows("select output, input, origin, time, same from derivations")),
                    sorted(db.rows("select output, run, begin, until, since, state, job from unfinished")),
                    sorted(db.rows("select parent, child, input, time from given")),
                ]
            )
    assert all(kept[0] == one for one in kept[1:])
    assert {edge: parse_instant(since.isoformat()) for edge, since in lineage.derivations(lines).items()} == derived(
        taken(lines)
    )
