"""Several workers on one PostgreSQL, their transactions cut open and put into each other, find what a replay finds.

Every transaction of taking in and of judging is stopped at its own steps, and others take place in the midst of it:
intake, rounds of judging that are cut open in turn, the horizon that moves on, pruning. It is one thread, so a seed
says all of it; who meets a lock that one further out holds is undone and begins again, as a worker does.
See docs/proof-of-judging.md.
"""

import contextlib
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import Json
from circulation.packs.reading import parse_pack
from deploy.postgres import Postgres
from streams.engine import Engine
from streams.facts.rulebook import RULES
from streams.findings.book import Book
from streams.intake import Arrival, write
from streams.intake.desks import Desks
from streams.judging import Judge, judge, needs, sandboxes, scopes
from streams.offline.replay import findings_of
from streams.store.db import Db
from streams.store.errors import StoreAway
from streams.store.queue import AGAIN, LIVE, STATING, Kind
from streams.store.schema import metadata
from streams.store.store import Store
from streams.worker import pruning
from tests.model import markets
from tests.transactions import db_of

NOW = parse_instant("2030-01-01")
ENGINES = 3
# After all that happens.
UNTIL = markets.UNTIL[-1]
# Where a transaction is cut open: before and after these. Of judging all kinds of items, and what is common to them; of
# intake and of the book.
STEPS: list[tuple[Any, str]] = [
    (judge, "claim"),
    (Judge, "_read_packs"),
    (needs, "load"),
    (scopes, "enter"),
    (sandboxes, "mark"),
    (Desks, "load"),
    (write, "write"),
    (Book, "enter"),
    (Book, "uphold"),
]
# Of the kinds of items these come in nearly every market; the others only where it has what they are of.
COMMON = {Kind.FACT, Kind.ACT, Kind.SUM, Kind.CREDIT}


class Crew:
    """Engines on one store, what is still to be taken in, and the chance that says who does what next."""

    def __init__(
        self, urls: Sequence[str], lines: Sequence[Json], default: Json, seed: int, taken: Counter[str]
    ) -> None:
        self.choose = random.Random(seed)
        self.engines = [Engine(Store(url), parse_pack(default, published=False)) for url in urls]
        self.busy: set[int] = set()
        self.held = False
        self.coming: dict[tuple[str, str], list[Arrival]] = {}
        self.horizon = -(2**62)
        admission = Admission()
        for number, one in enumerate(lines):
            raw = orjson.dumps(one)
            event = admission.admit(raw, topic=None, key=ANY, headers=(), now=NOW)
            assert isinstance(event, Event)
            place = (event.topic, self._owner((event.topic, event.subject)), number)
            arrival = Arrival(number, NOW, event, raw, place)
            self.coming.setdefault((event.topic, event.subject), []).append(arrival)
        # How often each step was taken, by its name or kind.
        self.taken = taken

    @staticmethod
    def _owner(key: tuple[str, str]) -> int:
        """A key has one partition, and that one worker."""
        return zlib.crc32("/".join(key).encode()) % ENGINES

    @contextlib.contextmanager
    def cut_open(self) -> Iterator[None]:
        """Has others do something before and after each step of any of these engines."""
        with contextlib.ExitStack() as stack:
            for owner, name in STEPS:
                cut = self._cut(named(owner, name), getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, cut))
            kinds = {kind: self._cut(kind, whole) for kind, whole in judge.JUDGES.items()}
            stack.enter_context(mock.patch.dict(judge.JUDGES, kinds))
            yield

    def _cut(self, name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        def cut(*given: Any, **named: Any) -> Any:
            self.taken[name] += 1
            db = db_of(given)
            self.meanwhile(db)
            answer = whole(*given, **named)
            self.meanwhile(db)
            return answer

        return cut

    def meanwhile(self, db: Db) -> None:
        """What others do in the midst of an open transaction; all that it sent has been done by then."""
        if len(self.busy) == ENGINES or self.choose.random() < 0.8:
            return
        db.rows("select 1")
        for _ in range(self.choose.choice([1, 1, 2, 3, 8])):
            self.turn()

    def turn(self) -> None:
        """One thing that an idle engine does."""
        at = self.choose.choice([one for one in range(ENGINES) if one not in self.busy])
        whatever = [self.take, self.take, self.judge, self.judge, self.judge, self.judge, self.rest]
        self.let(at, self.choose.choice(whatever))

    def let(self, at: int, act: Callable[[int], None]) -> None:
        """Has one engine do something, which may come to nothing where it meets a lock of one that is stopped."""
        self.busy.add(at)
        try:
            act(at)
        except StoreAway:
            pass
        finally:
            self.busy.discard(at)

    def take(self, at: int, keys: Sequence[tuple[str, str]] | None = None) -> None:
        """Takes in what comes next of a few keys of this worker."""
        if keys is None and self.held:
            return
        mine = [key for key in self.coming if self._owner(key) == at] if keys is None else list(keys)
        some = self.choose.sample(mine, min(len(mine), self.choose.choice([1, 1, 2]))) if keys is None else mine
        fetched = {key: self.coming[key][: self.choose.choice([1, 1, 2, 5])] for key in some}
        arrivals = sorted((one for each in fetched.values() for one in each), key=lambda one: one.order)
        if not arrivals:
            return
        held = {key: self.coming.pop(key) for key in some}  # nobody else is at it
        done = 0
        try:
            self.engines[at].take(arrivals, [], NOW)
            done = 1
        finally:
            for key, each in held.items():
                if left := each[done * len(fetched[key]) :]:
                    self.coming[key] = left

    def judge(self, at: int) -> None:
        """One round."""
        first = self.choose.choice([LIVE, LIVE, AGAIN, STATING])
        self.engines[at].judge_round(NOW, self.choice_of_limit(), first=first)

    def choice_of_limit(self) -> int:
        """Few things and many are judged by other ways."""
        return self.choose.choice([1, 2, 5, 50])

    def rest(self, at: int) -> None:
        """Moves the horizon on, or prunes."""
        engine = self.engines[at]
        if self.choose.random() < 0.3:
            task = pruning.Days(NOW - 1, ["reconciliation"], engine.known, lambda *_: (), pruning.Size(1, 1.0))
            with engine.store.writing(engine.known.clear) as db:
                task.drop(db, task.find(db, 100))
            return
        self.horizon = max(self.horizon, parse_instant(self.choose.choice([*markets.TIMES, *markets.UNTIL])))
        engine.release(self.horizon, NOW)

    def run(self, *, packs_first: bool) -> list[Json]:
        """All of it, to the end; what stands then."""
        for engine in self.engines:
            engine.take_up()
        # What is used is counted by the packs that were there before it: a worker takes in nothing until it has them.
        self.held = packs_first
        while packs_first and (packs := [key for key in self.coming if key[0] == RULES]):
            self.let(self._owner(packs[0]), lambda at, packs=packs: self.take(at, packs))  # type: ignore[misc]
        self.held = False
        while self.coming:
            self.turn()
        last = self.engines[0]
        while last.release(parse_instant(UNTIL), NOW) or last.waiting():
            for at in range(ENGINES):
                self.let(at, self.judge)
        with last.store.reading() as db:
            assert [] == db.rows("select thing from queue where priority >= 9")
            rows = db.rows("select data from findings where standing order by finding")
        return told(orjson.loads(row[0]) for row in rows)


def named(owner: Any, step: str) -> str:
    return f"{owner.__name__}.{step}"


def told(found: Any) -> list[Json]:
    """What was found, without what says when it left and to whom."""
    return [{name: value for name, value in one.items() if name not in ("revision", "sectors")} for one in found]


@pytest.fixture(scope="module")
def urls(postgres: Postgres, migrated_postgres: str) -> Iterator[list[str]]:
    """The addresses of one store; nobody waits there for a lock, since its holder is further out in the same thread."""
    url = make_url(postgres.create_database("interleaving", migrated_postgres))
    hurried = url.update_query_dict({"options": "-clock_timeout=20ms"}).render_as_string(hide_password=False)
    yield [hurried] * ENGINES
    postgres.drop_database("interleaving")


@pytest.fixture(scope="module")
def taken() -> Iterator[Counter[str]]:
    """How often each step was taken; a transaction is cut open nowhere but at steps that are taken."""
    count: Counter[str] = Counter()
    yield count
    assert set() == {*COMMON, *(named(*step) for step in STEPS)} - count.keys()


def emptied(url: str) -> None:
    """Makes the store as migrations leave it."""
    store = Store(url)
    with store.writing() as db:
        db.run(f"truncate {', '.join(table.name for table in metadata.sorted_tables)} restart identity")
        db.run("insert into horizon values (1, ?)", -(2**62))
        db.run("insert into counted values ('')")
    store.close()


def interleaved(
    urls: Sequence[str],
    lines: Sequence[Json],
    default: Json,
    seed: int,
    taken: Counter[str],
    *,
    packs_first: bool = True,
) -> list[Json]:
    emptied(urls[0])
    crew = Crew(urls, lines, default, seed, taken)
    try:
        with crew.cut_open():
            return crew.run(packs_first=packs_first)
    finally:
        for engine in crew.engines:
            engine.store.close()


# An example that fails is not made smaller: that would take minutes.
FEW = settings(max_examples=12, phases=[Phase.explicit, Phase.generate])


@FEW
@given(
    lines=markets.markets(packs_first=True),
    default=markets.packs,
    seed=st.integers(0, 2**32),
)
def test_transactions_that_are_put_into_each_other_find_what_a_replay_finds(
    urls: list[str], taken: Counter[str], lines: list[Json], default: Json, seed: int
) -> None:
    expected = told(findings_of(lines, pack=default, until=UNTIL))
    assert expected == interleaved(urls, lines, default, seed, taken)


@FEW
@given(
    lines=markets.markets(themes=markets.NOTHING_COUNTED),
    default=markets.packs,
    seed=st.integers(0, 2**32),
)
def test_so_do_packs_that_come_at_any_moment_where_nothing_is_counted(
    urls: list[str], taken: Counter[str], lines: list[Json], default: Json, seed: int
) -> None:
    expected = told(findings_of(lines, pack=default, until=UNTIL))
    assert expected == interleaved(urls, lines, default, seed, taken, packs_first=False)
