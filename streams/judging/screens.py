"""Judges screens: what rules say of assets that circulate, whenever an entry of the list takes effect."""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.facts import circulations as screening
from streams.facts.reports import acting
from streams.findings.entry import Entry
from streams.judging import needs, sandboxes
from streams.judging.round import Round
from streams.store.queue import rest_of


def judge(round_: Round, things: Sequence[str]) -> None:
    """Hold each asset against the list as of the horizon; of what does not circulate (any more) nothing stands."""
    shapes = round_.shapes
    by_asset = {rest_of(thing): thing for thing in things}
    circulations, acts, contracts = screening.circulations(round_.db, list(by_asset))
    circulating = {asset: circulation for asset, circulation in circulations.items() if circulation.since is not None}
    needed = {need for _, shape in shapes.screens for need in shape.needs}
    flat = [act for asset, events in acts.items() for act in acting(by_asset[asset], events)]
    parties = {party for circulation in circulating.values() for party in circulation.parties()}
    facts = needs.load(round_, flat, needed, contracts=contracts, assets=circulating, parties=parties)
    bound = needs.Bound(facts, shapes.rules, "screen")
    entries: list[Entry] = []
    for asset, circulation in circulating.items():
        for rule, shape in shapes.screens:
            statements = round_.say(rule, None, shape.judge, circulation, round_.horizon, bound[rule.id])
            entries += round_.entries(by_asset[asset], statements)
    entries = sandboxes.mark(round_, entries, things, {})
    gone = set(things) - {by_asset[asset] for asset in circulating}

    def reason(thing: str, _: Mapping[str, Any]) -> str:
        return "retracted" if thing in gone else "refuted"

    round_.enter(entries, things, reason=reason, facts=facts)
