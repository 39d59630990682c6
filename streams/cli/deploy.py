"""Commands that set up what a worker needs: `circulation kafka …` and `circulation topics …`."""

import os
from pathlib import Path

import click

from deploy.kafka import PORT_DEFAULT, Kafka, KafkaError
from streams import topics as kafka_topics
from streams.cli.groups import Helpful, Refused
from streams.settings import Settings, SettingsInvalid


class Undecided(click.ClickException):
    """It is not known yet whether all is well: one line, exit 3."""

    exit_code = 3


def _state_folder() -> Path:
    """Where a broker lives unless it is told otherwise, after the XDG base directories."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "circulation" / "kafka"


folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_state_folder,
    show_default="$XDG_STATE_HOME/circulation/kafka",
    help="Where the broker keeps its data, its log and its port.",
)


@click.group(cls=Helpful)
def kafka() -> None:
    """A Kafka of your own on this machine, for trying things out.

    It listens on loopback only, is one process (about 400 MB of memory), and needs Java and Maven; its jars are
    fetched at the first start. For real use, point CIRCULATION_KAFKA at a Kafka of several nodes instead.

    \b
    circulation kafka start       start it, or find it running
    circulation topics create     make the topics
    circulation worker            take in what comes
    circulation kafka stop        stop it; its data stay
    """


@kafka.command()
@folder_option
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=None,
    show_default=f"the one it had before, else {PORT_DEFAULT}, else a free one",
    help="Take this port and no other; 0 is any free one.",
)
def start(folder: Path, port: int | None) -> None:
    """Start the broker and wait until it answers; prints host:port.

    To start it twice does no harm. After a crash it comes back with its data, on the same port.

    \b
    circulation kafka start
    circulation kafka start --port 0        on any free port
    """
    try:
        bootstrap = Kafka(folder).start(port)
    except KafkaError as error:
        raise click.ClickException(str(error)) from error
    click.echo(bootstrap)
    if bootstrap != f"127.0.0.1:{PORT_DEFAULT}":
        click.echo(f"for the other commands: export CIRCULATION_KAFKA={bootstrap}", err=True)


@kafka.command()
@folder_option
def stop(folder: Path) -> None:
    """Stop the broker in order; its data stay in its folder.

    \b
    circulation kafka stop
    """
    click.echo("stopped" if Kafka(folder).stop() else f"no Kafka was running in {folder}")


@kafka.command()
@folder_option
def status(folder: Path) -> None:
    """Say whether the broker runs, and where. Exit 0 if it does, 1 if not.

    \b
    circulation kafka status
    """
    broker = Kafka(folder).status()
    if broker.running:
        click.echo(f"running at {broker.bootstrap}, Kafka {broker.version}, process {broker.pid}, log {broker.log}")
        return
    click.echo(f"not running, folder {broker.folder}" + (f", last at {broker.bootstrap}" if broker.bootstrap else ""))
    raise SystemExit(1)


@click.group(cls=Helpful)
def topics() -> None:
    """The topics of CIRCULATION_KAFKA: made on purpose, once, before the first worker starts.

    \b
    circulation topics create
    circulation topics grow --partitions 64
    circulation topics check
    """


retention_option = click.option(
    "--retention-days",
    type=click.IntRange(1, 36_500),
    default=None,
    show_default="CIRCULATION_TOPIC_RETENTION_DAYS, 30",
    help="How long Kafka keeps what came in, at least.",
)


@topics.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, kafka_topics.PARTITIONS_MAX),
    default=kafka_topics.PARTITIONS_DEFAULT,
    show_default=True,
    help="Of each topic but circulation.rules, which has one. The most workers that can share the load.",
)
@click.option(
    "--replication",
    type=click.IntRange(1, 100),
    default=None,
    show_default="3, or as many as there are brokers",
    help="On how many brokers each record is. One may be away without stopping anything (min.insync.replicas).",
)
@retention_option
@click.option("--apply", is_flag=True, help="Alter settings of topics that are there, where they lose records.")
def create(partitions: int, replication: int | None, retention_days: int | None, apply: bool) -> None:
    """Make the topics that are missing; those that are there stay as they are, unless --apply is given.

    Choose --partitions with room to grow: to give a topic more of them later (circulation topics grow) has everything
    read that was written before, and moves keys to other partitions.

    What comes in is kept for --retention-days. Packs, findings, cases, the journal and what was rejected are kept until
    somebody deletes them: `circulation archive` keeps them elsewhere. Of statements of credit the newest is kept.

    \b
    circulation topics create
    circulation topics create --partitions 64 --replication 3 --retention-days 90
    circulation topics create --apply
    """
    try:
        settings = Settings.read(os.environ)
        days = retention_days or settings.topic_retention_days
        created = kafka_topics.create(settings.kafka, partitions, replication=replication, retention_days=days)
        for topic in created:
            count = f"{topic.partitions} partition" + ("s" if topic.partitions != 1 else "")
            click.echo(f"{topic.name}: {count}, " + ("created" if topic.created else "was there, left as it is"))
        for difference in _differences(settings, days, apply=apply):
            click.echo(difference, err=True)
    except (SettingsInvalid, kafka_topics.TopicsError) as error:
        raise click.ClickException(str(error)) from error


@topics.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, kafka_topics.PARTITIONS_MAX),
    required=True,
    help="How many each topic of events is to have, but for circulation.rules, which keeps its one.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds to wait for workers.",
)
def grow(partitions: int, seconds: float) -> None:
    """Give the topics of events more partitions, while workers run.

    Waits until the workers of CIRCULATION_STORE have taken in what the topics hold, has Kafka make the partitions,
    waits for what came meanwhile, and notes in the store from which offsets on the new number holds. Sources go on
    sending all the while: what their clients still put where it belonged before is sent on to where it belongs now.
    Topics that the monitor writes stay as they are.

    Partitions that were made by other tools (kafka-topics.sh) are not read, and /ready says so, until the older ones
    are read to the ends that they had then, ten minutes at most.

    Exit codes: 0 done, 1 Kafka or the store does not answer or refuses, 2 a topic has more partitions already,
    3 workers did not take in in time what was written before; it is said whether partitions were made.

    \b
    circulation topics grow --partitions 16
    """
    from streams import console
    from streams.feeds.growing import GrowError, NotDrained, TooFew
    from streams.feeds.growing import grow as grow_topics
    from streams.store.errors import StoreAway
    from streams.store.store import Store

    try:
        settings = Settings.read(os.environ)
    except SettingsInvalid as error:
        raise Refused(str(error)) from error
    store = Store(settings.store)
    try:
        store.migrate()
        with console.progress("take in", None, unit="records") as advance:
            grown = grow_topics(settings.kafka, store, partitions, seconds_max=seconds, advance=advance)
    except TooFew as error:
        raise Refused(str(error)) from error
    except NotDrained as error:
        raise Undecided(str(error)) from error
    except GrowError as error:
        raise click.ClickException(str(error)) from error
    except StoreAway as error:
        raise click.ClickException(f"the store does not answer: {error}") from error
    finally:
        store.close()
    for topic in grown:
        count = f"{topic.partitions} partition" + ("s" if topic.partitions != 1 else "")
        click.echo(
            f"{topic.name}: {count}, " + ("as before" if topic.before == partitions else f"before {topic.before}")
        )


@topics.command()
@retention_option
def check(retention_days: int | None) -> None:
    """Say which settings of the topics lose records or refuse them. Exit 0 if none does, 1 if any.

    A worker looks at the same at its start and every minute, and warns on /ready and in its log.

    \b
    circulation topics check
    """
    try:
        settings = Settings.read(os.environ)
        differences = _differences(settings, retention_days or settings.topic_retention_days, apply=False)
    except (SettingsInvalid, kafka_topics.TopicsError) as error:
        raise click.ClickException(str(error)) from error
    for difference in differences:
        click.echo(difference)
    if differences:
        raise SystemExit(1)
    click.echo("all topics keep what they hold")


def _differences(settings: Settings, retention_days: int, *, apply: bool) -> list[str]:
    """The settings that differ, a sentence each; with `apply`, those altered, and those that could not be."""
    from confluent_kafka import KafkaException

    from streams.wire import topic_settings
    from streams.wire.broker import admin_client

    admin = admin_client(settings.kafka)
    try:
        differences = topic_settings.differences(*topic_settings.topics(admin), retention_days=retention_days)
        altered = topic_settings.apply(admin, differences) if apply else []
    except KafkaException as error:
        raise kafka_topics.TopicsError(f"Kafka at {settings.kafka}: {topic_settings.text_of(error)}") from error
    changed = [
        f"{difference.topic}: {difference.setting} was {difference.current}, is {difference.value} now"
        for difference in altered
    ]
    return changed + [difference.in_words() for difference in differences if difference not in altered]
