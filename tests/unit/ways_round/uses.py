"""Ways in which reports of no uses can pass for uses: none of them works (each test is named after its way)."""

from collections.abc import Sequence

import msgspec
import pytest

from circulation.calendar import parse_instant
from circulation.daily import Used
from circulation.examples import BUYER, SELLER, Json, event, granted, pack, signed, terms, used
from streams.offline.replay import findings_of

SIGNED = signed("c", "2025-01-01")
PAID = event("settlement.paid", "c", "2025-02-01T12:00", settlement="s", amount="100", payer=BUYER, payee=SELLER)
IN_TIME, LATE = "2025-03-03T11:00", "2025-03-03T13:00"
# Days after it: the desk remembers the newest two, and makes a row of the others.
LATER = [used("c", f"2025-03-{day:02}", 1, id=f"later-{day}") for day in range(10, 14)]


def found(detector: str, lines: Sequence[Json], until: str = "2025-06-01T00:00:00+08:00") -> list[Json]:
    return [one for one in findings_of(list(lines), pack=pack(), until=until) if one["detector"] == detector]


def reports(*said: tuple[str, int], numbered: bool = True) -> list[Json]:
    """Reports of uses of one source: with numbers they are taken in together."""
    number = iter(range(1, len(said) + 1))
    return [
        used("c", time, uses, id=f"{time}-{uses}", **({"sequence": next(number)} if numbered else {}))
        for time, uses in said
    ]


numbered = pytest.mark.parametrize("numbered", [True, False], ids=["in a run", "one by one"])
rows = pytest.mark.parametrize("later", [[], LATER], ids=["at the desk", "in a row"])


@numbered
@rows
def test_a_report_of_0_before_the_deadline_makes_real_uses_after_it_count_in_time(
    later: list[Json], *, numbered: bool
) -> None:
    lines = reports((IN_TIME, 0), (LATE, 5), numbered=numbered)
    assert 1 == len(found("paper-trade", [SIGNED, PAID, *lines, *later]))
    assert 1 == len(found("paper-trade", [SIGNED, PAID, *reversed(lines), *later]))
    assert 1 == len(found("paper-trade", [SIGNED, *lines, *later, PAID]))


@numbered
@rows
def test_a_report_of_0_after_the_deadline_does_not_hide_real_uses_before_it(
    later: list[Json], *, numbered: bool
) -> None:
    lines = reports((IN_TIME, 5), (LATE, 0), numbered=numbered)
    assert [] == found("paper-trade", [SIGNED, PAID, *lines, *later])


def test_real_uses_before_the_deadline_come_after_a_report_of_0_and_others() -> None:
    lines = reports(("2025-03-03T10:00", 0), (LATE, 5), (IN_TIME, 1), numbered=False)
    judged = signed("another", "2025-05-01")
    assert [] == found("paper-trade", [SIGNED, PAID, *lines[:2], judged, lines[2]])
    assert 1 == len(found("paper-trade", [SIGNED, PAID, *lines[:2], judged]))


ENDED = event("contract.terminated", "c", "2025-03-01T12:00", reason="breach")


@numbered
@rows
def test_a_report_of_0_after_the_end_accuses_of_the_uses_before_it(later: list[Json], *, numbered: bool) -> None:
    lines = reports(("2025-03-01T10:00", 4), ("2025-03-01T14:00", 0), numbered=numbered)
    said = found("use-after-end", [SIGNED, *lines, *later, ENDED])
    assert [len(later)] * bool(later) == [one["evidence"]["uses"] for one in said]


def test_the_last_use_after_the_end_is_told_and_no_report_of_0_after_it() -> None:
    lines = reports(("2025-03-01T14:00", 4), ("2025-03-01T20:00", 0))
    (one,) = found("use-after-end", [SIGNED, *lines, ENDED])
    assert ("2025-03-01T14:00:00+08:00", 4) == (one["evidence"]["last"], one["evidence"]["uses"])


@pytest.mark.parametrize(
    ("more", "count"), [({}, 0), ({"bytes": 0, "rows": 0}, 0), ({"bytes": 1}, 1), ({"rows": 1}, 1)]
)
def test_a_report_that_nothing_was_used_is_no_use_after_the_end(more: Json, count: int) -> None:
    assert count == len(found("use-after-end", [SIGNED, ENDED, used("c", "2025-03-02", 0, **more)]))


def test_a_report_of_0_is_a_report_at_the_edges_of_a_day_too() -> None:
    reporting = signed("c", "2025-01-01", terms=terms(report_within_days=30))
    for first, last in (((IN_TIME, 0), (LATE, 5)), ((IN_TIME, 5), (LATE, 0))):
        said = found("report-overdue", [reporting, *reports(first, last)], "2025-05-01T00:00:00+08:00")
        assert {None, "2025-03-03T13:00:00+08:00"} == {one["evidence"]["last_report"] for one in said}


def test_a_report_of_0_within_a_sandbox_moves_no_uses_into_it() -> None:
    trial = granted(
        SELLER, "2025-01-01", grant="g", kind="sandbox", valid_from="2025-03-01T12:00:00+08:00", uses_max=10
    )
    lines = reports(("2025-03-01T10:00", 11), ("2025-03-01T14:00", 0))
    assert [] == found("sandbox-cap", [trial, SIGNED, *lines])
    inside = reports(("2025-03-01T10:00", 0), ("2025-03-01T14:00", 11))
    assert ["uses"] == [one["evidence"]["cap"] for one in found("sandbox-cap", [trial, SIGNED, *inside])]


def test_tallies_that_were_packed_before_reports_of_0_were_told_apart_are_read() -> None:
    first, last = (parse_instant(f"{time}:00+08:00") for time in (IN_TIME, LATE))
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode([5, None, None, first, last, None, None, 0]), type=Used)
    assert Used(5, None, None, first, last) == kept
    assert (first, last) == (kept.first_use, kept.last_use)
