"""Since when something waits goes by the clock that is right, whatever the machine of a worker believes."""

import time
from collections.abc import Iterator

import pytest

from circulation.events.names import FINDINGS
from circulation.findings import About, Said
from detectors import RULES
from streams.budget import ERROR
from streams.facts.rulebook import shipped
from streams.findings.book import Book
from streams.findings.entry import Entry
from streams.health.clock import BROKER
from streams.judging import aside
from streams.settings import Settings
from streams.store.db import Db
from streams.store.outbox import Message, post
from streams.store.store import Store
from streams.wire import unsent
from streams.worker.worker import Worker

DAY = 86_400 * 1_000_000
# Nobody listens there.
NOWHERE = "127.0.0.1:1"


def right() -> int:
    """The time, µs, whatever the machine believes (`worker`)."""
    return int(time.time() * 1_000_000)


@pytest.fixture(params=[-10, 10])
def worker(store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker on a machine whose clock is days from the broker's."""
    true_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + request.param * DAY * 1000)
    url = store._url.render_as_string(hide_password=False)
    made = Worker(Settings.read({"CIRCULATION_STORE": url, "CIRCULATION_KAFKA": NOWHERE}), store)
    made.clock.hear(BROKER, right(), time.monotonic())
    assert not made.clock.trusted
    yield made
    made.close()


def wrong(db: Db, query: str) -> list[float]:
    """By how many days stamps are wrong; there is at least one."""
    rows = db.rows(query)
    assert rows
    return [days for (stamp,) in rows if abs(days := (stamp - right()) / DAY) > 1]


def test_what_waits_in_the_outbox_and_to_be_judged_is_stamped_by_the_clock_that_is_right(worker: Worker) -> None:
    said = Said(
        severity="red",
        about=About("party", "x:1"),
        party="x:1",
        occurred=0,
        summary="said",
        summary_zh="说",
        evidence={},
    )
    book = Book(lambda _db, entries, _facts: [() for _ in entries])
    with worker.store.writing() as db:
        post(db, [Message(FINDINGS, b"x:1", (), b"{}")])
        book.enter(db, [Entry("thing", RULES["feed-gap"], shipped(RULES), said, 0)], things=["thing"], now=1)
    with worker.store.reading() as db:
        assert [] == wrong(db, "select since from outbox")
        assert [] == wrong(db, "select since from queue")


def test_what_was_set_aside_and_is_taken_up_is_stamped_so_too(worker: Worker) -> None:
    with worker.store.writing() as db:
        aside.keep(db, [aside.Item(aside.key("act"), "act", True, 0, ERROR, "it failed", right(), None)])
    worker.engine.take_up(worker.clock.now())
    with worker.store.reading() as db:
        assert [] == wrong(db, "select since from queue")


def test_what_kafka_refused_is_stamped_so_too(worker: Worker) -> None:
    with worker.store.writing() as db:
        post(db, [Message(FINDINGS, b"x:1", (), b"{}")])
        ids = [row[0] for row in db.rows("select id from outbox")]
    unsent.set_aside(worker.store, [(id_, "too large") for id_ in ids], worker.store.clock())
    with worker.store.reading() as db:
        assert [] == wrong(db, "select aside from unsent")
        assert [] == wrong(db, "select since from unsent")
