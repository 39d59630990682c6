"""An asset is registered and nobody grades it.

Why it matters: without a grade nobody knows which duties hold for the data; processors are to identify and declare
important data (Data Security Law, article 21; Regulation on Network Data Security, article 29).

False positives: a grading that was made in time and is reported late; the finding is cleared when it arrives.

What to do: have the owner grade the asset, and stop its trade until that is done.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant
from circulation.cases import OWNER, Case, Json, asset, event, pack, retracted
from circulation.facts import Act, Facts, past
from circulation.findings import About, Said
from circulation.rules import Parameter, Rule, Sum

REGISTERED, GRADED = "circulation.asset.registered", "circulation.asset.graded"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The asset."""
    yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the statements: each run of those that leave the asset ungraded has one deadline."""
    found: list[Said] = []
    since: int | None = None
    for one in facts.asset(scope).levels():
        if one.data.level != "ungraded":
            if since is not None:
                found += _said(scope, since, one.time, facts)
            since = None
        elif since is None:
            since = one.time
    if since is not None:
        found += _said(scope, since, None, facts)
    return found


def _said(asset_: str, since: int, until: int | None, facts: Facts) -> list[Said]:
    """What is said of a run that begins at one instant and ends at another, or not at all."""
    count = facts.parameters(since)["days"]
    deadline = past(since, count)
    if until is not None and until <= deadline:
        return []
    registered = facts.asset(asset_).registration(deadline)
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", asset_),
            party=None if registered is None else registered.owner,
            occurred=deadline,
            apart=(str(since),),
            due=deadline,
            summary=(
                f"{asset_} is not graded since {format_instant(since)}, for more than {count:,}"
                f" {'day' if count == 1 else 'days'}."
            ),
            evidence={"since": format_instant(since), "deadline": format_instant(deadline), "days": count},
            asset=asset_,
        )
    ]


RULE = Rule(
    id="grading-overdue",
    title="Registered and never graded",
    about="asset",
    severity="yellow",
    articles=("数据安全法 21", "网络数据安全管理条例 29", "GB/T 43697-2024"),
    parameters={"days": Parameter(30, "days that an asset may stay ungraded; fewer finds more")},
    sum=Sum(
        due=True,
        acts=frozenset({REGISTERED, GRADED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"asset"}),
    ),
)


def _overdue(since: str = "2025-02-01", deadline: str = "2025-03-03") -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": "a"},
        "party": OWNER,
        "occurred": f"{deadline}T00:00:00+08:00",
        "evidence": {"since": f"{since}T00:00:00+08:00"},
    }


def _graded(time: str, level: str = "general") -> Json:
    return event("asset.graded", "a", time, level=level, personal="none", reason="review")


_RULES = pack()
_UNGRADED = asset("a", "2025-02-01", level="ungraded")
_DEADLINE, _AFTER = "2025-03-03T00:00:00+08:00", "2025-03-03T00:00:00.000001+08:00"

CASES = (
    Case(name="graded when it is registered", rules=_RULES, events=[asset("a", "2025-02-01")], until="2026-01-01"),
    Case(name="at the deadline", rules=_RULES, events=[_UNGRADED], until=_DEADLINE),
    Case(name="past the deadline", rules=_RULES, events=[_UNGRADED], until=_AFTER, fires=[_overdue()]),
    *(
        Case(
            name=f"graded {name} the deadline",
            rules=_RULES,
            events=[_UNGRADED, _graded(time)],
            until="2025-06-01",
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-03-02T23:59:59.999999", []),
            ("at", "2025-03-03", []),
            ("just after", "2025-03-03T00:00:00.000001", [_overdue()]),
        )
    ),
    Case(
        name="a second registration without a grade changes nothing",
        rules=_RULES,
        events=[_UNGRADED, asset("a", "2025-02-20", level="ungraded")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    Case(
        name="a grade that is taken away begins a run of its own",
        rules=_RULES,
        events=[_UNGRADED, _graded("2025-02-02"), _graded("2025-04-01", "ungraded")],
        until="2025-05-02",
        fires=[_overdue("2025-04-01", "2025-05-01")],
    ),
    Case(
        name="a grading that was taken back",
        rules=_RULES,
        events=[_UNGRADED, _graded("2025-02-02"), retracted(_graded("2025-02-02"), "2025-02-03")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    Case(
        name="other days of the pack",
        rules=pack(detectors={"grading-overdue": {"days": 60}}),
        events=[_UNGRADED],
        until=_AFTER,
    ),
)
