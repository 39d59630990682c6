"""Who looks at a store is answered by the clock that the store runs on."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from samples import BUYER

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import event, party
from streams.cli.main import cli
from streams.health import store_clock, workers
from streams.health.workers import Alive, Differs
from streams.offline.replay import Replay, offline
from streams.settings import Settings
from streams.store import schema
from streams.store.store import Store
from streams.wire import emit

SETTINGS = Settings.read({})
BY_EVENTS = Settings.read({"CIRCULATION_CLOCK": "events"})
YEAR = 366 * 86_400_000_000


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("CIRCULATION_STORE", url)
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    found = Store(url)
    found.migrate()
    yield found
    found.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def now(store: Store, settings: Settings = SETTINGS) -> int:
    with store.reading() as db:
        return store_clock.of_store(db, settings)


def keep(store: Store, which: str, worker: str = "me") -> None:
    with store.writing() as db:
        store_clock.keep(db, which, worker)


def read_to(store: Store, topic: str, instant: str) -> None:
    with store.writing() as db:
        db.run("insert into progress (topic, partition, next, topic_id, time_max) values (?, 0, 1, 'id', ?)",
               topic, parse_instant(instant))  # fmt: skip


def test_a_store_that_a_worker_runs_on_the_clock_of_events_is_at_the_highest_time(store: Store) -> None:
    keep(store, "events")
    read_to(store, "circulation.contracts", "2025-03-01")
    read_to(store, "circulation.rules", "2030-01-01")
    assert parse_instant("2025-03-01") == now(store), "whatever the settings of who looks say"


def test_a_store_on_the_wall_clock_is_at_the_wall_clock(store: Store) -> None:
    keep(store, "wall")
    read_to(store, "circulation.contracts", "2025-03-01")
    assert store_clock.wall() - YEAR < now(store, BY_EVENTS) <= store_clock.wall()


def test_a_store_without_events_is_at_the_wall_clock(store: Store) -> None:
    before = store_clock.wall()
    keep(store, "events")
    assert before <= now(store) <= store_clock.wall()


def test_workers_of_one_store_run_on_one_clock(store: Store) -> None:
    keep(store, "events")
    keep(store, "wall")
    with store.writing() as db:
        db.many(schema.workers, [Alive("other", 1, workers.now(db), "1", "beijing", "d", 0)])
    with pytest.raises(Differs, match="worker other of this store runs on the clock 'wall'"):
        keep(store, "events")
    keep(store, "events", "other")


def determined(instant: str) -> dict[str, Any]:
    return event(
        "credit.determined", BUYER, instant,
        record="r-1", act="usage-limit", tier="minor", document_date=instant, decided_by="bureau",
    )  # fmt: skip


def test_a_statement_of_a_replayed_store_is_of_the_time_of_its_events(store: Store) -> None:
    events = [party(BUYER, "2020-01-01"), determined("2020-01-02")]
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, events))
    said = run("credit", BUYER, "--json")
    assert 0 == said.exit_code, said.output
    stated = json.loads(said.stdout)
    assert "2020-01-02T00:00:00+08:00" == stated["as_of"]
    assert ["published"] == [one["status"] for one in stated["records"]], "by the wall clock it would have expired"
    assert run("party", BUYER, "--json").stdout == run("party", BUYER, "--json", "--as-of", "2020-01-02").stdout


def test_a_replay_until_an_instant_leaves_a_store_that_is_at_it(store: Store) -> None:
    events = [party(BUYER, "2020-01-01")]
    Replay(offline(store, None), Admission(), until=parse_instant("2020-05-01")).run(map(orjson.dumps, events))
    assert parse_instant("2020-05-01") == now(store)


def test_a_replay_into_the_store_of_a_worker_leaves_its_clock(store: Store) -> None:
    keep(store, "wall")
    Replay(offline(store, None), Admission()).run([orjson.dumps(party(BUYER, "2020-01-01"))])
    assert store_clock.wall() - YEAR < now(store)


def test_an_order_is_given_by_the_clock_of_its_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(emit, "emit", lambda lines, _: sent.extend(map(orjson.loads, lines)))
    case = f"{'a' * 32}-1"
    assert 0 == run("case", "close", case, "--by", "Li Wei").exit_code
    keep(store, "events")
    read_to(store, "circulation.contracts", "2025-03-01")
    assert 0 == run("case", "close", case, "--by", "Li Wei").exit_code
    by_wall, by_events = sent
    assert store_clock.wall() - YEAR < parse_instant(by_wall["time"])
    assert "2025-03-01T00:00:00+08:00" == by_events["time"]
