"""What did not happen in time: deletions, payments, reports of incidents, service for what was paid, decisions."""

import datetime as dt

from tests.model.events import TERMS_TYPES, Moment, days_after, moment
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
            paid = [
                exact(each.data["amount"])
                for each in world.acts("settlement.paid", "settlement", contract)
                if each.time <= deadline and each.data.get("currency", "CNY") == data.get("currency", "CNY")
            ]
            if world.clock > deadline and sum(paid) < exact(data["amount"]):
                about = ("contract", contract)
                world.say("payment-overdue", "yellow", about, data["buyer"], None, deadline, amount=data["amount"])
            break


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
    """When something was used or delivered, of whatever reporter the uses are."""
    found = [(one.time, "delivery") for one in world.acts("delivery.completed", "delivery", contract)]
    return found + [(one.time, "use") for one in world.all("usage.reported", subject=contract)]


def paper(world: World) -> None:
    for one in world.acts("settlement.paid", "settlement"):
        deadline = days_after(one.time, world.setting("paper-trade", one.time)["days"])
        if world.clock > deadline and not any(instant <= deadline for instant, _ in done(world, one.subject)):
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
            setting = world.setting("credit-clock", one.time)
            last, left = one.time.date(), setting[f"{kind}_working_days"]
            while left:
                last += dt.timedelta(days=1)
                worked = last.weekday() < 5 and last.isoformat() not in setting["holidays"]
                left -= worked or last.isoformat() in setting["workdays"]
            for answer in world.acts(decided, kind, one.subject):
                if answer.data[kind] == one.data[kind] and answer.time.date() > last:
                    about, evidence = ("party", one.subject), {kind: one.data[kind]}
                    world.say("credit-clock", "orange", about, None, answer, answer.time, **evidence)


RULES = (deletions, payments, incidents, paper, unknown, decisions)
