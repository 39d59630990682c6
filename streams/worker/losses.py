"""Raises what is lost with a partition that is read no more: once, whichever worker sees it and how often."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import select

from detectors import feed_lost
from streams.engine import Engine
from streams.feeds import feeds
from streams.findings.entry import Change, Entry
from streams.health.clock import Clock
from streams.store import queue, schema
from streams.store.ask import Question, any_of
from streams.wire.broker import Broker
from streams.worker.assignment import Assignment
from streams.worker.partitions import Look

log = logging.getLogger("circulation")

_THERE: Final = Question(select(schema.findings.c.finding).where(schema.findings.c.finding == any_of("ids")))


class Losses:
    """The losses that one worker sees. `changed` is told of findings that it raised."""

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        clock: Clock,
        assignment: Assignment,
        changed: Callable[[Iterable[Change]], None],
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._broker = broker
        self._clock = clock
        self._assignment = assignment
        self._changed = changed

    def tell(self, look: Look) -> None:
        """Raises the loss of each partition of the look that is stopped.

        One that can be read after all, since somebody had it go on, is assigned anew.
        """
        if not look.stopped:
            return
        low = self._broker.begins(look.ends)
        ids, counts = self._broker.topics({topic for topic, _ in look.stopped})
        with self._store.reading() as db:
            rows, read = feeds.positions(db), feeds.read_last(db)
        unchanged = {tp: read[tp] for tp in look.ends if tp in read and rows[tp][1] == ids.get(tp[0])}
        anew = self._broker.written_anew(unchanged)
        self._enter(self._losses(look, feeds.feeds(rows, ids, counts, low, look.ends, look.stopped, anew)))

    def _losses(self, look: Look, listed: Iterable[feeds.Feed]) -> list[Entry]:
        now = self._clock.now()
        pack = self._engine.rulebook().in_force(now)
        losses = []
        for feed in listed:
            tp = (feed.topic, feed.partition)
            if feed.position is None and feed.beyond:
                self._assignment.doubt()  # somebody closed it
                continue
            if feed.state not in feeds.STOPPED:
                log.info("%s can be read from the store's position on", feed.name)
                self._assignment.doubt()
                continue
            # A topic that was not there may have been made meanwhile.
            if tp in look.reasons:
                look.reasons[tp] = feed.why
            if feed.position is not None and not feed.untouched and pack.setting(feed_lost.RULE.id).mode != "off":
                statement = feed_lost.said(*tp, feed.position, feed.low, feed.why, now)
                losses.append(Entry(queue.lost(*tp), self._engine.rules[feed_lost.RULE.id], pack, statement, now))
        return losses

    def _enter(self, losses: list[Entry]) -> None:
        ids = [loss.finding for loss in losses]
        with self._store.reading() as db:
            if len(ids) == len(_THERE.rows(db, ids=ids)):
                return
        with self._store.writing() as db:
            db.lock(ids)
            known = {row[0] for row in _THERE.rows(db, ids=ids)}
            changes = self._engine.book.enter(db, [loss for loss in losses if loss.finding not in known])
        self._changed(changes)
