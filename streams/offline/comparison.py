"""Compares what stands in two stores: the findings, the cases and the credit of two runs of one engine."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import bindparam, func, select

import detectors
from circulation.packs.pack import Pack
from streams.breaker import ACTED_UPON, Limits
from streams.facts.rulebook import types_of
from streams.offline.replay import BEFORE_ALL
from streams.store import schema
from streams.store.ask import Question, Row
from streams.store.db import Db
from streams.store.store import Store

# Members of a finding that say nothing of what was found.
ASIDE: Final = frozenset({"revision", "sectors", "rulepack", "detector_version"})
# Above all that is published: of equal instants the later published is in force.
LAST: Final = 2**62

Json = dict[str, Any]

_FINDINGS, _EVENTS, _CASES, _STATEMENTS = (
    schema.findings.c,
    schema.events.c,
    schema.cases.c,
    schema.statements.c,
)
_STANDING: Final = Question(
    select(_FINDINGS.finding, _FINDINGS.data)
    .where(_FINDINGS.standing, _FINDINGS.occurred >= bindparam("since"), _FINDINGS.occurred < bindparam("until"))
    .order_by(_FINDINGS.finding)
)
_TYPES: Final = Question(
    select(_EVENTS.type, func.count())
    .where(_EVENTS.retracted.is_(None), _EVENTS.time >= bindparam("since"), _EVENTS.time < bindparam("until"))
    .group_by(_EVENTS.type)
)
_OPEN_CASES: Final = Question(select(func.count()).where(_CASES.standing > 0))
_SCORES: Final = Question(select(_STATEMENTS.party, _STATEMENTS.score).order_by(_STATEMENTS.party))


class Span(NamedTuple):
    """From when on the pack is tried, and before when what occurred is compared (µs); None does not restrict."""

    since: int | None = None
    until: int | None = None


class Compared(NamedTuple):
    """How two runs differ. Counts are by (detector, severity); `members` count what changed, by (detector, member).

    `standing` are the findings of both runs by detector. `looked_at` are the acts and uses that a detector looks at.
    `cases` are those in which something stands, before and after; `credit` the parties whose score fell and rose.
    """

    raised: Counter[tuple[str, str]]
    cleared: Counter[tuple[str, str]]
    members: Counter[tuple[str, str]]
    unchanged: Counter[str]
    changed: Counter[str]
    standing: dict[str, tuple[int, int]]
    looked_at: dict[str, int]
    examples: list[Json]
    cases: tuple[int, int]
    credit: tuple[int, int]

    @property
    def differ(self) -> list[str]:
        """The detectors that find something else."""
        detectors = {detector for detector, _ in (*self.raised, *self.cleared)} | set(self.changed)
        return sorted(detectors)

    def fires(self, detector: str) -> int:
        """How much it would newly find."""
        return sum(number for (name, _), number in self.raised.items() if name == detector)

    def share(self, detector: str) -> float | None:
        """New findings divided by acts looked at; None where the acts are not known."""
        looked_at = self.looked_at.get(detector, 0)
        return min(1.0, self.fires(detector) / looked_at) if looked_at else None

    def held(self, pack: Pack, limits: Limits) -> list[str]:
        """The detectors of which the breaker would hold the alerts: the pack acts upon them, and they fire on too
        much."""
        return [
            detector
            for detector in self.differ
            if pack.setting(detector).mode in ACTED_UPON
            and limits.exceeded(self.fires(detector), self.looked_at.get(detector, 0))
        ]


def compare(before: Store, after: Store, span: Span, uses: dict[str, int], examples_max: int) -> Compared:
    """How what stands in the two stores differs, of what occurred within the span. `uses` are not kept, so they are
    given, by type. Of each detector, severity and difference there are `examples_max` examples."""
    raised: Counter[tuple[str, str]] = Counter()
    cleared: Counter[tuple[str, str]] = Counter()
    members: Counter[tuple[str, str]] = Counter()
    unchanged: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    standing: dict[str, list[int]] = {}
    shown: Counter[tuple[str, str, str]] = Counter()
    examples: list[Json] = []

    def show(change: str, data: Json, **more: Any) -> None:
        key = (change, data["detector"], data["severity"])
        shown[key] += 1
        if shown[key] <= examples_max:
            examples.append({"what": change, **data, **more})

    for old, new in _pairs(before, after, span):
        data: Json = new or old or {}
        detector = data["detector"]
        count = standing.setdefault(detector, [0, 0])
        count[0] += old is not None
        count[1] += new is not None
        if old is None:
            raised[detector, data["severity"]] += 1
            show("raised", data)
        elif new is None:
            cleared[detector, data["severity"]] += 1
            show("cleared", data)
        else:
            differing = sorted(member for member in {*old, *new} - ASIDE if old.get(member) != new.get(member))
            if not differing:
                unchanged[detector] += 1
                continue
            changed[detector] += 1
            members.update((detector, member) for member in differing)
            show("changed", data, before={member: old.get(member) for member in differing})
    with before.reading() as old_db, after.reading() as new_db:
        return Compared(
            raised=raised,
            cleared=cleared,
            members=members,
            unchanged=unchanged,
            changed=changed,
            standing={id_: (count[0], count[1]) for id_, count in standing.items()},
            looked_at=_looked_at(new_db, span, uses),
            examples=sorted(
                examples,
                key=lambda example: (example["detector"], example["what"], example["occurred"], example["finding"]),
            ),
            cases=(_cases(old_db), _cases(new_db)),
            credit=_credit(before, after),
        )


def _pairs(before: Store, after: Store, span: Span) -> Iterator[tuple[Json | None, Json | None]]:
    """The findings that stand in either store, by their ids: the one of the first, and that of the second."""
    bounds = _bounds(span)
    for old, new in _merged(_rows(before, _STANDING, **bounds), _rows(after, _STANDING, **bounds)):
        yield (None if old is None else orjson.loads(old[1])), (None if new is None else orjson.loads(new[1]))


def _bounds(span: Span) -> dict[str, int]:
    since = BEFORE_ALL if span.since is None else span.since
    return {"since": since, "until": LAST if span.until is None else span.until}


def _rows(store: Store, question: Question, **values: Any) -> Iterator[Row]:
    with store.reading() as db:
        for rows in question.stream(db, **values):
            yield from rows


def _merged(left_rows: Iterator[Row], right_rows: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Two streams in the order of their first columns, those of the same in pairs."""
    left, right = next(left_rows, None), next(right_rows, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            yield left, None
            left = next(left_rows, None)
        elif left is None or right[0] < left[0]:
            yield None, right
            right = next(right_rows, None)
        else:
            yield left, right
            left, right = next(left_rows, None), next(right_rows, None)


def _looked_at(db: Db, span: Span, uses: dict[str, int]) -> dict[str, int]:
    by_type = Counter(uses)
    by_type.update(dict(_TYPES.rows(db, **_bounds(span))))
    return {rule.id: sum(by_type[type_] for type_ in types_of(rule)) for rule in detectors.RULES.values()}


def _cases(db: Db) -> int:
    row = _OPEN_CASES.one(db)
    return int(row[0]) if row else 0


def _credit(before: Store, after: Store) -> tuple[int, int]:
    """How many parties have a lower score, and how many a higher one, of those that have a statement in both."""
    fell = rose = 0
    for old, new in _merged(_rows(before, _SCORES), _rows(after, _SCORES)):
        if old is not None and new is not None:
            fell += new[1] < old[1]
            rose += new[1] > old[1]
    return fell, rose
