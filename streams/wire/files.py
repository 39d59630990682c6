"""Files of events: their lines, unpacked on the way, and records as they stood in Kafka."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard

from circulation.admission.records import Headers
from streams.intake import Place

# The bytes unpacked at once: a block of three bytes may unpack to 128 KiB.
PACKED_BYTES = 4 * 1024


class Record(NamedTuple):
    """A record as it stood in Kafka, which was given it at its `stamp`, µs; a line of a file is the same with no more
    than its bytes."""

    value: bytes | None
    topic: str
    key: bytes | None
    headers: Headers
    place: Place
    stamp: int = 0


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file of events, `.gz` and `.zst` unpacked on the way. Raises OSError where it cannot be read."""
    with path.open("rb") as raw:
        stream: Any
        if path.suffix == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif path.suffix == ".zst":
            stream = io.BufferedReader(_Zstandard(raw))
        else:
            stream = raw
        try:
            yield from stream
        except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
            raise OSError(f"{path}: {error}") from error


class _Zstandard(io.RawIOBase):
    """Frame after frame of a file. The library's own reader takes a file that was cut for one that has ended."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes of what was packed; 0 at the end. Raises EOFError where the file ends within a frame."""
        while not self._ready:
            packed = (self._frame.unused_data if self._frame.eof else b"") or self._raw.read(PACKED_BYTES)
            if not packed:
                if self._begun and not self._frame.eof:
                    raise EOFError("the file ends within a frame: it was cut")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = True
            self._ready = memoryview(self._frame.decompress(packed))
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)
