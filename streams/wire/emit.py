"""Sends events to Kafka, as an exchange would: each to the topic of its type, under the key of its subject.

With kafka-python and its partitioner: murmur2 of the key, as Kafka's own clients do it, which is the key's home
(contract §1). Not every client puts it there: librdkafka (confluent-kafka, Go, .NET, Rust) has another default, and
agrees with murmur2 on few keys unless it is told `partitioner=murmur2_random`. What cannot be placed is sent, too: it
ends in `circulation.rejected`, where its sender can find it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from circulation.events.names import ASSETS, CONTRACTS, EVENT_RETRACTED, OPENLINEAGE_RUN
from circulation.events.types import TYPES
from circulation.words import many
from streams.address import silent
from streams.limits import RECORD_BYTES_MAX, TOPIC_IN_BYTES_MAX
from streams.wire.files import lines_of

CLOUDEVENT: Final = [("content-type", b"application/cloudevents+json")]
OPENLINEAGE: Final = [("content-type", b"application/openlineage+json")]
COMPRESSION: Final = "zstd"
BATCH_BYTES: Final = 256 * 1024
LINGER_MS: Final = 5
# The records in flight at once: bounds the memory, and is where errors are looked at.
FLIGHT_RECORDS_MAX: Final = 20_000
FLIGHT_BYTES_MAX: Final = 64 * 1024 * 1024
CONNECT_TIMEOUT_MS: Final = 15_000
DELIVERY_TIMEOUT_MS: Final = 120_000
NAP_SECONDS_MIN: Final = 0.002


class EmitError(Exception):
    """Kafka did not take what was sent; the message says why, and how much it took before."""


class Placed(NamedTuple):
    """Where a record goes. `known` is False where only admission can say what is wrong with it."""

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    known: bool


@dataclass(frozen=True)
class Emitted:
    """The records sent, by topic; of these `unplaced` had no topic of their own.

    Not sent were those that are `too_large`, and those that were checked and are `rejected`.
    """

    topics: dict[str, int]
    unplaced: int
    too_large: int
    seconds: float
    rejected: int = 0

    @property
    def records(self) -> int:
        """All that was sent."""
        return sum(self.topics.values())

    def in_words(self) -> str:
        """One or more lines for a person."""
        by_topic = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(self.topics.items()))
        lines = [f"sent {many(self.records, 'event')} in {self.seconds:.1f} s" + (f": {by_topic}" if by_topic else "")]
        if self.unplaced:
            have = many(self.unplaced, "of them has", "of them have")
            lines.append(f"{have} no type that is known, and will be in circulation.rejected")
        larger = f"larger than {RECORD_BYTES_MAX // 2**20} MiB"
        if self.too_large:
            lines.append(f"{many(self.too_large, f'{larger} was', f'{larger} were')} not sent: Kafka has no room")
        if self.rejected:
            were = many(self.rejected, "would be rejected and was", "would be rejected and were")
            lines.append(f"{were} not sent")
        return "\n".join(lines)


def place(record: bytes) -> Placed:
    """Topic, key and headers of one event, from its type and subject. Total: what is wrong goes to be rejected."""
    try:
        event = orjson.loads(record)
    except orjson.JSONDecodeError:
        return Placed(CONTRACTS, None, CLOUDEVENT, False)
    if not isinstance(event, dict):
        return Placed(CONTRACTS, None, CLOUDEVENT, False)
    if "specversion" not in event and "eventTime" in event and isinstance(event.get("run"), dict):
        run = event["run"].get("runId")
        return Placed(ASSETS, _key(run), OPENLINEAGE, True)
    key = _key(event.get("subject"))
    type_ = event.get("type")
    if type_ == EVENT_RETRACTED:
        data = event.get("data")
        type_ = data.get("type") if isinstance(data, dict) else None
        if type_ == OPENLINEAGE_RUN:
            return Placed(ASSETS, key, CLOUDEVENT, True)
    topic = TYPES[type_][0] if isinstance(type_, str) and type_ in TYPES else None
    return Placed(CONTRACTS if topic is None else topic, key, CLOUDEVENT, topic is not None)


def _key(subject: object) -> bytes | None:
    return subject.encode() if isinstance(subject, str) and subject else None


def lines_of_files(paths: Iterable[Path]) -> Iterator[bytes]:
    """The events of files, one after the other: lines, or the elements of the array in a `.json`.

    Raises OSError where a file cannot be read.
    """
    for path in paths:
        if path.suffix == ".json":
            yield from _elements(path)
        else:
            yield from lines_of(path)


def _elements(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise OSError(f"{path}: no JSON: {error}") from error
    if isinstance(document, list):
        yield from map(orjson.dumps, document)
    else:
        yield orjson.dumps(document)


def producer(bootstrap: str) -> Any:
    """A producer that loses and doubles nothing: acknowledged by all replicas, idempotent, topics made on purpose."""
    return KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        acks="all",
        enable_idempotence=True,
        compression_type=COMPRESSION,
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
        max_request_size=TOPIC_IN_BYTES_MAX,
        max_block_ms=CONNECT_TIMEOUT_MS,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def emit(
    lines: Iterable[bytes],
    bootstrap: str,
    *,
    rate: float | None = None,
    check: Callable[[bytes, Placed], bool] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Emitted:
    """Send events, a line each; returns when Kafka has taken all of them. Empty lines are passed over.

    Args:
        lines: structured CloudEvents or OpenLineage events, in the order in which each key is to have them.
        bootstrap: Kafka, host:port, separated by commas.
        rate: events a second at most; None is as fast as it goes.
        check: whether a record may be sent; without it all of them are.
        monotonic: the clock, in seconds, that the rate is kept by.
        sleep: what waits, for so many seconds of that clock.

    Raises:
        EmitError: if Kafka cannot be reached, lacks a topic, or does not take a record.
        OSError: whatever reading the lines raises; what was read before has been sent.
    """
    began = monotonic()
    topics: Counter[str] = Counter()
    unplaced = too_large = rejected = 0
    flight: list[Any] = []
    flight_bytes = 0
    try:
        sender = producer(bootstrap)
    except KafkaError as error:
        raise EmitError(silent(bootstrap, _said(error))) from error

    def land() -> None:
        sender.flush()
        for future in flight:
            if future.failed():
                raise EmitError(f"Kafka at {bootstrap} did not take a record: {_said(future.exception)}")
        flight.clear()

    try:
        for line in lines:
            record = line.rstrip(b"\r\n")
            if not record.strip():
                continue
            placed = place(record)
            if check is not None and not check(record, placed):
                rejected += 1
                continue
            if rate is not None:
                nap = began + (topics.total() + too_large) / rate - monotonic()
                if nap > NAP_SECONDS_MIN:
                    sleep(nap)
            try:
                flight.append(sender.send(placed.topic, value=record, key=placed.key, headers=list(placed.headers)))
            except MessageSizeTooLargeError:
                too_large += 1
                continue
            except KafkaTimeoutError as error:
                raise EmitError(
                    f"Kafka at {bootstrap} has no topic {placed.topic} (circulation topics create), or does not answer"
                ) from error
            topics[placed.topic] += 1
            unplaced += not placed.known
            flight_bytes += len(record)
            if len(flight) >= FLIGHT_RECORDS_MAX or flight_bytes >= FLIGHT_BYTES_MAX:
                land()
                flight_bytes = 0
        land()
    except KafkaError as error:
        raise EmitError(f"Kafka at {bootstrap}: {_said(error)} (after {many(topics.total(), 'record')})") from error
    finally:
        # Records read are sent, also when reading failed; those that Kafka has not taken by then were reported above.
        sender.close(timeout=CONNECT_TIMEOUT_MS / 1000)
    return Emitted(dict(topics), unplaced, too_large, monotonic() - began, rejected)


def send_records(
    bootstrap: str, records: Iterable[tuple[str, bytes | None, Sequence[tuple[str, bytes | None]], bytes]]
) -> None:
    """Send records as they are: topic, key, headers and value of each. Returns when Kafka has all of them.

    Raises:
        EmitError: if Kafka cannot be reached, lacks a topic, or does not take a record.
    """
    try:
        sender = producer(bootstrap)
    except KafkaError as error:
        raise EmitError(silent(bootstrap, _said(error))) from error
    try:
        flight = [
            sender.send(topic, value=value, key=key, headers=list(headers)) for topic, key, headers, value in records
        ]
        sender.flush()
        for future in flight:
            if future.failed():
                raise EmitError(f"Kafka at {bootstrap} did not take a record: {_said(future.exception)}")
    except KafkaError as error:
        raise EmitError(f"Kafka at {bootstrap}: {_said(error)}") from error
    finally:
        sender.close(timeout=CONNECT_TIMEOUT_MS / 1000)


def _said(error: object) -> str:
    return str(error) or type(error).__name__
