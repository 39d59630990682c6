"""Exports: the sums of a party's year, what they ask for, and what an export claims."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.model.events import Json, Moment, One, days_after
from tests.model.world import World

LEVELS = ("ungraded", "general", "important", "core")
APPROVALS = ("security-assessment", "standard-contract", "certification")


def exports(world: World) -> list[One]:
    return world.acts("export.performed", "export")


def people(one: One) -> int:
    return int(one.data["persons"]) + int(one.data["sensitive_persons"])


def exempt(world: World, one: One) -> bool:
    party = world.party(one.subject, one.time)
    holds = {
        "contract": True,
        "emergency": True,
        "foreign-origin": True,
        "hr": party.get("employees") is not None and people(one) <= party["employees"],
        "no-personal": people(one) == 0,
        "ftz": bool(party.get("ftz")) and not party.get("ciio"),
        None: False,
    }
    return holds[one.data.get("exemption")]


class Sent(NamedTuple):
    """What an act sends abroad: whose it is, and what of it the sums of a year count."""

    one: One
    party: str
    asset: str | None
    persons: int
    sensitive: int
    level: str = "ungraded"


def performed(one: One) -> Sent:
    return Sent(one, one.subject, one.data.get("asset"), one.data["persons"], one.data["sensitive_persons"])


def sendings(world: World) -> Iterator[tuple[Sent, str]]:
    """Deliveries abroad of personal, important or core data, with the colour in which an undeclared one is found."""
    for one in world.acts("delivery.completed", "delivery"):
        data, contract = one.data, world.contract(one.subject, one.time)
        home = world.pack(one.time).get("home", "CN")
        abroad = data["country"] != home if "country" in data else ":" in data["recipient"]
        if contract is None or not abroad:
            continue
        asset = world.asset(contract["asset"], one.time) or {"level": "ungraded", "personal": "none"}
        of_asset = asset.get("persons") or 0
        very_personal = asset["personal"] in ("sensitive", "minor")
        persons = data.get("persons", of_asset if asset["personal"] == "personal" else 0)
        sensitive = data.get("sensitive_persons", of_asset if very_personal else 0)
        important = asset["level"] in ("important", "core")
        if important or asset["personal"] != "none" or persons or sensitive:
            red = important or very_personal or sensitive
            colour = "yellow" if "country" not in data else "red" if red else "orange"
            yield Sent(one, contract["seller"], contract["asset"], persons, sensitive, asset["level"]), colour


def undeclared(world: World) -> Iterator[tuple[Sent, str, Moment]]:
    """Those of them that no declaration covers once their time is past, with its end."""
    left = {id(one): [one.data["persons"], one.data["sensitive_persons"]] for one in exports(world)}
    for sent, colour in sendings(world):
        one, setting = sent.one, world.setting("undeclared-export", sent.one.time)
        deadline = one.time + dt.timedelta(hours=setting["hours"])
        for each in exports(world):
            reach = left[id(each)]
            level = max(LEVELS.index(each.data["level"]), 1)
            if "asset" in each.data and (asset := world.asset(each.data["asset"], each.time)) is not None:
                level = max(level, LEVELS.index(asset["level"]))
            if (
                each.subject == sent.party
                and days_after(one.time, -setting["days_before"]) <= each.time <= deadline
                and names(each.data, one)
                and sent.persons <= reach[0]
                and sent.sensitive <= reach[1]
                and LEVELS.index(sent.level) <= level
            ):
                left[id(each)] = [reach[0] - sent.persons, reach[1] - sent.sensitive]
                break
        else:
            if world.clock > deadline:
                yield sent, colour, deadline


def names(export: Json, delivery: One) -> bool:
    """Whether a declaration names a delivery, or its contract and recipient."""
    if export.get("contract", delivery.subject) != delivery.subject:
        return False
    by_contract = "contract" in export and export["recipient"] == delivery.data["recipient"]
    return by_contract or export.get("delivery") == delivery.data["delivery"]


def undeclared_export(world: World) -> None:
    for sent, colour, deadline in undeclared(world):
        evidence = {"contract": sent.one.subject, "persons": sent.persons, "sensitive_persons": sent.sensitive}
        about = ("party", sent.party)
        world.say("undeclared-export", colour, about, sent.party, sent.one, deadline, **evidence)


def of_years(world: World) -> list[Sent]:
    """What the sums of years count, in its order."""
    found = [performed(one) for one in exports(world) if not exempt(world, one)]
    for sent, _, deadline in undeclared(world):
        if world.setting("undeclared-export", deadline)["mode"] != "off":
            found.append(sent)
    return sorted(found, key=lambda each: each.one.order)


def covered(world: World, sent: Sent, *kinds: str) -> bool:
    data = sent.one.data
    named = {"countries": [data["country"]] if "country" in data else [], "recipients": [data["recipient"]]}
    return world.covered(sent.party, kinds, sent.one.time, asset=sent.asset, **named)


def years(world: World) -> Iterator[list[tuple[Sent, int, int]]]:
    """Each party's year: what it exported, and the sums of persons and of sensitive persons with each of that."""
    found: dict[tuple[str, int], list[tuple[Sent, int, int]]] = {}
    for sent in of_years(world):
        year = found.setdefault((sent.party, sent.one.time.year), [])
        _, persons, sensitive = year[-1] if year else (sent, 0, 0)
        year.append((sent, persons + sent.persons, sensitive + sent.sensitive))
    yield from found.values()


def assessment_missing(world: World) -> None:
    for year in years(world):
        said: set[tuple[str, int]] = set()
        full = False
        for sent, *sums in year:
            one = sent.one
            if world.ciio(sent.party, one.time) or covered(world, sent, "security-assessment"):
                continue
            setting = world.setting("export-assessment-missing", one.time)
            severities = {setting["warning_percent"]: "blue", setting["late_warning_percent"]: "yellow", 100: "red"}
            of = dict(zip(("persons", "sensitive_persons"), sums, strict=True))
            reached = {
                (measure, band) for measure in of for band in severities if of[measure] * 100 >= setting[measure] * band
            }
            new = reached - said
            said |= reached
            # Each measure by itself; the full band is once for both, and that of persons where both reach it.
            for measure in of:
                band = max((each for its, each in new if its == measure), default=0)
                if not band or (band == 100 and full):
                    continue
                full = full or band == 100
                evidence: dict[str, Any] = {"band": band, "measure": measure, "sum": of[measure]}
                about = ("party", sent.party)
                detector = "export-assessment-missing"
                world.say(detector, severities[band], about, sent.party, one, one.time, **evidence)


def contract_missing(world: World) -> None:
    for year in years(world):
        for sent, persons, sensitive in year:
            one = sent.one
            setting = world.setting("export-contract-missing", one.time)
            if persons >= setting["assessment_persons"] or sensitive >= setting["assessment_sensitive_persons"]:
                continue
            if persons < setting["persons"] and sensitive < setting["sensitive_persons"]:
                continue
            if world.ciio(sent.party, one.time) or covered(world, sent, *APPROVALS):
                continue
            evidence = {"persons": persons, "sensitive_persons": sensitive}
            about = ("party", sent.party)
            world.say("export-contract-missing", "orange", about, sent.party, one, one.time, **evidence)
            break


def important_data(world: World) -> None:
    for one in exports(world):
        levels = [one.data["level"]]
        if "asset" in one.data and (asset := world.asset(one.data["asset"], one.time)) is not None:
            levels.append(asset["level"])
        level = max(levels, key=LEVELS.index)
        personal = world.ciio(one.subject, one.time) and people(one) > 0
        if (level in ("important", "core") or personal) and not covered(world, performed(one), "security-assessment"):
            about = ("party", one.subject)
            world.say("export-important-data", "red", about, one.subject, one, one.time, level=level)


def beyond_approval(world: World) -> None:
    for one in exports(world):
        if "grant" not in one.data:
            continue
        grant = named(world, one)
        broken = grant is None
        if grant is not None and not exempt(world, one):
            for measure in ("persons", "sensitive_persons"):
                under = (
                    each.data[measure]
                    for each in exports(world)
                    if (each.subject, each.time.year) == (one.subject, one.time.year)
                    and each.data.get("grant") == one.data["grant"]
                    and each.order <= one.order
                    and not exempt(world, each)
                )
                maximum = grant.data.get(f"{measure}_max")
                broken = broken or (maximum is not None and sum(under) > maximum)
        if broken:
            evidence = {"grant": one.data["grant"]}
            about = ("party", one.subject)
            world.say("export-beyond-approval", "red", about, one.subject, one, one.time, **evidence)


def named(world: World, one: One) -> One | None:
    """The grant that an export names, where it covers the export."""
    data = one.data
    names = {"countries": (data["country"],), "recipients": (data["recipient"],)}
    for grant in world.grants(one.subject):
        approves = grant.data["grant"] == data["grant"] and grant.data["kind"] in APPROVALS
        covers = world.covers(grant.data, asset=data.get("asset"), **names)
        if approves and covers and world.valid(grant, one.time):
            return grant
    return None


def splitting(world: World) -> None:
    sums: dict[tuple[str, int], dict[str, list[int]]] = {}
    said: set[tuple[str, int, int]] = set()
    for sent in of_years(world):
        one = sent.one
        group = (world.topmost(sent.party, one.time), one.time.year)
        members = sums.setdefault(group, {})
        mine = members.setdefault(sent.party, [0, 0])
        mine[0] += sent.persons
        mine[1] += sent.sensitive
        total = [sum(each[0] for each in members.values()), sum(each[1] for each in members.values())]
        band = reached(world, total, one.time)
        alone = max(reached(world, each, one.time) for each in members.values())
        if band > alone and (*group, band) not in said:
            evidence = {"band": ("contract", "assessment")[band - 1], "persons": total[0]}
            about = ("party", group[0])
            world.say("export-splitting", "orange", about, group[0], one, one.time, **evidence)
        # What was reached by one of them alone is no division, whoever comes after it.
        said |= {(*group, each) for each in range(1, band + 1)}


def reached(world: World, sums: list[int], instant: Moment) -> int:
    """The band of the two sums that numbers reach: 1 a standard contract, 2 an assessment."""
    setting = world.setting("export-splitting", instant)
    if sums[0] >= setting["assessment_persons"] or sums[1] >= setting["assessment_sensitive_persons"]:
        return 2
    return int(sums[0] >= setting["contract_persons"] or sums[1] >= setting["contract_sensitive_persons"])


def exemption_misuse(world: World) -> None:
    for one in exports(world):
        exemption, about = one.data.get("exemption"), ("party", one.subject)
        employees = world.party(one.subject, one.time).get("employees")
        if (exemption == "hr" and employees is not None and people(one) > employees) or (
            exemption == "no-personal" and people(one)
        ):
            evidence = {"exemption": exemption}
            world.say("export-exemption-misuse", "yellow", about, one.subject, one, one.time, **evidence)


def ftz_ineligible(world: World) -> None:
    for one in exports(world):
        party, about = world.party(one.subject, one.time), ("party", one.subject)
        if one.data.get("exemption") == "ftz" and (not party.get("ftz") or party.get("ciio")):
            world.say("export-ftz-ineligible", "orange", about, one.subject, one, one.time)


RULES = (
    undeclared_export,
    assessment_missing,
    contract_missing,
    important_data,
    beyond_approval,
    splitting,
    exemption_misuse,
    ftz_ineligible,
)
