"""The bytes of a record: what its headers say of them, the JSON in them, the elements of a batch."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from circulation.admission.reasons import Reason, Refused
from circulation.events.names import RULEPACK_PUBLISHED
from circulation.openlineage.parsing import lenient

EVENT_BYTES_MAX: Final = 1_048_576
# A published pack, and an OpenLineage event.
LARGE_BYTES_MAX: Final = 16 * 1_048_576
DEPTH_MAX: Final = 64
BATCH_EVENTS_MAX: Final = 100_000

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
OPENLINEAGE: Final = "application/openlineage+json"

Headers = Sequence[tuple[str, bytes | None]]


class Attributes(NamedTuple):
    """The headers of a record: its content type and, in binary mode, the attributes of the event."""

    content_type: str
    cloudevent: dict[str, str] | None = None
    usual: bool = False  # structured mode, said or not: the fast path may try
    source: str | None = None  # of an OpenLineage event: who sent it


NO_ATTRIBUTES: Final = Attributes("", usual=True)
AS_STRUCTURED: Final = Attributes(STRUCTURED, usual=True)
STRUCTURED_HEADER: Final = ("content-type", STRUCTURED.encode())


def attributes_of(headers: Headers | None) -> Attributes:
    """Read the headers of a record. Of a header that is repeated the last one counts."""
    content_type = ""
    attributes: dict[str, str] = {}
    for name, value in headers or ():
        if value is None:
            continue
        # Bytes that are no UTF-8 become characters that nothing accepts, so that the fault is found where it matters.
        text = value.decode("utf-8", "surrogateescape")
        name = name.lower()
        if name == "content-type":
            content_type = text.partition(";")[0].strip().lower()
        elif name.startswith("ce_"):
            attributes[name[3:]] = text
    if content_type == OPENLINEAGE or attributes.keys() == {"source"}:
        # A header that names the source alone is OpenLineage's; a CloudEvent in binary mode has more of them.
        return Attributes(content_type, usual=content_type == STRUCTURED, source=attributes.get("source"))
    if content_type in (STRUCTURED, BATCH) or not attributes:
        return Attributes(content_type, usual=content_type == STRUCTURED)
    return Attributes(content_type, attributes)


def document_of(record: bytes, attributes: Attributes) -> Any:
    """The JSON of a record, None of a binary event without data. Raises `Refused`."""
    if len(record) > EVENT_BYTES_MAX:
        _check_large(record, attributes)
    if too_deep(record, DEPTH_MAX):
        raise Refused(Reason.TOO_DEEP, f"$: at most {DEPTH_MAX} levels of nesting")
    if attributes.cloudevent is not None and not record:
        return None  # a binary event without data
    try:
        return orjson.loads(record)
    except orjson.JSONDecodeError as error:
        document = _lenient(record)
        if attributes.cloudevent is None and is_openlineage(document, attributes.content_type):
            return document
        raise Refused(Reason.NOT_JSON, f"$: {error}") from None


def _lenient(record: bytes) -> Any:
    try:
        return lenient(record)
    except (ValueError, RecursionError):
        return None


# Of an event what tells whether it may be a large one; all else is passed over.
_Large: Final = msgspec.defstruct(
    "_Large", [(name, Any, None) for name in ("specversion", "type", "schemaURL", "eventTime", "run", "job")]
)
_decode_large: Final = msgspec.json.Decoder(_Large).decode


def _check_large(record: bytes, attributes: "Attributes") -> None:
    """Refuses what is larger than most events may be, unless it says that it is one of those that may."""
    limit = EVENT_BYTES_MAX
    if attributes.cloudevent is not None:
        large = attributes.cloudevent.get("type") == RULEPACK_PUBLISHED
    elif attributes.content_type == OPENLINEAGE:
        large = True
    else:
        try:
            envelope = msgspec.structs.asdict(_decode_large(record))
        except (ValueError, RecursionError):
            envelope = {} if len(record) > LARGE_BYTES_MAX else _lenient(record)
            envelope = envelope if isinstance(envelope, dict) else {}
        large = envelope.get("type") == RULEPACK_PUBLISHED or is_openlineage(envelope, attributes.content_type)
    if large:
        limit = LARGE_BYTES_MAX
    if len(record) > limit:
        raise Refused(Reason.TOO_LARGE, f"$: at most {limit} bytes, got {len(record)}")


_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def too_deep(record: bytes, depth_max: int) -> bool:
    """Whether brackets outside strings nest deeper, counted on the bytes, so also in what is no JSON. Linear."""
    if record.count(b"[") + record.count(b"{") <= depth_max:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", record).translate(None, _NO_BRACKETS):
        if bracket in b"[{":
            depth += 1
            if depth > depth_max:
                return True
        elif depth:
            depth -= 1
    return False


_decode_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)
_BLANK: Final = b" \t\r\n"


def elements_of(record: bytes) -> list[bytes]:
    """The elements of a JSON array, each as its own bytes. They are not parsed: each is judged by itself."""
    stripped = record.strip(_BLANK)
    if not stripped.startswith(b"["):
        _document_of_batch(record)
        raise Refused(Reason.NOT_CLOUDEVENT, "$: a batch is an array of events")
    try:
        return [bytes(element) for element in _decode_elements(record)]
    except (ValueError, RecursionError):
        # One element that is no JSON, or nests too deep, must not take the others with it.
        elements = _split(stripped)
    if elements is None:
        _document_of_batch(record)
        raise Refused(Reason.NOT_JSON, "$: not an array that ends")
    return elements


def bounded(elements: list[bytes]) -> list[bytes]:
    """The elements of a batch, if they are not too many. Raises `Refused`."""
    if len(elements) > BATCH_EVENTS_MAX:
        raise Refused(Reason.TOO_LARGE, f"$: at most {BATCH_EVENTS_MAX} events in a batch, got {len(elements)}")
    return elements


def _document_of_batch(record: bytes) -> None:
    if too_deep(record, DEPTH_MAX + 1):
        raise Refused(Reason.TOO_DEEP, f"$: at most {DEPTH_MAX} levels of nesting in an element")
    try:
        orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.NOT_JSON, f"$: {error}") from None


def _split(stripped: bytes) -> list[bytes] | None:
    """Elements by their commas, where the brackets outside strings add up; None where they do not."""
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKENS.finditer(stripped):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
                if depth == 0:
                    if token.end() != len(stripped) or token[0] != b"]":
                        return None
                    elements.append(stripped[start : token.start()].strip(_BLANK))
            case b"," if depth == 1:
                elements.append(stripped[start : token.start()].strip(_BLANK))
                start = token.end()
    return elements if depth == 0 and elements else None


_OPENLINEAGE_SCHEMA: Final = re.compile(r"/OpenLineage\.json(?:#|$)|openlineage\.io/spec/", re.IGNORECASE)


def is_openlineage(document: Any, content_type: str) -> bool:
    """Whether a document is an OpenLineage event, by its content type, its schema or its members."""
    if content_type in (STRUCTURED, BATCH):
        return False
    if content_type == OPENLINEAGE:
        return document is not None
    if not isinstance(document, dict) or document.get("specversion") is not None:
        return False
    schema = document.get("schemaURL")
    if isinstance(schema, str) and _OPENLINEAGE_SCHEMA.search(schema):
        return True
    return all(document.get(name) is not None for name in ("eventTime", "run", "job"))
