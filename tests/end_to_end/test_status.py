"""`circulation status` beside real workers on a real Kafka: it is ready when they are, and says why when not."""

import os
import signal
import subprocess
import sys

import orjson
import pytest
from running import ROOT, Sender, Worker, members, wait, wait_drained

from circulation.examples import SELLER, party, signed, used
from streams.health.workers import alive, group, identity
from streams.store.store import Store
from streams.topics import TOPICS_IN


def status(bootstrap, url):
    """What the command says, as a process of its own."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CIRCULATION_")}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "status", "--json"],
        cwd=ROOT,
        env=environ | {"CIRCULATION_STORE": url, "CIRCULATION_KAFKA": bootstrap},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "" == done.stderr
    said = orjson.loads(done.stdout)
    assert said["ready"] == (done.returncode == 0)
    return said


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_it_is_ready_when_its_workers_are_and_says_that_none_lives(kind, topics, request, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    workers = [Worker(topics, url, tmp_path, name) for name in (["one"] if kind == "sqlite" else ["one", "two"])]
    try:
        for worker in workers:
            worker.start().wait_ready()
        Sender(topics).send(
            map(orjson.dumps, [party(SELLER, "2025-01-01"), signed("c", "2025-01-01"), used("c", "2025-01-02")])
        )
        wait_drained(topics, url)
        said = wait("all is watched", lambda: (found := status(topics, url))["ready"] and found)
        store = Store(url)
        with store.reading() as db:
            name, living = group(identity(db)), [one.worker for one in alive(db)]
        assert (name, "stable", len(workers)) == (
            said["group"]["group"],
            said["group"]["state"],
            len(said["group"]["members"]),
        )
        assert living == [one["worker"] for one in said["workers"]]
        assert {*TOPICS_IN} == {one["topic"] for one in said["partitions"]}
        assert all(one["member"] and one["lag"] == 0 and one["state"] == "read" for one in said["partitions"])
        owned = [tps for tps in members(topics).values() if tps]
        assert sum(map(len, owned)) == sum(one["partitions"] for one in said["group"]["members"])
        for worker in workers:
            assert 0 == worker.signal(signal.SIGTERM)
        Sender(topics).send([orjson.dumps(used("c", "2025-01-05", 1))])
        said = status(topics, url)
        assert ["no worker of this store lives: start one (`circulation worker`)"] == said["reasons"]
        assert 1 == said["lag"]
        store.close()
    except BaseException:
        for worker in workers:
            worker.__exit__(AssertionError)
        raise
