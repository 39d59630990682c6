"""Packs by the modes of their detectors."""

from collections.abc import Sequence
from typing import Any

import detectors
from circulation.examples import Json, pack


def only(*on: str, entries: Sequence[Json] = (), **members: Any) -> Json:
    """A pack in which these detectors are on and all others are off."""
    off = {one: {"mode": "off"} for one in detectors.RULES if one not in on}
    return pack(*entries, detectors=off, **members)
