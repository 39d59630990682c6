"""The days of a table of PostgreSQL, each a partition: a day that is over and old enough is dropped, not deleted.

To delete a day row by row leaves as many dead rows, and the same again in the table of long values, for a vacuum to go
through. A row of a day that has no partition (a clock that was wrong for a while, a store that was migrated in the
middle of it) is in the default partition, and is pruned row by row.
"""

from collections.abc import Iterator
from typing import Final

import psycopg

from circulation.calendar import DAY
from streams.store.db import Db
from streams.store.errors import StoreAway
from streams.store.store import Store

# Of this day and as many after it there are partitions: whoever makes them may be away for days.
DAYS_AHEAD: Final = 3
# To make or drop one, everyone who uses the table has to stand back: for so long at most, else it is for later.
LOCK_WAIT: Final = "50ms"


def rest(table: str) -> str:
    """The default partition."""
    return f"{table}_rest"


def pass_(store: Store, table: str, now: int, before: int) -> None:
    """Makes the partitions of this day and the next ones, and drops those that end before an instant (µs)."""
    with store.reading() as db:
        existing = dict(_days(db, table))
    today = now // DAY
    for day in range(today, today + 1 + DAYS_AHEAD):
        if day not in existing:
            name = f"{table}_d{day}"
            creation = f"create table {name} (like {table} including defaults)"
            bounds = f"for values from ({day * DAY}) to ({(day + 1) * DAY})"
            _alone(store, table, creation, f"alter table {table} attach partition {name} {bounds}")
    for day, name in sorted(existing.items()):
        if (day + 1) * DAY <= before:
            _alone(store, table, f"drop table if exists {name}")


def _days(db: Db, table: str) -> Iterator[tuple[int, str]]:
    query = (
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass(?)"
    )
    for (name,) in db.rows(query, table):
        day = str(name).removeprefix(f"{table}_d")
        if day.isdecimal():
            yield int(day), str(name)


def _alone(store: Store, table: str, *statements: str) -> None:
    """Runs them in a transaction, if it is had at once; what another worker is at, or has done, is left to it."""
    try:
        with store.writing() as db:
            if db.try_lock([f"partitions of {table}"]):
                db.run(f"set local lock_timeout = '{LOCK_WAIT}'")
                for statement in statements:
                    db.run(statement)
    except (psycopg.errors.CheckViolation, psycopg.errors.DuplicateTable, psycopg.errors.InsufficientPrivilege):
        # Rows of that day are in the default partition, where they are as well as here; or it is there by now; or the
        # tables are another's, who has a worker that does it, or rows go one by one.
        return
    except StoreAway as away:
        if not isinstance(away.__cause__, psycopg.errors.LockNotAvailable):
            raise
