"""Tallies over the uses of a contract: a run at once where it says nothing, else step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

from circulation.daily import day_number
from circulation.events.event import Event
from circulation.findings import About, Cause, finding_id
from circulation.licences import Licence
from circulation.rules import Counted, Uses
from streams.findings.book import RETRACTED
from streams.findings.engine_findings import error_said
from streams.findings.entry import Entry
from streams.intake import days, parts
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.intake.shapes import Plan
from streams.store import queue

_NO_PARTS: Mapping[str, Any] = {}


def quietly(plan: Sequence[Plan], desk: Desk, uses: Uses, licence: Licence) -> bool:
    """Count a run that says nothing. Answer False, with nothing of it counted, where it may say something."""
    stepped = []
    memories, given_parts = desk.memories, _NO_PARTS
    windowed = licence.terms.windows
    for at, rule, tally, parameters, blank in plan:
        if windowed and tally.names is not None:
            names = tally.names(uses.first, licence)
            if any(f"{rule.id}/{name}" not in desk.parts for name in names):
                return False
            given_parts = {name: desk.parts[f"{rule.id}/{name}"] for name in names}
        memory = memories[at] or blank
        try:
            answer = tally.quiet(memory, given_parts, uses, licence, parameters)
        except Exception:
            return False  # stepping through the run finds the event that it fails on
        if answer is None:
            return False
        if answer.memory is not memory or answer.parts:
            stepped.append((at, rule, answer))
    for at, rule, answer in stepped:
        memories[at] = answer.memory
        if answer.parts:
            for name, part in answer.parts.items():
                desk.parts[f"{rule.id}/{name}"] = part
                desk.parts_dirty.add(f"{rule.id}/{name}")
    return True


def end(batch: Batch, desk: Desk, arrival: Arrival) -> None:
    """Have tallies say what they say of uses that came before a termination which is earlier than these."""
    event = arrival.event
    licence = desk.licences.at(event.time)
    if licence is None:
        return  # uses that wait are counted under terms that know of it
    used = days.since(batch, desk, event.subject, day_number(event.time))
    for rule, ended in batch.shapes.of_ends:
        for statement in ended(event, licence, used):
            batch.say(arrival, rule, statement, queue.tally(event.subject))


def resume(batch: Batch, arrival: Arrival, termination: Event) -> None:
    """Clear what tallies said of a termination that is taken back."""
    about, cause = About("contract", termination.subject), Cause(termination.source, termination.id)
    for rule, _ in batch.shapes.of_ends:
        finding = finding_id(rule, about, cause, ())
        batch.close(arrival, finding, RETRACTED)


def step(batch: Batch, desk: Desk, arrival: Arrival, counted: Counted, licence: Licence) -> None:
    """Step every tally over one counted event. A tally that raises is itself a finding."""
    event = counted.event
    pack = batch.packs.in_force((counted.by or event).time)
    desk.dirty = True
    for at, rule, tally, parameters, blank in batch.shapes.plan(pack):
        if event.type not in tally.events:
            continue
        names = [] if tally.names is None else [f"{rule.id}/{name}" for name in tally.names(event.time, licence)]
        if missing := [(event.subject, desk, name) for name in names if name not in desk.parts]:
            parts.fetch(batch, missing)
        given_parts = {name.split("/", 1)[1]: desk.parts[name] for name in names}
        memory = desk.memories[at] or blank
        is_told = pack.setting(rule.id).mode != "off"
        counted = counted._replace(told=is_told) if is_told != counted.told else counted
        try:
            answer = tally.step(memory, given_parts, counted, licence, parameters)
        except Exception as error:
            batch.errors.append(rule.id)
            batch.say(
                arrival, "detector-error", error_said(rule.id, error, event, licence.seller), queue.tally(event.subject)
            )
            continue
        desk.memories[at] = answer.memory if answer.memory != blank else None
        for name, part in answer.parts.items():
            desk.parts[f"{rule.id}/{name}"] = part
            desk.parts_dirty.add(f"{rule.id}/{name}")
        for about, cause, apart in answer.cleared:
            batch.close(arrival, finding_id(rule.id, about, cause, apart), RETRACTED)
        for statement in answer.said if is_told else ():
            thing = queue.tally(event.subject)
            batch.entries.append((arrival.order, Entry(thing, rule, pack, statement, arrival.clock)))
