"""Sandboxes in a round: what is said within them is marked, and judged again when a cap is passed.

The findings that they hold back, and what is kept of that: `streams.judging.tried`.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from circulation.events.names import CONTRACTS
from circulation.facts.acts import Act, order
from circulation.packs.in_force import Packs
from circulation.sandbox import DETECTOR, NEEDS, Place, holder_of, passed
from circulation.sandbox import scopes as scopes_of
from streams.facts import loading
from streams.facts import used_days as summaries
from streams.facts.known import Known
from streams.findings.entry import Entry
from streams.judging import needs
from streams.judging import tried as trials
from streams.judging.changed_facts import naming
from streams.judging.round import Round
from streams.store import queue, schema
from streams.store.db import Db


def watching(packs: Packs) -> bool:
    """Whether a pack is ever in force that holds anything back within a sandbox."""
    return packs.watching


def mark(
    round_: Round, entries: list[Entry], things: Sequence[str], causes: Mapping[tuple[str, str, str], Act]
) -> list[Entry]:
    """Mark what is said within sandboxes; each of them is judged after it, for it may see more by then.

    `causes` are the acts that it was said of, by (thing, source, id).
    """
    if not watching(round_.packs):
        return entries
    trials.forget(round_.db, things)
    marked, looked_at = trials.watched(round_.db, entries, causes, partial(_passing, round_))
    round_.queue([queue.sum_(DETECTOR, scope) for scope in sorted(looked_at)], round_.priority)
    return marked


def judge_marked(round_: Round, scopes: Sequence[str]) -> None:
    """Have judged again what was judged when the caps of these sandboxes were passed elsewhere."""
    if scopes and watching(round_.packs):
        round_.queue(trials.stale(round_.db, _passing(round_, scopes)), round_.priority)


def _passing(round_: Round, scopes: Sequence[str]) -> dict[str, Place | None]:
    """The first place at which a cap of each sandbox is passed, None where none is."""
    query = "select scope, thing from scopes where rule = ? and scope = any(?) order by thing"
    members: dict[str, list[str]] = {}
    for scope, thing in round_.db.rows(query, DETECTOR, list(scopes)):
        members.setdefault(scope, []).append(thing)
    reports = round_.reports(sorted({thing for things in members.values() for thing in things}))
    flat = [act for report in reports.values() for act in report.acts]
    days = summaries.used_days(round_.db, {act.subject for act in flat})
    facts = needs.load(round_, flat, NEEDS, days=days).bound(DETECTOR, NEEDS, dict)
    places: dict[str, Place | None] = dict.fromkeys(scopes)
    for scope, things in members.items():
        acts = (act for thing in things for act in reports[thing].acts if scope in scopes_of(act, facts))
        places[scope] = min((breach.place for breach in passed(scope, sorted(acts, key=order), facts)), default=None)
    return places


def count_uses(db: Db, known: Known, scopes: Collection[str]) -> None:
    """Have the uses of the holders' contracts looked at by the day from now on, and what is kept of them stay."""
    holders = {holder_of(scope) for scope in scopes}
    if not holders:
        return
    holders -= {row[0] for row in db.rows("select party from counted where party = any(?)", sorted(holders))}
    parties = loading.parties(db, holders).items()
    new = sorted(holder for holder, facts in parties if any(trial.grant.uses_max is not None for trial in facts.trials))
    if not new:
        return
    db.one("select party from counted where party = '' for update")
    db.many(schema.counted, [(holder,) for holder in new], "ignore")
    known.changed_counted()
    contracts = sorted({row[1] for row in naming(db, "party", new) if row[2] == CONTRACTS})
    db.run("update used_days set taken = null where contract = any(?)", contracts)
