"""A variable is named by a noun that says what it holds (row, event, cause), not by a pronoun or an empty word."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "circulation", "dashboards", "deploy", "detectors", "streams")
# Words that could stand for anything: pronouns, determiners and quantities without a noun, participles of empty verbs.
EMPTY = frozenset(
    """
    one ones another other others it its itself this that these those mine ours theirs own
    what whatever who whoever whom whose which whichever such same here there
    all any anything anybody both each every everything everybody few many no none nobody nothing several some something
    asked done found given got made met said taken told
    """.split()  # noqa: SIM905 a list of 56 texts would be read by nobody
)
SHARE_MAX = 0.01
# Python's own, and what is thrown away.
CONVENTIONS = frozenset({"self", "cls", "_", "__all__"})


def bound(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name that a source binds, with its line: assigned, looped over, a parameter, `as`, `:=`, a pattern."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case ast.MatchMapping(rest=str(name)):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def is_empty(name: str) -> bool:
    return name.strip("_0123456789").lower() in EMPTY


def folders() -> dict[str, list[Path]]:
    """The sources of each package; `streams` has its folders one by one, and its own modules under its own name."""
    sources: dict[str, list[Path]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            folder = "/".join(parts[:2]) if package == "streams" and len(parts) > 2 else package
            sources.setdefault(folder, []).append(path)
    return sources


SOURCES = folders()


@pytest.mark.parametrize("folder", SOURCES)
def test_variables_are_named_by_nouns_and_not_by_pronouns(folder: str) -> None:
    names = [
        (name, f"{path.relative_to(ROOT)}:{line}")
        for path in SOURCES[folder]
        for name, line in bound(ast.parse(path.read_text()))
        if name not in CONVENTIONS
    ]
    empty = [f"{place} {name}" for name, place in names if is_empty(name)]
    share = len(empty) / max(len(names), 1)
    assert share <= SHARE_MAX, f"{folder}: {share:.4f} of {len(names)} names:\n" + "\n".join(empty)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("one = 1", ["one"]),
        ("self.found: int = 1", ["found"]),
        ("row.said += 1", ["said"]),
        ("for one, (each, *rest) in rows: pass", ["one", "each", "rest"]),
        ("[one for one in rows if (some := one)]", ["one", "some"]),
        ("lambda one, *others, other=1, **rest: one", ["one", "other", "others", "rest"]),
        ("async def find(one, /, each): pass", ["one", "each"]),
        ("with path.open() as one: pass", ["one"]),
        ("try: pass\nexcept ValueError as one: pass", ["one"]),
        ("import rows as found", ["found"]),
        ("match row:\n case [one, *others]: pass\n case {'a': 1, **some}: pass", ["one", "others", "some"]),
        ("print(one.found, one[0])", []),
    ],
)
def test_every_way_to_bind_a_name_is_counted(source: str, names: list[str]) -> None:
    assert sorted(names) == sorted(name for name, _ in bound(ast.parse(source)))


def test_an_underscore_or_a_number_makes_no_noun_of_a_pronoun() -> None:
    assert all(is_empty(name) for name in ("one", "_found", "all_", "others2", "OTHERS"))
    assert not any(is_empty(name) for name in ("row", "other_party", "_", "foundation"))
