"""Plants about markets: shares of them, concentration, prices, and dealing exclusively."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant, months_later, start_of_month
from circulation.findings import Kind
from streams.simulate.conduct import serious_record
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told

# A market looks back over so many months, and months in which nothing was paid are judged as well.
LOOKS_BACK: Final = 12
# A seller with less of a market is not presumed dominant with others.
TENTH: Final = Fraction(1, 10)


def _market(on: Ground, name: str, sales: Mapping[str, Sequence[str]], month: int = 0, paid: int = 0) -> Iterator[Told]:
    """Contracts of one market, all of one month, served, and paid so many months later: the amounts of each seller."""
    number = 0
    for seller, amounts in sales.items():
        for amount in amounts:
            contract, time = f"{name}-{month}-{number}", on.month(month, 2 + number / 10)
            yield on.signed(contract, time, asset=f"{name}-asset", seller=seller, buyer=f"{name}-buyer", amount=amount)
            yield on.delivered(contract, time + HOUR, to=f"{name}-buyer")
            settled = on.month(month + paid, 3 + number / 10)
            yield on.paid(contract, settled, amount, by=f"{name}-buyer", to=seller)
            number += 1


def _cast(on: Ground, name: str, *sellers: str, **controlled: str) -> Iterator[Told]:
    """The parties of a market and its one asset, which all may sell. All are registered before the market begins."""
    before = on.month(0)
    for party in (f"{name}-buyer", *sellers):
        above = controlled.get(party.replace("-", "_"))
        yield on.party(party, before, controller=None if above is None else on.who(above))
    yield on.asset(f"{name}-asset", before + HOUR, owner=sellers[0])
    for party in sellers[1:]:
        yield on.granted(party, "operating-right", before + HOUR, assets=[on.thing(f"{name}-asset")])


def _dominant(
    on: Ground,
    name: str,
    head: str,
    shares: Sequence[Fraction],
    limit: str,
    named: Mapping[str, Fraction],
    why: str,
    paid: int = 0,
) -> Iterator[Must]:
    """One finding for each month's end that looks back on the month of all contracts, once they were paid."""
    market = f"I65/{on.thing(f'{name}-asset')}/CNY"
    for month in range(paid, LOOKS_BACK):
        number = on.month_number(month)
        yield on.must(
            "dominance",
            "yellow",
            ("market", market),
            why,
            occurred=start_of_month(number + 1),
            party=on.who(head),
            controllers=len(shares),
            share=str(sum(shares, Fraction(0))),
            limit=limit,
            members={on.who(seller): str(share) for seller, share in named.items()},
            month=f"{number // 12:04}-{number % 12 + 1:02}",
        )


def dominant(on: Ground) -> Iterator[Told | Must]:
    """Two subsidiaries together have exactly half of a market of 30 contracts. In a market of 36 contracts a cent is
    missing to half, to two thirds and to three quarters. In one of 29 somebody has all of it, and 29 say nothing. A
    payment a month later counts from then on, in the month of its contract."""
    rest = [f"half-{at}" for at in range(8)]
    yield from _cast(on, "half", "half-top", "half-one", "half-two", *rest, half_one="half-top", half_two="half-top")
    counts = {"half-one": 8, "half-two": 7, **dict.fromkeys(rest, 2), rest[0]: 1}
    yield from _market(on, "half", {seller: ["100"] * count for seller, count in counts.items()})
    half = Fraction(1, 2)
    why = "a controller has 15 of 30 contracts of equal amounts"
    yield from _dominant(on, "half", "half-top", [half], "1/2", {"half-top": half}, why)
    sales = {"less-0": ["100"] * 17 + ["99.99"], "less-1": ["100"] * 6}
    sales |= {f"less-{at}": ["100"] * 3 for at in range(2, 6)}
    yield from (*_cast(on, "less", *sales), *_market(on, "less", sales))
    yield from (*_cast(on, "few", "few-one"), *_market(on, "few", {"few-one": ["100"] * 29}))
    yield from (*_cast(on, "late", "late-one"), *_market(on, "late", {"late-one": ["100"] * 30}, paid=1))
    why = "a controller has all of 30 contracts, which were paid in the month after them"
    yield from _dominant(on, "late", "late-one", [Fraction(1)], "1/2", {"late-one": Fraction(1)}, why, paid=1)


def oligopoly(on: Ground) -> Iterator[Told | Must]:
    """Two have two thirds of 30 contracts, one of them a tenth, and more than half is the other's; in another market
    three have three quarters of 32, of whom one has less than a tenth and is left out."""
    for name, counts, findings in (
        ("two", (17, 3, 2, 2, 2, 2, 2), ((1, "1/2"), (2, "2/3"))),
        ("three", (12, 9, 3, 2, 2, 2, 2), ((3, "3/4"),)),
    ):
        sellers = [f"{name}-{at}" for at in range(len(counts))]
        yield from _cast(on, name, *sellers)
        yield from _market(on, name, {seller: ["100"] * count for seller, count in zip(sellers, counts, strict=True)})
        shares = [Fraction(count, sum(counts)) for count in counts]
        for count, limit in findings:
            why = f"{count} of the controllers have {limit} of a market, or more"
            named = {seller: share for seller, share in zip(sellers, shares[:count], strict=False) if share >= TENTH}
            yield from _dominant(on, name, sellers[0], shares[:count], limit, named if count > 1 else {}, why)


def _hhi(parts: Sequence[int]) -> Fraction:
    """The sum of the squares of all shares in percent."""
    return sum((Fraction(part, sum(parts)) ** 2 for part in parts), Fraction(0)) * 10_000


def concentrating(on: Ground) -> Iterator[Told | Must]:
    """The index of a market comes from below to exactly 1,000, or just passes 1,800, or moves by 200 where it is high;
    beside each it stays just below. When the first month is a year ago, one seller is left alone."""
    for name, rivals, first, more, reported in (
        ("moderate", 15, 375, 125, True),  # 827 to 1,000
        ("nearly-moderate", 10, 100, 122, False),  # 909 to 999.7
        ("high", 5, 60, 127, True),  # 1,709 to 1,800.3
        ("nearly-high", 6, 220, 64, False),  # 1,612 to 1,799.9
        ("moves", 3, 120, 62, True),  # 2,517.0 to 2,717.1
        ("nearly-moves", 3, 100, 78, False),  # 2,500 to 2,699.7
    ):
        sellers = [f"{name}-{at}" for at in range(rivals + 1)]
        amounts = [first, *[100] * rivals]
        yield from _cast(on, name, *sellers)
        yield from _market(
            on, name, {seller: [str(amount)] for seller, amount in zip(sellers, amounts, strict=True)}, 0
        )
        yield from _market(on, name, {sellers[0]: [str(more)]}, 1)
        before, after, alone = _hhi(amounts), _hhi([first + more, *amounts[1:]]), _hhi([more])
        for month, index_before, index_after in ((1, before, after), (LOOKS_BACK, after, alone)):
            if month == 1 and not reported:
                continue
            number = on.month_number(month)
            yield on.must(
                "concentration",
                "blue",
                ("market", f"I65/{on.thing(f'{name}-asset')}/CNY"),
                f"the index went from {float(index_before):,.1f} to {float(index_after):,.1f}",
                occurred=start_of_month(number + 1),
                hhi=str(index_after),
                before=str(index_before),
                month=f"{number // 12:04}-{number % 12 + 1:02}",
            )


def unequal_prices(on: Ground) -> Iterator[Told | Must]:
    """Five buyers of one product in one month on equal terms, of whom one pays more than 1.2 times what another does;
    exactly 1.2 times is not more, four buyers are too few, and the next month begins anew."""
    yield on.party("seller", on.month(0))
    for name, prices, months, fires in (
        ("unequal", ("100", "110", "105", "100", "120.01"), (0, 0, 0, 0, 0), True),
        ("equal", ("100", "110", "105", "100", "120"), (0, 0, 0, 0, 0), False),
        ("four", ("100", "110", "105", "200"), (0, 0, 0, 0), False),
        ("apart", ("100", "110", "105", "100", "200"), (0, 0, 0, 0, 1), False),
    ):
        yield on.asset(name, on.month(0, 1))
        for at, (price, month) in enumerate(zip(prices, months, strict=True)):
            buyer, contract = f"{name}-buyer-{at}", f"{name}-{at}"
            yield on.party(buyer, on.month(0))
            time = on.month(month, at + 2)
            terms = {"uses_max": 100, "valid_to": format_instant(time + 90 * DAY)}
            signing = on.signed(
                contract, time, asset=name, buyer=buyer, amount=price, product=f"product-{on.thing(name)}", terms=terms
            )
            yield signing
        if fires:
            about: tuple[Kind, str] = ("asset", on.thing(name))
            why = "of five buyers on equal terms one pays more than 1.2 times what another does"
            yield on.must("differential-price", "yellow", about, why, cause=signing, buyers=5)


def strange_prices(on: Ground) -> Iterator[Told | Must]:
    """Three times an assessed value of 1,000, and a third of it, are ordinary; a cent more or less is not."""
    yield from (on.party("seller"), on.party("buyer"), on.asset("asset"))
    assessed = {"assessment": on.thing("value"), "kind": "value", "result": "pass", "assessor": "an assessor"}
    yield on.event("asset.assessed", on.thing("asset"), on.day(4), value="1000", **assessed)
    for name, amount, fires in (
        ("most", "3000", False),
        ("dear", "3000.01", True),
        ("least", "333.34", False),
        ("cheap", "333.33", True),
    ):
        signing = on.signed(name, amount=amount)
        yield signing
        if fires:
            why = f"sold for {amount}, and assessed at 1,000"
            yield on.must("abnormal-price", "blue", on.contract(name), why, cause=signing, amount=amount)


def exclusive(on: Ground) -> Iterator[Told | Must]:
    """A seller with half of a market binds a buyer, and refuses three within exactly twelve months: the third refusal
    says so, one to a buyer with a serious record does not count. A microsecond later it is too late, and a seller with
    less than half may bind and refuse."""
    yield from (on.party("barred", on.month(0)), *(on.party(f"refused-{at}", on.month(0)) for at in range(3)))
    yield serious_record(on, "barred", on.month(0, 1))
    for name, amount, late in (("half", "100", 0), ("later", "100", 1), ("less", "99", 0)):
        sales = {f"{name}-one": [amount], f"{name}-two": [str(200 - int(amount))]}
        yield from _cast(on, name, *sales)
        # Twice, so that the shares are the same in the twelve months before the last refusal.
        yield from (*_market(on, name, sales), *_market(on, name, sales, 6))
        seller, asset = f"{name}-one", f"{name}-asset"
        binding: dict[str, Any] = {
            "asset": asset,
            "seller": seller,
            "buyer": f"{name}-buyer",
            "terms": {"exclusive": True},
        }
        bound = on.signed(f"{name}-bound", on.month(1, 3), **binding)
        yield bound
        first = on.month(1, 4)
        refusals = []
        for buyer, time in (
            ("refused-0", first),
            ("barred", first + DAY),
            ("refused-1", first + 2 * DAY),
            ("refused-2", months_later(first, 12) + late),
        ):
            members = {"buyer": on.who(buyer), "seller": on.who(seller), "reason": "no capacity"}
            refusals.append(on.event("request.refused", on.thing(asset), time, **members))
        yield from refusals
        about: tuple[Kind, str] = ("party", on.who(seller))
        if name != "less":
            why = "bound a buyer exclusively, with half of the market"
            yield on.must("exclusive-dealing", "yellow", about, why, cause=bound, kind="exclusive", share="1/2")
        if name == "half":
            why = "refused a third buyer in good standing within 12 months, with half of the market"
            yield on.must("exclusive-dealing", "yellow", about, why, cause=refusals[-1], kind="refusals", refusals=3)


PLANTS: Final[tuple[Plant, ...]] = (dominant, oligopoly, concentrating, unequal_prices, strange_prices, exclusive)
