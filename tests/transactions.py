"""What a test needs to stop a transaction at one of its steps."""

from collections.abc import Iterable
from typing import Any

from streams.intake.batch import Batch
from streams.judging.round import Round
from streams.store.db import Db


def db_of(given: Iterable[Any]) -> Db:
    """The open transaction that a step was given: by itself, or with the fetch or the round that it is of."""
    return next(one if isinstance(one, Db) else one.db for one in given if isinstance(one, (Db, Batch, Round)))
