"""The Faust transport that hands over whole fetches, and goes on where the store says.

Faust keeps membership, assignment, agents, timers and life cycle; librdkafka reads (`streams.reader`). Faust's cost is
per message that it hands over, so a message is everything of one topic that one poll brought; the next is asked for
when the last has been acknowledged, which makes batches as large as the load wants them.

Four private names of Faust and of its aiokafka driver are used here and nowhere else: `_to_message`,
`_unacked_messages`, `_thread`, `_add_gap`. `tests/unit/test_fetches.py` holds them.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

from aiokafka.structs import TopicPartition
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.reader import Fetch

# How often one looks whether the last fetch has been acknowledged; Faust has no call for that.
LOOK_SECONDS = 0.002


class Record(NamedTuple):
    """What Faust reads off a Kafka record; `value` is a whole fetch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    headers: Any
    key: Any
    value: Fetch
    checksum: Any
    serialized_key_size: int
    serialized_value_size: int


class Consumer(driver.Consumer):
    """Hands over one message a fetch and topic."""

    _telling = False

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A message bears the offset that its fetch begins at: between two of them are records, and no gap."""

    @property
    def _worker(self) -> Any:
        return cast(Any, self.app).worker

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Waits for the last fetch to be acknowledged, then hands over the next."""
        while self._unacked_messages and not self.should_stop:
            await asyncio.sleep(LOOK_SECONDS)
        if not self.flow_active:
            await self.wait(cast(Any, self.can_resume_flow))
            await self.perform_seek()
            return
        for fetch in await self._worker.pull():
            if self.should_stop or not self.flow_active:
                return  # the chain is broken here; the next assignment begins at the store's positions
            partition = next(iter(fetch.parts))
            tp = TP(fetch.topic, partition)
            record = Record(fetch.topic, partition, fetch.parts[partition].begin, 0, 0, (), None, fetch, None, 0, 0)
            yield tp, self._to_message(tp, record)

    async def seek_to_committed(self) -> dict[TP, int]:
        """Assigns the reader anew, from the store's positions; Faust's own fetcher stays paused."""
        assigned = {(tp.topic, tp.partition) for tp in self.assignment()}
        if assigned:
            own = self._thread._ensure_consumer()
            own.pause(*(TopicPartition(topic, partition) for topic, partition in assigned))
        positions = await self._worker.assigned(assigned)
        return {TP(topic, partition): offset for (topic, partition), offset in positions.items()}

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Tells Kafka how far the store is, for people who look at lag; nothing depends on it.

        Never while partitions change hands: Kafka refuses that, the driver then forgets that it is joining the group
        and joins once more, and the group would wait for a member that is nobody.
        """
        positions = self._worker.positions()
        if positions and not self.app.rebalancing and not self._telling:
            self._telling = True
            try:
                await self._thread.commit({TP(*tp): at for tp, at in positions.items()})
            except Exception as error:  # a rebalance or a broker that is away: the next commit says it again
                self.log.debug("committed offsets are not told to Kafka: %r", error)
            finally:
                self._telling = False
        return True


class Transport(driver.Transport):
    """`fetches://host:port`, an entry point of the group `faust.transports`."""

    Consumer = Consumer


class Fetches(Schema[Any, Any]):
    """Hands the fetch to the agent as it is."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A fetch has no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Fetch:
        """The fetch itself."""
        fetch: Fetch = message.value
        return fetch
