"""Exports: the sums of a party's year, what they ask for, and what an export claims."""

from collections.abc import Iterator
from typing import Any

from tests.model.events import Moment, One
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


def covered(world: World, one: One, *kinds: str) -> bool:
    named = {"countries": (one.data["country"],), "recipients": (one.data["recipient"],)}
    return world.covered(one.subject, kinds, one.time, asset=one.data.get("asset"), **named)


def years(world: World) -> Iterator[list[tuple[One, int, int]]]:
    """Each party's year: its exports, and the sums of persons and of sensitive persons with each of them."""
    found: dict[tuple[str, int], list[tuple[One, int, int]]] = {}
    for one in exports(world):
        if not exempt(world, one):
            year = found.setdefault((one.subject, one.time.year), [])
            _, persons, sensitive = year[-1] if year else (one, 0, 0)
            year.append((one, persons + one.data["persons"], sensitive + one.data["sensitive_persons"]))
    yield from found.values()


def assessment_missing(world: World) -> None:
    for year in years(world):
        said: set[tuple[str, int]] = set()
        full = False
        for one, *sums in year:
            if world.ciio(one.subject, one.time) or covered(world, one, "security-assessment"):
                continue
            setting = world.setting("export-assessment-missing", one.time)
            severities = {setting["warning_percent"]: "blue", setting["late_warning_percent"]: "yellow", 100: "red"}
            of = dict(zip(("persons", "sensitive_persons"), sums, strict=True))
            reached = {
                (measure, band) for measure in of for band in severities if of[measure] * 100 >= setting[measure] * band
            }
            new = reached - said
            said |= reached
            # Of equal bands of both measures, that of persons; the full one is once for both.
            measure, band = max(new, key=lambda one: (one[1], one[0] == "persons"), default=("", 0))
            if new and not (band == 100 and full):
                full = full or band == 100
                evidence: dict[str, Any] = {"band": band, "measure": measure, "sum": of[measure]}
                about = ("party", one.subject)
                detector = "export-assessment-missing"
                world.say(detector, severities[band], about, one.subject, one, one.time, **evidence)


def contract_missing(world: World) -> None:
    for year in years(world):
        for one, persons, sensitive in year:
            setting = world.setting("export-contract-missing", one.time)
            if persons >= setting["assessment_persons"] or sensitive >= setting["assessment_sensitive_persons"]:
                continue
            if persons < setting["persons"] and sensitive < setting["sensitive_persons"]:
                continue
            if world.ciio(one.subject, one.time) or covered(world, one, *APPROVALS):
                continue
            evidence = {"persons": persons, "sensitive_persons": sensitive}
            about = ("party", one.subject)
            world.say("export-contract-missing", "orange", about, one.subject, one, one.time, **evidence)
            break


def important_data(world: World) -> None:
    for one in exports(world):
        levels = [one.data["level"]]
        if "asset" in one.data and (asset := world.asset(one.data["asset"], one.time)) is not None:
            levels.append(asset["level"])
        level = max(levels, key=LEVELS.index)
        personal = world.ciio(one.subject, one.time) and people(one) > 0
        if (level in ("important", "core") or personal) and not covered(world, one, "security-assessment"):
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
    for one in exports(world):
        if exempt(world, one):
            continue
        group = (world.topmost(one.subject, one.time), one.time.year)
        members = sums.setdefault(group, {})
        mine = members.setdefault(one.subject, [0, 0])
        mine[0] += one.data["persons"]
        mine[1] += one.data["sensitive_persons"]
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
    assessment_missing,
    contract_missing,
    important_data,
    beyond_approval,
    splitting,
    exemption_misuse,
    ftz_ineligible,
)
