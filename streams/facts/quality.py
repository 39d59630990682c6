"""The sources that have a row of their own in a month: those that are named, and of all others so many."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from streams.store.db import Db

# Sources that the settings do not name and that have a row of their own in a month.
SOURCES_MAX: Final = 1_000
# The name of those that have none: no source has such a name.
OTHER_SOURCES: Final = ""

# A source, and a month.
Key = tuple[str, int]


class Rows(NamedTuple):
    """Of sources that nobody named: those that have a row already, those that get none, and months that are full."""

    existing: frozenset[Key]
    aside: frozenset[Key]
    full: frozenset[int]


def look(db: Db, keys: Iterable[Key], full: frozenset[int] = frozenset()) -> Rows:
    """Look which of these get a row, at the end of a transaction that adds to the rows: whoever adds one waits for
    whoever did so before. Of months that are `full` already none gets any."""
    wanted = sorted(keys)
    if not wanted:
        return Rows(frozenset(), frozenset(), full)
    query = "select reported_by, month from quality where reported_by = any(?) and month = any(?)"
    sources, months = (sorted({key[at] for key in wanted}) for at in range(2))
    existing = frozenset((source, month) for source, month in db.rows(query, sources, months))
    new = [key for key in wanted if key not in existing]
    open_ = sorted({month for _, month in new} - full)
    if not open_:
        return Rows(existing, frozenset(new), full)
    db.lock(["quality"])
    query = "select month, count(*) from quality where month = any(?) group by month"
    counts = dict(db.rows(query, open_))
    most = SOURCES_MAX + len(db.voices().named or ())
    full |= {month for month, count in counts.items() if count >= most}
    aside = set()
    for source, month in new:
        if month in full or counts.get(month, 0) >= most:
            aside.add((source, month))
        else:
            counts[month] = counts.get(month, 0) + 1
    return Rows(existing, frozenset(aside), full)
