"""Real ODRL policies, each as an Agreement: what maps onto terms comes in, all else is refused for what it says.

They are Sets, written for a test suite of policy engines (SolidLab, 2024), in Turtle. Here each is nested, as a
document would be, and its type becomes Agreement: what the permission says is theirs.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest
from rdflib import Graph

from circulation import examples
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.events.event import Event
from circulation.examples import Json

SIGNED = "2024-01-15T00:00:00+08:00"
TERMS = {"valid_from": SIGNED}

# What the policy says of Alice and X, seen by reading it, and what comes of it.
DUTY = "`duty` does not map onto terms"
LOGICAL = "a logical constraint other than `and` of ones that map does not map onto terms"
NO_PERMISSION = "`prohibition` does not map onto terms"
EXPECTED: dict[int, Json | str] = {
    1: "Expected an `action`",  # everybody may do everything
    2: NO_PERMISSION,
    3: TERMS,
    4: NO_PERMISSION,
    5: TERMS,
    6: NO_PERMISSION,
    7: TERMS,
    8: TERMS,
    9: "`dateTime` takes gteq or gt or lteq or lt, got 'eq'",
    10: "`dateTime` takes gteq or gt or lteq or lt, got 'neq'",
    11: {"valid_from": SIGNED, "valid_to": "2024-02-12T19:20:10.999000+08:00"},
    12: {"valid_from": SIGNED, "valid_to": "2024-02-12T19:20:10.999001+08:00"},
    13: {"valid_from": "2024-02-12T19:20:10.999001+08:00"},
    14: {"valid_from": "2024-02-12T19:20:10.999000+08:00"},
    # after and before, joined by odrl:and
    15: {"valid_from": "2024-01-01T08:00:00.000001+08:00", "valid_to": "2025-01-01T07:59:59+08:00"},
    16: TERMS,  # a collection of parties: who buys is the contract's to say
    17: TERMS,
    18: TERMS,
    19: DUTY,
    20: LOGICAL,  # the office hours of every weekday of a year
    21: DUTY,  # and a logical constraint behind it
}


def nested(document: list[Json]) -> Json:
    """The one policy of an expanded document, with what it points to in place, as an Agreement."""
    nodes = {node["@id"]: node for node in document}

    def inside(value: Any) -> Any:
        if isinstance(value, list):
            return [inside(item) for item in value]
        if isinstance(value, dict):
            whole = nodes.get(value["@id"], value) if set(value) == {"@id"} else value
            return {name: inside(member) if name != "@type" else member for name, member in whole.items()}
        return value

    policy = next(node for node in document if "http://www.w3.org/ns/odrl/2/Set" in node.get("@type", ()))
    members = {name: inside(member) for name, member in policy.items() if not name.endswith("/uid")}
    return members | {"@type": ["http://www.w3.org/ns/odrl/2/Agreement"]}


def admitted(policy: Json) -> Event | Rejection:
    data = {
        "asset": "x",
        "seller": examples.SELLER,
        "buyer": examples.BUYER,
        "channel": "on-exchange",
        "amount": "1.00",
    }
    event = examples.event("contract.signed", "contract-1", SIGNED, **data, signed=SIGNED, policy=policy)
    found = Admission().admit(orjson.dumps(event), topic=None, key=ANY, headers=(), now=2**60)
    assert not isinstance(found, list)
    return found


@pytest.mark.parametrize("number", sorted(EXPECTED))
def test_a_real_policy_maps_onto_terms_or_is_refused_for_its_reason(number: int, test_data: Path) -> None:
    graph = Graph().parse(test_data / "odrl" / "policies" / f"policy-{number}.ttl", format="turtle")
    found = admitted(nested(orjson.loads(graph.serialize(format="json-ld"))))
    expected = EXPECTED[number]
    if isinstance(found, Rejection):
        assert isinstance(expected, str) and expected in found.detail, found
        assert found.reason.value == "invalid-data"
        assert found.detail.startswith("$.data.policy['http://www.w3.org/ns/odrl/2/")
    else:
        assert expected == orjson.loads(found.raw_data)["terms"]


def test_every_real_policy_is_in_the_table(test_data: Path) -> None:
    assert len(EXPECTED) == len(list((test_data / "odrl" / "policies").glob("*.ttl")))
