"""Whether something answers at all: asked every second for the least that it can say, by a thread of its own.

Calls of a worker to its store and to Kafka wait for them, ten seconds and more where they stand still, and nobody
would be told meanwhile.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from streams.store.store import Store
from streams.wire.broker import Broker
from streams.worker.retry import forever

PULSE_SECONDS: Final = 1.0
# How long Kafka may take to say that it is there.
KAFKA_SECONDS_MAX: Final = 2.0


class Pulse:
    """`ask` raises where there is no answer, and may as well never come back."""

    def __init__(self, ask: Callable[[], object], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._answered = monotonic()

    def step(self) -> float:
        """Ask once; answers with the seconds until the next time."""
        self._ask()
        self._answered = self._monotonic()
        return PULSE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Ask until it is to stop. Nobody is told of what is raised: the time since the last answer says it."""
        forever(self.step, stop, lambda error: None)

    @property
    def silent(self) -> float:
        """Since when there was no answer, seconds."""
        return self._monotonic() - self._answered


def pulse_of_store(store: Store) -> Pulse:
    """Whether a store answers."""

    def ask() -> None:
        with store.reading() as db:
            db.one("select 1")

    return Pulse(ask)


def pulse_of_kafka(broker: Broker) -> Pulse:
    """Whether Kafka answers."""
    return Pulse(lambda: broker.answers(KAFKA_SECONDS_MAX))
