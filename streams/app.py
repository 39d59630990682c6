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

from streams.fetches import Fetches
from streams.reader import Fetch
from streams.settings import Settings
from streams.topics import TOPICS_IN

GROUP = "circulation"


def make_app(worker: Any, settings: Settings) -> faust.App:
    """The app of one worker. `worker` takes in fetches and tells where reading goes on."""
    host, _, port = settings.web.rpartition(":")
    app = faust.App(
        GROUP,
        broker=f"fetches://{settings.kafka.replace(',', ';')}",
        web_bind=host.strip("[]"),
        web_host=host.strip("[]"),
        web_port=int(port),
        web_enabled=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=2.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_max_poll_interval=600.0,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        datadir=datadir(),
    )
    app.worker = worker  # type: ignore[attr-defined]  # where the transport finds it
    for topic in TOPICS_IN:
        app.agent(app.topic(topic, schema=Fetches()), name=f"desk.{topic}")(_agent(worker))
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
        body, content_type = worker.exposition()
        return self.bytes(body, content_type=content_type.split(";")[0])

    @app.page("/health")
    async def health(self: Any, request: Any) -> Any:
        return self.json({"alive": True})

    @app.page("/ready")
    async def ready(self: Any, request: Any) -> Any:
        state = worker.readiness()
        return self.json(state, status=200 if state["ready"] else 503)
