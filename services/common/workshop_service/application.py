"""The application factory's common part."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from flask import Flask, Response
from prometheus_client import CollectorRegistry

from workshop_service.errors import ErrorPage, install_errors
from workshop_service.faults import install_faults
from workshop_service.limits import MAX_BODY_BYTES
from workshop_service.logs import install_request_log
from workshop_service.metrics import install_metrics
from workshop_service.overload import install_overload
from workshop_service.probes import probes
from workshop_service.settings import Settings
from workshop_service.tracing import REQUEST_ID, install_tracing, trace_headers

EXTENSION = "workshop_service"


@dataclass(frozen=True)
class Service:
    """What the common part keeps with an application (`service_of`)."""

    settings: Settings
    identity: dict[str, str]
    draining: threading.Event
    registry: CollectorRegistry


def service_of(app: Flask) -> Service:
    """Give what `create_service` keeps with the application."""
    service: Service = app.extensions[EXTENSION]
    return service


def create_service(settings: Settings, import_name: str, error_page: ErrorPage | None = None) -> Flask:
    """Make an application with what every service has; the service adds its own routes."""
    app = Flask(import_name)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # People read these answers in a terminal.
    app.json.compact = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]

    identity = settings.identity
    draining = threading.Event()
    # before_request runs in this order: clocks first, so that a fault's delay is logged and measured.
    install_tracing(app)
    install_request_log(app, settings.room)
    registry = install_metrics(app, identity)
    install_errors(app, error_page)
    install_overload(app, settings.threads, registry)
    app.register_blueprint(probes(identity, draining))
    install_faults(app, settings.faults)
    app.extensions[EXTENSION] = Service(settings, identity, draining, registry)

    @app.after_request
    def name_request(response: Response) -> Response:
        response.headers[REQUEST_ID] = trace_headers()[REQUEST_ID]
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
