"""Credit: the score of a party with all that made it, a fold over what was recorded of it (contract §5).

Nothing is kept but events and standing findings, so that an objection that is upheld leaves the statement that would
have been, had the record never been. Every number is a parameter of the pack in force.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from circulation.calendar import add_months, days, format_instant, start_of_day
from circulation.events import Event

DETERMINED, MERIT = "circulation.credit.determined", "circulation.merit.recorded"
FILED, DECIDED = "circulation.objection.filed", "circulation.objection.decided"
APPLIED, REPAIRED = "circulation.repair.applied", "circulation.repair.decided"
# What a statement is folded from, findings aside.
TYPES = (DETERMINED, MERIT, FILED, DECIDED, APPLIED, REPAIRED)

SCORE_MAX = 100

Status = Literal["withdrawn", "repaired", "objected", "expired", "published"]


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """What a record takes, by its tier."""

    minor: int = 5
    general: int = 15
    serious: int = 40


class PublicMonths(msgspec.Struct, frozen=True, kw_only=True):
    """For how many calendar months a record is public, by its tier."""

    minor: int = 3
    general: int = 12
    serious: int = 36


class RepairableMonths(msgspec.Struct, frozen=True, kw_only=True):
    """After how many calendar months a record may be repaired, by its tier."""

    minor: int = 0
    general: int = 3
    serious: int = 12


class FindingPoints(msgspec.Struct, frozen=True, kw_only=True):
    """What a finding takes, by its severity."""

    red: int = 10
    orange: int = 4
    yellow: int = 1
    blue: int = 0


class Grades(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest score of each grade; below all of them it is D."""

    A: int = 90
    B: int = 75
    C: int = 60


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The member `credit` of a pack; what it leaves out keeps these defaults.

    `base` is the score of a party of which nothing is recorded. Merits give at most `merits_max`, findings take at
    most `findings_max`. A record is public for `public_months` and may be repaired after `repairable_months`, both
    from its document's date; a finding counts for `finding_days`. With `objection_suspends` a record takes no points
    while an objection to it is open.
    """

    base: int = 80
    merits_max: int = 20
    findings_max: int = 40
    grades: Grades = Grades()
    points: Points = Points()
    public_months: PublicMonths = PublicMonths()
    repairable_months: RepairableMonths = RepairableMonths()
    finding_points: FindingPoints = FindingPoints()
    finding_days: int = 90
    objection_suspends: bool = True


def settings_of(given: dict[str, Any]) -> Settings:
    """The parameters that a pack gives; `ValueError` with the path of what is wrong."""
    found: Settings = msgspec.convert(given, Settings)
    for part in (found, found.points, found.public_months, found.repairable_months, found.finding_points):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if type(value) is int and not 0 <= value <= 1_000_000:
                raise ValueError(f"{name} must be from 0 to 1000000, got {value}")
    if not found.grades.A >= found.grades.B >= found.grades.C:
        raise ValueError("grades must fall from A to C")
    return found


class Standing(NamedTuple):
    """A standing finding in mode `enforce` for which a party is responsible."""

    finding: str
    severity: str
    occurred: int


class Statement(NamedTuple):
    """A statement as it is sent, and the instant at which time alone changes it next (None: never)."""

    data: dict[str, Any]
    changes: int | None


class _Objection(NamedTuple):
    record: str | None
    finding: str | None
    outcome: str | None
    tier: str | None


def _order(event: Event) -> tuple[int, str, str]:
    return (event.time, event.source, event.id)


def _first(events: Iterable[Event], member: str) -> dict[str, Event]:
    """Of several reports of one act the best reporter's, of that the earliest (contract §2)."""
    found: dict[str, Event] = {}
    for one in sorted(events, key=lambda one: (one.reporter, *_order(one))):
        found.setdefault(getattr(one.data, member), one)
    return found


def _objections(events: Sequence[Event]) -> list[_Objection]:
    """Objections in the order in which they were decided: a later correction of a tier replaces an earlier one."""
    decided = _first((one for one in events if one.type == DECIDED), "objection")
    found: list[tuple[tuple[int, str, str], _Objection]] = []
    for objection, filed in _first((one for one in events if one.type == FILED), "objection").items():
        decision = decided.get(objection)
        outcome, tier = (None, None) if decision is None else (decision.data.outcome, decision.data.tier)
        found.append((_order(decision or filed), _Objection(filed.data.record, filed.data.finding, outcome, tier)))
    return [one for _, one in sorted(found, key=lambda one: one[0])]


def upheld(events: Sequence[Event]) -> set[str]:
    """The findings to which an objection of this party was upheld."""
    return {one.finding for one in _objections(events) if one.finding is not None and one.outcome == "upheld"}


def statement(
    party: str, events: Sequence[Event], findings: Collection[Standing], as_of: int, settings: Settings
) -> Statement:
    """The statement of a party at an instant (µs), out of what was said of it and not taken back."""
    later = [one.time for one in events if one.time > as_of]
    known = [one for one in events if one.time <= as_of]
    objections = _objections(known)
    applied = _first((one for one in known if one.type == APPLIED), "repair")
    granted: dict[str, list[int]] = {}
    for repair, one in _first((one for one in known if one.type == REPAIRED), "repair").items():
        if one.data.outcome == "granted" and repair in applied:
            granted.setdefault(applied[repair].data.record, []).append(one.time)
    changes = list(later)
    records: list[dict[str, Any]] = []
    named: set[str] = set()
    for event in sorted(_first((one for one in known if one.type == DETERMINED), "record").values(), key=_order):
        mine = [one for one in objections if one.record == event.data.record]
        record = _record(event, mine, granted.get(event.data.record, ()), as_of, settings)
        records.append(record)
        if record["status"] != "withdrawn" and event.data.finding is not None:
            named.add(event.data.finding)
        changes.append(start_of_day(dt.date.fromisoformat(record["public_until"])))
    objected = {one.finding for one in objections if one.outcome is None} | named
    counted: list[dict[str, Any]] = []
    for finding, severity, occurred in sorted(findings, key=lambda one: (one.occurred, one.finding)):
        ends = occurred + days(settings.finding_days)
        changes += [occurred, ends]
        points = getattr(settings.finding_points, severity)
        if points and occurred <= as_of < ends and finding not in objected:
            counted.append({"finding": finding, "points": points})
    merits = [
        {"merit": merit, "act": one.data.act, "points": one.data.points}
        for merit, one in sorted(_first((one for one in known if one.type == MERIT), "merit").items())
    ]
    score = settings.base + min(settings.merits_max, sum(one["points"] for one in merits))
    score -= sum(one["points"] for one in records)
    score -= min(settings.findings_max, sum(one["points"] for one in counted))
    score = max(0, min(SCORE_MAX, score))
    data = {
        "party": party,
        "as_of": format_instant(as_of),
        "score": score,
        "grade": _grade(score, settings.grades),
        "records": records,
        "findings": counted,
        "merits": merits,
    }
    return Statement(data, min((one for one in changes if one > as_of), default=None))


def _record(
    event: Event, objections: Sequence[_Objection], repairs: Collection[int], as_of: int, settings: Settings
) -> dict[str, Any]:
    corrected = [one.tier for one in objections if one.outcome == "corrected" and one.tier is not None]
    tier = corrected[-1] if corrected else event.data.tier
    day = event.data.document_date
    public_until = add_months(day, getattr(settings.public_months, tier))
    repairable_from = add_months(day, getattr(settings.repairable_months, tier))
    expired = as_of >= start_of_day(public_until)
    status: Status = "expired" if expired else "published"
    if any(one.outcome == "upheld" for one in objections):
        status = "withdrawn"
    elif any(time >= start_of_day(repairable_from) for time in repairs):
        status = "repaired"
    elif any(one.outcome is None for one in objections):
        status = "objected"
    counts = status == "published" or (status == "objected" and not expired and not settings.objection_suspends)
    return {
        "record": event.data.record,
        "act": event.data.act,
        "tier": tier,
        "status": status,
        "document_date": day.isoformat(),
        "public_until": public_until.isoformat(),
        "repairable_from": repairable_from.isoformat(),
        "points": getattr(settings.points, tier) if counts else 0,
    }


def _grade(score: int, grades: Grades) -> str:
    for grade in grades.__struct_fields__:
        if score >= getattr(grades, grade):
            return grade
    return "D"
