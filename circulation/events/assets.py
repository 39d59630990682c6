"""The data of what is said of assets: registrations, gradings, derivations, listings, and runs of OpenLineage."""

from typing import Literal

import msgspec

from circulation.calendar import Instant
from circulation.events.data import Data, Level, Personal
from circulation.identifiers import (
    AssetId,
    Count,
    Currency,
    DocumentId,
    Fraction,
    Identifier,
    Industry,
    Money,
    Party,
    Text,
)
from circulation.terms import DeliveryMode

Process = Literal["copy", "join", "aggregate", "model", "deidentify", "anonymise", "other"]
EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]


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
    """An input of a derivation, and the share of it that went in."""

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
    """The price of a product, for the contract or for each use. `ceiling` is the guided price's."""

    mode: Literal["preset", "negotiated", "per-use", "guided"]
    amount: Money
    currency: Currency = "CNY"
    ceiling: Money | None = None
    per: Literal["contract", "use"] | None = None


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


class ColumnInput(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A column of another dataset that a column was made of; `how` are the transformations, as they are named."""

    input: AssetId
    field: str = ""
    how: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of an OpenLineage event that a monitor keeps: of a run's, or of one about a job or a dataset (`kind`).

    Datasets are their ids (`circulation.openlineage.names`). By dataset are the contents of its facets. Of outputs:
    `listed` (its inputs by the `lineage` facet), `columns` and `whole` (column lineage: by column, and of the whole
    dataset), `fields` of its schema. Of any: `aliases` (symlinks), `renamed` (the names it had before), `changes` (what
    happened to it, as DROP), `owners`. `parent` and `parent_job` are of the run that started this one.
    """

    kind: Literal["run", "job", "dataset"] = "run"
    run: Identifier | None = None
    event_type: EventType | None = None
    inputs: tuple[AssetId, ...] = ()
    outputs: tuple[AssetId, ...] = ()
    listed: dict[str, tuple[str, ...]] = {}
    columns: dict[str, dict[str, tuple[ColumnInput, ...]]] = {}
    whole: dict[str, tuple[str, ...]] = {}
    fields: dict[str, tuple[str, ...]] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    renamed: dict[str, tuple[str, ...]] = {}
    changes: dict[str, tuple[str, ...]] = {}
    owners: dict[str, tuple[str, ...]] = {}
    streaming: bool = False
    parent: str | None = None
    parent_job: str | None = None
    job_namespace: Text = ""
    job_name: Text = ""

    @property
    def job(self) -> str:
        """The job as people name it."""
        return f"{self.job_namespace}/{self.job_name}"
