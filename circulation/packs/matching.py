"""Whether an entry matches an asset, and which of many entries are worth asking.

An entry answers with one of three values: what is not known must come out as a question to somebody, never as a pass.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from circulation.packs.entry import Entry, Match, Subject, Verdict
from circulation.packs.globs import globs_of
from circulation.texts import fold, fold_id

# Assets' facts of which it is remembered which entries they fit.
FITTING_KEPT_MAX = 10_000


class CompiledList:
    """A negative list that finds the few entries worth judging; 100,000 entries that name ids cost a look-up.

    `names_parties` says whether any entry does.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        # Entries are numbers, in the pack's order, under the ids that they name; those that name none are walked.
        self._entries = tuple(entries)
        self._generic: list[int] = []
        self._by_asset: dict[str, list[int]] = {}
        self._by_party: dict[str, list[int]] = {}
        # Many assets are alike, and few entries have to do with any of them.
        self._fitting: dict[Any, tuple[int, ...]] = {}
        for number, entry in enumerate(self._entries):
            if entry.match.assets is not None:
                for asset in entry.match.assets:
                    self._by_asset.setdefault(asset, []).append(number)
            elif entry.match.parties is not None:
                for party in entry.match.parties:
                    self._by_party.setdefault(party, []).append(number)
            else:
                self._generic.append(number)
        self.names_parties = any(entry.match.parties is not None for entry in self._entries)

    def candidates(
        self,
        action: str,
        at: int,
        asset_ids: Collection[str],
        party_ids: Collection[str],
        *,
        owner_unknown: bool,
        subjects: Iterable[Subject] | None = None,
    ) -> list[Entry]:
        """The entries in force at `at` (µs) that may match one of the assets, in the pack's order.

        `party_ids` are the parties of the act and the owners of the assets, and who controls them. With `owner_unknown`
        (an asset is not registered) every entry that names parties is one: whether it fits cannot be told. With
        `subjects`, the facts of all the assets, entries are left out that none of them fits.
        """
        generic = (
            self._generic if subjects is None else {number for subject in subjects for number in self.fit(subject)}
        )
        numbers = {*generic, *numbers_under(self._by_asset, asset_ids)}
        if owner_unknown:
            numbers.update(*self._by_party.values())
        else:
            numbers.update(numbers_under(self._by_party, party_ids))
        entries = map(self._entries.__getitem__, sorted(numbers))
        return [entry for entry in entries if action in entry.actions and entry.in_force(at)]

    def may_match(self, subject: Subject) -> bool:
        """Whether an entry may match these facts, where its owner is the only party of the act that is known.

        Entries that name assets are left out.
        """
        if self.fit(subject):
            return True
        if subject.registered:
            named: Iterable[int] = numbers_under(self._by_party, subject.holders())
        else:
            named = (number for numbers in self._by_party.values() for number in numbers)
        return any(judge_entry(self._entries[number], subject, ())[0] is not Verdict.NO for number in named)

    def matching(self, subject: Subject, parties: Collection[str]) -> Iterator[Entry]:
        """The entries that match an asset in an act of `parties`, whatever its action and its instant."""
        named = (
            numbers_under(self._by_asset, [subject.id]),
            numbers_under(self._by_party, {subject.owner or "", *parties}),
        )
        for number in sorted({*self.fit(subject), *named[0], *named[1]}):
            entry = self._entries[number]
            if judge_entry(entry, subject, parties)[0] is Verdict.MATCH:
                yield entry

    def fit(self, subject: Subject) -> tuple[int, ...]:
        """Of the entries that name no ids those that match these facts, or may."""
        facts = subject.registered and (
            subject.category,
            subject.industry,
            subject.level,
            subject.personal,
            subject.fields,
            subject.tags,
            subject.public,
            subject.persons,
        )
        fitting = self._fitting.get(facts)
        if fitting is None:
            if len(self._fitting) >= FITTING_KEPT_MAX:
                self._fitting.clear()
            judged = ((number, judge_entry(self._entries[number], subject, ())[0]) for number in self._generic)
            fitting = self._fitting[facts] = tuple(number for number, verdict in judged if verdict is not Verdict.NO)
        return fitting


def numbers_under(index: dict[str, list[int]], ids: Collection[str]) -> Iterator[int]:
    """The numbers under any of these ids."""
    if index:
        for id_ in ids:
            yield from index.get(fold_id(id_), ())


def named(listed: Collection[str], ids: Iterable[str]) -> list[str]:
    """Those of the ids that are listed, in the form in which ids are compared."""
    return [id_ for id_ in ids if fold_id(id_) in listed]


NO = (Verdict.NO, frozenset[str]())
MATCHED = (Verdict.MATCH, frozenset[str]())
_FACT_MEMBERS = ("category", "industry", "level", "personal", "fields", "tags", "public", "persons_min")


def judge_entry(entry: Entry, subject: Subject, parties: Collection[str]) -> tuple[Verdict, frozenset[str]]:
    """Whether an entry matches an asset in an act of `parties`, and the facts that are missing to tell.

    `parties` are the seller or exporter, buyer and recipient of the act, and who controls them, up the chain.
    A false member means no match, whatever else is unknown; otherwise an unknown fact means unknown (contract §2).
    The asset and the parties of the act are always known. A list that is empty is false: nothing fits it.
    """
    match = entry.match
    if match.assets is not None and fold_id(subject.id) not in match.assets:
        return NO
    if not subject.registered:
        return _judge_unregistered(match, parties)
    if match.parties is not None and not named(match.parties, (*subject.holders(), *parties)):
        return NO
    if match.category is not None and fold(subject.category or "") not in match.category:
        return NO
    if match.personal is not None and subject.personal not in match.personal:
        return NO
    if match.tags is not None and match.tags.isdisjoint(map(fold, subject.tags)):
        return NO
    if match.public is not None and subject.public is not match.public:
        return NO
    missing: set[str] = set()
    if match.industry is not None:
        if subject.industry is None:
            missing.add("industry")
        elif not subject.industry.startswith(match.industry):
            return NO
    if match.level is not None:
        if subject.level == "ungraded" and match.level:
            missing.add("level")
        elif subject.level not in match.level:
            return NO
    if match.persons_min is not None:
        if subject.persons is None:
            missing.add("persons")
        elif subject.persons < match.persons_min:
            return NO
    if match.fields is not None:
        globs = globs_of(match.fields)
        if not match.fields:
            return NO
        if subject.fields is None:
            missing.add("fields")
        elif not globs.fits_any(subject.fields):
            if not globs.resemble_any(subject.fields):
                return NO
            missing.add("fields")
    return (Verdict.UNKNOWN, frozenset(missing)) if missing else MATCHED


def _judge_unregistered(match: Match, parties: Collection[str]) -> tuple[Verdict, frozenset[str]]:
    missing: set[str] = set()
    for name in _FACT_MEMBERS:
        condition = getattr(match, name)
        if condition == frozenset():
            return NO
        if condition is not None:
            missing.add("persons" if name == "persons_min" else name)
    if match.parties is not None and not named(match.parties, parties):
        if not match.parties:
            return NO
        missing.add("owner")
    return (Verdict.UNKNOWN, frozenset(missing)) if missing else MATCHED
