"""Reads large rule packs quickly: a part of YAML, or JSON, in a few passes of regular expressions.

libyaml hands over one event for each token, which for a pack of 100,000 entries takes two and a half times as long, and
asks for a second reading for lines. Nearly all such packs are written by a program and use little of YAML. This reader
takes that little, and answers only where it is certain; for everything else, and for everything that is wrong, it
answers with None, and `circulation.packs.yaml` reads the file with libyaml, which alone says what is wrong and where.

No library was found in its place (November 2026). rapidyaml 0.15 parses in a third of the time, but tells Python of no
lines, and to walk its tree from Python takes longer than libyaml does. yaml-rs 0.1, as fast as this, turns dates into
dates, takes anchors and tells of no lines. py-yaml12 0.2 takes twice as long, keeps the last of two equal keys, and
tells of no lines.

Accepted are block mappings and block lists, plain and quoted texts (also folded over several lines), flow lists and
mappings on one line, comments, and files that are JSON.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, NoReturn

KEY_CHARACTERS_MAX: Final = 200
# libyaml looks for the colon of a key within so many characters.
JSON_KEY_CHARACTERS_MAX: Final = 500
NESTING_MAX: Final = 16

# Characters that mean themselves to libyaml, wherever they stand. Not among them: tabs, carriage returns, the line ends
# of Unicode, marks of byte order, and what libyaml refuses as not printable.
_STRANGE: Final = re.compile(
    "[^\\n\\x20-\\x7e\\u00a1-\\u1fff\\u2010-\\u2027\\u2030-\\u205e\\u2100-\\ud7ff\\uff01-\\uffee]"
)

# The first character of a plain text here, and what may follow it: inside a flow collection, and outside of one.
_FIRST: Final = r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`.=<]|[-.](?=[\w]))"
_PLAIN: Final = _FIRST + r"[^\s:#]*+(?:(?:\ ++(?=[^\s#])|:(?=\S)|(?<=\S)\#)[^\s:#]*+)*+"
_PLAIN_IN_FLOW: Final = (
    _FIRST + r"[^\s:#?,\[\]{}]*+(?:(?:\ ++(?=[^\s#:?,\[\]{}])|:(?=[^\s?,\[\]{}])|(?<=\S)\#)[^\s:#?,\[\]{}]*+)*+"
)
_SINGLE: Final = r"'[^'\n]*+(?:''[^'\n]*+)*+'"
_DOUBLE: Final = r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"'
_KEY: Final = rf"(?:[A-Za-z_0-9][\w.\-]{{0,{KEY_CHARACTERS_MAX}}}+|\"[^\"\\\n]{{0,{KEY_CHARACTERS_MAX}}}\")"

# One line: blanks, a dash, a key, and what is left: a plain text, a quoted one, a flow collection, the beginning of a
# quoted text, or something else; then a comment. Or a comment alone.
_LINE: Final = re.compile(
    rf"(\ *+)(-\ ++)?+(?:({_KEY}):(?:\ ++|(?=\n)))?+"
    rf"(?:({_PLAIN})|({_SINGLE}|{_DOUBLE})|([\[{{][^\n]*)|([\"'][^\n]*)|([^\s#][^\n]*))?"
    r"(\ *(?<=\ )\#[^\n]*|\ *)\n|(\ *\#[^\n]*)\n|([^\n]*)\n"
)
_FLOW: Final = re.compile(rf"\ *(?:([\[\]{{}},])|({_SINGLE}|{_DOUBLE}|{_PLAIN_IN_FLOW})(:(?=\ ))?)")
_END_OF_SINGLE: Final = re.compile(r"[^']*+(?:''[^']*+)*+'(?!')")
_END_OF_DOUBLE: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"')
_ESCAPE: Final = re.compile(
    r"\\(?:([\"\\/abefnrtv0N_LP ])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))", re.DOTALL
)
_ESCAPED: Final = {
    '"': '"', "\\": "\\", "/": "/", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v", "0": "\0", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029", " ": " ",
}  # fmt: skip
# The first characters of plain texts that are something else than text: numbers, null, true, false.
_MAYBE_OTHER: Final = frozenset("-+.0123456789~ntf")


class Uncertain(Exception):
    """Something that only the whole of YAML can read. It never leaves this module."""


class Quick(NamedTuple):
    """The document, and the lines (the first is 1) of the members of each of its block containers, by `id`."""

    document: dict[str, Any]
    lines: dict[int, list[int]]


def read(raw: bytes, scalar: Callable[[str], Any], *, nodes_max: int, lined: bool = False) -> Quick | None:
    """The document of a file, or None where that is not certain; with `lined` also its lines.

    `scalar` makes a value of a plain text. A key that is given twice, and more than `nodes_max` values, are uncertain.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if _STRANGE.search(text):
        return None
    if text.count(":") + text.count(",") + text.count("\n") + 1 > nodes_max:
        return None
    try:
        if text.lstrip(" \n").startswith("{"):
            return Quick(_json(text, scalar), {})  # in which no lines are noted
        return _Reading(scalar, lined).document(text)
    except (Uncertain, RecursionError):
        return None


def _uncertain(_: object = None) -> NoReturn:
    raise Uncertain


# JSON.


def _json(text: str, scalar: Callable[[str], Any]) -> dict[str, Any]:
    if "\\" in text:
        # Of escapes JSON and YAML have their own, and of surrogates each its own opinion.
        raise Uncertain
    try:
        document = json.loads(
            text, object_pairs_hook=_once, parse_int=scalar, parse_float=scalar, parse_constant=_uncertain
        )
    except ValueError as error:
        raise Uncertain from error
    if type(document) is not dict or _deep(document):
        raise Uncertain
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) or any(len(name) > JSON_KEY_CHARACTERS_MAX for name in members):
        raise Uncertain
    return members


def _deep(document: Any) -> bool:
    """Whether it nests deeper than is read here."""
    level: list[Any] = [document]
    for _ in range(NESTING_MAX):
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)
            if type(member) is dict or type(member) is list
        ]
    return bool(level)


# YAML.


class _Reading:
    """One reading of a file, line by line."""

    def __init__(self, scalar: Callable[[str], Any], lined: bool) -> None:
        self._scalar = scalar
        self._lines: dict[int, list[int]] | None = {} if lined else None
        # Flow lists of texts that were read: many entries say the same. Each gets a list of its own.
        self._lists: dict[str, list[Any]] = {}

    def document(self, text: str) -> Quick:
        """The document; raises Uncertain."""
        if text.startswith("---\n"):
            text = "\n" + text[4:]
        if not text.endswith("\n"):
            text += "\n"
        root: dict[str, Any] = {}
        # The open block containers, each with its column; the innermost is at hand.
        stack: list[tuple[int, Any]] = []
        column = 0
        holder: Any = root
        numbers = self._opened(root)
        # The key of the innermost mapping that waits for its value, which begins on a later line.
        waiting: str | None = None
        # A plain text that later lines may go on with: the key or index of it, and what it is so far.
        plain: tuple[Any, str] | None = None
        lines = enumerate(_LINE.finditer(text), 1)
        for number, match in lines:
            indent, dash, key, flat, quoted, flow, begun, unreadable, remark, comment, strange = match.groups()
            if unreadable is not None or strange is not None:
                if strange == "":
                    plain = None
                    continue
                raise Uncertain
            if comment is not None or (flat is None and key is None and dash is None and quoted is None):
                if begun is not None or flow is not None:
                    raise Uncertain
                plain = None
                continue
            at = len(indent)
            if key is None and dash is None:
                # Nothing but a text: what a plain one goes on with.
                if plain is None or flat is None or at <= column or remark.strip():
                    raise Uncertain
                place, text_so_far = plain
                plain = (place, f"{text_so_far} {flat}")
                holder[place] = self._scalar(plain[1])
                continue
            plain = None
            if waiting is not None:
                if dash is not None and at >= column and type(holder) is dict:
                    opened: Any = []
                elif dash is None and at > column:
                    opened = {}
                else:
                    opened = None
                holder[waiting] = opened
                waiting = None
                if opened is not None:
                    stack.append((column, holder))
                    if len(stack) > NESTING_MAX:
                        raise Uncertain
                    column, holder = at, opened
                    if self._lines is not None:
                        numbers = self._opened(opened)
            while at < column or (at == column and dash is None and type(holder) is list):
                if not stack:
                    raise Uncertain
                column, holder = stack.pop()
                if self._lines is not None:
                    numbers = self._lines[id(holder)]
            if at != column or (dash is not None) is not (type(holder) is list):
                raise Uncertain
            if numbers is not None:
                numbers.append(number)
            if dash is not None and key is not None:
                item: dict[str, Any] = {}
                holder.append(item)
                stack.append((column, holder))
                column, holder = at + len(dash), item
                if self._lines is not None:
                    numbers = self._opened(item)
                    self._lines[id(item)].append(number)
            if flat is not None:
                value = self._scalar(flat) if flat[0] in _MAYBE_OTHER else flat
            elif quoted is not None:
                value = _unquoted(quoted)
            elif flow is not None:
                value = self._flow(flow)
            elif begun is not None:
                value = _unquoted(self._folded(begun, lines))
            elif key is None:
                raise Uncertain
            else:
                value = None
                waiting = key[1:-1] if key[0] == '"' else key
            if key is None:
                holder.append(value)
                key_or_index: Any = len(holder) - 1
            else:
                key_or_index = key[1:-1] if key[0] == '"' else key
                if key_or_index in holder:
                    raise Uncertain
                holder[key_or_index] = value
            if flat is not None and not remark.strip():
                plain = (key_or_index, flat)
        if not root:
            raise Uncertain
        return Quick(root, self._lines or {})

    def _opened(self, container: Any) -> list[int] | None:
        if self._lines is None:
            return None
        return self._lines.setdefault(id(container), [])

    @staticmethod
    def _folded(begun: str, lines: Iterator[tuple[int, re.Match[str]]]) -> str:
        """A quoted text over several lines, as one line that means the same."""
        ends = _END_OF_SINGLE if begun[0] == "'" else _END_OF_DOUBLE
        text, begin = begun, 1
        while (end := ends.match(text, begin)) is None:
            _, match = next(lines, (0, None))
            line = "" if match is None else match[0][:-1].lstrip(" ")
            if not line or line.startswith(("---", "...")):
                raise Uncertain
            # A line end is a blank; one that is escaped is nothing, and keeps the blanks before it.
            bare = text.rstrip(" ")
            escaped = begun[0] == '"' and (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
            if escaped and bare != text:
                raise Uncertain
            text = bare[:-1] if escaped else f"{bare} "
            begin = len(text)
            text += line
        if text[end.end() :].strip():
            raise Uncertain
        return text[: end.end()]

    def _flow(self, text: str) -> Any:
        known = self._lists.get(text)
        if known is not None:
            return known.copy()
        value, end = self._flowing(text, 0, 0)
        left = text[end:].strip()
        if left and not (left[0] == "#" and text[end] == " "):
            raise Uncertain
        if type(value) is list and all(type(item) is str for item in value):
            self._lists[text] = value.copy()
        return value

    def _flowing(self, text: str, at: int, depth: int) -> tuple[Any, int]:
        """The flow collection that begins at a place of a line, and the place behind it."""
        if depth > NESTING_MAX:
            raise Uncertain
        listed = text[at] == "["
        closing = "]" if listed else "}"
        collection: Any = [] if listed else {}
        key: str | None = None
        at += 1
        # Whether an item, or the end, may come now: not behind an item that no comma follows.
        free = True
        while True:
            match = _FLOW.match(text, at)
            if match is None:
                raise Uncertain
            mark, word, colon = match.groups()
            at = match.end()
            if mark == closing:
                if key is not None or (free and collection):
                    raise Uncertain
                return collection, at
            if mark == ",":
                if free:
                    raise Uncertain
                free = True
                continue
            if not free and key is None:
                raise Uncertain
            if mark is not None:
                if mark not in "[{":
                    raise Uncertain
                value, at = self._flowing(text, at - 1, depth + 1)
            elif colon is not None:
                if listed or key is not None:
                    raise Uncertain
                key = _unquoted(word) if word[0] in "\"'" else word
                if key in collection or len(key) > KEY_CHARACTERS_MAX:
                    raise Uncertain
                free = False
                continue
            elif word[0] in "\"'":
                value = _unquoted(word)
            else:
                value = self._scalar(word)
            if listed:
                collection.append(value)
            elif key is None:
                raise Uncertain
            else:
                collection[key] = value
                key = None
            free = False


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "'":
        return inner.replace("''", "'")
    return _ESCAPE.sub(_meant, inner) if "\\" in inner else inner


def _meant(match: re.Match[str]) -> str:
    simple, *codes, unknown = match.groups()
    if unknown is not None:
        raise Uncertain
    if simple is not None:
        return _ESCAPED[simple]
    code = int(next(code for code in codes if code), 16)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise Uncertain
    return chr(code)
