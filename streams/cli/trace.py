"""`circulation trace` looks through an asset."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final

import click
import msgspec
import orjson

import detectors
from circulation.near import hint
from circulation.words import many
from streams import console
from streams.answers import drawings
from streams.answers import trace as traces
from streams.answers.lineage_cache import Held
from streams.answers.trace_document import Asset, Contract, Match, Right, Trace, Watermark
from streams.cli.findings import CANDIDATES_MAX, Instant
from streams.cli.inputs import configured
from streams.cli.store import looked_at, looking
from streams.facts.rulebook import Rulebook, start
from streams.health.store_clock import of_store
from streams.store.db import Db

NAMES_SHOWN_MAX: Final = 5
ROWS_SHOWN_MAX: Final = 200
PATHS_SHOWN_MAX: Final = 3
# In the place of an id: ids are read from standard input.
MANY: Final = "-"
# How old lineage in memory may be where it answers.
FRESH_SECONDS: Final = 1.0
# Of standard input that is there already so much is taken at once.
BLOCK_BYTES: Final = 1 << 16

# Why nothing is known of what an asset came from, as a person reads it.
ENDS: Final = {
    "collected": "source: collected or generated",
    "unstated": "source, its origin not stated",
    "unknown": "SOURCE UNKNOWN: derived or acquired, nobody said from what",
    "unregistered": "SOURCE UNKNOWN: not registered",
    "run-not-completed": "SOURCE UNKNOWN: a run that writes it has not completed",
    "cut-off": "cut off here",
}
FORMATS: Final[dict[str, Callable[[Trace], str]]] = {
    "dot": drawings.dot,
    "mermaid": drawings.mermaid,
    "html": drawings.html,
    "prov": drawings.prov,
}


@click.command()
@click.argument("asset", required=False)
@click.option("--up", is_flag=True, help="Only what it came from.")
@click.option("--down", is_flag=True, help="Only what came of it.")
@click.option("--as-of", metavar="INSTANT", type=Instant(), help="As it was then; without it, as it is.")
@click.option(
    "--known-at", metavar="INSTANT", type=Instant(), help="By what had been taken in by then; without it, by all."
)
@click.option("--json", "form", flag_value="json", help="One JSON document; --schema describes it.")
@click.option("--dot", "form", flag_value="dot", help="A graph for Graphviz.")
@click.option("--mermaid", "form", flag_value="mermaid", help="A graph for Mermaid, as Markdown pages show it.")
@click.option("--html", "form", flag_value="html", help="One page that needs nothing else: a graph to click through.")
@click.option("--prov", "form", flag_value="prov", help="W3C PROV, as PROV-JSON.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what --json writes.")
def trace(
    asset: str | None,
    up: bool,
    down: bool,
    as_of: int | None,
    known_at: int | None,
    form: str | None,
    schema: bool,
) -> None:
    """Look through an ASSET: what it came from, what came of it, who holds it.

    Over any number of derivations: ancestors with the share of the asset that came from each, those that the negative
    list names with the ways from there, descendants, owners and buyers under contracts in force with those who control
    them, by what right they hold, process and operate it, the countries to which any of it went, and where its
    watermarks were seen. Shares multiply along a way and add up over all ways; inputs whose share nobody stated divide
    evenly what is left, which is marked as assumed. What lies beyond a limit (10,000 assets each way) is said to be cut
    off, and shares that it may add to are said to be at least what they are.

    With - for ASSET, ids are read from standard input, a line each, and answered one after another, a line of JSON
    each, from all derivations held in memory: it begins some seconds later, and then answers in milliseconds.

    --as-of asks how things were, --known-at what one could know: what came in later, or was taken back later, does not
    count then.

    \b
    circulation trace asset-1
    circulation trace asset-1 --up --as-of 2026-01-01
    circulation trace asset-1 --as-of 2026-01-01 --known-at 2026-01-15
    circulation trace asset-1 --html > asset-1.html
    circulation trace postgres://warehouse/public.orders --json
    cat assets.txt | circulation trace -
    """
    if schema:
        console.document(traces.schema())
        return
    if asset is None:
        raise click.UsageError("name an ASSET")
    settings = configured()
    if asset == MANY:
        if known_at is not None or form not in (None, "json"):
            raise click.UsageError(f"{MANY} answers with JSON, by what is known now")
        with looked_at(settings, noted=False) as store, store.reading() as db, looking(settings) as look:
            rulebook = Rulebook(*start(settings, detectors.RULES))
            _each(
                db,
                rulebook,
                lambda: of_store(db, settings) if as_of is None else as_of,
                look,
                up=up or not down,
                down=down or not up,
            )
        return
    with looked_at(settings) as store, store.reading() as db:
        if not traces.is_known(db, asset):
            raise click.ClickException(f"nothing is known of the asset {asset!r}{_hint(db, asset)}")
        packs = Rulebook(*start(settings, detectors.RULES)).known(db, known_at)
        at = of_store(db, settings) if as_of is None else as_of
        seen = traces.look_through(
            db, asset, at, up=up or not down, down=down or not up, known_at=known_at, packs=packs
        )
    if form == "json":
        console.document(msgspec.to_builtins(seen))
    elif form is not None:
        click.echo(FORMATS[form](seen), nl=False)
    else:
        _show(seen)


def _each(
    db: Db,
    rulebook: Rulebook,
    as_of: Callable[[], int],
    look: Callable[[Sequence[str]], None],
    *,
    up: bool,
    down: bool,
) -> None:
    """Answers each line of standard input; what nothing names is said to be `unknown`.

    What came at once is written down at once, before any of it is answered: a transaction for each would take longer
    than its answer.
    """
    lineage = Held(db)
    refreshed = time.monotonic()
    for asset in _asked(click.get_binary_stream("stdin"), look):
        if time.monotonic() - refreshed > FRESH_SECONDS:
            lineage.refresh(db)
            refreshed = time.monotonic()
        seen = None
        if traces.is_known(db, asset):
            packs = rulebook.known(db, None)
            seen = traces.look_through(db, asset, as_of(), up=up, down=down, lineage=lineage, packs=packs)
        answer = {"asset": {"asset": asset}, "unknown": True} if seen is None else msgspec.to_builtins(seen)
        click.echo(orjson.dumps(answer, option=orjson.OPT_SORT_KEYS))


def _asked(stdin: BinaryIO, look: Callable[[Sequence[str]], None]) -> Iterator[str]:
    """The ids on standard input, after they have been written down."""
    rest = b""
    while block := stdin.read1(BLOCK_BYTES):  # type: ignore[attr-defined]  # it is always buffered
        *lines, rest = (rest + block).split(b"\n")
        yield from _told(lines, look)
    yield from _told([rest], look)


def _told(lines: Iterable[bytes], look: Callable[[Sequence[str]], None]) -> list[str]:
    assets = [asset for line in lines if (asset := line.decode(errors="replace").rstrip("\r"))]
    if assets:
        look(assets)
    return assets


def _hint(db: Db, asset: str) -> str:
    """Near ids: of those that begin alike, else of those that hold the word."""
    for pattern in (f"{asset[:3]}%", f"%{asset}%"):
        if said := hint(asset, traces.known_assets(db, pattern, CANDIDATES_MAX)):
            return said
    return ""


def _show(seen: Trace) -> None:
    root = seen.asset
    click.echo(f"{console.shown(root.asset)}  {_title(root)}")
    click.echo(f"as of {seen.as_of}")
    if seen.known_at is not None:
        click.echo(f"known at {seen.known_at}")
    for heading, assets, none in (
        ("Came from", seen.ancestors, ENDS[root.end] if root.end is not None else "nothing that is shown"),
        ("Became", seen.descendants, "nothing that was reported"),
    ):
        if assets is None:
            continue
        click.echo()
        if not assets:
            click.echo(f"{heading}: {none}")
            continue
        depth = max(one.distance for one in assets)
        click.echo(f"{heading} {many(len(assets), 'asset')}, over {many(depth, 'step')}")
        console.draw(console.tree(root.asset, _branches(seen, assets, up=assets is seen.ancestors)))
    rows = [
        [one.asset, one.title or "–", one.owner or _listed(one.owners), _class(one), ", ".join(_marks(one)) or "–"]
        for one in {one.asset: one for one in (root, *(seen.ancestors or ()), *(seen.descendants or ()))}.values()
    ]
    _table("Assets", ("asset", "title", "owner", "class", "notes"), rows)
    _table("On the negative list", ("asset", "entry", "disposition", "reaches it", "ways"), map(_match, seen.matches))
    holders = [
        [
            one.party,
            one.name or "–",
            one.holds + (", last" if one.last else ""),
            _listed(one.assets),
            _listed(one.contracts),
            _listed(one.controllers),
        ]
        for one in seen.holders
    ]
    _table("Holders", ("party", "name", "holds as", "assets", "contracts", "controlled by"), holders)
    heads = [[one.party, one.name or "–", one.side, _listed(one.parties)] for one in seen.controllers]
    _table("Ultimate controllers", ("party", "name", "side", "of"), heads)
    _table(
        "Contracts in force",
        ("contract", "asset", "seller", "buyer", "until", "delivered to", "countries"),
        map(_contract, seen.contracts),
    )
    told = [one for one in seen.rights if one.asset == root.asset or one.by != "registration"]
    _table("By what right", ("asset", "right", "party", "state", "by"), map(_right, told))
    if plain := len(seen.rights) - len(told):
        click.echo(f"and {plain:,} of owners, by registration; --json has all")
    went = [
        [one.country, one.exports, one.deliveries, one.first[:10], one.last[:10], _listed(one.assets)]
        for one in seen.countries
    ]
    _table("Went abroad, or to a named country", ("country", "exports", "deliveries", "first", "last", "assets"), went)
    marks = [row for one in seen.watermarks for row in _sighted(one)]
    _table("Watermarks", ("watermark", "asset", "delivered to", "seen with", "when", "may have come by"), marks)
    columns = [[one.column, one.output, one.input_column, one.input, ", ".join(one.how) or "–"] for one in seen.columns]
    _table("Columns", ("column", "of", "came from", "of", "how"), columns)
    missing = [one for one in seen.runs if one.state != "completed"]
    rows = [
        [one.run, one.job or "–", one.state, one.time, _listed(one.outputs), _listed(one.attempted)] for one in missing
    ]
    title = "Runs that did not complete, or were never heard of"
    _table(title, ("run", "job", "state", "since", "writes", "attempted from"), rows)
    for cut in seen.cut_off:
        click.echo(f"cut off: {cut.of}, beyond {cut.name} = {cut.maximum:,}", err=True)


def _table(title: str, columns: Sequence[str], given: Any) -> None:
    rows = list(given)
    if rows:
        click.echo()
        console.table(columns, rows[:ROWS_SHOWN_MAX], title=title)
        if len(rows) > ROWS_SHOWN_MAX:
            click.echo(f"and {len(rows) - ROWS_SHOWN_MAX:,} more; --json has all")


def _branches(seen: Trace, assets: Sequence[Asset], *, up: bool) -> dict[str, list[tuple[str, str]]]:
    shown = {seen.asset.asset: seen.asset} | {one.asset: one for one in assets}
    matched = {one.asset for one in seen.matches}
    found: dict[str, list[tuple[str, str]]] = {}
    for step in seen.derivations:
        above, below = (step.output, step.input) if up else (step.input, step.output)
        if above in shown and below in shown and above != below:
            one = shown[below]
            note = [_share(one)] if up and one.share is not None else []
            if below in matched:
                note.append("ON THE NEGATIVE LIST")
            if not one.registered and not one.end:
                note.append("not registered")
            if one.end is not None:
                note.append(ENDS[one.end])
            if step.same:
                note.append("another name")
            if step.stops:
                note.append("irreversible step")
            found.setdefault(above, []).append((below, ", ".join(note)))
    return found


def _share(one: Asset) -> str:
    said = f"{(one.share or 0) * 100:.4g} %"
    return ("at least " if one.at_least else "") + said + (" assumed" if one.assumed else "")


def _title(one: Asset) -> str:
    return console.shown(one.title) if one.title else "(nothing registered)"


def _class(one: Asset) -> str:
    """Level and kind of persons, what is usual left out."""
    said = [one.level, None if one.personal in (None, "none") else one.personal, "public" if one.public else None]
    return ", ".join(word for word in said if word) or "–"


def _marks(one: Asset) -> list[str]:
    found = []
    if one.share is not None:
        found.append(_share(one))
    if not one.registered:
        found.append("not registered")
    if one.withdrawn:
        found.append(f"withdrawn {one.withdrawn[:10]}")
    if one.end is not None:
        found.append(ENDS[one.end])
    if one.stopped:
        found.append("irreversible")
    return found


def _match(one: Match) -> list[object]:
    ways = ["itself" if len(path) == 1 else " → ".join(path) for path in one.paths[:PATHS_SHOWN_MAX]]
    rest = len(one.paths) - len(ways)
    more = f" and {'at least ' if one.more else ''}{rest} more" if rest or one.more else ""
    return [one.asset, f"{one.entry} ({one.title})", one.disposition, _yes(one.inherited), "; ".join(ways) + more]


def _yes(value: bool) -> str:
    return "yes" if value else "no: irreversible"


def _contract(one: Contract) -> list[object]:
    until = "–" if one.valid_to is None else one.valid_to[:10]
    resale = " (may resell)" if one.resale else ""
    sold = [one.contract, one.asset, one.seller, one.buyer + resale, until]
    return [*sold, _listed(one.recipients), _listed(one.countries)]


def _right(one: Right) -> list[object]:
    if one.by == "registration":
        by = "registration" + (f", certificate {one.certificate}" if one.certificate else "")
    elif one.by == "grant":
        until = "" if one.valid_to is None else f" until {one.valid_to[:10]}"
        gone = "" if one.revoked is None else f", revoked {one.revoked[:10]}"
        by = f"{one.kind} {one.grant}, from {(one.valid_from or '')[:10]}{until}{gone}"
    else:
        by = "–"
    return [one.asset, one.right, one.party, one.state, by]


def _sighted(mark: Watermark) -> list[list[object]]:
    to = _listed(list(dict.fromkeys(f"{one.recipient} ({one.contract})" for one in mark.deliveries)))
    head: list[object] = [mark.watermark, mark.asset, to]
    rows = []
    for one in mark.sightings:
        way = " → ".join(one.chain) or ("–" if one.permitted else "no contract leads there")
        if one.permitted is None:
            way = "no such delivery was reported"
        elif not one.permitted:
            way += ", not permitted"
        if one.related:
            way += f"; same group as {_listed(one.related)}"
        rows.append([*head, f"{one.holder}, {one.place}", one.time[:10], way])
    return rows or [[*head, "–", "–", "–"]]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {rest} more" if rest > 0 else "") or "–"
