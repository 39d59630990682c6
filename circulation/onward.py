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
    """Who has it first, and whether they may sell it on."""

    party: str
    resale: bool


def way(starts: Iterable[Start], sold: Collection[Sold], holder: str, *, permitted: bool) -> list[str] | None:
    """The contracts from one of those who had it first to `holder`: the fewest, of equally many the smallest ids.

    With `permitted` only those that may sell on are followed. Empty where `holder` is among the first; None where no
    contracts lead there. Sellers in a circle are harmless.
    """
    onward: Mapping[str, Sequence[Sold]] = _by_seller(sold)
    first = sorted(set(starts))
    if any(one.party == holder for one in first):
        return []
    found: dict[str, list[str]] = {}
    todo: deque[str] = deque()
    for one in first:
        if (one.resale or not permitted) and one.party not in found:
            found[one.party] = []
            todo.append(one.party)
    while todo:
        seller = todo.popleft()
        for one_sold in onward.get(seller, ()):
            chain = [*found[seller], one_sold.contract]
            if one_sold.buyer == holder:
                return chain
            if one_sold.buyer not in found and (one_sold.resale or not permitted):
                found[one_sold.buyer] = chain
                todo.append(one_sold.buyer)
    return None


def _by_seller(sold: Iterable[Sold]) -> dict[str, list[Sold]]:
    found: dict[str, list[Sold]] = {}
    for one in sorted(sold):
        found.setdefault(one.seller, []).append(one)
    return found
