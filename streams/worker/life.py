"""The life of a worker: the threads that it runs until it is to stop, and why it ended by itself."""

import logging
import os
import signal
import threading
from collections.abc import Callable

from streams.worker.faults import Faults
from streams.worker.retry import forever

log = logging.getLogger("circulation")


class Life:
    """The threads of a worker. `stop` is set once it is to end; `refused` says why it ended by itself: another start
    would end the same way."""

    def __init__(self, faults: Faults) -> None:
        self.stop = threading.Event()
        self.refused = ""
        self._faults = faults
        self._threads: list[threading.Thread] = []

    def start(self, name: str, body: Callable[[], None]) -> None:
        """Starts a thread, which ends with the process."""
        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def forever(self, step: Callable[[], float], name: str) -> None:
        """Takes step after step until the worker is to stop; what fails is told of by this name until it is done."""

        def tried() -> float:
            pause = step()
            self._faults.done(name)
            return pause

        forever(tried, self.stop, lambda error: self._faults.failed(name, error))

    def refuse(self, why: str) -> None:
        """Ends this process in order, once."""
        if not self.refused:
            self.refused = why
            log.error("%s", why)
            os.kill(os.getpid(), signal.SIGTERM)

    def join(self) -> None:
        """Waits until every thread has ended."""
        for thread in self._threads:
            thread.join()

    def at_work(self) -> list[str]:
        """The threads that have not ended."""
        return [thread.name for thread in self._threads if thread.is_alive()]

    def ended(self) -> list[str]:
        """The threads that have ended."""
        return [thread.name for thread in self._threads if not thread.is_alive()]
