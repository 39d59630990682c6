"""Who sends what lies in the outbox: one at a time for the whole store, and not one who cannot."""

import pytest
from running import received

from streams import relay
from streams.book import FINDINGS, Message, post
from streams.relay import NotConfirmed, Relay
from streams.store import Store

# Nobody listens there.
NOWHERE = "127.0.0.1:1"


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
