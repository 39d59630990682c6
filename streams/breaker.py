"""The breaker: a rule that suddenly fires on everything is held, and it is said.

A wrong number in a pack, or a source that begins to send something else, lets one rule fire on every act. What is found
stays what it is, for findings are a function of the events, and so are cases and points (contract §4). Held is what
people would be woken by: while a rule is held its alerts are inhibited, and one alert, /ready and the log say that it
is held and on how much it fires. Then somebody publishes a pack in which it is in shadow, or finds that it is right.
"""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

# The window moves on by this part of itself.
STEPS: Final = 30
# What nobody is woken by needs no breaker.
ACTED_UPON: Final = frozenset({"warn", "enforce"})


class Limits(NamedTuple):
    """When a rule is held: it newly fired on more than `percent` of what it looked at within the last `seconds`, and
    it looked at `looks_min` things at least."""

    percent: int
    looks_min: int
    seconds: int

    def exceeded(self, fired: int, looked_at: int) -> bool:
        """Whether so many findings are too many."""
        return looked_at >= self.looks_min and fired * 100 > looked_at * self.percent


class Fires(NamedTuple):
    """What a rule did within the window: the things that it looked at, and the findings that were new."""

    looked_at: int
    fired: int

    @property
    def share(self) -> float:
        """On which share of what it looked at it fired; there may be several findings on one thing."""
        return min(1.0, self.fired / self.looked_at) if self.looked_at else 0.0


class Breaker:
    """Counts what rules look at and find over a window that slides. Used by several threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._step_seconds = limits.seconds / STEPS
        # By rule, the steps of the window: [number of the step, looked at, fired].
        self._steps: dict[str, deque[list[int]]] = {}
        self._lock = threading.Lock()

    def count(self, looked_at: Mapping[str, int], fired: Mapping[str, int], now: float) -> None:
        """Adds what rules looked at and newly found. `now` is a clock in seconds that never goes back."""
        number = int(now / self._step_seconds)
        with self._lock:
            for rule in {**looked_at, **fired}:
                steps = self._steps.setdefault(rule, deque())
                if not steps or steps[-1][0] != number:
                    steps.append([number, 0, 0])
                steps[-1][1] += looked_at.get(rule, 0)
                steps[-1][2] += fired.get(rule, 0)
                self._forget(steps, number)

    def _forget(self, steps: deque[list[int]], number: int) -> None:
        while steps and steps[0][0] <= number - STEPS:
            steps.popleft()

    def held(self, now: float) -> dict[str, Fires]:
        """The rules that are held, with what they did."""
        number = int(now / self._step_seconds)
        held = {}
        with self._lock:
            for rule, steps in sorted(self._steps.items()):
                self._forget(steps, number)
                fires = Fires(sum(step[1] for step in steps), sum(step[2] for step in steps))
                if self.limits.exceeded(fires.fired, fires.looked_at):
                    held[rule] = fires
        return held

    def in_words(self, rule: str, fires: Fires) -> str:
        """One sentence for the log and for /ready."""
        return (
            f"{rule} fires on {fires.share:.0%} of {fires.looked_at:,} that it looked at within"
            f" {self.limits.seconds} s, more than {self.limits.percent} %: its alerts are held"
        )
