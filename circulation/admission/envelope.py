"""The attributes of a CloudEvent, and its data: what is well formed, and what belongs where."""

import base64
import enum
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from circulation.admission.reasons import Reason, Refused, not_cloudevent
from circulation.admission.records import DEPTH_MAX, Attributes, too_deep
from circulation.admission.sources import Sources
from circulation.calendar import MINUTE, parse_instant, shown
from circulation.events.names import (
    ASSET_GRADED,
    ASSETS,
    CONTRACTS,
    EVENT_RETRACTED,
    OPENLINEAGE_RUN,
    ORDERS,
    PARTIES,
    REPORTERS,
    RULEPACK_PUBLISHED,
    RULES,
    SOURCE_HEARTBEAT,
    TOPICS,
)
from circulation.events.types import TYPES, unknown_type
from circulation.identifiers import COUNT_MAX, FAULTS_MAX, Fault, check_asset, check_id, check_party, check_source
from circulation.near import did_you_mean, named, slips_of
from circulation.voices import MAY_TAKE_OFFICIAL, Voices, takes_official

# A pack that is packed, once it is unpacked: a list of 100,000 entries as people write them has some 25 MiB. Of values
# as many as a file of YAML may have.
UNPACKED_BYTES_MAX: Final = 64 * 1_048_576
UNPACKED_VALUES_MAX: Final = 8_000_000
AHEAD_MAX: Final = 10 * MINUTE
SEQUENCE_LENGTH_MAX: Final = 32

# The content type of a pack that is packed: its JSON as gzip, in `data_base64`.
PACKED: Final = "application/gzip"


class Unkeyed(enum.Enum):
    """The type of `ANY`: a record without a Kafka key to check, as the lines of a file are."""

    ANY = "any"


ANY: Final = Unkeyed.ANY
RANKS: Final[dict[str | None, int]] = {None: 0, **{name: rank for rank, name in enumerate(REPORTERS)}}


class Envelope(NamedTuple):
    """The attributes of a CloudEvent once they are known to be well formed."""

    type: str
    subject: str
    source: str
    id: str
    time: int
    sequence: int | None
    epoch: int
    reporter: int
    partitionkey: str | None
    data: dict[str, Any]
    # Data that is no JSON object: CloudEvents allows it, no type of event here does.
    fault: Fault | None
    # Attributes that are a slip away from one that is absent; and how many others nobody knows, as extensions are.
    slips: tuple[Fault, ...]
    unknown: int


_ATTRIBUTES_OF_TEXT: Final = ("id", "source", "type", "subject", "time")
ATTRIBUTES: Final = frozenset(
    {
        *_ATTRIBUTES_OF_TEXT,
        "specversion",
        "datacontenttype",
        "dataschema",
        "data",
        "data_base64",
        "partitionkey",
        "sequence",
        "sequencetype",
        "sequenceepoch",
        "reporter",
        "signature",
    }
)


def from_binary(data: Any, attributes: Attributes) -> dict[str, Any]:
    """A CloudEvent in binary mode as its structured one. Raises `Refused`."""
    texts = attributes.cloudevent or {}
    for name, text in texts.items():
        # Bytes that are no UTF-8 were carried as lone surrogates, which no text has.
        if not _is_text(text):
            raise not_cloudevent(f"ce_{name}: not UTF-8")
    content_type = attributes.content_type
    if content_type and not _is_json(content_type):
        raise not_cloudevent(f"content-type: expected application/json, got {shown(content_type)}")
    return {name: text for name, text in texts.items() if name not in ("data", "data_base64")} | {"data": data}


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def envelope_of(document: Any) -> Envelope:
    """The envelope of a CloudEvent in structured mode. Raises `Refused` with all that is wrong with it."""
    if not isinstance(document, dict):
        raise not_cloudevent("$: expected an object")
    faults: list[str] = []
    if document.get("specversion") != "1.0":
        faults.append('$.specversion: must be "1.0"')
    for name in _ATTRIBUTES_OF_TEXT:
        text = document.get(name)
        if not text or not isinstance(text, str):
            faults.append(f"$.{name}: {_broken(text)}")
    time = 0
    if isinstance(stated_time := document.get("time"), str) and stated_time:
        try:
            time = parse_instant(stated_time)
        except ValueError as error:
            faults.append(f"$.time: {error}")
    partitionkey = document.get("partitionkey")
    if partitionkey is not None and (not isinstance(partitionkey, str) or not partitionkey):
        faults.append("$.partitionkey: expected a text that is not empty")
    reporter = document.get("reporter")
    if reporter is not None and not (isinstance(reporter, str) and reporter in RANKS):
        faults.append(f"$.reporter: must be one of {', '.join(REPORTERS)}")
    kind = document.get("sequencetype")
    if kind is not None and kind != "Integer":
        faults.append("$.sequencetype: must be Integer")
    sequence = number_of(document, "sequence", 1, faults)
    epoch = number_of(document, "sequenceepoch", 0, faults) if "sequenceepoch" in document else 0
    slips, unknown = ((), 0) if document.keys() <= ATTRIBUTES else _unknown(document)
    if faults:
        raise not_cloudevent(*faults, *slips)
    data, fault = document.get("data"), None
    if document.get("data_base64") is not None:
        data, fault = _from_base64(document)
    elif data is None and document["type"] != SOURCE_HEARTBEAT:  # a heartbeat has nothing to say but itself
        fault = Fault("$.data", "is missing")
    elif data is not None and not isinstance(data, dict):
        fault = Fault("$.data", "expected an object")
    return Envelope(
        document["type"],
        document["subject"],
        document["source"],
        document["id"],
        time,
        sequence,
        epoch or 0,
        RANKS[reporter],
        partitionkey,
        data if isinstance(data, dict) else {},
        fault,
        slips,
        unknown,
    )


def _broken(value: Any) -> str:
    """Say why an attribute is no text that is not empty."""
    if value is None:
        return "is missing"
    return "must not be empty" if isinstance(value, str) else "expected a text"


def _unknown(document: dict[str, Any]) -> tuple[tuple[Fault, ...], int]:
    """Attributes that are a slip away from an absent one, and how many more are not known: extensions are lawful."""
    unknown = [name for name in document.keys() - ATTRIBUTES if document[name] is not None]
    near = slips_of(frozenset(name for name in ATTRIBUTES if document.get(name) is None))
    slips: list[Fault] = []
    for name in sorted(unknown):
        if len(slips) < FAULTS_MAX and (names := near.of(name)):
            slips.append(Fault(f"$.{named(name)}", f"no such attribute{did_you_mean(names)}"))
    return tuple(slips), len(unknown) - len(slips)


def _from_base64(document: dict[str, Any]) -> tuple[Any, Fault | None]:
    """The data that `data_base64` holds: JSON, which of a published pack may be packed."""
    text, content_type = document["data_base64"], document.get("datacontenttype")
    fault: str | None = None
    data: Any = None
    try:
        raw = base64.b64decode(text, validate=True)
        if content_type == PACKED and document["type"] == RULEPACK_PUBLISHED:
            raw = _unpacked(raw)
        elif not _is_json(content_type):
            raise ValueError(f"holds what is no JSON by its datacontenttype, {shown(str(content_type))}")
        if too_deep(raw, DEPTH_MAX):
            raise Refused(Reason.TOO_DEEP, f"$.data_base64: at most {DEPTH_MAX} levels of nesting")
        data = orjson.loads(raw)
    except (ValueError, TypeError, zlib.error) as error:
        fault = str(error)
    if document.get("data") is not None:
        fault = "is given beside `data`"
    elif fault is None and not isinstance(data, dict):
        fault = "expected an object"
    return data, None if fault is None else Fault("$.data_base64", fault)


def _is_json(content_type: object) -> bool:
    if content_type is None:
        return True
    name = content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else ""
    return name.endswith(("/json", "+json"))


def _unpacked(packed: bytes) -> bytes:
    """Unpack gzip, up to the limit of bytes. Raises `ValueError`, `zlib.error`."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    raw = unpacking.decompress(packed, UNPACKED_BYTES_MAX + 1)
    if len(raw) > UNPACKED_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, f"$.data_base64: at most {UNPACKED_BYTES_MAX} bytes when it is unpacked")
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("is not one gzip member that ends")
    if sum(map(raw.count, (b",", b"[", b"{"))) > UNPACKED_VALUES_MAX:
        raise Refused(Reason.TOO_LARGE, f"$.data_base64: at most {UNPACKED_VALUES_MAX} values")
    return raw


def number_of(document: Mapping[str, Any], name: str, least: int, faults: list[str]) -> int | None:
    """The number that an attribute of digits is; None, and a fault, where it is none."""
    digits = document.get(name)
    if digits is None:
        return None
    if not isinstance(digits, str) or not (digits.isascii() and digits.isdigit()):
        faults.append(f"$.{name}: expected a string of digits")
        return None
    number = int(digits) if len(digits) <= SEQUENCE_LENGTH_MAX else COUNT_MAX + 1
    if not least <= number <= COUNT_MAX:
        faults.append(f"$.{name}: must be at least {least} and at most {COUNT_MAX}")
        return None
    return number


def topic_of(envelope: Envelope, topic: str | None) -> str:
    """The topic an event belongs to; that of a retraction is the topic of what it takes back."""
    if topic is not None and topic not in TOPICS:
        raise Refused(Reason.UNKNOWN_TYPE, f"$.type: nothing is read from {shown(topic)}")
    if envelope.type not in TYPES:
        raise Refused(Reason.UNKNOWN_TYPE, f"$.type: {unknown_type(envelope.type)}")
    if envelope.type == EVENT_RETRACTED:
        return _retracted(envelope)[0] or topic or PARTIES
    home = TYPES[envelope.type][0] or PARTIES
    if topic is not None and home != topic:
        raise Refused(Reason.UNKNOWN_TYPE, f"$.type: {envelope.type} belongs to {home}, not to {topic}")
    return home


def _retracted(envelope: Envelope) -> tuple[str | None, str]:
    """Topic and type of what a retraction takes back; without a topic where it names no such type."""
    named = envelope.data.get("type")
    if not isinstance(named, str):
        return None, ""
    if named == OPENLINEAGE_RUN:
        return ASSETS, named
    return TYPES.get(named, (None,))[0], named


def _subject_fault(envelope: Envelope, home: str) -> Fault | None:
    """Find the fault of the subject, by the topic and the type of the event."""
    type_name = envelope.type
    check = _SUBJECTS[home]
    if type_name == EVENT_RETRACTED:
        named_topic, type_name = _retracted(envelope)
        if named_topic is None:
            check = check_source  # whose subject it is cannot be told, and the data is refused anyway
    if type_name == SOURCE_HEARTBEAT:
        check = check_source
        if envelope.subject != envelope.source:
            return Fault("$.subject", "must be the source, whose heartbeat it is")
    if type_name == OPENLINEAGE_RUN:
        check = check_id
    broken = check(envelope.subject)
    return None if broken is None else Fault("$.subject", f"{broken}, got {shown(envelope.subject)}")


_SUBJECTS: Final[dict[str, Callable[[str], str | None]]] = {
    PARTIES: check_party,
    ASSETS: check_asset,
    CONTRACTS: check_id,
    RULES: check_id,
    ORDERS: check_id,
}


def identity_faults(envelope: Envelope, home: str) -> list[Fault]:
    """Find the faults of the subject, the source and the id."""
    faults = [] if (fault := _subject_fault(envelope, home)) is None else [fault]
    for name, text, check in (("source", envelope.source, check_source), ("id", envelope.id, check_id)):
        if (broken := check(text)) is not None:
            faults.append(Fault(f"$.{name}", f"{broken}, got {shown(text)}"))
    return faults


def check_key(envelope: Envelope, key: bytes | Unkeyed | None) -> None:
    """Refuses a key, or a `partitionkey`, that is not the subject."""
    if envelope.partitionkey is not None and envelope.partitionkey != envelope.subject:
        raise Refused(Reason.KEY_MISMATCH, "$.partitionkey: must equal the subject")
    if key is not ANY and key != envelope.subject.encode():
        raise Refused(Reason.KEY_MISMATCH, "key: the record's key must be the bytes of the subject")


def check_authorised(sources: Sources | None, source: str, type_name: str, reporter: int) -> None:
    """Refuses what the source may not report, and a reporter as whom it may not."""
    if sources is None:
        return
    if not sources.allows(source, type_name):
        raise Refused(Reason.NOT_AUTHORISED, f"$.source: {shown(source)} may not report {type_name}")
    if not sources.allows_as(source, reporter):
        raise Refused(Reason.NOT_AUTHORISED, f"$.reporter: {shown(source)} may not report as {REPORTERS[reporter]}")


def check_official(voices: Voices, source: str, type_name: str, data: Mapping[str, Any]) -> None:
    """Refuses what only officials say from a source that is none of theirs."""
    if type_name in MAY_TAKE_OFFICIAL and takes_official(type_name, data) and not voices.is_official(source):
        claim = f"{type_name} with `approved_by`" if type_name == ASSET_GRADED else type_name
        raise Refused(
            Reason.NOT_AUTHORISED,
            f"$.source: {shown(source)} is not in CIRCULATION_OFFICIAL_SOURCES, and only officials report {claim}",
        )


def check_time(time: int, now: int, path: str) -> None:
    """Refuses an event that is too far ahead of the clock."""
    if time > now + AHEAD_MAX:
        minutes = AHEAD_MAX // MINUTE
        raise Refused(Reason.FROM_THE_FUTURE, f"{path}: more than {minutes} minutes ahead of the clock")
