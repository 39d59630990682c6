"""The parties of which there are records, by who ever stood above them.

A signatory is held against the records of all that have the same controller. Of the thousands of a group few have any,
so these are found from above, and the others are never asked for.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from circulation.events.event import Event
from circulation.events.names import CREDIT_DETERMINED
from streams.store.db import Db
from streams.store.schema import OF_RECORDS

# Where more parties have records than this, groups are gone through instead: who may keep what was found, and who
# finds it anew for each round.
RECORDED_MAX: Final = 20_000
RECORDED_MAX_OF_ROUND: Final = 100

Above = Callable[[str], Collection[str]]


def parties_with_records(db: Db, parties_max: int) -> list[str]:
    """The parties of which there are records; so many of them, where there are more.

    A round on PostgreSQL asks for one after the other, so that a party with ten thousand records is one step; on SQLite
    they are read once.
    """
    if not db.postgres:
        query = f"select distinct subject from events where {OF_RECORDS} limit ?"  # noqa: S608
        return [row[0] for row in db.rows(query, parties_max)]
    least = f"select min(key(subject)) from events where {OF_RECORDS}"  # noqa: S608
    query = (
        f"with recursive named(place) as ({least} union all"  # noqa: S608
        f" select ({least} and key(subject) > place) from named where place is not null)"
        f" select (select subject from events where {OF_RECORDS} and key(subject) = place limit 1)"
        " from named where place is not null limit ?"
    )
    return [row[0] for row in db.rows(query, parties_max)]


class Recorded:
    """A cache of the store: what changes says so. It may name a party too many, and none too few."""

    def __init__(self) -> None:
        self._loaded = False
        # By party all that ever stood above it, itself among them; and the other way round.
        self._above: dict[str, frozenset[str]] = {}
        self._below: dict[str, set[str]] = {}
        self._stale: set[str] = set()

    def changed(self, event: Event) -> None:
        """A statement about a party came, or was taken back."""
        if not self._loaded:
            return
        if event.type == CREDIT_DETERMINED:
            self._stale.add(event.subject)
        self._stale |= self._below.get(event.subject, set())

    def below(
        self, parties: Iterable[str], most: int, load: Callable[[], Collection[str]], above: Above
    ) -> set[str] | None:
        """The parties with records that ever stood below one of these, or are one.

        None where more than `most` have any. `load` names all of them, and `above` whoever ever stood above one.
        """
        if not self._loaded:
            self._stale = set(load())
            self._loaded = True
        if len(self._stale) + len(self._above) > most:
            return None
        for party in self._stale:
            for controller in self._above.get(party, ()):
                self._below[controller].discard(party)
            self._above[party] = frozenset(above(party))
            for controller in self._above[party]:
                self._below.setdefault(controller, set()).add(party)
        self._stale = set()
        return {subsidiary for party in parties for subsidiary in self._below.get(party, ())}

    def clear(self) -> None:
        """Forgets all of it."""
        self._loaded = False
        self._above.clear()
        self._below.clear()
        self._stale.clear()
