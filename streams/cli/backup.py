"""`circulation backup` and `circulation restore`: a store as a folder, and back."""

import time
from pathlib import Path

import click

from streams.address import silent
from streams.cli.groups import Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at


@click.command()
@click.argument("out", metavar="OUT/", type=click.Path(path_type=Path, file_okay=False))
def backup(out: Path) -> None:
    """Copy the store to a new folder, as it is at one instant; workers go on meanwhile.

    With it goes a manifest: schema, version, where reading goes on, and a digest. Of PostgreSQL it is what pg_dump
    writes. Events are not needed to go on from it, as long as Kafka has what came since: keep those in an archive. Keys
    and files that settings name are not in it.

    \b
    circulation backup /data/backup/2026-11-29
    """
    from streams.offline import backup as backups
    from streams.offline.backup_manifest import BackupError

    settings = configured()
    with looked_at(settings, noted=False):
        pass
    from streams.store.errors import StoreAway

    try:
        manifest = backups.backup(settings.store, out, time.time_ns() // 1000)
    except BackupError as error:
        raise Refused(str(error)) from error
    except StoreAway as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise _unwritable(
            out, error, "name a new folder on a disk with room, in a folder that you may write"
        ) from error
    counts = ", ".join(f"{count:,} {name}" for name, count in manifest.counts.items())
    click.echo(f"{out}: schema {manifest.schema}, {manifest.bytes:,} bytes; {counts}")


def _unwritable(place: Path | str, error: OSError, remedy: str) -> click.ClickException:
    """What is told of a place in which nothing can be made, and what to do instead."""
    return click.ClickException(f"{place} cannot be made ({error.strerror or error}): {remedy}")


@click.command()
@click.argument("in_", metavar="IN/", type=click.Path(path_type=Path, file_okay=False))
def restore(in_: Path) -> None:
    """Put a backup into the store that CIRCULATION_STORE names, which must be empty, and say what Kafka lacks.

    Workers read on from where the backup was made; what they send again bears the ids that it had. Where Kafka no
    longer has the records that came next, the partition stands until `circulation feed resume` says from where it goes
    on, with --archive from the records that an archive kept. The store gets an id of its own, and is there as a whole
    or not at all. Stop the workers of the store that it replaces first, and remove what a SQLite file of that name left
    beside it (-wal, -shm, -journal, .judging).

    \b
    circulation restore /data/backup/2026-11-29
    CIRCULATION_STORE=postgresql://host/restored circulation restore /data/backup/2026-11-29
    """
    from confluent_kafka import KafkaException

    from streams.feeds import feeds
    from streams.offline import backup as backups
    from streams.offline.backup_manifest import BackupError
    from streams.store import schema_version
    from streams.store.errors import StoreAway
    from streams.store.store import Store
    from streams.wire.broker import Broker

    settings = configured()
    try:
        manifest = backups.restore(in_, settings.store)
    except BackupError as error:
        raise Refused(str(error)) from error
    except StoreAway as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        remedy = "CIRCULATION_STORE is to name a file on a disk with room, in a folder that you may write"
        raise _unwritable(settings.store, error, remedy) from error
    click.echo(f"restored what was backed up at {manifest.made}, store {manifest.store}, schema {manifest.schema}")
    store = Store(settings.store)
    try:
        with store.reading() as db:
            if older := schema_version.behind(db, store.place):
                click.echo(f"{older}; then circulation feed list says what Kafka lacks", err=True)
                return
            partitions = feeds.look(db, Broker(settings.kafka))
    except KafkaException:
        click.echo(silent(settings.kafka, "circulation feed list says what it lacks"), err=True)
        return
    finally:
        store.close()
    for feed in partitions:
        if feed.state in feeds.STOPPED and feed.position is not None:
            click.echo(f"{feed.name} is not read on: {feed.why}; circulation feed resume has it go on", err=True)
