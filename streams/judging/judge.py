"""Claims items of the judge queue and settles them in a round; sets aside what cannot be judged; moves the horizon."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from circulation.events.names import EVENT_RETRACTED
from circulation.events.types import TYPES
from circulation.rules import Rule
from streams.budget import ERROR, OverBudget
from streams.facts.known import Known
from streams.facts.reports import acting
from streams.facts.rulebook import Rulebook
from streams.facts.running_sums import EARLIEST
from streams.findings.book import Book
from streams.judging import (
    acts,
    aside,
    cases,
    changed_facts,
    gaps,
    late_packs,
    lineage_runs,
    sandboxes,
    screens,
    silences,
    statements,
    sums,
)
from streams.judging.mark import Mark
from streams.judging.pace import Pace
from streams.judging.round import Judged, Round, entries_of, responsible
from streams.judging.scopes import AT_ONCE_MAX
from streams.judging.shapes import Shapes
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.queue import AGAIN, ASIDE, LIVE, STATING, Item, Kind, kind_of, sum_of

# How each kind of item is judged, in this order: what comes first may have acts and sums judged in the same round.
JUDGES: Final[dict[Kind, Callable[[Round, Sequence[str]], None]]] = {
    Kind.PACK: late_packs.begin,
    Kind.ANEW: late_packs.go_on,
    Kind.SEARCH: late_packs.search,
    Kind.FACT: changed_facts.find,
    Kind.RUN: lineage_runs.derive,
    Kind.GAP: gaps.judge,
    Kind.ACT: acts.judge,
    Kind.SCREEN: screens.judge,
    Kind.SUM: sums.judge,
    Kind.CREDIT: statements.state,
    Kind.CASE: cases.enter,
}
# Of what waits in bulk, so many requests for one thing are looked for: it is judged once for all of them.
ALIKE_MAX: Final = 20
# A lock that every judge shares while it judges by the packs that it knows.
PACKS_GATE: Final = "packs"


class Judge:
    """Takes items from the queue and settles them."""

    def __init__(self, rules: Mapping[str, Rule], book: Book, packs: Rulebook, known: Known) -> None:
        self._book = book
        self._known = known
        self._packs = packs
        self._shapes = Shapes(rules)
        # The items of this round.
        self._claimed: list[Item] = []

    def round(
        self,
        db: Db,
        now: int,
        limit: int,
        *,
        pace: Pace | None = None,
        first: int = LIVE,
        below: int = ASIDE,
        mark: Mark | None = None,
    ) -> Judged:
        """Judges up to `limit` items in the open transaction; of what did not just come, with a `pace`, as many things
        of one kind as it says. Those of priority `first`, or, where none of these waits, of the first priority `below`
        the one given of which any does. The `mark` says what is in hand. Of what is tried by itself, one thing alone.
        """
        self._claimed = []
        items, last = claim(db, limit, pace, first, below)
        if not items:
            return Judged(0, [], [], 0, last=True)
        alone: aside.Item | None = None
        if items[0].suspects:
            count = len(items)
            items, alone = _apart(db, items)
            if not items:
                return Judged(count, [], [], 0)
        self._claimed = items
        if mark is not None:
            mark.begin(list(dict.fromkeys(item.thing for item in items)))
        with self._known.round():
            judged = self._settle(db, items, now, 1 if alone is not None else limit, last=last and alone is None)
            if alone is not None:
                # It is judged, so what was said of its failing is refuted.
                aside.forget(db, alone.thing)
                if alone.finding is not None:
                    judged.changes.extend(self._book.clear(db, alone.finding, now))
            return judged

    def _settle(self, db: Db, items: Sequence[Item], now: int, limit: int, *, last: bool) -> Judged:
        """Settle items, all of one priority, in the open transaction.

        1. Take them off the queue.
        2. Lock their things, and share the gate of packs with all other judges; who judges a pack has it alone.
        3. Read the packs and the horizon. Only now is anything read: a lock may be waited for, and what was known
           before it is of then.
        4. Judge by kind, in the order of `JUDGES`.
        5. On the way each kind enters what was said, and clears what is no longer, in the book.
        6. On the way each kind queues what follows: the sums that acts touch, the next slice of a search. Few sums are
           judged at once, in step 4.
        7. At the end count the days on which reporters agree: others add to the same rows, and wait for the commit.
        """
        things = list(dict.fromkeys(item.thing for item in items))
        begins = self._begins(items)
        _take_off(db, items)
        if db.postgres:
            _lock(db, things, self._shapes.locks(things))
        horizon = self._read_packs(db)
        round_ = Round(
            db=db,
            now=now,
            horizon=horizon,
            priority=items[0].priority,
            since=min(item.since for item in items),
            things=_by_kind(things),
            begins=begins,
            # Where items are judged one by one to find one that fails, what follows from it is not part of it.
            at_once_max=AT_ONCE_MAX if limit > 1 else 0,
            shapes=self._shapes,
            packs=self._packs(),
            known=self._known,
            book=self._book,
        )
        for kind, judge in JUDGES.items():
            if of_kind := round_.things.get(kind):
                judge(round_, of_kind)
        round_.agreements.write(db)
        return Judged(
            len(items),
            round_.changes,
            round_.errors,
            round_.since,
            round_.case_events,
            dict(round_.looks),
            "" if round_.priority == LIVE else kind_of(things[0]),
            len(things),
            round_.stated,
            last,
        )

    def _begins(self, items: Sequence[Item]) -> dict[str, int]:
        """The instant from which on each thing is judged: the earliest that any of its items asks for."""
        watching = sandboxes.watching(self._packs())
        begins: dict[str, int] = {}
        for item in items:
            whole = watching and kind_of(item.thing) != Kind.RUN
            begin = EARLIEST if item.begins is None or whole else item.begins
            begins[item.thing] = min(begin, begins.get(item.thing, begin))
        return begins

    # Packs, and the instant up to which deadlines have fired.

    def _read_packs(self, db: Db) -> int:
        """Look for packs, and answer with the horizon; where others may write, in one question."""
        if self._known.alone:
            self._packs.refresh_where_changed(db, self._known)
            return self._horizon(db)
        packs, values = self._packs.asks()
        query = f"select coalesce((select instant from horizon), 0), {packs}"  # noqa: S608
        horizon, *state = db.one(query, *values) or (0,)
        self._packs.refresh_where_changed(db, self._known, tuple(state))
        return int(horizon)

    def plan(self, db: Db) -> None:
        """Have what circulates screened by the packs of now, and sources judged that owe events by the settings of now;
        see `late_packs.plan` and `silences.ask_again`."""
        late_packs.plan(db, self._shapes, self._packs(), self._horizon(db))
        silences.ask_again(db, self._shapes)

    def _horizon(self, db: Db) -> int:
        known = self._known
        if known.horizon is None or not known.alone:
            (known.horizon,) = db.one("select instant from horizon") or (0,)
        return known.horizon

    def move(self, db: Db, horizon: int) -> None:
        """Moves the horizon on, never back."""
        if not self._known.alone or self._horizon(db) < horizon:
            db.run("update horizon set instant = ? where instant < ?", horizon, horizon)
            self._known.horizon = horizon if self._known.alone else None

    def back(self, db: Db, horizon: int) -> None:
        """Move a horizon back that a false clock had moved on, and have judged again what may have been said by it.

        No round that goes by the old one is open then: all of them share the gate.
        """
        db.lock([PACKS_GATE])
        db.run("update horizon set instant = ? where instant > ?", horizon, horizon)
        self._known.horizon = None
        self._known.periods.clear()
        rows = db.rows("select thing from findings where standing and occurred > ? order by occurred, finding", horizon)
        # As after a pack that is not there: all rules are looked at from there on.
        things = [*dict.fromkeys(row[0] for row in rows), queue.pack(horizon)]
        queue.put(db, things, AGAIN, horizon)

    def due(self, db: Db, horizon: int, now: int) -> int:
        """Moves the horizon on and queues what is due by it; answers with how many."""
        self.move(db, horizon)
        rows = db.rows("select thing, due from deadlines where due < ? order by due, thing limit 1000", horizon)
        for thing, due in rows:
            db.run("delete from deadlines where thing = ? and due = ?", thing, due)
        # A sum that goes on where it stood says more from the earliest on that is over.
        things: dict[str, int] = {}
        for thing, due in rows:
            things.setdefault(thing, due)
        is_begun = self._shapes.is_begun
        queued = [
            (self._priority_of(thing), thing, now, due if is_begun(thing) else None) for thing, due in things.items()
        ]
        db.many(schema.queue_begun, queued)
        return len(rows)

    def _priority_of(self, thing: str) -> int:
        """When what is due is judged: before what just came only where it is little."""
        kind = kind_of(thing)
        if kind == Kind.CREDIT:
            return STATING
        of_period = kind == Kind.SUM and self._shapes.period_of(sum_of(thing)[0]) is not None
        return AGAIN if of_period or kind in (Kind.SCREEN, Kind.SEARCH) else LIVE

    # Setting aside.

    def set_aside(self, db: Db, now: int, error: Exception) -> str:
        """Sets aside what was just claimed, and failed by itself; answers with its thing, empty where nothing was."""
        if not self._claimed:
            raise error
        thing = self._claimed[0].thing
        numbers = [item.id for item in self._claimed if item.thing == thing]
        db.run("delete from queue where priority = ? and id = any(?)", self._claimed[0].priority, numbers)
        item = aside.of(db, [thing]).get(thing) or aside.Item(aside.key(thing), thing, True, 0, None, "", now, None)
        budget = error.name if isinstance(error, OverBudget) else ERROR
        text = str(error) if isinstance(error, OverBudget) else f"{type(error).__name__}: {error}"
        text = text[: aside.ERROR_CHARACTERS_MAX].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        self._tell_aside(db, item._replace(aside=True, budget=budget, error=text), now)
        return thing

    def over(self, db: Db, now: int, error: OverBudget) -> str:
        """After a round went over its budget: sets its thing aside, and answers with it; of several, has each tried by
        itself."""
        things = list(dict.fromkeys(item.thing for item in self._claimed))
        if len(things) == 1:
            return self.set_aside(db, now, error)
        if not things:
            raise error
        aside.suspect(db, things, now)
        return ""

    def died(self, db: Db, things: Sequence[str], now: int) -> None:
        """Counts a death of the process over these things; what that sets aside, a finding says."""
        for item in aside.died(db, things, now):
            self._tell_aside(db, item, now)

    def _tell_aside(self, db: Db, item: aside.Item, now: int) -> None:
        newest = aside.newest(db, item.thing)
        party = None
        if newest is not None and newest.type in TYPES and newest.type != EVENT_RETRACTED:
            (act,) = acting(item.thing, [newest])
            with contextlib.suppress(OverBudget):
                party = responsible(db, act)
        statement = aside.said(item.thing, newest, item.budget or ERROR, item.error, party, now)
        entries = entries_of(self._packs(), item.thing, [(self._shapes.rules["detector-error"], statement)], now)
        self._book.enter(db, entries, now=now)
        finding = entries[0].finding if entries else None
        aside.keep(db, [item._replace(finding=finding)])


def claim(db: Db, limit: int, pace: Pace | None, first: int, below: int) -> tuple[list[Item], bool]:
    """Claim items, all of one priority, of bulk all requests for few things; see `Judge.round`. The second is whether
    nothing else waits `below` that priority, as far as this judge may take it.
    """
    query = "select id, thing, since, priority, begins, (select 1 from set_aside limit 1) from queue where priority"
    # Of an equal priority a planner would take the order of ids for that of the index, and go through all that just
    # came to find what else waits.
    by_priority = f"{query} between ? and ? order by priority, id"
    rows: list[Any] = []
    if first != LIVE:
        # Items in another judge's hands are not asked for again.
        rows = db.rows(f"{by_priority} limit 1 for update skip locked", first, first)
    if not rows:
        rows = db.rows(f"{query} < ? order by priority, id limit ? for update skip locked", below, limit)
    waiting = len(rows) if first == LIVE and len(rows) < limit else -1
    if not rows or (priority := rows[0][3]) == LIVE:
        items = [item for item in map(Item._make, rows) if item.priority == LIVE]
        return items, len(items) == waiting
    size = limit if pace is None else pace(kind_of(rows[0][1]))
    most = size * ALIKE_MAX
    rows = db.rows(f"{by_priority} limit ? for update skip locked", priority, priority, most)
    things: dict[str, None] = {}
    claimed = []
    for item in map(Item._make, rows):
        if pace is not None and kind_of(item.thing) != kind_of(rows[0][1]):
            continue
        if item.thing in things or len(things) < size:
            things[item.thing] = None
            claimed.append(item)
    return claimed, len(claimed) == waiting


def _apart(db: Db, items: list[Item]) -> tuple[list[Item], aside.Item | None]:
    """Leave out what is set aside, and of what is to be tried by itself take the first, and nothing else."""
    known = aside.of(db, {item.thing for item in items})
    if not known:
        return items, None
    barred = {thing for thing, aside_item in known.items() if aside_item.barred}
    if numbers := [item.id for item in items if item.thing in barred]:
        # Its row says that it waits, however often it was asked for.
        db.run("delete from queue where priority = ? and id = any(?)", items[0].priority, numbers)
    for thing, aside_item in known.items():
        if not aside_item.barred:
            claimed = [item for item in items if item.thing == thing]
            # All of a run: what was new when it failed is not folded.
            return [item._replace(begins=None) for item in claimed] if kind_of(
                thing
            ) == Kind.RUN else claimed, aside_item
    return [item for item in items if item.thing not in barred], None


def _take_off(db: Db, items: Sequence[Item]) -> None:
    numbers = [item.id for item in items]
    # By the numbers alone, a planner that takes the queue for empty, as it mostly is, goes through all of an index.
    bounds = items[0].priority, min(numbers), max(numbers)
    db.run("delete from queue where priority = ? and id between ? and ? and id = any(?)", *bounds, numbers)


def _lock(db: Db, things: Sequence[str], more: Sequence[str]) -> None:
    # The search for things that a pack touches begins when no judge is left that does not know of it.
    if any(kind_of(thing) == Kind.PACK for thing in things):
        db.lock([PACKS_GATE])
    else:
        db.share(PACKS_GATE)
    db.lock([*things, *more])


def _by_kind(things: Sequence[str]) -> dict[str, list[str]]:
    by_kind: dict[str, list[str]] = {}
    for thing in things:
        by_kind.setdefault(kind_of(thing), []).append(thing)
    return by_kind
