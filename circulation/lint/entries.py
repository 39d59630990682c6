"""Remarks on the entries of a negative list: those that never match, change nothing, or fit everything."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from circulation.calendar import format_instant
from circulation.lint.remarks import Remark
from circulation.packs.entry import LEVELS, PERSONAL, Entry, Match
from circulation.packs.pack import Pack

# GB/T 4754-2017: the first and the last division of each section.
DIVISIONS: Final[Mapping[str, tuple[int, int]]] = {
    "A": (1, 5),
    "B": (6, 12),
    "C": (13, 43),
    "D": (44, 46),
    "E": (47, 50),
    "F": (51, 52),
    "G": (53, 60),
    "H": (61, 62),
    "I": (63, 65),
    "J": (66, 69),
    "K": (70, 70),
    "L": (71, 72),
    "M": (73, 75),
    "N": (76, 79),
    "O": (80, 82),
    "P": (83, 83),
    "Q": (84, 85),
    "R": (86, 90),
    "S": (91, 96),
    "T": (97, 97),
}

# Globs of all entries of a pack.
GLOBS_TOGETHER_MAX: Final = 20_000


def entry_remarks(entry: Entry, path: str, pack: Pack) -> Iterator[Remark]:
    """Remarks on one entry by itself."""

    def error(kind: str, where: str, rule: str) -> Remark:
        return Remark("error", kind, path + where, f"{entry.id} {rule}")

    def warning(kind: str, where: str, rule: str) -> Remark:
        return Remark("warning", kind, path + where, f"{entry.id} {rule}")

    if entry.valid_to is not None and entry.valid_to <= pack.valid_from:
        until, since = format_instant(entry.valid_to), format_instant(pack.valid_from)
        yield error("never-valid", ".valid_to", f"ends at {until}, before its pack begins at {since}")
    if pack.valid_to is not None and pack.valid_to <= entry.valid_from:
        since, until = format_instant(entry.valid_from), format_instant(pack.valid_to)
        yield error("never-valid", ".valid_from", f"begins at {since}, when its pack has ended at {until}")
    match = entry.match
    if not (entry.provenance or _asks(match)):
        return
    if match.level == frozenset({"ungraded"}):
        yield error("never-matches", ".match.level", "asks for ungraded alone, which is unknown and never a match")
    elif match.level is not None and "ungraded" in match.level:
        yield warning("no-effect", ".match.level", "names ungraded, which is unknown and never a match")
    if match.persons_min and match.personal == frozenset({"none"}):
        rule = f"asks for {match.persons_min} persons in assets that are about none"
        yield error("never-matches", ".match.persons_min", rule)
    if match.persons_min == 0:
        rule = "is 0, which any number reaches: it only asks for the number to be known"
        yield warning("no-effect", ".match.persons_min", f"persons_min {rule}")
    for name, all_values in (("level", set(LEVELS) - {"ungraded"}), ("personal", set(PERSONAL))):
        if (getattr(match, name) or set()) >= all_values:
            yield warning("no-effect", f".match.{name}", f"names every {name} there is")
    if all(getattr(match, name) is None for name in match.__struct_fields__):
        yield warning("everything", ".match", "asks nothing and matches every asset")
    if match.industry is not None and not has_division(match.industry):
        rule = f"asks for industry {match.industry}, of which GB/T 4754-2017 has no division"
        yield warning("never-matches", ".match.industry", rule)
    if match.fields is not None and any(set(globs) == {"*"} for globs in match.fields):
        yield warning("everything", ".match.fields", "has a glob that fits every field")
    memory = [
        basis
        for basis, mark in zip(entry.legal_basis, entry.provenance * len(entry.legal_basis), strict=False)
        if mark == "M"
    ]
    if memory:
        yield warning("to-verify", ".provenance", f"rests on {', '.join(memory)} from memory: to be verified")


def _asks(match: Match) -> bool:
    """Whether it asks for more than ids, or for nothing at all: of that there may be something to say."""
    if match.assets is None and match.parties is None:
        return True
    return not (
        match.category is None
        and match.industry is None
        and match.level is None
        and match.personal is None
        and match.fields is None
        and match.tags is None
        and match.public is None
        and match.persons_min is None
    )


def twice_remarks(entries: Sequence[Entry]) -> Iterator[Remark]:
    """Entries that say what another says at the same time."""
    first: dict[tuple[Any, ...], Entry] = {}
    for index, entry in enumerate(entries):
        content = (entry.match, entry.disposition, entry.actions, entry.unless, entry.sticky)
        earlier = first.setdefault(content, entry)
        if earlier.id != entry.id and earlier.overlaps(entry):
            text = f"{entry.id} says what {earlier.id} says already, at the same time"
            yield Remark("warning", "no-effect", f"$.negative_list[{index}]", text)


def globs_remarks(entries: Sequence[Entry]) -> Iterator[Remark]:
    """Globs are held against all fields of every asset, so all of them together have a limit."""
    count = sum(len(entry.match.fields or ()) for entry in entries)
    if count > GLOBS_TOGETHER_MAX:
        text = (
            f"has {count:,} globs in `fields` of its entries together, at most {GLOBS_TOGETHER_MAX:,}: each is held"
            " against every field of every asset; join those that differ little"
        )
        yield Remark("error", "out-of-range", "$.negative_list", text)


def has_division(prefix: str) -> bool:
    """Whether there is a division that begins with the prefix, or that the prefix is a part of."""
    low, high = DIVISIONS[prefix[0]]
    digits = prefix[1:3]
    return any(f"{division:02}".startswith(digits) for division in range(low, high + 1))
