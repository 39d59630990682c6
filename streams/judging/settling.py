"""Settles days of contracts in a round, each after the one before it, and has judged what goes on from them.

All days of one contract are judged under one lock (`Shapes.locks`), so a day sees what the one before it came to, or is
judged again by whoever settles that after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from circulation.daily import UsedDay, day_number, day_scope, month_scope, span_of
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts
from circulation.findings import Said
from circulation.rules import Sum
from circulation.sides import Settled
from streams.facts import members, settled_days
from streams.facts import used_days as summaries
from streams.facts.reports import Reported
from streams.judging.agreements import Day, Looked
from streams.judging.round import Round
from streams.judging.scopes import Scope
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.queue import AGAIN


class Settling:
    """The settled state of the days that a round asks for, by contract, as far as it has come."""

    def __init__(self, round_: Round, scopes: Iterable[tuple[str, str]]) -> None:
        """`scopes` are the (rule, scope) that are judged."""
        self._round = round_
        self._scopes = {*scopes}
        days: dict[str, set[int]] = {}
        spans = []
        for _, scope in self._scopes:
            first, last, contract = span_of(scope)
            if first == last:
                days.setdefault(contract, set()).add(first)
            else:
                spans.append((contract, first, last))
        self.settled, self._forgotten = settled_days.load(round_.db, days, spans)
        # The days that changed, by contract and day; and the sums that they ask for.
        self._changed: dict[tuple[str, int], Settled] = {}
        self._handed_on: dict[tuple[str, int], str] = {}
        self._follow: set[tuple[str, str]] = set()
        # Months of days on which nobody but one had stated anything yet: one that others made by later days is added up
        # of these, too.
        self._months: set[tuple[str, str]] = set()

    def judge(self, rule: str, shape: Sum, scope: str, acts: Sequence[Act], facts: Facts) -> Iterable[Said]:
        """Settle a day, where it is one; and ask the rule of it."""
        first, last, contract = span_of(scope)
        if shape.settles is not None and first == last and (contract, first) not in self._forgotten:
            self._settle(rule, contract, first, shape.settles(scope, acts, facts))
        return shape.judge(scope, acts, facts)

    def _settle(self, rule: str, contract: str, day: int, now: Settled) -> None:
        days = self.settled.setdefault(contract, {})
        before = days.get(day)
        days[day] = now
        if now == before:
            return
        self._changed[contract, day] = now
        if now.hands_on(before):
            self._handed_on[contract, day] = rule
            if now.moved or (before is not None and before.moved):
                self._follow.add((rule, day_scope(day + 1, contract)))
        stated = {*now.stated, *(() if before is None else before.stated)}
        (self._follow if len(stated) > 1 else self._months).add((rule, month_scope(day, contract)))

    def note(
        self,
        members: Mapping[Scope, Iterable[str]],
        reports: Mapping[str, Reported],
        days: Mapping[str, Sequence[UsedDay]],
        contracts: Mapping[str, ContractFacts],
        differing: Collection[str],
    ) -> None:
        """Note of each day that was judged whether its reporters agree; `differing` are the things of those that do
        not."""
        looked: dict[Day, Looked] = {}
        for rule, scope in self._scopes:
            day, last, contract = span_of(scope)
            if day != last:
                continue
            of_day = [
                act for thing in members[rule, scope] for act in reports[thing].reports if day_number(act.time) == day
            ]
            used_by = {reporter for used_on, reporter, _ in days.get(contract, ()) if used_on == day}
            looked[contract, day] = Looked(
                frozenset({*used_by, *(act.reporter for act in of_day)}),
                frozenset(act.source for act in of_day),
                queue.sum_(rule, scope) in differing,
            )
        if looked:
            self._round.agreements.note(looked, contracts)

    def write(self) -> None:
        """Keep what changed, and queue the days and months that go on from it and are not judged in this round; those
        that have not ended have a deadline."""
        round_ = self._round
        db = round_.db
        settled_days.write(db, self._changed)
        by_day: dict[int, list[str]] = {}
        for contract, day in self._handed_on:
            by_day.setdefault(day, []).append(contract)
        rules = {contract: rule for (contract, _), rule in self._handed_on.items()}
        if months := self._months - self._follow:
            self._follow |= members.entered(db, months)
        # No act tells of them, and a late pack, or another seller, finds them so.
        rows: list[tuple[Any, ...]] = [
            (rule, scope, queue.uses(span_of(scope)[2]), None, None) for rule, scope in sorted(self._follow)
        ]
        db.many(schema.scopes, rows, "ignore")
        for row in rows:
            round_.known.members.entered(*row[:3])
        self._follow |= {
            (rules[contract], day_scope(day, contract)) for contract, day in settled_days.following(db, by_day)
        }
        follow = sorted(self._follow - self._scopes)
        coming, ended = [], []
        for rule, scope in follow:
            if (ends := round_.shapes.ends(rule, scope)) >= round_.horizon:
                coming.append((queue.sum_(rule, scope), ends))
            else:
                ended.append(queue.sum_(rule, scope))
        db.many(schema.deadlines, coming, "ignore")
        round_.queue(ended, AGAIN)


def used_on(db: Db, scopes: Iterable[str], known: Mapping[str, Sequence[UsedDay]]) -> dict[str, list[UsedDay]]:
    """The uses of the days of these scopes, and of the next ones, at whose beginning there may be uses that count on
    them; with those known of other days of the same contracts."""
    wanted: dict[str, set[int]] = {}
    for first, last, contract in map(span_of, scopes):
        wanted.setdefault(contract, set()).update((first, first + 1) if first == last else ())
    return {
        contract: _together(known.get(contract, ()), used) for contract, used in summaries.used_on(db, wanted).items()
    }


def _together(known: Iterable[UsedDay], read: Iterable[UsedDay]) -> list[UsedDay]:
    """Join the uses of days that were read in two parts; a day that is in both is as it was read last."""
    days = {(used_day.day, used_day.reporter): used_day for used_day in (*known, *read)}
    return [days[key] for key in sorted(days)]
