"""What a run says: figures with their targets, and whether every count was right."""

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

    def line(self, what: str, *figures: str) -> None:
        """One line of figures."""
        print(f"  {what:<{WIDTH}} {'   '.join(f'{figure:>18}' for figure in figures)}", flush=True)

    def ratio(self, what: str, got: float, target: float) -> None:
        """A share of the ceiling, which should be at least the target."""
        self._target(what, f"{got:.3f}", f"at least {target}", got >= target)

    def at_least(self, what: str, got: float, target: float, unit: str) -> None:
        """A figure that should reach the target."""
        self._target(what, f"{got:,.0f} {unit}", f"at least {target:,.0f} {unit}", got >= target)

    def at_most(self, what: str, got: float, target: float, unit: str) -> None:
        """A figure that should be below the target."""
        self._target(what, f"{got:.1f} {unit}", f"below {target:g} {unit}", got < target)

    def _target(self, what: str, got: str, target: str, reached: bool) -> None:
        self.line(what, got, f"({target}: {'reached' if reached else 'MISSED'})")
        if not reached:
            self.slow.append(f"{self._name}: {what} is {got}, should be {target}")

    def same(self, what: str, expected: Any, got: Any) -> None:
        """A count that has to be exact."""
        if expected != got:
            self.wrong.append(f"{self._name}: {what}: expected {expected}, got {got}")
            print(f"  WRONG: {what}: expected {expected}, got {got}", flush=True)
