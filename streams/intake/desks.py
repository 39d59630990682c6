"""The desks of a worker: a cache in memory of those in the store."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from circulation import sequences
from circulation.daily import NEVER, Used
from circulation.events.names import CONTRACT_TERMINATED, CONTRACTS, EVENT_RETRACTED
from circulation.licences import TERMS_TYPES
from streams.intake.batch import Batch
from streams.intake.desk import Desk
from streams.intake.shapes import Shapes
from streams.store.kept_events import COLUMNS, event_of


class Desks:
    """Desks by (topic, subject), at most `desks_max` of them between fetches."""

    def __init__(self, shapes: Shapes, desks_max: int) -> None:
        self._desks_max = desks_max
        self._tallies = len(shapes.tallies)
        self._cache: dict[tuple[str, str], Desk] = {}
        self._state = msgspec.defstruct(
            "State",
            [
                # `streams.facts.used_days` reads the days alone
                ("days", dict[int, Used], msgspec.field(default_factory=dict)),
                ("sequences", dict[str, sequences.Sequence], msgspec.field(default_factory=dict)),
                ("waiting", int, 0),
                ("waiting_uses", int, 0),
                ("first_use", int, NEVER),
                ("paid", bool, False),
                ("reporters", int, 0),
                ("retracted", list[tuple[str, str, str]], msgspec.field(default_factory=list)),
                *((r.id.replace("-", "_"), r.tally.memory | None, None) for r in shapes.tallies if r.tally),
            ],
            array_like=True,
        )
        self.decode_state = msgspec.msgpack.Decoder(self._state).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def forget(self) -> None:
        """Drop the cache."""
        self._cache.clear()

    def cached(self, key: tuple[str, str]) -> Desk | None:
        """Return a desk that is in the cache, decoded."""
        desk = self._cache.get(key)
        if desk is not None and desk.evicted:
            self.decode(desk)
        return desk

    def load(
        self, batch: Batch, keys: Iterable[tuple[str, str]], home: Callable[[str, str], int] | None = None
    ) -> None:
        """Give the batch the desks of these keys, those that are not in the cache from the store.

        `home` tells the partition where a key (topic, subject) is at home; None where records lie in no partition.
        """
        if len(self._cache) > self._desks_max:
            self._cache.clear()
        missing: dict[str, list[str]] = {}
        for key in keys:
            desk = self._cache.get(key)
            if desk is None:
                missing.setdefault(key[0], []).append(key[1])
                desk = self._cache[key] = Desk(self._tallies, batch.db.voices())
                if home is not None:
                    desk.home = home(*key)
            batch.desks[key] = desk
        for topic, subjects in missing.items():
            query = "select subject, state from desks where topic = ? and subject = any(?)"
            stored = []
            for subject, raw in batch.db.rows(query, topic, subjects):
                desk = batch.desks[(topic, subject)]
                desk.state = bytes(raw)
                self.decode(desk)
                stored.append(subject)
            if topic == CONTRACTS:
                # Any event of a contract left a state of its desk.
                if stored:
                    _load_licences(batch, stored)
                for subject in subjects:
                    desk = batch.desks[(topic, subject)]
                    desk.watched = desk.daily or desk.several

    def decode(self, desk: Desk) -> None:
        """Decode what is evicted."""
        (
            desk.days,
            desk.sequences,
            desk.waiting,
            desk.waiting_uses,
            desk.first_use,
            desk.paid,
            desk.reporters,
            desk.retracted,
            *desk.memories,
        ) = msgspec.structs.astuple(self.decode_state(desk.state))
        desk.evicted = False

    def encode(self, batch: Batch, key: tuple[str, str], desk: Desk) -> None:
        """Make rows of what changed at a desk, and evict it: drop the decoded members that `state` holds."""
        if desk.dirty:
            # written as the array that the state is read from
            desk.state = self._encode(
                [
                    desk.days,
                    desk.sequences,
                    desk.waiting,
                    desk.waiting_uses,
                    desk.first_use,
                    desk.paid,
                    desk.reporters,
                    desk.retracted,
                    *desk.memories,
                ]
            )
            batch.states.append((*key, desk.state))
            desk.dirty = False
        if desk.parts_dirty:
            batch.parts += ((key[1], name, self._encode(desk.parts[name])) for name in sorted(desk.parts_dirty))
            desk.parts_dirty.clear()
        if desk.state:
            desk.evicted = True
            del desk.days, desk.sequences, desk.retracted, desk.memories


def load_sellers(batch: Batch, keys: Iterable[tuple[str, str]]) -> None:
    """Find the sellers whose sandboxes count uses, and the contracts among these keys that they sell under."""
    contracts = [key for key in keys if key[0] == CONTRACTS]
    if not contracts:
        return
    batch.sellers = batch.known.counted(batch.db)
    if batch.sellers:
        for key in contracts:
            batch.desks[key].count_towards(batch.sellers)


def _load_licences(batch: Batch, contracts: Sequence[str]) -> None:
    # The licences as they grew: statements in the order in which they came, each ended where it was taken back.
    types = [*TERMS_TYPES, CONTRACT_TERMINATED, EVENT_RETRACTED]
    query = f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
    for row in sorted(batch.db.rows(query, CONTRACTS, list(contracts), types)):
        event = event_of(row)
        licences = batch.desks[(CONTRACTS, event.subject)].licences
        if event.type == EVENT_RETRACTED:
            if event.data.type == CONTRACT_TERMINATED:
                licences.resume(event.source, event.data.event)
            else:
                licences.end(event.data.type, event.source, event.data.event)
        elif row[10] is None or row[10] > row[0]:
            if event.type == CONTRACT_TERMINATED:
                licences.terminate(event)
            else:
                licences.add(event)
