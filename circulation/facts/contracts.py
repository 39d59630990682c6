"""Facts of a contract, with their times: terms, parties, the end."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Set
from itertools import pairwise
from typing import Any

from circulation.events.event import Event
from circulation.events.names import CONTRACT_SIGNED, CONTRACT_TERMINATED
from circulation.facts.acts import NEVER, Act, order
from circulation.facts.statements import time_of
from circulation.licences import TERMS_TYPES, in_force
from circulation.terms import Terms
from circulation.voices import Home

# The statements of a contract by its home.
STATING = (*TERMS_TYPES, CONTRACT_TERMINATED)
# Members of terms of which rules ask whether any statement ever gave them.
_EVER = ("delete_within_days", "report_within_days", "pay_within_days", "quota_group", "resale")


class ContractFacts:
    """One contract: its terms over time, its end, what was proved."""

    def __init__(self, contract: str, statements: Collection[Event], home: Home | None = None) -> None:
        """`statements` come in the order of the key. `home` is what they, and those taken back since, made of it."""
        self.id = contract
        if home is None:
            home = Home()
            for statement in statements:
                if statement.type == CONTRACT_SIGNED:
                    home.take(statement.source, statement.reporter)
        self.home = home
        # Statements that do not count: of others than the home, and of one type all but the best reporter's.
        self._aside: list[Event] = []
        self._clear()
        for statement in sorted(statements, key=order):
            self._place(statement)

    def _clear(self) -> None:
        # By type who reported best.
        self._best: dict[str, int] = {}
        self._terms: list[Event] = []
        self._terminated: list[Event] = []
        self._signed: Event | None = None
        # Of each seller, each asset, and each of `_EVER` when it was stated first.
        self._sellers: dict[str, int] = {}
        self._buyers: set[str] = set()
        self._assets: dict[str, int] = {}
        self._permitted: dict[str, int] = {}
        # So many statements at the beginning were followed by another before they ended the contract.
        self._followed = 0

    def add(self, statement: Event) -> None:
        """Adds a statement that came."""
        if statement.type == CONTRACT_SIGNED and self.home.take(statement.source, statement.reporter):
            self._anew(statement)
        else:
            self._place(statement)

    def _place(self, statement: Event) -> None:
        if statement.type not in STATING:
            return
        if not self.home.has(statement.source):
            insort(self._aside, statement, key=order)
            return
        best = self._best.setdefault(statement.type, statement.reporter)
        if statement.reporter > best:
            insort(self._aside, statement, key=order)
        elif statement.reporter < best:
            self._anew(statement)
        else:
            self._count(statement)

    def _anew(self, statement: Event) -> None:
        """Goes over all of it with one more, after which others count."""
        statements = sorted((*self._terms, *self._terminated, *self._aside, statement), key=order)
        best: dict[str, int] = {}
        for event in statements:
            if self.home.has(event.source):
                best[event.type] = min(event.reporter, best.get(event.type, event.reporter))
        self._aside = []
        self._clear()
        self._best = best
        for event in statements:
            self._place(event)

    def _count(self, statement: Event) -> None:
        if statement.type == CONTRACT_TERMINATED:
            insort(self._terminated, statement, key=order)
            self._followed = 0
            return
        at = bisect_left(self._terms, order(statement), key=order)
        self._terms.insert(at, statement)
        self._followed = min(self._followed, max(0, at - 1))
        if statement.type == CONTRACT_SIGNED and (self._signed is None or order(statement) < order(self._signed)):
            self._signed = statement
        terms = statement.data.terms
        permitted = [name for name in _EVER if (has := getattr(terms, name)) is not None and has is not False]
        for first, names in (
            (self._sellers, (statement.data.seller,)),
            (self._assets, (statement.data.asset,)),
            (self._permitted, permitted),
        ):
            for name in names:
                first[name] = min(statement.time, first.get(name, statement.time))
        self._buyers.add(statement.data.buyer)

    def changed_since(self, instant: int) -> int:
        """From when on what is known of the contract may have changed, if something was stated from `instant` on.

        Of earlier acts only the end matters, and what the terms ever gave: nobody asks who bought it later,
        or what was sold later, and who sells it later matters to what was stated of it alone (`is_sold_on`).
        """
        at = bisect_left(self._terms, instant, key=time_of)
        first = [event.time for event in (self._signed, *self._terminated[-1:]) if event is not None]
        if not at or self._aside or "quota_group" in self._permitted:
            return -NEVER
        return -NEVER if any(time >= instant for time in (*first, *self._permitted.values())) else instant

    def is_sold_on(self, owners: Collection[str], before: int = NEVER) -> bool:
        """Whether its terms ever gave resale, or another than these sold it; of what was stated before an instant."""
        if self._permitted.get("resale", NEVER) < before:
            return True
        return any(time < before and seller not in owners for seller, time in self._sellers.items())

    def sellers_since(self, instant: int) -> Set[str]:
        """The seller just before an instant, and those stated from then on."""
        at = bisect_left(self._terms, instant, key=time_of)
        return {statement.data.seller for statement in self._terms[max(0, at - 1) :]}

    def is_sold_by_others_since(self, instant: int) -> bool:
        """Whether anyone sells it from an instant on who never did before."""
        at = bisect_left(self._terms, instant, key=time_of)
        return any(self._sellers[statement.data.seller] >= instant for statement in self._terms[at:])

    def each_counts(self, type_: str) -> bool:
        """Whether every statement of a type counts: all are the home's, and one reporter's."""
        return all(statement.type != type_ for statement in self._aside)

    def conflicting(self, source: str) -> Event | None:
        """The earliest statement of a source that is not the contract's home, and has none of what it states count.

        A lesser reporter's signing is held against the others by `reconciliation` alone.
        """
        rank = self.home.rank
        for statement in self._aside:
            lesser = statement.type == CONTRACT_SIGNED and rank is not None and statement.reporter > rank
            if statement.source == source and not lesser and not self.home.has(source):
                return statement
        return None

    def gave(self, name: str) -> bool:
        """Whether its terms ever gave this (one of `_EVER`)."""
        return name in self._permitted

    def statement(self, instant: int) -> Any | None:
        """The signing or amendment in force at the instant, or the earliest; None before any is known."""
        statement = in_force(self._terms, instant)
        return None if statement is None else statement.data

    def terms(self, instant: int) -> Terms | None:
        """The terms in force at the instant."""
        statement = self.statement(instant)
        return None if statement is None else statement.terms

    @property
    def statements(self) -> list[Event]:
        """The signings and amendments that count, in the order of (time, source, id)."""
        return self._terms

    def parties(self) -> Set[str]:
        """All sellers and buyers that were ever stated."""
        return self._sellers.keys() | self._buyers

    def stated_at(self, instant: int) -> list[Any]:
        """The statements that are in force at an instant: what was stated then takes the place of the one before."""
        if len(self._terms) < 2:  # as most contracts have it
            return [statement.data for statement in self._terms]
        until = bisect_right(self._terms, instant, key=time_of)
        since = bisect_left(self._terms, instant, key=time_of)
        return [statement.data for statement in self._terms[max(0, since - 1) : max(1, until)]]

    def parties_at(self, instant: int) -> Set[str]:
        """The sellers and buyers in force at an instant, and those whose place they took then."""
        return {party for statement in self.stated_at(instant) for party in (statement.seller, statement.buyer)}

    def assets(self) -> Set[str]:
        """All assets that were ever stated to be its object."""
        return self._assets.keys()

    def assets_at(self, instant: int) -> Set[str]:
        """Its object at an instant, and the one whose place it took then."""
        return {statement.asset for statement in self.stated_at(instant)}

    def and_replaced(self, statement: Act) -> list[Any]:
        """A signing or an amendment, and what it took the place of, unless it is the first."""
        at = bisect_left(self._terms, order(statement), key=order)
        return [statement.data, *(event.data for event in self._terms[max(0, at - 1) : at])]

    def replaced_since(self, instant: int) -> list[tuple[int, Any]]:
        """The statements that were replaced from an instant on, each with the time of that."""
        at = max(1, bisect_left(self._terms, instant, key=time_of))
        return [(statement.time, before.data) for before, statement in pairwise(self._terms[at - 1 :])]

    @property
    def signed(self) -> Event | None:
        """The earliest signing; None where it was only ever amended."""
        return self._signed

    def in_force(self, instant: int) -> bool:
        """Whether it was signed no later than the instant, and has not ended by then."""
        signed, end = self.signed, self.end
        return signed is not None and signed.time <= instant and (end is None or instant < end[0])

    @property
    def terminated(self) -> int | None:
        """When it was terminated; None where it never was."""
        return self._terminated[0].time if self._terminated else None

    @property
    def end(self) -> tuple[int, Any] | None:
        """The end and the statement in force just before it: the earlier of the first termination and `valid_to`.

        An amendment after the end does not undo it; one that puts `valid_to` before itself ends the contract there.
        """
        terminated = self.terminated
        for index in range(self._followed, len(self._terms)):
            statement = self._terms[index]
            terms: Terms = statement.data.terms
            since = statement.time if index else None
            until = self._terms[index + 1].time if index + 1 < len(self._terms) else None
            ends = [] if terminated is None else [terminated]
            if terms.valid_to is not None:
                ends.append(terms.valid_to if since is None else max(terms.valid_to, since))
            if ends and (until is None or min(ends) <= until):
                return min(ends), statement.data
            if until is not None:
                self._followed = index + 1
        return None
