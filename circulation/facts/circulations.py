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
        for one in acts:
            products.setdefault("" if one.type == ASSET_WITHDRAWN else one.data.product, []).append(one)
        counting = [one for some in products.values() for one in ranked(some)]
        self._listed = of_types(counting, PRODUCT_LISTED)
        self._delisted = of_types(counting, PRODUCT_DELISTED)
        self._withdrawn = of_types(counting, ASSET_WITHDRAWN)
        signed = [(one.signed, one) for one in contracts]
        self._contracts = [one for _, one in sorted((order(by), one) for by, one in signed if by is not None)]

    @property
    def since(self) -> int | None:
        """The earliest listing or signing; None where it does not circulate."""
        signed = (one.signed for one in self._contracts[:1])
        return min((one.time for one in (*self._listed[:1], *signed) if one is not None), default=None)

    def parties(self) -> set[str]:
        """All sellers and buyers that were ever stated."""
        return {one.data.seller for one in self._listed} | {one for each in self._contracts for one in each.parties()}

    def listings(self, instant: int) -> list[Any]:
        """What the listings say that stand at the instant, in the order of (time, source, id)."""
        return [one.data for one in self._listed if one.time <= instant and not self._gone(one, instant)]

    def _gone(self, listing: Event, instant: int) -> bool:
        return any(
            listing.time <= one.time <= instant
            and (one.type == ASSET_WITHDRAWN or one.data.product == listing.data.product)
            for one in (*self._delisted, *self._withdrawn)
        )

    def trades(self, instant: int) -> list[Any]:
        """What the contracts over the asset say that are in force at the instant, in the order of their signing."""
        stated = (one.statement(instant) for one in self._contracts if one.in_force(instant))
        return [one for one in stated if one is not None and one.asset == self.asset]
