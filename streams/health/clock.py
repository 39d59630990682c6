"""The clocks: the wall's, held against those of the broker and of the database, and the one that deadlines go by.

A wall clock that is wrong must neither raise what is not due nor forget what is not old. So the time is asked of
several; where they differ by more than the setting, whatever only the clock decides waits, and stamps come from the
others. Between two answers a clock goes on by the monotonic clock: a wall clock that jumps is noticed at once.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException, Producer
from sqlalchemy import func, select

from circulation.events.names import CLOCK, RULES
from streams.settings import Settings
from streams.store import schema
from streams.store.ask import Question
from streams.store.db import Db, wall
from streams.store.errors import StoreAway
from streams.store.store import Store

log = logging.getLogger("circulation")

BROKER: Final = "broker"
DATABASE: Final = "database"
# How often the others are asked, and how long an answer is waited for.
ASK_SECONDS: Final = 10.0
ANSWER_SECONDS_MAX: Final = 5.0
# Before the first answer of all that are to be asked, nothing that only the clock decides happens, for so long at most.
FIRST_SECONDS_MAX: Final = 30.0

_MICROS: Final = 1_000_000


class ClockWrong(Exception):
    """Deadlines and pruning wait: this clock and others differ. The message says by how much."""


class _Answer(NamedTuple):
    instant: int
    heard: float


class Clock:
    """The clock of one process. Called, it answers with the clock that deadlines go by, µs: its own, or the events'.

    Args:
        settings: `clock` says which clock deadlines go by; `clock_skew_seconds` by how much clocks may differ.
        store: where the highest admitted time is.
        expects: the clocks that will be heard of; until then `trusted` is False, for a while.
        own, monotonic: the wall clock (µs) and the monotonic one (s).
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        expects: tuple[str, ...] = (),
        *,
        machine: Callable[[], int] = wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.by_events = settings.clock == "events"
        self._store = store
        self._skew_max = settings.clock_skew_seconds * _MICROS
        self._machine = machine
        self._monotonic = monotonic
        self._begun = monotonic()
        self._awaited = set(expects)
        self._answers: dict[str, _Answer] = {}
        self._unknown: dict[str, str] = {}
        self._lock = threading.Lock()

    def hear(self, name: str, instant: int, heard: float) -> None:
        """Take the time (µs) that another clock had when the monotonic clock was at `heard`."""
        with self._lock:
            self._answers[name] = _Answer(instant, heard)
            self._unknown.pop(name, None)
            self._awaited.discard(name)

    def unknown(self, name: str, why: str) -> None:
        """Say that a clock cannot be asked, and why: it is not waited for any more."""
        with self._lock:
            self._unknown[name] = why
            self._awaited.discard(name)

    def skews(self) -> dict[str, int]:
        """By how much this clock is ahead of each other one that is known, µs."""
        machine_time, at = self._machine(), self._monotonic()
        return {name: machine_time - _now_of(answer, at) for name, answer in self._heard().items()}

    def _heard(self) -> dict[str, _Answer]:
        with self._lock:
            return dict(self._answers)

    @property
    def trusted(self) -> bool:
        """Whether what only the clock decides may happen."""
        with self._lock:
            waits = bool(self._awaited)
        if waits and self._monotonic() - self._begun < FIRST_SECONDS_MAX:
            return False
        return all(abs(skew) <= self._skew_max for skew in self.skews().values())

    def doubts(self) -> list[str]:
        """The problems of the clock, in sentences."""
        doubts = []
        for name, skew in sorted(self.skews().items()):
            if abs(skew) > self._skew_max:
                where = "ahead of" if skew > 0 else "behind"
                doubts.append(f"this machine's clock is {abs(skew) / _MICROS:.0f} s {where} the {name}'s")
        return doubts

    def warnings(self) -> list[str]:
        """The clocks that are not known, in sentences."""
        with self._lock:
            return [f"the {name}'s clock is not known: {why}" for name, why in sorted(self._unknown.items())]

    def unbounded(self) -> str:
        """Why no other clock tells whether this one is right; empty where one does, or where deadlines go by the
        events' clock. What was heard once goes on by the monotonic clock, so it does not cease to."""
        with self._lock:
            if self.by_events or self._answers or self._awaited:
                return ""
            return "; ".join(why for _, why in sorted(self._unknown.items()))

    def now(self) -> int:
        """The time for stamps, µs: this clock's, or, where others differ from it, the middle of all that are known."""
        machine_time, at = self._machine(), self._monotonic()
        heard = [_now_of(answer, at) for answer in self._heard().values()]
        if all(abs(machine_time - instant) <= self._skew_max for instant in heard):
            return machine_time
        return heard[0] if len(heard) == 1 else sorted([machine_time, *heard])[1]

    def earliest(self) -> int:
        """The earliest of all clocks that are known, µs: what is not in the future by it is so by none."""
        machine_time, at = self._machine(), self._monotonic()
        return min([machine_time, *(_now_of(answer, at) for answer in self._heard().values())])

    def __call__(self) -> int:
        return self._highest() if self.by_events else self.now()

    def _highest(self) -> int:
        with self._store.reading() as db:
            return highest(db)


_HIGHEST: Final = Question(select(func.max(schema.progress.c.time_max)).where(schema.progress.c.topic != RULES))


def highest(db: Db) -> int:
    """The highest admitted time, events of `circulation.rules` aside, µs; 0 before any."""
    row = _HIGHEST.one(db)
    return int(row[0]) if row and row[0] is not None else 0


def _now_of(answer: _Answer, monotonic: float) -> int:
    return answer.instant + int((monotonic - answer.heard) * _MICROS)


def ask_database(clock: Clock, store: Store) -> None:
    """Hear PostgreSQL's clock. SQLite has none but this machine's."""
    if not store.postgres:
        return
    with store.reading() as db:
        sent = time.monotonic()
        row = db.one("select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)")
        heard = time.monotonic()
    if row is not None:
        clock.hear(DATABASE, int(row[0]), (sent + heard) / 2)


class Asking:
    """Asks the broker and the database what time it is, every 10 s, in the thread that calls `step`.

    The broker says it when it takes a record of ours into the topic of clocks, which is stamped as it is appended.
    """

    def __init__(self, clock: Clock, store: Store, bootstrap: str, name: str) -> None:
        self._clock = clock
        self._store = store
        self._name = name.encode()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "1",
                "linger.ms": 0,
                "message.timeout.ms": int(ANSWER_SECONDS_MAX * 1000),
                "topic.metadata.propagation.max.ms": 1000,
            },
            logger=log,
        )

    def step(self) -> float:
        """Ask once; answers with the seconds until the next time."""
        self._ask_broker()
        try:
            ask_database(self._clock, self._store)
        except StoreAway as error:
            self._clock.unknown(DATABASE, str(error).splitlines()[0])
        return ASK_SECONDS

    def _ask_broker(self) -> None:
        sent = time.monotonic()

        def answered(error: object, record: object) -> None:
            heard = time.monotonic()
            if error is not None:
                self._clock.unknown(BROKER, f"{CLOCK} does not take a record: {error}")
                return
            kind, instant_ms = record.timestamp()  # type: ignore[attr-defined]
            if kind != TIMESTAMP_LOG_APPEND_TIME:
                self._clock.unknown(BROKER, f"{CLOCK} must have message.timestamp.type=LogAppendTime")
                return
            self._clock.hear(BROKER, instant_ms * 1000, (sent + heard) / 2)

        try:
            self._producer.produce(CLOCK, str(wall()).encode(), key=self._name, on_delivery=answered)
        except (KafkaException, BufferError) as error:
            self._clock.unknown(BROKER, str(error))
            return
        self._producer.flush(ANSWER_SECONDS_MAX + 1)
