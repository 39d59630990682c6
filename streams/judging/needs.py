"""Loads what rules declared that they need, for all acts of a round in bulk."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from circulation.daily import UsedAbroad, UsedDay
from circulation.events.names import ASSET_REGISTERED, DELIVERY_COMPLETED
from circulation.exports import UNDECLARED, is_abroad
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts, Heard, Loaded
from circulation.findings import About, finding_id
from circulation.rules import Rule
from circulation.sides import Settled
from streams.facts import derivations, loading, recent
from streams.facts.inputs import derived_in_one_step, made_by_runs
from streams.facts.payments import Paid
from streams.judging.round import Round


def load(
    round_: Round,
    acts: Sequence[Act],
    needs: Collection[str],
    *,
    contracts: Collection[str] = (),
    assets: Collection[str] = (),
    parties: Collection[str] = (),
    inputs: Mapping[str, int] | None = None,
    uses: Mapping[str, int] | None = None,
    served: Mapping[str, int] | None = None,
    abroad: Mapping[str, Sequence[UsedAbroad]] | None = None,
    days: Mapping[str, Sequence[UsedDay]] | None = None,
    heard: Mapping[str, Heard] | None = None,
    settled: Mapping[str, Mapping[int, Settled]] | None = None,
) -> Loaded:
    """All that the rules declared: contracts, then assets and their ancestors, then parties.

    `contracts`, `assets` and `parties` are looked at besides those that acts name; `inputs` are the assets whose inputs
    are, each from an instant on; `uses`, `served`, `abroad`, `days`, `heard` and `settled` were loaded by the caller.
    The parties of a contract are who sold and who bought when an act names it. Ancestors are those of `assets`, and of
    what acts name at whose ancestors a rule looks.
    """
    more = set(contracts)
    contracts_: dict[str, Any] = {}
    assets_: dict[str, Any] = {}
    parties_: dict[str, Any] = {}
    edges: dict[str, Any] = {}
    db, known = round_.db, round_.known
    registered = {act.subject for act in acts if act.type == ASSET_REGISTERED}
    made = made_by_runs(db, registered) if "made" in needs and registered else {}
    if {*needs} & {"contract", "asset", "ancestors", "runs", "undeclared"}:
        contracts_ = known.contracts(db, more | {one for act in acts for one in recent.contracts_of(act)})
    if {*needs} & {"asset", "ancestors"}:
        ids = set(assets) | {one for act in acts for one in recent.assets_of(act, contracts_)}
        ids |= {edge.input for some in made.values() for edge in some}
        if "ancestors" in needs:
            below = set(assets)
            for act in acts:
                if act.type in round_.shapes.types_of_ancestors:
                    below.update(recent.assets_of(act, contracts_))
            edges = known.edges_above(db, below)
            ids |= loading.assets_above(below, edges)
        assets_ = known.assets(db, ids)
    if {*needs} & {"party", "controllers", "group", "asset", "ancestors"}:
        wanted = set(parties) | {one for act in acts for one in recent.parties_of(act)}
        wanted |= {
            one
            for act in acts
            for contract in recent.contracts_of(act)
            if contract in contracts_
            for one in contracts_[contract].parties_at(act.time)
        }
        wanted |= {owner for asset in assets_.values() for owner in asset.owners()}
        if "group" in needs:
            parties_ = known.with_recorded(db, wanted)
        else:
            parties_ = (known.with_controllers if "controllers" in needs else known.parties)(db, wanted)
    inputs_ = derived_in_one_step(db, known, inputs) if inputs else {}
    for _, some in inputs_.values():
        assets_.update(some)
    undeclared = _undeclared(round_, acts, contracts_) if "undeclared" in needs else ()
    named: set[str] = set()
    if "runs" in needs and known.has_unfinished(db):
        named = {one for act in acts for one in recent.assets_of(act, contracts_)}
        named |= {edge.input for one in named for edge in edges.get(one, ()) if edge.same}
    return Loaded(
        packs=round_.packs,
        assets=assets_,
        parties=parties_,
        contracts=contracts_,
        edges=edges,
        payments=Paid(db, known),
        undeclared=undeclared,
        inputs=None if inputs is None else {asset: one for asset, (one, _) in inputs_.items()},
        uses=uses,
        served=served,
        abroad=abroad,
        days=days,
        heard=heard,
        settled=settled,
        unfinished=(left := derivations.unfinished(db, named)),
        derived_by_runs=derivations.derived_by_runs(db, left),
        made=made,
    )


def _undeclared(
    round_: Round, acts: Sequence[Act], contracts: Mapping[str, ContractFacts]
) -> set[tuple[str, str, str]]:
    """The deliveries of which it stands that they went abroad and nobody declared them: (contract, source, id).

    A finding of that, raised or cleared, has its delivery judged again: see `streams.findings.book`.
    """
    asked: dict[str, tuple[str, str, str]] = {}
    for act in acts:
        if act.type != DELIVERY_COMPLETED or not is_abroad(act.data, round_.packs.in_force(act.time).home):
            continue
        contract = contracts[act.subject].statement(act.time)
        if contract is not None:
            finding = finding_id(UNDECLARED, About("party", contract.seller), act.cause, (act.subject,))
            asked[finding] = (act.subject, act.source, act.id)
    if not asked:
        return set()
    rows = round_.db.rows("select finding from findings where finding = any(?) and standing", sorted(asked))
    return {asked[row[0]] for row in rows}


class Bound(dict[str, Facts]):
    """What was loaded, for each rule by the needs of one of its shapes; bound when it is first asked."""

    def __init__(self, loaded: Loaded, rules: Mapping[str, Rule], shape: Literal["check", "sum", "screen"]) -> None:
        super().__init__()
        self._loaded = loaded
        self._rules = rules
        self._shape = shape

    def __missing__(self, id_: str) -> Facts:
        rule = self._rules[id_]
        facts = self[id_] = self._loaded.bound(id_, getattr(rule, self._shape).needs, rule.settings)
        return facts
