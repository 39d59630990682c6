"""The schema of a store, and whether this program knows it: a store of a newer one is read and written by no other, and
what is no store of ours is not touched.

Alembic knows the same, and takes longer to import than most commands to answer.
"""

import contextlib
import enum
import functools
import sqlite3
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.store.db import Db

_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"
# PostgreSQL: there is no such table, or whoever asks may not read it.
_NOT_SHOWN: Final = frozenset({"42P01", "42501"})
# The tables that every store has, whatever its schema, and whatever of it one may read.
_OWN_TABLES: Final = frozenset({"alembic_version", "horizon", "progress"})
_NAMES: Final = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite%'"
_WHAT_NOW: Final = "; it was left as it is (CIRCULATION_STORE names the store)"
# Of the tables of another program so many are named.
_NAMED_MAX: Final = 3


class Holds(enum.Enum):
    """The contents of a place where a store may be."""

    STORE = "a store"
    EMPTY = "nothing yet"
    FOREIGN = "what another program keeps there"


class StoreNewer(Exception):
    """The store has a schema that this program does not know, or is about to get one; one sentence says what to do."""


class StoreForeign(Exception):
    """The tables there belong to another program; one sentence says so. It was not touched."""


class StoreForbidden(StoreForeign):
    """The database lets us make no tables; one sentence says what to grant. Nothing was changed."""


def _wanted() -> list[str]:
    """The names that a store is about to have: somebody else's table or view of such a name would be taken for ours."""
    from streams.store import schema

    return sorted({*_OWN_TABLES, *schema.metadata.tables, *schema.VIEWS})


@functools.cache
def known() -> frozenset[str]:
    """The revisions that this program knows: each migration's file begins with its own."""
    return frozenset(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))


def newest() -> str:
    """The revision that this program brings a store to."""
    return max(known())


def of(db: "Db") -> str | None:
    """The revision of a store; None where it has none yet, or does not show it."""
    try:
        row = db.one("select version_num from alembic_version")
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    except Exception as error:
        if getattr(error, "sqlstate", None) in _NOT_SHOWN:
            return None
        raise
    return None if row is None else str(row[0])


def check(db: "Db", place: str) -> None:
    """Raises `StoreNewer` where this program does not know the schema of the store."""
    version = of(db)
    if version is not None and version not in known():
        raise StoreNewer(
            f"the store {place} has the schema {version} of a newer version of this program, which knows it up to"
            f" {newest()}: use that version, or restore a backup"
        )


def behind(db: "Db", place: str) -> str | None:
    """The advice where the schema of the store is an older one than this program's, in a sentence."""
    version = of(db)
    if version is None or version not in known() or version == newest():
        return None
    return (
        f"the store {place} has the schema {version}, this version of the program needs {newest()}: a worker of this"
        " version brings it up to date when it starts"
    )


def holds(names: Set[str]) -> Holds:
    """The contents of a place, by the names of the tables and views there."""
    if names >= _OWN_TABLES:
        return Holds.STORE
    return Holds.FOREIGN if names else Holds.EMPTY


def names(db: "Db") -> frozenset[str]:
    """The tables and views of a SQLite file; of PostgreSQL those that a statement of ours would mean.

    In a database there may be others beside ours, and other schemas.
    """
    if not db.postgres:
        return frozenset(row[0] for row in db.rows(_NAMES))
    query = "select relname::text from pg_class where relname::text = any(?) and pg_table_is_visible(oid)"
    return frozenset(row[0] for row in db.rows(query, _wanted()))


def recognise(db: "Db", place: str) -> None:
    """Raises `StoreForeign` where the tables that are there are another program's."""
    if holds(tables := names(db)) is Holds.FOREIGN:
        raise StoreForeign(_foreign(place, tables))


def recognise_file(path: Path, place: str) -> None:
    """Raises `StoreForeign` where it is a folder, no SQLite database, or one of another program; a file that is not
    there, or empty, may become a store.

    Nothing is written, neither to it nor beside it: a connection that only reads would leave files behind, unless they
    are there already, or it is told that nobody writes. None but SQLite opens the file: closing it would let go of what
    SQLite has locked in this process.
    """
    if path.exists() and not path.is_file():
        raise StoreForeign(f"{place} is no file{_WHAT_NOW}")
    if not path.exists():
        return
    shared = all(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))
    try:
        raw = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{'' if shared else '&immutable=1'}", uri=True)
        with contextlib.closing(raw):
            tables = frozenset(row[0] for row in raw.execute(_NAMES))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise StoreForeign(f"{place} is no store of circulation: it is no SQLite database{_WHAT_NOW}") from error
        return  # its opener says what is wrong
    if holds(tables) is Holds.FOREIGN:
        raise StoreForeign(_foreign(place, tables))


def _foreign(place: str, tables: Set[str]) -> str:
    listing = ", ".join(sorted(tables)[:_NAMED_MAX])
    more = f" and {len(tables) - _NAMED_MAX} more" if len(tables) > _NAMED_MAX else ""
    return f"{place} is no store of circulation: another program has its tables there ({listing}{more}){_WHAT_NOW}"
