"""The store: one schema in both dialects, and nothing that an event holds may stop a transaction."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from circulation.admission import Admission
from circulation.cases import OWNER, derived, event
from streams import schema
from streams.replay import Replay, offline
from streams.store import ANALYZE_ROWS_MIN, STREAM_ROWS, Store, StoreTaken


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Store(url)
    made.migrate()
    return made


def replayed(store: Store, events: list[dict[str, object]]) -> list[tuple[object, ...]]:
    Replay(offline(store, None), Admission()).run([orjson.dumps(one) for one in events])
    with store.reading() as db:
        return db.rows("select output, input, time from derivations order by output, input")


def test_the_migrations_make_the_schema_that_the_code_declares(store: Store, tmp_path: Path) -> None:
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema.metadata) == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    store.migrate()
    with store.reading() as db:
        assert db.rows("select count(*) from horizon") == [(1,)]


def test_a_derivation_that_names_one_input_twice_is_one_edge(store: Store) -> None:
    edges = replayed(store, [derived("b", "2025-01-01", "a", "a")])
    assert [edge[:2] for edge in edges] == [("b", "a")]


def test_a_run_that_two_producers_complete_derives_from_the_earlier_on(store: Store) -> None:
    def run(producer: str, time: str) -> dict[str, object]:
        return {
            "eventType": "COMPLETE",
            "eventTime": time,
            "producer": producer,
            "run": {"runId": "r"},
            "job": {"namespace": "n", "name": "j"},
            "inputs": [{"namespace": "n", "name": "a"}],
            "outputs": [{"namespace": "n", "name": "b"}],
        }

    edges = replayed(store, [run("urn:late", "2025-01-02T00:00:00Z"), run("urn:early", "2025-01-01T00:00:00Z")])
    assert edges == [("n/b", "n/a", 1_735_689_600_000_000)]


def test_ids_of_any_script_and_length_are_kept(store: Store) -> None:
    ids = ["数" * 128, "é" * 128, "a" * 128, "ns/" + "x" * 1_021]
    members = {"title": "t", "owner": OWNER, "rights": ["holding"], "category": "c", "level": "general"}
    events = [event("asset.registered", id_, "2025-01-01", personal="none", **members) for id_ in ids]
    assert replayed(store, events) == []
    with store.reading() as db:
        assert {row[0] for row in db.rows("select subject from events")} == set(ids)


def test_a_second_process_may_not_have_a_sqlite_file_that_is_claimed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    store.claim()
    code = (
        f"from streams.store import Store, StoreTaken\ntry: Store({url!r}).claim()\nexcept StoreTaken: print('taken')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "taken\n"
    store.close()
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout == ""


def test_what_fails_inside_a_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(StoreTaken), store.writing() as db:
        db.run("insert into horizon (id, instant) values (2, 0)")
        raise StoreTaken("any error")
    with store.reading() as db:
        assert db.rows("select id from horizon") == [(1,)]


@pytest.mark.parametrize("asks", [False, True])
def test_a_statement_that_fails_undoes_all_though_nobody_waited_for_it(store: Store, asks: bool) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"), store.writing() as db:
        db.run("insert into horizon (id, instant) values (2, 0)")
        db.run("insert into horizon (id, instant) values (1, 0)")
        if asks:
            db.rows("select id from horizon")
    with store.writing() as db:
        assert [(1,)] == db.rows("select id from horizon")
        db.run("update horizon set instant = 5")
    with store.reading() as db:
        assert [(1, 5)] == db.rows("select id, instant from horizon")


def test_a_question_sees_what_was_written_before_it(store: Store) -> None:
    with store.writing() as db:
        for number in range(300):
            db.many(schema.deadlines, [(f"thing-{number}", number)])
            db.run("update deadlines set due = due + 1 where thing = ?", f"thing-{number}")
            if number % 100 == 0:
                assert [(number + 1,)] == db.rows("select count(*) from deadlines")
        assert (sum(range(1, 301)),) == db.one("select sum(due) from deadlines")


def test_postgres_looks_anew_at_what_has_more_than_doubled_and_not_at_what_only_changed(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()

    def analyzed(first: int, last: int, due: int = 0) -> bool:
        with store.writing() as db:
            db.many(schema.deadlines, [(f"thing-{number}", due) for number in range(first, last)], "upsert")
            db.run("update horizon set instant = instant + 1")
        with store.reading() as db:
            db.rows("select pg_stat_force_next_flush()")
        return "deadlines" in store.analyze()

    assert not analyzed(0, ANALYZE_ROWS_MIN)
    assert analyzed(ANALYZE_ROWS_MIN, ANALYZE_ROWS_MIN + 1)
    assert not analyzed(ANALYZE_ROWS_MIN + 1, 2 * ANALYZE_ROWS_MIN)
    with store.writing() as db:
        db.run("update deadlines set due = due + 1")
    assert not analyzed(0, 0)
    assert not analyzed(2 * ANALYZE_ROWS_MIN, 3 * ANALYZE_ROWS_MIN + 2)
    assert analyzed(3 * ANALYZE_ROWS_MIN + 2, 3 * ANALYZE_ROWS_MIN + 3)
    store.close()


def test_a_store_that_is_only_read_refuses_to_be_written(store: Store) -> None:
    url = store._url.render_as_string(hide_password=False)
    looking = Store(url, read_only=True)
    with pytest.raises(Exception, match=r"read-?only"), looking.writing() as db:
        db.run("delete from horizon")
    with looking.reading() as db:
        assert [(1,)] == db.rows("select count(*) from horizon")
    looking.close()


def test_a_snapshot_streams_what_was_there_when_it_began(store: Store) -> None:
    with store.writing() as db:
        db.many(schema.deadlines, [(f"thing-{number}", number) for number in range(20_000)])
    looking = Store(store._url.render_as_string(hide_password=False), read_only=True)
    found = []
    with looking.snapshot() as db:
        for rows in db.stream("select due from deadlines order by due"):
            if not found:
                with store.writing() as other:
                    other.run("delete from deadlines")
            assert len(rows) <= STREAM_ROWS
            found += [row[0] for row in rows]
    assert list(range(20_000)) == found
    looking.close()


def test_who_waits_longest_writes_next_however_often_another_asks(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/turns.db")
    store.migrate()
    waiting, done = threading.Event(), threading.Event()

    def other() -> None:
        waiting.set()
        with store.writing():
            done.set()
        store.close()

    turns = 0
    thread = threading.Thread(target=other)
    with store.writing():
        thread.start()
        waiting.wait()
        while not store._writer._waiting:
            time.sleep(0.001)
    while not done.is_set() and turns < 10:
        with store.writing():
            turns += 1
    thread.join()
    assert turns <= 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    ["", "NULL", "null", '"', "\\", '","', "{}", "{a,b}", " a ", "a\nb", "\\\\x00", "\x1f", "'", "%s", "?"]
)


def test_lists_reach_either_store_as_they_are(postgres_url: str) -> None:
    postgres, sqlite = Store(postgres_url), Store("sqlite://")

    @settings(max_examples=200, deadline=None)
    @given(st.lists(TEXTS, max_size=5), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))
    def reach(texts: list[str], numbers: list[int]) -> None:
        with postgres.reading() as db:
            asked = "select x from unnest(?::{}[]) with ordinality t(x, n) order by n"
            assert texts == [row[0] for row in db.rows(asked.format("text"), texts)]
            assert numbers == [row[0] for row in db.rows(asked.format("bigint"), numbers)]
            assert [(True,)] * len(texts) == [db.one("select ? = any(?::text[])", one, texts) for one in texts]
        with sqlite.reading() as db:
            assert [(1,)] * len(texts) == [db.one("select ? = any(?)", one, texts) for one in texts]

    try:
        reach()
    finally:
        postgres.close()


def test_rows_are_read_as_they_were_written(store: Store) -> None:
    row = st.tuples(TEXTS, TEXTS, st.none() | TEXTS, st.booleans())

    @settings(max_examples=60, deadline=None)
    @given(st.lists(row, max_size=6))
    def read(rows: list[tuple[str, str, str | None, bool]]) -> None:
        written = {
            one: (
                one,
                key,
                "t",
                "d",
                "enforce",
                "red",
                "asset",
                "a",
                party,
                -1,
                1,
                stood,
                2**62,
                None,
                party,
                b"\0\xff",
            )
            for one, key, party, stood in rows
        }
        with store.writing() as db:
            db.run("delete from findings")
            db.many(schema.findings, list(written.values()), "upsert")
            assert written == {row[0]: row for row in db.rows("select * from findings")}

    read()
