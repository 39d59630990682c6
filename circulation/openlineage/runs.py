"""Runs: what their events say together, and from when on one thing was made of another (contract §2a).

A run speaks in parts: its START may name the inputs and its COMPLETE the outputs, or the other way round; a stream
never completes; what a child reads its parent writes. So the events of a run add up, in whatever order they come.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from circulation.calendar import HOUR
from circulation.events.event import Event
from circulation.events.names import EVENT_RETRACTED, OPENLINEAGE_RUN
from circulation.keys import join_key
from circulation.lineage import change_node, run_node, then_node
from circulation.openlineage.parsing import Kind

COMPLETE, RUNNING, FAIL, ABORT = "COMPLETE", "RUNNING", "FAIL", "ABORT"
ENDS: Final = (COMPLETE, FAIL, ABORT)
# A run that said nothing for so long is not heard of.
SILENCE: Final = 24 * HOUR
NEVER: Final = 2**62
ALL, REST = "all", "rest"

State = Literal["completed", "interrupted", "failed", "aborted", "running"]


class Step(NamedTuple):
    """`output` was derived from `input` from `time` on (µs); `same`: it is another name of it.

    Either may be the node of a run, which stands between many outputs and many inputs: a step through it holds from the
    later of its two times on.
    """

    output: str
    input: str
    time: int
    same: bool = False


class Given(NamedTuple):
    """A run without outputs read `input` at `time` (µs): its parents read it, too."""

    parent: str
    child: str
    input: str
    time: int


class Unfinished(NamedTuple):
    """From `begin` until `until` (µs) an output was named by a run that ended otherwise than by deriving it, or was not
    heard of. `since` is when it ended or was last heard of; what a run derives from then on mends it.
    """

    output: str
    begin: int
    until: int
    since: int
    state: Literal["failed", "aborted", "silent"]
    job: str


class Heard(NamedTuple):
    """When a run was heard of: the times (µs) around each silence, and the last one."""

    silences: tuple[tuple[int, int], ...]
    last: int


class Ran(NamedTuple):
    """A run as far as it has got; `time` is when it got there (µs). `derives` is since
    when it derives, and `attempted` are the inputs of one that never did."""

    run: str
    state: State
    time: int
    outputs: frozenset[str]
    job: str
    parent: str | None
    parent_job: str | None
    derives: int
    attempted: frozenset[str]


def standing(events: Iterable[Event]) -> list[Event]:
    """The OpenLineage events that were not taken back, in the order of (time, source, id).

    A retraction may come before what it takes back, and on another partition, so both are asked for here.
    """
    kept = list(events)
    void = {
        (event.source, event.data.event)
        for event in kept
        if event.type == EVENT_RETRACTED and event.data.type == OPENLINEAGE_RUN
    }
    valid = [event for event in kept if event.type == OPENLINEAGE_RUN and (event.source, event.id) not in void]
    return sorted(valid, key=lambda event: (event.time, event.source, event.id))


def heard_at(times: Iterable[int], before: Heard | None = None) -> Heard:
    """When a run was heard of that was heard of at these times (µs, in order), after those `before`."""
    silences, last = ([], None) if before is None else (list(before.silences), before.last)
    for time in times:
        if last is not None and time - last > SILENCE:
            silences.append((last, time))
        last = time
    if last is None:
        raise ValueError("a run that was never heard of")
    return Heard(tuple(silences), last)


def tells(event: Event, *, streaming: bool) -> bool:
    """Whether an event is one with which its run may derive."""
    return streaming or event.data.kind != "run" or event.data.event_type in (COMPLETE, RUNNING)


class Run:
    """The events of one run, or one event of a job or a dataset, added up. Times are µs.

    `read_below` has the inputs of runs below it that have no outputs; `heard`, when it was heard of, where
    the events are not all that there are.
    """

    def __init__(self, events: Iterable[Event], read_below: Iterable[Given] = (), heard: Heard | None = None) -> None:
        self.events = list(events)
        self.heard = heard_at(event.time for event in self.events) if heard is None else heard
        first = self.events[0]
        self.subject: str = first.subject
        self.kind: Kind = first.data.kind
        self.job = first.data.job
        self.key = key_of(first)
        self.node = run_node(self.key, ALL)
        self.streaming = any(event.data.streaming for event in self.events)
        self.parents = {event.data.parent for event in self.events if event.data.parent is not None}
        # Of inputs, outputs and what facets name as inputs: when each was first named.
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self.named: dict[str, int] = {}
        # By output: what a `lineage` facet lists, what column lineage names, its columns, and the fields of its schema.
        self._listed: dict[str, set[str]] = {}
        self._columns: dict[str, set[str]] = {}
        self._accounted: dict[str, set[str]] = {}
        self._fields: dict[str, set[str]] = {}
        for event in self.events:
            self._take(event)
        # Inputs of the runs below it, each with its earliest time.
        self.reads: dict[str, int] = {}
        for _, child, input_, time in read_below:
            if child != self.node:
                self.reads[input_] = min(time, self.reads.get(input_, time))
        self._begin()

    def _take(self, event: Event) -> None:
        data, time = event.data, event.time
        for name in data.inputs:
            self.inputs.setdefault(name, time)
        for name in (*data.outputs, *data.listed):
            self.outputs.setdefault(name, time)
        for name, inputs in data.listed.items():
            self._listed.setdefault(name, set()).update(inputs)
        for name, columns in data.columns.items():
            self._accounted.setdefault(name, set()).update(columns)
            self._columns.setdefault(name, set()).update(
                source.input for sources in columns.values() for source in sources
            )
        for name, inputs in data.whole.items():
            self._columns.setdefault(name, set()).update(inputs)
        for name, fields in data.fields.items():
            self._fields.setdefault(name, set()).update(fields)
        for inputs in (*data.listed.values(), *data.whole.values()):
            for name in inputs:
                self.named.setdefault(name, time)
        for columns in data.columns.values():
            for name in (source.input for sources in columns.values() for source in sources):
                self.named.setdefault(name, time)

    def _begin(self) -> None:
        """Find when it begins to derive from its own inputs, and when it would from any."""
        reads = min(self.reads.values(), default=NEVER)
        output = min(self.outputs.values(), default=NEVER)
        input_ = min((*self.inputs.values(), *self.named.values()), default=NEVER)
        self._from_any = self._telling(output)
        self._from_own = self._telling(max(output, input_))
        self.derives = min(self._from_own, max(self._from_any, reads))

    def _telling(self, since: int) -> int:
        """The time of its earliest event from an instant on with which it may derive."""
        times = (event.time for event in self.events if event.time >= since and tells(event, streaming=self.streaming))
        return min(times, default=NEVER)

    # Its derivations.

    def steps(self) -> Iterator[Step]:
        """All that it derives: other names, then each output from its inputs, through a node where that is less."""
        yield from self._names()
        if self.derives == NEVER:
            return
        named_by_any = set[str]().union(*self._listed.values(), *self._columns.values())
        of_all: list[str] = []
        of_rest: list[str] = []
        for output in self.outputs:
            if output in self._listed:
                yield from self._told(output, self._listed[output])
            elif output in self._columns and self._fields.get(output, set()) <= self._accounted.get(output, set()):
                yield from self._told(output, self._columns[output])
                of_rest.append(output)
            else:
                of_all.append(output)
        sources = self._sources()
        yield from self._between(of_all, sources | dict.fromkeys(named_by_any, self.derives), ALL)
        yield from self._between(of_rest, {k: v for k, v in sources.items() if k not in named_by_any}, REST)

    def _sources(self) -> dict[str, int]:
        """Its inputs and what runs below it read, with the time from which on each counts."""
        sources = {dataset: max(self._from_own, time) for dataset, time in self.inputs.items()}
        for dataset, time in self.reads.items():
            sources[dataset] = min(sources.get(dataset, NEVER), max(self._from_any, time))
        return sources

    def _told(self, output: str, inputs: Iterable[str]) -> Iterator[Step]:
        time = max(self.derives, self.outputs[output])
        yield from (Step(output, input_, time) for input_ in inputs if input_ != output)

    def _between(self, outputs: list[str], sources: Mapping[str, int], part: str) -> Iterator[Step]:
        if not outputs or not sources:
            return
        begins = {output: max(self.derives, self.outputs[output]) for output in outputs}
        if len(outputs) * len(sources) <= len(outputs) + len(sources):
            for output, begin in begins.items():
                for source, time in sources.items():
                    if source != output:
                        yield Step(output, source, max(begin, time))
            return
        node = run_node(self.key, part)
        yield from (Step(output, node, begin) for output, begin in begins.items())
        yield from (Step(node, source, time) for source, time in sources.items())

    def _names(self) -> Iterator[Step]:
        """Symlinks hold both ways from when they were said; a new name once the run tells that it was given, and of the
        old one as it was then. Beside them is what datasets went through.
        """
        for event in self.events:
            for dataset, names in event.data.aliases.items():
                for name in names:
                    yield Step(dataset, name, event.time, True)
                    yield Step(name, dataset, event.time, True)
            for dataset, names in event.data.renamed.items():
                if (time := self._telling(event.time)) == NEVER:
                    continue
                for name in names:
                    node = then_node(name, time)
                    yield from (Step(dataset, node, time, True), Step(node, name, time, True))
            for dataset, changes in event.data.changes.items():
                yield from (Step(dataset, change_node(change), event.time) for change in changes)

    def gives(self) -> list[Given]:
        """The inputs that it gives to its parents, where it has no outputs: its own, and those of runs below it."""
        if self.outputs:
            return []
        reads = dict(self.inputs)
        for dataset, time in (*self.named.items(), *self.reads.items()):
            reads[dataset] = min(time, reads.get(dataset, NEVER))
        return [
            Given(parent, self.node, dataset, time)
            for parent in sorted(self.parents)
            for dataset, time in reads.items()
        ]

    # How far it has got.

    def _ended(self, *types: str) -> int:
        return min((event.time for event in self.events if event.data.event_type in types), default=NEVER)

    def unfinished(self) -> Iterator[Unfinished]:
        """When its outputs are unfinished."""
        if self.kind != "run":
            return
        completed, ended = self._ended(COMPLETE), self._ended(FAIL, ABORT)
        state: Literal["failed", "aborted"] = "failed" if ended == self._ended(FAIL) else "aborted"
        silences = (*self.heard.silences, (self.heard.last, NEVER))
        silent = [silence for silence in silences if silence[0] < min(completed, ended)]
        for output, named in self.outputs.items():
            until = min(completed, max(self.derives, named))
            if max(ended, named) < until:
                yield Unfinished(output, max(ended, named), until, ended, state, self.job)
            for heard, following in silent:
                begin, end = max(heard + SILENCE, named), min(following, ended, until)
                if begin < end:
                    yield Unfinished(output, begin, end, heard, "silent", self.job)

    def ran(self) -> Ran:
        """How far it has got."""
        state: State = "running"
        time = self.events[-1].time
        for word, type_ in (("completed", COMPLETE), ("failed", FAIL), ("aborted", ABORT)):
            if (ended := self._ended(type_)) < NEVER:
                state, time = word, ended  # type: ignore[assignment]
                break
        if state in ("failed", "aborted") and self.derives < NEVER:
            state = "interrupted"
        parents = [event.data for event in self.events if event.data.parent is not None]
        return Ran(
            run=self.subject,
            state=state,
            time=time,
            outputs=frozenset(self.outputs),
            job=self.job,
            parent=parents[-1].parent if parents else None,
            parent_job=parents[-1].parent_job if parents else None,
            derives=self.derives,
            attempted=frozenset({*self.inputs, *self.named} if self.derives == NEVER else ()),
        )


def key_of(event: Event) -> str:
    """The key of a run: the job and the id. Of a job or a dataset what says the same is one. Never the producer."""
    data = event.data
    if data.kind == "run":
        return join_key(data.kind, data.job_namespace, data.job_name, event.subject)
    return join_key(data.kind, event.subject, msgspec.json.encode(data, order="deterministic").decode())


def nodes_of(event: Event) -> set[str]:
    """The nodes of the run of an event: through one go outputs that are made of all, through another those that are
    made of what no facet names.
    """
    return {run_node(key_of(event), part) for part in (ALL, REST)}


def by_key(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events that stand of one or more subjects, in order, by the key of their run."""
    events_by_key: dict[str, list[Event]] = {}
    for event in standing(events):
        events_by_key.setdefault(key_of(event), []).append(event)
    return events_by_key


def runs_of(
    events: Iterable[Event],
    read_below: Mapping[str, Iterable[Given]] | None = None,
    heard: Mapping[str, Heard] | None = None,
) -> list[Run]:
    """The runs of events of one or more subjects, in the order of their keys.

    `read_below` has by subject the inputs of runs below it that have no outputs; `heard` by key when
    each was heard of, where the events are not all that there are.
    """
    return [
        Run(run_events, (read_below or {}).get(run_events[0].subject, ()), (heard or {}).get(key))
        for key, run_events in sorted(by_key(events).items())
    ]


def unfinished_at(intervals: Iterable[Unfinished], derived: Collection[int], instant: int) -> list[Unfinished]:
    """Those that hold at an instant, in the order of (since, job, state); `derived` is when runs derived the output."""
    holding = [
        interval
        for interval in intervals
        if interval.begin <= instant < interval.until and not any(interval.since <= time <= instant for time in derived)
    ]
    return sorted(holding, key=lambda interval: (interval.since, interval.job, interval.state))
