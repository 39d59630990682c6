"""The same desks and detectors over a file, without Kafka, in the file's order, with the clock of its events.

Uses between two other events are taken in together, everything else one by one, and the judge queue is drained after
every event that may fill it: what is written is the same however the file is read. Only statements of credit, which
are not written on the way, wait for the end.
"""

import base64
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import delete, func, select

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.credit.sending import sent
from circulation.events.event import Event
from circulation.events.names import CASES, FINDINGS, RULES, USAGE_REPORTED
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from circulation.voices import EVERYBODY, Voices
from streams.budget import OverBudget
from streams.engine import Engine
from streams.facts import credit as statements
from streams.facts.rulebook import shipped
from streams.health import store_clock
from streams.intake import Arrival, Outcome, Place, Refused
from streams.store import schema
from streams.store.ask import Question
from streams.store.db import Db
from streams.store.outbox import canonical
from streams.store.queue import ASIDE, STATING
from streams.store.store import Store
from streams.wire.files import Record

# Uses that are taken in together at most: bounds the memory, and changes nothing that is written.
RUN_MAX = 20_000
STATEMENTS_AT_ONCE = 1_000
BEFORE_ALL = -(2**62)

_OUTBOX, _FINDINGS = schema.outbox.c, schema.findings.c
_OUT: Final = Question(select(_OUTBOX.topic, _OUTBOX.value).order_by(_OUTBOX.id))
_EMPTY_OUTBOX: Final = Question(delete(schema.outbox))
_FIRST_DUE: Final = Question(select(func.min(schema.deadlines.c.due)))
_STANDING: Final = Question(select(_FINDINGS.data).where(_FINDINGS.standing).order_by(_FINDINGS.finding))


class Tally(NamedTuple):
    """How a replay ended. `lines` are the records of an archive, each of which may be a batch of events."""

    lines: int
    admitted: int
    duplicates: int
    rejected: int
    clock: int | None


Sink = Callable[[bytes], object]


def nothing(_: bytes) -> None:
    """A sink for what nobody asked for."""


class Replay:
    """One replay. `findings`, `cases` and `rejected` are given one line each, without its end."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        *,
        findings: Sink = nothing,
        cases: Sink = nothing,
        rejected: Sink = nothing,
        until: int | None = None,
    ) -> None:
        self._engine = engine
        self._admission = admission
        engine.store.voices = admission.voices
        self._sinks = {FINDINGS: findings, CASES: cases}
        self._rejected = rejected
        self._until = until
        self._clock = BEFORE_ALL
        self._pending: list[Arrival] = []
        self._refused: list[Refused] = []
        engine.take_up()
        with engine.store.reading() as db:
            self._due = _next_due(db)
        self._out: list[tuple[str, bytes]] = []
        self._counts = [0, 0]
        self._lines = 0
        # How many events were taken in, by type.
        self.taken: Counter[str] = Counter()

    def run(self, lines: Iterable[bytes | Record]) -> Tally:
        """Takes in all lines, or all records, then moves the clock on to `until`."""
        wall = time.time_ns() // 1000
        limit = wall if self._until is None else max(wall, self._until)
        is_asked = self._engine.intake.asked
        pending = self._pending
        clock = self._clock
        admitted = 0
        for order, (event, record, place, index, stamp) in enumerate(self._answers(lines, limit), start=1):
            if event is None:
                continue
            if isinstance(event, Rejection):
                # An event with a number may revise a finding: it is taken in where it stands, however the file is read.
                numbered = event.claim.sequence is not None
                if numbered:
                    self._flush()
                self._refused.append(Refused(order, event, place, stamp or (None if clock == BEFORE_ALL else clock)))
                if numbered:
                    self._flush()
                    clock = self._clock
                continue
            admitted += 1
            usage = event.type == USAGE_REPORTED
            if not usage:
                self._flush()  # by the clock as it was before this event
                clock = self._clock
            if event.time > clock and event.topic != RULES:
                clock = event.time
            pending.append(Arrival(order, clock, event, record, place, index, stamp))
            if not usage or clock > self._due or len(pending) >= RUN_MAX or is_asked(event, clock):
                self._flush()
                clock = self._clock
        self._flush()
        if self._until is not None and self._until > self._clock:
            self._clock = self._until
        self._pass_deadlines()
        try:
            self._state()
        except OverBudget:
            self._settle_apart(self._clock, ASIDE)
            self._state()
        self._tell()
        duplicates, rejected = self._counts
        return Tally(self._lines, admitted, duplicates, rejected, None if self._clock == BEFORE_ALL else self._clock)

    def _state(self) -> None:
        """States the credit of all, and remembers what another run over this store may cancel."""
        with self._engine.store.writing(self._engine.known.clear) as db:
            if self._clock != BEFORE_ALL:
                self._engine.settle_in(db, self._clock)
                store_clock.replayed(db, self._clock)
            self._engine.intake.cancellable.write(db, time.time_ns() // 1000)
            self._relay(db)

    def _answers(
        self, lines: Iterable[bytes | Record], limit: int
    ) -> Iterator[tuple[Event | Rejection | None, bytes, Place, int | None, int]]:
        """The answers of admission, with the record, its place, its index in a batch and its stamp. None for an
        empty line, for lines are numbered by the file."""
        admit = self._admission.admit
        for number, line in enumerate(lines, start=1):
            self._lines = number
            if isinstance(line, Record):
                raw = line.value or b""
                answer = admit(raw, topic=line.topic, key=line.key, headers=line.headers, now=limit)
                if isinstance(answer, list):
                    yield from ((result, raw, line.place, index, line.stamp) for index, result in enumerate(answer))
                else:
                    yield answer, raw, line.place, None, line.stamp
                continue
            place = ("file", 0, number)
            event = admit(line, topic=None, key=ANY, headers=(), now=limit)
            if isinstance(event, Rejection):
                if not line.strip():
                    yield None, line, place, None, 0
                    continue
                # once more without the line's end, which is not part of the record
                event = admit(line.rstrip(b"\r\n"), topic=None, key=ANY, headers=(), now=limit)
            if isinstance(event, list):
                raise AssertionError("a line is one event")
            yield event, line, place, None, 0

    def statements(self) -> Iterator[bytes]:
        """The statement of credit of every party that is known, as of the clock, in the order of the parties."""
        if self._clock == BEFORE_ALL:
            return
        with self._engine.store.reading() as db:
            parties = statements.known_parties(db)
            for at in range(0, len(parties), STATEMENTS_AT_ONCE):
                ledgers = statements.ledgers(db, parties[at : at + STATEMENTS_AT_ONCE])
                for statement in statements.statements(ledgers, self._engine.rulebook(), self._clock).values():
                    yield canonical(sent(statement.data))

    def _flush(self) -> None:
        """Takes in what is pending, and judges what that queued, in one transaction."""
        pending, refused = self._pending, self._refused
        if pending or refused:
            wall = time.time_ns() // 1000
            try:
                with self._engine.taking(pending) as db:
                    outcome = self._engine.intake.take(db, pending, refused, wall, clock=self._clock)
                    self._settle_in(db, outcome)
            except OverBudget:
                # Taken in without it, and judged item by item: what went over its budget is set aside.
                outcome = self._engine.take(pending, refused, wall, clock=self._clock)
                self._settle_apart(outcome.clock, STATING)
            self._clock = outcome.clock
            self.taken.update(outcome.type_counts)
            self._counts[0] += outcome.duplicates
            self._counts[1] += len(outcome.rejections)
            for refusal in outcome.rejections:
                self._rejected(_rejected_line(refusal))
            pending.clear()
            refused.clear()
            self._tell()
        self._pass_deadlines()

    def _settle_in(self, db: Db, outcome: Outcome) -> None:
        changed = bool(outcome.changes or outcome.rejections)
        if outcome.queued or outcome.changes:
            changed = self._engine.settle_in(db, outcome.clock, below=STATING) or changed
            self._due = _next_due(db)
        if changed:
            self._relay(db)

    def _pass_deadlines(self) -> None:
        while self._clock > self._due:
            self._engine.release(self._clock, time.time_ns() // 1000)
            try:
                with self._engine.store.writing(self._engine.known.clear) as db:
                    self._engine.settle_in(db, self._clock, below=STATING)
                    self._relay(db)
                    self._due = _next_due(db)
            except OverBudget:
                self._settle_apart(self._clock, STATING)
            self._tell()

    def _settle_apart(self, clock: int, below: int) -> None:
        self._engine.settle_apart(clock, below=below)
        with self._engine.store.writing(self._engine.known.clear) as db:
            self._relay(db)
            self._due = _next_due(db)

    def _relay(self, db: Db) -> None:
        """Takes what is to be told out of the store; it is told once that is committed."""
        rows = _OUT.rows(db)
        if rows:
            _EMPTY_OUTBOX.run(db)
        self._out += rows

    def _tell(self) -> None:
        for topic, value in self._out:
            self._sinks.get(topic, nothing)(bytes(value))
        self._out.clear()


def _next_due(db: Db) -> int:
    (due,) = _FIRST_DUE.one(db) or (None,)
    return 2**62 if due is None else int(due)


def _rejected_line(refusal: Refused) -> bytes:
    rejection = refusal.rejection
    record = rejection.record
    topic, partition, offset = refusal.place
    line: dict[str, Any]
    if topic == "file":
        record = record.rstrip(b"\r\n")  # the line's end is not part of the record
        line = {"line": refusal.order}
    else:
        line = {"topic": topic, "partition": partition, "offset": offset}
        line |= {} if rejection.index is None else {"index": rejection.index}
    line |= {"reason": str(rejection.reason), "detail": rejection.detail}
    try:
        line["record"] = record.decode()
    except UnicodeDecodeError:
        line["record_base64"] = base64.b64encode(record).decode()
    return orjson.dumps(line)


def findings_of(
    events: Sequence[dict[str, Any]],
    *,
    pack: dict[str, Any] | None = None,
    until: str | None = None,
    voices: Voices = EVERYBODY,
) -> list[dict[str, Any]]:
    """The standing findings (`data`, in the order of their ids) after a replay of these events: for tests and cases."""
    from circulation.calendar import parse_instant

    store = Store("sqlite://")
    engine = offline(store, None if pack is None else _pack(pack))
    replay = Replay(engine, Admission(voices=voices), until=None if until is None else parse_instant(until))
    replay.run(orjson.dumps(event) for event in events)
    with store.reading() as db:
        rows = _STANDING.rows(db)
    return [orjson.loads(row[0]) for row in rows]


def _pack(members: dict[str, Any]) -> Pack:
    import detectors

    return parse_pack(members, published=False, known=parameters(detectors.RULES))


def offline(store: Store, pack: Pack | None, *, name: str | None = None) -> Engine:
    """An engine for a replay: uses stay cancellable for the whole run, and are packed by the hundred thousand."""
    import detectors

    default = shipped(detectors.RULES) if pack is None else pack
    return Engine(store, default, name=name if pack is None else None, remember_chunk=100_000)
