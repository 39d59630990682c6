"""The reach of a step: before an asset is regraded or delisted, an entry is published, or a grant is revoked.

Nothing is changed and nothing is judged: it is told what was derived, what is listed and under which contracts in
force, and whose it is, so that one knows whom the step concerns before one takes it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from circulation.calendar import format_instant
from circulation.events.names import EXPORT_PERFORMED, GRANT_ISSUED, PARTIES
from circulation.facts.assets import AssetFacts
from circulation.facts.grades import CLASSES, LEVELS
from circulation.facts.parties import PartyFacts, chain, topmost
from circulation.lineage import NEVER, Edge, descent, is_run, shortest_path, steps
from circulation.packs.entry import Entry, Subject, Verdict
from circulation.packs.matching import judge_entry
from streams.answers.impact_document import Affected, Concerned, Contract, Impact, Kind, Listing
from streams.answers.kept import EVENTS, kept
from streams.answers.seen import concerned, contracts_over, valid
from streams.facts import circulations as screening
from streams.facts import loading
from streams.facts.groups import with_controllers
from streams.store import schema
from streams.store.ask import Question, any_of, names
from streams.store.db import Db
from streams.store.kept_events import event_of

# In the place of what several assets have in common, so that one search begins at all of them.
_ROOT = ""
EVER = 2**62


class Limits(NamedTuple):
    """The limits: assets at which it begins, assets in all, derivations among them, and contracts."""

    sources_max: int = 10_000
    assets_max: int = 50_000
    derivations_max: int = 500_000
    contracts_max: int = 50_000


class Regrade(NamedTuple):
    """A grade that is asked about: members that are None stay as they are."""

    level: str | None = None
    personal: str | None = None


def of_asset(db: Db, asset: str, at: int, regrade: Regrade | None = None, limits: Limits | None = None) -> Impact:
    """The impact of a regrade, a delisting or a withdrawal of the asset."""
    look = _Look(db, at, limits or Limits())
    reached = look.reach([asset], through_stops=True)
    look.load(reached.distances)
    below = look.graded_below(asset, regrade) if regrade is not None else set()
    return look.answer("asset", asset, look.title(asset), reached, below=below)


def of_entry(db: Db, entry: Entry, at: int, limits: Limits | None = None) -> Impact:
    """The impact of an entry of the negative list if it took effect at the instant.

    All assets that it matches by their own facts and their owners', and all that inherit that. Parties of an act (its
    seller, its buyer) count where the asset is listed or under contract.
    """
    look = _Look(db, at, limits or Limits())
    sources, undecided = look.matching(entry)
    reached = look.reach(sources, through_stops=entry.sticky)
    look.load({*reached.distances, *undecided})
    answer = look.answer("entry", entry.id, entry.title, reached, entry=entry)
    circulating = {listing.asset for listing in look.listed(undecided, None)}
    circulating |= {contract.asset for contract in look.traded(undecided, None)}
    return msgspec.structs.replace(answer, undecided=sorted(circulating - reached.distances.keys()))


def of_grant(db: Db, holder: str, grant: Any, at: int, limits: Limits | None = None) -> Impact:
    """The impact of revoking a grant: its holder's listings and contracts of the assets that it covers.

    A grant that names no assets covers all that its holder owns, lists or sells.
    """
    look = _Look(db, at, limits or Limits())
    assets = list(grant.assets) if grant.assets is not None else sorted(screening.of_parties(db, {holder}))
    reached = look.reach(assets, through_stops=True)
    look.load(reached.distances, {holder})
    answer = look.answer("grant", grant.grant, None, reached)
    listings = [listing for listing in answer.listings if listing.seller == holder and listing.asset in assets]
    sold = [contract for contract in answer.contracts if contract.seller == holder and contract.asset in assets]
    alternatives = [
        candidate.grant
        for candidate in look.parties[holder].grants(at)
        if candidate.kind == grant.kind
        and candidate.grant != grant.grant
        and (candidate.assets is None or (grant.assets is not None and {*grant.assets} <= {*candidate.assets}))
    ]
    parties = look.concerned(answer.assets, listings, sold, {holder: {"holder"}})
    return msgspec.structs.replace(
        answer,
        title=grant.kind,
        listings=listings,
        contracts=sold,
        parties=parties,
        instead=sorted(alternatives),
        exports=look.exports(holder, grant.grant),
    )


_DERIVATIONS: Final = schema.derivations
_DERIVED: Final = Question(
    select(*names(_DERIVATIONS, "output", "input", "time", "stops"))
    .where(_DERIVATIONS.c.input == any_of("nodes"), _DERIVATIONS.c.time <= bindparam("at"))
    .limit(bindparam("count"))
)
_ISSUED: Final = Question(kept().where(EVENTS.type == GRANT_ISSUED, EVENTS.retracted.is_(None)))
_EXPORTS: Final = Question(
    kept().where(
        EVENTS.topic == PARTIES,
        EVENTS.subject == bindparam("holder"),
        EVENTS.type == EXPORT_PERFORMED,
        EVENTS.retracted.is_(None),
    )
)


def grants(db: Db, grant: str) -> list[tuple[str, Any]]:
    """The grants of this id, by holder: the id alone does not name one."""
    issued = [event for event in map(event_of, _ISSUED.rows(db)) if event.data.grant == grant]
    facts = loading.parties(db, {event.subject for event in issued})
    kinds = {event.data.kind for event in issued}
    return [
        (holder, granted)
        for holder, party in sorted(facts.items())
        for granted in party.issued(kinds, EVER)
        if granted.grant == grant
    ]


class _Reach(NamedTuple):
    """The assets reached, with distances and paths; and those reached without a step that stops."""

    distances: dict[str, int]
    paths: dict[str, list[str]]
    going_on: set[str]


class _Look:
    """One question: what was loaded for it, and which limits it reached."""

    def __init__(self, db: Db, at: int, limits: Limits) -> None:
        self._db, self._at, self._limits = db, at, limits
        self._cut: list[str] = []
        self._edges: dict[str, list[Edge]] = {}
        self.assets: Mapping[str, AssetFacts] = {}
        self.parties: Mapping[str, PartyFacts] = {}
        self._contracts: Mapping[str, Any] = {}
        self._circulations: Mapping[str, Any] = {}

    def _over(self, name: str) -> None:
        if name not in self._cut:
            self._cut.append(name)

    def reach(self, sources: Sequence[str], *, through_stops: bool) -> _Reach:
        """The assets and all that is derived from them, nearest first."""
        # The sources existed before any event about them.
        edges: dict[str, list[Edge]] = {_ROOT: [Edge(_ROOT, source, -NEVER, False) for source in sources]}
        reached, layer, count = set(sources), list(sources), 0
        runs: set[str] = set()
        while layer and not self._cut:
            # Through a run it is one step: what it wrote belongs to the same layer.
            through: list[str] = []
            ahead, layer = layer, []
            for nodes in (ahead, through):
                left = self._limits.derivations_max - count
                rows = _DERIVED.rows(self._db, nodes=nodes, at=self._at, count=left + 1)
                count += len(rows)
                for output, input_, time, stops in rows:
                    edges.setdefault(input_, []).append(Edge(input_, output, time, bool(stops)))
                    if is_run(output):
                        if output not in runs:
                            runs.add(output)
                            through.append(output)
                    elif output not in reached and (through_stops or not stops):
                        reached.add(output)
                        layer.append(output)
                if count > self._limits.derivations_max:
                    self._over("derivations_max")
                    break
                if not through:
                    break
            if len(reached) > self._limits.assets_max:
                self._over("assets_max")
        self._edges = edges
        below = descent(edges, _ROOT, self._at, through_stops)
        going_on = set(descent(edges, _ROOT, self._at, False).distances)
        nearest = [asset for layer in below.layers() for asset in layer if asset != _ROOT][: self._limits.assets_max]
        paths = {asset: [*reversed(shortest_path(below, asset)[:-1])] for asset in nearest}
        return _Reach({asset: below.distances[asset] - 1 for asset in nearest}, paths, going_on)

    def load(self, assets: Collection[str], parties: Iterable[str] = ()) -> None:
        """Facts of the assets, of the contracts over them, and of all parties of these."""
        ids = sorted(assets)
        self.assets = loading.assets(self._db, ids)
        self._contracts, more = contracts_over(self._db, ids, None, self._limits.contracts_max)
        if more:
            self._over("contracts_max")
        self._circulations, _, _ = screening.circulations(self._db, ids)
        wanted = concerned(self.assets, self._contracts, self._at) | set(parties)
        self.parties = with_controllers(self._db, wanted)

    def title(self, asset: str) -> str | None:
        """The title of the asset."""
        data = self.assets[asset].registration(self._at)
        return None if data is None else str(data.title)

    def subject(self, asset: str) -> Subject:
        """The asset as a negative list sees it."""
        facts = self.assets[asset]
        data = facts.registration(self._at)
        if data is None or data.owner is None:
            return facts.subject(self._at, None)
        owner = self.parties[data.owner].at(self._at)
        subject = facts.subject(self._at, None if owner is None else owner.industry)
        return msgspec.structs.replace(subject, controllers=tuple(chain(self.parties, data.owner, self._at)[1:]))

    def matching(self, entry: Entry) -> tuple[list[str], list[str]]:
        """The assets that an entry matches, and those of which it cannot be told."""
        matching: list[str] = []
        undecided: list[str] = []
        for ids in screening.candidates(self._db, entry):
            self.assets = loading.assets(self._db, ids)
            owners = {owner for asset in self.assets.values() for owner in asset.owners()}
            selling = {id_: self.assets[id_].sellers(self._at) for id_ in ids}
            self.parties = with_controllers(self._db, owners.union(*selling.values()))
            for id_ in sorted(ids):
                sellers = {above for seller in selling[id_] for above in chain(self.parties, seller, self._at)}
                verdict, _ = judge_entry(entry, self.subject(id_), sellers)
                (matching if verdict is Verdict.MATCH else undecided if verdict is Verdict.UNKNOWN else []).append(id_)
            if len(matching) > self._limits.sources_max:
                self._over("sources_max")
                return matching[: self._limits.sources_max], undecided
        return matching, undecided

    def graded_below(self, asset: str, regrade: Regrade) -> set[str]:
        """The assets derived from this asset in one step that would be graded below it."""
        new = self.subject(asset)
        new = msgspec.structs.replace(
            new, level=regrade.level or new.level, personal=regrade.personal or new.personal, registered=True
        )
        derived = set()
        for edge in steps(self._edges, asset):
            if edge.stops or edge.input not in self.assets:
                continue
            subject = self.subject(edge.input)
            for ranks, level, above in ((LEVELS, subject.level, new.level), (CLASSES, subject.personal, new.personal)):
                if level in ranks and above in ranks and ranks[level] < ranks[above]:
                    derived.add(edge.input)
        return derived

    def listed(self, assets: Iterable[str], entry: Entry | None) -> list[Listing]:
        """The listings of these assets."""
        listings: dict[tuple[str, str, str], Listing] = {}
        for asset in assets:
            circulation = self._circulations.get(asset)
            for data in () if circulation is None else circulation.listings(self._at):
                satisfied = self._satisfied(entry, asset, data.seller, purposes=data.purposes or ())
                key = (asset, data.product, data.seller)
                listings[key] = Listing(product=data.product, asset=asset, seller=data.seller, satisfied=satisfied)
        return [listings[key] for key in sorted(listings)]

    def traded(self, assets: Iterable[str], entry: Entry | None) -> list[Contract]:
        """The contracts in force over these assets."""
        wanted = set(assets)
        traded = []
        for contract in self._contracts.values():
            data = valid(contract, self._at)
            if data is None or data.asset not in wanted:
                continue
            terms = data.terms
            satisfied = self._satisfied(
                entry,
                data.asset,
                data.seller,
                purposes=terms.purposes or (),
                countries=terms.countries or (),
                recipients=(data.buyer,),
            )
            until = None if terms.valid_to is None else format_instant(terms.valid_to)
            traded.append(
                Contract(
                    contract=contract.id,
                    asset=data.asset,
                    seller=data.seller,
                    buyer=data.buyer,
                    valid_to=until,
                    satisfied=satisfied,
                )
            )
        return sorted(traded, key=lambda contract: contract.contract)

    def _satisfied(self, entry: Entry | None, asset: str, seller: str, **named: Any) -> bool:
        return (
            entry is not None
            and entry.disposition == "restrict"
            and bool(entry.unless)
            and self.parties[seller].covered(self._at, entry.unless, asset=asset, **named)
        )

    def concerned(
        self,
        assets: Iterable[Affected],
        listings: Iterable[Listing],
        contracts: Iterable[Contract],
        more: Mapping[str, set[str]],
    ) -> list[Concerned]:
        """The parties of all these, with what they are there."""
        roles: dict[str, set[str]] = {party: set(names) for party, names in more.items()}
        for asset in assets:
            if asset.owner is not None:
                roles.setdefault(asset.owner, set()).add("owner")
        for listing in listings:
            roles.setdefault(listing.seller, set()).add("seller")
        for contract in contracts:
            roles.setdefault(contract.seller, set()).add("seller")
            roles.setdefault(contract.buyer, set()).add("buyer")
        parties = []
        for party, roles_there in sorted(roles.items()):
            data = self.parties[party].at(self._at)
            head = topmost(self.parties, party, self._at)
            name = None if data is None else data.name
            parties.append(Concerned(party=party, roles=sorted(roles_there), controller=head, name=name))
        return parties

    def exports(self, holder: str, grant: str) -> int:
        """How many exports name the grant."""
        acts = map(event_of, _EXPORTS.rows(self._db, holder=holder))
        return len({act.data.export for act in acts if act.data.grant == grant})

    def answer(
        self,
        kind: Kind,
        id_: str,
        title: str | None,
        reached: _Reach,
        *,
        entry: Entry | None = None,
        below: Collection[str] = (),
    ) -> Impact:
        """All of it."""
        assets = []
        for asset, distance in reached.distances.items():
            data = self.assets[asset].registration(self._at)
            subject = self.subject(asset)
            assets.append(
                Affected(
                    asset=asset,
                    distance=distance,
                    path=reached.paths[asset],
                    title=None if data is None else data.title,
                    owner=None if data is None else data.owner,
                    level=None if data is None else subject.level,
                    personal=None if data is None else subject.personal,
                    stopped=asset not in reached.going_on,
                    below=asset in below,
                )
            )
        listings = self.listed(reached.distances, entry)
        contracts = self.traded(reached.distances, entry)
        return Impact(
            kind=kind,
            id=id_,
            as_of=format_instant(self._at),
            title=title,
            assets=assets,
            listings=listings,
            contracts=contracts,
            parties=self.concerned(assets, listings, contracts, {}),
            cut_off=list(self._cut),
        )
