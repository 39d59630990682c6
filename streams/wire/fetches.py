"""The Faust transport that hands over whole fetches, and goes on where the store says.

Faust keeps membership, assignment, agents, timers and life cycle; librdkafka reads (`streams.wire.reader`). Faust's
cost is per message that it hands over, so a message is everything of one topic that one poll brought; the next is asked
for when the last has been acknowledged, which makes batches as large as the load wants them.

aiokafka leaves the group when its consumer is not polled for `broker_max_poll_interval`, and nothing here polls it:
each answer of librdkafka counts as a poll instead. So a reader that hangs still loses its partitions.

Private names of Faust, of its aiokafka driver and of aiokafka are used here and nowhere else, and
`tests/unit/test_fetches.py` holds them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, cast

from aiokafka.structs import TopicPartition
from faust.assignor import PartitionAssignor
from faust.assignor.client_assignment import ClientMetadata
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.wire.reader import Fetch

log = logging.getLogger("circulation")

# How often to look whether the last fetch has been acknowledged; Faust has no call for that.
LOOK_SECONDS = 0.002
# How often to say that this worker is alive while the group changes hands.
RESUME_LOOK_SECONDS = 1.0
# A flow that stays stopped for half of the poll interval is stuck: no more polls are counted, until aiokafka has left
# the group; then it may join again. In poll intervals.
REJOIN_PATIENCE = 0.5
REJOIN_CYCLE = 2.5
# A failed request of the group is retried after so long.
JOIN_AGAIN_SECONDS = 2.0
# So long Kafka is told how far the store is; the next time is two seconds later (`broker_commit_interval`).
COMMIT_SECONDS_MAX = 1.0
# So long the end waits for a broker to answer that this worker leaves the group; then its connections are cut, again
# and again as aiokafka makes them anew, for so long.
LEAVE_SECONDS_MAX = 5.0
CUT_SECONDS = 0.1
CUT_SECONDS_MAX = 3.0


class Record(NamedTuple):
    """The attributes of a Kafka record that Faust reads; `value` is a whole fetch."""

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


class Assignor(PartitionAssignor):
    """Gives partitions to members, where they were as far as that can be.

    Faust's own fails, at each try, where a topic was made anew with fewer partitions than its members had of it.
    """

    def _perform_assignment(self, cluster: Any, member_metadata: Any) -> Any:
        remaining = {member: _without_gone(metadata, cluster) for member, metadata in member_metadata.items()}
        return super()._perform_assignment(cluster, remaining)


def _without_gone(metadata: Any, cluster: Any) -> Any:
    """The metadata of a member, without its former partitions that are gone."""
    client: Any = ClientMetadata.loads(metadata.user_data)
    for had in (client.assignment.actives, client.assignment.standbys):
        for topic in had:
            existing = cluster.partitions_for_topic(topic) or ()
            had[topic] = [partition for partition in had[topic] if partition in existing]
    return type(metadata)(metadata.version, metadata.subscription, client.dumps())


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Keeps the membership of the group, in a thread of its own."""

    async def on_start(self) -> None:
        """Start aiokafka's consumer, such that it survives to leave its group.

        Where it leaves the group (it was not polled for long) just as others rebalance, aiokafka cancels its heartbeat
        while that waits for the answer: the cancellation ends the coordination as well, nobody is told, and the
        consumer never joins again. Leaving is done to its end instead.

        What aiokafka cannot mend by itself it keeps for who polls it next, and does nothing until then. Nobody polls it
        here: it is logged, and the group is joined again after a while.
        """
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        leave = coordinator._maybe_leave_group

        async def leave_to_the_end() -> None:
            leaving = asyncio.ensure_future(leave())
            while not leaving.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(leaving)

        coordinator._maybe_leave_group = leave_to_the_end

        async def join_again(error: Exception) -> None:
            log.warning("the group is joined again in %.0f s: %r", JOIN_AGAIN_SECONDS, error)
            coordinator.request_rejoin()
            await asyncio.wait([coordinator._closing], timeout=JOIN_AGAIN_SECONDS)

        coordinator._push_error_to_user = join_again

    async def on_thread_stop(self) -> None:
        """Leave the group, and wait no longer than `LEAVE_SECONDS_MAX` for a broker that stands still.

        Each request of aiokafka waits for its answer as long as `broker_request_timeout`, a minute and a half, and
        leaving makes several. Of a connection that is cut all that waits fails at once. The group forgets who did not
        leave it after `broker_session_timeout`.
        """
        leaving = asyncio.ensure_future(super().on_thread_stop())
        await asyncio.wait({leaving}, timeout=LEAVE_SECONDS_MAX)
        cut_until = time.monotonic() + CUT_SECONDS_MAX
        while not leaving.done() and time.monotonic() < cut_until and self._consumer is not None:
            for connection in [*self._consumer._client._conns.values()]:
                connection.close()
            await asyncio.wait({leaving}, timeout=CUT_SECONDS)
        if not leaving.done():
            leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Tell Kafka how far the store is, and give up after `COMMIT_SECONDS_MAX`.

        aiokafka tries again and again, ten times a second, where a partition is no more: its topic was made anew with
        fewer. It would do so for good, and this thread would join the group no more meanwhile.
        """
        try:
            return await asyncio.wait_for(super()._commit(offsets), COMMIT_SECONDS_MAX)
        except TimeoutError:
            return False

    @property
    def coordinating(self) -> bool:
        """Whether aiokafka still keeps the membership: where it does not, only a restart helps."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        return coordinator is None or not coordinator._coordination_task.done()

    @property
    def member(self) -> bool:
        """Whether the group knows this consumer, and nobody is about to join it again."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        return coordinator is not None and coordinator.generation > 0 and not coordinator._rejoin_needed_fut.done()


class Consumer(driver.Consumer):
    """Hands over one message a fetch and topic."""

    _telling = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._handed: list[Any] = []
        self._watched = False
        if (worker := getattr(self.app, "worker", None)) is not None:
            worker.membership.consumer = self

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A message bears the offset that its fetch begins at: between two of them are records, and no gap."""

    async def verify_all_partitions_active(self) -> None:
        """Say nothing: Faust would complain that aiokafka fetches nothing, and `/ready` tells of what stalls."""

    @property
    def _worker(self) -> Any:
        return cast(Any, self.app).worker

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def coordinating(self) -> bool:
        """Whether somebody still keeps the membership of the group."""
        return cast(ConsumerThread, self._thread).coordinating

    @property
    def watching(self) -> bool:
        """Whether this worker is a member of its group, and its partitions do not change hands."""
        thread = cast(ConsumerThread, self._thread)
        return bool(self._watched and self.flow_active and not self.app.rebalancing and thread.member)

    def _polled(self) -> None:
        """Count a poll for aiokafka's poll interval."""
        consumer = self._thread._consumer if self._thread is not None else None
        if consumer is not None:
            with consumer._subscription.fetch_context():
                pass

    def _taken(self) -> bool:
        """Whether nothing of this assignment is still to be acknowledged.

        A fetch handed over before a rebalance may never be: Faust drops what lies in its queues then.
        """
        generation = self._worker.reader.generation
        self._handed = [
            message for message in self._handed if not message.acked and message.value.generation == generation
        ]
        return not self._handed

    async def _resumed(self) -> None:
        """Wait while partitions change hands."""
        interval = self.app.conf.broker_max_poll_interval
        stopped = time.monotonic()
        while not self.flow_active and not self.should_stop:
            if (time.monotonic() - stopped) % (interval * REJOIN_CYCLE) < interval * REJOIN_PATIENCE:
                self._polled()
            await self.wait(cast(Any, self.can_resume_flow), timeout=min(RESUME_LOOK_SECONDS, interval / 10))

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Wait for the last fetch to be acknowledged, then hand over the next.

        1. Wait until what was handed over is acknowledged, or its assignment has ended.
        2. While partitions change hands, wait for that to end.
        3. Assign the reader to what this worker has now, where that is something else.
        4. Pull: everything that is there, one fetch a topic.
        """
        while self.flow_active and not self.should_stop and not self._taken():
            await asyncio.sleep(LOOK_SECONDS)
        if not self.flow_active:
            self._watched = False
            await self._resumed()
            if self.should_stop:
                return
            await self.perform_seek()
        elif self._assigned() != self._worker.assignment.requested:
            await self.perform_seek()
        self._watched = True
        fetches = await self._worker.pull()
        self._polled()
        for fetch in fetches:
            if self.should_stop or not self.flow_active:
                return  # the chain is broken here; the next assignment begins at the store's positions
            partition = next(iter(fetch.parts))
            tp = TP(fetch.topic, partition)
            record = Record(fetch.topic, partition, fetch.parts[partition].begin, 0, 0, (), None, fetch, None, 0, 0)
            message = self._to_message(tp, record)
            self._handed.append(message)
            yield tp, message

    def _assigned(self) -> set[tuple[str, int]]:
        return {(tp.topic, tp.partition) for tp in self.assignment()}

    async def seek_to_committed(self) -> dict[TP, int]:
        """Assigns the reader anew, from the store's positions; Faust's own fetcher stays paused."""
        assigned = self._assigned()
        if assigned:
            consumer = self._thread._ensure_consumer()
            consumer.pause(*(TopicPartition(topic, partition) for topic, partition in assigned))
        positions = await self._worker.assigned(assigned)
        return {TP(topic, partition): offset for (topic, partition), offset in positions.items()}

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Tells Kafka how far the store is, for people who look at lag; nothing depends on it.

        Never while partitions change hands: Kafka refuses that, the driver then forgets that it is joining the group
        and joins once more, and the group would wait for a member that is nobody.
        """
        positions = self._worker.positions()
        if positions and self.watching and not self._telling:
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
