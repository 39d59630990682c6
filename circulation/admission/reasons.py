"""Why a record could not be an event."""

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from circulation.identifiers import FAULTS_MAX

DETAIL_LENGTH_MAX: Final = 300


class Reason(enum.StrEnum):
    """Why a record could not be an event. The first that applies, in this order, is the one."""

    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    NOT_JSON = "not-json"
    NOT_CLOUDEVENT = "not-cloudevent"
    UNKNOWN_TYPE = "unknown-type"
    BAD_IDENTIFIER = "bad-identifier"
    KEY_MISMATCH = "key-mismatch"
    NOT_AUTHORISED = "not-authorised"
    FROM_THE_FUTURE = "from-the-future"
    INVALID_DATA = "invalid-data"
    # A feed that begins to count again without a new epoch: only the desk of sequences can tell.
    SEQUENCE_REUSED = "sequence-reused"


class Claim(msgspec.Struct, frozen=True):
    """The attributes of a rejected record, as far as they could be read; `sequence` under `epoch` is its number, `time`
    an instant (µs)."""

    topic: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    id: str | None = None
    sequence: int | None = None
    epoch: int = 0
    time: int | None = None


class Rejection(msgspec.Struct, frozen=True):
    """A record (of a batch: an element) that could not be an event, byte for byte, with the path and rule broken.

    `detail` has up to ten faults, one a line: those that make the code first.
    """

    reason: Reason
    detail: str
    record: bytes
    index: int | None = None
    claim: Claim = Claim()

    @property
    def in_one_line(self) -> str:
        """The detail as a message says it."""
        return self.detail.replace("\n", "; ")


class Refused(Exception):
    """An answer on its way up, with what is wrong, the first thing first. It never leaves this package."""

    def __init__(self, reason: Reason, *details: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = [str(detail) for detail in details]

    @property
    def detail(self) -> str:
        """The faults, in lines."""
        return in_lines(self.details)


def one_line(detail: str) -> str:
    """A detail as it goes into a header and a table: printable, and of bounded length."""
    if not detail.isprintable():
        detail = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in detail)
    return detail if len(detail) <= DETAIL_LENGTH_MAX else detail[: DETAIL_LENGTH_MAX - 1] + "…"


def in_lines(details: Sequence[str]) -> str:
    """Up to ten details, one a line."""
    return "\n".join(map(one_line, details[:FAULTS_MAX]))


def not_cloudevent(*details: object) -> Refused:
    """The error of a record that is no CloudEvent."""
    return Refused(Reason.NOT_CLOUDEVENT, *details)
