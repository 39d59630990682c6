"""Conduct on markets: pairs, rings, shares, prices, refusals, sales that are a crime."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from tests.model.credit import published
from tests.model.events import TERMS_TYPES, Json, Moment, One, days_after, months_after
from tests.model.licences import sellings
from tests.model.lists import same
from tests.model.money import counted, currency
from tests.model.world import World, exact

PERSONAL = ("personal", "sensitive", "minor")


def signings(world: World) -> list[One]:
    return world.acts("contract.signed", None)


def settlements(world: World) -> list[One]:
    return world.acts("settlement.paid", "settlement")


def reciprocal(world: World) -> None:
    """The parties themselves, else parties of the same ultimate controllers, where these differ."""
    sold = sellings(world, "amount", "currency")
    for at, one in enumerate(sold):
        amount, setting = exact(one.data["amount"]), world.setting("reciprocal-trade", one.time)
        near = [
            other
            for other in sold[:at]
            if currency(other) == currency(one)
            and other.subject != one.subject
            and one.time <= days_after(other.time, setting["days"])
            and abs(amount - exact(other.data["amount"])) * 100
            <= exact(other.data["amount"]) * exact(setting["percent"])
        ]
        for severity, (seller, buyer), pairs in (
            ("orange", sides(one), [sides(other) for other in near]),
            ("yellow", controllers(world, one), [controllers(world, other) for other in near]),
        ):
            back = [other for other, pair in zip(near, pairs, strict=True) if pair == (buyer, seller)]
            if back and seller != buyer:
                smaller = min(seller, buyer)
                evidence = {"contracts": [back[-1].subject, one.subject]}
                world.say("reciprocal-trade", severity, ("party", smaller), smaller, one, one.time, **evidence)
                break
            if one.data["seller"] == one.data["buyer"]:
                break


def sides(one: One) -> tuple[str, str]:
    return one.data["seller"], one.data["buyer"]


def controllers(world: World, one: One) -> tuple[str, str]:
    return world.topmost(one.data["seller"], one.time), world.topmost(one.data["buyer"], one.time)


def rings(world: World) -> None:
    """Of the parties as settled, else of their ultimate controllers: of the fewest payments, then the first."""
    paid = settlements(world)
    sides = [(one.data["payer"], one.data["payee"]) for one in paid]
    heads = [
        (world.topmost(one, each.time), world.topmost(other, each.time))
        for (one, other), each in zip(sides, paid, strict=True)
    ]
    for at, one in enumerate(paid):
        for severity, ends in (("orange", sides), ("yellow", heads)):
            if ends[at][0] == ends[at][1]:
                continue
            ring = min(closed(world, paid, ends, (at,)), key=lambda path: (len(path), path), default=None)
            if ring is not None:
                evidence = {
                    "parties": [ends[each][0] for each in ring],
                    "contracts": [paid[each].subject for each in ring],
                }
                world.say(
                    "ring-trade", severity, ("contract", one.subject), one.data["payee"], one, one.time, **evidence
                )
                break


def closed(
    world: World, paid: list[One], ends: list[tuple[str, str]], path: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """All ways from the last of these payments back to who is paid by it, as places in the order of payments."""
    last, setting = paid[path[-1]], world.setting("ring-trade", paid[path[-1]].time)
    payers = [ends[each][0] for each in path]
    for before, one in enumerate(paid[: path[0]]):
        if (
            ends[before][1] != payers[0]
            or currency(one) != currency(last)
            or last.time > days_after(one.time, setting["days"])
            or exact(paid[path[0]].data["amount"]) * 100 < exact(one.data["amount"]) * exact(setting["percent"])
        ):
            continue
        if ends[before][0] == ends[path[-1]][1]:
            if 3 <= len(path) + 1 <= 6:
                yield (before, *path)
        elif ends[before][0] not in payers and len(payers) < 5:
            yield from closed(world, paid, ends, (before, *path))


def market(world: World, asset: str, instant: Moment, money: str) -> str | None:
    facts = world.asset(asset, instant)
    if facts is None or len(facts.get("industry") or "") < 3:
        return None
    return f"{facts['industry'][:3]}/{same(facts['category'])}/{money}"


def paid_in(world: World) -> Iterator[tuple[One, str, Json]]:
    """Each settlement that belongs to a market, and what its contract says then."""
    for one in settlements(world):
        contract, signed = world.contract(one.subject, one.time), signed_at(world, one.subject)
        if contract is not None and signed is not None:
            named = market(world, contract["asset"], min(signed, one.time), currency(one))
            if named is not None:
                yield one, named, contract


def signed_at(world: World, contract: str) -> Moment | None:
    """The contract's `time`: that of its signing."""
    return min((one.time for one in world.acts("contract.signed", None, contract)), default=None)


def shares(world: World, of: str, ends: Moment) -> tuple[dict[str, Fraction], int]:
    """The shares of a market by controller over the twelve months to a month's end, largest first; contracts paid."""
    paid: dict[tuple[str, str], Fraction] = {}
    for one, named, contract in paid_in(world):
        signed = signed_at(world, one.subject)
        if named == of and signed and months_after(ends, -12) <= signed < ends and one.time < ends:
            key = (one.subject, world.topmost(contract["seller"], ends))
            paid[key] = paid.get(key, Fraction(0)) + counted(world, one)
    sold: dict[str, Fraction] = {}
    for (_, head), amount in paid.items():
        if amount > 0:
            sold[head] = sold.get(head, Fraction(0)) + amount
    whole = sum(sold.values())
    ordered = sorted(sold.items(), key=lambda each: (-each[1], each[0]))
    return {head: amount / whole for head, amount in ordered}, len({one for (one, _), net in paid.items() if net > 0})


def month_ends(world: World) -> Iterator[Moment]:
    """The months' ends from the first settlement to a year and a month after the last, or the last signing, that the
    clock is past."""
    paid = settlements(world)
    if paid:
        ends, last = start_of_month(paid[0].time), max(one.time for one in (*paid, *signings(world)))
        while (ends := months_after(ends, 1)) < world.clock and ends <= months_after(last, 15):
            yield ends


def start_of_month(instant: Moment) -> Moment:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def markets(world: World) -> None:
    for of in {named for _, named, _ in paid_in(world)}:
        for ends in month_ends(world):
            now, contracts = shares(world, of, ends)
            before, _ = shares(world, of, months_after(ends, -1))
            if now:
                dominance(world, of, ends, now, contracts)
            if now and before:
                concentration(world, of, ends, hhi(now), hhi(before), next(iter(now)))


def dominance(world: World, of: str, ends: Moment, parts: dict[str, Fraction], contracts: int) -> None:
    setting = world.setting("dominance", ends)
    for count, limit in enumerate(setting["shares"], start=1):
        largest = list(parts.items())[:count]
        together = sum(share for _, share in largest)
        if contracts < setting["contracts"] or len(largest) < count or together < Fraction(limit):
            continue
        least = Fraction(setting["least_share"])
        members = [head for head, share in largest if count == 1 or share >= least]
        evidence = {"controllers": count, "share": str(together), "members": sorted(members)}
        world.say("dominance", "yellow", ("market", of), largest[0][0], None, ends, **evidence)


def hhi(parts: dict[str, Fraction]) -> Fraction:
    return sum((share * 100) ** 2 for share in parts.values()) + Fraction(0)


def concentration(world: World, of: str, ends: Moment, now: Fraction, before: Fraction, largest: str) -> None:
    setting = world.setting("concentration", ends)

    def band(index: Fraction) -> int:
        return 2 if index > setting["high"] else 1 if index >= setting["moderate"] else 0

    if band(now) > band(before) or abs(now - before) >= setting["change"]:
        evidence = {"hhi": str(now), "before": str(before)}
        world.say("concentration", "blue", ("market", of), largest, None, ends, **evidence)


def equal(terms: Json) -> str:
    """Terms without parties and dates; lists have no order."""
    kept = {name: value for name, value in terms.items() if name not in ("valid_from", "valid_to", "recipients")}
    kept.pop("quota_group", None)
    return repr(sorted((name, sorted(map(str, one)) if isinstance(one, list) else one) for name, one in kept.items()))


def differential(world: World) -> None:
    """Once a product, month and terms, at the first sale by which enough have bought and two pay too differently."""
    groups: dict[tuple[Any, ...], list[One]] = {}
    for one in signings(world):
        if "product" in one.data and one.data["terms"].get("uses_max"):
            data, month = one.data, (one.time.year, one.time.month)
            key = (data["asset"], data["product"], month, currency(one), equal(data["terms"]))
            groups.setdefault(key, []).append(one)
    for sales in groups.values():
        for at, one in enumerate(sales):
            setting = world.setting("differential-price", one.time)
            so_far = sales[: at + 1]
            if len({each.data["buyer"] for each in so_far}) < setting["buyers"]:
                continue
            if any(
                some.data["buyer"] != other.data["buyer"]
                and exact(some.data["amount"]) > exact(other.data["amount"]) * exact(setting["factor"])
                for some in so_far
                for other in so_far
            ):
                about = ("asset", one.data["asset"])
                world.say("differential-price", "yellow", about, one.data["seller"], one, one.time)
                break


def exclusive(world: World) -> None:
    acts: list[tuple[One, str | None]] = [
        (one, market(world, one.data["asset"], one.time, currency(one)))
        for one in sellings(world, "exclusive")
        if one.data["terms"].get("exclusive")
    ]
    refused = [
        (one, market(world, one.subject, one.time, "CNY"))
        for one in world.acts("request.refused", "buyer")
        if not published(world, one.data["buyer"], "serious", one.time)
    ]
    for one, of in [*acts, *refused]:
        if of is None:
            continue
        seller, setting = one.data["seller"], world.setting("exclusive-dealing", one.time)
        parts, _ = shares(world, of, start_of_month(one.time))
        share = parts.get(world.topmost(seller, start_of_month(one.time)), Fraction(0))
        earlier = [
            each
            for each, other in refused
            if other == of
            and each.data["seller"] == seller
            and each.order <= one.order
            and each.time >= months_after(one.time, -setting["months"])
        ]
        enough = one.type != "request.refused" or len(earlier) >= setting["refusals"]
        if share >= Fraction(setting["share"]) and enough:
            kind = "exclusive" if one.type != "request.refused" else "refusals"
            about, evidence = ("party", seller), {"kind": kind, "share": str(share)}
            world.say("exclusive-dealing", "yellow", about, seller, one, one.time, **evidence)


def crimes(world: World) -> None:
    """Each signing whole; of an amendment what it adds to the most that was sold under its contract before it."""
    acts = sorted((one for type_ in TERMS_TYPES for one in world.acts(type_, None)), key=lambda one: one.order)
    for seller in {one.data["seller"] for one in acts}:
        whole, gained = Fraction(0), Fraction(0)
        earlier: list[tuple[One, int, Fraction]] = []
        for one in acts:
            asset = world.asset(one.data["asset"], one.time) or {}
            if (one.data["seller"], one.data["channel"]) != (seller, "off-exchange"):
                continue
            if asset.get("personal") not in PERSONAL:
                continue
            setting = world.setting("black-market", one.time)
            items = min(kept((asset.get("persons") or 0, one.data["terms"].get("persons_max"))))
            number = setting["other_items"]
            for class_ in ("second", "first"):
                if same(asset["category"]) in map(same, setting[f"{class_}_categories"]):
                    number = setting[f"{class_}_items"]
            served = {same(tag) for tag in asset.get("tags") or ()} & {same(tag) for tag in setting["in_service_tags"]}
            half = Fraction(1, 2) if served else Fraction(1)
            known = items or asset.get("persons") is None
            amount = exact(one.data["amount"]) if known and currency(one) == setting["currency"] else Fraction(0)
            of_contract = [each for each in earlier if each[0].subject == one.subject]
            if one.type == "contract.signed" or not of_contract:
                more_items, more_money = items, amount
            else:
                alike = [(n, money) for each, n, money in of_contract if sold_to(each) == sold_to(one)]
                more_items = max(0, items - max((n for n, _ in alike), default=0))
                more_money = max(Fraction(0), amount - max((money for _, money in alike), default=Fraction(0)))
            earlier.append((one, items, amount))
            whole += more_items / (number * half)
            gained += more_money / (setting["proceeds"] * half)
            if whole >= 1 or gained >= 1:
                parts = {"sum": whole, "proceeds_sum": gained}
                about = ("party", seller)
                evidence = {name: f"{part.numerator}/{part.denominator}" for name, part in parts.items()}
                world.say("black-market", "red", about, seller, one, one.time, **evidence)
                break


def sold_to(one: One) -> tuple[str, str]:
    return one.data["asset"], one.data["buyer"]


def kept(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


RULES = (reciprocal, rings, markets, differential, exclusive, crimes)
