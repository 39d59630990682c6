"""What is known of a contract, with its time: terms, parties, the end."""

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

# What is stated of a contract, by its home.
STATING = (*TERMS_TYPES, CONTRACT_TERMINATED)
# What rules ask of a contract whenever it was stated: whether its terms ever gave it.
_EVER = ("delete_within_days", "report_within_days", "pay_within_days", "quota_group", "resale")


class ContractFacts:
    """One contract: its terms over time, its end, what was proved."""

    def __init__(self, contract: str, statements: Collection[Event], home: Home | None = None) -> None:
        """`statements` come in the order of the key. `home` is what they, and those taken back since, made of it."""
        self.id = contract
        if home is None:
            home = Home()
            for one in statements:
                if one.type == CONTRACT_SIGNED:
                    home.take(one.source, one.reporter)
        self.home = home
        # What does not count: what others than the home state, and of one type all but the best reporter's.
        self._aside: list[Event] = []
        self._clear()
        for one in sorted(statements, key=order):
            self._place(one)

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
        self._given: dict[str, int] = {}
        # So many statements at the beginning were followed by another before they ended the contract.
        self._followed = 0

    def add(self, one: Event) -> None:
        """Adds a statement that came."""
        if one.type == CONTRACT_SIGNED and self.home.take(one.source, one.reporter):
            self._anew(one)
        else:
            self._place(one)

    def _place(self, one: Event) -> None:
        if one.type not in STATING:
            return
        if not self.home.has(one.source):
            insort(self._aside, one, key=order)
            return
        best = self._best.setdefault(one.type, one.reporter)
        if one.reporter > best:
            insort(self._aside, one, key=order)
        elif one.reporter < best:
            self._anew(one)
        else:
            self._count(one)

    def _anew(self, one: Event) -> None:
        """Goes over all of it with one more, after which others count."""
        statements = sorted((*self._terms, *self._terminated, *self._aside, one), key=order)
        best: dict[str, int] = {}
        for each in statements:
            if self.home.has(each.source):
                best[each.type] = min(each.reporter, best.get(each.type, each.reporter))
        self._aside = []
        self._clear()
        self._best = best
        for each in statements:
            self._place(each)

    def _count(self, one: Event) -> None:
        if one.type == CONTRACT_TERMINATED:
            insort(self._terminated, one, key=order)
            self._followed = 0
            return
        at = bisect_left(self._terms, order(one), key=order)
        self._terms.insert(at, one)
        self._followed = min(self._followed, max(0, at - 1))
        if one.type == CONTRACT_SIGNED and (self._signed is None or order(one) < order(self._signed)):
            self._signed = one
        terms = one.data.terms
        given = [name for name in _EVER if (has := getattr(terms, name)) is not None and has is not False]
        for first, names in (
            (self._sellers, (one.data.seller,)),
            (self._assets, (one.data.asset,)),
            (self._given, given),
        ):
            for name in names:
                first[name] = min(one.time, first.get(name, one.time))
        self._buyers.add(one.data.buyer)

    def changed_since(self, instant: int) -> int:
        """From when on what is known of the contract may have changed, if something was stated from `instant` on.

        Of what was done before it only the end tells, and what the terms ever gave: nobody asks who bought it later,
        or what was sold later, and who sells it later matters to what was stated of it alone (`is_sold_on`).
        """
        at = bisect_left(self._terms, instant, key=time_of)
        first = [one.time for one in (self._signed, *self._terminated[-1:]) if one is not None]
        if not at or self._aside or "quota_group" in self._given:
            return -NEVER
        return -NEVER if any(time >= instant for time in (*first, *self._given.values())) else instant

    def is_sold_on(self, owners: Collection[str], before: int = NEVER) -> bool:
        """Whether its terms ever gave resale, or another than these sold it; of what was stated before an instant."""
        if self._given.get("resale", NEVER) < before:
            return True
        return any(time < before and one not in owners for one, time in self._sellers.items())

    def sellers_since(self, instant: int) -> Set[str]:
        """Who sold it just before an instant, or was stated to from then on."""
        at = bisect_left(self._terms, instant, key=time_of)
        return {one.data.seller for one in self._terms[max(0, at - 1) :]}

    def is_sold_by_others_since(self, instant: int) -> bool:
        """Whether anyone sells it from an instant on who never did before."""
        at = bisect_left(self._terms, instant, key=time_of)
        return any(self._sellers[one.data.seller] >= instant for one in self._terms[at:])

    def each_counts(self, type_: str) -> bool:
        """Whether every statement of a type counts: all are the home's, and one reporter's."""
        return all(one.type != type_ for one in self._aside)

    def conflicting(self, source: str) -> Event | None:
        """The earliest statement of a source that is not the contract's home, and has none of what it states count.

        What a lesser reporter says of the signing is held against the others by `reconciliation` alone.
        """
        rank = self.home.rank
        for one in self._aside:
            lesser = one.type == CONTRACT_SIGNED and rank is not None and one.reporter > rank
            if one.source == source and not lesser and not self.home.has(source):
                return one
        return None

    def gave(self, name: str) -> bool:
        """Whether its terms ever gave this (one of `_EVER`)."""
        return name in self._given

    def statement(self, instant: int) -> Any | None:
        """The signing or amendment in force at the instant, or the earliest; None before any is known."""
        found = in_force(self._terms, instant)
        return None if found is None else found.data

    def terms(self, instant: int) -> Terms | None:
        """The terms in force at the instant."""
        found = self.statement(instant)
        return None if found is None else found.terms

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
            return [one.data for one in self._terms]
        until = bisect_right(self._terms, instant, key=time_of)
        since = bisect_left(self._terms, instant, key=time_of)
        return [one.data for one in self._terms[max(0, since - 1) : max(1, until)]]

    def parties_at(self, instant: int) -> Set[str]:
        """The sellers and buyers in force at an instant, and those whose place they took then."""
        return {party for one in self.stated_at(instant) for party in (one.seller, one.buyer)}

    def assets(self) -> Set[str]:
        """All assets that were ever stated to be its object."""
        return self._assets.keys()

    def assets_at(self, instant: int) -> Set[str]:
        """Its object at an instant, and the one whose place it took then."""
        return {one.asset for one in self.stated_at(instant)}

    def and_replaced(self, statement: Act) -> list[Any]:
        """A signing or an amendment, and what it took the place of, unless it is the first."""
        at = bisect_left(self._terms, order(statement), key=order)
        return [statement.data, *(one.data for one in self._terms[max(0, at - 1) : at])]

    def replaced_since(self, instant: int) -> list[tuple[int, Any]]:
        """What others took the place of from an instant on, each with the time of that."""
        at = max(1, bisect_left(self._terms, instant, key=time_of))
        return [(one.time, before.data) for before, one in pairwise(self._terms[at - 1 :])]

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
            one = self._terms[index]
            terms: Terms = one.data.terms
            since = one.time if index else None
            until = self._terms[index + 1].time if index + 1 < len(self._terms) else None
            ends = [] if terminated is None else [terminated]
            if terms.valid_to is not None:
                ends.append(terms.valid_to if since is None else max(terms.valid_to, since))
            if ends and (until is None or min(ends) <= until):
                return min(ends), one.data
            if until is not None:
                self._followed = index + 1
        return None
