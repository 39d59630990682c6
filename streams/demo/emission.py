"""The market on its way to Kafka, beside everything else."""

import threading
from collections.abc import Iterator
from pathlib import Path

from streams.demo.workers import STOP_SECONDS_MAX
from streams.wire.emit import emit
from streams.wire.files import lines_of


class Emission(threading.Thread):
    """Sends a file beside everything else, at a steady pace; `sent` says how far it is."""

    def __init__(self, path: Path, bootstrap: str, rate: float) -> None:
        super().__init__(daemon=True)
        self._file, self._kafka, self._rate = path, bootstrap, rate
        self._over = threading.Event()
        self.sent = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """The thread's work: an error is kept for who waits."""
        try:
            emit(self._lines(), self._kafka, rate=self._rate)
        except Exception as error:
            self.error = error

    def _lines(self) -> Iterator[bytes]:
        for line in lines_of(self._file):
            if self._over.is_set():
                return
            yield line
            self.sent += 1

    def end(self) -> None:
        """Stops sending, and waits until what was read is sent."""
        self._over.set()
        if self.is_alive():
            self.join(STOP_SECONDS_MAX)
