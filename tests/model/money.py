"""What counts as paid, and what is paid irregularly, from the contract's words."""

from fractions import Fraction

from tests.model.events import TERMS_TYPES, One
from tests.model.world import World, exact


def currency(one: One) -> str:
    found: str = one.data.get("currency", "CNY")
    return found


def kind(world: World, one: One) -> str:
    """What a settlement is: a payment, a refund, between exchange and seller, irregular; unknown without a contract."""
    contract = world.contract(one.subject, one.time)
    if contract is None:
        return "unknown"
    payer, payee = one.data["payer"], one.data["payee"]
    buyer, seller, exchange = contract["buyer"], contract["seller"], contract.get("exchange")
    if exchange not in (None, buyer) and sorted({payer, payee}) == sorted({seller, exchange}):
        return "between"
    side = [each for each in (payer, payee) if world.topmost(each, one.time) == world.topmost(buyer, one.time)]
    if payer in side and payee in (seller, exchange):
        return "payment"
    return "refund" if payee in side and payer in (seller, exchange) else "irregular"


def counted(world: World, one: One) -> Fraction:
    """What a settlement adds to what is paid."""
    return exact(one.data["amount"]) * {"payment": 1, "refund": -1}.get(kind(world, one), 0)


def irregular(world: World) -> None:
    """Once a contract, payer and payee."""
    said = set()
    for one in world.acts("settlement.paid", "settlement"):
        pair = (one.subject, one.data["payer"], one.data["payee"])
        if kind(world, one) == "irregular" and pair not in said:
            said.add(pair)
            seller = (world.contract(one.subject, one.time) or {})["seller"]
            evidence = {name: one.data[name] for name in ("payer", "payee", "amount")}
            about = ("contract", one.subject)
            world.say("payment-irregular", "yellow", about, seller, one, one.time, **evidence)


def per_use(world: World, terms: One) -> bool:
    """Whether these terms were made on a listing of their seller with a price for each use."""
    listings = [
        one.data
        for one in world.acts("product.listed", "product", terms.data["asset"])
        if (one.data["product"], one.data["seller"]) == (terms.data.get("product"), terms.data["seller"])
        and one.time <= terms.time
    ]
    return bool(listings) and listings[-1].get("price", {}).get("mode") == "per-use"


def too_much(world: World) -> None:
    """Once a contract, at the first act at which more is paid than the factor allows of what is agreed then."""
    for contract in {one.subject for one in world.events if one.type in TERMS_TYPES}:
        statements = [one for type_ in TERMS_TYPES for one in world.acts(type_, None, contract)]
        settled = world.acts("settlement.paid", "settlement", contract)
        for act in sorted((*statements, *settled), key=lambda one: one.order):
            agreed = world.first_stated(statements, act.time)
            if agreed is None:
                continue
            earlier = [one for one in settled if one.order <= act.order and currency(one) == currency(agreed)]
            paid, amount = sum(counted(world, one) for one in earlier), exact(agreed.data["amount"])
            factor = exact(world.setting("payment-irregular", act.time)["factor"])
            if amount and paid > factor * amount and not per_use(world, agreed):
                about, seller, given = ("contract", contract), agreed.data["seller"], agreed.data["amount"]
                world.say("payment-irregular", "yellow", about, seller, act, act.time, amount=given)
                break


RULES = (irregular, too_much)
