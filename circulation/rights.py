"""The right to sell an asset: its owner with `operating`, who holds a grant of it, who bought it and may resell it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from circulation.events.names import PRODUCT_LISTED
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts

OPERATING = "operating-right"


class Offer(NamedTuple):
    """An offer or a sale, its seller, and the members by which a grant may be restricted."""

    asset: str
    seller: str
    purposes: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()


def offer_of(act: Act) -> Offer:
    """A listing or a signing as an offer."""
    data = act.data
    if act.type == PRODUCT_LISTED:
        return Offer(act.subject, data.seller, data.purposes or ())
    terms = data.terms
    return Offer(data.asset, data.seller, terms.purposes or (), terms.countries or (), (data.buyer,))


def may_operate(offer: Offer, instant: int, facts: Facts) -> bool:
    """Whether the seller owns the asset with `operating`, or holds an operating right that covers the offer."""
    registered = facts.asset(offer.asset).registration(instant)
    if registered is not None and registered.owner == offer.seller and "operating" in registered.rights:
        return True
    return facts.party(offer.seller).covered(
        instant,
        {OPERATING},
        asset=offer.asset,
        purposes=offer.purposes,
        countries=offer.countries,
        recipients=offer.recipients,
    )


def bought(contracts: Iterable[ContractFacts], asset: str, buyer: str, instant: int) -> Iterable[Any]:
    """The statements of those contracts under which a buyer has an asset at an instant: in force then."""
    for contract in contracts:
        statement = contract.statement(instant)
        if (
            statement is not None
            and (statement.asset, statement.buyer) == (asset, buyer)
            and contract.in_force(instant)
        ):
            yield statement
