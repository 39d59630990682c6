"""Loads what rules declared that they need, for all acts of a round in bulk."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from circulation.daily import UsedAbroad, UsedDay
from circulation.events.names import ASSET_REGISTERED, DELIVERY_COMPLETED
from circulation.exports import UNDECLARED, is_abroad
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts, Heard, Loaded, Need, facts_of
from circulation.findings import About, finding_id
from circulation.openlineage.runs import Unfinished
from circulation.rules import Rule
from circulation.sides import Settled
from streams.facts import derivations, loading, recent
from streams.facts.inputs import derived_in_one_step, made_by_runs
from streams.facts.payments import Paid
from streams.judging.round import Round

# For which needs contracts are loaded, the assets of acts are looked for, assets and parties are loaded.
_OF_CONTRACTS: Final[frozenset[Need]] = frozenset({"contract", "asset", "ancestors", "runs", "undeclared"})
_OF_ASSETS: Final[frozenset[Need]] = frozenset({"asset", "ancestors", "runs"})
_OF_OWNERS: Final[frozenset[Need]] = frozenset({"asset", "ancestors"})
_OF_PARTIES: Final[frozenset[Need]] = frozenset({"party", "controllers", "group", "asset", "ancestors"})


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
    contracts_: dict[str, Any] = {}
    assets_: dict[str, Any] = {}
    parties_: dict[str, Any] = {}
    edges: dict[str, Any] = {}
    db, known = round_.db, round_.known
    registered = {act.subject for act in acts if act.type == ASSET_REGISTERED} if "made" in needs else ()
    run_edges = made_by_runs(db, registered) if registered else {}
    of_acts = [recent.contracts_of(act) for act in acts]
    if not _OF_CONTRACTS.isdisjoint(needs):
        contracts_ = known.contracts(db, {*contracts}.union(*of_acts))
    named: list[list[str]] = []
    if not _OF_ASSETS.isdisjoint(needs):
        named = [recent.assets_of(act, contracts_) for act in acts]
    if not _OF_OWNERS.isdisjoint(needs):
        ids = {*assets}.union(*named)
        ids.update(edge.input for asset_edges in run_edges.values() for edge in asset_edges)
        if "ancestors" in needs:
            looking = round_.shapes.types_of_ancestors
            below = {*assets}.union(
                *(act_assets for act, act_assets in zip(acts, named, strict=True) if act.type in looking)
            )
            edges = known.edges_above(db, below)
            ids |= loading.assets_above(below, edges)
        assets_ = known.assets(db, ids)
    if not _OF_PARTIES.isdisjoint(needs):
        wanted = set(parties)
        for act, act_contracts in zip(acts, of_acts, strict=True):
            wanted.update(recent.parties_of(act))
            for contract in act_contracts:
                if contract in contracts_:
                    wanted.update(contracts_[contract].parties_at(act.time))
        for facts in assets_.values():
            wanted.update(facts.owners())
        if "group" in needs:
            parties_ = known.with_recorded(db, wanted)
        else:
            parties_ = (known.with_controllers if "controllers" in needs else known.parties)(db, wanted)
    inputs_ = derived_in_one_step(db, known, inputs) if inputs else {}
    for _, inputs_of_asset in inputs_.values():
        assets_.update(inputs_of_asset)
    undeclared = _undeclared(round_, acts, contracts_) if "undeclared" in needs else ()
    left: dict[str, list[Unfinished]] = {}
    if "runs" in needs and known.has_unfinished(db):
        looked_at = set[str]().union(*named)
        looked_at |= {edge.input for asset in looked_at for edge in edges.get(asset, ()) if edge.same}
        left = derivations.unfinished(db, looked_at)
    return Loaded(
        packs=round_.packs,
        assets=assets_,
        parties=parties_,
        contracts=contracts_,
        edges=edges,
        payments=Paid(db, known),
        undeclared=undeclared,
        inputs=None if inputs is None else {asset: asset_inputs for asset, (asset_inputs, _) in inputs_.items()},
        uses=uses,
        served=served,
        abroad=abroad,
        days=days,
        heard=heard,
        settled=settled,
        unfinished=left,
        derived_by_runs=derivations.derived_by_runs(db, left) if left else None,
        made=run_edges,
    )


def _undeclared(
    round_: Round, acts: Sequence[Act], contracts: Mapping[str, ContractFacts]
) -> set[tuple[str, str, str]]:
    """The deliveries of which it stands that they went abroad and nobody declared them: (contract, source, id).

    A finding of that, raised or cleared, has its delivery judged again: see `streams.findings.book`.
    """
    deliveries: dict[str, tuple[str, str, str]] = {}
    for act in acts:
        if act.type != DELIVERY_COMPLETED or not is_abroad(act.data, round_.packs.in_force(act.time).home):
            continue
        contract = contracts[act.subject].statement(act.time)
        if contract is not None:
            finding = finding_id(UNDECLARED, About("party", contract.seller), act.cause, (act.subject,))
            deliveries[finding] = (act.subject, act.source, act.id)
    if not deliveries:
        return set()
    rows = round_.db.rows("select finding from findings where finding = any(?) and standing", sorted(deliveries))
    return {deliveries[row[0]] for row in rows}


# By shape, by what is absent and by rule: the rule, and the class of its facts there.
_CLASSES: Final[dict[tuple[str, frozenset[Need]], dict[str, tuple[Rule, type[Facts]]]]] = {}


class Bound(dict[str, Facts]):
    """The loaded facts, for each rule by the needs of one of its shapes; bound when it is first asked."""

    def __init__(self, loaded: Loaded, rules: Mapping[str, Rule], shape: Literal["check", "sum", "screen"]) -> None:
        super().__init__()
        self._loaded = loaded
        self._rules = rules
        self._shape = shape
        self._classes = _CLASSES.setdefault((shape, loaded.absent), {})

    def __missing__(self, id_: str) -> Facts:
        rule = self._rules[id_]
        known, of_rule = self._classes.get(id_, (None, None))
        if of_rule is None or known is not rule:
            of_rule = facts_of(id_, getattr(rule, self._shape).needs, self._loaded.absent, rule.settings)
            self._classes[id_] = (rule, of_rule)
        facts = self[id_] = of_rule(self._loaded)
        return facts
