"""What reporters say of days, by plain loops over all events: overdue reports, reconciliation, quota groups."""

import datetime as dt
from collections.abc import Sequence

from tests.model.counting import Counted
from tests.model.events import CHINA, REPORTERS, TERMS_TYPES, Json, Moment, One, days_after, moment
from tests.model.world import World

DETECTORS = ("report-overdue", "reconciliation", "usage-limit")
INSTANT = dt.timedelta(microseconds=1)
Day = dt.date


def end_of(day: Day) -> Moment:
    return dt.datetime.combine(day, dt.time(), CHINA) + dt.timedelta(hours=24)


def contracts(world: World) -> list[str]:
    return sorted({one.subject for one in world.events if one.topic == "contracts"})


def used(world: World, contract: str) -> list[Counted]:
    return world.desks[contract].known()


def statements(world: World, contract: str) -> list[One]:
    found = [one for type_ in TERMS_TYPES for one in world.acts(type_, None, contract)]
    return sorted(found, key=lambda one: one.order)


def overdue(world: World) -> None:
    """The first instant just after which a contract asks for a report since the last one, and has none."""
    for contract in contracts(world):
        stated = statements(world, contract)
        signings = [one.time for one in stated if one.type == "contract.signed"]
        if not signings:
            continue
        start = max(min(signings), moment(stated[0].data["terms"]["valid_from"]))
        bases = [start, *sorted({use.one.time for use in used(world, contract) if use.one.time > start})]
        for base in bases:
            later = [one for one in bases if one > base]
            deadline = missed(world, contract, base, later)
            if deadline is not None and world.clock > deadline:
                data = world.contract(contract, deadline) or {}
                about, evidence = ("contract", contract), {"since": base.isoformat()}
                world.say("report-overdue", "yellow", about, data["buyer"], None, deadline, **evidence)


def missed(world: World, contract: str, base: Moment, later: Sequence[Moment]) -> Moment | None:
    ended, stated = world.end(contract), statements(world, contract)
    given = [one.data["terms"].get("report_within_days") for one in stated]
    instants = {days_after(base, days) for days in given if days is not None} | {one.time for one in stated}
    for instant in sorted(one for one in instants if one >= base):
        days = (world.contract(contract, instant) or {})["terms"].get("report_within_days")
        if days is None or instant < days_after(base, days):
            continue
        if any(one <= instant for one in later) or (ended is not None and ended[0] <= instant):
            continue
        return instant
    return None


def differing(world: World) -> None:
    """Tallies of a day that are apart, and deliveries of it that one side reports, 24 hours after its end."""
    for contract in contracts(world):
        deliveries = world.all("delivery.completed", subject=contract)
        days = {use.one.time.date() for use in used(world, contract)} | {one.time.date() for one in deliveries}
        for day in sorted(days):
            deadline = days_after(end_of(day), 1)
            percent = world.setting("reconciliation", deadline).get("percent", 1)
            apart = {}
            for measure, said in of_day(world, contract, day, deliveries).items():
                difference = max(said.values(), default=0) - min(said.values(), default=0)
                if len(said) > 1 and difference * 100 > max(said.values()) * percent:
                    apart[measure] = {REPORTERS[one]: total for one, total in said.items()}
            alone = {}
            for delivery in {one.data["delivery"] for one in deliveries}:
                reports = [one for one in deliveries if one.data["delivery"] == delivery]
                known = {one.reporter for one in reports if one.time <= deadline}
                if reports[0].time.date() == day and known in ({1}, {2}):
                    alone[delivery] = REPORTERS[known.pop()]
            if (apart or alone) and world.clock > deadline:
                data = world.contract(contract, deadline) or {}
                evidence = {"tallies": as_text(apart), "deliveries": as_text(alone)}
                about = ("contract", contract)
                world.say("reconciliation", "yellow", about, data.get("seller"), None, deadline, **evidence)


def of_day(world: World, contract: str, day: Day, deliveries: Sequence[One]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {measure: {} for measure in ("uses", "bytes", "rows", "persons")}
    said: list[tuple[int, str, int | None]] = []
    for use in used(world, contract):
        if use.one.time.date() == day:
            said.append((use.one.reporter, "uses", use.left))
            said += [(use.one.reporter, measure, use.one.data.get(measure)) for measure in ("bytes", "rows")]
    counted = set()
    for one in deliveries:
        if (one.data["delivery"], one.reporter) in counted:
            continue
        counted.add((one.data["delivery"], one.reporter))
        if one.time.date() == day:
            said += [(one.reporter, measure, one.data.get(measure)) for measure in ("bytes", "rows", "persons")]
    for reporter, measure, amount in said:
        if amount is not None:
            found[measure][reporter] = found[measure].get(reporter, 0) + amount
    return found


def grouped(world: World) -> None:
    """The days of a quota group, in their order; whose they are and what the limit is, its end tells."""
    named = {
        (one.data["buyer"], one.data["terms"].get("quota_group"))
        for contract in contracts(world)
        for one in statements(world, contract)
    }
    for of in sorted(one for one in named if one[1] is not None):
        totals, bands = [0, 0, 0], set()
        for day in sorted({use.one.time.date() for contract in contracts(world) for use in used(world, contract)}):
            end = end_of(day)
            stated = {one: world.contract(one, end - INSTANT) for one in contracts(world)}
            members = [one for one, data in stated.items() if data and of == group_of(data)]
            today = [use for one in members for use in used(world, one) if use.one.time.date() == day]
            for use in today:
                totals[use.one.reporter] += use.left
            if not today:
                continue
            leader = min(members, key=lambda one: signed(world, one))
            data = stated[leader] or {}
            maximum, total = data["terms"].get("uses_max"), max(totals)
            if maximum is None or not total:
                continue
            setting = {"warning_percent": 80, "late_warning_percent": 95, "red_percent": 120}
            setting |= world.setting("usage-limit", end)
            percents = (setting["warning_percent"], setting["late_warning_percent"], 100, setting["red_percent"])
            for band, severity, percent in zip(range(4), ("blue", "yellow", "orange", "red"), percents, strict=True):
                limit = maximum * percent
                reached = total * 100 >= limit if band < 2 else total * 100 > limit
                if reached and band not in bands:
                    bands.add(band)
                    if world.clock > end:
                        numbers = {"limit": "uses", "maximum": maximum, "used": total, "band": percent}
                        world.say("usage-limit", severity, ("contract", leader), of[0], None, end, **numbers)


def group_of(data: Json) -> tuple[str, str | None]:
    return data["buyer"], data["terms"].get("quota_group")


def signed(world: World, contract: str) -> tuple[Moment, str]:
    stated = statements(world, contract)
    first = next((one for one in stated if one.type == "contract.signed"), stated[0])
    return moment(first.data["signed"]), contract


def as_text(said: Json) -> str:
    return repr(sorted((name, sorted(one.items()) if isinstance(one, dict) else one) for name, one in said.items()))


RULES = (overdue, differing, grouped)
