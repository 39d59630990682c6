"""Money goes round: a settlement closes a circle of parties who each paid the next about what they were paid.

Why it matters: turnover that comes back to where it began is none; rings pump indices, fetch rewards for trade and
launder money (Anti-Unfair Competition Law, article 9; Beijing's opinion of 2023-06-20, article 23).

False positives: chains of processing in which data is refined and in the end bought back by its source.

What to do: ask for proof that each delivery was made and used; take the amounts out of the statistics until then.

A ring has 3 to 6 parties, as payer and payee were settled; two are `reciprocal-trade`. From the first payment to the
closing one lie at most the days, and each amount is at least the share of the one before. Of several rings that a
settlement closes that of the fewest payments is said, of equal ones the one that begins earliest. One that closes only
between ultimate controllers, each as it was at its payment, is yellow. None is missed: see `circulation.rings`.
"""

from collections.abc import Sequence
from typing import Any

from circulation.calendar import days
from circulation.events.names import SETTLEMENT_PAID
from circulation.examples import Case, Json, event, pack, party, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said, Severity
from circulation.money import exact
from circulation.rings import Payment, closed, payment_of
from circulation.rules import Check, Parameter, Rule


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for the ring of parties that a settlement closes, else for one of ultimate controllers."""
    payments, parameters = facts.payments(), facts.parameters(act.time)
    since, share = act.time - days(parameters["days"]), exact(parameters["percent"]) / 100
    closing = payment_of(act)
    ring = closed(closing, since, share, payments)
    if ring is not None:
        return [_said(act, ring, "orange", facts)]
    if (groups := payments.groups) is None:
        return []
    ring = closed(groups.seen(closing), since, share, groups)
    return [] if ring is None else [_said(act, ring, "yellow", facts)]


def _said(act: Act, ring: Sequence[Payment], severity: Severity, facts: Facts) -> Said:
    contract = facts.contract(act.subject).statement(act.time)
    parties = [payment.payer for payment in ring]
    of_groups = severity != RULE.severity
    return Said(
        severity=severity,
        about=About("contract", act.subject),
        party=act.data.payee,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{act.data.amount} {act.data.currency} came back to {ring[0].payer}"
            f"{', an ultimate controller,' if of_groups else ''} through {len(parties):,}"
            f" {'groups' if of_groups else 'parties'}: {' → '.join((*parties, ring[0].payer))}."
        ),
        summary_zh=(
            f"{act.data.amount} {act.data.currency} 经 {len(parties):,} {'个集团' if of_groups else '方'}流回"
            f"{'最终控制方' if of_groups else ''} {ring[0].payer}：{' → '.join((*parties, ring[0].payer))}。"
        ),
        evidence={
            "count": len(parties),
            "parties": parties,
            "contracts": [payment.contract for payment in ring],
            "settlements": [payment.settlement for payment in ring],
            "amounts": [payment.text for payment in ring],
            "currency": act.data.currency,
        },
        asset=None if contract is None else contract.asset,
    )


RULE = Rule(
    id="ring-trade",
    title="Money that goes round",
    title_zh="资金环形流转",
    about="contract",
    severity="orange",
    articles=("反不正当竞争法 9", "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23"),
    parameters={
        "days": Parameter(60, "days from the first payment to the closing one, at most 60; fewer find less", most=60),
        "percent": Parameter(80, "what each amount is at least of the one before; less finds more"),
    },
    check=Check(acts=frozenset({SETTLEMENT_PAID}), check=check, needs=frozenset({"payments", "contract"})),
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


_GROUPS = [party(f"{letter}:{at}", controller=f"z:{at}") for at in (1, 2) for letter in "yx"]
# The first pays a party of a group, a sister of which pays on, and so for the next.
_SISTERS = [
    _paid("x:0", "x:1"),
    _paid("y:1", "x:2", time="2025-02-02", settlement="y"),
    _paid("y:2", "x:0", time="2025-03-01", settlement="y"),
]
_YELLOW: Json = {
    "severity": "yellow",
    "about": {"kind": "contract", "id": "2-0"},
    "party": "x:0",
    "evidence": {"parties": ["x:0", "z:1", "z:2"], "contracts": ["0-1", "1-2", "2-0"]},
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
    Case(
        name="of two rings the one of the fewest payments, then the one that begins earliest",
        rules=_RULES,
        events=[
            *_ring(4)[:3],
            _paid("x:0", "x:3", time="2025-02-05", settlement="a"),
            _paid("x:0", "x:2", time="2025-02-02", settlement="b"),
            _paid("x:0", "x:2", time="2025-02-01T12:00:00", settlement="d"),
            _ring(4)[3],
        ],
        fires=[_round(4) | {"evidence": {"parties": ["x:0", "x:2", "x:3"], "settlements": ["d", "s", "s"]}}],
    ),
    Case(
        name="between ultimate controllers that differ",
        rules=_RULES,
        events=[*_GROUPS, *_SISTERS],
        fires=[_YELLOW],
    ),
    Case(
        name="between ultimate controllers that are stated late",
        rules=_RULES,
        events=[*_SISTERS, *_GROUPS],
        fires=[_YELLOW],
    ),
    Case(
        name="a sister that had another controller when it paid on",
        rules=_RULES,
        events=[*_GROUPS, party("y:1", "2025-02-02"), *_SISTERS],
    ),
    Case(
        name="a sister that came later",
        rules=_RULES,
        events=[*_GROUPS[1:], party("y:1"), party("y:1", "2025-02-03", controller="z:1"), *_SISTERS],
    ),
    Case(
        name="a controller that was taken back",
        rules=_RULES,
        events=[*_GROUPS, *_SISTERS, retracted(_GROUPS[0], "2025-03-02")],
    ),
    Case(
        name="only two controllers",
        rules=_RULES,
        events=[*(party(party_, controller="z:1") for party_ in ("x:1", "y:1", "x:2", "y:2")), *_SISTERS],
    ),
    Case(
        name="a ring of parties of one controller",
        rules=_RULES,
        events=[*(party(f"x:{at}", controller="z:0") for at in range(3)), *_ring(3)],
        fires=[_round(3)],
    ),
    Case(
        name="parties and controllers: what the parties close is said",
        rules=_RULES,
        events=[*_GROUPS, *_SISTERS[:2], *_ring(3)],
        fires=[_round(3)],
    ),
    Case(
        name="a payment within a group is none between controllers",
        rules=_RULES,
        events=[*_GROUPS, *_SISTERS[:2], _paid("y:2", "x:2", time="2025-02-20"), _SISTERS[2]],
        fires=[_YELLOW],
    ),
)
