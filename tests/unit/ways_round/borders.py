"""Ways round the rules on borders and on proof that something was delivered: each was open once."""

from collections.abc import Sequence

import pytest

from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    entry,
    event,
    exported,
    granted,
    pack,
    party,
    retracted,
    signed,
    used,
)
from streams.offline import replay


def found(detector: str, events: Sequence[Json], until: str | None = None, rules: Json | None = None) -> list[Json]:
    """What stands of one detector at the end."""
    standing = replay.findings_of(list(events), pack=rules or pack(), until=until)
    return sorted((one for one in standing if one["detector"] == detector), key=lambda one: str(one["evidence"]))


def test_a_warning_of_one_measure_does_not_hide_that_of_the_other() -> None:
    both = exported(SELLER, "2025-03-01", persons=800_000, sensitive_persons=9_500)
    said = [(one["severity"], one["evidence"]["measure"]) for one in found("export-assessment-missing", [both])]
    assert [("blue", "persons"), ("yellow", "sensitive_persons")] == sorted(said)


def test_red_by_one_measure_does_not_hide_the_warning_of_the_other() -> None:
    both = exported(SELLER, "2025-03-01", persons=8_000, sensitive_persons=10_000)
    more = exported(SELLER, "2025-03-02", persons=942_000)
    said = [(one["severity"], one["evidence"]["measure"]) for one in found("export-assessment-missing", [both, more])]
    assert [("red", "sensitive_persons"), ("yellow", "persons")] == sorted(said)


def test_a_measure_that_is_full_does_not_warn_beside_red_by_the_other() -> None:
    first = exported(SELLER, "2025-03-01", sensitive_persons=10_000)
    jump = exported(SELLER, "2025-03-02", persons=1_000_000)
    said = [(one["severity"], one["evidence"]["measure"]) for one in found("export-assessment-missing", [first, jump])]
    assert [("red", "sensitive_persons")] == said


UNGRADED = asset("a", "2025-02-01", level="ungraded")
WITHDRAWN = event("asset.withdrawn", "a", "2025-02-10", reason="no longer offered")


def test_an_asset_that_was_withdrawn_is_not_asked_for_a_grade() -> None:
    assert [] == found("grading-overdue", [UNGRADED, WITHDRAWN], until="2025-06-01")


def test_a_withdrawal_that_arrives_after_the_deadline_clears_what_stands() -> None:
    late = [UNGRADED, asset("other", "2025-05-01"), WITHDRAWN]
    assert [] == found("grading-overdue", late, until="2025-06-01")


def test_a_withdrawal_does_not_excuse_an_asset_that_is_registered_again() -> None:
    again = asset("a", "2025-02-11", level="ungraded")
    (one,) = found("grading-overdue", [UNGRADED, WITHDRAWN, again], until="2025-06-01")
    assert "2025-03-03T00:00:00+08:00" == one["occurred"]


PAID = [
    signed("c", "2025-01-01"),
    event("settlement.paid", "c", "2025-02-01", settlement="s", payer=BUYER, payee=SELLER, amount="1000"),
]


def cancelled(time: str, usage: str, uses: int) -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses)


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param([delivered("c", "2025-02-02", bytes=0, rows=0)], id="an empty delivery"),
        pytest.param([used("c", "2025-02-02", 0)], id="a use of 0"),
        pytest.param([used("c", "2025-02-02", 9, id="u"), cancelled("2025-02-03", "u", 9)], id="cancelled uses"),
    ],
)
def test_what_delivers_nothing_serves_nobody(nothing: list[Json]) -> None:
    assert 1 == len(found("paper-trade", [*PAID, *nothing], until="2025-06-01"))


def test_uses_that_are_cancelled_before_they_are_paid_serve_nobody() -> None:
    early = [used("c", "2025-01-15", 9, id="u"), cancelled("2025-01-16", "u", 9)]
    assert 1 == len(found("paper-trade", [PAID[0], *early, PAID[1]], until="2025-06-01"))


def test_uses_cancelled_bit_by_bit_on_a_day_that_is_no_longer_open_serve_nobody() -> None:
    later = [used("c", f"2025-04-{day:02}", id=f"later{day}") for day in range(1, 6)]
    back = [cancelled("2025-04-06", "u", 1), cancelled("2025-04-07", "u", 1)]
    events = [*PAID, used("c", "2025-02-02", 2, id="u"), *later]
    assert [] == found("paper-trade", [*events, back[0]], until="2025-06-01")
    assert 1 == len(found("paper-trade", [*events, *back], until="2025-06-01"))
    again = used("c", "2025-02-02T08:00", 1, id="again")
    assert [] == found("paper-trade", [*events, *back, again], until="2025-06-01")


def sent(time: str, persons: int, contract: str = "c", **data: object) -> Json:
    """A delivery abroad that may be an export in other words."""
    given = {"delivery": f"d-{time}", "country": "DE", "recipient": ABROAD, "persons": persons}
    return delivered(contract, time, **given | data)


LATE = {"until": "2025-06-01"}
MILLION = [signed("c", "2025-01-01"), sent("2025-03-01", 600_000), sent("2025-03-02", 400_000, id="full")]


def test_exports_that_are_called_deliveries_count_in_the_sum_of_the_year() -> None:
    (red,) = found("export-assessment-missing", MILLION, **LATE)
    assert ("red", 1_000_000, "full") == (red["severity"], red["evidence"]["sum"], red["cause"]["id"])
    assert "2025-03-02T00:00:00+08:00" == red["occurred"]
    assert 2 == len(found("undeclared-export", MILLION, **LATE))


def test_a_delivery_abroad_counts_only_once_its_time_to_be_declared_is_past() -> None:
    assert [] == found("export-contract-missing", MILLION, until="2025-03-04T00:00:00+08:00")
    (first,) = found("export-contract-missing", MILLION, until="2025-03-05T00:00:00+08:00")
    assert 600_000 == first["evidence"]["persons"]
    assert [] == found("export-assessment-missing", MILLION, until="2025-03-05T00:00:00+08:00")
    assert 1 == len(found("export-assessment-missing", MILLION, until="2025-03-05T00:00:00.000001+08:00"))


def test_what_is_declared_after_all_counts_once() -> None:
    late = [*MILLION, signed("other", "2025-04-01")]
    declared = exported(SELLER, "2025-03-03", persons=400_000, delivery="d-2025-03-02", id="declared")
    (red,) = found("export-assessment-missing", [*late, declared], **LATE)
    assert (1_000_000, "declared") == (red["evidence"]["sum"], red["cause"]["id"])
    taken_back = [*late, declared, retracted(declared, "2025-03-04")]
    (red,) = found("export-assessment-missing", taken_back, **LATE)
    assert "full" == red["cause"]["id"]


def test_deliveries_and_exports_add_up_in_the_order_of_their_time() -> None:
    """The delivery comes to light only after the exports behind it, which reach the bands by it."""
    events = [signed("c", "2025-01-01"), sent("2025-03-01", 50_000), exported(SELLER, "2025-03-02", persons=50_000)]
    (one,) = found("export-contract-missing", events, **LATE)
    assert ("2025-03-02T00:00:00+08:00", 100_000) == (one["occurred"], one["evidence"]["persons"])


@pytest.mark.parametrize("mode", ["off", "shadow", "warn", "enforce"])
def test_what_is_found_in_any_mode_but_off_counts(mode: str) -> None:
    rules = pack(detectors={"undeclared-export": {"mode": mode}})
    assert (mode != "off") == bool(found("export-assessment-missing", MILLION, rules=rules, **LATE))


def test_a_group_cannot_divide_its_exports_by_calling_some_of_them_deliveries() -> None:
    group = [party(SELLER, controller=OWNER), party(BUYER, controller=OWNER)]
    events = [
        *group,
        signed("c", "2025-01-01"),
        sent("2025-03-01", 50_000),
        exported(BUYER, "2025-03-02", persons=50_000),
    ]
    (one,) = found("export-splitting", events, **LATE)
    assert (OWNER, 100_000) == (one["about"]["id"], one["evidence"]["persons"])


def test_an_assessment_covers_what_was_not_declared_as_it_covers_exports() -> None:
    assessed = granted(SELLER, "2025-02-01", "security-assessment", assets=["asset"], countries=["DE"])
    assert [] == found("export-assessment-missing", [assessed, *MILLION], **LATE)
    elsewhere = granted(SELLER, "2025-02-01", "security-assessment", countries=["FR"])
    assert 1 == len(found("export-assessment-missing", [elsewhere, *MILLION], **LATE))


def test_no_declaration_is_worn_out_by_a_delivery_that_it_does_not_cover() -> None:
    events = [
        signed("c", "2025-01-01"),
        sent("2025-03-01", 60),
        sent("2025-03-02", 50),
        sent("2025-03-02T01:00", 1),
        exported(SELLER, "2025-03-02", persons=50, contract="c"),
    ]
    left = [one["evidence"]["persons"] for one in found("undeclared-export", events, **LATE)]
    assert [1, 60] == sorted(left)


ABROAD_ONLY = pack(
    entry("kept", match={"assets": ["asset"]}, actions=["export"]), entry("both", match={"assets": ["asset"]})
)


def test_an_export_that_is_called_a_delivery_is_held_against_what_may_not_be_exported() -> None:
    events = [signed("c", "2025-01-01"), asset("asset", personal="personal", persons=1), sent("2025-03-01", 1, id="d")]
    said = [
        (one["evidence"]["action"], one["evidence"]["entry"])
        for one in found("negative-list", events, rules=ABROAD_ONLY, **LATE)
        if one.get("cause", {}).get("id") == "d"
    ]
    assert [("deliver", "both"), ("export", "kept")] == sorted(said)


def test_an_export_that_was_declared_is_held_against_the_list_by_itself() -> None:
    declared = exported(SELLER, "2025-03-02", persons=1, contract="c", asset="asset", id="e")
    events = [
        signed("c", "2025-01-01"),
        asset("asset", personal="personal", persons=1),
        sent("2025-03-01", 1),
        declared,
    ]
    causes = {
        one["cause"]["id"]
        for one in found("negative-list", events, rules=ABROAD_ONLY, **LATE)
        if one["evidence"]["action"] == "export"
    }
    assert {"e"} == causes


def test_of_a_delivery_that_stays_in_the_country_no_export_is_asked() -> None:
    events = [
        signed("c", "2025-01-01"),
        asset("asset", personal="sensitive", persons=1),
        sent("2025-03-01", 1, country="CN"),
    ]
    assert [] == found("undeclared-export", events, **LATE)
    assert [] == [
        one for one in found("negative-list", events, rules=ABROAD_ONLY, **LATE) if one["evidence"]["entry"] == "kept"
    ]


def test_an_objection_that_is_upheld_takes_a_delivery_out_of_the_sums() -> None:
    first = found("undeclared-export", MILLION, **LATE)[0]["finding"]
    filed = event("objection.filed", SELLER, "2025-07-01", objection="o", finding=first, grounds="declared on paper")
    decided = event("objection.decided", SELLER, "2025-07-02", objection="o", outcome="upheld", decided_by="office")
    assert 1 == len(found("export-assessment-missing", MILLION, until="2025-08-01"))
    assert [] == found("export-assessment-missing", [*MILLION, filed, decided], until="2025-08-01")


def test_the_declaration_of_another_seller_covers_nothing() -> None:
    other = exported(THIRD, "2025-03-02", persons=1_000_000, contract="c")
    assert 2 == len(found("undeclared-export", [*MILLION, other], **LATE))


READ_ABROAD = [signed("c", "2025-01-01"), asset("asset", personal="personal", persons=9)]


def test_data_that_is_read_from_abroad_is_told_of_though_nothing_was_delivered_there() -> None:
    (one,) = found("use-abroad", [*READ_ABROAD, used("c", "2025-03-01T10:00", country="DE")], **LATE)
    assert (BUYER, "2025-03-02T00:00:00+08:00") == (one["party"], one["occurred"])


def test_uses_abroad_are_found_in_the_midst_of_a_run_of_uses_at_home() -> None:
    run = [
        used("c", f"2025-03-01T10:00:{at:02}", country="DE" if at == 7 else "CN", sequence=at + 1, id=f"u{at}")
        for at in range(20)
    ]
    (one,) = found("use-abroad", [*READ_ABROAD, *run], **LATE)
    assert ("DE", 1) == (one["evidence"]["country"], one["evidence"]["uses"])
    assert [] == found("use-abroad", [*READ_ABROAD, *run, cancelled("2025-03-02", "u7", 1)], **LATE)


def test_an_asset_that_becomes_personal_is_told_of_at_its_next_use_abroad() -> None:
    events = [
        signed("c", "2025-01-01"),
        asset("asset"),
        used("c", "2025-03-01", country="DE"),
        event("asset.graded", "asset", "2025-03-05", level="general", personal="sensitive", reason="review"),
        used("c", "2025-03-07", country="DE", id="later"),
    ]
    (one,) = found("use-abroad", events, **LATE)
    assert "2025-03-08T00:00:00+08:00" == one["occurred"]


ENDED = event("contract.terminated", "c", "2025-03-01", reason="breach")


def test_a_termination_that_is_reported_late_does_not_hide_what_was_used_since() -> None:
    uses = [used("c", "2025-02-27", 7), used("c", "2025-03-02", 2), used("c", "2025-03-09", 3)]
    (one,) = found("use-after-end", [signed("c", "2025-01-01"), *uses, ENDED])
    assert ENDED["id"] == one["cause"]["id"]
    assert ({"2025-03-02": 2, "2025-03-09": 3}, 5) == (one["evidence"]["days"], one["evidence"]["uses"])
    assert "2025-03-09T00:00:00+08:00" == one["evidence"]["last"]


def test_days_that_a_desk_no_longer_remembers_are_among_what_was_used_since() -> None:
    uses = [used("c", f"2025-03-{day:02}", day, sequence=day) for day in range(1, 21)]
    (one,) = found("use-after-end", [signed("c", "2025-01-01"), *uses, ENDED])
    assert sum(range(1, 21)) == one["evidence"]["uses"]
    assert {f"2025-03-{day:02}": day for day in range(1, 21)} == one["evidence"]["days"]


def test_a_second_termination_says_again_only_what_it_makes_late() -> None:
    uses = [used("c", "2025-02-15", 2), used("c", "2025-03-02", 3)]
    earlier = event("contract.terminated", "c", "2025-02-01", reason="fraud", id="earlier")
    later = event("contract.terminated", "c", "2025-03-02", reason="again", id="later")
    said = found("use-after-end", [signed("c", "2025-01-01"), *uses, ENDED, later, earlier])
    assert {ENDED["id"]: 3, "earlier": 5} == {one["cause"]["id"]: one["evidence"]["uses"] for one in said}
