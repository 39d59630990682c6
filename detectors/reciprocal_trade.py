"""Two parties sell to each other for about the same price within days.

Why it matters: money that comes back is no turnover; such pairs pump indices and fetch rewards for trade (Anti-Unfair
Competition Law, article 9; Beijing's opinion of 2023-06-20, article 23).

False positives: an honest exchange of data for data between two who both need it.

What to do: ask for proof that both deliveries were made and used, and pay no reward until then.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from circulation.calendar import days
from circulation.cases import BUYER, SELLER, THIRD, Case, Json, pack, retracted, signed
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.money import exact, millionths
from circulation.rules import Parameter, Rule, Sum

SIGNED = "circulation.contract.signed"
SEPARATOR = "\x1f"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The pair of parties, whoever of them sells, in one currency."""
    if act.data.seller != act.data.buyer:
        yield SEPARATOR.join((*sorted((act.data.seller, act.data.buyer)), act.data.currency))


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Looks back from each sale for the nearest one the other way within the days and about the amount."""
    smaller = scope.split(SEPARATOR)[0]
    found: list[Said] = []
    sold: dict[str, list[Act]] = {}
    for act in acts:
        sold.setdefault(act.data.seller, []).append(act)
        parameters = facts.parameters(act.time)
        since = act.time - days(parameters["days"])
        for other in reversed(sold.get(act.data.buyer, ())):
            if other.time < since:
                break
            if not _alike(act, other, parameters["percent"]):
                continue
            found.append(
                Said(
                    severity=RULE.severity,
                    about=About("party", smaller),
                    party=smaller,
                    occurred=act.time,
                    cause=act.cause,
                    summary=(
                        f"{act.data.seller} sold to {act.data.buyer} for {act.data.amount} {act.data.currency}, and had"
                        f" bought from it for {other.data.amount} within {parameters['days']:,} days."
                    ),
                    evidence={
                        "contracts": [other.subject, act.subject],
                        "amounts": [other.data.amount, act.data.amount],
                        "currency": act.data.currency,
                    },
                    asset=act.data.asset,
                )
            )
            break
    return found


def _alike(one: Act, other: Act, percent: float) -> bool:
    """Whether an amount is within so many percent of the earlier one."""
    amount, before = millionths(one.data.amount), millionths(other.data.amount)
    return abs(amount - before) * 100 <= before * exact(percent)


RULE = Rule(
    id="reciprocal-trade",
    title="Sold there and back",
    about="party",
    severity="orange",
    articles=("反不正当竞争法 9", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23"),
    parameters={
        "days": Parameter(30, "days within which a sale is answered by one the other way; more of them find more"),
        "percent": Parameter(10, "what the amounts may differ by, of the earlier one; more finds more"),
    },
    sum=Sum(acts=frozenset({SIGNED}), scopes=scopes, judge=judge),
)


def _there(time: str = "2025-02-01", **data: Any) -> Json:
    return signed("there", time, amount="1000", **data)


def _back(amount: str = "1000", time: str = "2025-02-10", **data: Any) -> Json:
    return signed("back", time, amount=amount, **({"seller": BUYER, "buyer": SELLER} | data))


_FOUND: Json = {
    "severity": "orange",
    "about": {"kind": "party", "id": min(BUYER, SELLER)},
    "party": min(BUYER, SELLER),
    "evidence": {"contracts": ["there", "back"]},
}
_RULES = pack()

CASES = (
    *(
        Case(name=f"1000 there and {amount} back", rules=_RULES, events=[_there(), _back(amount)], fires=fires)
        for amount, fires in (
            ("899.999999", []),
            ("900", [_FOUND]),
            ("900.000001", [_FOUND]),
            ("1099.999999", [_FOUND]),
            ("1100", [_FOUND]),
            ("1100.000001", []),
        )
    ),
    *(
        Case(name=f"back {name} 30 days later", rules=_RULES, events=[_there(), _back(time=time)], fires=fires)
        for name, time, fires in (
            ("less than", "2025-03-02T23:59:59.999999", [_FOUND]),
            ("exactly", "2025-03-03", [_FOUND]),
            ("more than", "2025-03-03T00:00:00.000001", []),
        )
    ),
    Case(name="the same way twice", rules=_RULES, events=[_there(), _back(seller=SELLER, buyer=BUYER)]),
    Case(name="back to another one", rules=_RULES, events=[_there(), _back(buyer=THIRD)]),
    Case(name="another currency", rules=_RULES, events=[_there(), _back(currency="EUR")]),
    Case(name="with oneself is another rule's", rules=_RULES, events=[_there(buyer=SELLER), _back(buyer=BUYER)]),
    Case(name="the order of arrival does not matter", rules=_RULES, events=[_back(), _there()], fires=[_FOUND]),
    Case(
        name="a sale that was taken back",
        rules=_RULES,
        events=[_there(), retracted(_there(), "2025-02-02"), _back()],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"reciprocal-trade": {"days": 5, "percent": 50}}),
        events=[_there(), _back("500", "2025-02-06")],
        fires=[_FOUND],
    ),
)
