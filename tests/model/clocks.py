"""What did not happen in time: deletions, payments, reports of incidents, service for what was paid, decisions."""

import datetime as dt
from fractions import Fraction

from tests.model.days import used
from tests.model.events import TERMS_TYPES, Moment, One, days_after, moment, over
from tests.model.money import counted, currency
from tests.model.money import kind as kind_of
from tests.model.world import World, exact


def contracts(world: World) -> set[str]:
    return {one.subject for one in world.events if one.type in TERMS_TYPES}


def deletions(world: World) -> None:
    for contract in contracts(world):
        ended = world.end(contract)
        if ended is None or "delete_within_days" not in ended[1]["terms"]:
            continue
        deadline = days_after(ended[0], ended[1]["terms"]["delete_within_days"])
        proofs = world.acts("deletion.proved", None, contract)
        if world.clock > deadline and not any(one.time <= deadline for one in proofs):
            about, evidence = ("contract", contract), {"end": ended[0].isoformat()}
            world.say("deletion-overdue", "orange", about, ended[1]["buyer"], None, deadline, **evidence)


def payments(world: World) -> None:
    """By the statement in force at its own deadline, which an amendment after it does not undo."""
    for contract in contracts(world):
        statements = [one for type_ in TERMS_TYPES for one in world.acts(type_, None, contract)]
        statements.sort(key=lambda one: one.order)
        for at, one in enumerate(statements):
            data = one.data
            if "pay_within_days" not in data["terms"]:
                continue
            deadline = days_after(moment(data["signed"]), data["terms"]["pay_within_days"])
            if any(each.time <= deadline for each in statements[at + 1 :]):
                continue
            settled = world.acts("settlement.paid", "settlement", contract)
            money = data.get("currency", "CNY")
            paid = [counted(world, each) for each in settled if each.time <= deadline and currency(each) == money]
            about = ("contract", contract)
            if world.clock > deadline and max(0, sum(paid)) < exact(data["amount"]):
                world.say("payment-overdue", "yellow", about, data["buyer"], None, deadline, amount=data["amount"])
            ended = world.end(contract)
            for each in settled:
                if each.time > deadline and (ended is None or each.time < ended[0]):
                    brought_below(world, each, settled)
            break


def brought_below(world: World, one: One, settled: list[One]) -> None:
    """A refund that brings what is paid below the amount that is agreed then."""
    agreed = world.contract(one.subject, one.time)
    assert agreed is not None
    money = [each for each in settled if currency(each) == currency(one) and each.order <= one.order]
    after = max(Fraction(0), sum((counted(world, each) for each in money), Fraction(0)))
    before = max(Fraction(0), sum((counted(world, each) for each in money if each is not one), Fraction(0)))
    amount = exact(agreed["amount"])
    if kind_of(world, one) == "refund" and agreed.get("currency", "CNY") == currency(one) and after < amount <= before:
        about = ("contract", one.subject)
        world.say("payment-overdue", "yellow", about, agreed["buyer"], one, one.time, amount=agreed["amount"])


def incidents(world: World) -> None:
    for one in world.acts("incident.discovered", "incident"):
        hours = world.setting("incident-late", one.time)[f"{one.data['operator']}_hours"]
        deadline = one.time + dt.timedelta(hours=hours)
        reports = [
            each
            for each in world.acts("incident.reported", "incident", one.subject)
            if each.data["incident"] == one.data["incident"]
        ]
        if world.clock > deadline and not any(each.time <= deadline for each in reports):
            about, evidence = ("party", one.subject), {"incident": one.data["incident"]}
            world.say("incident-late", "red", about, one.subject, None, deadline, **evidence)


def done(world: World, contract: str) -> list[tuple[Moment, str]]:
    """When something was used or delivered, of whatever reporter the uses are; a report of nothing is no use."""
    found = [(one.time, "delivery") for one in world.acts("delivery.completed", "delivery", contract)]
    uses = (one for one in world.all("usage.reported", subject=contract) if filled(one) or one.data["uses"])
    return found + [(one.time, "use") for one in uses]


def filled(one: One) -> bool:
    """Whether there is anything in a delivery."""
    return any(one.data.get(measure) for measure in ("bytes", "rows", "persons", "sensitive_persons"))


def served(world: World, contract: str) -> list[Moment]:
    """When anything was delivered, and when days of a reporter began of which uses are left: by its first use, which no
    report of 0 is."""
    found = [one.time for one in world.acts("delivery.completed", "delivery", contract) if filled(one)]
    days: dict[tuple[int, dt.date], list[tuple[Moment, int]]] = {}
    for one, left in used(world, contract):
        if one.data["uses"]:
            days.setdefault((one.reporter, one.time.date()), []).append((one.time, left))
    return found + [min(one for one, _ in some) for some in days.values() if sum(left for _, left in some)]


def paper(world: World) -> None:
    for one in world.acts("settlement.paid", "settlement"):
        deadline = days_after(one.time, world.setting("paper-trade", one.time)["days"])
        paid = [
            counted(world, each)
            for each in world.acts("settlement.paid", "settlement", one.subject)
            if each.time <= deadline and currency(each) == currency(one)
        ]
        if counted(world, one) <= 0 or sum(paid) <= 0:
            continue
        if world.clock > deadline and not any(each <= deadline for each in served(world, one.subject)):
            about, evidence = ("contract", one.subject), {"settlement": one.data["settlement"]}
            seller = (world.contract(one.subject, one.time) or {}).get("seller")
            world.say("paper-trade", "orange", about, seller, None, deadline, **evidence)


def unknown(world: World) -> None:
    for contract in {one.subject for one in world.events if one.topic == "contracts"}:
        paid = [(one.time, "settlement") for one in world.acts("settlement.paid", "settlement", contract)]
        earliest, kind = min([*done(world, contract), *paid], default=(None, ""))
        signings = world.acts("contract.signed", None, contract)
        if earliest is not None and not any(one.time <= earliest for one in signings):
            seller = (world.contract(contract, earliest) or {}).get("seller")
            world.say("unknown-contract", "orange", ("contract", contract), seller, None, earliest, kind=kind)


def decisions(world: World) -> None:
    for kind, received, decided in (
        ("objection", "objection.filed", "objection.decided"),
        ("repair", "repair.applied", "repair.decided"),
    ):
        for one in world.acts(received, kind):
            limit = world.setting("credit-clock", one.time)[f"{kind}_working_days"]
            end = over(one.time, limit, world.calendar)
            if end is None or world.clock <= end:
                continue
            answers = [each for each in world.acts(decided, kind, one.subject) if each.data[kind] == one.data[kind]]
            if all(each.time >= end for each in answers):
                world.say("credit-clock", "orange", ("party", one.subject), None, None, end, **{kind: one.data[kind]})


RULES = (deletions, payments, incidents, paper, unknown, decisions)
