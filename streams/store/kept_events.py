"""Events as the store keeps them: the columns that are read, and whether one was taken back."""

from typing import Any

from circulation.events.event import Event
from circulation.events.reading import decode_data

COLUMNS = "id, topic, subject, type, thing, time, source, event, reporter, data, retracted"


def event_of(row: tuple[Any, ...]) -> Event:
    """A kept event as it was admitted."""
    _, topic, subject, type_, _, time, source, id_, reporter, data, _ = row
    return Event(
        topic=topic,
        type=type_,
        subject=subject,
        source=source,
        id=id_,
        time=time,
        sequence=None,
        reporter=reporter,
        data=decode_data(type_, bytes(data)),
    )


def standing(known_at: int | None, table: str = "events") -> tuple[str, list[int]]:
    """The condition of SQL that an event of `table` was not taken back, and its values.

    By what is known now, or (`known_at`, µs of the clocks that took events in) by what was known then.
    """
    if known_at is None:
        return f"{table}.retracted is null", []
    undone = f"exists (select 1 from events undo where undo.id = {table}.retracted and undo.taken > ?)"  # noqa: S608
    return f"({table}.taken <= ? and ({table}.retracted is null or {undone}))", [known_at, known_at]
