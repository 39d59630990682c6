"""Whether a worker is a member of its group, since when it is none, and which members are no workers of its store."""

import contextlib
import time
from typing import Any, Final

from confluent_kafka import KafkaException

from streams.health.workers import alive, group, identity
from streams.store.store import Store
from streams.wire.broker import Broker

# How often the members of its group are held against the workers of the store.
GROUP_SECONDS: Final = 10.0


class Membership:
    """The group of one worker. `consumer` is the app's, once there is one: it knows whether this is a member.

    `strangers` are the members of the group that are no workers of the store.
    """

    def __init__(self, store: Store, broker: Broker) -> None:
        self.consumer: Any = None
        self.strangers: list[str] = []
        self._store = store
        self._broker = broker
        # When it was last a member of its group, or had a reason beside itself not to be.
        self._member_at = time.monotonic()
        self._asked = float("-inf")
        self._seen: set[str] = set()

    @property
    def member(self) -> bool:
        """Whether it is a member, and partitions do not change hands."""
        return self.consumer is not None and bool(self.consumer.watching)

    @property
    def coordinated(self) -> bool:
        """Whether somebody keeps the membership, as far as there is a consumer."""
        return self.consumer is None or bool(self.consumer.coordinating)

    @property
    def out_seconds(self) -> float:
        """For how long it has been no member, without a reason beside itself."""
        return time.monotonic() - self._member_at

    def excuse(self, at: float) -> None:
        """Takes note that by an instant (monotonic, seconds) it was a member, or store or Kafka kept it from that."""
        self._member_at = at

    def look(self) -> None:
        """Looks for members of its group that are no workers of this store, where it is time."""
        now = time.monotonic()
        if now - self._asked < GROUP_SECONDS:
            return
        self._asked = now
        with self._store.reading() as db:
            name = group(identity(db))
        # Its coordinator may be elsewhere for a moment: that the broker answers is asked for elsewhere.
        with contextlib.suppress(KafkaException):
            described = self._broker.group(name)
            # A worker writes its row before it joins.
            with self._store.reading() as db:
                seen = set(described.strangers(worker.worker for worker in alive(db)))
            # One that is about to end may have taken its row back already.
            self.strangers, self._seen = sorted(seen & self._seen), seen
