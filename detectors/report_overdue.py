"""A buyer has not reported its use within the days that the contract gives.

Why it matters: who does not report cannot be supervised: use beyond the licence hides in the weeks of which nobody
says anything. Notice No. 16 of 2024 asks for the monitoring of what becomes of data after the trade.

False positives: a report that was made in time and arrives late; the finding is cleared when it does. Nothing was
used, and nobody said so: a report of no uses is a report, too.

What to do: ask the buyer for the report. One that is made after the deadline rectifies the case and does not clear the
finding.

Each report begins the days anew, whoever makes it. They begin with the start of the contract, which is the later of
its signing and of `valid_from`, and count while it is in force; terms that come no later than a deadline take the place
of those before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant, past
from circulation.daily import NEVER
from circulation.events.event import Event
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACT_TERMINATED
from circulation.examples import BUYER, Case, Json, event, pack, retracted, signed, terminated, terms, used
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Rule, Sum
from circulation.words import many


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract, where its terms ever gave such days."""
    if facts.contract(act.subject).gave("report_within_days"):
        yield act.subject


def judge(scope: str, _: Sequence[Act], facts: Facts) -> list[Said]:
    """Looks from the start and from each report for the next one.

    Between two reports of one day less than a day passes, so the first and the last of each day tell all there is.
    """
    contract = facts.contract(scope)
    if contract.signed is None:
        return []
    start = max(contract.signed.time, contract.statements[0].data.terms.valid_from)
    times = {instant for _, _, day in facts.used(scope) for instant in (day.first, day.last)}
    # What was reported before the start leaves it where it is. After `NEVER`, of a day without reports, nothing is due.
    bases = sorted({start, *(max(start, time) for time in times)})
    findings = []
    for base, following in zip(bases, [*bases[1:], NEVER], strict=True):
        finding = _overdue(contract, base, following, reported=base in times)
        if finding is not None:
            findings.append(finding)
    return findings


def _overdue(contract: ContractFacts, base: int, following: int, *, reported: bool) -> Said | None:
    """The first instant at which the days since `base` are over, where it comes before the report that follows."""
    statements = contract.statements
    end = NEVER if contract.end is None else contract.end[0]
    for at in range(max(0, bisect_right(statements, base, key=_time) - 1), len(statements)):
        statement = statements[at]
        begun = statement.time if at else -NEVER
        if begun >= following:
            break
        until = statements[at + 1].time if at + 1 < len(statements) else NEVER
        within_days = statement.data.terms.report_within_days
        if within_days is None:
            continue
        deadline = max(past(base, within_days), begun)
        if deadline >= min(following, until, end):
            continue
        since = "the last report" if reported else "the start of the contract"
        since_zh = "最近一次报告" if reported else "合同开始"
        return Said(
            severity=RULE.severity,
            about=About("contract", contract.id),
            party=statement.data.buyer,
            occurred=deadline,
            apart=(str(base),),
            due=deadline,
            summary=(
                f"No use was reported by {format_instant(deadline)}, within"
                f" {many(within_days, 'day')} of {since} at {format_instant(base)}."
            ),
            summary_zh=(
                f"自{since_zh}（{format_instant(base)}）起 {within_days:,} 天内，至 {format_instant(deadline)}"
                " 未报告使用情况。"
            ),
            evidence={
                "last_report": format_instant(base) if reported else None,
                "since": format_instant(base),
                "deadline": format_instant(deadline),
                "report_within_days": within_days,
            },
            asset=statement.data.asset,
        )
    return None


def _time(statement: Event) -> int:
    return statement.time


RULE = Rule(
    id="report-overdue",
    title="No report of use in time",
    title_zh="逾期未报告使用情况",
    about="contract",
    severity="yellow",
    articles=("实施意见 2023 (十二)", "民法典 509"),
    sum=Sum(
        due=True,
        acts=frozenset({CONTRACT_SIGNED, CONTRACT_AMENDED, CONTRACT_TERMINATED}),
        scopes=scopes,
        judge=judge,
        since_report=True,
        needs=frozenset({"contract", "days"}),
    ),
)


_RULES = pack()
_TERMS = terms(report_within_days=30)
_SIGNED = signed("c", "2025-02-01", terms=_TERMS)
_DEADLINE, _AFTER = "2025-03-03T00:00:00+08:00", "2025-03-03T00:00:00.000001+08:00"


def _fires(deadline: str = _DEADLINE, since: str = "2025-02-01T00:00:00+08:00", **evidence: object) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": deadline,
        "evidence": {"since": since, "deadline": deadline, **evidence},
    }


def _until(valid_to: str) -> Json:
    return signed("c", "2025-02-01", terms=_TERMS | {"valid_to": valid_to})


CASES = (
    Case(name="at the deadline", rules=_RULES, events=[_SIGNED], until=_DEADLINE),
    Case(name="past the deadline", rules=_RULES, events=[_SIGNED], until=_AFTER, fires=[_fires(last_report=None)]),
    *(
        Case(
            name=f"a first report {name} the deadline",
            rules=_RULES,
            events=[_SIGNED, used("c", time)],
            until="2025-03-20",
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-03-02T23:59:59.999999", []),
            ("at", "2025-03-03", []),
            ("just after", "2025-03-03T00:00:00.000001", [_fires()]),
        )
    ),
    *(
        Case(
            name=f"days since a report: {days}",
            rules=_RULES,
            events=[_SIGNED, used("c", "2025-02-10T12:00", id="u"), used("c", f"2025-{month}-{day}T12:00", id="v")],
            until="2025-03-20",
            fires=[
                _fires("2025-03-12T12:00:00+08:00", instant, last_report=instant)
                for instant in ["2025-02-10T12:00:00+08:00"] * (days > 30)
            ],
        )
        for days, month, day in ((29, "03", "11"), (30, "03", "12"), (31, "03", "13"))
    ),
    Case(
        name="each report that none follows in time, once",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-04-01", id="u"), used("c", "2025-06-01", id="v")],
        until="2025-08-01",
        fires=[
            _fires(),
            _fires("2025-05-01T00:00:00+08:00", "2025-04-01T00:00:00+08:00"),
            _fires("2025-07-01T00:00:00+08:00", "2025-06-01T00:00:00+08:00"),
        ],
    ),
    Case(
        name="several reports of one day: the last one counts",
        rules=_RULES,
        events=[
            _SIGNED,
            used("c", "2025-02-10T23:00", id="u"),
            used("c", "2025-02-10T01:00", id="v"),
            used("c", "2025-02-10T12:00", id="w"),
        ],
        until="2025-03-12T23:00:00.000001+08:00",
        fires=[_fires("2025-03-12T23:00:00+08:00", "2025-02-10T23:00:00+08:00")],
    ),
    Case(
        name="a report that arrives late and was made in time refutes it",
        rules=_RULES,
        events=[_SIGNED, signed("other", "2025-03-20"), used("c", "2025-03-01")],
    ),
    Case(
        name="a report that arrives late, in between others",
        rules=_RULES,
        events=[
            _SIGNED,
            used("c", "2025-02-20", id="u"),
            used("c", "2025-04-10", id="v"),
            used("c", "2025-03-15", id="w"),
        ],
        until="2025-05-01",
    ),
    Case(
        name="whoever reports, and however little",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-02-20", 0, reporter="provider"), used("c", "2025-03-20", reporter="consumer")],
        until="2025-04-01",
    ),
    Case(
        name="uses that were cancelled were reported",
        rules=_RULES,
        events=[
            _SIGNED,
            used("c", "2025-02-20", id="u"),
            event("usage.cancelled", "c", "2025-02-21", usage="u", uses=1),
        ],
        until="2025-03-20",
    ),
    Case(
        name="a report of another contract",
        rules=_RULES,
        events=[_SIGNED, signed("other", "2025-02-01"), used("other", "2025-02-20")],
        until=_AFTER,
        fires=[_fires()],
    ),
    Case(
        name="a report from before the start",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-01-31")],
        until=_AFTER,
        fires=[_fires(last_report=None)],
    ),
    Case(
        name="a report that came before the terms",
        rules=_RULES,
        events=[used("c", "2025-02-20"), _SIGNED],
        until="2025-03-22T00:00:00.000001+08:00",
        fires=[_fires("2025-03-22T00:00:00+08:00", "2025-02-20T00:00:00+08:00")],
    ),
    Case(
        name="the start is the later of signing and validity",
        rules=_RULES,
        events=[signed("c", "2025-01-01", terms=terms(valid_from="2025-02-01", report_within_days=30))],
        until=_AFTER,
        fires=[_fires()],
    ),
    Case(name="terms that ask for no reports", rules=_RULES, events=[signed("c", "2025-02-01")], until="2026-02-01"),
    *(
        Case(
            name=f"a contract that ends {name} the deadline",
            rules=_RULES,
            events=[_until(end)],
            until="2025-04-01",
            fires=fires,
        )
        for name, end, fires in (
            ("just before", "2025-03-02T23:59:59.999999+08:00", []),
            ("at", _DEADLINE, []),
            ("just after", _AFTER, [_fires()]),
        )
    ),
    Case(
        name="a termination before the deadline",
        rules=_RULES,
        events=[_SIGNED, terminated("c", "2025-03-01")],
        until="2025-06-01",
    ),
    Case(
        name="a termination after the deadline does not undo it",
        rules=_RULES,
        events=[_SIGNED, terminated("c", "2025-03-10")],
        fires=[_fires()],
    ),
    Case(
        name="a termination that was taken back",
        rules=_RULES,
        events=[_SIGNED, terminated("c", "2025-03-01"), retracted(terminated("c", "2025-03-01"), "2025-03-02")],
        until=_AFTER,
        fires=[_fires()],
    ),
    Case(
        name="an amendment before the deadline takes the place of it",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-03-01", amended=True, terms=terms(report_within_days=60))],
        until="2025-04-02T00:00:00.000001+08:00",
        fires=[_fires("2025-04-02T00:00:00+08:00", report_within_days=60)],
    ),
    Case(
        name="an amendment after the deadline does not undo it",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-03-04", amended=True, terms=terms(report_within_days=60))],
        fires=[_fires(report_within_days=30)],
    ),
    Case(
        name="an amendment to fewer days than have passed is due at once",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-03-01T12:00", amended=True, terms=terms(report_within_days=7))],
        until="2025-03-01T12:00:00.000001+08:00",
        fires=[_fires("2025-03-01T12:00:00+08:00", report_within_days=7)],
    ),
    Case(
        name="an amendment asks for reports of a contract that is used",
        rules=_RULES,
        events=[
            signed("c", "2025-01-01"),
            used("c", "2025-02-01", id="u"),
            used("c", "2025-02-10", id="v"),
            signed("c", "2025-02-20", amended=True, terms=_TERMS),
        ],
        until="2025-03-12T00:00:00.000001+08:00",
        fires=[_fires("2025-03-12T00:00:00+08:00", "2025-02-10T00:00:00+08:00")],
    ),
    Case(
        name="an amendment that asks for no reports any more",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-03-03", amended=True, terms=terms())],
        until="2025-06-01",
    ),
)
