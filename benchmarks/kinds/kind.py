"""A kind of acts: events that are there before, and those of each act."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from circulation.examples import Json

Make = Callable[[int], Json | Sequence[Json]]


class Kind(NamedTuple):
    """Acts of one kind: what is there before, and the events of the i-th act.

    `anew` says what each of them has to say anew that is more with every one, so that it may cost more.
    """

    name: str
    make: Make
    before: Sequence[Json] = ()
    anew: str = ""
