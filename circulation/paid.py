"""The amount paid under a contract (contract §4, *paid*), whatever a settlement is called.

Paid is what the buyer, or a party with the same ultimate controller, paid to the seller or to the contract's exchange,
less what these paid back, and never less than 0. A settlement between exchange and seller passes it on. Parties,
controllers and terms are those in force when the settlement was made.
"""

import enum
from typing import Final

from circulation.facts.acts import Act
from circulation.facts.facts import Facts, Need
from circulation.money import millionths

NEEDS: Final[frozenset[Need]] = frozenset({"contract", "controllers"})


class Settled(enum.Enum):
    """The direction of a settlement under its contract."""

    PAYMENT = "payment"
    REFUND = "refund"
    PASSED_ON = "passed-on"
    IRREGULAR = "irregular"
    # No terms of the contract are known, so nobody can tell.
    UNKNOWN = "unknown"


def settled(act: Act, facts: Facts) -> Settled:
    """Tell what a settlement is. An exchange that buys for itself pays as a buyer, and passes nothing on."""
    contract = facts.contract(act.subject).statement(act.time)
    if contract is None:
        return Settled.UNKNOWN
    payer, payee = act.data.payer, act.data.payee
    takers = {contract.seller, contract.exchange}
    if {payer, payee} == takers and contract.exchange != contract.buyer:
        return Settled.PASSED_ON

    def on_the_side_of_the_buyer(party: str) -> bool:
        if party == contract.buyer:
            return True
        return facts.topmost(party, act.time) == facts.topmost(contract.buyer, act.time)

    if payee in takers and on_the_side_of_the_buyer(payer):
        return Settled.PAYMENT
    if payer in takers and on_the_side_of_the_buyer(payee):
        return Settled.REFUND
    return Settled.IRREGULAR


def counted(act: Act, facts: Facts) -> int:
    """The amount that a settlement adds to what is paid, in millionths of its currency, below 0 if it pays back."""
    kind = settled(act, facts)
    if kind is Settled.PAYMENT:
        return millionths(act.data.amount)
    return -millionths(act.data.amount) if kind is Settled.REFUND else 0
