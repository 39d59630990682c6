"""Commands that look into the store: `circulation findings` and `circulation trace`."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import msgspec
from click.shell_completion import CompletionItem

import detectors
from circulation.calendar import parse_instant
from circulation.findings import SEVERITIES
from circulation.near import hint
from circulation.rulepack import MODES
from streams import console, found
from streams import trace as traces
from streams.cli import configured, looked_at
from streams.found import Json, Wanted
from streams.store import Db

# What a terminal is given unless it asks for more; a pipe gets all.
SHOWN_MAX: Final = 100
CANDIDATES_MAX: Final = 2_000


class Detector(click.ParamType):
    """The id of a detector: completed by the shell, and with near ones in the error."""

    name = "detector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id, if there is such a detector."""
        if value not in detectors.RULES:
            self.fail(f"there is no detector {value!r}{hint(value, detectors.RULES)}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The detectors that begin so, with their titles."""
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
@click.option("--mode", type=click.Choice([one for one in MODES if one != "off"]), help="Only of this mode.")
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
@click.option("--explain", is_flag=True, help="Each in words: who, why, which law, what to do.")
@click.option("--json", "as_json", is_flag=True, help="The findings as they were sent, one JSON array.")
def findings(finding: str | None, limit: int | None, explain: bool, as_json: bool, **given: Any) -> None:
    """Show the findings that stand, from the store, or explain one.

    FINDING is an id, or its first characters: that finding is explained, whether it stands or was cleared.

    \b
    circulation findings --severity red
    circulation findings --state open --detector usage-limit --since 2026-01-01 --explain
    circulation findings 3f0c2a91
    circulation findings --json --party 91110108MA00AA017N
    """
    wanted = Wanted(**given)
    if finding is not None and (wanted != Wanted() or limit is not None):
        raise click.UsageError("FINDING names one finding: there is nothing else to choose")
    if limit is None and not as_json and console.is_terminal(sys.stdout):
        limit = SHOWN_MAX
    with looked_at(configured()) as store, store.reading() as db:
        rows = found.those(db, wanted, limit) if finding is None else [_the(db, finding)]
        total = len(rows) if limit is None or len(rows) < limit else found.count(db, wanted)
        explained = found.explain(db, rows) if explain or finding is not None else []
    if as_json:
        full = [one | {"explained": words} for one, words in zip(rows, explained, strict=True)] if explained else rows
        console.document(full if finding is None else full[0])
        return
    if not rows:
        click.echo("no findings" + (" that fit" if wanted != Wanted() else ""), err=True)
    elif explained:
        for one, words in zip(rows, explained, strict=True):
            _tell(one, words)
    else:
        console.findings_table(rows, with_state=wanted.state == "all")
    if total > len(rows):
        click.echo(f"and {total - len(rows):,} before them; --limit {total} shows all", err=True)


def _the(db: Db, text: str) -> Json:
    """The one finding that is meant."""
    rows = found.of_id(db, text)
    if len(rows) == 1:
        return rows[0]
    if len(rows) > 1:
        ids = ", ".join(one["finding"] for one in rows[: found.MATCHES_SHOWN_MAX])
        raise click.ClickException(f"several findings begin with {text!r}: {ids}; give more characters")
    alike = db.rows("select finding from findings where finding like ? limit ?", text[:2] + "%", CANDIDATES_MAX)
    near = hint(text, (row[0][: len(text)] for row in alike))
    raise click.ClickException(
        f"there is no finding {text!r}{near or ';'} `circulation findings --state all` lists them with the beginning"
        f" of their ids; {found.PREFIX_CHARACTERS_MIN} characters are enough"
    )


def _tell(one: Json, words: Mapping[str, Any]) -> None:
    click.echo(f"{one['detector']}  {one['severity']}  {one['finding'][: console.ID_CHARACTERS_SHOWN]}")
    console.paragraphs(
        [
            ("What", words["what"]),
            ("Rule", words["rule"]),
            ("State", [words["state"], words["case"], f"Its id is {one['finding']}."]),
            ("About", f"{words['about']}, occurred {one['occurred']}"),
            ("Who", words["who"]),
            ("Evidence", words["evidence"]),
            ("Cause", words["cause"]),
            ("Law", words["law"]),
            ("Pack", words["pack"]),
            ("Why it matters", words["why_it_matters"]),
            ("How it may be false", words["false_positives"]),
            ("What to do", words["what_to_do"]),
        ],
        severity=one["severity"],
    )


@click.command()
@click.argument("asset", required=False)
@click.option("--up", is_flag=True, help="Only what it came from.")
@click.option("--down", is_flag=True, help="Only what came of it.")
@click.option(
    "--as-of", metavar="INSTANT", type=Instant(), help="As it was then, by what is known now; without it, as it is."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document; --schema describes it.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what --json writes.")
def trace(asset: str | None, up: bool, down: bool, as_of: int | None, as_json: bool, schema: bool) -> None:
    """Look through an ASSET: what it came from, what came of it, who holds it.

    Over any number of derivations: ancestors with the share of the asset that came from each, descendants, owners and
    buyers under contracts in force with those who control them, and the countries to which any of it went. Shares
    multiply along a way and add up over all ways; inputs whose share nobody stated divide evenly what is left, which
    is marked as assumed. What lies beyond a limit (10,000 assets each way) is said to be cut off, and shares that it
    may add to are said to be at least what they are.

    \b
    circulation trace asset-1
    circulation trace asset-1 --up --as-of 2026-01-01
    circulation trace postgres://warehouse/public.orders --json
    """
    if schema:
        console.document(traces.schema())
        return
    if asset is None:
        raise click.UsageError("name an ASSET")
    at = time.time_ns() // 1000 if as_of is None else as_of
    with looked_at(configured()) as store, store.reading() as db:
        if not traces.is_known(db, asset):
            raise click.ClickException(f"nothing is known of the asset {asset!r}{_hint(db, asset)}")
        seen = traces.look_through(db, asset, at, up=up or not down, down=down or not up)
    if as_json:
        console.document(msgspec.to_builtins(seen))
    else:
        _show(seen)


def _hint(db: Db, asset: str) -> str:
    """Near ids: of those that begin alike, else of those that hold the word."""
    for pattern in (f"{asset[:3]}%", f"%{asset}%"):
        if said := hint(asset, traces.known_assets(db, pattern, CANDIDATES_MAX)):
            return said
    return ""


def _show(seen: traces.Trace) -> None:
    root = seen.asset
    click.echo(f"{console.shown(root.asset)}  {_title(root)}")
    click.echo(f"as of {seen.as_of}")
    for heading, assets, none in (
        ("Came from", seen.up, "nothing that was reported: it is a source"),
        ("Became", seen.down, "nothing that was reported"),
    ):
        if assets is None:
            continue
        click.echo()
        if not assets:
            click.echo(f"{heading}: {none}")
            continue
        depth = max(one.distance for one in assets)
        click.echo(f"{heading} {_many(len(assets), 'asset')}, over {_many(depth, 'step')}")
        console.draw(console.tree(root.asset, _branches(seen, assets, up=assets is seen.up)))
    rows = [
        [one.asset, one.title or "–", one.owner or "–", _class(one), ", ".join(_marks(one)) or "–"]
        for one in {one.asset: one for one in (root, *(seen.up or ()), *(seen.down or ()))}.values()
    ]
    _table("Assets", ("asset", "title", "owner", "class", "notes"), rows)
    holders = [
        [one.party, one.name or "–", one.holds, _listed(one.assets), _listed(one.contracts), _listed(one.controllers)]
        for one in seen.holders
    ]
    _table("Holders", ("party", "name", "holds as", "assets", "contracts", "controlled by"), holders)
    went = [
        [one.country, one.exports, one.deliveries, one.first[:10], one.last[:10], _listed(one.assets)]
        for one in seen.countries
    ]
    _table("Went abroad, or to a named country", ("country", "exports", "deliveries", "first", "last", "assets"), went)
    for cut in seen.cut_off:
        click.echo(f"cut off: {cut.of}, beyond {cut.name} = {cut.maximum:,}", err=True)


NAMES_SHOWN_MAX: Final = 5
ROWS_SHOWN_MAX: Final = 200


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        click.echo()
        console.table(columns, rows[:ROWS_SHOWN_MAX], title=title)
        if len(rows) > ROWS_SHOWN_MAX:
            click.echo(f"and {len(rows) - ROWS_SHOWN_MAX:,} more; --json has all")


def _branches(seen: traces.Trace, assets: Sequence[traces.Asset], *, up: bool) -> dict[str, list[tuple[str, str]]]:
    shown = {seen.asset.asset: seen.asset} | {one.asset: one for one in assets}
    found: dict[str, list[tuple[str, str]]] = {}
    for step in seen.derivations:
        above, below = (step.output, step.input) if up else (step.input, step.output)
        if above in shown and below in shown and above != below:
            one = shown[below]
            note = [_share(one)] if up and one.share is not None else []
            if not one.registered:
                note.append("not registered")
            if step.stops:
                note.append("irreversible step")
            found.setdefault(above, []).append((below, ", ".join(note)))
    return found


def _share(one: traces.Asset) -> str:
    said = f"{(one.share or 0) * 100:.4g} %"
    return ("at least " if one.at_least else "") + said + (" assumed" if one.assumed else "")


def _title(one: traces.Asset) -> str:
    return console.shown(one.title) if one.title else "(nothing registered)"


def _class(one: traces.Asset) -> str:
    """Level and kind of persons, what is usual left out."""
    said = [one.level, None if one.personal in (None, "none") else one.personal, "public" if one.public else None]
    return ", ".join(word for word in said if word) or "–"


def _marks(one: traces.Asset) -> list[str]:
    found = []
    if one.share is not None:
        found.append(_share(one))
    if not one.registered:
        found.append("not registered")
    if one.withdrawn:
        found.append(f"withdrawn {one.withdrawn[:10]}")
    if one.source:
        found.append("source")
    if one.stopped:
        found.append("irreversible")
    return found


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {rest} more" if rest > 0 else "") or "–"


def _many(count: int, of: str) -> str:
    return f"{count:,} {of}" + ("" if count == 1 else "s")
