import base64
import gzip
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import yaml
from samples import BUYER, DATA, NOW, SELLER, SOURCE, sample, topic_of

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY, PACKED, UNPACKED_BYTES_MAX, UNPACKED_VALUES_MAX, Unkeyed
from circulation.admission.reasons import Reason, Rejection
from circulation.admission.records import BATCH_EVENTS_MAX, EVENT_BYTES_MAX, Headers, too_deep
from circulation.admission.sources import Sources, SourcesInvalid
from circulation.calendar import MINUTE, format_instant
from circulation.events.event import Event
from circulation.events.names import (
    ASSETS,
    CONTRACTS,
    EVENT_RETRACTED,
    OPENLINEAGE_RUN,
    PARTIES,
    RULEPACK_PUBLISHED,
    RULES,
    SOURCE_HEARTBEAT,
)
from circulation.events.types import TYPES
from circulation.voices import EVERYBODY, OFFICIALS, Voices

USAGE = "circulation.usage.reported"
BATCH = [("content-type", b"application/cloudevents-batch+json")]
LINEAGE = [("content-type", b"application/openlineage+json")]
RUN: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-23T03:00:00Z",
    "run": {"runId": "run-1"},
    "job": {"namespace": "n", "name": "j"},
    "inputs": [{"namespace": "postgres://db", "name": "s.t"}],
    "outputs": [{"namespace": "n", "name": "o", "facets": {"columnLineage": {"fields": {"a": {"inputFields": []}}}}}],
    "producer": "urn:dbt",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}


def admit(
    said: Any,
    *,
    topic: str | None = None,
    key: bytes | Unkeyed | None = ANY,
    headers: Headers | None = None,
    sources: Sources | None = None,
    voices: Voices = EVERYBODY,
) -> Any:
    record = said if isinstance(said, bytes) else orjson.dumps(said)
    return Admission(sources, voices).admit(record, topic=topic, key=key, headers=headers, now=NOW)


def reason(said: Any, **how: Any) -> Reason | None:
    found = admit(said, **how)
    return found.reason if isinstance(found, Rejection) else None


@pytest.mark.parametrize("type_name", TYPES)
def test_the_good_sample_of_every_type_is_admitted_from_a_file_and_from_kafka(type_name: str) -> None:
    said = sample(type_name, partitionkey=sample(type_name)["subject"], sequence="7", reporter="provider", extra=[])
    event = admit(said)
    assert isinstance(event, Event)
    assert (topic_of(type_name), type_name, said["subject"], SOURCE, "e-1") == (
        event.topic,
        event.type,
        event.subject,
        event.source,
        event.id,
    )
    assert (said["time"], 7, 1) == (format_instant(event.time), event.sequence, event.reporter)
    assert event == admit(said, topic=topic_of(type_name), key=said["subject"].encode())


def test_only_uses_are_kept_without_their_data() -> None:
    kept = {type_name for type_name in TYPES if admit(sample(type_name)).raw_data}
    assert TYPES.keys() - kept == {USAGE}


def in_binary(said: dict[str, Any]) -> tuple[bytes, list[tuple[str, bytes | None]]]:
    headers: list[tuple[str, bytes | None]] = [
        (f"ce_{name}", value.encode()) for name, value in said.items() if name != "data"
    ]
    return orjson.dumps(said["data"]), [("content-type", b"application/json"), *headers]


@pytest.mark.parametrize("type_name", TYPES)
def test_binary_mode_says_the_same_as_structured_mode(type_name: str) -> None:
    said = sample(type_name, sequence="7", sequencetype="Integer")
    record, headers = in_binary(said)
    assert admit(said) == admit(record, headers=headers)


def test_binary_mode_is_as_strict() -> None:
    record, headers = in_binary(sample(USAGE))
    assert Reason.NOT_CLOUDEVENT == reason(record, headers=[h for h in headers if h[0] != "ce_id"])
    assert Reason.NOT_CLOUDEVENT == reason(record, headers=[*headers, ("ce_id", b"\xff")])
    assert Reason.NOT_CLOUDEVENT == reason(record, headers=[*headers, ("content-type", b"text/plain")])
    assert Reason.INVALID_DATA == reason(b"", headers=headers)
    assert Reason.INVALID_DATA == reason(b"[]", headers=headers)
    assert Reason.NOT_JSON == reason(b"{", headers=headers)
    assert reason(record, headers=[*headers, ("ce_x", None), ("other", b"\xff")]) is None


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+json; charset=UTF-8", b"Application/CloudEvents+JSON", b"", None]
)
def test_structured_mode_is_also_what_has_no_content_type(content_type: bytes | None) -> None:
    assert admit(sample(USAGE)) == admit(sample(USAGE), headers=[("Content-Type", content_type)])


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Reason.NOT_CLOUDEVENT, {"specversion": "0.3"}),
        (Reason.NOT_CLOUDEVENT, {"specversion": 1.0}),
        (Reason.NOT_CLOUDEVENT, {"id": None}),
        (Reason.NOT_CLOUDEVENT, {"id": ""}),
        (Reason.NOT_CLOUDEVENT, {"id": 7}),
        (Reason.NOT_CLOUDEVENT, {"source": ""}),
        (Reason.NOT_CLOUDEVENT, {"type": 1}),
        (Reason.NOT_CLOUDEVENT, {"subject": None}),
        (Reason.NOT_CLOUDEVENT, {"time": "yesterday"}),
        (Reason.NOT_CLOUDEVENT, {"time": "2026-11-23T11:00:00"}),
        (Reason.NOT_CLOUDEVENT, {"time": 1}),
        (Reason.INVALID_DATA, {"data": None}),
        (Reason.INVALID_DATA, {"data": []}),
        (Reason.INVALID_DATA, {"data": "x"}),
        (Reason.INVALID_DATA, {"data_base64": "e30="}),
        (Reason.NOT_CLOUDEVENT, {"sequence": 1}),
        (Reason.NOT_CLOUDEVENT, {"sequence": ""}),
        (Reason.NOT_CLOUDEVENT, {"sequence": "0"}),
        (Reason.NOT_CLOUDEVENT, {"sequence": "-1"}),
        (Reason.NOT_CLOUDEVENT, {"sequence": "١"}),
        (Reason.NOT_CLOUDEVENT, {"sequence": str(2**53)}),
        (Reason.NOT_CLOUDEVENT, {"sequence": "9" * 9_999}),
        (Reason.NOT_CLOUDEVENT, {"sequencetype": "Float"}),
        (Reason.NOT_CLOUDEVENT, {"reporter": "regulator"}),
        (Reason.NOT_CLOUDEVENT, {"reporter": []}),
        (Reason.NOT_CLOUDEVENT, {"partitionkey": 1}),
        (Reason.NOT_CLOUDEVENT, {"partitionkey": ""}),
        (Reason.UNKNOWN_TYPE, {"type": "circulation.usage.imagined"}),
        (Reason.UNKNOWN_TYPE, {"type": OPENLINEAGE_RUN}),
        (Reason.BAD_IDENTIFIER, {"subject": "s" * 129}),
        (Reason.BAD_IDENTIFIER, {"subject": "a\u0000b"}),
        (Reason.BAD_IDENTIFIER, {"id": "i" * 129}),
        (Reason.BAD_IDENTIFIER, {"id": "\n"}),
        (Reason.BAD_IDENTIFIER, {"source": "s" * 1025}),
        (Reason.BAD_IDENTIFIER, {"data": {"uses": 1, "purpose": "p", "actor": ""}}),
        (Reason.KEY_MISMATCH, {"partitionkey": "contract-2"}),
        (Reason.FROM_THE_FUTURE, {"time": format_instant(NOW + 10 * MINUTE + 1)}),
        (Reason.INVALID_DATA, {"data": {}}),
        (Reason.INVALID_DATA, {"data": {"uses": 1.0, "purpose": "p"}}),
        (Reason.INVALID_DATA, {"data": {"uses": -1, "purpose": "p"}}),
        (Reason.INVALID_DATA, {"data": {"uses": 2**53, "purpose": "p"}}),
        (Reason.INVALID_DATA, {"data": {"uses": "1", "purpose": "p"}}),
        (Reason.INVALID_DATA, {"data": {"uses": 1, "purpose": "\u0000"}}),
        (Reason.INVALID_DATA, {"data": {"uses": 1, "purpose": "p", "country": "XX"}}),
        (Reason.INVALID_DATA, {"data": {"uses": 1, "purpose": "p", "region": "1101"}}),
        (None, {"time": format_instant(NOW + 10 * MINUTE)}),
        (None, {"time": "2026-11-23"}),
        (None, {"id": "i" * 128, "source": "s" * 1024, "subject": "s" * 128}),
        (None, {"sequence": str(2**53 - 1), "sequencetype": "Integer"}),
        (None, {"sequence": "007"}),
        (None, {"data_base64": None, "reporter": None, "partitionkey": None, "sequence": None}),
    ],
)
def test_each_broken_rule_has_its_code(expected: Reason | None, changes: dict[str, Any]) -> None:
    assert expected == reason(sample(USAGE, **changes))


def in_base64(raw: bytes, **members: Any) -> dict[str, Any]:
    """A use whose data is in `data_base64`."""
    return sample(USAGE, data=None, data_base64=base64.b64encode(raw).decode(), **members)


def test_data_may_be_json_in_base64() -> None:
    said = sample(USAGE)
    raw = orjson.dumps(said["data"])
    for content_type in (None, "application/json", "application/json; charset=utf-8", "application/vnd.uses+json"):
        assert admit(said) == admit(in_base64(raw, datacontenttype=content_type))


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Reason.INVALID_DATA, {"datacontenttype": "text/plain"}),
        (Reason.INVALID_DATA, {"datacontenttype": 1}),
        (Reason.INVALID_DATA, {"datacontenttype": PACKED}),  # no pack
        (Reason.INVALID_DATA, {"data": {"uses": 1, "purpose": "p"}}),
        (Reason.INVALID_DATA, {"data_base64": "e30"}),
        (Reason.INVALID_DATA, {"data_base64": "数"}),
        (Reason.INVALID_DATA, {"data_base64": ["e30="]}),
        (Reason.INVALID_DATA, {"data_base64": base64.b64encode(b"[]").decode()}),
        (Reason.INVALID_DATA, {"data_base64": base64.b64encode(b"null").decode()}),
        (Reason.INVALID_DATA, {"data_base64": base64.b64encode(b"{").decode()}),
        (Reason.TOO_DEEP, {"data_base64": base64.b64encode(b"[" * 65).decode()}),
    ],
)
def test_what_is_no_json_in_base64_is_rejected(expected: Reason, changes: dict[str, Any]) -> None:
    said = in_base64(orjson.dumps(sample(USAGE)["data"]))
    assert reason(said) is None
    assert expected == reason({**said, **changes})


def packed(raw: bytes, *, after: bytes = b"", cut: int = 0) -> dict[str, Any]:
    """A published pack whose data is packed."""
    zipped = gzip.compress(raw) + after
    text = base64.b64encode(zipped[: len(zipped) - cut]).decode()
    return sample(RULEPACK_PUBLISHED, data=None, data_base64=text, datacontenttype=PACKED)


def test_a_published_pack_may_be_packed() -> None:
    said = sample(RULEPACK_PUBLISHED)
    assert admit(said) == admit(packed(orjson.dumps(said["data"])))


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (Reason.INVALID_DATA, packed(b"{}", after=b"x")),
        (Reason.INVALID_DATA, packed(b"{}", after=gzip.compress(b"{}"))),
        (Reason.INVALID_DATA, packed(b"{}", cut=1)),
        (Reason.INVALID_DATA, packed(b"{}", cut=20)),
        (Reason.INVALID_DATA, {**packed(b"{}"), "data_base64": "e30="}),
        (Reason.INVALID_DATA, packed(b"[]")),
        (Reason.TOO_DEEP, packed(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}")),
    ],
)
def test_a_packed_pack_is_one_gzip_of_an_object(expected: Reason, said: dict[str, Any]) -> None:
    assert expected == reason(said)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "expected"), [(-1, None), (0, None), (1, Reason.TOO_LARGE)])
def test_what_is_unpacked_has_a_limit(more: int, expected: Reason | None) -> None:
    assert expected == reason(packed(b"{}" + b" " * (UNPACKED_BYTES_MAX - 2 + more)))
    values = b'{"a":[' + b"1," * (UNPACKED_VALUES_MAX - 2 + more) + b"1]}"
    assert expected == reason(packed(values))


def test_a_faulty_event_gets_the_first_code_that_applies() -> None:
    said = sample(
        "circulation.export.performed",
        subject="nobody",
        partitionkey="other",
        time=format_instant(NOW + 3600_000_000),
        data={"recipient": "nobody"},
    )
    mended: list[tuple[Reason, dict[str, Any]]] = [
        (Reason.NOT_CLOUDEVENT, {"specversion": "2.0"}),
        (Reason.UNKNOWN_TYPE, {"type": "circulation.export.imagined"}),
        (Reason.BAD_IDENTIFIER, {}),
        (Reason.BAD_IDENTIFIER, {"subject": SELLER}),
        (Reason.KEY_MISMATCH, {"subject": SELLER, "data": {"recipient": BUYER}}),
        (Reason.NOT_AUTHORISED, {"subject": SELLER, "data": {}, "partitionkey": SELLER, "source": "urn:other"}),
        (Reason.FROM_THE_FUTURE, {"subject": SELLER, "data": {}, "partitionkey": SELLER}),
        (Reason.INVALID_DATA, {"subject": SELLER, "data": {}, "partitionkey": SELLER, "time": "2026-11-23"}),
    ]
    sources = Sources.parse(f"{SOURCE}: {{types: ['circulation.*']}}".encode())
    assert [code for code, _ in mended] == [reason(said | changes, sources=sources) for _, changes in mended]


def test_an_event_belongs_to_its_topic() -> None:
    assert Reason.UNKNOWN_TYPE == reason(sample(USAGE), topic=PARTIES)
    assert Reason.UNKNOWN_TYPE == reason(sample(USAGE), topic="circulation.findings")
    assert Reason.UNKNOWN_TYPE == reason(sample(EVENT_RETRACTED), topic="circulation.findings")
    assert Reason.UNKNOWN_TYPE == reason(RUN, topic=CONTRACTS)


def test_the_records_key_is_the_bytes_of_the_subject() -> None:
    for type_name in (USAGE, "circulation.contract.terminated"):
        keys = (b"contract-1", b"contract-2", b"", None)
        assert [None, *[Reason.KEY_MISMATCH] * 3] == [reason(sample(type_name), key=key) for key in keys]
    assert reason(RUN, topic=ASSETS, key=b"anything") is None
    assert reason(RUN, topic=ASSETS, key=None) is None


def test_data_that_is_missing_comes_after_what_is_wrong_with_the_envelope() -> None:
    without = sample(USAGE)
    del without["data"]
    assert Reason.INVALID_DATA == reason(without)
    assert Reason.UNKNOWN_TYPE == reason(without | {"type": "no.such"})
    assert Reason.BAD_IDENTIFIER == reason(without | {"id": "\u0000"})
    assert Reason.FROM_THE_FUTURE == reason(without | {"time": "2999-01-01T00:00:00Z"})


def test_a_heartbeat_needs_no_data_and_is_about_its_source() -> None:
    said = sample(SOURCE_HEARTBEAT, sequence="3")
    del said["data"]
    assert (PARTIES, 3) == (admit(said).topic, admit(said).sequence)
    assert Reason.BAD_IDENTIFIER == reason(said | {"subject": "urn:other"})


def test_a_retraction_lands_where_what_it_takes_back_landed() -> None:
    taken_back = {"event": "e", "type": "circulation.export.performed", "reason": "r"}
    said = sample(EVENT_RETRACTED, subject=SELLER, data=taken_back)
    assert PARTIES == admit(said).topic == admit(said, topic=PARTIES).topic
    assert Reason.INVALID_DATA == reason(said, topic=RULES)
    assert Reason.BAD_IDENTIFIER == reason(said | {"subject": "nobody"})
    for type_name in (USAGE, "circulation.usage.cancelled", EVENT_RETRACTED, "no.such", None, 1):
        data = taken_back | {"type": type_name}
        assert Reason.INVALID_DATA == reason(sample(EVENT_RETRACTED, data=data)), type_name


def test_of_a_member_given_twice_the_last_counts() -> None:
    bad_first = orjson.dumps(sample(USAGE)).replace(b'"uses":1', b'"uses":"x","uses":1')
    bad_last = orjson.dumps(sample(USAGE)).replace(b'"uses":1', b'"uses":1,"uses":"x"')
    null_last = orjson.dumps(sample(USAGE)).replace(b'"rows":3', b'"rows":3,"rows":null')
    assert admit(sample(USAGE)) == admit(bad_first)
    assert Reason.INVALID_DATA == reason(bad_last)
    assert admit(null_last).data.rows is None


@pytest.mark.parametrize("type_name", ["circulation.usage.reported", "circulation.contract.terminated"])
@pytest.mark.parametrize(
    "bad",
    [b"NaN", b"Infinity", b"1e999", b'"\xff"', b'"\\ud800"', b'"\xed\xa0\x80"', b"01", b"'x'", b"", b'"\t"'],
)
def test_what_is_no_json_is_none_also_where_nobody_looks(type_name: str, bad: bytes) -> None:
    for said in (sample(type_name, unknown=0), sample(type_name, data=DATA[type_name] | {"unknown": 0})):
        record = orjson.dumps(said).replace(b'"unknown":0', b'"unknown":' + bad)
        assert Reason.NOT_JSON == reason(record)
    assert Reason.NOT_JSON == reason(orjson.dumps(sample(type_name)).replace(b'"e-1"', bad))


def test_what_is_around_an_event_is_no_json() -> None:
    record = orjson.dumps(sample(USAGE))
    assert reason(b" \r\n\t" + record + b"\n") is None
    for around in (
        b"\xef\xbb\xbf" + record,
        record + b"x",
        record + record,
        b"",
        b"\n",
        record.decode().encode("utf-16"),
    ):
        assert Reason.NOT_JSON == reason(around)
    assert Reason.NOT_JSON == Admission().admit(None, topic=CONTRACTS, key=None, headers=(), now=NOW).reason  # type: ignore[union-attr]


def test_an_event_has_at_most_1_mib() -> None:
    for type_name in (USAGE, "circulation.contract.terminated"):
        short = orjson.dumps(sample(type_name))
        sized = [short + b" " * (EVENT_BYTES_MAX + more - len(short)) for more in (-1, 0, 1)]
        assert [None, None, Reason.TOO_LARGE] == [reason(record) for record in sized]
    assert Reason.TOO_LARGE == reason(b"[" * 5 * EVENT_BYTES_MAX)


def nested(levels: int, open_: str = "[", close: str = "]") -> str:
    return open_ * levels + close * levels


@pytest.mark.parametrize("place", ["event", "data"])
def test_an_event_has_at_most_64_levels(place: str) -> None:
    def code(levels: int) -> Reason | None:
        said = sample(USAGE, unknown=0) if place == "event" else sample(USAGE, data=DATA[USAGE] | {"unknown": 0})
        above = 1 if place == "event" else 2
        return reason(orjson.dumps(said).replace(b'"unknown":0', f'"unknown":{nested(levels - above)}'.encode()))

    assert [None, None, Reason.TOO_DEEP] == [code(levels) for levels in (63, 64, 65)]


@pytest.mark.parametrize("headers", [None, BATCH, LINEAGE])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b'["[",'])
def test_100_000_levels_are_too_deep_and_cost_no_stack(headers: Headers | None, opening: bytes) -> None:
    assert Reason.TOO_DEEP == reason(opening * 100_000, headers=headers)


def test_brackets_in_strings_are_not_levels() -> None:
    assert not too_deep(b'["' + b"[" * 100 + b'\\"' + b"{" * 100 + b'"]', 64)
    assert not too_deep(b"[]" * 100, 64)
    assert not too_deep(b'"' + b"[" * 100, 64)
    assert too_deep(b'"\\\\"' + b"[" * 65, 64)
    assert not too_deep(b'"\\"' + b"[" * 65, 64)


def test_of_a_batch_only_the_bad_elements_are_rejected_each_as_its_own_bytes() -> None:
    good = orjson.dumps(sample("circulation.contract.terminated"))
    use = orjson.dumps(sample(USAGE))
    elements = [good, b'{"a": "\xff,]"}', use, b"1", b"[" * 100 + b"]" * 100, b'{"specversion" : "1.0"}']
    found = admit(b" [" + b" ,\n".join(elements) + b"] ", headers=BATCH, topic=CONTRACTS, key=b"contract-1")
    assert [admit(good), admit(use)] == [one for one in found if isinstance(one, Event)]
    assert [
        (Reason.NOT_JSON, elements[1], 1),
        (Reason.NOT_CLOUDEVENT, elements[3], 3),
        (Reason.TOO_DEEP, elements[4], 4),
        (Reason.NOT_CLOUDEVENT, elements[5], 5),
    ] == [(one.reason, one.record, one.index) for one in found if isinstance(one, Rejection)]


def test_a_batch_is_an_array_that_ends() -> None:
    use = orjson.dumps(sample(USAGE))
    assert [] == admit(b"[]", headers=BATCH)
    assert Reason.NOT_CLOUDEVENT == reason(use, headers=BATCH)
    for record in (b"[" + use, b"[" + use + b",", b"[" + use + b"]]", b"", use + b"]", b"[" + use + b"}"):
        assert Reason.NOT_JSON == reason(record, headers=BATCH)
    assert Reason.TOO_LARGE == reason(b"[" + b"1," * BATCH_EVENTS_MAX + b"1]", headers=BATCH)
    assert Reason.NOT_CLOUDEVENT == reason(b"[" + use + b"]")


def test_an_element_of_a_batch_has_the_key_of_the_record() -> None:
    found = admit([sample(USAGE), sample(USAGE, subject="contract-2")], headers=BATCH, key=b"contract-1")
    assert [None, Reason.KEY_MISMATCH] == [getattr(one, "reason", None) for one in found]


def test_a_run_is_recognised_by_header_schema_or_shape() -> None:
    bare = {name: member for name, member in RUN.items() if name != "schemaURL"}
    event = admit(RUN)
    assert (ASSETS, OPENLINEAGE_RUN, "run-1", "urn:dbt", "COMPLETE@2026-11-23T03:00:00Z", None) == (
        event.topic,
        event.type,
        event.subject,
        event.source,
        event.id,
        event.sequence,
    )
    assert (("postgres://db/s.t",), ("n/o",), "n/j") == (event.data.inputs, event.data.outputs, event.data.job)
    assert {"n/o": {"a": ()}} == event.data.columns
    assert event == admit(bare) == admit(bare, headers=LINEAGE)
    assert Reason.NOT_CLOUDEVENT == reason(RUN, headers=[("content-type", b"application/cloudevents+json")])


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Reason.NOT_CLOUDEVENT, {"run": {}}),
        (Reason.NOT_CLOUDEVENT, {"run": {"runId": ""}}),
        (Reason.NOT_CLOUDEVENT, {"eventTime": "now"}),
        (Reason.NOT_CLOUDEVENT, {"eventTime": "2026-11-23"}),
        (Reason.NOT_CLOUDEVENT, {"eventTime": "2026-11-23T00:00:00." + "0" * 99 + "Z"}),
        (Reason.NOT_CLOUDEVENT, {"producer": 1}),
        (Reason.NOT_CLOUDEVENT, {"run": None, "job": {"namespace": "n"}}),
        (Reason.NOT_CLOUDEVENT, {"run": None, "job": None, "dataset": {}}),
        (None, {"run": None}),
        (None, {"run": None, "job": None, "dataset": {"namespace": "n", "name": "o"}}),
        (Reason.BAD_IDENTIFIER, {"run": {"runId": "\n"}}),
        (Reason.BAD_IDENTIFIER, {"producer": "p" * 1025}),
        (Reason.BAD_IDENTIFIER, {"run": {"runId": "\n"}, "eventTime": "2027-01-01T00:00:00Z"}),
        (None, {"inputs": [{"namespace": "n", "name": "n" * 1023}, {"namespace": "n", "name": ""}]}),
        (Reason.FROM_THE_FUTURE, {"eventTime": "2027-01-01T00:00:00Z", "eventType": "LOST"}),
        (Reason.INVALID_DATA, {"eventType": "LOST"}),
        (Reason.INVALID_DATA, {"eventType": 1}),
        (Reason.INVALID_DATA, {"inputs": {}}),
        (Reason.INVALID_DATA, {"inputs": [1]}),
        (Reason.INVALID_DATA, {"outputs": [{"namespace": "n"}]}),
        (Reason.INVALID_DATA, {"job": 1}),
        (None, {"eventType": None, "inputs": None, "outputs": None, "producer": None}),
        (None, {"inputs": [{"namespace": "n", "name": "n" * 1022, "facets": 1}]}),
    ],
)
def test_each_broken_rule_of_a_run_has_its_code(expected: Reason | None, changes: dict[str, Any]) -> None:
    assert expected == reason(RUN | changes)


def test_the_time_of_a_run_without_an_offset_is_utc() -> None:
    assert admit(RUN).time == admit(RUN | {"eventTime": "2026-11-23T03:00:00"}).time


def test_every_real_openlineage_event_is_admitted(test_data: Path) -> None:
    admitted = 0
    for file in sorted((test_data / "openlineage").glob("*.json")):
        content = orjson.loads(file.read_bytes())
        for said in content if isinstance(content, list) else [content]:
            if "eventTime" in said:
                event = admit(said, topic=ASSETS, key=None)
                assert isinstance(event, Event), (file, event)
                assert len(said.get("inputs", ())) >= len(event.data.inputs)
                admitted += 1
    assert admitted >= 120


def test_conformance_samples_are_told_apart_the_same_in_both_modes(test_data: Path) -> None:
    seen = 0
    for file in sorted((test_data / "cloudevents").glob("*.yaml")):
        for one in yaml.load_all(file.read_text(), Loader=yaml.BaseLoader):
            attributes = {name: value for name, value in one["ContextAttributes"].items() if name != "Extensions"}
            said = {"subject": "contract-1", "time": "2018-04-05T03:56:24Z"} | attributes | {"data": {"world": "hello"}}
            record, headers = in_binary({**said, "datacontenttype": "application/json"})
            assert Reason.NOT_CLOUDEVENT == reason(attributes | {"data": {}})  # CloudEvents needs no subject, we do
            assert Reason.UNKNOWN_TYPE == reason(said) == reason(record, headers=headers)
            ours = {"type": "circulation.contract.terminated", "data": {"reason": "end"}}
            assert reason(said | ours) is None
            seen += 1
    assert seen >= 5


SOURCES = f"""
{SOURCE}:
  types: ["circulation.*"]
  party: {SELLER}
urn:dbt:
  types: [openlineage.run]
urn:narrow:
  types: [circulation.usage.*, circulation.source.heartbeat]
""".encode()


def test_sources_say_who_may_say_what() -> None:
    sources = Sources.parse(SOURCES)

    def code(type_name: str, source: str) -> Reason | None:
        subject = {"subject": source} if type_name == SOURCE_HEARTBEAT else {}
        return reason(sample(type_name, source=source, **subject), sources=sources)

    assert all(code(type_name, SOURCE) is None for type_name in TYPES)
    narrow = {type_name for type_name in TYPES if code(type_name, "urn:narrow") is None}
    assert {USAGE, "circulation.usage.cancelled", SOURCE_HEARTBEAT} == narrow
    assert all(Reason.NOT_AUTHORISED == code(type_name, "urn:other") for type_name in TYPES)
    assert reason(RUN, sources=sources) is None
    assert Reason.NOT_AUTHORISED == reason(RUN | {"producer": "urn:other"}, sources=sources)
    assert Reason.NOT_AUTHORISED == reason(
        sample(USAGE, time=format_instant(NOW + 3600_000_000)) | {"source": "urn:o"}, sources=sources
    )
    assert {SOURCE: SELLER} == sources.parties


def test_the_sources_of_the_page_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    sources = Sources.parse(textwrap.dedent(text).encode())
    assert {"//beijing.exchange.example"} == sources.parties.keys()
    assert {"//hospital.example": 3600} == sources.owed
    assert sources.allows(OFFICIALS, "circulation.rulepack.published")
    assert [False, True, False] == [sources.allows_as("//hospital.example", rank) for rank in range(3)]


def test_a_source_reports_only_as_whom_it_may() -> None:
    sources = Sources.parse(
        b"urn:a: {types: ['*'], reporter: provider}\nurn:b: {types: ['*'], reporters: [provider, consumer]}\n"
        b"urn:c: {types: ['*']}"
    )

    def may(source: str, type_name: str) -> list[str | None]:
        said = sample(type_name) | {"source": source}
        ways = (said | ({} if one is None else {"reporter": one}) for one in (None, "exchange", "provider", "consumer"))
        return [one.get("reporter") for one in ways if reason(one, sources=sources) is None]

    for type_name in (USAGE, "circulation.delivery.completed"):
        assert ["provider"] == may("urn:a", type_name)
        assert ["provider", "consumer"] == may("urn:b", type_name)
        assert [None, "exchange", "provider", "consumer"] == may("urn:c", type_name)


OFFICIAL_TYPES = {
    "circulation.rulepack.published",
    "circulation.credit.determined",
    "circulation.merit.recorded",
    "circulation.objection.decided",
    "circulation.repair.decided",
    *(name for name in TYPES if name.startswith("circulation.case.")),
}


def test_what_officials_say_is_taken_from_their_sources_alone() -> None:
    officials = Voices(["urn:office", "urn:court"])
    for type_name in TYPES:
        expected = Reason.NOT_AUTHORISED if type_name in OFFICIAL_TYPES else None
        data = {name: value for name, value in DATA[type_name].items() if name != "approved_by" or "pack" in type_name}
        for source, code in (("urn:other", expected), ("urn:court", None)):
            subject = {"subject": source} if type_name == SOURCE_HEARTBEAT else {}
            assert code == reason(sample(type_name, source=source, data=data, **subject), voices=officials)
    assert "circulation.objection.filed" not in OFFICIAL_TYPES


@pytest.mark.parametrize(
    ("approved_by", "source", "expected"),
    [
        ("an office", "urn:other", Reason.NOT_AUTHORISED),
        ("an office", "urn:office", None),
        (None, "urn:other", None),
        # in its place in the order of codes: the data is not good, and who sends it may not say it
        (5, "urn:other", Reason.NOT_AUTHORISED),
        (5, "urn:office", Reason.INVALID_DATA),
    ],
)
def test_an_approved_grading_is_an_officials_word(approved_by: Any, source: str, expected: Reason | None) -> None:
    data = DATA["circulation.asset.graded"] | {"approved_by": approved_by}
    said = sample("circulation.asset.graded", source=source, data=data)
    assert expected == reason(said, voices=Voices(["urn:office"]))
    late = said | {"time": format_instant(NOW + 3600_000_000)}
    assert (expected if expected == Reason.NOT_AUTHORISED else Reason.FROM_THE_FUTURE) == reason(
        late, voices=Voices(["urn:office"])
    )


def test_sources_that_may_say_the_same_may_name_it_once() -> None:
    text = (
        b"a: {types: &all ['*'], reporter: provider}\nb: {types: *all}\n/off: {types: *all}\n2026-01-01: {types: *all}"
    )
    sources = Sources.parse(text)
    assert {"a", "b", "/off", "2026-01-01"} == sources.named
    assert all(sources.allows(name, "circulation.contract.signed") for name in sources.named)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problems", "text"),
    [
        (["not YAML: line 1: nothing bears the name of this alias"], b"a: *all"),
        (["line 2: a key must be a text"], b"a: &all {types: ['*']}\n*all : b"),
        (["not YAML: line 2: the key 'a' is given twice"], b"a: {types: ['*']}\na: {types: ['*']}"),
        (["a source is a text"], b"~: {types: ['*']}"),
        (["expected a mapping"], b"[]"),
        (["expected a mapping"], b""),
        (["not YAML"], b"a: ["),
        (["not YAML", "twice"], b"a: {types: ['*']}\na: {types: ['*']}"),
        (["not YAML"], b"\xff\xfe\xff"),
        (["not YAML"], b"? {}\n: {}"),
        (["not YAML"], b"[" * 5_000),
        (["not YAML"], b"a: !!python/object/apply:os.getcwd []"),
        (
            ["'a'.*types: expected a list", "'b'.*unknown member 'kind'", "'c'.*fits no event type", "'d'.*party"],
            b"a: {}\nb: {types: ['*'], kind: 1}\nc: {types: ['nothing.*']}\nd: {types: ['*'], party: nobody}",
        ),
        (
            ["'a'.*reporter: expected exchange, provider, consumer, got 'x'", "'b'.*reporter.*got '1'"],
            b"a: {types: ['*'], reporter: x}\nb: {types: ['*'], reporters: [provider, 1]}",
        ),
        (["a source is a text", "expected `types`"], b"1: {types: ['*']}\nb: 1"),
    ],
)
def test_all_that_is_wrong_with_a_file_of_sources_is_said_at_once(problems: Sequence[str], text: bytes) -> None:
    with pytest.raises(SourcesInvalid) as caught:
        Sources.parse(text)
    for problem in problems:
        assert re.search(problem, str(caught.value))


def test_a_rejection_says_where_and_which_rule_in_one_printable_line() -> None:
    uses = "$.data.uses: Expected `int`, got `str`; this is to be a whole number from 0 to 9007199254740991"
    assert uses == admit(sample(USAGE, data={"uses": "1", "purpose": "p"})).detail
    long = sample("circulation.export.performed", data=DATA["circulation.export.performed"] | {"level": "\0\n" * 9_999})
    detail = admit(long).detail
    assert detail.isprintable() and len(detail) <= 300
    assert Reason.INVALID_DATA == admit(long).reason and orjson.dumps(long) == admit(long).record


SIGNED = "circulation.contract.signed"


@pytest.mark.parametrize(
    ("type_name", "wrong", "said"),
    [
        (
            SIGNED,
            {"amount": 100},
            '.amount: Expected `str`, got `int`; this is to be money: a decimal string, as "10.50"',
        ),
        (
            SIGNED,
            {"buyer": 5},
            ".buyer: Expected `str`, got `int`; this is to be a party: a unified social credit code or scheme:value",
        ),
        (
            SIGNED,
            {"signed": 2025},
            ".signed: Expected `str`, got `int`; this is to be an instant: RFC 3339 with an offset, or a date",
        ),
        (
            SIGNED,
            {"channel": "by hand"},
            ".channel: Invalid enum value 'by hand'; this is to be one of filed, off-exchange, on-exchange",
        ),
        (
            "circulation.party.registered",
            {"region": 110000},
            ".region: Expected `str | null`, got `int`; this is to be a region: a GB/T 2260 code of six digits in"
            " quotes",
        ),
        (
            "circulation.party.registered",
            {"ciio": "yes"},
            ".ciio: Expected `bool | null`, got `str`; this is to be true or false",
        ),
        (
            "circulation.credit.determined",
            {"document_date": "May"},
            ".document_date: Invalid RFC3339 encoded date; this is to be a date: YYYY-MM-DD",
        ),
        (
            "circulation.asset.derived",
            {"inputs": [{"asset": "a", "share": 3}]},
            ".inputs[0].share: Expected `float` <= 1.0; this is to be a number from 0 to 1",
        ),
        (
            "circulation.grant.issued",
            {"countries": "CN"},
            ".countries: Expected `array | null`, got `str`; this is to be a list, of which each is a country:"
            " an ISO 3166-1 alpha-2 code",
        ),
    ],
)
def test_a_value_of_another_type_is_told_which_kind_is_expected(type_name: str, wrong: Any, said: str) -> None:
    rejection = admit(sample(type_name, data=DATA[type_name] | wrong))
    assert (Reason.INVALID_DATA, f"$.data{said}") == (rejection.reason, rejection.detail)


def test_reasons_are_in_the_order_of_the_contract() -> None:
    assert [
        "too-large",
        "too-deep",
        "not-json",
        "not-cloudevent",
        "unknown-type",
        "bad-identifier",
        "key-mismatch",
        "not-authorised",
        "from-the-future",
        "invalid-data",
        "sequence-reused",
    ] == list(Reason)
    assert b'"too-deep"' == msgspec.json.encode(Reason.TOO_DEEP)
