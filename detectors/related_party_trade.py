"""Buyer and seller are one, or have a controller in common.

Why it matters: a trade with oneself makes turnover, prices and subsidies out of nothing (Anti-Unfair Competition Law
9; Beijing's opinion of 2023-06-20, article 23, on support for real trade).

False positives: groups that trade inside for good reasons, and say so. One such trade is yellow; from the third of a
pair in twelve months on it is orange.

What to do: ask for the price's basis and for proof that the data were delivered and used.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from circulation.calendar import months_later
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, pack, party, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key
from circulation.licences import TERMS_TYPES
from circulation.rules import Parameter, Rule, Sum
from circulation.sales import sells
from circulation.words import many


def common_controller(act: Act, facts: Facts) -> str | None:
    """Who stands above both, or is one of them: of several the nearest to the seller; None for strangers."""
    above = facts.chain(act.data.buyer, act.time)
    return next((controller for controller in facts.chain(act.data.seller, act.time) if controller in above), None)


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The pair of parties, whoever of them sells; none for strangers, who may trade as often as they like."""
    if common_controller(act, facts) is not None and sells(act, facts):
        yield join_key(*sorted((act.data.seller, act.data.buyer)))


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the related trades of a pair; each counts those of the months before it."""
    findings: list[Said] = []
    for at, act in enumerate(acts):
        seller, buyer, common = act.data.seller, act.data.buyer, common_controller(act, facts)
        settings = facts.parameters(act.time)
        months, repeated = settings["months"], settings["repeated"]
        since = months_later(act.time, -months)
        count = at + 1 - bisect_left(acts, since, hi=at + 1, key=lambda trade: trade.time)
        findings.append(
            Said(
                severity="orange" if count >= repeated else "yellow",
                about=About("contract", act.subject),
                party=seller,
                occurred=act.time,
                cause=act.cause,
                summary=(
                    f"{seller} sold to {buyer}: "
                    + ("they are one" if seller == buyer else f"{common} stands above both, or is one of them")
                    + f"; {many(count, 'such trade')} of the two within {many(months, 'month')}."
                ),
                summary_zh=(
                    f"{seller} 向 {buyer} 出售："
                    + ("买卖双方为同一主体" if seller == buyer else f"{common} 控制双方或为其中一方")
                    + f"；{months} 个月内双方此类交易共 {count:,} 笔。"
                ),
                evidence={
                    "seller": seller,
                    "buyer": buyer,
                    "controller": common,
                    "trades": count,
                    "months": months,
                },
                asset=act.data.asset,
            )
        )
    return findings


RULE = Rule(
    id="related-party-trade",
    title="A trade with oneself",
    title_zh="关联交易",
    about="contract",
    severity="yellow",
    articles=("反不正当竞争法 9", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23"),
    parameters={
        "months": Parameter(12, "calendar months over which trades of a pair count: more of them find more repeats"),
        "repeated": Parameter(3, "the trade of a pair within them from which on it is orange"),
    },
    sum=Sum(acts=frozenset(TERMS_TYPES), scopes=scopes, judge=judge, needs=frozenset({"contract", "controllers"})),
)


def _related(contract: str, count: int = 1, controller: str = OWNER) -> Json:
    return {
        "severity": "orange" if count >= 3 else "yellow",
        "about": {"kind": "contract", "id": contract},
        "party": SELLER,
        "evidence": {"controller": controller, "trades": count},
    }


_RULES = pack()
_SELLER, _BUYER = party(SELLER, controller=OWNER), party(BUYER, controller=OWNER)
_TRADES = [signed(f"c{at}", f"2025-0{at}-01") for at in (1, 2, 3)]

CASES = (
    Case(name="strangers", rules=_RULES, events=[party(SELLER), party(BUYER), signed("c", "2025-01-02")]),
    Case(name="parties of which nothing is known", rules=_RULES, events=[signed("c", "2025-01-02")]),
    Case(
        name="with oneself",
        rules=_RULES,
        events=[signed("c", "2025-01-02", buyer=SELLER)],
        fires=[_related("c", controller=SELLER)],
    ),
    Case(
        name="one controller",
        rules=_RULES,
        events=[_SELLER, _BUYER, signed("c", "2025-01-02")],
        fires=[_related("c")],
    ),
    Case(
        name="the buyer controls the seller",
        rules=_RULES,
        events=[party(SELLER, controller=BUYER), signed("c", "2025-01-02")],
        fires=[_related("c", controller=BUYER)],
    ),
    Case(
        name="a controller two steps up, stated late",
        rules=_RULES,
        events=[
            party(SELLER, controller=THIRD),
            _BUYER,
            signed("c", "2025-01-02"),
            party(THIRD, "2025-02-01", controller=OWNER),
        ],
        fires=[_related("c")],
    ),
    Case(
        name="circles of control end",
        rules=_RULES,
        events=[party(SELLER, controller=THIRD), party(THIRD, controller=SELLER), signed("c", "2025-01-02")],
    ),
    Case(
        name="a controller that came later",
        rules=_RULES,
        events=[party(SELLER), _BUYER, signed("c", "2025-01-02"), party(SELLER, "2025-01-03", controller=OWNER)],
    ),
    Case(
        name="from the third on it is orange, whoever sells",
        rules=_RULES,
        events=[_SELLER, _BUYER, *_TRADES[:2], signed("c3", "2025-03-01", seller=BUYER, buyer=SELLER)],
        fires=[_related("c1"), _related("c2", 2), _related("c3", 3) | {"party": BUYER}],
    ),
    *(
        Case(
            name=f"a first trade {name} ago",
            rules=_RULES,
            events=[_SELLER, _BUYER, *_TRADES[:2], signed("c9", time)],
            fires=[_related("c1"), _related("c2", 2), _related("c9", count)],
        )
        for name, time, count in (
            ("not quite twelve months", "2025-12-31T23:59:59.999999", 3),
            ("twelve months", "2026-01-01", 3),
            ("more than twelve months", "2026-01-01T00:00:00.000001", 2),
        )
    ),
    Case(
        name="a trade that was taken back does not count",
        rules=_RULES,
        events=[_SELLER, _BUYER, *_TRADES, retracted(_TRADES[0], "2025-04-01")],
        fires=[_related("c2"), _related("c3", 2)],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _SELLER,
                _BUYER,
                signed("c", "2025-01-02", **Json(before)),
                signed("c", "2025-02-01", amended=True, amount="7"),
            ],
            fires=fires,
        )
        for name, before, fires in (
            ("to a buyer of the group", {"buyer": THIRD}, [_related("c")]),
            ("to a seller of the group", {"seller": THIRD}, [_related("c")]),
            ("to another asset", {"asset": "b"}, [_related("c"), _related("c", 2)]),
            ("of the price", {}, [_related("c")]),
        )
    ),
)
