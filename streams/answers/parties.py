"""A party and its group: who controls whom, what they hold, and what their contracts and exports come to together.

Circular ownership is harmless: of parties that control each other the smallest id stands for all of them. The events
say who controls a party and not by how much, so shares of control are not told.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, select, union_all

from circulation.calendar import format_instant, year_of
from circulation.events.event import Event
from circulation.events.names import EXPORT_PERFORMED, PARTIES
from circulation.exports import exempt
from circulation.facts.acts import Act, order
from circulation.facts.facts import Loaded
from circulation.facts.parties import PartyFacts, chain, topmost
from circulation.packs.in_force import Packs
from streams.answers.kept import EVENTS, kept
from streams.answers.seen import contracts_over, valid
from streams.facts import circulations as screening
from streams.facts import loading
from streams.facts.groups import with_groups
from streams.facts.reports import counting, thing_of
from streams.store.ask import ANY_ROW, Question, any_of
from streams.store.db import Db
from streams.store.kept_events import event_of
from streams.store.schema import refs

LIMITS = ("uses_max", "bytes_max", "rows_max", "persons_max")


class Limits(NamedTuple):
    """The limits: members of the group, their assets and contracts, and exports."""

    members_max: int = 5_000
    assets_max: int = 50_000
    contracts_max: int = 20_000
    exports_max: int = 100_000


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The exports of a calendar year (UTC+08:00) that count: not those under an exemption that holds."""

    year: int
    exports: int
    persons: int
    sensitive_persons: int


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """A limit over all contracts in force under which they buy: of those that have it, and how many have none."""

    limit: str
    total: int
    contracts: int
    unlimited: int


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party of the group; `steps` to its head. `exported` by the year, of this party alone."""

    party: str
    steps: int
    name: str | None = None
    controller: str | None = None
    exported: list[Exported] = []


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An asset that the group holds now: `party` owns it, or buys it under contracts in force."""

    asset: str
    party: str
    title: str | None = None
    contracts: list[str] = []


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party with its group, as of an instant.

    `chain`: the party, its controller, that one's, and so on. `head` stands for the group; `circle` are those that
    control each other at its head. `exported` and `limits` are sums over the whole group.
    """

    party: str
    as_of: str
    name: str | None = None
    chain: list[str]
    head: str
    circle: list[str] = []
    members: list[Member]
    holds: list[Held]
    limits: list[Sum]
    exported: list[Exported]
    cut_off: list[str] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of a group as it is written by `--json`."""
    return msgspec.json.schema(Group)


_REFS: Final = refs.c
_KNOWN: Final = Question(
    union_all(
        ANY_ROW.where(EVENTS.topic == PARTIES, EVENTS.subject == bindparam("party")),
        ANY_ROW.where(_REFS.kind == any_of("kinds"), _REFS.ref == bindparam("party")),
    ).limit(1)
)
_ALIKE: Final = Question(
    select(EVENTS.subject)
    .distinct()
    .where(EVENTS.topic == PARTIES, EVENTS.subject.like(bindparam("like")))
    .limit(bindparam("count"))
)
_EXPORTS: Final = Question(
    kept()
    .where(
        EVENTS.topic == PARTIES,
        EVENTS.subject == any_of("parties"),
        EVENTS.type == EXPORT_PERFORMED,
        EVENTS.time <= bindparam("at"),
        EVENTS.retracted.is_(None),
    )
    # else through all events in their order
    .order_by(EVENTS.id + 0)
    .limit(bindparam("count"))
)


def is_known(db: Db, party: str) -> bool:
    """Whether anything names this party."""
    return _KNOWN.one(db, party=party, kinds=["party", "controller"]) is not None


def known_parties(db: Db, like: str, count_max: int) -> list[str]:
    """Some parties whose ids are like this pattern of SQL."""
    return [row[0] for row in _ALIKE.rows(db, like=like, count=count_max)]


def group(db: Db, party: str, at: int, packs: Packs, limits: Limits | None = None) -> Group:
    """The party and all that have the same head as of the instant (µs)."""
    limits = limits or Limits()
    cut: list[str] = []
    facts = with_groups(db, [party])
    head = topmost(facts, party, at)
    members = sorted(member for member in facts if topmost(facts, member, at) == head)
    if len(members) > limits.members_max:
        cut.append("members_max")
        members = sorted({party, *members[: limits.members_max]})
    above = chain(facts, head, at)
    last = facts[above[-1]].at(at)
    holds, bought = _held(db, members, at, limits, cut)
    exported = _exported(db, members, facts, at, packs, limits, cut)
    return Group(
        party=party,
        as_of=format_instant(at),
        name=_name(facts, party, at),
        chain=chain(facts, party, at),
        head=head,
        circle=sorted(above) if last is not None and last.controller == head and len(above) > 1 else [],
        members=sorted(
            (_member(facts, member, head, at, exported.get(member, [])) for member in members),
            key=lambda member: (member.steps, member.party),
        ),
        holds=holds,
        limits=[_sum(limit, bought) for limit in LIMITS],
        exported=_added(export for of_party in exported.values() for export in of_party),
        cut_off=cut,
    )


def _name(facts: Mapping[str, PartyFacts], party: str, at: int) -> str | None:
    data = facts[party].at(at)
    return None if data is None else data.name


def _member(facts: Mapping[str, PartyFacts], party: str, head: str, at: int, exported: list[Exported]) -> Member:
    data = facts[party].at(at)
    return Member(
        party=party,
        steps=chain(facts, party, at).index(head),
        name=_name(facts, party, at),
        controller=None if data is None else data.controller,
        exported=exported,
    )


def _held(db: Db, members: Sequence[str], at: int, limits: Limits, cut: list[str]) -> tuple[list[Held], list[Any]]:
    """The assets that the members hold, and the contracts in force under which they buy."""
    assets = sorted(screening.of_parties(db, members))
    if len(assets) > limits.assets_max:
        cut.append("assets_max")
        assets = assets[: limits.assets_max]
    facts = loading.assets(db, assets)
    contracts, more = contracts_over(db, assets, None, limits.contracts_max)
    if more:
        cut.append("contracts_max")
    held: dict[tuple[str, str], list[str]] = {}
    for asset in assets:
        data = facts[asset].registration(at)
        if data is not None and data.owner in set(members):
            held.setdefault((asset, data.owner), [])
    bought = []
    for contract in contracts.values():
        data = valid(contract, at)
        if data is not None and data.buyer in set(members):
            bought.append(data)
            held.setdefault((data.asset, data.buyer), []).append(contract.id)
    holdings = []
    for (asset, party), names in sorted(held.items()):
        data = facts[asset].registration(at) if asset in facts else None
        title = None if data is None else data.title
        holdings.append(Held(asset=asset, party=party, title=title, contracts=sorted(names)))
    return holdings, bought


def _sum(limit: str, bought: Sequence[Any]) -> Sum:
    maxima = [getattr(contract.terms, limit) for contract in bought]
    stated = [maximum for maximum in maxima if maximum is not None]
    return Sum(limit=limit, total=sum(stated), contracts=len(stated), unlimited=len(maxima) - len(stated))


def _exported(
    db: Db,
    members: Sequence[str],
    facts: Mapping[str, PartyFacts],
    at: int,
    packs: Packs,
    limits: Limits,
    cut: list[str],
) -> dict[str, list[Exported]]:
    """The sums of each year, by party."""
    rows = _EXPORTS.rows(db, parties=list(members), at=at, count=limits.exports_max + 1)
    if len(rows) > limits.exports_max:
        cut.append("exports_max")
    reports: dict[str, list[Event]] = {}
    for event in map(event_of, rows[: limits.exports_max]):
        reports.setdefault(thing_of(event), []).append(event)
    acts: list[Act] = sorted(
        (act for thing, reported in reports.items() for act in counting(thing, reported)), key=order
    )
    known = Loaded(packs=packs, parties=facts).bound("export-splitting", frozenset({"party"}), dict)
    by_party: dict[str, list[Exported]] = {}
    for act in acts:
        if not exempt(act, known):
            by_party.setdefault(act.subject, []).append(
                Exported(
                    year=year_of(act.time),
                    exports=1,
                    persons=act.data.persons,
                    sensitive_persons=act.data.sensitive_persons,
                )
            )
    return {party: _added(exports) for party, exports in by_party.items()}


def _added(exported: Iterable[Exported]) -> list[Exported]:
    sums: dict[int, list[int]] = {}
    for export in exported:
        total = sums.setdefault(export.year, [0, 0, 0])
        for place, more in enumerate((export.exports, export.persons, export.sensitive_persons)):
            total[place] += more
    return [
        Exported(year=year, exports=exports, persons=persons, sensitive_persons=sensitive)
        for year, (exports, persons, sensitive) in sorted(sums.items())
    ]
