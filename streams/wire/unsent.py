"""Messages that Kafka refused for good: set aside by the relay, and retried or discarded by a person.

A message that was set aside is out of the order of its key, for what came after it went on. It is sent again only while
it still says how things are: one that a later event of the same finding, statement or case has outdated would be read
as the newest, and is discarded instead.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import bindparam, delete, func, insert, select

from circulation.bounds import shortened
from circulation.events.names import CASES, CREDIT, JOURNAL, MESSAGE_DISCARDED
from circulation.findings import digest
from streams.settings import NAME_CHARACTERS_MAX
from streams.store import schema
from streams.store.ask import Question, any_of, names
from streams.store.db import Db
from streams.store.outbox import cloudevent, post
from streams.store.store import Store

SOURCE: Final = "/circulation/outbox"
# The limits of a person's reason and name when discarding, for the journal.
REASON_CHARACTERS_MAX: Final = 1_200
BY_CHARACTERS_MAX: Final = NAME_CHARACTERS_MAX
KEY_CHARACTERS_MAX: Final = 256
ID_CHARACTERS_MAX: Final = 1_200


_UNSENT, _OUTBOX = schema.unsent, schema.outbox
_MOVED: Final = ("topic", "key", "headers", "value")
_SET_ASIDE: Final = Question(
    insert(_UNSENT).from_select(
        ["since", *_MOVED, "aside", "reason"],
        select(*names(_OUTBOX, "since", *_MOVED), bindparam("now"), bindparam("why")).where(
            _OUTBOX.c.id == bindparam("id")
        ),
    )
)
_DROP_SENT: Final = Question(delete(_OUTBOX).where(_OUTBOX.c.id == any_of("ids")))
_WAITING: Final = Question(select(_OUTBOX.c.id).where(_OUTBOX.c.id == any_of("ids")))
_SHOWN: Final = (
    _UNSENT.c.id,
    _UNSENT.c.topic,
    _UNSENT.c.key,
    func.length(_UNSENT.c.value),
    _UNSENT.c.since,
    _UNSENT.c.aside,
    _UNSENT.c.reason,
)
_MESSAGES: Final = Question(select(*_SHOWN).order_by(_UNSENT.c.id))
_IDS: Final = Question(select(_UNSENT.c.id).order_by(_UNSENT.c.id))
_COUNT: Final = Question(select(func.count()).select_from(_UNSENT))
_OF_ID: Final = _UNSENT.c.id == bindparam("id")
_MESSAGE: Final = Question(select(*_SHOWN, _UNSENT.c.value).where(_OF_ID))
_VALUE: Final = Question(select(_UNSENT.c.topic, _UNSENT.c.value).where(_OF_ID))
_DROP: Final = Question(delete(_UNSENT).where(_OF_ID))
_PUT_BACK: Final = Question(
    insert(_OUTBOX)
    .from_select(["since", *_MOVED], select(bindparam("now"), *names(_UNSENT, *_MOVED)).where(_OF_ID))
    .returning(_OUTBOX.c.id)
)
_STATEMENTS, _CASES, _FINDINGS = schema.statements.c, schema.cases.c, schema.findings.c
_STATEMENT: Final = Question(select(_STATEMENTS.data).where(_STATEMENTS.party == bindparam("party")))
_CASE_EVENTS: Final = Question(select(_CASES.events).where(_CASES.case_id == bindparam("case")))
_FINDING: Final = Question(
    select(_FINDINGS.revision, _FINDINGS.standing).where(_FINDINGS.finding == bindparam("finding"))
)


class Unsent(NamedTuple):
    """One message that was set aside: instants are µs of the wall clock, `size` the bytes of its value."""

    id: int
    topic: str
    key: bytes | None
    size: int
    since: int
    aside: int
    reason: str

    @property
    def key_shown(self) -> str | None:
        """The key as text, for people."""
        return None if self.key is None else shortened(bytes(self.key).decode(errors="replace"), KEY_CHARACTERS_MAX)


def set_aside(store: Store, refused: Sequence[tuple[int, str]], now: int) -> None:
    """Moves messages out of the outbox, each with what Kafka said of it, in one transaction."""
    with store.writing() as db:
        for id_, why in refused:
            _SET_ASIDE.run(db, now=now, why=why, id=id_)
        _DROP_SENT.run(db, ids=[id_ for id_, _ in refused])


def messages(db: Db) -> list[Unsent]:
    """All that is set aside, the oldest first."""
    return [Unsent(*row) for row in _MESSAGES.rows(db)]


def count(db: Db) -> int:
    """How many messages are set aside."""
    return int((_COUNT.one(db) or (0,))[0])


def outdated(db: Db, topic: str, value: bytes) -> str | None:
    """Why a message no longer says how things are; None where it does, or where nothing can outdate it."""
    try:
        event = orjson.loads(value)
        data, type_ = event["data"], event["type"]
        if type_.startswith("circulation.finding."):
            return _later_finding(db, data["finding"], data["revision"], type_)
        if topic == CREDIT:
            row = _STATEMENT.one(db, party=data["party"])
            return None if row is None or orjson.loads(row[0]) == data else f"{data['party']} has a newer statement"
        if topic == CASES:
            row = _CASE_EVENTS.one(db, case=data["case"])
            number = int(event["id"].rpartition(".")[2])
            return None if row is None or row[0] <= number else f"the case {data['case']} has had later events"
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError, AttributeError):
        pass  # a record that was rejected may be anything: nothing comes after it
    return None


def _later_finding(db: Db, finding: str, revision: int, type_: str) -> str | None:
    row = _FINDING.one(db, finding=finding)
    if row is None or (row[0], bool(row[1])) == (revision, type_.endswith(".raised")):
        return None
    return f"the finding {finding} {'was raised again' if row[1] else 'was cleared'} since"


class Retried(NamedTuple):
    """The result of a retry: the numbers sent again, each with its number in the outbox, those that are not there, and
    those outdated, with why."""

    sent: dict[int, int]
    missing: list[int]
    outdated: dict[int, str]


def retry(db: Db, ids: Sequence[int] | None, now: int) -> Retried:
    """Puts messages that were set aside back into the outbox, at its end, in the open transaction; None is all."""
    existing = [row[0] for row in _IDS.rows(db)]
    wanted = existing if ids is None else sorted(set(ids))
    retried = Retried({}, [id_ for id_ in wanted if id_ not in set(existing)], {})
    for id_ in wanted:
        # One at a time: each may have many MiB.
        row = _VALUE.one(db, id=id_)
        if row is None:
            continue
        if (why := outdated(db, row[0], bytes(row[1]))) is not None:
            retried.outdated[id_] = why
            continue
        put = _PUT_BACK.one(db, now=now, id=id_)
        assert put is not None  # noqa: S101 the row was just read
        _DROP.run(db, id=id_)
        retried.sent[id_] = put[0]
    return retried


class Left(NamedTuple):
    """The state of messages put back into the outbox: how many wait there, and those refused again."""

    waiting: int
    refused: list[Unsent]


def left(db: Db, retried: Retried, since: int) -> Left:
    """How far a retry is that was done at `since`: what is refused again bears that instant."""
    waiting = _WAITING.rows(db, ids=list(retried.sent.values()))
    refused = [message for message in messages(db) if message.since == since]
    return Left(len(waiting), refused)


def discard(db: Db, id_: int, *, by: str, reason: str, now: int) -> Unsent | None:
    """Deletes one message that was set aside, and has the journal say who did, and why; None where it is not there."""
    row = _MESSAGE.one(db, id=id_)
    if row is None:
        return None
    message, value = Unsent(*row[:-1]), bytes(row[-1])
    data: dict[str, Any] = {
        "by": shortened(by, BY_CHARACTERS_MAX),
        "reason": shortened(reason, REASON_CHARACTERS_MAX),
        "message": message.id,
        "topic": message.topic,
        "key": message.key_shown,
        "bytes": message.size,
        "refused": message.reason,
        "event": _event_id(value),
    }
    identity = digest(str(message.id), str(now), message.topic, data["by"])
    _DROP.run(db, id=id_)
    post(
        db, [cloudevent(JOURNAL, data["by"], type_=MESSAGE_DISCARDED, source=SOURCE, id_=identity, time=now, data=data)]
    )
    return message


def _event_id(value: bytes) -> str | None:
    """The id of the event that a message is, where it is one."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    id_ = event.get("id") if isinstance(event, dict) else None
    return shortened(id_, ID_CHARACTERS_MAX) if isinstance(id_, str) else None
