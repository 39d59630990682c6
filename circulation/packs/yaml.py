"""Reads packs from YAML, a part of it that means what JSON means, and finds the lines of what is told of them."""

from collections.abc import Collection
from typing import Any, NamedTuple

import yaml

from circulation import plain_yaml
from circulation.packs import quick_yaml
from circulation.packs.problems import PROBLEMS_MAX, PackInvalid, name_in_path, type_name

YAML_BYTES_MAX = 64 * 1024 * 1024
YAML_NODES_MAX = 8_000_000

# From this size on a file is tried by the reader that is quick, and knows little of YAML.
QUICK_BYTES_MIN = 256 * 1024


class Written(NamedTuple):
    """A YAML file: the one mapping that it holds, and where that stands, as far as it was noted on the way."""

    raw: bytes
    document: dict[str, Any]
    quick: quick_yaml.Quick | None = None


def load_yaml(raw: bytes) -> dict[str, Any]:
    """The one mapping of a YAML file, as plain JSON values; see `read_yaml`."""
    return read_yaml(raw).document


def read_yaml(raw: bytes, *, lined: bool = False) -> Written:
    """Read a YAML file; with `lined` so that `lines_of` need not read a long one again.

    It means what `circulation.plain_yaml` says. Keys are texts; anchors and aliases are refused.

    Raises `PackInvalid`.
    """
    if len(raw) > YAML_BYTES_MAX:
        raise PackInvalid([f"$: must be at most {YAML_BYTES_MAX} bytes, got {len(raw)}"])
    if len(raw) >= QUICK_BYTES_MIN:
        quick = quick_yaml.read(raw, plain_yaml.scalar, nodes_max=YAML_NODES_MAX, lined=lined)
        if quick is not None:
            return Written(raw, quick.document, quick if lined and quick.lines else None)
    problems: list[str] = []
    try:
        document = plain_yaml.compose(raw, problems, nodes_max=YAML_NODES_MAX)
    except plain_yaml.NoYaml as error:
        raise PackInvalid([f"$: {problem}" for problem in [*problems, str(error)]]) from error
    if problems:
        raise PackInvalid([f"$: {problem}" for problem in problems[:PROBLEMS_MAX]])
    if type(document) is not dict:
        raise PackInvalid([f"$: Expected `object`, got `{type_name(document)}`"])
    return Written(raw, document)


def lines_of(written: Written, paths: Collection[str]) -> dict[str, int]:
    """The lines of a YAML file, the first being 1, at which these paths begin: `$.negative_list[2].match`.

    Of a path that is not there it is the line of the nearest thing around it.
    """
    if not paths:
        return {}
    if b"\n" not in written.raw.rstrip():
        return dict.fromkeys(paths, 1)
    wanted = {path: _around(path) for path in paths}
    lines = {"$": 1}
    seen = {place for around in wanted.values() for place in around}
    if written.quick is not None:
        lines |= _lines_of(written.quick, seen)
        return {path: next(lines[place] for place in around if place in lines) for path, around in wanted.items()}
    # Of each open container its path and, of a list the index of the next item, of a mapping the waiting key.
    stack: list[list[Any]] = []
    event: Any
    for event in plain_yaml.events(written.raw):
        kind = type(event)
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            continue
        if kind not in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            continue
        path, line = "$", event.start_mark.line + 1
        if stack:
            holder = stack[-1]
            path, is_mapping, at = holder
            if is_mapping and at is None:
                holder[2] = (event.value, line)
                continue
            if is_mapping:
                name, line = at
                path, holder[2] = f"{path}.{name_in_path(name)}", None
            else:
                path, holder[2] = f"{path}[{at}]", at + 1
        if path in seen:
            lines[path] = line
        if kind is not yaml.ScalarEvent:
            is_mapping = kind is yaml.MappingStartEvent
            stack.append([path, is_mapping, None if is_mapping else 0])
    return {path: next(lines[place] for place in around if place in lines) for path, around in wanted.items()}


def _lines_of(quick: quick_yaml.Quick, seen: Collection[str]) -> dict[str, int]:
    """The lines of those places of a document that are asked for."""
    line_of: dict[str, int] = {}
    open_: list[tuple[str, Any, int]] = [("$", quick.document, 1)]
    while open_:
        path, container, own_line = open_.pop()
        # Members of a flow collection are on its line.
        lines = quick.lines.get(id(container)) or [own_line] * len(container)
        members = container.items() if type(container) is dict else enumerate(container)
        for line, (name, member) in zip(lines, members, strict=True):
            place = f"{path}.{name_in_path(name)}" if type(name) is str else f"{path}[{name}]"
            if place in seen:
                line_of[place] = line
                if type(member) is dict or type(member) is list:
                    open_.append((place, member, line))
    return line_of


def _around(path: str) -> list[str]:
    """A path and all that it lies in, the nearest first."""
    paths = [path]
    while path != "$":
        path = path[: max(path.rfind("."), path.rfind("["), 1)]
        paths.append(path)
    return paths
