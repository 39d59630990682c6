"""A contract was paid, and nothing was delivered or used.

Why it matters: a trade on paper makes turnover that subsidies and rankings are given for, and moves money that has
another reason (Beijing's opinion of 2023-06-20, article 23, supports real trade).

False positives: prepayment for what is delivered later than the days allow; a delivery that nobody reported. What was
delivered or used before the payment counts too, and what is reported late counts by its own `time`.

Paid is what `circulation.paid` counts: where all of it was paid back by the end of the days, nothing was paid.

What to do: ask both sides for the proof of delivery; take the trade out of the statistics until there is one.

A delivery without bytes, rows and persons is none, and neither are uses of 0 or uses that were cancelled. Uses are
counted by the day: a day of which any are left counts from its first report of more than 0 on.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant, past
from circulation.events.names import DELIVERY_COMPLETED, SETTLEMENT_PAID
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    delivered,
    event,
    pack,
    party,
    retracted,
    signed,
    used,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.paid import NEEDS, counted
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import many

# When something was delivered first; by currency what is paid, less what was paid back; the currencies; the payments of
# each that wait for a delivery, with their deadlines; and by settlement what is to be said of it.
_SERVED, _PAID, _CURRENCIES, _WAITING, _SAID = "served", "paid", "currencies", "waiting", "said"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract."""
    yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Each payment waits for a delivery or a use; what is said stands once the clock is past its deadline."""
    if act.type == DELIVERY_COMPLETED:
        if _SERVED not in ledger and _is_filled(act):
            ledger[_SERVED] = act.time
            for currency in ledger.list(_CURRENCIES):
                _drop_since(ledger, currency, act.time)
        return ()
    if _SERVED in ledger:
        return ()
    currency, settlement, amount = act.data.currency, act.data.settlement, counted(act, facts)
    before = ledger.get((_PAID, currency), 0)
    paid = ledger[_PAID, currency] = before + amount
    if paid <= 0 < before:
        _drop_since(ledger, currency, act.time)
    elif before <= 0 < paid:
        for _, earlier in _waiting_since(ledger, currency, act.time):
            ledger.keep(earlier, ledger.get((_SAID, earlier)))
    deadline = past(act.time, facts.parameters(act.time)["days"])
    first_served = facts.first_served(scope)
    if amount <= 0 or (first_served is not None and first_served <= deadline):
        return ()
    finding = _said(act, deadline, facts)
    if currency not in ledger.list(_CURRENCIES):
        ledger.add(_CURRENCIES, currency)
    ledger.add((_WAITING, currency), (deadline, settlement))
    ledger[_SAID, settlement] = finding
    if paid > 0:
        ledger.keep(settlement, finding)
    return ()


def _waiting_since(ledger: Ledger, currency: str, instant: int) -> Sequence[tuple[int, str]]:
    """The payments in a currency whose deadline is not over at an instant, with it."""
    waiting = ledger.list((_WAITING, currency))
    return waiting[bisect_left(waiting, (instant,)) :]


def _drop_since(ledger: Ledger, currency: str, instant: int) -> None:
    """Say nothing of the payments in a currency whose deadline is not over at an instant."""
    for _, settlement in _waiting_since(ledger, currency, instant):
        ledger.drop(settlement)


def _is_filled(delivery: Act) -> bool:
    data = delivery.data
    return any((data.bytes, data.rows, data.persons, data.sensitive_persons))


def _said(act: Act, deadline: int, facts: Facts) -> Said:
    contract = facts.contract(act.subject).statement(act.time)
    within_days = facts.parameters(act.time)["days"]
    return Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=None if contract is None else contract.seller,
        occurred=deadline,
        summary=(
            f"{act.data.amount} {act.data.currency} were paid at {format_instant(act.time)}, and nothing was"
            f" delivered or used by {format_instant(deadline)}, {many(within_days, 'day')} later."
        ),
        summary_zh=(
            f"{format_instant(act.time)} 支付 {act.data.amount} {act.data.currency}，至 {format_instant(deadline)}"
            f"（{within_days} 天后）既无交付也无使用。"
        ),
        evidence={
            "settlement": act.data.settlement,
            "amount": act.data.amount,
            "currency": act.data.currency,
            "days": within_days,
            "paid": format_instant(act.time),
            "deadline": format_instant(deadline),
        },
        apart=(act.data.settlement,),
        due=deadline,
        asset=None if contract is None else contract.asset,
    )


RULE = Rule(
    id="paper-trade",
    title="Paid, and nothing delivered or used",
    title_zh="已付款而无交付无使用",
    about="contract",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23", "反不正当竞争法 9"),
    parameters={"days": Parameter(30, "days after a settlement within which something is to be delivered or used")},
    sum=Sum(
        due=True,
        acts=frozenset({SETTLEMENT_PAID, DELIVERY_COMPLETED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        triggers=frozenset({SETTLEMENT_PAID}),
        needs=NEEDS | {"served"},
    ),
)


def _paid(time: str = "2025-02-01", settlement: str = "s", amount: str = "100.00", **data: str) -> Json:
    parties: Json = {"payer": BUYER, "payee": SELLER, **data}
    return event("settlement.paid", "c", time, settlement=settlement, amount=amount, **parties)


def _refunded(time: str = "2025-02-11", amount: str = "100", **data: str) -> Json:
    return _paid(time, "back", amount, **({"payer": SELLER, "payee": BUYER} | data))


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
            name=f"a {label} {name}",
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
        for label, served in (("delivery", delivered("c", time)), ("use", used("c", time)))
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
    *(
        Case(
            name=f"a delivery of {label}",
            rules=_RULES,
            events=[_SIGNED, _paid(), delivered("c", "2025-02-02", **{"bytes": 0} | data)],
            until=_AFTER,
            fires=fires,
        )
        for label, data, fires in (
            ("0 bytes", {}, [_PAPER]),
            ("0 bytes, 0 rows and 0 persons", {"rows": 0, "persons": 0, "sensitive_persons": 0}, [_PAPER]),
            ("1 byte", {"bytes": 1}, []),
            ("1 row", {"rows": 1}, []),
            ("1 person", {"persons": 1}, []),
            ("1 person with sensitive data", {"sensitive_persons": 1}, []),
        )
    ),
    Case(
        name="an empty delivery before one with something in it",
        rules=_RULES,
        events=[_SIGNED, _paid(), delivered("c", "2025-02-02", bytes=0), delivered("c", "2025-03-03", bytes=1)],
        until=_AFTER,
    ),
    *(
        Case(
            name=f"uses of {count}",
            rules=_RULES,
            events=[_SIGNED, _paid(), used("c", "2025-02-02", count)],
            until=_AFTER,
            fires=fires,
        )
        for count, fires in ((0, [_PAPER]), (1, []))
    ),
    *(
        Case(
            name=f"{count} of 2 uses are cancelled, {when}",
            rules=_RULES,
            events=[
                _SIGNED,
                _paid(),
                used("c", "2025-02-02", 2, id="u"),
                event("usage.cancelled", "c", time, usage="u", uses=count),
            ],
            until="2025-06-01",
            fires=fires,
        )
        for when, time in (("in time", "2025-02-03"), ("after the deadline", "2025-05-01"))
        for count, fires in ((1, []), (2, [_PAPER]))
    ),
    *(
        Case(
            name=f"uses that are cancelled, and others {name} the deadline",
            rules=_RULES,
            events=[
                _SIGNED,
                _paid(),
                used("c", "2025-02-02", id="u"),
                used("c", time),
                event("usage.cancelled", "c", "2025-05-01", usage="u", uses=1),
            ],
            until="2025-06-01",
            fires=fires,
        )
        for name, time, fires in (("at", "2025-03-03", []), ("just after", "2025-03-03T00:00:00.000001", [_PAPER]))
    ),
    Case(
        name="uses that are reported late, after those that were cancelled",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid(),
            used("c", "2025-02-02", id="u"),
            event("usage.cancelled", "c", "2025-05-01", usage="u", uses=1),
            used("c", "2025-02-02T12:00"),
        ],
        until="2025-06-01",
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
    Case(name="a settlement of a contract that is not signed", rules=_RULES, events=[_paid()], until="2025-06-01"),
    *(
        Case(
            name=f"{amount} of 100.00 paid back {name}",
            rules=_RULES,
            events=[_SIGNED, _paid(), _refunded(time, amount)],
            until="2025-06-01",
            fires=fires,
        )
        for name, time, amount, fires in (
            ("before the deadline", "2025-02-11", "99.999999", [_PAPER]),
            ("before the deadline", "2025-02-11", "100", []),
            ("at the deadline", "2025-03-03", "100.01", []),
            ("just after the deadline", "2025-03-03T00:00:00.000001", "100", [_PAPER]),
        )
    ),
    Case(
        name="a refund of the first payment, and a second one",
        rules=_RULES,
        events=[_SIGNED, _paid(), _refunded(), _paid("2025-02-12", "t", "0.000001")],
        until="2025-06-01",
        fires=[_PAPER, _PAPER | {"occurred": "2025-03-14T00:00:00+08:00", "evidence": {"settlement": "t"}}],
    ),
    Case(
        name="no more paid than was paid back",
        rules=_RULES,
        events=[_SIGNED, _paid(), _refunded(amount="200"), _paid("2025-02-12", "t")],
        until="2025-06-01",
    ),
    Case(
        name="a payment of nothing beside another",
        rules=_RULES,
        events=[_SIGNED, _paid(), _paid("2025-02-12", "t", "0")],
        until="2025-06-01",
        fires=[_PAPER],
    ),
    Case(
        name="a refund before anything is paid",
        rules=_RULES,
        events=[_SIGNED, _refunded("2025-01-31"), _paid()],
        until="2025-06-01",
    ),
    Case(
        name="a refund in another currency",
        rules=_RULES,
        events=[_SIGNED, _paid(), _refunded(currency="EUR")],
        until="2025-06-01",
        fires=[_PAPER],
    ),
    *(
        Case(
            name=f"paid {name}",
            rules=_RULES,
            events=[signed("c", "2025-01-01", exchange=OWNER), party(THIRD, controller=BUYER), _paid(**data)],
            until="2025-06-01",
            fires=fires,
        )
        for name, data, fires in (
            ("to the exchange", {"payee": OWNER}, [_PAPER]),
            ("by a sister of the buyer", {"payer": THIRD}, [_PAPER]),
            ("by a stranger", {"payer": ABROAD}, []),
            ("by the exchange to the seller", {"payer": OWNER}, []),
            ("by the seller to the buyer", {"payer": SELLER, "payee": BUYER}, []),
            ("nothing", {"amount": "0"}, []),
        )
    ),
)
