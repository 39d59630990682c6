"""The year's sums of exports: bands against brute force, exact at any number."""

from hypothesis import given
from hypothesis import strategies as st
from world import said

from circulation.examples import SELLER, Json, exported, granted, pack, party
from detectors.export_assessment_missing import RULE

LIMITS = {"persons": 1_000_000, "sensitive_persons": 10_000}


def exports(counts: list[tuple[int, int]]) -> list[Json]:
    return [
        exported(
            SELLER, f"2025-03-01T00:{minute:02}:00", persons=persons, sensitive_persons=sensitive, id=f"{minute:02}"
        )
        for minute, (persons, sensitive) in enumerate(counts)
    ]


COUNTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 300_000), st.sampled_from([0, 1, 799_999, 949_999, 999_999])),
        st.one_of(st.integers(0, 3_000), st.sampled_from([0, 1, 7_999, 9_499, 9_999])),
    ),
    max_size=12,
)


@given(counts=COUNTS)
def test_any_exports_raise_each_band_once_at_the_export_that_first_reaches_it(counts: list[tuple[int, int]]) -> None:
    found = said(RULE, exports(counts), pack())
    assert len(found) == len({one.apart for one in found})
    assert len(found) == len({(one.cause, one.evidence["measure"]) for one in found})
    reds = [one for one in found if one.severity == "red"]
    first = None
    persons = sensitive = 0
    for at, (more, more_sensitive) in enumerate(counts):
        persons, sensitive = persons + more, sensitive + more_sensitive
        if first is None and (persons >= 1_000_000 or sensitive >= 10_000):
            first = f"{at:02}"
    assert ([] if first is None else [first]) == [one.cause.id for one in reds if one.cause]
    for one in found:
        evidence = one.evidence
        assert evidence["sum"] == evidence[evidence["measure"]]
        assert evidence["sum"] * 100 >= evidence["limit"] * evidence["band"]
        assert evidence["limit"] == LIMITS[evidence["measure"]]
        before = sum(each[list(LIMITS).index(evidence["measure"])] for each in counts[: int(one.cause.id)])  # type: ignore[union-attr]
        assert before * 100 < evidence["limit"] * evidence["band"]


@given(counts=COUNTS)
def test_while_an_assessment_covers_nothing_is_said(counts: list[tuple[int, int]]) -> None:
    assert [] == said(RULE, [granted(SELLER, "2025-01-01", "security-assessment"), *exports(counts)], pack())


def test_sums_stay_exact_beyond_what_a_float_can_tell() -> None:
    limit = 2**53 - 1
    at = (limit * 80 + 99) // 100
    data = pack(detectors={"export-assessment-missing": {"persons": limit}})
    assert [] == said(RULE, exports([(at - 1, 0)]), data)
    (one,) = said(RULE, exports([(at - 1, 0), (1, 0)]), data)
    assert ("blue", at) == (one.severity, one.evidence["sum"])


def test_a_full_band_of_the_second_measure_is_neither_red_again_nor_a_warning() -> None:
    found = said(RULE, exports([(1_000_000, 0), (0, 10_000)]), pack())
    assert ["red"] == [one.severity for one in found]


def test_the_summary_has_the_numbers() -> None:
    (one,) = said(RULE, exports([(0, 9_500)]), pack())
    assert (
        "With 9,500 persons with sensitive data in 2025, the exporter reaches 95 % of the limit of 10,000, "
        "and no security assessment covers the export."
    ) == one.summary


def test_facts_of_the_party_are_those_of_the_export_s_time() -> None:
    stated = [
        party(SELLER, "2025-01-01", employees=10),
        party(SELLER, "2025-04-01", employees=2_000_000),
        exported(SELLER, "2025-03-01", persons=1_000_000, exemption="hr"),
        exported(SELLER, "2025-05-01", persons=1_000_000, exemption="hr"),
    ]
    (one,) = said(RULE, stated, pack())
    assert 1_000_000 == one.evidence["sum"]
