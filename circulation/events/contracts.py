"""The data of what is said of contracts: signings, deliveries, uses, settlements."""

from typing import Literal

from circulation.calendar import Instant
from circulation.events.data import Data
from circulation.identifiers import AssetId, Count, Country, Currency, Identifier, Money, Party, Region, Text
from circulation.terms import DeliveryMode, Terms


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
