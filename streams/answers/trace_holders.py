"""The parts of a trace that say who holds the assets, who controls the holders, and by what contract or right."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import DELIVERY_COMPLETED
from circulation.facts.parties import chain, topmost
from streams.answers.seen import Seen
from streams.answers.trace_document import Contract, Controller, Derivation, Holder, Right

# The kinds of grant by which a right may be had.
KINDS: Mapping[str, tuple[str, ...]] = {
    "holding": ("holding-right",),
    "processing": ("processing-right",),
    "operating": ("operating-right", "public-operation"),
}


def holders(seen: Seen) -> list[Holder]:
    """Owners, and buyers of the contracts in force."""
    held: dict[tuple[str, Literal["owner", "buyer"]], tuple[set[str], list[str]]] = {}
    for asset in seen.shown:
        owner = seen.owner(asset)
        if owner is not None:
            held.setdefault((owner, "owner"), (set(), []))[0].add(asset)
    selling: dict[str, set[str]] = {}
    for contract, data in seen.in_force():
        assets, names = held.setdefault((data.buyer, "buyer"), (set(), []))
        assets.add(data.asset)
        names.append(contract.id)
        selling.setdefault(data.seller, set()).add(data.asset)
    return [
        Holder(
            party=party,
            name=seen.name(party),
            holds=holds,
            assets=sorted(assets),
            contracts=sorted(names),
            controllers=chain(seen.parties, party, seen.at)[1:],
            last=assets.isdisjoint(selling.get(party, ())),
        )
        for (party, holds), (assets, names) in sorted(held.items())
    ]


def controllers(seen: Seen) -> list[Controller]:
    """The heads of the groups that supply the assets, and of those that buy them."""
    sides: dict[Literal["supply", "demand"], set[str]] = {"supply": set(), "demand": set()}
    for asset in seen.shown:
        sides["supply"] |= {
            party for party in (seen.owner(asset), *seen.assets[asset].sellers(seen.at)) if party is not None
        }
    for _, data in seen.in_force():
        sides["supply"].add(data.seller)
        sides["demand"].add(data.buyer)
    rows = []
    for side, parties in sides.items():
        heads: dict[str, list[str]] = {}
        for party in sorted(parties):
            heads.setdefault(topmost(seen.parties, party, seen.at), []).append(party)
        rows += [
            Controller(party=head, side=side, parties=parties, name=seen.name(head), circle=_circle(seen, head))
            for head, parties in sorted(heads.items())
        ]
    return rows


def _circle(seen: Seen, head: str) -> list[str]:
    above = chain(seen.parties, head, seen.at)
    data = seen.parties[above[-1]].at(seen.at)
    return sorted(above) if data is not None and data.controller == head and len(above) > 1 else []


def contracts(seen: Seen, acts: Sequence[Event]) -> list[Contract]:
    """The contracts in force, with what was delivered under them."""
    delivered: dict[str, list[Event]] = {}
    for act in acts:
        if act.type == DELIVERY_COMPLETED:
            delivered.setdefault(act.subject, []).append(act)
    rows = []
    for contract, data in seen.in_force():
        deliveries = delivered.get(contract.id, [])
        rows.append(
            Contract(
                contract=contract.id,
                asset=data.asset,
                seller=data.seller,
                buyer=data.buyer,
                channel=data.channel,
                valid_from=format_instant(data.terms.valid_from),
                valid_to=None if data.terms.valid_to is None else format_instant(data.terms.valid_to),
                resale=data.terms.resale,
                derivation=data.terms.derivation,
                deliveries=len(deliveries),
                recipients=sorted({act.data.recipient for act in deliveries}),
                countries=sorted({act.data.country for act in deliveries if act.data.country is not None}),
            )
        )
    return sorted(rows, key=lambda row: row.contract)


def rights(seen: Seen, derivations: Iterable[Derivation]) -> list[Right]:
    """The holders, processors and operators of each asset, with their rights."""
    processing: dict[str, set[str]] = {}
    for step in derivations:
        owner = seen.owner(step.output)
        if owner is not None and not step.same:
            processing.setdefault(step.input, set()).add(owner)
    operating: dict[str, set[str]] = {}
    for _, data in seen.in_force():
        operating.setdefault(data.asset, set()).add(data.seller)
    rows: list[Right] = []
    for asset in seen.shown[: seen.limits.rights_max]:
        owner = seen.owner(asset)
        sellers = operating.get(asset, set()) | seen.assets[asset].sellers(seen.at)
        acting: tuple[tuple[Literal["holding", "processing", "operating"], Iterable[str]], ...] = (
            ("holding", () if owner is None else (owner,)),
            ("processing", sorted(processing.get(asset, ()))),
            ("operating", sorted(sellers)),
        )
        for right, parties in acting:
            for party in parties:
                rows += _had(seen, asset, right, party)
    if len(seen.shown) > seen.limits.rights_max:
        seen.over("rights_max", "rights")
    return rows


def _had(seen: Seen, asset: str, right: Literal["holding", "processing", "operating"], party: str) -> list[Right]:
    data = seen.registrations[asset]
    if data is not None and data.owner == party and right in data.rights:
        return [
            Right(
                asset=asset,
                right=right,
                party=party,
                state="valid",
                by="registration",
                certificate=data.certificate,
            )
        ]
    granted = [_granted(seen, asset, right, party, grant) for grant in _grants(seen, asset, right, party)]
    good = [row for row in granted if row.state == "valid"]
    return good or granted or [Right(asset=asset, right=right, party=party, state="missing")]


def _grants(seen: Seen, asset: str, right: str, party: str) -> list[Any]:
    facts = seen.parties.get(party)
    issued = [] if facts is None else facts.issued(KINDS[right], seen.at)
    return [grant for grant in issued if grant.assets is None or asset in grant.assets]


def _granted(
    seen: Seen, asset: str, right: Literal["holding", "processing", "operating"], party: str, grant: Any
) -> Right:
    revoked = seen.parties[party].revoked(grant.grant, seen.at)
    state: Literal["valid", "not-yet", "expired", "revoked"] = "valid"
    if revoked is not None:
        state = "revoked"
    elif seen.at < grant.valid_from:
        state = "not-yet"
    elif grant.valid_to is not None and grant.valid_to <= seen.at:
        state = "expired"
    return Right(
        asset=asset,
        right=right,
        party=party,
        state=state,
        by="grant",
        grant=grant.grant,
        kind=grant.kind,
        document=grant.document,
        valid_from=format_instant(grant.valid_from),
        valid_to=None if grant.valid_to is None else format_instant(grant.valid_to),
        revoked=None if revoked is None else format_instant(revoked),
    )
