"""What every service has: probes, version, metrics, logs and errors that explain themselves."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from workshop_service.application import service_of
from workshop_service.logs import JsonFormatter


def test_version_names_the_service_and_its_pod(backend: FlaskClient) -> None:
    answer = backend.get("/version")
    assert answer.json == {"service": "aleph", "title": "Aleph", "version": "0.3", "pod": "aleph-pod"}
    assert answer.headers["X-Service-Version"] == "0.3"
    assert answer.headers["Cache-Control"] == "no-store"


def test_healthy_and_ready_without_a_database(backend: FlaskClient) -> None:
    assert backend.get("/healthz").status_code == 200
    assert backend.get("/readyz").status_code == 200


def test_not_ready_but_serving_while_draining(make_backend: Callable[..., Flask]) -> None:
    app = make_backend()
    service_of(app).draining.set()
    client = app.test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/version").status_code == 200


def test_metrics_count_by_method_route_and_status(backend: FlaskClient) -> None:
    backend.get("/version")
    backend.get("/devices/a%20b?q=1")
    backend.get("/nothing/here")
    backend.open("/version", method="BREW")
    text = backend.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/version",status="200"} 1.0' in text
    assert 'http_requests_total{method="GET",route="/devices/<name>",status="503"} 1.0' in text
    assert 'http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'http_requests_total{method="other",route="unmatched",status="405"} 1.0' in text
    assert 'http_request_duration_seconds_count{method="GET",route="/version",status="200"} 1.0' in text
    assert 'service_info{pod="aleph-pod",service="aleph",title="Aleph",version="0.3"} 1.0' in text


def test_a_request_is_one_log_line_with_its_trace(
    make_backend: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    backend = make_backend().test_client(use_cookies=False)
    formatter = JsonFormatter({"service": "aleph", "version": "0.3"})
    lines: list[dict[str, object]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(formatter.format(record)))

    handler = Collect()
    logger = logging.getLogger("workshop_service")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            backend.get(
                "/version?secret=1",
                headers={
                    "X-Request-Id": "r-1",
                    "X-B3-TraceId": "abc",
                    "traceparent": "00-1-2-01",
                    "Cookie": "token=hidden; user=developer",
                    "Host": "aleph-shadow",
                },
            )
            backend.get("/healthz")
    finally:
        logger.removeHandler(handler)
    assert len(lines) == 1
    (line,) = lines
    assert line | {"time": "", "duration_ms": 0} == {
        "time": "",
        "level": "info",
        "service": "aleph",
        "version": "0.3",
        "message": "GET /version 200",
        "method": "GET",
        "path": "/version",
        "status": 200,
        "duration_ms": 0,
        "host": "aleph-shadow",
        "peer": "127.0.0.1",
        "user": "developer",
        "x-request-id": "r-1",
        "x-b3-traceid": "abc",
        "traceparent": "00-1-2-01",
    }


def test_a_request_without_an_id_gets_one(backend: FlaskClient) -> None:
    assert len(backend.get("/version").headers["x-request-id"]) == 36
    assert backend.get("/version", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"


def test_an_id_that_is_none_is_not_repeated(backend: FlaskClient) -> None:
    assert backend.get("/version", headers={"x-request-id": "x" * 128}).headers["x-request-id"] == "x" * 128
    assert len(backend.get("/version", headers={"x-request-id": "x" * 129}).headers["x-request-id"]) == 36


def test_errors_say_their_reason_as_json(backend: FlaskClient) -> None:
    assert backend.get("/nope").json == {"error": "There is nothing at /nope."}
    refused = backend.post("/version")
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
    assert refused.json is not None
    assert refused.json["error"]


def test_a_failure_answers_500_and_hides_its_cause(
    make_backend: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_backend()
    app.add_url_rule("/broken", view_func=lambda: str(1 // 0))
    answer = app.test_client().get("/broken", headers={"x-request-id": "r-2"})
    assert answer.status_code == 500
    assert answer.json == {"error": "This service failed; look in its log for x-request-id r-2."}
    cause, line = caplog.records
    assert cause.exc_info is not None
    assert cause.exc_info[0] is ZeroDivisionError
    assert "ZeroDivisionError: " in JsonFormatter({}).format(cause)
    assert (cause.levelname, line.levelname, line.getMessage()) == ("ERROR", "ERROR", "GET /broken 500")
