"""A real catalogue of open data, registered and listed as its entries say, under the shipped pack."""

from pathlib import Path

import pytest
import yaml
from real_input import LISTED, Played, Product, catalogue, catalogue_story, played, wire

import detectors
import packs
from streams.facts.rulebook import shipped

PRODUCTS = 100


@pytest.fixture(scope="module")
def products(test_data: Path) -> list[Product]:
    return catalogue(test_data)


@pytest.fixture(scope="module")
def market(products: list[Product]) -> Played:
    return played(wire(catalogue_story(products)))


def test_every_entry_is_admitted_with_its_words_in_any_language(products: list[Product], market: Played) -> None:
    kept = dict(market.rows("select subject, data from events where type = 'circulation.asset.registered'"))
    titles = {one.id: one.document["Name"] for one in products}

    assert PRODUCTS == len(products)
    assert ([], 0) == (market.rejected, market.tally.duplicates)
    assert titles == {id_: yaml.safe_load(data)["title"] for id_, data in kept.items()}
    assert not any(b'"licence"' in data for data in kept.values())


def test_no_tag_of_the_catalogue_is_a_word_of_the_negative_list(products: list[Product]) -> None:
    forbidden = {
        tag for one in yaml.safe_load(packs.shipped())["negative_list"] for tag in one["match"].get("tags", ())
    }
    given = {str(tag) for one in products for tag in one.document["Tags"]}

    assert set() == forbidden & given


def test_a_listing_raises_what_its_facts_warrant_and_nothing_else(products: list[Product], market: Played) -> None:
    """No entry of the catalogue has a level, so that core data (NL-02) cannot be ruled out. What is about health is
    sensitive, and without its fields the five entries on kinds of sensitive data (NL-19 to NL-23) are open too. What
    an authority publishes is public data, for which nobody here had an authorisation to operate it (NL-07). Once the
    levels are known and consents and authorisations are there, nothing is left to say of a listing.
    """
    expected = {}
    titles = {one.id: one.title for one in shipped(detectors.RULES).negative_list}
    for one in products:
        sensitive = one.personal == "sensitive"
        entries = ["NL-02", *(f"NL-{number}" for number in range(19, 24) if sensitive)]
        missing = ["fields", "level"] if sensitive else ["level"]
        expected[one.id, "yellow"] = {
            "action": "list",
            "verdict": "needs-info",
            "entries": entries,
            "count": len(entries),
            "missing": missing,
        }
        if one.public:
            evidence = {"action": "list", "verdict": "match", "entry": "NL-07", "origin": one.id, "path": [one.id]}
            evidence |= {"title": titles["NL-07"], "steps": 0}
            expected[one.id, "orange"] = evidence

    said = market.standing()
    assert expected == {(one["about"]["id"], one["severity"]): without_articles(one["evidence"]) for one in said}
    assert len(expected) == len(said)
    assert {"negative-list"} == {one["detector"] for one in said}
    assert {f"{LISTED}:00+08:00"} == {one["occurred"] for one in said}
    assert {one.owner for one in products} == {one["party"] for one in said}
    kinds = [sum(one.public for one in products), sum(one.personal == "sensitive" for one in products)]
    assert all(0 < kind < PRODUCTS for kind in kinds)


def without_articles(evidence: dict) -> dict:
    return {name: value for name, value in evidence.items() if name != "legal_basis"}
