"""A Kafka that is put back to an earlier state, from a backup of its disk, and grows beyond where the store was."""

import shutil
import signal

import orjson
from running import Sender, Worker, received, truth, wait, wait_drained
from test_feed_partitions import assets, status
from test_feed_resume import BY, circulation, delete_all_but_the_last, losses, parties

from deploy.kafka import Kafka
from streams import topics as kafka_topics
from streams.health.readiness import PUT_BACK
from streams.store.store import Store
from streams.topics import ASSETS, PARTIES


def test_a_kafka_that_was_put_back_is_not_read_on_as_if_nothing_had_happened(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    kafka = Kafka(tmp_path / "kafka", lambda _: None)
    earlier = tmp_path / "earlier"
    with kafka:
        bootstrap = kafka.bootstrap
        kafka_topics.create(bootstrap)
        Sender(bootstrap).send(assets(0, 24))
        kafka.stop()
        shutil.copytree(kafka.folder / "data", earlier)
        kafka.start()
        Sender(bootstrap).send(assets(24, 48))
        with Worker(bootstrap, url, tmp_path) as worker:
            wait_drained(bootstrap, url)
            worker.wait_ready()
            assert 0 == worker.signal(signal.SIGTERM)
            kafka.stop()
            shutil.rmtree(kafka.folder / "data")
            shutil.copytree(earlier, kafka.folder / "data")
            kafka.start()
            Sender(bootstrap).send(assets(48, 200))
            worker.start()
            said = worker.wait_unready(lambda state: any(one["why"] == PUT_BACK for one in state["stopped"]))
            stopped = {one["partition"] for one in said["stopped"] if one["topic"] == ASSETS}
            assert stopped
            told = [
                one for one in status(bootstrap, url)["partitions"] if one.get("state") == "put back and written anew"
            ]
            assert stopped == {one["partition"] for one in told}
            assert len(stopped) == circulation(bootstrap, url, "feed", "list").stdout.count(PUT_BACK)
            done = circulation(bootstrap, url, "feed", "resume", "--all", "--from", "earliest", *BY)
            assert 0 == done.exit_code, done.output
            assert "an older event without a sequence number counts once more" in done.stderr
            worker.wait_ready()
            wait_drained(bootstrap, url)
            wait("status is ready", lambda: status(bootstrap, url)["ready"])
            # What was read before stays; what was there before is known already; what is new was not skipped.
            assert {f"asset-{number}" for number in range(200)} <= {subject for _, subject, *_ in truth(url).events}
            assert {f"{ASSETS}[{partition}]" for partition in stopped} == {one["about"]["id"] for one in losses(url)}
            # Started once more, it finds nothing wrong.
            assert 0 == worker.signal(signal.SIGTERM)
            worker.start()
            worker.wait_ready()


def marks(url):
    """Of each partition that holds something the position, the last record that was read, and when it was written."""
    store = Store(url)
    with store.reading() as db:
        rows = db.rows("select topic, partition, next, last, written from progress where next > 0")
    store.close()
    return {(topic, partition): tuple(rest) for topic, partition, *rest in rows}


def test_a_partition_whose_last_record_was_not_noted_has_it_noted_at_the_next_start(topics, tmp_path):
    """A store that was just migrated, or a partition that was just resumed, has no note of it."""
    url = f"sqlite:///{tmp_path}/store.db"
    Sender(topics).send(assets(0, 24))
    with Worker(topics, url, tmp_path) as worker:
        wait_drained(topics, url)
        assert 0 == worker.signal(signal.SIGTERM)
        before = marks(url)
        assert len(before) == len([one for one in before.values() if one[1] == one[0] - 1 and one[2] is not None])
        store = Store(url)
        with store.writing() as db:
            db.run("update progress set last = null, written = null")
        store.close()
        worker.start()
        worker.wait_ready()
        wait("they are noted again", lambda: before == marks(url))


def test_who_resumes_a_partition_has_the_record_before_noted(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send(map(orjson.dumps, parties(1, 2)))
    with Worker(topics, url, tmp_path):
        wait_drained(topics, url)
    sender.send(map(orjson.dumps, parties(3, 4, 5)))
    partition, low = delete_all_but_the_last(topics, 5)
    done = circulation(topics, url, "feed", "resume", PARTIES, partition, "--from", low + 1, *BY)
    assert 0 == done.exit_code, done.output
    (kept,) = received(topics, PARTIES)
    assert (low + 1, low, kept.timestamp()[1]) == marks(url)[PARTIES, partition]
