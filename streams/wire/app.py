"""The Faust app: one agent a topic, each taking in whole fetches.

records of Kafka → Fetch (reader, fetches) → events and rejections (admission) → desks and outbox (intake)
                 → judge queue → findings and outbox (judging) → Kafka again (relay)
"""

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import faust
from faust.web.base import BlueprintManager

from streams.health.workers import group
from streams.settings import Settings
from streams.topics import TOPICS_IN
from streams.wire.fetches import Assignor, Fetches
from streams.wire.reader import Fetch

# How often the number of partitions is asked for.
METADATA_MS = 5_000


def make_app(worker: Any, settings: Settings, store_id: str) -> faust.App:
    """The app of one worker. `worker` takes in fetches and tells where reading goes on.

    Its group knows it by the name that its row in the store has, so that who belongs to another store is told apart.
    """
    host, _, port = settings.web.rpartition(":")
    app = faust.App(
        group(store_id),
        broker=f"fetches://{settings.kafka.replace(',', ';')}",
        broker_client_id=worker.heart.worker,
        web_bind=host.strip("[]"),
        web_host=host.strip("[]"),
        web_port=int(port),
        web_enabled=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        PartitionAssignor=Assignor,
        consumer_auto_offset_reset="earliest",
        # Partitions that a topic is given are noticed, and assigned, within so long.
        consumer_metadata_max_age_ms=METADATA_MS,
        broker_commit_interval=2.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_max_poll_interval=float(settings.stall_seconds),
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        datadir=datadir(),
    )
    app.worker = worker  # type: ignore[attr-defined]  # where the transport finds it
    for topic in TOPICS_IN:
        app.agent(app.topic(topic, schema=Fetches()), name=f"desk.{topic}")(_agent(worker))
    # The pages that Faust serves by itself: tables that are not there, and one that always says OK.
    app.web.blueprints = BlueprintManager()
    _pages(app, worker)
    return app


def datadir() -> Path:
    """Faust wants a folder though there are no tables: one for all workers of a user, which stays empty."""
    return Path(tempfile.gettempdir()) / f"circulation-faust-{os.getuid()}"


def _agent(worker: Any) -> Callable[[Any], Any]:
    async def desk(stream: AsyncIterator[Fetch]) -> None:
        async for fetch in stream:
            await worker.take(fetch)

    return desk


def _pages(app: faust.App, worker: Any) -> None:
    @app.page("/metrics")
    async def metrics(self: Any, request: Any) -> Any:
        body, content_type = worker.condition.exposition()
        return self.bytes(body, content_type=content_type.split(";")[0])

    @app.page("/health")
    async def health(self: Any, request: Any) -> Any:
        state = worker.condition.health()
        return self.json(state, status=200 if state["alive"] else 503)

    @app.page("/ready")
    async def ready(self: Any, request: Any) -> Any:
        state = worker.condition.readiness()
        return self.json(state, status=200 if state["ready"] else 503)
