"""Which alerts reach people: what Alertmanager, started with the shipped configuration, holds back."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import free_port, wait

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "alertmanager.yml"

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None or shutil.which("amtool") is None,
    reason="they are not here: apt-get install prometheus-alertmanager",
)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    words = [f"--config.file={CONFIG}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus-alertmanager", *words, f"--web.listen-address={url.removeprefix('http://')}"],
            stdout=log,
            stderr=log,
        )
    try:
        wait("Alertmanager answers", lambda: _answer(f"{url}/-/ready") is not None)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answer(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return None


def _held_back(url: str, *alerts: dict[str, str]) -> dict[str, bool]:
    """Sends alerts, and answers which of them are inhibited, by name and detector."""
    for labels in alerts:
        words = [f"{name}={value}" for name, value in labels.items()]
        command = ["amtool", f"--alertmanager.url={url}", "alert", "add", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert 0 == done.returncode, done.stderr

    def told() -> dict[str, bool]:
        found = json.loads(_answer(f"{url}/api/v2/alerts") or b"[]")
        return {
            "{alertname} {detector}".format_map({"detector": "", **one["labels"]}).strip(): bool(
                one["status"]["inhibitedBy"]
            )
            for one in found
            if one["status"]["state"] != "unprocessed"
        }

    return dict(wait("the alerts are taken in", lambda: len(now := told()) == len(alerts) and now))


def test_the_configuration_is_good() -> None:
    done = subprocess.run(
        ["amtool", "check-config", str(CONFIG)], capture_output=True, text=True, timeout=30, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_rule_that_is_held_holds_back_its_other_alerts_and_no_others(alertmanager: str) -> None:
    ticket = {"severity": "ticket"}
    assert {
        "CirculationRuleHeld negative-list": False,
        "CirculationRuleHeld ring-trade": False,
        "CirculationRedCasesUnattended negative-list": True,
        "CirculationRedCasesUnattended usage-limit": False,
        "CirculationRuleFails negative-list": False,
        "CirculationBehind": False,
    } == _held_back(
        alertmanager,
        {"alertname": "CirculationRuleHeld", "detector": "negative-list"} | ticket,
        {"alertname": "CirculationRuleHeld", "detector": "ring-trade"} | ticket,
        {"alertname": "CirculationRedCasesUnattended", "detector": "negative-list"} | ticket,
        {"alertname": "CirculationRedCasesUnattended", "detector": "usage-limit"} | ticket,
        {"alertname": "CirculationRuleFails", "detector": "negative-list"} | ticket,
        {"alertname": "CirculationBehind"} | ticket,
    )


def test_when_the_store_is_away_what_follows_from_it_is_held_back(alertmanager: str) -> None:
    assert {"CirculationStoreAway": False, "CirculationRuleHeld negative-list": True} == _held_back(
        alertmanager,
        {"alertname": "CirculationStoreAway", "severity": "page", "instance": "a"},
        {"alertname": "CirculationRuleHeld", "severity": "ticket", "detector": "negative-list"},
    )
