"""`circulation findings` shows what was found, or explains one finding."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from circulation.calendar import parse_instant
from circulation.findings import MODES, SEVERITIES
from circulation.near import hint
from streams import console
from streams.answers import findings as queries
from streams.answers.findings import Json, Wanted
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.store.db import Db

# Rows shown on a terminal by default; a pipe gets all.
SHOWN_MAX: Final = 100
CANDIDATES_MAX: Final = 2_000


class Detector(click.ParamType):
    """The id of a detector: completed by the shell, and with near ones in the error."""

    name = "detector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id, if there is such a detector."""
        import detectors

        if value not in detectors.RULES:
            self.fail(f"there is no detector {value!r}{hint(value, detectors.RULES)}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The detectors that begin so, with their titles."""
        import detectors

        return [
            CompletionItem(id_, help=rule.title) for id_, rule in detectors.RULES.items() if id_.startswith(incomplete)
        ]


class Instant(click.ParamType):
    """An instant, or a date: its start at +08:00."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """As µs."""
        try:
            return value if isinstance(value, int) else parse_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("finding", required=False)
@click.option("--detector", metavar="ID", type=Detector(), help="Only of this detector: usage-limit, ...")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only of this severity.")
@click.option("--mode", type=click.Choice([mode for mode in MODES if mode != "off"]), help="Only of this mode.")
@click.option("--about", metavar="ID", help="Only about this contract, asset, party, market or source.")
@click.option("--party", metavar="ID", help="Only those that this party is responsible for.")
@click.option("--since", metavar="INSTANT", type=Instant(), help="Only what occurred at this instant or later.")
@click.option("--until", metavar="INSTANT", type=Instant(), help="Only what occurred before this instant.")
@click.option(
    "--state",
    type=click.Choice(["open", "standing", "all"]),
    default="standing",
    show_default=True,
    help="Those that stand; of these only those whose case is not closed; or all, the cleared ones too.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    show_default=f"{SHOWN_MAX} on a terminal, else none",
    help="The latest ones, so many at most.",
)
@click.option("--explain", is_flag=True, help="Each in words: what (in Chinese too), who, why, which law, what to do.")
@click.option("--json", "as_json", is_flag=True, help="The findings as they were sent, one JSON array.")
def findings(finding: str | None, limit: int | None, explain: bool, as_json: bool, **filters: Any) -> None:
    """Show the findings that stand, from the store, or explain one.

    FINDING is an id, or its first characters: that finding is explained, whether it stands or was cleared.

    \b
    circulation findings --severity red
    circulation findings --state open --detector usage-limit --since 2026-01-01 --explain
    circulation findings 3f0c2a91
    circulation findings --json --party 91110108MA00AA017N
    """
    wanted = Wanted(**filters)
    if finding is not None and (wanted != Wanted() or limit is not None):
        raise click.UsageError("FINDING names one finding: there is nothing else to choose")
    if limit is None and not as_json and console.is_terminal(sys.stdout):
        limit = SHOWN_MAX
    with looked_at(configured()) as store, store.reading() as db:
        rows = queries.select(db, wanted, limit) if finding is None else [_the(db, finding)]
        total = len(rows) if limit is None or len(rows) < limit else queries.count(db, wanted)
        explained = queries.explain(db, rows) if explain or finding is not None else []
    if as_json:
        full = [row | {"explained": words} for row, words in zip(rows, explained, strict=True)] if explained else rows
        console.document(full if finding is None else full[0])
        return
    if not rows:
        click.echo("no findings" + (" that fit" if wanted != Wanted() else ""), err=True)
    elif explained:
        for row, words in zip(rows, explained, strict=True):
            _tell(row, words)
    else:
        console.findings_table(rows, with_state=wanted.state == "all")
    if total > len(rows):
        click.echo(f"and {total - len(rows):,} before them; --limit {total} shows all", err=True)


def _the(db: Db, text: str) -> Json:
    """The one finding that is meant."""
    rows = queries.of_id(db, text)
    if len(rows) == 1:
        return rows[0]
    if len(rows) > 1:
        ids = ", ".join(row["finding"] for row in rows[: queries.MATCHES_SHOWN_MAX])
        raise click.ClickException(f"several findings begin with {text!r}: {ids}; give more characters")
    near = hint(text, (id_[: len(text)] for id_ in queries.alike(db, text, CANDIDATES_MAX)))
    raise click.ClickException(
        f"there is no finding {text!r}{near or ';'} `circulation findings --state all` lists them with the beginning"
        f" of their ids; {queries.PREFIX_CHARACTERS_MIN} characters are enough"
    )


def _tell(row: Json, words: Mapping[str, Any]) -> None:
    click.echo(f"{row['detector']}  {row['severity']}  {row['finding'][: console.ID_CHARACTERS_SHOWN]}")
    console.paragraphs(
        [
            ("What", [text for text in (words["what"], words["what_zh"]) if text]),
            ("Rule", [text for text in (words["rule"], words["rule_zh"]) if text]),
            ("State", [words["state"], words["case"], f"Its id is {row['finding']}."]),
            ("About", f"{words['about']}, occurred {row['occurred']}"),
            ("Who", words["who"]),
            ("Evidence", [*words["evidence"], *words["evidence_zh"]]),
            ("Cause", [words["cause"], words["cause_zh"]]),
            ("Law", words["law"]),
            ("Pack", words["pack"]),
            ("Why it matters", words["why_it_matters"]),
            ("How it may be false", words["false_positives"]),
            ("What to do", words["what_to_do"]),
        ],
        severity=row["severity"],
    )
