"""Who has half of a market binds buyers to itself, or refuses them.

Why it matters: a dominant seller may not restrict with whom others trade, nor refuse to trade without a good reason
(Anti-Monopoly Law, article 22).

False positives: exclusive rights that the data's source asks for; refusals for want of capacity or of legal grounds,
which the reasons of the refusals tell. A presumption of dominance can be rebutted.

What to do: ask for the reasons, and what other sellers there are; compare with `dominance`.

The share is that of the party's group in the market of the asset, over the twelve months to the last month's end before
the act. A buyer is in good standing while it has no published serious record. A refusal names no currency: its market
is that in CNY.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from circulation.calendar import EARLIEST, month_of, months_later
from circulation.cases import (
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
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.markets import SETTLED, market_id, market_of, scope_of, shares, split
from circulation.rules import Parameter, Period, Rule, Sum

SIGNED, REFUSED = "circulation.contract.signed", "circulation.request.refused"
MONTHS = 12
CURRENCY = "CNY"
SEPARATOR = "\x1f"
# What was paid gives shares to the months after it; what was done is judged in its own.
PAID, DONE = "paid", "done"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The month of the market; of signings only those with exclusive terms."""
    if act.type == SETTLED:
        market, kind = market_of(act, facts), PAID
    elif act.type == REFUSED:
        market, kind = market_id(act.subject, act.time, CURRENCY, facts), DONE
    elif act.data.terms.exclusive:
        market, kind = market_id(act.data.asset, act.time, act.data.currency, facts), DONE
    else:
        return
    if market is not None:
        yield scope_of(f"{market}{SEPARATOR}{kind}", month_of(act.time))


def _months(scope: str, kind: str, first: int, last: int) -> list[str]:
    of_kind, month = split(scope)
    market = of_kind.rsplit(SEPARATOR, 1)[0]
    return [scope_of(f"{market}{SEPARATOR}{kind}", month + shift) for shift in range(first, last + 1)]


def _members(scope: str) -> list[str]:
    return [*_months(scope, PAID, -MONTHS, -1), *_months(scope, DONE, -MONTHS, 0)]


def _touches(scope: str) -> list[str]:
    paid = split(scope)[0].endswith(SEPARATOR + PAID)
    return _months(scope, DONE, int(paid), MONTHS)


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Looks at the exclusive terms and refusals of a month by whoever had half of the market when it began."""
    of_kind, month = split(scope)
    if of_kind.endswith(SEPARATOR + PAID):
        return []
    parts = shares([act for act in acts if act.type == SETTLED], facts, month - 1, MONTHS).parts
    refused: dict[str, list[int]] = {}
    found: list[Said] = []
    for act in acts:
        if act.type == SETTLED:
            continue
        seller = act.data.seller
        parameters = facts.parameters(act.time)
        count = 0
        if act.type == REFUSED:
            if facts.party(act.data.buyer).published("serious", act.time, facts.pack(act.time).credit):
                continue
            refused.setdefault(seller, []).append(act.time)
            since = months_later(act.time, -parameters["months"])
            count = sum(time >= since for time in refused[seller])
            if count < parameters["refusals"]:
                continue
        share = parts.get(facts.topmost(seller, act.time), Fraction(0))
        if month_of(act.time) == month and share >= Fraction(parameters["share"]):
            found.append(_said(act, of_kind.rsplit(SEPARATOR, 1)[0], share, count, parameters["months"]))
    return found


def _said(act: Act, market: str, share: Fraction, refusals: int, months: int) -> Said:
    what = f"refused {refusals:,} buyers in {months:,} months" if refusals else f"bound {act.data.buyer} exclusively"
    return Said(
        severity=RULE.severity,
        about=About("party", act.data.seller),
        party=act.data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=f"{act.data.seller}, whose group has {float(share * 100):.4g} % of {market}, {what}.",
        evidence={
            "market": market,
            "share": str(share),
            "kind": "refusals" if refusals else "exclusive",
            "refusals": refusals,
            "buyer": act.data.buyer,
        },
        asset=act.subject if refusals else act.data.asset,
    )


RULE = Rule(
    id="exclusive-dealing",
    title="Buyers bound or refused by who has half of the market",
    about="party",
    severity="yellow",
    articles=("反垄断法 22",),
    parameters={
        "share": Parameter("1/2", "share of the market from which on it is said, as a fraction; less finds more"),
        "refusals": Parameter(3, "refusals in the months from which on it is said; fewer finds more"),
        "months": Parameter(12, "calendar months over which refusals count, at most 12; fewer find less"),
    },
    sum=Sum(
        acts=frozenset({SETTLED, SIGNED, REFUSED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"asset", "contract", "group"}),
        period=Period(ends=lambda _: EARLIEST, members=_members, touches=_touches, own_acts_only=True),
    ),
)

_RULES, _A = pack(), asset("a")


def _paid(seller: str, amount: str, contract: str, time: str = "2025-01-10") -> list[Json]:
    return [
        signed(contract, "2025-01-02", asset="a", seller=seller),
        event("settlement.paid", contract, time, settlement="s", payer=BUYER, payee=seller, amount=amount),
    ]


def _shared(amount: str, rest: str = "50", time: str = "2025-01-10") -> list[Json]:
    return [_A, *_paid(SELLER, amount, "p1", time), *_paid(THIRD, rest, "p2", time)]


def _exclusive(time: str = "2025-02-10") -> Json:
    return signed("c", time, asset="a", terms=terms(exclusive=True))


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
)
