"""Rings of payments: of those that one payment closes the one of the fewest, found however many payments there are.

A ring is of 3 to 6 payments, each by who was paid by the one before, through different parties, in the order of (time,
source, id), each of at least a share of the amount before it; the closing payment is the last.

The search goes back from the closing payment, by levels: level 1 are the payments to who makes it, and level j + 1
those that one of level j may follow. Of a party's payments on a level only those are kept that may matter: whatever is
later and larger serves all that an earlier and smaller one does, unless it leads through a party that the ring has
already. Three parties told apart suffice on level 2; of a payment on level 3 it is known which single party, if any,
all its ways on lead through. So nothing is tried twice: each level tries a payment once, and only when asked.
"""

import sys
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, Protocol

from circulation.facts.acts import Act, order
from circulation.money import millionths

PARTIES_MIN, PARTIES_MAX = 3, 6
# Parties of level 2 that are told apart: two of them may be met before.
APART_MAX: Final = 3
# On this level it is told which single party all ways on lead through.
NAMING_LEVEL: Final = 3

Order = tuple[int, str, str]
# The amount of a payment, and the parties that all its ways on lead through; those that suffice of many.
Way = tuple[int, tuple[str, ...]]
Ways = tuple[Way, ...]


class Payment(NamedTuple):
    """A settlement as the search sees it: `amount` in millionths, `text` as it was stated."""

    order: Order
    payer: str
    payee: str
    amount: int
    thing: str
    contract: str
    settlement: str
    currency: str
    text: str


def payment_of(act: Act) -> Payment:
    """A settlement as the search sees it. Names of parties are shared: there are many payments of few."""
    data = act.data
    return Payment(
        order=order(act),
        payer=sys.intern(data.payer),
        payee=sys.intern(data.payee),
        amount=millionths(data.amount),
        thing=act.thing,
        contract=act.subject,
        settlement=data.settlement,
        currency=data.currency,
        text=data.amount,
    )


class Payments(Protocol):
    """Payments, in the order of (time, source, id), between two instants (µs, both included), in any currency."""

    def by(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """Payments by a party."""

    def to(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """Payments to a party."""

    @property
    def groups(self) -> "Payments | None":
        """The same between ultimate controllers, each in the place of its parties; None where nobody has one."""

    def seen(self, payment: Payment) -> Payment:
        """A payment with payer and payee as they are here."""


class _NothingPaid:
    """Where nothing was paid."""

    groups: None = None

    def by(self, party: str, since: int, until: int) -> Sequence[Payment]:
        return ()

    to = by

    def seen(self, payment: Payment) -> Payment:
        return payment


NOTHING_PAID: Final = _NothingPaid()


class _Onward:
    """The payments of one party on one level as far as they matter, read from the latest back as far as is asked.

    `kept` has, for those from a place on, what suffices of them: (amount, the parties that none may have met before),
    the largest amount first. Places are those at which more matters, the latest first.
    """

    __slots__ = ("_more", "_next", "_sufficing", "kept", "orders")

    def __init__(self, candidates: Iterator[tuple[Order, Way]], sufficing: Callable[[Ways, Way], Ways]) -> None:
        self.orders: list[Order] = []
        self.kept: list[Ways] = []
        self._sufficing = sufficing
        self._more = candidates
        self._next = next(candidates, None)

    def after(self, order: Order, least: int, passed: Collection[str]) -> bool:
        """Whether one follows that is later, of at least this amount, and leads through nobody who was met."""
        ways = self._known(order)
        while True:
            for amount, through in ways:
                if amount < least:
                    break
                if not any(party in passed for party in through):
                    return True
            if not self._read_on(order):
                return False
            ways = self.kept[-1]

    def parties(self, order: Order, least: int) -> list[str]:
        """Of level 2: to whom those go that are later and of at least this amount, three of them at most."""
        ways = self._known(order)
        while True:
            payees = [through[0] for amount, through in ways if amount >= least]
            if len(payees) == APART_MAX or not self._read_on(order):
                return payees
            ways = self.kept[-1]

    def _known(self, order: Order) -> Ways:
        """The sufficing ways among the later ones that were read."""
        orders, first, last = self.orders, 0, len(self.orders)
        while first < last:
            middle = (first + last) // 2
            if orders[middle] > order:
                first = middle + 1
            else:
                last = middle
        return self.kept[first - 1] if first else ()

    def _read_on(self, order: Order) -> bool:
        """Reads on to the next payment that matters and is later; whether there is one."""
        kept = self.kept[-1] if self.kept else ()
        while self._next is not None and self._next[0] > order:
            at, way = self._next
            self._next = next(self._more, None)
            ways = self._sufficing(kept, way)
            if ways is not kept:
                self.orders.append(at)
                self.kept.append(ways)
                return True
        return False


class _Search:
    """The search for one closing payment."""

    def __init__(self, closing: Payment, since: int, share: Fraction, payments: Payments) -> None:
        self._closing = closing
        self._since = since
        self._part, self._whole = share.numerator, share.denominator
        self._payments = payments
        self._ends = (closing.payer, closing.payee)
        # The largest amount of a payment from which so many lead to the closing one.
        self._limits = [closing.amount]
        while self._part and len(self._limits) < PARTIES_MAX:
            self._limits.append(self._limits[-1] * self._whole // self._part)
        self._levels: list[dict[str, _Onward | None]] = [{} for _ in range(PARTIES_MAX - 1)]
        self._paid: dict[str, list[Payment]] = {}
        self._paid_to: dict[str, Collection[str]] = {}
        self._last: dict[str, list[Payment]] = {}
        for payment in self._window(payments.to(closing.payer, since, closing.order[0])):
            self._last.setdefault(payment.payer, []).append(payment)

    def ring(self) -> list[Payment] | None:
        """The ring of the fewest payments, of equal ones the smallest sequence of (time, source, id)."""
        firsts = self._paid_by(self._closing.payee)
        for level in range(PARTIES_MIN - 2, PARTIES_MAX - 1):
            failed: dict[str, int] = {}
            for first in firsts:
                if first.payee in self._ends or not self._fits(first, level + 1):
                    continue
                # No later and larger payment leads where an earlier and smaller one did not.
                if failed.get(first.payee, first.amount + 1) <= first.amount:
                    continue
                if self._leads_on(first, level, ()):
                    return self._followed(first, level)
                failed[first.payee] = first.amount
        return None

    def _leads_on(self, payment: Payment, level: int, passed: Collection[str]) -> bool:
        onward = self._level(level, payment.payee)
        return onward is not None and onward.after(payment.order, self._least(payment), passed)

    def _followed(self, first: Payment, level: int) -> list[Payment]:
        """The smallest ring that begins with a payment, which is known to lead to one."""
        ring, passed = [first], [first.payer, first.payee]
        for left in range(level - 1, -1, -1):
            last = ring[-1]
            ring.append(
                next(
                    payment
                    for payment in (self._paid_by(last.payee) if left else self._last[last.payee])
                    if payment.order > last.order
                    and payment.amount >= self._least(last)
                    and (
                        self._fits(payment, 1)
                        if not left
                        else payment.payee not in self._ends
                        and payment.payee not in passed
                        and self._leads_on(payment, left, passed)
                    )
                )
            )
            passed.append(ring[-1].payee)
        return [*ring, self._closing]

    def _least(self, payment: Payment) -> int:
        """The least amount of the next payment."""
        return -(-payment.amount * self._part // self._whole)

    def _fits(self, payment: Payment, level: int) -> bool:
        return not self._part or payment.amount <= self._limits[level]

    def _window(self, payments: Sequence[Payment]) -> list[Payment]:
        """Of payments those that may be of a ring, between others, before the closing one."""
        until = bisect_left(payments, self._closing.order, key=lambda payment: payment.order)
        currency = self._closing.currency
        return [
            payment for payment in payments[:until] if payment.currency == currency and payment.payer != payment.payee
        ]

    def _paid_by(self, party: str) -> list[Payment]:
        if party not in self._paid:
            self._paid[party] = self._window(self._payments.by(party, self._since, self._closing.order[0]))
        return self._paid[party]

    def _level(self, level: int, party: str) -> _Onward | None:
        """The payments of a party from which so many lead to who pays last; None where nobody's payments do."""
        known = self._levels[level]
        if party not in known:
            leads = (
                party in self._last
                if level == 1
                else any(self._level(level - 1, payee) for payee in self._payees(party))
            )
            sufficing = _apart if level == NAMING_LEVEL - 1 else _sufficing
            known[party] = _Onward(self._ways(level, party), sufficing) if leads else None
        return known[party]

    def _payees(self, party: str) -> Collection[str]:
        if party not in self._paid_to:
            self._paid_to[party] = {payment.payee for payment in self._paid_by(party)}.difference(self._ends)
        return self._paid_to[party]

    def _ways(self, level: int, party: str) -> Iterator[tuple[Order, Way]]:
        """The payments of a party on a level, the latest first."""
        if level == 1:
            for payment in reversed(self._last[party]):
                if self._fits(payment, level):
                    yield payment.order, (payment.amount, ())
            return
        for payment in reversed(self._paid_by(party)):
            if self._fits(payment, level) and (through := self._through(level, payment)) is not None:
                yield payment.order, (payment.amount, through)

    def _through(self, level: int, payment: Payment) -> tuple[str, ...] | None:
        """The parties besides its payer that all its ways on lead through, as far as a level asks; None for no way."""
        payee = payment.payee
        if payee in self._ends:
            return None
        onward = self._level(level - 1, payee)
        if onward is None:
            return None
        least = self._least(payment)
        if level != NAMING_LEVEL:
            return (payee,) if onward.after(payment.order, least, (payment.payer,)) else None
        following = [party for party in onward.parties(payment.order, least) if party != payment.payer]
        if not following:
            return None
        return (payee,) if len(following) > 1 else (payee, following[0])


def _sufficing(kept: Ways, new: Way) -> Ways:
    """The ways that suffice, of those so far and a new one, whoever was met: the same where it adds nothing."""
    if kept and kept[0][0] >= new[0] and not kept[0][1]:
        return kept
    ways: list[Way] = []
    common: set[str] | None = None
    for way in sorted((*kept, new), key=_larger):
        if common is not None and common.issubset(way[1]):
            continue
        ways.append(way)
        common = set(way[1]) if common is None else common.intersection(way[1])
        if not common:
            break
    return tuple(ways) if new in ways else kept


def _apart(kept: Ways, new: Way) -> Ways:
    """The same where two parties may be met: the largest amounts to three different ones."""
    for way in kept:
        if way[1] == new[1]:
            if way[0] >= new[0]:
                return kept
            kept = tuple(candidate for candidate in kept if candidate is not way)
            break
    if len(kept) == APART_MAX and kept[-1][0] >= new[0]:
        return kept
    return tuple(sorted((*kept, new), key=_larger)[:APART_MAX])


def _larger(way: Way) -> int:
    return -way[0]


def closed(closing: Payment, since: int, share: Fraction, payments: Payments) -> list[Payment] | None:
    """The ring that a payment closes, the first payment first; None where it closes none.

    `since` (µs) is the earliest that the first payment may be; each amount is at least a `share` of the one before.
    """
    if closing.payer == closing.payee:
        return None
    return _Search(closing, since, share, payments).ring()
