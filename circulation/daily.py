"""What a contract's reporters say of the uses of each calendar day (+08:00): uses are counted, not kept one by one.

A day is a number: days since 1970-01-01 at +08:00.
"""

import datetime as dt
from typing import Final, NamedTuple

import msgspec

from circulation.calendar import CHINA_OFFSET, DAY

# Later than any instant, and earlier than any.
NEVER: Final = 2**62
# What a stored total can hold; a thousand events of the largest count would pass it.
TOTAL_MAX: Final = 2**63 - 1

_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
SEPARATOR: Final = "/"


def _within(total: int) -> int:
    return min(max(total, -TOTAL_MAX), TOTAL_MAX)


class Used(msgspec.Struct, array_like=True, gc=False):
    """What one reporter says of one day. `bytes` and `rows` are None where no report states them.

    `first` and `last` are instants of reports; where they are `NEVER` and `-NEVER`, there is none here.
    """

    uses: int = 0
    bytes: int | None = None
    rows: int | None = None
    first: int = NEVER
    last: int = -NEVER

    def add(self, uses: int, bytes_: int | None, rows: int | None, first: int, last: int) -> None:
        """Takes in what came more; uses that were cancelled are fewer than none."""
        total = self.uses + uses
        self.uses = total if -TOTAL_MAX <= total <= TOTAL_MAX else _within(total)
        if bytes_ is not None:
            total = bytes_ if self.bytes is None else self.bytes + bytes_
            self.bytes = total if total <= TOTAL_MAX else TOTAL_MAX
        if rows is not None:
            total = rows if self.rows is None else self.rows + rows
            self.rows = total if total <= TOTAL_MAX else TOTAL_MAX
        if first < self.first:
            self.first = first
        if last > self.last:
            self.last = last


class UsedDay(NamedTuple):
    """A day of one reporter, as rules see it."""

    day: int
    reporter: int
    used: Used


class UsedAbroad(NamedTuple):
    """A day with uses that are left in another country: so many by whoever reported the most."""

    day: int
    country: str
    uses: int


def key_of(day: int, reporter: int) -> int:
    """A day of one reporter as one number, which rises with the days."""
    return day << 2 | reporter


def of_key(key: int) -> tuple[int, int]:
    """The day and the reporter of such a number."""
    return key >> 2, key & 3


def day_number(instant: int) -> int:
    """The day that an instant is in."""
    return (instant + CHINA_OFFSET) // DAY


def date_of(day: int) -> str:
    """A day as it is written: its date."""
    return dt.date.fromordinal(day + _EPOCH).isoformat()


def end_of(day: int) -> int:
    """The instant at which a day ends: the start of the next."""
    return (day + 1) * DAY - CHINA_OFFSET


def day_scope(day: int, contract: str) -> str:
    """The scope of a sum over single days of contracts."""
    return f"{date_of(day)}{SEPARATOR}{contract}"


def of_scope(scope: str) -> tuple[int, str]:
    """The day and the contract of such a scope."""
    day, contract = scope.split(SEPARATOR, 1)
    return dt.date.fromisoformat(day).toordinal() - _EPOCH, contract
