"""The shapes of a rule: check, sum, tally, screen; each may answer with a deadline.

A rule declares which acts or events it judges and which other facts it needs, and the engine does the rest: it
loads in bulk, judges again when a fact changes, and skips rules that do not care. Each shape of a rule is given the
facts of its own `needs`: asking for others raises `Undeclared`. No rule does I/O, reads a clock, or sees another rule.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from circulation import sandbox
from circulation.daily import UsedDay
from circulation.events.event import Event
from circulation.facts.acts import NEVER, Act, order
from circulation.facts.circulations import Circulation
from circulation.facts.facts import Facts, Need
from circulation.findings import About, Cause, Kind, Said, Severity
from circulation.ledger import Ledger
from circulation.licences import Licence
from circulation.sides import Settled

Parameters = Mapping[str, Any]

# Kinds of subjects that are nobody's act.
OF_NO_PARTY: Final[frozenset[Kind]] = frozenset({"market", "source"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of a rule that a pack may change, what changing it does, and what `lint` holds a given one against.

    A number must be below (`below`) another parameter of the rule or a fixed number, above (`above`) a fixed number,
    at most as large as (`at_most`) another parameter, and at most `most`, since it is a share or since the rule looks
    no farther. `alike` names another rule's parameter as `rule.parameter`: both are one number of the law. The items
    of a list are words of `choices`, or dates: `days` are those on which nobody works ("off"), or that are worked.
    """

    default: Any
    effect: str
    below: str | int | None = field(default=None, kw_only=True)
    above: int | None = field(default=None, kw_only=True)
    at_most: str | None = field(default=None, kw_only=True)
    most: int | None = field(default=None, kw_only=True)
    alike: str | None = field(default=None, kw_only=True)
    choices: tuple[str, ...] = field(default=(), kw_only=True)
    days: Literal["off", "worked"] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Check:
    """Judges one act by itself: `check(act, facts)`. No memory.

    With `every_report` it is asked of reports, too, that do not count as acts: of lesser reporters, and of a contract
    those of others than its home.
    """

    acts: frozenset[str]
    check: Callable[[Act, Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()
    every_report: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The periods of a sum: a scope is one period of something, judged when it has ended.

    `ends(scope)` is the instant (µs) that the clock has to be past; nothing of a scope is loaded before. A period is
    judged with the acts of `members(scope)`, the periods that it looks back on, and an act of a period has those
    judged anew that `touches(scope)` names. So an act has few scopes, over however many periods it counts. With
    `own_acts_only`, a period in which nothing happened is not judged for what happened in others. With `before_end`, an
    act at the end of a period or later changes nothing of it.
    """

    ends: Callable[[str], int]
    members: Callable[[str], Sequence[str]]
    touches: Callable[[str], Sequence[str]]
    own_acts_only: bool = False
    before_end: bool = False


# One step of a sum: an act, with the memory of those before; it changes nothing but the ledger. A finding that a later
# act may take back, or that is due only once the clock is past an instant, is not answered but kept in the ledger
# (`Ledger.keep`): a step says all that it has to say in one of the two ways.
Step = Callable[[Ledger, str, Act, Facts], Iterable[Said]]


def over(step: Step) -> Callable[[str, Sequence[Act], Facts], list[Said]]:
    """The `judge` of a sum that is taken a step at a time."""

    def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
        ledger = Ledger()
        findings = [finding for act in acts for finding in step(ledger, scope, act, facts)]
        return [*findings, *ledger.kept(-NEVER, NEVER)]

    return judge


@dataclass(frozen=True, slots=True)
class Sum:
    """Judges the acts of one scope together: `judge(scope, acts, facts)`, acts in the order of (time, source, id).

    `scopes(act, facts)` names the scopes that an act belongs to; where they hang on facts, a changed fact moves the act
    to others. It names none for an act that the rule has nothing to say of: a scope is judged as a whole whenever one
    of its acts is. `due` tells that what it says may have a deadline. One that needs `uses` has contracts for scopes,
    and is asked also of a contract that has uses and no acts; one that needs `served` has contracts for scopes, too.
    One that needs `heard` has sources for scopes, and is asked also of one that owes events and has no acts.
    One that needs `inputs` has assets for scopes. With a `period`, scopes are periods.

    One that needs `days` is judged again where what was used on a day changes: the scopes that acts of the contract
    belong to, or, with `each_day`, the one that `daily.day_scope` names, also where no act belongs to it: it is given
    what was used on that day and the next. With
    `ended_days` a day matters only once it has ended. With `since_report` what it says from an instant on hangs on
    no day before the last one with a report that came earlier than the instant's day: where something changed from
    an instant on it is given no acts, and of its contract that day and those after it. With `every_report`, scopes
    and acts are those of all reports that stand, and not only of those that count; where one report of an act
    belongs to a scope, all of them do.

    With `settles`, each day goes on from the last one before it that was judged: before `judge` is asked of a day it
    tells what is settled of it, from what is settled of the one before (`needs` has `settled`). That is kept; where it
    changes the next day is judged again, and the month, whose scope `daily.month_scope` names. `edge` is the parameter
    that says how near to midnight what is used is told apart (`Used.head`, `Used.tail`), seconds. One rule at most has
    either.

    Of a scope in which only few acts may have something said, such as sales among purchases, `waits` names another one,
    to which these few belong as well: while that has none, the scope is not judged. That one names itself, and is never
    judged.

    `triggers` are the types of acts without any of which nothing is said of a scope, as of terms without a payment. The
    rule is not asked then, unless what it needs of `uses`, `abroad` or `heard` was counted of the scope.

    `names` tells which assets and which parties a scope names: their facts are there besides those that its acts name.

    Where many acts share a scope, `step` lets the engine go on from the first one that changed (`judge` is then
    `over(step)`): what it says occurred at its act, and what it asks of facts is how they were at that instant. Acts of
    the types in `first` stand before all others of their instant there. Where an act may change what is said of acts
    before it, `reaches` tells from which instant on. `coming` is for what looks at packs from their publication on, and
    not only where they are in force. By its ledger an act of a type in `recalling` may read contracts
    that acts before it named, and that are over its asset: `recalls` names them, and their facts are there.
    """

    acts: frozenset[str]
    scopes: Callable[[Act, Facts], Iterable[str]]
    judge: Callable[[str, Sequence[Act], Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()
    due: bool = False
    period: Period | None = None
    each_day: bool = False
    ended_days: bool = False
    since_report: bool = False
    every_report: bool = False
    settles: Callable[[str, Sequence[Act], Facts], Settled] | None = None
    edge: str | None = None
    step: Step | None = None
    first: frozenset[str] = frozenset()
    reaches: Callable[[Act, Facts], int] | None = None
    names: Callable[[str], tuple[Iterable[str], Iterable[str]]] | None = None
    coming: bool = False
    recalls: Callable[[Ledger, Act], Iterable[str]] | None = None
    recalling: frozenset[str] = frozenset()
    waits: Callable[[str], str] | None = None
    triggers: frozenset[str] | None = None

    def in_order(self, acts: Iterable[Act]) -> list[Act]:
        """Acts in the order in which they are judged."""
        if not self.first:
            return sorted(acts, key=order)
        return sorted(acts, key=lambda act: (act.time, act.type not in self.first, act.source, act.id))


@dataclass(frozen=True, slots=True)
class Screen:
    """Judges what circulates once more whenever an entry of the list takes effect.

    `judge(circulation, until, facts)` says what holds at all such instants before `until` (µs); no memory.
    """

    judge: Callable[[Circulation, int, Facts], Iterable[Said]]
    needs: frozenset[Need] = frozenset()


_UNCHANGED: Mapping[str, Any] = MappingProxyType({})


class Counted(NamedTuple):
    """The amounts that one event adds to the tallies of its contract (negative where something is given back).

    Terms that came are counted, too: with nothing added. Amounts are given back `by` a cancellation or a
    retraction, at the `time` of what it was counted for; `gone` is that, where nothing is left of it. Where the rule
    is off, what it says is not `told`.
    """

    event: Event
    uses: int = 0
    bytes: int = 0
    rows: int = 0
    persons: int = 0
    by: Event | None = None
    gone: Cause | None = None
    told: bool = True

    @property
    def adds(self) -> bool:
        """Whether it adds uses, bytes or rows: a report of none of them is no use."""
        return bool(self.uses or self.bytes or self.rows)


class Uses(msgspec.Struct, kw_only=True, gc=False):
    """A run of plain uses of one contract under one licence, summed up: the input of the fast path of a tally.

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
    """The result of a step of a tally: its memory, the parts of it that changed, the findings, and those of before
    that are cleared (about, cause and `apart`)."""

    memory: Any
    parts: Mapping[str, Any] = _UNCHANGED
    said: Sequence[Said] = ()
    cleared: Sequence[tuple[About, Cause, tuple[str, ...]]] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts the firehose of one contract, in the order of its key.

    `step(memory, parts, counted, licence, parameters)` never changes what it is given. `quiet` is the fast path: for
    a run of uses that says nothing it answers with what the steps would leave, else with None, and the engine steps
    through the run. `ended(termination, licence, days)` says what it says of uses that came before a termination of an
    earlier `time`: of all that was used on its day and those after it, as far as they are kept. `part` is the type of
    a part of the memory that is loaded by itself, since there may be many of them (windows); `names(instant, licence)`
    tells which parts an event touches.
    """

    events: frozenset[str]
    memory: type[msgspec.Struct]
    step: Callable[[Any, Mapping[str, Any], Counted, Licence, Parameters], Stepped]
    quiet: Callable[[Any, Mapping[str, Any], Uses, Licence, Parameters], Stepped | None]
    ended: Callable[[Event, Licence, Sequence[UsedDay]], Iterable[Said]] | None = None
    part: type[msgspec.Struct] | None = None
    names: Callable[[int, Licence], Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector: what it is called in English and Chinese, on what law it rests, and its shapes."""

    id: str
    title: str
    title_zh: str
    about: Kind
    severity: Severity
    articles: tuple[str, ...]
    version: str = "1"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    check: Check | None = None
    sum: Sum | None = None
    tally: Tally | None = None
    screen: Screen | None = None

    def settings(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in force: what a pack gives, and the defaults for the rest."""
        return {name: stated.get(name, parameter.default) for name, parameter in self.parameters.items()}

    @property
    def never_tried(self) -> bool:
        """Whether no sandbox holds it back: a tally, what is about no party's act, the rule that watches sandboxes."""
        counts_only = self.tally is not None and self.check is None
        return counts_only or self.about in OF_NO_PARTY or self.id == sandbox.DETECTOR


def parameters(rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """The parameters of each detector with their defaults, by its id: what `parse_pack` checks a pack against."""
    return {
        rule.id: {name: parameter.default for name, parameter in rule.parameters.items()} for rule in rules.values()
    }
