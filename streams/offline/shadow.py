"""Findings of detectors in shadow beside those acted upon, to decide whether a detector is to be enforced.

A detector is tried on the living market by a version of the pack in which it is in `shadow`: it judges and finds as
always, and nothing follows from it. Here what it found there is counted beside what the same detector found on what it
looked at while it was acted upon, and beside what others found of the same things; and what would follow if it were
enforced is counted, too.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from sqlalchemy import bindparam, case, exists, func, select

import detectors
from circulation.calendar import format_instant
from circulation.packs.in_force import Packs
from streams.breaker import ACTED_UPON
from streams.facts.rulebook import types_of
from streams.store import schema
from streams.store.ask import Question, any_of
from streams.store.db import Db

Json = dict[str, Any]

BEFORE_ALL: Final = -(2**62)
AFTER_ALL: Final = 2**62
SHADOW: Final = frozenset({"shadow"})


class Window(NamedTuple):
    """Instants in [since, until), µs; None does not restrict."""

    since: int | None = None
    until: int | None = None

    def bounds(self) -> tuple[int, int]:
        """The same without None."""
        return (
            BEFORE_ALL if self.since is None else self.since,
            AFTER_ALL if self.until is None else self.until,
        )


_FINDINGS: Final = schema.findings.c
_IN_SHADOW: Final = (_FINDINGS.standing, _FINDINGS.mode == "shadow")
_WITHIN: Final = (_FINDINGS.occurred >= bindparam("since"), _FINDINGS.occurred < bindparam("until"))
_OF_DETECTOR: Final = _FINDINGS.detector == bindparam("detector")
_TRIED: Final = Question(select(_FINDINGS.detector).distinct().where(*_IN_SHADOW))
_COUNTED: Final = Question(
    select(_FINDINGS.severity, func.count())
    .where(_FINDINGS.standing, _OF_DETECTOR, _FINDINGS.mode == any_of("modes"), *_WITHIN)
    .group_by(_FINDINGS.severity)
    .order_by(_FINDINGS.severity)
)
_THINGS: Final = (
    select(_FINDINGS.about_kind, _FINDINGS.about)
    .distinct()
    .where(*_IN_SHADOW, _OF_DETECTOR, _FINDINGS.severity != "blue", *_WITHIN)
    .subquery("things")
)
_OTHER: Final = schema.findings.alias("other")
_KNOWN: Final = exists().where(
    _OTHER.c.standing,
    _OTHER.c.about_kind == _THINGS.c.about_kind,
    _OTHER.c.about == _THINGS.c.about,
    _OTHER.c.mode.in_(("warn", "enforce")),
)
# Of how many things something was found, and of how many of these others found something.
_CASES: Final = Question(select(func.count(), func.sum(case((_KNOWN, 1), else_=0))).select_from(_THINGS))
_PARTIES: Final = Question(select(func.count(_FINDINGS.party.distinct())).where(*_IN_SHADOW, _OF_DETECTOR, *_WITHIN))
_LATEST: Final = Question(
    select(_FINDINGS.data)
    .where(_FINDINGS.standing, _OF_DETECTOR, _FINDINGS.mode == "shadow", *_WITHIN)
    .order_by(_FINDINGS.occurred.desc(), _FINDINGS.finding)
    .limit(bindparam("count"))
)
_ALSO: Final = Question(
    select(_FINDINGS.detector)
    .distinct()
    .where(
        _FINDINGS.standing,
        _FINDINGS.about_kind == bindparam("about_kind"),
        _FINDINGS.about == bindparam("about"),
        _FINDINGS.mode.in_(("warn", "enforce")),
    )
    .order_by(_FINDINGS.detector)
)
_EVENTS: Final = schema.events.c
_ACTS: Final = Question(
    select(func.count()).where(
        _EVENTS.type == any_of("types"),
        _EVENTS.retracted.is_(None),
        _EVENTS.time >= bindparam("since"),
        _EVENTS.time < bindparam("until"),
    )
)


def tried(db: Db, packs: Packs, now: int) -> list[str]:
    """The detectors that are in shadow now, and those of which findings in shadow stand."""
    names = {row[0] for row in _TRIED.rows(db)}
    pack = packs.in_force(now)
    return sorted(names | {id_ for id_ in detectors.RULES if pack.setting(id_).mode == "shadow"})


def compare(db: Db, packs: Packs, detector: str, window: Window, now: int, *, examples_max: int) -> Json:
    """One detector as a document. `looked_at` are acts; of uses it is not kept which there were, so there it is None.

    `if_enforced`: what would follow from what it found in shadow. `cases` would be opened, one a thing; of these things
    others already found something in `known`; `parties` would be responsible, and lose `points` before any limit.
    """
    rule = detectors.RULES[detector]
    points = msgspec.to_builtins(packs.in_force(now).credit.finding_points)
    in_shadow = _found(db, detector, window, SHADOW)
    since, until = window.bounds()
    cases, known = _CASES.one(db, detector=detector, since=since, until=until) or (0, 0)
    (parties,) = _PARTIES.one(db, detector=detector, since=since, until=until) or (0,)
    return {
        "detector": detector,
        "title": rule.title,
        "mode": packs.in_force(now).setting(detector).mode,
        "shadow": _side(db, packs, detector, window, SHADOW),
        "live": _side(db, packs, detector, window, ACTED_UPON),
        "if_enforced": {
            "cases": int(cases),
            "known": int(known or 0),
            "parties": int(parties),
            "points": sum(points[severity] * number for severity, number in in_shadow.items()),
        },
        "examples": _examples(db, detector, window, examples_max),
    }


def _side(db: Db, packs: Packs, detector: str, window: Window, modes: frozenset[str]) -> Json:
    """The findings of these modes: their counts, spans of time, and the acts looked at."""
    spans = list(_spans(packs, detector, window, modes))
    counts = _found(db, detector, window, modes)
    looked_at = None if detectors.RULES[detector].tally is not None else _acts(db, detector, spans)
    total = sum(counts.values())
    return {
        "spans": [
            {
                "since": None if since == BEFORE_ALL else format_instant(since),
                "until": None if until == AFTER_ALL else format_instant(until),
            }
            for since, until in spans
        ],
        "found": counts,
        "looked_at": looked_at,
        "share": min(1.0, total / looked_at) if looked_at else None,
    }


def _spans(packs: Packs, detector: str, window: Window, modes: frozenset[str]) -> Iterable[tuple[int, int]]:
    """When the detector was in one of the modes, within the window; what adjoins is one."""
    first, last = window.bounds()
    begun: int | None = None
    ended = first
    for span in packs.spans():
        start = max(first, BEFORE_ALL if span.start is None else span.start)
        end = min(last, AFTER_ALL if span.end is None else span.end)
        if start >= end:
            continue
        if span.pack.setting(detector).mode in modes:
            begun = start if begun is None else begun
            ended = end
        elif begun is not None:
            yield begun, ended
            begun = None
    if begun is not None:
        yield begun, ended


def _found(db: Db, detector: str, window: Window, modes: frozenset[str]) -> dict[str, int]:
    since, until = window.bounds()
    rows = _COUNTED.rows(db, detector=detector, modes=sorted(modes), since=since, until=until)
    return {severity: int(number) for severity, number in rows}


def _acts(db: Db, detector: str, spans: Iterable[tuple[int, int]]) -> int:
    types = sorted(types_of(detectors.RULES[detector]))
    counts = (_ACTS.rows(db, types=types, since=since, until=until) for since, until in spans)
    return sum(int(row[0]) for rows in counts for row in rows)


def _examples(db: Db, detector: str, window: Window, examples_max: int) -> list[Json]:
    """The latest, each with the other detectors by which something stands on the same thing."""
    since, until = window.bounds()
    rows = _LATEST.rows(db, detector=detector, since=since, until=until, count=examples_max)
    examples = []
    for (raw,) in rows:
        data = orjson.loads(raw)
        also = _ALSO.rows(db, about_kind=data["about"]["kind"], about=data["about"]["id"])
        examples.append({**data, "others": [row[0] for row in also]})
    return examples
