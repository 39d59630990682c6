"""Compares texts and ids as a negative list does (contract §2), and tells what only looks like another text.

Two texts are one where they differ in nothing that a reader sees: they are folded by Unicode's NFKC, case-folded, and
lose what is not seen and blanks at their ends. Letters of another script that look alike stay different; of these there
are skeletons (UTS #39).
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

import regex

# Texts of which the folded form is kept: facts of assets repeat, and most are short.
KEPT_MAX: Final = 65_536
SKELETONS_KEPT_MAX: Final = 4_096

_UNSEEN: Final = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_HEXADECIMAL: Final = re.compile(r"(?<![0-9A-Za-z])0[xX][0-9A-Fa-f]+(?![0-9A-Za-z])")
# Marks of direction around what the table has from right to left.
_MARKS: Final = "\u200e\u200f"

# Scripts that are written together, by which a text counts as of one script (UTS #39, augmented script sets).
_TOGETHER: Final = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"HAN", "HANGUL"}),
    frozenset({"HAN", "BOPOMOFO"}),
)
_OF_NO_SCRIPT: Final = frozenset({"COMMON", "INHERITED", "Unknown"})


@lru_cache(KEPT_MAX)
def fold(text: str) -> str:
    """The form in which texts of entries and of facts are compared. Folding twice is folding once."""
    return fold_anew(text)


def fold_anew(text: str) -> str:
    """The same of a text that is not worth remembering."""
    if text.isascii():
        return text.lower().strip()
    # Case first of what is decomposed, and once more of what compatibility brought up (The Unicode Standard, D146).
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", _UNSEEN.sub("", text)).casefold())
    return unicodedata.normalize("NFKC", text.casefold()).strip()


def fold_id(id_: str) -> str:
    """The form in which ids are compared: as they are, and hexadecimal numbers after `0x` in lower case."""
    if not has_hexadecimal(id_):
        return id_
    return _HEXADECIMAL.sub(lambda match: match[0].lower(), id_)


def has_hexadecimal(id_: str) -> bool:
    """Whether an id may be spelled in several ways."""
    return "0x" in id_ or "0X" in id_


def is_mixed(text: str) -> bool:
    """Whether a text has letters of scripts that are not written together (UTS #39, section 5.1)."""
    if text.isascii():
        return False
    scripts = {_script(character) for character in text} - _OF_NO_SCRIPT
    return len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER)


def skeleton(text: str) -> str:
    """The skeleton that texts that look alike share (UTS #39, section 4), of texts that are folded."""
    prototypes = _prototypes()
    return "".join(prototypes.get(character, character) for character in unicodedata.normalize("NFD", text))


@lru_cache(SKELETONS_KEPT_MAX)
def skeletons(text: str) -> Sequence[str]:
    """Skeletons of a text in mixed scripts, as what it may be read, case aside; none where it is in one script.

    A letter may look like another one in one case only, so what is beyond ASCII is also taken for its look before it is
    folded.
    """
    text = _UNSEEN.sub("", text)
    if not is_mixed(text):
        return ()
    prototypes = _prototypes()
    seen = (
        character if character.isascii() else prototypes.get(character, character)
        for character in unicodedata.normalize("NFKD", text)
    )
    return tuple(dict.fromkeys((skeleton(fold(text)), skeleton(fold("".join(seen))))))


@lru_cache(KEPT_MAX)
def _script(character: str) -> str:
    # Its tables are large, and most programs never need them.
    from confusable_homoglyphs import categories

    return str(categories.alias(character))


@cache
def _prototypes() -> Mapping[str, str]:
    """By character what stands for all that look like it.

    The table pairs each character with what it looks like, both ways. One that looks like several characters together
    (`m`: `rn`) is these; of characters that look like each other the smallest stands for all.
    """
    from confusable_homoglyphs.confusables import confusables_data

    alike: dict[str, set[str]] = defaultdict(set)
    sequences: dict[str, str] = {}
    for text, lookalikes in confusables_data.items():
        for lookalike in (str(entry["c"]).strip(_MARKS) for entry in lookalikes):
            if len(character := text.strip(_MARKS)) == 1 and lookalike:
                if len(lookalike) == 1:
                    alike[character].add(lookalike)
                    alike[lookalike].add(character)
                else:
                    sequences.setdefault(character, lookalike)
    prototypes: dict[str, str] = {}
    for character in sorted(alike):
        if character not in prototypes:
            prototypes |= dict.fromkeys(_reached(character, alike), character)
    return prototypes | {
        symbol: "".join(prototypes.get(letter, letter) for letter in text) for symbol, text in sequences.items()
    }


def _reached(character: str, alike: Mapping[str, set[str]]) -> Iterator[str]:
    reached, ahead = {character}, [character]
    while ahead:
        letter = ahead.pop()
        yield letter
        ahead += alike[letter] - reached
        reached |= alike[letter]
