"""Health, readiness and version: what Kubernetes and a student ask first."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response

# Paths that machines ask on a timer: neither traffic (faults) nor worth a log line each.
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def probes(identity: dict[str, str], draining: threading.Event) -> Blueprint:
    """Make /healthz, /readyz and /version for the service of the given identity."""
    blueprint = Blueprint("probes", __name__)

    @blueprint.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Tell that the process works; other services' troubles are not its own."""
        return {"status": "ok"}

    @blueprint.get("/readyz")
    def readyz() -> tuple[dict[str, Any], int]:
        """Tell whether to send traffic here: not to a process that is about to stop."""
        if draining.is_set():
            return {"status": "draining"}, 503
        return {"status": "ready"}, 200

    @blueprint.get("/version")
    def version() -> dict[str, str]:
        """Name the version that answers, and the pod it runs in."""
        return identity

    @blueprint.after_app_request
    def say_who_answered(response: Response) -> Response:
        """Keep answers out of every cache: the next one may come from another version."""
        response.headers.setdefault("Cache-Control", "no-store")
        # Which version answered is then visible on any endpoint, also to a load client.
        response.headers["X-Service-Version"] = identity["version"]
        response.headers["X-Service-Pod"] = identity["pod"]
        return response

    return blueprint


def only_probes(application: Any) -> Any:
    """Wrap a WSGI application so that it answers probes alone."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBE_PATHS:
            answered: Iterable[bytes] = application(environ, start_response)
            return answered
        start_response("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"error": "Here are /healthz, /readyz and /metrics alone."}\n']

    return answer
