"""An objection or a repair was decided later than the law allows.

Why it matters: a record costs its party trade every day; who objects, or has mended what was wrong, has a right to an
answer within days (Measures on Credit Repair, Order 36 of 2025; the social credit regulations of Shenzhen, Henan and
Shandong). This rule watches the offices, not the party.

False positives: an extension that was approved for a difficult case; days on which an office was closed that the pack
does not list.

What to do: ask the office for its reasons. No party is responsible here, and none loses points.

The day of receipt is not counted. Working days are Monday to Friday without the pack's `holidays` and with its
`workdays`; where the days reach beyond the years of these lists, `evidence` says that only weekends were known.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from circulation.calendar import day_of
from circulation.cases import SELLER, Case, Json, event, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Parameter, Parameters, Rule, Sum

FILED, OBJECTION_DECIDED = "circulation.objection.filed", "circulation.objection.decided"
APPLIED, REPAIR_DECIDED = "circulation.repair.applied", "circulation.repair.decided"
SEPARATOR = "\x1f"
# More working days than this are no limit; it keeps the counting short.
WORKING_DAYS_MAX = 1_000


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The party's objection or repair."""
    kind = "objection" if act.type in (FILED, OBJECTION_DECIDED) else "repair"
    yield SEPARATOR.join((act.subject, kind, getattr(act.data, kind)))


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds the decision against the last working day that the office had."""
    party, kind, id_ = scope.split(SEPARATOR)
    received = next((act for act in acts if act.type in (FILED, APPLIED)), None)
    decided = next((act for act in acts if act.type in (OBJECTION_DECIDED, REPAIR_DECIDED)), None)
    if received is None or decided is None:
        return []
    parameters = facts.parameters(received.time)
    limit = parameters[f"{kind}_working_days"]
    last = last_day(day_of(received.time), limit, parameters)
    if day_of(decided.time) <= last:
        return []
    years = {one[:4] for one in parameters["holidays"]}
    known = {str(year) for year in range(day_of(received.time).year, last.year + 1)} <= years
    return [
        Said(
            severity=RULE.severity,
            about=About("party", party),
            party=None,
            occurred=decided.time,
            cause=decided.cause,
            summary=(
                f"The {kind} {id_} of {day_of(received.time)} was decided on {day_of(decided.time)}, and {limit}"
                f" working days had ended on {last}."
            ),
            evidence={
                kind: id_,
                "received": str(day_of(received.time)),
                "last_day": str(last),
                "decided": str(day_of(decided.time)),
                "decided_by": decided.data.decided_by,
                "calendar": "known" if known else "weekends only",
            },
        )
    ]


def last_day(received: dt.date, count: int, parameters: Parameters) -> dt.date:
    """The last of so many working days after the day of receipt; the last day there is where the calendar ends."""
    holidays, workdays = set(parameters["holidays"]), set(parameters["workdays"])
    day = received
    left = min(count, WORKING_DAYS_MAX)
    while left > 0 and day < dt.date.max:
        day += dt.timedelta(1)
        text = day.isoformat()
        left -= text in workdays or (day.weekday() < 5 and text not in holidays)
    return day


RULE = Rule(
    id="credit-clock",
    title="An objection or repair decided too late",
    about="party",
    severity="orange",
    articles=("信用修复管理办法", "河南省社会信用条例 41", "山东省社会信用条例 39"),
    parameters={
        "objection_working_days": Parameter(7, "working days after the filing of an objection; fewer finds more"),
        "repair_working_days": Parameter(10, "working days after the application for a repair; fewer finds more"),
        "holidays": Parameter([], "days from Monday to Friday on which nobody works; more finds less"),
        "workdays": Parameter([], "Saturdays and Sundays that are worked; more finds more"),
    },
    sum=Sum(acts=frozenset({FILED, OBJECTION_DECIDED, APPLIED, REPAIR_DECIDED}), scopes=scopes, judge=judge),
)

_HOLIDAYS = ["2026-02-16", "2026-02-17", "2026-02-18", "2026-02-19", "2026-02-20", "2026-02-23"]
_HOLIDAYS += ["2026-09-25", "2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"]
_CALENDAR = {"holidays": _HOLIDAYS, "workdays": ["2026-02-14", "2026-02-28", "2026-10-10"]}
_RULES = pack(detectors={"credit-clock": _CALENDAR})


def _filed(time: str) -> Json:
    return event("objection.filed", SELLER, time, objection="o", record="r", grounds="it was not us")


def _decided(time: str, objection: str = "o") -> Json:
    return event("objection.decided", SELLER, time, objection=objection, outcome="rejected", decided_by="an office")


def _applied(time: str) -> Json:
    return event("repair.applied", SELLER, time, repair="o", record="r", evidence=["document-1"])


def _repaired(time: str) -> Json:
    return event("repair.decided", SELLER, time, repair="o", outcome="granted", decided_by="an office")


def _late(last_day_: str, kind: str = "objection", calendar: str = "known") -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": SELLER},
        "evidence": {kind: "o", "last_day": last_day_, "calendar": calendar},
    }


CASES = (
    *(
        Case(name=f"seven working days over the Spring Festival, {name}", rules=_RULES, events=events, fires=fires)
        for name, events, fires in (
            ("the day before the last", [_filed("2026-02-11"), _decided("2026-02-26T12:00")], []),
            ("the last", [_filed("2026-02-11T23:00"), _decided("2026-02-27T23:59:59.999999")], []),
            ("one too many", [_filed("2026-02-11"), _decided("2026-02-28")], [_late("2026-02-27")]),
        )
    ),
    *(
        Case(name=f"ten working days over National Day, {name}", rules=_RULES, events=events, fires=fires)
        for name, events, fires in (
            ("the last", [_applied("2026-09-25"), _repaired("2026-10-15T23:59:59.999999")], []),
            ("one too many", [_applied("2026-09-25"), _repaired("2026-10-16")], [_late("2026-10-15", "repair")]),
        )
    ),
    *(
        Case(
            name=f"three working days of the pack, {name}",
            rules=pack(detectors={"credit-clock": _CALENDAR | {"objection_working_days": 3}}),
            events=[_filed("2026-09-30"), _decided(time)],
            fires=fires,
        )
        for name, time, fires in (
            ("the last, a Saturday that is worked", "2026-10-10T18:00", []),
            ("one too many", "2026-10-11", [_late("2026-10-10")]),
        )
    ),
    Case(
        name="years of which only weekends are known",
        rules=_RULES,
        events=[_filed("2024-03-01"), _decided("2024-03-13")],
        fires=[_late("2024-03-12", calendar="weekends only")],
    ),
    Case(name="not decided", rules=_RULES, events=[_filed("2025-03-03")], until="2025-12-01"),
    Case(name="a decision of what was not filed", rules=_RULES, events=[_decided("2025-03-03")]),
    Case(
        name="a decision of another objection",
        rules=_RULES,
        events=[_filed("2025-03-03"), _decided("2025-12-01", "p")],
    ),
    Case(
        name="objections of several reporters are each one's own",
        rules=_RULES,
        events=[
            _filed("2025-03-03"),
            _decided("2025-12-01") | {"reporter": "provider"},
            _decided("2025-03-04", "p"),
        ],
        fires=[_late("2025-03-12", calendar="weekends only")],
    ),
    Case(
        name="a late decision that was taken back",
        rules=_RULES,
        events=[_filed("2025-03-03"), _decided("2025-12-01"), retracted(_decided("2025-12-01"), "2025-12-02")],
    ),
)
