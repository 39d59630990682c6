"""From the bytes of a record to typed events, or to coded rejections (contract §1). Pure, and total: nothing that a
record holds can raise.

Uses are the firehose, so a fast path decodes them in one step. It answers only where it is certain that an event is
good; everything else goes the slow way, which alone decides codes.
"""

import enum
import fnmatch
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import orjson
import yaml

from circulation.calendar import MINUTE, parse_instant, shown
from circulation.events import (
    ASSETS,
    CONTRACTS,
    HEARTBEAT,
    OPENLINEAGE_RUN,
    ORDERS,
    PARTIES,
    REPORTERS,
    RETRACTED,
    RULES,
    TOPICS,
    TYPES,
    USAGE_REPORTED,
    Event,
    Reading,
    UsageReported,
    read,
)
from circulation.identifiers import (
    COUNT_MAX,
    COUNTRIES,
    ID_LENGTH_MAX,
    Fault,
    check_asset,
    check_id,
    check_party,
    check_region,
    check_source,
    check_text,
)

EVENT_BYTES_MAX: Final = 1_048_576
DEPTH_MAX: Final = 64
AHEAD_MAX: Final = 10 * MINUTE
DETAIL_LENGTH_MAX: Final = 300
SEQUENCE_LENGTH_MAX: Final = 32
TIME_LENGTH_MAX: Final = 64
BATCH_EVENTS_MAX: Final = 100_000
SOURCES_BYTES_MAX: Final = 16 * 1_048_576
KEPT_MAX: Final = 65_536

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
OPENLINEAGE: Final = "application/openlineage+json"

# The source of an OpenLineage run whose producer does not name itself, as dbt's files are.
UNNAMED_PRODUCER: Final = "openlineage"

Headers = Sequence[tuple[str, bytes | None]]


class Reason(enum.StrEnum):
    """Why a record could not be an event. The first that applies, in this order, is the one."""

    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    NOT_JSON = "not-json"
    NOT_CLOUDEVENT = "not-cloudevent"
    UNKNOWN_TYPE = "unknown-type"
    BAD_IDENTIFIER = "bad-identifier"
    KEY_MISMATCH = "key-mismatch"
    NOT_AUTHORISED = "not-authorised"
    FROM_THE_FUTURE = "from-the-future"
    INVALID_DATA = "invalid-data"


class Rejection(msgspec.Struct, frozen=True):
    """A record (of a batch: an element) that could not be an event, byte for byte, with the path and rule broken."""

    reason: Reason
    detail: str
    record: bytes
    index: int | None = None


class Unkeyed(enum.Enum):
    """The type of `ANY`: a record without a Kafka key to check, as the lines of a file are."""

    ANY = "any"


ANY: Final = Unkeyed.ANY


class SourcesInvalid(ValueError):
    """Every thing that is wrong with a file of sources, with its path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Sources:
    """Who may say what: which types each source may report, and which party an exchange's source is."""

    def __init__(self, types: Mapping[str, frozenset[str]], parties: Mapping[str, str]) -> None:
        self._types = dict(types)
        self._parties = dict(parties)

    @classmethod
    def parse(cls, text: bytes) -> "Sources":
        """Read YAML `source: {types: [globs], party?}`. `SourcesInvalid` (a `ValueError`) lists all that is wrong."""
        problems: list[str] = []
        types: dict[str, frozenset[str]] = {}
        parties: dict[str, str] = {}
        for source, entry in _load_sources(text).items():
            where = f"sources[{shown(str(source))}]"
            if not isinstance(source, str) or check_source(source) is not None:
                problems.append(f"{where}: a source is a text of 1 to 1024 printable characters")
                continue
            if not isinstance(entry, dict):
                problems.append(f"{where}: expected `types` and, for an exchange, `party`")
                continue
            for name in entry.keys() - {"types", "party"}:
                problems.append(f"{where}: unknown member {shown(str(name))}")
            globs = entry.get("types")
            if not isinstance(globs, list) or not globs or not all(isinstance(glob, str) for glob in globs):
                problems.append(f"{where}.types: expected a list of globs of event types")
            else:
                types[source] = frozenset().union(*(_matching(glob) for glob in globs))
                problems += [
                    f"{where}.types: {shown(glob)} fits no event type" for glob in globs if not _matching(glob)
                ]
            party = entry.get("party")
            if party is None:
                continue
            broken = check_party(party) if isinstance(party, str) else "a party is a text"
            if broken is None:
                parties[source] = party
            else:
                problems.append(f"{where}.party: {broken}, got {shown(str(party))}")
        if problems:
            raise SourcesInvalid(problems)
        return cls(types, parties)

    def allows(self, source: str, type_name: str) -> bool:
        """Whether the source may report events of this type."""
        return type_name in self._types.get(source, ())

    def party(self, source: str) -> str | None:
        """The party of an exchange's source; None for every other."""
        return self._parties.get(source)

    def exchanges(self) -> frozenset[str]:
        """The sources that are exchanges' (those with a party)."""
        return frozenset(self._parties)


def _matching(glob: str) -> frozenset[str]:
    return frozenset(name for name in (*TYPES, OPENLINEAGE_RUN) if fnmatch.fnmatchcase(name, glob))


class _SourcesLoader(yaml.SafeLoader):
    """YAML in which a source given twice is an error, not the last one's word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} is given twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _load_sources(text: bytes) -> dict[Any, Any]:
    if len(text) > SOURCES_BYTES_MAX:
        raise SourcesInvalid([f"sources: at most {SOURCES_BYTES_MAX} bytes, got {len(text)}"])
    try:
        # A safe loader: it makes plain values only.
        document = yaml.load(text, Loader=_SourcesLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SourcesInvalid([f"sources: not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(document, dict):
        raise SourcesInvalid(["sources: expected a mapping of source to `types` and `party`"])
    return document


_Bounded = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]


class _Usage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The envelope of a use, flat and closed: what is not here is for the slow path, and nothing nests deeper."""

    specversion: Literal["1.0"]
    type: Literal["circulation.usage.reported"]
    id: _Bounded
    source: str
    subject: _Bounded
    time: str
    data: UsageReported
    partitionkey: str | None = None
    sequence: str | None = None
    sequencetype: Literal["Integer"] | None = None
    reporter: Literal["exchange", "provider", "consumer"] | None = None
    datacontenttype: Literal["application/json"] | None = None


_decode_usage: Final = msgspec.json.Decoder(_Usage).decode
_RANKS: Final[dict[str | None, int]] = {None: 0, **{name: rank for rank, name in enumerate(REPORTERS)}}


class _Refused(Exception):
    """An answer on its way up. It never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class _Envelope(NamedTuple):
    """The attributes of a CloudEvent once they are known to be well formed."""

    type: str
    subject: str
    source: str
    id: str
    time: int
    sequence: int | None
    reporter: int
    partitionkey: str | None
    data: dict[str, Any]
    # Data that is no JSON object: CloudEvents allows it, no type of event here does.
    fault: Fault | None


class Admission:
    """Admits records: bytes in, events or rejections out.

    With `sources`, only what it allows is authorised; without, everybody may say everything.
    """

    def __init__(self, sources: Sources | None = None) -> None:
        self.sources = sources
        self._trusted: dict[str, bool] = {}

    def admit(
        self, record: bytes | None, *, topic: str | None, key: bytes | Unkeyed | None, headers: Headers | None, now: int
    ) -> Event | Rejection | list[Event | Rejection]:
        """What one record holds: an event, a rejection, or (for a batch, and only then) a list of both.

        `topic` None takes it from the type, as for files; `key` is the Kafka record's, or `ANY`; `now` is the wall
        clock, or what stands for it (µs). A record without a value is an empty one.
        """
        if record is None:
            record = b""
        if not headers:
            attributes = _NO_ATTRIBUTES
        elif len(headers) == 1 and headers[0] == _STRUCTURED_HEADER:
            attributes = _STRUCTURED
        else:
            attributes = _attributes(headers)
            if attributes.content_type == BATCH:
                return self._batch(record, topic, key, now)
        event = self._fast(record, topic, key, now) if attributes.usual else None
        return self._slow(record, topic, key, attributes, now) if event is None else event

    def _fast(self, record: bytes, topic: str | None, key: bytes | Unkeyed | None, now: int) -> Event | None:
        if (topic is not None and topic != CONTRACTS) or len(record) > EVENT_BYTES_MAX:
            return None
        try:
            usage = _decode_usage(record)
            time = parse_instant(usage.time)
        except ValueError:  # msgspec's errors and those of UTF-8 are such
            return None
        event_id, subject, source, data = usage.id, usage.subject, usage.source, usage.data
        sequence = usage.sequence
        if (
            time > now + AHEAD_MAX
            or not event_id.isprintable()
            or not subject.isprintable()
            or not (self._trusted.get(source) or self._trusts(source))
            or not _good_place(data.purpose, data.actor, data.country, data.region, data.environment)
            or (key is not ANY and (key is None or key != subject.encode()))
            or (usage.partitionkey is not None and usage.partitionkey != subject)
        ):
            return None
        number: int | None = None
        if sequence is not None:
            # Fifteen ASCII digits are below 2**53 without looking further.
            if len(sequence) > 15 or not (sequence.isascii() and sequence.isdigit()):
                return None
            number = int(sequence)
            if number == 0:
                return None
        return Event(CONTRACTS, USAGE_REPORTED, subject, source, event_id, time, number, _RANKS[usage.reporter], data)

    def _trusts(self, source: str) -> bool:
        """Whether a source may report uses, remembered."""
        trusted = check_source(source) is None and (self.sources is None or self.sources.allows(source, USAGE_REPORTED))
        if len(self._trusted) >= KEPT_MAX:
            self._trusted.clear()
        self._trusted[source] = trusted
        return trusted

    def _slow(
        self,
        record: bytes,
        topic: str | None,
        key: bytes | Unkeyed | None,
        attributes: "_Attributes",
        now: int,
        index: int | None = None,
    ) -> Event | Rejection:
        try:
            return self._admitted(record, topic, key, attributes, now)
        except _Refused as refused:
            return Rejection(refused.reason, _one_line(refused.detail), record, index)

    def _admitted(
        self, record: bytes, topic: str | None, key: bytes | Unkeyed | None, attributes: "_Attributes", now: int
    ) -> Event:
        document = _document(record, attributes)
        if attributes.cloudevent is not None:
            document = _from_binary(document, attributes)
        elif _is_openlineage(document, attributes.content_type):
            return self._openlineage(document, topic, now)
        envelope = _envelope(document)
        home = _topic(envelope, topic)
        fault = envelope.fault
        reading = read(envelope.type, envelope.data) if fault is None else Reading(None, b"", None, fault)
        identifier = _subject_fault(envelope, home) or _envelope_fault(envelope) or reading.identifier
        if identifier is not None:
            raise _Refused(Reason.BAD_IDENTIFIER, str(identifier))
        _check_key(envelope, key)
        self._check_authorised(envelope.source, envelope.type)
        _check_time(envelope.time, now, "$.time")
        if reading.fault is not None:
            raise _Refused(Reason.INVALID_DATA, str(reading.fault))
        if envelope.type == RETRACTED and topic is not None and home != topic:
            detail = f"$.data.type: events of {reading.data.type} are not on {topic}"
            raise _Refused(Reason.INVALID_DATA, detail)
        return Event(
            home,
            envelope.type,
            envelope.subject,
            envelope.source,
            envelope.id,
            envelope.time,
            envelope.sequence,
            envelope.reporter,
            reading.data,
            b"" if envelope.type == USAGE_REPORTED else reading.raw,
        )

    def _openlineage(self, document: Any, topic: str | None, now: int) -> Event:
        run = _run(document)
        if topic is not None and topic != ASSETS:
            raise _Refused(Reason.UNKNOWN_TYPE, f"OpenLineage runs belong to {ASSETS}, not to {topic}")
        if (broken := check_id(run.run)) is not None:
            raise _Refused(Reason.BAD_IDENTIFIER, f"$.run.runId: {broken}")
        if (broken := check_source(run.producer)) is not None:
            raise _Refused(Reason.BAD_IDENTIFIER, f"$.producer: {broken}")
        data, fault = _run_data(document, run.run)
        reading = read(OPENLINEAGE_RUN, data)
        if reading.identifier is not None:
            raise _Refused(Reason.BAD_IDENTIFIER, str(reading.identifier).replace("$.data", "$", 1))
        self._check_authorised(run.producer, OPENLINEAGE_RUN)
        _check_time(run.time, now, "$.eventTime")
        fault = fault or reading.fault
        if fault is not None:
            path = fault.path.replace("$.data", "$", 1).replace("$.event_type", "$.eventType", 1)
            raise _Refused(Reason.INVALID_DATA, f"{path}: {fault.rule}")
        event_id = f"{reading.data.event_type or ''}@{run.event_time}"
        return Event(
            ASSETS, OPENLINEAGE_RUN, run.run, run.producer, event_id, run.time, None, 0, reading.data, reading.raw
        )

    def _batch(
        self, record: bytes, topic: str | None, key: bytes | Unkeyed | None, now: int
    ) -> list[Event | Rejection] | Rejection:
        try:
            elements = _bounded(elements_of(record))
        except _Refused as refused:
            return Rejection(refused.reason, _one_line(refused.detail), record)
        return [
            self._fast(element, topic, key, now) or self._slow(element, topic, key, _STRUCTURED, now, index)
            for index, element in enumerate(elements)
        ]

    def _check_authorised(self, source: str, type_name: str) -> None:
        if self.sources is not None and not self.sources.allows(source, type_name):
            raise _Refused(Reason.NOT_AUTHORISED, f"$.source: {shown(source)} may not report {type_name}")


class _Attributes(NamedTuple):
    """What the headers of a record say: its content type and, in binary mode, the attributes of the event."""

    content_type: str
    cloudevent: dict[str, str] | None = None
    usual: bool = False  # structured mode, said or not: the fast path may try


_NO_ATTRIBUTES: Final = _Attributes("", usual=True)
_STRUCTURED: Final = _Attributes(STRUCTURED, usual=True)
_STRUCTURED_HEADER: Final = ("content-type", STRUCTURED.encode())


def _attributes(headers: Headers | None) -> _Attributes:
    content_type = ""
    attributes: dict[str, str] = {}
    for name, value in headers or ():
        if value is None:
            continue
        # What is no UTF-8 becomes characters that nothing accepts, so that it is found where it matters.
        text = value.decode("utf-8", "surrogateescape")
        name = name.lower()
        if name == "content-type":
            content_type = text.partition(";")[0].strip().lower()
        elif name.startswith("ce_"):
            attributes[name[3:]] = text
    if content_type in (STRUCTURED, BATCH, OPENLINEAGE) or not attributes:
        return _Attributes(content_type, usual=content_type == STRUCTURED)
    return _Attributes(content_type, attributes)


def _one_line(detail: str) -> str:
    """A detail goes into a header and a table: printable, and of bounded length."""
    if not detail.isprintable():
        detail = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in detail)
    return detail if len(detail) <= DETAIL_LENGTH_MAX else detail[: DETAIL_LENGTH_MAX - 1] + "…"


@functools.lru_cache(KEPT_MAX)
def _good_place(
    purpose: str, actor: str | None, country: str | None, region: str | None, environment: str | None
) -> bool:
    return (
        "\0" not in purpose
        and (actor is None or check_id(actor) is None)
        and (country is None or country in COUNTRIES)
        and (region is None or check_region(region) is None)
        and (environment is None or "\0" not in environment)
    )


def _document(record: bytes, attributes: _Attributes) -> Any:
    if len(record) > EVENT_BYTES_MAX:
        raise _Refused(Reason.TOO_LARGE, f"$: at most {EVENT_BYTES_MAX} bytes, got {len(record)}")
    if too_deep(record, DEPTH_MAX):
        raise _Refused(Reason.TOO_DEEP, f"$: at most {DEPTH_MAX} levels of nesting")
    if attributes.cloudevent is not None and not record:
        return None  # a binary event without data
    try:
        return orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise _Refused(Reason.NOT_JSON, f"$: {error}") from None


_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(one for one in range(256) if one not in b"[]{}")


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
    """The elements of a JSON array, each as its own bytes. They are not looked into: each is judged by itself."""
    stripped = record.strip(_BLANK)
    if not stripped.startswith(b"["):
        _document_of_batch(record)
        raise _Refused(Reason.NOT_CLOUDEVENT, "$: a batch is an array of events")
    try:
        return [bytes(element) for element in _decode_elements(record)]
    except (ValueError, RecursionError):
        # One element that is no JSON, or nests too deep, must not take the others with it.
        elements = _split(stripped)
    if elements is None:
        _document_of_batch(record)
        raise _Refused(Reason.NOT_JSON, "$: not an array that ends")
    return elements


def _bounded(elements: list[bytes]) -> list[bytes]:
    if len(elements) > BATCH_EVENTS_MAX:
        raise _Refused(Reason.TOO_LARGE, f"$: at most {BATCH_EVENTS_MAX} events in a batch, got {len(elements)}")
    return elements


def _document_of_batch(record: bytes) -> None:
    if too_deep(record, DEPTH_MAX + 1):
        raise _Refused(Reason.TOO_DEEP, f"$: at most {DEPTH_MAX} levels of nesting in an element")
    try:
        orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise _Refused(Reason.NOT_JSON, f"$: {error}") from None


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


_ATTRIBUTES_OF_TEXT: Final = ("id", "source", "type", "subject", "time")


def _not_cloudevent(detail: str) -> _Refused:
    return _Refused(Reason.NOT_CLOUDEVENT, detail)


def _from_binary(data: Any, attributes: _Attributes) -> dict[str, Any]:
    given = attributes.cloudevent or {}
    for name, text in given.items():
        # Bytes that are no UTF-8 were carried as lone surrogates, which no text has.
        if not _is_text(text):
            raise _not_cloudevent(f"ce_{name}: not UTF-8")
    content_type = attributes.content_type
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise _not_cloudevent(f"content-type: expected application/json, got {shown(content_type)}")
    return {name: text for name, text in given.items() if name not in ("data", "data_base64")} | {"data": data}


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _envelope(document: Any) -> _Envelope:
    if not isinstance(document, dict):
        raise _not_cloudevent("$: expected an object")
    if document.get("specversion") != "1.0":
        raise _not_cloudevent('$.specversion: must be "1.0"')
    for name in _ATTRIBUTES_OF_TEXT:
        text = document.get(name)
        if text is None:
            raise _not_cloudevent(f"$.{name}: is missing")
        if not isinstance(text, str):
            raise _not_cloudevent(f"$.{name}: expected a text")
        if not text:
            raise _not_cloudevent(f"$.{name}: must not be empty")
    try:
        time = parse_instant(document["time"])
    except ValueError as error:
        raise _not_cloudevent(f"$.time: {error}") from None
    partitionkey = document.get("partitionkey")
    if partitionkey is not None and (not isinstance(partitionkey, str) or not partitionkey):
        raise _not_cloudevent("$.partitionkey: expected a text that is not empty")
    reporter = document.get("reporter")
    if reporter is not None and not (isinstance(reporter, str) and reporter in _RANKS):
        raise _not_cloudevent(f"$.reporter: must be one of {', '.join(REPORTERS)}")
    data, fault = document.get("data"), None
    if document.get("data_base64") is not None:
        fault = Fault("$.data_base64", "data must be JSON, in `data`")
    elif data is None and document["type"] != HEARTBEAT:  # a heartbeat has nothing to say but itself
        fault = Fault("$.data", "is missing")
    elif data is not None and not isinstance(data, dict):
        fault = Fault("$.data", "expected an object")
    return _Envelope(
        document["type"],
        document["subject"],
        document["source"],
        document["id"],
        time,
        _sequence(document),
        _RANKS[reporter],
        partitionkey,
        data if isinstance(data, dict) else {},
        fault,
    )


def _sequence(document: dict[str, Any]) -> int | None:
    kind = document.get("sequencetype")
    if kind is not None and kind != "Integer":
        raise _not_cloudevent("$.sequencetype: must be Integer")
    sequence = document.get("sequence")
    if sequence is None:
        return None
    if not isinstance(sequence, str) or not (sequence.isascii() and sequence.isdigit()):
        raise _not_cloudevent("$.sequence: expected a string of digits")
    number = int(sequence) if len(sequence) <= SEQUENCE_LENGTH_MAX else 0
    if not 1 <= number <= COUNT_MAX:
        raise _not_cloudevent(f"$.sequence: must be at least 1 and at most {COUNT_MAX}")
    return number


def _topic(envelope: _Envelope, topic: str | None) -> str:
    """The topic an event belongs to; that of a retraction is the topic of what it takes back."""
    if topic is not None and topic not in TOPICS:
        raise _Refused(Reason.UNKNOWN_TYPE, f"$.type: nothing is read from {shown(topic)}")
    if envelope.type not in TYPES:
        raise _Refused(Reason.UNKNOWN_TYPE, f"$.type: no event has the type {shown(envelope.type)}")
    if envelope.type == RETRACTED:
        return _retracted(envelope)[0] or topic or PARTIES
    home = TYPES[envelope.type][0] or PARTIES
    if topic is not None and home != topic:
        raise _Refused(Reason.UNKNOWN_TYPE, f"$.type: {envelope.type} belongs to {home}, not to {topic}")
    return home


def _retracted(envelope: _Envelope) -> tuple[str | None, str]:
    """Topic and type of what a retraction takes back; without a topic where it names no such type."""
    named = envelope.data.get("type")
    if not isinstance(named, str):
        return None, ""
    if named == OPENLINEAGE_RUN:
        return ASSETS, named
    return TYPES.get(named, (None,))[0], named


def _subject_fault(envelope: _Envelope, home: str) -> Fault | None:
    type_name = envelope.type
    check = _SUBJECTS[home]
    if type_name == RETRACTED:
        named_topic, type_name = _retracted(envelope)
        if named_topic is None:
            check = check_source  # whose subject it is cannot be told, and the data is refused anyway
    if type_name == HEARTBEAT:
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


def _envelope_fault(envelope: _Envelope) -> Fault | None:
    for name, text, check in (("source", envelope.source, check_source), ("id", envelope.id, check_id)):
        if (broken := check(text)) is not None:
            return Fault(f"$.{name}", f"{broken}, got {shown(text)}")
    return None


def _check_key(envelope: _Envelope, key: bytes | Unkeyed | None) -> None:
    if envelope.partitionkey is not None and envelope.partitionkey != envelope.subject:
        raise _Refused(Reason.KEY_MISMATCH, "$.partitionkey: must equal the subject")
    if key is not ANY and key != envelope.subject.encode():
        raise _Refused(Reason.KEY_MISMATCH, "key: the record's key must be the bytes of the subject")


def _check_time(time: int, now: int, path: str) -> None:
    if time > now + AHEAD_MAX:
        minutes = AHEAD_MAX // MINUTE
        raise _Refused(Reason.FROM_THE_FUTURE, f"{path}: more than {minutes} minutes ahead of the clock")


class _Run(NamedTuple):
    """What identifies an OpenLineage event: the part that is like a CloudEvent's envelope."""

    run: str
    producer: str
    time: int
    event_time: str


_OPENLINEAGE_SCHEMA: Final = re.compile(r"/OpenLineage\.json(?:#|$)|openlineage\.io/spec/", re.IGNORECASE)


def _is_openlineage(document: Any, content_type: str) -> bool:
    if content_type in (STRUCTURED, BATCH):
        return False
    if content_type == OPENLINEAGE:
        return True
    if not isinstance(document, dict) or document.get("specversion") is not None:
        return False
    schema = document.get("schemaURL")
    if isinstance(schema, str) and _OPENLINEAGE_SCHEMA.search(schema):
        return True
    return all(document.get(name) is not None for name in ("eventTime", "run", "job"))


def _run(document: Any) -> _Run:
    if not isinstance(document, dict):
        raise _not_cloudevent("$: expected an OpenLineage event, an object")
    run = document.get("run")
    if run is None and (document.get("job") is not None or document.get("dataset") is not None):
        raise _Refused(Reason.UNKNOWN_TYPE, "$: of OpenLineage only RunEvents are taken")
    run_id = run.get("runId") if isinstance(run, dict) else None
    if not isinstance(run_id, str) or not run_id:
        raise _not_cloudevent("$.run.runId: expected a text that is not empty")
    producer = document.get("producer")
    if producer is None:
        producer = UNNAMED_PRODUCER
    if not isinstance(producer, str) or not producer:
        raise _not_cloudevent("$.producer: expected a text that is not empty")
    event_time = document.get("eventTime")
    if not isinstance(event_time, str) or len(event_time) > TIME_LENGTH_MAX:
        raise _not_cloudevent("$.eventTime: expected RFC 3339")
    for text in (event_time, event_time + "Z"):  # without an offset it is UTC
        try:
            if len(text) > len("2026-01-01Z"):
                return _Run(run_id, producer, parse_instant(text), event_time)
        except ValueError:
            continue
    raise _not_cloudevent("$.eventTime: expected RFC 3339")


def _run_data(document: dict[str, Any], run: str) -> tuple[dict[str, Any], Fault | None]:
    """The data of a run as `circulation.events.Run` has it, and the first thing that is wrong with it."""
    faults: list[Fault] = []
    facets: dict[str, dict[str, Any]] = {"columns": {}, "aliases": {}, "renamed": {}, "owners": {}, "fields": {}}
    data = {
        "run": run,
        "event_type": document.get("eventType"),
        "inputs": _datasets(document, "inputs", facets, faults),
        "outputs": _datasets(document, "outputs", facets, faults),
        "job": _named(document.get("job"), "$.job", faults),
    }
    data |= {name: some for name, some in facets.items() if some}
    parent = _object(_object(_object(document.get("run")).get("facets")).get("parent"))
    parent_run = _object(parent.get("run")).get("runId")
    if isinstance(parent_run, str) and check_id(parent_run) is None:
        data["parent"] = parent_run
        if (job := _facet_name(parent.get("job"))) is not None:
            data["parent_job"] = job
    return data, faults[0] if faults else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _facet_name(thing: Any) -> str | None:
    """`namespace/name` in a facet; what is none is passed over, for facets are anybody's to extend."""
    name = _named(thing, "", [])
    return name if name and check_asset(name) is None else None


def _facet_texts(things: Any) -> list[str]:
    names = (_object(one).get("name") for one in _list(things))
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name and check_text(name) is None))


def _facets(name: str, facets: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    """Adds what the facets of a dataset say of its names, its owners and its fields."""
    aliases = map(_facet_name, _list(_object(facets.get("symlinks")).get("identifiers")))
    if names := dict.fromkeys(one for one in aliases if one is not None and one != name):
        found["aliases"][name] = list(names)
    change = _object(facets.get("lifecycleStateChange"))
    before = _facet_name(change.get("previousIdentifier"))
    if change.get("lifecycleStateChange") == "RENAME" and before is not None and before != name:
        found["renamed"][name] = before
    if owners := _facet_texts(_object(facets.get("ownership")).get("owners")):
        found["owners"][name] = owners
    if fields := _facet_texts(_object(facets.get("schema")).get("fields")):
        found["fields"][name] = fields


def _datasets(
    document: dict[str, Any], member: str, found_facets: dict[str, dict[str, Any]], faults: list[Fault]
) -> list[str]:
    given = document.get(member)
    if given is None:
        return []
    if not isinstance(given, list):
        faults.append(Fault(f"$.{member}", "expected an array of datasets"))
        return []
    found: dict[str, None] = {}
    for index, dataset in enumerate(given):
        name = _named(dataset, f"$.{member}[{index}]", faults)
        if not name:
            continue
        found[name] = None
        facets = _object(dataset.get("facets"))
        lineage = facets.get("columnLineage")
        if member == "outputs" and isinstance(lineage, dict):
            found_facets["columns"][name] = lineage
        _facets(name, facets, found_facets)
    return list(found)


def _named(thing: Any, path: str, faults: list[Fault]) -> str:
    """`namespace/name` of a dataset or a job; empty, and a fault, where it has no such names."""
    parts = [thing.get("namespace"), thing.get("name")] if isinstance(thing, dict) else []
    texts = [part for part in parts if isinstance(part, str) and part]
    if len(texts) != 2:
        faults.append(Fault(path, "expected `namespace` and `name`"))
        return ""
    return "/".join(texts)
