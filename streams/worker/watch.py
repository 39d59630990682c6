"""Watches, every two seconds, what nobody else would notice."""

import time
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaException

from streams.health.workers import Replaced
from streams.store.errors import StoreAway
from streams.store.store import Store
from streams.wire.broker import Broker
from streams.wire.reader import Reader
from streams.worker.faults import Faults
from streams.worker.gauges import Gauges
from streams.worker.judge import WorkersJudge
from streams.worker.life import Life
from streams.worker.losses import Losses
from streams.worker.membership import Membership
from streams.worker.partitions import PartitionWatch
from streams.worker.sending import Sending

WATCH_SECONDS: Final = 2.0


@dataclass(kw_only=True)
class Watch:
    """The watch of one worker. `at` is when it last came to its end (monotonic, seconds)."""

    store: Store
    reader: Reader
    broker: Broker
    life: Life
    faults: Faults
    judge: WorkersJudge
    sending: Sending
    membership: Membership
    partitions: PartitionWatch
    losses: Losses
    gauges: Gauges
    at: float = field(default_factory=time.monotonic)

    @property
    def silent(self) -> float:
        """Since when it has not come to its end, seconds."""
        return time.monotonic() - self.at

    def step(self) -> float:
        """Looks once; answers with the seconds until the next time."""
        try:
            self._look()
            self.at = time.monotonic()
            if self.membership.member or not self.faults.store_up or "assigning" in self.faults.now():
                self.membership.excuse(self.at)
            return WATCH_SECONDS
        except StoreAway:
            self.membership.excuse(time.monotonic())
            raise
        except Exception as error:
            self.membership.excuse(time.monotonic())
            if isinstance(error, KafkaException):
                self.broker.renew()
                self.reader.broker_up = False
            self.gauges.look()
            raise

    def _look(self) -> None:
        look = self.partitions.look()
        self.judge.restart_if_silent()
        self.partitions.see_grown(look.counts)
        self.membership.look()
        if self.store.replaced():
            self.life.refuse(str(Replaced(self.store.place)))
        self.losses.tell(look)
        self.sending.post_lookups()
        self.store.analyze()
        self.gauges.look()
