"""The heaviest lines of a list of any length, kept up to date as lines of it come and go."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar


class Weighed(Protocol):
    """A line of a list."""

    @property
    def points(self) -> int:
        """Its weight."""


_L = TypeVar("_L", bound=Weighed)


class Move(NamedTuple, Generic[_L]):
    """A line that went, (points, rank), and the one that came in its place, with its rank."""

    gone: tuple[int, str] | None
    came: tuple[str, _L] | None


class Heaviest(Generic[_L]):
    """Of a list of `total` lines at most `count` that are known, by their ranks: those of most points, of equal points
    of the highest ranks. No two lines have one rank.

    After lines went, it may be short of some that were not known.
    """

    def __init__(self, total: int, lines: Iterable[tuple[str, _L]], count: int) -> None:
        self._total = total
        self._count = count
        self._lines = dict(lines)
        self._ranks = sorted(self._lines)
        self._weights = sorted((line.points, rank) for rank, line in self._lines.items())

    def move(self, move: Move[_L]) -> None:
        """Have a line of the list go, and another come."""
        if move.gone is not None:
            self._total -= 1
            if move.gone[1] in self._lines:
                self._drop(move.gone)
        if move.came is not None:
            rank, line = move.came
            # A line lighter than all that are known may be lighter than others, too.
            if len(self._weights) == self._total or (self._weights and self._weights[0] < (line.points, rank)):
                self._lines[rank] = line
                insort(self._ranks, rank)
                insort(self._weights, (line.points, rank))
            self._total += 1

    def __len__(self) -> int:
        return len(self._lines)

    def _drop(self, weight: tuple[int, str]) -> None:
        del self._lines[weight[1]]
        del self._ranks[bisect_left(self._ranks, weight[1])]
        del self._weights[bisect_left(self._weights, weight)]

    def is_short(self) -> bool:
        """Whether any of the `count` heaviest is not known. Further lines are dropped."""
        while len(self._weights) > self._count:
            self._drop(self._weights[0])
        return len(self._weights) < min(self._total, self._count)

    def lines(self) -> list[_L]:
        """The lines by their ranks."""
        return [self._lines[rank] for rank in self._ranks]
