"""`circulation archive`: the topics to Parquet, and whether an archive is whole."""

from pathlib import Path

import click

from circulation.words import many
from streams.cli.groups import Refused
from streams.cli.inputs import configured


@click.command()
@click.argument("out", metavar="OUT/", type=click.Path(path_type=Path, file_okay=False))
@click.option("--verify", is_flag=True, help="Only read what is there, and say whether it is whole.")
def archive(out: Path, verify: bool) -> None:
    """Keep the topics as Parquet, in and out, and verify what was kept.

    Beside events, packs and orders these are findings, cases, statements of credit, the journal and what was rejected.
    Takes what the topics hold now and OUT/ does not, every record with its offset, timestamp, key, headers and bytes,
    then ends; the next run, by cron say, goes on where it ended. A run that is killed leaves no half file. A topic that
    was made anew is refused: it goes to another folder. So is a partition of a Kafka that was put back to an earlier
    state: the others are archived, and it exits with 1. --verify reads all of it, and exits with 1 where something is
    missing, was changed, or is of two topics of one name. `circulation replay` judges anew what came in.

    \b
    circulation archive /data/archive
    circulation archive /data/archive --verify
    circulation replay /data/archive
    """
    from streams import console
    from streams.offline import archive as archives
    from streams.offline.archive_checks import verify as verified

    try:
        if verify:
            verification = verified(out)
            for problem in verification.problems:
                click.echo(problem, err=True)
            click.echo(f"{many(verification.records, 'record')} in {many(verification.files, 'file')}: ", nl=False)
            click.echo(many(len(verification.problems), "problem") if verification.problems else "whole")
            raise SystemExit(1 if verification.problems else 0)
        settings = configured()
        with console.progress("archive", None, unit="records") as advance:
            outcome = archives.archive(out, settings.kafka, advance=advance)
    except archives.ArchiveError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise Refused(str(error)) from error
    for line in outcome.lost:
        click.echo(f"lost: {line}", err=True)
    for line in outcome.refused:
        click.echo(f"refused: {line}", err=True)
    click.echo(f"archived {many(outcome.records, 'record')} in {many(outcome.files, 'new file')}")
    if outcome.refused:
        raise SystemExit(1)
