"""Every query of every panel, on a real Prometheus and a real PostgreSQL, says what the scenario did.

A worker is scraped while it takes in: six contracts with limits, of which some come near and one goes far beyond; a
case that is closed; a record that is rejected; a duplicate; a product of what is on the negative list, and who holds
what was made of it. All other rules are off, so that the numbers stay what they are.
"""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import yaml
from running import Sender, Worker, wait, wait_drained

import detectors
from circulation.admission.reasons import Reason
from circulation.docket import STATES
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    SOURCE,
    asset,
    derived,
    entry,
    event,
    listed,
    pack,
    signed,
    terminated,
    terms,
    used,
)
from dashboards.files import DASHBOARDS, write
from dashboards.rules import RECORDINGS
from deploy.kafka import missing_tools
from deploy.processes import free_port
from streams.topics import TOPICS_IN

MISSING = missing_tools() or (
    None if shutil.which("prometheus") else "prometheus is not here: apt-get install prometheus"
)
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

LEGEND = re.compile(r"\{\{(\w+)\}\}")
DAY_SECONDS = 24 * 60 * 60


class Some:
    """Any number from `low` to `high`."""

    def __init__(self, low: float, high: float = 1e9) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and self.low <= other <= self.high

    def __repr__(self) -> str:
        return f"{self.low} … {self.high}"


POSITIVE = Some(1e-9)
SECONDS = Some(0, 60)
SEVERITIES = {"blue": 5, "yellow": 2, "orange": 1, "red": 2}
# The case of `far` is closed, and only blue findings have none.
OPEN = {"blue": 5, "yellow": 1, "orange": 0, "red": 1}
LIMITS = {"blue": 3, "yellow": 1, "orange": 0, "red": 1}
ONE_WORKER = dict.fromkeys(TOPICS_IN, 0)


def _uses(contract: str, *counts: int) -> list[dict[str, Any]]:
    return [
        used(contract, f"2025-02-{day:02}", count, id=f"{contract}-{day}") for day, count in enumerate(counts, start=1)
    ]


# What acts are judged by is sent before them: a finding that came too early and was cleared would leave its case. The
# model is behind an irreversible step, so that only the listing of the product is a finding.
FACTS = [
    *(asset(one, owner=OWNER) for one in ("asset", "half", "model", "product")),
    asset("genomes", category="genome", level="important", owner=OWNER),
    derived("half", "2025-01-10", "genomes"),
    derived("product", "2025-01-11", "half", "unregistered"),
    derived("model", "2025-01-12", "product", process="model", irreversible=True, evidence="document"),
]
CIRCULATION = [
    listed("product", "2025-02-01"),
    signed("licence", "2025-02-02", asset="model"),
    signed("ended", "2025-02-02", asset="model"),
    terminated("ended", "2025-02-03"),
]
# The first wave makes the series; Prometheus can only tell the rate of what it has seen before.
FIRST = [
    *CIRCULATION,
    *(signed(one, "2025-01-01", terms=terms(uses_max=100)) for one in ("first", "warned", "near", "far", "calm")),
    signed("daily", "2025-01-01", terms=terms(windows=[{"uses_max": 10, "seconds": DAY_SECONDS}])),
    *_uses("first", 80),
    *_uses("first", 80),
]
SECOND = [
    *_uses("warned", 85),
    *_uses("near", 80, 16),
    *_uses("far", 80, 15, 6, 20),
    *_uses("calm", 79),
    *_uses("daily", 8),
    *_uses("first", 80),
]

PROMETHEUS: dict[str, dict[str, dict[str, Any]]] = {
    "supervision": {
        "Open findings by severity": OPEN,
        "Standing findings by severity": SEVERITIES,
        "Cases by state": {**dict.fromkeys(STATES, 0), "opened": 2, "closed": 1},
        "Standing findings": SEVERITIES,
        "Findings raised and cleared": {"raised": POSITIVE},
        "Parties by credit grade": {"A": 0, "B": 0, "C": 2, "D": 0},
        # What happened in 2025 reaches Kafka later: nothing is on time. No file names the source.
        "Quality of sources this month": {"other": 0},
        "Freshness: how far behind": {"behind": Some(0, 10)},
        "Freshness: age of the counts": {"ago": SECONDS},
        "From event to finding": {"median": POSITIVE, "99 %": POSITIVE},
    },
    "usage-limits": {
        "Contracts near and beyond a limit": LIMITS,
        "Contracts near and beyond a limit, over time": LIMITS,
    },
    "health": {
        "Workers ready": {"ready": 1, "all": 1},
        "Workers without store or broker": {"without store": 0, "without broker": 0},
        "Partitions stopped": ONE_WORKER,
        "Packs in force": {},
        "Events a second": {"circulation.contracts": POSITIVE},
        "Rejections and duplicates a second": {
            **dict.fromkeys(map(str, Reason), 0),
            "not-json": POSITIVE,
            "duplicates": POSITIVE,
        },
        "Lag by topic": ONE_WORKER,
        "Lag of the slowest partitions": {},
        "How far behind": {},
        "From event to commit": {"median": POSITIVE, "99 %": POSITIVE},
        "From event to finding": {"median": POSITIVE, "99 %": POSITIVE},
        "Time of each stage": dict.fromkeys(("admit", "take", "judge", "relay"), POSITIVE),
        "Share of time of each stage": dict.fromkeys(("admit", "take", "judge", "relay"), POSITIVE),
        "Records of a fetch": {"mean": POSITIVE},
        "What waits in the store": {
            "queue: live": 0,
            "queue: again": 0,
            "queue: aside": 0,
            "outbox": 0,
            "deadlines past": 0,
        },
        "How long it has waited": {"queue": 0, "outbox": 0, "deadlines": 0},
        "Deadlines": {"deadlines": Some(0)},
        "Acts on which a rule failed": {},
        "Share on which a rule newly fires": {"usage-limit": Some(0.01, 5)},
        "Rules that are held": {},
    },
    "look-through": {},
}


def _node(id_: str, steps: str, **more: Any) -> dict[str, Any]:
    """A row of the graph's nodes: all columns, as Grafana reads them."""
    return {
        "id": id_,
        "title": f"Asset {id_}",
        "subtitle": OWNER,
        "mainstat": "general",
        "secondarystat": "none",
        "color": "blue",
        "detail__category": "traffic",
        "detail__certificate": f"certificate-{id_}",
        "detail__steps": steps,
        "nodeRadius": 40,
    } | more


def _edge(source: str, target: str, since: str, **more: Any) -> dict[str, Any]:
    """A row of the graph's edges: all columns, as Grafana reads them."""
    return {
        "id": f"{target} < {source}",
        "source": source,
        "target": target,
        "mainstat": "not stated",
        "secondarystat": "",
        "detail__since": f"{since}T16:00:00.000Z",
        "color": "#999999",
        "strokeDasharray": None,
    } | more


UNREGISTERED = {
    "title": "unregistered",
    "subtitle": None,
    "mainstat": "not registered",
    "secondarystat": None,
    "color": "orange",
    "detail__category": None,
    "detail__certificate": None,
}
# What the variables of a dashboard offer; of each the first is chosen, as Grafana does.
VARIABLES: dict[str, dict[str, list[str]]] = {
    "look-through": {
        "asset": ["product", "asset", "genomes", "half", "model", "unregistered"],
        "cut_off": ["nothing"],
    },
}
# By the name of the query where a panel has more than one.
POSTGRES: dict[str, dict[str, Any]] = {
    "look-through": {
        "What it is made of, and what was made of it": {
            "nodes": [
                _node("product", "the asset itself", color="red", nodeRadius=60),
                _node("half", "up 1"),
                _node("unregistered", "up 1", **UNREGISTERED),
                _node("model", "down 1"),
                _node("genomes", "up 2", mainstat="important", detail__category="genome"),
            ],
            "edges": [
                _edge("genomes", "half", "2025-01-09", color="red"),
                _edge("half", "product", "2025-01-10", color="red"),
                _edge("product", "model", "2025-01-11", secondarystat="irreversible", strokeDasharray="6 4"),
                _edge("unregistered", "product", "2025-01-10"),
            ],
        },
        "Sources": [
            {"asset": "unregistered", "owner": None, "level": "not registered", "steps": 1, "end": "no input stated"},
            {"asset": "genomes", "owner": OWNER, "level": "important", "steps": 2, "end": "no input stated"},
        ],
        "Holders and contracts in force": [
            {"asset": "product", "steps": 0, "holder": OWNER, "held_as": "owner", "contract": None, "seller": None},
            {"asset": "model", "steps": 1, "holder": OWNER, "held_as": "owner", "contract": None, "seller": None},
            {
                "asset": "model",
                "steps": 1,
                "holder": BUYER,
                "held_as": "buyer",
                "contract": "licence",
                "seller": SELLER,
            },
        ],
        "Open findings about these assets": [
            {
                "asset": "product",
                "steps": 0,
                "severity": "red",
                "detector": "negative-list",
                "party": SELLER,
                "way": "genomes → half → product",
                "case_state": "opened",
            },
        ],
    },
    "supervision": {
        "Open findings by detector": [
            {"detector": "negative-list", "severity": "red", "findings": 1},
            {"detector": "usage-limit", "severity": "yellow", "findings": 1},
            {"detector": "usage-limit", "severity": "blue", "findings": 5},
        ],
        "Open findings by party": [
            {"party": SELLER, "red": 1, "orange": 0, "yellow": 0, "blue": 0},
            {"party": BUYER, "red": 0, "orange": 0, "yellow": 1, "blue": 5},
        ],
        "Newest open findings": [
            {"mode": "enforce", "about_kind": "asset", "party": SELLER},
            *[{"mode": "enforce", "about_kind": "contract", "party": BUYER}] * 6,
        ],
        "Quality of sources": [
            {"month": "2025-03", "source": SOURCE, "on_time": 0, "on_time_of": 1, "admitted": 1, "linked_of": 0},
            {"month": "2025-02", "source": SOURCE, "on_time": 0, "on_time_of": 14, "admitted": 14, "linked_of": 10},
        ],
        "When what stands occurred": [
            {"metric": "blue", "value": 5},
            {"metric": "yellow", "value": 2},
            {"metric": "orange", "value": 1},
            {"metric": "red", "value": 2},
        ],
    },
    "usage-limits": {
        "Near a limit": [
            {"contract": "near", "severity": "yellow", "limit": "uses", "used": 96, "maximum": 100, "percent": 96},
            {"contract": "warned", "severity": "blue", "limit": "uses", "used": 85, "maximum": 100, "percent": 85},
            {"contract": "daily", "severity": "blue", "limit": "window", "used": 8, "maximum": 10, "percent": 80},
            {"contract": "first", "severity": "blue", "limit": "uses", "used": 80, "maximum": 100, "percent": 80},
        ],
        "Beyond a limit": [
            {"contract": "far", "severity": "red", "limit": "uses", "used": 121, "maximum": 100, "percent": 121}
        ],
        "Burn-down": [
            {"metric": "far uses", "value": 20},
            {"metric": "first uses", "value": 20},
            {"metric": "near uses", "value": 20},
            {"metric": "warned uses", "value": 15},
            {"metric": "far uses", "value": 5},
            {"metric": "near uses", "value": 4},
            {"metric": "far uses", "value": 0},
            {"metric": "far uses", "value": 0},
        ],
        "How fast contracts came to their limit": [{"contract": "far", "buyer": BUYER, "limit": "uses", "hours": 48}],
    },
    "health": {},
}


class Scraper:
    """A real Prometheus that scrapes one worker every second."""

    def __init__(self, folder: Path, target: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        rules = yaml.safe_load((folder / "prometheus" / "circulation.yml").read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        config = {
            "global": {"scrape_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "circulation", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = folder / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, page: str, **parameters: str) -> Any:
        """The data of an answer; None while nobody answers. A query that is wrong fails with Prometheus' words."""
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        try:
            with urllib.request.urlopen(f"{self.url}{page}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:  # it starts
                return None
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        except OSError:
            return None

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """What an expression is now."""
        data = self.ask("/api/v1/query", query=expr.replace("$__rate_interval", "2m"))
        return [(one["metric"], float(one["value"][1])) for one in data["result"]] if data else []


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboards")
    write(folder, str(folder / "grafana" / "dashboards"))
    return folder


@pytest.fixture
def scene(topics: str, postgres_url: str, written: Path, tmp_path: Path) -> Iterator[tuple[Scraper, Worker, str]]:
    on = ("usage-limit", "negative-list")
    off = {one: {"mode": "off"} for one in detectors.RULES if one not in on}
    rules = tmp_path / "pack.yaml"
    rules.write_text(yaml.safe_dump(pack(entry("genomes", match={"category": ["genome"]}), detectors=off)))
    with Worker(topics, postgres_url, tmp_path, rules=str(rules)) as worker:
        worker.wait_ready()
        prometheus = Scraper(written, worker.web)
        try:
            wait("Prometheus scrapes", lambda: prometheus.query("circulation_ready == 1"))
            sender = Sender(topics)
            sender.send(map(orjson.dumps, FACTS))
            wait_drained(topics, postgres_url)
            sender.send(map(orjson.dumps, FIRST))
            sender.raw("circulation.contracts", b"no JSON", b"x")
            sender.flush()
            wait_drained(topics, postgres_url)
            counted = 'sum(circulation_events_total{topic="circulation.contracts"})'
            wait("the first wave is scraped", lambda: prometheus.query(f"{counted} >= 11"))
            sender.send(map(orjson.dumps, SECOND))
            sender.raw("circulation.contracts", b"no JSON either", b"x")
            sender.flush()
            wait_drained(topics, postgres_url)
            with psycopg.connect(postgres_url) as connection:
                ((case,),) = connection.execute("select case_id from cases where about = 'far'").fetchall()
            sender.send([orjson.dumps(event("case.closed", case, "2025-03-01", by="an official"))])
            wait_drained(topics, postgres_url)
            wait("all is scraped", lambda: prometheus.query('sum(circulation_cases{state="closed"}) == 1'))
            wait("and rated", lambda: prometheus.query(f"{RECORDINGS[-1].name} > 0"))
            yield prometheus, worker, postgres_url
        finally:
            prometheus.process.terminate()
            prometheus.process.wait(20)


def _asked(prometheus: Scraper, panel: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for target in panel["targets"]:
        for labels, value in prometheus.query(target["expr"]):
            legend = LEGEND.sub(lambda one, labels=labels: labels[one[1]], target["legendFormat"])
            assert legend not in found, f"{panel['title']}: two series are called {legend}"
            found[legend] = value
    return found


def _put(query: str, values: dict[str, str]) -> str:
    """A query as Grafana sends it: of a value of a variable, quotes are doubled."""
    for name, value in values.items():
        query = query.replace(f"${{{name}}}", value.replace("'", "''"))
    return re.sub(r"\$__timeFilter\((\w+)\)", r"\1 between '2025-01-01' and '2025-12-31'", query)


def _rows(connection: Any, target: dict[str, Any], values: dict[str, str]) -> list[dict[str, Any]]:
    cursor = connection.execute(_put(target["rawSql"], values))
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if target["format"] == "time_series":
        assert ["time", "metric", "value"] == names
        assert rows == sorted(rows, key=lambda row: row["time"])
    return [{n: float(v) if isinstance(v, Decimal) else v for n, v in row.items()} for row in rows]


def _chosen(connection: Any, name: str, dashboard: dict[str, Any]) -> dict[str, str]:
    """What the variables of a dashboard are, each by what is chosen of those before it."""
    values: dict[str, str] = {}
    offered: dict[str, list[str]] = {}
    for one in dashboard["templating"]["list"]:
        if one["type"] == "custom":
            values[one["name"]] = one["current"]["value"]
            continue
        cursor = connection.execute(_put(one["query"], {**values, "__searchFilter": "%"}))
        assert 1 == len(cursor.description)
        offered[one["name"]] = [row[0] for row in cursor.fetchall()]
        values[one["name"]] = offered[one["name"]][0]
    assert VARIABLES.get(name, {}) == offered
    return values


def _check(prometheus: Scraper, worker: Worker, connection: Any, name: str, panel: dict[str, Any]) -> None:
    title = panel["title"]
    if title in POSTGRES[name]:
        values = _chosen(connection, name, DASHBOARDS[name])
        wanted = POSTGRES[name][title]
        by_query = wanted if isinstance(wanted, dict) else {"A": wanted}
        assert sorted(by_query) == sorted(target["refId"] for target in panel["targets"])
        for target in panel["targets"]:
            expected = by_query[target["refId"]]
            rows = _rows(connection, target, values)
            if panel["type"] != "nodeGraph":
                rows = [{key: row[key] for key in expected[0]} for row in rows]
            if title == "Newest open findings":
                # Which of two topics is read first is nobody's promise.
                rows.sort(key=lambda row: row["about_kind"])
            if title == "When what stands occurred":
                # The days are those of the events; what counts is that none of them is lost.
                rows = [
                    {"metric": one, "value": sum(row["value"] for row in rows if row["metric"] == one)}
                    for one in SEVERITIES
                ]
            assert (title, expected) == (title, rows)
        return
    found, wanted = _asked(prometheus, panel), PROMETHEUS[name][title]
    match title:
        case "Packs in force":
            ((info, _),) = prometheus.query("circulation_pack_info")
            wanted = {f"{info['pack']} {info['version']} {info['digest']}": 1}
        case "How far behind":
            wanted = {worker.web: Some(0, 10)}
        case "Lag of the slowest partitions":
            wanted = dict.fromkeys(found, 0)
            assert 10 == len(found)
    assert (title, wanted) == (title, {key: value for key, value in found.items() if key in wanted})


def _settled(check: Callable[[], None], seconds: float = 20) -> None:
    """A scrape that a busy machine misses makes a series vanish for a second: what is true is true soon."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_every_query_of_every_panel_says_what_the_scenario_did(scene: tuple[Scraper, Worker, str]) -> None:
    prometheus, worker, url = scene
    with psycopg.connect(url) as connection:
        for name, dashboard in DASHBOARDS.items():
            titles = [panel["title"] for panel in dashboard["panels"]]
            assert sorted(titles) == sorted([*PROMETHEUS[name], *POSTGRES[name]])
            for panel in dashboard["panels"]:
                _settled(lambda name=name, panel=panel: _check(prometheus, worker, connection, name, panel))
    for one in RECORDINGS:
        wait(f"{one.name} is recorded", lambda one=one: prometheus.query(one.name), 20)
    alerts = prometheus.ask("/api/v1/alerts")["alerts"]
    assert [] == [one["labels"]["alertname"] for one in alerts if one["state"] == "firing"]
    groups = prometheus.ask("/api/v1/rules")["groups"]
    assert [] == [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]
