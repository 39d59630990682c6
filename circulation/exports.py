"""Exports as several rules need them: exporter and contents, exemptions that hold, grants that cover.

Data goes abroad by an export that is declared, or by a delivery that nobody declared (`undeclared-export`).
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from circulation.calendar import year_of
from circulation.events.names import DELIVERY_COMPLETED, EXPORT_PERFORMED
from circulation.facts.acts import Act
from circulation.facts.facts import Facts, Need
from circulation.identifiers import is_credit_code

# The rule that says which deliveries abroad were not declared.
UNDECLARED: Final = "undeclared-export"
# The acts of the year's sums, and what rules need for `counted`, `ciio` and `covered`.
ACTS: Final = frozenset({EXPORT_PERFORMED, DELIVERY_COMPLETED})
NEEDS: Final[frozenset[Need]] = frozenset({"asset", "contract", "party", "undeclared"})

RANKS: Final = {"ungraded": 0, "general": 1, "important": 2, "core": 3}
SENSITIVE: Final = frozenset({"sensitive", "minor"})


class Exported(NamedTuple):
    """One export of a party, as the sums of its year count it. `countries` is empty where none is named."""

    party: str
    time: int
    persons: int
    sensitive_persons: int
    asset: str | None
    countries: tuple[str, ...]
    recipient: str


class Sent(NamedTuple):
    """A delivery abroad of data that may not leave unseen: whose, of which asset, of how many, of which level."""

    party: str
    asset: str
    persons: int
    sensitive_persons: int
    level: str
    personal: str

    @property
    def important(self) -> bool:
        """Whether it is important or core."""
        return RANKS[self.level] >= RANKS["important"]

    @property
    def sensitive(self) -> bool:
        """Whether any of it is sensitive."""
        return self.personal in SENSITIVE or self.sensitive_persons > 0


def is_abroad(delivery: Any, home: str) -> bool:
    """Whether a delivery went to another country than `home`; without a country, to nobody with a Chinese code."""
    if delivery.country is not None:
        return bool(delivery.country != home)
    return not is_credit_code(delivery.recipient)


def sent(act: Act, facts: Facts) -> Sent | None:
    """The personal, important or core data that a delivery sends abroad; None of any other.

    Counts that it leaves out are the asset's `persons`: of one with sensitive data they are sensitive persons.
    """
    data = act.data
    if not is_abroad(data, facts.pack(act.time).home):
        return None
    contract = facts.contract(act.subject).statement(act.time)
    if contract is None:
        return None
    asset = facts.subject(contract.asset, act.time)
    of_asset = asset.persons or 0
    persons, sensitive = data.persons, data.sensitive_persons
    if persons is None:
        persons = of_asset if asset.personal == "personal" else 0
    if sensitive is None:
        sensitive = of_asset if asset.personal in SENSITIVE else 0
    export = Sent(contract.seller, contract.asset, persons, sensitive, asset.level, asset.personal)
    return export if export.important or asset.personal != "none" or persons or sensitive else None


def exporter(act: Act, facts: Facts) -> str | None:
    """The party that sends data abroad by an act; None where a delivery sends nothing that may not leave unseen."""
    if act.type == EXPORT_PERFORMED:
        return act.subject
    export = sent(act, facts)
    return None if export is None else export.party


def years(act: Act, facts: Facts) -> Iterable[str]:
    """The scope of an act: the exporter's calendar year."""
    party = exporter(act, facts)
    if party is not None:
        yield f"{party}/{year_of(act.time)}"


def counted(act: Act, facts: Facts) -> Exported | None:
    """The export that an act adds to the sums of a year; None of an export under an exemption that holds, and of a
    delivery of which it does not stand that it was not declared (contract §4).
    """
    if act.type == EXPORT_PERFORMED:
        return None if exempt(act, facts) else performed(act)
    export = sent(act, facts) if facts.undeclared(act.subject, act.cause) else None
    if export is None:
        return None
    countries = () if act.data.country is None else (act.data.country,)
    persons, sensitive, recipient = export.persons, export.sensitive_persons, act.data.recipient
    return Exported(export.party, act.time, persons, sensitive, export.asset, countries, recipient)


def performed(act: Act) -> Exported:
    """The contents of a declared export."""
    data = act.data
    return Exported(
        act.subject, act.time, data.persons, data.sensitive_persons, data.asset, (data.country,), data.recipient
    )


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


def ciio(exported: Exported, facts: Facts) -> bool:
    """Whether the exporter operates critical information infrastructure, by its registration in force."""
    registration = facts.party(exported.party).at(exported.time)
    return registration is not None and bool(registration.ciio)


def covered(exported: Exported, facts: Facts, *kinds: str) -> bool:
    """Whether a grant of one of these kinds covers asset, country and recipient of what was sent."""
    return facts.party(exported.party).covered(
        exported.time, kinds, asset=exported.asset, countries=exported.countries, recipients=(exported.recipient,)
    )
