"""Prometheus metrics. The service is one process with threads, so that one registry holds the truth."""

from __future__ import annotations

from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# A start time beside each series says nothing here and doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Any other method is one label value: labels must not grow with what strangers send.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Seconds; up to the 10 s that front waits for a backend.
SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def install_metrics(app: Flask, identity: dict[str, str]) -> CollectorRegistry:
    """Count and time requests by method, route and status, and publish them at /metrics."""
    # A registry of its own for each application: two in one process (tests) don't collide.
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    labels = ("method", "route", "status")
    requests = Counter("http_requests", "Requests answered.", labels, registry=registry)
    durations = Histogram(
        "http_request_duration_seconds", "Time to answer a request.", labels, buckets=SECONDS_BUCKETS, registry=registry
    )
    info = Gauge("service_info", "The service that runs here; always 1.", tuple(identity), registry=registry)
    info.labels(**identity).set(1)

    @app.before_request
    def start_clock() -> None:
        g.metrics_started = perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        method = request.method if request.method in METHODS else "other"
        route = request.url_rule.rule if request.url_rule else "unmatched"
        values = (method, route, str(response.status_code))
        requests.labels(*values).inc()
        durations.labels(*values).observe(perf_counter() - g.metrics_started)
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return registry
