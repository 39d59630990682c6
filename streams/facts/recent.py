"""Finds the acts that a statement touches which holds from an instant on: of all acts the few since then.

A statement of an asset or a party with ten thousand acts mostly comes behind all of them, and then nothing has to be
judged again. So a request for a changed fact says from which instant on it may have changed; what an act looks at is
what would be loaded to judge it. Where it may have changed all along, or too many acts came since, the acts are found
through what they name (`streams.judging.changed_facts`).
"""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.events.event import Event
from circulation.events.names import ASSET_DERIVED, ASSET_REGISTERED, ASSETS, CONTRACTS, OPENLINEAGE_RUN, PARTIES
from circulation.events.types import TYPES
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.licences import TERMS_TYPES
from streams.facts import derivations, loading
from streams.facts.known import Known
from streams.facts.running_sums import EARLIEST
from streams.store import queue
from streams.store.db import Db

# Acts since an instant of which each is looked at; where there are more, others than those concerned are too many.
RECENT_MAX: Final = 100
# Of what is about a party or an asset; other kinds of facts are about what they are called.
ENTITIES: Final = {"grant": "party", "assessed": "asset", "derived": "asset", "withdrawn": "asset"}
_OF_ASSETS: Final = frozenset({"asset", "assessed", "derived", "withdrawn"})
_CONTRACT: Final = "contract"
# A listing says to contracts signed later as what a product is offered, and for how much.
_OFFERED: Final = "offered"
_GRANT: Final = "grant"
_OF_PARTIES: Final = frozenset({"party", _GRANT, "group"})


class Change(NamedTuple):
    """Something was stated of a subject: what kind of fact, and from which instant on it may be another one."""

    kind: str
    subject: str
    since: int


class Types(NamedTuple):
    """The types of acts that are judged, and those of which a rule looks at whole groups, at all ancestors of assets,
    at what assets were derived from in one step, at any contract that their asset was ever under."""

    judged: Sequence[str]
    whole_groups: Collection[str]
    ancestors: Collection[str]
    inputs: Collection[str]
    recalling: Collection[str]


class Found(NamedTuple):
    """The acts, by thing, with the instant from which on they are judged again; and the changes to be looked for
    among all acts."""

    acts: dict[str, int]
    broad_changes: list[Change]


def find(
    db: Db,
    known: Known,
    changes: Iterable[Change],
    screened: Callable[[int], bool],
    types: Types,
) -> Found:
    """The acts that changes touch. A change that is `screened` since an instant is looked for among all acts."""
    reach = Found({}, [])
    recent: list[Change] = []
    changes = list(changes)
    _read(db, known, changes)
    for change in changes:
        since = _since(db, known, change)
        if since > EARLIEST and not screened(since):
            recent.append(change._replace(since=since))
            if change.kind == _CONTRACT and _is_first_sold_on(db, known, change.subject, since):
                reach.acts.update((queue.act(type_, change.subject), EARLIEST) for type_ in TERMS_TYPES)
        else:
            reach.broad_changes.append(change)
    if not recent:
        return reach
    assets = [change.subject for change in recent if change.kind in _OF_ASSETS]
    rows = _rows(db, min(change.since for change in recent), types.judged, assets)
    registrations = _made_since(db, recent) if ASSET_REGISTERED in types.inputs else {}
    if rows is None or registrations is None:
        reach.broad_changes.extend(recent)
        return reach
    reach.acts.update(registrations)
    heads: dict[str, set[str]] = {}
    # By asset of which an act may look at inputs: the changes to which it may be one, with the act's thing.
    inputs: dict[str, list[tuple[Change, str]]] = {}
    for row in rows:
        event = known.event(row)
        looks = _Looks(db, known, event, types)
        for change in recent:
            if event.time < change.since:
                continue
            if change.kind == _OFFERED:
                touched = event.type in TERMS_TYPES and change.subject == event.data.asset
            elif change.kind == _CONTRACT:
                touched = change.subject in looks.contracts or (
                    event.type in types.recalling
                    and event.subject in known.contracts(db, [change.subject])[change.subject].assets()
                )
            elif change.kind in _OF_ASSETS:
                touched = change.subject in looks.named or change.subject in looks.assets
                if not touched and event.type in types.inputs:
                    for asset in looks.named:
                        inputs.setdefault(asset, []).append((change, row[4]))
            else:
                touched = change.subject in looks.parties
                if not touched and event.type in types.whole_groups:
                    # of the same group are those who ever had a controller in common
                    if change.subject not in heads:
                        heads[change.subject] = set(known.with_controllers(db, [change.subject]))
                    touched = not heads[change.subject].isdisjoint(looks.parties)
            if touched:
                reach.acts[row[4]] = min(change.since, reach.acts.get(row[4], change.since))
    if inputs:
        subjects = sorted({change.subject for pairs in inputs.values() for change, _ in pairs})
        for output, input_ in loading.derived_from(db, sorted(inputs), subjects):
            for change, thing in inputs[output]:
                if change.subject == input_:
                    reach.acts[thing] = min(change.since, reach.acts.get(thing, change.since))
    return reach


def _read(db: Db, known: Known, changes: Iterable[Change]) -> None:
    """Read the facts that `_since` asks for one by one, all at once."""
    subjects: dict[str, set[str]] = {}
    for change in changes:
        if change.since != EARLIEST:
            subjects.setdefault(change.kind, set()).add(change.subject)
    assets = set().union(*(subjects.get(kind, ()) for kind in _OF_ASSETS))
    parties = set().union(*(subjects.get(kind, ()) for kind in _OF_PARTIES))
    for kept, ids in ((known.assets, assets), (known.contracts, subjects.get(_CONTRACT, ())), (known.parties, parties)):
        if ids:
            kept(db, sorted(ids))


def _since(db: Db, known: Known, change: Change) -> int:
    kind, subject, since = change
    if since == EARLIEST:
        return EARLIEST
    if kind in _OF_ASSETS:
        asset = known.assets(db, [subject])[subject]
        if kind == "asset":
            return asset.changed_since(since)
        if kind == "withdrawn":
            return asset.withdrawn_since(since)
        return asset.assessed_since(since) if kind == "assessed" else since
    if kind == _CONTRACT:
        contract = known.contracts(db, [subject])[subject]
        # The acts in a sandbox, which a seller holds, are looked at together, whichever of them came first.
        tried = any(party.trials for party in known.parties(db, contract.sellers_since(since)).values())
        return EARLIEST if tried else contract.changed_since(since)
    if kind == _OFFERED:
        return since
    if kind not in _OF_PARTIES:
        return EARLIEST
    party = known.parties(db, [subject])[subject]
    if kind == "grant":
        return party.granted_since(since)
    if kind == "group":
        return party.recorded_since(since)
    # Control is asked of the parties to earlier acts, too.
    return EARLIEST if party.moved_since(since) else party.changed_since(since)


def _is_first_sold_on(db: Db, known: Known, id_: str, since: int) -> bool:
    """Whether a contract is sold on, by one who is not an owner of its asset, only by what was stated since an instant.

    That puts it among the contracts that a rule looks at, with all that was ever stated of it.
    """
    contract = known.contracts(db, [id_])[id_]
    if not contract.is_sold_by_others_since(since):
        return False
    owners = [asset.owners() for asset in known.assets(db, contract.assets()).values()]
    return any(
        contract.is_sold_on(asset_owners) and not contract.is_sold_on(asset_owners, since) for asset_owners in owners
    )


def _rows(db: Db, since: int, types: Sequence[str], assets: Sequence[str]) -> list[tuple[Any, ...]] | None:
    """The acts since an instant; None where there are too many, or what was derived from one of these assets may be
    judged for a run since, of which no act tells."""
    if assets and loading.since(db, [OPENLINEAGE_RUN], since, 1, "id") and loading.is_run_since(db, assets, since):
        return None
    rows = loading.since(db, types, since, RECENT_MAX + 1)
    return rows if len(rows) <= RECENT_MAX else None


def _made_since(db: Db, changes: Iterable[Change]) -> dict[str, int] | None:
    """The registrations of what runs may have derived since a grant was issued or revoked, of which no act tells; None
    where there are too many runs."""
    since = min((change.since for change in changes if change.kind == _GRANT), default=None)
    rows = [] if since is None else loading.since(db, [OPENLINEAGE_RUN], since, RECENT_MAX + 1, "subject")
    if len(rows) > RECENT_MAX:
        return None
    subjects = {row[0] for row in rows}
    ahead = subjects
    while ahead:
        # Inputs of a run without outputs are derived by the runs above it.
        parents = db.rows("select distinct parent from given where run = any(?)", sorted(ahead))
        ahead = {row[0] for row in parents} - subjects
        subjects |= ahead
    if not subjects:
        return {}
    origins = [origin for subject in sorted(subjects) for origin in derivations.origins(subject)]
    outputs = [row[0] for row in db.rows("select distinct output from derivations where origin = any(?)", origins)]
    query = "select distinct thing from events where topic = ? and subject = any(?) and type = ?"
    return {row[0]: EARLIEST for row in db.rows(query, ASSETS, outputs, ASSET_REGISTERED)}


class _Looks:
    """The entities that are loaded to judge an act; each part of them is looked up when it is asked for.

    `named` are the assets that it names, `assets` these with what they were derived from, where a rule looks at that;
    `parties` those that it names, or that owned any of these, with all who control them.
    """

    def __init__(self, db: Db, known: Known, event: Event, types: Types) -> None:
        self._db, self._known, self._event, self._types = db, known, event, types
        self.contracts = {*contracts_of(event)}

    @functools.cached_property
    def _facts(self) -> dict[str, ContractFacts]:
        return self._known.contracts(self._db, self.contracts)

    @functools.cached_property
    def named(self) -> set[str]:
        return {*assets_of(self._event, self._facts)}

    @functools.cached_property
    def assets(self) -> set[str]:
        if self._event.type not in self._types.ancestors:
            return self.named
        return loading.nodes_above(self.named, self._known.edges_above(self._db, self.named))

    @functools.cached_property
    def parties(self) -> set[str]:
        parties = {*parties_of(self._event)}
        parties |= {party for contract in self._facts.values() for party in contract.parties_at(self._event.time)}
        parties |= {owner for asset in self._known.assets(self._db, self.assets).values() for owner in asset.owners()}
        return set(self._known.with_controllers(self._db, parties))


# The members of `data` that name parties.
_PARTIES: Final = ("seller", "buyer", "recipient", "owner", "payer", "payee")


class _Members(NamedTuple):
    """The members of a type of data that name a contract, an asset, parties."""

    contract: bool
    asset: bool
    parties: tuple[str, ...]


# By type of data: it never changes.
_MEMBERS: Final[dict[type, _Members]] = {}


def _members(data: object) -> _Members:
    kind = type(data)
    members = _MEMBERS.get(kind)
    if members is None:
        named = tuple(name for name in _PARTIES if hasattr(data, name))
        members = _MEMBERS[kind] = _Members(hasattr(data, "contract"), hasattr(data, "asset"), named)
    return members


def contracts_of(act: Act | Event) -> list[str]:
    """The contracts that an act names."""
    data = act.data
    named = data.contract if _members(data).contract else None
    subjects = [act.subject] if topic_of(act.type) == CONTRACTS else []
    return subjects if named is None else [*subjects, named]


def assets_of(act: Act | Event, contracts: Mapping[str, ContractFacts]) -> list[str]:
    """The assets that an act names, or one of these contracts then."""
    data = act.data
    assets = [act.subject] if topic_of(act.type) == ASSETS else []
    if _members(data).asset and data.asset is not None:
        assets.append(data.asset)
    if act.type == ASSET_DERIVED:
        assets += [input_.asset for input_ in data.inputs]
    for contract in contracts_of(act):
        assets += contracts[contract].assets_at(act.time)
    return assets


def parties_of(act: Act | Event) -> list[str]:
    """The parties that an act names."""
    data = act.data
    parties = [act.subject] if topic_of(act.type) == PARTIES else []
    return parties + [named for member in _members(data).parties if (named := getattr(data, member)) is not None]


def topic_of(type_: str) -> str:
    """The topic that events of a type land on."""
    return TYPES[type_][0] or ""
