"""Onward transfer: by which contracts what was delivered to one may have come to another."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple


class Sold(NamedTuple):
    """A contract over the asset: who sold to whom, and whether the buyer may sell on."""

    contract: str
    seller: str
    buyer: str
    resale: bool


class Start(NamedTuple):
    """A first holder, and whether they may sell it on."""

    party: str
    resale: bool


def way(starts: Iterable[Start], sold: Collection[Sold], holder: str, *, permitted: bool) -> list[str] | None:
    """The contracts from one of those who had it first to `holder`: the fewest, of equally many the smallest ids.

    With `permitted` only those that may sell on are followed. Empty where `holder` is among the first; None where no
    contracts lead there. Sellers in a circle are harmless.
    """
    onward: Mapping[str, Sequence[Sold]] = _by_seller(sold)
    first = sorted(set(starts))
    if any(start.party == holder for start in first):
        return []
    chains: dict[str, list[str]] = {}
    todo: deque[str] = deque()
    for start in first:
        if (start.resale or not permitted) and start.party not in chains:
            chains[start.party] = []
            todo.append(start.party)
    while todo:
        seller = todo.popleft()
        for one_sold in onward.get(seller, ()):
            chain = [*chains[seller], one_sold.contract]
            if one_sold.buyer == holder:
                return chain
            if one_sold.buyer not in chains and (one_sold.resale or not permitted):
                chains[one_sold.buyer] = chain
                todo.append(one_sold.buyer)
    return None


def _by_seller(sold: Iterable[Sold]) -> dict[str, list[Sold]]:
    by_seller: dict[str, list[Sold]] = {}
    for sale in sorted(sold):
        by_seller.setdefault(sale.seller, []).append(sale)
    return by_seller
