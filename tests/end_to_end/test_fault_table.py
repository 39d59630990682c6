"""The table of faults: each is made to happen under traffic, is said, ends, and then all is as a replay finds it.

| fault | test |
| --- | --- |
| kill -9 of a worker | test_exact |
| kill -9 of a judge, of its worker | test_judge_process |
| kill -9 of PostgreSQL, of the broker | test_faults |
| a judge that is stopped for 20 s | here |
| a broker that stands still, for a while and at the end of a worker | here |
| connections used up | here |
| a third worker in and out ten times | here |
| disk full under the store, under the broker | here |
| records deleted under a stopped worker, a topic made anew, a locked file | test_faults |
| a clock that is ahead, or behind | test_false_clocks |
| a hanging store, no traffic and traffic beyond the poll interval | test_alone |
| markers of transactions | test_transactions |
"""

import contextlib
import os
import signal
import subprocess
import time

import psycopg
import pytest
from market import Market
from running import (
    Sender,
    Worker,
    assert_as_replayed,
    members,
    progressed,
    replayed,
    wait,
)
from test_judge_process import judge

from deploy.kafka import Kafka
from streams import topics as kafka_topics
from streams.store.store import Store

EVENTS = 2_000
FETCH_RECORDS = "50"
JUDGE_STOPPED_SECONDS = 20
BROKER_STOPPED_SECONDS = 15
STORE_DISK = "40m"
BROKER_DISK = "512m"
IN_AND_OUT = 10


@pytest.fixture(scope="module")
def market():
    return Market(EVENTS, seed=27)


@pytest.fixture(scope="module")
def expected(market):
    return replayed([*market.packs, *market.lines])


@pytest.fixture
def disk(tmp_path):
    """Makes a small disk of its own, with as many bytes as are asked for."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    with contextlib.ExitStack() as stack:

        def mount(size):
            place = tmp_path / f"disk-{size}"
            place.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
            stack.callback(subprocess.run, ["umount", "-l", str(place)], check=True)
            return place

        yield mount


def fill(place):
    """Uses up what is left of a disk."""
    path = place / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    return path


def begun(url, more_than=0):
    store = Store(url)
    wait("a worker takes in", lambda: progressed(store) > more_than, every=0.01)
    store.close()


def test_a_judge_that_stands_still_for_a_while_is_said_and_goes_on(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send(market.packs)
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        pid = judge(worker)
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        sender.send(market.lines)
        said = worker.wait_unready(lambda state: any("the judge has said nothing" in why for why in state["reasons"]))
        assert said["judge"]["silent_seconds"] > 0
        time.sleep(max(0.0, stopped + JUDGE_STOPPED_SECONDS - time.monotonic()))
        os.kill(pid, signal.SIGCONT)
        worker.wait_ready()
        assert pid == judge(worker)
        assert_as_replayed(topics, postgres_url, expected)


def test_a_judge_that_hangs_for_good_is_killed_and_started_again(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send(market.packs)
    with Worker(topics, postgres_url, tmp_path, stall_seconds="12") as worker:
        worker.wait_ready()
        pid = judge(worker)
        os.kill(pid, signal.SIGSTOP)
        sender.send(market.lines)
        assert pid != judge(worker, besides=pid)
        worker.wait_ready()
        assert_as_replayed(topics, postgres_url, expected)
        assert "it is started again" in worker.said()


def test_a_broker_that_stands_still_for_a_while_loses_nothing(kafka, topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send([*market.packs, *market.lines[: len(market.lines) // 2]])
    with (
        Worker(topics, postgres_url, tmp_path, "worker-0", fetch_records_max=FETCH_RECORDS) as one,
        Worker(topics, postgres_url, tmp_path, "worker-1", fetch_records_max=FETCH_RECORDS) as two,
    ):
        begun(postgres_url)
        pid = kafka.status().pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(BROKER_STOPPED_SECONDS)
        os.kill(pid, signal.SIGCONT)
        sender.send(market.lines[len(market.lines) // 2 :])
        assert_as_replayed(topics, postgres_url, expected)
        for worker in (one, two):
            worker.wait_ready()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_ends_in_order_though_the_broker_stands_still(
    kind, kafka, topics, request, tmp_path, market, expected
):
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send([*market.packs, *market.lines[: len(market.lines) // 2]])
    with Worker(topics, url, tmp_path, fetch_records_max=FETCH_RECORDS) as worker:
        begun(url)
        pid = kafka.status().pid
        os.kill(pid, signal.SIGSTOP)
        try:
            assert 0 == worker.signal(signal.SIGTERM)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert "Traceback" not in worker.said()
        sender.send(market.lines[len(market.lines) // 2 :])
        worker.start()
        assert_as_replayed(topics, url, expected)


def test_connections_that_are_used_up_make_workers_wait(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, postgres_url, tmp_path, fetch_records_max=FETCH_RECORDS) as worker:
        begun(postgres_url)
        with contextlib.ExitStack() as others:
            officer = others.enter_context(psycopg.connect(postgres_url, autocommit=True))

            def without():
                """Ends the worker's connections and takes all that there are, until it has none."""
                officer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'circulation'"
                )
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        others.enter_context(psycopg.connect(postgres_url))
                code, said = worker.ready()
                return code == 503 and said.get("store") is False

            wait("the worker has no connection, and says so", without)
            sender.send(market.lines[half:])
        worker.wait_ready()
        assert_as_replayed(topics, postgres_url, expected)


def test_a_third_worker_that_comes_and_goes_ten_times_changes_nothing(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send(market.packs)
    size = -(-len(market.lines) // IN_AND_OUT)
    with (
        Worker(topics, postgres_url, tmp_path, "worker-0", fetch_records_max=FETCH_RECORDS) as one,
        Worker(topics, postgres_url, tmp_path, "worker-1", fetch_records_max=FETCH_RECORDS) as two,
    ):
        for worker in (one, two):
            worker.wait_ready()
        for turn in range(IN_AND_OUT):
            third = Worker(topics, postgres_url, tmp_path, f"third-{turn}", fetch_records_max=FETCH_RECORDS)
            with third:
                sender.send(market.lines[turn * size : (turn + 1) * size])
                wait("three are members", lambda: len(members(topics)) == 3)
                third.signal(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        assert_as_replayed(topics, postgres_url, expected)
        for worker in (one, two):
            worker.wait_ready()


def test_a_disk_that_is_full_under_the_store_makes_the_worker_wait(topics, tmp_path, disk, market, expected):
    place = disk(STORE_DISK)
    url = f"sqlite:///{place}/store.db"
    sender = Sender(topics)
    half = len(market.lines) // 2
    sender.send([*market.packs, *market.lines[:half]])
    with Worker(topics, url, tmp_path, fetch_records_max=FETCH_RECORDS) as worker:
        begun(url)
        filler = fill(place)
        sender.send(market.lines[half:])
        said = worker.wait_unready(lambda state: "full" in state["failing"])
        assert said["reasons"]
        filler.unlink()
        worker.wait_ready()
        assert_as_replayed(topics, url, expected)


def test_a_disk_that_is_full_under_the_broker_loses_nothing(tmp_path, postgres_url, disk, market, expected):
    place = disk(BROKER_DISK)
    with Kafka(place / "kafka", lambda _: None) as broker:
        bootstrap = broker.start(0)
        kafka_topics.create(bootstrap)
        sender = Sender(bootstrap)
        half = len(market.lines) // 2
        sender.send([*market.packs, *market.lines[:half]])
        with Worker(bootstrap, postgres_url, tmp_path, fetch_records_max=FETCH_RECORDS) as worker:
            begun(postgres_url)
            filler = fill(place)
            # It cannot write what workers send, and stops by itself.
            worker.wait_unready(lambda state: not state["broker"])
            broker.kill()
            filler.unlink()
            broker.start()
            sender.send(market.lines[half:])
            worker.wait_ready()
            assert_as_replayed(bootstrap, postgres_url, expected)
