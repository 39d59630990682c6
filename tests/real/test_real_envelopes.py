"""The conformance samples of CloudEvents come in, and what goes out is held against the schema of CloudEvents."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from real_input import ASKED, catalogue, catalogue_story, conformance_samples, wire

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Reason, Rejection
from circulation.events.event import Event
from circulation.examples import Json
from streams.offline.replay import Replay, offline
from streams.store.store import Store

NOW = 2**60


@pytest.fixture(scope="module")
def samples(test_data: Path) -> list[tuple[Json, str]]:
    return conformance_samples(test_data)


def structured(attributes: Json, data: Any) -> Event | Rejection:
    found = Admission().admit(orjson.dumps(attributes | {"data": data}), topic=None, key=ANY, headers=(), now=NOW)
    assert not isinstance(found, list)
    return found


def binary(attributes: Json, data: bytes) -> Event | Rejection:
    headers = [
        ("content-type" if name == "datacontenttype" else f"ce_{name}", value.encode())
        for name, value in attributes.items()
    ]
    found = Admission().admit(data, topic=None, key=ANY, headers=headers, now=NOW)
    assert not isinstance(found, list)
    return found


def is_object(data: str) -> bool:
    try:
        return isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError:
        return False


def test_a_good_event_of_a_strange_type_is_of_an_unknown_type_in_both_modes(samples: list[tuple[Json, str]]) -> None:
    fit = [(ASKED | attributes, data) for attributes, data in samples if is_object(data)]
    for attributes, data in fit:
        for found in (structured(attributes, orjson.loads(data)), binary(attributes, data.encode())):
            assert isinstance(found, Rejection)
            assert (Reason.UNKNOWN_TYPE, attributes["type"] in found.detail) == (found.reason, True)

    assert 3 == len(fit)


def test_a_sample_with_one_of_our_types_is_admitted_with_its_extensions(samples: list[tuple[Json, str]]) -> None:
    for attributes, _ in samples:
        ours = ASKED | attributes | {"type": "circulation.contract.terminated", "datacontenttype": "application/json"}
        for found in (structured(ours, {"reason": "end"}), binary(ours, b'{"reason":"end"}')):
            assert isinstance(found, Event), found
            assert (attributes["id"], attributes["source"]) == (found.id, found.source)


def test_data_that_is_no_json_is_said_to_be_that_in_binary_mode(samples: list[tuple[Json, str]]) -> None:
    for attributes, data in samples:
        if attributes.get("datacontenttype", "").startswith(("text/plain", "application/xml")):
            found = binary(ASKED | attributes, data.encode())
            assert isinstance(found, Rejection)
            assert (Reason.NOT_JSON, data.encode()) == (found.reason, found.record)


def test_what_goes_out_is_cloudevents_by_their_own_schema(test_data: Path) -> None:
    schema = orjson.loads((test_data / "cloudevents" / "cloudevents.schema.json").read_bytes())
    out: list[bytes] = []
    replay = Replay(offline(Store("sqlite://"), None), Admission(), findings=out.append)
    replay.run(wire(catalogue_story(catalogue(test_data))))

    assert out
    for line in out:
        said = orjson.loads(line)
        assert [] == [name for name in schema["required"] if name not in said]
        for name, value in said.items():
            if name in schema["properties"]:
                assert complaint(schema, schema["properties"][name], value) is None, (name, value)


def complaint(schema: Json, rule: Json, value: Any) -> str | None:
    """What of a schema a value breaks: of the little that the schema of CloudEvents uses."""
    if "$ref" in rule:
        return complaint(schema, schema["definitions"][rule["$ref"].rpartition("/")[2]], value)
    kinds = {"string": str, "object": dict, "array": list, "number": (int, float), "boolean": bool, "null": type(None)}
    asked = rule.get("type")
    names = asked if isinstance(asked, list) else [asked] if asked else []
    if names and not any(isinstance(value, kinds[name]) for name in names):
        return f"expected {asked}"
    if isinstance(value, str) and len(value) < rule.get("minLength", 0):
        return "is too short"
    return None
