"""A backup is the store at one instant, whoever writes meanwhile; it goes back into an empty store, or not at all."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from deploy.postgres import Postgres
from streams.cli.main import cli
from streams.demo import story
from streams.health import workers
from streams.offline import backup as backups
from streams.offline.backup_manifest import BackupError
from streams.offline.postgres_programs import program_of
from streams.offline.replay import Replay, offline
from streams.store import schema, schema_version
from streams.store.store import Store
from streams.topics import CONTRACTS
from streams.wire import broker

NOWHERE = "127.0.0.1:1"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def silent_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no Kafka here, and no restore waits for it for long."""
    monkeypatch.setattr(broker, "TIMEOUT_SECONDS", 0.5)


def address(store: Store) -> str:
    return store._url.render_as_string(hide_password=False)


def run(url: str, *words: object) -> Result:
    environ = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": url, "CIRCULATION_KAFKA": NOWHERE}
    return CliRunner(env=environ).invoke(cli, [str(one) for one in words], prog_name="circulation")


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in a store but who works on it."""
    found = {}
    with store.reading() as db:
        for table in schema.metadata.sorted_tables:
            if table.name not in ("store_identity", "workers"):
                keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
                found[table.name] = [
                    tuple(bytes(one) if isinstance(one, memoryview) else one for one in row)
                    for row in db.rows(f'select * from "{table.name}" order by {keys}')
                ]
    return found


def identity(store: Store) -> str:
    with store.reading() as db:
        return workers.identity(db)


@pytest.fixture
def told(store: Store) -> Store:
    """A store that was told the story and is somewhere in Kafka."""
    Replay(offline(store, None), Admission()).run(story.lines())
    with store.writing() as db:
        db.many(schema.progress, [(CONTRACTS, 3, 17, "topic-id", None, None, 0, None, None)])
        db.run("update store_identity set wanted = '9999'")
        db.many(schema.workers, [("somebody", 0, 2**60, "1", "beijing", "aa", 0, "{}")])
    return store


@pytest.fixture
def empty(store: Store, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes addresses of empty stores of the same kind."""
    made: list[str] = []
    numbers = count()

    def make() -> str:
        if not store.postgres:
            return f"sqlite:///{tmp_path}/again/{next(numbers)}.db"
        server: Postgres = request.getfixturevalue("postgres")
        made.append(f"restored_{next(numbers)}")
        return server.create_database(made[-1])

    yield make
    for name in made:
        request.getfixturevalue("postgres").drop_database(name)


def test_what_is_restored_is_what_was_backed_up_under_an_id_of_its_own(
    told: Store, empty: Callable[[], str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run(address(told), "backup", out)
    assert 0 == done.exit_code, done.output
    said = orjson.loads((out / "manifest.json").read_bytes())
    assert (identity(told), [[CONTRACTS, 3, 17, "topic-id"]]) == (said["store"], said["positions"])
    url = empty()
    back = run(url, "restore", out)
    assert 0 == back.exit_code, back.output
    assert f"Kafka at {NOWHERE} does not answer: circulation feed list says what it lacks" in back.stderr
    again = Store(url)
    assert rows(told) == rows(again)
    assert identity(told) != identity(again)
    again.migrate()
    with again.reading() as db:
        assert [] == workers.alive(db)
        assert [(None,)] == db.rows("select wanted from store_identity")
        # What makes numbers for rows goes on behind those that are there.
        assert db.numbers(1)[0] > db.rows("select max(id) from events")[0][0]
    again.close()
    assert {0o600} == {path.stat().st_mode & 0o777 for path in out.iterdir()}


def test_a_backup_is_of_one_instant_while_somebody_writes(
    told: Store, empty: Callable[[], str], tmp_path: Path
) -> None:
    """Two rows are always written together: no backup has one without the other."""
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with told.writing() as db:
                db.many(schema.deadlines, [(f"thing-{number}", number)])
                db.run("update progress set next = ?", number)
            wrote.set()
        told.close()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        wrote.wait()
        done = run(address(told), "backup", tmp_path / "out")
    finally:
        stop.set()
        writing.join()
    assert 0 == done.exit_code, done.output
    url = empty()
    assert 0 == run(url, "restore", tmp_path / "out").exit_code
    again = Store(url)
    with again.reading() as db:
        ((at,),) = db.rows("select next from progress")
        assert [(at, at)] == db.rows("select count(*), max(due) from deadlines where thing like 'thing-%'")
    again.close()
    (told_at,) = [one[2] for one in orjson.loads((tmp_path / "out" / "manifest.json").read_bytes())["positions"]]
    assert at == told_at


def test_a_backup_goes_to_a_new_folder_and_back_into_an_empty_store_only(told: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert 0 == run(address(told), "backup", out).exit_code
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run(address(told), "backup", out)
    assert (2, True) == (again.exit_code, "is there already" in again.stderr)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
    kept = rows(told)
    back = run(address(told), "restore", out)
    assert (2, True) == (back.exit_code, "already: a backup is restored into" in back.stderr)
    assert kept == rows(told)


def test_a_backup_that_was_damaged_is_not_restored(told: Store, empty: Callable[[], str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    backups.backup(address(told), out, 0)
    file = next(path for path in out.iterdir() if path.name != "manifest.json")
    whole = file.read_bytes()
    url = empty()
    for damaged in (whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        file.write_bytes(damaged)
        with pytest.raises(BackupError, match="is not what was written"):
            backups.restore(out, url)
    file.write_bytes(whole)
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    for wrong, said in (
        ({"schema": "9999"}, "of a newer version"),
        ({"format": 2}, "format 2"),
        ({"dialect": "mysql"}, "cannot be exchanged"),
    ):
        (out / "manifest.json").write_bytes(orjson.dumps(manifest | wrong))
        with pytest.raises(BackupError, match=said):
            backups.restore(out, url)
    (out / "manifest.json").write_bytes(b"[]")
    with pytest.raises(BackupError, match="no manifest"):
        backups.restore(out, url)
    (out / "manifest.json").write_bytes(orjson.dumps(manifest))
    backups.restore(out, url)


def test_what_fails_leaves_no_backup(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(postgres_url)
    store.migrate()
    store.close()
    monkeypatch.setattr(backups, "program_of", lambda name: "false")
    with pytest.raises(BackupError, match="failed"):
        backups.backup(postgres_url, tmp_path / "out", 0)
    assert [] == [path for path in tmp_path.iterdir() if path.name.startswith("out")]


def forged(out: Path, **said: object) -> None:
    """Has a manifest say something else, and fit the file that is there."""
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    whole = (out / manifest["file"]).read_bytes()
    fits = {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    (out / "manifest.json").write_bytes(orjson.dumps(manifest | fits | said))


@pytest.fixture
def kept(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A backup of a store of SQLite that is somewhere in Kafka."""
    shutil.copy(migrated_sqlite, tmp_path / "kept.db")
    store = Store(f"sqlite:///{tmp_path}/kept.db")
    with store.writing() as db:
        db.many(schema.progress, [(CONTRACTS, 3, 17, "topic-id", None, None, 0, None, None)])
    store.close()
    backups.backup(f"sqlite:///{tmp_path}/kept.db", tmp_path / "out", 0)
    return tmp_path / "out"


def test_what_a_former_store_left_beside_the_name_is_refused_before_anything_is_written(
    kept: Path, migrated_sqlite: Path, tmp_path: Path
) -> None:
    """A log that is written ahead would be played into the file that was restored."""
    former = tmp_path / "former" / "store.db"
    former.parent.mkdir()
    shutil.copy(migrated_sqlite, former)
    store = Store(f"sqlite:///{former}")
    with store.writing() as db:
        db.many(schema.progress, [(CONTRACTS, 3, 99, "another-topic", None, None, 0, None, None)])
    log = former.with_name("store.db-wal").read_bytes()
    store.close()
    assert log
    for end in ("-wal", "-shm", "-journal", ".judging"):
        folder = tmp_path / f"restored{end}"
        folder.mkdir()
        left = folder / f"store.db{end}"
        left.write_bytes(log)
        back = run(f"sqlite:///{folder}/store.db", "restore", kept)
        assert (2, 1) == (back.exit_code, len(back.stderr.splitlines())), back.output
        assert f"{left} " in back.stderr
        assert "move" in back.stderr
        assert [(left, log)] == [(one, one.read_bytes()) for one in folder.iterdir()]
        left.unlink()
        assert 0 == run(f"sqlite:///{folder}/store.db", "restore", kept).exit_code


def test_nothing_is_restored_under_the_name_of_a_file_that_a_worker_has(kept: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/used.db"
    working = Store(url)
    working.migrate()
    working.claim()
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"used.db{end}").unlink()
    back = run(url, "restore", kept)
    assert (2, 1, True) == (back.exit_code, len(back.stderr.splitlines()), "stop" in back.stderr), back.output
    assert not (tmp_path / "used.db").exists()
    working.close()
    assert 0 == run(url, "restore", kept).exit_code


def nothing_is_there(url: str) -> bool:
    """Whether an address leads to no store, nor to a part of one."""
    store = Store(url)
    if store.postgres:
        with store.reading() as db:
            found = schema_version.names(db)
        store.close()
        return not found
    path = store.beside("")
    assert path is not None
    return [] == [one for one in path.parent.glob(f"{path.name}*") if one.suffix != ".lock"]


def test_what_is_not_at_the_positions_of_the_manifest_is_not_left_there(
    told: Store, empty: Callable[[], str], tmp_path: Path
) -> None:
    backups.backup(address(told), tmp_path / "out", 0)
    counts = orjson.loads((tmp_path / "out" / "manifest.json").read_bytes())["counts"]
    positions = [[CONTRACTS, 3, 17, "topic-id"]]
    url = empty()
    for wrong, said in (
        ({"positions": [[CONTRACTS, 3, 18, "topic-id"]]}, "positions"),
        ({"positions": []}, "positions"),
        ({"positions": positions, "counts": counts | {"events": 1 + counts["events"]}}, "counts"),
    ):
        forged(tmp_path / "out", **wrong)
        back = run(url, "restore", tmp_path / "out")
        assert (2, 1) == (back.exit_code, len(back.stderr.splitlines())), back.output
        assert f"{said} " in back.stderr
        assert nothing_is_there(url)
    forged(tmp_path / "out", counts=counts)
    assert 0 == run(url, "restore", tmp_path / "out").exit_code


def test_a_file_that_was_damaged_before_its_digest_was_made_is_not_left_there(kept: Path, tmp_path: Path) -> None:
    file = kept / "store.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[:-4096] + os.urandom(4096))
    forged(kept)
    url = f"sqlite:///{tmp_path}/again/store.db"
    back = run(url, "restore", kept)
    assert (2, 1) == (back.exit_code, len(back.stderr.splitlines())), back.output
    assert nothing_is_there(url)


# Restores again and again, each time killed one step later: where a file is opened, renamed or removed, or SQLite is.
KILLED = """
import os, signal, sys
from pathlib import Path
from streams.offline import backup
import streams.cli.backup, streams.feeds.feeds, streams.store.store

kept, out = Path(sys.argv[1]), Path(sys.argv[2])
for last in range(1000):
    path = out / str(last) / "store.db"
    child = os.fork()
    if not child:
        steps = 0
        def step(event, arguments):
            global steps
            if event in ("open", "os.rename", "os.remove", "sqlite3.connect") and str(path) in str(arguments[0]):
                steps += 1
                if steps > last:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(step)
        backup.restore(kept, f"sqlite:///{path}")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
"""


@pytest.mark.slow
def test_a_restore_into_sqlite_that_is_killed_at_any_step_leaves_no_store_that_has_the_id_of_the_other(
    kept: Path, tmp_path: Path
) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CIRCULATION_")}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(kept), str(tmp_path / "killed")],
        env=environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    original = orjson.loads((kept / "manifest.json").read_bytes())["store"]
    folders = sorted((tmp_path / "killed").iterdir(), key=lambda one: int(one.name))
    assert len(folders) > 4
    whole = []
    for folder in folders:
        url = f"sqlite:///{folder}/store.db"
        whole.append((folder / "store.db").exists())
        if not whole[-1]:
            # What was left of it keeps nobody from doing it again.
            assert 0 == run(url, "restore", kept).exit_code
        store = Store(url)
        assert original != identity(store)
        with store.reading() as db:
            assert [(17,)] == db.rows("select next from progress")
        store.close()
        assert [] == list(folder.glob("*.partial*"))
    assert (False, True) == (whole[0], whole[-1])


def test_a_restore_into_postgresql_that_is_killed_before_its_end_leaves_no_store(
    postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    store = Store(postgres_url)
    store.migrate()
    kept = tmp_path / "out"
    backups.backup(postgres_url, kept, 0)
    program = tmp_path / "bin" / "pg_restore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{shlex.quote(program_of("pg_restore"))} "$@"\nkill -9 $PPID\n')
    program.chmod(0o755)
    url = postgres.create_database("killed")
    try:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("CIRCULATION_")}
        environ |= {"PATH": f"{program.parent}:{environ['PATH']}", "PYTHONPATH": str(ROOT)}
        killed = subprocess.run(
            [sys.executable, "-c", "from streams.cli.main import cli; cli()", "restore", str(kept)],
            env=environ | {"CIRCULATION_STORE": url, "CIRCULATION_KAFKA": NOWHERE},
            check=False,
            capture_output=True,
        )
        assert -signal.SIGKILL == killed.returncode, killed.stderr
        sessions = "select 1 from pg_stat_activity where datname = 'killed'"
        for _ in range(600):
            with store.reading() as db:
                if not db.rows(sessions):
                    break
            time.sleep(0.1)
        assert nothing_is_there(url)
        for words in (("findings",), ("status",)):
            assert 0 != run(url, *words).exit_code
        assert 0 == run(url, "restore", kept).exit_code
        again = Store(url)
        assert identity(store) != identity(again)
        again.close()
    finally:
        store.close()
        postgres.drop_database("killed")


def test_a_backup_to_a_place_that_cannot_be_is_told_of_with_what_to_do_instead(told: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    done = run(address(told), "backup", out)
    said = (
        f"Error: {out} cannot be made (Not a directory): name a new folder on a disk with room, in a folder that you"
        " may write\n"
    )
    assert (1, said) == (done.exit_code, done.stderr)


def test_a_restore_to_a_place_that_cannot_be_is_told_of_with_what_to_do_instead(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    run(address(store), "backup", tmp_path / "out")
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/store.db"
    back = run(url, "restore", tmp_path / "out")
    assert (1, True) == (back.exit_code, back.stderr.startswith(f"Error: {url} cannot be made (")), back.output
    assert "CIRCULATION_STORE is to name a file" in back.stderr
