"""Deletes rows that are kept for a span of time only, in slices so small that no writer waits for one.

Expired rows are read beside the writers, some rows at a time; a slice is the transaction that deletes those by their
keys. How many rows the next one takes follows from how long the last one took. What is kept for ever, and what for how
long, is the table of `docs/retention.md`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from circulation.calendar import DAY
from circulation.daily import day_scope
from circulation.quality import month_of
from circulation.rules import Rule
from streams.facts import used_days as summaries
from streams.facts.known import Known
from streams.settings import Settings
from streams.store import partitions, queue, schema
from streams.store.db import Db
from streams.store.store import Store

# SQLite has one writer: whoever takes events in waits no longer than this for a slice, and mostly 4 ms.
SLICE_SECONDS_MAX: Final = 0.010
SLICE_SECONDS: Final = SLICE_SECONDS_MAX * 0.4
# Between two slices the writers have it to themselves for longer than a slice takes.
PAUSE_SECONDS: Final = 0.04
# After a pass, until the next one.
PASS_SECONDS: Final = 600.0
ROWS_MAX: Final = 5_000
# So many slices leave about a megabyte in SQLite's log, which is written back beside the writers.
SLICES_UNTIL_CHECKPOINT: Final = 10
# For so long it is kept how good what sources said of a month was: three years and a month.
QUALITY_SPAN: Final = 37 * 31 * DAY
# So few rows are no work at all: where these take long, it is the machine or the disk, and fewer would not be quicker.
ROWS_MIN: Final = 16
# PostgreSQL has no one writer that is waited for, and each of its commits waits for the disk: larger slices.
SLICE_SECONDS_POSTGRES: Final = 0.05
ROWS_MIN_POSTGRES: Final = 500

# Settled days are kept for so many days more than used days: a month is added up of all of them.
SETTLED_DAYS: Final = 62

# Of these contracts those whose days may not be forgotten, however old: what a case names stays.
Held = Callable[[Db, Sequence[str]], Collection[str]]


def of_open_cases(db: Db, contracts: Sequence[str]) -> Collection[str]:
    """The contracts that a case is about which is not closed."""
    query = "select distinct about from cases where about_kind = 'contract' and about = any(?) and state <> 'closed'"
    return {row[0] for row in db.rows(query, list(contracts))}


class Size:
    """How many rows a slice takes, by how long the last one took for its rows."""

    def __init__(self, least: int, seconds: float) -> None:
        self.rows = self._least = least
        self._seconds = seconds

    def took(self, rows: int, seconds: float) -> None:
        """Twice as many at most where it was quick; where it was slow, as few as that says."""
        fitting = int(rows * self._seconds / max(seconds, 1e-9))
        self.rows = max(self._least, min(fitting, 2 * self.rows, ROWS_MAX))


class Task(Protocol):
    """The pruning of one table."""

    size: Size

    def find(self, db: Db, count: int) -> Sequence[Any]:
        """The next rows that may go, so many at most; fewer at the end."""

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        """Forgets those of them that may go still, in the open transaction."""


class _Aged:
    """Rows of a table that were written before an instant (µs of the wall clock), by their key."""

    def __init__(self, table: str, key: str, before: int, size: Size) -> None:
        self.size = size
        self._before = before
        self._find = f"select {key} from {table} where taken < ? order by taken limit ?"  # noqa: S608
        self._drop = f"delete from {table} where {key} = any(?) and taken < ?"  # noqa: S608

    def find(self, db: Db, count: int) -> Sequence[Any]:
        return [row[0] for row in db.rows(self._find, self._before, count)]

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        db.run(self._drop, list(rows), self._before)


class _RefusedNumbers:
    """Numbers of events that were rejected before an instant; those of a gap that is open are looked at a day later."""

    def __init__(self, before: int, size: Size) -> None:
        self.size = size
        self._before = before

    def find(self, db: Db, count: int) -> Sequence[Any]:
        query = "select refused from refused_numbers where taken < ? order by taken limit ?"
        return [row[0] for row in db.rows(query, self._before, count)]

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        missing = (
            "exists (select 1 from gaps where gaps.feed = refused_numbers.feed and gaps.begin <= refused_numbers.number"
            " and gaps.last >= refused_numbers.number)"
        )
        condition = "where refused = any(?) and taken < ?"
        query = f"update refused_numbers set taken = ? {condition} and {missing}"  # noqa: S608
        db.run(query, self._before + DAY, list(rows), self._before)
        db.run(f"delete from refused_numbers {condition}", list(rows), self._before)  # noqa: S608


class _Quality:
    """Months of counts of sources, before one. Of a source that owes events all are kept: they tell
    since when it is silent."""

    def __init__(self, before: int, owed: Collection[str], size: Size) -> None:
        self.size = size
        self._before = before
        self._owed = sorted(owed)

    def find(self, db: Db, count: int) -> Sequence[Any]:
        query = (
            "select reported_by, month from quality where month < ? and not reported_by = any(?) order by month limit ?"
        )
        return db.rows(query, self._before, self._owed, count)

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        for source, month in rows:
            db.run("delete from quality where reported_by = ? and month = ?", source, month)


class Days:
    """Used days that were written before an instant.

    Kept are days of contracts of which a finding of one of the rules stands, which look at single days: judged again it
    must be found again. Those that are held are kept, too. They are looked at again a day later. When a contract was
    served first by what is forgotten stays: uses of so long ago are not cancelled any more. What says that such a rule
    looks at a day goes with the last of the day, and never before: through it the day is found when the contract is
    stated again, even where its uses are of long ago and came today. A day is judged under the lock of its sum, so that
    none is forgotten in the midst of it.
    """

    def __init__(self, before: int, rules: Sequence[str], known: Known, held: Held, size: Size) -> None:
        self.size = size
        self._before = before
        self._rules = list(rules)
        self._known = known
        self._held = held

    def find(self, db: Db, count: int) -> Sequence[Any]:
        """The oldest of them, (contract, day, reporter) each."""
        query = "select contract, day, reporter from used_days where taken < ? order by taken limit ?"
        return db.rows(query, self._before, count)

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        """Forgets them but for those that are kept, and with the last of a day that it was looked at."""
        contracts = sorted({row[0] for row in rows})
        scopes = {(contract, day): day_scope(day, contract) for contract, day, _ in rows}
        # Settling a day of a contract reads all of its days; see `streams.judging.shapes`.
        things = [queue.sum_(rule, scope) for rule in self._rules for scope in scopes.values()]
        db.lock([*things, *map(queue.uses, contracts)])
        query = (
            "select distinct about from findings where about_kind = 'contract' and about = any(?)"
            " and detector = any(?) and standing"
        )
        kept = {row[0] for row in db.rows(query, contracts, self._rules)} | {*self._held(db, contracts)}
        going = [row for row in rows if row[0] not in kept]
        db.many(schema.served, summaries.served_by(db, going, self._before), "upsert")
        condition = "where contract = ? and day = ? and reporter = ? and taken < ?"
        for row in rows:
            if row[0] in kept:
                db.run(f"update used_days set taken = ? {condition}", self._before + DAY, *row, self._before)  # noqa: S608
            else:
                db.run(f"delete from used_days {condition}", *row, self._before)  # noqa: S608
        query = "select contract, day from used_days where contract = any(?) and day = any(?)"
        left = set(db.rows(query, contracts, sorted({day for _, day in scopes})))
        for (contract, day), scope in scopes.items():
            if (contract, day) not in left:
                query = "delete from scopes where rule = any(?) and scope = ? and thing = ?"
                db.run(query, self._rules, scope, queue.uses(contract))
                # Its settled day stays as it is: later uses of such a day are only a part.
                settled = "contract = ? and day = ?"
                db.run(f"update settled_days set forgotten = true where {settled}", contract, day)  # noqa: S608
                old = "delete from settled_days where contract = ? and day < ? and forgotten"
                db.run(old, contract, day - SETTLED_DAYS)
                for rule in self._rules:
                    self._known.left(rule, scope)
                db.run("delete from reported_days where contract = ? and day = ?", contract, day)
                # Of a day with deliveries it stays what was counted: they are kept, and may be judged again.
                query = (
                    "delete from compared where contract = ? and day = ?"
                    " and not exists (select 1 from scopes where rule = any(?) and scope = ?)"
                )
                db.run(query, contract, day, self._rules, scope)


class Pruning:
    """Prunes a store, pass after pass. `observe` is told how long each slice held the writer, and how much
    processor time it took for it, seconds."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        rules: Mapping[str, Rule],
        known: Known,
        *,
        held: Held = of_open_cases,
        observe: Callable[[float, float], object] = lambda *_: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._each_day = [rule.id for rule in rules.values() if rule.sum is not None and rule.sum.each_day]
        self._known = known
        self._held = held
        self._observe = observe
        least, seconds = (ROWS_MIN_POSTGRES, SLICE_SECONDS_POSTGRES) if store.postgres else (ROWS_MIN, SLICE_SECONDS)
        tables = ("seen", "refused_numbers", "used_days", "quality")
        self._sizes = {table: Size(least, seconds) for table in tables}
        # A row of these is as large as a fetch.
        self._sizes["remembered"] = Size(1, seconds)
        self._tasks: list[Task] = []
        self._slices = 0

    def step(self, now: int) -> float:
        """Takes one slice; answers with how long to pause, seconds. `now` is the wall clock, µs."""
        if not self._tasks:
            self._begin(now)
        task = self._tasks[0]
        count = task.size.rows
        with self._store.reading() as db:
            if not db.postgres:
                self._checkpoint(db)
            rows = task.find(db, count)
        if rows:
            with self._store.writing(self._known.clear) as db:
                begun, worked = time.perf_counter(), time.thread_time()
                task.drop(db, rows)
            seconds = time.perf_counter() - begun
            task.size.took(len(rows), seconds)
            self._observe(seconds, time.thread_time() - worked)
            self._slices += 1
        if len(rows) < count:
            self._tasks.pop(0)
        return PAUSE_SECONDS if self._tasks else PASS_SECONDS

    def _checkpoint(self, db: Db) -> None:
        """Writes SQLite's log back now and then, and never at the end of a slice: there the writer would be held for as
        long as that takes."""
        if self._slices % SLICES_UNTIL_CHECKPOINT == 0:
            db.run("pragma wal_autocheckpoint=0")
            db.rows("pragma wal_checkpoint(passive)")

    def _begin(self, now: int) -> None:
        settings, sizes = self._settings, self._sizes
        remembered = "remembered"
        if self._store.postgres:
            partitions.pass_(self._store, remembered, now, now - settings.usage_days * DAY)
            # Of the others whole days go.
            remembered = partitions.rest(remembered)
        days = now - settings.tally_days * DAY
        self._tasks = [
            _Aged("seen", "digest", now - settings.seen_days * DAY, sizes["seen"]),
            _RefusedNumbers(now - settings.seen_days * DAY, sizes["refused_numbers"]),
            _Aged(remembered, "id", now - settings.usage_days * DAY, sizes["remembered"]),
            Days(days, self._each_day, self._known, self._held, sizes["used_days"]),
            _Quality(month_of(now - QUALITY_SPAN), self._store.voices.owed, sizes["quality"]),
        ]
