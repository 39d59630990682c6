"""Plants about the feeds themselves: missing numbers, sources that fall silent, reporters that do not agree."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, SECOND
from circulation.findings import Kind
from streams.simulate.ground import END, Ground, Plant
from streams.simulate.told import Must, Told

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


def restart(on: Ground) -> Iterator[Told | Must]:
    """A source loses its counters between two uses, and counts on under a higher epoch: nobody knows what it said last.
    Of another source that begins with such an epoch nothing came before."""
    for name, epochs in (("restarted", (0, 0, 1)), ("began", (7, 7, 7))):
        yield from on.trade(name)
        source = f"//{name}.example/{on.number}"
        uses = [
            on.used(name, on.day(10 + at))._replace(source=source, epoch=epoch, arrives=on.day(10 + at))
            for at, epoch in enumerate(epochs)
        ]
        yield from uses
        if epochs[0] != epochs[-1]:
            why = "number 1 comes under a higher epoch, after two under the one before"
            before = {"sequenceepoch": 0, "last": 2}
            yield on.must("feed-gap", "yellow", ("source", source), why, cause=uses[2], sequenceepoch=1, before=before)


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


def _by(event: Told, reporter: str, number: int) -> Told:
    return event._replace(reporter=reporter, source=f"//{reporter}.example/{number}")


def disagreeing(on: Ground) -> Iterator[Told | Must]:
    """Of one day the provider reports 1,000 uses and the consumer 1,011, more than 1 % apart; 1,010 is not, whenever it
    is heard of. A delivery that one side reports and the other does not is found as well, when the day is over for 24
    hours. So is the month of the one day."""
    noon = on.month(1, 10.5)
    for name, uses, late in (("agree", 1_010, 0), ("late", 1_010, 5 * DAY), ("differ", 1_011, 0)):
        yield from on.trade(name)
        yield _by(on.used(name, noon, 1_000), "provider", on.number)
        yield _by(on.used(name, noon + HOUR, uses), "consumer", on.number).late(late)
    for name, reporters in (("both", ("provider", "consumer")), ("one", ("provider",))):
        yield from on.trade(name, delivered=False)
        for reporter in reporters:
            yield _by(on.delivered(name, on.day(10), delivery=on.thing(f"delivery-{name}")), reporter, on.number)
    for name, why, occurred in (
        ("differ", "two reporters say 1,000 and 1,011 uses of one day", on.month(1, 12)),
        ("differ", "two reporters say 1,000 and 1,011 uses of one month", on.month(2, 1)),
        ("one", "a delivery that only the provider reports", on.day(12)),
    ):
        yield _apart(on, name, why, occurred)


def _apart(on: Ground, name: str, why: str, occurred: int, **evidence: Any) -> Must:
    about: tuple[Kind, str] = ("contract", on.thing(name))
    party = on.who("seller")
    return on.must("reconciliation", "yellow", about, why, occurred=occurred, party=party, **evidence)


def around_midnight(on: Ground) -> Iterator[Told | Must]:
    """Half of what the provider counts before a midnight the consumer counts after it: a minute after it at most, it
    counts on the day before; a second more, and both days are apart, but not their month."""
    midnight = on.month(1, 10)
    for name, seconds in (("soon", 60), ("later", 61)):
        yield from on.trade(name)
        for time, uses in ((midnight - DAY // 2, 200), (midnight + DAY // 2, 100)):
            yield _by(on.used(name, time, uses), "provider", on.number)
        for time, uses in ((midnight - DAY // 2, 100), (midnight + seconds * SECOND, 100), (midnight + DAY // 2, 100)):
            yield _by(on.used(name, time, uses), "consumer", on.number)
    for day, says in ((11, (200, 100)), (12, (100, 200))):
        tallies = {"uses": {"provider": says[0], "consumer": says[1]}}
        yield _apart(on, "later", "61 seconds after midnight it is another day's", on.month(1, day), tallies=tallies)


def silent_side(on: Ground) -> Iterator[Told | Must]:
    """The consumer keeps up with the provider for seven days and says nothing of the eighth, which is found that day,
    and of the month. After six days nothing is held against it that day, and one use of six thousand is no more than
    the month allows. A consumer silent for a whole month is found when it is over."""
    for name, days, last in (("seven", 7, 1_000), ("six", 6, 1)):
        yield from on.trade(name)
        for day in range(days):
            yield _by(on.used(name, on.month(1, day + 3.5), 1_000), "provider", on.number)
            yield _by(on.used(name, on.month(1, day + 3.6), 1_000), "consumer", on.number)
        yield _by(on.used(name, on.month(1, days + 3.5), last), "provider", on.number)
    yield from on.trade("gone")
    for month, reporters in ((1, ("provider", "consumer")), (2, ("provider",))):
        for reporter in reporters:
            yield _by(on.used("gone", on.month(month, 5.5), 1_000), reporter, on.number)
    for name, why, occurred in (
        ("seven", "silent on the day after seven on which both reported", on.month(1, 12)),
        ("seven", "7,000 uses of the month, and 8,000", on.month(2, 1)),
        ("gone", "silent all month", on.month(3, 1)),
    ):
        yield _apart(on, name, why, occurred, silent=["consumer"] if "silent" in why else [])


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


PLANTS: Final[tuple[Plant, ...]] = (hole, restart, silence, disagreeing, around_midnight, silent_side)
