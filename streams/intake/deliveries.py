"""Deliveries: each counts once a reporter, by the earliest of its reports."""

from collections.abc import Sequence

from circulation.events.event import Event
from circulation.events.names import DELIVERY_COMPLETED
from circulation.findings import Cause
from circulation.licences import Licence
from circulation.rules import Counted
from streams.facts.reports import thing_of
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.store.kept_events import COLUMNS, event_of


def load(batch: Batch, arrivals: Sequence[Arrival]) -> None:
    """Load the standing reports of the deliveries among the arrivals."""
    things = [thing_of(arrival.event) for arrival in arrivals if arrival.event.type == DELIVERY_COMPLETED]
    if things:
        batch.delivered = {thing: [] for thing in things}
        query = f"select {COLUMNS} from events where thing = any(?) and retracted is null"  # noqa: S608
        for row in batch.db.rows(query, list(batch.delivered)):
            batch.delivered[row[4]].append((row[0], event_of(row)))


def count(batch: Batch, desk: Desk, number: int, event: Event, thing: str) -> tuple[Counted, Licence] | None:
    """Return what a delivery counts and under which licence; None where an earlier report of it counts.

    Of several reports of an act, the `thing`, the earliest by (time, source, id) counts; it takes the place of the one
    that did.
    """
    other_reports = [report for _, report in _reports(batch, event, thing, number)]
    if min([*other_reports, event], key=_order) is not event:
        return None
    return _difference(desk, event, min(other_reports, key=_order, default=None))


def take_off(
    batch: Batch, desk: Desk, number: int, event: Event, thing: str, by: Event
) -> tuple[Counted, Licence] | None:
    """Return what a delivery gives back that is taken back by another event; the next report of it counts instead."""
    other_reports = [
        report for report_number, report in _reports(batch, event, thing, 2**62) if report_number != number
    ]
    counts = min([*other_reports, event], key=_order) is event
    difference = _difference(desk, min(other_reports, key=_order, default=None) if counts else event, event)
    if difference is None:
        return None
    counted, licence = difference
    return counted._replace(by=by, gone=Cause(event.source, event.id)), licence


def _reports(batch: Batch, event: Event, thing: str, before: int) -> list[tuple[int, Event]]:
    """Return the reports of one delivery by one reporter that came before a number and stand."""
    stored = batch.delivered.get(thing)
    if stored is None:
        query = f"select {COLUMNS} from events where thing = ? and retracted is null"  # noqa: S608
        stored = [(row[0], event_of(row)) for row in batch.db.rows(query, thing)]
    reports = [*stored, *batch.by_thing.get(thing, ())]
    return [(number, report) for number, report in reports if number < before and report.reporter == event.reporter]


def _difference(desk: Desk, event: Event | None, instead_of: Event | None) -> tuple[Counted, Licence] | None:
    """Return what one report counts in the place of another; either may be none."""
    counting = event or instead_of
    if counting is None:
        return None
    licence = desk.licences.at(counting.time) or desk.licences.last()
    if licence is None:
        return None
    new, old = None if event is None else event.data, None if instead_of is None else instead_of.data
    bytes_, rows, persons = (
        (getattr(new, measure, None) or 0) - (getattr(old, measure, None) or 0)
        for measure in ("bytes", "rows", "persons")
    )
    return Counted(counting, 0, bytes_, rows, persons), licence


def _order(event: Event) -> tuple[int, str, str]:
    return (event.time, event.source, event.id)
