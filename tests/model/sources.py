"""Where data comes from: provenance, grades, certificates, rights, volumes, quality, and the feeds themselves."""

import datetime as dt
from fractions import Fraction

from tests.model import lineage
from tests.model.events import Moment, One, days_after
from tests.model.licences import sellings
from tests.model.world import World, exact

LEVELS = ("general", "important", "core")
CLASSES = ("none", "personal", "sensitive", "minor")
MEASURES = {"personal": "personal", "sensitive": "sensitive", "minor": "sensitive"}


def listings(world: World) -> list[One]:
    return world.acts("product.listed", "product")


def assets(world: World) -> list[str]:
    return sorted({one.subject for one in world.all("asset.registered", "asset.graded", "asset.derived")})


def owner(world: World, asset: str, instant: Moment) -> str | None:
    return (world.asset(asset, instant) or {}).get("owner")


def provenance(world: World) -> None:
    traded = [(one, one.subject) for one in listings(world)]
    traded += [(one, one.data["asset"]) for one in sellings(world)]
    for one, asset in traded:
        missing = [
            each
            for each in world.paths(asset, one.time, True)
            if not any(registered.time <= one.time for registered in world.own(each))
        ]
        if missing:
            about, seller = ("asset", asset), one.data["seller"]
            world.say("broken-provenance", "orange", about, seller, one, one.time, missing=sorted(missing))
        elif lineage.unfinished(world.lineage, asset, one.time):
            world.say("broken-provenance", "yellow", ("asset", asset), one.data["seller"], one, one.time)


def grades(world: World) -> None:
    """Each statement that leaves an asset below an input says so, once until it is mended."""
    for asset in assets(world):
        acts = world.all("asset.registered", "asset.graded", "asset.derived", subject=asset)
        instants = {one.time for one in acts} | {time for time, output, _, _ in world.derivations() if output == asset}
        before: set[tuple[str, str]] = set()
        for instant in sorted(instants):
            now = set(lower(world, asset, instant))
            if now - before:
                cause = next((one for one in acts if one.time == instant), None)
                about, evidence = ("asset", asset), {"lower": sorted(now - before)}
                world.say("grade-laundering", "red", about, owner(world, asset, instant), cause, instant, **evidence)
            before = now


def stated_less(world: World) -> None:
    """What states less than what is in force, once a source and what it states, until a grading approves of it."""
    ranks = {"level": LEVELS, "personal": CLASSES}
    for asset in assets(world):
        statements = world.leveling(asset)
        told = set()
        for at, one in enumerate(statements):
            if at == 0 or one.data.get("approved_by") is not None:
                continue
            held, given = world.graded(statements[:at]), {member: one.data[member] for member in ranks}
            lowered = [
                member
                for member, order in ranks.items()
                if given[member] in order
                and held[member] in order
                and order.index(given[member]) < order.index(held[member])
            ]
            approved = any(
                each.data.get("approved_by") is not None
                and each.time >= one.time
                and all(
                    given[member] not in order
                    or each.data[member] not in order
                    or order.index(each.data[member]) <= order.index(given[member])
                    for member, order in ranks.items()
                )
                for each in statements
            )
            key = (one.source, given["level"], given["personal"])
            if lowered and not approved and key not in told:
                told.add(key)
                who, evidence = owner(world, asset, one.time), {"stated": tuple(given.values())}
                world.say("grade-laundering", "red", ("asset", asset), who, one, one.time, **evidence)


def lower(world: World, asset: str, instant: Moment) -> list[tuple[str, str]]:
    """(input, member) of what the asset is graded below at an instant without an approval."""
    mine = world.asset(asset, instant) or {}
    found = []
    for source in {input_ for time, output, input_, _ in world.derivations() if output == asset}:
        made = [
            time
            for time, output, input_, stops in world.derivations()
            if (output, input_) == (asset, source) and time <= instant and not stops
        ]
        for member, ranks in (("level", LEVELS), ("personal", CLASSES)):
            given, above = mine.get(member), (world.asset(source, instant) or {}).get(member)
            if not made or given not in ranks or above not in ranks or ranks.index(given) >= ranks.index(above):
                continue
            if not any(
                one.data.get("approved_by") is not None
                and one.time >= min(made)
                and one.data[member] in ranks
                and ranks.index(one.data[member]) <= ranks.index(given)
                for one in world.all("asset.graded", subject=asset)
            ):
                found.append((source, member))
    return found


def grading_overdue(world: World) -> None:
    """Once for each time that an asset is ungraded, from when it was first so, unless withdrawn when its days end."""
    for asset in assets(world):
        statements = world.all("asset.registered", "asset.graded", subject=asset)
        statements += world.acts("asset.withdrawn", None, asset)
        statements.sort(key=lambda one: one.order)
        ungraded, withdrawn = [], []
        for one in statements:
            gone = one.type == "asset.withdrawn" or (one.type == "asset.graded" and bool(withdrawn and withdrawn[-1]))
            known = [each for each in statements if each.type != "asset.withdrawn" and each.order <= one.order]
            withdrawn.append(gone)
            ungraded.append(world.graded(known).get("level") == "ungraded")
        deadline = None
        for at, one in enumerate(statements):
            if deadline is not None and (not ungraded[at] or (withdrawn[at - 1] and one.time > deadline)):
                deadline = None
            if deadline is not None or not ungraded[at] or withdrawn[at]:
                continue
            deadline = days_after(one.time, world.setting("grading-overdue", one.time)["days"])
            by_then = [each for each in range(at, len(statements)) if statements[each].time <= deadline]
            lacks = all(ungraded[each] for each in by_then) and not withdrawn[by_then[-1]]
            if world.clock > deadline and lacks:
                about = ("asset", asset)
                world.say("grading-overdue", "yellow", about, owner(world, asset, deadline), None, deadline)


def volumes(world: World) -> None:
    for party in sorted({one.data["owner"] for one in world.all("asset.registered") if one.data.get("owner")}):
        owned = {one.subject for one in world.all("asset.registered") if one.data.get("owner") == party}
        acts = world.all("party.registered", subject=party)
        acts += [one for each in owned for one in world.all("asset.registered", "asset.graded", subject=each)]
        said: set[str] = set()
        for one in sorted(acts, key=lambda one: one.order):
            # Where nothing of this owner changes, a lower limit of a new pack is not passed yet.
            if one.type == "asset.graded" and owner(world, one.subject, one.time) != party:
                continue
            if one.type == "asset.registered" and party not in owners_around(world, one):
                continue
            sums = {"personal": 0, "sensitive": 0}
            for asset in owned:
                stated = [each.time for each in acts if each.subject == asset and each.order <= one.order]
                facts = world.asset(asset, max(stated)) if stated else None
                if facts is not None and facts["owner"] == party and facts["personal"] in MEASURES:
                    sums[MEASURES[facts["personal"]]] += facts.get("persons") or 0
            if world.ciio(party, one.time):
                sums["ciio"] = sum(sums.values())
            setting = world.setting("person-volume", one.time)
            for measure, total in sums.items():
                if total > setting[f"{measure}_persons"] and measure not in said:
                    said.add(measure)
                    evidence = {"measure": measure, "persons": total}
                    world.say("person-volume", "orange", ("party", party), party, one, one.time, **evidence)


def owners_around(world: World, one: One) -> set[str | None]:
    """Who owns an asset by a registration of it, just before it, and at its instant."""
    before = any(each.order < one.order for each in world.all("asset.registered", subject=one.subject))
    return {
        one.data.get("owner"),
        owner(world, one.subject, one.time),
        *([world.owner_by(one, before=True)] if before else []),
    }


def certificates(world: World) -> None:
    for one in listings(world):
        borne = {each: bearing(world, each, one.time) for each in assets(world)}
        mine = borne.get(one.subject)
        about, seller = ("asset", one.subject), one.data["seller"]
        if mine is None:
            world.say("certificate-invalid", "orange", about, seller, one, one.time, certificate=None)
            continue
        certificate, since = mine
        if any(each and each[0] == certificate and each[1] < since for each in borne.values()):
            world.say("certificate-invalid", "orange", about, seller, one, one.time, certificate=certificate)


def bearing(world: World, asset: str, instant: Moment) -> tuple[str, tuple[Moment, str, str]] | None:
    """The certificate that was stated for an asset by the instant, and the first statement that it bears it."""
    made = world.registrations(asset, instant)
    if not made or "certificate" not in made[-1].data:
        return None
    certificate = made[-1].data["certificate"]
    return certificate, next(one.order for one in made if one.data.get("certificate") == certificate)


def one_source(world: World) -> None:
    """Each registration that brings an element another unit than one that it has by then, in the order of time."""
    units: dict[str, tuple[str, str]] = {}
    statements = [*world.all("asset.registered"), *world.acts("asset.withdrawn", None)]
    for one in sorted(statements, key=lambda one: one.order):
        before = units.pop(one.subject, None)
        if one.type == "asset.withdrawn" or not one.data.get("element") or not one.data.get("source_unit"):
            continue
        mine = (one.data["element"], one.data["source_unit"])
        others = [each for each in units.values() if each[0] == mine[0] and each[1] != mine[1]]
        units[one.subject] = mine
        if others and before != mine:
            about, evidence = ("asset", one.subject), {"element": mine[0], "source_unit": mine[1]}
            world.say("one-source", "yellow", about, world.owner_by(one), one, one.time, **evidence)


def duplicates(world: World) -> None:
    """A registration that says of its asset, for the first time, what an earlier one is by then."""
    said: set[tuple[str, str, str]] = set()
    latest: dict[str, One] = {}
    for one in world.all("asset.registered"):
        others = [each for asset, each in latest.items() if asset != one.subject]
        latest[one.subject] = one
        digest, fields = one.data.get("digest"), set(one.data.get("fields") or ())
        same = [each for each in others if digest and each.data.get("digest") == digest]
        alike = [
            each
            for each in others
            if each not in same
            and fields
            and each.data.get("fields")
            and world.owner_by(each) == world.owner_by(one)
            and alikeness(fields, set(each.data["fields"])) >= exact(jaccard(world, one))
        ]
        for by, found, told in (
            ("digest", same, digest),
            ("fields", alike, repr((world.owner_by(one), sorted(fields)))),
        ):
            key = (one.subject, by, str(told))
            if found and key not in said:
                about = ("asset", one.subject)
                world.say("duplicate-registration", "yellow", about, world.owner_by(one), one, one.time, alike=by)
            said.add(key)


def jaccard(world: World, one: One) -> float:
    found: float = world.setting("duplicate-registration", one.time)["jaccard"]
    return found


def alikeness(some: set[str], others: set[str]) -> Fraction:
    return Fraction(len(some & others), len(some | others))


def completeness(world: World) -> None:
    for one in world.acts("asset.assessed", "assessment"):
        least = world.setting("quality", one.time)["completeness"]
        if "completeness" in one.data and exact(one.data["completeness"]) < exact(least):
            about, party = ("asset", one.subject), owner(world, one.subject, one.time)
            world.say("quality", "blue", about, party, one, one.time, completeness=one.data["completeness"])


def freshness(world: World) -> None:
    """After its registration, each delivery and each new digest the next of them is due."""
    for asset in assets(world):
        made = world.registrations(asset)
        updates = [one.time for one in made[:1]]
        digests = [one for one in made if one.data.get("digest")]
        updates += [
            one.time
            for at, one in enumerate(digests)
            if one is not made[0] and (at == 0 or digests[at - 1].data["digest"] != one.data["digest"])
        ]
        for one in world.acts("delivery.completed", "delivery"):
            contract = world.contract(one.subject, one.time)
            if contract is not None and contract["asset"] == asset:
                updates.append(one.time)
        updates.sort()
        ends = [one.time for one in world.acts("asset.withdrawn", None, asset)]
        for at, since in enumerate(updates):
            facts = world.asset(asset, since) or {}
            if not facts.get("update_days"):
                continue
            whole_days = int(facts["update_days"] * exact(world.setting("quality", since)["update_factor"]))
            deadline = days_after(since, whole_days)
            followed = [*updates[at + 1 : at + 2], *(one for one in ends if one >= since)]
            if world.clock > deadline and not any(one <= deadline for one in followed):
                about = ("asset", asset)
                world.say("quality", "blue", about, facts["owner"], None, deadline, completeness=None)


def silence(world: World) -> None:
    beats = world.all("source.heartbeat")
    for one in {one.source: one for one in beats}.values():
        seconds = world.setting("feed-silence", one.time)["seconds"]
        deadline = one.time + dt.timedelta(seconds=seconds)
        if world.clock > deadline:
            newest = one.time.isoformat()
            world.say("feed-silence", "yellow", ("source", one.source), None, None, deadline, newest=newest)


def feed_gaps(world: World) -> None:
    for one, missing in world.gaps:
        key = (one.topic, one.source, one.subject)
        left = missing - world.numbers[key][one.epoch].keys()
        if not left:
            continue
        why = [(number, sorted(world.refused.get((*key, one.epoch, number), ()))) for number in sorted(left)]
        evidence = {
            "topic": f"circulation.{one.topic}",
            "subject": one.subject,
            "epoch": one.epoch,
            "missing": [[min(missing), max(missing)]],
            "rejected": [each for each in why if each[1]],
        }
        world.say("feed-gap", "yellow", ("source", one.source), None, one, one.time, one.at, **evidence)
    for one, before, last in world.begun:
        evidence = {
            "topic": f"circulation.{one.topic}",
            "subject": one.subject,
            "epoch": one.epoch,
            "before": (before, last),
        }
        world.say("feed-gap", "yellow", ("source", one.source), None, one, one.time, one.at, **evidence)


RULES = (
    provenance,
    grades,
    stated_less,
    grading_overdue,
    volumes,
    certificates,
    one_source,
    duplicates,
    completeness,
    freshness,
    silence,
    feed_gaps,
)
