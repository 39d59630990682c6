"""No query goes through the whole of a table that grows, but for those of which it is said why.

The queries that other processes ask are read from the code, where they stand as texts; those that any test asks are
looked at as they are asked (`watched` in `tests/conftest.py`).
"""

import ast
import importlib
import inspect
import itertools
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import dashboards
import streams
from dashboards.files import DASHBOARDS
from streams.offline.backtest import NOT_COPIED
from streams.store import schema
from streams.store.ask import Question
from streams.store.schema import VIEWS
from streams.store.store import Store
from tests import plans
from tests.plans import WHOLE, Postgres, Sqlite, asks, bare, plain, wrong

ASKING = frozenset({"rows", "one", "run", "ask", "stream"})
# What Grafana puts in before it asks.
VARIABLES = {
    "${asset}": "a",
    "${up}": "10",
    "${down}": "10",
    "${__searchFilter}": "%",
    "$__timeFilter(occurred)": "occurred between '2025-01-01' and '2026-01-01'",
}


# What panels go through, by the view that they ask, each with its reason. Of findings it is those that stand, which an
# index has apart, and which are as many as officials leave standing.
OF_VIEWS = {"_findings": ("findings",)}


def written() -> Iterator[str]:
    """The texts that are asked anywhere in the program, given or named where they are asked, and all questions."""
    yield from (question.text(postgres=postgres) for question in questions() for postgres in (False, True))
    for path in sorted(Path(streams.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named: dict[str, list[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    named.setdefault(ast.unparse(target), []).append(str(node.value.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING:
                for value in node.args[:1]:
                    yield from [value.value] if isinstance(value, ast.Constant) else named.get(ast.unparse(value), ())


# What the parameters may be of functions that make questions, by their names.
MADE_OF: Mapping[str, Sequence[Any]] = {
    "dated": (False, True),
    "limited": (False, True),
    "is_open": (False, True),
    "near": ("output", "input"),
    "far": ("output", "input"),
    "column": ("output", "input"),
    "columns": ((), ("detector",), ("state", "party")),
    "table": [table for table in schema.metadata.sorted_tables if table.name not in NOT_COPIED],
}


def questions() -> Iterator[Question]:
    """The questions of SQLAlchemy Core that modules have, and those that their functions make."""
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        if ".migrations." in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Question):
                yield value
            elif isinstance(value, dict):
                yield from (one for one in value.values() if isinstance(one, Question))
            elif hasattr(value, "cache_info") and inspect.signature(value).return_annotation is Question:
                parameters = inspect.signature(value).parameters
                for values in itertools.product(*(MADE_OF[name] for name in parameters)):
                    yield value(**dict(zip(parameters, values, strict=True)))


def panels() -> Iterator[str]:
    """What dashboards ask PostgreSQL, panels and variables."""
    for dashboard in DASHBOARDS.values():
        for panel in dashboard["panels"]:
            yield from (target["rawSql"] for target in panel["targets"] if target.get("rawSql"))
        for variable in dashboard["templating"]["list"]:
            if isinstance(variable.get("query"), str) and "select" in variable["query"]:
                yield variable["query"]


@pytest.fixture(scope="module")
def postgres_plans(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    server = request.getfixturevalue("postgres")
    server.start()
    yield Postgres(Store(server.create_database("plans")))
    server.start()
    server.drop_database("plans")


@pytest.mark.slow
def test_what_is_asked_anywhere_finds_its_rows_by_an_index_on_sqlite() -> None:
    assert [] == wrong(Sqlite(), {one for one in written() if asks(one)})


@pytest.mark.slow
def test_what_is_asked_anywhere_finds_its_rows_by_an_index_on_postgres(postgres_plans: Postgres) -> None:
    assert [] == wrong(postgres_plans, {one for one in written() if asks(one)})


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("select data from findings where standing and severity = ?", "findings"),
        ("select 1 from events e where e.source = ?", "events"),
        ("delete from seen where taken + 1 < ?", "seen"),
        ("select 1 from findings where not standing and mode = ?", "findings"),
        ("select due from deadlines order by due limit 1", None),
        ("select thing from findings where thing = any(?) and standing", None),
    ],
)
def test_a_query_without_an_index_is_told_of_on_either_store(
    sql: str, table: str | None, postgres_plans: Postgres
) -> None:
    for where in (Sqlite(), postgres_plans):
        assert {table} - {None} == {one.split(":")[0] for one in where.scans(sql)}


def allowed(sql: str) -> set[str]:
    """The tables that a panel goes through for the views that it asks."""
    return {table for view, tables in OF_VIEWS.items() if view in sql for table in tables}


def test_what_panels_ask_finds_its_rows_by_an_index(postgres_plans: Postgres) -> None:
    found, used = [], set()
    for sql in sorted(set(panels())):
        for name, value in VARIABLES.items():
            sql = sql.replace(name, value)
        assert not re.search(r"\$_?[_{]", sql)
        if plans.reason(sql) is None:
            scanned = {one: one.partition(":")[0] for one in postgres_plans.scans(sql, raw=True)}
            used |= {(sql, table) for table in scanned.values()}
            found += [f"{one}\n    {plain(sql)}" for one, table in scanned.items() if table not in allowed(sql)]
    assert [] == found
    # Each exception is of use to some panel, so one that is mended is taken out.
    for view, tables in OF_VIEWS.items():
        for table in tables:
            assert any(view in sql and table == scanned for sql, scanned in used), (view, table)


@pytest.mark.parametrize("view", ["open_findings", "standing_findings"])
def test_a_view_of_findings_reads_those_about_one_thing_or_of_one_party_alone(
    view: str, postgres_plans: Postgres
) -> None:
    for condition in ("party = ?", "about = ? and about_kind = 'asset'", "finding = ?"):
        for where in (Sqlite(), postgres_plans):
            assert [] == list(where.scans(f"select * from {view} where {condition}"))


def test_views_are_known(postgres_plans: Postgres) -> None:
    for view in VIEWS:
        assert list(postgres_plans.scans(f"select * from {view}"))
        assert list(Sqlite().scans(f"select * from {view}"))


# How those stand in the program that are put together from their first word on.
PUT_TOGETHER = {
    "with recursive named(place) as (select min(key(subject)) from events where type =": (
        "with recursive named(place) as ({least} union all"
    ),
    "select distinct subject from events where type = 'circulation.credit.determined'": (
        "select distinct subject from events where {of_records} limit ?"
    ),
}


def source() -> str:
    """All texts of the program as they stand, and once more put together where they stand behind one another."""
    folders = (Path(streams.__file__).parent, Path(dashboards.__file__).parent)
    text = plain(" ".join(path.read_text(encoding="utf-8") for one in folders for path in one.rglob("*.py")))
    return text + re.sub(r'"(?: *\\n)? *(?:# noqa: \w+ )?f?"', "", text)


@pytest.mark.slow
def test_every_exception_is_one_of_a_query_that_is_there() -> None:
    asked, text = {bare(plain(sql)) for sql in (*written(), *panels())}, source()

    def there(known: str) -> bool:
        if not known.endswith(plans.CUT):
            return known in asked or f'"{known}"' in text
        begins = known.removesuffix(plans.CUT).rstrip()
        return PUT_TOGETHER.get(begins, begins) in text or any(plans.is_known(one, known) for one in asked)

    assert [] == [known for known in WHOLE if not there(known)]


def test_every_exception_is_of_a_query_that_would_be_told_of(postgres_plans: Postgres) -> None:
    whole = [known for known in WHOLE if not known.endswith(plans.CUT)]
    assert [] == [known for known in whole if not [*Sqlite().scans(known), *postgres_plans.scans(known)]]


@pytest.mark.parametrize("more", [" and party = ?", " order by party"])
def test_an_exception_is_of_one_query_and_of_none_that_goes_on_otherwise(more: str) -> None:
    known = "select data from findings where standing"
    assert plans.reason(known)
    assert plans.reason(known + more) is None
