"""The rules by their shapes: what asks for them, and what they look at. It never changes over the life of a judge."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from circulation.daily import span_of
from circulation.events.names import ASSET_REGISTERED
from circulation.facts.acts import NEVER
from circulation.facts.facts import Facts, Loaded, Need, facts_of
from circulation.rules import Check, Period, Rule, Screen, Sum
from streams.facts import circulations as screening
from streams.judging import late_pack_search as anew
from streams.store import queue
from streams.store.queue import Kind, kind_of, sum_of

# Checks and sums with the class of the facts that their rules may ask for; and with these facts.
FactsOfRules = tuple[list[tuple[Rule, Check, type[Facts]]], list[tuple[Rule, Sum, type[Facts]]]]
Bound = tuple[list[tuple[Rule, Check, Facts]], list[tuple[Rule, Sum, Facts]]]
# Periods of which is remembered when they end, and which they touch.
PERIODS_KEPT_MAX: Final = 4_096
# When a scope ends that is no period: before any horizon, also that of a store whose clock has not begun.
NO_PERIOD: Final = -NEVER - 1


def _class(rule: Rule, shape: Check | Sum, absent: frozenset[Need]) -> type[Facts]:
    return facts_of(rule.id, shape.needs, absent, rule.settings)


class Shapes:
    """Checks and sums by type of act, screens, and the types of acts that each kind of search goes through."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules
        self.checks: dict[str, list[tuple[Rule, Check]]] = {}
        self.sums: dict[str, list[tuple[Rule, Sum]]] = {}
        for rule in rules.values():
            for type_ in rule.check.acts if rule.check else ():
                self.checks.setdefault(type_, []).append((rule, rule.check))  # type: ignore[arg-type]
            for type_ in rule.sum.acts if rule.sum else ():
                self.sums.setdefault(type_, []).append((rule, rule.sum))  # type: ignore[arg-type]
        self._sums = {rule.id: rule.sum for rule in rules.values() if rule.sum is not None}
        self._periods = {id_: sum_.period for id_, sum_ in self._sums.items()}
        self.of_periods = {id_ for id_, period in self._periods.items() if period is not None}
        # How the keys of the acts begin of which any is needed for a sum to say something (`Sum.triggers`).
        self.triggers = {id_: tuple(map(queue.acts, sorted(sum_.triggers or ()))) for id_, sum_ in self._sums.items()}
        self.having_deadlines = {
            id_ for id_, sum_ in self._sums.items() if sum_.due or sum_.period is not None or "days" in sum_.needs
        }
        # The types whose reports a check looks at though they do not count.
        of_every_report = [
            rule.check.acts for rule in rules.values() if rule.check is not None and rule.check.every_report
        ]
        self.types_of_every_report = frozenset[str]().union(*of_every_report)
        self.screens: list[tuple[Rule, Screen]] = [(rule, rule.screen) for rule in rules.values() if rule.screen]
        circulating = screening.CIRCULATING if self.screens else ()
        # The types of acts that anything is judged by; those whose rules look at controllers; at whole groups.
        self.types = sorted({*self.checks, *self.sums, *circulating})
        shapes: list[Check | Sum | None] = [shape for rule in rules.values() for shape in (rule.check, rule.sum)]
        of_groups = [shape.acts for shape in shapes if shape is not None and "controllers" in shape.needs]
        if any("controllers" in screen.needs for _, screen in self.screens):
            of_groups.append(screening.CIRCULATING)
        self.types_of_groups = sorted(frozenset[str]().union(*of_groups))
        whole = [shape.acts for shape in shapes if shape is not None and "group" in shape.needs]
        self.types_of_whole_groups = sorted(frozenset[str]().union(*whole))
        # Types whose rules look at all that an asset was derived from; at what it was derived from in one step.
        above = [shape.acts for shape in shapes if shape is not None and "ancestors" in shape.needs]
        self.types_of_ancestors = frozenset[str]().union(*above)
        one_step = [shape.acts for shape in shapes if shape is not None and "inputs" in shape.needs]
        if any("made" in shape.needs for shape in shapes if shape is not None):
            one_step.append(frozenset({ASSET_REGISTERED}))
        self.types_of_inputs = frozenset[str]().union(*one_step)
        # Types whose sums may look at any contract over the asset.
        recalling = [rule.sum.recalling for rule in rules.values() if rule.sum is not None]
        self.types_recalling = frozenset[str]().union(*recalling)
        self.looks_at_payments = any("payments" in shape.needs for shape in shapes if shape is not None)
        # Sums over what was used on days: those that acts ask for, and the rules that are asked of each day by itself.
        daily = {rule.id: rule.sum for rule in rules.values() if rule.sum is not None and "days" in rule.sum.needs}
        self.each_day = [id_ for id_, shape in daily.items() if shape.each_day]
        self.daily = {id_: shape for id_, shape in daily.items() if not shape.each_day}
        self.of_abroad = [rule.id for rule in rules.values() if rule.sum is not None and "abroad" in rule.sum.needs]
        self.of_heard = [rule.id for rule in rules.values() if rule.sum is not None and "heard" in rule.sum.needs]
        self.touched_by_pack = anew.Anew(rules, self.types)
        # What acts of a type are asked of, by the needs that are absent; and what was made of periods.
        self._bindings: dict[tuple[str, frozenset[Need]], FactsOfRules] = {}
        self._touches: dict[tuple[str, str], Sequence[str]] = {}
        self._ends: dict[tuple[str, str], int] = {}
        self._needs: dict[str, set[Need]] = {}
        for shape in shapes:
            for type_ in () if shape is None else shape.acts:
                self._needs.setdefault(type_, set()).update(() if shape is None else shape.needs)

    def needs_of(self, types: Iterable[str]) -> frozenset[Need]:
        """The needs of checks and sums over acts of these types."""
        return frozenset[Need]().union(*(self._needs.get(type_, ()) for type_ in types))

    def sum_of(self, rule: str) -> Sum | None:
        """The sum of a rule; None where it has none, or is gone."""
        return self._sums.get(rule)

    def period_of(self, rule: str) -> Period | None:
        """The period of a rule's sum; None where it has none."""
        return self._periods.get(rule)

    def touches(self, rule: str, scope: str) -> Sequence[str]:
        """The scopes of a rule that are judged where an act of this one changed: of periods it may be several, else the
        scope itself."""
        period = self._periods.get(rule)
        if period is None:
            return (scope,)
        known = self._touches.get((rule, scope))
        if known is None:
            if len(self._touches) >= PERIODS_KEPT_MAX:
                self._touches.clear()
            known = self._touches[rule, scope] = period.touches(scope)
        return known

    def ends(self, rule: str, scope: str) -> int:
        """The instant (µs) at which a scope ends that is a period; `NO_PERIOD` of one that is none."""
        period = self._periods.get(rule)
        if period is None:
            return NO_PERIOD
        known = self._ends.get((rule, scope))
        if known is None:
            if len(self._ends) >= PERIODS_KEPT_MAX:
                self._ends.clear()
            known = self._ends[rule, scope] = period.ends(scope)
        return known

    def bound(self, type_: str, loaded: Loaded) -> Bound:
        """The checks and the sums that are asked of acts of a type, each with the facts that its rule may ask for."""
        absent = loaded.absent
        known = self._bindings.get((type_, absent))
        if known is None:
            known = self._bindings[type_, absent] = (
                [(rule, check, _class(rule, check, absent)) for rule, check in self.checks.get(type_, ())],
                [(rule, sum_, _class(rule, sum_, absent)) for rule, sum_ in self.sums.get(type_, ())],
            )
        checks, sums = known
        return (
            [(rule, check, facts(loaded)) for rule, check, facts in checks],
            [(rule, sum_, facts(loaded)) for rule, sum_, facts in sums],
        )

    def is_begun(self, thing: str) -> bool:
        """Whether it is a sum that is judged from an instant on where nothing changed before it."""
        shape = self.sum_of(sum_of(thing)[0]) if kind_of(thing) == Kind.SUM else None
        return shape is not None and (shape.step is not None or shape.since_report) and shape.period is None

    def locks(self, things: Sequence[str]) -> list[str]:
        """The locks besides those of things: days of a contract go on from each other, so a judge of any of them has
        all of its days."""
        sums = (sum_of(thing) for thing in things if kind_of(thing) == Kind.SUM)
        return [queue.uses(span_of(scope)[2]) for rule, scope in sums if rule in self.each_day]
