"""How good what sources say is: a row for each source and month, as `circulation sources` and the report show it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import literal_column, select

from circulation.quality import PARTS, Part, Share, format_month, score
from circulation.words import QUALITY
from streams.facts.quality import OTHER_SOURCES
from streams.store import schema
from streams.store.ask import Question, Row, matches
from streams.store.db import Db

_QUALITY: Final = schema.quality
_OF_MONTH: Final = Question(
    select(_QUALITY.c.reported_by, *(literal_column(part) for pair in schema.QUALITY_PARTS.values() for part in pair))
    .where(*matches(_QUALITY, "month"))
    .order_by(_QUALITY.c.reported_by)
)
_MONTHS: Final = Question(select(_QUALITY.c.month).distinct().order_by(_QUALITY.c.month.desc()))


def of_month(db: Db, month: int) -> list[Row]:
    """What was counted in a month, a row for each source: its name, and of each of `PARTS` how many are good, and of
    how many."""
    return _OF_MONTH.rows(db, month=month)


def quality(db: Db, month: int, source: str | None = None) -> list[dict[str, Any]]:
    """Say how good what sources said of a month is, in the order of their names; those that have no row of their own
    are one, without a name, at the end. With `source` of the sources whose names begin so, and of no others."""
    documents = []
    for name, *numbers in sorted(of_month(db, month), key=lambda row: (row[0] == OTHER_SOURCES, row[0])):
        # Of others it is known when they were heard, and nothing else.
        if any(numbers) and (source is None or (name != OTHER_SOURCES and name.startswith(source))):
            documents.append(_row(name or None, month, numbers))
    return documents


def months(db: Db) -> list[str]:
    """Say of which months anything is counted, newest first."""
    return [format_month(row[0]) for row in _MONTHS.rows(db)]


def _row(source: str | None, month: int, numbers: Sequence[int]) -> dict[str, Any]:
    shares: Mapping[Part, Share] = {
        part: Share(good, total) for part, good, total in zip(PARTS, numbers[::2], numbers[1::2], strict=True)
    }
    return {
        "source": source,
        "month": format_month(month),
        "score": score(shares),
        "parts": {
            part: {"good": share.good, "all": share.all, "zh": QUALITY[part].zh} for part, share in shares.items()
        },
    }
