"""What is added up day by day: quota groups, reports that are due, and what two reporters say of one day."""

import datetime as dt
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

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
        said = list(statements_of_amounts(world, contract, delivered))
        if said:
            Sides(world, contract, said, delivered).compare()


class Stated(NamedTuple):
    """One report: when, by whom, how much of each measure, and whether it is so near to a midnight that it may count
    on either side of it."""

    time: Moment
    reporter: int
    amounts: dict[str, int]
    near: bool


def statements_of_amounts(world: World, contract: str, delivered: dict[str, dict[int, One]]) -> Iterator[Stated]:
    desk = world.desks.get(contract)
    for use in desk.known() if desk is not None else ():
        yield stated(world, use.one, {measure: use.amount(measure) for measure in MEASURES[:3]})
    for by_reporter in delivered.values():
        for one in by_reporter.values():
            yield stated(world, one, {measure: one.data.get(measure) for measure in MEASURES[1:]})


def stated(world: World, one: One, amounts: dict[str, int | None]) -> Stated:
    midnight = moment(str(one.time.date()))
    distance = min(one.time - midnight, midnight + dt.timedelta(days=1) - one.time)
    near = distance <= dt.timedelta(seconds=world.setting("reconciliation", one.time)["edge_seconds"])
    return Stated(one.time, one.reporter, {name: many for name, many in amounts.items() if many is not None}, near)


def nearest_midnight(time: Moment) -> dt.date:
    """The day that begins at the midnight that is nearest."""
    return (time + dt.timedelta(hours=12)).date()


class Sides:
    """The reporters of one contract, day after day from the first on."""

    def __init__(self, world: World, contract: str, said: list[Stated], delivered: dict[str, dict[int, One]]) -> None:
        self.world, self.contract, self.said, self.delivered = world, contract, said, delivered
        # What counts on each day, by reporter: reports near midnight once it is decided.
        self.counted: dict[dt.date, dict[int, list[Stated]]] = {}
        # By reporter, other and measure: of the days on which the other stated it, whether the reporter did.
        self.kept_up: dict[tuple[int, int, str], list[bool]] = {}
        self.ever: dict[int, set[str]] = {}

    def compare(self) -> None:
        for one in self.said:
            if not one.near:
                self.count(one.time.date(), one)
        first, last = (edge(nearest_midnight(one.time) for one in self.said) for edge in (min, max))
        day = first - dt.timedelta(days=2)
        while day <= last + dt.timedelta(days=1) or day.day > 1:
            deadline = moment(str(day)) + dt.timedelta(days=2)
            if self.world.clock <= deadline:
                break
            self.decide(day + dt.timedelta(days=1), deadline)
            self.day(day, deadline)
            day += dt.timedelta(days=1)
            if day.day == 1:
                self.month(day - dt.timedelta(days=1), deadline)

    def count(self, day: dt.date, one: Stated) -> None:
        self.counted.setdefault(day, {}).setdefault(one.reporter, []).append(one)

    def decide(self, begins: dt.date, deadline: Moment) -> None:
        """Where counts what is said near the midnight at which a day begins: as the day before it agrees best."""
        day = begins - dt.timedelta(days=1)
        edges: dict[int, list[Stated]] = {}
        for one in self.said:
            if one.near and nearest_midnight(one.time) == begins:
                edges.setdefault(one.reporter, []).append(one)
        if not edges:
            return
        if not self.counted.get(day) and all(each.time.date() == begins for some in edges.values() for each in some):
            for one, some in edges.items():
                self.counted.setdefault(begins, {}).setdefault(one, []).extend(some)
            return
        reporters = sorted(edges)
        rest = self.counted.get(day, {})
        # Of the next day all that is not near the midnight at its beginning, where it was stated.
        following: dict[int, list[Stated]] = {}
        for each in self.said:
            if each.time.date() == begins and not (each.near and nearest_midnight(each.time) == begins):
                following.setdefault(each.reporter, []).append(each)
        ways = []
        for way in range(2 ** len(reporters)):
            stays = [one for at, one in enumerate(reversed(reporters)) if not way >> at & 1]
            moves = [one for one in reporters if one not in stays]
            shares = []
            for rests, here, first in ((rest, stays, True), (following, moves, False)):
                counting = {one: [*rests.get(one, []), *(edges[one] if one in here else [])] for one in range(3)}
                of_day = []
                for measure in MEASURES:
                    most = max(total(rests.get(one, []) + edges.get(one, []), measure) or 0 for one in range(3))
                    amounts = []
                    for one in range(3):
                        everything = rests.get(one, []) + edges.get(one, [])
                        amount = total(counting[one], measure)
                        if everything and total(everything, measure) is not None:
                            amounts.append(amount or 0)
                        elif first and not everything and self.is_zero(one, measure, counting, deadline):
                            amounts.append(0)
                    apart = max(amounts) - min(amounts) if amounts and most > 0 else 0
                    of_day.append(Fraction(apart, most) if apart else Fraction(0))
                shares.append(sorted(of_day, reverse=True))
            begun = [one for one in reporters if any(each.time.date() == day for each in edges[one])]
            elsewhere = sum((one in stays) != (one in begun) for one in reporters)
            ways.append((*shares, elsewhere, way, stays))
        stays = min(ways)[-1]
        for one in reporters:
            for each in edges[one]:
                self.count(day if one in stays else begins, each)

    def is_zero(self, reporter: int, measure: str, counting: dict[int, list[Stated]], deadline: Moment) -> bool:
        """Whether a reporter that says nothing of a day has reported 0: it kept up with one that says something."""
        days = self.world.setting("reconciliation", deadline)["silent_days"]
        for other in range(3):
            before = self.kept_up.get((reporter, other, measure), [])
            if total(counting.get(other, []), measure) is not None and len(before) >= days and all(before[-days:]):
                return True
        return False

    def day(self, day: dt.date, deadline: Moment) -> None:
        counting = self.counted.get(day, {})
        tallies = {
            measure: {one: amount for one in counting if (amount := total(counting[one], measure)) is not None}
            for measure in MEASURES
        }
        for one in {0, 1, 2} - counting.keys():
            for measure in MEASURES:
                if self.is_zero(one, measure, counting, deadline):
                    tallies[measure][one] = 0
        alone = []
        for delivery, reports_ in self.delivered.items():
            first = min(reports_.values(), key=lambda one: one.order)
            known = {one.reporter for one in reports_.values() if one.time <= deadline}
            if first.time.date() == day and known in ({1}, {2}):
                alone.append((delivery, REPORTERS[first.reporter]))
        self.say(tallies, deadline, day=str(day), deliveries=sorted(alone))
        for measure in MEASURES:
            for other in counting:
                if total(counting[other], measure) is not None:
                    for one in {0, 1, 2} - {other}:
                        kept_up = total(counting.get(one, []), measure) is not None
                        self.kept_up.setdefault((one, other, measure), []).append(kept_up)
                    self.ever.setdefault(other, set()).add(measure)

    def month(self, last: dt.date, deadline: Moment) -> None:
        days = [some for day, some in self.counted.items() if (day.year, day.month) == (last.year, last.month)]
        counting = {one: [each for some in days for each in some.get(one, [])] for one in range(3)}
        tallies: dict[str, dict[int, int]] = {}
        for measure in MEASURES:
            tallies[measure] = {}
            for one in range(3):
                amount = total(counting[one], measure)
                if not counting[one] and measure in self.ever.get(one, ()):
                    amount = 0
                if amount is not None:
                    tallies[measure][one] = amount
        self.say(tallies, deadline, month=str(last)[:7], deliveries=[])

    def say(self, tallies: dict[str, dict[int, int]], deadline: Moment, *, deliveries: list[Any], **when: str) -> None:
        percent = Fraction(str(self.world.setting("reconciliation", deadline)["percent"]))
        differing = {
            measure: {REPORTERS[one]: amount for one, amount in by.items()}
            for measure, by in tallies.items()
            if len(by) > 1 and (max(by.values()) - min(by.values())) * 100 > max(by.values()) * percent
        }
        if differing or deliveries:
            seller = (self.world.contract(self.contract, deadline) or {}).get("seller")
            evidence = {"tallies": by_name(differing), "deliveries": deliveries} | when
            about = ("contract", self.contract)
            self.world.say("reconciliation", "yellow", about, seller, None, deadline, **evidence)


def total(said: Iterable[Stated], measure: str) -> int | None:
    """What reports say of a measure together; None where none states it."""
    amounts = [one.amounts[measure] for one in said if measure in one.amounts]
    return sum(amounts) if amounts else None


def by_name(tallies: dict[str, dict[str, int]]) -> list[Any]:
    """Tallies in an order that does not hang on how they were made."""
    return sorted((measure, sorted(by.items())) for measure, by in tallies.items())


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
