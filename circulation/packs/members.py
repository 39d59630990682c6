"""Reads the members of a pack's objects: each of its type, within its limits, or a problem with its place."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, TypeVar

from circulation.calendar import parse_instant
from circulation.identifiers import ID_LENGTH_MAX
from circulation.near import did_you_mean, hint, slips_of
from circulation.packs.problems import JSON_TYPES, PROBLEMS_MAX, Problem, name_in_path, type_name
from circulation.plain_yaml import brief
from circulation.words import many

IDS_MAX = 200_000
TEXT_CHARS_MAX = 4_000
T = TypeVar("T")


@lru_cache(maxsize=4096)
def instant_of(text: str) -> int | None:
    """The instant (µs) of a text, remembered: many entries begin with their law. None where it is none."""
    try:
        return parse_instant(text)
    except ValueError:
        return None


class Members:
    """Reads members of objects. It goes on after a problem, so that all of them are found at once.

    A member without meaning is refused when `strict`; else, with `slips`, only a slip of an absent member.
    """

    def __init__(self, root: str, strict: bool, slips: bool = False) -> None:
        self.root = root
        self.strict = strict
        self.slips = slips
        self.problems: list[Problem] = []
        self.ignored: list[str] = []
        self._left_out = 0

    def problem(self, path: str, rule: str, kind: str = "invalid") -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(path, rule, kind))
        else:
            self._left_out += 1

    def listed(self) -> list[Problem]:
        more = [Problem(self.root, many(self._left_out, "more problem"))] if self._left_out else []
        return self.problems + more

    def pointless(self, path: str, rule: str, kind: str = "invalid") -> None:
        """Note a member without meaning: refused when strict."""
        if self.strict:
            self.problem(path, rule, kind)
        elif len(self.ignored) < PROBLEMS_MAX:
            self.ignored.append(path)

    def known_only(
        self, value: dict[str, Any], path: str, members: Collection[str], present: Collection[str] = ()
    ) -> None:
        """Find the members that nobody knows. `present` are members that are there as well, and read elsewhere."""
        if all(map(members.__contains__, value)):
            return
        absent = frozenset(name for name in members if value.get(name) is None) - {*present}
        for name, member in value.items():
            if name in members:
                continue
            slips = slips_of(absent).of(name) if self.slips and member is not None else []
            where = f"{path}.{name_in_path(name)}"
            if slips:
                self.problem(where, f"is not known{did_you_mean(slips)}", "unknown")
            else:
                meant = hint(name, members) if self.strict else ""
                self.pointless(where, f"is not known{meant}", "unknown")

    def typed(self, holder: dict[str, Any], name: str, path: str, kind: type[T], *, required: bool = False) -> T | None:
        """A member of exactly this type, or None."""
        value = holder.get(name)
        if value is None:
            if required:
                self.problem(f"{path}.{name}", "is required", "missing")
            return None
        if type(value) is not kind:
            hint = "; write it in quotes" if kind is str and type(value) in (int, float, bool) else ""
            self.problem(f"{path}.{name}", f"Expected `{JSON_TYPES[kind]}`, got `{type_name(value)}`{hint}")
            return None
        return value

    def fits(self, value: object, path: str, chars_max: int) -> bool:
        """Whether it is a printable text of 1 to `chars_max` characters."""
        if type(value) is not str:
            hint = "; write it in quotes" if type(value) in (int, float, bool) else ""
            self.problem(path, f"Expected `str`, got `{type_name(value)}`{hint}")
        elif not 1 <= len(value) <= chars_max or not value.isprintable():
            self.problem(path, f"must be 1 to {chars_max} printable characters, got {brief(value)}")
        else:
            return True
        return False

    def text(
        self, holder: dict[str, Any], name: str, path: str, chars_max: int, *, required: bool = False
    ) -> str | None:
        value = holder.get(name)
        if type(value) is str and 1 <= len(value) <= chars_max and value.isprintable():
            return value
        value = self.typed(holder, name, path, str, required=required)
        return value if value is not None and self.fits(value, f"{path}.{name}", chars_max) else None

    def texts(
        self,
        holder: dict[str, Any],
        name: str,
        path: str,
        *,
        chars_max: int = ID_LENGTH_MAX,
        items_max: int = IDS_MAX,
        one_of: Collection[str] | None = None,
        single: bool = False,
        required: bool = False,
    ) -> list[str] | None:
        """A list of texts; with `single` one text alone will do, with `one_of` only these; None where absent."""
        value = holder.get(name)
        if value is None and not required:
            return None
        if single and type(value) is str:
            holder = {name: [value]}
        items = self.typed(holder, name, path, list, required=required)
        if items is None:
            return None
        path = f"{path}.{name}"
        if len(items) > items_max:
            self.problem(path, f"must have at most {items_max} items, got {len(items)}")
            return []
        if not items:
            if required:
                self.problem(path, "must have at least one item", "missing")
            return []
        if one_of is not None:
            good = [item for item in items if type(item) is str and item in one_of]
            if len(good) < len(items):
                for index, item in enumerate(items):
                    if type(item) is not str or item not in one_of:
                        self.problem(f"{path}[{index}]", f"must be one of {', '.join(one_of)}, got {brief(item)}")
            return good
        good = [item for item in items if type(item) is str and 1 <= len(item) <= chars_max and item.isprintable()]
        if len(good) < len(items):
            for index, item in enumerate(items):
                self.fits(item, f"{path}[{index}]", chars_max)
        return good

    def choice(self, holder: dict[str, Any], name: str, path: str, one_of: Collection[str]) -> str | None:
        value = holder.get(name)
        if type(value) is str and value in one_of:
            return value
        value = self.typed(holder, name, path, str, required=True)
        if value is not None:
            self.problem(f"{path}.{name}", f"must be one of {', '.join(one_of)}, got {brief(value)}")
        return None

    def instant(self, holder: dict[str, Any], name: str, path: str, *, required: bool = False) -> int | None:
        text = self.typed(holder, name, path, str, required=required)
        if text is None:
            return None
        instant = instant_of(text)
        if instant is None:
            self.problem(f"{path}.{name}", f"must be a date, or an RFC 3339 instant with an offset, got {brief(text)}")
        return instant

    def validity(self, holder: dict[str, Any], path: str) -> tuple[int, int | None]:
        start = self.instant(holder, "valid_from", path, required=True)
        end = self.instant(holder, "valid_to", path) if "valid_to" in holder else None
        if start is not None and end is not None and end <= start:
            rule = f"must be after valid_from, got {brief(holder['valid_to'])}"
            self.problem(f"{path}.valid_to", rule, "never-valid")
        return start or 0, end
