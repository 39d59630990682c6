"""A use or delivery outside the time, place, recipient, mode or environment that the contract allows.

Why it matters: territory, term and environment are what makes a licence bounded; data that is used elsewhere is out
of the reach of whoever licensed it (ODRL 2.2 `dateTime`, `spatial`, `recipient`, `deliveryChannel`).

False positives: a clock of the reporter that is off; a region code of the seat instead of the place of use. What is
not stated where the terms restrict it is said once, in yellow: ask the reporter to state it.

What to do: ask the buyer; have the contract amended or the use stopped; correct what was reported wrongly.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from circulation.calendar import format_instant
from circulation.facts import Act, Facts
from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Check, Counted, Parameters, Rule, Stepped, Sum, Tally, Uses
from circulation.terms import Terms, allows, allows_region, inside

USE, DELIVERY = "circulation.usage.reported", "circulation.delivery.completed"


class Memory(msgspec.Struct, array_like=True, frozen=True):
    """The terms whose absence from a use was said already."""

    lacking: tuple[str, ...] = ()


Broken = tuple[str, Any, Any]


def _time(instant: int, terms: Terms) -> Iterable[Broken]:
    if not inside(terms, instant):
        until = None if terms.valid_to is None else format_instant(terms.valid_to)
        yield ("time", format_instant(instant), {"valid_from": format_instant(terms.valid_from), "valid_to": until})


def _place(data: Any, terms: Terms) -> Iterable[Broken]:
    if data.country is not None and not allows(terms.countries, data.country):
        yield ("country", data.country, list(terms.countries or ()))
    if data.region is not None and not allows_region(terms.regions, data.region):
        yield ("region", data.region, list(terms.regions or ()))


def broken_by_use(instant: int, data: Any, terms: Terms) -> Iterable[Broken]:
    """(term, given, allowed) for each term that a use breaks."""
    yield from _time(instant, terms)
    yield from _place(data, terms)
    if data.actor is not None and not allows(terms.recipients, data.actor):
        yield ("recipient", data.actor, list(terms.recipients or ()))
    if data.environment is not None and not allows(terms.environments, data.environment):
        yield ("environment", data.environment, list(terms.environments or ()))


def broken_by_delivery(instant: int, data: Any, terms: Terms) -> Iterable[Broken]:
    """(term, given, allowed) for each term that a delivery breaks."""
    yield from _time(instant, terms)
    yield from _place(data, terms)
    if not allows(terms.recipients, data.recipient):
        yield ("recipient", data.recipient, list(terms.recipients or ()))
    if not allows(terms.delivery, data.mode):
        yield ("mode", data.mode, list(terms.delivery or ()))


def lacking(data: Any, terms: Terms, *, use: bool) -> Iterable[Broken]:
    """(term, None, allowed) for each restricted term that the event does not state."""
    if data.country is None and terms.countries is not None:
        yield ("country", None, list(terms.countries))
    if data.region is None and terms.regions is not None:
        yield ("region", None, list(terms.regions))
    if use and data.environment is None and terms.environments is not None:
        yield ("environment", None, list(terms.environments))


def _said(broken: Broken, *, contract: str, buyer: str, asset: str, cause: Cause, occurred: int, kind: str) -> Said:
    term, given, allowed = broken
    if given is None:
        summary = f"A {kind} does not state its {term}, which the terms restrict to {_listed(allowed)}."
    else:
        summary = f"A {kind} with {term} {given}; the terms allow {_listed(allowed)}."
    return Said(
        severity="yellow" if given is None else "orange",
        about=About("contract", contract),
        party=buyer,
        occurred=occurred,
        cause=cause,
        apart=(term, kind, "lacking" if given is None else "broken"),
        summary=summary,
        evidence={"term": term, "given": given, "allowed": allowed},
        asset=asset,
    )


def _listed(allowed: Any) -> str:
    if isinstance(allowed, dict):
        return f"from {allowed['valid_from']} to before {allowed['valid_to'] or 'no end'}"
    return ", ".join(allowed) or "nothing"


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Says what one use breaks, and once what it does not state."""
    event = counted.event
    if event.type != USE or counted.uses < 0:
        return Stepped(memory, {}, [])
    new = [one for one in lacking(event.data, licence.terms, use=True) if one[0] not in memory.lacking]
    said = [
        _said(
            one,
            contract=event.subject,
            buyer=licence.buyer,
            asset=licence.asset,
            cause=Cause(event.source, event.id),
            occurred=event.time,
            kind="use",
        )
        for one in (*broken_by_use(event.time, event.data, licence.terms), *new)
    ]
    if new:
        memory = Memory(memory.lacking + tuple(one[0] for one in new))
    return Stepped(memory, {}, said)


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, _: Parameters) -> Stepped | None:
    """A run of uses is quiet when its first and last instant and each place in it are inside the terms."""
    terms = licence.terms
    if not (inside(terms, uses.first) and inside(terms, uses.last)):
        return None
    for country, region, environment, actor in uses.places:
        if not (
            _quiet("country", country, terms.countries, memory)
            and _quiet("environment", environment, terms.environments, memory)
            and (actor is None or allows(terms.recipients, actor))
            and (
                terms.regions is None
                or (region is None and "region" in memory.lacking)
                or (region is not None and allows_region(terms.regions, region))
            )
        ):
            return None
    return Stepped(memory, {}, [])


def _quiet(term: str, given: str | None, allowed: Sequence[str] | None, memory: Memory) -> bool:
    return allowed is None or (given in allowed if given is not None else term in memory.lacking)


def check(act: Act, facts: Facts) -> Iterable[Said]:
    """Says what one delivery breaks, by the terms in force at its time."""
    statement = facts.contract(act.subject).statement(act.time)
    if statement is None:
        return
    for broken in broken_by_delivery(act.time, act.data, statement.terms):
        yield _said_of(broken, act, statement)


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> Iterable[Said]:
    """Says once a contract and term the earliest delivery that does not state it."""
    said: set[str] = set()
    for act in acts:
        statement = facts.contract(act.subject).statement(act.time)
        if statement is None:
            continue
        for absent in lacking(act.data, statement.terms, use=False):
            if absent[0] not in said:
                said.add(absent[0])
                yield _said_of(absent, act, statement)


def _said_of(broken: Broken, act: Act, statement: Any) -> Said:
    return _said(
        broken,
        contract=act.subject,
        buyer=statement.buyer,
        asset=statement.asset,
        cause=act.cause,
        occurred=act.time,
        kind="delivery",
    )


RULE = Rule(
    id="outside-terms",
    title="Use or delivery outside the terms",
    about="contract",
    severity="orange",
    articles=("民法典 509", "个人信息保护法 23", "DB11/T 2349-2024"),
    check=Check(acts=frozenset({DELIVERY}), check=check, needs=frozenset({"contract"})),
    sum=Sum(
        acts=frozenset({DELIVERY}),
        scopes=lambda act: (act.subject,),
        judge=judge,
        needs=frozenset({"contract"}),
    ),
    tally=Tally(events=frozenset({USE}), memory=Memory, step=step, quiet=quiet),
)
