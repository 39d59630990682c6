"""The ground that all end-to-end tests stand on: a real broker with the topics, that can be killed and comes back."""

from uuid import uuid4

import pytest
from click.testing import CliRunner
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from kafka.admin import ConfigResource, KafkaAdminClient

from deploy.kafka import Kafka, KafkaError
from streams import topics as kafka_topics
from streams.cli.deploy import kafka as kafka_commands
from streams.cli.deploy import topics as topics_commands
from streams.topics import CLOCK, CONTRACTS, CREDIT, REJECTED, RULES, TOPICS

RECORD_BYTES = 16 * 1024 * 1024


def send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 20_000_000, "log_level": 0})
    errors = []
    producer.produce(topic, value, key=b"k", partition=0, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]


def read(bootstrap: str, topic: str, records: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": str(uuid4()), "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    try:
        return [record.value() for record in consumer.consume(records, timeout=20)]
    finally:
        consumer.close()


def test_the_topics_are_there_with_their_partitions(topics):
    made = {topic.name: topic for topic in kafka_topics.create(topics)}

    assert set(TOPICS) == set(made)
    assert not any(topic.created for topic in made.values())
    assert {1} == {made[RULES].partitions}
    assert {1} == {made[CLOCK].partitions}
    assert {8} == {topic.partitions for name, topic in made.items() if name not in (RULES, CLOCK)}


def test_topics_that_are_there_are_left_as_they_are(topics):
    again = {topic.name: topic for topic in kafka_topics.create(topics, partitions=3)}

    assert (8, False) == (again[CONTRACTS].partitions, again[CONTRACTS].created)


def test_credit_is_compacted_and_packs_stay(topics):
    with KafkaAdminClient(bootstrap_servers=topics) as admin:
        found = admin.describe_configs([ConfigResource("TOPIC", name) for name in (CREDIT, RULES, CONTRACTS)])
    text = str(found)

    assert "compact" in text
    assert "'-1'" in text


def test_a_record_of_16_mib_passes_through(topics):
    value = b"x" * RECORD_BYTES
    send(topics, REJECTED, value)

    assert [value] == read(topics, REJECTED, 1)


def test_fresh_topics_are_empty(topics):
    send(topics, CONTRACTS, b"left over")
    kafka_topics.delete(topics)
    kafka_topics.create(topics)
    send(topics, CONTRACTS, b"first")

    assert [b"first"] == read(topics, CONTRACTS, 1)


def test_a_killed_broker_comes_back_with_its_records_on_its_port(kafka, topics):
    send(topics, CONTRACTS, b"before")
    assert kafka.kill()
    assert not kafka.status().running
    assert topics == kafka.start()
    send(topics, CONTRACTS, b"after")

    assert [b"before", b"after"] == read(topics, CONTRACTS, 2)


def test_another_object_finds_the_broker_of_its_folder(kafka, topics):
    other = Kafka(kafka.folder)

    assert other.status().running
    assert topics == other.start()
    with pytest.raises(KafkaError, match="already runs at"):
        other.start(1)


def test_commands_say_how_the_broker_stands(kafka, topics, tmp_path):
    run = CliRunner()
    running = run.invoke(kafka_commands, ["status", "--folder", str(kafka.folder)])
    absent = run.invoke(kafka_commands, ["status", "--folder", str(tmp_path)])
    stopped = run.invoke(kafka_commands, ["stop", "--folder", str(tmp_path)])
    made = run.invoke(topics_commands, ["create"], env={"CIRCULATION_KAFKA": topics})

    assert (0, True) == (running.exit_code, topics in running.output)
    assert 1 == absent.exit_code
    assert "no Kafka was running" in stopped.output
    assert "circulation.rules: 1 partition, was there" in made.output
