"""Ways in which an ODRL policy says more than the terms that are made of it: each is refused, nothing is skipped."""

from typing import Any

import pytest
from samples import BUYER, CONTRACT, SELLER

from circulation.events.reading import read
from circulation.examples import Json

SIGNED = "circulation.contract.signed"
BARE = {name: member for name, member in CONTRACT.items() if name != "terms"} | {"signed": "2026-01-15"}
AT_MOST_FIVE: Json = {"leftOperand": "count", "operator": "lteq", "rightOperand": 5}
PROHIBITION: Json = {"prohibition": [{"action": "distribute"}]}


def agreement(**members: Any) -> Json:
    permission = [{"action": "use", "constraint": [AT_MOST_FIVE]}]
    return {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement", "permission": permission} | members


def meaning(**names: Any) -> Json:
    return {"@context": ["http://www.w3.org/ns/odrl.jsonld", names]}


def refused(policy: Any) -> str:
    found = read(SIGNED, BARE | {"policy": policy})
    assert found.data is None
    return str(found.identifier or found.fault)


def test_the_policy_itself_is_taken() -> None:
    found = read(SIGNED, BARE | {"policy": agreement(**{"@index": "1"})})
    assert (None, 5) == (found.fault, found.data.terms.uses_max)


@pytest.mark.parametrize("keyword", ["@nest", "@included", "@reverse"])
def test_a_prohibition_hides_under_a_keyword(keyword: str) -> None:
    assert f"$.data.policy.{keyword}" in refused(agreement(**{keyword: PROHIBITION}))


def test_a_prohibition_hides_under_another_name_of_a_keyword() -> None:
    policy = agreement(more=PROHIBITION, **meaning(more="@nest"))
    assert "$.data.policy.more: `@nest` does not map" in refused(policy)


def test_what_a_name_means_is_imported() -> None:
    policy = agreement(verbot=[{}], **meaning(**{"@import": "https://other.example/context"}))
    assert "$.data.policy.verbot[0]: `verbot` does not map" in refused(policy)


def test_within_a_permission_the_most_means_the_least() -> None:
    within = {"@id": "odrl:permission", "@context": {"lteq": "odrl:gteq"}}
    assert "$.data.policy.@context.permission: " in refused(agreement(**meaning(permission=within)))


@pytest.mark.parametrize("container", ["@id", "@index", ["@type"], ["@graph", "@set"]])
def test_a_permission_is_a_map_so_that_its_constraints_are_not_looked_at(container: Any) -> None:
    permission = {"urn:permission": {"constraint": [AT_MOST_FIVE]}}
    names = meaning(permission={"@id": "odrl:permission", "@container": container})
    policy = agreement(action="use", **names) | {"permission": permission}
    assert "$.data.policy.@context.permission: " in refused(policy)


def test_a_name_that_is_a_set_is_read_as_one() -> None:
    names = meaning(constraint={"@id": "odrl:constraint", "@type": "@id", "@container": ["@set"]})
    assert 5 == read(SIGNED, BARE | {"policy": agreement(**names)}).data.terms.uses_max


def test_a_buyer_is_refined_under_a_keyword() -> None:
    for keyword in ("@nest", "@context"):
        assignee = {"@id": BUYER, keyword: {"refinement": [AT_MOST_FIVE]}}
        assert f"$.data.policy.assignee.{keyword}: " in refused(agreement(assignee=assignee))


def test_one_assignee_has_two_names() -> None:
    assignee = {"@id": BUYER, "uid": SELLER}
    assert "$.data.policy.assignee.uid: a second name of the assignee" in refused(agreement(assignee=assignee))


def test_a_value_is_said_twice() -> None:
    most = AT_MOST_FIVE | {"rightOperand": {"@value": 5, "most": 500}}
    policy = agreement(permission=[{"action": "use", "constraint": [most]}], **meaning(most="@value"))
    assert "$.data.policy.permission[0].constraint[0].rightOperand: " in refused(policy)


def test_a_second_action_stands_behind_the_first() -> None:
    action = {"rdf:value": [{"@id": "odrl:use"}, {"@id": "odrl:distribute"}]}
    assert "a second action makes a second permission" in refused(agreement(permission=[{"action": action}]))
