"""A use or a delivery after the contract was terminated.

Why it matters: what a contract allowed ends with it; who goes on holds and uses data without a right (Personal
Information Protection Law 21, and the contract).

False positives: a termination that one side disputes; uses made before it and reported with the time of the report.

Uses are counted and not kept, so those that came before a termination of an earlier `time` are found by their days,
once: of the day of the termination all uses count if the last of them came no earlier than it. A report of no uses,
bytes and rows is no use.

What to do: have the access closed, and ask for the proof of deletion that is then due.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from circulation.calendar import format_instant
from circulation.daily import NEVER, UsedDay, date_of
from circulation.events.event import Event
from circulation.events.names import DELIVERY_COMPLETED, USAGE_REPORTED
from circulation.examples import BUYER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Check, Counted, Parameters, Rule, Stepped, Tally, Uses
from circulation.words import ACT, many, zh

# Days that one finding names, the newest; `uses` tells of all of them.
DAYS_SHOWN_MAX = 100


class Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Nothing has to be remembered."""


def _said(contract: str, party: str, asset: str, time: int, cause: Cause, terminated: int, kind: str) -> Said:
    return Said(
        severity=RULE.severity,
        about=About("contract", contract),
        party=party,
        occurred=time,
        cause=cause,
        summary=f"A {kind} at {format_instant(time)}; the contract was terminated at {format_instant(terminated)}.",
        summary_zh=(f"{format_instant(time)} 发生一次{zh(ACT, kind)}，而合同已于 {format_instant(terminated)} 终止。"),
        evidence={"kind": kind, "time": format_instant(time), "terminated": format_instant(terminated)},
        asset=asset,
    )


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Holds a use against the termination, where that came before it on the key. A report of nothing is none."""
    use, terminated = counted.event, licence.terminated
    if terminated is None or use.time < terminated or not counted.adds:
        return Stepped(memory)
    cause = Cause(use.source, use.id)
    return Stepped(memory, {}, [_said(use.subject, licence.buyer, licence.asset, use.time, cause, terminated, "use")])


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, _: Parameters) -> Stepped | None:
    """A run of uses is quiet when all of it was before the termination."""
    if licence.terminated is None or uses.last < licence.terminated:
        return Stepped(memory)
    return None


def ended(termination: Event, licence: Licence, used: Sequence[UsedDay]) -> Iterable[Said]:
    """Holds the uses that came before a termination against it, by day: of several reporters the most that one has."""
    by_day: dict[int, int] = {}
    last = -NEVER
    for day, _, counts in used:
        if counts.uses > 0 and counts.last_use >= termination.time:
            by_day[day] = max(counts.uses, by_day.get(day, 0))
            last = max(last, counts.last_use)
    if not by_day:
        return
    uses = sum(by_day.values())
    newest = dict(sorted(by_day.items())[-DAYS_SHOWN_MAX:])
    yield Said(
        severity=RULE.severity,
        about=About("contract", termination.subject),
        party=licence.buyer,
        occurred=termination.time,
        cause=Cause(termination.source, termination.id),
        summary=(
            f"{many(uses, 'use')}, the last at {format_instant(last)}; that the contract was"
            f" terminated at {format_instant(termination.time)} was reported later."
        ),
        summary_zh=(
            f"共使用 {uses:,} 次，最后一次在 {format_instant(last)}；合同已于 {format_instant(termination.time)} 终止"
            "一事此后才报送。"
        ),
        evidence={
            "kind": "uses",
            "terminated": format_instant(termination.time),
            "uses": uses,
            "days": {date_of(day): count for day, count in newest.items()},
            "last": format_instant(last),
        },
        asset=licence.asset,
    )


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds a delivery against the termination, in whatever order they came."""
    contract = facts.contract(act.subject)
    statement, terminated = contract.statement(act.time), contract.terminated
    if statement is None or terminated is None or act.time < terminated:
        return []
    return [_said(act.subject, statement.buyer, statement.asset, act.time, act.cause, terminated, "delivery")]


RULE = Rule(
    id="use-after-end",
    title="Use or delivery after the end of a contract",
    title_zh="合同终止后仍使用或交付",
    about="contract",
    severity="orange",
    articles=("个人信息保护法 21",),
    tally=Tally(events=frozenset({USAGE_REPORTED}), memory=Memory, step=step, quiet=quiet, ended=ended),
    check=Check(acts=frozenset({DELIVERY_COMPLETED}), check=check, needs=frozenset({"contract"})),
)


def _after(kind: str, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "evidence": {"kind": kind, "terminated": "2025-03-01T00:00:00+08:00"},
        **more,
    }


def _late(days: Json, **more: object) -> Json:
    evidence = {"kind": "uses", "terminated": "2025-03-01T00:00:00+08:00", "days": days, **more}
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": "2025-03-01T00:00:00+08:00",
        "cause": {"source": "//exchange.example", "id": _ENDED["id"]},
        "evidence": evidence,
    }


_SIGNED = signed("c", "2025-01-01")
_ENDED = event("contract.terminated", "c", "2025-03-01", reason="breach")
_RULES = pack()

CASES = (
    *(
        Case(name=f"a use {name} the termination", rules=_RULES, events=[_SIGNED, _ENDED, used("c", time)], fires=fires)
        for name, time, fires in (
            ("just before", "2025-02-28T23:59:59.999999", []),
            ("at", "2025-03-01", [_after("use")]),
            ("just after", "2025-03-01T00:00:00.000001", [_after("use")]),
        )
    ),
    *(
        Case(
            name=f"a delivery {name} the termination",
            rules=_RULES,
            events=[_SIGNED, _ENDED, delivered("c", time)],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-02-28T23:59:59.999999", []),
            ("at", "2025-03-01", [_after("delivery")]),
            ("just after", "2025-03-01T00:00:00.000001", [_after("delivery")]),
        )
    ),
    Case(
        name="each use is a finding of its own",
        rules=_RULES,
        events=[_SIGNED, _ENDED, used("c", "2025-03-02", id="u1"), used("c", "2025-03-02", id="u2")],
        fires=[_after("use", cause={"id": "u1"}), _after("use", cause={"id": "u2"})],
    ),
    Case(
        name="a delivery is judged by a termination that comes late, as are the uses before it",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-03-02"), delivered("c", "2025-03-02"), _ENDED],
        fires=[_after("delivery"), _late({"2025-03-02": 1})],
    ),
    *(
        Case(
            name=f"a termination that comes after a use {name} it",
            rules=_RULES,
            events=[_SIGNED, used("c", time, 3), _ENDED],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-02-28T23:59:59.999999", []),
            ("at", "2025-03-01", [_late({"2025-03-01": 3}, last="2025-03-01T00:00:00+08:00")]),
            ("just after", "2025-03-01T00:00:00.000001", [_late({"2025-03-01": 3})]),
        )
    ),
    Case(
        name="uses before and after a termination that comes late: once, and each that comes after it",
        rules=_RULES,
        events=[
            _SIGNED,
            used("c", "2025-02-20", 9),
            used("c", "2025-03-02", 2),
            used("c", "2025-03-02T12:00", 3),
            used("c", "2025-03-07", 4),
            _ENDED,
            used("c", "2025-03-08", id="after"),
        ],
        fires=[
            _late({"2025-03-02": 5, "2025-03-07": 4}, last="2025-03-07T00:00:00+08:00", uses=9),
            _after("use", cause={"id": "after"}),
        ],
    ),
    *(
        Case(
            name=f"a termination of noon, and uses of its day of which the last was {name} it",
            rules=_RULES,
            events=[
                _SIGNED,
                used("c", "2025-03-01T10:00", 2),
                used("c", time, 3),
                event("contract.terminated", "c", "2025-03-01T12:00", reason="breach"),
            ],
            fires=[{"evidence": {"days": {"2025-03-01": 5}, "uses": 5}}] if stands else [],
        )
        for name, time, stands in (
            ("just before", "2025-03-01T11:59:59.999999", False),
            ("at", "2025-03-01T12:00", True),
        )
    ),
    Case(
        name="what two report of one day is used once",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-03-02", 5), used("c", "2025-03-02", 4, reporter="consumer"), _ENDED],
        fires=[_late({"2025-03-02": 5}, uses=5)],
    ),
    *(
        Case(
            name=f"before a termination that comes late {label}",
            rules=_RULES,
            events=[_SIGNED, *uses, _ENDED],
        )
        for label, uses in (
            ("uses of 0", [used("c", "2025-03-02", 0)]),
            (
                "uses that were cancelled",
                [used("c", "2025-03-02", 2, id="u"), event("usage.cancelled", "c", "2025-03-03", usage="u", uses=2)],
            ),
        )
    ),
    Case(
        name="a termination that comes late and is taken back",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-03-02"), _ENDED, retracted(_ENDED, "2025-03-03")],
    ),
    Case(
        name="a termination of a later time changes nothing",
        rules=_RULES,
        events=[
            _SIGNED,
            _ENDED,
            used("c", "2025-03-05", id="u"),
            event("contract.terminated", "c", "2025-03-04", reason="again"),
        ],
        fires=[_after("use", cause={"id": "u"})],
    ),
    Case(
        name="a termination that was taken back",
        rules=_RULES,
        events=[
            _SIGNED,
            _ENDED,
            delivered("c", "2025-03-02"),
            retracted(_ENDED, "2025-03-03"),
            used("c", "2025-03-04"),
        ],
    ),
    Case(
        name="a termination that comes before the terms",
        rules=_RULES,
        events=[_ENDED, _SIGNED, used("c", "2025-03-02")],
        fires=[_after("use")],
    ),
    Case(name="the end of the validity is no termination", rules=_RULES, events=[_SIGNED, used("c", "2027-01-01")]),
    Case(
        name="the termination that the exchange reports counts",
        rules=_RULES,
        events=[
            _SIGNED,
            event("contract.terminated", "c", "2025-02-01", reason="x", reporter="consumer"),
            _ENDED,
            used("c", "2025-02-15"),
            delivered("c", "2025-02-15"),
        ],
    ),
)
