"""An objection or a repair is not decided within the days that the law allows.

Why it matters: a record costs its party trade every day; who objects, or has mended what was wrong, has a right to an
answer within days (Measures on Credit Repair, Order 36 of 2025; the social credit regulations of Shenzhen, Henan and
Shandong). This rule watches the offices, not the party.

False positives: an extension that was approved for a difficult case; days on which an office was closed that no
calendar lists; a decision that was made in time and is reported late, which clears it.

What to do: ask the office for its answer, and for its reasons. No party is responsible here, and none loses points.

The day of receipt is not counted. Working days are those of `circulation/working_days.py`; of a year of which the pack
names `holidays`, those of its `holidays` and `workdays`: of the pack in force on each day, or, where it does not know
the year, of the first later one that does. While the calendar of a year on the way is not known, nothing is said.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from circulation.calendar import day_of, start_of_day
from circulation.credit.settings import OBJECTION_WORKING_DAYS, REPAIR_WORKING_DAYS
from circulation.events.names import OBJECTION_DECIDED, OBJECTION_FILED, REPAIR_APPLIED, REPAIR_DECIDED
from circulation.examples import BUYER, SELLER, Case, Json, event, pack, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.rules import Parameter, Rule, Sum
from circulation.words import STATEMENT, many, zh
from circulation.working_days import last_day


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The party's objection or repair."""
    kind = "objection" if act.type in (OBJECTION_FILED, OBJECTION_DECIDED) else "repair"
    yield join_key(act.subject, kind, getattr(act.data, kind))


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds the decision against the last working day that the office has; what is said stands once that is over."""
    party, kind, id_ = split_key(scope)
    received = next((act for act in acts if act.type in (OBJECTION_FILED, REPAIR_APPLIED)), None)
    if received is None:
        return []
    limit = facts.parameters(received.time)[f"{kind}_working_days"]
    last = last_day(day_of(received.time), limit, facts.packs.decisions.calendar.lists)
    if last is None or last == dt.date.max:
        return []
    deadline = start_of_day(last + dt.timedelta(1))
    if any(act.type in (OBJECTION_DECIDED, REPAIR_DECIDED) and act.time < deadline for act in acts):
        return []
    day = day_of(received.time)
    return [
        Said(
            severity=RULE.severity,
            about=About("party", party),
            party=None,
            occurred=deadline,
            apart=(kind, id_),
            due=deadline,
            summary=(f"The {kind} {id_} of {day} was not decided within {many(limit, 'working day')}, by {last}."),
            summary_zh=f"{day} 的{zh(STATEMENT, kind)} {id_} 在 {limit} 个工作日内（至 {last}）未作决定。",
            evidence={kind: id_, "received": str(day), "working_days": limit, "last_day": str(last)},
        )
    ]


RULE = Rule(
    id="credit-clock",
    title="An objection or repair that is not decided in time",
    title_zh="异议或信用修复逾期未决",
    about="party",
    severity="orange",
    articles=("信用修复管理办法", "河南省社会信用条例 41", "山东省社会信用条例 39"),
    parameters={
        "objection_working_days": Parameter(
            OBJECTION_WORKING_DAYS, "working days after the filing of an objection; fewer finds more"
        ),
        "repair_working_days": Parameter(
            REPAIR_WORKING_DAYS, "working days after the application for a repair; fewer finds more"
        ),
        "holidays": Parameter(
            [],
            "days from Monday to Friday on which nobody works, in place of a year's calendar; more finds less",
            days="off",
        ),
        "workdays": Parameter([], "Saturdays and Sundays that are worked; more finds more", days="worked"),
    },
    sum=Sum(
        acts=frozenset({OBJECTION_FILED, OBJECTION_DECIDED, REPAIR_APPLIED, REPAIR_DECIDED}),
        scopes=scopes,
        judge=judge,
        due=True,
    ),
)

_RULES = pack()


def _filed(time: str) -> Json:
    return event("objection.filed", SELLER, time, objection="o", record="r", grounds="it was not us")


def _decided(time: str, objection: str = "o") -> Json:
    return event("objection.decided", SELLER, time, objection=objection, outcome="rejected", decided_by="an office")


def _applied(time: str) -> Json:
    return event("repair.applied", SELLER, time, repair="o", record="r", evidence=["document-1"])


def _repaired(time: str) -> Json:
    return event("repair.decided", SELLER, time, repair="o", outcome="granted", decided_by="an office")


def _late(last_day_: str, kind: str = "objection") -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": SELLER},
        "evidence": {kind: "o", "last_day": last_day_},
    }


def _clock(**parameters: object) -> Json:
    return pack(detectors={"credit-clock": parameters})


CASES = (
    *(
        Case(name=f"seven working days over the Spring Festival, {name}", rules=_RULES, events=events, fires=fires)
        for name, events, fires in (
            ("the day before the last", [_filed("2026-02-11"), _decided("2026-02-26T12:00")], []),
            ("the last", [_filed("2026-02-11T23:00"), _decided("2026-02-27T23:59:59.999999")], []),
            (
                "at the end of the last",
                [_filed("2026-02-11"), _decided("2026-02-28"), _filed("2026-03-02") | {"subject": BUYER}],
                [_late("2026-02-27")],
            ),
            ("one too many", [_filed("2026-02-11"), _decided("2026-02-28T00:00:00.000001")], [_late("2026-02-27")]),
        )
    ),
    *(
        Case(name=f"ten working days over National Day, {name}", rules=_RULES, events=events, fires=fires)
        for name, events, fires in (
            ("the last", [_applied("2026-09-25"), _repaired("2026-10-15T23:59:59.999999")], []),
            ("one too many", [_applied("2026-09-25"), _repaired("2026-10-17")], [_late("2026-10-15", "repair")]),
        )
    ),
    *(
        Case(
            name=f"three working days of the pack, {name}",
            rules=_clock(objection_working_days=3),
            events=[_filed("2026-09-30"), _decided(time)],
            fires=fires,
        )
        for name, time, fires in (
            ("the last, a Saturday that is worked", "2026-10-10T18:00", []),
            ("one too many", "2026-10-12", [_late("2026-10-10")]),
        )
    ),
    *(
        Case(name=f"not decided, {name}", rules=_RULES, events=[_filed("2025-03-03")], until=until, fires=fires)
        for name, until, fires in (
            ("at the end of the last day", "2025-03-13T00:00:00+08:00", []),
            ("just after", "2025-03-13T00:00:00.000001+08:00", [_late("2025-03-12")]),
        )
    ),
    Case(
        name="a year whose calendar is not known",
        rules=_RULES,
        events=[_filed("2026-12-29"), _decided("2027-12-01")],
    ),
    Case(
        name="a year that the pack knows",
        rules=_clock(holidays=["2027-01-01"]),
        events=[_filed("2026-12-29")],
        until="2027-02-01T00:00:00+08:00",
        fires=[_late("2027-01-08")],
    ),
    Case(
        name="a year of which the pack names other days",
        rules=_clock(holidays=["2025-03-04"], workdays=["2025-03-08"]),
        events=[_filed("2025-03-03")],
        until="2026-01-01T00:00:00+08:00",
        fires=[_late("2025-03-12")],
    ),
    Case(name="a decision of what was not filed", rules=_RULES, events=[_decided("2025-03-03")], until="2025-12-01"),
    Case(
        name="a decision of another objection",
        rules=_RULES,
        events=[_filed("2025-03-03"), _decided("2025-03-04", "p")],
        until="2025-12-01T00:00:00+08:00",
        fires=[_late("2025-03-12")],
    ),
    Case(
        name="a decision that was made in time and comes late",
        rules=_RULES,
        events=[_filed("2025-03-03"), _filed("2025-06-03") | {"subject": BUYER}, _decided("2025-03-12T18:00")],
    ),
    Case(
        name="a decision that was taken back",
        rules=_RULES,
        events=[_filed("2025-03-03"), _decided("2025-03-04"), retracted(_decided("2025-03-04"), "2025-12-02")],
        fires=[_late("2025-03-12")],
    ),
    Case(
        name="an objection that was taken back",
        rules=_RULES,
        events=[_filed("2025-03-03"), retracted(_filed("2025-03-03"), "2025-12-02")],
    ),
)
