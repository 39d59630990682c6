"""An incident is reported late, or not at all.

Why it matters: the hours after an incident decide how far it spreads. Operators of critical infrastructure report
within one hour, state organs within two, all others within four (Measures on the Reporting of Cybersecurity Incidents,
article 4).

False positives: a report that was made in time and sent late; the finding is cleared when it arrives. Incidents below
the grade that has to be reported: leave them out, or report them in time.

What to do: have the incident reported at once. A late report rectifies the case and does not clear the finding.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import DAYS_MAX, HOUR, format_instant
from circulation.events.names import INCIDENT_DISCOVERED, INCIDENT_REPORTED
from circulation.examples import SELLER, Case, Json, event, pack, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key
from circulation.rules import Parameter, Rule, Sum
from circulation.words import many


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The incident of the party."""
    yield join_key(act.subject, act.data.incident)


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds the report against the deadline; what is said stands once the clock is past it."""
    discovered = next((act for act in acts if act.type == INCIDENT_DISCOVERED), None)
    if discovered is None:
        return []
    operator = discovered.data.operator
    hours = facts.parameters(discovered.time)[f"{operator}_hours"]
    deadline = discovered.time + int(min(hours, 24 * DAYS_MAX) * HOUR)
    if any(act.type == INCIDENT_REPORTED and act.time <= deadline for act in acts):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("party", discovered.subject),
            party=discovered.subject,
            occurred=deadline,
            apart=(discovered.data.incident,),
            due=deadline,
            summary=(
                f"The incident {discovered.data.incident} was discovered at {format_instant(discovered.time)} and not"
                f" reported within {many(hours, 'hour')}, by {format_instant(deadline)}."
            ),
            summary_zh=(
                f"安全事件 {discovered.data.incident} 于 {format_instant(discovered.time)} 发现，"
                f"{hours:,} 小时内（至 {format_instant(deadline)}）未报告。"
            ),
            evidence={
                "incident": discovered.data.incident,
                "hours": hours,
                "kind": discovered.data.kind,
                "operator": operator,
                "discovered": format_instant(discovered.time),
                "deadline": format_instant(deadline),
            },
        )
    ]


RULE = Rule(
    id="incident-late",
    title="An incident that was not reported in time",
    title_zh="安全事件未按时报告",
    about="party",
    severity="red",
    articles=("国家网络安全事件报告管理办法 4",),
    parameters={
        "ciio_hours": Parameter(
            1, "hours that an operator of critical infrastructure has; fewer finds more", at_most="state_hours"
        ),
        "state_hours": Parameter(2, "hours that a state organ has", at_most="other_hours"),
        "other_hours": Parameter(4, "hours that anybody else has"),
    },
    sum=Sum(due=True, acts=frozenset({INCIDENT_DISCOVERED, INCIDENT_REPORTED}), scopes=scopes, judge=judge),
)


def _discovered(operator: str = "other", incident: str = "i", time: str = "2025-03-01") -> Json:
    return event("incident.discovered", SELLER, time, incident=incident, kind="leak", operator=operator)


def _reported(time: str, incident: str = "i") -> Json:
    return event("incident.reported", SELLER, time, incident=incident)


def _late(deadline: str, incident: str = "i") -> Json:
    return {
        "severity": "red",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "occurred": deadline,
        "evidence": {"incident": incident, "deadline": deadline},
    }


_RULES = pack()
_FOUR = "2025-03-01T04:00:00+08:00"

CASES = (
    *(
        Case(
            name=f"{operator}: a report {name} {hours} hours",
            rules=_RULES,
            events=[_discovered(operator), _reported(time)],
            until="2025-03-02",
            fires=[_late(f"2025-03-01T0{hours}:00:00+08:00")] if name == "after" else [],
        )
        for operator, hours in (("ciio", 1), ("state", 2), ("other", 4))
        for name, time in (
            ("before", f"2025-03-01T0{hours - 1}:59:59.999999"),
            ("at", f"2025-03-01T0{hours}:00"),
            ("after", f"2025-03-01T0{hours}:00:00.000001"),
        )
    ),
    Case(name="no report, at the deadline", rules=_RULES, events=[_discovered()], until=_FOUR),
    Case(
        name="no report, past the deadline",
        rules=_RULES,
        events=[_discovered()],
        until="2025-03-01T04:00:00.000001+08:00",
        fires=[_late(_FOUR)],
    ),
    Case(
        name="a report of another incident",
        rules=_RULES,
        events=[_discovered(), _reported("2025-03-01T01:00", "j")],
        until="2025-03-02",
        fires=[_late(_FOUR)],
    ),
    Case(
        name="a report of what was not discovered", rules=_RULES, events=[_reported("2025-03-01")], until="2025-06-01"
    ),
    Case(
        name="a report that arrives late and was made in time",
        rules=_RULES,
        events=[_discovered(), _discovered(incident="j", time="2025-04-01"), _reported("2025-03-01T01:00")],
    ),
    Case(
        name="a report that was taken back",
        rules=_RULES,
        events=[_discovered(), _reported("2025-03-01T01:00"), retracted(_reported("2025-03-01T01:00"), "2025-03-02")],
        fires=[_late(_FOUR)],
    ),
    Case(
        name="other hours of the pack",
        rules=pack(detectors={"incident-late": {"other_hours": 24}}),
        events=[_discovered()],
        until="2025-03-01T12:00:00+08:00",
    ),
)
