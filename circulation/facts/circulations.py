"""Where an asset circulates: what is listed and what is under contract at an instant."""

from collections.abc import Collection
from typing import Any

from circulation.events.event import Event
from circulation.events.names import ASSET_WITHDRAWN, PRODUCT_DELISTED, PRODUCT_LISTED
from circulation.facts.acts import order
from circulation.facts.contracts import ContractFacts
from circulation.facts.statements import of_types
from circulation.licences import ranked


class Circulation:
    """Where one asset circulates: its listings, as they came and went, and the contracts over it.

    A delisting takes back the listings of its product, and a withdrawal all listings of the asset, that were made no
    later than it. `acts` are listings, delistings and withdrawals of the asset; `contracts` those that ever named it.
    """

    def __init__(self, asset: str, acts: Collection[Event], contracts: Collection[ContractFacts]) -> None:
        self.asset = asset
        products: dict[str, list[Event]] = {}
        for act in acts:
            products.setdefault("" if act.type == ASSET_WITHDRAWN else act.data.product, []).append(act)
        counting = [report for reports in products.values() for report in ranked(reports)]
        self._listed = of_types(counting, PRODUCT_LISTED)
        self._delisted = of_types(counting, PRODUCT_DELISTED)
        self._withdrawn = of_types(counting, ASSET_WITHDRAWN)
        # A source may use one id on two contracts, of one instant too: then they go by their own ids.
        signed = {contract.id: (order(by), contract) for contract in contracts if (by := contract.signed) is not None}
        self._contracts = [signed[id_][1] for id_ in sorted(signed, key=lambda id_: (signed[id_][0], id_))]

    @property
    def since(self) -> int | None:
        """The earliest listing or signing; None where it does not circulate."""
        signed = (contract.signed for contract in self._contracts[:1])
        return min((event.time for event in (*self._listed[:1], *signed) if event is not None), default=None)

    def parties(self) -> set[str]:
        """All sellers and buyers that were ever stated."""
        return {listing.data.seller for listing in self._listed} | {
            party for contract in self._contracts for party in contract.parties()
        }

    def listings(self, instant: int) -> list[Any]:
        """The listings that stand at the instant, in the order of (time, source, id)."""
        return [
            listing.data for listing in self._listed if listing.time <= instant and not self._gone(listing, instant)
        ]

    def _gone(self, listing: Event, instant: int) -> bool:
        return any(
            listing.time <= end.time <= instant
            and (end.type == ASSET_WITHDRAWN or end.data.product == listing.data.product)
            for end in (*self._delisted, *self._withdrawn)
        )

    def trades(self, instant: int) -> list[Any]:
        """The terms of the contracts over the asset that are in force at the instant, in the order of their signing."""
        stated = (contract.statement(instant) for contract in self._contracts if contract.in_force(instant))
        return [statement for statement in stated if statement is not None and statement.asset == self.asset]
