"""Shares of origin: how much of an asset came from each of its ancestors.

Shares multiply along a path and add up over the paths. On a path each asset counts once, so that a cycle does not feed
itself. A share that nobody stated is assumed, and says so: inputs without a share divide evenly what the stated ones
leave, and shares that come to more than the whole are scaled down to it.

Apart from cycles all this takes time linear in the derivations. The paths within a cycle can be more than anybody can
walk; they are walked to a limit, and what lies there or behind has *at least* the share that was found.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from circulation.lineage import Edge, then_node

# Steps that are walked within cycles: a ring of n assets takes n of them, n assets that all derive from each other n!.
STEPS_MAX = 200_000
# The excess over the whole that sums of rounded shares may have.
EXCESS_MAX = 1e-6


Inputs = Callable[[str], Mapping[str, "Part"]]


class Part(NamedTuple):
    """The share of one input in its output, 0 … 1; `assumed` where it is not as stated."""

    share: float
    assumed: bool


class Origin(NamedTuple):
    """The share of an ancestor in the asset, 0 … 1.

    `assumed`: some share on the way was. `at_least`: not all paths were walked.
    """

    share: float
    assumed: bool
    at_least: bool


def stated(inputs: Iterable[tuple[str, float | None]]) -> dict[str, float | None]:
    """The share of each input of one statement; of one that is named twice the sum, none above the whole."""
    shares: dict[str, float | None] = {}
    for asset, share in inputs:
        before = shares.get(asset)
        shares[asset] = share if before is None else min(1.0, before + (share or 0.0))
    return shares


def parts(edges: Iterable[Edge]) -> dict[str, Part]:
    """The share of each input in one output, by all statements of that output: of one input the latest counts.

    Another name of the output is the whole of it, and takes nothing from what it was made of.
    """
    latest: dict[str, float | None] = {}
    kept = list(edges)
    same = {edge.input for edge in kept if edge.same}
    for edge in sorted(kept, key=lambda edge: (edge.time, edge.share is not None, edge.share or 0.0, edge.input)):
        if edge.input not in same and (edge.share is not None or edge.input not in latest):
            latest[edge.input] = edge.share
    known = math.fsum(share for share in latest.values() if share is not None)
    unknown = sum(share is None for share in latest.values())
    too_much = known > 1 + EXCESS_MAX
    left = max(0.0, 1.0 - known) / unknown if unknown else 0.0
    known_parts = {
        asset: Part(left, True) if share is None else Part(share / known if too_much else share, too_much)
        for asset, share in latest.items()
    }
    return {asset: known_parts.get(asset, Part(1.0, False)) for asset in sorted({*known_parts, *same})}


def origins(
    edges: Mapping[str, Iterable[Edge]],
    asset: str,
    at: int,
    steps_max: int = STEPS_MAX,
    *,
    of_each: dict[str, dict[str, Part]] | None = None,
) -> dict[str, Origin]:
    """The share of each ancestor of `asset` by the derivations made by the instant `at` (µs); `edges` by output.

    To `of_each` is added what each input is of each output on the way. An asset under an earlier name counts as it was
    then: it has a node beside the asset of that name now, with its inputs of then, until their shares are added.
    """
    inputs: dict[str, dict[str, Part]] = {}
    then: dict[str, tuple[str, int]] = {}

    def of(output: str) -> dict[str, Part]:
        output_parts = inputs.get(output)
        if output_parts is None:
            name, until = then.get(output, (output, at))
            earlier = [edge for edge in edges.get(name, ()) if edge.time <= until and edge.input not in (name, output)]
            output_parts = parts(earlier)
            if of_each is not None and output == name:
                of_each[output] = output_parts
            output_parts = inputs[output] = {
                _named(input_, earlier, then): part for input_, part in output_parts.items()
            }
        return output_parts

    flows = {asset: Origin(1.0, False, False)}
    # A flow that leaves a group of assets that derive from each other never returns, so the groups come in turn.
    for group in reversed(list(_groups(asset, of))):
        if len(group) > 1:
            entered = {member: flows.pop(member) for member in group if member in flows}
            steps_max -= _circle(frozenset(group), entered, of, flows, steps_max)
        members = set(group)
        for member in group:
            share, assumed, at_least = flows[member]
            for source, part in of(member).items():
                if source not in members:
                    more = Origin(share * part.share, assumed or part.assumed, at_least)
                    flows[source] = _sum(flows.get(source), more)
    for node, (name, _) in then.items():
        if node in flows:
            flows[name] = _sum(flows.get(name), flows.pop(node))
    del flows[asset]
    return {origin: flow._replace(share=min(1.0, flow.share)) for origin, flow in flows.items()}


def _named(input_: str, edges: Iterable[Edge], then: dict[str, tuple[str, int]]) -> str:
    """The node of an input: of one that counts as it was at an instant one of its own, whose name and instant `then`
    has."""
    bounds = [edge.then for edge in edges if edge.input == input_]
    until = max((bound for bound in bounds if bound is not None), default=None)
    if until is None or None in bounds:
        return input_
    node = then_node(input_, until)
    then[node] = (input_, until)
    return node


def _sum(origin: Origin | None, addend: Origin) -> Origin:
    if origin is None:
        return addend
    return Origin(origin.share + addend.share, origin.assumed or addend.assumed, origin.at_least or addend.at_least)


def _circle(
    group: frozenset[str], entered: Mapping[str, Origin], of: Inputs, flows: dict[str, Origin], steps_max: int
) -> int:
    """Walks the paths within a group, from where it was entered; answers with the steps that it took."""
    steps = 0
    for entry, flow in sorted(entered.items()):
        flows[entry] = _sum(flows.get(entry), flow)
        path = [(entry, flow, _within(group, of, entry))]
        walked = {entry}
        while path:
            member, (share, assumed, at_least), ahead = path[-1]
            following = next((candidate for candidate in ahead if candidate[0] not in walked), None)
            if following is None:
                path.pop()
                walked.discard(member)
                continue
            if steps >= steps_max:
                _cut(group, flows)
                return steps
            steps += 1
            source, part = following
            reached = Origin(share * part.share, assumed or part.assumed, at_least)
            flows[source] = _sum(flows.get(source), reached)
            walked.add(source)
            path.append((source, reached, _within(group, of, source)))
    return steps


def _within(group: frozenset[str], of: Inputs, output: str) -> Iterator[tuple[str, Part]]:
    return ((source, part) for source, part in of(output).items() if source in group)


def _cut(group: frozenset[str], flows: dict[str, Origin]) -> None:
    for member in group:
        flows[member] = flows.get(member, Origin(0.0, False, True))._replace(at_least=True)


def _groups(asset: str, of: Inputs) -> Iterator[list[str]]:
    """The assets above one, those that derive from each other together, sources first (Tarjan's algorithm)."""
    numbers: dict[str, int] = {asset: 0}
    lows = {asset: 0}
    open_ = [asset]
    is_open = {asset}
    path = [(asset, iter(of(asset)))]
    while path:
        output, ahead = path[-1]
        for source in ahead:
            if source not in numbers:
                numbers[source] = lows[source] = len(numbers)
                open_.append(source)
                is_open.add(source)
                path.append((source, iter(of(source))))
                break
            if source in is_open:
                lows[output] = min(lows[output], numbers[source])
        else:
            path.pop()
            if path:
                lows[path[-1][0]] = min(lows[path[-1][0]], lows[output])
            if lows[output] == numbers[output]:
                group = []
                while output in is_open:
                    group.append(open_.pop())
                    is_open.discard(group[-1])
                yield sorted(group)
