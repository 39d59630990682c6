"""What ends of the rules, what is in force in a store, and which versions there were."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.calendar import DAY, parse_instant
from circulation.examples import asset, entry, event, pack
from circulation.packs.in_force import Packs, Published
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.health.endings import SOON, Endings
from streams.offline.replay import Replay, offline
from streams.store.store import Store

DEFAULT = parse_pack(pack(version="0"), published=False)
END = parse_instant("2026-01-01")
INFINITE = float("inf")


def packs(*published: dict[str, Any]) -> Packs:
    parsed = (parse_pack(one, published=True) for one in published)
    return Packs(DEFAULT, [Published(one, at, "s", str(at)) for at, one in enumerate(parsed)])


def test_a_pack_without_an_end_never_ends() -> None:
    for found in (packs(), packs(pack(valid_from="2025-01-01"))):
        assert INFINITE == Endings().look(found, END).seconds


def test_a_pack_ends_where_none_follows_it() -> None:
    first = pack(valid_from="2025-01-01", valid_to="2026-01-01")
    assert 86_400 == Endings().look(packs(first), END - DAY).seconds
    assert INFINITE == Endings().look(packs(first), END).seconds, "it has ended: the default is in force"
    second = pack(version="2", valid_from="2025-06-01", valid_to="2026-02-01")
    assert 32 * 86_400 == Endings().look(packs(first, second), END - DAY).seconds
    gap = pack(version="2", valid_from="2026-01-02")
    assert 86_400 == Endings().look(packs(first, gap), END - DAY).seconds, "a day without any is an end, too"


@pytest.mark.parametrize(("before", "entries"), [(SOON + 1, 0), (SOON, 1), (1, 1), (0, 0)])
def test_entries_that_end_within_14_days_are_counted(before: int, entries: int) -> None:
    found = packs(pack(entry("a", valid_to="2026-01-01"), entry("b"), valid_from="2025-01-01"))
    assert entries == Endings().look(found, END - before).entries


def test_an_entry_that_goes_on_under_its_id_does_not_end() -> None:
    goes_on = (entry("a", valid_to="2026-01-01"), entry("a", valid_from="2026-01-01"))
    assert 0 == Endings().look(packs(pack(*goes_on, valid_from="2025-01-01")), END - 1).entries


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("CIRCULATION_STORE", url)
    found = Store(url)
    found.migrate()
    yield found
    found.close()


def run(*words: str) -> Result:
    done = CliRunner().invoke(cli, ["rules", *words])
    assert 0 == done.exit_code, done.output
    return done


def published(version: str, time: str, **members: Any) -> bytes:
    return orjson.dumps(event("rulepack.published", "beijing", time, id=version, **pack(version=version, **members)))


def test_what_is_in_force_and_what_was_is_shown_by_the_clock_of_the_store(store: Store) -> None:
    assert [] == json.loads(run("history", "--json").stdout)
    assert "in force now, from the beginning: nothing that is published is" in run("show", "--in-force").stdout
    lines = [
        published("1", "2025-01-01", valid_from="2025-01-01"),
        published("2", "2025-02-01", valid_from="2025-03-01", valid_to="2025-04-01", approved_by=["Li", "Wang"]),
        published("3", "2025-02-01", valid_from="2024-06-01"),
        orjson.dumps(asset("a-1", "2025-03-15")),
    ]
    Replay(offline(store, None), Admission()).run(lines)
    rows = {one["version"]: one for one in json.loads(run("history", "--json").stdout)}
    assert {"1": False, "2": True, "3": False} == {version: one["in_force_now"] for version, one in rows.items()}
    assert ["Li", "Wang"] == rows["2"]["approved_by"]
    assert [("2025-01-01", "2025-03-01"), ("2025-04-01", None)] == [
        (one["since"][:10], one["until"] and one["until"][:10]) for one in rows["1"]["in_force"]
    ]
    shown = run("show", "--in-force").stdout
    assert "pack beijing, version 2, 0 entries" in shown
    assert "in force now, since 2025-03-01T00:00:00+08:00" in shown
    assert rows["2"]["digest"] in shown
    data = json.loads(run("show", "--in-force", "--yaml").stdout)
    assert rows["2"]["digest"] == parse_pack(data, published=True).digest
    assert "from 2025-03-01 to 2025-04-01 (now)" in run("history").stdout
    assert 2 == CliRunner().invoke(cli, ["rules", "show", "--in-force", "beijing"]).exit_code
