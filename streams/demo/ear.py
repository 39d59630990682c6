"""The demo's consumer: findings and statements of credit that come out of Kafka, as any receiver gets them."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from circulation.events.names import CREDIT, FINDING_RAISED, FINDINGS, REJECTED
from streams.demo.story import Act, Found

READ_SECONDS_MAX: Final = 15.0
RECORDS_AT_ONCE: Final = 1_000


class Heard:
    """The messages so far, from the beginning. A message that comes twice has the same id, and is dropped."""

    def __init__(self) -> None:
        self.standing: dict[str, dict[str, Any]] = {}
        self.cleared: dict[str, Found] = {}
        self.statements: dict[str, dict[str, Any]] = {}
        self.values: list[bytes] = []
        self.rejected: list[tuple[str, str]] = []
        self._seen: set[str] = set()

    def hear(self, topic: str, value: bytes, headers: dict[str, bytes]) -> None:
        """Takes in one record."""
        if topic == REJECTED:
            reason, detail = (headers.get(name, b"").decode(errors="replace") for name in ("reason", "detail"))
            self.rejected.append((reason, detail))
            return
        event = orjson.loads(value)
        data = event["data"]
        if topic == CREDIT:
            self.statements[data["party"]] = data
            return
        self.values.append(value)
        if event["id"] + event["type"] in self._seen:
            return
        self._seen.add(event["id"] + event["type"])
        finding = data["finding"]
        if event["type"] == FINDING_RAISED:
            self.standing[finding] = data
            self.cleared.pop(finding, None)
        elif (gone := self.standing.pop(finding, None)) is not None:
            self.cleared[finding] = key_of(gone)

    def standing_of(self, wanted: Found) -> dict[str, Any]:
        """The finding that stands and is what is wanted; KeyError where there is none."""
        for finding in self.standing.values():
            if key_of(finding) == wanted:
                return finding
        raise KeyError(wanted)

    def lacks(self, act: Act) -> list[str]:
        """The findings of an act that have not come yet, in words."""
        standing, cleared = {key_of(finding) for finding in self.standing.values()}, set(self.cleared.values())
        lacking = [" ".join(expected) for expected in act.raised if expected not in standing]
        lacking += [f"{' '.join(expected)} cleared" for expected in act.cleared if expected not in cleared]
        if act.party is not None and self.statements.get(act.party, {}).get("score") != act.score:
            lacking.append(f"a score of {act.score} of {act.party}")
        return lacking


class Ear(Heard):
    """Hears a Kafka whose topics are as old as the demo."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self._next: dict[tuple[str, int], int] = {}
        settings = {"bootstrap.servers": bootstrap, "group.id": "circulation-demo", "enable.auto.commit": False}
        self._consumer = Consumer(settings)

    def __enter__(self) -> Self:
        for topic in (FINDINGS, CREDIT, REJECTED):
            for number in self._consumer.list_topics(topic, timeout=READ_SECONDS_MAX).topics[topic].partitions:
                self._next[topic, number] = 0
        self._consumer.assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in self._next])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def listen(self, seconds: float) -> None:
        """Takes in what came, and waits so long for more."""
        for record in self._consumer.consume(RECORDS_AT_ONCE, timeout=seconds):
            if record.error() is not None:
                continue
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            if topic is None or partition is None or offset is None:
                continue
            self._next[topic, partition] = offset + 1
            headers: Any = record.headers() or ()  # the library's type allows more than it gives
            self.hear(topic, record.value() or b"", {name: value or b"" for name, value in headers})

    def listen_to_the_end(self) -> None:
        """Listens until everything is heard that is in the topics now."""
        deadline = time.monotonic() + READ_SECONDS_MAX
        ends = {
            partition: self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=READ_SECONDS_MAX)[1]
            for partition in self._next
        }
        while any(self._next[partition] < end for partition, end in ends.items()) and time.monotonic() < deadline:
            self.listen(0.2)


def key_of(finding: Mapping[str, Any]) -> Found:
    """The key of a finding: detector, severity and id."""
    return Found(finding["detector"], finding["severity"], finding["about"]["id"])
