"""The receivers of a finding: those that packs name for the industry concerned."""

from collections.abc import Callable, Mapping, Sequence

from circulation.facts.assets import AssetFacts
from circulation.facts.facts import Loaded
from circulation.facts.parties import PartyFacts
from circulation.packs.in_force import Packs
from streams.facts.known import Known
from streams.findings.entry import Entry
from streams.store.db import Db


class Sectors:
    """Looks up the receivers of findings: those of the asset's industry, else of its owner's, else of the responsible
    party's own; of the prefixes that a pack names the longest."""

    def __init__(self, packs: Callable[[], Packs], known: Known) -> None:
        self._packs = packs
        self._known = known

    def __call__(self, db: Db, entries: Sequence[Entry], facts: Loaded | None = None) -> list[tuple[str, ...]]:
        """The receivers of each finding, as known now, or by these facts."""
        with_sectors = [entry for entry in entries if entry.pack.sectors]
        wanted = {asset for entry in with_sectors if (asset := self._asset(entry)) is not None}
        assets = {} if facts is None else facts.assets_of(wanted)
        assets |= self._known.assets(db, wanted - assets.keys())
        named = {owner for asset in assets.values() for owner in asset.owners()}
        named |= {entry.statement.party for entry in with_sectors if entry.statement.party is not None}
        parties = {} if facts is None else facts.parties_of(named)
        parties |= self._known.parties(db, named - parties.keys())
        return [() if not entry.pack.sectors else self._of(entry, assets, parties) for entry in entries]

    def _of(self, entry: Entry, assets: Mapping[str, AssetFacts], parties: Mapping[str, PartyFacts]) -> tuple[str, ...]:
        asset, at = self._asset(entry), entry.statement.occurred
        stated = None if asset is None else assets[asset].registration(at)
        industry = None if stated is None else stated.industry
        owner = None if stated is None else stated.owner
        for party in (owner, entry.statement.party):
            if industry is None and party is not None and (registered := parties[party].at(at)) is not None:
                industry = registered.industry
        return entry.pack.receivers(industry) if industry else ()

    @staticmethod
    def _asset(entry: Entry) -> str | None:
        if entry.statement.asset is not None:
            return entry.statement.asset
        return entry.statement.about.id if entry.statement.about.kind == "asset" else None
