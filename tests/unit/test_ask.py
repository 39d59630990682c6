"""Statements of SQLAlchemy Core are asked as the other statements are, and stand alone on the cold path."""

import re
from pathlib import Path

import pytest
from sqlalchemy import BindParameter, bindparam, exists, insert, select, true, update

from streams.budget import Budget, Meter, OverBudget
from streams.store import schema
from streams.store.ask import ANY_ROW, Question, any_of, matches, names
from streams.store.keys import KEY_BYTES_MAX
from streams.store.store import Store

STREAMS = Path(__file__).parents[2] / "streams"
# Statements there are plain: on the hot path SQLAlchemy costs more than the statement itself.
PLAIN = ("engine.py", "facts", "findings", "intake", "judging", "store", "wire/relay.py")

FINDINGS = schema.findings.c
BOTH = pytest.mark.parametrize("postgres", [False, True], ids=["sqlite", "postgresql"])


def asked(question: Question, *, postgres: bool) -> str:
    return " ".join(question.text(postgres=postgres).split())


@BOTH
def test_constants_are_in_the_text_and_parameters_are_places(postgres: bool) -> None:
    standing = select(FINDINGS.finding).where(
        FINDINGS.standing,
        ~FINDINGS.standing,
        FINDINGS.detector == "usage-limit",
        FINDINGS.mode.in_(("warn", "enforce")),
        FINDINGS.about == any_of("abouts"),
        FINDINGS.reason.is_(None),
    )
    assert (
        "SELECT findings.finding FROM findings WHERE findings.standing AND NOT findings.standing"
        " AND findings.detector = 'usage-limit' AND findings.mode IN ('warn', 'enforce')"
        " AND findings.about = any(?) AND findings.reason IS NULL LIMIT ?"
    ) == asked(Question(standing.limit(bindparam("count"))), postgres=postgres)


@BOTH
def test_what_is_true_is_said_so_in_either_store(postgres: bool) -> None:
    statement = update(schema.settled_days).where(*matches(schema.settled_days, "contract")).values(forgotten=true())
    assert "UPDATE settled_days SET forgotten=true WHERE settled_days.contract = ?" == asked(
        Question(statement), postgres=postgres
    )


def test_rows_that_are_read_to_be_written_are_locked_where_there_are_several_writers() -> None:
    question = Question(ANY_ROW.where(*matches(schema.cases, "case_id")).with_for_update())
    assert asked(question, postgres=True).endswith(" FOR UPDATE")
    assert "FOR UPDATE" not in asked(question, postgres=False)


def test_a_parameter_may_stand_in_several_places_and_values_that_have_none_are_left(store: Store) -> None:
    begin: BindParameter[int] = bindparam("instant")
    statement = select(schema.deadlines.c.thing).where(
        schema.deadlines.c.due < begin, ~exists().where(schema.gaps.c.time >= begin)
    )
    with store.writing() as db:
        db.many(schema.deadlines, [("early", 1), ("late", 9)])
        assert [("early",)] == Question(statement).rows(db, instant=5, other=7)


def test_a_parameter_that_is_missing_is_an_error(store: Store) -> None:
    question = Question(select(FINDINGS.data).where(FINDINGS.finding == bindparam("finding")))
    with store.reading() as db, pytest.raises(KeyError, match="finding"):
        question.one(db, findings="x")


@pytest.mark.parametrize("wanted", [[], ["short"], ["short", "long" * KEY_BYTES_MAX]], ids=["none", "one", "two"])
def test_long_texts_are_found_by_their_keys_alone_and_in_lists(wanted: list[str], store: Store) -> None:
    things = ["short", "long" * KEY_BYTES_MAX]
    deadlines = schema.deadlines
    of_list = Question(select(deadlines.c.thing).where(deadlines.c.thing == any_of("things")))
    alone = Question(select(*names(deadlines, "due", "thing")).where(*matches(deadlines, "thing")))
    with store.writing() as db:
        db.many(deadlines, [(thing, number) for number, thing in enumerate(things)])
        assert {(thing,) for thing in wanted} == set(of_list.rows(db, things=wanted))
        assert [(1, things[1])] == alone.rows(db, thing=things[1])


def test_a_question_with_a_limit_of_its_own_may_be_asked_within_a_budget(store: Store) -> None:
    question = Question(select(schema.deadlines.c.due).order_by(schema.deadlines.c.due).limit(bindparam("count")))
    budget = Budget(rows=3, bytes=1_000, seconds=60)
    with store.writing() as db:
        db.many(schema.deadlines, [("thing", number) for number in range(7)])
        with db.metered(Meter(budget, timed=False), timed=False):
            assert [(0,), (1,)] == question.rows(db, count=2)
            with pytest.raises(OverBudget):
                question.rows(db, count=7)


def test_what_is_written_may_be_answered(store: Store) -> None:
    gate = insert(schema.counted).values(party=bindparam("seller")).returning(schema.counted.c.party)
    with store.writing() as db:
        assert ("a seller",) == Question(gate).one(db, seller="a seller")


def test_a_stream_answers_with_all_rows(store: Store) -> None:
    question = Question(select(schema.deadlines.c.due).order_by(schema.deadlines.c.due))
    with store.writing() as db:
        db.many(schema.deadlines, [("thing", number) for number in range(7)])
    with store.snapshot() as db:
        assert list(range(7)) == [row[0] for rows in question.stream(db) for row in rows]


def test_no_statement_is_put_together_of_texts_off_the_hot_path() -> None:
    off = [
        path.relative_to(STREAMS).as_posix()
        for path in STREAMS.rglob("*.py")
        if re.search(r"noqa:.*\bS608\b", path.read_text())
    ]
    assert [] == [path for path in off if not path.startswith(PLAIN)]
