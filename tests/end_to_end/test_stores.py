"""Several stores on one Kafka."""

import sqlite3

import orjson
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from running import Sender, Worker, ends, received, truth, wait, wait_drained

from circulation.examples import SELLER, party, signed, terms, used
from streams.health.workers import alive, group, identity
from streams.offline.backup import backup, restore
from streams.store.store import Store
from streams.topics import REJECTED, TOPICS_IN


def store_id(url):
    store = Store(url)
    with store.reading() as db:
        found = identity(db)
    store.close()
    return found


def living(url):
    store = Store(url)
    with store.reading() as db:
        found = alive(db)
    store.close()
    return found


def members(bootstrap, url):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    (described,) = admin.describe_consumer_groups([group(store_id(url))], request_timeout=20).values()
    return len(described.result().members)


def positions(url):
    store = Store(url)
    with store.reading() as db:
        found = db.rows("select topic, partition, next from progress where next > 0")
    store.close()
    return {(topic, partition): at for topic, partition, at in found}


def test_workers_of_two_stores_on_one_kafka_both_take_in_everything(topics, postgres_url, tmp_path):
    sender = Sender(topics)
    urls = [f"sqlite:///{tmp_path}/store.db", postgres_url]

    def send(day):
        lines = [party(SELLER, f"2025-01-0{day}", name=f"Name {day}")]
        for number in range(20):
            lines.append(signed(f"contract-{number}", f"2025-01-0{day}", terms=terms(uses_max=1)))
            lines.append(used(f"contract-{number}", f"2025-02-0{day}", 2))
        sender.send(map(orjson.dumps, lines))

    send(1)
    with Worker(topics, urls[0], tmp_path, "one"), Worker(topics, urls[1], tmp_path, "two"):
        for url in urls:
            wait_drained(topics, url)
        # Each has all partitions to itself, however often the other's group changed.
        wait("both are members of groups of their own", lambda: [1, 1] == [members(topics, url) for url in urls])
        send(2)
        for url in urls:
            wait_drained(topics, url)
    last = {tp: end for tp, end in ends(topics, TOPICS_IN).items() if end}
    assert [last, last] == [positions(url) for url in urls]
    # Who ended in order is not among those that live.
    assert [[], []] == [living(url) for url in urls]
    one, two = (truth(url) for url in urls)
    assert one == two
    assert 20 == len({found["about"]["id"] for found in one.findings.values() if found["detector"] == "usage-limit"})


def test_a_running_worker_ends_with_one_sentence_once_the_schema_has_moved_on(topics, postgres_url, tmp_path):
    sender = Sender(topics)
    store = Store(postgres_url)
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        with store.writing() as db:
            # As a newer version does it: what the older one writes no longer fits.
            db.run("alter table seen add column newer text not null")
            db.run("update alembic_version set version_num = '9999'")
        sender.send(map(orjson.dumps, [party(SELLER, "2025-01-01"), used("contract", "2025-01-03", 2)]))
        assert 2 == worker.ended()
    (said,) = [line for line in worker.said().splitlines() if line.startswith("circulation:")]
    assert "has the schema 9999 of a newer version of this program" in said
    # No record was held to be bad because the schema was another.
    with store.reading() as db:
        assert [] == db.rows("select topic from outbox where topic = 'circulation.rejected'")
        assert [] == db.rows("select worker from workers")
    store.close()
    assert [] == received(topics, REJECTED)


@pytest.mark.parametrize("by", ["nothing", "a copy"])
def test_a_worker_whose_file_was_removed_or_replaced_ends_with_one_sentence(topics, tmp_path, by):
    path = tmp_path / "store.db"
    with Worker(topics, f"sqlite:///{path}", tmp_path) as worker:
        worker.wait_ready()
        copy = path.with_name("copy.db")
        with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        if by == "nothing":
            path.unlink()
        else:
            copy.replace(path)
        assert 2 == worker.ended()
    (said,) = [line for line in worker.said().splitlines() if line.startswith("circulation:")]
    assert f"sqlite:///{path} was removed or replaced while this worker ran on it" in said
    # Nobody made another one in its place.
    assert (by == "a copy") == path.exists()


@pytest.mark.parametrize("by", ["nothing", "a backup"])
def test_a_worker_whose_database_was_emptied_or_restored_into_ends_with_one_sentence(
    topics, postgres_url, tmp_path, by
):
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        backup(postgres_url, tmp_path / "backup", 0)
        with psycopg.connect(postgres_url) as other:
            other.execute("drop schema public cascade; create schema public")
        if by == "a backup":
            restore(tmp_path / "backup", postgres_url)
        assert 2 == worker.ended()
    said = {line for line in worker.said().splitlines() if line.startswith("circulation:")}
    assert 1 == len(said)
    assert "was removed or replaced while this worker ran on it" in said.pop()
