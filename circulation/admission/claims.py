"""The readable attributes of a rejected record: for people who search for it, and for its feed."""

from typing import Any, Final

import msgspec

from circulation.admission.envelope import number_of
from circulation.admission.reasons import Claim
from circulation.admission.records import Attributes, is_openlineage
from circulation.calendar import parse_instant
from circulation.events.names import EVENT_RETRACTED, OPENLINEAGE_RUN, TOPICS
from circulation.events.types import TYPES
from circulation.near import slips_of

# Longer texts are told nowhere but in the record itself.
CLAIM_LENGTH_MAX: Final = 1_024


_NOTHING: Final = msgspec.Raw(b"null")


class _Said(msgspec.Struct):
    specversion: Any = None
    source: Any = None
    type: Any = None
    subject: Any = None
    id: Any = None
    sequence: Any = None
    sequenceepoch: Any = None
    producer: Any = None
    time: Any = None
    eventTime: Any = None
    schemaURL: Any = None
    job: msgspec.Raw = _NOTHING
    run: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING


_ATTRIBUTES: Final = ("source", "type", "subject", "id", "sequence", "sequenceepoch", "time")
_decode: Final = msgspec.json.Decoder(_Said).decode
_decode_type: Final = msgspec.json.Decoder(msgspec.defstruct("_Type", [("type", Any, None)])).decode
_decode_run: Final = msgspec.json.Decoder(msgspec.defstruct("_Run", [("runId", Any, None)])).decode


def claim_of(record: bytes, attributes: Attributes, topic: str | None) -> Claim:
    """Read a record's own attributes; `topic` None takes it from the type, as for files. Total."""
    try:
        if attributes.cloudevent is not None:
            known: dict[str, Any] = {name: attributes.cloudevent.get(name) for name in _ATTRIBUTES}
            envelope = _Said(**known, data=msgspec.Raw(record))
        else:
            envelope = _decode(record)
    except (ValueError, RecursionError):
        return Claim(topic=topic)
    members = {name: None if value == _NOTHING else value for name, value in msgspec.structs.asdict(envelope).items()}
    if attributes.cloudevent is None and is_openlineage(members, attributes.content_type):
        source = _text(attributes.source) or _text(envelope.producer)
        run = _text(_member(_decode_run, envelope.run, "runId"))
        return Claim(topic, source, OPENLINEAGE_RUN, run, time=_instant(envelope.eventTime))
    type_ = _text(envelope.type)
    if topic is None and type_ is not None:
        about = _member(_decode_type, envelope.data, "type") if type_ == EVENT_RETRACTED else type_
        topic = _home_of(about) if isinstance(about, str) else None
    faults: list[str] = []
    sequence = number_of(members, "sequence", 1, faults)
    epoch = number_of(members, "sequenceepoch", 0, faults)
    return Claim(
        topic if topic in TOPICS else None,
        _text(envelope.source),
        type_,
        _text(envelope.subject),
        _text(envelope.id),
        None if faults else sequence,
        epoch or 0,
        _instant(envelope.time),
    )


def _home_of(type_: str) -> str | None:
    """The topic of a type; of one that nobody knows that of the type that was meant, else of those about its kind."""
    named = type_ if type_ in TYPES else next(iter(slips_of(frozenset(TYPES)).of(type_)), None)
    return _HOMES.get(type_.rpartition(".")[0]) if named is None else TYPES[named][0]


# By the beginning of a type's name, up to what happened.
_HOMES: Final = {name.rpartition(".")[0]: topic for name, (topic, _) in TYPES.items() if topic is not None}


def _member(decode: Any, raw: msgspec.Raw, name: str) -> Any:
    try:
        return getattr(decode(raw), name)
    except (ValueError, RecursionError):
        return None


def _instant(value: Any) -> int | None:
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= CLAIM_LENGTH_MAX:
        return None
    # A header of a record may hold what is no UTF-8.
    return value if value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value) else None
