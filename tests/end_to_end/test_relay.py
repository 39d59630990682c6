"""Who sends what lies in the outbox: one at a time for the whole store, and not one who cannot."""

import contextlib
import time

import pytest
from confluent_kafka import Producer
from running import received

from circulation.events.names import FINDINGS
from streams.store.outbox import Message, post
from streams.store.store import Store
from streams.wire import relay, unsent
from streams.wire.relay import IN_VAIN_MAX, NotConfirmed, Relay

# Nobody listens there.
NOWHERE = "127.0.0.1:1"
DAY_MS = 86_400_000


@pytest.fixture
def stores(store):
    """Two stores of one database, each with connections of its own."""
    other = Store(store._url.render_as_string(hide_password=False))
    yield store, other
    other.close()


def put(store, *names):
    with store.writing() as db:
        post(db, [Message(FINDINGS, name.encode(), (), name.encode()) for name in names])


def left(store):
    with store.reading() as db:
        return [bytes(row[0]).decode() for row in db.rows("select value from outbox order by id")]


def sent(bootstrap):
    return sorted(record.value().decode() for record in received(bootstrap, FINDINGS))


def test_what_was_confirmed_is_gone_and_was_sent_once(topics, store):
    put(store, "a", "b")
    sender = Relay(store, topics)
    assert [2, 0] == [sender.round(), sender.round()]
    assert [] == left(store)
    assert ["a", "b"] == sent(topics)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_another_relay_sends_when_the_first_has_nothing_more(topics, stores):
    one, two = (Relay(store, topics) for store in stores)
    put(stores[0], "a")
    assert 1 == one.round()
    put(stores[1], "b")
    assert 0 == two.round()  # the first one is at it
    assert ["b"] == left(stores[1])
    assert [1, 0] == [one.round(), one.round()]
    put(stores[0], "c")
    assert 1 == two.round()
    assert 0 == one.round()
    assert ["a", "b", "c"] == sent(topics)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_who_cannot_send_makes_way_and_loses_nothing(topics, stores, monkeypatch):
    monkeypatch.setattr(relay, "CONFIRM_SECONDS", 1.0)
    put(stores[0], "a", "b")
    with pytest.raises(NotConfirmed):
        Relay(stores[0], NOWHERE).round()
    assert ["a", "b"] == left(stores[0])
    assert 2 == Relay(stores[1], topics).round()
    assert ["a", "b"] == sent(topics)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_the_lock_goes_with_the_connection(topics, stores):
    one, two = (Relay(store, topics) for store in stores)
    put(stores[0], "a")
    assert 1 == one.round()
    stores[0].close()  # as when the server drops it
    put(stores[1], "b")
    assert [1, 0] == [two.round(), two.round()]
    put(stores[1], "c")
    assert 1 == one.round()
    assert ["a", "b", "c"] == sent(topics)


class Ahead(Producer):
    """A producer of a machine whose clock may be days ahead: a broker takes no record that is an hour from its time."""

    is_ahead = False

    def produce(self, *given, **named):
        stamp = {"timestamp": time.time_ns() // 1_000_000 + 10 * DAY_MS} if Ahead.is_ahead else {}
        super().produce(*given, **named, **stamp)


@pytest.fixture
def ahead(monkeypatch):
    """Puts the clock of relays ahead, and back."""
    monkeypatch.setattr(relay, "Producer", Ahead)
    monkeypatch.setattr(Ahead, "is_ahead", False)

    @contextlib.contextmanager
    def put_ahead():
        Ahead.is_ahead = True
        yield
        Ahead.is_ahead = False

    return put_ahead


def rounds_in_vain(sender, count):
    """As many rounds that the broker refuses; answers with the producer that each left."""
    left_ = []
    for _ in range(count):
        with pytest.raises(NotConfirmed, match="timestamp"):
            sender.round()
        left_.append(sender._producer)
    return left_


def test_a_broker_that_takes_no_record_of_this_time_has_them_wait(topics, store, ahead):
    """Of the clocks one is wrong, and the records are not: none is set aside, and all leave when it is right."""
    put(store, "a", "b")
    sender = Relay(store, topics)
    with ahead():
        rounds_in_vain(sender, 1)
        with store.reading() as db:
            assert [] == unsent.messages(db)
        assert ["a", "b"] == left(store)
        assert {} == sender.held
    assert 2 == sender.round()
    assert ["a", "b"] == sent(topics)


def test_after_so_many_rounds_in_vain_in_a_row_it_sends_with_a_new_producer(topics, store, ahead):
    put(store, "a")
    sender = Relay(store, topics)
    first = sender._producer
    with ahead():
        assert [first] * (IN_VAIN_MAX - 1) == rounds_in_vain(sender, IN_VAIN_MAX - 1)
    # One that was not in vain has it begin to count again.
    assert 1 == sender.round()
    put(store, "b")
    with ahead():
        *before, second = rounds_in_vain(sender, IN_VAIN_MAX)
        assert [first] * (IN_VAIN_MAX - 1) == before
        assert second is not first
        *before, third = rounds_in_vain(sender, IN_VAIN_MAX)
        assert [second] * (IN_VAIN_MAX - 1) == before
        assert third is not second
    assert 1 == sender.round()
    assert ["a", "b"] == sent(topics)
