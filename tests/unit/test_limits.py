"""Limits of records follow from one number, and whoever sets one sets it so."""

from pathlib import Path

import yaml

from circulation.admission.records import EVENT_BYTES_MAX
from circulation.bounds import BYTES_MAX
from circulation.credit.sending import STATEMENT_BYTES_MAX
from deploy.kafka import RECORD_BYTES_MAX as DEPLOYED_BYTES_MAX
from streams import limits
from streams.topics import TOPICS_IN, plan

ROOT = Path(__file__).resolve().parent.parent.parent


def test_what_comes_in_can_leave() -> None:
    rising = (
        EVENT_BYTES_MAX,
        limits.RECORD_BYTES_MAX,
        limits.TOPIC_IN_BYTES_MAX,
        limits.TOPIC_OUT_BYTES_MAX,
        limits.RECEIVE_BYTES_MAX,
        limits.UNPACKED_BYTES_MAX,
        limits.QUEUE_KBYTES_MAX * 1024,
    )
    assert list(rising) == sorted(set(rising))
    assert limits.TOPIC_OUT_BYTES_MAX == limits.RELAY_BYTES_MAX == limits.BROKER_BYTES_MAX
    # Four bytes for a character, of names and of texts, and what is around each header.
    around = limits.KEY_BYTES_MAX + limits.HEADERS_MAX * 2 * (4 * limits.HEADER_CHARACTERS_MAX + 16)
    assert limits.TOPIC_IN_BYTES_MAX + around <= limits.TOPIC_OUT_BYTES_MAX
    assert max(BYTES_MAX, STATEMENT_BYTES_MAX) < limits.RECORD_BYTES_MAX


def test_topics_and_brokers_have_the_limits_that_are_named() -> None:
    largest = {each.name: int(each.configs["max.message.bytes"]) for each in plan()}
    assert {limits.TOPIC_IN_BYTES_MAX} == {largest.pop(name) for name in TOPICS_IN}
    assert {limits.TOPIC_OUT_BYTES_MAX} == set(largest.values())
    assert limits.BROKER_BYTES_MAX == DEPLOYED_BYTES_MAX
    kafka = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"]["environment"]
    names = ("KAFKA_MESSAGE_MAX_BYTES", "KAFKA_REPLICA_FETCH_MAX_BYTES")
    assert {limits.BROKER_BYTES_MAX} == {int(kafka[name]) for name in names}
