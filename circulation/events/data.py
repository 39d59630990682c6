"""What the data of events of several kinds have in common."""

from typing import Literal

import msgspec

Level = Literal["general", "important", "core", "ungraded"]
Personal = Literal["none", "personal", "sensitive", "minor"]


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The data of an event. What may be absent is None then, lists too."""
