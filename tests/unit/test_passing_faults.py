"""A fault of the store or of the machine makes good events wait, and rejects none: only a record's own error does.

A real worker without a broker takes in fetches of real messages, while its store is made to refuse.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import psycopg
import pytest
from confluent_kafka import Message
from psycopg import sql
from sqlalchemy import make_url

from circulation.examples import Json, party
from streams.findings.book import Book
from streams.intake import write
from streams.intake.batch import Batch
from streams.settings import Settings
from streams.store import schema
from streams.store.errors import StoreAway, StoreRefuses
from streams.store.schema_version import StoreForeign
from streams.store.store import Store
from streams.topics import PARTIES
from streams.wire.reader import Fetch, Part
from streams.worker.retry import passing
from streams.worker.worker import Worker

EVENTS = [party(f"corp:{number}", "2025-01-01") for number in range(5)]


def fetched(events: Sequence[Json], generation: int) -> Fetch:
    records = [
        Message(
            topic=PARTIES,
            partition=0,
            offset=at,
            key=one["subject"].encode(),
            value=orjson.dumps(one),
            timestamp=(1, 5),
        )
        for at, one in enumerate(events)
    ]
    return Fetch(PARTIES, {0: Part(0, len(records), records)}, generation)


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """A worker that has the partition from its beginning; on PostgreSQL it is one who may only what it is granted."""
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path')}/store.db"
    else:
        url = request.getfixturevalue("postgres_url")
    store = Store(url)
    store.migrate()
    with store.writing() as db:
        db.many(schema.progress, [(PARTIES, 0, 0, "id", None, None, 0, None, None)])
    store.close()
    if request.param != "sqlite":
        url = _granted(url)
    settings = Settings.read({"CIRCULATION_STORE": url})
    made = Worker(settings, Store(url))
    with made.store.writing() as db:
        made.homing.assign(db, [(PARTIES, 0)], {PARTIES: "id"}, {PARTIES: 1}, 0)
    made.assignment.positions = {(PARTIES, 0): 0}
    # There is no broker: nobody looks for one.
    made.reader.close()
    del made.assignment._broker
    yield made
    made.store.close()
    if request.param != "sqlite":
        with psycopg.connect(request.getfixturevalue("postgres_url"), autocommit=True) as connection:
            connection.execute("drop owned by taker cascade")
            connection.execute("drop role taker")


def _granted(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role taker login password 'secret'")
        for what in ("tables", "sequences"):
            connection.execute(sql.SQL("grant all on all {} in schema public to taker").format(sql.SQL(what)))
    return make_url(url).set(username="taker", password="secret").render_as_string(hide_password=False)


on_postgres = pytest.mark.parametrize("worker", ["postgresql"], indirect=True)
on_both = pytest.mark.parametrize("worker", ["sqlite", "postgresql"], indirect=True)


class Taking(threading.Thread):
    """Takes a fetch in, as long as that takes."""

    def __init__(self, worker: Worker, events: Sequence[Json] = EVENTS) -> None:
        super().__init__(daemon=True)
        self._worker = worker
        self._fetch = fetched(events, worker.reader.generation)
        self.start()

    def run(self) -> None:
        asyncio.run(self._worker.take(self._fetch))

    def ended(self) -> None:
        self.join(60)
        assert not self.is_alive(), self._worker.condition.readiness()["failing"]


def until(condition: Callable[[], Any]) -> None:
    """Waits for a condition."""
    waiting = threading.Event()
    for _ in range(6_000):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it does not come")


def kept(worker: Worker) -> list[str]:
    with worker.store.reading() as db:
        return [row[0] for row in db.rows("select subject from events order by id")]


def rejected(worker: Worker) -> list[str]:
    """Subjects of what was rejected."""
    with worker.store.reading() as db:
        rows = db.rows("select value from outbox where topic = 'circulation.rejected' order by id")
    return [orjson.loads(bytes(row[0]))["subject"] for row in rows]


ALL = [one["subject"] for one in EVENTS]
REFUSED = {
    "read-only": (
        "alter role taker set default_transaction_read_only = on",
        "alter role taker set default_transaction_read_only = off",
    ),
    "revoked": ("revoke insert on events from taker", "grant insert on events to taker"),
    "renamed": ("alter table seen rename to gone", "alter table gone rename to seen"),
}


@on_postgres
@pytest.mark.parametrize("fault", REFUSED)
def test_what_postgres_refuses_for_a_while_is_taken_in_after_it(
    worker: Worker, postgres_url: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "circulation")
    begins, ends = REFUSED[fault]
    attempts: list[int] = []
    whole = worker.engine.taking

    def counted(*given: Any, **named: Any) -> Any:
        attempts.append(1)
        return whole(*given, **named)

    worker.engine.taking = counted  # type: ignore[method-assign]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(begins)
        taking = Taking(worker)
        until(lambda: len(attempts) > 3)
        state = worker.condition.readiness()
        assert (False, True) == (state["store"], "taking in" in state["failing"])
        connection.execute(ends)
    taking.ended()
    assert (ALL, []) == (kept(worker), rejected(worker))
    state = worker.condition.readiness()
    assert (True, "") == (state["store"], state["failing"])
    assert 1 == len([one for one in caplog.records if "taking in" in one.getMessage()])


@pytest.mark.parametrize("worker", ["sqlite"], indirect=True)
def test_what_sqlite_refuses_for_a_while_is_taken_in_after_it(worker: Worker) -> None:
    whole = worker.engine.taking
    attempts: list[str] = []

    def only_read(*given: Any, **named: Any) -> Any:
        # A connection is of one thread, which is this one.
        with worker.store.reading() as db:
            db.rows(f"pragma query_only = {'on' if len(attempts) < 3 else 'off'}")
        attempts.append(worker.condition.readiness()["failing"])
        return whole(*given, **named)

    worker.engine.taking = only_read  # type: ignore[method-assign]
    Taking(worker).ended()
    assert (ALL, []) == (kept(worker), rejected(worker))
    assert 4 == len(attempts)
    assert all("readonly" in one for one in attempts[1:])


@on_both
@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")], ids=["memory", "disk"])
def test_what_this_machine_lacks_for_a_while_rejects_nothing(worker: Worker, error: Exception) -> None:
    whole = worker.engine.taking
    lacking = [error] * 3

    def take(*given: Any, **named: Any) -> Any:
        if lacking:
            raise lacking.pop()
        return whole(*given, **named)

    worker.engine.taking = take  # type: ignore[method-assign]
    Taking(worker).ended()
    assert (ALL, []) == (kept(worker), rejected(worker))


def fails_on(worker: Worker, subject: str) -> None:
    """Has the engine fail on this subject: a fault of our own."""
    whole = worker.engine.intake.take

    def take(db: Any, arrivals: Sequence[Any], *given: Any, **named: Any) -> Any:
        if any(one.event.subject == subject for one in arrivals):
            raise TypeError("a fault of our own")
        return whole(db, arrivals, *given, **named)

    worker.engine.intake.take = take  # type: ignore[method-assign]


@on_both
def test_a_record_that_the_engine_fails_on_is_rejected_and_the_others_are_taken_in(worker: Worker) -> None:
    fails_on(worker, "corp:2")
    Taking(worker).ended()
    assert ([one for one in ALL if one != "corp:2"], ["corp:2"]) == (kept(worker), rejected(worker))


@on_both
def test_what_the_store_cannot_hold_is_rejected_and_the_others_are_taken_in(worker: Worker) -> None:
    whole = write.write
    too_large = 2**70 if not worker.store.postgres else 2**40

    def too_much(batch: Batch, book: Book) -> None:
        batch.rows = [(*row[:8], too_large if row[2] == "corp:2" else row[8], *row[9:]) for row in batch.rows]
        whole(batch, book)

    with mock.patch.object(write, "write", too_much):
        Taking(worker).ended()
    assert ([one for one in ALL if one != "corp:2"], ["corp:2"]) == (kept(worker), rejected(worker))


@on_postgres
def test_a_record_is_not_rejected_while_that_cannot_be_written_either(worker: Worker, postgres_url: str) -> None:
    fails_on(worker, "corp:2")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("revoke insert on outbox from taker")
        taking = Taking(worker)
        until(lambda: "outbox" in worker.condition.readiness()["failing"])
        connection.execute("grant insert on outbox to taker")
    until(lambda: not taking.is_alive())
    # Part of the fetch was taken in: the rest is read again from where the store is.
    assert worker.assignment.doubted
    assert ALL[:2] == kept(worker)
    rest = fetched(EVENTS, worker.reader.generation).parts[0].records[2:]
    asyncio.run(worker.take(Fetch(PARTIES, {0: Part(2, 5, rest)}, worker.reader.generation)))
    assert ([one for one in ALL if one != "corp:2"], ["corp:2"]) == (kept(worker), rejected(worker))


# Whose fault it is.


@pytest.mark.parametrize(
    ("statement", "theirs"),
    [
        ("set transaction read only; insert into seen values ('x', 1)", True),
        ("select * from nowhere", True),
        ("select nothing from seen", True),
        ("set role pg_monitor; delete from seen", True),
        ("insert into seen values ('x', 2^70)", False),
        ("insert into seen values (null, 1)", False),
        ("select repeat('x', 2000000000)::text || repeat('x', 2000000000)", False),
        ("select 1/0", False),
        ("select from from", False),
    ],
)
def test_an_error_of_postgres_is_the_store_s_or_that_of_what_is_written(
    postgres_url: str, statement: str, theirs: bool
) -> None:
    store = Store(postgres_url)
    store.migrate()
    with pytest.raises(Exception) as raised, store.writing() as db:
        for one in statement.split("; "):
            db.run(one)
    assert theirs == isinstance(raised.value, StoreRefuses)
    assert theirs == isinstance(raised.value, StoreAway)
    store.close()


def test_a_damaged_file_is_no_fault_of_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    with store.reading() as db:
        db.rows("pragma wal_checkpoint(truncate)")
    store.close()
    path.write_bytes(b"no database".ljust(path.stat().st_size, b"!"))
    # Of who ran on it, and of who comes upon it: to the one it is a store that is damaged, to the other none.
    for one, kind in ((store, StoreRefuses), (Store(f"sqlite:///{path}"), StoreForeign)):
        with pytest.raises(kind) as raised, one.writing() as db:
            db.run("insert into seen values ('x', 1)")
        assert passing(raised.value)
        one.close()


@pytest.mark.parametrize("value", [None, 2**70])
def test_what_sqlite_cannot_hold_is_the_fault_of_what_is_written(tmp_path: Path, value: int | None) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    with pytest.raises((sqlite3.IntegrityError, OverflowError)), store.writing() as db:
        db.run("insert into seen values (?, ?)", "x", value)
    store.close()
