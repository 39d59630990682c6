"""A source puts keys in other partitions than Kafka's own clients do.

Why it matters: the events of one contract, asset or party are judged in the order of one partition. A source whose
client places keys by another rule spreads them over two, so that its events may overtake those of other sources, and
each of them is sent once more by the monitor.

False positives: none; nothing that such a source sent is lost or counted twice. For a quarter of an hour after a topic
was given more partitions nothing is said of records where they belonged before.

What to do: have the source set its client's partitioner to murmur2 of the key: `partitioner=murmur2_random` for
librdkafka (confluent-kafka, Go, .NET, Rust), whose default is another; clients of Java and kafka-python do it by
themselves unless they were told otherwise. Nothing clears the finding; close its case when the source has mended it.

Only a worker sees partitions, so there is no act to check: it asks `said` when it reads such a record.
"""

from typing import Any, NamedTuple

from circulation.findings import About, Said
from circulation.rules import Rule


class Misplaced(NamedTuple):
    """The first event of a source that was seen in another partition than its `home` among so many `partitions`."""

    topic: str
    event: Any
    partition: int
    offset: int
    home: int
    partitions: int


def said(seen: Misplaced) -> Said:
    """What is said of a source, once a topic: of the first of its events that was seen elsewhere."""
    event = seen.event
    return Said(
        severity=RULE.severity,
        about=About("source", event.source),
        party=None,
        occurred=event.time,
        summary=(
            f"{event.source} puts keys of {seen.topic} in other partitions than murmur2 does: {event.subject} is in"
            f" {seen.partition}, and belongs in {seen.home} of {seen.partitions}."
        ),
        summary_zh=(
            f"{event.source} 在 {seen.topic} 上未按 murmur2 选择分区：{event.subject} 位于分区 {seen.partition}，"
            f"应位于 {seen.partitions} 个分区中的 {seen.home}。"
        ),
        evidence={
            "topic": seen.topic,
            "subject": event.subject,
            "id": event.id,
            "partition": seen.partition,
            "offset": seen.offset,
            "home": seen.home,
            "partitions": seen.partitions,
        },
        apart=(seen.topic,),
    )


RULE = Rule(
    id="misplaced-key",
    title="A source puts keys in other partitions",
    title_zh="报送方写入错误分区",
    about="source",
    severity="yellow",
    articles=("北京市数字经济促进条例 22",),
)
