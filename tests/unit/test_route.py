"""The route of an event stays as short as it is: whoever reads it enters no more modules than these."""

from collections.abc import Callable

import pytest

from benchmarks.route import Route, of_delivery, of_use, stops

# Stops until the commit, and until all is judged. A new rule that looks at such events adds its own; nothing else does,
# but for whose word counts in facts, which is asked where they are read, and how good what sources say is, which is
# counted as it comes.
USE = 42, 10
DELIVERY = 78, 495


@pytest.mark.parametrize(("route", "stops_max"), [(of_use, USE), (of_delivery, DELIVERY)], ids=["use", "delivery"])
def test_an_event_goes_through_no_more_modules_than_it_did(
    route: Callable[[], Route], stops_max: tuple[int, int]
) -> None:
    intake, judging = route()
    assert stops(intake) <= stops_max[0]
    assert stops(judging) <= stops_max[1]


def test_a_plain_use_is_counted_at_once_and_queues_nothing() -> None:
    intake, judging = of_use()
    functions = {f"{module}.{function}" for module, function in intake}
    assert "streams.intake.tallies.quietly" in functions
    assert "streams.intake.tallies.step" not in functions
    assert not [module for module, _ in judging if module.startswith("detectors")]
