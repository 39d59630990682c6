"""Plants about conduct in the market: trades with oneself, in pairs and rings, shares, prices, and barred parties."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from circulation.calendar import DAY, HOUR, day_of, format_instant, months_later, start_of_month
from circulation.findings import Kind
from streams.simulate.ground import Ground, Must, Plant, Told

# A market looks back over so many months, and months in which nothing was paid are judged as well.
LOOKS_BACK: Final = 12
# Who has less of a market is not presumed dominant with others.
TENTH: Final = Fraction(1, 10)


def _contract(on: Ground, name: str) -> tuple[Kind, str]:
    return ("contract", on.thing(name))


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
            _contract(on, name),
            why,
            occurred=time,
            evidence=evidence,
        )
    yield on.signed("oneself", buyer="seller")
    yield on.must("related-party-trade", "yellow", _contract(on, "oneself"), "sold to itself", occurred=on.day(5))
    yield on.signed("strangers", buyer="stranger")


def reciprocal(on: Ground) -> Iterator[Told | Must]:
    """A sells to B for 1,000, and B to A within 30 days for 1,100: at the last instant, and within 10 %. A cent more,
    and a microsecond later, is neither."""
    for name, amount, after in (
        ("swap", "1100", 0),
        ("dearer", "1100.01", 0),
        ("later", "1100", 1),
    ):
        one, other = f"{name}-a", f"{name}-b"
        yield from on.trade(
            f"{name}-there", asset=f"{name}-asset-a", seller=one, buyer=other, amount="1000", paid=False
        )
        back = on.day(5) + 30 * DAY + after
        more: dict[str, Any] = {"asset": f"{name}-asset-b", "amount": amount, "paid": False}
        yield from on.trade(f"{name}-back", back, seller=other, buyer=one, **more)
        if name == "swap":
            about: tuple[Kind, str] = ("party", min(on.who(one), on.who(other)))
            why = "each sold to the other for about the same within 30 days"
            contracts = [on.thing(f"{name}-there"), on.thing(f"{name}-back")]
            yield on.must("reciprocal-trade", "orange", about, why, occurred=back, contracts=contracts)


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
    the payment before, and over six. A cent less, a microsecond later, two parties and seven are no ring."""
    begin, end = on.day(7), on.day(7) + 60 * DAY
    three = ("1000", "800", "640")
    six = ("1000", "1000", "1000", "1000", "1000", "1000")
    for name, amounts, last, found in (
        ("three", three, end, True),
        ("six", six, end, True),
        ("thin", ("1000", "800", "639.99"), end, False),
        ("slow", three, end + 1, False),
        ("two", ("1000", "850"), begin + DAY, False),
        ("seven", (*six, "1000"), end, False),
    ):
        yield from _ring(on, name, amounts, last)
        if found:
            contract = f"{name}-{len(amounts) - 1}-contract"
            parties = [on.who(f"{name}-{at}") for at in range(len(amounts))]
            why = f"the money of {len(parties)} parties came back within 60 days"
            yield on.must("ring-trade", "orange", _contract(on, contract), why, occurred=last, parties=parties)


def _market(on: Ground, name: str, sales: Mapping[str, Sequence[str]], month: int = 0) -> Iterator[Told]:
    """Contracts of one market, all of one month, and served: the amounts of each seller."""
    number = 0
    for seller, amounts in sales.items():
        for amount in amounts:
            contract, time = f"{name}-{month}-{number}", on.month(month, 2 + number / 10)
            yield on.signed(contract, time, asset=f"{name}-asset", seller=seller, buyer=f"{name}-buyer", amount=amount)
            yield on.delivered(contract, time + HOUR, to=f"{name}-buyer")
            yield on.paid(contract, time + DAY, amount, by=f"{name}-buyer", to=seller)
            number += 1


def _cast(on: Ground, name: str, *sellers: str, **controlled: str) -> Iterator[Told]:
    """The parties of a market and its one asset. All are registered before the market begins."""
    before = on.month(0)
    for one in (f"{name}-buyer", *sellers):
        above = controlled.get(one.replace("-", "_"))
        yield on.party(one, before, controller=None if above is None else on.who(above))
    yield on.asset(f"{name}-asset", before + HOUR, owner=sellers[0])


def _dominant(
    on: Ground, name: str, head: str, shares: Sequence[Fraction], limit: str, named: Mapping[str, Fraction], why: str
) -> Iterator[Must]:
    """One finding for each month's end that looks back on the month in which all was paid."""
    market = f"I65/{on.thing(f'{name}-asset')}/CNY"
    for month in range(LOOKS_BACK):
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
            members={on.who(one): str(share) for one, share in named.items()},
            month=f"{number // 12:04}-{number % 12 + 1:02}",
        )


def dominant(on: Ground) -> Iterator[Told | Must]:
    """Two subsidiaries together have exactly half of a market of 30 contracts. In a market of 36 contracts a cent is
    missing to half, to two thirds and to three quarters. In one of 29 somebody has all of it, and 29 say nothing."""
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


def oligopoly(on: Ground) -> Iterator[Told | Must]:
    """Two have two thirds of 30 contracts, one of them a tenth, and more than half is the other's; in another market
    three have three quarters of 32, of whom one has less than a tenth and is left out."""
    for name, counts, findings in (
        ("two", (17, 3, 2, 2, 2, 2, 2), ((1, "1/2"), (2, "2/3"))),
        ("three", (12, 9, 3, 2, 2, 2, 2), ((3, "3/4"),)),
    ):
        sellers = [f"{name}-{at}" for at in range(len(counts))]
        yield from _cast(on, name, *sellers)
        yield from _market(on, name, {one: ["100"] * count for one, count in zip(sellers, counts, strict=True)})
        shares = [Fraction(count, sum(counts)) for count in counts]
        for count, limit in findings:
            why = f"{count} of the controllers have {limit} of a market, or more"
            named = {one: share for one, share in zip(sellers, shares[:count], strict=False) if share >= TENTH}
            yield from _dominant(on, name, sellers[0], shares[:count], limit, named if count > 1 else {}, why)


def _hhi(parts: Sequence[int]) -> Fraction:
    """The sum of the squares of all shares in percent."""
    return sum((Fraction(part, sum(parts)) ** 2 for part in parts), Fraction(0)) * 10_000


def concentrating(on: Ground) -> Iterator[Told | Must]:
    """The index of a market comes from below to exactly 1,000, or just passes 1,800, or moves by 200 where it is high;
    beside each it stays just below. When the first month is a year ago, one seller is left alone."""
    for name, others, first, more, said in (
        ("moderate", 15, 375, 125, True),  # 827 to 1,000
        ("nearly-moderate", 10, 100, 122, False),  # 909 to 999.7
        ("high", 5, 60, 127, True),  # 1,709 to 1,800.3
        ("nearly-high", 6, 220, 64, False),  # 1,612 to 1,799.9
        ("moves", 3, 120, 62, True),  # 2,517.0 to 2,717.1
        ("nearly-moves", 3, 100, 78, False),  # 2,500 to 2,699.7
    ):
        sellers = [f"{name}-{at}" for at in range(others + 1)]
        amounts = [first, *[100] * others]
        yield from _cast(on, name, *sellers)
        yield from _market(on, name, {one: [str(amount)] for one, amount in zip(sellers, amounts, strict=True)}, 0)
        yield from _market(on, name, {sellers[0]: [str(more)]}, 1)
        before, after, alone = _hhi(amounts), _hhi([first + more, *amounts[1:]]), _hhi([more])
        for month, one, other in ((1, before, after), (LOOKS_BACK, after, alone)):
            if month == 1 and not said:
                continue
            number = on.month_number(month)
            yield on.must(
                "concentration",
                "blue",
                ("market", f"I65/{on.thing(f'{name}-asset')}/CNY"),
                f"the index went from {float(one):,.1f} to {float(other):,.1f}",
                occurred=start_of_month(number + 1),
                hhi=str(other),
                before=str(one),
                month=f"{number // 12:04}-{number % 12 + 1:02}",
            )


def unequal_prices(on: Ground) -> Iterator[Told | Must]:
    """Five buyers of one product in one month on equal terms, of whom one pays more than 1.2 times what another does;
    exactly 1.2 times is not more, four buyers are too few, and the next month begins anew."""
    yield on.party("seller", on.month(0))
    for name, prices, months, found in (
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
        if found:
            about: tuple[Kind, str] = ("asset", on.thing(name))
            why = "of five buyers on equal terms one pays more than 1.2 times what another does"
            yield on.must("differential-price", "yellow", about, why, cause=signing, buyers=5)


def strange_prices(on: Ground) -> Iterator[Told | Must]:
    """Three times an assessed value of 1,000, and a third of it, are ordinary; a cent more or less is not."""
    yield from (on.party("seller"), on.party("buyer"), on.asset("asset"))
    assessed = {"assessment": on.thing("value"), "kind": "value", "result": "pass", "assessor": "an assessor"}
    yield on.event("asset.assessed", on.thing("asset"), on.day(4), value="1000", **assessed)
    for name, amount, found in (
        ("most", "3000", False),
        ("dear", "3000.01", True),
        ("least", "333.34", False),
        ("cheap", "333.33", True),
    ):
        signing = on.signed(name, amount=amount)
        yield signing
        if found:
            why = f"sold for {amount}, and assessed at 1,000"
            yield on.must("abnormal-price", "blue", _contract(on, name), why, cause=signing, amount=amount)


def exclusive(on: Ground) -> Iterator[Told | Must]:
    """Who has half of a market binds a buyer, and refuses three within exactly twelve months: the third refusal says
    so, one to a buyer with a serious record does not count. A microsecond later it is too late, and who has less than
    half may bind and refuse."""
    yield from (on.party("barred", on.month(0)), *(on.party(f"refused-{at}", on.month(0)) for at in range(3)))
    yield _record(on, "barred", on.month(0, 1))
    for name, mine, late in (("half", "100", 0), ("later", "100", 1), ("less", "99", 0)):
        sales = {f"{name}-one": [mine], f"{name}-two": [str(200 - int(mine))]}
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


def _record(on: Ground, party: str, time: int) -> Told:
    return on.event(
        "credit.determined",
        on.who(party),
        time,
        record=on.thing(f"record-{party}"),
        act="forged certificate",
        tier="serious",
        document_date=str(day_of(time)),
        decided_by="an office",
    )


def barred(on: Ground) -> Iterator[Told | Must]:
    """A party with a serious record signs and lists, and so does a sister with the same controller. Before the record,
    while it is objected to, and with a record that is not serious they may."""
    yield on.party("top")
    for name in ("barred", "sister"):
        yield from (on.party(name, controller=on.who("top")), on.asset(f"asset-{name}", owner=name))
    yield from (on.party("stranger"), on.party("objecting"), on.party("general"))
    for name in ("objecting", "general"):
        yield on.asset(f"asset-{name}", owner=name)
    time = on.day(10)
    for name in ("barred", "objecting", "general"):
        record = _record(on, name, time)
        yield record._replace(data=record.data | {"tier": "general"}) if name == "general" else record
    filed = {"objection": on.thing("objection"), "record": on.thing("record-objecting"), "grounds": "it was not us"}
    yield on.event("objection.filed", on.who("objecting"), on.day(11), **filed)
    yield on.signed("before", time - 1, asset="asset-barred", seller="barred", buyer="stranger")
    for name in ("barred", "sister", "objecting", "general"):
        signing = on.signed(f"sold-{name}", on.day(12), asset=f"asset-{name}", seller=name, buyer="stranger")
        listing = on.listed(f"asset-{name}", on.day(12), seller=name)
        yield from (signing, listing)
        if name in ("barred", "sister"):
            who = "the seller" if name == "barred" else "one with the same controller"
            why = f"signed while {who} has a published serious record"
            yield on.must("barred-party", "red", _contract(on, f"sold-{name}"), why, cause=signing)
            about: tuple[Kind, str] = ("asset", on.thing(f"asset-{name}"))
            yield on.must("barred-party", "red", about, f"listed while {who} has one", cause=listing)


def unverified(on: Ground) -> Iterator[Told | Must]:
    """Traded on an exchange with a buyer, or over an asset of an owner, whom no exchange had registered: a provider's
    own statement and one a microsecond late do not help. Registered at that instant and heard of late is in time;
    filed contracts are not the exchange's."""
    time = on.day(5)
    yield from (on.party("seller"), on.party("owner", time + 1), on.asset("asset"))
    yield on.asset("of-another", owner="owner")
    said = on.party("provider-said")
    yield said._replace(reporter="provider", source=f"//provider.example/{on.number}")
    yield from (on.party("late", time + 1), on.party("in-time", time).late(2 * DAY), on.party("buyer"))
    for name, buyer, asset, channel, role in (
        ("unknown", "nobody", "asset", "on-exchange", "buyer"),
        ("self-stated", "provider-said", "asset", "on-exchange", "buyer"),
        ("later", "late", "asset", "on-exchange", "buyer"),
        ("owned", "buyer", "of-another", "on-exchange", "owner"),
        ("timely", "in-time", "asset", "on-exchange", None),
        ("filed", "nobody", "asset", "filed", None),
    ):
        signing = on.signed(name, time, asset=asset, buyer=buyer, channel=channel)
        yield signing
        if role is not None:
            who = on.who("owner" if role == "owner" else buyer)
            why = f"no exchange had registered the {role}: {name}"
            yield on.must("unverified-trade", "orange", _contract(on, name), why, cause=signing, unverified={role: who})


def passed_on(on: Ground) -> Iterator[Told | Must]:
    """A watermark is seen with a stranger, and with the buyer of a contract that does not allow resale; with whoever is
    down a chain of contracts that allow it, and with the buyer himself, it may be."""
    yield from (on.party("seller"), on.party("stranger"), on.asset("asset"))
    for one in ("one", "two", "three"):
        yield on.party(one)
    yield from on.trade("first", buyer="one", terms={"resale": True}, delivered=False)
    mark = on.thing("mark")
    yield on.delivered("first", on.day(6), to="one", watermark=mark)
    yield from on.trade("second", on.day(8), seller="one", buyer="two")
    yield from on.trade("third", on.day(9), seller="two", buyer="three")
    for at, (holder, found) in enumerate((("one", False), ("two", False), ("three", True), ("stranger", True))):
        members = {"watermark": mark, "holder": on.who(holder), "place": "a forum"}
        sighting = on.event("watermark.sighted", on.thing("asset"), on.day(20 + at), **members)
        yield sighting
        if found:
            why = f"the mark of the first delivery was seen with {holder}, whom no chain of resale leads to"
            evidence = {"watermark": mark, "holder": on.who(holder)}
            yield on.must("onward-transfer", "red", _contract(on, "first"), why, cause=sighting, evidence=evidence)


def sandboxed(on: Ground) -> Iterator[Told | Must]:
    """Trials in sandboxes with a cap each: what makes it full passes nothing, the next bit does; one goes on at the
    instant at which it ends, and another stops a microsecond before."""
    end = on.day(20)
    for name, cap, limit in (
        ("amount", "amount", {"amount_max": "10000"}),
        ("persons", "persons", {"persons_max": 100}),
        ("uses", "uses", {"uses_max": 1_000}),
        ("end", "end", {"valid_to": format_instant(end)}),
        ("within", None, {"valid_to": format_instant(end)}),
    ):
        yield on.party(name)
        yield on.granted(name, "sandbox", **limit)
        yield from on.trade(f"{name}-first", asset=f"asset-{name}", seller=name)
        yield from on.trade(f"{name}-second", asset=f"asset-{name}", seller=name)
        if cap == "amount":
            yield from on.trade("amount-third", on.day(8), asset="asset-amount", seller=name, amount="0.01")
        elif cap == "persons":
            yield from (
                on.delivered("persons-first", on.day(8), persons=100),
                on.delivered("persons-second", on.day(9)),
            )
            yield on.delivered("persons-second", on.day(10), persons=1)
        elif cap == "uses":
            yield from (on.used("uses-first", on.day(8), 400), on.used("uses-second", on.day(9), 600))
            yield on.used("uses-first", on.day(10))
        else:
            yield on.delivered(f"{name}-first", end if cap else end - 1)
        if cap is not None:
            about: tuple[Kind, str] = ("party", on.who(name))
            why = f"the trial went on beyond the {cap} of its sandbox"
            yield on.must("sandbox-cap", "orange", about, why, party=on.who(name), cap=cap)


PLANTS: Final[tuple[Plant, ...]] = (
    related,
    reciprocal,
    rings,
    dominant,
    oligopoly,
    concentrating,
    unequal_prices,
    strange_prices,
    exclusive,
    barred,
    unverified,
    passed_on,
    sandboxed,
)
