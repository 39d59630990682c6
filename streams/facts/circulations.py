"""Finds what a change of the list concerns: where assets circulate, and which of a million an entry may match.

Whether an entry matches is the rule's business. Here is only the search, which may find too much and never too
little: by what entries name, through the indexes; by facts, over all assets in slices, so that no transaction is long.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from circulation.events.event import Event
from circulation.events.names import (
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    ASSETS,
    CONTRACT_TERMINATED,
    CONTRACTS,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
)
from circulation.facts.assets import AssetFacts
from circulation.facts.circulations import Circulation
from circulation.facts.parties import PartyFacts
from circulation.licences import TERMS_TYPES
from circulation.packs.entry import Entry, Subject
from circulation.packs.in_force import Screens
from circulation.packs.matching import CompiledList
from circulation.texts import fold_anew, fold_id, has_hexadecimal
from streams.facts import loading
from streams.facts.groups import controlled
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of

# The types of events that begin or end the circulation of an asset: each of them has it screened again.
OFFERS = (PRODUCT_LISTED, PRODUCT_DELISTED, ASSET_WITHDRAWN)
CIRCULATING = frozenset({*OFFERS, *TERMS_TYPES, CONTRACT_TERMINATED})

# Assets of a slice.
SLICE_MAX = 1_000
# Spans of time of which it is remembered what their entries ask for.
ASKED_KEPT_MAX: Final = 2


class Slice(NamedTuple):
    """Assets that may match, and after which id the search goes on; None where it is at its end."""

    assets: list[str]
    after: str | None


def circulations(db: Db, assets: Collection[str]) -> tuple[dict[str, Circulation], dict[str, list[Event]], set[str]]:
    """Where these assets circulate; what was stated of their listings, by asset; and the contracts over them."""
    acts: dict[str, list[Event]] = {asset: [] for asset in assets}
    query = (
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        " and retracted is null"
    )
    for row in sorted(db.rows(query, ASSETS, list(assets), list(OFFERS))):
        acts[row[2]].append(event_of(row))
    over: dict[str, set[str]] = {asset: set() for asset in assets}
    for asset, contract in _contracts_over(db, assets):
        over[asset].add(contract)
    facts = loading.contracts(db, {contract for contracts in over.values() for contract in contracts})
    by_asset = {
        asset: Circulation(asset, acts[asset], [facts[contract] for contract in sorted(over[asset])]) for asset in acts
    }
    return by_asset, acts, set(facts)


def _contracts_over(db: Db, assets: Collection[str]) -> list[tuple[str, str]]:
    query = (
        "select distinct r.ref, e.subject from refs r join events e on e.id = r.event"
        " where r.kind = 'asset' and r.ref = any(?) and e.topic = ? and e.retracted is null"
    )
    return [(row[0], row[1]) for row in db.rows(query, list(assets), CONTRACTS)]


def touched(db: Db, events: Iterable[Event], screens: Screens, horizon: int) -> list[str]:
    """The assets that have to be screened again after these statements of their circulation, void ones among them.

    A statement changes nothing before its `time`; of several reports of one thing any may be the one that counted.
    """
    since: dict[str, int] = {}
    contracts: dict[str, int] = {}
    for event in events:
        known, id_ = (contracts, event.subject) if event.topic == CONTRACTS else (since, event.subject)
        known[id_] = min(known.get(id_, event.time), event.time)
        if event.type in TERMS_TYPES:
            since[event.data.asset] = min(since.get(event.data.asset, event.time), event.time)
    contracts = {contract: time for contract, time in contracts.items() if screens.between(time, horizon)}
    if contracts:
        for id_, facts in loading.contracts(db, contracts).items():
            for asset in facts.assets():
                since[asset] = min(since.get(asset, contracts[id_]), contracts[id_])
    return sorted(asset for asset, time in since.items() if screens.between(time, horizon))


def search(db: Db, screens: Screens, since: int, until: int, after: str) -> Slice:
    """One slice of the assets that an entry may match that takes effect in [`since`, `until`) (µs).

    The first slice (`after` is empty) has all that entries name as well. In the order of the store's own collation.
    """
    criteria = _asked(screens, since, until)
    matches: set[str] = set()
    if not after:
        matches |= criteria.assets
        matches |= of_parties(db, criteria.parties)
    going_on = None
    if criteria.by_facts or criteria.parties or criteria.hexadecimal:
        ids = _slice(db, after, unregistered_only=not (criteria.by_facts or criteria.hexadecimal))
        going_on = ids[-1] if len(ids) == SLICE_MAX else None
        matches |= _fitting(db, ids, criteria)
        matches.update(asset for asset in ids if fold_id(asset) in criteria.hexadecimal)
    return Slice(_circulating(db, loading.below(db, sorted(matches))), going_on) if matches else Slice([], going_on)


class _Asked(NamedTuple):
    """The criteria of entries: the assets that they name (`hexadecimal` those that are spelled in several ways), the
    parties, and of those that name no assets (`without_assets`) whether any goes by facts alone, whether any asks for
    an industry, and the words, folded, that one of them needs."""

    assets: frozenset[str]
    hexadecimal: frozenset[str]
    parties: frozenset[str]
    without_assets: CompiledList
    by_facts: bool
    by_industry: bool
    words: re.Pattern[str] | None


@lru_cache(maxsize=ASKED_KEPT_MAX)
def _asked(screens: Screens, since: int, until: int) -> _Asked:
    """The criteria of the entries that take effect in [`since`, `until`) (µs): each slice asks, of maybe 100,000."""
    entries = [entry for instant in screens.between(since, until) for entry in screens.entries(instant).values()]
    # Whether an asset without owner is one of a party's cannot be told.
    without_assets = [entry for entry in entries if entry.match.assets is None]
    assets = frozenset(asset for entry in entries for asset in entry.match.assets or ())
    return _Asked(
        assets,
        frozenset(filter(has_hexadecimal, assets)),
        frozenset(party for entry in without_assets for party in entry.match.parties or ()),
        CompiledList(without_assets),
        any(entry.match.parties is None for entry in without_assets),
        any(entry.match.industry is not None for entry in without_assets),
        _words(without_assets),
    )


def of_parties(db: Db, parties: Collection[str]) -> set[str]:
    """The assets that these own, sell or buy, or anyone whom they ever controlled."""
    if not parties:
        return set()
    rows = db.rows(
        "select distinct e.topic, e.subject from refs r join events e on e.id = r.event"
        " where r.kind = 'party' and r.ref = any(?) and e.type = any(?) and e.retracted is null",
        controlled(db, _spelled(db, parties)),
        [ASSET_REGISTERED, PRODUCT_LISTED, *TERMS_TYPES],
    )
    contracts = loading.contracts(db, {subject for topic, subject in rows if topic == CONTRACTS})
    named = {asset for contract in contracts.values() for asset in contract.assets()}
    return named | {subject for topic, subject in rows if topic == ASSETS}


def _spelled(db: Db, parties: Collection[str]) -> set[str]:
    """The parties as the store has them: of those with a hexadecimal number all spellings."""
    hexadecimal = set(filter(has_hexadecimal, parties))
    if not hexadecimal:
        return set(parties)
    # from one to the next, since each is named many times
    query = (
        "with recursive kept(ref) as (select cast('' as text) union all"
        " select (select min(key(refs.ref)) from refs where refs.kind = ? and key(refs.ref) > kept.ref)"
        " from kept where kept.ref is not null) select ref from kept where lower(ref) like ?"
    )
    rows = [row for kind in ("controller", "party") for row in db.rows(query, kind, "%0x%")]
    return {*parties, *(party for (party,) in rows if fold_id(party) in hexadecimal)}


def candidates(db: Db, entry: Entry) -> Iterator[list[str]]:
    """The assets that an entry may match, a slice at a time: those that it names, or all."""
    if entry.match.assets is not None and not any(map(has_hexadecimal, entry.match.assets)):
        yield sorted(entry.match.assets)
    elif entry.match.parties is not None:
        yield sorted(of_parties(db, entry.match.parties))
    else:
        after: str | None = ""
        while after is not None:
            ids = _slice(db, after, unregistered_only=False)
            yield ids
            after = ids[-1] if len(ids) == SLICE_MAX else None


def _slice(db: Db, after: str, *, unregistered_only: bool) -> list[str]:
    """The next assets that are registered, listed or traded."""
    lacking = (
        " and not exists (select 1 from events e where e.topic = ? and e.subject = {0} and e.type = ?"
        " and e.retracted is null)"
    )
    values = (ASSETS, ASSET_REGISTERED) if unregistered_only else ()
    rows = db.rows(
        "select id from (select * from (select distinct key(subject) as place, subject as id from events x"  # noqa: S608
        f" where topic = ? and type = any(?) and key(subject) > key(?){lacking.format('x.subject') if values else ''}"
        " order by 1 limit ?) a union select * from (select distinct key(ref) as place, ref as id from refs x"
        f" where kind = 'asset' and key(ref) > key(?){lacking.format('x.ref') if values else ''}"
        " order by 1 limit ?) b) c order by place limit ?",
        *(ASSETS, [ASSET_REGISTERED, PRODUCT_LISTED], after, *values, SLICE_MAX),
        *(after, *values, SLICE_MAX),
        SLICE_MAX,
    )
    return [row[0] for row in rows]


def _fitting(db: Db, ids: Sequence[str], criteria: _Asked) -> set[str]:
    """Of the assets those that an entry may match, by anything that was ever stated of them."""
    rows: dict[str, list[tuple[Any, ...]]] = {asset: [] for asset in ids}
    for row in loading.stated(db, ASSETS, ids, loading.DESCRIBING):
        rows[row[2]].append(row)
    # A statement of a level may stand though it was taken back.
    gone = loading.undone(db, ids)
    assets = {
        asset: AssetFacts(asset, list(map(event_of, asset_rows)), db.voices(), gone[asset])
        for asset, asset_rows in rows.items()
        if criteria.words is None or _may(asset_rows, criteria.words)
    }
    owners = (
        loading.parties(db, {owner for facts in assets.values() for owner in facts.owners()})
        if criteria.by_industry
        else {}
    )
    return {
        asset
        for asset, facts in assets.items()
        if any(map(criteria.without_assets.may_match, _versions(facts, owners)))
    }


def _words(entries: Iterable[Entry]) -> re.Pattern[str] | None:
    """The words of which one is in the text of everything registered that any of the entries may match; None where that
    may be any text.

    Of its texts, tags and category are stated by a registration as they are, folded aside. JSON may write them in other
    ways too, which takes a backslash.
    """
    words = {"\\"}
    for entry in entries:
        texts = entry.match.category if entry.match.tags is None else entry.match.tags
        if texts is None:
            return None
        words |= texts
    return re.compile("|".join(map(re.escape, sorted(words))))


def _may(rows: Sequence[tuple[Any, ...]], words: re.Pattern[str]) -> bool:
    """Whether anything registered of an asset has one of the words, or nothing is registered at all.

    Most assets have nothing to do with any of the entries, which their text tells without reading it.
    """
    registered = [row[9] for row in rows if row[3] == ASSET_REGISTERED]
    return not registered or any(words.search(fold_anew(str(data, "utf-8"))) for data in registered)


def _versions(asset: AssetFacts, owners: Mapping[str, PartyFacts]) -> list[Subject]:
    """An asset as it was at every instant at which something was stated of it or of an owner."""
    stated = asset.times()
    if len(stated) < 2 and not owners:
        return [asset.subject(0, None)]  # it is the same at every instant
    times = {*stated, *(time for party in asset.owners() if party in owners for time in owners[party].times())}
    versions = []
    # before the first of them an asset is what was stated first, without a grading
    for instant in (min(times, default=0) - 1, *sorted(times)):
        data = asset.registration(instant)
        owner = None if data is None or data.owner not in owners else owners[data.owner].at(instant)
        versions.append(asset.subject(instant, None if owner is None else owner.industry))
    return versions


def _circulating(db: Db, assets: Collection[str]) -> list[str]:
    """Of the assets those that were ever listed or traded."""
    query = "select distinct subject from events where topic = ? and subject = any(?) and type = ?"
    listed = {row[0] for row in db.rows(query, ASSETS, list(assets), PRODUCT_LISTED)}
    return sorted(listed | {asset for asset, _ in _contracts_over(db, assets)})
