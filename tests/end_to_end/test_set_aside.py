"""What Kafka refuses is set aside and told of; the others go on, in their order."""

import os

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from running import bytes_around, received, wait

from circulation.events.names import FINDINGS, REJECTED
from streams import limits
from streams.limits import TOPIC_OUT_BYTES_MAX
from streams.store.outbox import Message, post
from streams.wire import relay, unsent
from streams.wire.relay import Relay


def put(store, *messages):
    with store.writing() as db:
        post(db, [Message(topic, key.encode(), (), value) for topic, key, value in messages])


def left(store):
    with store.reading() as db:
        return [bytes(row[0]) for row in db.rows("select value from outbox order by id")]


def aside(store):
    with store.reading() as db:
        return [(one.topic, one.key_shown, one.size) for one in unsent.messages(db)]


def sent(bootstrap, topic=FINDINGS, key=None):
    return [one.value() for one in received(bootstrap, topic) if key is None or one.key() == key.encode()]


def test_what_lies_around_a_message_that_is_too_large_leaves_once_and_in_order(topics, store):
    large = os.urandom(TOPIC_OUT_BYTES_MAX + 1)
    put(store, (FINDINGS, "a", b"1"), (FINDINGS, "a", large), (FINDINGS, "a", b"2"), (FINDINGS, "b", b"3"))
    relay = Relay(store, topics)
    while relay.round():
        pass
    put(store, (FINDINGS, "a", b"4"))
    assert [1, 0] == [relay.round(), relay.round()]
    assert [] == left(store)
    assert [(FINDINGS, "a", len(large))] == aside(store)
    assert ([b"1", b"2", b"4"], [b"3"]) == (sent(topics, key="a"), sent(topics, key="b"))


def test_a_broker_that_refuses_some_of_a_batch_gets_the_others(topics, store):
    """Its topic has a limit of its own, so that it is the broker who refuses, and not the producer."""
    topic = f"narrow-{store.postgres}"
    admin = AdminClient({"bootstrap.servers": topics})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "2000"})]).values():
        future.result()
    small, large = os.urandom(100), os.urandom(3_000)
    put(store, *((topic, f"k{at % 7}", large if at % 5 == 0 else small + bytes([at])) for at in range(30)))
    relay = Relay(store, topics)

    def emptied():
        while relay.round():
            pass
        return not left(store)

    wait("all but the large ones leave", emptied)
    assert [(topic, f"k{at % 7}", 3_000) for at in range(0, 30, 5)] == aside(store)
    for key in range(7):
        told = [at for at in range(30) if at % 7 == key and at % 5]
        assert told == list(dict.fromkeys(value[-1] for value in sent(topics, topic, f"k{key}")))


def test_a_topic_that_is_not_there_holds_its_own_messages_only(topics, store):
    put(store, ("circulation.nowhere", "a", b"1"), (FINDINGS, "a", b"2"), ("circulation.nowhere", "a", b"3"))
    relay = Relay(store, topics)
    relay.round()
    assert ["circulation.nowhere"] == list(relay.held)
    assert ([b"1", b"3"], [b"2"], []) == (left(store), sent(topics), aside(store))
    put(store, (FINDINGS, "a", b"4"))
    relay.round()
    assert [b"2", b"4"] == sent(topics)


def test_a_topic_for_which_nothing_waits_any_more_is_not_said_to_take_nothing(topics, store, monkeypatch):
    monkeypatch.setattr(relay, "HELD_SECONDS", 0.0)
    put(store, ("circulation.nowhere", "a", b"1"))
    one = Relay(store, topics)
    for _ in range(2):
        one.round()
        assert ["circulation.nowhere"] == list(one.held)
    with store.writing() as db:  # as another worker leaves it once the topic is there
        db.run("delete from outbox")
    one.round()
    assert [] == list(one.held)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_batch_is_bounded_by_its_bytes(topics, store, monkeypatch):
    monkeypatch.setattr(limits, "BATCH_BYTES_MAX", 1_000)
    put(store, *((FINDINGS, "a", bytes([at]) * size) for at, size in enumerate((400, 400, 400, 2_000, 10))))
    relay = Relay(store, topics)
    assert [2, 1, 1, 1, 0] == [relay.round() for _ in range(5)]
    assert [400, 400, 400, 2_000, 10] == [len(one) for one in sent(topics)]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_message_of_the_largest_size_leaves_and_one_byte_more_is_set_aside(topics, store, more):
    headers = (("reason", "too-large"),)
    value = os.urandom(TOPIC_OUT_BYTES_MAX - bytes_around(TOPIC_OUT_BYTES_MAX, b"k", headers) + more)
    with store.writing() as db:
        post(db, [Message(REJECTED, b"k", headers, value)])
    relay = Relay(store, topics)
    assert 1 == relay.round()
    assert [] == left(store)
    assert (
        ([], [(REJECTED, "k", len(value))]) == (sent(topics, REJECTED), aside(store))
        if more == 1
        else (
            [value],
            [],
        )
        == (sent(topics, REJECTED), aside(store))
    )
