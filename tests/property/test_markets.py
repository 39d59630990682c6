"""Rules over many settlements, against a model that is slow and simple: any settlements, in any order."""

import random
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.examples import Json, asset, event, party, signed
from streams.offline.replay import findings_of
from tests.modes import only

SELLERS = ("x:a", "x:b", "x:c", "x:d")
BUYER = "x:buyer"
CATEGORIES = ("traffic", "weather")
# (2025, 1) is month 1; the clock stands in 2026-03, so that a year has ended for all and not for the last ones.
UNTIL, LAST = "2026-03-01T00:00:00.000001+08:00", 14
MARKETS = only("dominance", "concentration") | {"pack": "beijing"}
MARKETS["detectors"] = MARKETS["detectors"] | {"dominance": {"contracts": 2}}
RINGS = only("ring-trade")


class Paid(NamedTuple):
    """What one party is paid by another, under a contract of a day of a month, so many months later."""

    payer: str
    payee: str
    category: str
    cents: int
    month: int
    day: int
    later: int = 0

    @property
    def paid_in(self) -> int:
        """The month of the payment: none ends later than the last one."""
        return min(self.month + self.later, LAST + 1)


SALES = st.lists(
    st.builds(
        Paid,
        payer=st.just(BUYER),
        payee=st.sampled_from(SELLERS),
        category=st.sampled_from(CATEGORIES),
        cents=st.sampled_from((50, 100, 100, 200, 300)),
        month=st.integers(1, LAST + 1),
        day=st.sampled_from((1, 15, 28)),
        later=st.sampled_from((0, 0, 1, 3, 12)),
    ),
    max_size=12,
)
# Who controls whom: nobody, or one of the sellers, also in circles.
CONTROLLERS = st.dictionaries(st.sampled_from(SELLERS), st.sampled_from(SELLERS), max_size=3)


def written(month: int) -> str:
    return f"{2025 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"


def events_of(paid: Sequence[Paid]) -> Iterable[Json]:
    for at, one in enumerate(paid):
        contract = f"c{at}"
        day = f"{written(one.month)}-{one.day:02}"
        yield signed(contract, day, asset=one.category, seller=one.payee, buyer=one.payer)
        yield event(
            "settlement.paid",
            contract,
            f"{written(one.paid_in)}-{one.day:02}",
            id=f"s{at:02}",
            settlement="s",
            payer=one.payer,
            payee=one.payee,
            amount=f"{one.cents // 100}.{one.cents % 100:02}",
        )


def shuffled(events: Iterable[Json], seed: int) -> list[Json]:
    found = list(events)
    random.Random(seed).shuffle(found)
    return found


def head(seller: str, controllers: Mapping[str, str]) -> str:
    chain = [seller]
    while (above := controllers.get(chain[-1])) is not None and above not in chain:
        chain.append(above)
    if above is None:
        return chain[-1]
    return min(chain[chain.index(above) :])


def counts(one: Paid, category: str, month: int) -> bool:
    """Whether it counts at the end of a month: of a contract of twelve months, and paid by then."""
    return one.category == category and month - 12 < one.month <= month and one.paid_in <= month


def parts(paid: Sequence[Paid], controllers: Mapping[str, str], category: str, month: int) -> list[Fraction]:
    sums: dict[str, int] = {}
    for one in paid:
        if counts(one, category, month):
            sums[head(one.payee, controllers)] = sums.get(head(one.payee, controllers), 0) + one.cents
    return sorted((Fraction(one, sum(sums.values())) for one in sums.values()), reverse=True)


def band(hhi: Fraction) -> int:
    return 2 if hhi > 1800 else 1 if hhi >= 1000 else 0


def expected(paid: Sequence[Paid], controllers: Mapping[str, str]) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = set()
    for category in CATEGORIES:
        for month in range(1, LAST + 1):
            now = parts(paid, controllers, category, month)
            before = parts(paid, controllers, category, month - 1)
            count = sum(counts(one, category, month) for one in paid)
            for members, limit in ((1, Fraction(1, 2)), (2, Fraction(2, 3)), (3, Fraction(3, 4))):
                if count >= 2 and len(now) >= members and sum(now[:members]) >= limit:
                    presumed = sum(members == 1 or one >= Fraction(1, 10) for one in now[:members])
                    found.add(("dominance", category, written(month), members, str(sum(now[:members])), presumed))
            hhi, old = (sum(((one * 100) ** 2 for one in some), Fraction(0)) for some in (now, before))
            if now and before and (band(hhi) > band(old) or abs(hhi - old) >= 200):
                found.add(("concentration", category, written(month), str(hhi), str(old)))
    return found


def said(finding: Json) -> tuple[Any, ...]:
    evidence, category = finding["evidence"], finding["about"]["id"].split("/")[1]
    if finding["detector"] == "dominance":
        members = len(evidence["members"])
        return ("dominance", category, evidence["month"], evidence["controllers"], evidence["share"], members)
    return ("concentration", category, evidence["month"], evidence["hhi"], evidence["before"])


@settings(max_examples=60, deadline=None)
@given(paid=SALES, controllers=CONTROLLERS, seed=st.integers(0, 2**16))
def test_any_settlements_in_any_order_give_the_shares_of_each_month(
    paid: list[Paid], controllers: dict[str, str], seed: int
) -> None:
    known = [asset(one, category=one) for one in CATEGORIES]
    known += [party(one, controller=controllers.get(one)) for one in SELLERS]
    found = findings_of(shuffled([*known, *events_of(paid)], seed), pack=MARKETS, until=UNTIL)
    mine = [said(one) for one in found]
    assert sorted(expected(paid, controllers)) == sorted(mine)


PAYMENTS = st.lists(
    st.builds(
        Paid,
        payer=st.sampled_from(SELLERS),
        payee=st.sampled_from(SELLERS),
        category=st.just("traffic"),
        cents=st.sampled_from((50, 80, 100)),
        month=st.integers(1, 4),
        day=st.sampled_from((1, 2, 15)),
        later=st.just(0),
    ),
    max_size=9,
)


def instant(one: Paid) -> int:
    """The day of the year 2025, which is what payments are compared by."""
    return (0, 0, 31, 59, 90)[one.month] + one.day


def closes(paid: Sequence[Paid], closing: int) -> bool:
    """Whether there is a way of payments, each before the next, from the closing one's payee back to its payer."""

    def before(at: int, met: tuple[str, ...]) -> bool:
        for other, one in enumerate(paid):
            if (instant(one), other) >= (instant(paid[at]), at) or one.payee != paid[at].payer:
                continue
            if one.payer == one.payee or instant(paid[closing]) - instant(one) > 60:
                continue
            if paid[at].cents * 100 < one.cents * 80:
                continue
            if one.payer == paid[closing].payee and len(met) >= 3:
                return True
            if one.payer not in met and len(met) < 6 and before(other, (*met, one.payer)):
                return True
        return False

    last = paid[closing]
    return last.payer != last.payee and before(closing, (last.payer, last.payee))


@settings(max_examples=100, deadline=None)
@given(paid=PAYMENTS, seed=st.integers(0, 2**16))
def test_any_settlements_in_any_order_close_the_same_rings(paid: list[Paid], seed: int) -> None:
    found = findings_of(shuffled(events_of(paid), seed), pack=RINGS)
    assert [f"c{at}" for at in range(len(paid)) if closes(paid, at)] == sorted(one["about"]["id"] for one in found)
