"""Sends what lies in the outbox, in order, one relay at a time for the whole store.

A message is deleted only after the broker has confirmed it; a crash in between sends it twice, with the same id.
"""

import contextlib
from typing import Any

import orjson
from confluent_kafka import Producer

from streams.store import Db, Store

RELAY_LOCK = 7228
BATCH = 1_000
CONFIRM_SECONDS = 15.0


class NotConfirmed(Exception):
    """The broker did not confirm what was sent; it stays in the outbox."""


class Relay:
    """Empties the outbox. Used by one thread."""

    def __init__(self, store: Store, bootstrap: str) -> None:
        self._store = store
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": 2,
                "message.max.bytes": 16 * 1024 * 1024,
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(CONFIRM_SECONDS * 1000),
            }
        )
        self._errors: list[str] = []
        # Of PostgreSQL the connection that has the lock of who sends.
        self._holding: Db | None = None

    def _confirmed(self, error: Any, _: Any) -> None:
        if error is not None:
            self._errors.append(str(error))

    def round(self) -> int:
        """Sends one batch; answers with its size. Raises `NotConfirmed`, `StoreAway`."""
        with self._store.reading() as db:
            if not self._hold(db):
                return 0  # another worker relays
            rows: list[tuple[Any, ...]] = []
            try:
                # Oldest first. Rows of one finding are committed in the order of their numbers (its lock sees to it).
                rows = db.rows("select id, topic, key, headers, value from outbox order by id limit ?", BATCH)
                if rows:
                    self._send(rows)
                    db.run("delete from outbox where id = any(?)", [row[0] for row in rows])
            except BaseException:
                self._let_go(db)
                raise
            if not rows:
                self._let_go(db)
            return len(rows)

    def _hold(self, db: Db) -> bool:
        """Takes the lock of who sends and keeps it while there is something to send."""
        if not db.postgres or self._holding is db:
            return True
        if not (db.one("select pg_try_advisory_lock(?)", RELAY_LOCK) or (False,))[0]:
            return False
        # What is deleted here and comes back after a crash of the server is sent twice, as after one of ours.
        db.run("set synchronous_commit = off")
        self._holding = db
        return True

    def _let_go(self, db: Db) -> None:
        if self._holding is not None:
            self._holding = None
            with contextlib.suppress(Exception):  # with a lost connection the lock is gone as well
                db.rows("select pg_advisory_unlock(?)", RELAY_LOCK)

    def _send(self, rows: list[tuple[Any, ...]]) -> None:
        self._errors = []
        for _, topic, key, headers, value in rows:
            pairs = [(name, text.encode()) for name, text in orjson.loads(headers)]
            raw_key = None if key is None else bytes(key)
            while True:
                try:
                    self._producer.produce(topic, bytes(value), key=raw_key, headers=pairs, on_delivery=self._confirmed)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        left = self._producer.flush(CONFIRM_SECONDS + 1)
        if left or self._errors:
            self._producer.purge()
            self._producer.flush(1)
            raise NotConfirmed(self._errors[0] if self._errors else f"{left} messages were not confirmed")
