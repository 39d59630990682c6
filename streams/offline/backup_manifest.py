"""What a backup says of itself, held against its file and against the rows of a store."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from circulation.bounds import shortened
from streams.feeds.feeds import positions
from streams.health import workers
from streams.store import schema_version
from streams.store.db import Db

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
# What tells how much there is, for whoever compares a backup with what it was made of.
COUNTED: Final = ("events", "findings", "cases", "outbox")
# Of what a manifest says, so much is shown where it is wrong.
_CHARACTERS_MAX: Final = 200
_MARK: Final = b"circulation "
_COUNTS: Final = ", ".join(f"'{name}', (select count(*) from {name})" for name in COUNTED)  # noqa: S608 names are ours
# What `said` reads, as one line.
SAID: Final = f"""select '{_MARK.decode()}' || jsonb_build_object(
    'schema', (select version_num from alembic_version),
    'store', (select store from store_identity where id = 1),
    'positions', (select coalesce(jsonb_agg(jsonb_build_array(topic, partition, next, topic_id)), '[]') from progress),
    'counts', jsonb_build_object({_COUNTS})
)::text"""  # noqa: S608 names are ours


class BackupError(Exception):
    """It could not be made or put back; the message says why. Nothing is left half done."""


class Manifest(NamedTuple):
    """What a backup says of itself. `positions`: [topic, partition, next offset, topic id]."""

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


# What a manifest says of the rows: schema, id, positions, counts.
Said = tuple[str, str, list[tuple[str, int, int, str]], dict[str, int]]


def said(db: Db) -> Said:
    """What a manifest says of the rows: schema, id, positions, counts."""
    version = schema_version.of(db)
    if version is None or version < workers.FIRST:
        raise BackupError(
            f"the store has the schema {version or 'of no version'}, before stores had an id: a worker brings it up to"
            " date"
        )
    where = [(*tp, next_, id_) for tp, (next_, id_) in sorted(positions(db).items())]
    counts = {name: int(db.rows(f"select count(*) from {name}")[0][0]) for name in COUNTED}  # noqa: S608 names are ours
    return version, workers.identity(db), where, counts


def read(folder: Path) -> Manifest:
    """The manifest of a backup whose file is whole. Raises `BackupError`."""
    try:
        said: Any = orjson.loads((folder / MANIFEST).read_bytes())
        if said.get("format") != FORMAT:
            raise BackupError(f"{folder} is a backup of format {said.get('format')}, this program reads {FORMAT}")
        manifest = Manifest(**said)
        found = digest_of(folder / Path(manifest.file).name)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {error.filename}: {error.strerror}") from error
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise BackupError(f"{folder / MANIFEST} is no manifest of a backup: {error}") from error
    if found != (manifest.bytes, manifest.sha256):
        raise BackupError(
            f"{folder / manifest.file} is not what was written: {found[0]} bytes with digest {found[1]}, must be"
            f" {manifest.bytes} with {manifest.sha256}"
        )
    if manifest.schema not in schema_version.known():
        raise BackupError(
            f"{folder} has the schema {manifest.schema}, of a newer version ({manifest.version}): restore it with that"
        )
    return manifest


def compare(file: Path, manifest: Manifest, found: Said) -> None:
    """Raises `BackupError` where what was restored is not what the manifest says."""
    said = (manifest.schema, manifest.store, [tuple(one) for one in manifest.positions], manifest.counts)
    for name, *both in zip(("schema", "store", "positions", "counts"), found, said, strict=True):
        if both[0] != both[1]:
            here, there = (shortened(str(one), _CHARACTERS_MAX) for one in both)
            raise BackupError(f"{file} was not restored, its manifest says otherwise: {name} {here}, must be {there}")


def told_by(lines: Iterable[bytes]) -> Said | None:
    """What `SAID` answers with; None where the session ends before."""
    for line in lines:
        if line.startswith(_MARK):
            told = orjson.loads(line.removeprefix(_MARK))
            return told["schema"], told["store"], sorted(map(tuple, told["positions"])), told["counts"]
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
