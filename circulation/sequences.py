"""Numbered feeds: which numbers of one source on one key have come, and which are missing (contract §1, `sequence`)."""

from typing import NamedTuple

import msgspec


class Gap(msgspec.Struct, array_like=True, frozen=True):
    """Numbers that one event revealed as missing, [first, last] each, and that event."""

    id: str
    time: int
    revealed: list[tuple[int, int]]
    missing: list[tuple[int, int]]


class Sequence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The highest number that came, and the gaps below it that are still open."""

    highest: int = 0
    gaps: list[Gap] = []


class Taken(NamedTuple):
    """What a number did: the sequence after it, the gap it revealed, the gap it closed."""

    sequence: Sequence
    opened: Gap | None = None
    closed: Gap | None = None


def take(sequence: Sequence, number: int, id_: str, time: int) -> Taken | None:
    """Takes in a number; None where it came before (a duplicate, whatever its id)."""
    highest = sequence.highest
    if number == highest + 1:
        return Taken(Sequence(number, sequence.gaps))
    if number > highest:
        missing = [(highest + 1, number - 1)]
        gap = Gap(id_, time, missing, missing)
        return Taken(Sequence(number, [*sequence.gaps, gap]), opened=gap)
    for at, gap in enumerate(sequence.gaps):
        for first, last in gap.missing:
            if first <= number <= last:
                rest = [
                    one
                    for span in gap.missing
                    for one in ([span] if span != (first, last) else [(first, number - 1), (number + 1, last)])
                    if one[0] <= one[1]
                ]
                left = Gap(gap.id, gap.time, gap.revealed, rest)
                gaps = [*sequence.gaps[:at], *([left] if rest else []), *sequence.gaps[at + 1 :]]
                return Taken(Sequence(highest, gaps), closed=None if rest else gap)
    return None
