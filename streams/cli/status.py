"""`circulation status`: how the monitor is, in one answer."""

from typing import Any, Final

import click

import detectors
from circulation.words import many
from streams import console
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
        found = status.look(store, db, book().in_force(clock), clock)
        try:
            broker = Broker(settings.kafka)
            partitions = feeds.look(db, broker)
            found = found._replace(feeds=partitions, group=broker.group(group(identity(db))))
        except KafkaException as error:
            found = found._replace(silent=f"Kafka at {settings.kafka} does not answer ({error.args[0].str()})")
    said = status.document(found)
    if as_json:
        console.document(said)
    else:
        _tell(said, named(found.pack))
    raise SystemExit(0 if said["ready"] else 1)


def _tell(said: dict[str, Any], pack: str) -> None:
    judge, outbox, store = said["judge"], said["outbox"], said["store"]
    console.paragraphs(
        [
            ("Ready" if said["ready"] else "Not ready", said["reasons"] or "all is watched that should be"),
            ("Workers", [_worker(one) for one in said["workers"]] or "none lives"),
            ("Group", _group(said["group"])),
            ("Packs", f"in force now: {pack}"),
            ("Store", f"{store['place']}, {_size(store['bytes'])}, schema {store['schema']}"),
            ("Judge", f"{_waiting(judge, 'item')} (circulation queue list)"),
            ("Outbox", f"{_waiting(outbox, 'message')} (circulation outbox list)"),
            ("Deadlines", f"{said['deadlines']['waiting']:,} wait, {said['deadlines']['due']:,} are past"),
            ("Held, and other warnings", sorted({why for one in said["workers"] for why in one["warnings"]})),
        ]
    )
    columns = ("topic", "partition", "position", "end", "lag", "state", "member")
    rows = [["–" if one.get(name) is None else one[name] for name in columns] for one in said["partitions"]]
    if rows:
        console.table(columns, rows, colour="state")


def _worker(one: dict[str, Any]) -> str:
    how = "ready" if one["ready"] else "not ready"
    return f"{one['worker']}: {how}, heard {one['heard']}, since {one['started']}, version {one['version']}"


def _group(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not known: Kafka does not answer"
    return f"{found['group']}: {found['state']}, {many(len(found['members']), 'member')}"


def _waiting(what: dict[str, Any], thing: str) -> str:
    waits = many(what["waiting"], f"{thing} waits", f"{thing}s wait")
    oldest = f"{waits}, the oldest for {what['waits_seconds']:,.1f} s"
    return f"{oldest if what['waiting'] else f'no {thing}s wait'}; {what['set_aside']:,} set aside"


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else many(count, "byte")
