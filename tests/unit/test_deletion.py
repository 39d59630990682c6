"""Proof of deletion: the deadline is exact, and what comes after it changes nothing of what was said."""

from hypothesis import given
from hypothesis import strategies as st
from world import said

from circulation.calendar import days, format_instant, parse_instant
from circulation.examples import BUYER, Json, event, pack, signed, terminated, terms
from detectors.deletion_overdue import RULE

END = parse_instant("2025-03-01")


def contract(within_days: int) -> Json:
    return signed("c", "2025-01-01", terms=terms(valid_to="2025-03-01", delete_within_days=within_days))


def proof(instant: int) -> Json:
    return event("deletion.proved", "c", format_instant(instant), evidence="document")


@given(within_days=st.integers(0, 400), late=st.integers(-3, 3))
def test_a_proof_of_any_instant_up_to_the_deadline_fulfils(within_days: int, late: int) -> None:
    deadline = END + days(within_days)
    found = said(RULE, [contract(within_days), proof(deadline + late)], pack())
    assert (late > 0) == bool(found)
    for one in found:
        assert (deadline, deadline, None, BUYER) == (one.due, one.occurred, one.cause, one.party)


def test_a_late_proof_changes_nothing_of_what_is_said() -> None:
    overdue = said(RULE, [contract(15)], pack())
    assert overdue == said(RULE, [contract(15), proof(END + days(15) + 1)], pack())
    assert 1 == len(overdue)


def test_another_end_is_another_finding() -> None:
    (first,) = said(RULE, [contract(15)], pack())
    (second,) = said(RULE, [contract(15), terminated("c", "2025-02-01")], pack())
    assert (str(END),) == first.apart
    assert first.apart != second.apart


def test_the_summary_has_the_days_and_the_instants() -> None:
    (one,) = said(RULE, [contract(15)], pack())
    assert (
        "The contract ended at 2025-03-01T00:00:00+08:00, and no deletion was proved within 15 days, "
        "by 2025-03-16T00:00:00+08:00."
    ) == one.summary
