"""Who bought data without the right to resell offers or sells it all the same.

Why it matters: a buyer pays for its own use; who sells on takes the owner's price, and nobody downstream is bound by
the owner's terms (Beijing's opinion of 2023-06-20, article 12: control after the trade).

False positives: an operating right, or a contract that allows resale, that was not reported; the finding is cleared
when it arrives, if it held at the sale. A purchase of the same data elsewhere, whose contract is not known here.

What to do: have the product delisted or the sale suspended, and ask the owner whether it allowed the resale.

A company of the same group counts as the buyer: it sells what another of the group bought.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from circulation.events.names import PRODUCT_LISTED
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    granted,
    listed,
    pack,
    party,
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
from circulation.rights import OPERATING, bought, may_operate, offer_of
from circulation.rules import Rule, Sum, over
from circulation.sales import sells

_SALES = (PRODUCT_LISTED, *TERMS_TYPES)
# The contracts under which the group bought, and the sales of the instant that was looked at last.
_BOUGHT, _NOW = "bought", "now"


class _Purchase(NamedTuple):
    """A contract, and by buyer who stood at the head of its group, each since when."""

    contract: ContractFacts
    heads: dict[str, list[tuple[int, str]]]

    def head(self, buyer: str, instant: int) -> str | None:
        """Who stands at the head of a buyer's group at an instant; None of who bought nothing here."""
        return max((pair for pair in self.heads.get(buyer, ()) if pair[0] <= instant), default=(0, None))[1]


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The asset with each head that the buyer's group ever has, and that of the buyer whose place it takes; and with
    the seller's, where it may not operate it."""
    names: set[str] = set()
    if act.type in TERMS_TYPES:
        for stated in facts.contract(act.subject).and_replaced(act):
            names |= {join_key(stated.asset, head) for _, head in facts.heads(stated.buyer)}
    if _is_sale(act, facts):
        offer = offer_of(act)
        scope = join_key(offer.asset, facts.topmost(offer.seller, act.time))
        names |= {scope, sales(scope)}
    return sorted(names)


def sales(scope: str) -> str:
    """The scope of the sales alone: of purchases nothing is said."""
    return join_key(*split_key(scope)[:2], "sales")


def _is_sale(act: Act, facts: Facts) -> bool:
    return sells(act, facts, wider=True) and not may_operate(offer_of(act), act.time, facts)


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes up what the group bought; holds its sales against all that was signed by then, also at that instant."""
    asset_, head = split_key(scope)
    instant, sales = ledger.get(_NOW, (None, ()))
    if instant != act.time:
        sales = ()
    if act.type in TERMS_TYPES:
        _buy(ledger, asset_, head, act, facts)
    if _is_sale(act, facts) and (offer_of(act).asset, facts.topmost(offer_of(act).seller, act.time)) == (asset_, head):
        sales = (*sales, act)
    ledger[_NOW] = (act.time, sales)
    for sale in sales:
        _hold(ledger, asset_, head, sale)
    return ()


def _buy(ledger: Ledger, asset_: str, head: str, act: Act, facts: Facts) -> None:
    """Takes up what a contract says now, with the buyer where that one's group ever has this head."""
    heads = facts.heads(act.data.buyer)
    bought = act.data.asset == asset_ and any(controller == head for _, controller in heads)
    before: _Purchase | None = ledger.get((_BOUGHT, act.subject))
    if before is None:
        if not bought:
            return
        ledger.add(_BOUGHT, act.subject)
    known = {} if before is None else before.heads
    new = {act.data.buyer: heads} if bought else {}
    ledger[_BOUGHT, act.subject] = _Purchase(facts.contract(act.subject), {**known, **new})


def _hold(ledger: Ledger, asset_: str, head: str, sale: Act) -> None:
    """Keeps what is to be said of a sale, as far as the purchases are known."""
    name = join_key(sale.source, sale.id)
    ledger.drop(name)
    purchases = [ledger.get((_BOUGHT, contract)) for contract in ledger.list(_BOUGHT) if contract != sale.subject]
    finding = _said(asset_, head, sale, purchases)
    if finding is not None:
        ledger.keep(name, finding)


def _said(asset_: str, head: str, sale: Act, purchases: Sequence[_Purchase]) -> Said | None:
    instant, seller = sale.time, sale.data.seller
    allowing = bought((purchase.contract for purchase in purchases), asset_, seller, instant)
    if any(statement.terms.resale for statement in allowing):
        return None
    forbidding = []
    for purchase in purchases:
        signing, statement = purchase.contract.signed, purchase.contract.statement(instant)
        if signing is None or signing.time > instant or statement is None or statement.asset != asset_:
            continue
        if not statement.terms.resale and purchase.head(statement.buyer, instant) == head:
            forbidding.append((statement.signed, purchase.contract.id, statement.buyer))
    if not forbidding:
        return None
    _, contract, buyer = max(forbidding)
    listing = sale.type == PRODUCT_LISTED
    offered = {"product": sale.data.product} if listing else {"sale": sale.subject}
    return Said(
        severity=RULE.severity,
        about=About("contract", contract),
        party=buyer,
        occurred=instant,
        cause=sale.cause,
        summary=(
            f"{buyer} bought {asset_} without the right to resell it, and {seller}"
            f" {'listed' if listing else 'sold'} it as {sale.data.product if listing else sale.subject}."
        ),
        summary_zh=(
            f"{buyer} 购买 {asset_} 时未获转售许可，而 {seller} 将其作为"
            f" {sale.data.product if listing else sale.subject} {'挂牌' if listing else '出售'}。"
        ),
        evidence={"asset": asset_, "seller": seller, "controller": head, **offered},
        asset=asset_,
    )


RULE = Rule(
    id="resale-forbidden",
    title="Resold without the right to",
    title_zh="未经许可转售",
    about="contract",
    severity="red",
    articles=("contract only",),
    sum=Sum(
        acts=frozenset(_SALES),
        scopes=scopes,
        judge=over(step),
        step=step,
        waits=sales,
        first=frozenset(TERMS_TYPES),
        needs=frozenset({"asset", "contract", "controllers"}),
    ),
)


def _resold(contract: str = "c", buyer: str = BUYER, **more: object) -> Json:
    return {"severity": "red", "about": {"kind": "contract", "id": contract}, "party": buyer, **more}


_DAY, _RULES = "2025-03-01", pack()
_JUST_BEFORE = "2025-02-28T23:59:59.999999"
_JUST_AFTER = "2025-03-01T00:00:00.000001"
_A = asset("a")
_BOUGHT_IT = signed("c", "2025-02-01", asset="a", seller=OWNER)
_LISTED = listed("a", _DAY, seller=BUYER)
_SOLD = signed("d", _DAY, asset="a", seller=BUYER, buyer=THIRD)
_RESELL = terms(resale=True)
_GROUP = [party(BUYER, controller=SELLER), party(THIRD, controller=SELLER)]


def _by(contract: str, time: str, **more: Any) -> Json:
    return signed(contract, time, asset="a", seller=OWNER, **more)


CASES = (
    *(
        Case(name=f"{name}, {how}", rules=_RULES, events=[*before, act], fires=fires)
        for how, act in (("listed", _LISTED), ("sold", _SOLD))
        for name, before, fires in (
            ("bought without resale", [_A, _BOUGHT_IT], [_resold(evidence={"asset": "a", "seller": BUYER})]),
            ("an asset that is not registered", [_BOUGHT_IT], [_resold()]),
            ("never bought", [_A], []),
            ("bought with resale", [_A, _by("c", "2025-02-01", terms=_RESELL)], []),
            ("bought just then", [_A, _by("c", _DAY)], [_resold()]),
            ("bought later", [_A, _by("c", _JUST_AFTER)], []),
            ("another asset bought", [_A, signed("c", "2025-02-01", asset="b", seller=OWNER)], []),
            ("bought, and the contract has ended", [_A, _BOUGHT_IT, terminated("c", "2025-02-10")], [_resold()]),
            (
                "bought with resale that has ended, and without",
                [_A, _by("c", "2025-02-01", terms=terms(resale=True, valid_to=_DAY)), _by("e", "2025-02-02")],
                [_resold("e")],
            ),
            (
                "bought with resale that ends just after, and without",
                [
                    _A,
                    _by("c", "2025-02-01", terms=terms(resale=True, valid_to="2025-03-01T00:00:00.000001+08:00")),
                    _by("e", "2025-02-02"),
                ],
                [],
            ),
            (
                "bought with resale that was terminated then, and without",
                [_A, _by("c", "2025-02-01", terms=_RESELL), terminated("c", _DAY), _by("e", "2025-02-02")],
                [_resold("e")],
            ),
            (
                "bought with resale that has ended, and nothing else",
                [_A, _by("c", "2025-02-01", terms=_RESELL), terminated("c", "2025-02-10")],
                [],
            ),
            ("resale allowed by an amendment then", [_A, _BOUGHT_IT, _by("c", _DAY, terms=_RESELL, amended=True)], []),
            (
                "resale allowed by a later amendment",
                [_A, _BOUGHT_IT, _by("c", _JUST_AFTER, terms=_RESELL, amended=True)],
                [_resold()],
            ),
            (
                "resale taken away by an amendment",
                [_A, _by("c", "2025-02-01", terms=_RESELL), _by("c", "2025-02-10", amended=True)],
                [_resold()],
            ),
            ("the owner itself", [asset("a", owner=BUYER), _BOUGHT_IT], []),
            ("the owner without operating", [asset("a", owner=BUYER, rights=["holding"]), _BOUGHT_IT], [_resold()]),
            ("an operating right", [_A, _BOUGHT_IT, granted(BUYER, "2025-02-02", OPERATING)], []),
            (
                "an operating right of another asset",
                [_A, _BOUGHT_IT, granted(BUYER, "2025-02-02", OPERATING, assets=["b"])],
                [_resold()],
            ),
            (
                "an operating right that ends then",
                [_A, _BOUGHT_IT, granted(BUYER, "2025-02-02", OPERATING, valid_to=_DAY)],
                [_resold()],
            ),
            ("an operating right issued later", [_A, _BOUGHT_IT, granted(BUYER, _JUST_AFTER, OPERATING)], [_resold()]),
            ("another right", [_A, _BOUGHT_IT, granted(BUYER, "2025-02-02", "holding-right")], [_resold()]),
            ("of two the newest by signed", [_A, _by("z", "2025-02-05", signed="2025-01-01"), _BOUGHT_IT], [_resold()]),
            (
                "of two signed at once the greater id",
                [_A, _BOUGHT_IT, _by("b", "2025-02-05", signed="2025-02-01")],
                [_resold()],
            ),
            ("a purchase that was taken back", [_A, _BOUGHT_IT, retracted(_BOUGHT_IT, "2025-02-02")], []),
        )
    ),
    *(
        Case(name=f"{name}, by another of the group", rules=_RULES, events=[_A, _BOUGHT_IT, *before, act], fires=fires)
        for act in (listed("a", _DAY, seller=THIRD),)
        for name, before, fires in (
            ("the same controller", _GROUP, [_resold(evidence={"seller": THIRD, "controller": SELLER})]),
            (
                "the controller two steps up",
                [party(BUYER, controller=SELLER), party(THIRD, controller=BUYER)],
                [_resold()],
            ),
            ("no controller", [party(BUYER), party(THIRD)], []),
            (
                "a controller since just before",
                [party(THIRD, controller=SELLER), party(BUYER), party(BUYER, _JUST_BEFORE, controller=SELLER)],
                [_resold()],
            ),
            (
                "a controller since then",
                [party(THIRD, controller=SELLER), party(BUYER), party(BUYER, _DAY, controller=SELLER)],
                [_resold()],
            ),
            (
                "a controller only later",
                [party(THIRD, controller=SELLER), party(BUYER), party(BUYER, _JUST_AFTER, controller=SELLER)],
                [],
            ),
            ("a controller no longer", [*_GROUP, party(BUYER, "2025-02-20", name="sold")], []),
            ("a seller that has the right", [*_GROUP, granted(THIRD, "2025-02-02", OPERATING)], []),
            ("a buyer that has the right", [*_GROUP, granted(BUYER, "2025-02-02", OPERATING)], [_resold()]),
            ("a seller that may resell", [*_GROUP, _by("e", "2025-02-03", buyer=THIRD, terms=_RESELL)], []),
            (
                "another one that may resell",
                [*_GROUP, _by("e", "2025-02-03", buyer=SELLER, terms=_RESELL)],
                [_resold()],
            ),
            (
                "the newest of the group's purchases",
                [*_GROUP, _by("e", "2025-02-03", buyer=SELLER)],
                [_resold("e", SELLER)],
            ),
        )
    ),
    Case(
        name="within the group, of what nobody of it bought before",
        rules=_RULES,
        events=[_A, *_GROUP, signed("d", _DAY, asset="a", seller=THIRD, buyer=BUYER)],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _A,
                asset("b"),
                _BOUGHT_IT,
                signed("d", "2025-02-10", **Json({"asset": "b", "seller": BUYER, "buyer": THIRD} | before)),
                signed("d", _DAY, amended=True, asset="a", seller=BUYER, buyer=THIRD),
            ],
            fires=fires,
        )
        for name, before, fires in (
            ("to what may not be resold", {}, [_resold(occurred="2025-03-01T00:00:00+08:00")]),
            ("by which the buyer sells it", {"asset": "a", "seller": OWNER}, [_resold()]),
            (
                "of what was resold before",
                {"asset": "a"},
                [_resold(occurred="2025-02-10T00:00:00+08:00")],
            ),
        )
    ),
    Case(
        name="an amendment just before it was bought",
        rules=_RULES,
        events=[
            _A,
            asset("b"),
            signed("d", "2025-01-20", asset="b", seller=BUYER, buyer=THIRD),
            signed("d", "2025-01-31T23:59:59.999999", amended=True, asset="a", seller=BUYER, buyer=THIRD),
            _BOUGHT_IT,
        ],
    ),
)
