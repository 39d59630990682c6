"""Reads facts from the store in bulk: what several judgements need, in a handful of queries.

`known` reads the same and keeps it, for who judges again and again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from circulation.calendar import days
from circulation.events.event import Event
from circulation.events.names import ASSET_GRADED, ASSET_REGISTERED, ASSETS, CONTRACT_SIGNED, CONTRACTS, PARTIES
from circulation.facts.acts import NEVER
from circulation.facts.assets import AssetFacts, Undoing, Undone
from circulation.facts.contracts import ContractFacts
from circulation.facts.parties import PartyFacts
from circulation.facts.statements import STATEMENTS
from circulation.lineage import Edge, is_run
from circulation.voices import Home
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of, standing

# How far payments are followed: no ring is longer, and no rule looks at more days.
PAYMENT_STEPS_MAX, PAYMENT_DAYS_MAX = 5, 60
# The origins of derivations that acts of their outputs tell of.
BY_EVENT: Final = "event:"
# Negative lists ask about members of an asset that are stated in these.
DESCRIBING: Final = (ASSET_REGISTERED, ASSET_GRADED)


def statements(
    db: Db,
    topic: str,
    subjects: Collection[str],
    known_at: int | None = None,
    read: Callable[[tuple[Any, ...]], Event] = event_of,
) -> dict[str, list[Event]]:
    """The statements about each entity that were not taken back, in the order in which they came."""
    by_subject: dict[str, list[Event]] = {subject: [] for subject in subjects}
    if by_subject:
        for row in stated(db, topic, list(by_subject), STATEMENTS[topic], known_at):
            by_subject[row[2]].append(read(row))
    return by_subject


def stated(
    db: Db, topic: str, subjects: Sequence[str], types: Collection[str], known_at: int | None = None
) -> list[tuple[Any, ...]]:
    """The same as rows (`COLUMNS`), of all of them together."""
    stood, values = standing(known_at)
    rows = db.rows(
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?) and {stood}",  # noqa: S608
        topic,
        list(subjects),
        list(types),
        *values,
    )
    # sorted here: a planner would rather go through all events in their order than sort a few
    return sorted(rows)


def since(
    db: Db, types: Sequence[str], instant: int, rows_max: int, columns: str = COLUMNS, *, void: bool = False
) -> list[tuple[Any, ...]]:
    """Rows of what stands of these types from an instant on, or also of what is `void`; of more than `rows_max` some.

    Where a planner has the instant to come it takes a third of all events for later ones, and would go through all of
    them until it has found so many. So PostgreSQL is asked for each type in the order of time, which an index has.
    """
    stands = "" if void else " and retracted is null"
    of_type = f"select {columns} from events where type = {{}} and time >= ?{stands}"  # noqa: S608
    if not db.postgres:
        return db.rows(f"{of_type.format('any(?)')} limit ?", list(types), instant, rows_max)
    query = (
        "select events.* from unnest(?::text[]) as asked(kind) cross join lateral"  # noqa: S608
        f" ({of_type.format('kind')} order by time limit ?) events limit ?"
    )
    return db.rows(query, list(types), instant, rows_max, rows_max)


def assets(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, AssetFacts]:
    """Facts of assets, also of those that are not registered."""
    by_id, undone = asset_statements(db, ids, known_at)
    return {id_: AssetFacts(id_, events, db.voices(), undone[id_]) for id_, events in by_id.items()}


def asset_statements(
    db: Db,
    ids: Collection[str],
    known_at: int | None = None,
    read: Callable[[tuple[Any, ...]], Event] = event_of,
) -> tuple[dict[str, list[Event]], dict[str, list[Undone]]]:
    """The statements of each asset that were not taken back, in the order in which they came; and those that describe
    it and were taken back."""
    by_id: dict[str, list[Event]] = {id_: [] for id_ in ids}
    if not by_id:
        return by_id, {}
    stood, values = standing(known_at)
    left, times = ("", []) if known_at is None else (" and taken <= ?", [known_at])
    rows = db.rows(
        f"select {COLUMNS}, {stood} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        f" and ({stood} or (type = any(?){left}))",
        *values,
        ASSETS,
        list(by_id),
        list(STATEMENTS[ASSETS]),
        *values,
        list(DESCRIBING),
        *times,
    )
    gone: list[tuple[Any, ...]] = []
    for *columns, stands in sorted(rows):
        row = tuple(columns)
        if stands:
            by_id[row[2]].append(read(row))
        else:
            gone.append(row)
    return by_id, _undone(db, by_id, gone, read)


def undone(db: Db, ids: Collection[str]) -> dict[str, list[Undone]]:
    """The statements that describe each asset and were taken back."""
    query = (
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        " and retracted is not null"
    )
    return _undone(db, ids, sorted(db.rows(query, ASSETS, list(ids), list(DESCRIBING))), event_of)


def _undone(
    db: Db, ids: Collection[str], rows: Sequence[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], Event]
) -> dict[str, list[Undone]]:
    by_id: dict[str, list[Undone]] = {id_: [] for id_ in ids}
    if rows:
        query = "select id, time, source, event from events where id = any(?)"
        by = {columns[0]: Undoing(*columns[1:]) for columns in db.rows(query, sorted({row[10] for row in rows}))}
        for row in rows:
            by_id[row[2]].append(Undone(read(row), by.get(row[10])))
    return by_id


def parties(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties, also of those that are not registered."""
    return {id_: PartyFacts(id_, events) for id_, events in statements(db, PARTIES, ids, known_at).items()}


def payments_after(
    db: Db, of: Collection[tuple[str, int]], group: Callable[[Collection[str]], Collection[str]]
) -> list[str]:
    """The settlements, by thing, to which money may have gone that a party had at an instant; void ones among them.

    Over as many steps and as long as rules look. A party of the same `group` may pay in its place.
    """
    if not of:
        return []
    since = min(time for _, time in of)
    until = max(time for _, time in of) + days(PAYMENT_DAYS_MAX)
    things: dict[str, None] = {}
    visited: set[str] = set()
    layer = sorted(group({party for party, _ in of}))
    for _ in range(PAYMENT_STEPS_MAX):
        visited.update(layer)
        rows = payments(db, ("payer",), layer, since, until)
        things.update((row[4], None) for row in sorted(rows))
        layer = sorted({*group({event_of(row).data.payee for row in rows} - visited)} - visited)
        if not layer:
            break
    return sorted(things)


def payments(
    db: Db, kinds: Sequence[str], parties: Collection[str], since: int, until: int = NEVER
) -> list[tuple[Any, ...]]:
    """The settlements, as rows, that these parties made (`payer`) or were paid (`payee`) in [`since`, `until`]."""
    if not parties:
        return []
    return db.rows(
        f"select {', '.join('e.' + name for name in COLUMNS.split(', '))} from refs r"  # noqa: S608
        " join events e on e.id = r.event where r.kind = any(?) and r.ref = any(?) and r.time between ? and ?",
        list(kinds),
        list(parties),
        since,
        until,
    )


def contracts(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, ContractFacts]:
    """Facts of contracts, also of those that are not signed."""
    by_id, homes = contract_statements(db, ids, known_at)
    return {id_: ContractFacts(id_, events, homes[id_]) for id_, events in by_id.items()}


def contract_statements(
    db: Db,
    ids: Collection[str],
    known_at: int | None = None,
    read: Callable[[tuple[Any, ...]], Event] = event_of,
) -> tuple[dict[str, list[Event]], dict[str, Home]]:
    """The statements of each contract that were not taken back, in the order in which they came, and the home of each.

    A signing that was taken back since leaves a home.
    """
    voices = db.voices()
    by_id: dict[str, list[Event]] = {id_: [] for id_ in ids}
    homes = {id_: Home(voices) for id_ in ids}
    stood, values = standing(known_at)
    left, times = ("", []) if known_at is None else (" and taken <= ?", [known_at])
    rows = db.rows(
        f"select {COLUMNS}, {stood} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        f" and ({stood} or (type = ? and retracted > id{left}))",
        *values,
        CONTRACTS,
        list(by_id),
        list(STATEMENTS[CONTRACTS]),
        *values,
        CONTRACT_SIGNED,
        *times,
    )
    for *row, stands in sorted(rows):
        event = read(tuple(row))
        if event.type == CONTRACT_SIGNED:
            homes[event.subject].take(event.source, event.reporter)
        if stands:
            by_id[event.subject].append(event)
    return by_id, homes


def first_uses(db: Db, ids: Collection[str]) -> dict[str, int]:
    """The earliest time of a use of each contract that has one."""
    return dict(db.rows("select contract, time from first_uses where contract = any(?)", list(ids)))


def edges_above(db: Db, ids: Collection[str]) -> dict[str, list[Edge]]:
    """All derivations upstream of these assets, by output; those of runs lead through the runs' nodes.

    Cycles are harmless: `union` keeps each node once.
    """
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
    return grouped(rows)


def edges_of(rows: Iterable[tuple[Any, ...]]) -> list[Edge]:
    """Rows of `derivations` as edges."""
    return [Edge(row[0], row[1], row[2], bool(row[3]), row[4], bool(row[5])) for row in rows]


def grouped(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Edge]]:
    """Rows of `derivations` as edges, by their output."""
    by_output: dict[str, list[Edge]] = {}
    for edge in edges_of(rows):
        by_output.setdefault(edge.output, []).append(edge)
    return by_output


def derived_from(db: Db, outputs: Sequence[str], inputs_: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs (output, input) of these where the output was ever derived from the input in one step."""
    query = "select distinct output, input from derivations where output = any(?) and input = any(?)"
    pairs = db.rows(query, list(outputs), list(inputs_))
    if run_outputs := [
        output for output in outputs if db.one("select 1 from refs where kind = 'output' and ref = ? limit 1", output)
    ]:
        query = (
            "select distinct o.output, i.input from derivations o join derivations i on i.output = o.input"
            " where o.output = any(?) and i.input = any(?)"
        )
        pairs += [(output, input_) for output, input_ in db.rows(query, run_outputs, list(inputs_))]
    return pairs


def is_run_since(db: Db, assets_: Sequence[str], since: int) -> bool:
    """Whether what was derived from any of these assets in one step was also derived by a run from an instant on."""
    outputs: set[str] = set()
    layer = set(assets_)
    while layer:
        rows = db.rows("select distinct output from derivations where input = any(?)", sorted(layer))
        layer = {row[0] for row in rows if is_run(row[0])}
        outputs |= {row[0] for row in rows} - layer
    query = "select origin from derivations where output = any(?) and time >= ?"
    return any(not row[0].startswith(BY_EVENT) for row in db.rows(query, sorted(outputs), since))


def assets_above(ids: Iterable[str], edges: Mapping[str, Collection[Edge]]) -> set[str]:
    """The assets and all their ancestors."""
    return {node for node in nodes_above(ids, edges) if not is_run(node)}


def nodes_above(ids: Iterable[str], edges: Mapping[str, Collection[Edge]]) -> set[str]:
    """The same with the runs in between."""
    nodes = set(ids)
    for output_edges in edges.values():
        nodes.update(edge.output for edge in output_edges)
        nodes.update(edge.input for edge in output_edges)
    return nodes


def below(db: Db, assets: Collection[str]) -> list[str]:
    """The assets and all that is derived from them."""
    rows = db.rows(
        "with recursive below(node) as (select output from derivations where input = any(?)"
        " union select d.output from derivations d join below on d.input = below.node) select node from below",
        list(assets),
    )
    return sorted({*assets, *(row[0] for row in rows if not is_run(row[0]))})
