"""Where lineage is looked up: in the store as it is, in the store as it was known once, or in memory.

All three answer the same question: what is reached from an asset, nearest first, over the derivations made by an
instant, and by which of them. So whoever asks need not know which of them answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, NamedTuple, Protocol

from sqlalchemy import bindparam, select

from circulation.events.event import Event
from circulation.events.names import ASSET_DERIVED, ASSETS, EVENT_RETRACTED, OPENLINEAGE_RUN
from circulation.lineage import NEVER, Edge, is_run, steps, stops
from circulation.openlineage.runs import runs_of
from circulation.shares import stated
from streams.answers.kept import EVENTS, kept, stood
from streams.answers.trace_document import LimitName
from streams.facts import derivations
from streams.store import schema
from streams.store.ask import Question, any_of, matches, names
from streams.store.db import Db
from streams.store.kept_events import event_of

Way = Literal["up", "down"]

_DERIVATIONS: Final = schema.derivations
_REFS: Final = schema.refs.c
_BY_THEN: Final = _DERIVATIONS.c.time <= bindparam("at")


@cache
def _reaching(near: str, far: str) -> Question:
    """All that is reached from an asset. Both dialects stop the recursion once the limit is full."""
    begin = select(_DERIVATIONS.c[near].label("node")).where(_DERIVATIONS.c[near] == bindparam("asset"), _BY_THEN)
    reached = begin.cte("reached", recursive=True)
    further = select(_DERIVATIONS.c[far]).join(reached, _DERIVATIONS.c[near] == reached.c.node).where(_BY_THEN)
    reached = reached.union(further)
    return Question(select(reached.c.node).limit(bindparam("count")))


@cache
def _ahead(near: str, far: str) -> Question:
    """One layer further on from assets."""
    return Question(select(_DERIVATIONS.c[far]).distinct().where(_DERIVATIONS.c[near] == any_of("layer"), _BY_THEN))


# The first derivations of outputs, in their order.
_EDGES: Final = Question(
    select(*names(_DERIVATIONS, "output", "input", "time", "stops", "share", "same"))
    .where(_DERIVATIONS.c.output == any_of("outputs"), _BY_THEN)
    .order_by(_DERIVATIONS.c.output)
    .limit(bindparam("count"))
)
_NAMING: Final = select(EVENTS.subject).distinct().join(schema.refs, EVENTS.id == _REFS.event)
_READING: Final = Question(
    _NAMING.add_columns(EVENTS.type).where(
        _REFS.kind == "input", _REFS.ref == any_of("assets"), EVENTS.taken <= bindparam("known_at")
    )
)
_RUNS: Final = Question(
    _NAMING.where(
        _REFS.kind == bindparam("kind"),
        _REFS.ref == any_of("assets"),
        EVENTS.type == OPENLINEAGE_RUN,
        EVENTS.taken <= bindparam("known_at"),
    )
)
_PARENTS: Final = Question(select(schema.given.c.parent).distinct().where(schema.given.c.input == any_of("assets")))
_RUN_EVENTS: Final = Question(
    kept()
    .where(
        EVENTS.topic == ASSETS,
        EVENTS.subject == any_of("runs"),
        EVENTS.type == any_of("types"),
        EVENTS.taken <= bindparam("known_at"),
    )
    .order_by(EVENTS.id)
)
_STATED: Final = Question(
    kept().where(
        EVENTS.topic == ASSETS,
        EVENTS.subject == any_of("outputs"),
        EVENTS.type == ASSET_DERIVED,
        stood(dated=True),
    )
)


@cache
def _two_forms(column: str) -> Question:
    """(output, input) of what are two forms of one id."""
    forms = select(_DERIVATIONS.c.output, _DERIVATIONS.c.input)
    return Question(forms.where(_DERIVATIONS.c[column] == any_of("assets"), *matches(_DERIVATIONS, "origin")))


class Reached(NamedTuple):
    """The asset and what was reached from it, nearest first; and what each was derived from, by output.

    `cut` are the limits beyond which nothing was looked at.
    """

    assets: list[str]
    edges: dict[str, list[Edge]]
    cut: tuple[LimitName, ...] = ()


class Lineage(Protocol):
    """A source of the derivations above and below an asset."""

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """Find the assets reached by derivations made no later than `at` (µs).

        At most `assets_max` others, and no output whose inputs would be more than `derivations_max` in all.
        """


class Stored:
    """The store as it is: a recursive query, layer by layer."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """As `Lineage` says."""
        near, far = ("output", "input") if way == "up" else ("input", "output")
        rows = _reaching(near, far).rows(self._db, asset=asset, at=at, count=assets_max + 2)
        nodes = [row[0] for row in rows]
        assets = list(dict.fromkeys([asset, *(node for node in nodes if not is_run(node))]))
        cut: list[LimitName] = []
        if len(nodes) == assets_max + 2 and any(map(is_run, nodes)):
            # To the store it is one step more through a run: what is nearest is found layer by layer.
            assets = self._layers(asset, at, near, far, assets_max)
        if len(assets) > assets_max + 1:
            cut.append("assets_max")
            assets = assets[: assets_max + 1]
        # All inputs of each output, also those that are not shown: what is assumed of one depends on the others.
        edges, whole = self._edges(assets, at, derivations_max)
        through = sorted({edge.input for of_output in edges.values() for edge in of_output if is_run(edge.input)})
        outputs = list(edges)
        if through:
            of_runs, whole_runs = self._edges(through, at, derivations_max)
            edges |= of_runs
            whole = whole and whole_runs
        shown: dict[str, list[Edge]] = {}
        count = 0
        for output in outputs:
            of_output = steps(edges, output)
            count += len(of_output)
            known = all(not is_run(edge.input) or edge.input in edges for edge in edges[output])
            if count > derivations_max or not known:
                whole = False
                break
            if of_output:
                shown[output] = of_output
        if not whole:
            cut.append("derivations_max")
        return Reached(assets, shown, tuple(cut))

    def _layers(self, asset: str, at: int, near: str, far: str, assets_max: int) -> list[str]:
        """The assets reached, nearest first; somewhat more than the limit where there are more."""
        question = _ahead(near, far)
        assets = {asset: None}
        runs: set[str] = set()
        layer = [asset]
        while layer and len(assets) <= assets_max + 1:
            ahead = [row[0] for row in question.rows(self._db, layer=layer, at=at)]
            through = [node for node in ahead if is_run(node) and node not in runs]
            runs.update(through)
            if through:
                ahead += [row[0] for row in question.rows(self._db, layer=through, at=at)]
            layer = [node for node in dict.fromkeys(ahead) if node not in assets and not is_run(node)]
            assets.update(dict.fromkeys(layer))
        return list(assets)

    def _edges(self, outputs: Sequence[str], at: int, derivations_max: int) -> tuple[dict[str, list[Edge]], bool]:
        """The derivations of these outputs, in their order, and whether that is all of them.

        Where there is more than the limit, all of some of them.
        """
        rows = _EDGES.rows(self._db, outputs=outputs, at=at, count=derivations_max + 1)
        whole = len(rows) <= derivations_max
        if not whole:
            rows = [row for row in rows if row[0] != rows[-1][0]]
        edges: dict[str, list[Edge]] = {}
        for output, input_, time, stopping, share, same in rows:
            edges.setdefault(output, []).append(Edge(output, input_, time, bool(stopping), share, bool(same)))
        return edges, whole


class AsKnown:
    """The store as it was known at an instant (µs of the clocks that took events in).

    Events retracted since stand again, and events since are not there: read from the events themselves, one
    layer after another.
    """

    def __init__(self, db: Db, known_at: int) -> None:
        self._db = db
        self._known_at = known_at

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """As `Lineage` says."""
        assets = {asset: None}
        layer = [asset]
        cut: list[LimitName] = []
        edges: dict[str, list[Edge]] = {}
        while layer and not cut:
            outputs = layer if way == "up" else self._outputs(layer, at)
            new = self._edges([output for output in outputs if output not in edges], at, derivations_max)
            if sum(map(len, edges.values())) + sum(map(len, new.values())) > derivations_max:
                cut.append("derivations_max")
                break
            edges.update(new)
            if way == "up":
                ahead = [edge.input for output in layer for edge in edges.get(output, ())]
            else:
                frontier = set(layer)
                ahead = [output for output in outputs if any(edge.input in frontier for edge in edges.get(output, ()))]
            layer = [node for node in dict.fromkeys(ahead) if node not in assets]
            if len(assets) - 1 + len(layer) > assets_max:
                cut.append("assets_max")
                layer = layer[: assets_max + 1 - len(assets)]
            assets.update(dict.fromkeys(layer))
        return Reached(list(assets), edges, tuple(cut))

    def _outputs(self, inputs: Sequence[str], at: int) -> list[str]:
        """The assets that may have been derived from these."""
        rows = _READING.rows(self._db, assets=list(inputs), known_at=self._known_at)
        outputs = {subject for subject, type_ in rows if type_ == ASSET_DERIVED}
        runs = {subject for subject, type_ in rows if type_ == OPENLINEAGE_RUN}
        # Inputs of a run without outputs are its parents'; a dataset's other names are in the runs that write it.
        parents = _PARENTS.rows(self._db, assets=list(inputs))
        runs |= {row[0] for row in parents} | self._runs("output", inputs)
        outputs |= {output for output, _ in self._forms("input", inputs)}
        outputs |= {row[0] for row in self._derived(runs) if not is_run(row[0])}
        return sorted(outputs)

    def _runs(self, kind: str, assets: Sequence[str]) -> set[str]:
        rows = _RUNS.rows(self._db, kind=kind, assets=list(assets), known_at=self._known_at)
        return {row[0] for row in rows}

    def _forms(self, column: str, assets: Sequence[str]) -> list[tuple[Any, ...]]:
        """(output, input) of what are two forms of one id."""
        return _two_forms(column).rows(self._db, assets=list(assets), origin=derivations.BY_FORM)

    def _derived(self, subjects: Iterable[str]) -> set[derivations.Row]:
        events = run_events(self._db, subjects, self._known_at)
        parents = derivations.given_to(self._db, events)
        return {row for of_run in events.values() for row in derivations.of_runs(runs_of(of_run, parents))}

    def _edges(self, outputs: Sequence[str], at: int, derivations_max: int) -> dict[str, list[Edge]]:
        """All derivations of these outputs, or one more than the limit."""
        by_output: dict[str, list[Edge]] = {output: [] for output in outputs}
        for row in sorted(_STATED.rows(self._db, outputs=list(outputs), known_at=self._known_at)):
            event = event_of(row)
            stopping = stops(event.data.process, event.data.irreversible, event.data.evidence)
            for source, share in stated((part.asset, part.share) for part in event.data.inputs).items():
                if source != event.subject and event.time <= at:
                    by_output[event.subject].append(Edge(event.subject, source, event.time, stopping, share))
        edges: dict[str, list[Edge]] = {}
        for output, input_ in self._forms("output", outputs):
            edges.setdefault(output, []).append(Edge(output, input_, 0, False, None, True))
        for output, input_, _, time, _, _, same in self._derived(
            self._runs("output", outputs) | self._runs("input", outputs)
        ):
            if time <= at:
                edges.setdefault(output, []).append(Edge(output, input_, time, False, None, same))
        for output in outputs:
            by_output[output] += steps(edges, output)
            if sum(map(len, by_output.values())) > derivations_max:
                break
        return {output: of_output for output, of_output in by_output.items() if of_output}


def run_events(db: Db, ids: Iterable[str], known_at: int | None) -> Mapping[str, list[Event]]:
    """The events of runs and what takes them back, by run."""
    by_run: dict[str, list[Event]] = {}
    if wanted := sorted(ids):
        types, taken_by = [OPENLINEAGE_RUN, EVENT_RETRACTED], NEVER if known_at is None else known_at
        for row in _RUN_EVENTS.rows(db, runs=wanted, types=types, known_at=taken_by):
            by_run.setdefault(row[2], []).append(event_of(row))
    return by_run
