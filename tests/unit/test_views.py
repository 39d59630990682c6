"""The views that Grafana's node-graph panel reads: what they say, and what their columns are called."""

from typing import Any

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.examples import OWNER, asset, derived, entry, listed, pack
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.store import Store

EVENTS = [
    asset("source", title='A "title" \u0000', category="genome", level="important"),
    asset("source", "2025-01-02", title="Source", category="genome", level="important", owner=OWNER),
    asset("product", title="Product"),
    derived("middle", "2025-01-10", "source"),
    derived("product", "2025-01-11", "middle", process="aggregate", irreversible=True, evidence="d"),
    {**derived("middle", "2025-01-12", "other"), "id": "shared"},
    listed("product", "2025-02-01"),
]


@pytest.fixture
def filled(store: Store) -> Store:
    rules = pack(entry("genomes", sticky=True, match={"category": ["genome"]}))
    events: list[dict[str, Any]] = [*EVENTS]
    events[0] = asset("source", title='A "title"', category="genome", level="important")
    events[5] = {**events[5], "data": {"inputs": [{"asset": "other", "share": 0.125}], "process": "join"}}
    tally = Replay(offline(store, parse_pack(rules, published=True)), Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected
    return store


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.reading() as db:
        return db.rows(query)


def test_a_node_is_an_asset_with_what_was_registered_last(filled: Store) -> None:
    found = rows(filled, "select id, title, mainstat, secondarystat, color from lineage_nodes order by id")
    assert [
        ("middle", "middle", "not registered", None, "orange"),
        ("other", "other", "not registered", None, "orange"),
        ("product", "Product", "general", "none", "red"),
        ("source", "Source", "important", "none", "blue"),
    ] == found
    assert [(OWNER, "genome", "certificate-source")] == rows(
        filled, "select subtitle, detail__category, detail__certificate from lineage_nodes where id = 'source'"
    )


def test_an_edge_leads_from_the_input_to_what_was_derived(filled: Store) -> None:
    found = rows(
        filled, "select id, source, target, mainstat, secondarystat, detail__since from lineage_edges order by id"
    )
    assert [
        ("middle < other", "other", "middle", "12.5 %", "", "2025-01-11T16:00:00.000Z"),
        ("middle < source", "source", "middle", "not stated", "", "2025-01-09T16:00:00.000Z"),
        ("product < middle", "middle", "product", "not stated", "irreversible", "2025-01-10T16:00:00.000Z"),
    ] == found


def test_a_path_is_that_of_a_standing_finding_from_its_origin_on(filled: Store) -> None:
    found = rows(filled, "select finding, place, asset, id from lineage_paths order by place")
    (finding,) = {row[0] for row in found}
    assert [(0, "source"), (1, "middle"), (2, "product")] == [row[1:3] for row in found]
    assert [f"{finding}/{place}" for place in range(3)] == [row[3] for row in found]


def test_every_edge_of_the_graph_has_its_nodes(filled: Store) -> None:
    query = (
        "select count(*) from lineage_edges e where not exists (select 1 from lineage_nodes n where n.id = e.source)"
        " or not exists (select 1 from lineage_nodes n where n.id = e.target)"
    )
    assert [(0,)] == rows(filled, query)


def test_all_views_are_there_and_are_dropped_before_a_migration(filled: Store) -> None:
    made = [statement.split()[2] for statement in schema.views(postgres=filled.postgres)]
    assert sorted(made) == sorted(schema.VIEWS)
