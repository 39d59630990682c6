"""A party sells data of so many persons outside an exchange that it is a crime.

Why it matters: from certain numbers on, the sale of personal information is a case for the police: 50 items of tracks,
communications, credit or property, 500 of lodging, calls, health or transactions, 5,000 of any other kind, and parts of
these numbers add up; or from proceeds of 5,000 yuan on. Half of each is enough where the data was obtained in a duty or
a service (Interpretation of the two supreme organs on crimes against personal information, 2017, article 5).

False positives: sales with the consent of all persons; contracts that were filed and reported with a wrong channel.

What to do: have the case looked at, and refer it to the police where no consent is shown.

An item is a person of the asset, at most as many as the terms allow; sold to two buyers it counts twice (article 11).
The class is that of the asset's `category`, however it is spelled. Proceeds are the `amount` of each sale of items, or
of nobody knows how many, in the currency of the limit: other currencies are never added. No member of an event says how
data was obtained, so one of the asset's tags does (`in_service_tags`); each sale counts as a part of its own limit,
half or whole, and parts of items add up, and parts of proceeds. An amendment adds what it makes of the contract beyond
what it sold before: another asset or another buyer, or more items or a higher amount of the same. Said once a
party, at the sale that first reaches either.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from circulation.events.names import CONTRACT_SIGNED
from circulation.examples import SELLER, THIRD, Case, Json, asset, pack, retracted, signed, terms
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.money import PLACES, millionths, written
from circulation.rules import Parameter, Parameters, Rule, Sum, over
from circulation.texts import fold
from circulation.words import listed_zh

PERSONAL = ("personal", "sensitive", "minor")
# Ten times the numbers are especially serious (article 5, second paragraph).
GRAVE = 10

_ITEMS, _TOTAL, _PROCEEDS, _PROCEEDS_TOTAL, _SAID = "items", "total", "proceeds", "proceeds-total", "said"
# The most that each contract sold so far of an asset to a buyer: items, and for how much (millionths).
_OF_CONTRACT = "of-contract"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The seller, where data of persons is sold outside an exchange."""
    if act.data.channel == "off-exchange" and facts.subject(act.data.asset, act.time).personal in PERSONAL:
        yield act.data.seller


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Adds a sale; the first at which the parts of the numbers, or of the proceeds, add up to one says so."""
    if _SAID in ledger:
        return
    parameters, data = facts.parameters(act.time), act.data
    subject = facts.subject(data.asset, act.time)
    # What is enough of what was obtained in a duty or a service is half of what else is.
    share = 2 if set(map(fold, parameters["in_service_tags"])) & set(map(fold, subject.tags)) else 1
    persons, most = subject.persons or 0, data.terms.persons_max
    persons_sold = persons if most is None else min(persons, most)
    sold = _beyond(ledger, act, persons_sold, data.asset, data.buyer)
    category = subject.category or ""
    if (_ITEMS, category) not in ledger:
        ledger.add(_ITEMS, category)
    ledger[_ITEMS, category] = ledger.get((_ITEMS, category), 0) + sold
    part = Fraction(sold * share, max(1, number(category, parameters)))
    total = ledger[_TOTAL] = ledger.get(_TOTAL, Fraction(0)) + part
    proceeds, of_limit = ledger.get(_PROCEEDS, 0), ledger.get(_PROCEEDS_TOTAL, Fraction(0))
    if data.currency == parameters["currency"] and (persons_sold or subject.persons is None):
        amount = _beyond(ledger, act, millionths(data.amount), data.asset, data.buyer, _PROCEEDS)
        proceeds = ledger[_PROCEEDS] = proceeds + amount
        limit = max(1, int(parameters["proceeds"] * 10**PLACES))
        of_limit = ledger[_PROCEEDS_TOTAL] = of_limit + Fraction(amount * share, limit)
    if total >= 1 or of_limit >= 1:
        ledger[_SAID] = True
        items = {name: ledger.get((_ITEMS, name)) for name in ledger.list(_ITEMS)}
        yield _said(scope, act, items, total, written(proceeds), of_limit, parameters["currency"])


def _beyond(ledger: Ledger, act: Act, count: int, *of: str) -> int:
    """What an act adds to the most that its contract sold so far; a signing adds all of it."""
    name = (_OF_CONTRACT, act.subject, *of)
    before = ledger.get(name, 0)
    ledger[name] = max(before, count)
    return count if act.type == CONTRACT_SIGNED else max(0, count - before)


def number(category: str, parameters: Parameters) -> int:
    """The items of a class from which on a sale is a crime."""
    classes: tuple[tuple[str, str], ...] = (("first", "first_items"), ("second", "second_items"))
    folded = fold(category)
    named = (items for class_, items in classes if folded in map(fold, parameters[f"{class_}_categories"]))
    return int(parameters[next(named, "other_items")])


def _said(
    party: str, act: Act, items: dict[str, int], total: Fraction, proceeds: str, of_limit: Fraction, currency: str
) -> Said:
    listed = ", ".join(f"{count:,} of {category or 'no category'}" for category, count in sorted(items.items()))
    each_zh = [f"{category or '未分类'} {count:,} 条" for category, count in sorted(items.items())]
    return Said(
        severity=RULE.severity,
        about=About("party", party),
        party=party,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"Sold outside an exchange: {listed}, for {proceeds} {currency}; in parts of the numbers of the law"
            f" {float(total):.4g}, of its proceeds {float(of_limit):.4g}."
        ),
        summary_zh=(
            f"场外出售：{listed_zh(each_zh)}，所得 {proceeds} {currency}；"
            f"按法定数量折算比例合计 {float(total):.4g}，按所得数额 {float(of_limit):.4g}。"
        ),
        evidence={
            "items": dict(sorted(items.items())),
            "sum": f"{total.numerator}/{total.denominator}",
            "proceeds": proceeds,
            "currency": currency,
            "proceeds_sum": f"{of_limit.numerator}/{of_limit.denominator}",
            "especially_serious": max(total, of_limit) >= GRAVE,
            "referral": "行刑衔接",
        },
        asset=act.data.asset,
    )


RULE = Rule(
    id="black-market",
    title="Sales of personal data that are a crime",
    title_zh="出售个人信息涉嫌犯罪",
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
        "first_items": Parameter(
            50, "items of the first class that are a crime by themselves; fewer finds more", at_most="second_items"
        ),
        "second_items": Parameter(500, "the same for the second class", at_most="other_items"),
        "other_items": Parameter(5_000, "the same for all other categories"),
        "proceeds": Parameter(5_000, "proceeds of such sales that are a crime by themselves; less finds more"),
        "currency": Parameter("CNY", "currency of the proceeds; what was sold in others is not added"),
        "in_service_tags": Parameter(
            ["obtained-in-duty", "obtained-in-service"],
            "tags of data obtained in a duty or a service, of which half of each limit is enough; more finds more",
        ),
    },
    sum=Sum(acts=frozenset(TERMS_TYPES), scopes=scopes, judge=over(step), step=step, needs=frozenset({"asset"})),
)

_RULES, _DAY = pack(), "2025-02-01"


def _people(
    asset_: str, persons: int | None, category: str = "traffic", personal: str = "personal", **data: Any
) -> Json:
    return asset(asset_, persons=persons, category=category, personal=personal, **data)


def _sold(asset_: str, contract: str = "c", time: str = _DAY, **data: Any) -> Json:
    return signed(contract, time, asset=asset_, **({"channel": "off-exchange", "amount": "1"} | data))


def _crime(sum_: str, grave: bool = False, **more: object) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"sum": sum_, "especially_serious": grave},
        **more,
    }


_SERVICE, _FREE = "obtained-in-service", terms()


def _gained(proceeds: str, part: str, grave: bool = False, **more: object) -> Json:
    evidence = {"proceeds": proceeds, "proceeds_sum": part, "especially_serious": grave}
    return {"severity": "red", "party": SELLER, "evidence": evidence, **more}


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
    *(
        Case(
            name=f"sold for {amount} {currency}, {name}",
            rules=_RULES,
            events=[_people("a", persons, tags=tags), _sold("a", amount=amount, currency=currency, terms=held)],
            fires=fires,
        )
        for amount, currency, name, persons, tags, held, fires in (
            ("4999.999999", "CNY", "just less", 1, [], _FREE, []),
            ("5000", "CNY", "the limit", 1, [], _FREE, [_gained("5000", "1/1")]),
            ("5000.000001", "CNY", "just more", 1, [], _FREE, [_gained("5000.000001", "5000000001/5000000000")]),
            ("5000", "USD", "in no yuan", 1, [], _FREE, []),
            ("5000", "CNY", "data of nobody knows how many", None, [], _FREE, [_gained("5000", "1/1")]),
            ("5000", "CNY", "of which the terms allow none", 9, [], terms(persons_max=0), []),
            ("5000", "CNY", "data of none", 0, [], _FREE, []),
            ("49999.99", "CNY", "nearly ten times", 1, [], _FREE, [_gained("49999.99", "4999999/500000")]),
            ("50000", "CNY", "ten times", 1, [], _FREE, [_gained("50000", "10/1", True)]),
            ("2499.999999", "CNY", "in a service, just less", 1, [_SERVICE], _FREE, []),
            ("2500", "CNY", "in a service, half", 1, [_SERVICE], _FREE, [_gained("2500", "1/1")]),
            ("2500", "CNY", "in a duty, half", 1, ["Obtained-in-Duty"], _FREE, [_gained("2500", "1/1")]),
            ("2500", "CNY", "with another tag", 1, ["obtained"], _FREE, []),
        )
    ),
    *(
        Case(
            name=f"{count:,} items of {category}, obtained in a service",
            rules=_RULES,
            events=[_people("a", count, category, tags=[_SERVICE]), _sold("a")],
            fires=[_crime(sum_)] if sum_ else [],
        )
        for category, count, sum_ in (
            ("tracks", 24, ""),
            ("tracks", 25, "1/1"),
            ("tracks", 26, "26/25"),
            ("health", 249, ""),
            ("health", 250, "1/1"),
            ("traffic", 2_499, ""),
            ("traffic", 2_500, "1/1"),
            ("traffic", 2_501, "2501/2500"),
        )
    ),
    *(
        Case(
            name=f"a quarter of half the items, and {count} of 50",
            rules=_RULES,
            events=[
                _people("a", 6, "tracks", tags=[_SERVICE]),
                _people("b", count, "tracks"),
                _sold("a"),
                _sold("b", "c2", "2025-02-02"),
            ],
            fires=fires,
        )
        for count, fires in ((37, []), (38, [_crime("1/1")]))
    ),
    *(
        Case(
            name=f"proceeds of several sales, the last for {amount}",
            rules=_RULES,
            events=[
                _people("a", 1),
                _people("b", 1, tags=[_SERVICE]),
                _sold("a", amount="2000"),
                _sold("b", "c2", "2025-02-02", amount="1000"),
                _sold("a", "c3", "2025-02-03", amount=amount, id="last"),
            ],
            fires=fires,
        )
        for amount, fires in (
            ("999.999999", []),
            ("1000", [_gained("4000", "1/1", cause={"source": "//exchange.example", "id": "last"})]),
        )
    ),
    Case(
        name="parts of the items and parts of the proceeds do not add up",
        rules=_RULES,
        events=[_people("a", 49, "tracks"), _sold("a", amount="4999")],
    ),
    Case(
        name="other proceeds of the pack",
        rules=pack(detectors={"black-market": {"proceeds": 10, "currency": "USD", "in_service_tags": ["mine"]}}),
        events=[_people("a", 1, tags=["mine"]), _sold("a", amount="5", currency="USD")],
        fires=[_gained("5", "1/1")],
    ),
    *(
        Case(
            name=f"the category {category!r} of the asset, and {named!r} of the pack",
            rules=pack(detectors={"black-market": {"first_categories": [named]}}),
            events=[_people("a", 50, category), _sold("a")],
            fires=fires,
        )
        for category, named, fires in (
            ("Tracks ", "tracks", [_crime("1/1")]),
            ("tr\u00adacks", "Tracks", [_crime("1/1")]),
            ("tracks of old", "tracks", []),
        )
    ),
    Case(
        name="other classes of the pack",
        rules=pack(detectors={"black-market": {"first_categories": ["traffic"], "first_items": 10}}),
        events=[_people("a", 10), _sold("a")],
        fires=[_crime("1/1")],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _people("a", 40, "tracks"),
                _people("b", 10, "tracks"),
                _people("general", None, personal="none"),
                _sold("a", **before),
                _sold(time="2025-02-02", amended=True, **{"asset_": "a"} | after),
            ],
            fires=fires,
        )
        for name, before, after, fires in (
            ("to another asset", {}, {"asset_": "b"}, [_crime("1/1", occurred="2025-02-02T00:00:00+08:00")]),
            ("to another buyer", {}, {"buyer": THIRD}, [_crime("8/5")]),
            ("of the same", {"terms": terms(persons_max=9)}, {}, []),
            ("to more of it", {"terms": terms(persons_max=9)}, {"terms": terms(persons_max=40)}, []),
            ("to a higher amount", {}, {"amount": "4999.999999"}, []),
            (
                "to another buyer for as much",
                {"amount": "2500", "terms": terms(persons_max=1)},
                {"amount": "2500", "terms": terms(persons_max=1), "buyer": THIRD},
                [_gained("5000", "1/1")],
            ),
            ("to an amount that is enough", {}, {"amount": "5000"}, [_gained("5000", "1/1")]),
            ("off the exchange", {"channel": "filed"}, {"amount": "5000"}, [_gained("5000", "1/1")]),
            ("to another seller", {}, {"seller": THIRD, "amount": "5000"}, [_gained("5000", "1/1", party=THIRD)]),
        )
    ),
    Case(
        name="an amendment adds what is beyond the most that was sold before, a signing all",
        rules=_RULES,
        events=[
            _people("a", 40, "tracks"),
            _sold("a", amount="3000"),
            _sold("a", time="2025-02-02", amended=True, amount="1000", terms=terms(persons_max=5)),
            _sold("a", time="2025-02-03", amended=True, amount="4000"),
            _sold("a", "d", "2025-02-04", amount="999.999999", terms=terms(persons_max=9)),
        ],
    ),
    Case(
        name="a contract that is signed twice sold twice",
        rules=_RULES,
        events=[_people("a", 40, "tracks"), _sold("a"), _sold("a", time="2025-02-02", id="again")],
        fires=[_crime("8/5")],
    ),
)
