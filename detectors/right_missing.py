"""A seller lists or sells what he has no right to operate, or keeps it listed when his last right ends.

Why it matters: holding, processing and operating data are three rights, and only the last one allows to sell
(Opinion of 2022-12-02, article 3; Beijing's opinion of 2023-06-20, article 4).

False positives: a grant or a contract that exists and was not reported; the finding is cleared when it arrives, if it
was there no later than the act.

What to do: ask the seller for his operating right; delist the product until he shows one.

A right is: to own the asset with `operating`; to hold an operating right that covers it; to have bought it under a
contract that is in force and allows resale. Whether an asset that is not registered may be sold is another rule's.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from circulation.calendar import format_instant
from circulation.events.names import (
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    CONTRACT_TERMINATED,
    GRANT_ISSUED,
    GRANT_REVOKED,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
)
from circulation.examples import (
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    event,
    granted,
    listed,
    pack,
    retracted,
    signed,
    terminated,
    terms,
)
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.rights import OPERATING, Offer, bought, may_operate, offer_of
from circulation.rules import Rule, Sum, over
from circulation.sales import sells
from circulation.words import listed_zh

_SALES = (PRODUCT_LISTED, *TERMS_TYPES)
_OF_ASSETS = (ASSET_REGISTERED, ASSET_WITHDRAWN, PRODUCT_DELISTED)
_OF_CONTRACTS = (*TERMS_TYPES, CONTRACT_TERMINATED)
# The contracts that allow resale, the sales of the instant that was looked at last, and the ends that are kept.
_BOUGHT, _NOW, _ENDS = "bought", "now", "ends"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """Seller and asset: of what is listed, of what is sold without a right of its own, of what changes such rights."""
    return sorted({join_key(seller, asset_) for seller, asset_ in _concerns(act, facts)})


def _concerns(act: Act, facts: Facts) -> Iterable[tuple[str, str]]:
    if act.type == PRODUCT_LISTED:
        yield act.data.seller, act.subject
    elif act.type in _OF_ASSETS:
        yield from ((seller, act.subject) for seller in facts.asset(act.subject).offering())
    elif act.type == GRANT_ISSUED:
        if act.data.kind == OPERATING:
            yield from ((act.subject, asset_) for asset_ in act.data.assets or ())
    elif act.type == GRANT_REVOKED:
        for grant in facts.party(act.subject).issued({OPERATING}, act.time):
            if grant.grant == act.data.grant:
                yield from ((act.subject, asset_) for asset_ in grant.assets or ())
    else:
        yield from _given(act, facts.contract(act.subject))
        if act.type in TERMS_TYPES and _is_sale(act, facts) and not may_operate(offer_of(act), act.time, facts):
            yield act.data.seller, act.data.asset


def _is_sale(act: Act, facts: Facts) -> bool:
    return sells(act, facts, wider=True)


def _given(act: Act, contract: ContractFacts) -> Iterable[tuple[str, str]]:
    """Of a contract that ever allowed resale who has what by what is stated, or ended, and by what that took the place
    of: (buyer, asset)."""
    if contract.gave("resale"):
        stated = contract.and_replaced(act) if act.type in TERMS_TYPES else contract.stated_at(act.time)
        yield from ((statement.buyer, statement.asset) for statement in stated)


def names(scope: str) -> tuple[Iterable[str], Iterable[str]]:
    """The asset and the seller."""
    seller, asset_ = split_key(scope)
    return [asset_], [seller]


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds a listing or sale against the seller's rights then; and looks ahead to the instants at which they end.

    What is ahead is looked at again at each later act of the scope: whatever changes a right is one.
    """
    seller, asset_ = split_key(scope)
    instant, sales = ledger.get(_NOW, (None, ()))
    if instant != act.time:
        sales = ()
    if act.type in _OF_CONTRACTS and (seller, asset_) in _given(act, facts.contract(act.subject)):
        if (_BOUGHT, act.subject) not in ledger:
            ledger.add(_BOUGHT, act.subject)
        ledger[_BOUGHT, act.subject] = facts.contract(act.subject)
    if act.type in _SALES and offer_of(act)[:2] == (asset_, seller) and _is_sale(act, facts):
        sales = (*sales, act)
    ledger[_NOW] = (act.time, sales)
    contracts = [ledger.get((_BOUGHT, contract)) for contract in ledger.list(_BOUGHT)]
    registered = facts.asset(asset_).registration(act.time)
    for sale in sales:
        name = join_key(sale.source, sale.id)
        ledger.drop(name)
        if registered is not None and not _has_right(offer_of(sale), sale.time, contracts, facts):
            ledger.keep(name, _said(sale, facts))
    for end in [end for end in ledger.list(_ENDS) if end >= act.time]:
        ledger.discard(_ENDS, end)
        ledger.drop(str(end))
    for end, by_clock in _ends(seller, asset_, act.time, contracts, facts):
        finding = _said_of_end(seller, asset_, end, by_clock, contracts, facts)
        if finding is not None:
            ledger.add(_ENDS, end)
            ledger.keep(str(end), finding)
    return ()


def _has_right(offer: Offer, instant: int, contracts: Sequence[ContractFacts], facts: Facts) -> bool:
    if may_operate(offer, instant, facts):
        return True
    return any(statement.terms.resale for statement in bought(contracts, offer.asset, offer.seller, instant))


def _ends(
    seller: str, asset_: str, since: int, contracts: Sequence[ContractFacts], facts: Facts
) -> list[tuple[int, bool]]:
    """The instants from one on at which a right may end, each with whether the clock alone brings it about."""
    ends = dict(facts.party(seller).ends_of(OPERATING, asset_))
    for contract in contracts:
        if contract.end is not None and _is_of(contract.end[1], seller, asset_):
            ends.setdefault(contract.end[0], contract.end[0] != contract.terminated)
        ends.update(
            (time, False) for time, statement in contract.replaced_since(since) if _is_of(statement, seller, asset_)
        )
    ends.update((instant, False) for instant in facts.asset(asset_).times(since))
    return sorted(end for end in ends.items() if end[0] >= since)


def _is_of(statement: Any, buyer: str, asset_: str) -> bool:
    return (statement.buyer, statement.asset) == (buyer, asset_)


def _said_of_end(
    seller: str, asset_: str, end: int, by_clock: bool, contracts: Sequence[ContractFacts], facts: Facts
) -> Said | None:
    """What is to be said of an instant, if the last right ends there to what is listed before and still is."""
    if facts.asset(asset_).registration(end) is None:
        return None
    products = []
    for listing in facts.asset(asset_).offers(seller, end):
        offer = Offer(asset_, seller, listing.data.purposes or ())
        before, then = (_has_right(offer, instant, contracts, facts) for instant in (end - 1, end))
        if listing.time < end and before and not then:
            products.append(listing.data.product)
    if not products:
        return None
    return Said(
        severity=RULE.severity,
        about=About("asset", asset_),
        party=seller,
        occurred=end,
        apart=(seller, str(end)),
        due=end if by_clock else None,
        summary=(
            f"The last right of {seller} to operate {asset_} ended at {format_instant(end)}, and it stays listed as"
            f" {', '.join(products)}."
        ),
        summary_zh=(
            f"{seller} 对 {asset_} 的最后一项经营权于 {format_instant(end)} 终止，而其仍以 {listed_zh(products)} 挂牌。"
        ),
        evidence={"ended": format_instant(end), "products": products},
        asset=asset_,
    )


def _said(act: Act, facts: Facts) -> Said:
    offer = offer_of(act)
    registered = facts.asset(offer.asset).registration(act.time)
    if registered is None:
        raise AssertionError("of an asset that is not registered nothing is said")
    return Said(
        severity=RULE.severity,
        about=About("asset", offer.asset),
        party=offer.seller,
        occurred=act.time,
        cause=act.cause,
        summary=(
            f"{offer.seller} {'listed' if act.type == PRODUCT_LISTED else 'sold'} {offer.asset}, which"
            f" {registered.owner} owns, and has no right to operate it."
        ),
        summary_zh=(
            f"{offer.seller} 将属于 {registered.owner} 的 {offer.asset}"
            f" {'挂牌' if act.type == PRODUCT_LISTED else '出售'}，而没有经营权。"
        ),
        evidence={"owner": registered.owner, "rights": list(registered.rights)},
        asset=offer.asset,
    )


RULE = Rule(
    id="right-missing",
    title="Listed or sold without the right to operate",
    title_zh="无经营权而挂牌或出售",
    about="asset",
    severity="orange",
    articles=(
        "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 4",
        "关于构建数据基础制度更好发挥数据要素作用的意见 3",
    ),
    sum=Sum(
        due=True,
        acts=frozenset({*_SALES, *_OF_ASSETS, *_OF_CONTRACTS, GRANT_ISSUED, GRANT_REVOKED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        names=names,
        needs=frozenset({"asset", "party", "contract"}),
    ),
)


def _missing(**more: object) -> Json:
    return {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": SELLER, **more}


_DAY, _RULES = "2025-02-01", pack()
_A = asset("a", owner=OWNER)
_LISTED = listed("a", _DAY, seller=SELLER)
_SOLD = signed("c", _DAY, asset="a", terms=terms(purposes=["research"]))
_OWN = asset("a", owner=SELLER)
_UNTIL = granted(SELLER, "2025-01-02", OPERATING, grant="g", valid_to="2025-03-01")
_FOR_A = granted(SELLER, "2025-01-02", OPERATING, grant="g", assets=["a"])


def _bought(time: str, *, amended: bool = False, asset: str = "a", buyer: str = SELLER, **more: object) -> Json:
    held = terms(**{"resale": True} | more)
    return signed("b", time, amended=amended, asset=asset, seller=OWNER, buyer=buyer, terms=held)


def _ended(day: str) -> Json:
    return _missing(occurred=f"{day}T00:00:00+08:00", evidence={"products": ["product-a"]})


def _revoked(time: str) -> Json:
    return event("grant.revoked", SELLER, time, grant="g", reason="misuse")


def _delisted(time: str) -> Json:
    return event("product.delisted", "a", time, product="product-a", reason="sold out")


_RESALE = _bought("2025-01-02")

CASES = (
    Case(
        name="the owner lists what he may operate",
        rules=_RULES,
        events=[asset("a", owner=SELLER), _LISTED],
    ),
    Case(
        name="the owner lists what he may only hold",
        rules=_RULES,
        events=[asset("a", owner=SELLER, rights=["holding", "processing"]), _LISTED],
        fires=[_missing(evidence={"owner": SELLER, "rights": ["holding", "processing"]})],
    ),
    Case(name="another one's asset", rules=_RULES, events=[_A, _LISTED], fires=[_missing()]),
    Case(
        name="an asset that is not registered",
        rules=_RULES,
        events=[_LISTED],
    ),
    Case(
        name="a registration that comes late is taken as first stated",
        rules=_RULES,
        events=[_LISTED, asset("a", "2025-03-01", owner=SELLER)],
    ),
    *(
        Case(
            name=f"a grant {name}",
            rules=_RULES,
            events=[_A, _LISTED, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("of the right", "2025-01-02", OPERATING, {}, []),
            ("of the right that was issued at the listing", _DAY, OPERATING, {}, []),
            ("that was issued later", "2025-02-01T00:00:00.000001", OPERATING, {}, [_missing()]),
            ("of another kind", "2025-01-02", "processing-right", {}, [_missing()]),
            ("for this asset", "2025-01-02", OPERATING, {"assets": ["a"]}, []),
            ("for another asset", "2025-01-02", OPERATING, {"assets": ["b"]}, [_missing()]),
            ("that ends at the listing", "2025-01-02", OPERATING, {"valid_to": _DAY}, [_missing()]),
            (
                "for a purpose that the listing does not name",
                "2025-01-02",
                "operating-right",
                {"purposes": ["x"]},
                [_missing()],
            ),
        )
    ),
    Case(
        name="a grant that was revoked by then",
        rules=_RULES,
        events=[
            _A,
            granted(SELLER, "2025-01-02", "operating-right", grant="g"),
            event("grant.revoked", SELLER, _DAY, grant="g", reason="misuse"),
            _LISTED,
        ],
        fires=[_missing()],
    ),
    *(
        Case(name=f"sold by another, {name}", rules=_RULES, events=[_A, *before, _SOLD], fires=fires)
        for name, before, fires in (
            ("without a listing", [], [_missing(evidence={"owner": OWNER})]),
            ("with an operating right", [granted(SELLER, "2025-01-02", OPERATING)], []),
            ("with one that ends then", [granted(SELLER, "2025-01-02", OPERATING, valid_to=_DAY)], [_missing()]),
            ("with one for its purpose", [granted(SELLER, "2025-01-02", OPERATING, purposes=["research"])], []),
            (
                "with one for another purpose",
                [granted(SELLER, "2025-01-02", OPERATING, purposes=["credit"])],
                [_missing()],
            ),
            ("with a contract that allows resale", [_RESALE], []),
            ("with one signed then", [_bought(_DAY)], []),
            ("with one signed later", [_bought("2025-02-01T00:00:00.000001")], [_missing()]),
            (
                "with one that does not",
                [signed("b", "2025-01-02", asset="a", seller=OWNER, buyer=SELLER)],
                [_missing()],
            ),
            ("with one that is terminated then", [_RESALE, terminated("b", _DAY)], [_missing()]),
            ("with one of another asset", [_bought("2025-01-02", asset="b")], [_missing()]),
            ("with one of another buyer", [_bought("2025-01-02", buyer=THIRD)], [_missing()]),
        )
    ),
    Case(name="the owner sells", rules=_RULES, events=[asset("a", owner=SELLER), _SOLD]),
    Case(
        name="the owner sells what it may only hold",
        rules=_RULES,
        events=[asset("a", owner=SELLER, rights=["holding"]), _SOLD],
        fires=[_missing()],
    ),
    Case(name="sold, and not registered", rules=_RULES, events=[_SOLD]),
    Case(name="listed with a contract that allows resale", rules=_RULES, events=[_A, _RESALE, _LISTED]),
    *(
        Case(
            name=f"listed, and {name}", rules=_RULES, events=[*before, _LISTED, *after], until="2025-06-01", fires=fires
        )
        for name, before, after, fires in (
            ("the grant ends", [_A, _UNTIL], [], [_ended("2025-03-01")]),
            ("another grant begins as it ends", [_A, _UNTIL], [granted(SELLER, "2025-03-01", OPERATING)], []),
            (
                "another grant begins later",
                [_A, _UNTIL],
                [granted(SELLER, "2025-03-02", OPERATING)],
                [_ended("2025-03-01")],
            ),
            (
                "two grants end one after the other",
                [_A, _UNTIL, granted(SELLER, "2025-01-03", OPERATING, grant="h", assets=["a"], valid_to="2025-04-01")],
                [],
                [_ended("2025-04-01")],
            ),
            (
                "a right is had and lost twice",
                [_A, _UNTIL],
                [granted(SELLER, "2025-03-15", OPERATING, grant="h", valid_to="2025-04-01")],
                [_ended("2025-03-01"), _ended("2025-04-01")],
            ),
            ("the grant is revoked", [_A, _UNTIL], [_revoked("2025-02-20")], [_ended("2025-02-20")]),
            ("a grant for the asset is revoked", [_A, _FOR_A], [_revoked("2025-02-20")], [_ended("2025-02-20")]),
            ("delisted before the grant ends", [_A, _UNTIL], [_delisted("2025-02-28T23:59:59.999999")], []),
            ("delisted as the grant ends", [_A, _UNTIL], [_delisted("2025-03-01")], []),
            (
                "delisted after the grant ended",
                [_A, _UNTIL],
                [_delisted("2025-03-01T00:00:00.000001")],
                [_ended("2025-03-01")],
            ),
            (
                "withdrawn before the grant ends",
                [_A, _UNTIL],
                [event("asset.withdrawn", "a", "2025-02-10", reason="old")],
                [],
            ),
            ("sold to another owner", [_OWN], [asset("a", "2025-02-20", owner=OWNER)], [_ended("2025-02-20")]),
            (
                "sold to another owner, who grants the right",
                [_OWN],
                [granted(SELLER, "2025-02-20", OPERATING), asset("a", "2025-02-20", owner=OWNER)],
                [],
            ),
            (
                "the right to operate given up",
                [_OWN],
                [asset("a", "2025-02-20", owner=SELLER, rights=["holding"])],
                [_ended("2025-02-20")],
            ),
            ("registered again as it was", [_OWN], [asset("a", "2025-02-20", owner=SELLER, title="b")], []),
            (
                "the contract that allows resale ends",
                [_A, _bought("2025-01-02", valid_to="2025-03-01")],
                [],
                [_ended("2025-03-01")],
            ),
            ("it is terminated", [_A, _RESALE], [terminated("b", "2025-02-20")], [_ended("2025-02-20")]),
            (
                "it allows resale no longer",
                [_A, _RESALE],
                [_bought("2025-02-20", resale=False, amended=True)],
                [_ended("2025-02-20")],
            ),
            ("there was no right to end", [_A], [], [_missing()]),
            (
                "a grant for a purpose that it does not name",
                [_A, granted(SELLER, "2025-01-02", OPERATING, grant="g", purposes=["credit"])],
                [],
                [_missing()],
            ),
        )
    ),
    *(
        Case(
            name=f"listed, {name} the grant ends", rules=_RULES, events=[_A, _UNTIL, _LISTED], until=until, fires=fires
        )
        for name, until, fires in (
            ("as", "2025-03-01", []),
            ("just after", "2025-03-01T00:00:00.000001+08:00", [_ended("2025-03-01")]),
        )
    ),
    Case(
        name="a grant that ends before the listing",
        rules=_RULES,
        events=[_A, granted(SELLER, "2025-01-02", OPERATING, valid_to=_DAY), _LISTED],
        until="2025-06-01",
        fires=[_missing()],
    ),
    Case(
        name="a listing that was taken back",
        rules=_RULES,
        events=[_A, _UNTIL, _LISTED, retracted(_LISTED, "2025-02-10")],
        until="2025-06-01",
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _A,
                asset("b", owner=SELLER),
                granted(SELLER, "2025-01-02", OPERATING, grant="g", valid_to=_DAY),
                signed("c", "2025-01-20", asset=before, terms=terms(purposes=["research"])),
                signed("c", _DAY, amended=True, **{"asset": "a", "terms": terms(purposes=["research"])} | after),
            ],
            fires=fires,
        )
        for name, before, after, fires in (
            ("to another's asset", "b", {}, [_missing(occurred="2025-02-01T00:00:00+08:00")]),
            ("of the price, when the right has ended", "a", {"amount": "7"}, []),
            ("to more purposes", "a", {"terms": terms(purposes=["research", "credit"])}, [_missing()]),
            ("to fewer purposes", "a", {"terms": terms(purposes=["research/medical"])}, []),
            ("to a seller who owns it", "b", {"seller": OWNER}, []),
        )
    ),
)
