"""Puts messages into the outbox, in the open transaction: Kafka records that the relay sends in their order."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from circulation.bounds import shortened
from circulation.calendar import format_instant
from streams import limits
from streams.store import schema
from streams.store.db import Db


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: the same value is the same bytes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # sums may grow beyond 64 bits, which only the standard library writes
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Message(NamedTuple):
    """A record that is to be sent: a Kafka record without its partition."""

    topic: str
    key: bytes | None
    headers: tuple[tuple[str, str], ...]
    value: bytes


def post(db: Db, messages: Iterable[Message]) -> None:
    """Puts messages into the outbox, in their order."""
    since = db.clock()
    rows = [
        (since, message.topic, _key(message.key), orjson.dumps(_headers(message.headers)), message.value)
        for message in messages
    ]
    db.many(schema.outbox, rows)


def _key(key: bytes | None) -> bytes | None:
    """A key no longer than one that is valid; a longer one is of a record that is rejected, and only its beginning."""
    return key if key is None or len(key) <= limits.KEY_BYTES_MAX else key[: limits.KEY_BYTES_MAX]


def _headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Headers that fit beside the largest value: what they say of a record may be as long as the record."""
    if sum(map(len, itertools.chain.from_iterable(headers))) <= limits.HEADER_CHARACTERS_MAX:
        return headers
    most = limits.HEADER_CHARACTERS_MAX
    return tuple((shortened(name, most), shortened(text, most)) for name, text in headers[: limits.HEADERS_MAX])


CLOUDEVENT = (("content-type", "application/cloudevents+json"),)


def cloudevent(
    topic: str, key: str, *, type_: str, source: str, id_: str, time: int, data: Mapping[str, Any] | orjson.Fragment
) -> Message:
    """One CloudEvent in structured mode; `data` may be written as JSON already."""
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": type_,
        "subject": key,
        "time": format_instant(time),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Message(topic, key.encode(), CLOUDEVENT, canonical(event))
