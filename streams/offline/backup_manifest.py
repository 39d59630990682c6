"""The manifest of a backup, compared with its file and with the rows of a store."""

import hashlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Text, cast, column, func, literal, literal_column, select, table

from circulation.bounds import shortened
from streams.feeds.feeds import positions
from streams.health import workers
from streams.store import schema, schema_version
from streams.store.ask import Question
from streams.store.db import Db

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
# Tables whose rows are counted, to compare a backup with its store.
COUNTED: Final = ("events", "findings", "cases", "outbox")
# Of what a manifest says, so much is shown where it is wrong.
_CHARACTERS_MAX: Final = 200
_MARK: Final = b"circulation "
_ROWS: Final = {name: select(func.count()).select_from(schema.metadata.tables[name]) for name in COUNTED}
_COUNTS: Final = {name: Question(rows) for name, rows in _ROWS.items()}
_PROGRESS: Final = schema.progress.c
_POSITION: Final = func.jsonb_build_array(_PROGRESS.topic, _PROGRESS.partition, _PROGRESS.next, _PROGRESS.topic_id)
_POSITIONS: Final = select(func.coalesce(func.jsonb_agg(_POSITION), literal_column("'[]'"))).scalar_subquery()
_IDENTITY: Final = schema.store_identity.c
_MEMBERS: Final = {
    "schema": select(column("version_num")).select_from(table("alembic_version")).scalar_subquery(),
    "store": select(_IDENTITY.store).where(_IDENTITY.id == 1).scalar_subquery(),
    "positions": _POSITIONS,
    "counts": func.jsonb_build_object(
        *chain.from_iterable((name, rows.scalar_subquery()) for name, rows in _ROWS.items())
    ),
}
# The query of `contents`, as one line of the answer of `psql`.
CONTENTS: Final = Question(
    select(literal(_MARK.decode()) + cast(func.jsonb_build_object(*chain.from_iterable(_MEMBERS.items())), Text))
).text(postgres=True)


class BackupError(Exception):
    """It could not be made or put back; the message says why. Nothing is left half done."""


class Manifest(NamedTuple):
    """The manifest of a backup. `positions`: [topic, partition, next offset, topic id]."""

    format: int
    made: str
    version: str
    schema: str
    store: str
    dialect: str
    file: str
    bytes: int
    sha256: str
    positions: list[tuple[str, int, int, str]]
    counts: dict[str, int]


# The rows as a manifest has them: schema, id, positions, counts.
Contents = tuple[str, str, list[tuple[str, int, int, str]], dict[str, int]]


def contents(db: Db) -> Contents:
    """The rows as a manifest has them: schema, id, positions, counts."""
    version = schema_version.of(db)
    if version is None or version < workers.FIRST:
        raise BackupError(
            f"the store has the schema {version or 'of no version'}, before stores had an id: a worker brings it up to"
            " date"
        )
    where = [(*tp, next_, id_) for tp, (next_, id_) in sorted(positions(db).items())]
    counts = {name: int(question.rows(db)[0][0]) for name, question in _COUNTS.items()}
    return version, workers.identity(db), where, counts


def read(folder: Path) -> Manifest:
    """The manifest of a backup whose file is whole. Raises `BackupError`."""
    try:
        members: Any = orjson.loads((folder / MANIFEST).read_bytes())
        if members.get("format") != FORMAT:
            raise BackupError(f"{folder} is a backup of format {members.get('format')}, this program reads {FORMAT}")
        manifest = Manifest(**members)
        actual = digest_of(folder / Path(manifest.file).name)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {error.filename}: {error.strerror}") from error
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise BackupError(f"{folder / MANIFEST} is no manifest of a backup: {error}") from error
    if actual != (manifest.bytes, manifest.sha256):
        raise BackupError(
            f"{folder / manifest.file} is not what was written: {actual[0]} bytes with digest {actual[1]}, must be"
            f" {manifest.bytes} with {manifest.sha256}"
        )
    if manifest.schema not in schema_version.known():
        raise BackupError(
            f"{folder} has the schema {manifest.schema}, of a newer version ({manifest.version}): restore it with that"
        )
    return manifest


def compare(file: Path, manifest: Manifest, actual: Contents) -> None:
    """Raises `BackupError` where what was restored is not what the manifest says."""
    expected = (manifest.schema, manifest.store, [tuple(position) for position in manifest.positions], manifest.counts)
    for name, *pair in zip(("schema", "store", "positions", "counts"), actual, expected, strict=True):
        if pair[0] != pair[1]:
            restored, stated = (shortened(str(value), _CHARACTERS_MAX) for value in pair)
            raise BackupError(
                f"{file} was not restored, its manifest says otherwise: {name} {restored}, must be {stated}"
            )


def contents_of(lines: Iterable[bytes]) -> Contents | None:
    """The answer to `CONTENTS`; None where the session ends before."""
    for line in lines:
        if line.startswith(_MARK):
            members = orjson.loads(line.removeprefix(_MARK))
            return members["schema"], members["store"], sorted(map(tuple, members["positions"])), members["counts"]
    return None


def digest_of(file: Path) -> tuple[int, str]:
    """Bytes of a file, and a digest of them."""
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
