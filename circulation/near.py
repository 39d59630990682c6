"""Suggestions for errors: words near to one that is not there."""

import difflib
import functools
from collections.abc import Iterable, Sequence
from typing import Final

SHOWN_MAX: Final = 3
# Below it people see no likeness any more.
LIKENESS_MIN: Final = 0.6
# Of a longer name only the beginning is told.
NAME_LENGTH_MAX: Final = 64
KNOWN_KEPT_MAX: Final = 4_096


def near(word: str, known: Iterable[str]) -> list[str]:
    """The known words that are most like this one, upper and lower case being the same; the most alike first."""
    folded: dict[str, str] = {}
    for candidate in sorted(known):
        folded.setdefault(candidate.casefold(), candidate)
    matches = difflib.get_close_matches(word.casefold(), list(folded), SHOWN_MAX, LIKENESS_MIN)
    return [folded[match] for match in matches]


def did_you_mean(names: Sequence[str]) -> str:
    """`; did you mean a, or b?`, or nothing where there is nothing to name."""
    return f"; did you mean {', or '.join(names)}?" if names else ""


def hint(word: str, known: Iterable[str]) -> str:
    """`; did you mean a, or b?` of the known words that are near, or nothing."""
    return did_you_mean(near(word, known))


class Slips:
    """Words of which others may be a slip: a letter more, less or other, or two neighbours exchanged.

    Case, `_` and `-` are no letters here: `usesMax` is `uses_max`. An event may bear 100,000 names, so what they may be
    meant for is looked up: two words that are one slip apart are the same once at most one letter of each is left out.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known: dict[str, list[tuple[str, str]]] = {}
        self._length_max = 0
        for name in sorted(known):
            letters = _letters(name)
            self._length_max = max(self._length_max, len(letters) + 1)
            for variant in {letters, *(letters[:at] + letters[at + 1 :] for at in range(len(letters)))}:
                self._known.setdefault(variant, []).append((letters, name))

    def of(self, word: str) -> list[str]:
        """The known words, sorted, that this one is a slip of."""
        letters = _letters(word)
        if len(letters) > self._length_max:
            return []
        known = self._known.get
        slips = set(known(letters, ()))
        for at in range(len(letters)):
            if (names := known(letters[:at] + letters[at + 1 :])) is not None:
                slips.update(names)
        return (
            sorted(name for other_letters, name in slips if _within_one_edit(letters, other_letters)) if slips else []
        )


@functools.lru_cache(KNOWN_KEPT_MAX)
def slips_of(known: frozenset[str]) -> Slips:
    """The same for words that are asked about again and again."""
    return Slips(known)


def named(word: str) -> str:
    """A name as an error names it: its beginning where it is long."""
    return word if len(word) <= NAME_LENGTH_MAX else word[:NAME_LENGTH_MAX] + "…"


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean a?` of the known words that are one slip away, else of those that are near, or nothing."""
    names = list(known)
    return did_you_mean(Slips(names).of(word)) or hint(word, names)


def _letters(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "")


def _within_one_edit(word: str, candidate: str) -> bool:
    shorter, longer = (word, candidate) if len(word) <= len(candidate) else (candidate, word)
    more = len(longer) - len(shorter)
    if more > 1:
        return False
    at = next((at for at, (left, right) in enumerate(zip(shorter, longer, strict=False)) if left != right), None)
    if at is None:
        return True
    if more:
        return shorter[at:] == longer[at + 1 :]
    if shorter[at + 1 :] == longer[at + 1 :]:
        return True
    return shorter[at : at + 2] == longer[at : at + 2][::-1] and shorter[at + 2 :] == longer[at + 2 :]
