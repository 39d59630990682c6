"""A use or a delivery after the contract was terminated.

Why it matters: what a contract allowed ends with it; who goes on holds and uses data without a right (Personal
Information Protection Law 21, and the contract).

False positives: a termination that one side disputes; uses made before it and reported with the time of the report.

What to do: have the access closed, and ask for the proof of deletion that is then due.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from circulation.calendar import format_instant
from circulation.cases import BUYER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts import Act, Facts
from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Check, Counted, Parameters, Rule, Stepped, Tally, Uses

DELIVERED, USED = "circulation.delivery.completed", "circulation.usage.reported"


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
        evidence={"kind": kind, "terminated": format_instant(terminated)},
        asset=asset,
    )


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Holds a use against the termination, where that came before it on the key."""
    one, terminated = counted.event, licence.terminated
    if terminated is None or one.time < terminated:
        return Stepped(memory)
    cause = Cause(one.source, one.id)
    return Stepped(memory, {}, [_said(one.subject, licence.buyer, licence.asset, one.time, cause, terminated, "use")])


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, _: Parameters) -> Stepped | None:
    """A run of uses is quiet when all of it was before the termination."""
    if licence.terminated is None or uses.last < licence.terminated:
        return Stepped(memory)
    return None


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
    about="contract",
    severity="orange",
    articles=("个人信息保护法 21",),
    tally=Tally(events=frozenset({USED}), memory=Memory, step=step, quiet=quiet),
    check=Check(acts=frozenset({DELIVERED}), check=check, needs=frozenset({"contract"})),
)


def _after(kind: str, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "evidence": {"kind": kind, "terminated": "2025-03-01T00:00:00+08:00"},
        **more,
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
        name="a delivery is judged by a termination that comes late, a use by what came before it",
        rules=_RULES,
        events=[_SIGNED, used("c", "2025-03-02"), delivered("c", "2025-03-02"), _ENDED],
        fires=[_after("delivery")],
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
