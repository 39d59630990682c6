"""A mark of the things that a judge has in hand, which outlives the judge: in a file that nobody waits for the disk to
write.

A mark that a process wrote stays when it is killed, runs out of memory or breaks: only the machine must stay up. So a
mark costs some µs a round, and nothing in the store. The next judge finds the things that its predecessor had in hand.
"""

import contextlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

# Things beyond these bytes are left out; a round has some 30 KB of them.
BYTES_MAX: Final = 1 << 20
_LENGTH: Final = struct.Struct("<Q")
_EMPTY: Final = _LENGTH.pack(0)


class Mark:
    """A mark in an open file. Trouble with the file is nobody's trouble: then there is no mark."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    @classmethod
    def at(cls, path: Path) -> "Mark":
        """A mark in a file of this name, which one process uses at a time."""
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def begin(self, things: Sequence[str]) -> None:
        """Says that these are judged now."""
        raw = orjson.dumps(things)
        if len(raw) <= BYTES_MAX:
            with contextlib.suppress(OSError):
                os.pwrite(self.handle, _LENGTH.pack(len(raw)) + raw, 0)

    def end(self) -> None:
        """Says that nothing is judged."""
        with contextlib.suppress(OSError):
            os.pwrite(self.handle, _EMPTY, 0)

    def left(self) -> list[str]:
        """The things that were being judged when the process before this one ended."""
        try:
            head = os.pread(self.handle, _LENGTH.size, 0)
            if len(head) < _LENGTH.size:
                return []
            (length,) = _LENGTH.unpack(head)
            things = orjson.loads(os.pread(self.handle, length, _LENGTH.size)) if 0 < length <= BYTES_MAX else []
        except (OSError, ValueError):
            return []
        return [thing for thing in things if isinstance(thing, str)]
