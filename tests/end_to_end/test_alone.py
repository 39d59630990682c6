"""A worker that is left alone goes on, and so do several while partitions change hands.

`CIRCULATION_STALL_SECONDS` is the poll interval of the group: these tests shorten it to seconds, and send for longer.
"""

import signal
import time

import psycopg
import pytest
from market import Market
from running import Sender, Worker, assert_as_replayed, members, progressed, replayed, wait

from streams.store.store import Store
from streams.topics import TOPICS_IN

STALL_SECONDS = 10
EVENTS = 6_000
SLICES = 12
FETCH_RECORDS = "50"
NOISE = ("has not sent fetch request", "Traceback")


@pytest.fixture(scope="module")
def market():
    return Market(EVENTS, seed=18)


@pytest.fixture(scope="module")
def expected(market):
    return replayed([*market.packs, *market.lines])


def slices(market):
    size = -(-len(market.lines) // SLICES)
    return [market.lines[at : at + size] for at in range(0, len(market.lines), size)]


def beyond_the_poll_interval(sender, market, store, intervals=4):
    """Sends the market in slices, each when the one before was taken in, over several poll intervals."""
    before = progressed(store)
    for some in slices(market):
        began = time.monotonic()
        before += sender.send(some)
        wait("a slice is taken in", lambda before=before: progressed(store) >= before)
        # Traffic has pauses; what matters is that it goes on after the interval.
        time.sleep(max(0.0, began + STALL_SECONDS * intervals / SLICES - time.monotonic()))


def owned(bootstrap):
    return [len(partitions) for partitions in members(bootstrap).values()]


def test_one_worker_takes_in_events_beyond_its_poll_interval(topics, tmp_path, market, expected):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send(market.packs)
    with Worker(topics, url, tmp_path, stall_seconds=str(STALL_SECONDS)) as worker:
        worker.wait_ready()
        joined = members(topics)
        store = Store(url)
        beyond_the_poll_interval(sender, market, store)
        store.close()
        assert joined == members(topics), "it left its group on the way"
        assert 200 == worker.ready()[0]
        assert_as_replayed(topics, url, expected)
        assert [] == [word for word in NOISE if word in worker.said(1_000_000)]


def test_two_workers_take_in_events_beyond_their_poll_interval_and_over_a_rebalance(
    topics, postgres_url, tmp_path, market, expected
):
    sender = Sender(topics)
    sender.send(market.packs)
    one, two, three = (
        Worker(topics, postgres_url, tmp_path, f"worker-{number}", stall_seconds=str(STALL_SECONDS))
        for number in range(3)
    )
    with one, two:
        for worker in (one, two):
            worker.wait_ready()
        everything = sum(owned(topics))
        half = len(market.lines) // 2
        with three:
            wait("three share the partitions", lambda: len(owned(topics)) == 3 and all(owned(topics)))
            sender.send(market.lines[:half])
            three.signal(signal.SIGKILL)
        wait("two share the partitions", lambda: len(owned(topics)) == 2 and sum(owned(topics)) == everything)
        held = members(topics)
        time.sleep(2 * STALL_SECONDS)
        sender.send(market.lines[half:])
        assert_as_replayed(topics, postgres_url, expected)
        assert held == members(topics), "somebody left the group on the way"


def test_workers_that_come_and_go_over_a_backlog_leave_nobody_standing_still(
    topics, postgres_url, tmp_path, market, expected
):
    sender = Sender(topics)
    sender.send([*market.packs, *market.lines])
    settings = {"fetch_records_max": FETCH_RECORDS, "stall_seconds": "30"}
    # Together, over the backlog; then a third comes and goes while they read.
    with (
        Worker(topics, postgres_url, tmp_path, "worker-0", **settings) as one,
        Worker(topics, postgres_url, tmp_path, "worker-1", **settings) as two,
    ):
        store = Store(postgres_url)
        wait("somebody takes in", lambda: progressed(store) > 0, every=0.01)
        for turn in range(3):
            with Worker(topics, postgres_url, tmp_path, f"third-{turn}", **settings) as third:
                wait("three share the partitions", lambda: len(owned(topics)) == 3)
                third.signal(signal.SIGTERM if turn % 2 else signal.SIGKILL)
        store.close()
        assert_as_replayed(topics, postgres_url, expected)
        for worker in (one, two):
            assert worker.wait_ready()["assigned"] > 0
            assert 0 == worker.signal(signal.SIGTERM)


def test_a_worker_that_hangs_loses_its_partitions_and_comes_back(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send(market.packs)
    settings = {"fetch_records_max": FETCH_RECORDS, "stall_seconds": str(STALL_SECONDS)}
    with (
        Worker(topics, postgres_url, tmp_path, "worker-0", **settings) as one,
        Worker(topics, postgres_url, tmp_path, "worker-1", **settings) as two,
    ):
        wait("two share the partitions", lambda: len(owned(topics)) == 2 and all(owned(topics)))
        for worker in (one, two):
            worker.wait_ready()
        everything = sum(owned(topics))
        held = max(members(topics).values(), key=len)
        with psycopg.connect(postgres_url) as other:
            # Whoever takes in these partitions waits for this lock, as for a database that hangs.
            for topic, partition in sorted(held):
                other.execute(
                    "select 1 from progress where topic = %s and partition = %s for update", (topic, partition)
                )
            sender.send(market.lines)
            wait("a worker that hangs loses its partitions", lambda: held not in members(topics).values())
            unready = wait(
                "one of them says that it is no member",
                lambda: [found for worker in (one, two) if (found := worker.ready())[0] == 503],
            )
            assert unready
            other.rollback()
        wait("both are back", lambda: len(owned(topics)) == 2 and sum(owned(topics)) == everything)
        assert_as_replayed(topics, postgres_url, expected)
        assert everything == sum(owned(topics))
        assert set(TOPICS_IN) == {topic for partitions in members(topics).values() for topic, _ in partitions}
