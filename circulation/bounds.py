"""Bounds of what leaves: a text, a list and a whole of anything that is sent have a limit with a name.

Items beyond a limit become a number: `path` of 5,700 assets becomes its first 1,000 and `path_left_out`: 4,700. Below
the limits nothing changes. How all of it is asked for is in docs/limits.md.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

# Items of one list, or members of one mapping, at any depth.
ITEMS_MAX: Final = 1_000
# One text: longer than any id, title or name may be.
TEXT_CHARACTERS_MAX: Final = 4_096
# All of one mapping as JSON: with what is around it, it is smaller than one event that comes in may be (1 MiB).
BYTES_MAX: Final = 512 * 1024
# Ids are not cut while lists have more items than this.
ITEMS_FEW: Final = 100
# How the number of what was left out is called.
LEFT_OUT: Final = "_left_out"
CUT: Final = "…"

# One character is at least a byte, and at most six, as an escape.
_CHARACTER_BYTES_MAX: Final = 6
# Quotes and a comma or a colon: at least two bytes, and at most these.
_AROUND_BYTES_MIN, _AROUND_BYTES_MAX = 2, 4


def shortened(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """A text of so many characters at most; one that is longer ends with `…`."""
    return text if len(text) <= characters_max else text[: characters_max - len(CUT)] + CUT


def bounded(members: Mapping[str, Any], bytes_max: int = BYTES_MAX) -> dict[str, Any]:
    """The members of something that is sent, each list and mapping in them with its first items only.

    The number of items that a member lost, at whatever depth, is in a member beside it: `NAME_left_out`. Where the
    whole is still more than `bytes_max` bytes, lists are halved until it is not; where they are short, texts too.
    """
    if _small(members) or _short(members):
        return dict(members)
    items_max, characters_max = ITEMS_MAX, TEXT_CHARACTERS_MAX
    while True:
        cut = _Cut(items_max, characters_max, bytes_max)
        try:
            sent = cut.members(members)
        except _TooMuch:
            if items_max == 1 and characters_max == len(CUT):
                raise ValueError(f"more than {bytes_max} bytes in the names of members alone") from None
        else:
            if cut.most <= bytes_max or bytes_of(sent) <= bytes_max:
                return sent
        items_max = max(1, items_max // 2)
        if items_max < ITEMS_FEW:
            characters_max = max(len(CUT), characters_max // 2)


def _small(members: Mapping[str, Any]) -> bool:
    """Whether it is so short and flat that nothing in it can be beyond a limit, as most evidence is."""
    if len(members) > ITEMS_FEW:
        return False
    for value in members.values():
        if isinstance(value, str):
            if len(value) > TEXT_CHARACTERS_MAX // ITEMS_FEW:
                return False
        elif value is not None and not isinstance(value, int | float):
            return False
    return True


def _short(members: Mapping[str, Any]) -> bool:
    """Whether all of it, at whatever depth, is shorter than any list or text that has a limit.

    It reads no more than that much: how large the whole is, and how often a part of it comes again, costs nothing.
    """
    room = min(ITEMS_MAX, TEXT_CHARACTERS_MAX)
    left: list[Any] = [members]
    while left:
        value = left.pop()
        room -= len(value) if isinstance(value, str | Mapping | list | tuple) else 1
        if room < 0:
            return False
        if isinstance(value, Mapping):
            left.extend(value.values())
            room -= sum(map(len, map(str, value)))
        elif isinstance(value, list | tuple):
            left.extend(value)
    return True


def bytes_of(document: Mapping[str, Any]) -> int:
    """How many bytes it takes as JSON, blanks included."""
    return len(json.dumps(document, ensure_ascii=False).encode())


class _TooMuch(Exception):
    """More than there is room for, whatever the characters are: no need to go on."""


class _Cut:
    """One try with certain limits; `least` and `most` are between which the bytes of what was kept are."""

    def __init__(self, items_max: int, characters_max: int, bytes_max: int) -> None:
        self._items_max, self._characters_max, self._bytes_max = items_max, characters_max, bytes_max
        self.least = self.most = 0

    def members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping whose members all stay, each with the number that it lost beside it."""
        kept: dict[str, Any] = {}
        for name, value in members.items():
            self._count(len(name))
            kept[name], left_out = self._value(value)
            if left_out:
                self._count(len(name) + len(LEFT_OUT) + len(str(left_out)))
                kept[name + LEFT_OUT] = left_out
        return kept

    def _count(self, characters: int) -> None:
        self.least += characters + _AROUND_BYTES_MIN
        self.most += characters * _CHARACTER_BYTES_MAX + _AROUND_BYTES_MAX
        if self.least > self._bytes_max:
            raise _TooMuch

    def _value(self, value: Any) -> tuple[Any, int]:
        """A value with what it may keep, and how many items were left out in it."""
        if isinstance(value, str):
            kept = shortened(value, self._characters_max)
            self._count(len(kept))
            return kept, 0
        if isinstance(value, Mapping):
            names = list(value)[: self._items_max]
            left_out = len(value) - len(names)
            inner: dict[Any, Any] = {}
            self._count(0)
            for name in names:
                self._count(len(str(name)))
                inner[name], more = self._value(value[name])
                left_out += more
            return inner, left_out
        if isinstance(value, list | tuple):
            left_out = max(0, len(value) - self._items_max)
            items = []
            self._count(0)
            for item in value[: self._items_max]:
                kept, more = self._value(item)
                items.append(kept)
                left_out += more
            return items, left_out
        self._count(len(str(value)))
        return value, 0
