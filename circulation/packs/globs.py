"""Matching of many texts with many globs, without trying each with each.

Globs and texts are compared folded (`circulation.texts`). A text that fits a glob has all that the glob says outside of
its wildcards. So each glob is found by a few characters of that which few other globs of its list have, and only the
texts that have these are tried: a list of a thousand globs costs about as much as its few hits. Whether a glob fits is
told by `fnmatch`.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final

from circulation.texts import fold, skeleton, skeletons

# Characters by which globs are found: more tell more, and take longer to gather.
GRAM_CHARS: Final = 3


def _split(glob: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a glob as `fnmatch` reads it, and whether each is a wildcard."""
    piece, at = "", 0
    while at < len(glob):
        wildcard = glob[at]
        if wildcard == "[":
            end = at + 1 + (glob[at + 1 : at + 2] == "!")
            end += glob[end : end + 1] == "]"
            end = glob.find("]", end)
            if end >= 0:
                wildcard = glob[at : end + 1]
        at += len(wildcard)
        if wildcard in ("*", "?") or len(wildcard) > 1:
            yield piece, False
            yield wildcard, True
            piece = ""
        else:
            piece += wildcard
    yield piece, False


def _pieces(glob: str) -> list[str]:
    """The literal pieces of a glob between its wildcards."""
    return [piece for piece, wildcard in _split(glob) if piece and not wildcard]


def _skeleton_glob(glob: str) -> str:
    """A glob of the skeletons of what fits another one. A wildcard stands for one character of the skeleton."""
    return "".join(piece if wildcard else _escaped(skeleton(piece)) for piece, wildcard in _split(glob))


def _escaped(text: str) -> str:
    return re.sub(r"[*?\[]", r"[\g<0>]", text)


def _grams(text: str) -> Iterable[str]:
    """The pieces of a text that are as long as can be, and at most `GRAM_CHARS`."""
    size = min(GRAM_CHARS, len(text))
    return (text[at : at + size] for at in range(len(text) - size + 1))


class Globs:
    """Any of these globs, which are folded."""

    def __init__(self, globs: Iterable[str]) -> None:
        self._globs = frozenset(globs)
        grams_by_glob = {
            glob: {gram for piece in _pieces(glob) for gram in _grams(piece)} for glob in sorted(self._globs)
        }
        often = Counter(gram for grams in grams_by_glob.values() for gram in grams)
        by_gram: dict[str, list[str]] = {}
        for glob, grams in grams_by_glob.items():
            # of those that few have the longest; what says nothing is tried with every text
            best = min(grams, key=lambda gram: (often[gram], -len(gram), gram), default="")
            by_gram.setdefault(best, []).append(glob)
        self._by_gram = by_gram
        self._expressions: dict[str, re.Pattern[str]] = {}

    def _fits(self, gram: str, text: str) -> bool:
        """Whether one of the globs that are found by these characters fits a text; few are ever tried."""
        expression = self._expressions.get(gram)
        if expression is None:
            # fnmatch writes atomic groups, so no glob makes the time explode.
            alternatives = "|".join(map(fnmatch.translate, self._by_gram[gram]))
            expression = self._expressions[gram] = re.compile(alternatives)
        return expression.fullmatch(text) is not None

    def fits_any(self, texts: Sequence[str]) -> bool:
        """Whether one of the globs fits one of the texts."""
        return self._fit(tuple(map(fold, texts)))

    def resemble_any(self, texts: Sequence[str]) -> bool:
        """Whether a text in mixed scripts resembles one that one of the globs fits."""
        alike = tuple(form for text in texts if not text.isascii() for form in skeletons(text))
        return bool(alike) and self._skeletons._fit(alike)

    @cached_property
    def _skeletons(self) -> "Globs":
        return Globs(map(_skeleton_glob, self._globs))

    def _fit(self, texts: tuple[str, ...]) -> bool:
        if len(texts) * len(self._by_gram) <= SMALL_MAX:
            return any(self._fits(gram, text) for text in texts for gram in self._by_gram)
        having = _having(texts)
        return any(
            self._fits(gram, text) for gram in self._by_gram for text in (texts if gram == "" else having.get(gram, ()))
        )


# So few texts with so few globs are tried one by one.
SMALL_MAX: Final = 64


@lru_cache(maxsize=16)
def _having(texts: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """By a few characters, the texts that have them: of one asset for all entries of a list."""
    by_gram: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        grams = {text[at : at + size] for size in range(1, GRAM_CHARS + 1) for at in range(len(text) - size + 1)}
        for gram in grams:
            by_gram.setdefault(gram, []).append(text)
    return by_gram


@lru_cache(maxsize=8192)
def globs_of(globs: frozenset[str]) -> Globs:
    """Made when first asked for, since most entries name ids."""
    return Globs(globs)
