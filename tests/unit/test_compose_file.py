"""The compose file is right by construction: its schema, what it mounts, whom it runs as, in which order it starts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.files import files
from deploy import kafka
from streams.settings import Settings
from tests.composed import EXAMPLE, FILE, PASSWORDS, ROOT, VARIABLE, Unset, composed, put_in

SERVICES: dict[str, dict[str, Any]] = composed()["services"]
STAY = {name for name, one in SERVICES.items() if "restart" in one}
ONCE = set(SERVICES) - STAY
CONFIG = ROOT / "deploy" / "compose"


def told(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert 0 == done.returncode, done.stdout + done.stderr


def mounts() -> list[tuple[str, Path]]:
    return [
        (name, ROOT / source)
        for name, one in SERVICES.items()
        for source in (volume.split(":")[0] for volume in one.get("volumes", ()))
        if source.startswith(".")
    ]


def test_the_file_has_the_form_that_compose_asks_for() -> None:
    told(str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE))


def test_every_variable_is_in_the_example_and_every_password_has_to_be_chosen() -> None:
    used = {match[1] for match in VARIABLE.finditer(FILE.read_text())}
    assert used == {line.split("=")[0] for line in EXAMPLE.read_text().splitlines() if line and line[0] != "#"}
    for name in PASSWORDS:
        with pytest.raises(Unset, match=name):
            composed({other: value for other, value in PASSWORDS.items() if other != name})
    assert "x" == put_in("${A:-x}", {})


def test_what_is_mounted_is_there_and_nobody_may_write_it() -> None:
    assert {"postgres", "prometheus", "alertmanager", "emitter"} == {name for name, _ in mounts()}
    assert [] == [str(path) for _, path in mounts() if not path.is_file()]
    bound = [one for service in SERVICES.values() for one in service.get("volumes", ()) if one.startswith(".")]
    assert [] == [one for one in bound if not one.endswith(":ro")]
    named = {one.split(":")[0] for service in SERVICES.values() for one in service.get("volumes", ())} - {
        one.split(":")[0] for one in bound
    }
    assert named == set(composed()["volumes"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_runs_pinned_as_nobody_special_and_listens_on_loopback_alone(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert ["ALL"] == service["cap_drop"]
    assert not service.get("privileged")
    assert [] == [port for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")]


def test_what_stays_is_looked_after_and_what_runs_once_is_not() -> None:
    assert {"kafka", "postgres", "worker", "prometheus", "alertmanager", "grafana"} == STAY
    # The worker's image has its own.
    assert [] == [name for name in STAY - {"worker"} if "test" not in SERVICES[name].get("healthcheck", {})]
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    assert [] == [name for name in ONCE if SERVICES[name]["healthcheck"] != {"disable": True}]
    assert [] == [name for name in STAY if SERVICES[name]["restart"] != "unless-stopped"]


def test_everything_starts_after_what_it_needs() -> None:
    needed = {name: one.get("depends_on", {}) for name, one in SERVICES.items()}
    for needs in needed.values():
        for other, how in needs.items():
            assert how["condition"] == ("service_healthy" if other in STAY else "service_completed_successfully")
    assert {"kafka", "postgres", "topics"} == set(needed["worker"])
    assert {"kafka"} == set(needed["topics"])
    order: list[str] = []
    while len(order) < len(SERVICES):
        ready = [one for one in SERVICES if one not in order and needed[one].keys() <= set(order)]
        assert ready, f"what is left waits for each other: {set(SERVICES) - set(order)}"
        order += ready


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if one["image"].startswith("circulation:")])
def test_our_services_are_given_settings_that_there_are(name: str) -> None:
    given = SERVICES[name].get("environment", {})
    read = Settings.read({**given})
    assert given.get("CIRCULATION_KAFKA", read.kafka) == read.kafka


def test_data_outlive_what_keeps_them() -> None:
    kept = {name: one["volumes"] for name, one in SERVICES.items() if "volumes" in one}
    assert "kafka:/var/lib/kafka/data" in kept["kafka"]
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    assert "postgres:/var/lib/postgresql/data" in kept["postgres"]
    assert "prometheus:/prometheus" in kept["prometheus"]
    assert "--storage.tsdb.path=/prometheus" in SERVICES["prometheus"]["command"]
    assert "alertmanager:/alertmanager" in kept["alertmanager"]
    assert "--storage.path=/alertmanager" in SERVICES["alertmanager"]["command"]


def test_the_broker_is_the_one_that_tests_run_on() -> None:
    assert f"apache/kafka:{kafka.version()}" == SERVICES["kafka"]["image"]


def test_grafana_is_given_every_address_that_its_provisioning_names() -> None:
    written = files("/views/grafana/dashboards")
    named = set(re.findall(r"\$(\w+)", written["grafana/provisioning/datasources/circulation.yml"]))
    given = SERVICES["grafana"]["environment"]
    assert named <= given.keys()
    assert given["STORE_USER"] in (CONFIG / "reader.sh").read_text()
    assert given["STORE_PASSWORD"] == SERVICES["postgres"]["environment"]["READER_PASSWORD"]
    assert given["STORE_DATABASE"] == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    home = given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix("/views/") in written
    assert f"{given['GF_PATHS_PROVISIONING']}/datasources/circulation.yml".removeprefix("/views/") in written


def test_prometheus_reads_the_rules_where_views_writes_them_and_scrapes_where_workers_listen() -> None:
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    assert ["/views/prometheus/circulation.yml"] == config["rule_files"]
    assert ["dashboards", "/views"] == SERVICES["views"]["command"][:2]
    (target,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert ["worker"] == target["names"]
    assert f"0.0.0.0:{target['port']}" == SERVICES["worker"]["environment"]["CIRCULATION_WEB"]
    (alertmanager,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    assert ["alertmanager:9093"] == alertmanager["targets"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: apt-get install prometheus")
def test_promtool_takes_what_prometheus_is_given(tmp_path: Path) -> None:
    rules = tmp_path / "circulation.yml"
    rules.write_text(files()["prometheus/circulation.yml"])
    config = tmp_path / "prometheus.yml"
    config.write_text((CONFIG / "prometheus.yml").read_text().replace("/views/prometheus/circulation.yml", str(rules)))
    told("promtool", "check", "config", str(config))


@pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not here: apt-get install prometheus-alertmanager"
)
def test_amtool_takes_what_alertmanager_is_given() -> None:
    told("amtool", "check-config", str(CONFIG / "alertmanager.yml"))


def test_the_shell_takes_the_script_that_makes_the_reader() -> None:
    told("sh", "-n", str(CONFIG / "reader.sh"))
