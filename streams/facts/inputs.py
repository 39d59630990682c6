"""Loads what assets were derived from in one step, and the facts of those inputs that are new or changed."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from circulation.events.names import ASSET_GRADED, ASSET_REGISTERED, ASSETS
from circulation.facts.assets import AssetFacts
from circulation.lineage import Edge, Inputs, is_run, steps
from streams.facts import loading
from streams.facts.known import Known
from streams.facts.loading import BY_EVENT, edges_of, grouped
from streams.facts.running_sums import EARLIEST
from streams.store import schema
from streams.store.db import Db

# Statements since an instant, of whatever assets, that are looked at; where there are more, those of inputs are sought.
STATED_MAX: Final = 200
# Statements of the level of an asset.
_LEVELS: Final = (ASSET_REGISTERED, ASSET_GRADED)

# Whether a derivation leads to the node of a run.
IS_RUN: Final = schema.is_run("d.input")
_STEPS: Final = "select output, input, time, stops, share, same, origin from derivations where output = any(?)"


def derived_in_one_step(
    db: Db, known: Known, wanted: Mapping[str, int]
) -> dict[str, tuple[Inputs, dict[str, AssetFacts]]]:
    """The inputs that each asset was derived from in one step, from an instant on, with the facts of those that are new
    or changed.

    Where it is all (`EARLIEST`), these are the facts of all inputs.
    """
    begun = {asset: since for asset, since in wanted.items() if since > EARLIEST}
    rows: dict[str, list[tuple[Any, ...]]] = {asset: [] for asset in wanted}
    for row in db.rows(f"{_STEPS} and time >= ?", list(begun), min(begun.values())) if begun else ():
        if row[2] >= begun[row[0]]:
            rows[row[0]].append(row)
    stated = _stated_since(db, min(begun.values())) if begun else []
    # A run's node may be older than what leads through it, so all of it is asked for.
    all_of = set(begun) if stated is None else _through_runs_since(db, begun)
    all_of |= wanted.keys() - begun.keys()
    for output in all_of:
        rows[output] = []
    for row in db.rows(_STEPS, list(all_of)) if all_of else ():
        rows[row[0]].append(row)
    runs = sorted({row[1] for asset_rows in rows.values() for row in asset_rows if is_run(row[1])})
    halves = grouped(db.rows(_STEPS, runs)) if runs else {}
    edges = {asset: steps({asset: edges_of(asset_rows)} | halves, asset) for asset, asset_rows in rows.items()}
    changed: dict[str, set[str]] = {}
    for asset, asset_edges in edges.items():
        whole = {edge.input for edge in asset_edges}
        if asset not in begun:
            changed[asset] = whole
        elif stated is not None:
            changed[asset] = {edge.input for edge in asset_edges if edge.time >= begun[asset]}.union(stated)
        else:
            new = {edge.input for edge in asset_edges if edge.time >= begun[asset]}
            changed[asset] = new | _stated_of(db, whole - new, begun[asset])
    facts = known.assets(db, set[str]().union(*changed.values()))
    by_asset: dict[str, tuple[Inputs, dict[str, AssetFacts]]] = {}
    for asset, asset_edges in edges.items():
        of_asset = {input_: facts[input_] for input_ in sorted(changed[asset] - {asset})}
        since = wanted[asset]
        by_event = {(row[1], row[2]) for row in rows[asset] if row[6].startswith(BY_EVENT)}
        untold = max((edge.time for edge in asset_edges if (edge.input, edge.time) not in by_event), default=EARLIEST)
        by_asset[asset] = (
            Inputs(asset_edges, {input_: of_asset[input_].times(since) for input_ in of_asset}, untold),
            of_asset,
        )
    return by_asset


def made_by_runs(db: Db, assets: Collection[str]) -> dict[str, list[Edge]]:
    """The steps by which OpenLineage derived each asset: of each input the earliest, in the order of the inputs."""
    # Few assets are what a run wrote, and those may be derived by many acts.
    query = "select 1 from refs where kind = 'output' and ref = ? limit 1"
    written = [asset for asset in sorted(assets) if db.one(query, asset) is not None]
    by_runs = f"{_STEPS} and not same and substr(origin, 1, {len(BY_EVENT)}) <> ?"
    rows = db.rows(by_runs, written, BY_EVENT) if written else []
    runs = sorted({row[1] for row in rows if is_run(row[1])})
    edges = grouped(rows) | (grouped(db.rows(_STEPS, runs)) if runs else {})
    by_asset: dict[str, list[Edge]] = {}
    for asset in edges.keys() & {*assets}:
        first: dict[str, Edge] = {}
        for edge in steps(edges, asset):
            if edge.input != asset and (edge.input not in first or edge.time < first[edge.input].time):
                first[edge.input] = edge
        by_asset[asset] = [first[input_] for input_ in sorted(first)]
    return by_asset


def _through_runs_since(db: Db, begun: Mapping[str, int]) -> set[str]:
    """Those of the assets that were derived through a run from an instant on; each has an instant of its own."""
    if not begun:
        return set()
    query = (
        "select distinct d.output, case when d.time < i.time then i.time else d.time end"  # noqa: S608
        f" from derivations d join derivations i on i.output = d.input where d.output = any(?) and {IS_RUN}"
        " and (d.time >= ? or i.time >= ?)"
    )
    since = min(begun.values())
    return {row[0] for row in db.rows(query, list(begun), since, since) if row[1] >= begun[row[0]]}


def _stated_since(db: Db, since: int) -> list[str] | None:
    """The assets of which levels were stated from an instant on; None where that is too much."""
    rows = loading.since(db, _LEVELS, since, STATED_MAX + 1, "subject", void=True)
    return None if len(rows) > STATED_MAX else [row[0] for row in rows]


def _stated_of(db: Db, assets_: Collection[str], since: int) -> set[str]:
    """Those of the assets of which levels were stated from an instant on."""
    query = "select distinct subject from events where topic = ? and subject = any(?) and type = any(?) and time >= ?"
    return {row[0] for row in db.rows(query, ASSETS, sorted(assets_), list(_LEVELS), since)}
