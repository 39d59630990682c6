"""The private names of Faust and of its driver that the transport uses are there, and mean what they meant."""

import asyncio
import inspect
from typing import Any

import faust
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.fetches import Consumer, Record, Transport
from streams.reader import Fetch, Part


async def nothing(*_: Any) -> None:
    """What the consumer would call; no test gets so far."""


def a_consumer() -> Consumer:
    app = faust.App("private-names", broker="fetches://127.0.0.1:1", web_enabled=False)
    transport = app.transport
    assert isinstance(transport, Transport)
    made = transport.create_consumer(callback=nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    assert isinstance(made, Consumer)
    return made


def test_the_address_of_a_broker_finds_the_transport() -> None:
    assert isinstance(a_consumer(), driver.Consumer)


def test_a_fetch_becomes_a_message_of_its_own_that_is_not_acknowledged_yet() -> None:
    fetch = Fetch("circulation.contracts", {3: Part(7, 9, [])}, 1)
    tp = TP("circulation.contracts", 3)
    consumer = a_consumer()
    message = consumer._to_message(tp, Record(tp.topic, 3, 7, 0, 0, (), None, fetch, None, 0, 0))
    assert (fetch, 7, False) == (message.value, message.offset, message.acked)
    consumer.track_message(message)
    assert [message] == list(consumer._unacked_messages)


def test_what_lies_between_two_fetches_is_no_gap() -> None:
    consumer = a_consumer()
    tp = TP("circulation.contracts", 3)
    asyncio.run(consumer._add_gap(tp, 1, 1_000))
    assert not consumer._gap[tp]


def test_the_driver_has_what_is_overridden_or_called() -> None:
    for name in ("_add_gap", "getmany", "seek_to_committed", "commit", "track_message"):
        assert callable(getattr(driver.Consumer, name)), name
    assert list(inspect.signature(base.ThreadDelegateConsumer.getmany).parameters) == ["self", "timeout"]
    assert hasattr(driver.AIOKafkaConsumerThread, "_ensure_consumer")
