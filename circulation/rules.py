"""The shapes of a rule: check, sum, tally, screen; each may answer with a deadline.

A rule declares which acts or events it looks at and which other facts it needs, and the engine does the rest: it
loads in bulk, judges again when a fact changes, and skips rules that do not care. No rule does I/O, reads a clock,
or sees another rule.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import msgspec

from circulation.events import Event
from circulation.facts import Act, Circulation, Facts
from circulation.findings import Kind, Said, Severity
from circulation.licences import Licence

Need = Literal["asset", "ancestors", "contract", "party", "controllers", "group", "payments", "uses", "days"]
Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number of a rule that a pack may change, and what changing it does."""

    default: Any
    effect: str


@dataclass(frozen=True, slots=True)
class Check:
    """Judges one act by itself: `check(act, facts)`. No memory."""

    acts: frozenset[str]
    check: Callable[[Act, Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True)
class Period:
    """What makes a sum one of periods: a scope is one period of something, judged when it has ended.

    `ends(scope)` is the instant (µs) that the clock has to be past; nothing of a scope is loaded before. A period is
    judged with the acts of `members(scope)`, the periods that it looks back on, and an act of a period has those
    judged anew that `touches(scope)` names. So an act has one scope, over however many periods it counts. With
    `own_acts_only`, a period in which nothing happened is not judged for what happened in others.
    """

    ends: Callable[[str], int]
    members: Callable[[str], Sequence[str]]
    touches: Callable[[str], Sequence[str]]
    own_acts_only: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Judges the acts of one scope together: `judge(scope, acts, facts)`, acts in the order of (time, source, id).

    `scopes(act, facts)` names the scopes that an act belongs to; where they hang on facts, a changed fact moves the act
    to others. It names none for an act that the rule has nothing to say of: a scope is judged as a whole whenever one
    of its acts is. `due` tells that what it says may have a deadline. One that needs `uses` has contracts for scopes,
    and is asked also of a contract that has uses and no acts. With a `period`, scopes are periods.

    One that needs `days` is judged again where what was used on a day changes: the scopes that acts of the contract
    belong to, or, with `each_day`, the one that `daily.day_scope` names, also where no act belongs to it. With
    `ended_days` a day matters only once it has ended. With `every_report`, scopes and acts are those of all reports
    that stand, and not only of those that count; where one report of an act belongs to a scope, all of them do.
    """

    acts: frozenset[str]
    scopes: Callable[[Act, Facts], Iterable[str]]
    judge: Callable[[str, Sequence[Act], Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()
    due: bool = False
    period: Period | None = None
    each_day: bool = False
    ended_days: bool = False
    every_report: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Judges what circulates once more whenever an entry of the list takes effect.

    `judge(circulation, until, facts)` says what holds at all such instants before `until` (µs); no memory.
    """

    judge: Callable[[Circulation, int, Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()


_UNCHANGED: Mapping[str, Any] = MappingProxyType({})


class Counted(NamedTuple):
    """What one event adds to the tallies of its contract (negative where something is given back)."""

    event: Event
    uses: int = 0
    bytes: int = 0
    rows: int = 0
    persons: int = 0


class Uses(msgspec.Struct, kw_only=True, gc=False):
    """A run of plain uses of one contract under one licence, summed up: what the fast path of a tally looks at.

    `totals` are [uses, bytes, rows] by rank of the reporter; `kinds` are (purpose, country, region, environment,
    actor). `count` is how many they are; a tally that must know goes over `each` of them, in their order.
    """

    totals: dict[int, list[int]]
    kinds: set[tuple[str, str | None, str | None, str | None, str | None]]
    first: int
    last: int
    count: int
    each: Callable[[], Iterable[Event]]


class Stepped(msgspec.Struct, gc=False):
    """What a step of a tally leaves: its memory, the parts of it that changed, and what is said."""

    memory: Any
    parts: Mapping[str, Any] = _UNCHANGED
    said: Sequence[Said] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts the firehose of one contract, in the order of its key.

    `step(memory, parts, counted, licence, parameters)` never changes what it is given. `quiet` is the fast path: for
    a run of uses that says nothing it answers with what the steps would leave, else with None, and the engine steps
    through the run. `part` is the type of a part of the memory that is loaded by itself, since there may be many of
    them (windows); `names(instant, licence)` tells which parts an event touches.
    """

    events: frozenset[str]
    memory: type[msgspec.Struct]
    step: Callable[[Any, Mapping[str, Any], Counted, Licence, Parameters], Stepped]
    quiet: Callable[[Any, Mapping[str, Any], Uses, Licence, Parameters], Stepped | None]
    part: type[msgspec.Struct] | None = None
    names: Callable[[int, Licence], Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector: what it is called, on what law it rests, and its shapes."""

    id: str
    title: str
    about: Kind
    severity: Severity
    articles: tuple[str, ...]
    version: str = "1"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    check: Check | None = None
    sum: Sum | None = None
    tally: Tally | None = None
    screen: Screen | None = None

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in force: what a pack gives, and the defaults for the rest."""
        return {name: given.get(name, parameter.default) for name, parameter in self.parameters.items()}
