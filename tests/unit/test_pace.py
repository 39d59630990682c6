"""How much of what waits in bulk is judged at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import detectors
from streams.engine import Engine
from streams.facts.rulebook import shipped
from streams.judging.pace import ROUND_SECONDS, THINGS_MIN, Pace
from streams.store import queue
from streams.store.queue import AGAIN
from streams.store.store import Store

MOST = 500


def test_a_kind_of_which_nothing_is_known_begins_with_little():
    assert THINGS_MIN == Pace(MOST)("screen")
    assert 10 == Pace(10)("screen")


def test_each_kind_has_a_pace_of_its_own():
    pace = Pace(MOST)
    pace.learn("screen", THINGS_MIN, ROUND_SECONDS / 4)
    assert (2 * THINGS_MIN, THINGS_MIN) == (pace("screen"), pace("credit"))


def test_of_a_round_that_took_all_there_was_nothing_is_learnt_but_that_it_was_long():
    pace = Pace(MOST)
    pace.learn("search", 1, ROUND_SECONDS / 100)
    assert THINGS_MIN == pace("search")
    for _ in range(4):
        pace.learn("screen", pace("screen"), ROUND_SECONDS / 4)
    assert 16 * THINGS_MIN == pace("screen")
    pace.learn("screen", 200, 2 * ROUND_SECONDS)
    assert 100 == pace("screen")


@given(st.lists(st.tuples(st.integers(1, 2000), st.floats(0, 10))), st.integers(1, 1000))
def test_it_stays_between_little_and_most(rounds, most):
    pace = Pace(most)
    for things, seconds in rounds:
        before = pace("act")
        pace.learn("act", things, seconds)
        assert min(THINGS_MIN, most) <= pace("act") <= max(most, min(2 * before, most))


@pytest.fixture
def engine():
    """An engine on a store in memory, with nothing in it."""
    return Engine(Store("sqlite://"), shipped(detectors.RULES))


def queued(engine, *things):
    with engine.store.writing() as db:
        for thing in things:
            queue.put(db, [thing], AGAIN, 0)


def waits(engine):
    with engine.store.reading() as db:
        return [row[0] for row in db.rows("select thing from queue order by id")]


def test_a_round_of_bulk_has_things_of_one_kind_and_as_many_as_the_pace_says(engine):
    screens = [queue.screen(f"asset-{number}") for number in range(THINGS_MIN + 1)]
    credit = queue.credit("party:one")
    # one of them waits twice, and is judged once
    queued(engine, screens[0], credit, *screens)
    judged = engine.judge_round(0, 1000, pace=Pace(MOST))
    assert ("screen", THINGS_MIN, THINGS_MIN + 1) == (judged.kind, judged.things, judged.items)
    assert [credit, screens[-1]] == waits(engine)
    judged = engine.judge_round(0, 1000, pace=Pace(MOST))
    assert ("credit", 1) == (judged.kind, judged.things)
    assert [screens[-1]] == waits(engine)


def test_without_a_pace_all_of_a_priority_is_one_round(engine):
    things = [queue.screen("asset-1"), queue.credit("party:one")]
    queued(engine, *things)
    assert 2 == engine.judge_round(0, 1000).items
    assert [] == waits(engine)
