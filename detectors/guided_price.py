"""A product under a guided price is offered or sold above its ceiling, or offered without one.

Why it matters: products made of public data for industry are sold under a price that the state guides; the authorising
body sets the ceiling, and who asks for more has to give it back and is fined (notice on the price formation of
authorised operation of public data, 2025; Price Law, article 39). Without a ceiling nobody can tell what is too much.

False positives: a ceiling that was raised and whose old value was reported; have the listing taken back and sent anew.

What to do: have the price lowered or the product delisted, and what was paid above the ceiling returned.
"""

from typing import Any

from circulation.events.names import PRODUCT_LISTED
from circulation.examples import SELLER, THIRD, Case, Json, asset, event, listed, pack, retracted, signed, terms
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said, Severity
from circulation.licences import TERMS_TYPES
from circulation.money import millionths
from circulation.rules import Check, Rule
from circulation.sales import sells
from circulation.words import many


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds the guided price of a listing against its ceiling, and what a contract costs while such a listing stands.

    A sale is held against all guided listings of its seller on the asset; of several that it passes the first, in the
    order of products, is told. Amounts of other currencies than the listing's are not compared.
    """
    if act.type in TERMS_TYPES:
        return _sold(act, facts)
    price = act.data.price
    if price is None or price.mode != "guided":
        return []
    evidence = {"product": act.data.product, "amount": price.amount, "currency": price.currency}
    if price.ceiling is not None:
        if millionths(price.amount) <= millionths(price.ceiling):
            return []
        summary = (
            f"{act.data.product} is offered at {price.amount} {price.currency}, above its guided ceiling of"
            f" {price.ceiling}."
        )
        summary_zh = f"{act.data.product} 报价 {price.amount} {price.currency}，高于政府指导价上限 {price.ceiling}。"
        return [_said(act, act.subject, "orange", summary, summary_zh, evidence | {"ceiling": price.ceiling})]
    registered = facts.asset(act.subject).registration(act.time)
    if registered is None or not registered.public:
        return []
    summary = f"{act.data.product} is public data, offered at a guided price of {price.amount} without a ceiling."
    summary_zh = f"{act.data.product} 是公共数据，以政府指导价 {price.amount} {price.currency} 报价而没有上限。"
    return [_said(act, act.subject, "yellow", summary, summary_zh, evidence)]


def _sold(act: Act, facts: Facts) -> list[Said]:
    data = act.data
    if not sells(act, facts, "amount", "currency", "terms.uses_max"):
        return []
    for listing in facts.asset(data.asset).offers(data.seller, act.time):
        price = listing.data.price
        if price is None or price.mode != "guided" or price.ceiling is None or price.currency != data.currency:
            continue
        uses = data.terms.uses_max if price.per == "use" else 1
        if not uses or millionths(data.amount) <= millionths(price.ceiling) * uses:
            continue
        evidence: Json = {"product": listing.data.product, "contract": act.subject, "amount": data.amount}
        evidence |= {"ceiling": price.ceiling, "currency": data.currency}
        for_uses = ""
        if price.per == "use":
            evidence["uses_max"] = uses
            for_uses = f" for {many(uses, 'use')}"
        summary = (
            f"The contract {act.subject} costs {data.amount} {data.currency}{for_uses}, above the guided ceiling of"
            f" {price.ceiling}{' a use' if for_uses else ''} of {listing.data.product}."
        )
        summary_zh = (
            f"合同 {act.subject} 价款 {data.amount} {data.currency}{f'（{uses} 次使用）' if for_uses else ''}，高于"
            f" {listing.data.product} 的政府指导价上限{'每次' if for_uses else ''} {price.ceiling}。"
        )
        return [_said(act, data.asset, "orange", summary, summary_zh, evidence)]
    return []


def _said(act: Act, asset_: str, severity: Severity, summary: str, summary_zh: str, evidence: Json) -> Said:
    return Said(
        severity=severity,
        about=About("asset", asset_),
        party=act.data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=summary,
        summary_zh=summary_zh,
        evidence=evidence,
        asset=asset_,
    )


RULE = Rule(
    id="guided-price",
    title="A guided price above its ceiling",
    title_zh="政府指导价数据超出上限",
    about="asset",
    severity="orange",
    articles=("关于建立公共数据资源授权运营价格形成机制的通知", "价格法 39"),
    check=Check(acts=frozenset({PRODUCT_LISTED, *TERMS_TYPES}), check=check, needs=frozenset({"asset", "contract"})),
)

_FINDING: Json = {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": SELLER}
_RULES, _DAY, _A = pack(), "2025-02-01", asset("a")


def _offered(amount: str, ceiling: str | None = "100.00", mode: str = "guided", **more: str) -> Json:
    price = {"mode": mode, "amount": amount} | ({} if ceiling is None else {"ceiling": ceiling}) | more
    return listed("a", _DAY, price=price)


def _bought(amount: str, time: str = "2025-03-01", **more: Any) -> Json:
    return signed("c", time, asset="a", amount=amount, **more)


def _elsewhere() -> Json:
    return signed("c", "2025-02-20", asset="b", amount="200")


_GUIDED, _PER_USE = _offered("90"), _offered("1", ceiling="2", per="use")
_DELISTED = event("product.delisted", "a", "2025-02-20", product="product-a", reason="sold out")
_PUBLIC = asset("a", public=True)


CASES = (
    *(
        Case(name=f"an offer of {amount} under a ceiling of 100", rules=_RULES, events=[_A, offer], fires=fires)
        for amount, offer, fires in (
            ("99.999999", _offered("99.999999"), []),
            ("100", _offered("100"), []),
            ("100.000001", _offered("100.000001"), [_FINDING | {"evidence": {"ceiling": "100.00"}}]),
        )
    ),
    Case(name="another mode of price", rules=_RULES, events=[_A, _offered("200", mode="negotiated")]),
    Case(name="no ceiling", rules=_RULES, events=[_A, _offered("200", ceiling=None)]),
    Case(name="no price", rules=_RULES, events=[_A, listed("a", _DAY)]),
    Case(
        name="a price beyond what a float can tell",
        rules=_RULES,
        events=[_A, _offered("999999999999999999.000001", ceiling="999999999999999999")],
        fires=[_FINDING],
    ),
    Case(
        name="a listing that was taken back",
        rules=_RULES,
        events=[_A, _offered("200"), retracted(_offered("200"), "2025-02-02")],
    ),
    *(
        Case(name=f"a sale for {amount} under a ceiling of 100", rules=_RULES, events=[_A, _GUIDED, sale], fires=fires)
        for amount, sale, fires in (
            ("100", _bought("100"), []),
            (
                "100.000001",
                _bought("100.000001"),
                [_FINDING | {"evidence": {"contract": "c", "amount": "100.000001", "ceiling": "100.00"}}],
            ),
            ("200 USD", _bought("200", currency="USD"), []),
        )
    ),
    *(
        Case(name=f"a sale {name}", rules=_RULES, events=[_A, *before, sale], fires=fires)
        for name, before, sale, fires in (
            ("before the listing", [_GUIDED], _bought("200", "2025-01-31T23:59:59.999999"), []),
            ("at the listing", [_GUIDED], _bought("200", _DAY), [_FINDING]),
            ("by another seller", [_GUIDED], _bought("200", seller=THIRD), []),
            ("after the product was delisted", [_GUIDED, _DELISTED], _bought("200"), []),
            (
                "just before it was delisted",
                [_GUIDED, _DELISTED],
                _bought("200", "2025-02-19T23:59:59.999999"),
                [_FINDING],
            ),
            ("as it was delisted", [_GUIDED, _DELISTED], _bought("200", "2025-02-20"), []),
            (
                "after the asset was withdrawn",
                [_GUIDED, event("asset.withdrawn", "a", "2025-02-20", reason="replaced")],
                _bought("200"),
                [],
            ),
            (
                "after it was listed again at another price",
                [_GUIDED, listed("a", "2025-02-20", price={"mode": "negotiated", "amount": "200"})],
                _bought("200"),
                [],
            ),
            (
                "of another product of the seller on the asset",
                [_GUIDED, listed("a", "2025-02-02", product="b")],
                _bought("200", product="b"),
                [_FINDING | {"evidence": {"product": "product-a"}}],
            ),
            ("under a listing without a ceiling", [_offered("90", ceiling=None)], _bought("200"), []),
            ("that came before its listing", [_bought("200")], _GUIDED, [_FINDING]),
            ("for 20 uses, at 2 a use", [_PER_USE], _bought("40", terms=terms(uses_max=20)), []),
            (
                "for 20 uses, at more than 2 a use",
                [_PER_USE],
                _bought("40.000001", terms=terms(uses_max=20)),
                [_FINDING | {"evidence": {"amount": "40.000001", "uses_max": 20}}],
            ),
            ("for any number of uses", [_PER_USE], _bought("40"), []),
            ("for no uses", [_PER_USE], _bought("40", terms=terms(uses_max=0)), []),
            (
                "at a ceiling of the contract",
                [_offered("1", ceiling="2", per="contract")],
                _bought("3", terms=terms(uses_max=20)),
                [_FINDING],
            ),
        )
    ),
    *(
        Case(name=f"public data, {name}", rules=_RULES, events=[_PUBLIC, offer], fires=fires)
        for name, offer, fires in (
            ("guided without a ceiling", _offered("200", ceiling=None), [_FINDING | {"severity": "yellow"}]),
            ("guided with a ceiling", _offered("100"), []),
            ("not guided", _offered("200", ceiling=None, mode="preset"), []),
        )
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _A,
                asset("b"),
                offer,
                _bought("100", "2025-02-20", **before) if "asset" not in before else _elsewhere(),
                _bought(amount, amended=True, **Json(after)),
            ],
            fires=fires,
        )
        for name, offer, before, amount, after, fires in (
            ("to the ceiling", _GUIDED, {"currency": "USD"}, "100", {}, []),
            ("above the ceiling", _GUIDED, {}, "100.01", {}, [_FINDING | {"occurred": "2025-03-01T00:00:00+08:00"}]),
            ("into the currency of the ceiling", _GUIDED, {"currency": "USD"}, "101", {}, [_FINDING]),
            ("to the asset", _GUIDED, {"asset": "b"}, "200", {}, [_FINDING]),
            (
                "to fewer uses at the same price",
                _PER_USE,
                {"terms": terms(uses_max=50)},
                "100",
                {"terms": terms(uses_max=49)},
                [_FINDING],
            ),
        )
    ),
    Case(
        name="an amendment that leaves the price as it was above the ceiling",
        rules=_RULES,
        events=[_A, _GUIDED, _bought("200", "2025-02-20"), _bought("200.00", amended=True, channel="filed")],
        fires=[_FINDING | {"occurred": "2025-02-20T00:00:00+08:00"}],
    ),
)
