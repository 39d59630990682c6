"""Markets: what belongs to one, and the exact shares of those who sell in it (contract §4).

A market is (GB/T 4754 division of the asset, `category`, currency). It is judged at each month's end at +08:00 over the
months that end there. Undertakings with one controller count as one (Anti-Monopoly Law, article 24, and the guideline
on horizontal mergers): who controls whom is that of the month's end.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from circulation.calendar import month_of, start_of_month
from circulation.facts import Act, Facts
from circulation.money import millionths
from circulation.rules import Need, Period

SETTLED: Final = "circulation.settlement.paid"
NEEDS: Final[frozenset[Need]] = frozenset({"asset", "contract", "controllers"})
SEPARATOR: Final = "\x1f"
# A letter and two digits.
DIVISION_CHARS: Final = 3
# The Herfindahl–Hirschman index of one seller alone.
HHI_MAX: Final = 10_000


class Shares(NamedTuple):
    """Who sold what part of a market, the largest first (of equal ones the smaller id), in how many contracts."""

    parts: Mapping[str, Fraction]
    contracts: int

    @property
    def hhi(self) -> Fraction:
        """The sum of the squares of all shares in percent."""
        return sum((share * share for share in self.parts.values()), Fraction(0)) * HHI_MAX


def scope_of(market: str, month: int) -> str:
    """One month of a market."""
    return f"{market}{SEPARATOR}{month}"


def split(scope: str) -> tuple[str, int]:
    """The market and the month of a scope."""
    market, month = scope.rsplit(SEPARATOR, 1)
    return market, int(month)


def market_of(act: Act, facts: Facts) -> str | None:
    """The market of a settlement."""
    statement = facts.contract(act.subject).statement(act.time)
    if statement is None:
        return None
    return market_id(statement.asset, act.time, act.data.currency, facts)


def market_id(asset: str, instant: int, currency: str, facts: Facts) -> str | None:
    """The market of an asset, `division/category/currency`; None where asset or industry is not known."""
    subject = facts.subject(asset, instant)
    if subject.industry is None or len(subject.industry) < DIVISION_CHARS or subject.category is None:
        return None
    return f"{subject.industry[:DIVISION_CHARS]}/{subject.category}/{currency}"


def scopes(act: Act, facts: Facts) -> Sequence[str]:
    """The month of the market in which something was paid."""
    market = market_of(act, facts)
    return () if market is None else (scope_of(market, month_of(act.time)),)


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
    )


def shares(acts: Sequence[Act], facts: Facts, last_month: int, months: int) -> Shares:
    """The shares of paid amounts by controller over the months that end with this one."""
    since, until = start_of_month(last_month + 1 - months), start_of_month(last_month + 1)
    sold: dict[str, int] = {}
    contracts = set()
    for act in acts:
        statement = facts.contract(act.subject).statement(act.time)
        if not since <= act.time < until or statement is None:
            continue
        head = facts.topmost(statement.seller, until)
        sold[head] = sold.get(head, 0) + millionths(act.data.amount)
        contracts.add(act.subject)
    total = sum(sold.values())
    ordered = sorted(sold.items(), key=lambda one: (-one[1], one[0]))
    return Shares({one: Fraction(amount, total) for one, amount in ordered} if total else {}, len(contracts))
