"""`circulation rules diff` and `publish`: what they say, what they refuse, and what they warn of."""

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.examples import Json, asset, entry, event, listed, pack
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from streams.wire import publishing
from tests.modes import only


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="circulation")


def written(folder: Path, name: str, data: Json) -> Path:
    path = folder / name
    path.write_text(json.dumps(data))  # which is YAML
    return path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been sent: that it is, and what follows, is tested on a real Kafka."""
    found: list[dict[str, Any]] = []

    def send(_: str, record: bytes, pack: Pack, id_: str) -> publishing.Sent:
        found.append(orjson.loads(record))
        assert id_ == found[-1]["id"]
        return publishing.Sent(pack.pack, pack.digest, 0, 0, {})

    monkeypatch.setattr(publishing, "send", send)
    return found


def test_diff_says_what_changes_and_the_same_as_json(tmp_path: Path) -> None:
    old = written(tmp_path, "old.yaml", pack(entry("a")))
    new = written(tmp_path, "new.yaml", pack(entry("b"), version="2", detectors={"paper-trade": {"mode": "warn"}}))
    said = run("rules", "diff", old, new).stdout
    assert "paper-trade: enforce → warn" in said
    assert "b Entry b: prohibit deliver, export, list, trade of tags b" in said
    document = json.loads(run("rules", "diff", old, new, "--json").stdout)
    assert {"member": "mode", "old": "enforce", "new": "warn"} in document["detectors"]["paper-trade"]
    assert "Nothing changes." in run("rules", "diff", old, old).stdout


def test_diff_refuses_a_file_that_is_no_pack(tmp_path: Path) -> None:
    good, bad = written(tmp_path, "good.yaml", pack()), written(tmp_path, "bad.yaml", {"pack": "x"})
    done = run("rules", "diff", good, bad)
    assert 2 == done.exit_code
    assert f"{bad}: $.version: is required" in done.stderr


def test_publish_sends_the_pack_of_the_file(tmp_path: Path, sent: list[Json]) -> None:
    data = pack(entry("a"))
    done = run("rules", "publish", "--no-wait", written(tmp_path, "pack.yaml", data))
    assert 0 == done.exit_code, done.output
    assert [data] == [one["data"] for one in sent]
    assert sent[0]["id"].startswith(f"{parse_pack(data, published=True).digest}-")


def test_older_content_is_published_as_a_new_version_from_now_on(tmp_path: Path, sent: list[Json]) -> None:
    path = written(tmp_path, "pack.yaml", pack(entry("a")))
    done = run(
        "rules",
        "publish",
        "--no-wait",
        path,
        "--version",
        "3",
        "--valid-from",
        "now",
        "--approved-by",
        "x",
        "--approved-by",
        "y",
    )
    assert 0 == done.exit_code, done.output
    (one,) = sent
    assert pack(entry("a"), version="3", approved_by=["x", "y"], valid_from=one["time"]) == one["data"]


def test_publish_says_what_lint_calls_an_error(tmp_path: Path, sent: list[Json]) -> None:
    data = pack(detectors={"usage-limit": {"warning_percent": 96}})
    done = run("rules", "publish", "--no-wait", written(tmp_path, "pack.yaml", data))
    assert (0, 1) == (done.exit_code, len(sent))
    assert (
        "lint` calls it an error: $.detectors.usage-limit.warning_percent: must be below late_warning_percent,"
        " which is 95, got 96" in done.stderr
    )


def test_publish_refuses_one_approver_and_a_wrong_instant(tmp_path: Path, sent: list[Json]) -> None:
    path = written(tmp_path, "pack.yaml", pack(entry("a")))
    alone = run("rules", "publish", "--no-wait", path, "--approved-by", "x")
    assert 2 == alone.exit_code
    assert "two distinct approvers" in alone.stderr
    assert 2 == run("rules", "publish", "--no-wait", path, "--valid-from", "tomorrow").exit_code
    assert [] == sent


def test_publish_warns_where_another_version_keeps_it_from_being_in_force(
    tmp_path: Path, sent: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    store.migrate()
    newer = pack(entry("b"), version="2", valid_from="2025-01-01")
    published = event("rulepack.published", "beijing", "2025-01-01", **newer)
    Replay(offline(store, None), Admission()).run([orjson.dumps(published)])
    store.close()
    monkeypatch.setenv("CIRCULATION_STORE", url)

    path = written(tmp_path, "pack.yaml", pack(entry("a")))
    assert (
        "warning: version 2, valid from 2025-01-01T00:00:00+08:00, is in force then"
        in run("rules", "publish", "--no-wait", path).stderr
    )
    assert "" == run("rules", "publish", "--no-wait", path, "--version", "3", "--valid-from", "now").stderr
    assert "" == run("rules", "publish", "--no-wait", path, "--version", "3", "--valid-from", "2025-01-01").stderr
    assert (
        "until 2099-01-01T00:00:00+08:00 version 2 stays in force"
        in run("rules", "publish", "--no-wait", path, "--version", "4", "--valid-from", "2099-01-01").stderr
    )


@pytest.mark.slow
def test_publish_tries_a_pack_first_where_that_is_asked_for(
    tmp_path: Path, sent: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    store.migrate()
    many = [one for n in range(4) for one in (asset(f"a{n}", tags=["all"]), listed(f"a{n}", "2025-01-02"))]
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, many))
    store.close()
    monkeypatch.setenv("CIRCULATION_STORE", url)
    monkeypatch.setenv("CIRCULATION_BREAKER_LOOKS_MIN", "4")
    good = written(tmp_path, "good.yaml", only("negative-list", entries=[entry("none")]))
    bad = written(tmp_path, "bad.yaml", only("negative-list", entries=[entry("all")]))
    done = run("rules", "publish", "--no-wait", bad, "--backtest")
    assert 1 == done.exit_code
    assert (
        "not published: it would newly fire on too much of what is looked at: negative-list on 100% of 4" in done.stderr
    )
    assert [] == sent
    assert 0 == run("rules", "publish", "--no-wait", good, "--backtest").exit_code
    assert 0 == run("rules", "publish", "--no-wait", bad).exit_code
    assert ["none", "all"] == [one["data"]["negative_list"][0]["id"] for one in sent]


def test_publish_cannot_try_a_pack_without_a_store(
    tmp_path: Path, sent: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCULATION_STORE", f"sqlite:///{tmp_path}/none.db")
    done = run("rules", "publish", "--no-wait", written(tmp_path, "pack.yaml", pack()), "--backtest")
    assert 2 == done.exit_code
    assert "there is no store" in done.stderr
    assert [] == sent
