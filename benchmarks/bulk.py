"""A store with a million of something, made by SQL out of what the engine writes for one of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Table

from benchmarks.load import Message
from circulation.admission.admission import Admission
from circulation.keys import split_key
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.db import Db
from streams.store.store import Store

# Tables whose rows are told apart by what they name; `events` is numbered, and `refs` names its numbers.
NAMED: Final = (schema.desks, schema.scopes, schema.derivations, schema.deadlines, schema.statements, schema.parts)


def template(before: Iterable[Message], sample: Iterable[Message]) -> Store:
    """A store in memory with what the engine makes of one, after what was before."""
    store = Store("sqlite://")
    Replay(offline(store, None), Admission()).run(message.value for message in (*before, *sample))
    return store


def multiply(store: Store, source: Store, name: str, count: int, *, step: int = 1, least: int = 0) -> None:
    """Writes what `made` keeps of `name` into the store, for the numbers from `least` on that are `every` apart.

    `name` becomes itself, a `-` and a number of seven digits.
    """
    with source.reading() as db:
        events = db.rows("select * from events where subject = ? order by id", name)
        refs = {row[0]: db.rows("select kind, ref, event, time from refs where event = ?", row[0]) for row in events}
        naming = {table: _naming(db, table, name) for table in NAMED}
    for at, row in enumerate(events):
        number = f"{least} + (i * {len(events)}) + {at + 1}"
        _write(store, schema.events, row, name, count, step, number=number)
        for ref in refs[row[0]]:
            _write(store, schema.refs, ref, name, count, step, number=number)
    for table, rows in naming.items():
        for row in rows:
            _write(store, table, row, name, count, step)
    if store.postgres:
        # what comes is numbered after what is there
        with store.writing() as db:
            db.rows("select setval('event_numbers', (select max(id) from events))")


def _naming(db: Db, table: Table, name: str) -> list[tuple[Any, ...]]:
    keys = [column.name for column in table.primary_key if str(column.type) == "TEXT"]
    return [
        row
        for row in db.rows(f'select * from "{table.name}"')
        if any(_names(value, name) for value in row[: len(keys)])
    ]


def _names(value: Any, name: str) -> bool:
    return isinstance(value, str) and name in split_key(value)


def _write(
    store: Store, table: Table, row: Sequence[Any], name: str, count: int, step: int, number: str | None = None
) -> None:
    """One row for each number: texts that are the name, or have it for a part, get the number."""
    numbered = {"id", "event"} if table is schema.refs else {"id"} if table is schema.events else set()
    columns: list[str] = []
    values: list[tuple[str, Any]] = []
    for column, value in zip(table.columns, row, strict=True):
        kind = str(column.type)
        columns.append(f'"{column.name}"')
        if number is not None and column.name in numbered and kind in ("BIGINT", "INTEGER"):
            values.append((number, None))
        elif isinstance(value, str) and name in value:
            values.append((f"replace(?, '{name}', '{name}-' || (1000000 + i))", value))
        else:
            values.append(("?", value))
    casts = {"TEXT": "text", "BIGINT": "bigint", "INTEGER": "integer", "BLOB": "bytea", "BOOLEAN": "boolean"}
    parts = []
    for (expression, _), column in zip(values, table.columns, strict=True):
        kind = casts.get(str(column.type), "double precision")
        parts.append(expression.replace("?", f"?::{kind}") if store.postgres else expression)
    text = (
        f"with recursive n(i) as (select 0 union all select i + {step} from n where i + {step} < {count})"
        f' insert into "{table.name}" ({", ".join(columns)}) select {", ".join(parts)} from n'
    )
    with store.writing() as db:
        db.run(text, *(value for expression, value in values if "?" in expression))
