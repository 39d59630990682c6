"""The version of a pack in force at an instant, and the instants at which entries take effect."""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from circulation.credit.settings import BEGINNING, Decisions, Settings
from circulation.packs.entry import Entry
from circulation.packs.matching import numbers_under
from circulation.packs.pack import Pack


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
    """The instants at which entries take effect, indexed by what they name: few of them concern one asset.

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

        `parties` and `owner_unknown` are as in `CompiledList.candidates`.
        """
        instants = {*self._generic, *numbers_under(self._by_asset, assets)}
        if owner_unknown:
            instants.update(*self._by_party.values())
        else:
            instants.update(numbers_under(self._by_party, parties))
        return sorted(instant for instant in instants if since <= instant < until)


class Packs:
    """The versions of one pack over time.

    In force at an instant is the published version with `valid_from` ≤ it < `valid_to` and the latest `valid_from`
    (of equal ones the later published by `time`, `source`, `id`); where there is none, `default`.
    """

    def __init__(self, default: Pack, published: Iterable[Published] = ()) -> None:
        self.default = default
        self.published = tuple(
            sorted(
                published,
                key=lambda publication: (
                    publication.pack.valid_from,
                    publication.time,
                    publication.source,
                    publication.id,
                ),
            )
        )
        self._spans = _spans(default, [publication.pack for publication in self.published])
        self._starts = [span.start for span in self._spans[1:] if span.start is not None]
        # By number of the span.
        self._credit: dict[int, Settings] = {}

    @cached_property
    def screens(self) -> Screens:
        """The answer of `screenings`, indexed; made when first asked for."""
        return Screens(self.screenings())

    @classmethod
    def always(cls, pack: Pack) -> "Packs":
        """One pack from the beginning and for ever, whatever its validity says: `--rules`."""
        return cls(pack)

    def in_force(self, instant: int) -> Pack:
        """The pack by which an act of this instant (µs) is judged."""
        return self.span(instant).pack

    def span(self, instant: int) -> Span:
        """The span that an instant (µs) is in."""
        return self._spans[bisect_right(self._starts, instant)]

    def unchanged(self, first: int, last: int) -> bool:
        """Whether one pack is in force from the first instant to the last, without another in between."""
        return bisect_right(self._starts, first) == bisect_right(self._starts, last)

    @cached_property
    def watching(self) -> bool:
        """Whether a pack is ever in force that holds anything back within a sandbox."""
        return any(span.pack.sandbox for span in self._spans)

    def spans(self) -> tuple[Span, ...]:
        """All packs that are ever in force, in the order of time, without gaps."""
        return self._spans

    @cached_property
    def decisions(self) -> Decisions:
        """How long decisions of credit may take, by all packs that are ever in force."""
        return self._decisions(len(self._spans))

    def credit(self, instant: int) -> Settings:
        """The parameters of credit in force at an instant (µs), with the decisions of the packs in force by then."""
        at = bisect_right(self._starts, instant)
        settings = self._credit.get(at)
        if settings is None:
            own = self._spans[at].pack.credit
            settings = self._credit[at] = msgspec.structs.replace(own, decisions=self._decisions(at + 1))
        return settings

    def _decisions(self, spans: int) -> Decisions:
        """Those of the first packs in force."""
        return Decisions.joined(
            (BEGINNING if span.start is None else span.start, span.pack.credit.decisions)
            for span in self._spans[:spans]
        )

    @cached_property
    def homes(self) -> frozenset[str]:
        """The countries that are ever home: all others are abroad."""
        return frozenset(span.pack.home for span in self._spans)

    @cached_property
    def home(self) -> str | None:
        """The country that is always home; None where packs differ."""
        return next(iter(self.homes)) if len(self.homes) == 1 else None

    def known_at(self, instant: int) -> Iterator[tuple[Pack, int]]:
        """The pack in force at an instant, and those that were published by then and come later, each with the instant
        from which on it is."""
        yield self.in_force(instant), instant
        for publication in self.published:
            if publication.time <= instant < publication.pack.valid_from:
                yield publication.pack, publication.pack.valid_from

    def lasting(self, since: int) -> list[Pack]:
        """All packs that are valid at an instant from `since` (µs) on, whichever of them is in force."""
        published = (publication.pack for publication in self.published)
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
                previous = None if earlier is None else earlier.entry(entry.id, instant - 1)
                if previous is not None and previous.screens_as(entry):
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
