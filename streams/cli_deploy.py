"""Commands that set up what a worker needs: `circulation kafka …` and `circulation topics …`."""

import os
from pathlib import Path

import click

from deploy.kafka import PORT_DEFAULT, Kafka, KafkaError
from streams import topics as kafka_topics
from streams.cli import Helpful
from streams.settings import Settings, SettingsInvalid


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
    found = Kafka(folder).status()
    if found.running:
        click.echo(f"running at {found.bootstrap}, Kafka {found.version}, process {found.pid}, log {found.log}")
        return
    click.echo(f"not running, folder {found.folder}" + (f", last at {found.bootstrap}" if found.bootstrap else ""))
    raise SystemExit(1)


@click.group(cls=Helpful)
def topics() -> None:
    """The topics of CIRCULATION_KAFKA: made on purpose, once, before the first worker starts.

    \b
    circulation topics create
    """


@topics.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, kafka_topics.PARTITIONS_MAX),
    default=kafka_topics.PARTITIONS_DEFAULT,
    show_default=True,
    help="Of each topic but circulation.rules, which has one. The most workers that can share the load.",
)
def create(partitions: int) -> None:
    """Make the topics that are missing; those that are there stay as they are.

    Choose --partitions with room to grow: the number cannot change later, for the events of one contract would
    then be spread over two partitions, and their order would be lost.

    \b
    circulation topics create
    circulation topics create --partitions 64
    """
    try:
        made = kafka_topics.create(Settings.read(os.environ).kafka, partitions)
    except (SettingsInvalid, kafka_topics.TopicsError) as error:
        raise click.ClickException(str(error)) from error
    for topic in made:
        count = f"{topic.partitions} partition" + ("s" if topic.partitions != 1 else "")
        click.echo(f"{topic.name}: {count}, " + ("created" if topic.created else "was there, left as it is"))
