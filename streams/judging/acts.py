"""Judges acts: what checks say of each by itself, and the scopes of sums that it belongs to."""

from collections.abc import Mapping, Sequence
from typing import Any

from circulation.events.event import Event
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts, Loaded
from circulation.rules import Sum
from streams.facts import circulations as screening
from streams.facts.reports import Reported, each_counts
from streams.facts.running_sums import EARLIEST
from streams.findings.entry import Entry
from streams.judging import needs, sandboxes, scopes
from streams.judging.round import ActsFacts, Round
from streams.judging.scopes import Named, Scope
from streams.store import queue
from streams.store.queue import AGAIN, Kind


def judge(round_: Round, things: Sequence[str]) -> None:
    """Judge acts in bulk.

    1. Read the reports of each thing, and queue the screening of what they have begun or ended to circulate.
    2. Load what checks and sums need to know of the acts that count.
    3. Ask the checks what they say, and the sums which scopes each act belongs to.
    4. Write the scopes, and have their sums judged.
    5. Mark what was said within sandboxes, and enter it.
    """
    db, shapes = round_.db, round_.shapes
    since = _since(round_, things)
    whole = [thing for thing in things if thing not in since] if since else things
    scoped = db.ask(f"{scopes.ROWS} where thing = any(?)", list(whole)) if whole else list
    reports = round_.reports(whole)
    later = round_.reports_since(since) if since else {}
    acts = {thing: report.acts for thing, report in (reports | later).items()}
    if shapes.screens:
        _queue_screens(
            round_,
            [event for by_thing in (reports, later) for report in by_thing.values() for event in report.circulating],
        )
    flat = sorted((act for thing_acts in acts.values() for act in thing_acts), key=order)
    aside = _aside(round_, reports)
    of_types = shapes.needs_of({act.type for act in (*flat, *aside)})
    facts = needs.load(round_, [*flat, *aside], of_types)
    if round_.known.alone:
        round_.acts_facts = ActsFacts(facts, reports.keys(), of_types)
    entries, named_scopes, reached = _ask(round_, things, flat, aside, reports, facts)
    rows = scoped()
    if since:
        rows += scopes.rows_since(db, since, named_scopes)
    firsts = {thing: report.first for thing, report in (reports | later).items()}
    lasts = {thing: thing_acts[-1].time for thing, thing_acts in acts.items() if thing_acts}
    scopes.enter(round_, Named(named_scopes, reached, firsts, lasts, since), rows)
    entries = sandboxes.mark(round_, entries, things, {(act.thing, act.source, act.id): act for act in [*flat, *aside]})

    def reason(thing: str, data: Mapping[str, Any]) -> str:
        cause = data.get("cause") or {}
        void = reports[thing].void if thing in reports else ()
        return "retracted" if (cause.get("source"), cause.get("id")) in void else "refuted"

    round_.enter(entries, things, reason=reason, facts=facts, since=since, beside=_whole_sums(round_))


def _whole_sums(round_: Round) -> list[str]:
    """The sums of this round that are gone over as a whole: of the others only what stands from an instant on is
    asked."""
    whole = []
    for thing in round_.of(Kind.SUM):
        shape = round_.shapes.sum_of(queue.sum_of(thing)[0])
        if shape is not None and not shape.since_report and queue.sum_of(thing) not in round_.known.sums:
            whole.append(thing)
    return whole


def _since(round_: Round, things: Sequence[str]) -> dict[str, int]:
    """The instants from which on things are judged that are stated again and again: only what came or changed since."""
    begins = round_.begins
    begun = [thing for thing in things if begins.get(thing, EARLIEST) > EARLIEST]
    apart = each_counts(round_.db, round_.known, begun)
    return {thing: begins[thing] for thing in things if thing in apart}


def _queue_screens(round_: Round, circulating: Sequence[Event]) -> None:
    """Queue the screening of assets whose circulation these began or ended, void reports among them."""
    if not circulating:
        return
    screens = round_.packs.screens
    if screens.between(min(event.time for event in circulating), round_.horizon):
        again = screening.touched(round_.db, circulating, screens, round_.horizon)
        round_.queue([queue.screen(asset) for asset in again], AGAIN)


def _aside(round_: Round, reports: Mapping[str, Reported]) -> list[Act]:
    """The reports that do not count as acts, and that a check is asked of all the same."""
    acts: list[Act] = []
    for report in reports.values():
        if report.reports and report.reports[0].type in round_.shapes.types_of_every_report:
            counting = {(act.source, act.id) for act in report.acts}
            acts += [act for act in report.reports if (act.source, act.id) not in counting]
    return sorted(acts, key=order)


def _ask(
    round_: Round,
    things: Sequence[str],
    acts: Sequence[Act],
    aside: Sequence[Act],
    reports: Mapping[str, Reported],
    facts: Loaded,
) -> tuple[list[Entry], dict[str, dict[Scope, int]], dict[Scope, int]]:
    """Ask the rules of acts; answer with the entries, the scopes that the acts belong to, by thing, and from when on
    they change these.

    See `scopes.Named`. Of those `aside`, which do not count, the checks of every report alone are asked.
    """
    shapes, looks = round_.shapes, round_.looks
    entries: list[Entry] = []
    reached: dict[Scope, int] = {}
    named_scopes: dict[str, dict[Scope, int]] = {thing: {} for thing in things}
    # Most rules say nothing of most acts, so that asking them is all that this may cost.
    bound_shapes = {type_: shapes.bound(type_, facts) for type_ in {act.type for act in (*acts, *aside)}}
    for act in acts:
        checks, sums = bound_shapes[act.type]
        for rule, check, bound in checks:
            looks[rule.id] += 1
            try:
                statements = [*check.check(act, bound)]
            except Exception as error:
                entries += round_.entries(act.thing, round_.failed(rule, act, error))
                continue
            if statements:
                entries += round_.entries(act.thing, [(rule, statement) for statement in statements])
        for rule, sum_, bound in sums:
            looks[rule.id] += 1
            named: dict[str, int] = {}
            # All that stand, also those that do not count.
            is_every_report = sum_.every_report and act.thing in reports
            acts_of_thing: Sequence[Act] = reports[act.thing].reports if is_every_report else (act,)
            try:
                _name(named, sum_, acts_of_thing, bound)
            except Exception as error:
                entries += round_.entries(act.thing, round_.failed(rule, act, error))
            if not named:
                continue
            earliest = min(report.time for report in acts_of_thing) if is_every_report else act.time
            scopes_of_thing = named_scopes[act.thing]
            for name, instant in named.items():
                scope = (rule.id, name)
                reached[scope] = min(instant, reached.get(scope, instant))
                scopes_of_thing.setdefault(scope, earliest)
    for act in aside:
        for rule, check, bound in bound_shapes[act.type][0]:
            if check.every_report and (said_of := round_.say(rule, act, check.check, act, bound)):
                entries += round_.entries(act.thing, said_of)
    return entries, named_scopes, reached


def _name(named: dict[str, int], sum_: Sum, acts: Sequence[Act], facts: Facts) -> None:
    """Add the acts' scopes to those named, with the instant from which on they change."""
    for act in acts:
        instant = act.time if sum_.reaches is None else sum_.reaches(act, facts)
        for scope in sum_.scopes(act, facts):
            named[scope] = min(instant, named.get(scope, instant))
