"""What is known of an asset, a party, a contract, with its time: folded from what was stated about each.

Facts are a function of the *set* of statements, never of the order in which they came (contract §2, "Facts have a
time"). What registrations describe is taken as first stated where an act is earlier than the first of them;
derivations, grants, gradings and terminations are not.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from circulation import credit
from circulation.calendar import LATEST, days
from circulation.daily import UsedDay
from circulation.events import Event
from circulation.findings import Cause
from circulation.licences import TERMINATED, TERMS_TYPES, in_force, ranked
from circulation.lineage import Ancestry, Edge, ancestry
from circulation.rulepack import Pack, Packs, Subject
from circulation.terms import Terms, allows_purpose

# Controllers above one party that are looked at: a longer chain is cut there.
CONTROLLERS_MAX = 64

# Later than any instant.
NEVER = 2**62


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A retained event that rules judge: the report that counts of several of one act."""

    thing: str
    type: str
    subject: str
    source: str
    id: str
    time: int
    reporter: int
    data: Any

    @property
    def cause(self) -> Cause:
        """How findings name this act."""
        return Cause(self.source, self.id)


def order(one: Event | Act) -> tuple[int, str, str]:
    """The order in which rules over several acts judge them."""
    return (one.time, one.source, one.id)


def _of(statements: Iterable[Event], *types: str) -> list[Event]:
    return sorted((one for one in statements if one.type in types), key=order)


def _latest(statements: Sequence[Event], instant: int) -> Event | None:
    found = None
    for one in statements:
        if one.time > instant:
            break
        found = one
    return found


class AssetFacts:
    """One asset. `subject(t, industry)` is how negative lists see it at an instant."""

    def __init__(self, asset: str, statements: Collection[Event]) -> None:
        self.id = asset
        self._registered = _of(statements, "circulation.asset.registered")
        self._levels = _of(statements, "circulation.asset.registered", "circulation.asset.graded")
        listed: dict[str, list[Event]] = {}
        for one in statements:
            if one.type == LISTED:
                listed.setdefault(one.data.product, []).append(one)
        self._listed = {product: sorted(ranked(some), key=order) for product, some in listed.items()}
        self._assessed = sorted(_each(_of(statements, "circulation.asset.assessed"), "assessment"), key=order)

    def registration(self, instant: int) -> Any | None:
        """What the registration in force says, or the first one; None where there is none."""
        found = in_force(self._registered, instant)
        return None if found is None else found.data

    def stated(self, instant: int) -> Any | None:
        """What the registration says that was made no later than the instant; None where there was none by then."""
        found = _latest(self._registered, instant)
        return None if found is None else found.data

    def listing(self, product: str, instant: int) -> Any | None:
        """What the latest listing of a product says that was made no later than the instant."""
        found = _latest(self._listed.get(product, ()), instant)
        return None if found is None else found.data

    def sellers(self, instant: int) -> set[str]:
        """Who listed a product made of it, by then."""
        return {one.data.seller for some in self._listed.values() for one in some if one.time <= instant}

    def times(self) -> list[int]:
        """The `time` of each registration and grading, in their order."""
        return [one.time for one in self._levels]

    def registrations(self) -> list[Any]:
        """What all registrations say, in the order of (time, source, id)."""
        return [one.data for one in self._registered]

    def levels(self) -> list[Event]:
        """All registrations and gradings, in the order of (time, source, id): each states level and class."""
        return self._levels

    def assessed(self, kind: str, instant: int) -> Any | None:
        """The latest assessment of a kind that was passed, made no later than the instant and valid then."""
        found = [
            one.data
            for one in self._assessed
            if one.time <= instant
            and one.data.kind == kind
            and one.data.result == "pass"
            and (one.data.valid_to is None or instant < one.data.valid_to)
        ]
        return found[-1] if found else None

    def owners(self) -> set[str]:
        """All owners that were ever stated."""
        return {one.data.owner for one in self._registered if one.data.owner is not None}

    def subject(self, instant: int, industry_of_owner: str | None) -> Subject:
        """Contract §2, "Unknown are": everything about an asset that is not registered."""
        data = self.registration(instant)
        if data is None:
            return Subject(id=self.id, registered=False)
        grade = _latest(self._levels, instant)
        graded = data if grade is None else grade.data
        return Subject(
            id=self.id,
            registered=True,
            owner=data.owner,
            category=data.category,
            industry=data.industry or industry_of_owner,
            level=graded.level,
            personal=graded.personal,
            fields=data.fields,
            tags=data.tags or (),
            public=bool(data.public),
            persons=data.persons,
        )


class Trial(NamedTuple):
    """A sandbox: its grant, and from when until when (µs) it covers acts."""

    grant: Any
    since: int
    end: int


class PartyFacts:
    """One party: what it is, and what it was granted."""

    def __init__(self, party: str, statements: Collection[Event]) -> None:
        self.id = party
        self._registered = _of(statements, "circulation.party.registered")
        self._grants = _each(_of(statements, "circulation.grant.issued"), "grant")
        self._revoked: dict[str, int] = {}
        for one in _of(statements, "circulation.grant.revoked"):
            self._revoked.setdefault(one.data.grant, one.time)
        self.trials = [
            Trial(
                grant := one.data,
                max(one.time, grant.valid_from),
                min(NEVER if grant.valid_to is None else grant.valid_to, self._revoked.get(grant.grant, NEVER)),
            )
            for one in self._grants
            if one.data.kind == "sandbox"
        ]
        self._records = [one for one in statements if one.type in credit.TYPES]
        self.recorded = any(one.type == credit.DETERMINED for one in self._records)

    def published(self, tier: str, instant: int, settings: credit.Settings) -> list[str]:
        """The records of a tier that are public at the instant, without those that were ever withdrawn."""
        then = credit.statement(self.id, self._records, (), instant, settings).data["records"]
        last = credit.statement(self.id, self._records, (), LATEST, settings).data["records"]
        withdrawn = {one["record"] for one in last if one["status"] == "withdrawn"}
        return [
            one["record"]
            for one in then
            if one["tier"] == tier and one["status"] == "published" and one["record"] not in withdrawn
        ]

    def at(self, instant: int) -> Any | None:
        """The registration in force, or the first one; None where there is none."""
        found = in_force(self._registered, instant)
        return None if found is None else found.data

    def verified(self, instant: int) -> bool:
        """Whether an exchange had registered it by the instant: what parties say of themselves is no verification."""
        return any(one.time <= instant and one.reporter == 0 for one in self._registered)

    def controllers(self) -> set[str]:
        """All controllers that were ever stated."""
        return {one.data.controller for one in self._registered if one.data.controller is not None}

    def times(self) -> list[int]:
        """The `time` of each registration, in their order."""
        return [one.time for one in self._registered]

    def issued(self, kinds: Collection[str], instant: int) -> list[Any]:
        """All grants of these kinds that were issued no later than the instant, whether they are valid or not."""
        return [one.data for one in self._grants if one.time <= instant and one.data.kind in kinds]

    def revoked(self, grant: str, instant: int) -> int | None:
        """When a grant was revoked; None where it was not by the instant."""
        time = self._revoked.get(grant)
        return time if time is not None and time <= instant else None

    def grants(self, instant: int) -> list[Any]:
        """Grants that are valid at the instant: issued no later, in their validity, not revoked by then."""
        return [
            grant
            for grant in (one.data for one in self._grants if one.time <= instant)
            if grant.valid_from <= instant
            and (grant.valid_to is None or instant < grant.valid_to)
            and not self._revoked.get(grant.grant, instant + 1) <= instant
        ]

    def covered(
        self,
        instant: int,
        kinds: Collection[str],
        *,
        asset: str | None = None,
        purposes: Collection[str] = (),
        countries: Collection[str] = (),
        recipients: Collection[str] = (),
    ) -> bool:
        """Whether a valid grant of one of these kinds covers what an act names (contract §2, "A grant covers")."""
        return any(
            grant.kind in kinds
            and covers(grant, asset=asset, purposes=purposes, countries=countries, recipients=recipients)
            for grant in self.grants(instant)
        )


def covers(
    grant: Any,
    *,
    asset: str | None = None,
    purposes: Collection[str] = (),
    countries: Collection[str] = (),
    recipients: Collection[str] = (),
) -> bool:
    """Whether a grant's restrictions contain what an act names."""
    return (
        _contains(grant.assets, () if asset is None else (asset,))
        and _allows(grant.purposes, purposes)
        and _contains(grant.countries, countries)
        and _contains(grant.recipients, recipients)
    )


def _each(statements: Iterable[Event], member: str) -> list[Event]:
    """Of several reports of one business id the best reporter's, of that the earliest (contract §2)."""
    found: dict[str, Event] = {}
    for one in sorted(statements, key=lambda one: (one.reporter, *order(one))):
        found.setdefault(getattr(one.data, member), one)
    return list(found.values())


def _contains(restriction: Collection[str] | None, named: Collection[str]) -> bool:
    # What restricts by something that the act does not name does not cover.
    return restriction is None or (bool(named) and all(one in restriction for one in named))


def _allows(purposes: Collection[str] | None, named: Collection[str]) -> bool:
    return purposes is None or (bool(named) and all(allows_purpose(tuple(purposes), one) for one in named))


def chain(parties: Mapping[str, PartyFacts], party: str, instant: int) -> list[str]:
    """The party, its controller, that one's, and so on, each once. `parties` has the facts of all of them."""
    found = [party]
    while len(found) <= CONTROLLERS_MAX:
        data = parties[found[-1]].at(instant)
        if data is None or data.controller is None or data.controller in found:
            break
        found.append(data.controller)
    return found


def topmost(parties: Mapping[str, PartyFacts], party: str, instant: int) -> str:
    """Who stands at the head of the party's group; of parties that control each other in a circle the smallest id."""
    above = chain(parties, party, instant)
    data = parties[above[-1]].at(instant) if len(above) <= CONTROLLERS_MAX else None
    if data is None or data.controller is None:
        return above[-1]
    return min(above[above.index(data.controller) :])


class ContractFacts:
    """One contract: its terms over time, its end, what was proved."""

    def __init__(self, contract: str, statements: Collection[Event]) -> None:
        self.id = contract
        self._terms = sorted(ranked([one for one in statements if one.type in TERMS_TYPES]), key=order)
        self._terminated = _of(ranked(statements), TERMINATED)

    def statement(self, instant: int) -> Any | None:
        """The signing or amendment in force at the instant, or the earliest; None before any is known."""
        found = in_force(self._terms, instant)
        return None if found is None else found.data

    def terms(self, instant: int) -> Terms | None:
        """The terms in force at the instant."""
        found = self.statement(instant)
        return None if found is None else found.terms

    @property
    def statements(self) -> list[Event]:
        """The signings and amendments that count, in the order of (time, source, id)."""
        return self._terms

    def parties(self) -> set[str]:
        """All sellers and buyers that were ever stated."""
        return {one for statement in self._terms for one in (statement.data.seller, statement.data.buyer)}

    def assets(self) -> set[str]:
        """All assets that were ever stated to be its object."""
        return {statement.data.asset for statement in self._terms}

    @property
    def signed(self) -> Event | None:
        """The earliest signing; None where it was only ever amended."""
        return next((one for one in self._terms if one.type == SIGNED), None)

    def in_force(self, instant: int) -> bool:
        """Whether it was signed no later than the instant, and has not ended by then."""
        signed, end = self.signed, self.end
        return signed is not None and signed.time <= instant and (end is None or instant < end[0])

    @property
    def terminated(self) -> int | None:
        """When it was terminated; None where it never was."""
        return self._terminated[0].time if self._terminated else None

    @property
    def end(self) -> tuple[int, Any] | None:
        """The end and the statement in force just before it: the earlier of the first termination and `valid_to`.

        An amendment after the end does not undo it; one that puts `valid_to` before itself ends the contract there.
        """
        if not self._terms:
            return None
        terminated = self.terminated
        for index, one in enumerate(self._terms):
            terms: Terms = one.data.terms
            since = one.time if index else None
            until = self._terms[index + 1].time if index + 1 < len(self._terms) else None
            ends = [] if terminated is None else [terminated]
            if terms.valid_to is not None:
                ends.append(terms.valid_to if since is None else max(terms.valid_to, since))
            if ends and (until is None or min(ends) <= until):
                return min(ends), one.data
        return None


LISTED, DELISTED, WITHDRAWN = (
    "circulation.product.listed",
    "circulation.product.delisted",
    "circulation.asset.withdrawn",
)
SIGNED = "circulation.contract.signed"


class Circulation:
    """Where one asset circulates: its listings, as they came and went, and the contracts over it.

    A delisting takes back the listings of its product, and a withdrawal all listings of the asset, that were made no
    later than it. `acts` are listings, delistings and withdrawals of the asset; `contracts` those that ever named it.
    """

    def __init__(self, asset: str, acts: Collection[Event], contracts: Collection[ContractFacts]) -> None:
        self.asset = asset
        products: dict[str, list[Event]] = {}
        for one in acts:
            products.setdefault("" if one.type == WITHDRAWN else one.data.product, []).append(one)
        counting = [one for some in products.values() for one in ranked(some)]
        self._listed = _of(counting, LISTED)
        self._delisted = _of(counting, DELISTED)
        self._withdrawn = _of(counting, WITHDRAWN)
        signed = [(one.signed, one) for one in contracts]
        self._contracts = [one for _, one in sorted((order(by), one) for by, one in signed if by is not None)]

    @property
    def since(self) -> int | None:
        """The earliest listing or signing; None where it does not circulate."""
        signed = (one.signed for one in self._contracts[:1])
        return min((one.time for one in (*self._listed[:1], *signed) if one is not None), default=None)

    def parties(self) -> set[str]:
        """All sellers and buyers that were ever stated."""
        return {one.data.seller for one in self._listed} | {one for each in self._contracts for one in each.parties()}

    def listings(self, instant: int) -> list[Any]:
        """What the listings say that stand at the instant, in the order of (time, source, id)."""
        return [one.data for one in self._listed if one.time <= instant and not self._gone(one, instant)]

    def _gone(self, listing: Event, instant: int) -> bool:
        return any(
            listing.time <= one.time <= instant and (one.type == WITHDRAWN or one.data.product == listing.data.product)
            for one in (*self._delisted, *self._withdrawn)
        )

    def trades(self, instant: int) -> list[Any]:
        """What the contracts over the asset say that are in force at the instant, in the order of their signing."""
        stated = (one.statement(instant) for one in self._contracts if one.in_force(instant))
        return [one for one in stated if one is not None and one.asset == self.asset]


class Facts:
    """All that the engine loaded for one judgement. Asking for what a rule did not declare is an error."""

    def __init__(
        self,
        *,
        packs: Packs,
        assets: Mapping[str, AssetFacts] | None = None,
        parties: Mapping[str, PartyFacts] | None = None,
        contracts: Mapping[str, ContractFacts] | None = None,
        edges: Mapping[str, Sequence[Edge]] | None = None,
        payments: Mapping[str, Sequence[Act]] | None = None,
        uses: Mapping[str, int] | None = None,
        days: Mapping[str, Sequence[UsedDay]] | None = None,
        settings: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
        rule: str = "",
        recorded: Sequence[str] | None = None,
    ) -> None:
        self.packs = packs
        self._assets = assets or {}
        self._parties = parties or {}
        self._contracts = contracts or {}
        self._edges = edges or {}
        self._payments = payments or {}
        self._uses = uses or {}
        self._days = days or {}
        self._settings = settings
        self._rule = rule
        self._parameters: dict[str, dict[str, Any]] = {}
        # Few parties have records, and rules ask for them at every trade.
        having = sorted(one for one, facts in self._parties.items() if facts.recorded) if recorded is None else recorded
        self._recorded = having

    def bound(self, rule: str, settings: Callable[[Mapping[str, Any]], dict[str, Any]]) -> "Facts":
        """The same facts, for one rule: `parameters` are its own."""
        return Facts(
            packs=self.packs,
            assets=self._assets,
            parties=self._parties,
            contracts=self._contracts,
            edges=self._edges,
            payments=self._payments,
            uses=self._uses,
            days=self._days,
            settings=settings,
            rule=rule,
            recorded=self._recorded,
        )

    def pack(self, instant: int) -> Pack:
        """The pack in force."""
        return self.packs.in_force(instant)

    def parameters(self, instant: int) -> dict[str, Any]:
        """The rule's parameters in force at the instant."""
        if self._settings is None:
            raise LookupError("facts are not bound to a rule")
        pack = self.pack(instant)
        found = self._parameters.get(pack.digest)
        if found is None:
            found = self._parameters[pack.digest] = self._settings(pack.setting(self._rule).parameters)
        return found

    def loaded_assets(self, assets: Iterable[str]) -> dict[str, AssetFacts]:
        """Facts of those of the assets that were loaded, whatever for."""
        return {one: self._assets[one] for one in assets if one in self._assets}

    def loaded_parties(self, parties: Iterable[str]) -> dict[str, PartyFacts]:
        """Facts of those of the parties that were loaded, whatever for."""
        return {one: self._parties[one] for one in parties if one in self._parties}

    def asset(self, asset: str) -> AssetFacts:
        """Facts of an asset (also of one that is not registered)."""
        return self._assets[asset]

    def party(self, party: str) -> PartyFacts:
        """Facts of a party (also of one that is not registered)."""
        return self._parties[party]

    def contract(self, contract: str) -> ContractFacts:
        """Facts of a contract (also of one that is not signed)."""
        return self._contracts[contract]

    def first_use(self, contract: str) -> int | None:
        """The earliest `time` of a use of the contract, any reporter's: uses are counted, and not kept one by one."""
        return self._uses.get(contract)

    def used(self, contract: str) -> Sequence[UsedDay]:
        """What was used on each day, by reporter, in the order of days: `days` must be declared."""
        return self._days[contract]

    def payments_to(self, party: str) -> Sequence[Act]:
        """What was paid to a party, in the order of (time, source, id): `payments` must be declared.

        Known are the payments that lead to the payer of the act that is judged, and some others.
        """
        return self._payments.get(party, ())

    def chain(self, party: str, instant: int) -> list[str]:
        """The party, its controller, that one's, and so on, each once: `controllers` must be declared."""
        return chain(self._parties, party, instant)

    def topmost(self, party: str, instant: int) -> str:
        """Who stands at the head of the party's group: `controllers` must be declared."""
        return topmost(self._parties, party, instant)

    def recorded(self, party: str, instant: int) -> list[str]:
        """Of the party and all that have the same topmost controller those of which there are records: `group`."""
        head = self.topmost(party, instant) if self._recorded else party
        return [one for one in self._recorded if one == party or self.topmost(one, instant) == head]

    def inputs(self, asset: str) -> Sequence[Edge]:
        """The derivations of the asset itself, whenever they were made: `ancestors` must be declared."""
        return self._edges.get(asset, ())

    def subject(self, asset: str, instant: int) -> Subject:
        """An asset as negative lists see it; its industry is its own, else its owner's."""
        facts = self._assets[asset]
        data = facts.registration(instant)
        owner = None if data is None or data.owner is None else self._parties[data.owner].at(instant)
        return facts.subject(instant, None if owner is None else owner.industry)

    def ancestry(self, asset: str, instant: int, *, through_stops: bool) -> Ancestry:
        """The asset and all that it is derived from, with distances, over derivations made by then."""
        return ancestry(self._edges, asset, instant, through_stops)


def past(instant: int, count_days: int) -> int:
    """The deadline n days after an instant: within n days means `time` ≤ it."""
    return instant + days(count_days)
