"""Instants and days. An instant is an int: microseconds since 1970-01-01T00:00:00Z; days are those of UTC+08:00.

Integers, because instants are compared and stored by the million; +08:00, because the law's days, months and years
are those of China Standard Time, which has had no summer time since 1991 (contract §1).
"""

import calendar
import datetime as dt
import re
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
CHINA_OFFSET: Final = 8 * HOUR

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# The first and the last instant that have a day at +08:00 in the years 1 to 9999.
EARLIEST: Final = (1 - _EPOCH_ORDINAL) * DAY - CHINA_OFFSET
LATEST: Final = (dt.date.max.toordinal() + 1 - _EPOCH_ORDINAL) * DAY - CHINA_OFFSET - 1

# More days than lie between any two instants: what is due later than that is never due.
DAYS_MAX: Final = dt.date.max.toordinal()

HOURS_KEPT_MAX: Final = 100_000  # eleven years of hours
DAYS_KEPT_MAX: Final = 40_000  # a hundred years of days
# Endings of texts of instants, from the fraction on: with three digits at most there are a thousand of an offset.
ENDINGS_KEPT_MAX: Final = 100_000
_ENDING_KEPT_LENGTH_MAX: Final = len(".000+08:00")

_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_HOUR: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([01][0-9]|2[0-3]):")
_SECONDS: Final = {
    f"{minute:02}:{second:02}": (minute * 60 + second) * SECOND for minute in range(60) for second in range(60)
}
_OFFSETS: Final = {"Z": 0, "z": 0} | {
    f"{sign}{hour:02}:{minute:02}": (1 if sign == "+" else -1) * (hour * HOUR + minute * MINUTE)
    for sign in "+-"
    for hour in range(24)
    for minute in range(60)
}
_hours: dict[str, int] = {}
_days: dict[str, int] = {}
_endings: dict[str, int] = {}


class Instant(int):
    """An instant as a member of an event's data: text on the wire, microseconds once read."""

    __slots__ = ()


def parse_instant(text: str) -> int:
    """The instant of an RFC 3339 text with an offset, or of a date: the start of that day at +08:00.

    Digits after the sixth of a fraction are cut off. The leap second 23:59:60Z is the second after it. `ValueError`
    for all else, also for instants outside the years 1 to 9999 at +08:00.
    """
    # Split so that the parts repeat: a year has 8,760 hours, an hour 3,600 seconds, and a second 1,000 milliseconds. No
    # second way to read text.
    hour = _hours.get(text[:14])
    within = _SECONDS.get(text[14:19])
    if hour is None or within is None:
        return _parse_day(text) if len(text) == 10 else _parse_odd(text)
    rest = text[19:]
    ending = _endings.get(rest)
    if ending is not None:
        return hour + within + ending
    micro = rest[1:7]
    offset = _OFFSETS.get(rest[7:])
    if offset is not None and rest[0] == "." and micro.isascii() and micro.isdigit():
        return hour + within + int(micro) - offset
    return hour + within + _parse_ending(text)


def _parse_day(text: str) -> int:
    """The start of a day at +08:00."""
    day = _days.get(text)
    if day is None:
        day = start_of_day(parse_date(text))
        if len(_days) >= DAYS_KEPT_MAX:
            _days.clear()
        _days[text] = day
    return day


def _parse_ending(text: str) -> int:
    """What a fraction of a second, if there is one, adds and the offset after it takes away."""
    rest = text[19:]
    offset = _OFFSETS.get(rest)
    ending = _parse_fraction(text) if offset is None else -offset
    if len(rest) <= _ENDING_KEPT_LENGTH_MAX:
        if len(_endings) >= ENDINGS_KEPT_MAX:
            _endings.clear()
        _endings[rest] = ending
    return ending


def _parse_fraction(text: str) -> int:
    """The µs that a fraction of a second adds, less the offset after it."""
    length = 1 if text[-1:] in ("Z", "z") else 6
    digits, offset = text[20:-length], _OFFSETS.get(text[-length:])
    if text[19:20] != "." or offset is None or not (digits.isascii() and digits.isdigit()):
        raise _not_an_instant(text)
    return int(digits if len(digits) == 6 else digits[:6].ljust(6, "0")) - offset


def _parse_odd(text: str) -> int:
    """Hours not met before, leap seconds, the ends of the calendar."""
    hour = _hours.get(text[:14])
    if hour is None:
        hour = _parse_hour(text)
    clock = text[14:19]
    within = HOUR if clock == "59:60" else _SECONDS.get(clock)
    if within is None:
        raise _not_an_instant(text)
    instant = hour + within + _parse_ending(text)
    if within == HOUR and instant % DAY >= SECOND:
        raise _not_an_instant(text)
    if not EARLIEST <= instant <= LATEST:
        raise ValueError(f"{text} is outside the years 1 to 9999 at +08:00")
    return instant


def _parse_hour(text: str) -> int:
    match = _HOUR.match(text)
    if match is None:
        raise _not_an_instant(text)
    try:
        day = dt.date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise _not_an_instant(text) from None
    hour = day * DAY + int(match[4]) * HOUR
    # Hours at the ends of the calendar are not kept: with them the instant must be checked, not only the text.
    if EARLIEST + 2 * DAY <= hour <= LATEST - 2 * DAY:
        if len(_hours) >= HOURS_KEPT_MAX:
            _hours.clear()
        _hours[text[:14]] = hour
    return hour


def _not_an_instant(text: str) -> ValueError:
    return ValueError(f"expected RFC 3339 with an offset, or a date, got {shown(text)}")


def shown(text: str, limit: int = 60) -> str:
    """A value as an error may show it: quoted, escaped, cut."""
    return ascii(text) if len(text) <= limit else ascii(text[:limit]) + "…"


def parse_date(text: str) -> dt.date:
    """The day of `YYYY-MM-DD`; `ValueError` for all else."""
    match = _DATE.fullmatch(text)
    if match is not None:
        try:
            return dt.date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            pass
    raise ValueError(f"expected a date YYYY-MM-DD, got {shown(text)}")


def instant_of(moment: dt.datetime) -> int:
    """The instant of a datetime that knows its offset; `ValueError` without one."""
    if moment.utcoffset() is None:
        raise ValueError(f"{moment} has no offset")
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def format_instant(instant: int) -> str:
    """RFC 3339 at +08:00, with microseconds only when they are not 0.

    An instant outside the years 1 to 9999 (a deadline after too many days) is written as the nearest instant inside.
    """
    instant = min(max(instant, EARLIEST), LATEST)
    return (dt.datetime(1970, 1, 1, 8, tzinfo=CHINA) + dt.timedelta(microseconds=instant)).isoformat()


def day_of(instant: int) -> dt.date:
    """The day at +08:00."""
    return dt.date.fromordinal((min(max(instant, EARLIEST), LATEST) + CHINA_OFFSET) // DAY + _EPOCH_ORDINAL)


def year_of(instant: int) -> int:
    """The calendar year at +08:00."""
    return day_of(instant).year


def start_of_day(day: dt.date) -> int:
    """The instant at which a day begins at +08:00."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY - CHINA_OFFSET


def days(count: int) -> int:
    """So many times 24 hours, in microseconds; at most `DAYS_MAX` days, so that sums fit a 64-bit column."""
    return min(count, DAYS_MAX) * DAY


def past(instant: int, count_days: int) -> int:
    """The deadline n days after an instant: within n days means `time` ≤ it."""
    return instant + days(count_days)


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day some calendar months later, clamped to the month's end; at most the last day there is."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > dt.MAXYEAR:
        return dt.date.max
    if year < dt.MINYEAR:
        return dt.date.min
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_later(instant: int, months: int) -> int:
    """The same time of the day at +08:00 some calendar months later, clamped to the month's end."""
    day = day_of(instant)
    return start_of_day(add_months(day, months)) + instant - start_of_day(day)


def month_of(instant: int) -> int:
    """The calendar month at +08:00, as a number: years times twelve and the months before it."""
    day = day_of(instant)
    return day.year * 12 + day.month - 1


def start_of_month(month: int) -> int:
    """The instant at which a month begins at +08:00; outside the years 1 to 9999 the nearest instant inside."""
    year, of_year = divmod(month, 12)
    if year < dt.MINYEAR:
        return EARLIEST
    return LATEST if year > dt.MAXYEAR else start_of_day(dt.date(year, of_year + 1, 1))
