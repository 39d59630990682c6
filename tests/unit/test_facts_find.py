"""Each fact that a rule reads finds what read it (docs/proof-of-judging.md): what is stated of it anew is judged again.

Over examples of all rules: it is noted which contract, asset, party, payment or day each rule read for which act, scope
or asset; then an item of each such fact is put on the queue, as intake does when something is stated of it, and all
that read it has to be asked again.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import orjson
import pytest

import detectors
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import LATEST, parse_instant
from circulation.daily import end_of, span_of
from circulation.events.event import Event
from circulation.examples import Case
from circulation.packs.reading import parse_pack
from circulation.rings import Payment, Payments
from circulation.rules import Rule
from streams.engine import Engine
from streams.facts.rulebook import shipped
from streams.facts.running_sums import Running
from streams.intake import Arrival
from streams.judging import needs
from streams.judging.round import Round
from streams.judging.settling import Settling
from streams.store import queue
from streams.store.store import Store

# Of each rule so many examples: the first ones, and some of the rest.
EXAMPLES_MAX = 4
# Of each example so many facts.
FACTS_MAX = 10
# Later than all that examples do, but for those that say otherwise.
NOW = parse_instant("2030-01-01")

Asked = tuple[str, str]


class _Noting(dict[Any, Any]):
    """A mapping that tells what is looked up in it."""

    def __init__(self, kept: Mapping[Any, Any], note: Callable[[Any], None]) -> None:
        super().__init__(kept)
        self._note = note

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)


class _Paid:
    """Payments that tell which of them a search goes back from: none of the others matters to it by itself."""

    def __init__(self, payments: Payments, note: Callable[[Payment], None]) -> None:
        self._payments = payments
        self._note = note
        self.by, self.seen = payments.by, payments.seen

    def to(self, party: str, since: int, until: int) -> Sequence[Payment]:
        found = self._payments.to(party, since, until)
        for one in found:
            self._note(one)
        return found

    @property
    def groups(self) -> "_Paid | None":
        groups = self._payments.groups
        return None if groups is None else _Paid(groups, self._note)


class Watched:
    """An engine that notes, by fact, which (rule, what it was asked about) read it."""

    def __init__(self, case: Case) -> None:
        default = shipped(detectors.RULES) if case.rules is None else parse_pack(case.rules, published=False)
        self.engine = Engine(Store("sqlite://"), default)
        self.readers: dict[str, set[Asked]] = {}
        self.asked: set[Asked] = set()
        self._now: Asked | None = None
        self._act: Any = None
        self.loads = 0
        self.end = max(NOW, parse_instant(case.until) if case.until else NOW)
        self._case = case

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes what rules read in every round of judging, and which are asked."""
        load, say = needs.load, Round.say

        def noting(*given: Any, **named: Any) -> Any:
            self.loads += 1
            facts = load(*given, **named)
            facts.contracts = _Noting(facts.contracts, lambda one: self._read("contract", one))
            facts.assets = _Noting(facts.assets, lambda one: self._read("asset", one))
            facts.edges = _Noting(facts.edges, lambda one: self._read("asset", one))
            facts.inputs = _Noting(facts.inputs, lambda one: self._read("asset", one))
            facts.parties = _Noting(facts.parties, lambda one: self._read("party", one))
            facts.payments = _Paid(facts.payments, lambda one: self._read("payment", one.thing))
            facts.days = _Noting(facts.days, lambda one: self._used(facts, one))
            return facts

        def telling(round_: Round, rule: Rule, act: Any, ask: Any, *given: Any) -> Any:
            self._now, self._act = _about(rule, act, partial(ask, *given)), act
            self.asked.add(self._now)
            try:
                return say(round_, rule, act, ask, *given)
            finally:
                self._now = None

        with mock.patch.object(needs, "load", noting), mock.patch.object(Round, "say", telling):
            yield

    def judge(self) -> None:
        """Takes the example in, and judges all of it."""
        arrivals = []
        for number, one in enumerate(self._case.events):
            raw = orjson.dumps(one)
            admitted = Admission().admit(raw, topic=None, key=ANY, headers=(), now=LATEST)
            if isinstance(admitted, Event):
                arrivals.append(Arrival(number, self.end, admitted, raw, ("file", 0, number)))
        self.engine.take(arrivals, [], self.end)
        self._settle()

    def _settle(self) -> None:
        self.engine.settle_apart(self.end)
        while self.engine.release(self.end, self.end):
            self.engine.settle_apart(self.end)

    def _read(self, kind: str, id_: Any) -> None:
        if self._now is None or self._says_it_itself(kind, id_):
            return
        self.readers.setdefault(queue.fact(kind, id_), set()).add(self._now)

    def _says_it_itself(self, kind: str, id_: Any) -> bool:
        """Of a contract that has uses and no acts, what is stated first is an act of the rule."""
        assert self._now is not None
        shape = detectors.RULES[self._now[0]].sum
        return kind == "contract" and self._act is None and shape is not None and "uses" in shape.needs

    def _used(self, facts: Any, contract: str) -> None:
        if self._now is None:
            return
        rule, about = self._now
        shape = detectors.RULES[rule].sum
        ended = {one.day for one in dict.get(facts.days, contract, ()) if end_of(one.day) < self.end}
        if shape is not None and shape.each_day:
            # It looks at its own day, and the next.
            day, _, _ = span_of(queue.sum_of(about)[1])
            for one in ended & {day, day + 1}:
                self._read("reports", queue.contract_day(contract, one))
            return
        for day in ended:
            self._read("uses", queue.contract_day(contract, day))

    def not_found(self) -> dict[str, set[Asked]]:
        """By fact, what read it and is not asked again when something is stated of it."""
        missed = {}
        every = sorted((item, set(readers)) for item, readers in self.readers.items())
        for item, mine in every[:: max(1, -(-len(every) // FACTS_MAX))]:
            self.asked.clear()
            with self.engine.store.writing(self.engine.known.clear) as db:
                queue.put(db, [item], queue.LIVE, 0)
            self._settle()
            if left := {one for one in mine - self.asked if not self._came_after(*one, *queue.parts_of(item)[1:])}:
                missed[item] = left
        return missed

    def _came_after(self, rule: str, thing: str, kind: str, id_: str) -> bool:
        """Whether all that was done under a contract came after the period of a sum, which looks no further."""
        shape = detectors.RULES[rule].sum
        if kind != "contract" or shape is None or shape.period is None or not shape.period.before_end:
            return False
        query = "select min(s.time) from scopes s join events e on e.thing = s.thing where s.rule = ? and e.subject = ?"
        with self.engine.store.reading() as db:
            first = db.rows(query, rule, id_)[0][0]
        return first is not None and first >= shape.period.ends(queue.sum_of(thing)[1])


def _about(rule: Rule, act: Any, ask: Any) -> Asked:
    """What a rule is asked about: the act, the scope of a sum, the asset that is screened."""
    if rule.sum is not None and ask.func is rule.sum.judge:
        return rule.id, queue.sum_(rule.id, ask.args[0])
    if isinstance(getattr(ask.func, "__self__", None), Settling):
        return rule.id, queue.sum_(rule.id, ask.args[2])
    if isinstance(getattr(ask.func, "__self__", None), Running):
        return rule.id, queue.sum_(rule.id, ask.args[1])
    if rule.screen is not None and ask.func is rule.screen.judge:
        return rule.id, queue.screen(ask.args[0].asset)
    return rule.id, act.thing


def chosen(cases: Iterable[Case]) -> list[Case]:
    every = list(cases)
    return every[:: max(1, -(-len(every) // EXAMPLES_MAX))]


@pytest.mark.slow
@pytest.mark.parametrize("id_", [id_ for id_, rule in detectors.RULES.items() if rule.check or rule.sum or rule.screen])
def test_a_fact_finds_whatever_read_it(id_: str) -> None:
    read = loads = asked = 0
    for case in chosen(detectors.CASES[id_]):
        watched = Watched(case)
        with watched.watching():
            watched.judge()
            read += len(watched.readers)
            loads += watched.loads
            asked += len(watched.asked)
            assert {} == watched.not_found(), case.name
    assert loads and asked
    # Some rules go by what their acts say, and by nothing else; who is heard, intake itself has judged.
    shapes = (detectors.RULES[id_].check, detectors.RULES[id_].sum)
    assert read or not any(shape.needs - {"heard"} for shape in shapes if shape)
