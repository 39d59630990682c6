"""Payments by payer and by payee, for the search of rings: read a party at a time, and kept.

A search asks for few parties mostly, and for all that paid each other within 60 days at worst. So payments are read by
party and span of time when they are asked for, and what is kept is mended where a settlement came or was taken back.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from circulation.calendar import DAY
from circulation.facts.parties import PartyFacts, heads, topmost
from circulation.rings import Payment, payment_of
from streams.store.db import Db

if TYPE_CHECKING:
    from streams.facts.known import Known

# Payments are read, and kept, by spans of so many µs.
SPAN: Final = 30 * DAY
# Payments that are kept together, each once by its payer and once by its payee.
PAYMENTS_KEPT_MAX: Final = 400_000
BY, TO = "payer", "payee"

_Place = tuple[str, str, int]


class Kept:
    """Payments that were read: by (payer or payee, the party, the span of time)."""

    def __init__(self) -> None:
        self._spans: dict[_Place, list[Payment]] = {}
        # Where each settlement is, and those that may be another one now.
        self._placed: dict[str, Payment] = {}
        self._changed: set[str] = set()
        self._count = 0
        # The controller of a party, where that never changes.
        self.always: dict[str, str | None] = {}
        self.controlled: bool | None = None

    def changed(self, thing: str) -> None:
        """A report of a settlement came, or was taken back."""
        if self._spans:
            self._changed.add(thing)

    def moved(self) -> None:
        """Something was stated of who controls whom."""
        self.always.clear()
        self.controlled = None

    def clear(self) -> None:
        """Forgets all of it."""
        self._spans.clear()
        self._placed.clear()
        self._changed.clear()
        self._count = 0
        self.moved()

    def read(self, db: Db, known: "Known", kind: str, party: str, since: int, until: int) -> Sequence[Payment]:
        """The payments by a party (`BY`) or to it (`TO`) between two instants, both included, in their order."""
        if self._count > PAYMENTS_KEPT_MAX:
            self.clear()
        if self._changed:
            self._mend(db, known)
        spans = range(since // SPAN, until // SPAN + 1)
        missing = [span for span in spans if (kind, party, span) not in self._spans]
        if missing:
            self._load(db, known, kind, party, range(missing[0], missing[-1] + 1))
        payments = [payment for span in spans for payment in self._spans[kind, party, span]]
        if db.meter is not None and not missing:
            # Kept payments count as read: the cost of an item does not depend on what was judged before it.
            db.meter.known(len(payments))
        first = bisect_left(payments, since, key=_time)
        return payments[first : bisect_right(payments, until, key=_time)]

    def _load(self, db: Db, known: "Known", kind: str, party: str, spans: range) -> None:
        rows = db.rows(
            "select distinct e.thing from refs r join events e on e.id = r.event where r.kind = ? and r.ref = ?"
            " and r.time >= ? and r.time < ?",
            kind,
            party,
            spans.start * SPAN,
            spans.stop * SPAN,
        )
        for span in spans:
            self._count -= len(self._spans.get((kind, party, span), ()))
            self._spans[kind, party, span] = []
        for payment in _paid(db, known, sorted(row[0] for row in rows)).values():
            if getattr(payment, kind) == party and (span := payment.order[0] // SPAN) in spans:
                kept = self._placed.setdefault(payment.thing, payment)
                self._spans[kind, party, span].append(kept)
                self._count += 1
        for span in spans:
            self._spans[kind, party, span].sort()

    def _mend(self, db: Db, known: "Known") -> None:
        changed = sorted(self._changed)
        self._changed.clear()
        for thing in changed:
            if (old := self._placed.pop(thing, None)) is not None:
                for place in _places(old):
                    if (kept := self._spans.get(place)) is not None and old in kept:
                        kept.remove(old)
                        self._count -= 1
        for payment in _paid(db, known, changed).values():
            for place in _places(payment):
                if (kept := self._spans.get(place)) is not None:
                    insort(kept, payment)
                    self._placed[payment.thing] = payment
                    self._count += 1


def _places(payment: Payment) -> tuple[_Place, _Place]:
    span = payment.order[0] // SPAN
    return (BY, payment.payer, span), (TO, payment.payee, span)


def _time(payment: Payment) -> int:
    return payment.order[0]


def _paid(db: Db, known: "Known", things: Sequence[str]) -> dict[str, Payment]:
    """The settlements that count, of each thing one at most."""
    from streams.facts.reports import reported

    # By whom a contract is stated does not bear on what is paid.
    reports = known.reported(db, things, partial(reported, {})) if things else {}
    return {thing: payment_of(act) for thing, report in reports.items() for act in report.acts}


class Paid:
    """Payments as they were settled: `circulation.rings.Payments`."""

    def __init__(self, db: Db, known: "Known") -> None:
        self._db = db
        self._known = known

    def by(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """The payments by a party."""
        return self._known.payments.read(self._db, self._known, BY, party, since, until)

    def to(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """The payments to a party."""
        return self._known.payments.read(self._db, self._known, TO, party, since, until)

    @property
    def groups(self) -> "PaidByGroups | None":
        """The same between ultimate controllers; None where nobody has one."""
        kept = self._known.payments
        if kept.controlled is None:
            query = "select 1 from refs where kind = 'controller' and key(ref) > key(?) order by key(ref) limit 1"
            kept.controlled = self._db.one(query, "") is not None
        return PaidByGroups(self._db, self._known, self) if kept.controlled else None

    def seen(self, payment: Payment) -> Payment:
        """The payment as it is."""
        return payment


class PaidByGroups:
    """The same with ultimate controllers, as they were at each payment, in the place of payers and payees."""

    groups: None = None

    def __init__(self, db: Db, known: "Known", paid: Paid) -> None:
        self._db = db
        self._known = known
        self._paid = paid

    def by(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """The payments by parties while this one was their ultimate controller."""
        members = self._known.controlled(self._db, [party])
        payments = [self.seen(payment) for member in members for payment in self._paid.by(member, since, until)]
        return _ordered([payment for payment in payments if payment.payer == party], members)

    def to(self, party: str, since: int, until: int) -> Sequence[Payment]:
        """The payments to parties while this one was their ultimate controller."""
        members = self._known.controlled(self._db, [party])
        payments = [self.seen(payment) for member in members for payment in self._paid.to(member, since, until)]
        return _ordered([payment for payment in payments if payment.payee == party], members)

    def seen(self, payment: Payment) -> Payment:
        """The payment between the ultimate controllers of then."""
        payer, payee = (self._head(party, payment.order[0]) for party in (payment.payer, payment.payee))
        if payer == payment.payer and payee == payment.payee:
            return payment
        return payment._replace(payer=payer, payee=payee)

    def _head(self, party: str, instant: int) -> str:
        always = self._known.payments.always
        if party not in always:
            above = self._parties(party)
            ever = heads(above, party)
            always[party] = ever[0][1] if len(ever) == 1 else None
        head = always[party]
        return topmost(self._parties(party), party, instant) if head is None else head

    def _parties(self, party: str) -> Mapping[str, PartyFacts]:
        return self._known.with_controllers(self._db, [party])


def _ordered(payments: list[Payment], members: Sequence[str]) -> list[Payment]:
    return sorted(payments) if len(members) > 1 else payments
