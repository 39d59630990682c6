"""The engine finds in any small market what a slow model finds that was written from the contract alone."""

from typing import NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Json, event
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.offline import replay
from streams.simulate.market import NOT_IN_A_FILE
from streams.store.store import Store
from tests.model import examples, markets, slow
from tests.model.world import DEFAULTS

NOT_IN_THE_MODEL = {"sandbox-cap"}
MODELLED = [id_ for id_ in detectors.RULES if id_ not in NOT_IN_THE_MODEL | NOT_IN_A_FILE]

untils = st.sampled_from(markets.UNTIL)


class Judged(NamedTuple):
    """What the engine has at the end of the clock."""

    standing: list[Json]
    statements: list[Json]
    # As they were sent last, by party.
    sent: dict[str, Json]
    cases: list[tuple[str, str, str, str]]

    @property
    def found(self) -> dict[str, slow.Found]:
        return {one["finding"]: slow.seen(one) for one in self.standing if one["detector"] not in NOT_IN_THE_MODEL}


def judged(lines: list[Json], default: Json, until: str) -> Judged:
    store = Store("sqlite://")
    engine = replay.offline(store, parse_pack(default, published=False))
    run = replay.Replay(engine, Admission(), until=parse_instant(until))
    run.run(orjson.dumps(one) for one in lines)
    with store.reading() as db:
        standing = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
        sent = {row[0]: orjson.loads(row[1]) for row in db.rows("select party, data from statements")}
        cases = [tuple(row) for row in db.rows("select detector, about_kind, about, state from cases")]
    return Judged(standing, [orjson.loads(one) for one in run.statements()], sent, cases)


@pytest.mark.parametrize("id_", MODELLED)
def test_the_model_has_every_detector_and_its_parameters(id_: str) -> None:
    assert id_ in slow.MEMBERS, slow.missing(id_)
    text = f"tests/model/world.py: DEFAULTS: {id_} must have the parameters of the contract, which are the rule's"
    assert parameters(detectors.RULES)[id_] == DEFAULTS.get(id_, {}), text


def differing(model: set[slow.Found], engine: set[slow.Found]) -> str:
    """The detectors of which the model and the engine find something else, and where to look."""
    sides = {"only the model finds": model - engine, "only the engine finds": engine - model}
    told = [f"{side} {sorted({found[0] for found in more})}" for side, more in sides.items() if more]
    return f"{'; '.join(told)}: the rule in detectors/ or its model in tests/model/ is wrong"


# Each theme by itself, so that a wrong rule is seen beside few others and shrinks fast.
@settings(max_examples=examples(120))
@given(lines=markets.markets(), default=markets.packs, until=untils)
def test_the_engine_finds_what_the_model_finds(lines: list[Json], default: Json, until: str) -> None:
    model, engine = slow.findings(lines, default, until), set(judged(lines, default, until).found.values())
    assert model == engine, differing(model, engine)


@settings(max_examples=examples(25))
@given(
    lines=markets.markets(themes=[markets.ANSWERING, markets.EXPORTING]),
    default=markets.packs,
    until=untils,
    data=st.data(),
)
def test_the_engine_states_the_credit_that_the_model_states(
    lines: list[Json], default: Json, until: str, data: st.DataObject
) -> None:
    before = judged(lines, default, until)
    lines = [*lines, *data.draw(said_of(before.standing))]
    engine = judged(lines, default, until)
    world = slow.judged(lines, default, until)
    # What an upheld objection cleared is not raised again.
    upheld = {before.found.get(one) for one in slow.upheld(world)}
    standing = set(engine.found.values())
    assert world.found - upheld == standing, differing(world.found - upheld, standing)
    expected = [slow.statement(world, one["party"], engine.found) for one in engine.statements]
    assert expected == [slow.stated(one) for one in engine.statements]
    assert expected == [slow.stated(engine.sent[one["party"]]) for one in engine.statements]


@st.composite
def said_of(draw: st.DrawFn, standing: list[Json]) -> list[Json]:
    """Records that name findings, and objections to them: they can be written only once their ids are known."""
    responsible = [one for one in standing if one.get("party")]
    said: list[Json] = []
    for at, one in enumerate(draw(st.lists(st.sampled_from(responsible), max_size=4)) if responsible else []):
        party, finding, time = one["party"], one["finding"], draw(markets.times)
        if draw(st.booleans()):
            named = {"finding": finding, "act": "fraud", "tier": "minor", "document_date": "2025-12-31"}
            said.append(event("credit.determined", party, time, record=f"r{at}", decided_by="office", **named))
        else:
            said.append(event("objection.filed", party, time, objection=f"o{at}", finding=finding, grounds="no"))
            outcome = draw(st.sampled_from([None, "upheld", "rejected", "corrected"]))
            if outcome is not None:
                decided = {"objection": f"o{at}", "outcome": outcome, "decided_by": "office"}
                said.append(event("objection.decided", party, draw(markets.times), **decided))
    return said


@settings(max_examples=examples(25))
@given(lines=markets.markets(), default=markets.packs, until=untils)
def test_each_thing_of_which_something_stands_has_one_open_case(lines: list[Json], default: Json, until: str) -> None:
    engine = judged(lines, default, until)
    serious = {
        (one["detector"], one["about"]["kind"], one["about"]["id"], "opened")
        for one in engine.standing
        if one["mode"] in ("warn", "enforce") and one["severity"] != "blue"
    }
    assert len(engine.cases) == len(set(engine.cases))
    assert serious <= set(engine.cases)
