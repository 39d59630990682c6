"""Takes a fetch in: one transaction, with the read positions that it moves on; and record by record where one fails."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from circulation.admission.admission import Admission
from circulation.admission.claims import claim_of
from circulation.admission.reasons import Reason, Rejection
from circulation.admission.records import attributes_of
from circulation.events.event import Event
from circulation.events.names import RULES
from streams.engine import Engine
from streams.feeds.homing import Homing
from streams.health.clock import Clock, ClockWrong
from streams.intake import Arrival, Outcome, Place, Refused
from streams.store.db import Db
from streams.wire.reader import Fetch, Part
from streams.worker.assignment import Assignment, Stale
from streams.worker.meter import Meter
from streams.worker.retry import passing

log = logging.getLogger("circulation")

# Kafka's timestamps are in milliseconds.
MILLISECOND: Final = 1_000


class Taking:
    """Takes in for one worker. `sent_on` is called after a fetch was committed of which something is to be sent."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        clock: Clock,
        assignment: Assignment,
        homing: Homing,
        meter: Meter,
        sent_on: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._clock = clock
        self._assignment = assignment
        self._homing = homing
        self._meter = meter
        self._sent_on = sent_on

    def take(self, fetch: Fetch) -> Outcome:
        """Takes in all of a fetch.

        1. Admit: bytes become arrivals or refusals.
        2. In one transaction: move the positions on, take in, put what is at home elsewhere into the outbox.
        3. Once that is committed: move this worker's positions on, and count.

        Raises:
            Stale: the fetch does not begin where the store is.
            ClockWrong: an event seems to be of the future, and the clock is not known to be right.
        """
        begun = time.perf_counter()
        trusted = self._clock.trusted
        now = self._clock.now() if trusted else self._clock.earliest()
        arrivals: list[Arrival] = []
        refused: list[Refused] = []
        admit, topic = self._admission.admit, fetch.topic
        by_events = self._clock.by_events
        clock = self._clock() if by_events else now
        before = clock
        order = 0
        stamps: list[int] = []
        for partition, part in fetch.parts.items():
            for record in part.records:
                raw = record.value() or b""
                stamp = record.timestamp()[1] * MILLISECOND
                if stamp <= 0:
                    stamp = now
                answer = admit(raw, topic=topic, key=record.key(), headers=record.headers(), now=now)
                if not by_events and isinstance(answer, Event):  # as most are
                    order += 1
                    place = (topic, partition, record.offset())
                    arrivals.append(Arrival(order, now, answer, raw, place, None, stamp))
                    continue
                batch = isinstance(answer, list)
                for index, result in enumerate(answer if isinstance(answer, list) else (answer,)):
                    order += 1
                    if isinstance(result, Rejection):
                        if result.reason == Reason.FROM_THE_FUTURE and not trusted:
                            raise ClockWrong("; ".join(self._clock.doubts()) or "the clock is not known yet")
                        refused.append(Refused(order, result, _place(record), stamp))
                        continue
                    if by_events and result.time > clock and topic != RULES:
                        clock = result.time
                    place = (topic, partition, record.offset())
                    arrivals.append(Arrival(order, clock, result, raw, place, index if batch else None, stamp))
            if part.records:
                stamps.append(part.records[0].timestamp()[1])
        admitted = time.perf_counter()
        taken_at = self._clock.now()
        with self._engine.taking(arrivals) as db:
            self._assignment.fence(db, fetch)
            outcome = self._engine.intake.take(db, arrivals, refused, taken_at, clock=before if by_events else None)
            if by_events:
                _clocked(db, fetch, arrivals, outcome)
            if outcome.away:
                self._homing.send_on(db, self._engine, fetch, outcome, outcome.clock)
        self._assignment.committed(fetch)
        if outcome.away:
            self._homing.committed()
            self._meter.metrics.sent_on.labels(topic).inc(len(outcome.away))
            self._sent_on()
        self._meter.took(fetch, outcome, admitted - begun, time.perf_counter() - admitted, stamps)
        return outcome

    def one_by_one(self, fetch: Fetch) -> None:
        """After a failure that is not the store's: each record by itself; one that fails again is rejected.

        That it is rejected is written as all else is, at its fence: where that fails too, the record is not at fault.
        """
        for partition, part in fetch.parts.items():
            if not part.records:
                self.take(Fetch(fetch.topic, {partition: part}, fetch.generation))
            begin = part.begin
            for record in part.records:
                last = record is part.records[-1]
                single = Part(begin, part.end if last else record.offset() + 1, [record])
                alone = Fetch(fetch.topic, {partition: single}, fetch.generation)
                begin = single.end
                if self._assignment.positions.get((fetch.topic, partition), 0) >= single.end:
                    continue
                try:
                    self.take(alone)
                except Stale:
                    raise
                except Exception as error:
                    if passing(error):
                        raise
                    log.exception("a record failed: %s[%s]@%s", fetch.topic, partition, record.offset())
                    self._reject(alone, record, error)

    def _reject(self, alone: Fetch, record: Any, error: Exception) -> None:
        """Takes in, in place of a record, that it was rejected."""
        detail = f"$: the monitor failed on it ({type(error).__name__}); it is kept for inspection"
        raw = record.value() or b""
        claim = claim_of(raw, attributes_of(record.headers()), alone.topic)
        refusal = Rejection(reason=Reason.INVALID_DATA, detail=detail, record=raw, index=None, claim=claim)
        now = self._clock.now()
        with self._engine.taking([]) as db:
            self._assignment.fence(db, alone)
            self._engine.intake.take(db, [], [Refused(1, refusal, _place(record), now)], now)
        self._assignment.committed(alone)


def _clocked(db: Db, fetch: Fetch, arrivals: list[Arrival], outcome: Outcome) -> None:
    """Keeps the highest admitted time of each partition, where that is the clock."""
    highest: dict[int, int] = {}
    for arrival in arrivals:
        if arrival.order not in outcome.ignored and fetch.topic != RULES:
            partition = arrival.place[1]
            highest[partition] = max(highest.get(partition, arrival.event.time), arrival.event.time)
    for partition, instant in sorted(highest.items()):
        db.run(
            "update progress set time_max = ? where topic = ? and partition = ? and (time_max is null or time_max < ?)",
            instant,
            fetch.topic,
            partition,
            instant,
        )


def _place(record: Any) -> Place:
    return (record.topic(), record.partition(), record.offset())
