"""The servers' shells: ports, processes, what is missing, and a PostgreSQL that survives being killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from deploy import kafka, postgres, processes
from deploy.kafka import Kafka, KafkaError
from deploy.postgres import Postgres, PostgresError


def quiet(text: str) -> None:
    """Nobody waits for these."""


@pytest.fixture
def listener():
    """A port that another program holds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_is_free_and_none_of_those_taken():
    first = processes.free_port()
    second = processes.free_port(first)

    assert processes.is_free(first)
    assert first != second


def test_a_held_port_is_not_free(listener):
    assert not processes.is_free(listener)


def test_a_process_is_known_by_its_mark_and_its_end_is_seen():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "some-mark"])
    assert processes.is_alive(child.pid, "some-mark")
    assert not processes.is_alive(child.pid, "another-mark")

    assert processes.end(child.pid, "some-mark", signal.SIGKILL, 5)
    # Nobody has asked for its result yet: it is dead all the same.
    assert not processes.is_alive(child.pid, "some-mark")
    child.wait()


def test_a_lock_makes_the_second_wait(tmp_path):
    order = []

    def second():
        with processes.locked(tmp_path / "lock"):
            order.append("second")

    with processes.locked(tmp_path / "lock"):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.1)
        order.append("first")
    other.join()

    assert ["first", "second"] == order


def test_the_pom_names_the_version_and_the_cache_bears_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert kafka.version().startswith("4.")
    assert tmp_path / "circulation" / f"kafka-{kafka.version()}" == kafka.cache_folder()


def test_missing_tools_are_named_with_the_command_that_brings_them(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(KafkaError, match="apt-get install default-jre-headless maven"):
        Kafka(tmp_path / "kafka", quiet).start(0)


def test_a_failing_maven_leaves_nothing_behind(monkeypatch, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, body in (("java", "exit 0"), ("mvn", "echo no such artifact; exit 1")):
        (tools / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(KafkaError, match="no such artifact"):
        kafka.install(quiet)
    assert not [path for path in (tmp_path / "circulation").iterdir() if path.is_dir()]


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(listener, tmp_path):
    with pytest.raises(KafkaError, match=f"port {listener} is taken"):
        Kafka(tmp_path, quiet).start(listener)


def test_a_broker_that_was_never_started_says_so(tmp_path):
    broker = Kafka(tmp_path, quiet)

    assert not broker.status().running
    assert not broker.stop()
    assert not broker.kill()
    with pytest.raises(KafkaError, match="circulation kafka start"):
        _ = broker.bootstrap


def test_a_broken_memory_counts_as_none(tmp_path):
    (tmp_path / "kafka.json").write_text('{"pid": "1"}')
    (tmp_path / "postgres.json").write_text("[1, 2")

    assert not Kafka(tmp_path, quiet).status().running
    assert not Postgres(tmp_path, quiet).running


def test_without_initdb_the_reason_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "PLACES", ())

    assert "apt-get install postgresql" in (Postgres.available() or "")
    with pytest.raises(PostgresError, match="apt-get install postgresql"):
        Postgres(tmp_path, quiet).start()


def test_databases_are_apart_and_order_text_by_code_point(postgres, postgres_url):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create table t (x text)")
        connection.execute("insert into t values ('b'), ('A'), ('a'), ('B')")
        assert [("A",), ("B",), ("a",), ("b",)] == connection.execute("select x from t order by x").fetchall()
    with psycopg.connect(postgres.url) as connection:
        assert [(None,)] == connection.execute("select to_regclass('t')").fetchall()


def test_a_killed_postgres_comes_back_with_what_was_committed(postgres, postgres_url):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create table t (x int)")
        connection.execute("insert into t values (1)")
        connection.commit()
        connection.execute("insert into t values (2)")
        assert postgres.kill()
        assert not postgres.running
        with pytest.raises(psycopg.OperationalError):
            while True:  # a session may answer once more before it notices
                connection.execute("select 1")
    before = postgres_url
    postgres.start()

    with psycopg.connect(before) as connection:
        assert [(1,)] == connection.execute("select x from t").fetchall()


def test_a_wrong_password_is_refused(postgres):
    known = postgres.url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(known, "guess"))


@pytest.mark.parametrize("name", ["", "A", "a-b", "1a", 'a"; drop', "a" * 64])
def test_a_database_has_a_plain_name(postgres, name):
    with pytest.raises(PostgresError, match="a database's name"):
        postgres.create_database(name)


def test_the_password_is_readable_by_its_owner_only(postgres):
    assert 0o600 == (postgres.folder / "postgres.json").stat().st_mode & 0o777
