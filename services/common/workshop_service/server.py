"""waitress, set up so that a rollout loses no request and no client holds a thread.

Its main loop reads whole requests and sends whole answers, at whatever pace the clients have; a thread has a request
only while the application works on it. On SIGTERM a service first *drains*: /readyz answers 503 while it goes on
serving, until nobody sends to it any more. Then it stops accepting, finishes what is in flight and ends.
"""

from __future__ import annotations

import contextlib
import io
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from workshop_service.application import service_of
from workshop_service.errors import REFUSAL
from workshop_service.limits import MAX_BODY_BYTES, MAX_HEADER_BYTES
from workshop_service.logs import log
from workshop_service.probes import only_probes

# A connection that no thread works on is closed so long after its beginning, however little is missing.
EXCHANGE_SECONDS = 30
# Threads beside those that work: they refuse what is too much, at once.
REFUSING_THREADS = 8
# More wait in the kernel's queue until others are closed. poll() has no limit of its own.
MAX_CONNECTIONS = 4096
LOOP_SECONDS = 1.0


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads a request's beginning."""

    def parse_header(self, header_plus: bytes) -> None:
        """Refuse one to no host, or to several: proxies before it may read another (RFC 9112, section 3.2)."""
        super().parse_header(header_plus)
        host = self.headers.get("HOST", "")
        if "," in host or (self.version == "1.1" and "HOST" not in self.headers):
            raise ParsingError("A request has one Host header")


class ClosingTask(WSGITask):  # type: ignore[misc]
    """A request, whose answer closes its connection.

    So kube-proxy balances each request anew, and a stopping pod has no idle connection whose next request is reset.
    """

    def start(self) -> None:
        """Say so in the answer."""
        super().start()
        self.set_close_on_finish()


class RefusedTask(ClosingTask):
    """What the server could not take for a request: the application answers it all the same, as its own errors."""

    def get_environment(self) -> dict[str, Any]:
        """Make a request of what there is, with the reason to refuse it and without its body."""
        self.channel.refused = True
        error = self.request.error
        if not hasattr(self.request, "command"):
            self.request.parse_header(b"GET / HTTP/1.0\r\n")
        environ: dict[str, Any] = super().get_environment()
        body = {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        reason = f"This is no HTTP request that a service here can read: {error.body[:200]}."
        return environ | body | {REFUSAL: (error.code, reason)}


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. After a refusal it reads on until the client is done: else a reset could overtake the answer."""

    parser_class = Parser
    task_class = ClosingTask
    error_task_class = RefusedTask
    refused = False
    _lingers = False

    def received(self, data: bytes) -> bool:
        """Take what was sent, unless it belongs to what is refused."""
        return not self._lingers and bool(super().received(data))

    def handle_close(self) -> None:
        """Close, at first only our side of a refused request's connection."""
        if self.refused and self.connected and not self._lingers:
            self._lingers, self.will_close = True, False
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_close()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress for one application, on one port."""

    channel_class = Channel

    def __init__(self, application: Any, port: int, threads: int) -> None:
        adjustments = Adjustments(
            listen=f"0.0.0.0:{port}",
            threads=threads,
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            # It counts what chunks are wrapped in, too; Flask refuses what is too long without that.
            max_request_body_size=2 * MAX_BODY_BYTES,
            cleanup_interval=1,
            asyncore_use_poll=True,
            log_socket_errors=False,
            ident=None,
            # Pages below a path read X-Forwarded-Proto, under their own conditions (workshop_page/below.py).
            clear_untrusted_proxy_headers=False,
        )
        super().__init__(application, adj=adjustments)

    def maintenance(self, now: float) -> None:
        """Close what is too slow, or keeps silent: looked at each second."""
        for channel in self.active_channels.values():
            if not channel.requests and channel.creation_time < now - EXCHANGE_SECONDS:
                channel.refused = False
                channel.will_close = True

    def turn(self) -> None:
        """Handle what has happened, or wait for it, a second at most."""
        wasyncore.loop(timeout=LOOP_SECONDS, use_poll=True, map=self._map, count=1)

    def stop_accepting(self) -> None:
        """Leave the port; what is in flight goes on."""
        wasyncore.dispatcher.close(self)


class Stop:
    """What signals ask for: SIGTERM to drain and then to stop gracefully, SIGINT and SIGQUIT to stop at once."""

    def __init__(self, server: Server) -> None:
        self.asked = False
        self.at_once = False
        self._server = server
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.at_once |= number != signal.SIGTERM
        self._server.pull_trigger()


def start_probes(app: Flask) -> None:
    """Answer probes and Prometheus on a port and by threads of their own, whatever the others have to do."""
    probes = Server(only_probes(app.wsgi_app), service_of(app).settings.probe_port, threads=2)

    def serve() -> None:
        while True:
            probes.turn()

    threading.Thread(target=serve, daemon=True, name="probes").start()


def serve(app: Flask) -> None:
    """Serve until a signal ends it."""
    service = service_of(app)
    settings = service.settings
    start_probes(app)
    server = Server(app, settings.port, settings.threads + REFUSING_THREADS)
    stop = Stop(server)
    while not stop.asked:
        server.turn()
    if not stop.at_once:
        log.info("SIGTERM: not ready any more, serving on for %g s", settings.drain_seconds)
    service.draining.set()
    deadline = time.monotonic() + settings.drain_seconds
    while not stop.at_once and time.monotonic() < deadline:
        server.turn()
    server.stop_accepting()
    deadline = time.monotonic() + settings.graceful_seconds
    while server.active_channels and not stop.at_once and time.monotonic() < deadline:
        server.turn()
    log.info("stopped, with %d requests unanswered", len(server.active_channels))
