"""Sending events to a real Kafka: each to its topic, under its key, byte for byte, or said."""

import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

from circulation.admission.admission import Admission
from circulation.events.event import Event
from circulation.events.types import TYPES
from deploy.processes import free_port
from streams import topics as kafka_topics
from streams.cli.main import cli
from streams.demo import story
from streams.topics import ASSETS, CONTRACTS, PARTIES, RULES, TOPICS_IN
from streams.wire import emit as emitting
from streams.wire.emit import EmitError, emit, lines_of_files, place


def use(number: int, contract: str = "contract-1", **changes: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"use-{number}",
        "source": "//exchange.example",
        "type": "circulation.usage.reported",
        "subject": contract,
        "time": "2025-03-01T09:30:00+08:00",
        "data": {"uses": 1, "purpose": "test"},
    }
    return orjson.dumps(event | changes)


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The end of a partition; one that was just made may not have its leader yet."""
    deadline = time.monotonic() + 15
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=15)[1])
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def records(bootstrap: str, *topics: str) -> list[Message]:
    """All records of topics, each partition in its order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-emit", "enable.auto.commit": False})
    try:
        partitions = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in topics or TOPICS_IN
            for number in consumer.list_topics(topic, timeout=15).topics[topic].partitions
        ]
        left = sum(_end(consumer, one) for one in partitions)
        consumer.assign(partitions)
        found: list[Message] = []
        deadline = time.monotonic() + 30
        while len(found) < left and time.monotonic() < deadline:
            found += [one for one in consumer.consume(1000, timeout=1) if one.error() is None]
        assert left == len(found)
        return found
    finally:
        consumer.close()


def command(bootstrap: str, *arguments: object) -> Result:
    env: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    return CliRunner(env=env | {"CIRCULATION_KAFKA": bootstrap}).invoke(cli, [str(one) for one in arguments])


def test_each_event_lands_where_admission_takes_it(topics: str) -> None:
    lines = list(story.lines())
    sent = emit(lines, topics)
    assert (len(lines), 0, 0) == (sent.records, sent.unplaced, sent.too_large)
    found = records(topics)
    assert sorted(lines) == sorted(one.value() or b"" for one in found)
    admission = Admission()
    refused = 0
    for one in found:
        headers: Any = one.headers()
        admitted = admission.admit(
            one.value(), topic=one.topic(), key=one.key(), headers=headers, now=time.time_ns() // 1000
        )
        refused += not isinstance(admitted, Event)
    assert story.REJECTED == refused


def test_every_type_has_its_place() -> None:
    for type_, (topic, _) in TYPES.items():
        record = orjson.dumps({"specversion": "1.0", "type": type_, "subject": "s", "data": {}})
        assert (topic or CONTRACTS, b"s", topic is not None) == (
            place(record).topic,
            place(record).key,
            place(record).known,
        )


@pytest.mark.parametrize(
    ("taken_back", "topic"),
    [
        ("circulation.asset.registered", ASSETS),
        ("circulation.contract.signed", CONTRACTS),
        ("circulation.grant.issued", PARTIES),
        ("openlineage.run", ASSETS),
    ],
)
def test_a_retraction_goes_where_the_event_went_that_it_takes_back(taken_back: str, topic: str) -> None:
    data = {"event": "e", "type": taken_back, "reason": "mistake"}
    placed = place(use(1, type="circulation.event.retracted", data=data))
    assert (topic, True) == (placed.topic, placed.known)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (b"not json", None),
        (b"[]", None),
        (b"17", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (use(1, type="circulation.unheard.of"), b"contract-1"),
        (use(1, type=17, subject=18), None),
        (use(1, type=["circulation.usage.reported"]), b"contract-1"),
        (use(1, type="circulation.event.retracted", data=None), b"contract-1"),
        (use(1, type="circulation.usage.reported", subject=""), None),
        (b'{"eventTime": 1, "run": 2}', None),
    ],
)
def test_what_cannot_be_placed_is_sent_to_be_rejected(record: bytes, key: bytes | None) -> None:
    placed = place(record)
    assert (CONTRACTS, key) == (placed.topic, placed.key)


def test_what_cannot_be_placed_is_counted_and_said(topics: str) -> None:
    sent = emit([b"not json\n", b"\n", use(1)], topics)
    assert ({CONTRACTS: 2}, 1) == (sent.topics, sent.unplaced)
    assert "1 of them has no type that is known" in sent.in_words()
    assert {b"not json", use(1)} == {one.value() for one in records(topics, CONTRACTS)}


def test_a_key_lands_on_the_partition_where_java_would_put_it(topics: str) -> None:
    keys = [f"合同-{number}" for number in range(200)]
    emit([use(1, key) for key in keys], topics)
    ours = {one.key(): one.partition() for one in records(topics, CONTRACTS)}
    producer = Producer({"bootstrap.servers": topics, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(CONTRACTS, b"", key.encode())
    producer.flush()
    theirs = {one.key(): one.partition() for one in records(topics, CONTRACTS) if not one.value()}
    assert ours == theirs
    assert 8 == len(set(ours.values()))


def test_the_order_of_each_key_is_kept(topics: str) -> None:
    emit([use(number, f"contract-{number % 7}") for number in range(7_000)], topics)
    found: dict[bytes | None, list[int]] = {}
    for one in records(topics, CONTRACTS):
        found.setdefault(one.key(), []).append(int(orjson.loads(one.value() or b"")["id"].removeprefix("use-")))
    assert 7 == len(found)
    assert all(numbers == sorted(numbers) and len(numbers) == 1_000 for numbers in found.values())


def test_what_is_too_large_to_be_admitted_is_sent_and_what_kafka_cannot_keep_is_said(topics: str) -> None:
    large = use(1, note="x" * 3_000_000)
    sent = emit([large, use(2, note="x" * 20_000_000), use(3)], topics)
    assert (2, 1) == (sent.records, sent.too_large)
    assert "1 larger than 16 MiB was not sent" in sent.in_words()
    assert {len(large), len(use(3))} == {len(one.value() or b"") for one in records(topics, CONTRACTS)}


def test_files_are_lines_packed_lines_or_arrays(tmp_path: Path) -> None:
    plain, packed, array = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.json"
    plain.write_bytes(use(1) + b"\n" + use(2))
    packed.write_bytes(gzip.compress(use(3) + b"\n"))
    array.write_bytes(b"[" + use(4) + b",\n" + use(5) + b"]")
    found = [line.rstrip() for line in lines_of_files([plain, packed, array])]
    assert [use(number) for number in range(1, 6)] == found


def test_a_rate_is_kept(topics: str) -> None:
    now = 50.0
    asked: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def lines() -> Iterator[bytes]:
        for number in range(100):
            asked.append(now)
            yield use(number)

    sent = emit(lines(), topics, rate=100, monotonic=lambda: now, sleep=sleep)
    # Each is asked for when the one before it was due.
    assert asked == pytest.approx([50.0, *(50.0 + number / 100 for number in range(99))])
    assert (100, pytest.approx(0.99)) == (sent.records, sent.seconds)


def test_a_kafka_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitting, "CONNECT_TIMEOUT_MS", 500)
    with pytest.raises(EmitError, match="does not answer"):
        emit([use(1)], f"127.0.0.1:{free_port()}")


def test_a_topic_that_is_not_there_is_said_and_not_made(topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_topics.delete(topics)
    monkeypatch.setattr(emitting, "CONNECT_TIMEOUT_MS", 1_500)
    with pytest.raises(EmitError, match="circulation topics create"):
        emit([use(1)], topics)


def test_the_command_sends_files_and_counts_by_topic(topics: str, tmp_path: Path) -> None:
    path = tmp_path / "story.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in story.lines()))
    result = command(topics, "emit", path, "--no-check")
    assert 0 == result.exit_code, result.output
    assert "sent 100 events" in result.stdout
    assert "63 to circulation.contracts" in result.stdout
    missing = command(topics, "emit", path, tmp_path / "missing.jsonl")
    assert (2, 1) == (missing.exit_code, len(missing.stderr.splitlines()))
    assert 100 == len(records(topics)), "nothing is sent where one of the files cannot be read"


def test_a_pack_is_published_as_an_event_that_admission_takes(topics: str, tmp_path: Path) -> None:
    pack = tmp_path / "pack.yaml"
    pack.write_text('pack: trial\nversion: "2"\nvalid_from: 2020-01-01\napproved_by: [one, two]\nnegative_list: []\n')
    result = command(topics, "rules", "publish", "--no-wait", pack)
    assert 0 == result.exit_code, result.output
    assert "CIRCULATION_PACK is beijing" in result.stderr
    (record,) = records(topics, RULES)
    headers: Any = record.headers()
    event = Admission().admit(
        record.value(), topic=RULES, key=record.key(), headers=headers, now=time.time_ns() // 1000
    )
    assert isinstance(event, Event)
    assert ("/circulation/officials", "trial", "2") == (event.source, event.subject, event.data["version"])
    assert event.id.partition("-")[0] in result.stdout  # the digest
    assert json.loads(record.value() or b"")["data"]["approved_by"] == ["one", "two"]
