"""Who has half of a market binds buyers to itself, or refuses them.

Why it matters: a dominant seller may not restrict with whom others trade, nor refuse to trade without a good reason
(Anti-Monopoly Law, article 22).

False positives: exclusive rights that the data's source asks for; refusals for want of capacity or of legal grounds,
which the reasons of the refusals tell. A presumption of dominance can be rebutted.

What to do: ask for the reasons, and what other sellers there are; compare with `dominance`.

The share is that of the party's group in the market of the asset at the last month's end that is no later than the act,
over the twelve months that end there. A buyer is in good standing while it has no published serious record. A refusal
names no currency: its market is that in CNY.
"""

from bisect import bisect_left
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from circulation.calendar import EARLIEST, month_of, months_later, start_of_month
from circulation.events.names import REQUEST_REFUSED, SETTLEMENT_PAID
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    event,
    pack,
    party,
    retracted,
    signed,
    terms,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, rsplit_key
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.markets import market_id, place_of, scope_of, split
from circulation.paid import counted
from circulation.rules import Parameter, Period, Rule, Sum, over
from circulation.sales import sells
from circulation.words import many

MONTHS = 12
CURRENCY = "CNY"
# What was paid gives shares to the months after it; what was done is judged in its own.
PAID, DONE = "paid", "done"
# What was paid in all, and to each group, and to this under each contract; and by seller when it refused.
_TOTAL, _SOLD, _PAID, _REFUSALS = "total", "sold", "paid", "refusals"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The month of the market; of sales only those with exclusive terms."""
    if act.type == SETTLEMENT_PAID:
        if (place := place_of(act, facts)) is not None:
            yield scope_of(join_key(place.market, PAID), place.month)
        return
    if act.type == REQUEST_REFUSED:
        market = market_id(act.subject, act.time, CURRENCY, facts)
    elif act.data.terms.exclusive and sells(act, facts, "terms.exclusive"):
        market = market_id(act.data.asset, act.time, act.data.currency, facts)
    else:
        return
    if market is not None:
        yield scope_of(join_key(market, DONE), month_of(act.time))


def _months(scope: str, kind: str, first: int, last: int) -> list[str]:
    of_kind, month = split(scope)
    market = rsplit_key(of_kind)[0]
    return [scope_of(join_key(market, kind), month + shift) for shift in range(first, last + 1)]


def _members(scope: str) -> list[str]:
    return [*_months(scope, PAID, -MONTHS, -1), *_months(scope, DONE, -MONTHS, 0)]


def _touches(scope: str) -> list[str]:
    paid = rsplit_key(split(scope)[0])[1] == PAID
    return _months(scope, DONE, int(paid), MONTHS)


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Adds what was paid before the month; of the month looks at who had half of the market when it began."""
    of_kind, month = split(scope)
    begin = start_of_month(month)
    if act.type == SETTLEMENT_PAID:
        if act.time >= begin:
            return
        statement = facts.contract(act.subject).statement(act.time)
        if statement is not None:
            head = facts.topmost(statement.seller, begin)
            before = ledger.get((_PAID, head, act.subject), 0)
            after = ledger[_PAID, head, act.subject] = before + counted(act, facts)
            for name in (_TOTAL, (_SOLD, head)):
                ledger[name] = ledger.get(name, 0) + max(0, after) - max(0, before)
        return
    seller = act.data.seller
    parameters = facts.parameters(act.time)
    count = 0
    if act.type == REQUEST_REFUSED:
        if facts.party(act.data.buyer).published("serious", act.time, facts.packs.credit(act.time)):
            return
        ledger.add((_REFUSALS, seller), act.time)
        refusals = ledger.list((_REFUSALS, seller))
        count = len(refusals) - bisect_left(refusals, months_later(act.time, -parameters["months"]))
        if count < parameters["refusals"]:
            return
    if month_of(act.time) != month:
        return
    sold = ledger.get((_SOLD, facts.topmost(seller, begin)), 0)
    share = Fraction(sold, ledger.get(_TOTAL, 0) or 1)
    if share >= Fraction(parameters["share"]):
        yield _said(act, rsplit_key(of_kind)[0], share, count, parameters["months"])


def _said(act: Act, market: str, share: Fraction, refusals: int, months: int) -> Said:
    refused = f"refused {many(refusals, 'buyer')} in {many(months, 'month')}"
    conduct = refused if refusals else f"bound {act.data.buyer} exclusively"
    conduct_zh = f"{months:,} 个月内拒绝 {refusals:,} 个买方" if refusals else f"要求 {act.data.buyer} 独家交易"
    return Said(
        severity=RULE.severity,
        about=About("party", act.data.seller),
        party=act.data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=f"{act.data.seller}, whose group has {float(share * 100):.4g} % of {market}, {conduct}.",
        summary_zh=f"{act.data.seller} 所在集团占 {market} 市场的 {float(share * 100):.4g} %，{conduct_zh}。",
        evidence={
            "market": market,
            "share": str(share),
            "months": months,
            "kind": "refusals" if refusals else "exclusive",
            "refusals": refusals,
            "buyer": act.data.buyer,
        },
        asset=act.subject if refusals else act.data.asset,
    )


RULE = Rule(
    id="exclusive-dealing",
    title="Buyers bound or refused by who has half of the market",
    title_zh="占半数市场者限定或拒绝交易",
    about="party",
    severity="yellow",
    articles=("反垄断法 22",),
    parameters={
        "share": Parameter("1/2", "share of the market from which on it is said, as a fraction; less finds more"),
        "refusals": Parameter(3, "refusals in the months from which on it is said; fewer finds more"),
        "months": Parameter(12, "calendar months over which refusals count, at most 12; fewer find less", most=12),
    },
    sum=Sum(
        acts=frozenset({SETTLEMENT_PAID, *TERMS_TYPES, REQUEST_REFUSED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"asset", "contract", "group"}),
        period=Period(ends=lambda _: EARLIEST, members=_members, touches=_touches, own_acts_only=True),
    ),
)

_RULES, _A = pack(), asset("a")


def _paid(seller: str, amount: str, contract: str, time: str = "2025-01-10", of: str = "2025-01-02") -> list[Json]:
    return [
        signed(contract, of, asset="a", seller=seller),
        event("settlement.paid", contract, time, settlement="s", payer=BUYER, payee=seller, amount=amount),
    ]


def _back(contract: str, amount: str) -> Json:
    data: Json = {"settlement": "back", "payer": SELLER, "payee": BUYER, "amount": amount}
    return event("settlement.paid", contract, "2025-01-11", **data)


def _shared(amount: str, rest: str = "50", time: str = "2025-01-10") -> list[Json]:
    return [_A, *_paid(SELLER, amount, "p1", time), *_paid(THIRD, rest, "p2", time)]


def _exclusive(time: str = "2025-02-10", **more: Any) -> Json:
    return signed("c", time, asset="a", terms=terms(exclusive=True), **more)


def _refused(day: str, buyer: str = BUYER) -> Json:
    return event("request.refused", "a", day, buyer=buyer, seller=SELLER, reason="no")


def _bound(kind: str, occurred: str, share: str = "1/2") -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "occurred": f"{occurred}T00:00:00+08:00",
        "evidence": {"market": "I65/traffic/CNY", "kind": kind, "share": share},
    }


_THREE = [_refused("2025-02-01"), _refused("2025-02-02", "x:1"), _refused("2025-02-03", "x:2")]
_RECORD = event(
    "credit.determined",
    BUYER,
    "2025-01-10",
    record="r",
    act="forged",
    tier="serious",
    document_date="2025-01-09",
    decided_by="an office",
)

CASES = (
    *(
        Case(
            name=f"exclusive terms of who was paid {amount} of 100",
            rules=_RULES,
            events=[*_shared(amount, rest), _exclusive()],
            fires=fires,
        )
        for amount, rest, fires in (
            ("49.999999", "50.000001", []),
            ("50", "50", [_bound("exclusive", "2025-02-10")]),
            ("50.000001", "49.999999", [_bound("exclusive", "2025-02-10", "50000001/100000000")]),
        )
    ),
    Case(name="terms that bind nobody", rules=_RULES, events=[*_shared("90"), signed("c", "2025-02-10", asset="a")]),
    Case(
        name="shares are those of the months before",
        rules=_RULES,
        events=[*_shared("50", time="2025-02-01"), _exclusive()],
    ),
    *(
        Case(name=f"paid {name}", rules=_RULES, events=[*_shared("50"), _exclusive(time)], fires=fires)
        for name, time, fires in (
            ("twelve months before", "2026-01-31", [_bound("exclusive", "2026-01-31")]),
            ("thirteen months before", "2026-02-01", []),
        )
    ),
    *(
        Case(
            name=f"half of the market, of a contract of {of} that was paid {paid}, at {time}",
            rules=_RULES,
            events=[_A, *_paid(SELLER, "50", "p1", paid, of), *_paid(THIRD, "50", "p2"), _exclusive(time)],
            fires=[_bound("exclusive", "2025-02-01") | {"occurred": f"{time}+08:00"}] if fires else [],
        )
        for of, paid, time, fires in (
            ("2025-01-05", "2025-01-31T23:59:59.999999", "2025-02-01T00:00:00", True),
            ("2025-01-05", "2025-01-31T23:59:59.999999", "2025-01-31T23:59:59.999999", False),
            ("2025-01-05", "2025-02-01", "2025-02-01T00:00:00", False),
            ("2025-01-05", "2025-02-01", "2025-02-28T23:59:59.999999", False),
            ("2025-01-05", "2025-02-01", "2025-03-01T00:00:00", True),
            ("2025-02-01", "2025-02-01", "2025-02-28T23:59:59.999999", False),
            ("2025-02-01", "2025-01-15", "2025-02-28T23:59:59.999999", False),
        )
    ),
    *(
        Case(
            name=f"a controller who has half of the market, {name}",
            rules=_RULES,
            events=[
                _A,
                *_paid(OWNER, "50", "p1"),
                *_paid(THIRD, "50", "p2"),
                party(SELLER, "2025-01-01"),
                joins,
                _exclusive(),
            ],
            fires=fires,
        )
        for name, joins, fires in (
            ("at the month's end", party(SELLER, "2025-02-01", controller=OWNER), [_bound("exclusive", "2025-02-10")]),
            ("only after it", party(SELLER, "2025-02-01T00:00:00.000001", controller=OWNER), []),
        )
    ),
    *(
        Case(
            name=f"{count} refusals",
            rules=_RULES,
            events=[*_shared("50"), *[*_THREE, _refused("2025-02-04")][:count]],
            fires=[_bound("refusals", f"2025-02-0{at}") for at in range(3, count + 1)],
        )
        for count in (2, 3, 4)
    ),
    *(
        Case(
            name=f"a first refusal {name}",
            rules=_RULES,
            events=[*_shared("50"), _refused(first), *_THREE[1:]],
            fires=fires,
        )
        for name, first, fires in (
            ("just longer ago than twelve months", "2024-02-02T23:59:59.999999", []),
            ("twelve months ago", "2024-02-03", [_bound("refusals", "2025-02-03")]),
        )
    ),
    Case(
        name="a buyer with a published serious record",
        rules=_RULES,
        events=[*_shared("50"), *_THREE, _RECORD],
    ),
    Case(
        name="refusals of who has less than half",
        rules=_RULES,
        events=[*_shared("49"), *_THREE],
    ),
    Case(
        name="a sister's payments count",
        rules=_RULES,
        events=[
            _A,
            *_paid(OWNER, "50", "p1"),
            *_paid(THIRD, "50", "p2"),
            _exclusive(),
            party(SELLER, controller=OWNER),
        ],
        fires=[_bound("exclusive", "2025-02-10")],
    ),
    Case(
        name="a payment that arrives late",
        rules=_RULES,
        events=[*_shared("50", "40"), _exclusive(), *_paid("x:9", "10.000001", "p3")],
    ),
    Case(
        name="a signing that was taken back",
        rules=_RULES,
        events=[*_shared("50"), _exclusive(), retracted(_exclusive(), "2025-02-11")],
    ),
    *(
        Case(
            name=f"of 50 of 100 {name} is paid back",
            rules=_RULES,
            events=[*_shared("50"), _back("p1", amount), *more, _exclusive()],
            fires=fires,
        )
        for name, amount, more, fires in (
            ("a little", "0.000001", [], []),
            ("a part", "9", _paid(SELLER, "50", "p3"), [_bound("exclusive", "2025-02-10", "91/141")]),
            ("all", "99", _paid(SELLER, "50", "p3"), [_bound("exclusive", "2025-02-10")]),
        )
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[*_shared("50"), signed("c", "2025-02-02", **{"asset": "a"} | before), _exclusive(amended=True)],
            fires=fires,
        )
        for name, before, fires in (
            ("to exclusive terms", {}, [_bound("exclusive", "2025-02-10")]),
            ("of what was exclusive", {"terms": terms(exclusive=True)}, [_bound("exclusive", "2025-02-02")]),
            (
                "to another buyer, exclusively",
                {"terms": terms(exclusive=True), "buyer": THIRD},
                [_bound("exclusive", "2025-02-02"), _bound("exclusive", "2025-02-10")],
            ),
        )
    ),
    Case(
        name="an amendment to terms that are not exclusive any more",
        rules=_RULES,
        events=[*_shared("50"), _exclusive(), signed("c", "2025-02-11", amended=True, asset="a")],
        fires=[_bound("exclusive", "2025-02-10")],
    ),
)
