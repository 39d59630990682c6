"""`circulation demo`: the whole thing on this machine."""

import sys
from pathlib import Path

import click


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running at the end, to look around.")
@click.option("--stop", is_flag=True, help="Only stop what --keep left running.")
@click.option(
    "--events",
    type=click.IntRange(4_000, 1_000_000),
    default=100_000,
    show_default=True,
    help="Events of the market beside the story.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    show_default="$XDG_STATE_HOME/circulation/demo",
    help="Where the broker, the store and the logs live.",
)
def demo(keep: bool, stop: bool, events: int, folder: Path | None) -> None:
    """Run the whole thing on this machine, with a story.

    Starts a Kafka on loopback, PostgreSQL where this machine has it (else SQLite), and workers; tells, act by act, a
    story of licences overrun, prohibited sources, exports without assessment, and of an objection that is upheld; sends
    a market of 100,000 events beside it, and kills a worker on the way. At the end it shows what was found, holds it
    against what had to be found (exit 1 where anything was missed), and says how to go on. It takes a minute or two and
    needs Java and Maven; the broker's jars are fetched once.

    \b
    circulation demo
    circulation demo --keep        leave it running, and look around
    circulation demo --events 5000
    circulation demo --stop
    """
    from streams.demo import demo as demonstration

    sys.exit(demonstration.stop(folder) if stop else demonstration.run(folder, keep=keep, events=events))
