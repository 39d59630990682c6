"""Statements of SQLAlchemy Core, for all that is not on the hot path: compiled once for each dialect, and then asked
through `Db`, in its transaction and on its connection.

A `Question` is a statement with named parameters (`bindparam`). Constants in it stay constants of the text, for an
index of some rows only is taken where a query has its very words; long texts are compared by their keys, and lists are
asked for with `any_of`, as in every other statement (`streams.store.db`).

Importing SQLAlchemy costs more than most commands do: who answers without it (`circulation findings`) has constant
texts.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    TableClause,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from streams.store.db import Db

Row = tuple[Any, ...]
# Whether there is a row: `ANY_ROW.where(…)`.
ANY_ROW: Final[Select[Any]] = select(literal_column("1"))


class _Postgres(PGCompiler):
    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> Any:
        return super().visit_bindparam(bindparam, *args, **_spelt(bindparam, options))  # type: ignore[no-untyped-call]


class _Sqlite(SQLiteCompiler):
    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> Any:
        return super().visit_bindparam(bindparam, *args, **_spelt(bindparam, options))  # type: ignore[no-untyped-call]

    def visit_true(self, expr: Any, **options: Any) -> Any:
        return "true"

    def limit_clause(self, select: Any, **options: Any) -> Any:
        return SQLCompiler.limit_clause(self, select, **options)  # type: ignore[no-untyped-call]


def _spelt(parameter: BindParameter[Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options by which a constant is a constant of the text, and a parameter is a place."""
    return options if parameter.required else options | {"literal_binds": True}


def _dialect(dialect: Dialect, compiler: type[SQLCompiler]) -> Dialect:
    dialect.statement_compiler = compiler
    # SQLite knows them by now, and takes an index where `standing` only where a query does not say `standing = 1`.
    dialect.supports_native_boolean = True
    return dialect


_DIALECTS: Final = {
    False: _dialect(SQLiteDialect(paramstyle="qmark"), _Sqlite),
    True: _dialect(PGDialect(paramstyle="qmark"), _Postgres),  # type: ignore[no-untyped-call]
}


def any_of(name: str) -> ColumnElement[Any]:
    """The members of a list, which is the parameter of that name: `column == any_of(name)`."""
    return func.any(bindparam(name))


def names(table: TableClause, *columns: str) -> list[ColumnElement[Any]]:
    """Columns of a table by their names, in this order."""
    return [table.c[column] for column in columns]


def matches(table: TableClause, *columns: str) -> list[ColumnElement[bool]]:
    """The conditions that columns of a table are the parameters of their names."""
    return [table.c[column] == bindparam(column) for column in columns]


class Question:
    """One statement, compiled for a dialect when it is first asked there. Values are given by the parameters' names;
    raises `KeyError` where one of them is missing.
    """

    __slots__ = ("_compiled", "_statement")

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[bool, tuple[str, Sequence[str]]] = {}

    def text(self, *, postgres: bool) -> str:
        """The statement as `Db` takes it, `?` for each parameter."""
        return self._in(postgres)[0]

    def _in(self, postgres: bool) -> tuple[str, Sequence[str]]:
        compiled = self._compiled.get(postgres)
        if compiled is None:
            compilation = self._statement.compile(dialect=_DIALECTS[postgres])  # type: ignore[attr-defined]
            compiled = self._compiled[postgres] = (str(compilation), tuple(compilation.positiontup or ()))
        return compiled

    def _asked(self, db: Db, values: dict[str, Any]) -> tuple[Any, ...]:
        text, places = self._in(db.postgres)
        return (text, *(values[place] for place in places))

    def rows(self, db: Db, **values: Any) -> list[Row]:
        """All rows that it answers with."""
        return db.rows(*self._asked(db, values))

    def one(self, db: Db, **values: Any) -> Row | None:
        """The first row, or None."""
        return db.one(*self._asked(db, values))

    def stream(self, db: Db, **values: Any) -> Iterator[list[Row]]:
        """All rows, some at a time; see `Db.stream`."""
        return db.stream(*self._asked(db, values))

    def run(self, db: Db, **values: Any) -> None:
        """Runs a statement that has no answer; see `Db.run`."""
        db.run(*self._asked(db, values))
