"""What is done again and again, and waits a little longer each time that it fails."""

import threading
from collections.abc import Callable

BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


def backoff(attempt: int) -> float:
    """How long to wait after so many failures, seconds."""
    return BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]


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
