"""Reads `circulation.rejected`: what was not admitted, why, and where it was; and the records that it was in."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from circulation.events.names import REJECTED
from streams.address import silent

# A reader here joins no group and keeps no position.
GROUP: Final = "not-joined"
ANSWER_SECONDS: Final = 15.0
POLL_SECONDS: Final = 1.0
POLL_RECORDS: Final = 1_000
# A fetch brings one record whatever its size, so that small fetches read large records, too.
FETCH_BYTES: Final = 4 * 1024 * 1024
ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
QUEUE_KBYTES: Final = 32 * 1024
MILLISECOND: Final = 1_000

LEADERLESS: Final = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
LEADER_SECONDS: Final = 0.1

Where = tuple[str, int, int]


class RejectedError(Exception):
    """Kafka does not answer, or has not what was asked for; the message says which."""


class Rejected(NamedTuple):
    """One record of the topic: where it is, when it was written (µs), its headers as text, and the bytes it is about.

    Two records at one place of an input topic are elements of one batch, or one that was judged by two workers.
    """

    partition: int
    offset: int
    written: int
    headers: Mapping[str, str]
    record: bytes

    @property
    def name(self) -> str:
        """Its name in commands: `PARTITION@OFFSET`."""
        return f"{self.partition}@{self.offset}"

    @property
    def reason(self) -> str:
        """The code of why it was rejected."""
        return self.headers.get("reason", "")

    @property
    def detail(self) -> str:
        """A path and the rule broken; of several, one a line."""
        return self.headers.get("detail", "")

    @property
    def where(self) -> Where | None:
        """Topic, partition and offset of the record it was in; None where that was no record of Kafka."""
        try:
            return self.headers["topic"], int(self.headers["partition"]), int(self.headers["offset"])
        except (KeyError, ValueError):
            return None

    @property
    def element(self) -> int | None:
        """Of a batch, which element it was."""
        text = self.headers.get("index", "")
        return int(text) if text.isascii() and text.isdigit() else None


class Original(NamedTuple):
    """A record of an input topic as its sender made it."""

    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes


class Look:
    """A look at Kafka, closed at its end."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "allow.auto.create.topics": False,
                "fetch.message.max.bytes": FETCH_BYTES,
                "receive.message.max.bytes": ANSWER_BYTES_MAX,
                "queued.max.messages.kbytes": QUEUE_KBYTES,
            },
            # The raised error says why.
            logger=_SILENT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise RejectedError(silent(self._bootstrap, error.args[0].str())) from error

    def ends(self) -> dict[int, int]:
        """The end of each partition of `circulation.rejected`, empty where there is no such topic."""
        with self._answered():
            topic = self._consumer.list_topics(REJECTED, timeout=ANSWER_SECONDS).topics[REJECTED]
            if topic.error is not None:
                return {}
            return {partition: self._watermarks(REJECTED, partition)[1] for partition in sorted(topic.partitions)}

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset and the end of a partition; one that was just made may lack its leader yet."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                low, end = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ANSWER_SECONDS, cached=False
                )
            except KafkaException as error:
                if error.args[0].code() not in LEADERLESS or time.monotonic() > deadline:
                    raise
                time.sleep(LEADER_SECONDS)
                continue
            return low, end

    def begins(self, since: int) -> dict[int, int]:
        """The first offset of each partition at or after an instant (µs)."""
        with self._answered():
            ends = self.ends()
            queries = [TopicPartition(REJECTED, partition, since // MILLISECOND) for partition in ends]
            offsets = self._consumer.offsets_for_times(queries, timeout=ANSWER_SECONDS) if queries else []
            return {tp.partition: tp.offset if tp.offset >= 0 else ends[tp.partition] for tp in offsets}

    def rejected(self, begins: Mapping[int, int] | None = None) -> Iterator[Rejected]:
        """The records of `circulation.rejected` up to its end, from `begins` on or from its beginning.

        Of each partition in order; partitions in no order.
        """
        if begins is None:
            begins = dict.fromkeys(self.ends(), 0)
        yield from map(_rejected, self._read({(REJECTED, partition): offset for partition, offset in begins.items()}))

    def one(self, partition: int, offset: int) -> Rejected:
        """One record of `circulation.rejected`. Raises `RejectedError` where it is not there."""
        return _rejected(self._at((REJECTED, partition, offset)))

    def original(self, where: Where) -> Original:
        """The record at a place of an input topic. Raises `RejectedError` where Kafka has it no longer."""
        record = self._at(where)
        return Original(record.key(), list(record.headers() or ()), record.value() or b"")

    def _at(self, where: Where) -> Any:
        topic, partition, offset = where
        gone = RejectedError(f"Kafka has no record {topic}[{partition}]@{offset}, or no longer")
        try:
            low, end = self._watermarks(topic, partition)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise gone from error
            raise RejectedError(silent(self._bootstrap, error.args[0].str())) from error
        if not low <= offset < end:
            raise gone
        for message in self._read({(topic, partition): offset}):
            if message.offset() == offset:
                return message
            break
        raise gone

    def _read(self, begins: Mapping[tuple[str, int], int]) -> Iterator[Any]:
        """Records from these offsets on to the end of each partition, as librdkafka says where that is."""
        if not begins:
            return
        self._consumer.assign([TopicPartition(*tp, offset) for tp, offset in begins.items()])
        left = set(begins)
        silent = 0.0
        while left:
            messages = self._consumer.consume(POLL_RECORDS, POLL_SECONDS)
            silent = 0.0 if messages else silent + POLL_SECONDS
            if silent >= ANSWER_SECONDS:
                raise RejectedError(f"Kafka at {self._bootstrap} has not answered for {ANSWER_SECONDS:.0f} s")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic(), message.partition()))
                elif not error.retriable() and error.code() not in (
                    KafkaError._TRANSPORT,
                    KafkaError._ALL_BROKERS_DOWN,
                ):
                    raise RejectedError(f"Kafka at {self._bootstrap}: {error.str()}")


class _Silent:
    def log(self, *_: object) -> None:
        pass


_SILENT: Final = _Silent()


def _rejected(message: Any) -> Rejected:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or ()}
    return Rejected(
        message.partition(), message.offset(), message.timestamp()[1] * MILLISECOND, headers, message.value() or b""
    )
