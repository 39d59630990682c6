"""Sums that go on where they stood: of a scope with many acts only those from a changed one on are judged again.

A sum that can be taken a step at a time (`Sum.step`) leaves a ledger behind. Between rounds it is kept here with the
place of each act in it, so that an act behind all others costs one step, and one that came late, was taken back or is
judged by other facts now costs the steps from there on. The sums that are kept are a cache: without it all acts are
gone over.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import orjson

from circulation.facts.acts import NEVER, Act
from circulation.facts.facts import Facts
from circulation.findings import Said
from circulation.ledger import Ledger
from circulation.rules import Step
from streams.store import schema
from streams.store.db import Db

# Earlier than any instant that an event may bear: from here on is all of it.
EARLIEST: Final = -(2**62)
# Acts of all sums that are kept together.
ACTS_KEPT_MAX: Final = 500_000
# Judgements of others that a sum goes back for; where there were more, it begins at its first act.
JUDGED_MAX: Final = 16
# A sum of fewer acts is gone over as quickly as it is kept.
ACTS_MIN: Final = 16


class Running:
    """One sum as it stood after its last act; of the acts before `until` it has all."""

    __slots__ = ("ledger", "marks", "moved", "since", "times", "until", "version")

    def __init__(self) -> None:
        self.ledger = Ledger()
        # Of each act its time, and where the ledger stood before it.
        self.times: list[int] = []
        self.marks: list[int] = []
        self.until = EARLIEST
        # From when on it was looked at when it was judged last, and at which instants something else is kept since.
        self.since = EARLIEST
        self.moved: set[int] = set()
        # How often it had been judged by then, by anyone.
        self.version = 0

    def __len__(self) -> int:
        return len(self.times)

    def back(self, instant: int) -> None:
        """Goes back to before the first act at or after an instant."""
        self.until = min(self.until, instant)
        at = bisect_left(self.times, instant)
        if at < len(self.times):
            self.ledger.back(self.marks[at])
            del self.times[at:], self.marks[at:]

    def on(self, step: Step, scope: str, acts: Sequence[Act], facts: Facts, horizon: int) -> Iterator[Said]:
        """Goes on over all acts from `until` on; says what they have it say, and what is kept since then.

        Of what is kept with a deadline only what is past it is said: of the others, see `deadlines`.
        """
        for act in acts:
            self.times.append(act.time)
            self.marks.append(self.ledger.mark)
            yield from step(self.ledger, scope, act, facts)
        self.moved = self.ledger.moved()
        self.since = min(self.until, *self.moved) if self.moved else self.until
        self.until = NEVER
        yield from self.ledger.kept(self.since, horizon)

    def deadlines(self, horizon: int) -> tuple[list[int], list[int]]:
        """The deadlines to come that this time brought, and those that it took away."""
        coming = sorted(instant for instant in self.moved if instant >= horizon)
        return [instant for instant in coming if self.ledger.due(instant)], [
            instant for instant in coming if not self.ledger.due(instant)
        ]


class Sums:
    """The sums that are kept, by (rule, scope)."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Running] = {}
        self._acts = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._kept

    def take(self, rule: str, scope: str) -> Running | None:
        """Takes a sum out, for who goes on with it and gives it back: whoever fails leaves nothing half done behind."""
        running = self._kept.pop((rule, scope), None)
        if running is not None:
            self._acts -= len(running)
        return running

    def give(self, rule: str, scope: str, running: Running) -> None:
        """Keeps a sum; of those that were not used for long as many go as are too much."""
        self.take(rule, scope)
        if len(running) < ACTS_MIN:
            return
        self._kept[rule, scope] = running
        self._acts += len(running)
        while self._acts > ACTS_KEPT_MAX and len(self._kept) > 1:
            self._acts -= len(self._kept.pop(next(iter(self._kept))))

    def touched(self, rule: str, scope: str, instant: int) -> None:
        """Something changed in a scope from an instant on."""
        running = self._kept.get((rule, scope))
        if running is not None:
            before = len(running)
            running.back(instant)
            self._acts -= before - len(running)

    def clear(self) -> None:
        """Forgets all of it."""
        self._kept.clear()
        self._acts = 0


class Versions:
    """How often each sum was judged, where other processes judge them too, and from which instants on the last times.

    A sum that another process has judged since goes back to what is older than all that was judged there. A judge that
    reads and writes the row of a sum has its lock.
    """

    def __init__(self, db: Db, sums: Collection[tuple[str, str]]) -> None:
        self._db = db
        self._rows: dict[tuple[str, str], tuple[int, list[int]]] = {}
        self._of = {*sums}
        self._new: list[tuple[str, str, int, bytes]] = []
        if sums:
            query = "select rule, scope, judged, since from sums where rule = any(?) and scope = any(?)"
            wanted = (sorted({key[at] for key in sums}) for at in (0, 1))
            for rule, scope, judged, since in db.rows(query, *wanted):
                self._rows[rule, scope] = (judged, orjson.loads(bytes(since)))

    def __bool__(self) -> bool:
        """Whether anybody may go on with any of them."""
        return bool(self._rows)

    def current(self, rule: str, scope: str, running: Running) -> Running:
        """A sum as far as it is still what it was; a new one, where that cannot be told."""
        if (rule, scope) not in self._of:
            return running
        judged, since = self._rows.get((rule, scope), (0, []))
        missed = judged - running.version
        if not 0 <= missed <= len(since):
            return Running()
        for instant in since[len(since) - missed :]:
            running.back(instant)
        return running

    def judged(self, rule: str, scope: str, running: Running, since: int) -> None:
        """A sum was judged from an instant on. Of one that nobody keeps nothing is written."""
        if (rule, scope) not in self._of or (len(running) < ACTS_MIN and (rule, scope) not in self._rows):
            return
        judged, before = self._rows.get((rule, scope), (0, []))
        running.version = judged + 1
        self._new.append((rule, scope, judged + 1, orjson.dumps([*before, since][-JUDGED_MAX:])))

    def write(self) -> None:
        """Writes what was judged to the open transaction."""
        self._db.many(schema.sums, self._new, "upsert")
