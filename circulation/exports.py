"""What several rules ask of an export: whether an exemption holds, whether a grant covers it, who performed it."""

from typing import Final

from circulation.facts import Act, Facts

EXPORTED: Final = "circulation.export.performed"


def exempt(act: Act, facts: Facts) -> bool:
    """Whether the export is under an exemption that holds (contract §4), by the facts of the party at its time."""
    data = act.data
    if data.exemption in ("contract", "emergency", "foreign-origin"):
        return True
    if data.exemption == "no-personal":
        return not people(act)
    registration = facts.party(act.subject).at(act.time)
    if registration is None:
        return False
    if data.exemption == "hr":
        employees = registration.employees
        return employees is not None and people(act) <= employees
    return data.exemption == "ftz" and bool(registration.ftz) and not registration.ciio


def people(act: Act) -> int:
    """All persons of an export: `persons` leaves out those of whom sensitive data is sent."""
    return int(act.data.persons + act.data.sensitive_persons)


def ciio(act: Act, facts: Facts) -> bool:
    """Whether the exporter operates critical information infrastructure, by its registration in force."""
    registration = facts.party(act.subject).at(act.time)
    return registration is not None and bool(registration.ciio)


def covered(act: Act, facts: Facts, *kinds: str) -> bool:
    """Whether a grant of one of these kinds covers asset, country and recipient of the export."""
    return facts.party(act.subject).covered(
        act.time,
        kinds,
        asset=act.data.asset,
        countries=(act.data.country,),
        recipients=(act.data.recipient,),
    )
