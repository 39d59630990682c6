"""How a partition goes on whose records are gone: where a person says, with a finding and a word in the journal.

A partition whose next record Kafka no longer has is never skipped by itself: what is missing may be what breaks a rule.
A person says from where it goes on (`circulation feed resume`). Position, finding and journal change in one
transaction, so a worker sees either the one or the other, and reads on without a restart.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from circulation.events.names import FEED_RESUMED, JOURNAL
from circulation.findings import finding_id
from detectors import feed_lost
from streams.engine import Engine
from streams.feeds.feeds import STOPPED, Feed, State
from streams.findings.entry import Change, Entry
from streams.store import queue
from streams.store.db import Db
from streams.store.outbox import cloudevent, post

SOURCE: Final = "/circulation/feeds"
EARLIEST: Final = "earliest"


class ResumeRefused(Exception):
    """There is nothing to resume, or not so; the message says why. `wrong_offset`: the offset is the reason."""

    def __init__(self, message: str, *, wrong_offset: bool = False) -> None:
        self.wrong_offset = wrong_offset
        super().__init__(message)


class Kept(NamedTuple):
    """Expired records that an archive had: `records` from `begin` to before `end`, taken in by now."""

    begin: int
    end: int
    records: int


class Resumed(NamedTuple):
    """The result: the partition goes on from `offset` (None: it is closed); the finding, and the changes to it."""

    offset: int | None
    finding: str
    changes: list[Change]


def start_of(feed: Feed, wanted: str) -> int:
    """The offset that `earliest` or a number means. Raises `ResumeRefused` where the partition cannot go on there."""
    if feed.state not in STOPPED:
        where = "nobody has read it yet" if feed.position is None else f"it is read, from offset {feed.position} on"
        raise ResumeRefused(f"{feed.name} has nothing to resume: {where}")
    if feed.state is State.GONE:
        raise ResumeRefused(f"{feed.name} is no more: it can only be closed (--from {EARLIEST})", wrong_offset=True)
    if feed.kafka_id is None or feed.low is None or feed.end is None:
        raise ResumeRefused(f"{feed.name} is not there: make it first (circulation topics create)")
    start = feed.low if wanted == EARLIEST else int(wanted)
    if not feed.low <= start <= feed.end:
        raise ResumeRefused(
            f"{feed.name}: Kafka has the offsets from {feed.low} to its end at {feed.end}, got {start}",
            wrong_offset=True,
        )
    return start


def resume(
    db: Db,
    engine: Engine,
    feed: Feed,
    start: int,
    *,
    by: str,
    login: str,
    note: str,
    at: int,
    kept: Kept | None = None,
    last: tuple[int, int] | None = None,
) -> Resumed:
    """Has a partition go on from `start`, in the open transaction of `db`. `kept` was taken in from an archive before;
    `last` is the record before `start`, if Kafka has one, and when it was written, ms.

    1. The position is moved, and with it the id of the topic, if both are still what `feed` says.
    2. The finding on the loss is revised, or raised where no worker saw it: it says from where to where. Where the
       archive had everything, it is cleared.
    3. The journal is told who did it, and why. `at` is the wall clock, µs.

    Raises:
        ResumeRefused: somebody else moved the position meanwhile.
    """
    assert feed.position is not None and feed.kafka_id is not None  # noqa: S101 `start_of` refuses what is not there
    _lock(db, feed)
    db.run(
        "update progress set next = ?, topic_id = ?, last = ?, written = ? where topic = ? and partition = ?",
        start,
        feed.kafka_id,
        *(last or (None, None)),
        feed.topic,
        feed.partition,
    )
    began = feed.position if kept is None else kept.begin
    lost_from = feed.position if kept is None else kept.end
    # Offsets of another topic, or that will be given again, say nothing of how far the loss reaches.
    known = kept is not None or feed.state is State.EXPIRED or feed.untouched
    lost_to = start - 1 if known else None
    going_on = feed_lost.GoingOn(start, lost_from, lost_to, by)
    finding, changes = _revise(db, engine, feed, began, going_on, at)
    details: dict[str, Any] = {"resumed": start, "topic_id": feed.kafka_id}
    if kept is not None:
        details["kept"] = {"from": kept.begin, "to": kept.end - 1, "records": kept.records}
    _journal(db, feed, began, going_on, details | {"finding": finding, "user": login, "note": note}, at)
    return Resumed(start, finding, changes)


def close(db: Db, engine: Engine, feed: Feed, *, by: str, login: str, note: str, at: int) -> Resumed:
    """Has the store forget a partition that its topic, which was made anew, has no more (`State.GONE`).

    1. Its row goes. What the row held of the store's clock and of what was sent on stays, with another of its topic.
    2. Finding and journal say who closed it, as of one that goes on; nobody can tell the last record that is lost.

    Raises:
        ResumeRefused: somebody else moved or closed it meanwhile, or the store knows no other partition of its topic.
    """
    assert feed.position is not None  # noqa: S101 what is gone had one
    # All rows, in the order in which fetches lock them.
    rows = db.rows(
        "select partition, time_max, sent_on from progress where topic = ? order by partition for update", feed.topic
    )
    _lock(db, feed)
    times = {partition: time_max for partition, time_max, _ in rows}
    sent_on = {partition: count for partition, _, count in rows}
    heir = next((partition for partition in times if partition != feed.partition), None)
    if heir is None:
        raise ResumeRefused(f"{feed.name} is all that was read of its topic: have a worker read the new one first")
    db.run(
        "update progress set time_max = ?, sent_on = ? where topic = ? and partition = ?",
        max((time for time in (times[heir], times[feed.partition]) if time is not None), default=None),
        sent_on[heir] + sent_on[feed.partition],
        feed.topic,
        heir,
    )
    db.run("delete from progress where topic = ? and partition = ?", feed.topic, feed.partition)
    going_on = feed_lost.GoingOn(None, feed.position, -1 if feed.untouched else None, by)
    finding, changes = _revise(db, engine, feed, feed.position, going_on, at)
    details = {"closed": True, "topic_id": feed.kafka_id, "finding": finding, "user": login, "note": note}
    _journal(db, feed, feed.position, going_on, details, at)
    return Resumed(None, finding, changes)


def began_late(db: Db, engine: Engine, topic: str, partition: int, topic_id: str, low: int, at: int) -> list[Change]:
    """Raises the loss of what was gone of a partition, from 0 to before `low`, before anybody read it; answers with
    what changed of the finding. It is read on at once, so nobody resumes it."""
    feed = Feed(topic, partition, 0, topic_id, low, low, topic_id)
    _, changes = _revise(db, engine, feed, 0, feed_lost.GoingOn(low, 0, low - 1, None), at)
    return changes


def _lock(db: Db, feed: Feed) -> None:
    """Locks the row of a partition. Raises `ResumeRefused` where it is no longer what `feed` says."""
    row = db.one(
        "select next, topic_id from progress where topic = ? and partition = ? for update", feed.topic, feed.partition
    )
    if row is None or tuple(row) != (feed.position, feed.topic_id):
        raise ResumeRefused(f"{feed.name} was moved on by somebody else meanwhile: look again")


def _journal(db: Db, feed: Feed, began: int, going_on: feed_lost.GoingOn, details: Mapping[str, Any], at: int) -> None:
    """Tells the journal who had a partition go on or closed it, and what is lost by it."""
    data = {"topic": feed.topic, "partition": feed.partition, "position": began, "by": going_on.by, **details}
    if feed.why:
        data["why"] = feed.why
    if going_on.anything_lost:
        data["from"] = going_on.lost_from
        if going_on.lost_to is not None:
            data["to"] = going_on.lost_to
    id_ = f"{at:016x}-{secrets.token_hex(8)}"
    post(db, [cloudevent(JOURNAL, feed.name, type_=FEED_RESUMED, source=SOURCE, id_=id_, time=at, data=data)])


def _revise(
    db: Db, engine: Engine, feed: Feed, began: int, going_on: feed_lost.GoingOn, at: int
) -> tuple[str, list[Change]]:
    """The finding on the loss, and what changed of it. Where the pack has that detector off there is none."""
    statement = feed_lost.said(feed.topic, feed.partition, began, feed.low, feed.why, at, going_on)
    finding = finding_id(feed_lost.RULE.id, statement.about, statement.cause, statement.apart)
    # A worker that sees the loss at this moment raises it before or after.
    db.lock([finding])
    if not going_on.anything_lost:
        return finding, engine.book.clear(db, finding, at)
    pack = engine.rulebook().in_force(at)
    if pack.setting(feed_lost.RULE.id).mode == "off":
        return finding, []
    before = db.one("select occurred from findings where finding = ?", finding)
    if before is not None:
        statement = msgspec.structs.replace(statement, occurred=before[0])
    thing = queue.lost(feed.topic, feed.partition)
    return finding, engine.book.enter(db, [Entry(thing, engine.rules[feed_lost.RULE.id], pack, statement, at)])
