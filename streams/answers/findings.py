"""Findings as the store has them: those that fit, one by its id or the beginning of it, and each in words.

A finding says what was found in numbers; a person also asks who that is, which law it is about, what brought it
about, how it may be false, and what to do. All that is known already: here it is put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from circulation.calendar import format_instant, parse_instant
from circulation.events.names import ASSETS, CONTRACTS, PARTIES
from circulation.words import Word
from streams.answers.evidence import sentences, sentences_zh
from streams.facts.derivations import BY_RUN, BY_STATEMENT
from streams.store.db import Db

if TYPE_CHECKING:
    from circulation.facts.parties import PartyFacts

# An id is a digest: fewer characters would seldom be a person's intention.
PREFIX_CHARACTERS_MIN: Final = 4
MATCHES_SHOWN_MAX: Final = 5
REASONS: Final = {
    "refuted": "later facts refute it",
    "objection-upheld": "an objection to it was upheld",
    "retracted": "what it rests on was taken back",
}


# By the beginning of an origin what of OpenLineage it is.
_DERIVING: Final = {BY_RUN: Word("run", "运行"), BY_STATEMENT: Word("statement on", "静态声明")}
# Blue findings, and those in shadow, have no case: they are open while they stand (contract §4).
OPEN: Final = (
    "not exists (select 1 from case_findings m join cases c on c.case_id = m.case_id"
    " where m.finding = findings.finding and c.state = 'closed')"
)
# Put together of constant texts: `circulation findings` has no time to import SQLAlchemy.
_CONDITIONS: Final = {
    "detector": "detector = ?",
    "severity": "severity = ?",
    "mode": "mode = ?",
    "about": "about = ?",
    "party": "party = ?",
    "since": "occurred >= ?",
    "until": "occurred < ?",
}
_COUNT: Final = "select count(*) from findings"
_SELECT: Final = "select data, standing, cleared, reason, occurred, finding from findings"
_NEWEST: Final = "order by occurred desc, finding desc"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings: members that are None do not restrict. `occurred` lies in [since, until), µs.

    `state`: those that stand, those of them whose case is not closed (`open`), or all, the cleared ones too.
    """

    detector: str | None = None
    severity: str | None = None
    mode: str | None = None
    about: str | None = None
    party: str | None = None
    since: int | None = None
    until: int | None = None
    state: Literal["open", "standing", "all"] = "standing"

    def conditions(self) -> tuple[list[str], list[Any]]:
        """As conditions of SQL on `findings`, and their values."""
        conditions = {"all": [], "standing": ["standing"], "open": ["standing", OPEN]}[self.state]
        bound = [(text, value) for member, text in _CONDITIONS.items() if (value := getattr(self, member)) is not None]
        return [*conditions, *(text for text, _ in bound)], [value for _, value in bound]


Json = dict[str, Any]


def _all_of(conditions: Sequence[str]) -> Sequence[str]:
    return ["where", " and ".join(conditions)] if conditions else []


def count(db: Db, wanted: Wanted) -> int:
    """How many findings fit."""
    conditions, values = wanted.conditions()
    row = db.one(" ".join([_COUNT, *_all_of(conditions)]), *values)
    return int(row[0]) if row else 0


def select(db: Db, wanted: Wanted, limit: int | None = None) -> list[Json]:
    """Their `data` (contract §4) in the order of `occurred`: of more than `limit` the latest."""
    conditions, values = wanted.conditions()
    rows: list[tuple[Any, ...]] = []
    # Those that stand and those that do not, for the index that knows the latest has them apart.
    for stands in (["standing"], ["not standing"]) if wanted.state == "all" else ([],):
        newest = [_SELECT, *_all_of([*conditions, *stands]), _NEWEST]
        if limit is None:
            rows += db.rows(" ".join(newest), *values)
        else:
            rows += db.rows(" ".join([*newest, "limit ?"]), *values, limit)
    rows.sort(key=lambda row: row[4:])
    return [_document(row[:4], stated=wanted.state == "all") for row in rows[-limit if limit else 0 :]]


def of_id(db: Db, text: str) -> list[Json]:
    """The findings whose id begins so; none where that is too short to mean one."""
    if len(text) < PREFIX_CHARACTERS_MIN or not text.isalnum():
        return []
    rows = db.rows(
        "select data, standing, cleared, reason from findings where finding >= ? and finding < ?"
        " order by finding limit ?",
        *_beginning(text.lower()),
        MATCHES_SHOWN_MAX + 1,
    )
    return [_document(row, stated=True) for row in rows]


def alike(db: Db, text: str, count_max: int) -> list[str]:
    """Some ids of findings that begin as this text does."""
    query = "select finding from findings where finding >= ? and finding < ? limit ?"
    return [row[0] for row in db.rows(query, *_beginning(text[:2]), count_max)]


def _beginning(text: str) -> tuple[str, str]:
    """From where to where ids lie that begin so. They are hexadecimal, whose digits every collation has in one order;
    `like` goes through all of them on SQLite, and on most databases of PostgreSQL."""
    return text, text + "g"


def _document(row: tuple[Any, ...], *, stated: bool) -> Json:
    data, standing, cleared, reason = row
    document: Json = orjson.loads(data)
    if stated:
        document["standing"] = bool(standing)
        if not standing:
            document |= {"cleared": format_instant(cleared), "reason": reason}
    return document


def explain(db: Db, findings: Sequence[Json]) -> list[Json]:
    """For each finding what a person asks of it, by name of the question: texts, and lists of texts."""
    from streams.facts.groups import with_controllers

    ids = {finding["party"] for finding in findings if finding.get("party")}
    ids |= {finding["about"]["id"] for finding in findings if finding["about"]["kind"] == "party"}
    parties = with_controllers(db, ids)
    return [_explained(db, finding, parties) for finding in findings]


def _explained(db: Db, finding: Json, parties: "Mapping[str, PartyFacts]") -> Json:
    import detectors

    rule, advice = detectors.RULES.get(finding["detector"]), detectors.ADVICE.get(finding["detector"])
    about = finding["about"]
    pack = finding["rulepack"]
    cause, cause_zh = _cause(db, finding)
    return {
        "what": finding["summary"],
        "what_zh": finding.get("summary_zh", ""),
        "rule": "" if rule is None else f"{rule.title}.",
        "rule_zh": "" if rule is None else f"{rule.title_zh}。",
        "state": _state(finding),
        "case": _case(db, finding),
        "about": f"{about['kind']} {about['id']}",
        "who": _who(finding, parties),
        "evidence": sentences(finding.get("evidence") or {}),
        "evidence_zh": sentences_zh(finding.get("evidence") or {}),
        "cause": cause,
        "cause_zh": cause_zh,
        "law": list(finding.get("legal_basis") or ()),
        "pack": f"{pack['pack']}, version {pack['version']}, digest {pack['digest']}, mode {finding['mode']}",
        "why_it_matters": "" if advice is None else advice.why,
        "false_positives": "" if advice is None else advice.false_positives,
        "what_to_do": "" if advice is None else advice.what_to_do,
    }


def _state(finding: Json) -> str:
    if finding.get("standing", True):
        return f"It stands, in revision {finding['revision']}."
    return f"It was cleared at {finding['cleared']}: {REASONS.get(finding['reason'], finding['reason'])}."


def _case(db: Db, finding: Json) -> str:
    row = db.one(
        "select c.case_id, c.state from case_findings m join cases c on c.case_id = m.case_id where m.finding = ?",
        finding["finding"],
    )
    return "There is no case." if row is None else f"Case {row[0]}, {row[1]}."


def _who(finding: Json, parties: "Mapping[str, PartyFacts]") -> str:
    from circulation.facts.parties import chain

    party = finding.get("party")
    if not party:
        return "nobody in particular"
    # The latest that is known: who it is now is whom to ask.
    named = []
    for step in chain(parties, party, 2**62):
        data = parties[step].at(2**62)
        named.append(step if data is None else f"{data.name} ({step})")
    return ", controlled by ".join(named)


def _cause(db: Db, finding: Json) -> tuple[str, str]:
    """The cause, in English and in Chinese."""
    cause, occurred = finding.get("cause"), finding["occurred"]
    if not cause:
        if (by := _derived_by(db, finding)) is not None:
            return (
                f"No single event: it was derived at {occurred}, by the OpenLineage {by[0]}.",
                f"非单一事件所致：于 {occurred} 由 OpenLineage {by[1]} 衍生。",
            )
        return (
            f"No single event: a deadline passed, or a period ended, at {occurred}.",
            f"非单一事件所致：期限届满或期间结束于 {occurred}。",
        )
    sentence, sentence_zh = f"Event {cause['id']} of {cause['source']}", f"{cause['source']} 的事件 {cause['id']}"
    # Events are found by their entity; what caused a finding is nearly always of what it is about, or of the party.
    row = db.one(
        "select e.type, e.subject, e.time from events e join findings f on f.finding = ? where e.source = ?"
        " and e.event = ? and (e.thing = f.thing or e.topic = any(?) and e.subject = any(?)) limit 1",
        finding["finding"],
        cause["source"],
        cause["id"],
        [PARTIES, ASSETS, CONTRACTS],
        [text for text in (finding["about"]["id"], finding.get("party")) if text],
    )
    if row is None:
        return f"{sentence}, at {occurred}.", f"{sentence_zh}，{occurred}。"
    type_, subject, time = row[0], row[1], format_instant(row[2])
    return f"{sentence}: {type_} on {subject}, at {time}.", f"{sentence_zh}：{type_}，对象 {subject}，{time}。"


def _derived_by(db: Db, finding: Json) -> tuple[str, str] | None:
    """The job or run of OpenLineage that derived the asset of a finding when it occurred, in English and in Chinese."""
    about = finding["about"]
    if about["kind"] != "asset":
        return None
    query = "select origin from derivations where output = ? and time = ?"
    for (origin,) in sorted(db.rows(query, about["id"], parse_instant(finding["occurred"]))):
        for kind, words in _DERIVING.items():
            if origin.startswith(kind):
                subject = origin.removeprefix(kind)
                return f"{words.en} {subject}", f"{words.zh} {subject}"
    return None
