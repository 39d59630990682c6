"""The operations that fail now in a worker, and whether its store answers."""

import logging
import time

from streams.health.readiness import Failing
from streams.store.errors import StoreAway

log = logging.getLogger("circulation")


class Faults:
    """The errors by operation, each until the operation succeeds once.

    `store_up` tells whether the store answered what was tried last. `store_waited_for` tells that what came is not
    taken in, though the store may answer: then it is not up.
    """

    def __init__(self) -> None:
        self.store_up = True
        self.store_waited_for = False
        self._failing = Failing()

    def failed(self, doing: str, error: Exception) -> None:
        """Takes note of what failed; where it is the store that did not answer, it is not up."""
        self.store_up = self.store_up and not isinstance(error, StoreAway)
        self.say(doing, error)

    def say(self, doing: str, error: BaseException) -> bool:
        """Has /ready tell of it, and the log once a minute; answers whether the log was told."""
        tell = self._failing.failed(doing, error, time.monotonic())
        if tell:
            log.warning("%s: %s", doing, self._failing.now().get(doing))
        return tell

    def done(self, doing: str) -> None:
        """Takes note that this was done."""
        self._failing.done(doing)

    def now(self) -> dict[str, str]:
        """The errors by operation."""
        return self._failing.now()
