"""Too much at once is refused at once, and not queued: who waits in a queue has given up when its turn comes."""

from __future__ import annotations

import threading
from collections import Counter

from flask import Flask, g, request
from prometheus_client import CollectorRegistry, Gauge
from werkzeug.exceptions import ServiceUnavailable

from workshop_service.probes import PROBE_PATHS

RETRY_SECONDS = 2


def install_overload(app: Flask, threads: int, registry: CollectorRegistry) -> None:
    """Let `threads` requests in at once, and of these at most three in four to one route.

    So a route that waits for something slow leaves places to the others: its page can still be opened.
    """
    most_of_one = max(1, threads * 3 // 4)
    lock = threading.Lock()
    taken: Counter[str | None] = Counter()

    def in_flight() -> int:
        with lock:
            return taken.total()

    gauge = Gauge("http_requests_in_flight", "Requests that are being worked on.", registry=registry)
    gauge.set_function(in_flight)

    @app.before_request
    def take_place() -> None:
        if request.path in PROBE_PATHS:
            return
        route = request.endpoint
        with lock:
            if taken.total() >= threads or taken[route] >= most_of_one:
                raise ServiceUnavailable(
                    f"{taken.total()} requests are being worked on, which is all that this pod can do: "
                    f"try again in {RETRY_SECONDS} s.",
                    retry_after=RETRY_SECONDS,
                )
            taken[route] += 1
        g.place = route

    @app.teardown_request
    def give_place_back(_error: BaseException | None) -> None:
        if "place" in g:
            with lock:
                taken[g.pop("place")] -= 1
