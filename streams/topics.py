"""The topics: which there are, and how they are made (contract §2 and §4)."""

import time
from dataclasses import dataclass, field
from typing import Any

from circulation.events.names import (
    ASSETS,
    CASES,
    CLOCK,
    CONTRACTS,
    CREDIT,
    FINDINGS,
    JOURNAL,
    ORDERS,
    PARTIES,
    REJECTED,
    RULES,
)
from streams import limits
from streams.address import silent

TOPICS_IN = (PARTIES, ASSETS, CONTRACTS, RULES, ORDERS)
TOPICS_OUT = (FINDINGS, REJECTED, CASES, CREDIT, JOURNAL)
TOPICS = (*TOPICS_IN, *TOPICS_OUT, CLOCK)

PARTITIONS_DEFAULT = 8
PARTITIONS_MAX = 1_000
CLOCK_RETENTION_MS = "3600000"
REPLICATION_DEFAULT = 3
# Of events that came in; the archive has them for longer.
RETENTION_DAYS_DEFAULT = 30
DAY_MS = 86_400_000
# What nobody can send again is kept until somebody has archived it and says that it may go.
KEPT = (RULES, FINDINGS, REJECTED, CASES, JOURNAL)
CLIENT_TIMEOUT_MS = 15_000
WAIT_SECONDS_MAX = 30.0
# Kafka's error code for a topic that is there already.
TOPIC_ALREADY_EXISTS = 36


class TopicsError(Exception):
    """The topics could not be made or deleted; the message says why."""


@dataclass(frozen=True)
class Made:
    """What became of one topic: `created` now, or left as it was. `partitions` is what it has, not what was asked."""

    name: str
    partitions: int
    created: bool


@dataclass(frozen=True)
class Plan:
    """How one topic is to be made."""

    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)
    replication: int = 1


def in_sync_min(replication: int) -> int:
    """How many replicas must have a record before it is confirmed: one may be away without stopping anything."""
    return max(1, replication - 1)


def plan(
    partitions: int = PARTITIONS_DEFAULT, *, replication: int = 1, retention_days: int = RETENTION_DAYS_DEFAULT
) -> tuple[Plan, ...]:
    """How each topic is made, given the number of partitions of those that have many.

    Packs have one partition, for they have one order, and stay: a new store needs all of them. Of a credit statement
    only the newest of a party is kept. What comes in bears the broker's time: it is kept by that, and a producer whose
    clock is behind would have its records deleted early.
    """
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise TopicsError(f"partitions must be from 1 to {PARTITIONS_MAX}, got {partitions}")
    plans = []
    for name in TOPICS:
        largest = limits.TOPIC_IN_BYTES_MAX if name in TOPICS_IN else limits.TOPIC_OUT_BYTES_MAX
        configs = {
            "max.message.bytes": str(largest),
            "min.insync.replicas": str(in_sync_min(replication)),
            "cleanup.policy": "compact" if name == CREDIT else "delete",
        }
        if name in TOPICS_IN or name == CLOCK:
            configs["message.timestamp.type"] = "LogAppendTime"
        if name in KEPT:
            configs |= {"retention.ms": "-1", "retention.bytes": "-1"}
        elif name == CLOCK:
            configs["retention.ms"] = CLOCK_RETENTION_MS
        elif name != CREDIT:
            configs["retention.ms"] = str(retention_days * DAY_MS)
        plans.append(Plan(name, 1 if name in (RULES, CLOCK) else partitions, configs, replication))
    return tuple(plans)


def create(
    bootstrap: str,
    partitions: int = PARTITIONS_DEFAULT,
    *,
    replication: int | None = None,
    retention_days: int = RETENTION_DAYS_DEFAULT,
) -> list[Made]:
    """Make the topics that are missing and wait until each has its leaders; those that are there are not touched.

    Partition counts change by `streams.feeds.growing` only: keys are at home elsewhere from then on.
    Without `replication` each record is on three brokers, or on as many as there are.

    Raises:
        TopicsError: if Kafka cannot be reached or refuses.
    """
    from kafka.errors import KafkaError

    plan(partitions)
    try:
        with _admin(bootstrap) as admin:
            brokers = len(admin.describe_cluster()["brokers"])
            copies = min(REPLICATION_DEFAULT, brokers) if replication is None else replication
            if copies > brokers:
                raise TopicsError(f"a replication of {copies} needs as many brokers, and there are {brokers}")
            plans = plan(partitions, replication=copies, retention_days=retention_days)
            present = _partitions(admin)
            missing = {
                planned.name: {
                    "num_partitions": planned.partitions,
                    "replication_factor": planned.replication,
                    "configs": planned.configs,
                }
                for planned in plans
                if planned.name not in present
            }
            if missing:
                # Two that create at once do no harm: who comes second finds the topic, and leaves it.
                answer = admin.create_topics(missing, raise_errors=False)
                refused = [topic for topic in answer["topics"] if topic["error_code"] not in (0, TOPIC_ALREADY_EXISTS)]
                if refused:
                    refusals = "; ".join(
                        f"{topic['name']}: {topic.get('error_message') or topic['error_code']}" for topic in refused
                    )
                    raise TopicsError(f"Kafka at {bootstrap} refuses to make topics: {refusals}")
                admin.wait_for_topics(list(missing), timeout_ms=int(WAIT_SECONDS_MAX * 1000))
            now = _partitions(admin)
    except KafkaError as error:
        raise TopicsError(silent(bootstrap, repr(error))) from error
    return [Made(planned.name, now[planned.name], planned.name in missing) for planned in plans]


def delete(bootstrap: str) -> list[str]:
    """Delete all topics, with all that is in them, and wait until they are gone. For tests and for starting anew.

    Raises:
        TopicsError: if Kafka cannot be reached, or topics are still there after 30 s.
    """
    from kafka.errors import KafkaError, UnknownTopicOrPartitionError

    try:
        with _admin(bootstrap) as admin:
            present = [name for name in TOPICS if name in _partitions(admin)]
            deadline = time.monotonic() + WAIT_SECONDS_MAX
            left = present
            while left:
                try:
                    admin.delete_topics(left)
                except UnknownTopicOrPartitionError:
                    # One of them went between our look and our call.
                    pass
                left = [name for name in present if name in _partitions(admin)]
                if left and time.monotonic() > deadline:
                    raise TopicsError(f"Kafka at {bootstrap} still has {', '.join(left)}")
    except KafkaError as error:
        raise TopicsError(silent(bootstrap, repr(error))) from error
    return present


def _admin(bootstrap: str) -> Any:
    from kafka.admin import KafkaAdminClient

    return KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","),
        request_timeout_ms=CLIENT_TIMEOUT_MS,
        bootstrap_timeout_ms=CLIENT_TIMEOUT_MS,
    )


def _partitions(admin: Any) -> dict[str, int]:
    """The partition count of each topic that Kafka has."""
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics() if topic["error_code"] == 0}
