"""An asset is registered and nobody grades it.

Why it matters: without a grade nobody knows which duties hold for the data; processors are to identify and declare
important data (Data Security Law, article 21; Regulation on Network Data Security, article 29).

False positives: a grading or a withdrawal that was made in time and is reported late; the finding is cleared when it
arrives.

What to do: have the owner grade the asset, and stop its trade until that is done.

An asset that is withdrawn at the end of its days needs no grade any longer. Registered again before that, it goes on
from when it was first ungraded; registered again later, it has its days anew.
"""

from collections.abc import Iterable

from circulation.calendar import format_instant, past
from circulation.events.names import ASSET_GRADED, ASSET_REGISTERED, ASSET_WITHDRAWN
from circulation.examples import OWNER, Case, Json, asset, event, pack, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import many

_UNGRADED_SINCE, _WITHDRAWN = "since", "withdrawn"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The asset."""
    yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes a statement or a withdrawal: each run of statements that leave the asset ungraded has one deadline."""
    since, was_withdrawn = ledger.get(_UNGRADED_SINCE), ledger.get(_WITHDRAWN)
    if act.type != ASSET_GRADED:
        ledger[_WITHDRAWN] = act.type == ASSET_WITHDRAWN
    is_withdrawn = ledger.get(_WITHDRAWN)
    grade = facts.asset(scope).grades.after(act)
    is_ungraded = grade is not None and grade.level == "ungraded"
    is_over = since is not None and act.time > _deadline(since, facts)
    if since is not None and not is_over and (is_withdrawn or not is_ungraded):
        ledger.drop(str(since))
    if not is_ungraded or (was_withdrawn and is_over):
        since = None
    if is_ungraded and not is_withdrawn:
        since = act.time if since is None else since
        ledger.keep(str(since), _said(scope, since, _deadline(since, facts), facts))
    ledger[_UNGRADED_SINCE] = since
    return ()


def _deadline(since: int, facts: Facts) -> int:
    return past(since, facts.parameters(since)["days"])


def _said(asset_: str, since: int, deadline: int, facts: Facts) -> Said:
    """What is said of a run that begins at one instant and does not end by another."""
    count = facts.parameters(since)["days"]
    registered = facts.asset(asset_).registration(deadline)
    return Said(
        severity=RULE.severity,
        about=About("asset", asset_),
        party=None if registered is None else registered.owner,
        occurred=deadline,
        apart=(str(since),),
        due=deadline,
        summary=(f"{asset_} is not graded since {format_instant(since)}, for more than {many(count, 'day')}."),
        summary_zh=f"{asset_} 自 {format_instant(since)} 起未分级，已超过 {count:,} 天。",
        evidence={"since": format_instant(since), "deadline": format_instant(deadline), "days": count},
        asset=asset_,
    )


RULE = Rule(
    id="grading-overdue",
    title="Registered and never graded",
    title_zh="登记后逾期未分级",
    about="asset",
    severity="yellow",
    articles=("数据安全法 21", "网络数据安全管理条例 29", "GB/T 43697-2024"),
    parameters={"days": Parameter(30, "days that an asset may stay ungraded; fewer finds more")},
    sum=Sum(
        due=True,
        acts=frozenset({ASSET_REGISTERED, ASSET_GRADED, ASSET_WITHDRAWN}),
        scopes=scopes,
        judge=over(step),
        step=step,
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


def _graded(time: str, level: str = "general", approved_by: str | None = None) -> Json:
    return event("asset.graded", "a", time, level=level, personal="none", reason="review", approved_by=approved_by)


def _withdrawn(time: str) -> Json:
    return event("asset.withdrawn", "a", time, reason="no longer offered")


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
        events=[_UNGRADED, _graded("2025-02-02"), _graded("2025-04-01", "ungraded", approved_by="an office")],
        until="2025-05-02",
        fires=[_overdue("2025-04-01", "2025-05-01")],
    ),
    *(
        Case(
            name=f"a {name} that states no grade takes none away",
            rules=_RULES,
            events=[_UNGRADED, _graded("2025-02-02"), ungraded],
            until="2025-06-01",
        )
        for name, ungraded in (
            ("grading", _graded("2025-04-01", "ungraded")),
            ("registration", asset("a", "2025-04-01", level="ungraded")),
        )
    ),
    Case(
        name="a grading that was taken back",
        rules=_RULES,
        events=[_UNGRADED, _graded("2025-02-02"), retracted(_graded("2025-02-02"), "2025-02-03")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    *(
        Case(
            name=f"withdrawn {name} the deadline",
            rules=_RULES,
            events=[_UNGRADED, _withdrawn(time)],
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
        name="a withdrawal that was taken back",
        rules=_RULES,
        events=[_UNGRADED, _withdrawn("2025-02-02"), retracted(_withdrawn("2025-02-02"), "2025-02-03")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    Case(
        name="a grade that is taken away from a withdrawn asset",
        rules=_RULES,
        events=[_UNGRADED, _withdrawn("2025-02-02"), _graded("2025-02-03", "ungraded")],
        until="2025-06-01",
    ),
    *(
        Case(
            name=f"registered again after its withdrawal, and graded {name} its new deadline",
            rules=_RULES,
            events=[
                _UNGRADED,
                _withdrawn("2025-02-02"),
                asset("a", "2025-04-01", level="ungraded"),
                _graded(time),
            ],
            until="2025-06-01",
            fires=fires,
        )
        for name, time, fires in (
            ("at", "2025-05-01", []),
            ("just after", "2025-05-01T00:00:00.000001", [_overdue("2025-04-01", "2025-05-01")]),
        )
    ),
    *(
        Case(
            name=f"registered again after its withdrawal {name} its deadline",
            rules=_RULES,
            events=[_UNGRADED, _withdrawn("2025-02-20"), asset("a", again, level="ungraded")],
            until="2025-06-01",
            fires=fires,
        )
        for name, again, fires in (
            ("just before", "2025-03-02T23:59:59.999999", [_overdue()]),
            ("at", "2025-03-03", [_overdue()]),
            (
                "just after",
                "2025-03-03T00:00:00.000001",
                [{"occurred": "2025-04-02T00:00:00.000001+08:00"}],
            ),
        )
    ),
    Case(
        name="withdrawn again after it was registered again",
        rules=_RULES,
        events=[
            _UNGRADED,
            _withdrawn("2025-02-20"),
            asset("a", "2025-02-21", level="ungraded"),
            _withdrawn("2025-03-03"),
        ],
        until="2025-06-01",
    ),
    Case(
        name="graded and ungraded again while it is withdrawn",
        rules=_RULES,
        events=[
            _UNGRADED,
            _withdrawn("2025-02-10"),
            _graded("2025-02-11"),
            _graded("2025-02-12", "ungraded", approved_by="an office"),
            asset("a", "2025-02-13", level="ungraded"),
        ],
        until="2025-06-01",
        fires=[_overdue("2025-02-13", "2025-03-15")],
    ),
    Case(
        name="withdrawn after its deadline, and registered again",
        rules=_RULES,
        events=[_UNGRADED, _withdrawn("2025-03-04"), asset("a", "2025-03-05", level="ungraded")],
        until="2025-06-01",
        fires=[_overdue(), _overdue("2025-03-05", "2025-04-04")],
    ),
    Case(
        name="other days of the pack",
        rules=pack(detectors={"grading-overdue": {"days": 60}}),
        events=[_UNGRADED],
        until=_AFTER,
    ),
)
