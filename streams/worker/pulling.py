"""Pulls fetches for a worker, and knows whether its reader hangs."""

import threading
import time
from typing import Final

from streams.wire.reader import Fetch, Reader
from streams.worker.assignment import Assignment

PULL_SECONDS: Final = 0.25


class Pulling:
    """Pulls what is assigned. It is called by one thread; the others ask for a new reader, and how long it takes."""

    def __init__(self, reader: Reader, assignment: Assignment) -> None:
        self._reader = reader
        self._assignment = assignment
        self._renew = threading.Event()
        self._begun: float | None = None

    def renew(self) -> None:
        """Have the reader begin anew: it has stopped to read something."""
        self._renew.set()

    @property
    def seconds(self) -> float:
        """How long the pull takes that has begun; 0 where none has."""
        return 0.0 if (begun := self._begun) is None else time.monotonic() - begun

    def pull(self) -> list[Fetch]:
        """The next fetches, one a topic."""
        self._begun = time.monotonic()
        if self._renew.is_set():
            self._renew.clear()
            self._reader.renew()
            self._assignment.doubt()
            return []
        if self._reader.held:
            self._assignment.pass_barrier()
        fetches = self._reader.pull(PULL_SECONDS)
        if not fetches and not self._assignment.positions:
            time.sleep(PULL_SECONDS)
        self._begun = None
        return fetches
