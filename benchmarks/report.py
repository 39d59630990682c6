"""The report of a run: figures with their targets, and whether every count was right."""

import statistics
from collections.abc import Sequence
from typing import Any

WIDTH = 46


def median(values: Sequence[float]) -> float:
    """The middle one: a single disturbance does not move it."""
    return statistics.median(values)


class Report:
    """Prints figures as they come. `wrong` lists the counts that were not what was sent, `slow` the targets missed."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.slow: list[str] = []
        self._name = ""

    def title(self, name: str, measured: str) -> None:
        """Begins a benchmark; `measured` says exactly what its figures are of."""
        self._name = name
        print(f"\n{name}: {measured}", flush=True)

    def line(self, title: str, *figures: str) -> None:
        """One line of figures."""
        print(f"  {title:<{WIDTH}} {'   '.join(f'{figure:>18}' for figure in figures)}", flush=True)

    def ratio(self, title: str, value: float, target: float) -> None:
        """A share of the ceiling, which should be at least the target."""
        self._target(title, f"{value:.3f}", f"at least {target}", value >= target)

    def at_least(self, title: str, value: float, target: float, unit: str) -> None:
        """A figure that should reach the target."""
        self._target(title, f"{value:,.0f} {unit}", f"at least {target:,.0f} {unit}", value >= target)

    def at_most(self, title: str, value: float, target: float, unit: str) -> None:
        """A figure that should be below the target."""
        self._target(title, f"{value:.1f} {unit}", f"below {target:g} {unit}", value < target)

    def _target(self, title: str, value: str, target: str, reached: bool) -> None:
        self.line(title, value, f"({target}: {'reached' if reached else 'MISSED'})")
        if not reached:
            self.slow.append(f"{self._name}: {title} is {value}, should be {target}")

    def same(self, title: str, expected: Any, value: Any) -> None:
        """A count that has to be exact."""
        if expected != value:
            self.wrong.append(f"{self._name}: {title}: expected {expected}, got {value}")
            print(f"  WRONG: {title}: expected {expected}, got {value}", flush=True)
