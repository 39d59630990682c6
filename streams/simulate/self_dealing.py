"""Plants about trades that go round: with oneself, between two, and in rings."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from circulation.calendar import DAY, months_later
from circulation.findings import Kind
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told


def related(on: Ground) -> Iterator[Told | Must]:
    """A controller stands above both, over two steps on one side: the first two trades are yellow, the third within
    twelve months is orange, one after that is yellow again; a trade with oneself is one as well, strangers may."""
    yield on.party("top")
    yield from (on.party("middle", controller=on.who("top")), on.party("inside", controller=on.who("middle")))
    yield from (on.party("seller", controller=on.who("top")), on.party("stranger"), on.asset("asset"))
    first = on.day(5)
    later = months_later(first, 12)
    # The first counts for the third, since it is not more than twelve months before it, and for the fourth it does not.
    times = (first, first + DAY, later, later + DAY + 1)
    for at, (time, count) in enumerate(zip(times, (1, 2, 3, 2), strict=True)):
        name = f"related-{at}"
        yield on.signed(name, time, buyer="inside")
        why = f"both are controlled by one party; {count} of such trades within 12 months"
        evidence = {"controller": on.who("top"), "trades": count}
        yield on.must(
            "related-party-trade",
            "orange" if count >= 3 else "yellow",
            on.contract(name),
            why,
            occurred=time,
            evidence=evidence,
        )
    yield on.signed("oneself", buyer="seller")
    yield on.must("related-party-trade", "yellow", on.contract("oneself"), "sold to itself", occurred=on.day(5))
    yield on.signed("strangers", buyer="stranger")


def reciprocal(on: Ground) -> Iterator[Told | Must]:
    """A sells to B for 1,000, and B to A within 30 days for 1,100: at the last instant, and within 10 %. A cent more,
    and a microsecond later, is neither. Where sisters of both sell back, it is yellow; strangers may."""
    for name, amount, after in (
        ("swap", "1100", 0),
        ("dearer", "1100.01", 0),
        ("later", "1100", 1),
    ):
        party, partner = f"{name}-a", f"{name}-b"
        yield from on.trade(
            f"{name}-there", asset=f"{name}-asset-a", seller=party, buyer=partner, amount="1000", paid=False
        )
        back = on.day(5) + 30 * DAY + after
        more: dict[str, Any] = {"asset": f"{name}-asset-b", "amount": amount, "paid": False}
        yield from on.trade(f"{name}-back", back, seller=partner, buyer=party, **more)
        if name == "swap":
            about: tuple[Kind, str] = ("party", min(on.who(party), on.who(partner)))
            why = "each sold to the other for about the same within 30 days"
            contracts = [on.thing(f"{name}-there"), on.thing(f"{name}-back")]
            yield on.must("reciprocal-trade", "orange", about, why, occurred=back, contracts=contracts)
    for name, fires in (("sisters", True), ("strangers", False)):
        party, partner = on.who(f"{name}-top-one"), on.who(f"{name}-top-other")
        of_sister = partner if fires else None
        for side, top in (("one", party), ("one-sister", party), ("other", partner), ("other-sister", of_sister)):
            yield on.party(f"{name}-{side}", controller=top)
        for way, seller, buyer, time in (
            ("there", "one", "other", on.day(5)),
            ("back", "other-sister", "one-sister", on.day(6)),
        ):
            sides: dict[str, Any] = {"seller": f"{name}-{seller}", "buyer": f"{name}-{buyer}"}
            yield from on.trade(f"{name}-{way}", time, asset=f"{name}-{way}-asset", paid=False, **sides)
        if fires:
            about = ("party", min(party, partner))
            contracts = [on.thing(f"{name}-there"), on.thing(f"{name}-back")]
            why = "sisters of buyer and seller sold back for the same"
            yield on.must("reciprocal-trade", "yellow", about, why, occurred=on.day(6), contracts=contracts)


def _ring(on: Ground, name: str, amounts: Sequence[str], last: int) -> Iterator[Told]:
    """Each party pays the next one, and the last pays the first, at `last`; the others a day after each other."""
    count = len(amounts)
    for at, amount in enumerate(amounts):
        payer, payee = f"{name}-{at}", f"{name}-{(at + 1) % count}"
        contract, asset = f"{name}-{at}-contract", f"{name}-asset-{at}"
        paid = last if at == count - 1 else on.day(7) + at * DAY
        yield from on.trade(contract, asset=asset, seller=payee, buyer=payer, amount=amount, paid=False)
        yield on.paid(contract, paid, amount, by=payer, to=payee)


def rings(on: Ground) -> Iterator[Told | Must]:
    """Money comes back to where it began: over three parties at the last instant of 60 days and with exactly 80 % of
    the payment before, and over six. A cent less, a microsecond later, two parties and seven are no ring.
    Where a sister pays on, it is yellow; a stranger may."""
    begin, end = on.day(7), on.day(7) + 60 * DAY
    three = ("1000", "800", "640")
    six = ("1000", "1000", "1000", "1000", "1000", "1000")
    for name, amounts, last, fires in (
        ("three", three, end, True),
        ("six", six, end, True),
        ("thin", ("1000", "800", "639.99"), end, False),
        ("slow", three, end + 1, False),
        ("two", ("1000", "850"), begin + DAY, False),
        ("seven", (*six, "1000"), end, False),
    ):
        yield from _ring(on, name, amounts, last)
        if fires:
            contract = f"{name}-{len(amounts) - 1}-contract"
            parties = [on.who(f"{name}-{at}") for at in range(len(amounts))]
            why = f"the money of {len(parties)} parties came back within 60 days"
            yield on.must("ring-trade", "orange", on.contract(contract), why, occurred=last, parties=parties)
    for name, top in (("sisters", "sisters-top"), ("no-sisters", None)):
        above = None if top is None else on.who(top)
        for member in (f"{name}-1", f"{name}-1-sister"):
            yield on.party(member, controller=above)
        pairs = ((f"{name}-0", f"{name}-1"), (f"{name}-1-sister", f"{name}-2"), (f"{name}-2", f"{name}-0"))
        for at, (payer, payee) in enumerate(pairs):
            contract, time = f"{name}-{at}-contract", on.day(7) + at * DAY
            yield from on.trade(contract, asset=f"{name}-asset-{at}", seller=payee, buyer=payer, paid=False)
            yield on.paid(contract, time, by=payer, to=payee)
        if above is not None:
            parties = [on.who(f"{name}-0"), above, on.who(f"{name}-2")]
            why = "a sister of who was paid paid on"
            yield on.must("ring-trade", "yellow", on.contract(contract), why, occurred=time, parties=parties)


def stray_money(on: Ground) -> Iterator[Told | Must]:
    """A stranger pays, and the seller pays one, each twice and said once; exchange, seller and sisters of the buyer
    may. Of 5,000 agreed 7,500 may be paid, and a cent more may not, unless the price is for each use."""
    yield from (on.party("exchange", roles=["exchange"]), on.party("sister", controller=on.who("buyer")))
    yield on.party("stranger")
    for name, settlements in (
        ("regular", (("buyer", "exchange"), ("exchange", "seller"), ("exchange", "sister"), ("sister", "seller"))),
        ("stray", (("stranger", "seller"), ("buyer", "seller"), ("stranger", "seller"))),
        ("away", (("buyer", "seller"), ("seller", "stranger"), ("seller", "stranger"))),
    ):
        yield from on.trade(name, exchange=on.who("exchange"), paid=False)
        announced = False
        for at, (payer, payee) in enumerate(settlements):
            paid = on.paid(name, on.day(7) + at * DAY, "100", by=payer, to=payee)
            yield paid
            if "stranger" in (payer, payee) and not announced:
                announced, parties = True, {"payer": on.who(payer), "payee": on.who(payee)}
                why = f"the {payer} paid the {payee}, which the contract does not know"
                yield on.must("payment-irregular", "yellow", on.contract(name), why, cause=paid, evidence=parties)
    for name, amount, mode, fires in (
        ("most", "7500", "preset", False),
        ("more", "7500.01", "preset", True),
        ("for-each-use", "7500.01", "per-use", False),
    ):
        product = on.thing(f"product-{name}")
        offered = {"product": product, "price": {"mode": mode, "amount": "5000"}, "delivery": ["api"]}
        yield on.event("product.listed", on.thing("asset"), on.day(4), seller=on.who("seller"), **offered)
        yield from on.trade(name, product=product, paid=False)
        paid = on.paid(name, on.day(7), amount)
        yield paid
        if fires:
            why = "more than 1.5 times the amount was paid"
            yield on.must("payment-irregular", "yellow", on.contract(name), why, cause=paid, paid=amount)


PLANTS: Final[tuple[Plant, ...]] = (related, reciprocal, rings, stray_money)
