"""What one item of judging may cost, in one place. What costs more is set aside, and told of; the others go on.

Rows and bytes are counted, so that a replay sets aside what a worker did, on whatever machine. Seconds are only for
what hangs: a worker's alone, and generous. A round of many items has the budget of one: it reads no less than each of
its items would, so what is within it needs no other look; what is not is judged item by item.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple


class Budget(NamedTuple):
    """What an item may cost at most: rows and bytes of events that it reads, and seconds."""

    rows: int = 1_000_000
    bytes: int = 256 * 1024 * 1024
    seconds: int = 60


ITEM: Final = Budget()
# Why an item is set aside: by the name of a budget, since the engine failed on it, or since a process died over it.
ERROR, DEATHS = "error", "deaths"
NAMES: Final = (*Budget._fields, ERROR, DEATHS)
# Rows that are in memory before they are counted.
PAGE_ROWS: Final = 5_000
# How often SQLite asks whether it may go on: every so many steps of its machine, about every millisecond.
STEPS: Final = 100_000


class OverBudget(Exception):
    """An item of judging, or a round of them, costs more than its budget. `name` is that of the budget."""

    def __init__(self, name: str, maximum: int) -> None:
        super().__init__(f"judging it takes more than {maximum:,} {name}")
        self.name = name
        self.maximum = maximum


class Meter:
    """Counts what is read; raises `OverBudget`. Without `seconds` it does not look at a clock."""

    def __init__(self, budget: Budget, *, timed: bool) -> None:
        self._budget = budget
        self._rows = self._bytes = 0
        self._until = time.monotonic() + budget.seconds if timed else None

    @property
    def rows_max(self) -> int:
        """The most rows that one statement may answer with."""
        return self._budget.rows

    def late(self) -> bool:
        """Whether the time is over."""
        return self._until is not None and time.monotonic() > self._until

    def hung(self) -> OverBudget:
        """The error where a statement was broken off."""
        return OverBudget("seconds", self._budget.seconds)

    def known(self, count: int) -> None:
        """Counts what was read before and kept, a row each."""
        self._rows += count
        if self._rows > self._budget.rows:
            raise OverBudget("rows", self._budget.rows)

    def read(self, rows: Sequence[Sequence[Any]], blobs: Sequence[int]) -> None:
        """Counts rows, and the bytes in the columns `blobs`."""
        if rows:
            self._rows += len(rows)
            if self._rows > self._budget.rows:
                raise OverBudget("rows", self._budget.rows)
            for at in blobs:
                self._bytes += sum(len(row[at] or b"") for row in rows)
                if self._bytes > self._budget.bytes:
                    raise OverBudget("bytes", self._budget.bytes)
        if self._until is not None and time.monotonic() > self._until:
            raise self.hung()


def blobs_of(row: Sequence[Any]) -> tuple[int, ...]:
    """The columns of a row that hold bytes, which alone may be long."""
    return tuple(at for at, value in enumerate(row) if isinstance(value, bytes))
