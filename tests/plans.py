"""How either store would find what a query asks for: what goes through the whole of a table that grows is told of.

`tests/conftest.py` puts every query that the program asks in any test to this, and that test fails; those that other
processes ask, the views and the panels are in `tests/unit/test_plans.py`.
"""

import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

from streams.offline.backtest import NOT_COPIED
from streams.store import ask, keys
from streams.store import db as connections
from streams.store import store as stores
from streams.store.db import Db
from streams.store.errors import StoreAway
from streams.store.schema import VIEWS, metadata
from streams.store.store import Store

TESTS: Final = Path(__file__).parent
OF_STORE: Final = {connections.__file__, stores.__file__, ask.__file__}

# They have a row for each partition, for each worker, for each seller that is tried in a sandbox, or one row.
SMALL: Final = frozenset(
    {"alembic_version", "counted", "horizon", "placements", "progress", "store_clock", "store_identity", "workers"}
)
GROWING: Final = frozenset(metadata.tables) - SMALL

# Queries that rightly go through all of a table (blanks apart), each with its reason. One that ends with `…` is put
# together where it is asked: it is known by how it begins.
WHOLE: Final = {
    "select id, length(value) + length(headers) from outbox …": (
        "the first of what waits, past topics that take nothing"
    ),
    "select topic, value from outbox order by id": "a replay, which takes all that leaves after each event",
    "delete from outbox": "a replay or a backtest, which took all of it before",
    "select data from findings where standing": "all that stands: the demo's proof",
    "select data from findings where standing order by finding": "all that stands, at the end of a replay",
    "select data from findings where standing order by occurred, finding": "all that stands: the demo's proof",
    "select count(*) from findings where standing": "counts all that stands: the demo, once",
    "select sum(length(digests)) from remembered": "the demo's proof, once",
    "select event from waiting": "the demo's proof, once",
    "select count(*), count(distinct origin) from …": "the demo's last page, once",
    "select party, data from statements order by score, party limit ?": "the demo's last page, once",
    "with recursive named(place) as (select min(key(subject)) from events where type = …": (
        "the first of the parties of which there are records, along an index, and then the next"
    ),
    "select distinct subject from events where type = 'circulation.credit.determined' …": (
        "all parties of which there are records: on SQLite, once"
    ),
    "select count(*) from events": "the demo's proof and a backtest, once each",
    "select count(*) from queue": "the demo's proof, once",
    "select count(*) from outbox": "the gauges, counted at most 5 % of the time",
    "select count(*) from deadlines": "the gauges, counted at most 5 % of the time",
    "select priority, count(*), min(since) from queue group by priority": "the gauges, counted at most 5 % of the time",
    "select distinct month from quality order by month desc": "the months that there are: a person asked",
    "select month, coalesce(source, 'all others') as source, score, …": "a panel of the newest months that there are",
    "select distinct thing from findings where standing and detector = any(?)": (
        "the sources that are said to be silent, along an index: once, when a judge begins"
    ),
    "select grade, count(*) from statements group by grade": "the gauges, counted at most 5 % of the time",
    "select state, severity, count(*) from cases group by state, severity": (
        "the gauges, counted at most 5 % of the time"
    ),
    "select detector, severity, mode, count(*) from findings where standing group by detector, severity, mode": (
        "the gauges, along an index"
    ),
    "select contracts.gravest, count(*) from (select max(case severity …": "the gauges, along an index",
    "select detector, severity, mode, count(*) from cases join …": "the gauges: cases that are closed",
    **{
        known: "a backtest, which copies a store"
        for table in metadata.sorted_tables
        if table.name in GROWING and table.name not in NOT_COPIED
        for names in [[c.name for c in table.columns if not (c.primary_key and c.autoincrement is True)]]
        for known in (
            f"select count(*) from {table.name}",
            f"select {', '.join(names)} from {table.name} order by …",
        )
    },
    "select count(*) from cases where standing > 0": "a backtest, of its own store",
    "select party, score from statements order by party": "a backtest, which compares two whole stores",
    "select type, count(*) from events where retracted is null and time >= ? and time < ? group by type": (
        "a backtest, which looks at all of a span"
    ),
    "select subject from events where type = 'circulation.asset.registered' and subject like ? union …": (
        "what is like an id that is not known"
    ),
    "select distinct subject from events where topic = 'circulation.parties' and subject like ? limit ?": (
        "what is like an id that is not known"
    ),
    "select id, thing, since, priority, begins, (select 1 from set_aside …": "the first of what waits, along an index",
    "select 1 from queue where priority < ? limit 1": "the first of what waits, along an index",
    "select budget, count(*) from set_aside where aside group by budget": (
        "the gauges, counted at most 5 % of the time"
    ),
    "select count(*) from unsent": "the gauges, counted at most 5 % of the time",
    "select id, topic, key, length(value), since, aside, reason from unsent order by id": "what a person looks at",
    "select id from unsent order by id": "what a person has sent again",
    "delete from set_aside where aside = false and thing not in (select thing from queue)": (
        "what was tried by itself, at a start"
    ),
    "select digest, thing, aside, deaths, budget, error, since, finding from set_aside …": "what a person looks at",
    "update queue set priority = ? where priority = ?": "what was set aside is taken up again, at a start",
    "select subject from events where topic = ? and type = any(?) and retracted is null union select party …": (
        "all parties, at the end of a replay that states credit"
    ),
    "select distinct detector from findings where standing and mode = 'shadow'": "a report on what is in shadow",
    "select data from findings where standing and detector = ? and mode = 'shadow' and occurred >= ? and occurred < ?"
    " order by occurred desc, finding limit ?": "the same",
    "select severity, count(*) from findings where standing and detector …": "the same",
    "select count(distinct party) from findings where standing and mode = 'shadow' …": "the same",
    "select count(*), sum(case when (exists (select * from findings as other …": (
        "the same; each case of it along an index"
    ),
    "select data, standing, cleared, reason, occurred, finding from findings …": "the newest that fit, or all",
    "select count(*) from findings where …": "how many fit what a person asked for",
    "select data from cases order by …": "the newest, along an index, or all",
    "select data from cases where …": "the newest that fit, along an index, or all",
    "select count(*) from cases": "a backup, which says how much it holds",
    "select count(*) from findings": "the same",
    "select count(*) from cases where …": "how many fit what a person asked for",
    "select id from ( (select about as id, max(raised) as urgent …": "ids to choose from, along indexes until 500 fit",
}
CUT: Final = "…"
# Of these columns many rows have one value: who looks by them alone goes through much of the table.
COARSE: Final = frozenset(
    ("standing", "topic", "kind", "about_kind", "priority", "severity", "mode", "detector", "reporter", "rule", "state")
)

_BLANKS: Final = re.compile(r"\s+")
_NAMED: Final = re.compile(r"\b(?:from|join|update|into)\s+\(?\"?(\w+)\"?(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_NESTED: Final = re.compile(r"\)\s+(?:as\s+)?([a-z]\w*)")
_QUALIFIED: Final = re.compile(rf"(?<![\w.])(?:{'|'.join(metadata.tables)})\.(?=\w)")
_UNNAMED: Final = re.compile(r" as \w+_\d+(?=,| from )")
_VIEWED: Final = re.compile("|".join(VIEWS))
_KEYWORDS: Final = re.compile(
    "(where|join|on|left|inner|cross|group|order|limit|union|set|using|values|as|for|full|right|lateral|select)$", re.I
)


def plain(sql: str) -> str:
    return _BLANKS.sub(" ", sql).strip().lower()


def bare(text: str) -> str:
    """A plain query without what SQLAlchemy adds to the names in it: their tables, quotes, and names of its own."""
    return _QUALIFIED.sub("", _UNNAMED.sub("", text.replace('"', "")))


def reason(sql: str) -> str | None:
    """Why a query may go through a whole table; None where it may not."""
    text = bare(plain(sql))
    return next((why for known, why in WHOLE.items() if is_known(text, known)), None)


def is_known(text: str, known: str) -> bool:
    """Whether a query is the one that is known, or begins so."""
    return text.startswith(known.removesuffix(CUT).rstrip()) if known.endswith(CUT) else text == known


def asks(sql: str) -> bool:
    """Whether it is a query that a plan is made for."""
    return plain(sql).startswith(("select", "with", "update", "delete")) and not re.search(
        r"\bpg_|sqlite_master|set_config|nextval|alembic_version|julianday|clock_timestamp", sql
    )


class Sqlite:
    """The plans of SQLite."""

    def __init__(self) -> None:
        self._store = Store("sqlite://")
        with self._store.reading() as db:
            self._connection: sqlite3.Connection = db._connection
            views = db.rows("select sql from sqlite_master where type = 'view'")
        self._names = dict(name for (view,) in views for name in _aliases(view))

    def scans(self, sql: str) -> Iterator[str]:
        """The tables that grow and are gone through, and how."""
        text = keys.unkeyed(sql).replace("= any(?)", "in (select value from json_each(?))")
        for words in ("for update skip locked", "for update", "for share"):
            text = text.replace(words, "")
        names = (self._names if _VIEWED.search(text) else {}) | dict(_aliases(text))
        names |= dict.fromkeys(_NESTED.findall(text), "")
        steps = [row[3] for row in self._connection.execute(f"explain query plan {text}", ["[]"] * text.count("?"))]
        sorts = any("TEMP B-TREE" in step for step in steps)
        for step in steps:
            found = re.match(r"(SCAN|SEARCH) (\w+)", step)
            if found is None or (table := names.get(found[2], found[2])) not in GROWING:
                continue
            # The least or the greatest is looked for by no column.
            by = re.findall(r"\w+", step.partition("(")[2]) or [""]
            if (sorts or not _few(text)) if found[1] == "SCAN" else COARSE.issuperset(by):
                yield f"{table}: {step}"


class Postgres:
    """The plans of PostgreSQL, of a store that is filled, where it prefers any index to none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.migrate()
        with store.reading() as db:
            for table in metadata.sorted_tables:
                _fill(db._connection, table)
            db.run("analyze")
            # Whether there is an index that serves is asked, not how many rows it takes until that is worth it.
            for kind in ("seqscan", "hashjoin", "mergejoin"):
                db.run(f"set enable_{kind} = off")
            db.run("set plan_cache_mode = force_generic_plan")

    def scans(self, sql: str, *, raw: bool = False) -> Iterator[str]:
        """The tables that grow and are gone through, and how. `raw` is SQL as another program sends it."""
        with self._store.reading() as db:
            text = sql if raw else keys.keyed(sql)[0]
            for number in range(1, text.count("?") + 1) if not raw else ():
                text = text.replace("?", f"${number}", 1)
            count = 0 if raw else sql.count("?")
            connection = db._connection
            values = f"({', '.join(['null'] * count)})" if count else ""
            found = []
            # Who reads may have bitmaps made, and so may other programs; who writes may not.
            for bitmaps in ("on",) if raw else ("on", "off"):
                connection.execute(f"set enable_bitmapscan = {bitmaps}", prepare=False)
                connection.execute(f"prepare asked as {text}", prepare=False)
                try:
                    explain = f"explain (format json) execute asked{values}"
                    (plan,) = connection.execute(explain, prepare=False).fetchone()
                finally:
                    connection.execute("deallocate asked", prepare=False)
                found += _scanned(plan[0]["Plan"], limited=False)
        yield from dict.fromkeys(found)


def _scanned(node: dict[str, Any], *, limited: bool) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name")
    if table in GROWING and kind in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"):
        filtered = "Filter" in node
        by = set(re.findall(r"\w+", node.get("Index Cond") or node.get("Recheck Cond") or "")) & {
            c.name for c in metadata.tables[table].columns
        }
        if COARSE.issuperset(by) and (filtered or not limited):
            yield f"{table}: {kind}{' by ' + node['Index Name'] if 'Index Name' in node else ''}"
    if kind == "Limit":
        limited = True
    elif kind not in ("LockRows", "Subquery Scan", "Result", "Unique", "Append", "Merge Append"):
        limited = False
    for one in node.get("Plans", ()):
        yield from _scanned(one, limited=limited)


def _few(sql: str) -> bool:
    """Whether it takes the first rows of a table in the order in which they lie."""
    text = plain(sql)
    return " limit " in text and " where " not in text


def _aliases(sql: str) -> Iterator[tuple[str, str]]:
    for table, alias in _NAMED.findall(sql):
        yield (alias if alias and not _KEYWORDS.match(alias) else table), table


FEW: Final = {
    "kind": "asset party contract controller product payer payee input output",
    "type": "circulation.contract.signed circulation.asset.registered circulation.party.registered circulation.other",
    "topic": "circulation.contracts circulation.assets circulation.parties",
    "rule": "usage-limit reconciliation sandbox-cap others",
    "detector": "usage-limit reconciliation negative-list others",
    "mode": "enforce warn shadow",
    "severity": "blue yellow orange red",
    "about_kind": "asset party contract source",
    "state": "opened acknowledged closed",
    "grade": "A B C D",
    "reason": "refuted retracted",
}


def _fill(connection: Any, table: Any) -> None:
    """Some thousand rows, of ids that are all different and few kinds."""
    if table.name not in GROWING:
        return
    values = []
    columns = [c for c in table.columns if not (c.primary_key and c.autoincrement is True)]
    for column in columns:
        kind = column.type.__class__.__name__
        if column.name in FEW and kind in ("Text", "LongText"):
            some = FEW[column.name].split()
            values.append(f"(array{some})[n % {len(some)} + 1]")
        elif kind == "Boolean":
            values.append("n % 3 = 0")
        elif kind == "LargeBinary":
            values.append("'{}'::bytea")
        elif kind in ("Text", "LongText"):
            values.append("'{}'" if column.name == "data" else f"'{column.name}-' || n")
        else:
            values.append("n % 3" if column.name in ("priority", "reporter", "partition") else "n")
    names = ", ".join(f'"{c.name}"' for c in columns)
    connection.execute(
        f'insert into "{table.name}" ({names}) select {", ".join(values)} from generate_series(1, 4000) n'
    )


def wrong(where: Sqlite | Postgres, queries: Iterable[str]) -> list[str]:
    """What is to be mended: queries that go through a whole table without a reason."""
    found = []
    for sql in sorted(set(queries)):
        if asks(sql) and reason(sql) is None and (some := list(where.scans(sql))):
            found.append(f"{'; '.join(some)}\n    {plain(sql)}")
    return found


class Watch:
    """The queries that the program asks in this process; each is looked at once."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._new: dict[type, list[str]] = {Sqlite: [], Postgres: []}
        self._plans: dict[type, Any] = {}

    def begin(self) -> None:
        """Takes note of every query from now on, but for those that tests ask themselves."""
        ask = Db._asked

        def asked(db: Db, sql: str, values: Any) -> Any:
            if sql not in self._known:
                frame = sys._getframe(1)
                while frame.f_code.co_filename in OF_STORE and frame.f_back is not None:
                    frame = frame.f_back
                if TESTS not in Path(frame.f_code.co_filename).parents:
                    self._known.add(sql)
                    self._new[Postgres if db.postgres else Sqlite].append(sql)
            return ask(db, sql, values)

        Db._asked = asked  # type: ignore[method-assign]

    def wrong(self, postgres: Callable[[], str] | None) -> list[str]:
        """What is wrong with those that are new. `postgres` makes a database, where there is a server."""
        found = []
        if new := self._new[Sqlite]:
            found += wrong(self._of(Sqlite, Sqlite), new)
        self._new[Postgres] += new
        self._new[Sqlite] = []
        if postgres is not None and self._new[Postgres]:
            made = postgres
            try:
                found += wrong(self._of(Postgres, lambda: Postgres(Store(made()))), self._new[Postgres])
            except (psycopg.OperationalError, StoreAway):  # a test stopped the server: later, then
                self._plans.pop(Postgres, None)
                return found
            self._new[Postgres] = []
        return found

    def _of(self, kind: type, make: Callable[[], Any]) -> Any:
        if kind not in self._plans:
            self._plans[kind] = make()
        return self._plans[kind]
