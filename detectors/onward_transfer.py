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

from circulation.cases import BUYER, OWNER, SELLER, THIRD, Case, Json, asset, delivered, event, pack, retracted, terms
from circulation.cases import signed as contract
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Rule, Sum

SIGHTED, DELIVERED = "circulation.watermark.sighted", "circulation.delivery.completed"
SIGNED = "circulation.contract.signed"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The asset; of its contracts only those that allow resale, or that another than the owner sells."""
    if act.type == SIGHTED:
        yield act.subject
        return
    named = facts.contract(act.subject)
    if act.type == DELIVERED:
        if act.data.watermark is not None:
            yield from sorted(named.assets())
        return
    sellers = {one.data.seller for one in named.statements}
    for asset_ in sorted(named.assets()):
        if any(one.data.terms.resale for one in named.statements) or sellers - facts.asset(asset_).owners():
            yield asset_


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds each sighting against all that the mark may have reached by then."""
    contracts = sorted({act.subject for act in acts if act.type == SIGNED})
    found: list[Said] = []
    for act in acts:
        if act.type != SIGHTED:
            continue
        origins = [
            one
            for one in acts
            if one.type == DELIVERED
            and one.time <= act.time
            and one.data.watermark == act.data.watermark
            and (agreed := facts.contract(one.subject).statement(one.time)) is not None
            and agreed.asset == scope
        ]
        if not origins or act.data.holder in _reached(scope, origins, contracts, act.time, facts):
            continue
        origin = origins[0]
        statement = facts.contract(origin.subject).statement(act.time)
        found.append(
            Said(
                severity=RULE.severity,
                about=About("contract", origin.subject),
                party=None if statement is None else statement.buyer,
                occurred=act.time,
                cause=act.cause,
                summary=(
                    f"The watermark {act.data.watermark} of what {origin.data.recipient} received was sighted with"
                    f" {act.data.holder}, who has no contract for it."
                ),
                evidence={
                    "watermark": act.data.watermark,
                    "holder": act.data.holder,
                    "place": act.data.place,
                    "recipient": origin.data.recipient,
                    "delivery": origin.data.delivery,
                    "asset": scope,
                },
                asset=scope,
            )
        )
    return found


def _reached(asset_: str, origins: Sequence[Act], contracts: Sequence[str], instant: int, facts: Facts) -> set[str]:
    """All who may hold what was delivered so: recipients, buyers, and buyers of those who may sell it on."""
    found: set[str] = set()
    selling: list[str] = []

    def reach(party: str, *, resale: bool) -> None:
        found.add(party)
        if resale:
            selling.append(party)

    for origin in origins:
        statement = facts.contract(origin.subject).statement(instant)
        resale = statement is not None and statement.terms.resale
        for one in (origin.data.recipient, *(() if statement is None else (statement.buyer,))):
            reach(one, resale=resale)
    sold: dict[str, list[tuple[str, bool]]] = {}
    for one in contracts:
        named = facts.contract(one)
        if named.signed is not None and named.signed.time <= instant:
            data = named.statement(instant) or named.signed.data
            if data.asset == asset_:
                sold.setdefault(data.seller, []).append((data.buyer, data.terms.resale))
    done: set[str] = set()
    while selling:
        seller = selling.pop()
        if seller not in done:
            done.add(seller)
            for buyer, resale in sold.get(seller, ()):
                reach(buyer, resale=resale)
    return found


RULE = Rule(
    id="onward-transfer",
    title="Data in hands that it was not sold to",
    about="contract",
    severity="red",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 12", "网络数据安全管理条例 12"),
    sum=Sum(
        acts=frozenset({SIGHTED, DELIVERED, SIGNED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"asset", "contract"}),
    ),
)

_RULES = pack()
_FOUR = "scheme:four"
_A, _DELIVERED = asset("a"), delivered("c", "2025-02-01", watermark="w")
_RESALE = terms(resale=True)


def _sold(resale: bool = False) -> Json:
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
    Case(name="with the recipient", rules=_RULES, events=[_A, _sold(), _DELIVERED, _sighted(BUYER)]),
    Case(name="with another", rules=_RULES, events=[_A, _sold(), _DELIVERED, _sighted(THIRD)], fires=[_passed()]),
    Case(
        name="with the recipient of another mark",
        rules=_RULES,
        events=[_A, _sold(), _DELIVERED, delivered("c", "2025-02-02", watermark="v", recipient=THIRD), _sighted(THIRD)],
        fires=[_passed()],
    ),
    Case(name="a mark that nobody delivered", rules=_RULES, events=[_A, _sold(), _DELIVERED, _sighted(THIRD, "v")]),
    *(
        Case(
            name=f"with the buyer of a contract that the recipient signed {name}",
            rules=_RULES,
            events=[_A, _sold(resale), _DELIVERED, _sighted(THIRD), _on("d", BUYER, THIRD, time)],
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
                _sold(True),
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
        events=[_A, _sold(True), _DELIVERED, _on("d", OWNER, THIRD, resale=True), _sighted(THIRD)],
        fires=[_passed()],
    ),
    Case(
        name="resellers in a circle",
        rules=_RULES,
        events=[
            _A,
            _sold(True),
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
            _sold(),
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
            events=[_A, _sold(), _DELIVERED, _sighted(THIRD, time=time)],
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
        events=[_A, _sold(), _DELIVERED, _sighted(BUYER, "other"), _sighted(THIRD) | {"reporter": "consumer"}],
        fires=[_passed()],
    ),
    Case(
        name="a contract that was for another asset when it was delivered",
        rules=_RULES,
        events=[_A, _sold(), contract("c", "2025-01-15", asset="b"), _DELIVERED, _sighted(THIRD)],
    ),
    Case(
        name="a sighting that was taken back",
        rules=_RULES,
        events=[_A, _sold(), _DELIVERED, _sighted(THIRD), retracted(_sighted(THIRD), "2025-03-02")],
    ),
)
