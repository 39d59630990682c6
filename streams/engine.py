"""The one engine behind the worker and behind replay: intake, judge, rulebook and book on one store."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import detectors
from circulation.events.names import RULES
from circulation.packs.pack import Pack
from circulation.rules import Rule, parameters
from streams.budget import ITEM, Budget, Meter, OverBudget
from streams.facts.known import Known
from streams.facts.rulebook import Rulebook
from streams.findings.book import Book
from streams.findings.receivers import Sectors
from streams.intake import Arrival, Intake, Outcome, Refused
from streams.judging import Judge, Judged, aside
from streams.judging.mark import Mark
from streams.judging.pace import Pace
from streams.store import schema
from streams.store.db import Db
from streams.store.queue import ASIDE, LIVE
from streams.store.store import Store

# Items of one round where the queue is emptied at once.
SETTLE_ROUND = 500


class Engine:
    """Takes events in and judges them, each in a transaction of its own."""

    def __init__(
        self,
        store: Store,
        default: Pack,
        *,
        name: str | None = None,
        rules: Mapping[str, Rule] | None = None,
        desks_max: int = 200_000,
        remember_chunk: int = 0,
        rulebook: Rulebook | None = None,
        mark: Mark | None = None,
        budget: Budget = ITEM,
    ) -> None:
        self.store = store
        # What a judge has in hand, for who comes after it; and what an item may cost. Only a worker that judges for
        # itself has a mark, and a clock beside its budget.
        self._mark = mark
        self.budget = budget
        self.rules = detectors.RULES if rules is None else rules
        self.rulebook = Rulebook(default, name) if rulebook is None else rulebook
        # SQLite serves one process, and within it writing transactions come one after the other.
        self.known = Known(alone=not store.postgres)
        self.book = Book(Sectors(self.rulebook, self.known))
        self.intake = Intake(
            self.rules,
            self.book,
            self.rulebook,
            known_detectors=parameters({**detectors.RULES, **self.rules}),
            known=self.known,
            desks_max=desks_max,
            remember_chunk=remember_chunk,
        )
        self.judge = Judge(self.rules, self.book, self.rulebook, self.known)

    def take(
        self, arrivals: Sequence[Arrival], refused: Sequence[Refused], now: int, *, clock: int | None = None
    ) -> Outcome:
        """Take in one fetch, in a transaction in which nothing else happens. See `Intake.take`."""
        with self.taking(arrivals) as db:
            return self.intake.take(db, arrivals, refused, now, clock=clock)

    def taking(self, arrivals: Sequence[Arrival]) -> contextlib.AbstractContextManager[Db]:
        """Open the transaction that takes in a fetch, by `intake.take`, with whatever else belongs to it.

        Packs are read before it: a long one takes a second, in which nobody else could write to SQLite.
        """
        if arrivals and arrivals[0].event.topic == RULES:
            self.intake.read_packs(arrivals)
        return self.store.writing(self._forget)

    def _forget(self) -> None:
        """Drop what was cached on the way to what was not committed."""
        self.known.clear()
        self.intake.forget()

    def waiting(self) -> bool:
        """Whether anything waits to be judged."""
        with self.store.reading() as db:
            return db.one("select 1 from queue where priority < ? limit 1", ASIDE) is not None

    def judge_round(self, now: int, limit: int, *, pace: Pace | None = None, first: int = LIVE) -> Judged:
        """One transaction of judging; 0 items when nothing waits. See `Judge.round`."""
        try:
            with self.store.writing(self.known.clear) as db:
                return self._round(db, now, limit, timed=True, pace=pace, first=first)
        finally:
            if self._mark is not None:
                self._mark.end()

    def _round(self, db: Db, now: int, limit: int, *, timed: bool = False, **options: Any) -> Judged:
        with db.metered(Meter(self.budget, timed=timed), timed=timed):
            return self.judge.round(db, now, limit, mark=self._mark, **options)

    def set_aside(self, now: int, error: Exception) -> str:
        """Sets aside what the judge just failed on by itself, and says so in a finding; answers with its thing."""
        with self._telling() as db:
            return self.judge.set_aside(db, now, error)

    def over(self, now: int, error: OverBudget) -> str:
        """After a round went over its budget: see `Judge.over`."""
        with self._telling() as db:
            return self.judge.over(db, now, error)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[Db]:
        """A transaction that says what was set aside, within a budget as well."""
        with self.store.writing(self.known.clear) as db, db.metered(Meter(self.budget, timed=False), timed=False):
            yield db

    def take_up(self, now: int = 0) -> None:
        """Takes up again what was set aside, but for what a process died of twice; counts what one died over; plans
        when what circulates is screened by the packs of now; and has sources judged by the settings of now."""
        left = [] if self._mark is None else self._mark.left()
        with self.store.writing(self.known.clear) as db:
            self.rulebook.refresh(db)
            if left:
                with db.metered(Meter(self.budget, timed=False), timed=False):
                    self.judge.died(db, left, now)
            aside.take_up(db, db.clock())
            self.judge.plan(db)
        if self._mark is not None:
            self._mark.end()

    def settle_in(self, db: Db, clock: int, *, below: int = ASIDE) -> bool:
        """Judges until nothing of a priority `below` this one waits, with the horizon at the clock, in the open
        transaction: offline, where no one else writes. Answers whether any finding, case or statement changed."""
        changed = False
        self.judge.move(db, clock)
        more = True
        while more:
            db.written.discard(schema.queue.name)
            judged = self._round(db, clock, SETTLE_ROUND, below=below)
            changed = changed or bool(judged.changes or judged.case_events or judged.stated)
            more = not judged.last or schema.queue.name in db.written
        return changed

    def horizon(self) -> int:
        """The instant up to which deadlines have fired, µs."""
        with self.store.reading() as db:
            row = db.one("select instant from horizon")
        return int(row[0]) if row else 0

    def back(self, horizon: int) -> None:
        """Moves a horizon back that a false clock had moved on."""
        with self.store.writing(self.known.clear) as db:
            self.judge.back(db, horizon)

    def settle_apart(self, clock: int, *, below: int = ASIDE) -> None:
        """The same in transactions of its own, which sets aside what alone is over its budget.

        Each round is a transaction, as a worker's is: what is set aside is known by what was judged before it.
        """
        with self.store.writing(self.known.clear) as db:
            self.judge.move(db, clock)
        items = True
        while items:
            try:
                with self.store.writing(self.known.clear) as db:
                    items = bool(self._round(db, clock, SETTLE_ROUND, below=below).items)
            except OverBudget as error:
                self.over(clock, error)

    def release(self, horizon: int, now: int) -> int:
        """Moves the horizon on: deadlines that are past it are queued; answers with how many."""
        with self.store.writing(self.known.clear) as db:
            return self.judge.due(db, horizon, now)
