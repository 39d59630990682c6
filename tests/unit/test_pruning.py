"""What is kept for a span of time is forgotten in small slices, and what a case or a finding needs is not."""

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.calendar import DAY, parse_instant
from circulation.examples import SINCE, signed, used
from streams.engine import Engine
from streams.facts import used_days as summaries
from streams.settings import Settings
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.store import Store
from streams.worker.pruning import (
    PASS_SECONDS,
    ROWS_MAX,
    ROWS_MIN,
    ROWS_MIN_POSTGRES,
    SLICE_SECONDS,
    Held,
    Pruning,
    Size,
    of_open_cases,
)
from tests.unit.test_summaries import LASTING, NOW, days, taken, uses_of

SETTINGS = Settings.read({"CIRCULATION_TALLY_DAYS": "2"})


def pruning(store: Store, engine: Engine, held: Held = of_open_cases) -> Pruning:
    return Pruning(store, SETTINGS, engine.rules, engine.known, held=held)


def passed(some: Pruning, now: int) -> None:
    while some.step(now) < PASS_SECONDS:
        pass


def contracts(store: Store, *names: str) -> dict[str, int]:
    return {one: len(uses_of(store, one)) for one in names}


def scopes(store: Store) -> list[str]:
    with store.reading() as db:
        rows = db.rows(
            "select thing from scopes where rule = 'reconciliation' and thing like 'uses%' and scope like '%-%-%'"
        )
    return [queue.rest_of(row[0]) for row in rows]


def test_old_days_are_forgotten_but_where_they_last_or_a_finding_stands_on_them(store: Store) -> None:
    events = [signed("plain", SINCE), signed("lasting", SINCE, terms=LASTING), signed("apart", SINCE)]
    events += [*days("plain"), *days("lasting"), *days("apart", "provider"), *days("apart", "consumer", 2)]
    engine = taken(store, events)
    some = pruning(store, engine, lambda *_: ())
    for now in (NOW + 2 * DAY, NOW + 3 * DAY, NOW + 4 * DAY):
        passed(some, now)
        there = contracts(store, "plain", "lasting", "apart")
        assert {"plain": 2 if now > NOW + 2 * DAY else 5, "lasting": 5, "apart": 10} == there


def test_what_says_that_a_day_is_looked_at_goes_with_the_last_of_the_day_and_never_before(store: Store) -> None:
    """Of equal reports nothing stands; a day is forgotten by when its uses came, whenever it was."""
    equal = [*days("equal", "provider"), *days("equal", "consumer")]
    unequal = [*days("apart", "provider"), *days("apart", "consumer", 2)]
    engine = taken(store, [signed("equal", SINCE), signed("apart", SINCE), *equal, *unequal])
    assert {"equal": 5, "apart": 5} == {one: scopes(store).count(one) for one in ("equal", "apart")}
    passed(pruning(store, engine), NOW)
    assert {"equal": 5, "apart": 5} == {one: scopes(store).count(one) for one in ("equal", "apart")}
    # What the desk remembers of the newest days is no row yet.
    passed(pruning(store, engine), NOW + 3 * DAY)
    assert {"equal": 2, "apart": 5} == {one: scopes(store).count(one) for one in ("equal", "apart")}


def test_what_is_held_is_kept_until_it_no_longer_is(store: Store) -> None:
    engine = taken(store, [signed("plain", SINCE), signed("held", SINCE), *days("plain"), *days("held")])
    holding = {"held"}

    def held(_: Db, asked: Sequence[str]) -> Collection[str]:
        return holding & {*asked}

    some = pruning(store, engine, held)
    passed(some, NOW + 3 * DAY)
    assert {"plain": 2, "held": 5} == contracts(store, "plain", "held")
    holding.clear()
    passed(some, NOW + 4 * DAY)
    assert {"plain": 2, "held": 5} == contracts(store, "plain", "held")  # it is looked at a day later
    passed(some, NOW + 4 * DAY + 1)
    assert {"plain": 2, "held": 2} == contracts(store, "plain", "held")


def test_the_days_of_a_contract_are_kept_while_a_case_about_it_is_open(store: Store) -> None:
    engine = taken(store, [signed("open", SINCE), signed("closed", SINCE), *days("open"), *days("closed")])
    with store.writing() as db:
        for number, state in enumerate(("open", "closed")):
            case = (f"{number}", "d", 1, "usage-limit", "contract", state, None, "red", f"{state}ed"[:6], 1, 1, None)
            db.many(schema.cases, [(*case, None, False, 1, 1, 1, "{}")])
        assert {"open"} == of_open_cases(db, ["open", "closed", "other"])
    passed(pruning(store, engine), NOW + 3 * DAY)
    assert {"open": 5, "closed": 2} == contracts(store, "open", "closed")


@pytest.mark.parametrize("name", ["seen", "remembered"])
def test_what_is_old_goes_slice_by_slice_and_what_is_not_stays(store: Store, name: str) -> None:
    some = pruning(store, Engine(store, taken(store, []).rulebook().in_force(NOW)))
    span = {"seen": SETTINGS.seen_days, "remembered": SETTINGS.usage_days}[name] * DAY
    old, new = NOW - span - 1, NOW - span
    with store.writing() as db:
        db.many(schema.seen, [(f"{taken}-{n}", taken) for taken in (old, new) for n in range(100)])
        db.many(schema.remembered, [("t", 0, taken, b"", b"", None) for taken in (old, new) for _ in range(100)])
    left, most = [200], 1 if name == "remembered" else ROWS_MIN_POSTGRES if store.postgres else ROWS_MIN
    while left[-1] > 100:
        assert some.step(NOW) < PASS_SECONDS
        with store.reading() as db:
            left.append(db.rows(f"select count(*) from {name}")[0][0])
        assert left[-2] - left[-1] <= most
        most *= 2 if left[-1] < left[-2] else 1
    passed(some, NOW)
    with store.reading() as db:
        assert [(new, 100)] == db.rows(f"select taken, count(*) from {name} group by taken")


def test_what_was_rejected_of_a_gap_that_is_open_stays(store: Store) -> None:
    some = pruning(store, Engine(store, taken(store, []).rulebook().in_force(NOW)))
    old = NOW - SETTINGS.seen_days * DAY - 1
    with store.writing() as db:
        db.many(schema.gaps, [("thing", 1, b"", "feed", 2, 4)])
        numbers = [("feed", 1), ("feed", 2), ("feed", 4), ("feed", 5), ("other", 3)]
        rows = [(f"{feed} {number}", feed, number, "invalid-data", old) for feed, number in numbers]
        db.many(schema.refused_numbers, [*rows, ("new", "other", 9, "invalid-data", old + 1)])
    passed(some, NOW)
    with store.writing() as db:
        left = db.rows("select feed, number, taken from refused_numbers order by feed, number")
        assert [("feed", 2, old + 1 + DAY), ("feed", 4, old + 1 + DAY), ("other", 9, old + 1)] == left
        db.run("delete from gaps")
    passed(some, NOW + 2 * DAY)
    with store.reading() as db:
        assert [] == db.rows("select 1 from refused_numbers")


def partitions(store: Store) -> dict[str, int]:
    """The partitions that hold what is remembered, and how many rows each has."""
    with store.reading() as db:
        rows = db.rows("select tableoid::regclass::text, count(*) from remembered group by 1")
    return dict(rows)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgres_drops_a_day_of_what_is_remembered_as_a_whole(store: Store) -> None:
    some = pruning(store, Engine(store, taken(store, []).rulebook().in_force(NOW)))
    passed(some, NOW)
    first = NOW // DAY
    with store.writing() as db:
        rows = [("t", 0, NOW + at, b"", b"", None) for at in (0, 1, DAY, 40 * DAY)]
        db.many(schema.remembered, rows)
    here = {f"remembered_d{first}": 2, f"remembered_d{first + 1}": 1, "remembered_rest": 1}
    assert here == partitions(store)
    last = (first + 1 + SETTINGS.usage_days) * DAY
    passed(some, last - 1)
    assert here == partitions(store)
    passed(some, last)
    assert {f"remembered_d{first + 1}": 1, "remembered_rest": 1} == partitions(store)
    with store.reading() as db:
        assert [(None,)] == db.rows("select to_regclass(?)", f"remembered_d{first}")


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_what_came_by_a_wrong_clock_stays_where_it_is_and_goes_in_its_time(store: Store) -> None:
    some = pruning(store, Engine(store, taken(store, []).rulebook().in_force(NOW)))
    ahead = NOW + 10 * DAY
    with store.writing() as db:
        db.many(schema.remembered, [("t", 0, ahead, b"", b"", None)])
    for now in (NOW, ahead):
        passed(some, now)
        assert {"remembered_rest": 1} == partitions(store)
    with store.writing() as db:
        db.many(schema.remembered, [("t", 0, ahead + at, b"", b"", None) for at in (1, DAY)])
    assert {"remembered_rest": 2, f"remembered_d{ahead // DAY + 1}": 1} == partitions(store)
    passed(some, ahead + SETTINGS.usage_days * DAY + 2)
    assert {f"remembered_d{ahead // DAY + 1}": 1} == partitions(store)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_a_slice_has_as_many_rows_as_fit_into_its_time_and_at_most_twice_as_many_as_the_last(
    took: list[float],
) -> None:
    size = Size(ROWS_MIN, SLICE_SECONDS)
    for seconds in took:
        before = size.rows
        size.took(before, seconds)
        assert ROWS_MIN <= size.rows <= min(2 * before, ROWS_MAX)
        assert size.rows == ROWS_MIN or size.rows * seconds / before <= SLICE_SECONDS * 1.0001


def test_what_desks_remember_of_days_is_no_row_and_stays(store: Store) -> None:
    engine = taken(store, [signed("c", SINCE), *days("c")])
    passed(pruning(store, engine), NOW + 400 * DAY)
    with store.reading() as db:
        assert [4, 5] == [one.used.uses for one in summaries.used_days(db, ["c"])["c"]]


def test_days_that_are_forgotten_leave_when_they_served_first(store: Store) -> None:
    early = [used("c", "2025-01-01T08:00", 0), used("c", "2025-01-02T08:00", 3), used("c", "2025-01-02T07:00", 0)]
    engine = taken(store, [signed("c", SINCE), *early, *days("c"), signed("nil", SINCE), used("nil", SINCE, 0)])

    def first() -> dict[str, int]:
        with store.reading() as db:
            return summaries.first_served(db, ["c", "nil", "other"])

    expected = {"c": parse_instant("2025-01-02T08:00:00+08:00")}
    assert expected == first()
    for now in (NOW, NOW + 3 * DAY, NOW + 400 * DAY):
        passed(pruning(store, engine), now)
        assert expected == first()
    assert [4, 5] == uses_of(store, "c")
