"""A buyer has not paid what the contract says, when it says.

Why it matters: trades that are announced and never paid make a market look larger than it is, and late settlement is
dishonest conduct of its own.

False positives: a settlement that was made in time and is reported late; the finding is cleared when it arrives. What
was paid in another currency, or under another contract, does not count here.

What to do: ask both sides what was paid. What is paid after the deadline rectifies the case and does not clear the
finding.

The deadline is `pay_within_days` after the day `signed`; an amendment that comes no later than it takes its place.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant
from circulation.cases import BUYER, SELLER, Case, Json, event, pack, retracted, signed, terms
from circulation.facts import Act, Facts, past
from circulation.findings import About, Said
from circulation.money import millionths, written
from circulation.rules import Rule, Sum

SETTLED, SIGNED, AMENDED = (
    "circulation.settlement.paid",
    "circulation.contract.signed",
    "circulation.contract.amended",
)


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract, where its terms ever gave such days."""
    if any(one.data.terms.pay_within_days is not None for one in facts.contract(act.subject).statements):
        yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds what was paid by the deadline against the amount; what is said stands once the clock is past it."""
    statements = facts.contract(scope).statements
    for at, one in enumerate(statements):
        following = statements[at + 1].time if at + 1 < len(statements) else None
        data, within_days = one.data, one.data.terms.pay_within_days
        if within_days is None:
            continue
        deadline = past(data.signed, within_days)
        if following is not None and following <= deadline:
            continue
        paid = sum(
            millionths(act.data.amount)
            for act in acts
            if act.type == SETTLED and act.time <= deadline and act.data.currency == data.currency
        )
        if paid >= millionths(data.amount):
            return []
        return [
            Said(
                severity=RULE.severity,
                about=About("contract", scope),
                party=data.buyer,
                occurred=deadline,
                apart=(str(data.signed),),
                due=deadline,
                summary=(
                    f"Of {data.amount} {data.currency}, {written(paid)} were paid by {format_instant(deadline)},"
                    f" {within_days:,} {'day' if within_days == 1 else 'days'} after the contract was signed."
                ),
                evidence={
                    "amount": data.amount,
                    "currency": data.currency,
                    "paid": written(paid),
                    "deadline": format_instant(deadline),
                },
                asset=data.asset,
            )
        ]
    return []


RULE = Rule(
    id="payment-overdue",
    title="Not paid in time",
    about="contract",
    severity="yellow",
    articles=("民法典 509", "民法典 579"),
    sum=Sum(
        due=True,
        acts=frozenset({SETTLED, SIGNED, AMENDED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"contract"}),
    ),
)


_RULES = pack()
_SIGNED = signed("c", "2025-02-01", amount="100.00", terms=terms(pay_within_days=30))
_DEADLINE, _AFTER = "2025-03-03T00:00:00+08:00", "2025-03-03T00:00:00.000001+08:00"


def _paid(amount: str, time: str = "2025-02-10", settlement: str = "s", currency: str | None = None) -> Json:
    return event(
        "settlement.paid",
        "c",
        time,
        settlement=settlement,
        payer=BUYER,
        payee=SELLER,
        amount=amount,
        currency=currency,
    )


def _overdue(paid: str = "0", deadline: str = _DEADLINE) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": deadline,
        "evidence": {"paid": paid, "deadline": deadline},
    }


CASES = (
    Case(name="at the deadline", rules=_RULES, events=[_SIGNED], until=_DEADLINE),
    Case(name="past the deadline", rules=_RULES, events=[_SIGNED], until=_AFTER, fires=[_overdue()]),
    *(
        Case(name=f"{paid} of 100.00", rules=_RULES, events=[_SIGNED, _paid(paid)], until=_AFTER, fires=fires)
        for paid, fires in (("99.999999", [_overdue("99.999999")]), ("100", []), ("100.01", []))
    ),
    *(
        Case(
            name=f"a payment {name} the deadline",
            rules=_RULES,
            events=[_SIGNED, _paid("100", time)],
            until="2025-04-01",
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-03-02T23:59:59.999999", []),
            ("at", "2025-03-03", []),
            ("just after", "2025-03-03T00:00:00.000001", [_overdue()]),
        )
    ),
    Case(
        name="two payments, one of which arrives late",
        rules=_RULES,
        events=[_SIGNED, _paid("40"), signed("other", "2025-05-01"), _paid("60", settlement="t")],
    ),
    Case(
        name="another currency does not count",
        rules=_RULES,
        events=[_SIGNED, _paid("100", currency="EUR")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    Case(
        name="a payment that was taken back",
        rules=_RULES,
        events=[_SIGNED, _paid("100"), retracted(_paid("100"), "2025-02-11")],
        until=_AFTER,
        fires=[_overdue()],
    ),
    Case(name="terms without a deadline", rules=_RULES, events=[signed("c", "2025-02-01")], until="2026-02-01"),
    Case(
        name="an amendment at the deadline moves it",
        rules=_RULES,
        events=[
            _SIGNED,
            signed("c", _DEADLINE, amended=True, amount="100.00", signed="2025-02-01", terms=terms(pay_within_days=60)),
        ],
        until=_AFTER,
    ),
    Case(
        name="an amendment before the deadline moves it",
        rules=_RULES,
        events=[
            _SIGNED,
            signed(
                "c",
                "2025-03-01",
                amended=True,
                amount="100.00",
                signed="2025-02-01T00:00:00+08:00",
                terms=terms(pay_within_days=60),
            ),
        ],
        until=_AFTER,
    ),
    Case(
        name="an amendment after the deadline does not undo it",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-03-04", amended=True, amount="1", terms=terms(pay_within_days=60))],
        fires=[_overdue()],
    ),
)
