"""The workers of a store as the store knows them: each says that it lives, and what it runs.

Workers of one store judge the same records and must go by the same rules: one that would start from another pack is
refused while others live. One that was killed counts as alive until its last beat is `SILENT_SECONDS` old, by the
clock of the database, which is the same for all.
"""

import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Final, NamedTuple

import orjson
from sqlalchemy import bindparam, delete, null, select, update

from circulation.bounds import shortened
from streams.facts.rulebook import Rulebook
from streams.store import schema, schema_version
from streams.store.ask import Question, names
from streams.store.db import Db
from streams.store.schema_version import Holds, StoreNewer
from streams.store.store import Store

# A worker says so often that it lives, and looks as often for new packs, of which it tells at once.
BEAT_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 1.0
# One that has said nothing for so long was killed, or its store keeps it waiting.
LATE_SECONDS: Final = 2 * BEAT_SECONDS
# A worker that has said nothing for so long is not alive.
SILENT_SECONDS: Final = 30
LOCK: Final = "workers"
# So long a worker of a newer schema waits for those of the older one to end. They look every second.
WAY_SECONDS_MAX: Final = 120.0
WAY_LOOK_SECONDS: Final = 0.5
# The first schema in which workers tell of themselves.
FIRST: Final = "0007"
# Of what a worker says of itself so many sentences are kept, of so many characters.
SENTENCES_MAX: Final = 50
SENTENCE_CHARACTERS_MAX: Final = 600
_SECOND: Final = 1_000_000

log = logging.getLogger("circulation")


class Differs(Exception):
    """This worker would judge by other rules than those that live; the message says which, and what to do."""


class Replaced(Exception):
    """Where this worker's store was there is another one by now, or none; the message says what to do."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} was removed or replaced while this worker ran on it: what it takes in would be lost. Start it"
            " again, on the store that is meant"
        )


class Alive(NamedTuple):
    """One worker that lives: a row of `workers`."""

    worker: str
    started: int
    beat: int
    version: str
    pack: str
    shipped: str
    admitted: int
    said: str = "{}"

    @property
    def reasons(self) -> list[str]:
        """Why it did not watch all that it should, at its last beat."""
        return list(orjson.loads(self.said).get("reasons", ()))

    @property
    def warnings(self) -> list[str]:
        """Its warnings then."""
        return list(orjson.loads(self.said).get("warnings", ()))


_WORKERS: Final = schema.workers
_OF_SPAN: Final = _WORKERS.c.beat.between(bindparam("first"), bindparam("last"))
_OF_NAME: Final = _WORKERS.c.worker == bindparam("name")
_ROWS: Final = select(*names(_WORKERS, *Alive._fields)).order_by(_WORKERS.c.started, _WORKERS.c.worker)
_ALIVE: Final = Question(_ROWS.where(_OF_SPAN))
_BEGUN: Final = Question(_ROWS)
_DROP_SILENT: Final = Question(delete(_WORKERS).where(~_OF_SPAN))
_DROP_ALL: Final = Question(delete(_WORKERS))
_DROP: Final = Question(delete(_WORKERS).where(_OF_NAME))
_BEAT: Final = Question(
    update(_WORKERS)
    .where(_OF_NAME)
    .values(beat=bindparam("clock"), admitted=bindparam("newest"), said=bindparam("report"))
    .returning(_WORKERS.c.worker)
)
_STORE: Final = schema.store_identity
_IDENTITY: Final = Question(select(_STORE.c.store).where(_STORE.c.id == 1))
_WANTED: Final = Question(select(_STORE.c.wanted).where(_STORE.c.id == 1))
_WANT: Final = Question(update(_STORE).values(wanted=bindparam("newest")))
_WANT_NONE: Final = Question(update(_STORE).where(_STORE.c.wanted.is_not(None)).values(wanted=null()))

Says = Callable[[], tuple[Sequence[str], Sequence[str]]]


def now(db: Db) -> int:
    """The clock of the database, µs: the same for all who ask it."""
    clock = (
        "select (extract(epoch from clock_timestamp()) * 1000000)::bigint"
        if db.postgres
        else "select cast(round((julianday('now') - 2440587.5) * 86400000) * 1000 as integer)"
    )
    row = db.one(clock)
    assert row is not None  # noqa: S101 a query without a table has one row
    return int(row[0])


def alive(db: Db) -> list[Alive]:
    """The workers that live, those first that began first. A beat from far ahead is of a clock that was put right."""
    return [Alive(*row) for row in _ALIVE.rows(db, **_span(now(db)))]


def known(db: Db) -> list[Alive]:
    """The workers that began and did not say that they ended, those first that began first."""
    return [Alive(*row) for row in _BEGUN.rows(db)]


def _span(clock: int) -> dict[str, int]:
    return {"first": clock - SILENT_SECONDS * _SECOND, "last": clock + SILENT_SECONDS * _SECOND}


def identity(db: Db) -> str:
    """The id of the store: other stores on the same Kafka have others."""
    row = _IDENTITY.one(db)
    assert row is not None  # noqa: S101 the migration that made the table wrote it
    return str(row[0])


def group(store_id: str) -> str:
    """The group of Kafka that the workers of one store form: those of another take no partitions from them."""
    return f"circulation-{store_id}"


def version() -> str:
    """The version of this program."""
    try:
        return metadata.version("circulation")
    except metadata.PackageNotFoundError:
        return "unknown"


def make_way(store: Store, newest: str, *, seconds_max: float = WAY_SECONDS_MAX) -> None:
    """Has the workers of an older schema end before it is brought to `newest`.

    Their statements would fail one after the other, and what they write could lack what the newer schema asks for. Does
    nothing where the store is of that schema, or of one before workers told of themselves.
    """
    until = time.monotonic() + seconds_max
    announced = False
    while True:
        # Outside a transaction: that there is no such table yet would spoil one.
        with store.reading() as db:
            version = schema_version.of(db)
        if version is None or version == newest or version < FIRST:
            return
        with store.writing() as db:
            # Said again and again: a worker that starts meanwhile takes it for one that nobody waits for any more.
            _WANT.run(db, newest=newest)
            names = [row.worker for row in alive(db)]
        if not names:
            return
        if not announced:
            log.info("the schema goes from %s to %s once these have ended: %s", version, newest, ", ".join(names))
            announced = True
        if time.monotonic() >= until:
            log.warning(
                "they have not ended within %.0f s; the schema is brought to %s all the same", seconds_max, newest
            )
            return
        time.sleep(WAY_LOOK_SECONDS)


class Heart:
    """The heartbeat of one worker, with its state. `begin` at its start, `beat` again and again, `end` at its
    end. `says` answers with the reasons why it is not ready, and its warnings."""

    def __init__(
        self, store: Store, rulebook: Rulebook, *, pack: str, shipped: str, says: Says = lambda: ((), ())
    ) -> None:
        self.worker = f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._store = store
        self._rulebook = rulebook
        self._pack = pack
        self._shipped = shipped
        self._version = version()
        self._says = says
        self._id = ""
        # The newest pack that it told of, and whether it was ready then.
        self._written = (-1, True)
        self._beats = 0

    def begin(self) -> None:
        """Joins the workers that live. Raises `Differs` where they go by other rules.

        Rows of workers that are no more are deleted. On SQLite that is every row: its file serves one.
        """
        with self._store.writing() as db:
            self._id = identity(db)
            self._join(db)

    def _join(self, db: Db) -> None:
        # Of two that begin at once, the second sees the first.
        db.lock([LOCK])
        clock = now(db)
        _WANT_NONE.run(db)
        if db.postgres:
            _DROP_SILENT.run(db, **_span(clock))
        else:
            _DROP_ALL.run(db)
        for peer in alive(db):
            if (peer.pack, peer.shipped) != (self._pack, self._shipped):
                raise Differs(self._against(peer, clock))
        self._rulebook.refresh(db)
        ready, report = self._how()
        self._written = (self._rulebook.newest, ready)
        row = Alive(self.worker, clock, clock, self._version, self._pack, self._shipped, self._rulebook.newest, report)
        db.many(schema.workers, [row], "upsert")

    def _against(self, peer: Alive, clock: int) -> str:
        seconds = max(0, clock - peer.beat) // _SECOND
        if peer.pack != self._pack:
            other_runs, this_runs = f"the packs {peer.pack!r}", f"{self._pack!r} (CIRCULATION_PACK)"
        else:
            other_runs = f"from the pack with digest {peer.shipped}"
            this_runs = f"from {self._shipped} (CIRCULATION_RULES, else the one that version {self._version} ships)"
        return (
            f"worker {peer.worker} of this store, last heard {seconds} s ago, runs {other_runs}, and this one would"
            f" run {this_runs}: all workers of a store go by the same; stop the others first"
            f" (one that was killed counts for {SILENT_SECONDS} s)"
        )

    def beat(self) -> float:
        """Says that this worker lives and how, where it is time, a pack has come, or it is ready no more or again.

        Answers with the seconds to the next look.

        One that was silent for too long joins again, and raises `Differs` where others have come meanwhile. Raises
        `StoreNewer` where the schema has moved on, or is about to, and `Replaced` where it is another store.
        """
        with self._store.reading() as db:
            schema_version.check(db, self._store.place)
            self._is_the_same(db)
            self._gives_way(db)
            self._rulebook.refresh(db)
        newest = self._rulebook.newest
        ready, report = self._how()
        if (newest, ready) == self._written and self._beats % int(BEAT_SECONDS / LOOK_SECONDS):
            self._beats += 1
            return LOOK_SECONDS
        with self._store.writing() as db:
            answer = _BEAT.one(db, clock=now(db), newest=newest, report=report, name=self.worker)
            if answer is None:
                self._join(db)
        self._written = (newest, ready)
        self._beats = 1
        return LOOK_SECONDS

    def _how(self) -> tuple[bool, str]:
        """Whether it is ready, and what it says of itself, as its row has it."""
        reasons, warnings = self._says()
        report = {"reasons": _bounded(reasons), "warnings": _bounded(warnings)}
        return not reasons, orjson.dumps(report).decode()

    def _is_the_same(self, db: Db) -> None:
        """A database can be emptied, and a backup restored into it, under a worker that keeps the group of the id that
        the store had."""
        emptied = schema_version.of(db) is None and schema_version.holds(schema_version.names(db)) is Holds.EMPTY
        if emptied or identity(db) != self._id:
            raise Replaced(self._store.place)

    def _gives_way(self, db: Db) -> None:
        row = _WANTED.one(db)
        if row and row[0] is not None and row[0] not in schema_version.known():
            raise StoreNewer(
                f"a worker of a newer version is about to bring the store {self._store.place} to the schema {row[0]},"
                f" which this version ({self._version}) does not know: it ends first"
            )

    def end(self) -> None:
        """Leaves the workers that live. A store that does not answer forgets this one by itself."""
        with contextlib.suppress(Exception), self._store.writing() as db:
            _DROP.run(db, name=self.worker)


def _bounded(sentences: Sequence[str]) -> list[str]:
    return [shortened(sentence, SENTENCE_CHARACTERS_MAX) for sentence in sentences[:SENTENCES_MAX]]
