"""Composite keys: several texts as one, such as the scope of a sum or an item of the judge's queue."""

from typing import Final

# Not printable, so no id that admission lets in holds it.
_SEPARATOR: Final = "\x1f"


def join_key(*parts: str) -> str:
    """Return one text that `split_key` takes apart again."""
    return _SEPARATOR.join(parts)


def split_key(key: str, most: int = -1) -> list[str]:
    """Return the parts of a key: at most `most` + 1, of which the last keeps what follows whole; -1 for all."""
    return key.split(_SEPARATOR, most)


def rsplit_key(key: str) -> tuple[str, str]:
    """Return all but the last part as a key of its own, and the last part."""
    rest, last = key.rsplit(_SEPARATOR, 1)
    return rest, last
