"""Parties with those above and beside them, for who asks once and keeps nothing."""

from collections.abc import Collection

from circulation.facts.parties import PartyFacts
from streams.facts.known import Known
from streams.store.db import Db


def controlled(db: Db, ids: Collection[str]) -> list[str]:
    """The parties and all that were ever stated to be controlled by them, as far as a chain is looked at."""
    return Known().controlled(db, ids)


def with_controllers(db: Db, ids: Collection[str], known_at: int | None = None) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever controlled them, as far as a chain is looked at."""
    return Known(known_at=known_at).with_controllers(db, ids)


def with_groups(db: Db, ids: Collection[str]) -> dict[str, PartyFacts]:
    """Facts of parties and of all that ever had a controller in common with them, with all their controllers."""
    return Known().with_groups(db, ids)
