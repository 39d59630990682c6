"""Credit: the score of a party with all that made it, a fold over what was recorded of it (contract §5).

Nothing is kept but events and standing findings, so that an objection that is upheld leaves the statement that would
have been, had the record never been. Every number is a parameter of the pack in force.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from circulation.calendar import add_months, days, format_instant, start_of_day
from circulation.credit.settings import Grades, Points, Settings
from circulation.events.event import Event
from circulation.events.names import (
    CREDIT_DETERMINED,
    MERIT_RECORDED,
    OBJECTION_DECIDED,
    OBJECTION_FILED,
    REPAIR_APPLIED,
    REPAIR_DECIDED,
)
from circulation.keys import join_key, split_key

# The kinds of what a statement is folded from; stores hold their texts.
RECORD, FINDING, MERIT, OBJECTION, REPAIR = "record", "finding", "merit", "objection", "repair"
# The kind of each event of which one is folded; its business id is the member of `data` of that name.
KINDS: Final = {
    CREDIT_DETERMINED: RECORD,
    MERIT_RECORDED: MERIT,
    OBJECTION_FILED: OBJECTION,
    OBJECTION_DECIDED: OBJECTION,
    REPAIR_APPLIED: REPAIR,
    REPAIR_DECIDED: REPAIR,
}
TYPES: Final = tuple(KINDS)
# The lists of a statement, by the kind of what each lists.
LISTS: Final = {RECORD: "records", FINDING: "findings", MERIT: "merits"}
# How an objection stands to which nobody has answered, how one that gave a record another tier begins, and how a repair
# stands that has an effect; other objections stand as they were decided.
OPEN, UPHELD, CORRECTED, GRANTED = "open", "upheld", "corrected:", "granted"
# All the states of objections that corrected: a finding has no tier.
CORRECTIONS: Final = tuple(CORRECTED + tier for tier in ("", *Points.__struct_fields__))
# Among the states of claims on one thing: the place of the filing of the open objection that suspends it longest.
SUSPENDING = "suspending"

SCORE_MAX = 100
# Later than any instant.
NEVER: Final = 2**62

Status = Literal["withdrawn", "repaired", "objected", "expired", "published"]


class Standing(NamedTuple):
    """A standing finding in mode `enforce` for which a party is responsible."""

    finding: str
    severity: str
    occurred: int


class Statement(NamedTuple):
    """A statement as it is sent, and the instant at which time alone changes it next (None: never)."""

    data: dict[str, Any]
    changes: int | None


class Claim(NamedTuple):
    """How an objection or a repair stands at an instant, the (kind, id) that it is about, and its place in their order.

    `filed` is the place of the filing of an objection. Nothing else of it bears on a record or a finding.
    """

    about: tuple[str, str]
    state: str
    place: str
    filed: str | None = None


class Line(NamedTuple):
    """The line of one record, finding or merit at an instant, and the instants (µs) at which it may change.

    `row` is what a statement lists of it, None where it does not, and `place` where in the list. `named` is the finding
    that a record takes the place of.
    """

    row: dict[str, Any] | None
    place: str
    instants: Sequence[int]
    named: str | None = None

    @property
    def points(self) -> int:
        """The points that it adds or costs."""
        return 0 if self.row is None else int(self.row["points"])


class Sum(NamedTuple):
    """How many lines a list has, and the points of all of them."""

    lines: int = 0
    points: int = 0


def place_of(event: Event) -> str:
    """The place of an event in the order of (`time`, `source`, `id`), as a text: no id holds what is not printable."""
    return _place(event.time, event.source, event.id)


def _place(time: int, *rest: str) -> str:
    return join_key(f"{time + NEVER:020}", *rest)


def _time_of(place: str) -> int:
    return int(split_key(place, 1)[0]) - NEVER


def _counted(events: Iterable[Event], type_: str, as_of: int) -> Event | None:
    """Of several reports of one act the best reporter's, of that the earliest (contract §2)."""
    known = (event for event in events if event.type == type_ and event.time <= as_of)
    return min(known, key=lambda event: (event.reporter, event.time, event.source, event.id), default=None)


def claim(kind: str, events: Collection[Event], as_of: int = NEVER) -> Claim | None:
    """How one objection or repair stands at an instant by all that was said of it; None where it has no effect yet."""
    if kind == OBJECTION:
        filed, decided = _counted(events, OBJECTION_FILED, as_of), _counted(events, OBJECTION_DECIDED, as_of)
        if filed is None:
            return None
        about = (FINDING, filed.data.finding) if filed.data.record is None else (RECORD, filed.data.record)
        if decided is None:
            return Claim(about, OPEN, place_of(filed), place_of(filed))
        outcome, tier = decided.data.outcome, decided.data.tier
        state = CORRECTED + (tier or "") if outcome == "corrected" else outcome
        return Claim(about, state, place_of(decided), place_of(filed))
    applied, decided = _counted(events, REPAIR_APPLIED, as_of), _counted(events, REPAIR_DECIDED, as_of)
    if applied is None or decided is None or decided.data.outcome != GRANTED:
        return None
    return Claim((RECORD, applied.data.record), GRANTED, place_of(decided))


def record_line(events: Collection[Event], claims: Mapping[str, str], as_of: int, settings: Settings) -> Line:
    """The line of one record by all that determined it. `claims` are the states of the objections and repairs that are
    about it, as `states_of` gives them."""
    times = [report.time for report in events]
    event = _counted(events, CREDIT_DETERMINED, as_of)
    if event is None:
        return Line(None, "", times)
    corrected = max(
        ((place, state) for state, place in claims.items() if state.startswith(CORRECTED) and state != CORRECTED),
        default=None,
    )
    tier = event.data.tier if corrected is None else corrected[1].removeprefix(CORRECTED)
    day = event.data.document_date
    public_until = add_months(day, getattr(settings.public_months, tier))
    repairable_from = add_months(day, getattr(settings.repairable_months, tier))
    ends, suspended = start_of_day(public_until), suspended_until(claims, settings)
    status: Status = "expired" if as_of >= ends else "published"
    if UPHELD in claims:
        status = "withdrawn"
    elif GRANTED in claims and _time_of(claims[GRANTED]) >= start_of_day(repairable_from):
        status = "repaired"
    elif as_of < suspended:
        status = "objected"
    counts = status == "published" or (status == "objected" and as_of < ends and not settings.objection_suspends)
    row = {
        "record": event.data.record,
        "act": event.data.act,
        "tier": tier,
        "status": status,
        "document_date": day.isoformat(),
        "public_until": public_until.isoformat(),
        "repairable_from": repairable_from.isoformat(),
        "points": getattr(settings.points, tier) if counts else 0,
    }
    return Line(row, place_of(event), [*times, ends, suspended], None if status == "withdrawn" else event.data.finding)


def finding_line(standing: Standing, claims: Mapping[str, str], as_of: int, settings: Settings, *, named: bool) -> Line:
    """The line of a standing finding; one that an objection suspends, or that a record names, does not count."""
    finding, severity, occurred = standing
    ends, suspended = occurred + days(settings.finding_days), suspended_until(claims, settings)
    points = getattr(settings.finding_points, severity)
    listed = points and not named and occurred <= as_of < ends and as_of >= suspended
    row = {"finding": finding, "points": points} if listed else None
    return Line(row, _place(occurred, finding), (occurred, ends, suspended))


def suspended_until(claims: Mapping[str, str], settings: Settings) -> int:
    """The instant (µs) until which an objection suspends what these claims are about; before all where none does, after
    all where it is not known when the decision is due."""
    if SUSPENDING not in claims:
        return -NEVER
    limit = settings.decisions.limit(_time_of(claims[SUSPENDING]))
    return NEVER if limit is None else limit


def merit_line(events: Collection[Event], as_of: int) -> Line:
    """The line of one merit by all that recorded it."""
    times = [report.time for report in events]
    event = _counted(events, MERIT_RECORDED, as_of)
    if event is None:
        return Line(None, "", times)
    data = event.data
    return Line({"merit": data.merit, "act": data.act, "points": data.points}, data.merit, times)


def states_of(claims: Iterable[Claim]) -> dict[tuple[str, str], dict[str, str]]:
    """By what claims are about the states that any is in, each with the latest place, and which of them suspends it."""
    by_subject: dict[tuple[str, str], dict[str, str]] = {}
    filed: dict[tuple[str, str], list[tuple[str, str]]] = {}
    # The first objection suspends, and so does the first that is filed after each decision that corrected.
    anew: dict[tuple[str, str], list[str]] = {}
    for stated in claims:
        states = by_subject.setdefault(stated.about, {})
        states[stated.state] = max(stated.place, states.get(stated.state, ""))
        if stated.filed is not None:
            filed.setdefault(stated.about, []).append((stated.filed, stated.state))
            anew.setdefault(stated.about, [""]).extend([stated.place] if stated.state.startswith(CORRECTED) else [])
    for about, filings in filed.items():
        firsts = (min((filing for filing in filings if filing[0] > since), default=("", "")) for since in anew[about])
        suspending = max((place for place, state in firsts if state == OPEN), default=None)
        if suspending is not None:
            by_subject[about][SUSPENDING] = suspending
    return by_subject


def header(party: str, as_of: int, sums: Mapping[str, Sum], settings: Settings) -> dict[str, Any]:
    """All of a statement but its lists, whose sums are by kind."""
    score = settings.base + min(settings.merits_max, sums[MERIT].points)
    score -= sums[RECORD].points
    score -= min(settings.findings_max, sums[FINDING].points)
    score = max(0, min(SCORE_MAX, score))
    return {
        "party": party,
        "as_of": format_instant(as_of),
        "score": score,
        "grade": _grade(score, settings.grades),
    }


def statement(
    party: str, events: Iterable[Event], findings: Iterable[Standing], as_of: int, settings: Settings
) -> Statement:
    """The statement of a party at an instant (µs), out of what was said of it and not taken back."""
    events_of: dict[str, dict[str, list[Event]]] = {kind: {} for kind in (RECORD, MERIT, OBJECTION, REPAIR)}
    later: list[int] = []
    for event in events:
        kind = KINDS[event.type]
        events_of[kind].setdefault(getattr(event.data, kind), []).append(event)
        later.append(event.time)
    claims = (claim(kind, reports, as_of) for kind in (OBJECTION, REPAIR) for reports in events_of[kind].values())
    states = states_of(stated for stated in claims if stated is not None)
    lines: dict[str, list[Line]] = {
        RECORD: [
            record_line(reports, states.get((RECORD, record), {}), as_of, settings)
            for record, reports in events_of[RECORD].items()
        ],
        MERIT: [merit_line(reports, as_of) for reports in events_of[MERIT].values()],
    }
    named = {line.named for line in lines[RECORD]}
    lines[FINDING] = [
        finding_line(
            standing, states.get((FINDING, standing.finding), {}), as_of, settings, named=standing.finding in named
        )
        for standing in findings
    ]
    sums = {
        kind: Sum(sum(line.row is not None for line in section), sum(line.points for line in section))
        for kind, section in lines.items()
    }
    data = header(party, as_of, sums, settings)
    for kind, name in LISTS.items():
        data[name] = [line.row for line in sorted(lines[kind], key=lambda line: line.place) if line.row is not None]
    instants = (instant for section in lines.values() for line in section for instant in line.instants)
    changes = min((instant for instant in (*later, *instants) if instant > as_of), default=None)
    return Statement(data, changes)


def around(instants: Iterable[int], as_of: int) -> tuple[int, int]:
    """The last of some instants (µs) by an instant, and the first after it; without any, before and after all."""
    since, until = -NEVER, NEVER
    for instant in instants:
        if instant > as_of:
            until = min(instant, until)
        else:
            since = max(instant, since)
    return since, until


def _grade(score: int, grades: Grades) -> str:
    for grade in grades.__struct_fields__:
        if score >= getattr(grades, grade):
            return grade
    return "D"
