"""One round of judging: what its steps share, and the few things that all kinds of items need."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from circulation.events.event import Event
from circulation.facts.acts import Act, order
from circulation.facts.contracts import STATING
from circulation.facts.facts import Loaded, Need
from circulation.findings import Said
from circulation.keys import join_key
from circulation.packs.in_force import Packs
from circulation.rules import Rule
from streams.facts import loading
from streams.facts.circulations import CIRCULATING
from streams.facts.known import Known
from streams.facts.reports import Reported, acting, reported
from streams.findings.book import Book
from streams.findings.engine_findings import about_of, error_said
from streams.findings.entry import Change, Entry
from streams.judging.agreements import Agreements
from streams.judging.shapes import Shapes
from streams.store import queue
from streams.store.db import Db
from streams.store.kept_events import COLUMNS
from streams.store.queue import Kind

# How keys of acts begin that state something of a contract: most things are others.
_STATING: Final = tuple(join_key(Kind.ACT, type_, "") for type_ in STATING)
_SINCE: Final = (
    f"select events.* from unnest(?::text[], ?::bigint[]) as asked(one, begin) cross join lateral (select {COLUMNS}"  # noqa: S608
    " from events where thing = one and time >= begin offset 0) events"
)


class Judged(NamedTuple):
    """The results of one round of judging: for the metrics. `case_events` counts events of cases that are to be sent,
    `stated` statements of credit, `looks` by rule the acts, scopes and screenings that it was asked about. Of what
    waits in bulk, so many `things` of one `kind`. `last` tells that nothing else waited that might have been taken.
    """

    items: int
    changes: list[Change]
    errors: list[str]
    since: int
    case_events: int = 0
    looks: Mapping[str, int] = {}
    kind: str = ""
    things: int = 0
    stated: int = 0
    last: bool = False


class ActsFacts(NamedTuple):
    """Facts as they were loaded for acts of these things, of each of which all acts were looked at, and the needs."""

    loaded: Loaded
    things: Set[str]
    needs: Set[Need]


@dataclass(slots=True)
class Round:
    """One round: its transaction, what is judged in it, what is known to every judge, and what came of it so far.

    All instants are µs; `now` is the clock, `horizon` the instant up to which deadlines have fired.
    """

    db: Db
    now: int
    horizon: int
    # Follow-up items keep the priority and the enqueue time of what they follow from.
    priority: int
    since: int
    # The things that are judged, by kind and in order; and of acts and sums the instant from which on they are.
    things: dict[str, list[str]]
    begins: dict[str, int]
    # How many sums at most are judged at once with the acts that touch them; see `scopes.enter`.
    at_once_max: int

    shapes: Shapes
    packs: Packs
    known: Known
    book: Book

    changes: list[Change] = field(default_factory=list)
    # The rules that raised an error.
    errors: list[str] = field(default_factory=list)
    looks: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    case_events: int = 0
    stated: int = 0
    agreements: Agreements = field(default_factory=Agreements)
    # The facts that acts were judged by, where nobody else writes: they serve the sums of these acts, too.
    acts_facts: "ActsFacts | None" = None
    # The sums of which nothing stood when the acts that touch them were entered; they were locked before.
    without_findings: Set[str] = frozenset()

    def of(self, kind: Kind) -> list[str]:
        """The things of a kind that this round judges."""
        return self.things.get(kind, [])

    def judge_at_once(self, begins: Mapping[str, int]) -> None:
        """Have sums judged in this round that nothing asked for yet, each with the instant from which on."""
        for thing, instant in begins.items():
            known = self.begins.get(thing)
            self.begins[thing] = instant if known is None or instant < known else known
        if begins:
            self.things[Kind.SUM] = list(dict.fromkeys([*self.of(Kind.SUM), *begins]))

    def queue(self, things: Iterable[str], priority: int, begins: Mapping[str, int] | None = None) -> None:
        """Queue what follows from this round."""
        queue.put(self.db, things, priority, self.since, begins)

    def reports(self, things: Sequence[str]) -> dict[str, Reported]:
        """The reports of each thing; which of them count."""
        if not things:
            return {}
        # A statement of a contract counts by where its home is.
        stated = {queue.act_of(thing)[1] for thing in things if thing.startswith(_STATING)}
        contracts = self.known.contracts(self.db, stated) if stated else {}
        return self.known.reported(self.db, things, partial(reported, contracts))

    def reports_since(self, begins: Mapping[str, int]) -> dict[str, Reported]:
        """The same of what each thing says from an instant on: each report counts by itself."""
        standing: dict[str, list[Event]] = {thing: [] for thing in begins}
        void: dict[str, set[tuple[str, str]]] = {thing: set() for thing in begins}
        for row in self._rows_since(begins):
            event = self.known.event(row)
            if row[10] is None:
                standing[row[4]].append(event)
            else:
                void[row[4]].add((event.source, event.id))
        since = {}
        for thing, events in standing.items():
            acts = acting(thing, sorted(events, key=order))
            circulating = [event for event in events if event.type in CIRCULATING]
            since[thing] = Reported(acts, acts, void[thing], circulating, begins[thing])
        return since

    def _rows_since(self, begins: Mapping[str, int]) -> list[tuple[Any, ...]]:
        """The reports of each thing, each from its own instant on, however early another one's is."""
        if self.db.postgres:
            return self.db.rows(_SINCE, list(begins), list(begins.values()))
        at: dict[int, list[str]] = {}
        for thing, instant in begins.items():
            at.setdefault(instant, []).append(thing)
        query = f"select {COLUMNS} from events where thing = any(?) and time >= ?"  # noqa: S608
        return [row for instant, things in at.items() for row in self.db.rows(query, things, instant)]

    def say(
        self, rule: Rule, act: Act | None, judge: Callable[..., Iterable[Said]], *args: Any
    ) -> list[tuple[Rule, Said]]:
        """What a rule says, asked by `judge(*args)`; where it raises, that is said, and the other rules go on."""
        self.looks[rule.id] += 1
        try:
            return [(rule, statement) for statement in judge(*args)]
        except Exception as error:
            return self.failed(rule, act, error)

    def failed(self, rule: Rule, act: Act | None, error: Exception) -> list[tuple[Rule, Said]]:
        """What is said where a rule raised an error, of the act that it was asked of."""
        self.errors.append(rule.id)
        if act is None:
            return []
        statement = error_said(rule.id, error, act, responsible(self.db, act))
        return [(self.shapes.rules["detector-error"], statement)]

    def entries(self, thing: str, statements: Iterable[tuple[Rule, Said]]) -> list[Entry]:
        """The statements of a thing as entries of the book."""
        return entries_of(self.packs, thing, statements, self.now)

    def enter(
        self,
        entries: Sequence[Entry],
        things: Sequence[str],
        *,
        reason: Callable[[str, Mapping[str, Any]], str] | None = None,
        facts: Loaded | None = None,
        since: Mapping[str, int] | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        """Enter what was said in the book, where what else stood of these things is cleared. See `Book.enter`.

        In the same question it is asked of which things `beside` nothing stands: nothing can be cleared of those.
        """
        standing = None
        if beside and not since:
            standing = self.book.standing(self.db, [*things, *beside])
            self.without_findings = {*beside}.difference(row[1] for row in standing)
            standing = [row for row in standing if row[1] in things]
        self.changes += self.book.enter(
            self.db,
            entries,
            things=[thing for thing in things if thing not in self.without_findings],
            now=self.now,
            reason=reason,
            priority=self.priority,
            facts=facts,
            since=since,
            standing=standing,
        )


def entries_of(packs: Packs, thing: str, statements: Iterable[tuple[Rule, Said]], now: int) -> list[Entry]:
    """The entries of a thing's statements, each with the pack that was in force; without those that this pack has
    switched off."""
    entries = []
    for rule, statement in statements:
        pack = packs.in_force(statement.occurred)
        if pack.setting(rule.id).mode != "off":
            entries.append(Entry(thing, rule, pack, statement, now))
    return entries


def responsible(db: Db, act: Act) -> str | None:
    """The party that answers for an act: its own; the seller of a listing or contract; else the owner of the asset.

    Looked up here, and not in what the rule asked for: whoever judges it along with what, the answer is the same.
    """
    kind, subject = about_of(act)
    if kind == "party":
        return subject
    seller: str | None = getattr(act.data, "seller", None)
    if seller is None and kind == "contract":
        contract = loading.contracts(db, [subject])[subject].statement(act.time)
        return None if contract is None else str(contract.seller)
    if seller is None and kind == "asset":
        asset = loading.assets(db, [subject])[subject].registration(act.time)
        return None if asset is None else asset.owner
    return seller
