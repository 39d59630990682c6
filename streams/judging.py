"""Judges what waits on the judge queue: acts, scopes of sums, changed facts, runs, packs.

A second transaction, after intake's: it takes items, locks the things concerned, *then* reads what they need, and
raises, revises and clears. Findings and the removal of the items are one transaction, so a crash judges again and a
second judgement of the same facts changes nothing. Nothing is locked between desks: whatever was committed before a
judge reads is seen by it, and what is committed later brings an item of its own.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from circulation import runs
from circulation.credit import upheld
from circulation.daily import UsedDay, day_scope, end_of, of_scope
from circulation.events import TYPES, Event
from circulation.facts import DELISTED, LISTED, SIGNED, Act, Facts, order
from circulation.findings import Said
from circulation.rules import Check, Period, Rule, Screen, Sum
from circulation.sandbox import DETECTOR as SANDBOX
from circulation.sandbox import Place, passed
from circulation.sandbox import scopes as sandboxes
from streams import anew, docket, loading, schema, screening, statements, summaries, trials
from streams.book import CREDIT, JOURNAL, LIVE, STATING, Book, Change, Entry, Message, canonical, cloudevent, post
from streams.desks import (
    AGAIN,
    ASIDE,
    DERIVED,
    RETRACTED,
    RUN,
    SEPARATOR,
    SETTLED,
    about_of,
    error_said,
    joined,
    thing_of,
    unpacked_gap,
)
from streams.loading import COLUMNS, Known, event_of
from streams.pace import Pace
from streams.rulebook import Rulebook
from streams.store import Db

# Where acts touch no more sums than this, these are judged in the same transaction: two would take twice as long.
AT_ONCE_MAX = 200
# Acts that are judged again before what just came because a fact changed; where there are more, all are bulk.
EXPANDED_MAX = 500
# Of what waits in bulk, so many requests for one thing are looked for: it is judged once for all of them.
ALIKE_MAX = 20
# Slices of a search follow each other in one transaction for about so long: each alone is mostly waiting for the store.
SLICES_SECONDS = 0.02
# A product is listed, a mark seen, a buyer refused again and again: each such event is an act of its own.
EACH = frozenset({LISTED, DELISTED, "circulation.watermark.sighted", "circulation.request.refused"})
# Of these each replaces or adds to the one before it: no reporter's takes the place of another's.
STATED = frozenset(
    {"circulation.asset.registered", "circulation.asset.graded", DERIVED, "circulation.party.registered"}
)


class Judged(NamedTuple):
    """What one round of judging did: for the metrics. `told` counts events of cases that are to be sent, `looks` by
    rule the acts, scopes and screenings that it was asked about. Of what waits in bulk, so many `things` of one `kind`.
    """

    items: int
    changes: list[Change]
    errors: list[str]
    since: int
    told: int = 0
    looks: Mapping[str, int] = {}
    kind: str = ""
    things: int = 0


class Judge:
    """Takes items from the queue and settles them."""

    def __init__(self, rules: Mapping[str, Rule], book: Book, packs: Rulebook, known: Known) -> None:
        self._book = book
        self._known = known
        self._packs = packs
        self._rules = rules
        self._checks: dict[str, list[tuple[Rule, Check]]] = {}
        self._sums: dict[str, list[tuple[Rule, Sum]]] = {}
        for rule in rules.values():
            for type_ in rule.check.acts if rule.check else ():
                self._checks.setdefault(type_, []).append((rule, rule.check))  # type: ignore[arg-type]
            for type_ in rule.sum.acts if rule.sum else ():
                self._sums.setdefault(type_, []).append((rule, rule.sum))  # type: ignore[arg-type]
        self._screens: list[tuple[Rule, Screen]] = [(rule, rule.screen) for rule in rules.values() if rule.screen]
        circulating = screening.CIRCULATING if self._screens else ()
        self._types = sorted({*self._checks, *self._sums, *circulating})
        self._anew = anew.Anew(rules, self._types)
        shapes: list[Check | Sum | None] = [shape for rule in rules.values() for shape in (rule.check, rule.sum)]
        of_groups = [shape.acts for shape in shapes if shape is not None and "controllers" in shape.needs]
        self._types_of_groups = sorted(frozenset[str]().union(*of_groups))
        whole = [shape.acts for shape in shapes if shape is not None and "group" in shape.needs]
        self._types_of_whole_groups = sorted(frozenset[str]().union(*whole))
        daily = {rule.id: rule.sum for rule in rules.values() if rule.sum is not None and "days" in rule.sum.needs}
        self._each_day = [id_ for id_, shape in daily.items() if shape.each_day]
        self._daily = {id_: shape for id_, shape in daily.items() if not shape.each_day}
        # What follows from a round waits since what it judged was queued.
        self._since = 0
        # Nor does it come before what it was queued with.
        self._priority = LIVE
        self._horizon = 0
        self._looks: Counter[str] = Counter()
        # The sums that this round judges after its acts, though nothing asked for them yet, and how many it may.
        self._at_once: list[str] = []
        self._at_once_max = 0

    def round(
        self, db: Db, now: int, limit: int, *, pace: Pace | None = None, first: int = LIVE, below: int = ASIDE
    ) -> Judged:
        """Judges up to `limit` items in the open transaction; of what did not just come, with a `pace`, as many things
        of one kind as it says. Those of priority `first`, or, where none of these waits, of the first priority `below`
        the one given of which any does.
        """
        items = self._waiting(db, limit, pace, first, below)
        if not items:
            return Judged(0, [], [], 0)
        with self._known.round():
            return self._settle(db, items, now, limit)

    def _settle(self, db: Db, items: Sequence[tuple[Any, ...]], now: int, limit: int) -> Judged:
        numbers = [one[0] for one in items]
        # By the numbers alone, a planner that takes the queue for empty, as it mostly is, goes through all of an index.
        bounds = items[0][3], min(numbers), max(numbers)
        db.run("delete from queue where priority = ? and id between ? and ? and id = any(?)", *bounds, numbers)
        self._looks = Counter()
        # Where items are judged one by one to find one that fails, what follows from it is not part of it.
        self._at_once, self._at_once_max = [], AT_ONCE_MAX if limit > 1 else 0
        things = list(dict.fromkeys(one[1] for one in items))
        since = self._since = min(one[2] for one in items)
        self._priority = items[0][3]
        # As it was when they were taken: what is due by a later one comes by itself.
        horizon = self._horizon = items[0][4]
        db.lock(things)
        # As they were when what waits was: who judges what a pack touches has to know it.
        self.refresh(db, None if self._known.alone else items[0][5:])
        changes: list[Change] = []
        errors: list[str] = []
        by_kind: dict[str, list[str]] = {}
        for thing in things:
            by_kind.setdefault(_kind(thing), []).append(thing)
        for thing in by_kind.get("pack", ()):
            self._again(db, thing, horizon)
        for thing in by_kind.get("anew", ()):
            self._renew(db, thing)
        for thing in by_kind.get("search", ()):
            self._search(db, thing)
        acts = by_kind.get("act", [])
        self._changed(db, by_kind.get("fact", ()), judged=acts)
        for thing in by_kind.get("run", ()):
            self._derive(db, thing.split(SEPARATOR, 1)[1])
        if gaps := by_kind.get("gap"):
            rows = db.rows("select thing, gap from gaps where thing = any(?) order by thing", gaps)
            rule = self._rules["feed-gap"]
            entries = [one for thing, raw in rows for one in self._entries(thing, [(rule, unpacked_gap(raw))], now)]
            changes += self._book.enter(db, entries, things=gaps, now=now, priority=self._priority)
        if acts:
            self._judge_acts(db, acts, now, horizon, changes, errors)
        if screens := by_kind.get("screen"):
            self._judge_screens(db, screens, now, horizon, changes, errors)
        if sums := list(dict.fromkeys([*by_kind.get("sum", ()), *self._at_once])):
            self._judge_sums(db, sums, now, horizon, changes, errors)
        if credit := by_kind.get("credit"):
            self._state(db, credit, now, changes)
        told = docket.enter(db, cases, horizon) if (cases := by_kind.get("case")) else 0
        kind = "" if self._priority == LIVE else _kind(things[0])
        return Judged(len(items), changes, errors, since, told, self._looks, kind, len(things))

    def _waiting(self, db: Db, limit: int, pace: Pace | None, first: int, below: int) -> list[tuple[Any, ...]]:
        """What is taken, all of one priority, of bulk all requests for few things.

        (number, thing, since, priority, horizon), and, where others may write, the state of the packs.
        """
        packs, values = ("null", ()) if self._known.alone else self._packs.asks()
        query = f"select id, thing, since, priority, (select instant from horizon), {packs} from queue where priority"  # noqa: S608
        rows: list[Any] = []
        if first != LIVE:
            # What another judge has is not asked for again.
            rows = db.rows(f"{query} = ? order by id limit 1 for update skip locked", *values, first)
        if not rows:
            rows = db.rows(f"{query} < ? order by priority, id limit ? for update skip locked", *values, below, limit)
        if not rows or (priority := rows[0][3]) == LIVE:
            return [row for row in rows if row[3] == LIVE]
        size = limit if pace is None else pace(_kind(rows[0][1]))
        most = size * ALIKE_MAX
        rows = db.rows(f"{query} = ? order by id limit ? for update skip locked", *values, priority, most)
        things: dict[str, None] = {}
        taken = []
        for row in rows:
            if pace is not None and _kind(row[1]) != _kind(rows[0][1]):
                continue
            if row[1] in things or len(things) < size:
                things[row[1]] = None
                taken.append(row)
        return taken

    def refresh(self, db: Db, state: tuple[Any, ...] | None = None) -> None:
        """Looks for packs, where any may have come. `state`: see `Rulebook.refresh`."""
        if self._known.packs_changed or not self._known.alone:
            self._known.packs_changed = False
            self._packs.refresh(db, state)

    def _horizon_of(self, db: Db) -> int:
        known = self._known
        if known.horizon is None or not known.alone:
            (known.horizon,) = db.one("select instant from horizon") or (0,)
        return known.horizon

    def move(self, db: Db, horizon: int) -> None:
        """Moves the horizon on, never back."""
        if not self._known.alone or self._horizon_of(db) < horizon:
            db.run("update horizon set instant = ? where instant < ?", horizon, horizon)
            self._known.horizon = None

    def due(self, db: Db, horizon: int, now: int) -> int:
        """Moves the horizon on and queues what is due by it; answers with how many."""
        self.move(db, horizon)
        rows = db.rows("select thing, due from deadlines where due < ? order by due, thing limit 1000", horizon)
        for thing, due in rows:
            db.run("delete from deadlines where thing = ? and due = ?", thing, due)
        things = dict.fromkeys(thing for thing, _ in rows)
        db.many(schema.queue, [(self._priority_of(thing), thing, now) for thing in things])
        return len(rows)

    def _priority_of(self, thing: str) -> int:
        """When what is due is judged: before what just came only where it is little."""
        kind, *rest = thing.split(SEPARATOR, 2)
        if kind == "credit":
            return STATING
        of_period = kind == "sum" and self._period_of(rest[0]) is not None
        return AGAIN if of_period or kind in ("screen", "search") else LIVE

    # What a changed fact touches.

    def _queue(self, db: Db, things: Iterable[str], priority: int) -> None:
        db.many(schema.queue, [(priority, thing, self._since) for thing in dict.fromkeys(things)])

    def _things(self, db: Db, condition: str, *values: Any, types: Sequence[str] | None = None) -> list[str]:
        query = f"select distinct thing from events where type = any(?) and {condition}"  # noqa: S608
        return sorted(row[0] for row in db.rows(query, self._types if types is None else types, *values))

    def plan(self, db: Db, horizon: int | None = None) -> None:
        """Has what circulates screened once the clock is past the instants at which entries take effect.

        At an instant that it is past already (at the horizon), what became known since has been screened as it came.
        """
        since = self._horizon_of(db) if horizon is None else horizon
        coming = self._packs().screens.between(since, 2**62) if self._screens else ()
        rows = [(joined("search", str(instant), str(instant + 1), ""), instant) for instant in coming]
        db.many(schema.deadlines, rows, "ignore")

    def _search(self, db: Db, thing: str) -> None:
        """Some slices of what an entry may concern that takes effect in a span of time; the next one waits its turn."""
        _, since, until, begin = thing.split(SEPARATOR, 3)

        def step(after: str) -> str | None:
            found = screening.search(db, self._packs().screens, int(since), int(until), after)
            self._queue(db, [joined("screen", one) for one in found.assets], AGAIN)
            return found.after

        if (after := _slices(begin, step)) is not None:
            self._queue(db, [joined("search", since, until, after)], AGAIN)

    def _again(self, db: Db, thing: str, horizon: int) -> None:
        """A pack came late, or went: what it touches is judged again."""
        _, begin, *came = thing.split(SEPARATOR)
        since = int(begin)
        self._queue(db, [joined("anew", self._anew.first(since, self._set_otherwise(since, *came)))], AGAIN)
        if self._screens:
            self.plan(db, horizon)
            if self._packs().screens.between(since, horizon):
                self._queue(db, [joined("search", str(since), str(horizon), "")], AGAIN)

    def _set_otherwise(self, since: int, digest: str = "") -> list[str]:
        """The rules whose mode or parameters the pack of this digest may change at an instant from `since` on.

        What was in force before it, whatever else came meanwhile, is one of those that are valid then: where all of
        them agree on a rule, nothing changes. Of a pack that is not there (any more) nothing is known.
        """
        packs = self._packs()
        if all(one.pack.digest != digest for one in packs.published):
            return list(self._rules)
        found = []
        for rule in self._rules.values():
            first, *others = (pack.setting(rule.id) for pack in packs.lasting(since))
            said = (first.mode, rule.settings(first.parameters))
            if any((one.mode, rule.settings(one.parameters)) != said for one in others):
                found.append(rule.id)
        return found

    def _renew(self, db: Db, thing: str) -> None:
        """Some slices of what a pack touches; the next one waits its turn behind it."""

        def step(place: str) -> str | None:
            found = self._anew.find(db, place)
            self._queue(db, found.things, STATING if found.kind == anew.CREDIT else AGAIN)
            self._queue(db, self._judged_with(db, found.scopes), AGAIN)
            return found.then

        if (then := _slices(thing.split(SEPARATOR, 1)[1], step)) is not None:
            self._queue(db, [joined("anew", then)], AGAIN)

    def _changed(self, db: Db, things: Sequence[str], judged: Sequence[str]) -> None:
        """Finds the acts that look at assets, parties or contracts of which something was stated.

        Those that are `judged` in this transaction anyway see what was stated, and are not queued again.
        """
        if not things:
            return
        subjects: dict[str, list[str]] = {
            "asset": [],
            "party": [],
            "contract": [],
            "group": [],
            "product": [],
            "payment": [],
            "uses": [],
            "reports": [],
        }
        for thing in things:
            _, kind, subject = thing.split(SEPARATOR, 2)
            subjects[kind].append(subject)
        found: dict[str, None] = {}
        assets, contracts = set(subjects["asset"]), set(subjects["contract"])
        if parties := subjects["party"]:
            found.update(dict.fromkeys(self._things(db, "topic = ? and subject = any(?)", loading.PARTIES, parties)))
            named = self._named(db, "party", parties)
            self._named_things(db, named, found)
            contracts |= {row[1] for row in named if row[2] == loading.CONTRACTS}
            assets |= {row[1] for row in named if row[3] == "circulation.asset.registered"}
        if assets:
            self._of_assets(db, loading.below(db, sorted(assets)), found)
        self._of_contracts(db, sorted(contracts), found)
        if paid := subjects["payment"]:
            # What was paid later may close a circle with it.
            rows = db.rows(f"select {COLUMNS} from events where thing = any(?)", paid)  # noqa: S608
            of = {(one.data.payee, one.time) for one in map(event_of, rows)}
            found.update(dict.fromkeys(loading.payments(db, of, back=False)))
        if products := subjects["product"]:
            # What a product is delivered as, its listing says; who sells it under a contract may not say it again.
            self._named_things(db, self._named(db, "product", products), found, [SIGNED])
        if parties and (types := self._types_of_groups):
            self._of_groups(db, loading.controlled(db, parties), types, found)
        if (some := [*parties, *subjects["group"]]) and (types := self._types_of_whole_groups):
            self._of_groups(db, list(loading.with_groups(db, some)), types, found)
        for thing in judged:
            found.pop(thing, None)
        self._queue(db, found, LIVE if len(found) <= EXPANDED_MAX else AGAIN)
        self._of_days_of(db, subjects["contract"])
        if subjects["uses"] or subjects["reports"]:
            self._of_days(db, *(list(map(_contract_day, subjects[kind])) for kind in ("uses", "reports")))

    def _of_days(self, db: Db, used: Sequence[tuple[str, int]], reported: Sequence[tuple[str, int]]) -> None:
        """The sums that look at what was used on days of contracts, and those over what several reported of a day."""
        horizon = self._horizon
        touched: set[tuple[str, str]] = set()
        query = (
            "select distinct s.rule, s.scope from events e join scopes s on s.thing = e.thing"
            " where e.topic = ? and e.subject = any(?) and e.type = any(?) and s.rule = ?"
        )
        for rule, shape in self._daily.items():
            some = sorted({one for one, day in used if not shape.ended_days or end_of(day) < horizon})
            if some:
                touched.update(db.rows(query, loading.CONTRACTS, some, sorted(shape.acts), rule))
        self._queue(db, self._judged_with(db, sorted(touched)), LIVE)
        # No act tells of such a day, so the uses themselves are what belongs to the scope: a late pack finds it.
        rows = [
            (rule, day_scope(day, one), joined("uses", one))
            for rule in self._each_day
            for one, day in sorted({*reported})
        ]
        db.many(schema.scopes, rows, "ignore")
        for row in rows:
            self._known.entered(*row)
        self._queue(db, self._judged_with(db, [row[:2] for row in rows]), AGAIN)

    def _of_days_of(self, db: Db, contracts: Sequence[str]) -> None:
        """Days of which no act tells, of contracts that were stated anew: who answers for them may be another one."""
        if not contracts or not self._each_day:
            return
        query = "select rule, scope from scopes where thing = any(?) order by rule, scope"
        rows = db.rows(query, [joined("uses", contract) for contract in contracts])
        self._queue(db, self._judged_with(db, rows), AGAIN)

    def _named_things(
        self, db: Db, named: Sequence[tuple[Any, ...]], found: dict[str, None], types: Sequence[str] | None = None
    ) -> None:
        if named:
            things = self._things(db, "id = any(?)", [row[0] for row in named], types=types)
            found.update(dict.fromkeys(things))

    @staticmethod
    def _named(db: Db, kind: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """Events that name one of these: (number, subject, topic, type)."""
        return db.rows(
            "select e.id, e.subject, e.topic, e.type from refs r join events e on e.id = r.event"
            " where r.kind = ? and r.ref = any(?)",
            kind,
            list(ids),
        )

    def _of_groups(self, db: Db, parties: Sequence[str], types: Sequence[str], found: dict[str, None]) -> None:
        """Acts of these types that the parties do, or that name them: rules look at who controls them."""
        query = "topic = ? and subject = any(?)"
        found.update(dict.fromkeys(self._things(db, query, loading.PARTIES, list(parties), types=types)))
        named = self._named(db, "party", parties)
        self._named_things(db, named, found, types)
        contracts = sorted({row[1] for row in named if row[2] == loading.CONTRACTS})
        found.update(dict.fromkeys(self._things(db, query, loading.CONTRACTS, contracts, types=types)))

    def _of_assets(self, db: Db, assets: Sequence[str], found: dict[str, None]) -> None:
        query = "topic = ? and subject = any(?)"
        found.update(dict.fromkeys(self._things(db, query, loading.ASSETS, list(assets))))
        named = self._named(db, "asset", assets)
        self._named_things(db, named, found)
        self._of_contracts(db, sorted({row[1] for row in named if row[2] == loading.CONTRACTS}), found)

    def _of_contracts(self, db: Db, contracts: Sequence[str], found: dict[str, None]) -> None:
        if not contracts:
            return
        query = "topic = ? and subject = any(?)"
        found.update(dict.fromkeys(self._things(db, query, loading.CONTRACTS, list(contracts))))
        self._named_things(db, self._named(db, "contract", contracts), found)

    # Lineage of an OpenLineage run.

    def _derive(self, db: Db, run: str) -> None:
        """A run's events add up: with its COMPLETE, each output that any names is derived from each input."""
        query = f"select {COLUMNS} from events where topic = ? and subject = ? and type = any(?)"  # noqa: S608
        events = [event_of(row) for row in db.rows(query, loading.ASSETS, run, [RUN, RETRACTED])]
        query = "select output, input, origin, time, same from derivations where origin = ?"
        old = {(*row[:4], bool(row[4])) for row in db.rows(query, f"run:{run}")}
        new = {(step.output, step.input, f"run:{run}", time, step.same) for step, time in runs.derived(events).items()}
        if new == old:
            return
        db.run("delete from derivations where origin = ?", f"run:{run}")
        rows = [(output, input_, origin, time, False, None, same) for output, input_, origin, time, same in sorted(new)]
        db.many(schema.derivations, rows, "upsert")
        self._known.forget_edges(one[0] for one in new ^ old)
        self._queue(db, [joined("fact", "asset", output) for output in sorted({one[0] for one in new ^ old})], LIVE)

    # Judging.

    def _acts(
        self,
        db: Db,
        things: Sequence[str],
        circulating: list[Event] | None = None,
        reports: dict[str, list[Act]] | None = None,
    ) -> tuple[dict[str, list[Act]], dict[str, set[tuple[str, str]]]]:
        """The reports that count, by thing; and of what was taken back, (source, id).

        To `circulating` are added all reports of what begins or ends circulation, void ones among them; to `reports`
        all that stand, by thing, also those that do not count.
        """
        if not things:
            return {}, {}
        found = self._known.reported(db, things, _reported)
        if circulating is not None:
            circulating += [event for one in found.values() for event in one.circulating]
        if reports is not None:
            reports.update((thing, one.reports) for thing, one in found.items())
        return {thing: one.acts for thing, one in found.items()}, {
            thing: one.void for thing, one in found.items() if one.void
        }

    def _judge_acts(
        self, db: Db, things: Sequence[str], now: int, horizon: int, changes: list[Change], errors: list[str]
    ) -> None:
        circulating: list[Event] = []
        reports: dict[str, list[Act]] = {}
        scoped = db.ask("select thing, rule, scope from scopes where thing = any(?)", list(things))
        acts, void = self._acts(db, things, circulating if self._screens else None, reports)
        screens = self._packs().screens if circulating else None
        if screens is not None and screens.between(min(one.time for one in circulating), horizon):
            again = screening.touched(db, circulating, screens, horizon)
            self._queue(db, [joined("screen", one) for one in again], AGAIN)
        flat = sorted((act for some in acts.values() for act in some), key=order)
        needs = {need for act in flat for _, check in self._checks.get(act.type, ()) for need in check.needs}
        needs |= {need for act in flat for _, sum_ in self._sums.get(act.type, ()) for need in sum_.needs}
        facts = self._load(db, flat, needs)
        bound = _Bound(facts, self._rules)
        entries: list[Entry] = []
        scopes: dict[str, set[tuple[str, str]]] = {thing: set() for thing in things}
        for act in flat:
            for rule, check in self._checks.get(act.type, ()):
                if said := self._say(db, rule, act, partial(check.check, act, bound[rule.id]), errors):
                    entries += self._entries(act.thing, said, now)
            for rule, sum_ in self._sums.get(act.type, ()):
                named: set[str] = set()
                some = reports[act.thing] if sum_.every_report else (act,)
                if said := self._say(db, rule, act, partial(_name, named, sum_, some, bound[rule.id]), errors):
                    entries += self._entries(act.thing, said, now)
                scopes[act.thing].update((rule.id, scope) for scope in named)
        self._scope(db, scopes, scoped())
        entries = self._tried(db, entries, things, {(act.thing, act.source, act.id): act for act in flat})

        def reason(thing: str, data: Mapping[str, Any]) -> str:
            cause = data.get("cause") or {}
            return "retracted" if (cause.get("source"), cause.get("id")) in void.get(thing, ()) else "refuted"

        changes += self._book.enter(
            db, entries, things=list(things), now=now, reason=reason, priority=self._priority, facts=facts
        )

    def _judge_screens(
        self, db: Db, things: Sequence[str], now: int, horizon: int, changes: list[Change], errors: list[str]
    ) -> None:
        by_asset = {thing.split(SEPARATOR, 1)[1]: thing for thing in things}
        found, acts, contracts = screening.circulations(db, list(by_asset))
        circulating = {one: each for one, each in found.items() if each.since is not None}
        needs = {need for _, shape in self._screens for need in shape.needs}
        flat = [act for one, some in acts.items() for act in acting(by_asset[one], some)]
        facts = self._load(db, flat, needs, contracts=contracts, assets=circulating)
        bound = _Bound(facts, self._rules)
        entries: list[Entry] = []
        for asset, circulation in circulating.items():
            for rule, shape in self._screens:
                said = self._say(db, rule, None, partial(shape.judge, circulation, horizon, bound[rule.id]), errors)
                entries += self._entries(by_asset[asset], said, now)
        entries = self._tried(db, entries, things, {})
        gone = set(things) - {by_asset[one] for one in circulating}

        def reason(thing: str, _: Mapping[str, Any]) -> str:
            return "retracted" if thing in gone else "refuted"

        changes += self._book.enter(
            db, entries, things=list(things), now=now, reason=reason, priority=self._priority, facts=facts
        )

    def _scope(self, db: Db, scopes: Mapping[str, set[tuple[str, str]]], scoped: Iterable[tuple[Any, ...]]) -> None:
        """Writes which scopes the acts belong to, and queues those left, entered, or touched again.

        `scoped` are the rows that there are: (thing, rule, scope).
        """
        before: dict[str, set[tuple[str, str]]] = {thing: set() for thing in scopes}
        for thing, rule, scope in scoped:
            before[thing].add((rule, scope))
        for thing, some in before.items():
            for rule, scope in sorted(some - scopes[thing]):
                db.run("delete from scopes where rule = ? and scope = ? and thing = ?", rule, scope, thing)
                self._known.left(rule, scope)
        new = [(*one, thing) for thing, some in scopes.items() for one in sorted(some - before[thing])]
        db.many(schema.scopes, new, "ignore")
        for one in new:
            self._known.entered(*one)
        touched = sorted({one for thing in scopes for one in (*before[thing], *scopes[thing])})
        # A period looks at many acts, so it waits until all that came have been judged.
        of_periods = [one for one in touched if self._period_of(one[0]) is not None]
        self._queue(db, self._judged_with(db, of_periods), AGAIN)
        others = self._judged_with(db, [one for one in touched if self._period_of(one[0]) is None])
        if len(others) <= self._at_once_max:
            # Their acts are in sight of this transaction. What another judge has waits, as nobody may wait for a lock
            # twice: two of them might wait for each other.
            self._at_once = db.try_lock(others)
            others = sorted({*others}.difference(self._at_once))
        self._queue(db, others, LIVE)

    def _judge_sums(
        self, db: Db, things: Sequence[str], now: int, horizon: int, changes: list[Change], errors: list[str]
    ) -> None:
        scopes: list[tuple[str, str, str]] = []
        deadlines: list[tuple[str, int]] = []
        looked_at: dict[str, Sequence[str]] = {}
        for thing in things:
            _, rule_id, scope = thing.split(SEPARATOR, 2)
            period = self._period_of(rule_id)
            if period is not None and (ends := period.ends(scope)) >= horizon:
                deadlines.append((thing, ends))
                continue
            looked_at[thing] = (scope,) if period is None else period.members(scope)
            scopes.append((thing, rule_id, scope))
        members = self._known.members(db, {(rule, one) for thing, rule, _ in scopes for one in looked_at[thing]})
        rules = sorted({rule for _, rule, _ in scopes})
        self._count_uses(db, {scope for _, rule, scope in scopes if rule == SANDBOX})
        reports: dict[str, list[Act]] = {}
        by_thing, void = self._acts(db, sorted({one for some in members.values() for one in some}), None, reports)
        gone = {one for some in void.values() for one in some}
        needs = {need for rule in rules if (shape := self._sum_of(rule)) for need in shape.needs}
        asking = {scope for _, rule, scope in scopes if (shape := self._sum_of(rule)) and "uses" in shape.needs}
        uses = loading.first_uses(db, asking) if asking else {}
        of_days = [scope for _, rule, scope in scopes if (shape := self._sum_of(rule)) and shape.each_day]
        asking |= {of_scope(scope)[1] for scope in of_days}
        # What belongs to rules that ask for nothing but acts may be much, and needs nothing loaded.
        needing = {
            one for (rule, _), some in members.items() if (shape := self._sum_of(rule)) and shape.needs for one in some
        }
        flat = [act for one in sorted(needing) for act in by_thing[one]]
        used = {of_scope(scope)[1] for scope in of_days}
        daily = {one for (rule, _), some in members.items() if rule in self._daily for one in some}
        used |= {act.subject for one in daily for act in by_thing[one]}
        days = summaries.used_days(db, used) if "days" in needs else {}
        facts = self._load(db, flat, needs, contracts=asking, uses=uses, days=days)
        bounds = _Bound(facts, self._rules)
        entries: list[Entry] = []
        causes: dict[tuple[str, str, str], Act] = {}
        empty: set[str] = set()
        for thing, rule_id, scope in scopes:
            rule, shape = self._rules.get(rule_id), self._sum_of(rule_id)
            if rule is None or shape is None:
                empty.add(thing)
                continue
            mine = looked_at[thing]
            some_things = dict.fromkeys(one for each in mine for one in members[rule_id, each])
            bound = bounds[rule_id]
            acts: list[Act] = []
            for one in some_things:
                some = by_thing[one]
                if shape.every_report:
                    acts += reports[one]
                elif len(some) == 1:
                    acts += some
                else:
                    # Several signings of one contract are one thing, and may belong to different scopes.
                    acts += [act for act in some if not {*mine}.isdisjoint(shape.scopes(act, bound))]
            acts.sort(key=order)
            if not acts and not ("uses" in shape.needs and scope in uses) and not shape.each_day:
                empty.add(thing)
                continue
            said = self._say(db, rule, acts[-1] if acts else None, partial(shape.judge, scope, acts, bound), errors)
            standing = []
            for who, what in said:
                if what.due is None or what.due < horizon:
                    standing.append((who, what))
                else:
                    deadlines.append((thing, what.due))
            if rule_id == SANDBOX:
                used_on = (day for one in sorted({act.subject for act in acts}) for day, _, _ in days.get(one, ()))
                deadlines += [(thing, end_of(day)) for day in used_on if end_of(day) >= horizon]
            entries += self._entries(thing, standing, now)
            if self._watching():
                causes |= {(thing, act.source, act.id): act for act in acts}
        entries = self._tried(db, entries, [thing for thing, _, _ in scopes], causes)
        self._passed(db, [scope for _, rule_id, scope in scopes if rule_id == SANDBOX])
        if waiting := [thing for thing in things if self._waits(thing)]:
            db.run("delete from deadlines where thing = any(?)", waiting)
        db.many(schema.deadlines, sorted(set(deadlines)), "ignore")

        def reason(thing: str, data: Mapping[str, Any]) -> str:
            cause = data.get("cause") or {}
            taken_back = (cause.get("source"), cause.get("id")) in gone
            return "retracted" if taken_back or (thing in empty and not cause) else "refuted"

        changes += self._book.enter(
            db,
            entries,
            things=[thing for thing, _, _ in scopes],
            now=now,
            reason=reason,
            priority=self._priority,
            facts=facts,
        )

    # Sandboxes.

    def _watching(self) -> bool:
        """Whether a pack is ever in force that holds anything back within a sandbox."""
        return any(span.pack.sandbox for span in self._packs().spans())

    def _tried(
        self, db: Db, entries: list[Entry], things: Sequence[str], causes: Mapping[tuple[str, str, str], Act]
    ) -> list[Entry]:
        """Marks what is said within sandboxes; each of them is judged after it, for it may see more by then."""
        if not self._watching():
            return entries
        trials.forget(db, things)
        marked, looked_at = trials.watched(db, entries, causes, partial(self._passing, db))
        self._queue(db, [joined("sum", SANDBOX, scope) for scope in sorted(looked_at)], self._priority)
        return marked

    def _passing(self, db: Db, scopes: Sequence[str]) -> dict[str, Place | None]:
        """The first place at which a cap of each sandbox is passed, None where none is."""
        query = "select scope, thing from scopes where rule = ? and scope = any(?) order by thing"
        members: dict[str, list[str]] = {}
        for scope, thing in db.rows(query, SANDBOX, list(scopes)):
            members.setdefault(scope, []).append(thing)
        by_thing, _ = self._acts(db, sorted({one for some in members.values() for one in some}))
        flat = [act for some in by_thing.values() for act in some]
        days = summaries.used_days(db, {act.subject for act in flat})
        facts = self._load(db, flat, {"contract", "party"}, days=days)
        found: dict[str, Place | None] = dict.fromkeys(scopes)
        for scope, some in members.items():
            acts = (act for one in some for act in by_thing[one] if scope in sandboxes(act, facts))
            places = (one.place for one in passed(scope, sorted(acts, key=order), facts))
            found[scope] = min(places, default=None)
        return found

    def _count_uses(self, db: Db, scopes: Collection[str]) -> None:
        """Has the uses of the holders' contracts looked at by the day from now on, and what is kept of them stay."""
        holders = {scope.split(SEPARATOR)[0] for scope in scopes}
        if not holders:
            return
        holders -= {row[0] for row in db.rows("select party from counted where party = any(?)", sorted(holders))}
        parties = loading.parties(db, holders).items()
        new = sorted(holder for holder, facts in parties if any(one.grant.uses_max is not None for one in facts.trials))
        if not new:
            return
        db.one("select party from counted where party = '' for update")
        db.many(schema.counted, [(one,) for one in new], "ignore")
        contracts = sorted({row[1] for row in self._named(db, "party", new) if row[2] == loading.CONTRACTS})
        db.run("update used_days set taken = null where contract = any(?)", contracts)

    def _passed(self, db: Db, scopes: Sequence[str]) -> None:
        """Has judged again what was judged when the caps of these sandboxes were passed elsewhere."""
        if scopes and self._watching():
            self._queue(db, trials.stale(db, self._passing(db, scopes)), self._priority)

    # Credit.

    def _state(self, db: Db, things: Sequence[str], now: int, changes: list[Change]) -> None:
        """Folds the statements of parties anew; what is not as it was sent goes out, and what time changes is due."""
        ledgers = statements.ledgers(db, [thing.split(SEPARATOR, 1)[1] for thing in things])
        held: dict[str, set[str]] = {party: set() for party in ledgers}
        for party, finding in db.rows("select party, finding from upheld where party = any(?)", list(ledgers)):
            held[party].add(finding)
        for party, ledger in ledgers.items():
            # what this clears or raises brings an item of its own
            changes += self._book.uphold(db, party, held[party], upheld(ledger.events), now)
        packs = self._packs()
        stated = statements.statements(ledgers, packs, now)
        later = [span.start for span in packs.spans() if span.start is not None and span.start > now]
        old = dict(db.rows("select party, data from statements where party = any(?)", list(stated)))
        rows, deadlines = [], []
        messages: list[Message] = []
        for party, one in stated.items():
            turns = [*later, *(() if one.changes is None else (one.changes,))]
            if turns:
                # deadlines are taken once the clock is past them
                deadlines.append((joined("credit", party), min(turns) - 1))
            before = orjson.loads(old[party]) if party in old else {}
            if before | {"as_of": None} == one.data | {"as_of": None}:
                continue
            # Of who answers for thousands of findings this is a megabyte: it is written out as seldom as can be.
            data = canonical(one.data)
            rows.append((party, now, one.data["score"], one.data["grade"], data))
            message = cloudevent(
                CREDIT,
                party,
                type_="circulation.credit.stated",
                source="/circulation/credit",
                id_=hashlib.blake2b(data, digest_size=16).hexdigest(),
                time=now,
                data=one.data,
            )
            messages += [message, message._replace(topic=JOURNAL)]
        db.run("delete from deadlines where thing = any(?)", list(things))
        db.many(schema.deadlines, deadlines)
        db.many(schema.statements, rows, "upsert")
        post(db, messages)

    def _sum_of(self, rule: str) -> Sum | None:
        found = self._rules.get(rule)
        return None if found is None else found.sum

    def _waits(self, thing: str) -> bool:
        """Whether a sum may have deadlines; of a rule that is gone they go."""
        shape = self._sum_of(thing.split(SEPARATOR, 2)[1])
        return shape is None or shape.due or shape.period is not None or "days" in shape.needs

    def _period_of(self, rule: str) -> Period | None:
        shape = self._sum_of(rule)
        return None if shape is None else shape.period

    def _judged_with(self, db: Db, touched: Sequence[tuple[str, str]]) -> list[str]:
        """The things that are judged where acts of these scopes, (rule, scope), changed."""
        found: dict[tuple[str, str], None] = {}
        asked: dict[tuple[str, str], None] = {}
        for rule, scope in touched:
            period = self._period_of(rule)
            for one in (scope,) if period is None else period.touches(scope):
                # What lost its last act is judged once more.
                own = period is None or one == scope or not period.own_acts_only
                (found if own else asked)[rule, one] = None
        if asked:
            query = "select distinct rule, scope from scopes where rule = any(?) and scope = any(?)"
            there = set(db.rows(query, sorted({one[0] for one in asked}), sorted({one[1] for one in asked})))
            found.update(dict.fromkeys(one for one in asked if one in there))
        # Of a period that has not ended nothing is judged, and only its deadline is written.
        horizon = self._horizon
        coming: list[tuple[str, int]] = []
        ended: list[str] = []
        for rule, scope in found:
            thing, period = joined("sum", rule, scope), self._period_of(rule)
            if period is not None and (ends := period.ends(scope)) >= horizon:
                coming.append((thing, ends))
            else:
                ended.append(thing)
        db.many(schema.deadlines, coming, "ignore")
        return ended

    def _entries(self, thing: str, said: Iterable[tuple[Rule, Said]], now: int) -> list[Entry]:
        found = []
        packs = self._packs()
        for rule, one in said:
            pack = packs.in_force(one.occurred)
            if pack.setting(rule.id).mode != "off":
                found.append(Entry(thing, rule, pack, one, now))
        return found

    def _say(
        self, db: Db, rule: Rule, act: Act | None, judge: Callable[[], Iterable[Said]], errors: list[str]
    ) -> list[tuple[Rule, Said]]:
        """What a rule says; where it raises, that is what is said, and the other rules go on."""
        self._looks[rule.id] += 1
        try:
            return [(rule, one) for one in judge()]
        except Exception as error:
            errors.append(rule.id)
            if act is None:
                return []
            return [(self._rules["detector-error"], error_said(rule.id, error, act, responsible(db, act)))]

    def _load(
        self,
        db: Db,
        acts: Sequence[Act],
        needs: Collection[str],
        *,
        contracts: Collection[str] = (),
        assets: Collection[str] = (),
        uses: Mapping[str, int] | None = None,
        days: Mapping[str, Sequence[UsedDay]] | None = None,
    ) -> Facts:
        """All that the rules declared, in bulk: contracts, then assets and their ancestors, then parties."""
        more = set(contracts)
        contracts_: dict[str, Any] = {}
        assets_: dict[str, Any] = {}
        parties: dict[str, Any] = {}
        edges: dict[str, Any] = {}
        known = self._known
        if {*needs} & {"contract", "asset", "ancestors"}:
            contracts_ = known.contracts(db, more | {one for act in acts for one in _contracts_of(act)})
        if {*needs} & {"asset", "ancestors"}:
            ids = set(assets) | {one for act in acts for one in _assets_of(act, contracts_)}
            if "ancestors" in needs:
                edges = known.edges_above(db, ids)
                ids = loading.nodes_above(ids, edges)
            assets_ = known.assets(db, ids)
        if {*needs} & {"party", "controllers", "group", "asset", "ancestors"}:
            wanted = {one for act in acts for one in _parties_of(act)}
            wanted |= {one for contract in contracts_.values() for one in contract.parties()}
            wanted |= {owner for asset in assets_.values() for owner in asset.owners()}
            if "group" in needs:
                parties = known.with_groups(db, wanted)
            else:
                parties = (known.with_controllers if "controllers" in needs else known.parties)(db, wanted)
        payments: dict[str, list[Act]] = {}
        if "payments" in needs:
            of = {(act.data.payer, act.time) for act in acts if act.type == SETTLED}
            some, _ = self._acts(db, loading.payments(db, of, back=True))
            for one in sorted((act for each in some.values() for act in each), key=order):
                payments.setdefault(one.data.payee, []).append(one)
        return Facts(
            packs=self._packs(),
            assets=assets_,
            parties=parties,
            contracts=contracts_,
            edges=edges,
            payments=payments,
            uses=uses,
            days=days,
        )


def responsible(db: Db, act: Act) -> str | None:
    """Who answers for an act: its party; the seller of a listing or contract; else the owner of the asset.

    Looked up here, and not in what the rule asked for: whoever judges it along with what, the answer is the same.
    """
    kind, subject = about_of(act)
    if kind == "party":
        return subject
    seller: str | None = getattr(act.data, "seller", None)
    if seller is None and kind == "contract":
        contract = loading.contracts(db, [subject])[subject].statement(act.time)
        return None if contract is None else str(contract.seller)
    if seller is None and kind == "asset":
        asset = loading.assets(db, [subject])[subject].registration(act.time)
        return None if asset is None else asset.owner
    return seller


def _slices(begin: str, step: Callable[[str], str | None]) -> str | None:
    """Goes from one slice to the next for a while, one at least; answers with where it goes on, if it does."""
    begun = time.monotonic()
    place = step(begin)
    while place is not None and time.monotonic() - begun < SLICES_SECONDS:
        place = step(place)
    return place


def _kind(thing: str) -> str:
    return thing.split(SEPARATOR, 1)[0]


class _Reported(NamedTuple):
    """The reports of one thing that count, and all that stand; of those taken back, (source, id); and all that tell of
    circulation."""

    acts: list[Act]
    reports: list[Act]
    void: set[tuple[str, str]]
    circulating: list[Event]


def _reported(thing: str, reports: Sequence[tuple[Event, bool]]) -> _Reported:
    standing = [one for one, counts in reports if counts]
    return _Reported(
        counting(thing, standing),
        acting(thing, standing),
        {(one.source, one.id) for one, counts in reports if not counts},
        [one for one, _ in reports if one.type in screening.CIRCULATING],
    )


class _Bound(dict[str, Facts]):
    """The same facts for each rule, bound when it is first asked."""

    def __init__(self, facts: Facts, rules: Mapping[str, Rule]) -> None:
        super().__init__()
        self._facts = facts
        self._rules = rules

    def __missing__(self, rule: str) -> Facts:
        found = self[rule] = self._facts.bound(rule, self._rules[rule].settings)
        return found


def _contract_day(subject: str) -> tuple[str, int]:
    contract, day = subject.split(SEPARATOR)
    return contract, int(day)


def _name(named: set[str], sum_: Sum, acts: Sequence[Act], facts: Facts) -> Iterable[Said]:
    """Adds the acts' scopes to those named, and says nothing."""
    for act in acts:
        named.update(sum_.scopes(act, facts))
    return ()


def counting(thing: str, reports: Sequence[Event]) -> list[Act]:
    """Of several reports of one act that of the exchange, else the provider, else the consumer.

    Where the act has a business id the earliest of one reporter counts; else each event is an act of its own, and so
    is each listing of a product, each sighting of a watermark, each refusal of a buyer. What facts are folded from
    whoever stated it counts as facts do.
    """
    if not reports:
        return []
    if reports[0].type in STATED:
        return acting(thing, sorted(reports, key=order))
    best = min(one.reporter for one in reports)
    kept = sorted((one for one in reports if one.reporter == best), key=order)
    business = thing.rsplit(SEPARATOR, 1)[1]
    if business and reports[0].type not in EACH:
        kept = kept[:1]
    return acting(thing, kept)


def acting(thing: str, events: Iterable[Event]) -> list[Act]:
    """Events as acts of one thing."""
    return [
        Act(
            thing=thing,
            type=one.type,
            subject=one.subject,
            source=one.source,
            id=one.id,
            time=one.time,
            reporter=one.reporter,
            data=one.data,
        )
        for one in events
    ]


def _contracts_of(act: Act) -> Iterable[str]:
    if thing_topic(act.type) == loading.CONTRACTS:
        yield act.subject
    named = getattr(act.data, "contract", None)
    if named is not None:
        yield named


def _assets_of(act: Act, contracts: Mapping[str, Any]) -> Iterable[str]:
    if thing_topic(act.type) == loading.ASSETS:
        yield act.subject
    named = getattr(act.data, "asset", None)
    if named is not None:
        yield named
    for contract in _contracts_of(act):
        yield from contracts[contract].assets()


def _parties_of(act: Act) -> Iterable[str]:
    if thing_topic(act.type) == loading.PARTIES:
        yield act.subject
    for member in ("seller", "buyer", "recipient", "owner", "payer", "payee"):
        named = getattr(act.data, member, None)
        if named is not None:
            yield named


def thing_topic(type_: str) -> str:
    """The topic that events of a type land on."""
    return TYPES[type_][0] or ""


__all__ = ["Judge", "Judged", "counting", "thing_of"]
