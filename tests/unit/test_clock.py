"""A clock is held against others, and what only the clock decides waits where they differ."""

import dataclasses

import pytest

from streams.health.clock import BROKER, DATABASE, FIRST_SECONDS_MAX, Clock, ask_database
from streams.settings import Settings

SECOND = 1_000_000
SKEW_SECONDS = 60
SETTINGS = dataclasses.replace(Settings.read({}), clock_skew_seconds=SKEW_SECONDS)
NOON = 1_000_000 * SECOND


class Times:
    """A wall clock and a monotonic one, as a test sets them."""

    def __init__(self):
        self.wall, self.monotonic = NOON, 50.0

    def passes(self, seconds):
        self.wall += int(seconds * SECOND)
        self.monotonic += seconds


def a_clock(times, *expects):
    return Clock(SETTINGS, None, expects, machine=lambda: times.wall, monotonic=lambda: times.monotonic)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ahead", "trusted"), [(-61, False), (-60, True), (0, True), (60, True), (61, False)])
def test_a_clock_is_trusted_up_to_the_setting_and_not_beyond(ahead, trusted):
    times = Times()
    clock = a_clock(times)
    clock.hear(BROKER, times.wall - ahead * SECOND, times.monotonic)
    assert trusted == clock.trusted
    assert bool(clock.doubts()) is not trusted
    assert clock.now() == times.wall - (0 if trusted else ahead * SECOND)


def test_a_jump_between_two_answers_is_noticed_at_once():
    times = Times()
    clock = a_clock(times)
    clock.hear(BROKER, times.wall, times.monotonic)
    times.passes(3_600)
    assert clock.trusted
    times.wall += 10 * 86_400 * SECOND
    assert not clock.trusted
    assert clock.doubts() == ["this machine's clock is 864000 s ahead of the broker's"]
    assert clock.now() == clock.earliest() == NOON + 3_600 * SECOND


def test_of_three_clocks_the_middle_one_counts_and_any_that_differs_makes_what_waits_wait():
    times = Times()
    clock = a_clock(times)
    clock.hear(BROKER, times.wall + 500 * SECOND, times.monotonic)
    clock.hear(DATABASE, times.wall + SECOND, times.monotonic)
    assert not clock.trusted
    assert clock.now() == times.wall + SECOND
    assert clock.earliest() == times.wall
    assert clock.doubts() == ["this machine's clock is 500 s behind the broker's"]


def test_the_first_answers_are_waited_for_but_not_for_ever():
    times = Times()
    clock = a_clock(times, BROKER, DATABASE)
    assert not clock.trusted
    clock.hear(DATABASE, times.wall, times.monotonic)
    assert not clock.trusted
    clock.hear(BROKER, times.wall, times.monotonic)
    assert clock.trusted
    alone = a_clock(times, BROKER)
    times.passes(FIRST_SECONDS_MAX)
    assert alone.trusted


def test_a_clock_that_cannot_be_asked_is_told_of_and_not_waited_for():
    times = Times()
    clock = a_clock(times, BROKER)
    clock.unknown(BROKER, "the topic is not there")
    assert clock.trusted
    assert clock.warnings() == ["the broker's clock is not known: the topic is not there"]
    clock.hear(BROKER, times.wall, times.monotonic)
    assert clock.warnings() == []


def test_a_clock_that_nobody_bounds_is_told_of_unless_deadlines_go_by_the_events():
    times = Times()
    why = "the topic is not there"
    clock = a_clock(times, BROKER)
    assert clock.unbounded() == "", "the first answer is waited for"
    clock.unknown(BROKER, why)
    assert clock.unbounded() == why
    clock.hear(BROKER, times.wall, times.monotonic)
    clock.unknown(BROKER, why)
    assert clock.unbounded() == "", "what was heard goes on by the monotonic clock"
    beside_a_database = a_clock(times, BROKER, DATABASE)
    beside_a_database.unknown(BROKER, why)
    beside_a_database.hear(DATABASE, times.wall, times.monotonic)
    assert beside_a_database.unbounded() == ""
    by_events = Clock(dataclasses.replace(SETTINGS, clock="events"), None, (BROKER,))
    by_events.unknown(BROKER, why)
    assert by_events.unbounded() == ""


def test_postgresql_is_asked_and_sqlite_has_no_clock_of_its_own(store):
    clock = Clock(SETTINGS, store)
    ask_database(clock, store)
    assert (list(clock.skews()), clock.trusted) == ([DATABASE] if store.postgres else [], True)
