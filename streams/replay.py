"""The same desks and detectors over a file, without Kafka, in the file's order, with the clock of its events.

Uses between two other events are taken in together, everything else one by one, and the judge queue is drained after
every event that may fill it: what is written is the same however the file is read. Only statements of credit, which
are not written on the way, wait for the end.
"""

import base64
import gzip
import io
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
import zstandard

from circulation.admission import ANY, Admission, Headers, Rejection
from circulation.events import Event
from circulation.rulepack import Pack, parse_pack
from streams import statements
from streams.book import CASES, FINDINGS, STATING, canonical
from streams.desks import RULES, USAGE, Arrival, Outcome, Place, Refused
from streams.engine import Engine
from streams.rulebook import parameters, shipped
from streams.store import Db, Store

# Uses that are taken in together at most: bounds the memory, and changes nothing that is written.
RUN_MAX = 20_000
STATEMENTS_AT_ONCE = 1_000
BEFORE_ALL = -(2**62)
# What is unpacked at once: a block of three bytes may unpack to 128 KiB.
PACKED_BYTES = 4 * 1024


class Tally(NamedTuple):
    """How a replay ended. `lines` are the records of an archive, each of which may be a batch of events."""

    lines: int
    admitted: int
    duplicates: int
    rejected: int
    clock: int | None


class Record(NamedTuple):
    """A record as it stood in Kafka; a line of a file is the same with no more than its bytes."""

    value: bytes | None
    topic: str
    key: bytes | None
    headers: Headers
    place: Place


Sink = Callable[[bytes], object]


def nothing(_: bytes) -> None:
    """A sink for what nobody asked for."""


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file of events, `.gz` and `.zst` unpacked on the way. Raises OSError where it cannot be read."""
    with path.open("rb") as raw:
        stream: Any
        if path.suffix == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif path.suffix == ".zst":
            stream = io.BufferedReader(_Zstandard(raw))
        else:
            stream = raw
        try:
            yield from stream
        except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
            raise OSError(f"{path}: {error}") from error


class _Zstandard(io.RawIOBase):
    """Frame after frame of a file. The library's own reader takes a file that was cut for one that has ended."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes of what was packed; 0 at the end. Raises EOFError where the file ends within a frame."""
        while not self._ready:
            packed = (self._frame.unused_data if self._frame.eof else b"") or self._raw.read(PACKED_BYTES)
            if not packed:
                if self._begun and not self._frame.eof:
                    raise EOFError("the file ends within a frame: it was cut")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = True
            self._ready = memoryview(self._frame.decompress(packed))
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)


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
        asked = self._engine.intake.asked
        pending = self._pending
        clock = self._clock
        admitted = 0
        for order, (event, record, place, index) in enumerate(self._answers(lines, limit), start=1):
            if event is None:
                continue
            if isinstance(event, Rejection):
                self._refused.append(Refused(order, event, place))
                continue
            admitted += 1
            usage = event.type == USAGE
            if not usage:
                self._flush()  # by the clock as it was before this event
                clock = self._clock
            if event.time > clock and event.topic != RULES:
                clock = event.time
            pending.append(Arrival(order, clock, event, record, place, index))
            if not usage or clock > self._due or len(pending) >= RUN_MAX or asked(event, clock):
                self._flush()
                clock = self._clock
        self._flush()
        if self._until is not None and self._until > self._clock:
            self._clock = self._until
        self._pass_deadlines()
        with self._engine.store.writing(self._engine.known.clear) as db:
            if self._clock != BEFORE_ALL:
                self._engine.settle_in(db, self._clock)  # what is stated of credit
            self._engine.intake.remember(db, wall)  # another run over this store may cancel them
            self._relay(db)
        self._tell()
        duplicates, rejected = self._counts
        return Tally(self._lines, admitted, duplicates, rejected, None if self._clock == BEFORE_ALL else self._clock)

    def _answers(
        self, lines: Iterable[bytes | Record], limit: int
    ) -> Iterator[tuple[Event | Rejection | None, bytes, Place, int | None]]:
        """What admission says, with the record, its place and its index in a batch. Of an empty line it is None, for
        lines are numbered by the file."""
        admit = self._admission.admit
        for number, line in enumerate(lines, start=1):
            self._lines = number
            if isinstance(line, Record):
                raw = line.value or b""
                answer = admit(raw, topic=line.topic, key=line.key, headers=line.headers, now=limit)
                if isinstance(answer, list):
                    yield from ((one, raw, line.place, index) for index, one in enumerate(answer))
                else:
                    yield answer, raw, line.place, None
                continue
            place = ("file", 0, number)
            event = admit(line, topic=None, key=ANY, headers=(), now=limit)
            if isinstance(event, Rejection):
                if not line.strip():
                    yield None, line, place, None
                    continue
                # once more without the line's end, which is not part of the record
                event = admit(line.rstrip(b"\r\n"), topic=None, key=ANY, headers=(), now=limit)
            if isinstance(event, list):
                raise AssertionError("a line is one event")
            yield event, line, place, None

    def statements(self) -> Iterator[bytes]:
        """The statement of credit of every party that is known, as of the clock, in the order of the parties."""
        if self._clock == BEFORE_ALL:
            return
        with self._engine.store.reading() as db:
            parties = statements.known_parties(db)
            for at in range(0, len(parties), STATEMENTS_AT_ONCE):
                ledgers = statements.ledgers(db, parties[at : at + STATEMENTS_AT_ONCE])
                for one in statements.statements(ledgers, self._engine.rulebook(), self._clock).values():
                    yield canonical(one.data)

    def _flush(self) -> None:
        """Takes in what is pending, and judges what that queued, in one transaction."""
        pending, refused = self._pending, self._refused
        if pending or refused:
            outcome = self._engine.take(
                pending, refused, time.time_ns() // 1000, clock=self._clock, after=self._settle_in
            )
            self._clock = outcome.clock
            self.taken.update(outcome.taken)
            self._counts[0] += outcome.duplicates
            self._counts[1] += len(outcome.rejections)
            for one in outcome.rejections:
                self._rejected(_rejected_line(one))
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
            with self._engine.store.writing(self._engine.known.clear) as db:
                self._engine.settle_in(db, self._clock, below=STATING)
                self._relay(db)
                self._due = _next_due(db)
            self._tell()

    def _relay(self, db: Db) -> None:
        """Takes what is to be told out of the store; it is told once that is committed."""
        rows = db.rows("select topic, value from outbox order by id")
        if rows:
            db.run("delete from outbox")
        self._out += rows

    def _tell(self) -> None:
        for topic, value in self._out:
            self._sinks.get(topic, nothing)(bytes(value))
        self._out.clear()


def _next_due(db: Db) -> int:
    (due,) = db.one("select min(due) from deadlines") or (None,)
    return 2**62 if due is None else int(due)


def _rejected_line(one: Refused) -> bytes:
    rejection = one.rejection
    record = rejection.record
    topic, partition, offset = one.place
    line: dict[str, Any]
    if topic == "file":
        record = record.rstrip(b"\r\n")  # the line's end is not part of the record
        line = {"line": one.order}
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
) -> list[dict[str, Any]]:
    """The standing findings (`data`, in the order of their ids) after a replay of these events: for tests and cases."""
    from circulation.calendar import parse_instant

    store = Store("sqlite://")
    engine = offline(store, None if pack is None else _pack(pack))
    replay = Replay(engine, Admission(), until=None if until is None else parse_instant(until))
    replay.run(orjson.dumps(event) for event in events)
    with store.reading() as db:
        rows = db.rows("select data from findings where standing order by finding")
    return [orjson.loads(row[0]) for row in rows]


def _pack(members: dict[str, Any]) -> Pack:
    import detectors

    return parse_pack(members, published=False, known=parameters(detectors.RULES))


def offline(store: Store, pack: Pack | None, *, name: str | None = None) -> Engine:
    """An engine for a replay: uses stay cancellable for the whole run, and are packed by the hundred thousand."""
    import detectors

    default = shipped(detectors.RULES) if pack is None else pack
    return Engine(store, default, name=name if pack is None else None, remember_chunk=100_000)
