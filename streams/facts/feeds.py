"""A feed's gap: the numbers still missing, and those that were rejected; and when sources were heard last."""

from collections.abc import Collection
from typing import Final

import msgspec

from circulation.facts.facts import Heard
from circulation.sequences import NEVER, Gap, Sequence, of_epoch
from streams.store import queue
from streams.store.db import Db

# Of a gap so many codes of numbers that were rejected are told.
REFUSED_MAX: Final = 1_000


class _Numbers(msgspec.Struct, array_like=True):
    """The beginning of a desk's state, as far as its sequences."""

    days: msgspec.Raw
    sequences: dict[str, Sequence]


_numbers = msgspec.msgpack.Decoder(_Numbers).decode


def missing(db: Db, topic: str, subject: str, source: str, gap: Gap) -> list[tuple[int, int]]:
    """The numbers of a gap that have not come, [first, last] each."""
    row = db.one("select state from desks where topic = ? and subject = ?", topic, subject)
    known = None if row is None else _numbers(bytes(row[0])).sequences.get(source)
    sequence = None if known is None else of_epoch(known, gap.epoch)
    for known_gap in [] if sequence is None else sequence.gaps:
        if known_gap.begin == gap.begin:
            return known_gap.missing
    feed = queue.feed(topic, subject, source, gap.epoch)
    row = db.one("select gap from older_gaps where feed = ? and begin = ?", feed, gap.begin)
    return [] if row is None else msgspec.msgpack.decode(row[0], type=Gap).missing


def refused(db: Db, feed: str, gap: Gap) -> list[tuple[int, str]]:
    """The numbers of a gap that ever came and were rejected, in order, each with its code."""
    query = (
        "select number, reason from refused_numbers where feed = ? and number between ? and ?"
        " order by number, reason limit ?"
    )
    return [(row[0], row[1]) for row in db.rows(query, feed, gap.begin, gap.last, REFUSED_MAX)]


def newest(db: Db, sources: Collection[str]) -> dict[str, int]:
    """The latest `time` of the events of each of these sources of which any was taken in."""
    query = "select reported_by, max(last) from quality where reported_by = any(?) group by reported_by"
    return {source: last for source, last in db.rows(query, sorted(sources)) if last > NEVER}


def heard(db: Db, sources: Collection[str]) -> dict[str, Heard]:
    """When each of these sources that owe events was heard last, and within how many seconds the next one is due."""
    owed = db.voices().owed
    last_heard = newest(db, owed.keys() & sources) if owed and sources else {}
    return {source: Heard(last, owed[source]) for source, last in last_heard.items()}
