"""Structured logs: one JSON object a line on stdout."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, has_request_context, request

from workshop_service.probes import PROBE_PATHS
from workshop_service.tracing import trace_headers
from workshop_service.user import user_cookies

log = logging.getLogger("workshop_service")


class JsonFormatter(logging.Formatter):
    """Write a record as JSON: when, how bad, who, what, and the request it belongs to."""

    def __init__(self, identity: dict[str, str]) -> None:
        super().__init__()
        self._identity = identity

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; fields come by `extra={"fields": {...}}`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._identity,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if has_request_context():
            # Baggage is whatever others have packed: passed on, and not read.
            line.update({name: value for name, value in trace_headers().items() if name != "baggage"})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def logging_config(identity: dict[str, str]) -> dict[str, Any]:
    """Configure the standard library's logging, the server's own messages included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "identity": identity}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": "INFO", "handlers": ["stdout"]},
        "loggers": {
            # How many wait for one of the threads; those that refuse are idle again at once.
            "waitress.queue": {"level": "CRITICAL"},
        },
    }


def install_request_log(app: Flask, room: str) -> None:
    """Log each request once it is answered; probes only when they fail."""

    @app.before_request
    def start_clock() -> None:
        g.started = perf_counter()

    @app.after_request
    def write(response: Response) -> Response:
        if request.path in PROBE_PATHS and response.status_code < 400:
            return response
        users = user_cookies(request.headers.get("Cookie", ""), room, request.script_root)
        fields = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_ms": round((perf_counter() - g.started) * 1000, 1),
            "host": request.host,
            "peer": request.remote_addr,
            **({"user": users[0]} if users else {}),
        }
        # A stopping service is not ready on purpose: no error.
        failed = response.status_code >= 500 and request.path != "/readyz"
        log.log(
            logging.ERROR if failed else logging.INFO,
            "%s %s %d",
            request.method,
            request.path,
            response.status_code,
            extra={"fields": fields},
        )
        return response
