"""Important data, or personal data of a critical infrastructure, goes abroad without a security assessment.

Why it matters: such exports need an assessment whatever their volume (Data Security Law, article 31; Regulation on
Network Data Security, article 37; Provisions on Promoting and Regulating Cross-border Data Flows, article 7).

False positives: an assessment that was not reported; the finding is cleared when it arrives, if it was issued no later
than the export. No exemption takes such data out.

What to do: have the exports stopped until an assessment covers asset, country and recipient.
"""

from circulation.events.names import EXPORT_PERFORMED
from circulation.examples import ABROAD, SELLER, Case, Json, asset, event, exported, granted, pack, party, retracted
from circulation.exports import RANKS, ciio, covered, people, performed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule
from circulation.words import LEVEL, many, zh


def check(act: Act, facts: Facts) -> list[Said]:
    """Of the level that the export states and that of its asset the higher counts."""
    levels = [act.data.level]
    if act.data.asset is not None:
        levels.append(facts.subject(act.data.asset, act.time).level or "ungraded")
    level = max(levels, key=RANKS.__getitem__)
    important = RANKS[level] >= RANKS["important"]
    export = performed(act)
    infrastructure = ciio(export, facts)
    if not (important or (infrastructure and people(act))) or covered(export, facts, "security-assessment"):
        return []
    concerned = f"{many(people(act), 'person')} of an infrastructure"
    content = f"Data of the level {level}" if important else f"Data of {concerned}"
    content_zh = f"{zh(LEVEL, level)}数据" if important else f"关键信息基础设施运营者的 {people(act):,} 人数据"
    return [
        Said(
            severity=RULE.severity,
            about=About("party", act.subject),
            party=act.subject,
            occurred=act.time,
            cause=act.cause,
            summary=f"{content} went to {act.data.country}, and no security assessment covers the export.",
            summary_zh=f"{content_zh}传往 {act.data.country}，没有数据出境安全评估覆盖该次出境。",
            evidence={"level": level, "ciio": infrastructure, "persons": people(act), "country": act.data.country},
            asset=act.data.asset,
        )
    ]


RULE = Rule(
    id="export-important-data",
    title="Important data exported without an assessment",
    title_zh="重要数据出境未经评估",
    about="party",
    severity="red",
    articles=("数据安全法 31", "网络数据安全管理条例 37", "促进和规范数据跨境流动规定 7"),
    check=Check(acts=frozenset({EXPORT_PERFORMED}), check=check, needs=frozenset({"asset", "party"})),
)


def _found(level: str = "important", infrastructure: bool = False) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"level": level, "ciio": infrastructure},
    }


_RULES, _DAY = pack(), "2025-02-01"
_IMPORTANT = exported(SELLER, _DAY, level="important")
_INFRASTRUCTURE = party(SELLER, ciio=True)

CASES = (
    *(
        Case(
            name=f"an export of the level {level}",
            rules=_RULES,
            events=[exported(SELLER, _DAY, level=level)],
            fires=[_found(level)] if level in ("important", "core") else [],
        )
        for level in ("ungraded", "general", "important", "core")
    ),
    Case(
        name="the asset's level counts where it is higher",
        rules=_RULES,
        events=[asset("a", level="core"), exported(SELLER, _DAY, asset="a")],
        fires=[_found("core")],
    ),
    Case(
        name="the export's level counts where it is higher",
        rules=_RULES,
        events=[asset("a"), exported(SELLER, _DAY, asset="a", level="important")],
        fires=[_found()],
    ),
    Case(
        name="an asset that is graded just after the export",
        rules=_RULES,
        events=[
            asset("a"),
            event("asset.graded", "a", "2025-02-01T00:00:00.000001", level="important", personal="none", reason="x"),
            exported(SELLER, _DAY, asset="a"),
        ],
    ),
    *(
        Case(
            name=f"{persons} persons of a critical infrastructure",
            rules=_RULES,
            events=[_INFRASTRUCTURE, exported(SELLER, _DAY, persons=persons)],
            fires=[_found("general", True)] if persons else [],
        )
        for persons in (0, 1, 2)
    ),
    Case(name="one person of another party", rules=_RULES, events=[party(SELLER), exported(SELLER, _DAY, persons=1)]),
    *(
        Case(
            name=f"an assessment {name}",
            rules=_RULES,
            events=[_IMPORTANT, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("that covers", "2025-01-02", "security-assessment", {"countries": ["DE"], "recipients": [ABROAD]}, []),
            ("issued at the export", _DAY, "security-assessment", {}, []),
            ("issued just after", "2025-02-01T00:00:00.000001", "security-assessment", {}, [_found()]),
            ("for another country", "2025-01-02", "security-assessment", {"countries": ["FR"]}, [_found()]),
            ("of another kind", "2025-01-02", "certification", {}, [_found()]),
        )
    ),
    Case(
        name="an exemption does not take important data out",
        rules=_RULES,
        events=[exported(SELLER, _DAY, level="important", exemption="contract")],
        fires=[_found()],
    ),
    Case(name="an export that was taken back", rules=_RULES, events=[_IMPORTANT, retracted(_IMPORTANT, "2025-02-02")]),
)
