"""Numbers of a feed: what came, what is missing, and which event revealed it."""

from hypothesis import given
from hypothesis import strategies as st

from circulation.sequences import GAPS_MAX, NEVER, Gap, Repeated, Sequence, Taken, put_away, take, take_older


def taken(*numbers: int) -> tuple[Sequence, list[Taken | Repeated]]:
    """The sequence after these numbers, and what each did; the event of a number is named after it, with a time that is
    earlier the later it comes."""
    sequence, answers = Sequence(), []
    for at, number in enumerate(numbers):
        answer = take(sequence, number, f"n{number}", -at)
        answers.append(answer)
        sequence = answer.sequence if isinstance(answer, Taken) else sequence
    return sequence, answers


def opened(answer: Taken | Repeated) -> Gap | None:
    return answer.opened if isinstance(answer, Taken) else None


def closed(answer: Taken | Repeated) -> Gap | None:
    return answer.closed if isinstance(answer, Taken) else None


def test_numbers_that_follow_each_other_leave_nothing_but_the_highest() -> None:
    sequence, answers = taken(1, 2, 3)
    assert Sequence(3, latest=0) == sequence
    assert [Taken] * 3 == [type(answer) for answer in answers]
    assert [(None, None)] * 3 == [(opened(answer), closed(answer)) for answer in answers]


def test_a_number_that_came_is_a_duplicate() -> None:
    assert [Repeated.DUPLICATE] * 2 == taken(1, 2, 1, 2)[1][2:]


def test_a_number_too_high_reveals_all_below_it() -> None:
    sequence, (answer,) = taken(4)
    gap = Gap("n4", 0, [(1, 3)], [(1, 3)])
    assert Sequence(4, [gap], latest=0) == sequence
    assert gap == opened(answer)


def test_a_number_in_the_middle_splits_what_is_missing() -> None:
    sequence, _ = taken(6, 3)
    assert [Gap("n6", 0, [(1, 5)], [(1, 2), (4, 5)])] == sequence.gaps


def test_a_gap_is_closed_by_the_last_of_its_numbers_and_by_no_other() -> None:
    sequence, answers = taken(4, 1, 3, 2)
    assert Sequence(4, latest=0) == sequence
    assert [None, None, None] == [closed(answer) for answer in answers[:3]]
    last = closed(answers[3])
    assert last is not None
    assert ("n4", [(1, 3)]) == (last.id, last.revealed)


def test_a_number_fills_the_gap_that_it_belongs_to() -> None:
    sequence, answers = taken(2, 4, 3)
    assert [("n2", [(1, 1)])] == [(gap.id, gap.missing) for gap in sequence.gaps]
    last = closed(answers[2])
    assert last is not None
    assert "n4" == last.id


def test_a_number_that_filled_a_gap_is_a_duplicate_from_then_on() -> None:
    assert Repeated.DUPLICATE == taken(3, 2, 2)[1][2]


def test_a_number_that_came_is_reused_where_it_is_later_than_all_that_came() -> None:
    sequence = Sequence()
    for number, time in ((1, 10), (2, 30), (4, 20)):
        answer = take(sequence, number, "", time)
        assert isinstance(answer, Taken)
        sequence = answer.sequence
    assert 30 == sequence.latest
    expected = {29: Repeated.DUPLICATE, 30: Repeated.DUPLICATE, 31: Repeated.REUSED}
    assert expected == {time: take(sequence, 2, "another", time) for time in expected}
    filled = take(sequence, 3, "", 40)
    assert isinstance(filled, Taken)
    assert 40 == filled.sequence.latest


def test_a_higher_epoch_begins_and_the_one_before_may_still_be_filled() -> None:
    before, _ = taken(1, 3)
    begun = take(before, 2, "e", 5, 7)
    assert isinstance(begun, Taken)
    assert (Gap("e", 5, [], [], 7, (0, 3)), Gap("e", 5, [(1, 1)], [(1, 1)], 7)) == (begun.ended, begun.opened)
    assert (2, 7, before) == (begun.sequence.highest, begun.sequence.epoch, begun.sequence.before)
    filled = take(begun.sequence, 2, "", 9, 0)
    assert isinstance(filled, Taken)
    assert (3, 9, []) == (
        filled.sequence.before and filled.sequence.before.highest,
        filled.sequence.before and filled.sequence.before.latest,
        filled.sequence.before and filled.sequence.before.gaps,
    )
    assert "n3" == (filled.closed and filled.closed.id)
    answers = [take(filled.sequence, number, "", time, 0) for number, time in ((1, 9), (1, 10), (3, 0), (4, 0))]
    assert [Repeated.DUPLICATE, Repeated.REUSED, Repeated.DUPLICATE, Repeated.OVER] == answers


def test_the_two_newest_epochs_are_kept_and_what_never_began_is_over() -> None:
    sequence = Sequence()
    for epoch in (3, 5, 9):
        answer = take(sequence, 1, "", 0, epoch)
        assert isinstance(answer, Taken)
        assert (epoch > 3) == (answer.ended is not None)
        sequence = answer.sequence
    assert {9: Repeated.DUPLICATE, 5: Repeated.DUPLICATE, 0: Repeated.OVER, 3: Repeated.OVER, 7: Repeated.OVER} == {
        epoch: take(sequence, 1, "", 0, epoch) for epoch in (9, 5, 0, 3, 7)
    }
    assert sequence.before is not None
    assert None is sequence.before.before


@given(st.lists(st.integers(1, 12), max_size=30))
def test_whatever_comes_each_number_is_taken_once_and_the_rest_is_missing(numbers: list[int]) -> None:
    sequence, answers = taken(*numbers)
    fresh = [number for number, answer in zip(numbers, answers, strict=True) if isinstance(answer, Taken)]
    assert sorted(set(numbers)) == sorted(fresh)
    assert max(numbers, default=0) == sequence.highest
    missing = {one for gap in sequence.gaps for first, last in gap.missing for one in range(first, last + 1)}
    assert set(range(1, sequence.highest + 1)) - set(numbers) == missing
    begun = [gap.id for answer in answers if (gap := opened(answer))]
    ended = [gap.id for answer in answers if (gap := closed(answer))]
    assert sorted(begun) == sorted([*ended, *(gap.id for gap in sequence.gaps)])


COMING = st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(0, 4))


@given(st.lists(COMING, max_size=40))
def test_of_any_epochs_the_state_says_what_a_list_of_all_that_came_says(coming: list[tuple[int, int, int]]) -> None:
    sequence = Sequence()
    came: dict[int, dict[int, int]] = {}
    for epoch, number, time in coming:
        answer = take(sequence, number, "", time, epoch)
        kept = sorted(came)[-2:]
        own = came.get(epoch, {})
        over = bool(kept) and epoch < kept[-1] and (epoch not in kept or number > max(own))
        if over:
            assert Repeated.OVER == answer
        elif number in own:
            assert (Repeated.REUSED if time > max(own.values()) else Repeated.DUPLICATE) == answer
        else:
            assert isinstance(answer, Taken)
            assert (bool(kept) and epoch > kept[-1]) == (answer.ended is not None)
            came.setdefault(epoch, {})[number] = time
            sequence = answer.sequence
    assert (max(came), max(came[max(came)])) if came else (0, 0) == (sequence.epoch, sequence.highest)
    assert max(came[max(came)].values() if came else [NEVER]) == sequence.latest


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 9)), max_size=250))
def test_a_number_is_taken_alike_whether_its_gap_is_at_hand_or_an_older_one(coming: list[tuple[int, int]]) -> None:
    whole, sequence, older = Sequence(), Sequence(), dict[int, Gap]()
    for number, time in coming:
        expected = take(whole, number, f"n{number}", time)
        answer = take(sequence, number, f"n{number}", time)
        below = [begin for begin in older if begin <= number]
        if isinstance(answer, Repeated) and sequence.older and below:
            answer = take_older(sequence, older[max(below)], number, time) or answer
        if isinstance(expected, Repeated) or isinstance(answer, Repeated):
            assert expected == answer
            continue
        assert (expected.opened, expected.closed) == (answer.opened, answer.closed)
        whole, (sequence, put) = expected.sequence, put_away(answer.sequence)
        assert whole.latest == sequence.latest
        older |= {one.begin: one for one in (*put, *([answer.older] if answer.older else []))}
        older = {begin: one for begin, one in older.items() if one.missing}
        assert len(sequence.gaps) <= GAPS_MAX
        kept = [*older.values(), *sequence.gaps]
        assert sorted(whole.gaps, key=lambda one: one.revealed) == sorted(kept, key=lambda one: one.revealed)
