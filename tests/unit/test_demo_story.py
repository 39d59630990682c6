"""The pure parts of the demo: its acts, its market, what it hears, and what it proves."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from streams.cli import demo
from streams.demo import chapters, story, telling
from streams.demo import demo as demonstration
from streams.demo import proof as demo_proof
from streams.demo.ear import Heard, key_of
from streams.demo.folder import held as demo_held
from streams.demo.proof import Expected, Seen
from streams.demo.story import Act, Found
from streams.demo.workers import MODULE
from streams.offline.replay import Replay, offline
from streams.simulate.market import Market, held
from streams.store.store import Store
from streams.topics import CREDIT, FINDINGS, REJECTED

Json = dict[str, Any]


def replayed(lines: list[bytes]) -> tuple[Replay, Store]:
    store = Store("sqlite://")
    replay = Replay(offline(store, None), Admission())
    replay.run(lines)
    return replay, store


def standing(store: Store) -> Counter[Found]:
    with store.reading() as db:
        rows = db.rows("select data from findings where standing")
    return Counter(key_of(orjson.loads(row[0])) for row in rows)


# The story.


@pytest.mark.slow
def test_each_act_finds_what_it_says_and_leaves_the_score_that_it_says() -> None:
    sent: list[bytes] = []
    stands: set[Found] = set()
    for act in story.acts():
        sent += [orjson.dumps(one) for one in act.events]
        stands = (stands | set(act.raised)) - set(act.cleared)
        replay, store = replayed(sent)
        assert Counter(stands) == standing(store), act.title
        scores = {one["party"]: one["score"] for one in map(orjson.loads, replay.statements())}
        if act.party is not None:
            assert act.score == scores[act.party], act.title
    assert set(story.STANDING) == stands


# The market.


EVENTS_MIN = next(one.type.min for one in demo.demo.params if isinstance(one.type, click.IntRange))
END = parse_instant(chapters.END)


@pytest.mark.slow
def test_what_is_found_in_the_smallest_market_when_the_story_ends_is_what_was_planted() -> None:
    market = Market(events=EVENTS_MIN, until=END)
    store = Store("sqlite://")
    Replay(offline(store, None), Admission(), until=END).run(market.lines())
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    missed, false = held([one.members() for one in market.expected()], found)
    said = [(one["detector"], one["about"]["id"]) for one in (*missed, *false)]
    assert [] == said, "tests/unit/test_simulate.py says more: a rule and the plants of streams/simulate/ differ"


def test_the_market_lies_before_the_story() -> None:
    events = map(orjson.loads, Market(events=EVENTS_MIN).lines())
    latest = max(one.get("time") or one["eventTime"] for one in events)
    assert latest < min(one["time"] for one in story.events() if "time" in one)


# What is heard.


def raised(finding: str, revision: int = 1, **changes: Any) -> bytes:
    data = {"finding": finding, "detector": "d", "severity": "red", "about": {"kind": "asset", "id": "a"}} | changes
    return orjson.dumps({"id": f"{finding}.{revision}", "type": "circulation.finding.raised", "data": data})


def cleared(finding: str, revision: int = 1) -> bytes:
    data = {"finding": finding, "reason": "refuted"}
    return orjson.dumps({"id": f"{finding}.{revision}", "type": "circulation.finding.cleared", "data": data})


D: Found = Found("d", "red", "a")


@pytest.mark.parametrize(
    ("records", "stands", "gone"),
    [
        ([raised("f")], {"f"}, set()),
        ([raised("f"), raised("f")], {"f"}, set()),
        ([raised("f"), cleared("f")], set(), {"f"}),
        ([raised("f"), cleared("f"), raised("f")], set(), {"f"}),
        ([raised("f"), cleared("f"), raised("f", 2)], {"f"}, set()),
        ([cleared("f")], set(), set()),
    ],
    ids=["raised", "raised twice", "cleared", "the same sent again", "raised anew", "cleared without being raised"],
)
def test_what_stands_follows_from_what_was_heard(records: list[bytes], stands: set[str], gone: set[str]) -> None:
    heard = Heard()
    for one in records:
        heard.hear(FINDINGS, one, {})
    assert (stands, gone) == (set(heard.standing), set(heard.cleared))


def test_an_act_lacks_what_has_not_come() -> None:
    heard = Heard()
    act = Act("t", "p", (), raised=(D,), party="p:1", score=65)
    assert ["d red a", "a score of 65 of p:1"] == heard.lacks(act)
    heard.hear(FINDINGS, raised("f"), {})
    assert ["a score of 65 of p:1"] == heard.lacks(act)
    heard.hear(CREDIT, orjson.dumps({"id": "1", "type": "t", "data": {"party": "p:1", "score": 64}}), {})
    assert ["a score of 65 of p:1"] == heard.lacks(act)
    heard.hear(CREDIT, orjson.dumps({"id": "2", "type": "t", "data": {"party": "p:1", "score": 65}}), {})
    assert [] == heard.lacks(act)
    assert "f" == heard.standing_of(D)["finding"]


def test_an_act_that_clears_lacks_it_until_it_is_cleared() -> None:
    heard = Heard()
    act = Act("t", "p", (), cleared=(D,))
    heard.hear(FINDINGS, raised("f"), {})
    assert ["d red a cleared"] == heard.lacks(act)
    heard.hear(FINDINGS, cleared("f"), {})
    assert [] == heard.lacks(act)


def test_what_was_rejected_is_heard_with_its_reason() -> None:
    heard = Heard()
    heard.hear(REJECTED, b"\xff", {"reason": b"not-json", "detail": b"$: broken"})
    assert [("not-json", "$: broken")] == heard.rejected


# What is proved.


def case() -> tuple[Expected, Seen, Heard]:
    """One finding of the story and one of the market, of ten events; all is well."""
    heard = Heard()
    heard.hear(FINDINGS, raised("s", detector="story"), {})
    heard.hear(FINDINGS, raised("m", detector="market"), {})
    heard.hear(REJECTED, b"", {"reason": b"not-json"})
    findings = dict(heard.standing)
    market = {"detector": "market", "severity": "red", "about": {"kind": "asset", "id": "a"}, "why": "it was planted"}
    expected = Expected(10, 1, 1, 1, 0, {"s": findings["s"]}, [market])
    return expected, Seen(findings, 10, 2, 4, 1), heard


def wrong(expected: Expected, seen: Seen, heard: Heard) -> list[int]:
    """Which verdicts are wrong, by number."""
    return [at for at, (_, right) in enumerate(demo_proof.verdicts(expected, seen, heard)) if not right]


def test_nothing_is_wrong_where_all_was_counted_once_and_found() -> None:
    assert [] == wrong(*case())


@pytest.mark.parametrize(("rows", "uses"), [(1, 4), (3, 4), (2, 3), (2, 5)])
def test_an_event_that_is_lost_or_counted_twice_is_seen(rows: int, uses: int) -> None:
    expected, seen, heard = case()
    assert [1] == wrong(expected, seen._replace(rows=rows, uses=uses), heard)


def test_records_that_were_not_read_are_seen() -> None:
    expected, seen, heard = case()
    assert [0] == wrong(expected, seen._replace(read=9), heard)


def test_a_finding_that_is_missed_or_false_is_seen_wherever_it_belongs() -> None:
    expected, seen, heard = case()
    for gone, at in (("s", 3), ("m", 4)):
        rest = {one: data for one, data in seen.findings.items() if one != gone}
        assert [at, 5] == wrong(expected, seen._replace(findings=rest), heard)
    more = {**seen.findings, "x": {**seen.findings["m"], "finding": "x"}}
    assert [4, 5] == wrong(expected, seen._replace(findings=more), heard)


def test_a_finding_that_says_something_else_is_seen_but_not_another_revision() -> None:
    expected, seen, heard = case()
    for name, value, found in (("revision", 2, []), ("sectors", ["J"], []), ("summary", "other", [3, 5])):
        findings = {**seen.findings, "s": {**seen.findings["s"], name: value}}
        assert found == wrong(expected, seen._replace(findings=findings), heard), name


def test_a_rejection_too_many_is_seen() -> None:
    expected, seen, heard = case()
    heard.hear(REJECTED, b"", {"reason": b"too-deep"})
    assert [2] == wrong(expected, seen, heard)


def test_the_expectation_counts_duplicates_rejections_and_heartbeats_that_were_replaced(tmp_path: Any) -> None:
    path = tmp_path / "story.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in story.lines()))
    market = Market(events=EVENTS_MIN)
    expected = demo_proof.expected(path, market)
    told, duplicates = len(list(story.events())), story.DUPLICATES + market.duplicates
    replaced = 1 + market.heartbeats_replaced
    assert (told + EVENTS_MIN, duplicates, story.REJECTED, replaced, market.cancellations) == expected[:5]
    assert Counter(story.STANDING) == Counter(key_of(one) for one in expected.story.values())
    assert told + EVENTS_MIN - duplicates - story.REJECTED - replaced - market.cancellations == expected.once


def test_findings_are_counted_by_detector_and_severity() -> None:
    findings = [
        {"detector": "b", "severity": "red"},
        {"detector": "a", "severity": "blue"},
        {"detector": "b", "severity": "red"},
    ]
    columns, rows = demo_proof.by_detector(findings)
    assert ["detector", "red", "orange", "yellow", "blue", "all"] == list(columns)
    assert [["a", "–", "–", "–", 1, 1], ["b", 2, "–", "–", "–", 2], ["all", 2, 0, 0, 1, 3]] == [
        list(one) for one in rows
    ]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "nothing counts against it"),
        ({"findings": [{"points": 10}, {"points": 4}]}, "14 points for 2 findings"),
        ({"findings": [{"points": 1}]}, "1 point for 1 finding"),
        ({"records": [{"points": 0}, {"points": 15}], "merits": [{}]}, "15 points for 1 record, 1 merit"),
    ],
)
def test_a_statement_says_what_made_it(members: Json, words: str) -> None:
    statement: Json = {"score": 65, "grade": "C", "findings": [], "records": [], "merits": []} | members
    assert f"Example  65 of 100, grade C: {words}" == demo_proof.statement_in_words(statement, "Example")


# How to go on.


def test_commands_to_go_on_with_are_as_they_can_be_called_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.chdir(tmp_path)
    command = programs / "circulation"

    def told() -> str:
        telling.how_to_go_on(tmp_path, "127.0.0.1:9092", "sqlite://", None)
        return next(line for line in capsys.readouterr().out.splitlines() if " rules show" in line).strip()

    assert f"{programs / 'python'} -m streams.cli.main rules show" == told()
    command.touch()
    assert "bin/circulation rules show" == told()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert f"{command} rules show" == told()
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert "circulation rules show" == told()


def test_stopping_says_whether_anything_of_the_demo_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with demo_held(tmp_path):
        pass
    assert (0, f"no demo runs in {tmp_path}\n") == (demonstration.stop(tmp_path), capsys.readouterr().out)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", MODULE])
    try:
        (tmp_path / "workers.json").write_text(f"[{worker.pid}]")
        assert (0, "stopped\n") == (demonstration.stop(tmp_path), capsys.readouterr().out)
        assert worker.wait() < 0
    finally:
        worker.kill()
    assert (0, f"no demo runs in {tmp_path}\n") == (demonstration.stop(tmp_path), capsys.readouterr().out)
