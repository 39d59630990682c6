"""Which clock a store runs on, and what time it is for what is looked up in it."""

from typing import Final

from sqlalchemy import select

from streams.address import address
from streams.health.clock import highest
from streams.health.workers import Differs, alive
from streams.settings import Settings
from streams.store import schema
from streams.store.ask import Question
from streams.store.db import Db, wall
from streams.store.store import Store

WALL, EVENTS = "wall", "events"
_ID: Final = 1
_CLOCK: Final = schema.store_clock.c
_KEPT: Final = Question(select(_CLOCK.clock, _CLOCK.instant).where(_CLOCK.id == _ID))


def keep(db: Db, clock: str, worker: str) -> None:
    """Writes down which clock the store runs on from now on, as a worker was told.

    Raises `Differs` while others live that run on the other one: the same deadline would be past and not past.
    """
    row = _KEPT.one(db)
    if row is not None and row[0] == clock:
        return
    other_workers = [living.worker for living in alive(db) if living.worker != worker]
    if row is not None and other_workers:
        raise Differs(
            f"worker {other_workers[0]} of this store runs on the clock {row[0]!r}, and this one would on {clock!r}"
            " (CIRCULATION_CLOCK): all workers of a store go by the same; stop the others first"
        )
    db.many(schema.store_clock, [(_ID, clock, None)], "upsert")


def replayed(db: Db, instant: int) -> None:
    """Writes down that a replay filled this store, and how far its clock came (µs). A worker's word stays."""
    row = _KEPT.one(db)
    if row is None or row[0] == EVENTS:
        db.many(schema.store_clock, [(_ID, EVENTS, max(instant, (row and row[1]) or instant))], "upsert")


def of_store(db: Db, settings: Settings, at: int | None = None) -> int:
    """The instant that is now for this store, µs: what is looked up in it is answered by its own clock.

    Which clock that is the store knows; one that no worker has opened yet goes by the settings. A store that runs on
    the events' clock and has no events yet is at the wall's, which is `at` where that was asked already.
    """
    at = wall() if at is None else at
    row = _KEPT.one(db)
    clock, instant = row or (settings.clock, None)
    if clock == WALL:
        return at
    return max(highest(db), instant or 0) or at


def now_of(settings: Settings, at: int | None = None) -> int:
    """As `of_store`, for who has not opened the store; where it cannot be read, by the settings alone (the wall's)."""
    at = wall() if at is None else at
    file = address(settings.store).file
    if file is not None and not file.is_file():
        return at
    store = Store(settings.store, read_only=True)
    try:
        with store.reading() as db:
            return of_store(db, settings, at)
    except Exception:  # there may be anything behind a URL, and an order is not kept back for it
        return at
    finally:
        store.close()
