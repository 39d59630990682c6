"""Lookups: commands write them down in the store, and a worker sends them to the journal (contract §4).

A reader need not be allowed to write. Lookups therefore go by a table of their own, to which a role
may be given `insert` and nothing else, and not by the outbox, through which it could send findings.
"""

import os
import pwd
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import orjson

from circulation.calendar import format_instant
from circulation.events.names import JOURNAL, LOOK_MADE
from streams.settings import NAME_CHARACTERS_MAX, hide_password
from streams.store import schema_version
from streams.store.db import Db
from streams.store.store import Store

if TYPE_CHECKING:
    from streams.store.outbox import Message

SOURCE: Final = "/circulation/looks"
# So long a command waits for a store that is busy, before it goes on without having written the look down.
PATIENCE_SECONDS: Final = 1.0
# A command that changes something has more time.
WRITE_SECONDS: Final = 30.0
# One argument, and all of one row, are cut off beyond this.
ARGUMENT_CHARACTERS_MAX: Final = 1_200
ARGUMENTS_CHARACTERS_MAX: Final = 4_096
# Each takes some room of its own, so that many empty ones are not nothing.
BETWEEN_CHARACTERS: Final = 3
# The lookups that one transaction of a worker sends.
LOOKS_AT_ONCE: Final = 1_000
LOOKS_LOCK: Final = 7229
CUT: Final = "…"


class Look(NamedTuple):
    """A row of `looks`: `look` is its id, `made` the wall clock (µs), `arguments` a JSON array of texts."""

    look: str
    made: int
    who: str
    login: str
    command: str
    arguments: str


def looks(
    command: str, arguments: Sequence[str], subjects: Iterable[str] = (), *, official: str | None, at: int
) -> list[Look]:
    """The rows of one look: one, or where it asked for `things` besides its arguments, as many as have room for them.

    An id begins with the instant, so that the order of ids is that of looks, and ends with what nobody can guess.
    """
    user = login()
    return [
        Look(
            f"{at:016x}-{number:06x}-{os.urandom(8).hex()}",
            at,
            official or user,
            user,
            command,
            orjson.dumps(part).decode(),
        )
        for number, part in enumerate(_parted(_cut_off(arguments), map(_clean, subjects)))
    ]


def login() -> str:
    """The user of the operating system: from the process itself, for what the environment says anyone can set."""
    number = os.geteuid()
    try:
        return _clean(pwd.getpwuid(number).pw_name)[:NAME_CHARACTERS_MAX]
    except KeyError:
        return str(number)


def _clean(text: str) -> str:
    """An argument as it may be told: without passwords in addresses, and without what cannot be printed."""
    text = "".join(
        character if character.isprintable() else "\ufffd"
        for character in hide_password(text[: 4 * ARGUMENT_CHARACTERS_MAX])
    )
    return text if len(text) <= ARGUMENT_CHARACTERS_MAX else text[:ARGUMENT_CHARACTERS_MAX] + CUT


def _cut_off(arguments: Iterable[str]) -> list[str]:
    kept: list[str] = []
    left = ARGUMENTS_CHARACTERS_MAX
    for argument in map(_clean, arguments):
        left -= len(argument) + BETWEEN_CHARACTERS
        if left < 0:
            return [*kept, CUT]
        kept.append(argument)
    return kept


def _parted(arguments: list[str], subjects: Iterable[str]) -> Iterator[list[str]]:
    """The arguments with as many things as there is room for, and again, until all are told."""
    part: list[str] = []
    left = ARGUMENTS_CHARACTERS_MAX
    for subject in subjects:
        room = len(subject) + BETWEEN_CHARACTERS
        if room > left:
            yield [*arguments, *part]
            part, left = [], ARGUMENTS_CHARACTERS_MAX
        part.append(subject)
        left -= room
    yield [*arguments, *part]


# Constant texts: `circulation findings` has no time to import SQLAlchemy.
_INSERT: Final = "insert into looks (look, made, who, login, command, arguments) values (?, ?, ?, ?, ?, ?)"
_OLDEST: Final = "select look, made, who, login, command, arguments from looks order by look limit ?"


class Notebook:
    """Writes looks down, on a connection of its own. That it cannot must not keep anyone from looking."""

    def __init__(self, url: str) -> None:
        self._store = Store(url, hurried_seconds=PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def write(self, rows: Sequence[Look]) -> str | None:
        """One transaction; answers with why it could not be, in one line."""
        try:
            with self._store.writing() as db:
                if db.postgres:
                    # Its sessions may be for reading unless they say otherwise.
                    db.run("set transaction read write")
                    db.rows("select set_config('statement_timeout', ?, true)", f"{PATIENCE_SECONDS * 1000:.0f}")
                if schema_version.holds(schema_version.names(db)) is schema_version.Holds.EMPTY:
                    return "the store is empty: a worker makes its tables"
                # As a command writes, which would wait for the import of the tables that `many` is of.
                for row in rows:
                    db.run(_INSERT, *row)
        except Exception as error:
            reason = str(error.__cause__ or error).strip()
            return reason.partition("\n")[0] or type(error).__name__
        return None


def journal(db: Db) -> int:
    """Puts looks into the outbox, in their order, and deletes them; answers with how many.

    One worker at a time: another would not send one twice, but could send later ones first.
    """
    from streams.store.outbox import post

    if db.postgres:
        held = db.one("select pg_try_advisory_xact_lock(?)", LOOKS_LOCK)
        if not held or not held[0]:
            return 0
    rows = db.rows(_OLDEST, LOOKS_AT_ONCE)
    post(db, (_made(Look(*row)) for row in rows))
    db.run("delete from looks where look = any(?)", [row[0] for row in rows])
    return len(rows)


def _made(look: Look) -> "Message":
    from streams.store.outbox import cloudevent

    data = {
        "who": look.who,
        "user": look.login,
        "command": look.command,
        "arguments": _read(look.arguments),
        "looked": format_instant(look.made),
    }
    return cloudevent(JOURNAL, look.who, type_=LOOK_MADE, source=SOURCE, id_=look.look, time=look.made, data=data)


def _read(arguments: str) -> list[str]:
    """The arguments; where a row holds none that these commands would have written, all of it as one."""
    try:
        decoded = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return [arguments]
    return decoded if isinstance(decoded, list) and all(isinstance(text, str) for text in decoded) else [arguments]
