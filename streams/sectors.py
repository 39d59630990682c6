"""Who receives a finding: what packs say of the industry concerned."""

from collections.abc import Callable, Sequence

from circulation.facts import Facts
from circulation.rulepack import Packs
from streams.book import Entry
from streams.loading import Known
from streams.store import Db


class Sectors:
    """Looks up the receivers of findings: those of the asset's industry, else of its owner's, longest prefix."""

    def __init__(self, packs: Callable[[], Packs], known: Known) -> None:
        self._packs = packs
        self._known = known

    def __call__(self, db: Db, entries: Sequence[Entry], facts: Facts | None = None) -> list[tuple[str, ...]]:
        """The receivers of each finding, as known now, or by these facts."""
        wanted = {asset for one in entries if one.pack.sectors and (asset := self._asset(one)) is not None}
        assets = {} if facts is None else facts.loaded_assets(wanted)
        assets |= self._known.assets(db, wanted - assets.keys())
        owners = {owner for asset in assets.values() for owner in asset.owners()}
        parties = {} if facts is None else facts.loaded_parties(owners)
        parties |= self._known.parties(db, owners - parties.keys())
        found: list[tuple[str, ...]] = []
        for entry in entries:
            asset = self._asset(entry)
            if asset is None or asset not in assets:
                found.append(())
                continue
            data = assets[asset].registration(entry.said.occurred)
            industry = None if data is None else data.industry
            if data is not None and industry is None and data.owner is not None:
                owner = parties[data.owner].at(entry.said.occurred)
                industry = None if owner is None else owner.industry
            found.append(entry.pack.receivers(industry) if industry else ())
        return found

    @staticmethod
    def _asset(entry: Entry) -> str | None:
        if entry.said.asset is not None:
            return entry.said.asset
        return entry.said.about.id if entry.said.about.kind == "asset" else None
