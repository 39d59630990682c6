"""The parts of a trace that OpenLineage tells: runs that write the assets, and columns on the way."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import ASSET_DERIVED, ASSETS, OPENLINEAGE_RUN
from circulation.openlineage import runs
from circulation.openlineage.runs import NEVER
from streams.answers.lineages import run_events
from streams.answers.seen import Seen
from streams.answers.trace_document import Column, Run
from streams.facts import derivations
from streams.store.kept_events import COLUMNS, event_of, standing


class Ran(NamedTuple):
    """What OpenLineage says of the assets: the runs that write them, their columns, and what facets say of owners."""

    runs: list[Run]
    columns: list[Column]
    owners: dict[str, list[str]]


def ran(seen: Seen, asset: str) -> Ran:
    """The runs that write shown assets, whatever became of them; and the columns on the way to and from `asset`."""
    stood = "" if seen.known_at is None else " and e.taken <= ?"
    rows = seen.db.rows(
        "select distinct e.subject from refs r join events e on e.id = r.event where r.kind = 'output'"  # noqa: S608
        f" and r.ref = any(?) and e.type = ? and e.time <= ?{stood} order by e.subject limit ?",
        list(seen.shown),
        OPENLINEAGE_RUN,
        seen.at,
        *(() if seen.known_at is None else (seen.known_at,)),
        seen.limits.runs_max + 1,
    )
    missing = _missing(seen)
    if not rows:
        return Ran(missing, [], {})
    if len(rows) > seen.limits.runs_max:
        seen.over("runs_max", "runs")
    shown = set(seen.shown)
    found: list[Run] = []
    columns: list[Column] = []
    owners: dict[str, list[str]] = {}
    for events in run_events(seen.db, (row[0] for row in rows[: seen.limits.runs_max]), seen.known_at).values():
        by_then = [one for one in events if one.time <= seen.at or one.type != OPENLINEAGE_RUN]
        subject = by_then[0].subject if by_then else ""
        for one in runs.runs_of(by_then, derivations.given_to(seen.db, [subject])):
            if one.kind == "run" and not shown.isdisjoint(one.outputs):
                found.append(_run(one.ran(), shown))
            for event in one.events:
                for name, named in event.data.owners.items():
                    owners[name] = list(named)
                if one.derives < NEVER:
                    columns += _columns(event, shown)
    return Ran([*found, *missing], _on_the_way(seen, columns, asset), owners)


def _missing(seen: Seen) -> list[Run]:
    """The runs that derivations name and of which nothing was heard."""
    stood, values = standing(seen.known_at)
    where = f"topic = ? and subject = any(?) and type = ? and {stood}"
    query = f"select {COLUMNS} from events where {where} and time <= ? order by time, id"  # noqa: S608
    named: dict[str, list[Event]] = {}
    for event in map(event_of, seen.db.rows(query, ASSETS, list(seen.shown), ASSET_DERIVED, *values, seen.at)):
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
            time=format_instant(some[0].time),
            outputs=sorted({one.subject for one in some}),
        )
        for run, some in sorted(named.items())
        if run not in known
    ][: seen.limits.runs_max]


def _run(one: runs.Ran, shown: set[str]) -> Run:
    return Run(
        run=one.run,
        job=one.job,
        state=one.state,
        time=format_instant(one.time),
        derives=None if one.derives == NEVER else format_instant(one.derives),
        outputs=sorted(one.outputs & shown),
        parent=one.parent,
        parent_job=one.parent_job,
        attempted=sorted(one.attempted),
    )


def _columns(event: Event, shown: set[str]) -> Iterator[Column]:
    """What the column-lineage facets of an event say of what is shown."""
    for output, columns in event.data.columns.items():
        for column, inputs in columns.items() if output in shown else ():
            for one in inputs:
                if one.field and one.input in shown:
                    yield Column(
                        output=output,
                        column=column,
                        input=one.input,
                        input_column=one.field,
                        run=event.subject,
                        how=list(one.how),
                    )


def _on_the_way(seen: Seen, columns: Iterable[Column], asset: str) -> list[Column]:
    """Of the steps between columns those that lead to a column of the asset, or away from one; each once."""
    steps: dict[tuple[str, str, str, str], Column] = {}
    for one in columns:
        steps.setdefault((one.output, one.column, one.input, one.input_column), one)
    found: set[tuple[str, str, str, str]] = set()
    for up in (True, False):
        ahead: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
        for key in steps:
            ahead.setdefault(key[:2] if up else key[2:], []).append(key)
        todo = [node for node in ahead if node[0] == asset]
        met = set(todo)
        while todo:
            for key in ahead.get(todo.pop(), ()):
                found.add(key)
                node = key[2:] if up else key[:2]
                if node not in met:
                    met.add(node)
                    todo.append(node)
    if len(found) > seen.limits.columns_max:
        seen.over("columns_max", "columns")
    return [steps[key] for key in sorted(found)[: seen.limits.columns_max]]
