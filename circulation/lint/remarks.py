"""The remarks of lint, and their subjects."""

from typing import Final, Literal, NamedTuple

Level = Literal["error", "warning"]

# The subject of a remark; docs/packs.md says what each means.
KINDS: Final = (
    "invalid",
    "unknown",
    "missing",
    "overlap",
    "never-valid",
    "never-matches",
    "everything",
    "no-effect",
    "order",
    "out-of-range",
    "approvers",
    "to-verify",
)


class Remark(NamedTuple):
    """One thing that lint says: the place as a path, a sentence that names the value and the rule, and its kind."""

    level: Level
    kind: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"
