"""One key, one worker: whoever put it where, and however many partitions its topic is given."""

import os
import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from running import (
    ROOT,
    Sender,
    Worker,
    differences,
    ends,
    progressed,
    received,
    replayed,
    truth,
    wait,
    wait_drained,
)

from circulation.examples import event, signed, terms, used
from streams import topics as kafka_topics
from streams.feeds.homing import FROM_HEADER
from streams.store.store import Store
from streams.topics import CONTRACTS
from streams.wire.addresses import home_of
from streams.wire.emit import place

EXCHANGE, BUYERS = "urn:exchange", "urn:buyer"
USES_A_SOURCE = 60
# Bands of a limit: at 80 % and 90 %, when it is reached, when it is passed.
LIMIT = USES_A_SOURCE * 2 * 3 // 4


def market(contracts: int, rounds: range) -> list[bytes]:
    """Contracts whose uses two sources report by turns: neither passes the limit alone, both together do."""
    lines = []
    for number in rounds:
        for contract in (f"contract-{each}" for each in range(contracts)):
            if number == 0:
                lines.append(signed(contract, "2025-01-01", source=EXCHANGE, terms=terms(uses_max=LIMIT)))
            for source in (EXCHANGE, BUYERS):
                id_, at = f"{contract}-{source}-{number}", f"2025-02-01T08:{number:02}:00"
                lines.append(used(contract, at, id=id_, source=source))
            if number % 20 == 19:
                back = {"usage": f"{contract}-{EXCHANGE}-{number - 15}", "uses": 1}
                lines.append(event("usage.cancelled", contract, at, source=EXCHANGE, id=f"back-{number}", **back))
    return list(map(orjson.dumps, lines))


def _producer(bootstrap: str, partitioner: str) -> Producer:
    # what a client hears of new partitions it hears within a second, not within minutes
    heard = {"topic.metadata.refresh.interval.ms": 500}
    return Producer({"bootstrap.servers": bootstrap, "partitioner": partitioner, "log_level": 0, **heard})


def _put(producer: Producer, lines: list[bytes]) -> None:
    for line in lines:
        placed = place(line)
        producer.produce(placed.topic, line, key=placed.key, headers=list(placed.headers))
    assert producer.flush(60) == 0


def taken(bootstrap: str) -> list[bytes]:
    """The contracts' records as workers took them in: each key in its order, what was sent on where it came to."""
    records = received(bootstrap, CONTRACTS)
    left = {value.decode() for record in records for name, value in record.headers() or () if name == FROM_HEADER}
    return [record.value() for record in records if f"{record.partition()}@{record.offset()}" not in left]


def without(found: Any, detector: str) -> Any:
    return found._replace(findings={id_: one for id_, one in found.findings.items() if one["detector"] != detector})


def bands(found: Any) -> Counter[tuple[str, str]]:
    return Counter(
        (one["about"]["id"], str(one["evidence"].get("band")))
        for one in found.findings.values()
        if one["detector"] == "usage-limit"
    )


def assert_equals_replay(bootstrap: str, url: str, lines: list[bytes]) -> None:
    wait_drained(bootstrap, url)
    found = without(truth(url), "misplaced-key")
    different = differences(replayed(taken(bootstrap)).truth, found)
    assert not different, "\n".join(different)
    assert bands(replayed(lines).truth) == bands(found)


def test_two_sources_with_two_partitioners_are_judged_as_one_and_one_of_them_is_told(topics, postgres_url, tmp_path):
    lines = market(20, range(USES_A_SOURCE))
    right, other = _producer(topics, "murmur2_random"), _producer(topics, "consistent_random")
    with Worker(topics, postgres_url, tmp_path, "one") as one, Worker(topics, postgres_url, tmp_path, "two") as two:
        one.wait_ready()
        two.wait_ready()
        for some in _slices(lines, 500):
            _put(right, [line for line in some if orjson.loads(line)["source"] == EXCHANGE])
            _put(other, [line for line in some if orjson.loads(line)["source"] == BUYERS])
        assert_equals_replay(topics, postgres_url, lines)
        sent = sum(float(line.split()[-1]) for each in (one, two) for line in each.metric("circulation_sent_on_total"))
    strange = [
        record
        for record in received(topics, CONTRACTS)
        if home_of(record.key(), kafka_topics.PARTITIONS_DEFAULT) != record.partition()
    ]
    assert len(strange) == sent > 0
    told = [one for one in truth(postgres_url).findings.values() if one["detector"] == "misplaced-key"]
    assert [("yellow", {"kind": "source", "id": BUYERS})] == [(one["severity"], one["about"]) for one in told]
    evidence = told[0]["evidence"]
    assert CONTRACTS == evidence["topic"]
    assert home_of(evidence["subject"].encode(), evidence["partitions"]) == evidence["home"] != evidence["partition"]


def _slices(lines: list[bytes], size: int) -> list[list[bytes]]:
    return [lines[at : at + size] for at in range(0, len(lines), size)]


class _Load:
    """Sends lines on a thread of its own, a few at a time; the last third not before the topic has `grown`."""

    def __init__(self, bootstrap: str, lines: list[bytes]) -> None:
        self._producer = _producer(bootstrap, "murmur2_random")
        self._lines = lines
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0
        self.pause = threading.Event()
        self.grown = threading.Event()

    def _run(self) -> None:
        for some in _slices(self._lines, 40):
            if self.sent * 3 > len(self._lines) * 2 and not self.grown.is_set():
                self.grown.wait()
                self._producer.list_topics(CONTRACTS, timeout=10)
            _put(self._producer, some)
            self.sent += len(some)
            self.pause.wait(0.05)

    def __enter__(self) -> "_Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause.set()
        self.grown.set()
        self._thread.join()


def _remade(bootstrap: str, partitions: int) -> None:
    kafka_topics.delete(bootstrap)
    kafka_topics.create(bootstrap, partitions)


def _grow(bootstrap: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "CIRCULATION_KAFKA": bootstrap, "CIRCULATION_STORE": url}
    command = [sys.executable, "-m", "streams.cli.main", "topics", "grow", *options]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", ["topics grow", "another tool"])
def test_a_topic_that_is_given_partitions_under_load_is_judged_as_in_a_replay(topics, postgres_url, tmp_path, how):
    _remade(topics, 4)
    lines = market(40, range(USES_A_SOURCE))
    with Worker(topics, postgres_url, tmp_path, "one") as one, Worker(topics, postgres_url, tmp_path, "two") as two:
        one.wait_ready()
        two.wait_ready()
        with _Load(topics, lines) as load:
            store = Store(postgres_url)
            wait("some is taken in", lambda: progressed(store) > 300)
            assert load.sent < len(lines)
            if how == "topics grow":
                grown = _grow(topics, postgres_url, "--partitions", "8")
                assert (0, 4) == (grown.returncode, grown.stdout.count("8 partitions, before 4")), grown
            else:
                admin = AdminClient({"bootstrap.servers": topics})
                admin.create_partitions([NewPartitions(CONTRACTS, 8)])[CONTRACTS].result()
            query = "select count(*) from placements where topic = ? and partitions = 8"
            with store.reading() as db:
                wait("the number is noted", lambda: db.one(query, CONTRACTS)[0] == 8)
            load.grown.set()
        assert_equals_replay(topics, postgres_url, lines)
        assert 8 == sum(tp[0] == CONTRACTS for tp in ends(topics, [CONTRACTS]))
        with store.reading() as db:
            new = "select partition from progress where topic = ? and partition >= 4 and next > 0 order by partition"
            assert [(4,), (5,), (6,), (7,)] == db.rows(new, CONTRACTS)
        # The workers still say that they watch all of it.
        for each in (one, two):
            assert [] == each.wait_ready()["stopped"]
        store.close()
    assert [] == [one for one in truth(postgres_url).findings.values() if one["detector"] == "misplaced-key"]


def test_partitions_are_not_made_before_workers_took_in_what_is_there_and_that_is_said_with_exit_3(topics, tmp_path):
    _remade(topics, 4)
    url = f"sqlite:///{tmp_path}/store.db"
    Sender(topics).send(market(3, range(2)))
    asked = _grow(topics, url, "--partitions", "8", "--timeout", "0.5")
    assert 3 == asked.returncode
    assert "15 records were not taken in in time" in asked.stderr
    assert 4 == len(ends(topics, [CONTRACTS]))
    fewer = _grow(topics, url, "--partitions", "2")
    assert 2 == fewer.returncode
    assert f"{CONTRACTS} has 4" in fewer.stderr
