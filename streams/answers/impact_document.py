"""The document that says what a step would reach: what `--json` writes."""

from typing import Any, Literal

import msgspec

Kind = Literal["asset", "entry", "grant"]


class Affected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An asset that is reached: one at which it begins (`distance` 0), or one that was derived from such.

    `path` leads there from where it begins. `stopped`: on every way lies a derivation that nobody can turn back, so
    that only a sticky entry would reach it. `below`: it would be graded below what it was made of.
    """

    asset: str
    distance: int
    path: list[str]
    title: str | None = None
    owner: str | None = None
    level: str | None = None
    personal: str | None = None
    stopped: bool = False
    below: bool = False


class Listing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A product that is listed; `satisfied`: the seller holds a grant that satisfies an entry that restricts."""

    product: str
    asset: str
    seller: str
    satisfied: bool = False


class Contract(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contract in force; `satisfied` as of a listing."""

    contract: str
    asset: str
    seller: str
    buyer: str
    valid_to: str | None = None
    satisfied: bool = False


class Concerned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party that is concerned: `owner`, `seller`, `buyer`, or holder of the grant; who controls it in the end."""

    party: str
    roles: list[str]
    controller: str
    name: str | None = None


class Impact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reach of a step as of an instant.

    `undecided` are assets in circulation of which the entry cannot tell whether it matches. `instead` are valid grants
    of the same kind that the holder has besides, of which each covers all assets that the grant covers; `exports` are
    those that name it. `cut_off` names the limits beyond which nothing was looked at.
    """

    kind: Kind
    id: str
    as_of: str
    title: str | None = None
    assets: list[Affected]
    listings: list[Listing]
    contracts: list[Contract]
    parties: list[Concerned]
    undecided: list[str] = []
    instead: list[str] = []
    exports: int = 0
    cut_off: list[str] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of an impact as it is written by `--json`."""
    return msgspec.json.schema(Impact)
