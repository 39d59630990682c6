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

import detectors
from circulation.calendar import format_instant
from circulation.packs.in_force import Packs
from streams.breaker import ACTED_UPON
from streams.facts.rulebook import types_of
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


def tried(db: Db, packs: Packs, now: int) -> list[str]:
    """The detectors that are in shadow now, and those of which findings in shadow stand."""
    names = {row[0] for row in db.rows("select distinct detector from findings where standing and mode = 'shadow'")}
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
    query = (
        "select count(*), sum(case when exists (select 1 from findings g where g.standing"
        " and g.about_kind = a.about_kind and g.about = a.about and g.mode in ('warn', 'enforce')) then 1 else 0 end)"
        " from (select distinct about_kind, about from findings where standing and mode = 'shadow'"
        " and detector = ? and severity <> 'blue' and occurred >= ? and occurred < ?) a"
    )
    cases, known = db.one(query, detector, *window.bounds()) or (0, 0)
    query = (
        "select count(distinct party) from findings where standing and mode = 'shadow' and detector = ?"
        " and occurred >= ? and occurred < ?"
    )
    (parties,) = db.one(query, detector, *window.bounds()) or (0,)
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
    rows = db.rows(
        "select severity, count(*) from findings where standing and detector = ? and mode = any(?)"
        " and occurred >= ? and occurred < ? group by 1 order by 1",
        detector,
        sorted(modes),
        *window.bounds(),
    )
    return {severity: int(number) for severity, number in rows}


def _acts(db: Db, detector: str, spans: Iterable[tuple[int, int]]) -> int:
    query = "select count(*) from events where type = any(?) and retracted is null and time >= ? and time < ?"
    types = sorted(types_of(detectors.RULES[detector]))
    return sum(int(row[0]) for span in spans for row in db.rows(query, types, *span))


def _examples(db: Db, detector: str, window: Window, examples_max: int) -> list[Json]:
    """The latest, each with the other detectors by which something stands on the same thing."""
    rows = db.rows(
        "select data from findings where standing and detector = ? and mode = 'shadow' and occurred >= ?"
        " and occurred < ? order by occurred desc, finding limit ?",
        detector,
        *window.bounds(),
        examples_max,
    )
    examples = []
    for (raw,) in rows:
        data = orjson.loads(raw)
        also = db.rows(
            "select distinct detector from findings where standing and about_kind = ? and about = ?"
            " and mode in ('warn', 'enforce') order by 1",
            data["about"]["kind"],
            data["about"]["id"],
        )
        examples.append({**data, "others": [row[0] for row in also]})
    return examples
