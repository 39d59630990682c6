"""`circulation outbox`: what Kafka refused for good, and what a person does about it."""

import time
from typing import Any, Final

import click

from circulation.calendar import format_instant
from circulation.words import many
from streams import console
from streams.cli.groups import UNDECIDED, Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.health.workers import alive, now
from streams.store.store import Store
from streams.wire import unsent
from streams.wire.unsent import Unsent

# How long what is sent again is waited for.
WAIT_SECONDS_MAX: Final = 30.0
LOOK_SECONDS: Final = 0.2


@click.group()
def outbox() -> None:
    """What Kafka refused to take, and was set aside: list it, send it again, discard it.

    What is found waits in the outbox until Kafka has it. A message that Kafka will never take as it is (it is larger
    than its topic allows) is set aside, and the others go on; nobody has been told what it says.

    \b
    circulation outbox list
    circulation outbox retry --all
    circulation outbox discard 3 --by "Li Wei" --reason "the topic is closed"
    """


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_(as_json: bool) -> None:
    """List the messages that are set aside, the oldest first: where to, how large, since when, and why.

    \b
    circulation outbox list
    circulation outbox list --json
    """
    with looked_at(configured()) as store, store.reading() as db:
        rows = [_document(message) for message in unsent.messages(db)]
    if as_json:
        console.document(rows)
    elif rows:
        columns = ("id", "topic", "key", "bytes", "since", "reason")
        console.table(columns, [["–" if row[name] is None else row[name] for name in columns] for row in rows])
    else:
        click.echo("nothing is set aside", err=True)


def _document(message: Unsent) -> dict[str, Any]:
    return {
        "id": message.id,
        "topic": message.topic,
        "key": message.key_shown,
        "bytes": message.size,
        "since": format_instant(message.since),
        "set_aside": format_instant(message.aside),
        "reason": message.reason,
    }


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--all", "all_", is_flag=True, help="All that are set aside.")
@click.option("--no-wait", is_flag=True, help="Have them sent, and do not wait for what becomes of them.")
def retry(ids: tuple[int, ...], all_: bool, no_wait: bool) -> None:
    """Send messages again that were set aside, once the cause is mended.

    They leave after what waits now. One that says how something was before a later event of the same finding, statement
    or case is not sent again, since it would be read as the newest: discard it.

    Waits until Kafka has them, 30 s at most. Exit 1 if one is not sent again, or refused again, with why; 3 if some
    still wait then, or no worker lives, who sends them. --no-wait says only what is to be sent.

    \b
    circulation outbox retry 3 4
    circulation outbox retry --all
    """
    if bool(ids) == all_:
        raise click.UsageError("name the ids of `circulation outbox list`, or --all")
    with looked_at(configured(), noted=False) as store:
        with store.writing() as db:
            since = now(db)
            retried = unsent.retry(db, None if all_ else ids, since)
            living = bool(alive(db))
        for id_ in retried.missing:
            click.echo(f"{id_} is not set aside", err=True)
        for id_, why in retried.outdated.items():
            click.echo(f"{id_} stays: {why}; circulation outbox discard {id_} --by … --reason …", err=True)
        if no_wait or not retried.sent:
            click.echo(f"{len(retried.sent):,} will be sent again: a worker does it")
            left = unsent.Left(0, [])
        else:
            left = _await(store, retried, since) if living else unsent.Left(len(retried.sent), [])
            click.echo(f"{many(len(retried.sent) - left.waiting - len(left.refused), 'was sent', 'were sent')}")
    for message in left.refused:
        click.echo(
            f"{message.id} was refused again ({message.topic}, {message.size:,} bytes): {message.reason}", err=True
        )
    if left.waiting:
        why = f"after {WAIT_SECONDS_MAX:.0f} s Kafka does not have them" if living else "no worker of this store lives"
        click.echo(
            f"{many(left.waiting, 'waits', 'wait')} to be sent: {why}; /ready and `circulation status` say more",
            err=True,
        )
    if retried.missing or retried.outdated or left.refused:
        raise SystemExit(1)
    if left.waiting:
        raise SystemExit(UNDECIDED)


def _await(store: Store, retried: unsent.Retried, since: int) -> unsent.Left:
    """Waits until all has left the outbox, or was refused again, `WAIT_SECONDS_MAX` at most."""
    until = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        with store.reading() as db:
            left = unsent.left(db, retried, since)
        if not left.waiting or time.monotonic() > until:
            return left
        time.sleep(LOOK_SECONDS)


@outbox.command()
@click.argument("id_", metavar="ID", type=click.IntRange(min=1))
@click.option("--by", required=True, help="Who does it: a person, an office.")
@click.option("--reason", required=True, help="Why nobody needs to be told what it says.")
def discard(id_: int, by: str, reason: str) -> None:
    """Delete a message that was set aside. The journal keeps who did, why, and which message it was.

    \b
    circulation outbox discard 3 --by "Li Wei" --reason "a later statement of this party has left"
    """
    for name, text, most in (
        ("--by", by, unsent.BY_CHARACTERS_MAX),
        ("--reason", reason, unsent.REASON_CHARACTERS_MAX),
    ):
        if not text.strip() or len(text) > most or not text.isprintable():
            raise Refused(f"{name} must be of 1 to {most:,} printable characters, got {text[:80]!r}")
    with looked_at(configured(), noted=False) as store, store.writing() as db:
        gone = unsent.discard(db, id_, by=by, reason=reason, now=now(db))
    if gone is None:
        raise click.ClickException(f"{id_} is not set aside: `circulation outbox list` shows what is")
    click.echo(f"discarded: {id_}, {gone.size:,} bytes for {gone.topic}")
