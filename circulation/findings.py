"""The answer of a rule, and the finding that comes of it.

A rule answers with `Said` values. The engine adds what the rule cannot know (pack, mode, revision, receivers) and
makes a finding of it. A finding's id is a digest, so saying the same thing twice is the same as saying it once.
"""

import hashlib
from typing import Any, Literal, NamedTuple

import msgspec

Severity = Literal["blue", "yellow", "orange", "red"]
SEVERITIES: tuple[Severity, ...] = ("blue", "yellow", "orange", "red")
# In which a pack runs a rule, from the mildest on.
MODES = ("off", "shadow", "warn", "enforce")

Kind = Literal["party", "asset", "contract", "market", "source"]


class About(NamedTuple):
    """The thing that a finding is about."""

    kind: Kind
    id: str


class Cause(NamedTuple):
    """The event that brought a finding about; absent where a deadline passed or a period ended."""

    source: str
    id: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a rule says.

    `occurred` is an instant (µs): the cause's `time`, or the deadline. `apart` tells several findings of one cause
    apart (entry, term, limit, window, band) and goes into the id. With `due`, it stands only once the clock is past
    that instant. `asset` gives the receivers of the finding. `summary` (English) and `summary_zh`
    (Chinese) are one sentence each, in which every number, id and instant is one of `evidence`, `about` or `party`.
    """

    severity: Severity
    about: About
    party: str | None
    occurred: int
    summary: str
    summary_zh: str
    evidence: dict[str, Any]
    cause: Cause | None = None
    apart: tuple[str, ...] = ()
    due: int | None = None
    asset: str | None = None


def finding_id(detector: str, about: About, cause: Cause | None, apart: tuple[str, ...]) -> str:
    """Digest (BLAKE2b, 128 bits, hex) of what makes a finding this one and no other."""
    return digest(detector, about.kind, about.id, *(cause or ("", "")), *apart)


def digest(*parts: str) -> str:
    """BLAKE2b of several texts, each with its length before it: 128 bits, hex."""
    framed = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
    return hashlib.blake2b(framed, digest_size=16).hexdigest()
