"""The parameters of credit: the member `credit` of a pack."""

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

import msgspec

from circulation.working_days import Calendar, Lists, deadline

# The detector whose parameters say by when an objection is to be decided.
CREDIT_CLOCK: Final = "credit-clock"
# Working days within which an office decides; a pack may say otherwise (detector `credit-clock`).
OBJECTION_WORKING_DAYS: Final = 7
REPAIR_WORKING_DAYS: Final = 10
# Earlier than any instant.
BEGINNING: Final = -(2**62)


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """Points that a record costs, by its tier."""

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
    """Points that a finding costs, by its severity."""

    red: int = 10
    orange: int = 4
    yellow: int = 1
    blue: int = 0


class Grades(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest score of each grade; below all of them it is D."""

    A: int = 90
    B: int = 75
    C: int = 60


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How long the decision on an objection may take: working days, and the calendar that the pack gives."""

    working_days: int = OBJECTION_WORKING_DAYS
    holidays: tuple[str, ...] = ()
    workdays: tuple[str, ...] = ()


class Decisions(msgspec.Struct, frozen=True):
    """What packs give of decisions over time, each from an instant (µs) on, in the order of time; the first from the
    beginning."""

    spans: tuple[tuple[int, Decision], ...] = ((BEGINNING, Decision()),)

    @classmethod
    def joined(cls, spans: Iterable[tuple[int, "Decisions"]]) -> "Decisions":
        """Make one of those of packs, each of which holds from an instant (µs) on; equal neighbours are one span."""
        joined: list[tuple[int, Decision]] = []
        for since, decisions in spans:
            ((_, decision),) = decisions.spans
            if not joined or joined[-1][1] != decision:
                joined.append((since, decision))
        return cls(tuple(joined))

    @property
    def calendar(self) -> Calendar:
        """The working days that the packs give."""
        return Calendar(tuple((since, Lists(one.holidays, one.workdays)) for since, one in self.spans))

    def limit(self, filed: int) -> int | None:
        """The end (µs) of the last working day for what was filed at an instant; None where that is not known.

        How many days they are says the pack in force at that instant, and which days are worked that of each day, as
        for `credit-clock`: what a later pack says of other days neither begins a limit that is over again nor moves it.
        """
        at = max(0, bisect_right(self.spans, filed, key=itemgetter(0)) - 1)
        return deadline(filed, self.spans[at][1].working_days, self.calendar.lists)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The member `credit` of a pack; what it leaves out keeps these defaults.

    `base` is the score of a party of which nothing is recorded. Merits give at most `merits_max`, findings take at
    most `findings_max`. A record is public for `public_months` and may be repaired after `repairable_months`, both
    from its document's date; a finding counts for `finding_days`. With `objection_suspends` a record or a finding takes
    no points while an objection to it suspends it, once: from the first objection until its decision, at most until the
    working days for that are over; anew only after a decision that corrected it. `decisions` is no member of a pack's
    `credit`: it is what the packs give to the detector `credit-clock`; of one pack alone, that one from the beginning.
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
    decisions: Decisions = Decisions()


def settings_of(parameters: dict[str, Any], decision: Decision) -> Settings:
    """The parameters that a pack gives; `ValueError` with the path of what is wrong."""
    settings: Settings = msgspec.convert(parameters, Settings)
    settings = msgspec.structs.replace(settings, decisions=Decisions(((BEGINNING, decision),)))
    for part in (
        settings,
        settings.points,
        settings.public_months,
        settings.repairable_months,
        settings.finding_points,
    ):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if type(value) is int and not 0 <= value <= 1_000_000:
                raise ValueError(f"{name} must be from 0 to 1000000, got {value}")
    if not settings.grades.A >= settings.grades.B >= settings.grades.C:
        raise ValueError("grades must fall from A to C")
    return settings
