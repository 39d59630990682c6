"""The findings of a pack against those of the packs in force: two runs of the same engine, in two stores.

Over a file or an archive both runs replay all of it. Over a store, a copy of what the store keeps is made by a reader
that cannot write; then the copy is judged as if the pack had been published. So nothing is guessed: what a backtest
answers is what the engine does. Uses are counted and not kept, so over a store the findings of tallies stay as they
are, also when a pack comes late; over a file they are judged too. Everything that is large lies on the disk.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Table, delete, func, select

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import format_instant
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack
from streams.breaker import Limits
from streams.engine import SETTLE_ROUND, Engine
from streams.facts.rulebook import Rulebook
from streams.offline.comparison import LAST, Compared, Json, Span, compare
from streams.offline.replay import BEFORE_ALL, Replay, Tally
from streams.store import queue, schema
from streams.store.ask import Question
from streams.store.db import How
from streams.store.store import Store
from streams.wire.files import Record

# Uses that stay cancellable are packed by so many, as in a replay.
REMEMBER_CHUNK: Final = 100_000
# Tables that judging does not read: of intake and sending, and those that only tallies use. Desks remember
# what was used on the newest days.
NOT_COPIED: Final = frozenset(
    {
        "looks",
        "outbox",
        "parts",
        "placements",
        "progress",
        "remembered",
        "seen",
        "store_identity",
        "unsent",
        "waiting",
        "workers",
    }
)
# Tables that have rows from the beginning, and how those of a copy take their place.
BEGUN: Final[Mapping[str, How]] = {"horizon": "upsert", "counted": "ignore"}

Advance = Callable[[int], None] | None

_EVENTS: Final = Question(select(func.count()).select_from(schema.events))
_EMPTY_OUTBOX: Final = Question(delete(schema.outbox))


class Trial(Rulebook):
    """The packs of a store, with a pack that is not published in force from an instant on, in place of all later ones.

    Without an instant it is in force from the beginning. With `as_published` it is added to the others as it is, so
    that its own validity counts.
    """

    def __init__(self, default: Pack, name: str | None, pack: Pack, since: int | None, *, as_published: bool) -> None:
        self._pack = pack
        self._since = since
        self._as_published = as_published
        super().__init__(default, name)

    @property
    def begins(self) -> int:
        """The instant from which on acts are judged by other packs."""
        if self._as_published:
            return self._pack.valid_from
        return BEFORE_ALL if self._since is None else self._since

    def _made(self, published: Iterable[Published]) -> Packs:
        if self._as_published:
            return Packs(self._default, [*published, Published(self._pack, LAST, "", "")])
        if self._since is None:
            return Packs.always(self._pack)
        tried = msgspec.structs.replace(self._pack, valid_from=self._since, valid_to=None)
        kept = [publication for publication in published if publication.pack.valid_from < self._since]
        return Packs(self._default, [*kept, Published(tried, LAST, "", "")])


class Ran(NamedTuple):
    """A backtest that ran: what differs, how many events it went over, and how many of them were rejected."""

    compared: Compared
    events: int
    rejected: int


class Tries(NamedTuple):
    """A trial: `pack` against the packs of `name`, or `default` where none is published."""

    pack: Pack
    default: Pack
    name: str | None
    span: Span = Span()
    as_published: bool = False

    def trial(self) -> Trial:
        """The packs of the second run."""
        return Trial(self.default, self.name, self.pack, self.span.since, as_published=self.as_published)


@contextlib.contextmanager
def scratch() -> Iterator[Callable[[str], Store]]:
    """Makes stores in a folder of their own, which goes away at the end."""
    with tempfile.TemporaryDirectory(prefix="circulation-backtest-") as folder, contextlib.ExitStack() as stack:

        def make(name: str) -> Store:
            store = Store(f"sqlite:///{Path(folder, name)}.db")
            store.migrate()
            store.disposable()
            stack.callback(store.close)
            return store

        yield make


def over_events(
    tries: Tries, lines: Callable[[str], Iterable[bytes | Record]], admission: Admission, *, examples_max: int
) -> Ran:
    """Replays all lines twice. `lines(label)` gives them anew for each run, which the label tells a person.

    The clock is moved on to the span's end where it is later. Raises OSError where they cannot be read.
    """

    def run(store: Store, rulebook: Rulebook | None, label: str) -> tuple[Replay, Tally]:
        engine = Engine(
            store, tries.default, name=tries.name, remember_chunk=REMEMBER_CHUNK, rulebook=rulebook, desks_max=50_000
        )
        replay = Replay(engine, admission, until=tries.span.until)
        return replay, replay.run(lines(label))

    with scratch() as make:
        before, after = make("before"), make("after")
        run(before, None, "as it is")
        replay, tally = run(after, tries.trial(), "as it would be")
        uses = {type_: number for type_, number in replay.taken.items() if _is_counted(type_)}
        compared = compare(before, after, tries.span, uses, examples_max)
        return Ran(compared, tally.admitted, tally.rejected)


def over_store(
    tries: Tries, live: Store, clock: int, *, examples_max: int, copying: Advance = None, judging: Advance = None
) -> Ran:
    """Copies what the store keeps, and judges the copy as if the pack had been published.

    `clock` is the instant (µs) up to which deadlines have passed, in both.
    """
    with scratch() as make:
        before = make("before")
        before.voices = live.voices
        copy(live, before, copying)
        # Items that wait in the store's queue are no difference that the pack makes.
        _settle(Engine(before, tries.default, name=tries.name), clock, judging)
        before.close()
        shutil.copyfile(str(before._url.database), Path(str(before._url.database)).with_name("after.db"))
        after = make("after")
        after.voices = live.voices
        trial = tries.trial()
        engine = Engine(after, tries.default, name=tries.name, rulebook=trial)
        with after.writing() as db:
            queue.put(db, [queue.pack(trial.begins)], queue.LIVE, clock)
        _settle(engine, clock, judging)
        compared = compare(before, after, tries.span, {}, examples_max)
        with after.reading() as db:
            (events,) = _EVENTS.one(db) or (0,)
        return Ran(compared, events, 0)


@cache
def _all(table: Table) -> Question:
    """All rows, as the index has them: nothing is sorted."""
    columns = [column for column in table.columns if not (column.primary_key and column.autoincrement is True)]
    order = [func.key(column) if isinstance(column.type, schema.LongText) else column for column in table.primary_key]
    return Question(select(*columns).order_by(*order))


@cache
def _counted(table: Table) -> Question:
    return Question(select(func.count()).select_from(table))


def copy(live: Store, into: Store, advance: Advance) -> None:
    """Copies the tables that judgements look at, as they are at one instant."""
    with live.snapshot() as db:
        for table in schema.metadata.sorted_tables:
            if table.name in NOT_COPIED:
                continue
            for rows in _all(table).stream(db):
                with into.writing() as target:
                    # Waiting items are judged again from where they were to be.
                    written = schema.queue_begun if table is schema.queue else table
                    target.many(written, rows, BEGUN.get(table.name, "insert"))
                if advance is not None:
                    advance(len(rows))


def rows_of(live: Store) -> int:
    """How many rows a copy has."""
    tables = [table for table in schema.metadata.sorted_tables if table.name not in NOT_COPIED]
    with live.reading() as db:
        return sum(int(row[0]) for table in tables for row in _counted(table).rows(db))


def _settle(engine: Engine, clock: int, advance: Advance) -> None:
    """Judges until nothing waits and no deadline is due. The outbox is thrown away."""
    while True:
        with engine.store.writing() as db:
            engine.rulebook.refresh(db)
            judged = engine.judge.round(db, clock, SETTLE_ROUND)
            _EMPTY_OUTBOX.run(db)
        if advance is not None and judged.items:
            advance(judged.items)
        if not judged.items and not engine.release(clock, clock):
            return


def _is_counted(type_: str) -> bool:
    return any(rule.tally is not None and type_ in rule.tally.events for rule in detectors.RULES.values())


def document(ran: Ran, tries: Tries, limits: Limits, kept: bool) -> Json:
    """A backtest as one JSON document. `kept` tells that it went over a store, which has no uses."""
    compared = ran.compared
    held = compared.held(tries.pack, limits)
    tallies = sorted(rule.id for rule in detectors.RULES.values() if rule.tally is not None)
    detectors_: Json = {}
    for detector in sorted(compared.standing):
        detectors_[detector] = {
            "mode": tries.pack.setting(detector).mode,
            "looked_at": compared.looked_at.get(detector, 0),
            "before": compared.standing[detector][0],
            "after": compared.standing[detector][1],
            "raised": {severity: n for (id_, severity), n in sorted(compared.raised.items()) if id_ == detector},
            "cleared": {severity: n for (id_, severity), n in sorted(compared.cleared.items()) if id_ == detector},
            "changed": compared.changed[detector],
            "changed_members": {member: n for (id_, member), n in sorted(compared.members.items()) if id_ == detector},
            "share": compared.share(detector),
            "held": detector in held,
        }
    return {
        "pack": {"pack": tries.pack.pack, "version": tries.pack.version, "digest": tries.pack.digest},
        "since": None if tries.span.since is None else format_instant(tries.span.since),
        "until": None if tries.span.until is None else format_instant(tries.span.until),
        "as_published": tries.as_published,
        "events": ran.events,
        "rejected": ran.rejected,
        "not_judged": tallies if kept else [],
        "detectors": detectors_,
        "examples": compared.examples,
        "cases": {"before": compared.cases[0], "after": compared.cases[1]},
        "credit": {"fell": compared.credit[0], "rose": compared.credit[1]},
    }
