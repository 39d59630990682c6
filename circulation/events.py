"""What may be said: the type of every event that comes in, and the shape of its data (contract §2).

Everything a type's data may hold is a struct here; `read` turns JSON objects into them and says what is wrong.
Instants come as text and are microseconds once read. Members that no struct names are left out: a monitor keeps
what it judges by, never what it was not asked to look at.
"""

import datetime as dt
import functools
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson
from msgspec import inspect

from circulation.calendar import Instant, parse_instant, shown
from circulation.identifiers import (
    AssetId,
    Count,
    Country,
    Currency,
    DocumentId,
    Fault,
    Found,
    Fraction,
    Identifier,
    Industry,
    Money,
    Party,
    Region,
    Rule,
    Text,
)
from circulation.odrl import terms_of
from circulation.terms import DeliveryMode, Terms

PARTIES: Final = "circulation.parties"
ASSETS: Final = "circulation.assets"
CONTRACTS: Final = "circulation.contracts"
RULES: Final = "circulation.rules"
ORDERS: Final = "circulation.orders"
TOPICS: Final = (PARTIES, ASSETS, CONTRACTS, RULES, ORDERS)

USAGE_REPORTED: Final = "circulation.usage.reported"
USAGE_CANCELLED: Final = "circulation.usage.cancelled"
HEARTBEAT: Final = "circulation.source.heartbeat"
RETRACTED: Final = "circulation.event.retracted"
RULEPACK_PUBLISHED: Final = "circulation.rulepack.published"
OPENLINEAGE_RUN: Final = "openlineage.run"

# Uses are cancelled and not retracted, and a retraction stands.
NOT_RETRACTABLE: Final = frozenset({USAGE_REPORTED, USAGE_CANCELLED, RETRACTED})

REPORTERS: Final = ("exchange", "provider", "consumer")

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
Level = Literal["general", "important", "core", "ungraded"]
Personal = Literal["none", "personal", "sensitive", "minor"]
Exemption = Literal["contract", "hr", "emergency", "foreign-origin", "no-personal", "ftz"]
Tier = Literal["minor", "general", "serious"]
Process = Literal["copy", "join", "aggregate", "model", "deidentify", "anonymise", "other"]
EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The data of an event. What may be absent is None then, lists too."""


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


class AssetRegistered(Data, frozen=True, kw_only=True):
    title: Text
    owner: Party
    rights: tuple[Literal["holding", "processing", "operating"], ...]
    certificate: Identifier | None = None
    category: Text
    industry: Industry | None = None
    level: Level
    personal: Personal
    fields: tuple[Text, ...] | None = None
    tags: tuple[Text, ...] | None = None
    persons: Count | None = None
    public: bool | None = None
    zone: Text | None = None
    element: Text | None = None
    source_unit: Text | None = None
    origin: Literal["collected", "generated", "derived", "acquired"] | None = None
    digest: Text | None = None
    update_days: Count | None = None


class AssetGraded(Data, frozen=True, kw_only=True):
    level: Level
    personal: Personal
    reason: Text
    approved_by: Text | None = None


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """What an asset is derived from, and the share of it that went in."""

    asset: AssetId
    share: Fraction | None = None


class AssetDerived(Data, frozen=True, kw_only=True):
    inputs: tuple[Input, ...]
    process: Process
    irreversible: bool | None = None
    evidence: DocumentId | None = None
    run: Identifier | None = None


class AssetAssessed(Data, frozen=True, kw_only=True):
    assessment: Identifier
    kind: Literal["compliance", "quality", "value", "security"]
    result: Literal["pass", "fail"]
    completeness: Fraction | None = None
    value: Money | None = None
    assessor: Text
    valid_to: Instant | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a product is offered for. `ceiling` is the guided price's."""

    mode: Literal["preset", "negotiated", "per-use", "guided"]
    amount: Money
    currency: Currency = "CNY"
    ceiling: Money | None = None


class ProductListed(Data, frozen=True, kw_only=True):
    product: Identifier
    seller: Party
    price: Price | None = None
    delivery: tuple[DeliveryMode, ...]
    purposes: tuple[Text, ...] | None = None


class ProductDelisted(Data, frozen=True, kw_only=True):
    product: Identifier
    reason: Text


class RequestRefused(Data, frozen=True, kw_only=True):
    buyer: Party
    seller: Party
    reason: Text


class AssetWithdrawn(Data, frozen=True, kw_only=True):
    reason: Text


class WatermarkSighted(Data, frozen=True, kw_only=True):
    watermark: Identifier
    holder: Party
    place: Text


class ContractSigned(Data, frozen=True, kw_only=True):
    asset: AssetId
    product: Identifier | None = None
    seller: Party
    buyer: Party
    exchange: Party | None = None
    channel: Literal["on-exchange", "filed", "off-exchange"]
    amount: Money
    currency: Currency = "CNY"
    signed: Instant
    terms: Terms


class ContractAmended(ContractSigned, frozen=True, kw_only=True):
    """An amendment states the whole contract anew."""


class ContractTerminated(Data, frozen=True, kw_only=True):
    reason: Text


class DeliveryCompleted(Data, frozen=True, kw_only=True):
    delivery: Identifier
    mode: DeliveryMode
    bytes: Count
    rows: Count | None = None
    persons: Count | None = None
    sensitive_persons: Count | None = None
    recipient: Party
    country: Country | None = None
    region: Region | None = None
    watermark: Identifier | None = None
    digest: Text | None = None


class UsageReported(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The firehose. `forbid_unknown_fields`, so that the fast path of admission sees only what it checks."""

    uses: Count
    bytes: Count | None = None
    rows: Count | None = None
    purpose: Text
    actor: Identifier | None = None
    country: Country | None = None
    region: Region | None = None
    environment: Text | None = None


class UsageCancelled(Data, frozen=True, kw_only=True):
    usage: Identifier
    uses: Count


class SettlementPaid(Data, frozen=True, kw_only=True):
    settlement: Identifier
    payer: Party
    payee: Party
    amount: Money
    currency: Currency = "CNY"


class DeletionProved(Data, frozen=True, kw_only=True):
    evidence: Text


class Heartbeat(Data, frozen=True, kw_only=True):
    """Nothing but that the source is alive."""


class EventRetracted(Data, frozen=True, kw_only=True):
    """`event` and `type` are those of the event that is taken back."""

    event: Identifier
    type: Text
    reason: Text

    def __post_init__(self) -> None:
        """What is taken back must be of a type that exists and can be."""
        if self.type in NOT_RETRACTABLE:
            raise ValueError(f"{self.type} cannot be retracted")
        if self.type not in TYPES and self.type != OPENLINEAGE_RUN:
            raise ValueError(f"no event has the type {shown(self.type)}")


class CaseOrder(Data, frozen=True, kw_only=True):
    """What an official did to a case."""

    by: Text
    note: Text | None = None
    due: Instant | None = None
    evidence: Text | tuple[Text, ...] | None = None


class CaseAcknowledged(CaseOrder, frozen=True, kw_only=True): ...


class CaseOrdered(CaseOrder, frozen=True, kw_only=True): ...


class CaseRectified(CaseOrder, frozen=True, kw_only=True): ...


class CaseClosed(CaseOrder, frozen=True, kw_only=True): ...


class CaseReopened(CaseOrder, frozen=True, kw_only=True): ...


class Run(Data, frozen=True, kw_only=True):
    """What a monitor keeps of an OpenLineage RunEvent.

    Datasets are `namespace/name`. `columns` are the column-lineage facets by output, as they are. By dataset are what
    facets say of it: `aliases` (symlinks), `renamed` (the name it had before), `owners`, and `fields` of its schema.
    `parent` and `parent_job` are of the run that started this one.
    """

    run: Identifier
    event_type: EventType | None = None
    inputs: tuple[AssetId, ...] = ()
    outputs: tuple[AssetId, ...] = ()
    columns: dict[str, Any] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    renamed: dict[str, str] = {}
    owners: dict[str, tuple[str, ...]] = {}
    fields: dict[str, tuple[str, ...]] = {}
    parent: str | None = None
    parent_job: str | None = None
    job: Text


def _exactly_one(**members: object) -> None:
    if sum(value is not None for value in members.values()) != 1:
        raise ValueError(f"exactly one of {' and '.join(f'`{name}`' for name in members)}")


# A rule pack's data is an object here: circulation.rulepack knows what is in it.
TYPES: Final[dict[str, tuple[str | None, type[Data] | None]]] = {
    "circulation.party.registered": (PARTIES, PartyRegistered),
    "circulation.grant.issued": (PARTIES, GrantIssued),
    "circulation.grant.revoked": (PARTIES, GrantRevoked),
    "circulation.export.performed": (PARTIES, ExportPerformed),
    "circulation.incident.discovered": (PARTIES, IncidentDiscovered),
    "circulation.incident.reported": (PARTIES, IncidentReported),
    "circulation.credit.determined": (PARTIES, CreditDetermined),
    "circulation.objection.filed": (PARTIES, ObjectionFiled),
    "circulation.objection.decided": (PARTIES, ObjectionDecided),
    "circulation.repair.applied": (PARTIES, RepairApplied),
    "circulation.repair.decided": (PARTIES, RepairDecided),
    "circulation.merit.recorded": (PARTIES, MeritRecorded),
    HEARTBEAT: (PARTIES, Heartbeat),
    "circulation.asset.registered": (ASSETS, AssetRegistered),
    "circulation.asset.graded": (ASSETS, AssetGraded),
    "circulation.asset.derived": (ASSETS, AssetDerived),
    "circulation.asset.assessed": (ASSETS, AssetAssessed),
    "circulation.product.listed": (ASSETS, ProductListed),
    "circulation.product.delisted": (ASSETS, ProductDelisted),
    "circulation.request.refused": (ASSETS, RequestRefused),
    "circulation.asset.withdrawn": (ASSETS, AssetWithdrawn),
    "circulation.watermark.sighted": (ASSETS, WatermarkSighted),
    "circulation.contract.signed": (CONTRACTS, ContractSigned),
    "circulation.contract.amended": (CONTRACTS, ContractAmended),
    "circulation.contract.terminated": (CONTRACTS, ContractTerminated),
    "circulation.delivery.completed": (CONTRACTS, DeliveryCompleted),
    USAGE_REPORTED: (CONTRACTS, UsageReported),
    USAGE_CANCELLED: (CONTRACTS, UsageCancelled),
    "circulation.settlement.paid": (CONTRACTS, SettlementPaid),
    "circulation.deletion.proved": (CONTRACTS, DeletionProved),
    RETRACTED: (None, EventRetracted),
    "circulation.case.acknowledged": (ORDERS, CaseAcknowledged),
    "circulation.case.ordered": (ORDERS, CaseOrdered),
    "circulation.case.rectified": (ORDERS, CaseRectified),
    "circulation.case.closed": (ORDERS, CaseClosed),
    "circulation.case.reopened": (ORDERS, CaseReopened),
    RULEPACK_PUBLISHED: (RULES, None),
}


class Event(msgspec.Struct, gc=False):
    """One admitted event. `raw_data` is what a store keeps of `data` (empty for uses, which are only counted).

    `time` is an instant; `reporter` an index of `REPORTERS`; `source` and `id`, within `topic` and `subject`, are
    its identity.
    """

    topic: str
    type: str
    subject: str
    source: str
    id: str
    time: int
    sequence: int | None
    reporter: int
    data: Any
    raw_data: bytes = b""


class Reading(NamedTuple):
    """An event's data, read: the struct and the canonical JSON of it, or what is wrong.

    `identifier` is the first malformed identifier, wherever it stands; `fault` the first of all other faults.
    """

    data: Any
    raw: bytes
    identifier: Fault | None = None
    fault: Fault | None = None


def read(type_name: str, data: dict[str, Any]) -> Reading:
    """Read an event's data, as JSON gave it. Total: what is wrong is in the answer."""
    target = _target(type_name)
    if target is None:
        kept = _without_nulls(data)
        return Reading(kept, _canonical(kept))
    found = Found()
    if target in (ContractSigned, ContractAmended):
        data = _with_terms(data, found)
    kept = _walk(_plan(target), data, None, found)
    if found.identifier is not None or found.fault is not None:
        return Reading(None, b"", found.identifier, found.fault)
    try:
        read_data = msgspec.convert(kept, target, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        return Reading(None, b"", None, Fault("$.data" + path.removesuffix("`"), rule))
    return Reading(read_data, _canonical(kept))


def decode_data(type_name: str, raw: bytes) -> Any:
    """The data of an event from its `raw_data`; `msgspec.ValidationError` for what `read` never wrote."""
    return _decoder(type_name).decode(raw)


def _target(type_name: str) -> Any | None:
    return Run if type_name == OPENLINEAGE_RUN else TYPES[type_name][1]


@functools.cache
def _decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_target(type_name) or dict[str, Any], dec_hook=_dec_hook)


def _dec_hook(target: type, value: Any) -> Any:
    if target is Instant and isinstance(value, str):
        return Instant(parse_instant(value))
    raise ValueError(f"Expected `str`, got `{type(value).__name__}`")


def _canonical(kept: Any) -> bytes:
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _with_terms(contract: dict[str, Any], found: Found) -> dict[str, Any]:
    """A contract's data with `terms`, in whichever of the two forms they are stated. Only terms are kept: what is
    judged is what was admitted, also when the mapping learns more one day."""
    terms, policy = contract.get("terms") is not None, contract.get("policy") is not None
    if terms == policy:
        found.add("$.data", "exactly one of `terms` and `policy`")
    return contract if terms or not policy else contract | {"terms": terms_of(contract, found)}


class _Plan(NamedTuple):
    """How to walk over a value of some type: the rule for a text, and what to do with items or members."""

    rule: Rule | None = None
    item: "_Plan | None" = None
    members: "dict[str, _Plan] | None" = None


# A place in a value: the place that holds it, and the member or item there.
_Place = tuple[Any, str | int]


def _walk(plan: _Plan, value: Any, place: _Place | None, found: Found) -> Any:
    """The value without nulls and members that no struct names. msgspec stops at the first fault, and codes have an
    order, so malformed identifiers are looked for here, in all of the data. Types are left to msgspec."""
    if isinstance(value, str):
        if plan.rule is not None and (broken := plan.rule.check(value)) is not None:
            found.add(_path(place), f"{broken}, got {shown(value)}", identifies=plan.rule.identifies)
        return value
    if plan.members is not None and isinstance(value, dict):
        return {
            name: _walk(member, value[name], (place, name), found)
            for name, member in plan.members.items()
            if value.get(name) is not None
        }
    if plan.item is not None and isinstance(value, list):
        return [_walk(plan.item, item, (place, index), found) for index, item in enumerate(value)]
    return value


def _path(place: _Place | None) -> str:
    if place is None:
        return "$.data"
    before, step = place
    return f"{_path(before)}[{step}]" if isinstance(step, int) else f"{_path(before)}.{step}"


def _check_instant(text: str) -> str | None:
    try:
        parse_instant(text)
    except ValueError:
        return "Expected RFC 3339 with an offset, or a date"
    return None


_INSTANT: Final = _Plan(Rule(_check_instant, identifies=False))


@functools.cache
def _plan(struct: Any) -> _Plan:
    return _plan_of(inspect.type_info(struct))


def _plan_of(of: inspect.Type) -> _Plan:
    match of:
        case inspect.Metadata(type=inner, extra=extra):
            plan = _plan_of(inner)
            return plan._replace(rule=extra["rule"]) if extra else plan
        case inspect.UnionType(types=types):
            plans = [_plan_of(one) for one in types]
            return _Plan(
                next((plan.rule for plan in plans if plan.rule), None),
                next((plan.item for plan in plans if plan.item), None),
                next((plan.members for plan in plans if plan.members is not None), None),
            )
        case inspect.VarTupleType(item_type=item):
            return _Plan(item=_plan_of(item))
        case inspect.StructType(fields=fields):
            return _Plan(members={field.encode_name: _plan_of(field.type) for field in fields})
        case inspect.CustomType(cls=cls) if cls is Instant:
            return _INSTANT
    return _Plan()
