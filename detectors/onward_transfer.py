"""A watermark is seen with somebody to whom the data should never have come.

Why it matters: data that was sold to one is passed on to others without price, purpose or limit; the mark tells through
whose hands it went (Beijing's opinion of 2023-06-20, article 12, on watermarks and tracing after the trade).

False positives: a buyer's contract with a reseller that was not reported; the finding is cleared when it arrives, if it
was signed no later than the sighting. Processors that a buyer entrusts: name them as recipients of a delivery.

What to do: ask the buyer how the data got out, have the holder delete it, and stop deliveries meanwhile.

Allowed are who received a delivery with the mark, the buyer of its contract, and, as long as each contract on the way
allows `resale`, the buyers of contracts over the same asset further down. A mark that nobody delivered says nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, DELIVERY_COMPLETED, WATERMARK_SIGHTED
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    delivered,
    event,
    pack,
    retracted,
    terms,
)
from circulation.examples import signed as contract
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.rules import Rule, Sum, over

# By mark where it was delivered first to each recipient, and the contract of that; and the contracts over the asset.
_REACHED, _OVER = "reached", "over"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The asset; of its contracts only those that allow resale, or that another than the owner sells.

    What takes the place of what was stated of another asset concerns that one as well.
    """
    if act.type == WATERMARK_SIGHTED:
        yield act.subject
        return
    named = facts.contract(act.subject)
    if act.type == DELIVERY_COMPLETED:
        statement = named.statement(act.time)
        if act.data.watermark is not None and statement is not None:
            yield statement.asset
    elif named.signed is not None and order(named.signed) <= order(act):
        for asset_ in sorted({statement.asset for statement in named.and_replaced(act)}):
            if named.is_sold_on(facts.asset(asset_).owners()):
                yield asset_


def recalls(ledger: Ledger, act: Act) -> Iterable[str]:
    """Of a sighting the contracts under which its mark was delivered."""
    if act.type == WATERMARK_SIGHTED:
        yield from (origin.contract for _, origin in ledger.list((_REACHED, act.data.watermark)))


class _Origin(NamedTuple):
    """The first delivery of a mark under a contract to a recipient."""

    contract: str
    recipient: str
    delivery: str


class _Sale(NamedTuple):
    """What a contract over the asset says: who sells it to whom, and whether that one may sell it on."""

    seller: str
    buyer: str
    resale: bool


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds a sighting against all that the mark may have reached by then.

    What a contract over the asset says lies in the ledger, as it was stated last.
    """
    if act.type in TERMS_TYPES:
        if ledger.pop((_OVER, act.subject)) is not None:
            ledger.discard(_OVER, act.subject)
        if act.data.asset == scope:
            ledger[_OVER, act.subject] = _Sale(act.data.seller, act.data.buyer, act.data.terms.resale)
            ledger.add(_OVER, act.subject)
        return
    mark = act.data.watermark
    if act.type == DELIVERY_COMPLETED:
        if (_REACHED, mark, act.subject, act.data.recipient) not in ledger:
            ledger[_REACHED, mark, act.subject, act.data.recipient] = True
            ledger.add((_REACHED, mark), (order(act), _Origin(act.subject, act.data.recipient, act.data.delivery)))
        return
    origins = [origin for _, origin in ledger.list((_REACHED, mark))]
    if not origins or act.data.holder in _reached(ledger, origins, act.time, facts):
        return
    origin = origins[0]
    statement = facts.contract(origin.contract).statement(act.time)
    yield Said(
        severity=RULE.severity,
        about=About("contract", origin.contract),
        party=None if statement is None else statement.buyer,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"The watermark {mark} of what {origin.recipient} received was sighted with {act.data.holder}, who has no"
            " contract for it."
        ),
        summary_zh=f"{origin.recipient} 所收数据的水印 {mark} 出现在 {act.data.holder} 处，后者没有相应合同。",
        evidence={
            "watermark": mark,
            "holder": act.data.holder,
            "place": act.data.place,
            "recipient": origin.recipient,
            "delivery": origin.delivery,
            "asset": scope,
        },
        asset=scope,
    )


def _reached(ledger: Ledger, origins: Sequence[_Origin], instant: int, facts: Facts) -> set[str]:
    """All who may hold what was delivered so: recipients, buyers, and buyers of those who may sell it on."""
    holders: set[str] = set()
    selling: list[str] = []

    def reach(party: str, *, resale: bool) -> None:
        holders.add(party)
        if resale:
            selling.append(party)

    for origin in origins:
        statement = facts.contract(origin.contract).statement(instant)
        resale = statement is not None and statement.terms.resale
        for holder in (origin.recipient, *(() if statement is None else (statement.buyer,))):
            reach(holder, resale=resale)
    sold: dict[str, list[_Sale]] = {}
    for sale in (ledger.get((_OVER, bought)) for bought in ledger.list(_OVER)) if selling else ():
        sold.setdefault(sale.seller, []).append(sale)
    visited: set[str] = set()
    while selling:
        seller = selling.pop()
        if seller not in visited:
            visited.add(seller)
            for sale in sold.get(seller, ()):
                reach(sale.buyer, resale=sale.resale)
    return holders


RULE = Rule(
    id="onward-transfer",
    title="Data in hands that it was not sold to",
    title_zh="数据流入无合同者",
    about="contract",
    severity="red",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 12", "网络数据安全管理条例 12"),
    sum=Sum(
        acts=frozenset({WATERMARK_SIGHTED, DELIVERY_COMPLETED, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        # What was delivered or signed at the very instant of a sighting counts.
        first=frozenset({DELIVERY_COMPLETED, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        recalls=recalls,
        recalling=frozenset({WATERMARK_SIGHTED}),
        needs=frozenset({"asset", "contract"}),
    ),
)

_RULES = pack()
_FOUR = "scheme:four"
_A, _DELIVERED = asset("a"), delivered("c", "2025-02-01", watermark="w")
_RESALE = terms(resale=True)


def _sale(resale: bool = False) -> Json:
    return contract("c", "2025-01-02", asset="a", terms=_RESALE if resale else terms())


def _on(id_: str, seller: str, buyer: str, time: str = "2025-02-02", *, resale: bool = False) -> Json:
    return contract(id_, time, asset="a", seller=seller, buyer=buyer, terms=_RESALE if resale else terms())


def _sighted(holder: str, watermark: str = "w", time: str = "2025-03-01") -> Json:
    return event("watermark.sighted", "a", time, watermark=watermark, holder=holder, place="a market")


def _passed(holder: str = THIRD) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": "2025-03-01T00:00:00+08:00",
        "evidence": {"watermark": "w", "holder": holder, "recipient": BUYER},
    }


CASES = (
    Case(name="with the recipient", rules=_RULES, events=[_A, _sale(), _DELIVERED, _sighted(BUYER)]),
    Case(name="with another", rules=_RULES, events=[_A, _sale(), _DELIVERED, _sighted(THIRD)], fires=[_passed()]),
    Case(
        name="with the recipient of another mark",
        rules=_RULES,
        events=[_A, _sale(), _DELIVERED, delivered("c", "2025-02-02", watermark="v", recipient=THIRD), _sighted(THIRD)],
        fires=[_passed()],
    ),
    Case(name="a mark that nobody delivered", rules=_RULES, events=[_A, _sale(), _DELIVERED, _sighted(THIRD, "v")]),
    *(
        Case(
            name=f"with the buyer of a contract that the recipient signed {name}",
            rules=_RULES,
            events=[_A, _sale(resale), _DELIVERED, _sighted(THIRD), _on("d", BUYER, THIRD, time)],
            fires=fires,
        )
        for name, resale, time, fires in (
            ("and may sign", True, "2025-02-02", []),
            ("and may not sign", False, "2025-02-02", [_passed()]),
            ("at the sighting", True, "2025-03-01", []),
            ("just after", True, "2025-03-01T00:00:00.000001", [_passed()]),
        )
    ),
    *(
        Case(
            name=f"two contracts further down, of which the first {'allows' if resale else 'forbids'} resale",
            rules=_RULES,
            events=[
                _A,
                _sale(True),
                _DELIVERED,
                _on("e", THIRD, _FOUR, "2025-02-03"),
                _on("d", BUYER, THIRD, resale=resale),
                _sighted(_FOUR),
            ],
            fires=[] if resale else [_passed(_FOUR)],
        )
        for resale in (True, False)
    ),
    Case(
        name="who buys from a stranger has bought nothing of it",
        rules=_RULES,
        events=[_A, _sale(True), _DELIVERED, _on("d", OWNER, THIRD, resale=True), _sighted(THIRD)],
        fires=[_passed()],
    ),
    Case(
        name="resellers in a circle",
        rules=_RULES,
        events=[
            _A,
            _sale(True),
            _DELIVERED,
            _on("d", BUYER, SELLER, resale=True),
            _on("e", SELLER, BUYER, "2025-02-03", resale=True),
            _sighted(THIRD),
        ],
        fires=[_passed()],
    ),
    Case(
        name="resale that an amendment allows",
        rules=_RULES,
        events=[
            _A,
            _sale(),
            _DELIVERED,
            _on("d", BUYER, THIRD),
            contract("c", "2025-02-02", amended=True, asset="a", terms=_RESALE),
            _sighted(THIRD),
        ],
    ),
    *(
        Case(
            name=f"seen with another {name} the delivery",
            rules=_RULES,
            events=[_A, _sale(), _DELIVERED, _sighted(THIRD, time=time)],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", []),
            ("at", "2025-02-01", [_passed() | {"occurred": "2025-02-01T00:00:00+08:00"}]),
        )
    ),
    Case(
        name="sightings of several reporters",
        rules=_RULES,
        events=[_A, _sale(), _DELIVERED, _sighted(BUYER, "other"), _sighted(THIRD) | {"reporter": "consumer"}],
        fires=[_passed()],
    ),
    Case(
        name="a contract that was for another asset when it was delivered",
        rules=_RULES,
        events=[_A, _sale(), contract("c", "2025-01-15", asset="b"), _DELIVERED, _sighted(THIRD)],
    ),
    Case(
        name="a sighting that was taken back",
        rules=_RULES,
        events=[_A, _sale(), _DELIVERED, _sighted(THIRD), retracted(_sighted(THIRD), "2025-03-02")],
    ),
)
