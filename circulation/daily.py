"""The uses of a contract on each calendar day (+08:00), by reporter: uses are counted, not kept one by one.

A day is a number: days since 1970-01-01 at +08:00.
"""

import calendar
import datetime as dt
import enum
from typing import Final, NamedTuple

import msgspec

from circulation.calendar import CHINA_OFFSET, DAY

# Later than any instant, and earlier than any.
NEVER: Final = 2**62
# Of either end of a day so much may be told apart, at most.
EDGE_SECONDS_MAX: Final = 3_600
# The largest total that can be stored; a thousand events of the largest count would pass it.
TOTAL_MAX: Final = 2**63 - 1

_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
SEPARATOR: Final = "/"


def _within(total: int) -> int:
    return min(max(total, -TOTAL_MAX), TOTAL_MAX)


class Edge(msgspec.Struct, array_like=True, gc=False):
    """The uses by one reporter near one end of a day. `bytes` and `rows` are None where no report states them."""

    uses: int = 0
    bytes: int | None = None
    rows: int | None = None

    def add(self, uses: int, bytes_: int | None, rows: int | None) -> None:
        """Takes in what came more; uses that were cancelled are fewer than none."""
        self.uses = _within(self.uses + uses)
        if bytes_ is not None:
            self.bytes = _within((self.bytes or 0) + bytes_)
        if rows is not None:
            self.rows = _within((self.rows or 0) + rows)


class Used(msgspec.Struct, array_like=True, gc=False):
    """The uses by one reporter on one day. `bytes` and `rows` are None where no report states them.

    `first` and `last` are instants of reports; where they are `NEVER` and `-NEVER`, there is none here. `head` and
    `tail` are what of it was said near the midnights at which the day begins and ends, None where nothing was; where
    there is either, `middle` are the members (`_USES`, `_BYTES`, `_ROWS`) that were said in between. `span` are the
    first and the last instant of reports of more than 0 uses, None where they are those of all reports.
    """

    uses: int = 0
    bytes: int | None = None
    rows: int | None = None
    first: int = NEVER
    last: int = -NEVER
    head: Edge | None = None
    tail: Edge | None = None
    middle: int = 0
    span: tuple[int, int] | None = None

    @property
    def first_use(self) -> int:
        """The instant (µs) of the first report of more than 0 uses; `NEVER` where there is none here."""
        return self.first if self.span is None else self.span[0]

    @property
    def last_use(self) -> int:
        """The instant (µs) of the last report of more than 0 uses; `-NEVER` where there is none here."""
        return self.last if self.span is None else self.span[1]

    def add(self, uses: int, bytes_: int | None, rows: int | None, first: int, last: int) -> None:
        """Takes in what came more; uses that were cancelled are fewer than none. What reports 0 comes by itself."""
        if self.head is not None or self.tail is not None:
            self.middle |= _members(bytes_, rows, first)
        self._add(uses, bytes_, rows, first, last)

    def add_near(self, side: "Side", uses: int, bytes_: int | None, rows: int | None, first: int, last: int) -> None:
        """The same of what was said near one of its midnights."""
        self.middle = self._between()
        if side is Side.HEAD:
            edge = self.head = self.head or Edge()
        else:
            edge = self.tail = self.tail or Edge()
        edge.add(uses, bytes_, rows)
        self._add(uses, bytes_, rows, first, last)

    def merge(self, used: "Used") -> None:
        """Takes in what another place has of the same day."""
        middle = self._between() | used._between()
        first_use, last_use = min(self.first_use, used.first_use), max(self.last_use, used.last_use)
        self._add(used.uses, used.bytes, used.rows, used.first, used.last)
        self._used_within(first_use, last_use)
        if used.head is not None:
            self.head = self.head or Edge()
            self.head.add(used.head.uses, used.head.bytes, used.head.rows)
        if used.tail is not None:
            self.tail = self.tail or Edge()
            self.tail.add(used.tail.uses, used.tail.bytes, used.tail.rows)
        self.middle = middle if self.head is not None or self.tail is not None else 0

    def between(self) -> Edge | None:
        """The uses stated near neither midnight; None where there are none."""
        middle, head, tail = self._between(), self.head or _NO_EDGE, self.tail or _NO_EDGE
        if not middle:
            return None
        return Edge(
            self.uses - head.uses - tail.uses,
            (self.bytes or 0) - (head.bytes or 0) - (tail.bytes or 0) if middle & _BYTES else None,
            (self.rows or 0) - (head.rows or 0) - (tail.rows or 0) if middle & _ROWS else None,
        )

    def _between(self) -> int:
        if self.head is not None or self.tail is not None:
            return self.middle
        return _members(self.bytes, self.rows, self.first)

    def _add(self, uses: int, bytes_: int | None, rows: int | None, first: int, last: int) -> None:
        total = self.uses + uses
        self.uses = total if -TOTAL_MAX <= total <= TOTAL_MAX else _within(total)
        if bytes_ is not None:
            total = bytes_ if self.bytes is None else self.bytes + bytes_
            self.bytes = total if total <= TOTAL_MAX else TOTAL_MAX
        if rows is not None:
            total = rows if self.rows is None else self.rows + rows
            self.rows = total if total <= TOTAL_MAX else TOTAL_MAX
        if uses and self.span is None:
            if first < self.first:
                self.first = first
            if last > self.last:
                self.last = last
            return
        first_use, last_use = self.first_use, self.last_use
        if uses:
            first_use, last_use = min(first, first_use), max(last, last_use)
        self.first, self.last = min(first, self.first), max(last, self.last)
        self._used_within(first_use, last_use)

    def _used_within(self, first_use: int, last_use: int) -> None:
        self.span = None if (first_use, last_use) == (self.first, self.last) else (first_use, last_use)


# Members of what was used that are stated.
_USES: Final = 1
_BYTES: Final = 2
_ROWS: Final = 4
_NO_EDGE: Final = Edge()


def _members(bytes_: int | None, rows: int | None, first: int) -> int:
    """The members that are stated; none where there is no report, and only something given back."""
    if first == NEVER:
        return 0
    return _USES | (bytes_ is not None) * _BYTES | (rows is not None) * _ROWS


class Side(enum.Enum):
    """The ends of a day."""

    HEAD = enum.auto()
    TAIL = enum.auto()


def side_of(instant: int, edge: int) -> Side | None:
    """The end of its day that an instant is no farther from than `edge` (µs); None where it is farther from both."""
    past = (instant + CHINA_OFFSET) % DAY
    if past <= edge:
        return Side.HEAD
    return Side.TAIL if DAY - past <= edge else None


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


def month_scope(day: int, contract: str) -> str:
    """The scope of the month that a day is in. As texts, months come after their days, and these in their order."""
    return f"{date_of(day)[:7]}{SEPARATOR}{contract}"


def span_of(scope: str) -> tuple[int, int, str]:
    """The first and the last day of such a scope, and its contract; of a single day they are one."""
    date, contract = scope.split(SEPARATOR, 1)
    if len(date) > len("2025-02"):
        day = dt.date.fromisoformat(date).toordinal() - _EPOCH
        return day, day, contract
    year, month = map(int, date.split("-"))
    first = dt.date(year, month, 1).toordinal() - _EPOCH
    return first, first + calendar.monthrange(year, month)[1] - 1, contract
