"""What is added up day by day: quota groups, reports that are due, and what two reporters say of one day."""

import datetime as dt
from collections.abc import Iterator
from fractions import Fraction

from tests.model.events import REPORTERS, TERMS_TYPES, Json, Moment, One, days_after, moment
from tests.model.world import World

MICROSECOND = dt.timedelta(microseconds=1)
SEVERITIES = ("blue", "yellow", "orange", "red")
MEASURES = ("uses", "bytes", "rows", "persons")


def statements(world: World, contract: str) -> list[One]:
    found = [one for type_ in TERMS_TYPES for one in world.acts(type_, None, contract)]
    return sorted(found, key=lambda one: one.order)


def contracts(world: World) -> list[str]:
    return sorted({one.subject for one in world.events if one.topic == "contracts"})


def used(world: World, contract: str) -> Iterator[tuple[One, int]]:
    """Each report of uses, and what is left of its uses."""
    desk = world.desks.get(contract)
    for one in desk.known() if desk is not None else ():
        yield one.one, one.left


def groups(world: World) -> None:
    named = {
        (one.data["buyer"], one.data["terms"]["quota_group"])
        for contract in contracts(world)
        for one in statements(world, contract)
        if "quota_group" in one.data["terms"]
    }
    for buyer, group in named:
        totals = [0, 0, 0]
        said: set[int] = set()
        for day in sorted({one.time.date() for contract in contracts(world) for one, _ in used(world, contract)}):
            ends = moment(str(day)) + dt.timedelta(days=1)
            members = [one for one in contracts(world) if is_of(world.contract(one, ends - MICROSECOND), buyer, group)]
            today = [each for one in members for each in used(world, one) if each[0].time.date() == day]
            for one, left in today:
                totals[one.reporter] += left
            # Terms alone reach no band: what they make too much is found on the next day that something is used.
            if not today:
                continue
            first = min(members, key=lambda one: (first_signed(world, one), one))
            maximum = (world.contract(first, ends - MICROSECOND) or {})["terms"].get("uses_max")
            if maximum is None or ends >= world.clock:
                continue
            setting = world.setting("usage-limit", ends)
            percents = (setting["warning_percent"], setting["late_warning_percent"], 100, setting["red_percent"])
            for height, band in enumerate(percents):
                part, whole = max(totals) * 100, maximum * band
                if height not in said and max(totals) and (part > whole if height >= 2 else part >= whole):
                    said.add(height)
                    about, evidence = ("contract", first), {"limit": "uses", "maximum": maximum, "band": band}
                    evidence |= {"used": max(totals)}
                    world.say("usage-limit", SEVERITIES[height], about, buyer, None, ends, **evidence)


def is_of(contract: Json | None, buyer: str, group: str) -> bool:
    return contract is not None and (contract["buyer"], contract["terms"].get("quota_group")) == (buyer, group)


def first_signed(world: World, contract: str) -> Moment:
    signings = world.acts("contract.signed", None, contract)
    return moment((signings or statements(world, contract))[0].data["signed"])


def reports(world: World) -> None:
    """From the start and from each report on the next one is due, by the terms in force when the days are over."""
    for contract in contracts(world):
        signings, stated, end = world.acts("contract.signed", None, contract), statements(world, contract), None
        if not signings:
            continue
        ended = world.end(contract)
        end = None if ended is None else ended[0]
        start = max(signings[0].time, moment(stated[0].data["terms"]["valid_from"]))
        times = sorted({one.time for one, _ in used(world, contract) if one.time > start})
        for at, base in enumerate([start, *times]):
            following = times[at] if at < len(times) else None
            overdue = due(stated, base, [one for one in (following, end) if one is not None])
            if overdue is not None and world.clock > overdue[0]:
                deadline, agreed = overdue
                about, evidence = ("contract", contract), {"since": base.isoformat()}
                world.say("report-overdue", "yellow", about, agreed["buyer"], None, deadline, **evidence)


def due(stated: list[One], base: Moment, ends: list[Moment]) -> tuple[Moment, Json] | None:
    for at, one in enumerate(stated):
        within_days = one.data["terms"].get("report_within_days")
        limits = ends + [each.time for each in stated[at + 1 : at + 2]]
        if within_days is None or any(each <= base for each in limits[len(ends) :]):
            continue
        deadline = days_after(base, within_days)
        if at:
            deadline = max(deadline, one.time)
        if all(deadline < each for each in limits):
            return deadline, one.data
    return None


def reconciliation(world: World) -> None:
    for contract in contracts(world):
        delivered: dict[str, dict[int, One]] = {}
        for one in world.all("delivery.completed", subject=contract):
            delivered.setdefault(one.data["delivery"], {}).setdefault(one.reporter, one)
        days = {one.time.date() for some in delivered.values() for one in some.values()}
        days |= {one.time.date() for one, _ in used(world, contract)}
        for day in sorted(days):
            deadline = moment(str(day)) + dt.timedelta(days=2)
            if world.clock > deadline:
                disagreement(world, contract, day, deadline, delivered)


def disagreement(
    world: World, contract: str, day: dt.date, deadline: Moment, delivered: dict[str, dict[int, One]]
) -> None:
    tallies: dict[str, dict[int, int]] = {measure: {} for measure in MEASURES}

    def add(reporter: int, measure: str, amount: int | None) -> None:
        if amount is not None:
            tallies[measure][reporter] = tallies[measure].get(reporter, 0) + amount

    desk = world.desks.get(contract)
    for use in desk.known() if desk is not None else ():
        if use.one.time.date() == day:
            for measure in MEASURES[:3]:
                add(use.one.reporter, measure, use.amount(measure))
    alone = []
    for delivery, reports_ in delivered.items():
        for one in reports_.values():
            if one.time.date() == day:
                for measure in MEASURES[1:]:
                    add(one.reporter, measure, one.data.get(measure))
        first = min(reports_.values(), key=lambda one: one.order)
        known = {one.reporter for one in reports_.values() if one.time <= deadline}
        if first.time.date() == day and known in ({1}, {2}):
            alone.append((delivery, REPORTERS[first.reporter]))
    percent = Fraction(str(world.setting("reconciliation", deadline)["percent"]))
    differing = [
        measure
        for measure, by in tallies.items()
        if len(by) > 1 and (max(by.values()) - min(by.values())) * 100 > max(by.values()) * percent
    ]
    if differing or alone:
        seller = (world.contract(contract, deadline) or {}).get("seller")
        evidence = {"measures": sorted(differing), "deliveries": sorted(alone)}
        world.say("reconciliation", "yellow", ("contract", contract), seller, None, deadline, **evidence)


def abroad(world: World) -> None:
    """Once a contract and country, at the end of the first day at which the asset is personal, important or core."""
    for contract in contracts(world):
        left: dict[tuple[str, dt.date], list[int]] = {}
        for one, uses in used(world, contract):
            if "country" in one.data and uses:
                left.setdefault((one.data["country"], one.time.date()), [0, 0, 0])[one.reporter] += uses
        said: set[str] = set()
        for country, day in sorted(left, key=lambda each: each[1]):
            end = moment(str(day)) + dt.timedelta(days=1)
            agreed = world.contract(contract, end)
            asset = None if agreed is None else world.asset(agreed["asset"], end)
            if agreed is None or asset is None or country == world.pack(end).get("home", "CN") or country in said:
                continue
            if world.clock > end and (asset["personal"] != "none" or asset["level"] in ("important", "core")):
                said.add(country)
                evidence = {"country": country, "uses": max(left[country, day])}
                world.say("use-abroad", "orange", ("contract", contract), agreed["buyer"], None, end, **evidence)


RULES = (abroad, groups, reports, reconciliation)
