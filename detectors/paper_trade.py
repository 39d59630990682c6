"""A contract was paid, and nothing was delivered or used.

Why it matters: a trade on paper makes turnover that subsidies and rankings are given for, and moves money that has
another reason (Beijing's opinion of 2023-06-20, article 23, supports real trade).

False positives: prepayment for what is delivered later than the days allow; a delivery that nobody reported. What was
delivered or used before the payment counts too, and what is reported late counts by its own `time`.

What to do: ask both sides for the proof of delivery; take the trade out of the statistics until there is one.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant
from circulation.cases import BUYER, SELLER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts import Act, Facts, past
from circulation.findings import About, Said
from circulation.rules import Parameter, Rule, Sum

SETTLED, DELIVERED = "circulation.settlement.paid", "circulation.delivery.completed"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract."""
    yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Each settlement waits for a delivery or a use; what is said stands once the clock is past its deadline."""
    served = [act.time for act in acts if act.type == DELIVERED]
    first_use = facts.first_use(scope)
    if first_use is not None:
        served.append(first_use)
    earliest = min(served, default=None)
    found = []
    for act in acts:
        if act.type != SETTLED:
            continue
        within_days = facts.parameters(act.time)["days"]
        deadline = past(act.time, within_days)
        if earliest is not None and earliest <= deadline:
            continue
        contract = facts.contract(scope).statement(act.time)
        found.append(
            Said(
                severity=RULE.severity,
                about=About("contract", scope),
                party=None if contract is None else contract.seller,
                occurred=deadline,
                summary=(
                    f"{act.data.amount} {act.data.currency} were paid at {format_instant(act.time)}, and nothing was"
                    f" delivered or used by {format_instant(deadline)}, {within_days} days later."
                ),
                evidence={
                    "settlement": act.data.settlement,
                    "paid": format_instant(act.time),
                    "deadline": format_instant(deadline),
                },
                apart=(act.data.settlement,),
                due=deadline,
                asset=None if contract is None else contract.asset,
            )
        )
    return found


RULE = Rule(
    id="paper-trade",
    title="Paid, and nothing delivered or used",
    about="contract",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23", "反不正当竞争法 9"),
    parameters={"days": Parameter(30, "days after a settlement within which something is to be delivered or used")},
    sum=Sum(
        due=True,
        acts=frozenset({SETTLED, DELIVERED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"contract", "uses"}),
    ),
)


def _paid(time: str = "2025-02-01", settlement: str = "s") -> Json:
    return event("settlement.paid", "c", time, settlement=settlement, payer=BUYER, payee=SELLER, amount="100.00")


_DEADLINE = "2025-03-03T00:00:00+08:00"
_AFTER = "2025-03-03T00:00:00.000001+08:00"
_SIGNED = signed("c", "2025-01-01")
_RULES = pack()
_PAPER: Json = {
    "severity": "orange",
    "about": {"kind": "contract", "id": "c"},
    "party": SELLER,
    "occurred": _DEADLINE,
    "evidence": {"settlement": "s"},
}

CASES = (
    Case(name="at the deadline", rules=_RULES, events=[_SIGNED, _paid()], until=_DEADLINE),
    Case(name="past the deadline", rules=_RULES, events=[_SIGNED, _paid()], until=_AFTER, fires=[_PAPER]),
    *(
        Case(
            name=f"a {what} {name}",
            rules=_RULES,
            events=[_SIGNED, _paid(), served],
            until="2025-06-01",
            fires=fires,
        )
        for name, time, fires in (
            ("before the payment", "2025-01-02", []),
            ("at the deadline", "2025-03-03", []),
            ("just after the deadline", "2025-03-03T00:00:00.000001", [_PAPER]),
        )
        for what, served in (("delivery", delivered("c", time)), ("use", used("c", time)))
    ),
    Case(
        name="a use that is reported after the deadline and was made in time",
        rules=_RULES,
        events=[_SIGNED, _paid(), signed("other", "2025-04-01"), used("c", "2025-02-20")],
    ),
    Case(
        name="a delivery that was taken back",
        rules=_RULES,
        events=[_SIGNED, _paid(), delivered("c", "2025-02-02"), retracted(delivered("c", "2025-02-02"), "2025-02-03")],
        until=_AFTER,
        fires=[_PAPER],
    ),
    Case(
        name="each settlement has a deadline of its own",
        rules=_RULES,
        events=[_SIGNED, _paid(), _paid("2025-02-11", "t"), used("c", "2025-03-10")],
        until="2025-06-01",
        fires=[_PAPER],
    ),
    Case(
        name="a pack with other days",
        rules=pack(detectors={"paper-trade": {"mode": "enforce", "days": 40}}),
        events=[_SIGNED, _paid()],
        until=_AFTER,
    ),
    Case(name="a settlement of a contract that is not signed", rules=_RULES, events=[_paid()], until=_DEADLINE),
)
