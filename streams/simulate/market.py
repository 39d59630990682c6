"""The market line by line, in the order of arrival, and the list of what must be found in it.

The events of a contract or a plant are a stream of its own, in the order in which it arrives. Streams begin one
after another; only those that have begun are in memory, and of each no more than what it has still to tell.
"""

import functools
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from circulation.examples import agrees
from streams.simulate import (
    competition,
    conduct,
    deadlines,
    exports,
    feeds,
    licences,
    negative_list,
    persons,
    provenance,
    quantities,
    rights,
    self_dealing,
    trade,
    wording,
)
from streams.simulate.ground import END, Ground, Grown, Plant, grow
from streams.simulate.told import Must, Told, line_of
from streams.simulate.trade import Contract

EVENTS_DEFAULT, VIOLATIONS_DEFAULT, SEED_DEFAULT = 100_000, 0.001, 1
# One report of so many comes twice.
EVENTS_A_DUPLICATE: Final = 500
PLANTS: Final[tuple[Plant, ...]] = (
    *quantities.PLANTS,
    *licences.PLANTS,
    *deadlines.PLANTS,
    *feeds.PLANTS,
    *negative_list.PLANTS,
    *provenance.PLANTS,
    *wording.PLANTS,
    *rights.PLANTS,
    *persons.PLANTS,
    *exports.PLANTS,
    *self_dealing.PLANTS,
    *competition.PLANTS,
    *conduct.PLANTS,
)
# No file can make these: they tell that Kafka lost records, that a key is in another partition, that a rule failed.
NOT_IN_A_FILE: Final = frozenset({"feed-lost", "misplaced-key", "detector-error"})

Stream = Iterator[tuple[int, bytes]]


class TooSmall(ValueError):
    """A market of so few events has no room for what was asked to go wrong in it."""


class Begin(NamedTuple):
    """When a stream begins, and how it is made."""

    time: int
    make: Callable[[], Stream]


class Size(NamedTuple):
    """How a market is divided: rounds of plants, their lines, contracts, and their uses and duplicates."""

    rounds: int
    planted: int
    contracts: int
    uses: int
    duplicates: int


class Market:
    """One market: exactly `events` lines, with about so many violations an event (none where that is 0).

    Plants are laid in whole rounds, one of each kind, and at least one round. `until` is where the clock is when the
    findings are looked at: the end of the file, or later.
    """

    def __init__(
        self,
        *,
        events: int = EVENTS_DEFAULT,
        violations: float = VIOLATIONS_DEFAULT,
        seed: int = SEED_DEFAULT,
        until: int = END,
    ) -> None:
        self.events = events
        self.seed = seed
        self._until = until
        self.heartbeats_replaced = self.cancellations = self.duplicates = 0
        self.size = self._sized(violations)

    def _sized(self, violations: float) -> Size:
        rounds = planted = 0
        if violations > 0:
            a_round = sum(len(self._grown(at, 0).musts) for at in range(len(PLANTS)))
            rounds = max(1, round(self.events * violations / a_round))
        for at, number in self._plots(rounds):
            grown = self._grown(at, number)
            planted += len(grown.lines)
            self.duplicates += grown.duplicates
            self.heartbeats_replaced += grown.heartbeats_replaced
            self.cancellations += grown.cancellations
        living = [item for item in feeds.living(self._until) if isinstance(item, Told)]
        self.heartbeats_replaced += len(living) - 1
        planted += len(living)
        least = self.events
        while (needed := planted + _ordinary(least)) > least:
            least = needed
        if least > self.events:
            raise TooSmall(f"a market with so many violations has at least {least:,} events, got {self.events:,}")
        contracts, duplicates = trade.contracts_of(self.events), self.events // EVENTS_A_DUPLICATE
        self.duplicates += duplicates
        stated = sum(trade.statements_of(number) for number in range(contracts))
        return Size(rounds, planted, contracts, self.events - planted - stated - duplicates, duplicates)

    def lines(self) -> Iterator[bytes]:
        """Every line, without its end, in the order of arrival."""
        return merged(heapq.merge(self._trade(), self._planted(), self._living(), key=lambda begin: begin.time))

    def expected(self) -> Iterator[Must]:
        """Everything that must be found, by plant."""
        for at, number in self._plots(self.size.rounds):
            yield from self._grown(at, number).musts
        yield from (item for item in feeds.living(self._until) if isinstance(item, Must))

    def _plots(self, rounds: int) -> Iterator[tuple[int, int]]:
        return ((at, number) for number in range(rounds) for at in range(len(PLANTS)))

    def _grown(self, at: int, number: int) -> Grown:
        plant = PLANTS[at]
        kind = plant.__name__.replace("_", "-")
        return grow(plant, Ground(kind, number * len(PLANTS) + at, number, self._until), self.seed)

    def _planted(self) -> Iterator[Begin]:
        # Only when a plant begins is known from growing it: it grows again when it is told.
        begins = [(self._grown(at, number).lines[0][0], at, number) for at, number in self._plots(self.size.rounds)]
        for time, at, number in sorted(begins):
            yield Begin(time, functools.partial(self._told, at, number))

    def _told(self, at: int, number: int) -> Stream:
        """The lines of a plant one by one, each of which is let go of."""
        lines = self._grown(at, number).lines[::-1]
        while lines:
            yield lines.pop()

    def _living(self) -> Iterator[Begin]:
        events = [item for item in feeds.living(self._until) if isinstance(item, Told)]
        numbered = [(event.time, line_of(event, number)) for number, event in enumerate(events, start=1)]
        yield Begin(events[0].time, lambda: iter(numbered))

    def _trade(self) -> Iterator[Begin]:
        size = self.size
        houses = -(-size.contracts // trade.CONTRACTS_A_HOUSE)
        whole = sum(trade.weight(number) for number in range(size.contracts))
        before = 0.0
        # The remainder of each share is carried on, so that the sums come out.
        used = repeated = 0
        for number in range(size.contracts):
            before += trade.weight(number)
            last = number == size.contracts - 1
            uses = size.uses if last else int(size.uses * before / whole)
            duplicates = size.duplicates if last else int(size.duplicates * before / whole)
            contract = Contract(number, uses - used, duplicates - repeated)
            used, repeated = uses, duplicates
            begins = trade.starts(contract.house, houses)
            yield Begin(begins, functools.partial(trade.lines_of, contract, houses, self.seed))


def _ordinary(events: int) -> int:
    """The least that ordinary trade takes of a market of so many events: one use for each contract."""
    contracts = trade.contracts_of(events)
    stated = sum(trade.statements_of(number) for number in range(contracts))
    return stated + contracts + events // EVENTS_A_DUPLICATE


def merged(begins: Iterable[Begin]) -> Iterator[bytes]:
    """The lines of all streams in the order of arrival; `begins` are in the order of their times."""
    alive: list[tuple[int, int, bytes, Stream]] = []
    for number, (time, make) in enumerate(itertools.chain(begins, [Begin(2**62, lambda: iter(()))])):
        while alive and alive[0][0] < time:
            _, of, line, stream = alive[0]
            yield line
            following = next(stream, None)
            if following is None:
                heapq.heappop(alive)
            else:
                heapq.heapreplace(alive, (following[0], of, following[1], stream))
        stream = make()
        first = next(stream, None)
        if first is not None:
            heapq.heappush(alive, (first[0], number, first[1], stream))


class Held(NamedTuple):
    """The differences between a list and the findings: missed ones, and false ones."""

    missed: list[Mapping[str, Any]]
    false: list[Mapping[str, Any]]


def held(expected: Iterable[Mapping[str, Any]], findings: Iterable[Mapping[str, Any]]) -> Held:
    """Holds findings (their `data`) against a list: each line of it is met by one finding that says all it says."""
    rest: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for finding in findings:
        rest.setdefault(_key(finding), []).append(finding)
    missed: list[Mapping[str, Any]] = []
    says = [({name: value for name, value in planted.items() if name != "why"}, planted) for planted in expected]
    # The entry with the most members goes first, so that another does not take the only finding that meets it.
    for members, line in sorted(says, key=lambda pair: len(str(pair[0])), reverse=True):
        candidates = rest.get(_key(line), [])
        index = next((at for at, candidate in enumerate(candidates) if agrees(members, candidate)), None)
        if index is None:
            missed.append(line)
        else:
            del candidates[index]
    return Held(missed, [finding for alike in rest.values() for finding in alike])


def _key(finding: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (finding["detector"], finding["severity"], finding["about"]["kind"], finding["about"]["id"])
