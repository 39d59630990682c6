"""A desk: what is remembered of one key between its events."""

from typing import Any

from circulation import sequences
from circulation.daily import NEVER, Used, day_number, end_of, key_of
from circulation.events.event import Event
from circulation.licences import Licences
from circulation.voices import Voices


class Desk:
    """One key: what is remembered of it between events.

    Between fetches it is evicted: most of it is then `state`, as the store has it. One piece of memory is quicker to
    come by, and smaller, than some fifty that lie scattered.
    """

    __slots__ = (
        "abroad",
        "counted",
        "days",
        "dirty",
        "evicted",
        "first_use",
        "home",
        "licences",
        "memories",
        "paid",
        "parts",
        "parts_dirty",
        "reporters",
        "retracted",
        "sequences",
        "served_day",
        "state",
        "waiting",
        "waiting_uses",
        "watched",
    )

    def __init__(self, tallies: int, voices: Voices) -> None:
        self.state = b""
        self.evicted = False
        # The partition that its key belongs in; nobody asks where records have none.
        self.home = -1
        self.sequences: dict[str, sequences.Sequence] = {}
        # The newest position of those that wait, and how many uses have come to wait.
        self.waiting = 0
        self.waiting_uses = 0
        # Events that were taken back, (source, id, type), as far as they are not looked up.
        self.retracted: list[tuple[str, str, str]] = []
        # By tally, in the order of the rules; None where there is nothing to remember.
        self.memories: list[Any] = [None] * tallies
        self.licences = Licences(voices)
        self.parts: dict[str, Any] = {}
        self.parts_dirty: set[str] = set()
        self.dirty = False
        # The earliest `time` of a use, and whether a settlement came.
        self.first_use = NEVER
        self.paid = False
        # No day before it has uses that are left; later than the first that has where that was not looked up. Not kept.
        self.served_day = NEVER
        # Countries and days of which uses are known that are left. Not kept.
        self.abroad: set[tuple[str, int]] = set()
        # The uses of the newest days, by reporter; and, a bit each, all reporters of uses and deliveries, of an asset
        # those of acts that are reported again and again.
        self.days: dict[int, Used] = {}
        self.reporters = 0
        # Whether rules look at its days: they last, or more than one reporter says something of them.
        self.watched = False
        # Whether its uses count towards a sandbox of its seller.
        self.counted = False

    def reports(self, reporter: int) -> None:
        """Note a reporter."""
        self.reporters |= 1 << reporter
        self.watched = self.daily or self.several

    def count_towards(self, sellers: frozenset[str]) -> None:
        """Have its uses count where any of these sellers, whose sandboxes count uses, sells under its terms."""
        if not sellers.isdisjoint(self.licences.sellers):
            self.counted = self.watched = True

    @property
    def daily(self) -> bool:
        """Whether its days matter for as long as there is the contract."""
        return self.counted or self.licences.daily

    @property
    def several(self) -> bool:
        """Whether more than one reporter reports, so that what they say of a day can differ."""
        return self.reporters & (self.reporters - 1) != 0

    def begins_earlier(self, time: int) -> bool:
        """Whether a rule may say something else for a use that is earlier than any before.

        It matters to what was signed only later.
        """
        return time < self.licences.signed

    def serves_earlier(self, day: int, used: Used | None, uses: int, first: int) -> bool:
        """Whether uses that are added to what is remembered of a day may change since when any are left."""
        return uses > 0 and day <= self.served_day and (used is None or first < used.first_use or used.uses <= 0)

    def news(self, event: Event, clock: int) -> bool:
        """Whether a use changes what may be judged of its day before the day ends, or comes after its end; or since
        when anything was served for what was paid."""
        if self.paid:
            day = day_number(event.time)
            used = self.days.get(key_of(day, event.reporter))
            if self.serves_earlier(day, used, event.data.uses, event.time):
                return True
        if not self.watched and self.reporters in (0, 1 << event.reporter):
            return False
        day = day_number(event.time)
        used = self.days.get(key_of(day, event.reporter))
        return used is None or event.time < used.first or end_of(day) < clock
