"""Deliberate faults, each a switch named in FAULTS: the mistakes that the workshop's stages expose.

One source tree makes the good and the bad versions of a service; only this switch differs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import sleep

from flask import Flask, abort, request

from workshop_service.probes import PROBE_PATHS

SLOW_VERSION_SECONDS = 2.0
# A few requests by hand still succeed; a mirrored stage's traffic does not.
GOOD_REQUESTS = 20


def slow_version(app: Flask) -> None:
    """Make /version take two seconds, as if a slow database were asked."""

    @app.before_request
    def wait() -> None:
        if request.path == "/version":
            sleep(SLOW_VERSION_SECONDS)


def fails_under_traffic(app: Flask) -> None:
    """Break the process for good once it has been sent GOOD_REQUESTS requests that are not probes.

    From then on /healthz and every real request answer 500; a restart heals it until traffic comes
    again. Probes never count, so that the service looks healthy for as long as nobody uses it. /readyz
    stays good: the pod keeps its share of (mirrored) traffic, and its error rate can be read.
    """
    lock = threading.Lock()
    served = 0

    @app.before_request
    def fail() -> None:
        nonlocal served
        with lock:
            broken = served >= GOOD_REQUESTS
            if not broken and request.path not in PROBE_PATHS:
                served += 1
        if broken and request.path not in ("/readyz", "/metrics"):
            abort(500, f"fault fails-under-traffic: broken since it was sent {GOOD_REQUESTS} requests.")


FAULTS: dict[str, Callable[[Flask], None]] = {
    "slow-version": slow_version,
    "fails-under-traffic": fails_under_traffic,
}


def install_faults(app: Flask, names: frozenset[str]) -> None:
    """Switch on the named faults."""
    for name in sorted(names):
        FAULTS[name](app)
