"""One product is sold in one month on equal terms to several buyers at different prices.

Why it matters: equal buyers are to be treated equally; data and algorithms make it easy to ask of each what he can bear
(Anti-Monopoly Law, article 22; Shenzhen's data regulation, article 69; Price Law, article 14).

False positives: an offer to new buyers, costs that the terms do not show, trade custom; the finding is yellow, for the
seller to explain.

What to do: ask the seller what the prices rest on, and compare with his other months.

Equal are terms that differ in parties and dates only. A unit price is `amount` / `uses_max`, so contracts without a
number of uses are not compared.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from circulation.calendar import day_of
from circulation.events.names import CONTRACT_SIGNED
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, pack, retracted, signed, terms
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said, digest
from circulation.keys import join_key
from circulation.money import exact, millionths
from circulation.rules import Parameter, Rule, Sum
from circulation.terms import Terms
from circulation.words import many

# What terms say of parties and of dates.
OF_THE_CONTRACT = ("valid_from", "valid_to", "recipients", "quota_group")


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The product's sales of a month at +08:00 in one currency and on equal terms."""
    data = act.data
    if data.product is not None and data.terms.uses_max:
        month = f"{day_of(act.time):%Y-%m}"
        yield join_key(data.asset, data.product, month, data.currency, _equal(data.terms))


def _equal(agreed: Terms) -> str:
    """A digest that is the same for terms that differ in parties and dates only; lists have no order."""
    members = {name: value for name, value in msgspec.structs.asdict(agreed).items() if name not in OF_THE_CONTRACT}
    stated = {
        name: sorted(msgspec.json.encode(item).decode() for item in value) if isinstance(value, tuple) else value
        for name, value in members.items()
    }
    return digest(msgspec.json.encode(stated, order="sorted").decode())


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the sales to the first at which enough buyers are there and two of them are too far apart."""
    buyers: set[str] = set()
    lowest: dict[str, tuple[Fraction, Act]] = {}
    highest: dict[str, tuple[Fraction, Act]] = {}
    for act in acts:
        buyer, price = act.data.buyer, Fraction(millionths(act.data.amount), act.data.terms.uses_max)
        buyers.add(buyer)
        lowest = _two(lowest, buyer, price, act, 1)
        highest = _two(highest, buyer, price, act, -1)
        parameters = facts.parameters(act.time)
        if len(buyers) < parameters["buyers"]:
            continue
        pairs = [
            (high, low)
            for high_buyer, high in highest.items()
            for low_buyer, low in lowest.items()
            if high_buyer != low_buyer and high[0] > low[0] * exact(parameters["factor"])
        ]
        if pairs:
            return [_said(act, max(pairs, key=lambda pair: pair[0][0] - pair[1][0]), len(buyers), parameters["factor"])]
    return []


def _two(
    best: dict[str, tuple[Fraction, Act]], buyer: str, price: Fraction, act: Act, sign: int
) -> dict[str, tuple[Fraction, Act]]:
    """The two buyers with the lowest prices (with the highest, where `sign` is -1): two suffice to find any pair."""
    if buyer not in best or price * sign < best[buyer][0] * sign:
        best = best | {buyer: (price, act)}
    return dict(sorted(best.items(), key=lambda item: item[1][0] * sign)[:2])


def _said(act: Act, pair: tuple[tuple[Fraction, Act], tuple[Fraction, Act]], buyers: int, factor: float) -> Said:
    high, low = pair[0][1], pair[1][1]
    data = act.data
    return Said(
        severity=RULE.severity,
        about=About("asset", data.asset),
        party=data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"Of {many(buyers, 'buyer')} of {data.product} on equal terms in {day_of(act.time):%Y-%m}, one pays"
            f" {high.data.amount} and another {low.data.amount} {data.currency} for"
            f" {many(data.terms.uses_max, 'use')}, more than {factor} times as much."
        ),
        summary_zh=(
            f"{day_of(act.time):%Y-%m} 以同等条件购买 {data.product} 的 {buyers:,} 个买方中，"
            f"同为 {data.terms.uses_max:,} 次使用，一方支付"
            f" {high.data.amount} {data.currency}，另一方支付 {low.data.amount} {data.currency}，"
            f"相差超过 {factor} 倍。"
        ),
        evidence={
            "product": data.product,
            "month": f"{day_of(act.time):%Y-%m}",
            "factor": factor,
            "buyers": buyers,
            "contracts": [high.subject, low.subject],
            "amounts": [high.data.amount, low.data.amount],
            "uses_max": data.terms.uses_max,
            "currency": data.currency,
        },
        asset=data.asset,
    )


RULE = Rule(
    id="differential-price",
    title="Different prices for equal buyers",
    title_zh="同等条件买方价格不同",
    about="asset",
    severity="yellow",
    articles=("反垄断法 22", "深圳经济特区数据条例 69", "价格法 14"),
    parameters={
        "factor": Parameter(1.2, "how many times the lower price is still ordinary; less finds more"),
        "buyers": Parameter(5, "buyers in the month from which on prices are compared; fewer finds more"),
    },
    sum=Sum(acts=frozenset({CONTRACT_SIGNED}), scopes=scopes, judge=judge),
)

_RULES = pack()
_BUYERS = (BUYER, THIRD, OWNER, "scheme:four", "scheme:five", "scheme:six")


def _sold(at: int, amount: str = "100", time: str = "2025-02-01", uses: int | None = 10, **data: object) -> Json:
    defaults: Json = {"asset": "a", "product": "p", "buyer": _BUYERS[at], "terms": terms(uses_max=uses)}
    return signed(f"c{at}", f"{time}T0{at}:00", amount=amount, **(defaults | data))


def _differs(cause: str, *contracts: str, buyers: int = 5) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": "a"},
        "party": SELLER,
        "occurred": cause,
        "evidence": {"contracts": list(contracts), "buyers": buyers},
    }


_FOUR = [_sold(at) for at in range(4)]
_FIFTH = "2025-02-01T04:00:00+08:00"

CASES = (
    *(
        Case(name=f"the fifth pays {amount}, the others 100", rules=_RULES, events=[*_FOUR, last], fires=fires)
        for amount, last, fires in (
            ("119.999999", _sold(4, "119.999999"), []),
            ("120", _sold(4, "120"), []),
            ("120.000001", _sold(4, "120.000001"), [_differs(_FIFTH, "c4", "c0")]),
            ("83.333334", _sold(4, "83.333334"), []),
            ("83.333333", _sold(4, "83.333333"), [_differs(_FIFTH, "c0", "c4")]),
        )
    ),
    *(
        Case(name=f"{count} buyers", rules=_RULES, events=[_sold(0, "200"), *_FOUR[1:], *more], fires=fires)
        for count, more, fires in (
            (4, [], []),
            (5, [_sold(4)], [_differs(_FIFTH, "c0", "c1")]),
            (6, [_sold(4), _sold(5)], [_differs(_FIFTH, "c0", "c1")]),
        )
    ),
    Case(
        name="the same buyer twice is one",
        rules=_RULES,
        events=[*_FOUR, _sold(4, "200", buyer=BUYER)],
    ),
    Case(
        name="of a buyer's contracts of one price the earlier is named",
        rules=_RULES,
        events=[
            _sold(0, "90"),
            _sold(1, "90", buyer=_BUYERS[0]),
            *(_sold(at) for at in (2, 3, 4)),
            _sold(5, "200"),
        ],
        fires=[_differs("2025-02-01T05:00:00+08:00", "c5", "c0")],
    ),
    Case(
        name="two prices of one buyer are no difference between two",
        rules=_RULES,
        events=[*(_sold(at, "110") for at in range(4)), _sold(4, "100"), _sold(5, "125", buyer=_BUYERS[4])],
    ),
    Case(
        name="dates and recipients do not make terms unequal",
        rules=_RULES,
        events=[
            *_FOUR,
            _sold(4, "200", terms=terms(uses_max=10, valid_from="2025-03-01", recipients=["scheme:five"])),
        ],
        fires=[_differs(_FIFTH, "c4", "c0")],
    ),
    *(
        Case(name=f"a fifth buyer {name}", rules=_RULES, events=[*_FOUR, last])
        for name, last in (
            ("for another purpose", _sold(4, "200", terms=terms(uses_max=10, purposes=["research"]))),
            ("of more uses", _sold(4, "200", uses=20)),
            ("without a number of uses", _sold(4, "200", uses=None)),
            ("of another product", _sold(4, "200", product="q")),
            ("in another currency", _sold(4, "200", currency="EUR")),
            ("in the next month, in Beijing", _sold(4, "200", time="2025-03-01")),
            ("in the next month, by a signature of this one", _sold(4, "200", time="2025-03-01", signed="2025-02-01")),
            ("whose contract was taken back", retracted(_sold(4, "200"), "2025-02-02")),
        )
    ),
    Case(
        name="the contract's time counts, and not when it says that it was signed",
        rules=_RULES,
        events=[*_FOUR, _sold(4, "200", signed="2025-01-31")],
        fires=[_differs(_FIFTH, "c4", "c0")],
    ),
    Case(
        name="the order of arrival does not matter",
        rules=_RULES,
        events=[_sold(4, "200"), _sold(5), *_FOUR],
        fires=[_differs(_FIFTH, "c4", "c0")],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"differential-price": {"factor": 2, "buyers": 2}}),
        events=[_sold(0), _sold(1, "201")],
        fires=[_differs("2025-02-01T01:00:00+08:00", "c1", "c0", buyers=2)],
    ),
)
