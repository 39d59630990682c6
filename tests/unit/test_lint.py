"""Lint: each slip is told with value, rule and place, its near miss is not, and the shipped packs have none."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
import packs
from circulation.credit.settings import Settings
from circulation.examples import Json, entry
from circulation.examples import pack as pack_of
from circulation.lint.lint import REMARKS_MAX, lint
from circulation.lint.remarks import KINDS
from circulation.packs.entry import Entry, Match
from circulation.packs.yaml import lines_of, load_yaml, read_yaml
from circulation.rules import parameters


def said(data: object) -> list[tuple[str, str, str, str]]:
    return [tuple(one) for one in lint(data, detectors.RULES).remarks]  # type: ignore[misc]


def kinds(data: object) -> list[tuple[str, str, str]]:
    return [(level, kind, path) for level, kind, path, _ in said(data)]


def with_entry(**members: Any) -> Json:
    return pack_of(entry("E", **members))


def with_detectors(**settings: Json) -> Json:
    return pack_of(detectors={name.replace("_", "-"): setting for name, setting in settings.items()})


def test_of_a_good_pack_there_is_nothing_to_say() -> None:
    assert [] == said(with_entry())


ENTRY = "$.negative_list[0]"
SLIPS: list[tuple[str, Json, tuple[str, str, str], str]] = [
    (
        "a member that does not exist",
        pack_of(negative_lists=[]),
        ("error", "unknown", "$.negative_lists"),
        "is not known; did you mean negative_list?",
    ),
    (
        "a condition that does not exist",
        with_entry(match={"tags": ["a"], "levels": ["core"]}),
        ("error", "unknown", f"{ENTRY}.match.levels"),
        "is not known; did you mean level?",
    ),
    (
        "a parameter that does not exist",
        with_detectors(paper_trade={"day": 30}),
        ("error", "unknown", "$.detectors.paper-trade.day"),
        "is not known; did you mean days?",
    ),
    (
        "a detector that does not exist",
        with_detectors(usage_limits={}),
        ("error", "unknown", "$.detectors.usage-limits"),
        "there is no such detector; did you mean usage-limit?",
    ),
    (
        "no legal basis",
        with_entry(legal_basis=None),
        ("error", "missing", f"{ENTRY}.legal_basis"),
        "is required",
    ),
    (
        "one id twice at a time",
        pack_of(entry("E", valid_to="2024-01-01T00:00:00.000001+08:00"), entry("E", valid_from="2024-01-01")),
        ("error", "overlap", "$.negative_list[1].id"),
        "'E' is already the id of negative_list[0], and their validity overlaps",
    ),
    (
        "an empty list",
        with_entry(match={"tags": []}),
        ("error", "never-matches", f"{ENTRY}.match.tags"),
        "is empty, so nothing can fit it",
    ),
    (
        "a validity of nothing",
        with_entry(valid_to="2020-01-01"),
        ("error", "never-valid", f"{ENTRY}.valid_to"),
        "must be after valid_from, got '2020-01-01'",
    ),
    (
        "an entry that is over when its pack begins",
        pack_of(entry("E", valid_from="2019-01-01", valid_to="2020-01-01")),
        ("error", "never-valid", f"{ENTRY}.valid_to"),
        "E ends at 2020-01-01T00:00:00+08:00, before its pack begins at 2020-01-01T00:00:00+08:00",
    ),
    (
        "an entry that begins when its pack is over",
        pack_of(entry("E", valid_from="2021-01-01"), valid_to="2021-01-01"),
        ("error", "never-valid", f"{ENTRY}.valid_from"),
        "E begins at 2021-01-01T00:00:00+08:00, when its pack has ended at 2021-01-01T00:00:00+08:00",
    ),
    (
        "grants that satisfy a prohibition",
        with_entry(unless=["consent"]),
        ("error", "no-effect", f"{ENTRY}.unless"),
        "has no effect on a prohibit",
    ),
    (
        "a level that no asset has",
        with_entry(match={"level": ["ungraded"]}),
        ("error", "never-matches", f"{ENTRY}.match.level"),
        "E asks for ungraded alone, which is unknown and never a match",
    ),
    (
        "a level that no asset has, among others",
        with_entry(match={"level": ["ungraded", "core"]}),
        ("warning", "no-effect", f"{ENTRY}.match.level"),
        "E names ungraded, which is unknown and never a match",
    ),
    (
        "persons in what is about none",
        with_entry(match={"personal": ["none"], "persons_min": 1}),
        ("error", "never-matches", f"{ENTRY}.match.persons_min"),
        "E asks for 1 persons in assets that are about none",
    ),
    (
        "any number of persons",
        with_entry(match={"tags": ["a"], "persons_min": 0}),
        ("warning", "no-effect", f"{ENTRY}.match.persons_min"),
        "E persons_min is 0, which any number reaches: it only asks for the number to be known",
    ),
    (
        "every class",
        with_entry(match={"tags": ["a"], "personal": ["none", "personal", "sensitive", "minor"]}),
        ("warning", "no-effect", f"{ENTRY}.match.personal"),
        "E names every personal there is",
    ),
    (
        "every level",
        with_entry(match={"tags": ["a"], "level": ["general", "important", "core"]}),
        ("warning", "no-effect", f"{ENTRY}.match.level"),
        "E names every level there is",
    ),
    (
        "no condition",
        with_entry(match={}),
        ("warning", "everything", f"{ENTRY}.match"),
        "E asks nothing and matches every asset",
    ),
    (
        "a glob for everything",
        with_entry(match={"tags": ["a"], "fields": ["**", "b"]}),
        ("warning", "everything", f"{ENTRY}.match.fields"),
        "E has a glob that fits every field",
    ),
    (
        "an industry that there is not",
        with_entry(match={"tags": ["a"], "industry": "I66"}),
        ("warning", "never-matches", f"{ENTRY}.match.industry"),
        "E asks for industry I66, of which GB/T 4754-2017 has no division",
    ),
    (
        "law from memory",
        with_entry(legal_basis=["Act 1", "Act 2"], provenance=["L", "M"]),
        ("warning", "to-verify", f"{ENTRY}.provenance"),
        "E rests on Act 2 from memory: to be verified",
    ),
    (
        "a mark that there is not",
        with_entry(provenance="X"),
        ("error", "invalid", f"{ENTRY}.provenance"),
        "must be marks of L, S, M, P, got 'X'",
    ),
    (
        "two entries that say one thing",
        pack_of(entry("E"), entry("F", match={"tags": ["E"]}, title="Another")),
        ("warning", "no-effect", "$.negative_list[1]"),
        "F says what E says already, at the same time",
    ),
    (
        "one approver",
        pack_of(approved_by=["one", "one"]),
        ("warning", "approvers", "$.approved_by"),
        "cannot be published: must name two distinct approvers, for the pack enforces every detector",
    ),
    (
        "parameters of what is off",
        with_detectors(paper_trade={"mode": "off", "days": 30}),
        ("warning", "no-effect", "$.detectors.paper-trade"),
        "is off, so that days has no effect",
    ),
    (
        "entries of a list that is off",
        pack_of(entry("E"), detectors={"negative-list": {"mode": "off"}}),
        ("warning", "no-effect", "$.detectors.negative-list"),
        "is off, so that 1 entry of negative_list has no effect",
    ),
    (
        "a sandbox for what is in shadow",
        pack_of(sandbox=["quality"], detectors={"quality": {"mode": "shadow"}}),
        ("warning", "no-effect", "$.sandbox"),
        "names quality, which is shadow already and cannot be downgraded",
    ),
    (
        "a sandbox without its detector",
        pack_of(sandbox=["quality"], detectors={"sandbox-cap": {"mode": "off"}}),
        ("warning", "no-effect", "$.sandbox"),
        "names detectors, but sandbox-cap is off",
    ),
    (
        "a sandbox for a tally",
        pack_of(sandbox=["usage-limit"]),
        ("warning", "no-effect", "$.sandbox"),
        "names usage-limit, which no sandbox holds back",
    ),
    (
        "warnings out of order",
        with_detectors(usage_limit={"warning_percent": 95}),
        ("error", "order", "$.detectors.usage-limit.warning_percent"),
        "must be below late_warning_percent, which is 95, got 95",
    ),
    (
        "a late warning behind the violation",
        with_detectors(usage_limit={"late_warning_percent": 100}),
        ("error", "order", "$.detectors.usage-limit.late_warning_percent"),
        "must be below 100, got 100",
    ),
    (
        "red before the violation",
        with_detectors(usage_limit={"red_percent": 100}),
        ("error", "order", "$.detectors.usage-limit.red_percent"),
        "must be above 100, got 100",
    ),
    (
        "hours out of order",
        with_detectors(incident_late={"state_hours": 5}),
        ("error", "order", "$.detectors.incident-late.state_hours"),
        "must be below other_hours, which is 4, or equal, got 5",
    ),
    (
        "one number of the law with two values",
        with_detectors(
            export_assessment_missing={"persons": 900_000}, export_splitting={"assessment_persons": 900_000}
        ),
        ("warning", "order", "$.detectors.export-contract-missing.assessment_persons"),
        "is 1000000, where export-assessment-missing.persons is 900000: it is one number of the law",
    ),
    (
        "less than nothing",
        with_detectors(paper_trade={"days": -1}),
        ("error", "out-of-range", "$.detectors.paper-trade.days"),
        "must not be negative, got -1",
    ),
    (
        "nothing",
        with_detectors(paper_trade={"days": 0}),
        ("warning", "out-of-range", "$.detectors.paper-trade.days"),
        "is 0 where 30 is usual: everything reaches it, or nothing does",
    ),
    (
        "more than the rule looks at",
        with_detectors(ring_trade={"days": 61}),
        ("error", "out-of-range", "$.detectors.ring-trade.days"),
        "must be at most 60, got 61",
    ),
    (
        "a share of more than all",
        with_detectors(exclusive_dealing={"share": "3/2"}),
        ("error", "out-of-range", "$.detectors.exclusive-dealing.share"),
        "must be a share from above 0 to 1, got 3/2",
    ),
    (
        "a share that is none",
        with_detectors(exclusive_dealing={"share": "half"}),
        ("error", "invalid", "$.detectors.exclusive-dealing.share"),
        "must be a fraction such as 1/2, got 'half'",
    ),
    (
        "shares that fall",
        with_detectors(dominance={"shares": ["1/2", "3/4", "2/3"]}),
        ("error", "order", "$.detectors.dominance.shares"),
        "must rise, got 1/2, 3/4, 2/3",
    ),
    (
        "a way of delivery that there is not",
        with_detectors(raw_public_data={"modes": ["file", "apis"]}),
        ("error", "invalid", "$.detectors.raw-public-data.modes"),
        "must be of file, api, model, report, verification, sandbox, private-computing, encrypted, got 'apis';"
        " did you mean api?",
    ),
    (
        "nothing to hold against",
        with_detectors(raw_public_data={"modes": []}),
        ("warning", "no-effect", "$.detectors.raw-public-data.modes"),
        "is empty, so that nothing is held against it; usual is file, api",
    ),
    (
        "a holiday on a Sunday",
        with_detectors(credit_clock={"holidays": ["2026-02-15"]}),
        ("warning", "no-effect", "$.detectors.credit-clock.holidays"),
        "2026-02-15 is a Sunday on which nobody works anyway",
    ),
    (
        "work on a Monday",
        with_detectors(credit_clock={"workdays": ["2026-02-16"]}),
        ("warning", "no-effect", "$.detectors.credit-clock.workdays"),
        "2026-02-16 is a Monday that is worked anyway",
    ),
    (
        "a day that there is not",
        with_detectors(credit_clock={"holidays": ["2026-02-30"]}),
        ("error", "invalid", "$.detectors.credit-clock.holidays"),
        "must be dates, got '2026-02-30'",
    ),
    (
        "a repair after the record has ended",
        pack_of(credit={"repairable_months": {"minor": 3, "general": 4}, "public_months": {"minor": 2}}),
        ("error", "order", "$.credit.repairable_months.minor"),
        "is 3, but a record is public for 2 months only: it could never be repaired",
    ),
    (
        "points that fall",
        pack_of(credit={"points": {"minor": 16}}),
        ("error", "order", "$.credit.points"),
        "must rise from minor to general to serious, got minor 16, general 15, serious 40",
    ),
    (
        "points of findings that rise",
        pack_of(credit={"finding_points": {"blue": 2}}),
        ("error", "order", "$.credit.finding_points"),
        "must fall from red to orange to yellow to blue, got red 10, orange 4, yellow 1, blue 2",
    ),
    (
        "a sector of nobody",
        pack_of(sectors={"I": []}),
        ("warning", "no-effect", "$.sectors.I"),
        "I names nobody, so that nobody is told",
    ),
    (
        "a sector that there is not",
        pack_of(sectors={"A06": ["office"]}),
        ("warning", "never-matches", "$.sectors.A06"),
        "GB/T 4754-2017 has no division A06",
    ),
    (
        "a sector that says what a shorter one says",
        pack_of(sectors={"I": ["office"], "I65": ["office"]}),
        ("warning", "no-effect", "$.sectors.I65"),
        "I65 tells office, whom the shorter prefix tells already",
    ),
]


@pytest.mark.parametrize(("data", "place", "text"), [pytest.param(*one[1:], id=one[0]) for one in SLIPS])
def test_a_slip_is_told_with_its_place_and_nothing_else_is(data: Json, place: tuple[str, str, str], text: str) -> None:
    assert [(*place, text)] == said(data)


def apart() -> Json:
    return pack_of(entry("E", valid_to="2024-01-01"), entry("E", match={"tags": ["F"]}, valid_from="2024-01-01"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(apart(), id="one id in turn"),
        pytest.param(with_entry(valid_to="2020-01-01T00:00:00.000001+08:00"), id="the shortest validity"),
        pytest.param(with_entry(match={"personal": ["none", "personal"], "persons_min": 1}), id="persons of some"),
        pytest.param(with_entry(match={"industry": "I6"}), id="divisions that begin with 6"),
        pytest.param(with_entry(match={"industry": "I6599"}), id="a group of a division"),
        pytest.param(with_entry(provenance="L"), id="seen in the statute"),
        pytest.param(pack_of(entry("E"), entry("F", match={"tags": ["E"]}, actions=["list"])), id="other actions"),
        pytest.param(with_detectors(paper_trade={"mode": "off"}), id="off without parameters"),
        pytest.param(
            with_detectors(usage_limit={"warning_percent": 94, "late_warning_percent": 99, "red_percent": 101}),
            id="warnings in the closest order",
        ),
        pytest.param(with_detectors(incident_late={"state_hours": 4}), id="equal hours"),
        pytest.param(with_detectors(ring_trade={"days": 60}), id="as far as the rule looks"),
        pytest.param(with_detectors(credit_clock={"holidays": ["2026-02-16"], "workdays": ["2026-02-14"]}), id="days"),
        pytest.param(pack_of(credit={"repairable_months": {"general": 12}}), id="a repair on the last day"),
        pytest.param(pack_of(sectors={"I": ["office"], "I65": ["bureau"]}), id="sectors apart"),
    ],
)
def test_a_near_miss_is_not_told(data: Json) -> None:
    assert [] == said(data)


def test_all_slips_of_a_pack_are_told_at_once() -> None:
    data = pack_of(entry("E", unless=["consent"], match={"level": ["ungraded"], "tag": ["x"]}), approved_by=["one"])
    assert [
        ("error", "no-effect", f"{ENTRY}.unless"),
        ("error", "unknown", f"{ENTRY}.match.tag"),
        ("warning", "approvers", "$.approved_by"),
        ("error", "never-matches", f"{ENTRY}.match.level"),
    ] == kinds(data)


def test_what_can_never_be_a_pack_is_told_as_such() -> None:
    assert [("error", "invalid", "$", "Expected `object`, got `array`")] == said([])
    found = lint(pack_of(version=1), detectors.RULES)
    assert None is found.pack
    assert ["Expected `str`, got `int`; write it in quotes"] == [one.text for one in found.errors]


def test_the_list_of_remarks_ends_somewhere() -> None:
    found = said(pack_of(*(entry(f"E{at}", match={}) for at in range(1_500))))
    assert REMARKS_MAX + 1 == len(found)
    assert "and 1999 more" == found[-1][3]


@pytest.mark.parametrize("name", packs.NAMES)
def test_of_a_shipped_pack_there_is_only_law_to_be_verified(name: str) -> None:
    data = load_yaml(packs.shipped(name))
    memory = [at for at, one in enumerate(data["negative_list"]) if "M" in one["provenance"]]
    assert [("warning", "to-verify", f"$.negative_list[{at}].provenance") for at in memory] == kinds(data)
    assert all("provenance" in one for one in data["negative_list"])


@pytest.mark.parametrize("id_", detectors.RULES)
def test_a_parameter_is_held_only_against_what_there_is(id_: str) -> None:
    there = {
        f"{rule.id}.{name}": one.default for rule in detectors.RULES.values() for name, one in rule.parameters.items()
    }
    for name, one in detectors.RULES[id_].parameters.items():
        place = f"{detectors.file_of(id_)}: parameters: {name}"
        beside = [f"{id_}.{other}" for other in (one.below, one.at_most) if isinstance(other, str)]
        for other in [*beside, *([] if one.alike is None else [one.alike])]:
            assert other in there, f"{place}: there is no {other}"
            assert type(there[other]) is type(one.default), f"{place}: {other} is of another type"
        assert one.alike is None or there[one.alike] == one.default, f"{place}: {one.alike} has another default"


def test_the_defaults_of_all_rules_are_in_order() -> None:
    named = {id_: dict(some) for id_, some in parameters(detectors.RULES).items()}
    assert [] == said(pack_of(entry("E"), detectors=named))


@pytest.mark.parametrize("read", [load_yaml, orjson.loads])
def test_the_line_of_a_place_is_where_it_begins(read: Callable[[bytes], object]) -> None:
    raw = b"""{
"a": {"b": [1,
   {"c": 2,
    "d e": []}]},
"f": [[1],
 [2,
  3]]
}"""
    assert read(raw)
    assert {
        "$": 1,
        "$.a": 2,
        "$.a.b": 2,
        "$.a.b[0]": 2,
        "$.a.b[1]": 3,
        "$.a.b[1].c": 3,
        "$.a.b[1].d e": 4,
        "$.a.b[1].missing": 3,
        "$.a.b[7].missing": 2,
        "$.f[1][1]": 7,
        "$.none": 1,
    } == lines_of(
        read_yaml(raw, lined=True),
        [
            *("$", "$.a", "$.a.b", "$.a.b[0]", "$.a.b[1]", "$.a.b[1].c", "$.a.b[1].d e", "$.a.b[1].missing"),
            *("$.a.b[7].missing", "$.f[1][1]", "$.none"),
        ],
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PARAMETERS = [("detectors", id_, name) for id_, rule in detectors.RULES.items() for name in rule.parameters]
MEMBERS = [("negative_list", 0, name) for name in Entry.__struct_fields__]
MEMBERS += [("negative_list", 0, "match", name) for name in Match.__struct_fields__]
CREDIT = [("credit", name) for name in Settings.__struct_fields__]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([*PARAMETERS, *MEMBERS, *CREDIT, ("sectors", "J"), ("sandbox",)]), VALUES)
def test_of_any_value_at_any_place_there_is_something_to_say_or_nothing(place: Any, value: Any) -> None:
    data: Any = pack_of(entry("E"), detectors={id_: {} for id_ in detectors.RULES}, credit={}, sectors={})
    holder = data
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    for one in lint(data, detectors.RULES).remarks:
        assert one.path.startswith("$")
        assert one.text
        assert one.kind in KINDS


def test_each_kind_of_remark_has_its_example() -> None:
    assert set(KINDS) == {kind for _, _, (_, kind, _), _ in SLIPS}
