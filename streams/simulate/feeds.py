"""Plants about the feeds themselves: numbers that are missing, and sources that fall silent."""

from collections.abc import Iterator
from typing import Final

from circulation.calendar import SECOND
from streams.simulate.ground import END, Ground, Must, Plant, Told

SILENCE_SECONDS: Final = 300
# A source that is alive when the file ends. It is one for the whole market.
LIVING: Final = "//living.example/events"


def hole(on: Ground) -> Iterator[Told | Must]:
    """Of what a source says of one contract the second number never comes: the third reveals it. Of another source the
    second comes after the third: the hole is filled, and nothing is left of the finding."""
    for name, lost in (("lossy", True), ("reordered", False)):
        yield from on.trade(name)
        source = f"//{name}.example/{on.number}"
        uses = [on.used(name, on.day(10 + at))._replace(source=source) for at in range(3)]
        yield from (uses[0], uses[1]._replace(lost=lost, arrives=uses[2].time + SECOND), uses[2])
        if lost:
            why = "number 2 of three never came"
            about = ("source", source)
            yield on.must("feed-gap", "yellow", ("source", about[1]), why, cause=uses[2], missing=[[2, 2]])


def silence(on: Ground) -> Iterator[Told | Must]:
    """A source says that it is alive, and then no more."""
    source = f"//silent.example/{on.number}"
    for at in range(3):
        beat = on.event("source.heartbeat", source, on.day(10) + at * SILENCE_SECONDS * SECOND)
        yield beat._replace(source=source)
    yield on.must(
        "feed-silence",
        "yellow",
        ("source", source),
        "after its newest heartbeat none came for 300 seconds",
        occurred=on.day(10) + 3 * SILENCE_SECONDS * SECOND,
    )


def living(until: int) -> Iterator[Told | Must]:
    """The near miss of `silence`: a source that was heard 300 seconds before the end, and whose heartbeat of that
    instant is the end of the file. Where the clock goes on, it falls silent as well."""
    on = Ground("living", 0, 0, until)
    for time in (END - 2 * SILENCE_SECONDS * SECOND, END - SILENCE_SECONDS * SECOND, END):
        yield on.event("source.heartbeat", LIVING, time)._replace(source=LIVING)
    deadline = END + SILENCE_SECONDS * SECOND
    if until > deadline:
        why = "the clock went on after its last heartbeat"
        yield on.must("feed-silence", "yellow", ("source", LIVING), why, occurred=deadline)


PLANTS: Final[tuple[Plant, ...]] = (hole, silence)
