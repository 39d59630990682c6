"""Which workers of a store live, and that all of them go by the same pack."""

import os
import subprocess
import sys

import orjson
import pytest
from sqlalchemy import Engine as Alchemist
from sqlalchemy import create_engine

import detectors
from circulation.admission.admission import Admission
from circulation.examples import event, pack
from deploy.processes import free_port
from streams.facts.rulebook import Rulebook, shipped
from streams.health import store_clock, workers
from streams.health.workers import SILENT_SECONDS, Differs, Heart, Replaced, alive, identity
from streams.offline.replay import Replay, offline
from streams.store.migrations import config
from streams.store.store import Store

SECOND = 1_000_000


def address(store: Store) -> str:
    return store._url.render_as_string(hide_password=False)


def heart(store: Store, pack: str = "beijing", shipped_digest: str = "aa") -> Heart:
    return Heart(store, Rulebook(shipped(detectors.RULES), pack), pack=pack, shipped=shipped_digest)


def living(store: Store) -> list[str]:
    with store.reading() as db:
        return [one.worker for one in alive(db)]


def silent_since(store: Store, worker: Heart, seconds: float) -> None:
    with store.writing() as db:
        db.run("update workers set beat = ? where worker = ?", workers.now(db) - int(seconds * SECOND), worker.worker)


def publish(store: Store, version: str) -> int:
    """Publishes a pack, and answers with the number of its event."""
    said = event("rulepack.published", "beijing", "2025-01-01", **pack(version=version, valid_from="2025-01-01"))
    tally = Replay(offline(store, None), Admission()).run([orjson.dumps(said)])
    assert (1, 0) == (tally.admitted, tally.rejected)
    with store.reading() as db:
        (row,) = db.rows("select max(id) from events where topic = 'circulation.rules'")
        return int(row[0])


def test_a_worker_is_among_those_that_live_from_its_start_to_its_end(store: Store) -> None:
    one = heart(store)
    assert [] == living(store)
    one.begin()
    assert [one.worker] == living(store)
    with store.reading() as db:
        (row,) = alive(db)
    assert ("beijing", "aa", 0, workers.version()) == (row.pack, row.shipped, row.admitted, row.version)
    assert row.started == row.beat > 1_700_000_000 * SECOND
    one.end()
    assert [] == living(store)


def test_who_was_silent_for_thirty_seconds_is_not_alive_until_it_beats_again(store: Store) -> None:
    one = heart(store)
    one.begin()
    silent_since(store, one, SILENT_SECONDS - 5)
    assert [one.worker] == living(store)
    silent_since(store, one, SILENT_SECONDS + 1)
    assert [] == living(store)
    one.beat()
    assert [one.worker] == living(store)


def test_it_tells_of_a_pack_that_its_rulebook_has_at_the_next_look(store: Store) -> None:
    one = heart(store)
    one.begin()
    one.beat()
    for version in ("1", "2"):
        number = publish(store, version)
        one.beat()
        with store.reading() as db:
            assert [number] == [each.admitted for each in alive(db)]


@pytest.mark.parametrize(
    ("other", "told"), [({"pack": "shenzhen"}, "CIRCULATION_PACK"), ({"shipped_digest": "bb"}, "CIRCULATION_RULES")]
)
def test_a_worker_of_another_pack_is_refused_while_one_lives_and_begins_when_none_does(
    postgres_url: str, other: dict[str, str], told: str
) -> None:
    store = Store(postgres_url)
    store.migrate()
    one, second, third = heart(store), heart(store), heart(store, **other)
    one.begin()
    second.begin()
    with pytest.raises(Differs, match=told) as refused:
        third.begin()
    assert one.worker in str(refused.value)
    one.end()
    with pytest.raises(Differs, match=second.worker):
        third.begin()
    silent_since(store, second, SILENT_SECONDS + 1)
    third.begin()
    # It was only stopped for a while: it may not go on beside the other.
    with pytest.raises(Differs, match=third.worker):
        second.beat()
    assert [third.worker] == living(store)
    store.close()


def test_a_worker_that_was_forgotten_joins_again(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    one, second = heart(store), heart(store)
    one.begin()
    silent_since(store, one, SILENT_SECONDS + 1)
    second.begin()
    assert [second.worker] == living(store)
    one.beat()
    assert {one.worker, second.worker} == set(living(store))
    store.close()


def test_a_worker_in_place_of_whose_store_there_is_another_does_not_go_on(store: Store) -> None:
    one = heart(store)
    one.begin()
    one.beat()
    with store.writing() as db:
        db.run("update store_identity set store = 'another'")
    with pytest.raises(Replaced, match="was removed or replaced while this worker ran on it"):
        one.beat()


def test_what_a_killed_worker_left_in_a_sqlite_file_keeps_nobody_from_another_pack(tmp_path: object) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    heart(store).begin()
    other = heart(store, "shenzhen")
    other.begin()
    assert [other.worker] == living(store)
    store.close()


def test_a_store_that_was_made_before_gets_an_id_and_keeps_its_positions(postgres_url: str, tmp_path: object) -> None:
    from alembic import command

    ids = set()
    for url in (postgres_url, f"sqlite:///{tmp_path}/old.db"):
        old = Store(url)
        sqlalchemy_url = old._url.set(drivername="postgresql+psycopg") if old.postgres else old._url
        engine: Alchemist = create_engine(sqlalchemy_url)
        with engine.begin() as connection:
            made = config()
            made.attributes["connection"] = connection
            command.upgrade(made, "0001")
            connection.exec_driver_sql("insert into progress values ('circulation.assets', 3, 17, 'topic', null)")
        engine.dispose()
        old.migrate()
        with old.reading() as db:
            assert [("circulation.assets", 3, 17)] == db.rows("select topic, partition, next from progress")
            ids.add(identity(db))
        old.migrate()
        with old.reading() as db:
            ids.add(identity(db))
        old.close()
    assert 2 == len(ids)
    assert all(len(one) == 16 for one in ids)


OTHERWISE = {
    "PACK": ("shenzhen", "runs the packs 'beijing', and this one would run 'shenzhen' (CIRCULATION_PACK)"),
    "CLOCK": ("events", "runs on the clock 'wall', and this one would on 'events' (CIRCULATION_CLOCK)"),
}


@pytest.mark.parametrize("setting", OTHERWISE)
def test_a_worker_that_is_refused_exits_2_with_one_sentence_and_is_none_of_those_that_live(
    postgres_url: str, setting: str
) -> None:
    value, told = OTHERWISE[setting]
    store = Store(postgres_url)
    store.migrate()
    book = Rulebook(shipped(detectors.RULES))
    one = Heart(store, book, pack="beijing", shipped=shipped(detectors.RULES).digest)
    one.begin()
    with store.writing() as db:
        store_clock.keep(db, "wall", one.worker)
    silent_since(store, one, 5 - SILENT_SECONDS)  # however long a process takes to start
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": postgres_url, f"CIRCULATION_{setting}": value}
    environ |= {"CIRCULATION_WEB": f"127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "worker"], env=environ, capture_output=True, text=True, check=False
    )
    assert 2 == done.returncode
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("circulation:")]
    assert f"worker {one.worker} of this store" in said
    assert told in said
    assert [one.worker] == living(store)
    store.close()
