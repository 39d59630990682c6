"""`circulation credit`: the statement of a party for a person, or as JSON."""

from typing import Any, Final

import click
from sqlalchemy import bindparam

import detectors
from circulation.calendar import parse_instant
from circulation.events.names import PARTIES
from streams import console
from streams.cli.groups import Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.facts import credit as statements
from streams.facts.rulebook import Rulebook, start
from streams.health.store_clock import of_store
from streams.store import schema
from streams.store.ask import ANY_ROW, Question

_EVENTS: Final = schema.events.c
_KNOWN: Final = Question(ANY_ROW.where(_EVENTS.topic == PARTIES, _EVENTS.subject == bindparam("party")).limit(1))


@click.command()
@click.argument("party")
@click.option("--as-of", metavar="INSTANT", help="As it was then, by what is known now; without it, as it is.")
@click.option("--json", "as_json", is_flag=True, help="The whole statement, long lists too, which are sent in part.")
def credit(party: str, as_of: str | None, as_json: bool) -> None:
    """The statement of credit of a PARTY: its score, and what made it.

    The score is that of the pack (80) and merits, less the points of records and of standing findings. A record takes
    no points while an objection to it is open, once it was withdrawn or repaired, and when it is no longer public.

    \b
    circulation credit 91110108MA00AA017N
    circulation credit 91110108MA00AA017N --as-of 2026-01-01 --json
    """
    settings = configured()
    try:
        as_of_instant = None if as_of is None else parse_instant(as_of)
    except ValueError as error:
        raise Refused(f"--as-of: {error}") from error
    with looked_at(settings) as store, store.reading() as db:
        instant = of_store(db, settings) if as_of_instant is None else as_of_instant
        ledgers = statements.ledgers(db, [party])
        known = _KNOWN.one(db, party=party)
        if known is None and not ledgers[party].findings:
            raise click.ClickException(f"nothing is known of {party!r}: a party is named by its code, or scheme:value")
        rulebook = Rulebook(*start(settings, detectors.RULES))
        rulebook.refresh(db)
        stated = statements.statements(ledgers, rulebook(), instant)[party].data
    if as_json:
        console.document(stated)
        return
    click.echo(f"{stated['party']}: {stated['score']} of 100, grade {stated['grade']}, as of {stated['as_of']}")
    _table(
        "Records",
        ("record", "act", "tier", "status", "points", "document_date", "public_until", "repairable_from"),
        stated["records"],
    )
    _table("Findings", ("finding", "points"), stated["findings"])
    _table("Merits", ("merit", "act", "points"), stated["merits"])
    if not (stated["records"] or stated["findings"] or stated["merits"]):
        click.echo("no records, no findings that count, no merits")


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        names = [name.replace("_", " ") for name in columns]
        console.table(names, [[row[name] for name in columns] for row in rows], title=title)
