"""The data of what is said of parties: registrations, grants, exports, incidents, records."""

import datetime as dt
from typing import Literal

from circulation.calendar import Instant
from circulation.events.data import Data, Level
from circulation.identifiers import AssetId, Count, Country, Identifier, Industry, Money, Party, Region, Text

Role = Literal["holder", "processor", "operator", "dealer", "buyer", "broker", "service", "exchange", "public-operator"]
GrantKind = Literal[
    "holding-right",
    "processing-right",
    "operating-right",
    "public-operation",
    "consent",
    "guardian-consent",
    "security-assessment",
    "standard-contract",
    "certification",
    "risk-assessment",
    "impact-assessment",
    "algorithm-review",
    "sandbox",
]
Exemption = Literal["contract", "hr", "emergency", "foreign-origin", "no-personal", "ftz"]
Tier = Literal["minor", "general", "serious"]


class PartyRegistered(Data, frozen=True, kw_only=True):
    name: Text
    roles: tuple[Role, ...]
    controller: Party | None = None
    industry: Industry | None = None
    region: Region | None = None
    ciio: bool | None = None
    ftz: Text | None = None
    employees: Count | None = None


class GrantIssued(Data, frozen=True, kw_only=True):
    grant: Identifier
    kind: GrantKind
    assets: tuple[AssetId, ...] | None = None
    purposes: tuple[Text, ...] | None = None
    countries: tuple[Country, ...] | None = None
    recipients: tuple[Party, ...] | None = None
    persons_max: Count | None = None
    sensitive_persons_max: Count | None = None
    uses_max: Count | None = None
    amount_max: Money | None = None
    valid_from: Instant
    valid_to: Instant | None = None
    document: Text | None = None


class GrantRevoked(Data, frozen=True, kw_only=True):
    grant: Identifier
    reason: Text


class ExportPerformed(Data, frozen=True, kw_only=True):
    export: Identifier
    recipient: Party
    country: Country
    persons: Count
    sensitive_persons: Count
    level: Level
    asset: AssetId | None = None
    contract: Identifier | None = None
    delivery: Identifier | None = None
    grant: Identifier | None = None
    exemption: Exemption | None = None


class IncidentDiscovered(Data, frozen=True, kw_only=True):
    incident: Identifier
    kind: Text
    grade: Text | None = None
    operator: Literal["ciio", "state", "other"]


class IncidentReported(Data, frozen=True, kw_only=True):
    incident: Identifier


class CreditDetermined(Data, frozen=True, kw_only=True):
    record: Identifier
    act: Text
    tier: Tier
    document_date: dt.date
    finding: Identifier | None = None
    decided_by: Text


class ObjectionFiled(Data, frozen=True, kw_only=True):
    objection: Identifier
    record: Identifier | None = None
    finding: Identifier | None = None
    grounds: Text

    def __post_init__(self) -> None:
        """An objection is to one thing: a record or a finding."""
        _exactly_one(record=self.record, finding=self.finding)


class ObjectionDecided(Data, frozen=True, kw_only=True):
    objection: Identifier
    outcome: Literal["upheld", "corrected", "rejected"]
    tier: Tier | None = None
    decided_by: Text


class RepairApplied(Data, frozen=True, kw_only=True):
    repair: Identifier
    record: Identifier
    evidence: tuple[Text, ...]


class RepairDecided(Data, frozen=True, kw_only=True):
    repair: Identifier
    outcome: Literal["granted", "refused"]
    decided_by: Text


class MeritRecorded(Data, frozen=True, kw_only=True):
    merit: Identifier
    act: Text
    points: Count
    decided_by: Text


class Heartbeat(Data, frozen=True, kw_only=True):
    """Nothing but that the source is alive."""


def _exactly_one(**members: object) -> None:
    if sum(value is not None for value in members.values()) != 1:
        raise ValueError(f"exactly one of {' and '.join(f'`{name}`' for name in members)}")
