"""The lines that statements of credit list, as they were when they were stated last: a cache of the store."""

from collections.abc import Mapping
from typing import Final

from circulation.credit.sending import Listed
from circulation.heaviest import Heaviest

# Of so many parties: the lines of one may take two megabytes.
PARTIES_MAX: Final = 32
# Of fewer lines none are kept: they are read as quickly.
LINES_MIN: Final = 50

Lists = Mapping[str, Heaviest[Listed]]


class Stated:
    """The lines of parties, each of one version of its credit: whoever changed it since made another version."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Lists]] = {}

    def take(self, party: str, version: int) -> Lists | None:
        """The lines of a version, to be changed and kept again; None where they are not known."""
        kept = self._kept.pop(party, None)
        return kept[1] if kept is not None and kept[0] == version else None

    def keep(self, party: str, version: int, lists: Lists) -> None:
        """Keep the lines of a version; those of the party that was stated longest ago are forgotten for them."""
        if sum(map(len, lists.values())) < LINES_MIN:
            return
        if len(self._kept) >= PARTIES_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[party] = version, lists

    def clear(self) -> None:
        """Forget all of it."""
        self._kept.clear()
