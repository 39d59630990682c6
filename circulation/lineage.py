"""Looking through: from an asset to what it was derived from, over any number of steps.

A match of the negative list is inherited by everything derived from what matched, so a finding has to name the
nearest asset that matched and the way from there. Both must come out the same whatever order the derivations were
read in: ties are broken by the ids. Everything here takes time linear in the edges (apart from sorting ids of equal
distance), never recurses, and stands cycles.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

STOPPING_PROCESSES = frozenset({"aggregate", "model", "anonymise"})


class Edge(NamedTuple):
    """One derivation: `output` was derived from `input` at `time` (µs). `stops` is the answer of `stops()`.

    `share` is the part of `output` that came from `input`, 0 … 1, where it was stated (see `shares`). `same`: they are
    two names of one thing. With `then`, `input` counts as it was at that instant (µs): under the name that it had,
    something else may be later.
    """

    output: str
    input: str
    time: int
    stops: bool
    share: float | None = None
    same: bool = False
    then: int | None = None


# Later than any instant.
NEVER = 2**62

# A run of many inputs and outputs stands between them in the graph, or it would be as many edges as their product. Its
# node begins with a character that no id may hold, lies on no path, and adds nothing to a distance. A path through
# it holds from the later of the two times on.
RUN_MARK = "\x1d"
_DIGEST_BYTES = 16


def run_node(run: str, part: str) -> str:
    """A node of a run: `run` is what identifies it, `part` tells several nodes of one run apart."""
    return f"{RUN_MARK}{hashlib.blake2b(run.encode(), digest_size=_DIGEST_BYTES).hexdigest()}{part}"


# Nodes of the same kind that are no runs, and are told by what follows the mark. Through the one an asset is derived
# from another as that was then; to the other leads nothing: it says what the asset went through.
_THEN_MARK = f"{RUN_MARK}@"
CHANGE_MARK = f"{RUN_MARK}!"


def then_node(asset: str, time: int) -> str:
    """The node of an asset as it was at an instant (µs): what comes into it later does not lead through the node."""
    return f"{_THEN_MARK}{hashlib.blake2b(asset.encode(), digest_size=_DIGEST_BYTES).hexdigest()}{time}"


def change_node(change: str) -> str:
    """The node that says of an asset that it went through a change."""
    return f"{CHANGE_MARK}{change}"


def is_run(node: str) -> bool:
    """Whether a node of the graph is a run or another that is no asset."""
    return node.startswith(RUN_MARK)


def steps(edges: Mapping[str, Iterable[Edge]], output: str) -> list[Edge]:
    """The derivations of an asset, with those that lead through a run as what they mean: one step each."""
    found_steps = []
    for edge in edges.get(output, ()):
        if not is_run(edge.input):
            found_steps.append(edge)
            continue
        is_then = edge.input.startswith(_THEN_MARK)
        for half in edges.get(edge.input, ()):
            if half.input != output:
                then = half.time if is_then else None
                found_steps.append(half._replace(output=output, time=max(edge.time, half.time), then=then))
    return found_steps


class Inputs:
    """The inputs of an asset in one step, and when they were stated again, in the order of time.

    `untold` is the latest `time` of a derivation of which no act of the asset tells: a run's. `stated` are the times of
    the statements of each input. Both may begin at an instant, and what was before it be left out.
    """

    def __init__(self, edges: Iterable[Edge], stated: Mapping[str, Iterable[int]], untold: int) -> None:
        self._edges = sorted(edges, key=_time)
        self._stated = sorted((time, input_) for input_, times in stated.items() for time in times)
        self.untold = untold

    def edges(self, after: int, until: int) -> Sequence[Edge]:
        """The derivations that are later than an instant, and not after another."""
        edges = self._edges
        return edges[bisect_right(edges, after, key=_time) : bisect_right(edges, until, key=_time)]

    def stated(self, after: int, until: int) -> list[str]:
        """The inputs of which something was stated later than an instant, and not after another."""
        stated = self._stated
        begin, end = (bisect_right(stated, instant, key=_first) for instant in (after, until))
        return [input_ for _, input_ in stated[begin:end]]


def _time(edge: Edge) -> int:
    return edge.time


def _first(pair: tuple[int, str]) -> int:
    return pair[0]


def stops(process: str, irreversible: bool | None, evidence: str | None) -> bool:
    """Whether a derivation ends the inheritance of an entry that is not sticky.

    All three are asked for: an irreversible process, of a kind that can be irreversible, with a document to show.
    """
    return irreversible is True and process in STOPPING_PROCESSES and bool(evidence)


class Ancestry(msgspec.Struct, frozen=True):
    """The ancestors of an asset, as of an instant.

    `distances` maps each asset reached, `asset` itself at 0 included, to the number of steps to it, in the order of
    the distances. `onward` maps each ancestor to the next step of its shortest path back to `asset`: an asset, or
    where more of it is reached a way further round what `_named_again` made of it. `then` are those that count only as
    they were at an earlier instant (µs): under the name that they had, something else may be by now.
    """

    asset: str
    distances: Mapping[str, int]
    onward: Mapping[str, str]
    then: Mapping[str, int] = {}

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


_AGAIN_MARK = f"{RUN_MARK}~"


def _named_again(asset: str, times: int) -> str:
    """The step of a path at which an asset is reached once more, with more of what came into it."""
    return f"{_AGAIN_MARK}{times}{RUN_MARK}{asset}"


def _asset_of(step: str) -> str:
    return step.rpartition(RUN_MARK)[2] if step.startswith(_AGAIN_MARK) else step


class _Search:
    """A search layer by layer, in which an asset may be reached within a bound: only part of what is behind it counts.

    Where it is reached again within a wider bound, a way further round, what is behind it is searched once more.
    """

    __slots__ = ("_newest", "_top", "bounds", "distance", "distances", "following", "onward")

    def __init__(self, asset: str, top: int) -> None:
        self._top = top
        # By step the bound within which it was reached, where that is not `top`; by asset its newest step and distance.
        self.bounds: dict[str, int] = {}
        self._newest: dict[str, tuple[str, int]] = {}
        self.distances = {asset: 0}
        self.onward: dict[str, str] = {}
        self.following: list[str] = []
        self.distance = 0

    def layers(self, asset: str) -> Iterator[list[str]]:
        """The steps of each layer, of which all that lies ahead is to be `reach`ed before the next."""
        layer = [asset]
        while layer:
            self.distance += 1
            self.following = []
            yield layer
            layer = self.following

    def reach(self, asset: str, via: str, bound: int) -> None:
        """Reach an asset in one step from another, within a bound."""
        known = self.distances.get(asset)
        if known is None:
            self.distances[asset] = self.distance
            self.onward[asset] = via
            self.following.append(asset)
            if bound < self._top:
                self.bounds[asset] = bound
            return
        step = asset
        if self._newest and asset in self._newest:
            step, known = self._newest[asset]
        before = self.bounds.get(step, self._top)
        if bound <= before:
            # Another step of a shortest path. From the origin on, the smallest next id at every step makes the
            # smallest sequence, for all steps that lead one layer down are on a shortest path.
            if known == self.distance and bound == before and _asset_of(via) < _asset_of(self.onward[step]):
                self.onward[step] = via
            return
        if known < self.distance:
            step = _named_again(asset, self.distance)
            self._newest[asset] = (step, self.distance)
            self.following.append(step)
        self.onward[step] = via
        if bound < self._top:
            self.bounds[step] = bound
        else:
            self.bounds.pop(step, None)

    def within(self, asset: str) -> int:
        """The widest bound within which an asset was reached."""
        step = self._newest[asset][0] if asset in self._newest else asset
        return self.bounds.get(step, self._top)


def ancestry(
    edges: Mapping[str, Iterable[Edge]] | Iterable[Edge], asset: str, at: int, through_stops: bool
) -> Ancestry:
    """Everything `asset` was derived from by the instant `at` (µs), with the distance of each.

    `edges` may hold more than concerns the asset; a mapping gives the edges by their output. Edges later than `at`
    do not count; those that stop count only with `through_stops`, which is how a sticky entry looks. From an output
    through a run to its inputs is one step.
    """
    by_output: Mapping[str, Iterable[Edge]]
    if isinstance(edges, Mapping):
        by_output = edges
    else:
        grouped: dict[str, list[Edge]] = {}
        for edge in edges:
            grouped.setdefault(edge.output, []).append(edge)
        by_output = grouped

    search = _Search(asset, at)
    reach, bounds = search.reach, search.bounds
    met_runs: set[str] = set()
    for layer in search.layers(asset):
        # The runs of this layer, each by the smallest of its outputs here. Of one that was met before nothing is new.
        through: dict[str, str] = {}
        for step in layer:
            until = bounds.get(step, at) if bounds else at
            output = _asset_of(step)
            for _, source, time, stopping, _, _, then in by_output.get(output, ()):
                if time > until or (stopping and not through_stops):
                    continue
                if not source.startswith(RUN_MARK):
                    reach(source, step, at if then is None else min(then, at))
                elif source.startswith(_THEN_MARK):
                    for half in by_output.get(source, ()):
                        reach(half.input, step, min(half.time, at))
                elif until < at:
                    for half in by_output.get(source, ()):
                        if half.time <= until and source not in met_runs:
                            reach(half.input, step, at)
                elif source not in met_runs:
                    through[source] = min(step, through.get(source, step), key=_asset_of)
        met_runs.update(through)
        for run, step in through.items():
            for _, source, time, _, _, _, _ in by_output.get(run, ()):
                if time <= at:
                    reach(source, step, at)
    as_of = {member: search.within(member) for member in map(_asset_of, bounds) if search.within(member) < at}
    return Ancestry(asset, search.distances, search.onward, as_of)


def descent(turned: Mapping[str, Iterable[Edge]], asset: str, at: int, through_stops: bool) -> Ancestry:
    """Everything that was derived from `asset` by the instant `at` (µs), with the distance of each.

    `turned` are edges turned round, by what was derived from: their `input` is what was derived. A derivation from
    something as it was at an instant holds only the inputs that this had by then.
    """
    search = _Search(asset, NEVER)
    met_runs: dict[str, int] = {}
    for layer in search.layers(asset):
        # The runs of this layer, each with its earliest input, of equal ones the smallest.
        through: dict[str, tuple[int, str, str]] = {}
        for step in layer:
            source = _asset_of(step)
            # A later input has fewer of the later names: bounds are times with their signs turned.
            since = -search.bounds.get(step, NEVER)
            for edge in turned.get(source, ()):
                if edge.time > at or (edge.stops and not through_stops):
                    continue
                if edge.input.startswith(_THEN_MARK):
                    for half in turned.get(edge.input, ()):
                        if since <= half.time <= at:
                            search.reach(half.input, step, -half.time)
                elif is_run(edge.input):
                    entry = (edge.time, source, step)
                    through[edge.input] = min(entry, through.get(edge.input, entry))
                elif edge.then is None or since <= edge.then:
                    search.reach(edge.input, step, -edge.time)
        for run, (time, _, step) in through.items():
            if time < met_runs.get(run, NEVER):
                met_runs[run] = time
                for half in turned.get(run, ()):
                    if half.time <= at:
                        search.reach(half.input, step, -max(time, half.time))
    return Ancestry(asset, search.distances, search.onward)


def shortest_path(ancestry: Ancestry, origin: str) -> list[str]:
    """The ids from `origin` to the asset: of the shortest ways the lexicographically smallest.

    Raises `KeyError` where `origin` is not in the ancestry.
    """
    ancestry.distances[origin]
    step = origin
    path = [step]
    while step != ancestry.asset:
        step = ancestry.onward[step]
        path.append(_asset_of(step))
    return path


def holds(edges: Mapping[str, Iterable[Edge]], path: Sequence[str], at: int) -> bool:
    """Whether what had another name on a path, and counts as it was then, holds what lies before it on the path."""
    until = at
    for input_, output in zip(path[-2::-1], path[:0:-1], strict=True):
        steps_ = [step for step in edges.get(output, ()) if step.input == input_ and step.time <= until]
        if not steps_:
            return False
        until = max(at if step.then is None else min(at, step.then) for step in steps_)
    return True


# Steps that a search for paths takes, where assets derive from each other in circles.
PATH_STEPS_MAX = 100_000


def shortest_paths(
    ancestry: Ancestry,
    outputs: Mapping[str, Iterable[str]],
    origin: str,
    count_max: int,
    steps_max: int = PATH_STEPS_MAX,
    holds: Callable[[Sequence[str]], bool] = lambda _: True,
) -> tuple[list[list[str]], bool]:
    """The shortest paths from `origin` to the asset that hold, and whether these are all that there are.

    `outputs` are what was derived from each asset in one step. The shortest first, of equal ones in the order of their
    ids; no asset twice on a path. `steps_max` steps are taken at most: circles may hold more paths than anybody counts.
    """
    ahead = ancestry.distances
    paths: list[list[str]] = []
    # A prefix comes before what continues it, so the paths of one length come in the order of their ids.
    heap: list[tuple[int, tuple[str, ...]]] = [(ahead[origin], (origin,))]
    while heap:
        if len(paths) == count_max or steps_max <= 0:
            return paths, False
        _, path = heappop(heap)
        steps_max -= 1
        if path[-1] == ancestry.asset:
            if holds(path):
                paths.append(list(path))
            continue
        for output in outputs.get(path[-1], ()):
            if output in ahead and output not in path:
                heappush(heap, (len(path) + ahead[output], (*path, output)))
    return paths, True


def nearest(ancestry: Ancestry, matches: Callable[[str], bool] | AbstractSet[str]) -> str | None:
    """The origin: of the assets that match the one at the smallest distance, of equal ones the smallest id.

    `matches` is a set of ids, or a predicate, which is asked nearest first and no longer than needed.
    """
    if isinstance(matches, AbstractSet):
        distances = ancestry.distances
        reached = (
            matches & distances.keys() if len(matches) > len(distances) else filter(distances.__contains__, matches)
        )
        return min(reached, key=lambda candidate: (distances[candidate], candidate), default=None)
    for layer in ancestry.layers():
        for candidate in layer:
            if matches(candidate):
                return candidate
    return None
