"""Judges sums: all acts of a scope together, or, of sums that go on where they stood, those from an instant on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

from circulation.daily import UsedDay, day_number, end_of, span_of
from circulation.facts.acts import NEVER, Act
from circulation.facts.facts import Facts, Loaded
from circulation.findings import Said
from circulation.rules import Sum
from circulation.sandbox import DETECTOR as SANDBOX
from streams.facts import feeds, loading
from streams.facts import used_days as summaries
from streams.facts.members import belonging, members_since
from streams.facts.reports import Reported, each_counts, is_repeated
from streams.facts.running_sums import EARLIEST, Running, Versions
from streams.findings.book import Entry
from streams.judging import needs, sandboxes
from streams.judging.agreements import Day, Looked
from streams.judging.round import Round
from streams.judging.scopes import Scope
from streams.judging.settling import Settling
from streams.store import schema
from streams.store.queue import sum_, sum_of


class Asked(NamedTuple):
    """A sum that is judged: its thing, its rule and scope, and the scopes whose acts it looks at."""

    thing: str
    rule: str
    scope: str
    looks_at: Sequence[str]


class GoingOn(NamedTuple):
    """The sums that go on where they stood, or from their first act, by thing; and how often each was judged.

    Of those in `since` only acts from an instant on are gone over.
    """

    sums: dict[str, Running]
    versions: Versions
    since: dict[str, int]


class Gathered(NamedTuple):
    """What sums are judged by.

    `members` are the things of each (rule, scope), `reports` theirs; `actless` are the sums, by thing, that have no act
    of their own; `counted` are scopes of which something was counted and not kept, `days` what was used of contracts on
    each day; `facts` is all of it, as loaded for the rules. `reported` are the sums, by thing, that are judged from a
    report on (`Sum.since_report`). `settling` goes on from day to day (`Sum.settles`), None where no day is judged.
    """

    members: dict[Scope, list[str]]
    reports: dict[str, Reported]
    actless: set[str]
    counted: Set[str]
    days: Mapping[str, Sequence[UsedDay]]
    facts: Loaded
    reported: Mapping[str, int]
    settling: Settling | None


class Answers(NamedTuple):
    """What sums said. `causes` are the acts, by (thing, source, id), where sandboxes are watched.

    `empty` are the things of which nothing is left. Of those in `since` only what occurred from an instant on was
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


def judge(round_: Round, things: Sequence[str]) -> None:
    """Judge sums in bulk.

    1. Leave out periods that have not ended: only their deadlines are written; and what nothing can be said of yet.
    2. Take up what goes on where it stood.
    3. Gather the acts, and what the rules need to know of them.
    4. Ask the rules.
    5. Mark what was said within sandboxes; judge again what other sums of sandboxes bear upon.
    6. Write how often sums were judged, and their deadlines.
    7. Enter what was said.
    """
    asked, coming = _asked(round_, things)
    waiting = _waiting(round_, asked)
    asked = [one for one in asked if one.thing not in waiting]
    things = [one for one in things if one not in waiting]
    going_on = _going_on(round_, asked)
    gathered = _gather(round_, asked, going_on)
    answers = _ask(round_, asked, going_on, gathered)
    judged = [one.thing for one in asked]
    entries = sandboxes.mark(round_, answers.entries, judged, answers.causes)
    sandboxes.judge_marked(round_, [one.scope for one in asked if one.rule == SANDBOX])
    going_on.versions.write()
    _write_deadlines(round_, things, answers, coming, gathered.reported)
    _note_agreements(round_, asked, gathered, answers)
    if gathered.settling is not None:
        gathered.settling.write()
    gone = {one for reports in gathered.reports.values() for one in reports.void}
    cleared: list[tuple[str, str, str]] = []

    def reason(thing: str, data: Mapping[str, Any]) -> str:
        cause = data.get("cause")
        if cause is None:
            return "retracted" if thing in answers.empty else "refuted"
        cleared.append((thing, cause["id"], cause["source"]))
        # What was taken back may belong to no scope any more, so that it was not gathered.
        query = "select 1 from events where event = ? and source = ? and retracted is not null limit 1"
        taken_back = (cause["source"], cause["id"]) in gone or round_.db.one(query, cause["id"], cause["source"])
        return "retracted" if taken_back else "refuted"

    round_.enter(entries, judged, reason=reason, facts=gathered.facts, since=answers.since)
    if cleared:
        _queue_others(round_, cleared)


def _queue_others(round_: Round, cleared: Sequence[tuple[str, str, str]]) -> None:
    """Have the other sums of an act judged when one clears what it said of it: of those of a rule only one says it, and
    which of them that is may have changed."""
    query = (
        "select distinct s.scope from events e join scopes s on s.thing = e.thing"
        " where e.event = ? and e.source = ? and e.retracted is null and s.rule = ?"
    )
    others = set()
    for thing, event, source in cleared:
        rule, scope = sum_of(thing)
        others |= {sum_(rule, row[0]) for row in round_.db.rows(query, event, source, rule) if row[0] != scope}
    if others:
        round_.queue(sorted(others), round_.priority)


def _asked(round_: Round, things: Sequence[str]) -> tuple[list[Asked], list[tuple[str, int]]]:
    """The sums that are judged; and of the periods that have not ended (thing, end)."""
    asked: list[Asked] = []
    coming: list[tuple[str, int]] = []
    for thing in things:
        rule, scope = sum_of(thing)
        period = round_.shapes.period_of(rule)
        if period is not None and (ends := period.ends(scope)) >= round_.horizon:
            coming.append((thing, ends))
        else:
            asked.append(Asked(thing, rule, scope, (scope,) if period is None else period.members(scope)))
    return asked, coming


def _waiting(round_: Round, asked: Sequence[Asked]) -> set[str]:
    """The sums that wait for an act, of which nothing stands, and with which nobody goes on.

    Who has an act come that they wait for judges them under the same lock, and sees what came before.
    """
    found: dict[str, tuple[Scope, Scope]] = {}
    waiting: set[str] = set()
    for one in asked:
        shape = round_.shapes.sum_of(one.rule)
        if shape is not None and shape.waits is not None:
            found[one.thing] = ((one.rule, one.scope), (one.rule, shape.waits(one.scope)))
    if not found:
        return waiting
    wanted = [sorted({one[at] for pair in found.values() for one in pair}) for at in (0, 1)]
    query = "select distinct rule, scope from scopes where rule = any(?) and scope = any(?)"
    rows = set(round_.db.rows(query, wanted[0], sorted({awaited[1] for _, awaited in found.values()})))
    rows |= set(round_.db.rows("select rule, scope from sums where rule = any(?) and scope = any(?)", *wanted))
    query = "select distinct thing from findings where thing = any(?) and standing"
    said = {row[0] for row in round_.db.rows(query, sorted(found))}
    for thing, (own, awaited) in found.items():
        if own == awaited or (thing not in said and rows.isdisjoint((own, awaited))):
            waiting.add(thing)
    return waiting


def _going_on(round_: Round, asked: Sequence[Asked]) -> GoingOn:
    """Take the sums that go on where they stood out of what is kept.

    Where something may be held back within a sandbox, all that a sum says is looked at again.
    """
    known = round_.known
    sums: dict[str, Running] = {}
    if not sandboxes.watching(round_.packs):
        for one in asked:
            if (shape := round_.shapes.sum_of(one.rule)) is not None and shape.step is not None:
                sums[one.thing] = known.sums.take(one.rule, one.scope) or Running()
    stepped = [(one.rule, one.scope) for one in asked if one.thing in sums]
    versions = Versions(round_.db, () if known.alone else stepped)
    for one in asked:
        if one.thing in sums:
            sums[one.thing] = versions.current(one.rule, one.scope, sums[one.thing])
            sums[one.thing].back(round_.begins.get(one.thing, EARLIEST))
    since = {thing: running.until for thing, running in sums.items() if running.until > EARLIEST}
    return GoingOn(sums, versions, since)


def _gather(round_: Round, asked: Sequence[Asked], going_on: GoingOn) -> Gathered:
    """Load the acts of these sums, and what their rules need to know."""
    db, shapes, since = round_.db, round_.shapes, going_on.since
    # Of sums that go on where they stood only what came or changed since is gone over.
    reported, days = _since_report(round_, asked)
    whole = {
        (one.rule, scope)
        for one in asked
        if one.thing not in since and one.thing not in reported
        for scope in one.looks_at
    }
    begun: dict[Scope, int] = {}
    for one in asked:
        for key in {(one.rule, scope) for scope in one.looks_at} - whole if one.thing in since else ():
            begun[key] = min(since[one.thing], begun.get(key, since[one.thing]))
    members = round_.known.members(db, whole) | members_since(db, begun)
    first = _firsts(round_, begun, members, whole)
    # What has no act of its own is not judged where others of its acts change, so nobody may go on with it.
    actless = {one.thing for one in asked if one.thing in going_on.sums and _is_actless(round_, one)}
    sandboxes.count_uses(db, {one.scope for one in asked if one.rule == SANDBOX})
    reports = round_.reports(sorted({thing for some in members.values() for thing in some} - first.keys()))
    if first:
        reports = reports | round_.reports_since(first)
    by_shape = [(one.scope, shape) for one in asked if (shape := shapes.sum_of(one.rule))]
    needed = {need for _, shape in by_shape for need in shape.needs}
    contracts = {scope for scope, shape in by_shape if shape.needs & {"uses", "abroad"}}
    uses = loading.first_uses(db, contracts) if contracts else {}
    served = summaries.first_served(db, {scope for scope, shape in by_shape if "served" in shape.needs})
    abroad = summaries.used_abroad(db, {scope for scope, shape in by_shape if "abroad" in shape.needs})
    heard = feeds.heard(db, {scope for scope, shape in by_shape if "heard" in shape.needs})
    each_day = [(one.rule, one.scope) for one in asked if (shape := shapes.sum_of(one.rule)) and shape.each_day]
    spans = [span_of(scope) for _, scope in each_day]
    contracts |= {contract for _, _, contract in spans} | days.keys()
    contracts |= {one for each in asked for one in _recalled(round_, each, going_on, members, reports)}
    settling = Settling(round_, each_day) if each_day else None
    # What belongs to rules that ask for nothing but acts may be much, and needs nothing loaded.
    needing = {
        one for (rule, _), some in members.items() if (shape := shapes.sum_of(rule)) and shape.needs for one in some
    }
    acts = [act for one in sorted(needing) for act in reports[one].acts]
    daily = {one for (rule, _), some in members.items() if rule in shapes.daily for one in some}
    used = {act.subject for one in daily for act in reports[one].acts}
    if "days" in needed:
        for contract, some in summaries.used_on(db, _days_of(spans)).items():
            days[contract] = _together(days.get(contract, ()), some)
        days |= summaries.used_days(db, used)
    inputs = {
        one.scope: _after(going_on.sums.get(one.thing))
        for one in asked
        if (shape := shapes.sum_of(one.rule)) and "inputs" in shape.needs
    }
    named = [shape.names(scope) for scope, shape in by_shape if shape.names is not None]
    assets, parties = ({one for each in named for one in each[at]} for at in (0, 1))
    if abroad:  # a contract that was never signed has no act that names what it is on
        over = round_.known.contracts(db, [contract for contract, days_ in abroad.items() if days_])
        stated = (facts_.statement(end_of(one.day)) for contract, facts_ in over.items() for one in abroad[contract])
        assets |= {one.asset for one in stated if one is not None}
    facts = needs.load(
        round_,
        acts,
        needed,
        contracts=contracts,
        assets=assets,
        parties=parties,
        inputs=inputs,
        uses=uses,
        served=served,
        abroad=abroad,
        days=days,
        heard=heard,
        settled={} if settling is None else settling.settled,
    )
    return Gathered(members, reports, actless, {*uses, *heard}, days, facts, reported, settling)


def _recalled(
    round_: Round,
    asked: Asked,
    going_on: GoingOn,
    members: Mapping[Scope, Sequence[str]],
    reports: Mapping[str, Reported],
) -> Iterable[str]:
    """The contracts that a sum that goes on has its acts look at by what it remembers; else its acts name them."""
    shape = round_.shapes.sum_of(asked.rule)
    if shape is None or shape.recalls is None or asked.thing not in going_on.since:
        return
    ledger, since = going_on.sums[asked.thing].ledger, going_on.since[asked.thing]
    for act in (act for scope in asked.looks_at for one in members[asked.rule, scope] for act in reports[one].acts):
        if act.time >= since:
            yield from shape.recalls(ledger, act)


def _together(some: Iterable[UsedDay], others: Iterable[UsedDay]) -> list[UsedDay]:
    """What was used on days that were read in two parts; of days that are in both what was read last."""
    found = {(one.day, one.reporter): one for one in (*some, *others)}
    return [found[key] for key in sorted(found)]


def _days_of(spans: Iterable[tuple[int, int, str]]) -> dict[str, set[int]]:
    """The days that are judged by themselves, by contract, each with the next one, at whose beginning something may
    have been used that counts on it."""
    found: dict[str, set[int]] = {}
    for first, last, contract in spans:
        found.setdefault(contract, set()).update((first, first + 1) if first == last else ())
    return found


def _since_report(round_: Round, asked: Sequence[Asked]) -> tuple[dict[str, int], dict[str, list[UsedDay]]]:
    """The sums, by thing, of which something changed only from an instant on that a report came before, each with the
    instant of that; and of their contracts what was used since."""
    reported: dict[str, int] = {}
    days: dict[str, list[UsedDay]] = {}
    if sandboxes.watching(round_.packs):
        return reported, days
    for one in asked:
        shape, begin = round_.shapes.sum_of(one.rule), round_.begins.get(one.thing, EARLIEST)
        if shape is None or not shape.since_report or begin == EARLIEST or not _has_acts(round_, one):
            continue
        some, first = summaries.used_since(round_.db, one.scope, begin)
        if first is not None:
            reported[one.thing] = first
            days[one.scope] = some
    return reported, days


def _after(running: Running | None) -> int:
    """From when on something is new to a sum: it has looked at all no later than its last act."""
    return running.times[-1] + 1 if running is not None and running.times else EARLIEST


def _firsts(
    round_: Round, begun: Mapping[Scope, int], members: Mapping[Scope, Sequence[str]], whole: Collection[Scope]
) -> dict[str, int]:
    """Of things of many reports, each of which counts, the instant from which on sums look at them.

    Of sums that are gone over as a `whole` that is since when they belong to them, where that is known.
    """
    every = {rule for rule, _ in whole if (shape := round_.shapes.sum_of(rule)) and shape.every_report}
    many = {one for key in whole if key[0] not in every for one in members[key] if is_repeated(one)}
    found: dict[str, int] = {}
    for one in (one for key in begun for one in members[key] if is_repeated(one)):
        found[one] = min(begun.values())
    unknown = {one for key in whole if key[0] in every for one in members[key]}
    if many:
        wanted = {(one, *key) for key in whole for one in members[key] if one in many}
        for thing, _, _, _, since in belonging(round_.db, wanted):
            if since is None:
                unknown.add(thing)
            else:
                found[thing] = min(since, found.get(thing, since))
    return {one: found[one] for one in each_counts(round_.db, round_.known, found.keys() - unknown)}


def _is_actless(round_: Round, asked: Asked) -> bool:
    """Whether a period that is judged for its own acts only has none (any more)."""
    period = round_.shapes.period_of(asked.rule)
    if period is None or not period.own_acts_only:
        return False
    return not _has_acts(round_, asked)


def _has_acts(round_: Round, asked: Asked) -> bool:
    query = "select 1 from scopes where rule = ? and scope = ? limit 1"
    return round_.db.one(query, asked.rule, asked.scope) is not None


def _ask(round_: Round, asked: Sequence[Asked], going_on: GoingOn, gathered: Gathered) -> Answers:
    """Ask each rule for its sum; what goes on is kept again."""
    shapes, horizon, versions = round_.shapes, round_.horizon, going_on.versions
    watching = sandboxes.watching(round_.packs)
    bounds = needs.Bound(gathered.facts, shapes.rules, "sum")
    answers = Answers([], {}, set(), {**going_on.since, **gathered.reported}, [], [], set())
    since, deadlines = answers.since, answers.deadlines
    # Days go on from the days before them, and months from their days.
    for one in sorted(asked, key=lambda one: one.scope if one.rule in shapes.each_day else ""):
        thing, scope = one.thing, one.scope
        rule, shape = shapes.rules.get(one.rule), shapes.sum_of(one.rule)
        if rule is None or shape is None:
            answers.empty.add(thing)
            continue
        bound = bounds[rule.id]
        acts = [] if thing in gathered.reported else _acts_of(one, shape, gathered, bound)
        running = going_on.sums.get(thing)
        begin = since.get(thing, EARLIEST)
        if thing in since:
            acts = [act for act in acts if act.time >= begin]
        judged = acts or running or thing in gathered.reported
        is_counted = bool(shape.needs & {"uses", "abroad", "heard"}) and scope in gathered.counted
        if not judged and not is_counted and not shape.each_day:
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
            actless = thing in gathered.actless
            versions.judged(rule.id, scope, running, EARLIEST if actless else begin)
            _keep(round_, one, running, answers, actless=actless)
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
        if watching:
            answers.causes.update({(thing, act.source, act.id): act for act in acts})
    return answers


def _note_agreements(round_: Round, asked: Sequence[Asked], gathered: Gathered, answers: Answers) -> None:
    """Note of each day that was compared whether its reporters agree."""
    looked: dict[Day, Looked] = {}
    for one in asked:
        shape = round_.shapes.sum_of(one.rule)
        if shape is None or not shape.each_day:
            continue
        day, last, contract = span_of(one.scope)
        if day != last:
            continue
        things = gathered.members[one.rule, one.scope]
        acts = [act for thing in things for act in gathered.reports[thing].reports if day_number(act.time) == day]
        used = {reporter for each, reporter, _ in gathered.days.get(contract, ()) if each == day}
        looked[contract, day] = Looked(
            frozenset({*used, *(act.reporter for act in acts)}),
            frozenset(act.source for act in acts),
            one.thing in answers.differing,
        )
    if looked:
        round_.agreements.note(looked, gathered.facts.contracts)


def _acts_of(asked: Asked, shape: Sum, gathered: Gathered, facts: Facts) -> list[Act]:
    """The acts of a sum, in its order."""
    acts: list[Act] = []
    for thing in dict.fromkeys(one for scope in asked.looks_at for one in gathered.members[asked.rule, scope]):
        reports = gathered.reports[thing]
        if shape.every_report:
            acts += reports.reports
        elif len(reports.acts) == 1 and not is_repeated(thing):
            acts += reports.acts
        else:
            # Several signings of one contract are one thing, and may belong to different scopes. Of what was stated the
            # scopes of earlier statements may be there still.
            acts += [act for act in reports.acts if not {*asked.looks_at}.isdisjoint(shape.scopes(act, facts))]
    return shape.in_order(acts)


def _keep(round_: Round, asked: Asked, running: Running, answers: Answers, *, actless: bool) -> None:
    """Keep a sum for who goes on with it, and note what its deadlines have become."""
    thing, since = asked.thing, answers.since
    if running.until != NEVER:
        # It failed on the way, and nothing that it said before stands.
        since.pop(thing, None)
        return
    if not actless:
        round_.known.sums.give(asked.rule, asked.scope, running)
    coming, gone_by = running.deadlines(round_.horizon)
    answers.deadlines.extend((thing, due) for due in coming)
    if thing in since:
        since[thing] = running.since
        answers.over.extend((thing, due) for due in gone_by)


def _write_deadlines(
    round_: Round,
    things: Sequence[str],
    answers: Answers,
    coming: Sequence[tuple[str, int]],
    reported: Mapping[str, int],
) -> None:
    """Write when these sums are to be judged again; of one that went on the deadlines stay that it did not touch."""
    db = round_.db
    if waiting := [one for one in things if one not in answers.since and round_.shapes.has_deadlines(one)]:
        db.run("delete from deadlines where thing = any(?)", waiting)
    for thing, since in reported.items():
        db.run("delete from deadlines where thing = ? and due >= ?", thing, since)
    for thing, due in answers.over:
        db.run("delete from deadlines where thing = ? and due = ?", thing, due)
    db.many(schema.deadlines, sorted({*answers.deadlines, *coming}), "ignore")
