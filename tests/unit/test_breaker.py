"""The breaker: which rules are held, from when, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams.breaker import STEPS, Breaker, Fires, Limits
from streams.worker.registry import Metrics

LIMITS = Limits(percent=50, looks_min=200, seconds=900)


def held(looked_at: int, fired: int, limits: Limits = LIMITS) -> bool:
    breaker = Breaker(limits)
    breaker.count({"rule": looked_at}, {"rule": fired}, 0.0)
    return "rule" in breaker.held(0.0)


@pytest.mark.parametrize(
    ("looked_at", "fired", "expected"),
    [(200, 100, False), (200, 101, True), (199, 199, False), (200, 200, True), (201, 100, False), (200, 500, True)],
)
def test_a_rule_is_held_beyond_the_share_where_it_looked_at_enough(looked_at: int, fired: int, expected: bool) -> None:
    assert expected == held(looked_at, fired)


def test_of_a_hundred_percent_nothing_is_held_but_what_finds_several_things_in_one() -> None:
    limits = LIMITS._replace(percent=100)
    assert not held(300, 300, limits)
    assert held(300, 301, limits)


def test_what_is_past_the_window_counts_no_more() -> None:
    breaker = Breaker(LIMITS)
    breaker.count({"rule": 300}, {"rule": 300}, 0.0)
    assert {"rule": Fires(300, 300)} == breaker.held(899.9)
    assert {} == breaker.held(900.0)


def test_a_rule_that_becomes_quiet_is_held_no_more_before_the_window_is_past() -> None:
    breaker = Breaker(LIMITS)
    breaker.count({"rule": 300}, {"rule": 300}, 0.0)
    breaker.count({"rule": 300}, {}, 100.0)
    assert {} == breaker.held(100.0)


def test_rules_are_counted_apart() -> None:
    breaker = Breaker(LIMITS)
    breaker.count({"a": 300, "b": 300}, {"a": 299}, 0.0)
    breaker.count({"b": 300}, {"a": 1}, 1.0)
    assert {"a": Fires(300, 300)} == breaker.held(1.0)


def test_what_was_found_and_not_looked_at_holds_nothing() -> None:
    breaker = Breaker(LIMITS)
    breaker.count({}, {"feed-lost": 1_000}, 0.0)
    assert {} == breaker.held(0.0)
    assert 0.0 == Fires(0, 1_000).share


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 2_000)), max_size=40),
    st.integers(0, 500),
)
def test_a_rule_is_held_if_what_it_did_within_the_window_is_too_much(
    counted: list[tuple[int, int, int]], later: int
) -> None:
    breaker = Breaker(LIMITS)
    counted.sort(key=lambda one: one[2])
    for looked_at, fired, at in counted:
        breaker.count({"rule": looked_at}, {"rule": fired}, float(at))
    now = max((one[2] for one in counted), default=0) + later
    step = LIMITS.seconds // STEPS
    inside = [one for one in counted if one[2] // step > now // step - STEPS]
    total = (sum(one[0] for one in inside), sum(one[1] for one in inside))
    assert LIMITS.exceeded(total[1], total[0]) == ("rule" in breaker.held(float(now)))


def test_it_is_said_with_the_numbers() -> None:
    breaker = Breaker(LIMITS)
    assert (
        "usage-limit fires on 75% of 1,200 that it looked at within 900 s, more than 50 %: its alerts are held"
        == breaker.in_words("usage-limit", Fires(1_200, 900))
    )


def test_the_gauge_has_every_rule_from_the_start_and_those_that_are_held_are_1() -> None:
    metrics = Metrics(CollectorRegistry(), detectors=["a", "b"])

    def gauge(detector: str) -> float | None:
        return metrics.registry.get_sample_value("circulation_rule_breaker", {"detector": detector})

    assert (0.0, 0.0) == (gauge("a"), gauge("b"))
    metrics.held({"b"})
    assert (0.0, 1.0) == (gauge("a"), gauge("b"))
    metrics.held(set())
    assert (0.0, 0.0) == (gauge("a"), gauge("b"))
