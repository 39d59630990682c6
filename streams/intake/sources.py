"""The sources as known from fetch to fetch: which have a row in a month, and when they were heard."""

from circulation.quality import Months


class Sources:
    """A cache, which is dropped where a fetch fails. Of rows that the store adds to, only those that were read are
    known: another worker's may be undone."""

    def __init__(self) -> None:
        # (source, month) of which there is a row; one that is pruned meanwhile is made anew.
        self.rows: set[tuple[str, int]] = set()
        # Months in which no source gets a row any more that nobody named.
        self.full: frozenset[int] = frozenset()
        # Of sources that owe events the latest `time` of any, as of the last fetch that brought one.
        self.heard: dict[str, int] = {}
        # (contract, day, source) of which it is kept that the source reported as provider or consumer.
        self.reported: set[tuple[str, int, str]] = set()
        # Events of one fetch are mostly of one month, and so are those of the next.
        self.months = Months()

    def forget(self) -> None:
        """Drop all of it."""
        self.rows.clear()
        self.full = frozenset()
        self.heard.clear()
        self.reported.clear()
