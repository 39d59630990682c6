"""Gathers what sums are judged by: their acts, where those stood that go on, and the facts that their rules ask for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final, NamedTuple

from circulation.daily import UsedDay, end_of, span_of
from circulation.facts.facts import OF_SUMS, Loaded, Need
from circulation.rules import Sum
from circulation.sandbox import DETECTOR as SANDBOX
from streams.facts import feeds, loading
from streams.facts import used_days as summaries
from streams.facts.known import Members
from streams.facts.reports import Reported, each_counts, is_repeated
from streams.facts.running_sums import EARLIEST, Running, Versions
from streams.judging import needs, sandboxes
from streams.judging.round import Round
from streams.judging.scopes import Scope
from streams.judging.settling import Settling, used_on
from streams.store.queue import Kind

# Of a thing with so many reports all are taken where they are cached: to find out since when it belongs to a scope, and
# to read only those from then on, takes longer.
REPORTS_FEW_MAX: Final = 16


class Asked(NamedTuple):
    """A sum that is judged: its thing, its rule and scope, the shape of the rule, and the scopes whose acts it looks
    at."""

    thing: str
    rule: str
    scope: str
    shape: Sum
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

    `members` are the things of each (rule, scope), `reports` those of sums that are not `silent`: of these nothing can
    be said, and they are not asked. `actless` are the sums, by thing, that have no act of their own; `counted` are
    scopes of which something was counted and not kept, `days` what was used of contracts on each day; `facts` is all of
    it, as loaded for the rules. `reported` are the sums, by thing, that are judged from a report on
    (`Sum.since_report`); `entered` are things all of whose acts belong to the scopes that they are members of.
    `settling` goes on from day to day (`Sum.settles`), None where no day is judged.
    """

    members: Mapping[Scope, Members]
    reports: Mapping[str, Reported]
    silent: Set[str]
    actless: Set[str]
    counted: Set[str]
    days: Mapping[str, Sequence[UsedDay]]
    facts: Loaded
    reported: Mapping[str, int]
    entered: Set[str]
    settling: Settling | None


def go_on(round_: Round, asked: Sequence[Asked], versions: Versions) -> GoingOn:
    """Take the sums that go on where they stood out of what is kept.

    Where something may be held back within a sandbox, all that a sum says is looked at again.
    """
    sums: dict[str, Running] = {}
    if sandboxes.watching(round_.packs):
        return GoingOn(sums, versions, {})
    for thing, rule, scope, shape, _ in asked:
        if shape.step is None:
            continue
        running = round_.known.sums.take(rule, scope)
        if running:
            running = versions.current(rule, scope, running)
            running.back(round_.begins.get(thing, EARLIEST))
        sums[thing] = running or Running()
    return GoingOn(sums, versions, {thing: one.until for thing, one in sums.items() if one.until > EARLIEST})


def gather(round_: Round, asked: Sequence[Asked], going_on: GoingOn) -> Gathered:
    """Load the acts of these sums, and what their rules need to know.

    1. Read what has something changed only since a report, and the things of all scopes: of sums that go on where they
       stood only those that came or changed since.
    2. Read what was counted, and leave out the sums of which nothing can be said.
    3. Read the reports of the others.
    4. Load the facts that their rules need.
    """
    db, since = round_.db, going_on.since
    reported, days = _since_report(round_, asked)
    whole, begun = _scopes_of(asked, since, reported)
    members = round_.known.members(db, whole)
    if begun:
        members |= loading.members_since(db, begun)
    # What has no act of its own is not judged where others of its acts change, so nobody may go on with it.
    actless = {one.thing for one in asked if one.thing in going_on.sums and _is_actless(round_, one)}
    sandboxes.count_uses(db, {one.scope for one in asked if one.rule == SANDBOX})
    scopes = _by_need(asked)
    contracts = scopes["uses"] | scopes["abroad"]
    uses = loading.first_uses(db, contracts) if contracts else {}
    abroad = summaries.used_abroad(db, scopes["abroad"] & uses.keys())
    heard = feeds.heard(db, scopes["heard"]) if scopes["heard"] else {}
    counted: dict[Need, Set[str]] = {"uses": uses.keys(), "abroad": abroad.keys(), "heard": heard.keys()}
    loud = [
        one
        for one in asked
        if one.thing in since or one.thing in reported or not _is_silent(round_, one, members, counted)
    ]
    shapes = {(one.rule, scope): one.shape for one in loud for scope in one.looks_at}
    things = {key: members[key] for key in shapes if key in members}
    reports = _reports(round_, begun, things, shapes)
    needed = {need for shape in shapes.values() for need in shape.needs}
    scopes = _by_need(loud)
    contracts = scopes["uses"] | scopes["abroad"] | days.keys()
    contracts |= {contract for one in loud for contract in _recalled(one, going_on, members, reports)}
    each_day = [(one.rule, one.scope) for one in loud if one.shape.each_day]
    contracts |= {span_of(scope)[2] for _, scope in each_day}
    settling = Settling(round_, each_day) if each_day else None
    # What belongs to rules that ask for nothing but acts may be much, and needs nothing loaded.
    needing = {thing for key, some in things.items() if shapes[key].needs for thing in some}
    acts = [act for thing in sorted(needing) for act in reports[thing].acts]
    if "days" in needed:
        daily = {thing for (rule, _), some in things.items() if rule in round_.shapes.daily for thing in some}
        days |= used_on(db, [scope for _, scope in each_day], days)
        days |= summaries.used_days(db, {act.subject for thing in daily for act in reports[thing].acts})
    named = [one.shape.names(one.scope) for one in loud if one.shape.names is not None]
    assets, parties = ({id_ for names in named for id_ in names[at]} for at in (0, 1))
    if abroad:  # a contract that was never signed has no act that names what it is on
        over = round_.known.contracts(db, abroad.keys())
        stated = (facts_.statement(end_of(one.day)) for contract, facts_ in over.items() for one in abroad[contract])
        assets |= {one.asset for one in stated if one is not None}
    facts = needs.load(
        round_,
        acts,
        needed,
        contracts=contracts,
        assets=assets,
        parties=parties,
        inputs={one.scope: _after(going_on.sums.get(one.thing)) for one in loud if "inputs" in one.shape.needs},
        uses=uses,
        served=summaries.first_served(db, scopes["served"]),
        abroad=abroad,
        days=days,
        heard=heard,
        settled={} if settling is None else settling.settled,
    )
    return Gathered(
        members=members,
        reports=reports,
        silent={one.thing for one in asked} - {one.thing for one in loud},
        actless=actless,
        counted={*uses, *heard},
        days=days,
        facts=facts,
        reported=reported,
        entered={thing for thing in round_.of(Kind.ACT) if round_.begins.get(thing, EARLIEST) == EARLIEST},
        settling=settling,
    )


def _scopes_of(
    asked: Sequence[Asked], since: Mapping[str, int], reported: Mapping[str, int]
) -> tuple[set[Scope], dict[Scope, int]]:
    """The scopes whose acts are gone over as a whole; and those of which only the acts from an instant on are."""
    whole: set[Scope] = set()
    for thing, rule, _, _, looks_at in asked:
        if thing not in since and thing not in reported:
            whole.update((rule, scope) for scope in looks_at)
    begun: dict[Scope, int] = {}
    for thing, rule, _, _, looks_at in asked if since else ():
        if thing in since:
            for key in {(rule, scope) for scope in looks_at} - whole:
                begun[key] = min(since[thing], begun.get(key, since[thing]))
    return whole, begun


def _by_need(asked: Iterable[Asked]) -> defaultdict[Need, set[str]]:
    """The scopes of sums by what they need that only sums have."""
    scopes: defaultdict[Need, set[str]] = defaultdict(set)
    for one in asked:
        for need in one.shape.needs & OF_SUMS:
            scopes[need].add(one.scope)
    return scopes


def _is_silent(round_: Round, asked: Asked, members: Mapping[Scope, Members], counted: Mapping[Need, Set[str]]) -> bool:
    """Whether a sum has no act that anything is said for (`Sum.triggers`), and nothing was counted of its scope."""
    if asked.shape.triggers is None or any(asked.scope in counted[one] for one in asked.shape.needs & counted.keys()):
        return False
    triggers = round_.shapes.triggers[asked.rule]
    return not any(thing.startswith(triggers) for scope in asked.looks_at for thing in members[asked.rule, scope])


def _since_report(round_: Round, asked: Sequence[Asked]) -> tuple[dict[str, int], dict[str, list[UsedDay]]]:
    """The sums, by thing, of which something changed only from an instant on that a report came before, each with the
    instant of that; and of their contracts what was used since."""
    reported: dict[str, int] = {}
    days: dict[str, list[UsedDay]] = {}
    later = [one for one in asked if one.shape.since_report and round_.begins.get(one.thing, EARLIEST) > EARLIEST]
    if not later or sandboxes.watching(round_.packs):
        return reported, days
    for one in later:
        if _has_acts(round_, one):
            used, first = summaries.used_since(round_.db, one.scope, round_.begins[one.thing])
            if first is not None:
                reported[one.thing] = first
                days[one.scope] = used
    return reported, days


def _reports(
    round_: Round, begun: Mapping[Scope, int], members: Mapping[Scope, Members], shapes: Mapping[Scope, Sum]
) -> dict[str, Reported]:
    """The reports of all things; of those with many, each of which counts, only those that sums look at."""
    first = _firsts(round_, begun, members, shapes)
    reports = round_.reports(sorted({thing for some in members.values() for thing in some} - first.keys()))
    return reports | round_.reports_since(first) if first else reports


def _firsts(
    round_: Round, begun: Mapping[Scope, int], members: Mapping[Scope, Members], shapes: Mapping[Scope, Sum]
) -> dict[str, int]:
    """Of things of many reports, each of which counts, the instant from which on sums look at them.

    Of sums that are gone over as a whole that is since when they belong to them, where that is known.
    """
    repeated = {thing for some in members.values() for thing in some if is_repeated(thing)}
    many = {thing for thing in repeated if not _has_few_reports(round_, thing)}
    if not many:
        return {}
    firsts: dict[str, int] = {}
    unknown: set[str] = set()
    for key, some in members.items():
        for thing in many & some.keys():
            since = min(begun.values()) if key in begun else None if shapes[key].every_report else some[thing]
            if since is None:
                unknown.add(thing)
            else:
                firsts[thing] = min(since, firsts.get(thing, since))
    return {thing: firsts[thing] for thing in each_counts(round_.db, round_.known, firsts.keys() - unknown)}


def _has_few_reports(round_: Round, thing: str) -> bool:
    cached = round_.known.cached_reports(thing)
    return cached is not None and len(cached.reports) <= REPORTS_FEW_MAX


def _recalled(
    asked: Asked, going_on: GoingOn, members: Mapping[Scope, Members], reports: Mapping[str, Reported]
) -> Iterable[str]:
    """The contracts that a sum that goes on has its acts look at by what it remembers; else its acts name them."""
    recalls = asked.shape.recalls
    if recalls is None or asked.thing not in going_on.since:
        return
    ledger, since = going_on.sums[asked.thing].ledger, going_on.since[asked.thing]
    for act in (act for scope in asked.looks_at for one in members[asked.rule, scope] for act in reports[one].acts):
        if act.time >= since:
            yield from recalls(ledger, act)


def _after(running: Running | None) -> int:
    """From when on something is new to a sum: it has looked at all no later than its last act."""
    return running.times[-1] + 1 if running is not None and running.times else EARLIEST


def _is_actless(round_: Round, asked: Asked) -> bool:
    """Whether a period that is judged for its own acts only has none (any more)."""
    period = asked.shape.period
    return period is not None and period.own_acts_only and not _has_acts(round_, asked)


def _has_acts(round_: Round, asked: Asked) -> bool:
    query = "select 1 from scopes where rule = ? and scope = ? limit 1"
    return round_.db.one(query, asked.rule, asked.scope) is not None
