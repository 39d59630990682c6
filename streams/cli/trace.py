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
FROM_STDIN: Final = "-"
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
    if asset == FROM_STDIN:
        if known_at is not None or form not in (None, "json"):
            raise click.UsageError(f"{FROM_STDIN} answers with JSON, by what is known now")
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

    Lines that came together are journalled together, before any is answered: a transaction for each would take longer
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
        if suggestion := hint(asset, traces.known_assets(db, pattern, CANDIDATES_MAX)):
            return suggestion
    return ""


def _show(seen: Trace) -> None:
    root = seen.asset
    click.echo(f"{console.shown(root.asset)}  {_title(root)}")
    click.echo(f"as of {seen.as_of}")
    if seen.known_at is not None:
        click.echo(f"known at {seen.known_at}")
    for heading, assets, if_empty in (
        ("Came from", seen.ancestors, ENDS[root.end] if root.end is not None else "nothing that is shown"),
        ("Became", seen.descendants, "nothing that was reported"),
    ):
        if assets is None:
            continue
        click.echo()
        if not assets:
            click.echo(f"{heading}: {if_empty}")
            continue
        depth = max(asset.distance for asset in assets)
        click.echo(f"{heading} {many(len(assets), 'asset')}, over {many(depth, 'step')}")
        console.draw(console.tree(root.asset, _branches(seen, assets, up=assets is seen.ancestors)))
    rows = [
        [
            asset.asset,
            asset.title or "–",
            asset.owner or _listed(asset.owners),
            _class(asset),
            ", ".join(_marks(asset)) or "–",
        ]
        for asset in {
            asset.asset: asset for asset in (root, *(seen.ancestors or ()), *(seen.descendants or ()))
        }.values()
    ]
    _table("Assets", ("asset", "title", "owner", "class", "notes"), rows)
    _table("On the negative list", ("asset", "entry", "disposition", "reaches it", "ways"), map(_match, seen.matches))
    holders = [
        [
            holder.party,
            holder.name or "–",
            holder.holds + (", last" if holder.last else ""),
            _listed(holder.assets),
            _listed(holder.contracts),
            _listed(holder.controllers),
        ]
        for holder in seen.holders
    ]
    _table("Holders", ("party", "name", "holds as", "assets", "contracts", "controlled by"), holders)
    heads = [
        [controller.party, controller.name or "–", controller.side, _listed(controller.parties)]
        for controller in seen.controllers
    ]
    _table("Ultimate controllers", ("party", "name", "side", "of"), heads)
    _table(
        "Contracts in force",
        ("contract", "asset", "seller", "buyer", "until", "delivered to", "countries"),
        map(_contract, seen.contracts),
    )
    rights = [right for right in seen.rights if right.asset == root.asset or right.by != "registration"]
    _table("By what right", ("asset", "right", "party", "state", "by"), map(_right, rights))
    if plain := len(seen.rights) - len(rights):
        click.echo(f"and {plain:,} of owners, by registration; --json has all")
    went = [
        [
            country.country,
            country.exports,
            country.deliveries,
            country.first[:10],
            country.last[:10],
            _listed(country.assets),
        ]
        for country in seen.countries
    ]
    _table("Went abroad, or to a named country", ("country", "exports", "deliveries", "first", "last", "assets"), went)
    marks = [row for watermark in seen.watermarks for row in _sighted(watermark)]
    _table("Watermarks", ("watermark", "asset", "delivered to", "seen with", "when", "may have come by"), marks)
    columns = [
        [column.column, column.output, column.input_column, column.input, ", ".join(column.how) or "–"]
        for column in seen.columns
    ]
    _table("Columns", ("column", "of", "came from", "of", "how"), columns)
    missing = [run for run in seen.runs if run.state != "completed"]
    rows = [
        [run.run, run.job or "–", run.state, run.time, _listed(run.outputs), _listed(run.attempted)] for run in missing
    ]
    title = "Runs that did not complete, or were never heard of"
    _table(title, ("run", "job", "state", "since", "writes", "attempted from"), rows)
    for cut in seen.cut_off:
        click.echo(f"cut off: {cut.of}, beyond {cut.name} = {cut.maximum:,}", err=True)


def _table(title: str, columns: Sequence[str], lines: Any) -> None:
    rows = list(lines)
    if rows:
        click.echo()
        console.table(columns, rows[:ROWS_SHOWN_MAX], title=title)
        if len(rows) > ROWS_SHOWN_MAX:
            click.echo(f"and {len(rows) - ROWS_SHOWN_MAX:,} more; --json has all")


def _branches(seen: Trace, assets: Sequence[Asset], *, up: bool) -> dict[str, list[tuple[str, str]]]:
    shown = {seen.asset.asset: seen.asset} | {asset.asset: asset for asset in assets}
    matched = {match.asset for match in seen.matches}
    branches: dict[str, list[tuple[str, str]]] = {}
    for step in seen.derivations:
        above, below = (step.output, step.input) if up else (step.input, step.output)
        if above in shown and below in shown and above != below:
            asset = shown[below]
            note = [_share(asset)] if up and asset.share is not None else []
            if below in matched:
                note.append("ON THE NEGATIVE LIST")
            if not asset.registered and not asset.end:
                note.append("not registered")
            if asset.end is not None:
                note.append(ENDS[asset.end])
            if step.same:
                note.append("another name")
            if step.stops:
                note.append("irreversible step")
            branches.setdefault(above, []).append((below, ", ".join(note)))
    return branches


def _share(asset: Asset) -> str:
    percent = f"{(asset.share or 0) * 100:.4g} %"
    return ("at least " if asset.at_least else "") + percent + (" assumed" if asset.assumed else "")


def _title(asset: Asset) -> str:
    return console.shown(asset.title) if asset.title else "(nothing registered)"


def _class(asset: Asset) -> str:
    """Level and kind of persons, what is usual left out."""
    words = [
        asset.level,
        None if asset.personal in (None, "none") else asset.personal,
        "public" if asset.public else None,
    ]
    return ", ".join(word for word in words if word) or "–"


def _marks(asset: Asset) -> list[str]:
    marks = []
    if asset.share is not None:
        marks.append(_share(asset))
    if not asset.registered:
        marks.append("not registered")
    if asset.withdrawn:
        marks.append(f"withdrawn {asset.withdrawn[:10]}")
    if asset.end is not None:
        marks.append(ENDS[asset.end])
    if asset.stopped:
        marks.append("irreversible")
    return marks


def _match(match: Match) -> list[object]:
    ways = ["itself" if len(path) == 1 else " → ".join(path) for path in match.paths[:PATHS_SHOWN_MAX]]
    rest = len(match.paths) - len(ways)
    more = f" and {'at least ' if match.more else ''}{rest} more" if rest or match.more else ""
    return [
        match.asset,
        f"{match.entry} ({match.title})",
        match.disposition,
        _yes(match.inherited),
        "; ".join(ways) + more,
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no: irreversible"


def _contract(contract: Contract) -> list[object]:
    until = "–" if contract.valid_to is None else contract.valid_to[:10]
    resale = " (may resell)" if contract.resale else ""
    sold = [contract.contract, contract.asset, contract.seller, contract.buyer + resale, until]
    return [*sold, _listed(contract.recipients), _listed(contract.countries)]


def _right(right: Right) -> list[object]:
    if right.by == "registration":
        by = "registration" + (f", certificate {right.certificate}" if right.certificate else "")
    elif right.by == "grant":
        until = "" if right.valid_to is None else f" until {right.valid_to[:10]}"
        gone = "" if right.revoked is None else f", revoked {right.revoked[:10]}"
        by = f"{right.kind} {right.grant}, from {(right.valid_from or '')[:10]}{until}{gone}"
    else:
        by = "–"
    return [right.asset, right.right, right.party, right.state, by]


def _sighted(mark: Watermark) -> list[list[object]]:
    to = _listed(list(dict.fromkeys(f"{delivery.recipient} ({delivery.contract})" for delivery in mark.deliveries)))
    head: list[object] = [mark.watermark, mark.asset, to]
    rows = []
    for sighting in mark.sightings:
        way = " → ".join(sighting.chain) or ("–" if sighting.permitted else "no contract leads there")
        if sighting.permitted is None:
            way = "no such delivery was reported"
        elif not sighting.permitted:
            way += ", not permitted"
        if sighting.related:
            way += f"; same group as {_listed(sighting.related)}"
        rows.append([*head, f"{sighting.holder}, {sighting.place}", sighting.time[:10], way])
    return rows or [[*head, "–", "–", "–"]]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {rest} more" if rest > 0 else "") or "–"
