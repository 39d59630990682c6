import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest
from samples import DATA, TERMS

from circulation.calendar import parse_instant
from circulation.events.names import EVENT_RETRACTED, NOT_RETRACTABLE, OPENLINEAGE_RUN
from circulation.events.reading import decode_data, read
from circulation.events.types import TYPES
from circulation.terms import Terms, allows, allows_purpose, allows_region, inside

STRUCTS = [name for name, (_, struct) in TYPES.items() if struct is not None]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value: what holds it, and the member or item there."""
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield value, step
        yield from places(inner)


def test_every_type_has_a_good_sample() -> None:
    assert [] == [name for name in TYPES if name not in DATA], "tests/unit/samples.py: DATA has one for each type"


@pytest.mark.parametrize("type_name", TYPES)
def test_the_good_sample_of_every_type_is_read_and_read_back(type_name: str) -> None:
    reading = read(type_name, DATA[type_name])
    assert (None, None) == (reading.identifier, reading.fault)
    assert reading.data == decode_data(type_name, reading.raw)
    assert orjson.dumps(DATA[type_name], option=orjson.OPT_SORT_KEYS) == reading.raw


@pytest.mark.parametrize("type_name", STRUCTS)
def test_the_samples_name_every_member(type_name: str) -> None:
    struct: Any = TYPES[type_name][1]
    left_out = {"circulation.objection.filed": {"finding"}}
    assert set(struct.__struct_fields__) - left_out.get(type_name, set()) == set(DATA[type_name])
    assert set(Terms.__struct_fields__) == set(TERMS)


@pytest.mark.parametrize("type_name", STRUCTS)
def test_null_is_the_same_as_absent_and_unknown_members_are_left_out(type_name: str) -> None:
    struct: Any = TYPES[type_name][1]
    required = {field.name for field in msgspec.structs.fields(struct) if field.required}
    if type_name == "circulation.objection.filed":
        required.add("record")
    least = {name: member for name, member in DATA[type_name].items() if name in required}
    nulls = dict.fromkeys(struct.__struct_fields__) | least | {"no-such-member": {"a": [None]}}
    assert read(type_name, least)._replace(unknown=1) == read(type_name, nulls)
    assert read(type_name, least).fault is None
    for name in required:
        assert read(type_name, DATA[type_name] | {name: None}).fault is not None, name


@pytest.mark.parametrize("type_name", STRUCTS)
def test_a_wrong_type_at_any_member_is_a_fault_and_raises_nothing(type_name: str) -> None:
    good = DATA[type_name]
    count = 0
    for number, _ in enumerate(places(good)):
        for wrong in (True, -1, 1.5, 2**53, 10**30, "", "\0", "no such", [], [[]], {}, {"a": 1}, [1], ["\n"]):
            data = copy.deepcopy(good)
            holder, step = list(places(data))[number]
            if type(holder[step]) is type(wrong):
                continue
            holder[step] = wrong
            reading = read(type_name, data)
            count += 1
            if reading.fault is None and reading.identifier is None:
                assert reading.data == decode_data(type_name, reading.raw)
            else:
                assert str(reading.fault or reading.identifier).startswith("$.data")
    assert count or type_name == "circulation.source.heartbeat"


def test_a_malformed_identifier_is_found_behind_other_faults() -> None:
    data = DATA["circulation.asset.derived"] | {"inputs": [{"asset": "a", "share": 2}, {"asset": ""}], "process": 1}
    assert "$.data.inputs[1].asset" == read("circulation.asset.derived", data).identifier.path


def test_counts_end_at_2_to_the_53_less_1() -> None:
    data = DATA["circulation.usage.cancelled"]
    good = [read("circulation.usage.cancelled", data | {"uses": n}).fault is None for n in (0, 2**53 - 1, 2**53, -1)]
    assert [True, True, False, False] == good


def test_terms_that_are_never_valid_are_a_fault() -> None:
    def fault(valid_to: str) -> bool:
        contract = DATA["circulation.contract.signed"] | {"terms": {"valid_from": "2026-01-01", "valid_to": valid_to}}
        return read("circulation.contract.signed", contract).fault is not None

    instants = ("2025-12-31T23:59:59.999999+08:00", "2026-01-01", "2026-01-01T00:00:00.000001+08:00")
    assert [True, True, False] == [fault(valid_to) for valid_to in instants]


def test_a_window_has_at_least_one_second() -> None:
    def fault(seconds: int) -> bool:
        terms = {"valid_from": "2026-01-01", "windows": [{"uses_max": 1, "seconds": seconds}]}
        return (
            read("circulation.contract.signed", DATA["circulation.contract.signed"] | {"terms": terms}).fault
            is not None
        )

    assert [True, False] == [fault(seconds) for seconds in (0, 1)]


@pytest.mark.parametrize("type_name", [*TYPES, OPENLINEAGE_RUN, "no.such"])
def test_everything_but_uses_and_retractions_can_be_retracted(type_name: str) -> None:
    data = {"event": "e", "type": type_name, "reason": "r"}
    refused = type_name in NOT_RETRACTABLE or type_name == "no.such"
    assert refused == (read(EVENT_RETRACTED, data).fault is not None)


def test_an_objection_is_to_one_thing() -> None:
    data = {"objection": "o", "grounds": "g"}
    assert read("circulation.objection.filed", data | {"finding": "f"}).fault is None
    assert read("circulation.objection.filed", data).fault is not None
    assert read("circulation.objection.filed", data | {"finding": "f", "record": "r"}).fault is not None


def test_an_official_may_give_one_piece_of_evidence_or_several() -> None:
    assert read("circulation.case.closed", {"by": "o", "evidence": ["a", "b"]}).data.evidence == ("a", "b")


def test_the_default_currency_is_the_yuan() -> None:
    data = {"settlement": "s", "payer": "a:b", "payee": "a:c", "amount": "1"}
    assert "CNY" == read("circulation.settlement.paid", data).data.currency


def test_terms_allow_sub_purposes_and_sub_regions_only() -> None:
    purposes = ("credit", "risk/fraud")
    asked = ("credit", "credit/scoring", "creditors", "risk", "risk/fraud/card")
    assert [True, True, False, False, True] == [allows_purpose(purposes, purpose) for purpose in asked]
    assert allows_purpose(None, "anything")
    regions = ("110000", "310100", "440305")
    given = ("110108", "110000", "310101", "310200", "440305", "440306", "120000")
    assert [True, True, True, False, True, False, False] == [allows_region(regions, region) for region in given]
    assert allows_region(None, "110000")
    assert [True, True, False, False] == [allows(allowed, "a") for allowed in (None, ("a",), ("b",), ())]


def test_inside_begins_with_valid_from_and_ends_before_valid_to() -> None:
    terms = read("circulation.contract.signed", DATA["circulation.contract.signed"]).data.terms
    start, end = parse_instant("2026-01-01"), parse_instant("2027-01-01")
    assert [False, True, True, False] == [inside(terms, instant) for instant in (start - 1, start, end - 1, end)]
