"""How topics are set, and whether that keeps what they hold: checked at a worker's start, and put right on demand.

Only what loses records or refuses them counts as a difference: a topic may keep more, and for longer, than it must.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # missing in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from circulation.events.names import RULES
from streams.topics import DAY_MS, REPLICATION_DEFAULT, TOPICS, Plan, in_sync_min, plan

TIMEOUT_SECONDS: Final = 10.0
# Not set for a topic: nothing is deleted by this.
UNLIMITED: Final = -1


class Topic(NamedTuple):
    """One topic as Kafka has it: how many partitions, on how many brokers at least, and its settings."""

    partitions: int
    replication: int
    configs: Mapping[str, str]

    def number(self, name: str) -> int | None:
        """A setting as a number, None where it is none."""
        try:
            return int(self.configs.get(name, ""))
        except ValueError:
            return None


class Difference(NamedTuple):
    """One setting of one topic that is not as it should be. `value` is what `topics create --apply` sets in its place,
    None where that puts nothing right."""

    topic: str
    setting: str
    current: str
    wanted: str
    why: str
    value: str | None = None

    def in_words(self) -> str:
        """One sentence, with what to do."""
        todo = "" if self.value is None else " (circulation topics create --apply sets it)"
        return f"{self.topic}: {self.setting} is {self.current}, must be {self.wanted}: {self.why}{todo}"


def topics(admin: AdminClient) -> tuple[dict[str, Topic], int]:
    """Those of our topics that are there, and the number of brokers. Raises `KafkaException`."""
    metadata = admin.list_topics(timeout=TIMEOUT_SECONDS)
    existing = [name for name in TOPICS if name in metadata.topics]
    resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in existing}
    futures = admin.describe_configs(list(resources.values()), request_timeout=TIMEOUT_SECONDS) if resources else {}
    by_name = {}
    for name, resource in resources.items():
        partitions = metadata.topics[name].partitions.values()
        configs = {key: str(entry.value) for key, entry in futures[resource].result().items()}
        by_name[name] = Topic(
            len(partitions), min((len(partition.replicas) for partition in partitions), default=0), configs
        )
    return by_name, len(metadata.brokers)


def differences(by_name: Mapping[str, Topic], brokers: int, *, retention_days: int) -> list[Difference]:
    """The settings that differ from the plan, in the order of the topics."""
    plans = plan(replication=min(REPLICATION_DEFAULT, brokers), retention_days=retention_days)
    return [difference for plan in plans for difference in _of(plan, by_name.get(plan.name))]


def _of(wanted: Plan, topic: Topic | None) -> Iterable[Difference]:
    name = wanted.name
    if topic is None:
        yield Difference(name, "the topic", "missing", "there", "circulation topics create makes it")
        return
    if name == RULES and topic.partitions != 1:
        yield Difference(name, "the number of partitions", str(topic.partitions), "1", "packs have one order")
    if topic.replication < wanted.replication:
        why = "a broker that is lost takes records with it; kafka-reassign-partitions adds replicas"
        yield Difference(name, "the replication", str(topic.replication), f"at least {wanted.replication}", why)
    for setting, planned in wanted.configs.items():
        value = str(in_sync_min(topic.replication)) if setting == "min.insync.replicas" else planned
        if (why := _wrong(setting, topic, value) or "") != "":
            least = "at least " if setting in ("retention.ms", "max.message.bytes") and value != "-1" else ""
            is_ = _shown(setting, topic.configs.get(setting, ""))
            yield Difference(name, setting, is_, least + _shown(setting, value), why, value)


def _shown(setting: str, value: str) -> str:
    """A value as a person reads it: a retention with its days."""
    if setting == "retention.ms" and value.isdecimal():
        return f"{value} ({int(value) / DAY_MS:g} days)"
    return value or "not set"


def _wrong(setting: str, topic: Topic, wanted: str) -> str | None:
    """Why this setting will not do; None where it does."""
    number = topic.number(setting)
    match setting:
        case "retention.ms" | "retention.bytes":
            if number is None or (number != UNLIMITED and (int(wanted) == UNLIMITED or number < int(wanted))):
                return "records would be deleted before they are taken in or archived"
        case "max.message.bytes":
            if number is None or number < int(wanted):
                return "what is too large could not be kept"
        case "min.insync.replicas":
            if number is None or number < int(wanted):
                return "a record could be confirmed that one broker alone has"
            if number > topic.replication:
                return "no record could be confirmed"
        case "cleanup.policy":
            if {part.strip() for part in topic.configs.get(setting, "").split(",")} != {wanted}:
                return "records would be deleted that are not old, or old statements kept"
        case "message.timestamp.type":
            if topic.configs.get(setting) != wanted:
                return "a producer with a wrong clock would have its records deleted early"
    return None


def apply(admin: AdminClient, differences: Iterable[Difference]) -> list[Difference]:
    """Alters what can be altered, and answers with it. Raises `KafkaException` where Kafka refuses."""
    by_topic: dict[str, list[Difference]] = {}
    for difference in differences:
        if difference.value is not None:
            by_topic.setdefault(difference.topic, []).append(difference)
    resources = []
    for topic, of_topic in by_topic.items():
        entries = [
            ConfigEntry(difference.setting, str(difference.value), incremental_operation=AlterConfigOpType.SET)
            for difference in of_topic
        ]
        resources.append(ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries))
    if resources:
        for future in admin.incremental_alter_configs(resources, request_timeout=TIMEOUT_SECONDS).values():
            future.result()
    return [difference for of_topic in by_topic.values() for difference in of_topic]


def text_of(error: KafkaException) -> str:
    """Kafka's text of an error, in one line."""
    first: Any = error.args[0] if error.args else error
    return str(first.str() if hasattr(first, "str") else first)
