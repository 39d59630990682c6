"""Each type of event and each topic has one name, in `circulation.events.names`, and the product says it by that."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from circulation.events import names
from circulation.events.types import TYPES as COMING_IN

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "circulation" / "events" / "names.py"
PACKAGES = ("benchmarks", "circulation", "dashboards", "deploy", "detectors", "packs", "streams")
CONSTANTS = [
    (name, value)
    for name, value in vars(names).items()
    if name.isupper() and isinstance(value, str) and value != names.CASE_PREFIX
]
TOPICS = {value for _, value in CONSTANTS if re.fullmatch(r"circulation\.[a-z]+", value)}
TYPES = {value for _, value in CONSTANTS} - TOPICS
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def either(names: set[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names))


# A text for people may name a topic; a text that is nothing but its name, or has it quoted as SQL does, defines it.
SPELT = re.compile(
    rf"(?<![\w.])(?P<type>{either(TYPES)})(?![\w.])"
    rf"|(?P<prefix>{re.escape(names.CASE_PREFIX)})"
    rf"|(?P<quote>['\"])(?P<topic>{either(TOPICS)})(?P=quote)"
)


def code(source: str) -> list[str]:
    """The lines of a source without docstrings and comments."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            documentation = node.body[0]
            for row in range(documentation.lineno, (documentation.end_lineno or 0) + 1):
                lines[row - 1] = ""
    return lines


def spelt(source: str) -> Iterator[tuple[int, str]]:
    """The line and the value of each type and topic that a source spells out."""
    for number, line in enumerate(code(source), 1):
        for match in SPELT.finditer(line):
            yield number, match["type"] or match["prefix"] or match["topic"]


def renamed(source: str) -> Iterator[tuple[int, str]]:
    """The line and the name of each constant of `circulation.events.names` that a module gives another name."""
    body = ast.parse(source).body
    imported = {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module == names.__name__
        for alias in node.names
        if alias.name in dict(CONSTANTS)
    }
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=values)):
                pass
            case ast.Assign(value=ast.expr() as value) | ast.AnnAssign(value=ast.expr() as value):
                values = [value]
            case _:
                continue
        yield from ((node.lineno, one.id) for one in values if isinstance(one, ast.Name) and one.id in imported)


def test_each_constant_is_called_what_it_says() -> None:
    assert [
        (value.removeprefix("circulation.").replace(".", "_").upper(), value) for _, value in CONSTANTS
    ] == CONSTANTS


def test_each_type_that_comes_in_and_each_topic_has_its_constant() -> None:
    assert {*COMING_IN, names.OPENLINEAGE_RUN} <= TYPES
    assert set(names.TOPICS) <= TOPICS


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_the_product_says_types_and_topics_by_their_names(package: str) -> None:
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if path != HOME]
    assert paths
    wrong = []
    for path in paths:
        source = path.read_text(encoding="utf-8")
        place = path.relative_to(ROOT)
        wrong += [f"{place}:{line}: {value} is spelt out" for line, value in spelt(source)]
        wrong += [f"{place}:{line}: {name} has a second name" for line, name in renamed(source)]
    assert [] == wrong, "circulation.events.names has the names:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('SIGNED = "circulation.contract.signed"', "circulation.contract.signed"),
        ("query = \"select 1 where type = 'circulation.asset.graded'\"", "circulation.asset.graded"),
        ('f\'{a},"type":"circulation.usage.reported",{b}\'', "circulation.usage.reported"),
        ('run = "openlineage.run"', "openlineage.run"),
        ('RULES = "circulation.rules"', "circulation.rules"),
        ("query = \"select 1 where topic = 'circulation.parties'\"", "circulation.parties"),
        ('type_ = f"circulation.case.{verb}"', "circulation.case."),
    ],
)
def test_what_is_spelt_out_is_found_in_its_line(source: str, expected: str) -> None:
    assert [(3, expected)] == list(spelt(f'"""Of circulation.asset.graded."""\n\n{source}\n'))


@pytest.mark.parametrize(
    "source",
    [
        '"""Reads "circulation.rules", where circulation.rulepack.published comes."""',
        "# circulation.contract.signed",
        'help = "All but circulation.rules, which has one."',
        "from circulation.rules import Rule",
        'kind = "circulation.contract.signed_twice"',
        'event("contract.signed")',
    ],
)
def test_what_only_tells_of_it_is_not_found(source: str) -> None:
    assert [] == list(spelt(source + "\n"))


@pytest.mark.parametrize(
    "source",
    [
        "SIGNED = CONTRACT_SIGNED",
        "SIGNED: Final = CONTRACT_SIGNED",
        "SIGNED, RIGHT = CONTRACT_SIGNED, 'operating-right'",
    ],
)
def test_a_second_name_is_found_in_its_line(source: str) -> None:
    begin = "from circulation.events.names import CONTRACT_SIGNED\n"
    assert [(2, "CONTRACT_SIGNED")] == list(renamed(begin + source))
    assert [] == list(renamed(begin + "ACTS = frozenset({CONTRACT_SIGNED})\nSOME = (CONTRACT_SIGNED, 'x')\n"))
