"""Reads facts from the store in bulk: what several judgements need, in a handful of queries."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from circulation.calendar import days
from circulation.credit import APPLIED, DECIDED, DETERMINED, FILED, REPAIRED
from circulation.events import Event, decode_data
from circulation.facts import CONTROLLERS_MAX, LISTED, AssetFacts, ContractFacts, PartyFacts
from circulation.lineage import Edge
from streams.store import Db

PARTIES, ASSETS, CONTRACTS = "circulation.parties", "circulation.assets", "circulation.contracts"

# What the records of a party are folded from.
RECORDS = (DETERMINED, FILED, DECIDED, APPLIED, REPAIRED)
# How far payments are followed: rules that look at more of them find less.
PAYMENT_STEPS_MAX, PAYMENT_DAYS_MAX = 5, 60
# What facts are folded from; everything else that is kept of an entity is an act only.
STATEMENTS: Mapping[str, tuple[str, ...]] = {
    PARTIES: ("circulation.party.registered", "circulation.grant.issued", "circulation.grant.revoked", *RECORDS),
    ASSETS: ("circulation.asset.registered", "circulation.asset.graded", "circulation.asset.assessed", LISTED),
    CONTRACTS: (
        "circulation.contract.signed",
        "circulation.contract.amended",
        "circulation.contract.terminated",
    ),
}

COLUMNS = "id, topic, subject, type, thing, time, source, event, reporter, data, retracted"


def event_of(row: tuple[Any, ...]) -> Event:
    """A kept event as it was admitted."""
    _, topic, subject, type_, _, time, source, id_, reporter, data, _ = row
    return Event(
        topic=topic,
        type=type_,
        subject=subject,
        source=source,
        id=id_,
        time=time,
        sequence=None,
        reporter=reporter,
        data=decode_data(type_, bytes(data)),
    )


def standing(known_at: int | None, table: str = "events") -> tuple[str, list[int]]:
    """The condition of SQL that an event of `table` was not taken back, and its values.

    By what is known now, or (`known_at`, µs of the clocks that took events in) by what was known then.
    """
    if known_at is None:
        return f"{table}.retracted is null", []
    undone = f"exists (select 1 from events undo where undo.id = {table}.retracted and undo.taken > ?)"  # noqa: S608
    return f"({table}.taken <= ? and ({table}.retracted is null or {undone}))", [known_at, known_at]


def statements(db: Db, topic: str, subjects: Collection[str], known_at: int | None = None) -> dict[str, list[Event]]:
    """What was stated about each entity and not taken back, in the order in which it came."""
    found: dict[str, list[Event]] = {subject: [] for subject in subjects}
    if found:
        stood, values = standing(known_at)
        rows = db.rows(
            f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
            f" and {stood} order by id",
            topic,
            list(found),
            list(STATEMENTS[topic]),
            *values,
        )
        for row in rows:
            found[row[2]].append(event_of(row))
    return found


def assets(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, AssetFacts]:
    """Facts of assets, also of those that are not registered."""
    return {id_: AssetFacts(id_, some) for id_, some in statements(db, ASSETS, ids, known_at).items()}


def parties(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties, also of those that are not registered."""
    return {id_: PartyFacts(id_, some) for id_, some in statements(db, PARTIES, ids, known_at).items()}


def controlled(db: Db, ids: Collection[str]) -> list[str]:
    """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
    found = set(ids)
    layer = sorted(found)
    for _ in range(CONTROLLERS_MAX):
        if not layer:
            break
        rows = db.rows(
            "select distinct e.subject from refs r join events e on e.id = r.event"
            " where r.kind = 'controller' and r.ref = any(?)",
            layer,
        )
        layer = sorted({row[0] for row in rows} - found)
        found.update(layer)
    return sorted(found)


def with_controllers(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
    found: dict[str, PartyFacts] = {}
    layer = set(ids)
    for _ in range(CONTROLLERS_MAX):
        if not layer:
            break
        some = parties(db, layer, known_at)
        found.update(some)
        layer = {one for facts in some.values() for one in facts.controllers()} - found.keys()
    return found


def with_groups(db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
    return with_controllers(db, controlled(db, list(with_controllers(db, ids))))


def payments(db: Db, of: Collection[tuple[str, int]], *, back: bool) -> list[str]:
    """The settlements, by thing, from which money may have come to a party at an instant (on which it may have gone).

    Over as many steps and as far back (ahead) as rules look; void ones among them.
    """
    if not of:
        return []
    since = min(time for _, time in of) - (days(PAYMENT_DAYS_MAX) if back else 0)
    until = max(time for _, time in of) + (0 if back else days(PAYMENT_DAYS_MAX))
    here, there = ("payee", "payer") if back else ("payer", "payee")
    things: dict[str, None] = {}
    met: set[str] = set()
    layer = sorted({party for party, _ in of})
    for _ in range(PAYMENT_STEPS_MAX):
        met.update(layer)
        rows = db.rows(
            f"select {', '.join('e.' + name for name in COLUMNS.split(', '))} from refs r"  # noqa: S608
            " join events e on e.id = r.event where r.kind = ? and r.ref = any(?) and e.time between ? and ?"
            " order by e.id",
            here,
            layer,
            since,
            until,
        )
        things.update((row[4], None) for row in rows)
        layer = sorted({getattr(event_of(row).data, there) for row in rows} - met)
        if not layer:
            break
    return sorted(things)


def contracts(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, ContractFacts]:
    """Facts of contracts, also of those that are not signed."""
    return {id_: ContractFacts(id_, some) for id_, some in statements(db, CONTRACTS, ids, known_at).items()}


def first_uses(db: Db, ids: Collection[str]) -> dict[str, int]:
    """The earliest time of a use of each contract that has one."""
    return dict(db.rows("select contract, time from first_uses where contract = any(?)", list(ids)))


def edges_above(db: Db, ids: Collection[str]) -> dict[str, list[Edge]]:
    """All derivations upstream of these assets, by output. Cycles are harmless: `union` keeps each node once."""
    if not ids:
        return {}
    rows = db.rows(
        "with recursive above(node) as ("
        " select output from derivations where output = any(?)"
        " union select d.input from derivations d join above on d.output = above.node)"
        " select d.output, d.input, d.time, d.stops, d.share, d.same"
        " from derivations d join above on d.output = above.node",
        list(ids),
    )
    found: dict[str, list[Edge]] = {}
    for output, input_, time, stops, share, same in rows:
        found.setdefault(output, []).append(Edge(output, input_, time, bool(stops), share, bool(same)))
    return found


def nodes_above(ids: Iterable[str], edges: Mapping[str, Collection[Edge]]) -> set[str]:
    """The assets and all their ancestors."""
    found = set(ids)
    for some in edges.values():
        found.update(edge.output for edge in some)
        found.update(edge.input for edge in some)
    return found


def below(db: Db, assets: Collection[str]) -> list[str]:
    """The assets and all that is derived from them."""
    rows = db.rows(
        "with recursive below(node) as (select output from derivations where input = any(?)"
        " union select d.output from derivations d join below on d.input = below.node) select node from below",
        list(assets),
    )
    return sorted({*assets, *(row[0] for row in rows)})
