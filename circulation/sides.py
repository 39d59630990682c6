"""The tallies of the sides of a contract by day: where a report near midnight counts, and which side is silent.

A day is settled after the one before it, and hands on what the next one needs (`Settled`). A report near
the midnight that ends the day, on either side of it, counts as a whole and once: on this day or on the next, as the
sides then differ less on this day; the next one begins with what was decided. So days are settled one after the other,
and whatever came in whatever order, the same is settled.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Final, NamedTuple

import msgspec

from circulation.events.names import REPORTERS

MEASURES: Final = ("uses", "bytes", "rows", "persons")
# Of the days on which a reporter kept up with another so many are counted.
STREAK_MAX: Final = 31

# Of each measure what is said; None where nothing is.
Amounts = Sequence[int | None]
# By reporter.
Tallies = Mapping[int, Amounts]

NOTHING: Final[Amounts] = (None,) * len(MEASURES)


class Settled(msgspec.Struct, array_like=True):
    """The settled tallies of a day, by reporter: what counts on it, and what the days after it go on from.

    `moved` is what was said near the midnight at its end and counts on the next day. `streaks` tells, by reporter, by
    the other one and by measure (`_pair`), on how many of the last days on which the other one stated that measure the
    reporter stated it as well, to `STREAK_MAX`. `stated` are the measures (a bit each) that were ever stated by then.
    """

    tallies: dict[int, Amounts] = {}
    moved: dict[int, Amounts] = {}
    streaks: dict[int, int] = {}
    stated: dict[int, int] = {}

    def hands_on(self, settled: "Settled | None") -> bool:
        """Whether the days after it go on from something else than after another one."""
        before = settled or Settled()
        return (self.moved, self.streaks, self.stated) != (before.moved, before.streaks, before.stated)


class Parts(NamedTuple):
    """Tallies of a day by reporter: near the midnight at which it begins, near the one at which it ends, and between;
    and on the next day near the latter, and farther from it."""

    head: dict[int, Amounts]
    between: dict[int, Amounts]
    tail: dict[int, Amounts]
    next_head: dict[int, Amounts]
    next_rest: dict[int, Amounts]


def plus(amounts: Amounts, addends: Amounts) -> Amounts:
    """Add amounts; a measure that neither states stays unstated."""
    return [
        amount if more is None else more if amount is None else amount + more
        for amount, more in zip(amounts, addends, strict=True)
    ]


def added(*parts: Tallies) -> dict[int, Amounts]:
    """Add tallies by reporter."""
    total: dict[int, Amounts] = {}
    for tallies in parts:
        for reporter, amounts in tallies.items():
            total[reporter] = plus(total.get(reporter, NOTHING), amounts)
    return dict(sorted(total.items()))


def settle(parts: Parts, day_before: Settled | None, before: Settled | None, silent_days: int) -> Settled:
    """Settle a day.

    1. Begin with what counts on it of the midnight before: what the day before left for it, where that was settled.
    2. Decide where counts what was said near the midnight at its end: on the next day, where nothing was on this one.
    3. Note who kept up with whom, and who has stated what by now.

    `day_before` is the day just before it, `before` the last one that was settled.
    """
    start = parts.head if day_before is None else day_before.moved
    base, edge = added(parts.between, start), added(parts.tail, parts.next_head)
    staying: frozenset[int] = frozenset()
    if edge and (base or parts.tail):
        staying = _staying(base, edge, parts, before, silent_days)
    tallies = added(base, {reporter: amounts for reporter, amounts in edge.items() if reporter in staying})
    moved = {reporter: amounts for reporter, amounts in edge.items() if reporter not in staying}
    streaks = {} if before is None else dict(before.streaks)
    for reporter, counterpart, measure in _pairs():
        if _of(tallies, counterpart, measure) is not None:
            key = _pair(reporter, counterpart, measure)
            kept_up = _of(tallies, reporter, measure) is not None
            streaks[key] = min(streaks.get(key, 0) + 1, STREAK_MAX) if kept_up else 0
    stated = {} if before is None else dict(before.stated)
    for reporter, amounts in tallies.items():
        bits = sum(1 << at for at, amount in enumerate(amounts) if amount is not None)
        stated[reporter] = stated.get(reporter, 0) | bits
    streaks = {key: count for key, count in sorted(streaks.items()) if count}
    return Settled(tallies, moved, streaks, dict(sorted(stated.items())))


def silent(tallies: Tallies, before: Settled | None, silent_days: int) -> dict[int, Amounts]:
    """By reporter who says nothing of a day what it has reported 0 of: what others state of it, and what it stated on
    each of the last days, at least `silent_days`, on which they did."""
    silent_amounts: dict[int, Amounts] = {}
    if before is None:
        return silent_amounts
    for reporter in range(len(REPORTERS)):
        if reporter in tallies:
            continue
        amounts = [
            0
            if any(
                amounts[measure] is not None
                and before.streaks.get(_pair(reporter, counterpart, measure), 0) >= silent_days
                for counterpart, amounts in tallies.items()
            )
            else None
            for measure in range(len(MEASURES))
        ]
        if amounts != [*NOTHING]:
            silent_amounts[reporter] = amounts
    return silent_amounts


def silent_of_month(tallies: Tallies, stated: Mapping[int, int]) -> dict[int, Amounts]:
    """The same of a month: it is 0 of all that it ever stated, however many days it kept up with the others."""
    return {
        reporter: [0 if bits >> measure & 1 else None for measure in range(len(MEASURES))]
        for reporter, bits in stated.items()
        if reporter not in tallies and bits
    }


def differing(tallies: Tallies, percent: Fraction) -> dict[str, dict[str, int]]:
    """The measures in which two reporters differ by more than so many percent of the largest, with what they say."""
    differences = {}
    for at, measure in enumerate(MEASURES):
        stated = {
            reporter: amount for reporter, amounts in sorted(tallies.items()) if (amount := amounts[at]) is not None
        }
        if stated and (max(stated.values()) - min(stated.values())) * 100 > max(stated.values()) * percent:
            differences[measure] = {REPORTERS[reporter]: amount for reporter, amount in stated.items()}
    return differences


def _staying(base: Tallies, edge: Tallies, parts: Parts, before: Settled | None, silent_days: int) -> frozenset[int]:
    """The reporters whose edge counts on the day that ends there.

    Of all ways to count them that one in which the sides differ least on this day, and of equal ones on the next one,
    as far as that is told by then. Of equal ones that in which most count on the day on which they begin (where
    something was said before midnight that is this day), and of these the first reporter's on this day.
    """
    no_amounts: dict[int, Amounts] = {}

    def rank(staying: Sequence[bool]) -> tuple[list[Fraction], list[Fraction], int, list[bool]]:
        staying_here = {
            reporter: amounts for (reporter, amounts), stays in zip(edge.items(), staying, strict=True) if stays
        }
        moving_on = {reporter: amounts for reporter, amounts in edge.items() if reporter not in staying_here}
        counted = added(base, staying_here)
        return (
            _apart(counted, added(base, edge), silent(counted, before, silent_days)),
            _apart(added(parts.next_rest, moving_on), added(parts.next_rest, edge), no_amounts),
            sum((reporter in staying_here) != (reporter in parts.tail) for reporter in edge),
            [not stays for stays in staying],
        )

    best = min(product((True, False), repeat=len(edge)), key=rank)
    return frozenset(reporter for reporter, stays in zip(edge, best, strict=True) if stays)


def _apart(counted: Tallies, whole: Tallies, silent_: Tallies) -> list[Fraction]:
    """How far reporters are apart, the measure that is farthest first, each in proportion to the largest tally that it
    can have. A reporter whose edge counts elsewhere has none of it here, and is not silent."""
    distances = []
    for at in range(len(MEASURES)):
        stated = {
            reporter: _of(counted, reporter, at) or 0 for reporter, amounts in whole.items() if amounts[at] is not None
        }
        largest = max((amounts[at] or 0 for amounts in whole.values()), default=0)
        stated |= {
            reporter: 0 for reporter, amounts in silent_.items() if reporter not in whole and amounts[at] is not None
        }
        distances.append(
            Fraction(max(stated.values()) - min(stated.values()), largest) if stated and largest > 0 else Fraction(0)
        )
    return sorted(distances, reverse=True)


def _of(tallies: Tallies, reporter: int, measure: int) -> int | None:
    amounts = tallies.get(reporter)
    return None if amounts is None else amounts[measure]


def _pairs() -> Iterator[tuple[int, int, int]]:
    reporters = range(len(REPORTERS))
    return (
        (reporter, counterpart, at)
        for reporter in reporters
        for counterpart in reporters
        if reporter != counterpart
        for at in range(len(MEASURES))
    )


def _pair(reporter: int, counterpart: int, measure: int) -> int:
    return (reporter * len(REPORTERS) + counterpart) * len(MEASURES) + measure
