"""An export claims an exemption that its own numbers contradict.

Why it matters: the exemptions for staff and for data of nobody take an export out of the year's sums; claimed wrongly,
they hide it (Provisions on Promoting and Regulating Cross-border Data Flows, articles 3 and 5).

False positives: staff of subsidiaries that are registered apart; a number of employees that is out of date and is
registered anew. Where the number of employees is not known nothing is said, and the exemption does not hold.

What to do: ask for the labour rules or the group agreement that the transfer rests on; count the export otherwise.
"""

from circulation.events.names import EXPORT_PERFORMED
from circulation.examples import SELLER, Case, Json, exported, pack, party, retracted
from circulation.exports import people
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule
from circulation.words import EXEMPTION, many, zh


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds the persons of an export against what its exemption allows: all employees, or nobody."""
    exemption, persons = act.data.exemption, people(act)
    registration = facts.party(act.subject).at(act.time)
    if exemption == "no-personal":
        allowed: int | None = 0
    elif exemption == "hr":
        allowed = None if registration is None else registration.employees
    else:
        return []
    if allowed is None or persons <= allowed:
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("party", act.subject),
            party=act.subject,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"An export of {many(persons, 'person')} claims the exemption {exemption}, which allows {allowed:,}."
            ),
            summary_zh=(
                f"一次涉及 {persons:,} 人的出境以“{zh(EXEMPTION, exemption)}”申请豁免，该豁免只允许 {allowed:,} 人。"
            ),
            evidence={"exemption": exemption, "persons": persons, "allowed": allowed},
            asset=act.data.asset,
        )
    ]


RULE = Rule(
    id="export-exemption-misuse",
    title="An exemption that the numbers contradict",
    title_zh="豁免与数量不符",
    about="party",
    severity="yellow",
    articles=("促进和规范数据跨境流动规定 3", "促进和规范数据跨境流动规定 5"),
    check=Check(acts=frozenset({EXPORT_PERFORMED}), check=check, needs=frozenset({"party"})),
)


def _misused(exemption: str, persons: int, allowed: int) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"exemption": exemption, "persons": persons, "allowed": allowed},
    }


_RULES, _DAY = pack(), "2025-02-01"
_EMPLOYER = party(SELLER, employees=100)


def _staff(persons: int, sensitive: int = 0) -> Json:
    return exported(SELLER, _DAY, persons=persons, sensitive_persons=sensitive, exemption="hr")


CASES = (
    *(
        Case(name=f"{persons} of 100 employees", rules=_RULES, events=[_EMPLOYER, _staff(persons)], fires=fires)
        for persons, fires in ((99, []), (100, []), (101, [_misused("hr", 101, 100)]))
    ),
    Case(
        name="employees are all persons, sensitive ones too",
        rules=_RULES,
        events=[_EMPLOYER, _staff(50, 51)],
        fires=[_misused("hr", 101, 100)],
    ),
    Case(name="employees that are not known", rules=_RULES, events=[party(SELLER), _staff(101)]),
    Case(name="an exporter that is not registered", rules=_RULES, events=[_staff(101)]),
    Case(
        name="employees that are registered late",
        rules=_RULES,
        events=[_staff(101), party(SELLER, "2025-03-01", employees=100)],
        fires=[_misused("hr", 101, 100)],
    ),
    *(
        Case(
            name=f"{persons} and {sensitive} persons in data of nobody",
            rules=_RULES,
            events=[
                exported(SELLER, _DAY, persons=persons, sensitive_persons=sensitive, exemption="no-personal"),
            ],
            fires=[_misused("no-personal", 1, 0)] if persons or sensitive else [],
        )
        for persons, sensitive in ((0, 0), (1, 0), (0, 1))
    ),
    Case(
        name="another exemption",
        rules=_RULES,
        events=[_EMPLOYER, exported(SELLER, _DAY, persons=101, exemption="contract")],
    ),
    Case(
        name="an export that was taken back",
        rules=_RULES,
        events=[_EMPLOYER, _staff(101), retracted(_staff(101), "2025-02-02")],
    ),
)
