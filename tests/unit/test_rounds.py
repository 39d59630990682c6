"""Judging round after round: when it rests, what a failing round leaves, and what a judge in a process says."""

import dataclasses
import threading
from collections import Counter
from typing import Any

import pytest

from streams.findings.entry import Change
from streams.health.clock import Clock
from streams.judging import Judged
from streams.settings import Settings
from streams.store.errors import StoreAway, StoreRefuses
from streams.store.queue import AGAIN, LIVE, STATING
from streams.worker.judge_process import JudgeFailed, JudgeProcess, Word, _decode, _encode
from streams.worker.rounds import REST_SECONDS_MAX, TURNS_COUNT, Rounds

SETTINGS = Settings.read({"CIRCULATION_STORE": "sqlite:///x.db", "CIRCULATION_JUDGE_BATCH": "30"})


class Engine:
    """An engine whose rounds answer as they are told to; what it does is counted."""

    store = None

    def __init__(self, *answers: Judged | Exception) -> None:
        self._answers = list(answers)
        self.firsts: list[int] = []
        self.limits: list[int] = []
        self.taken_up = 0
        self.aside = 0

    def take_up(self, now: int) -> None:
        self.taken_up += 1

    def waiting(self) -> bool:
        return bool(self._answers)

    def set_aside(self, now: int, error: Exception) -> str:
        self.aside += 1
        return "act\x1fa"

    def judge_round(self, now: int, limit: int, *, pace: Any = None, first: int = LIVE) -> Judged:
        self.firsts.append(first)
        self.limits.append(limit)
        answer = self._answers.pop(0) if self._answers else Judged(0, [], [], 0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def judged(things: int, kind: str = "") -> Judged:
    return Judged(things, [], [], 5, kind=kind, things=things)


def steps(engine: Engine, count: int) -> tuple[list[float], list[int], list[str]]:
    """The pauses of so many steps, the items that were told of, and what failed."""
    told: list[int] = []
    failed: list[str] = []
    rounds = Rounds(
        engine,  # type: ignore[arg-type]
        SETTINGS,
        Clock(SETTINGS, engine.store),  # type: ignore[arg-type]
        lambda one, _: told.append(one.items),
        lambda doing, error: failed.append(f"{doing}: {error}"),
        lambda: None,
    )
    return [rounds._step() for _ in range(count)], told, failed


@pytest.mark.parametrize(("things", "rests"), [(1, True), (29, True), (30, False), (31, False)])
def test_it_rests_after_a_round_that_judged_all_that_just_came(things, rests):
    (pause,), told, _ = steps(Engine(judged(things)), 1)
    assert rests == (0.0 < pause <= REST_SECONDS_MAX)
    assert [things] == told


def test_a_round_is_full_by_its_items_though_they_are_of_few_things():
    assert [0.0] == steps(Engine(judged(30)._replace(things=3)), 1)[0]


def test_it_does_not_rest_after_bulk():
    assert [0.0, 0.0] == steps(Engine(judged(25, "screen"), judged(1, "screen")), 2)[0]


def test_it_does_not_rest_where_nothing_waited():
    assert [0.0] == steps(Engine(judged(0)), 1)[0]


def test_every_second_round_begins_with_bulk_and_one_states_credit():
    engine = Engine(*[judged(30)] * TURNS_COUNT)
    steps(engine, TURNS_COUNT)
    assert {LIVE: TURNS_COUNT // 2, AGAIN: TURNS_COUNT // 2 - 1, STATING: 1} == Counter(engine.firsts)
    assert [LIVE] * (TURNS_COUNT // 2) == engine.firsts[::2]


def test_what_was_set_aside_is_taken_up_once():
    engine = Engine(judged(1), judged(1))
    steps(engine, 2)
    assert 1 == engine.taken_up


def test_a_round_that_fails_is_judged_one_by_one_and_what_fails_alone_is_set_aside():
    engine = Engine(ValueError("all"), judged(1), ValueError("alone"), judged(1))
    _, told, failed = steps(engine, 1)
    assert [1, 1] == told
    assert ["judging 'act\\x1fa', which is set aside until the next start: alone"] == failed
    assert 1 == engine.aside
    assert [30, 1, 1, 1, 1] == engine.limits


@pytest.mark.parametrize("error", [StoreAway("gone"), StoreRefuses("read only"), MemoryError(), OSError("no space")])
@pytest.mark.parametrize("before", [[], [ValueError("all")]])
def test_a_passing_fault_is_not_taken_for_a_failing_item(before, error):
    engine = Engine(*before, error)
    with pytest.raises(type(error)):
        steps(engine, 1)
    assert 0 == engine.aside


# What a judge in a process says to its worker.


def heard(*words: Word) -> tuple[list[tuple[Judged, float]], list[tuple[str, type[Exception], str]]]:
    told: list[tuple[Judged, float]] = []
    failed: list[tuple[str, type[Exception], str]] = []
    process = JudgeProcess(
        SETTINGS,
        lambda one, seconds: told.append((one, seconds)),
        lambda doing, error: failed.append((doing, type(error), str(error))),
        lambda: None,
    )
    for word in words:
        process._hear(_decode(_encode(word)))
    return told, failed


def test_all_of_a_round_arrives():
    change = Change("usage-limit", "red", "enforce", raised=True, first=False, occurred=7)
    one = Judged(3, [change], ["purpose-drift"], 11, 2, Counter({"usage-limit": 4}), "screen", 3)
    ((arrived, seconds),), failed = heard(Word(one, 0.25))
    assert (one, 0.25) == (arrived, seconds)
    assert isinstance(arrived.changes[0], Change)
    assert [] == failed


def test_what_failed_arrives_with_its_reason_and_whether_the_store_is_away():
    _, failed = heard(Word(failing="judging", why="no route\nto host", away=True), Word(failing="judging x", why="?"))
    assert [("judging", StoreAway, "no route\nto host"), ("judging x", JudgeFailed, "?")] == failed


def test_a_line_holds_one_word_whatever_it_says():
    assert b"\n" not in _encode(Word(failing="a\nb\r\n", why="\u2028\x00"))


def test_a_judge_goes_by_the_settings_of_its_worker():
    other = dataclasses.replace(SETTINGS, official="李伟", judge_batch=7, rules=None)
    environ = JudgeProcess(other, lambda *_: None, lambda *_: None, lambda: None)._environ
    assert other == Settings.read(environ)


def test_nothing_is_said_to_a_judge_that_is_not_there():
    process = JudgeProcess(SETTINGS, lambda *_: None, lambda *_: None, lambda: None)
    process.came()
    process.end()
    stop = threading.Event()
    stop.set()
    process.run(stop)
    assert process._process is None
