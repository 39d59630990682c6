"""How many there are of a thing is said in its singular or its plural."""

import pytest

from circulation.words import many


@pytest.mark.parametrize(
    ("count", "things", "said"),
    [
        (0, ("event",), "0 events"),
        (1, ("event",), "1 event"),
        (2_000, ("event",), "2,000 events"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
        (1, ("finding stands", "findings stand"), "1 finding stands"),
        (0, ("finding stands", "findings stand"), "0 findings stand"),
    ],
)
def test_a_number_of_things(count: int, things: tuple[str, ...], said: str) -> None:
    assert said == many(count, *things)
