"""The parts of a trace that say what was done: where the assets went, and where their watermarks were seen."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam

from circulation import onward
from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import ASSETS, CONTRACTS, DELIVERY_COMPLETED, EXPORT_PERFORMED, WATERMARK_SIGHTED
from circulation.facts.acts import order
from circulation.facts.contracts import ContractFacts
from circulation.facts.parties import topmost
from circulation.onward import Sold, Start
from streams.answers.kept import EVENTS, kept, stood
from streams.answers.seen import Seen
from streams.answers.trace_document import Country, Delivery, Sighting, Watermark
from streams.facts.groups import with_controllers
from streams.store import schema
from streams.store.ask import Question, any_of
from streams.store.kept_events import event_of

_REFS: Final = schema.refs.c


@cache
def _naming(*, dated: bool) -> Question:
    """The acts that name one of the things of a kind."""
    naming = kept().select_from(schema.refs).join(schema.events, EVENTS.id == _REFS.event)
    named = naming.where(_REFS.kind == bindparam("kind"), _REFS.ref == any_of("ids"))
    return Question(_first(named, dated=dated))


@cache
def _of_subjects(*, dated: bool) -> Question:
    """The acts of subjects."""
    of_subjects = kept().where(EVENTS.topic == bindparam("topic"), EVENTS.subject == any_of("ids"))
    return Question(_first(of_subjects, dated=dated))


def _first(acts: Select[Any], *, dated: bool) -> Select[Any]:
    """The first acts of a type by an instant that were not taken back."""
    by_then = acts.where(EVENTS.type == bindparam("type"), EVENTS.time <= bindparam("at"), stood(dated=dated))
    return by_then.order_by(EVENTS.id).limit(bindparam("count"))


@cache
def _sighted(*, dated: bool) -> Question:
    """The first sightings of the marks of assets."""
    of_assets = kept().where(
        EVENTS.topic == ASSETS, EVENTS.subject == any_of("assets"), EVENTS.type == WATERMARK_SIGHTED
    )
    by_then = of_assets.where(EVENTS.time <= bindparam("at"), stood(dated=dated))
    return Question(by_then.order_by(EVENTS.time + 0, EVENTS.source, EVENTS.event).limit(bindparam("count")))


def acts(seen: Seen) -> list[Event]:
    """Exports and deliveries of the assets by then; of several reports of one act the one that counts."""
    dated = seen.known_at is not None
    then = {"at": seen.at, "known_at": seen.known_at, "count": seen.limits.acts_max + 1}
    named = _naming(dated=dated)
    ids = list(seen.contracts)
    rows = named.rows(seen.db, kind="asset", ids=sorted(seen.shown), type=EXPORT_PERFORMED, **then)
    if ids:
        rows += named.rows(seen.db, kind="contract", ids=ids, type=EXPORT_PERFORMED, **then)
        rows += _of_subjects(dated=dated).rows(seen.db, topic=CONTRACTS, ids=ids, type=DELIVERY_COMPLETED, **then)
    if len(rows) > seen.limits.acts_max:
        seen.over("acts_max", "countries")
    reports: dict[str, Event] = {}
    for row in rows[: seen.limits.acts_max]:
        event = event_of(row)
        if row[4] not in reports or _rank(event) < _rank(reports[row[4]]):
            reports[row[4]] = event
    return list(reports.values())


def _rank(event: Event) -> tuple[int, tuple[int, str, str]]:
    return (event.reporter, order(event))


def countries(seen: Seen, acts: Iterable[Event]) -> list[Country]:
    """Where exports and deliveries of the assets went."""
    went: dict[str, list[tuple[Event, str]]] = {}
    shown = set(seen.shown)
    for event in acts:
        asset = object_of(event, seen.contracts)
        if event.data.country is not None and asset in shown:
            went.setdefault(event.data.country, []).append((event, asset))
    return [
        Country(
            country=country,
            exports=sum(event.type == EXPORT_PERFORMED for event, _ in pairs),
            deliveries=sum(event.type == DELIVERY_COMPLETED for event, _ in pairs),
            first=format_instant(min(event.time for event, _ in pairs)),
            last=format_instant(max(event.time for event, _ in pairs)),
            assets=sorted({asset for _, asset in pairs}),
        )
        for country, pairs in sorted(went.items())
    ]


def object_of(event: Event, contracts_: Mapping[str, ContractFacts]) -> str | None:
    """The asset of an act: the one it names, else that of its contract then."""
    named: str | None = getattr(event.data, "asset", None)
    contract = contracts_.get(event.subject if event.type == DELIVERY_COMPLETED else event.data.contract or "")
    if named is not None or contract is None:
        return named
    data = contract.statement(event.time)
    return None if data is None else str(data.asset)


def watermarks(seen: Seen, acts: Iterable[Event]) -> list[Watermark]:
    """The marks of the assets: to whom they were delivered, where they were seen, and how they may have come there."""
    rows = _sighted(dated=seen.known_at is not None).rows(
        seen.db,
        assets=list(seen.shown),
        at=seen.at,
        known_at=seen.known_at,
        count=seen.limits.marks_max + 1,
    )
    sighted: dict[tuple[str, str], list[Event]] = {}
    for row in rows[: seen.limits.marks_max]:
        event = event_of(row)
        sighted.setdefault((event.subject, event.data.watermark), []).append(event)
    delivered: dict[tuple[str, str], list[Event]] = {}
    shown = set(seen.shown)
    for act in sorted((event for event in acts if event.type == DELIVERY_COMPLETED), key=order):
        asset = object_of(act, seen.contracts)
        if act.data.watermark is not None and asset in shown:
            delivered.setdefault((asset, act.data.watermark), []).append(act)
    # The holder or recipient of a marked asset may be a party of nothing else.
    named = {event.data.holder for sightings in sighted.values() for event in sightings}
    named |= {event.data.recipient for deliveries in delivered.values() for event in deliveries}
    if strangers := named - seen.parties.keys():
        more = with_controllers(seen.db, strangers, seen.known_at)
        seen = seen._replace(parties={**more, **seen.parties})
    names = sorted({*sighted, *delivered})
    if len(names) > seen.limits.marks_max or len(rows) > seen.limits.marks_max:
        seen.over("marks_max", "watermarks")
    return [
        Watermark(
            watermark=mark,
            asset=asset,
            deliveries=[_delivery(act) for act in delivered.get((asset, mark), ())],
            sightings=[
                _sighting(seen, asset, event, delivered.get((asset, mark), ()))
                for event in sighted.get((asset, mark), ())
            ],
        )
        for asset, mark in names[: seen.limits.marks_max]
    ]


def _delivery(act: Event) -> Delivery:
    data = act.data
    time = format_instant(act.time)
    return Delivery(
        delivery=data.delivery, contract=act.subject, recipient=data.recipient, time=time, country=data.country
    )


def _sighting(seen: Seen, asset: str, event: Event, delivered: Sequence[Event]) -> Sighting:
    data = event.data
    starts: list[Start] = []
    for act in delivered:
        if act.time <= event.time:
            statement = seen.contracts[act.subject].statement(event.time)
            resale = statement is not None and statement.terms.resale
            starts.append(Start(act.data.recipient, resale))
            if statement is not None:
                starts.append(Start(statement.buyer, resale))
    sold = []
    for contract in seen.contracts.values():
        if contract.signed is not None and contract.signed.time <= event.time:
            statement = contract.statement(event.time) or contract.signed.data
            if statement.asset == asset:
                sold.append(Sold(contract.id, statement.seller, statement.buyer, statement.terms.resale))
    allowed = onward.way(starts, sold, data.holder, permitted=True)
    any_way = allowed if allowed is not None else onward.way(starts, sold, data.holder, permitted=False)
    return Sighting(
        holder=data.holder,
        place=data.place,
        time=format_instant(event.time),
        permitted=allowed is not None if starts else None,
        chain=any_way or [],
        related=_related(seen, data.holder, {sale.party for sale in starts}),
    )


def _related(seen: Seen, holder: str, parties: Collection[str]) -> list[str]:
    """Of the parties those of the holder's group, itself not among them."""
    if holder not in seen.parties:
        return []
    head = topmost(seen.parties, holder, seen.at)
    known = (party for party in parties if party != holder and party in seen.parties)
    return sorted(party for party in known if topmost(seen.parties, party, seen.at) == head)
