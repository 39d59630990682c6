"""Facts of an asset, with their times: registrations, gradings, listings, assessments, withdrawals."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from circulation.events.event import Event
from circulation.events.names import (
    ASSET_ASSESSED,
    ASSET_GRADED,
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
)
from circulation.facts.acts import NEVER, order
from circulation.facts.grades import Grade, Grades, stated
from circulation.facts.statements import Counting, latest, time_of
from circulation.licences import in_force
from circulation.packs.entry import Subject
from circulation.voices import EVERYBODY, Home, Voices


def _held(registered: Event, at_home: Event) -> Any:
    """The data of a registration, with the owner and the rights of the home's registration."""
    data, of_home = registered.data, at_home.data
    if data is of_home or (data.owner, data.rights) == (of_home.owner, of_home.rights):
        return data
    return msgspec.structs.replace(data, owner=of_home.owner, rights=of_home.rights)


class Undoing(NamedTuple):
    """A retraction: when it was made, and by which event."""

    time: int
    source: str
    id: str


class Undone(NamedTuple):
    """A registration or a grading that was taken back, and by what; None where that came before it."""

    event: Event
    by: Undoing | None


class AssetFacts:
    """One asset. `subject(t, industry)` is how negative lists see it at an instant."""

    def __init__(
        self,
        asset: str,
        statements: Collection[Event],
        voices: Voices = EVERYBODY,
        undone: Collection[Undone] = (),
    ) -> None:
        """`statements` come in the order of the key; `undone` describes it and was taken back."""
        self.id = asset
        self._registered: list[Event] = []
        # The home, whose word on the owner and the rights counts, and its registrations.
        self.home = Home(voices)
        self._at_home: list[Event] = []
        for statement in statements:
            if statement.type == ASSET_REGISTERED:
                self.home.take(statement.source, statement.reporter)
        # Each owner and reporter of registrations, and when it is stated first.
        self._owners: dict[str | None, int] = {}
        self._reporters: dict[int, int] = {}
        # When it is first said how often it is updated.
        self._updated = NEVER
        self.grades = Grades()
        # The latest time of an approved grading; by member and value of one that says so.
        self._approved_last = -NEVER
        self._approved: dict[tuple[str, str], int] = {}
        # By product the listings of its best reporter, and the delistings; and the withdrawals of the asset.
        self._listed: dict[str, list[Event]] = {}
        self._delisted: dict[str, list[Event]] = {}
        self._sellers: set[str] = set()
        self._withdrawn: list[Event] = []
        self._withdrawing: set[int] = set()
        self._assessed = Counting()
        # Registrations that were taken back since, each with its retraction: it was in force until then.
        gone = (
            (retracted.by, retracted.event)
            for retracted in undone
            if retracted.by is not None and retracted.event.type == ASSET_REGISTERED
        )
        self.undone = sorted(gone, key=lambda pair: (pair[0], order(pair[1])))
        for _, registration in self.undone:
            self._owners.setdefault(registration.data.owner, registration.time)
        for taken_back, _ in undone:
            # Nobody but an official takes a level back (contract §2, "Any topic").
            if not voices.is_official(taken_back.source):
                self.grades.add(taken_back)
        for statement in sorted(statements, key=order):
            self._place(statement)

    def add(self, statement: Event) -> None:
        """Adds a statement that came."""
        if statement.type == ASSET_REGISTERED and self.home.take(statement.source, statement.reporter):
            self._at_home = [registration for registration in self._registered if self.home.has(registration.source)]
        self._place(statement)

    def _place(self, statement: Event) -> None:
        if statement.type == ASSET_REGISTERED:
            insort(self._registered, statement, key=order)
            if self.home.has(statement.source):
                insort(self._at_home, statement, key=order)
            self.grades.add(statement)
            self._owners[statement.data.owner] = min(
                statement.time, self._owners.get(statement.data.owner, statement.time)
            )
            self._reporters[statement.reporter] = min(
                statement.time, self._reporters.get(statement.reporter, statement.time)
            )
            if statement.data.update_days:
                self._updated = min(self._updated, statement.time)
        elif statement.type == ASSET_GRADED:
            self.grades.add(statement)
            if statement.data.approved_by is not None:
                self._approved_last = max(self._approved_last, statement.time)
                for key in (("level", statement.data.level), ("personal", statement.data.personal)):
                    self._approved[key] = max(statement.time, self._approved.get(key, statement.time))
        elif statement.type == PRODUCT_LISTED:
            _count(self._listed.setdefault(statement.data.product, []), statement)
            self._sellers.add(statement.data.seller)
        elif statement.type == PRODUCT_DELISTED:
            _count(self._delisted.setdefault(statement.data.product, []), statement)
        elif statement.type == ASSET_WITHDRAWN:
            _count(self._withdrawn, statement)
            self._withdrawing.add(statement.reporter)
        elif statement.type == ASSET_ASSESSED:
            self._assessed.add(statement.data.assessment, statement)

    def changed_since(self, instant: int) -> int:
        """From when on what registrations and gradings say of the asset may have changed, if one from `instant` on did.

        The first statement holds before it, too (contract §2); and rules ask for all owners that there ever were, who
        reported best, and whether it is updated at all.
        """
        if not self._registered or self._registered[0].time >= instant:
            return -NEVER
        best = min(reporter for reporter, since in self._reporters.items() if since < instant)
        better = any(reporter < best for reporter in self._reporters)
        ever = (*self._owners.values(), *(() if self._updated == NEVER else (self._updated,)))
        return -NEVER if better or any(since >= instant for since in ever) else instant

    @property
    def is_updated(self) -> bool:
        """Whether it was ever said how often it is updated."""
        return self._updated < NEVER

    def assessed_since(self, instant: int) -> int:
        """The same of assessments."""
        return min(instant, self._assessed.again)

    def withdrawn_since(self, instant: int) -> int:
        """The same of withdrawals: a better reporter's take the place of all others."""
        return instant if len(self._withdrawing) == 1 else -NEVER

    def before(self, act: Any) -> Any | None:
        """The registration just before an act (or before another registration); None where there is none."""
        at, of_home = (
            bisect_left(statements, order(act), key=order) for statements in (self._registered, self._at_home)
        )
        return _held(self._registered[at - 1], self._at_home[max(0, of_home - 1)]) if at else None

    def alive(self, act: Any, *, just_before: bool) -> Any | None:
        """The registration just before an act, or a retraction, or once it was made, with what was in force then and
        is taken back since; None where nothing is."""

        def by_then(event: Any) -> bool:
            return order(event) < order(act) or (not just_before and order(event) == order(act))

        gone = [registration for by, registration in self.undone if by_then(registration) and not by_then(by)]
        if not gone:
            at = (bisect_left if just_before else bisect_right)(self._registered, order(act), key=order)
            if not at:
                return None
            return self.before(act) if just_before else self.after(act)
        registered = sorted((*filter(by_then, self._registered), *gone), key=order)
        at_home = (
            [registration for registration in registered if self.home.has(registration.source)]
            or self._at_home[:1]
            or registered[-1:]
        )
        return _held(registered[-1], at_home[-1])

    def after(self, act: Any) -> Any:
        """The data in force once a registration was made."""
        at, of_home = (
            bisect_right(statements, order(act), key=order) for statements in (self._registered, self._at_home)
        )
        return _held(self._registered[at - 1], self._at_home[max(0, of_home - 1)])

    @property
    def is_shared(self) -> bool:
        """Whether others than its home have registered it."""
        return len(self._at_home) < len(self._registered)

    def approved_since(self, instant: int) -> bool:
        """Whether a grading is approved that was made no earlier, whatever it states."""
        return self._approved_last >= instant

    def own_before(self, act: Any) -> Any | None:
        """The last registration by its home before an act; None where there is none."""
        at = bisect_left(self._at_home, order(act), key=order)
        return self._at_home[at - 1].data if at else None

    def registration(self, instant: int) -> Any | None:
        """The registration in force at an instant, or the first; None without any. Owner and rights are by its home."""
        registration = in_force(self._registered, instant)
        if registration is None or len(self._at_home) == len(self._registered):
            return None if registration is None else registration.data
        at_home = in_force(self._at_home, instant)
        return registration.data if at_home is None else _held(registration, at_home)

    def stated(self, instant: int) -> Any | None:
        """The last registration made no later than the instant; None where there is none.

        Where its home had not registered it by then, there is no owner, and no right.
        """
        registration = latest(self._registered, instant)
        if registration is None or len(self._at_home) == len(self._registered):
            return None if registration is None else registration.data
        at_home = latest(self._at_home, instant)
        return (
            msgspec.structs.replace(registration.data, owner=None, rights=())
            if at_home is None
            else _held(registration, at_home)
        )

    def listing(self, product: str, instant: int, seller: str | None = None) -> Any | None:
        """The latest listing of a product, of one seller where one is given, that was made by the instant."""
        listed = self._listed.get(product, ())
        of_seller = listed if seller is None else [event for event in listed if event.data.seller == seller]
        listing = latest(of_seller, instant)
        return None if listing is None else listing.data

    def offering(self) -> set[str]:
        """All who ever listed a product made of it."""
        return self._sellers

    def sellers(self, instant: int) -> set[str]:
        """The sellers that had listed a product made of it by the instant."""
        return {event.data.seller for listings in self._listed.values() for event in listings if event.time <= instant}

    def offers(self, seller: str, instant: int) -> list[Event]:
        """A seller's listings that stand at an instant: of each product the latest, in the order of products.

        A delisting of its product, or a withdrawal of the asset, ends what was listed no later than it.
        """
        standing = []
        for product in sorted(self._listed):
            listed = self._listed[product]
            until = bisect_right(listed, instant, key=time_of)
            # Of one product mostly one seller lists, so the first that is read is mostly it.
            listing = next((listed[at] for at in range(until - 1, -1, -1) if listed[at].data.seller == seller), None)
            if listing is None:
                continue
            ended = (latest(ends, instant) for ends in (self._delisted.get(product, ()), self._withdrawn))
            if all(end is None or end.time < listing.time for end in ended):
                standing.append(listing)
        return standing

    def withdrawn(self, instant: int) -> int | None:
        """When it was withdrawn, of several times the latest; None where it was not by then, or registered since."""
        withdrawal = latest(self._withdrawn, instant)
        registered = latest(self._registered, instant)
        if withdrawal is None or (registered is not None and registered.time > withdrawal.time):
            return None
        return withdrawal.time

    def times(self, since: int = -NEVER) -> list[int]:
        """The `time` of each registration and grading from an instant on, in their order."""
        return [statement.time for statement in self.grades.since(since)]

    def registrations(self) -> list[Any]:
        """The data of all registrations, in the order of (time, source, id)."""
        return [registration.data for registration in self._registered]

    def grade(self, instant: int) -> Grade | None:
        """Its level and class in force at an instant; None where it is not registered."""
        data = self.registration(instant)
        return None if data is None else self.grades.at(instant) or stated(data)

    def approved(self, member: str, values: Iterable[str]) -> int:
        """The time of the latest approved grading, whenever it is, whose `member` has one of these values.

        `member` is `level` or `personal`. -NEVER where there is none.
        """
        return max((self._approved.get((member, value), -NEVER) for value in values), default=-NEVER)

    def assessed(self, kind: str, instant: int) -> Any | None:
        """The latest assessment of a kind that was passed, made no later than the instant and valid then."""
        assessments = [
            assessment.data
            for assessment in sorted(self._assessed.of_each, key=order)
            if assessment.time <= instant
            and assessment.data.kind == kind
            and assessment.data.result == "pass"
            and (assessment.data.valid_to is None or instant < assessment.data.valid_to)
        ]
        return assessments[-1] if assessments else None

    def newest_assessment(self, kind: str, instant: int) -> Any | None:
        """The latest assessment of a kind that was made no later than the instant, whatever came of it."""
        assessments = [
            assessment
            for assessment in self._assessed.of_each
            if assessment.data.kind == kind and assessment.time <= instant
        ]
        return max(assessments, key=order).data if assessments else None

    def owners(self) -> set[str]:
        """All owners that were ever stated."""
        return {owner for owner in self._owners if owner is not None}

    def subject(self, instant: int, industry_of_owner: str | None) -> Subject:
        """Contract §2, "Unknown are": everything about an asset that is not registered."""
        data = self.registration(instant)
        if data is None:
            return Subject(id=self.id, registered=False)
        return self.described(data, self.grades.at(instant) or stated(data), industry_of_owner)

    def described(self, data: Any, grade: Grade, industry_of_owner: str | None) -> Subject:
        """The asset as a registration and a grade describe it."""
        return Subject(
            id=self.id,
            registered=True,
            owner=data.owner,
            category=data.category,
            industry=data.industry or industry_of_owner,
            level=grade.level,
            personal=grade.personal,
            fields=data.fields,
            tags=data.tags or (),
            public=bool(data.public),
            persons=data.persons,
        )


def _count(kept: list[Event], report: Event) -> None:
    """Add a report to those of the best reporter; those of others do not count."""
    if kept and report.reporter > kept[0].reporter:
        return
    if kept and report.reporter < kept[0].reporter:
        kept.clear()
    insort(kept, report, key=order)
