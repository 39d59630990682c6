"""`circulation sources`: how good what each source says is, month by month."""

from typing import Any, Final

import click

from circulation.quality import PARTS, format_month, month_of, parse_month
from circulation.words import QUALITY
from streams import console
from streams.answers import sources as answers
from streams.cli.groups import Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.health.store_clock import of_store

# In place of the name of those that have no row of their own.
OTHER_SOURCES: Final = "(all others)"


@click.command()
@click.argument("source", required=False)
@click.option("--month", metavar="MONTH", help="A month of UTC+08:00, as 2026-10; without it, the one that runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
def sources(source: str | None, month: str | None, as_json: bool) -> None:
    """Show how good what each SOURCE says is: five shares of a month, and a score of them.

    A SOURCE is named by how it begins; without one all are shown. The parts are events on time (及时), admitted (合格),
    linked to a contract that was known (关联) and complete by their numbers (完整), and days on which the reporters of
    a contract agree (一致): each with so many of how many. The score is the mean of the parts of which there is any, in
    percent. docs/quality.md says what each counts.

    \b
    circulation sources
    circulation sources //beijing.exchange --month 2026-10
    circulation sources --json | jq .sources
    """
    settings = configured()
    try:
        stated = None if month is None else parse_month(month)
    except ValueError as error:
        raise Refused(f"--month: {error}") from error
    with looked_at(settings) as store, store.reading() as db:
        of = month_of(of_store(db, settings)) if stated is None else stated
        rows = answers.quality(db, of, source)
        if not rows and source is not None:
            raise click.ClickException(
                f"in {format_month(of)} nothing is counted of a source that begins with {source!r}"
            )
        document = {"month": format_month(of), "months": answers.months(db), "sources": rows}
    if as_json:
        console.document(document)
        return
    _tell(document)


def _tell(document: dict[str, Any]) -> None:
    if not document["sources"]:
        click.echo(
            f"nothing is counted in {document['month']}; there is: {', '.join(document['months']) or 'no month yet'}"
        )
        return
    columns = ["source", "score", *(f"{QUALITY[part].en} {QUALITY[part].zh}" for part in PARTS)]
    console.table(
        columns, [_line(row) for row in document["sources"]], title=f"Quality of reports, {document['month']}"
    )


def _line(row: dict[str, Any]) -> list[str]:
    shown = "–" if row["score"] is None else f"{row['score']:.1f}"
    return [row["source"] or OTHER_SOURCES, shown, *(_share(row["parts"][part]) for part in PARTS)]


def _share(part: dict[str, Any]) -> str:
    if not part["all"]:
        return "–"
    return f"{part['good'] / part['all']:.1%} ({part['good']:,} of {part['all']:,})"
