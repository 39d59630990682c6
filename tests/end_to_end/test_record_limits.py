"""Records of every limit, one byte less and one byte more: each ends as the page of limits says."""

import os
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError, Producer
from running import Worker, bytes_around, received, wait_drained

from circulation.admission.records import EVENT_BYTES_MAX
from circulation.examples import party
from streams.limits import RECORD_BYTES_MAX, TOPIC_IN_BYTES_MAX
from streams.topics import PARTIES, REJECTED

KEY = b"corp:limits"
# As long as a sender may make them: they take of what the topic takes.
HEADERS = [("note", os.urandom(32 * 1024).hex())]


def event(size: int) -> bytes:
    """An event of so many bytes."""
    short = orjson.dumps(party(KEY.decode(), "2025-01-01"))
    return short + b" " * (size - len(short))


@pytest.fixture
def producer(topics: str) -> Producer:
    """A sender whose own limit is none, and who does not compress."""
    return Producer({"bootstrap.servers": topics, "message.max.bytes": 100_000_000, "log_level": 0})


def test_a_record_of_each_limit_ends_as_is_said(topics: str, producer: Producer, tmp_path: Path) -> None:
    errors: dict[int, int] = {}
    sent: dict[int, bytes] = {}
    around = bytes_around(TOPIC_IN_BYTES_MAX, KEY, HEADERS)
    limits = (EVENT_BYTES_MAX, RECORD_BYTES_MAX, TOPIC_IN_BYTES_MAX - around)
    sizes = [limit + more for limit in limits for more in (-1, 0, 1)]
    for size in sizes:
        sent[size] = event(size) if size < 2 * EVENT_BYTES_MAX else os.urandom(size)
        headers = [(name, text.encode()) for name, text in HEADERS]

        def landed(error: KafkaError | None, _: object, size: int = size) -> None:
            errors[size] = 0 if error is None else error.code()

        producer.produce(PARTIES, sent[size], key=KEY, headers=headers, on_delivery=landed)
        assert 0 == producer.flush(60)
    *taken, above = sizes
    assert dict.fromkeys(taken, 0) | {above: KafkaError.MSG_SIZE_TOO_LARGE} == errors
    url = f"sqlite:///{tmp_path}/store.db"
    with Worker(topics, url, tmp_path) as worker:
        wait_drained(topics, url, [PARTIES])
        assert 0 == worker.ready()[1]["outbox"]["set_aside"]
    kept = {len(one.value()): one for one in received(topics, REJECTED)}
    assert taken[2:] == sorted(kept)
    assert {b"too-large"} == {dict(one.headers())["reason"] for one in kept.values()}
    assert all(one.value() == sent[size] for size, one in kept.items())


def test_a_record_that_was_compressed_leaves_though_no_topic_takes_it_as_it_is(topics: str, tmp_path: Path) -> None:
    sender = Producer({"bootstrap.servers": topics, "message.max.bytes": 100_000_000, "compression.type": "gzip"})
    value = b" " * (2 * TOPIC_IN_BYTES_MAX)
    sender.produce(PARTIES, value, key=KEY)
    assert 0 == sender.flush(60)
    url = f"sqlite:///{tmp_path}/store.db"
    with Worker(topics, url, tmp_path):
        wait_drained(topics, url, [PARTIES])
    (record,) = received(topics, REJECTED)
    assert value == record.value()
