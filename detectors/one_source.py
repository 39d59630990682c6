"""Two units claim to be the source of one element of the catalogue.

Why it matters: each element of public data has exactly one unit that answers for it; with two nobody knows which value
holds (Beijing's opinion of 2023-06-20, article 6: one source for each piece of data).

False positives: a unit that was renamed or took over the task, and whose predecessor's asset was not withdrawn.

What to do: ask the catalogue's keeper which unit is the source, and have the other asset withdrawn.
"""

from collections.abc import Callable, Iterable
from typing import Any

from circulation.events.names import ASSET_REGISTERED, ASSET_WITHDRAWN
from circulation.examples import OWNER, Case, Json, asset, event, pack, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Rule, Sum, over

_STATES, _COUNT, _UNIT, _LOWEST = "states", "count", "unit", "lowest"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The element that the asset is stated to be, and the one that it was just before: what leaves must be seen."""
    stated = [facts.asset(act.subject).before(act)]
    if act.type == ASSET_REGISTERED:
        stated.append(act.data)
    yield from sorted(
        {statement.element for statement in stated if statement is not None and statement.element is not None}
    )


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes a registration or a withdrawal; one that brings a second unit says so."""
    before = ledger.pop((_STATES, act.subject))
    if before is not None:
        _move(ledger, before, act.subject, ledger.discard)
        ledger[_COUNT] = ledger.get(_COUNT) - 1
    if act.type == ASSET_WITHDRAWN or act.data.element != scope or act.data.source_unit is None:
        return
    unit = ledger[_STATES, act.subject] = act.data.source_unit
    _move(ledger, unit, act.subject, ledger.add)
    ledger[_COUNT] = ledger.get(_COUNT, 0) + 1
    elsewhere = ledger.get(_COUNT) - len(ledger.list((_UNIT, unit)))
    if not elsewhere or before == unit:
        return
    first, other_unit = next(pair for pair in ledger.list(_LOWEST) if pair[1] != unit)
    yield Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=facts.asset(act.subject).after(act).owner,
        occurred=act.time,
        cause=act.cause,
        summary=f"{act.subject} has {unit} for the source of {scope}, and {first} has {other_unit}.",
        summary_zh=f"数据元 {scope} 的来源单位，{act.subject} 为 {unit}，而 {first} 为 {other_unit}。",
        evidence={
            "element": scope,
            "source_unit": unit,
            "other": {"asset": first, "source_unit": other_unit},
            "others_count": elsewhere,
        },
        asset=act.subject,
    )


def _move(ledger: Ledger, unit: str, asset_: str, move: Callable[[Any, Any], None]) -> None:
    """Adds an asset to those of its unit, or takes it out; of each unit the first is listed among the first ones."""
    of_unit = (_UNIT, unit)
    old = ledger.list(of_unit)[:1]
    move(of_unit, asset_)
    new = ledger.list(of_unit)[:1]
    if old != new:
        for member in old:
            ledger.discard(_LOWEST, (member, unit))
        for member in new:
            ledger.add(_LOWEST, (member, unit))


RULE = Rule(
    id="one-source",
    title="Two sources of one element",
    title_zh="一数多源",
    about="asset",
    severity="yellow",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 6",),
    sum=Sum(
        acts=frozenset({ASSET_REGISTERED, ASSET_WITHDRAWN}),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"asset"}),
    ),
)


def _claims(asset_: str, unit: str | None, time: str = "2025-01-02", element: str | None = "E1") -> Json:
    return asset(asset_, time, element=element, source_unit=unit)


def _second(asset_: str = "b", other_asset: str = "a", unit: str = "U1") -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": asset_},
        "party": OWNER,
        "evidence": {"element": "E1", "other": {"asset": other_asset, "source_unit": unit}},
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
