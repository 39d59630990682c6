"""The common base of the data of events."""

from typing import Literal

import msgspec

Level = Literal["general", "important", "core", "ungraded"]
Personal = Literal["none", "personal", "sensitive", "minor"]


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The data of an event. An optional member is None where it is absent, lists too."""
