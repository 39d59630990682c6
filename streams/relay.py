"""Sends what lies in the outbox, in order, one relay at a time for the whole store.

A message is deleted only after the broker has confirmed it; a crash in between sends it twice, with the same id.
"""

import threading
from typing import Any

import orjson
from confluent_kafka import Producer

from streams.store import Store

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
        self._lock = threading.Lock()

    def _confirmed(self, error: Any, _: Any) -> None:
        if error is not None:
            self._errors.append(str(error))

    def round(self) -> int:
        """Sends one batch; answers with its size. Raises `NotConfirmed`, `StoreAway`."""
        with self._store.reading() as db:
            if db.postgres:
                held = db.one("select pg_try_advisory_lock(?)", RELAY_LOCK)
                if not held or not held[0]:
                    return 0  # another worker relays
            try:
                # Oldest first. Rows of one finding are committed in the order of their numbers (its lock sees to it).
                rows = db.rows("select id, topic, key, headers, value from outbox order by id limit ?", BATCH)
                if not rows:
                    return 0
                self._send(rows)
                db.run("delete from outbox where id = any(?)", [row[0] for row in rows])
                return len(rows)
            finally:
                if db.postgres:
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
