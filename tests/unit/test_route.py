"""The route of an event is no longer than it was: stops, visits and returns, as `benchmarks/route.py` counts them."""

from collections.abc import Callable

import pytest

from benchmarks.route import Entered, Length, Route, length, of_delivery, of_intake, of_use, of_use_that_is_found

# Until the commit, and until all is judged: stops, the files that they are in, visits, the modules visited. A new rule
# that looks at such events adds its visits; nothing else does, but for whose word counts in facts, which is asked where
# they are read, and how good what sources say is, which is counted as it comes.
USE = Length(16, 13, 45, 29), Length(6, 4, 13, 6)
FOUND = Length(39, 19, 128, 44), Length(24, 8, 97, 19)
DELIVERY = Length(29, 18, 82, 36), Length(45, 20, 261, 56)
# The walk of what arrives through the rooms of intake.
WALK_OF_USE, WALK_OF_DELIVERY = Length(12, 10, 36, 25), Length(22, 14, 62, 28)


def assert_no_longer(most: Length, entered: list[Entered]) -> None:
    """Whatever of it is more than it may be is named by the difference that pytest shows."""
    now = length(entered)
    assert now == Length(*map(min, now, most))
    assert now.returns <= most.returns


@pytest.mark.parametrize(
    ("route", "most"),
    [(of_use, USE), (of_use_that_is_found, FOUND), (of_delivery, DELIVERY)],
    ids=["use", "found", "delivery"],
)
def test_an_event_goes_through_no_more_than_it_did(route: Callable[[], Route], most: tuple[Length, Length]) -> None:
    intake, judging = route()
    assert_no_longer(most[0], intake)
    assert_no_longer(most[1], judging)


@pytest.mark.parametrize(
    ("route", "most"), [(of_use, WALK_OF_USE), (of_delivery, WALK_OF_DELIVERY)], ids=["use", "delivery"]
)
def test_what_arrives_visits_no_more_rooms_than_it_did(route: Callable[[], Route], most: Length) -> None:
    intake, _ = route()
    assert_no_longer(most, of_intake(intake))


def call(module: str, caller: int | None, *, hands_on: bool = False) -> Entered:
    return Entered(module, "f", caller, hands_on)


def test_a_stop_hands_on_a_visit_is_a_stay_and_a_return_is_one_more() -> None:
    """The engine asks a word, hands on to a room, which asks the word again, and goes on itself."""
    entered = [
        call("streams.a", None, hands_on=True),
        call("circulation.word", 0),
        call("streams.b", 0, hands_on=True),
        call("circulation.word", 2),
        call("streams.a", 0),
        call("streams.a", 0, hands_on=True),
        call("circulation.word", 5, hands_on=True),
    ]
    assert Length(stops=2, files=2, visits=6, rooms=3) == length(entered)
    assert 3 == length(entered).returns


def test_the_walk_of_what_arrives_is_all_that_is_entered_within_its_function() -> None:
    entered = [
        Entered("streams.engine", "take", None, hands_on=True),
        Entered("streams.intake.intake", "Intake.take", 0, hands_on=True),
        Entered("streams.intake.desks", "load", 1, hands_on=True),
        Entered("streams.store.db", "rows", 2, hands_on=False),
        Entered("streams.store.store", "commit", 0, hands_on=False),
    ]
    assert entered[1:4] == of_intake(entered)


def test_a_plain_use_is_counted_at_once_and_queues_nothing() -> None:
    intake, judging = of_use()
    functions = {f"{module}.{function}" for module, function, *_ in intake}
    assert "streams.intake.tallies.quietly" in functions
    assert "streams.intake.tallies.step" not in functions
    assert not [call.module for call in judging if call.module.startswith("detectors")]
