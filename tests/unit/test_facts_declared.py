"""A rule cannot ask for what it did not declare: its facts answer the same whichever rules are judged beside it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

import orjson
import pytest
from world import packs

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.daily import Used, UsedAbroad, UsedDay, day_number, day_scope
from circulation.events.reading import decode_data
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    Json,
    asset,
    derived,
    entry,
    event,
    listed,
    pack,
    party,
    signed,
    used,
)
from circulation.facts.acts import Act
from circulation.facts.assets import AssetFacts
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import GIVEN_BY, OF_SUMS, Facts, Heard, Loaded, Need, Undeclared
from circulation.facts.grades import stated
from circulation.facts.parties import PartyFacts
from circulation.findings import Cause, Said
from circulation.lineage import Edge, Inputs
from circulation.packs.reading import parse_pack
from circulation.rules import Check, Rule, Sum
from circulation.sides import Settled
from streams.engine import Engine
from streams.offline.replay import Replay
from streams.store.store import Store
from tests.modes import only

SETTLED = "circulation.settlement.paid"
LISTED = "circulation.product.listed"
DERIVED = "circulation.asset.derived"
WHEN = "2025-03-01"
INSTANT = parse_instant("2025-06-01")

NEEDS: frozenset[Need] = frozenset(get_args(Need))

REGISTERED = decode_data("circulation.asset.registered", orjson.dumps(asset("asset", owner=SELLER)["data"]))

# How each method of facts is called.
ASKING: Mapping[str, Callable[[Facts], Any]] = {
    "asset": lambda facts: facts.asset("asset").registration(INSTANT),
    "subject": lambda facts: facts.subject("asset", INSTANT),
    "described": lambda facts: facts.described("asset", REGISTERED, stated(REGISTERED), INSTANT),
    "contract": lambda facts: facts.contract("c").statement(INSTANT),
    "party": lambda facts: facts.party(SELLER).at(INSTANT),
    "chain": lambda facts: facts.chain(SELLER, INSTANT),
    "heads": lambda facts: facts.heads(SELLER),
    "heads_between": lambda facts: sorted(facts.heads_between(SELLER, INSTANT, INSTANT)),
    "ever_above": lambda facts: facts.ever_above(SELLER),
    "topmost": lambda facts: facts.topmost(SELLER, INSTANT),
    "recorded": lambda facts: facts.recorded(SELLER, INSTANT),
    "inputs": lambda facts: [one.input for one in facts.inputs("asset").edges(-1, INSTANT)],
    "made": lambda facts: facts.made("asset"),
    "names": lambda facts: facts.names("asset"),
    "changes": lambda facts: facts.changes(["asset"], INSTANT),
    "unfinished": lambda facts: facts.unfinished("asset", INSTANT),
    "ancestry": lambda facts: facts.ancestry("asset", INSTANT, through_stops=True),
    "first_use": lambda facts: facts.first_use("c"),
    "first_served": lambda facts: facts.first_served("c"),
    "used_abroad": lambda facts: [*facts.used_abroad("c")],
    "used": lambda facts: [day for day, _, _ in facts.used("c")],
    "heard": lambda facts: facts.heard("s"),
    "settled": lambda facts: [one.tallies for one in facts.settled("c").values()],
    "undeclared": lambda facts: facts.undeclared("c", Cause("s", "i")),
    "payments": lambda facts: facts.payments().to(SELLER, 0, INSTANT),
}
GIVEN = [(accessor, need) for accessor, needs in GIVEN_BY.items() for need in needs]


def loaded() -> Loaded:
    """Facts for all needs, as if other rules had declared them."""
    return Loaded(
        packs=packs(pack()),
        assets={"asset": AssetFacts("asset", [])},
        parties={SELLER: PartyFacts(SELLER, [])},
        contracts={"c": ContractFacts("c", [])},
        edges={"asset": [Edge("asset", "raw", 0, False)]},
        undeclared={("c", "s", "i")},
        made={"asset": [Edge("asset", "raw", 0, False)]},
        inputs={"asset": Inputs([Edge("asset", "raw", 0, False)], {"raw": []}, -1)},
        uses={"c": 1},
        served={"c": 2},
        abroad={"c": [UsedAbroad(0, "DE", 1)]},
        days={"c": [UsedDay(0, 0, Used(1, 0, 0))]},
        heard={"s": Heard(0, 60)},
        settled={"c": {0: Settled({0: [1, None, None, None]})}},
    )


def bound(needs: Iterable[Need], among: Loaded | None = None) -> Facts:
    return (among or loaded()).bound("probe", frozenset(needs), dict)


def test_every_method_of_facts_names_the_needs_that_give_it() -> None:
    without = {"pack", "parameters"}
    methods = {name for name, one in vars(Facts).items() if callable(one) and not name.startswith("_")}
    assert methods - without == GIVEN_BY.keys() == ASKING.keys()
    assert NEEDS == {need for needs in GIVEN_BY.values() for need in needs}


@pytest.mark.parametrize("accessor", GIVEN_BY)
def test_asking_without_the_need_raises_and_names_it(accessor: str) -> None:
    facts = bound(NEEDS - {*GIVEN_BY[accessor]})
    with pytest.raises(Undeclared) as raised:
        ASKING[accessor](facts)
    assert "probe" == raised.value.rule
    assert raised.value.asked.startswith(f"{accessor}(")
    assert GIVEN_BY[accessor][0] == raised.value.need
    assert f"probe: facts.{accessor}(" in str(raised.value)
    assert f"the need `{GIVEN_BY[accessor][0]}`" in str(raised.value)


@pytest.mark.parametrize(("accessor", "need"), GIVEN)
def test_any_need_that_gives_it_is_enough(accessor: str, need: Need) -> None:
    assert ASKING[accessor](bound(NEEDS)) == ASKING[accessor](bound({need}))


@pytest.mark.parametrize("accessor", ["first_use", "first_served", "used_abroad", "used", "settled", "inputs"])
def test_what_is_there_for_sums_only_is_refused_elsewhere_though_it_is_declared(accessor: str) -> None:
    with pytest.raises(Undeclared, match="only while it is judged"):
        ASKING[accessor](bound(NEEDS, Loaded(packs=packs(pack()))))


def test_a_method_that_is_declared_is_the_method_itself() -> None:
    asking = bound({"asset"})
    assert Facts.asset is type(asking).asset
    assert Facts.inputs is not type(asking).inputs
    assert type(asking) is type(bound({"asset"}))


# Through the engine, by itself and beside all shipped rules.

EVENTS = [
    party(OWNER, industry="I65"),
    party(SELLER, controller=OWNER),
    asset("raw"),
    asset("asset"),
    derived("asset", "2025-01-02", "raw"),
    signed("other", "2025-01-03", seller=BUYER, buyer=SELLER),
    signed("c", "2025-01-03"),
    used("c", "2025-01-04", country="DE"),
    event(
        "settlement.paid", "other", "2025-02-28", settlement="s0", amount="9", currency="CNY", payer=BUYER, payee=SELLER
    ),
    event("settlement.paid", "c", WHEN, settlement="s1", amount="9", currency="CNY", payer=SELLER, payee=BUYER),
]

Ask = Callable[[Facts], Any]


def run(probe: Rule, events: Sequence[Json], *, beside: bool, rules: Json | None = None) -> list[Json]:
    """Judges events by a rule, alone or beside all shipped ones; answers with the findings of failing rules."""
    others = detectors.RULES if beside else {"detector-error": detectors.RULES["detector-error"]}
    store = Store("sqlite://")
    engine = Engine(
        store, parse_pack(pack() if rules is None else rules, published=False), rules={**others, probe.id: probe}
    )
    Replay(engine, Admission(), until=parse_instant("2025-06-01")).run(map(orjson.dumps, events))
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]
    return [one["evidence"] for one in found if one["detector"] == "detector-error"]


def rule(**shapes: Any) -> Rule:
    """A rule that is none of the shipped ones."""
    return Rule(
        id="probe", title="A probe", title_zh="探针", about="asset", severity="yellow", articles=("none",), **shapes
    )


def of_subject(act: Act, _: Facts) -> list[str]:
    return [act.subject]


def of_day(act: Act, _: Facts) -> list[str]:
    return [day_scope(day_number(act.time), act.subject)]


def settled(_: str, acts: Sequence[Act], __: Facts) -> Settled:
    return Settled({one.reporter: [1, None, None, None] for one in acts})


@pytest.mark.slow
@pytest.mark.parametrize(("accessor", "need"), GIVEN)
def test_a_need_by_itself_has_loaded_what_it_gives(accessor: str, need: Need) -> None:
    def answers(*, beside: bool) -> list[Any]:
        found = []

        def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
            if scope.endswith("asset" if need in ("inputs", "made") else "c"):
                found.append(ASKING[accessor](facts))
            return []

        acts = frozenset({SETTLED, DERIVED})
        shape = Sum(acts=acts, scopes=of_subject, judge=judge, needs=frozenset({need}))
        if need == "settled":
            shape = dataclasses.replace(shape, scopes=of_day, each_day=True, settles=settled)
        assert [] == run(rule(sum=shape), EVENTS, beside=beside)
        return found

    alone = answers(beside=False)
    # What it answers with is something, but for records, names, changes of tables, undeclared deliveries, runs, and of
    # sources that owe nothing.
    assert alone[-1] or accessor in ("recorded", "names", "changes", "undeclared", "unfinished", "made", "heard")
    assert alone[-1] == answers(beside=True)[-1]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside all others"])
def test_a_check_that_did_not_declare_ancestors_fails_beside_a_rule_that_did(beside: bool) -> None:
    def check(act: Act, facts: Facts) -> list[Said]:
        assert not facts.names(act.subject), "it answered"
        return []

    probe = rule(check=Check(acts=frozenset({LISTED}), check=check, needs=frozenset({"asset"})))
    events = [*EVENTS, listed("asset", WHEN)]
    rules = only("negative-list", "detector-error", entries=[entry("secret")])
    (failed,) = run(probe, events, beside=beside, rules=rules)
    assert "probe" == failed["rule"]
    why = "Undeclared: probe: facts.names('asset') takes the need `ancestors`, which is not declared"
    assert why == failed["error"]


def test_each_shape_of_a_rule_sees_what_that_shape_declares() -> None:
    answered = []

    def check(act: Act, facts: Facts) -> list[Said]:
        facts.contract(act.subject)
        return []

    def judge(scope: str, _: Sequence[Act], facts: Facts) -> list[Said]:
        answered.append(facts.contract(scope).id)
        return []

    settled = frozenset({SETTLED})
    probe = rule(
        check=Check(acts=settled, check=check),
        sum=Sum(acts=settled, scopes=of_subject, judge=judge, needs=frozenset({"contract"})),
    )
    failed = run(probe, EVENTS, beside=False)
    assert {"Undeclared: probe: facts.contract('c') takes the need `contract`, which is not declared"} < {
        one["error"] for one in failed
    }
    assert {"c", "other"} == {*answered}


def test_the_scopes_of_a_sum_cannot_hang_on_uses() -> None:
    def scopes(act: Act, facts: Facts) -> list[str]:
        return [] if facts.first_use(act.subject) is None else [act.subject]

    probe = rule(
        sum=Sum(acts=frozenset({SETTLED}), scopes=scopes, judge=lambda *_: [], needs=OF_SUMS | {"contract"}),
    )
    failed = run(probe, EVENTS, beside=True)
    assert 2 == len(failed)
    assert all("only while it is judged" in one["error"] for one in failed)
