"""What a process logs: of one cause one line a minute, with the number of those that were left out.

A broker that is away makes each of three libraries say so many times a second. What matters is in the first line; the
rest only fills the disk and hides what else goes wrong.
"""

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

# Causes that are told apart at once; of more the one that was silent longest is forgotten.
CAUSES_MAX: Final = 1_000
SECONDS: Final = 60.0
# Of a trace: the innermost calls, as `judge.py:211`.
FRAMES_MAX: Final = 8
# A line is for a person; what made it may be of any length.
CHARACTERS_MAX: Final = 2_000

# What differs from line to line of one cause: numbers, addresses, ids, and what is in quotes. A broker that librdkafka
# knows by its address alone has `bootstrap` in place of its number.
_VARIABLE: Final = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+|(?<=[0-9]/)bootstrap\b")
_PLACES: Final = re.compile(r"%(\([^)]*\))?[-#0 +]*[0-9.*]*[a-zA-Z]")


class OncePerMinute(logging.Filter):
    """Lets a line through if its cause had none in the last minute; on the next it says how many it kept back.

    A cause is the logger with the template, or the exception with the place that raised it. `now` is a clock in
    seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        # When a cause was last let through, and how many lines of it were kept back since; the oldest first.
        self._causes: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        cause, now = cause_of(record), self._now()
        logged, more = self._causes.get(cause, (float("-inf"), 0))
        if now - logged < SECONDS:
            self._causes[cause] = (logged, more + 1)
            return False
        self._causes.pop(cause, None)
        if len(self._causes) >= CAUSES_MAX:
            del self._causes[next(iter(self._causes))]
        self._causes[cause] = (now, 0)
        if more:
            record.msg = f"{record.getMessage()} (and {more:,} more like it in the {now - logged:,.0f} s before)"
            record.args = ()
        return True


def cause_of(record: logging.LogRecord) -> object:
    """What makes a line one of many that are alike."""
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        where = traceback.extract_tb(trace)[-1:] if trace is not None else []
        return (record.name, kind, *((frame.filename, frame.lineno) for frame in where))
    template = str(record.msg)
    if re.search(r"[^\W\d_]{3}", _PLACES.sub("", template)):
        return (record.name, template if record.args else without_numbers(template))
    # A template without words of its own, as `%s`: the words are in what it is filled with.
    return (record.name, without_numbers(record.getMessage()))


def without_numbers(text: str) -> str:
    """What lines of one cause have in common: numbers, addresses, ids and what is in quotes are `#`."""
    return _VARIABLE.sub("#", text)


class OneLine(logging.Formatter):
    """A record as one line: a trace is its exception and the calls that led there, the innermost first."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = " / ".join(part.strip() for part in super().format(record).splitlines() if part.strip())
        return line if len(line) <= CHARACTERS_MAX else line[:CHARACTERS_MAX] + "…"

    def formatException(self, ei: Any) -> str:
        """The exception with the calls that led there."""
        kind, error, trace = ei
        if kind is None:
            return ""
        frames = traceback.extract_tb(trace)[-FRAMES_MAX:]
        places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        return f"{kind.__name__}: {error} [{places}]"

    def formatStack(self, stack_info: str) -> str:
        """Nothing: where a line was logged from is not worth many lines."""
        return ""


def install(level: str) -> None:
    """Has this process log to its standard error, and to nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    handler.addFilter(OncePerMinute())
    logging.basicConfig(level=level.upper(), handlers=[handler])
