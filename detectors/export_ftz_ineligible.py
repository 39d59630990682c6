"""An export claims a free-trade zone's exemption that the exporter cannot have.

Why it matters: what a zone's negative list leaves out is free for those who are registered there, and not for operators
of critical infrastructure (Provisions on Promoting and Regulating Cross-border Data Flows, articles 6 and 7).

False positives: a registration in the zone that was not reported; the finding is cleared when it arrives, if it was in
force at the export or is the first that is known.

What to do: have the export declared under the general rules; it counts in the year's sums as it is.
"""

from circulation.events.names import EXPORT_PERFORMED
from circulation.examples import SELLER, Case, Json, exported, pack, party, retracted
from circulation.exports import ciio, performed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks whether the exporter has a zone and operates no critical infrastructure."""
    if act.data.exemption != "ftz":
        return []
    registration = facts.party(act.subject).at(act.time)
    zone = None if registration is None else registration.ftz
    infrastructure = ciio(performed(act), facts)
    if zone and not infrastructure:
        return []
    why = "operates critical infrastructure" if infrastructure else "is registered in none"
    why_zh = "是关键信息基础设施运营者" if infrastructure else "未在任何自由贸易试验区登记"
    return [
        Said(
            severity=RULE.severity,
            about=About("party", act.subject),
            party=act.subject,
            occurred=act.time,
            cause=act.cause,
            summary=f"An export claims the exemption of a free-trade zone, and the exporter {why}.",
            summary_zh=f"一次出境申请自由贸易试验区豁免，而出境方{why_zh}。",
            evidence={"zone": zone, "ciio": infrastructure},
            asset=act.data.asset,
        )
    ]


RULE = Rule(
    id="export-ftz-ineligible",
    title="A zone's exemption without the zone",
    title_zh="不具备自由贸易试验区豁免资格",
    about="party",
    severity="orange",
    articles=("促进和规范数据跨境流动规定 6", "促进和规范数据跨境流动规定 7"),
    check=Check(acts=frozenset({EXPORT_PERFORMED}), check=check, needs=frozenset({"party"})),
)


def _ineligible(zone: str | None, infrastructure: bool) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"zone": zone, "ciio": infrastructure},
    }


_RULES = pack()
_EXPORTED = exported(SELLER, "2025-02-01", persons=1, exemption="ftz")
_MEMBER = party(SELLER, ftz="beijing")

CASES = (
    Case(name="registered in a zone", rules=_RULES, events=[_MEMBER, _EXPORTED]),
    Case(name="registered in none", rules=_RULES, events=[party(SELLER), _EXPORTED], fires=[_ineligible(None, False)]),
    Case(name="not registered at all", rules=_RULES, events=[_EXPORTED], fires=[_ineligible(None, False)]),
    Case(
        name="an operator of critical infrastructure",
        rules=_RULES,
        events=[party(SELLER, ftz="beijing", ciio=True), _EXPORTED],
        fires=[_ineligible("beijing", True)],
    ),
    *(
        Case(
            name=f"a zone that was entered {name}",
            rules=_RULES,
            events=[party(SELLER), party(SELLER, time, ftz="beijing"), _EXPORTED],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", []),
            ("at the export", "2025-02-01", []),
            ("just after", "2025-02-01T00:00:00.000001", [_ineligible(None, False)]),
        )
    ),
    Case(name="another exemption", rules=_RULES, events=[exported(SELLER, "2025-02-01", exemption="contract")]),
    Case(name="an export that was taken back", rules=_RULES, events=[_EXPORTED, retracted(_EXPORTED, "2025-02-02")]),
)
