"""Markets: what belongs to one, and the exact shares of those who sell in it (contract §4).

A market is (GB/T 4754 division of the asset with its section's letter, `category`, currency); categories that are one
in an entry of a negative list are one here. A payment belongs to
the month of its contract's `time`, whenever it is paid, and a market is judged at each month's end at +08:00 over the
contracts of the months that end there, by what was paid under them by then (see `circulation.paid`): a contract of
which all was paid back counts for nothing. Undertakings with one controller count as one (Anti-Monopoly Law, article
24, and the guideline on horizontal mergers): who controls whom is that of the month's end.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from circulation.calendar import month_of, start_of_month
from circulation.facts.acts import Act
from circulation.facts.facts import Facts, Need
from circulation.keys import join_key, rsplit_key
from circulation.paid import counted
from circulation.rules import Period
from circulation.texts import fold

NEEDS: Final[frozenset[Need]] = frozenset({"asset", "contract", "controllers"})
# A letter and two digits.
DIVISION_CHARS: Final = 3
# The Herfindahl–Hirschman index of one seller alone.
HHI_MAX: Final = 10_000


class Shares(NamedTuple):
    """The shares of a market by seller, the largest first (of equal ones the smaller id), in how many contracts."""

    parts: Mapping[str, Fraction]
    contracts: int

    @property
    def hhi(self) -> Fraction:
        """The sum of the squares of all shares in percent."""
        return sum((share * share for share in self.parts.values()), Fraction(0)) * HHI_MAX


def scope_of(market: str, month: int) -> str:
    """One month of a market."""
    return join_key(market, str(month))


def split(scope: str) -> tuple[str, int]:
    """The market and the month of a scope."""
    market, month = rsplit_key(scope)
    return market, int(month)


class Place(NamedTuple):
    """The market in which something was paid, and the month to which it belongs."""

    market: str
    month: int


def place_of(act: Act, facts: Facts) -> Place | None:
    """The place of a settlement by its contract's `time`; None where that was not signed, or the market is not known.

    A payment before the contract was signed is in the market of the asset when it was paid.
    """
    contract = facts.contract(act.subject)
    statement = contract.statement(act.time)
    if statement is None or contract.signed is None:
        return None
    market = market_id(statement.asset, min(contract.signed.time, act.time), act.data.currency, facts)
    return None if market is None else Place(market, month_of(contract.signed.time))


def paid_within(act: Act, facts: Facts, since: int, until: int) -> bool:
    """Whether a settlement was made before an instant, under a contract of [`since`, `until`) (µs)."""
    signed = facts.contract(act.subject).signed
    return signed is not None and since <= signed.time < until and act.time < until


def market_id(asset: str, instant: int, currency: str, facts: Facts) -> str | None:
    """The market of an asset, `division/category/currency`; None where asset or industry is not known.

    The category is in the form in which texts are compared: however it is spelled, the market has one id.
    """
    subject = facts.subject(asset, instant)
    if subject.industry is None or len(subject.industry) < DIVISION_CHARS or subject.category is None:
        return None
    return f"{subject.industry[:DIVISION_CHARS]}/{fold(subject.category)}/{currency}"


def scopes(act: Act, facts: Facts) -> Sequence[str]:
    """The month of the market under whose contract something was paid."""
    place = place_of(act, facts)
    return () if place is None else (scope_of(*place),)


def ending_with(months: int) -> Period:
    """Months' ends, each of which looks back over so many months."""

    def shifted(shifts: range) -> Callable[[str], list[str]]:
        def found(scope: str) -> list[str]:
            market, month = split(scope)
            return [scope_of(market, month + shift) for shift in shifts]

        return found

    return Period(
        ends=lambda scope: start_of_month(split(scope)[1] + 1),
        members=shifted(range(1 - months, 1)),
        touches=shifted(range(months)),
        before_end=True,
    )


def shares(acts: Sequence[Act], facts: Facts, last_month: int, months: int) -> Shares:
    """The shares of paid amounts by controller over the months that end with this one, of what is left paid in them."""
    since, until = start_of_month(last_month + 1 - months), start_of_month(last_month + 1)
    paid: dict[tuple[str, str], int] = {}
    for act in acts:
        statement = facts.contract(act.subject).statement(act.time)
        if not paid_within(act, facts, since, until) or statement is None:
            continue
        of = facts.topmost(statement.seller, until), act.subject
        paid[of] = paid.get(of, 0) + counted(act, facts)
    sold: dict[str, int] = {}
    contracts = set()
    for (head, contract), amount in paid.items():
        if amount > 0:
            sold[head] = sold.get(head, 0) + amount
            contracts.add(contract)
    total = sum(sold.values())
    ordered = sorted(sold.items(), key=lambda pair: (-pair[1], pair[0]))
    return Shares({controller: Fraction(amount, total) for controller, amount in ordered}, len(contracts))
