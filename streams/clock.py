"""The clocks: the wall's, and the one that deadlines go by."""

import time

from streams.rulebook import RULES
from streams.settings import Settings
from streams.store import Store


def wall() -> int:
    """The wall clock, µs."""
    return time.time_ns() // 1000


class Clock:
    """Called, it answers with the clock that deadlines go by, µs: the wall's, or that of the events."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.by_events = settings.clock == "events"
        self._store = store

    def __call__(self) -> int:
        return self._highest() if self.by_events else wall()

    def _highest(self) -> int:
        """The highest admitted time, events of `circulation.rules` aside."""
        with self._store.reading() as db:
            row = db.one("select max(time_max) from progress where topic <> ?", RULES)
        return int(row[0]) if row and row[0] is not None else 0
