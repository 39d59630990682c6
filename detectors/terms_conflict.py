"""Somebody states the terms, or the end, of a contract that is another's.

Why it matters: who may rewrite a contract under its id may loosen a licence, or end it, without those who signed it. So
what counts is the word of the contract's home alone: of the source that signed it first, and of others of its exchange.

False positives: two exchanges that gave one id to two contracts. The later one has no effect here, so it has to get an
id of its own. Two sources of one exchange are one home once `party` in the file of sources says so.

What to do: ask both sources whose contract it is; have the other one file its own under another id.

What a lesser reporter says of the signing is no conflict, but another side of it. Once a source and contract: at the
earliest statement.
"""

from collections.abc import Iterable

from circulation.calendar import format_instant
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACT_TERMINATED
from circulation.examples import SOURCE, Case, Json, event, pack, retracted, signed, terms
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule

STATED = {CONTRACT_SIGNED: "signed", CONTRACT_AMENDED: "amended", CONTRACT_TERMINATED: "terminated"}
STATED_ZH = {CONTRACT_SIGNED: "签订", CONTRACT_AMENDED: "变更", CONTRACT_TERMINATED: "终止"}


def check(act: Act, facts: Facts) -> Iterable[Said]:
    """Says of the first statement of each source that is not the contract's home where that is."""
    contract = facts.contract(act.subject)
    first = contract.conflicting(act.source)
    if first is None or (first.type, *order(first)) != (act.type, *order(act)):
        return
    statement = contract.statement(act.time)
    yield Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=None,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{act.source} states at {format_instant(act.time)} that {act.subject} was {STATED[act.type]}, which has no"
            f" effect: it is a contract of {contract.home.source}."
        ),
        summary_zh=(
            f"{act.source} 于 {format_instant(act.time)} 称合同 {act.subject} 已{STATED_ZH[act.type]}，该陈述无效："
            f"此合同由 {contract.home.source} 报送。"
        ),
        evidence={
            "home": contract.home.source,
            "given": act.source,
            "stated": STATED[act.type],
            "at": format_instant(act.time),
        },
        asset=None if statement is None else statement.asset,
    )


RULE = Rule(
    id="terms-conflict",
    title="Terms of a contract by another than its home",
    title_zh="其他来源对合同的不一致陈述",
    about="contract",
    severity="orange",
    articles=("contract only",),
    check=Check(acts=frozenset(STATED), check=check, needs=frozenset({"contract"}), every_report=True),
)


_RULES, _ELSEWHERE, _DAY = pack(), "//elsewhere.example", "2025-02-01"


def _conflict(occurred: str = _DAY, home: str = SOURCE, elsewhere: str = _ELSEWHERE, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "occurred": f"{occurred}T00:00:00+08:00",
        "evidence": {"home": home, "given": elsewhere},
        **more,
    }


def _from(
    source: str, time: str = _DAY, reporter: str | None = None, *, amended: bool = False, uses_max: int = 1000
) -> Json:
    return signed("c", time, amended=amended, source=source, reporter=reporter, terms=terms(uses_max=uses_max))


def _ended(source: str, time: str = _DAY, reporter: str | None = None) -> Json:
    return event("contract.terminated", "c", time, source=source, reporter=reporter, reason="no longer needed")


_SIGNED = signed("c", "2025-01-10", terms=terms(uses_max=10))

CASES = (
    Case(name="one source", rules=_RULES, events=[_SIGNED, _from(SOURCE, amended=True), _ended(SOURCE, "2025-03-01")]),
    *(
        Case(name=f"{name} by another source", rules=_RULES, events=[_SIGNED, statement], fires=[_conflict()])
        for name, statement in (
            ("a signing", _from(_ELSEWHERE)),
            ("an amendment", _from(_ELSEWHERE, amended=True)),
            ("a termination", _ended(_ELSEWHERE)),
            ("an amendment as a provider", _from(_ELSEWHERE, reporter="provider", amended=True)),
            ("a termination as a consumer", _ended(_ELSEWHERE, reporter="consumer")),
        )
    ),
    Case(
        name="what another source stated is told of once",
        rules=_RULES,
        events=[
            _SIGNED,
            _from(_ELSEWHERE),
            _from(_ELSEWHERE, "2025-02-02", amended=True),
            _ended(_ELSEWHERE, "2025-02-03"),
        ],
        fires=[_conflict()],
    ),
    Case(
        name="at the earliest, whatever came first",
        rules=_RULES,
        events=[_SIGNED, _ended(_ELSEWHERE, "2025-02-03"), _from(_ELSEWHERE)],
        fires=[_conflict()],
    ),
    Case(
        name="each other source is told of",
        rules=_RULES,
        events=[_SIGNED, _from(_ELSEWHERE), _from("//third.example", "2025-02-02")],
        fires=[_conflict(), _conflict("2025-02-02", elsewhere="//third.example")],
    ),
    Case(
        name="the first on the key is the home, also where it is dated later",
        rules=_RULES,
        events=[_SIGNED, _from(_ELSEWHERE, "2025-01-05")],
        fires=[_conflict("2025-01-05")],
    ),
    *(
        Case(name=f"the signing as its {reporter} sees it", rules=_RULES, events=[_SIGNED, statement])
        for reporter in ("provider", "consumer")
        for statement in (_from(_ELSEWHERE, reporter=reporter),)
    ),
    Case(
        name="a better reporter makes another home",
        rules=_RULES,
        events=[_from(_ELSEWHERE, reporter="provider"), _from(_ELSEWHERE, reporter="provider", amended=True), _SIGNED],
        fires=[_conflict()],
    ),
    Case(
        name="a signing that is taken back leaves a home",
        rules=_RULES,
        events=[_SIGNED, retracted(_SIGNED, "2025-01-11"), _from(_ELSEWHERE)],
        fires=[_conflict()],
    ),
    Case(
        name="a statement of another source that is taken back",
        rules=_RULES,
        events=[_SIGNED, _from(_ELSEWHERE), retracted(_from(_ELSEWHERE), "2025-02-02")],
    ),
    Case(name="what was never signed has no home", rules=_RULES, events=[_ended(SOURCE), _ended(_ELSEWHERE)]),
)
