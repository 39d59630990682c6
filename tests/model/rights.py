"""Who may sell, resell or derive from what, and what may be sold at all and at which price."""

import datetime as dt
from collections.abc import Iterator

from tests.model import lineage
from tests.model.events import TERMS_TYPES, Json, Moment, One, moment
from tests.model.licences import sellings, signings, sold
from tests.model.world import World, exact

BEFORE = dt.timedelta(microseconds=1)


def listings(world: World) -> list[One]:
    return world.acts("product.listed", "product")


def sales(world: World, *, wider: bool = True) -> Iterator[tuple[One, str, Json]]:
    """Each listing and each sale: of which asset, and what it names of what a grant may be restricted by."""
    for one in listings(world):
        yield one, one.subject, {"asset": one.subject, "purposes": one.data.get("purposes", ())}
    for one in sellings(world, wider=wider):
        yield one, one.data["asset"], sold(one)


def in_force(world: World, contract: str, instant: Moment) -> bool:
    """Whether a contract was signed no later than an instant, and has not ended by then."""
    end = world.end(contract)
    return signed_by(world, contract, instant) and (end is None or instant < end[0])


def signed_by(world: World, contract: str, instant: Moment) -> bool:
    return any(one.time <= instant for one in world.acts("contract.signed", None, contract))


def over(world: World, asset: str, instant: Moment) -> Iterator[tuple[str, Json]]:
    """The contracts over an asset that were signed by an instant, with what they say then."""
    for contract in sorted({one.subject for one in signings(world)}):
        said = world.contract(contract, instant)
        if said is not None and said["asset"] == asset and signed_by(world, contract, instant):
            yield contract, said


def operates(world: World, seller: str, asset: str, instant: Moment, named: Json) -> bool:
    """Whether a seller owns the asset with `operating`, or holds an operating right."""
    known = world.asset(asset, instant) or {}
    if known.get("owner") == seller and "operating" in known["rights"]:
        return True
    return world.covered(seller, ["operating-right"], instant, **named)


def may_resell(world: World, seller: str, asset: str, instant: Moment) -> bool:
    return any(
        said["buyer"] == seller and said["terms"].get("resale") and in_force(world, contract, instant)
        for contract, said in over(world, asset, instant)
    )


def missing(world: World) -> None:
    for one, asset, named in sales(world):
        known, seller = world.asset(asset, one.time), one.data["seller"]
        if known is None or operates(world, seller, asset, one.time, named):
            continue
        if not may_resell(world, seller, asset, one.time):
            world.say("right-missing", "orange", ("asset", asset), seller, one, one.time, owner=known["owner"])


def offers(world: World, seller: str, asset: str, instant: Moment) -> list[One]:
    """A seller's listings of an asset that stand at an instant: the latest of each product, unless it was ended."""
    mine = [one for one in world.acts("product.listed", "product", asset) if one.data["seller"] == seller]
    latest = {one.data["product"]: one for one in mine if one.time <= instant}
    ended = [
        (one.data.get("product"), one.time)
        for type_, business in (("product.delisted", "product"), ("asset.withdrawn", None))
        for one in world.acts(type_, business, asset)
        if one.time <= instant
    ]
    return [
        one
        for product, one in sorted(latest.items())
        if not any(of in (product, None) and time >= one.time for of, time in ended)
    ]


def right_ends(world: World) -> None:
    if world.clock is None:
        return
    told = {one.time for one in world.events if world.stands(one)}
    clocks = {
        moment(held["valid_to"])
        for one in world.events
        if one.type in ("grant.issued", *TERMS_TYPES)
        for held in (one.data, one.data.get("terms", {}))
        if held.get("valid_to")
    }
    for asset, seller in sorted({(one.subject, one.data["seller"]) for one in listings(world)}):
        for instant in sorted({*told, *(one for one in clocks if one < world.clock)}):
            if world.asset(asset, instant) is None:
                continue
            products = []
            for listing in offers(world, seller, asset, instant):
                named = {"asset": asset, "purposes": listing.data.get("purposes", ())}
                had, has = (
                    operates(world, seller, asset, each, named) or may_resell(world, seller, asset, each)
                    for each in (instant - BEFORE, instant)
                )
                if listing.time < instant and had and not has:
                    products.append(listing.data["product"])
            if products:
                world.say("right-missing", "orange", ("asset", asset), seller, None, instant, products=products)


def resold(world: World) -> None:
    for one, asset, named in sales(world):
        seller = one.data["seller"]
        if operates(world, seller, asset, one.time, named):
            continue
        others = [(contract, said) for contract, said in over(world, asset, one.time) if contract != one.subject]
        if any(
            said["buyer"] == seller and said["terms"].get("resale") and in_force(world, contract, one.time)
            for contract, said in others
        ):
            continue
        head = world.topmost(seller, one.time)
        forbidding = [
            (moment(said["signed"]), contract, said["buyer"])
            for contract, said in others
            if not said["terms"].get("resale") and world.topmost(said["buyer"], one.time) == head
        ]
        if forbidding:
            _, contract, buyer = max(forbidding)
            world.say("resale-forbidden", "red", ("contract", contract), buyer, one, one.time, seller=seller)


def derived(world: World) -> None:
    """What is derived from another's, by an act or a run, each input of an asset and its owner once."""
    said_already: set[tuple[str, str, str]] = set()
    made: list[tuple[Moment, int, One | None, str, str]] = []
    for at, one in enumerate(world.all("asset.derived")):
        made += [(one.time, at, one, one.subject, each["asset"]) for each in one.data["inputs"]]
    runs = lineage.derivations(world.lineage)
    made += [(time, len(made), None, output, input_) for (output, input_), time in sorted(runs.items())]
    for instant, _, one, asset, input_ in sorted(made, key=lambda each: each[:2]):
        mine, known = world.asset(asset, instant), world.asset(input_, instant)
        if mine is None or known is None or known.get("public") or asset == input_:
            continue
        owner = mine["owner"]
        if (asset, input_, owner) in said_already:
            continue
        if world.topmost(owner, instant) == world.topmost(known["owner"], instant):
            continue
        held = [
            (moment(said["signed"]), contract, bool(said["terms"].get("derivation")))
            for contract, said in over(world, input_, instant)
            if said["buyer"] == owner and in_force(world, contract, instant)
        ]
        granted = world.covered(owner, ["processing-right"], instant, asset=input_)
        if granted or any(allows for _, _, allows in held):
            continue
        said_already.add((asset, input_, owner))
        evidence = {"input": input_} | ({"contract": max(held)[1]} if held else {})
        world.say("derivation-forbidden", "orange", ("asset", asset), owner, one, instant, **evidence)


def withdrawn(world: World) -> None:
    for one, asset, _ in sales(world, wider=False):
        why = []
        gone = [each.time for each in world.acts("asset.withdrawn", None, asset) if each.time <= one.time]
        if gone and not any(each.time > max(gone) for each in world.registrations(asset, one.time)):
            why.append("withdrawn")
        for kind in ("compliance", "security"):
            made = [
                each.data
                for each in world.acts("asset.assessed", "assessment", asset)
                if each.time <= one.time and each.data["kind"] == kind
            ]
            if made and (made[-1]["result"] == "fail" or moment(made[-1].get("valid_to", "9999-01-01")) <= one.time):
                why.append(kind)
        if why:
            world.say("withdrawn-trade", "orange", ("asset", asset), one.data["seller"], one, one.time, why=sorted(why))


def guided_prices(world: World) -> None:
    for one in listings(world):
        price, about, seller = one.data.get("price") or {}, ("asset", one.subject), one.data["seller"]
        if price.get("mode") != "guided":
            continue
        if "ceiling" not in price:
            if (world.asset(one.subject, one.time) or {}).get("public"):
                world.say("guided-price", "yellow", about, seller, one, one.time, product=one.data["product"])
        elif exact(price["amount"]) > exact(price["ceiling"]):
            world.say("guided-price", "orange", about, seller, one, one.time, product=one.data["product"])
    for one in sellings(world, "amount", "currency", "uses_max"):
        asset, seller = one.data["asset"], one.data["seller"]
        for listing in offers(world, seller, asset, one.time):
            price = listing.data.get("price") or {}
            same = price.get("currency", "CNY") == one.data.get("currency", "CNY")
            if price.get("mode") != "guided" or "ceiling" not in price or not same:
                continue
            uses = one.data["terms"].get("uses_max") if price.get("per") == "use" else 1
            if uses and exact(one.data["amount"]) / uses > exact(price["ceiling"]):
                product = listing.data["product"]
                world.say("guided-price", "orange", ("asset", asset), seller, one, one.time, product=product)
                break


RULES = (missing, right_ends, resold, derived, withdrawn, guided_prices)
