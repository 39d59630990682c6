"""Money goes round: a settlement closes a circle of parties who each paid the next about what they were paid.

Why it matters: turnover that comes back to where it began is none; rings pump indices, fetch rewards for trade and
launder money (Anti-Unfair Competition Law, article 9; Beijing's opinion of 2023-06-20, article 23).

False positives: chains of processing in which data is refined and in the end bought back by its source.

What to do: ask for proof that each delivery was made and used; take the amounts out of the statistics until then.

A circle has 3 to 6 parties; two are `reciprocal-trade`. From the first payment to the closing one lie at most the days,
and each amount is at least the share of the one before. Of several circles that a settlement closes one is said.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from circulation.calendar import days
from circulation.cases import Case, Json, event, pack, retracted
from circulation.facts import Act, Facts, order
from circulation.findings import About, Said
from circulation.money import exact, millionths
from circulation.rules import Check, Parameter, Rule

SETTLED = "circulation.settlement.paid"
PARTIES_MIN, PARTIES_MAX = 3, 6
# Payments that are looked at for one settlement: where everybody pays everybody the search is cut there.
STEPS_MAX = 10_000


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks back from a settlement for payments that led to its payer from its payee."""
    if act.data.payer == act.data.payee:
        return []
    parameters = facts.parameters(act.time)
    circle = _circle(act, facts, act.time - days(parameters["days"]), exact(parameters["percent"]) / 100)
    return [] if circle is None else [_said(act, circle)]


def _circle(closing: Act, facts: Facts, since: int, share: Fraction) -> list[Act] | None:
    """The payments of a circle, the first one first; None where the settlement closes none."""
    steps = 0
    # Each step back: the payment, the parties met so far, and the payments from there on.
    waiting: list[tuple[Act, frozenset[str], tuple[Act, ...]]] = [
        (closing, frozenset((closing.data.payer, closing.data.payee)), (closing,))
    ]
    while waiting and steps < STEPS_MAX:
        after, met, path = waiting.pop()
        for before in reversed(facts.payments_to(after.data.payer)):
            if before.time < since or steps >= STEPS_MAX:
                break
            if order(before) >= order(after):
                continue
            steps += 1
            if (
                before.data.currency != closing.data.currency
                or millionths(after.data.amount) < millionths(before.data.amount) * share
            ):
                continue
            if before.data.payer == closing.data.payee:
                if len(met) >= PARTIES_MIN:
                    return [before, *path]
            elif before.data.payer not in met and len(met) < PARTIES_MAX:
                waiting.append((before, met | {before.data.payer}, (before, *path)))
    return None


def _said(act: Act, circle: Sequence[Act]) -> Said:
    parties = [one.data.payer for one in circle]
    return Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=act.data.payee,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{act.data.amount} {act.data.currency} came back to {act.data.payee} through {len(parties):,} parties:"
            f" {' → '.join((*parties, act.data.payee))}."
        ),
        evidence={
            "parties": parties,
            "contracts": [one.subject for one in circle],
            "amounts": [one.data.amount for one in circle],
            "currency": act.data.currency,
        },
    )


RULE = Rule(
    id="ring-trade",
    title="Money that goes round",
    about="contract",
    severity="orange",
    articles=("反不正当竞争法 9", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23"),
    parameters={
        "days": Parameter(60, "days from the first payment to the closing one, at most 60; fewer find less"),
        "percent": Parameter(80, "what each amount is at least of the one before; less finds more"),
    },
    check=Check(acts=frozenset({SETTLED}), check=check, needs=frozenset({"payments"})),
)

_RULES = pack()


def _paid(payer: str, payee: str, amount: str = "100", time: str = "2025-02-01", **data: Any) -> Json:
    contract = f"{payer[2:]}-{payee[2:]}"
    defaults: Json = {"settlement": "s", "payer": payer, "payee": payee, "amount": amount}
    return event("settlement.paid", contract, time, **(defaults | data))


def _ring(count: int, last: str = "2025-03-01", **closing: Any) -> list[Json]:
    """Payments from the first party to the second, and so on, and from the last back to the first."""
    names = [f"x:{at}" for at in range(count)]
    paid = [_paid(names[at - 1], names[at], time=f"2025-02-0{at}") for at in range(1, count)]
    return [*paid, _paid(names[-1], names[0], time=last, **closing)]


def _round(count: int, closing: str = "2025-03-01T00:00:00+08:00") -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": f"{count - 1}-0"},
        "party": "x:0",
        "occurred": closing,
        "evidence": {"parties": [f"x:{at}" for at in range(count)]},
    }


CASES = (
    *(
        Case(
            name=f"{count} parties",
            rules=_RULES,
            events=_ring(count),
            fires=[_round(count)] if 3 <= count <= 6 else [],
        )
        for count in (2, 3, 4, 5, 6, 7)
    ),
    *(
        Case(name=f"{amount} of 100 comes back", rules=_RULES, events=_ring(3, amount=amount), fires=fires)
        for amount, fires in (("79.999999", []), ("80", [_round(3)]), ("80.000001", [_round(3)]), ("1000", [_round(3)]))
    ),
    *(
        Case(name=f"closed {name} 60 days later", rules=_RULES, events=_ring(3, time), fires=fires)
        for name, time, fires in (
            ("less than", "2025-04-01T23:59:59.999999", [_round(3, "2025-04-01T23:59:59.999999+08:00")]),
            ("exactly", "2025-04-02", [_round(3, "2025-04-02T00:00:00+08:00")]),
            ("more than", "2025-04-02T00:00:00.000001", []),
        )
    ),
    Case(name="a chain that stays open", rules=_RULES, events=_ring(3)[:2]),
    Case(
        name="payments in the wrong order",
        rules=_RULES,
        events=[
            _paid("x:0", "x:1", time="2025-02-02"),
            _paid("x:1", "x:2", time="2025-02-01"),
            _paid("x:2", "x:0", time="2025-03-01"),
        ],
    ),
    Case(
        name="a settlement that arrives late closes the circle where it is",
        rules=_RULES,
        events=[_ring(3)[2], _ring(3)[1], _ring(3)[0]],
        fires=[_round(3)],
    ),
    Case(
        name="a payment of another currency",
        rules=_RULES,
        events=_ring(3, currency="EUR"),
    ),
    Case(
        name="a way around a branch",
        rules=_RULES,
        events=[
            *_ring(4)[:3],
            _paid("x:2", "x:9", time="2025-02-20"),
            _paid("x:9", "x:8", time="2025-02-21"),
            _ring(4)[3],
        ],
        fires=[_round(4)],
    ),
    Case(
        name="a payment that was taken back",
        rules=_RULES,
        events=[*_ring(3), retracted(_ring(3)[1], "2025-03-02")],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"ring-trade": {"days": 10, "percent": 50}}),
        events=_ring(3, "2025-02-10", amount="50"),
        fires=[_round(3, "2025-02-10T00:00:00+08:00")],
    ),
)
