"""Statements of one entity in the order of time, and which of several reports counts."""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from circulation.events.event import Event
from circulation.events.names import (
    ASSET_ASSESSED,
    ASSET_GRADED,
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    ASSETS,
    CONTRACT_AMENDED,
    CONTRACT_SIGNED,
    CONTRACT_TERMINATED,
    CONTRACTS,
    CREDIT_DETERMINED,
    GRANT_ISSUED,
    GRANT_REVOKED,
    OBJECTION_DECIDED,
    OBJECTION_FILED,
    PARTIES,
    PARTY_REGISTERED,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
    REPAIR_APPLIED,
    REPAIR_DECIDED,
)
from circulation.facts.acts import NEVER, order

# The types that the records of a party are folded from.
RECORDS: Final = (CREDIT_DETERMINED, OBJECTION_FILED, OBJECTION_DECIDED, REPAIR_APPLIED, REPAIR_DECIDED)
# The types that facts are folded from, by topic; everything else that is kept of an entity is an act only.
STATEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    PARTIES: (PARTY_REGISTERED, GRANT_ISSUED, GRANT_REVOKED, *RECORDS),
    ASSETS: (ASSET_REGISTERED, ASSET_GRADED, ASSET_ASSESSED, ASSET_WITHDRAWN, PRODUCT_LISTED, PRODUCT_DELISTED),
    CONTRACTS: (CONTRACT_SIGNED, CONTRACT_AMENDED, CONTRACT_TERMINATED),
}


def of_types(statements: Iterable[Event], *types: str) -> list[Event]:
    """Those of these types, in the order of (time, source, id)."""
    return sorted((statement for statement in statements if statement.type in types), key=order)


def time_of(statement: Event) -> int:
    """The key of statements in the order of time."""
    return statement.time


def latest(statements: Sequence[Event], instant: int) -> Event | None:
    """Of statements in their order the latest that is not after the instant."""
    at = bisect_right(statements, instant, key=time_of)
    return statements[at - 1] if at else None


class Counting:
    """Statements of which each has a business id, and of one id the best reporter's counts, of that the earliest.

    `again` is the earliest `time` of those with an id that more than one has; NEVER where each has its own.
    """

    __slots__ = ("again", "by_id", "of_each")

    def __init__(self) -> None:
        self.by_id: dict[str, Event] = {}
        self.of_each: list[Event] = []
        self.again = NEVER

    def add(self, id_: str, event: Event) -> Event | None:
        """Adds a statement; answers with the one in whose place it counts now, or with itself where it does not."""
        before = self.by_id.get(id_)
        if before is not None:
            self.again = min(self.again, before.time, event.time)
            if _rank(before) <= _rank(event):
                return event
            self.of_each.remove(before)
        self.by_id[id_] = event
        insort(self.of_each, event, key=_rank)
        return before


def _rank(statement: Event) -> tuple[int, int, str, str]:
    return (statement.reporter, *order(statement))
