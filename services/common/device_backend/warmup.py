"""/name, and /ping: a slow endpoint that gets quicker with use, a lesson about warm-up."""

from __future__ import annotations

import threading
from time import sleep
from typing import Any

from flask import Blueprint

from workshop_service import Settings

COLD_SECONDS = 5
STEP_SECONDS = 1


def warmup(settings: Settings) -> Blueprint:
    """Make /name and /ping."""
    blueprint = Blueprint("warmup", __name__)
    lock = threading.Lock()
    latency = COLD_SECONDS

    @blueprint.get("/name")
    def name() -> dict[str, str]:
        """Name the service."""
        return {"name": settings.service, "title": settings.title}

    @blueprint.get("/ping")
    def ping() -> dict[str, Any]:
        """Answer after 5 s on the first call, 1 s less on each one after it; a restarted process is cold again."""
        nonlocal latency
        with lock:
            seconds = latency
            latency = max(0, latency - STEP_SECONDS)
        sleep(seconds)
        return {"ping": "pong", "seconds": seconds}

    return blueprint
