"""The route: which of our own functions a use and a delivery enter, from the first to the last, and how long it is.

Three numbers say how much a reader has to go through:

- A **stop** is a function of the engine (`streams`, and admission) that hands on to a function of another module. Each
  counts once, however often it is entered: it has to be read to know where an event goes next. What only answers those
  that call it is none.
- A **visit** is a stay in one module: functions of it that are entered one after the other, with none of another module
  in between.
- A **return** is a visit to a module that was visited before.

Counted are functions that we wrote, from the bytes of a record on. The events are taken in after a few like them, so
that what is read once a process or a contract is not counted.
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
from circulation.examples import BUYER, OWNER, SELLER, Json, asset, delivered, listed, party, signed, terms, used
from streams.engine import Engine
from streams.intake import Arrival
from streams.offline.replay import offline
from streams.store.store import Store

PACKAGES: Final = ("circulation", "detectors", "streams")
# Whose functions may be stops; the others are words and rules, which are asked and answer.
ENGINE: Final = ("circulation.admission.", "streams.")
INTAKE: Final = "Intake.take"
NOW: Final = parse_instant("2025-03-01")
ROUND_ITEMS: Final = 100
STATED: Final = [party(OWNER), party(SELLER), party(BUYER), asset("a"), listed("a", "2025-01-02")]
CONTRACT: Final = signed("c", "2025-01-03", asset="a")


class Entered(NamedTuple):
    """A function that was entered, by the name of its module; the place of its caller in the route, None of the first;
    and whether it entered a function of another module itself."""

    module: str
    function: str
    caller: int | None
    hands_on: bool


class Route(NamedTuple):
    """The functions that an event enters up to the commit of its intake, and then until its queue items are judged."""

    intake: list[Entered]
    judging: list[Entered]


class Length(NamedTuple):
    """How long a route is; `files` are the modules that its stops are in, `rooms` those that are visited."""

    stops: int
    files: int
    visits: int
    rooms: int

    @property
    def returns(self) -> int:
        """The visits to modules that were visited before."""
        return self.visits - self.rooms


def of_use() -> Route:
    """Return the route of a plain use that says nothing, one of many."""
    return _route([*STATED, CONTRACT, *(_used(number) for number in range(1, 4))], _used(4))


def of_use_that_is_found() -> Route:
    """Return the route of a use that reaches 80 % of what its contract allows."""
    limited = signed("c", "2025-01-03", asset="a", terms=terms(uses_max=5))
    return _route([*STATED, limited, *(_used(number) for number in range(1, 4))], _used(4))


def of_delivery() -> Route:
    """Return the route of a delivery of a contract that has had some."""
    return _route([*STATED, CONTRACT, *(_delivered(number) for number in range(1, 4))], _delivered(4))


def length(entered: list[Entered]) -> Length:
    """Count the stops and the visits of what was entered."""
    stops = {(call.module, call.function) for call in entered if call.hands_on and f"{call.module}.".startswith(ENGINE)}
    visits = sum(1 for _ in groupby(entered, key=lambda call: call.module))
    return Length(len(stops), len({module for module, _ in stops}), visits, len({call.module for call in entered}))


def of_intake(entered: list[Entered]) -> list[Entered]:
    """Return what was entered within `Intake.take`, itself first: the walk of the arrivals."""
    within = {next(place for place, call in enumerate(entered) if call.function == INTAKE)}
    for place, call in enumerate(entered):
        if call.caller in within:
            within.add(place)
    return [entered[place] for place in sorted(within)]


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
    # The calls that are open, by their places in `entered`; a generator is entered once, however often it goes on.
    opened: list[int] = []
    generators: dict[FrameType, int] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        # Comprehensions and what libraries generate are nothing that a reader stops at.
        written = not code.co_name.startswith("<") and not code.co_filename.startswith("<")
        if event not in ("call", "return") or not written or module.split(".")[0] not in PACKAGES:
            return
        if event == "return":
            if opened:
                opened.pop()
            return
        place = generators.get(frame)
        if place is None:
            place = len(entered)
            entered.append(Entered(module, code.co_qualname, opened[-1] if opened else None, hands_on=False))
            if code.co_flags & CO_GENERATOR:
                generators[frame] = place
            if opened and entered[opened[-1]].module != module:
                entered[opened[-1]] = entered[opened[-1]]._replace(hands_on=True)
        opened.append(place)

    profiled = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(profiled)
    return entered


def _lines(entered: list[Entered]) -> Iterator[str]:
    for number, (module, calls) in enumerate(groupby(entered, key=lambda call: call.module), start=1):
        functions = [
            (f"{name}{'*' if hands_on and f'{module}.'.startswith(ENGINE) else ''}", len(list(same)))
            for (name, hands_on), same in groupby((call.function.rpartition(".")[2], call.hands_on) for call in calls)
        ]
        names = [name if count == 1 else f"{name} x{count}" for name, count in functions]
        yield f"{number:4}  {module:32} {', '.join(names)}"


def main() -> None:
    """Print the routes, each visit in a line with its stops marked, and how long they are."""
    for name, route in (
        ("use", of_use()),
        ("use that is found", of_use_that_is_found()),
        ("delivery", of_delivery()),
    ):
        for part, entered in zip(("from its bytes to the commit", "until all is judged"), route, strict=True):
            whole = length(entered)
            print(
                f"A {name}, {part}: {whole.stops} stops (*) in {whole.files} files; {whole.visits} visits to"
                f" {whole.rooms} modules, {whole.returns} of them returns; {len(entered)} calls"
            )
            print("\n".join(_lines(entered)))
            print()
        walk = length(of_intake(route.intake))
        both = length([*route.intake, *route.judging])
        print(f"A {name}, all in all: {both.stops} stops in {both.files} files")
        print(f"Its walk within {INTAKE}: {walk.visits} visits to {walk.rooms} modules, {walk.returns} returns\n")


if __name__ == "__main__":
    main()
