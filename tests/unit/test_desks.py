"""The desks: numbers and duplicates, uses that wait, cancellations, retractions, and facts that come late."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    entry,
    event,
    listed,
    pack,
    party,
    retracted,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from streams.intake.waiting import WAITING_MAX
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.modes import only

OTHER = "//other.example"
NOTHING = pack()
SECRET = only("negative-list", entries=[entry("secret")])


class Desks(NamedTuple):
    standing: list[Json]
    left: list[Json]
    rejected: list[Json]
    duplicates: int

    def of(self, detector: str) -> list[Json]:
        return [one for one in self.standing if one["detector"] == detector]


def taken_in(lines: Sequence[Json], rules: Json = NOTHING) -> Desks:
    store = Store("sqlite://")
    left: list[bytes] = []
    rejected: list[bytes] = []
    run = Replay(
        offline(store, parse_pack(rules, published=False)), Admission(), findings=left.append, rejected=rejected.append
    )
    tally = run.run(orjson.dumps(one) for one in lines)
    with store.reading() as db:
        rows = db.rows("select data from findings where standing order by occurred, finding")
    return Desks(
        [orjson.loads(row[0]) for row in rows],
        [orjson.loads(one) for one in left],
        [orjson.loads(one) for one in rejected],
        tally.duplicates,
    )


def numbered(sequence: int, *, id: str | None = None, **changes: Any) -> Json:
    given = {"name": f"Name {sequence}", "id": id or f"n{sequence}"} | changes
    return party(SELLER, f"2025-02-01T08:00:{sequence:02}", sequence=sequence, **given)


def cancelled(usage: str, time: str, uses: int, **attributes: Any) -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses, **attributes)


def total(lines: Sequence[Json], limit: str = "uses") -> int:
    """The running total after these lines: what an amendment to a limit of nothing finds, or the first use after it."""
    last = event(
        "contract.amended",
        "c",
        "2026-01-01",
        **signed("c", "2026-01-01")["data"] | {"terms": terms(**{f"{limit}_max": 0})},
    )
    probe = used("c", "2026-01-02", 1, id="probe", bytes=1, rows=1)
    causes = {last["id"]: 0, "probe": 1}
    (found,) = [one for one in taken_in([*lines, last, probe]).of("usage-limit") if one["cause"]["id"] in causes]
    used_: int = found["evidence"]["used"]
    return used_ - causes[found["cause"]["id"]]


def missing(desks: Desks) -> list[tuple[str, list[list[int]]]]:
    return [(one["cause"]["id"], one["evidence"]["missing"]) for one in desks.of("feed-gap")]


OPEN = signed("c", "2025-01-01")


# Numbers.


def test_an_event_that_reveals_missing_numbers_raises_one_gap() -> None:
    assert [("n4", [[2, 3]])] == missing(taken_in([numbered(1), numbered(4)]))


def test_a_gap_is_cleared_when_the_last_of_its_numbers_comes() -> None:
    lines = [numbered(4), numbered(2), numbered(1), numbered(3)]
    assert [("n4", [[1, 3]])] == missing(taken_in(lines[:3]))
    desks = taken_in(lines)
    assert [] == missing(desks)
    assert ["raised", "cleared"] == [one["type"].rsplit(".", 1)[1] for one in desks.left]


def test_what_comes_after_all_is_taken_in() -> None:
    late = party(SELLER, "2025-02-02", sequence=1, id="n1", industry="I65")
    shown = listed("asset", "2025-03-01")
    rules = pack(entry("software", match={"industry": "I65"}))
    lines = [asset("asset", owner=SELLER, industry=None), shown, party(BUYER, "2025-02-01"), numbered(2), late]
    assert ["match"] == [one["evidence"]["verdict"] for one in taken_in(lines, rules).of("negative-list")]


def test_a_number_that_came_is_a_duplicate_whatever_its_id() -> None:
    desks = taken_in([numbered(1), numbered(2), numbered(1, id="another"), numbered(2, id="n2")])
    assert (2, []) == (desks.duplicates, missing(desks))


def test_a_new_number_is_no_duplicate_whatever_its_id() -> None:
    assert 0 == taken_in([numbered(1, id="same"), numbered(2, id="same")]).duplicates


def test_without_a_number_source_and_id_decide_within_one_subject() -> None:
    first = party(SELLER, "2025-02-01", id="1")
    lines = [
        first,
        party(SELLER, "2025-03-01", id="1", name="Another"),
        party(SELLER, "2025-02-01", id="2"),
        party(SELLER, "2025-02-01", id="1", source=OTHER),
        party(BUYER, "2025-02-01", id="1"),
    ]
    assert 1 == taken_in(lines).duplicates


def test_sources_and_subjects_are_counted_apart() -> None:
    lines = [
        numbered(1),
        party(BUYER, "2025-02-01", sequence=1, id="b"),
        party(SELLER, "2025-02-01", sequence=1, id="s", source=OTHER),
    ]
    desks = taken_in(lines)
    assert (0, []) == (desks.duplicates, missing(desks))


@pytest.mark.parametrize("second", [2, 3])
def test_the_number_of_a_refused_record_stays_missing_until_a_good_one_bears_it(second: int) -> None:
    refused = cancelled("never", "2025-02-01", 1, sequence=2, id="refused")
    lines = [
        signed("c", "2025-01-01", sequence=1, id="n1"),
        refused,
        used("c", "2025-02-02", sequence=3, id="n3"),
    ]
    desks = taken_in(lines)
    assert ["refused"] == [orjson.loads(one["record"])["id"] for one in desks.rejected]
    assert [("n3", [[2, 2]])] == missing(desks)
    good = used("c", "2025-02-02", sequence=second, id="good")
    desks = taken_in([*lines, good])
    assert ([] if second == 2 else [("n3", [[2, 2]])]) == missing(desks)
    assert (0 if second == 2 else 1) == desks.duplicates


def test_a_record_that_admission_rejects_leaves_its_number_missing_too() -> None:
    broken = numbered(2) | {"data": {"name": "without roles"}}
    assert [("n3", [[2, 2]])] == missing(taken_in([numbered(1), broken, numbered(3)]))


# Uses that wait.


@pytest.mark.slow
def test_as_many_uses_wait_as_may_and_the_next_one_is_refused() -> None:
    lines = [used("c", "2025-02-01", id=f"u{at}") for at in range(WAITING_MAX + 1)]
    desks = taken_in(lines)
    assert [(WAITING_MAX + 1, "invalid-data")] == [(one["line"], one["reason"]) for one in desks.rejected]
    assert WAITING_MAX == total([*lines, OPEN])


def test_deliveries_that_wait_take_no_place_of_uses() -> None:
    lines = [
        delivered("c", "2025-02-01", bytes=7),
        *(used("c", "2025-02-01", id=f"u{at}") for at in range(WAITING_MAX)),
    ]
    assert [] == taken_in(lines).rejected


def test_uses_that_waited_are_counted_once() -> None:
    lines = [used("c", "2025-02-01", 3, id="u"), OPEN, signed("c", "2025-01-02", amended=True)]
    assert 3 == total(lines)


# Cancellations.


@pytest.mark.parametrize(
    "unknown",
    [
        cancelled("never", "2025-02-02", 1),
        cancelled("u", "2025-02-02", 1, source=OTHER),
        event("usage.cancelled", "another", "2025-02-02", usage="u", uses=1),
    ],
    ids=["never reported", "of another source", "on another contract"],
)
def test_what_is_not_known_cannot_be_cancelled(unknown: Json) -> None:
    lines = [OPEN, signed("another", "2025-01-01"), used("c", "2025-02-01", 5, id="u"), unknown]
    desks = taken_in(lines)
    assert [(4, "invalid-data")] == [(one["line"], one["reason"]) for one in desks.rejected]
    assert 5 == total(lines)


def test_a_cancellation_before_its_use_is_refused() -> None:
    lines = [OPEN, cancelled("u", "2025-02-02", 1), used("c", "2025-02-01", 5, id="u")]
    assert ["invalid-data"] == [one["reason"] for one in taken_in(lines).rejected]
    assert 5 == total(lines)


@pytest.mark.parametrize(("given_back", "left"), [((4,), 6), ((10,), 0), ((11,), 0), ((7, 7), 0), ((0, 3), 7)])
@pytest.mark.parametrize("waits", [False, True])
def test_a_cancellation_gives_back_at_most_what_is_left(given_back: tuple[int, ...], left: int, waits: bool) -> None:
    use = used("c", "2025-02-01", 10, id="u")
    cancellations = [cancelled("u", f"2025-02-0{2 + at}", uses) for at, uses in enumerate(given_back)]
    lines = [use, *cancellations, OPEN] if waits else [OPEN, use, *cancellations]
    kept = used("c", "2025-02-01", 100, id="kept")
    assert 100 + left == total([*lines, kept])


def test_a_cancelled_use_gives_back_to_its_window() -> None:
    daily = signed("c", "2025-01-01", terms=terms(windows=[{"uses_max": 10, "seconds": 86_400}]))
    lines = [
        daily,
        used("c", "2025-02-01T10:00", 7, id="u"),
        used("c", "2025-02-02T10:00", 7, id="next"),
        cancelled("u", "2025-02-02T11:00", 7),
        used("c", "2025-02-01T12:00", 7, id="again"),
        used("c", "2025-02-02T12:00", 1, id="full"),
    ]
    found = taken_in(lines).of("usage-limit")
    assert [("full", "2025-02-02T00:00:00+08:00", 8)] == [
        (one["cause"]["id"], one["evidence"]["window"], one["evidence"]["used"]) for one in found
    ]


def test_a_cancellation_by_its_terms_of_then_works_after_they_ended() -> None:
    lines = [OPEN, used("c", "2025-02-01", 5, id="u"), retracted(OPEN, "2025-02-02"), cancelled("u", "2025-02-03", 2)]
    assert [] == taken_in(lines).rejected
    assert 3 == total(lines)


# Retractions.


@pytest.mark.parametrize("before", [False, True])
def test_a_retraction_counts_also_before_what_it_takes_back(before: bool) -> None:
    shown = listed("asset", "2025-02-01")
    back = retracted(shown, "2025-02-02")
    lines = [asset("asset", tags=["secret"]), *([back, shown] if before else [shown, back])]
    assert [] == taken_in(lines, SECRET).standing


def test_a_retraction_takes_back_what_its_source_said_and_nobody_else() -> None:
    shown = listed("asset", "2025-02-01", id="1")
    same = listed("asset", "2025-02-01", id="1", source=OTHER)
    lines = [asset("asset", tags=["secret"]), shown, same, retracted(shown, "2025-02-02")]
    assert [OTHER] == [one["cause"]["source"] for one in taken_in(lines, SECRET).standing]


def test_a_use_cannot_be_retracted() -> None:
    use = used("c", "2025-02-01", id="u")
    assert ["invalid-data"] == [one["reason"] for one in taken_in([OPEN, use, retracted(use, "2025-02-02")]).rejected]


@pytest.mark.parametrize("before", [False, True])
def test_a_retracted_delivery_gives_back_its_volumes(before: bool) -> None:
    taken_back = delivered("c", "2025-02-01", bytes=70, rows=7)
    back = retracted(taken_back, "2025-02-02")
    lines = [
        OPEN,
        delivered("c", "2025-02-03", bytes=5, rows=5),
        *([back, taken_back] if before else [taken_back, back]),
    ]
    assert (5, 5) == (total(lines, "bytes"), total(lines, "rows"))


def test_of_two_reports_of_a_delivery_the_other_counts_when_one_is_taken_back() -> None:
    first = delivered("c", "2025-02-01", delivery="d", bytes=70)
    second = delivered("c", "2025-02-02", delivery="d", bytes=60)
    assert 70 == total([OPEN, second, first], "bytes")
    assert 60 == total([OPEN, first, second, retracted(first, "2025-02-03")], "bytes")


def test_two_sources_may_use_one_id_for_their_reports_of_a_delivery() -> None:
    first = delivered("c", "2025-02-01", delivery="d", bytes=70, id="1")
    second = delivered("c", "2025-02-02", delivery="d", bytes=60, id="1", source=OTHER)
    assert 60 == total([OPEN, first, second, retracted(first, "2025-02-03")], "bytes")


def test_a_delivery_gives_back_its_volumes_also_when_all_terms_have_ended() -> None:
    first = delivered("c", "2025-02-01", bytes=70)
    lines = [OPEN, first, retracted(OPEN, "2025-02-02"), retracted(first, "2025-02-03"), signed("c", "2025-01-02")]
    assert 5 == total([*lines, delivered("c", "2025-02-04", bytes=5)], "bytes")


def test_a_limit_that_is_passed_by_a_retraction_is_passed_by_the_report_that_then_counts() -> None:
    held = signed("c", "2025-01-01", terms=terms(bytes_max=100))
    small = delivered("c", "2025-02-01", delivery="d", bytes=1, id="small")
    large = delivered("c", "2025-02-02", delivery="d", bytes=90, id="large")
    (found,) = taken_in([held, small, large, retracted(small, "2025-02-03")]).of("usage-limit")
    assert ("large", 90) == (found["cause"]["id"], found["evidence"]["used"])


def test_terms_that_were_taken_back_end_there_on_the_key() -> None:
    strict = signed("c", "2025-01-02", amended=True, terms=terms(purposes=["credit"]))
    lines = [
        OPEN,
        strict,
        used("c", "2025-02-01", id="before"),
        retracted(strict, "2025-01-03"),
        used("c", "2025-02-01", id="after"),
    ]
    assert ["before"] == [one["cause"]["id"] for one in taken_in(lines).of("purpose-drift")]


def test_without_any_terms_left_uses_wait_for_the_next() -> None:
    strict = signed("c", "2025-03-01", terms=terms(purposes=["credit"]))
    lines = [OPEN, retracted(OPEN, "2025-01-02"), used("c", "2025-02-01", id="u")]
    assert [] == taken_in(lines).of("purpose-drift")
    assert ["u"] == [one["cause"]["id"] for one in taken_in([*lines, strict]).of("purpose-drift")]


# Facts that come late.


def test_a_registration_that_comes_after_the_trade_clears_what_was_not_known() -> None:
    lines = [signed("c", "2025-02-01")]
    assert ["needs-info"] == [one["evidence"]["verdict"] for one in taken_in(lines, SECRET).standing]
    desks = taken_in([*lines, asset("asset", "2025-03-01")], SECRET)
    assert [] == desks.standing
    assert ["raised", "cleared"] == [one["type"].rsplit(".", 1)[1] for one in desks.left]


def test_a_grading_of_later_changes_nothing_of_before() -> None:
    graded = event("asset.graded", "asset", "2025-03-01", level="general", personal="none", reason="review")
    lines = [asset("asset", level="ungraded"), signed("c", "2025-02-01"), graded, signed("d", "2025-03-01")]
    (found,) = taken_in(lines, only("negative-list", entries=[entry("core", match={"level": ["core"]})])).standing
    assert ("needs-info", "2025-02-01T00:00:00+08:00") == (found["evidence"]["verdict"], found["occurred"])


def test_a_better_report_takes_the_place_of_a_worse_one() -> None:
    held = signed("c", "2025-01-01", terms=terms(countries=["CN"]))
    worse = delivered("c", "2025-02-01", delivery="d", country="DE", reporter="provider")
    better = delivered("c", "2025-02-02", delivery="d", country="CN")
    assert ["DE"] == [one["evidence"]["given"] for one in taken_in([held, worse]).of("outside-terms")]
    assert [] == taken_in([held, worse, better]).of("outside-terms")
    lines = [held, worse, better, retracted(better, "2025-02-03")]
    assert ["DE"] == [one["evidence"]["given"] for one in taken_in(lines).of("outside-terms")]


def test_a_pack_that_is_published_later_judges_anew() -> None:
    lines = [asset("asset", tags=["secret"]), listed("asset", "2025-02-01"), listed("asset", "2024-12-31")]
    published = event("rulepack.published", "beijing", "2025-06-01", **SECRET | {"valid_from": "2025-01-01"})
    assert [] == taken_in(lines).of("negative-list")
    found = taken_in([*lines, published]).of("negative-list")
    # what was listed before is screened when the pack takes effect
    assert [("2025-01-01T00:00:00+08:00", False), ("2025-02-01T00:00:00+08:00", True)] == [
        (one["occurred"], "cause" in one) for one in found
    ]
    assert [] == taken_in([*lines, published, retracted(published, "2025-06-02")]).of("negative-list")


def test_a_pack_with_fewer_than_two_approvers_is_refused_and_judges_nothing() -> None:
    strict = SECRET | {
        "valid_from": "2025-01-01",
        "approved_by": ["one", "one"],
        "detectors": {"negative-list": {"mode": "enforce"}},
    }
    lines = [asset("asset", tags=["secret"]), listed("asset", "2025-02-01")]
    desks = taken_in([*lines, event("rulepack.published", "beijing", "2025-06-01", **strict)])
    assert (["invalid-data"], []) == ([one["reason"] for one in desks.rejected], desks.of("negative-list"))


# Lineage of runs.


def run_event(kind: str, time: str, *, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Json:
    return {
        "eventType": kind,
        "eventTime": time,
        "run": {"runId": "run-1"},
        "job": {"namespace": "ns", "name": "job"},
        "producer": "//lineage.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "inputs": [{"namespace": "ns", "name": name} for name in inputs],
        "outputs": [{"namespace": "ns", "name": name} for name in outputs],
    }


STARTED = run_event("START", "2025-02-01T00:00:00+08:00", inputs=["raw"])
COMPLETED = run_event("COMPLETE", "2025-02-01T01:00:00+08:00", outputs=["made"])
LINEAGE = [asset("ns/raw", tags=["secret"]), asset("ns/made"), listed("ns/made", "2025-03-01")]


def test_the_events_of_a_run_add_up_in_any_order() -> None:
    for lines in ([STARTED, COMPLETED, *LINEAGE], [*LINEAGE, COMPLETED, STARTED]):
        (found,) = taken_in(lines, SECRET).standing
        assert ["ns/raw", "ns/made"] == found["evidence"]["path"]


@pytest.mark.parametrize("kind", ["FAIL", "ABORT", "OTHER"])
def test_a_run_that_does_not_complete_derives_nothing(kind: str) -> None:
    ended = COMPLETED | {"eventType": kind}
    assert [] == taken_in([STARTED, ended, *LINEAGE], SECRET).standing


def test_a_run_derives_when_it_completes_and_not_before() -> None:
    lines = [STARTED, COMPLETED, *LINEAGE[:2]]
    early, late = listed("ns/made", "2025-02-01T00:59:59.999999"), listed("ns/made", "2025-02-01T01:00")
    assert [late["id"]] == [one["cause"]["id"] for one in taken_in([*lines, early, late], SECRET).standing]


# What restrictions ask of parties that are named.


def test_the_owner_of_an_ancestor_is_held_against_the_list_too() -> None:
    rules = only("negative-list", entries=[entry("shunned", match={"parties": [THIRD]})])
    derived = event("asset.derived", "asset", "2025-01-02", inputs=[{"asset": "raw"}], process="join")
    lines = [party(OWNER), asset("raw", owner=THIRD), asset("asset"), derived, listed("asset", "2025-02-01")]
    (found,) = taken_in(lines, rules).standing
    assert "raw" == found["evidence"]["origin"]
