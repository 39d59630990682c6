"""The store: one SQL truth on SQLite (one worker) or PostgreSQL (many), with bulk statements on the hot path.

The schema is SQLAlchemy's and Alembic's (`schema`, `migrations`). Here stores are opened and brought up to date, and
transactions begin and end; what runs in them is in `db`.

SQLAlchemy and the driver of PostgreSQL are imported where they are used: a command that reads a file of SQLite needs
neither, and answers in a third of the time.
"""

import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from circulation.voices import EVERYBODY, Voices
from streams.address import address
from streams.budget import OverBudget
from streams.store import empty, files, schema_version
from streams.store.db import Db, wall
from streams.store.errors import BROKEN_OFF, FORBIDDEN, StoreAway, StoreRefuses, away, refused
from streams.store.files import take
from streams.store.turns import Turns

if TYPE_CHECKING:
    from sqlalchemy import URL


# Plans that PostgreSQL may not choose for a query while there is another way.
PLANNED_OFF = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
# Nor where it writes: an entry of an index whose row is gone is marked by the scan that comes upon it, and passed over
# from then on, but not by one that makes a bitmap: each goes through all that is gone until a vacuum.
PLANNED_OFF_WRITING = (*PLANNED_OFF, "enable_bitmapscan")
# Fewer rows are not worth another look at a table.
ANALYZE_ROWS_MIN = 500
# How long a SQLite file that another process writes is waited for.
PATIENCE_SECONDS = 10.0


class _Turn:
    """A transaction of SQLite, from `Store.writing`: it has the turn of its thread.

    A class, as a generator costs as much again as beginning and committing a small transaction.
    """

    __slots__ = ("_db", "_store", "_undone")

    def __init__(self, store: "Store", undone: Callable[[], None] | None) -> None:
        self._store = store
        self._undone = undone
        self._db: Db | None = None

    def __enter__(self) -> Db:
        self._store._writer.__enter__()
        try:
            db = self._db = self._store._db()
            db.begin(self._store._hurried_seconds)
        except BaseException as error:
            self._end(error)
            raise
        return db

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None and self._db is not None:
            try:
                self._db._sending.execute("commit")
            except BaseException as failed:
                self._end(failed)
                raise
            self._store._writer.__exit__()
        elif error is not None:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Undo what was done, then let others have their turn."""
        try:
            self._store._undo(self._db, self._undone, error)
        finally:
            self._store._writer.__exit__()


class Store:
    """The store behind a URL. `writing()` is one transaction, or nothing; each thread has its own connection.

    Raises `StoreNewer` at the first use where a newer version of this program made its schema, `StoreForeign` where
    what is there belongs to another program.

    With `read_only` the database itself refuses every write. With `hurried_seconds` a SQLite file that another process
    writes is waited for so long only, and asked for so often that the moment between two transactions is enough: SQLite
    itself soon asks every 0.1 s, and who writes all the time is never found idle. With `statement_seconds` PostgreSQL
    breaks off a statement that takes longer: `OverBudget`. With `lock_seconds` it waits no longer for a table that
    somebody has locked.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        hurried_seconds: float | None = None,
        statement_seconds: int | None = None,
        lock_seconds: int | None = None,
    ) -> None:
        self._text = url
        self._address = address(url)
        # The clock that stamps rows: a worker that knows that its own is wrong has another one.
        self.clock: Callable[[], int] = wall
        # The voices that count in what it has: by the settings of its reader.
        self.voices = EVERYBODY
        self._statement_seconds = statement_seconds
        self._hurried_seconds = hurried_seconds
        self._lock_seconds = lock_seconds
        self._read_only = read_only
        self.postgres = self._address.postgres
        self.memory = not self.postgres and self._address.database in (None, "", ":memory:")
        self._local = threading.local()
        # SQLite has one writer: threads that wait in turn here need not poll its lock.
        self._writer = Turns()
        self._lock_file: int | None = None
        # Whether it was seen that what is there is a store, or may become one.
        self._recognised = False
        # The file that a SQLite store began with: its device and number there.
        self._file: tuple[int, int] | None = None
        self._closed = False
        if self.memory:
            self._memory = self._open()
            # nothing to migrate in a store that is as old as this process
            self._create()

    def disposable(self) -> None:
        """Does without the disk's word that something is written: a store that is thrown away may be lost."""
        if not self.postgres:
            with self.reading() as db:
                db.rows("pragma synchronous=off")

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self._address.shown

    @functools.cached_property
    def _url(self) -> "URL":
        from sqlalchemy import make_url

        return make_url(self._text)

    def beside(self, suffix: str) -> Path | None:
        """The name of a file beside the store's own, where it has one."""
        return None if self.postgres or self.memory else Path(str(self._address.database) + suffix)

    def claim(self) -> None:
        """Takes a SQLite file for this process alone; raises `StoreTaken`."""
        if self.postgres or self.memory or self._lock_file is not None:
            return
        self._recognise()
        path = Path(str(self._address.database))
        lock = take(path, self.place)
        self._keep_private()
        self._lock_file = lock

    def migrate(self) -> None:
        """Brings the schema up to date (Alembic). Several workers may start at once."""
        if self.memory:
            return
        with self.reading():
            pass  # a store of a newer schema is left alone, and so is what is none of ours
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        from streams.store.migrations import upgrade

        url = self._url.set(drivername="postgresql+psycopg") if self.postgres else self._url
        engine = create_engine(url, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                # Of SQLite, too, the schema is made as a whole: its driver begins nothing where a table is made.
                lock = "select pg_advisory_xact_lock(7227)" if self.postgres else "begin immediate"
                connection.exec_driver_sql(lock)
                upgrade(connection)
        except Exception as error:
            cause = getattr(error, "orig", None)
            if away(error) or away(cause):
                raise StoreAway(str(error).splitlines()[0]) from error
            if getattr(cause, "sqlstate", None) in FORBIDDEN:
                role = self._url.username
                raise schema_version.StoreForbidden(
                    f"{self.place}: the role {role} may make no tables there ({str(cause).splitlines()[0]}): make it"
                    f" the owner of the database (alter database {self._url.database} owner to {role}), or grant create"
                    f" on its schema (grant create on schema public to {role})"
                ) from error
            raise
        finally:
            engine.dispose()

    def _create(self) -> None:
        empty.copy_into(self._memory._connection)

    def _open(self) -> Db:
        if self.postgres:
            import psycopg

            connection = psycopg.connect(
                self._url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                connect_timeout=5,
                application_name="circulation",
            )
            # the same few statements again and again; plans are kept from the second time on
            connection.prepare_threshold = 1
            # Every query that is asked often has an index that fits (`tests/plans.py`), but a planner that knows a
            # table as it was when it was small goes through the whole of it. Queries that go through a table for a
            # purpose still do, and none asks so much that it is worth being compiled.
            for name in PLANNED_OFF if self._read_only else PLANNED_OFF_WRITING:
                connection.execute(f"set {name} = off")
            if self._statement_seconds is not None:
                connection.execute(f"set statement_timeout = '{self._statement_seconds}s'")
            if self._lock_seconds is not None:
                connection.execute(f"set lock_timeout = '{self._lock_seconds}s'")
            if self._read_only:
                connection.execute("set session characteristics as transaction read only")
            return Db(connection, postgres=True, clock=self._now, voices=self._whose)
        if self._file is not None and self.replaced():
            raise StoreAway(f"{self.place} was removed or replaced")
        self._recognise()
        self._keep_private()
        name = self._address.database or ":memory:"
        raw = sqlite3.connect(
            f"{Path(name).absolute().as_uri()}?mode=ro" if self._read_only else name,
            uri=self._read_only,
            isolation_level=None,
            check_same_thread=False,
            timeout=PATIENCE_SECONDS if self._hurried_seconds is None else self._hurried_seconds,
            cached_statements=512,
        )
        # Whether it is a log that is written ahead is a matter of the file, and not of those who look at it.
        once = () if self._read_only else ("journal_mode=wal", "synchronous=normal")
        for pragma in (*once, "cache_size=-32768", "wal_autocheckpoint=10000"):
            raw.execute(f"pragma {pragma}")
        if self._hurried_seconds is not None:
            raw.execute("pragma busy_timeout=0")
        if self.memory:
            raw.execute("pragma synchronous=off")
        return Db(raw, postgres=False, clock=self._now, voices=self._whose)

    def _now(self) -> int:
        return self.clock()

    def _whose(self) -> Voices:
        return self.voices

    def replaced(self) -> bool:
        """Whether the SQLite file that this process began with is gone, or another one by now."""
        if self.postgres or self.memory:
            return False
        try:
            now = Path(str(self._address.database)).stat()
        except FileNotFoundError:
            return self._file is not None
        identity = (now.st_dev, now.st_ino)
        if self._file is None:
            self._file = identity
        return identity != self._file

    def _recognise(self) -> None:
        """Looks at a SQLite file before anything is done to it, its rights included."""
        if not self._recognised and not self.memory:
            schema_version.recognise_file(Path(str(self._address.database)), self.place)
            self._recognised = True

    def _keep_private(self) -> None:
        if self.postgres or self.memory or self._read_only:
            return
        files.keep_private(str(self._address.database))

    def _db(self) -> Db:
        if self.memory:
            return self._memory
        db: Db | None = getattr(self._local, "db", None)
        if db is None:
            db = self._open()
            try:
                schema_version.recognise(db, self.place)
                schema_version.check(db, self.place)
            except BaseException:
                db._connection.close()
                raise
            self._local.db = db
        return db

    def _drop(self) -> None:
        db: Db | None = getattr(self._local, "db", None)
        self._local.db = None
        if db is not None:
            with contextlib.suppress(Exception):
                db._connection.close()

    def writing(self, undone: Callable[[], None] | None = None) -> contextlib.AbstractContextManager[Db]:
        """One transaction: committed at the end, undone where anything raises. Raises `StoreAway`: all that is wrong
        with the store, and not with what is written, for which it may be waited.

        `undone` is called after that, before anyone else writes to SQLite.
        """
        return self._pipelined(undone) if self.postgres else _Turn(self, undone)

    @contextlib.contextmanager
    def _pipelined(self, undone: Callable[[], None] | None) -> Iterator[Db]:
        """A transaction of PostgreSQL."""
        db: Db | None = None
        try:
            db = self._db()
            with db.pipeline():
                db.begin()
                yield db
                db.run("commit")
        except BaseException as error:
            self._undo(db, undone, error)
            raise

    def _undo(self, db: Db | None, undone: Callable[[], None] | None, error: BaseException) -> None:
        """Undo a transaction in which an error was raised; raise what that says of the store, if anything."""
        if db is not None:
            with contextlib.suppress(Exception):
                db.run("rollback")
        if undone is not None:
            undone()
        self._gone(error)
        if refused(error):
            if not self.memory:
                self._drop()
            raise StoreRefuses(f"{self.place}: {error}") from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Db]:
        """A connection for single queries, outside any transaction."""
        try:
            yield self._db()
        except Exception as error:
            self._gone(error)
            raise

    def analyze(self) -> list[str]:
        """Has PostgreSQL look anew at tables that have more than doubled, and plan by it; answers with their names.

        It does so by itself, but only after a minute: until then a plan that was made for an empty table goes through
        all of one that no longer is.
        """
        if not self.postgres:
            return []
        with self.reading() as db:
            query = (
                "select s.relname from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
                " where s.schemaname = current_schema() and s.n_live_tup > ? + 2 * greatest(c.reltuples, 0)"
                " order by s.relname"
            )
            grown = [str(row[0]) for row in db.rows(query, ANALYZE_ROWS_MIN)]
            for name in grown:
                db.run(f'analyze "{name}"')
            return grown

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Db]:
        """One transaction that sees the store as it is at its first query, and writes nothing."""
        try:
            db = self._db()
            db.run("begin isolation level repeatable read read only" if self.postgres else "begin")
        except Exception as error:
            self._gone(error)
            raise
        try:
            yield db
        except Exception as error:
            self._gone(error)
            raise
        finally:
            with contextlib.suppress(Exception):
                db.run("rollback")

    def _gone(self, error: BaseException) -> None:
        if self._statement_seconds is not None and getattr(error, "sqlstate", None) == BROKEN_OFF:
            raise OverBudget("seconds", self._statement_seconds) from error
        if away(error):
            if not self.memory:
                self._drop()
            raise StoreAway(f"{self.place}: {error}") from error

    def close(self) -> None:
        """Closes this thread's connection and gives a SQLite file free."""
        self._drop()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
