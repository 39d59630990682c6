"""Kept events in the questions of people: their columns, and the condition that one was not taken back."""

from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, exists, or_, select

from streams.store import schema
from streams.store.ask import names
from streams.store.kept_events import COLUMNS

EVENTS: Final = schema.events.c


def kept(*more: ColumnElement[Any]) -> Select[Any]:
    """The columns that `event_of` reads, and after them more."""
    return select(*names(schema.events, *COLUMNS.split(", ")), *more)


def stood(*, dated: bool) -> ColumnElement[bool]:
    """The condition that an event was not taken back, as `kept_events.standing` has it: by what is known now, or
    (`dated`) by what was known at the instant that is the parameter `known_at`.
    """
    if not dated:
        return EVENTS.retracted.is_(None)
    undo = schema.events.alias("undo")
    known_at: BindParameter[int] = bindparam("known_at")
    undone = exists().where(undo.c.id == EVENTS.retracted, undo.c.taken > known_at)
    return (EVENTS.taken <= known_at) & or_(EVENTS.retracted.is_(None), undone)
