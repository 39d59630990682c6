"""How topics are set on a real Kafka: as they must be, what differs, and how near unread records are to their end."""

import time

import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from running import Worker, alter, ends, wait

from circulation.examples import SELLER, party
from streams.cli.main import cli
from streams.feeds.retention import Retention
from streams.topics import ASSETS, CASES, CONTRACTS, CREDIT, FINDINGS, JOURNAL, PARTIES, REJECTED, RULES, TOPICS_IN
from streams.wire import topic_settings

DAY_MS = 86_400_000


def circulation(bootstrap, *words):
    environ = {"CIRCULATION_KAFKA": bootstrap}
    return CliRunner(env=environ).invoke(cli, [str(one) for one in words], prog_name="circulation")


def settings_of(bootstrap):
    found, _ = topic_settings.topics(AdminClient({"bootstrap.servers": bootstrap}))
    return {topic: one.configs for topic, one in found.items()}


def test_what_came_in_is_kept_for_days_what_went_out_until_it_is_archived_and_of_credit_the_newest(topics):
    found = settings_of(topics)
    inputs = set(TOPICS_IN) - {RULES}
    assert {str(30 * DAY_MS)} == {found[topic]["retention.ms"] for topic in inputs}
    kept = (RULES, FINDINGS, REJECTED, CASES, JOURNAL)
    assert {("-1", "-1", "delete")} == {
        tuple(found[topic][name] for name in ("retention.ms", "retention.bytes", "cleanup.policy")) for topic in kept
    }
    assert "compact" == found[CREDIT]["cleanup.policy"]
    assert {"LogAppendTime"} == {found[topic]["message.timestamp.type"] for topic in TOPICS_IN}
    assert {"1"} == {one["min.insync.replicas"] for one in found.values()}
    checked = circulation(topics, "topics", "check")
    assert (0, "all topics keep what they hold\n") == (checked.exit_code, checked.stdout)


def test_more_copies_than_brokers_are_refused_in_one_sentence(topics):
    done = circulation(topics, "topics", "create", "--replication", 2)
    assert (1, "Error: a replication of 2 needs as many brokers, and there are 1\n") == (done.exit_code, done.stderr)


def test_settings_that_lose_records_are_shown_warned_of_and_put_right_on_demand(topics, tmp_path):
    alter(topics, CONTRACTS, retention_ms=str(7 * DAY_MS), max_message_bytes="1000000")
    alter(topics, ASSETS, retention_ms=str(90 * DAY_MS))  # more than must be is not wrong
    alter(topics, JOURNAL, retention_ms=str(30 * DAY_MS))
    alter(topics, FINDINGS, cleanup_policy="compact")
    alter(topics, REJECTED, min_insync_replicas="2")

    def check():
        return circulation(topics, "topics", "check")

    # What was altered is seen a moment later.
    checked = wait("five settings differ", lambda: 5 == len((found := check()).stdout.splitlines()) and found)
    assert 1 == checked.exit_code
    lines = checked.stdout.splitlines()
    assert [(CONTRACTS, "max.message.bytes"), (CONTRACTS, "retention.ms"), (FINDINGS, "cleanup.policy")] == [
        tuple(line.replace(":", "").split()[:2]) for line in lines[:3]
    ]
    assert [(REJECTED, "min.insync.replicas"), (JOURNAL, "retention.ms")] == [
        tuple(line.replace(":", "").split()[:2]) for line in lines[3:]
    ]
    assert (
        f"{CONTRACTS}: retention.ms is 604800000 (7 days), must be at least 2592000000 (30 days): records would be"
        " deleted before they are taken in or archived (circulation topics create --apply sets it)"
    ) in lines
    created = circulation(topics, "topics", "create")
    assert 0 == created.exit_code
    assert lines == created.stderr.splitlines()
    with Worker(topics, f"sqlite:///{tmp_path}/store.db", tmp_path) as worker:
        wait("it warns", lambda: set(lines) <= set(worker.ready()[1].get("warnings", ())))
        (said,) = [line for line in worker.said(20_000).splitlines() if " topics: " in line]
        assert all(line in said for line in lines)
    applied = circulation(topics, "topics", "create", "--apply")
    assert 0 == applied.exit_code
    assert 5 == len(applied.stderr.splitlines())
    wait("nothing differs any more", lambda: 0 == check().exit_code)
    assert str(90 * DAY_MS) == settings_of(topics)[ASSETS]["retention.ms"]


def test_how_much_of_its_retention_an_unread_record_has_used_up_is_known_before_it_is_deleted(topics):
    alter(topics, PARTIES, message_timestamp_type="CreateTime", retention_ms=str(30 * DAY_MS))
    wait("that is seen", lambda: "CreateTime" == settings_of(topics)[PARTIES]["message.timestamp.type"])
    producer = Producer({"bootstrap.servers": topics, "log_level": 0})
    for days in (24, 3):
        stamp = int(time.time() * 1000) - days * DAY_MS
        producer.produce(PARTIES, orjson.dumps(party(SELLER, "2025-01-01")), partition=3, timestamp=stamp)
    alter(topics, ASSETS, retention_bytes="1000000")
    for _ in range(10):
        producer.produce(ASSETS, b"x" * 50_000, partition=1)
    assert 0 == producer.flush(30)
    last = ends(topics, TOPICS_IN)

    wait("the settings are seen", lambda: "1000000" == settings_of(topics)[ASSETS]["retention.bytes"])

    def used(parties, assets):
        """What a worker says that stands there, and whose partitions do not move between two looks."""
        watch = Retention(topics, retention_days=30)
        positions = dict(last) | {(PARTIES, 3): parties, (ASSETS, 1): assets}
        for _ in range(2):
            watch._next = 0.0
            assert watch.look(positions, last)
        # No other warning than that of the settings that this test altered.
        assert [PARTIES] == [line.partition(":")[0] for line in watch.warnings]
        return watch.used

    behind = used(0, 2)
    assert 24 / 30 == pytest.approx(behind[PARTIES], abs=0.01)
    assert 0.4 == pytest.approx(behind[ASSETS], rel=0.05)
    assert 3 / 30 == pytest.approx(used(1, 10)[PARTIES], abs=0.01)
    assert dict.fromkeys(TOPICS_IN, 0.0) == used(2, 10)


def test_a_broker_that_does_not_say_how_topics_are_set_is_a_warning():
    watch = Retention("127.0.0.1:1", retention_days=30)
    assert watch.look({}, {})
    (line,) = watch.warnings
    assert line.startswith("how topics are set cannot be read: ")
    # It is asked again only when it is time.
    assert not watch.look({}, {})
