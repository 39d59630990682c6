"""An ODRL Agreement means the terms that it maps onto, or is refused with the place that has no counterpart."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import ODRL2
from samples import BUYER, CONTRACT, SELLER
from samples import TERMS as SAMPLE_TERMS

from circulation import examples
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Reason, Rejection
from circulation.calendar import LATEST, format_instant, parse_instant
from circulation.events.reading import Reading, decode_data, read
from circulation.examples import Json
from circulation.identifiers import COUNT_MAX
from circulation.odrl.constraints import OPERATORS
from circulation.odrl.json_ld import ODRL, XSD
from circulation.odrl.vocabulary import TERMS
from streams.offline.replay import findings_of

SIGNED = "circulation.contract.signed"
BARE = {name: member for name, member in CONTRACT.items() if name != "terms"} | {"signed": "2026-01-15"}
BEGAN = "2026-01-15T00:00:00+08:00"


EU = "http://publications.europa.eu/resource/authority/country/"
GEONAMES = "https://sws.geonames.org/"
LATEST_TEXT = format_instant(LATEST)


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
        [constraint("elapsedTime", "lt", {"@value": "P1DT2H3M4.5S", "@type": XSD + "duration"})],
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
    ("a count below", [constraint("count", "lt", 100)], {"uses_max": 99}),
    ("a count below one", [constraint("count", "lt", 1)], {"uses_max": 0}),
    ("a count below the largest", [constraint("count", "lt", COUNT_MAX + 1)], {"uses_max": COUNT_MAX}),
    ("dateTime gt", [constraint("dateTime", "gt", "2026-02-01")], {"valid_from": "2026-02-01T00:00:00.000001+08:00"}),
    ("dateTime lteq", [constraint("dateTime", "lteq", "2026-03-01")], {"valid_to": "2026-03-01T00:00:00.000001+08:00"}),
    *(
        (
            f"between two microseconds, {operator}",
            [constraint("dateTime", operator, "2026-03-01T00:00:00.00000050+08:00")],
            {term: "2026-03-01T00:00:00.000001+08:00"},
        )
        for operator, term in (("gteq", "valid_from"), ("gt", "valid_from"), ("lteq", "valid_to"), ("lt", "valid_to"))
    ),
    (
        "a microsecond with naughts behind it",
        [constraint("dateTime", "lt", "2026-03-01T00:00:00.000001000+08:00")],
        {"valid_to": "2026-03-01T00:00:00.000001+08:00"},
    ),
    (
        "all of several",
        [
            {
                "@type": "LogicalConstraint",
                "and": {
                    "@list": [constraint("count", "lteq", 9), {"and": [constraint("dateTime", "lt", "2026-03-01")]}]
                },
            },
            constraint("count", "lt", 9),
        ],
        {"uses_max": 8, "valid_to": "2026-03-01T00:00:00+08:00"},
    ),
    ("a country of the EU's", [constraint("spatial", "eq", {"@id": EU + "CHN"})], {"countries": ["CN"]}),
    (
        "countries of several vocabularies",
        [constraint("spatial", "isAnyOf", [{"@id": GEONAMES + "1814991/"}, EU + "DEU", "FR", GEONAMES + "453733"])],
        {"countries": ["CN", "DE", "FR", "EE"]},
    ),
    ("a region by an IRI", [constraint("spatial", "eq", {"@id": "urn:gbt2260:110108"})], {"regions": ["110108"]}),
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


@pytest.mark.parametrize("prefix", ["odrl:", ODRL, "o:"])
def test_short_names_prefixes_and_full_iris_say_the_same(prefix: str) -> None:
    plain = agreement(
        constraint("count", "lteq", 5), constraint("purpose", "isAnyOf", ["a", "b"]), constraint("spatial", "eq", "CN")
    )
    other = spelled(plain, prefix) | {"@context": [{"o": ODRL}]}
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
        (["use", "read"], {}),
        ({"rdf:value": {"@id": "odrl:use"}}, {}),
        ({"@id": "odrl:read", "@type": "odrl:Action"}, {}),
        # What adds nothing to any use.
        (["use", "delete"], {}),
        ("delete", {"uses_max": 0}),
        (["print"], {"uses_max": 0}),
        ([{"@id": ODRL + "delete"}, {"rdf:value": {"@id": "odrl:print"}}], {"uses_max": 0}),
    ],
)
def test_use_and_read_allow_any_use_and_deleting_or_printing_alone_none(action: Any, members: Json) -> None:
    assert {"valid_from": BEGAN} | members == kept(agreement(action=action))


def test_an_agreement_that_allows_no_use_allows_none_whatever_its_count_says() -> None:
    assert 0 == kept(agreement(constraint("count", "lteq", 9), action="delete"))["uses_max"]
    policy = agreement()
    del policy["permission"][0]["action"]
    assert {"valid_from": BEGAN, "uses_max": 0} == kept(policy | {"action": "print"})
    assert {"valid_from": BEGAN} == kept(policy | {"action": "use"})


@pytest.mark.parametrize(
    "form",
    [
        lambda policy: [policy],
        lambda policy: {"@context": policy.pop("@context"), "@graph": [policy]},
        lambda policy: {"@context": policy.pop("@context"), "@id": "urn:graph", "@graph": policy},
        lambda policy: {"@graph": [policy]},
        lambda policy: {
            "@context": {"all": "@graph", "kind": "odrl:count"},
            "all": [policy | {"@context": {"kind": "@type"}, "kind": policy.pop("@type")}],
        },
        lambda policy: [
            {"@context": policy.pop("@context"), "odrl:permission": {"@set": policy.pop("permission")}} | policy
        ],
        lambda policy: policy | {"@context": {"kind": "@type", "type": None}, "kind": policy.pop("@type")},
    ],
)
def test_a_list_of_one_node_a_graph_of_one_and_aliases_say_the_same(form: Any) -> None:
    plain = kept(agreement(constraint("count", "lteq", 5), constraint("spatial", "eq", "CN")))
    assert plain == kept(form(agreement(constraint("count", "lteq", 5), constraint("spatial", "eq", "CN"))))


def test_aliases_of_values_and_types_are_what_they_stand_for() -> None:
    context = {
        "val": "@value",
        "as": "@type",
        "all": "@list",
        "ref": "@id",
        "x": "xsd:integer",
        "atMost": "o:lteq",
        "o": ODRL,
    }
    policy = agreement(
        constraint({"ref": "o:count"}, "atMost", {"val": "5", "as": "x"}),
        constraint("purpose", "isAnyOf", {"all": [{"val": "a"}, {"val": "b", "as": "xsd:string"}]}),
    )
    assert {"valid_from": BEGAN, "uses_max": 5, "purposes": ["a", "b"]} == kept(policy | {"@context": context})
    wrong = constraint("count", "lteq", {"val": "5", "as": "xsd:duration"})
    assert "takes no value of the type" in refused(agreement(wrong) | {"@context": context})


PERMISSION = "$.data.policy.permission[0]"
FIRST = f"{PERMISSION}.constraint[0]"
REFUSED: list[tuple[str, Any, str]] = [
    ("no object", "urn:policy:1", "$.data.policy: Expected an object"),
    ("a list of two", [agreement()] * 2, "$.data.policy: Expected an object"),
    ("a list of none", [], "$.data.policy: Expected an object"),
    ("a list of one in a list", [[agreement()]], "$.data.policy[0]: Expected an object"),
    ("no action", agreement(action=[]), f"{PERMISSION}: Expected an `action`"),
    (
        "an action that sells",
        agreement(action="sell"),
        f"{PERMISSION}.action: the action 'sell' does not map onto terms",
    ),
    (
        "one of several",
        agreement(action=["use", "derive"]),
        f"{PERMISSION}.action[1]: the action 'derive' does not map",
    ),
    (
        "an action of a slip",
        agreement(action="reed"),
        f"{PERMISSION}.action: the action 'reed' does not map onto terms",
    ),
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
    ("another logical one", agreement({"or": [constraint("count", "lteq", 1)]}), f"{FIRST}: a logical constraint"),
    ("in an order", agreement({"andSequence": {"@list": [constraint("count", "lteq", 1)]}}), f"{FIRST}: a logical"),
    (
        "what does not map in what does",
        agreement({"and": [constraint("count", "lteq", 1), {"xone": [constraint("count", "lteq", 2)]}]}),
        f"{FIRST}.and[1]: a logical constraint",
    ),
    (
        "all of them and one more thing",
        agreement({"and": [constraint("count", "lteq", 1)], "leftOperand": "count"}),
        f"{FIRST}.leftOperand: `leftOperand` does not map",
    ),
    ("all of none", agreement({"and": []}), f"{FIRST}: Expected one `leftOperand`, got 0"),
    ("a logical type", agreement({"@type": "odrl:LogicalConstraint"}), f"{FIRST}: a logical constraint"),
    ("another operand", agreement(constraint("payAmount", "lteq", 1)), f"{FIRST}: the left operand 'payAmount'"),
    ("count eq", agreement(constraint("count", "eq", 5)), f"{FIRST}: `count` takes lteq or lt, got 'eq'"),
    ("count gteq", agreement(constraint("count", "gteq", 5)), f"{FIRST}: `count` takes lteq or lt, got 'gteq'"),
    ("fewer than none", agreement(constraint("count", "lt", 0)), "Expected a whole number from 1 to"),
    ("more than counts go, lt", agreement(constraint("count", "lt", COUNT_MAX + 2)), "Expected a whole number from 1"),
    (
        "at an instant",
        agreement(constraint("dateTime", "eq", "2026-03-01")),
        "`dateTime` takes gteq or gt or lteq or lt",
    ),
    ("the end of time", agreement(constraint("dateTime", "lteq", f"{LATEST_TEXT}")), "before the year 10000"),
    (
        "a country that the EU has and ISO has not",
        agreement(constraint("spatial", "eq", {"@id": EU + "1A0"})),
        f"{FIRST}.rightOperand: a country is an ISO 3166-1 alpha-2 code, got",
    ),
    ("a city of GeoNames", agreement(constraint("spatial", "eq", GEONAMES + "1816670/")), "a country is an ISO 3166-1"),
    ("one of six digits", agreement(constraint("spatial", "eq", GEONAMES + "360630")), "a country is an ISO 3166-1"),
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
        f"{FIRST}.rightOperand: `count` takes no value of the type '{XSD}duration'",
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
    (
        "a prohibition among permissions",
        agreement(**{"@type": "odrl:Prohibition"}),
        f"{PERMISSION}: Expected a permission",
    ),
    (
        "a name for more than an IRI",
        agreement() | {"@context": {"p": "urn:" + "x" * 253}},
        "$.data.policy.@context: an IRI of at most 256 characters",
    ),
    (
        "a little that stands for much",
        agreement(constraint("purpose", "isAnyOf", [{"@id": "p:"}] * 4_097)) | {"@context": {"p": "urn:" + "x" * 252}},
        f"{FIRST}.rightOperand[0]: `purposes` of at most 1048576 characters",
    ),
    ("a graph beside it", agreement() | {"@graph": [{}]}, "$.data.policy.@type: a graph maps onto terms that has one"),
    ("a graph of two", {"@graph": [agreement()] * 2}, "$.data.policy.@graph[1]: a graph maps onto terms that has one"),
    ("a graph of no policy", {"@graph": [{"@type": "Party"}]}, "$.data.policy.@graph[0]: Expected an ODRL Agreement"),
    (
        "a name for a prohibition in a graph",
        {"@graph": agreement() | {"@context": {"forbid": "odrl:prohibition"}, "forbid": [{}]}},
        "$.data.policy.@graph.forbid[0]: `prohibition` does not map onto terms",
    ),
    (
        "a slip in the policy",
        agreement() | {"prohibitions": [{}]},
        "`prohibitions` does not map onto terms; did you mean",
    ),
    (
        "a remedy",
        agreement() | {"remedy": [{}]},
        "$.data.policy.remedy[0]: `remedy` does not map onto terms: terms say",
    ),
    (
        "names that stand elsewhere",
        agreement() | {"@context": ["http://www.w3.org/ns/odrl.jsonld", "https://other.example/ctx"], "forbid": [{}]},
        "$.data.policy.forbid[0]: `forbid` does not map onto terms",
    ),
    (
        "a prefix that stands elsewhere",
        agreement() | {"@context": "https://other.example/ctx", "o:prohibition": [{}]},
        "`'o:prohibition'` does not map onto terms",
    ),
    (
        "a name for a prohibition before the prefix in it",
        agreement() | {"@context": {"forbid": "o:prohibition", "o": ODRL}, "forbid": [{}]},
        "$.data.policy.forbid[0]: `prohibition` does not map onto terms",
    ),
    (
        "a party by what it is assigned",
        agreement(assignee={"@id": BUYER, "assigneeOf": "urn:p"}),
        f"{PERMISSION}.assignee.assigneeOf: `assigneeOf` of the assignee does not map",
    ),
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
        "creator": "urn:someone",
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
    rule = (
        "the left operand 'percentage' does not map onto terms: nothing that is reported of a use or a delivery says it"
    )
    assert (Reason.INVALID_DATA, f"{PERMISSION}.constraint[1]: {rule}") == reason(*skipped)
    assert Reason.BAD_IDENTIFIER == reason(constraint("recipient", "eq", "\n"))[0]


def test_a_contract_has_terms_or_a_policy() -> None:
    for data in (BARE, CONTRACT | {"policy": agreement()}):
        assert "$.data: exactly one of `terms` and `policy`" == str(read(SIGNED, data).fault)
    assert read(SIGNED, CONTRACT | {"policy": None}).fault is None
    assert read(SIGNED, BARE | {"terms": SAMPLE_TERMS}).fault is None


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
    st.sampled_from(sorted(OPERATORS)),
    st.sampled_from(["eq", "neq", "lt", "lteq", "gt", "gteq", "isAnyOf", "isNoneOf", "isA"]),
    st.sampled_from([5, "5", "P1D", "CN", "110000", "api", "2027-01-01", ["CN"], ["a", "b"]]),
)
def test_a_constraint_changes_the_terms_or_is_refused(left: str, operator: str, right: Any) -> None:
    found = reading(agreement(constraint(left, operator, right)))
    assert found.fault is not None or {"valid_from": BEGAN} != orjson.loads(found.raw)["terms"]


def test_a_contract_by_policy_is_judged_as_the_same_contract_by_terms() -> None:
    policy = agreement(
        constraint("count", "lteq", 2), constraint("purpose", "eq", "credit"), constraint("elapsedTime", "lt", "P30D")
    )
    terms = {"valid_from": "2026-01-15", "valid_to": "2026-02-14", "uses_max": 2, "purposes": ["credit"]}

    def found(**form: Json) -> list[Json]:
        return findings_of(
            [
                examples.event("contract.signed", "contract-1", "2026-01-15", id="signed", **BARE, **form),
                examples.event("usage.reported", "contract-1", "2026-01-16", uses=3, purpose="credit/scoring"),
                examples.event("usage.reported", "contract-1", "2026-02-14", uses=1, purpose="marketing"),
            ]
        )

    by_policy = found(policy=policy)
    assert found(terms=terms) == by_policy
    assert {"usage-limit", "purpose-drift", "outside-terms"} <= {one["detector"] for one in by_policy}


# Each term of the vocabulary, by what `docs/odrl.md` says of it.

NAMES_OF_ODRL = {one for one in ODRL2.__annotations__ if not one.startswith("_")}
NAMES_OF_ODRL |= {one for one in ODRL2._extras if not one.startswith("#")}

# How each left operand that is mapped is used, and what it means.
SAMPLES: dict[str, tuple[Json, Json]] = {
    "count": (constraint("count", "lteq", 5), {"uses_max": 5}),
    "dateTime": (constraint("dateTime", "gteq", "2026-02-01"), {"valid_from": "2026-02-01T00:00:00+08:00"}),
    "elapsedTime": (constraint("elapsedTime", "eq", "P1D"), {"valid_to": "2026-01-16T00:00:00+08:00"}),
    "purpose": (constraint("purpose", "isAnyOf", ["a"]), {"purposes": ["a"]}),
    "spatial": (constraint("spatial", "eq", "CN"), {"countries": ["CN"]}),
    "recipient": (constraint("recipient", "eq", BUYER), {"recipients": [BUYER]}),
    "deliveryChannel": (constraint("deliveryChannel", "eq", "api"), {"delivery": ["api"]}),
    "systemDevice": (constraint("systemDevice", "eq", "s"), {"environments": ["s"]}),
    "lteq": (constraint("count", "lteq", 5), {"uses_max": 5}),
    "lt": (constraint("count", "lt", 5), {"uses_max": 4}),
    "gteq": (constraint("dateTime", "gteq", "2026-02-01"), {"valid_from": "2026-02-01T00:00:00+08:00"}),
    "gt": (constraint("dateTime", "gt", "2026-02-01"), {"valid_from": "2026-02-01T00:00:00.000001+08:00"}),
    "eq": (constraint("purpose", "eq", "a"), {"purposes": ["a"]}),
    "isAnyOf": (constraint("purpose", "isAnyOf", ["a", "b"]), {"purposes": ["a", "b"]}),
    "and": ({"and": [constraint("count", "lteq", 5)]}, {"uses_max": 5}),
    "LogicalConstraint": ({"@type": "LogicalConstraint", "and": [constraint("count", "lteq", 5)]}, {"uses_max": 5}),
    "Constraint": (constraint("count", "lteq", 5, **{"@type": "Constraint"}), {"uses_max": 5}),
    "dataType": (constraint("count", "lteq", "5", dataType="xsd:integer"), {"uses_max": 5}),
    **dict.fromkeys(
        ("leftOperand", "operator", "rightOperand", "constraint"), (constraint("count", "lteq", 5), {"uses_max": 5})
    ),
}
USES: dict[str, Json] = {"use": {}, "read": {}, "delete": {"uses_max": 0}, "print": {"uses_max": 0}}
# Of the values that a policy may have, what they are values of.
VALUES = {
    "perm": "conflict",
    "prohibit": "conflict",
    "invalid": "conflict",
    "ignore": "undefined",
    "support": "undefined",
}


def policies_with(name: str) -> list[Json]:
    """Policies that have a term of ODRL, each in a place where it may stand."""
    match TERMS[name].place:
        case "action":
            return [agreement(action=name), agreement(action={"@id": ODRL + name}), agreement(action=[name])]
        case "left operand" | "operator" if name in SAMPLES:
            return [agreement(SAMPLES[name][0])]
        case "left operand":
            return [agreement(constraint(name, operator, "1")) for operator in ("eq", "lteq", "isAnyOf")]
        case "operator":
            return [agreement(sample | {"operator": name}) for sample, _ in SAMPLES.values() if "operator" in sample]
        case "policy":
            return [agreement() | {"@type": name if name != "Policy" else ["Agreement", "Policy"]}]
        case "rule" if name == "permission":
            return [agreement()]
        case "rule" if name[0].isupper():
            return [agreement(**{"@type": [name]})]
        case "party or asset" if name[0].isupper():
            return [agreement(target={"@id": "asset-1", "@type": name}), agreement(assignee={"@type": name})]
        case "party or asset":
            return [agreement(target={"@id": "asset-1", name: "urn:x"})]
        case "constraint" if name in SAMPLES:
            return [agreement(SAMPLES[name][0])]
        case "constraint":
            return [agreement(SAMPLES["count"][0] | {name: "urn:x"}), agreement({name: [SAMPLES["count"][0]]})]
        case "value" if name in VALUES:
            return [agreement() | {VALUES[name]: name}]
        case "value" if TERMS[name].fate == "nothing":
            return [agreement() | {"profile": {"@id": ODRL + name}}]
        case "value" if TERMS[name].why == "a value of `scope`":
            return [agreement(assignee={"@id": BUYER, "scope": name})]
        case "value":
            return [
                agreement(constraint("count", "lteq", {"@id": ODRL + name})),
                agreement(**{"@type": name}),
                agreement(SAMPLES["count"][0] | {"@type": name}),
            ]
        case _ if name in MEMBERS:
            return [agreement() | {name: MEMBERS[name]}, agreement(**{name: MEMBERS[name]})]
        case _ if TERMS[name].fate == "nothing":
            return [agreement() | {name: "urn:x"}]
        case _:
            constrained = SAMPLES["count"][0]
            return [
                agreement() | {name: "urn:x"},
                agreement(**{name: "urn:x"}),
                agreement(constrained | {name: "urn:x"}),
                agreement(action={"rdf:value": {"@id": "odrl:use"}, name: "urn:x"}),
                agreement(assignee={"@id": BUYER, name: "urn:x"}),
            ]


MEMBERS = {"assigner": SELLER, "assignee": BUYER, "target": "asset-1", "uid": "urn:x", "action": "use"}


def test_the_table_has_each_term_of_the_vocabulary() -> None:
    assert NAMES_OF_ODRL == TERMS.keys()
    assert set(OPERATORS) == {
        name for name, term in TERMS.items() if (term.place, term.fate) == ("left operand", "mapped")
    }


@pytest.mark.parametrize("name", sorted(NAMES_OF_ODRL))
def test_each_term_of_the_vocabulary_becomes_what_the_table_says(name: str) -> None:
    term = TERMS[name]
    for policy in policies_with(name):
        if term.fate == "refused":
            assert refused(policy)
        else:
            members = SAMPLES[name][1] if name in SAMPLES else USES.get(name, {})
            if name == "constraint":
                policy = agreement(SAMPLES[name][0])
            assert {"valid_from": BEGAN} | members == kept(policy)
            assert term.fate == "mapped" or kept(agreement()) == kept(policy)


instants = st.integers(parse_instant("2025-01-01"), parse_instant("2030-01-01"))
words = st.text("abc/-\u8def", min_size=1, max_size=6)
TERMS_THAT_MAP = st.fixed_dictionaries(
    {"valid_from": instants},
    optional={
        "days": st.integers(1, 10**14),
        "uses_max": st.integers(0, COUNT_MAX),
        "purposes": st.lists(words, min_size=1, max_size=3),
        "countries": st.lists(st.sampled_from(["CN", "DE", "EE", "SG"]), min_size=1, max_size=3),
        "regions": st.lists(st.sampled_from(["110000", "310115"]), min_size=1, max_size=2),
        "recipients": st.lists(st.sampled_from([BUYER, SELLER, "x:1"]), min_size=1, max_size=2),
        "delivery": st.lists(st.sampled_from(["api", "file", "private-computing"]), min_size=1, max_size=2),
        "environments": st.lists(words, min_size=1, max_size=2),
    },
)
LISTS = {
    "purposes": "purpose",
    "countries": "spatial",
    "regions": "spatial",
    "recipients": "recipient",
    "delivery": "deliveryChannel",
    "environments": "systemDevice",
}


@given(said=TERMS_THAT_MAP, data=st.data())
def test_terms_that_map_come_back_from_the_policy_that_says_them(said: dict[str, Any], data: st.DataObject) -> None:
    """Whatever terms, in whichever of the forms that ODRL has for them."""
    begin, end = said["valid_from"], None if "days" not in said else said["valid_from"] + said["days"]
    draw = lambda *options: data.draw(st.sampled_from(options))  # noqa: E731
    stated = [
        draw(
            constraint("dateTime", "gteq", format_instant(begin)),
            constraint("dateTime", "gt", format_instant(begin - 1)),
        )
    ]
    expected: Json = {"valid_from": format_instant(begin)}
    if end is not None:
        expected["valid_to"] = format_instant(end)
        stated.append(
            draw(
                constraint("dateTime", "lt", format_instant(end)),
                constraint("dateTime", "lteq", {"@value": format_instant(end - 1), "@type": "xsd:dateTime"}),
                constraint("elapsedTime", "lteq", f"PT{said['days'] // 10**6}.{said['days'] % 10**6:06}S"),
            )
        )
    if (count := said.get("uses_max")) is not None:
        expected["uses_max"] = count
        stated.append(draw(constraint("count", "lteq", count), constraint("count", "lt", str(count + 1))))
    for term, left in LISTS.items():
        if values := said.get(term):
            expected[term] = values
            stated.append(constraint(left, "isAnyOf" if len(values) > 1 else draw("eq", "isAnyOf"), values))
    form = draw(lambda some: some, lambda some: [{"and": some}], lambda some: [{"and": {"@list": some[:1]}}, *some[1:]])
    policy = agreement(*form(data.draw(st.permutations(stated))), action=draw("use", "read"))
    wrapped = draw(policy, [policy], {"@graph": [{name: one for name, one in policy.items() if name != "@context"}]})
    assert expected == kept(wrapped)
