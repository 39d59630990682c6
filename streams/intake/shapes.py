"""The rules as intake asks them: tallies over uses, planned by pack, and the types of events that are to be judged."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from circulation.calendar import SECOND
from circulation.events.names import USAGE_REPORTED
from circulation.packs.pack import Pack
from circulation.rules import Rule, Tally
from streams.facts.circulations import CIRCULATING


class Plan(NamedTuple):
    """A tally that a pack runs, with its parameters; `at` is its place among the memories of a desk."""

    at: int
    rule: Rule
    tally: Tally
    parameters: Mapping[str, Any]
    # the memory of a tally before its first event
    blank: Any


class Shapes:
    """The rules as intake asks them."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules
        self.tallies = [rule for rule in rules.values() if rule.tally is not None]
        self.part_types = {rule.id: rule.tally.part for rule in self.tallies if rule.tally and rule.tally.part}
        # The types of events that some check, sum or screen looks at.
        self.judged = {
            type_
            for rule in rules.values()
            for shape in (rule.check, rule.sum)
            if shape is not None
            for type_ in shape.acts
        } | ({*CIRCULATING} if any(rule.screen for rule in rules.values()) else set())
        # The sums over a contract that ask for its earliest use.
        self.of_uses = [rule.id for rule in rules.values() if rule.sum is not None and "uses" in rule.sum.needs]
        # Those over a contract that ask since when any of its uses are left.
        self.of_served = [rule.id for rule in rules.values() if rule.sum is not None and "served" in rule.sum.needs]
        # Those over a contract that ask where it is used abroad.
        self.of_abroad = [rule.id for rule in rules.values() if rule.sum is not None and "abroad" in rule.sum.needs]
        # Those over a source that ask when it was heard.
        self.of_heard = [rule.id for rule in rules.values() if rule.sum is not None and "heard" in rule.sum.needs]
        # The rule, and its parameter, that say how near to midnight uses are told apart.
        edges = [(rule.id, rule.sum.edge) for rule in rules.values() if rule.sum is not None and rule.sum.edge]
        self.edge = edges[0] if edges else None
        # Statements of tallies on a termination that comes late, by rule.
        self.of_ends = [(rule.id, rule.tally.ended) for rule in self.tallies if rule.tally and rule.tally.ended]
        self._edges: dict[str, int] = {}
        self._plans: dict[str, list[Plan]] = {}
        self._use_plans: dict[str, list[Plan]] = {}

    def edge_of(self, pack: Pack) -> int:
        """Return how near to midnight (µs) uses are told apart, as a pack has it."""
        if self.edge is None:
            raise AssertionError("a rule tells uses apart")
        edge = self._edges.get(pack.digest)
        if edge is None:
            id_, name = self.edge
            seconds: int = self.rules[id_].settings(pack.setting(id_).parameters)[name]
            edge = self._edges[pack.digest] = seconds * SECOND
        return edge

    def plan(self, pack: Pack) -> list[Plan]:
        """Return the tallies as a pack has them."""
        plan = self._plans.get(pack.digest)
        if plan is None:
            # One that is off counts, too: what it counts when it is on again is all that there was (contract §3).
            plan = self._plans[pack.digest] = [
                Plan(at, rule, rule.tally, rule.settings(pack.setting(rule.id).parameters), rule.tally.memory())
                for at, rule in enumerate(self.tallies)
                if rule.tally is not None
            ]
        return plan

    def use_plan(self, pack: Pack) -> list[Plan]:
        """Return those of them that count plain uses."""
        plan = self._use_plans.get(pack.digest)
        if plan is None:
            plan = [planned for planned in self.plan(pack) if USAGE_REPORTED in planned.tally.events]
            self._use_plans[pack.digest] = plan
        return plan
