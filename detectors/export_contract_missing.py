"""A party sent data about so many persons abroad in a year that a standard contract or a certification was due.

Why it matters: from 100,000 persons on, and for any sensitive data, an exporter files a standard contract or has itself
certified, until the volume asks for a security assessment (Provisions on Promoting and Regulating Cross-border Data
Flows, article 8).

False positives: one person in two exports counts twice. A filing or an exemption that was not reported; the finding is
cleared once it is, if it is of that time.

What to do: have the contract filed within ten working days, or the exports stopped.

The year is summed as in `export-assessment-missing`. At an export at which that rule's band is reached nothing is said
here; what an earlier export of the year raised stands.
"""

from collections.abc import Iterable

from circulation.calendar import year_of
from circulation.examples import SELLER, THIRD, Case, Json, exported, granted, pack, party, retracted
from circulation.exports import ACTS, NEEDS, ciio, counted, covered, years
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import many

KINDS = ("standard-contract", "certification", "security-assessment")


def step(ledger: Ledger, _: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Adds an export; the first one of a year in the band that nothing covers says so."""
    export = None if "said" in ledger else counted(act, facts)
    if export is None:
        return
    persons = ledger["persons"] = ledger.get("persons", 0) + export.persons
    sensitive = ledger["sensitive"] = ledger.get("sensitive", 0) + export.sensitive_persons
    parameters = facts.parameters(act.time)
    if persons >= parameters["assessment_persons"] or sensitive >= parameters["assessment_sensitive_persons"]:
        return
    if persons < parameters["persons"] and sensitive < parameters["sensitive_persons"]:
        return
    if ciio(export, facts) or covered(export, facts, *KINDS):
        return
    ledger["said"] = True
    year = year_of(act.time)
    yield Said(
        severity=RULE.severity,
        about=About("party", export.party),
        party=export.party,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"With {many(persons, 'person')} in {year}, and sensitive data of {sensitive:,}, the exporter needs a"
            " standard contract or a certification, and none covers the export."
        ),
        summary_zh=(
            f"{year} 年累计出境 {persons:,} 人的个人信息、{sensitive:,} 人的敏感个人信息，应订立标准合同或通过认证，"
            "没有其中任何一项覆盖该次出境。"
        ),
        evidence={"year": year, "persons": persons, "sensitive_persons": sensitive},
        apart=(str(year),),
        asset=export.asset,
    )


RULE = Rule(
    id="export-contract-missing",
    title="Exports without a standard contract or certification",
    title_zh="出境无标准合同或认证",
    about="party",
    severity="orange",
    articles=("促进和规范数据跨境流动规定 8", "个人信息保护法 38"),
    parameters={
        "persons": Parameter(
            100_000,
            "persons of one year from which on a contract is needed; fewer finds more",
            below="assessment_persons",
        ),
        "sensitive_persons": Parameter(
            1, "the same for persons of whom sensitive data is sent", below="assessment_sensitive_persons"
        ),
        "assessment_persons": Parameter(
            1_000_000,
            "persons from which on an assessment is needed, another rule's",
            alike="export-assessment-missing.persons",
        ),
        "assessment_sensitive_persons": Parameter(
            10_000,
            "the same for persons of whom sensitive data is sent",
            alike="export-assessment-missing.sensitive_persons",
        ),
    },
    sum=Sum(acts=ACTS, scopes=years, judge=over(step), step=step, needs=NEEDS),
)


def _found(persons: int = 0, sensitive: int = 0, year: int = 2025, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"year": year, "persons": persons, "sensitive_persons": sensitive},
        **more,
    }


_RULES, _DAY = pack(), "2025-03-01"


def _sent(persons: int, sensitive: int = 0, time: str = _DAY, **data: object) -> Json:
    return exported(SELLER, time, persons=persons, sensitive_persons=sensitive, **data)


CASES = (
    *(
        Case(
            name=f"{persons:,} persons and {sensitive:,} sensitive ones",
            rules=_RULES,
            events=[_sent(persons, sensitive)],
            fires=[_found(persons, sensitive)] if fires else [],
        )
        for persons, sensitive, fires in (
            (99_999, 0, False),
            (100_000, 0, True),
            (100_001, 0, True),
            (999_999, 0, True),
            (1_000_000, 0, False),
            (1_000_001, 0, False),
            (0, 0, False),
            (0, 1, True),
            (0, 2, True),
            (0, 9_999, True),
            (0, 10_000, False),
            (0, 10_001, False),
            (1_000_000, 1, False),
        )
    ),
    Case(
        name="once a year, at the export that first reaches the band, and it stands when the band above is reached",
        rules=_RULES,
        events=[
            _sent(99_999, time="2025-03-01"),
            _sent(1, time="2025-03-02", id="second"),
            _sent(1, time="2025-03-03"),
            _sent(1_000_000, time="2025-03-04"),
        ],
        fires=[_found(100_000, cause={"source": "//exchange.example", "id": "second"})],
    ),
    Case(
        name="late exports are judged in the order of their times",
        rules=_RULES,
        events=[_sent(60_000, time="2025-03-03", id="last"), _sent(40_000, time="2025-03-01")],
        fires=[_found(100_000, cause={"source": "//exchange.example", "id": "last"})],
    ),
    Case(
        name="a year begins at midnight in Beijing",
        rules=_RULES,
        events=[
            _sent(99_999, time="2025-12-31T15:59:59.999999Z"),
            _sent(99_999, time="2025-12-31T16:00:00Z"),
            _sent(1, time="2026-06-01"),
        ],
        fires=[_found(100_000, year=2026)],
    ),
    *(
        Case(name=f"covered: {name}", rules=_RULES, events=[granted(SELLER, time, kind), _sent(100_000)], fires=fires)
        for name, time, kind, fires in (
            ("a standard contract", "2025-01-02", "standard-contract", []),
            ("a certification", "2025-01-02", "certification", []),
            ("an assessment", "2025-01-02", "security-assessment", []),
            ("a contract at the export", _DAY, "standard-contract", []),
            ("not by one just after", "2025-03-01T00:00:00.000001", "standard-contract", [_found(100_000)]),
            ("not by consent", "2025-01-02", "consent", [_found(100_000)]),
        )
    ),
    Case(
        name="an exemption that holds is not counted, one that does not is",
        rules=_RULES,
        events=[party(SELLER), _sent(100_000, exemption="contract"), _sent(100_000, time="2025-03-02", exemption="hr")],
        fires=[_found(100_000)],
    ),
    Case(
        name="an operator of critical infrastructure is another rule's",
        rules=_RULES,
        events=[party(SELLER, ciio=True), _sent(100_000)],
    ),
    Case(
        name="parties are summed apart, and what was taken back does not count",
        rules=_RULES,
        events=[
            _sent(99_999),
            _sent(1, time="2025-03-02"),
            retracted(_sent(1, time="2025-03-02"), "2025-03-03"),
            exported(THIRD, _DAY, persons=1),
        ],
    ),
    Case(
        name="another limit of the pack",
        rules=pack(detectors={"export-contract-missing": {"persons": 10}}),
        events=[_sent(10)],
        fires=[_found(10)],
    ),
)
