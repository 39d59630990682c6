"""The route: which of our own functions one use and one delivery enter, from the first to the last.

A stop is a function of another module than the one entered before it: the fewer, the sooner a reader has seen it all.
The events are taken in after a few like them, so that what is read once a process or a contract is not counted.
"""

import sys
from collections.abc import Callable, Iterator
from inspect import CO_GENERATOR
from itertools import groupby
from types import FrameType
from typing import Any, Final, NamedTuple

import orjson

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import BUYER, OWNER, SELLER, Json, asset, delivered, listed, party, signed, used
from streams.engine import Engine
from streams.intake import Arrival
from streams.offline.replay import offline
from streams.store.store import Store

PACKAGES: Final = ("circulation", "detectors", "streams")
NOW: Final = parse_instant("2025-03-01")
ROUND_ITEMS: Final = 100
STATED: Final = [party(OWNER), party(SELLER), party(BUYER), asset("a"), listed("a", "2025-01-02")]
CONTRACT: Final = signed("c", "2025-01-03", asset="a")


class Entered(NamedTuple):
    """A function that was entered, by the name of its module."""

    module: str
    function: str


class Route(NamedTuple):
    """The functions that an event enters up to the commit of its intake, and then until its queue items are judged."""

    intake: list[Entered]
    judging: list[Entered]


def of_use() -> Route:
    """Return the route of a plain use that says nothing, one of many."""
    return _route([*STATED, CONTRACT, *(_used(number) for number in range(1, 4))], _used(4))


def of_delivery() -> Route:
    """Return the route of a delivery of a contract that has had some."""
    return _route([*STATED, CONTRACT, *(_delivered(number) for number in range(1, 4))], _delivered(4))


def stops(entered: list[Entered]) -> int:
    """Count the functions that are of another module than the one entered before."""
    return sum(1 for _ in groupby(entered, key=lambda call: call.module))


def _used(number: int) -> Json:
    return used("c", f"2025-02-01T0{number}:00:00Z", sequence=number)


def _delivered(number: int) -> Json:
    return delivered("c", f"2025-02-01T0{number}:00:00Z", delivery=f"d{number}")


def _route(before: list[Json], last: Json) -> Route:
    engine, admission = offline(Store("sqlite://"), None), Admission()
    engine.take_up()
    for order, event in enumerate(before):
        _take(engine, admission, order, orjson.dumps(event))
        _judge(engine)
    raw = orjson.dumps(last)
    intake = _entered(lambda: _take(engine, admission, len(before), raw))
    return Route(intake, _entered(lambda: _judge(engine)))


def _take(engine: Engine, admission: Admission, order: int, raw: bytes) -> None:
    event = admission.admit(raw, topic=None, key=ANY, headers=(), now=NOW)
    if not isinstance(event, Event):
        raise AssertionError(event)
    arrivals = [Arrival(order, NOW, event, raw, (event.topic, 0, order))]
    with engine.taking(arrivals) as db:
        engine.intake.take(db, arrivals, [], NOW)


def _judge(engine: Engine) -> None:
    while engine.judge_round(NOW, ROUND_ITEMS).items:
        pass


def _entered(act: Callable[[], None]) -> list[Entered]:
    entered: list[Entered] = []
    generators: set[FrameType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        # Comprehensions and what libraries generate are no stops of a reader.
        written = not function.startswith("<") and not frame.f_code.co_filename.startswith("<")
        if event != "call" or not written or module.split(".")[0] not in PACKAGES or frame in generators:
            return
        entered.append(Entered(module, function))
        if frame.f_code.co_flags & CO_GENERATOR:
            generators.add(frame)  # it is entered once, however often it goes on

    profiled = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(profiled)
    return entered


def _lines(entered: list[Entered]) -> Iterator[str]:
    for number, (module, functions) in enumerate(groupby(entered, key=lambda call: call.module), start=1):
        names = [f"{name} x{len(list(calls))}" for name, calls in groupby(call.function for call in functions)]
        yield f"{number:4}  {module:32} {', '.join(name.removesuffix(' x1') for name in names)}"


def main() -> None:
    """Print both routes."""
    for name, route in (("use", of_use()), ("delivery", of_delivery())):
        for part, entered in zip(("from its bytes to the commit", "until all is judged"), route, strict=True):
            modules = len({call.module for call in entered})
            print(f"A {name}, {part}: {stops(entered)} stops in {modules} modules, {len(entered)} functions")
            print("\n".join(_lines(entered)))
            print()


if __name__ == "__main__":
    main()
