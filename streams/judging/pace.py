"""How much of what waits in bulk is judged in one transaction: as much as keeps what just came waiting a short time."""

from typing import Final

# An item that just came waits no longer than about this for a round of other items.
ROUND_SECONDS: Final = 0.03
# Fewer are not worth a transaction.
THINGS_MIN: Final = 25


class Pace:
    """Called with a kind of thing it answers with how many of them are judged at once, `most` at most.

    Kinds cost differently, so each has a pace of its own; it is learnt from the rounds, of which none is long.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sizes: dict[str, int] = {}

    def __call__(self, kind: str) -> int:
        return self._sizes.get(kind, min(THINGS_MIN, self._most))

    def learn(self, kind: str, things: int, seconds: float) -> None:
        """So many things of a kind took so long: of more than that nothing is known where they were all there was."""
        size = self(kind)
        if seconds > ROUND_SECONDS or things >= size:
            share = int(ROUND_SECONDS / max(seconds, 1e-6) * things)
            self._sizes[kind] = min(max(THINGS_MIN, min(share, 2 * size)), self._most)
