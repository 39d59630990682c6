"""The judge's queue: keys of what waits to be judged, and in which order it is.

A key is one text: its kind, then what identifies it. Findings, deadlines, scopes and what is set aside bear the same
keys. They are made and taken apart only here. The queue itself is a table: (id, priority, thing, since, begins).
"""

import enum
import functools
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from circulation.keys import join_key, rsplit_key, split_key
from streams.store import schema
from streams.store.db import Db

# Priorities, the first to be judged first: what just came; what is judged again in bulk; statements of credit, which go
# over all findings of a party and so come after many of them; what older versions set aside.
LIVE, AGAIN, STATING, ASIDE = 0, 1, 2, 9
# Keys of sums are made and taken apart several times in the round that judges them.
SUMS_KEPT_MAX: Final = 2_048


class Kind(enum.StrEnum):
    """The kinds of keys, with their parts. Members are never renamed: stores hold their texts."""

    PACK = "pack"  # since (µs), digest or nothing: a pack that came late, or went
    ANEW = "anew"  # place: the next slice of what such a pack touches
    SEARCH = "search"  # since, until (µs), after: the next slice of what entries concern that take effect by then
    FACT = "fact"  # kind of fact, subject: it changed
    RUN = "run"  # id of an OpenLineage run
    GAP = "gap"  # topic, subject, source, first missing number (or one that came and was rejected), epoch unless 0
    ACT = "act"  # type, subject, business id or nothing
    SCREEN = "screen"  # asset
    SUM = "sum"  # rule, scope
    CREDIT = "credit"  # party
    CASE = "case"  # docket
    # These are never queued: their findings are written by whoever sees them.
    TALLY = "tally"  # contract
    LOST = "lost"  # topic, partition
    MISPLACED = "misplaced"  # topic, source
    USES = "uses"  # contract: what belongs to the scope of a day of which no act tells


class Item(NamedTuple):
    """A row of the queue as it is claimed. `since` is the clock when it was queued (µs).

    Of an act, a sum or a run only what is from `begins` on (µs) is to be judged; None is all. `suspects` is set where
    any item at all is set aside or suspect.
    """

    id: int
    thing: str
    since: int
    priority: int
    begins: int | None
    suspects: int | None


def put(db: Db, things: Iterable[str], priority: int, since: int, begins: Mapping[str, int] | None = None) -> None:
    """Queue each thing once, in this order."""
    if begins is None:
        db.many(schema.queue, [(priority, thing, since) for thing in dict.fromkeys(things)])
    else:
        db.many(schema.queue_begun, [(priority, thing, since, begins[thing]) for thing in dict.fromkeys(things)])


def put_each(db: Db, priorities: Mapping[str, int], since: int) -> None:
    """Queue each thing with a priority of its own, in this order."""
    db.many(schema.queue, [(priority, thing, since) for thing, priority in priorities.items()])


# Making keys.


def act(type_: str, subject: str, business: str = "") -> str:
    """Return the key of an act; reports of one act share it."""
    return join_key(Kind.ACT, type_, subject, business)


def acts(type_: str) -> str:
    """Return how the keys of all acts of a type begin."""
    return join_key(Kind.ACT, type_, "")


def anew(place: str) -> str:
    """Return the key of the slice that begins at a place."""
    return join_key(Kind.ANEW, place)


def case(docket: str) -> str:
    """Return the key of a docket of cases."""
    return join_key(Kind.CASE, docket)


def credit(party: str) -> str:
    """Return the key of a party's statement of credit."""
    return join_key(Kind.CREDIT, party)


def fact(kind: str, subject: str) -> str:
    """Return the key of a kind of fact about a subject that changed."""
    return join_key(Kind.FACT, kind, subject)


def feed(topic: str, subject: str, source: str, epoch: int = 0) -> str:
    """Return what the numbers are called that a source counts about a subject under an epoch."""
    return join_key(topic, subject, source, *([str(epoch)] if epoch else []))


def gap(topic: str, subject: str, source: str, first: int, epoch: int = 0) -> str:
    """Return the key of a gap in the numbers of a feed, by the first that is missing; of the end of an epoch 0."""
    return join_key(Kind.GAP, topic, subject, source, str(first), *([str(epoch)] if epoch else []))


def feed_of(thing: str) -> tuple[str, int]:
    """Return the feed of a gap's key, and the number in it."""
    _, topic, subject, source, number, *epoch = split_key(thing)
    return feed(topic, subject, source, *map(int, epoch)), int(number)


def lost(topic: str, partition: int) -> str:
    """Return the key of a partition whose records are gone."""
    return join_key(Kind.LOST, topic, str(partition))


def misplaced(topic: str, source: str) -> str:
    """Return the key of a source that puts records where they do not belong."""
    return join_key(Kind.MISPLACED, topic, source)


def pack(since: int, digest: str = "") -> str:
    """Return the key of a pack that is in force from an instant on (µs); without a digest it is not there any more."""
    return join_key(Kind.PACK, str(since), *([digest] if digest else []))


def run(id_: str) -> str:
    """Return the key of an OpenLineage run."""
    return join_key(Kind.RUN, id_)


def screen(asset: str) -> str:
    """Return the key of an asset that is held against the negative list."""
    return join_key(Kind.SCREEN, asset)


def search(since: int, until: int, after: str = "") -> str:
    """Return the key of the slice of what entries concern that take effect from one instant (µs) to before another."""
    return join_key(Kind.SEARCH, str(since), str(until), after)


@functools.lru_cache(maxsize=SUMS_KEPT_MAX)
def sum_(rule: str, scope: str) -> str:
    """Return the key of a rule's sum over a scope."""
    return join_key(Kind.SUM, rule, scope)


def tally(contract: str) -> str:
    """Return the key of what is counted of a contract's uses."""
    return join_key(Kind.TALLY, contract)


def uses(contract: str) -> str:
    """Return the key of a contract's uses, of which no act tells."""
    return join_key(Kind.USES, contract)


# Taking them apart.


def kind_of(thing: str) -> str:
    """Return the kind of a key."""
    return split_key(thing, 1)[0]


def rest_of(thing: str) -> str:
    """Return what follows the kind: the whole of it where a kind has one part."""
    return split_key(thing, 1)[1]


def parts_of(thing: str) -> list[str]:
    """Return the kind and all parts, for people and for JSON."""
    return split_key(thing)


def act_of(thing: str) -> tuple[str, str, str]:
    """Return the type, subject and business id (maybe empty) of an act."""
    _, type_, subject, business = split_key(thing, 3)
    return type_, subject, business


def business_of(thing: str) -> str:
    """Return the business id of an act; empty where its type has none."""
    return rsplit_key(thing)[1]


def fact_of(thing: str) -> tuple[str, str]:
    """Return the kind of a changed fact and its subject."""
    _, fact, subject = split_key(thing, 2)
    return fact, subject


@functools.lru_cache(maxsize=SUMS_KEPT_MAX)
def sum_of(thing: str) -> tuple[str, str]:
    """Return the rule and the scope of a sum."""
    _, rule, scope = split_key(thing, 2)
    return rule, scope


def pack_of(thing: str) -> tuple[int, str]:
    """Return from when on a pack is in force (µs), and its digest; empty where it is not there (any more)."""
    _, since, *digest = split_key(thing)
    return int(since), "".join(digest)


def search_of(thing: str) -> tuple[int, int, str]:
    """Return since and until when (µs) entries take effect, and after which key the slice begins."""
    _, since, until, after = split_key(thing, 3)
    return int(since), int(until), after


def contract_day(contract: str, day: int) -> str:
    """Return the subject of what changed of a contract's day; see `day_number`."""
    return join_key(contract, str(day))


def contract_day_of(subject: str) -> tuple[str, int]:
    """Return the contract and its day."""
    contract, day = split_key(subject)
    return contract, int(day)
