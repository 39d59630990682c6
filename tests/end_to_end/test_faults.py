"""What goes away comes back, what is broken is said, and nothing of it loses an event."""

import signal
import sqlite3
from itertools import count
from typing import Any

import orjson
import psycopg
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from market import Market
from running import (
    Sender,
    Worker,
    assert_as_replayed,
    ends,
    progressed,
    received,
    replayed,
    truth,
    wait,
    wait_drained,
)

from circulation.examples import OWNER, SELLER, asset, party, signed, terms, used
from streams import topics as kafka_topics
from streams.store.store import Store
from streams.topics import ASSETS, CONTRACTS, FINDINGS, PARTIES, REJECTED, TOPICS_IN

EVENTS = 3_000


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(EVENTS, seed=5)


@pytest.fixture(scope="module")
def expected(market):
    return replayed([*market.packs, *market.lines])


def raised(bootstrap: str) -> list[dict[str, Any]]:
    """What every raised finding that was sent says, a second sending of the same left out."""
    records = [orjson.loads(record.value()) for record in received(bootstrap, FINDINGS)]
    return list({one["id"]: one["data"] for one in records if one["type"] == "circulation.finding.raised"}.values())


Place = tuple[str, int, int]


def _place(rejected: Any) -> Place:
    """Where a rejected record stood."""
    headers = {name: text.decode() for name, text in rejected.headers()}
    return headers["topic"], int(headers["partition"]), int(headers["offset"])


def begun(url: str, more_than: int = 0) -> None:
    store = Store(url)
    wait("the worker takes in", lambda: progressed(store) > more_than, every=0.01)
    store.close()


def test_a_postgres_that_is_killed_and_comes_back_loses_nothing(
    topics, postgres, postgres_url, tmp_path, market, expected
):
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, postgres_url, tmp_path, fetch_records_max="50") as worker:
        begun(postgres_url)
        postgres.kill()
        said = worker.wait_unready(lambda state: not state["store"])
        assert said["failing"]
        sender.send(market.lines[half:])
        postgres.start()
        worker.wait_ready()
        assert_as_replayed(topics, postgres_url, expected)
        assert 0 == worker.signal(signal.SIGTERM)


def test_a_postgres_that_only_reads_for_a_while_has_good_events_wait(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, postgres_url, tmp_path, fetch_records_max="50") as worker:
        begun(postgres_url)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            try:
                connection.execute("alter system set default_transaction_read_only = on")
                connection.execute("select pg_reload_conf()")
                sender.send(market.lines[half:])
                said = worker.wait_unready(lambda state: not state["store"] and "read-only" in state["failing"])
                assert said["failing"]
            finally:
                connection.execute("alter system reset default_transaction_read_only")
                connection.execute("select pg_reload_conf()")
        worker.wait_ready()
        assert_as_replayed(topics, postgres_url, expected)
        assert 0 == worker.signal(signal.SIGTERM)
    # Nothing was rejected for it, and nothing set aside: that would still be on the queue.
    assert len(expected.rejected) == len(received(topics, REJECTED))


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(kafka, topics, tmp_path, market, expected):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, url, tmp_path, fetch_records_max="50") as worker:
        begun(url)
        kafka.kill()
        worker.wait_unready(lambda state: not state["broker"])
        kafka.start()
        sender.send(market.lines[half:])
        worker.wait_ready()
        assert_as_replayed(topics, url, expected)
        assert 0 == worker.signal(signal.SIGTERM)


def test_a_worker_that_is_started_while_kafka_is_away_waits_for_it(kafka, topics, tmp_path, market, expected):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send([*market.packs, *market.lines])
    kafka.stop()
    with Worker(topics, url, tmp_path) as worker:
        wait("it says what it waits for", lambda: f"Kafka at {topics} does not answer yet" in worker.said())
        kafka.start()
        worker.wait_ready()
        assert_as_replayed(topics, url, expected)
        assert 0 == worker.signal(signal.SIGTERM)


def test_a_sqlite_file_that_somebody_locks_makes_the_worker_wait_and_say_so(topics, tmp_path, market, expected):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, url, tmp_path, fetch_records_max="50") as worker:
        begun(url)
        other = sqlite3.connect(tmp_path / "store.db", timeout=30, isolation_level=None)
        other.execute("begin immediate")
        sender.send(market.lines[half:])
        said = worker.wait_unready(lambda state: not state["store"])
        assert "locked" in said["failing"]
        other.execute("rollback")
        other.close()
        worker.wait_ready()
        assert_as_replayed(topics, url, expected)


def test_poison_between_good_records_is_set_aside_and_stops_nothing(topics, tmp_path, market, expected):
    url = f"sqlite:///{tmp_path}/store.db"
    poison = [
        b"\x00\xff garbage",
        b'{"specversion":"1.0","id":"' + b"x" * (2 << 20) + b'"}',
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        None,
        b"",
    ]
    sender = Sender(topics)
    sender.send(market.packs)
    places: list[Place] = []

    def landed(error: Any, record: Any) -> None:
        assert error is None, error
        places.append((record.topic(), record.partition(), record.offset()))

    for number, line in enumerate(market.lines):
        sender.put(line)
        if number % 100 == 50:
            for topic in (PARTIES, ASSETS, CONTRACTS):
                key = market.contracts[number % 10].encode()
                sender.raw(topic, poison[number // 100 % len(poison)], key, landed=landed)
    sender.flush()
    with Worker(topics, url, tmp_path) as worker:
        assert_as_replayed(topics, url, expected)
        assert 200 == worker.ready()[0]
    rejected = sorted(map(_place, received(topics, REJECTED)))
    assert set() == set(places) - set(rejected)
    assert len(expected.rejected) + len(places) == len(rejected)


def test_a_topic_that_is_made_anew_is_not_read_any_more_and_the_others_are(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    number = count()

    def send() -> None:
        at = next(number)
        sender.send(
            orjson.dumps(one)
            for one in (
                party(SELLER, "2025-01-01", name=f"Name {at}"),
                asset(f"asset-{at}", "2025-01-01", owner=OWNER),
                signed(f"contract-{at}", "2025-01-02", terms=terms(uses_max=1)),
                used(f"contract-{at}", "2025-01-03", 2),
            )
        )

    def losses() -> list[tuple[str, int]]:
        found = [one for one in raised(topics) if one["detector"] == "feed-lost"]
        return sorted((one["finding"], one["revision"]) for one in found)

    def stopped(state) -> bool:
        return {ASSETS} == {one["topic"] for one in state["stopped"]} and len(state["stopped"]) == 8

    others = [topic for topic in TOPICS_IN if topic != ASSETS]
    sender = Sender(topics)
    send()
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_ready()
        wait_drained(topics, url)
        with KafkaAdminClient(bootstrap_servers=topics) as admin:
            admin.delete_topics([ASSETS])
        worker.wait_unready(lambda state: state["stopped"])
        kafka_topics.create(topics)
        send()
        said = worker.wait_unready(stopped)
        assert all(one["why"] for one in said["stopped"])
        assert [f'circulation_partitions_stopped{{topic="{ASSETS}"}} 8.0'] == [
            line for line in worker.metric("circulation_partitions_stopped") if ASSETS in line
        ]
        wait_drained(topics, url, others)
        # Of the partition that was read: with the others nothing is lost.
        lost = wait("the loss is raised", lambda: len(found := losses()) == 1 and found, 30, instead=losses)
        assert 0 == worker.signal(signal.SIGTERM)
        # The store knows which topic it has read: a new worker does not begin with the other one either.
        worker.start()
        send()
        said = worker.wait_unready(stopped)
        assert {"the topic was made anew: its records are others"} == {one["why"] for one in said["stopped"]}
        wait_drained(topics, url, others)
    # What is lost is said once, whoever sees it again.
    assert lost == losses()
    kept = {subject for topic, subject, *_ in truth(url).events if topic == ASSETS}
    assert {"asset-0"} == kept
    assert {"contract-0", "contract-1", "contract-2"} == {
        one["about"]["id"] for one in truth(url).findings.values() if one["detector"] == "usage-limit"
    }


def test_records_that_the_broker_deleted_before_they_were_read_are_a_red_finding_and_the_rest_is_read(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send([orjson.dumps(party(SELLER, "2025-01-01"))])
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_ready()
        wait_drained(topics, url)
    # The party's partition, and no other: its key lands there again.
    sender.send(orjson.dumps(party(SELLER, f"2025-01-0{day}", name=f"Name {day}")) for day in (2, 3, 4))
    (partition, end), *more = [(tp[1], end) for tp, end in ends(topics, [PARTIES]).items() if end]
    assert ([], 4) == (more, end)
    with KafkaAdminClient(bootstrap_servers=topics) as admin:
        admin.delete_records({TopicPartition(PARTIES, partition): 3})
    sender.send([orjson.dumps(signed("contract", "2025-01-02", terms=terms(uses_max=1)))])
    with Worker(topics, url, tmp_path) as worker:
        said = worker.wait_unready(lambda state: state["stopped"])
        assert [(PARTIES, partition)] == [(one["topic"], one["partition"]) for one in said["stopped"]]
        found = wait("the loss is raised", lambda: [one for one in raised(topics) if one["detector"] == "feed-lost"])
        assert 0 == worker.signal(signal.SIGTERM)
        worker.start()
        worker.wait_unready(lambda state: state["stopped"])
        sender.send([orjson.dumps(used("contract", "2025-01-03", 2))])
        wait("the others are read", lambda: any(one["detector"] == "usage-limit" for one in raised(topics)))
    assert found == [one for one in raised(topics) if one["detector"] == "feed-lost"]
    (lost,) = found
    assert ("red", {"kind": "source", "id": f"{PARTIES}[{partition}]"}) == (lost["severity"], lost["about"])
    evidence = lost["evidence"]
    assert (PARTIES, partition, 1, 3) == tuple(evidence[name] for name in ("topic", "partition", "offset", "low"))
    assert evidence["why"]


def test_a_second_worker_on_one_sqlite_file_exits_2_and_says_why(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with Worker(topics, url, tmp_path, "first") as first:
        first.wait_ready()
        with Worker(topics, url, tmp_path, "second") as second:
            assert 2 == second.ended()
        assert "is in use by another worker; SQLite serves one" in second.said()
        assert str(tmp_path) in second.said()
        assert 200 == first.ready()[0]
        first.signal(signal.SIGKILL)
        # The lock dies with its holder.
        with Worker(topics, url, tmp_path, "third") as third:
            third.wait_ready()


def test_fetches_that_a_rebalance_drops_are_read_again(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    third = len(market.lines) // 3
    sender.send([*market.packs, *market.lines[:third]])
    settings = {"fetch_records_max": "20"}
    with (
        Worker(topics, postgres_url, tmp_path, "one", **settings),
        Worker(topics, postgres_url, tmp_path, "two", **settings),
    ):
        begun(postgres_url)
        joining = Worker(topics, postgres_url, tmp_path, "three", **settings)
        with joining:
            sender.send(market.lines[third : 2 * third])
            wait("the third has partitions", lambda: joining.ready()[1].get("assigned"))
            sender.send(market.lines[2 * third :])
            assert 0 == joining.signal(signal.SIGTERM)
        assert_as_replayed(topics, postgres_url, expected)
