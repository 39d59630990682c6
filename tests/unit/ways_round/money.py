"""Ways in which rules on money can be walked around: none of them works (each test is named after its way)."""

from collections.abc import Sequence

import pytest

from circulation.examples import BUYER, OWNER, SELLER, THIRD, Json, asset, event, listed, pack, party, signed, terms
from streams.offline.replay import findings_of

LATER = "2025-06-01T00:00:00+08:00"


def found(detector: str, lines: Sequence[Json], until: str = LATER, **parameters: object) -> list[Json]:
    rules = pack(detectors={detector: {"mode": "enforce", **parameters}})
    clock = signed("clock", until, asset="another", seller="x:clock", buyer="x:tick")
    return [one for one in findings_of([*lines, clock], pack=rules) if one["detector"] == detector]


def paid(
    amount: str, payer: str = BUYER, payee: str = SELLER, time: str = "2025-01-20", contract: str = "c", **data: str
) -> Json:
    settlement = f"{payer}-{payee}-{time}"
    parties = {"payer": payer, "payee": payee}
    return event("settlement.paid", contract, time, settlement=settlement, amount=amount, **parties, **data)


SIGNED = signed("c", "2025-01-10", amount="100", exchange=OWNER, terms=terms(pay_within_days=30))


# What counts as paid.


def test_the_seller_pays_the_buyer_so_that_something_is_paid() -> None:
    (one,) = found("payment-overdue", [SIGNED, paid("100", SELLER, BUYER)])
    assert "0" == one["evidence"]["paid"]


def test_money_is_paid_in_time_and_paid_back_once_the_deadline_is_past() -> None:
    refund = paid("100", SELLER, BUYER, "2025-03-01")
    (one,) = found("payment-overdue", [SIGNED, paid("100"), refund])
    assert {"source": refund["source"], "id": refund["id"]} == one["cause"]


def test_what_the_exchange_gives_back_to_a_sister_of_the_buyer_is_no_longer_paid() -> None:
    lines = [SIGNED, party(THIRD, controller=BUYER), paid("100", payee=OWNER), paid("100", OWNER, THIRD, "2025-03-01")]
    assert ["0"] == [one["evidence"]["paid"] for one in found("payment-overdue", lines)]


def test_the_exchange_passes_the_same_money_on_so_that_it_counts_twice() -> None:
    lines = [SIGNED, paid("50", payee=OWNER), paid("50", OWNER, SELLER, "2025-01-21")]
    assert ["50"] == [one["evidence"]["paid"] for one in found("payment-overdue", lines)]


def test_a_stranger_pays_and_so_nothing_is_paid_on_paper() -> None:
    stranger, sister = paid("100", THIRD), party(THIRD, controller=BUYER)
    assert [] == found("paper-trade", [SIGNED, stranger])
    assert ["orange"] == [one["severity"] for one in found("paper-trade", [SIGNED, sister, stranger])]


def market(*more: Json) -> list[Json]:
    """Thirty contracts of equal amounts of as many sellers."""
    lines = [asset("a")]
    for at in range(30):
        lines.append(signed(f"m{at}", "2025-01-02", asset="a", seller=f"x:{at}", amount="100"))
        lines.append(paid("100", payee=f"x:{at}", contract=f"m{at}"))
    return [*lines, *more]


def test_a_refund_makes_who_pays_it_dominant() -> None:
    refund = paid("10000", "x:0", BUYER, "2025-01-21", "m0")
    assert [] == found("dominance", market(refund), contracts=29)


def test_money_goes_to_and_fro_so_that_a_seller_has_half_of_a_market() -> None:
    churned = [paid("3000", payee="x:0", time="2025-01-21", contract="m0"), paid("3000", "x:0", BUYER, contract="m0")]
    assert [] == found("dominance", market(*churned))


def test_a_refund_under_one_contract_hides_what_is_paid_under_another() -> None:
    more = [signed("big", "2025-01-02", asset="a", seller="x:0"), paid("2900", payee="x:0", contract="big")]
    refund = paid("9000", "x:0", BUYER, "2025-01-21", "m0")
    named = [(one["party"], one["evidence"]["share"]) for one in found("dominance", market(*more, refund))]
    assert ("x:0", "1/2") in named


@pytest.mark.parametrize("spelled", ["Traffic", "\uff34\uff32\uff21\uff26\uff26\uff29\uff23", "traf\u200bfic"])
def test_a_category_is_spelled_otherwise_so_that_a_market_falls_apart(spelled: str) -> None:
    lines = [asset("b", category=spelled), signed("big", "2025-01-02", asset="b", seller="x:0")]
    said = found("dominance", market(*lines, paid("2900", payee="x:0", contract="big")))
    assert {("x:0", "I65/traffic/CNY", "30/59")} == {
        (one["party"], one["about"]["id"], one["evidence"]["share"]) for one in said
    }


# What is paid irregularly.


def test_a_stranger_pays_so_that_nobody_sees_who_buys() -> None:
    lines = [SIGNED, paid("100", THIRD), paid("1", THIRD, time="2025-01-21")]
    assert [THIRD] == [one["evidence"]["payer"] for one in found("payment-irregular", lines)]


def test_the_price_is_amended_down_after_it_was_paid() -> None:
    amended = signed("c", "2025-01-25", amended=True, amount="1", exchange=OWNER, terms=terms())
    (one,) = found("payment-irregular", [SIGNED, paid("100"), amended])
    assert amended["id"] == one["cause"]["id"]


def test_another_seller_lists_the_product_for_each_use() -> None:
    price = {"mode": "per-use", "amount": "1"}
    contract = signed("c", "2025-01-10", asset="a", product="p", amount="100")
    lines = [asset("a"), listed("a", "2025-01-05", seller=THIRD, product="p", price=price), contract, paid("151")]
    assert ["151"] == [one["evidence"]["paid"] for one in found("payment-irregular", lines)]


# Sold there and back.


def sold(seller: str, buyer: str, time: str, amount: str = "1000") -> Json:
    return signed(f"{seller}-{buyer}-{time}", time, seller=seller, buyer=buyer, amount=amount)


GROUPS = [party(one, controller=f"x:{one[-1]}") for one in ("x:1a", "x:2a", "x:1b", "x:2b")]


def test_a_sister_sells_back() -> None:
    lines = [*GROUPS, sold("x:1a", "x:1b", "2025-02-01"), sold("x:2b", "x:2a", "2025-02-02")]
    assert [("yellow", "x:a")] == [(one["severity"], one["party"]) for one in found("reciprocal-trade", lines)]


def test_the_parties_come_under_another_controller_before_they_sell_back() -> None:
    moved = [party(one, "2025-02-02", controller="x:c") for one in ("x:1a", "x:1b")]
    lines = [*GROUPS, sold("x:1a", "x:1b", "2025-02-01"), *moved, sold("x:1b", "x:1a", "2025-02-03")]
    assert ["orange"] == [one["severity"] for one in found("reciprocal-trade", lines)]


def test_a_controller_is_registered_only_after_both_sales() -> None:
    lines = [sold("x:1a", "x:1b", "2025-02-01"), sold("x:2b", "x:2a", "2025-02-02")]
    later = [party(one["subject"], "2025-03-01", controller=one["data"]["controller"]) for one in GROUPS]
    assert ["yellow"] == [one["severity"] for one in found("reciprocal-trade", [*lines, *later])]


def test_a_controller_that_becomes_known_moves_a_pair_to_another_group_and_it_still_stands() -> None:
    """The pair of groups that it was found in is judged once more after that in which it is found now."""
    back, there = sold("x:1", "x:4", "2025-03-08", "100"), sold("x:4", "x:1", "2025-02-21", "91")
    moves = party("x:4", "2025-04-24", controller="x:b"), party("x:4", "2025-04-15", controller="x:1")
    others = party("x:2", "2025-02-10", controller="x:b"), sold("x:2", "x:4", "2025-04-23", "100")
    lines = [moves[0], back, there, moves[1], *others]
    assert [("orange", "x:1")] == [(one["severity"], one["party"]) for one in found("reciprocal-trade", lines)]


# Rings.


def ring(*payers: str, amounts: Sequence[str] = ()) -> list[Json]:
    """Each pays the next, and the last the first, a day after each other; contracts are named after the payers."""
    count = len(payers)
    return [
        paid(amounts[at] if amounts else "100", payer, payers[(at + 1) % count], f"2025-02-{at + 1:02}", payer)
        for at, payer in enumerate(payers)
    ]


@pytest.mark.slow
def test_a_ring_of_six_hides_among_busy_parties() -> None:
    """Who pays last is paid by eight others who all pay each other: more ways back than anybody could go."""
    busy = [f"y:{at}" for at in range(8)]
    crowd = [
        paid("100", one, other, f"2025-01-{day:02}", f"{one}-{other}")
        for day in range(1, 29, 3)
        for one in busy
        for other in (*busy, "x:5")
        if one != other
    ]
    members = [f"x:{at}" for at in range(6)]
    (one,) = [each for each in found("ring-trade", [*crowd, *ring(*members)]) if each["about"]["id"] == "x:5"]
    assert members == one["evidence"]["parties"]


def test_a_sister_pays_on() -> None:
    lines = ring("x:0", "x:1", "x:2", "x:3")
    lines[2] = paid("100", "x:2b", "x:3", "2025-02-03", "x:2")
    sisters = [party(one, controller="x:top") for one in ("x:2", "x:2b")]
    assert [] == found("ring-trade", lines)
    assert ["yellow"] == [one["severity"] for one in found("ring-trade", [*lines, *sisters])]


def test_a_longer_ring_goes_with_a_shorter_one() -> None:
    short = paid("100", "x:1", "x:3", "2025-02-02T12:00:00", "short")
    (one,) = found("ring-trade", [*ring("x:0", "x:1", "x:2", "x:3"), short])
    assert ["x:0", "x:1", "x:3"] == one["evidence"]["parties"]
