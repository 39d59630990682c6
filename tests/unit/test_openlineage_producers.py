"""Events of the shapes that producers of OpenLineage send, and what is derived: the table of docs/lineage.md."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.examples import Json, pack
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.store import Store

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
Edge = tuple[str, str]


def dataset(namespace: str, name: str, **facets: Any) -> Json:
    return {
        "namespace": namespace,
        "name": name,
        "facets": {name: {"_producer": "urn:p", **one} for name, one in facets.items()},
    }


def sent(
    kind: str,
    minute: int,
    inputs: Iterable[Json] = (),
    outputs: Iterable[Json] = (),
    *,
    run: str = "0190a0b0-0000-7000-8000-000000000001",
    parent: str | None = None,
    job: Json | None = None,
) -> Json:
    facets = (
        {} if parent is None else {"parent": {"run": {"runId": parent}, "job": {"namespace": "up", "name": "above"}}}
    )
    return {
        "eventType": kind,
        "eventTime": f"2026-02-01T00:{minute:02}:00.123+00:00",
        "run": {"runId": run, "facets": facets},
        "job": {"namespace": "jobs", "name": f"job of {run}", **(job or {})},
        "inputs": [*inputs],
        "outputs": [*outputs],
        "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/any",
        "schemaURL": SCHEMA,
    }


def columns(**of: Json) -> Json:
    return {
        "fields": {name: {"inputFields": [{**one, "field": name, "transformations": []}]} for name, one in of.items()}
    }


def fields(*names: str) -> Json:
    return {"fields": [{"name": name, "type": "string"} for name in names]}


def derived(*events: Json) -> set[Edge]:
    store = Store("sqlite://")
    tally = Replay(offline(store, parse_pack(pack(), published=False)), Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected
    with store.reading() as db:
        return set(db.rows(f"select output, input from {schema.STEPS} d where not same"))


SEED, CUSTOMERS, TOTAL = (("duckdb://shop.duckdb", f"shop.main.{one}") for one in ("people", "customers", "total"))


def dbt() -> list[Json]:
    """Its default mode: a run above all, and START and COMPLETE of each model; the seed is in the columns only."""
    made = dataset(*CUSTOMERS, columnLineage=columns(id={"namespace": SEED[0], "name": SEED[1]}))
    models = [("m1", [], [made]), ("m2", [dataset(*CUSTOMERS)], [dataset(*TOTAL)])]
    told = [
        sent(kind, minute, inputs, outputs, run=run, parent="all")
        for minute, kind in enumerate(("START", "COMPLETE"))
        for run, inputs, outputs in models
    ]
    return [sent("START", 0, run="all"), *told, sent("COMPLETE", 9, run="all")]


def dbt_as_it_runs() -> list[Json]:
    """Each node as it runs, and below it a run without datasets for each statement."""
    node = ("n", [dataset(*SEED)], [dataset(*CUSTOMERS)])
    return [
        sent("START", 0, run="all"),
        sent("START", 1, node[1], node[2], run=node[0], parent="all"),
        sent("START", 2, run="n.sql.1", parent="n"),
        sent("COMPLETE", 3, run="n.sql.1", parent="n"),
        sent("COMPLETE", 4, node[1], node[2], run=node[0], parent="all"),
        sent("COMPLETE", 5, run="all"),
    ]


def spark() -> list[Json]:
    """An application, and below it an execution that reads a path and a table and writes a partition of another."""
    raw, clean = ("s3a://lake", "/raw/orders/dt=2026-02-01"), ("hive://meta:9083", "Shop.clean")
    link = {"identifiers": [{"namespace": "hive://meta:9083", "name": "shop.orders", "type": "TABLE"}]}
    outputs = [
        dataset(
            "s3a://lake",
            "/out/orders/dt=2026-02-01",
            schema=fields("id"),
            columnLineage=columns(id={"namespace": raw[0], "name": raw[1]}),
            lifecycleStateChange={"lifecycleStateChange": "OVERWRITE"},
        ),
        dataset("s3a://lake", "/out/count", schema=fields("n")),
    ]
    inputs = [dataset(*raw, symlinks=link, schema=fields("id")), dataset(*clean)]
    return [
        sent("START", 0, run="app"),
        sent("START", 1, inputs, outputs, run="sql", parent="app"),
        sent("RUNNING", 2, inputs, [], run="sql", parent="app"),
        sent("COMPLETE", 3, inputs, outputs, run="sql", parent="app"),
        sent("COMPLETE", 4, run="app"),
    ]


def flink_1() -> list[Json]:
    """No job type; inputs and outputs with START and at each checkpoint; it never completes."""
    topics = [dataset("kafka://broker:9092", one) for one in ("in", "out")]
    return [sent(kind, minute, topics[:1], topics[1:]) for minute, kind in enumerate(("START", "RUNNING", "RUNNING"))]


def flink_2() -> list[Json]:
    """All with START, and the type of the job with it."""
    topics = [
        dataset(
            "kafka://broker:9092",
            one,
            symlinks={"identifiers": [{"namespace": "kafka://broker:9092", "name": f"c.d.{one}", "type": "TABLE"}]},
        )
        for one in ("in", "out")
    ]
    kind = {"processingType": "STREAMING", "integration": "FLINK", "jobType": "JOB"}
    return [sent("START", 0, topics[:1], topics[1:], job={"facets": {"jobType": kind}})]


def airflow() -> list[Json]:
    """A task that knows what it writes, and what it started, which knows what it reads."""
    report = dataset("postgres://DB:5432", "shop.public.Report")
    return [
        sent("START", 0, run="task"),
        sent("START", 1, [dataset("s3://lake", "raw")], run="spark", parent="task"),
        sent("COMPLETE", 2, [dataset("s3://lake", "raw")], run="spark", parent="task"),
        sent("COMPLETE", 3, [], [report], run="task"),
    ]


def trino() -> list[Json]:
    """A query: nothing with START, all of it at the end."""
    host = "trino://trino.example:8080"
    orders, people = dataset(host, "hive.shop.orders"), dataset(host, "hive.shop.people")
    lineage = columns(
        id={"namespace": host, "name": "hive.shop.orders"}, name={"namespace": host, "name": "hive.shop.people"}
    )
    made = dataset(host, "Hive.Shop.Joined", schema=fields("id", "name"), columnLineage=lineage)
    return [sent("START", 0), sent("COMPLETE", 1, [orders, people], [made])]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (dbt, {("/".join(CUSTOMERS), "/".join(SEED)), ("/".join(TOTAL), "/".join(CUSTOMERS))}),
        (dbt_as_it_runs, {("/".join(CUSTOMERS), "/".join(SEED))}),
        (
            spark,
            {
                ("s3://lake/out/orders", "s3://lake/raw/orders"),
                ("s3://lake/out/orders", "hive://meta:9083/shop.clean"),
                ("s3://lake/out/count", "s3://lake/raw/orders"),
                ("s3://lake/out/count", "hive://meta:9083/shop.clean"),
            },
        ),
        (flink_1, {("kafka://broker/out", "kafka://broker/in")}),
        (flink_2, {("kafka://broker/out", "kafka://broker/in")}),
        (airflow, {("postgres://db/shop.public.report", "s3://lake/raw")}),
        (
            trino,
            {
                ("trino://trino.example/hive.shop.joined", f"trino://trino.example/hive.shop.{one}")
                for one in ("orders", "people")
            },
        ),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_what_producers_send_derives_what_they_did(events: Any, expected: set[Edge]) -> None:
    assert expected == derived(*events())
    assert expected == derived(*reversed(events()))
