"""The one engine behind the worker and behind replay: intake, judge, rulebook and book on one store."""

from collections.abc import Callable, Mapping, Sequence

import detectors
from circulation.rulepack import Pack
from circulation.rules import Rule
from streams.book import LIVE, Book
from streams.desks import AGAIN, ASIDE, Arrival, Intake, Outcome, Refused
from streams.judging import Judge, Judged
from streams.loading import Known
from streams.pace import Pace
from streams.rulebook import Rulebook, parameters
from streams.sectors import Sectors
from streams.store import Db, Store

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
    ) -> None:
        self.store = store
        self.rules = detectors.RULES if rules is None else rules
        self.rulebook = Rulebook(default, name) if rulebook is None else rulebook
        # SQLite serves one process, and within it writing transactions come one after the other.
        self.known = Known(alone=not store.postgres)
        self.book = Book(Sectors(self.rulebook, self.known))
        self.intake = Intake(
            self.rules,
            self.book,
            self.rulebook,
            known_detectors=parameters(self.rules),
            known=self.known,
            desks_max=desks_max,
            remember_chunk=remember_chunk,
        )
        self.judge = Judge(self.rules, self.book, self.rulebook, self.known)

    def take(
        self,
        arrivals: Sequence[Arrival],
        refused: Sequence[Refused],
        now: int,
        *,
        clock: int | None = None,
        fence: Callable[[Db], None] | None = None,
        after: Callable[[Db, Outcome], None] | None = None,
    ) -> Outcome:
        """One fetch, one transaction. `fence` runs first in it, and raises where the fetch is not ours to take.

        `clock` is what the clock was before it, where events move the clock: what is ignored or refused does not.
        `after` runs last in the transaction.
        """
        try:
            with self.store.writing(self.known.clear) as db:
                if fence is not None:
                    fence(db)
                self.judge.refresh(db)
                outcome = self.intake.take(db, arrivals, refused, now, clock=clock)
                if after is not None:
                    after(db, outcome)
                return outcome
        except BaseException:
            self.intake.forget()  # what was cached on the way was not committed
            raise

    def waiting(self) -> bool:
        """Whether anything waits to be judged."""
        with self.store.reading() as db:
            return db.one("select 1 from queue where priority < ? limit 1", ASIDE) is not None

    def judge_round(self, now: int, limit: int, *, pace: Pace | None = None, first: int = LIVE) -> Judged:
        """One transaction of judging; 0 items when nothing waits. See `Judge.round`."""
        with self.store.writing(self.known.clear) as db:
            return self.judge.round(db, now, limit, pace=pace, first=first)

    def set_aside(self) -> str:
        """Sets the first item of the queue aside, on which the engine itself failed; answers with its thing."""
        with self.store.writing(self.known.clear) as db:
            row = db.one("select id, thing from queue where priority < ? order by priority, id limit 1", ASIDE)
            if row is None:
                return ""
            db.run("update queue set priority = ? where id = ?", ASIDE, row[0])
            return str(row[1])

    def take_up(self) -> None:
        """Takes up again what was set aside, and plans when what circulates is screened by the packs of now."""
        with self.store.writing(self.known.clear) as db:
            db.run("update queue set priority = ? where priority = ?", AGAIN, ASIDE)
            self.rulebook.refresh(db)
            self.judge.plan(db)

    def settle(self, clock: int, *, below: int = ASIDE) -> bool:
        """Judges until nothing of a priority `below` this one waits, with the horizon at the clock, in one transaction:
        offline, where no one else writes. Answers whether any finding or case changed."""
        with self.store.writing(self.known.clear) as db:
            return self.settle_in(db, clock, below=below)

    def settle_in(self, db: Db, clock: int, *, below: int = ASIDE) -> bool:
        """The same in the open transaction."""
        changed = False
        self.judge.move(db, clock)
        while (judged := self.judge.round(db, clock, SETTLE_ROUND, below=below)).items:
            changed = changed or bool(judged.changes or judged.told)
        return changed

    def release(self, horizon: int, now: int) -> int:
        """Moves the horizon on: deadlines that are past it are queued; answers with how many."""
        with self.store.writing(self.known.clear) as db:
            return self.judge.due(db, horizon, now)
