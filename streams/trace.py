"""Looking through an asset: what it came from, what came of it, who holds that, and where it went.

The store answers layer by layer, nearest first, so that what lies beyond a limit is the farthest, and is said to have
been cut off. Everything is as of one instant, by what is known now: a statement that came late counts from its time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from circulation.calendar import format_instant
from circulation.events import Event
from circulation.facts import AssetFacts, ContractFacts, PartyFacts, chain, order
from circulation.lineage import Ancestry, Edge, ancestry
from circulation.shares import origins, parts
from streams import loading
from streams.loading import ASSETS, COLUMNS, CONTRACTS, event_of
from streams.store import Db

DELIVERED, EXPORTED = "circulation.delivery.completed", "circulation.export.performed"
SIGNINGS = ["circulation.contract.signed", "circulation.contract.amended"]
WITHDRAWN = "circulation.asset.withdrawn"
SHARE_DIGITS = 6


class Limits(NamedTuple):
    """What is looked at, at most: assets in each direction, derivations among them, contracts, and acts."""

    assets_max: int = 10_000
    derivations_max: int = 100_000
    contracts_max: int = 10_000
    acts_max: int = 50_000


class Asset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One asset that was reached.

    `distance`: steps from the asset that was asked for. `registered`: it was registered by then; of one that was not,
    `title` and the rest are as first stated later, or absent. `share` (ancestors only): what it is of the asset asked
    for, 0 … 1; `assumed`: some share on the way was not stated; `at_least`: not all paths were walked. `stopped`: on
    every way lies a derivation that nobody can turn back, where only sticky entries of a negative list are inherited.
    `source`: nothing is known of what it was derived from. `withdrawn`: since when.
    """

    asset: str
    distance: int
    registered: bool
    title: str | None = None
    owner: str | None = None
    level: str | None = None
    personal: str | None = None
    public: bool = False
    withdrawn: str | None = None
    share: float | None = None
    assumed: bool = False
    at_least: bool = False
    stopped: bool = False
    source: bool = False


class Derivation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: `output` was derived from `input`, `since` the earliest statement of it.

    `share`: what the input is of the output, 0 … 1; `assumed`: not what was stated. `stops`: each statement of it is
    of an irreversible process, with evidence.
    """

    output: str
    input: str
    since: str
    share: float
    assumed: bool = False
    stops: bool = False


class Holder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party that holds some of the assets: `owner`, or `buyer` under contracts in force at the instant.

    `controllers`: its controller, that one's, and so on.
    """

    party: str
    holds: Literal["owner", "buyer"]
    assets: list[str]
    name: str | None = None
    contracts: list[str] = []
    controllers: list[str] = []


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """A country to which some of the assets went: acts by then, the earliest and the latest of them."""

    country: str
    exports: int
    deliveries: int
    first: str
    last: str
    assets: list[str]


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that was reached: what lies beyond it is not shown. `name` is that of the limit."""

    name: Literal["assets_max", "derivations_max", "contracts_max", "acts_max"]
    maximum: int
    of: Literal["up", "down", "holders", "countries"]


class Trace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one asset came from and became, as of an instant.

    `up` are the ancestors, `down` the descendants, nearest first and without the asset itself; absent where they were
    not asked for. `holders` and `countries` are of the asset and all that are listed.
    """

    asset: Asset
    as_of: str
    derivations: list[Derivation]
    holders: list[Holder]
    countries: list[Country]
    up: list[Asset] | None = None
    down: list[Asset] | None = None
    cut_off: list[CutOff] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of a trace as it is written by `--json`."""
    return msgspec.json.schema(Trace)


def is_known(db: Db, asset: str) -> bool:
    """Whether anything names this asset: a statement about it, a derivation, a contract."""
    query = (
        "select 1 from events where topic = ? and subject = ? union all select 1 from derivations where output = ?"
        " union all select 1 from derivations where input = ? union all select 1 from refs where kind = ? and ref = ?"
        " limit 1"
    )
    return db.one(query, ASSETS, asset, asset, asset, "asset", asset) is not None


def known_assets(db: Db, like: str, count_max: int) -> list[str]:
    """Some assets whose ids are like this pattern of SQL."""
    query = (
        "select subject from events where type = ? and subject like ? union select output from derivations"
        " where output like ? union select input from derivations where input like ? limit ?"
    )
    return [row[0] for row in db.rows(query, "circulation.asset.registered", like, like, like, count_max)]


def look_through(
    db: Db, asset: str, at: int, *, up: bool = True, down: bool = True, limits: Limits | None = None
) -> Trace:
    """What is known of the asset's circulation as of the instant `at` (µs)."""
    limits = limits or Limits()
    cut: list[CutOff] = []
    above = _reached(db, asset, at, "up", limits, cut) if up else _Reached([asset], {})
    below = _reached(db, asset, at, "down", limits, cut) if down else _Reached([asset], {})
    shown = list(dict.fromkeys([*above.assets, *below.assets]))
    facts = loading.assets(db, shown)
    withdrawn = _withdrawn(db, shown, at)

    ancestors = ancestry(above.edges, asset, at, True)
    inherited = ancestry(above.edges, asset, at, False)
    shares = origins(above.edges, asset, at)
    # From an asset to what was made of it: the same edges, turned round.
    descendants = ancestry(_turned(below.edges), asset, at, True)
    inheriting = ancestry(_turned(below.edges), asset, at, False)
    whole_up = not any(one.of == "up" for one in cut)

    def described(one: str, distance: int) -> dict[str, Any]:
        return _described(facts[one], at, withdrawn) | {"asset": one, "distance": distance}

    def ancestor(one: str, distance: int) -> Asset:
        share = shares[one]
        return Asset(
            **described(one, distance),
            share=round(share.share, SHARE_DIGITS),
            assumed=share.assumed,
            at_least=share.at_least or not whole_up,
            stopped=one not in inherited.distances,
            source=whole_up and not above.edges.get(one),
        )

    holders, contracts = _holders(db, shown, facts, at, limits, cut)
    return Trace(
        asset=Asset(**described(asset, 0), source=up and not above.edges.get(asset)),
        as_of=format_instant(at),
        up=[ancestor(*one) for one in _in_order(ancestors, set(above.assets))] if up else None,
        down=[
            Asset(**described(one, distance), stopped=one not in inheriting.distances)
            for one, distance in _in_order(descendants, set(below.assets))
        ]
        if down
        else None,
        derivations=_derivations(set(shown), above.edges, below.edges),
        holders=holders,
        countries=_countries(db, set(shown), contracts, at, limits, cut),
        cut_off=cut,
    )


class _Reached(NamedTuple):
    """Assets nearest first, and what each was derived from, by output."""

    assets: list[str]
    edges: dict[str, list[Edge]]


def _reached(db: Db, asset: str, at: int, way: Literal["up", "down"], limits: Limits, cut: list[CutOff]) -> _Reached:
    here, there = ("output", "input") if way == "up" else ("input", "output")
    # The names of the columns are ours. Both dialects stop the recursion once the limit is full.
    rows = db.rows(
        f"with recursive reached(node) as (select {here} from derivations where {here} = ? and time <= ?"  # noqa: S608
        f" union select d.{there} from derivations d join reached on d.{here} = reached.node where d.time <= ?)"
        " select node from reached limit ?",
        asset,
        at,
        at,
        limits.assets_max + 2,
    )
    assets = list(dict.fromkeys([asset, *(row[0] for row in rows)]))
    if len(assets) > limits.assets_max + 1:
        cut.append(CutOff(name="assets_max", maximum=limits.assets_max, of=way))
        assets = assets[: limits.assets_max + 1]
    # All inputs of each output, also those that are not shown: what is assumed of one depends on the others.
    rows = db.rows(
        "select output, input, time, stops, share from derivations where output = any(?) and time <= ?"
        " order by output limit ?",
        assets,
        at,
        limits.derivations_max + 1,
    )
    if len(rows) > limits.derivations_max:
        cut.append(CutOff(name="derivations_max", maximum=limits.derivations_max, of=way))
        rows = [row for row in rows if row[0] != rows[-1][0]]
    edges: dict[str, list[Edge]] = {}
    for output, input_, time, stops, share in rows:
        edges.setdefault(output, []).append(Edge(output, input_, time, bool(stops), share))
    return _Reached(assets, edges)


def _turned(edges: Mapping[str, Iterable[Edge]]) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for some in edges.values():
        for edge in some:
            found.setdefault(edge.input, []).append(edge._replace(output=edge.input, input=edge.output))
    return found


def _in_order(reached: Ancestry, shown: Collection[str]) -> Iterator[tuple[str, int]]:
    for distance, layer in enumerate(reached.layers()):
        if distance:
            yield from ((one, distance) for one in layer if one in shown)


def _derivations(shown: Collection[str], *groups: Mapping[str, Sequence[Edge]]) -> list[Derivation]:
    found: dict[tuple[str, str], Derivation] = {}
    for edges in groups:
        for output, some in edges.items():
            shares = parts(edge for edge in some if edge.input != output)
            for input_, part in shares.items():
                if input_ not in shown:
                    continue
                steps = [edge for edge in some if edge.input == input_]
                found.setdefault(
                    (output, input_),
                    Derivation(
                        output=output,
                        input=input_,
                        since=format_instant(min(edge.time for edge in steps)),
                        share=round(part.share, SHARE_DIGITS),
                        assumed=part.assumed,
                        stops=all(edge.stops for edge in steps),
                    ),
                )
    return [found[key] for key in sorted(found)]


def _described(facts: AssetFacts, at: int, withdrawn: Mapping[str, int]) -> dict[str, Any]:
    data = facts.registration(at)
    since = withdrawn.get(facts.id)
    found: dict[str, Any] = {
        "registered": facts.stated(at) is not None,
        "withdrawn": None if since is None else format_instant(since),
    }
    if data is not None:
        subject = facts.subject(at, None)
        found |= {"title": data.title, "owner": data.owner, "level": subject.level, "personal": subject.personal}
        found["public"] = subject.public
    return found


def _withdrawn(db: Db, assets: Sequence[str], at: int) -> dict[str, int]:
    """The first withdrawal of each asset that was withdrawn by then."""
    query = (
        "select subject, min(time) from events where topic = ? and subject = any(?) and type = ? and time <= ?"
        " and retracted is null group by subject"
    )
    return dict(db.rows(query, ASSETS, list(assets), WITHDRAWN, at))


def _holders(
    db: Db, shown: Sequence[str], facts: Mapping[str, AssetFacts], at: int, limits: Limits, cut: list[CutOff]
) -> tuple[list[Holder], dict[str, ContractFacts]]:
    """Owners, and buyers of the contracts in force; and all contracts that were ever about one of the assets."""
    rows = db.rows(
        "select distinct e.subject from refs r join events e on e.id = r.event where r.kind = 'asset'"
        " and r.ref = any(?) and e.topic = ? and e.type = any(?) and e.retracted is null order by e.subject limit ?",
        list(shown),
        CONTRACTS,
        SIGNINGS,
        limits.contracts_max + 1,
    )
    if len(rows) > limits.contracts_max:
        cut.append(CutOff(name="contracts_max", maximum=limits.contracts_max, of="holders"))
    contracts = loading.contracts(db, [row[0] for row in rows[: limits.contracts_max]])
    held: dict[tuple[str, Literal["owner", "buyer"]], tuple[set[str], list[str]]] = {}
    for asset in shown:
        data = facts[asset].registration(at)
        if data is not None and data.owner is not None:
            held.setdefault((data.owner, "owner"), (set(), []))[0].add(asset)
    objects = set(shown)
    for contract in contracts.values():
        data = _in_force(contract, at)
        if data is not None and data.asset in objects:
            assets, names = held.setdefault((data.buyer, "buyer"), (set(), []))
            assets.add(data.asset)
            names.append(contract.id)
    parties = loading.with_controllers(db, {party for party, _ in held})
    holders = [
        Holder(
            party=party,
            name=_name(parties, party, at),
            holds=holds,
            assets=sorted(assets),
            contracts=sorted(names),
            controllers=chain(parties, party, at)[1:],
        )
        for (party, holds), (assets, names) in sorted(held.items())
    ]
    return holders, contracts


def _in_force(contract: ContractFacts, at: int) -> Any | None:
    """The statement of a contract whose terms are in force at the instant; None outside of its validity."""
    data, end = contract.statement(at), contract.end
    if data is None or at < data.terms.valid_from or (end is not None and end[0] <= at):
        return None
    return data


def _name(parties: Mapping[str, PartyFacts], party: str, at: int) -> str | None:
    data = parties[party].at(at)
    return None if data is None else data.name


def _countries(
    db: Db, shown: set[str], contracts: Mapping[str, ContractFacts], at: int, limits: Limits, cut: list[CutOff]
) -> list[Country]:
    """Where exports and deliveries of the assets went. Several reports of one act are one act."""
    columns = ", ".join(f"e.{name.strip()}" for name in COLUMNS.split(","))
    where = "e.type = ? and e.time <= ? and e.retracted is null"
    named = f"select {columns} from refs r join events e on e.id = r.event where r.kind = ? and r.ref = any(?)"  # noqa: S608
    count_max = limits.acts_max + 1
    ids = list(contracts)
    rows = db.rows(f"{named} and {where} order by e.id limit ?", "asset", sorted(shown), EXPORTED, at, count_max)
    rows += db.rows(f"{named} and {where} order by e.id limit ?", "contract", ids, EXPORTED, at, count_max)
    rows += db.rows(
        f"select {columns} from events e where e.topic = ? and e.subject = any(?) and {where} order by e.id limit ?",  # noqa: S608
        CONTRACTS,
        ids,
        DELIVERED,
        at,
        count_max,
    )
    if len(rows) > limits.acts_max:
        cut.append(CutOff(name="acts_max", maximum=limits.acts_max, of="countries"))
    reports: dict[str, Event] = {}
    for row in rows[: limits.acts_max]:
        event = event_of(row)
        if row[4] not in reports or _rank(event) < _rank(reports[row[4]]):
            reports[row[4]] = event
    went: dict[str, list[tuple[Event, str]]] = {}
    for event in reports.values():
        asset = _object(event, contracts)
        if event.data.country is not None and asset in shown:
            went.setdefault(event.data.country, []).append((event, asset))
    return [
        Country(
            country=country,
            exports=sum(event.type == EXPORTED for event, _ in acts),
            deliveries=sum(event.type == DELIVERED for event, _ in acts),
            first=format_instant(min(event.time for event, _ in acts)),
            last=format_instant(max(event.time for event, _ in acts)),
            assets=sorted({asset for _, asset in acts}),
        )
        for country, acts in sorted(went.items())
    ]


def _rank(event: Event) -> tuple[int, tuple[int, str, str]]:
    return (event.reporter, order(event))


def _object(event: Event, contracts: Mapping[str, ContractFacts]) -> str | None:
    """The asset of an act: the one it names, else that of its contract then."""
    named: str | None = getattr(event.data, "asset", None)
    contract = contracts.get(event.subject if event.type == DELIVERED else event.data.contract or "")
    if named is not None or contract is None:
        return named
    data = contract.statement(event.time)
    return None if data is None else str(data.asset)
