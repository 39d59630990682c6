"""Events that kinds of more than one module are made of: the i-th act is a minute after the one before."""

from typing import Any, Final

from circulation import examples
from circulation.calendar import format_instant, parse_instant
from circulation.examples import SELLER, Json

SECOND: Final = 1_000_000
_BEGIN: Final = parse_instant("2025-03-01T00:00:00+08:00")
_RECORD: Final = {"act": "forged", "document_date": "2025-02-01", "decided_by": "an office"}
ASSET: Final = examples.asset("asset", "2025-01-02")
TOP: Final = examples.party("scheme:top", "2025-01-01")


def at(i: float, step: float = 60.0) -> str:
    """The instant of the i-th act, as events state it; `step` is the seconds between two."""
    return format_instant(_BEGIN + int(i * step * SECOND))


def party_id(i: int) -> str:
    """The id of the i-th party."""
    return f"scheme:party-{i}"


def member(i: int, **data: Any) -> Json:
    """A party registered under the controller of `TOP`."""
    return examples.party(party_id(i), at(i), controller="scheme:top", **data)


def registered_again(i: float, **data: Any) -> Json:
    """The same asset under another title."""
    return examples.asset("asset", at(i), title=f"Title {i}", **data)


def graded(i: int, **data: Any) -> Json:
    """A grading of the same asset, up and down by turns."""
    level = ("general", "important")[i % 2]
    return examples.event("asset.graded", "asset", at(i), level=level, personal="none", reason=f"review {i}", **data)


def record(i: int, party: str = SELLER, tier: str = "minor") -> Json:
    """A record of dishonesty of one party."""
    return examples.event("credit.determined", party, at(i), record=f"record-{i}", tier=tier, **_RECORD)
