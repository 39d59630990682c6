"""Data or a model is sold without the review that it needs.

Why it matters: who provides important data to another assesses the risk first, who provides personal information
assesses the impact, and algorithms are reviewed (Regulation on Network Data Security, article 31; Personal Information
Protection Law, article 55; Beijing's opinion of 2023-06-20, article 20).

False positives: a review that was made and not reported; the finding is cleared when it arrives, if it was issued no
later than the signing.

What to do: have deliveries wait until the review that is named is there.
"""

from collections.abc import Collection, Iterator

from circulation.examples import SELLER, Case, Json, asset, event, granted, listed, pack, signed, terms
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.packs.entry import Subject
from circulation.rules import Check, Rule
from circulation.sales import sells
from circulation.words import GRANT, listed_zh, zh


def needed(subject: Subject, modes: Collection[str]) -> Iterator[str]:
    """The kinds of review that a sale of data in these modes of delivery asks for."""
    if subject.level in ("important", "core"):
        yield "risk-assessment"
    if subject.personal in ("personal", "sensitive", "minor"):
        yield "impact-assessment"
    if "model" in modes:
        yield "algorithm-review"


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for a grant of each kind that is needed, held by the seller, that covers the sale."""
    data = act.data
    # Where the terms do not say how the product is delivered, its listing does.
    listing = None if data.product is None else facts.asset(data.asset).listing(data.product, act.time)
    offered = () if listing is None else listing.delivery
    modes = offered if data.terms.delivery is None else data.terms.delivery
    missing = [
        kind
        for kind in needed(facts.subject(data.asset, act.time), modes)
        if not facts.party(data.seller).covered(
            act.time,
            {kind},
            asset=data.asset,
            purposes=data.terms.purposes or (),
            countries=data.terms.countries or (),
            recipients=(data.buyer,),
        )
    ]
    if not missing or not sells(act, facts, "product", "terms.delivery", wider=True):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"{data.asset} was sold to {data.buyer} without {' and '.join(missing)}.",
            summary_zh=f"{data.asset} 出售给 {data.buyer}，缺少{listed_zh(zh(GRANT, kind) for kind in missing)}。",
            evidence={"asset": data.asset, "buyer": data.buyer, "missing": missing},
            asset=data.asset,
        )
    ]


RULE = Rule(
    id="review-missing",
    title="Sold without the review that it needs",
    title_zh="缺少应有的评估或审查",
    about="contract",
    severity="orange",
    articles=(
        "网络数据安全管理条例 31",
        "个人信息保护法 55",
        "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 20",
    ),
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract", "party"})),
)


def _missing(*kinds: str) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "evidence": {"missing": list(kinds)},
    }


_RULES, _DAY = pack(), "2025-02-01"
_SOLD = signed("c", _DAY, asset="a")
_IMPORTANT = asset("a", level="important")

CASES = (
    *(
        Case(name=f"data that is {name}", rules=_RULES, events=[asset("a", **facts), _SOLD], fires=fires)
        for name, facts, fires in (
            ("general and of nobody", {}, []),
            ("not graded", {"level": "ungraded"}, []),
            ("important", {"level": "important"}, [_missing("risk-assessment")]),
            ("core", {"level": "core"}, [_missing("risk-assessment")]),
            ("personal", {"personal": "personal"}, [_missing("impact-assessment")]),
            (
                "both",
                {"level": "important", "personal": "minor"},
                [_missing("risk-assessment", "impact-assessment")],
            ),
        )
    ),
    *(
        Case(
            name=f"a contract for {' or '.join(modes)}",
            rules=_RULES,
            events=[asset("a"), signed("c", _DAY, asset="a", terms=terms(delivery=modes))],
            fires=fires,
        )
        for modes, fires in ((["report"], []), (["report", "model"], [_missing("algorithm-review")]))
    ),
    *(
        Case(
            name=f"a product that was listed as a model {name}",
            rules=_RULES,
            events=[
                asset("a"),
                signed("c", _DAY, asset="a", product="p", terms=terms(delivery=modes)),
                listed("a", time, product="p", delivery=["model"]),
            ],
            fires=fires,
        )
        for name, time, modes, fires in (
            ("before", "2025-01-31", None, [_missing("algorithm-review")]),
            ("at the signing", _DAY, None, [_missing("algorithm-review")]),
            ("just after", "2025-02-01T00:00:00.000001", None, []),
            ("and is delivered as a report", "2025-01-31", ["report"], []),
        )
    ),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_SOLD]),
    *(
        Case(
            name=f"an assessment {name}",
            rules=_RULES,
            events=[_IMPORTANT, _SOLD, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("of the risk", "2025-01-02", "risk-assessment", {}, []),
            ("issued at the signing", _DAY, "risk-assessment", {}, []),
            ("issued just after", "2025-02-01T00:00:00.000001", "risk-assessment", {}, [_missing("risk-assessment")]),
            ("that ended", "2025-01-02", "risk-assessment", {"valid_to": _DAY}, [_missing("risk-assessment")]),
            ("of the impact", "2025-01-02", "impact-assessment", {}, [_missing("risk-assessment")]),
        )
    ),
    Case(
        name="data that became important before the signing",
        rules=_RULES,
        events=[
            asset("a"),
            event("asset.graded", "a", "2025-01-03", level="important", personal="none", reason="volume"),
            _SOLD,
        ],
        fires=[_missing("risk-assessment")],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _IMPORTANT,
                asset("b"),
                granted(SELLER, "2025-01-02", "risk-assessment", valid_to=_DAY),
                signed("c", "2025-01-20", **{"asset": "a"} | before),
                signed("c", _DAY, amended=True, **{"asset": "a"} | after),
            ],
            fires=fires,
        )
        for name, before, after, fires in (
            ("to important data", {"asset": "b"}, {}, [_missing("risk-assessment")]),
            ("of the price", {}, {"amount": "7"}, []),
            ("of the modes of delivery", {}, {"terms": terms(delivery=["api"])}, [_missing("risk-assessment")]),
            (
                "that names the same modes in another order",
                {"terms": terms(delivery=["api", "report"])},
                {"terms": terms(delivery=["report", "api"])},
                [],
            ),
            ("to another product", {"product": "p"}, {"product": "q"}, [_missing("risk-assessment")]),
            ("to no other product", {"product": "p"}, {"product": "p"}, []),
            ("to more countries", {"terms": terms(countries=["CN"])}, {}, [_missing("risk-assessment")]),
            ("to fewer countries", {}, {"terms": terms(countries=["CN"])}, []),
        )
    ),
    Case(
        name="an amendment to what is delivered as a model",
        rules=_RULES,
        events=[
            asset("a"),
            signed("c", "2025-01-20", asset="a", terms=terms(delivery=["report"])),
            signed("c", _DAY, amended=True, asset="a", terms=terms(delivery=["report", "model"])),
        ],
        fires=[_missing("algorithm-review")],
    ),
)
