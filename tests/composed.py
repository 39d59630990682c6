"""The compose file as Docker would read it: merges resolved, variables put in. No engine runs it here."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "deploy" / "compose" / "example.env"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
PASSWORDS = {"STORE_PASSWORD": "stored1", "READER_PASSWORD": "read1", "GRAFANA_PASSWORD": "looked1"}


class Unset(Exception):
    """A variable that must be set is not."""


def variables() -> dict[str, str]:
    """What somebody has in `.env` who copied the example and chose passwords."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    assert dict.fromkeys(PASSWORDS, "") == {name: given[name] for name in PASSWORDS}
    return given | PASSWORDS


def put_in(value: Any, given: Mapping[str, str]) -> Any:
    """A value of the file with its variables put in, as compose does: `${A}`, `${A:-default}`, `${A:?why}`."""
    if isinstance(value, dict):
        return {name: put_in(one, given) for name, one in value.items()}
    if isinstance(value, list):
        return [put_in(one, given) for one in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        name, how, rest = match.groups()
        if given.get(name):
            return given[name]
        if how == "?":
            raise Unset(f"{name}: {rest}")
        return rest or ""

    return VARIABLE.sub(found, value)


def composed(given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole file."""
    return put_in(yaml.safe_load(FILE.read_text()), variables() if given is None else given)
