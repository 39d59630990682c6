"""What people look at, by the real command and beside real workers, is on the journal of a real Kafka once."""

import os
import pwd
import subprocess
import sys

import orjson
import pytest
from running import ROOT, Sender, Worker, received, wait, wait_drained

from circulation.examples import signed, terms, used
from streams.store.store import Store
from streams.topics import JOURNAL

USER = pwd.getpwuid(os.geteuid()).pw_name


def told(bootstrap):
    """The looks on the journal: key, and event."""
    events = [(record.key(), orjson.loads(record.value())) for record in received(bootstrap, JOURNAL)]
    return [(key, event) for key, event in events if event["type"] == "circulation.look.made"]


def looked(url, *words, official=None):
    """Runs a command as a process of its own."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": url} | ({"CIRCULATION_OFFICIAL": official} if official else {})
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_look_is_on_the_journal_once(kind, topics, request, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    names = ["one"] if kind == "sqlite" else ["one", "two"]
    workers = [Worker(topics, url, tmp_path, name).start() for name in names]
    try:
        for worker in workers:
            worker.wait_ready()
        uses = [used("c", "2025-01-02", 200, id="u1")]
        Sender(topics).send(map(orjson.dumps, [signed("c", "2025-01-01", terms=terms(uses_max=100)), *uses]))
        wait_drained(topics, url)

        found = looked(url, "findings", "--json", official="李伟")
        assert (0, "") == (found.returncode, found.stderr)
        store = Store(url)
        with store.reading() as db:
            rows = db.rows("select data from findings where standing order by occurred, finding")
        assert [orjson.loads(row[0]) for row in rows] == orjson.loads(found.stdout)
        missed = looked(url, "trace", "nothing", "--up")
        assert (1, "") == (missed.returncode, missed.stdout)

        wait("both looks are told", lambda: len(told(topics)) >= 2)
        # Each worker has looked for what is left, more than once.
        again = looked(url, "cases", "--json")
        assert 0 == again.returncode
        wait("the third is told", lambda: len(told(topics)) >= 3)
        wait_drained(topics, url)
    finally:
        for worker in workers:
            worker.__exit__(None)
    events = sorted(told(topics), key=lambda one: one[1]["id"])
    assert [
        ("李伟".encode(), "李伟", USER, "findings", ["--json"]),
        (USER.encode(), USER, USER, "trace", ["nothing", "--up"]),
        (USER.encode(), USER, USER, "cases", ["--json"]),
    ] == [
        (key, event["data"]["who"], event["data"]["user"], event["data"]["command"], event["data"]["arguments"])
        for key, event in events
    ]
    assert {("/circulation/looks", event["data"]["looked"]) for _, event in events} == {
        (event["source"], event["time"]) for _, event in events
    }
    with store.reading() as db:
        assert [(0,)] == db.rows("select count(*) from looks")
    store.close()
