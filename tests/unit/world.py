"""Facts and acts of a handful of events, without an engine: what the tests of single rules judge."""

from collections.abc import Sequence
from typing import Any

import orjson

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import Json
from circulation.facts.acts import Act, order
from circulation.facts.assets import AssetFacts
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts, Loaded, Need
from circulation.facts.parties import PartyFacts
from circulation.findings import Said
from circulation.lineage import Edge, Inputs, stops
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from circulation.rules import Rule

NOW = parse_instant("2030-01-01")


def admitted(said: Json) -> Event:
    found = Admission(None).admit(orjson.dumps(said), topic=None, key=ANY, headers=(), now=NOW)
    assert isinstance(found, Event), found
    return found


def packs(data: Json) -> Packs:
    return Packs.always(parse_pack(data, published=False))


class Everything(dict[str, Any]):
    """Facts by id; of what was never stated there are facts too, empty ones."""

    def __init__(self, kind: type, topic: str, events: Sequence[Event]) -> None:
        super().__init__()
        self._kind = kind
        by_subject: dict[str, list[Event]] = {}
        for one in events:
            if one.topic == topic:
                by_subject.setdefault(one.subject, []).append(one)
        for subject, some in by_subject.items():
            self[subject] = kind(subject, some)

    def __bool__(self) -> bool:
        return True

    def __missing__(self, id_: str) -> Any:
        self[id_] = self._kind(id_, [])
        return self[id_]


def facts(events: Sequence[Event], rule: Rule, needs: frozenset[Need], in_force: Packs) -> Facts:
    """The facts of a rule with these needs."""
    edges: dict[str, list[Edge]] = {}
    for one in events:
        if one.type == "circulation.asset.derived":
            stopping = stops(one.data.process, one.data.irreversible, one.data.evidence)
            for each in one.data.inputs:
                edges.setdefault(one.subject, []).append(Edge(one.subject, each.asset, one.time, stopping, each.share))
    uses: dict[str, int] = {}
    for one in events:
        if one.type == "circulation.usage.reported":
            uses[one.subject] = min(one.time, uses.get(one.subject, one.time))
    assets = Everything(AssetFacts, "circulation.assets", events)
    inputs = {}
    for asset, some in edges.items():
        stated = {one.input: assets[one.input].times() for one in some}
        inputs[asset] = Inputs(some, stated, max(one.time for one in some))
    return Loaded(
        packs=in_force,
        assets=assets,
        parties=Everything(PartyFacts, "circulation.parties", events),
        contracts=Everything(ContractFacts, "circulation.contracts", events),
        edges=edges,
        inputs=inputs,
        uses=uses,
        served=uses,
    ).bound(rule.id, needs, rule.settings)


def acts(events: Sequence[Event], types: frozenset[str]) -> list[Act]:
    """The acts of these types, in the order in which sums go over them."""
    found = [
        Act(
            thing=f"{one.subject}/{one.id}",
            type=one.type,
            subject=one.subject,
            source=one.source,
            id=one.id,
            time=one.time,
            reporter=one.reporter,
            data=one.data,
        )
        for one in events
        if one.type in types
    ]
    return sorted(found, key=order)


def said(rule: Rule, stated: Sequence[Json], pack: Json) -> list[Said]:
    """What a rule says of these events, deadlines that are not due included."""
    events = [admitted(one) for one in stated]
    in_force = packs(pack)
    found: list[Said] = []
    if rule.check is not None:
        known = facts(events, rule, rule.check.needs, in_force)
        for act in acts(events, rule.check.acts):
            found += rule.check.check(act, known)
    if rule.sum is not None:
        known = facts(events, rule, rule.sum.needs, in_force)
        scopes: dict[str, list[Act]] = {}
        for act in acts(events, rule.sum.acts):
            for scope in rule.sum.scopes(act, known):
                scopes.setdefault(scope, []).append(act)
        for scope, members in scopes.items():
            found += rule.sum.judge(scope, members, known)
    return found
