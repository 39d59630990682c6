"""The answer of looking through an asset: the document that `circulation trace --json` writes.

Everything is as of one instant. Nothing that is not known is left out in silence: an asset at an end says why nothing
lies beyond it (`end`), a run that did not complete is listed, and a limit that was reached is named (`cut_off`).
"""

from typing import Any, Literal, NamedTuple

import msgspec


class Limits(NamedTuple):
    """The limits of a trace: one that is reached is named in `cut_off`.

    Assets in each direction, derivations among them, contracts, exports and deliveries, runs, columns, assets that
    match an entry, paths to each of them (a match says itself that there are `more`), assets of which rights are told,
    and watermarks.
    """

    assets_max: int = 10_000
    derivations_max: int = 100_000
    contracts_max: int = 10_000
    acts_max: int = 50_000
    runs_max: int = 1_000
    columns_max: int = 10_000
    matches_max: int = 1_000
    paths_max: int = 100
    rights_max: int = 1_000
    marks_max: int = 1_000


LimitName = Literal[
    "assets_max",
    "derivations_max",
    "contracts_max",
    "acts_max",
    "runs_max",
    "columns_max",
    "matches_max",
    "rights_max",
    "marks_max",
]
Cut = Literal["ancestors", "descendants", "holders", "countries", "runs", "columns", "matches", "rights", "watermarks"]

# Why nothing is known of what an asset came from.
End = Literal["collected", "unstated", "unknown", "unregistered", "run-not-completed", "cut-off"]


class Asset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One asset that was reached.

    `distance`: steps from the asset that was asked for. `registered`: it was registered by then; of one that was not,
    `title` and the rest are as first stated later, or absent. `share` (ancestors only): what it is of the asset asked
    for, 0 … 1; `assumed`: some share on the way was not stated; `at_least`: not all paths were walked. `stopped`: on
    every way lies a derivation that nobody can turn back, where only sticky entries of a negative list are inherited.
    `withdrawn`: since when. `owners` are those that an OpenLineage facet names.

    `end`: nothing is known of what it was derived from, and why that is so: it was `collected` (or generated), as its
    registration says; its registration says nothing of its origin (`unstated`), or says that it was derived or acquired
    and nobody said from what (`unknown`); it was not registered by then (`unregistered`); a run that writes it has not
    completed (`run-not-completed`); or what lies beyond was not looked at (`cut-off`).
    """

    asset: str
    distance: int
    registered: bool
    title: str | None = None
    owner: str | None = None
    level: str | None = None
    personal: str | None = None
    public: bool = False
    withdrawn: str | None = None
    share: float | None = None
    assumed: bool = False
    at_least: bool = False
    stopped: bool = False
    end: End | None = None
    owners: list[str] = []


class Derivation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: `output` was derived from `input`, `since` the earliest statement of it.

    `share`: what the input is of the output, 0 … 1; `assumed`: not what was stated. `stops`: each statement of it is
    of an irreversible process, with evidence. `same`: two names of one thing.
    """

    output: str
    input: str
    since: str
    share: float
    assumed: bool = False
    stops: bool = False
    same: bool = False


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column came from another one, as an OpenLineage run says; `how` are its transformations, as they are named."""

    output: str
    column: str
    input: str
    input_column: str
    run: str
    how: list[str] = []


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An OpenLineage run that writes one of the assets: how far it has got, and since when (`time`).

    `derives`: since when its outputs are derived from what it reads; `interrupted`: it failed or was aborted all the
    same. What never derived anything has only `attempted` to, from these. `missing`: a derivation that was stated
    otherwise names the run, and nothing was ever heard of it.
    """

    run: str
    job: str | None = None
    state: Literal["completed", "interrupted", "failed", "aborted", "running", "missing"]
    time: str
    derives: str | None = None
    outputs: list[str]
    parent: str | None = None
    parent_job: str | None = None
    attempted: list[str] = []


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the negative list in force that matches an asset, or the one asked for (`distance` 0).

    By what the asset is and whose it is; an act may bring further parties. `inherited`: the asset that was asked for
    bears it too; it does not where every way to it is `stopped` and the entry is not sticky. `paths` lead from the
    asset that matches to the one asked for, the shortest first; `more`: there are further ones.
    """

    asset: str
    entry: str
    title: str
    disposition: str
    actions: list[str]
    distance: int
    inherited: bool
    sticky: bool = False
    paths: list[list[str]]
    more: bool = False


class Holder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party that holds some of the assets: `owner`, or `buyer` under contracts in force at the instant.

    `controllers`: its controller, that one's, and so on. `last`: under contracts in force nobody has it from them.
    """

    party: str
    holds: Literal["owner", "buyer"]
    assets: list[str]
    name: str | None = None
    contracts: list[str] = []
    controllers: list[str] = []
    last: bool = False


class Controller(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The head of a group whose `parties` take part, on one side.

    Of parties that control each other in a circle (`circle`) it is the smallest id.
    """

    party: str
    side: Literal["supply", "demand"]
    parties: list[str]
    name: str | None = None
    circle: list[str] = []


class Contract(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contract in force over one of the assets, and what was delivered under it by then."""

    contract: str
    asset: str
    seller: str
    buyer: str
    channel: str
    valid_from: str
    valid_to: str | None = None
    resale: bool = False
    derivation: bool = False
    deliveries: int = 0
    recipients: list[str] = []
    countries: list[str] = []


class Right(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One link of the chain of rights: by what a party may hold, process or operate an asset.

    Whose asset it is holds it; whose asset was made of it processes it; who lists or sells it operates it. `by` is the
    `registration` of the asset, where it is the owner's, or a `grant`; with state `missing` there is neither.
    """

    asset: str
    right: Literal["holding", "processing", "operating"]
    party: str
    state: Literal["valid", "not-yet", "expired", "revoked", "missing"]
    by: Literal["registration", "grant"] | None = None
    certificate: str | None = None
    grant: str | None = None
    kind: str | None = None
    document: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    revoked: str | None = None


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """A country to which some of the assets went: acts by then, the earliest and the latest of them."""

    country: str
    exports: int
    deliveries: int
    first: str
    last: str
    assets: list[str]


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A delivery that bore a watermark."""

    delivery: str
    contract: str
    recipient: str
    time: str
    country: str | None = None


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a watermark was seen.

    `permitted`: its holder received it, bought it, or bought it on under contracts that allow resale; absent where
    nobody delivered such a mark. `chain`: the contracts by which it may have come there, permitted or not; empty where
    it was delivered there, or where no contract leads there. `related`: recipients and buyers of the same group.
    """

    holder: str
    place: str
    time: str
    permitted: bool | None = None
    chain: list[str] = []
    related: list[str] = []


class Watermark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mark of one of the assets: to whom what bears it was delivered, and where it was seen."""

    watermark: str
    asset: str
    deliveries: list[Delivery] = []
    sightings: list[Sighting] = []


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that was reached: what lies beyond it is not shown. `name` is that of the limit."""

    name: LimitName
    maximum: int
    of: Cut


class Trace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The origins, descendants and circulation of one asset, as of an instant.

    `ancestors` and `descendants` are nearest first and without the asset itself; absent where they were not asked for.
    All else is of the asset and all that are listed. `known_at`: by what was known then, where that was asked for.
    """

    asset: Asset
    as_of: str
    known_at: str | None = None
    ancestors: list[Asset] | None = None
    descendants: list[Asset] | None = None
    derivations: list[Derivation]
    matches: list[Match] = []
    holders: list[Holder]
    controllers: list[Controller]
    contracts: list[Contract]
    rights: list[Right]
    countries: list[Country]
    watermarks: list[Watermark] = []
    columns: list[Column] = []
    runs: list[Run] = []
    cut_off: list[CutOff] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of a trace as it is written by `--json`."""
    return msgspec.json.schema(Trace)
