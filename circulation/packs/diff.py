"""Differences between two versions of a pack: as values, for a program, and in words, for those who approve it.

Two files differ in many ways that mean nothing: the order of a list, a parameter that is written out and is the
default. Compared are the effects of a pack. The entries that will be screened again come from the same `Packs`
by which the engine screens, so the answer cannot differ from what will happen.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from circulation.calendar import format_instant
from circulation.findings import MODES
from circulation.packs.entry import Entry
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack

# Of a list that lost and gained more members than that, only their number is told.
ITEMS_SHOWN_MAX: Final = 8
# Findings of a detector matter more the further right its mode stands.
_RANK: Final = {mode: at for at, mode in enumerate(MODES)}
_INSTANTS: Final = ("valid_from", "valid_to")
_MODES_IN_WORDS: Final = {
    "off": "it is not judged any more: what it found is cleared",
    "shadow": "it is judged and found, without cases, alerts or points",
    "warn": "what it finds makes cases, and costs no points",
    "enforce": "what it finds makes cases, and costs points",
}

Defaults = Mapping[str, Mapping[str, Any]]


class Change(NamedTuple):
    """One member that is another: its path within what it belongs to, and both values; None where it is absent.

    Values are as JSON has them, instants as text; the items of a list in which the order means nothing are sorted.
    """

    member: str
    old: Any
    new: Any


class Screened(NamedTuple):
    """An entry that what circulates is held against when it takes effect (µs), and why."""

    instant: int
    entry: str
    why: str


class Diff(NamedTuple):
    """Changes from one pack to another; a member that is empty is the same in both.

    `entries` and `detectors` are the changes of each that both have, by id; a detector that a pack does not name has
    the defaults. `screened` are the entries for which all that circulates is screened when the new pack takes effect.
    """

    old: Pack
    new: Pack
    header: list[Change]
    added: list[Entry]
    removed: list[Entry]
    entries: dict[str, list[Change]]
    detectors: dict[str, list[Change]]
    credit: list[Change]
    sectors: list[Change]
    sandbox: list[Change]
    screened: list[Screened]

    @property
    def same(self) -> bool:
        """Whether the new one does just what the old one does."""
        parts = (self.header, self.added, self.removed, self.entries, self.detectors, self.credit, self.sectors)
        return not any((*parts, self.sandbox))

    def document(self) -> dict[str, Any]:
        """As one JSON document."""
        return {
            "old": _named(self.old),
            "new": _named(self.new),
            "same": self.same,
            "header": _documents(self.header),
            "entries": {
                "added": [entry_document(entry) for entry in self.added],
                "removed": [entry_document(entry) for entry in self.removed],
                "changed": {id_: _documents(changes) for id_, changes in self.entries.items()},
            },
            "detectors": {id_: _documents(changes) for id_, changes in self.detectors.items()},
            "credit": _documents(self.credit),
            "sectors": _documents(self.sectors),
            "sandbox": _documents(self.sandbox),
            "screened": [
                {"instant": format_instant(screening.instant), "entry": screening.entry, "why": screening.why}
                for screening in self.screened
            ],
        }


def diff(old: Pack, new: Pack, defaults: Defaults) -> Diff:
    """Compares two packs. `defaults` are the parameters of all detectors, with the values they have by themselves."""
    before, after = _named_apart(old, new)
    entries = {
        name: _members(entry_document(before[name]), entry_document(entry))
        for name, entry in after.items()
        if name in before
    }
    ids = sorted({*defaults, *old.detectors, *new.detectors})
    detectors = {id_: _members(_setting(old, id_, defaults), _setting(new, id_, defaults)) for id_ in ids}
    return Diff(
        old=old,
        new=new,
        header=_members(_header(old), _header(new)),
        added=[entry for name, entry in after.items() if name not in before],
        removed=[entry for name, entry in before.items() if name not in after],
        entries={name: changes for name, changes in entries.items() if changes},
        detectors={id_: changes for id_, changes in detectors.items() if changes},
        credit=_members(_credit(old), _credit(new)),
        sectors=_members(_json(old.sectors), _json(new.sectors)),
        sandbox=_members({"sandbox": sorted(old.sandbox)}, {"sandbox": sorted(new.sandbox)}),
        screened=screened(old, new),
    )


def _named_apart(old: Pack, new: Pack) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The entries of both packs by id; those that say in turn what one id means also by their beginning."""
    turns = {
        id_ for pack in (old, new) for id_, count in Counter(e.id for e in pack.negative_list).items() if count > 1
    }
    before, after = (
        {
            f"{entry.id} from {format_instant(entry.valid_from)}" if entry.id in turns else entry.id: entry
            for entry in pack.negative_list
        }
        for pack in (old, new)
    )
    return before, after


def screened(old: Pack, new: Pack) -> list[Screened]:
    """The entries that take effect with the new pack, where the old one is in force before it.

    Left out is what would be screened by the old one all the same.
    """
    anyway = {(instant, entry.id): entry for instant, _, entry in Packs(old).screenings()}
    packs = Packs(old, [Published(new, 0, "", "")])
    effects = []
    for instant, pack, entry in packs.screenings():
        earlier = anyway.get((instant, entry.id))
        if pack is not new or (earlier is not None and earlier.screens_as(entry)):
            continue
        before = old.entry(entry.id, instant - 1)
        if entry.id not in old.entries:
            why = "it is new"
        elif before is None or instant > new.valid_from:
            why = "it takes effect"
        else:
            names = ("match", "disposition", "actions", "unless", "sticky")
            why = " and ".join(name for name in names if getattr(before, name) != getattr(entry, name)) + " differ"
        effects.append(Screened(instant, entry.id, why))
    return sorted(effects)


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry as a pack would write it, with its lists sorted and its instants as text."""
    plain: dict[str, Any] = _plain(msgspec.to_builtins(entry))
    plain["match"] = {name: value for name, value in plain["match"].items() if value is not None}
    for name in ("unless", "sticky", "valid_to", "provenance"):
        if plain[name] is None or plain[name] is False or plain[name] == []:
            del plain[name]
    return plain | {name: format_instant(plain[name]) for name in _INSTANTS if name in plain}


def _plain(value: Any) -> Any:
    """Lists sorted where they are sets; both are lists by now, and no list of an entry has an order that counts."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return sorted(value) if isinstance(value, list | tuple) else value


def _credit(pack: Pack) -> dict[str, Any]:
    """The members of `credit`; those of a decision are the detector's."""
    return _flat({name: value for name, value in msgspec.to_builtins(pack.credit).items() if name != "decisions"})


def _flat(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, Mapping):
            members |= _flat(member, f"{path}{name}.")
        else:
            members[path + name] = member
    return members


def _header(pack: Pack) -> dict[str, Any]:
    header = {"pack": pack.pack, "version": pack.version, "valid_from": format_instant(pack.valid_from)}
    if pack.valid_to is not None:
        header["valid_to"] = format_instant(pack.valid_to)
    return header | {"approved_by": sorted(pack.approved_by), "home": pack.home}


def _setting(pack: Pack, detector: str, defaults: Defaults) -> dict[str, Any]:
    setting = pack.setting(detector)
    parameters = {name: setting.parameters.get(name, default) for name, default in defaults.get(detector, {}).items()}
    return {"mode": setting.mode} | {name: _json(value) for name, value in parameters.items()}


def _json(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {name: _json(member) for name, member in value.items()}
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value


def _members(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[Change]:
    changes: list[Change] = []
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if name == "match" and isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += _members(before, after, "match.")
        elif before != after:
            changes.append(Change(path + name, before, after))
    return changes


def _documents(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [change._asdict() for change in changes]


def _named(pack: Pack) -> dict[str, Any]:
    return {"pack": pack.pack, "version": pack.version, "digest": pack.digest}


# In words.


def in_words(difference: Diff, effect: Callable[[str, str], str]) -> list[tuple[str, list[str]]]:
    """Headed lists of sentences. `effect(detector, parameter)` says what changing a parameter does."""
    return [(heading, lines) for heading, lines in _sections(difference, effect) if lines]


def _sections(difference: Diff, effect: Callable[[str, str], str]) -> Iterator[tuple[str, list[str]]]:
    yield "The pack", [_changed(change) for change in difference.header]
    yield "Entries that are new", [_entry(entry) for entry in difference.added]
    yield "Entries that are gone", [f"{entry.id} {entry.title}" for entry in difference.removed]
    yield (
        "Entries that change",
        [f"{id_}: {'; '.join(map(_changed, changes))}" for id_, changes in difference.entries.items()],
    )
    yield "Detectors", list(_detectors(difference, effect))
    yield "Credit", [_changed(change) for change in difference.credit]
    yield "Who is told, by industry", [_changed(change) for change in difference.sectors]
    yield "What a sandbox downgrades", [_changed(change) for change in difference.sandbox]
    yield "What will be done", list(_consequences(difference))


def _entry(entry: Entry) -> str:
    plain = entry_document(entry)
    conditions = " and ".join(f"{name} {_value(value)}" for name, value in plain["match"].items()) or "every asset"
    unless = f" unless {_value(plain['unless'])}" if "unless" in plain else ""
    sticky = ", through irreversible derivations too" if entry.sticky else ""
    until = f" until {plain['valid_to']}" if "valid_to" in plain else ""
    return (
        f"{entry.id} {entry.title}: {entry.disposition} {_value(plain['actions'])} of {conditions}{unless}{sticky},"
        f" from {plain['valid_from']}{until}"
    )


def _detectors(difference: Diff, effect: Callable[[str, str], str]) -> Iterator[str]:
    for id_, changes in difference.detectors.items():
        for change in changes:
            if change.member == "mode":
                yield f"{id_}: {change.old} → {change.new}; {_MODES_IN_WORDS[change.new]}"
            else:
                yield f"{id_}: {_changed(change)} ({effect(id_, change.member)})"


def _consequences(difference: Diff) -> Iterator[str]:
    new = difference.new
    if difference.same:
        return
    until = "" if new.valid_to is None else f" and before {format_instant(new.valid_to)}"
    yield (
        f"Acts with a time from {format_instant(new.valid_from)} on{until} are judged by it, also those that came"
        " already; uses that came already are not, for they are counted and not kept."
    )
    for instant in sorted({screening.instant for screening in difference.screened}):
        screenings = [screening for screening in difference.screened if screening.instant == instant]
        shown = ", ".join(f"{screening.entry} ({screening.why})" for screening in screenings[:ITEMS_SHOWN_MAX])
        more = f", and {len(screenings) - ITEMS_SHOWN_MAX} more" if len(screenings) > ITEMS_SHOWN_MAX else ""
        yield f"At {format_instant(instant)} all that is listed or under contract is screened again: {shown}{more}."
    if not difference.screened:
        yield "Nothing is screened again: no entry is new or matches otherwise."
    milder = [
        id_
        for id_, changes in difference.detectors.items()
        for change in changes
        if change.member == "mode" and _RANK[change.new] < _RANK[change.old]
    ]
    if milder:
        yield f"What these found from then on weighs less, and is stated anew: {', '.join(milder)}."


def _changed(change: Change) -> str:
    if isinstance(change.old, list) and isinstance(change.new, list):
        old, new = _index(change.old), _index(change.new)
        gained = [item for item in change.new if item not in old]
        lost = [item for item in change.old if item not in new]
        words = [f"{verb} {_value(items)}" for verb, items in (("gains", gained), ("loses", lost)) if items]
        return f"{change.member} {' and '.join(words) or 'is in another order'}"
    if change.old is None:
        return f"{change.member} is new: {_value(change.new)}"
    if change.new is None:
        return f"{change.member} is gone: it was {_value(change.old)}"
    return f"{change.member} {_value(change.old)} → {_value(change.new)}"


def _index(items: Sequence[Any]) -> Collection[Any]:
    """The items to look up in: there may be 100,000 ids."""
    try:
        return frozenset(items)
    except TypeError:
        return items


def _value(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(map(_value, value[:ITEMS_SHOWN_MAX]))
        return f"{shown} and {len(value) - ITEMS_SHOWN_MAX:,} more" if len(value) > ITEMS_SHOWN_MAX else shown or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {_value(member)}" for name, member in value.items()) + ")"
    return str(value)
