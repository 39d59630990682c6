"""A party sent data about so many persons abroad in a year that its exports must have been assessed.

Why it matters: from 1,000,000 persons, or 10,000 of whom sensitive data is sent, in a calendar year on, a security
assessment has to come first (Provisions on Promoting and Regulating Cross-border Data Flows, article 7). The warnings
before that leave the time which an assessment takes.

False positives: one person in two exports counts twice, for only numbers are reported and nothing that tells persons
apart. An exemption or an assessment that was not reported; the finding is cleared once it is, if it is of that time.

What to do: at a warning ask whether an assessment is under way. At red have the exports stop until one covers asset,
country and recipient.

What is summed: all exports of the calendar year at +08:00 in the order of (`time`, `source`, `id`), covered or not, but
not those under an exemption that holds (articles 3 to 6); and what `undeclared-export` finds, while it stands. For an
operator of critical infrastructure `export-important-data` takes the place of this rule (article 7, 1).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from circulation.calendar import year_of
from circulation.examples import ABROAD, SELLER, THIRD, Case, Json, exported, granted, pack, party, retracted
from circulation.exports import ACTS, NEEDS, Exported, ciio, counted, covered, years
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said, Severity
from circulation.ledger import Ledger
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import LIMIT, many, zh

MEASURES = ("persons", "sensitive_persons")
FULL = 100


class _Reached(NamedTuple):
    """A band that a measure has reached, in percent of its limit."""

    measure: str
    band: int


def step(ledger: Ledger, _: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Adds an export: a band is said once a year, at the first export without an assessment that reaches it.

    Each measure warns on its own. Of the bands of one measure that an export reaches at once only the highest is said.
    The full band is one for both measures: where both reach it at once, that of `persons`.
    """
    export = counted(act, facts)
    if export is None:
        return
    for measure in MEASURES:
        ledger[measure] = ledger.get(measure, 0) + getattr(export, measure)
    sums = {measure: ledger.get(measure) for measure in MEASURES}
    parameters = facts.parameters(act.time)
    bands = (parameters["warning_percent"], parameters["late_warning_percent"], FULL)
    new = [
        reached
        for measure in MEASURES
        for band in bands
        if sums[measure] * 100 >= parameters[measure] * band and (reached := _Reached(measure, band)) not in ledger
    ]
    # While an assessment covers, nothing is said and nothing consumed: the next export without one says it.
    if not new or ciio(export, facts) or covered(export, facts, "security-assessment"):
        return
    for reached in new:
        ledger[reached] = True
    # By measure the highest of its bands, which come in their order.
    for highest in {reached.measure: reached for reached in new}.values():
        if highest.band == FULL:
            if "full" in ledger:
                continue
            ledger["full"] = True
        yield _said(act, export, highest, bands, sums, parameters)


def _said(
    act: Act,
    export: Exported,
    reached: _Reached,
    bands: tuple[int, int, int],
    sums: dict[str, int],
    parameters: dict[str, Any],
) -> Said:
    measure, band = reached
    full = band == FULL
    severities: tuple[Severity, ...] = ("blue", "yellow", "red")
    year, total, limit = year_of(act.time), sums[measure], parameters[measure]
    people = many(total, "person") + ("" if measure == "persons" else " with sensitive data")
    reaches = f"reaches the limit of {limit:,}" if full else f"reaches {band} % of the limit of {limit:,}"
    return Said(
        severity=severities[bands.index(band)],
        about=About("party", export.party),
        party=export.party,
        occurred=act.time,
        summary=(f"With {people} in {year}, the exporter {reaches}, and no security assessment covers the export."),
        summary_zh=(
            f"{year} 年出境{zh(LIMIT, measure)}累计 {total:,}，达到 {limit:,}{'' if full else f' 的 {band} %'}，"
            "没有数据出境安全评估覆盖该次出境。"
        ),
        evidence={"year": year, "measure": measure, "band": band, "sum": total, "limit": limit} | sums,
        cause=act.cause,
        # Severity does not tell two bands of one party apart, so a pack that moves a band makes another finding.
        apart=(str(year), "both" if full else measure, str(band)),
        asset=export.asset,
    )


RULE = Rule(
    id="export-assessment-missing",
    title="Exports without a security assessment",
    title_zh="出境未经安全评估",
    about="party",
    severity="red",
    articles=("促进和规范数据跨境流动规定 7", "数据出境安全评估办法 4"),
    parameters={
        "persons": Parameter(1_000_000, "persons of one year from which on an assessment is needed; fewer finds more"),
        "sensitive_persons": Parameter(10_000, "the same for persons of whom sensitive data is sent"),
        "warning_percent": Parameter(
            80, "share of either number at which it is blue; lower warns earlier", below="late_warning_percent"
        ),
        "late_warning_percent": Parameter(
            95, "share of either number at which it is yellow; lower warns earlier", below=100
        ),
    },
    sum=Sum(acts=ACTS, scopes=years, judge=over(step), step=step, needs=NEEDS),
)


def _band(severity: str, measure: str, band: int, total: int, cause: str | None = None, year: int = 2025) -> Json:
    limit = 1_000_000 if measure == "persons" else 10_000
    finding: Json = {
        "severity": severity,
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"year": year, "measure": measure, "band": band, "sum": total, "limit": limit},
    }
    return finding if cause is None else finding | {"cause": {"id": cause}}


def _at_once(total: int, measure: str, limit: int) -> list[Json]:
    for severity, band in (("red", 100), ("yellow", 95), ("blue", 80)):
        if total * 100 >= limit * band:
            return [_band(severity, measure, band, total)]
    return []


_EXEMPTIONS: dict[str, Json] = {
    "contract": {},
    "emergency": {},
    "foreign-origin": {},
    "hr": {"employees": 1_000_000},
    "ftz": {"ftz": "beijing"},
}

_RED = _band("red", "persons", 100, 1_000_000)


def _million(**export: Any) -> Json:
    return exported(SELLER, "2025-03-01", persons=1_000_000, **export)


CASES = (
    *(
        Case(
            name=f"{measure} at the boundary: {total:,}",
            events=[exported(SELLER, "2025-03-01", **{measure: total})],
            fires=_at_once(total, measure, limit),
        )
        for measure, limit in (("persons", 1_000_000), ("sensitive_persons", 10_000))
        for threshold in (limit * 80 // 100, limit * 95 // 100, limit)
        for total in (threshold - 1, threshold, threshold + 1)
    ),
    Case(
        name="each band once, at the export that first reaches it",
        events=[
            exported(SELLER, f"2025-03-{day:02}", persons=persons, id=f"e{day}")
            for day, persons in enumerate((799_999, 1, 1, 149_999, 49_998, 1, 1, 500_000), start=1)
        ],
        fires=[
            _band("blue", "persons", 80, 800_000, "e2"),
            _band("yellow", "persons", 95, 950_000, "e4"),
            _band("red", "persons", 100, 1_000_000, "e7"),
        ],
    ),
    Case(
        name="the order of arrival does not matter",
        events=[
            exported(SELLER, "2025-03-03", persons=1, id="last"),
            exported(SELLER, "2025-03-01", persons=999_998, id="first"),
            exported(SELLER, "2025-03-02", persons=1, id="middle"),
        ],
        fires=[_band("yellow", "persons", 95, 999_998, "first"), _band("red", "persons", 100, 1_000_000, "last")],
    ),
    *(
        Case(
            name=f"{persons:,} persons and {sensitive:,} sensitive ones at once: each measure warns on its own",
            events=[exported(SELLER, "2025-03-01", persons=persons, sensitive_persons=sensitive)],
            fires=fires,
        )
        for persons, sensitive, fires in (
            (799_999, 8_000, [_band("blue", "sensitive_persons", 80, 8_000)]),
            (800_000, 7_999, [_band("blue", "persons", 80, 800_000)]),
            (800_000, 8_000, [_band("blue", "persons", 80, 800_000), _band("blue", "sensitive_persons", 80, 8_000)]),
            (800_000, 9_500, [_band("blue", "persons", 80, 800_000), _band("yellow", "sensitive_persons", 95, 9_500)]),
            (
                1_000_000,
                8_000,
                [_band("red", "persons", 100, 1_000_000), _band("blue", "sensitive_persons", 80, 8_000)],
            ),
            (
                950_000,
                10_000,
                [_band("yellow", "persons", 95, 950_000), _band("red", "sensitive_persons", 100, 10_000)],
            ),
            (1_000_000, 10_000, [_band("red", "persons", 100, 1_000_000)]),
        )
    ),
    Case(
        name="after red a measure still warns",
        events=[
            exported(SELLER, "2025-03-01", persons=1_000_000),
            exported(SELLER, "2025-03-02", sensitive_persons=9_500),
            exported(SELLER, "2025-03-03", sensitive_persons=500),
        ],
        fires=[_band("red", "persons", 100, 1_000_000), _band("yellow", "sensitive_persons", 95, 9_500)],
    ),
    Case(
        name="warnings of one measure after those of the other",
        events=[
            exported(SELLER, "2025-03-01", persons=800_000),
            exported(SELLER, "2025-03-02", sensitive_persons=8_000),
        ],
        fires=[_band("blue", "persons", 80, 800_000), _band("blue", "sensitive_persons", 80, 8_000)],
    ),
    Case(
        name="red is once for both measures",
        events=[
            exported(SELLER, "2025-03-01", persons=1_000_000),
            exported(SELLER, "2025-03-02", sensitive_persons=10_000),
        ],
        fires=[_RED],
    ),
    Case(
        name="the parties are summed apart",
        events=[exported(SELLER, "2025-03-01", persons=500_000), exported(THIRD, "2025-03-01", persons=500_000)],
    ),
    Case(
        name="a year begins at midnight in Beijing",
        events=[
            exported(SELLER, "2025-12-31T15:59:59.999999Z", persons=799_999),
            exported(SELLER, "2025-12-31T16:00:00Z", persons=1),
            exported(SELLER, "2026-01-01", persons=799_999, export="another"),
        ],
        fires=[_band("blue", "persons", 80, 800_000, year=2026)],
    ),
    Case(
        name="an assessment that covers the export",
        events=[granted(SELLER, "2025-02-01", "security-assessment"), _million()],
    ),
    Case(
        name="an assessment for this country and recipient",
        events=[
            granted(SELLER, "2025-02-01", "security-assessment", countries=["DE"], recipients=[ABROAD]),
            _million(),
        ],
    ),
    Case(
        name="an assessment that is reported late refutes the finding",
        events=[_million(), granted(SELLER, "2025-02-01", "security-assessment")],
    ),
    *(
        Case(
            name=f"an assessment that does not cover: {name}",
            events=[granted(SELLER, time, kind, **grant), _million()],
            fires=[_RED],
        )
        for name, time, kind, grant in (
            ("another country", "2025-02-01", "security-assessment", {"countries": ["FR"]}),
            ("another recipient", "2025-02-01", "security-assessment", {"recipients": [THIRD]}),
            ("an asset, of an export that names none", "2025-02-01", "security-assessment", {"assets": ["asset"]}),
            ("a standard contract", "2025-02-01", "standard-contract", {}),
            ("issued later", "2025-03-01T00:00:00.000001", "security-assessment", {"valid_from": "2025-01-01"}),
            ("ended", "2025-02-01", "security-assessment", {"valid_to": "2025-03-01"}),
        )
    ),
    Case(
        name="exports under an assessment count, and the first without one says what they reached",
        events=[
            granted(SELLER, "2025-02-01", "security-assessment", valid_to="2025-03-02"),
            exported(SELLER, "2025-03-01", persons=999_999),
            exported(SELLER, "2025-03-02", persons=1, id="uncovered"),
        ],
        fires=[_band("red", "persons", 100, 1_000_000, "uncovered")],
    ),
    *(
        Case(
            name=f"an exemption that holds: {name}",
            events=[party(SELLER, **facts), _million(exemption=name), exported(SELLER, "2025-03-02", persons=799_999)],
        )
        for name, facts in _EXEMPTIONS.items()
    ),
    *(
        Case(
            name=f"an exemption that does not hold: {label}",
            events=[registered, _million(exemption=name)],
            fires=[_RED],
        )
        for label, name, registered in (
            ("more persons than employees", "hr", party(SELLER, employees=999_999)),
            ("employees not known", "hr", party(SELLER)),
            ("no zone", "ftz", party(SELLER)),
            ("persons", "no-personal", party(SELLER)),
        )
    ),
    Case(
        name="employees are all persons, sensitive ones too",
        events=[
            party(SELLER, employees=20_000),
            exported(SELLER, "2025-03-01", persons=10_001, sensitive_persons=10_000, exemption="hr"),
        ],
        fires=[_band("red", "sensitive_persons", 100, 10_000)],
    ),
    Case(
        name="an operator of critical infrastructure is another rule's",
        events=[party(SELLER, ciio=True), _million()],
    ),
    Case(
        name="its exports count once it is none any more",
        events=[
            party(SELLER, ciio=True),
            party(SELLER, "2025-03-02", ciio=False),
            _million(),
            exported(SELLER, "2025-03-02", persons=1),
        ],
        fires=[_band("red", "persons", 100, 1_000_001)],
    ),
    Case(
        name="a retracted export does not count",
        events=[
            _million(id="e1"),
            retracted(_million(id="e1"), "2025-03-02"),
            exported(SELLER, "2025-03-03", persons=800_000, id="e2"),
        ],
        fires=[_band("blue", "persons", 80, 800_000, "e2")],
    ),
    Case(
        name="another limit and another warning of the pack",
        events=[exported(SELLER, "2025-03-01", persons=500)],
        fires=[{"severity": "blue", "evidence": {"measure": "persons", "band": 50, "sum": 500, "limit": 1000}}],
        rules=pack(detectors={"export-assessment-missing": {"persons": 1000, "warning_percent": 50}}),
    ),
)
