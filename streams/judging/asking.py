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
from streams.findings.book import Entry
from streams.judging import needs
from streams.judging.gathering import Asked, Gathered, GoingOn
from streams.judging.round import Round


class Answers(NamedTuple):
    """What sums said. `causes` are the acts, by (thing, source, id), where sandboxes are watched.

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
        for one in gathered.silent.values():
            versions.judged(one.rule, one.scope, Running(), EARLIEST)
    asked = gathered.asked
    if gathered.settling is not None:
        # Days go on from the days before them, and months from their days.
        asked = sorted(asked, key=lambda one: one.scope if one.shape.each_day else "")
    for one in asked:
        thing, scope, shape = one.thing, one.scope, one.shape
        rule, bound, begin = rules[one.rule], bounds[one.rule], since.get(thing, EARLIEST)
        running = going_on.sums.get(thing)
        if running is None and shape.step is not None and going_on.keeping:
            running = Running()
        acts = [] if thing in gathered.reported else _acts_of(one, gathered, bound)
        if thing in since:
            acts = [act for act in acts if act.time >= begin]
        judged = acts or running or thing in gathered.reported
        if not judged and not shape.each_day and not gathered.counted.is_left(one):
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
        said = round_.say(rule, acts[-1] if acts else None, judge)
        if running is not None:
            is_actless = thing in gathered.actless
            versions.judged(rule.id, scope, running, EARLIEST if is_actless else begin)
            _keep(round_, one, running, answers, is_actless=is_actless)
        standing = []
        for who, what in said:
            if what.occurred < gathered.reported.get(thing, what.occurred):
                continue
            if what.due is None or what.due < horizon:
                standing.append((who, what))
            else:
                deadlines.append((thing, what.due))
        if rule.id == SANDBOX:
            contracts = sorted({act.subject for act in acts})
            used_on = (day for contract in contracts for day, _, _ in gathered.days.get(contract, ()))
            deadlines += [(thing, end_of(day)) for day in used_on if end_of(day) >= horizon]
        if shape.each_day and any(who is rule for who, _ in standing):
            answers.differing.add(thing)
        answers.entries.extend(round_.entries(thing, standing))
        if not going_on.keeping:
            answers.causes.update({(thing, act.source, act.id): act for act in acts})
    return answers


def _acts_of(asked: Asked, gathered: Gathered, facts: Facts) -> list[Act]:
    """The acts of a sum, in its order."""
    shape = asked.shape
    acts: list[Act] = []
    for thing in dict.fromkeys(one for scope in asked.looks_at for one in gathered.members[asked.rule, scope]):
        reports = gathered.reports[thing]
        if shape.every_report:
            acts += reports.reports
        elif len(reports.acts) == 1 and (thing in gathered.entered or not is_repeated(thing)):
            acts += reports.acts
        else:
            # Several signings of one contract are one thing, and may belong to different scopes. Of what was stated the
            # scopes of earlier statements may be there still.
            acts += [act for act in reports.acts if not {*asked.looks_at}.isdisjoint(shape.scopes(act, facts))]
    return shape.in_order(acts)


def _keep(round_: Round, asked: Asked, running: Running, answers: Answers, *, is_actless: bool) -> None:
    """Keep a sum for who goes on with it, and note what its deadlines have become."""
    thing, since = asked.thing, answers.since
    if running.until != NEVER:
        # It failed on the way, and nothing that it said before stands.
        since.pop(thing, None)
        return
    if not is_actless:
        round_.known.sums.give(asked.rule, asked.scope, running)
    coming, gone_by = running.deadlines(round_.horizon)
    answers.deadlines.extend((thing, due) for due in coming)
    if thing in since:
        since[thing] = running.since
        answers.over.extend((thing, due) for due in gone_by)
