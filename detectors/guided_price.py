"""A product under a guided price is offered above its ceiling.

Why it matters: products made of public data for industry are sold under a price that the state guides; the authorising
body sets the ceiling, and who asks for more has to give it back and is fined (notice on the price formation of
authorised operation of public data, 2025; Price Law, article 39).

False positives: a ceiling that was raised and whose old value was reported; have the listing taken back and sent anew.

What to do: have the price lowered or the product delisted, and what was paid above the ceiling returned.
"""

from circulation.cases import SELLER, Case, Json, asset, listed, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.money import millionths
from circulation.rules import Check, Rule

LISTED = "circulation.product.listed"


def check(act: Act, _: Facts) -> list[Said]:
    """Holds the amount of a guided price against its ceiling; a price without a ceiling is not held against any."""
    price = act.data.price
    if price is None or price.mode != "guided" or price.ceiling is None:
        return []
    if millionths(price.amount) <= millionths(price.ceiling):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", act.subject),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"{act.data.product} is offered at {price.amount} {price.currency}, above its guided ceiling of"
                f" {price.ceiling}."
            ),
            evidence={
                "product": act.data.product,
                "amount": price.amount,
                "ceiling": price.ceiling,
                "currency": price.currency,
            },
            asset=act.subject,
        )
    ]


RULE = Rule(
    id="guided-price",
    title="A guided price above its ceiling",
    about="asset",
    severity="orange",
    articles=("关于建立公共数据资源授权运营价格形成机制的通知", "价格法 39"),
    check=Check(acts=frozenset({LISTED}), check=check),
)

_FOUND: Json = {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": SELLER}
_RULES, _DAY, _A = pack(), "2025-02-01", asset("a")


def _offered(amount: str, ceiling: str | None = "100.00", mode: str = "guided") -> Json:
    price = {"mode": mode, "amount": amount} | ({} if ceiling is None else {"ceiling": ceiling})
    return listed("a", _DAY, price=price)


CASES = (
    *(
        Case(name=f"an offer of {amount} under a ceiling of 100", rules=_RULES, events=[_A, offer], fires=fires)
        for amount, offer, fires in (
            ("99.999999", _offered("99.999999"), []),
            ("100", _offered("100"), []),
            ("100.000001", _offered("100.000001"), [_FOUND | {"evidence": {"ceiling": "100.00"}}]),
        )
    ),
    Case(name="another mode of price", rules=_RULES, events=[_A, _offered("200", mode="negotiated")]),
    Case(name="no ceiling", rules=_RULES, events=[_A, _offered("200", ceiling=None)]),
    Case(name="no price", rules=_RULES, events=[_A, listed("a", _DAY)]),
    Case(
        name="a price beyond what a float can tell",
        rules=_RULES,
        events=[_A, _offered("999999999999999999.000001", ceiling="999999999999999999")],
        fires=[_FOUND],
    ),
    Case(
        name="a listing that was taken back",
        rules=_RULES,
        events=[_A, _offered("200"), retracted(_offered("200"), "2025-02-02")],
    ),
)
