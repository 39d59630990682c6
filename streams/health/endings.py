"""Rules that end soon: the pack in force without another that follows, and entries of its list."""

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from circulation.calendar import DAY
from circulation.packs.in_force import Packs
from circulation.packs.pack import Pack

# Entries that end within this are counted; an alert says so.
SOON: Final = 14 * DAY
_SECOND: Final = 1_000_000


class Ending(NamedTuple):
    """Seconds until no published pack is in force (infinite where that is not known to come), and the entries of the
    pack in force that end within `SOON` without another of their id that goes on."""

    seconds: float
    entries: int


class Endings:
    """Looks at what ends; a long list is gone through once for each pack."""

    def __init__(self) -> None:
        self._digest = ""
        self._ends: list[int] = []

    def look(self, packs: Packs, now: int) -> Ending:
        """The pack and entries that end, seen at an instant (µs)."""
        pack = packs.in_force(now)
        if pack.digest != self._digest:
            self._ends = _ends(pack)
            self._digest = pack.digest
        entries = bisect_right(self._ends, now + SOON) - bisect_right(self._ends, now)
        return Ending(_seconds(packs, now), entries)


def _ends(pack: Pack) -> list[int]:
    ends = ((entry.id, entry.valid_to) for entry in pack.negative_list if entry.valid_to is not None)
    return sorted(instant for id_, instant in ends if pack.entry(id_, instant) is None)


def _seconds(packs: Packs, now: int) -> float:
    spans = packs.spans()
    at = bisect_left([span.start is not None and span.start > now for span in spans], True) - 1
    if spans[at].pack is packs.default:
        return float("inf")
    for before, span in zip(spans[at:], spans[at + 1 :], strict=False):
        if span.pack is packs.default:
            return ((before.end or now) - now) / _SECOND
    return float("inf")
