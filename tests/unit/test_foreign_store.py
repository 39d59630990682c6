"""What is no store of ours is not touched, whichever command comes upon it."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from samples import READING

from deploy.processes import free_port
from streams.cli.main import cli
from streams.store import migrations, schema, schema_version
from streams.store.schema_version import Holds, StoreForeign
from streams.store.store import Store


def ran(url: str, *words: str) -> Result:
    environ = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    return CliRunner(env={**environ, "CIRCULATION_STORE": url}).invoke(cli, words, prog_name="circulation")


def worker(url: str) -> tuple[int, list[str]]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CIRCULATION_")}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "worker"],
        env=environ | {"CIRCULATION_STORE": url, "CIRCULATION_WEB": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.splitlines()


def touched(folder: Path) -> dict[str, object]:
    """All that would tell that somebody was there: names, rights, times and bytes."""
    found = {}
    for path in folder.iterdir():
        kept = path.stat()
        found[path.name] = (kept.st_mode, kept.st_mtime_ns, kept.st_ctime_ns, path.read_bytes())
    return found


def database(path: Path, *statements: str) -> None:
    made = sqlite3.connect(path)
    for one in statements:
        made.execute(one)
    made.commit()
    made.close()


def diary(path: Path) -> None:
    database(path, "create table diary (day text)", "insert into diary values ('monday')")


def diary_ahead(path: Path) -> None:
    database(path, "pragma journal_mode=wal", "create table diary (day text)")


def another_alembic(path: Path) -> None:
    database(path, "create table alembic_version (version_num text)", "insert into alembic_version values ('0001')")


def text(path: Path) -> None:
    path.write_text("no database at all, and longer than the words that a database begins with\n")


@pytest.fixture(params=[diary, diary_ahead, another_alembic, text])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file of another program, readable by all."""
    path = tmp_path / "other.db"
    request.param(path)
    path.chmod(0o644)
    yield path


def test_a_file_of_another_program_is_refused_by_every_command_and_not_touched(foreign: Path) -> None:
    url, before = f"sqlite:///{foreign}", touched(foreign.parent)
    events = foreign.parent.with_suffix(".jsonl")
    events.write_bytes(b"")
    commands = [*READING, ("replay", str(events), "--store", url), ("backup", str(foreign.parent / "out"))]
    for command in commands:
        done = ran(url, *command)
        assert (command, 2, "") == (command, done.exit_code, done.stdout)
        (said,) = done.stderr.splitlines()
        assert said.startswith(f"Error: {url} is no store of circulation: ")
        assert before == touched(foreign.parent)


@pytest.mark.slow
def test_a_file_of_another_program_is_refused_by_a_worker_and_not_touched(foreign: Path) -> None:
    before = touched(foreign.parent)
    code, (said,) = worker(f"sqlite:///{foreign}")
    assert (2, True) == (code, said.startswith(f"circulation: sqlite:///{foreign} is no store of circulation: "))
    assert before == touched(foreign.parent)


def test_a_folder_is_no_store_and_keeps_its_rights(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o755)
    code, said = worker(f"sqlite:///{folder}")
    assert (2, 1) == (code, len(said))
    assert "is no file" in said[0]
    assert 2 == ran(f"sqlite:///{folder}", "findings").exit_code
    assert (0o755, [folder]) == (stat.S_IMODE(folder.stat().st_mode), list(tmp_path.iterdir()))


def test_what_another_program_has_open_is_recognised_too(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    held = sqlite3.connect(path)
    held.execute("pragma journal_mode=wal")
    held.execute("create table diary (day text)")
    held.commit()
    with pytest.raises(StoreForeign, match=r"another program has its tables there \(diary\)"):
        Store(f"sqlite:///{path}").claim()
    assert {"other.db", "other.db-shm", "other.db-wal"} == {one.name for one in tmp_path.iterdir()}
    held.close()


def test_a_file_that_is_empty_is_no_store_yet_and_a_worker_makes_it_one(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()
    done = ran(f"sqlite:///{path}", "findings")
    assert (2, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith(f"Error: there is no store at sqlite:///{path}")
    assert b"" == path.read_bytes()
    store = Store(f"sqlite:///{path}")
    store.claim()
    store.migrate()
    with store.reading() as db:
        assert Holds.STORE is schema_version.holds(schema_version.names(db))
    store.close()


def test_a_store_that_is_open_or_was_never_closed_is_recognised(store: Store) -> None:
    with store.writing() as db:
        db.run("insert into counted values ('x')")
    again = Store(store._url.render_as_string(hide_password=False))
    with again.reading() as db:
        assert [("",), ("x",)] == db.rows("select party from counted order by party")
    again.close()


def test_to_recognise_a_file_lets_go_of_no_lock(migrated_sqlite: Path, tmp_path: Path) -> None:
    """Where one did, another process would take the file for its own, and break it."""
    path = tmp_path / "store.db"
    shutil.copy(migrated_sqlite, path)
    store = Store(f"sqlite:///{path}")
    with store.writing() as db:
        db.run("insert into counted values ('x')")
    schema_version.recognise_file(path, "")
    alone = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], timeout=0).execute('pragma journal_mode=delete'))"
    done = subprocess.run([sys.executable, "-c", alone, str(path)], capture_output=True, text=True, check=False)
    assert "database is locked" in done.stderr
    store.close()


# PostgreSQL.


def statements(url: str, *texts: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        for one in texts:
            last = connection.execute(one)
        return last.fetchall() if last.description else []


def tables(url: str) -> list[tuple[object, ...]]:
    query = "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    return statements(url, f"{query} order by 1, 2")


@pytest.mark.parametrize(
    "other",
    [
        "create table events (id bigint)",
        "create view lineage_edges as select 1 as x",
        "create table alembic_version (version_num text)",
    ],
)
def test_a_database_with_tables_of_our_names_is_refused_and_not_touched(postgres_url: str, other: str) -> None:
    statements(postgres_url, other)
    before = tables(postgres_url)
    for command in READING:
        done = ran(postgres_url, *command)
        assert (command, 2, "") == (command, done.exit_code, done.stdout)
        assert " is no store of circulation: another program has its tables there (" in done.stderr
    code, (said,) = worker(postgres_url)
    assert (2, True) == (code, "is no store of circulation" in said)
    assert before == tables(postgres_url)


def test_a_database_that_is_empty_is_no_store_yet(postgres_url: str) -> None:
    done = ran(postgres_url, "findings")
    assert (2, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith("Error: there is no store at ")
    assert [] == tables(postgres_url)


def test_tables_of_other_names_and_those_of_another_schema_are_none_of_ours(postgres_url: str) -> None:
    statements(
        postgres_url,
        "create table diary (day text)",
        "create schema other",
        "create table other.events (id bigint)",
        "create table other.alembic_version (version_num text)",
        "insert into other.alembic_version values ('ffff')",
    )
    store = Store(postgres_url)
    store.migrate()
    with store.reading() as db:
        assert Holds.STORE is schema_version.holds(schema_version.names(db))
    store.close()
    assert 0 == ran(postgres_url, "findings").exit_code
    assert [("ffff",)] == statements(postgres_url, "select * from other.alembic_version")


# A schema is made as a whole.


def test_a_schema_is_made_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)

    def killed(*, postgres: bool) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(migrations.schema, "views", killed)
        with pytest.raises(KeyboardInterrupt):
            store.migrate()
    with store.reading() as db:
        assert frozenset() == schema_version.names(db)
    store.migrate()
    with store.reading() as db:
        assert {*schema.VIEWS} < schema_version.names(db)
    store.close()
