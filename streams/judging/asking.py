"""Asks the rules of sums for what they say of what was gathered, and keeps the sums that go on where they stood."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from circulation.daily import end_of
from circulation.facts.acts import NEVER, Act
from circulation.facts.facts import Facts
from circulation.findings import Said
from circulation.sandbox import DETECTOR as SANDBOX
from streams.facts.reports import is_repeated
from streams.facts.running_sums import EARLIEST, Running
from streams.findings.entry import Entry
from streams.judging import needs
from streams.judging.gathering import Asked, Gathered, GoingOn
from streams.judging.round import Round


class Answers(NamedTuple):
    """The answers of sums. `causes` are the acts, by (thing, source, id), where sandboxes are watched.

    `empty` are the things that were asked, and of which nothing is left. Of those in `since` only what occurred from an
    instant on was
    looked at. Deadlines, (thing, instant), are those to come, and those that are `over`. Of days that are compared
    those are `differing` of which anything was said, in whichever mode.
    """

    entries: list[Entry]
    causes: dict[tuple[str, str, str], Act]
    empty: set[str]
    since: dict[str, int]
    deadlines: list[tuple[str, int]]
    over: list[tuple[str, int]]
    differing: set[str]


def ask(round_: Round, going_on: GoingOn, gathered: Gathered) -> Answers:
    """Ask each rule for its sum; what goes on is kept again."""
    rules, horizon, versions = round_.shapes.rules, round_.horizon, going_on.versions
    bounds = needs.Bound(gathered.facts, rules, "sum")
    answers = Answers([], {}, set(), {**going_on.since, **gathered.reported}, [], [], set())
    since, deadlines = answers.since, answers.deadlines
    if versions:
        for request in gathered.silent.values():
            versions.judged(request.rule, request.scope, Running(), EARLIEST)
    requests = gathered.requests
    if gathered.settling is not None:
        # Days go on from the days before them, and months from their days.
        requests = sorted(requests, key=lambda request: request.scope if request.shape.each_day else "")
    for request in requests:
        thing, scope, shape = request.thing, request.scope, request.shape
        rule, bound, begin = rules[request.rule], bounds[request.rule], since.get(thing, EARLIEST)
        running = going_on.sums.get(thing)
        if running is None and shape.step is not None and going_on.keeping:
            running = Running()
        acts = [] if thing in gathered.reported else _acts_of(request, gathered, bound)
        if thing in since:
            acts = [act for act in acts if act.time >= begin]
        judged = acts or running or thing in gathered.reported
        if not judged and not shape.each_day and not gathered.counted.is_left(request):
            answers.empty.add(thing)
            if running is not None:
                versions.judged(rule.id, scope, running, begin)
            continue
        judge: Callable[[], Iterable[Said]] = partial(shape.judge, scope, acts, bound)
        if shape.settles is not None and gathered.settling is not None:
            judge = partial(gathered.settling.judge, rule.id, shape, scope, acts, bound)
        # A scope of no acts, but of what was counted, is judged by that alone.
        if running is not None and shape.step is not None and (acts or running):
            judge = partial(running.on, shape.step, scope, acts, bound, horizon)
        statements = round_.say(rule, acts[-1] if acts else None, judge)
        if running is not None:
            is_actless = thing in gathered.actless
            versions.judged(rule.id, scope, running, EARLIEST if is_actless else begin)
            _keep(round_, request, running, answers, is_actless=is_actless)
        standing = []
        for speaker, statement in statements:
            if statement.occurred < gathered.reported.get(thing, statement.occurred):
                continue
            if statement.due is None or statement.due < horizon:
                standing.append((speaker, statement))
            else:
                deadlines.append((thing, statement.due))
        if rule.id == SANDBOX:
            contracts = sorted({act.subject for act in acts})
            used_on = (day for contract in contracts for day, _, _ in gathered.days.get(contract, ()))
            deadlines += [(thing, end_of(day)) for day in used_on if end_of(day) >= horizon]
        if shape.each_day and any(speaker is rule for speaker, _ in standing):
            answers.differing.add(thing)
        answers.entries.extend(round_.entries(thing, standing))
        if not going_on.keeping:
            answers.causes.update({(thing, act.source, act.id): act for act in acts})
    return answers


def _acts_of(request: Asked, gathered: Gathered, facts: Facts) -> list[Act]:
    """The acts of a sum, in its order."""
    shape = request.shape
    acts: list[Act] = []
    for thing in dict.fromkeys(
        member for scope in request.looks_at for member in gathered.members[request.rule, scope]
    ):
        reports = gathered.reports[thing]
        if shape.every_report:
            acts += reports.reports
        elif len(reports.acts) == 1 and (thing in gathered.entered or not is_repeated(thing)):
            acts += reports.acts
        else:
            # Several signings of one contract are one thing, and may belong to different scopes. Of what was stated the
            # scopes of earlier statements may be there still.
            acts += [act for act in reports.acts if not {*request.looks_at}.isdisjoint(shape.scopes(act, facts))]
    return shape.in_order(acts)


def _keep(round_: Round, request: Asked, running: Running, answers: Answers, *, is_actless: bool) -> None:
    """Keep a sum for who goes on with it, and note what its deadlines have become."""
    thing, since = request.thing, answers.since
    if running.until != NEVER:
        # It failed on the way, and nothing that it said before stands.
        since.pop(thing, None)
        return
    if not is_actless:
        round_.known.sums.give(request.rule, request.scope, running)
    coming, gone_by = running.deadlines(round_.horizon)
    answers.deadlines.extend((thing, due) for due in coming)
    if thing in since:
        since[thing] = running.since
        answers.over.extend((thing, due) for due in gone_by)
