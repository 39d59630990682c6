"""`circulation feed`: where each partition is read, and how one whose records are gone goes on."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import detectors
from circulation.events.names import RULES
from circulation.words import many
from streams import console
from streams.address import silent
from streams.cli.groups import Helpful, Refused
from streams.cli.inputs import configured, voices_of_settings
from streams.cli.store import looked_at
from streams.health.readiness import ELSEWHERE
from streams.settings import NAME_CHARACTERS_MAX, Settings
from streams.topics import TOPICS_IN

if TYPE_CHECKING:
    from streams.engine import Engine
    from streams.feeds import feeds, resuming
    from streams.store.store import Store
    from streams.wire.broker import Broker

NOTE_CHARACTERS_MAX = 2_000


@click.group(cls=Helpful)
def feed() -> None:
    """The partitions that are read: where each is, and how one that is read no more goes on.

    \b
    circulation feed list
    circulation feed resume circulation.contracts 3 --from earliest --by "Li Wei" --note "retention was 7 days"
    circulation feed resume --all --from earliest --by "Li Wei" --note "the broker was set up anew"
    """


@feed.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def list_(as_json: bool) -> None:
    """Show each partition: the offset that is read next, the first that Kafka has, its end, and how it is.

    `read`: nothing is missing. `not begun`: no worker has read it yet. The others are read no more, and a person says
    from where they go on: `records expired` (Kafka no longer has what comes next), `topic made anew`, `ends before its
    position` (Kafka lost records that were taken in), `put back and written anew` (it did, and has others at the same
    offsets by now), `partition is no more` (its topic was made anew with fewer), `not there`. Exit 1 where there is
    such a partition.

    \b
    circulation feed list
    circulation feed list --json
    """
    from confluent_kafka import KafkaException

    from streams.feeds import feeds
    from streams.wire.broker import Broker

    settings = configured()
    with looked_at(settings, noted=False) as store, store.reading() as db:
        try:
            partitions = feeds.look(db, Broker(settings.kafka))
        except KafkaException as error:
            raise _silent(settings, error) from error
    if as_json:
        at = time.time_ns() // 1000
        console.document([feeds.stamp(feed, at) for feed in partitions])
    else:
        rows = [
            (feed.topic, feed.partition, *map(_number, (feed.position, feed.low, feed.end)), feed.in_words)
            for feed in partitions
        ]
        console.table(("topic", "partition", "position", "low", "end", "state"), rows, colour="state")
    if feeds.elsewhere(partitions):
        click.echo(ELSEWHERE, err=True)
    if any(feed.state in feeds.STOPPED for feed in partitions):
        raise SystemExit(1)


def _number(at: int | None) -> str:
    return "–" if at is None else str(at)


def _silent(settings: Settings, error: Exception) -> click.ClickException:
    return click.ClickException(silent(settings.kafka, error.args[0].str()))


def _from(_: click.Context, __: click.Parameter, text: str) -> str:
    if text != "earliest" and not re.fullmatch(r"[0-9]{1,18}", text):
        raise click.BadParameter(f"must be earliest or an offset, got {text!r}")
    return text


def _said(most: int) -> click.ParamType:
    class Said(click.ParamType):
        name = "text"

        def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
            if not value.strip() or len(value) > most or not value.isprintable():
                self.fail(f"must be of 1 to {most} printable characters, got {value[:most]!r}", param, ctx)
            return value

    return Said()


@feed.command()
@click.argument("topic", type=click.Choice(TOPICS_IN), metavar="[TOPIC", required=False)
@click.argument("partition", type=click.IntRange(0, 1_000_000), metavar="PARTITION]", required=False)
@click.option("--all", "every", is_flag=True, help="Every partition that is read no more (of TOPIC, if it is named).")
@click.option("--from", "from_", metavar="earliest|OFFSET", required=True, callback=_from, help="What is read next.")
@click.option("--by", required=True, type=_said(NAME_CHARACTERS_MAX), help="Who decides it: a person, an office.")
@click.option("--note", required=True, type=_said(NOTE_CHARACTERS_MAX), help="Why, for the journal.")
@click.option(
    "--archive",
    "folder",
    metavar="DIR/",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take in first what `circulation archive` kept of what Kafka no longer has.",
)
def resume(
    topic: str | None, partition: int | None, every: bool, from_: str, by: str, note: str, folder: Path | None
) -> None:
    """Have a partition that is read no more go on, from the first record that Kafka still has, or from an offset.

    What lies before is not taken in any more: the finding of feed-lost says from where to where, and the journal who
    decided it. A worker reads on within seconds; where none runs, the next one does. A topic that was made anew is read
    from then on in place of the old one; a partition that the new one does not have is closed: the store forgets where
    it was, and finding and journal say so as well. An offset must be one that Kafka has, or the end. Exit 1 where there
    is nothing to resume, or a partition could not be.

    With --all every partition that is read no more goes on, each with a finding and an entry of its own: rules first,
    then parties, assets, contracts, orders. What is not there must be made before (circulation topics create).

    With --archive the records that expired are taken in from there, as far as it has them without a hole, each once;
    where it has all of them, nothing is lost, and the finding is cleared. Files of a former topic of that name are
    refused. On SQLite the worker must be stopped meanwhile. Without --all begin with circulation.rules, then parties,
    assets, contracts, orders.

    \b
    circulation feed resume circulation.contracts 3 --from earliest --by "Li Wei" --note "retention was 7 days"
    circulation feed resume circulation.assets 0 --from 120000 --by "Li Wei" --note "sent again from there"
    circulation feed resume circulation.assets 0 --from earliest --archive /data/archive --by "Li Wei" --note "restored"
    circulation feed resume --all --from earliest --by "Li Wei" --note "the broker was set up anew"
    """
    from confluent_kafka import KafkaException

    from streams.engine import Engine
    from streams.facts.rulebook import start
    from streams.feeds import resuming
    from streams.store.errors import StoreAway, StoreTaken
    from streams.store.store import Store
    from streams.wire import lookups as looks
    from streams.wire.broker import Broker

    if every and from_ != resuming.EARLIEST:
        raise click.UsageError("--all has each partition go on from its earliest record: an offset is of one partition")
    if every and partition is not None:
        raise click.UsageError("name one partition, or say --all")
    if not every and partition is None:
        raise click.UsageError("name a TOPIC and a PARTITION, or say --all: circulation feed list shows them")
    settings = configured()
    with looked_at(settings, noted=False):
        pass
    store = Store(settings.store, hurried_seconds=looks.WRITE_SECONDS)
    broker = Broker(settings.kafka)
    refused: list[resuming.ResumeRefused] = []
    try:
        if folder is not None:
            store.claim()
        default, name = start(settings, detectors.RULES)
        store.voices = voices_of_settings()
        engine = Engine(store, default, name=name)
        for stopped in _stopped(store, broker, topic) if every else [_found(store, broker, str(topic), partition or 0)]:
            try:
                _resume(settings, store, broker, engine, stopped, from_, by=by, note=note, folder=folder)
            except resuming.ResumeRefused as error:
                refused.append(error)
                if every:
                    click.echo(str(error), err=True)
    except StoreTaken as error:
        raise Refused(f"--archive: {error}") from error
    except OSError as error:
        raise Refused(f"--archive: {error}") from error
    except KafkaException as error:
        raise _silent(settings, error) from error
    except StoreAway as error:
        raise click.ClickException(f"the store does not answer: {error}") from error
    finally:
        store.close()
    if refused and every:
        raise SystemExit(1)
    for refusal in refused:
        raise (Refused if refusal.wrong_offset else click.ClickException)(str(refusal))


def _resume(
    settings: Settings,
    store: "Store",
    broker: "Broker",
    engine: "Engine",
    feed: "feeds.Feed",
    from_: str,
    *,
    by: str,
    note: str,
    folder: Path | None,
) -> None:
    from streams.feeds import feeds, resuming
    from streams.health.workers import now
    from streams.wire import lookups as looks

    before = feed
    closes = feed.state is feeds.State.GONE and from_ == resuming.EARLIEST
    begin = 0 if closes else resuming.start_of(feed, from_)
    kept = None
    if folder is not None:
        kept = _refilled(settings, store, feed, begin, folder, len(broker.partitions([feed.topic])))
        feed = _found(store, broker, feed.topic, feed.partition)
    tp = (feed.topic, feed.partition)
    last = None if closes else broker.last_before({tp: begin}).get(tp)
    with store.writing() as db:
        engine.rulebook.refresh(db)
        signature: dict[str, Any] = {"by": by, "login": looks.login(), "note": note, "at": now(db)}
        if closes:
            resumed = resuming.close(db, engine, feed, **signature)
        else:
            resumed = resuming.resume(db, engine, feed, begin, **signature, kept=kept, last=last)
    does = "is closed" if resumed.offset is None else f"goes on from offset {resumed.offset}"
    click.echo(f"{feed.name} {does}; it was at {before.position}: {before.why}")
    if before.state is feeds.State.PUT_BACK and begin < (before.position or 0):
        click.echo(
            f"note: what was read before is known by its id for {many(settings.seen_days, 'day')}"
            " (CIRCULATION_SEEN_DAYS): an older event without a sequence number counts once more; --from OFFSET goes on"
            " from a later record",
            err=True,
        )
    if kept is not None:
        to = f"from offset {kept.begin} to {kept.end - 1}"
        click.echo(f"{many(kept.records, f'record {to} was', f'records {to} were')} taken in from {folder}")
    if resumed.changes:
        click.echo(f"the finding {resumed.finding} " + ("says so" if resumed.changes[0].raised else "is cleared"))


def _stopped(store: "Store", broker: "Broker", topic: str | None) -> list["feeds.Feed"]:
    """All partitions that are read no more: packs first, then what acts name, then the acts."""
    from streams.feeds import feeds

    with store.reading() as db:
        stopped = [
            feed for feed in feeds.look(db, broker) if feed.state in feeds.STOPPED and topic in (None, feed.topic)
        ]
    if not stopped:
        raise click.ClickException(
            "there is nothing to resume: every partition" + (f" of {topic}" if topic else "") + " is read"
        )
    order = (RULES, *(name for name in TOPICS_IN if name != RULES))
    return sorted(stopped, key=lambda feed: (order.index(feed.topic), feed.partition))


def _found(store: "Store", broker: "Broker", topic: str, partition: int) -> "feeds.Feed":
    from streams.feeds import feeds

    with store.reading() as db:
        matching = [feed for feed in feeds.look(db, broker) if (feed.topic, feed.partition) == (topic, partition)]
    if not matching:
        raise click.ClickException(f"{topic} has no partition {partition}: circulation feed list shows them")
    return matching[0]


def _refilled(
    settings: Settings, store: "Store", feed: "feeds.Feed", begin: int, folder: Path, partitions: int
) -> "resuming.Kept":
    """Takes in what the archive has of what expired, and judges nothing: that is the next worker's."""
    from streams.feeds import feeds, resuming
    from streams.health.workers import Differs
    from streams.offline import refill
    from streams.worker.worker import Worker

    if feed.state is not feeds.State.EXPIRED:
        raise resuming.ResumeRefused(f"{feed.name}: --archive is for records that expired, and here {feed.why}")
    worker = Worker(settings, store)
    try:
        # It takes in as a worker does, and so by the same pack as the others.
        worker.heart.begin()
        return refill.refill(worker, feed, folder, begin, partitions=partitions)
    except Differs as error:
        raise Refused(str(error)) from error
    finally:
        worker.heart.end()
        worker.close()
