"""A rule that fails is itself a finding, the other rules go on, and it is cleared when the rule no longer fails."""

import dataclasses

import orjson
import pytest
from running import truth

import detectors
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.examples import asset, delivered, listed, signed, terms, used
from circulation.packs.reading import parse_pack
from circulation.rules import Check
from streams.engine import Engine
from streams.intake import Arrival
from streams.store.store import Store
from tests.modes import only

NOW = 1_800_000_000_000_000
WATCHED = ("negative-list", "outside-terms", "usage-limit", "purpose-drift", "detector-error")
PACK = parse_pack(only(*WATCHED), published=False)


class Broken:
    """Fails while it is told to."""

    fails = True

    def __call__(self, *_):
        if self.fails:
            raise ZeroDivisionError("the rule divides by the persons")
        return []


@pytest.fixture
def engine_and_rule():
    broken = Broken()
    rule = dataclasses.replace(
        detectors.RULES["negative-list"],
        check=Check(acts=frozenset({"circulation.product.listed", "circulation.delivery.completed"}), check=broken),
        sum=None,
        tally=None,
    )
    rules = {**detectors.RULES, "negative-list": rule}
    return Engine(Store("sqlite://"), PACK, rules=rules), broken


def take(engine, *events):
    arrivals = []
    for order, one in enumerate(events):
        record = orjson.dumps(one)
        admitted = Admission().admit(record, topic=None, key=ANY, headers=(), now=NOW)
        arrivals.append(Arrival(order, NOW, admitted, record, ("file", 0, order)))
    outcome = engine.take(arrivals, [], NOW)
    errors = list(outcome.errors)
    while (judged := engine.judge_round(NOW, 100)).items:
        errors += judged.errors
    return errors


def standing(engine):
    return sorted(
        (one["detector"], one["about"]["id"], one["evidence"].get("rule"))
        for one in truth(engine.store).findings.values()
    )


def test_a_check_that_fails_is_found_once_an_act_and_the_others_go_on(engine_and_rule):
    engine, broken = engine_and_rule
    errors = take(
        engine,
        listed("asset", "2025-01-02"),
        signed("contract", "2025-01-02", terms=terms(delivery=["api"], uses_max=1)),
        delivered("contract", "2025-01-03", mode="file"),
        used("contract", "2025-01-03", 2),
    )

    assert {"negative-list"} == set(errors)
    assert [
        ("detector-error", "asset", "negative-list"),
        ("detector-error", "contract", "negative-list"),
        ("outside-terms", "contract", None),
        ("usage-limit", "contract", None),
    ] == standing(engine)
    (said,) = [one for one in truth(engine.store).findings.values() if one["about"]["id"] == "asset"]
    assert "yellow" == said["severity"]
    assert "ZeroDivisionError: the rule divides by the persons" == said["evidence"]["error"]


def test_it_is_cleared_when_the_rule_is_asked_again_and_no_longer_fails(engine_and_rule):
    engine, broken = engine_and_rule
    take(engine, listed("asset", "2025-01-02"))
    assert [("detector-error", "asset", "negative-list")] == standing(engine)

    broken.fails = False
    # A fact of the act changes, so that it is judged again.
    assert [] == take(engine, asset("asset", "2025-01-01"))

    assert [] == standing(engine)


def test_a_tally_that_fails_is_found_on_its_use_and_the_others_count_on():
    def step(*_):
        raise KeyError("purpose")

    drift = detectors.RULES["purpose-drift"]
    tally = dataclasses.replace(drift.tally, step=step, quiet=step)
    rules = {**detectors.RULES, "purpose-drift": dataclasses.replace(drift, tally=tally)}
    engine = Engine(Store("sqlite://"), PACK, rules=rules)
    first = signed("contract", "2025-01-02", terms=terms(uses_max=1, valid_to="2025-02-01"))
    errors = take(
        engine, first, used("contract", "2025-01-03", 2, id="one"), used("contract", "2025-03-03", 1, id="two")
    )

    assert ["purpose-drift", "purpose-drift"] == errors
    found = standing(engine)
    assert 2 == found.count(("detector-error", "contract", "purpose-drift"))
    assert ("outside-terms", "contract", None) in found
    assert ("usage-limit", "contract", None) in found
