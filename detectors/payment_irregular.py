"""Money under a contract goes where the contract does not send it, or much more is paid than was agreed.

Why it matters: a payment by a stranger, or to one, makes turnover that the contract does not explain, and hides who
pays whom; what is paid beyond the price is a second price that nobody sees.

False positives: a group that settles through a company whose controller is not registered, collection by an agent, a
price that was raised and not amended here.

What to do: ask payer and payee for what the payment was made, and have the contract or the settlement corrected.

What a settlement is tells `circulation.paid`: neither a payment nor a refund, nor between exchange and seller, it is
irregular, said once a payer and payee of a contract. The amount is that of the terms in force; where they were made on
a listing of the seller with a `per-use` price, it is no bound.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

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
    listed,
    pack,
    party,
    retracted,
    signed,
    terms,
)
from circulation.facts.acts import NEVER, Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.licences import in_force
from circulation.money import exact, millionths, written
from circulation.paid import NEEDS, Settled, counted, settled
from circulation.rules import Parameter, Rule, Sum, over

# By payer and payee that it was said; by currency what is paid, less what was paid back; and that it is too much.
_PAIR, _PAID, _TOO_MUCH = "pair", "paid", "too much"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract."""
    yield act.subject


def reaches(act: Act, facts: Facts) -> int:
    """The first terms tell of any settlement before them, and so do those that were taken back."""
    if act.type == SETTLEMENT_PAID:
        return act.time
    statements = facts.contract(act.subject).statements
    at = bisect_left(statements, order(act), key=order)
    is_later = 0 < at < len(statements) and order(statements[at]) == order(act)
    return act.time if is_later else -NEVER


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Looks at who pays whom, and holds what is paid against the amount."""
    agreed = in_force(facts.contract(scope).statements, act.time)
    if agreed is None:
        return
    if act.type == SETTLEMENT_PAID:
        pair = (_PAIR, act.data.payer, act.data.payee)
        if settled(act, facts) is Settled.IRREGULAR and pair not in ledger:
            ledger[pair] = True
            yield _irregular(act, agreed.data)
        of_currency = (_PAID, act.data.currency)
        ledger[of_currency] = ledger.get(of_currency, 0) + counted(act, facts)
    amount, paid = millionths(agreed.data.amount), ledger.get((_PAID, agreed.data.currency), 0)
    if _TOO_MUCH in ledger or not amount:
        return
    factor = facts.parameters(act.time)["factor"]
    if paid > amount * exact(factor) and not _per_use(agreed, facts):
        ledger[_TOO_MUCH] = True
        yield _too_much(act, agreed.data, paid, factor)


def _per_use(agreed: Event, facts: Facts) -> bool:
    """Whether terms were made on a listing of the seller whose price is for each use."""
    data = agreed.data
    if data.product is None:
        return False
    listing = facts.asset(data.asset).listing(data.product, agreed.time, data.seller)
    return listing is not None and listing.price is not None and listing.price.mode == "per-use"


def _irregular(act: Act, agreed: Any) -> Said:
    data = act.data
    return Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=agreed.seller,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{data.payer} paid {data.amount} {data.currency} to {data.payee}, which is neither a payment of the buyer"
            f" {agreed.buyer} nor a refund to it."
        ),
        summary_zh=(
            f"{data.payer} 向 {data.payee} 支付 {data.amount} {data.currency}，既不是买方 {agreed.buyer} 的付款，"
            "也不是对其的退款。"
        ),
        evidence={
            "settlement": data.settlement,
            "payer": data.payer,
            "payee": data.payee,
            "amount": data.amount,
            "currency": data.currency,
            "buyer": agreed.buyer,
            "seller": agreed.seller,
            "exchange": agreed.exchange,
        },
        asset=agreed.asset,
    )


def _too_much(act: Act, agreed: Any, paid: int, factor: float) -> Said:
    return Said(
        severity=RULE.severity,
        about=About("contract", act.subject),
        party=agreed.seller,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{written(paid)} {agreed.currency} are paid, more than {factor} times the {agreed.amount} that are agreed."
        ),
        summary_zh=(f"已付 {written(paid)} {agreed.currency}，超过约定金额 {agreed.amount} 的 {factor} 倍。"),
        evidence={"paid": written(paid), "amount": agreed.amount, "currency": agreed.currency, "factor": factor},
        asset=agreed.asset,
    )


RULE = Rule(
    id="payment-irregular",
    title="Paid by or to a stranger, or far too much",
    title_zh="付款对象或金额异常",
    about="contract",
    severity="yellow",
    articles=("contract only",),
    parameters={
        "factor": Parameter(1.5, "how many times the amount may be paid before it is said; less finds more"),
    },
    sum=Sum(
        acts=frozenset({SETTLEMENT_PAID, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        triggers=frozenset({SETTLEMENT_PAID}),
        reaches=reaches,
        needs=NEEDS | {"asset"},
    ),
)

_RULES = pack()
_SIGNED = signed("c", "2025-02-01", asset="a", product="p", amount="100", exchange=OWNER)
_AMENDED = signed("c", "2025-02-05", amended=True, asset="a", amount="10", exchange=OWNER)
_LISTED = listed("a", "2025-01-31", product="p", price={"mode": "per-use", "amount": "1"})


def _paid(amount: str, settlement: str = "s", time: str = "2025-02-10", **data: str) -> Json:
    parties: Json = {"payer": BUYER, "payee": SELLER, **data}
    return event("settlement.paid", "c", time, id=settlement, settlement=settlement, amount=amount, **parties)


def _fires(cause: str, **evidence: object) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "cause": {"source": SOURCE, "id": cause},
        "evidence": evidence,
    }


CASES = (
    *(
        Case(
            name=f"paid {name}",
            rules=_RULES,
            events=[_SIGNED, party(THIRD, controller=BUYER), _paid("100", **data)],
            fires=[_fires("s", **data)] if irregular else [],
        )
        for name, data, irregular in (
            ("by the buyer to the seller", {}, False),
            ("by the buyer to the exchange", {"payee": OWNER}, False),
            ("by a sister of the buyer", {"payer": THIRD}, False),
            ("back by the seller", {"payer": SELLER, "payee": BUYER}, False),
            ("back by the exchange to a sister of the buyer", {"payer": OWNER, "payee": THIRD}, False),
            ("by the exchange to the seller", {"payer": OWNER}, False),
            ("by the seller to the exchange", {"payer": SELLER, "payee": OWNER}, False),
            ("by a stranger", {"payer": ABROAD}, True),
            ("by the buyer to a stranger", {"payee": ABROAD}, True),
            ("by the seller to a stranger", {"payer": SELLER, "payee": ABROAD}, True),
            ("by a stranger to a stranger", {"payer": "x:one", "payee": "x:other"}, True),
            ("by the buyer to its sister", {"payee": THIRD}, True),
        )
    ),
    Case(
        name="once a payer and payee",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("1", "a", payer=ABROAD),
            _paid("1", "b", payer=ABROAD),
            _paid("1", "d", payer=ABROAD, payee=OWNER),
            _paid("1", "e", payer=THIRD),
        ],
        fires=[
            _fires("a", payer=ABROAD, payee=SELLER),
            _fires("d", payer=ABROAD, payee=OWNER),
            _fires("e", payer=THIRD, payee=SELLER),
        ],
    ),
    Case(
        name="the earliest, whatever comes first",
        rules=_RULES,
        events=[_SIGNED, _paid("1", "late", "2025-02-12", payer=ABROAD), _paid("1", "early", payer=ABROAD)],
        fires=[_fires("early", payer=ABROAD)],
    ),
    Case(
        name="the earliest was taken back",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("1", "early", payer=ABROAD),
            _paid("1", "late", "2025-02-12", payer=ABROAD),
            retracted(_paid("1", "early", payer=ABROAD), "2025-02-13"),
        ],
        fires=[_fires("late", payer=ABROAD)],
    ),
    Case(
        name="too much by an amendment that was taken back",
        rules=_RULES,
        events=[
            _SIGNED,
            _AMENDED,
            _paid("100"),
            retracted(_AMENDED, "2025-02-13"),
        ],
    ),
    Case(name="under a contract of which nothing is known", rules=_RULES, events=[_paid("1", payer=ABROAD)]),
    Case(
        name="a contract without an exchange",
        rules=_RULES,
        events=[signed("c", "2025-02-01", amount="100"), _paid("1", payee=OWNER)],
        fires=[_fires("s", payee=OWNER, exchange=None)],
    ),
    Case(
        name="another controller since",
        rules=_RULES,
        events=[_SIGNED, party(THIRD, controller=BUYER), party(THIRD, "2025-02-10"), _paid("1", payer=THIRD)],
        fires=[_fires("s", payer=THIRD)],
    ),
    Case(
        name="what is irregular is not paid",
        rules=_RULES,
        events=[_SIGNED, _paid("1000", payer=ABROAD)],
        fires=[_fires("s", payer=ABROAD)],
    ),
    *(
        Case(name=f"{amount} of 100", rules=_RULES, events=[_SIGNED, _paid(amount)], fires=fires)
        for amount, fires in (
            ("149.999999", []),
            ("150", []),
            ("150.000001", [_fires("s", paid="150.000001", amount="100")]),
        )
    ),
    Case(
        name="in parts, once a contract",
        rules=_RULES,
        events=[
            _SIGNED,
            _paid("100", "a"),
            _paid("50", "b"),
            _paid("1", "d", "2025-02-11"),
            _paid("1", "e", "2025-02-12"),
        ],
        fires=[_fires("d", paid="151")],
    ),
    Case(
        name="less what was paid back",
        rules=_RULES,
        events=[_SIGNED, _paid("150"), _paid("1", "b", payer=SELLER, payee=BUYER), _paid("1", "d", "2025-02-11")],
    ),
    Case(
        name="what is paid back later was too much all the same",
        rules=_RULES,
        events=[_SIGNED, _paid("151"), _paid("51", "b", "2025-02-11", payer=SELLER, payee=BUYER)],
        fires=[_fires("s", paid="151")],
    ),
    Case(
        name="paid to the exchange, which passes it on",
        rules=_RULES,
        events=[_SIGNED, _paid("100", payee=OWNER), _paid("100", "b", payer=OWNER)],
    ),
    Case(name="another currency", rules=_RULES, events=[_SIGNED, _paid("1000", currency="EUR")]),
    Case(name="for nothing", rules=_RULES, events=[signed("c", "2025-02-01", amount="0"), _paid("1000")]),
    *(
        Case(
            name=f"on a listing {name}",
            rules=_RULES,
            events=[listing, _SIGNED, _paid("151")],
            fires=fires,
        )
        for name, listing, fires in (
            ("for each use", _LISTED, []),
            (
                "of another price",
                listed("a", "2025-01-31", product="p", price={"mode": "preset", "amount": "1"}),
                [_fires("s")],
            ),
            ("without a price", listed("a", "2025-01-31", product="p"), [_fires("s")]),
            (
                "of another product",
                listed("a", "2025-01-31", product="q", price={"mode": "per-use", "amount": "1"}),
                [_fires("s")],
            ),
            (
                "of another seller",
                listed("a", "2025-01-31", seller=THIRD, product="p", price={"mode": "per-use", "amount": "1"}),
                [_fires("s")],
            ),
            (
                "that came after the signing",
                listed("a", "2025-02-01T00:00:00.000001", product="p", price={"mode": "per-use", "amount": "1"}),
                [_fires("s")],
            ),
        )
    ),
    Case(name="the listing arrives late", rules=_RULES, events=[_SIGNED, _paid("151"), _LISTED]),
    Case(
        name="a payment before the contract is signed, on a listing that arrives late",
        rules=_RULES,
        events=[_paid("151", time="2025-01-20"), _SIGNED, _LISTED],
    ),
    Case(
        name="an amendment without the product",
        rules=_RULES,
        events=[
            _LISTED,
            _SIGNED,
            _paid("151"),
            signed("c", "2025-02-20", id="am", amended=True, asset="a", amount="100", exchange=OWNER),
        ],
        fires=[_fires("am", paid="151")],
    ),
    *(
        Case(
            name=f"the amount is amended to {amount}",
            rules=_RULES,
            events=[
                _SIGNED,
                _paid("150"),
                signed("c", "2025-02-20", id="am", amended=True, asset="a", amount=amount, terms=terms()),
            ],
            fires=fires,
        )
        for amount, fires in (("100", []), ("99.999999", [_fires("am", paid="150", amount="99.999999")]))
    ),
    Case(
        name="a payment before the contract is signed",
        rules=_RULES,
        events=[_paid("151", time="2025-01-20"), _SIGNED],
        fires=[_fires("s", paid="151")],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"payment-irregular": {"mode": "enforce", "factor": 2}}),
        events=[_SIGNED, _paid("200"), _paid("0.01", "b", "2025-02-11")],
        fires=[_fires("b", paid="200.01")],
    ),
)
