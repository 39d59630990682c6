"""One good event of every type, as JSON would have it, and the commands that read a store."""

from typing import Any

from circulation.calendar import parse_instant
from circulation.events.names import ASSETS, CONTRACTS, EVENT_RETRACTED, ORDERS, PARTIES, RULES, SOURCE_HEARTBEAT
from circulation.events.types import TYPES

NOW = parse_instant("2026-11-23T12:00:00+08:00")
SELLER, BUYER = "91110000600037341L", "N2110111MF12345676"
SOURCE = "urn:exchange:beijing"

TERMS: dict[str, Any] = {
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01T00:00:00+08:00",
    "uses_max": 1000,
    "windows": [{"uses_max": 10, "seconds": 3600}],
    "bytes_max": 10**9,
    "rows_max": 10**6,
    "persons_max": 10**5,
    "purposes": ["credit"],
    "countries": ["CN"],
    "regions": ["110000"],
    "delivery": ["api", "private-computing"],
    "recipients": [BUYER, "team-7"],
    "environments": ["sandbox-1"],
    "resale": True,
    "derivation": False,
    "quota_group": "group-1",
    "delete_within_days": 15,
    "report_within_days": 30,
    "pay_within_days": 10,
    "exclusive": False,
}
CONTRACT: dict[str, Any] = {
    "asset": "asset-1",
    "product": "product-1",
    "seller": SELLER,
    "buyer": BUYER,
    "exchange": "exchange:bj",
    "channel": "on-exchange",
    "amount": "12000.50",
    "currency": "CNY",
    "signed": "2026-01-01",
    "terms": TERMS,
}
ORDER = {"by": "office", "note": "by Friday", "due": "2026-12-01", "evidence": "letter-1"}

DATA: dict[str, dict[str, Any]] = {
    "circulation.party.registered": {
        "name": "某数据公司",
        "roles": ["holder", "public-operator"],
        "controller": "group:g1",
        "industry": "I6510",
        "region": "110108",
        "ciio": False,
        "ftz": "BJ",
        "employees": 12,
    },
    "circulation.grant.issued": {
        "grant": "grant-1",
        "kind": "security-assessment",
        "assets": ["asset-1"],
        "purposes": ["credit"],
        "countries": ["SG"],
        "recipients": ["scheme:r"],
        "persons_max": 1,
        "sensitive_persons_max": 2,
        "uses_max": 3,
        "amount_max": "4.5",
        "valid_from": "2026-01-01",
        "valid_to": "2029-01-01",
        "document": "国数评〔2026〕1号",
    },
    "circulation.grant.revoked": {"grant": "grant-1", "reason": "expired"},
    "circulation.export.performed": {
        "export": "export-1",
        "recipient": "lei:R1",
        "country": "SG",
        "persons": 10,
        "sensitive_persons": 0,
        "level": "general",
        "asset": "asset-1",
        "contract": "contract-1",
        "delivery": "delivery-1",
        "grant": "grant-1",
        "exemption": "hr",
    },
    "circulation.incident.discovered": {"incident": "i-1", "kind": "leak", "grade": "major", "operator": "ciio"},
    "circulation.incident.reported": {"incident": "i-1"},
    "circulation.credit.determined": {
        "record": "record-1",
        "act": "breach",
        "tier": "general",
        "document_date": "2026-02-28",
        "finding": "f-1",
        "decided_by": "office",
    },
    "circulation.objection.filed": {"objection": "o-1", "record": "record-1", "grounds": "not us"},
    "circulation.objection.decided": {
        "objection": "o-1",
        "outcome": "corrected",
        "tier": "minor",
        "decided_by": "office",
    },
    "circulation.repair.applied": {"repair": "r-1", "record": "record-1", "evidence": ["letter-1"]},
    "circulation.repair.decided": {"repair": "r-1", "outcome": "granted", "decided_by": "office"},
    "circulation.merit.recorded": {"merit": "m-1", "act": "standard", "points": 5, "decided_by": "office"},
    SOURCE_HEARTBEAT: {},
    "circulation.asset.registered": {
        "title": "水文数据",
        "owner": SELLER,
        "rights": ["holding", "operating"],
        "certificate": "cert-1",
        "category": "water",
        "industry": "N",
        "level": "ungraded",
        "personal": "none",
        "fields": ["level", "flow"],
        "tags": ["open"],
        "persons": 0,
        "public": True,
        "zone": "z1",
        "element": "e-1",
        "source_unit": "bureau",
        "origin": "collected",
        "digest": "sha256:00",
        "update_days": 7,
    },
    "circulation.asset.graded": {
        "level": "important",
        "personal": "minor",
        "reason": "review",
        "approved_by": "office",
    },
    "circulation.asset.derived": {
        "inputs": [{"asset": "asset-0", "share": 0.5}, {"asset": "postgres://db/schema.t"}],
        "process": "aggregate",
        "irreversible": True,
        "evidence": "doc-1",
        "run": "run-1",
    },
    "circulation.asset.assessed": {
        "assessment": "as-1",
        "kind": "value",
        "result": "pass",
        "completeness": 1,
        "value": "100",
        "assessor": "bureau",
        "valid_to": "2027-01-01",
    },
    "circulation.product.listed": {
        "product": "product-1",
        "seller": SELLER,
        "price": {"mode": "guided", "amount": "9.99", "currency": "CNY", "ceiling": "10"},
        "delivery": ["api"],
        "purposes": ["credit"],
    },
    "circulation.product.delisted": {"product": "product-1", "reason": "old"},
    "circulation.request.refused": {"buyer": BUYER, "seller": SELLER, "reason": "no"},
    "circulation.asset.withdrawn": {"reason": "old"},
    "circulation.watermark.sighted": {"watermark": "w-1", "holder": "scheme:h", "place": "a forum"},
    "circulation.contract.signed": CONTRACT,
    "circulation.contract.amended": CONTRACT,
    "circulation.contract.terminated": {"reason": "breach"},
    "circulation.delivery.completed": {
        "delivery": "d-1",
        "mode": "file",
        "bytes": 2**53 - 1,
        "rows": 1,
        "persons": 2,
        "sensitive_persons": 3,
        "recipient": BUYER,
        "country": "CN",
        "region": "310000",
        "watermark": "w-1",
        "digest": "sha256:00",
    },
    "circulation.usage.reported": {
        "uses": 1,
        "bytes": 2,
        "rows": 3,
        "purpose": "credit/scoring",
        "actor": "team-7",
        "country": "CN",
        "region": "110108",
        "environment": "sandbox-1",
    },
    "circulation.usage.cancelled": {"usage": "u-1", "uses": 1},
    "circulation.settlement.paid": {
        "settlement": "s-1",
        "payer": BUYER,
        "payee": SELLER,
        "amount": "1",
        "currency": "CNY",
    },
    "circulation.deletion.proved": {"evidence": "letter-1"},
    EVENT_RETRACTED: {"event": "e-1", "type": "circulation.delivery.completed", "reason": "error"},
    "circulation.case.acknowledged": ORDER,
    "circulation.case.ordered": ORDER,
    "circulation.case.rectified": ORDER,
    "circulation.case.closed": ORDER,
    "circulation.case.reopened": ORDER,
    "circulation.rulepack.published": {"pack": "beijing", "version": "2"},
}

SUBJECTS = {PARTIES: SELLER, ASSETS: "asset-1", CONTRACTS: "contract-1", RULES: "beijing", ORDERS: "case-1"}


def topic_of(type_name: str) -> str:
    """Where the sample of a type lands."""
    return TYPES[type_name][0] or CONTRACTS


def sample(type_name: str, **changes: Any) -> dict[str, Any]:
    """A good event of a type; `changes` replace attributes."""
    subject = SOURCE if type_name == SOURCE_HEARTBEAT else SUBJECTS[topic_of(type_name)]
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": SOURCE,
        "type": type_name,
        "subject": subject,
        "time": "2026-11-23T11:00:00+08:00",
        "data": DATA[type_name],
    } | changes


# Commands that open a store that is there, and make none.
READING = (
    ("findings",),
    ("cases",),
    ("credit", "scheme:x"),
    ("trace", "asset"),
    ("impact", "asset"),
    ("party", "scheme:x"),
    ("outbox", "list"),
    ("queue", "list"),
    ("queue", "retry", "--all"),
    ("rules", "compare"),
    ("rules", "history"),
    ("feed", "list"),
    ("feed", "resume", "circulation.assets", "0", "--from", "earliest", "--by", "x", "--note", "y"),
)
