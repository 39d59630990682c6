"""A contract's price is far from what the asset was assessed to be worth.

Why it matters: prices far above or below the value hide rebates, subsidies and sales to oneself, or are the unfair
prices of a dominant seller (Anti-Monopoly Law, article 22).

False positives: bundles, long terms, or an assessment of something else; the finding is blue, to be looked at.

What to do: ask how the price came about, and compare with other contracts over the asset.
"""

from typing import Any

from circulation.examples import SELLER, Case, Json, asset, event, pack, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.money import exact, millionths
from circulation.rules import Check, Parameter, Rule
from circulation.sales import sells

# An assessed value has no currency of its own.
CURRENCY = "CNY"


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds the amount against the latest value that was assessed by then and is valid."""
    data = act.data
    assessed = facts.asset(data.asset).assessed("value", act.time)
    if data.currency != CURRENCY or assessed is None or assessed.value is None:
        return []
    stated_factor = facts.parameters(act.time)["factor"]
    factor, amount, value = exact(stated_factor), millionths(data.amount), millionths(assessed.value)
    if value <= amount * factor and amount <= value * factor:
        return []
    if not sells(act, facts, "amount", "currency"):
        return []
    side = "more than" if amount > value else "less than"
    share = f"{stated_factor} times" if amount > value else f"one part in {stated_factor} of"
    side_zh, share_zh = ("高于", f"{stated_factor} 倍") if amount > value else ("低于", f"{stated_factor} 分之一")
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"Sold for {data.amount} {data.currency}, {side} {share} the assessed value of {assessed.value}.",
            summary_zh=f"成交价 {data.amount} {data.currency}，{side_zh}评估价值 {assessed.value} 的 {share_zh}。",
            evidence={
                "amount": data.amount,
                "currency": data.currency,
                "value": assessed.value,
                "factor": stated_factor,
                "assessment": assessed.assessment,
            },
            asset=data.asset,
        )
    ]


RULE = Rule(
    id="abnormal-price",
    title="A price far from the assessed value",
    title_zh="成交价与评估价值相差过大",
    about="contract",
    severity="blue",
    articles=("反垄断法 22", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 12"),
    parameters={
        "factor": Parameter(3, "how many times the value, or which part of it, is still ordinary; less finds more")
    },
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract"})),
)

_FINDING: Json = {"severity": "blue", "about": {"kind": "contract", "id": "c"}, "party": SELLER}
_RULES, _DAY, _A = pack(), "2025-02-01", asset("a")


def _assessed(time: str = "2025-01-02", value: str = "300", **data: Any) -> Json:
    defaults: Json = {"assessment": "v1", "kind": "value", "result": "pass", "assessor": "an assessor"}
    return event("asset.assessed", "a", time, value=value, **(defaults | data))


def _sold(amount: str, **data: Any) -> Json:
    return signed("c", _DAY, asset="a", amount=amount, **data)


CASES = (
    *(
        Case(name=f"{amount} for a value of 300", rules=_RULES, events=[_A, _assessed(), _sold(amount)], fires=fires)
        for amount, fires in (
            ("99.999999", [_FINDING]),
            ("100", []),
            ("100.000001", []),
            ("899.999999", []),
            ("900", []),
            ("900.000001", [_FINDING]),
        )
    ),
    Case(name="no value", rules=_RULES, events=[_A, _sold("900")]),
    Case(name="another currency", rules=_RULES, events=[_A, _assessed(), _sold("9000", currency="EUR")]),
    *(
        Case(name=f"an assessment {name}", rules=_RULES, events=[_A, _sold("1000"), assessment], fires=fires)
        for name, assessment, fires in (
            ("at the signing", _assessed(_DAY), [_FINDING]),
            ("just after", _assessed("2025-02-01T00:00:00.000001"), []),
            ("that has ended", _assessed(valid_to=_DAY), []),
            ("that failed", _assessed(result="fail"), []),
            ("of quality", _assessed(kind="quality"), []),
            ("that was made in time and arrives late", _assessed(), [_FINDING]),
        )
    ),
    Case(
        name="the latest value counts",
        rules=_RULES,
        events=[_A, _assessed(), _assessed("2025-01-03", "1000", assessment="v2"), _sold("900")],
    ),
    Case(
        name="an assessment that was taken back",
        rules=_RULES,
        events=[_A, _assessed(), _sold("1000"), retracted(_assessed(), "2025-02-02")],
    ),
    Case(
        name="another factor of the pack",
        rules=pack(detectors={"abnormal-price": {"factor": 2}}),
        events=[_A, _assessed(), _sold("601")],
        fires=[_FINDING],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _A,
                asset("b"),
                _assessed(),
                signed("c", "2025-01-20", **Json({"asset": "a", "amount": "300"} | before)),
                _sold(**{"amount": "900.01"} | after, amended=True),
            ],
            fires=fires,
        )
        for name, before, after, fires in (
            ("to a price that is too high", {}, {}, [_FINDING | {"occurred": "2025-02-01T00:00:00+08:00"}]),
            ("to a price that is just high", {}, {"amount": "900"}, []),
            ("to another asset", {"asset": "b", "amount": "900.01"}, {}, [_FINDING]),
            ("from another currency", {"amount": "900.01", "currency": "EUR"}, {}, [_FINDING]),
            (
                "that states the same price",
                {"amount": "900.010"},
                {},
                [_FINDING | {"occurred": "2025-01-20T00:00:00+08:00"}],
            ),
        )
    ),
)
