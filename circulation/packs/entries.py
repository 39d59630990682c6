"""Reads the entries of a negative list. Long lists name ids and say little else, so for these there is a short way."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from circulation.identifiers import COUNT_MAX, DATASET_LENGTH_MAX, ID_LENGTH_MAX, check_party
from circulation.packs.entry import ACTIONS, DISPOSITIONS, GRANT_KINDS, LEVELS, PERSONAL, PROVENANCE, Entry, Match
from circulation.packs.members import IDS_MAX, TEXT_CHARS_MAX, Members, instant_of
from circulation.packs.problems import type_name
from circulation.plain_yaml import brief
from circulation.texts import fold, fold_id

ENTRIES_MAX = 200_000

# How often what one id says may change within one pack.
VERSIONS_MAX = 100
GLOBS_MAX = 1_000
GLOB_CHARS_MAX = 256
_ENTRY_MEMBERS = frozenset(Entry.__struct_fields__)
_MATCH_MEMBERS = frozenset(Match.__struct_fields__)

# Of each list of a match: the characters of an item, the number of items, and what they may be.
_MATCH_LISTS: dict[str, tuple[int, int, tuple[str, ...] | None]] = {
    "category": (ID_LENGTH_MAX, IDS_MAX, None),
    "level": (ID_LENGTH_MAX, IDS_MAX, LEVELS),
    "personal": (ID_LENGTH_MAX, IDS_MAX, PERSONAL),
    "fields": (GLOB_CHARS_MAX, GLOBS_MAX, None),
    "tags": (ID_LENGTH_MAX, IDS_MAX, None),
    "assets": (DATASET_LENGTH_MAX, IDS_MAX, None),
    "parties": (ID_LENGTH_MAX, IDS_MAX, None),
}
# How the items of some of them are compared; those of the others are words of the contract.
_COMPARED: dict[str, Callable[[str], str]] = {
    "category": fold,
    "fields": fold,
    "tags": fold,
    "assets": fold_id,
    "parties": fold_id,
}
INDUSTRY_PREFIX = re.compile(r"[A-T][0-9]{0,4}")


@lru_cache(maxsize=4096)
def _shared(items: tuple[str, ...]) -> frozenset[str]:
    """One set for all entries that say the same: there are few combinations and many entries."""
    return frozenset(items)


class Entries(Members):
    """Reads the negative list of a pack."""

    def entries(self, data: dict[str, Any]) -> tuple[Entry, ...]:
        items = self.typed(data, "negative_list", self.root, list) or []
        if len(items) > ENTRIES_MAX:
            self.problem(f"{self.root}.negative_list", f"must have at most {ENTRIES_MAX} entries, got {len(items)}")
            return ()
        read: dict[int, Entry] = {}
        places: dict[str, list[int]] = {}
        for index, item in enumerate(items):
            path = f"{self.root}.negative_list[{index}]"
            if type(item) is not dict:
                self.problem(path, f"Expected `object`, got `{type_name(item)}`")
                continue
            entry = _plain_entry(item) or self.entry(item, path)
            earlier = places.setdefault(entry.id, [])
            first = next((at for at in earlier if read[at].overlaps(entry)), None)
            if entry.id and first is not None:
                rule = f"{brief(entry.id)} is already the id of negative_list[{first}], and their validity overlaps"
                self.problem(f"{path}.id", rule, "overlap")
            if len(earlier) == VERSIONS_MAX:
                self.problem(f"{path}.id", f"{brief(entry.id)} is the id of more than {VERSIONS_MAX} entries")
            if len(earlier) < VERSIONS_MAX:
                earlier.append(index)
            read[index] = entry
        return tuple(read.values())

    def entry(self, item: dict[str, Any], path: str) -> Entry:
        self.known_only(item, path, _ENTRY_MEMBERS)
        disposition = self.choice(item, "disposition", path, DISPOSITIONS)
        unless = self.texts(item, "unless", path, one_of=GRANT_KINDS) or []
        if unless and disposition == "prohibit":
            self.pointless(f"{path}.unless", "has no effect on a prohibit", "no-effect")
        start, end = self.validity(item, path)
        return Entry(
            id=self.text(item, "id", path, ID_LENGTH_MAX, required=True) or "",
            title=self.text(item, "title", path, TEXT_CHARS_MAX, required=True) or "",
            disposition=disposition or "",
            match=self.match(item, path),
            actions=_shared(tuple(self.texts(item, "actions", path, one_of=ACTIONS, required=True) or ())),
            legal_basis=tuple(
                self.texts(item, "legal_basis", path, chars_max=TEXT_CHARS_MAX, single=True, required=True) or ()
            ),
            valid_from=start,
            valid_to=end,
            unless=_shared(tuple(unless)),
            sticky=self.typed(item, "sticky", path, bool) or False,
            provenance=self.provenance(item, path),
        )

    def provenance(self, item: dict[str, Any], path: str) -> tuple[str, ...]:
        """Marks of `PROVENANCE`, one for all of the legal basis or one for each. The contract does not know them, so
        that in what was published a bad one is no reason to refuse the pack."""
        stated = item.get("provenance")
        if stated is None:
            return ()
        marks = stated if type(stated) is list else [stated]
        basis = item.get("legal_basis")
        if any(type(mark) is not str or mark not in PROVENANCE for mark in marks):
            rule = f"must be marks of {', '.join(PROVENANCE)}, got {brief(stated)}"
        elif len(marks) != 1 and len(marks) != (len(basis) if type(basis) is list else 1):
            rule = f"must be one mark, or one for each of legal_basis, got {brief(stated)}"
        else:
            return tuple(marks)
        self.pointless(f"{path}.provenance", rule)
        return ()

    def match(self, item: dict[str, Any], path: str) -> Match:
        conditions = self.typed(item, "match", path, dict, required=True)
        if conditions is None:
            return Match()
        path = f"{path}.match"
        self.known_only(conditions, path, _MATCH_MEMBERS)
        if conditions and _MATCH_MEMBERS.isdisjoint(conditions):
            # To ignore them all would leave an entry that matches everything.
            self.problem(path, "has no member that is known")
        industry = self.typed(conditions, "industry", path, str)
        if industry is not None and not INDUSTRY_PREFIX.fullmatch(industry):
            self.problem(
                f"{path}.industry", f"must be a letter A to T and up to four digits (GB/T 4754), got {brief(industry)}"
            )
        persons_min = self.typed(conditions, "persons_min", path, int)
        if persons_min is not None and not 0 <= persons_min <= COUNT_MAX:
            self.problem(f"{path}.persons_min", f"must be 0 to {COUNT_MAX}, got {brief(persons_min)}")
        lists = {
            name: values
            for name, (chars_max, items_max, one_of) in _MATCH_LISTS.items()
            if name in conditions
            and (values := self.texts(conditions, name, path, chars_max=chars_max, items_max=items_max, one_of=one_of))
            is not None
        }
        for name in lists:
            if not conditions[name]:
                self.pointless(f"{path}.{name}", "is empty, so nothing can fit it", "never-matches")
        for index, party in enumerate(lists.get("parties", ())):
            reason = check_party(party)
            if reason is not None:
                self.problem(f"{path}.parties[{index}]", f"{brief(party)} {reason}")
        return Match(
            industry=industry,
            public=self.typed(conditions, "public", path, bool),
            persons_min=persons_min,
            **{name: frozenset(map(_COMPARED.get(name, str), values)) for name, values in lists.items()},
        )


# Members that `_plain_entry` can read. Long lists of entries name ids and say little else.
_PLAIN_MEMBERS = frozenset({"id", "title", "disposition", "match", "actions", "legal_basis", "valid_from"})
_PLAIN_MATCHES = {"assets": DATASET_LENGTH_MAX, "parties": ID_LENGTH_MAX}


def _plain_entry(item: dict[str, Any]) -> Entry | None:
    """An entry that is good and names ids alone, as `Entries.entry` reads it; None where it may be anything else.

    Long lists consist of such entries: of 100,000 this is a second.
    """
    if not item.keys() >= _PLAIN_MEMBERS:
        return None
    id_, title, match, disposition = item["id"], item["title"], item["match"], item["disposition"]
    actions, basis, since = item["actions"], item["legal_basis"], item["valid_from"]
    if type(match) is not dict or len(match) != 1 or type(actions) is not list or type(since) is not str:
        return None
    ((kind, ids),) = match.items()
    chars_max = _PLAIN_MATCHES.get(kind)
    if chars_max is None or type(ids) is not list or not 1 <= len(ids) <= IDS_MAX:
        return None
    if type(basis) is not list:
        basis = [basis]
    start = instant_of(since)
    if (
        start is None
        or not actions
        or not basis
        or type(disposition) is not str
        or disposition not in DISPOSITIONS
        or not all(type(action) is str and action in ACTIONS for action in actions)
        or not _good_text(id_, ID_LENGTH_MAX)
        or not _good_text(title, TEXT_CHARS_MAX)
        or not all(_good_text(text, TEXT_CHARS_MAX) for text in basis)
        or not all(_good_text(name, chars_max) for name in ids)
        or (kind == "parties" and any(check_party(party) is not None for party in ids))
        or len(basis) > IDS_MAX
        or len(actions) > IDS_MAX
    ):
        return None
    compared = frozenset(map(fold_id, ids))
    more = _plain_more(item, start, len(basis)) if len(item) > len(_PLAIN_MEMBERS) else {}
    if more is None:
        return None
    return Entry(
        id=id_,
        title=title,
        disposition=disposition,
        match=Match(assets=compared) if kind == "assets" else Match(parties=compared),
        actions=_shared(tuple(actions)),
        legal_basis=tuple(basis),
        valid_from=start,
        **more,
    )


def _plain_more(item: dict[str, Any], start: int, basis_count: int) -> dict[str, Any] | None:
    """The further members of such an entry; None where they may be anything else."""
    members: dict[str, Any] = {}
    for name in item.keys() - _PLAIN_MEMBERS:
        value = item[name]
        match name:
            case "unless" if type(value) is list and 1 <= len(value) <= IDS_MAX and item["disposition"] == "restrict":
                if not all(type(kind) is str and kind in GRANT_KINDS for kind in value):
                    return None
                members[name] = _shared(tuple(value))
            case "sticky" if type(value) is bool:
                members[name] = value
            case "provenance" if type(value) is str or type(value) is list:
                marks = tuple(value) if type(value) is list else (value,)
                if len(marks) not in (1, basis_count) or not all(
                    type(mark) is str and mark in PROVENANCE for mark in marks
                ):
                    return None
                members[name] = marks
            case "valid_to" if type(value) is str and (end := instant_of(value)) is not None and end > start:
                members[name] = end
            case _:
                return None
    return members


def _good_text(value: object, chars_max: int) -> bool:
    return type(value) is str and 1 <= len(value) <= chars_max and value.isprintable()
