"""Contracts: what is sold, delivered and used, by whom, for how much, and whether that may be."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.model.counting import outside
from tests.model.events import STATING, TERMS_TYPES, Json, Moment, One, moment, months_after
from tests.model.world import World, exact

PERSONAL = ("personal", "sensitive", "minor")
CONSENTS = {"sensitive": "consent", "minor": "guardian-consent"}


def signings(world: World) -> list[One]:
    return world.acts("contract.signed", None)


def sellings(world: World, *members: str, wider: bool = False) -> list[One]:
    """The signings, and the amendments before which the contract said nothing, or sold something else: another asset,
    by another seller, to another buyer, or with others of these members; or, if `wider`, for more purposes or more
    countries."""
    found = []
    for contract in {one.subject for type_ in TERMS_TYPES for one in world.acts(type_, None)}:
        said = [one for type_ in TERMS_TYPES for one in world.acts(type_, None, contract)]
        said.sort(key=lambda one: one.order)
        for at, one in enumerate(said):
            before = said[at - 1]
            sells = one.type == "contract.signed" or at == 0 or another(before, one, members)
            if sells or (wider and more(before.data["terms"], one.data["terms"])):
                found.append(one)
    return sorted(found, key=lambda one: one.order)


def another(before: One, one: One, members: Sequence[str]) -> bool:
    names = ("asset", "seller", "buyer", *members)
    return any(stated(before, name) != stated(one, name) for name in names)


def stated(one: One, name: str) -> Any:
    """A member of a contract or of its terms, as it is compared: amounts as numbers, lists without their order."""
    found = one.data.get(name, one.data["terms"].get(name, "CNY" if name == "currency" else None))
    if isinstance(found, list):
        return set(found)
    return exact(found) if name == "amount" else found


def more(before: Json, now: Json) -> bool:
    """Whether terms allow a purpose or a country that those before them did not."""
    for name in ("purposes", "countries"):
        allowed = before.get(name)
        if allowed is None:
            continue
        if now.get(name) is None:
            return True
        for each in now[name]:
            ways = [each] if name == "countries" else ["/".join(each.split("/")[:to]) for to in range(1, 9)]
            if not set(ways) & set(allowed):
                return True
    return False


def deliveries(world: World) -> Iterator[tuple[One, Json]]:
    """Each delivery under a contract of which terms are known, and what that says at its time."""
    for one in world.acts("delivery.completed", "delivery"):
        contract = world.contract(one.subject, one.time)
        if contract is not None:
            yield one, contract


def sold(one: One) -> Json:
    """What a signing names of what a grant may be restricted by."""
    terms = one.data["terms"]
    return {
        "asset": one.data["asset"],
        "purposes": terms.get("purposes", ()),
        "countries": terms.get("countries", ()),
        "recipients": (one.data["buyer"],),
    }


def outside_terms(world: World) -> None:
    lacking: set[tuple[str, str]] = set()
    for one, contract in deliveries(world):
        for term, given, said in outside(one, contract["terms"]):
            if given is None and (one.subject, term) in lacking:
                continue
            if given is None:
                lacking.add((one.subject, term))
            severity = "yellow" if given is None else "orange"
            about, evidence = ("contract", one.subject), {"term": term, "given": said, "kind": "delivery"}
            world.say("outside-terms", severity, about, contract["buyer"], one, one.time, **evidence)


def late_deliveries(world: World) -> None:
    for one, contract in deliveries(world):
        ended = [each.time for each in world.acts("contract.terminated", None, one.subject)]
        if ended and min(ended) <= one.time:
            about, evidence = ("contract", one.subject), {"kind": "delivery", "terminated": min(ended).isoformat()}
            world.say("use-after-end", "orange", about, contract["buyer"], one, one.time, **evidence)


def raw(world: World) -> None:
    for one, contract in deliveries(world):
        asset = world.asset(contract["asset"], one.time) or {}
        if asset.get("public") and one.data["mode"] in world.setting("raw-public-data", one.time)["modes"]:
            about, mode = ("contract", one.subject), one.data["mode"]
            world.say("raw-public-data", "red", about, contract["seller"], one, one.time, mode=mode)


def consents(world: World) -> None:
    for one, contract in deliveries(world):
        personal = (world.asset(contract["asset"], one.time) or {}).get("personal")
        persons = (one.data.get("persons") or 0) + (one.data.get("sensitive_persons") or 0)
        if personal not in CONSENTS or not persons:
            continue
        covered = world.covered(
            contract["seller"],
            [CONSENTS[personal]],
            one.time,
            asset=contract["asset"],
            purposes=contract["terms"].get("purposes", ()),
            countries=[one.data["country"]] if "country" in one.data else (),
            recipients=(one.data["recipient"],),
        )
        if not covered:
            about = ("contract", one.subject)
            world.say("consent-missing", "red", about, contract["seller"], one, one.time, personal=personal)


def authorisations(world: World) -> None:
    for one in sellings(world, wider=True):
        asset, seller = world.asset(one.data["asset"], one.time) or {}, one.data["seller"]
        if asset.get("public") and not world.covered(seller, ["public-operation"], one.time, **sold(one)):
            world.say("authorisation-scope", "orange", ("contract", one.subject), seller, one, one.time)


def off_exchange(world: World) -> None:
    for one in sellings(world, "channel"):
        asset = world.asset(one.data["asset"], one.time) or {}
        if asset.get("public") and one.data["channel"] == "off-exchange":
            world.say("off-exchange-public", "yellow", ("contract", one.subject), one.data["seller"], one, one.time)


def unverified(world: World) -> None:
    for one in sellings(world, "channel"):
        if one.data["channel"] != "on-exchange":
            continue
        asset = world.asset(one.data["asset"], one.time)
        parties = {"seller": one.data["seller"], "buyer": one.data["buyer"]}
        if asset is not None:
            parties["owner"] = asset["owner"]
        unknown = {
            role: party
            for role, party in parties.items()
            if not any(
                each.reporter == 0 and each.time <= one.time for each in world.all("party.registered", subject=party)
            )
        }
        if unknown:
            about, evidence = ("contract", one.subject), {"unverified": sorted(unknown.items())}
            world.say("unverified-trade", "orange", about, one.data["seller"], one, one.time, **evidence)


def reviews(world: World) -> None:
    for one in sellings(world, "product", "delivery", wider=True):
        asset = world.asset(one.data["asset"], one.time) or {}
        modes = one.data["terms"].get("delivery")
        if modes is None:
            offered = [
                each
                for each in world.acts("product.listed", "product", one.data["asset"])
                if each.data["product"] == one.data.get("product") and each.time <= one.time
            ]
            modes = offered[-1].data["delivery"] if offered else []
        needed = {
            "risk-assessment": asset.get("level") in ("important", "core"),
            "impact-assessment": asset.get("personal") in PERSONAL,
            "algorithm-review": "model" in modes,
        }
        missing = [
            kind
            for kind, due in needed.items()
            if due and not world.covered(one.data["seller"], [kind], one.time, **sold(one))
        ]
        if missing:
            about, evidence = ("contract", one.subject), {"missing": missing}
            world.say("review-missing", "orange", about, one.data["seller"], one, one.time, **evidence)


def prices(world: World) -> None:
    for one in sellings(world, "amount", "currency"):
        assessed = [
            each
            for each in world.acts("asset.assessed", "assessment", one.data["asset"])
            if each.time <= one.time
            and (each.data["kind"], each.data["result"]) == ("value", "pass")
            and not ("valid_to" in each.data and one.time >= moment(each.data["valid_to"]))
        ]
        if not assessed or "value" not in assessed[-1].data or one.data.get("currency", "CNY") != "CNY":
            continue
        amount, value = exact(one.data["amount"]), exact(assessed[-1].data["value"])
        factor = exact(world.setting("abnormal-price", one.time)["factor"])
        if amount > value * factor or amount * factor < value:
            about = ("contract", one.subject)
            world.say(
                "abnormal-price", "blue", about, one.data["seller"], one, one.time, value=assessed[-1].data["value"]
            )


def related(world: World) -> None:
    earlier: dict[frozenset[str], list[Moment]] = {}
    for one in sellings(world):
        seller, buyer = one.data["seller"], one.data["buyer"]
        common = [each for each in world.above(seller, one.time) if each in world.above(buyer, one.time)]
        if not common:
            continue
        times = earlier.setdefault(frozenset({seller, buyer}), [])
        times.append(one.time)
        setting = world.setting("related-party-trade", one.time)
        since = months_after(one.time, -setting["months"])
        trades = sum(1 for each in times if each >= since)
        severity = "orange" if trades >= setting["repeated"] else "yellow"
        about, evidence = ("contract", one.subject), {"controller": common[0], "trades": trades}
        world.say("related-party-trade", severity, about, seller, one, one.time, **evidence)


def watermarks(world: World) -> None:
    for one in world.acts("watermark.sighted", "watermark"):
        made = [
            each
            for each, contract in deliveries(world)
            if each.time <= one.time
            and each.data.get("watermark") == one.data["watermark"]
            and contract["asset"] == one.subject
        ]
        if not made:
            continue
        # (who may hold it, whether they may sell it on)
        reached: set[tuple[str, bool]] = set()
        for each in made:
            contract = world.contract(each.subject, one.time) or {}
            resale = bool(contract["terms"].get("resale"))
            reached |= {(each.data["recipient"], resale), (contract["buyer"], resale)}
        while True:
            more = {
                (contract["buyer"], bool(contract["terms"].get("resale")))
                for contract in signed_by(world, one.subject, one.time)
                if (contract["seller"], True) in reached
            }
            if more <= reached:
                break
            reached |= more
        if one.data["holder"] not in {party for party, _ in reached}:
            contract = world.contract(made[0].subject, one.time) or {}
            about, evidence = ("contract", made[0].subject), {"holder": one.data["holder"]}
            world.say("onward-transfer", "red", about, contract["buyer"], one, one.time, **evidence)


def signed_by(world: World, asset: str, instant: Moment) -> Iterator[Json]:
    """What the contracts over an asset say that were signed no later than the instant."""
    for contract in {one.subject for one in signings(world) if one.time <= instant}:
        said = world.contract(contract, instant)
        if said is not None and said["asset"] == asset:
            yield said


def conflicts(world: World) -> None:
    """The first statement of each source that is not the home of a contract; of signings no lesser reporter's."""
    for contract in {one.subject for one in world.events if one.type in STATING}:
        made = world.made_home(contract)
        told = set()
        statements = [one for type_ in STATING for one in world.all(type_, subject=contract)]
        for one in sorted(statements, key=lambda one: one.order):
            if made is None or made.source == one.source or one.source in told:
                continue
            if one.type != "contract.signed" or one.reporter <= made.reporter:
                told.add(one.source)
                evidence = {"home": made.source, "given": one.source}
                world.say("terms-conflict", "orange", ("contract", contract), None, one, one.time, **evidence)


RULES = (
    outside_terms,
    conflicts,
    late_deliveries,
    raw,
    consents,
    authorisations,
    off_exchange,
    unverified,
    reviews,
    prices,
    related,
    watermarks,
)
