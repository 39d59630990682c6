"""Rule packs as data: the shipped default, others beside it, and what each of their entries must find.

`beijing` is in force where no other is given. `cases/NAME.yaml` has examples for every entry of pack `NAME`, and
`law.yaml` the articles that the rules rest on.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import msgspec

from circulation.packs.entry import ACTIONS
from circulation.packs.yaml import load_yaml

DEFAULT: Final = "beijing"
NAMES: Final = (DEFAULT, "shenzhen", "beijing-ftz")

Facts = dict[str, Any]


def shipped(name: str = DEFAULT) -> bytes:
    """The YAML of a pack of `NAMES`, also when it lies in an installed wheel."""
    return read(f"{name}.yaml")


def read(path: str) -> bytes:
    """A file of this folder."""
    return files(__name__).joinpath(*path.split("/")).read_bytes()


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One act on one asset, and what the entry must say of it: `match`, `needs-info`, or None for nothing.

    `facts` are what the asset has in place of a plain one's. `grants` are held by who acts. With `irreversible`, what
    is acted on was derived from the asset by a model that keeps nothing of it. `offset_days` is from `since`.
    """

    action: str
    facts: Facts
    verdict: str | None
    grants: tuple[str, ...] = ()
    irreversible: bool = False
    offset_days: int = 0


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of an entry, said apart from it: a slip in either is a difference.

    An asset with the facts of `found` is found, and so it is with each value of `also` in place of one of them;
    `silent` are near misses, and of `asks` it cannot be told. All that is said of the first action of `actions` holds
    of the others, and nothing is said of actions that are left out. `satisfied_by` are the kinds of grant that each
    by itself satisfy it, a `red_line` is one that no model takes away, and before `since` there is nothing.
    """

    disposition: str
    actions: tuple[str, ...]
    red_line: bool
    since: str
    found: Facts
    silent: tuple[Facts, ...]
    satisfied_by: tuple[str, ...] = ()
    also: dict[str, tuple[Any, ...]] = {}
    asks: tuple[Facts, ...] = ()

    def examples(self, kinds: tuple[str, ...]) -> Iterator[Example]:
        """All of it, act by act; `kinds` are all kinds of grant there are."""
        first = self.actions[0]
        for action in ACTIONS:
            yield Example(action=action, facts=self.found, verdict="match" if action in self.actions else None)
        for name, values in self.also.items():
            for value in values:
                listed = isinstance(self.found[name], list)
                yield Example(action=first, facts=self.found | {name: [value] if listed else value}, verdict="match")
        for facts in self.silent:
            yield Example(action=first, facts=facts, verdict=None)
        for facts in self.asks:
            yield Example(action=first, facts=facts, verdict="needs-info")
        for kind in self.satisfied_by:
            yield Example(action=first, facts=self.found, verdict=None, grants=(kind,))
        others = tuple(kind for kind in kinds if kind not in self.satisfied_by)
        yield Example(action=first, facts=self.found, verdict="match", grants=others)
        derived = "match" if self.red_line else None
        yield Example(action=first, facts=self.found, verdict=derived, irreversible=True)
        yield Example(action=first, facts=self.found, verdict=None, offset_days=-1)


def expectations(name: str = DEFAULT) -> dict[str, Expected]:
    """What is expected of each entry of a pack of `NAMES`, by the entry's id."""
    return msgspec.convert(load_yaml(read(f"cases/{name}.yaml")), dict[str, Expected])
