"""Acts, and the order in which rules over several of them judge them."""

from typing import Any, Protocol

import msgspec

from circulation.findings import Cause

# Later than any instant.
NEVER = 2**62


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A retained event that rules judge: the report that counts of several of one act."""

    thing: str
    type: str
    subject: str
    source: str
    id: str
    time: int
    reporter: int
    data: Any

    @property
    def cause(self) -> Cause:
        """How findings name this act."""
        return Cause(self.source, self.id)


class Timed(Protocol):
    """A thing with a place in the order of acts."""

    @property
    def time(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...


def order(act: Timed) -> tuple[int, str, str]:
    """The order in which rules over several acts judge them."""
    return (act.time, act.source, act.id)
