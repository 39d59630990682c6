"""The level and class of an asset over time: up by anyone's word, down by an approved one only (contract §2)."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.events.event import Event
from circulation.events.names import ASSET_GRADED
from circulation.facts.acts import order
from circulation.facts.statements import time_of

LEVELS: Final[Mapping[str, int]] = {"general": 0, "important": 1, "core": 2}
CLASSES: Final[Mapping[str, int]] = {"none": 0, "personal": 1, "sensitive": 2, "minor": 3}
# A value without a rank (`ungraded`) states nothing.
UNSTATED: Final = -1


class Grade(NamedTuple):
    """A level and a class of personal information, as registrations and gradings state them."""

    level: str
    personal: str

    @property
    def ranks(self) -> tuple[int, int]:
        """How high each of them is; `UNSTATED` where nothing is stated."""
        return LEVELS.get(self.level, UNSTATED), CLASSES.get(self.personal, UNSTATED)

    def up(self, grade: "Grade") -> "Grade":
        """The higher of each."""
        ranks, their_ranks = self.ranks, grade.ranks
        return Grade(
            grade.level if their_ranks[0] > ranks[0] else self.level,
            grade.personal if their_ranks[1] > ranks[1] else self.personal,
        )

    def is_less(self, grade: "Grade") -> bool:
        """Whether it states less than the other in either."""
        return any(UNSTATED < rank < their_rank for rank, their_rank in zip(self.ranks, grade.ranks, strict=True))

    def is_no_more(self, grade: "Grade") -> bool:
        """Whether it ranks no higher than the other, in all that the other states."""
        return all(
            rank <= their_rank or their_rank == UNSTATED
            for rank, their_rank in zip(self.ranks, grade.ranks, strict=True)
        )


def stated(statement: Any) -> Grade:
    """The grade that the `data` of a registration or a grading state."""
    return Grade(statement.level, statement.personal)


def is_approved(statement: Event | Any) -> bool:
    """Whether it is a grading that somebody approved."""
    return statement.type == ASSET_GRADED and statement.data.approved_by is not None


class Grades:
    """Registrations and gradings of one asset in the order of (time, source, id), with the grade in force after each.

    That is the highest of each member since the last approved grading, that one included. A statement that comes late
    changes those after it, up to the next approved grading or to where it makes no difference.
    """

    __slots__ = ("_after", "statements")

    def __init__(self) -> None:
        self.statements: list[Event] = []
        self._after: list[Grade] = []

    def add(self, event: Event) -> None:
        """Adds a statement that came."""
        begin = bisect_left(self.statements, order(event), key=order)
        self.statements.insert(begin, event)
        self._after.insert(begin, stated(event.data))
        for at in range(begin, len(self.statements)):
            statement = self.statements[at]
            grade = stated(statement.data)
            if at and not is_approved(statement):
                grade = self._after[at - 1].up(grade)
            if at > begin and grade == self._after[at]:
                return
            self._after[at] = grade

    def since(self, instant: int) -> Sequence[Event]:
        """The statements from an instant on."""
        return self.statements[bisect_left(self.statements, instant, key=time_of) :]

    def at(self, instant: int) -> Grade | None:
        """The grade in force at an instant; None where nothing was stated by then."""
        at = bisect_right(self.statements, instant, key=time_of)
        return self._after[at - 1] if at else None

    def before(self, act: Any) -> Grade | None:
        """The grade in force that a statement comes next after; None where it is the first."""
        at = bisect_left(self.statements, order(act), key=order)
        return self._after[at - 1] if at else None

    def after(self, act: Any) -> Grade | None:
        """The grade in force once it was stated."""
        at = bisect_right(self.statements, order(act), key=order)
        return self._after[at - 1] if at else None

    def approves(self, grade: Grade, since: int) -> bool:
        """Whether an approved grading from an instant on, whenever it is, states no more than a grade."""
        return any(
            is_approved(statement) and stated(statement.data).is_no_more(grade)
            for statement in reversed(self.since(since))
        )
