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
# What ranks nowhere (`ungraded`) states nothing.
UNSTATED: Final = -1


class Grade(NamedTuple):
    """A level and a class of personal information, as registrations and gradings state them."""

    level: str
    personal: str

    @property
    def ranks(self) -> tuple[int, int]:
        """How high each of them is; `UNSTATED` where nothing is stated."""
        return LEVELS.get(self.level, UNSTATED), CLASSES.get(self.personal, UNSTATED)

    def up(self, other: "Grade") -> "Grade":
        """The higher of each."""
        mine, others = self.ranks, other.ranks
        return Grade(
            other.level if others[0] > mine[0] else self.level,
            other.personal if others[1] > mine[1] else self.personal,
        )

    def is_less(self, other: "Grade") -> bool:
        """Whether it states less than the other in either."""
        return any(UNSTATED < mine < theirs for mine, theirs in zip(self.ranks, other.ranks, strict=True))

    def is_no_more(self, other: "Grade") -> bool:
        """Whether it ranks no higher than the other, in all that the other states."""
        return all(mine <= theirs or theirs == UNSTATED for mine, theirs in zip(self.ranks, other.ranks, strict=True))


def stated(statement: Any) -> Grade:
    """What the `data` of a registration or a grading state."""
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

    def add(self, one: Event) -> None:
        """Adds a statement that came."""
        begin = bisect_left(self.statements, order(one), key=order)
        self.statements.insert(begin, one)
        self._after.insert(begin, stated(one.data))
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
        return any(is_approved(one) and stated(one.data).is_no_more(grade) for one in reversed(self.since(since)))
