"""The terms of a contract (contract §3), and what they allow.

An absent limit does not limit; a list that is present allows only what it names.
"""

from collections.abc import Collection
from typing import Annotated, Final, Literal

import msgspec

from circulation.calendar import Instant
from circulation.identifiers import COUNT_MAX, Count, Country, Identifier, Region, Text

WINDOWS_MAX: Final = 64

DeliveryMode = Literal["file", "api", "model", "report", "verification", "sandbox", "private-computing", "encrypted"]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """At most `uses_max` uses in each tumbling window of `seconds`, aligned to the contract's `valid_from`."""

    uses_max: Count
    seconds: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A buyer's rights and limits, from `valid_from` on and before `valid_to`."""

    valid_from: Instant
    valid_to: Instant | None = None
    uses_max: Count | None = None
    windows: Annotated[tuple[Window, ...], msgspec.Meta(max_length=WINDOWS_MAX)] | None = None
    bytes_max: Count | None = None
    rows_max: Count | None = None
    persons_max: Count | None = None
    purposes: tuple[Text, ...] | None = None
    countries: tuple[Country, ...] | None = None
    regions: tuple[Region, ...] | None = None
    delivery: tuple[DeliveryMode, ...] | None = None
    recipients: tuple[Identifier, ...] | None = None
    environments: tuple[Text, ...] | None = None
    resale: bool = False
    derivation: bool = False
    quota_group: Identifier | None = None
    delete_within_days: Count | None = None
    report_within_days: Count | None = None
    pay_within_days: Count | None = None
    exclusive: bool = False

    def __post_init__(self) -> None:
        """Terms that are valid at no instant are a mistake, not a contract."""
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must be after valid_from")


def inside(terms: Terms, instant: int) -> bool:
    """Whether an instant lies in the validity: `valid_from` ≤ t < `valid_to`."""
    return terms.valid_from <= instant and (terms.valid_to is None or instant < terms.valid_to)


def spans(terms: Terms, first: int, last: int) -> bool:
    """Whether all instants from the first to the last lie in the validity."""
    return terms.valid_from <= first and (terms.valid_to is None or last < terms.valid_to)


def allows(allowed: Collection[str] | None, value: str) -> bool:
    """Whether a list that may be absent allows a value."""
    return allowed is None or value in allowed


def allows_purpose(purposes: Collection[str] | None, purpose: str) -> bool:
    """A purpose allows its sub-purposes: `credit` allows `credit/scoring`, but not `creditors`."""
    if purposes is None or purpose in purposes or purpose.partition("/")[0] in purposes:
        return True
    return "/" in purpose and any(purpose.startswith(f"{allowed}/") for allowed in purposes)


def allows_region(regions: Collection[str] | None, region: str) -> bool:
    """A GB/T 2260 region allows its sub-regions: 110000 and 110100 allow 110108."""
    if regions is None or region in regions:
        return True
    return any(region.startswith(_stem(allowed)) for allowed in regions)


def _stem(region: str) -> str:
    if region.endswith("0000"):
        return region[:2]
    return region[:4] if region.endswith("00") else region
