"""From the bytes of a record to typed events, or to coded rejections (contract §1). Pure, and total: nothing that a
record holds can raise.

Uses are the firehose, so a fast path decodes them in one step. It answers only where it is certain that an event is
good; everything else goes the slow way, which alone decides codes.
"""

import functools
from typing import Annotated, Any, Final, Literal

import msgspec

from circulation.admission.claims import claim_of
from circulation.admission.envelope import (
    AHEAD_MAX,
    ANY,
    RANKS,
    Unkeyed,
    check_authorised,
    check_key,
    check_official,
    check_time,
    envelope_of,
    from_binary,
    identity_faults,
    topic_of,
)
from circulation.admission.reasons import Reason, Refused, Rejection, not_cloudevent
from circulation.admission.records import (
    AS_STRUCTURED,
    BATCH,
    EVENT_BYTES_MAX,
    NO_ATTRIBUTES,
    STRUCTURED_HEADER,
    Attributes,
    Headers,
    attributes_of,
    bounded,
    document_of,
    elements_of,
    is_openlineage,
)
from circulation.admission.sources import Sources
from circulation.calendar import parse_instant
from circulation.events.contracts import UsageReported
from circulation.events.event import Event
from circulation.events.names import (
    ASSETS,
    CONTRACTS,
    EVENT_RETRACTED,
    OPENLINEAGE_RUN,
    USAGE_REPORTED,
    UsageReportedType,
)
from circulation.events.reading import Reading, read
from circulation.identifiers import COUNTRIES, ID_LENGTH_MAX, check_id, check_region, check_source
from circulation.openlineage import parsing as openlineage
from circulation.voices import EVERYBODY, Voices

KEPT_MAX: Final = 65_536
# The source of an OpenLineage event whose producer does not name itself, as dbt's files are.
UNNAMED_PRODUCER: Final = "openlineage"
_Bounded = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]


class _Usage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The envelope of a use, flat and closed: what is not here is for the slow path, and nothing nests deeper."""

    specversion: Literal["1.0"]
    type: UsageReportedType
    id: _Bounded
    source: str
    subject: _Bounded
    time: str
    data: UsageReported
    partitionkey: str | None = None
    sequence: str | None = None
    sequencetype: Literal["Integer"] | None = None
    sequenceepoch: str | None = None
    reporter: Literal["exchange", "provider", "consumer"] | None = None
    datacontenttype: Literal["application/json"] | None = None


_decode_usage: Final = msgspec.json.Decoder(_Usage).decode


class Admission:
    """Admits records: bytes in, events or rejections out.

    With `sources`, only what it allows is authorised; without, everybody may say everything, but for what only the
    officials of `voices` say.
    """

    def __init__(self, sources: Sources | None = None, voices: Voices = EVERYBODY) -> None:
        self.sources = sources
        self.voices = voices
        # By reporter, the sources that may report uses as that: as texts of which all their events share one.
        self._trusted: dict[str | None, dict[str, str]] = {reporter: {} for reporter in RANKS}

    def admit(
        self, record: bytes | None, *, topic: str | None, key: bytes | Unkeyed | None, headers: Headers | None, now: int
    ) -> Event | Rejection | list[Event | Rejection]:
        """The content of one record: an event, a rejection, or (for a batch, and only then) a list of both.

        `topic` None takes it from the type, as for files; `key` is the Kafka record's, or `ANY`; `now` is the wall
        clock, or what stands for it (µs). A record without a value is an empty one.
        """
        if record is None:
            record = b""
        if not headers:
            attributes = NO_ATTRIBUTES
        elif len(headers) == 1 and headers[0] == STRUCTURED_HEADER:
            attributes = AS_STRUCTURED
        else:
            attributes = attributes_of(headers)
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
        event_id, subject, reporter, data = usage.id, usage.subject, usage.reporter, usage.data
        sequence = usage.sequence
        source = self._trusted[reporter].get(usage.source) or self._trusts(usage.source, reporter)
        if (
            time > now + AHEAD_MAX
            or not event_id.isprintable()
            or not subject.isprintable()
            or source is None
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
        epoch = 0
        if (digits := usage.sequenceepoch) is not None:
            if len(digits) > 15 or not (digits.isascii() and digits.isdigit()):
                return None
            epoch = int(digits)
        return Event(
            CONTRACTS, USAGE_REPORTED, subject, source, event_id, time, number, RANKS[reporter], data, b"", epoch
        )

    def _trusts(self, source: str, reporter: str | None) -> str | None:
        """Return a source that may report uses as this reporter, remembered; None where it may not."""
        sources, kept = self.sources, self._trusted[reporter]
        trusted = check_source(source) is None and (
            sources is None or (sources.allows(source, USAGE_REPORTED) and sources.allows_as(source, RANKS[reporter]))
        )
        if not trusted:
            return None
        if len(kept) >= KEPT_MAX:
            kept.clear()
        return kept.setdefault(source, source)

    def _slow(
        self,
        record: bytes,
        topic: str | None,
        key: bytes | Unkeyed | None,
        attributes: "Attributes",
        now: int,
        index: int | None = None,
    ) -> Event | Rejection:
        try:
            return self._admitted(record, topic, key, attributes, now)
        except Refused as refused:
            claim = claim_of(record, attributes, topic)
            return Rejection(refused.reason, refused.detail, record, index, claim)

    def _admitted(
        self, record: bytes, topic: str | None, key: bytes | Unkeyed | None, attributes: "Attributes", now: int
    ) -> Event:
        document = document_of(record, attributes)
        if attributes.cloudevent is not None:
            document = from_binary(document, attributes)
        elif is_openlineage(document, attributes.content_type):
            return self._openlineage(document, topic, attributes.source, now)
        envelope = envelope_of(document)
        home = topic_of(envelope, topic)
        fault = envelope.fault
        reading = read(envelope.type, envelope.data) if fault is None else Reading(None, b"", faults=(fault,))
        identity = identity_faults(envelope, home)
        faults = envelope.slips + reading.faults
        if identity or reading.identifiers:
            raise Refused(Reason.BAD_IDENTIFIER, *identity, *reading.identifiers, *faults)
        check_key(envelope, key)
        check_authorised(self.sources, envelope.source, envelope.type, envelope.reporter)
        check_official(self.voices, envelope.source, envelope.type, envelope.data)
        check_time(envelope.time, now, "$.time")
        if faults:
            raise Refused(Reason.INVALID_DATA, *faults)
        if envelope.type == EVENT_RETRACTED and topic is not None and home != topic:
            detail = f"$.data.type: events of {reading.data.type} are not on {topic}"
            raise Refused(Reason.INVALID_DATA, detail)
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
            envelope.epoch,
            envelope.unknown + reading.unknown,
        )

    def _openlineage(self, document: Any, topic: str | None, said_source: str | None, now: int) -> Event:
        """Admit an OpenLineage event. Its source is whoever the record says that sent it, else its producer."""
        try:
            identity = openlineage.identity_of(document)
        except openlineage.NotOpenLineage as error:
            raise not_cloudevent(str(error)) from None
        if topic is not None and topic != ASSETS:
            raise Refused(Reason.UNKNOWN_TYPE, f"OpenLineage events belong to {ASSETS}, not to {topic}")
        if (broken := check_id(identity.subject)) is not None:
            raise Refused(Reason.BAD_IDENTIFIER, f"$.run.runId: {broken}")
        producer = identity.producer or UNNAMED_PRODUCER
        if (broken := check_source(producer)) is not None:
            raise Refused(Reason.BAD_IDENTIFIER, f"$.producer: {broken}")
        data, fault = openlineage.data_of(document, identity)
        source = said_source
        if source is None:
            source = producer if self.sources is None else self.sources.of_producer(producer)
        elif (broken := check_source(source)) is not None:
            raise Refused(Reason.BAD_IDENTIFIER, f"ce_source: {broken}")
        reading = read(OPENLINEAGE_RUN, data)
        if reading.identifier is not None:
            raise Refused(Reason.BAD_IDENTIFIER, str(reading.identifier).replace("$.data", "$", 1))
        check_authorised(self.sources, source, OPENLINEAGE_RUN, RANKS[None])
        if self.sources is not None and (
            refusal := self.sources.not_its_own(source, producer, data.get("job_namespace"))
        ):
            raise Refused(Reason.NOT_AUTHORISED, refusal)
        check_time(identity.time, now, "$.eventTime")
        fault = fault or reading.fault
        if fault is not None:
            path = fault.path.replace("$.data", "$", 1).replace("$.event_type", "$.eventType", 1)
            raise Refused(Reason.INVALID_DATA, f"{path}: {fault.rule}")
        return Event(
            ASSETS,
            OPENLINEAGE_RUN,
            identity.subject,
            source,
            identity.id,
            identity.time,
            None,
            0,
            reading.data,
            reading.raw,
        )

    def _batch(
        self, record: bytes, topic: str | None, key: bytes | Unkeyed | None, now: int
    ) -> list[Event | Rejection] | Rejection:
        try:
            elements = bounded(elements_of(record))
        except Refused as refused:
            return Rejection(refused.reason, refused.detail, record)
        return [
            self._fast(element, topic, key, now) or self._slow(element, topic, key, AS_STRUCTURED, now, index)
            for index, element in enumerate(elements)
        ]


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
