"""The serving client's figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from load.client import Outcome, Recorder, Request

disable_created_metrics()  # type: ignore[no-untyped-call]
# Seconds; up to the 10 s that an answer may take.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metered:
    """Counts what it passes on to a recorder."""

    def __init__(self, recorder: Recorder, registry: CollectorRegistry) -> None:
        self._recorder = recorder
        self._sent = Counter("load_requests", "Requests sent.", ("target",), registry=registry)
        self._failed = Counter(
            "load_failures",
            "Requests without an answer or with one that is no success.",
            ("target",),
            registry=registry,
        )
        self._latency = Histogram(
            "load_latency_seconds",
            "Time from when a request was due to its answer.",
            ("target", "version"),
            buckets=BUCKETS,
            registry=registry,
        )

    def sent(self, request: Request) -> None:
        """Count a request."""
        self._sent.labels(request.target).inc()
        self._recorder.sent(request)

    def outcome(self, request: Request, outcome: Outcome) -> None:
        """Count what became of it."""
        if outcome.failed:
            self._failed.labels(request.target).inc()
        if outcome.status is not None:
            self._latency.labels(request.target, outcome.version or "").observe(outcome.latency_ms / 1000)
        self._recorder.outcome(request, outcome)
