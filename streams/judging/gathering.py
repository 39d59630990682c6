"""Gathers what sums are judged by: their acts, where those stood that go on, and the facts that their rules ask for."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final, NamedTuple

from circulation.daily import UsedAbroad, UsedDay, end_of, span_of
from circulation.facts.acts import Act
from circulation.facts.facts import OF_SUMS, Heard, Loaded, Need
from circulation.rules import Sum
from circulation.sandbox import DETECTOR as SANDBOX
from streams.facts import feeds, loading
from streams.facts import used_days as summaries
from streams.facts.kept import Members
from streams.facts.members import members_since
from streams.facts.reports import Reported, each_counts, is_repeated
from streams.facts.running_sums import ACTS_MIN, EARLIEST, Running, Versions
from streams.judging import needs, sandboxes
from streams.judging.round import Round
from streams.judging.scopes import Scope
from streams.judging.settling import Settling, used_on
from streams.store.db import Db
from streams.store.queue import Kind

# Of a thing with so many reports all are taken where they are cached: to find out since when it belongs to a scope, and
# to read only those from then on, takes longer.
REPORTS_FEW_MAX: Final = 16
# What sums need that acts do not have, or that may be another one since these were judged.
_LOADED_ANEW: Final[frozenset[Need]] = frozenset({"inputs", "made", "runs", "undeclared"})


class Asked(NamedTuple):
    """A sum that is judged: its thing, its rule and scope, the shape of the rule, and the scopes whose acts it looks
    at."""

    thing: str
    rule: str
    scope: str
    shape: Sum
    looks_at: Sequence[str]


class GoingOn(NamedTuple):
    """The sums that go on where they stood, by thing; how often each was judged; and whether sums are kept at all.

    Of those in `since` only acts from an instant on are gone over.
    """

    sums: dict[str, Running]
    versions: Versions
    since: dict[str, int]
    keeping: bool


class Counted(NamedTuple):
    """Counts of scopes, not kept: when a contract was used first, on which days it was abroad, and when a source was
    heard last."""

    uses: Mapping[str, int]
    abroad: Mapping[str, Sequence[UsedAbroad]]
    heard: Mapping[str, Heard]

    def has(self, request: Asked) -> bool:
        """Whether anything was counted that a rule may say something for."""
        needs_, scope = request.shape.needs, request.scope
        return (
            ("uses" in needs_ and scope in self.uses)
            or ("abroad" in needs_ and scope in self.abroad)
            or ("heard" in needs_ and scope in self.heard)
        )

    def is_left(self, request: Asked) -> bool:
        """Whether there is anything of a scope without acts: also of a contract that was used elsewhere."""
        needs_, scope = request.shape.needs, request.scope
        return ("abroad" in needs_ and scope in self.uses) or self.has(request)


# What is counted of scopes.
_COUNTED: Final[frozenset[Need]] = frozenset({"uses", "abroad", "heard"})
_NOTHING_COUNTED: Final = Counted({}, {}, {})


class Gathered(NamedTuple):
    """The acts and facts that sums are judged by.

    Those of `requests` are judged; of those that are `silent`, by thing, nothing can be said. `members` are the things
    of each (rule, scope), `reports` theirs; `actless` are the sums, by thing, that have no act of their own; `days` is
    what was used of contracts on each day; `facts` is all of it, as loaded for the rules. `reported` are the sums, by
    thing, that are judged from a report on (`Sum.since_report`); `entered` are things all of whose acts belong to the
    scopes that they are members of. `settling` goes on from day to day (`Sum.settles`), None where no day is judged.
    """

    requests: Sequence[Asked]
    silent: Mapping[str, Asked]
    members: Mapping[Scope, Members]
    reports: Mapping[str, Reported]
    actless: Set[str]
    counted: Counted
    days: Mapping[str, Sequence[UsedDay]]
    facts: Loaded
    reported: Mapping[str, int]
    entered: Set[str]
    settling: Settling | None


def go_on(round_: Round, requests: Sequence[Asked]) -> GoingOn:
    """Take the sums that go on where they stood out of what is kept.

    Where something may be held back within a sandbox, all that a sum says is looked at again.
    """
    known = round_.known
    stepped = (
        () if known.alone else [(request.rule, request.scope) for request in requests if request.shape.step is not None]
    )
    versions = Versions(round_.db, stepped)
    sums: dict[str, Running] = {}
    if sandboxes.watching(round_.packs):
        return GoingOn(sums, versions, {}, keeping=False)
    for thing, rule, scope, shape, _ in requests:
        if shape.step is not None and (running := known.sums.take(rule, scope)):
            sums[thing] = running = versions.current(rule, scope, running)
            running.back(round_.begins.get(thing, EARLIEST))
    since = {thing: running.until for thing, running in sums.items() if running.until > EARLIEST}
    return GoingOn(sums, versions, since, keeping=True)


def gather(round_: Round, requests: Sequence[Asked], going_on: GoingOn) -> Gathered:
    """Load the acts of these sums, and what their rules need to know.

    1. Read the things of all scopes: of sums that go on where they stood, or changed since a report, only those that
       came or changed since.
    2. Read what was counted, and leave out the sums of which nothing can be said.
    3. Read the reports of the others.
    4. Load the facts that their rules need.
    """
    db, since = round_.db, going_on.since
    reported, days = _since_report(round_, requests)
    members, begun = _members(round_, requests, since, reported)
    sandboxes.count_uses(db, round_.known, {request.scope for request in requests if request.rule == SANDBOX})
    counted = _counted(db, requests)
    silent = {
        request.thing: request
        for request in requests
        if request.thing not in since
        and request.thing not in reported
        and _is_silent(round_, request, members, counted)
    }
    if silent:
        requests = [request for request in requests if request.thing not in silent]
    shapes = {(request.rule, scope): request.shape for request in requests for scope in request.looks_at}
    things = {key: members[key] for key in shapes if key in members}
    reports = _reports(round_, begun, things, shapes)
    each_day = [(request.rule, request.scope) for request in requests if request.shape.each_day]
    settling = Settling(round_, each_day) if each_day else None
    if any("days" in shape.needs for shape in shapes.values()):
        daily = {
            thing
            for (rule, _), scope_members in things.items()
            if rule in round_.shapes.daily
            for thing in scope_members
        }
        days |= used_on(db, [scope for _, scope in each_day], days)
        days |= summaries.used_days(db, {act.subject for thing in daily for act in reports[thing].acts})
    contracts = {contract for request in requests for contract in _recalled(request, going_on, members, reports)}
    contracts |= days.keys() | {span_of(scope)[2] for _, scope in each_day}
    # Things of rules that ask for nothing but acts may be many, and need nothing loaded.
    needing = {thing for key, scope_members in things.items() if shapes[key].needs for thing in scope_members}
    acts = [act for thing in sorted(needing) for act in reports[thing].acts]
    facts = _load(round_, requests, needing, acts, going_on, contracts, counted, days, settling)
    return Gathered(
        requests=requests,
        silent=silent,
        members=members,
        reports=reports,
        # A sum without an act of its own is not judged where other acts of it change, so nobody may go on with it.
        actless={
            request.thing for request in requests if request.shape.step is not None and _is_actless(round_, request)
        },
        counted=counted,
        days=days,
        facts=facts,
        reported=reported,
        entered={thing for thing in round_.of(Kind.ACT) if round_.begins.get(thing, EARLIEST) == EARLIEST},
        settling=settling,
    )


def _load(
    round_: Round,
    requests: Sequence[Asked],
    things: Set[str],
    acts: Sequence[Act],
    going_on: GoingOn,
    contracts: Set[str],
    counted: Counted,
    days: Mapping[str, Sequence[UsedDay]],
    settling: Settling | None,
) -> Loaded:
    """Load the facts that rules need of these acts, which are of these things, and contracts, and of what their scopes
    name; what their acts were judged by in this round is not loaded again."""
    if not requests:
        return Loaded(packs=round_.packs)
    db = round_.db
    named = [request.shape.names(request.scope) for request in requests if request.shape.names is not None]
    assets, parties = ({id_ for names in named for id_ in names[at]} for at in (0, 1))
    if counted.abroad:  # a contract that was never signed has no act that names what it is on
        for contract, facts in round_.known.contracts(db, counted.abroad.keys()).items():
            stated = (facts.statement(end_of(used_day.day)) for used_day in counted.abroad[contract])
            assets |= {statement.asset for statement in stated if statement is not None}
    wanted = frozenset[Need]().union(*(request.shape.needs for request in requests))
    if not wanted.isdisjoint(_COUNTED):
        contracts = contracts | _needing(requests, "uses") | _needing(requests, "abroad")
    served = summaries.first_served(db, _needing(requests, "served")) if "served" in wanted else {}
    settled = {} if settling is None else settling.settled
    acts_facts = round_.acts_facts
    if (
        acts_facts is not None
        and things <= acts_facts.things
        and wanted <= acts_facts.needs | OF_SUMS
        and wanted.isdisjoint(_LOADED_ANEW)
        and contracts <= acts_facts.loaded.contracts.keys()
        and assets <= acts_facts.loaded.assets.keys()
        and parties <= acts_facts.loaded.parties.keys()
        and not (assets and "ancestors" in wanted)
    ):
        return acts_facts.loaded.with_sums(
            uses=counted.uses, served=served, abroad=counted.abroad, days=days, heard=counted.heard, settled=settled
        )
    return needs.load(
        round_,
        acts,
        wanted,
        contracts=contracts,
        assets=assets,
        parties=parties,
        inputs={
            request.scope: _after(going_on.sums.get(request.thing))
            for request in requests
            if "inputs" in request.shape.needs
        },
        uses=counted.uses,
        served=served,
        abroad=counted.abroad,
        days=days,
        heard=counted.heard,
        settled=settled,
    )


def _needing(requests: Iterable[Asked], need: Need) -> set[str]:
    """The scopes of the sums that have a need."""
    return {request.scope for request in requests if need in request.shape.needs}


def _counted(db: Db, requests: Sequence[Asked]) -> Counted:
    """Read what was counted of the scopes whose rules need it."""
    if frozenset[Need]().union(*(request.shape.needs for request in requests)).isdisjoint(_COUNTED):
        return _NOTHING_COUNTED
    abroad, heard = _needing(requests, "abroad"), _needing(requests, "heard")
    used = abroad | _needing(requests, "uses")
    uses = loading.first_uses(db, used) if used else {}
    # Nothing was used abroad that was not used.
    return Counted(uses, summaries.used_abroad(db, abroad & uses.keys()), feeds.heard(db, heard) if heard else {})


def _members(
    round_: Round, requests: Sequence[Asked], since: Mapping[str, int], reported: Mapping[str, int]
) -> tuple[dict[Scope, Members], dict[Scope, int]]:
    """The things of the scopes that sums look at; and the scopes of which only those from an instant on are there.

    Of a sum that waits for acts the things are read where there is one of these.
    """
    whole: set[Scope] = set()
    waiting: dict[Scope, Scope] = {}
    for thing, rule, scope, shape, looks_at in requests:
        if thing in since or thing in reported:
            continue
        if shape.waits is None:
            whole.update((rule, member) for member in looks_at)
        else:
            waiting[rule, scope] = (rule, shape.waits(scope))
    members = round_.known.members.of(round_.db, whole.union(waiting.values()))
    if ready := {scope for scope, awaited in waiting.items() if members[awaited]}:
        members |= round_.known.members.of(round_.db, ready)
    begun: dict[Scope, int] = {}
    for thing, rule, _, _, looks_at in requests if since else ():
        if thing in since:
            for key in {(rule, scope) for scope in looks_at} - members.keys():
                begun[key] = min(since[thing], begun.get(key, since[thing]))
    if begun:
        members |= members_since(round_.db, begun)
    return members, begun


def _is_silent(round_: Round, request: Asked, members: Mapping[Scope, Members], counted: Counted) -> bool:
    """Whether a sum has no act that anything is said for (`Sum.triggers`, `Sum.waits`), and nothing was counted of its
    scope."""
    shape = request.shape
    if shape.waits is not None:
        return (request.rule, request.scope) not in members
    if shape.triggers is None or counted.has(request):
        return False
    if shape.step is not None and sum(len(members[request.rule, scope]) for scope in request.looks_at) >= ACTS_MIN:
        return False  # it goes on from there, and does not look at all of them again
    triggers = round_.shapes.triggers[request.rule]
    return not any(thing.startswith(triggers) for scope in request.looks_at for thing in members[request.rule, scope])


def _since_report(round_: Round, requests: Sequence[Asked]) -> tuple[dict[str, int], dict[str, list[UsedDay]]]:
    """The sums, by thing, of which something changed only from an instant on that a report came before, each with the
    instant of that; and of their contracts what was used since."""
    reported: dict[str, int] = {}
    days: dict[str, list[UsedDay]] = {}
    later = [
        request
        for request in requests
        if request.shape.since_report and round_.begins.get(request.thing, EARLIEST) > EARLIEST
    ]
    if not later or sandboxes.watching(round_.packs):
        return reported, days
    for request in later:
        if has_acts(round_, request):
            used, first = summaries.used_since(round_.db, request.scope, round_.begins[request.thing])
            if first is not None:
                reported[request.thing] = first
                days[request.scope] = used
    return reported, days


def _reports(
    round_: Round, begun: Mapping[Scope, int], members: Mapping[Scope, Members], shapes: Mapping[Scope, Sum]
) -> dict[str, Reported]:
    """The reports of all things; of those with many, each of which counts, only those that sums look at."""
    first = _firsts(round_, begun, members, shapes)
    reports = round_.reports(
        sorted({thing for scope_members in members.values() for thing in scope_members} - first.keys())
    )
    return reports | round_.reports_since(first) if first else reports


def _firsts(
    round_: Round, begun: Mapping[Scope, int], members: Mapping[Scope, Members], shapes: Mapping[Scope, Sum]
) -> dict[str, int]:
    """Of things of many reports, each of which counts, the instant from which on sums look at them.

    Of sums that are gone over as a whole that is since when they belong to them, where that is known.
    """
    repeated = {thing for scope_members in members.values() for thing in scope_members if is_repeated(thing)}
    large = {thing for thing in repeated if not _has_few_reports(round_, thing)}
    if not large:
        return {}
    firsts: dict[str, int] = {}
    unknown: set[str] = set()
    for key, scope_members in members.items():
        for thing in large & scope_members.keys():
            since = min(begun.values()) if key in begun else None if shapes[key].every_report else scope_members[thing]
            if since is None:
                unknown.add(thing)
            else:
                firsts[thing] = min(since, firsts.get(thing, since))
    return {thing: firsts[thing] for thing in each_counts(round_.db, round_.known, firsts.keys() - unknown)}


def _has_few_reports(round_: Round, thing: str) -> bool:
    cached = round_.known.cached_reports(thing)
    return cached is not None and len(cached.reports) <= REPORTS_FEW_MAX


def _recalled(
    request: Asked, going_on: GoingOn, members: Mapping[Scope, Members], reports: Mapping[str, Reported]
) -> Iterable[str]:
    """The contracts that a sum that goes on has its acts look at by what it remembers; else its acts name them."""
    recalls = request.shape.recalls
    if recalls is None or request.thing not in going_on.since:
        return
    ledger, since = going_on.sums[request.thing].ledger, going_on.since[request.thing]
    for act in (
        act for scope in request.looks_at for thing in members[request.rule, scope] for act in reports[thing].acts
    ):
        if act.time >= since:
            yield from recalls(ledger, act)


def _after(running: Running | None) -> int:
    """From when on something is new to a sum: it has looked at all no later than its last act."""
    return running.times[-1] + 1 if running is not None and running.times else EARLIEST


def _is_actless(round_: Round, request: Asked) -> bool:
    """Whether a period that is judged for its own acts only has none (any more)."""
    period = request.shape.period
    return period is not None and period.own_acts_only and not has_acts(round_, request)


def has_acts(round_: Round, request: Asked) -> bool:
    """Whether any act belongs to a sum's own scope."""
    query = "select 1 from scopes where rule = ? and scope = ? limit 1"
    return round_.db.one(query, request.rule, request.scope) is not None
