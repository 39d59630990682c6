"""The store: one schema in both dialects, and nothing that an event holds may stop a transaction."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from circulation.admission.admission import Admission
from circulation.examples import OWNER, SELLER, derived, event, signed, used
from deploy.processes import free_port
from streams.facts.loading import payments
from streams.offline.replay import Replay, offline
from streams.store import keys, migrations, queue, schema
from streams.store.db import STREAM_ROWS
from streams.store.empty import ddl
from streams.store.errors import StoreAway, StoreTaken
from streams.store.migrations import config
from streams.store.store import ANALYZE_ROWS_MIN, Store


def replayed(store: Store, events: list[dict[str, object]]) -> list[tuple[object, ...]]:
    Replay(offline(store, None), Admission()).run([orjson.dumps(one) for one in events])
    with store.reading() as db:
        return db.rows(f"select output, input, time from {schema.STEPS} d order by output, input")


def test_the_migrations_make_the_schema_that_the_code_declares(store: Store, tmp_path: Path) -> None:
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    of_keys = {name for table in schema.metadata.sorted_tables for name, _, long, _ in keys.indexes(table) if long}

    def compared(one: Any, name: str | None, type_: str, *__: Any) -> bool:
        if one.info.get("only", store.place.split(":")[0]) not in store.place:
            return False
        # an index of keys is none of columns: the test below looks at those; partitions come and go
        partition = type_ in ("table", "index") and (name or "").startswith("remembered_rest")
        return not (store.postgres and ((type_ == "index" and name in of_keys) or partition))

    with create_engine(url).connect() as connection:
        options = {"compare_type": False, "include_object": compared}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


def test_no_index_of_postgres_holds_a_text_that_may_be_too_long_for_it(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    with store.reading() as db:
        query = "select indexname, indexdef from pg_indexes where schemaname = current_schema()"
        made = {
            name: re.sub(r"circulation_key\((\w+)\)", r"key \1", text.replace(chr(34), "")).split(" WHERE ")[0]
            for name, text in db.rows(query)
        }
    store.close()
    for table in schema.metadata.sorted_tables:
        for name, columns, long, unique in keys.indexes(table):
            if not long:
                continue
            listed = ", ".join(f"key {one}" if one in long else one for one in columns)
            assert made[name].endswith(f" USING btree ({listed})")
            assert unique == made[name].startswith("CREATE UNIQUE INDEX")


def test_a_column_that_is_long_in_one_table_is_so_in_every_index_that_has_its_name() -> None:
    """Queries are turned to keys by the names of columns: an index of the texts themselves would not serve them."""
    columns = [one for table in schema.metadata.tables.values() for one in table.columns]
    long = {one.name for one in columns if isinstance(one.type, schema.LongText)}
    indexed = {
        (t.name, name) for t in schema.metadata.tables.values() for _, some, _, _ in keys.indexes(t) for name in some
    }
    plain = {(c.table.name, c.name) for c in columns if not isinstance(c.type, schema.LongText)}
    assert set() == {one for one in indexed & plain if one[1] in long}


def begun(store: Store, revision: str) -> Connection:
    """The store as an older version of the program makes it, empty."""
    if store.postgres:
        with store.reading() as db:
            db.run("drop schema public cascade")
            db.run("create schema public")
        url = store._url.set(drivername="postgresql+psycopg")
    else:
        store.close()
        Path(str(store._url.database)).unlink()
        url = store._url
    engine = create_engine(url)
    with engine.begin() as connection:
        made = migrations.config()
        made.attributes["connection"] = connection
        command.upgrade(made, revision)
    return engine.connect()


def test_a_store_of_the_first_schema_migrates_with_what_is_in_it(store: Store) -> None:
    """Long ids are kept from then on, what was remembered stays, and a listing finds what stood."""
    begun(store, "0001").close()
    long = "ns/" + "".join(chr(0x20000 + 7 * n) for n in range(1_021))
    with store.writing() as db:
        db.run("insert into deadlines (thing, due) values ('short', 1)")
        db.run(
            "insert into remembered (topic, partition, taken, digests, details) values ('t', 0, 5, ?, ?)", b"a", b"b"
        )
        db.run("insert into derivations (output, input, origin, time, stops, same) values ('b', 'a', 'o', 1, ?, ?)",
               False, False)  # fmt: skip
    store.migrate()
    with store.writing() as db:
        db.many(schema.deadlines, [("short", 1), (long, 2)], "ignore")
        db.many(schema.derivations, [(long, "b", "o", 1, False, None, False)], "upsert")
        db.many(schema.remembered, [("t", 0, 6, b"c", b"d", None)])
        assert [("short", 1), (long, 2)] == db.rows("select thing, due from deadlines order by due")
        assert [(5, b"a"), (6, b"c")] == [
            (taken, bytes(raw)) for taken, raw in db.rows("select taken, digests from remembered order by id")
        ]
    with store.reading() as db:
        assert [(long,)] == db.rows("select d.output from derivations d join derivations e on d.input = e.output")
        assert [(2,)] == db.rows("select due from deadlines where thing = ?", long)


def test_records_and_merits_of_before_they_were_kept_line_by_line_are_stated_as_before(store: Store) -> None:
    """The acts that they were had no business ids, and nothing was kept of statements but what was sent."""
    said: dict[str, Any] = {"act": "a", "decided_by": "d"}
    date = {"tier": "minor", "document_date": "2025-03-01"}
    records = [event("credit.determined", OWNER, f"2025-03-0{n}", record=f"r{n}", **said, **date) for n in (1, 2)]
    merits = [event("merit.recorded", OWNER, f"2025-03-0{n}", merit=f"m{n}", points=n, **said) for n in (3, 4)]
    filed = event("objection.filed", OWNER, "2025-03-05", objection="o", record="r2", grounds="g")
    fresh = Store("sqlite://")
    replayed(fresh, [*records, *merits])
    with fresh.reading() as db:
        kept = db.rows("select * from events order by id")
    with begun(store, "0014") as connection:
        names = [one.name for one in schema.events.columns]
        rows = [dict(zip(names, row, strict=True)) for row in kept]
        connection.execute(
            schema.events.insert(), [row | {"thing": queue.act(row["type"], row["subject"])} for row in rows]
        )
        connection.commit()
    store.migrate()
    with store.writing() as db:
        db.numbers(len(kept))  # those that the rows have
        assert [row[4] for row in kept] == [row[0] for row in db.rows("select thing from events order by id")]
    stated = []
    for some in (store, fresh):
        replayed(some, [filed])
        with some.reading() as db:
            ((raw,),) = db.rows("select data from statements where party = ?", OWNER)
            stated.append(orjson.loads(raw))
    assert stated[0] == stated[1]
    assert [5, 0] == [one["points"] for one in stated[0]["records"]]


def test_payments_of_before_their_times_stood_beside_who_paid_are_found_by_them(store: Store) -> None:
    paid = {"payer": OWNER, "payee": SELLER, "amount": "1.00"}
    acts = [event("settlement.paid", "c", f"2025-03-0{n}", settlement=f"s{n}", **paid) for n in (1, 2)]
    fresh = Store("sqlite://")
    replayed(fresh, acts)
    with fresh.reading() as db:
        kept, named = db.rows("select * from events order by id"), db.rows("select kind, ref, event from refs")
    with begun(store, "0025") as connection:
        names = [one.name for one in schema.events.columns]
        connection.execute(schema.events.insert(), [dict(zip(names, row, strict=True)) for row in kept])
        rows = [dict(zip(("kind", "ref", "event"), row, strict=True)) for row in named]
        connection.execute(schema.refs.insert(), rows)
        connection.commit()
    store.migrate()
    first = kept[0][5]
    with store.reading() as db:
        found = payments(db, ("payer",), [OWNER], first, first), payments(db, ("payee",), [SELLER], first + 1)
    assert [[kept[0][0]], [kept[1][0]]] == [[row[0] for row in some] for some in found]


def test_numbers_of_before_their_times_were_kept_begin_again_and_their_gaps_are_found_by_a_number(store: Store) -> None:
    """Desks knew the highest number and the gaps, and no time; what is at a desk is no earlier than what came."""
    came = [signed("c", "2025-01-01"), *(used("c", f"2025-02-0{n}", id=f"u{n}", sequence=n) for n in (1, 4))]
    fresh = Store("sqlite://")
    replayed(fresh, came)
    with fresh.reading() as db:
        kept, gaps = db.rows("select * from events order by id"), db.rows("select thing, time, gap from gaps")
        ((topic, subject, raw),) = db.rows("select topic, subject, state from desks")
        findings = db.rows("select * from findings")
    # Without what tallies remember, which other migrations change.
    state = msgspec.msgpack.decode(raw)[:8]
    state[1] = {source: sequence[:3] for source, sequence in state[1].items()}
    old = sa.text("insert into gaps (thing, time, gap) values (:thing, :time, :gap)")
    with begun(store, "0017") as connection:
        for table, rows in ((schema.events, kept), (schema.findings, findings)):
            names = [one.name for one in table.columns]
            connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
        packed = msgspec.msgpack.encode(state)
        connection.execute(schema.desks.insert(), [{"topic": topic, "subject": subject, "state": packed}])
        connection.execute(old, [dict(zip(("thing", "time", "gap"), row, strict=True)) for row in gaps])
        connection.commit()
    store.migrate()
    with store.writing() as db:
        db.numbers(len(kept))  # those that the rows have
    left: list[bytes] = []
    run = Replay(offline(store, None), Admission(), rejected=left.append)
    bad = used("c", "2025-02-02", id="bad", sequence=2, purpose="\0")
    tally = run.run(orjson.dumps(one) for one in (came[1], used("c", "2025-02-05", id="again", sequence=1), bad))
    assert 1 == tally.duplicates
    assert ["sequence-reused", "invalid-data"] == [orjson.loads(one)["reason"] for one in left]
    with store.reading() as db:
        ((data,),) = db.rows("select data from findings where standing and detector = 'feed-gap'")
    evidence = orjson.loads(data)["evidence"]
    assert ([[2, 3]], [{"number": 2, "reasons": ["invalid-data"]}]) == (evidence["missing"], evidence["rejected"])


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
    imports = "from streams.store.errors import StoreTaken; from streams.store.store import Store"
    code = f"{imports}\ntry: Store({url!r}).claim()\nexcept StoreTaken: print('taken')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "taken\n"
    store.close()
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout == ""


def test_a_folder_that_is_not_there_is_not_made_but_named(tmp_path: Path) -> None:
    """It may be a slip of the pen, and an empty store is no store that anybody misses."""
    url = f"sqlite:///{tmp_path}/mistyped/store.db"
    with pytest.raises(StoreTaken, match=f"there is no folder {tmp_path}/mistyped: make it"):
        Store(url).claim()
    environ = {"CIRCULATION_STORE": url, "CIRCULATION_WEB": f"127.0.0.1:{free_port()}"}
    told = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "worker"], env=os.environ | environ, capture_output=True, text=True
    )
    assert (2, 1) == (told.returncode, len(told.stderr.splitlines())), told.stderr
    assert f"there is no folder {tmp_path}/mistyped" in told.stderr
    assert [] == list(tmp_path.iterdir())


def rights(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}


def test_the_files_of_sqlite_are_their_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store(f"sqlite:///{tmp_path}/store.db")
        store.claim()
        store.migrate()
        with store.writing() as db:
            db.run("update horizon set instant = 1")
            names = ("store.db", "store.db-wal", "store.db-shm", "store.db.lock")
            assert dict.fromkeys(names, 0o600) == rights(tmp_path)
        store.close()
    finally:
        os.umask(before)


def test_a_sqlite_file_that_others_could_read_is_taken_from_them_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.claim()
    store.migrate()
    store.close()
    for name in ("store.db", "store.db.lock"):
        (tmp_path / name).chmod(0o644)
    caplog.clear()
    for _ in range(2):
        again = Store(f"sqlite:///{tmp_path}/store.db")
        again.claim()
        with again.reading() as db:
            assert [(1,)] == db.rows("select count(*) from horizon")
        again.close()
    assert {0o600} == set(rights(tmp_path).values())
    said = [one.getMessage() for one in caplog.records if "could be read by others (mode 644)" in one.getMessage()]
    assert [f"{tmp_path}/store.db", f"{tmp_path}/store.db.lock"] == [one.split(" ")[0] for one in said]


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


def test_a_store_in_memory_is_a_copy_that_is_as_if_it_were_made_step_by_step() -> None:
    stepwise = sqlite3.connect(":memory:")
    for statement in ddl():
        stepwise.execute(statement)
    what = "select type, name, tbl_name, sql from sqlite_master order by type, name"
    first, second = Store("sqlite://"), Store("sqlite://")
    for one in (first, second):
        with one.reading() as db:
            assert stepwise.execute(what).fetchall() == db.rows(what)
            assert [(1, -(2**62))] == db.rows("select id, instant from horizon")
            holding = [name for name in schema.metadata.tables if db.one(f'select 1 from "{name}"')]
            assert ["horizon"] == holding
        with one.writing() as db:
            # Of its own: the other one, and whoever is copied next, has none of it.
            db.run("insert into counted values ('x')")


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


def test_what_was_kept_before_sums_went_on_where_they_stood_is_taken_over(store: Store) -> None:
    before = str(ScriptDirectory.from_config(config()).get_revision("0006").down_revision)
    with begun(store, before) as connection:
        for number, time in ((1, 5), (2, 7)):
            connection.exec_driver_sql(
                "insert into events (id, topic, subject, type, thing, time, source, event, reporter, data, taken)"
                f" values ({number}, 't', 's', 'y', 'thing', {time}, 'o', 'e{number}', 0, '', 0)"
            )
        connection.exec_driver_sql(
            "insert into scopes (rule, scope, thing) values ('r', 'c', 'thing'), ('r', 'c', 'uses')"
        )
        connection.exec_driver_sql("insert into queue (priority, thing, since) values (0, 'thing', 1)")
        connection.commit()
    store.migrate()
    with store.reading() as db:
        assert db.rows("select thing, time from scopes order by thing") == [("thing", 7), ("uses", None)]
        assert db.rows("select thing, begins from queue where thing = 'thing'") == [("thing", None)]


def test_a_file_that_is_removed_or_replaced_is_noticed_and_one_that_is_written_is_not(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    shutil.copy(migrated_sqlite, path)
    store = Store(f"sqlite:///{path}")
    assert not store.replaced()
    with store.writing() as db:
        db.run("insert into counted values ('x')")
    assert not store.replaced()
    path.rename(other)
    assert store.replaced()
    # Nobody makes another one in its place, or goes on in one that somebody else put there.
    store.close()
    for _ in range(2):
        with pytest.raises(StoreAway, match="was removed or replaced"), store.writing():
            pass
    assert not path.exists()
    shutil.copy(migrated_sqlite, path)
    assert store.replaced()
    with pytest.raises(StoreAway, match="was removed or replaced"), store.reading():
        pass
    other.replace(path)
    assert not store.replaced()
    with store.reading() as db:
        assert [("",), ("x",)] == db.rows("select party from counted order by party")
    store.close()


def test_a_file_that_is_not_there_yet_is_not_replaced_by_the_one_that_is_made(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    assert not store.replaced()
    store.migrate()
    assert not store.replaced()
    store.close()


def test_a_store_without_a_file_of_its_own_is_never_replaced(postgres_url: str) -> None:
    for url in (postgres_url, "sqlite://"):
        store = Store(url)
        assert not store.replaced()
        store.close()


@pytest.mark.parametrize("things", [[], ["a"], ["b", "c"], ["a", "b", "c", "nothing"]])
@pytest.mark.parametrize("rules", [[], ["r"], ["r", "s"]])
def test_a_list_of_any_length_is_asked_for_its_members(store: Store, rules: list[str], things: list[str]) -> None:
    rows = [(rule, "scope", thing, 1, None) for rule in ("r", "s") for thing in ("a", "b", "c")]
    query = "select rule, thing from scopes where rule = any(?) and scope = ? and thing = any(?)"
    with store.writing() as db:
        db.many(schema.scopes, rows)
        asked = sorted(db.rows(query, rules, "scope", things))
    assert [(one[0], one[2]) for one in rows if one[0] in rules and one[2] in things] == asked
