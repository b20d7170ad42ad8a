"""The headers that tie a request's hops together: logged by every service, passed on by those that call others."""

from __future__ import annotations

import uuid

from flask import Flask, g, request

REQUEST_ID = "x-request-id"
# A longer id is no id; ours are 36 characters.
MAX_ID = 128
TRACE_HEADERS = (
    REQUEST_ID,
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "traceparent",
    "tracestate",
    "baggage",
    "x-ot-span-context",
)


def install_tracing(app: Flask) -> None:
    """Give every request an id: the mesh's, the caller's, or, without both, one of our own."""

    @app.before_request
    def name_request() -> None:
        g.trace = {name: value for name in TRACE_HEADERS if (value := request.headers.get(name))}
        if len(g.trace.get(REQUEST_ID, "")) not in range(1, MAX_ID + 1):
            g.trace[REQUEST_ID] = str(uuid.uuid4())


def trace_headers() -> dict[str, str]:
    """Give the current request's trace headers, to log or to pass on."""
    return dict(g.get("trace", {}))
