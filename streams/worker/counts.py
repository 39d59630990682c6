"""Counts of the store's rows for the gauges: the same numbers on every worker of one store.

Each count goes over an index. A million standing findings still take a fraction of a second, so `Cadence` lets the
counting have a small share of the time, however much there is to count.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, case, func, select

from circulation.findings import SEVERITIES
from circulation.quality import PARTS, Share, month_of
from streams.answers import sources
from streams.store import schema
from streams.store.ask import Question
from streams.store.db import Db
from streams.store.queue import AGAIN, ASIDE, LIVE, STATING
from streams.wire import unsent
from streams.worker.metrics import OTHER

PRIORITY_NAMES: Final = {LIVE: "live", AGAIN: "again", STATING: "stating", ASIDE: "aside"}
# Of so many sources at most the metrics tell by name.
SOURCES_MAX: Final = 50
# Counting may take one part in so many of the time.
SHARE: Final = 20

Labels = tuple[str, ...]


def _by(*columns: ColumnElement[Any]) -> Select[Any]:
    """How many rows there are of each value of the columns."""
    return select(*columns, func.count()).group_by(*columns)


_FINDINGS: Final = schema.findings.c
_CASES: Final = schema.cases.c
_MEMBERS: Final = schema.case_findings.c
_LABELS: Final = (_FINDINGS.detector, _FINDINGS.severity, _FINDINGS.mode)
_STANDING: Final = Question(_by(*_LABELS).where(_FINDINGS.standing))
# Closed cases are few beside standing findings, so open ones are the difference.
_CLOSED: Final = Question(
    _by(*_LABELS)
    .select_from(schema.cases)
    .join(schema.case_findings, _MEMBERS.case_id == _CASES.case_id)
    .join(schema.findings, _FINDINGS.finding == _MEMBERS.finding)
    .where(_CASES.state == "closed", _FINDINGS.standing)
)
_RANK: Final = case({name: rank for rank, name in enumerate(SEVERITIES) if rank}, value=_FINDINGS.severity, else_=0)
_GRAVEST: Final = (
    select(func.max(_RANK).label("gravest"))
    .where(_FINDINGS.standing, _FINDINGS.detector == "usage-limit")
    .group_by(_FINDINGS.about)
    .subquery("contracts")
)
_LIMITS: Final = Question(_by(_GRAVEST.c.gravest))
_QUEUE: Final = schema.queue.c
_QUEUED: Final = Question(select(_QUEUE.priority, func.count(), func.min(_QUEUE.since)).group_by(_QUEUE.priority))
_ASIDE: Final = Question(_by(schema.set_aside.c.budget).where(schema.set_aside.c.aside))
_OUTBOX: Final = Question(select(func.count()).select_from(schema.outbox))
_OLDEST: Final = Question(select(schema.outbox.c.since).order_by(schema.outbox.c.id).limit(1))
_DEADLINES: Final = Question(select(func.count()).select_from(schema.deadlines))
_DUE: Final = Question(
    select(func.count(), func.min(schema.deadlines.c.due)).where(schema.deadlines.c.due < bindparam("clock"))
)
_OF_CASES: Final = Question(_by(_CASES.state, _CASES.severity))
_UNATTENDED: Final = Question(_by(_CASES.detector).where(_CASES.state == "opened", _CASES.severity == "red"))
_GRADES: Final = Question(_by(schema.statements.c.grade))


class Counts(NamedTuple):
    """One look at the store. Each `…_since` is µs of the wall clock, `due_since` of the clock of deadlines; None
    where nothing waits.

    `standing` and `open` are by (detector, severity, mode), `cases` by (state, severity), `limits` by severity: of each
    contract the gravest of its standing findings of usage-limit. `set_aside` is by the name of a budget. `unattended`
    are the red cases that nobody has acknowledged, by (detector,). `quality` is of the month of the clock, by (source,
    part).
    """

    standing: dict[Labels, int]
    open: dict[Labels, int]
    cases: dict[Labels, int]
    unattended: dict[Labels, int]
    limits: dict[Labels, int]
    grades: dict[Labels, int]
    queue: dict[Labels, int]
    queue_since: int | None
    live_since: int | None
    outbox: int
    outbox_since: int | None
    deadlines: int
    due: int
    due_since: int | None
    unsent: int
    set_aside: Mapping[Labels, int] = {}
    quality: Mapping[Labels, Share] = {}


def count(db: Db, clock: int) -> Counts:
    """Counts; `clock` is the clock that deadlines go by (µs)."""
    standing = _labelled(db, _STANDING)
    closed = _labelled(db, _CLOSED)
    queue = _QUEUED.rows(db)
    aside = _labelled(db, _ASIDE)
    outbox = _OUTBOX.one(db) or (0,)
    oldest = _OLDEST.one(db) or (None,)
    deadlines = _DEADLINES.one(db) or (0,)
    due = _DUE.one(db, clock=clock) or (0, None)
    # Items that older versions set aside stay in the queue until the next start.
    before = sum(number for priority, number, _ in queue if priority == ASIDE)
    return Counts(
        standing=standing,
        open={labels: number - closed.get(labels, 0) for labels, number in standing.items()},
        cases=_labelled(db, _OF_CASES),
        unattended=_labelled(db, _UNATTENDED),
        limits={(SEVERITIES[int(rank)],): number for (rank,), number in _labelled(db, _LIMITS).items()},
        grades=_labelled(db, _GRADES),
        queue={(PRIORITY_NAMES[priority],): number for priority, number, _ in queue if priority != ASIDE}
        | ({(PRIORITY_NAMES[ASIDE],): away} if (away := before + sum(aside.values())) else {}),
        # Items that the engine failed on wait for the next start, or for a person, not for a judge.
        queue_since=min((since for priority, _, since in queue if priority != ASIDE), default=None),
        live_since=min((since for priority, _, since in queue if priority == LIVE), default=None),
        outbox=outbox[0],
        outbox_since=oldest[0],
        deadlines=deadlines[0],
        due=due[0],
        due_since=due[1],
        unsent=unsent.count(db),
        set_aside=aside,
        quality=_quality(db, month_of(clock)),
    )


def _quality(db: Db, month: int) -> dict[Labels, Share]:
    """How good what sources said of a month is: of those that the settings name the busiest, and all others as one."""
    rows = sources.of_month(db, month)
    named = db.voices().named or frozenset()
    rows.sort(key=lambda row: (row[0] not in named, -row[1 + 2 * PARTS.index("admitted") + 1], row[0]))
    shares: dict[Labels, Share] = {}
    for at, (source, *numbers) in enumerate(rows):
        label = source if at < SOURCES_MAX and source in named else OTHER
        for part, good, total in zip(PARTS, numbers[::2], numbers[1::2], strict=True):
            before = shares.get((label, part), Share(0, 0))
            shares[label, part] = Share(before.good + good, before.all + total)
    return shares


def _labelled(db: Db, question: Question) -> dict[Labels, int]:
    return {tuple(map(str, row[:-1])): int(row[-1]) for row in question.rows(db)}


class Cadence:
    """When to count again: not before `pause_seconds`, and later the longer it takes."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause_seconds = pause_seconds
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time, by a clock in seconds."""
        return now >= self._next

    def took(self, begun: float, ended: float) -> None:
        """Says how long it took."""
        self._next = ended + max(self._pause_seconds, (ended - begun) * (SHARE - 1))


class Delay:
    """How far behind something is in seconds, from looking at its position and its end now and then.

    A partition is behind by the time since its end was where its position has not come yet. That says nothing of how
    many records it is: a worker that takes in a million a minute is not behind by much.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, int], tuple[int, float]] = {}

    def look(self, positions: dict[tuple[str, int], tuple[int, int]], now: float) -> float:
        """`positions` are (position, end) by partition; answers with the greatest delay among them, in seconds."""
        marks: dict[tuple[str, int], tuple[int, float]] = {}
        for tp, (position, end) in positions.items():
            mark = self._marks.get(tp)
            marks[tp] = (end, now) if mark is None or position >= mark[0] else mark
        self._marks = marks
        return max((now - since for _, since in marks.values()), default=0.0)


class Oldest:
    """For how long the oldest of what waits has been the same: what moves on has another one soon."""

    def __init__(self) -> None:
        self._oldest: object = None
        self._since = 0.0

    def look(self, oldest: object, now: float) -> float:
        """`oldest` is None where nothing waits; answers in seconds, by a clock in seconds."""
        if oldest is None or oldest != self._oldest:
            self._oldest, self._since = oldest, now
        return now - self._since
