"""Sandboxes in the engine: which findings only watch, and which are to be judged again when a cap is passed.

The ground of a finding's mode is written down with it: the sandbox, and the place at which its caps were passed. When a
sandbox is judged, what was judged by another place is found by that, however both came about.
"""

from collections.abc import Callable, Mapping, Sequence

from circulation.events.names import CONTRACTS
from circulation.events.types import TYPES
from circulation.facts.acts import Act
from circulation.findings import Said
from circulation.keys import join_key
from circulation.sandbox import DETECTOR, Named, Place, covering, named, of_contract, scope_of
from streams.facts import loading
from streams.findings.entry import Entry
from streams.store import schema
from streams.store.db import Db

# The acts that findings were said of, by (thing, source, id) of the cause.
Causes = Mapping[tuple[str, str, str], Act]
# Where the caps of sandboxes are passed, by scope; None where they are not.
Passing = Callable[[Sequence[str]], Mapping[str, Place | None]]

NOWHERE = ""


def written(place: Place | None) -> str:
    """A place as the store keeps it."""
    return NOWHERE if place is None else join_key(*map(str, place))


def watched(db: Db, entries: Sequence[Entry], causes: Causes, passing: Passing) -> tuple[list[Entry], set[str]]:
    """The entries, marked where they are said within a sandbox, and the sandboxes that were looked at."""
    marked = list(entries)
    by_entry = _whose(db, entries, causes)
    parties = loading.parties(db, {holding.holder for holding in by_entry.values()})
    scopes: dict[int, list[str]] = {}
    for at, holding in by_entry.items():
        trials = covering(parties[holding.holder], holding, entries[at].statement.occurred)
        if trials:
            scopes[at] = [scope_of(holding.holder, trial.grant.grant) for trial in trials]
    looked_at = {scope for scopes_of_entry in scopes.values() for scope in scopes_of_entry}
    if not looked_at:
        return marked, looked_at
    places = passing(sorted(looked_at))
    rows: dict[tuple[str, str], str] = {}
    for at, scopes_of_entry in scopes.items():
        place = _place(entries[at].statement)
        if any((until := places[scope]) is None or place < until for scope in scopes_of_entry):
            marked[at] = entries[at]._replace(within=True)
        rows |= {(entries[at].thing, scope): written(places[scope]) for scope in scopes_of_entry}
    db.many(schema.tried, [(*key, place) for key, place in sorted(rows.items())], "upsert")
    return marked, looked_at


def stale(db: Db, places: Mapping[str, Place | None]) -> list[str]:
    """The things that were judged by other places than these; they are forgotten, for they are judged again."""
    rows = db.rows("select thing, scope, place from tried where scope = any(?) order by thing", list(places))
    things = list(dict.fromkeys(thing for thing, scope, place in rows if place != written(places[scope])))
    forget(db, things)
    return things


def forget(db: Db, things: Sequence[str]) -> None:
    """The findings judged now rest on what is looked at now."""
    if things:
        db.run("delete from tried where thing = any(?)", list(things))


def _whose(db: Db, entries: Sequence[Entry], causes: Causes) -> dict[int, Named]:
    """By the index of the entry, whose act it was and what it named: of those that a sandbox may hold back."""
    acts: dict[int, Act | None] = {}
    contracts: set[str] = set()
    for at, entry in enumerate(entries):
        rule_statement = entry.statement
        if not held_back(entry):
            continue
        acts[at] = act = None if rule_statement.cause is None else causes.get((entry.thing, *rule_statement.cause))
        if rule_statement.about.kind == "contract":
            contracts.add(rule_statement.about.id)
        if act is not None and TYPES[act.type][0] == CONTRACTS:
            contracts.add(act.subject)
    known = loading.contracts(db, contracts)
    by_entry: dict[int, Named] = {}
    for at, act in acts.items():
        rule_statement = entries[at].statement
        holding = None if act is None else named(act, known.get(act.subject))
        if holding is None and rule_statement.about.kind == "contract":
            statement = known[rule_statement.about.id].statement(rule_statement.occurred)
            holding = None if statement is None else of_contract(statement)
        if holding is None and rule_statement.about.kind == "asset" and rule_statement.party is not None:
            holding = Named(rule_statement.party, rule_statement.about.id)
        if holding is None and rule_statement.about.kind == "party":
            holding = Named(rule_statement.about.id, rule_statement.asset)
        if holding is not None:
            by_entry[at] = holding
    return by_entry


def held_back(entry: Entry) -> bool:
    """Whether a sandbox can hold it back: the pack names the detector and watches caps, and no red line was crossed."""
    pack, rule = entry.pack, entry.rule.id
    if rule not in pack.sandbox or entry.rule.never_tried or pack.setting(DETECTOR).mode == "off":
        return False
    evidence = entry.statement.evidence
    crossed = [evidence.get("entry"), *(evidence.get("entries") or ())] if rule == "negative-list" else []
    return not any(pack_entry is not None and pack_entry.sticky for pack_entry in map(pack.entries.get, crossed))


def _place(statement: Said) -> Place:
    return (statement.occurred, *(statement.cause or ("", "")))
