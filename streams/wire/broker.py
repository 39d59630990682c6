"""Queries to Kafka: topics and their ids, partitions, where they begin and end, a group and its members."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.wire.offsets import EARLIEST, LATEST, last_before, offsets, written_anew
from streams.wire.reader import TP

TIMEOUT_SECONDS: Final = 10.0


def admin_client(bootstrap: str) -> AdminClient:
    """A client that asks Kafka at `bootstrap` (host:port, separated by commas), and logs nothing by itself."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


class Group(NamedTuple):
    """The consumer group of a store's workers, as Kafka has it: its state, and which partitions each member has.

    `state` is empty where there is no such group: no worker ever joined it, or none did for long.
    """

    name: str
    state: str
    members: dict[str, list[TP]]

    def strangers(self, workers: Iterable[str]) -> list[str]:
        """Its members that are none of these workers: those of another store that has the same id."""
        known = tuple(f"{worker}-" for worker in workers)
        return sorted(member for member in self.members if not member.startswith(known))


class Broker:
    """Topics and partitions as Kafka has them. Raises `KafkaException` where it does not answer."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = admin_client(bootstrap)

    def renew(self) -> None:
        """Ask by another client from now on, after one that failed: one that asked while no broker led may wait for its
        controller for good."""
        self._admin = admin_client(self._bootstrap)

    def answers(self, timeout_seconds: float) -> None:
        """Ask for what any broker can say, which needs no controller and nothing but one request."""
        self._admin.list_topics(timeout=timeout_seconds)

    def topics(self, topics: Iterable[str]) -> tuple[dict[str, str], dict[str, int]]:
        """The id and the number of partitions of each topic that is there."""
        futures = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=TIMEOUT_SECONDS)
        ids, counts = {}, {}
        for topic, future in futures.items():
            try:
                described = future.result()
            except KafkaException as error:
                if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
                    raise
                continue
            ids[topic], counts[topic] = str(described.topic_id), len(described.partitions)
        return ids, counts

    def partitions(self, topics: Iterable[str]) -> list[TP]:
        """The partitions of those of the topics that are there."""
        existing = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        return [(topic, partition) for topic in topics if topic in existing for partition in existing[topic].partitions]

    def begins(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """The first offset of each partition."""
        return offsets(self._admin, partitions, EARLIEST)

    def begin_of_new(self, tp: TP) -> int:
        """The first offset of a partition that may be new."""
        # A client asks nobody about partitions that it has not heard of, and hears of new ones by itself much later.
        self._admin.list_topics(tp[0], timeout=TIMEOUT_SECONDS)
        return self.begins([tp])[tp]

    def ends(self, partitions: Iterable[TP], *, stable: bool = False) -> dict[TP, int]:
        """The end of each partition; a `stable` one lies before the first transaction that is open."""
        return offsets(self._admin, partitions, LATEST, stable=stable)

    def written_anew(self, read: Mapping[TP, tuple[int, int]]) -> list[TP]:
        """Those of which Kafka has other records than were read: see `offsets.written_anew`."""
        return written_anew(self._admin, self._bootstrap, read)

    def last_before(self, positions: Mapping[TP, int]) -> dict[TP, tuple[int, int]]:
        """The last record before each of these positions, and when it was written: see `offsets.last_before`."""
        return last_before(self._admin, self._bootstrap, positions)

    def group(self, name: str) -> Group:
        """A consumer group."""
        (future,) = self._admin.describe_consumer_groups([name], request_timeout=TIMEOUT_SECONDS).values()
        try:
            described = future.result()
        except KafkaException as error:
            if error.args[0].name() != "GROUP_ID_NOT_FOUND":
                raise
            return Group(name, "", {})
        members = {
            f"{member.member_id} ({member.host})": sorted(
                (tp.topic, tp.partition) for tp in member.assignment.topic_partitions
            )
            for member in described.members
        }
        state = described.state.name.lower()
        return Group(name, "" if state == "dead" else state, members)
