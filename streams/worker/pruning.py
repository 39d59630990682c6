"""Deletes rows that are kept for a span of time only, in slices so small that no writer waits for one.

Expired rows are read beside the writers, some rows at a time; a slice is the transaction that deletes those by their
keys. How many rows the next one takes follows from how long the last one took. What is kept for ever, and what for how
long, is the table of `docs/retention.md`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import TableClause, bindparam, column, delete, exists, not_, select, table, true, update

from circulation.calendar import DAY
from circulation.daily import day_scope
from circulation.quality import month_of
from circulation.rules import Rule
from streams.facts import used_days as summaries
from streams.facts.known import Known
from streams.settings import Settings
from streams.store import partitions, queue, schema
from streams.store.ask import Question, any_of, matches, names
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

_CASES: Final = schema.cases.c
_OPEN_ABOUT: Final = Question(
    select(_CASES.about)
    .distinct()
    .where(_CASES.about_kind == "contract", _CASES.about == any_of("contracts"), _CASES.state != "closed")
)


def of_open_cases(db: Db, contracts: Sequence[str]) -> Collection[str]:
    """The contracts that a case is about which is not closed."""
    return {row[0] for row in _OPEN_ABOUT.rows(db, contracts=list(contracts))}


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

    def __init__(self, table: TableClause, key: str, before: int, size: Size) -> None:
        self.size = size
        self._before = before
        self._find = _oldest(table, key)
        self._drop = Question(delete(table).where(table.c[key] == any_of("keys"), table.c.taken < bindparam("before")))

    def find(self, db: Db, count: int) -> Sequence[Any]:
        return [row[0] for row in self._find.rows(db, before=self._before, count=count)]

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        self._drop.run(db, keys=list(rows), before=self._before)


def _oldest(table: TableClause, *columns: str) -> Question:
    """The oldest rows of a table that were taken in before an instant."""
    aged = select(*names(table, *columns)).where(table.c.taken < bindparam("before"))
    return Question(aged.order_by(table.c.taken).limit(bindparam("count")))


_REFUSED: Final = schema.refused_numbers.c
_OF_REFUSED: Final = (_REFUSED.refused == any_of("refused"), _REFUSED.taken < bindparam("before"))
_GAPS: Final = schema.gaps.c
_MISSING: Final = exists().where(
    _GAPS.feed == _REFUSED.feed, _GAPS.begin <= _REFUSED.number, _GAPS.last >= _REFUSED.number
)
_OLDEST_REFUSED: Final = _oldest(schema.refused_numbers, "refused")
_KEEP_REFUSED: Final = Question(
    update(schema.refused_numbers).where(*_OF_REFUSED, _MISSING).values(taken=bindparam("again"))
)
_DROP_REFUSED: Final = Question(delete(schema.refused_numbers).where(*_OF_REFUSED))


class _RefusedNumbers:
    """Numbers of events that were rejected before an instant; those of a gap that is open are looked at a day later."""

    def __init__(self, before: int, size: Size) -> None:
        self.size = size
        self._before = before

    def find(self, db: Db, count: int) -> Sequence[Any]:
        return [row[0] for row in _OLDEST_REFUSED.rows(db, before=self._before, count=count)]

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        _KEEP_REFUSED.run(db, refused=list(rows), before=self._before, again=self._before + DAY)
        _DROP_REFUSED.run(db, refused=list(rows), before=self._before)


_COUNTED: Final = schema.quality.c
_OLDEST_QUALITY: Final = Question(
    select(_COUNTED.reported_by, _COUNTED.month)
    .where(_COUNTED.month < bindparam("before"), not_(_COUNTED.reported_by == any_of("owed")))
    .order_by(_COUNTED.month)
    .limit(bindparam("count"))
)
_DROP_QUALITY: Final = Question(delete(schema.quality).where(*matches(schema.quality, "reported_by", "month")))


class _Quality:
    """Months of counts of sources, before one. Of a source that owes events all are kept: they tell
    since when it is silent."""

    def __init__(self, before: int, owed: Collection[str], size: Size) -> None:
        self.size = size
        self._before = before
        self._owed = sorted(owed)

    def find(self, db: Db, count: int) -> Sequence[Any]:
        return _OLDEST_QUALITY.rows(db, before=self._before, owed=self._owed, count=count)

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        for source, month in rows:
            _DROP_QUALITY.run(db, reported_by=source, month=month)


_USED: Final = schema.used_days
_OF_DAY: Final = (*matches(_USED, "contract", "day", "reporter"), _USED.c.taken < bindparam("before"))
_OLDEST_DAYS: Final = _oldest(_USED, "contract", "day", "reporter")
_KEEP_DAY: Final = Question(update(_USED).where(*_OF_DAY).values(taken=bindparam("again")))
_DROP_DAY: Final = Question(delete(_USED).where(*_OF_DAY))
_DAYS_LEFT: Final = Question(
    select(_USED.c.contract, _USED.c.day).where(_USED.c.contract == any_of("contracts"), _USED.c.day == any_of("days"))
)
_FINDINGS: Final = schema.findings.c
_STANDING_ABOUT: Final = Question(
    select(_FINDINGS.about)
    .distinct()
    .where(
        _FINDINGS.about_kind == "contract",
        _FINDINGS.about == any_of("contracts"),
        _FINDINGS.detector == any_of("rules"),
        _FINDINGS.standing,
    )
)
_SCOPES: Final = schema.scopes.c
_OF_SCOPE: Final = (_SCOPES.rule == any_of("rules"), _SCOPES.scope == bindparam("scope"))
_DROP_SCOPES: Final = Question(delete(schema.scopes).where(*_OF_SCOPE, *matches(schema.scopes, "thing")))
_SETTLED: Final = schema.settled_days
_FORGET_SETTLED: Final = Question(
    update(_SETTLED).where(*matches(_SETTLED, "contract", "day")).values(forgotten=true())
)
_DROP_SETTLED: Final = Question(
    delete(_SETTLED).where(*matches(_SETTLED, "contract"), _SETTLED.c.day < bindparam("until"), _SETTLED.c.forgotten)
)
_DROP_REPORTED: Final = Question(delete(schema.reported_days).where(*matches(schema.reported_days, "contract", "day")))
_DROP_COMPARED: Final = Question(
    delete(schema.compared).where(*matches(schema.compared, "contract", "day"), ~exists().where(*_OF_SCOPE))
)


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
        return _OLDEST_DAYS.rows(db, before=self._before, count=count)

    def drop(self, db: Db, rows: Sequence[Any]) -> None:
        """Forgets them but for those that are kept, and with the last of a day that it was looked at."""
        contracts = sorted({row[0] for row in rows})
        scopes = {(contract, day): day_scope(day, contract) for contract, day, _ in rows}
        # Settling a day of a contract reads all of its days; see `streams.judging.shapes`.
        things = [queue.sum_(rule, scope) for rule in self._rules for scope in scopes.values()]
        db.lock([*things, *map(queue.uses, contracts)])
        kept = {row[0] for row in _STANDING_ABOUT.rows(db, contracts=contracts, rules=self._rules)}
        kept.update(self._held(db, contracts))
        going = [row for row in rows if row[0] not in kept]
        db.many(schema.served, summaries.served_by(db, going, self._before), "upsert")
        for contract, day, reporter in rows:
            used = {"contract": contract, "day": day, "reporter": reporter, "before": self._before}
            if contract in kept:
                _KEEP_DAY.run(db, **used, again=self._before + DAY)
            else:
                _DROP_DAY.run(db, **used)
        left = set(_DAYS_LEFT.rows(db, contracts=contracts, days=sorted({day for _, day in scopes})))
        for (contract, day), scope in scopes.items():
            if (contract, day) not in left:
                _DROP_SCOPES.run(db, rules=self._rules, scope=scope, thing=queue.uses(contract))
                # Its settled day stays as it is: later uses of such a day are only a part.
                _FORGET_SETTLED.run(db, contract=contract, day=day)
                _DROP_SETTLED.run(db, contract=contract, until=day - SETTLED_DAYS)
                for rule in self._rules:
                    self._known.members.left(rule, scope)
                _DROP_REPORTED.run(db, contract=contract, day=day)
                # Of a day with deliveries it stays what was counted: they are kept, and may be judged again.
                _DROP_COMPARED.run(db, contract=contract, day=day, rules=self._rules, scope=scope)


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
        remembered: TableClause = schema.remembered
        if self._store.postgres:
            partitions.pass_(self._store, schema.remembered.name, now, now - settings.usage_days * DAY)
            # Of the others whole days go.
            remembered = table(partitions.rest(schema.remembered.name), column("id"), column("taken"))
        days = now - settings.tally_days * DAY
        self._tasks = [
            _Aged(schema.seen, "digest", now - settings.seen_days * DAY, sizes["seen"]),
            _RefusedNumbers(now - settings.seen_days * DAY, sizes["refused_numbers"]),
            _Aged(remembered, "id", now - settings.usage_days * DAY, sizes["remembered"]),
            Days(days, self._each_day, self._known, self._held, sizes["used_days"]),
            _Quality(month_of(now - QUALITY_SPAN), self._store.voices.owed, sizes["quality"]),
        ]
