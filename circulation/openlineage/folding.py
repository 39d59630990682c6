"""The events of a run that say all that it says: its derivations cost these, not all that it ever sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec
import xxhash

from circulation.events.event import Event
from circulation.openlineage.adding import Plain
from circulation.openlineage.runs import ENDS, NEVER, Heard, Run, heard_at, key_of, tells

# Of so many of the last events that said something else what they said is kept: a stream says one thing, or a few by
# turns, again and again.
SAID_MAX: Final = 64
_NAMES: Final = ("inputs", "outputs")
_BY_DATASET: Final = ("listed", "whole", "fields", "aliases", "changes")


class Folded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events of a subject up to the instant `last` (µs): the numbers of those that say all that they say, and when
    each run was heard of, by its key. Where they are of one run that is `plain`, a later one mostly adds to it alone.
    Of one run that is `settled` an event that says what was `said` before says nothing new (`is_settled`).
    """

    last: int
    numbers: tuple[int, ...]
    heard: dict[str, Heard]
    plain: Plain | None = None
    settled: bool = False
    said: tuple[bytes, ...] = ()


def telling(events: Sequence[Event]) -> list[Event]:
    """Those of the events of one run, in order, that say all that these say, whatever comes after them.

    1. The first, and what says anything that none before it says; of one instant all events count together.
    2. After each of these the first with which the run may derive.
    """
    streaming = any(event.data.streaming for event in events)
    chosen: list[Event] = list(events[:1])
    known: set[tuple[str, ...]] = set()
    waits = True
    for _, group in groupby(events, key=lambda event: event.time):
        simultaneous = list(group)
        kept = []
        for event in simultaneous:
            parts = set(_said(event))
            if event.data.renamed or not parts <= known:
                kept.append(event)
                known |= parts
        waits = waits or bool(kept)
        if waits and (derives := [event for event in simultaneous if tells(event, streaming=streaming)]):
            kept.append(derives[0])
            waits = False
        chosen += kept
    wanted = set(map(id, chosen))
    return [event for event in events if id(event) in wanted]


def heard_of(runs: Mapping[str, Iterable[Event]], before: Mapping[str, Heard] | None = None) -> dict[str, Heard]:
    """When each run was heard of, by its key: by these events, after those `before`. Jobs and datasets have none."""
    heard = dict(before or {})
    for key, events in runs.items():
        times = [event.time for event in events if event.data.kind == "run"]
        if times:
            heard[key] = heard_at(times, heard.get(key))
    return heard


def heard_until(heard: Heard, last: int) -> Heard:
    """The same as it was when the run was heard of last at an instant (µs)."""
    return Heard(tuple(silence for silence in heard.silences if silence[1] <= last), last)


def is_settled(runs: Sequence[Run]) -> bool:
    """Whether the runs of a subject are one that derives, and would by no event more of what it said.

    Then nothing of it hangs on when it is heard of next, and after all that it said came an event that tells.
    """
    if len(runs) != 1:
        return False
    (run,) = runs
    return (
        run.kind == "run" and run.derives < NEVER and not run.reads and tells(run.events[-1], streaming=run.streaming)
    )


def latest(sayings: Sequence[bytes]) -> tuple[bytes, ...]:
    """The last `SAID_MAX` of sayings, in their order, each once."""
    return tuple(list(dict.fromkeys(reversed(sayings)))[:SAID_MAX][::-1])


def saying_of(event: Event) -> bytes | None:
    """A digest of all that an event says of its run, but for its time; None where it counts each time, as what is
    renamed does."""
    if event.data.renamed:
        return None
    said = msgspec.json.encode(event.data, order="deterministic")
    return xxhash.xxh3_128_digest(key_of(event).encode() + b"\0" + said)


def _said(event: Event) -> Iterator[tuple[str, ...]]:
    """All that an event says of its run, in parts; what it was renamed from counts each time, and is none of them."""
    data = event.data
    for member in _NAMES:
        yield from ((member, name) for name in getattr(data, member))
    for member in _BY_DATASET:
        for dataset, names in getattr(data, member).items():
            yield member, dataset
            yield from ((member, dataset, name) for name in names)
    for dataset, columns in data.columns.items():
        yield "columns", dataset
        for column, inputs in columns.items():
            yield "columns", dataset, column
            yield from (("columns", dataset, column, source.input) for source in inputs)
    if data.streaming:
        yield ("streaming",)
    if data.parent is not None:
        yield "parent", data.parent
    if data.event_type in ENDS:
        yield "ended", data.event_type
