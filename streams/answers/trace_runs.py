"""The parts of a trace that OpenLineage tells: runs that write the assets, and columns on the way."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import bindparam, select

from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import ASSET_DERIVED, ASSETS, OPENLINEAGE_RUN
from circulation.openlineage import runs
from circulation.openlineage.runs import NEVER
from streams.answers.kept import EVENTS, kept, stood
from streams.answers.lineages import run_events
from streams.answers.seen import Seen
from streams.answers.trace_document import Column, Run
from streams.facts import derivations
from streams.store import schema
from streams.store.ask import Question, any_of
from streams.store.kept_events import event_of

_REFS: Final = schema.refs.c


@cache
def _writing(*, dated: bool) -> Question:
    """The first runs that write assets, whatever became of them."""
    naming = select(EVENTS.subject).distinct().join(schema.refs, EVENTS.id == _REFS.event)
    runs_then = naming.where(
        _REFS.kind == "output",
        _REFS.ref == any_of("assets"),
        EVENTS.type == OPENLINEAGE_RUN,
        EVENTS.time <= bindparam("at"),
    )
    if dated:
        runs_then = runs_then.where(EVENTS.taken <= bindparam("known_at"))
    return Question(runs_then.order_by(EVENTS.subject).limit(bindparam("count")))


@cache
def _deriving(*, dated: bool) -> Question:
    """The statements that assets were derived."""
    of_assets = kept().where(EVENTS.topic == ASSETS, EVENTS.subject == any_of("assets"), EVENTS.type == ASSET_DERIVED)
    by_then = of_assets.where(stood(dated=dated), EVENTS.time <= bindparam("at"))
    return Question(by_then.order_by(EVENTS.time, EVENTS.id))


class Ran(NamedTuple):
    """OpenLineage about the assets: the runs that write them, their columns, and the owners that facets name."""

    runs: list[Run]
    columns: list[Column]
    owners: dict[str, list[str]]


def ran(seen: Seen, asset: str) -> Ran:
    """The runs that write shown assets, whatever became of them; and the columns on the way to and from `asset`."""
    rows = _writing(dated=seen.known_at is not None).rows(
        seen.db,
        assets=list(seen.shown),
        at=seen.at,
        known_at=seen.known_at,
        count=seen.limits.runs_max + 1,
    )
    missing = _missing(seen)
    if not rows:
        return Ran(missing, [], {})
    if len(rows) > seen.limits.runs_max:
        seen.over("runs_max", "runs")
    shown = set(seen.shown)
    runs_shown: list[Run] = []
    columns: list[Column] = []
    owners: dict[str, list[str]] = {}
    for events in run_events(seen.db, (row[0] for row in rows[: seen.limits.runs_max]), seen.known_at).values():
        by_then = [event for event in events if event.time <= seen.at or event.type != OPENLINEAGE_RUN]
        subject = by_then[0].subject if by_then else ""
        for run in runs.runs_of(by_then, derivations.given_to(seen.db, [subject])):
            if run.kind == "run" and not shown.isdisjoint(run.outputs):
                runs_shown.append(_run(run.ran(), shown))
            for event in run.events:
                for name, named in event.data.owners.items():
                    owners[name] = list(named)
                if run.derives < NEVER:
                    columns += _columns(event, shown)
    return Ran([*runs_shown, *missing], _on_the_way(seen, columns, asset), owners)


def _missing(seen: Seen) -> list[Run]:
    """The runs that derivations name and of which nothing was heard."""
    rows = _deriving(dated=seen.known_at is not None).rows(
        seen.db, assets=list(seen.shown), at=seen.at, known_at=seen.known_at
    )
    named: dict[str, list[Event]] = {}
    for event in map(event_of, rows):
        if event.data.run is not None:
            named.setdefault(event.data.run, []).append(event)
    if not named:
        return []
    known = {
        event.subject
        for events in run_events(seen.db, named, seen.known_at).values()
        for event in runs.standing(events)
        if event.time <= seen.at
    }
    return [
        Run(
            run=run,
            state="missing",
            time=format_instant(events[0].time),
            outputs=sorted({event.subject for event in events}),
        )
        for run, events in sorted(named.items())
        if run not in known
    ][: seen.limits.runs_max]


def _run(run: runs.Ran, shown: set[str]) -> Run:
    return Run(
        run=run.run,
        job=run.job,
        state=run.state,
        time=format_instant(run.time),
        derives=None if run.derives == NEVER else format_instant(run.derives),
        outputs=sorted(run.outputs & shown),
        parent=run.parent,
        parent_job=run.parent_job,
        attempted=sorted(run.attempted),
    )


def _columns(event: Event, shown: set[str]) -> Iterator[Column]:
    """The column-lineage facets of an event about the assets shown."""
    for output, columns in event.data.columns.items():
        for column, inputs in columns.items() if output in shown else ():
            for input_ in inputs:
                if input_.field and input_.input in shown:
                    yield Column(
                        output=output,
                        column=column,
                        input=input_.input,
                        input_column=input_.field,
                        run=event.subject,
                        how=list(input_.how),
                    )


def _on_the_way(seen: Seen, columns: Iterable[Column], asset: str) -> list[Column]:
    """Of the steps between columns those that lead to a column of the asset, or away from one; each once."""
    steps: dict[tuple[str, str, str, str], Column] = {}
    for column in columns:
        steps.setdefault((column.output, column.column, column.input, column.input_column), column)
    keys: set[tuple[str, str, str, str]] = set()
    for up in (True, False):
        ahead: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
        for key in steps:
            ahead.setdefault(key[:2] if up else key[2:], []).append(key)
        todo = [node for node in ahead if node[0] == asset]
        visited = set(todo)
        while todo:
            for key in ahead.get(todo.pop(), ()):
                keys.add(key)
                node = key[2:] if up else key[:2]
                if node not in visited:
                    visited.add(node)
                    todo.append(node)
    if len(keys) > seen.limits.columns_max:
        seen.over("columns_max", "columns")
    return [steps[key] for key in sorted(keys)[: seen.limits.columns_max]]
