"""docs/lineage.md: its tables say what the code does."""

import re
from pathlib import Path

import pytest

from circulation.openlineage import names

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "lineage.md").read_text(encoding="utf-8")


def row(begins: str) -> str:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {begins} |")]
    return line.split("|")[2]


def words(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_table_of_names_says_all_that_the_code_does() -> None:
    ports = dict(re.findall(r"`(\w+)` ([0-9]+)", row("default ports, which are left out")))
    assert {scheme: str(port) for scheme, port in names.PORTS.items()} == ports
    assert names.UPPER == {*words(row("unquoted parts in capitals"))}
    assert names.LOWER == {*words(row("unquoted parts in small letters"))}
    assert names.AS_WRITTEN == {*words(row("parts as they are written"))}
    schemes = row("other schemes")
    s3, azure = schemes.split(";")
    assert {"s3a", "s3n", "s3"} == {*words(s3)}
    assert {"wasb", "wasbs", "abfs", "abfss", ".dfs."} == {*words(azure)}
    assert names.SCHEMES.keys() | {*names.SCHEMES.values(), ".dfs."} == {*words(schemes)}
    assert f"of version {names.NAMING_VERSION}" in PAGE


EXAMPLES = re.findall(r"^\| `(\S+)` \| `(\S+)` \| `(\S+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("namespace", "name", "id_"), EXAMPLES)
def test_each_example_of_a_name_is_one(namespace: str, name: str, id_: str) -> None:
    assert id_ == names.dataset_id(namespace, name)


def test_there_are_examples_of_names() -> None:
    assert 6 == len(EXAMPLES)
