"""The topics: what they are called, and how they are made (contract §2 and §4)."""

import time
from dataclasses import dataclass, field
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

PARTIES = "circulation.parties"
ASSETS = "circulation.assets"
CONTRACTS = "circulation.contracts"
RULES = "circulation.rules"
ORDERS = "circulation.orders"
FINDINGS = "circulation.findings"
REJECTED = "circulation.rejected"
CASES = "circulation.cases"
CREDIT = "circulation.credit"
JOURNAL = "circulation.journal"

TOPICS_IN = (PARTIES, ASSETS, CONTRACTS, RULES, ORDERS)
TOPICS_OUT = (FINDINGS, REJECTED, CASES, CREDIT, JOURNAL)
TOPICS = TOPICS_IN + TOPICS_OUT

PARTITIONS_DEFAULT = 8
PARTITIONS_MAX = 1_000
# 16 MiB, so that what is too large to be admitted can be kept, and room for headers and the batch around it.
RECORD_BYTES_MAX = 17 * 1024 * 1024
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


def plan(partitions: int = PARTITIONS_DEFAULT) -> tuple[Plan, ...]:
    """How each topic is made, given the number of partitions of those that have many.

    Packs have one partition, for they have one order, and stay: a new store needs all of them. Of a credit statement
    only the newest of a party is kept.
    """
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise TopicsError(f"partitions must be from 1 to {PARTITIONS_MAX}, got {partitions}")
    plans = []
    for name in TOPICS:
        configs = {"max.message.bytes": str(RECORD_BYTES_MAX)}
        if name == CREDIT:
            configs["cleanup.policy"] = "compact"
        if name == RULES:
            configs["retention.ms"] = "-1"
        plans.append(Plan(name, 1 if name == RULES else partitions, configs))
    return tuple(plans)


def create(bootstrap: str, partitions: int = PARTITIONS_DEFAULT) -> list[Made]:
    """Make the topics that are missing and wait until each has its leaders; those that are there are not touched.

    Partition counts do not change later: a key would land elsewhere, and the order of its events would be lost.

    Raises:
        TopicsError: if Kafka cannot be reached or refuses.
    """
    plans = plan(partitions)
    try:
        with _admin(bootstrap) as admin:
            there = _partitions(admin)
            missing = {
                each.name: {"num_partitions": each.partitions, "configs": each.configs}
                for each in plans
                if each.name not in there
            }
            if missing:
                # Two that create at once do no harm: who comes second finds the topic, and leaves it.
                answer = admin.create_topics(missing, raise_errors=False)
                refused = [topic for topic in answer["topics"] if topic["error_code"] not in (0, TOPIC_ALREADY_EXISTS)]
                if refused:
                    said = "; ".join(
                        f"{topic['name']}: {topic.get('error_message') or topic['error_code']}" for topic in refused
                    )
                    raise TopicsError(f"Kafka at {bootstrap} refuses to make topics: {said}")
                admin.wait_for_topics(list(missing), timeout_ms=int(WAIT_SECONDS_MAX * 1000))
            now = _partitions(admin)
    except KafkaError as error:
        raise TopicsError(f"Kafka at {bootstrap} does not answer: {error!r}") from error
    return [Made(each.name, now[each.name], each.name in missing) for each in plans]


def delete(bootstrap: str) -> list[str]:
    """Delete all topics, with all that is in them, and wait until they are gone. For tests and for starting anew.

    Raises:
        TopicsError: if Kafka cannot be reached, or topics are still there after 30 s.
    """
    try:
        with _admin(bootstrap) as admin:
            there = [name for name in TOPICS if name in _partitions(admin)]
            deadline = time.monotonic() + WAIT_SECONDS_MAX
            left = there
            while left:
                try:
                    admin.delete_topics(left)
                except UnknownTopicOrPartitionError:
                    # One of them went between our look and our call.
                    pass
                left = [name for name in there if name in _partitions(admin)]
                if left and time.monotonic() > deadline:
                    raise TopicsError(f"Kafka at {bootstrap} still has {', '.join(left)}")
    except KafkaError as error:
        raise TopicsError(f"Kafka at {bootstrap} does not answer: {error!r}") from error
    return there


def _admin(bootstrap: str) -> Any:
    return KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","),
        request_timeout_ms=CLIENT_TIMEOUT_MS,
        bootstrap_timeout_ms=CLIENT_TIMEOUT_MS,
    )


def _partitions(admin: Any) -> dict[str, int]:
    """The partition count of each topic that Kafka has."""
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics() if topic["error_code"] == 0}
