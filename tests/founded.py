"""Whether a summary says no more than the finding has: each number, id and instant is in its members (contract §4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from circulation import words
from circulation.examples import Json

HAN: Final = re.compile(r"[\u4e00-\u9fff]")
DIGIT: Final = re.compile(r"\d")
NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
# What values of the contract are called in it and in English.
ENGLISH: Final = {
    one
    for group in vars(words).values()
    if isinstance(group, Mapping)
    for name, word in group.items()
    if isinstance(word, words.Word) and word.zh != word.en
    for one in (name.replace("_", "-"), word.en)
}
WORDS: Final = re.compile(r"[^\s,;()（），、。；：“”\u4e00-\u9fff]+")
BETWEEN: Final = re.compile(r"[\s,;()（），、。；：:“”]+")


def ids_of(events: Sequence[Json]) -> set[str]:
    """The ids that events name: what they are about, and texts of their data that are no plain words."""
    return {one for event in events for one in texts_of(event) if DIGIT.search(one) and not NUMBER.fullmatch(one)} | {
        event["subject"] for event in events if len(event.get("subject", "")) > 1
    }


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a value, at any depth, names of members too, and its numbers as texts."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from texts_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_of(one)
    elif value is not None:
        yield str(value)


def unfounded(finding: Json, named: set[str]) -> list[str]:
    """The numbers, ids and instants of both summaries that are not in evidence, about or party (contract §4).

    A number may be rounded, or be a share that is shown in per cent.
    """
    founded = {*texts_of([finding["evidence"], finding["about"]["id"], finding.get("party")])}
    numbers = [number for one in founded for number in numbers_of(one)]
    found = []
    for member in ("summary", "summary_zh"):
        text = finding[member]
        for one in sorted(founded, key=len, reverse=True):
            if len(one) > 1 and DIGIT.search(one) and not NUMBER.fullmatch(one):
                text = text.replace(one, " ")
        found += [f"{member}: {one}" for one in sorted(named - founded) if one in BETWEEN.split(text)]
        shown = (one for one in NUMBER.findall(text))
        found += [f"{member}: {one}" for one in shown if not any(rounds_to(number, one) for number in numbers)]
    return found


def numbers_of(text: str) -> Iterator[Fraction]:
    """The numbers in a text, and a fraction as one."""
    if re.fullmatch(r"\d+/\d+", text):
        yield Fraction(text)
    yield from (Fraction(one.replace(",", "")) for one in NUMBER.findall(text))


def rounds_to(number: Fraction, shown: str) -> bool:
    """Whether a number is shown so: rounded to its places, or to four figures, as it is or in per cent."""
    wanted = Fraction(shown.replace(",", ""))
    ways = (number, number * 100)
    return any(wanted == one or wanted == Fraction(f"{float(one):.4g}") for one in ways)


def untranslated(finding: Json, named: set[str]) -> list[str]:
    """The words of the catalogue that the Chinese summary has in English, unless a thing is called so."""
    ids = named | {finding["about"]["id"], finding.get("party"), *map(finding["evidence"].get, ("asset", "entry"))}
    return sorted(set(WORDS.findall(finding["summary_zh"])) & ENGLISH - ids)
