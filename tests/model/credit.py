"""Credit: what is recorded of a party, what that makes of its score, and whom it keeps from the market."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tests.model.events import CHINA, Found, Json, Moment, One, days_after, months_after, over
from tests.model.licences import sellings
from tests.model.world import World

PUBLIC_MONTHS = {"minor": 3, "general": 12, "serious": 36}
REPAIRABLE_MONTHS = {"minor": 0, "general": 3, "serious": 12}
POINTS = {"minor": 5, "general": 15, "serious": 40}
FINDING_POINTS = {"red": 10, "orange": 4, "yellow": 1, "blue": 0}
GRADES = (("A", 90), ("B", 75), ("C", 60), ("D", 0))


def said(world: World, type_: str, business: str, party: str, instant: Moment) -> list[One]:
    """What was said of a party by an instant: of several reports of one thing the best, of that the earliest."""
    kept: dict[str, One] = {}
    known = [one for one in world.all(type_, subject=party) if one.time <= instant]
    for one in sorted(known, key=lambda one: (one.reporter, *one.order)):
        kept.setdefault(one.data[business], one)
    return sorted(kept.values(), key=lambda one: one.order)


def objections(world: World, party: str, instant: Moment, **to: str) -> list[tuple[One, One | None]]:
    """Objections to a record or a finding and what was decided of each, in the order of the decisions."""
    decided = {one.data["objection"]: one for one in said(world, "objection.decided", "objection", party, instant)}
    found = [
        (one, decided.get(one.data["objection"]))
        for one in said(world, "objection.filed", "objection", party, instant)
        if all(one.data.get(member) == value for member, value in to.items())
    ]
    return sorted(found, key=lambda one: (one[1] or one[0]).order)


def upheld(world: World) -> set[str]:
    """The ids of findings to which an objection of whoever is responsible was upheld."""
    parties = {one.subject for one in world.all("objection.filed")}
    answers = [each for party in parties for each in objections(world, party, world.clock)]
    return {
        filed.data["finding"]
        for filed, decided in answers
        if "finding" in filed.data and decided is not None and decided.data["outcome"] == "upheld"
    }


def suspended(world: World, objected: list[tuple[One, One | None]], instant: Moment) -> bool:
    """Whether an objection suspends: the first, or the first after a correction, while it is not decided and the
    working days for that are not over."""
    corrections = sorted(decided.order for _, decided in objected if decided and decided.data["outcome"] == "corrected")
    may_suspend = True
    for filed, decided in sorted(objected, key=lambda pair: pair[0].order):
        if corrections and corrections[0] < filed.order:
            may_suspend = True
            corrections = [one for one in corrections if one > filed.order]
        count = world.setting("credit-clock", filed.time)["objection_working_days"]
        end = over(filed.time, count, world.calendar)
        if may_suspend and decided is None and (end is None or instant < end):
            return True
        may_suspend = False
    return False


def records(world: World, party: str, instant: Moment) -> list[Json]:
    found = []
    applied = {one.data["repair"]: one for one in said(world, "repair.applied", "repair", party, instant)}
    for one in said(world, "credit.determined", "record", party, instant):
        record, document = one.data["record"], one.data["document_date"]
        objected = objections(world, party, instant, record=record)
        answers = [decided for _, decided in objected]
        outcomes = ["" if each is None else each.data["outcome"] for each in answers]
        corrections = [each.data for each in answers if each and each.data["outcome"] == "corrected"]
        tiers = [each["tier"] for each in corrections if each.get("tier")]
        tier = tiers[-1] if tiers else one.data["tier"]
        date = dt.datetime.fromisoformat(document).replace(tzinfo=CHINA)
        public_until = months_after(date, PUBLIC_MONTHS[tier])
        repairable_from = months_after(date, REPAIRABLE_MONTHS[tier])
        repaired = any(
            each.data["outcome"] == "granted"
            and each.data["repair"] in applied
            and applied[each.data["repair"]].data["record"] == record
            and each.time >= repairable_from
            for each in said(world, "repair.decided", "repair", party, instant)
        )
        statuses = {
            "withdrawn": "upheld" in outcomes,
            "repaired": repaired,
            "objected": suspended(world, objected, instant),
            "expired": instant >= public_until,
            "published": True,
        }
        status = next(name for name, holds in statuses.items() if holds)
        found.append(
            {
                "record": record,
                "act": one.data["act"],
                "tier": tier,
                "status": status,
                "document_date": document,
                "public_until": f"{public_until:%Y-%m-%d}",
                "repairable_from": f"{repairable_from:%Y-%m-%d}",
                "points": POINTS[tier] if status == "published" else 0,
            }
        )
    return found


def published(world: World, party: str, tier: str, instant: Moment) -> list[str]:
    """Records that are public at the instant, without those of which it was ever said that they never were."""
    last = max([instant, *(one.time for one in world.all("objection.decided", subject=party))])
    withdrawn = {one["record"] for one in records(world, party, last) if one["status"] == "withdrawn"}
    return [
        one["record"]
        for one in records(world, party, instant)
        if (one["tier"], one["status"]) == (tier, "published") and one["record"] not in withdrawn
    ]


def barred(world: World) -> None:
    acts = world.acts("product.listed", "product") + sellings(world)
    parties = sorted({one.subject for one in world.all("credit.determined")})
    for one in acts:
        trading = [one.data["seller"]] + ([one.data["buyer"]] if one.type != "product.listed" else [])
        heads = {world.topmost(each, one.time) for each in trading}
        having = [
            each
            for each in parties
            if (each in trading or world.topmost(each, one.time) in heads)
            and published(world, each, "serious", one.time)
        ]
        if having:
            about = ("contract" if one.type != "product.listed" else "asset", one.subject)
            world.say("barred-party", "red", about, one.data["seller"], one, one.time, of=having)


def statement(world: World, party: str, standing: Mapping[str, Found]) -> dict[str, Any]:
    """The statement at the end of the clock, out of what stands, by its id."""
    recorded = records(world, party, world.clock)
    named = {
        one.data.get("finding")
        for one in said(world, "credit.determined", "record", party, world.clock)
        if next(each["status"] for each in recorded if each["record"] == one.data["record"]) != "withdrawn"
    }
    counted = []
    for id_, found in standing.items():
        objected = suspended(world, objections(world, party, world.clock, finding=id_), world.clock)
        counts = found.party == party and found.mode == "enforce" and FINDING_POINTS[found.severity]
        lasts = found.occurred <= world.clock < days_after(found.occurred, 90)
        if counts and lasts and id_ not in named and not objected:
            counted.append({"finding": id_, "points": FINDING_POINTS[found.severity]})
    merits = [
        {"merit": one.data["merit"], "act": one.data["act"], "points": one.data["points"]}
        for one in said(world, "merit.recorded", "merit", party, world.clock)
    ]
    score = 80 + min(20, sum(one["points"] for one in merits)) - sum(one["points"] for one in recorded)
    score = max(0, min(100, score - min(40, sum(one["points"] for one in counted))))
    return {
        "party": party,
        "score": score,
        "grade": next(grade for grade, least in GRADES if score >= least),
        "records": recorded,
        "findings": sorted(counted, key=lambda one: one["finding"]),
        "merits": sorted(merits, key=lambda one: one["merit"]),
    }


RULES = (barred,)
