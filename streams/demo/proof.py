"""The proof at the end of the demo: every event was counted once, and every expected finding was raised.

The store is held against what was sent: the story's part against a replay of the same file, member by member, the
market's against the list that was written with it. Nothing here asks a worker, for one of them was killed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import ColumnClause, bindparam, column, func, select, text

from circulation.admission.admission import Admission
from circulation.events.names import SOURCE_HEARTBEAT, USAGE_REPORTED
from circulation.findings import SEVERITIES
from circulation.words import many
from streams.demo.ear import Heard, key_of
from streams.facts.derivations import BY_RUN
from streams.offline.replay import Replay, offline
from streams.simulate.market import Market, held
from streams.store import schema
from streams.store.ask import Question, Row
from streams.store.db import Db
from streams.store.store import Store
from streams.wire.files import lines_of

READ_SECONDS_MAX: Final = 15.0
DIGEST_BYTES: Final = 16
MISSED_SHOWN_MAX: Final = 3

_FINDINGS, _PROGRESS = schema.findings.c, schema.progress.c
_STANDING: Final = Question(select(_FINDINGS.data).where(_FINDINGS.standing))
_FOUND: Final = Question(
    select(_FINDINGS.data).where(_FINDINGS.standing).order_by(_FINDINGS.occurred, _FINDINGS.finding)
)
_COUNT_STANDING: Final = Question(select(func.count()).where(_FINDINGS.standing))
_COUNT_EVENTS: Final = Question(select(func.count()).select_from(schema.events))
_COUNT_QUEUE: Final = Question(select(func.count()).select_from(schema.queue))
_COUNT_OUTBOX: Final = Question(select(func.count()).select_from(schema.outbox))
_COUNT_DUE: Final = Question(select(func.count()).where(schema.deadlines.c.due < bindparam("clock")))
_STATEMENTS: Final = schema.statements.c
_LOWEST: Final = Question(
    select(_STATEMENTS.party, _STATEMENTS.data).order_by(_STATEMENTS.score, _STATEMENTS.party).limit(bindparam("count"))
)
_ORIGIN: Final[ColumnClause[str]] = column("origin")
_BY_RUNS: Final = Question(
    select(func.count(), func.count(_ORIGIN.distinct()))
    .select_from(text(f"{schema.STEPS} steps"))
    .where(_ORIGIN.like(f"{BY_RUN}%"))
)
_DIGESTS: Final = Question(select(func.sum(func.length(schema.remembered.c.digests))))
_WAITING: Final = Question(select(schema.waiting.c.event))
_READ: Final = Question(select(func.sum(_PROGRESS.next)))
_CLOCK: Final = Question(select(func.max(_PROGRESS.time_max)))
_POSITIONS: Final = Question(select(_PROGRESS.topic, _PROGRESS.partition, _PROGRESS.next))


class Expected(NamedTuple):
    """The expected outcome: `sent` events, findings by id, and the market's list.

    Of the events some came twice, some are rejected, of a source's heartbeats only the newest is kept, and what cancels
    a use changes what is kept of that.
    """

    sent: int
    duplicates: int
    rejected: int
    replaced: int
    cancellations: int
    story: dict[str, dict[str, Any]]
    market: Sequence[Mapping[str, Any]]

    @property
    def once(self) -> int:
        """The events that are to leave a trace, each one."""
        return self.sent - self.duplicates - self.rejected - self.replaced - self.cancellations


class Seen(NamedTuple):
    """The content of the store: findings by id, records read, and events: kept as rows, counted as uses, waiting."""

    findings: dict[str, dict[str, Any]]
    read: int
    rows: int
    uses: int
    waiting: int

    @property
    def once(self) -> int:
        """The events that left a trace, each of which leaves one."""
        return self.rows + self.uses + self.waiting


def expected(story: Path, market: Market) -> Expected:
    """The expected outcome of a file of the story and of a market."""
    store = Store("sqlite://")
    try:
        tally = Replay(offline(store, None), Admission()).run(lines_of(story))
        with store.reading() as db:
            rows = _STANDING.rows(db)
    finally:
        store.close()
    replayed = {finding["finding"]: finding for finding in (orjson.loads(row[0]) for row in rows)}
    return Expected(
        tally.lines + market.events,
        tally.duplicates + market.duplicates,
        tally.rejected,
        _replaced(lines_of(story)) + market.heartbeats_replaced,
        market.cancellations,
        replayed,
        [planted.members() for planted in market.expected()],
    )


def _replaced(lines: Iterable[bytes]) -> int:
    """How many heartbeats a newer one of their source follows."""
    events = (orjson.loads(line) for line in lines)
    sources = [event["source"] for event in events if event.get("type") == SOURCE_HEARTBEAT]
    return len(sources) - len(set(sources))


def seen(db: Db) -> Seen:
    """Read the store as it is now. A use leaves a digest, so that it can be cancelled; every other event a row."""
    rows = _FOUND.rows(db)
    (read,) = _READ.one(db) or (0,)
    (events,) = _COUNT_EVENTS.one(db) or (0,)
    (uses,) = _DIGESTS.one(db) or (0,)
    # Of what waits for terms, deliveries are rows as well.
    waiting = sum(USAGE_REPORTED.encode() in bytes(event) for (event,) in _WAITING.rows(db))
    findings = {finding["finding"]: finding for finding in (orjson.loads(row[0]) for row in rows)}
    return Seen(findings, int(read or 0), events, int(uses or 0) // DIGEST_BYTES, waiting)


def lowest_credit(db: Db, count: int) -> list[Row]:
    """The parties of the lowest scores, and their statements (JSON)."""
    return _LOWEST.rows(db, count=count)


def derived_by_runs(db: Db) -> tuple[int, int]:
    """How many derivations OpenLineage's runs told of, and how many runs."""
    derivations, runs = _BY_RUNS.one(db) or (0, 0)
    return derivations, runs


def so_far(db: Db) -> tuple[int, int, int]:
    """Records read, findings that stand, and items that wait to be judged."""
    (read,) = _READ.one(db) or (0,)
    (findings,) = _COUNT_STANDING.one(db) or (0,)
    (queued,) = _COUNT_QUEUE.one(db) or (0,)
    return int(read or 0), findings, queued


def essence(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding without what may differ between runs (contract §4)."""
    return {name: value for name, value in finding.items() if name not in ("revision", "sectors")}


def verdicts(expected_: Expected, seen_: Seen, heard: Heard) -> Iterator[tuple[str, bool]]:
    """Each thing that is proved, in words, and whether it holds."""
    rejected = len(heard.rejected)
    yield (
        f"{many(expected_.sent, 'event was', 'events were')} sent,"
        f" {many(seen_.read, 'record was', 'records were')} read",
        expected_.sent == seen_.read,
    )
    kept = f"{seen_.rows:,} kept as rows, {seen_.uses:,} counted as uses"
    if seen_.waiting:
        kept += f", {seen_.waiting:,} waiting for terms"
    apart = [
        f"{count:,} {words}"
        for count, words in (
            (expected_.duplicates, "sent twice"),
            (expected_.rejected, "wrong"),
            (expected_.replaced, "replaced by a newer heartbeat"),
            (expected_.cancellations, "that cancel a use"),
        )
        if count
    ]
    yield (
        f"each was counted once: {seen_.once:,} ({kept}); {expected_.once:,} were to be, all but {', '.join(apart)}",
        expected_.once == seen_.once,
    )
    reasons = ", ".join(sorted({reason for reason, _ in heard.rejected}))
    yield f"{rejected} rejected ({reasons})", rejected == expected_.rejected
    standing = {id_: essence(seen_.findings[id_]) for id_ in seen_.findings.keys() & expected_.story.keys()}
    is_same = standing == {id_: essence(data) for id_, data in expected_.story.items()}
    stand = many(len(standing), "finding stands", "findings stand")
    yield f"the story: {stand}, equal to those of a replay of the same file", is_same
    rest = (data for id_, data in seen_.findings.items() if id_ not in expected_.story)
    missed, false = held(expected_.market, rest)
    yield (
        f"the market: {len(expected_.market)} were to be found; missed {_some(missed)}, false {_some(false)}",
        not missed and not false,
    )
    came = {id_: essence(data) for id_, data in heard.standing.items()}
    yield (
        f"what came out of Kafka is what the store holds: {many(len(came), 'finding')}",
        came == {id_: essence(data) for id_, data in seen_.findings.items()},
    )


def _some(findings: Sequence[Mapping[str, Any]]) -> str:
    first = "; ".join(" ".join(key_of(finding)) for finding in findings[:MISSED_SHOWN_MAX])
    return f"{len(findings)} ({first})" if findings else "0"


def by_detector(findings: Iterable[Mapping[str, Any]]) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    """Columns and rows of a table: how many findings of each detector and severity."""
    counts = Counter((finding["detector"], finding["severity"]) for finding in findings)
    severities = SEVERITIES[::-1]
    rows: list[list[object]] = []
    for detector in sorted({detector for detector, _ in counts}):
        cells = [counts[detector, severity] for severity in severities]
        rows.append([detector, *(count or "–" for count in cells), sum(cells)])
    total = [sum(count for (_, graded), count in counts.items() if graded == severity) for severity in severities]
    rows.append(["all", *total, counts.total()])
    return ["detector", *severities, "all"], rows


def statement_in_words(statement: Mapping[str, Any], name: str) -> str:
    """A statement of credit as one line: `Example Co.  53 of 100, grade D: 27 points for 6 findings`."""
    parts = []
    for kind in ("finding", "record"):
        counted = [entry["points"] for entry in statement[f"{kind}s"] if entry["points"]]
        if counted:
            parts.append(f"{many(sum(counted), 'point')} for {many(len(counted), kind)}")
    if statement["merits"]:
        parts.append(many(len(statement["merits"]), "merit"))
    why = ", ".join(parts) or "nothing counts against it"
    return f"{name}  {statement['score']} of 100, grade {statement['grade']}: {why}"


def left(db: Db, ends_: Mapping[tuple[str, int], int]) -> str:
    """The backlog of the workers, in words; empty where there is none."""
    next_ = {(topic, number): at for topic, number, at in _POSITIONS.rows(db)}
    unread = sum(max(0, end - next_.get(partition, 0)) for partition, end in ends_.items())
    (queued,) = _COUNT_QUEUE.one(db) or (0,)
    (unsent,) = _COUNT_OUTBOX.one(db) or (0,)
    (clock,) = _CLOCK.one(db) or (None,)
    (due,) = _COUNT_DUE.one(db, clock=clock or 0) or (0,)
    counts = {"records to read": unread, "items to judge": queued, "messages to send": unsent, "deadlines": due}
    return ", ".join(f"{count} {noun}" for noun, count in counts.items() if count)


def ends(bootstrap: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """Where each partition ends now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "circulation-demo", "enable.auto.commit": False})
    offsets: dict[tuple[str, int], int] = {}
    try:
        for topic in topics:
            for number in consumer.list_topics(topic, timeout=READ_SECONDS_MAX).topics[topic].partitions:
                partition = TopicPartition(topic, number)
                offsets[topic, number] = consumer.get_watermark_offsets(partition, timeout=READ_SECONDS_MAX)[1]
    finally:
        consumer.close()
    return offsets
