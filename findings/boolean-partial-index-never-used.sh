#!/usr/bin/env bash
# SQLAlchemy on SQLite: a partial index and a query with the very same condition, and the index is never used.
#
# One would guess: `Index(…, sqlite_where=t.c.standing)` serves `select(…).where(t.c.standing)`: the condition is the
# same Python expression. And SQLite, where true is 1, treats `standing`, `standing = 1` and `standing = true` as one
# condition for a partial index, as PostgreSQL does with the first and the last.
# What happens: SQLAlchemy writes the index's condition as `standing`, and the query's as `standing = 1`. SQLite takes
# a partial index only where the index's condition is a term of the query's, compared as text but for very few rules:
# it scans the whole table, silently. The same holds by hand, without SQLAlchemy: an index `where standing` serves
# only `where standing`, one `where standing = 1` only `= 1` (`= true` is another text), and a bound `standing = ?` is
# served when its value is 1: the plan hangs on the parameter. What works with SQLAlchemy: `.is_(True)` on both sides.
# Why it matters: nothing is wrong but the time, which grows with the table; a test on a small table sees nothing.
# Only `explain query plan` tells. A query moved from SQLAlchemy to text, or back, loses its index.
set -euo pipefail
command -v python3 >/dev/null || { echo "$0 needs python3" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# apsw brings an SQLite of its own, so that the one of this machine's Python plays no part.
venv/bin/pip install -q --disable-pip-version-check sqlalchemy==2.1.9 apsw==3.54.1.0

cat >finding.py <<'PYTHON'
import sys

import apsw
import sqlalchemy
from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable


def sql(clause):
    compiled = clause.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return " ".join(str(compiled).split())


def table_with_index(condition):
    """A table of 1,000 rows of which ten stand, with one partial index, which is text or an expression of the table."""
    table = Table(
        "finding",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("standing", Boolean, nullable=False),
        Column("raised", Integer, nullable=False),
    )
    store = apsw.Connection(":memory:")
    store.execute(sql(CreateTable(table)))
    rows = [(number, number % 100 == 0, number) for number in range(1, 1001)]
    store.executemany("insert into finding values (?, ?, ?)", rows)
    if isinstance(condition, str):
        index = f"CREATE INDEX by_time ON finding (raised) WHERE {condition}"
    else:
        index = sql(CreateIndex(Index("by_time", table.c.raised, sqlite_where=condition(table))))
    store.execute(index)
    store.execute("analyze")
    print(f"\n{index}")
    return store, table


def expect(store, query, served, parameters=()):
    (step,) = store.execute(f"explain query plan {query}", parameters).fetchall()
    print(f"  {step[3]:<54} {query} {parameters or ''}")
    if served != ("INDEX by_time" in step[3]):
        sys.exit(f"CHANGED: the index was {'used' if served else 'not used'} for {query}")


print("SQLAlchemy", sqlalchemy.__version__, "SQLite", apsw.sqlite_lib_version())

store, table = table_with_index(lambda table: table.c.standing)
recent = table.c.raised > 900
expect(store, sql(select(table.c.id).where(table.c.standing, recent)), served=False)
expect(store, sql(select(table.c.id).where(table.c.standing.is_(True), recent)), served=False)
expect(store, "SELECT id FROM finding WHERE standing AND raised > 900", served=True)
expect(store, "SELECT id FROM finding WHERE standing = true AND raised > 900", served=False)

store, table = table_with_index("standing = 1")
expect(store, sql(select(table.c.id).where(table.c.standing, table.c.raised > 900)), served=True)
expect(store, "SELECT id FROM finding WHERE standing AND raised > 900", served=False)
expect(store, "SELECT id FROM finding WHERE standing = true AND raised > 900", served=False)
expect(store, "SELECT id FROM finding WHERE standing = ? AND raised > 900", served=True, parameters=(1,))
expect(store, "SELECT id FROM finding WHERE standing = ? AND raised > 900", served=False, parameters=(0,))

store, table = table_with_index(lambda table: table.c.standing.is_(True))
expect(store, sql(select(table.c.id).where(table.c.standing.is_(True), table.c.raised > 900)), served=True)
PYTHON
venv/bin/python finding.py
echo "AS DESCRIBED"
