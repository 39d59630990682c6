"""Publishes a rule pack: admitted as a worker would admit it, sent, and waited for until every worker runs it."""

import base64
import contextlib
import gzip
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import orjson
from kafka.errors import KafkaError, KafkaTimeoutError
from sqlalchemy import bindparam, select

from circulation.admission.admission import Admission
from circulation.admission.envelope import PACKED
from circulation.admission.reasons import Rejection
from circulation.admission.records import LARGE_BYTES_MAX
from circulation.calendar import format_instant
from circulation.events.names import RULEPACK_PUBLISHED, RULES
from circulation.packs.pack import Pack
from circulation.voices import OFFICIALS
from streams.address import silent
from streams.health import workers
from streams.health.workers import SILENT_SECONDS, Alive
from streams.store import schema
from streams.store.ask import Question
from streams.store.db import Db
from streams.store.store import Store
from streams.wire import emit
from streams.wire.checking import Check
from streams.wire.rejected import Look, RejectedError

# Of gzip: a higher level takes three times as long, and saves little.
PACKING_LEVEL: Final = 6
LOOK_SECONDS: Final = 0.25
# So long it is waited for workers that live and beat, and do not take the pack in.
WAIT_SECONDS_MAX: Final = 600.0
# So long it is waited for the record in circulation.rejected of a pack that no worker kept.
REASON_SECONDS_MAX: Final = 30.0
# A worker that was last heard longer ago was stopped for good: nothing waits for it.
GONE_SECONDS: Final = 600
_SECOND: Final = 1_000_000


class Unfit(ValueError):
    """A worker would reject this pack; the message says why, and what to do."""


class Sent(NamedTuple):
    """A pack that Kafka has: its name and id, where it stands in `circulation.rules`, and from where on to look for
    it in `circulation.rejected`."""

    pack: str
    id: str
    partition: int
    offset: int
    rejected: dict[int, int]


class Answer(NamedTuple):
    """The outcome of a pack. `state` is `admitted`, `rejected` or `undecided`; `text` is for a person."""

    state: str
    text: str


class Seen(NamedTuple):
    """The state in the store: the number of the event, the offset that is read next, the workers and the clock (µs)."""

    number: int | None
    next: int
    workers: list[Alive]
    now: int


def id_of(pack: Pack, now: int) -> str:
    """The id of the event that publishes a pack at an instant, µs. With the pack's digest alone it would be a duplicate
    where the same pack comes back after another."""
    return f"{pack.digest}-{now:x}"


def event_of(pack: Pack, now: int) -> bytes:
    """The event that publishes a pack, as a record. A pack that would be longer than an event may be is packed."""
    event = {
        "specversion": "1.0",
        "id": id_of(pack, now),
        "source": OFFICIALS,
        "type": RULEPACK_PUBLISHED,
        "subject": pack.pack,
        "time": format_instant(now),
    }
    record = orjson.dumps({**event, "datacontenttype": "application/json", "data": orjson.Fragment(pack.canonical)})
    if len(record) <= LARGE_BYTES_MAX:
        return record
    packed = base64.b64encode(gzip.compress(pack.canonical, PACKING_LEVEL, mtime=0)).decode()
    return orjson.dumps({**event, "datacontenttype": PACKED, "data_base64": packed})


def admit(record: bytes, key: bytes, admission: Admission, now: int) -> None:
    """Admits a record as a worker would that reads it from `circulation.rules`. Raises `Unfit`."""
    rejection = Check(admission)(record, RULES, key, emit.CLOUDEVENT, now=now)
    if rejection is not None:
        raise Unfit(_in_words(rejection))


def _in_words(rejection: Rejection) -> str:
    sentence = f"every worker would reject it ({rejection.reason}): {rejection.in_one_line}"
    if rejection.reason == "too-large":
        sentence += "; name several ids in one entry (match.assets, match.parties), or shorten titles and ids"
    if rejection.reason == "not-authorised":
        sentence += (
            f"; CIRCULATION_SOURCES must allow {RULEPACK_PUBLISHED} to the source {OFFICIALS!r}, and"
            " CIRCULATION_OFFICIAL_SOURCES, where it is set, must name it"
        )
    return sentence


def send(bootstrap: str, record: bytes, pack: Pack, id_: str) -> Sent:
    """Sends a pack, whose event has this id; it is in Kafka, acknowledged by all replicas, when this returns.

    Raises `emit.EmitError`.
    """
    try:
        with Look(bootstrap) as look:
            rejected = look.ends()
    except RejectedError as error:
        raise emit.EmitError(str(error)) from error
    try:
        producer = emit.producer(bootstrap)
    except KafkaError as error:
        raise emit.EmitError(silent(bootstrap, repr(error))) from error
    try:
        future = producer.send(RULES, value=record, key=pack.pack.encode(), headers=emit.CLOUDEVENT)
        placed = future.get(timeout=emit.DELIVERY_TIMEOUT_MS / 1000)
    except KafkaTimeoutError as error:
        raise emit.EmitError(
            f"Kafka at {bootstrap} has no topic {RULES} (circulation topics create), or does not answer"
        ) from error
    except KafkaError as error:
        raise emit.EmitError(f"Kafka at {bootstrap} did not take the pack: {error}") from error
    finally:
        producer.close(timeout=emit.CONNECT_TIMEOUT_MS / 1000)
    return Sent(pack.pack, id_, placed.partition, placed.offset, rejected)


_EVENTS, _PROGRESS = schema.events.c, schema.progress.c
_PUBLISHED: Final = Question(
    select(_EVENTS.id).where(
        _EVENTS.topic == RULES,
        _EVENTS.subject == bindparam("pack"),
        _EVENTS.type == RULEPACK_PUBLISHED,
        _EVENTS.source == OFFICIALS,
        _EVENTS.event == bindparam("event"),
        _EVENTS.retracted.is_(None),
    )
)
_READ: Final = Question(
    select(_PROGRESS.next).where(_PROGRESS.topic == RULES, _PROGRESS.partition == bindparam("partition"))
)


class Waiting:
    """Tells from what the store says, look after look, what became of a pack; None while that is open."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent
        self._alive: set[str] = set()
        self.passed = False
        # Workers that have it, of how many.
        self.done, self.all = 0, 0

    def look(self, db: Db) -> Seen:
        """Read the state in the store, in one transaction."""
        sent = self._sent
        row = _PUBLISHED.one(db, pack=sent.pack, event=sent.id)
        read = _READ.one(db, partition=sent.partition)
        known = workers.known(db)
        return Seen(int(row[0]) if row else None, int(read[0]) if read else 0, known, workers.now(db))

    def step(self, seen: Seen) -> Answer | None:
        """The answer that one look gives."""
        age = {worker.worker: (seen.now - worker.beat) // _SECOND for worker in seen.workers}
        alive = [worker for worker in seen.workers if age[worker.worker] < SILENT_SECONDS]
        silent = [worker for worker in seen.workers if SILENT_SECONDS <= age[worker.worker] < GONE_SECONDS]
        self.passed = seen.number is None and seen.next > self._sent.offset
        other_packs = sorted({worker.pack for worker in alive if worker.pack != self._sent.pack})
        behind = [
            worker for worker in alive if seen.number is None or (not other_packs and worker.admitted < seen.number)
        ]
        self.done, self.all = len(alive) - len(behind), len(alive)
        if self.passed:
            return None
        if not alive and not silent:
            return Answer("undecided", "no worker of this store lives: it is admitted when one is started")
        if alive and behind and not silent:
            return None
        if silent:
            names = "; ".join(f"{worker.worker}, last heard {age[worker.worker]:,} s ago" for worker in silent)
            rest = "the others have it" if alive and not behind else "not all others have it yet"
            rest = rest if alive else "no other lives"
            return Answer(
                "undecided",
                f"silent for {SILENT_SECONDS} s or more: {names} ({rest}): see whether it hangs, or was killed",
            )
        if other_packs:
            return Answer("admitted", f"admitted, but workers of this store run the packs {', '.join(other_packs)}")
        return Answer("admitted", f"admitted by {_workers(self.all)}")


def _workers(count: int) -> str:
    return "the worker of this store" if count == 1 else f"all {count:,} workers of this store"


def wait(
    store: Store,
    bootstrap: str,
    sent: Sent,
    report: Callable[[int, int], None],
    *,
    seconds_max: float = WAIT_SECONDS_MAX,
) -> Answer:
    """Waits until every worker of the store has admitted a pack; `told` hears how many have it, of how many."""
    waiting = Waiting(sent)
    begun = time.monotonic()
    passed = None
    while True:
        try:
            with store.reading() as db:
                seen = waiting.look(db)
        except Exception as error:
            # There may be anything behind a URL; Kafka has the pack whatever the store says.
            sentence = str(error.__cause__ or error).strip().partition("\n")[0]
            return Answer("undecided", f"the store cannot be read ({sentence}): nobody can say which workers have it")
        answer = waiting.step(seen)
        report(waiting.done, waiting.all)
        if answer is not None:
            return answer
        now = time.monotonic()
        if waiting.passed:
            passed = now if passed is None else passed
            with contextlib.suppress(RejectedError):
                if (reason := _reason(bootstrap, sent)) is not None:
                    return Answer("rejected", reason)
            if now - passed > REASON_SECONDS_MAX:
                sentence = (
                    f"it was read and not kept, and circulation.rejected did not say why in {REASON_SECONDS_MAX:.0f} s"
                )
                return Answer("undecided", sentence)
        if now - begun > seconds_max:
            return Answer(
                "undecided",
                f"after {seconds_max:.0f} s {waiting.done:,} of {waiting.all:,} workers have it: /ready of the others"
                " says what they wait for",
            )
        time.sleep(LOOK_SECONDS)


def _reason(bootstrap: str, sent: Sent) -> str | None:
    """Why a pack was rejected, where `circulation.rejected` says so by now."""
    with Look(bootstrap) as look:
        begins = {partition: sent.rejected.get(partition, 0) for partition in look.ends()}
        for rejected in look.rejected(begins):
            if rejected.where == (RULES, sent.partition, sent.offset):
                return f"{rejected.reason}: {rejected.detail}".replace("\n", "; ")
    return None
