"""The bands of a limit: from what share on something is said, and how severely."""

from typing import Any

from circulation.findings import Severity
from circulation.rules import Parameters

SEVERITY_OF_BAND: tuple[Severity, ...] = ("blue", "yellow", "orange", "red")


def band_of(used: int, maximum: int, parameters: Parameters) -> int:
    """The band that a total is in: 0 none, 1 first warning, 2 late warning, 3 over the limit, 4 far over it."""
    percent = used * 100
    if percent > maximum * parameters["red_percent"]:
        return 4
    if used > maximum:
        return 3
    if used and percent >= maximum * parameters["late_warning_percent"]:
        return 2
    if used and percent >= maximum * parameters["warning_percent"]:
        return 1
    return 0


def percent_of(band: int, parameters: Parameters) -> Any:
    """The share of the limit that a band begins with, in per cent, as findings have it."""
    percents = (parameters["warning_percent"], parameters["late_warning_percent"], 100, parameters["red_percent"])
    return percents[band - 1]
