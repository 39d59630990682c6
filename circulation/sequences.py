"""Numbered feeds: which numbers of one source on one key have come, and which are missing (contract §1, `sequence`)."""

import enum
from typing import Final, NamedTuple

import msgspec

# Earlier than any instant.
NEVER: Final = -(2**62)


class Gap(msgspec.Struct, array_like=True, frozen=True):
    """Numbers that one event revealed as missing, [first, last] each, and that event; and their epoch.

    Where that event begins an epoch, a gap without numbers is the end of the one before, which nobody knows: `ended`
    has that epoch and its last number.
    """

    id: str
    time: int
    revealed: list[tuple[int, int]]
    missing: list[tuple[int, int]]
    epoch: int = 0
    ended: tuple[int, int] | None = None

    @property
    def begin(self) -> int:
        """The first number that was missing; 0 of the end of an epoch."""
        return self.revealed[0][0] if self.revealed else 0

    @property
    def last(self) -> int:
        """The last number that was missing; 0 of the end of an epoch."""
        return self.revealed[-1][1] if self.revealed else 0


# Of a feed that lacks more and more the newest gaps are at hand, and the others are searched one by one.
GAPS_MAX: Final = 64


class Sequence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The highest number that came, and the gaps below it that are still open: the newest, where there are `older`.

    `latest` is the latest `time` of all that came (µs). All are of one epoch; of the one `before` it what is missing
    may still be filled.
    """

    highest: int = 0
    gaps: list[Gap] = []
    older: bool = False
    latest: int = NEVER
    epoch: int = 0
    before: "Sequence | None" = None


class Taken(NamedTuple):
    """The effect of a number: the sequence after it, the gap it revealed, the gap it closed, what of an older gap is
    missing now (nothing, where that is closed), and the end of the epoch before, where it began another one."""

    sequence: Sequence
    opened: Gap | None = None
    closed: Gap | None = None
    older: Gap | None = None
    ended: Gap | None = None


class Repeated(enum.Enum):
    """Why a number is not taken in: it came before, or its source began to count anew without saying so."""

    DUPLICATE = "duplicate"
    REUSED = "reused"
    # Of an epoch that is over: a still older one, or more than the one before had.
    OVER = "over"


def take(sequence: Sequence, number: int, id_: str, time: int, epoch: int = 0) -> Taken | Repeated:
    """Take in a number, or say why not.

    With a number only the number decides, whatever its id; but one that came before, with a later `time` than
    everything that was taken in, is no duplicate.
    """
    if epoch != sequence.epoch:
        return _take_other_epoch(sequence, number, id_, time, epoch)
    highest = sequence.highest
    latest = max(time, sequence.latest)
    if number == highest + 1:
        return Taken(Sequence(number, sequence.gaps, sequence.older, latest, epoch, sequence.before))
    if number > highest:
        missing = [(highest + 1, number - 1)]
        gap = Gap(id_, time, missing, missing, epoch)
        after = msgspec.structs.replace(sequence, highest=number, gaps=[*sequence.gaps, gap], latest=latest)
        return Taken(after, opened=gap)
    for at, gap in enumerate(sequence.gaps):
        for first, last in gap.missing:
            if first <= number <= last:
                rest = [
                    part
                    for span in gap.missing
                    for part in ([span] if span != (first, last) else [(first, number - 1), (number + 1, last)])
                    if part[0] <= part[1]
                ]
                left = msgspec.structs.replace(gap, missing=rest)
                gaps = [*sequence.gaps[:at], *([left] if rest else []), *sequence.gaps[at + 1 :]]
                after = msgspec.structs.replace(sequence, gaps=gaps, latest=latest)
                return Taken(after, closed=None if rest else gap)
    return Repeated.REUSED if time > sequence.latest else Repeated.DUPLICATE


def _take_other_epoch(sequence: Sequence, number: int, id_: str, time: int, epoch: int) -> Taken | Repeated:
    """Take in a number of another epoch: a higher one begins, and the one before may still be filled."""
    if epoch > sequence.epoch or not sequence.highest:
        ended = msgspec.structs.replace(sequence, before=None) if sequence.highest else None
        begun = take(Sequence(epoch=epoch, before=ended), number, id_, time, epoch)
        if ended is None or isinstance(begun, Repeated):
            return begun
        return begun._replace(ended=Gap(id_, time, [], [], epoch, (ended.epoch, ended.highest)))
    before = sequence.before
    if before is None or epoch != before.epoch or number > before.highest:
        return Repeated.OVER
    outcome = take(before, number, id_, time, epoch)
    if isinstance(outcome, Repeated):
        return outcome
    return outcome._replace(sequence=msgspec.structs.replace(sequence, before=outcome.sequence))


def of_epoch(sequence: Sequence, epoch: int) -> Sequence | None:
    """The sequence of an epoch, of the two that are kept."""
    if epoch == sequence.epoch:
        return sequence
    return sequence.before if sequence.before is not None and epoch == sequence.before.epoch else None


def take_older(sequence: Sequence, older: Gap, number: int, time: int) -> Taken | None:
    """Take in a number that an older gap may lack; None where it does not."""
    outcome = take(Sequence(number, [older], epoch=older.epoch), number, "", time, older.epoch)
    if isinstance(outcome, Repeated):
        return None
    left = outcome.sequence.gaps[0] if outcome.sequence.gaps else msgspec.structs.replace(older, missing=[])
    return Taken(_later(sequence, older.epoch, time), closed=outcome.closed, older=left)


def _later(sequence: Sequence, epoch: int, time: int) -> Sequence:
    """The sequence once something of an epoch with this `time` came."""
    if epoch != sequence.epoch and sequence.before is not None:
        return msgspec.structs.replace(sequence, before=_later(sequence.before, epoch, time))
    return msgspec.structs.replace(sequence, latest=max(time, sequence.latest))


def put_away(sequence: Sequence) -> tuple[Sequence, list[Gap]]:
    """The sequence with no more gaps than are at hand, and the older ones of which it had more."""
    if len(sequence.gaps) <= GAPS_MAX:
        return sequence, []
    kept, older = sequence.gaps[-GAPS_MAX // 2 :], sequence.gaps[: -GAPS_MAX // 2]
    return msgspec.structs.replace(sequence, gaps=kept, older=True), older
