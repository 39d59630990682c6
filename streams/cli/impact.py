"""`circulation impact` and `circulation party`: whom a step would reach, and who belongs to whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec

import detectors
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
            raise Refused("\n".join(f"{rules}: {problem}" for problem in invalid.problems)) from invalid
    with looked_at(settings) as store, store.reading() as db:
        at = of_store(db, settings) if as_of is None else as_of
        if rules is None:
            packs = Rulebook(*start(settings, detectors.RULES)).known(db, None)
        entries = {entry.id: entry for entry in packs.in_force(at).negative_list}
        result = _found(db, what, kind, holder, entries, at, Regrade(level, personal))
    if as_json:
        console.document(msgspec.to_builtins(result))
    else:
        _show(result)


def _found(
    db: Db, id_: str, kind: Kind | None, holder: str | None, entries: dict[str, Entry], at: int, regrade: Regrade
) -> Impact:
    kinds: list[Kind] = []
    if kind in (None, "asset") and trace.is_known(db, id_):
        kinds.append("asset")
    if kind in (None, "entry") and id_ in entries:
        kinds.append("entry")
    # A grant is looked for where nothing else bears the id: all that were issued have to be read for it.
    grants = impact.grants(db, id_) if kind == "grant" or not kinds else []
    if grants:
        kinds.append("grant")
    if len(kinds) > 1:
        raise click.UsageError(f"{id_!r} is {' and '.join(kinds)}: say which with --kind")
    if kinds == ["asset"]:
        return impact.of_asset(db, id_, at, regrade if any(regrade) else None)
    if any(regrade):
        raise click.UsageError("--level and --personal are of an ASSET")
    if kinds == ["entry"]:
        return impact.of_entry(db, entries[id_], at)
    matching = [grant for grant in grants if holder in (None, grant[0])]
    if len(matching) > 1:
        raise click.UsageError(f"several parties hold a grant {id_!r}: name one with --holder ({_some(matching)})")
    if not matching:
        names = (
            "assets, entries or grants" if kind is None else {"asset": "assets", "entry": "entries"}.get(kind, "grants")
        )
        known = [*entries, *trace.known_assets(db, f"{id_[:3]}%", CANDIDATES_MAX)]
        raise click.ClickException(f"there is nothing called {id_!r} among the {names}{hint(id_, known)}")
    return impact.of_grant(db, *matching[0], at)


def _some(grants: Sequence[tuple[str, Any]]) -> str:
    return ", ".join(holder for holder, _ in grants[:5])


def _show(result: Impact) -> None:
    click.echo(f"{result.kind} {console.shown(result.id)}  {console.shown(result.title or '')}".rstrip())
    click.echo(f"as of {result.as_of}")
    counts = (
        many(len(result.assets), "asset"),
        many(len(result.listings), "listing"),
        many(len(result.contracts), "contract"),
        many(len(result.parties), "party", "parties"),
    )
    click.echo("reaches " + ", ".join(counts))
    assets = [
        [
            asset.asset,
            asset.title or "–",
            asset.owner or "–",
            asset.distance,
            ", ".join(
                word
                for word, holds in (("irreversible", asset.stopped), ("WOULD BE GRADED BELOW IT", asset.below))
                if holds
            )
            or "–",
            " → ".join(asset.path),
        ]
        for asset in result.assets
    ]
    _table("Assets", ("asset", "title", "owner", "steps", "notes", "by"), assets)
    listings = [
        [listing.product, listing.asset, listing.seller, _satisfied(listing.satisfied)] for listing in result.listings
    ]
    _table("Listings", ("product", "asset", "seller", "notes"), listings)
    contracts = [
        [
            contract.contract,
            contract.asset,
            contract.seller,
            contract.buyer,
            (contract.valid_to or "–")[:10],
            _satisfied(contract.satisfied),
        ]
        for contract in result.contracts
    ]
    _table("Contracts in force", ("contract", "asset", "seller", "buyer", "until", "notes"), contracts)
    concerned = [[party.party, party.name or "–", ", ".join(party.roles), party.controller] for party in result.parties]
    _table("Parties", ("party", "name", "as", "controlled by"), concerned)
    if result.undecided:
        _table("It cannot be told of these, which circulate", ("asset",), [[asset] for asset in result.undecided])
    if result.kind == "grant":
        click.echo()
        click.echo(f"exports that name it: {result.exports:,}")
        click.echo(f"valid grants that cover the same: {', '.join(map(console.shown, result.instead)) or 'none'}")
    for name in result.cut_off:
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
            alike = parties.known_parties(db, f"{party[:3]}%", CANDIDATES_MAX)
            raise click.ClickException(f"nothing is known of the party {party!r}{hint(party, alike)}")
        packs = Rulebook(*start(settings, detectors.RULES)).known(db, None)
        members = parties.group(db, party, at, packs)
    if as_json:
        console.document(msgspec.to_builtins(members))
    else:
        _show_group(members)


def _show_group(group: Group) -> None:
    click.echo(f"{console.shown(group.party)}  {console.shown(group.name or '(not registered)')}")
    click.echo(f"as of {group.as_of}")
    click.echo("controlled by " + (" → ".join(map(console.shown, group.chain[1:])) or "nobody that was reported"))
    if group.circle:
        click.echo("control each other in a circle: " + ", ".join(map(console.shown, group.circle)))
    members = [
        [member.party, member.name or "–", member.steps, member.controller or "–", _years(member.exported)]
        for member in group.members
    ]
    _table(f"Group of {group.head}", ("party", "name", "steps", "controller", "exported"), members)
    holds = [
        [holding.asset, holding.title or "–", holding.party, ", ".join(holding.contracts) or "owner"]
        for holding in group.holds
    ]
    _table("Holds", ("asset", "title", "party", "by"), holds)
    sums = [[limit.limit, f"{limit.total:,}", limit.contracts, limit.unlimited] for limit in group.limits]
    _table("Limits of what it buys", ("limit", "in all", "contracts with it", "without"), sums)
    if group.exported:
        _table("Exported by the group", ("year", "exports", "persons", "sensitive persons"), [
            [year.year, year.exports, f"{year.persons:,}", f"{year.sensitive_persons:,}"] for year in group.exported
        ])  # fmt: skip
    for name in group.cut_off:
        click.echo(f"cut off at {name}", err=True)


def _years(exported: Sequence[parties.Exported]) -> str:
    years = (
        f"{total.year}: {many(total.persons, 'person')}, {total.sensitive_persons:,} sensitive" for total in exported
    )
    return "; ".join(years) or "–"
