"""All derivations held in memory, for those who ask much: people, and programs that look through many assets.

A cache of the store behind the same question (`lineages.Lineage`), never the truth: judging asks the store. Assets are
numbered, and derivations lie in flat arrays, so that a step costs a look into an array. What came since they were
loaded is patched in by `refresh`.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import Text, bindparam, func, select, tuple_

from circulation.events.event import Event
from circulation.events.names import ASSET_DERIVED, ASSETS, EVENT_RETRACTED, OPENLINEAGE_RUN
from circulation.lineage import Edge, is_run, steps, then_node
from circulation.openlineage.runs import nodes_of
from streams.answers.kept import EVENTS
from streams.answers.lineages import Reached, Way, run_events
from streams.answers.trace_document import LimitName
from streams.facts.derivations import BY_FORM
from streams.store import schema
from streams.store.ask import Question, any_of, matches, names
from streams.store.db import Db

# Rows that are read from the store at a time.
PAGE_ROWS: Final = 100_000
# Outputs that are patched in; where more have changed since all was loaded, all is loaded anew.
PATCHED_MAX: Final = 100_000
# Numbers of events below the highest seen that are looked at again: one of them may have been committed only since,
# and what a run derives is written some time after its event.
AGAIN_NUMBERS: Final = 20_000

_STOPS, _SAME = 1, 2
_NO_SHARE: Final = -1.0
_DERIVATIONS: Final = schema.derivations
_EDGES: Final = select(*names(_DERIVATIONS, "output", "input", "time", "stops", "share", "same"))
_OF_OUTPUTS: Final = Question(_EDGES.where(_DERIVATIONS.c.output == any_of("outputs")))
_KEYS: Final = ("output", "input", "origin")
_PLACE: Final = tuple(func.key(_DERIVATIONS.c[name]) for name in _KEYS)
_LAST: Final = tuple(func.key(bindparam(name, type_=Text)) for name in _KEYS)
# All derivations from a place on, those of one output one after another.
_PAGE: Final = Question(
    _EDGES.add_columns(_DERIVATIONS.c.origin)
    .where(tuple_(*_PLACE) > tuple_(*_LAST))
    .order_by(*_PLACE)
    .limit(bindparam("count"))
)
_HIGHEST: Final = Question(select(func.max(EVENTS.id)))
_FORMS: Final = Question(select(func.count()).select_from(_DERIVATIONS).where(*matches(_DERIVATIONS, "origin")))
_OF_FORMS: Final = Question(select(_DERIVATIONS.c.output).where(*matches(_DERIVATIONS, "origin")))
# An expression keeps both dialects from the index by type, which would have them read all derivations.
_SINCE: Final = Question(
    select(EVENTS.subject, EVENTS.type).where(
        EVENTS.id > bindparam("since"), EVENTS.type + "" == any_of("types"), EVENTS.topic + "" == ASSETS
    )
)


class Held:
    """The lineage as it was when it was loaded, or refreshed."""

    def __init__(self, db: Db) -> None:
        self._load(db)

    def __len__(self) -> int:
        """How many derivations are held."""
        replaced = sum(self._counts[number] for number in self._patched)
        return len(self._inputs) - replaced + sum(map(len, self._patched.values()))

    def _load(self, db: Db) -> None:
        self._highest = _highest(db)
        self._forms = _forms(db)
        numbers: dict[str, int] = {}
        outputs, inputs, times, shares, flags = array("i"), array("i"), array("q"), array("d"), bytearray()
        starts: dict[int, int] = {}
        for page in _pages(db):
            for output, input_, time, stopping, share, same in page:
                number = numbers.setdefault(output, len(numbers))
                # The derivations of one output come one after another.
                starts.setdefault(number, len(outputs))
                outputs.append(number)
                inputs.append(numbers.setdefault(input_, len(numbers)))
                times.append(time)
                shares.append(_NO_SHARE if share is None else share)
                flags.append((_STOPS if stopping else 0) | (_SAME if same else 0))
        self._numbers, self._names = numbers, list(numbers)
        self._runs = {number for name, number in numbers.items() if is_run(name)}
        self._outputs, self._inputs, self._times, self._shares, self._flags = outputs, inputs, times, shares, flags
        count = len(numbers)
        self._counts = _counted(outputs, count)
        self._starts = array("i", (starts.get(number, 0) for number in range(count)))
        # The same derivations in the order of what was derived from.
        self._uses = _counted(inputs, count)
        self._firsts = array("i", accumulate(self._uses, initial=0))
        at = array("i", self._firsts)
        self._by_input = array("i", bytes(inputs.itemsize * len(inputs)))
        for edge, source in enumerate(inputs):
            self._by_input[at[source]] = edge
            at[source] += 1
        self._latest = max(times, default=0)
        # Patches: new derivations of an output, and the outputs that these add to an input.
        self._patched: dict[int, list[Edge]] = {}
        self._more: dict[int, dict[int, None]] = {}

    def refresh(self, db: Db) -> int:
        """Takes in what the store has by now; answers with how many outputs have other derivations than before."""
        since = self._highest - AGAIN_NUMBERS
        highest = _highest(db)
        rows = _SINCE.rows(db, since=since, types=[ASSET_DERIVED, OPENLINEAGE_RUN, EVENT_RETRACTED])
        changed = {subject for subject, type_ in rows if type_ != OPENLINEAGE_RUN}
        for events in run_events(db, {subject for subject, type_ in rows if type_ != ASSET_DERIVED}, None).values():
            changed |= _written(events)
        forms = _forms(db)
        if forms != self._forms:
            # No event tells of them, and they never go.
            changed |= {row[0] for row in _OF_FORMS.rows(db, origin=BY_FORM)}
        self._highest, self._forms = highest, forms
        if len(changed | {self._names[number] for number in self._patched}) > PATCHED_MAX:
            self._load(db)
            return len(changed)
        edges: dict[str, list[Edge]] = {output: [] for output in changed}
        for output, input_, time, stopping, share, same in _OF_OUTPUTS.rows(db, outputs=sorted(changed)):
            edges[output].append(Edge(output, input_, time, bool(stopping), share, bool(same)))
        count = 0
        for output, new in edges.items():
            known = self._edges(self._numbers[output]) if output in self._numbers else []
            if sorted(new, key=repr) != sorted(known, key=repr):
                self._patch(output, new)
                count += 1
        return count

    def _patch(self, output: str, edges: list[Edge]) -> None:
        number = self._number(output)
        for edge in self._patched.get(number, ()):
            self._more[self._numbers[edge.input]].pop(number, None)
        self._patched[number] = edges
        for edge in edges:
            self._more.setdefault(self._number(edge.input), {})[number] = None
            self._latest = max(self._latest, edge.time)

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
            if is_run(name):
                self._runs.add(number)
            for table in (self._counts, self._starts, self._uses, self._firsts):
                table.append(0)
        return number

    def reached(self, asset: str, at: int, way: Way, assets_max: int, derivations_max: int) -> Reached:
        """As `Lineage` says."""
        if asset not in self._numbers:
            return Reached([asset], {})
        numbers = self._walk(self._numbers[asset], at, way, assets_max)
        cut: list[LimitName] = []
        if len(numbers) > assets_max + 1:
            cut.append("assets_max")
            del numbers[assets_max + 1 :]
        edges: dict[str, list[Edge]] = {}
        count = 0
        for number in numbers:
            above = self._until(number, at)
            runs = {edge.input for edge in above if is_run(edge.input)}
            if runs:
                name = self._names[number]
                above = steps({name: above} | {run: self._until(self._numbers[run], at) for run in runs}, name)
            count += len(above)
            if count > derivations_max:
                cut.append("derivations_max")
                break
            if above:
                edges[above[0].output] = above
        return Reached([self._names[number] for number in numbers], edges, tuple(cut))

    def _until(self, number: int, at: int) -> list[Edge]:
        return [edge for edge in self._edges(number) if edge.time <= at]

    def distances(self, asset: str, at: int, way: Way) -> dict[str, int]:
        """Everything that is reached, without a limit, with the steps to it; the asset itself at 0."""
        if asset not in self._numbers:
            return {asset: 0}
        depths: list[int] = []
        numbers = self._walk(self._numbers[asset], at, way, len(self._names), depths)
        names = self._names
        distances: dict[str, int] = {}
        begin = 0
        for distance, end in enumerate(depths):
            distances.update((names[number], distance) for number in numbers[begin:end])
            begin = end
        return distances

    def _walk(self, start: int, at: int, way: Way, assets_max: int, depths: list[int] | None = None) -> list[int]:
        """The numbers of what is reached, nearest first; somewhat more than the limit where there are more.

        To `depths` is added how many are reached within each number of steps.
        """
        visited = bytearray(len(self._names))
        visited[start] = 1
        reached = [start]
        begin = 0
        ahead = self._above if way == "up" else self._below
        whole = at >= self._latest
        while begin < len(reached) <= assets_max + 1:
            layer = reached[begin:]
            begin = len(reached)
            if depths is not None:
                depths.append(begin)
            for number in layer:
                for neighbour in ahead(number, at, whole):
                    if not visited[neighbour]:
                        visited[neighbour] = 1
                        if neighbour not in self._runs:
                            reached.append(neighbour)
                            continue
                        # Through a run it is one step.
                        for further in ahead(neighbour, at, whole):
                            if not visited[further]:
                                visited[further] = 1
                                reached.append(further)
        return reached

    def _above(self, number: int, at: int, whole: bool) -> Iterable[int]:
        if self._patched and number in self._patched:
            return [self._numbers[edge.input] for edge in self._patched[number] if edge.time <= at]
        count = self._counts[number]
        if not count:
            return ()
        start = self._starts[number]
        inputs = self._inputs[start : start + count]
        if whole:
            return inputs
        return [input_ for input_, time in zip(inputs, self._times[start : start + count], strict=True) if time <= at]

    def _below(self, number: int, at: int, whole: bool) -> Iterable[int]:
        count = self._uses[number]
        first = self._firsts[number]
        edges = self._by_input[first : first + count] if count else ()
        if not self._patched:
            return [self._outputs[edge] for edge in edges if whole or self._times[edge] <= at]
        outputs = [
            self._outputs[edge]
            for edge in edges
            if self._outputs[edge] not in self._patched and (whole or self._times[edge] <= at)
        ]
        name = self._names[number]
        for output in self._more.get(number, ()):
            if any(edge.input == name and edge.time <= at for edge in self._patched[output]):
                outputs.append(output)
        return outputs

    def _edges(self, number: int) -> list[Edge]:
        if number in self._patched:
            return self._patched[number]
        output, names, start = self._names[number], self._names, self._starts[number]
        return [
            Edge(
                output,
                names[self._inputs[edge]],
                self._times[edge],
                bool(self._flags[edge] & _STOPS),
                None if self._shares[edge] == _NO_SHARE else self._shares[edge],
                bool(self._flags[edge] & _SAME),
            )
            for edge in range(start, start + self._counts[number])
        ]


def _counted(numbers: Iterable[int], count: int) -> "array[int]":
    counts = array("i", bytes(4 * count))
    for number in numbers:
        counts[number] += 1
    return counts


def _highest(db: Db) -> int:
    (number,) = _HIGHEST.one(db) or (None,)
    return number or 0


def _forms(db: Db) -> int:
    """How many derivations there are between an id and its canonical form."""
    (count,) = _FORMS.one(db, origin=BY_FORM) or (0,)
    return int(count)


def _pages(db: Db) -> Iterator[list[tuple[Any, ...]]]:
    """All derivations, those of one output one after another."""
    last = ("", "", "")
    while rows := _PAGE.rows(db, **dict(zip(_KEYS, last, strict=True)), count=PAGE_ROWS):
        last = (rows[-1][0], rows[-1][1], rows[-1][6])
        yield [row[:6] for row in rows]


def _written(events: Iterable[Event]) -> set[str]:
    """All that a run may derive, or may have derived before something was taken back."""
    written: set[str] = set()
    run_events = [event for event in events if event.type == OPENLINEAGE_RUN]
    times = {event.time for event in run_events}
    for event in run_events:
        data = event.data
        written |= {*data.outputs, *data.listed, *data.renamed, *data.aliases}
        written |= {name for names in data.aliases.values() for name in names}
        written |= nodes_of(event)
        before = {name for names in data.renamed.values() for name in names}
        written |= {then_node(name, time) for name in before for time in times}
    return written
