"""What changes from one version of a pack to the next, as values and in words."""

from typing import Any

import orjson
import pytest

import detectors
from circulation.calendar import format_instant, parse_instant
from circulation.examples import Json, entry, pack
from circulation.packs.diff import Change, Diff, Screened, diff, in_words
from circulation.packs.in_force import Packs, Published
from circulation.packs.reading import parse_pack
from circulation.rules import parameters

DEFAULTS = parameters(detectors.RULES)


def compared(old: Json, new: Json) -> Diff:
    return diff(parse_pack(old, published=False), parse_pack(new, published=False), DEFAULTS)


def words(found: Diff) -> str:
    lines = in_words(found, lambda detector, name: detectors.RULES[detector].parameters[name].effect)
    return "\n".join(f"{heading}: {line}" for heading, some in lines for line in some)


def test_a_pack_is_the_same_as_itself_and_there_is_nothing_to_say() -> None:
    found = compared(pack(entry("a")), pack(entry("a")))
    assert found.same
    assert found.document()["same"]
    assert [] == found.screened
    assert "" == words(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"detectors": {"usage-limit": {"mode": "enforce", "warning_percent": 80}}},
        {"detectors": {"usage-limit": {"parameters": {"warning_percent": 80}}}},
        {"credit": {"points": {"minor": 5}}},
        {"negative_list": [entry("a", actions=["export", "deliver", "trade", "list"])]},
        {"negative_list": [entry("a", match={"tags": ["a", "a"]})]},
        {"negative_list": [entry("a", valid_from="2019-12-31T16:00:00Z")]},
        {"approved_by": ["two", "one"]},
    ],
)
def test_what_is_written_otherwise_and_means_the_same_is_no_change(changes: Json) -> None:
    assert compared(pack(entry("a")), pack(entry("a")) | changes).same


def test_members_of_a_pack_are_told_with_what_they_were_and_are() -> None:
    new = pack(version="2", valid_from="2025-01-01", valid_to="2026-01-01", approved_by=["one", "three"])
    assert [
        Change("version", "1", "2"),
        Change("valid_from", "2020-01-01T00:00:00+08:00", "2025-01-01T00:00:00+08:00"),
        Change("approved_by", ["one", "two"], ["one", "three"]),
        Change("valid_to", None, "2026-01-01T00:00:00+08:00"),
    ] == compared(pack(), new).header


def test_entries_are_added_removed_and_changed_member_by_member() -> None:
    old = pack(entry("a"), entry("b", match={"tags": ["x"], "level": ["core"]}), entry("c"))
    new = pack(
        entry("b", match={"tags": ["x", "y"]}, disposition="restrict", unless=["consent"]), entry("c"), entry("d")
    )
    found = compared(old, new)
    assert ["d"] == [one.id for one in found.added]
    assert ["a"] == [one.id for one in found.removed]
    assert {
        "b": [
            Change("disposition", "prohibit", "restrict"),
            Change("match.level", ["core"], None),
            Change("match.tags", ["x"], ["x", "y"]),
            Change("unless", None, ["consent"]),
        ]
    } == {id_: sorted(some) for id_, some in found.entries.items()}


def test_detectors_are_compared_by_what_is_in_force_with_the_effect_of_a_parameter_in_words() -> None:
    new = pack(detectors={"usage-limit": {"mode": "warn", "red_percent": 150}, "paper-trade": {"mode": "off"}})
    found = compared(pack(), new)
    assert {
        "paper-trade": [Change("mode", "enforce", "off")],
        "usage-limit": [Change("mode", "enforce", "warn"), Change("red_percent", 120, 150)],
    } == found.detectors
    assert "usage-limit: red_percent 120 → 150 (" in words(found)
    assert "paper-trade: enforce → off; it is not judged any more" in words(found)


def test_credit_and_receivers_are_told_by_their_paths() -> None:
    found = compared(
        pack(credit={"points": {"minor": 5}}, sectors={"I": ["net"], "K": ["land"]}),
        pack(credit={"points": {"minor": 6}}, sectors={"I": ["net", "more"], "J": "bank"}),
    )
    assert [Change("points.minor", 5, 6)] == found.credit
    assert [
        Change("I", ["net"], ["net", "more"]),
        Change("K", ["land"], None),
        Change("J", None, ["bank"]),
    ] == found.sectors
    assert "Who is told, by industry: I gains more" in words(found)
    assert "Who is told, by industry: K is gone: it was land" in words(found)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"match": {"tags": ["other"]}}, "match differ"),
        ({"disposition": "restrict"}, "disposition differ"),
        ({"actions": ["list"]}, "actions differ"),
        ({"disposition": "restrict", "unless": ["consent"]}, "disposition and unless differ"),
        ({"sticky": True}, "sticky differ"),
        ({"title": "Other"}, None),
        ({"legal_basis": "Other"}, None),
        ({"valid_to": "2030-01-01"}, None),
    ],
)
def test_an_entry_is_screened_again_only_where_it_says_another_thing_of_acts(changes: Json, why: str | None) -> None:
    found = compared(pack(entry("a")), pack(entry("a", **changes), version="2", valid_from="2025-01-01"))
    expected = [] if why is None else [Screened(parse_instant("2025-01-01"), "a", why)]
    assert expected == found.screened
    assert ("Nothing is screened again" in words(found)) == (why is None)


def test_what_is_screened_is_what_the_engine_screens() -> None:
    old = pack(entry("a"), entry("b", valid_to="2024-06-01"), entry("c"))
    new = pack(
        entry("a", sticky=True),
        entry("b"),
        entry("c"),
        entry("d", valid_from="2026-01-01"),
        version="2",
        valid_from="2025-01-01",
    )
    first, second = parse_pack(old, published=False), parse_pack(new, published=False)
    engine = Packs(first, [Published(second, 1, "s", "i")]).screenings()
    assert sorted((one.instant, one.entry.id) for one in engine if one.pack is second) == [
        (one.instant, one.entry) for one in diff(first, second, DEFAULTS).screened
    ]
    assert ["a", "b", "d"] == [one.entry for one in diff(first, second, DEFAULTS).screened]


def test_of_a_list_of_100_000_ids_the_numbers_are_told_and_not_the_ids() -> None:
    ids = [f"asset-{number}" for number in range(100_000)]
    old, new = pack(entry("a", match={"assets": ids})), pack(entry("a", match={"assets": ids[50:]}))
    said = words(compared(old, new))
    assert "match.assets loses asset-0" in said
    assert "and 42 more" in said
    assert len(said) < 2_000


def test_the_document_is_json_and_names_both_digests() -> None:
    found = compared(pack(entry("a")), pack(entry("b"), version="2"))
    document: dict[str, Any] = orjson.loads(orjson.dumps(found.document()))
    assert [found.old.digest, found.new.digest] == [document["old"]["digest"], document["new"]["digest"]]
    assert ["b"] == [one["id"] for one in document["entries"]["added"]]
    assert ["a"] == [one["id"] for one in document["entries"]["removed"]]


def test_what_an_id_says_in_turn_is_compared_turn_by_turn() -> None:
    first, second = entry("E", valid_to="2024-01-01"), entry("E", valid_from="2024-01-01", match={"tags": ["F"]})
    third = second | {"valid_to": "2028-01-01"}
    fourth = entry("E", valid_from="2028-01-01", match={"tags": ["G"]})
    old, new = (parse_pack(pack(*some), published=True) for some in ((first, second), (first, third, fourth)))
    found = diff(old, new, {})
    assert ["2028-01-01"] == [format_instant(one.valid_from)[:10] for one in found.added]
    assert [] == found.removed
    assert ["E from 2024-01-01T00:00:00+08:00"] == list(found.entries)
    # What the new pack screens and the old one does not: the last turn.
    assert [("2028-01-01", "E", "it takes effect")] == [
        (format_instant(one.instant)[:10], one.entry, one.why) for one in found.screened
    ]
    assert diff(old, old, {}).same
