"""Every rule keeps the same promises, whoever wrote it: found by discovery, run through the real engine."""

import dataclasses
import functools
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Case, Json, agrees
from circulation.findings import SEVERITIES
from circulation.packs.reading import parse_pack
from detectors import file_of
from streams.cli.skeleton import MARK
from streams.engine import Engine
from streams.facts.rulebook import shipped
from streams.offline import replay
from streams.store.store import Store
from tests.founded import HAN, ids_of, unfounded, untranslated

ROOT = Path(__file__).resolve().parent.parent.parent
# The engine raises these itself, so that they have no shape; no event can make a rule fail.
BY_THE_ENGINE = {"feed-gap", "feed-lost", "misplaced-key", "detector-error"}
WITHOUT_CASES = {"detector-error", "feed-lost", "misplaced-key"}
HEADINGS = ("Why it matters", "False positives", "What to do")
# They say when a finding left and to whom, not what was found.
OF_THE_EVENT = {"revision", "sectors"}

RULES = [pytest.param(id_, id=id_) for id_ in detectors.RULES]
CASES = [
    pytest.param(id_, number, id=f"{id_}: {case.name}")
    for id_, cases in detectors.CASES.items()
    for number, case in enumerate(cases)
]


def found_by(id_: str, case: Case, events: Sequence[Json]) -> list[Json]:
    return kept(id_, replay.findings_of(list(events), pack=case.rules, until=case.until, voices=case.voices))


@functools.cache
def expected_of(id_: str, number: int) -> bytes:
    """What is found in a case, in the order in which it is told: what the other promises are held against."""
    case = detectors.CASES[id_][number]
    return orjson.dumps(found_by(id_, case, case.events))


def kept(id_: str, found: Sequence[Json]) -> list[Json]:
    mine = [
        {name: value for name, value in one.items() if name not in OF_THE_EVENT}
        for one in found
        if one["detector"] == id_
    ]
    return sorted(mine, key=lambda one: one["finding"])


def unmatched(expected: Sequence[Json], found: Sequence[Json]) -> tuple[list[Json], list[Json]]:
    """What is left of both sides after each expectation took one finding that agrees, as many as can."""
    taken: dict[int, int] = {}

    def place(index: int, seen: set[int]) -> bool:
        for at, one in enumerate(found):
            if at not in seen and agrees(expected[index], one):
                seen.add(at)
                if at not in taken or place(taken[at], seen):
                    taken[at] = index
                    return True
        return False

    missing = [one for index, one in enumerate(expected) if not place(index, set())]
    return missing, [one for at, one in enumerate(found) if at not in taken]


def interleaved(events: Sequence[Json], seed: str) -> list[Json]:
    """The same events in another order that keeps the order of each key."""
    keys: dict[str, list[Json]] = {}
    for one in events:
        keys.setdefault(one.get("subject", "runs"), []).append(one)
    drawn = [subject for subject, some in keys.items() for _ in some]
    random.Random(seed).shuffle(drawn)
    return [keys[subject].pop(0) for subject in drawn]


@pytest.mark.parametrize("id_", RULES)
def test_the_docstring_is_whole(id_: str) -> None:
    text = detectors.MODULES[id_].__doc__ or ""
    summary, *rest = text.split("\n\n")
    assert summary.strip().endswith("."), f"{file_of(id_)}: the docstring begins with one sentence"
    paragraphs = {
        heading: paragraph
        for paragraph in rest
        for heading in HEADINGS
        if re.match(rf"{heading}: \S", paragraph.strip())
    }
    missing = [heading for heading in HEADINGS if heading not in paragraphs]
    assert [] == missing, f"{file_of(id_)}: the docstring has a paragraph that begins with each of these and a colon"


@pytest.mark.parametrize("id_", RULES)
def test_nothing_of_a_skeleton_is_left(id_: str) -> None:
    place = ROOT / file_of(id_)
    left = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in ([place] if place.is_file() else sorted(place.glob("*.py")))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MARK in line
    ]
    assert not left, "\n".join(["fill in what is marked:", *left])


@pytest.mark.parametrize("id_", RULES)
def test_the_metadata_is_whole(id_: str) -> None:
    rule, place = detectors.RULES[id_], f"{file_of(id_)}: RULE"
    assert rule.title, f"{place}: title is empty"
    assert not rule.title.endswith("."), f"{place}: title is no sentence"
    assert HAN.search(rule.title_zh), f"{place}: title_zh is the title in Chinese"
    assert rule.severity in SEVERITIES, f"{place}: severity is one of {', '.join(SEVERITIES)}"
    assert rule.articles, f"{place}: articles are those of packs/law.yaml, or `contract only`"
    for name, parameter in rule.parameters.items():
        assert parameter.effect, f"{place}: parameters: {name} says what changing it does"
        assert parameter.default is not None, f"{place}: parameters: {name} has a default"
    shapes = [shape for shape in (rule.check, rule.sum, rule.tally) if shape is not None]
    assert bool(shapes) == (id_ not in BY_THE_ENGINE), f"{place}: it has a check, a sum or a tally"


@pytest.mark.parametrize("id_", RULES)
def test_what_a_pack_gives_replaces_the_default_and_nothing_else(id_: str) -> None:
    rule = detectors.RULES[id_]
    defaults = {name: parameter.default for name, parameter in rule.parameters.items()}
    assert defaults == rule.settings({"unheard of": 1})
    for name in defaults:
        assert defaults | {name: "given"} == rule.settings({name: "given"})


@pytest.mark.parametrize("id_", [id_ for id_ in detectors.RULES if id_ not in WITHOUT_CASES])
def test_one_case_fires_and_one_stays_silent(id_: str) -> None:
    cases, place = detectors.CASES[id_], f"{file_of(id_)}: CASES"
    assert any(case.fires for case in cases), f"{place}: one finds something (`fires`)"
    assert any(not case.fires for case in cases), f"{place}: one finds nothing"
    assert len(cases) == len({case.name for case in cases}), f"{place}: each has a name of its own"


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ("一次交付的交付方式为 file，合同只允许：private-computing。", ["file", "private-computing"]),
        ("一次交付的交付方式为文件，合同只允许：接口。", []),
        ("seller 出售 file-1 至 SG。", []),
    ],
)
def test_words_that_a_chinese_summary_has_in_english_are_noticed(summary: str, found: list[str]) -> None:
    finding = {"summary_zh": summary, "about": {"kind": "asset", "id": "file-1"}, "evidence": {"asset": "seller"}}
    assert found == untranslated(finding, set())


# What summaries count, one of it and several.
COUNTED = {
    **{thing: f"{thing}s" for thing in ("asset", "buyer", "byte", "contract", "controller", "day", "event", "group")},
    **{thing: f"{thing}s" for thing in ("hour", "input", "item", "member", "minute", "month", "payment", "person")},
    **{thing: f"{thing}s" for thing in ("record", "row", "second", "step", "trade", "use", "week", "year")},
    "delivery": "deliveries",
    "entry": "entries",
    "party": "parties",
}
# A number that is no part of another, and the word that it counts, whatever it is like.
_COUNT = re.compile(r"(?<![\w.,:/-])(\d[\d,]*)(?: (?:such|earlier|working))? ([a-z]+)\b")


def miscounted(summary: str) -> list[str]:
    """What an English summary has as `1 days` or `2 day`."""
    several = set(COUNTED.values())
    return [
        found[0]
        for found in _COUNT.finditer(summary)
        if (found[2] in several if found[1] == "1" else found[2] in COUNTED)
    ]


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ("Within 1 days.", ["1 days"]),
        ("Within 1 day.", []),
        ("Within 2 day.", ["2 day"]),
        ("Within 2,001 use.", ["2,001 use"]),
        ("Within 0 day.", ["0 day"]),
        ("Of 1 such trades.", ["1 such trades"]),
        ("In 10 working day.", ["10 working day"]),
        ("On 2025-01-1 days and c1 days.", []),
        ("In 1 of the days.", []),
    ],
)
def test_what_is_counted_in_the_wrong_number_is_noticed(summary: str, found: list[str]) -> None:
    assert found == miscounted(summary)


@pytest.mark.parametrize(("id_", "number"), CASES)
def test_a_case_finds_exactly_what_it_says(id_: str, number: int) -> None:
    case, found = detectors.CASES[id_][number], orjson.loads(expected_of(id_, number))
    missing, surplus = unmatched(case.fires, found)
    place, named = f"{file_of(id_)}: CASES: {case.name}", ids_of(case.events)
    beyond = "what is missing, and what is found beyond `fires` (a rule that raises an error finds nothing)"
    assert ([], []) == (missing, surplus), f"{place}: {beyond}"
    for one in found:
        assert one["summary"].endswith("."), f"{place}: a summary is a sentence"
        assert one["summary_zh"].endswith("。"), f"{place}: summary_zh is a sentence"
        assert HAN.search(one["summary_zh"]), f"{place}: summary_zh is in Chinese"
        assert "\n" not in one["summary"] + one["summary_zh"], f"{place}: a summary is one line"
        assert [] == unfounded(one, named), f"{place}: numbers, ids and instants that are not in the evidence"
        assert [] == miscounted(one["summary"]), f"{place}: circulation.words.many says one thing as one"
        assert [] == untranslated(one, named), f"{place}: words of summary_zh that circulation/words.py has in Chinese"
        assert list(detectors.RULES[id_].articles) == one["legal_basis"]


@pytest.mark.slow
@pytest.mark.parametrize(("id_", "number"), CASES)
def test_a_case_finds_the_same_in_any_order_that_keeps_each_key_s(id_: str, number: int) -> None:
    case, expected = detectors.CASES[id_][number], expected_of(id_, number)
    assert expected == orjson.dumps(found_by(id_, case, case.events))
    assert expected == orjson.dumps(found_by(id_, case, interleaved(case.events, case.name)))


@pytest.mark.slow
@pytest.mark.parametrize(("id_", "number"), CASES)
def test_a_case_finds_the_same_where_no_other_rule_is_judged(id_: str, number: int) -> None:
    case = detectors.CASES[id_][number]
    pack = shipped(detectors.RULES) if case.rules is None else parse_pack(case.rules, published=False)
    store = Store("sqlite://")
    # Facts are loaded by what the rules of a round declare: here nobody declares anything for this one.
    engine = Engine(store, pack, rules={one: detectors.RULES[one] for one in {id_, *BY_THE_ENGINE}})
    until = None if case.until is None else parse_instant(case.until)
    run = replay.Replay(engine, Admission(voices=case.voices), until=until)
    run.run(orjson.dumps(event) for event in case.events)
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    errors = [one["evidence"] for one in kept("detector-error", found)]
    raised = "the rule raised an error; where it is Undeclared, `needs` does not name a kind of facts that it asks for"
    assert [] == errors, f"{file_of(id_)}: CASES: {case.name}: {raised}"
    assert orjson.loads(expected_of(id_, number)) == kept(id_, found)


@pytest.mark.parametrize(
    ("id_", "number"),
    [case for case in CASES if (shape := detectors.RULES[str(case.values[0])].sum) and shape.triggers is not None],
)
def test_a_rule_that_is_asked_without_its_triggers_says_nothing_more(id_: str, number: int) -> None:
    case = detectors.CASES[id_][number]
    pack = shipped(detectors.RULES) if case.rules is None else parse_pack(case.rules, published=False)
    rule = detectors.RULES[id_]
    assert rule.sum is not None
    assert rule.sum.triggers is not None
    assert rule.sum.triggers <= rule.sum.acts
    always_asked = dataclasses.replace(rule, sum=dataclasses.replace(rule.sum, triggers=None))
    store = Store("sqlite://")
    engine = Engine(store, pack, rules={**detectors.RULES, id_: always_asked})
    until = None if case.until is None else parse_instant(case.until)
    run = replay.Replay(engine, Admission(voices=case.voices), until=until)
    run.run(orjson.dumps(event) for event in case.events)
    with store.reading() as db:
        standing = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    assert orjson.loads(expected_of(id_, number)) == kept(id_, standing)


@pytest.mark.slow
@pytest.mark.parametrize(("id_", "number"), CASES)
def test_a_restart_between_two_events_changes_nothing(id_: str, number: int) -> None:
    case = detectors.CASES[id_][number]
    rules = None if case.rules is None else parse_pack(case.rules, published=False)
    cut = random.Random(case.name).randint(0, len(case.events))
    store = Store("sqlite://")
    for events, until in ((case.events[:cut], None), (case.events[cut:], case.until)):
        # A new engine knows nothing but what the store keeps.
        engine = replay.offline(store, rules)
        clock = None if until is None else parse_instant(until)
        run = replay.Replay(engine, Admission(voices=case.voices), until=clock)
        run.run(orjson.dumps(event) for event in events)
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    assert orjson.loads(expected_of(id_, number)) == kept(id_, found)


def numbered(events: Sequence[Json]) -> list[Json] | None:
    """The same events with numbers for all that a source says of a contract; None where that makes others of them.

    Uses that are numbered one after the other are taken in as runs, by the fast path of the tallies.
    """
    ids = [(one["source"], one["subject"], one["id"]) for one in events]
    if len(ids) != len(set(ids)) or any("sequence" in one for one in events):
        return None
    counts: dict[tuple[str, str], int] = {}
    found = []
    for one in events:
        key = (one["source"], one["subject"])
        counts[key] = counts.get(key, 0) + 1
        found.append(one | {"sequence": str(counts[key]), "sequencetype": "Integer"})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id_", "number"), [one for one in CASES if detectors.RULES[str(one.values[0])].tally is not None]
)
def test_a_case_finds_the_same_where_uses_are_numbered(id_: str, number: int) -> None:
    case = detectors.CASES[id_][number]
    events = numbered(case.events)
    if events is not None:
        assert expected_of(id_, number) == orjson.dumps(found_by(id_, case, events))


def test_expectations_are_matched_one_to_one() -> None:
    wide: dict[str, Any] = {"severity": "red"}
    narrow = {"severity": "red", "evidence": {"entry": "a"}}
    a = {"severity": "red", "evidence": {"entry": "a", "path": ["x"]}}
    b = {"severity": "red", "evidence": {"entry": "b", "path": ["x"]}}
    assert ([], []) == unmatched([wide, narrow], [a, b])
    assert ([narrow], [b]) == unmatched([wide, narrow], [b, b])
    assert ([], [b]) == unmatched([wide], [b, b])
