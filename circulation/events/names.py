"""The names of topics, of types of events and of reporters: each is a constant here, and nowhere else
(tests/unit/test_event_names.py).
"""

from typing import Final, Literal

# The topics. `TOPICS` are those of what comes in; on `CLOCK` workers ask the broker what time it is: nobody reads it.
PARTIES: Final = "circulation.parties"
ASSETS: Final = "circulation.assets"
CONTRACTS: Final = "circulation.contracts"
RULES: Final = "circulation.rules"
ORDERS: Final = "circulation.orders"
FINDINGS: Final = "circulation.findings"
REJECTED: Final = "circulation.rejected"
CASES: Final = "circulation.cases"
CREDIT: Final = "circulation.credit"
JOURNAL: Final = "circulation.journal"
CLOCK: Final = "circulation.clock"
TOPICS: Final = (PARTIES, ASSETS, CONTRACTS, RULES, ORDERS)

# The types of what comes in: a constant is called what its type says. `Literal` takes no constant.
UsageReportedType = Literal["circulation.usage.reported"]
PARTY_REGISTERED: Final = "circulation.party.registered"
GRANT_ISSUED: Final = "circulation.grant.issued"
GRANT_REVOKED: Final = "circulation.grant.revoked"
EXPORT_PERFORMED: Final = "circulation.export.performed"
INCIDENT_DISCOVERED: Final = "circulation.incident.discovered"
INCIDENT_REPORTED: Final = "circulation.incident.reported"
CREDIT_DETERMINED: Final = "circulation.credit.determined"
OBJECTION_FILED: Final = "circulation.objection.filed"
OBJECTION_DECIDED: Final = "circulation.objection.decided"
REPAIR_APPLIED: Final = "circulation.repair.applied"
REPAIR_DECIDED: Final = "circulation.repair.decided"
MERIT_RECORDED: Final = "circulation.merit.recorded"
SOURCE_HEARTBEAT: Final = "circulation.source.heartbeat"
ASSET_REGISTERED: Final = "circulation.asset.registered"
ASSET_GRADED: Final = "circulation.asset.graded"
ASSET_DERIVED: Final = "circulation.asset.derived"
ASSET_ASSESSED: Final = "circulation.asset.assessed"
PRODUCT_LISTED: Final = "circulation.product.listed"
PRODUCT_DELISTED: Final = "circulation.product.delisted"
REQUEST_REFUSED: Final = "circulation.request.refused"
ASSET_WITHDRAWN: Final = "circulation.asset.withdrawn"
WATERMARK_SIGHTED: Final = "circulation.watermark.sighted"
CONTRACT_SIGNED: Final = "circulation.contract.signed"
CONTRACT_AMENDED: Final = "circulation.contract.amended"
CONTRACT_TERMINATED: Final = "circulation.contract.terminated"
DELIVERY_COMPLETED: Final = "circulation.delivery.completed"
USAGE_REPORTED: Final[UsageReportedType] = "circulation.usage.reported"
USAGE_CANCELLED: Final = "circulation.usage.cancelled"
SETTLEMENT_PAID: Final = "circulation.settlement.paid"
DELETION_PROVED: Final = "circulation.deletion.proved"
EVENT_RETRACTED: Final = "circulation.event.retracted"
CASE_ACKNOWLEDGED: Final = "circulation.case.acknowledged"
CASE_ORDERED: Final = "circulation.case.ordered"
CASE_RECTIFIED: Final = "circulation.case.rectified"
CASE_CLOSED: Final = "circulation.case.closed"
CASE_REOPENED: Final = "circulation.case.reopened"
RULEPACK_PUBLISHED: Final = "circulation.rulepack.published"
OPENLINEAGE_RUN: Final = "openlineage.run"

# The types of what the monitor itself sends; of a case it is `CASE_PREFIX` and what happened to it.
FINDING_RAISED: Final = "circulation.finding.raised"
FINDING_CLEARED: Final = "circulation.finding.cleared"
CREDIT_STATED: Final = "circulation.credit.stated"
RULEPACK_ACCEPTED: Final = "circulation.rulepack.accepted"
LOOK_MADE: Final = "circulation.look.made"
FEED_RESUMED: Final = "circulation.feed.resumed"
MESSAGE_DISCARDED: Final = "circulation.message.discarded"
CASE_PREFIX: Final = "circulation.case."

# Uses are cancelled and not retracted, and a retraction stands.
NOT_RETRACTABLE: Final = frozenset({USAGE_REPORTED, USAGE_CANCELLED, EVENT_RETRACTED})
REPORTERS: Final = ("exchange", "provider", "consumer")
