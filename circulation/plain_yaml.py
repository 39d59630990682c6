"""YAML as in JSON, with nicer quotes: the one reader of YAML that people write, packs as well as files of sources.

Plain scalars are null, true, false, numbers or texts, so that a date stays the text that an event would hold, and the
mode `off` does not become false. A key given twice and tags are refused, and so is what passes the limits.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

NESTING_MAX: Final = 64

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_CHARACTERS_SHOWN: Final = 60


class NoYaml(ValueError):
    """A text that is no YAML; `line` is where that was seen, the first being 1, None where nobody can say."""

    def __init__(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None)
        self.line = None if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        place = "" if self.line is None else f"line {self.line}: "
        super().__init__(f"{place}is no YAML: {problem}")


def brief(value: object) -> str:
    """A value as a problem shows it, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[: _CHARACTERS_SHOWN - 3]}…"


def scalar(text: str) -> Any:
    """The value of a plain text: null, true, false, a number, or itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def events(raw: bytes) -> Iterator[Any]:
    """The parser's events, as PyYAML has them. Raises `NoYaml`."""
    try:
        yield from yaml.parse(raw, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise NoYaml(error) from error


def compose(raw: bytes, problems: list[str], *, nodes_max: int, aliases: bool = False, plain_keys: bool = False) -> Any:
    """Build the document from the parser's events: no recursion, and nothing is kept that is not asked for.

    `problems` gets what is refused, with its line; where there are any the answer means nothing. `aliases` are taken
    where that is said. Keys are texts; with `plain_keys` plain ones are read as values are, so that it is seen that
    somebody wrote a number. Raises `NoYaml`.
    """
    document: Any = None
    documents = 0
    nodes = 0
    named: dict[str, Any] = {}
    # The containers that are open, each with the key that waits for its value.
    stack: list[tuple[Any, list[Any]]] = []

    def refuse(event: Any, rule: str) -> None:
        problems.append(f"line {event.start_mark.line + 1}: {rule}")

    event: Any
    for event in events(raw):
        kind = type(event)
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            continue
        if kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                refuse(event, "a second document")
                return None
            continue
        is_alias = kind is yaml.AliasEvent
        if is_alias and (not aliases or event.anchor not in named):
            refuse(event, "nothing bears the name of this alias" if aliases else "aliases are not taken")
            return None
        if not is_alias and kind not in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            continue
        nodes += 1
        if nodes > nodes_max:
            refuse(event, f"more than {nodes_max} values")
            return None
        if not is_alias and event.anchor is not None and not aliases:
            refuse(event, "anchors are not taken")
        if not is_alias and event.tag is not None:
            refuse(event, "tags are not taken")

        holder: Any
        holder, waiting = stack[-1] if stack else (None, [_NO_KEY])
        as_key = type(holder) is dict and waiting[0] is _NO_KEY
        if kind is yaml.ScalarEvent:
            value = scalar(event.value) if event.implicit[0] and (plain_keys or not as_key) else event.value
        elif is_alias:
            value = named[event.anchor]
        elif as_key:
            refuse(event, "a key must be a text")
            return None
        else:
            value = {} if kind is yaml.MappingStartEvent else []
        if not is_alias and event.anchor is not None:
            named[event.anchor] = value

        if as_key:
            if type(value) in (dict, list):
                refuse(event, "a key must be a text")
                return None
            if value in holder:
                refuse(event, f"the key {brief(value)} is given twice")
            waiting[0] = value
            continue
        if type(holder) is dict:
            holder[waiting[0]] = value
            waiting[0] = _NO_KEY
        elif type(holder) is list:
            holder.append(value)
        else:
            document = value
        if kind is not yaml.ScalarEvent and not is_alias:
            if len(stack) >= NESTING_MAX:
                refuse(event, f"more than {NESTING_MAX} levels deep")
                return None
            stack.append((value, [_NO_KEY]))
    return document


_NO_KEY: Final = object()
