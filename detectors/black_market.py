"""A party sells data of so many persons outside an exchange that it is a crime.

Why it matters: from certain numbers on, the sale of personal information is a case for the police: 50 items of tracks,
communications, credit or property, 500 of lodging, calls, health or transactions, 5,000 of any other kind, and parts of
these numbers add up (Interpretation of the two supreme organs on crimes against personal information, 2017, article 5).

False positives: sales with the consent of all persons; contracts that were filed and reported with a wrong channel.

What to do: have the case looked at, and refer it to the police where no consent is shown.

An item is a person of the asset, at most as many as the terms allow; sold to two buyers it counts twice (article 11).
The class is that of the asset's `category`. Said once a party, at the sale that first reaches the sum.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from circulation.cases import SELLER, THIRD, Case, Json, asset, pack, retracted, signed, terms
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Parameter, Parameters, Rule, Sum

SIGNED = "circulation.contract.signed"
PERSONAL = ("personal", "sensitive", "minor")
# Ten times the numbers are especially serious (article 5, second paragraph).
GRAVE = 10


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The seller, where data of persons is sold outside an exchange."""
    if act.data.channel == "off-exchange" and facts.subject(act.data.asset, act.time).personal in PERSONAL:
        yield act.data.seller


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the sales to the first at which the parts of the numbers add up to one."""
    total = Fraction(0)
    items: dict[str, int] = {}
    for act in acts:
        subject = facts.subject(act.data.asset, act.time)
        persons, most = subject.persons or 0, act.data.terms.persons_max
        sold = persons if most is None else min(persons, most)
        parameters = facts.parameters(act.time)
        category = subject.category or ""
        items[category] = items.get(category, 0) + sold
        total += Fraction(sold, max(1, number(category, parameters)))
        if total >= 1:
            return [_said(scope, act, total, items)]
    return []


def number(category: str, parameters: Parameters) -> int:
    """The items of a class from which on a sale is a crime."""
    classes: tuple[tuple[str, str], ...] = (("first", "first_items"), ("second", "second_items"))
    named = next((items for class_, items in classes if category in parameters[f"{class_}_categories"]), "other_items")
    return int(parameters[named])


def _said(party: str, act: Act, total: Fraction, items: dict[str, int]) -> Said:
    listed = ", ".join(f"{count:,} of {category or 'no category'}" for category, count in sorted(items.items()))
    return Said(
        severity=RULE.severity,
        about=About("party", party),
        party=party,
        occurred=act.time,
        cause=act.cause,
        summary=f"Sold outside an exchange: {listed}; in parts of the numbers of the law {float(total):.4g}.",
        evidence={
            "items": dict(sorted(items.items())),
            "sum": f"{total.numerator}/{total.denominator}",
            "especially_serious": total >= GRAVE,
            "referral": "行刑衔接",
        },
        asset=act.data.asset,
    )


RULE = Rule(
    id="black-market",
    title="Sales of personal data that are a crime",
    about="party",
    severity="red",
    articles=("最高人民法院、最高人民检察院关于办理侵犯公民个人信息刑事案件适用法律若干问题的解释 5",),
    parameters={
        "first_categories": Parameter(
            ["tracks", "communications", "credit", "property"], "categories of the first class; more finds more"
        ),
        "second_categories": Parameter(
            ["lodging", "calls", "health", "transactions"], "categories of the second class; more finds more"
        ),
        "first_items": Parameter(50, "items of the first class that are a crime by themselves; fewer finds more"),
        "second_items": Parameter(500, "the same for the second class"),
        "other_items": Parameter(5_000, "the same for all other categories"),
    },
    sum=Sum(acts=frozenset({SIGNED}), scopes=scopes, judge=judge, needs=frozenset({"asset"})),
)

_RULES, _DAY = pack(), "2025-02-01"


def _people(asset_: str, persons: int, category: str = "traffic", personal: str = "personal") -> Json:
    return asset(asset_, persons=persons, category=category, personal=personal)


def _sold(asset_: str, contract: str = "c", time: str = _DAY, **data: Any) -> Json:
    return signed(contract, time, asset=asset_, **({"channel": "off-exchange"} | data))


def _crime(sum_: str, grave: bool = False, **more: object) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"sum": sum_, "especially_serious": grave},
        **more,
    }


CASES = (
    *(
        Case(
            name=f"{count:,} items of {category}",
            rules=_RULES,
            events=[_people("a", count, category), _sold("a")],
            fires=[_crime(sum_)] if sum_ else [],
        )
        for category, count, sum_ in (
            ("tracks", 49, ""),
            ("tracks", 50, "1/1"),
            ("tracks", 51, "51/50"),
            ("health", 499, ""),
            ("health", 500, "1/1"),
            ("health", 501, "501/500"),
            ("traffic", 4_999, ""),
            ("traffic", 5_000, "1/1"),
            ("traffic", 5_001, "5001/5000"),
        )
    ),
    *(
        Case(
            name=f"25 of tracks, 125 of health, {count:,} of another kind",
            rules=_RULES,
            events=[
                _people("a", 25, "tracks"),
                _people("b", 125, "health"),
                _people("d", count),
                _sold("a"),
                _sold("b", "c2", "2025-02-02"),
                _sold("d", "c3", "2025-02-03", id="last"),
            ],
            fires=fires,
        )
        for count, fires in (
            (1_249, []),
            (1_250, [_crime("1/1", cause={"source": "//exchange.example", "id": "last"})]),
            (1_251, [_crime("5001/5000")]),
        )
    ),
    *(
        Case(name=f"ten times, {count}", rules=_RULES, events=[_people("a", count, "tracks"), _sold("a")], fires=fires)
        for count, fires in ((499, [_crime("499/50")]), (500, [_crime("10/1", True)]))
    ),
    Case(
        name="the same items sold to two count twice, and it is said once",
        rules=_RULES,
        events=[
            _people("a", 25, "tracks"),
            _sold("a"),
            _sold("a", "c2", "2025-02-02", buyer=THIRD),
            _sold("a", "c3", "2025-02-03"),
        ],
        fires=[_crime("1/1", occurred="2025-02-02T00:00:00+08:00")],
    ),
    Case(
        name="no more than the terms allow",
        rules=_RULES,
        events=[_people("a", 50, "tracks"), _sold("a", terms=terms(persons_max=49))],
    ),
    Case(
        name="sellers are summed apart",
        rules=_RULES,
        events=[_people("a", 25, "tracks"), _sold("a"), _sold("a", "c2", seller=THIRD)],
    ),
    *(
        Case(
            name=f"the channel {channel}",
            rules=_RULES,
            events=[_people("a", 50, "tracks"), _sold("a", channel=channel)],
        )
        for channel in ("on-exchange", "filed")
    ),
    Case(name="data of nobody", rules=_RULES, events=[_people("a", 50, "tracks", "none"), _sold("a")]),
    Case(
        name="a sale that was taken back",
        rules=_RULES,
        events=[_people("a", 50, "tracks"), _sold("a"), retracted(_sold("a"), "2025-02-02")],
    ),
    Case(
        name="other classes of the pack",
        rules=pack(detectors={"black-market": {"first_categories": ["traffic"], "first_items": 10}}),
        events=[_people("a", 10), _sold("a")],
        fires=[_crime("1/1")],
    ),
)
