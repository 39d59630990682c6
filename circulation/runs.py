"""OpenLineage runs: what the events of one run say together (contract §2).

A run speaks in parts: its START may name the inputs and its COMPLETE the outputs, or the other way round, and it may be
run again under the same id. So its events add up, and only what completed derives anything. What a facet says of names
counts too, from the same instant on: a dataset that was renamed *is* the one that it was, and so is what a symlink
names, or a new name would be all that it takes to launder an asset.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from circulation.events import OPENLINEAGE_RUN, RETRACTED, Event

COMPLETE, FAIL, ABORT = "COMPLETE", "FAIL", "ABORT"


class Step(NamedTuple):
    """`output` was derived from `input`; `same`: it is another name of it."""

    output: str
    input: str
    same: bool = False


class Ran(NamedTuple):
    """A run as far as it has got.

    `state` is `completed`, `failed`, `aborted` or `running`; `time` is when it got there (µs).
    """

    run: str
    state: str
    time: int
    inputs: frozenset[str]
    outputs: frozenset[str]
    job: str
    parent: str | None
    parent_job: str | None


def standing(events: Iterable[Event]) -> list[Event]:
    """The events of runs that were not taken back, in the order of (time, source, id).

    A retraction may come before what it takes back, and on another partition, so both are asked for here.
    """
    kept = list(events)
    void = {(one.source, one.data.event) for one in kept if one.type == RETRACTED and one.data.type == OPENLINEAGE_RUN}
    found = [one for one in kept if one.type == OPENLINEAGE_RUN and (one.source, one.id) not in void]
    return sorted(found, key=lambda one: (one.time, one.source, one.id))


def by_producer(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    """The standing events of each run: two producers that use one id are two runs."""
    found: dict[tuple[str, str], list[Event]] = {}
    for one in standing(events):
        found.setdefault((one.subject, one.source), []).append(one)
    return found


def derived(events: Iterable[Event]) -> dict[Step, int]:
    """What these runs derive, each from the time of its earliest COMPLETE on (µs)."""
    found: dict[Step, int] = {}
    for some in by_producer(events).values():
        completed = [one.time for one in some if one.data.event_type == COMPLETE]
        if completed:
            for step in _steps(some):
                found[step] = min(found.get(step, completed[0]), *completed)
    return found


def _steps(events: Collection[Event]) -> set[Step]:
    inputs = {name for one in events for name in one.data.inputs}
    outputs = {name for one in events for name in one.data.outputs}
    found = {Step(output, input_) for output in outputs for input_ in inputs if output != input_}
    for one in events:
        for dataset, before in one.data.renamed.items():
            found.add(Step(dataset, before, True))
        for dataset, names in one.data.aliases.items():
            for name in names:
                found |= {Step(dataset, name, True), Step(name, dataset, True)}
    same = {(one.output, one.input) for one in found if one.same}
    # A name of something is nothing that was made of it.
    return {one for one in found if one.same or (one.output, one.input) not in same}


def ran(events: Iterable[Event]) -> list[Ran]:
    """Each run as far as it has got, in the order of ids."""
    found = []
    for (run, _), some in sorted(by_producer(events).items()):
        state, time = "running", some[-1].time
        for word, type_ in (("completed", COMPLETE), ("failed", FAIL), ("aborted", ABORT)):
            times = [one.time for one in some if one.data.event_type == type_]
            if times:
                state, time = word, min(times)
                break
        parents = [one.data for one in some if one.data.parent is not None]
        found.append(
            Ran(
                run=run,
                state=state,
                time=time,
                inputs=frozenset(name for one in some for name in one.data.inputs),
                outputs=frozenset(name for one in some for name in one.data.outputs),
                job=some[-1].data.job,
                parent=parents[-1].parent if parents else None,
                parent_job=parents[-1].parent_job if parents else None,
            )
        )
    return found
