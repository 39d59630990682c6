"""A store of a newer schema is left alone by whatever comes upon it, and the older version ends first."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner, Result
from samples import READING

import detectors
from deploy.processes import free_port
from streams.cli.main import cli
from streams.facts.rulebook import Rulebook, shipped
from streams.health import workers
from streams.health.workers import Heart, alive, make_way
from streams.store import schema_version
from streams.store.migrations import config
from streams.store.schema_version import StoreNewer
from streams.store.store import Store

NEWER = "9999"


def address(store: Store) -> str:
    return store._url.render_as_string(hide_password=False)


def heart(store: Store) -> Heart:
    return Heart(store, Rulebook(shipped(detectors.RULES)), pack="beijing", shipped="aa")


def moved_on(store: Store, version: str = NEWER) -> None:
    with store.writing() as db:
        db.run("update alembic_version set version_num = ?", version)


def test_the_revisions_that_are_known_are_those_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(config())
    assert {one.revision for one in script.walk_revisions()} == schema_version.known()
    assert [schema_version.newest()] == script.get_heads()


def ran(store: Store, *words: str) -> Result:
    environ = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": address(store), "CIRCULATION_WEB": f"127.0.0.1:{free_port()}"}
    return CliRunner(env=environ).invoke(cli, words, prog_name="circulation")


def test_a_newer_store_is_refused_by_every_command_that_opens_it(store: Store, tmp_path: Path) -> None:
    moved_on(store)
    said = (
        f"the store {store.place} has the schema 9999 of a newer version of this program, which knows it up to"
        f" {schema_version.newest()}: use that version, or restore a backup\n"
    )
    (tmp_path / "events.jsonl").write_bytes(b"")
    replay = ("replay", f"{tmp_path}/events.jsonl", "--store", address(store))
    for command in (*READING, replay):
        done = ran(store, *command)
        assert (command, 2, "", f"Error: {said}") == (command, done.exit_code, done.stdout, done.stderr)
    assert NEWER == raw_version(store)
    with pytest.raises(StoreNewer), Store(address(store)).reading() as db:
        db.rows("select 1")


def test_an_older_store_is_looked_at_by_no_command_until_a_worker_has_brought_it_up_to_date(store: Store) -> None:
    older = sorted(schema_version.known())[-2]
    moved_on(store, older)
    said = (
        f"Error: the store {store.place} has the schema {older}, this version of the program needs"
        f" {schema_version.newest()}: a worker of this version brings it up to date when it starts\n"
    )
    for command in READING:
        done = ran(store, *command)
        assert (command, 1, "", said) == (command, done.exit_code, done.stdout, done.stderr)


def test_a_newer_store_is_refused_by_a_worker_which_exits_2(store: Store) -> None:
    moved_on(store)
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": address(store), "CIRCULATION_WEB": f"127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "worker"], env=environ, capture_output=True, text=True, check=False
    )
    (said,) = done.stderr.splitlines()
    assert (2, True) == (done.returncode, said.startswith(f"circulation: the store {store.place} has the schema 9999"))
    assert NEWER == raw_version(store)


def raw_version(store: Store) -> str | None:
    with store.reading() as db:  # which was opened before
        return schema_version.of(db)


def test_a_worker_sees_that_the_schema_moved_on_and_ends(store: Store) -> None:
    one = heart(store)
    one.begin()
    one.beat()
    moved_on(store)
    with pytest.raises(StoreNewer, match="schema 9999"):
        one.beat()


def test_the_schema_moves_on_once_the_workers_of_the_older_one_have_ended(store: Store) -> None:
    old = heart(store)
    old.begin()
    moving = threading.Thread(target=make_way, args=(store, NEWER))
    moving.start()
    with pytest.raises(StoreNewer, match=f"is about to bring the store .* to the schema {NEWER}"):
        while moving.is_alive():
            old.beat()
    assert moving.is_alive()
    old.end()
    moving.join(30)
    assert not moving.is_alive()
    with store.reading() as db:
        assert ([], schema_version.newest()) == (alive(db), schema_version.of(db))
    # Should the newer one never come, the older starts as ever, and nobody waits for it to end.
    again = heart(store)
    again.begin()
    again.beat()


def test_who_does_not_end_is_not_waited_for_for_ever_and_of_the_same_schema_nobody_is(store: Store) -> None:
    heart(store).begin()
    make_way(store, schema_version.newest(), seconds_max=0.0)
    with store.reading() as db:
        assert [(None,)] == db.rows("select wanted from store_identity")
    make_way(store, NEWER, seconds_max=0.0)
    with store.reading() as db:
        assert [(NEWER,)] == db.rows("select wanted from store_identity")
        assert 1 == len(workers.alive(db))


def test_a_store_without_tables_is_nobodys_and_is_migrated_at_once(postgres_url: str, tmp_path: Path) -> None:
    for url in (postgres_url, f"sqlite:///{tmp_path}/new.db"):
        made = Store(url)
        make_way(made, schema_version.newest())
        made.migrate()
        with made.reading() as db:
            assert schema_version.newest() == schema_version.of(db)
        made.close()
