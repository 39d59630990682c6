"""Sends what lies in the outbox, in a thread of its own, as soon as something lies there."""

import threading
import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import select

from streams.store import schema
from streams.store.ask import Question
from streams.store.store import Store
from streams.wire import lookups
from streams.wire.relay import BATCH, NotConfirmed, Relay
from streams.worker.life import Life
from streams.worker.registry import Metrics

# Messages that come meanwhile are sent together: each round of sending makes intake and judging wait.
RELAY_SECONDS: Final = 0.02

_ANY_LOOKUP: Final = Question(select(schema.looks.c.look).limit(1))


class Sending:
    """Relays messages. `error` says what Kafka did not confirm, empty where it did."""

    def __init__(self, store: Store, bootstrap: str, life: Life, metrics: Metrics) -> None:
        self.error = ""
        self._store = store
        self._bootstrap = bootstrap
        self._life = life
        self._metrics = metrics
        self._mail = threading.Event()
        self._relay: Relay | None = None

    def wake(self) -> None:
        """Something lies in the outbox now."""
        self._mail.set()

    @property
    def closed(self) -> Mapping[str, str]:
        """The topics that take nothing, and why."""
        return {} if self._relay is None else self._relay.held

    def post_lookups(self) -> None:
        """Sends what people looked at to the journal. There is mostly nothing: then nobody is kept from writing."""
        with self._store.reading() as db:
            if _ANY_LOOKUP.one(db) is None:
                return
        with self._store.writing() as db:
            sent = lookups.journal(db)
        if sent:
            self.wake()

    def run(self) -> None:
        """Sends until the worker is to stop."""
        relay = self._relay = Relay(self._store, self._bootstrap, self._life.stop)

        def step() -> float:
            try:
                begun = time.perf_counter()
                sent = relay.round()
                self.error = ""
            except NotConfirmed as error:
                self.error = str(error)
                raise
            if sent:
                self._metrics.stage.labels("relay").observe(time.perf_counter() - begun)
                return RELAY_SECONDS if sent < BATCH else 0.0
            self._mail.wait(0.1)
            self._mail.clear()
            return 0.0

        self._life.forever(step, "relaying")
