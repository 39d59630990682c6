"""Facts of a party, with their times: registrations, grants and what they cover, records, controllers."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from circulation.credit.public import Records
from circulation.credit.settings import Settings
from circulation.credit.statement import TYPES
from circulation.events.event import Event
from circulation.events.names import CREDIT_DETERMINED, GRANT_ISSUED, GRANT_REVOKED, PARTY_REGISTERED
from circulation.facts.acts import NEVER, order
from circulation.facts.statements import Counting, time_of
from circulation.licences import in_force
from circulation.terms import allows_purpose

# Controllers above one party that are followed: a longer chain is cut there.
CONTROLLERS_MAX = 64


class Trial(NamedTuple):
    """A sandbox: its grant, and from when until when (µs) it covers acts."""

    grant: Any
    since: int
    end: int


class PartyFacts:
    """One party: what it is, and what it was granted."""

    def __init__(self, party: str, statements: Collection[Event]) -> None:
        self.id = party
        self._registered: list[Event] = []
        self._controllers: set[str] = set()
        self._grants = Counting()
        # By kind, and by an asset that they are restricted to (None where to none).
        self._grants_for: dict[tuple[str, str | None], list[Event]] = {}
        self._tries = False
        self._revoked: dict[str, int] = {}
        self._records = Records()
        self.recorded = False
        for statement in sorted(statements, key=order):
            self.add(statement)

    def add(self, statement: Event) -> None:
        """Adds a statement that came."""
        if statement.type == PARTY_REGISTERED:
            insort(self._registered, statement, key=order)
            if statement.data.controller is not None:
                self._controllers.add(statement.data.controller)
        elif statement.type == GRANT_ISSUED:
            before = self._grants.add(statement.data.grant, statement)
            if before is statement:
                return
            if before is not None:
                for key in _grant_keys(before.data):
                    self._grants_for[key].remove(before)
            for key in _grant_keys(statement.data):
                insort(self._grants_for.setdefault(key, []), statement, key=order)
            self._tries = self._tries or statement.data.kind == "sandbox"
        elif statement.type == GRANT_REVOKED:
            self._revoked[statement.data.grant] = min(
                statement.time, self._revoked.get(statement.data.grant, statement.time)
            )
        elif statement.type in TYPES:
            self._records.add(statement)
            self.recorded = self.recorded or statement.type == CREDIT_DETERMINED

    @property
    def trials(self) -> list[Trial]:
        """The sandboxes."""
        return [
            Trial(
                grant := event.data,
                max(event.time, grant.valid_from),
                min(NEVER if grant.valid_to is None else grant.valid_to, self._revoked.get(grant.grant, NEVER)),
            )
            for event in (self._grants.of_each if self._tries else ())
            if event.data.kind == "sandbox"
        ]

    def changed_since(self, instant: int) -> int:
        """From when on what registrations say of the party may have changed, if one from `instant` on did."""
        return instant if self._registered and self._registered[0].time < instant else -NEVER

    def granted_since(self, instant: int) -> int:
        """The same of grants: of several reports of one, another may count now."""
        return min(instant, self._grants.again)

    def recorded_since(self, instant: int) -> int:
        """The same of records: one that is withdrawn never was."""
        return self._records.since(instant)

    def moved_since(self, instant: int) -> bool:
        """Whether it had another controller at any time from the instant on than just before it."""
        at = bisect_left(self._registered, instant, key=time_of)
        before = self._registered[at - 1].data.controller if at else None
        return any(event.data.controller != before for event in self._registered[at:])

    def moves(self, since: int, until: int) -> list[int]:
        """When it came to have another controller, after an instant and no later than another."""
        if not self._controllers:
            return []
        first = bisect_right(self._registered, since, key=time_of)
        last = bisect_right(self._registered, until, key=time_of)
        registrations = self._registered[max(0, first - 1) : last]
        return [
            registration.time
            for before, registration in pairwise(registrations)
            if registration.data.controller != before.data.controller
        ]

    def published(self, tier: str, instant: int, settings: Settings) -> list[str]:
        """The records of a tier that are public at the instant, in their order, without those ever withdrawn."""
        return self._records.published(tier, instant, settings)

    def at(self, instant: int) -> Any | None:
        """The registration in force, or the first one; None where there is none."""
        registration = in_force(self._registered, instant)
        return None if registration is None else registration.data

    def verified(self, instant: int) -> bool:
        """Whether an exchange had registered it by the instant: what parties say of themselves is no verification."""
        return any(event.time <= instant and event.reporter == 0 for event in self._registered)

    def controllers(self) -> set[str]:
        """All controllers that were ever stated."""
        return self._controllers

    def times(self) -> list[int]:
        """The `time` of each registration, in their order."""
        return [event.time for event in self._registered]

    def issued(self, kinds: Collection[str], instant: int) -> list[Any]:
        """All grants of these kinds that were issued no later than the instant, whether they are valid or not."""
        return [event.data for event in self._grants.of_each if event.time <= instant and event.data.kind in kinds]

    def revoked(self, grant: str, instant: int) -> int | None:
        """When a grant was revoked; None where it was not by the instant."""
        time = self._revoked.get(grant)
        return time if time is not None and time <= instant else None

    def grants(self, instant: int) -> list[Any]:
        """Grants that are valid at the instant: issued no later, in their validity, not revoked by then."""
        return [event.data for event in self._grants.of_each if self._valid(event, instant)]

    def grant(self, grant: str, instant: int) -> Any | None:
        """The grant of this id, if it is valid at the instant."""
        event = self._grants.by_id.get(grant)
        return event.data if event is not None and self._valid(event, instant) else None

    def _valid(self, event: Event, instant: int) -> bool:
        grant = event.data
        return (
            event.time <= instant
            and grant.valid_from <= instant
            and (grant.valid_to is None or instant < grant.valid_to)
            and not self._revoked.get(grant.grant, instant + 1) <= instant
        )

    def ends_of(self, kind: str, asset: str) -> list[tuple[int, bool]]:
        """When grants of a kind that may cover an asset end, and whether that is by the clock (`valid_to`)."""
        ends = []
        for restricted_to in (None, asset):
            for event in self._grants_for.get((kind, restricted_to), ()):
                if event.data.valid_to is not None:
                    ends.append((event.data.valid_to, True))
                if event.data.grant in self._revoked:
                    ends.append((self._revoked[event.data.grant], False))
        return ends

    def covered(
        self,
        instant: int,
        kinds: Collection[str],
        *,
        asset: str | None = None,
        purposes: Collection[str] = (),
        countries: Collection[str] = (),
        recipients: Collection[str] = (),
    ) -> bool:
        """Whether a valid grant of one of these kinds covers what an act names (contract §2, "A grant covers")."""
        # the newest first: of many grants it is mostly the one that still holds
        return any(
            self._valid(event, instant)
            and covers(event.data, asset=asset, purposes=purposes, countries=countries, recipients=recipients)
            for kind in kinds
            for restricted_to in {None, asset}
            for event in reversed(self._grants_for.get((kind, restricted_to), ()))
        )


def covers(
    grant: Any,
    *,
    asset: str | None = None,
    purposes: Collection[str] = (),
    countries: Collection[str] = (),
    recipients: Collection[str] = (),
) -> bool:
    """Whether a grant's restrictions contain what an act names."""
    return (
        _contains(grant.assets, () if asset is None else (asset,))
        and _allows(grant.purposes, purposes)
        and _contains(grant.countries, countries)
        and _contains(grant.recipients, recipients)
    )


def _grant_keys(grant: Any) -> list[tuple[str, str | None]]:
    assets: Iterable[str | None] = (None,) if grant.assets is None else dict.fromkeys(grant.assets)
    return [(grant.kind, asset) for asset in assets]


def _contains(restriction: Collection[str] | None, named: Collection[str]) -> bool:
    # A grant restricted by a thing that the act does not name does not cover it.
    return restriction is None or (bool(named) and all(name in restriction for name in named))


def _allows(purposes: Collection[str] | None, named: Collection[str]) -> bool:
    return purposes is None or (bool(named) and all(allows_purpose(tuple(purposes), purpose) for purpose in named))


def chain(parties: Mapping[str, PartyFacts], party: str, instant: int) -> list[str]:
    """The party, its controller, that one's, and so on, each once. `parties` has the facts of all of them."""
    links = [party]
    if not parties[party].controllers():
        return links
    while len(links) <= CONTROLLERS_MAX:
        data = parties[links[-1]].at(instant)
        if data is None or data.controller is None or data.controller in links:
            break
        links.append(data.controller)
    return links


def topmost(parties: Mapping[str, PartyFacts], party: str, instant: int) -> str:
    """The head of the party's group; of parties that control each other in a circle the smallest id."""
    if not parties[party].controllers():
        return party
    above = chain(parties, party, instant)
    data = parties[above[-1]].at(instant) if len(above) <= CONTROLLERS_MAX else None
    if data is None or data.controller is None:
        return above[-1]
    return min(above[above.index(data.controller) :])


def heads(parties: Mapping[str, PartyFacts], party: str) -> list[tuple[int, str]]:
    """The heads of the party's group, each with the instant since when, in the order of time."""
    above = {party}
    layer = parties[party].controllers()
    for _ in range(CONTROLLERS_MAX):
        if not layer:
            break
        above |= layer
        layer = {controller for member in layer for controller in parties[member].controllers()} - above
    if len(above) == 1:
        return [(-NEVER, party)]
    head_since = [(-NEVER, topmost(parties, party, -NEVER))]
    for instant in sorted({time for member in above for time in parties[member].times()}):
        head = topmost(parties, party, instant)
        if head != head_since[-1][1]:
            head_since.append((instant, head))
    return head_since


def heads_between(parties: Mapping[str, PartyFacts], party: str, since: int, until: int) -> set[str]:
    """All who stand at the head of the party's group at any instant from one to another, both included."""
    if not parties[party].controllers():
        return {party}
    instants = {since}
    reached: dict[str, None] = {}
    layer: Collection[str] = [party]
    while layer:
        reached |= dict.fromkeys(layer)
        instants.update(time for member in layer for time in parties[member].moves(since, until))
        layer = {above for member in layer for above in parties[member].controllers()} - reached.keys()
    return {topmost(parties, party, instant) for instant in instants}
