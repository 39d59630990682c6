"""Plants about rights: who may list, sell and resell what, derive from what, and what may be sold at all."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, format_instant
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told

_MICROSECOND: Final = 1


def outlived(on: Ground) -> Iterator[Told | Must]:
    """Products stay listed when the last right to them ends: of a grant that runs out or is revoked, of a contract that
    allowed resale. One that is delisted at that instant is all right, and so is one whose grant another one follows."""
    yield from (on.party("owner"), on.party("seller"))
    end = on.day(20)
    for name in ("ends", "delisted", "followed", "revoked", "resold"):
        yield on.asset(name, owner="owner")
        if name in ("ends", "delisted", "followed"):
            yield on.granted("seller", "operating-right", assets=[on.thing(name)], valid_to=format_instant(end))
    yield on.granted("seller", "operating-right", end, assets=[on.thing("followed")])
    revoked = on.granted("seller", "operating-right", assets=[on.thing("revoked")])
    yield revoked
    yield on.event("grant.revoked", on.who("seller"), on.day(21), grant=revoked.data["grant"], reason="misuse")
    terms = {"resale": True, "valid_to": format_instant(on.day(22))}
    yield from on.trade("bought", on.day(2), asset="resold", seller="owner", buyer="seller", terms=terms)
    for name in ("ends", "delisted", "followed", "revoked", "resold"):
        yield on.listed(name)
    product = f"product-{on.thing('delisted')}"
    yield on.event("product.delisted", on.thing("delisted"), end, product=product, reason="sold out")
    for name, instant in (("ends", end), ("revoked", on.day(21)), ("resold", on.day(22))):
        why = f"listed when the last right ends: {name}"
        party, products = on.who("seller"), [f"product-{on.thing(name)}"]
        yield on.must("right-missing", "orange", on.about(name), why, occurred=instant, party=party, products=products)


def unlisted(on: Ground) -> Iterator[Told | Must]:
    """Sold without a listing by one who has no right: said like a listing. With a contract that allows resale it is
    not, until that is terminated, a microsecond before the sale."""
    yield from (on.party("owner"), on.party("seller"), on.party("buyer"))
    for name in ("free", "allowed", "ended"):
        yield on.asset(name, owner="owner")
        if name != "free":
            yield from on.trade(
                f"{name}-bought", on.day(2), asset=name, seller="owner", buyer="seller", terms={"resale": True}
            )
    sold = on.day(10)
    yield on.event("contract.terminated", on.thing("ended-bought"), sold - _MICROSECOND, reason="agreed")
    for name in ("free", "allowed", "ended"):
        sale = on.signed(f"{name}-sold", sold, asset=name)
        yield from (sale, on.delivered(f"{name}-sold", sold + DAY), on.paid(f"{name}-sold", sold + 2 * DAY))
        if name != "allowed":
            yield on.must("right-missing", "orange", on.about(name), f"sold without a right: {name}", cause=sale)


def resold(on: Ground) -> Iterator[Told | Must]:
    """A buyer without `resale` sells on, and a sister of another buyer does; a stranger who bought nothing is only
    without a right. A holder of an operating right may, and so may a buyer who bought a second time with `resale`."""
    for name, controller in (("owner", None), ("buyer", None), ("head", None), ("first", "head"), ("sister", "head")):
        yield on.party(name, controller=None if controller is None else on.who(controller))
    yield on.party("stranger")
    names = ("itself", "group", "strange", "granted", "twice")
    for name in names:
        yield on.asset(name, owner="owner")
        yield from on.trade(
            f"{name}-bought", on.day(4), asset=name, seller="owner", buyer="first" if name == "group" else "buyer"
        )
    yield on.granted("buyer", "operating-right", assets=[on.thing("granted")])
    yield from on.trade("again", on.day(5), asset="twice", seller="owner", buyer="buyer", terms={"resale": True})
    for at, name in enumerate(names):
        seller = {"group": "sister", "strange": "stranger"}.get(name, "buyer")
        listing = on.listed(name, on.day(10 + at), seller=seller)
        yield listing
        if name in ("itself", "group"):
            why = f"resold under a contract that forbids it: {name}"
            about, party = on.contract(f"{name}-bought"), on.who("first" if name == "group" else "buyer")
            yield on.must("resale-forbidden", "red", about, why, cause=listing, party=party)
        if name in ("itself", "group", "strange"):
            why = f"listed without an operating right: {name}"
            yield on.must("right-missing", "orange", on.about(name), why, cause=listing)


def derived_without(on: Ground) -> Iterator[Told | Must]:
    """Derived from what another owns: under a contract that forbids it, and under none. With a processing right, under
    a contract that allows it, from public data, and within a group it is allowed."""
    yield from (on.party("owner"), on.party("buyer"), on.party("head"))
    yield from (on.party("daughter", controller=on.who("head")), on.party("maker", controller=on.who("head")))
    derived_at = on.day(10)
    for name in ("forbidden", "none", "granted", "allowed", "public", "group"):
        input_, output = f"{name}-input", f"{name}-output"
        yield on.asset(
            input_, owner="daughter" if name == "group" else "owner", public=True if name == "public" else None
        )
        yield on.asset(output, owner="maker" if name == "group" else "buyer")
        if name in ("forbidden", "allowed"):
            terms = {"derivation": True} if name == "allowed" else None
            yield from on.trade(f"{name}-bought", asset=input_, seller="owner", buyer="buyer", terms=terms)
        derivation = on.derived(output, derived_at, input_)
        yield derivation
        if name in ("forbidden", "none"):
            evidence: dict[str, Any] = {"input": on.thing(input_)}
            if name == "forbidden":
                evidence["contract"] = on.thing("forbidden-bought")
            why = f"derived from another's data: {name}"
            about, party = on.about(output), on.who("buyer")
            yield on.must(
                "derivation-forbidden", "orange", about, why, cause=derivation, party=party, evidence=evidence
            )
    yield on.granted("buyer", "processing-right", assets=[on.thing("granted-input")])


def withdrawn(on: Ground) -> Iterator[Told | Must]:
    """Sold at the instant of the withdrawal, and listed under an assessment that has just ended or that failed. A sale
    just before the withdrawal is all right, and so is one after the asset was registered again."""
    yield on.party("seller")
    when = on.day(10)
    for name in ("gone", "before", "again", "ended", "failed", "passed"):
        yield on.asset(name)
    for name in ("gone", "before", "again"):
        yield on.event("asset.withdrawn", on.thing(name), when, reason="replaced")
    yield on.asset("again", on.day(11))
    for name, kind, result, until in (
        ("ended", "compliance", "pass", when),
        ("failed", "security", "fail", None),
        ("passed", "compliance", "pass", when + _MICROSECOND),
    ):
        members: dict[str, Any] = {} if until is None else {"valid_to": format_instant(until)}
        id_ = f"assessment-{on.thing(name)}"
        yield on.event(
            "asset.assessed",
            on.thing(name),
            on.day(8),
            assessment=id_,
            kind=kind,
            result=result,
            assessor="b",
            **members,
        )
    for name, time in (("gone", when), ("before", when - _MICROSECOND), ("again", on.day(12))):
        (*registrations, sale, delivery, payment) = on.trade(name, time, asset=name)
        yield from (*registrations, sale, delivery, payment)
        if name == "gone":
            yield on.must("withdrawn-trade", "orange", on.about(name), "sold as it is withdrawn", cause=sale)
    for name in ("ended", "failed", "passed"):
        listing = on.listed(name, when)
        yield listing
        if name != "passed":
            why = f"listed under an assessment that {name}"
            yield on.must("withdrawn-trade", "orange", on.about(name), why, cause=listing)


def overpriced(on: Ground) -> Iterator[Told | Must]:
    """Contracts under a guided listing: at the ceiling, a cent above it, at and above it for each use, and after the
    product was delisted. A public asset without a ceiling is said in yellow; one that is not public is not."""
    yield on.party("seller")
    ceiling = {"mode": "guided", "amount": "50", "ceiling": "100.00"}
    for name in ("at", "above", "each", "each-above", "later"):
        yield on.asset(name)
        per = {"per": "use"} if name.startswith("each") else {}
        yield on.listed(name, price=ceiling | per)
    product = f"product-{on.thing('later')}"
    yield on.event("product.delisted", on.thing("later"), on.day(4), product=product, reason="sold out")
    for name, amount in (
        ("at", "100"),
        ("above", "100.01"),
        ("each", "1000"),
        ("each-above", "1000.01"),
        ("later", "500"),
    ):
        terms = {"uses_max": 10}
        (*registrations, sale, delivery, payment) = on.trade(name, asset=name, amount=amount, terms=terms)
        yield from (*registrations, sale, delivery, payment)
        if name.endswith("above"):
            why = f"a contract above the guided ceiling: {name}"
            yield on.must("guided-price", "orange", on.about(name), why, cause=sale, amount=amount)
    yield on.granted("seller", "public-operation")
    for name, public in (("open", True), ("closed", None)):
        yield on.asset(name, public=public)
        listing = on.listed(name, price={"mode": "guided", "amount": "50"})
        yield listing
        if public:
            why = "public data at a guided price without a ceiling"
            yield on.must("guided-price", "yellow", on.about(name), why, cause=listing)


PLANTS: Final[tuple[Plant, ...]] = (outlived, unlisted, resold, derived_without, withdrawn, overpriced)
