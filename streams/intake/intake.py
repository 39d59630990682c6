"""The loop of intake: what one fetch goes through, key by key."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from circulation.admission.reasons import in_lines
from circulation.calendar import SECOND
from circulation.daily import day_number
from circulation.events.event import Event
from circulation.events.names import (
    CONTRACTS,
    EVENT_RETRACTED,
    JOURNAL,
    OPENLINEAGE_RUN,
    RULEPACK_ACCEPTED,
    RULEPACK_PUBLISHED,
    RULES,
    SOURCE_HEARTBEAT,
    USAGE_REPORTED,
)
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid
from circulation.rules import Rule
from circulation.sequences import Repeated
from streams.facts.known import Known
from streams.facts.rulebook import Rulebook
from streams.findings.book import Book
from streams.intake import acts, contracts, deliveries, desks, parts, retractions, sequences, write
from streams.intake.batch import Arrival, Batch, Outcome, Refused
from streams.intake.cancellable import Cancellable
from streams.intake.desk import Desk
from streams.intake.desks import Desks
from streams.intake.shapes import Shapes
from streams.intake.sources import Sources
from streams.store import queue
from streams.store.db import Db
from streams.store.outbox import cloudevent

# Desks that are sent to PostgreSQL together.
STATES_AT_ONCE: Final = 100


class Intake:
    """Takes in fetches. Pure of Kafka: the engine calls it for workers and for replays."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        book: Book,
        packs: Rulebook,
        *,
        known_detectors: Mapping[str, Any],
        known: Known,
        desks_max: int = 200_000,
        remember_chunk: int = 0,
    ) -> None:
        self._book = book
        self._packs = packs
        self._parameters = known_detectors
        self._known = known
        self.shapes = Shapes(rules)
        self.desks = Desks(self.shapes, desks_max)
        self.cancellable = Cancellable(remember_chunk)
        self._sources = Sources()
        # Sources that owe events, by seconds; None as long as nobody has taken anything in.
        self._owed: Mapping[str, int] | None = None
        # The partition where a subject is at home, of (topic, subject); None where records lie in no partition.
        self.home: Callable[[str, str], int] | None = None
        # Other partitions where a subject was at home when its topic had fewer: of (topic, subject).
        self.earlier: Callable[[str, str], Sequence[int]] = lambda topic, subject: ()

    def asked(self, event: Event, clock: int) -> bool:
        """Whether a use, coming next, may bring something to be judged: where that is not known, it may."""
        owed = self._owed
        if owed is None or (owed and self._ends_silence(event, owed, clock)):
            return True
        desk = self.desks.cached((event.topic, event.subject))
        if desk is None or (event.time < desk.first_use and desk.begins_earlier(event.time)):
            return True
        country = event.data.country
        is_abroad = country is not None and country != self._packs().home
        if is_abroad and (country, day_number(event.time)) not in desk.abroad:
            return True
        return desk.news(event, clock)

    def _ends_silence(self, event: Event, owed: Mapping[str, int], clock: int) -> bool:
        seconds = owed.get(event.source)
        if seconds is None:
            return False
        newest = self._sources.heard.get(event.source)
        return newest is None or newest + seconds * SECOND < clock

    def forget(self) -> None:
        """Drop what is cached: after a failed transaction, and when partitions change hands."""
        self.desks.forget()
        self.cancellable.forget()
        self._sources.forget()

    def read_packs(self, arrivals: Iterable[Arrival]) -> None:
        """Read the packs among what came, and the lists in them; `take` finds them read."""
        for arrival in arrivals:
            if arrival.event.type == RULEPACK_PUBLISHED:
                with contextlib.suppress(PackInvalid):  # `take` says what is wrong
                    _ = self._packs.read(arrival.event, self._parameters).compiled

    def take(
        self,
        db: Db,
        arrivals: Sequence[Arrival],
        refused: Sequence[Refused],
        now: int,
        *,
        clock: int | None = None,
    ) -> Outcome:
        """Take in what came, in order; all that follows from it is written to the open transaction.

        1. Look for packs that came.
        2. Group the arrivals by key. The events of a key are taken in its order, and what goes out is sorted by arrival
           afterwards, so nothing depends on how the work was grouped.
        3. Load all that they need, in bulk: `{key: Desk}`, what came before, parts of tallies, deliveries.
        4. Take in each key's events: leave those that are not at home, then skip duplicates, advance the sequence, keep
           acts, fold facts, step tallies. Changes gather in the batch; the desk is encoded and evicted.
        5. Tell the clock without what was ignored.
        6. Write the batch.

        Arrivals of one partition come one after another.
        `clock` is the clock before the first of them, where events move it; else it is the wall's.
        """
        self._packs.refresh_where_changed(db, self._known)
        packs, voices = self._packs(), db.voices()
        batch = Batch(db, now, self.shapes, packs, self._known, self.cancellable, self.earlier, self._sources, voices)
        self._owed = voices.owed
        for refusal in refused:
            batch.reject(refusal)
        groups, other_arrivals = _grouped(arrivals)
        self._load(batch, groups, other_arrivals)
        for key, group in groups.items():
            desk = batch.desks[key]
            if desk.evicted:
                self.desks.decode(desk)
            partition = group[0].place[:2]
            staying = group
            home = desk.home
            # Partitions come one after another: where the first and the last are at home, all between are.
            if home >= 0 and (partition[1] != home or group[-1].place[1] != home):
                staying = _at_home(batch, desk, group)
                partition = (partition[0], home) if staying is not group else partition
            if key[0] == CONTRACTS:
                contracts.take(batch, desk, staying, self.cancellable.of(partition))
            else:
                for arrival in staying:
                    self._take_other(batch, desk, arrival)
            self.desks.encode(batch, key, desk)
            if db.postgres and len(batch.states) >= STATES_AT_ONCE:
                # it writes them while the next ones are encoded
                write.write_states(batch)
        if clock is None:
            clock = now
        elif batch.ignored:
            clock = _set_clocks(batch, arrivals, clock)
        elif arrivals:
            clock = max(clock, arrivals[-1].clock)
        write.write(batch, self._book)
        return _outcome(batch, other_arrivals, clock)

    def _load(
        self, batch: Batch, groups: Mapping[tuple[str, str], list[Arrival]], other_arrivals: Sequence[Arrival]
    ) -> None:
        """Load what the events of these groups need; `other_arrivals` are those among them that are no plain uses."""
        self.desks.load(batch, groups, self.home)
        desks.load_sellers(batch, groups)
        parts.load(batch, groups)
        if other_arrivals:
            sequences.load_seen(batch, other_arrivals)
            deliveries.load(batch, other_arrivals)

    def _take_other(self, batch: Batch, desk: Desk, arrival: Arrival) -> None:
        """Take in an event of a party, an asset, a run, a source, the rules or an order, unless it came before."""
        event = arrival.event
        effect = sequences.fresh(batch, desk, arrival)
        if effect is Repeated.DUPLICATE:
            batch.duplicate(arrival)
            return
        pack = None
        if event.type == RULEPACK_PUBLISHED and (pack := self._read_pack(batch, arrival)) is None:
            return
        if isinstance(effect, Repeated):
            sequences.refuse_reused(batch, desk, arrival, effect)
            return
        sequences.advance(batch, desk, arrival, effect)
        if pack is not None:
            _accept_pack(batch, arrival, pack)
        if event.type == SOURCE_HEARTBEAT and (
            acts.is_void(batch, desk, event) or not acts.replace_heartbeat(batch, event)
        ):
            return
        number, _, _ = acts.keep(batch, desk, arrival)
        if event.type == EVENT_RETRACTED:
            retractions.take_back(batch, desk, arrival, number)

    def _read_pack(self, batch: Batch, arrival: Arrival) -> Pack | None:
        """Read a published pack; refuse one that is invalid."""
        try:
            return self._packs.read(arrival.event, self._parameters)
        except PackInvalid as invalid:
            batch.refuse(arrival, in_lines(invalid.problems))
            return None


def _grouped(arrivals: Sequence[Arrival]) -> tuple[dict[tuple[str, str], list[Arrival]], list[Arrival]]:
    """Return the arrivals by (topic, subject), and those of them that are no uses with a number and nothing unknown."""
    groups: dict[tuple[str, str], list[Arrival]] = {}
    other_arrivals: list[Arrival] = []
    topic = ""
    of_topic: dict[str, list[Arrival]] = {}
    by_topic = {topic: of_topic}
    for arrival in arrivals:
        event = arrival.event
        if event.topic != topic:
            topic = event.topic
            of_topic = by_topic.setdefault(topic, {})
        subject = event.subject
        group = of_topic.get(subject)
        if group is None:
            group = of_topic[subject] = groups[topic, subject] = []
        group.append(arrival)
        if event.type != USAGE_REPORTED or event.sequence is None or event.unknown:
            other_arrivals.append(arrival)
    return groups, other_arrivals


def _accept_pack(batch: Batch, arrival: Arrival, pack: Pack) -> None:
    """Have what a pack touches looked for, and say that it is in force."""
    batch.queue(queue.pack(pack.valid_from, pack.digest), queue.LIVE, arrival.order)
    message = cloudevent(
        JOURNAL,
        pack.pack,
        type_=RULEPACK_ACCEPTED,
        source="/circulation/rules",
        id_=f"{pack.digest}.{arrival.event.time}",
        time=arrival.clock,
        data={"pack": pack.pack, "version": pack.version, "digest": pack.digest},
    )
    batch.journal.append((arrival.order, message))


def _at_home(batch: Batch, desk: Desk, group: list[Arrival]) -> list[Arrival]:
    """Return what of a group is at home in the partition that it came from; the rest is left to whoever has its home.

    A run's events may have any key, and are judged under a lock of the run: they are at home everywhere.
    """
    away = [arrival for arrival in group if arrival.place[1] != desk.home and arrival.event.type != OPENLINEAGE_RUN]
    if not away:
        return group
    batch.away += away
    batch.ignored.update(arrival.order for arrival in away)
    return [arrival for arrival in group if arrival.order not in batch.ignored]


def _set_clocks(batch: Batch, arrivals: Sequence[Arrival], clock: int) -> int:
    """Set what was entered to the clock as it is without what was ignored; return the clock at the end."""
    clocks: dict[int, int] = {}
    for arrival in arrivals:
        if arrival.order not in batch.ignored and arrival.event.topic != RULES:
            clock = max(clock, arrival.event.time)
        clocks[arrival.order] = clock
    batch.entries = [(order, entry._replace(now=clocks[order])) for order, entry in batch.entries]
    batch.closed = [(order, clocks[order], finding, reason) for order, _, finding, reason in batch.closed]
    return clock


def _unknown(batch: Batch, arrivals: Sequence[Arrival]) -> dict[str, int]:
    """Return how many members nobody knows, by type, of the events that were taken in."""
    unknown: dict[str, int] = {}
    for arrival in arrivals:
        event = arrival.event
        if event.unknown and arrival.order not in batch.ignored:
            unknown[event.type] = unknown.get(event.type, 0) + event.unknown
    return unknown


def _outcome(batch: Batch, other_arrivals: Sequence[Arrival], clock: int) -> Outcome:
    """Return what this fetch did; `other_arrivals` are those that are no plain uses."""
    reasons: dict[str, int] = {}
    for refused in batch.refused:
        reasons[refused.rejection.reason] = reasons.get(refused.rejection.reason, 0) + 1
    return Outcome(
        batch.type_counts,
        _unknown(batch, other_arrivals),
        batch.duplicates,
        reasons,
        batch.changes,
        len(batch.queued),
        sorted(batch.refused, key=lambda item: item.order),
        batch.errors,
        batch.ignored,
        clock,
        sorted(batch.away, key=lambda item: item.order),
    )
