"""Facts of entities of which much was stated, kept from one round to the next where other processes write, too.

A party with ten thousand grants is not read whole for each round: a round reads the statements since the last one.
Events of one entity come from one partition, whose transactions follow each other at its fence, and take their numbers
there: of one entity no lower number is committed after a higher one.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from circulation.events.event import Event
from circulation.events.names import EVENT_RETRACTED
from circulation.facts.statements import STATEMENTS
from streams.store.db import Db
from streams.store.kept_events import COLUMNS
from streams.store.schema import OF_FACTS

# Of fewer statements facts are read as quickly as it is asked what is new.
STATEMENTS_MIN: Final = 16
# Statements of all entities that are kept together.
STATEMENTS_KEPT_MAX: Final = 100_000

_WHOLE: Final = f"select {COLUMNS} from events where topic = ? and subject = any(?) and {OF_FACTS}"  # noqa: S608
# One entity after the other: a planner that takes most events for those of one would go through all of them.
_SINCE: Final = (
    f"select events.* from unnest(?::text[], ?::bigint[]) as kept(asked, newest) cross join lateral (select {COLUMNS}"  # noqa: S608
    f" from events where subject = asked and topic = ? and id > newest and {OF_FACTS} offset 0) events"
)


class Folded(Protocol):
    """The facts of one entity, to which what is stated is added as it comes."""

    def add(self, event: Event) -> None:
        """Add a statement that came."""


_F = TypeVar("_F", bound=Folded)


class Read(NamedTuple):
    """A statement that was read whole: whether it stands, and whether it ever did on its key."""

    event: Event
    stands: bool
    stood: bool


class _Kept:
    """Facts, the number of the newest row that is in them, and how many statements they hold."""

    __slots__ = ("facts", "newest", "statements")

    def __init__(self, facts: Any, newest: int, statements: int) -> None:
        self.facts = facts
        self.newest = newest
        self.statements = statements


class Lasting:
    """A cache of a PostgreSQL store, by topic and entity."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._statements = 0

    def facts(
        self,
        db: Db,
        topic: str,
        ids: Collection[str],
        make: Callable[[str, list[Read]], _F],
        read: Callable[[tuple[Any, ...]], Event],
    ) -> dict[str, _F]:
        """Facts of these entities as of now; `make` folds all statements of one, `read` makes an event of a row.

        1. Of those that are kept, read what came since, and add it; one of which something was taken back is forgotten.
        2. Read the others whole, and keep those of which there is much.
        """
        by_id: dict[str, _F] = self._current(db, topic, ids, read)
        missing = [id_ for id_ in ids if id_ not in by_id]
        if missing:
            rows: dict[str, list[tuple[Any, ...]]] = {id_: [] for id_ in missing}
            for row in sorted(db.rows(_WHOLE, topic, missing)):
                rows[row[2]].append(row)
            for id_, entity_rows in rows.items():
                by_id[id_] = make(id_, [_stated(row, read) for row in entity_rows if row[3] != EVENT_RETRACTED])
                if len(entity_rows) >= STATEMENTS_MIN:
                    self._keep((topic, id_), _Kept(by_id[id_], entity_rows[-1][0], len(entity_rows)))
        return by_id

    def _current(
        self, db: Db, topic: str, ids: Collection[str], read: Callable[[tuple[Any, ...]], Event]
    ) -> dict[str, Any]:
        kept = {id_: entry for id_ in ids if (entry := self._kept.pop((topic, id_), None)) is not None}
        if not kept:
            return {}
        rows = db.rows(_SINCE, list(kept), [entry.newest for entry in kept.values()], topic)
        for row in sorted(rows):
            number, subject, type_, retracted = row[0], row[2], row[3], row[10]
            if (entry := kept.get(subject)) is None:
                continue
            entry.newest = number
            if type_ == EVENT_RETRACTED:
                if read(row).data.type in STATEMENTS[topic]:
                    self._statements -= kept.pop(subject).statements
            elif retracted is not None:
                # It was taken back before it came: facts that hang on what was taken back are read whole.
                self._statements -= kept.pop(subject).statements
            else:
                entry.facts.add(read(row))
                entry.statements += 1
                self._statements += 1
        # Used last, it stays longest.
        self._kept |= {(topic, id_): entry for id_, entry in kept.items()}
        if db.meter is not None:
            db.meter.known(len(kept))
        return {id_: entry.facts for id_, entry in kept.items()}

    def _keep(self, key: tuple[str, str], entry: _Kept) -> None:
        self._kept[key] = entry
        self._statements += entry.statements
        while self._statements > STATEMENTS_KEPT_MAX and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._statements -= self._kept.pop(oldest).statements

    def clear(self) -> None:
        """Forget all of it."""
        self._kept.clear()
        self._statements = 0


def _stated(row: tuple[Any, ...], read: Callable[[tuple[Any, ...]], Event]) -> Read:
    number, retracted = row[0], row[10]
    return Read(read(row), retracted is None, retracted is None or retracted > number)
