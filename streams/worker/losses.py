"""Raises what is lost with a partition that is read no more: once, whichever worker sees it and how often."""

import logging
from collections.abc import Callable, Iterable

from detectors import feed_lost
from streams.engine import Engine
from streams.feeds import feeds
from streams.findings.book import Change, Entry
from streams.health.clock import Clock
from streams.store import queue
from streams.wire.broker import Broker
from streams.worker.assignment import Assignment
from streams.worker.partitions import Look

log = logging.getLogger("circulation")


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
        same = {tp: read[tp] for tp in look.ends if tp in read and rows[tp][1] == ids.get(tp[0])}
        anew = self._broker.written_anew(same)
        self._enter(self._losses(look, feeds.feeds(rows, ids, counts, low, look.ends, look.stopped, anew)))

    def _losses(self, look: Look, found: Iterable[feeds.Feed]) -> list[Entry]:
        now = self._clock.now()
        pack = self._engine.rulebook().in_force(now)
        losses = []
        for one in found:
            tp = (one.topic, one.partition)
            if one.position is None and one.beyond:
                self._assignment.doubt()  # somebody closed it
                continue
            if one.state not in feeds.STOPPED:
                log.info("%s can be read from the store's position on", one.name)
                self._assignment.doubt()
                continue
            # A topic that was not there may have been made meanwhile.
            if tp in look.reasons:
                look.reasons[tp] = one.why
            if one.position is not None and not one.untouched and pack.setting(feed_lost.RULE.id).mode != "off":
                said = feed_lost.said(*tp, one.position, one.low, one.why, now)
                losses.append(Entry(queue.lost(*tp), self._engine.rules[feed_lost.RULE.id], pack, said, now))
        return losses

    def _enter(self, losses: list[Entry]) -> None:
        query = "select finding from findings where finding = any(?)"
        ids = [one.finding for one in losses]
        with self._store.reading() as db:
            if len(ids) == len(db.rows(query, ids)):
                return
        with self._store.writing() as db:
            db.lock(ids)
            known = {row[0] for row in db.rows(query, ids)}
            changes = self._engine.book.enter(db, [one for one in losses if one.finding not in known])
        self._changed(changes)
