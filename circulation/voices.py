"""Sources by their settings: who speaks for officials, who is of one exchange, who owes events (contract §1, §2)."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from circulation.calendar import SECOND
from circulation.events.names import (
    ASSET_GRADED,
    CREDIT_DETERMINED,
    MERIT_RECORDED,
    OBJECTION_DECIDED,
    ORDERS,
    REPAIR_DECIDED,
    RULES,
)
from circulation.events.types import TYPES

# The source of events that the program's own commands send.
OFFICIALS: Final = "/circulation/officials"
# From when on an event is late, where nothing else is set.
LATE_SECONDS: Final = 3_600
# Types that only officials may report.
OFFICIAL_TYPES: Final = frozenset(
    {
        *(type_ for type_, (topic, _) in TYPES.items() if topic in (RULES, ORDERS)),
        CREDIT_DETERMINED,
        MERIT_RECORDED,
        OBJECTION_DECIDED,
        REPAIR_DECIDED,
    }
)
# Of these some take an official.
MAY_TAKE_OFFICIAL: Final = OFFICIAL_TYPES | {ASSET_GRADED}


def takes_official(type_: str, data: Mapping[str, Any]) -> bool:
    """Whether only an official may say this: what is decided, and a grading that somebody approved."""
    return type_ in OFFICIAL_TYPES or (type_ == ASSET_GRADED and data.get("approved_by") is not None)


class Voices:
    """Sources whose word counts, and those that owe any.

    Without `officials` every source is official; `parties` are the parties of exchanges' sources. `owed` has the
    sources that owe events, each with the seconds after which its silence is told; `named` are all sources that the
    file of sources names, None where there is no such file. An event that arrives more than `late_seconds` after
    its time is late.
    """

    def __init__(
        self,
        officials: Collection[str] | None = None,
        parties: Mapping[str, str] | None = None,
        owed: Mapping[str, int] | None = None,
        named: Collection[str] | None = None,
        late_seconds: int = LATE_SECONDS,
    ) -> None:
        self._officials = None if officials is None else frozenset(officials)
        self._parties = dict(parties or {})
        self.owed: Mapping[str, int] = dict(owed or {})
        self.named = None if named is None else frozenset(named)
        # µs.
        self.late = late_seconds * SECOND

    def is_official(self, source: str) -> bool:
        """Whether the source speaks for officials."""
        return self._officials is None or source in self._officials

    def house(self, source: str) -> str:
        """The voice of a source: the same for all sources of one exchange; else the source's own."""
        party = self._parties.get(source)
        # No source has a character that is not printable, lest one is taken for a party.
        return source if party is None else f"\n{party}"


# Where nothing is set: everybody speaks for officials, and each source for itself.
EVERYBODY: Final = Voices()


class Home:
    """The sources whose statements count on a key: that of the first by the best reporter so far, and the others of its
    exchange. `take` asks for statements in the order in which they came on the key, those later taken back among them.
    """

    __slots__ = ("_house", "_voices", "rank", "source")

    def __init__(self, voices: Voices = EVERYBODY) -> None:
        self._voices = voices
        self._house: str | None = None
        # None where nothing was stated yet: then whatever is said counts.
        self.source: str | None = None
        self.rank: int | None = None

    def take(self, source: str, reporter: int) -> bool:
        """Takes in who stated next; answers whether this is the home from now on."""
        if self.rank is not None and self.rank <= reporter:
            return False
        house = self._voices.house(source)
        moved = house != self._house
        self.rank, self._house, self.source = reporter, house, source
        return moved

    def is_official(self, source: str) -> bool:
        """Whether a source speaks for officials."""
        return self._voices.is_official(source)

    def has(self, source: str) -> bool:
        """Whether what a source states counts."""
        return self._house is None or self._voices.house(source) == self._house
