"""Sandboxes in the engine: which findings only watch, and which are to be judged again when a cap is passed.

What a finding's mode rests on is written down with it: the sandbox, and the place at which its caps were passed. When a
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
from streams.findings.book import Entry
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
    found = list(entries)
    whose = _whose(db, entries, causes)
    parties = loading.parties(db, {one.holder for one in whose.values()})
    scopes: dict[int, list[str]] = {}
    for at, one in whose.items():
        trials = covering(parties[one.holder], one, entries[at].said.occurred)
        if trials:
            scopes[at] = [scope_of(one.holder, trial.grant.grant) for trial in trials]
    looked_at = {scope for some in scopes.values() for scope in some}
    if not looked_at:
        return found, looked_at
    places = passing(sorted(looked_at))
    rows: dict[tuple[str, str], str] = {}
    for at, some in scopes.items():
        place = _place(entries[at].said)
        if any((until := places[scope]) is None or place < until for scope in some):
            found[at] = entries[at]._replace(within=True)
        rows |= {(entries[at].thing, scope): written(places[scope]) for scope in some}
    db.many(schema.tried, [(*one, place) for one, place in sorted(rows.items())], "upsert")
    return found, looked_at


def stale(db: Db, places: Mapping[str, Place | None]) -> list[str]:
    """The things that were judged by other places than these; they are forgotten, for they are judged again."""
    rows = db.rows("select thing, scope, place from tried where scope = any(?) order by thing", list(places))
    found = list(dict.fromkeys(thing for thing, scope, place in rows if place != written(places[scope])))
    forget(db, found)
    return found


def forget(db: Db, things: Sequence[str]) -> None:
    """What is judged now rests on what is looked at now."""
    if things:
        db.run("delete from tried where thing = any(?)", list(things))


def _whose(db: Db, entries: Sequence[Entry], causes: Causes) -> dict[int, Named]:
    """By the index of the entry, whose act it was and what it named: of those that a sandbox may hold back."""
    acts: dict[int, Act | None] = {}
    contracts: set[str] = set()
    for at, entry in enumerate(entries):
        said = entry.said
        if not held_back(entry):
            continue
        acts[at] = act = None if said.cause is None else causes.get((entry.thing, *said.cause))
        if said.about.kind == "contract":
            contracts.add(said.about.id)
        if act is not None and TYPES[act.type][0] == CONTRACTS:
            contracts.add(act.subject)
    known = loading.contracts(db, contracts)
    found: dict[int, Named] = {}
    for at, act in acts.items():
        said = entries[at].said
        one = None if act is None else named(act, known.get(act.subject))
        if one is None and said.about.kind == "contract":
            statement = known[said.about.id].statement(said.occurred)
            one = None if statement is None else of_contract(statement)
        if one is None and said.about.kind == "asset" and said.party is not None:
            one = Named(said.party, said.about.id)
        if one is None and said.about.kind == "party":
            one = Named(said.about.id, said.asset)
        if one is not None:
            found[at] = one
    return found


def held_back(entry: Entry) -> bool:
    """Whether a sandbox can hold it back: the pack names the detector and watches caps, and no red line was crossed."""
    pack, rule = entry.pack, entry.rule.id
    if rule not in pack.sandbox or entry.rule.never_tried or pack.setting(DETECTOR).mode == "off":
        return False
    evidence = entry.said.evidence
    crossed = [evidence.get("entry"), *(evidence.get("entries") or ())] if rule == "negative-list" else []
    return not any(one is not None and one.sticky for one in map(pack.entries.get, crossed))


def _place(said: Said) -> Place:
    return (said.occurred, *(said.cause or ("", "")))
