"""Two parties sell to each other for about the same price within days.

Why it matters: money that comes back is no turnover; such pairs pump indices and fetch rewards for trade (Anti-Unfair
Competition Law, article 9; Beijing's opinion of 2023-06-20, article 23).

False positives: an honest exchange of data for data between two who both need it.

What to do: ask for proof that both deliveries were made and used, and pay no reward until then.

Where other parties of the same two groups answer the sale, it is yellow, about the smaller of the ultimate controllers
that each sale had at its time; a sale that both kinds answer is said of the parties.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any, Final

from circulation.calendar import days
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, pack, party, retracted, signed
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said, Severity
from circulation.keys import join_key
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.money import exact, millionths
from circulation.rules import Parameter, Rule, Sum, over
from circulation.sales import sells
from circulation.words import many

# For so long a sale waits for one the other way, whoever controls its parties by then.
DAYS_MAX: Final = 366
# What each party sold to each, and each group to each.
_PARTIES, _GROUPS = "parties", "groups"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The pair of ultimate controllers, whoever of them sells, in one currency: all that they may come to have while
    a sale the other way may come, since of the parties themselves it counts under any of them."""
    seller, buyer = act.data.seller, act.data.buyer
    if seller != buyer and sells(act, facts, "amount", "currency"):
        until = act.time + days(DAYS_MAX)
        pairs = product(facts.heads_between(seller, act.time, until), facts.heads_between(buyer, act.time, until))
        yield from dict.fromkeys(join_key(*sorted(pair), act.data.currency) for pair in pairs)


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Looks back from a sale for the nearest one the other way within the days and about the amount: of the same two
    parties, else of the same two ultimate controllers."""
    seller, buyer = act.data.seller, act.data.buyer
    heads = facts.topmost(seller, act.time), facts.topmost(buyer, act.time)
    # A source may use one id on two contracts, of one instant too: then they go by their subjects.
    place = (*order(act), act.subject)
    # Sales of other controllers are here for what the same parties sell later.
    if join_key(*sorted(heads), act.data.currency) == scope:
        back = _answered(ledger, (_PARTIES, buyer, seller), act, facts)
        if back is not None:
            yield _said(act, back, "orange", (seller, buyer), facts)
        elif heads[0] != heads[1]:
            back = _answered(ledger, (_GROUPS, heads[1], heads[0]), act, facts)
            if back is not None:
                yield _said(act, back, "yellow", heads, facts)
        ledger.add((_GROUPS, *heads), (place, act))
    ledger.add((_PARTIES, seller, buyer), (place, act))


def _answered(ledger: Ledger, sold: tuple[str, str, str], act: Act, facts: Facts) -> Act | None:
    """The latest of these sales within the days that is about as much."""
    parameters = facts.parameters(act.time)
    since = act.time - days(parameters["days"])
    for _, sale in reversed(ledger.list(sold)):
        if sale.time < since:
            return None
        # What one contract says later takes the place of what it said, and is no answer to it.
        if sale.subject != act.subject and _alike(act, sale, parameters["percent"]):
            answer: Act = sale
            return answer
    return None


def _said(act: Act, back: Act, severity: Severity, parties: tuple[str, str], facts: Facts) -> Said:
    seller, buyer = parties
    smaller = min(parties)
    groups = severity != RULE.severity
    within_days = facts.parameters(act.time)["days"]
    return Said(
        severity=severity,
        about=About("party", smaller),
        party=smaller,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{'The group of ' if groups else ''}{seller} sold to {'that of ' if groups else ''}{buyer} for"
            f" {act.data.amount} {act.data.currency}, and had bought from it for {back.data.amount} within"
            f" {many(within_days, 'day')}."
        ),
        summary_zh=(
            f"{seller} {'所在集团' if groups else ''}以 {act.data.amount} {act.data.currency} 向 {buyer}"
            f" {'所在集团' if groups else ''}出售，而在 {within_days:,} 天内曾以 {back.data.amount} 从其购买。"
        ),
        evidence={
            "contracts": [back.subject, act.subject],
            "amounts": [back.data.amount, act.data.amount],
            "currency": act.data.currency,
            "parties": [seller, buyer],
            "days": within_days,
        },
        asset=act.data.asset,
    )


def _alike(act: Act, earlier: Act, percent: float) -> bool:
    """Whether an amount is within so many percent of the earlier one."""
    amount, before = millionths(act.data.amount), millionths(earlier.data.amount)
    return abs(amount - before) * 100 <= before * exact(percent)


RULE = Rule(
    id="reciprocal-trade",
    title="Sold there and back",
    title_zh="相互对敲交易",
    about="party",
    severity="orange",
    articles=("反不正当竞争法 9", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23"),
    parameters={
        "days": Parameter(
            30, "days within which a sale is answered by one the other way; more of them find more", most=DAYS_MAX
        ),
        "percent": Parameter(10, "what the amounts may differ by, of the earlier one; more finds more"),
    },
    sum=Sum(
        acts=frozenset(TERMS_TYPES),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"contract", "controllers"}),
    ),
)


def _there(time: str = "2025-02-01", **data: Any) -> Json:
    return signed("there", time, amount="1000", **data)


def _back(amount: str = "1000", time: str = "2025-02-10", **data: Any) -> Json:
    return signed("back", time, amount=amount, **({"seller": BUYER, "buyer": SELLER} | data))


_FINDING: Json = {
    "severity": "orange",
    "about": {"kind": "party", "id": min(BUYER, SELLER)},
    "party": min(BUYER, SELLER),
    "evidence": {"contracts": ["there", "back"]},
}
_RULES = pack()
_GROUP = [
    *(party(member, controller="x:a") for member in (SELLER, THIRD)),
    *(party(member, controller="x:b") for member in (BUYER, OWNER)),
]
_GROUPS_FOUND: Json = {
    "severity": "yellow",
    "about": {"kind": "party", "id": "x:a"},
    "party": "x:a",
    "evidence": {"contracts": ["there", "back"], "parties": ["x:b", "x:a"]},
}

CASES = (
    *(
        Case(name=f"1000 there and {amount} back", rules=_RULES, events=[_there(), _back(amount)], fires=fires)
        for amount, fires in (
            ("899.999999", []),
            ("900", [_FINDING]),
            ("900.000001", [_FINDING]),
            ("1099.999999", [_FINDING]),
            ("1100", [_FINDING]),
            ("1100.000001", []),
        )
    ),
    *(
        Case(name=f"back {name} 30 days later", rules=_RULES, events=[_there(), _back(time=time)], fires=fires)
        for name, time, fires in (
            ("less than", "2025-03-02T23:59:59.999999", [_FINDING]),
            ("exactly", "2025-03-03", [_FINDING]),
            ("more than", "2025-03-03T00:00:00.000001", []),
        )
    ),
    Case(
        name="one id on two contracts of one instant",
        rules=_RULES,
        events=[_there(id="1"), signed("there too", "2025-02-01", amount="5000", id="1"), _back()],
        fires=[_FINDING],
    ),
    Case(name="the same way twice", rules=_RULES, events=[_there(), _back(seller=SELLER, buyer=BUYER)]),
    Case(name="back to another one", rules=_RULES, events=[_there(), _back(buyer=THIRD)]),
    Case(name="another currency", rules=_RULES, events=[_there(), _back(currency="EUR")]),
    Case(name="with oneself is another rule's", rules=_RULES, events=[_there(buyer=SELLER), _back(buyer=BUYER)]),
    Case(name="the order of arrival does not matter", rules=_RULES, events=[_back(), _there()], fires=[_FINDING]),
    Case(
        name="a sale that was taken back",
        rules=_RULES,
        events=[_there(), retracted(_there(), "2025-02-02"), _back()],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"reciprocal-trade": {"days": 5, "percent": 50}}),
        events=[_there(), _back("500", "2025-02-06")],
        fires=[_FINDING],
    ),
    *(
        Case(name=f"back between groups: {name}", rules=_RULES, events=[*_GROUP, _there(), _back(**data)], fires=fires)
        for name, data, fires in (
            (
                "a sister of the buyer sells to a sister of the seller",
                {"seller": OWNER, "buyer": THIRD},
                [_GROUPS_FOUND],
            ),
            ("the buyer to a sister of the seller", {"buyer": THIRD}, [_GROUPS_FOUND]),
            ("the buyer's controller to the seller's", {"seller": "x:b", "buyer": "x:a"}, [_GROUPS_FOUND]),
            ("a sister of the seller to the buyer", {"seller": THIRD, "buyer": BUYER}, []),
            ("to a stranger", {"buyer": "x:s"}, []),
            ("the parties themselves", {}, [_FINDING]),
            ("too little", {"amount": "899.999999", "seller": OWNER, "buyer": THIRD}, []),
            ("too late", {"time": "2025-03-03T00:00:00.000001", "seller": OWNER, "buyer": THIRD}, []),
        )
    ),
    Case(
        name="the parties themselves, and their sisters",
        rules=_RULES,
        events=[*_GROUP, _there(), signed("sisters", "2025-02-05", amount="1000", seller=THIRD, buyer=OWNER), _back()],
        fires=[_FINDING],
    ),
    Case(
        name="within one group only the parties themselves",
        rules=_RULES,
        events=[
            *(party(member, controller="x:top") for member in (SELLER, BUYER, THIRD)),
            _there(),
            signed("other", "2025-02-05", amount="1000", seller=BUYER, buyer=THIRD),
            _back(),
        ],
        fires=[_FINDING],
    ),
    Case(
        name="the parties themselves, under another controller by then",
        rules=_RULES,
        events=[
            *_GROUP,
            _there(),
            signed("sisters", "2025-02-06", amount="1000", seller=THIRD, buyer="x:b"),
            party(BUYER, "2025-02-05", controller="x:c"),
            party("x:b", "2025-02-05", controller="x:c"),
            _back(),
        ],
        fires=[_FINDING],
    ),
    Case(
        name="a sister that had another controller at its sale",
        rules=_RULES,
        events=[*_GROUP, party(THIRD, "2025-02-05"), _there(), _back(buyer=THIRD)],
    ),
    Case(
        name="a controller that is stated late",
        rules=_RULES,
        events=[_there(), _back(seller=OWNER, buyer=THIRD), *_GROUP],
        fires=[_GROUPS_FOUND],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _there(time="2025-01-20", id="there"),
                _back(**{"amount": "1000", "time": "2025-01-25", "id": "back"} | before),
                _back(amended=True),
            ],
            fires=fires,
        )
        for name, before, fires in (
            ("to about the same price", {"amount": "1"}, [_FINDING | {"occurred": "2025-02-10T00:00:00+08:00"}]),
            ("to the other way", {"seller": THIRD}, [_FINDING | {"occurred": "2025-02-10T00:00:00+08:00"}]),
            ("into the same currency", {"currency": "USD"}, [_FINDING | {"occurred": "2025-02-10T00:00:00+08:00"}]),
            ("of nothing of it", {}, [_FINDING | {"occurred": "2025-01-25T00:00:00+08:00"}]),
        )
    ),
    Case(
        name="a contract that is amended to the other way does not answer itself",
        rules=_RULES,
        events=[_there(), _there("2025-02-10", amended=True, seller=BUYER, buyer=SELLER)],
    ),
    Case(
        name="an answer behind what the contract itself said meanwhile",
        rules=_RULES,
        events=[
            _there(),
            signed("back", "2025-02-05", amount="1000"),
            _back(amended=True),
        ],
        fires=[_FINDING],
    ),
)
