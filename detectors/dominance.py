"""One to three controllers have so much of a market that the law presumes them dominant.

Why it matters: who dominates a market may not ask unfair prices, refuse, tie or bind; the presumption is the beginning
of any look at that (Anti-Monopoly Law, article 24).

False positives: a market that is drawn too narrowly, or with buyers who can turn elsewhere; the presumption can be
rebutted. Markets with few contracts are left out.

What to do: look at the members' refusals, prices and exclusive terms; ask for the market's other sellers.

One with at least 1/2, two with 2/3, three with 3/4 of what was paid for the contracts of twelve months. Of two or
three, who has less than 1/10 is not presumed dominant, though his share counts in the sum. Fractions are exact.

Categories of one market may be spelled in several ways: they are compared as in a negative list.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from circulation.calendar import start_of_month
from circulation.events.names import SETTLEMENT_PAID
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, asset, event, pack, party, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.markets import NEEDS, ending_with, scopes, shares, split
from circulation.rules import Parameter, Rule, Sum
from circulation.words import many

MONTHS = 12


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds the largest one, two and three shares at a month's end against the law's."""
    market, month = split(scope)
    ends = start_of_month(month + 1)
    held = shares(acts, facts, month, MONTHS)
    parameters = facts.parameters(ends)
    if held.contracts < parameters["contracts"]:
        return []
    findings = []
    for count, limit in enumerate(parameters["shares"], start=1):
        largest = list(held.parts.items())[:count]
        together = sum((share for _, share in largest), Fraction(0))
        if len(largest) < count or together < Fraction(limit):
            continue
        members = [
            (controller, share)
            for controller, share in largest
            if count == 1 or share >= Fraction(parameters["least_share"])
        ]
        name = f"{month // 12:04}-{month % 12 + 1:02}"
        findings.append(
            Said(
                severity=RULE.severity,
                about=About("market", market),
                party=largest[0][0],
                occurred=ends,
                apart=(name, str(count)),
                summary=(
                    f"In the twelve months to {name}, {count} of {many(len(held.parts), 'controller')} had"
                    f" {float(together * 100):.4g} % of {market}, at least {limit}, in"
                    f" {many(held.contracts, 'contract')}."
                ),
                summary_zh=(
                    f"截至 {name} 的十二个月内，{len(held.parts):,} 个控制方中的 {count} 个合计占 {market} 市场的"
                    f" {float(together * 100):.4g} %，达到 {limit}，涉及 {held.contracts:,} 份合同。"
                ),
                evidence={
                    "month": name,
                    "of": len(held.parts),
                    "controllers": count,
                    "share": str(together),
                    "limit": limit,
                    "members": {controller: str(share) for controller, share in members},
                    "members_count": len(members),
                    "contracts": held.contracts,
                },
            )
        )
    return findings


RULE = Rule(
    id="dominance",
    title="Presumed to dominate a market",
    title_zh="推定具有市场支配地位",
    about="market",
    severity="yellow",
    articles=("反垄断法 24",),
    parameters={
        "shares": Parameter(
            ["1/2", "2/3", "3/4"], "shares of the largest one, two and three, as fractions; less finds more"
        ),
        "least_share": Parameter("1/10", "share below which one of two or three is not presumed dominant"),
        "contracts": Parameter(30, "paid contracts in the months from which on shares say anything; fewer finds more"),
    },
    sum=Sum(
        due=True,
        acts=frozenset({SETTLEMENT_PAID}),
        scopes=scopes,
        judge=judge,
        needs=NEEDS,
        period=ending_with(MONTHS),
    ),
)

_YEAR = [f"2025-{month:02}" for month in range(1, 13)]
_FEW = pack(detectors={"dominance": {"contracts": 1}})
_FOURTH = "scheme:four"
_UNTIL = "2025-03-01T00:00:00.000001+08:00"
_A = asset("a")


def _paid(
    seller: str, amount: str, contract: str, time: str = "2025-02-10", of: str = "2025-01-02", **data: Any
) -> list[Json]:
    return [
        signed(contract, of, asset="a", seller=seller),
        event(
            "settlement.paid",
            contract,
            time,
            settlement="s",
            payer=BUYER,
            payee=seller,
            amount=amount,
            **data,
        ),
    ]


def _back(contract: str, amount: str, payer: str = SELLER, payee: str = BUYER) -> Json:
    time = "2025-02-11"
    return event("settlement.paid", contract, time, settlement="back", payer=payer, payee=payee, amount=amount)


def _market(*amounts: tuple[str, str], time: str = "2025-02-10") -> list[Json]:
    return [payment for at, (seller, amount) in enumerate(amounts) for payment in _paid(seller, amount, f"c{at}", time)]


def _dominates(count: int, share: str, *members: str, month: str = "2025-02", largest: str = SELLER) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "market", "id": "I65/traffic/CNY"},
        "party": largest,
        "evidence": {"month": month, "controllers": count, "share": share}
        | (
            {"members": dict(member.split(" ") for member in members), "members_count": len(members)} if members else {}
        ),
    }


CASES = (
    *(
        Case(
            name=f"one with {amount} of 100",
            rules=_FEW,
            events=[_A, *_market((SELLER, amount), *((f"x:{at}", rest) for at in range(5)))],
            until=_UNTIL,
            fires=fires,
        )
        for amount, rest, fires in (
            ("49.999995", "10.000001", []),
            ("50", "10", [_dominates(1, "1/2")]),
            ("50.000005", "9.999999", [_dominates(1, "10000001/20000000")]),
        )
    ),
    *(
        Case(
            name=f"two with {together} of 3",
            rules=_FEW,
            events=[_A, *_market((SELLER, "1"), (THIRD, amount), *((f"x:{at}", rest) for at in range(5)))],
            until=_UNTIL,
            fires=fires,
        )
        for together, amount, rest, fires in (
            ("less than 2", "0.999995", "0.200001", []),
            (
                "exactly 2",
                "1",
                "0.2",
                [_dominates(2, "2/3", f"{SELLER} 1/3", f"{THIRD} 1/3", largest=min(SELLER, THIRD))],
            ),
            ("more than 2", "1.000005", "0.199999", [_dominates(2, "400001/600000", largest=THIRD)]),
        )
    ),
    *(
        Case(
            name=f"three with {together} of 4, of whom {name}",
            rules=_FEW,
            events=[
                _A,
                *_market((SELLER, first), (THIRD, second), (OWNER, third), *((f"x:{at}", rest) for at in range(4))),
            ],
            until=_UNTIL,
            fires=fires,
        )
        for together, name, first, second, third, rest, fires in (
            ("less than 3", "all have a tenth", "1.2", "1", "0.799996", "0.250001", []),
            (
                "exactly 3",
                "all have a tenth",
                "1.2",
                "1",
                "0.8",
                "0.25",
                [_dominates(3, "3/4", f"{SELLER} 3/10", f"{THIRD} 1/4", f"{OWNER} 1/5")],
            ),
            (
                "exactly 3",
                "one has less than a tenth",
                "1.4",
                "1.2",
                "0.4",
                "0.25",
                [_dominates(3, "3/4", f"{SELLER} 7/20", f"{THIRD} 3/10", f"{OWNER} 1/10")],
            ),
            (
                "exactly 3",
                "one has just less than a tenth",
                "1.4",
                "1.200004",
                "0.399996",
                "0.25",
                [_dominates(3, "3/4", f"{SELLER} 7/20", f"{THIRD} 300001/1000000")],
            ),
        )
    ),
    *(
        Case(
            name=f"{count} contracts of one seller",
            rules=pack(),
            events=[_A, *(payment for at in range(count) for payment in _paid(SELLER, "1", f"c{at}"))],
            until=_UNTIL,
            fires=[_dominates(1, "1", f"{SELLER} 1")] if count >= 30 else [],
        )
        for count in (29, 30, 31)
    ),
    Case(
        name="sisters count as one, by who controls them at the month's end",
        rules=_FEW,
        events=[
            party(THIRD, controller=SELLER),
            _A,
            *_market((SELLER, "30"), (THIRD, "20"), *((f"x:{at}", "10") for at in range(5))),
        ],
        until=_UNTIL,
        fires=[_dominates(1, "1/2")],
    ),
    Case(
        name="a controller of the controller that is stated late",
        rules=_FEW,
        events=[
            party(THIRD, controller=_FOURTH),
            _A,
            *_market((SELLER, "30"), (THIRD, "20"), *((f"x:{at}", "10") for at in range(5))),
            party(_FOURTH, "2025-02-28", controller=SELLER),
        ],
        until=_UNTIL,
        fires=[_dominates(1, "1/2")],
    ),
    Case(
        name="at the month's end",
        rules=_FEW,
        events=[_A, *_market((SELLER, "1"))],
        until="2025-03-01T00:00:00+08:00",
    ),
    *(
        Case(
            name=f"a contract of {signed_}, paid {paid}",
            rules=_FEW,
            events=[_A, *_paid(SELLER, "1", "c", paid, of=signed_)],
            until="2026-06-01",
            fires=[_dominates(1, "1", month=month) for month in months],
        )
        for signed_, paid, months in (
            ("2025-01-31T23:59:59.999999", "2025-01-31T23:59:59.999999", _YEAR),
            ("2025-02-01", "2025-02-01", [*_YEAR[1:], "2026-01"]),
            # It is of the month in which it was signed, and counts from the end of that in which it was paid.
            ("2025-01-31T23:59:59.999999", "2025-02-28T23:59:59.999999", _YEAR[1:]),
            ("2025-01-31T23:59:59.999999", "2025-03-01", _YEAR[2:]),
            ("2025-01-02", "2025-12-31", _YEAR[11:]),
            ("2025-01-02", "2026-01-01", []),
            ("2025-02-01", "2025-01-02", [*_YEAR[1:], "2026-01"]),
        )
    ),
    *(
        Case(
            name=f"an asset that is something else {name}",
            rules=_FEW,
            events=[_A, asset("a", time, category="weather"), *_paid(SELLER, "1", "c", "2025-02-10", of="2025-02-05")],
            until=_UNTIL,
            fires=[_dominates(1, "1") | {"about": {"kind": "market", "id": f"I65/{category}/CNY"}}],
        )
        for name, time, category in (
            ("when the contract is signed", "2025-02-05", "weather"),
            ("just after that", "2025-02-05T00:00:00.000001", "traffic"),
            ("when it is paid", "2025-02-10", "traffic"),
        )
    ),
    Case(
        name="a settlement that arrives after the month's end counts in it, and in those that follow",
        rules=_FEW,
        events=[
            _A,
            *_market((SELLER, "50"), *((f"x:{at}", "10") for at in range(5))),
            signed("other", "2025-03-02", asset="b"),
            *_paid(THIRD, "0.000001", "late"),
        ],
    ),
    Case(
        name="a settlement that was taken back after the month's end",
        rules=_FEW,
        events=[
            _A,
            *_market((SELLER, "1")),
            retracted(_paid(SELLER, "1", "c0")[1], "2025-03-02"),
        ],
    ),
    Case(
        name="an asset of which nothing is known is in no market",
        rules=_FEW,
        events=_market((SELLER, "1")),
        until=_UNTIL,
    ),
    Case(
        name="currencies are never added",
        rules=_FEW,
        events=[_A, *_paid(SELLER, "1", "c0"), *_paid(THIRD, "5", "c1", currency="EUR")],
        until=_UNTIL,
        fires=[
            _dominates(1, "1"),
            _dominates(1, "1", largest=THIRD) | {"about": {"kind": "market", "id": "I65/traffic/EUR"}},
        ],
    ),
    *(
        Case(
            name=f"of 50 of 100 in one contract {name}",
            rules=_FEW,
            events=[_A, *_market((SELLER, "50"), *((f"x:{at}", "10") for at in range(5))), *more],
            until=_UNTIL,
            fires=fires,
        )
        for name, more, fires in (
            ("a little is paid back", [_back("c0", "0.000001")], []),
            ("nothing is paid back, but to another one", [_back("c0", "1", payee=OWNER)], [_dominates(1, "1/2")]),
            (
                "something is paid by a stranger as well",
                [_back("c0", "9", payer="x:s", payee=SELLER)],
                [_dominates(1, "1/2")],
            ),
            ("all is paid back twice", [_back("c0", "100")], []),
        )
    ),
    Case(
        name="of another contract nothing is taken off",
        rules=_FEW,
        events=[_A, *_market((SELLER, "50"), *((f"x:{at}", "10") for at in range(5)), (SELLER, "1")), _back("c6", "9")],
        until=_UNTIL,
        fires=[_dominates(1, "1/2")],
    ),
    *(
        Case(
            name=f"30 contracts, of one of which {name}",
            rules=pack(),
            events=[
                _A,
                *(payment for at in range(30) for payment in _paid(SELLER, "1", f"c{at}")),
                _back("c9", amount),
            ],
            until=_UNTIL,
            fires=fires,
        )
        for name, amount, fires in (
            ("most is paid back", "0.999999", [_dominates(1, "1", f"{SELLER} 1")]),
            ("all is paid back", "1", []),
        )
    ),
)
