"""Sends the messages of the outbox, in order, one relay at a time for the whole store.

A message is deleted only after the broker has confirmed it; a crash in between sends it twice, with the same id. One
that the broker refuses for good is set aside (`streams.wire.unsent`), and the others go on: those of the same key too,
for a party must not go unwatched because one message about it is too large. A topic that is not there, or that nobody
lets us write, is held, and tried again later; any other error means that the broker is away, and all wait.
"""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer

from streams import limits
from streams.store.db import Db
from streams.store.store import Store
from streams.wire import unsent
from streams.wire.addresses import Addresses, address

RELAY_LOCK = 7228
BATCH = 1_000
CONFIRM_SECONDS = 15.0
# Messages that a broker has not confirmed within so long after the end began are sent again at the next start.
STOP_CONFIRM_SECONDS = 3.0
FLUSH_SECONDS = 0.5
# A topic that is not there is found out in less time than a message may take, so that it does not stop the others.
TOPIC_MISSING_MS = 5_000
TOPIC_REFRESH_MS = 10_000
HELD_SECONDS = 10.0
# After so many times in vain, with a producer of its own anew.
IN_VAIN_MAX = 3

# This message cannot be sent, however often it is tried.
REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.INVALID_RECORD,
        KafkaError._BAD_MSG,
        KafkaError._INVALID_ARG,
    }
)
# Nothing is wrong with it but what it was sent with.
IN_BAD_COMPANY: Final = frozenset({KafkaError._INVALID_DIFFERENT_RECORD})
# No message of this topic can be sent now.
TOPIC_CLOSED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
# Errors that say nothing of the broker.
OF_ONE: Final = REFUSED | IN_BAD_COMPANY | TOPIC_CLOSED


class NotConfirmed(Exception):
    """The broker did not confirm what was sent; it stays in the outbox."""


class Row(NamedTuple):
    """A message as it lies in the outbox."""

    id: int
    topic: str
    key: bytes | None
    headers: bytes
    value: bytes

    @property
    def line(self) -> object:
        """Its ordering key: messages of one key in one topic stay in order."""
        return self.id if self.key is None else (self.topic, bytes(self.key))


class Relay:
    """Empties the outbox. Used by one thread."""

    def __init__(self, store: Store, bootstrap: str, stop: threading.Event | None = None) -> None:
        """Once `stop` is set, no round waits for the broker longer than `STOP_CONFIRM_SECONDS`."""
        self._store = store
        self._stop = stop or threading.Event()
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            # A partition that was just made may refuse the first request and take the second. The retry of the first
            # then counts as written (DUPLICATE_SEQUENCE_NUMBER) and is nowhere: findings/ has it as a script.
            "max.in.flight.requests.per.connection": 1,
            "compression.type": "zstd",
            "linger.ms": 2,
            "message.max.bytes": limits.UNPACKED_BYTES_MAX,
            "queue.buffering.max.kbytes": limits.QUEUE_KBYTES_MAX,
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(CONFIRM_SECONDS * 1000),
            "topic.metadata.propagation.max.ms": TOPIC_MISSING_MS,
            "topic.metadata.refresh.interval.ms": TOPIC_REFRESH_MS,
            # It would write to standard error itself; what is wrong is in the answers.
            "log_level": 0,
        }
        self._producer = Producer(self._config)
        self._addresses = Addresses(self._producer)
        # How often in a row the broker was away.
        self._in_vain = 0
        # Topics that take nothing: why, and until when nothing is sent there.
        self._held: dict[str, tuple[str, float]] = {}
        # Of PostgreSQL the connection that has the lock of who sends.
        self._holding: Db | None = None

    @property
    def held(self) -> dict[str, str]:
        """The topics that take nothing now, and why."""
        return {topic: why for topic, (why, _) in self._held.copy().items()}

    def round(self) -> int:
        """Sends one batch; answers with how many left or were set aside. Raises `NotConfirmed`, `StoreAway`."""
        with self._store.reading() as db:
            if not self._hold(db):
                return 0  # another worker relays
            rows: list[Row] = []
            try:
                rows = self._batch(db)
                if rows:
                    self._leave(db, rows)
            except BaseException:
                self._let_go(db)
                raise
            if not rows:
                self._let_go(db)
            return len(rows)

    def _batch(self, db: Db) -> list[Row]:
        """The oldest messages, bounded by their number and by their bytes: sizes are asked for before values.

        Rows of one finding are committed in the order of their numbers (its lock sees to it).
        """
        now = time.monotonic()
        held = [topic for topic, (_, until) in self._held.items() if until > now]
        where = " where not (topic = any(?))" if held else ""
        query = f"select id, length(value) + length(headers) from outbox{where} order by id limit ?"  # noqa: S608
        ids: list[int] = []
        left = limits.BATCH_BYTES_MAX
        sizes = db.rows(query, *([held] if held else ()), BATCH)
        for id_, size in sizes:
            left -= size
            if ids and left < 0:
                break
            ids.append(id_)
        query = "select id, topic, key, headers, value from outbox where id = any(?) order by id"
        rows = [Row(*row) for row in db.rows(query, ids)] if ids else []
        if len(ids) == len(sizes) < BATCH:
            # Of these nothing waits any more: another worker sent it, and nobody would ever try them again.
            for topic in self._held.keys() - {*held, *(row.topic for row in rows)}:
                del self._held[topic]
        return rows

    def _leave(self, db: Db, rows: Sequence[Row]) -> None:
        """Sends a batch, and takes out of the outbox what left and what never will.

        1. All are sent together.
        2. A refused message is sent once more, each by itself: it may only have been in bad company.
        3. A confirmed message is deleted, unless something before it in its line has yet to leave: then it leaves once
           more, after that. One refused twice is set aside.
        4. Any other error means that the broker is away: nothing is set aside then.
        """
        partitions = self._addresses.of(db, rows)
        answers = self._send(rows, partitions)
        refused: list[tuple[Row, str]] = []
        sent: list[int] = []
        waiting: set[object] = set()
        away = next((error for error in answers if error is not None and error.code() not in OF_ONE), None)
        for row, answer in zip(rows, answers, strict=True):
            again = answer is not None and len(rows) > 1 and answer.code() in REFUSED | IN_BAD_COMPANY
            if again and away is not None:
                # A broker that is away is not asked for each; nor is anything set aside meanwhile.
                waiting.add(row.line)
                continue
            if again:
                (answer,) = self._send([row], partitions)
            if answer is None:
                self._held.pop(row.topic, None)
                if row.line not in waiting:
                    sent.append(row.id)
                if again:
                    waiting.add(row.line)
            elif answer.code() in REFUSED:
                refused.append((row, str(answer.str())))
            else:
                waiting.add(row.line)
                if answer.code() in TOPIC_CLOSED:
                    self._held[row.topic] = (str(answer.str()), time.monotonic() + HELD_SECONDS)
                else:
                    away = away or answer
        db.run("delete from outbox where id = any(?)", sent)
        if refused:
            unsent.set_aside(self._store, [(row.id, why) for row, why in refused], self._store.clock())
        self._in_vain = 0 if away is None else self._in_vain + 1
        if away is not None:
            if away.fatal() or self._in_vain % IN_VAIN_MAX == 0:
                # Such a producer sends nothing any more; nor does one whose own waiting went by a clock that went back.
                self._producer = Producer(self._config)
                self._addresses = Addresses(self._producer)
            raise NotConfirmed(str(away.str()))

    def _hold(self, db: Db) -> bool:
        """Takes the lock of who sends and keeps it while there is something to send."""
        if not db.postgres or self._holding is db:
            return True
        if not (db.one("select pg_try_advisory_lock(?)", RELAY_LOCK) or (False,))[0]:
            return False
        # A message deleted here that comes back after a crash of the server is sent twice, as after one of ours.
        db.run("set synchronous_commit = off")
        self._holding = db
        return True

    def _let_go(self, db: Db) -> None:
        if self._holding is not None:
            self._holding = None
            with contextlib.suppress(Exception):  # with a lost connection the lock is gone as well
                db.rows("select pg_advisory_unlock(?)", RELAY_LOCK)

    def _send(self, rows: Sequence[Row], partitions: Mapping[str, int]) -> list[KafkaError | None]:
        """Sends messages, and answers for each with the error, or None where the broker has confirmed it."""
        answers: list[KafkaError | None] = [_unanswered()] * len(rows)

        def landed(at: int, error: Any, _: Any) -> None:
            answers[at] = error

        for at, row in enumerate(rows):
            pairs = [(name, text.encode()) for name, text in orjson.loads(row.headers)]
            key = None if row.key is None else bytes(row.key)
            while True:
                try:
                    self._producer.produce(
                        row.topic,
                        bytes(row.value),
                        key=key,
                        partition=address(partitions, row.topic, key),
                        headers=pairs,
                        on_delivery=partial(landed, at),
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException as error:
                    answers[at] = error.args[0]
                    break
        until = time.monotonic() + CONFIRM_SECONDS + 1
        while self._producer.flush(FLUSH_SECONDS):
            now = time.monotonic()
            if self._stop.is_set():
                until = min(until, now + STOP_CONFIRM_SECONDS)
            if now > until:
                self._producer.purge()
                self._producer.flush(1)
                break
        return answers


def _unanswered() -> KafkaError:
    return KafkaError(KafkaError._MSG_TIMED_OUT, "the broker has not confirmed it")
