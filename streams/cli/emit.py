"""`circulation emit`: sends files of events to Kafka."""

import sys
from pathlib import Path

import click

from streams.cli.groups import Refused
from streams.cli.inputs import admission_of_settings, configured, readable


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=None, help="Events a second at most.")
@click.option("--no-check", is_flag=True, help="Send everything, also what will be rejected.")
def emit(files: tuple[Path, ...], rate: float | None, no_check: bool) -> None:
    """Send files of events to Kafka, each event to its topic.

    A file has one event a line (.jsonl, also .gz or .zst), or is a .json with an array of them. OpenLineage events may
    be among them.

    Each event is admitted first, as a worker with these settings (CIRCULATION_SOURCES) would admit it. Those that would
    be rejected are printed, each with its line, the path and the rule, and are not sent; all others are sent. Exit 1
    where there was one. What only a worker can tell (a sequence that begins again, a cancellation of a use that nobody
    remembers) is in circulation.rejected later: `circulation rejected list`. With --no-check everything is sent, also
    what has no type or topic: it is rejected in public.

    \b
    circulation emit events.jsonl
    circulation emit monday.jsonl.zst tuesday.jsonl.zst --rate 1000
    """
    settings = configured()
    for path in files:
        readable(path)
    from streams import console
    from streams.wire import checking
    from streams.wire import emit as emitting

    check = None if no_check else checking.Check(admission_of_settings())
    lines = checking.Lines(files)
    shown = 0

    def good(record: bytes, placed: emitting.Placed) -> bool:
        nonlocal shown
        assert check is not None  # noqa: S101 it is called where there is one
        rejection = check(record, placed.topic, placed.key, placed.headers)
        if rejection is None:
            return True
        if shown < checking.SHOWN_MAX:
            click.echo(console.shown(f"{lines.where}: {rejection.reason}: {rejection.in_one_line}"), err=True)
        shown += 1
        return False

    known = all(path.suffix not in (".gz", ".zst") for path in files)
    total = sum(path.stat().st_size for path in files) if known else None
    try:
        with console.progress("emit", total, unit="bytes" if known else "events") as advance:
            watched = console.watched(lines, advance, by_bytes=known)
            sent = emitting.emit(watched, settings.kafka, rate=rate, check=None if check is None else good)
    except emitting.EmitError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise Refused(f"cannot read: {error}") from error
    if shown > checking.SHOWN_MAX:
        click.echo(f"and {shown - checking.SHOWN_MAX:,} more would be rejected", err=True)
    click.echo(sent.in_words())
    sys.exit(1 if sent.rejected else 0)
