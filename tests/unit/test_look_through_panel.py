"""The dashboard *Look through* says of a store what `circulation trace` says of it, as far as it shows it."""

from typing import Any

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    derived,
    entry,
    event,
    listed,
    pack,
    retracted,
    signed,
    terminated,
    terms,
)
from circulation.packs.reading import parse_pack
from dashboards.look_through import ASSETS_MAX, DASHBOARD, EDGES_MAX
from streams.answers import trace
from streams.offline.replay import Replay, offline
from streams.store.store import Store

# The panels ask PostgreSQL, as Grafana does.
pytestmark = pytest.mark.parametrize("store", ["postgresql"], indirect=True)

NOW = parse_instant("2026-01-01")
GRAPH, SOURCES = "What it is made of, and what was made of it", "Sources"
HOLDERS, FINDINGS = "Holders and contracts in force", "Open findings about these assets"


def filled(store: Store, *events: Json, **rules: Any) -> Store:
    in_force = parse_pack(pack(entry("genomes", match={"category": ["genome"]}), **rules), published=True)
    tally = Replay(offline(store, in_force), Admission()).run(map(orjson.dumps, events))
    assert 0 == tally.rejected
    return store


def put(query: str, **values: str) -> str:
    for name, value in values.items():
        query = query.replace(f"${{{name}}}", value.replace("'", "''"))
    assert "${" not in query
    return query


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    with store.reading() as db:
        return [row[0] for row in db.rows(f"select to_json(answer) from ({query}) as answer")]


def asked(
    store: Store, asset_: str, title: str, name: str = "A", *, up: str = "10", down: str = "10"
) -> list[dict[str, Any]]:
    (panel,) = [one for one in DASHBOARD["panels"] if one["title"] == title]
    (query,) = [one["rawSql"] for one in panel["targets"] if one["refId"] == name]
    return rows(store, put(query, asset=asset_, up=up, down=down))


def variable(store: Store, name: str, **values: str) -> list[str]:
    (query,) = [one["query"] for one in DASHBOARD["templating"]["list"] if one["name"] == name]
    return [row[key] for row in rows(store, put(query, **values)) for key in row]


def drawn(store: Store, asset_: str, **steps: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    nodes, edges = (asked(store, asset_, GRAPH, name, **steps) for name in ("nodes", "edges"))
    ids = [one["id"] for one in nodes]
    assert len(set(ids)) == len(ids)
    # An edge to an asset that is not drawn would break the panel.
    assert {end for one in edges for end in (one["source"], one["target"])} <= set(ids)
    return {one["id"]: one["detail__steps"] for one in nodes}, {(one["source"], one["target"]) for one in edges}


def left_out(store: Store, asset_: str, up: str = "10", down: str = "10") -> list[str]:
    return variable(store, "cut_off", asset=asset_, up=up, down=down)


CHAIN = [derived(f"a{n}", "2025-02-01", f"a{n + 1}") for n in range(4)]


def test_the_graph_is_the_asset_with_what_leads_to_it_and_from_it_and_nothing_else(store: Store) -> None:
    filled(store, *CHAIN, derived("a0", "2025-02-01", "beside"), derived("other", "2025-02-01", "beside"))
    nodes, edges = drawn(store, "a2")
    assert {"a2": "the asset itself", "a3": "up 1", "a4": "up 2", "a1": "down 1", "a0": "down 2"} == nodes
    assert {("a4", "a3"), ("a3", "a2"), ("a2", "a1"), ("a1", "a0")} == edges
    assert ["nothing"] == left_out(store, "a2")


@pytest.mark.parametrize(
    ("up", "down", "shown", "said"),
    [
        ("2", "2", 5, "nothing"),
        ("1", "2", 4, "ancestors beyond these"),
        ("2", "1", 4, "descendants beyond these"),
        ("1", "1", 3, "ancestors beyond these, descendants beyond these"),
    ],
)
def test_what_lies_beyond_the_steps_is_said_to_be_left_out(
    store: Store, up: str, down: str, shown: int, said: str
) -> None:
    filled(store, *CHAIN)
    assert shown == len(drawn(store, "a2", up=up, down=down)[0])
    assert [said] == left_out(store, "a2", up, down)
    ends = {one["asset"]: one["end"] for one in asked(store, "a2", SOURCES, up=up, down=down)}
    assert ({"a4": "no input stated"} if up == "2" else {"a3": "cut off"}) == ends


@pytest.mark.parametrize(("count", "said"), [(-1, "nothing"), (0, "nothing"), (1, "ancestors beyond these")])
def test_more_ancestors_than_the_limit_are_left_out_and_that_is_said(store: Store, count: int, said: str) -> None:
    filled(store, derived("product", "2025-02-01", *(f"input-{n:03}" for n in range(ASSETS_MAX + count))))
    nodes, edges = drawn(store, "product")
    assert (1 + ASSETS_MAX + min(count, 0), ASSETS_MAX + min(count, 0)) == (len(nodes), len(edges))
    assert [said] == left_out(store, "product")
    assert ("product" in {one["asset"] for one in asked(store, "product", SOURCES)}) == (count > 0)


def test_arrows_beyond_the_limit_are_left_out_and_that_is_said(store: Store) -> None:
    names = [f"a{n:02}" for n in range(48)]
    filled(store, *(derived(one, "2025-02-01", *names[at + 1 :]) for at, one in enumerate(names[:-1])))
    assert EDGES_MAX == len(asked(store, "a00", GRAPH, "edges"))
    assert [f"arrows beyond {EDGES_MAX}"] == left_out(store, "a00")


def test_in_a_circle_each_asset_is_drawn_once(store: Store) -> None:
    filled(store, *(derived(one, "2025-02-01", other) for one, other in ("ab", "bc", "ca")))
    nodes, edges = drawn(store, "a")
    assert {"a": "the asset itself", "b": "up 1", "c": "down 1"} == nodes
    assert {("b", "a"), ("c", "b"), ("a", "c")} == edges
    assert ["nothing"] == left_out(store, "a")


def test_an_asset_of_which_nothing_is_known_has_no_graph(store: Store) -> None:
    filled(store, *CHAIN)
    assert [[], [], [], [], []] == [
        asked(store, "nobody's", *one)
        for one in ((GRAPH, "nodes"), (GRAPH, "edges"), (SOURCES,), (HOLDERS,), (FINDINGS,))
    ]


def test_ids_may_hold_quotes(store: Store) -> None:
    odd = "o'clock \" \\ ; -- %"
    filled(store, derived(odd, "2025-02-01", "it's"))
    assert {odd: "the asset itself", "it's": "up 1"} == drawn(store, odd)[0]


def test_the_way_of_a_standing_finding_is_red_and_told_with_it(store: Store) -> None:
    filled(
        store,
        asset("source", category="genome"),
        *(asset(one) for one in ("left", "right", "product")),
        derived("left", "2025-02-01", "source"),
        derived("right", "2025-02-01", "far"),
        derived("far", "2025-02-01", "source"),
        derived("product", "2025-02-02", "left", "right"),
        listed("product", "2025-02-03"),
    )
    colours = {(one["source"], one["target"]): one["color"] for one in asked(store, "left", GRAPH, "edges")}
    assert {("source", "left"): "red", ("left", "product"): "red"} == colours
    colours = {(one["source"], one["target"]): one["color"] for one in asked(store, "product", GRAPH, "edges")}
    assert {("source", "left"), ("left", "product")} == {way for way, colour in colours.items() if colour == "red"}
    found = [one for one in asked(store, "source", FINDINGS) if one["severity"] == "red"]
    assert [("product", 2, "source → left → product")] == [(one["asset"], one["steps"], one["way"]) for one in found]


def test_the_list_to_choose_from_has_assets_with_red_findings_first_and_takes_a_part_of_an_id(store: Store) -> None:
    filled(
        store,
        asset("alone"),
        asset("genomes", category="genome"),
        listed("genomes", "2025-02-03"),
        derived("made", "2025-02-01", "input"),
    )
    assert ["genomes", "alone", "input", "made"] == variable(store, "asset", __searchFilter="%")
    assert ["alone", "genomes"] == sorted(variable(store, "asset", __searchFilter="o%"))
    assert ["made"] == variable(store, "asset", __searchFilter="MAD%")


def amended(contract: str, time: str, **more: Any) -> Json:
    return signed(contract, time, amended=True, **{"asset": "a", **more})


def over(time: str, **more: Any) -> Json:
    return signed("c", time, **{"asset": "a", **more})


WRONG = over("2025-02-01", terms=terms(valid_to="2025-03-01"))
ENDED = terminated("c", "2025-03-01")
LIVES: dict[str, list[Json]] = {
    "signed": [over("2025-02-01")],
    "terminated": [over("2025-02-01"), terminated("c", "2025-03-01")],
    "terminated before it was known": [terminated("c", "2025-03-01"), over("2025-02-01")],
    "a date": [over("2025-02-01", terms=terms(valid_to="2025-03-01"))],
    "an instant": [over("2025-02-01", terms=terms(valid_to="2125-03-01T00:00:00.1234567Z"))],
    "an odd offset": [over("2025-02-01", terms=terms(valid_from="2025-03-01T00:00:00-23:30"))],
    "later": [over("2025-02-01", terms=terms(valid_from="2125-03-01"))],
    "never signed": [amended("c", "2025-02-01")],
    "prolonged": [over("2025-02-01", terms=terms(valid_to="2025-03-01")), amended("c", "2025-02-15")],
    "prolonged too late": [over("2025-02-01", terms=terms(valid_to="2025-03-01")), amended("c", "2025-03-15")],
    "ended by its amendment": [over("2025-02-01"), amended("c", "2025-03-01", terms=terms(valid_to="2025-02-15"))],
    "another asset": [over("2025-02-01"), amended("c", "2025-03-01", asset="else")],
    "a descendant": [over("2025-02-01", asset="else"), amended("c", "2025-03-01", asset="b", buyer=THIRD)],
    "an ancestor": [over("2025-02-01", asset="source")],
    "resale": [over("2025-02-01", terms=terms(resale=True))],
    "in error": [WRONG, over("2025-02-02"), retracted(WRONG, "2025-04-01")],
    "two reporters": [
        over("2025-02-01", terms=terms(valid_to="2025-03-01"), reporter="provider"),
        over("2025-02-01", reporter="exchange"),
    ],
    "terminated in error": [over("2025-02-01"), ENDED, retracted(ENDED, "2025-04-01")],
    "from a policy": [
        event(
            "contract.signed",
            "c",
            "2025-02-01",
            asset="a",
            seller=SELLER,
            buyer=BUYER,
            channel="on-exchange",
            amount="1",
            signed="2025-02-01",
            policy={
                "@context": "http://www.w3.org/ns/odrl.jsonld",
                "@type": "Agreement",
                "uid": "urn:policy",
                "permission": [
                    {
                        "target": "urn:a",
                        "action": "use",
                        "constraint": [
                            {"leftOperand": "dateTime", "operator": "gteq", "rightOperand": "2025-02-01"},
                            {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2025-03-01"},
                        ],
                    }
                ],
            },
        )
    ],
}


@pytest.mark.parametrize("events", [pytest.param(events, id=name) for name, events in LIVES.items()])
def test_holders_and_contracts_in_force_are_those_of_a_trace(store: Store, events: list[Json]) -> None:
    filled(
        store,
        asset("a", owner=OWNER),
        asset("source", owner=SELLER),
        derived("a", "2025-01-01", "source"),
        derived("b", "2025-01-01", "a"),
        *events,
    )
    with store.reading() as db:
        seen = trace.look_through(db, "a", NOW, up=False)
    expected = {(one.contract, one.asset, one.buyer, one.seller, one.channel, one.resale) for one in seen.contracts}
    expected |= {
        (None, held, one.party, None, None, None) for one in seen.holders if one.holds == "owner" for held in one.assets
    }
    assert expected == {
        (
            one["contract"],
            one["asset"],
            one["holder"],
            one["seller"],
            one["channel"],
            None if one["resale"] is None else one["resale"] == "true",
        )
        for one in asked(store, "a", HOLDERS)
    }
