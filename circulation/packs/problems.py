"""The problems of a pack, and how values and places are written in them."""

from collections.abc import Iterable
from typing import NamedTuple

from circulation.identifiers import ID_LENGTH_MAX
from circulation.plain_yaml import brief

PROBLEMS_MAX = 1_000
PROBLEMS_SHOWN_MAX = 20


class Problem(NamedTuple):
    """Something wrong with a pack: where, the rule broken, which names the value, and the kind of rule."""

    path: str
    rule: str
    kind: str = "invalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


class PackInvalid(ValueError):
    """A pack that cannot take effect. `problems` are all of them in words, `found` those that have a path."""

    def __init__(self, problems: Iterable[str | Problem]) -> None:
        listed = list(problems)
        self.found = tuple(problem for problem in listed if isinstance(problem, Problem))
        self.problems = [str(problem) for problem in listed]
        shown = self.problems[:PROBLEMS_SHOWN_MAX]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more")
        super().__init__("; ".join(shown))


JSON_TYPES = {str: "str", bool: "bool", int: "int", float: "float", dict: "object", list: "array", type(None): "null"}


def type_name(value: object) -> str:
    """The type of a value as JSON calls it."""
    return JSON_TYPES.get(type(value), type(value).__name__)


def name_in_path(name: str) -> str:
    """A member's name for a path: what somebody else wrote must not break the line."""
    return name if len(name) <= ID_LENGTH_MAX and name.isprintable() else brief(name)
