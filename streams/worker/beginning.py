"""Answers /ready and /health for a worker that has not begun to read, since it waits for its store or for Kafka.

Its own pages come with Faust, which begins when both are there; until then nobody would answer, and who looks could not
tell a worker that waits from one that is not there.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson

from streams.health.readiness import KAFKA_AWAY, STORE_AWAY, State, document

# How often the server looks whether it is to end, seconds.
END_SECONDS: Final = 0.05
NOT_BEGUN: Final = State(
    assigned=0,
    member=False,
    store=True,
    broker=True,
    sending="",
    lag=0,
    delay=0.0,
    held=False,
    open_transactions=(),
    stopped=(),
    judge_silent=0.0,
    judge_waits=0.0,
    outbox_waits=0.0,
    outbox_closed={},
    outbox_set_aside=0,
    clock_trusted=False,
    clock_skews={},
    clock_doubts=(),
    clock_unbounded="",
    failing={},
    watch_silent=0.0,
    strangers=(),
    store_silent=0.0,
    broker_silent=0.0,
)


class WebTaken(Exception):
    """Nobody can listen where the pages are to be; the message says what to do."""


class Beginning:
    """The servers that a worker waits for before it begins: whether store and Kafka answered the last request."""

    def __init__(self) -> None:
        self.store_answers = True
        self.broker_answers = True

    def page(self, path: str) -> tuple[HTTPStatus, Any]:
        """Status and document of one of its pages, as the worker has them later; none where there is no such page."""
        match path:
            case "/ready":
                return HTTPStatus.SERVICE_UNAVAILABLE, self._ready()
            case "/health":
                return HTTPStatus.OK, {"alive": True, "reasons": []}
        return HTTPStatus.NOT_FOUND, None

    def _ready(self) -> dict[str, Any]:
        state = NOT_BEGUN._replace(store=self.store_answers, broker=self.broker_answers)
        why = [] if self.store_answers else [STORE_AWAY]
        why += [] if self.broker_answers else [KAFKA_AWAY]
        return document(state, warnings=(), pack="") | {"reasons": why or ["it has not begun to read yet"]}

    @contextlib.contextmanager
    def answering(self, web: str) -> Iterator[None]:
        """Answers on `web` (host:port) until it is left. Raises `WebTaken`."""
        server = _listening(web, self)
        thread = threading.Thread(target=server.serve_forever, args=(END_SECONDS,), name="beginning", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _listening(web: str, beginning: Beginning) -> ThreadingHTTPServer:
    host, _, port = web.rpartition(":")
    host = host.strip("[]")

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        block_on_close = False

    class Page(BaseHTTPRequestHandler):
        # A client that connects and sends nothing is not waited for.
        timeout = 5.0

        def do_GET(self) -> None:
            status, document = beginning.page(self.path.partition("?")[0])
            body = b"" if document is None else orjson.dumps(document)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        return Server((host, int(port)), Page)
    except OSError as error:
        raise WebTaken(
            f"CIRCULATION_WEB: nothing can listen on {web} ({error.strerror}): name another host:port"
        ) from error
