"""The working days of the shipped pack, held against the years' holidays as the State Council arranged them."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

from circulation.working_days import YEARS

# (first day off, last day off) and the weekend days that are worked for them, both days included.
ARRANGED = (
    (("2025-01-01", "2025-01-01"), ()),
    (("2025-01-28", "2025-02-04"), ("2025-01-26", "2025-02-08")),
    (("2025-04-04", "2025-04-06"), ()),
    (("2025-05-01", "2025-05-05"), ("2025-04-27",)),
    (("2025-05-31", "2025-06-02"), ()),
    (("2025-10-01", "2025-10-08"), ("2025-09-28", "2025-10-11")),
    (("2026-01-01", "2026-01-03"), ("2026-01-04",)),
    (("2026-02-15", "2026-02-23"), ("2026-02-14", "2026-02-28")),
    (("2026-04-04", "2026-04-06"), ()),
    (("2026-05-01", "2026-05-05"), ("2026-05-09",)),
    (("2026-06-19", "2026-06-21"), ()),
    (("2026-09-25", "2026-09-27"), ()),
    (("2026-10-01", "2026-10-07"), ("2026-09-20", "2026-10-10")),
)


def days(first: str, last: str) -> Iterator[str]:
    day, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += dt.timedelta(1)


def misread(holidays: Collection[Any], workdays: Collection[Any]) -> list[str]:
    """The days of both years of which these lists say another thing than the arrangements, and days that say nothing.

    A holiday on a weekend, or a worked day on a Wednesday, would change nothing and hide a slip.
    """
    off = {day for span, _ in ARRANGED for day in days(*span)}
    worked = {day for _, made_up in ARRANGED for day in made_up}
    named, made_up = {str(day) for day in holidays}, {str(day) for day in workdays}
    found = [day for day in named if dt.date.fromisoformat(day).weekday() >= 5]
    found += [day for day in made_up if dt.date.fromisoformat(day).weekday() < 5]
    for day in days("2025-01-01", "2026-12-31"):
        weekend = dt.date.fromisoformat(day).weekday() >= 5
        arranged = day in worked or not (weekend or day in off)
        if arranged != (day in made_up or not (weekend or day in named)):
            found.append(day)
    return found + sorted(day for day in (*named, *made_up) if not "2025" <= day < "2027")


def test_the_calendar_knows_each_working_day_of_these_years() -> None:
    years = [YEARS[year] for year in (2025, 2026)]
    assert [] == misread(*(sorted(day for year in years for day in year[at]) for at in (0, 1)))
