"""Looking through: from an asset to what it was derived from, over any number of steps.

A match of the negative list is inherited by everything derived from what matched, so a finding has to name the
nearest asset that matched and the way from there. Both must come out the same whatever order the derivations were
read in: ties are broken by the ids. Everything here takes time linear in the edges (apart from sorting ids of equal
distance), never recurses, and stands cycles.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

STOPPING_PROCESSES = frozenset({"aggregate", "model", "anonymise"})


class Edge(NamedTuple):
    """One derivation: `output` was derived from `input` at `time` (µs). `stops` is the answer of `stops()`.

    `share` is the part of `output` that came from `input`, 0 … 1, where it was stated (see `shares`). `same`: they are
    two names of one thing.
    """

    output: str
    input: str
    time: int
    stops: bool
    share: float | None = None
    same: bool = False


def stops(process: str, irreversible: bool | None, evidence: str | None) -> bool:
    """Whether a derivation ends the inheritance of an entry that is not sticky.

    All three are asked for: an irreversible process, of a kind that can be irreversible, with a document to show.
    """
    return irreversible is True and process in STOPPING_PROCESSES and bool(evidence)


class Ancestry(msgspec.Struct, frozen=True):
    """What an asset was derived from, as of an instant.

    `distances` maps each asset reached, `asset` itself at 0 included, to the number of steps to it, in the order of
    the distances. `onward` maps each ancestor to the next step of its shortest path back to `asset`.
    """

    asset: str
    distances: Mapping[str, int]
    onward: Mapping[str, str]

    def ancestors(self) -> Iterator[str]:
        """All assets reached but the asset itself, nearest first."""
        return (reached for reached in self.distances if reached != self.asset)

    def layers(self) -> Iterator[list[str]]:
        """The assets of each distance, from 0 up, each layer in the order of the ids."""
        layer: list[str] = []
        distance = 0
        for reached, at_distance in self.distances.items():
            if at_distance != distance:
                yield sorted(layer)
                layer, distance = [], at_distance
            layer.append(reached)
        yield sorted(layer)


def ancestry(
    edges: Mapping[str, Iterable[Edge]] | Iterable[Edge], asset: str, at: int, through_stops: bool
) -> Ancestry:
    """Everything `asset` was derived from by the instant `at` (µs), with the distance of each.

    `edges` may hold more than concerns the asset; a mapping gives the edges by their output. Edges later than `at`
    do not count; those that stop count only with `through_stops`, which is how a sticky entry looks.
    """
    by_output: Mapping[str, Iterable[Edge]]
    if isinstance(edges, Mapping):
        by_output = edges
    else:
        grouped: dict[str, list[Edge]] = {}
        for edge in edges:
            grouped.setdefault(edge.output, []).append(edge)
        by_output = grouped

    distances = {asset: 0}
    onward: dict[str, str] = {}
    layer = [asset]
    distance = 0
    while layer:
        distance += 1
        following: list[str] = []
        for output in layer:
            for _, source, time, stopping, _, _ in by_output.get(output, ()):
                if time > at or (stopping and not through_stops):
                    continue
                known = distances.get(source)
                if known is None:
                    distances[source] = distance
                    onward[source] = output
                    following.append(source)
                elif known == distance and output < onward[source]:
                    # Another step of a shortest path. From the origin on, the smallest next id at every step makes
                    # the smallest sequence, for all steps that lead one layer down are on a shortest path.
                    onward[source] = output
        layer = following
    return Ancestry(asset, distances, onward)


def shortest_path(ancestry: Ancestry, origin: str) -> list[str]:
    """The ids from `origin` to the asset: of the shortest ways the lexicographically smallest.

    Raises `KeyError` where `origin` is not in the ancestry.
    """
    step = origin
    path = [step]
    for _ in range(ancestry.distances[origin]):
        step = ancestry.onward[step]
        path.append(step)
    return path


# Steps that a search for paths takes, where assets derive from each other in circles.
PATH_STEPS_MAX = 100_000


def shortest_paths(
    ancestry: Ancestry,
    outputs: Mapping[str, Iterable[str]],
    origin: str,
    count_max: int,
    steps_max: int = PATH_STEPS_MAX,
) -> tuple[list[list[str]], bool]:
    """The shortest paths from `origin` to the asset, and whether these are all that there are.

    `outputs` are what was derived from each asset in one step. The shortest first, of equal ones in the order of their
    ids; no asset twice on a path. `steps_max` steps are taken at most: circles may hold more paths than anybody counts.
    """
    ahead = ancestry.distances
    found: list[list[str]] = []
    # A prefix comes before what continues it, so the paths of one length come in the order of their ids.
    heap: list[tuple[int, tuple[str, ...]]] = [(ahead[origin], (origin,))]
    while heap:
        if len(found) == count_max or steps_max <= 0:
            return found, False
        _, path = heappop(heap)
        steps_max -= 1
        if path[-1] == ancestry.asset:
            found.append(list(path))
            continue
        for output in outputs.get(path[-1], ()):
            if output in ahead and output not in path:
                heappush(heap, (len(path) + ahead[output], (*path, output)))
    return found, True


def nearest(ancestry: Ancestry, matches: Callable[[str], bool] | AbstractSet[str]) -> str | None:
    """The origin: of the assets that match the one at the smallest distance, of equal ones the smallest id.

    `matches` is a set of ids, or a predicate, which is asked nearest first and no longer than needed.
    """
    if isinstance(matches, AbstractSet):
        distances = ancestry.distances
        reached = (
            matches & distances.keys() if len(matches) > len(distances) else filter(distances.__contains__, matches)
        )
        return min(reached, key=lambda one: (distances[one], one), default=None)
    for layer in ancestry.layers():
        for candidate in layer:
            if matches(candidate):
                return candidate
    return None
