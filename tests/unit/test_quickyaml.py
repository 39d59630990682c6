"""The quick reader of packs: where it answers, it answers as libyaml does."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import packs
from circulation import plain_yaml
from circulation.packs import entries, quick_yaml
from circulation.packs import yaml as pack_yaml
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import lines_of, load_yaml, read_yaml

NODES_MAX = pack_yaml.YAML_NODES_MAX
ENTRY = {
    "id": "e-1",
    "title": "重要数据 may not be traded",
    "disposition": "prohibit",
    "match": {"assets": ["asset-1", "asset-2"]},
    "actions": ["list", "trade"],
    "legal_basis": ["Notice 3: on data, art. 7"],
    "valid_from": "2025-01-01",
}


def quick(raw: bytes) -> Any:
    found = quick_yaml.read(raw, plain_yaml.scalar, nodes_max=NODES_MAX)
    return None if found is None else found.document


def slow(raw: bytes) -> Any:
    """What libyaml makes of it; None where anything is wrong."""
    problems: list[str] = []
    try:
        found = plain_yaml.compose(raw, problems, nodes_max=NODES_MAX)
    except plain_yaml.NoYaml:
        return None
    return None if problems else found


WORDS = st.text("ab1-: é'\"#,[]{}&*!|>%@?.\\\n数", max_size=8) | st.sampled_from(
    [
        "null",
        "~",
        "true",
        "12",
        "-3",
        "1.5",
        "a long text that is folded where a line is full, " * 3,
        "2025-01-01",
        "off",
    ]
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(-(2**40), 2**40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz_1", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
PACKS = st.dictionaries(st.text("abc_", min_size=1, max_size=4), VALUES, min_size=1, max_size=4)
STYLES = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([False, None, True]),
        "width": st.sampled_from([20, 80, 10_000]),
        "indent": st.sampled_from([2, 4]),
        "allow_unicode": st.booleans(),
        "default_style": st.sampled_from([None, '"', "'"]),
    }
)


@settings(max_examples=100, deadline=None)
@given(PACKS, STYLES)
def test_what_it_reads_is_what_libyaml_reads(data: dict[str, Any], style: dict[str, Any]) -> None:
    raw = yaml.dump(data, Dumper=yaml.SafeDumper, **style).encode()
    found = quick(raw)
    assert found is None or found == slow(raw)


SLIPS = [
    *("- ", "  ", "\n", ": ", "#", " # c", "'", '"', "[", "]", "{", "}", ",", "\\", "a", "&a "),
    *("- a: b", "\n  b", "a:\n"),
]


@settings(max_examples=200, deadline=None)
@given(PACKS, STYLES, st.data())
def test_what_it_reads_is_what_libyaml_reads_also_of_files_that_somebody_changed(
    data: dict[str, Any], style: dict[str, Any], drawn: st.DataObject
) -> None:
    text = yaml.dump(data, Dumper=yaml.SafeDumper, **style)
    for _ in range(drawn.draw(st.integers(1, 3))):
        at = drawn.draw(st.integers(0, len(text)))
        new = drawn.draw(st.sampled_from(SLIPS))
        text = text[:at] + new + text[at + drawn.draw(st.integers(0, 2)) :]
    raw = text.encode()
    found = quick(raw)
    assert found is None or found == slow(raw)


LINES = st.sampled_from(
    [
        *("a:", "b: 1", "c: x y", "- a", "- a: 1", "  a: 2", "  - b", "    c: 3", "  b: 'x'", '  d: "y"', "# c", ""),
        *("    more", "-", "e: [1, 2]", "  f: {g: h}", '  h: "un', '  done"', "i: 'it", "  is'", "---", "...", "- "),
        *("  - - x", " j: k", "  a: b # c", "a: ?", "a: - b", "a: b: c"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=7))
def test_any_lines_are_read_as_libyaml_reads_them_or_not_at_all(lines: list[str]) -> None:
    raw = "\n".join(lines).encode()
    found = quick(raw)
    assert found is None or found == slow(raw)


@settings(max_examples=60, deadline=None)
@given(PACKS, st.sampled_from([None, 2]))
def test_json_is_read_as_libyaml_reads_it(data: dict[str, Any], indent: int | None) -> None:
    raw = json.dumps(data, ensure_ascii=False, indent=indent).encode()
    found = quick(raw)
    assert found is None or found == slow(raw)


def dumped(**style: Any) -> bytes:
    data = {"pack": "p", "version": "1", "valid_from": "2025-01-01", "negative_list": [ENTRY] * 3}
    plain = json.loads(json.dumps(data))  # so that YAML sees no object twice
    return yaml.dump(plain, Dumper=yaml.SafeDumper, **style).encode()


BY_HAND = """\
# A pack
pack: beijing
version: "7"   # the seventh
approved_by: [Li Wei, 王芳]
valid_from: 2025-01-01
detectors:
  paper-trade: {mode: off}
negative_list:
  - id: e-1
    title: What is
      folded
    match: {assets: ["a:1", b], level: [core]}

    actions: [list, trade]
  - id: e-2
    title: "it says \\"no\\"
      twice"
    match:
      persons_min: 12
""".encode()


@pytest.mark.parametrize(
    "raw",
    [
        dumped(),
        dumped(allow_unicode=True),
        dumped(sort_keys=False, indent=4),
        dumped(width=20),
        dumped(default_style='"'),
        BY_HAND,
        json.dumps({"negative_list": [ENTRY]}, ensure_ascii=False).encode(),
    ],
)
def test_what_programs_write_is_read_quickly(raw: bytes) -> None:
    assert quick(raw) is not None
    assert quick(raw) == slow(raw)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"a: 1\na: 2",
            b"a: &x 1",
            b"a: *x",
            b"a: !!str 1",
            b"a: |\n  b",
            b"a: >\n  b",
            b"a\t: 1",
            b"a: 1\n---\nb: 2",
        ),
        *(b"a: \xff", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"a: {b: 1, b: 2}", b"a: [1", b"a: b: c", b"? a\n: b"),
        *(
            b"a: '\xc2\x85'",
            b'{"a": "\\ud800"}',
            b'a: "\\ud800"',
            b"- a\n- b",
            b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}",
        ),
        *(b"", b"# nothing"),
    ],
)
def test_what_may_be_wrong_is_left_to_libyaml(raw: bytes) -> None:
    assert quick(raw) is None


@pytest.mark.parametrize("name", packs.NAMES)
def test_the_shipped_packs_are_the_same_either_way(name: str) -> None:
    raw = packs.shipped(name)
    found = quick(raw)
    assert found is None or found == slow(raw)


def test_places_have_the_lines_that_libyaml_says(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {
        "$.pack", "$.approved_by[1]", "$.detectors.paper-trade.mode", "$.negative_list[0]", "$.negative_list[0].title",
        "$.negative_list[0].match.level[0]", "$.negative_list[0].actions", "$.negative_list[1].match.persons_min",
        "$.negative_list[1].nothing", "$.negative_list[7]",
    }  # fmt: skip
    expected = lines_of(read_yaml(BY_HAND, lined=True), paths)
    monkeypatch.setattr(pack_yaml, "QUICK_BYTES_MIN", 0)
    monkeypatch.setattr(yaml, "parse", None)
    assert lines_of(read_yaml(BY_HAND, lined=True), paths) == expected
    assert expected["$.negative_list[1].match.persons_min"] == 19


def test_a_large_file_is_read_once_for_what_it_says_and_for_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_yaml, "QUICK_BYTES_MIN", 0)
    written = read_yaml(BY_HAND, lined=True)
    one_line = read_yaml(json.dumps(written.document).encode(), lined=True)
    monkeypatch.setattr(yaml, "parse", None)
    monkeypatch.setattr(quick_yaml, "read", None)
    assert {"$.negative_list[1].title": 16} == lines_of(written, {"$.negative_list[1].title"})
    assert {"$.negative_list[1].title": 1} == lines_of(one_line, {"$.negative_list[1].title"})


def test_json_on_several_lines_has_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_yaml, "QUICK_BYTES_MIN", 0)
    assert {"$.b[1]": 5} == lines_of(read_yaml(b'{\n"a": 1,\n"b": [\n2,\n3]}', lined=True), {"$.b[1]"})


def test_a_large_file_with_a_mistake_says_it_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_yaml, "QUICK_BYTES_MIN", 0)
    assert load_yaml(b"a: 1\nb: 2") == {"a": 1, "b": 2}
    with pytest.raises(PackInvalid, match="line 3: the key 'a' is given twice"):
        load_yaml(b"a: 1\nb: 2\na: 3")


def test_more_values_than_a_pack_may_have_are_refused_by_the_quick_reader_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_yaml, "QUICK_BYTES_MIN", 0)
    monkeypatch.setattr(pack_yaml, "YAML_NODES_MAX", 3)
    with pytest.raises(PackInvalid, match="more than 3 values"):
        load_yaml(b"a: [1, 2, 3]")


ODD = st.sampled_from(
    [
        *(None, "", "x", 1, [], ["x"], ["list"], ["list", "fly"], [1], {}, "2025-01-01", "\x07", "x" * 4_001),
        *(
            True,
            "L",
            ["L"],
            ["L", "S"],
            ["L", "X"],
            ["sandbox"],
            ["sandbox", "x"],
            "2026-01-01",
            "restrict",
            "prohibit",
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*ENTRY, "valid_to", "sticky", "unless", "provenance", "other"]), ODD, max_size=3),
    st.booleans(),
    st.data(),
)
def test_an_entry_that_names_ids_is_read_quickly_as_slowly(
    odd: dict[str, Any], parties: bool, drawn: st.DataObject
) -> None:
    entry = {**ENTRY, **({"match": {"parties": ["lei:5493001KJTIIGC8Y1R12"]}} if parties else {}), **odd}
    if drawn.draw(st.booleans()):
        entry["match"] = drawn.draw(
            st.dictionaries(st.sampled_from(["assets", "parties", "level"]), ODD, max_size=2) | st.none()
        )
    plain = entries._plain_entry(entry)
    reading = entries.Entries("$", True)
    if plain is not None:
        assert plain == reading.entry(entry, "$")
        assert not reading.problems


def test_a_pack_of_entries_that_name_ids_is_read_quickly() -> None:
    assert entries._plain_entry(dict(ENTRY)) is not None
    more = {
        "disposition": "restrict",
        "unless": ["sandbox"],
        "provenance": "L",
        "valid_to": "2026-01-01",
        "sticky": True,
    }
    assert entries._plain_entry({**ENTRY, **more}) is not None
    data = {
        "pack": "p",
        "version": "1",
        "valid_from": "2025-01-01",
        "approved_by": ["A", "B"],
        "negative_list": [ENTRY],
    }
    assert parse_pack(data, published=True).negative_list == (entries._plain_entry(dict(ENTRY)),)
