"""Packs: what is wrong with one, which is in force, and the three values of an entry."""

import fnmatch
from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
import packs
from circulation.calendar import format_instant, parse_instant
from circulation.packs import entries, matching, problems
from circulation.packs import yaml as pack_yaml
from circulation.packs.entry import ACTIONS, Entry, Match, Subject, Verdict
from circulation.packs.globs import globs_of
from circulation.packs.in_force import Packs, Published, Screening
from circulation.packs.matching import CompiledList, judge_entry
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import load_yaml
from circulation.rules import parameters
from tests.steps import steps

DAY = 24 * 3600 * 1_000_000


def entry_data(entry_id: str = "E-1", **changes: Any) -> dict[str, Any]:
    return {
        "id": entry_id,
        "title": "An entry",
        "disposition": "prohibit",
        "match": {"level": ["core"]},
        "actions": ["list", "trade"],
        "legal_basis": "Article 1",
        "valid_from": "2024-01-01",
        **changes,
    }


def pack_data(**changes: Any) -> dict[str, Any]:
    return {
        "pack": "beijing",
        "version": "1",
        "valid_from": "2024-01-01",
        "approved_by": ["office:a", "office:b"],
        "negative_list": [entry_data()],
        "detectors": {},
        "credit": {},
        "sectors": {},
        **changes,
    }


def pack_of(*entries: dict[str, Any], **changes: Any) -> Pack:
    return parse_pack(pack_data(negative_list=list(entries), **changes), published=True)


def problems_of(data: object, **options: Any) -> list[str]:
    with pytest.raises(PackInvalid) as caught:
        parse_pack(data, **{"published": True, **options})
    return caught.value.problems


def entry_of(**match: Any) -> Entry:
    return pack_of(entry_data(match=match)).negative_list[0]


def subject_of(**facts: Any) -> Subject:
    return Subject(
        **{
            "id": "asset-1",
            "registered": True,
            "owner": "p:owner",
            "category": "health",
            "industry": "Q8411",
            "level": "important",
            "personal": "sensitive",
            "fields": ("Patient_Name", "diagnosis"),
            "tags": ("a", "b"),
            "public": True,
            "persons": 1000,
            **facts,
        }
    )


def judged(entry: Entry, subject: Subject, *parties: str) -> tuple[str, set[str]]:
    verdict, missing = judge_entry(entry, subject, frozenset(parties))
    return verdict.value, set(missing)


# The three values of a match


@pytest.mark.parametrize(
    ("match", "facts", "expected"),
    [
        ({"category": ["x", "health"]}, {}, "match"),
        ({"category": ["x"]}, {}, "no"),
        ({"industry": "Q84"}, {}, "match"),
        ({"industry": "Q8411"}, {}, "match"),
        ({"industry": "Q8412"}, {}, "no"),
        ({"industry": "Q84"}, {"industry": "Q"}, "no"),
        ({"industry": "Q"}, {"industry": None}, "industry"),
        ({"level": ["core", "important"]}, {}, "match"),
        ({"level": ["core"]}, {}, "no"),
        ({"level": ["core"]}, {"level": "ungraded"}, "level"),
        ({"level": ["ungraded"]}, {"level": "ungraded"}, "level"),
        ({"personal": ["minor", "sensitive"]}, {}, "match"),
        ({"personal": ["minor"]}, {}, "no"),
        ({"fields": ["*DIAG*"]}, {}, "match"),
        ({"fields": ["patient?name"]}, {}, "match"),
        ({"fields": ["[xp]atient[_-]name"]}, {}, "match"),
        ({"fields": ["patient"]}, {}, "no"),
        ({"fields": ["diag"]}, {}, "no"),
        ({"fields": ["*"]}, {"fields": ()}, "no"),
        ({"fields": ["*"]}, {"fields": None}, "fields"),
        ({"tags": ["b", "c"]}, {}, "match"),
        ({"tags": ["c"]}, {}, "no"),
        ({"tags": ["c"]}, {"tags": ()}, "no"),
        ({"public": True}, {}, "match"),
        ({"public": False}, {}, "no"),
        ({"public": False}, {"public": False}, "match"),
        ({"persons_min": 1000}, {"persons": 999}, "no"),
        ({"persons_min": 1000}, {"persons": 1000}, "match"),
        ({"persons_min": 1000}, {"persons": 1001}, "match"),
        ({"persons_min": 0}, {"persons": 0}, "match"),
        ({"persons_min": 0}, {"persons": None}, "persons"),
        ({"assets": ["asset-1"]}, {}, "match"),
        ({"assets": ["asset-2"]}, {}, "no"),
        ({"parties": ["p:owner"]}, {}, "match"),
        ({"parties": ["p:buyer"]}, {}, "match"),
        ({"parties": ["p:other"]}, {}, "no"),
    ],
)
def test_a_member_of_a_match_is_false_unknown_or_true(match: Any, facts: Any, expected: str) -> None:
    answer = judged(entry_of(**match), subject_of(**facts), "p:seller", "p:buyer")
    assert answer == ((expected, set()) if expected in ("no", "match") else ("unknown", {expected}))


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"category": ["x"]}, {"category"}),
        ({"industry": "Q"}, {"industry"}),
        ({"level": ["core"]}, {"level"}),
        ({"personal": ["none"]}, {"personal"}),
        ({"fields": ["x"]}, {"fields"}),
        ({"tags": ["x"]}, {"tags"}),
        ({"public": False}, {"public"}),
        ({"persons_min": 0}, {"persons"}),
        ({"parties": ["p:other"]}, {"owner"}),
        ({"parties": ["p:buyer"]}, "match"),
        ({"assets": ["asset-1"]}, "match"),
        ({"assets": ["asset-2"]}, "no"),
        ({"assets": ["asset-2"], "level": ["core"]}, "no"),
        ({"assets": ["asset-1"], "level": ["core"], "tags": ["x"]}, {"level", "tags"}),
    ],
)
def test_of_an_asset_that_is_not_registered_only_its_id_and_the_parties_are_known(match: Any, expected: Any) -> None:
    answer = judged(entry_of(**match), Subject(id="asset-1", registered=False), "p:seller", "p:buyer")
    assert answer == ((expected, set()) if isinstance(expected, str) else ("unknown", expected))


def test_a_false_member_decides_whatever_else_is_unknown() -> None:
    entry = entry_of(level=["core"], fields=["x"], tags=["c"])
    assert judged(entry, subject_of(level="ungraded", fields=None)) == ("no", set())
    entry = entry_of(level=["core"], fields=["x"], tags=["a"])
    assert judged(entry, subject_of(level="ungraded", fields=None)) == ("unknown", {"level", "fields"})


def test_a_registered_asset_that_names_no_owner_has_no_unknown_owner() -> None:
    assert judged(entry_of(parties=["p:x"]), subject_of(owner=None), "p:y") == ("no", set())


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?[]!-^.&|~\\(", max_size=12).filter(bool), st.text("abAB-]^.[&|(\\", max_size=8))
def test_a_glob_means_what_fnmatch_means_by_it_in_lower_case(glob: str, field: str) -> None:
    expected = fnmatch.fnmatchcase(field.lower(), glob.lower())
    assert (judge_entry(entry_of(fields=[glob]), subject_of(fields=(field,)), ())[0] is Verdict.MATCH) == expected


def test_of_a_glob_of_many_stars_one_at_most_is_tried_at_more_than_one_place() -> None:
    entry = entry_of(fields=["*a" * 100 + "b"])
    assert judged(entry, subject_of(fields=("a" * 1000,) * 20)) == ("no", set())
    (tried,) = globs_of(entry.match.fields or frozenset())._expressions.values()
    # What an atomic group has taken it does not give back: without them each star would be tried with each other.
    assert (100, 99) == (tried.pattern.count(".*"), tried.pattern.count("(?>.*?"))


MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "category": st.lists(st.sampled_from(["health", "x"]), max_size=2),
        "industry": st.sampled_from(["Q", "Q84", "I"]),
        "level": st.lists(st.sampled_from(["general", "important", "core"]), max_size=2),
        "fields": st.lists(st.sampled_from(["*", "d*", "x"]), max_size=2),
        "tags": st.lists(st.sampled_from(["a", "x"]), max_size=2),
        "persons_min": st.integers(999, 1001),
        "assets": st.lists(st.sampled_from(["asset-1", "asset-2"]), max_size=2),
        "parties": st.lists(st.sampled_from(["p:owner", "p:buyer", "p:x"]), max_size=2),
    },
)
SUBJECTS = st.one_of(
    st.builds(Subject, id=st.just("asset-1"), registered=st.just(False)),
    st.builds(
        subject_of,
        industry=st.sampled_from([None, "Q8411"]),
        level=st.sampled_from(["ungraded", "general", "important"]),
        fields=st.sampled_from([None, (), ("diagnosis",)]),
        persons=st.sampled_from([None, 1000]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(MATCHES, SUBJECTS)
def test_a_match_of_many_members_is_the_conjunction_of_its_members(match: dict[str, Any], subject: Subject) -> None:
    parties = frozenset({"p:buyer"})
    each = [judge_entry(entry_of(**{name: value}), subject, parties) for name, value in match.items()]
    verdicts = {verdict for verdict, _ in each}
    if Verdict.NO in verdicts:
        expected = (Verdict.NO, frozenset())
    elif Verdict.UNKNOWN in verdicts:
        expected = (Verdict.UNKNOWN, frozenset().union(*(missing for _, missing in each)))
    else:
        expected = (Verdict.MATCH, frozenset())
    assert judge_entry(entry_of(**match), subject, parties) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(MATCHES, max_size=6), SUBJECTS)
def test_the_index_leaves_out_only_what_does_not_match(matches: list[dict[str, Any]], subject: Subject) -> None:
    pack = pack_of(*(entry_data(str(number), match=match) for number, match in enumerate(matches)))
    parties = frozenset({"p:buyer"})
    at = pack.valid_from
    candidates = pack.compiled.candidates(
        "list",
        at,
        [subject.id],
        parties if subject.owner is None else parties | {subject.owner},
        owner_unknown=not subject.registered,
    )
    answered = [one.id for one in pack.negative_list if judge_entry(one, subject, parties)[0] is not Verdict.NO]
    assert [one.id for one in candidates if judge_entry(one, subject, parties)[0] is not Verdict.NO] == answered


@settings(max_examples=300, deadline=None)
@given(st.lists(MATCHES, max_size=6), SUBJECTS)
def test_what_may_match_is_what_does_not_fail_where_only_the_owner_is_known(
    matches: list[dict[str, Any]], subject: Subject
) -> None:
    pack = pack_of(*(entry_data(str(number), match=match) for number, match in enumerate(matches)))
    others = [one for one in pack.negative_list if one.match.assets is None]
    expected = any(judge_entry(one, subject, ())[0] is not Verdict.NO for one in others)
    assert expected == pack.compiled.may_match(subject) == CompiledList(others).may_match(subject)


def test_an_asset_is_held_only_against_the_entries_that_name_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = pack_of(*(entry_data(f"e-{n}", match={"parties": [f"p:{n}"]}) for n in range(100))).compiled
    judged: list[str] = []

    def counted(entry: Entry, *rest: Any) -> Any:
        judged.append(entry.id)
        return judge_entry(entry, *rest)

    monkeypatch.setattr(matching, "judge_entry", counted)
    assert not compiled.may_match(Subject(id="a", registered=True, owner="p:none"))
    assert not compiled.may_match(Subject(id="a", registered=True))
    assert compiled.may_match(Subject(id="a", registered=True, owner="p:42"))
    assert compiled.may_match(Subject(id="a", registered=False))
    assert ["e-42", "e-0"] == judged


# The index


def test_candidates_are_of_the_action_and_in_force() -> None:
    pack = pack_of(
        entry_data("a", actions=["export"]),
        entry_data("b", valid_from="2024-01-02", valid_to="2024-01-04"),
        entry_data("c", match={"assets": ["x"]}),
        entry_data("d", match={"parties": ["p:x"]}),
    )
    start = parse_instant("2024-01-02")

    def found(action: str, at: int, *assets: str, parties: tuple[str, ...] = (), owner_unknown: bool = False) -> str:
        listed = pack.compiled.candidates(action, at, assets, parties, owner_unknown=owner_unknown)
        return "".join(one.id for one in listed)

    assert [found("list", at) for at in (start - 1, start, start + 1)] == ["", "b", "b"]
    end = start + 2 * DAY
    assert [found("list", at) for at in (end - 1, end, end + 1)] == ["b", "", ""]
    assert found("export", start) == "a"
    assert found("deliver", start, "x") == ""
    assert found("trade", start, "y", "x") == "bc"
    assert found("trade", start, "x", parties=("p:x", "p:y")) == "bcd"
    assert found("trade", start, owner_unknown=True) == "bd"


def naming_ids(count: int) -> tuple[Entry, ...]:
    entries = [entry_data(f"E-{n}", match={"assets": [f"a-{n}"]}) for n in range(count // 2)]
    entries += [entry_data(f"P-{n}", match={"parties": [f"p:{n}"]}) for n in range(count // 2)]
    return parse_pack(pack_data(negative_list=entries), published=True).negative_list


def test_entries_that_name_ids_compile_in_steps_that_grow_with_their_number() -> None:
    few, many = naming_ids(100), naming_ids(1_000)
    assert steps(lambda: CompiledList(many)) <= 10 * steps(lambda: CompiledList(few))


@pytest.mark.slow
def test_a_hundred_thousand_entries_that_name_ids_match_by_look_up() -> None:
    start = parse_instant("2024-01-01")

    def found(compiled: CompiledList, n: int) -> list[str]:
        listed = compiled.candidates("list", start, [f"a-{n}"], [f"p:{n}", "p:x"], owner_unknown=False)
        return [one.id for one in listed]

    few, many = CompiledList(naming_ids(100)), CompiledList(naming_ids(100_000))
    for n in (0, 17, 49):
        assert found(few, n) == found(many, n) == [f"E-{n}", f"P-{n}"]
        assert steps(lambda n=n: found(few, n)) == steps(lambda n=n: found(many, n))
    assert found(many, 49_999) == ["E-49999", "P-49999"]


def test_one_entry_may_name_a_hundred_thousand_ids() -> None:
    pack = pack_of(entry_data(match={"assets": [f"a-{n}" for n in range(100_000)]}))
    assert len(pack.compiled.candidates("list", pack.valid_from, ["a-99999"], [], owner_unknown=False)) == 1
    assert judged(pack.negative_list[0], Subject(id="a-99999", registered=False)) == ("match", set())


# What is wrong with a pack


def test_everything_that_is_wrong_is_told_at_once() -> None:
    data = {
        "version": 2026.1,
        "valid_from": "2024-01-01",
        "valid_to": "2023-01-01",
        "approved_by": ["office:a", 7],
        "negative_list": [
            entry_data(match={"level": ["top"], "industry": "65", "persons_min": -1, "parties": ["nobody"]}),
            entry_data(disposition="forbid", actions=["sell", "list"], unless=["permit"], sticky="yes"),
            7,
            {"id": "E-3", "match": []},
        ],
        "detectors": {"usage-limits": {}, "usage-limit": {"mode": "loud"}, "quality": []},
        "credit": [],
        "sectors": {"J": ["a", 1], "jj": []},
    }
    found = problems_of(data, known=parameters(detectors.RULES))
    paths = {problem.removeprefix("$.data").split(":")[0] for problem in found}
    assert paths == {
        ".pack",
        ".version",
        ".valid_to",
        ".approved_by[1]",
        ".approved_by",
        ".negative_list[0].match.level[0]",
        ".negative_list[0].match.industry",
        ".negative_list[0].match.persons_min",
        ".negative_list[0].match.parties[0]",
        ".negative_list[1].id",
        ".negative_list[1].disposition",
        ".negative_list[1].actions[0]",
        ".negative_list[1].unless[0]",
        ".negative_list[1].sticky",
        ".negative_list[2]",
        ".negative_list[3].title",
        ".negative_list[3].disposition",
        ".negative_list[3].match",
        ".negative_list[3].actions",
        ".negative_list[3].legal_basis",
        ".negative_list[3].valid_from",
        ".detectors.usage-limits",
        ".detectors.usage-limit.mode",
        ".detectors.quality",
        ".credit",
        ".sectors.J[1]",
        ".sectors.jj",
    }
    assert "$.data.version: Expected `str`, got `float`; write it in quotes" in found


@pytest.mark.parametrize("name", ["pack", "version", "valid_from"])
def test_a_pack_without_name_version_or_validity_is_invalid(name: str) -> None:
    data = pack_data()
    for absent in (None, ...):
        data[name] = absent
        if absent is ...:
            del data[name]
        assert problems_of(data) == [f"$.data.{name}: is required"]


@pytest.mark.parametrize("name", ["id", "title", "disposition", "match", "actions", "legal_basis", "valid_from"])
def test_an_entry_needs_its_members(name: str) -> None:
    entry = entry_data()
    del entry[name]
    assert problems_of(pack_data(negative_list=[entry])) == [f"$.data.negative_list[0].{name}: is required"]


@pytest.mark.parametrize("data", [None, [], "pack", 7, True, b"pack"])
def test_what_is_no_object_is_no_pack(data: object) -> None:
    assert len(problems_of(data)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["core", "list"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [
        *((name,) for name in pack_data()),
        *(("negative_list", 0, name) for name in (*entry_data(), "unless", "sticky", "valid_to")),
        *(("negative_list", 0, "match", name) for name in Match.__struct_fields__),
        ("detectors", "usage-limit"),
        ("detectors", "usage-limit", "mode"),
        ("detectors", "sandbox-cap", "sandbox"),
        ("sandbox",),
        ("sectors", "J"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(PLACES, JSON, st.booleans())
def test_any_value_at_any_place_makes_a_pack_or_a_list_of_problems(place: Any, value: Any, published: bool) -> None:
    data = pack_data(detectors={"usage-limit": {}, "sandbox-cap": {}})
    holder: Any = data
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    try:
        parse_pack(data, published=published, known=parameters(detectors.RULES))
    except PackInvalid as error:
        assert error.problems


def test_text_that_cannot_be_written_makes_no_pack() -> None:
    assert problems_of(pack_data(credit={"a": "\ud800"}))
    assert problems_of(pack_data(credit={"a": 2**70}))
    assert problems_of(pack_data(credit={"a": object()}))


def test_a_pack_that_is_too_deep_is_invalid() -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    assert parse_pack(pack_data(credit={"a": nested(60)}), published=True)
    assert problems_of(pack_data(credit={"a": nested(300)}))
    assert problems_of(pack_data(credit={"a": nested(100_000)}))


def test_the_list_of_problems_ends_somewhere() -> None:
    found = problems_of(pack_data(negative_list=[7] * 5_000))
    assert len(found) == problems.PROBLEMS_MAX + 1
    assert found[-1] == "$.data: 4,000 more problems"
    assert len(str(PackInvalid(found))) < 4_000


def test_an_id_given_twice_is_told_with_both_places() -> None:
    found = problems_of(pack_data(negative_list=[entry_data("x"), entry_data("y"), entry_data("x")]))
    assert found == [
        "$.data.negative_list[2].id: 'x' is already the id of negative_list[0], and their validity overlaps"
    ]


# Who approves


@pytest.mark.parametrize(
    ("detectors", "entries", "enforces"),
    [
        ({}, [], True),
        ({}, [entry_data()], True),
        ({"usage-limit": {}}, [], True),
        ({"usage-limit": {"mode": "enforce"}}, [], True),
        ({"usage-limit": {"mode": "shadow"}, "quality": {"mode": "enforce"}}, [], True),
        ({"usage-limit": {"mode": "shadow"}}, [], False),
        ({"usage-limit": {"mode": "shadow"}}, [entry_data()], True),
        ({"negative-list": {"mode": "shadow"}}, [entry_data()], False),
        ({"negative-list": {"mode": "warn"}, "quality": {"mode": "off"}}, [entry_data()], False),
    ],
)
def test_a_published_pack_that_enforces_needs_two_distinct_approvers(
    detectors: Any, entries: Any, enforces: bool
) -> None:
    data = pack_data(detectors=detectors, negative_list=entries)
    for approvers in (None, [], ["a"], ["a", "a"], ["a", " a "]):
        data["approved_by"] = approvers
        assert parse_pack(data, published=False)
        if enforces:
            (problem,) = problems_of(data)
            assert problem.startswith("$.data.approved_by: must name two distinct approvers")
        else:
            assert parse_pack(data, published=True)
    data["approved_by"] = ["a", "b"]
    assert parse_pack(data, published=True)


def test_an_id_may_say_something_else_later() -> None:
    first, second = entry_data(valid_to="2025-01-01"), entry_data(valid_from="2025-01-01", title="Another")
    third = entry_data(valid_from="2026-01-01", disposition="restrict")
    second["valid_to"] = "2026-01-01"
    pack = pack_of(third, first, second)
    days = ["2023-12-31", "2024-01-01", "2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01", "2030-01-01"]
    titles = [found and (found.title, found.disposition) for day in days if (found := at(pack, day)) or True]
    one, two, three = ("An entry", "prohibit"), ("Another", "prohibit"), ("An entry", "restrict")
    assert pack.entries == {"E-1": pack.negative_list[0]}
    assert titles == [None, one, one, two, two, three, three]
    # What says the same of every act is not screened again.
    instants = [format_instant(one.instant)[:10] for one in Packs.always(pack).screenings()]
    assert instants == ["2026-01-01", "2024-01-01"]


def at(pack: Pack, day: str) -> Entry | None:
    return pack.entry("E-1", parse_instant(day))


def test_what_an_id_says_has_one_meaning_at_a_time() -> None:
    apart = entry_data(valid_to="2025-01-01"), entry_data(valid_from="2025-01-01")
    assert pack_of(*apart)
    for start in ("2024-12-31T23:59:59.999999+08:00", "2023-01-01"):
        found = problems_of(pack_data(negative_list=[apart[0], entry_data(valid_from=start)]))
        assert found == [
            "$.data.negative_list[1].id: 'E-1' is already the id of negative_list[0], and their validity overlaps"
        ]
    many = [
        entry_data(valid_from=f"{year}-01-01", valid_to=f"{year + 1}-01-01")
        for year in range(1900, 1901 + entries.VERSIONS_MAX)
    ]
    assert problems_of(pack_data(negative_list=many)) == [
        "$.data.negative_list[100].id: 'E-1' is the id of more than 100 entries"
    ]
    assert pack_of(*many[:-1])


# Provenance


@pytest.mark.parametrize(
    ("basis", "given", "expected"),
    [("a", "L", ("L",)), (["a", "b"], "M", ("M",)), (["a", "b"], ["L", "S"], ("L", "S")), ("a", None, ())],
)
def test_an_entry_says_where_its_law_was_seen(basis: Any, given: Any, expected: Any) -> None:
    entry = entry_data(legal_basis=basis, provenance=given)
    for published in (True, False):
        (found,) = parse_pack(pack_data(negative_list=[entry]), published=published).negative_list
        assert found.provenance == expected


@pytest.mark.parametrize("given", ["X", 7, [], ["L", "S", "M"], {"L": 1}])
def test_a_mark_that_does_not_exist_is_wrong_in_a_file_and_ignored_in_what_was_published(given: Any) -> None:
    data = pack_data(negative_list=[entry_data(provenance=given, legal_basis=["a", "b"])])
    (problem,) = problems_of(data, published=False)
    assert problem.startswith("$.negative_list[0].provenance: must be")
    pack = parse_pack(data, published=True)
    assert (pack.negative_list[0].provenance, pack.ignored) == ((), ("$.data.negative_list[0].provenance",))


# Unknown members


def test_what_may_have_been_meant_is_named() -> None:
    data = pack_data(negative_lists=[], detectors={"usage-limits": {}, "usage-limit": {"mod": "off"}})
    found = problems_of(data, published=False, known={"usage-limit": {"red_percent": 1}})
    assert found == [
        "$.negative_lists: is not known; did you mean negative_list?",
        "$.detectors.usage-limits: there is no such detector; did you mean usage-limit?",
        "$.detectors.usage-limit.mod: is not known; did you mean mode?",
    ]


def test_unknown_members_are_ignored_when_published_and_refused_otherwise() -> None:
    data = pack_data(
        comment="x",
        negative_list=[entry_data(remark="L", match={"level": ["core"], "colour": ["red"]})],
        detectors={"usage-limit": {"mode": "warn", "red_percent": 120, "shade": 1}},
    )
    known = {"usage-limit": {"red_percent": 120}}
    paths = ["comment", "negative_list[0].remark", "negative_list[0].match.colour", "detectors.usage-limit.shade"]
    pack = parse_pack(data, published=True, known=known)
    assert pack.ignored == tuple(f"$.data.{path}" for path in paths)
    assert pack.setting("usage-limit").parameters == {"red_percent": 120}
    assert problems_of(data, published=False, known=known) == [f"$.{path}: is not known" for path in paths]
    assert parse_pack(data, published=False, known=known, strict=False).ignored


def test_a_match_of_unknown_members_alone_does_not_match_everything() -> None:
    data = pack_data(negative_list=[entry_data(match={"colour": ["red"]})])
    assert problems_of(data) == ["$.data.negative_list[0].match: has no member that is known"]


def test_what_can_have_no_effect_is_refused_when_strict() -> None:
    data = pack_data(negative_list=[entry_data(unless=["consent"], match={"tags": []})])
    assert parse_pack(data, published=True).ignored
    assert len(problems_of(data, published=False)) == 2
    assert judged(entry_of(tags=[]), subject_of()) == ("no", set())


@pytest.mark.parametrize(
    ("default", "good", "bad"),
    [
        (1, [2, 2.5], ["2", True, [2]]),
        (0.5, [1], ["1"]),
        ("x", ["y"], [1]),
        (True, [False], [1, "true"]),
        ((), [["a"]], ["a", {}]),
        ({}, [{"a": 1}], [[]]),
        (None, [1, "x"], []),
    ],
)
def test_a_parameter_is_of_the_type_of_its_default(default: Any, good: list[Any], bad: list[Any]) -> None:
    known = {"quality": {"p": default}}
    for value in good:
        pack = parse_pack(pack_data(detectors={"quality": {"p": value}}), published=True, known=known)
        assert pack.setting("quality").parameters == {"p": value}
    for value in bad:
        (problem,) = problems_of(pack_data(detectors={"quality": {"p": value}}), known=known)
        assert problem.startswith("$.data.detectors.quality.p: Expected")


# Settings, receivers, digest


def test_settings_have_defaults_and_parameters_beside_the_mode_or_in_a_member() -> None:
    given = {
        "usage-limit": {"mode": "off", "a": 1},
        "quality": {"parameters": {"b": 2}},
        "sandbox-cap": {"sandbox": ["quality"]},
    }
    pack = parse_pack(pack_data(detectors=given, sandbox=["guided-price"]), published=True)
    assert (pack.setting("usage-limit").mode, pack.setting("usage-limit").parameters) == ("off", {"a": 1})
    assert (pack.setting("quality").mode, pack.setting("quality").parameters) == ("enforce", {"b": 2})
    assert (pack.setting("one-source").mode, pack.setting("one-source").parameters) == ("enforce", {})
    assert pack.sandbox == ("guided-price", "quality")
    twice = {"quality": {"b": 1, "parameters": {"b": 2}}}
    assert problems_of(pack_data(detectors=twice)) == ["$.data.detectors.quality.parameters.b: is given twice"]


def test_every_detector_may_be_named() -> None:
    data = pack_data(detectors={one: {"mode": "shadow"} for one in detectors.RULES}, sandbox=[*detectors.RULES])
    pack = parse_pack(data, published=True, known=parameters(detectors.RULES))
    assert {pack.setting(one).mode for one in detectors.RULES} == {"shadow"}
    assert set(pack.sandbox) == set(detectors.RULES)


def test_a_detector_that_there_is_not_may_be_named_only_by_a_pack_that_was_taken_in_before() -> None:
    data = pack_data(detectors={"usage-limits": {}}, sandbox=["usage-limits"])
    assert problems_of(data, known={"usage-limit": {}}) == [
        "$.data.detectors.usage-limits: there is no such detector; did you mean usage-limit?",
        "$.data.sandbox[0]: must be one of usage-limit, got 'usage-limits'",
    ]
    assert set(parse_pack(data, published=True).detectors) == {"usage-limits"}


@pytest.mark.parametrize(
    ("industry", "expected"),
    [("I6520", ("c",)), ("I6540", ("b",)), ("I65", ("b",)), ("I6", ("a",)), ("J", ()), (None, ()), ("", ())],
)
def test_receivers_are_those_of_the_longest_prefix(industry: str | None, expected: tuple[str, ...]) -> None:
    pack = parse_pack(pack_data(sectors={"I": ["a"], "I65": "b", "I652": ["c"]}), published=True)
    assert pack.receivers(industry) == expected


def test_a_file_and_the_same_pack_published_have_one_digest() -> None:
    from_file = parse_pack(load_yaml(packs.shipped()), published=False)
    published = parse_pack(orjson.loads(from_file.canonical), published=True)
    assert published.digest == from_file.digest
    assert published == from_file
    assert parse_pack(pack_data(valid_to=None), published=True).digest == parse_pack(pack_data(), published=True).digest
    assert parse_pack(pack_data(version="2"), published=True).digest != parse_pack(pack_data(), published=True).digest


def test_the_order_of_members_does_not_change_the_digest() -> None:
    items = list(pack_data().items())
    digests = {parse_pack(dict(order), published=True).digest for order in list(permutations(items))[:50]}
    assert len(digests) == 1


# YAML


def test_yaml_scalars_are_those_of_json() -> None:
    raw = b"a: 2024-01-01\nb: off\nc: 'true'\nd: true\ne: 12\nf: 1.5\ng: ~\nh: NO\ni: 12:30\nj:\n"
    raw += b"k: .inf\nl: 1e999\n7: x\n"
    assert load_yaml(raw) == {
        "a": "2024-01-01",
        "b": "off",
        "c": "true",
        "d": True,
        "e": 12,
        "f": 1.5,
        "g": None,
        "h": "NO",
        "i": "12:30",
        "j": None,
        "k": ".inf",
        "l": "1e999",
        "7": "x",
    }


BOMB = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "Expected `object`"),
        (b"# nothing", "Expected `object`"),
        (b"- a", "Expected `object`"),
        (b"text", "Expected `object`"),
        (b"a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        (b"x:\n  a: 1\n  a: 1", "line 3: the key 'a' is given twice"),
        (b"1: a\n'1': b", "given twice"),
        (BOMB, "anchors are not taken"),
        (b"a: &a\n  b: *a", "anchors are not taken"),
        (b"a: *b", "aliases"),
        (b"a: !!python/object/apply:os.system [ls]", "tags are not taken"),
        (b"a: !!binary aGk=", "tags are not taken"),
        (b"a: 1\n---\nb: 2", "a second document"),
        (b"? [a]\n: 1", "a key must be a text"),
        (b"? {a: 1}\n: 1", "a key must be a text"),
        (b"a: [", "is no YAML"),
        (b"a: }", "is no YAML"),
        (b"\ta: 1", "is no YAML"),
        (b"a: \x00", "is no YAML"),
        (b"a: \xff\xfe", "is no YAML"),
        (b'a: "\\ud800"', "is no YAML"),
        (b"a: " + b"[" * 100_000, "levels deep"),
        (b"a: " + b"{b: " * 100_000, "levels deep"),
        (b"- " * 100_000 + b"a", "levels deep"),
    ],
)
def test_hostile_yaml_is_refused(raw: bytes, expected: str) -> None:
    with pytest.raises(PackInvalid) as caught:
        load_yaml(raw)
    assert expected in str(caught.value)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_yaml, "YAML_BYTES_MAX", 10)
    assert load_yaml(b"a: 3456789") == {"a": 3456789}
    with pytest.raises(PackInvalid, match="at most 10 bytes, got 11"):
        load_yaml(b"a: 34567890")
    monkeypatch.setattr(pack_yaml, "YAML_NODES_MAX", 3)
    assert load_yaml(b"a: 1") == {"a": 1}
    with pytest.raises(PackInvalid, match="more than 3 values"):
        load_yaml(b"a: [1]")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.text("ab:-[]{}&*!|>'\"#%@,? \n\t", max_size=40).map(str.encode))
def test_any_bytes_are_a_mapping_or_problems(raw: bytes) -> None:
    try:
        assert isinstance(load_yaml(raw), dict)
    except PackInvalid as error:
        assert error.problems


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text("ab :#é", max_size=4),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("ab1-: é", max_size=6),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", max_size=2), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_json_is_read_as_what_it_says(data: dict[str, Any]) -> None:
    assert load_yaml(orjson.dumps(data)) == data


# Which pack is in force


def version(name: str, start: str, end: str | None = None, *entries: dict[str, Any]) -> Pack:
    return pack_of(*entries, version=name, valid_from=start, valid_to=end)


DEFAULT = version("default", "2023-01-01")


def test_a_pack_is_in_force_from_its_start_to_just_before_its_end() -> None:
    pack = version("1", "2024-01-01", "2024-02-01")
    run = Packs(DEFAULT, [Published(pack, 0, "s", "1")])
    start, end = pack.valid_from, parse_instant("2024-02-01")
    assert [run.in_force(t).version for t in (start - 1, start, start + 1)] == ["default", "1", "1"]
    assert [run.in_force(t).version for t in (end - 1, end, end + 1)] == ["1", "default", "default"]
    assert run.in_force(-(10**18)).version == "default"


def test_the_latest_start_wins_and_of_equal_ones_the_later_published() -> None:
    old, new = version("old", "2024-01-01"), version("new", "2024-03-01", "2024-05-01")
    orders = [(1, "s", "9"), (2, "a", "1"), (2, "b", "1"), (2, "b", "2")]
    rivals = [Published(version(f"rival-{n}", "2024-01-01"), *order) for n, order in enumerate(orders)]
    for order in permutations(rivals):
        run = Packs(DEFAULT, [Published(old, 0, "z", "z"), *order, Published(new, -5, "s", "n")])
        seen = [run.in_force(parse_instant(f"2024-0{month}-01")).version for month in range(1, 7)]
        assert seen == ["rival-3", "rival-3", "new", "new", "rival-3", "rival-3"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.none() | st.integers(1, 5), st.integers(0, 2), st.sampled_from("ab")),
        max_size=6,
    )
)
def test_spans_and_what_is_in_force_agree_with_the_rule(given_versions: Any) -> None:
    published = []
    for number, (start, length, at, source) in enumerate(given_versions):
        end = None if length is None else f"2024-01-{start + length:02}"
        published.append(Published(version(str(number), f"2024-01-{start:02}", end), at, source, str(number)))
    run = Packs(DEFAULT, published)
    instants = [parse_instant(f"2024-01-{day:02}") + shift for day in range(1, 16) for shift in (-1, 0, 1)]
    for t in instants:
        valid = [
            one
            for one in published
            if one.pack.valid_from <= t and (one.pack.valid_to is None or t < one.pack.valid_to)
        ]
        expected = max(valid, key=lambda p: (p.pack.valid_from, p.time, p.source, p.id)).pack if valid else DEFAULT
        assert run.in_force(t) is expected
        covering = [s for s in run.spans() if (s.start is None or s.start <= t) and (s.end is None or t < s.end)]
        assert [s.pack for s in covering] == [expected]


def test_a_pack_given_by_hand_is_always_in_force() -> None:
    pack = version("1", "2024-01-01", "2024-02-01")
    run = Packs.always(pack)
    assert {run.in_force(t).version for t in (-(10**18), pack.valid_from - 1, 10**18)} == {"1"}


# Screening


def screened(run: Packs) -> list[tuple[str, str, str]]:
    def day(one: Screening) -> str:
        return next(f"01-{n:02}" for n in range(1, 32) if parse_instant(f"2024-01-{n:02}") == one.instant)

    return [(day(one), one.pack.version, one.entry.id) for one in run.screenings()]


def test_an_entry_takes_effect_at_the_later_of_its_own_and_its_packs_start() -> None:
    entries = [entry_data("early", valid_from="2024-01-02"), entry_data("late", valid_from="2024-01-20")]
    pack = version("1", "2024-01-10", None, *entries)
    nothing = version("0", "2023-01-01")
    assert screened(Packs(nothing, [Published(pack, 0, "s", "1")])) == [("01-10", "1", "early"), ("01-20", "1", "late")]
    assert screened(Packs.always(pack)) == [("01-02", "1", "early"), ("01-20", "1", "late")]


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, False),
        ({"title": "Other words"}, False),
        ({"legal_basis": ["Article 2"]}, False),
        ({"actions": ["trade", "list"]}, False),
        ({"match": {"level": ["core", "important"]}}, True),
        ({"disposition": "restrict"}, True),
        ({"actions": ["list"]}, True),
        ({"unless": ["consent"]}, True),
        ({"sticky": True}, True),
    ],
)
def test_an_entry_is_screened_again_when_what_it_says_differs(changes: dict[str, Any], again: bool) -> None:
    first = version("1", "2024-01-05", None, entry_data())
    second = version("2", "2024-01-10", None, entry_data(**changes))
    run = Packs(version("0", "2023-01-01"), [Published(second, 1, "s", "2"), Published(first, 0, "s", "1")])
    assert screened(run) == [("01-05", "1", "E-1")] + ([("01-10", "2", "E-1")] if again else [])


def test_an_entry_that_had_not_yet_begun_under_the_version_before_is_screened_when_it_begins() -> None:
    first = version("1", "2024-01-05", None, entry_data(valid_from="2024-01-20"))
    second = version("2", "2024-01-10", None, entry_data(valid_from="2024-01-20"))
    run = Packs(version("0", "2023-01-01"), [Published(first, 0, "s", "1"), Published(second, 0, "s", "2")])
    assert screened(run) == [("01-20", "2", "E-1")]


# The shipped pack


def test_the_shipped_pack_could_be_published() -> None:
    data = load_yaml(packs.shipped())
    pack = parse_pack(data, published=True, strict=True)
    assert (pack.pack, pack.version, pack.ignored) == ("beijing", "2026.1", ())
    assert pack.valid_from == parse_instant("2023-06-20T00:00:00+08:00")
    assert len(pack.negative_list) >= 20
    assert pack.setting("usage-limit").parameters == {
        "warning_percent": 80,
        "late_warning_percent": 95,
        "red_percent": 120,
    }
    assert pack.setting("export-assessment-missing").parameters["sensitive_persons"] == 10_000


def example(entry: Entry) -> Subject:
    """An asset that an entry matches, made from the entry."""
    match = entry.match

    def first(values: frozenset[str] | None, otherwise: str) -> str:
        return min(values) if values else otherwise

    return Subject(
        id="asset-1",
        registered=True,
        owner="p:owner",
        category=first(match.category, "other"),
        industry=match.industry or "A01",
        level=first(match.level, "general"),
        personal=first(match.personal, "none"),
        fields=(first(match.fields, "x").replace("*", ""),),
        tags=(first(match.tags, "x"),),
        public=bool(match.public),
        persons=match.persons_min or 0,
    )


SHIPPED = parse_pack(load_yaml(packs.shipped()), published=False)


@pytest.mark.parametrize("entry", SHIPPED.negative_list, ids=lambda one: one.id)
def test_every_shipped_entry_matches_something_and_leaves_a_plain_asset_alone(entry: Entry) -> None:
    plain = subject_of(
        category="weather", industry="M7410", level="general", personal="none", fields=("city",), tags=(), public=False
    )
    assert judged(entry, example(entry)) == ("match", set())
    assert judged(entry, plain) == ("no", set())
    assert judged(entry, Subject(id="asset-1", registered=False))[0] == "unknown"
    assert entry.actions <= set(ACTIONS)


@pytest.mark.parametrize(
    ("entry_id", "persons", "expected"),
    [
        ("NL-46-a", 10_000_000, "no"),
        ("NL-46-a", 10_000_001, "match"),
        ("NL-46-b", 1_000_000, "no"),
        ("NL-46-b", 1_000_001, "match"),
        ("NL-46-c", 100_000, "no"),
        ("NL-46-c", 100_001, "match"),
    ],
)
def test_volumes_of_the_shipped_pack_are_more_than_the_number_of_the_law(
    entry_id: str, persons: int, expected: str
) -> None:
    entry = SHIPPED.entries[entry_id]
    personal = min(entry.match.personal or ())
    assert judged(entry, subject_of(persons=persons, personal=personal))[0] == expected
