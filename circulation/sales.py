"""What a contract sells: by its signing, and by an amendment after which it sells what it did not before it.

Without the second, a contract over something harmless would be signed, and amended to what nobody may sell.
"""

from collections.abc import Collection
from operator import attrgetter
from typing import Any, Final

from circulation.events.names import CONTRACT_AMENDED
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.money import millionths
from circulation.terms import allows, allows_purpose

# An amendment by which one of these becomes another is a sale.
SOLD: Final = ("asset", "seller", "buyer")


def sells(act: Act, facts: Facts, *members: str, wider: bool = False) -> bool:
    """Whether an act sells; of all acts only an amendment may not.

    An amendment does where nothing was stated before it, or where it changes what is sold, by or to whom, or one of
    `members` of its data (`terms.delivery` is one of its terms). Where the rule looks for a right that may be given for
    some purposes or countries only, one that allows more of them (`wider`) does, too. Needs the contract.
    """
    if act.type != CONTRACT_AMENDED:
        return True
    data, *replaced = facts.contract(act.subject).and_replaced(act)
    if not replaced:
        return True
    (before,) = replaced
    if any(_stated(data, member) != _stated(before, member) for member in (*SOLD, *members)):
        return True
    return wider and _is_wider(before.terms, data.terms)


def _stated(data: Any, member: str) -> Any:
    """A member as it is compared: amounts as numbers, lists without their order."""
    value = attrgetter(member)(data)
    if member == "amount":
        return millionths(value)
    return frozenset(value) if isinstance(value, tuple) else value


def _is_wider(before: Any, after: Any) -> bool:
    """Whether terms allow a purpose or a country that those before them did not."""
    if before.purposes is not None and not _within(after.purposes, before.purposes, allows_purpose):
        return True
    return before.countries is not None and not _within(after.countries, before.countries, allows)


def _within(now: Collection[str] | None, before: Collection[str], allowing: Any) -> bool:
    return now is not None and all(allowing(before, value) for value in now)
