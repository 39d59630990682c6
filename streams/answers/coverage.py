"""Which article of law is watched by which detectors and entries, and how those are tested.

What is covered is computed from what detectors and entries themselves cite; what is not has to say why, in
`packs/law.yaml`. So the page that comes of it cannot promise more than the code keeps.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

import detectors
import packs
from circulation.packs.entry import GRANT_KINDS
from circulation.packs.pack import Pack
from circulation.words import many
from packs.law import CONTRACT, Law
from packs.law import law as the_law

INTRODUCTION: Final = (
    "Which article is watched by which detectors ([what they do](detectors.md)) and entries of negative lists, and how",
    "many examples of these must find something or nothing; `circulation rules coverage` prints the same of any pack.",
    "What no rule names says what else answers it, or why it is open. *Seen* tells where the text was seen: L in the",
    "statute, S in an excerpt, P in the policy's own text, M nowhere yet: from memory, to be verified.",
)


class Tests(msgspec.Struct, frozen=True, kw_only=True):
    """How many examples must find something, and how many must find nothing."""

    finding: int = 0
    silent: int = 0

    def __add__(self, other: "Tests") -> "Tests":
        return Tests(finding=self.finding + other.finding, silent=self.silent + other.silent)


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """A detector, the articles that it cites (none: contract only), and the cases in its file."""

    id: str
    citations: tuple[str, ...]
    tests: Tests


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a pack, what it cites, and its examples."""

    id: str
    pack: str
    title: str
    citations: tuple[str, ...]
    tests: Tests


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One article. Where `detectors` and `entries` are empty, `by` or `open` says what answers it, or why nothing."""

    instrument: str
    article: str
    seen: str
    about: str
    detectors: tuple[str, ...]
    entries: tuple[str, ...]
    tests: Tests
    by: str | None = None
    open: str | None = None

    @property
    def covered(self) -> bool:
        """Whether a detector or an entry names the article."""
        return bool(self.detectors or self.entries)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The matrix. `gaps` are sentences on what should not be: law that is cited and not known, rules without law."""

    articles: tuple[Row, ...]
    detectors: tuple[Detector, ...]
    entries: tuple[Listed, ...]
    numbers: dict[str, Any]
    gaps: tuple[str, ...]


def coverage(of: Sequence[Pack], law: Law | None = None) -> Coverage:
    """What the detectors that these packs do not turn off, and their entries, cover."""
    law = the_law() if law is None else law
    watching = [
        Detector(id=id_, citations=rule.articles, tests=_cases(id_))
        for id_, rule in detectors.RULES.items()
        if any(pack.setting(id_).mode != "off" for pack in of)
    ]
    entries = [one for pack in of for one in _entries(pack)]
    gaps: list[str] = []
    by_article: dict[tuple[str, str], tuple[list[Detector], list[Listed]]] = {}
    for detector in watching:
        for place in _places(law, detector.id, detector.citations, gaps):
            by_article.setdefault(place, ([], []))[0].append(detector)
    for entry in entries:
        for place in _places(law, entry.id, entry.citations, gaps):
            by_article.setdefault(place, ([], []))[1].append(entry)
    rows = []
    for name, instrument in law.instruments.items():
        for number, article in instrument.articles.items():
            by_detectors, by_entries = by_article.pop((name, number), ([], []))
            tests = [one.tests for one in by_detectors] + [one.tests for one in by_entries]
            rows.append(
                Row(
                    instrument=name,
                    article=number,
                    seen=instrument.seen,
                    about=article.about,
                    detectors=tuple(one.id for one in by_detectors),
                    entries=tuple(dict.fromkeys(_named(one, of) for one in by_entries)),
                    tests=sum(tests, Tests()),
                    by=article.by,
                    open=article.open,
                )
            )
    gaps += [f"{name} {article} is cited, and packs/law.yaml does not have it" for name, article in by_article]
    return Coverage(
        articles=tuple(rows),
        detectors=tuple(watching),
        entries=tuple(entries),
        numbers=msgspec.to_builtins(law.numbers),
        gaps=tuple(gaps),
    )


def _named(entry: Listed, of: Sequence[Pack]) -> str:
    """An entry of another pack than the first bears its pack's name, unless it has an id of the first."""
    return entry.id if entry.id in of[0].entries else f"{entry.pack}:{entry.id}"


def _places(law: Law, who: str, citations: Iterable[str], gaps: list[str]) -> list[tuple[str, str]]:
    found = []
    for citation in citations:
        if citation == CONTRACT:
            continue
        try:
            found += law.cited(citation)
        except ValueError as error:
            gaps.append(f"{who}: {error}")
    return list(dict.fromkeys(found))


def _cases(id_: str) -> Tests:
    firing = sum(bool(case.fires) for case in detectors.CASES[id_])
    return Tests(finding=firing, silent=len(detectors.CASES[id_]) - firing)


def _entries(pack: Pack) -> Iterable[Listed]:
    expected: Mapping[str, packs.Expected] = packs.expectations(pack.pack) if pack.pack in packs.NAMES else {}
    for entry in pack.negative_list:
        examples = list(expected[entry.id].examples(GRANT_KINDS)) if entry.id in expected else []
        finding = sum(one.verdict is not None for one in examples)
        tests = Tests(finding=finding, silent=len(examples) - finding)
        yield Listed(id=entry.id, pack=pack.pack, title=entry.title, citations=entry.legal_basis, tests=tests)


def in_words(tests: Tests) -> str:
    """`12 find, 30 do not`."""
    return f"{tests.finding:,} find, {tests.silent:,} do not"


def answered(row: Row) -> str:
    """What a person reads of an article in place of rules: what else answers it, or why nothing does."""
    if row.covered:
        return in_words(row.tests)
    return f"elsewhere: {row.by}" if row.by else f"open: {row.open or 'nobody has said why'}"


def summary(found: Coverage) -> list[str]:
    """The numbers, a sentence each, gaps last."""
    covered = sum(one.covered for one in found.articles)
    elsewhere = sum(not one.covered and one.by is not None for one in found.articles)
    contract = sorted(one.id for one in found.detectors if set(one.citations) == {CONTRACT})
    examples = sum((one.tests for one in found.entries), Tests())
    cases = sum((one.tests for one in found.detectors), Tests())
    return [
        f"Of {len(found.articles)} articles {covered} are watched by detectors or entries, {elsewhere} are answered by"
        f" other parts of the platform, {len(found.articles) - covered - elsewhere} are open.",
        f"{many(len(found.detectors), 'detector has', 'detectors have')} cases: {in_words(cases)}.",
        f"Contract only: {', '.join(contract) or 'none'}.",
        f"{many(len(found.entries), 'entry has', 'entries have')} examples: {in_words(examples)}.",
        *found.gaps,
    ]


def document(found: Coverage) -> dict[str, Any]:
    """The matrix for programs."""
    data: dict[str, Any] = msgspec.to_builtins(found)
    for row, one in zip(data["articles"], found.articles, strict=True):
        row["covered"] = one.covered
    return data


def page(found: Coverage) -> Iterable[str]:
    """The matrix as Markdown, line by line."""
    yield from ("# Coverage of the law", "", "Written by `make docs` from the code; change it there.", "")
    yield from INTRODUCTION
    yield from ("", *(f"- {one}" for one in summary(found)), "")
    for instrument, rows in groupby(found.articles, lambda one: (one.instrument, one.seen)):
        yield from (f"## {instrument[0]}", "", f"Seen: {instrument[1]}.", "")
        yield from ("| article | about | detectors | entries | tests |", "| --- | --- | --- | --- | --- |")
        for row in rows:
            watched, entries = _links(row.detectors), ", ".join(row.entries)
            yield f"| {row.article} | {_cell(row.about)} | {watched} | {entries} | {_cell(answered(row))} |"
        yield ""
    yield from ("## Detectors", "", "| detector | rests on | cases |", "| --- | --- | --- |")
    for detector in found.detectors:
        law = "; ".join(detector.citations)
        yield f"| {_links([detector.id])} | {_cell(law)} | {in_words(detector.tests)} |"
    yield from ("", "## Entries", "")
    yield from ("| entry | pack | title | rests on | examples |", "| --- | --- | --- | --- | --- |")
    for entry in found.entries:
        law = _cell("; ".join(entry.citations))
        yield f"| {entry.id} | {entry.pack} | {_cell(entry.title)} | {law} | {in_words(entry.tests)} |"
    yield from ("", "## Numbers of the negative list that are no entry", "")
    yield from ("| number | about | detectors | why |", "| --- | --- | --- | --- |")
    for number, one in found.numbers.items():
        instead = _links(one["detectors"]) or "none"
        yield f"| {number} | {_cell(one['about'])} | {instead} | {_cell(one['why'])} |"
    yield ""


def _links(ids: Iterable[str]) -> str:
    return ", ".join(f"[`{one}`](detectors.md#{one})" for one in ids)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
