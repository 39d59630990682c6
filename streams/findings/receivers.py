"""Who receives a finding: what packs say of the industry concerned."""

from collections.abc import Callable, Mapping, Sequence

from circulation.facts.assets import AssetFacts
from circulation.facts.facts import Loaded
from circulation.facts.parties import PartyFacts
from circulation.packs.in_force import Packs
from streams.facts.known import Known
from streams.findings.book import Entry
from streams.store.db import Db


class Sectors:
    """Looks up the receivers of findings: those of the asset's industry, else of its owner's, else of the responsible
    party's own; of the prefixes that a pack names the longest."""

    def __init__(self, packs: Callable[[], Packs], known: Known) -> None:
        self._packs = packs
        self._known = known

    def __call__(self, db: Db, entries: Sequence[Entry], facts: Loaded | None = None) -> list[tuple[str, ...]]:
        """The receivers of each finding, as known now, or by these facts."""
        with_sectors = [one for one in entries if one.pack.sectors]
        wanted = {asset for one in with_sectors if (asset := self._asset(one)) is not None}
        assets = {} if facts is None else facts.assets_of(wanted)
        assets |= self._known.assets(db, wanted - assets.keys())
        named = {owner for asset in assets.values() for owner in asset.owners()}
        named |= {one.said.party for one in with_sectors if one.said.party is not None}
        parties = {} if facts is None else facts.parties_of(named)
        parties |= self._known.parties(db, named - parties.keys())
        return [() if not one.pack.sectors else self._of(one, assets, parties) for one in entries]

    def _of(self, entry: Entry, assets: Mapping[str, AssetFacts], parties: Mapping[str, PartyFacts]) -> tuple[str, ...]:
        asset, at = self._asset(entry), entry.said.occurred
        stated = None if asset is None else assets[asset].registration(at)
        industry = None if stated is None else stated.industry
        owner = None if stated is None else stated.owner
        for party in (owner, entry.said.party):
            if industry is None and party is not None and (registered := parties[party].at(at)) is not None:
                industry = registered.industry
        return entry.pack.receivers(industry) if industry else ()

    @staticmethod
    def _asset(entry: Entry) -> str | None:
        if entry.said.asset is not None:
            return entry.said.asset
        return entry.said.about.id if entry.said.about.kind == "asset" else None
