"""Working days: the calendar of those years of which the State Council has said what is free and what is worked.

A year that neither this table nor a pack's lists know has no working days yet: a deadline that reaches into it is not
known, and waits. Days are those of UTC+08:00.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Final, NamedTuple

from circulation.calendar import day_of, start_of_day

# By year the days from Monday to Friday that are free, and the Saturdays and Sundays that are worked, as month and day:
# the yearly notices of the General Office of the State Council on holidays (国务院办公厅关于部分节假日安排的通知).
_NOTICES: Final = {
    2018: (
        "0101 0215 0216 0219 0220 0221 0405 0406 0430 0501 0618 0924 1001 1002 1003 1004 1005 1231",
        "0211 0224 0408 0428 0929 0930 1229",
    ),
    2019: (
        "0101 0204 0205 0206 0207 0208 0405 0501 0502 0503 0607 0913 1001 1002 1003 1004 1007",
        "0202 0203 0428 0505 0929 1012",
    ),
    2020: (
        "0101 0124 0127 0128 0129 0130 0131 0406 0501 0504 0505 0625 0626 1001 1002 1005 1006 1007 1008",
        "0119 0426 0509 0628 0927 1010",
    ),
    2021: (
        "0101 0211 0212 0215 0216 0217 0405 0503 0504 0505 0614 0920 0921 1001 1004 1005 1006 1007",
        "0207 0220 0425 0508 0918 0926 1009",
    ),
    2022: (
        "0103 0131 0201 0202 0203 0204 0404 0405 0502 0503 0504 0603 0912 1003 1004 1005 1006 1007",
        "0129 0130 0402 0424 0507 1008 1009",
    ),
    2023: (
        "0102 0123 0124 0125 0126 0127 0405 0501 0502 0503 0622 0623 0929 1002 1003 1004 1005 1006",
        "0128 0129 0423 0506 0625 1007 1008",
    ),
    2024: (
        "0101 0212 0213 0214 0215 0216 0404 0405 0501 0502 0503 0610 0916 0917 1001 1002 1003 1004 1007",
        "0204 0218 0407 0428 0511 0914 0929 1012",
    ),
    2025: (
        "0101 0128 0129 0130 0131 0203 0204 0404 0501 0502 0505 0602 1001 1002 1003 1006 1007 1008",
        "0126 0208 0427 0928 1011",
    ),
    2026: (
        "0101 0102 0216 0217 0218 0219 0220 0223 0406 0501 0504 0505 0619 0925 1001 1002 1005 1006 1007",
        "0104 0214 0228 0509 0920 1010",
    ),
}


class Lists(NamedTuple):
    """Days (`YYYY-MM-DD`) that are free, and weekends that are worked, as a pack gives them."""

    holidays: Collection[str] = ()
    workdays: Collection[str] = ()


NOTHING_GIVEN: Final = Lists()

YEARS: Final = {
    year: Lists(*(frozenset(f"{year}-{day[:2]}-{day[2:]}" for day in days.split()) for days in notice))
    for year, notice in _NOTICES.items()
}
# More working days than this are no limit; it keeps the counting short.
WORKING_DAYS_MAX: Final = 1_000


def is_known(year: int, stated: Lists = NOTHING_GIVEN) -> bool:
    """Whether the calendar of a year is known, here or by a pack that names free days of it."""
    return year in YEARS or any(holiday.startswith(f"{year:04}-") for holiday in stated.holidays)


def is_working(day: dt.date, stated: Lists = NOTHING_GIVEN) -> bool | None:
    """Whether a day is worked; None where its year's calendar is not known.

    Of a year of which a pack names free days, its lists count and not the table.
    """
    lists, text = stated, day.isoformat()
    if not any(holiday.startswith(text[:5]) for holiday in stated.holidays):
        if day.year not in YEARS:
            return None
        lists = YEARS[day.year]
    return text in lists.workdays or (day.weekday() < 5 and text not in lists.holidays)


class Calendar(NamedTuple):
    """The lists that packs give over time, each with the instant (µs) from which on its pack is in force, in the order
    of time; the first are those of the beginning."""

    spans: tuple[tuple[int, Lists], ...]

    def lists(self, day: dt.date) -> Lists:
        """Return the lists of the pack in force as a day begins; where its year is not known with them, those of the
        first pack after it with which it is (contract §5: a later calendar sets it)."""
        at = max(0, bisect_right(self.spans, start_of_day(day), key=itemgetter(0)) - 1)
        return next((lists for _, lists in self.spans[at:] if is_known(day.year, lists)), NOTHING_GIVEN)


def unknown_year(day: dt.date, stated: Callable[[dt.date], Lists]) -> int | None:
    """The year whose calendar is missing: that of the day, and from 1 December on the next; None where none is.

    `stated` answers with the lists that count on a day.
    """
    days = [day]
    if day.month == 12 and day.year < dt.MAXYEAR:
        days.append(dt.date(day.year + 1, 1, 1))
    return next((day.year for day in days if is_working(day, stated(day)) is None), None)


def last_day(received: dt.date, count: int, stated: Callable[[dt.date], Lists]) -> dt.date | None:
    """The last of so many working days after the day of receipt; None where a year on the way is not known.

    `stated` answers with the lists that count on a day.
    """
    day, left = received, min(count, WORKING_DAYS_MAX)
    while left > 0:
        if day == dt.date.max:
            return None
        day += dt.timedelta(1)
        working = is_working(day, stated(day))
        if working is None:
            return None
        left -= working
    return day


def deadline(received: int, count: int, stated: Callable[[dt.date], Lists]) -> int | None:
    """The instant (µs) at which the last of so many working days after that of `received` (µs) ends; None where that is
    not known."""
    last = last_day(day_of(received), count, stated)
    return None if last is None or last == dt.date.max else start_of_day(last + dt.timedelta(1))
