"""The types of events: the topic of each, and the shape of its data."""

from typing import Final

from circulation.calendar import shown
from circulation.events.assets import (
    AssetAssessed,
    AssetDerived,
    AssetGraded,
    AssetRegistered,
    AssetWithdrawn,
    ProductDelisted,
    ProductListed,
    RequestRefused,
    WatermarkSighted,
)
from circulation.events.contracts import (
    ContractAmended,
    ContractSigned,
    ContractTerminated,
    DeletionProved,
    DeliveryCompleted,
    SettlementPaid,
    UsageCancelled,
    UsageReported,
)
from circulation.events.data import Data
from circulation.events.names import (
    ASSET_ASSESSED,
    ASSET_DERIVED,
    ASSET_GRADED,
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    ASSETS,
    CASE_ACKNOWLEDGED,
    CASE_CLOSED,
    CASE_ORDERED,
    CASE_RECTIFIED,
    CASE_REOPENED,
    CONTRACT_AMENDED,
    CONTRACT_SIGNED,
    CONTRACT_TERMINATED,
    CONTRACTS,
    CREDIT_DETERMINED,
    DELETION_PROVED,
    DELIVERY_COMPLETED,
    EVENT_RETRACTED,
    EXPORT_PERFORMED,
    GRANT_ISSUED,
    GRANT_REVOKED,
    INCIDENT_DISCOVERED,
    INCIDENT_REPORTED,
    MERIT_RECORDED,
    NOT_RETRACTABLE,
    OBJECTION_DECIDED,
    OBJECTION_FILED,
    OPENLINEAGE_RUN,
    ORDERS,
    PARTIES,
    PARTY_REGISTERED,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
    REPAIR_APPLIED,
    REPAIR_DECIDED,
    REQUEST_REFUSED,
    RULEPACK_PUBLISHED,
    RULES,
    SETTLEMENT_PAID,
    SOURCE_HEARTBEAT,
    USAGE_CANCELLED,
    USAGE_REPORTED,
    WATERMARK_SIGHTED,
)
from circulation.events.orders import CaseAcknowledged, CaseClosed, CaseOrdered, CaseRectified, CaseReopened
from circulation.events.parties import (
    CreditDetermined,
    ExportPerformed,
    GrantIssued,
    GrantRevoked,
    Heartbeat,
    IncidentDiscovered,
    IncidentReported,
    MeritRecorded,
    ObjectionDecided,
    ObjectionFiled,
    PartyRegistered,
    RepairApplied,
    RepairDecided,
)
from circulation.identifiers import Identifier, Text
from circulation.near import NAME_LENGTH_MAX, did_you_mean, near, slips_of


class EventRetracted(Data, frozen=True, kw_only=True):
    """`event` and `type` are those of the event that is taken back."""

    event: Identifier
    type: Text
    reason: Text

    def __post_init__(self) -> None:
        """Check that a retraction names a type that exists and can be taken back."""
        if self.type in NOT_RETRACTABLE:
            raise ValueError(f"{self.type} cannot be retracted")
        if self.type not in TYPES and self.type != OPENLINEAGE_RUN:
            raise ValueError(unknown_type(self.type))


# A rule pack's data is an object here: circulation.packs knows what is in it.
TYPES: Final[dict[str, tuple[str | None, type[Data] | None]]] = {
    PARTY_REGISTERED: (PARTIES, PartyRegistered),
    GRANT_ISSUED: (PARTIES, GrantIssued),
    GRANT_REVOKED: (PARTIES, GrantRevoked),
    EXPORT_PERFORMED: (PARTIES, ExportPerformed),
    INCIDENT_DISCOVERED: (PARTIES, IncidentDiscovered),
    INCIDENT_REPORTED: (PARTIES, IncidentReported),
    CREDIT_DETERMINED: (PARTIES, CreditDetermined),
    OBJECTION_FILED: (PARTIES, ObjectionFiled),
    OBJECTION_DECIDED: (PARTIES, ObjectionDecided),
    REPAIR_APPLIED: (PARTIES, RepairApplied),
    REPAIR_DECIDED: (PARTIES, RepairDecided),
    MERIT_RECORDED: (PARTIES, MeritRecorded),
    SOURCE_HEARTBEAT: (PARTIES, Heartbeat),
    ASSET_REGISTERED: (ASSETS, AssetRegistered),
    ASSET_GRADED: (ASSETS, AssetGraded),
    ASSET_DERIVED: (ASSETS, AssetDerived),
    ASSET_ASSESSED: (ASSETS, AssetAssessed),
    PRODUCT_LISTED: (ASSETS, ProductListed),
    PRODUCT_DELISTED: (ASSETS, ProductDelisted),
    REQUEST_REFUSED: (ASSETS, RequestRefused),
    ASSET_WITHDRAWN: (ASSETS, AssetWithdrawn),
    WATERMARK_SIGHTED: (ASSETS, WatermarkSighted),
    CONTRACT_SIGNED: (CONTRACTS, ContractSigned),
    CONTRACT_AMENDED: (CONTRACTS, ContractAmended),
    CONTRACT_TERMINATED: (CONTRACTS, ContractTerminated),
    DELIVERY_COMPLETED: (CONTRACTS, DeliveryCompleted),
    USAGE_REPORTED: (CONTRACTS, UsageReported),
    USAGE_CANCELLED: (CONTRACTS, UsageCancelled),
    SETTLEMENT_PAID: (CONTRACTS, SettlementPaid),
    DELETION_PROVED: (CONTRACTS, DeletionProved),
    EVENT_RETRACTED: (None, EventRetracted),
    CASE_ACKNOWLEDGED: (ORDERS, CaseAcknowledged),
    CASE_ORDERED: (ORDERS, CaseOrdered),
    CASE_RECTIFIED: (ORDERS, CaseRectified),
    CASE_CLOSED: (ORDERS, CaseClosed),
    CASE_REOPENED: (ORDERS, CaseReopened),
    RULEPACK_PUBLISHED: (RULES, None),
}

_PREFIX: Final = "circulation."


def unknown_type(name: str) -> str:
    """The error text of a type that no event has; with the types that may have been meant."""
    slips = slips_of(frozenset(TYPES)).of(name) or [
        _PREFIX + type_name
        for type_name in near(
            name.removeprefix(_PREFIX)[:NAME_LENGTH_MAX], [type_name.removeprefix(_PREFIX) for type_name in TYPES]
        )
    ]
    return f"no event has the type {shown(name)}{did_you_mean(slips)}"
