"""Working days: the calendar, what a pack gives in its place, and what waits where a year is not known."""

import datetime as dt

import pytest

from circulation.calendar import parse_instant
from circulation.working_days import (
    NOTHING_GIVEN,
    YEARS,
    Calendar,
    Lists,
    deadline,
    is_working,
    last_day,
    unknown_year,
)

DAY = dt.date.fromisoformat


@pytest.mark.parametrize("year", YEARS)
def test_a_year_frees_days_of_the_week_and_has_weekends_worked(year: int) -> None:
    lists = YEARS[year]
    assert {"01", "05", "10"} <= {one[5:7] for one in lists.holidays}
    assert all(DAY(one).year == year and DAY(one).weekday() < 5 for one in lists.holidays)
    assert all(DAY(one).year == year and DAY(one).weekday() > 4 for one in lists.workdays)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2025-10-09", True),
        ("2025-10-08", False),
        ("2025-10-11", True),
        ("2025-10-12", False),
        ("2017-10-09", None),
        ("2027-01-04", None),
    ],
)
def test_a_day_is_worked_is_free_or_is_not_known(day: str, worked: bool | None) -> None:
    assert worked is is_working(DAY(day))


def test_the_lists_of_a_pack_replace_a_year_and_no_other() -> None:
    given = Lists(["2025-10-09"], ["2025-10-12"])
    assert [False, True, True, False] == [
        is_working(DAY(day), given) for day in ("2025-10-09", "2025-10-12", "2025-10-08", "2024-10-01")
    ]


@pytest.mark.parametrize(
    ("received", "count", "last"),
    [
        ("2025-09-29", 0, "2025-09-29"),
        ("2025-09-29", 1, "2025-09-30"),
        ("2025-09-29", 2, "2025-10-09"),
        ("2025-09-29", 4, "2025-10-11"),
        ("2026-12-30", 1, "2026-12-31"),
        ("2026-12-30", 2, None),
    ],
)
def test_so_many_working_days_after_that_of_receipt(received: str, count: int, last: str | None) -> None:
    found = last_day(DAY(received), count, lambda _: NOTHING_GIVEN)
    assert (None if last is None else DAY(last)) == found


def test_a_deadline_is_the_end_of_the_last_day_in_beijing() -> None:
    late = parse_instant("2025-09-29T23:59:59+08:00")
    assert parse_instant("2025-10-10") == deadline(late, 2, lambda _: NOTHING_GIVEN)
    assert parse_instant("2025-10-11") == deadline(late + 1_000_000, 2, lambda _: NOTHING_GIVEN)


@pytest.mark.parametrize(
    ("day", "given", "missing"),
    [
        ("2026-11-30", NOTHING_GIVEN, None),
        ("2026-12-01", NOTHING_GIVEN, 2027),
        ("2026-12-01", Lists(["2027-01-01"]), None),
        ("2027-01-01", NOTHING_GIVEN, 2027),
    ],
)
def test_from_december_on_the_next_year_is_missed(day: str, given: Lists, missing: int | None) -> None:
    assert missing == unknown_year(DAY(day), lambda _: given)


def test_the_pack_of_a_day_says_whether_it_is_worked_or_the_first_later_one_that_knows_its_year() -> None:
    first, second, third = (Lists([f"{year}-01-01"]) for year in (2027, 2028, 2027))
    spans = ((parse_instant("2026-07-01"), NOTHING_GIVEN), (parse_instant("2027-02-01"), first))
    calendar = Calendar((*spans, (parse_instant("2028-01-01"), second), (parse_instant("2028-02-01"), third)))
    for day, lists in (
        ("2026-06-30", NOTHING_GIVEN),
        ("2027-01-31", first),
        ("2027-12-31", first),
        ("2028-01-01", second),
        ("2028-02-01", NOTHING_GIVEN),
        ("2029-01-01", NOTHING_GIVEN),
    ):
        assert lists is calendar.lists(DAY(day)), day
