"""One admitted event."""

from typing import Any

import msgspec


class Event(msgspec.Struct, gc=False):
    """One admitted event. `raw_data` is what a store keeps of `data` (empty for uses, which are only counted).

    `time` is an instant; `reporter` an index of `REPORTERS`; `source` and `id`, within `topic` and `subject`, are
    its identity; with a `sequence` that is its number under the `epoch`. `unknown` members were left out of it.
    """

    topic: str
    type: str
    subject: str
    source: str
    id: str
    time: int
    sequence: int | None
    reporter: int
    data: Any
    raw_data: bytes = b""
    epoch: int = 0
    unknown: int = 0
