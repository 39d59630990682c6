"""What a worker remembers of duplicates and of single uses, and for how long (contract §1 and §3)."""

from pathlib import Path

import pytest

from circulation.calendar import DAY
from streams.health.clock import wall
from streams.settings import Settings
from streams.store import schema
from streams.store.store import Store
from streams.worker.pruning import PASS_SECONDS
from streams.worker.worker import Worker

# As long as a test may take between filling the store and pruning it.
MINUTE = 60_000_000


@pytest.mark.parametrize(("days", "name"), [(7, "seen"), (31, "remembered")])
def test_what_is_older_than_its_span_is_forgotten(days: int, name: str, tmp_path: Path) -> None:
    settings = Settings.read({"CIRCULATION_STORE": f"sqlite:///{tmp_path}/store.db"})
    store = Store(settings.store)
    store.migrate()
    worker = Worker(settings, store)
    now = wall()
    kept, gone = now - days * DAY + MINUTE, now - days * DAY - 1
    with store.writing() as db:
        db.many(schema.seen, [("kept", kept), ("gone", gone)])
        db.many(schema.remembered, [("circulation.contracts", 0, taken, b"", b"", None) for taken in (kept, gone)])
    while worker.pruning.step(now) < PASS_SECONDS:
        pass
    with store.reading() as db:
        assert [(kept,)] == db.rows(f"select taken from {name} where taken in (?, ?)", kept, gone)
    worker.reader.close()
    store.close()
