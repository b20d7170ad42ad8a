"""gunicorn, set up so that a rollout loses no request.

On SIGTERM a service first *drains*: /readyz answers 503 while it goes on serving, until nobody sends to it
any more. Then it stops accepting, finishes what is in flight and exits.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from workshop_service.application import service_of
from workshop_service.logs import log, logging_config


class DrainingArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which serves on for a while after SIGTERM."""

    def handle_term(self) -> None:
        """Drain, then stop gracefully. SIGINT and SIGQUIT still stop at once."""
        service = service_of(self.app.wsgi())
        seconds = service.settings.drain_seconds
        service.drain.begin()
        log.info("SIGTERM: not ready any more, serving on for %g s", seconds)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for number in self.wait_for_signals(timeout=left):
                if number in (signal.SIGINT, signal.SIGQUIT):
                    self.handle_int()
                elif number == signal.SIGCHLD:
                    self.handle_chld()
            self.murder_workers()
            self.manage_workers()
        super().handle_term()


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn for one application that is already made."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        service = service_of(self._app)
        settings = service.settings
        options: dict[str, Any] = {
            "bind": f"0.0.0.0:{settings.port}",
            "proc_name": settings.service,
            # One process: metrics and a service's counters are whole. Threads mostly wait.
            "workers": 1,
            "worker_class": "gthread",
            "threads": settings.threads,
            # Every answer closes its connection: kube-proxy balances each request anew, and a stopping pod has
            # no idle connection whose next request would be reset.
            "keepalive": 0,
            "graceful_timeout": settings.graceful_seconds,
            # The worker's heartbeat file: in memory, and beside a read-only root file system.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp",
            "control_socket_disable": True,
            "preload_app": True,
            "logconfig_dict": logging_config(service.identity),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Give gunicorn the application."""
        return self._app

    def run(self) -> None:
        """Serve until a signal ends it."""
        DrainingArbiter(self).run()
