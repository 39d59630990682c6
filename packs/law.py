"""The law by article, as `law.yaml` has it, and how a citation names an article of it."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from circulation.packs.yaml import load_yaml
from packs import read

WHOLE: Final = "all"
# What a rule of the platform itself rests on, where no law asks for it.
CONTRACT: Final = "contract only"

_PARAGRAPHS = re.compile(r"第[\d、]+[款项]")
_ANNEX = re.compile(r"附录[A-Z]\.\d+")
_HAN = re.compile(r"^[（(]([一二三四五六七八九十]+)[)）]")
_DIGITS = "一二三四五六七八九"
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


class Article(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One article: what it is about; and where neither detector nor entry names it, what answers it or why nothing."""

    about: str
    by: str | None = None
    open: str | None = None


class Instrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statute, a standard, an opinion; `seen` is a mark of provenance, `short` another name that is cited."""

    name: str
    short: str = ""
    seen: str
    articles: dict[str, Article]


class Number(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of the negative list that is no entry: which detectors stand for it, and why it is none."""

    about: str
    detectors: tuple[str, ...]
    why: str


class Law(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `law.yaml` has: instruments by name, and numbers without an entry."""

    instruments: dict[str, Instrument]
    numbers: dict[str, Number]

    def cited(self, citation: str) -> list[tuple[str, str]]:
        """The (instrument, article) that a citation names: `数据安全法 第31、46条`, `GB/T 37932-2025 附录A.1 d)`.

        Paragraphs and items are left out, and without an article the whole is meant. Raises `ValueError` where the
        law has no such instrument.
        """
        known = {name: one.name for one in self.instruments.values() for name in (one.name, one.short) if name}
        names = [name for name in known if citation == name or citation.startswith(name + " ")]
        if not names:
            raise ValueError(f"packs/law.yaml has no instrument of {citation!r}")
        name = max(names, key=len)
        rest = citation[len(name) :].strip()
        return [(known[name], article) for article in _articles(rest)]


def _articles(rest: str) -> Iterable[str]:
    annex = _ANNEX.match(rest)
    if annex is not None:
        return [annex.group()]
    han = _HAN.match(rest)
    if han is not None:
        return [str(_number(han.group(1)))]
    return _NUMBER.findall(_PARAGRAPHS.sub("", rest)) or [rest or WHOLE]


def _number(han: str) -> int:
    """A number up to ninety-nine: `十二` is 12."""
    tens, ten, ones = han.rpartition("十")
    return (10 * (_DIGITS.index(tens) + 1 if tens else 1) if ten else 0) + (_DIGITS.index(ones) + 1 if ones else 0)


@cache
def law() -> Law:
    """The law, read once."""
    data = load_yaml(read("law.yaml"))
    instruments = {}
    for one in data["instruments"]:
        articles = {name: _article(given) for name, given in one["articles"].items()}
        instruments[one["name"]] = msgspec.convert(one | {"articles": articles}, Instrument)
    return Law(instruments=instruments, numbers=msgspec.convert(data["numbers"], dict[str, Number]))


def _article(given: Any) -> Mapping[str, Any]:
    return MappingProxyType(given if isinstance(given, dict) else {"about": given})
