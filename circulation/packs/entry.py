"""One line of a negative list: its words, its condition, and the facts of an asset that it is held against."""

from enum import StrEnum
from typing import get_args

import msgspec

from circulation.events.parties import GrantKind

ACTIONS = ("list", "trade", "deliver", "export")
DISPOSITIONS = ("prohibit", "restrict")
LEVELS = ("general", "important", "core", "ungraded")
PERSONAL = ("none", "personal", "sensitive", "minor")

# Where the law behind an entry was seen: in the statute, in an excerpt, from memory, in the policy's own text.
PROVENANCE = {"L": "seen in statute", "S": "seen in excerpt", "M": "from memory, to verify", "P": "policy text"}
GRANT_KINDS: tuple[GrantKind, ...] = get_args(GrantKind)


class Verdict(StrEnum):
    """Whether an entry matches an asset. `UNKNOWN`: some fact that would decide it is not known."""

    NO = "no"
    UNKNOWN = "unknown"
    MATCH = "match"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The subject of matching: the facts of one asset as of one instant.

    `industry` is the asset's own, else its owner's; `controllers` are those of the owner, up the chain. `None` means
    not known, as does `level` "ungraded". Of an asset that is not registered only `id` counts.
    """

    id: str
    registered: bool
    owner: str | None = None
    controllers: tuple[str, ...] = ()
    category: str | None = None
    industry: str | None = None
    level: str = "ungraded"
    personal: str = "none"
    fields: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    public: bool = False
    persons: int | None = None

    def holders(self) -> tuple[str, ...]:
        """The owner, and who controls it; nobody where no owner is known."""
        return () if self.owner is None else (self.owner, *self.controllers)


class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The condition of an entry. `None` asks nothing; of a set one must fit; all members must hold.

    The order of a list means nothing, so two matches that differ only in it are equal. Texts are folded, and ids are in
    the form in which ids are compared (`circulation.texts`).
    """

    category: frozenset[str] | None = None
    industry: str | None = None
    level: frozenset[str] | None = None
    personal: frozenset[str] | None = None
    fields: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    public: bool | None = None
    persons_min: int | None = None
    assets: frozenset[str] | None = None
    parties: frozenset[str] | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the negative list, valid in [`valid_from`, `valid_to`) (µs).

    `unless` are the kinds of grant that satisfy a `restrict`. A `sticky` entry is inherited through irreversible
    derivations too. `provenance` tells where the law was seen (`PROVENANCE`), once for all of `legal_basis` or once
    for each; it changes no judgement.
    """

    id: str
    title: str
    disposition: str
    match: Match
    actions: frozenset[str]
    legal_basis: tuple[str, ...]
    valid_from: int
    valid_to: int | None = None
    unless: frozenset[str] = frozenset()
    sticky: bool = False
    provenance: tuple[str, ...] = ()

    def in_force(self, instant: int) -> bool:
        """Whether the entry itself is valid at the instant (its pack must be in force as well)."""
        return self.valid_from <= instant and (self.valid_to is None or instant < self.valid_to)

    def overlaps(self, entry: "Entry") -> bool:
        """Whether there is an instant at which both are valid."""
        return (entry.valid_to is None or self.valid_from < entry.valid_to) and (
            self.valid_to is None or entry.valid_from < self.valid_to
        )

    def screens_as(self, entry: "Entry") -> bool:
        """Whether both say the same of every act, so that nothing needs to be screened again."""
        return (
            self.match == entry.match
            and self.disposition == entry.disposition
            and self.actions == entry.actions
            and self.unless == entry.unless
            and self.sticky == entry.sticky
        )
