"""`circulation status`: how the monitor is, in one answer."""

from typing import Any, Final

import click

import detectors
from circulation.words import many
from streams import console
from streams.address import silent
from streams.cli.inputs import configured, named
from streams.cli.store import looked_at
from streams.facts.rulebook import Rulebook, start
from streams.feeds import feeds
from streams.health.store_clock import of_store
from streams.health.workers import group, identity
from streams.worker import status

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
def status_(as_json: bool) -> None:
    """Say whether everything is watched that should be, and what mends it.

    Shows the workers that live and what each says of itself (as its own /ready does, at its last beat), the group that
    they form in Kafka, the packs in force, the store and its size, what waits to be judged and to be sent, what is set
    aside or held, and each partition with its lag: records that Kafka has and the store does not.

    It asks the store and Kafka, and needs no worker: it says so where none lives, or one was not heard of for 10 s
    (each tells of itself every 5 s, and at once when it is ready no more). Exit 0 where all is watched, 1 where
    not, so a script can go by it.

    \b
    circulation status
    circulation status --json | jq .reasons
    """
    from confluent_kafka import KafkaException

    from streams.wire.broker import Broker

    settings = configured()
    with looked_at(settings, read_only=True, noted=False) as store, store.reading() as db:
        clock = of_store(db, settings)
        book = Rulebook(*start(settings, detectors.RULES))
        book.refresh(db)
        snapshot = status.look(store, db, book().in_force(clock), clock)
        try:
            broker = Broker(settings.kafka)
            partitions = feeds.look(db, broker)
            snapshot = snapshot._replace(feeds=partitions, group=broker.group(group(identity(db))))
        except KafkaException as error:
            snapshot = snapshot._replace(silent=silent(settings.kafka, error.args[0].str()))
    document = status.document(snapshot)
    if as_json:
        console.document(document)
    else:
        _tell(document, named(snapshot.pack))
    raise SystemExit(0 if document["ready"] else 1)


def _tell(document: dict[str, Any], pack: str) -> None:
    judge, outbox, store = document["judge"], document["outbox"], document["store"]
    console.paragraphs(
        [
            ("Ready" if document["ready"] else "Not ready", document["reasons"] or "all is watched that should be"),
            ("Workers", [_worker(worker) for worker in document["workers"]] or "none lives"),
            ("Group", _group(document["group"])),
            ("Packs", f"in force now: {pack}"),
            ("Store", f"{store['place']}, {_size(store['bytes'])}, schema {store['schema']}"),
            ("Judge", f"{_waiting(judge, 'item')} (circulation queue list)"),
            ("Outbox", f"{_waiting(outbox, 'message')} (circulation outbox list)"),
            ("Deadlines", f"{document['deadlines']['waiting']:,} wait, {document['deadlines']['due']:,} are past"),
            ("Held, and other warnings", sorted({why for worker in document["workers"] for why in worker["warnings"]})),
        ]
    )
    columns = ("topic", "partition", "position", "end", "lag", "state", "member")
    rows = [
        ["–" if partition.get(name) is None else partition[name] for name in columns]
        for partition in document["partitions"]
    ]
    if rows:
        console.table(columns, rows, colour="state")


def _worker(worker: dict[str, Any]) -> str:
    how = "ready" if worker["ready"] else "not ready"
    return f"{worker['worker']}: {how}, heard {worker['heard']}, since {worker['started']}, version {worker['version']}"


def _group(consumers: dict[str, Any] | None) -> str:
    if consumers is None:
        return "not known: Kafka does not answer"
    return f"{consumers['group']}: {consumers['state']}, {many(len(consumers['members']), 'member')}"


def _waiting(backlog: dict[str, Any], noun: str) -> str:
    waits = many(backlog["waiting"], f"{noun} waits", f"{noun}s wait")
    oldest = f"{waits}, the oldest for {backlog['waits_seconds']:,.1f} s"
    return f"{oldest if backlog['waiting'] else f'no {noun}s wait'}; {backlog['set_aside']:,} set aside"


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else many(count, "byte")
