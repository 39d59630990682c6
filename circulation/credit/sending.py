"""As much of a statement as may be sent: of each list what weighs most."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.bounds import LEFT_OUT, bytes_of, shortened

# Lines of each of the three lists of a statement as it is sent, and all of its bytes as JSON.
STATED_MAX: Final = 1_000
STATEMENT_BYTES_MAX: Final = 1024 * 1024


class Listed(NamedTuple):
    """A line as it is sent: its points, its bytes as JSON with blanks, and what stands in the list."""

    points: int
    bytes: int
    value: Any


def sent(data: dict[str, Any]) -> dict[str, Any]:
    """A statement as it is sent: of each list what weighs most, of equal weight what is newest, in its order.

    How many a list lost is beside it (`records_left_out`); the score is made of all of them.
    """
    lists = {name: [listed(row) for row in value] for name, value in data.items() if isinstance(value, list)}
    rest = {name: value for name, value in data.items() if name not in lists}
    return fitting(rest, lists, {name: len(rows) for name, rows in lists.items()})


def listed(row: Mapping[str, Any]) -> Listed:
    """A line as it is sent."""
    value = {name: shortened(member) if isinstance(member, str) else member for name, member in row.items()}
    return Listed(row["points"], bytes_of(value), value)


def fitting(
    members: Mapping[str, Any], lists: Mapping[str, Sequence[Listed]], counts: Mapping[str, int]
) -> dict[str, Any]:
    """A statement with as much of its lists as it may have. Of lists that have more lines than are given, which are
    their heaviest, `counts` tells how many."""
    listed_max = STATED_MAX
    while True:
        data = dict(members)
        kept = {name: _heaviest(lines, listed_max) for name, lines in lists.items()}
        for name in lists:
            data[name] = []
            if counts[name] > listed_max:
                data[name + LEFT_OUT] = counts[name] - listed_max
        size = bytes_of(data) + sum(
            sum(line.bytes for line in lines) + 2 * max(0, len(lines) - 1) for lines in kept.values()
        )
        if listed_max == 1 or size <= STATEMENT_BYTES_MAX:
            return data | {name: [line.value for line in lines] for name, lines in kept.items()}
        listed_max //= 2


def _heaviest(lines: Sequence[Listed], count: int) -> Sequence[Listed]:
    if len(lines) <= count:
        return lines
    heaviest = sorted(range(len(lines)), key=lambda at: (-lines[at].points, -at))[:count]
    return [lines[at] for at in sorted(heaviest)]
