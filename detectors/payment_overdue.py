"""A buyer has not paid what the contract says, when it says.

Why it matters: trades that are announced and never paid make a market look larger than it is, and late settlement is
dishonest conduct of its own.

False positives: a settlement that was made in time and is reported late; the finding is cleared when it arrives. What
was paid in another currency, or under another contract, does not count here; what counts is in `circulation.paid`.

What to do: ask both sides what was paid. What is paid after the deadline rectifies the case and does not clear the
finding.

The deadline is `pay_within_days` after the day `signed`; an amendment that comes no later than it takes its place. A
refund after it, and before the contract's end, by which less than the amount is left paid, is said with the refund as
cause.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from circulation.calendar import format_instant, past
from circulation.events.event import Event
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, SETTLEMENT_PAID
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    SOURCE,
    THIRD,
    Case,
    Json,
    event,
    pack,
    party,
    retracted,
    signed,
    terminated,
    terms,
)
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.money import millionths, written
from circulation.paid import NEEDS, counted
from circulation.rules import Rule, Sum, over
from circulation.words import many

# By currency what is paid, less what was paid back, after each settlement, and after the last; and how many statements
# at the beginning were followed by another before their deadline.
_PAID, _FOLLOWED = "paid", "followed"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract, where its terms ever gave such days."""
    if facts.contract(act.subject).gave("pay_within_days"):
        yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds what was paid by the deadline against the amount; what is said stands once the clock is past it."""
    amount = 0
    if act.type == SETTLEMENT_PAID:
        of_currency, amount = (_PAID, act.data.currency), counted(act, facts)
        total = ledger.get(of_currency, 0) + amount
        ledger[of_currency] = total
        ledger.add(of_currency, (order(act), total))
    contract = facts.contract(scope)
    statement = _deciding(ledger, contract.statements, act.time)
    ledger.drop(scope)
    if statement is None:
        return
    data, within_days = statement
    deadline = past(data.signed, within_days)
    if amount < 0 and act.time > deadline and (contract.end is None or act.time < contract.end[0]):
        yield from _refunded(act, total - amount, total, deadline, contract.statement(act.time))
    paid = _by(ledger, data.currency, deadline)
    if paid >= millionths(data.amount):
        return
    ledger.keep(
        scope,
        Said(
            severity=RULE.severity,
            about=About("contract", scope),
            party=data.buyer,
            occurred=deadline,
            apart=(str(data.signed),),
            due=deadline,
            summary=(
                f"Of {data.amount} {data.currency}, {written(paid)} were paid by {format_instant(deadline)},"
                f" {many(within_days, 'day')} after the contract was signed."
            ),
            summary_zh=(
                f"合同签订 {within_days:,} 天后，至 {format_instant(deadline)}，应付 {data.amount} {data.currency}，"
                f"已付 {written(paid)}。"
            ),
            evidence={
                "days": within_days,
                "amount": data.amount,
                "currency": data.currency,
                "paid": written(paid),
                "deadline": format_instant(deadline),
            },
            asset=data.asset,
        ),
    )


def _refunded(act: Act, before: int, after: int, deadline: int, data: Any) -> Iterable[Said]:
    """Holds what a refund leaves paid against the amount that is agreed then."""
    if act.data.currency != data.currency or not max(0, after) < millionths(data.amount) <= max(0, before):
        return
    paid = written(max(0, after))
    yield Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=data.buyer,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"Of {data.amount} {data.currency}, {paid} are left paid since {act.data.payer} paid {act.data.amount} back"
            f" at {format_instant(act.time)}; all of it was due by {format_instant(deadline)}."
        ),
        summary_zh=(
            f"{act.data.payer} 于 {format_instant(act.time)} 退回 {act.data.amount}，"
            f"应于 {format_instant(deadline)} 前付清的 {data.amount} {data.currency} 只余 {paid} 已付。"
        ),
        evidence={
            "amount": data.amount,
            "currency": data.currency,
            "paid": paid,
            "refund": act.data.amount,
            "payer": act.data.payer,
            "refunded": format_instant(act.time),
            "deadline": format_instant(deadline),
        },
        asset=data.asset,
    )


def _deciding(ledger: Ledger, statements: Sequence[Event], instant: int) -> tuple[Any, int] | None:
    """What the first statement says whose deadline comes before the next one, and its days; None where none does."""
    for at in range(ledger.get(_FOLLOWED, 0), len(statements)):
        data = statements[at].data
        within_days = data.terms.pay_within_days
        following = statements[at + 1].time if at + 1 < len(statements) else None
        if within_days is not None and (following is None or following > past(data.signed, within_days)):
            return data, within_days
        # What comes after this act may be stated otherwise when it is gone over again.
        if following is not None and following <= instant:
            ledger[_FOLLOWED] = at + 1
    return None


def _by(ledger: Ledger, currency: str, instant: int) -> int:
    """What was paid in a currency by an instant, less what was paid back, in millionths."""
    totals = ledger.list((_PAID, currency))
    at = bisect_right(totals, instant, key=lambda total: total[0][0])
    return max(0, int(totals[at - 1][1])) if at else 0


RULE = Rule(
    id="payment-overdue",
    title="Not paid in time",
    title_zh="逾期未付款",
    about="contract",
    severity="yellow",
    articles=("民法典 509", "民法典 579"),
    sum=Sum(
        due=True,
        acts=frozenset({SETTLEMENT_PAID, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=NEEDS,
    ),
)


_RULES = pack()
_SIGNED = signed("c", "2025-02-01", amount="100.00", terms=terms(pay_within_days=30))
_DEADLINE, _AFTER = "2025-03-03T00:00:00+08:00", "2025-03-03T00:00:00.000001+08:00"


def _paid(amount: str, time: str = "2025-02-10", settlement: str = "s", **data: str) -> Json:
    parties: Json = {"payer": BUYER, "payee": SELLER, **data}
    return event("settlement.paid", "c", time, settlement=settlement, amount=amount, **parties)


def _refund(amount: str, time: str = "2025-03-10", settlement: str = "back", **data: str) -> Json:
    return _paid(amount, time, settlement, **({"payer": SELLER, "payee": BUYER} | data))


def _brought_below(paid: str, time: str = "2025-03-10", id: str = "back") -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "cause": {"source": SOURCE, "id": id},
        "occurred": f"{time}T00:00:00+08:00",
        "evidence": {"paid": paid, "deadline": _DEADLINE},
    }


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
    *(
        Case(
            name=f"paid {name}",
            rules=_RULES,
            events=[
                signed("c", "2025-02-01", amount="100.00", exchange=OWNER, terms=terms(pay_within_days=30)),
                party(THIRD, controller="x:middle"),
                party("x:middle", controller="x:top"),
                party(BUYER, controller="x:top"),
                _paid("100", **data),
            ],
            until=_AFTER,
            fires=fires,
        )
        for name, data, fires in (
            ("to the exchange", {"payee": OWNER}, []),
            ("by a party with the same ultimate controller", {"payer": THIRD}, []),
            ("by the ultimate controller", {"payer": "x:top"}, []),
            ("by such a party to the exchange", {"payer": THIRD, "payee": OWNER}, []),
            ("by a stranger", {"payer": ABROAD}, [_overdue()]),
            ("by the buyer to a stranger", {"payee": ABROAD}, [_overdue()]),
            ("by the exchange to the seller", {"payer": OWNER}, [_overdue()]),
            ("by the seller to the exchange", {"payer": SELLER, "payee": OWNER}, [_overdue()]),
            ("backwards only", {"payer": SELLER, "payee": BUYER}, [_overdue()]),
        )
    ),
    Case(
        name="the payer's controller is stated late",
        rules=_RULES,
        events=[_SIGNED, _paid("100", payer=THIRD), party(THIRD, "2025-04-01", controller=BUYER)],
    ),
    Case(
        name="the payer had another controller when it paid",
        rules=_RULES,
        events=[_SIGNED, party(THIRD), _paid("100", payer=THIRD), party(THIRD, "2025-04-01", controller=BUYER)],
        fires=[_overdue()],
    ),
    Case(
        name="an exchange that buys for itself pays",
        rules=_RULES,
        events=[
            signed("c", "2025-02-01", amount="100.00", buyer=OWNER, exchange=OWNER, terms=terms(pay_within_days=30)),
            _paid("100", payer=OWNER),
        ],
        until=_AFTER,
    ),
    *(
        Case(
            name=f"{amount} of 100.00 paid back {name}",
            rules=_RULES,
            events=[_SIGNED, _paid("100"), _refund(amount, time, id="back")],
            until="2025-04-01",
            fires=fires,
        )
        for name, amount, time, fires in (
            ("before the deadline", "0.01", "2025-02-11", [_overdue("99.99")]),
            ("at the deadline", "0.01", "2025-03-03", [_overdue("99.99")]),
            ("just after it", "0.000001", _AFTER, [_brought_below("99.999999") | {"occurred": _AFTER}]),
            ("after it", "150", "2025-03-10", [_brought_below("0")]),
        )
    ),
    Case(
        name="what is paid beyond the amount may be paid back, and nothing more",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("130"),
            _refund("30"),
            _refund("1", "2025-03-11", "again", id="again"),
            _refund("1", "2025-03-12", "more"),
        ],
        fires=[_brought_below("99", "2025-03-11", "again")],
    ),
    Case(
        name="paid late, and paid back",
        rules=_RULES,
        events=[_SIGNED, _paid("100", "2025-03-05"), _refund("100", id="back")],
        fires=[_overdue(), _brought_below("0")],
    ),
    Case(
        name="paid back again and again",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("100"),
            _refund("100", id="back"),
            _paid("100", "2025-03-11", "t"),
            _refund("100", "2025-03-12", "u", id="u"),
        ],
        fires=[_brought_below("0"), _brought_below("0", "2025-03-12", "u")],
    ),
    *(
        Case(
            name=f"paid back {name} the end",
            rules=_RULES,
            events=[_SIGNED, _paid("100"), terminated("c", end), _refund("100", id="back")],
            fires=fires,
        )
        for name, end, fires in (
            ("just before", "2025-03-10T00:00:00.000001", [_brought_below("0")]),
            ("at", "2025-03-10", []),
            ("after", "2025-03-09", []),
        )
    ),
    Case(
        name="paid back by the exchange to a sister of the buyer",
        rules=_RULES,
        events=[
            signed("c", "2025-02-01", amount="100.00", exchange=OWNER, terms=terms(pay_within_days=30)),
            party(THIRD, controller=BUYER),
            _paid("100"),
            _refund("100", payer=OWNER, payee=THIRD, id="back"),
        ],
        fires=[_brought_below("0")],
    ),
    Case(
        name="paid back in another currency",
        rules=_RULES,
        events=[_SIGNED, _paid("100"), _refund("100", currency="EUR")],
        until="2025-04-01",
    ),
    Case(
        name="a refund that was taken back",
        rules=_RULES,
        events=[_SIGNED, _paid("100"), _refund("100", id="back"), retracted(_refund("100", id="back"), "2025-03-11")],
    ),
    Case(
        name="a refund of what an amendment takes off",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("100"),
            signed("c", "2025-03-05", amended=True, amount="60", signed="2025-02-01", terms=terms(pay_within_days=30)),
            _refund("40"),
        ],
    ),
)
