"""How good what sources say is: a row for each source and month, as `circulation sources` and the report show it."""

from collections.abc import Mapping, Sequence
from typing import Any

from circulation.quality import PARTS, Part, Share, format_month, score
from circulation.words import QUALITY
from streams.facts.quality import OTHERS
from streams.store.db import Db
from streams.store.schema import QUALITY_PARTS


def quality(db: Db, month: int, source: str | None = None) -> list[dict[str, Any]]:
    """Say how good what sources said of a month is, in the order of their names; those that have no row of their own
    are one, without a name, at the end. With `source` of the sources whose names begin so, and of no others."""
    sums = ", ".join(f"{good}, {total}" for good, total in QUALITY_PARTS.values())
    rows = db.rows(f"select reported_by, {sums} from quality where month = ? order by reported_by", month)  # noqa: S608
    documents = []
    for name, *numbers in sorted(rows, key=lambda row: (row[0] == OTHERS, row[0])):
        # Of others it is known when they were heard, and nothing else.
        if any(numbers) and (source is None or (name != OTHERS and name.startswith(source))):
            documents.append(_row(name or None, month, numbers))
    return documents


def months(db: Db) -> list[str]:
    """Say of which months anything is counted, newest first."""
    return [format_month(row[0]) for row in db.rows("select distinct month from quality order by month desc")]


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
