"""Credit: a fold over records, objections, repairs, merits and findings (contract §5), to the day and to the point."""

import datetime as dt
import itertools
import random
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import DAY, parse_instant, start_of_day
from circulation.credit.settings import Decision, Settings, settings_of
from circulation.credit.statement import Standing, statement
from circulation.events.event import Event
from circulation.examples import BUYER, SELLER, Json, entry, event, listed, pack, party, retracted, signed, terms, used
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.modes import only

NOW = parse_instant("2025-06-01")


def admitted(said: Json) -> Event:
    answer = Admission().admit(orjson.dumps(said), topic=None, key=ANY, headers=(), now=2**61)
    assert isinstance(answer, Event), answer
    return answer


def determined(
    record: str = "r", time: str = "2025-02-01", tier: str = "general", date: str = "2025-01-31", **more: Any
) -> Json:
    members = {"record": record, "act": "sold what was not his", "tier": tier, "document_date": date, "decided_by": "d"}
    return event("credit.determined", SELLER, time, **(members | more))


def objected(objection: str = "o", time: str = "2025-03-01", **to: str) -> Json:
    return event("objection.filed", SELLER, time, objection=objection, grounds="it was not us", **to)


def decided(outcome: str, objection: str = "o", time: str = "2025-03-10", **more: str) -> Json:
    members = {"objection": objection, "outcome": outcome, "decided_by": "d"}
    return event("objection.decided", SELLER, time, **members, **more)


def repaired(time: str, outcome: str = "granted") -> list[Json]:
    applied = event("repair.applied", SELLER, "2025-02-01", repair="p", record="r", evidence=["paper"])
    return [applied, event("repair.decided", SELLER, time, repair="p", outcome=outcome, decided_by="d")]


def merit(points: int, name: str = "m") -> Json:
    return event(
        "merit.recorded", SELLER, "2025-02-01", merit=name, act="opened its data", points=points, decided_by="d"
    )


def stated(
    said: Sequence[Json], *, findings: Sequence[Standing] = (), at: int | str = NOW, settings: Settings | None = None
) -> Json:
    instant = parse_instant(at) if isinstance(at, str) else at
    return statement(SELLER, [admitted(one) for one in said], findings, instant, settings or Settings()).data


def record(said: Sequence[Json], at: int | str = NOW, settings: Settings | None = None) -> tuple[str, int]:
    (one,) = stated(said, at=at, settings=settings)["records"]
    return one["status"], one["points"]


@pytest.mark.parametrize(
    ("score", "grade"),
    [(91, "A"), (90, "A"), (89, "B"), (76, "B"), (75, "B"), (74, "C"), (61, "C"), (60, "C"), (59, "D")],
)
def test_grades_turn_at_their_lowest_score(score: int, grade: str) -> None:
    assert (score, grade) == tuple(stated([], settings=Settings(base=score))[name] for name in ("score", "grade"))


@pytest.mark.parametrize(("points", "score"), [(19, 99), (20, 100), (21, 100)])
def test_merits_give_at_most_twenty(points: int, score: int) -> None:
    assert score == stated([merit(points)])["score"]
    assert score == stated([merit(10), merit(points - 10, "other")])["score"]


@pytest.mark.parametrize(("oranges", "score"), [(9, 44), (10, 40), (11, 40)])
def test_findings_take_at_most_forty(oranges: int, score: int) -> None:
    found = [Standing(f"f{at}", "orange", NOW) for at in range(oranges)]
    assert score == stated([], findings=found)["score"]


@pytest.mark.parametrize(("severity", "points"), [("red", 10), ("orange", 4), ("yellow", 1), ("blue", 0)])
def test_a_finding_takes_points_by_its_severity(severity: str, points: int) -> None:
    assert 80 - points == stated([], findings=[Standing("f", severity, NOW)])["score"]


@pytest.mark.parametrize(("after", "score"), [(-1, 80), (0, 70), (90 * DAY - 1, 70), (90 * DAY, 80)])
def test_a_finding_counts_for_ninety_days_from_when_it_occurred(after: int, score: int) -> None:
    assert score == stated([], findings=[Standing("f", "red", NOW)], at=NOW + after)["score"]


@pytest.mark.parametrize(
    ("tier", "points", "public_until", "repairable_from"),
    [
        ("minor", 5, "2025-04-30", "2025-01-31"),
        ("general", 15, "2026-01-31", "2025-04-30"),
        ("serious", 40, "2028-01-31", "2026-01-31"),
    ],
)
def test_a_record_has_the_dates_and_points_of_its_tier(
    tier: str, points: int, public_until: str, repairable_from: str
) -> None:
    found = stated([determined(tier=tier)], at="2025-02-02")
    assert [(points, public_until, repairable_from)] == [
        (one["points"], one["public_until"], one["repairable_from"]) for one in found["records"]
    ]
    assert 80 - points == found["score"]
    until = start_of_day(dt.date.fromisoformat(public_until))
    assert [("published", points), ("expired", 0), ("expired", 0)] == [
        record([determined(tier=tier)], until + step) for step in (-1, 0, 1)
    ]


def test_a_month_that_is_too_short_ends_on_its_last_day() -> None:
    (one,) = stated([determined(tier="minor", date="2024-11-30")])["records"]
    assert "2025-02-28" == one["public_until"]


def test_a_repair_has_an_effect_from_the_day_on_which_it_may_be_granted() -> None:
    for time, expected in (
        ("2025-04-29T23:59:59.999999", ("published", 15)),
        ("2025-04-30", ("repaired", 0)),
        ("2025-04-30T00:00:00.000001", ("repaired", 0)),
    ):
        assert expected == record([determined(), *repaired(time)])
    assert ("published", 15) == record([determined(), *repaired("2025-05-01", "refused")])


def test_the_first_status_that_fits_is_the_status() -> None:
    upheld = [objected(record="r"), decided("upheld")]
    open_, within = objected("open", record="r", time="2026-02-02"), "2026-02-05"
    everything = [determined(), *upheld, *repaired("2025-05-01"), open_]
    assert "withdrawn" == record(everything, within)[0]
    assert "repaired" == record([determined(), *repaired("2025-05-01"), open_], within)[0]
    assert "objected" == record([determined(), open_], within)[0]
    assert "expired" == record([determined()], within)[0]
    assert "published" == record([determined()])[0]


# Seven working days after Saturday, 1 March 2025, end on 11 March.
LIMIT = parse_instant("2025-03-12")


def test_an_objection_suspends_the_points_unless_the_pack_says_otherwise() -> None:
    said = [determined(), objected(record="r")]
    assert ("objected", 0) == record(said, LIMIT - 1)
    assert ("objected", 15) == record(said, LIMIT - 1, Settings(objection_suspends=False))
    assert ("published", 15) == record([*said, decided("rejected", time="2025-03-05")], "2025-03-06")
    assert ("published", 15) == record(said, parse_instant("2025-03-01") - 1)


def test_an_objection_suspends_until_the_days_for_its_decision_are_over() -> None:
    said = [determined(), objected(record="r")]
    assert [("objected", 0), ("published", 15)] == [record(said, at) for at in (LIMIT - 1, LIMIT)]
    longer = settings_of({}, Decision(working_days=8))
    assert ("objected", 0) == record(said, LIMIT, longer)
    unknown = [determined(date="2026-12-01"), objected(record="r", time="2026-12-30")]
    assert ("objected", 0) == record(unknown, "2027-06-01")


def test_another_objection_to_the_same_record_suspends_nothing_but_after_a_correction() -> None:
    second = objected("o2", record="r", time="2025-04-01")
    rejected, corrected = decided("rejected", time="2025-03-05"), decided("corrected", time="2025-03-05", tier="minor")
    assert ("published", 15) == record([determined(), objected(record="r"), rejected, second], "2025-04-02")
    assert ("published", 15) == record([determined(), objected(record="r"), second], "2025-04-02")
    assert ("objected", 0) == record([determined(), objected(record="r"), corrected, second], "2025-04-02")
    third = [decided("rejected", "o2", "2025-04-03"), objected("o3", record="r", time="2025-04-04")]
    assert ("published", 5) == record([determined(), objected(record="r"), corrected, second, *third], "2025-04-05")
    before = objected("o2", record="r", time="2025-03-04")
    assert ("published", 5) == record([determined(), objected(record="r"), before, corrected], "2025-03-06")


def test_a_correction_gives_the_record_its_tier() -> None:
    assert ("published", 40) == record([determined(), objected(record="r"), decided("corrected", tier="serious")])
    later = [objected("o2", record="r"), decided("corrected", "o2", "2025-03-20", tier="minor")]
    (one,) = stated([determined(), objected(record="r"), decided("corrected", tier="serious"), *later])["records"]
    assert ("minor", "2025-04-30") == (one["tier"], one["public_until"])


def test_a_finding_takes_no_points_while_an_objection_suspends_it_or_once_a_record_names_it() -> None:
    found = [Standing("f", "red", parse_instant("2025-02-20"))]
    objection = objected(finding="f")
    assert [80, 70] == [stated([objection], at=at, findings=found)["score"] for at in (LIMIT - 1, LIMIT)]
    assert 70 == stated([objection, decided("rejected", time="2025-03-05")], at="2025-03-06", findings=found)["score"]
    found = [Standing("f", "red", NOW - DAY)]
    named = determined(finding="f")
    assert (65, []) == tuple(stated([named], findings=found)[name] for name in ("score", "findings"))
    withdrawn = stated([named, objected(record="r"), decided("upheld")], findings=found)
    assert (70, [{"finding": "f", "points": 10}]) == (withdrawn["score"], withdrawn["findings"])


def test_of_several_reports_of_one_record_the_exchange_counts_and_of_its_own_the_earliest() -> None:
    reports = [
        determined(tier="serious", time="2025-01-01", reporter="consumer"),
        determined(tier="minor", time="2025-02-02", date="2025-05-01"),
        determined(tier="general", time="2025-02-03"),
    ]
    for some in itertools.permutations(reports):
        assert ("published", 5) == record(some)


EVERYTHING = [
    determined(), determined("r2", tier="minor", date="2025-05-20", finding="f"), determined("r3", tier="serious"),
    objected(record="r3"), decided("upheld"), objected("o2", record="r2", time="2025-05-25"),
    objected("o3", finding="g"), decided("rejected", "o3"), *repaired("2025-05-01"), merit(7), merit(20, "n"),
]  # fmt: skip
FOUND = [Standing("f", "red", NOW - DAY), Standing("g", "orange", NOW - DAY), Standing("h", "yellow", NOW - 90 * DAY)]


@given(st.randoms(use_true_random=False), st.integers(0, 400))
def test_a_statement_is_the_same_for_any_order_of_arrival(choose: random.Random, days_later: int) -> None:
    shuffled, found = list(EVERYTHING), list(FOUND)
    choose.shuffle(shuffled)
    choose.shuffle(found)
    at = parse_instant("2025-01-15") + days_later * DAY
    assert stated(EVERYTHING, findings=FOUND, at=at) == stated(shuffled, findings=found, at=at)


@given(st.integers(0, 1200))
def test_after_an_objection_is_upheld_the_score_is_as_if_the_record_had_never_been(days_later: int) -> None:
    at = parse_instant("2025-03-11") + days_later * DAY
    without = [one for one in EVERYTHING if one["data"].get("record") != "r3" and one["data"].get("objection") != "o"]
    with_, never = stated(EVERYTHING, findings=FOUND, at=at), stated(without, findings=FOUND, at=at)
    assert [one for one in with_["records"] if one["record"] != "r3"] == never["records"]
    assert [(one["status"], one["points"]) for one in with_["records"] if one["record"] == "r3"] == [("withdrawn", 0)]
    assert (with_["score"], with_["grade"], with_["findings"]) == (never["score"], never["grade"], never["findings"])


@given(st.integers(0, 1200))
def test_nothing_changes_before_the_instant_that_a_statement_names(days_later: int) -> None:
    events = [admitted(one) for one in EVERYTHING]
    at = parse_instant("2025-01-15") + days_later * DAY
    now = statement(SELLER, events, FOUND, at, Settings())
    until = now.changes or at + 3_000 * DAY
    for later in (until - 1, at + (until - at) // 2):
        assert now.data | {"as_of": None} == statement(SELLER, events, FOUND, later, Settings()).data | {"as_of": None}


def test_a_pack_sets_the_numbers_and_what_is_wrong_is_named() -> None:
    changed = settings_of({"base": 70, "points": {"minor": 6}, "finding_days": 1}, Decision(working_days=3))
    assert (70, 6, 15, 1) == (changed.base, changed.points.minor, changed.points.general, changed.finding_days)
    assert (Decision(working_days=3),) == tuple(one for _, one in changed.decisions.spans)
    assert (
        5
        == parse_pack(pack(detectors={"credit-clock": {"objection_working_days": 5}}), published=False)
        .credit.decisions.spans[0][1]
        .working_days
    )
    for wrong in (
        {"base": "x"},
        {"base": -1},
        {"grades": {"C": 80}},
        {"points": 3},
        {"objection_suspends": 1},
        {"decisions": {}},
    ):
        with pytest.raises(PackInvalid, match=r"\$\.credit"):
            parse_pack(pack() | {"credit": wrong}, published=False)


# The engine.


class Run:
    """A replay of which the store is looked at."""

    def __init__(self, rules: Json | None = None) -> None:
        self.store = Store("sqlite://")
        self.left: list[Json] = []
        self.replay = Replay(
            offline(self.store, parse_pack(rules or pack(), published=False)),
            Admission(),
            findings=lambda line: self.left.append(orjson.loads(line)),
        )

    def take(self, said: Sequence[Json]) -> "Run":
        self.replay.run(orjson.dumps(one) for one in said)
        return self

    def standing(self) -> list[str]:
        with self.store.reading() as db:
            rows = db.rows("select detector from findings where standing order by detector")
        return [row[0] for row in rows]

    def statements(self) -> dict[str, Json]:
        return {one["party"]: one for one in map(orjson.loads, self.replay.statements())}


OVER = [signed("c", "2025-01-01", terms=terms(uses_max=1)), used("c", "2025-01-02", 5)]
RED = only("usage-limit")


def test_a_finding_moves_the_score_of_the_party_that_is_responsible() -> None:
    run = Run(RED).take([party(BUYER, "2025-01-01"), party(SELLER, "2025-01-01"), *OVER])
    assert {BUYER: 70, SELLER: 80} == {name: one["score"] for name, one in run.statements().items()}


def test_an_upheld_objection_clears_the_finding_whenever_it_comes_and_it_is_not_raised_again() -> None:
    (found,) = [one["data"]["finding"] for one in Run(RED).take(OVER).left]
    objection = [
        event("objection.filed", BUYER, "2025-01-03", objection="o", finding=found, grounds="g"),
        event("objection.decided", BUYER, "2025-01-04", objection="o", outcome="upheld", decided_by="d"),
    ]
    after = Run(RED).take([*OVER, *objection])
    assert ["objection-upheld"] == [one["data"]["reason"] for one in after.left if "reason" in one["data"]]
    assert [] == after.standing() == Run(RED).take([*objection, *OVER]).standing()
    assert 80 == after.statements()[BUYER]["score"]
    back = after.take([retracted(objection[1], "2025-01-05")])
    assert (["usage-limit"], 2) == (back.standing(), back.left[-1]["data"]["revision"])


def test_an_objection_of_another_party_changes_nothing() -> None:
    (found,) = [one["data"]["finding"] for one in Run(RED).take(OVER).left]
    objection = [
        event("objection.filed", SELLER, "2025-01-03", objection="o", finding=found, grounds="g"),
        event("objection.decided", SELLER, "2025-01-04", objection="o", outcome="upheld", decided_by="d"),
    ]
    assert ["usage-limit"] == Run(RED).take([*OVER, *objection]).standing()


def test_a_checked_finding_that_was_cleared_by_an_objection_stays_cleared_when_judged_again() -> None:
    rules = only("negative-list", entries=[entry("secret")])
    listing = listed("a", "2025-01-02", seller=SELLER)
    (found,) = [one["data"]["finding"] for one in Run(rules).take([listing]).left]
    objection = [
        event("objection.filed", SELLER, "2025-01-03", objection="o", finding=found, grounds="g"),
        event("objection.decided", SELLER, "2025-01-04", objection="o", outcome="upheld", decided_by="d"),
    ]
    assert [] == Run(rules).take([listing, *objection, party(SELLER, "2025-01-05")]).standing()


def test_a_statement_is_folded_anew_when_something_or_time_changes_it() -> None:
    run = Run(RED)
    scores = []
    for said in ([party(BUYER, "2025-01-01")], OVER, [party("p:1", "2025-04-02")], [party("p:1", "2025-04-03")]):
        run.take(said)
        with run.store.reading() as db:
            scores.append(db.rows("select score from statements where party = ?", BUYER))
    # the use was on 2 January: it counts to the end of 1 April
    assert [[(80,)], [(70,)], [(80,)], [(80,)]] == scores
