"""Where lineage is looked up: in the store as it is, in the store as it was known once, or in memory.

All three answer the same question: what is reached from an asset, nearest first, over the derivations made by an
instant, and by which of them. So whoever asks need not know which of them answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from circulation import runs
from circulation.events import Event
from circulation.lineage import Edge, stops
from circulation.shares import stated
from streams.loading import ASSETS, COLUMNS, event_of, standing
from streams.store import Db
from streams.traced import LimitName

Way = Literal["up", "down"]
DERIVED, RUN, RETRACTED = "circulation.asset.derived", "openlineage.run", "circulation.event.retracted"


class Reached(NamedTuple):
    """The asset and what was reached from it, nearest first; and what each was derived from, by output.

    `cut` are the limits beyond which nothing was looked at.
    """

    assets: list[str]
    edges: dict[str, list[Edge]]
    cut: tuple[LimitName, ...] = ()


class Lineage(Protocol):
    """What answers with the derivations above and below an asset."""

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """What is reached from the asset by derivations made no later than `at` (µs).

        At most `assets_max` others, and no output whose inputs would be more than `derivations_max` in all.
        """


class Stored:
    """The store as it is: a recursive query, layer by layer."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """As `Lineage` says."""
        here, there = ("output", "input") if way == "up" else ("input", "output")
        # The names of the columns are ours. Both dialects stop the recursion once the limit is full.
        rows = self._db.rows(
            f"with recursive reached(node) as (select {here} from derivations where {here} = ? and time <= ?"  # noqa: S608
            f" union select d.{there} from derivations d join reached on d.{here} = reached.node where d.time <= ?)"
            " select node from reached limit ?",
            asset,
            at,
            at,
            assets_max + 2,
        )
        assets = list(dict.fromkeys([asset, *(row[0] for row in rows)]))
        cut: list[LimitName] = []
        if len(assets) > assets_max + 1:
            cut.append("assets_max")
            assets = assets[: assets_max + 1]
        # All inputs of each output, also those that are not shown: what is assumed of one depends on the others.
        found = self._db.rows(
            "select output, input, time, stops, share, same from derivations where output = any(?) and time <= ?"
            " order by output limit ?",
            assets,
            at,
            derivations_max + 1,
        )
        if len(found) > derivations_max:
            cut.append("derivations_max")
            found = [row for row in found if row[0] != found[-1][0]]
        return Reached(assets, _by_output(found), tuple(cut))


def _by_output(rows: Iterable[Sequence[object]]) -> dict[str, list[Edge]]:
    edges: dict[str, list[Edge]] = {}
    for output, input_, time, stopping, share, same in rows:
        edge = Edge(output, input_, time, bool(stopping), share, bool(same))  # type: ignore[arg-type]
        edges.setdefault(edge.output, []).append(edge)
    return edges


class AsKnown:
    """The store as it was known at an instant (µs of the clocks that took events in).

    What was taken back since stands again, and what came since is not there: read from the events themselves, one
    layer after another.
    """

    def __init__(self, db: Db, known_at: int) -> None:
        self._db = db
        self._known_at = known_at

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """As `Lineage` says."""
        found = {asset: None}
        layer = [asset]
        cut: list[LimitName] = []
        edges: dict[str, list[Edge]] = {}
        while layer and not cut:
            outputs = layer if way == "up" else self._outputs(layer, at)
            new = self._edges([one for one in outputs if one not in edges], at)
            if sum(map(len, edges.values())) + sum(map(len, new.values())) > derivations_max:
                cut.append("derivations_max")
                break
            edges.update(new)
            if way == "up":
                ahead = [edge.input for one in layer for edge in edges.get(one, ())]
            else:
                here = set(layer)
                ahead = [one for one in outputs if any(edge.input in here for edge in edges.get(one, ()))]
            layer = [one for one in dict.fromkeys(ahead) if one not in found]
            if len(found) - 1 + len(layer) > assets_max:
                cut.append("assets_max")
                layer = layer[: assets_max + 1 - len(found)]
            found.update(dict.fromkeys(layer))
        return Reached(list(found), edges, tuple(cut))

    def _outputs(self, inputs: Sequence[str], at: int) -> list[str]:
        """What may have been derived from these."""
        rows = self._db.rows(
            "select distinct e.subject, e.type from refs r join events e on e.id = r.event"
            " where r.kind = 'input' and r.ref = any(?) and e.taken <= ?",
            list(inputs),
            self._known_at,
        )
        found = {subject for subject, type_ in rows if type_ == DERIVED}
        found |= {step.output for step in self._run_steps({subject for subject, type_ in rows if type_ == RUN})}
        # A dataset's other names are in the runs that read or write it.
        found |= {step.output for step in self._run_steps(self._runs("output", inputs))}
        return sorted(found)

    def _runs(self, kind: str, assets: Sequence[str]) -> set[str]:
        rows = self._db.rows(
            "select distinct e.subject from refs r join events e on e.id = r.event"
            " where r.kind = ? and r.ref = any(?) and e.type = ? and e.taken <= ?",
            kind,
            list(assets),
            RUN,
            self._known_at,
        )
        return {row[0] for row in rows}

    def _run_steps(self, ids: Iterable[str]) -> dict[runs.Step, int]:
        found: dict[runs.Step, int] = {}
        for some in run_events(self._db, ids, self._known_at).values():
            for step, time in runs.derived(some).items():
                found[step] = min(time, found.get(step, time))
        return found

    def _edges(self, outputs: Sequence[str], at: int) -> dict[str, list[Edge]]:
        """All derivations of these outputs."""
        stood, values = standing(self._known_at)
        query = f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = ? and {stood}"  # noqa: S608
        found: dict[str, list[Edge]] = {one: [] for one in outputs}
        for row in sorted(self._db.rows(query, ASSETS, list(outputs), DERIVED, *values)):
            event = event_of(row)
            stopping = stops(event.data.process, event.data.irreversible, event.data.evidence)
            for source, share in stated((one.asset, one.share) for one in event.data.inputs).items():
                if source != event.subject and event.time <= at:
                    found[event.subject].append(Edge(event.subject, source, event.time, stopping, share))
        ids = self._runs("output", outputs) | self._runs("input", outputs)
        for step, time in self._run_steps(ids).items():
            if step.output in found and time <= at:
                found[step.output].append(Edge(step.output, step.input, time, False, None, step.same))
        return {one: some for one, some in found.items() if some}


def run_events(db: Db, ids: Iterable[str], known_at: int | None) -> Mapping[str, list[Event]]:
    """The events of runs and what takes them back, by run."""
    found: dict[str, list[Event]] = {}
    query = (
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?) and taken <= ?"  # noqa: S608
        " order by id"
    )
    if wanted := sorted(ids):
        for row in db.rows(query, ASSETS, wanted, [RUN, RETRACTED], 2**62 if known_at is None else known_at):
            found.setdefault(row[2], []).append(event_of(row))
    return found
