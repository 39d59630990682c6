"""An asset is graded below what it was made of.

Why it matters: what is derived keeps the highest grade of its inputs until somebody approves a lower one; else a copy
would free important or sensitive data of its duties (GB/T 43697-2024: of several grades the highest).

False positives: an approved grading that was not reported; the finding is cleared when it arrives. A derivation whose
document of irreversibility was left out.

What to do: have the asset graded anew and the grading approved, and stop its trade until then.

An approval counts from the derivation on and as far down as it goes: one for `important` does not allow `general`. What
is not graded yet is another rule's.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from circulation.calendar import format_instant
from circulation.cases import OWNER, Case, Json, asset, derived, event, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rulepack import Subject
from circulation.rules import Rule, Sum

REGISTERED, GRADED, DERIVED = (
    "circulation.asset.registered",
    "circulation.asset.graded",
    "circulation.asset.derived",
)
LEVELS = {"general": 0, "important": 1, "core": 2}
CLASSES = {"none": 0, "personal": 1, "sensitive": 2, "minor": 3}


class _Lower(NamedTuple):
    """An input that is graded above the asset, and since when it is one."""

    input: str
    member: str
    given: str
    above: str
    since: int


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The asset."""
    yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Looks at each statement about the asset: one that puts it below an input says so, once until it is mended."""
    by_time: dict[int, Act] = {}
    for act in acts:
        by_time.setdefault(act.time, act)
    # A run's derivation is no act of its own.
    instants = {*by_time, *(edge.time for edge in facts.inputs(scope))}
    found: list[Said] = []
    before: set[tuple[str, str]] = set()
    for instant in sorted(instants):
        lower = _lower(scope, instant, facts)
        new = [one for one in lower if (one.input, one.member) not in before]
        before = {(one.input, one.member) for one in lower}
        if new:
            found.append(_said(scope, instant, by_time.get(instant), new, facts))
    return found


def _lower(asset_: str, instant: int, facts: Facts) -> list[_Lower]:
    subject = facts.subject(asset_, instant)
    if not subject.registered:
        return []
    inputs: dict[str, int] = {}
    for edge in facts.inputs(asset_):
        if edge.time <= instant and not edge.stops:
            inputs[edge.input] = min(edge.time, inputs.get(edge.input, edge.time))
    found = []
    for input_, since in sorted(inputs.items()):
        above = facts.subject(input_, instant)
        for member, ranks in (("level", LEVELS), ("personal", CLASSES)):
            given, high = getattr(subject, member), getattr(above, member)
            # Neither what is not registered nor what is not graded has a rank.
            if given not in ranks or high not in ranks or ranks[given] >= ranks[high]:
                continue
            if not _approved(asset_, member, ranks, subject, since, facts):
                found.append(_Lower(input_, member, given, high, since))
    return found


def _approved(asset_: str, member: str, ranks: dict[str, int], subject: Subject, since: int, facts: Facts) -> bool:
    """Whether somebody approved a grading as low as this one since the derivation."""
    return any(
        one.type == GRADED
        and one.data.approved_by is not None
        and one.time >= since
        and getattr(one.data, member) in ranks
        and ranks[getattr(one.data, member)] <= ranks[getattr(subject, member)]
        for one in facts.asset(asset_).levels()
    )


def _said(asset_: str, instant: int, act: Act | None, lower: Sequence[_Lower], facts: Facts) -> Said:
    registered = facts.asset(asset_).registration(instant)
    worst = lower[0]
    more = f", and {len(lower) - 1:,} more" if len(lower) > 1 else ""
    return Said(
        severity=RULE.severity,
        about=About("asset", asset_),
        party=None if registered is None else registered.owner,
        occurred=instant,
        cause=None if act is None else act.cause,
        apart=() if act is not None else (str(instant),),
        summary=(
            f"{asset_} is {worst.given}, and was derived from {worst.input}, which is {worst.above}, at"
            f" {format_instant(worst.since)}{more}, without an approved grading since."
        ),
        evidence={
            "lower": [
                {"input": one.input, "member": one.member, "given": one.given, "above": one.above} for one in lower
            ]
        },
        asset=asset_,
    )


RULE = Rule(
    id="grade-laundering",
    title="Graded below what it was made of",
    about="asset",
    severity="red",
    articles=("GB/T 43697-2024", "数据安全法 21"),
    sum=Sum(
        acts=frozenset({REGISTERED, GRADED, DERIVED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"asset", "ancestors"}),
    ),
)


def _laundered(member: str = "level", given: str = "general", above: str = "important", **more: object) -> Json:
    lower = [{"input": "b", "member": member, "given": given, "above": above}]
    return {
        "severity": "red",
        "about": {"kind": "asset", "id": "a"},
        "party": OWNER,
        "evidence": {"lower": lower},
        **more,
    }


def _graded(time: str, level: str = "general", approved_by: str | None = "an office", asset_: str = "a") -> Json:
    return event("asset.graded", asset_, time, level=level, personal="none", reason="review", approved_by=approved_by)


_RULES, _DAY = pack(), "2025-02-01"
_A, _HIGH, _MADE = asset("a"), asset("b", level="important"), derived("a", _DAY, "b", id="made")

CASES = (
    *(
        Case(
            name=f"{given} made of {above}",
            rules=_RULES,
            events=[asset("a", level=given), asset("b", level=above), _MADE],
            fires=fires,
        )
        for given, above, fires in (
            ("general", "general", []),
            ("general", "important", [_laundered(cause={"source": "//exchange.example", "id": "made"})]),
            ("important", "important", []),
            ("important", "core", [_laundered(given="important", above="core")]),
            ("ungraded", "core", []),
            ("general", "ungraded", []),
        )
    ),
    *(
        Case(
            name=f"the class {given} made of {above}",
            rules=_RULES,
            events=[asset("a", personal=given), asset("b", personal=above), _MADE],
            fires=[] if given == above else [_laundered("personal", given, above)],
        )
        for given, above in (("personal", "personal"), ("personal", "sensitive"), ("none", "minor"))
    ),
    *(
        Case(name=f"a grading {name}", rules=_RULES, events=[_A, _HIGH, _MADE, grading], fires=fires)
        for name, grading, fires in (
            ("approved after the derivation", _graded("2025-02-02"), []),
            ("approved at the derivation", _graded(_DAY), []),
            ("approved just before", _graded("2025-01-31T23:59:59.999999"), [_laundered()]),
            ("that nobody approved", _graded("2025-02-02", approved_by=None), [_laundered()]),
            ("approved for another level", _graded("2025-02-02", level="important"), [_laundered()]),
        )
    ),
    Case(
        name="a derivation that stops",
        rules=_RULES,
        events=[
            _A,
            _HIGH,
            derived("a", _DAY, "b", process="anonymise", irreversible=True, evidence="document-1"),
        ],
    ),
    Case(
        name="an input that was graded up later changes later statements only",
        rules=_RULES,
        events=[_A, asset("b"), _MADE, _graded("2025-02-02", level="important", asset_="b")],
    ),
    Case(
        name="an asset that is graded down later",
        rules=_RULES,
        events=[asset("a", level="important"), _HIGH, _MADE, _graded("2025-03-01", approved_by=None)],
        fires=[_laundered(occurred="2025-03-01T00:00:00+08:00")],
    ),
    Case(
        name="a derivation that was taken back",
        rules=_RULES,
        events=[_A, _HIGH, _MADE, retracted(_MADE, "2025-02-02")],
    ),
    *(
        Case(
            name=f"{count} that are higher",
            rules=_RULES,
            events=[_A, *(asset(one, level="important") for one in higher), derived("a", _DAY, *higher)],
            fires=[
                {
                    "severity": "red",
                    "summary": "a is general, and was derived from b, which is important, at 2025-02-01T00:00:00+08:00"
                    f"{more}, without an approved grading since.",
                }
            ],
        )
        for count, higher, more in (
            ("one input", ("b",), ""),
            ("two inputs", ("b", "d"), ", and 1 more"),
            ("three inputs", ("b", "d", "e"), ", and 2 more"),
        )
    ),
    Case(name="an input of which nothing is known", rules=_RULES, events=[_A, _MADE]),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_HIGH, _MADE]),
)
