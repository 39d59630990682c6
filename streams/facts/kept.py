"""What is kept of what was read of the store: within bounds, and counted as if it were read."""

from collections.abc import Collection, Mapping
from typing import Final, TypeVar

from streams.facts.members import Scope, members
from streams.store.db import Db

# Of each kind of what is kept, so many at most.
FACTS_KEPT_MAX: Final = 30_000
EVENTS_KEPT_MAX: Final = 50_000
MEMBERS_KEPT_MAX: Final = 200_000

# The things that belong to a scope, each since when; None where that is not known.
Members = dict[str, int | None]

_K = TypeVar("_K")
_V = TypeVar("_V")


def count_kept(db: Db, count: int) -> None:
    """Counts what was kept as what is read: what an item costs does not depend on what was judged before it."""
    if db.meter is not None:
        db.meter.known(count)


def bound(kept: dict[_K, _V], most: int) -> None:
    """Forgets the older half of what is too much."""
    if len(kept) > most:
        for key in list(kept)[: most // 2]:
            kept.pop(key, None)


class Periods:
    """Scopes of periods to come, all of which have their deadlines: the next act of one has none to write.

    A deadline of a period goes when the horizon has passed it, and not before. In a store that others write a judge may
    hold an older horizon than the one that took the deadline, so there nothing is noted.
    """

    def __init__(self) -> None:
        # By (rule, scope) the end of the first of the periods that an act of it touches.
        self._ends: dict[tuple[str, str], int] = {}

    def are_ahead(self, rule: str, scope: str, horizon: int) -> bool:
        """Whether all periods that an act of a scope touches are to come, and have their deadlines."""
        ends = self._ends.get((rule, scope))
        return ends is not None and ends >= horizon

    def note(self, ends: Mapping[tuple[str, str], int], horizon: int) -> None:
        """Deadlines were written of all periods to come that these touch, by (rule, scope) the first of their ends."""
        bound(self._ends, FACTS_KEPT_MAX)
        self._ends.update((scope, first) for scope, first in ends.items() if first >= horizon)

    def clear(self) -> None:
        """Forgets all of it."""
        self._ends.clear()


class KeptMembers:
    """The things that belong to scopes, as read and changed since: only where nobody else writes the store."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._kept: dict[Scope, Members] = {}
        self._count = 0

    def of(self, db: Db, scopes: Collection[Scope]) -> dict[Scope, Members]:
        """The things that belong to each scope (rule, scope)."""
        kept = self._kept
        by_scope = {key: cached for key in scopes if (cached := kept.get(key)) is not None}
        count_kept(db, sum(map(len, by_scope.values())))
        if missing := [key for key in scopes if key not in by_scope]:
            new: dict[Scope, Members] = {key: {} for key in missing}
            for rule, scope, thing, since in members(db, missing):
                new[rule, scope][thing] = since
            by_scope |= new
            if self._alone:
                if self._count > MEMBERS_KEPT_MAX:
                    kept.clear()
                    self._count = 0
                kept |= new
                self._count += sum(map(len, new.values()))
        return by_scope

    def entered(self, rule: str, scope: str, thing: str, since: int | None = None) -> None:
        """A thing belongs to a scope now, since an instant, where one is known."""
        if (kept := self._kept.get((rule, scope))) is not None:
            self._count += thing not in kept
            kept[thing] = since

    def left(self, rule: str, scope: str) -> None:
        """A thing does not belong to a scope any longer."""
        self._count -= len(self._kept.pop((rule, scope), ()))

    def clear(self) -> None:
        """Forgets all of it."""
        self._kept.clear()
        self._count = 0
