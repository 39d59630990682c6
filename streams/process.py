"""How a process of the worker begins: its log, and its collector of garbage."""

import gc
import logging

from streams import log
from streams.settings import Settings


def begin(settings: Settings) -> None:
    """Has a process log to its standard error."""
    log.install(settings.log_level)
    for noisy in ("faust", "aiokafka", "mode", "alembic", "psycopg", "streams.wire.fetches"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def collect_rarely() -> None:
    """Has a process look for cycles rarely; called when what it needs is imported.

    Desks and fetches are many small objects without cycles: looking for cycles among them is most of what a default
    collector would do.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
