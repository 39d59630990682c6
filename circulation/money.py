"""Amounts of money, exactly: integers of millionths, which is all that a decimal string of the contract may hold."""

from fractions import Fraction
from typing import Final

PLACES: Final = 6


def millionths(amount: str) -> int:
    """An admitted amount (contract §1: up to 18 digits before the point and 6 after it) in millionths."""
    whole, _, part = amount.partition(".")
    return int(whole + part.ljust(PLACES, "0"))


def written(amount: int) -> str:
    """Millionths as a decimal string without needless zeros."""
    whole, part = divmod(amount, 10**PLACES)
    return f"{whole}.{part:0{PLACES}}".rstrip("0").rstrip(".")


def exact(number: float) -> Fraction:
    """A number of a pack as it was written: 0.1 is one tenth."""
    return Fraction(str(number))
