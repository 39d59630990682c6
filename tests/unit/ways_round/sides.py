"""Ways in which what two sides report can be kept from being compared: none of them works (each test is named after its
way)."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from circulation.examples import OWNER, Json, delivered, event, pack, party, signed, used
from streams.offline.replay import findings_of

SIGNED = signed("c", "2025-01-01")
MONTH_OVER = "2025-03-02T00:00:00.000001+08:00"


def said(who: str, uses: int, days: Iterable[int], time: str = "12:00") -> list[Json]:
    return [used("c", f"2025-02-{day:02}T{time}", uses, reporter=who) for day in days]


def found(*lines: Sequence[Json], until: str = MONTH_OVER, measure: str = "uses") -> list[tuple[str, Any]]:
    """By day, or month, what uses, or what of another measure, are said."""
    every = findings_of([SIGNED, *(one for some in lines for one in some)], pack=pack(), until=until)
    some = [one["evidence"] for one in every if one["detector"] == "reconciliation"]
    return sorted((one.get("day") or one["month"], one["tallies"][measure]) for one in some)


WEEK = range(1, 8)


def test_a_side_says_nothing_at_all_of_the_day_on_which_it_used_most() -> None:
    lines = said("provider", 100, WEEK), said("consumer", 100, WEEK), said("provider", 9_000, [8])
    apart = {"provider": 9_000, "consumer": 0}
    assert [("2025-02", {"provider": 9_700, "consumer": 700}), ("2025-02-08", apart)] == found(*lines)


def test_a_side_breaks_its_silence_by_a_report_of_nothing() -> None:
    lines = said("provider", 100, range(1, 9)), said("consumer", 100, WEEK), said("consumer", 0, [8])
    assert ("2025-02-08", {"provider": 100, "consumer": 0}) in found(*lines)


def test_a_side_breaks_its_silence_by_one_use_a_minute_after_midnight() -> None:
    lines = said("provider", 100, range(1, 9)), said("consumer", 100, WEEK), said("consumer", 1, [8], "00:01")
    assert ("2025-02-08", {"provider": 100, "consumer": 1}) in found(*lines)


def test_a_side_is_silent_so_often_that_it_is_never_held_to_keep_up() -> None:
    lines = said("provider", 100, range(1, 29)), said("consumer", 100, range(1, 29, 2))
    assert [("2025-02", {"provider": 2_800, "consumer": 1_400})] == found(*lines)


def test_a_side_begins_to_report_when_most_has_been_used() -> None:
    lines = said("provider", 900, [1]), said("provider", 100, [20]), said("consumer", 100, [20])
    assert [("2025-02", {"provider": 1_000, "consumer": 100})] == found(*lines)


def test_a_side_reports_days_before_the_other_one_began_only_when_the_month_was_compared() -> None:
    over = [signed("clock", MONTH_OVER)]
    lines = said("provider", 100, [1]), said("provider", 100, [20]), said("consumer", 100, [20])
    late = said("provider", 900, [2]), said("provider", 50, [1])
    assert [("2025-02", {"provider": 1_150, "consumer": 100})] == found(*lines, over, *late)


def test_a_side_reports_nothing_any_more_from_the_first_of_a_month_on() -> None:
    january = [used("c", "2025-01-20T12:00", 100, reporter=who) for who in ("provider", "consumer")]
    assert [("2025-02", {"provider": 300, "consumer": 0})] == found(january, said("provider", 100, [3, 9, 20]))


def test_a_side_has_what_it_says_at_midnight_count_for_the_day_before_and_the_day_after() -> None:
    lines = said("provider", 100, [1, 2]), said("consumer", 100, [2], "00:00:10")
    month = {"provider": 200, "consumer": 100}
    assert [("2025-02", month)] == found(*lines)
    assert ("2025-02-02", {"provider": 100, "consumer": 1}) in found(*lines, said("consumer", 1, [2]))


@pytest.mark.parametrize("kind", ["deliveries", "uses"])
def test_a_pack_that_takes_the_edge_away_comes_when_it_has_been_used(kind: str) -> None:
    """Deliveries are sorted again. Uses are not: of them the contract has a pack come before the uses of its time."""
    members = pack(detectors={"reconciliation": {"edge_seconds": 0}}, version="2", approved_by=["one", "two"])
    late = event("rulepack.published", "beijing", "2025-02-10", **members | {"valid_from": "2025-01-01"})
    if kind == "uses":
        lines = said("provider", 100, [1], "23:59:50"), said("consumer", 100, [2], "00:00:20")
        noon = *said("provider", 10, [1]), *said("consumer", 10, [1])
    else:
        lines = [
            [delivered("c", f"2025-02-{time}", delivery="d", bytes=100, reporter=who)]
            for who, time in (("provider", "01T23:59:50"), ("consumer", "02T00:00:20"))
        ]
        noon = (*(delivered("c", "2025-02-01T12:00", bytes=10, reporter=who) for who in ("provider", "consumer")),)
    measure = "bytes" if kind == "deliveries" else kind
    apart = [("2025-02-01", {"provider": 110, "consumer": 10})]
    until = "2025-02-12T00:00:00+08:00"
    assert [] == found(noon, *lines, until=until, measure=measure)
    assert apart == found([late], noon, *lines, until=until, measure=measure)[:1]
    after = found(noon, *lines, [late], until=until, measure=measure)
    assert after[:1] == (apart if kind == "deliveries" else [])


@pytest.mark.parametrize(
    ("when", "edge", "provided"),
    [("00:00", 0, (150, 100)), ("00:30", 3_600, (50, 150)), ("12:00", 3_600, (50, 150))],
)
@pytest.mark.parametrize("form", ["alone", "in a run", "before the terms"])
def test_a_use_is_cancelled_when_a_pack_has_come_by_which_it_would_be_elsewhere(
    form: str, when: str, edge: int, provided: tuple[int, int]
) -> None:
    """What was counted is taken away where it was counted: then nothing of it is left on either side."""
    members = pack(detectors={"reconciliation": {"edge_seconds": edge}}, version="2", approved_by=["one", "two"])
    late = event("rulepack.published", "beijing", "2025-02-10", **members | {"valid_from": "2025-01-01"})
    lines = [one for day, uses in enumerate((*provided, 100), 1) for one in said("provider", uses, [day])]
    lines += said("consumer", 100, [1, 2, 3])
    # what is no use in between begins another run
    counted = [use for second in (10, 20) for use in said("consumer", 25, [2], f"{when}:{second}")]
    lines += [party(OWNER), *counted, late]
    lines += [event("usage.cancelled", "c", "2025-02-11", usage=use["id"], uses=25) for use in counted]
    if form == "in a run":
        lines = numbered(lines)
    lines.insert(len(lines) if form == "before the terms" else 0, SIGNED)
    every = findings_of(lines, pack=pack(), until="2025-02-20")
    apart = [one["evidence"] for one in every if one["detector"] == "reconciliation"]
    expected = [(f"2025-02-0{day}", uses) for day, uses in enumerate(provided, 1) if uses != 100]
    assert expected == sorted((one["day"], one["tallies"]["uses"]["provider"]) for one in apart)
    assert {100} == {one["tallies"]["uses"]["consumer"] for one in apart}


def numbered(lines: Sequence[Json]) -> list[Json]:
    """The same lines of one source, those of the contract in its numbers: uses are taken in as runs."""
    numbers = itertools.count(1)
    return [
        one if one["subject"] != "c" else one | {"sequence": str(next(numbers)), "sequencetype": "Integer"}
        for one in lines
    ]


def test_a_side_puts_off_what_is_missing_from_midnight_to_midnight() -> None:
    """What is said just after a midnight makes up for the day before, but on the last day, and of the month."""
    lines = said("provider", 100, range(1, 29)), said("consumer", 50, range(1, 29))
    edges = said("consumer", 50, range(2, 29), "00:00:10")
    month = ("2025-02", {"provider": 2_800, "consumer": 2_750})
    assert [month, ("2025-02-28", {"provider": 100, "consumer": 50})] == found(*lines, edges)
