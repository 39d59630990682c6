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
    """The articles covered by the detectors that these packs do not turn off, and by their entries."""
    law = the_law() if law is None else law
    watching = [
        Detector(id=id_, citations=rule.articles, tests=_cases(id_))
        for id_, rule in detectors.RULES.items()
        if any(pack.setting(id_).mode != "off" for pack in of)
    ]
    entries = [entry for pack in of for entry in _entries(pack)]
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
            tests = [detector.tests for detector in by_detectors] + [entry.tests for entry in by_entries]
            rows.append(
                Row(
                    instrument=name,
                    article=number,
                    seen=instrument.seen,
                    about=article.about,
                    detectors=tuple(detector.id for detector in by_detectors),
                    entries=tuple(dict.fromkeys(_named(entry, of) for entry in by_entries)),
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


def _places(law: Law, source: str, citations: Iterable[str], gaps: list[str]) -> list[tuple[str, str]]:
    places = []
    for citation in citations:
        if citation == CONTRACT:
            continue
        try:
            places += law.cited(citation)
        except ValueError as error:
            gaps.append(f"{source}: {error}")
    return list(dict.fromkeys(places))


def _cases(id_: str) -> Tests:
    firing = sum(bool(case.fires) for case in detectors.CASES[id_])
    return Tests(finding=firing, silent=len(detectors.CASES[id_]) - firing)


def _entries(pack: Pack) -> Iterable[Listed]:
    expected: Mapping[str, packs.Expected] = packs.expectations(pack.pack) if pack.pack in packs.NAMES else {}
    for entry in pack.negative_list:
        examples = list(expected[entry.id].examples(GRANT_KINDS)) if entry.id in expected else []
        finding = sum(example.verdict is not None for example in examples)
        tests = Tests(finding=finding, silent=len(examples) - finding)
        yield Listed(id=entry.id, pack=pack.pack, title=entry.title, citations=entry.legal_basis, tests=tests)


def in_words(tests: Tests) -> str:
    """`12 find, 30 do not`."""
    return f"{tests.finding:,} find, {tests.silent:,} do not"


def answered(row: Row) -> str:
    """The text for an article: its tests, the other part that answers it, or why it is open."""
    if row.covered:
        return in_words(row.tests)
    return f"elsewhere: {row.by}" if row.by else f"open: {row.open or 'nobody has said why'}"


def summary(report: Coverage) -> list[str]:
    """The numbers, a sentence each, gaps last."""
    covered = sum(article.covered for article in report.articles)
    elsewhere = sum(not article.covered and article.by is not None for article in report.articles)
    contract = sorted(detector.id for detector in report.detectors if set(detector.citations) == {CONTRACT})
    examples = sum((entry.tests for entry in report.entries), Tests())
    cases = sum((detector.tests for detector in report.detectors), Tests())
    return [
        f"Of {len(report.articles)} articles {covered} are watched by detectors or entries, {elsewhere} are answered by"
        f" other parts of the platform, {len(report.articles) - covered - elsewhere} are open.",
        f"{many(len(report.detectors), 'detector has', 'detectors have')} cases: {in_words(cases)}.",
        f"Contract only: {', '.join(contract) or 'none'}.",
        f"{many(len(report.entries), 'entry has', 'entries have')} examples: {in_words(examples)}.",
        *report.gaps,
    ]


def document(report: Coverage) -> dict[str, Any]:
    """The matrix for programs."""
    data: dict[str, Any] = msgspec.to_builtins(report)
    for row, article in zip(data["articles"], report.articles, strict=True):
        row["covered"] = article.covered
    return data


def page(report: Coverage) -> Iterable[str]:
    """The matrix as Markdown, line by line."""
    yield from ("# Coverage of the law", "", "Written by `make docs` from the code; change it there.", "")
    yield from INTRODUCTION
    yield from ("", *(f"- {line}" for line in summary(report)), "")
    for instrument, rows in groupby(report.articles, lambda article: (article.instrument, article.seen)):
        yield from (f"## {instrument[0]}", "", f"Seen: {instrument[1]}.", "")
        yield from ("| article | about | detectors | entries | tests |", "| --- | --- | --- | --- | --- |")
        for row in rows:
            watched, entries = _links(row.detectors), ", ".join(row.entries)
            yield f"| {row.article} | {_cell(row.about)} | {watched} | {entries} | {_cell(answered(row))} |"
        yield ""
    yield from ("## Detectors", "", "| detector | rests on | cases |", "| --- | --- | --- |")
    for detector in report.detectors:
        law = "; ".join(detector.citations)
        yield f"| {_links([detector.id])} | {_cell(law)} | {in_words(detector.tests)} |"
    yield from ("", "## Entries", "")
    yield from ("| entry | pack | title | rests on | examples |", "| --- | --- | --- | --- | --- |")
    for entry in report.entries:
        law = _cell("; ".join(entry.citations))
        yield f"| {entry.id} | {entry.pack} | {_cell(entry.title)} | {law} | {in_words(entry.tests)} |"
    yield from ("", "## Numbers of the negative list that are no entry", "")
    yield from ("| number | about | detectors | why |", "| --- | --- | --- | --- |")
    for number, answer in report.numbers.items():
        instead = _links(answer["detectors"]) or "none"
        yield f"| {number} | {_cell(answer['about'])} | {instead} | {_cell(answer['why'])} |"
    yield ""


def _links(ids: Iterable[str]) -> str:
    return ", ".join(f"[`{id_}`](detectors.md#{id_})" for id_ in ids)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
