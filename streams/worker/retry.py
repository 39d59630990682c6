"""Repeat an operation, with a longer wait after each failure."""

import threading
from collections.abc import Callable

from streams.health.clock import ClockWrong
from streams.store.errors import StoreAway
from streams.store.schema_version import StoreForeign, StoreNewer

BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


def backoff(attempt: int) -> float:
    """How long to wait after so many failures, seconds."""
    return BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]


def passing(error: BaseException) -> bool:
    """Whether an error tells of the store or of this machine, and not of what was taken in or judged: it is waited
    for, and nothing is rejected or set aside for it."""
    return isinstance(error, StoreAway | StoreForeign | StoreNewer | ClockWrong | MemoryError | OSError)


def forever(step: Callable[[], float], stop: threading.Event, failed: Callable[[Exception], None]) -> None:
    """Takes step after step until it is to stop. A step answers with the seconds to pause after it; one that raises is
    told of and taken again."""
    attempt = 0
    while not stop.is_set():
        try:
            pause = step()
            attempt = 0
        except Exception as error:
            failed(error)
            pause = backoff(attempt)
            attempt += 1
        if pause:
            stop.wait(pause)
