"""An empty store in memory, which is copied: that takes a tenth of the time that its tables take to be made."""

import functools
import sqlite3
import threading

# Held by the one thread that makes the empty store or copies it.
_COPYING = threading.Lock()


def copy_into(store: sqlite3.Connection) -> None:
    """Makes the tables and views in a store that has none."""
    with _COPYING:
        _empty().backup(store)


def ddl() -> tuple[str, ...]:
    """The statements that make the tables and views of a SQLite store."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    from streams.store import schema

    dialect = sqlite.dialect()
    statements = []
    for table in schema.metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = (index for index in table.indexes if index.info.get("only", dialect.name) == dialect.name)
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return (*statements, *schema.views(postgres=False))


@functools.cache
def _empty() -> sqlite3.Connection:
    """An empty store in memory, to be copied, which takes a tenth of the time that its tables take to be made."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for statement in ddl():
        connection.execute(statement)
    connection.execute("insert into horizon values (1, ?)", (-(2**62),))
    return connection
