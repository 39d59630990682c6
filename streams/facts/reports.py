"""Reports of one act: which of them are one thing, and which of them count (contract §2, "Acts and reporters")."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from circulation.events.event import Event
from circulation.events.names import (
    ASSET_ASSESSED,
    ASSET_DERIVED,
    ASSET_GRADED,
    ASSET_REGISTERED,
    ASSETS,
    CREDIT_DETERMINED,
    DELIVERY_COMPLETED,
    EXPORT_PERFORMED,
    GRANT_ISSUED,
    GRANT_REVOKED,
    INCIDENT_DISCOVERED,
    INCIDENT_REPORTED,
    MERIT_RECORDED,
    OBJECTION_DECIDED,
    OBJECTION_FILED,
    PARTY_REGISTERED,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
    REPAIR_APPLIED,
    REPAIR_DECIDED,
    REQUEST_REFUSED,
    SETTLEMENT_PAID,
    WATERMARK_SIGHTED,
)
from circulation.facts.acts import Act, order
from circulation.facts.contracts import STATING, ContractFacts
from circulation.licences import TERMS_TYPES
from streams.facts.circulations import CIRCULATING
from streams.facts.known import Known
from streams.facts.running_sums import EARLIEST
from streams.store import queue
from streams.store.db import Db

# The member of `data` that is an act's business id, by type.
BUSINESS = {
    DELIVERY_COMPLETED: "delivery",
    SETTLEMENT_PAID: "settlement",
    EXPORT_PERFORMED: "export",
    INCIDENT_DISCOVERED: "incident",
    INCIDENT_REPORTED: "incident",
    PRODUCT_LISTED: "product",
    PRODUCT_DELISTED: "product",
    ASSET_ASSESSED: "assessment",
    WATERMARK_SIGHTED: "watermark",
    REQUEST_REFUSED: "buyer",
    CREDIT_DETERMINED: "record",
    MERIT_RECORDED: "merit",
    OBJECTION_FILED: "objection",
    OBJECTION_DECIDED: "objection",
    REPAIR_APPLIED: "repair",
    REPAIR_DECIDED: "repair",
}

# Of these each replaces or adds to the one before it: no reporter's takes the place of another's.
STATED = frozenset({ASSET_REGISTERED, ASSET_GRADED, ASSET_DERIVED, PARTY_REGISTERED, GRANT_ISSUED, GRANT_REVOKED})

# A product is listed, a mark seen, a buyer refused again and again: each such event is an act of its own, though of
# several reporters the best one's count.
RECURRING = frozenset({PRODUCT_LISTED, PRODUCT_DELISTED, WATERMARK_SIGHTED, REQUEST_REFUSED})

# Of these one thing may have any number of reports that count.
AGAIN_AND_AGAIN = STATED | RECURRING | {*TERMS_TYPES}
# How the keys of such acts begin.
_AGAIN: Final = tuple(queue.acts(type_) for type_ in sorted(AGAIN_AND_AGAIN))


def thing_of(event: Event) -> str:
    """Return the key of the act that an event reports (contract §2, "Acts and reporters")."""
    member = BUSINESS.get(event.type)
    return queue.act(event.type, event.subject, str(getattr(event.data, member)) if member else "")


def is_repeated(thing: str) -> bool:
    """Whether an act is one that is reported again and again, so that each report may belong to another scope."""
    return thing.startswith(_AGAIN)


def each_counts(db: Db, known: Known, things: Collection[str]) -> set[str]:
    """The acts each of whose reports counts by itself, whatever others there are."""
    acts: set[str] = set()
    recurring: dict[str, list[str]] = {}
    terms: dict[str, list[tuple[str, str]]] = {}
    for thing in things:
        if queue.kind_of(thing) != queue.Kind.ACT:
            continue
        type_, subject, _ = queue.act_of(thing)
        if type_ in STATED:
            acts.add(thing)
        elif type_ in RECURRING:
            recurring.setdefault(subject, []).append(thing)
        elif type_ in TERMS_TYPES:
            terms.setdefault(subject, []).append((type_, thing))
    if terms:
        contracts = known.contracts(db, terms)
        acts.update(
            thing
            for contract, pairs in terms.items()
            for type_, thing in pairs
            if contracts[contract].each_counts(type_)
        )
    if recurring:
        acts.update(thing for asset in alone_reported(db, recurring) for thing in recurring[asset])
    return acts


class Reported(NamedTuple):
    """The reports of one thing that count, and all that stand; of those taken back, (source, id); all that tell of
    circulation; and the time of the earliest, whether it stands or not."""

    acts: list[Act]
    reports: list[Act]
    void: set[tuple[str, str]]
    circulating: list[Event]
    first: int


def reported(contracts: Mapping[str, ContractFacts], thing: str, reports: Sequence[tuple[Event, bool]]) -> Reported:
    """Sort the reports of one thing; each comes with whether it stands (it was not taken back).

    A statement of one of the `contracts` counts by its home alone.
    """
    standing = [event for event, counts in reports if counts]
    stated = standing and standing[0].type in STATING
    home = contracts[standing[0].subject].home if stated else None
    return Reported(
        counting(thing, standing if home is None else [event for event in standing if home.has(event.source)]),
        acting(thing, standing),
        {(event.source, event.id) for event, counts in reports if not counts},
        [event for event, _ in reports if event.type in CIRCULATING],
        min((event.time for event, _ in reports), default=EARLIEST),
    )


def counting(thing: str, reports: Sequence[Event]) -> list[Act]:
    """Of several reports of one act that of the exchange, else the provider, else the consumer.

    Where the act has a business id the earliest of one reporter counts; else each event is an act of its own, and so is
    each listing of a product, each sighting of a watermark, each refusal of a buyer. Statements that facts are folded
    from, whoever made them, count as facts do.
    """
    if not reports:
        return []
    if reports[0].type in STATED:
        return acting(thing, sorted(reports, key=order))
    best = min(event.reporter for event in reports)
    kept = sorted((event for event in reports if event.reporter == best), key=order)
    business = queue.business_of(thing)
    if business and reports[0].type not in RECURRING:
        kept = kept[:1]
    return acting(thing, kept)


def acting(thing: str, events: Iterable[Event]) -> list[Act]:
    """Events as acts of one thing."""
    return [
        Act(
            thing=thing,
            type=event.type,
            subject=event.subject,
            source=event.source,
            id=event.id,
            time=event.time,
            reporter=event.reporter,
            data=event.data,
        )
        for event in events
    ]


class _Reporters(msgspec.Struct, array_like=True):
    """The beginning of a desk's state, as far as its reporters."""

    days: msgspec.Raw
    sequences: msgspec.Raw
    waiting: int
    waiting_uses: int
    first_use: int
    paid: bool
    reporters: int


_reporters = msgspec.msgpack.Decoder(_Reporters).decode


def alone_reported(db: Db, assets: Collection[str]) -> set[str]:
    """The assets of which all acts that are reported again and again (`RECURRING`) were reported by one reporter."""
    query = "select subject, state from desks where topic = ? and subject = any(?)"
    rows = db.rows(query, ASSETS, sorted(assets))
    masks = {subject: _reporters(bytes(state)).reporters for subject, state in rows}
    return {subject for subject, mask in masks.items() if mask and not mask & (mask - 1)}
