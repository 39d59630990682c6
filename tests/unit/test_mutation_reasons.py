"""A reason why a change of a rule changes nothing names a change that there is (`make mutation`)."""

from collections import Counter

import pytest

import detectors
from tests.mutation import EQUAL, comparisons

# Of numbers of parameters the tool itself says where a reason is needless.
OF_NUMBERS = " made "


@pytest.mark.parametrize("id_", EQUAL)
def test_a_reason_names_a_comparison_of_its_rule(id_: str) -> None:
    counts: Counter[str] = Counter()
    names = set()
    for comparison in comparisons(id_):
        counts[comparison.name] += 1
        count = counts[comparison.name]
        names.add(comparison.name if count == 1 else f"{comparison.name} ({count})")
    assert [] == [name for name in EQUAL[id_] if OF_NUMBERS not in name and name not in names]


def test_each_room_of_a_rule_is_changed_and_none_of_its_examples() -> None:
    rooms = {comparison.room for comparison in comparisons("usage-limit")}
    assert {f"detectors.usage_limit.{name}" for name in ("bands", "contract", "group")} == rooms
    assert {"detectors.paper_trade"} == {comparison.room for comparison in comparisons("paper-trade")}
    assert set(EQUAL) <= set(detectors.RULES)
