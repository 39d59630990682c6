"""What a trace says beyond lineage: the negative list, rights, controllers, marks, runs, and what was known when."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson
import pytest

from circulation import examples
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    derived,
    entry,
    event,
    granted,
    listed,
    pack,
    party,
    retracted,
    signed,
    terms,
)
from circulation.onward import Sold, Start, way
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from streams.answers import trace
from streams.answers.trace_document import Limits, Trace
from streams.offline.replay import Replay, offline
from streams.store.store import Store

LATER = parse_instant("2026-01-01")


def filled(store: Store, *events: Json) -> Store:
    tally = Replay(offline(store, None), Admission()).run(orjson.dumps(one) for one in events)
    assert 0 == tally.rejected
    return store


def memory(*events: Json) -> Store:
    return filled(Store("sqlite://"), *events)


def looked(store: Store, asset_: str, at: str | int = LATER, *entries: Json, **options: Any) -> Trace:
    instant = parse_instant(examples.instant(at)) if isinstance(at, str) else at
    packs = Packs(parse_pack(pack(*entries), published=True))
    with store.reading() as db:
        return trace.look_through(db, asset_, instant, packs=packs, **options)


def run(
    run_: str,
    state: str,
    time: str,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    of_datasets: dict[str, Json] | None = None,
    **more: Any,
) -> Json:
    """An OpenLineage RunEvent; `of_datasets` are the facets of datasets, by their names."""

    def dataset(name: str) -> Json:
        return {"namespace": "db", "name": name, "facets": (of_datasets or {}).get(name, {})}

    return {
        "eventType": state,
        "eventTime": time,
        "run": {"runId": run_, **more},
        "job": {"namespace": "jobs", "name": f"job of {run_}"},
        "inputs": [dataset(one) for one in inputs],
        "outputs": [dataset(one) for one in outputs],
        "producer": "urn:producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


# The negative list.

STEPS = [
    asset("source", category="genome"),
    derived("left", "2025-02-01", "source"),
    derived("right", "2025-02-01", "source"),
    derived("product", "2025-02-02", "left", "right"),
]
NAMED = {"title": "Genomes", "match": {"category": ["genome"]}}


def test_all_ways_from_a_source_on_the_list_are_told_the_shortest_first(store: Store) -> None:
    longer = derived("left", "2025-02-01", "middle"), derived("middle", "2025-02-01", "source")
    (found,) = looked(filled(store, *STEPS, *longer), "product", LATER, entry("no-genomes", **NAMED)).matches
    expected = [
        ["source", "left", "product"],
        ["source", "right", "product"],
        ["source", "middle", "left", "product"],
    ]
    assert (expected, False, 2, True) == (found.paths, found.more, found.distance, found.inherited)


def test_no_more_ways_are_told_than_the_limit_and_that_there_are_more_is_said() -> None:
    wide = [derived("product", "2025-02-02", f"m-{n}") for n in range(4)]
    wide += [derived(f"m-{n}", "2025-02-02", "source") for n in range(4)]
    store = memory(STEPS[0], *wide)
    for count, more in ((3, True), (4, False), (5, False)):
        (found,) = looked(store, "product", LATER, entry("e", **NAMED), limits=Limits(paths_max=count)).matches
        assert ([["source", f"m-{n}", "product"] for n in range(min(count, 4))], more) == (found.paths, found.more)


def test_what_matches_itself_is_at_distance_zero() -> None:
    (found,) = looked(memory(STEPS[0]), "source", LATER, entry("e", **NAMED)).matches
    assert ([["source"]], 0) == (found.paths, found.distance)


def test_behind_an_irreversible_step_only_a_sticky_entry_is_inherited() -> None:
    stopping = derived("model", "2025-03-01", "product", process="model", irreversible=True, evidence="document")
    entries = entry("plain", **NAMED), entry("sticky", sticky=True, **NAMED)
    seen = looked(memory(*STEPS, stopping), "model", LATER, *entries)
    assert [("plain", False), ("sticky", True)] == [(one.entry, one.inherited) for one in seen.matches]
    assert all(["source", "left", "product", "model"] in one.paths for one in seen.matches)


def test_matches_are_by_the_list_in_force_at_the_instant() -> None:
    ended = entry("e", valid_to="2025-06-01", **NAMED)
    assert ["e"] == [one.entry for one in looked(memory(*STEPS), "product", "2025-05-31T23:59:59", ended).matches]
    assert [] == looked(memory(*STEPS), "product", "2025-06-01", ended).matches


# Rights.

OWNED = [
    party(OWNER),
    party(SELLER),
    asset("raw", owner=OWNER, rights=["holding"]),
    asset("made", owner=SELLER),
    derived("made", "2025-02-01", "raw"),
    listed("made", "2025-02-02", seller=THIRD),
]


def rights(seen: Trace, right: str) -> list[tuple[str, str, str, str | None]]:
    return [(one.asset, one.party, one.state, one.grant or one.by) for one in seen.rights if one.right == right]


def test_rights_are_told_from_the_holder_over_who_processes_to_who_operates(store: Store) -> None:
    allowed = granted(SELLER, "2025-01-10", "processing-right", assets=["raw"])
    seen = looked(filled(store, *OWNED, allowed), "made")
    assert [("made", SELLER, "valid", "registration"), ("raw", OWNER, "valid", "registration")] == rights(
        seen, "holding"
    )
    assert [("raw", SELLER, "valid", "grant-processing-right")] == rights(seen, "processing")
    assert [("made", THIRD, "missing", None)] == rights(seen, "operating")


@pytest.mark.parametrize(
    ("time", "state"),
    [
        ("2025-01-31T23:59:59.999999", "not-yet"),
        ("2025-02-01", "valid"),
        ("2025-02-28T23:59:59.999999", "valid"),
        ("2025-03-01", "expired"),
    ],
)
def test_a_grant_is_valid_from_its_start_to_just_before_its_end(time: str, state: str) -> None:
    told = granted(THIRD, "2025-01-01", "operating-right", valid_from="2025-02-01", valid_to="2025-03-01")
    early = listed("made", "2025-01-02", seller=THIRD)
    seen = looked(memory(*OWNED, early, told), "made", time)
    assert [("made", THIRD, state, "grant-operating-right")] == rights(seen, "operating")


def test_a_grant_that_was_revoked_is_told_as_such_and_one_for_another_asset_is_none() -> None:
    told = granted(THIRD, "2025-01-01", "operating-right")
    other = granted(THIRD, "2025-01-01", "operating-right", grant="other", assets=["raw"])
    gone = event("grant.revoked", THIRD, "2025-04-01", grant="grant-operating-right", reason="breach")
    (found,) = [one for one in looked(memory(*OWNED, told, other, gone), "made").rights if one.right == "operating"]
    assert ("revoked", "2025-04-01T00:00:00+08:00") == (found.state, found.revoked)


# Parties.


def test_ultimate_controllers_stand_on_the_side_of_those_they_control(store: Store) -> None:
    seen = looked(
        filled(
            store,
            party("x:head"),
            party("x:middle", controller="x:head"),
            party(SELLER, controller="x:middle"),
            party(BUYER, controller="x:one"),
            party("x:one", controller="x:two"),
            party("x:two", controller="x:one"),
            asset("a", owner=SELLER),
            signed("c", "2025-02-01", asset="a"),
        ),
        "a",
    )
    assert [("x:head", "supply", [SELLER], []), ("x:one", "demand", [BUYER], ["x:one", "x:two"])] == [
        (one.party, one.side, one.parties, one.circle) for one in seen.controllers
    ]


def test_a_resale_makes_the_buyer_a_holder_and_who_sold_on_is_not_the_last() -> None:
    sold = signed("c", "2025-02-01", asset="a", terms=terms(resale=True))
    on = signed("d", "2025-02-02", asset="a", seller=BUYER, buyer=THIRD)
    seen = looked(memory(asset("a"), sold, on), "a")
    assert [(BUYER, False), (THIRD, True)] == sorted((one.party, one.last) for one in seen.holders if one.contracts)


@pytest.mark.parametrize(
    ("at", "holds"),
    [("2025-02-09T23:59:59.999999", False), ("2025-02-10", True), ("2025-02-19T23:59:59", True), ("2025-02-20", False)],
)
def test_a_contract_holds_within_its_validity(at: str, holds: bool) -> None:
    dated = terms(valid_from="2025-02-10", valid_to="2025-02-20T00:00:00+08:00")
    seen = looked(memory(asset("a"), signed("c", "2025-02-01", asset="a", terms=dated)), "a", at)
    assert holds == bool(seen.contracts)


# Watermarks.

MARKED = [
    asset("a"),
    signed("c", "2025-02-01", asset="a", terms=terms(resale=True)),
    delivered("c", "2025-02-02", watermark="w", country="SG", delivery="d"),
    signed("e", "2025-02-03", asset="a", seller=BUYER, buyer=THIRD),
]


def sighted(holder: str, time: str = "2025-03-01", watermark: str = "w") -> Json:
    return event("watermark.sighted", "a", time, watermark=watermark, holder=holder, place="a forum")


def test_a_watermark_is_followed_from_its_delivery_to_where_it_was_seen(store: Store) -> None:
    events = [*MARKED, sighted(THIRD), sighted("x:four", "2025-03-02"), party("x:four", controller=BUYER)]
    (mark,) = looked(filled(store, *events), "a").watermarks
    assert [("d", "c", BUYER, "SG")] == [(o.delivery, o.contract, o.recipient, o.country) for o in mark.deliveries]
    assert [(THIRD, True, ["e"], []), ("x:four", False, [], [BUYER])] == [
        (one.holder, one.permitted, one.chain, one.related) for one in mark.sightings
    ]


def test_a_mark_that_nobody_delivered_is_neither_permitted_nor_not() -> None:
    (_, mark) = looked(memory(*MARKED, sighted(THIRD, watermark="x")), "a").watermarks
    assert [None] == [one.permitted for one in mark.sightings]


@pytest.mark.parametrize(
    ("sold", "permitted", "expected"),
    [
        ([], True, None),
        ([Sold("c", "b", "h", False)], True, ["c"]),
        ([Sold("c", "b", "m", False), Sold("d", "m", "h", False)], True, None),
        ([Sold("c", "b", "m", False), Sold("d", "m", "h", False)], False, ["c", "d"]),
        ([Sold("c", "b", "m", True), Sold("d", "m", "b", True), Sold("e", "m", "h", True)], True, ["c", "e"]),
        ([Sold("z", "b", "h", True), Sold("y", "b", "h", True)], True, ["y"]),
    ],
)
def test_the_way_of_a_mark_is_the_shortest_chain_of_contracts(
    sold: Sequence[Sold], permitted: bool, expected: list[str] | None
) -> None:
    assert expected == way([Start("b", True)], sold, "h", permitted=permitted)


# Runs, columns, honest ends.


def test_columns_are_followed_over_several_runs_and_those_that_lead_elsewhere_are_left_out(store: Store) -> None:
    def lineage(**fields: str) -> Json:
        said = {
            name: {"inputFields": [{"namespace": "db", "name": of.split(".")[0], "field": of.split(".")[1]}]}
            for name, of in fields.items()
        }
        return {"columnLineage": {"fields": said}}

    seen = looked(
        filled(
            store,
            run("r1", "START", "2025-02-01T00:00:00Z", ["raw"]),
            run("r1", "COMPLETE", "2025-02-01T01:00:00Z", (), ["mid"], {"mid": lineage(x="raw.a", y="raw.b")}),
            run("r2", "COMPLETE", "2025-02-02T00:00:00Z", ["mid"], ["out"], {"out": lineage(z="mid.x")}),
        ),
        "db/out",
    )
    assert [("db/mid", "x", "db/raw", "a"), ("db/out", "z", "db/mid", "x")] == [
        (one.output, one.column, one.input, one.input_column) for one in seen.columns
    ]


def test_an_end_says_why_nothing_lies_beyond_it() -> None:
    store = memory(
        derived("p", "2025-02-01", "collected", "silent", "acquired", "unregistered", "db/running", "db/failed"),
        asset("collected", origin="collected"),
        asset("silent"),
        asset("acquired", origin="acquired"),
        run("r1", "START", "2025-01-01T00:00:00Z", ["lost"], ["running"]),
        run("r2", "START", "2025-01-01T00:00:00Z", ["lost"]),
        run("r2", "FAIL", "2025-01-01T01:00:00Z", (), ["failed"]),
    )
    seen = looked(store, "p")
    assert {
        "collected": "collected",
        "silent": "unstated",
        "acquired": "unknown",
        "unregistered": "unregistered",
        "db/running": "run-not-completed",
        "db/failed": "run-not-completed",
    } == {one.asset: one.end for one in seen.ancestors or ()}
    assert [("r1", "running"), ("r2", "failed")] == [(one.run, one.state) for one in seen.runs]


def test_a_run_that_a_derivation_names_and_nobody_heard_of_is_missing(store: Store) -> None:
    filled(
        store,
        derived("p", "2025-02-01", "a", run="heard"),
        derived("p", "2025-02-02", "b", run="never"),
        run("heard", "START", "2025-01-01T00:00:00Z", ["x"]),
    )
    seen = looked(store, "p")
    assert [("never", "missing", ["p"], None)] == [(one.run, one.state, one.outputs, one.job) for one in seen.runs]
    assert ["a", "b"] == [one.asset for one in seen.ancestors or ()]


def test_what_lies_beyond_a_limit_is_an_end_that_is_cut_off() -> None:
    chain = [derived(f"a{n}", "2025-02-01", f"a{n + 1}") for n in range(4)]
    seen = looked(memory(*chain), "a0", limits=Limits(assets_max=2))
    assert [("a1", None), ("a2", "cut-off")] == [(one.asset, one.end) for one in seen.ancestors or ()]
    assert ["assets_max"] == [one.name for one in seen.cut_off]


def test_a_run_names_the_run_that_started_it_and_an_owner_is_told_by_its_facet() -> None:
    parent = {"parent": {"run": {"runId": "dag"}, "job": {"namespace": "jobs", "name": "nightly"}}}
    facets = {"out": {"ownership": {"owners": [{"name": "team:a"}, {"name": "team:b"}]}}}
    seen = looked(
        memory(run("r", "COMPLETE", "2025-02-01T00:00:00Z", ["in"], ["out"], facets, facets=parent)), "db/out"
    )
    assert [("r", "jobs/job of r", "dag", "jobs/nightly")] == [
        (one.run, one.job, one.parent, one.parent_job) for one in seen.runs
    ]
    assert ["team:a", "team:b"] == seen.asset.owners


# What was known when.


def test_what_came_later_was_not_known_and_what_was_taken_back_later_was(store: Store) -> None:
    first = derived("product", "2025-01-10", "one")
    signing = signed("c", "2025-01-11", asset="product")
    run_ = run("r", "COMPLETE", "2025-01-12T00:00:00Z", ["two"], ["mid"])
    filled(
        store,
        party(SELLER, name="Old"),
        asset("product"),
        first,
        signing,
        derived("product", "2025-01-13", "db/mid"),
        run_,
    )
    with store.reading() as db:
        (known_at,) = db.one("select max(taken) from events") or (0,)
    before = looked(store, "product")
    taken_back = [
        event("event.retracted", "r", "2025-02-01", source="urn:producer", event="COMPLETE@2025-01-12T00:00:00Z",
              type="openlineage.run", reason="in error"),
        retracted(first, "2025-02-01"),
        retracted(signing, "2025-02-01"),
    ]  # fmt: skip
    filled(
        store, party(SELLER, "2025-01-01T00:00:01", name="New"), derived("product", "2025-01-14", "three"), *taken_back
    )
    now, then = looked(store, "product"), looked(store, "product", known_at=known_at)
    assert ["db/mid", "three"] == [one.asset for one in now.ancestors or ()]
    assert ["db/mid", "one", "db/two"] == [one.asset for one in then.ancestors or ()]
    assert [] == now.contracts
    assert before == msgspec.structs.replace(then, known_at=None)


def test_as_of_and_known_at_are_two_questions() -> None:
    store = memory(derived("product", "2025-01-10", "one"))
    with store.reading() as db:
        (known_at,) = db.one("select max(taken) from events") or (0,)
    filled(store, derived("product", "2025-01-05", "late"))
    assert ["late", "one"] == [one.asset for one in looked(store, "product", "2025-01-11").ancestors or ()]
    assert ["one"] == [one.asset for one in looked(store, "product", "2025-01-11", known_at=known_at).ancestors or ()]
    assert ["late"] == [one.asset for one in looked(store, "product", "2025-01-09").ancestors or ()]
    assert [] == looked(store, "product", "2025-01-09", known_at=known_at).ancestors


def test_names_of_a_dataset_were_known_both_ways(store: Store) -> None:
    facets = {"s": {"symlinks": {"identifiers": [{"namespace": "hive", "name": "s", "type": "TABLE"}]}}}
    filled(store, run("r", "COMPLETE", "2025-02-01T00:00:00Z", ["s"], ["out"], facets))
    with store.reading() as db:
        (known_at,) = db.one("select max(taken) from events") or (0,)
    for start in ("db/s", "hive/s", "db/out"):
        now, then = looked(store, start), looked(store, start, known_at=known_at)
        assert (now.ancestors, now.descendants) == (then.ancestors, then.descendants)
    assert ["db/s", "db/out"] == [one.asset for one in looked(store, "hive/s").descendants or ()]
