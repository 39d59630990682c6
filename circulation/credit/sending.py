"""As much of a statement as may be sent: of each list what weighs most."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.bounds import LEFT_OUT, bytes_of, shortened

# What a statement lists of each of its three lists as it is sent, and all of its bytes as JSON.
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
    return fitting(rest, lists, {name: len(some) for name, some in lists.items()})


def listed(row: Mapping[str, Any]) -> Listed:
    """A line as it is sent."""
    value = {name: shortened(one) if isinstance(one, str) else one for name, one in row.items()}
    return Listed(row["points"], bytes_of(value), value)


def fitting(
    members: Mapping[str, Any], lists: Mapping[str, Sequence[Listed]], counts: Mapping[str, int]
) -> dict[str, Any]:
    """A statement with as much of its lists as it may have. Of lists that have more lines than are given, which are
    their heaviest, `counts` tells how many."""
    listed_max = STATED_MAX
    while True:
        found = dict(members)
        kept = {name: _heaviest(some, listed_max) for name, some in lists.items()}
        for name in lists:
            found[name] = []
            if counts[name] > listed_max:
                found[name + LEFT_OUT] = counts[name] - listed_max
        size = bytes_of(found) + sum(
            sum(one.bytes for one in some) + 2 * max(0, len(some) - 1) for some in kept.values()
        )
        if listed_max == 1 or size <= STATEMENT_BYTES_MAX:
            return found | {name: [one.value for one in some] for name, some in kept.items()}
        listed_max //= 2


def _heaviest(lines: Sequence[Listed], count: int) -> Sequence[Listed]:
    if len(lines) <= count:
        return lines
    heaviest = sorted(range(len(lines)), key=lambda at: (-lines[at].points, -at))[:count]
    return [lines[at] for at in sorted(heaviest)]
