"""What fails is done again, and waits a little longer each time (design §5: store gone, broker gone)."""

import threading

import pytest

from streams.worker import retry as patience
from streams.worker.retry import BACKOFF_SECONDS, backoff, forever


class Stop(threading.Event):
    """An event that notes how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        return self.is_set()


def run(answers: list[float | Exception]) -> tuple[list[float], list[str]]:
    """What was waited, and what failed, where steps answer so."""
    stop = Stop()
    coming = iter(answers)
    failed: list[str] = []

    def step() -> float:
        answer = next(coming, None)
        if answer is None:
            stop.set()
            return 0.0
        if isinstance(answer, Exception):
            raise answer
        return answer

    forever(step, stop, lambda error: failed.append(str(error)))
    return stop.waited, failed


def test_each_failure_waits_longer_up_to_a_limit():
    waited, failed = run([ValueError(str(number)) for number in range(7)])
    assert [*BACKOFF_SECONDS, BACKOFF_SECONDS[-1], BACKOFF_SECONDS[-1]] == waited
    assert list("0123456") == failed


def test_a_step_that_succeeds_begins_anew():
    waited, _ = run([ValueError("a"), ValueError("b"), 0.0, ValueError("c")])
    assert [BACKOFF_SECONDS[0], BACKOFF_SECONDS[1], BACKOFF_SECONDS[0]] == waited


def test_a_step_pauses_as_long_as_it_says_and_not_at_all_for_nothing():
    assert ([0.5, 0.25], []) == run([0.5, 0.0, 0.25])


@pytest.mark.parametrize("attempt", range(8))
def test_the_backoff_never_falls(attempt):
    assert backoff(attempt) <= backoff(attempt + 1) <= max(patience.BACKOFF_SECONDS)
