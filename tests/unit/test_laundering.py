"""What somebody may try so that forbidden data passes for something else: none of it works.

Each attempt ends with `product` being listed. What it comes from was named by the negative list, so the listing must be
found out, and whoever looks through the product must see where it comes from.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import OWNER, Json, asset, derived, entry, event, listed, pack, retracted
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from streams.answers import trace
from streams.answers.trace_document import Trace
from streams.offline.replay import Replay, offline
from streams.store.store import Store

LATER = parse_instant("2026-01-01")
GENOME = {"category": "genome", "fields": ["sample", "variant"], "digest": "sha256:01"}
SOURCE = asset("source", **GENOME)
CLEAN = {"category": "traffic", "fields": ["road"]}
PRODUCT = asset("product", **CLEAN)
LISTED = listed("product", "2025-06-01")
EVIDENCE = {"irreversible": True, "evidence": "document"}


def run(state: str, inputs: Iterable[str] = (), outputs: Iterable[str] = (), **facets: Json) -> Json:
    """An event of one OpenLineage run over datasets of a namespace `d`."""

    def dataset(name: str) -> Json:
        return {"namespace": "d", "name": name, "facets": facets.get(name, {})}

    return {
        "eventType": state,
        "eventTime": "2025-03-01T00:00:00Z" if state == "START" else "2025-03-01T01:00:00Z",
        "run": {"runId": "run"},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [dataset(one) for one in inputs],
        "outputs": [dataset(one) for one in outputs],
        "producer": "urn:producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def found(events: Sequence[Json], **named: Any) -> tuple[list[Json], Trace]:
    """The findings that stand, and the product looked through."""
    rules = parse_pack(pack(entry("genomes", match={"category": ["genome"]}, **named)), published=True)
    store = Store("sqlite://")
    tally = Replay(offline(store, rules), Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected
    with store.reading() as db:
        said = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]
        return said, trace.look_through(db, "product", LATER, packs=Packs(rules))


def detected(said: Iterable[Json], detector: str) -> list[Json]:
    return [one for one in said if one["detector"] == detector and one["about"]["id"] == "product"]


BEFORE = {"namespace": "d", "name": "x"}
RENAME = {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": BEFORE}}
SYMLINK = {"symlinks": {"identifiers": [{"namespace": "d", "name": "y", "type": "TABLE"}]}}

ATTEMPTS: dict[str, list[Json]] = {
    "a plain copy": [derived("product", "2025-03-01", "source", process="copy")],
    "many steps": [
        *(derived(f"step-{n}", "2025-03-01", f"step-{n - 1}" if n else "source") for n in range(40)),
        derived("product", "2025-03-02", "step-39"),
    ],
    "a rename of the dataset": [
        derived("d/x", "2025-02-01", "source"),
        run("COMPLETE", [], ["new"], new=RENAME),
        derived("product", "2025-03-02", "d/new"),
    ],
    "another name of the dataset": [
        derived("d/x", "2025-02-01", "source"),
        run("COMPLETE", ["x"], [], x=SYMLINK),
        derived("product", "2025-03-02", "d/y"),
    ],
    "a second registration with another title": [
        derived("product", "2025-03-01", "middle"),
        derived("middle", "2025-02-01", "source"),
        asset("middle", "2025-02-01", title="Before"),
        asset("middle", "2025-02-02", title="After", **CLEAN),
    ],
    "the middle is withdrawn": [
        derived("middle", "2025-02-01", "source"),
        derived("product", "2025-03-01", "middle"),
        event("asset.withdrawn", "middle", "2025-03-02", reason="no longer needed"),
    ],
    "the source is withdrawn": [
        derived("product", "2025-03-01", "source"),
        event("asset.withdrawn", "source", "2025-03-02", reason="no longer needed"),
    ],
    "the source is delisted": [
        listed("source", "2025-01-02", product="raw"),
        event("product.delisted", "source", "2025-01-03", product="raw", reason="found out"),
        derived("product", "2025-03-01", "source"),
    ],
    "the registration of the middle is taken back": [
        asset("middle", "2025-01-05"),
        derived("middle", "2025-02-01", "source"),
        derived("product", "2025-03-01", "middle"),
        retracted(asset("middle", "2025-01-05"), "2025-04-01"),
    ],
    "a cycle": [
        derived("middle", "2025-02-01", "source", "product"),
        derived("product", "2025-03-01", "middle"),
        derived("source", "2025-03-02", "product"),
    ],
    "split and joined again": [
        *(derived(f"part-{n}", "2025-02-01", "source") for n in range(20)),
        derived("product", "2025-03-01", *(f"part-{n}" for n in range(20))),
    ],
    "a small share of much else": [
        event(
            "asset.derived",
            "product",
            "2025-03-01",
            process="join",
            inputs=[{"asset": "source", "share": 0}, *({"asset": f"clean-{n}", "share": 0.01} for n in range(100))],
        ),
    ],
    "a copy that is said to be irreversible": [derived("product", "2025-03-01", "source", process="copy", **EVIDENCE)],
    "a join that is said to be irreversible": [derived("product", "2025-03-01", "source", process="join", **EVIDENCE)],
    "a masking that is said to be irreversible": [
        derived("product", "2025-03-01", "source", process="deidentify", **EVIDENCE)
    ],
    "irreversible without evidence": [
        derived("product", "2025-03-01", "source", process="aggregate", irreversible=True)
    ],
    "irreversible with empty evidence": [
        derived("product", "2025-03-01", "source", process="anonymise", irreversible=True, evidence="")
    ],
    "evidence that says nothing of irreversible": [
        derived("product", "2025-03-01", "source", process="model", evidence="document")
    ],
    "an irreversible step beside a plain one": [
        derived("product", "2025-03-01", "source", process="model", **EVIDENCE),
        derived("product", "2025-03-02", "source"),
    ],
    "an irreversible step beside a way around": [
        derived("product", "2025-03-01", "source", process="model", **EVIDENCE),
        derived("product", "2025-03-01", "around"),
        derived("around", "2025-02-01", "source"),
    ],
    "a run whose start reads and whose end writes": [
        derived("d/x", "2025-02-01", "source"),
        run("START", ["x"]),
        run("COMPLETE", [], ["out"]),
        derived("product", "2025-03-02", "d/out"),
    ],
    "a harmless derivation is stated first": [
        derived("product", "2025-02-01", "clean"),
        derived("product", "2025-03-01", "source"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_attempt_hides_where_a_product_comes_from(attempt: str) -> None:
    for order in (ATTEMPTS[attempt], ATTEMPTS[attempt][::-1]):
        if any(one.get("type") == "circulation.event.retracted" for one in order) and order is not ATTEMPTS[attempt]:
            continue
        said, seen = found([SOURCE, PRODUCT, *order, LISTED])
        (hit,) = [one for one in detected(said, "negative-list") if one["evidence"]["verdict"] == "match"]
        assert ("red", "source", "source", "product") == (
            hit["severity"],
            hit["evidence"]["origin"],
            hit["evidence"]["path"][0],
            hit["evidence"]["path"][-1],
        )
        (match,) = [one for one in seen.matches if one.asset == "source"]
        assert (True, hit["evidence"]["path"]) == (match.inherited, match.paths[0])
        assert "source" in {one.asset for one in seen.ancestors or ()}


def test_a_name_that_was_not_known_is_found_out_when_it_comes() -> None:
    """The derivation is stated only after the listing was judged."""
    late = [PRODUCT, LISTED, SOURCE, derived("product", "2025-03-01", "source")]
    assert detected(found(late)[0], "negative-list")


@pytest.mark.parametrize(
    "again",
    [
        {"digest": "sha256:01", "category": "traffic", "fields": ["road"]},
        {"fields": ["sample", "variant"], "category": "traffic", "owner": OWNER},
    ],
)
def test_registering_the_same_under_a_new_id_is_found_out_where_nobody_states_the_derivation(again: Json) -> None:
    said, seen = found([SOURCE, asset("product", "2025-02-01", **again), LISTED])
    assert 1 == len(detected(said, "duplicate-registration"))
    # No one said what it comes from, and that is what is told: not that it comes from nothing.
    assert "unstated" == seen.asset.end


def test_a_sticky_entry_is_inherited_whatever_the_step() -> None:
    steps = [derived("product", "2025-03-01", "source", process="anonymise", **EVIDENCE)]
    assert [] == detected(found([SOURCE, PRODUCT, *steps, LISTED])[0], "negative-list")
    assert 1 == len(detected(found([SOURCE, PRODUCT, *steps, LISTED], sticky=True)[0], "negative-list"))


@pytest.mark.parametrize("state", ["FAIL", "ABORT", "OTHER"])
def test_a_run_that_did_not_complete_derives_nothing_and_is_not_taken_for_no_source(state: str) -> None:
    events = [run("START", ["x"], ["out"]), run(state, [], ["out"]), derived("product", "2025-03-02", "d/out")]
    said, seen = found([SOURCE, PRODUCT, derived("d/x", "2025-02-01", "source"), *events, LISTED])
    assert [] == detected(said, "negative-list")
    assert 1 == len(detected(said, "broken-provenance"))
    (above,) = seen.ancestors or ()
    assert ("d/out", "run-not-completed") == (above.asset, above.end)


def test_the_list_that_comes_later_finds_what_is_listed_already() -> None:
    """An entry that takes effect screens what circulates, through all steps."""
    said, _ = found([SOURCE, PRODUCT, *ATTEMPTS["many steps"], LISTED], valid_from="2025-07-01")
    assert [] == detected(said, "negative-list")
    later = event("source.heartbeat", "urn:x", "2025-08-01", source="urn:x")
    said, _ = found([SOURCE, PRODUCT, *ATTEMPTS["many steps"], LISTED, later], valid_from="2025-07-01")
    (hit,) = detected(said, "negative-list")
    assert ("2025-07-01T00:00:00+08:00", 42) == (hit["occurred"], len(hit["evidence"]["path"]))
