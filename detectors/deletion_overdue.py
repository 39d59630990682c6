"""A contract ended, and within the days that it gives nobody proved that the data was deleted.

Why it matters: data that outlives its contract is used and passed on without anybody who watches. Who was entrusted
with personal data has to give it back or delete it when the contract ends (Personal Information Protection Law,
articles 21 and 47).

False positives: a deletion that was made and not reported; the proof may come late to the exchange, and counts by its
own `time`. An end that was reported wrongly moves the deadline when it is corrected.

What to do: ask the buyer for the proof. One that is made after the deadline rectifies the case and does not clear the
finding. Have the seller look for the watermark meanwhile.
"""

from collections.abc import Iterable

from circulation.calendar import format_instant, past
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACT_TERMINATED, DELETION_PROVED
from circulation.examples import BUYER, Case, Json, event, pack, retracted, signed, terminated, terms
from circulation.facts.acts import NEVER, Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Rule, Sum, over
from circulation.words import many


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract, where its terms ever gave such days."""
    if facts.contract(act.subject).gave("delete_within_days"):
        yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds the earliest proof against the deadline; what is said stands once the clock is past it.

    Within n days means `time` ≤ end + n × 24 h. A later proof changes nothing of what is said, evidence included.
    """
    if act.type == DELETION_PROVED and DELETION_PROVED not in ledger:
        ledger[DELETION_PROVED] = act.time
    ledger.drop(scope)
    ended = facts.contract(scope).end
    if ended is None:
        return ()
    end, statement = ended
    within_days = statement.terms.delete_within_days
    if within_days is None:
        return ()
    deadline = past(end, within_days)
    if ledger.get(DELETION_PROVED, NEVER) <= deadline:
        return ()
    ledger.keep(
        scope,
        Said(
            severity=RULE.severity,
            about=About("contract", scope),
            party=statement.buyer,
            occurred=deadline,
            summary=(
                f"The contract ended at {format_instant(end)}, and no deletion was proved within"
                f" {many(within_days, 'day')}, by {format_instant(deadline)}."
            ),
            summary_zh=(
                f"合同于 {format_instant(end)} 终止，在 {within_days:,} 天内（至 {format_instant(deadline)}）"
                "未收到删除证明。"
            ),
            evidence={
                "end": format_instant(end),
                "deadline": format_instant(deadline),
                "delete_within_days": within_days,
            },
            apart=(str(end),),
            due=deadline,
            asset=statement.asset,
        ),
    )
    return ()


RULE = Rule(
    id="deletion-overdue",
    title="No proof of deletion after the end of a contract",
    title_zh="合同终止后未证明删除",
    about="contract",
    severity="orange",
    articles=("个人信息保护法 21", "个人信息保护法 47"),
    sum=Sum(
        due=True,
        acts=frozenset(
            {
                CONTRACT_SIGNED,
                CONTRACT_AMENDED,
                CONTRACT_TERMINATED,
                DELETION_PROVED,
            }
        ),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"contract"}),
    ),
)


_TERMS = terms(valid_to="2025-03-01", delete_within_days=15)
_SIGNED = signed("c", "2025-01-01", terms=_TERMS)
_DEADLINE = "2025-03-16T00:00:00+08:00"
_AFTER = "2025-03-16T00:00:00.000001+08:00"
_RULES = pack()


def _overdue(end: str = "2025-03-01T00:00:00+08:00", deadline: str = _DEADLINE, days: int = 15) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": deadline,
        "evidence": {"end": end, "deadline": deadline, "delete_within_days": days},
    }


def _proved(time: str, contract: str = "c") -> Json:
    return event("deletion.proved", contract, time, evidence="document-9")


CASES = (
    Case(name="before the deadline", events=[_SIGNED], until="2025-03-15T23:59:59.999999+08:00", rules=_RULES),
    Case(name="at the deadline", events=[_SIGNED], until=_DEADLINE, rules=_RULES),
    Case(name="past the deadline", events=[_SIGNED], until=_AFTER, fires=[_overdue()], rules=_RULES),
    *(
        Case(
            name=f"a proof {name}",
            events=[_SIGNED, _proved(time)],
            until="2025-04-01T00:00:00+08:00",
            fires=fires,
            rules=_RULES,
        )
        for name, time, fires in (
            ("just before the deadline", "2025-03-15T23:59:59.999999", []),
            ("at the deadline", "2025-03-16", []),
            ("just after the deadline", "2025-03-16T00:00:00.000001", [_overdue()]),
        )
    ),
    Case(
        name="a proof that arrives late and was made in time refutes it",
        events=[_SIGNED, signed("other", "2025-04-01"), _proved("2025-03-10")],
        rules=_RULES,
    ),
    Case(
        name="a proof for another contract",
        events=[_SIGNED, _proved("2025-03-10", contract="other")],
        until=_AFTER,
        fires=[_overdue()],
        rules=_RULES,
    ),
    Case(
        name="a proof that was taken back",
        events=[_SIGNED, _proved("2025-03-10"), retracted(_proved("2025-03-10"), "2025-03-11")],
        until=_AFTER,
        fires=[_overdue()],
        rules=_RULES,
    ),
    Case(
        name="terms that ask for no deletion",
        events=[signed("c", "2025-01-01", terms=terms(valid_to="2025-03-01"))],
        until="2026-01-01T00:00:00+08:00",
        rules=_RULES,
    ),
    Case(
        name="a contract without an end",
        events=[signed("c", "2025-01-01", terms=terms(delete_within_days=15))],
        until="2026-01-01T00:00:00+08:00",
        rules=_RULES,
    ),
    Case(
        name="a termination is the end where it comes first",
        events=[_SIGNED, terminated("c", "2025-02-01T12:00")],
        until="2025-02-17T00:00:00+08:00",
        fires=[_overdue("2025-02-01T12:00:00+08:00", "2025-02-16T12:00:00+08:00")],
        rules=_RULES,
    ),
    Case(
        name="a termination after the end changes nothing",
        events=[_SIGNED, terminated("c", "2025-03-10")],
        until=_AFTER,
        fires=[_overdue()],
        rules=_RULES,
    ),
    Case(
        name="an amendment before the end moves it",
        events=[_SIGNED, signed("c", "2025-02-01", amended=True, terms=_TERMS | {"valid_to": "2025-06-01"})],
        until=_AFTER,
        rules=_RULES,
    ),
    Case(
        name="an amendment after the end does not undo it",
        events=[_SIGNED, signed("c", "2025-03-02", amended=True, terms=_TERMS | {"valid_to": "2025-06-01"})],
        until=_AFTER,
        fires=[_overdue()],
        rules=_RULES,
    ),
    Case(
        name="an amendment that arrives late clears the first deadline and sets another",
        events=[
            _SIGNED,
            signed("other", "2025-04-01"),
            signed("c", "2025-02-01", amended=True, terms=_TERMS | {"valid_to": "2025-06-01", "delete_within_days": 1}),
        ],
        until="2025-06-02T00:00:00.000001+08:00",
        fires=[_overdue("2025-06-01T00:00:00+08:00", "2025-06-02T00:00:00+08:00", 1)],
        rules=_RULES,
    ),
    Case(
        name="no days at all: the end is the deadline",
        events=[signed("c", "2025-01-01", terms=_TERMS | {"delete_within_days": 0})],
        until="2025-03-01T00:00:00.000001+08:00",
        fires=[_overdue(deadline="2025-03-01T00:00:00+08:00", days=0)],
        rules=_RULES,
    ),
)
