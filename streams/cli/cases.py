"""`circulation cases` shows cases and their lives, `circulation case` sends what an official orders."""

import uuid
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import click
import orjson
from sqlalchemy import ColumnElement, bindparam, func, select

from circulation.calendar import format_instant, parse_instant
from circulation.docket import STATES, docket_of
from circulation.events.names import CASE_PREFIX
from circulation.voices import OFFICIALS
from circulation.words import many
from streams import console
from streams.cli.groups import Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.health.store_clock import now_of
from streams.store import schema
from streams.store.ask import Question, matches
from streams.store.store import Store

# The verbs as one types them, and the events that they send.
COMMANDS: Final = {
    "acknowledge": ("acknowledged", "Say that somebody has taken a case on."),
    "order": ("ordered", "Order what is to be done about a case; with --due it escalates if that is not met."),
    "rectify": ("rectified", "Say that what was found has been put right; a new finding escalates the case."),
    "close": ("closed", "Close a case: its findings are no longer open; a new finding opens another case."),
    "reopen": ("reopened", "Open a closed case again, unless a later one has been opened since."),
}
_CASES, _LIVES, _OF_CASES, _FINDINGS = (
    schema.cases.c,
    schema.case_events.c,
    schema.case_findings.c,
    schema.findings.c,
)
_ONE: Final = Question(select(_CASES.data).where(*matches(schema.cases, "case_id")))
_LIFE: Final = Question(
    select(_LIVES.what, _LIVES.time, _LIVES.data).where(*matches(schema.case_events, "case_id")).order_by(_LIVES.number)
)
_MEMBERS: Final = Question(
    select(_FINDINGS.data, _FINDINGS.standing)
    .join(schema.case_findings, _FINDINGS.finding == _OF_CASES.finding)
    .where(*matches(schema.case_findings, "case_id"))
    .order_by(_FINDINGS.occurred, _FINDINGS.finding)
)
SHOWN_MAX: Final = 1_000
NOTE_CHARACTERS_SHOWN: Final = 200


@click.command()
@click.argument("case", required=False)
@click.option(
    "--state", type=click.Choice(["open", *STATES]), help="Only those in this state; `open` is any but closed."
)
@click.option("--detector", metavar="ID", help="Only of this detector.")
@click.option("--severity", type=click.Choice(["yellow", "orange", "red"]), help="Only of this highest severity.")
@click.option("--party", metavar="ID", help="Only those that this party is responsible for.")
@click.option("--json", "as_json", is_flag=True, help="As they were sent; of one CASE with its events and findings.")
def cases(
    case: str | None, state: str | None, detector: str | None, severity: str | None, party: str | None, as_json: bool
) -> None:
    """Show the cases, newest first; with a CASE its life and its findings.

    A case is all that one detector found about one thing, from the first finding until an official closes it.

    \b
    circulation cases --state open --detector usage-limit
    circulation cases 592de800afa96e47ffcb8de7c69cc9bf-1
    """
    if case is not None:
        with looked_at(configured()) as store:
            document = _one(store, case)
        _show_one(document, as_json)
        return
    with looked_at(configured()) as store:
        filters = {"state": state, "detector": detector, "severity": severity, "party": party}
        where = {column: value for column, value in filters.items() if value is not None}
        count, rows = _cases(store, where, None if as_json else SHOWN_MAX)
    if as_json:
        console.document(rows)
    elif rows:
        columns = ("case", "state", "severity", "detector", "about", "party", "standing", "opened")
        console.table(columns, [[_shown(row, name) for name in columns] for row in rows], colour="severity")
        if count > len(rows):
            click.echo(f"and {count - len(rows):,} more: narrow it down, or ask for --json", err=True)
    else:
        click.echo("no cases" + (" that fit" if any(filters.values()) else ""), err=True)


def _shown(row: dict[str, Any], name: str) -> object:
    return row["about"]["id"] if name == "about" else row.get(name, "–")


def _fitting(columns: Iterable[str], *, is_open: bool) -> list[ColumnElement[bool]]:
    """The conditions of cases whose columns are the parameters of their names, and that are not closed."""
    return [*matches(schema.cases, *columns), *([_CASES.state != "closed"] if is_open else [])]


@cache
def _newest(columns: tuple[str, ...], *, is_open: bool, limited: bool) -> Question:
    newest = select(_CASES.data).where(*_fitting(columns, is_open=is_open))
    ordered = newest.order_by(_CASES.opened.desc(), _CASES.case_id.desc())
    return Question(ordered.limit(bindparam("limit")) if limited else ordered)


@cache
def _counted(columns: tuple[str, ...], *, is_open: bool) -> Question:
    return Question(select(func.count()).select_from(schema.cases).where(*_fitting(columns, is_open=is_open)))


def _cases(store: Store, where: dict[str, str], limit: int | None) -> tuple[int, list[dict[str, Any]]]:
    """How many cases fit, and of these the newest, so many at most."""
    bound = {column: value for column, value in where.items() if (column, value) != ("state", "open")}
    columns, is_open = tuple(bound), len(bound) < len(where)
    with store.reading() as db:
        rows = _newest(columns, is_open=is_open, limited=limit is not None).rows(db, limit=limit, **bound)
        (count,) = _counted(columns, is_open=is_open).one(db, **bound) or (0,)
    return count, [orjson.loads(row[0]) for row in rows]


def _one(store: Store, case: str) -> dict[str, Any]:
    """A case as it was sent, with its events and its members."""
    with store.reading() as db:
        row = _ONE.one(db, case_id=case)
        if row is None:
            raise click.ClickException(
                f"there is no case {case!r}: `circulation cases` shows their ids, to be given whole"
            )
        life = [
            {"what": kind, "time": format_instant(at), **_more(orjson.loads(data))}
            for kind, at, data in _LIFE.rows(db, case_id=case)
        ]
        findings = [
            {**orjson.loads(data), "standing": bool(standing)} for data, standing in _MEMBERS.rows(db, case_id=case)
        ]
    return {**orjson.loads(row[0]), "events": life, "members": findings}


def _show_one(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        console.document(document)
        return
    party = f", {document['party']} is responsible" if "party" in document else ""
    about = f"{document['about']['kind']} {document['about']['id']}"
    click.echo(console.shown(f"{document['case']}: {document['detector']} about {about}{party}"))
    of = many(document["findings"], "finding")
    stand = "stands" if document["standing"] == 1 else "stand"
    click.echo(f"{document['state']}, {document['severity']}, {document['standing']} of {of} {stand}")
    rows = [
        (event["time"], event["what"], event["severity"], event.get("by", "–"), _why(event))
        for event in document["events"]
    ]
    console.table(("time", "what", "severity", "by", "why"), rows, title="Its life", colour="severity")
    console.findings_table(document["members"], title="Its findings", with_state=True)


def _more(data: dict[str, Any]) -> dict[str, Any]:
    """The members of an event that not every event of the case has."""
    return {name: data[name] for name in data if name not in ("case", "detector", "about", "party", "opened")}


def _why(event: dict[str, Any]) -> str:
    words = [event["reason"]] if "reason" in event else []
    words += [f"finding {event['finding']}"] if "finding" in event else []
    words += [f"due {event['due']}"] if "due" in event else []
    words += [str(event["note"])[:NOTE_CHARACTERS_SHOWN]] if "note" in event else []
    evidence = event.get("evidence", ())
    words += [evidence] if isinstance(evidence, str) else map(str, evidence)
    return ", ".join(words)


@click.group()
def case() -> None:
    """Send what an official does to a case: to circulation.orders, and back on circulation.cases once it is done.

    Orders never change findings. An order for a case that is not there yet waits for it.

    \b
    circulation case order CASE --by "Li Wei" --due 2026-03-01 --note "delete the copies"
    circulation case close CASE --by "Li Wei" --evidence document-17
    """


def _command(name: str, verb: str, about: str) -> click.Command:
    due = " --due 2026-03-01" if verb == "ordered" else ""
    example = f'circulation case {name} 592de800afa96e47ffcb8de7c69cc9bf-1 --by "Li Wei"{due}'

    @click.command(name, help=f"{about}\n\n\b\n{example}")
    @click.argument("case")
    @click.option("--by", required=True, help="Who does it: a person, an office.")
    @click.option("--note", help="What is to be said of it.")
    @click.option("--due", metavar="INSTANT", help="By when it is to be done: a date, or RFC 3339.")
    @click.option("--evidence", multiple=True, help="A document's id; may be given again.")
    def send(case: str, by: str, note: str | None, due: str | None, evidence: tuple[str, ...]) -> None:
        if docket_of(case) is None:
            raise Refused(f"{case!r} is no case: `circulation cases` shows their ids")
        if due is not None:
            try:
                parse_instant(due)
            except ValueError as error:
                raise Refused(f"--due: {error}") from error
        from streams.wire import emit as emitting

        settings = configured()
        # An order is given by the clock of its store: on a store of old events the wall's would move it by years.
        event = order(verb, case, now_of(settings), by=by, note=note, due=due, evidence=evidence)
        try:
            emitting.emit([orjson.dumps(event)], settings.kafka)
        except emitting.EmitError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"sent: {case} {verb} by {by}")

    return send


def order(
    verb: str, case: str, now: int, *, by: str, note: str | None, due: str | None, evidence: tuple[str, ...]
) -> dict[str, Any]:
    """The event of an order, given at an instant (µs)."""
    data = {"by": by, "note": note, "due": due, "evidence": list(evidence) or None}
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": OFFICIALS,
        "type": CASE_PREFIX + verb,
        "subject": case,
        "time": format_instant(now),
        "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value is not None},
    }


for _name, (_verb, _about) in COMMANDS.items():
    case.add_command(_command(_name, _verb, _about))
