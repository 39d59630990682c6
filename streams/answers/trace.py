"""Looking through an asset: what it came from, what came of it, who holds that by what right, and where it went.

Lineage is reached layer by layer, nearest first, so that what lies beyond a limit is the farthest, and is said to have
been cut off. Everything is as of one instant: by what is known now, so that a statement that came late counts from its
time; or by what was known at another instant, so that what came later is not there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final

from sqlalchemy import bindparam, func, select, union, union_all

from circulation.calendar import format_instant
from circulation.events.names import ASSET_REGISTERED, ASSET_WITHDRAWN, ASSETS
from circulation.facts.assets import AssetFacts
from circulation.lineage import RUN_MARK, Ancestry, Edge, ancestry, descent
from circulation.packs.in_force import Packs
from circulation.shares import Part, origins, parts
from streams.answers import trace_acts, trace_holders, trace_matches, trace_runs
from streams.answers.kept import EVENTS, stood
from streams.answers.lineages import AsKnown, Lineage, Reached, Stored, Way
from streams.answers.seen import Seen, concerned, contracts_over
from streams.answers.trace_document import Asset, Cut, CutOff, Derivation, End, Limits, Trace, schema
from streams.facts import loading
from streams.facts.groups import with_controllers
from streams.store.ask import ANY_ROW, Question, any_of
from streams.store.db import Db
from streams.store.schema import derivations, refs

SHARE_DIGITS = 6
ORIGINS: Mapping[str | None, End] = {
    "collected": "collected",
    "generated": "collected",
    "derived": "unknown",
    "acquired": "unknown",
    None: "unstated",
}

__all__ = ["Limits", "Trace", "is_known", "known_assets", "look_through", "schema"]


_DERIVATIONS, _REFS = derivations.c, refs.c
_KNOWN: Final = Question(
    union_all(
        ANY_ROW.where(EVENTS.topic == ASSETS, EVENTS.subject == bindparam("asset")),
        ANY_ROW.where(_DERIVATIONS.output == bindparam("asset")),
        ANY_ROW.where(_DERIVATIONS.input == bindparam("asset")),
        ANY_ROW.where(_REFS.kind == any_of("kinds"), _REFS.ref == bindparam("asset")),
    ).limit(1)
)
_ALIKE: Final = Question(
    union(
        select(EVENTS.subject).where(EVENTS.type == ASSET_REGISTERED, EVENTS.subject.like(bindparam("like"))),
        *(
            select(end).where(end.like(bindparam("like")), func.substr(end, 1, 1) != bindparam("mark"))
            for end in (_DERIVATIONS.output, _DERIVATIONS.input)
        ),
    ).limit(bindparam("count"))
)


def is_known(db: Db, asset: str) -> bool:
    """Whether anything names this asset: a statement about it, a derivation, a run, a contract."""
    return _KNOWN.one(db, asset=asset, kinds=["asset", "input", "output"]) is not None


def known_assets(db: Db, like: str, count_max: int) -> list[str]:
    """Some assets whose ids are like this pattern of SQL."""
    return [row[0] for row in _ALIKE.rows(db, like=like, mark=RUN_MARK, count=count_max)]


def look_through(
    db: Db,
    asset: str,
    at: int,
    *,
    up: bool = True,
    down: bool = True,
    limits: Limits | None = None,
    known_at: int | None = None,
    lineage: Lineage | None = None,
    packs: Packs | None = None,
) -> Trace:
    """Trace the asset's circulation as of the instant `at` (µs), by the events known then or at `known_at`.

    `lineage` answers with the derivations, the store where it is None; `packs` are the negative lists that are held
    against the ancestors.
    """
    limits = limits or Limits()
    cut: list[CutOff] = []
    lineage = lineage or (Stored(db) if known_at is None else AsKnown(db, known_at))
    above = _reached(lineage, asset, at, "up", limits, cut) if up else Reached([asset], {})
    below = _reached(lineage, asset, at, "down", limits, cut) if down else Reached([asset], {})
    ancestors = ancestry(above.edges, asset, at, True)
    inherited = ancestry(above.edges, asset, at, False)
    # From an asset to what was made of it: the same edges, turned round.
    turned = _turned(below.edges)
    descendants = descent(turned, asset, at, True)
    inheriting = descent(turned, asset, at, False)
    upward, downward = list(_in_order(ancestors, set(above.assets))), list(_in_order(descendants, set(below.assets)))
    of_each: dict[str, dict[str, Part]] = {}
    shares = origins(above.edges, asset, at, of_each=of_each)
    shown = list(dict.fromkeys([asset, *(id_ for id_, _ in upward), *(id_ for id_, _ in downward)]))

    derivations = _derivations(set(shown), of_each, above.edges, below.edges)

    assets = loading.assets(db, shown, known_at)
    contracts, more = contracts_over(db, shown, known_at, limits.contracts_max)
    parties = with_controllers(db, concerned(assets, contracts, at), known_at)
    registrations = {id_: facts.registration(at) for id_, facts in assets.items()}
    seen = Seen(db, at, known_at, limits, cut, shown, assets, registrations, contracts, parties)
    if more:
        seen.over("contracts_max", "holders")
    acts = trace_acts.acts(seen)
    ran = trace_runs.ran(seen, asset)
    unfinished = {
        output
        for run in ran.runs
        if run.derives is None and run.state not in ("completed", "missing")
        for output in run.outputs
    }
    withdrawn = _withdrawn(db, shown, at, known_at)

    reached = set(above.assets)

    def described(id_: str, distance: int) -> dict[str, Any]:
        owners = ran.owners.get(id_, [])
        return _described(assets[id_], registrations[id_], at, withdrawn) | {
            "asset": id_,
            "distance": distance,
            "owners": owners,
        }

    def ended(id_: str) -> End | None:
        if not up or any(edge.input not in reached for edge in above.edges.get(id_, ())):
            return "cut-off" if up else None
        return None if above.edges.get(id_) else _end(assets[id_], at, above, id_ in unfinished)

    def ancestor(id_: str, distance: int) -> Asset:
        share = shares[id_]
        return Asset(
            **described(id_, distance),
            share=round(share.share, SHARE_DIGITS),
            assumed=share.assumed,
            at_least=share.at_least or bool(above.cut),
            stopped=id_ not in inherited.distances,
            end=ended(id_),
        )

    return Trace(
        asset=Asset(**described(asset, 0), end=ended(asset)),
        as_of=format_instant(at),
        known_at=None if known_at is None else format_instant(known_at),
        ancestors=[ancestor(*pair) for pair in upward] if up else None,
        descendants=[
            Asset(**described(id_, distance), stopped=id_ not in inheriting.distances) for id_, distance in downward
        ]
        if down
        else None,
        derivations=derivations,
        matches=[]
        if packs is None or not up
        else trace_matches.matches(
            seen, packs.in_force(at), ancestors, inherited, above.edges, cache(partial(_outputs, above.edges))
        ),
        holders=trace_holders.holders(seen),
        controllers=trace_holders.controllers(seen),
        contracts=trace_holders.contracts(seen, acts),
        rights=trace_holders.rights(seen, derivations),
        countries=trace_acts.countries(seen, acts),
        watermarks=trace_acts.watermarks(seen, acts),
        columns=ran.columns,
        runs=ran.runs,
        cut_off=cut,
    )


def _reached(lineage: Lineage, asset: str, at: int, way: Way, limits: Limits, cut: list[CutOff]) -> Reached:
    reached = lineage.reached(asset, at, way, limits.assets_max, limits.derivations_max)
    of: Cut = "ancestors" if way == "up" else "descendants"
    for name in reached.cut:
        cut.append(CutOff(name=name, maximum=getattr(limits, name), of=of))
    return reached


def _end(facts: AssetFacts, at: int, above: Reached, unfinished: bool) -> End:
    """Why nothing is known of what an asset came from."""
    if "derivations_max" in above.cut:
        return "cut-off"
    if unfinished:
        return "run-not-completed"
    stated = facts.stated(at)
    return "unregistered" if stated is None else ORIGINS[stated.origin]


def _turned(edges: Mapping[str, Iterable[Edge]]) -> dict[str, list[Edge]]:
    turned: dict[str, list[Edge]] = {}
    for of_output in edges.values():
        for edge in of_output:
            turned.setdefault(edge.input, []).append(edge._replace(output=edge.input, input=edge.output))
    return turned


def _outputs(edges: Mapping[str, Iterable[Edge]], going_on: bool) -> dict[str, list[str]]:
    """The assets derived from each asset; with `going_on` only by derivations that do not stop."""
    by_input: dict[str, set[str]] = {}
    for of_output in edges.values():
        for edge in of_output:
            if not (going_on and edge.stops):
                by_input.setdefault(edge.input, set()).add(edge.output)
    return {input_: sorted(outputs) for input_, outputs in by_input.items()}


def _in_order(reached: Ancestry, shown: Collection[str]) -> Iterator[tuple[str, int]]:
    for distance, layer in enumerate(reached.layers()):
        if distance:
            yield from ((id_, distance) for id_ in layer if id_ in shown)


def _derivations(
    shown: Collection[str], of_each: Mapping[str, dict[str, Part]], *groups: Mapping[str, Sequence[Edge]]
) -> list[Derivation]:
    derivations: dict[tuple[str, str], Derivation] = {}
    for edges in groups:
        for output, of_output in edges.items():
            if output not in shown:
                continue
            by_input: dict[str, list[Edge]] = {}
            for edge in of_output:
                by_input.setdefault(edge.input, []).append(edge)
            shares = of_each.get(output) or parts(edge for edge in of_output if edge.input != output)
            for input_, part in shares.items():
                if input_ not in shown or (output, input_) in derivations:
                    continue
                steps = by_input[input_]
                derivations[output, input_] = Derivation(
                    output=output,
                    input=input_,
                    since=format_instant(min(edge.time for edge in steps)),
                    share=round(part.share, SHARE_DIGITS),
                    assumed=part.assumed,
                    stops=all(edge.stops for edge in steps),
                    same=any(edge.same for edge in steps),
                )
    return [derivations[key] for key in sorted(derivations)]


def _described(facts: AssetFacts, data: Any | None, at: int, withdrawn: Mapping[str, int]) -> dict[str, Any]:
    since = withdrawn.get(facts.id)
    members: dict[str, Any] = {
        "registered": facts.stated(at) is not None,
        "withdrawn": None if since is None else format_instant(since),
    }
    if data is not None:
        subject = facts.subject(at, None)
        members |= {"title": data.title, "owner": data.owner, "level": subject.level, "personal": subject.personal}
        members["public"] = subject.public
    return members


@cache
def _first_withdrawals(*, dated: bool) -> Question:
    first = select(EVENTS.subject, func.min(EVENTS.time))
    of_assets = first.where(EVENTS.topic == ASSETS, EVENTS.subject == any_of("assets"), EVENTS.type == ASSET_WITHDRAWN)
    by_then = of_assets.where(EVENTS.time <= bindparam("at"), stood(dated=dated))
    return Question(by_then.group_by(EVENTS.subject))


def _withdrawn(db: Db, assets: Sequence[str], at: int, known_at: int | None) -> dict[str, int]:
    """The first withdrawal of each asset that was withdrawn by then."""
    question = _first_withdrawals(dated=known_at is not None)
    return dict(question.rows(db, assets=list(assets), at=at, known_at=known_at))
