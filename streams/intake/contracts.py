"""The events of one contract: runs of plain uses at once, all others by their kind."""

from collections.abc import Sequence
from typing import Final

import msgspec

from circulation import sequences as numbers
from circulation.events.contracts import UsageCancelled
from circulation.events.event import Event
from circulation.events.names import (
    CONTRACT_AMENDED,
    CONTRACT_TERMINATED,
    DELIVERY_COMPLETED,
    EVENT_RETRACTED,
    SETTLEMENT_PAID,
    USAGE_CANCELLED,
    USAGE_REPORTED,
)
from circulation.findings import Cause
from circulation.licences import TERMS_TYPES
from circulation.rules import Counted
from streams.facts.reports import thing_of
from streams.intake import abroad, acts, days, deliveries, quality, retractions, sequences, tallies, uses, waiting
from streams.intake.batch import Arrival, Batch
from streams.intake.cancellable import Pending
from streams.intake.desk import Desk
from streams.intake.waiting import WAITING_MAX

_EMPTY: Final = numbers.Sequence()


def take(batch: Batch, desk: Desk, group: Sequence[Arrival], pending: Pending) -> None:
    """Take in the events of one contract, in their order.

    Uses of one source whose numbers follow each other are a run, as soon as the contract has terms.
    """
    run: list[Arrival] = []
    source, expected, epoch = "", 0, 0
    before = _EMPTY
    for arrival in group:
        event = arrival.event
        if event.type == USAGE_REPORTED:
            if run and event.sequence == expected and event.source == source and event.epoch == epoch:
                run.append(arrival)
                expected += 1
                continue
            if run:
                _take_run(batch, desk, run, before, pending)
                run = []
            if event.sequence is not None and desk.licences.current:
                before = desk.sequences.get(event.source) or _EMPTY
                if event.sequence == before.highest + 1 and event.epoch == before.epoch:
                    source, expected, epoch = event.source, event.sequence + 1, event.epoch
                    run.append(arrival)
                    continue
        elif run:
            _take_run(batch, desk, run, before, pending)
            run = []
        _take_one(batch, desk, arrival, pending)
    if run:
        _take_run(batch, desk, run, before, pending)


def _take_run(batch: Batch, desk: Desk, run: Sequence[Arrival], before: numbers.Sequence, pending: Pending) -> None:
    """Take in a run of uses: nothing in it is a duplicate, and no number is missing.

    1. Move the sequence of its source on to the last number.
    2. Sum it up, and remember each use: it may be cancelled.
    3. Add it to the days.
    4. Count it at once where all of it is under one licence and one pack, and says nothing; else use by use.
    """
    last = run[-1].event
    desk.dirty = True
    summed, licence, states_bytes, states_rows, reports_none, late = uses.sum_up(
        run, desk.licences, pending, batch.voices.late
    )
    desk.sequences[last.source] = numbers.Sequence(
        last.sequence or 0, before.gaps, before.older, max(before.latest, summed.last), before.epoch, before.before
    )
    quality.add_run(batch, run, summed, late)
    sides = days.add_run(
        batch, desk, run, summed, states_bytes=states_bytes, states_rows=states_rows, reports_none=reports_none
    )
    if sides:
        uses.note_sides(run, sides, pending)
    home = batch.packs.home
    for kind in summed.kinds:
        if kind[1] is not None and kind[1] != home:
            for arrival in run:
                abroad.add(batch, desk, arrival)
            break
    if licence is not None:
        plan = batch.use_plan(summed.first, summed.last)
        if plan is not None and tallies.quietly(plan, desk, summed, licence):
            return
    for arrival, counted, licence in uses.one_by_one(run, desk.licences, pending):
        tallies.step(batch, desk, arrival, counted, licence)


def _take_one(batch: Batch, desk: Desk, arrival: Arrival, pending: Pending) -> None:
    """Take in an event that is not part of a run.

    1. Leave it where it came before.
    2. Refuse a cancellation of an unknown use, a use for whose terms too many wait, and a number that is used again.
    3. Move the sequence of its source on.
    4. Count a use under its terms; without terms it waits.
    5. Keep any other event, and fold it, or take back what it names.
    """
    event = arrival.event
    effect = sequences.fresh(batch, desk, arrival)
    if effect is numbers.Repeated.DUPLICATE:
        batch.duplicate(arrival)
        return
    if event.type == USAGE_CANCELLED:
        _cancel(batch, desk, arrival, effect, pending)
        return
    is_use = event.type == USAGE_REPORTED
    waits = is_use and not desk.licences
    if waits and desk.waiting_uses >= WAITING_MAX:
        batch.refuse(arrival, f"$.subject: {WAITING_MAX} uses wait for the terms of this contract")
        return
    if isinstance(effect, numbers.Repeated):
        sequences.refuse_reused(batch, desk, arrival, effect)
        return
    sequences.advance(batch, desk, arrival, effect)
    if is_use:
        side = days.add(batch, desk, arrival)
        abroad.add(batch, desk, arrival)
        quality.link(batch, event, linked=not waits)
        if event.reporter:
            quality.report(batch, event)
        if waits:
            desk.waiting_uses += 1
            waiting.wait(batch, desk, event, -side)
        else:
            tallies.step(batch, desk, arrival, *uses.count(desk, event, pending, side))
        return
    number, thing, void = acts.keep(batch, desk, arrival)
    if event.type == EVENT_RETRACTED:
        retractions.take_back(batch, desk, arrival, number)
    elif not void:
        _fold(batch, desk, arrival, number, thing, pending)


def _cancel(
    batch: Batch, desk: Desk, arrival: Arrival, effect: numbers.Taken | numbers.Repeated | None, pending: Pending
) -> None:
    """Give back what a use counted; refuse the cancellation where no such use is remembered, or its number is used
    again."""
    event = arrival.event
    reused = isinstance(effect, numbers.Repeated)
    # A cancellation that is refused takes nothing off the use.
    request = msgspec.structs.replace(event, data=UsageCancelled(usage=event.data.usage, uses=0)) if reused else event
    cancelled = uses.cancel(batch, desk, request, pending)
    if cancelled is None:
        batch.refuse(
            arrival, f"$.data.usage: no use {event.data.usage!r} of this source is remembered on this contract"
        )
        return
    if isinstance(effect, numbers.Repeated):
        sequences.refuse_reused(batch, desk, arrival, effect)
        return
    sequences.advance(batch, desk, arrival, effect)
    detail, licence = cancelled
    uses_, bytes_, rows = detail.given_back, detail.bytes, detail.rows
    if uses_ or bytes_ or rows or licence is None:
        days.give_back(batch, desk, arrival, detail)
    if uses_:
        abroad.give_back(batch, desk, arrival, detail)
    if (uses_ or detail.emptied) and licence is not None:
        counted_use = msgspec.structs.replace(event, time=detail.time, reporter=detail.reporter)
        gone = Cause(event.source, event.data.usage) if detail.emptied else None
        tallies.step(batch, desk, arrival, Counted(counted_use, -uses_, -bytes_, -rows, by=event, gone=gone), licence)


def _fold(batch: Batch, desk: Desk, arrival: Arrival, number: int, thing: str, pending: Pending) -> None:
    """Fold a kept event into what the desk knows, and count what it lets count."""
    event = arrival.event
    if event.type in TERMS_TYPES:
        first, daily = not desk.licences, desk.daily
        licence = desk.licences.add(event)
        if event.type == CONTRACT_AMENDED:
            abroad.judge_again(batch, arrival)
        desk.count_towards(batch.sellers)
        if desk.daily and not daily:
            days.watch(batch, desk, arrival)
        if desk.licences.at(event.time) is licence:
            tallies.step(batch, desk, arrival, Counted(event), licence)
        if first and desk.licences and desk.waiting:
            for waited, its_number in waiting.release(batch, desk, event.subject):
                quality.link_waiting(batch, waited)
                if waited.type == SETTLEMENT_PAID:
                    continue
                if waited.type == DELIVERY_COMPLETED:
                    _count_delivery(batch, desk, arrival, its_number, waited, thing_of(waited))
                else:
                    tallies.step(batch, desk, arrival, *uses.count(desk, waited, pending, -its_number))
    elif event.type == CONTRACT_TERMINATED:
        before = desk.licences.terminated
        desk.licences.terminate(event)
        if desk.licences.terminated == event.time and (before is None or event.time < before):
            tallies.end(batch, desk, arrival)
    elif event.type == SETTLEMENT_PAID:
        desk.paid = True
        quality.link(batch, event, linked=bool(desk.licences))
        if not desk.licences:
            waiting.wait(batch, desk, event, number)
    elif event.type == DELIVERY_COMPLETED:
        days.report(batch, desk, arrival, event.reporter)
        quality.link(batch, event, linked=bool(desk.licences))
        if desk.licences:
            _count_delivery(batch, desk, arrival, number, event, thing)
        else:
            waiting.wait(batch, desk, event, number)


def _count_delivery(batch: Batch, desk: Desk, arrival: Arrival, number: int, event: Event, thing: str) -> None:
    counting = deliveries.count(batch, desk, number, event, thing)
    if counting is not None:
        tallies.step(batch, desk, arrival, *counting)
