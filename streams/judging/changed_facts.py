"""Finds the acts that look at what was stated of assets, parties or contracts, and has them judged again."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from circulation.daily import day_scope, end_of
from circulation.events.names import ASSET_REGISTERED, ASSETS, CONTRACTS, PARTIES
from circulation.licences import TERMS_TYPES
from streams.facts import loading, recent
from streams.facts.groups import with_groups
from streams.facts.running_sums import EARLIEST
from streams.judging import scopes
from streams.judging.round import Round
from streams.judging.scopes import Scope
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of
from streams.store.queue import AGAIN, LIVE, Kind

# Acts that are judged again before what just came because a fact changed; where there are more, all are bulk.
EXPANDED_MAX: Final = 500


def find(round_: Round, things: Sequence[str]) -> None:
    """Find the acts and the days that look at what was stated, and queue them.

    Acts that this round judges anyway see what was stated, and are not queued again: they are judged from the instant
    on from which it may matter.
    """
    subjects: dict[str, list[str]] = {
        "asset": [],
        "party": [],
        "contract": [],
        "group": [],
        "offered": [],
        "payment": [],
        "uses": [],
        "reports": [],
    }
    begins, shapes = round_.begins, round_.shapes
    stated = [
        recent.Change(kind, subject, begins.get(thing, EARLIEST))
        for thing in things
        for kind, subject in (queue.fact_of(thing),)
    ]

    def screened(since: int) -> bool:
        """Whether what is known of an instant from this one on is asked again when the list changes."""
        return bool(shapes.screens and round_.packs.screens.between(since, round_.horizon))

    types = recent.Types(
        shapes.types,
        shapes.types_of_whole_groups,
        shapes.types_of_ancestors,
        shapes.types_of_inputs,
        shapes.types_recalling,
    )
    late = recent.find(round_.db, round_.known, stated, screened, types)
    for kind, subject, _ in late.broad_changes:
        subjects[recent.ENTITIES.get(kind, kind)].append(subject)
    # Of acts from which instant on they are judged.
    acts = dict.fromkeys(_of_all(round_, subjects), EARLIEST)
    for thing, instant in late.acts.items():
        acts[thing] = min(instant, acts.get(thing, instant))
    if shapes.looks_at_payments:
        acts |= dict.fromkeys(_closing_between_groups(round_, stated), EARLIEST)
    _touch_sums(round_, acts)
    for thing in round_.of(Kind.ACT):
        if thing in acts:
            begins[thing] = min(acts.pop(thing), begins.get(thing, EARLIEST))
    round_.queue(acts, LIVE if len(acts) <= EXPANDED_MAX else AGAIN, acts)
    broad = {(change.kind, change.subject) for change in late.broad_changes}
    begun = {change.subject: change.since for change in stated if change.kind == "contract" and change[:2] not in broad}
    _judge_days_of(round_, dict.fromkeys(subjects["contract"], EARLIEST) | begun)
    _judge_uses_abroad_of(round_, [change.subject for change in stated if change.kind == "asset"])
    if subjects["uses"] or subjects["reports"]:
        _judge_days(round_, *(list(map(queue.contract_day_of, subjects[kind])) for kind in ("uses", "reports")))


def _of_all(round_: Round, subjects: Mapping[str, list[str]]) -> dict[str, None]:
    """All acts that look at any of these, whenever they were."""
    db, shapes, known = round_.db, round_.shapes, round_.known
    acts: dict[str, None] = {}
    assets, contracts = set(subjects["asset"]), set(subjects["contract"])
    if parties := subjects["party"]:
        acts |= _acts_of(db, PARTIES, parties, shapes.types)
        named = naming(db, "party", parties)
        acts |= _acts_among(db, named, shapes.types)
        contracts |= {row[1] for row in named if row[2] == CONTRACTS}
        assets |= {row[1] for row in named if row[3] == ASSET_REGISTERED}
    if assets:
        acts |= _of_assets(db, loading.below(db, sorted(assets)), shapes.types)
    acts |= _of_contracts(db, sorted(contracts), shapes.types)
    if paid := subjects["payment"]:
        # A later payment may close a ring with it.
        acts |= _closing(round_, db.rows(f"select {COLUMNS} from events where thing = any(?)", paid))  # noqa: S608
    if offered := subjects["offered"]:
        # A listing says as what a product is offered, and for which price; a contract on it may not say it again.
        acts |= _acts_among(db, naming(db, "asset", offered), [*TERMS_TYPES])
    groups = list(subjects["group"])
    if parties and (types := sorted({*shapes.types_of_groups, *shapes.types_of_whole_groups})):
        below = known.controlled(db, parties)
        acts |= _of_groups(db, below, types)
        # An owner of an asset is controlled by the controllers of its controllers.
        owned = {row[1] for row in naming(db, "party", below) if row[3] == ASSET_REGISTERED} - assets
        if owned and shapes.types_of_groups:
            acts |= _of_assets(db, loading.below(db, sorted(owned)), shapes.types_of_groups)
        # Where nobody below has a record, nobody else of the group is judged by them.
        groups += [party for party, facts in known.parties(db, below).items() if facts.recorded]
    if groups and (types := shapes.types_of_whole_groups):
        acts |= _of_groups(db, list(with_groups(db, groups)), types)
    return acts


def _closing(round_: Round, settlements: Sequence[tuple[Any, ...]]) -> dict[str, None]:
    """The settlements that may close a ring with these."""
    known, db = round_.known, round_.db
    of = {(event.data.payee, event.time) for event in map(event_of, settlements)}
    return dict.fromkeys(loading.payments_after(db, of, lambda parties: known.with_groups(db, parties)))


def _closing_between_groups(round_: Round, stated: Sequence[recent.Change]) -> dict[str, None]:
    """The settlements that may close a ring of ultimate controllers by what was stated of who controls whom.

    Where a registration says no more than that nothing changed, there is none. One that was taken back may have said
    anything.
    """
    known, db = round_.known, round_.db
    acts: dict[str, None] = {}
    for kind, subject, since in stated:
        if kind != "party":
            continue
        party = known.parties(db, [subject])[subject]
        if since > EARLIEST:
            if not party.moved_since(since):
                continue
            since = party.changed_since(since)
        rows = loading.payments(db, ("payer", "payee"), known.controlled(db, [subject]), since)
        acts |= dict.fromkeys(sorted(row[4] for row in rows)) | _closing(round_, rows)
    return acts


def _of_groups(db: Db, parties: Sequence[str], types: Sequence[str]) -> dict[str, None]:
    """Acts of these types that the parties do, that name them, or what they own: rules look at who controls them."""
    acts = _acts_of(db, PARTIES, parties, types)
    named = naming(db, "party", parties)
    acts |= _acts_among(db, named, types)
    # Of a settlement rules ask for whom payer and payee act; nothing else of its contract hangs on that.
    acts |= _acts_among(db, [row for kind in ("payer", "payee") for row in naming(db, kind, parties)], types)
    if owned := sorted({row[1] for row in named if row[3] == ASSET_REGISTERED}):
        acts |= _of_assets(db, loading.below(db, owned), types)
    return acts | _of_contracts(db, sorted({row[1] for row in named if row[2] == CONTRACTS}), types)


def _of_assets(db: Db, assets: Sequence[str], types: Sequence[str]) -> dict[str, None]:
    acts = _acts_of(db, ASSETS, assets, types)
    named = naming(db, "asset", assets)
    acts |= _acts_among(db, named, types)
    return acts | _of_contracts(db, sorted({row[1] for row in named if row[2] == CONTRACTS}), types)


def _of_contracts(db: Db, contracts: Sequence[str], types: Sequence[str]) -> dict[str, None]:
    """The acts of these types under these contracts, in order; then those that name one of them."""
    of_topic = _on(CONTRACTS, tuple(types))
    if not contracts or not of_topic:
        return {}
    query = (
        "select 0, thing, type from events where topic = ? and subject = any(?) and type = any(?)"
        " union all select 1, e.thing, e.type from refs r join events e on e.id = r.event"
        " where r.kind = ? and r.ref = any(?)"
    )
    # Of what names a contract a planner is not told the types: it would look for these, wherever they are.
    rows = sorted(db.rows(query, CONTRACTS, list(contracts), list(of_topic), "contract", list(contracts)))
    return dict.fromkeys(thing for _, thing, type_ in rows if type_ in types)


def naming(db: Db, kind: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Events that name one of these: (number, subject, topic, type)."""
    return db.rows(
        "select e.id, e.subject, e.topic, e.type from refs r join events e on e.id = r.event"
        " where r.kind = ? and r.ref = any(?)",
        kind,
        list(ids),
    )


def _acts_among(db: Db, named: Sequence[tuple[Any, ...]], types: Sequence[str]) -> dict[str, None]:
    """The acts of those of the events that are of these types, in order."""
    numbers = [row[0] for row in named if row[3] in types]
    rows = db.rows("select distinct thing from events where id = any(?)", numbers) if numbers else []
    return dict.fromkeys(sorted(row[0] for row in rows))


def _acts_of(db: Db, topic: str, subjects: Sequence[str], types: Sequence[str]) -> dict[str, None]:
    """The acts of these types of the subjects, in order."""
    # Each type is a step in the index: those of other topics are not looked for.
    of_topic = _on(topic, tuple(types))
    if not subjects or not of_topic:
        return {}
    query = "select distinct thing from events where topic = ? and subject = any(?) and type = any(?)"
    return dict.fromkeys(sorted(row[0] for row in db.rows(query, topic, list(subjects), list(of_topic))))


@functools.cache
def _on(topic: str, types: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the types that land on a topic: rules ask for the same few sets of types."""
    return tuple(type_ for type_ in types if recent.topic_of(type_) == topic)


def _touch_sums(round_: Round, begins: Mapping[str, int]) -> None:
    """Have sums that acts belong to which look at what changed go back to before it when they are judged next."""
    if round_.known.sums and begins:
        query = "select thing, rule, scope, time from scopes where thing = any(?) and time >= ?"
        for thing, rule, scope, time in round_.db.rows(query, list(begins), min(begins.values())):
            if time >= begins[thing]:
                scopes.touched(round_, rule, scope, begins[thing])


def _judge_days(round_: Round, used: Sequence[tuple[str, int]], reported: Sequence[tuple[str, int]]) -> None:
    """Queue the sums that look at what was used on days of contracts, and those over what several reported of a day.

    Both are (contract, day).
    """
    db, shapes = round_.db, round_.shapes
    touched: set[Scope] = set()
    query = (
        "select distinct s.rule, s.scope from events e join scopes s on s.thing = e.thing"
        " where e.topic = ? and e.subject = any(?) and e.type = any(?) and s.rule = ?"
    )
    begins: dict[str, int] = {}
    for rule, shape in shapes.daily.items():
        contracts = sorted({contract for contract, day in used if not shape.ended_days or end_of(day) < round_.horizon})
        if contracts:
            touched.update(db.rows(query, CONTRACTS, contracts, sorted(shape.acts), rule))
        if shape.since_report:
            for contract, day in sorted(used, reverse=True):
                begins[queue.sum_(rule, contract)] = end_of(day - 1)
    things = scopes.judged_with(round_, sorted(touched))
    round_.queue(things, LIVE, {thing: begins.get(thing, EARLIEST) for thing in things})
    # No act tells of such a day, so the uses themselves are what belongs to the scope: a late pack finds it.
    rows = [
        (rule, day_scope(day, contract), queue.uses(contract), None, None)
        for rule in shapes.each_day
        for contract, day in sorted({*reported})
    ]
    db.many(schema.scopes, rows, "ignore")
    for row in rows:
        round_.known.members.entered(*row[:3])
    round_.queue(scopes.judged_with(round_, [row[:2] for row in rows]), AGAIN)


def _judge_uses_abroad_of(round_: Round, assets: Sequence[str]) -> None:
    """Queue the contracts on these assets that are used abroad: what an asset is matters at the end of each such day,
    and no act tells of it."""
    rules = round_.shapes.of_abroad
    if not assets or not rules or round_.db.one("select 1 from used_abroad limit 1") is None:
        return
    query = (
        "select distinct e.subject from refs r join events e on e.id = r.event where r.kind = 'asset'"
        " and r.ref = any(?) and e.topic = ? and exists (select 1 from used_abroad u where u.contract = e.subject)"
    )
    contracts = sorted(row[0] for row in round_.db.rows(query, list(assets), CONTRACTS))
    round_.queue([queue.sum_(rule, contract) for rule in rules for contract in contracts], LIVE)


def _judge_days_of(round_: Round, contracts: Mapping[str, int]) -> None:
    """Queue days of which no act tells, of contracts that were stated again, each from an instant on: another one may
    answer for them now."""
    shapes = round_.shapes
    if not contracts or not shapes.each_day:
        return
    begun = {queue.uses(contract): since for contract, since in contracts.items()}
    rows = round_.db.rows("select thing, rule, scope from scopes where thing = any(?)", list(begun))
    scopes_of_days = {
        (rule, scope)
        for thing, rule, scope in rows
        if shapes.period_of(rule) is None or shapes.ends(rule, scope) >= begun[thing]
    }
    round_.queue(scopes.judged_with(round_, sorted(scopes_of_days)), AGAIN)
