"""Rule packs: what a pack says, which one is in force at an instant, and whether an entry matches an asset.

A pack is data that two officials approve, so everything wrong with it is told at once, each with its place. An entry
of the negative list answers with one of three values: what is not known must come out as a question to somebody, never
as a pass. Everything here is pure; bytes and instants are arguments.
"""

import fnmatch
import hashlib
import heapq
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson
import yaml

from circulation import credit
from circulation.calendar import parse_instant
from circulation.identifiers import COUNT_MAX, DATASET_LENGTH_MAX, ID_LENGTH_MAX, check_party
from circulation.near import hint

YAML_BYTES_MAX = 64 * 1024 * 1024
YAML_NODES_MAX = 8_000_000
NESTING_MAX = 64
ENTRIES_MAX = 200_000
# How often what one id says may change within one pack.
VERSIONS_MAX = 100
IDS_MAX = 200_000
GLOBS_MAX = 1_000
GLOB_CHARS_MAX = 256
TEXT_CHARS_MAX = 4_000
PROBLEMS_MAX = 1_000
PROBLEMS_SHOWN_MAX = 20

ACTIONS = ("list", "trade", "deliver", "export")
DISPOSITIONS = ("prohibit", "restrict")
LEVELS = ("general", "important", "core", "ungraded")
PERSONAL = ("none", "personal", "sensitive", "minor")
MODES = ("off", "shadow", "warn", "enforce")
# Where the law behind an entry was seen: in the statute, in an excerpt, from memory, in the policy's own text.
PROVENANCE = {"L": "seen in statute", "S": "seen in excerpt", "M": "from memory, to verify", "P": "policy text"}
GRANT_KINDS = (
    "holding-right",
    "processing-right",
    "operating-right",
    "public-operation",
    "consent",
    "guardian-consent",
    "security-assessment",
    "standard-contract",
    "certification",
    "risk-assessment",
    "impact-assessment",
    "algorithm-review",
    "sandbox",
)
DETECTORS = frozenset(
    {
        "abnormal-price",
        "authorisation-scope",
        "barred-party",
        "black-market",
        "broken-provenance",
        "bulk-extraction",
        "certificate-invalid",
        "concentration",
        "consent-missing",
        "credit-clock",
        "deletion-overdue",
        "detector-error",
        "differential-price",
        "dominance",
        "duplicate-registration",
        "exclusive-dealing",
        "export-assessment-missing",
        "export-beyond-approval",
        "export-contract-missing",
        "export-exemption-misuse",
        "export-ftz-ineligible",
        "export-important-data",
        "export-splitting",
        "feed-gap",
        "feed-lost",
        "feed-silence",
        "grade-laundering",
        "grading-overdue",
        "guided-price",
        "incident-late",
        "negative-list",
        "off-exchange-public",
        "one-source",
        "onward-transfer",
        "outside-terms",
        "paper-trade",
        "payment-overdue",
        "person-volume",
        "purpose-drift",
        "quality",
        "raw-public-data",
        "reciprocal-trade",
        "reconciliation",
        "related-party-trade",
        "report-overdue",
        "review-missing",
        "right-missing",
        "ring-trade",
        "sandbox-cap",
        "unknown-contract",
        "unverified-trade",
        "usage-limit",
        "use-after-end",
    }
)

# What no sandbox holds back: tallies, what is about no party's act, and the rule that watches sandboxes.
NEVER_TRIED = frozenset(
    {
        "bulk-extraction",
        "concentration",
        "dominance",
        "feed-gap",
        "feed-lost",
        "feed-silence",
        "purpose-drift",
        "sandbox-cap",
        "usage-limit",
    }
)

Parameters = Mapping[str, Any]


# Assets' facts of which it is remembered which entries they fit.
FITTING_KEPT_MAX = 10_000


class Problem(NamedTuple):
    """Something wrong with a pack: where, the rule broken, which names the value, and the kind of rule."""

    path: str
    rule: str
    kind: str = "invalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


class PackInvalid(ValueError):
    """A pack that cannot take effect. `problems` are all of them in words, `found` those that have a path."""

    def __init__(self, problems: Iterable[str | Problem]) -> None:
        given = list(problems)
        self.found = tuple(one for one in given if isinstance(one, Problem))
        self.problems = [str(one) for one in given]
        shown = self.problems[:PROBLEMS_SHOWN_MAX]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more")
        super().__init__("; ".join(shown))


class Verdict(StrEnum):
    """Whether an entry matches an asset. `UNKNOWN`: some fact that would decide it is not known."""

    NO = "no"
    UNKNOWN = "unknown"
    MATCH = "match"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry is held against: the facts of one asset as of one instant.

    `industry` is the asset's own, else its owner's. `None` means not known, as does `level` "ungraded". Of an asset
    that is not registered only `id` counts.
    """

    id: str
    registered: bool
    owner: str | None = None
    category: str | None = None
    industry: str | None = None
    level: str = "ungraded"
    personal: str = "none"
    fields: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    public: bool = False
    persons: int | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The condition of an entry. `None` asks nothing; of a set one must fit; all members must hold.

    The order of a list means nothing, so two matches that differ only in it are equal.
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

    def overlaps(self, other: "Entry") -> bool:
        """Whether there is an instant at which both are valid."""
        return (other.valid_to is None or self.valid_from < other.valid_to) and (
            self.valid_to is None or other.valid_from < self.valid_to
        )

    def screens_as(self, other: "Entry") -> bool:
        """Whether both say the same of every act, so that nothing needs to be screened again."""
        return (
            self.match == other.match
            and self.disposition == other.disposition
            and self.actions == other.actions
            and self.unless == other.unless
            and self.sticky == other.sticky
        )


class DetectorSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack says of one detector; parameters that it does not name keep the rule's defaults."""

    mode: str = "enforce"
    parameters: dict[str, Any] = {}


DEFAULT_SETTING = DetectorSetting()


class Pack(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of a pack, valid in [`valid_from`, `valid_to`) (µs).

    `canonical` is its data as JSON with sorted keys and without nulls, and `digest` the SHA-256 of that: a YAML file
    and the same pack published have the same digest. `ignored` are the paths of members that mean nothing here.
    """

    pack: str
    version: str
    valid_from: int
    valid_to: int | None
    approved_by: tuple[str, ...]
    negative_list: tuple[Entry, ...]
    detectors: dict[str, DetectorSetting]
    credit: credit.Settings
    sectors: dict[str, tuple[str, ...]]
    sandbox: tuple[str, ...]
    digest: str
    canonical: bytes
    ignored: tuple[str, ...] = ()

    def setting(self, detector: str) -> DetectorSetting:
        """Mode and parameters of a detector; of one that is not named `enforce` and no parameters."""
        return self.detectors.get(detector, DEFAULT_SETTING)

    def receivers(self, industry: str | None) -> tuple[str, ...]:
        """Who is told of findings in an industry: those of the longest prefix that the pack names."""
        industry = industry or ""
        for length in range(len(industry), 0, -1):
            found = self.sectors.get(industry[:length])
            if found is not None:
                return found
        return ()

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The entries by id; of those that say in turn what one id means, the last."""
        return {id_: some[-1] for id_, some in self._turns.items()}

    def entry(self, id_: str, instant: int) -> Entry | None:
        """The entry of this id that is valid at the instant (µs)."""
        return next((one for one in self._turns.get(id_, ()) if one.in_force(instant)), None)

    @cached_property
    def _turns(self) -> dict[str, tuple[Entry, ...]]:
        """The entries of each id in the order of time: what an id says may change, and one is in force at a time."""
        found: dict[str, tuple[Entry, ...]] = {}
        for entry in self.negative_list:
            found[entry.id] = (*found.get(entry.id, ()), entry)
        return {id_: some if len(some) == 1 else tuple(sorted(some, key=_begin)) for id_, some in found.items()}

    @cached_property
    def compiled(self) -> "CompiledList":
        """The negative list, indexed; made when first asked for."""
        return CompiledList(self.negative_list)


def _begin(entry: Entry) -> int:
    return entry.valid_from


class CompiledList:
    """A negative list that finds the few entries worth judging; 100,000 entries that name ids cost a look-up."""

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

        `party_ids` are the parties of the act and the owners of the assets. With `owner_unknown` (an asset is not
        registered) every entry that names parties is one: whether it fits cannot be told. With `subjects`, the facts
        of all the assets, entries are left out that none of them fits.
        """
        generic = self._generic if subjects is None else {one for each in subjects for one in self.fit(each)}
        numbers = {*generic, *_looked_up(self._by_asset, asset_ids)}
        if owner_unknown:
            numbers.update(*self._by_party.values())
        else:
            numbers.update(_looked_up(self._by_party, party_ids))
        entries = map(self._entries.__getitem__, sorted(numbers))
        return [entry for entry in entries if action in entry.actions and entry.in_force(at)]

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
        found = self._fitting.get(facts)
        if found is None:
            if len(self._fitting) >= FITTING_KEPT_MAX:
                self._fitting.clear()
            judged = ((one, judge_entry(self._entries[one], subject, ())[0]) for one in self._generic)
            found = self._fitting[facts] = tuple(one for one, verdict in judged if verdict is not Verdict.NO)
        return found


def _looked_up(index: dict[str, list[int]], ids: Collection[str]) -> Iterator[int]:
    if index:
        for one in ids:
            yield from index.get(one, ())


NO = (Verdict.NO, frozenset[str]())
MATCHED = (Verdict.MATCH, frozenset[str]())
_FACT_MEMBERS = ("category", "industry", "level", "personal", "fields", "tags", "public", "persons_min")


def judge_entry(entry: Entry, subject: Subject, parties: Collection[str]) -> tuple[Verdict, frozenset[str]]:
    """Whether an entry matches an asset in an act of `parties`, and the facts that are missing to tell.

    A false member means no match, whatever else is unknown; otherwise an unknown fact means unknown (contract §2).
    Which asset it is, and who takes part in the act, is always known. A list that is empty is false: nothing fits it.
    """
    match = entry.match
    if match.assets is not None and subject.id not in match.assets:
        return NO
    if not subject.registered:
        return _judge_unregistered(match, parties)
    if match.parties is not None and subject.owner not in match.parties and match.parties.isdisjoint(parties):
        return NO
    if match.category is not None and subject.category not in match.category:
        return NO
    if match.personal is not None and subject.personal not in match.personal:
        return NO
    if match.tags is not None and match.tags.isdisjoint(subject.tags):
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
        if subject.fields is None and match.fields:
            missing.add("fields")
        elif not match.fields or not any(map(_field_pattern(match.fields).fullmatch, subject.fields or ())):
            return NO
    return (Verdict.UNKNOWN, frozenset(missing)) if missing else MATCHED


def _judge_unregistered(match: Match, parties: Collection[str]) -> tuple[Verdict, frozenset[str]]:
    missing: set[str] = set()
    for name in _FACT_MEMBERS:
        asked = getattr(match, name)
        if asked == frozenset():
            return NO
        if asked is not None:
            missing.add("persons" if name == "persons_min" else name)
    if match.parties is not None and match.parties.isdisjoint(parties):
        if not match.parties:
            return NO
        missing.add("owner")
    return (Verdict.UNKNOWN, frozenset(missing)) if missing else MATCHED


@lru_cache(maxsize=8192)
def _field_pattern(globs: frozenset[str]) -> re.Pattern[str]:
    """All globs as one expression; made when first asked for, since most entries name ids."""
    # fnmatch writes atomic groups, so no glob makes the time explode.
    return re.compile("|".join(map(fnmatch.translate, sorted(globs))), re.IGNORECASE)


class Published(NamedTuple):
    """A version of a pack and the event that published it."""

    pack: Pack
    time: int
    source: str
    id: str


class Span(NamedTuple):
    """One pack in force in [`start`, `end`) (µs); `None` is the beginning, or open."""

    pack: Pack
    start: int | None
    end: int | None


class Screening(NamedTuple):
    """An entry that takes effect at an instant: what is listed or under contract then is screened."""

    instant: int
    pack: Pack
    entry: Entry


class Screens:
    """Which entries take effect when, found by what they name: few of them concern one asset.

    At an instant of `instants` those of `entries(instant)` take effect, all of the pack in force.
    """

    def __init__(self, screenings: Iterable[Screening]) -> None:
        self._entries: dict[int, dict[str, Entry]] = {}
        self._generic: set[int] = set()
        self._by_asset: dict[str, list[int]] = {}
        self._by_party: dict[str, list[int]] = {}
        for instant, _, entry in screenings:
            self._entries.setdefault(instant, {})[entry.id] = entry
            if entry.match.assets is not None:
                for asset in entry.match.assets:
                    self._by_asset.setdefault(asset, []).append(instant)
            elif entry.match.parties is not None:
                for party in entry.match.parties:
                    self._by_party.setdefault(party, []).append(instant)
            else:
                self._generic.add(instant)
        self.instants = sorted(self._entries)

    def between(self, since: int, until: int) -> Sequence[int]:
        """The instants in [`since`, `until`) (µs) at which an entry takes effect."""
        return self.instants[bisect_left(self.instants, since) : bisect_left(self.instants, until)]

    def entries(self, instant: int) -> Mapping[str, Entry]:
        """The entries that take effect at the instant, by id."""
        return self._entries.get(instant, {})

    def concerning(
        self, since: int, until: int, assets: Collection[str], parties: Collection[str], *, owner_unknown: bool
    ) -> list[int]:
        """The instants in [`since`, `until`) (µs) at which an entry takes effect that may match one of the assets.

        What is asked of `parties` and `owner_unknown` is as in `CompiledList.candidates`.
        """
        found = {*self._generic, *_looked_up(self._by_asset, assets)}
        if owner_unknown:
            found.update(*self._by_party.values())
        else:
            found.update(_looked_up(self._by_party, parties))
        return sorted(instant for instant in found if since <= instant < until)


class Packs:
    """The versions of one pack over time.

    In force at an instant is the published version with `valid_from` ≤ it < `valid_to` and the latest `valid_from`
    (of equal ones the later published by `time`, `source`, `id`); where there is none, `default`.
    """

    def __init__(self, default: Pack, published: Iterable[Published] = ()) -> None:
        self.default = default
        self.published = tuple(sorted(published, key=lambda one: (one.pack.valid_from, one.time, one.source, one.id)))
        self._spans = _spans(default, [one.pack for one in self.published])
        self._starts = [span.start for span in self._spans[1:] if span.start is not None]

    @cached_property
    def screens(self) -> Screens:
        """What `screenings` answers with, indexed; made when first asked for."""
        return Screens(self.screenings())

    @classmethod
    def always(cls, pack: Pack) -> "Packs":
        """One pack from the beginning and for ever, whatever its validity says: `--rules`."""
        return cls(pack)

    def in_force(self, instant: int) -> Pack:
        """The pack by which an act of this instant (µs) is judged."""
        return self._spans[bisect_right(self._starts, instant)].pack

    def unchanged(self, first: int, last: int) -> bool:
        """Whether one pack is in force from the first instant to the last, without another in between."""
        return bisect_right(self._starts, first) == bisect_right(self._starts, last)

    def spans(self) -> tuple[Span, ...]:
        """All packs that are ever in force, in the order of time, without gaps."""
        return self._spans

    def lasting(self, since: int) -> list[Pack]:
        """All packs that are valid at an instant from `since` (µs) on, whichever of them is in force."""
        published = (one.pack for one in self.published)
        return [self.default, *(pack for pack in published if pack.valid_to is None or pack.valid_to > since)]

    def screenings(self) -> Iterator[Screening]:
        """Every entry that takes effect, with its instant: the later of its own and its pack's `valid_from`.

        Left out is what was in force just before and said the same. `default` has no `valid_from` of its own here.
        """
        before: Pack | None = None
        for span in self._spans:
            since = None if span.pack is self.default else span.pack.valid_from
            for entry in span.pack.negative_list:
                instant = entry.valid_from if since is None else max(entry.valid_from, since)
                if not entry.in_force(instant) or (span.end is not None and instant >= span.end):
                    continue
                if span.start is not None and instant < span.start:
                    continue
                earlier = before if instant == span.start else span.pack
                same = None if earlier is None else earlier.entry(entry.id, instant - 1)
                if same is not None and same.screens_as(entry):
                    continue
                yield Screening(instant, span.pack, entry)
            before = span.pack


def _spans(default: Pack, packs: list[Pack]) -> tuple[Span, ...]:
    """`packs` in the order of rank: of those valid at an instant the last one is in force."""
    instants = sorted({pack.valid_from for pack in packs} | {p.valid_to for p in packs if p.valid_to is not None})
    changes: list[tuple[int | None, Pack]] = [(None, default)]
    valid: list[tuple[int, Pack]] = []
    coming = 0
    for instant in instants:
        while coming < len(packs) and packs[coming].valid_from <= instant:
            heapq.heappush(valid, (-coming, packs[coming]))
            coming += 1
        while valid and (until := valid[0][1].valid_to) is not None and until <= instant:
            heapq.heappop(valid)
        now = valid[0][1] if valid else default
        if now is not changes[-1][1]:
            changes.append((instant, now))
    ends = [start for start, _ in changes[1:]] + [None]
    return tuple(Span(pack, start, end) for (start, pack), end in zip(changes, ends, strict=True))


def parse_pack(
    data: object,
    *,
    published: bool,
    known: Mapping[str, Collection[str]] | None = None,
    strict: bool | None = None,
) -> Pack:
    """A pack from its data: of a `circulation.rulepack.published` event, or of a YAML file.

    `known` gives the parameters of each detector; a mapping from their names to their defaults also has the types of
    values checked. `strict` (by default for all that is not published) refuses members and parameters that mean
    nothing, and what can never have an effect; otherwise they are ignored (contract §1) and listed in `ignored`.

    Absent `negative_list`, `detectors`, `credit`, `sectors` are empty. The parameters of a detector stand beside its
    `mode`, or in a member `parameters`. A published pack that enforces needs two distinct approvers. It is taken to
    enforce unless it names detectors, names every one of them in another mode, and, where it has entries,
    `negative-list` among them: what a pack does not name is enforced by default.

    Raises `PackInvalid` with everything that is wrong.
    """
    reading = _Reading("$.data" if published else "$", (not published) if strict is None else strict)
    if not isinstance(data, Mapping):
        raise PackInvalid([f"{reading.root}: Expected `object`, got `{_type(data)}`"])
    try:
        raw = orjson.dumps(dict(data), option=_CANONICAL)
    except orjson.JSONEncodeError as error:
        raise PackInvalid([f"{reading.root}: cannot be written as JSON: {error}"]) from error
    plain: dict[str, Any] = dict(data)
    if b"null" in raw:
        plain = _without_nulls(orjson.loads(raw))
        raw = orjson.dumps(plain, option=_CANONICAL)
    pack = reading.pack(plain, raw, published, known)
    if reading.problems:
        raise PackInvalid(reading.listed())
    return pack


_PACK_MEMBERS = frozenset(
    {
        "pack",
        "version",
        "valid_from",
        "valid_to",
        "approved_by",
        "negative_list",
        "detectors",
        "credit",
        "sectors",
        "sandbox",
    }
)
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
# What is no JSON must not become JSON by good will, or a file and an event could differ and have one digest.
_CANONICAL = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_INDUSTRY_PREFIX = re.compile(r"[A-T][0-9]{0,4}")
_TYPES = {str: "str", bool: "bool", int: "int", float: "float", dict: "object", list: "array", type(None): "null"}

T = TypeVar("T")


def _type(value: object) -> str:
    return _TYPES.get(type(value), type(value).__name__)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _without_nulls(value: Any) -> Any:
    """The value with its null members absent, which is the same (contract §1). The encoder has bounded its depth."""
    if type(value) is dict:
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if type(value) is list:
        return [_without_nulls(item) for item in value]
    return value


@lru_cache(maxsize=4096)
def _shared(items: tuple[str, ...]) -> frozenset[str]:
    """One set for all entries that say the same: there are few combinations and many entries."""
    return frozenset(items)


def _copied(value: dict[str, Any]) -> dict[str, Any]:
    """The same JSON, which nobody else can change."""
    copied: dict[str, Any] = orjson.loads(orjson.dumps(value))
    return copied


@lru_cache(maxsize=4096)
def _instant(text: str) -> int | None:
    try:
        return parse_instant(text)
    except ValueError:
        return None


class _Reading:
    """One reading of a pack. It goes on after a problem, so that all of them are found at once."""

    def __init__(self, root: str, strict: bool) -> None:
        self.root = root
        self.strict = strict
        self.problems: list[Problem] = []
        self.ignored: list[str] = []
        self._left_out = 0

    def problem(self, path: str, rule: str, kind: str = "invalid") -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(path, rule, kind))
        else:
            self._left_out += 1

    def listed(self) -> list[Problem]:
        more = [Problem(self.root, f"{self._left_out} more problems")] if self._left_out else []
        return self.problems + more

    def pointless(self, path: str, rule: str, kind: str = "invalid") -> None:
        """What means nothing here: refused when strict, else noted."""
        if self.strict:
            self.problem(path, rule, kind)
        elif len(self.ignored) < PROBLEMS_MAX:
            self.ignored.append(path)

    def known_only(self, value: dict[str, Any], path: str, members: Collection[str]) -> None:
        if all(map(members.__contains__, value)):
            return
        for name in value:
            if name not in members:
                meant = hint(name, members) if self.strict else ""
                self.pointless(f"{path}.{_name(name)}", f"is not known{meant}", "unknown")

    def typed(self, holder: dict[str, Any], name: str, path: str, kind: type[T], *, required: bool = False) -> T | None:
        """A member of exactly this type, or None."""
        value = holder.get(name)
        if value is None:
            if required:
                self.problem(f"{path}.{name}", "is required", "missing")
            return None
        if type(value) is not kind:
            hint = "; write it in quotes" if kind is str and type(value) in (int, float, bool) else ""
            self.problem(f"{path}.{name}", f"Expected `{_TYPES[kind]}`, got `{_type(value)}`{hint}")
            return None
        return value

    def fits(self, value: object, path: str, chars_max: int) -> bool:
        """Whether it is a printable text of 1 to `chars_max` characters."""
        if type(value) is not str:
            hint = "; write it in quotes" if type(value) in (int, float, bool) else ""
            self.problem(path, f"Expected `str`, got `{_type(value)}`{hint}")
        elif not 1 <= len(value) <= chars_max or not value.isprintable():
            self.problem(path, f"must be 1 to {chars_max} printable characters, got {_short(value)}")
        else:
            return True
        return False

    def text(
        self, holder: dict[str, Any], name: str, path: str, chars_max: int, *, required: bool = False
    ) -> str | None:
        value = holder.get(name)
        if type(value) is str and 1 <= len(value) <= chars_max and value.isprintable():
            return value
        value = self.typed(holder, name, path, str, required=required)
        return value if value is not None and self.fits(value, f"{path}.{name}", chars_max) else None

    def texts(
        self,
        holder: dict[str, Any],
        name: str,
        path: str,
        *,
        chars_max: int = ID_LENGTH_MAX,
        items_max: int = IDS_MAX,
        one_of: Collection[str] | None = None,
        single: bool = False,
        required: bool = False,
    ) -> list[str] | None:
        """A list of texts; with `single` one text alone will do, with `one_of` only these; None where absent."""
        value = holder.get(name)
        if value is None and not required:
            return None
        if single and type(value) is str:
            holder = {name: [value]}
        items = self.typed(holder, name, path, list, required=required)
        if items is None:
            return None
        path = f"{path}.{name}"
        if len(items) > items_max:
            self.problem(path, f"must have at most {items_max} items, got {len(items)}")
            return []
        if not items:
            if required:
                self.problem(path, "must have at least one item", "missing")
            return []
        if one_of is not None:
            good = [item for item in items if type(item) is str and item in one_of]
            if len(good) < len(items):
                for index, item in enumerate(items):
                    if type(item) is not str or item not in one_of:
                        self.problem(f"{path}[{index}]", f"must be one of {', '.join(one_of)}, got {_short(item)}")
            return good
        good = [item for item in items if type(item) is str and 1 <= len(item) <= chars_max and item.isprintable()]
        if len(good) < len(items):
            for index, item in enumerate(items):
                self.fits(item, f"{path}[{index}]", chars_max)
        return good

    def choice(self, holder: dict[str, Any], name: str, path: str, one_of: Collection[str]) -> str | None:
        value = holder.get(name)
        if type(value) is str and value in one_of:
            return value
        value = self.typed(holder, name, path, str, required=True)
        if value is not None:
            self.problem(f"{path}.{name}", f"must be one of {', '.join(one_of)}, got {_short(value)}")
        return None

    def instant(self, holder: dict[str, Any], name: str, path: str, *, required: bool = False) -> int | None:
        text = self.typed(holder, name, path, str, required=required)
        if text is None:
            return None
        instant = _instant(text)
        if instant is None:
            self.problem(f"{path}.{name}", f"must be a date, or an RFC 3339 instant with an offset, got {_short(text)}")
        return instant

    def validity(self, holder: dict[str, Any], path: str) -> tuple[int, int | None]:
        start = self.instant(holder, "valid_from", path, required=True)
        end = self.instant(holder, "valid_to", path) if "valid_to" in holder else None
        if start is not None and end is not None and end <= start:
            rule = f"must be after valid_from, got {_short(holder['valid_to'])}"
            self.problem(f"{path}.valid_to", rule, "never-valid")
        return start or 0, end

    def pack(
        self,
        data: dict[str, Any],
        canonical: bytes,
        published: bool,
        known: Mapping[str, Collection[str]] | None,
    ) -> Pack:
        root = self.root
        self.known_only(data, root, _PACK_MEMBERS)
        name = self.text(data, "pack", root, ID_LENGTH_MAX, required=True)
        version = self.text(data, "version", root, ID_LENGTH_MAX, required=True)
        start, end = self.validity(data, root)
        approvers = self.texts(data, "approved_by", root, chars_max=TEXT_CHARS_MAX) or []
        entries = self.entries(data)
        detectors = self.detectors(data, known or {})
        sandbox = self.sandbox(data, detectors)
        enforced = [one for one, setting in detectors.items() if setting.mode == "enforce"]
        if entries and "negative-list" not in detectors:
            enforced.append("negative-list")
        if published and (enforced or not detectors) and len({one.strip() for one in approvers} - {""}) < 2:
            what = ", ".join(enforced[:3]) or "every detector"
            rule = f"must name two distinct approvers, for the pack enforces {what}"
            self.problem(f"{root}.approved_by", rule, "approvers")
        return Pack(
            pack=name or "",
            version=version or "",
            valid_from=start,
            valid_to=end,
            approved_by=tuple(approvers),
            negative_list=entries,
            detectors=detectors,
            credit=self.credit(data),
            sectors=self.sectors(data),
            sandbox=sandbox,
            digest=hashlib.sha256(canonical).hexdigest(),
            canonical=canonical,
            ignored=tuple(self.ignored),
        )

    def credit(self, data: dict[str, Any]) -> credit.Settings:
        given = self.typed(data, "credit", self.root, dict) or {}
        self.known_only(given, f"{self.root}.credit", frozenset(credit.Settings.__struct_fields__))
        try:
            return credit.settings_of(_without_nulls(given))
        except ValueError as error:
            self.problem(f"{self.root}.credit", str(error))
            return credit.Settings()

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
                self.problem(path, f"Expected `object`, got `{_type(item)}`")
                continue
            entry = self.entry(item, path)
            earlier = places.setdefault(entry.id, [])
            first = next((at for at in earlier if read[at].overlaps(entry)), None)
            if entry.id and first is not None:
                rule = f"{_short(entry.id)} is already the id of negative_list[{first}], and their validity overlaps"
                self.problem(f"{path}.id", rule, "overlap")
            if len(earlier) == VERSIONS_MAX:
                self.problem(f"{path}.id", f"{_short(entry.id)} is the id of more than {VERSIONS_MAX} entries")
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
        given = item.get("provenance")
        if given is None:
            return ()
        marks = given if type(given) is list else [given]
        basis = item.get("legal_basis")
        if any(type(one) is not str or one not in PROVENANCE for one in marks):
            rule = f"must be marks of {', '.join(PROVENANCE)}, got {_short(given)}"
        elif len(marks) != 1 and len(marks) != (len(basis) if type(basis) is list else 1):
            rule = f"must be one mark, or one for each of legal_basis, got {_short(given)}"
        else:
            return tuple(marks)
        self.pointless(f"{path}.provenance", rule)
        return ()

    def match(self, item: dict[str, Any], path: str) -> Match:
        given = self.typed(item, "match", path, dict, required=True)
        if given is None:
            return Match()
        path = f"{path}.match"
        self.known_only(given, path, _MATCH_MEMBERS)
        if given and _MATCH_MEMBERS.isdisjoint(given):
            # To ignore them all would leave an entry that matches everything.
            self.problem(path, "has no member that is known")
        industry = self.typed(given, "industry", path, str)
        if industry is not None and not _INDUSTRY_PREFIX.fullmatch(industry):
            self.problem(
                f"{path}.industry", f"must be a letter A to T and up to four digits (GB/T 4754), got {_short(industry)}"
            )
        persons_min = self.typed(given, "persons_min", path, int)
        if persons_min is not None and not 0 <= persons_min <= COUNT_MAX:
            self.problem(f"{path}.persons_min", f"must be 0 to {COUNT_MAX}, got {_short(persons_min)}")
        lists = {
            name: values
            for name, (chars_max, items_max, one_of) in _MATCH_LISTS.items()
            if name in given
            and (values := self.texts(given, name, path, chars_max=chars_max, items_max=items_max, one_of=one_of))
            is not None
        }
        for name in lists:
            if not given[name]:
                self.pointless(f"{path}.{name}", "is empty, so nothing can fit it", "never-matches")
        for index, party in enumerate(lists.get("parties", ())):
            reason = check_party(party)
            if reason is not None:
                self.problem(f"{path}.parties[{index}]", f"{_short(party)} {reason}")
        return Match(
            industry=industry,
            public=self.typed(given, "public", path, bool),
            persons_min=persons_min,
            **{name: frozenset(values) for name, values in lists.items()},
        )

    def detectors(self, data: dict[str, Any], known: Mapping[str, Collection[str]]) -> dict[str, DetectorSetting]:
        given = self.typed(data, "detectors", self.root, dict) or {}
        detectors: dict[str, DetectorSetting] = {}
        for name, item in given.items():
            path = f"{self.root}.detectors.{_name(name)}"
            if name not in DETECTORS and name not in known:
                self.problem(path, f"there is no such detector{hint(name, DETECTORS | known.keys())}", "unknown")
            elif type(item) is not dict:
                self.problem(path, f"Expected `object`, got `{_type(item)}`")
            else:
                detectors[name] = self.setting(item, path, known.get(name))
        return detectors

    def setting(self, item: dict[str, Any], path: str, known: Collection[str] | None) -> DetectorSetting:
        mode = "enforce" if "mode" not in item else self.choice(item, "mode", path, MODES) or ""
        parameters = {name: value for name, value in item.items() if name not in ("mode", "parameters")}
        nested = self.typed(item, "parameters", path, dict) or {}
        for name in nested.keys() & parameters.keys():
            self.problem(f"{path}.parameters.{_name(name)}", "is given twice")
        parameters |= nested
        if known is not None:
            self.known_only(parameters, path, {*known, "mode", "parameters"})
            parameters = {name: value for name, value in parameters.items() if name in known}
        if isinstance(known, Mapping):
            for name, value in parameters.items():
                self.alike(value, known[name], f"{path}.{name}")
        return DetectorSetting(mode=mode, parameters=_copied(parameters))

    def alike(self, value: object, default: object, path: str) -> None:
        """A parameter must be of the type of its default; a number may have a fraction or not."""
        numbers = (int, float)
        if type(default) in numbers:
            if type(value) not in numbers:
                self.problem(path, f"Expected a number, got `{_type(value)}`")
        elif isinstance(default, list | tuple | frozenset | set):
            if type(value) is not list:
                self.problem(path, f"Expected `array`, got `{_type(value)}`")
        elif isinstance(default, Mapping):
            if type(value) is not dict:
                self.problem(path, f"Expected `object`, got `{_type(value)}`")
        elif isinstance(default, bool | str) and type(value) is not type(default):
            self.problem(path, f"Expected `{_type(default)}`, got `{_type(value)}`")

    def sandbox(self, data: dict[str, Any], detectors: dict[str, DetectorSetting]) -> tuple[str, ...]:
        """Ids of the detectors that a sandbox downgrades: a member of the pack, or a parameter of `sandbox-cap`."""
        at_top = self.texts(data, "sandbox", self.root, one_of=DETECTORS) or []
        parameters = detectors.get("sandbox-cap", DEFAULT_SETTING).parameters
        path = f"{self.root}.detectors.sandbox-cap"
        return tuple(sorted({*at_top, *(self.texts(parameters, "sandbox", path, one_of=DETECTORS) or ())}))

    def sectors(self, data: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        given = self.typed(data, "sectors", self.root, dict) or {}
        path = f"{self.root}.sectors"
        for name in given:
            if not _INDUSTRY_PREFIX.fullmatch(name):
                self.problem(f"{path}.{_name(name)}", "must be a letter A to T and up to four digits (GB/T 4754)")
        return {
            name: tuple(self.texts(given, name, path, chars_max=TEXT_CHARS_MAX, single=True) or ()) for name in given
        }


def _name(name: str) -> str:
    """A member's name for a path: what somebody else wrote must not break the line."""
    return name if len(name) <= ID_LENGTH_MAX and name.isprintable() else _short(name)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


def load_yaml(raw: bytes) -> dict[str, Any]:
    """The one mapping of a YAML file, as plain JSON values.

    YAML as in JSON, with nicer quotes: plain scalars are null, true, false, numbers or text, so that a date stays
    the text that an event would hold, and the mode `off` does not become false. Keys are texts. A key given twice,
    anchors, aliases and tags are refused, and so is what passes the limits.

    Raises `PackInvalid`.
    """
    if len(raw) > YAML_BYTES_MAX:
        raise PackInvalid([f"$: must be at most {YAML_BYTES_MAX} bytes, got {len(raw)}"])
    problems: list[str] = []
    try:
        document = _compose(raw, problems)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}: "
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        raise PackInvalid([*problems, f"$: {place}is no YAML: {what}"]) from error
    if problems:
        raise PackInvalid(problems[:PROBLEMS_MAX])
    if type(document) is not dict:
        raise PackInvalid([f"$: Expected `object`, got `{_type(document)}`"])
    return document


def _compose(raw: bytes, problems: list[str]) -> Any:
    """Builds the document from the parser's events: no recursion, and nothing is kept that is not asked for."""
    document: Any = None
    documents = 0
    nodes = 0
    # The containers that are open, each with the key that waits for its value (of a list always None).
    stack: list[tuple[Any, list[str | None]]] = []

    def refuse(event: Any, rule: str) -> None:
        problems.append(f"$: line {event.start_mark.line + 1}: {rule}")

    event: Any
    for event in yaml.parse(raw, Loader=_LOADER):
        kind = type(event)
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            continue
        if kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                refuse(event, "a second document")
                return None
            continue
        if kind is yaml.AliasEvent:
            refuse(event, "aliases are not taken")
            return None
        if kind not in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            continue
        nodes += 1
        if nodes > YAML_NODES_MAX:
            refuse(event, f"more than {YAML_NODES_MAX} values")
            return None
        if event.anchor is not None:
            refuse(event, "anchors are not taken")
        if event.tag is not None:
            refuse(event, "tags are not taken")

        holder: Any
        holder, waiting = stack[-1] if stack else (None, [None])
        as_key = type(holder) is dict and waiting[0] is None
        if kind is yaml.ScalarEvent:
            if as_key:
                if event.value in holder:
                    refuse(event, f"the key {_short(event.value)} is given twice")
                waiting[0] = event.value
                continue
            value: Any = _scalar(event.value) if event.implicit[0] else event.value
        elif as_key:
            refuse(event, "a key must be a text")
            return None
        else:
            value = {} if kind is yaml.MappingStartEvent else []

        if type(holder) is dict:
            holder[waiting[0]] = value
            waiting[0] = None
        elif type(holder) is list:
            holder.append(value)
        else:
            document = value
        if kind is not yaml.ScalarEvent:
            if len(stack) >= NESTING_MAX:
                refuse(event, f"more than {NESTING_MAX} levels deep")
                return None
            stack.append((value, [None]))
    return document


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def lines_of(raw: bytes, paths: Collection[str]) -> dict[str, int]:
    """The lines of a YAML file, the first being 1, at which these paths begin: `$.negative_list[2].match`.

    Of a path that is not there it is the line of the nearest thing around it.
    """
    wanted = {path: _around(path) for path in paths}
    found = {"$": 1}
    seen = {one for around in wanted.values() for one in around}
    # Of each open container its path and, of a list the index of the next item, of a mapping the waiting key.
    stack: list[list[Any]] = []
    event: Any
    for event in yaml.parse(raw, Loader=_LOADER):
        kind = type(event)
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            continue
        if kind not in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            continue
        path, line = "$", event.start_mark.line + 1
        if stack:
            holder = stack[-1]
            path, is_mapping, at = holder
            if is_mapping and at is None:
                holder[2] = (event.value, line)
                continue
            if is_mapping:
                name, line = at
                path, holder[2] = f"{path}.{_name(name)}", None
            else:
                path, holder[2] = f"{path}[{at}]", at + 1
        if path in seen:
            found[path] = line
        if kind is not yaml.ScalarEvent:
            is_mapping = kind is yaml.MappingStartEvent
            stack.append([path, is_mapping, None if is_mapping else 0])
    return {path: next(found[one] for one in around if one in found) for path, around in wanted.items()}


def _around(path: str) -> list[str]:
    """A path and all that it lies in, the nearest first."""
    found = [path]
    while path != "$":
        path = path[: max(path.rfind("."), path.rfind("["), 1)]
        found.append(path)
    return found
