"""Numbers of a feed: what came, what is missing, and which event revealed it."""

from hypothesis import given
from hypothesis import strategies as st

from circulation.sequences import Gap, Sequence, Taken, take


def taken(*numbers: int) -> tuple[Sequence, list[Taken | None]]:
    """The sequence after these numbers, and what each did; the event of a number is named after it."""
    sequence, answers = Sequence(), []
    for number in numbers:
        answer = take(sequence, number, f"n{number}", number)
        answers.append(answer)
        sequence = sequence if answer is None else answer.sequence
    return sequence, answers


def test_numbers_that_follow_each_other_leave_nothing_but_the_highest() -> None:
    sequence, answers = taken(1, 2, 3)
    assert Sequence(3) == sequence
    assert all(answer is not None and answer.opened is None and answer.closed is None for answer in answers)


def test_a_number_that_came_is_a_duplicate() -> None:
    assert [True, True, False, False] == [answer is not None for answer in taken(1, 2, 1, 2)[1]]


def test_a_number_too_high_reveals_all_below_it() -> None:
    sequence, (answer,) = taken(4)
    gap = Gap("n4", 4, [(1, 3)], [(1, 3)])
    assert Sequence(4, [gap]) == sequence
    assert answer is not None
    assert gap == answer.opened


def test_a_number_in_the_middle_splits_what_is_missing() -> None:
    sequence, _ = taken(6, 3)
    assert [Gap("n6", 6, [(1, 5)], [(1, 2), (4, 5)])] == sequence.gaps


def test_a_gap_is_closed_by_the_last_of_its_numbers_and_by_no_other() -> None:
    sequence, answers = taken(4, 1, 3, 2)
    assert Sequence(4) == sequence
    assert [None, None, None] == [answer and answer.closed for answer in answers[:3]]
    last = answers[3]
    assert last is not None
    assert last.closed is not None
    assert ("n4", [(1, 3)]) == (last.closed.id, last.closed.revealed)


def test_a_number_fills_the_gap_that_it_belongs_to() -> None:
    sequence, answers = taken(2, 4, 3)
    assert [("n2", [(1, 1)])] == [(gap.id, gap.missing) for gap in sequence.gaps]
    assert answers[2] is not None
    assert answers[2].closed is not None
    assert "n4" == answers[2].closed.id


def test_a_number_that_filled_a_gap_is_a_duplicate_from_then_on() -> None:
    assert taken(3, 2, 2)[1][2] is None


@given(st.lists(st.integers(1, 12), max_size=30))
def test_whatever_comes_each_number_is_taken_once_and_the_rest_is_missing(numbers: list[int]) -> None:
    sequence, answers = taken(*numbers)
    fresh = [number for number, answer in zip(numbers, answers, strict=True) if answer is not None]
    assert sorted(set(numbers)) == sorted(fresh)
    assert max(numbers, default=0) == sequence.highest
    missing = {one for gap in sequence.gaps for first, last in gap.missing for one in range(first, last + 1)}
    assert set(range(1, sequence.highest + 1)) - set(numbers) == missing
    opened = [answer.opened.id for answer in answers if answer and answer.opened]
    closed = [answer.closed.id for answer in answers if answer and answer.closed]
    assert sorted(opened) == sorted([*closed, *(gap.id for gap in sequence.gaps)])
