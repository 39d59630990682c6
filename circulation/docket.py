"""The docket: the life of the cases about one thing, a fold over what is found and what officials order (contract §4).

A docket is one detector and one thing. Its steps are taken in one order, the one in which they were written down, so
the life of a case is a function of that order alone, and not of how many steps are taken at a time. Of the cases of a
docket at most one is open. It is opened by, and grows by, findings that are *new*: that did not stand, or are graver
than they were. Orders never change findings, and findings never close a case: one whose findings were
all cleared stays open until an official closes it, for an order may rest on it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import CASE_PREFIX, ORDERS
from circulation.findings import SEVERITIES, digest

State = Literal["opened", "acknowledged", "ordered", "rectified", "closed"]
STATES: Final[tuple[State, ...]] = ("opened", "acknowledged", "ordered", "rectified", "closed")
Verb = Literal["acknowledged", "ordered", "rectified", "closed", "reopened"]
VERBS: Final[tuple[Verb, ...]] = ("acknowledged", "ordered", "rectified", "closed", "reopened")
# Why a case is escalated: its highest severity rose; something new was found after it was reported rectified; the
# instant by which an order was to be met has passed.
Reason = Literal["severity", "recurrence", "overdue"]

_CASE: Final = re.compile(r"([0-9a-f]{32})-[1-9][0-9]{0,17}")


def docket_id(detector: str, about_kind: str, about: str) -> str:
    """Digest of a detector and a thing: what the ids of their cases begin with."""
    return digest(detector, about_kind, about)


def docket_of(case: str) -> str | None:
    """The docket of a case's id; None where no case can ever have this id."""
    match = _CASE.fullmatch(case)
    return None if match is None else match[1]


class Raised(msgspec.Struct, frozen=True, array_like=True, tag="raised"):
    """A finding that cases are made of was raised or revised, at this clock (µs)."""

    finding: str
    detector: str
    about_kind: str
    about: str
    party: str | None
    severity: str
    at: int


class Cleared(msgspec.Struct, frozen=True, array_like=True, tag="cleared"):
    """A finding stands no longer, or is no longer of those that cases are made of."""

    finding: str


class Order(msgspec.Struct, frozen=True, array_like=True, tag="order"):
    """An official's step in a case; `time` and `due` are instants (µs)."""

    case: str
    verb: Verb
    source: str
    id: str
    time: int
    by: str
    note: str | None = None
    due: int | None = None
    evidence: str | tuple[str, ...] | None = None


Step = Raised | Cleared | Order


def counts(finding: Mapping[str, Any]) -> bool:
    """Whether cases are made of such a finding, by its `data`: mode `warn` or `enforce`, from yellow on."""
    return finding["mode"] in ("warn", "enforce") and finding["severity"] != "blue"


def step_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, at: int) -> Raised | Cleared | None:
    """The step that the change of a finding makes in its docket; None where it makes none.

    `before` and `after` are its `data`; None where it did not stand, or stands no longer.
    """
    counted = before is not None and counts(before)
    if after is not None and counts(after):
        if counted and before is not None and before["severity"] == after["severity"]:
            return None
        about = after["about"]
        return Raised(
            after["finding"], after["detector"], about["kind"], about["id"], after.get("party"), after["severity"], at
        )
    if counted and before is not None:
        return Cleared(before["finding"])
    return None


def order_of(event: Event) -> Order | None:
    """The order that an event gives; None where it gives none, or where no case can have its key."""
    if event.topic != ORDERS or not event.type.startswith(CASE_PREFIX) or docket_of(event.subject) is None:
        return None
    data = event.data
    verb: Any = event.type.removeprefix(CASE_PREFIX)
    due = None if data.due is None else int(data.due)
    return Order(event.subject, verb, event.source, event.id, event.time, data.by, data.note, due, data.evidence)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as it is. Instants are µs.

    `severity` is the highest that any of its findings had; `findings` counts those that were added to it, `standing`
    those that stand and were added to no later case; `events` counts what was told of it. `due` is that of the newest
    order; `overdue` is true once it passed unmet.
    """

    id: str
    n: int
    detector: str
    about_kind: str
    about: str
    party: str | None
    severity: str
    state: State
    opened: int
    changed: int
    closed: int | None = None
    due: int | None = None
    overdue: bool = False
    findings: int = 0
    standing: int = 0
    events: int = 0

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.state != "closed"

    @property
    def data(self) -> dict[str, Any]:
        """The members that every event of the case has."""
        members: dict[str, Any] = {
            "case": self.id,
            "detector": self.detector,
            "about": {"kind": self.about_kind, "id": self.about},
            "state": self.state,
            "severity": self.severity,
            "opened": format_instant(self.opened),
            "findings": self.findings,
            "standing": self.standing,
        }
        if self.party is not None:
            members["party"] = self.party
        return members


class Member(NamedTuple):
    """A finding's case, its newest severity, and whether it stands."""

    case: str
    severity: str
    standing: bool


class Told(NamedTuple):
    """One event in the life of a case: `number` counts them from 1, so that the event's id follows from the life."""

    case: str
    number: int
    what: str
    time: int
    data: dict[str, Any]


def _graver(severity: str, reference: str) -> bool:
    return SEVERITIES.index(severity) > SEVERITIES.index(reference)


class Docket:
    """The cases of one detector and thing. `enter` takes a step and answers with what is to be told.

    `members` are the findings that steps will name, as far as they were added to a case before. Orders for a case that
    is not there are in `waiting`, and take effect right after it opens.
    """

    def __init__(self, id_: str, cases: Iterable[Case] = (), members: Mapping[str, Member] | None = None) -> None:
        self.id = id_
        self.cases = {case.id: case for case in cases}
        self.members = dict(members or {})
        self.waiting: dict[str, list[Order]] = {}
        self.changed_cases: set[str] = set()
        self.changed_members: set[str] = set()
        self._latest = max(self.cases.values(), key=lambda case: case.n, default=None)

    @property
    def latest(self) -> Case | None:
        """The case that was opened last."""
        return None if self._latest is None else self.cases[self._latest.id]

    def enter(self, step: Step) -> list[Told]:
        """Takes one step."""
        if isinstance(step, Raised):
            return self._raised(step)
        if isinstance(step, Cleared):
            self._cleared(step)
            return []
        case = self.cases.get(step.case)
        if case is None:
            self.waiting.setdefault(step.case, []).append(step)
            return []
        # A step after its deadline does not undo the delay.
        return [*self._late(case, step.time), self._ordered(self.cases[case.id], step)]

    def coming(self, count: int) -> list[str]:
        """The ids of so many cases that are opened next."""
        n = 0 if self.latest is None else self.latest.n
        return [f"{self.id}-{n + at}" for at in range(1, count + 1)]

    def pass_(self, instant: int) -> list[Told]:
        """Lets time pass: orders whose `due` is before the instant and that were not met escalate, once each."""
        return [notice for case in list(self.cases.values()) for notice in self._late(case, instant)]

    def due(self) -> int | None:
        """The instant past which an order that is not met is overdue."""
        return min((case.due for case in self.cases.values() if case.due is not None and _pending(case)), default=None)

    def _raised(self, step: Raised) -> list[Told]:
        known = self.members.get(step.finding)
        new = known is None or not known.standing or _graver(step.severity, known.severity)
        latest = self.latest
        if known is not None and not new:
            case = self.cases[known.case]
        elif latest is not None and latest.open:
            case = latest
        else:
            return self._open(step, 1 if latest is None else latest.n + 1)
        graver, again = _graver(step.severity, case.severity), new and case.state == "rectified"
        case = msgspec.structs.replace(
            self._added(case, step),
            severity=step.severity if graver else case.severity,
            state="opened" if again else case.state,
        )
        if not graver and not again:
            self._keep(case)
            return []
        reason: Reason = "severity" if graver else "recurrence"
        return [self._tell(case, "escalated", step.at, reason=reason, finding=step.finding)]

    def _open(self, step: Raised, n: int) -> list[Told]:
        case = Case(
            id=f"{self.id}-{n}",
            n=n,
            detector=step.detector,
            about_kind=step.about_kind,
            about=step.about,
            party=step.party,
            severity=step.severity,
            state="opened",
            opened=step.at,
            changed=step.at,
        )
        self._latest = case
        notices = [self._tell(self._added(case, step), "opened", step.at, finding=step.finding)]
        for order in self.waiting.pop(case.id, ()):
            notices += self.enter(order)
        return notices

    def _added(self, case: Case, step: Raised) -> Case:
        """The case with a finding that is of it from now on."""
        known = self.members.get(step.finding)
        if known is not None and known.standing:
            left = case if known.case == case.id else self.cases[known.case]
            left = msgspec.structs.replace(left, standing=left.standing - 1)
            if known.case == case.id:
                case = left
            else:
                self._keep(left)
        self.members[step.finding] = Member(case.id, step.severity, True)
        self.changed_members.add(step.finding)
        more = 0 if known is not None and known.case == case.id else 1
        return msgspec.structs.replace(case, findings=case.findings + more, standing=case.standing + 1)

    def _cleared(self, step: Cleared) -> None:
        known = self.members.get(step.finding)
        if known is None or not known.standing:
            return
        self.members[step.finding] = known._replace(standing=False)
        self.changed_members.add(step.finding)
        case = self.cases[known.case]
        self._keep(msgspec.structs.replace(case, standing=case.standing - 1))

    def _late(self, case: Case, instant: int) -> list[Told]:
        if not _pending(case) or case.due is None or instant <= case.due:
            return []
        late = msgspec.structs.replace(case, overdue=True)
        return [self._tell(late, "escalated", case.due, reason="overdue", due=format_instant(case.due))]

    def _ordered(self, case: Case, order: Order) -> Told:
        """Apply an official's step; it is published also where it changes nothing."""
        verb = order.verb
        if verb == "reopened":
            latest = self.latest
            if not case.open and latest is not None and latest.id == case.id:
                case = msgspec.structs.replace(case, state="opened", closed=None)
        elif case.open and (verb != "acknowledged" or case.state == "opened"):
            closed = order.time if verb == "closed" else None
            case = msgspec.structs.replace(case, state=verb, closed=closed)
            if verb == "ordered":
                case = msgspec.structs.replace(case, due=order.due, overdue=False)
        members: dict[str, Any] = {"by": order.by, "order": {"source": order.source, "id": order.id}}
        if order.note is not None:
            members["note"] = order.note
        if order.due is not None:
            members["due"] = format_instant(order.due)
        if order.evidence is not None:
            members["evidence"] = order.evidence
        return self._tell(case, verb, order.time, **members)

    def _tell(self, case: Case, verb: str, time: int, **more: Any) -> Told:
        case = msgspec.structs.replace(case, events=case.events + 1, changed=time)
        self._keep(case)
        return Told(case.id, case.events, verb, time, case.data | more)

    def _keep(self, case: Case) -> None:
        self.cases[case.id] = case
        self.changed_cases.add(case.id)


def _pending(case: Case) -> bool:
    return case.state == "ordered" and case.due is not None and not case.overdue
