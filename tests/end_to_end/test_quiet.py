"""A worker says what is wrong once, and answers what it is asked to answer, and nothing else."""

import contextlib
import re
import socket
import time
from collections import Counter
from pathlib import Path

import orjson
import psycopg
import pytest
from running import Sender, Worker, wait

from circulation.examples import SELLER, asset, listed, party
from deploy.kafka import Kafka

# So often the worker's clients knock in vain; each of them has a line or more to say about it.
KNOCKS = 12
# So often the store is asked in vain, by one thread or another.
TRIES = 20


def causes(text: str) -> Counter[str]:
    """The lines of a log, without instants and numbers, and how often each is there."""
    lines = (re.sub(r"^\S+ \S+ ", "", line) for line in text.splitlines())
    return Counter(re.sub(r"\(and .*|[0-9]+", "#", line) for line in lines)


def test_a_broker_that_is_away_is_told_of_once_a_minute(kafka: Kafka, topics: str, tmp_path: Path) -> None:
    with Worker(topics, f"sqlite:///{tmp_path}/store.db", tmp_path) as worker:
        worker.wait_ready()
        begun = time.monotonic()
        kafka.stop()
        try:
            with socket.create_server(("127.0.0.1", int(topics.rpartition(":")[2]))) as door:
                door.settimeout(60)
                for _ in range(KNOCKS):
                    with contextlib.suppress(ConnectionError):
                        door.accept()[0].close()
            worker.wait_unready(lambda said: not said["broker"])
            minutes = 1 + (time.monotonic() - begun) // 60
            said = causes(worker.log.read_text())
        finally:
            kafka.start()
        assert {} == {line: count for line, count in said.items() if count > minutes}
        assert said


def test_a_store_that_only_reads_is_told_of_once_a_minute_and_in_one_line_each(
    topics: str, postgres_url: str, tmp_path: Path
) -> None:
    name = postgres_url.rpartition("/")[2]
    tried = f"select xact_rollback from pg_stat_database where datname = '{name}'"
    with (
        psycopg.connect(postgres_url, autocommit=True) as connection,
        Worker(topics, postgres_url, tmp_path) as worker,
    ):
        worker.wait_ready()
        before, begun = worker.log.stat().st_size, time.monotonic()
        connection.execute(f"alter database {name} set default_transaction_read_only = on")
        # Sessions that are there go on to write: every one is a new one.
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            (name,),
        )
        (at_first,) = connection.execute(tried).fetchone() or (0,)
        Sender(topics).send(map(orjson.dumps, [party(SELLER, "2025-01-01"), asset("a"), listed("a", "2025-01-02")]))
        worker.wait_unready(lambda said: not said["store"] and "read-only" in said["failing"])
        # Its sessions were ended first, which it told: that hides nothing of what fails it now.
        wait("the log says so", lambda: re.search("taking in: .*read-only", worker.log.read_text()))
        wait("it has tried again and again", lambda: connection.execute(tried).fetchone()[0] >= at_first + TRIES)
        minutes = 1 + (time.monotonic() - begun) // 60
        with worker.log.open() as log:
            log.seek(before)
            text = log.read()
        connection.execute(f"alter database {name} reset default_transaction_read_only")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            (name,),
        )
        worker.wait_ready()
    said = causes(text)
    assert [] == [line for line in text.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \S+ [A-Z]+ ", line)]
    assert {} == {line: count for line, count in said.items() if count > minutes}
    assert any("taking in" in line and "read-only" in line for line in said)


@pytest.mark.parametrize("page", ["/", "/table/", "/router/", "/graph/", "/assignment/", "/performance/", "/table/x/"])
def test_the_pages_that_faust_brings_do_not_answer(served: Worker, page: str) -> None:
    assert 404 == served.answer(page)[0]


def test_the_pages_of_the_worker_answer(served: Worker) -> None:
    assert 200 == wait("/health answers", lambda: served.answer("/health")[0])
    assert {200, 503} >= {served.answer(page)[0] for page in ("/ready", "/metrics")}


def test_a_log_has_no_commands_for_a_terminal(served: Worker) -> None:
    served.wait_ready()
    assert b"\x1b" not in served.log.read_bytes()
    assert b"\b" not in served.log.read_bytes()


@pytest.fixture(scope="module")
def served(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory):
    """A worker whose pages answer."""
    folder = tmp_path_factory.mktemp("served")
    with Worker(kafka.start(0), f"sqlite:///{folder}/store.db", folder) as worker:
        wait("Faust's pages answer", lambda: worker.answer("/metrics")[0] == 200)
        yield worker
