"""No ring is missed, and the one that is shown is the right one: against an independent, slow search."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest

from circulation.calendar import DAY, format_instant, parse_instant
from circulation.examples import Json, event, party, retracted
from circulation.rings import NOTHING_PAID, Payment, closed
from streams.offline.replay import findings_of
from tests.modes import only

SHARE = Fraction(4, 5)
WITHIN = 60 * DAY


class Paid:
    """Payments in memory."""

    groups: None = None

    def __init__(self, payments: Sequence[Payment]) -> None:
        self._by: dict[str, list[Payment]] = {}
        self._to: dict[str, list[Payment]] = {}
        for one in sorted(payments):
            self._by.setdefault(one.payer, []).append(one)
            self._to.setdefault(one.payee, []).append(one)

    def by(self, party: str, since: int, until: int) -> Sequence[Payment]:
        return within(self._by.get(party, []), since, until)

    def to(self, party: str, since: int, until: int) -> Sequence[Payment]:
        return within(self._to.get(party, []), since, until)

    def seen(self, payment: Payment) -> Payment:
        return payment


def within(payments: Sequence[Payment], since: int, until: int) -> Sequence[Payment]:
    first = bisect_left(payments, since, key=lambda one: one.order[0])
    return payments[first : bisect_right(payments, until, key=lambda one: one.order[0])]


def payment(at: int, payer: str, payee: str, amount: int, time: int, currency: str = "CNY") -> Payment:
    return Payment((time, "s", f"{at:06}"), payer, payee, amount, f"{at}", f"c{at}", f"{at}", currency, str(amount))


def slow(closing: Payment, since: int, payments: Sequence[Payment]) -> list[Payment] | None:
    """The same by going over all rings of three, then of four and so on, each in the order of its payments.

    It gives up a way on only where no payment at all comes back from there in the payments that are left, or where
    these would have to be larger than the closing one.
    """
    window = [one for one in payments if one.order[0] >= since and one.order < closing.order]
    by_payer: dict[str, list[Payment]] = {}
    for one in window:
        if one.currency == closing.currency:
            by_payer.setdefault(one.payer, []).append(one)
    # Whoever may reach the last payer in so many payments, whatever they amount to.
    reach = [{closing.payer}]
    for _ in range(5):
        reach.append({one.payer for some in by_payer.values() for one in some if one.payee in reach[-1]})

    # What comes so many payments before the closing one amounts to no more than this.
    largest = [closing.amount / SHARE**left for left in range(7)]

    def ways(path: list[Payment], met: tuple[str, ...], left: int) -> Iterator[list[Payment]]:
        here = met[-1]
        for one in by_payer.get(here, ()):
            if path and (one.order <= path[-1].order or one.amount < SHARE * path[-1].amount):
                continue
            if one.amount > largest[left]:
                continue
            if left == 1:
                if one.payee == closing.payer:
                    yield [*path, one, closing]
            elif one.payee in reach[left - 1] and one.payee not in met and one.payee != closing.payer:
                yield from ways([*path, one], (*met, one.payee), left - 1)

    if closing.payer == closing.payee:
        return None
    for count in range(3, 7):
        ring = next(ways([], (closing.payee,), count - 1), None)
        if ring is not None:
            return ring
    return None


def market(seed: int, settlements: int, parties: int, *, spread: float, days: int, sparse: bool) -> list[Payment]:
    """Random settlements; where they are sparse six pay each other in a circle, and few others pay or are paid."""
    draw = random.Random(seed)
    names = [f"x:{at:02}" for at in range(parties)]
    pairs = [(one, other) for one in names for other in names]
    if sparse:
        pairs = [(names[at], names[(at + 1) % 6]) for at in range(6)] + draw.sample(pairs, parties // 2)
    payments = []
    for at in range(settlements):
        payer, payee = draw.choice(pairs)
        amount = int(1_000_000 * spread ** draw.random())
        time = draw.randrange(days * DAY) // DAY * DAY if draw.random() < 0.3 else draw.randrange(days * DAY)
        payments.append(payment(at, payer, payee, amount, time, draw.choice(["CNY", "CNY", "CNY", "EUR"])))
    return sorted(payments)


def compare(payments: Sequence[Payment]) -> dict[int, int]:
    """Holds each answer against the slow one; answers with how many rings there are of each size."""
    paid, sizes = Paid(payments), dict.fromkeys(range(3, 7), 0)
    for one in payments:
        since = one.order[0] - WITHIN
        ring = closed(one, since, SHARE, paid)
        assert slow(one, since, payments) == ring
        if ring is not None:
            sizes[len(ring)] += 1
    return sizes


@pytest.mark.parametrize("seed", range(4))
def test_no_ring_is_missed_among_few_payments(seed: int) -> None:
    sizes = dict.fromkeys(range(3, 7), 0)
    for at in range(40):
        for sparse in (False, True):
            found = compare(market(seed * 100 + at, 80, 8, spread=1.2, days=90, sparse=sparse))
            sizes = {size: count + found[size] for size, count in sizes.items()}
    assert all(sizes.values()), sizes


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_ring_is_missed_among_3_000_settlements_of_12_parties(seed: int) -> None:
    sparse, spread = seed % 4 == 3, (1.0, 3.0, 100.0, 1.3)[seed % 4]
    sizes = compare(market(seed, 3_000, 12, spread=spread, days=120, sparse=sparse))
    assert sum(sizes.values())


def test_a_clean_ring_of_six_among_eight_busy_parties() -> None:
    draw = random.Random(1)
    names = [f"x:{at}" for at in range(6)]
    busy = [f"y:{at}" for at in range(8)]
    ring = [payment(at, names[at], names[(at + 1) % 6], 1_000, at * 10 * DAY) for at in range(6)]
    crowd = []
    for at in range(4_000):
        # They pay each other and the members, who pay none of them.
        payer, payee = draw.sample([*busy, *names[1:]], 2)
        if payer in names:
            continue
        crowd.append(payment(100 + at, payer, payee, 1_000, draw.randrange(50 * DAY)))
    payments = sorted([*ring, *crowd])
    assert ring == closed(ring[-1], 0, SHARE, Paid(payments))


def test_who_must_be_passed_twice_makes_no_ring() -> None:
    """Every way from the first to the last goes through one party in the middle twice."""
    hub = [payment(at, "x:v", "x:h", 100, at) for at in range(300)]
    around = [payment(1_000 + at, "x:h", f"x:{at % 90}", 100, 1_000 + at) for at in range(300)]
    back = [payment(2_000 + at, f"x:{at % 90}", "x:h", 100, 2_000 + at) for at in range(300)]
    out = [payment(3_000 + at, "x:h", "x:z", 100, 3_000 + at) for at in range(300)]
    last = [payment(4_000 + at, "x:z", "x:u", 100, 4_000 + at) for at in range(300)]
    closing = payment(9_999, "x:u", "x:v", 100, 9_999)
    payments = sorted([*hub, *around, *back, *last, closing])
    assert closed(closing, 0, SHARE, Paid(payments)) is None
    ring = closed(closing, 0, SHARE, Paid(sorted([*payments, *out])))
    assert ring is not None
    assert ["x:v", "x:h", "x:z", "x:u"] == [one.payer for one in ring]


def test_where_nothing_was_paid_nothing_closes() -> None:
    assert closed(payment(1, "x:u", "x:v", 100, 1), 0, SHARE, NOTHING_PAID) is None


# The same in the engine: in whatever order settlements come, are taken back, and controllers are stated.


def controller(party_: str, day: int) -> str:
    """Who controls whom: half of the parties two and two, and one of them moves."""
    at = int(party_[2:])
    if at > 5:
        return party_
    return "z:9" if at == 0 and day >= 20 else f"z:{at // 2}"


REGISTERED = [party(f"x:{at}", controller=f"z:{at // 2}") for at in range(6)]
MOVED = party("x:0", "2025-01-21", controller="z:9")
FAR = 10**6


def told(draw: random.Random, at: int) -> tuple[Json, Payment]:
    """A settlement as an event, and as a payment."""
    payer, payee = draw.sample([f"x:{one}" for one in range(9)], 2)
    day, amount = draw.randrange(1, 40), draw.choice([79, 80, 100, 100, 125])
    time = format_instant(parse_instant("2025-01-01T00:00:00+08:00") + day * DAY + at * 1000)
    paid = {"settlement": f"{at}", "payer": payer, "payee": payee, "amount": str(amount)}
    one = event("settlement.paid", f"c{at}", time, id=f"{at:06}", **paid)
    order = (parse_instant(time), one["source"], one["id"])
    return one, Payment(order, payer, payee, amount * FAR, f"{at}", f"c{at}", f"{at}", "CNY", str(amount))


def expected(payments: Sequence[Payment]) -> dict[str, tuple[str, list[str]]]:
    """By contract the colour and the contracts of the ring that each settlement closes."""
    begin = parse_instant("2025-01-01T00:00:00+08:00")

    def between_groups(one: Payment) -> Payment:
        day = (one.order[0] - begin) // DAY
        return one._replace(payer=controller(one.payer, day), payee=controller(one.payee, day))

    groups = [between_groups(one) for one in payments]
    found = {}
    for as_settled, of_groups in zip(payments, groups, strict=True):
        since = as_settled.order[0] - WITHIN
        for severity, closing, among in (("orange", as_settled, payments), ("yellow", of_groups, groups)):
            ring = slow(closing, since, among)
            if ring is not None:
                found[as_settled.contract] = (severity, [one.contract for one in ring])
                break
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_finds_every_ring_in_whatever_order_things_come(seed: int) -> None:
    draw = random.Random(seed)
    both = [told(draw, at) for at in range(60)]
    gone = {"000007", "000030"}
    back = [retracted(one, "2025-03-01") for one, _ in both if one["id"] in gone]
    lines = [*(one for one, _ in both), *REGISTERED, MOVED, *back]
    draw.shuffle(lines)
    found = {
        one["about"]["id"]: (one["severity"], one["evidence"]["contracts"])
        for one in findings_of(lines, pack=only("ring-trade"))
    }
    stand = expected(sorted(each for one, each in both if one["id"] not in gone))
    assert stand == found
    assert {"orange", "yellow"} == {severity for severity, _ in stand.values()}


def test_a_controller_that_is_taken_back_opens_the_ring_again() -> None:
    lines = [
        event("settlement.paid", "a", "2025-01-02", settlement="1", payer="x:6", payee="x:0", amount="1"),
        event("settlement.paid", "b", "2025-01-03", settlement="2", payer="x:1", payee="x:7", amount="1"),
        event("settlement.paid", "c", "2025-01-04", settlement="3", payer="x:7", payee="x:6", amount="1"),
    ]
    assert ["c"] == [one["about"]["id"] for one in findings_of([*lines, *REGISTERED], pack=only("ring-trade"))]
    opened = [*lines, *REGISTERED, retracted(REGISTERED[1], "2025-03-01")]
    assert [] == findings_of(opened, pack=only("ring-trade"))
