"""Dashboards and rules are whole, name what exists, and every alert fires in a story of its own."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dashboards.files import DASHBOARDS, files, write
from dashboards.house import over, quantile, select, shared
from dashboards.look_through import ASSETS_MAX
from dashboards.rules import ALERTS, RECORDINGS
from streams.cli.main import cli
from streams.worker.metrics import DELAY, EVENT_TO_COMMIT, EVENTS, LAG, METRICS

STORIES = Path(__file__).parent / "prometheus" / "alerts.yml"
# A larger node graph hides what is beyond behind markers.
GRAFANA_DRAWS_MAX = 200
NAMES = re.compile(r"\bcirculation_\w+")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here: apt-get install prometheus"
)


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            yield name, panel


def told(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=170)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "panel"), [pytest.param(n, p, id=f"{n}: {p['title']}") for n, p in panels()])
def test_every_panel_says_what_it_shows_and_asks_a_data_source_that_is_provisioned(
    name: str, panel: dict[str, Any]
) -> None:
    provisioned = yaml.safe_load(files()["grafana/provisioning/datasources/circulation.yml"])["datasources"]
    sources = {(one["type"], one["uid"]) for one in provisioned}
    assert panel["description"].endswith(".")
    assert panel["targets"]
    for target in panel["targets"]:
        assert (target["datasource"]["type"], target["datasource"]["uid"]) in sources
        assert target["datasource"] == panel["datasource"]
        assert bool(target.get("rawSql")) != bool(target["expr"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_what_stands_in_a_query_or_a_text_is_a_variable_and_all_variables_stand_somewhere() -> None:
    for dashboard in DASHBOARDS.values():
        variables = dashboard["templating"]["list"]
        texts = [one.get("rawSql", "") for panel in dashboard["panels"] for one in panel["targets"]]
        texts += [panel["description"] for panel in dashboard["panels"]] + [one["query"] for one in variables]
        standing = {name for text in texts for name in re.findall(r"\$\{(\w+)", text)}
        assert {one["name"] for one in variables} == standing - {"__searchFilter"}


def test_a_link_leads_to_a_dashboard_and_names_a_variable_and_a_column_that_are_there() -> None:
    by_uid = {one["uid"]: one for one in DASHBOARDS.values()}
    found = []
    for _, panel in panels():
        for one in panel["fieldConfig"].get("overrides", ()):
            for property_ in one["properties"]:
                found += [(panel, link["url"]) for link in property_["value"] if property_["id"] == "links"]
    assert found
    for panel, url in found:
        match = re.fullmatch(r"/d/([\w-]+)\?var-(\w+)=\$\{__data\.fields\.(\w+):percentencode\}", url)
        assert match, url
        assert match[2] in {one["name"] for one in by_uid[match[1]]["templating"]["list"]}
        assert any(re.search(rf"\b{match[3]}\b", target["rawSql"]) for target in panel["targets"])


def test_a_node_graph_is_told_its_queries_by_name_and_no_colour_and_draws_all_of_it_at_once() -> None:
    graphs = [panel for _, panel in panels() if panel["type"] == "nodeGraph"]
    assert graphs
    for panel in graphs:
        assert ["nodes", "edges"] == [one["refId"] for one in panel["targets"]]
        assert {"table"} == {one["format"] for one in panel["targets"]}
        assert "color" not in panel["fieldConfig"]["defaults"]
    assert GRAFANA_DRAWS_MAX >= 1 + 2 * ASSETS_MAX


def test_panels_of_a_dashboard_have_their_own_ids_and_places() -> None:
    for dashboard in DASHBOARDS.values():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert taken.isdisjoint(cells)
            taken |= cells
            assert at["x"] + at["w"] <= 24
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert sorted(set(ids)) == ids


def test_queries_and_rules_name_metrics_that_are_declared_and_every_metric_is_shown_or_watched() -> None:
    exprs = [target["expr"] for _, panel in panels() for target in panel["targets"]]
    exprs += [one.expr for one in (*RECORDINGS, *ALERTS)]
    found = {re.sub(r"_(bucket|sum|count)$", "", name) for expr in exprs for name in NAMES.findall(expr)}
    assert set(METRICS) == found, "dashboards/ has a panel, a recording or an alert for each metric"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: select(EVENTS, subject="a"),
        lambda: select(EVENTS, "_bucket"),
        lambda: select(EVENT_TO_COMMIT),
        lambda: over("sum", LAG, "subject"),
        lambda: shared(DELAY, "severity"),
        lambda: quantile(EVENT_TO_COMMIT, 0.5, "5m", "topic"),
    ],
)
def test_a_label_or_a_series_that_a_metric_has_not_is_refused(ask: Any) -> None:
    with pytest.raises(ValueError, match=r"circulation_"):
        ask()


def test_the_command_writes_all_of_it_and_says_where(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["dashboards", str(tmp_path / "out")])
    assert 0 == done.exit_code, done.output
    assert sorted(str(tmp_path / "out" / name) for name in files()) == sorted(done.output.split())
    provider = yaml.safe_load((tmp_path / "out/grafana/provisioning/dashboards/circulation.yml").read_text())
    folder = Path(provider["providers"][0]["options"]["path"])
    assert set(DASHBOARDS) == {path.stem for path in folder.glob("*.json")}
    assert DASHBOARDS["health"] == json.loads((folder / "health.json").read_text())


def test_a_folder_that_cannot_be_written_exits_2(tmp_path: Path) -> None:
    (tmp_path / "grafana").write_text("a file")
    assert 2 == CliRunner().invoke(cli, ["dashboards", str(tmp_path)]).exit_code


def test_writing_twice_writes_the_same(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write(tmp_path, "/x")}
    assert first == {path: path.read_bytes() for path in write(tmp_path, "/x")}


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    checks = [
        check for test in yaml.safe_load(STORIES.read_text())["tests"] for check in test.get("alert_rule_test", ())
    ]
    for wanted in (True, False):
        assert {one.name for one in ALERTS} == {one["alertname"] for one in checks if bool(one["exp_alerts"]) == wanted}


@pytest.mark.slow
@needs_promtool
def test_prometheus_takes_the_rules_and_every_alert_fires_when_its_story_says(tmp_path: Path) -> None:
    write(tmp_path, "/x")
    shutil.copy(STORIES, tmp_path / "prometheus" / "alerts.yml")
    told("promtool", "check", "rules", "circulation.yml", cwd=tmp_path / "prometheus")
    rules = yaml.safe_load((tmp_path / "prometheus" / "circulation.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.get("annotations", {}).pop("description", None)
    (tmp_path / "prometheus" / "circulation.yml").write_text(yaml.safe_dump(rules))
    told("promtool", "test", "rules", "alerts.yml", cwd=tmp_path / "prometheus")
