"""What a pack would find that the packs in force do not: two runs of the same engine in stores of their own, compared.

Over a file or an archive both runs replay all of it. Over a store, a copy of what the store keeps is made by a reader
that cannot write; then the copy is judged as if the pack had been published. So nothing is guessed: what a backtest
answers is what the engine does. Uses are counted and not kept, so over a store the findings of tallies stay as they
are, also when a pack comes late; over a file they are judged too. Everything that is large lies on the disk.
"""

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson

import detectors
from circulation.admission import Admission
from circulation.calendar import format_instant
from circulation.rulepack import Pack, Packs, Published
from streams import schema
from streams.book import LIVE
from streams.breaker import ACTED_UPON, Limits
from streams.desks import joined
from streams.engine import SETTLE_ROUND, Engine
from streams.replay import BEFORE_ALL, Record, Replay, Tally
from streams.rulebook import Rulebook, types_of
from streams.store import Db, How, Store

# Uses that stay cancellable are packed by so many, as in a replay.
REMEMBER_CHUNK: Final = 100_000
# What a judgement does not look at: how events are taken in and sent, and what only tallies remember. Desks remember
# what was used on the newest days.
NOT_COPIED: Final = frozenset({"looks", "outbox", "parts", "progress", "remembered", "seen", "waiting"})
# What has rows from the beginning, and how those of a copy take their place.
BEGUN: Final[Mapping[str, How]] = {"horizon": "upsert", "counted": "ignore"}
# Members of a finding that say nothing of what was found.
ASIDE: Final = frozenset({"revision", "sectors", "rulepack", "detector_version"})
# Above all that is published: of equal instants the later published is in force.
LAST: Final = 2**62

Json = dict[str, Any]
Advance = Callable[[int], None] | None


class Span(NamedTuple):
    """From when on the pack is tried, and before when what occurred is compared (µs); None does not restrict."""

    since: int | None = None
    until: int | None = None


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
        kept = [one for one in published if one.pack.valid_from < self._since]
        return Packs(self._default, [*kept, Published(tried, LAST, "", "")])


class Compared(NamedTuple):
    """How two runs differ. Counts are by (detector, severity); `members` count what changed, by (detector, member).

    `standing` are the findings of both runs by detector. `looked_at` are the acts and uses that a detector looks at.
    `cases` are those in which something stands, before and after; `credit` the parties whose score fell and rose.
    """

    raised: Counter[tuple[str, str]]
    cleared: Counter[tuple[str, str]]
    members: Counter[tuple[str, str]]
    same: Counter[str]
    changed: Counter[str]
    standing: dict[str, tuple[int, int]]
    looked_at: dict[str, int]
    examples: list[Json]
    cases: tuple[int, int]
    credit: tuple[int, int]

    @property
    def differ(self) -> list[str]:
        """The detectors that find something else."""
        found = {detector for detector, _ in (*self.raised, *self.cleared)} | set(self.changed)
        return sorted(found)

    def fires(self, detector: str) -> int:
        """How much it would newly find."""
        return sum(number for (one, _), number in self.raised.items() if one == detector)

    def share(self, detector: str) -> float | None:
        """What it would newly find beside what it looks at; None where nothing is known of that."""
        looked_at = self.looked_at.get(detector, 0)
        return min(1.0, self.fires(detector) / looked_at) if looked_at else None

    def held(self, pack: Pack, limits: Limits) -> list[str]:
        """The detectors of which the breaker would hold the alerts: the pack acts upon them, and they fire on too
        much."""
        return [
            one
            for one in self.differ
            if pack.setting(one).mode in ACTED_UPON and limits.exceeded(self.fires(one), self.looked_at.get(one, 0))
        ]


class Ran(NamedTuple):
    """A backtest that ran: what differs, how many events it went over, and how many of them were rejected."""

    compared: Compared
    events: int
    rejected: int


class Tries(NamedTuple):
    """What is tried against what: `pack` against the packs of `name`, or `default` where none is published."""

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
        copy(live, before, copying)
        # What waits to be judged in the store is no difference that the pack makes.
        _settle(Engine(before, tries.default, name=tries.name), clock, judging)
        before.close()
        shutil.copyfile(str(before._url.database), Path(str(before._url.database)).with_name("after.db"))
        after = make("after")
        trial = tries.trial()
        engine = Engine(after, tries.default, name=tries.name, rulebook=trial)
        with after.writing() as db:
            db.many(schema.queue, [(LIVE, joined("pack", str(trial.begins)), clock)])
        _settle(engine, clock, judging)
        compared = compare(before, after, tries.span, {}, examples_max)
        with after.reading() as db:
            (events,) = db.one("select count(*) from events") or (0,)
        return Ran(compared, events, 0)


def copy(live: Store, into: Store, advance: Advance) -> None:
    """Copies the tables that judgements look at, as they are at one instant."""
    with live.snapshot() as db:
        for table in schema.metadata.sorted_tables:
            if table.name in NOT_COPIED:
                continue
            columns = [column for column in table.columns if not (column.primary_key and column.autoincrement is True)]
            names = ", ".join(f'"{column.name}"' for column in columns)
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
            for rows in db.stream(f'select {names} from "{table.name}" order by {keys}'):  # noqa: S608
                with into.writing() as own:
                    own.many(table, rows, BEGUN.get(table.name, "insert"))
                if advance is not None:
                    advance(len(rows))


def rows_of(live: Store) -> int:
    """How many rows a copy has."""
    tables = [table.name for table in schema.metadata.sorted_tables if table.name not in NOT_COPIED]
    with live.reading() as db:
        return sum(int(row[0]) for one in tables for row in db.rows(f'select count(*) from "{one}"'))  # noqa: S608


def _settle(engine: Engine, clock: int, advance: Advance) -> None:
    """Judges until nothing waits and no deadline is due. What would be sent is thrown away."""
    while True:
        with engine.store.writing() as db:
            engine.rulebook.refresh(db)
            judged = engine.judge.round(db, clock, SETTLE_ROUND)
            db.run("delete from outbox")
        if advance is not None and judged.items:
            advance(judged.items)
        if not judged.items and not engine.release(clock, clock):
            return


def _is_counted(type_: str) -> bool:
    return any(rule.tally is not None and type_ in rule.tally.events for rule in detectors.RULES.values())


# Comparing.


def compare(before: Store, after: Store, span: Span, uses: dict[str, int], examples_max: int) -> Compared:
    """How what stands in the two stores differs, of what occurred within the span. `uses` are not kept, so they are
    given, by type. Of each detector, severity and difference there are `examples_max` examples."""
    raised: Counter[tuple[str, str]] = Counter()
    cleared: Counter[tuple[str, str]] = Counter()
    members: Counter[tuple[str, str]] = Counter()
    same: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    standing: dict[str, list[int]] = {}
    shown: Counter[tuple[str, str, str]] = Counter()
    examples: list[Json] = []

    def show(what: str, data: Json, **more: Any) -> None:
        key = (what, data["detector"], data["severity"])
        shown[key] += 1
        if shown[key] <= examples_max:
            examples.append({"what": what, **data, **more})

    for old, new in _pairs(before, after, span):
        data: Json = new or old or {}
        detector = data["detector"]
        count = standing.setdefault(detector, [0, 0])
        count[0] += old is not None
        count[1] += new is not None
        if old is None:
            raised[detector, data["severity"]] += 1
            show("raised", data)
        elif new is None:
            cleared[detector, data["severity"]] += 1
            show("cleared", data)
        else:
            other = sorted(one for one in {*old, *new} - ASIDE if old.get(one) != new.get(one))
            if not other:
                same[detector] += 1
                continue
            changed[detector] += 1
            members.update((detector, one) for one in other)
            show("changed", data, before={one: old.get(one) for one in other})
    with before.reading() as old_db, after.reading() as new_db:
        return Compared(
            raised=raised,
            cleared=cleared,
            members=members,
            same=same,
            changed=changed,
            standing={one: (count[0], count[1]) for one, count in standing.items()},
            looked_at=_looked_at(new_db, span, uses),
            examples=sorted(examples, key=lambda one: (one["detector"], one["what"], one["occurred"], one["finding"])),
            cases=(_cases(old_db), _cases(new_db)),
            credit=_credit(before, after),
        )


def _pairs(before: Store, after: Store, span: Span) -> Iterator[tuple[Json | None, Json | None]]:
    """The findings that stand in either store, by their ids: the one of the first, and that of the second."""
    query = (
        "select finding, data from findings where standing = true and occurred >= ? and occurred < ? order by finding"
    )
    since = BEFORE_ALL if span.since is None else span.since
    until = LAST if span.until is None else span.until
    for one, other in _merged(_rows(before, query, since, until), _rows(after, query, since, until)):
        yield (None if one is None else orjson.loads(one[1])), (None if other is None else orjson.loads(other[1]))


def _rows(store: Store, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    with store.reading() as db:
        for rows in db.stream(query, *values):
            yield from rows


Row = tuple[Any, ...]


def _merged(some: Iterator[Row], others: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Two streams in the order of their first columns, those of the same in pairs."""
    one, other = next(some, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one, None
            one = next(some, None)
        elif one is None or other[0] < one[0]:
            yield None, other
            other = next(others, None)
        else:
            yield one, other
            one, other = next(some, None), next(others, None)


def _looked_at(db: Db, span: Span, uses: dict[str, int]) -> dict[str, int]:
    by_type = Counter(uses)
    query = "select type, count(*) from events where retracted is null and time >= ? and time < ? group by type"
    since = BEFORE_ALL if span.since is None else span.since
    by_type.update(dict(db.rows(query, since, LAST if span.until is None else span.until)))
    return {rule.id: sum(by_type[type_] for type_ in types_of(rule)) for rule in detectors.RULES.values()}


def _cases(db: Db) -> int:
    row = db.one("select count(*) from cases where standing > 0")
    return int(row[0]) if row else 0


def _credit(before: Store, after: Store) -> tuple[int, int]:
    """How many parties have a lower score, and how many a higher one, of those that have a statement in both."""
    query = "select party, score from statements order by party"
    fell = rose = 0
    for old, new in _merged(_rows(before, query), _rows(after, query)):
        if old is not None and new is not None:
            fell += new[1] < old[1]
            rose += new[1] > old[1]
    return fell, rose


def document(ran: Ran, tries: Tries, limits: Limits, kept: bool) -> Json:
    """A backtest as one JSON document. `kept` tells that it went over a store, which has no uses."""
    found = ran.compared
    held = found.held(tries.pack, limits)
    tallies = sorted(rule.id for rule in detectors.RULES.values() if rule.tally is not None)
    detectors_: Json = {}
    for one in sorted(found.standing):
        detectors_[one] = {
            "mode": tries.pack.setting(one).mode,
            "looked_at": found.looked_at.get(one, 0),
            "before": found.standing[one][0],
            "after": found.standing[one][1],
            "raised": {severity: n for (id_, severity), n in sorted(found.raised.items()) if id_ == one},
            "cleared": {severity: n for (id_, severity), n in sorted(found.cleared.items()) if id_ == one},
            "changed": found.changed[one],
            "changed_members": {member: n for (id_, member), n in sorted(found.members.items()) if id_ == one},
            "share": found.share(one),
            "held": one in held,
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
        "examples": found.examples,
        "cases": {"before": found.cases[0], "after": found.cases[1]},
        "credit": {"fell": found.credit[0], "rose": found.credit[1]},
    }
