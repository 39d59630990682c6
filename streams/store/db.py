"""One connection to the store, with bulk statements on the hot path.

Statements are plain SQL on the driver's own connection: on the hot path SQLAlchemy's execution layer costs more than
the statement itself. Three things differ between the dialects and are spelt once here: parameters (`?`), membership
(`any(?)` of a list), and that PostgreSQL finds long texts by their keys (`streams.store.keys`).
"""

import contextlib
import functools
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from circulation.voices import EVERYBODY, Voices
from streams.budget import PAGE_ROWS, STEPS, Meter, blobs_of
from streams.store import keys
from streams.store.errors import broken_off

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

How = Literal["insert", "upsert", "ignore", "add"]
# How often one who has little time asks whether a SQLite file that another process writes is free.
HURRIED_SECONDS = 0.0001
# Rows of a stream that are in memory at a time.
STREAM_ROWS = 5_000


def wall() -> int:
    """The wall clock of this machine, µs."""
    return time.time_ns() // 1000


# Where a statement asks for the members of a list, and where for one value.
_LIST: Final = "= any(?)"
_SINGLE: Final = "= ?"
_ANY_OF_JSON: Final = "in (select value from json_each(?))"
_PLACES: Final = re.compile(r"= any\(\?\)|\?")


class _Statement:
    """A statement as the driver takes it. `places` are, on PostgreSQL, its parameters that are to be keys; on SQLite
    those that are lists.
    """

    __slots__ = ("_parts", "places", "text", "texts")

    def __init__(self, text: str, places: Sequence[int]) -> None:
        self.text = text
        self.places = places
        self._parts = text.split(_LIST)
        # As `spelled` has made them.
        self.texts: dict[int, str] = {}

    @classmethod
    def of(cls, sql: str, *, postgres: bool) -> "_Statement":
        """The statement in a dialect."""
        if postgres:
            text, places = keys.keyed(sql)
            return cls(text.replace("%", "%%").replace("?", "%s"), sorted(places))
        text = keys.unkeyed(sql)
        text = text.replace("for update skip locked", "").replace("for update", "").replace("for share", "")
        return cls(text, [at for at, place in enumerate(_PLACES.findall(text)) if place == _LIST])

    def spelled(self, single: int) -> str:
        """The text for SQLite, where the lists whose bits are set in `single` have one member: finding one is mostly
        all that is asked, and costs half as much as going through a list of one.
        """
        text = self._parts[0]
        for at, part in enumerate(self._parts[1:]):
            text += f"{_SINGLE if single >> at & 1 else _ANY_OF_JSON}{part}"
        self.texts[single] = text
        return text


class Db:
    """One connection, used by one thread at a time. Statements are the same text in both dialects.

    `clock` tells since when what is written waits, µs; `voices` whose word counts in what is read.
    """

    def __init__(
        self,
        connection: Any,
        *,
        postgres: bool,
        clock: Callable[[], int] = wall,
        voices: Callable[[], Voices] = lambda: EVERYBODY,
    ) -> None:
        self._connection = connection
        self.clock = clock
        self.voices = voices
        self._cursor = connection.cursor()
        # Of what has no answer: it is sent, and where there is a pipeline nobody waits for it.
        self._sending = connection.cursor()
        self.postgres = postgres
        # Counts what an item of judging reads, while one is judged.
        self.meter: Meter | None = None
        self._statements: dict[str, _Statement] = {}
        self._limited: dict[str, str] = {}
        self._blobs: dict[str, Sequence[int]] = {}
        self._bulk: dict[tuple[Table, How], str] = {}
        # The tables that rows were added to, for who asks whether any were.
        self.written: set[str] = set()

    def _asked(self, sql: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """The statement and its values as the driver takes them."""
        statement = self._statements.get(sql)
        if statement is None:
            statement = self._statements[sql] = _Statement.of(sql, postgres=self.postgres)
        if self.postgres:
            if statement.places:
                values = list(values)
                for place in statement.places:
                    value = values[place]
                    values[place] = keys.keys(value) if isinstance(value, list) else keys.key(value)
            return statement.text, [_array(value) if isinstance(value, list) else value for value in values]
        if not statement.places:
            return statement.text, values
        arguments = list(values)
        single, bit = 0, 1
        for place in statement.places:
            members = arguments[place]
            if len(members) == 1:
                arguments[place] = members[0]
                single |= bit
            else:
                arguments[place] = orjson.dumps(members).decode()
            bit += bit
        return statement.texts.get(single) or statement.spelled(single), arguments

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows that a query answers with."""
        text, arguments = self._asked(sql, values)
        meter = self.meter
        if meter is None:
            rows: list[tuple[Any, ...]] = self._cursor.execute(text, arguments).fetchall()
            return rows
        if self.postgres:
            text = self._bounded(text, meter)
        return self._metered(sql, self._cursor.execute(text, arguments), meter)

    def _bounded(self, sql: str, meter: Meter) -> str:
        """A query, as PostgreSQL has it, that answers with little more than the meter allows: the driver has all of an
        answer in memory before anybody can count it."""
        text = self._limited.get(sql)
        if text is None:
            text, words = sql, sql.lower()
            if not any(word in words for word in (" limit ", " for update", " for share", "pg_try_advisory")):
                text += f" limit {meter.rows_max + 1}"
            self._limited[sql] = text
        return text

    def _metered(self, sql: str, cursor: Any, meter: Meter) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = cursor.fetchmany(PAGE_ROWS)
        if not rows:
            if meter.late():
                raise meter.hung()
            return rows
        blobs = self._blobs.get(sql)
        if blobs is None:
            blobs = self._blobs[sql] = blobs_of(rows[0])
        meter.read(rows, blobs)
        more = rows
        while len(more) == PAGE_ROWS:
            more = cursor.fetchmany(PAGE_ROWS)
            meter.read(more, blobs)
            rows += more
        return rows

    def ask(self, sql: str, *values: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Asks now and answers, when it is called, with all rows as of now: several questions are waited for once."""
        if not self.postgres:
            rows = self.rows(sql, *values)
            return lambda: rows
        cursor, meter = self._connection.cursor(), self.meter
        text, arguments = self._asked(sql, values)
        if meter is not None:
            cursor.execute(self._bounded(text, meter), arguments)
            return lambda: self._metered(sql, cursor, meter)
        cursor.execute(text, arguments)
        return cursor.fetchall  # type: ignore[no-any-return]

    def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        row: tuple[Any, ...] | None = self._cursor.execute(*self._asked(sql, values)).fetchone()
        return row

    def stream(self, sql: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """All rows that a query answers with, some at a time: for what is too much for the memory.

        On PostgreSQL within a transaction only. Other statements may run in between.
        """
        cursor = self._connection.cursor(name="stream") if self.postgres else self._connection.cursor()
        with contextlib.closing(cursor):
            cursor.execute(*self._asked(sql, values))
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield rows

    def run(self, sql: str, *values: Any) -> None:
        """Runs a statement that has no answer. In a transaction that writes PostgreSQL it is sent and not waited for:
        what is wrong with it is raised by a later one, by the commit at the latest."""
        self._sending.execute(*self._asked(sql, values))

    def many(self, table: "Table", rows: Sequence[Sequence[Any]], how: How = "insert") -> None:
        """Writes rows in one statement; columns in the order of the table, a numbered `id` left out. See `run`."""
        if not rows:
            return
        self.written.add(table.name)
        text = self._bulk.get((table, how))
        if text is None:
            text = self._bulk[table, how] = _bulk(table, how, postgres=self.postgres)
        if self.postgres:
            columns = zip(_written(table), zip(*rows, strict=True), strict=True)
            self._sending.execute(text, [_array(column) if as_text else list(column) for as_text, column in columns])
        else:
            self._sending.executemany(text, rows)

    @contextlib.contextmanager
    def metered(self, meter: Meter, *, timed: bool) -> Iterator[None]:
        """Within it the meter counts what is read. Where it is `timed`, SQLite asks it whether a statement may go on;
        PostgreSQL breaks off what takes too long by itself (`Store`)."""
        self.meter = meter
        asks = timed and not self.postgres
        if asks:
            self._connection.set_progress_handler(meter.late, STEPS)
        try:
            yield
        except Exception as error:
            if broken_off(error):
                raise meter.hung() from error
            raise
        finally:
            self.meter = None
            if asks:
                self._connection.set_progress_handler(None, 0)

    def begin(self, hurried_seconds: float | None = None) -> None:
        """Begins a transaction that writes. A SQLite file that another process writes is waited for so long only."""
        if self.postgres:
            self.run("begin")
            return
        if not hurried_seconds:
            self.run("begin immediate")
            return
        until = time.monotonic() + hurried_seconds
        while True:
            try:
                self.run("begin immediate")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(HURRIED_SECONDS)

    def pipeline(self) -> contextlib.AbstractContextManager[Any]:
        """Within it PostgreSQL is not waited for where a statement has no answer: a transaction of forty statements
        waits for those that ask something, and a wait is longer than most statements."""
        return self._connection.pipeline() if self.postgres else contextlib.nullcontext()

    def numbers(self, count: int) -> list[int]:
        """Numbers for rows of `events`, rising, never given twice."""
        if self.postgres:
            rows = self.rows("select nextval('event_numbers') from generate_series(1, ?)", count)
            return [row[0] for row in rows]
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

    def share(self, name: str) -> None:
        """Locks a name to the end of the transaction together with all who share it; who locks it alone waits for
        them, and they for it."""
        if self.postgres:
            self.run("select pg_advisory_xact_lock_shared(hashtextextended(?::text, 0))", name)

    def try_lock(self, names: Sequence[str]) -> list[str]:
        """Locks those things that nobody else has locked, and answers with them."""
        if not self.postgres or not names:
            return list(names)
        rows = self.rows(
            "select n from unnest(?::text[]) n where pg_try_advisory_xact_lock(hashtextextended(n, 0))", list(names)
        )
        return [row[0] for row in rows]


def _columns(table: "Table") -> "list[Column[Any]]":
    return [c for c in table.columns if not (c.primary_key and c.autoincrement is True) and "left_out" not in c.info]


@functools.cache
def _written(table: "Table") -> list[bool]:
    """Of each column that is written whether its values go as a literal of an array, and not one by one as bytes."""
    from sqlalchemy import LargeBinary

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


def _bulk(table: "Table", how: How, *, postgres: bool) -> str:
    columns = _columns(table)
    names = ", ".join(f'"{c.name}"' for c in columns)
    if postgres:
        from sqlalchemy import Text
        from sqlalchemy.dialects import postgresql

        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        places = ("%s" if as_text else "%b" for as_text in _written(table))
        # Of a type with an order of its own there is no array.
        types = ("TEXT" if isinstance(c.type, Text) else c.type.compile(dialect) for c in columns)
        arrays = ", ".join(f"{place}::{type_}[]" for place, type_ in zip(places, types, strict=True))
        values = f"select * from unnest({arrays})"  # noqa: S608 types come from the schema
    else:
        values = f"values ({', '.join('?' * len(columns))})"
    text = f'insert into "{table.name}" ({names}) {values}'
    if how == "insert":
        return text
    unique = ", ".join(_unique(c, postgres=postgres) for c in table.primary_key)
    if how == "add":
        highest = "greatest" if postgres else "max"
        sums = (_added(table.name, c, highest) for c in columns if "add" in c.info)
        return f"{text} on conflict ({unique}) do update set {', '.join(sums)}"
    assignments = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in columns if not c.primary_key)
    if how == "ignore" or not assignments:
        return f"{text} on conflict ({unique}) do nothing"
    return f"{text} on conflict ({unique}) do update set {assignments}"


def _added(table: str, column: "Column[Any]", highest: str) -> str:
    name, stored = f'"{column.name}"', f'"{table}"."{column.name}"'
    combined = f"{stored} + excluded.{name}" if column.info["add"] == "sum" else f"{highest}({stored}, excluded.{name})"
    return f"{name} = {combined}"


def _unique(column: "Column[Any]", *, postgres: bool) -> str:
    from streams.store.schema import LongText

    name = f'"{column.name}"'
    return f"{keys.FUNCTION}({name})" if postgres and isinstance(column.type, LongText) else name
