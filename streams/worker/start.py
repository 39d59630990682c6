"""Starts a worker, and ends its process: `main` is what `circulation worker` runs."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from confluent_kafka import KafkaException

from streams.address import start_one
from streams.health.workers import Differs, identity, make_way
from streams.process import begin, collect_rarely
from streams.settings import Settings
from streams.store import schema_version
from streams.store.errors import StoreAway, StoreTaken
from streams.store.schema_version import StoreForeign, StoreNewer
from streams.store.store import Store
from streams.wire.broker import admin_client
from streams.worker.beginning import Beginning, WebTaken
from streams.worker.retry import backoff
from streams.worker.worker import Worker

log = logging.getLogger("circulation")

# So long the end may take; who stops a worker kills it after 30 s (docker-compose.yml), or sooner.
END_SECONDS_MAX: Final = 20.0
# How long one question to a Kafka that does not answer yet takes, seconds.
KAFKA_SECONDS_MAX: Final = 5.0


class _Ended(BaseException):
    """Somebody ended this process before it had begun to read."""


def main(settings: Settings) -> int:
    """Runs a worker to its end; 2 where it may not start."""
    begin(settings)
    store = Store(settings.store)
    begun: list[Worker] = []
    refused = ""
    try:
        with _ends_when_told():
            refused = _begin(settings, store, begun)
    except _Ended:
        log.info("it ends before it has begun to read")
    else:
        if not refused:
            return _run(settings, store, begun[0])
        sys.stderr.write(f"circulation: {refused}\n")
    for part in begun:
        part.heart.end()
    store.close()
    return 2 if refused else 0


@contextlib.contextmanager
def _ends_when_told() -> Iterator[None]:
    """Raises `_Ended` where this process is told to end; later that is Faust's to see to."""

    def end(*_: object) -> None:
        raise _Ended

    before = {signum: signal.signal(signum, end) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _begin(settings: Settings, store: Store, begun: list[Worker]) -> str:
    """Makes the worker, once store and Kafka are there, and puts it into `begun`; answers why it may not start."""
    beginning = Beginning()
    try:
        with beginning.answering(settings.web):
            store.claim()
            _when_there(lambda: make_way(store, schema_version.newest()), beginning)
            _when_there(store.migrate, beginning)
            worker = Worker(settings, store)
            begun.append(worker)
            _when_there(worker.heart.begin, beginning)
            _when_there(worker.keep_clock, beginning)
            _when_kafka_is_there(settings.kafka, beginning)
    except (WebTaken, StoreForeign, StoreTaken, StoreNewer, Differs) as refusal:
        return str(refusal)
    return ""


def _run(settings: Settings, store: Store, worker: Worker) -> int:
    """Runs a worker that may start to its end."""
    import faust

    from streams.wire.app import make_app

    class Process(faust.Worker):
        """Faust's life cycle without its command line."""

        async def on_execute(self) -> None:
            """Says where the worker is."""
            log.info("worker on %s, store %s, http://%s", settings.kafka, store.place, settings.web)

        async def on_stop(self) -> None:
            """Ends all at once what would wait for Kafka or the store by turns, and within `END_SECONDS_MAX`."""
            threading.Thread(target=_end_in_time, args=(worker,), name="end", daemon=True).start()
            worker.end()
            await super().on_stop()

    collect_rarely()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with store.reading() as db:
        app = make_app(worker, settings, identity(db))
    worker.start()
    process = Process(app, loop=loop, loglevel="ERROR", quiet=True, redirect_stdouts=False, override_logging=False)
    # It would show and hide the cursor of whatever its output is, a file too.
    process.spinner = None
    try:
        process.execute_from_commandline()
    except SystemExit as leaving:
        if worker.life.refused:
            sys.stderr.write(f"circulation: {worker.life.refused}\n")
            return 2
        return int(leaving.code or 0)
    finally:
        worker.stop()
        store.close()


def _end_in_time(worker: Worker) -> None:
    """Ends this process where something waits for a store or a Kafka that stands still. Nothing is lost by it: what
    was taken in is committed or not, and what was not sent is in the outbox."""
    time.sleep(END_SECONDS_MAX)
    log.warning(
        "it ends though not all has come to its end within %.0f s (%s): store or Kafka do not answer; what is not"
        " committed is read again, what is not sent is in the outbox",
        END_SECONDS_MAX,
        ", ".join(worker.life.at_work()) or "Faust",
    )
    logging.shutdown()
    os._exit(2 if worker.life.refused else 0)


def _when_there(step: Callable[[], None], beginning: Beginning) -> None:
    """Takes a step of the start as soon as the store answers."""
    for attempt in itertools.count():
        try:
            step()
            beginning.store_answers = True
            break
        except StoreAway as error:
            beginning.store_answers = False
            log.warning("the store does not answer yet: %s", error)
            time.sleep(backoff(attempt))


def _when_kafka_is_there(bootstrap: str, beginning: Beginning) -> None:
    """Waits until Kafka answers: Faust gives up at its first try, and nobody would watch."""
    admin = admin_client(bootstrap)
    for attempt in itertools.count():
        try:
            admin.list_topics(timeout=KAFKA_SECONDS_MAX)
        except KafkaException as error:
            beginning.broker_answers = False
            log.warning(
                "Kafka at %s does not answer yet, the worker begins when it does: %s%s",
                bootstrap,
                error.args[0],
                start_one(bootstrap),
            )
            time.sleep(backoff(attempt))
        else:
            return
