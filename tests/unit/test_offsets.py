"""Where partitions begin and end."""

import contextlib
import time
from collections.abc import Sequence

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition as KafkaPartition

from streams.wire.offsets import EARLIEST, LATEST, checked, last_before, offsets, written_anew
from streams.wire.reader import TP

TOPIC = "circulation.contracts"


def led(admin: AdminClient, partitions: Sequence[TP]) -> None:
    """Waits until the partitions of a topic that was just made have leaders."""
    for _ in range(300):
        admin.list_topics(partitions[0][0], timeout=10)
        with contextlib.suppress(KafkaException):
            offsets(admin, partitions, EARLIEST)
            return
        time.sleep(0.1)


def test_ends_are_those_of_kafka(topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": topics})
    partitions = [(TOPIC, 0), (TOPIC, 7)]
    led(admin, partitions)
    assert dict.fromkeys(partitions, 0) == offsets(admin, partitions, EARLIEST)
    assert dict.fromkeys(partitions, 0) == offsets(admin, partitions, LATEST, stable=True)
    assert {} == offsets(admin, [], LATEST)


def test_only_another_record_at_the_offset_that_was_read_tells_of_a_log_that_was_written_anew(topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": topics})
    tp = ("of-producers-times", 0)
    made = NewTopic(tp[0], 1, 1, config={"message.timestamp.type": "CreateTime"})
    admin.create_topics([made])[tp[0]].result()
    led(admin, [tp])
    producer = Producer({"bootstrap.servers": topics})
    now = time.time_ns() // 1_000_000
    # The clock of the first producer is half an hour ahead.
    for written in (now + 1_800_000, now, now + 1):
        producer.produce(tp[0], b"{}", partition=0, timestamp=written)
    assert 0 == producer.flush(30)
    assert [] == written_anew(admin, topics, {})
    assert [] == written_anew(admin, topics, {tp: (0, now + 1_800_000)})
    assert [] == written_anew(admin, topics, {tp: (1, now)})
    assert [] == written_anew(admin, topics, {tp: (2, now + 1)})
    assert [tp] == written_anew(admin, topics, {tp: (1, now - 1)})
    assert [tp] == written_anew(admin, topics, {tp: (2, now)})
    admin.delete_topics([tp[0]])[tp[0]].result()


def test_the_last_record_before_an_offset_is_found_behind_markers_of_transactions(topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": topics})
    led(admin, [tp := (TOPIC, 0), other := (TOPIC, 1)])
    producer = Producer({"bootstrap.servers": topics, "transactional.id": "last-before"})
    producer.init_transactions(30)
    stamps: dict[int, int] = {}
    for number in range(8):
        producer.begin_transaction()
        producer.produce(
            tp[0],
            b"{}",
            partition=0,
            on_delivery=lambda _, record: stamps.__setitem__(record.offset(), record.timestamp()[1]),
        )
        assert 0 == producer.flush(30)
        if number < 2:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    end = 16
    for _ in range(300):  # the last marker comes after who wrote it has been told so
        if offsets(admin, [tp], LATEST, stable=True) == {tp: end}:
            break
        time.sleep(0.1)
    assert {tp: end} == offsets(admin, [tp], LATEST, stable=True)
    found = {at: last_before(admin, topics, {tp: at, other: 0}) for at in range(end + 2)}
    first, second = (0, stamps[0]), (2, stamps[2])
    assert {0: {}, 1: {tp: first}, 2: {tp: first}} == {at: found[at] for at in (0, 1, 2)}
    assert [{tp: second}] * (end - 2) == [found[at] for at in range(3, end + 1)]
    # What is beyond the end, or expired, is not there.
    assert {} == found[end + 1]
    with KafkaAdminClient(bootstrap_servers=topics) as deleting:
        deleting.delete_records({KafkaPartition(*tp): 3})
    assert {} == last_before(admin, topics, {tp: 3})
    assert {} == last_before(admin, topics, {tp: end})


def test_an_offset_that_is_none_is_an_error() -> None:
    assert {(TOPIC, 3): 0} == checked({(TOPIC, 3): 0})
    with pytest.raises(KafkaException) as raised:
        checked({(TOPIC, 2): 7, (TOPIC, 3): OFFSET_INVALID})
    error = raised.value.args[0]
    assert (KafkaError.LEADER_NOT_AVAILABLE, f"{TOPIC}[3] has no leader that tells its offsets") == (
        error.code(),
        error.str(),
    )
