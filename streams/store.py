"""The store: one SQL truth on SQLite (one worker) or PostgreSQL (many), with bulk statements on the hot path.

The schema is SQLAlchemy's and Alembic's (`schema`, `migrations`). Statements are plain SQL on the driver's own
connection: on the hot path SQLAlchemy's execution layer costs more than the statement itself. Two things differ
between the dialects and are spelt once here: parameters (`?`) and membership (`any(?)` of a list).
"""

import contextlib
import fcntl
import functools
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
import psycopg
from sqlalchemy import Column, LargeBinary, Table, create_engine, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from streams import schema

How = Literal["insert", "upsert", "ignore"]

# Fewer rows are not worth another look at a table.
ANALYZE_ROWS_MIN = 500
# How long a SQLite file that another process writes is waited for, and how often one asks who has less time.
PATIENCE_SECONDS = 10.0
HURRIED_SECONDS = 0.0001
# Rows of a stream that are in memory at a time.
STREAM_ROWS = 5_000


class StoreAway(Exception):
    """The store does not answer, is locked, or gave up a transaction: what was begun must be begun anew."""


class StoreTaken(Exception):
    """Another worker has this SQLite file."""


class Db:
    """One connection, used by one thread at a time. Statements are the same text in both dialects."""

    def __init__(self, connection: Any, *, postgres: bool) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        # Of what has no answer: it is sent, and where there is a pipeline nobody waits for it.
        self._sending = connection.cursor()
        self.postgres = postgres
        self._texts: dict[str, str] = {}
        self._bulk: dict[tuple[str, How], str] = {}

    def _text(self, sql: str) -> str:
        text = self._texts.get(sql)
        if text is None:
            if self.postgres:
                text = sql.replace("%", "%%").replace("?", "%s")
            else:
                text = sql.replace("= any(?)", "in (select value from json_each(?))")
                text = text.replace("for update skip locked", "").replace("for update", "").replace("for share", "")
            self._texts[sql] = text
        return text

    def _values(self, values: Sequence[Any]) -> Sequence[Any]:
        if self.postgres:
            return [_array(one) if isinstance(one, list) else one for one in values]
        return [orjson.dumps(one).decode() if isinstance(one, list) else one for one in values]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows that a query answers with."""
        found: list[tuple[Any, ...]] = self._cursor.execute(self._text(sql), self._values(values)).fetchall()
        return found

    def ask(self, sql: str, *values: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Asks now and answers, when it is called, with all rows as of now: several questions are waited for once."""
        if not self.postgres:
            rows = self.rows(sql, *values)
            return lambda: rows
        cursor = self._connection.cursor()
        cursor.execute(self._text(sql), self._values(values))
        return cursor.fetchall  # type: ignore[no-any-return]

    def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        row: tuple[Any, ...] | None = self._cursor.execute(self._text(sql), self._values(values)).fetchone()
        return row

    def stream(self, sql: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """All rows that a query answers with, some at a time: for what is too much for the memory.

        On PostgreSQL within a transaction only. Other statements may run in between.
        """
        cursor = self._connection.cursor(name="stream") if self.postgres else self._connection.cursor()
        with contextlib.closing(cursor):
            cursor.execute(self._text(sql), self._values(values))
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield rows

    def run(self, sql: str, *values: Any) -> None:
        """Runs a statement that has no answer. In a transaction that writes PostgreSQL it is sent and not waited for:
        what is wrong with it is raised by a later one, by the commit at the latest."""
        self._sending.execute(self._text(sql), self._values(values))

    def many(self, table: Table, rows: Sequence[Sequence[Any]], how: How = "insert") -> None:
        """Writes rows in one statement; columns in the order of the table, a numbered `id` left out. See `run`."""
        if not rows:
            return
        text = self._bulk.get((table.name, how))
        if text is None:
            text = self._bulk[table.name, how] = _bulk(table, how, postgres=self.postgres)
        if self.postgres:
            columns = zip(_written(table), zip(*rows, strict=True), strict=True)
            self._sending.execute(text, [_array(column) if as_text else list(column) for as_text, column in columns])
        else:
            self._sending.executemany(text, rows)

    def pipeline(self) -> contextlib.AbstractContextManager[Any]:
        """Within it PostgreSQL is not waited for where a statement has no answer: a transaction of forty statements
        waits for those that ask something, and a wait is longer than most statements."""
        return self._connection.pipeline() if self.postgres else contextlib.nullcontext()

    def numbers(self, count: int) -> list[int]:
        """Numbers for rows of `events`, rising, never given twice."""
        if self.postgres:
            found = self.rows("select nextval('event_numbers') from generate_series(1, ?)", count)
            return [row[0] for row in found]
        top = self.one("select coalesce(max(id), 0) from events")
        first = (top[0] if top else 0) + 1
        return list(range(first, first + count))

    def lock(self, names: Sequence[str]) -> None:
        """Locks things by name to the end of the transaction, in one order for all."""
        if self.postgres:
            self.run(
                "select pg_advisory_xact_lock(h) from (select distinct hashtextextended(n, 0) h"
                " from unnest(?::text[]) n order by h) locks",
                list(names),
            )

    def try_lock(self, names: Sequence[str]) -> list[str]:
        """Locks those things that nobody else has locked, and answers with them."""
        if not self.postgres or not names:
            return list(names)
        rows = self.rows(
            "select n from unnest(?::text[]) n where pg_try_advisory_xact_lock(hashtextextended(n, 0))", list(names)
        )
        return [row[0] for row in rows]


def _columns(table: Table) -> list[Column[Any]]:
    return [c for c in table.columns if not (c.primary_key and c.autoincrement is True)]


@functools.cache
def _written(table: Table) -> list[bool]:
    """Of each column that is written whether its values go as a literal of an array, and not one by one as bytes."""
    return [not isinstance(c.type, LargeBinary) for c in _columns(table)]


def _array(values: Sequence[Any]) -> str:
    """A literal of an array for PostgreSQL, which knows what it is of from where it stands.

    The driver writes arrays value by value, which took a tenth of what a busy worker does.
    """
    if not values:
        return "{}"
    if isinstance(values[0], str):
        try:
            joined = '","'.join(values)
        except TypeError:  # some are absent
            joined = "\\"
        if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
            return f'{{"{joined}"}}'
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} in a list")
    return str(value)


def _bulk(table: Table, how: How, *, postgres: bool) -> str:
    columns = _columns(table)
    names = ", ".join(f'"{c.name}"' for c in columns)
    if postgres:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        places = ("%s" if as_text else "%b" for as_text in _written(table))
        arrays = ", ".join(f"{p}::{c.type.compile(dialect)}[]" for p, c in zip(places, columns, strict=True))
        values = f"select * from unnest({arrays})"  # noqa: S608 types come from the schema
    else:
        values = f"values ({', '.join('?' * len(columns))})"
    text = f'insert into "{table.name}" ({names}) {values}'
    if how == "insert":
        return text
    keys = ", ".join(f'"{c.name}"' for c in table.primary_key)
    others = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in columns if not c.primary_key)
    if how == "ignore" or not others:
        return f"{text} on conflict ({keys}) do nothing"
    return f"{text} on conflict ({keys}) do update set {others}"


@functools.cache
def _ddl() -> tuple[str, ...]:
    """What makes the tables and views of a SQLite store."""
    dialect = sqlite.dialect()
    made = []
    for table in schema.metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return (*made, *schema.views(postgres=False))


class _Turns:
    """A lock that goes to who has waited longest.

    A plain one goes to who asks first after it was let go, which is mostly the thread that just had it: one that
    judges round after round would keep another from taking in anything.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:
            with self._mutex:
                had_its_turn = mine not in self._waiting
                if not had_its_turn:
                    self._waiting.remove(mine)
            if had_its_turn:
                self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class Store:
    """The store behind a URL. `writing()` is one transaction, or nothing; each thread has its own connection.

    With `read_only` the database itself refuses every write. With `hurried_seconds` a SQLite file that another process
    writes is waited for so long only, and asked for so often that the moment between two transactions is enough: SQLite
    itself soon asks every 0.1 s, and who writes all the time is never found idle.
    """

    def __init__(self, url: str, *, read_only: bool = False, hurried_seconds: float | None = None) -> None:
        self._url = make_url(url)
        self._hurried_seconds = hurried_seconds
        self._read_only = read_only
        self.postgres = self._url.get_backend_name() == "postgresql"
        self.memory = not self.postgres and self._url.database in (None, "", ":memory:")
        self._local = threading.local()
        # SQLite has one writer: threads that wait in turn here need not poll its lock.
        self._writer = _Turns()
        self._lock_file: int | None = None
        self._closed = False
        if self.memory:
            self._memory = self._open()
            # nothing to migrate in a store that is as old as this process
            self._create()

    def disposable(self) -> None:
        """Does without the disk's word that something is written: a store that is thrown away may be lost."""
        if not self.postgres:
            with self.reading() as db:
                db.rows("pragma synchronous=off")

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self._url.render_as_string(hide_password=True)

    def claim(self) -> None:
        """Takes a SQLite file for this process alone; raises `StoreTaken`."""
        if self.postgres or self.memory or self._lock_file is not None:
            return
        path = Path(str(self._url.database) + ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreTaken(
                f"{self.place} is in use by another worker; SQLite serves one: stop it, or use PostgreSQL for several"
            ) from error
        self._lock_file = handle

    def migrate(self) -> None:
        """Brings the schema up to date (Alembic). Several workers may start at once."""
        if self.memory:
            return
        from streams.migrations import upgrade

        url = self._url.set(drivername="postgresql+psycopg") if self.postgres else self._url
        engine = create_engine(url, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                if self.postgres:
                    connection.exec_driver_sql("select pg_advisory_xact_lock(7227)")
                upgrade(connection)
        except Exception as error:
            if _away(error) or _away(getattr(error, "orig", None)):
                raise StoreAway(str(error).splitlines()[0]) from error
            raise
        finally:
            engine.dispose()

    def _create(self) -> None:
        raw = self._memory._connection
        for statement in _ddl():
            raw.execute(statement)
        raw.execute("insert into horizon values (1, ?)", (-(2**62),))

    def _open(self) -> Db:
        if self.postgres:
            connection = psycopg.connect(
                self._url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                connect_timeout=5,
                application_name="circulation",
            )
            # the same few statements again and again; plans are kept from the second time on
            connection.prepare_threshold = 1
            if self._read_only:
                connection.execute("set session characteristics as transaction read only")
            return Db(connection, postgres=True)
        name = self._url.database or ":memory:"
        raw = sqlite3.connect(
            f"{Path(name).absolute().as_uri()}?mode=ro" if self._read_only else name,
            uri=self._read_only,
            isolation_level=None,
            check_same_thread=False,
            timeout=PATIENCE_SECONDS if self._hurried_seconds is None else self._hurried_seconds,
            cached_statements=512,
        )
        # Whether it is a log that is written ahead is a matter of the file, and not of those who look at it.
        once = () if self._read_only else ("journal_mode=wal", "synchronous=normal")
        for pragma in (*once, "cache_size=-32768", "wal_autocheckpoint=10000"):
            raw.execute(f"pragma {pragma}")
        if self._hurried_seconds is not None:
            raw.execute("pragma busy_timeout=0")
        if self.memory:
            raw.execute("pragma synchronous=off")
        return Db(raw, postgres=False)

    def _db(self) -> Db:
        if self.memory:
            return self._memory
        db: Db | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._open()
        return db

    def _drop(self) -> None:
        db: Db | None = getattr(self._local, "db", None)
        self._local.db = None
        if db is not None:
            with contextlib.suppress(Exception):
                db._connection.close()

    def _begin(self, db: Db) -> None:
        if self.postgres:
            db.run("begin")
            return
        until = time.monotonic() + (self._hurried_seconds or 0.0)
        while True:
            try:
                db.run("begin immediate")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(HURRIED_SECONDS)

    @contextlib.contextmanager
    def writing(self, undone: Callable[[], None] | None = None) -> Iterator[Db]:
        """One transaction: committed at the end, undone where anything raises. Raises `StoreAway`.

        `undone` is called after that, before anyone else writes to SQLite.
        """
        with self._writer if not self.postgres else contextlib.nullcontext():
            db: Db | None = None
            try:
                db = self._db()
                with db.pipeline():
                    self._begin(db)
                    yield db
                    db.run("commit")
            except BaseException as error:
                if db is not None:
                    with contextlib.suppress(Exception):
                        db.run("rollback")
                if undone is not None:
                    undone()
                self._gone(error)
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[Db]:
        """A connection for single queries, outside any transaction."""
        try:
            yield self._db()
        except Exception as error:
            self._gone(error)
            raise

    def analyze(self) -> list[str]:
        """Has PostgreSQL look anew at tables that have more than doubled, and plan by it; answers with their names.

        It does so by itself, but only after a minute: until then a plan that was made for an empty table goes through
        all of one that no longer is.
        """
        if not self.postgres:
            return []
        with self.reading() as db:
            query = (
                "select s.relname from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
                " where s.schemaname = current_schema() and s.n_live_tup > ? + 2 * greatest(c.reltuples, 0)"
                " order by s.relname"
            )
            grown = [str(row[0]) for row in db.rows(query, ANALYZE_ROWS_MIN)]
            for name in grown:
                db.run(f'analyze "{name}"')
            return grown

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Db]:
        """One transaction that sees the store as it is at its first query, and writes nothing."""
        try:
            db = self._db()
            db.run("begin isolation level repeatable read read only" if self.postgres else "begin")
        except Exception as error:
            self._gone(error)
            raise
        try:
            yield db
        except Exception as error:
            self._gone(error)
            raise
        finally:
            with contextlib.suppress(Exception):
                db.run("rollback")

    def _gone(self, error: BaseException) -> None:
        if _away(error):
            if not self.memory:
                self._drop()
            raise StoreAway(f"{self.place}: {error}") from error

    def close(self) -> None:
        """Closes this thread's connection and gives a SQLite file free."""
        self._drop()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _away(error: BaseException | None) -> bool:
    # 54: a limit of the program that this row breaks (an id too long for an index); no retry mends that
    if isinstance(error, psycopg.OperationalError) and (error.sqlstate or "").startswith("54"):
        return False
    return isinstance(error, (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError))
