"""The negative list: what was done held against it, and what circulates whenever an entry takes effect."""

import datetime as dt
import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

from tests.model.events import Json, Moment, One, moment
from tests.model.world import World


def verdict(
    world: World, entry: Json, asset: str, level: str | None, instant: Moment, parties: set[str]
) -> bool | None:
    """Whether an entry matches an asset: True, False, or None for what cannot be told."""
    facts = world.asset(asset, instant)
    match = entry["match"]
    answers: list[bool | None] = []
    for member, asked in match.items():
        if member == "assets":
            answers.append(asset in asked)
        elif member == "parties":
            known = bool(set(asked) & (parties | ({facts["owner"]} if facts else set())))
            answers.append(None if facts is None and not known else known)
        elif facts is None:
            answers.append(None)
        elif member == "level":
            levels = ["general", "important", "core"]
            mine = facts["level"]
            if level in levels and mine in levels:
                mine = max(mine, level, key=levels.index)
            elif level == "core":
                mine = level
            answers.append(None if mine == "ungraded" else mine in asked)
        elif member in ("category", "personal"):
            answers.append(facts[member] in asked)
        elif member == "tags":
            answers.append(bool(set(asked) & set(facts.get("tags") or ())))
        elif member == "public":
            answers.append(bool(facts.get("public")) is asked)
        elif member == "industry":
            answers.append(facts["industry"].startswith(asked) if facts["industry"] else None)
        elif member == "persons_min":
            persons = facts.get("persons")
            answers.append(None if persons is None else persons >= asked)
        elif member == "fields":
            fields = facts.get("fields")
            fits = any(fnmatch.fnmatchcase(f.lower(), g.lower()) for f in fields or () for g in asked)
            answers.append(None if fields is None else fits)
        else:
            raise AssertionError(member)
    return False if False in answers else None if None in answers else True


def screen(
    world: World,
    one: One,
    action: str,
    asset: str,
    holder: str,
    parties: set[str],
    level: str | None = None,
    **named: Sequence[str],
) -> None:
    undecided = []
    for entry, severity, path in verdicts(world, one.time, action, asset, holder, parties, level, named):
        if path is None:
            undecided.append(entry)
            continue
        evidence = {"action": action, "verdict": "match", "entry": entry, "origin": path[0], "path": path}
        world.say("negative-list", severity, ("asset", asset), holder, one, one.time, **evidence)
    if undecided:
        evidence = {"action": action, "verdict": "needs-info", "entries": sorted(undecided)}
        world.say("negative-list", "yellow", ("asset", asset), holder, one, one.time, **evidence)


def verdicts(
    world: World,
    instant: Moment,
    action: str,
    asset: str,
    holder: str,
    parties: set[str],
    level: str | None,
    named: dict[str, Any],
) -> Iterable[tuple[str, str, list[str] | None]]:
    """(entry, severity, path from the origin, or None where it cannot be told) of what is not satisfied."""
    for entry in world.pack(instant).get("negative_list", []):
        begun = moment(entry["valid_from"]) <= instant
        if not begun or ("valid_to" in entry and instant >= moment(entry["valid_to"])):
            continue
        if action not in entry["actions"]:
            continue
        restrict = entry["disposition"] == "restrict"
        if restrict and world.covered(holder, entry.get("unless", ()), instant, asset=asset, **named):
            continue
        paths = world.paths(asset, instant, entry.get("sticky", False))
        matching = [
            (len(path), origin)
            for origin, path in paths.items()
            if verdict(world, entry, origin, level if origin == asset else None, instant, parties) is True
        ]
        if matching:
            yield entry["id"], "orange" if restrict else "red", paths[min(matching)[1]]
        elif verdict(world, entry, asset, level, instant, parties) is None:
            yield entry["id"], "yellow", None


def taking_effect(world: World) -> list[tuple[Moment, str]]:
    """When what circulates is screened: (instant, the id of an entry that takes effect then)."""
    published = [
        one.data
        for one in world.events
        if one.type == "rulepack.published" and one.data["pack"] == world.default["pack"] and world.stands(one)
    ]
    found = set()
    for pack in [world.default, *published]:
        for entry in pack.get("negative_list", []):
            instant = moment(entry["valid_from"])
            if pack is not world.default:
                instant = max(instant, moment(pack["valid_from"]))
            if "valid_to" in entry and instant >= moment(entry["valid_to"]):
                continue
            if world.pack(instant) is not pack:
                continue
            before = instant - dt.timedelta(microseconds=1)
            if world.pack(before) is not pack and said_before(world, entry, before):
                continue
            found.add((instant, entry["id"]))
    return sorted(found)


def said_before(world: World, entry: Json, before: Moment) -> bool:
    """Whether the version before had this entry in force, and saying the same."""
    for other in world.pack(before).get("negative_list", []):
        in_force = moment(other["valid_from"]) <= before
        if "valid_to" in other and before >= moment(other["valid_to"]):
            in_force = False
        if other["id"] == entry["id"] and in_force:
            ordered = [
                {
                    member: sorted(value) if isinstance(value, list) else value
                    for member, value in (each["match"] | {"un": each.get("unless", [])}).items()
                }
                for each in (entry, other)
            ]
            same = entry["disposition"] == other["disposition"] and ordered[0] == ordered[1]
            sticky = entry.get("sticky", False) == other.get("sticky", False)
            return same and sticky and set(entry["actions"]) == set(other["actions"])
    return False


def listings_at(world: World, instant: Moment) -> list[One]:
    """Listings that stand: neither their product was delisted nor the asset withdrawn since, by the instant."""
    ends = []
    for one in world.acts("product.delisted", "product"):
        ends.append((one.subject, one.data["product"], one.time))
    for one in world.acts("asset.withdrawn", None):
        ends.append((one.subject, None, one.time))
    return [
        one
        for one in world.acts("product.listed", "product")
        if one.time <= instant
        and not any(
            asset == one.subject and product in (None, one.data["product"]) and one.time <= end <= instant
            for asset, product, end in ends
        )
    ]


def contracts_at(world: World, instant: Moment) -> list[Json]:
    """What contracts in force say, in the order of their signing."""
    found = []
    for contract in {one.subject for one in world.events if one.type == "contract.signed"}:
        signings = world.acts("contract.signed", None, contract)
        ended = world.end(contract)
        if signings and signings[0].time <= instant and not (ended and ended[0] <= instant):
            found.append((signings[0].order, contract))
    stated = [world.contract(contract, instant) for _, contract in sorted(found)]
    return [one for one in stated if one is not None]


def screenings(world: World) -> None:
    instants = taking_effect(world)
    for instant in {instant for instant, _ in instants if world.clock is not None and instant < world.clock}:
        entries = {id_ for each, id_ in instants if each == instant}
        offers: list[tuple[str, str, str, set[str], dict[str, Any]]] = []
        for one in listings_at(world, instant):
            named = {"purposes": one.data.get("purposes", ())}
            offers.append(("list", one.subject, one.data["seller"], {one.data["seller"]}, named))
        for data in contracts_at(world, instant):
            named = {
                "purposes": data["terms"].get("purposes", ()),
                "countries": data["terms"].get("countries", ()),
                "recipients": (data["buyer"],),
            }
            offers.append(("trade", data["asset"], data["seller"], {data["seller"], data["buyer"]}, named))
        hits: dict[tuple[str, str, str], tuple[str, str, str, list[str]]] = {}
        doubts: dict[tuple[str, str], dict[str, str]] = {}
        for action, asset, seller, parties, named in offers:
            for entry, severity, path in verdicts(world, instant, action, asset, seller, parties, None, named):
                if entry not in entries:
                    continue
                if path is not None:
                    hits.setdefault((action, asset, entry), (severity, seller, path[0], path))
                else:
                    doubts.setdefault((action, asset), {}).setdefault(entry, seller)
        for (action, asset, entry), (severity, seller, origin, path) in hits.items():
            evidence = {"action": action, "verdict": "match", "entry": entry, "origin": origin, "path": path}
            about = ("asset", asset)
            world.say("negative-list", severity, about, seller, None, instant, **evidence)
        for (action, asset), doubted in doubts.items():
            left = {entry: seller for entry, seller in doubted.items() if (action, asset, entry) not in hits}
            if left:
                evidence = {"action": action, "verdict": "needs-info", "entries": sorted(left)}
                seller = next(iter(left.values()))
                world.say("negative-list", "yellow", ("asset", asset), seller, None, instant, **evidence)


def negative_list(world: World) -> None:
    screenings(world)
    for one in world.acts("product.listed", "product"):
        seller = one.data["seller"]
        screen(world, one, "list", one.subject, seller, {seller}, purposes=one.data.get("purposes", ()))
    for one in world.acts("contract.signed", None):
        data = one.data
        screen(
            world,
            one,
            "trade",
            data["asset"],
            data["seller"],
            {data["seller"], data["buyer"]},
            purposes=data["terms"].get("purposes", ()),
            countries=data["terms"].get("countries", ()),
            recipients=(data["buyer"],),
        )
    for one in world.acts("delivery.completed", "delivery"):
        contract = world.contract(one.subject, one.time)
        if contract is not None:
            screen(
                world,
                one,
                "deliver",
                contract["asset"],
                contract["seller"],
                {contract["seller"], contract["buyer"], one.data["recipient"]},
                countries=[one.data["country"]] if "country" in one.data else (),
                recipients=(one.data["recipient"],),
            )
    for one in world.acts("export.performed", "export"):
        contract = world.contract(one.data["contract"], one.time) if "contract" in one.data else None
        asset = one.data.get("asset") or (contract or {}).get("asset")
        if asset is not None:
            screen(
                world,
                one,
                "export",
                asset,
                one.subject,
                {one.subject, one.data["recipient"]} | ({contract["buyer"]} if contract else set()),
                one.data["level"],
                countries=(one.data["country"],),
                recipients=(one.data["recipient"],),
            )


RULES = (negative_list,)
