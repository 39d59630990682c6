"""A store as a folder that can be put away, and back again: what was known at one instant, while workers go on.

    OUT/manifest.json     what it is: schema, version, the store's id, where reading goes on, a digest of the other file
    OUT/store.sqlite      of SQLite a copy of the file, of PostgreSQL what `pg_dump` wrote (OUT/store.pgdump)

Positions are part of the store: a store that was restored reads on from where it was when it was backed up, and what it
sends again bears the ids that it had. It gets an id of its own, so that it takes no partitions from the store that it
is a copy of, should that still live.
"""

import os
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy import make_url, null, update

from circulation.calendar import format_instant
from streams.health import workers
from streams.offline.backup_manifest import (
    CONTENTS,
    FORMAT,
    MANIFEST,
    BackupError,
    Contents,
    Manifest,
    compare,
    contents,
    contents_of,
    digest_of,
    read,
)
from streams.offline.disk import sync
from streams.offline.postgres_programs import environ_of, failed, program_of, run
from streams.store import schema, schema_version
from streams.store.ask import Question
from streams.store.db import Db
from streams.store.errors import StoreTaken
from streams.store.files import take
from streams.store.store import Store

_FILES: Final = {"sqlite": "store.sqlite", "postgresql": "store.pgdump"}
# Files that a deleted SQLite file may leave beside its name: SQLite would play them into the next file of that name,
# and the next worker would go by it.
_LEFT: Final = ("-wal", "-shm", "-journal", ".judging")
# Statements come through a pipe, and the first one that fails ends the session.
_PSQL: Final = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")


def backup(url: str, out: Path, at: int) -> Manifest:
    """Writes a backup of a store into a folder that is not there yet. `at` is the wall clock, µs.

    Raises:
        BackupError: the folder is there, or a program that is needed is missing or fails.
        StoreAway, StoreNewer: as a store does.
    """
    if out.exists() and any(out.iterdir()):
        raise BackupError(f"{out} is there already: a backup goes to a new folder")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        store = Store(url, read_only=True)
        try:
            dialect = "postgresql" if store.postgres else "sqlite"
            file = partial / _FILES[dialect]
            rows = _dump(store, url, file) if store.postgres else _copy(store, file)
        finally:
            store.close()
        size, digest = digest_of(file)
        manifest = Manifest(
            FORMAT, format_instant(at), workers.version(), *rows[:2], dialect, file.name, size, digest, *rows[2:]
        )
        (partial / MANIFEST).write_bytes(orjson.dumps(manifest._asdict(), option=orjson.OPT_INDENT_2) + b"\n")
        for path in partial.iterdir():
            path.chmod(0o600)
        _sync(partial)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _copy(store: Store, file: Path) -> Contents:
    """A copy of a SQLite file as it is at one instant. Writers need not wait."""
    with store.reading() as db:
        into = sqlite3.connect(file, isolation_level=None)
        try:
            db._connection.backup(into)  # in one step: between two another writer would have it begin again
            into.execute("pragma journal_mode=delete")
        finally:
            into.close()
    copied = Store(f"sqlite:///{file}", read_only=True)
    try:
        with copied.reading() as db:
            return contents(db)
    finally:
        copied.close()


def _dump(store: Store, url: str, file: Path) -> Contents:
    """Dump with `pg_dump`, and read the contents by the same snapshot."""
    program = program_of("pg_dump")
    with store.snapshot() as db:
        (name,) = db.rows("select pg_export_snapshot()")[0]
        rows = contents(db)
        run([program, "--format=custom", "--no-owner", f"--snapshot={name}", f"--file={file}"], url)
    return rows


def restore(folder: Path, url: str) -> Manifest:
    """Puts a backup into a store that is empty: a file that is not there, a database without tables.

    The store appears as a whole, compared with its manifest and under an id of its own, or not at all: on SQLite by a
    new name, on PostgreSQL by one transaction. One that is killed leaves nothing that a worker would take for a store.

    Raises:
        BackupError: the backup is damaged or of another kind of store, the store is not empty, a program fails.
    """
    manifest = read(folder)
    file = folder / manifest.file
    target = make_url(url)
    dialect = target.get_backend_name()
    if dialect != manifest.dialect:
        raise BackupError(f"{folder} is of {manifest.dialect}, and the store is {dialect}: they cannot be exchanged")
    if dialect == "sqlite":
        _put(file, manifest, Path(str(target.database)))
    else:
        _load(file, manifest, url)
    return manifest


def _put(file: Path, manifest: Manifest, path: Path) -> None:
    """Restores into a file beside the one that is wanted, makes it a store of its own, and gives it the name."""
    _free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = take(path, str(path))
    except StoreTaken as error:
        raise BackupError(f"{path}.lock is held by a worker or another restore: stop it, then restore again") from error
    partial = path.with_name(f"{path.name}.partial")
    try:
        # A journal of one that was killed would be played into this one.
        _remove(partial)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out, file.open("rb") as source:
            shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        _own_file(partial, file, manifest)
        _free(path)
        partial.rename(path)
        sync(path.parent)
    finally:
        _remove(partial)
        os.close(lock)


def _free(path: Path) -> None:
    """Raises `BackupError` where the file is there, or what a former one of that name left beside it."""
    if os.path.lexists(path):
        raise BackupError(f"{path} is there already: a backup is restored into a store that is not there yet")
    if left := [name for end in _LEFT if os.path.lexists(name := f"{path}{end}")]:
        raise BackupError(
            f"{', '.join(left)} was left there by a former store of that name and would be mixed into the restored one:"
            " remove it, or move it away together with the file it belongs to, then restore again"
        )


def _remove(path: Path) -> None:
    for end in ("", *_LEFT):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _own_file(path: Path, file: Path, manifest: Manifest) -> None:
    """Compares a copied file with its manifest, and gives it an id of its own; on the disk once this returns."""
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        db = Db(raw, postgres=False)
        (verdict,) = db.rows("pragma quick_check(1)")[0]
        if verdict != "ok":
            raise BackupError(f"{file} is a damaged database, and was not restored: {' '.join(str(verdict).split())}")
        compare(file, manifest, contents(db))
        db.run("begin")
        for statement in _own():
            db.run(statement)
        db.run("commit")
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file} cannot be restored: {error}") from error
    finally:
        raw.close()


def _own() -> tuple[str, ...]:
    """The statements that make a copy a store of its own."""
    return (
        Question(update(schema.store_identity).values(store=secrets.token_hex(8), wanted=null())).text(postgres=True),
        "delete from workers",
    )


def _load(file: Path, manifest: Manifest, url: str) -> None:
    """Has `psql` run what `pg_restore` writes and what makes it a store of its own, all in one transaction.

    `pg_restore` alone would commit a store that has the id of the other.
    """
    restoring, running = program_of("pg_restore"), program_of("psql")
    store = Store(url)
    try:
        with store.reading() as db:
            if schema_version.of(db) is not None:
                raise BackupError(f"{store.place} has tables already: a backup is restored into an empty database")
    finally:
        store.close()
    environ = {**os.environ, **environ_of(url)}
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as warnings:
        try:
            with (
                subprocess.Popen(
                    [restoring, "--no-owner", "--file=-", str(file)], stdout=subprocess.PIPE, stderr=errors
                ) as source,
                subprocess.Popen(
                    [running, *_PSQL], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=warnings
                ) as session,
            ):
                assert source.stdout and session.stdin and session.stdout  # noqa: S101 they are pipes
                session.stdin.write(b"begin;\n")
                shutil.copyfileobj(source.stdout, session.stdin, 1 << 20)
                if source.wait():
                    raise failed(restoring, errors)
                # The restored rows are read where a worker will: pg_restore names every schema.
                session.stdin.write(f"reset search_path;\n{CONTENTS};\n".encode())
                session.stdin.flush()
                contents = contents_of(session.stdout)
                if contents is None:
                    raise failed(running, warnings)
                compare(file, manifest, contents)
                session.stdin.write("".join(f"{statement};\n" for statement in (*_own(), "commit")).encode())
                session.stdin.close()
                if session.wait():
                    raise failed(running, warnings)
        except BrokenPipeError:
            raise failed(running, warnings) from None


def _sync(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        sync(path)
