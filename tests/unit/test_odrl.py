"""An ODRL Agreement means the terms that it maps onto, or is refused with the place that has no counterpart."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import BUYER, CONTRACT, SELLER, TERMS

from circulation import odrl
from circulation.admission import ANY, Admission, Reason, Rejection
from circulation.cases import Json
from circulation.events import Reading, decode_data, read
from circulation.identifiers import COUNT_MAX

SIGNED = "circulation.contract.signed"
BARE = {name: member for name, member in CONTRACT.items() if name != "terms"} | {"signed": "2026-01-15"}
BEGAN = "2026-01-15T00:00:00+08:00"


def constraint(left: Any, operator: Any, right: Any, **members: Any) -> Json:
    return {"leftOperand": left, "operator": operator, "rightOperand": right} | members


def agreement(*constraints: Any, **permission: Any) -> Json:
    return {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Agreement",
        "uid": "urn:policy:1",
        "permission": [{"action": "use", "constraint": list(constraints)} | permission],
    }


def reading(policy: Any) -> Reading:
    return read(SIGNED, BARE | {"policy": policy})


def kept(policy: Any) -> Json:
    """The terms as they are kept; what is read again is the same."""
    found = reading(policy)
    assert (None, None) == (found.fault, found.identifier)
    assert found.data == decode_data(SIGNED, found.raw)
    assert "policy" not in orjson.loads(found.raw)
    terms: Json = orjson.loads(found.raw)["terms"]
    return terms


def refused(policy: Any) -> str:
    found = reading(policy)
    assert found.data is None
    return str(found.identifier or found.fault)


MAPPED: list[tuple[str, list[Json], Json]] = [
    ("nothing", [], {}),
    ("count", [constraint("count", "lteq", 100)], {"uses_max": 100}),
    ("no use at all", [constraint("count", "lteq", 0)], {"uses_max": 0}),
    ("the largest count", [constraint("count", "lteq", COUNT_MAX)], {"uses_max": COUNT_MAX}),
    ("a count as text", [constraint("count", "lteq", "100")], {"uses_max": 100}),
    ("a number of JSON without a fraction", [constraint("count", "lteq", 100.0)], {"uses_max": 100}),
    (
        "a typed count",
        [constraint("count", "lteq", {"@value": "100", "@type": "xsd:integer"})],
        {"uses_max": 100},
    ),
    ("a count with its data type", [constraint("count", "lteq", "7", dataType="xsd:integer")], {"uses_max": 7}),
    ("the smaller count", [constraint("count", "lteq", 9), constraint("count", "lteq", 8)], {"uses_max": 8}),
    ("dateTime gteq", [constraint("dateTime", "gteq", "2026-02-01")], {"valid_from": "2026-02-01T00:00:00+08:00"}),
    (
        "dateTime lt",
        [constraint("dateTime", "lt", {"@value": "2026-03-01T00:00:00Z", "@type": "xsd:dateTime"})],
        {"valid_to": "2026-03-01T08:00:00+08:00"},
    ),
    (
        "the later beginning and the earlier end",
        [
            constraint("dateTime", "gteq", "2026-02-01"),
            constraint("dateTime", "gteq", "2026-02-02"),
            constraint("dateTime", "lt", "2026-04-01"),
            constraint("dateTime", "lt", "2026-03-01"),
        ],
        {"valid_from": "2026-02-02T00:00:00+08:00", "valid_to": "2026-03-01T00:00:00+08:00"},
    ),
    (
        "elapsedTime from the signature",
        [constraint("elapsedTime", "eq", "P30D")],
        {"valid_to": "2026-02-14T00:00:00+08:00"},
    ),
    (
        "elapsedTime from a beginning that is stated after it",
        [constraint("elapsedTime", "lteq", "P1M"), constraint("dateTime", "gteq", "2026-01-31T10:00:00+08:00")],
        {"valid_from": "2026-01-31T10:00:00+08:00", "valid_to": "2026-02-28T10:00:00+08:00"},
    ),
    (
        "elapsedTime and a date: the earlier",
        [constraint("elapsedTime", "lt", "P1Y"), constraint("dateTime", "lt", "2026-06-01")],
        {"valid_to": "2026-06-01T00:00:00+08:00"},
    ),
    (
        "a typed duration",
        [constraint("elapsedTime", "lt", {"@value": "P1DT2H3M4.5S", "@type": odrl.XSD + "duration"})],
        {"valid_to": "2026-01-16T02:03:04.500000+08:00"},
    ),
    ("weeks", [constraint("elapsedTime", "lt", "P2W")], {"valid_to": "2026-01-29T00:00:00+08:00"}),
    ("a purpose", [constraint("purpose", "eq", "credit")], {"purposes": ["credit"]}),
    ("purposes", [constraint("purpose", "isAnyOf", ["credit", "tax"])], {"purposes": ["credit", "tax"]}),
    ("isAnyOf a single one", [constraint("purpose", "isAnyOf", "credit")], {"purposes": ["credit"]}),
    (
        "a purpose by its IRI",
        [constraint("purpose", "eq", {"@id": "https://purposes.example/credit"})],
        {"purposes": ["https://purposes.example/credit"]},
    ),
    ("a country", [constraint("spatial", "eq", "CN")], {"countries": ["CN"]}),
    ("a country by an IRI", [constraint("spatial", "eq", {"@id": "urn:iso:3166:CN"})], {"countries": ["CN"]}),
    ("regions", [constraint("spatial", "isAnyOf", ["110000", "310115"])], {"regions": ["110000", "310115"]}),
    (
        "a country and a region, both of which hold",
        [constraint("spatial", "eq", "CN"), constraint("spatial", "eq", "110000")],
        {"countries": ["CN"], "regions": ["110000"]},
    ),
    ("a recipient", [constraint("recipient", "eq", BUYER)], {"recipients": [BUYER]}),
    (
        "a recipient by an IRI that ends in its credit code",
        [constraint("recipient", "eq", {"@id": f"https://parties.example/{BUYER}"})],
        {"recipients": [BUYER]},
    ),
    ("delivery", [constraint("deliveryChannel", "isAnyOf", ["api", "file"])], {"delivery": ["api", "file"]}),
    (
        "delivery by an IRI",
        [constraint("deliveryChannel", "eq", {"@id": "https://exchange.example/delivery#private-computing"})],
        {"delivery": ["private-computing"]},
    ),
    ("an environment", [constraint("systemDevice", "eq", "sandbox-1")], {"environments": ["sandbox-1"]}),
    (
        "a list of JSON-LD",
        [constraint("purpose", "isAnyOf", {"@list": [{"@value": "a"}, {"@value": "b", "@type": "xsd:string"}]})],
        {"purposes": ["a", "b"]},
    ),
]


@pytest.mark.parametrize(("constraints", "expected"), [case[1:] for case in MAPPED], ids=[case[0] for case in MAPPED])
def test_a_constraint_maps_onto_the_terms(constraints: list[Json], expected: Json) -> None:
    assert {"valid_from": BEGAN} | expected == kept(agreement(*constraints))


def spelled(value: Any, prefix: str) -> Any:
    """A policy with every name of ODRL's under a prefix, and every value wrapped, as an expanding processor has it."""
    if isinstance(value, list):
        return [spelled(item, prefix) for item in value]
    if not isinstance(value, dict):
        return {"@value": value}
    names = {"uid": "@id", "@type": "@type", "@context": "@context"}
    found: Json = {}
    for name, member in value.items():
        if name in ("uid", "@context"):
            found[names[name]] = member
        elif name == "@type":
            found[name] = [prefix + member]
        elif name in ("leftOperand", "operator", "action"):
            found[prefix + name] = [{"@id": prefix + member}]
        else:
            found[prefix + name] = spelled(member if isinstance(member, list) else [member], prefix)
    return found


@pytest.mark.parametrize("prefix", ["odrl:", odrl.ODRL, "o:"])
def test_short_names_prefixes_and_full_iris_say_the_same(prefix: str) -> None:
    plain = agreement(
        constraint("count", "lteq", 5), constraint("purpose", "isAnyOf", ["a", "b"]), constraint("spatial", "eq", "CN")
    )
    other = spelled(plain, prefix) | {"@context": [{"o": odrl.ODRL}]}
    assert {"valid_from": BEGAN, "uses_max": 5, "purposes": ["a", "b"], "countries": ["CN"]} == kept(plain)
    assert kept(plain) == kept(other)


def test_single_values_say_the_same_as_lists_of_one() -> None:
    policy = agreement(constraint("count", "lteq", 5))
    single = policy | {"permission": policy["permission"][0] | {"constraint": constraint("count", "lteq", [5])}}
    assert kept(policy) == kept(single)


def test_a_context_can_give_a_name_another_meaning_and_then_it_does_not_map() -> None:
    policy = agreement(constraint("count", "lteq", 5)) | {"@context": {"count": "https://other.example/count"}}
    assert "$.data.policy.permission[0].constraint[0]: the left operand 'https://other.example/count'" in refused(
        policy
    )


@pytest.mark.parametrize(
    ("action", "members"),
    [
        ("use", {}),
        ("read", {}),
        ("derive", {"derivation": True}),
        ({"@id": "odrl:sell"}, {"resale": True}),
        (["use", "derive", "distribute"], {"derivation": True, "resale": True}),
        ({"rdf:value": {"@id": "odrl:use"}}, {}),
    ],
)
def test_actions_that_pass_the_asset_on_allow_resale_and_deriving_allows_derivation(action: Any, members: Json) -> None:
    assert {"valid_from": BEGAN} | members == kept(agreement(action=action))


PERMISSION = "$.data.policy.permission[0]"
FIRST = f"{PERMISSION}.constraint[0]"
REFUSED: list[tuple[str, Any, str]] = [
    ("no object", "urn:policy:1", "$.data.policy: Expected an object"),
    ("a list", [agreement()], "$.data.policy: Expected an object"),
    ("a set", agreement() | {"@type": "Set"}, "$.data.policy: Expected an ODRL Agreement"),
    ("an offer too", agreement() | {"@type": ["Agreement", "Offer"]}, "$.data.policy: Expected an ODRL Agreement"),
    ("of no type", {"permission": [{"action": "use"}]}, "$.data.policy: Expected an ODRL Agreement"),
    ("no permission", {"@type": "Agreement"}, "$.data.policy: Expected a permission"),
    (
        "a second permission",
        agreement() | {"permission": [{"action": "use"}, {"action": "read"}]},
        "$.data.policy.permission[1]: a second permission",
    ),
    (
        "a second permission under another name",
        agreement() | {"odrl:permission": {"action": "use"}},
        "$.data.policy['odrl:permission']: a second permission",
    ),
    ("a prohibition", agreement() | {"prohibition": {"action": "sell"}}, "$.data.policy.prohibition: `prohibition`"),
    ("an obligation", agreement() | {"obligation": [{}]}, "$.data.policy.obligation[0]: `obligation`"),
    ("what it inherits", agreement() | {"inheritFrom": "urn:policy:2"}, "$.data.policy.inheritFrom: `inheritFrom`"),
    ("a duty", agreement(duty=[{"action": "compensate"}]), f"{PERMISSION}.duty[0]: `duty`"),
    (
        "a slip of the pen",
        agreement(constraints=[]) | {"permission": {"constraints": {}}},
        "`constraints` does not map",
    ),
    (
        "a permission elsewhere",
        agreement() | {"permission": "urn:rule:1"},
        "$.data.policy.permission: Expected an object",
    ),
    ("a constraint elsewhere", agreement({"@id": "urn:c"}), f"{FIRST}: Expected one `leftOperand`, got 0"),
    ("a logical constraint", agreement({"and": [constraint("count", "lteq", 1)]}), f"{FIRST}: a logical constraint"),
    ("a logical type", agreement({"@type": "odrl:LogicalConstraint"}), f"{FIRST}: a logical constraint"),
    ("another operand", agreement(constraint("payAmount", "lteq", 1)), f"{FIRST}: the left operand 'payAmount'"),
    ("count lt", agreement(constraint("count", "lt", 5)), f"{FIRST}: `count` takes lteq, got 'lt'"),
    ("count eq", agreement(constraint("count", "eq", 5)), f"{FIRST}: `count` takes lteq, got 'eq'"),
    (
        "dateTime lteq",
        agreement(constraint("dateTime", "lteq", "2026-03-01")),
        "`dateTime` takes gteq or lt, got 'lteq'",
    ),
    ("dateTime gt", agreement(constraint("dateTime", "gt", "2026-03-01")), "`dateTime` takes gteq or lt, got 'gt'"),
    ("purpose isNoneOf", agreement(constraint("purpose", "isNoneOf", ["a"])), "`purpose` takes eq or isAnyOf"),
    ("eq of two", agreement(constraint("purpose", "eq", ["a", "b"])), f"{FIRST}: `eq` takes one `rightOperand`, got 2"),
    (
        "no right operand",
        agreement({"leftOperand": "count", "operator": "lteq"}),
        f"{FIRST}: Expected a `rightOperand`",
    ),
    ("none of a list", agreement(constraint("purpose", "isAnyOf", [])), f"{FIRST}: Expected a `rightOperand`"),
    (
        "an operand by reference",
        agreement({"leftOperand": "count", "operator": "lteq", "rightOperandReference": "urn:x"}),
        f"{FIRST}.rightOperandReference: `rightOperandReference`",
    ),
    ("a unit", agreement(constraint("count", "lteq", 5, unit="urn:dozen")), f"{FIRST}.unit: `unit`"),
    ("a refined constraint", agreement(constraint("count", "lteq", 5, refinement={})), f"{FIRST}.refinement: "),
    ("less than nothing", agreement(constraint("count", "lteq", -1)), f"{FIRST}.rightOperand: Expected a whole number"),
    ("more than counts go", agreement(constraint("count", "lteq", COUNT_MAX + 1)), "Expected a whole number"),
    ("half a use", agreement(constraint("count", "lteq", 0.5)), "Expected a whole number"),
    ("true as a count", agreement(constraint("count", "lteq", True)), "Expected a whole number"),
    (
        "a count of another type",
        agreement(constraint("count", "lteq", {"@value": "5", "@type": "xsd:duration"})),
        f"{FIRST}.rightOperand: `count` takes no value of the type '{odrl.XSD}duration'",
    ),
    ("a time without offset", agreement(constraint("dateTime", "lt", "2026-03-01T00:00:00")), "expected RFC 3339"),
    ("a time of no text", agreement(constraint("dateTime", "lt", 5)), f"{FIRST}.rightOperand: Expected `str`"),
    ("an empty duration", agreement(constraint("elapsedTime", "lt", "P")), "Expected an ISO 8601 duration"),
    ("an empty time of one", agreement(constraint("elapsedTime", "lt", "P1DT")), "Expected an ISO 8601 duration"),
    ("a negative duration", agreement(constraint("elapsedTime", "lt", "-P1D")), "Expected an ISO 8601 duration"),
    ("no time at all", agreement(constraint("elapsedTime", "lt", "P0D")), f"{FIRST}.rightOperand: ends at {BEGAN}"),
    ("for ever and a day", agreement(constraint("elapsedTime", "lt", "P9000Y")), "ends after the year 9999"),
    ("a million years", agreement(constraint("elapsedTime", "lt", "P999999999Y")), "ends after the year 9999"),
    ("the end before the beginning", agreement(constraint("dateTime", "lt", "2026-01-15")), f"ends at {BEGAN}"),
    ("no country", agreement(constraint("spatial", "eq", "XX")), f"{FIRST}.rightOperand: a country is"),
    ("three letters", agreement(constraint("spatial", "eq", "CHN")), "a country is"),
    ("no region", agreement(constraint("spatial", "eq", "010000")), "a region is"),
    (
        "one or the other of two kinds of places",
        agreement(constraint("spatial", "isAnyOf", ["110000", "HK"])),
        f"{FIRST}.rightOperand[1]: a list of countries or of regions",
    ),
    ("no mode", agreement(constraint("deliveryChannel", "eq", "pigeon")), "a delivery mode is one of file, api"),
    ("no recipient", agreement(constraint("recipient", "eq", "")), f"{FIRST}.rightOperand: must not be empty, got ''"),
    ("an object of no value", agreement(constraint("purpose", "eq", {"a": 1})), "Expected a value, a typed value or"),
    (
        "two lists of one kind",
        agreement(constraint("purpose", "eq", "a"), constraint("purpose", "eq", "b")),
        f"{PERMISSION}.constraint[1].rightOperand: `purposes` is limited by another constraint",
    ),
    ("an action of others", agreement(action="https://other.example/train"), f"{PERMISSION}.action: only actions of"),
    (
        "a refined action",
        agreement(action=[{"rdf:value": {"@id": "odrl:print"}, "refinement": [constraint("resolution", "lteq", 9)]}]),
        f"{PERMISSION}.action[0].refinement[0]: a refinement of the action",
    ),
    (
        "a refined target",
        agreement(target={"@type": "AssetCollection", "refinement": [{}]}),
        f"{PERMISSION}.target.refinement[0]: a refinement of the target",
    ),
    ("another asset", agreement(target="asset-2"), f"{PERMISSION}.target: the target must be the contract's asset"),
    ("another buyer", agreement(assignee=SELLER), f"{PERMISSION}.assignee: the assignee must be the contract's buyer"),
    (
        "another seller, by an IRI",
        agreement() | {"assigner": {"uid": f"https://parties.example/{BUYER}"}},
        "$.data.policy.assigner.uid: the assigner must be the contract's seller",
    ),
    ("two assignees", agreement(assignee=["ex:a", "ex:b"]), f"{PERMISSION}.assignee[1]: a second assignee"),
    ("a graph", agreement() | {"@graph": [{}]}, "$.data.policy.@graph[0]: `@graph`"),
]


@pytest.mark.parametrize(("policy", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_has_no_counterpart_is_refused_where_it_stands(policy: Any, expected: str) -> None:
    assert expected in refused(policy)


@pytest.mark.parametrize(
    "said",
    [
        {"assigner": SELLER, "assignee": {"@id": BUYER}, "target": "asset-1"},
        {"assigner": f"urn:uscc:{SELLER}", "assignee": {"@type": "Party", "uid": f"https://parties.example/{BUYER}"}},
        {"assigner": "https://seller.example", "target": {"@id": "https://seller.example/assets/9"}},
        {"assignee": {"@type": "PartyCollection", "source": "https://buyer.example/teams"}},
    ],
)
def test_parties_and_assets_of_the_same_scheme_must_be_those_of_the_contract(said: Json) -> None:
    assert {"valid_from": BEGAN} == kept(agreement(**said))
    assert {"valid_from": BEGAN} == kept(agreement() | said)


def test_descriptions_and_nulls_say_nothing() -> None:
    policy = agreement() | {
        "dct:description": "all is well",
        "http://purl.org/dc/terms/source": {"@id": "urn:x"},
        "profile": "urn:profile:1",
        "title": "A title",
        "prohibition": [],
        "obligation": None,
    }
    assert {"valid_from": BEGAN} == kept(policy)


def test_a_policy_that_does_not_map_is_rejected_with_its_path() -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:exchange:beijing",
        "type": SIGNED,
        "subject": "contract-1",
        "time": "2026-01-15T00:00:00+08:00",
        "data": BARE,
    }

    def reason(*constraints: Json) -> tuple[Reason, str]:
        record = orjson.dumps(event | {"data": BARE | {"policy": agreement(*constraints)}})
        found = Admission().admit(record, topic="circulation.contracts", key=ANY, headers=(), now=2**60)
        assert isinstance(found, Rejection)
        return found.reason, found.detail

    skipped = constraint("count", "lteq", 5), constraint("percentage", "lteq", 5)
    rule = "the left operand 'percentage' does not map onto terms"
    assert (Reason.INVALID_DATA, f"{PERMISSION}.constraint[1]: {rule}") == reason(*skipped)
    assert Reason.BAD_IDENTIFIER == reason(constraint("recipient", "eq", "\n"))[0]


def test_a_contract_has_terms_or_a_policy() -> None:
    for data in (BARE, CONTRACT | {"policy": agreement()}):
        assert "$.data: exactly one of `terms` and `policy`" == str(read(SIGNED, data).fault)
    assert read(SIGNED, CONTRACT | {"policy": None}).fault is None
    assert read(SIGNED, BARE | {"terms": TERMS}).fault is None


NAMES = st.sampled_from(
    [
        "permission",
        "constraint",
        "leftOperand",
        "operator",
        "rightOperand",
        "action",
        "assignee",
        "target",
        "refinement",
        "dataType",
        "Agreement",
        "@id",
        "@type",
        "@value",
        "@list",
        "@context",
        "uid",
        "odrl:permission",
        "rdf:value",
        "count",
        "dateTime",
        "elapsedTime",
        "spatial",
        "lteq",
        "lt",
        "eq",
        "isAnyOf",
        "CN",
        "P1D",
        "2026-02-01",
        "\x00",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@given(JSON, JSON, st.sampled_from(["2026-01-15", "", "9999-12-31"]) | JSON)
def test_no_json_raises(policy: Any, inner: Any, signed: Any) -> None:
    for one in (policy, agreement(inner), agreement(policy, action=inner, target=policy)):
        found = read(SIGNED, BARE | {"policy": one, "signed": signed})
        if found.data is None:
            assert one is None or str(found.identifier or found.fault).startswith("$.data")
        else:
            assert found.data == decode_data(SIGNED, found.raw)


@given(
    st.sampled_from(sorted(odrl.OPERATORS)),
    st.sampled_from(["eq", "neq", "lt", "lteq", "gt", "gteq", "isAnyOf", "isNoneOf", "isA"]),
    st.sampled_from([5, "5", "P1D", "CN", "110000", "api", "2027-01-01", ["CN"], ["a", "b"]]),
)
def test_a_constraint_changes_the_terms_or_is_refused(left: str, operator: str, right: Any) -> None:
    found = reading(agreement(constraint(left, operator, right)))
    assert found.fault is not None or {"valid_from": BEGAN} != orjson.loads(found.raw)["terms"]
