"""An asset is listed or sold after it was withdrawn, or when it did not pass its assessment.

Why it matters: what was withdrawn is no longer to be had, and data may enter trade only while its assessment of
compliance and of security holds (Beijing's opinion of 2023-06-20, article 9: assessed before trade; Regulation on
Network Data Security, article 33: risks are assessed again).

False positives: an asset that is offered again and whose new registration was not reported; an assessment that was
repeated and not reported. The finding is cleared when it arrives, if it was made no later than the act.

What to do: have the product delisted or the contract suspended until the asset is registered, or assessed, again.
"""

from typing import Any

from circulation.calendar import format_instant
from circulation.events.names import PRODUCT_LISTED
from circulation.examples import SELLER, THIRD, Case, Json, asset, event, listed, pack, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells
from circulation.words import ASSESSMENT, Word, zh

KINDS = ("compliance", "security")


def check(act: Act, facts: Facts) -> list[Said]:
    """The asset is not withdrawn, and the newest assessment of either kind, if there is one, passed and is valid."""
    asset_ = act.subject if act.type == PRODUCT_LISTED else act.data.asset
    known = facts.asset(asset_)
    reasons = []
    evidence: Json = {}
    if (withdrawn := known.withdrawn(act.time)) is not None:
        evidence["withdrawn"] = format_instant(withdrawn)
        reasons.append(Word(f"it was withdrawn at {evidence['withdrawn']}", f"已于 {evidence['withdrawn']} 撤回"))
    for kind in KINDS:
        newest = known.newest_assessment(kind, act.time)
        if newest is None:
            continue
        ended = newest.valid_to is not None and newest.valid_to <= act.time
        if newest.result == "pass" and not ended:
            continue
        assessment: Json = {"assessment": newest.assessment, "result": newest.result}
        if newest.result == "fail":
            en, zh_ = f"it failed the assessment {newest.assessment} of {kind}", f"评估 {newest.assessment}"
            reasons.append(Word(en, f"{zh(ASSESSMENT, kind)}{zh_} 未通过"))
        else:
            assessment["valid_to"] = format_instant(newest.valid_to)
            en = f"its assessment {newest.assessment} of {kind} ended at {assessment['valid_to']}"
            zh_ = f"{zh(ASSESSMENT, kind)}评估 {newest.assessment} 已于 {assessment['valid_to']} 到期"
            reasons.append(Word(en, zh_))
        evidence[kind] = assessment
    if not reasons or not sells(act, facts):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", asset_),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"{asset_} was {'listed' if act.type == PRODUCT_LISTED else 'sold'};"
                f" {', and '.join(reason.en for reason in reasons)}."
            ),
            summary_zh=(
                f"{asset_} 被{'挂牌' if act.type == PRODUCT_LISTED else '出售'}，而其"
                f"{'，且'.join(reason.zh for reason in reasons)}。"
            ),
            evidence=evidence,
            asset=asset_,
        )
    ]


RULE = Rule(
    id="withdrawn-trade",
    title="Traded though withdrawn or not assessed",
    title_zh="已撤回或评估不合格的数据仍在交易",
    about="asset",
    severity="orange",
    articles=("contract only",),
    check=Check(acts=frozenset({PRODUCT_LISTED, *TERMS_TYPES}), check=check, needs=frozenset({"asset", "contract"})),
)


def _found(**evidence: object) -> Json:
    return {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": SELLER, "evidence": evidence}


def _withdrawn(time: str, **attributes: Any) -> Json:
    return event("asset.withdrawn", "a", time, reason="replaced", **attributes)


def _assessed(time: str, kind: str = "compliance", result: str = "pass", **data: Any) -> Json:
    return event(
        "asset.assessed",
        "a",
        time,
        **({"assessment": f"{kind}-{time}", "assessor": "x"} | data),
        kind=kind,
        result=result,
    )


_DAY, _RULES = "2025-02-01", pack()
_AFTER = "2025-02-01T00:00:00.000001"
_A, _LISTED, _SOLD = asset("a"), listed("a", _DAY), signed("c", _DAY, asset="a")
_GONE = _found(withdrawn="2025-01-10T00:00:00+08:00")
_MOVED = signed("c", "2025-01-20", asset="b", amended=True)
_FAILED = _found(compliance={"result": "fail"})

CASES = (
    *(
        Case(name=f"{name}, {how}", rules=_RULES, events=[_A, *before, act], fires=fires)
        for how, act in (("listed", _LISTED), ("sold", _SOLD))
        for name, before, fires in (
            ("never withdrawn", [], []),
            ("withdrawn before", [_withdrawn("2025-01-10")], [_GONE]),
            ("withdrawn then", [_withdrawn(_DAY)], [_found(withdrawn="2025-02-01T00:00:00+08:00")]),
            ("withdrawn later", [_withdrawn(_AFTER)], []),
            ("withdrawn and registered again", [_withdrawn("2025-01-10"), asset("a", "2025-01-11", title="b")], []),
            ("registered again then", [_withdrawn("2025-01-10"), asset("a", _DAY, title="b")], []),
            ("registered again later", [_withdrawn("2025-01-10"), asset("a", _AFTER, title="b")], [_GONE]),
            (
                "registered again as it was withdrawn",
                [_withdrawn("2025-01-10"), asset("a", "2025-01-10", title="b")],
                [_GONE],
            ),
            (
                "withdrawn again",
                [_withdrawn("2025-01-05"), asset("a", "2025-01-06", title="b"), _withdrawn("2025-01-10")],
                [_GONE],
            ),
            (
                "a withdrawal that was taken back",
                [_withdrawn("2025-01-10"), retracted(_withdrawn("2025-01-10"), _DAY)],
                [],
            ),
            (
                "withdrawn by a lesser reporter, and later by the exchange",
                [_withdrawn("2025-01-10", reporter="consumer"), _withdrawn("2025-03-01")],
                [],
            ),
            ("assessed and passed", [_assessed("2025-01-10"), _assessed("2025-01-10", "security")], []),
            ("assessed and failed", [_assessed("2025-01-10", result="fail")], [_FAILED]),
            (
                "failed in security",
                [_assessed("2025-01-10", "security", "fail")],
                [_found(security={"result": "fail"})],
            ),
            ("failed then", [_assessed(_DAY, result="fail")], [_FAILED]),
            ("failed later", [_assessed(_AFTER, result="fail")], []),
            ("failed in another kind", [_assessed("2025-01-10", "quality", "fail")], []),
            ("failed, then passed", [_assessed("2025-01-10", result="fail"), _assessed("2025-01-11")], []),
            ("passed, then failed", [_assessed("2025-01-10"), _assessed("2025-01-11", result="fail")], [_FAILED]),
            (
                "failed, then passed in the other kind",
                [_assessed("2025-01-10", result="fail"), _assessed("2025-01-11", "security")],
                [_FAILED],
            ),
            (
                "an assessment that ends then",
                [_assessed("2025-01-10", valid_to=_DAY)],
                [_found(compliance={"result": "pass", "valid_to": "2025-02-01T00:00:00+08:00"})],
            ),
            (
                "an assessment that ends later",
                [_assessed("2025-01-10", valid_to="2025-02-01T00:00:00.000001+08:00")],
                [],
            ),
            (
                "an older one holds still, the newest has ended",
                [_assessed("2025-01-09"), _assessed("2025-01-10", valid_to="2025-01-20")],
                [_found(compliance={"assessment": "compliance-2025-01-10"})],
            ),
            (
                "withdrawn and failed is one finding",
                [_withdrawn("2025-01-10"), _assessed("2025-01-10", result="fail")],
                [_found(withdrawn="2025-01-10T00:00:00+08:00", compliance={"result": "fail"})],
            ),
        )
    ),
    Case(
        name="another asset's withdrawal",
        rules=_RULES,
        events=[asset("b"), _withdrawn("2025-01-10"), listed("b", _DAY)],
    ),
    Case(
        name="a contract is amended, not sold again",
        rules=_RULES,
        events=[
            _A,
            signed("c", "2025-01-05", asset="a"),
            _withdrawn("2025-01-10"),
            signed("c", _DAY, asset="a", amended=True),
        ],
    ),
    *(
        Case(
            name=f"a contract is amended {name}",
            rules=_RULES,
            events=[
                _A,
                asset("b"),
                signed("c", "2025-01-05", **Json({"asset": "a"} | before)),
                _withdrawn(withdrawn),
                signed("c", _DAY, asset="a", amended=True),
            ],
            fires=fires,
        )
        for name, before, withdrawn, fires in (
            ("to what was withdrawn by then", {"asset": "b"}, _DAY, [_found(withdrawn="2025-02-01T00:00:00+08:00")]),
            ("to what is withdrawn just after", {"asset": "b"}, _AFTER, []),
            ("to another buyer", {"buyer": SELLER}, "2025-01-10", [_GONE]),
            ("to another seller", {"seller": THIRD}, "2025-01-10", [_GONE]),
        )
    ),
    Case(
        name="a signing that comes late, and an amendment that sells nothing then",
        rules=_RULES,
        events=[
            _A,
            _withdrawn("2025-01-10"),
            signed("c", _DAY, asset="a", amended=True),
            signed("c", "2025-01-05", asset="a"),
        ],
    ),
    Case(
        name="an amendment between that is taken back",
        rules=_RULES,
        events=[
            _A,
            asset("b"),
            signed("c", "2025-01-05", asset="a"),
            _withdrawn("2025-01-10"),
            _MOVED,
            signed("c", _DAY, asset="a", amended=True),
            retracted(_MOVED, "2025-02-02"),
        ],
    ),
)
