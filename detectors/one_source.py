"""Two units claim to be the source of one element of the catalogue.

Why it matters: each element of public data has exactly one unit that answers for it; with two nobody knows which value
holds (Beijing's opinion of 2023-06-20, article 6: one source for each piece of data).

False positives: a unit that was renamed or took over the task, and whose predecessor's asset was not withdrawn.

What to do: ask the catalogue's keeper which unit is the source, and have the other asset withdrawn.
"""

from collections.abc import Iterable, Sequence

from circulation.cases import OWNER, Case, Json, asset, event, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Rule, Sum

REGISTERED, WITHDRAWN = "circulation.asset.registered", "circulation.asset.withdrawn"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The elements that the asset was ever stated to be: what leaves an element must be seen there."""
    stated = facts.asset(act.subject).registrations()
    yield from sorted({one.element for one in stated if one.element is not None})


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over registrations and withdrawals; one that brings a second unit says so."""
    units: dict[str, str] = {}
    found: list[Said] = []
    for act in acts:
        before = units.pop(act.subject, None)
        if act.type == WITHDRAWN or act.data.element != scope or act.data.source_unit is None:
            continue
        unit = units[act.subject] = act.data.source_unit
        others = {one: other for one, other in units.items() if other != unit}
        if not others or before == unit:
            continue
        first = min(others)
        found.append(
            Said(
                severity=RULE.severity,
                about=About("asset", act.subject),
                party=act.data.owner,
                occurred=act.time,
                cause=act.cause,
                summary=f"{act.subject} has {unit} for the source of {scope}, and {first} has {others[first]}.",
                evidence={
                    "element": scope,
                    "source_unit": unit,
                    "other": {"asset": first, "source_unit": others[first]},
                    "others_count": len(others),
                },
                asset=act.subject,
            )
        )
    return found


RULE = Rule(
    id="one-source",
    title="Two sources of one element",
    about="asset",
    severity="yellow",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 6",),
    sum=Sum(acts=frozenset({REGISTERED, WITHDRAWN}), scopes=scopes, judge=judge, needs=frozenset({"asset"})),
)


def _claims(asset_: str, unit: str | None, time: str = "2025-01-02", element: str | None = "E1") -> Json:
    return asset(asset_, time, element=element, source_unit=unit)


def _second(asset_: str = "b", other: str = "a", unit: str = "U1") -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": asset_},
        "party": OWNER,
        "evidence": {"element": "E1", "other": {"asset": other, "source_unit": unit}},
    }


_RULES = pack()
_FIRST = _claims("a", "U1")
_WITHDRAWN = event("asset.withdrawn", "a", "2025-02-01", reason="moved")

CASES = (
    Case(name="one unit", rules=_RULES, events=[_FIRST, _claims("b", "U1", "2025-01-03")]),
    Case(name="two units", rules=_RULES, events=[_FIRST, _claims("b", "U2", "2025-01-03")], fires=[_second()]),
    Case(name="two elements", rules=_RULES, events=[_FIRST, _claims("b", "U2", "2025-01-03", "E2")]),
    Case(name="a unit that is not stated", rules=_RULES, events=[_FIRST, _claims("b", None, "2025-01-03")]),
    *(
        Case(
            name=f"the other asset was withdrawn {name}",
            rules=_RULES,
            events=[_FIRST, _WITHDRAWN, _claims("b", "U2", time)],
            fires=fires,
        )
        for name, time, fires in (
            ("before", "2025-02-01T00:00:00.000001", []),
            ("after", "2025-01-31T23:59:59.999999", [_second()]),
        )
    ),
    Case(
        name="the other asset left the element",
        rules=_RULES,
        events=[_FIRST, _claims("a", "U1", "2025-01-03", "E2"), _claims("b", "U2", "2025-01-04")],
    ),
    Case(
        name="the later of the two is the second, whichever came first",
        rules=_RULES,
        events=[_claims("b", "U2", "2025-01-03"), _claims("c", "U3"), _FIRST | {"time": "2025-01-04T00:00:00+08:00"}],
        fires=[_second("b", "c", "U3"), _second("a", "b", "U2")],
    ),
    Case(
        name="the same statement again is no second one",
        rules=_RULES,
        events=[_FIRST, _claims("b", "U2", "2025-01-03"), _claims("b", "U2", "2025-01-04")],
        fires=[_second()],
    ),
    Case(
        name="a registration that was taken back",
        rules=_RULES,
        events=[_FIRST, retracted(_FIRST, "2025-01-03"), _claims("b", "U2", "2025-01-04")],
    ),
)
