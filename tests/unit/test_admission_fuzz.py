"""Nothing that a record holds can raise, and the fast path says what the slow one says."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import NOW, sample, topic_of

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.admission.records import AS_STRUCTURED
from circulation.admission.sources import Sources
from circulation.events.event import Event
from circulation.events.names import CONTRACTS
from circulation.events.types import TYPES
from circulation.identifiers import FAULTS_MAX

USAGE = "circulation.usage.reported"
ADMISSIONS = (Admission(), Admission(Sources.parse(b"'urn:exchange:beijing': {types: ['*.usage.*']}")))
MODES: tuple[Any, ...] = (
    None,
    [("content-type", b"application/cloudevents+json")],
    [("content-type", b"application/cloudevents-batch+json")],
    [("content-type", b"application/openlineage+json")],
    [("ce_specversion", b"1.0"), ("ce_type", USAGE.encode()), ("ce_id", b"\xff"), ("ce_time", None)],
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["1", "0", "9" * 30, "x" * 128, "x" * 129, "2026-11-23", "2026-11-23T23:59:60Z", "exchange", "\0"]
    )
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
PLAUSIBLE = st.integers(0, 2**53) | st.sampled_from(["CN", "110108", "consumer", "数据", "contract-1", "1", "Integer"])
KEYS = st.sampled_from([ANY, ANY, b"contract-1", b"contract-1", None, b"other"])


def admitted(
    record: bytes, topic: str | None = None, key: Any = ANY, headers: Any = None, admission: Any = None
) -> None:
    found = (admission or ADMISSIONS[0]).admit(record, topic=topic, key=key, headers=headers, now=NOW)
    for one in found if isinstance(found, list) else [found]:
        assert isinstance(one, Event | Rejection)
        if isinstance(one, Rejection):
            lines = one.detail.split("\n")
            assert 1 <= len(lines) <= FAULTS_MAX
            assert all(line and line.isprintable() for line in lines)
            one.detail.encode()


@pytest.mark.slow
@pytest.mark.parametrize("type_name", TYPES)
def test_a_record_cut_off_anywhere_is_rejected(type_name: str) -> None:
    record = orjson.dumps(sample(type_name))
    for end in range(len(record)):
        found = ADMISSIONS[0].admit(record[:end], topic=topic_of(type_name), key=ANY, headers=None, now=NOW)
        assert isinstance(found, Rejection) and found.reason == "not-json"
        admitted(b"[" + record + b"," + record[:end] + b"]", headers=MODES[2])


@pytest.mark.slow
@pytest.mark.parametrize("headers", MODES)
@pytest.mark.parametrize("type_name", [USAGE, "circulation.contract.signed"])
def test_any_byte_put_anywhere_raises_nothing(type_name: str, headers: Any) -> None:
    record = orjson.dumps(sample(type_name))
    for at in range(len(record)):
        for byte in b'\x00"\\{[]}:,\xff':
            admitted(record[:at] + bytes([byte]) + record[at + 1 :], headers=headers)


@given(st.binary(max_size=200) | VALUES.map(lambda value: dumps(value)), st.sampled_from(MODES), KEYS)
def test_any_bytes_raise_nothing(record: bytes, headers: Any, key: Any) -> None:
    for topic in (None, CONTRACTS, "circulation.assets", "elsewhere"):
        admitted(record, topic, key, headers)


@st.composite
def changed(draw: st.DrawFn, types: Any) -> bytes:
    """A good event with members replaced, added, left out, given twice, spelled otherwise."""
    said = copy.deepcopy(sample(draw(types), sequence="3", sequencetype="Integer"))
    for _ in range(draw(st.integers(0, 3))):
        holder = draw(st.sampled_from([said, said["data"]])) if isinstance(said.get("data"), dict) else said
        name = draw(st.sampled_from([*holder, "partitionkey", "reporter", "extra", "datacontenttype", "data_base64"]))
        match draw(st.sampled_from(["replace", "leave out", "null"])):
            case "replace":
                holder[name] = draw(PLAUSIBLE | VALUES)
            case "leave out":
                holder.pop(name, None)
            case "null":
                holder[name] = None
    record = dumps(said)
    match draw(st.sampled_from(["", "", "twice", "escaped", "spaced", "byte"])):
        case "twice":
            name, value = draw(st.sampled_from([*said, "uses"])), dumps(draw(VALUES))
            record = b'{"%s":%s,' % (name.encode(), value) + record[1:-1] + b',"%s":%s}' % (name.encode(), value)
        case "escaped":
            record = record.replace(b'"u', b'"\\u0075').replace(b"purpose", b"\\u0070urpose")
        case "spaced":
            record = record.replace(b":", b" :\n").replace(b",", b"\t, ")
        case "byte":
            at = draw(st.integers(0, len(record) - 1))
            record = record[:at] + draw(st.binary(max_size=2)) + record[at + 1 :]
    return record


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        return repr(value).encode("utf-8", "surrogatepass")


@settings(max_examples=1_000)
@given(changed(st.just(USAGE)), KEYS)
def test_the_fast_path_says_what_the_slow_path_says(record: bytes, key: Any) -> None:
    for admission in ADMISSIONS:
        for topic in (None, CONTRACTS):
            fast = admission.admit(record, topic=topic, key=key, headers=MODES[1], now=NOW)
            assert admission._slow(record, topic, key, AS_STRUCTURED, NOW) == fast


@settings(max_examples=500)
@given(changed(st.sampled_from(list(TYPES))), st.sampled_from(MODES), KEYS)
def test_any_change_of_any_event_raises_nothing(record: bytes, headers: Any, key: Any) -> None:
    for admission in ADMISSIONS:
        admitted(record, None, key, headers, admission)
        admitted(b"[" + record + b"]", CONTRACTS, key, headers, admission)


TIMES = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()) | st.text(
    "0123456789-:.TZ+ ", max_size=30
)


@given(TIMES)
def test_any_time_is_read_the_same_on_both_paths(time: str) -> None:
    record = orjson.dumps(sample(USAGE, time=time))
    admission = ADMISSIONS[0]
    fast = admission.admit(record, topic=None, key=ANY, headers=None, now=NOW)
    assert admission._slow(record, None, ANY, AS_STRUCTURED, NOW) == fast
