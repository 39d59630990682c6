"""`circulation impact` and `circulation party`: whom a step would reach, and who belongs to whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec

import detectors
from circulation.events.names import PARTIES
from circulation.facts.grades import CLASSES, LEVELS
from circulation.near import hint
from circulation.packs.entry import Entry
from circulation.packs.in_force import Packs
from circulation.packs.problems import PackInvalid
from circulation.words import many
from streams import console
from streams.answers import impact, impact_document, parties, trace
from streams.answers.impact import Regrade
from streams.answers.impact_document import Impact, Kind
from streams.answers.parties import Group
from streams.cli.findings import CANDIDATES_MAX, Instant
from streams.cli.groups import Refused
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.facts.rulebook import Rulebook, read_pack, start
from streams.health.store_clock import of_store
from streams.store.db import Db

ROWS_SHOWN_MAX: Final = 200


@click.command("impact")
@click.argument("what", metavar="ASSET|ENTRY|GRANT", required=False)
@click.option("--kind", type=click.Choice(get_args(Kind)), help="What it is, where an id may be several things.")
@click.option("--holder", metavar="PARTY", help="Whose GRANT, where several parties have one of this id.")
@click.option("--level", type=click.Choice(list(LEVELS)), help="The level that the ASSET is to be graded.")
@click.option("--personal", type=click.Choice(list(CLASSES)), help="The class that the ASSET is to be graded.")
@click.option(
    "--rules",
    metavar="PACK.yaml",
    type=click.Path(path_type=Path),
    help="Look for the ENTRY in this pack, before it is published; without it, in the pack in force.",
)
@click.option("--as-of", metavar="INSTANT", type=Instant(), help="As things were then; without it, as they are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document; --schema describes it.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what --json writes.")
def impact_(
    what: str | None,
    kind: Kind | None,
    holder: str | None,
    level: str | None,
    personal: str | None,
    rules: Path | None,
    as_of: int | None,
    as_json: bool,
    schema: bool,
) -> None:
    """Say what a step would reach, before it is taken: which assets, listings, contracts and parties.

    Of an ASSET: all that is derived from it, before it is regraded, delisted or withdrawn; with --level or --personal,
    what would be graded below it. Of an ENTRY of the negative list: all that it matches and all that inherits that,
    before it is published. Of a GRANT: what its holder does by it, before it is revoked. Nothing is changed.

    \b
    circulation impact genome-archive --level core
    circulation impact NL-27
    circulation impact no-minors --rules next.yaml --json
    circulation impact grant-7 --holder 91110108MA00AA017N
    """
    if schema:
        console.document(impact_document.schema())
        return
    if what is None:
        raise click.UsageError("name an ASSET, an ENTRY or a GRANT")
    settings = configured()
    if rules is not None:
        kind = "entry"
        try:
            packs = Packs.always(read_pack(rules.read_bytes(), detectors.RULES))
        except OSError as error:
            raise Refused(f"{rules}: {error.strerror}") from error
        except PackInvalid as invalid:
            raise Refused("\n".join(f"{rules}: {one}" for one in invalid.problems)) from invalid
    with looked_at(settings) as store, store.reading() as db:
        at = of_store(db, settings) if as_of is None else as_of
        if rules is None:
            packs = Rulebook(*start(settings, detectors.RULES)).known(db, None)
        entries = {one.id: one for one in packs.in_force(at).negative_list}
        found = _found(db, what, kind, holder, entries, at, Regrade(level, personal))
    if as_json:
        console.document(msgspec.to_builtins(found))
    else:
        _show(found)


def _found(
    db: Db, what: str, kind: Kind | None, holder: str | None, entries: dict[str, Entry], at: int, regrade: Regrade
) -> Impact:
    kinds: list[Kind] = []
    if kind in (None, "asset") and trace.is_known(db, what):
        kinds.append("asset")
    if kind in (None, "entry") and what in entries:
        kinds.append("entry")
    # A grant is looked for where nothing else bears the id: all that were issued have to be read for it.
    grants = impact.grants(db, what) if kind == "grant" or not kinds else []
    if grants:
        kinds.append("grant")
    if len(kinds) > 1:
        raise click.UsageError(f"{what!r} is {' and '.join(kinds)}: say which with --kind")
    if kinds == ["asset"]:
        return impact.of_asset(db, what, at, regrade if any(regrade) else None)
    if any(regrade):
        raise click.UsageError("--level and --personal are of an ASSET")
    if kinds == ["entry"]:
        return impact.of_entry(db, entries[what], at)
    mine = [one for one in grants if holder in (None, one[0])]
    if len(mine) > 1:
        raise click.UsageError(f"several parties hold a grant {what!r}: name one with --holder ({_some(mine)})")
    if not mine:
        names = (
            "assets, entries or grants" if kind is None else {"asset": "assets", "entry": "entries"}.get(kind, "grants")
        )
        known = [*entries, *trace.known_assets(db, f"{what[:3]}%", CANDIDATES_MAX)]
        raise click.ClickException(f"there is nothing called {what!r} among the {names}{hint(what, known)}")
    return impact.of_grant(db, *mine[0], at)


def _some(grants: Sequence[tuple[str, Any]]) -> str:
    return ", ".join(holder for holder, _ in grants[:5])


def _show(found: Impact) -> None:
    click.echo(f"{found.kind} {console.shown(found.id)}  {console.shown(found.title or '')}".rstrip())
    click.echo(f"as of {found.as_of}")
    counts = (
        many(len(found.assets), "asset"),
        many(len(found.listings), "listing"),
        many(len(found.contracts), "contract"),
        many(len(found.parties), "party", "parties"),
    )
    click.echo("reaches " + ", ".join(counts))
    assets = [
        [
            one.asset,
            one.title or "–",
            one.owner or "–",
            one.distance,
            ", ".join(
                word
                for word, holds in (("irreversible", one.stopped), ("WOULD BE GRADED BELOW IT", one.below))
                if holds
            )
            or "–",
            " → ".join(one.path),
        ]
        for one in found.assets
    ]
    _table("Assets", ("asset", "title", "owner", "steps", "notes", "by"), assets)
    listings = [[one.product, one.asset, one.seller, _satisfied(one.satisfied)] for one in found.listings]
    _table("Listings", ("product", "asset", "seller", "notes"), listings)
    contracts = [
        [one.contract, one.asset, one.seller, one.buyer, (one.valid_to or "–")[:10], _satisfied(one.satisfied)]
        for one in found.contracts
    ]
    _table("Contracts in force", ("contract", "asset", "seller", "buyer", "until", "notes"), contracts)
    concerned = [[one.party, one.name or "–", ", ".join(one.roles), one.controller] for one in found.parties]
    _table("Parties", ("party", "name", "as", "controlled by"), concerned)
    if found.undecided:
        _table("It cannot be told of these, which circulate", ("asset",), [[one] for one in found.undecided])
    if found.kind == "grant":
        click.echo()
        click.echo(f"exports that name it: {found.exports:,}")
        click.echo(f"valid grants that cover the same: {', '.join(map(console.shown, found.instead)) or 'none'}")
    for name in found.cut_off:
        click.echo(f"cut off at {name}", err=True)


def _satisfied(value: bool) -> str:
    return "satisfied by a grant" if value else "–"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        click.echo()
        console.table(columns, rows[:ROWS_SHOWN_MAX], title=title)
        if len(rows) > ROWS_SHOWN_MAX:
            click.echo(f"and {len(rows) - ROWS_SHOWN_MAX:,} more; --json has all")


@click.command("party")
@click.argument("party", required=False)
@click.option("--as-of", metavar="INSTANT", type=Instant(), help="As it was then; without it, as it is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document; --schema describes it.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what --json writes.")
def party_(party: str | None, as_of: int | None, as_json: bool, schema: bool) -> None:
    """Show a PARTY with its group: who controls whom, what they hold, what it comes to together.

    The group are all that have the same head; of parties that control each other in a circle the smallest id stands
    for all. Limits are summed over the contracts in force under which the group buys, exports over each calendar year
    as the rules on exports count them.

    \b
    circulation party 91110108MA00AA017N
    circulation party scheme:group --as-of 2026-01-01 --json
    """
    if schema:
        console.document(parties.schema())
        return
    if party is None:
        raise click.UsageError("name a PARTY")
    settings = configured()
    with looked_at(settings) as store, store.reading() as db:
        at = of_store(db, settings) if as_of is None else as_of
        if not parties.is_known(db, party):
            like = db.rows("select distinct subject from events where topic = ? and subject like ? limit ?",
                           PARTIES, f"{party[:3]}%", CANDIDATES_MAX)  # fmt: skip
            raise click.ClickException(
                f"nothing is known of the party {party!r}{hint(party, (row[0] for row in like))}"
            )
        packs = Rulebook(*start(settings, detectors.RULES)).known(db, None)
        found = parties.group(db, party, at, packs)
    if as_json:
        console.document(msgspec.to_builtins(found))
    else:
        _show_group(found)


def _show_group(found: Group) -> None:
    click.echo(f"{console.shown(found.party)}  {console.shown(found.name or '(not registered)')}")
    click.echo(f"as of {found.as_of}")
    click.echo("controlled by " + (" → ".join(map(console.shown, found.chain[1:])) or "nobody that was reported"))
    if found.circle:
        click.echo("control each other in a circle: " + ", ".join(map(console.shown, found.circle)))
    members = [
        [one.party, one.name or "–", one.steps, one.controller or "–", _years(one.exported)] for one in found.members
    ]
    _table(f"Group of {found.head}", ("party", "name", "steps", "controller", "exported"), members)
    holds = [[one.asset, one.title or "–", one.party, ", ".join(one.contracts) or "owner"] for one in found.holds]
    _table("Holds", ("asset", "title", "party", "by"), holds)
    sums = [[one.limit, f"{one.total:,}", one.contracts, one.unlimited] for one in found.limits]
    _table("Limits of what it buys", ("limit", "in all", "contracts with it", "without"), sums)
    if found.exported:
        _table("Exported by the group", ("year", "exports", "persons", "sensitive persons"), [
            [one.year, one.exports, f"{one.persons:,}", f"{one.sensitive_persons:,}"] for one in found.exported
        ])  # fmt: skip
    for name in found.cut_off:
        click.echo(f"cut off at {name}", err=True)


def _years(exported: Sequence[parties.Exported]) -> str:
    said = (f"{one.year}: {many(one.persons, 'person')}, {one.sensitive_persons:,} sensitive" for one in exported)
    return "; ".join(said) or "–"
