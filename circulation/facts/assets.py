"""What is known of an asset, with its time: registrations, gradings, listings, assessments, withdrawals."""

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


def _held(registered: Event, own: Event) -> Any:
    """What a registration says, but for the owner and the rights, of which the home's word counts."""
    data, of_home = registered.data, own.data
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
        # Whose word on the owner and the rights counts, and its registrations.
        self.home = Home(voices)
        self._own: list[Event] = []
        for one in statements:
            if one.type == ASSET_REGISTERED:
                self.home.take(one.source, one.reporter)
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
        gone = ((one.by, one.event) for one in undone if one.by is not None and one.event.type == ASSET_REGISTERED)
        self.undone = sorted(gone, key=lambda one: (one[0], order(one[1])))
        for _, one in self.undone:
            self._owners.setdefault(one.data.owner, one.time)
        for taken_back, _ in undone:
            # Nobody but an official takes a level back (contract §2, "Any topic").
            if not voices.is_official(taken_back.source):
                self.grades.add(taken_back)
        for one in sorted(statements, key=order):
            self._place(one)

    def add(self, one: Event) -> None:
        """Adds a statement that came."""
        if one.type == ASSET_REGISTERED and self.home.take(one.source, one.reporter):
            self._own = [each for each in self._registered if self.home.has(each.source)]
        self._place(one)

    def _place(self, one: Event) -> None:
        if one.type == ASSET_REGISTERED:
            insort(self._registered, one, key=order)
            if self.home.has(one.source):
                insort(self._own, one, key=order)
            self.grades.add(one)
            self._owners[one.data.owner] = min(one.time, self._owners.get(one.data.owner, one.time))
            self._reporters[one.reporter] = min(one.time, self._reporters.get(one.reporter, one.time))
            if one.data.update_days:
                self._updated = min(self._updated, one.time)
        elif one.type == ASSET_GRADED:
            self.grades.add(one)
            if one.data.approved_by is not None:
                self._approved_last = max(self._approved_last, one.time)
                for key in (("level", one.data.level), ("personal", one.data.personal)):
                    self._approved[key] = max(one.time, self._approved.get(key, one.time))
        elif one.type == PRODUCT_LISTED:
            _count(self._listed.setdefault(one.data.product, []), one)
            self._sellers.add(one.data.seller)
        elif one.type == PRODUCT_DELISTED:
            _count(self._delisted.setdefault(one.data.product, []), one)
        elif one.type == ASSET_WITHDRAWN:
            _count(self._withdrawn, one)
            self._withdrawing.add(one.reporter)
        elif one.type == ASSET_ASSESSED:
            self._assessed.add(one.data.assessment, one)

    def changed_since(self, instant: int) -> int:
        """From when on what registrations and gradings say of the asset may have changed, if one from `instant` on did.

        What comes first holds before it, too (contract §2); and rules ask for all owners that there ever were, who
        reported best, and whether it is updated at all.
        """
        if not self._registered or self._registered[0].time >= instant:
            return -NEVER
        best = min(one for one, since in self._reporters.items() if since < instant)
        better = any(one < best for one in self._reporters)
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
        """What is registered that an act (or a registration itself) comes next after; None where nothing is."""
        at, of_home = (bisect_left(some, order(act), key=order) for some in (self._registered, self._own))
        return _held(self._registered[at - 1], self._own[max(0, of_home - 1)]) if at else None

    def alive(self, act: Any, *, just_before: bool) -> Any | None:
        """What is registered just before an act, or a retraction, or once it was made, with what was in force then and
        is taken back since; None where nothing is."""

        def by_then(one: Any) -> bool:
            return order(one) < order(act) or (not just_before and order(one) == order(act))

        gone = [one for by, one in self.undone if by_then(one) and not by_then(by)]
        if not gone:
            at = (bisect_left if just_before else bisect_right)(self._registered, order(act), key=order)
            if not at:
                return None
            return self.before(act) if just_before else self.after(act)
        registered = sorted((*filter(by_then, self._registered), *gone), key=order)
        own = [one for one in registered if self.home.has(one.source)] or self._own[:1] or registered[-1:]
        return _held(registered[-1], own[-1])

    def after(self, act: Any) -> Any:
        """What is registered once a registration was made."""
        at, of_home = (bisect_right(some, order(act), key=order) for some in (self._registered, self._own))
        return _held(self._registered[at - 1], self._own[max(0, of_home - 1)])

    @property
    def is_shared(self) -> bool:
        """Whether others than its home have registered it."""
        return len(self._own) < len(self._registered)

    def approved_since(self, instant: int) -> bool:
        """Whether a grading is approved that was made no earlier, whatever it states."""
        return self._approved_last >= instant

    def own_before(self, act: Any) -> Any | None:
        """What its home registered last before an act; None where nothing was."""
        at = bisect_left(self._own, order(act), key=order)
        return self._own[at - 1].data if at else None

    def registration(self, instant: int) -> Any | None:
        """What is registered at an instant, or is first; None where nothing is. Owner and rights are by its home."""
        found = in_force(self._registered, instant)
        if found is None or len(self._own) == len(self._registered):
            return None if found is None else found.data
        own = in_force(self._own, instant)
        return found.data if own is None else _held(found, own)

    def stated(self, instant: int) -> Any | None:
        """What was registered no later than the instant; None where nothing was by then.

        Where its home had not registered it by then, there is no owner, and no right.
        """
        found = latest(self._registered, instant)
        if found is None or len(self._own) == len(self._registered):
            return None if found is None else found.data
        own = latest(self._own, instant)
        return msgspec.structs.replace(found.data, owner=None, rights=()) if own is None else _held(found, own)

    def listing(self, product: str, instant: int, seller: str | None = None) -> Any | None:
        """What the latest listing of a product, of one seller where one is given, says that was made by the instant."""
        listed = self._listed.get(product, ())
        of_seller = listed if seller is None else [one for one in listed if one.data.seller == seller]
        found = latest(of_seller, instant)
        return None if found is None else found.data

    def offering(self) -> set[str]:
        """All who ever listed a product made of it."""
        return self._sellers

    def sellers(self, instant: int) -> set[str]:
        """Who listed a product made of it, by then."""
        return {one.data.seller for some in self._listed.values() for one in some if one.time <= instant}

    def offers(self, seller: str, instant: int) -> list[Event]:
        """A seller's listings that stand at an instant: of each product the latest, in the order of products.

        A delisting of its product, or a withdrawal of the asset, ends what was listed no later than it.
        """
        found = []
        for product in sorted(self._listed):
            listed = self._listed[product]
            until = bisect_right(listed, instant, key=time_of)
            # Of one product mostly one seller lists, so the first that is looked at is mostly it.
            one = next((listed[at] for at in range(until - 1, -1, -1) if listed[at].data.seller == seller), None)
            if one is None:
                continue
            ended = (latest(some, instant) for some in (self._delisted.get(product, ()), self._withdrawn))
            if all(end is None or end.time < one.time for end in ended):
                found.append(one)
        return found

    def withdrawn(self, instant: int) -> int | None:
        """When it was withdrawn, of several times the latest; None where it was not by then, or registered since."""
        found = latest(self._withdrawn, instant)
        registered = latest(self._registered, instant)
        if found is None or (registered is not None and registered.time > found.time):
            return None
        return found.time

    def times(self, since: int = -NEVER) -> list[int]:
        """The `time` of each registration and grading from an instant on, in their order."""
        return [one.time for one in self.grades.since(since)]

    def registrations(self) -> list[Any]:
        """What all registrations say, in the order of (time, source, id)."""
        return [one.data for one in self._registered]

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
        found = [
            one.data
            for one in sorted(self._assessed.of_each, key=order)
            if one.time <= instant
            and one.data.kind == kind
            and one.data.result == "pass"
            and (one.data.valid_to is None or instant < one.data.valid_to)
        ]
        return found[-1] if found else None

    def newest_assessment(self, kind: str, instant: int) -> Any | None:
        """The latest assessment of a kind that was made no later than the instant, whatever came of it."""
        made = [one for one in self._assessed.of_each if one.data.kind == kind and one.time <= instant]
        return max(made, key=order).data if made else None

    def owners(self) -> set[str]:
        """All owners that were ever stated."""
        return {one for one in self._owners if one is not None}

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


def _count(kept: list[Event], one: Event) -> None:
    """Add a report to those of the best reporter; those of others do not count."""
    if kept and one.reporter > kept[0].reporter:
        return
    if kept and one.reporter < kept[0].reporter:
        kept.clear()
    insort(kept, one, key=order)
