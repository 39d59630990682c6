"""What somebody may have meant: words near to one that is not there, for errors that help."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

SHOWN_MAX: Final = 3
# Below it people see no likeness any more.
LIKENESS_MIN: Final = 0.6


def near(word: str, known: Iterable[str]) -> list[str]:
    """The known words that are most like this one, upper and lower case being the same; the most alike first."""
    folded: dict[str, str] = {}
    for one in sorted(known):
        folded.setdefault(one.casefold(), one)
    found = difflib.get_close_matches(word.casefold(), list(folded), SHOWN_MAX, LIKENESS_MIN)
    return [folded[one] for one in found]


def did_you_mean(names: Sequence[str]) -> str:
    """`; did you mean a, or b?`, or nothing where there is nothing to name."""
    return f"; did you mean {', or '.join(names)}?" if names else ""


def hint(word: str, known: Iterable[str]) -> str:
    """`; did you mean a, or b?` of the known words that are near, or nothing."""
    return did_you_mean(near(word, known))
